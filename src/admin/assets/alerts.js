// Alerts that are on, and whether they arrive.
import { ago, api, badge, el, meaning, number, refusal, say, table, tell, when } from "./tools.js";

/** The alerts and the channels; nothing where nobody is told and nothing is wrong. */
export function alerts(found, again) {
  if (!found || !(found.channels.length || found.alerts.length)) return null;
  const open = found.alerts.map((alert) => [
    badge(alert.severity === "page" ? "failed" : "snapshot", say(`severity_${alert.severity}`)),
    el("span", { title: alert.cause.code }, meaning(alert.cause.code, ["causes"])),
    alert.sites.slice(0, 3).map((site) => site || "Katahai").join(", ") + (alert.total > 3 ? say("aside", `+${number(alert.total - 3)}`) : ""),
    when(alert.since),
    alert.acknowledged ? say("acknowledged") : button(say("acknowledge"), `ack ${alert.id}`, () => acknowledge(alert.id, again))]);
  const channels = found.channels.map((channel) => [
    [channel.to, channel.backup ? el("span", { class: "soft" }, say("aside", say("backup"))) : null],
    channel.failing_since ? [badge("failed", say("channel_fails")), ` ${channel.code}: ${channel.message}`]
      : channel.last_sent ? badge("live", say("channel_took", ago(channel.last_sent))) : say("channel_unused"),
    number(channel.waiting)]);
  return [el("div", { class: "row" }, el("h2", {}, say("alerts")), found.channels.length ? button(say("alerts_test"), "alerts test", () => test(again)) : null),
    open.length ? table(say("alerts"), [[say("severity")], [say("what")], [say("sites")], [say("since")], [say("acknowledge")]], open, "cards") : null,
    channels.length ? table(say("channels"), [[say("channel")], [say("state")], [say("unsent"), "n"]], channels, "cards") : null,
    found.heartbeat?.trouble ? el("p", { class: "notice bad" }, say("heartbeat_none", found.heartbeat.trouble)) : null];
}

function button(word, focus, work) {
  const made = el("button", { type: "button", "data-focus": focus, on: { click: async () => {
    made.disabled = true;
    try { await work(); } catch (error) { tell(refusal(error), true); } finally { made.disabled = false; }
  } } }, word);
  return made;
}

async function test(again) {
  const { ok, channels } = await api("alerts/test", "POST");
  const failed = channels.filter((channel) => !channel.ok).map((channel) => `${channel.to}: ${channel.message}`);
  tell(ok ? say("alerts_arrive") : say("alerts_fail", failed.join("; ")), !ok);
  again();
}

async function acknowledge(alert, again) {
  await api("alerts/ack", "POST", { alert });
  again();
}
