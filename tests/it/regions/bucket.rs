//! Two instances over a real S3 server that fails: no visitor notices, and nothing that is wrong is served.

use katahai::offsite::layout;
use katahai::snapshot::BlobId;

use super::deployment::until_serves;
use super::in_bucket::{Bucket, must_serve, shelf, until_another_second, until_told, until_whole};
use crate::support::fixture::{self, SEEN};
use crate::support::s3::{At, Door};
use crate::support::{Edge, eventually, secs};

const ERROR: &str = "<Error><Code>InternalError</Code></Error>";

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_store_does_visitors_do_not_notice_and_what_is_new_arrives_afterwards() {
    let (bucket, origin) = (Bucket::new().await, fixture::shop().await);
    let first = bucket.first(&origin).await;
    let other = bucket.other().await;
    until_serves(&other, &first.snapshot_id().await.unwrap()).await;
    until_whole(&other).await;
    let doors = [Door::Shut, Door::CutsUploads, Door::Says(500, ERROR), Door::Silent];
    for (version, door) in (2..).zip(doors) {
        bucket.s3.door(door.clone()).await;
        fixture::stock(&origin, version);
        let new = first.take_snapshot().await;
        eventually("a push that cannot end", secs(30), async || {
            let site = first.site().await;
            (site["store"]["doing"] == "pushing" || site["store"]["trouble"].is_string()).then_some(())
        })
        .await;
        must_serve(&first, &[version]).await;
        must_serve(&other, &[version - 1]).await;
        bucket.s3.door(Door::Open).await;
        until_serves(&other, &new).await;
        must_serve(&other, &[version]).await;
        let pointer = bucket.pointer().await.unwrap();
        assert_eq!(pointer["generation"], version, "{door:?}: {pointer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_has_altered_in_the_bucket_is_never_served() {
    let (bucket, origin) = (Bucket::new().await, fixture::shop().await);
    let mut first = bucket.first(&origin).await;
    let old = first.snapshot_id().await.unwrap();
    let mut other = bucket.other().await;
    until_serves(&other, &old).await;
    until_whole(&other).await;
    other.kill();
    fixture::stock(&origin, 2);
    let new = first.take_snapshot().await;
    bucket.until_names(&new).await;
    // nobody is left who could put it right
    first.kill();
    let id = new.parse().unwrap();
    let index = bucket.s3.get(&bucket.name(&layout::index("shop", &id))).await.unwrap();
    let index: serde_json::Value =
        serde_json::from_slice(index.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    let manifest: BlobId = index["files"]["manifest"]["blake3"].as_str().unwrap().parse().unwrap();
    for object in [
        // in the order in which they are read: what has come whole is not read again
        layout::pointer("shop"),
        layout::index("shop", &id),
        layout::file("shop", &id, "manifest", &manifest),
        layout::blob(&BlobId::of(&origin.content(SEEN).body)),
    ] {
        let name = bucket.name(&object);
        let good = bucket.s3.get(&name).await.expect("an object of the store");
        let mut bad = good.to_vec();
        let at = bad.len() / 4;
        bad[at] ^= 1;
        bucket.s3.put(&name, bad).await;
        other.restart().await;
        until_told(&other, "store-refused").await;
        must_serve(&other, &[1]).await;
        assert_eq!(other.snapshot_id().await.as_ref(), Some(&old), "{object}");
        other.kill();
        if object.starts_with(layout::BLOBS) {
            nothing_else_is_lost(&bucket).await;
        }
        bucket.s3.put(&name, good).await;
    }
    other.restart().await;
    until_serves(&other, &new).await;
    must_serve(&other, &[2]).await;
}

/// An instance without anything of its own serves all but the page whose body is altered.
async fn nothing_else_is_lost(bucket: &Bucket) {
    let empty =
        Edge::start(bucket.config(super::deployment::DEAD, "empty").set("store.crawl", "never")).await;
    empty.until_snapshot().await;
    let pages = fixture::pages(2);
    for path in fixture::MIRRORED {
        let answer = empty.get(path).await;
        match path {
            SEEN => answer.must_be_holding_page(),
            _ => answer.must_be(&pages[path].body),
        }
    }
    until_told(&empty, "store-refused").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_write_the_pointer_at_once_one_wins_and_the_other_follows() {
    let (bucket, origin) = (Bucket::new().await, fixture::shop().await);
    let first = bucket.first(&origin).await;
    let second = Edge::start(bucket.config(&origin.url(), "second")).await;
    until_serves(&second, &first.snapshot_id().await.unwrap()).await;
    bucket.holds("sites/shop/current", 1, At::Asking).await;
    fixture::stock(&origin, 2);
    let slower = first.take_snapshot().await;
    bucket.s3.gate().until_held().await;
    until_another_second().await;
    fixture::stock(&origin, 3);
    let faster = second.take_snapshot().await;
    bucket.until_names(&faster).await;
    bucket.s3.door(Door::Open).await;
    until_serves(&first, &faster).await;
    let written = bucket.s3.gate().passed().into_iter().filter(|passed| passed.method == "PUT");
    let written: Vec<u16> = written
        .filter(|passed| passed.target.contains("sites/shop/current"))
        .map(|passed| passed.status)
        .collect();
    assert_eq!(written, [200, 200, 412], "the slower one is told so by the store");
    let pointer = bucket.pointer().await.unwrap();
    assert_eq!((&pointer["id"], &pointer["generation"]), (&faster.as_str().into(), &2.into()));
    assert!(shelf(&first).await.contains(&slower), "what it has taken stays on its shelf");
    for edge in [&first, &second] {
        must_serve(edge, &[3]).await;
    }
}
