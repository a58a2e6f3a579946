//! Snapshots through the store.

use http_body_util::Full;

use super::deployment::{Folder, must_serve_all, snapshot_dir, until_serves};
use crate::support::faults::Refuse;
use crate::support::fixture::{self, MIRRORED, SEEN};
use crate::support::wait::{eventually, secs};

#[tokio::test]
async fn an_empty_instance_serves_what_another_one_has_taken_though_the_site_is_dead() {
    let folder = Folder::signed().await;
    let origin = fixture::shop().await;
    let first = folder.first(&origin).await;
    let id = first.snapshot_id().await.unwrap();
    drop(first);
    origin.fail(Refuse).await;
    let mut other = folder.other().await;
    until_serves(&other, &id).await;
    must_serve_all(&other, &origin).await;
    // All of it comes, not only what was asked for; then it needs no store any more.
    let whole = || !snapshot_dir(&other, &id).join("arriving").exists();
    eventually("all of it", secs(30), async || whole().then_some(())).await;
    std::fs::rename(folder.path(), folder.path().with_extension("gone")).unwrap();
    other.restart().await;
    must_serve_all(&other, &origin).await;
    assert_eq!(other.snapshot_id().await.unwrap(), id);
}

#[tokio::test]
async fn what_is_new_on_one_is_soon_served_by_the_other_and_so_is_a_rollback() {
    let folder = Folder::new();
    let origin = fixture::shop().await;
    let first = folder.first(&origin).await;
    let old = first.snapshot_id().await.unwrap();
    let other = folder.other().await;
    until_serves(&other, &old).await;
    fixture::stock(&origin, 2);
    let new = first.take_snapshot().await;
    until_serves(&other, &new).await;
    must_serve_all(&other, &origin).await;
    // Back by hand on the one that does not crawl: it holds for both, and new ones wait.
    other.cli(&["snapshot", "rollback"]).await.must_be_ok();
    until_serves(&first, &old).await;
    let by_hand = async || first.site().await["by_hand"].as_str().map(drop);
    eventually("the word by hand", secs(10), by_hand).await;
    let older = fixture::pages(1);
    for path in MIRRORED {
        other.get(path).await.must_be(&older[path].body);
    }
    let pointer = folder.pointer().unwrap();
    assert_eq!((&pointer["id"], &pointer["by"]), (&old.into(), &"other".into()));
}

