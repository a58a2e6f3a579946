// One site: what is in service, the crawl, the shelf of snapshots with its buttons, and the report of any of them.
import { $, ago, api, ask, badge, bytes, decoded, el, fill, language, may, number, reason, refusal, say, share, span, table, tell, when } from "./tools.js";
import { progress } from "./crawl.js";
import { state, warnings } from "./overview.js";
import { report } from "./report.js";
import { compared } from "./compare.js";
import { Forms } from "./forms.js";
import { History, days, graph, timeline } from "./history.js";
import { instances } from "./regions.js";
import { mode, modeForm, origins } from "./switches.js";
import { answers, conditions, watched, withoutCopy } from "./why.js";

const AGAIN_MS = 15000, ROWS = 6;

export class Site {
  constructor(name, again) {
    Object.assign(this, { name, again, path: `sites/${encodeURIComponent(name)}`, list: null, print: "", read: 0, chosen: null, reports: new Map(), diff: null, busy: false, all: false, forms: new Forms(`sites/${encodeURIComponent(name)}`, () => again()), history: new History(`sites/${encodeURIComponent(name)}`, name) });
  }

  /** Reads the shelf if the status says that it has changed, or now and then. */
  async look(status, force = false) {
    if (!status) return;
    await Promise.all([this.forms.look(status), this.history.look(status.state)]);
    const print = JSON.stringify([status.snapshot?.id, status.held, status.by_hand, status.crawl.last, status.troubles]);
    if (!force && print === this.print && performance.now() - this.read < AGAIN_MS) return;
    this.list = await api(`${this.path}/snapshots`);
    this.print = print;
    this.read = performance.now();
    await this.readReport();
  }

  /** The newest that was taken, unless the reader has chosen one; its report is what an owner wants to see. */
  shown() {
    const { snapshots } = this.list;
    return snapshots.find(({ id }) => id === this.chosen) ?? snapshots[0] ?? null;
  }

  async readReport() {
    const shown = this.shown();
    if (shown && !this.reports.has(shown.id)) this.reports.set(shown.id, (await api(`${this.path}/snapshots/${shown.id}`)).report ?? null);
  }

  show(status, page, own, regions) {
    if (!page.querySelector(".one")) page.replaceChildren(skeleton());
    const part = (name) => page.querySelector(`[data-part="${name}"]`);
    const minute = Math.floor(Date.now() / 20000);
    fill(part("title"), [this.name], () => [this.name]);
    // what is read aloud when it changes has no time that passes in it
    fill(part("said"), [status.state, status.gets], () => [el("p", { class: "standing" }, state(status)), el("p", {}, status.gets.sentence[language])]);
    fill(part("since"), [status.since, minute], () => ago(status.since));
    fill(part("warnings"), [own, status.cause, status.leads, status.fallback?.en, status.robots, status.share, status.branches, status.conditions, status.by_hand, status.held, status.mode, status.drill, status.snapshot?.id, minute], () => [conditions(own), warnings(status)]);
    fill(part("days"), [this.history.days?.availability, this.history.days?.days.map(({ day, bar }) => [day, bar])], () => days(this.history.days) ?? []);
    fill(part("traffic"), [this.history.day, minute], () => graph(this.history.day) ?? []);
    fill(part("timeline"), [this.history.days?.outages, this.history.incidents, minute], () => timeline(this.history.days, this.history.incidents));
    const act = (...what) => this.act(...what);
    fill(part("mode"), [status.mode, status.drill, status.mode_until, Boolean(status.snapshot), may("change")], () => [mode(status), may("change") ? el("p", { class: "buttons" }, el("button", { type: "button", "data-focus": "preview", on: { click: () => this.preview() } }, say("preview"))) : null]);
    // nobody's form is taken away while they fill it in: not by a mode that runs out meanwhile
    const form = part("set-mode"), typed = form.querySelector("input[type=text]")?.value;
    if (!form.dataset.print || !typed && !form.contains(document.activeElement)) fill(form, [status.mode, may("change")], () => (may("change") ? modeForm(status, act) : []));
    fill(part("origins"), [status.origins.map(({ url, state: its, mode: set, cause }) => [url, its, set, cause]), may("change"), minute], () => origins(status, act));
    part("watch").hidden = !status.watch?.length;
    fill(part("watch"), [status.watch, minute], () => watched(status));
    part("regions").hidden = !regions;
    fill(part("regions"), [regions ?? null], () => instances(regions) ?? []);
    fill(part("visitors"), [status.answers.late, status.without_copy, minute], () => visitors(status));
    fill(part("service"), [status.snapshot, status.coverage, status.selftest, status.origins, minute], () => service(status));
    fill(part("crawl"), [status.crawl, minute, status.crawl.running && Date.now()], () => this.crawl(status));
    fill(part("forms"), [this.forms.facts(), minute], () => this.forms.show());
    if (!this.list) return;
    fill(part("shelf"), [this.list.snapshots, this.list.unreadable, this.list.previous, this.chosen, this.busy, this.all, minute], () => this.shelf());
    part("compare").hidden = !this.diff;
    fill(part("compare"), [this.diff], () => this.diff ? compared(this.diff, this.path, () => { this.diff = null; this.again(); }) : []);
    const shown = this.shown(), last = this.list.crawl?.last;
    part("report").hidden = !shown && !last?.report;
    fill(part("report"), [shown, this.reports.get(shown?.id), shown ? null : last?.at], () => {
      if (shown) return report(shown, this.reports.get(shown.id));
      return last?.report ? report({ id: say("last_crawl"), held: last.reasons, gated: true }, last.report) : [];
    });
  }

