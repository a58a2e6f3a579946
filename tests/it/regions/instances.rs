//! What instances tell of each other, on the command line and in a browser.

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::faults::Refuse;
use crate::support::{Config, Edge, Origin, eventually, fixture, secs, turn};

fn of(store: &tempfile::TempDir, name: &str, place: &str, origin: &Origin) -> Config {
    let url = format!("file://{}", store.path().display());
    Config::before(&origin.url()).set("store.url", url).set("store.instance", name).set("store.place", place)
}

async fn instances(edge: &Edge) -> Value {
    let answer = edge.admin().get("/api/v1/instances").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// Waits until the other instance is seen like this.
async fn until_seen(edge: &Edge, name: &str, life: &str, within: u64) -> Value {
    eventually(&format!("{name}, {life}"), secs(within), async || {
        let all = instances(edge).await;
        let mut all = all["instances"].as_array().unwrap().clone().into_iter();
        all.find(|one| one["name"] == name && one["life"] == life)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sees_the_other_and_what_only_one_of_them_reaches() {
    let _alone = turn::alone();
    let (good, bad, store) = (fixture::shop().await, fixture::shop().await, tempfile::tempdir().unwrap());
    let osaka = Edge::start(of(&store, "osaka-1", "Osaka", &good)).await;
    osaka.until_snapshot().await;
    let mut tokyo = Edge::start(of(&store, "tokyo-1", "Tokyo", &bad)).await;
    tokyo.until("up").await;
    let seen = until_seen(&osaka, "tokyo-1", "heard", 30).await;
    assert_eq!(
        (&seen["place"], &seen["own"], &seen["holds"]),
        (&json!("Tokyo"), &json!(false), &json!(false))
    );
    assert_eq!(seen["sites"][0]["name"], "shop");
    let seen = until_seen(&tokyo, "osaka-1", "heard", 30).await;
    assert_eq!(seen["holds"], true);
    eventually("its snapshot", secs(30), async || {
        let seen = until_seen(&tokyo, "osaka-1", "heard", 30).await;
        (seen["sites"][0]["snapshot"].as_str() == osaka.snapshot_id().await.as_deref()).then_some(())
    })
    .await;
    for edge in [&osaka, &tokyo] {
        let status = edge.status().await.to_string();
        assert!(!status.contains("copies-gone"), "{status}");
    }

    bad.fail(Refuse).await;
    for edge in [&osaka, &tokyo] {
        let said = eventually("the disagreement", secs(45), async || {
            edge.site().await["disagreement"]["said"]["en"].as_str().map(str::to_owned)
        })
        .await;
        assert_eq!(said, "Reached from Osaka, not from Tokyo.");
        let said = edge.cli(&["status"]).await;
        assert!(said.out.contains("Reached from Osaka, not from Tokyo."), "{}", said.out);
        let said = edge.cli(&["status", "--problems"]).await;
        assert!(said.out.contains("Reached from Osaka, not from Tokyo."), "{}", said.out);
    }
    let said = osaka.cli(&["status"]).await.must_be_ok();
    let line =
        |name: &str| said.out.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
    assert!(
        line("osaka-1").contains("Osaka") && line("osaka-1").contains("this one, crawls"),
        "{}",
        said.out
    );
    assert!(
        line("tokyo-1").contains("heard") && line("tokyo-1").contains("does not reach shop"),
        "{}",
        said.out
    );

    let mut browser = Browser::start();
    for width in [1200, 390] {
        browser.resize(width, 900);
        browser.open(&format!("http://{}/", osaka.admin_addr())).await;
        for said in ["does not reach shop", "Reached from Osaka, not from Tokyo."] {
            browser.until(&format!("document.body.innerText.includes('{said}')")).await;
        }
        let text = browser.eval("document.body.innerText").to_string();
        for part in ["Instances", "tokyo-1", "this one", "crawls"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(wide <= u64::from(width), "{wide} pixels on a screen of {width}");
    }
    assert_eq!(browser.complaints(), [] as [String; 0]);

    tokyo.sigterm();
    tokyo.exit_code(secs(30)).await;
    until_seen(&osaka, "tokyo-1", "stopped", 30).await;
    eventually("agreement", secs(30), async || osaka.site().await["disagreement"].is_null().then_some(()))
        .await;
}

#[tokio::test]
async fn who_is_killed_is_silent_after_a_minute() {
    let (origin, store) = (fixture::shop().await, tempfile::tempdir().unwrap());
    let osaka = Edge::start(of(&store, "osaka-1", "Osaka", &origin)).await;
    let mut tokyo = Edge::start(of(&store, "tokyo-1", "Tokyo", &origin)).await;
    until_seen(&osaka, "tokyo-1", "heard", 30).await;
    tokyo.kill();
    until_seen(&osaka, "tokyo-1", "silent", 100).await;
    let said = osaka.cli(&["status"]).await;
    assert!(said.out.contains("silent for"), "{}", said.out);
}

#[tokio::test]
async fn two_with_one_name_are_told_to_take_another() {
    let (origin, store) = (fixture::shop().await, tempfile::tempdir().unwrap());
    let first = Edge::start(of(&store, "web", "Osaka", &origin)).await;
    let second = Edge::start(of(&store, "web", "Tokyo", &origin)).await;
    for (edge, other) in [(&first, "Tokyo"), (&second, "Osaka")] {
        let condition = eventually("a condition", secs(60), async || {
            let status = edge.status().await;
            let mut all = status["conditions"].as_array().unwrap().clone().into_iter();
            all.find(|one| one["cause"]["code"] == "instance-name-shared")
        })
        .await;
        assert!(condition["detail"].as_str().unwrap().contains(other), "{condition}");
    }
}

#[tokio::test]
async fn without_a_store_there_are_no_instances() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let answer = edge.admin().get("/api/v1/instances").await;
    assert!(answer.status == 404 && answer.text().contains("no-store"), "{}", answer.text());
    assert!(edge.status().await.get("regions").is_none());
    edge.take_snapshot().await;
}
