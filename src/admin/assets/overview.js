// All sites at a glance.
import { ago, badge, bytes, el, fill, number, say, share, span, when } from "./tools.js";
import { progress } from "./crawl.js";
import { answers, cause, conditions } from "./why.js";

const KIND = { up: "live", down: "snapshot", degraded: "snapshot", recovering: "cache", unproven: "", trial: "snapshot" };

export function state(site) {
  if (site.state === "down" && !site.snapshot) return badge("failed", say("state_down_bare"));
  return badge(KIND[site.state] ?? "", say(`state_${site.state}`));
}

/** What the operator should know of a site before anything else. */
export function warnings(site) {
  const found = [];
  const bare = site.mode === "hold_snapshot" && !site.snapshot ? "_bare" : "";
  if (site.mode !== "auto") found.push(["", say(`mode_${site.mode}${bare}`)]);
  if (site.by_hand) found.push(["", say("paused", ago(site.by_hand))]);
  const held = site.held?.find(({ gated }) => gated);
  if (held && (!site.snapshot || held.id > site.snapshot.id)) found.push(["", say(site.snapshot ? "held_newest" : "held_first", held.id)]);
  if (!site.snapshot) found.push(["", `${say("none_in_service")}. ${say("none_in_service_why")}`]);
  return [cause(site), conditions(site.conditions), found.map(([kind, text]) => el("p", { class: `notice ${kind}` }, text))];
}

export function coverage(site) {
  const c = site.coverage;
  if (!c) return null;
  return c.share === null ? say("coverage_none") : say("coverage_of", share(c.share), number(c.requests));
}

export function origins(site) {
  if (!site.origins.length) return el("li", {}, say("no_origin"));
  const word = { up: "origin_up", down: "origin_down", unproven: "state_unproven", trial: "state_trial" };
  const kind = { up: "live", down: "failed", trial: "snapshot" };
  return site.origins.map((origin) => el("li", {}, badge(kind[origin.state] ?? "", say(word[origin.state] ?? origin.state)), " ",
    el("code", {}, origin.url), origin.cause ? el("span", { class: "soft" }, ` ${origin.cause}`) : null,
    origin.since ? el("span", { class: "soft" }, ` (${ago(origin.since)})`) : null));
}

export function overview(status, page) {
  if (!page.querySelector(".sites")) page.replaceChildren(el("h1", { class: "unseen" }, say("sites")), el("div", { class: "own" }), el("div", { class: "sites" }), el("p", { class: "soft foot" }));
  page.querySelector("h1").textContent = say("sites");
  fill(page.querySelector(".own"), [status.conditions, Math.floor(Date.now() / 20000)], () => conditions(status.conditions));
  const list = page.querySelector(".sites");
  if (list.children.length !== status.sites.length) list.replaceChildren(...status.sites.map(() => el("article", { class: "card site" })));
  status.sites.forEach((site, i) => fill(list.children[i], [site, Math.floor(Date.now() / (site.crawl.running ? 900 : 20000))], () => card(site)));
  page.querySelector(".foot").textContent = status.sites.length ? say("version", status.version, span(status.uptime_s)) : say("no_sites");
}

function card(site) {
  const { snapshot } = site;
  return [
    el("h2", {}, el("a", { href: `/sites/${encodeURIComponent(site.name)}`, "data-focus": "open" }, site.name), state(site)),
    warnings(site),
    answers(site),
    el("dl", { class: "facts" },
      el("dt", {}, say("since")), el("dd", {}, when(site.since)),
      snapshot ? [el("dt", {}, say("snapshot")), el("dd", {}, `${ago(snapshot.taken_at)}, ${number(snapshot.pages)} ${say("pages")}, ${bytes(snapshot.bytes)}`)] : null,
      coverage(site) ? [el("dt", {}, say("coverage")), el("dd", {}, coverage(site))] : null,
      el("dt", {}, say("origins")), el("dd", {}, el("ul", { class: "plain" }, origins(site)))),
    progress(site),
  ];
}