  crawl(status) {
    const { running, last } = status.crawl;
    return [
      el("h2", {}, say("crawl")),
      running ? progress(status) : el("p", {}, say("crawl_idle")),
      last ? [el("p", {}, say("labelled", say("last_crawl")), badge(last.outcome === "published" ? "live" : last.outcome === "failed" ? "failed" : "snapshot", say(`outcome_${last.outcome}`)), " ", when(last.at)),
        last.reasons?.length ? el("ul", { class: "reasons" }, last.reasons.map((why) => el("li", {}, reason(why)))) : null,
        last.decisions?.length ? el("ul", { class: "reasons" }, last.decisions.map((decision) => el("li", {}, decision[language]))) : null] : null,
      running || !may("change") ? null : el("p", { class: "buttons" }, el("button", { type: "button", class: "strong", "data-focus": "take", on: { click: () => this.act("POST", "snapshots", undefined, say("taking")) } }, say("take"))),
    ];
  }

  shelf() {
    const { snapshots, unreadable = [], previous } = this.list;
    const head = [[say("snapshot")], [say("pages"), "n"], [say("files"), "n"], [say("size"), "n"], [say("standing")], [say("actions"), "acts"]];
    // What is special is always seen; of the rest, the newest.
    const listed = snapshots.filter((s, i) => this.all || i < ROWS || s.current || s.pinned || s.id === this.chosen);
    const rows = listed.flatMap((s) => {
      const marks = [s.current ? badge("live", say("current")) : null, s.held ? badge("snapshot", say("held")) : null, s.pinned ? badge("cache", say("pinned")) : null, s.kind === "crawl" ? null : badge("", say(`kind_${s.kind}`))];
      const name = [el("code", {}, s.id), el("br"), el("span", { class: "soft" }, when(s.taken_at))];
      const row = cells(head, [name, number(s.pages), number(s.files), bytes(s.bytes), marks.filter(Boolean), this.buttons(s)]);
      return s.held?.length ? [row, why(el("ul", { class: "reasons" }, s.held.map((why) => el("li", {}, reason(why)))))] : [row];
    });
    for (const { id, unreadable: detail } of unreadable) rows.push(cells(head, [el("code", {}, id), "–", "–", "–", badge("failed", say("damaged")), ""]), why(el("p", { class: "soft" }, language === "en" ? detail : [say("reason_logged"), el("code", {}, detail)])));
    return [
      el("div", { class: "row" }, el("h2", {}, say("snapshots")),
        previous && may("change") ? el("button", { type: "button", disabled: this.busy, "data-focus": "rollback", on: { click: () => this.rollback(previous) } }, say("rollback_to", previous)) : null),
      rows.length ? table(say("snapshots"), head, rows, "cards") : el("p", {}, say("no_snapshots")),
      listed.length < snapshots.length ? el("p", { class: "buttons more" }, el("button", { type: "button", "data-focus": "all", on: { click: () => { this.all = true; this.again(); } } }, say("show_all", number(snapshots.length)))) : null,
    ];
  }

