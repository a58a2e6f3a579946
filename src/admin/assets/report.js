// The report of a crawl: the numbers, the gate's word, and the lists that owners love to have.
import { badge, bytes, decoded, el, number, say, span, table, when } from "./tools.js";

const ROWS = 50;

export function report(shown, found) {
  const title = el("h2", {}, say("report_of", shown.id));
  if (found === undefined) return [title, el("p", {}, say("report_loading"))];
  if (!Number.isInteger(found?.requests)) return [title, gate(shown), el("p", {}, say("report_none"))];
  return [title, gate(shown), numbers(found), broken(found), failures(found), carried(found), refusals(found), slowest(found)];
}

function gate({ held, gated }) {
  return [
    el("p", {}, badge(gated ? "failed" : "live", say("gate")), " ", say(gated ? "gate_held" : "gate_passed")),
    held?.length ? el("ul", { class: "reasons" }, held.map((reason) => el("li", {}, reason))) : null,
  ];
}

function numbers(r) {
  const fact = (word, value, kind = null) => el("div", {}, el("dt", {}, say(word)), el("dd", { class: kind }, value));
  return el("dl", { class: "tiles" },
    fact("pages", number(r.pages)), fact("files", number(r.assets)), fact("redirects", number(r.redirects)), fact("size", bytes(r.bytes)),
    fact("unchanged", number(r.unchanged)), carriedCount(r) ? fact("carried", number(carriedCount(r))) : null,
    fact("refused", number(r.refused)), fact("errors", number(r.errors), r.errors ? "failed" : null),
    fact("requests", number(r.requests)), fact("took", span(r.seconds ?? 0)),
    r.started_at ? fact("began", when(new Date(r.started_at * 1000).toISOString().replace(/\.\d+/, ""))) : null, r.robots ? fact("robots", r.robots) : null);
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
    const hits = words ? items.filter((item) => row(item).some((cell) => (cell.textContent ?? String(cell)).toLowerCase().includes(words))) : items;
    body.replaceChildren(...hits.slice(0, every ? hits.length : ROWS).map((item) => el("tr", {}, row(item).map((cell, i) => el("td", { "data-head": head[i][0], class: head[i][1] ?? null }, cell)))));
    all.hidden = every || hits.length <= ROWS;
    all.textContent = say("show_all", number(hits.length));
    count.textContent = words ? say("matches", number(hits.length)) : "";
  }
  draw(false);
  return [el("p", { class: "row" }, filter, count), el("div", { class: "scroll" }, made), el("p", { class: "buttons" }, all)];
}

function page(path) { return path ? el("code", {}, decoded(path)) : el("span", { class: "soft" }, say("not_linked")); }

/** Links that lead nowhere, by the page that they stand on: that is where they are mended. */
function broken(r) {
  const found = r.refusals?.["not-found"];
  if (!found?.count) return [el("h3", {}, say("broken")), el("p", { class: "soft" }, say("broken_none"))];
  const links = [...found.examples].sort((a, b) => (a.found_on ?? "\uffff").localeCompare(b.found_on ?? "\uffff") || a.path.localeCompare(b.path));
  const pages = new Set(links.map(({ found_on }) => found_on)).size;
  return [
    el("h3", {}, say("broken"), " ", badge("failed", number(found.count))),
    el("p", { class: "soft" }, say("broken_some", number(found.count), number(pages)), links.length < found.count ? ` ${say("broken_listed", number(links.length), number(found.count))}` : ""),
    long(say("broken"), [[say("on_page")], [say("link")], [say("status"), "n"]], links, (link) => [page(link.found_on), page(link.path), String(link.status ?? "404/410")]),
  ];
}

function failures(r) {
  if (!r.failures?.length) return null;
  const head = [[say("on_page")], [say("address")], [say("cause")]];
  return [el("h3", {}, say("failures"), " ", badge("failed", number(r.errors))),
    long(say("failures"), head, r.failures, (f) => [page(f.found_on), page(f.path), el("span", { title: f.detail }, f.cause)])];
}

function carriedCount(r) { return typeof r.carried === "number" ? r.carried : r.carried?.count ?? 0; }

function carried(r) {
  if (!carriedCount(r)) return null;
  const examples = r.carried?.examples ?? [];
  return [el("h3", {}, say("carried_title"), " ", badge("snapshot", number(carriedCount(r)))),
    el("p", { class: "soft" }, say("carried_why"), r.carried?.oldest ? [` ${say("oldest")}: `, when(r.carried.oldest)] : null),
    examples.length ? long(say("carried_title"), [[say("address")], [say("taken")]], examples, (e) => [page(e.path), e.taken_at ? when(e.taken_at) : "–"]) : null];
}

function refusals(r) {
  const found = Object.entries(r.refusals ?? {}).filter(([code]) => code !== "not-found").sort(([, a], [, b]) => b.count - a.count);
  if (!found.length) return null;
  return [el("h3", {}, say("refusals")), found.map(([code, { meaning, count, examples = [] }]) => el("details", {},
    el("summary", {}, el("b", {}, number(count)), " ", el("code", {}, code), " ", el("span", { class: "soft" }, meaning)),
    long(code, [[say("on_page")], [say("address")]], examples, (e) => [page(e.found_on), page(e.path)]),
    count > examples.length ? el("p", { class: "soft" }, say("more_addresses", number(count - examples.length))) : null))];
}

function slowest(r) {
  if (!r.slowest?.length) return null;
  return [el("h3", {}, say("slowest")), el("details", {}, el("summary", {}, el("code", {}, decoded(r.slowest[0].path)), ` ${number(r.slowest[0].ms)} ms`),
    table(say("slowest"), [[say("address")], [say("took"), "n"]], r.slowest.map((s) => [page(s.path), `${number(s.ms)} ms`])))];
}
