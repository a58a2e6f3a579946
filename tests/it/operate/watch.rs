//! What is told weeks before: a registry and name servers of the test's own say what will happen to the site's domain.

use std::sync::Arc;

use serde_json::Value;

use crate::support::edge::command;
use crate::support::faults::{Fault, HeadersThenSilence, NotHttp, Refuse, Status};
use crate::support::process;
use crate::support::registry::{Registry, Zone, domain};
use crate::support::{Config, Edge, Origin, Page, Site, eventually, fixture, secs};

const DOMAIN: &str = "example.com";
const LOCKED: &[&str] = &["client transfer prohibited"];
const SERVERS: &[&str] = &["ns1.example.net", "ns2.example.net"];

fn zone() -> Zone {
    Zone { servers: SERVERS.to_vec(), ..Zone::default() }
}

fn shop(origin: &Origin) -> Config {
    let site = Site::new().set("hosts", ["www.example.com", "shop.example.com"]).origin(&origin.url());
    Config::new(site.set("standby_hosts", ["standby.example.net"]))
}

async fn edge(registry: &Registry, config: Config) -> Edge {
    let edge = Edge::start(registry.watching(config)).await;
    edge.until("up").await;
    edge
}

/// What is watched of a domain.
async fn watched(edge: &Edge, what: &str, subject: &str) -> Option<Value> {
    let site = edge.site().await;
    let all = site["watch"].as_array().unwrap();
    all.iter().find(|one| one["what"] == what && one["subject"] == subject).cloned()
}

async fn until_watched(edge: &Edge, what: &str, state: &str, words: &str) -> Value {
    let goal = format!("{what} {state}: {words}");
    eventually(&goal, secs(20), async || {
        let found = watched(edge, what, DOMAIN).await?;
        (found["state"] == state && found["detail"].as_str()?.contains(words)).then_some(found)
    })
    .await
}

async fn conditions(edge: &Edge) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let site = edge.site().await;
    let all = site["conditions"].as_array().unwrap();
    all.iter().map(|one| (text(&one["cause"]["code"]), text(&one["detail"]), one["step"].clone())).collect()
}

async fn until_condition(edge: &Edge, code: &str) -> (String, Value) {
    eventually(&format!("the condition {code}"), secs(20), async || {
        conditions(edge)
            .await
            .into_iter()
            .find(|(found, ..)| found == code)
            .map(|(_, detail, step)| (detail, step))
    })
    .await
}

async fn until_none(edge: &Edge, code: &str) {
    let is_gone = async || conditions(edge).await.iter().all(|(found, ..)| found != code).then_some(());
    eventually(&format!("no condition {code}"), secs(20), is_gone).await;
}

