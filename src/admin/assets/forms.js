// Forms: what is kept of them, what one holds when somebody asks for it, and which forms the crawl found.
import { api, ask, badge, decoded, el, known, language, may, number, refusal, say, table, tell, when } from "./tools.js";

const ROWS = 20, AGAIN_MS = 15000;
/** How a state looks, and which buttons it has. */
const STATES = { unconfirmed: "cache", kept: "cache", sending: "cache", delivered: "live", doubtful: "failed", parked: "failed" };
const DECIDED_BY_HAND = ["doubtful", "parked"];

export class Forms {
  constructor(path, again) {
    Object.assign(this, { path: `${path}/forms`, again, kept: [], found: null, print: "", read: 0, open: new Map(), all: false, busy: false });
  }

  /** Reads the lists if the status says that they have changed, or now and then: of a busy day, once in a while is enough. */
  async look(status) {
    const print = JSON.stringify([status.forms, status.recipients, status.snapshot?.id]);
    if (print === this.print && performance.now() - this.read < AGAIN_MS) return;
    this.kept = (await api(this.path)).forms.reverse();
    this.found = await api(`${this.path}/found`);
    this.print = print;
    this.read = performance.now();
  }

  facts() { return [this.kept, this.found, [...this.open], this.all, this.busy]; }

  show() {
    const shown = this.kept.filter((form, i) => this.all || i < ROWS || DECIDED_BY_HAND.includes(form.state));
    const head = [[say("form_number")], [say("form_came")], [say("state")], [say("form_to")], [say("actions"), "acts"]];
    const rows = shown.flatMap((form) => this.row(head, form));
    return [
      el("h2", {}, say("forms")),
      rows.length ? table(say("forms"), head, rows, "cards") : el("p", {}, say("forms_none")),
      shown.length < this.kept.length ? el("p", { class: "buttons more" }, el("button", { type: "button", "data-focus": "forms all", on: { click: () => { this.all = true; this.again(); } } }, say("show_all", number(this.kept.length)))) : null,
      this.proposals(),
    ];
  }

  row(head, form) {
    const state = [badge(STATES[form.state] ?? "", say(known(`form_${form.state}`) ? `form_${form.state}` : "form_other")), form.reason ? el("code", {}, form.reason) : null];
    const to = form.receipts.map(({ to, recipient, state: what, reason }) => el("div", {}, badge(what === "taken" ? "live" : "failed", to ?? recipient), reason ? el("code", {}, reason) : null));
    const one = (word, click, more = {}) => el("button", { type: "button", disabled: this.busy, "data-focus": `${word} ${form.id}`, "aria-label": `${say(word)}: ${form.number}`, on: { click }, ...more }, say(word));
    const again = DECIDED_BY_HAND.includes(form.state) || form.receipts.some(({ state: what }) => what === "refused");
    const buttons = el("div", { class: "buttons" },
      !may("change") ? null : one("form_show", () => this.toggle(form), { "aria-expanded": String(this.open.has(form.id)) }),
      again && may("change") ? one("form_deliver", () => this.deliver(form)) : null,
      form.state === "sending" || !may("change") ? null : one("form_forget", () => this.forget(form)));
    const cells = [el("code", {}, form.number), when(form.received), state, to, buttons];
    const made = el("tr", {}, cells.map((cell, i) => el("td", { "data-head": head[i][0], class: head[i][1] ?? null }, cell)));
    return this.open.has(form.id) ? [made, el("tr", { class: "why" }, el("td", { colspan: "5" }, contents(this.open.get(form.id))))] : [made];
  }

  /** What somebody has written is read when it is asked for, and not kept here any longer than it is shown. */
  async toggle(form) {
    if (!this.open.delete(form.id)) {
      try {
        this.open.set(form.id, await api(`${this.path}/${form.id}`));
      } catch (error) {
        tell(refusal(error), true);
      }
    }
    await this.again();
  }

  async deliver(form) {
    if (await ask(say("ask_deliver", form.number), el("p", {}, say(form.state === "doubtful" ? "ask_deliver_doubtful" : "ask_deliver_why")), say("yes_deliver"), form.state === "doubtful")) await this.act("POST", `${form.id}/deliver`, say("done_deliver", form.number));
  }

  async forget(form) {
    if (await ask(say("ask_forget", form.number), el("p", {}, say(known(`ask_forget_${form.state}`) ? `ask_forget_${form.state}` : "ask_forget_why")), say("yes_forget"), true)) await this.act("DELETE", form.id, say("done_forget", form.number));
  }

  async act(method, path, done) {
    this.busy = true;
    tell("");
    try {
      await api(`${this.path}/${path}`, method);
      this.open.clear();
      tell(done);
    } catch (error) {
      tell(refusal(error), true);
    }
    this.busy = false;
    this.print = "";
    await this.again();
  }

  proposals() {
    const forms = this.found?.forms;
    if (!forms?.length) return null;
    const head = [[say("form_kind")], [say("address")], [say("form_page")], [say("form_keep")]];
    const why = (form) => form.named ? say("form_named") : form.may_be_kept ? say("form_may") : say("form_never", language === "ja" ? form.why_ja : form.why);
    const rows = forms.map((form) => [say(known(`kind_of_form_${form.kind}`) ? `kind_of_form_${form.kind}` : "kind_of_form_other"), el("code", {}, decoded(form.path)), el("code", {}, decoded(form.page)), why(form)]);
    const lines = forms.filter(({ named, lines: some }) => !named && some).map(({ lines: some }) => some).join("\n");
    return [
      lines ? [el("h3", {}, say("forms_paste")), el("p", { class: "soft" }, say("forms_paste_why")), el("pre", { class: "diff", tabindex: "0" }, lines)] : null,
      el("details", { "data-keep": "found" }, el("summary", { "data-focus": "found" }, say("counted", say("forms_found"), number(forms.length))), table(say("forms_found"), head, rows, "cards")),
    ];
  }
}

function contents(form) {
  const fields = form.fields.map(({ name, value, file }) => [el("dt", {}, name || "–"), el("dd", { class: "written" }, file ? say("form_file", file[0], number(file[1])) : value)]);
  return [
    el("dl", { class: "facts" }, fields, form.body ? [el("dt", {}, "–"), el("dd", { class: "written" }, form.body)] : null,
      el("dt", {}, say("form_sent_to")), el("dd", {}, el("code", {}, decoded(form.target)))),
  ];
}
