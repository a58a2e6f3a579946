// The report of a crawl: the numbers, the gate's word, and the lists that owners love to have.
import { badge, bytes, caused, decoded, el, known, language, meaning, number, reason, say, span, table, when } from "./tools.js";

const ROWS = 50;

export function report(shown, found) {
  const title = el("h2", {}, say("report_of", shown.id));
  if (found === undefined) return [title, el("p", {}, say("report_loading"))];
  if (!Number.isInteger(found?.requests)) return [title, gate(shown), el("p", {}, say("report_none"))];
  return [title, gate(shown, found), numbers(found), broken(found), lost(found), failures(found), byReason("refusals", found.refusals), byReason("carried_title", found.carried_over, say("carried_why")), byReason("removed_title", found.removed), slowest(found)];
}

/** The gate's word of then; `held` is what counts now. */
function gate({ held, gated }, found) {
  const rules = found?.gate?.broken ?? [];
  const failed = gated || rules.length > 0;
  return [
    el("p", {}, badge(failed ? "failed" : "live", say("gate")), " ", say(failed ? "gate_held" : "gate_passed")),
    rules.length ? table(say("gate"), [[say("rule")], [say("detail")], [say("measured"), "n"], [say("limit"), "n"]],
      rules.map((r) => [meaning(r.rule, ["rules"]), place(r), measure(r, r.measured), measure(r, r.limit)]), "rules cards")
      : held?.length ? el("ul", { class: "reasons" }, held.map((why) => el("li", {}, reason(why)))) : null,
  ];
}

/** English has a sentence; the page that it begins with says in any language where to look. */
function place({ detail }) {
  if (language === "en") return detail;
  const path = detail.match(/^(\/\S*): /)?.[1];
  return path ? page(path) : "–";
}

/** Some rules measure shares of 1. */
const SHARES = ["less-text", "turned", "uniform"];

function measure({ rule }, n) {
  if (typeof n !== "number") return "–";
  return SHARES.includes(rule) ? `${number(Math.round(n * 1000) / 10)}%` : number(Math.round(n * 1000) / 1000);
}

function numbers(r) {
  const fact = (word, value, kind = null) => el("div", {}, el("dt", { class: word === "robots" ? "asis" : null }, say(word)), el("dd", { class: kind }, value));
  return el("dl", { class: "tiles" },
    fact("pages", number(r.pages)), fact("files", number(r.assets)), fact("redirects", number(r.redirects)), fact("size", bytes(r.bytes)),
    fact("unchanged", number(r.unchanged)), total(r.carried_over) ? fact("carried", number(total(r.carried_over))) : null,
    fact("refused", number(r.refused)), fact("errors", number(r.errors), r.errors ? "failed" : null),
    fact("requests", number(r.requests)), fact("took", span(r.seconds ?? 0)),
    r.started_at ? fact("began", when(new Date(r.started_at * 1000).toISOString().replace(/\.\d+/, ""))) : null, r.robots ? fact("robots", say(known(`robots_${r.robots}`) ? `robots_${r.robots}` : r.robots)) : null);
}

/** A long list: the first rows, a field to filter by, and a button for all of it. */
function long(caption, head, items, row) {
  if (items.length <= ROWS) return table(caption, head, items.map(row));
  const body = el("tbody"), count = el("span", { class: "soft", role: "status" });
  const all = el("button", { type: "button", on: { click: () => draw(true) } }, say("show_all", number(items.length)));
  const filter = el("input", { type: "search", "aria-label": say("filter"), placeholder: say("filter"), spellcheck: "false", autocomplete: "off", on: { input: () => draw(false) } });
  const made = table(caption, head, []);
  made.querySelector("tbody").replaceWith(body);
  function draw(every) {
    const words = filter.value.trim().toLowerCase();
    const hits = words ? items.filter((item) => row(item).flat().some((cell) => (cell.textContent ?? String(cell)).toLowerCase().includes(words))) : items;
    body.replaceChildren(...hits.slice(0, every ? hits.length : ROWS).map((item) => el("tr", {}, row(item).map((cell, i) => el("td", { "data-head": head[i][0], class: head[i][1] ?? null }, cell)))));
    all.hidden = every || hits.length <= ROWS;
    all.textContent = say("show_all", number(hits.length));
    count.textContent = words ? say("matches", number(hits.length)) : "";
  }
  draw(false);
  return [el("p", { class: "row" }, filter, count), el("div", { class: "scroll" }, made), el("p", { class: "buttons" }, all)];
}

