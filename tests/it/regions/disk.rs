//! What an instance loses, the store has; and what is wrong with the site, no instance puts there.

use super::deployment::{Folder, must_serve_all, snapshot_dir, until_serves};
use super::in_bucket::{erase_disk, must_serve, until_whole};
use crate::matrix::{crawl, sample};
use crate::support::faults::{PagesInstead, Refuse};
use crate::support::fixture::{self, MIRRORED};
use crate::support::{Edge, eventually, secs};

#[tokio::test]
async fn an_instance_whose_disk_is_erased_has_all_of_it_again() {
    let (folder, origin) = (Folder::signed().await, fixture::shop().await);
    let first = folder.first(&origin).await;
    let old = first.snapshot_id().await.unwrap();
    let mut other = folder.other().await;
    until_serves(&other, &old).await;
    until_whole(&other).await;
    // while it runs: what it serves is right, and all of it comes back
    erase_disk(&other);
    let pages = fixture::pages(1);
    for path in MIRRORED {
        let answer = other.get(path).await;
        match answer.status {
            503 => answer.must_be_holding_page(),
            _ => answer.must_be(&pages[path].body),
        }
    }
    fixture::stock(&origin, 2);
    let new = first.take_snapshot().await;
    until_serves(&other, &new).await;
    must_serve_all(&other, &origin).await;
    // while it is stopped
    other.kill();
    erase_disk(&other);
    other.restart().await;
    until_serves(&other, &new).await;
    must_serve_all(&other, &origin).await;
    until_whole(&other).await;
    // by now, all that is kept is on the disk again, and the store is not needed for it
    let older = || snapshot_dir(&other, &old).join("manifest").exists();
    eventually("the older snapshot", secs(30), async || older().then_some(())).await;
    std::fs::rename(folder.path(), folder.path().with_extension("gone")).unwrap();
    other.restart().await;
    must_serve_all(&other, &origin).await;
    other.cli(&["snapshot", "verify"]).await.must_be_ok();
}

#[tokio::test]
async fn a_suspended_site_is_published_by_no_instance() {
    let (folder, origin) = (Folder::signed().await, fixture::shop().await);
    let first = folder.first(&origin).await;
    let old = first.snapshot_id().await.unwrap();
    let second = Edge::start(folder.config(&origin.url(), "second")).await;
    until_serves(&second, &old).await;
    until_whole(&second).await;
    origin.fail(PagesInstead(sample("suspended/cpanel-suspended.html"))).await;
    let outcomes = tokio::join!(crawl(&first), crawl(&second));
    assert!(outcomes.0 != "published" && outcomes.1 != "published", "{outcomes:?}");
    let pointer = folder.pointer().unwrap();
    assert_eq!((&pointer["id"], &pointer["generation"]), (&old.as_str().into(), &1.into()));
    origin.fail(Refuse).await;
    for edge in [&first, &second] {
        assert_eq!(edge.snapshot_id().await.as_ref(), Some(&old));
        must_serve(edge, &[1]).await;
    }
}