#[tokio::test]
async fn a_domain_that_ends_is_told_weeks_before_until_it_is_renewed() {
    let origin = fixture::shop().await;
    let registry = Registry::start().await;
    registry.delegates(DOMAIN, zone());
    registry.has(DOMAIN, &domain(DOMAIN, 20, LOCKED, SERVERS));
    let mut edge = edge(&registry, shop(&origin)).await;
    let (detail, step) = until_condition(&edge, "domain-expiring").await;
    assert!(detail.starts_with("example.com: ends 20") && detail.contains("(20 days left)"), "{detail}");
    assert_eq!(step, 30, "the step that has come");
    let told = until_watched(&edge, "domain", "soon", "20 days left").await;
    assert!(told["until"].is_string() && told["checked_at"].is_string(), "{told}");
    assert_eq!(watched(&edge, "transfer-lock", DOMAIN).await.unwrap()["state"], "ok");
    let asked_below = registry.questions("www.example.com") + registry.questions("shop.example.com");
    assert_eq!(asked_below, 0, "the name servers say where the zone begins");
    let said = edge.cli(&["status"]).await.must_be_ok().out;
    assert!(said.contains("domain example.com soon: ends 20") && said.contains("domain-expiring"), "{said}");
    let text = edge.admin().get("/metrics").await.text();
    assert!(text.contains("katahai_domain_expiry_seconds{domain=\"example.com\",site=\"shop\"} "), "{text}");

    // a restart without the registry keeps what is known
    registry.fail(Refuse).await;
    edge.restart().await;
    edge.until("up").await;
    until_condition(&edge, "domain-expiring").await;
    registry.heal().await;

    registry.has(DOMAIN, &domain(DOMAIN, 385, LOCKED, SERVERS));
    until_none(&edge, "domain-expiring").await;
    until_watched(&edge, "domain", "ok", "ends 20").await;
    edge.until_logged(&["condition ends", "domain-expiring"]).await;

    registry.has(DOMAIN, &domain(DOMAIN, 385, &["client hold"], SERVERS));
    let (detail, _) = until_condition(&edge, "domain-on-hold").await;
    assert!(detail.contains("client hold"), "{detail}");
    until_condition(&edge, "domain-unlocked").await;
    registry.has(DOMAIN, &domain(DOMAIN, -1, LOCKED, SERVERS));
    until_condition(&edge, "domain-expired").await;
    until_none(&edge, "domain-on-hold").await;
    registry.has(DOMAIN, &domain(DOMAIN, 385, LOCKED, SERVERS));
    until_none(&edge, "domain-expired").await;
    registry.answers(DOMAIN, Page::not_found());
    let (detail, _) = until_condition(&edge, "domain-expired").await;
    assert!(detail.contains("does not know it any more"), "{detail}");

    // how long pages take is kept, and outlives the process
    let visitor = edge.client().host("www.example.com");
    let pages = async || {
        assert_eq!(visitor.get("/").await.status, 200);
        let told = watched(&edge, "answers", "").await?;
        told["detail"].as_str()?.starts_with("pages take ").then_some(told)
    };
    assert_eq!(eventually("times of pages", secs(20), pages).await["state"], "ok");
    origin.page("/broken", Page::html("sorry").status(500));
    visitor.get("/broken").await;
    edge.sigterm();
    assert_eq!(edge.exit_code(secs(20)).await, Some(0));
    let days = std::fs::read_to_string(edge.state_dir().join("watch/days/shop")).unwrap();
    assert!(days.contains("\"answers\":") && !days.contains("\"bad\":0"), "an error is no answer: {days}");
}

#[tokio::test]
async fn what_no_registry_tells_cannot_be_checked_and_its_owner_may_say_the_day() {
    let origin = fixture::shop().await;
    let registry = Registry::start().await;
    registry.delegates("example.org", zone());
    let site = Site::new().set("hosts", ["www.example.org"]).origin(&origin.url());
    let edge = edge(&registry, Config::new(site.clone())).await;
    let unknown = eventually("the word that it cannot be checked", secs(20), async || {
        let found = watched(&edge, "domain", "example.org").await?;
        found["detail"].as_str()?.contains("no RDAP server").then_some(found)
    })
    .await;
    assert_eq!((&unknown["state"], &unknown["until"]), (&"unknown".into(), &Value::Null));
    assert!(unknown["detail"].as_str().unwrap().contains("domain_ends"), "{unknown}");
    assert_eq!(conditions(&edge).await, []);
    let mut check = command(edge.dir());
    check.args(["check", "--online", "-c", "katahai.toml"]).env("SSL_CERT_FILE", registry.anchor());
    let said = process::run(check, secs(60)).await;
    assert!(said.out.contains("example.org: when it ends cannot be checked"), "{} {}", said.out, said.err);

    let soon = std::time::SystemTime::now() + secs(6 * 86_400);
    let day = humantime::format_rfc3339_seconds(soon).to_string();
    let mut edge = edge;
    let said = Config::new(site.set("watch.domain_ends", &day[..10]));
    edge.restart_with(registry.watching(said)).await;
    let (detail, step) = until_condition(&edge, "domain-expiring").await;
    assert!(detail.contains("as its owner says"), "{detail}");
    assert_eq!(step, 7);
}

