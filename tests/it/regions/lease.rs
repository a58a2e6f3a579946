//! One instance crawls for all; when it is killed, paused or stopped, another one does.

use rustix::process::Signal;
use serde_json::Value;

use super::deployment::until_serves;
use crate::support::{Config, Edge, Origin, eventually, fixture, secs};

/// An instance that shares the store in this folder.
async fn instance(store: &tempfile::TempDir, name: &str, origin: &Origin) -> Edge {
    Edge::start(of(store, name, origin)).await
}

fn of(store: &tempfile::TempDir, name: &str, origin: &Origin) -> Config {
    let url = format!("file://{}", store.path().display());
    Config::before(&origin.url()).set("store.url", url).set("store.instance", name)
}

async fn lease(edge: &Edge) -> Value {
    edge.status().await["regions"]["lease"].clone()
}

/// Waits until the instance stands like this.
async fn until(edge: &Edge, standing: &str, within: u64) -> Value {
    eventually(&format!("an instance that {standing}"), secs(within), async || {
        let lease = lease(edge).await;
        (lease["standing"] == standing).then_some(lease)
    })
    .await
}

#[tokio::test]
async fn one_crawls_and_the_other_does_not_by_itself_until_the_first_is_killed() {
    let (origin, store) = (fixture::shop().await, tempfile::tempdir().unwrap());
    let mut first = instance(&store, "osaka", &origin).await;
    until(&first, "holds", 10).await;
    first.until_snapshot().await;
    let second = instance(&store, "tokyo", &origin).await;
    let seen = until(&second, "follows", 10).await;
    assert_eq!((&seen["holder"], &seen["epoch"]), (&"osaka".into(), &1.into()));
    assert_eq!(second.crawl().await["ended"], 0, "it has taken none by itself");
    // where somebody asks for one, it is taken, and who crawls otherwise is said
    let asked = second.admin().post("/api/v1/sites/shop/snapshots", "").await;
    assert_eq!(asked.status, 202, "{}", asked.text());
    let begun: serde_json::Value = serde_json::from_str(&asked.text()).unwrap();
    let note = begun["note"].as_str().unwrap_or_default();
    assert!(note.contains("\"osaka\" holds the lease"), "{note}");
    second.cli(&["snapshot", "take"]).await.must_be_ok();
    assert_eq!(lease(&second).await["standing"], "follows", "that is no reason to take the lease");
    first.kill();
    let seen = until(&second, "holds", 70).await;
    assert_eq!(seen["epoch"], 2);
    second.take_snapshot().await;
}

#[tokio::test]
async fn a_holder_that_was_paused_in_a_crawl_follows_when_it_goes_on() {
    let (origin, store) = (fixture::shop().await, tempfile::tempdir().unwrap());
    let first = instance(&store, "osaka", &origin).await;
    until(&first, "holds", 10).await;
    until_serves(&first, &first.until_snapshot().await).await;
    let second = instance(&store, "tokyo", &origin).await;
    until(&second, "follows", 10).await;
    until_serves(&second, &first.snapshot_id().await.unwrap()).await;
    fixture::stock(&origin, 2);
    let lever = origin.hold("/long");
    first.admin().post("/api/v1/sites/shop/snapshots", "").await;
    lever.wait_for(1, secs(20)).await;
    first.signal(Signal::STOP);
    lever.release();
    until(&second, "holds", 70).await;
    fixture::stock(&origin, 3);
    let newer = second.take_snapshot().await;
    first.signal(Signal::CONT);
    let seen = until(&first, "follows", 10).await;
    assert_eq!((&seen["holder"], &seen["epoch"]), (&"tokyo".into(), &2.into()));
    // both have taken one: that of the one which was paused comes too late
    eventually("the end of its crawl", secs(30), async || {
        first.crawl().await["running"].is_null().then_some(())
    })
    .await;
    until_serves(&first, &newer).await;
    until_serves(&second, &newer).await;
    let pointer = std::fs::read_to_string(store.path().join("sites/shop/current")).unwrap();
    assert!(pointer.contains(&newer) && pointer.contains("\"generation\":2"), "{pointer}");
    assert_eq!(lease(&second).await["standing"], "holds");
}

#[tokio::test]
async fn a_holder_that_is_stopped_hands_over_at_once_and_one_that_never_crawls_takes_nothing() {
    let (origin, store) = (fixture::shop().await, tempfile::tempdir().unwrap());
    let mut first = instance(&store, "osaka", &origin).await;
    until(&first, "holds", 10).await;
    let second = instance(&store, "tokyo", &origin).await;
    let never = Edge::start(of(&store, "kyoto", &origin).set("store.crawl", "never")).await;
    until(&second, "follows", 10).await;
    until(&never, "follows", 10).await;
    first.sigterm();
    assert_eq!(first.exit_code(secs(30)).await, Some(0));
    assert!(first.log().iter().any(|line| line.contains("lease given back")), "{}", first.log().join("\n"));
    until(&second, "holds", 20).await; // by dying, it would have taken forty seconds at least
    eventually("the new holder", secs(20), async || (lease(&never).await["holder"] == "tokyo").then_some(()))
        .await;
}

#[tokio::test]
async fn without_a_store_to_ask_an_instance_says_so_and_serves() {
    let (origin, dir) = (fixture::shop().await, tempfile::tempdir().unwrap());
    let missing = dir.path().join("not-mounted");
    let url = format!("file://{}", missing.display());
    let config = Config::before(&origin.url()).set("store.url", url).set("store.instance", "osaka");
    let edge = Edge::start(config).await;
    edge.get(fixture::SEEN).await.must_be(&origin.content(fixture::SEEN).body);
    until(&edge, "alone", 40).await;
    assert_eq!(edge.status().await["regions"]["fault"]["code"], "store-folder");
    let said = edge.cli(&["status"]).await.must_be_ok();
    assert!(said.out.contains("store-folder"), "{}", said.out);
    // nobody can be asked: it crawls all the same after a minute
    eventually("a snapshot", secs(90), async || edge.snapshot_id().await).await;
    std::fs::create_dir(&missing).unwrap();
    until(&edge, "holds", 20).await;
}
