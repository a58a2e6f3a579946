//! What comes over days, played in seconds: a snapshot that gets old, a disk that fills.

use std::path::Path;

use crate::support::{Config, Edge, eventually, fixture, secs};

async fn has_condition(edge: &Edge, code: &str) -> Option<String> {
    let status = edge.status().await;
    let all = [&status["conditions"], &status["sites"][0]["conditions"]];
    let mut all = all.into_iter().flat_map(|list| list.as_array().unwrap());
    let found = all.find(|one| one["cause"]["code"] == code)?;
    Some(found["detail"].as_str().unwrap().to_owned())
}

async fn until_condition(edge: &Edge, code: &str) -> String {
    eventually(&format!("the condition {code}"), secs(60), async || has_condition(edge, code).await).await
}

async fn until_none(edge: &Edge, code: &str) {
    let is_gone = async || has_condition(edge, code).await.is_none().then_some(());
    eventually(&format!("no condition {code}"), secs(60), is_gone).await;
}

/// So many days after the beginning.
fn is_day(clock: &Path, days: u64) {
    let new = clock.with_extension("new");
    std::fs::write(&new, format!("+{days}d")).unwrap();
    std::fs::rename(new, clock).unwrap();
}

#[tokio::test]
async fn a_snapshot_that_gets_old_is_told_until_there_is_a_new_one() {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let clock = dir.path().join("clock");
    is_day(&clock, 0);
    let config = Config::before(&origin.url()).set("watch.every", "1s").clock_in(&clock);
    let edge = Edge::start_in(dir, config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    assert_eq!(has_condition(&edge, "snapshot-old").await, None);
    is_day(&clock, 3);
    let detail = until_condition(&edge, "snapshot-old").await;
    assert!(detail.starts_with("taken 20") && detail.contains("to be taken every"), "{detail}");
    edge.take_snapshot().await;
    until_none(&edge, "snapshot-old").await;
}

/// On a disk of its own, which is filled from outside.
#[tokio::test]
async fn a_disk_with_hardly_any_room_is_told_before_it_is_full() {
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url()).set("watch.every", "1s").on_disk_of("80m");
    let edge = Edge::start(config).await;
    edge.until("up").await;
    assert_eq!(has_condition(&edge, "disk-filling").await, None);
    let state = std::fs::canonicalize(edge.dir()).unwrap().join("state");
    let filler = format!("/proc/{}/root{}/filler", edge.pid(), state.display());
    std::fs::write(&filler, vec![1; 79 << 20]).unwrap();
    let detail = until_condition(&edge, "disk-filling").await;
    assert!(detail.contains("% of the bytes are free"), "{detail}");
    std::fs::remove_file(&filler).unwrap();
    until_none(&edge, "disk-filling").await;
}