#[tokio::test]
async fn a_registry_in_trouble_is_told_and_what_it_says_wrongly_is_not_believed() {
    let origin = fixture::shop().await;
    let registry = Registry::start().await;
    registry.delegates(DOMAIN, zone());
    registry.has(DOMAIN, &domain(DOMAIN, 400, LOCKED, SERVERS));
    let edge = edge(&registry, shop(&origin)).await;
    until_watched(&edge, "domain", "ok", "ends 20").await;
    let faults: [(Arc<dyn Fault>, &str); 4] = [
        (Arc::new(Status(500)), "answered 500"),
        (Arc::new(NotHttp), "not-http"),
        (Arc::new(HeadersThenSilence), "body-stalled"),
        (Arc::new(Refuse), "refused"),
    ];
    for (fault, words) in faults {
        registry.switch(fault).await;
        until_trouble(&edge, words).await;
        assert_eq!(watched(&edge, "domain", DOMAIN).await.unwrap()["state"], "ok", "the last word counts");
    }
    registry.heal().await;
    for (page, words) in [("<html>".to_owned(), "cannot be read"), ("x".repeat(3 << 20), "larger than")] {
        registry.answers(DOMAIN, Page::html(page));
        until_trouble(&edge, words).await;
    }
    registry.switch(Arc::new(Status(429))).await;
    until_trouble(&edge, "left alone for 10 min").await;
    assert_eq!(conditions(&edge).await, [], "a registry in trouble is no trouble of the site");
}

async fn until_trouble(edge: &Edge, words: &str) {
    eventually(words, secs(20), async || registry_trouble(edge).filter(|said| said.contains(words))).await;
}

/// Why the registry has told nothing, as it is kept.
fn registry_trouble(edge: &Edge) -> Option<String> {
    let kept = std::fs::read(edge.state_dir().join("watch/domains.json")).ok()?;
    let kept: Value = serde_json::from_slice(&kept).ok()?;
    Some(kept["domains"][DOMAIN]["registry"]["failed"].as_str()?.to_owned())
}

