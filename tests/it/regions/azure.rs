//! Two instances over a store that speaks as Azure does: its conditions, its pages of listings, its errors.

use super::deployment::{DEAD, until_serves};
use super::in_bucket::{Files, must_serve, shelf, until_another_second, until_holds, until_whole};
use crate::support::azure::{Azure, CONTAINER};
use crate::support::door::{At, Door, Held};
use crate::support::fixture;
use crate::support::{Config, Edge, Site, eventually, secs};

fn config(azure: &Azure, files: &Files, origin: &str, instance: &str) -> Config {
    let config = Config::new(Site::new().origin(origin))
        .set("store.url", format!("az://{CONTAINER}/one"))
        .set("store.instance", instance)
        .env("AZURITE_BLOB_STORAGE_URL", &azure.url());
    files.named_in(config)
}

/// What the store has answered to those that wrote the pointer.
fn written(azure: &Azure) -> Vec<u16> {
    let passed = azure.gate().passed().into_iter();
    let written = passed.filter(|one| one.method == "PUT" && one.target.contains("sites/shop/current"));
    written.map(|one| one.status).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_a_container() {
    let (azure, origin) = (Azure::start().await, fixture::shop().await);
    let files = Files::with(&azure.credentials()).await;
    let mut first = Edge::start(config(&azure, &files, &origin.url(), "first")).await;
    first.cli_offline(&["check", "--online"]).await.must_be_ok();
    let id = first.until_snapshot().await;
    let second = Edge::start(config(&azure, &files, &origin.url(), "second")).await;
    until_serves(&second, &id).await;
    let other = Edge::start(config(&azure, &files, DEAD, "other").set("store.crawl", "never")).await;
    until_serves(&other, &id).await;
    must_serve(&other, &[1]).await;
    until_whole(&other).await;
    // of two that write the pointer at once, the store refuses the slower one
    let part = "sites/shop/current".to_owned();
    azure.door(Door::Holds(Held { method: "PUT", part, nth: 1, at: At::Asking })).await;
    fixture::stock(&origin, 2);
    let slower = first.take_snapshot().await;
    azure.gate().until_held().await;
    until_another_second().await;
    fixture::stock(&origin, 3);
    let faster = second.take_snapshot().await;
    // the slower one is let go before its patience ends: it would look at the store anew, and lose nothing
    eventually("the faster one's pointer", secs(60), async || (written(&azure).len() >= 2).then_some(()))
        .await;
    azure.door(Door::Open).await;
    until_serves(&first, &faster).await;
    until_serves(&other, &faster).await;
    assert!(shelf(&first).await.contains(&slower));
    assert_eq!(written(&azure), [201, 201, 412]);
    must_serve(&other, &[3]).await;
    // a store that is silent for a while
    azure.door(Door::Silent).await;
    fixture::stock(&origin, 4);
    let new = first.take_snapshot().await;
    must_serve(&other, &[3]).await;
    azure.door(Door::Open).await;
    until_serves(&other, &new).await;
    must_serve(&other, &[4]).await;
    // the lease goes over to the next one
    first.sigterm();
    assert_eq!(first.exit_code(secs(30)).await, Some(0));
    until_holds(&second).await;
}