  buttons(s) {
    const one = (word, click, more = {}) => el("button", { type: "button", disabled: this.busy, "data-focus": `${word} ${s.id}`, "aria-label": `${say(word)}: ${s.id}`, on: { click }, ...more }, say(word));
    return el("div", { class: "buttons" },
      one("report", () => this.choose(s.id), { "aria-pressed": String(this.shown()?.id === s.id), disabled: false }),
      s.current ? null : one("compare", () => this.compare(s), { disabled: false }),
      ...(may("change") ? this.changing(s, one) : []));
  }

  changing(s, one) {
    return [
      s.current ? null : s.gated ? one("publish_anyway", () => this.publishAnyway(s)) : one("publish", () => this.publish(s)),
      one("look_at", () => this.preview(s.id), { disabled: false }),
      s.pinned ? one("unpin", () => this.pin(s, false)) : one("pin", () => this.pin(s, true)),
      s.current || s.pinned ? null : one("remove", () => this.remove(s)),
    ];
  }

  async choose(id) {
    this.chosen = id;
    await this.quietly(() => this.readReport());
    document.querySelector('[data-part="report"]').scrollIntoView({ block: "start" });
  }

  async compare(s) {
    const { snapshots } = this.list;
    const current = snapshots.find(({ current }) => current);
    const [from, to] = current && current.id < s.id ? [current.id, s.id] : [s.id, current?.id ?? s.id];
    await this.quietly(async () => { this.diff = await api(`${this.path}/snapshots/${from}/diff?to=${to}`); });
    document.querySelector('[data-part="compare"]').scrollIntoView({ block: "nearest" });
  }

  async publish(s) {
    if (await ask(say("ask_publish", s.id), el("p", {}, say("ask_publish_why")), say("yes_publish"))) await this.act("POST", `snapshots/${s.id}/publish`, { anyway: false }, say("done_publish", s.id));
  }

  async publishAnyway(s) {
    const why = [el("p", {}, say("ask_anyway_why")), el("ul", { class: "reasons" }, s.held.map((why) => el("li", {}, reason(why))))];
    if (!await ask(say("ask_anyway", s.id), why, say("yes_anyway"))) return;
    if (await ask(say("ask_sure"), el("p", {}, say("ask_sure_why")), say("yes_anyway_sure"), true)) await this.act("POST", `snapshots/${s.id}/publish`, { anyway: true }, say("done_publish", s.id));
  }

  async rollback(id) {
    if (await ask(say("ask_rollback", id), el("p", {}, say("ask_rollback_why")), say("yes_rollback"), true)) await this.act("POST", "snapshots/rollback", undefined, say("done_rollback", id));
  }

  async pin(s, pinned) {
    const word = pinned ? "pin" : "unpin";
    if (await ask(say(`ask_${word}`, s.id), el("p", {}, say(`ask_${word}_why`)), say(`yes_${word}`))) await this.act("POST", `snapshots/${s.id}/pin`, { pinned }, say(`done_${word}`, s.id));
  }

  async remove(s) {
    if (await ask(say("ask_remove", s.id), el("p", {}, say("ask_remove_why")), say("yes_remove"), true)) await this.act("DELETE", `snapshots/${s.id}`, undefined, say("done_remove", s.id));
  }

  /** Has something done, says what came of it, and looks again. */
  async act(method, path, body, done) {
    this.busy = true;
    tell("");
    let well = false;
    try {
      await api(`${this.path}/${path}`, method, body);
      tell(done);
      well = true;
    } catch (error) {
      tell(refusal(error), true);
    }
    this.busy = false;
    this.print = "";
    await this.again();
    $("notice").scrollIntoView({ block: "nearest" });
    return well;
  }

  /** Opens the site as in an outage in a new tab. The tab is opened first: browsers stop one that opens after a wait. */
  async preview(snapshot) {
    const tab = window.open("about:blank", "_blank");
    try {
      const { url } = await api(`${this.path}/preview`, "POST", snapshot ? { snapshot } : {});
      if (!tab) return tell(say("preview_link", url));
      tab.opener = null;
      tab.location.replace(url);
    } catch (error) {
      tab?.close();
      tell(refusal(error), true);
    }
  }

