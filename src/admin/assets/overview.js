// All sites at a glance: a card each for a few, a line each for many, those in trouble first.
import { ago, api, badge, bytes, el, fill, language, meaning, number, say, share, span, table, when } from "./tools.js";
import { progress } from "./crawl.js";
import { alerts } from "./alerts.js";
import { instances } from "./regions.js";
import { spark } from "./history.js";
import { answers, cause, conditions } from "./why.js";

/** How a site looks is what its visitors get: a site whose visitors get the holding page is not "on copies". */
const KIND = { live: "live", partly: "snapshot", copies: "snapshot", gaps: "snapshot", holding: "failed", unknown: "" };

export function state(site) {
  const kind = site.state === "recovering" && site.gets.code === "partly" ? "cache" : KIND[site.gets.code] ?? "";
  return badge(kind, say("state_and_gets", say(`state_${site.state}`), site.gets.short[language]));
}

/** What the operator should know of a site before anything else. */
export function warnings(site) {
  const found = [];
  const bare = site.mode === "hold_snapshot" && !site.snapshot ? "_bare" : "";
  if (site.mode !== "auto") found.push(["", say(site.drill ? "mode_drill" : `mode_${site.mode}${bare}`)]);
  if (site.by_hand) found.push(["", say("paused", ago(site.by_hand))]);
  const held = site.held?.find(({ gated }) => gated);
  if (held && (!site.snapshot || held.id > site.snapshot.id)) found.push(["", say(site.snapshot ? "held_newest" : "held_first", held.id)]);
  if (!site.snapshot && !site.fallback) found.push(["", say("none_in_service_why")]);
  if (site.disagreement) found.unshift(["", site.disagreement.said[language]]);
  if (site.robots) found.unshift(["", site.robots[language]]);
  return [cause(site), conditions(site.conditions), found.map(([kind, text]) => el("p", { class: `notice ${kind}` }, text))];
}

export function coverage(site) {
  const c = site.coverage;
  if (!c || !site.snapshot) return null;
  return c.share === null ? say("coverage_none") : say("coverage_of", share(c.share), number(c.requests));
}

export function origins(site) {
  if (!site.origins.length) return el("li", {}, say("no_origin"));
  return site.origins.map((one) => el("li", {}, origin(one, site)));
}

/** One origin; its cause only where the site's own does not say it already. */
export function origin(one, site) {
  const word = { up: "origin_up", down: "origin_down", unproven: "state_unproven", trial: "state_trial" };
  const kind = { up: "live", down: "failed", trial: "snapshot" };
  return [badge(kind[one.state] ?? "", say(word[one.state] ?? one.state)), " ", el("code", {}, one.url),
    one.cause && one.cause !== site.cause?.code ? el("span", { class: "soft" }, " ", meaning(one.cause, ["causes"])) : null, one.since ? el("span", { class: "soft" }, say("aside", ago(one.since))) : null];
}

// As many cards as can be taken in; and lines that are drawn before somebody asks for more.
const CARDS = 4, LINES = 100;
const LEVELS = [["down", "failed"], ["degraded", "snapshot"], ["recovering", "cache"], ["warning", "snapshot"], ["unproven", ""], ["well", "live"]];

/** The first of the sites whose robots.txt forbids all; a card says it by itself. */
function forbidding({ sites, first }) {
  const rest = sites - first.length;
  return [first.map(({ site, robots }) => el("p", { class: "notice" }, say("labelled", site), robots[language])),
    rest > 0 ? el("p", { class: "notice" }, say("forbidding_more", number(rest))) : null];
}

export class Overview {
  constructor(again) { Object.assign(this, { again, search: "", problems: false, limit: LINES, waits: null }); }

  /** Of many sites only those lines that are shown are asked for. */
  async look() {
    const query = new URLSearchParams({ search: this.search, problems: String(this.problems), limit: String(this.limit) });
    const [found, told] = await Promise.all([api(`sites?${query}`), api("alerts").catch(() => null)]);
    return { ...found.counts.sites > CARDS ? found : { ...await api("status"), counts: found.counts, levels: found.sites }, told };
  }

