// A crawl that is running: how far it is, how fast, and how long it may still take.
import { badge, bytes, el, number, say, span } from "./tools.js";

const WINDOW_MS = 20000;
const samples = new Map();

/** Addresses that are done with: stored, refused or failed. */
function done(running) { return running.pages + running.assets + running.redirects + running.refused + running.errors; }

/**
 * How far a crawl is. What waits is certain; beyond that, as much as the snapshot in service has is to be expected.
 * Without one the time left can only be a lower bound: every page may lead to more.
 */
export function estimate(running, snapshot, rate) {
  const stored = running.pages + running.assets + running.redirects;
  const waiting = running.queued + running.under_way;
  const expected = snapshot ? snapshot.pages + snapshot.files + (snapshot.redirects ?? 0) : 0;
  const rest = Math.max(waiting, expected - stored);
  return { done: done(running), rest, seconds: rate > 0 ? rest / rate : null, atLeast: expected <= stored };
}

/** Addresses a second, over the last seconds. */
function pace(site, running) {
  const now = performance.now(), all = samples.get(site) ?? [];
  if (all.length && done(running) < all[all.length - 1].done) all.length = 0;
  all.push({ at: now, done: done(running) });
  while (all.length > 2 && now - all[0].at > WINDOW_MS) all.shift();
  samples.set(site, all);
  const [first, last] = [all[0], all[all.length - 1]];
  return last.at - first.at > 500 ? (last.done - first.done) / ((last.at - first.at) / 1000) : null;
}

export function progress(site) {
  const { running } = site.crawl;
  if (!running) { samples.delete(site.name); return null; }
  const rate = pace(site.name, running);
  const { done: so, rest, seconds, atLeast } = estimate(running, site.snapshot, rate);
  const left = seconds === null ? say("left_unknown") : say(atLeast ? "left_at_least" : "left", span(Math.ceil(seconds)));
  return el("div", { class: "progress" },
    el("p", { class: "row" }, badge("cache", say("crawl_running")), el("span", { class: "soft" }, left)),
    el("progress", { max: String(Math.max(1, so + rest)), value: String(so), "aria-label": say("crawl_running") }),
    el("p", { class: "numbers" },
      [["pages", number(running.pages)], ["files", number(running.assets)], ["size", bytes(running.bytes)], ["errors", number(running.errors)], ["refused", number(running.refused)], ["waiting", number(running.queued + running.under_way)]]
        .map(([word, value]) => el("span", { class: word === "errors" && running.errors ? "failed" : null }, el("b", {}, value), ` ${say(word)}`)),
      rate === null ? null : el("span", {}, say("per_second", number(Math.round(rate * 10) / 10)))));
}
