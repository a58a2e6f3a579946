// What an operator can switch by hand: what visitors get, for how long and why; and each origin.
import { ask, badge, el, may, say, when } from "./tools.js";
import { origin } from "./overview.js";

const MODES = ["auto", "hold_origin", "hold_snapshot"];
const TIMES = ["10m", "1h", "8h", ""];
const ORIGIN_MODES = ["auto", "drain", "off"];

/** The mode of the site. */
export function mode(status) {
  const bare = status.mode === "hold_snapshot" && !status.snapshot ? "_bare" : "";
  const until = status.mode === "auto" ? null : status.mode_until ? [" ", say("mode_until"), " ", when(status.mode_until)] : [" ", say("mode_open")];
  return [el("h2", {}, say("switches")), el("p", {}, say("labelled", say("mode")), el("b", {}, say(status.drill ? "mode_drill" : `mode_${status.mode}${bare}`)), until)];
}

/** The form that changes it. */
export function modeForm(status, act) {
  const choice = (value) => el("label", {}, el("input", { type: "radio", name: "mode", value, checked: value === status.mode, "data-focus": `mode ${value}` }), " ", say(`set_${value}`));
  const time = el("select", { "data-focus": "mode time" }, TIMES.map((value) => el("option", { value }, say(`for_${value || "ever"}`))));
  const why = el("input", { type: "text", maxlength: "200", autocomplete: "off", "data-focus": "mode reason" });
  const form = el("form", { class: "switch", on: { submit: (event) => { event.preventDefault(); send(); } } },
    el("fieldset", {}, el("legend", {}, say("set_mode")), MODES.map(choice)),
    el("label", {}, say("for_time"), " ", time), el("label", {}, say("for_reason"), " ", why),
    el("p", { class: "buttons" }, el("button", { type: "submit", class: "strong", "data-focus": "mode set" }, say("set_now"))));
  async function send() {
    const wanted = form.querySelector("input[name=mode]:checked")?.value ?? "auto";
    if (!await ask(say(`ask_${wanted}`), el("p", {}, say(`ask_${wanted}_why`)), say("set_now"), wanted !== "auto")) return;
    const body = { mode: wanted, ...(wanted !== "auto" && time.value ? { for: time.value } : {}), ...(why.value.trim() ? { reason: why.value.trim() } : {}) };
    if (await act("PUT", "mode", body, say("done_mode", say(`mode_${wanted}`)))) why.value = "";
  }
  return [form];
}

/** The origins, each with its switch. */
export function origins(status, act) {
  const head = el("h3", {}, say("origins"));
  if (!status.origins.length) return [head, el("p", {}, say("no_origin"))];
  const one = (it, place) => el("li", { class: "row" }, el("span", {}, origin(it, status), it.mode === "auto" ? null : [" ", badge("snapshot", say(`origin_mode_${it.mode}`))]),
    may("change") ? el("span", { class: "buttons", role: "group", "aria-label": it.url }, ORIGIN_MODES.map((value) => el("button", { type: "button", "aria-pressed": String(it.mode === value), "data-focus": `origin ${place} ${value}`, on: { click: () => set(it, place, value) } }, say(`origin_set_${value}`)))) : null);
  async function set(it, place, value) {
    if (it.mode === value) return;
    if (value !== "auto" && !await ask(say(`ask_origin_${value}`), [el("p", {}, el("code", {}, it.url)), el("p", {}, say(`ask_origin_${value}_why`))], say(`origin_set_${value}`), true)) return;
    await act("PUT", `origins/${place}/mode`, { mode: value, url: it.url }, say("done_origin", it.url, say(`origin_mode_${value}`)));
  }
  return [head, el("ul", { class: "plain" }, status.origins.map(one))];
}
