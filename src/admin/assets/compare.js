// What differs between two snapshots, and the text of one page in both.
import { $, api, badge, bytes, decoded, el, number, refusal, say, table, tell } from "./tools.js";

const LINES = 2000;

export function compared(diff, path, close) {
  const { counts } = diff;
  const kinds = [["added", "live"], ["removed", "failed"], ["changed", "snapshot"]];
  const some = kinds.some(([kind]) => counts[kind]);
  return [
    el("div", { class: "row" }, el("h2", {}, say("compared", diff.from, diff.to)), el("button", { type: "button", on: { click: close } }, say("close"))),
    el("p", {}, kinds.map(([kind, colour]) => [badge(colour, `${number(counts[kind])} ${say(kind)}`), " "]), el("span", { class: "soft" }, `${number(counts.same)} ${say("same")}`)),
    some ? null : el("p", { class: "soft" }, say("diff_none")),
    diff.cut ? el("p", { class: "soft" }, say("diff_listed", number(diff.limit))) : null,
    kinds.filter(([kind]) => diff[kind].length).map(([kind]) => el("details", { open: diff[kind].length < 30 },
      el("summary", {}, say("counted", say(kind), number(counts[kind]))),
      el("div", { class: "scroll" }, table(say(kind), [[say("address")], [say("size"), "n"], ["", "acts"]], diff[kind].map((entry) => row(diff, path, kind, entry)))))),
  ];
}

function row(diff, path, kind, entry) {
  const size = kind === "changed" ? `${bytes(entry.before.size)} → ${bytes(entry.after.size)}` : bytes(entry.size);
  const place = el("tr", {}, el("td", {}, el("code", {}, decoded(entry.key))), el("td", { class: "n" }, size), el("td", { class: "acts" },
    kind === "changed" ? el("button", { type: "button", "aria-label": `${say("show_diff")}: ${entry.key}`, on: { click: () => toggle(place, diff, path, entry.key) } }, say("show_diff")) : null));
  return place;
}

async function toggle(place, diff, path, key) {
  if (place.nextSibling?.classList?.contains("text")) return place.nextSibling.remove();
  try {
    const found = await api(`${path}/snapshots/${diff.from}/diff?to=${diff.to}&path=${encodeURIComponent(key)}`);
    place.after(el("tr", { class: "text" }, el("td", { colspan: "3" }, text(found))));
  } catch (error) {
    tell(refusal(error), true);
    $("notice").scrollIntoView({ block: "nearest" });
  }
}

function text(found) {
  if (found.text === null) return el("p", {}, say("binary", bytes(found.before?.size), bytes(found.after?.size)));
  if (!found.text) return el("p", {}, say("diff_same_text"));
  const lines = found.text.split("\n");
  const kind = (line) => line.startsWith("@@") ? "at" : line.startsWith("+++") || line.startsWith("---") ? "name" : line.startsWith("+") ? "ins" : line.startsWith("-") ? "del" : null;
  return [el("pre", { class: "diff", tabindex: "0" }, lines.slice(0, LINES).map((line) => el("span", { class: kind(line) }, `${line}\n`))),
    lines.length > LINES || found.cut ? el("p", { class: "soft" }, say("diff_cut")) : null];
}