  show(found, page) {
    if (!page.querySelector(".all")) page.replaceChildren(this.skeleton());
    const few = found.counts.sites <= CARDS;
    page.querySelector("h1").replaceChildren(say("site_count", number(found.counts.sites)));
    fill(page.querySelector(".own"), [found.conditions, few || found.robots, Math.floor(Date.now() / 20000)], () => [conditions(found.conditions), few ? null : forbidding(found.robots)]);
    page.querySelector(".regions").hidden = !found.regions;
    fill(page.querySelector(".regions"), [found.regions ?? null], () => instances(found.regions));
    const told = alerts(found.told, this.again);
    page.querySelector(".told-of").hidden = !told;
    fill(page.querySelector(".told-of"), [found.told, Math.floor(Date.now() / 20000)], () => told ?? []);
    fill(page.querySelector(".counts"), [found.counts], () => LEVELS.filter(([level]) => found.counts[level]).map(([level, kind]) => badge(kind, say("level_count", number(found.counts[level]), say(`level_${level}`)))));
    page.querySelector(".find").hidden = few;
    page.querySelector(".find input").setAttribute("aria-label", say("search"));
    page.querySelector(".find input").placeholder = say("search");
    fill(page.querySelector(".find button"), [this.problems], () => [say("only_problems")]);
    page.querySelector(".find button").setAttribute("aria-pressed", String(this.problems));
    page.querySelector(".foot").textContent = found.counts.sites ? say("version", found.version, span(found.uptime_s)) : say("no_sites");
    page.querySelector(".sites").hidden = !few;
    page.querySelector(".lines").hidden = few;
    if (few) this.cards(found, page.querySelector(".sites"));
    else fill(page.querySelector(".lines"), [found.sites, found.matching, Math.floor(Date.now() / 20000)], () => this.lines(found));
  }

  cards(found, list) {
    const place = new Map((found.levels ?? []).map(({ name }, i) => [name, i]));
    const sites = [...found.sites].sort((a, b) => (place.get(a.name) ?? 0) - (place.get(b.name) ?? 0));
    if (list.children.length !== sites.length) list.replaceChildren(...sites.map(() => el("article", { class: "card site" })));
    const line = (site) => found.levels?.find(({ name }) => name === site.name);
    sites.forEach((site, i) => fill(list.children[i], [site, line(site)?.days, Math.floor(Date.now() / (site.crawl.running ? 900 : 20000))], () => card(site, line(site)?.days)));
  }

  lines({ sites, matching }) {
    const head = [[say("site")], [say("state")], [say("visitors_get")], [say("changed_at")], [say("last_days")], [say("what")]];
    const rows = sites.map((site) => {
      const kind = LEVELS.find(([level]) => level === site.level)?.[1] ?? "";
      const open = el("a", { href: `/sites/${encodeURIComponent(site.name)}`, "data-focus": `open ${site.name}` }, site.name);
      return [open, badge(kind, say(`level_${site.level}`)), badge(KIND[site.gets] ?? "", site.gets_short[language]), ago(site.since), spark(site.days),
        site.notes[0]?.[language] ?? (site.crawling ? say("crawl_running") : "")];
    });
    return [
      rows.length ? table(say("sites"), head, rows, "cards list") : el("p", {}, say("no_match")),
      matching > sites.length ? el("p", { class: "buttons more" }, el("button", { type: "button", "data-focus": "more", on: { click: () => { this.limit += LINES; this.again(); } } }, say("show_more", number(sites.length), number(matching)))) : null,
    ];
  }

  skeleton() {
    const input = el("input", { type: "search", spellcheck: "false", autocomplete: "off", on: { input: () => this.later(() => { this.search = input.value; }) } });
    const button = el("button", { type: "button", on: { click: () => this.later(() => { this.problems = !this.problems; }) } });
    return el("div", { class: "all" }, el("div", { class: "row" }, el("h1", {}), el("p", { class: "counts", role: "status" })), el("div", { class: "own" }),
      el("p", { class: "row find" }, input, button), el("section", { class: "lines card" }), el("div", { class: "sites" }), el("section", { class: "told-of card" }), el("section", { class: "regions card" }), el("p", { class: "soft foot" }));
  }

  /** Asks anew a moment after the last letter. */
  later(change) {
    change();
    this.limit = LINES;
    clearTimeout(this.waits);
    this.waits = setTimeout(this.again, 150);
  }
}

function card(site, days) {
  const { snapshot } = site;
  return [
    el("h2", {}, el("a", { href: `/sites/${encodeURIComponent(site.name)}`, "data-focus": "open" }, site.name)), el("p", { class: "standing" }, state(site)),
    warnings(site),
    site.fallback ? el("p", {}, site.fallback[language]) : null,
    spark(days),
    answers(site),
    el("dl", { class: "facts" },
      el("dt", {}, say("since")), el("dd", {}, when(site.since)),
      snapshot ? [el("dt", {}, say("snapshot")), el("dd", {}, say("snapshot_facts", ago(snapshot.taken_at), number(snapshot.pages), bytes(snapshot.bytes)))] : null,
      coverage(site) ? [el("dt", {}, say("coverage")), el("dd", {}, coverage(site))] : null,
      el("dt", {}, say("origins")), el("dd", {}, el("ul", { class: "plain" }, origins(site)))),
    progress(site),
  ];
}
