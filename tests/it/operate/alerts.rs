//! Alerts as they arrive: a real mail server, a receiver of webhooks, and what goes wrong on the way.

use std::process::{Command, Stdio};

use http_body_util::Full;
use serde_json::{Value, json};

use crate::real::mail::MailServer;
use crate::support::faults::{Refuse, Status};
use crate::support::wire::Asked;
use crate::support::{Config, Edge, Origin, Page, Site, eventually, fixture, secs};

/// A receiver of webhooks and heartbeats.
async fn receiver() -> Origin {
    let receiver = Origin::start().await;
    receiver.make(|_| Some(Page::html("ok")));
    receiver
}

/// The shop, with alerts that do not wait.
fn config(origin: &Origin, webhooks: &str) -> Config {
    Config::before(&origin.url())
        .site("health.interval", "100ms")
        .set("alerts.wait", "0s")
        .set("alerts.language", "en")
        .set_toml("alerts.webhook", format!("[{webhooks}]"))
}

/// What was posted to a path, but that a test has killed the process.
fn posted(receiver: &Origin, path: &str) -> Vec<Asked> {
    let is_one = |asked: &Asked| {
        // without what escapes a service's markup
        let text = String::from_utf8_lossy(&asked.body).replace('\\', "");
        asked.method == "POST" && !text.contains("unclean-stop")
    };
    receiver.asked_for(path).into_iter().filter(is_one).collect()
}

fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

fn events(receiver: &Origin, path: &str) -> Vec<String> {
    posted(receiver, path).iter().map(|asked| body(asked)["event"].as_str().unwrap().to_owned()).collect()
}

async fn until_posted(receiver: &Origin, path: &str, count: usize) -> Vec<Asked> {
    let what = format!("{count} messages at {path}");
    let enough = async || Some(posted(receiver, path)).filter(|posts| posts.len() >= count);
    eventually(&what, secs(30), enough).await
}

/// Waits for so many further heartbeats: time in which something else would have happened.
async fn beats(receiver: &Origin, count: usize) {
    let before = receiver.count("/beat");
    let what = format!("{count} heartbeats");
    eventually(&what, secs(30), async || (receiver.count("/beat") >= before + count).then_some(())).await;
}

async fn alerts(edge: &Edge) -> Value {
    edge.cli(&["alerts", "--json"]).await.must_be_ok().json()
}

/// The outages among them.
async fn outages(edge: &Edge) -> usize {
    let found = alerts(edge).await["alerts"].as_array().unwrap().clone();
    found.iter().filter(|alert| alert["severity"] == "page").count()
}

async fn until_over(edge: &Edge) {
    eventually("no outage is told any more", secs(20), async || (outages(edge).await == 0).then_some(()))
        .await;
}

