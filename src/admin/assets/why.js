// Why a site is as it is: its cause with what to do, how far it is back, what visitors got, and what else is wrong.
import { ago, badge, decoded, el, language, number, say, share, span, table } from "./tools.js";

const RUNGS = ["origin", "cache", "stale", "snapshot", "holding", "refused", "error"];

/** A cause in the reader's language: what it is, whose turn it is, and what to do. */
function told(kind, cause, ...more) {
  return el("div", { class: `notice told ${kind}` },
    el("p", {}, el("b", {}, cause.meaning[language])),
    el("p", {}, cause.advice[language]),
    more,
    el("p", { class: "soft" }, el("code", {}, cause.code), ` · ${say(`whose_${cause.whose}`)}`));
}

/** Why the site is not well. */
export function cause(site) {
  if (!site.cause) return site.state === "recovering" ? el("div", { class: "notice told" }, coming(site)) : null;
  const leads = site.leads ? el("p", {}, el("code", {}, site.leads)) : null;
  return told(site.state === "down" ? "bad" : "", site.cause, leads, site.state === "recovering" ? coming(site) : null, branches(site));
}

function coming(site) {
  return el("div", { class: "coming" }, el("p", {}, say("coming_back", share(site.share))), el("meter", { min: 0, max: 1, value: site.share, "aria-label": say("coming_back", share(site.share)) }));
}

function branches(site) {
  if (!site.branches.length) return null;
  return el("p", { class: "branches" }, say("branches"), " ",
    site.branches.map(({ path, pages, cause }) => el("span", { class: "chip" }, el("code", {}, decoded(path)), ` ${say("pages_of", number(pages))}`, el("span", { class: "soft", title: cause.code }, ` ${cause.meaning[language]}`))));
}

/** What else is wrong, or worth knowing. */
export function conditions(list) {
  return list.map(({ cause, since, detail }) => told("bad", cause, el("p", { class: "soft" }, language === "en" ? detail : [say("reason_logged"), el("code", {}, detail)], say("aside", ago(since)))));
}

/** Which rungs visitors got of late, as a bar with its legend. */
export function answers(site) {
  const { late } = site.answers;
  if (!late.requests) return null;
  const got = RUNGS.filter((rung) => late.shares[rung]);
  return [
    el("p", { class: "soft" }, say("answers_late", number(late.requests), span(late.seconds))),
    el("div", { class: "bar", "aria-hidden": "true" }, got.map((rung) => {
      const part = el("span", { class: `rung ${rung}` });
      part.style.flexGrow = late.shares[rung];
      return part;
    })),
    el("ul", { class: "plain legend" }, got.map((rung) => el("li", { class: `rung ${rung}` }, `${say(`rung_${rung}`)} ${share(late.shares[rung])}`))),
  ];
}

/** Pages that visitors asked for in vain. */
export function withoutCopy(site) {
  const pages = site.without_copy;
  if (!pages.length) return null;
  return el("details", { "data-keep": "without" }, el("summary", { "data-focus": "without" }, say("without_copy", number(pages.length))),
    el("ul", { class: "plain" }, pages.map(({ path, asked, last }) => el("li", {}, el("code", {}, decoded(path)), el("span", { class: "soft" }, ` ${say("asked_when", number(asked), ago(last))}`)))));
}

const BADGES = { ok: "live", soon: "snapshot", past: "failed", bad: "failed", unknown: "" };

/** What is looked at weeks before it stops the site. */
export function watched(site) {
  if (!site.watch.length) return null;
  const head = [[say("watch_what")], [say("watch_subject")], [say("state")], [say("watch_until")], [say("what")]];
  const rows = site.watch.map(({ what, subject, state, until, detail }) => [
    say(`watch_${what}`), subject ? el("code", {}, subject) : "–", badge(BADGES[state], say(`watch_is_${state}`)), until ? el("time", { datetime: until, title: until }, until.slice(0, 10)) : "–", el("span", { class: "soft" }, detail)]);
  return [el("h2", {}, say("watch")), table(say("watch"), head, rows, "cards")];
}
