//! What the operator's scripts see: health, metrics, status, snapshots, errors of one shape.

use serde_json::Value;

use crate::support::faults::Refuse;
use crate::support::fixture::{self, SEEN};
use crate::support::{Answer, Config, Edge, Origin, Site, eventually, secs};

async fn shop() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    (origin, edge)
}

fn json(answer: &Answer) -> Value {
    assert!(
        answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json")),
        "{answer:?}"
    );
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[tokio::test]
async fn a_process_is_alive_before_it_is_ready() {
    let origin = fixture::shop().await;
    origin.fail(Refuse).await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    assert_eq!(edge.admin().get("/healthz").await.status, 200);
    edge.until("down").await;
    assert_eq!(edge.admin().get("/readyz").await.status, 503, "neither an origin nor a copy");
    origin.heal().await;
    eventually("readiness", secs(10), async || {
        (edge.admin().get("/readyz").await.status == 200).then_some(())
    })
    .await;
    edge.take_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    assert_eq!(edge.admin().get("/readyz").await.status, 200, "copies serve the site");
}

#[tokio::test]
async fn status_has_its_shape() {
    let (origin, edge) = shop().await;
    let status = edge.status().await;
    assert!(status["version"].as_str().is_some_and(|v| v.starts_with(char::is_numeric)), "{status}");
    assert!(status["uptime_s"].is_number());
    let site = &status["sites"][0];
    assert_eq!(site["name"], "shop");
    assert_eq!(site["state"], "up");
    assert_eq!(site["mode"], "auto");
    let one = &site["origins"][0];
    assert_eq!(one["url"].as_str(), Some(&*origin.url()));
    assert_eq!((&one["tier"], &one["weight"], &one["mode"]), (&0.into(), &1.into(), &"auto".into()));
    assert_eq!(one["state"], "up");
    let snapshot = &site["snapshot"];
    for number in ["pages", "files", "bytes"] {
        assert!(snapshot[number].as_u64().is_some_and(|n| n > 0), "{number}: {snapshot}");
    }
    let taken = snapshot["taken_at"].as_str().expect("a time");
    humantime::parse_rfc3339(taken).unwrap_or_else(|e| panic!("{taken}: {e}"));
    let plain = edge.cli(&["status"]).await.must_be_ok().out;
    assert!(plain.contains("shop") && plain.contains("up"), "{plain}");
    let json = edge.cli(&["status", "--json"]).await.must_be_ok().json();
    assert_eq!(json["sites"][0]["name"], "shop");
}

#[tokio::test]
async fn a_site_without_a_snapshot_says_null() {
    let origin = fixture::shop().await;
    origin.fail(Refuse).await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    assert!(edge.site().await["snapshot"].is_null());
}

#[tokio::test]
async fn states_follow_the_origin() {
    let (origin, edge) = shop().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    assert_eq!(edge.site().await["origins"][0]["state"], "down");
    origin.heal().await;
    edge.until("up").await;
}

#[tokio::test]
async fn snapshots_are_listed_and_taken() {
    let (_origin, edge) = shop().await;
    let admin = edge.admin();
    let first = edge.snapshot_id().await.unwrap();
    let answer = admin.post("/api/v1/sites/shop/snapshots", "").await;
    assert_eq!(answer.status, 202);
    json(&answer);
    eventually("a second snapshot", secs(20), async || {
        let list = admin.get("/api/v1/sites/shop/snapshots").await;
        assert_eq!(list.status, 200);
        let text = json(&list).to_string();
        (text.matches("\"taken_at\"").count() == 2 && text.contains(&first)).then_some(())
    })
    .await;
    let one = admin.get(&format!("/api/v1/sites/shop/snapshots/{first}")).await;
    assert_eq!((one.status, json(&one)["id"].as_str()), (200, Some(&*first)));
}

#[tokio::test]
async fn two_snapshots_at_once_are_one() {
    let (origin, edge) = shop().await;
    let lever = origin.hold("/about");
    let admin = edge.admin();
    assert_eq!(admin.post("/api/v1/sites/shop/snapshots", "").await.status, 202);
    lever.wait_for(1, secs(10)).await;
    assert_eq!(admin.post("/api/v1/sites/shop/snapshots", "").await.status, 202, "the running one");
    lever.release();
    let first = edge.snapshot_id().await;
    eventually("the new one", secs(20), async || (edge.snapshot_id().await != first).then_some(())).await;
}

#[tokio::test]
async fn errors_have_one_shape() {
    let (_origin, edge) = shop().await;
    let admin = edge.admin();
    for (method, path, status) in [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/sites/nobody/snapshots", 404),
        ("POST", "/api/v1/sites/nobody/snapshots", 404),
        ("GET", "/api/v1/sites/shop/snapshots/20000101T000000Z", 404),
        ("GET", "/api/v1/sites/shop/snapshots/..%2F..%2Fetc", 404),
        ("DELETE", "/api/v1/status", 405),
        ("GET", "/nothing", 404),
    ] {
        let request = admin.ask(method, path).body(Default::default()).unwrap();
        let answer = admin.send(request).await.unwrap();
        assert_eq!(answer.status, status, "{method} {path}");
        let error = &json(&answer)["error"];
        assert!(
            error["code"].is_string() && error["message"].is_string(),
            "{method} {path}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn another_sites_page_cannot_command_it() {
    let (_origin, edge) = shop().await;
    let before = edge.snapshot_id().await;
    let admin = edge.admin();
    let request = admin
        .ask("POST", "/api/v1/reload")
        .header("origin", "https://elsewhere.example")
        .header("sec-fetch-site", "cross-site")
        .body(Default::default())
        .unwrap();
    assert_eq!(admin.send(request).await.unwrap().status, 403);
    // a name that was bent to this address is not the operator's
    let rebound = admin.host("elsewhere.example").get("/api/v1/status").await;
    assert!(rebound.status == 403 || rebound.status == 421, "{}", rebound.status);
    assert_eq!(edge.snapshot_id().await, before);
}

/// The samples of a metric: labels and value.
fn samples(text: &str, name: &str) -> Vec<(String, f64)> {
    text.lines()
        .filter_map(|line| line.strip_prefix(name))
        .filter(|rest| rest.starts_with('{') || rest.starts_with(' '))
        .map(|rest| {
            let (labels, value) = rest.rsplit_once(' ').expect("a value");
            (labels.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

#[tokio::test]
async fn metrics_count_what_happens() {
    let (origin, edge) = shop().await;
    let metrics = async || edge.admin().get("/metrics").await;
    let answer = metrics().await;
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    let requests = |text: &str, with: &str| -> f64 {
        let all = samples(text, "katahai_requests_total");
        all.iter()
            .filter(|(labels, _)| labels.contains("site=\"shop\"") && labels.contains(with))
            .map(|s| s.1)
            .sum()
    };
    let before = answer.text();
    for _ in 0..7 {
        edge.get(SEEN).await;
    }
    edge.get("/nowhere").await;
    eventually("eight more requests", secs(5), async || {
        let now = metrics().await.text();
        let more = |with: &str| requests(&now, with) - requests(&before, with);
        (more("") == 8.0 && more("2xx") == 7.0 && more("4xx") == 1.0).then_some(())
    })
    .await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    edge.get(fixture::UNOPENED).await;
    let text = metrics().await.text();
    assert!(requests(&text, "snapshot") >= 1.0, "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("katahai_") || line.starts_with("process_"), "{line}");
        let value = line.rsplit(' ').next().unwrap();
        value.parse::<f64>().unwrap_or_else(|e| panic!("{line}: {e}"));
    }
    for about in ["duration", "origin", "snapshot", "in_flight"] {
        assert!(
            text.lines().any(|line| line.starts_with("katahai_") && line.contains(about)),
            "{about}: {text}"
        );
    }
}

#[tokio::test]
async fn visitors_cannot_make_labels() {
    let (_origin, edge) = shop().await;
    let lines = async || edge.admin().get("/metrics").await.text().lines().count();
    // what happens for the first time gets its line then
    edge.client().host("made-up.example.test").get("/made-up").await;
    let client = edge.client();
    let _ = client.send(client.ask("METHOD", "/made-up").body(Default::default()).unwrap()).await;
    let before = lines().await;
    for n in 0..50 {
        edge.client().host(&format!("made-up-{n}.example.test")).get("/").await;
        let client = edge.client();
        let request = client.ask(&format!("METHOD{n}"), "/made-up").body(Default::default()).unwrap();
        let _ = client.send(request).await;
    }
    let text = edge.admin().get("/metrics").await.text();
    assert!(!text.contains("made-up") && !text.contains("METHOD"), "{text}");
    assert!(lines().await <= before + 20);
}

#[tokio::test]
async fn the_admin_api_may_listen_on_a_socket_file() {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("admin.sock");
    let config = Config::new(Site::new().origin(&origin.url()))
        .set("listen.http", ["127.0.0.1:0"])
        .set("listen.admin", format!("unix:{}", socket.display()))
        .set("state_dir", dir.path().join("state").display().to_string());
    std::fs::write(dir.path().join("katahai.toml"), config.toml()).unwrap();
    let _turn = crate::support::turn::share();
    let process = crate::support::edge::spawn(dir.path(), &config);
    eventually("an answer on the socket", secs(10), async || {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::UnixStream::connect(&socket).await.ok()?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n").await.ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        text.contains(" 200 ").then_some(())
    })
    .await;
    drop(process);
}