/// Whether Python finds the signature right, as docs/alerts.md does with openssl.
fn is_signed(asked: &Asked, secret: &str) -> bool {
    let field = asked.header("katahai-signature").unwrap();
    let (at, signature) = field.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let script = "import hmac,sys; print(hmac.new(sys.argv[1].encode(), (sys.argv[2]+'.').encode()+sys.stdin.buffer.read(), 'sha256').hexdigest())";
    let mut python = Command::new("python3")
        .args(["-c", script, secret, at])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), &asked.body).unwrap();
    let out = python.wait_with_output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim() == signature
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_in_every_form_once_though_the_process_is_killed_and_so_is_its_end() {
    let (origin, receiver, mail) = (fixture::shop().await, receiver().await, MailServer::start(None).await);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), "open sesame\n").unwrap();
    let at = receiver.url();
    std::fs::write(dir.path().join("teams.url"), format!("{at}/teams?sig=SECRET\n")).unwrap();
    let webhooks = format!(
        "{{ url = \"{at}/json?key=SECRET\", secret_file = \"key\" }}, {{ url = \"{at}/slack/SECRET\", format = \"slack\" }}, \
         {{ url = \"{at}/discord/SECRET\", format = \"discord\" }}, {{ url_file = \"teams.url\", format = \"teams\" }}, \
         {{ url = \"{at}/line\", format = \"line\", secret_file = \"key\", to = \"U1\" }}, \
         {{ url = \"{at}/ntfy/SECRET\", format = \"ntfy\" }}"
    );
    let config = config(&origin, &webhooks)
        .set("alerts.link", "https://ops.example.jp")
        .set("alerts.email.smtp", format!("smtp://127.0.0.1:{}", mail.port))
        .set("alerts.email.from", "Katahai <katahai@example.jp>")
        .set("alerts.email.to", ["owner@example.jp"]);
    let mut edge = Edge::start_in(dir, config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    origin.fail(Refuse).await;
    let paths = ["/json", "/slack/SECRET", "/discord/SECRET", "/teams", "/line", "/ntfy/"];
    for path in paths {
        let asked = until_posted(&receiver, path, 1).await.remove(0);
        // without what escapes a service's markup
        let said = body(&asked).to_string().replace('\\', "");
        for part in [
            "Down: shop – refused",
            "refuses connections",
            "Visitors",
            "What to do",
            "https://ops.example.jp/sites/shop",
        ] {
            assert!(said.contains(part), "{path}: {part}: {said}");
        }
        assert!(said.contains("https://ops.example.jp/ack/"), "{path}: {said}");
        assert!(said.contains("https://ops.example.jp/incidents/20"), "{path}: {said}");
    }
    let json = posted(&receiver, "/json").remove(0);
    let id = body(&json)["id"].as_str().unwrap().to_owned();
    assert_eq!(json.header("idempotency-key").unwrap(), format!("\"{id}\""));
    assert!(is_signed(&json, "open sesame") && !is_signed(&json, "another"));
    let line = posted(&receiver, "/line").remove(0);
    assert_eq!(line.header("authorization").unwrap(), "Bearer open sesame");
    assert_eq!(body(&line)["to"], "U1");
    assert_eq!(body(&posted(&receiver, "/ntfy/")[0])["topic"], "SECRET");
    let letter = mail.until_taken(1).await.remove(0);
    assert!(letter.starts_with("katahai@example.jp -> owner@example.jp\n"), "{letter}");
    assert!(letter.contains("Auto-Submitted: auto-generated"), "{letter}");

    edge.kill();
    edge.restart().await;
    edge.until("down").await;
    let open = alerts(&edge).await["alerts"].clone();
    assert!(open.as_array().unwrap().iter().any(|alert| alert["cause"]["code"] == "refused"), "{open:#}");
    origin.heal().await;
    for path in paths {
        let said = body(&until_posted(&receiver, path, 2).await[1]).to_string();
        assert!(said.contains("Over after "), "{path}: {said}");
    }
    let letters = || mail.taken().into_iter().filter(|letter| !letter.contains("unclean-stop")).count();
    eventually("the end by mail", secs(20), async || (letters() >= 2).then_some(())).await;
    assert!(paths.iter().all(|path| posted(&receiver, path).len() == 2), "the restart told nothing again");
    assert_eq!(letters(), 2);
    assert_eq!(outages(&edge).await, 0);
    let kept = std::fs::read_to_string(edge.state_dir().join("alerts/ledger.json")).unwrap();
    let told = format!("{}\n{kept}", edge.log().join("\n"));
    assert!(!told.contains("SECRET") && !told.contains("open sesame") && !told.contains("/ack/"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_waits_on_the_disk_goes_to_the_backup_and_says_that_it_is_late() {
    let (origin, first, second) = (fixture::shop().await, receiver().await, receiver().await);
    let webhooks = format!("\"{}/hook\", {{ url = \"{}/hook\", backup = true }}", first.url(), second.url());
    let mut edge = Edge::start(config(&origin, &webhooks)).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    first.fail(Status(503)).await;
    origin.fail(Refuse).await;
    assert_eq!(body(&until_posted(&second, "/hook", 1).await[0])["event"], "begin");
    let channel = alerts(&edge).await["channels"][0].clone();
    assert_eq!(channel["code"], "status-503");
    assert!(channel["waiting"].as_u64().unwrap() >= 1, "{channel}");
    let said = edge.cli(&["alerts"]).await.must_be_ok().out;
    assert!(
        said.contains("it answered 503") && said.contains(" waiting") && said.contains("refused"),
        "{said}"
    );
    edge.kill();
    first.forget();
    first.heal().await;
    edge.restart().await;
    let told = body(&until_posted(&first, "/hook", 1).await[0]);
    assert_eq!((&told["event"], &told["late"]), (&json!("begin"), &json!(true)), "{told}");

    // an outage that is over before anybody could be told is one message
    first.forget();
    first.fail(Refuse).await;
    origin.heal().await;
    until_over(&edge).await;
    origin.fail(Refuse).await;
    eventually("a second alert", secs(20), async || {
        (outages(&edge).await == 1 && edge.state().await == "down").then_some(())
    })
    .await;
    // what waits behind another message goes to the backup, too
    let begun = || events(&second, "/hook").into_iter().filter(|event| event == "begin").count();
    eventually("the backup hears of both", secs(30), async || (begun() == 2).then_some(())).await;
    origin.heal().await;
    until_over(&edge).await;
    edge.kill();
    first.heal().await;
    edge.restart().await;
    let told = until_posted(&first, "/hook", 2).await;
    assert_eq!(events(&first, "/hook"), ["over", "over"], "of the first, and of the second as a whole");
    assert!(body(&told[1])["said"]["en"]["title"].as_str().unwrap().starts_with("Was: Down, over after"));
    eventually("nothing waits", secs(20), async || (alerts(&edge).await["waiting"] == 0).then_some(())).await;
}

/// Slack says it in whole seconds, Discord with a fraction; hours pass by the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_asks_for_patience_is_asked_again_when_it_said_and_not_before() {
    let (origin, receiver) = (fixture::shop().await, receiver().await);
    let paths = ["/slack", "/discord", "/json"];
    let busy = |status: u16| Page::html("slow down").status(status);
    receiver.page("/slack", busy(429).header("retry-after", "3000"));
    receiver.page("/discord", busy(429).header("x-ratelimit-reset-after", "2999.5"));
    receiver.page("/json", busy(503).header("retry-after", "86400"));
    let dir = tempfile::tempdir().unwrap();
    let clock = dir.path().join("clock");
    std::fs::write(&clock, "+0").unwrap();
    let at = receiver.url();
    let webhooks = format!(
        "{{ url = \"{at}/slack\", format = \"slack\" }}, {{ url = \"{at}/discord\", format = \"discord\" }}, \"{at}/json\", \"{at}/well\""
    );
    let config = config(&origin, &webhooks).time_in(&clock).set("alerts.repeat", "10m");
    let edge = Edge::start_in(dir, config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    origin.fail(Refuse).await;
    for path in paths {
        let to = format!("to={} 127.0.0.1", path.trim_start_matches('/'));
        edge.until_logged(&["an alert could not be sent, trying again", &to]).await;
        receiver.page(path, Page::html("ok"));
    }
    // who asks for nothing hears of it again each time: then the others have had their turn
    let later = async |seconds: u32| {
        let before = posted(&receiver, "/well").len();
        std::fs::write(edge.dir().join("new"), format!("+{seconds}")).unwrap();
        std::fs::rename(edge.dir().join("new"), edge.dir().join("clock")).unwrap();
        until_posted(&receiver, "/well", before + 1).await;
    };
    // our own longest pause is ten minutes
    for seconds in [700, 1400, 2100] {
        later(seconds).await;
        assert_eq!(paths.map(|path| posted(&receiver, path).len()), [1, 1, 1]);
    }
    later(3060).await;
    until_posted(&receiver, "/slack", 2).await;
    until_posted(&receiver, "/discord", 2).await;
    assert_eq!(posted(&receiver, "/json").len(), 1);
    // nobody is waited for longer than an hour
    later(3700).await;
    until_posted(&receiver, "/json", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sites_at_once_are_one_message_and_what_is_planned_is_none() {
    const SITES: usize = 50;
    // on a busy machine it takes some seconds until the checks of all have failed; those that come later are another message
    const WAIT: &str = "8s";
    let (origin, receiver) = (Origin::start().await, receiver().await);
    origin.page("/", Page::html("<!doctype html><title>Home</title><p>All is well here.</p>"));
    let mut config = Config::default()
        .set("alerts.wait", WAIT)
        .set("alerts.heartbeat", format!("{}/beat", receiver.url()))
        .set("alerts.heartbeat_every", "1s")
        .set_toml("alerts.webhook", format!("[\"{}/hook\"]", receiver.url()));
    for n in 0..SITES {
        let site = Site::bare(&format!("s{n}"), &format!("s{n}.example.test")).origin(&origin.url());
        let site = site.set("health.interval", "500ms").set("health.fall", 1).set("health.rise", 1);
        config = config.and(site.set("failover.recovery_ramp", "0s").set("mirror.rate", "off"));
    }
    let edge = Edge::start(config).await;
    let all_are = async |level: &'static str| {
        eventually(&format!("all sites are {level}"), secs(60), async || {
            let sites = edge.admin().get("/api/v1/sites?limit=0").await;
            let counts: Value = serde_json::from_slice(&sites.body).unwrap();
            (counts["counts"][level] == SITES).then_some(())
        })
        .await;
    };
    all_are("well").await;
    let hold = |mode: &str| json!({ "mode": mode }).to_string();
    let put = async |mode: &str| {
        let request = edge.admin().ask("PUT", "/api/v1/sites/s0/mode").body(Full::from(hold(mode))).unwrap();
        assert_eq!(edge.admin().send(request).await.unwrap().status, 200);
    };
    put("hold_snapshot").await;
    origin.fail(Refuse).await;
    all_are("down").await;
    let told = body(&until_posted(&receiver, "/hook", 1).await[0]);
    assert_eq!(
        (&told["total"], &told["event"], &told["severity"]),
        (&json!(SITES - 1), &json!("begin"), &json!("page"))
    );
    assert_eq!(told["sites"].as_array().unwrap().len(), 20, "{told}");
    let text = told["said"]["en"]["text"].as_str().unwrap();
    assert!(text.contains(&format!("- and {} more\n", SITES - 21)), "{text}");
    beats(&receiver, 3).await;
    assert_eq!(posted(&receiver, "/hook").len(), 1);
    origin.heal().await;
    until_posted(&receiver, "/hook", 2).await;
    assert_eq!(events(&receiver, "/hook"), ["begin", "over"]);
    assert_eq!(body(&posted(&receiver, "/hook")[1])["total"], SITES - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heart_stops_when_katahai_is_ill_and_not_when_a_site_is() {
    let (origin, receiver) = (fixture::shop().await, receiver().await);
    let config = config(&origin, "")
        .set("alerts.heartbeat", format!("{}/beat?key=SECRET", receiver.url()))
        .set("alerts.heartbeat_every", "1s");
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    beats(&receiver, 2).await;
    let away = edge.dir().join("away");
    std::fs::rename(edge.state_dir(), &away).unwrap();
    std::fs::write(edge.state_dir(), "no folder").unwrap();
    edge.until_logged(&["no heartbeat", "the state directory cannot be written to"]).await;
    let trouble = alerts(&edge).await["heartbeat"]["trouble"].clone();
    assert!(trouble.as_str().unwrap().starts_with("the state directory cannot be written to"), "{trouble}");
    std::fs::remove_file(edge.state_dir()).unwrap();
    std::fs::rename(&away, edge.state_dir()).unwrap();
    edge.until_logged(&["the heartbeat goes on"]).await;
    assert!(!edge.log().iter().any(|line| line.contains("SECRET")));
    assert_eq!(edge.log().iter().filter(|line| line.contains("no heartbeat")).count(), 1, "told once");
}
