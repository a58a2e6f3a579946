//! The same over another S3 server, which checks signatures and has ideas of its own: SeaweedFS.

use super::deployment::{DEAD, until_serves};
use super::forms::{forms, posts, send};
use super::in_bucket::{Bucket, must_serve, shelf, until_another_second, until_whole};
use crate::support::faults::Refuse;
use crate::support::fixture::{self, SIGNUP};
use crate::support::s3::{At, Door, S3};
use crate::support::{Config, Edge, Page, eventually, secs};

/// Larger than what is sent in one piece.
const MENU: &str = "/files/menu.pdf";

fn config(bucket: &Bucket, origin: &str, instance: &str) -> Config {
    let config =
        bucket.config(origin, instance).set("store.push_rate", "off").site("health.interval", "100ms");
    config.site("failover.recovery_ramp", "0s").form(&format!("path = \"{SIGNUP}\""))
}

/// What the store has answered to those that wrote the pointer.
fn written(bucket: &Bucket) -> Vec<u16> {
    let passed = bucket.s3.gate().passed().into_iter();
    let written = passed.filter(|one| one.method == "PUT" && one.target.contains("sites/shop/current"));
    written.map(|one| one.status).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_a_bucket_of_another_server() {
    let (bucket, origin) = (Bucket::of(S3::seaweedfs().await).await, fixture::shop().await);
    let menu = fixture::noise(9 << 20, 7);
    origin.page(MENU, Page::new("application/pdf", menu.clone()));
    let first = Edge::start(config(&bucket, &origin.url(), "first")).await;
    first.cli_offline(&["check", "--online"]).await.must_be_ok();
    let id = first.until_snapshot().await;
    bucket.until_names(&id).await;
    let second = Edge::start(config(&bucket, &origin.url(), "second")).await;
    until_serves(&second, &id).await;
    let other = Edge::start(config(&bucket, DEAD, "other").set("store.crawl", "never")).await;
    until_serves(&other, &id).await;
    until_whole(&other).await;
    other.get(MENU).await.must_be(&menu);
    // of two that write the pointer at once, the store refuses the slower one
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
    until_serves(&other, &faster).await;
    assert_eq!(written(&bucket), [200, 200, 412]);
    assert!(shelf(&first).await.contains(&slower));
    // a form that is told to its visitor is in the store, and arrives once
    origin.fail(Refuse).await;
    for edge in [&first, &second] {
        edge.until("down").await;
        must_serve(edge, &[3]).await;
    }
    assert_eq!(send(&second, "name=Hanako").await.status, 202);
    eventually("the other one knows it", secs(60), async || {
        forms(&first).await.iter().any(|form| form["store"] == "yes").then_some(())
    })
    .await;
    origin.forget();
    origin.heal().await;
    eventually("it is delivered", secs(60), async || {
        forms(&second).await.iter().all(|form| form["state"] == "delivered").then_some(())
    })
    .await;
    assert_eq!(posts(&origin), ["name=Hanako"]);
    // it checks what is signed: another secret
    let wrong = Bucket::of_with(bucket.s3, "AWS_ACCESS_KEY_ID=katahai\nAWS_SECRET_ACCESS_KEY=other\n").await;
    let stranger = Edge::start(wrong.config(&origin.url(), "stranger")).await;
    let said = stranger.cli_offline(&["check", "--online"]).await;
    assert!(said.code == 2 && said.err.contains("the secret does not go with it"), "{said:?}");
}