#[tokio::test]
async fn a_mode_that_is_set_on_one_holds_on_the_other_and_after_a_restart() {
    let folder = Folder::new();
    let origin = fixture::shop().await;
    let first = folder.first(&origin).await;
    let mut other = folder.other().await;
    other.until_snapshot().await;
    let (admin, held) = (first.admin(), Full::from(r#"{"mode":"hold_snapshot"}"#));
    let request = admin.ask("PUT", "/api/v1/sites/shop/mode").body(held).unwrap();
    assert_eq!(admin.send(request).await.unwrap().status, 200);
    let holds =
        async |edge: &crate::support::Edge| (edge.site().await["mode"] == "hold_snapshot").then_some(());
    eventually("the mode", secs(15), async || holds(&other).await).await;
    other.restart().await;
    eventually("the mode again", secs(15), async || holds(&other).await).await;
}

#[tokio::test]
async fn what_is_damaged_in_the_store_is_refused_and_the_older_stays() {
    let folder = Folder::signed().await;
    let origin = fixture::shop().await;
    let first = folder.first(&origin).await;
    let old = first.snapshot_id().await.unwrap();
    let mut other = folder.other().await;
    until_serves(&other, &old).await;
    other.kill();
    fixture::stock(&origin, 2);
    let new = first.take_snapshot().await;
    folder.until_has(&new).await;
    let about = origin.content(SEEN).body;
    let path = folder.blob(&about);
    let mut rotten = about.to_vec();
    rotten[10] ^= 1;
    std::fs::write(&path, rotten).unwrap();
    other.restart().await;
    other.until_logged(&["WARN", "not in step with the store", "was refused"]).await;
    let older = fixture::pages(1);
    for path in MIRRORED {
        other.get(path).await.must_be(&older[path].body);
    }
    // It goes on by itself once it is whole.
    std::fs::write(&path, &about).unwrap();
    until_serves(&other, &new).await;
    must_serve_all(&other, &origin).await;
}

#[tokio::test]
async fn what_nobody_with_the_key_has_signed_is_refused() {
    let folder = Folder::signed().await;
    let origin = fixture::shop().await;
    let first = folder.first(&origin).await;
    let old = first.snapshot_id().await.unwrap();
    let other = folder.other().await;
    until_serves(&other, &old).await;
    drop(first);
    // Somebody who can write to the store names another snapshot.
    let current = folder.path().join("sites/shop/current");
    let text = std::fs::read_to_string(&current).unwrap();
    std::fs::write(&current, text.replace("\"generation\":1", "\"generation\":2")).unwrap();
    std::fs::write(folder.path().join("changes"), r#"{"sites":{"shop":2}}"#).unwrap();
    other.until_logged(&["WARN", "signature is wrong"]).await;
    assert_eq!(other.snapshot_id().await.unwrap(), old);
    std::fs::write(&current, text.lines().next().unwrap()).unwrap();
    std::fs::write(folder.path().join("changes"), r#"{"sites":{"shop":3}}"#).unwrap();
    other.until_logged(&["WARN", "it is not signed"]).await;
    must_serve_all(&other, &origin).await;
}

#[tokio::test]
async fn a_store_that_goes_and_comes_back_costs_no_visitor_anything() {
    let folder = Folder::new();
    let origin = fixture::shop().await;
    let first = folder.first(&origin).await;
    let other = folder.other().await;
    until_serves(&other, &first.snapshot_id().await.unwrap()).await;
    let whole = || {
        !snapshot_dir(&other, "").read_dir().unwrap().any(|at| at.unwrap().path().join("arriving").exists())
    };
    eventually("all of it", secs(30), async || whole().then_some(())).await;
    let away = folder.path().with_extension("gone");
    std::fs::rename(folder.path(), &away).unwrap();
    fixture::stock(&origin, 2);
    let new = first.take_snapshot().await;
    other.until_logged(&["WARN", "the store cannot be used"]).await;
    first.until_logged(&["WARN", "the store cannot be used"]).await;
    let older = fixture::pages(1);
    for path in MIRRORED {
        first.get(path).await.must_be(&origin.content(path).body);
        other.get(path).await.must_be(&older[path].body);
    }
    std::fs::rename(&away, folder.path()).unwrap();
    until_serves(&other, &new).await;
    must_serve_all(&other, &origin).await;
}

#[tokio::test]
async fn an_empty_mount_point_is_no_empty_store() {
    let folder = Folder::new();
    let origin = fixture::shop().await;
    let mut first = folder.first(&origin).await;
    let mounted = folder.path().with_extension("mounted");
    let is_told = async |edge: &crate::support::Edge| {
        eventually("a mount that is missing", secs(40), async || {
            let conditions = edge.status().await["conditions"].to_string();
            (conditions.contains("store-unusable") && conditions.contains("is it mounted?")).then_some(())
        })
        .await;
    };
    // While it runs, and at a start.
    std::fs::rename(folder.path(), &mounted).unwrap();
    std::fs::create_dir(folder.path()).unwrap();
    is_told(&first).await;
    first.restart().await;
    is_told(&first).await;
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name != ".katahai-lock").collect();
    assert!(left.is_empty(), "nothing is written below it: {left:?}");
    must_serve_all(&first, &origin).await;
    std::fs::remove_dir_all(folder.path()).unwrap();
    std::fs::rename(&mounted, folder.path()).unwrap();
    fixture::stock(&origin, 2);
    let new = first.take_snapshot().await;
    folder.until_has(&new).await;
}