  async quietly(work) {
    try { await work(); } catch (error) { tell(refusal(error), true); }
    await this.again();
  }
}

function cells(head, row) {
  return el("tr", {}, row.map((cell, i) => el("td", { "data-head": head[i][0], class: head[i][1] ?? null }, cell)));
}

/** A row that belongs to the one above it. */
function why(...content) {
  return el("tr", { class: "why" }, el("td", { colspan: "6" }, content));
}

function skeleton() {
  const part = (name, tag = "section", more = {}) => el(tag, { "data-part": name, ...more });
  return el("div", { class: "one" },
    part("title", "h1"), el("div", { "data-part": "standing" }, part("said", "div", { role: "status" }), part("since", "p", { class: "soft since" })), part("warnings", "div"),
    el("div", { class: "two" }, part("visitors", "section", { class: "card" }), el("section", { class: "card", "data-part": "switches" }, part("mode", "div"), part("set-mode", "div"), part("origins", "div"))),
    part("days", "section", { class: "card" }), part("traffic", "section", { class: "card" }), part("timeline", "section", { class: "card" }),
    el("div", { class: "two" }, part("service", "section", { class: "card" }), part("crawl", "section", { class: "card" })),
    part("watch", "section", { class: "card", hidden: true }), part("regions", "section", { class: "card", hidden: true }),
    part("forms", "section", { class: "card" }), part("shelf", "section", { class: "card" }), part("compare", "section", { class: "card", hidden: true }), part("report", "section", { class: "card report", hidden: true }));
}

function when_date(time) {
  return el("time", { datetime: time, title: time }, new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(Date.parse(time)));
}

function visitors(status) {
  return [el("h2", {}, say("visitors_get")), answers(status) ?? el("p", { class: "soft" }, say("answers_none")), withoutCopy(status)];
}

function service(status) {
  const { snapshot, coverage } = status;
  return [
    el("h2", {}, say("in_service")),
    snapshot ? el("dl", { class: "facts" },
      el("dt", {}, say("snapshot")), el("dd", {}, el("code", {}, snapshot.id)),
      el("dt", {}, say("taken")), el("dd", {}, when(snapshot.taken_at)),
      el("dt", {}, say("pages")), el("dd", {}, number(snapshot.pages)),
      el("dt", {}, say("files")), el("dd", {}, say("files_facts", number(snapshot.files), bytes(snapshot.bytes)))) : el("p", {}, say("none_in_service")),
    snapshot && coverage ? covered(coverage) : null,
    drilled(status.selftest),
  ];
}

function drilled(drill) {
  if (!drill) return null;
  const { score, was, is_well: well, findings } = drill;
  return [
    el("h3", {}, say("drill")),
    el("p", {}, say(was === null ? "drill_score" : "drill_score_was", number(score), number(was ?? 0)), " ", el("span", { class: "soft" }, ago(drill.at))),
    el("p", {}, say(well ? "drill_well" : "drill_lacks")),
    findings.length ? el("details", { "data-keep": "drill" }, el("summary", { "data-focus": "drill" }, say("drill_found", number(findings.length))),
      table(say("drill"), [[say("address")], [say("drill_what")], [say("drill_do")]], findings.map(({ path, meaning, advice }) => [el("code", {}, decoded(path)), meaning[language], advice[language]]))) : null,
  ];
}

function covered({ share: part, requests, missing = [], missing_paths: all = missing.length }) {
  if (part === null) return el("p", { class: "soft" }, say("coverage_none"));
  return [
    el("h3", {}, say("coverage")),
    el("p", {}, say("coverage_of", share(part), number(requests))),
    el("meter", { min: "0", max: "1", low: "0.9", high: "0.98", optimum: "1", value: String(part), "aria-label": say("coverage") }),
    missing.length ? el("details", { "data-keep": "missing" }, el("summary", { "data-focus": "missing" }, say("coverage_missing", number(all))),
      table(say("coverage_missing", number(all)), [[say("address")], [say("asked"), "n"]], missing.map(({ path, requests: n }) => [el("code", {}, decoded(path)), number(n)]))) : null,
  ];
}
