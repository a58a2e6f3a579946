//! The instance that crawls is killed (-9) while it sends a snapshot, in every phase of that: the next holder takes over,
//! nothing half written is seen, and no version is lost.

use super::deployment::until_serves;
use super::in_bucket::{Bucket, must_serve, shelf, until_holds};
use crate::support::faults::Refuse;
use crate::support::fixture;
use crate::support::s3::{At, Door};
use crate::support::{Edge, Origin};

/// How many of the phases are tried, from the first on; those that the suite tries come first.
const KILLS: &str = "KATAHAI_STORE_KILLS";
const DEFAULT: usize = 2;

/// A write, the how manieth of its kind, and on which side of the store its writer is killed.
const PHASES: [(&str, usize, At); 16] = [
    ("/blobs/", 9, At::Asking),
    ("sites/shop/current", 1, At::Answering),
    ("index.json", 1, At::Asking),
    ("index.json", 1, At::Answering),
    ("sites/shop/current", 1, At::Asking),
    ("/pushing/", 1, At::Asking),
    ("/pushing/", 1, At::Answering),
    ("/blobs/", 1, At::Asking),
    ("/blobs/", 1, At::Answering),
    ("/blobs/", 17, At::Answering),
    ("/manifest", 1, At::Asking),
    ("/manifest", 1, At::Answering),
    ("/report.json", 1, At::Answering),
    ("/changes", 1, At::Asking),
    ("/changes", 1, At::Answering),
    // when it has just written the lease anew
    ("/lease", 1, At::Answering),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_is_killed_while_it_sends_costs_nothing() {
    let kills = std::env::var(KILLS).ok().map_or(DEFAULT, |kills| kills.parse().expect("a number"));
    let (bucket, origin) = (Bucket::new().await, fixture::shop().await);
    let mut holder = bucket.first(&origin).await;
    let mut next = Edge::start(bucket.config(&origin.url(), "second")).await;
    until_serves(&next, &holder.snapshot_id().await.unwrap()).await;
    let mut version = 1;
    for (n, (part, nth, at)) in PHASES.into_iter().cycle().take(kills).enumerate() {
        let killed = kill_in(&bucket, &origin, (&mut holder, version + 1), (part, nth, at)).await;
        let what = format!("{part} {nth} {at:?}");
        must_be_whole_in_store(&bucket, &what).await;
        origin.fail(Refuse).await;
        must_serve(&next, &[version, version + 1]).await;
        origin.heal().await;
        next.until("up").await;
        bucket.free_the_lease().await;
        until_holds(&next).await;
        version += 1;
        if n % 2 == 0 {
            // nobody has said anything since: what the killed one had taken is what all serve
            holder.restart().await;
            until_serves(&next, &killed).await;
        } else {
            // of two that are taken at once, the first that the store has would win
            if bucket.pointer().await.unwrap()["id"] == killed {
                until_serves(&next, &killed).await;
            }
            version += 1;
            fixture::stock(&origin, version);
            let newer = next.take_snapshot().await;
            bucket.until_names(&newer).await;
            holder.restart().await;
            until_serves(&holder, &newer).await;
            assert!(shelf(&holder).await.contains(&killed), "{what}: the killed one's snapshot is lost");
        }
        origin.fail(Refuse).await;
        for edge in [&holder, &next] {
            must_serve(edge, &[version]).await;
        }
        origin.heal().await;
        next.until("up").await;
        std::mem::swap(&mut holder, &mut next);
    }
}

/// Kills the holder in the middle of this write for a new version; the id of the snapshot that it had taken.
async fn kill_in(
    bucket: &Bucket,
    origin: &Origin,
    (holder, version): (&mut Edge, u32),
    (part, nth, at): (&str, usize, At),
) -> String {
    until_holds(holder).await;
    bucket.holds(part, nth, at).await;
    fixture::stock(origin, version);
    let killed = holder.take_snapshot().await;
    bucket.s3.gate().until_held().await;
    holder.kill();
    bucket.s3.door(Door::Open).await;
    killed
}

/// What has an index has all that the index names, and the pointer names something that has one.
async fn must_be_whole_in_store(bucket: &Bucket, what: &str) {
    let names = bucket.s3.names(&bucket.name("sites/shop/snapshots/")).await;
    let pointer = bucket.pointer().await.unwrap();
    let named = format!("/{}/index.json", pointer["id"].as_str().unwrap());
    assert!(names.iter().any(|name| name.ends_with(&named)), "{what}: the pointer names a half: {names:?}");
    for index in names.iter().filter(|name| name.ends_with("/index.json")) {
        let folder = index.trim_end_matches("index.json");
        let text = bucket.s3.get(index).await.unwrap();
        let text: serde_json::Value =
            serde_json::from_slice(text.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
        for file in text["files"].as_object().expect("its files").keys() {
            // its name ends with its hash
            let begins = format!("{folder}{file}.");
            assert!(names.iter().any(|name| name.starts_with(&begins)), "{what}: {index} without {file}");
        }
    }
}
