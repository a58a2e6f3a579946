// The instances that share a store: who lives, who crawls, and what each of them does not reach.
import { badge, el, language, say, span, table } from "./tools.js";

const KIND = { heard: "live", silent: "failed", stopped: "", unknown: "snapshot" };

export function instances(regions) {
  if (!regions) return null;
  const head = [[say("instance")], [say("place")], [say("state")], [say("heard")], [say("what")]];
  const rows = regions.instances.map((one) => [
    [one.name, one.own ? el("span", { class: "soft" }, say("aside", say("this_instance"))) : null], one.place,
    [badge(KIND[one.life] ?? "", say(`life_${one.life}`)), one.holds ? [" ", badge("cache", say("holds_lease"))] : null],
    one.own ? "–" : say("ago", span(one.heard_s)), one.down.length ? say("unreached", one.down.join(language === "ja" ? "、" : ", ")) : ""]);
  const { fault, lease } = regions;
  return [el("h2", {}, say("instances")),
    fault ? el("p", { class: "notice bad", title: `${fault.code} ${fault.detail}` }, fault.meaning[language], " ", fault.advice[language]) : null,
    lease.standing === "free" ? el("p", { class: "notice" }, say("nobody_crawls")) : null,
    table(say("instances"), head, rows, "cards list")];
}
