// The dashboard: asks how things stand, shows all sites or one, in the reader's language; and lets people in who know a token.
import { $, No, api, el, enter, language, may, refusal, say, signedIn, speak, tell } from "./tools.js";
import { Live } from "./live.js";
import { Overview } from "./overview.js";
import { Site } from "./site.js";

const wanted = location.pathname.startsWith("/sites/") ? decodeURIComponent(location.pathname.slice("/sites/".length).replace(/\/$/, "")) : null;
// the link in an alert: whoever may read it gets the report in their language
const incident = location.pathname.startsWith("/incidents/") ? location.pathname.slice("/incidents/".length).replace(/\/$/, "") : null;
const live = new Live(() => look());
const site = wanted === null ? null : new Site(wanted, () => look());
const all = new Overview(() => look());
let status = null, misses = 0, unknown = false, locked = false, turn = 0;

function show() {
  document.documentElement.lang = language;
  $("skip").textContent = say("skip");
  $("languages").setAttribute("aria-label", say("language"));
  $("lost").textContent = say("lost");
  $("lost").hidden = misses < 2;
  $("login").hidden = !locked;
  $("login-title").textContent = say("login");
  $("login-why").textContent = say("login_why");
  $("token-label").textContent = say("token");
  $("token-send").textContent = say("token_send");
  $("leave").textContent = say("sign_out");
  $("leave").hidden = locked || !signedIn();
  $("role").textContent = may("change") ? "" : say("role_reader");
  $("role").hidden = locked || may("change");
  $("crumb").textContent = wanted ?? "";
  document.title = locked ? `${say("login")} – Katahai` : wanted === null ? "Katahai" : `${wanted} – Katahai`;
  for (const button of document.querySelectorAll("[data-language]")) button.setAttribute("aria-pressed", String(button.dataset.language === language));
  $("page").hidden = locked;
  if (locked) return;
  if (unknown) return $("page").replaceChildren(el("p", { class: "notice bad" }, say(incident === null ? "unknown_site" : "unknown_incident")));
  if (!status) return;
  if (wanted === null) all.show(status, $("page"));
  else site.show(status.sites[0], $("page"), status.conditions, status.regions);
}

async function look() {
  const own = ++turn;
  try {
    await enter();
    if (incident !== null) {
      await api(`incidents/${incident}`);
      return location.replace(`/api/v1/incidents/${incident}/report?format=html&lang=${language}`);
    }
    const next = wanted === null ? await all.look() : await api(`status?site=${encodeURIComponent(wanted)}`);
    await site?.look(next.sites[0]);
    if (own !== turn) return; // a later look has begun: what it finds is newer
    status = next;
    misses = 0;
    unknown = false;
    locked = false;
  } catch (error) {
    if (own !== turn) return;
    if (error instanceof No && error.status === 401) {
      live.stop();
      locked = true;
      show();
      return $("token-text").focus();
    }
    unknown = error instanceof No && ["unknown-site", "unknown-incident"].includes(error.code);
    misses = unknown ? 0 : misses + 1;
    console.debug(error);
  }
  show();
  live.next(status?.sites.some((one) => one.crawl?.running));
}

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const token = $("token-text").value.trim();
  $("token-text").value = "";
  tell("");
  try {
    await enter({ token });
  } catch (error) {
    tell(refusal(error), true);
    return $("token-text").focus();
  }
  await look();
  $("main").focus();
});
$("leave").addEventListener("click", async () => {
  await api("session", "DELETE").catch((error) => console.debug(error));
  location.reload();
});
for (const button of document.querySelectorAll("[data-language]")) button.addEventListener("click", () => { speak(button.dataset.language); tell(""); show(); });

show();
look();
