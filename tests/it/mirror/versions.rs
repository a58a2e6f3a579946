//! Versions of a site: what goes wrong with the disk while Katahai runs costs no more than what is damaged, and the
//! operator can have it mended.

use std::path::PathBuf;

use crate::support::faults::Refuse;
use crate::support::fixture::{self, MIRRORED};
use crate::support::{Config, Edge, Origin};

/// A shop of which two versions have been taken.
async fn twice() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    fixture::stock(&origin, 2);
    edge.take_snapshot().await;
    (origin, edge)
}

/// The file that stores this body.
fn blob(edge: &Edge, body: &[u8]) -> PathBuf {
    let mut blobs = fixture::files(&edge.state_dir().join("blobs")).into_iter();
    blobs.find(|file| std::fs::read(file).unwrap() == body).expect("a stored body")
}

#[tokio::test]
async fn what_rots_or_is_cut_short_while_it_serves_is_served_from_the_version_before() {
    let (origin, edge) = twice().await;
    let older = fixture::pages(1);
    let (about, long) = (origin.content("/about").body, origin.content("/long").body);
    origin.fail(Refuse).await;
    edge.until("down").await;
    let path = blob(&edge, &about);
    let mut rotten = about.to_vec();
    rotten[10] ^= 1;
    std::fs::write(&path, rotten).unwrap();
    edge.get("/about").await.must_be(&older["/about"].body);
    std::fs::OpenOptions::new().write(true).open(blob(&edge, &long)).unwrap().set_len(100).unwrap();
    edge.get("/long").await.must_be(&older["/long"].body);
    // All else is as it was, and what comes again from the site is mended by the next crawl.
    for path in MIRRORED.iter().filter(|path| !["/about", "/long"].contains(path)) {
        edge.get(path).await.must_be(&origin.content(path).body);
    }
    fixture::stock(&origin, 2);
    origin.heal().await;
    edge.until("up").await;
    edge.take_snapshot().await;
    edge.cli(&["snapshot", "verify"]).await.must_be_ok();
    origin.fail(Refuse).await;
    edge.until("down").await;
    edge.get("/about").await.must_be(&about);
    edge.get("/long").await.must_be(&long);
}

#[tokio::test]
async fn a_manifest_cut_short_while_it_serves_costs_the_version_not_the_site() {
    let (origin, edge) = twice().await;
    let id = edge.snapshot_id().await.unwrap();
    let manifest = edge.state_dir().join("snapshots/shop").join(id).join("manifest");
    std::fs::OpenOptions::new().write(true).open(manifest).unwrap().set_len(5000).unwrap();
    origin.fail(Refuse).await;
    edge.until("down").await;
    let (older, newer) = (fixture::pages(1), fixture::pages(2));
    for path in MIRRORED {
        let answer = edge.get(path).await;
        assert_eq!((answer.status, &answer.broken), (200, &None), "{path}");
        assert!([&older[path].body, &newer[path].body].contains(&&answer.body), "{path}");
    }
}

#[tokio::test]
async fn a_vanished_state_directory_leaves_the_site_and_is_filled_again() {
    let (origin, edge) = twice().await;
    std::fs::remove_dir_all(edge.state_dir().join("snapshots")).unwrap();
    std::fs::remove_dir_all(edge.state_dir().join("blobs")).unwrap();
    for path in MIRRORED {
        edge.get(path).await.must_be(&origin.content(path).body);
    }
    fixture::stock(&origin, 3);
    edge.take_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let newest = fixture::pages(3);
    for path in MIRRORED {
        let answer = edge.get(path).await;
        assert!(answer.is_from_snapshot(), "{path}");
        answer.must_be(&newest[path].body);
    }
    edge.cli(&["snapshot", "verify"]).await.must_be_ok();
}