function page(path) { return path ? el("code", {}, decoded(path)) : el("span", { class: "soft" }, say("not_linked")); }

/** What a link's cause comes down to, for whoever mends it. */
function status(cause) { return { "not-found": "404", gone: "410" }[cause] ?? cause; }

/** Every broken link with a page that it stands on, and how many there are; also from what older versions wrote. */
function brokenLinks(r) {
  const old = r.refusals?.["not-found"];
  if (!r.broken_links) return [(old?.examples ?? []).map((e) => ({ on: e.placeon, to: e.path, status: "404/410" })), old?.count ?? 0];
  const links = r.broken_links.flatMap(({ path, cause, linked_from: pages }) => (pages.length ? pages : [null]).map((on) => ({ on, to: path, status: status(cause) })));
  return [links, r.broken_links.reduce((sum, l) => sum + Math.max(1, l.links ?? 0, l.linked_from.length), 0)];
}

/** By the page that they stand on: that is where they are mended. */
function broken(r) {
  const [links, count] = brokenLinks(r);
  if (!count) return [el("h3", {}, say("broken")), el("p", { class: "soft" }, say("broken_none"))];
  links.sort((a, b) => (a.on ?? "\uffff").localeCompare(b.on ?? "\uffff") || a.to.localeCompare(b.to));
  const pages = new Set(links.map(({ on }) => on)).size;
  return [
    el("h3", {}, say("broken"), " ", badge("failed", number(count))),
    el("p", { class: "soft" }, say("broken_some", number(count), number(pages)), links.length < count ? ` ${say("broken_listed", number(links.length), number(count))}` : ""),
    long(say("broken"), [[say("on_page")], [say("link")], [say("status"), "n"]], links, (link) => [page(link.on), page(link.to), caused(link.status)]),
  ];
}

/** What key pages need to be drawn and did not get. */
function lost(r) {
  return r.lost_assets?.length ? [el("h3", {}, say("lost_assets"), " ", badge("failed", number(r.lost_assets.length))), long(say("lost_assets"), [[say("address")]], r.lost_assets, (path) => [page(path)])] : null;
}

function failures(r) {
  if (!r.failures?.length) return null;
  const head = [[say("on_page")], [say("address")], [say("cause")]];
  return [el("h3", {}, say("failures"), " ", badge("failed", number(r.errors))),
    long(say("failures"), head, r.failures, (f) => [page(f.placeon), page(f.path), caused(f.cause, f.detail)])];
}

function total(reasons) { return Object.values(reasons ?? {}).reduce((sum, { count }) => sum + count, 0); }

/** Addresses by what happened to them. */
function byReason(title, reasons, about = null) {
  const found = Object.entries(reasons ?? {}).sort(([, a], [, b]) => b.count - a.count);
  if (!found.length) return null;
  const tables = title === "refusals" ? ["refusals"] : ["carried", "refusals", "causes"];
  return [el("h3", {}, say(title), " ", badge("", number(total(reasons)))), about ? el("p", { class: "soft" }, about) : null,
    found.map(([code, { meaning: written, count, examples = [] }]) => el("details", {},
      el("summary", {}, el("b", {}, number(count)), " ", el("span", { title: code }, meaning(code, tables, written))),
      examples.some((e) => e.placeon)
        ? long(code, [[say("on_page")], [say("address")]], examples, (e) => [page(e.placeon), [page(e.path), e.detail ? [" ", caused(e.detail)] : ""]])
        : long(code, [[say("address")]], examples, (e) => [page(e.path)]),
      count > examples.length ? el("p", { class: "soft" }, say("more_addresses", number(count - examples.length))) : null))];
}

function slowest(r) {
  if (!r.slowest?.length) return null;
  return [el("h3", {}, say("slowest")), el("details", {}, el("summary", {}, el("code", {}, decoded(r.slowest[0].path)), ` ${number(r.slowest[0].ms)} ms`),
    table(say("slowest"), [[say("address")], [say("took"), "n"]], r.slowest.map((s) => [page(s.path), `${number(s.ms)} ms`])))];
}
