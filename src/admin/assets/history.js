// What became of a site: a bar a day, a graph of the last day against the record, and its outages.
import { ago, api, badge, el, language, meaning, number, precise, say, share, span, when } from "./tools.js";

const SVG = "http://www.w3.org/2000/svg";
const LETTERS = { "-": "unknown", l: "live", p: "partly", c: "copies", h: "holding" };
const KINDS = ["live", "partly", "copies", "holding"];
const STEP_MS = 600000, STEPS = 144;

function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.flat(9).filter((child) => child !== null));
  return made;
}

function picture(classes, [width, height], label, ...children) {
  return svg("svg", { class: classes, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, ...children);
}

/** The last days of a site in a line, from a letter each. */
export function spark(letters = "") {
  if (!letters) return null;
  const kinds = [...letters].map((letter) => LETTERS[letter] ?? "unknown");
  const trouble = kinds.filter((kind) => kind === "copies" || kind === "holding" || kind === "partly").length;
  return picture("bars small", [kinds.length * 4, 10], say("spark_label", number(kinds.length), number(trouble)),
    kinds.map((kind, i) => svg("rect", { class: `day ${kind}`, x: i * 4, y: 0, width: 3, height: 10 })));
}

/** Availability: a bar a day, in words beside it, and the bad days as a list for whoever cannot point at a bar. */
export function days(told) {
  if (!told) return null;
  const all = told.availability === null ? say("availability_none") : say("availability_of", precise(told.availability));
  const date = (day) => new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" }).format(Date.parse(day));
  const line = ({ day, bar, availability: a }) => `${date(day)}: ${say(`day_${bar}`)}${a === null ? "" : say("aside", precise(a))}`;
  const bad = told.days.filter(({ bar }) => bar !== "live" && bar !== "unknown").reverse();
  return [
    el("h2", {}, say("availability")), el("p", {}, all),
    picture("bars", [told.days.length * 10, 40], `${say("availability")}: ${all}`,
      told.days.map((day, i) => svg("rect", { class: `day ${day.bar}`, x: i * 10, y: 0, width: 8, height: 40 }, svg("title", {}, line(day))))),
    el("p", { class: "row soft ends", "aria-hidden": "true" }, el("span", {}, date(told.days[0].day)), el("span", {}, say("today"))),
    el("ul", { class: "plain legend" }, KINDS.map((kind) => el("li", { class: `day ${kind}` }, say(`day_${kind}`)))),
    bad.length ? el("details", { "data-keep": "bad-days" }, el("summary", { "data-focus": "bad-days" }, say("bad_days", number(bad.length))), el("ul", { class: "plain" }, bad.map((day) => el("li", {}, line(day))))) : null,
  ];
}

/** Ten minutes each, the oldest first. */
function steps(minutes, now) {
  const made = Array.from({ length: STEPS }, () => ({ peak: 0, requests: 0, live: 0, copies: 0, holding: 0, median: null, p95: null }));
  const begin = Math.floor(now / STEP_MS) * STEP_MS - (STEPS - 1) * STEP_MS;
  for (const { at, requests, rungs, peak, median_ms: median, p95_ms: p95 } of minutes) {
    const step = made[Math.floor((Date.parse(at) - begin) / STEP_MS)];
    if (!step) continue;
    step.requests += requests;
    step.peak = Math.max(step.peak, peak);
    step.live += (rungs.origin ?? 0) + (rungs.cache ?? 0);
    step.copies += (rungs.stale ?? 0) + (rungs.snapshot ?? 0);
    step.holding += (rungs.holding ?? 0) + (rungs.refused ?? 0);
    step.median = Math.max(step.median ?? 0, median ?? 0) || null;
    step.p95 = Math.max(step.p95 ?? 0, p95 ?? 0) || null;
  }
  return made;
}

export const seconds = (ms) => ms === null ? "–" : `${new Intl.NumberFormat(language, { maximumFractionDigits: ms < 950 ? 0 : 1 }).format(ms < 950 ? ms : ms / 1000)}${language === "ja" ? "" : " "}${ms < 950 ? say("unit_ms") : say("unit_s")}`;

/** The last 24 hours: the most requests of a second, by what visitors got, against the record; below, the live site's time. */
export function graph(told, now = Date.now()) {
  if (!told) return null;
  const { record } = told;
  const made = steps(told.minutes, now);
  const latest = made.at(-1), busiest = Math.max(...made.map(({ peak }) => peak));
  const head = el("h2", {}, say("traffic"));
  if (!record) return [head, el("p", { class: "soft" }, say("traffic_none"))];
  const words = say("traffic_of", number(latest.peak), number(busiest), number(record.per_second));
  const top = Math.max(record.per_second, 1) * 1.12, height = 120;
  const y = (value) => height - value / top * height;
  const bars = made.flatMap((step, i) => {
    const all = step.live + step.copies + step.holding;
    let base = 0;
    return !step.peak || !all ? [] : ["live", "copies", "holding"].filter((kind) => step[kind]).map((kind) => {
      const part = step.peak * step[kind] / all;
      base += part;
      return svg("rect", { class: `day ${kind}`, x: i * 10, width: 9, y: y(base), height: Math.max(1, part / top * height) });
    });
  });
  return [
    head, el("p", {}, words, el("span", { class: "soft" }, say("aside", ago(record.at)))),
    picture("graph", [STEPS * 10, height], `${say("traffic")}: ${words}`, bars,
      svg("line", { class: "record", x1: 0, x2: STEPS * 10, y1: y(record.per_second), y2: y(record.per_second), "vector-effect": "non-scaling-stroke" })),
    el("p", { class: "row soft ends", "aria-hidden": "true" }, el("span", {}, say("ago", span(86400))), el("span", {}, say("record_line")), el("span", {}, say("now"))),
    times(made),
  ];
}

function times(made) {
  const known = made.filter(({ p95 }) => p95 !== null);
  if (!known.length) return null;
  const most = Math.max(...known.map(({ p95 }) => p95)) * 1.1, height = 60;
  const path = (key) => made.reduce(({ text, pen }, step, i) => step[key] === null ? { text, pen: false }
    : { text: `${text}${pen ? "L" : "M"}${i * 10 + 5} ${(height - step[key] / most * height).toFixed(1)}h.1`, pen: true }, { text: "", pen: false }).text;
  const last = known.at(-1);
  const words = say("origin_time_of", seconds(last.median), seconds(last.p95));
  return [el("h3", {}, say("origin_time")), el("p", {}, words),
    picture("graph low", [STEPS * 10, height], `${say("origin_time")}: ${words}`,
      svg("path", { class: "time p95", d: path("p95"), "vector-effect": "non-scaling-stroke" }), svg("path", { class: "time", d: path("median"), "vector-effect": "non-scaling-stroke" })),
    el("ul", { class: "plain legend" }, el("li", { class: "time" }, say("median")), el("li", { class: "time p95" }, say("p95")))];
}

/** What has happened: incidents with their reports where there are some, else the outages of the history. */
export function timeline(told, incidents) {
  const outages = incidents ? [] : told?.outages ?? [];
  const items = incidents ? incidents.map(incident) : outages.map(({ from, until, worst }) => entry(from, until, badge(worst === "holding" ? "failed" : "snapshot", say(`outage_${worst}`))));
  return [el("h2", {}, say("timeline")), items.length ? el("ol", { class: "plain timeline" }, items) : el("p", { class: "soft" }, say("timeline_none"))];
}

function entry(from, until, ...what) {
  const lasted = until ? span((Date.parse(until) - Date.parse(from)) / 1000) : say("not_over");
  return el("li", {}, el("p", {}, what), el("p", { class: "soft" }, when(from), " · ", lasted));
}

function incident({ id, began, ended, cause, planned, severity }) {
  const report = `/api/v1/incidents/${encodeURIComponent(id)}/report?format=html&lang=${language}`;
  return entry(began, ended, badge(severity === "outage" ? "failed" : "snapshot", say(severity === "outage" ? "state_down" : "state_degraded")), planned ? badge("cache", say("planned")) : null, " ", cause ? meaning(cause, ["causes"]) : null, " ", el("a", { href: report, "data-focus": `report ${id}` }, say("report")));
}

/** The history of one site: read now and then. */
export class History {
  constructor(path, name) { Object.assign(this, { path, name, day: null, days: null, incidents: null, read: -Infinity }); }

  /** Reads it now and then, and at once when the list of incidents is not what the site's state says. */
  async look(state, again = 30000) {
    const open = this.incidents?.some(({ ended }) => !ended) ?? false;
    const news = this.incidents && open !== ["down", "degraded", "recovering"].includes(state);
    if (!news && performance.now() - this.read < again) return;
    [this.day, this.days] = await Promise.all([api(`${this.path}/history?range=24h`), api(`${this.path}/history?range=90d`)]);
    this.incidents = (await api(`incidents?site=${encodeURIComponent(this.name)}&limit=20`).catch(() => null))?.incidents ?? null;
    this.read = performance.now();
  }
}
