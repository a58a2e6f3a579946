// What every part of the dashboard uses: elements, words, numbers, the API, questions. Whatever comes from the network
// becomes a text node; there is no way here to make markup of it.
import { CODES } from "./codes.js";
import { WORDS } from "./words.js";

export const $ = (id) => document.getElementById(id);
const PATIENCE_MS = 30000;

// --- words and numbers

export let language = remembered("language", (l) => WORDS[l]) ?? (navigator.language.toLowerCase().startsWith("ja") ? "ja" : "en");

export function speak(next) {
  language = next;
  remember("language", next);
}

/** The word, or what the word's function makes of the rest. A code that has no word stands for itself. */
export function say(key, ...rest) {
  const word = WORDS[language][key] ?? key;
  return typeof word === "function" ? word(...rest) : word;
}

export function known(key) { return key in WORDS.en; }

/** What a code of the API means, from the first of these tables that has it; else what the API itself says. */
export function meaning(code, tables, otherwise = code) {
  const found = tables.map((table) => CODES[table][code]).find(Boolean);
  return found?.[language] ?? otherwise;
}

/** A cause in the reader's language, with its code for whoever looks it up. */
export function caused(code, detail = "") { return el("span", { title: `${code} ${detail}`.trim() }, meaning(code, ["causes", "refusals"])); }

/** Why a snapshot waits. English has the numbers; Japanese says what the rule means, and the report has the numbers. */
export function reason(text) {
  const code = text.split(":")[0];
  if (language === "en") return text;
  return meaning(code, ["rules", "waits"], null) ?? meaning(text, ["waits"], null) ?? [say("reason_logged"), el("code", {}, text)];
}

/** Why something was not done. English is what the API says. */
export function refusal(error) {
  const word = `error_${error.code ?? ""}`;
  return language === "en" && error instanceof No ? error.message : say(known(word) ? word : "error_other");
}

export function number(n) { return new Intl.NumberFormat(language).format(n ?? 0); }

/** A whole percentage, but never all or nothing of what is neither. */
export function share(part) {
  const whole = part <= 0 ? 0 : part >= 1 ? 100 : Math.min(99, Math.max(1, Math.round(part * 100)));
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 }).format(whole / 100);
}

/** A percentage to a hundredth, for availability: never all of what is not all. */
export function precise(part) {
  const exact = part >= 1 ? 1 : Math.floor(part * 1e4) / 1e4;
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 2 }).format(exact);
}

export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0, rest = n ?? 0;
  while (rest >= 1024 && at < units.length - 1) { rest /= 1024; at += 1; }
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: at && rest < 100 ? 1 : 0 }).format(rest)} ${units[at]}`;
}

export function span(seconds) {
  const s = Math.max(0, seconds);
  const [n, unit] = s < 90 ? [s, "s"] : s < 5400 ? [s / 60, "m"] : s < 48 * 3600 ? [s / 3600, "h"] : [s / 86400, "d"];
  return `${number(Math.round(n))}${language === "ja" ? "" : " "}${say(`unit_${unit}`)}`;
}

export function ago(time) {
  const s = (Date.now() - Date.parse(time)) / 1000;
  return s < 5 ? say("just_now") : say("ago", span(s));
}

/** When something was, as people say it; the exact time is its title. */
export function when(time) {
  if (!time) return "–";
  const text = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(Date.parse(time));
  return el("time", { datetime: time, title: time }, `${text}${say("aside", ago(time))}`);
}

export function decoded(path) { try { return decodeURI(path); } catch { return path; } }

// --- elements

/** An element. `on` are its listeners; `null` and `false` are left out, attributes as children. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") for (const [type, listener] of Object.entries(value)) made.addEventListener(type, listener);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/**
 * Fills `place` with what `build` makes, if `facts` are others than last time: what a reader has selected, opened or
 * focused is not to be taken away by the next look at the clock.
 */
export function fill(place, facts, build) {
  const print = JSON.stringify([language, facts]);
  if (place.dataset.print === print) return;
  place.dataset.print = print;
  const focus = place.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  const kept = ["details[data-keep]", "[data-keep][tabindex]"].flatMap((what) => [...place.querySelectorAll(what)]).map((it) => [it.dataset.keep, it.open, it.scrollTop]);
  place.replaceChildren(...[build()].flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  for (const [name, open, top] of kept) {
    const again = place.querySelector(`[data-keep="${CSS.escape(name)}"]`);
    if (!again) continue;
    if (open !== undefined) again.open = open;
    again.scrollTop = top;
  }
  if (focus) place.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
}

/** A table whose cells know their heading, for narrow screens. */
export function table(caption, head, rows, classes = "") {
  const cells = (row) => row.map((cell, i) => el("td", { "data-head": head[i][0], class: head[i][1] ?? null }, cell));
  return el("table", { class: classes },
    el("caption", { class: "unseen" }, caption),
    el("thead", {}, el("tr", {}, head.map(([word, kind]) => el("th", { scope: "col", class: kind ?? null }, word)))),
    el("tbody", {}, rows.map((row) => row instanceof Node ? row : el("tr", {}, cells(row)))));
}

export function badge(kind, text) { return el("span", { class: `badge ${kind}` }, text); }

// --- the API

/** What the API says to a "no". */
export class No extends Error {
  constructor(status, error) {
    super(error?.message ?? String(status));
    this.status = status;
    this.code = error?.code ?? "";
  }
}

let session = null;

/** Who is here: asked once, and anew with a token. */
export async function enter(body = undefined) {
  if (body || !session) session = await api("session", body ? "POST" : "GET", body);
}

/** Whether one may do that; what may not be done has no button. */
export function may(what) { return what !== "change" || session?.role !== "reader"; }

export function signedIn() { return Boolean(session?.signed_in); }

/** The session is a cookie that no script sees; what changes something says besides that it comes from here. */
export async function api(path, method = "GET", body = undefined) {
  const headers = { ...(method === "GET" ? {} : { "x-katahai": "1" }), ...(body ? { "content-type": "application/json" } : {}) };
  const answer = await fetch(`/api/v1/${path}`, { method, headers, body: body && JSON.stringify(body), cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  const value = await answer.json().catch(() => null);
  if (answer.status === 401) session = null;
  if (!answer.ok) throw new No(answer.status, value?.error);
  return value;
}

export function remember(key, value, where = localStorage) {
  try { where.setItem(key, value); } catch { /* a private window: it is asked again next time */ }
}

function remembered(key, good, where = localStorage) {
  try { const value = where.getItem(key); return value && good(value) ? value : null; } catch { return null; }
}

// --- telling and asking

export function tell(text, bad = false) {
  $("notice").hidden = !text;
  $("notice").className = `notice ${bad ? "bad" : "good"}`;
  $("notice").textContent = text;
}

/** Asks, and waits for the answer: whether it was yes. Escape is no, and no has the focus. */
export function ask(title, body, yes, dangerous = false) {
  $("ask-title").textContent = title;
  $("ask-body").replaceChildren(...[body].flat(9));
  $("ask-no").textContent = say("cancel");
  $("ask-yes").textContent = yes;
  $("ask-yes").className = dangerous ? "danger" : "strong";
  return new Promise((resolve) => {
    // Not by the event "close": it comes late, and may meet the next question.
    const end = (answer) => { $("ask").close(); resolve(answer); };
    $("ask-yes").onclick = () => end(true);
    $("ask-no").onclick = () => end(false);
    $("ask").oncancel = () => resolve(false);
    $("ask").showModal();
    $("ask-no").focus();
  });
}
