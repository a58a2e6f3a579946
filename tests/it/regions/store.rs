//! `katahai check --online`: whether the store does what it must, and what to do if it does not.

use std::path::Path;

use super::deployment::{DEAD, until_serves};
use crate::support::process::{self, Said};
use crate::support::s3::{BUCKET, Door, S3};
use crate::support::{Config, Edge, Page, Site, fixture, secs};

/// A configuration with this store and the shop.
fn config(dir: &Path, store: &str, origin: &str) {
    let text = format!(
        "state_dir = \"state\"\n[listen]\nhttp = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\n[store]\n{store}\n\
         [[site]]\nname = \"shop\"\nhosts = [\"www.example.test\"]\n[[site.origin]]\nurl = \"{origin}\"\n"
    );
    std::fs::write(dir.join("katahai.toml"), text).unwrap();
}

async fn check(dir: &Path) -> Said {
    let mut command = crate::support::edge::command(dir);
    command.args(["check", "--online", "-c"]).arg(dir.join("katahai.toml"));
    process::run(command, secs(60)).await
}

fn in_bucket(s3: &S3, dir: &Path, more: &str) -> String {
    std::fs::write(dir.join("store.env"), s3.credentials()).unwrap();
    format!(
        "url = \"s3://{BUCKET}/one\"\nendpoint = \"{}\"\nregion = \"us-east-1\"\ncredentials_file = \"store.env\"\n{more}",
        s3.url()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_tried_with_all_that_is_needed_of_it() {
    let (s3, origin, dir) = (S3::start().await, fixture::shop().await, tempfile::tempdir().unwrap());
    config(dir.path(), &in_bucket(&s3, dir.path(), ""), &origin.url());
    check(dir.path()).await.must_be_ok();
    for (door, words) in [
        (Door::Cut, "does not answer"),
        (Door::Silent, "no answer within"),
        (Door::Says(503, "<Error><Code>SlowDown</Code></Error>"), "too much to do"),
        (Door::Says(403, "<Error><Code>InvalidAccessKeyId</Code></Error>"), "does not know the key"),
        (Door::Says(403, "<Error><Code>AccessDenied</Code></Error>"), "forbids what Katahai needs"),
        (Door::Says(403, "<Error><Code>RequestTimeTooSkewed</Code></Error>"), "clock is wrong"),
        (Door::Says(404, "<Error><Code>NoSuchBucket</Code></Error>"), "no bucket of this name"),
        (Door::Unconditional, "does not honour conditional writes"),
    ] {
        s3.door(door.clone()).await;
        let said = check(dir.path()).await;
        assert!(said.code == 2 && said.err.contains(words), "{door:?}: {} {}", said.out, said.err);
    }
    s3.door(Door::Open).await;
    check(dir.path()).await.must_be_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_tried_too_and_an_origin_that_does_not_answer_is_a_warning() {
    let (origin, dir, store) =
        (fixture::shop().await, tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = store.path().display().to_string();
    config(dir.path(), &format!("url = \"file://{folder}\""), &origin.url());
    check(dir.path()).await.must_be_ok();
    let left =
        std::fs::read_dir(store.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert!(left.iter().all(|name| name == ".katahai-lock" || name == "trials"), "{left:?}");
    // As an empty mount point that was the store.
    std::fs::create_dir_all(dir.path().join("state")).unwrap();
    std::fs::write(dir.path().join("state/store-folder"), &folder).unwrap();
    let said = check(dir.path()).await;
    assert!(said.code == 2 && said.err.contains("is it mounted?"), "{said:?}");
    std::fs::remove_file(dir.path().join("state/store-folder")).unwrap();
    let closed = crate::support::nginx::free_port();
    config(dir.path(), &format!("url = \"file://{folder}\""), &format!("http://{closed}"));
    let said = check(dir.path()).await.must_be_ok();
    assert!(said.out.contains("refuses connections") || said.err.contains("refuses connections"), "{said:?}");
    config(dir.path(), &format!("url = \"file://{folder}/unmounted\""), &origin.url());
    let said = check(dir.path()).await;
    assert!(said.code == 2 && said.err.contains("mounted"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_large_goes_into_a_bucket_in_pieces_and_comes_back_whole() {
    let (s3, origin, dir) = (S3::start().await, fixture::shop().await, tempfile::tempdir().unwrap());
    let menu = fixture::noise(9 << 20, 7);
    origin.page("/files/menu.pdf", Page::new("application/pdf", menu.clone()));
    let credentials = dir.path().join("store.env");
    std::fs::write(&credentials, s3.credentials()).unwrap();
    let config = |origin: &str, name: &str| {
        Config::new(Site::new().origin(origin))
            .set("store.url", format!("s3://{BUCKET}/large"))
            .set("store.endpoint", s3.url())
            .set("store.region", "us-east-1")
            .set("store.credentials_file", credentials.display().to_string())
            .set("store.push_rate", "off")
            .set("store.instance", name)
    };
    let first = Edge::start(config(&origin.url(), "first")).await;
    let id = first.until_snapshot().await;
    let other = Edge::start(config(DEAD, "other").set("store.crawl", "never")).await;
    until_serves(&other, &id).await;
    other.get("/files/menu.pdf").await.must_be(&menu);
}
