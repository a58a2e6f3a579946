// The dashboard: asks how things stand, shows all sites or one, in the reader's language.
import { $, No, api, el, language, remember, say, speak, tell } from "./tools.js";
import { Overview } from "./overview.js";
import { Site } from "./site.js";

const POLL_MS = 2000, BUSY_MS = 1000;
const wanted = location.pathname.startsWith("/sites/") ? decodeURIComponent(location.pathname.slice("/sites/".length).replace(/\/$/, "")) : null;
const site = wanted === null ? null : new Site(wanted, () => look());
const all = new Overview(() => look());
let status = null, misses = 0, unknown = false, timer = null;

function show() {
  document.documentElement.lang = language;
  $("skip").textContent = say("skip");
  $("lost").textContent = say("lost");
  $("lost").hidden = misses < 2;
  $("token-label").textContent = say("token");
  $("token-send").textContent = say("token_send");
  $("crumb").textContent = wanted ?? "";
  document.title = wanted === null ? "Katahai" : `${wanted} – Katahai`;
  for (const button of document.querySelectorAll("[data-language]")) button.setAttribute("aria-pressed", String(button.dataset.language === language));
  if (unknown) return $("page").replaceChildren(el("p", { class: "notice bad" }, say("unknown_site")));
  if (!status) return;
  if (wanted === null) all.show(status, $("page"));
  else site.show(status.sites[0], $("page"), status.conditions);
}

async function look() {
  clearTimeout(timer);
  try {
    const next = wanted === null ? await all.look() : await api(`status?site=${encodeURIComponent(wanted)}`);
    await site?.look(next.sites[0]);
    status = next;
    misses = 0;
    unknown = false;
    $("token").hidden = true;
  } catch (error) {
    if (error instanceof No && error.status === 401) {
      $("token").hidden = false;
      return show();
    }
    unknown = error instanceof No && error.code === "unknown-site";
    misses = unknown ? 0 : misses + 1;
    console.debug(error);
  }
  show();
  timer = setTimeout(look, status?.sites.some((one) => one.crawl?.running) ? BUSY_MS : POLL_MS);
}

$("token").addEventListener("submit", async (event) => {
  event.preventDefault();
  remember("token", $("token-text").value.trim(), sessionStorage);
  tell("");
  await look();
  if (!$("token").hidden) tell(say("token_wrong"), true);
  $("token-text").value = "";
});
for (const button of document.querySelectorAll("[data-language]")) button.addEventListener("click", () => { speak(button.dataset.language); tell(""); show(); });

show();
look();
