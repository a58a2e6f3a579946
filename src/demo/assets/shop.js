// Says how old this page was when it arrived, so that a copy can be told from a page fresh from the shop's server.
"use strict";
(() => {
  const rendered = Number(document.documentElement.dataset.rendered);
  const arrived = Date.now();
  const ja = document.documentElement.lang === "ja";
  const age = Math.max(0, (arrived - rendered) / 1000);
  const live = age < 1.5;

  function words(seconds) {
    if (seconds < 1.5) return ja ? "たった今" : "just now";
    if (seconds < 90) return ja ? `${Math.round(seconds)}秒前` : `${Math.round(seconds)} s ago`;
    if (seconds < 5400) return ja ? `${Math.round(seconds / 60)}分前` : `${Math.round(seconds / 60)} min ago`;
    return ja ? `${Math.round(seconds / 3600)}時間前` : `${Math.round(seconds / 3600)} h ago`;
  }

  for (const el of document.querySelectorAll("[data-age]")) el.textContent = `(${words(age)})`;
  for (const el of document.querySelectorAll("[data-live]")) el.classList.add(live ? "now" : "copy");

  // The demo's page shows this one in a frame, and writes path and age above it.
  if (window.parent !== window) {
    window.parent.postMessage({ shop: { path: location.pathname + location.search, rendered, arrived } }, "*");
  }
})();