#[tokio::test]
async fn a_domain_that_moves_to_strangers_or_breaks_is_told() {
    let origin = fixture::shop().await;
    let registry = Registry::start().await;
    registry.delegates(DOMAIN, Zone { has_key: true, is_valid: true, ..zone() });
    registry.has(DOMAIN, &domain(DOMAIN, 400, LOCKED, SERVERS));
    let edge = edge(&registry, shop(&origin)).await;
    until_watched(&edge, "name-servers", "ok", "ns1.example.net, ns2.example.net").await;
    until_watched(&edge, "dnssec", "ok", "signed and valid").await;
    // the addresses are where the name leads when visitors come
    assert_eq!(edge.client().host("www.example.com").get("/").await.status, 200);
    let is_proven = async || {
        let kept = std::fs::read(edge.state_dir().join("watch/domains.json")).ok()?;
        let kept: Value = serde_json::from_slice(&kept).ok()?;
        let domain = &kept["domains"][DOMAIN];
        let led = domain["addresses"]["www.example.com"]["proven"].as_array()?.len();
        (domain["in_zone"]["proven"].as_array()?.len() == 2 && led == 1).then_some(())
    };
    eventually("name servers and addresses that are proven", secs(20), is_proven).await;

    let strangers = ["ns1.stranger.example"];
    registry.has(DOMAIN, &domain(DOMAIN, 400, LOCKED, &strangers));
    let (detail, _) = until_condition(&edge, "name-servers-changed").await;
    let words = "ns1.stranger.example instead of ns1.example.net, ns2.example.net since ";
    assert!(detail.contains(words), "{detail}");

    registry.delegates(DOMAIN, Zone { servers: vec!["ns1.sedoparking.com"], ..Zone::default() });
    let (detail, _) = until_condition(&edge, "name-servers-parked").await;
    assert!(detail.contains("ns1.sedoparking.com"), "{detail}");
    until_watched(&edge, "dnssec", "ok", "not signed").await;

    registry.has(DOMAIN, &domain(DOMAIN, 400, LOCKED, SERVERS));
    registry.delegates(DOMAIN, Zone { has_key: true, is_broken: true, ..zone() });
    until_condition(&edge, "dnssec-broken").await;
    registry.delegates(DOMAIN, Zone { has_key: true, is_valid: true, ..zone() });
    until_none(&edge, "dnssec-broken").await;
    until_none(&edge, "name-servers-parked").await;
    assert_eq!(conditions(&edge).await, [], "all is as it was");

    registry.delegates(DOMAIN, Zone { address: Some([203, 0, 113, 9].into()), ..zone() });
    let (detail, _) = until_condition(&edge, "addresses-changed").await;
    assert!(detail.contains("203.0.113.9 instead of 127.0.0.1 since "), "{detail}");
    registry.delegates(DOMAIN, zone());
    until_none(&edge, "addresses-changed").await;

    registry.forgets(DOMAIN);
    until_condition(&edge, "zone-gone").await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_told_by_what_others_say() {
    let origin = fixture::shop().await;
    let now = httpdate::fmt_http_date(std::time::SystemTime::now());
    origin.page("/health", Page::html("well").header("date", &now));
    let registry = Registry::start().await;
    registry.delegates(DOMAIN, zone());
    registry.has(DOMAIN, &domain(DOMAIN, 400, LOCKED, SERVERS));
    let dir = tempfile::tempdir().unwrap();
    let clock = dir.path().join("clock");
    std::fs::write(&clock, "+2h").unwrap();
    let edge = edge(&registry, shop(&origin).clock_in(&clock)).await;
    eventually("the condition clock-wrong", secs(20), async || {
        let status = edge.status().await;
        let all = status["conditions"].as_array().unwrap();
        let wrong = all.iter().find(|one| one["cause"]["code"] == "clock-wrong")?;
        wrong["detail"].as_str().unwrap().contains("ahead of what other servers say").then_some(())
    })
    .await;
}

/// Knot with a signed zone: its signatures are good for two weeks.
#[tokio::test]
async fn signatures_that_nobody_renews_are_told() {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let port = crate::support::nginx::free_port().port();
    let at = dir.path().display();
    let knot = format!(
        "server:\n  rundir: {at}\n  listen: 127.0.0.1@{port}\ndatabase:\n  storage: {at}\nlog:\n  - target: stderr\n    any: info\n\
         zone:\n  - domain: example.com\n    storage: {at}\n    file: child\n    dnssec-signing: on\n  - domain: com\n    storage: {at}\n    file: parent\n"
    );
    std::fs::write(dir.path().join("knot.conf"), knot).unwrap();
    let zone = |origin: &str, more: &str| {
        format!(
            "$ORIGIN {origin}.\n@ 60 SOA ns.{origin}. admin.{origin}. 1 60 60 60 60\n@ 60 NS ns.{origin}.\nns 60 A 127.0.0.1\n{more}"
        )
    };
    let key = format!(
        "example 60 NS ns.example\nns.example 60 A 127.0.0.1\nexample 60 DS 1 13 2 {}\n",
        "07".repeat(32)
    );
    std::fs::write(dir.path().join("child"), zone("example.com", "www 60 A 127.0.0.1\n")).unwrap();
    std::fs::write(dir.path().join("parent"), zone("com", &key)).unwrap();
    let mut command = std::process::Command::new("knotd");
    let knot = process::Process::start(command.arg("-c").arg(dir.path().join("knot.conf")));
    let is_signed = async || knot.lines().iter().any(|line| line.contains("signed")).then_some(());
    eventually("a signed zone", secs(20), is_signed).await;
    let clock = dir.path().join("clock");
    std::fs::write(&clock, "+0").unwrap();
    let config = shop(&origin).clock_in(&clock).set("watch.every", "1s");
    let edge = Edge::start(config.set("dns.nameservers", [&*format!("127.0.0.1:{port}")])).await;
    until_watched(&edge, "dnssec", "unknown", "do not validate").await;
    std::fs::write(&clock, "+13d").unwrap();
    let (detail, _) = until_condition(&edge, "dnssec-expiring").await;
    assert!(detail.starts_with("example.com: its signatures end "), "{detail}");
    std::fs::write(&clock, "+0").unwrap();
    until_none(&edge, "dnssec-expiring").await;
}
