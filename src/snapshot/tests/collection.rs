//! Old snapshots and unused bodies go; what anybody still needs stays.

use super::*;

fn ids(store: &Store) -> Vec<u64> {
    store.list().iter().map(|summary| summary.id.sequence()).collect()
}

/// Takes five snapshots that share one body and have one each of their own.
fn five(place: &Place) -> Vec<Arc<Snapshot>> {
    (1..=5).map(|n| take(&place.store, n, &[("/", &format!("own {n}")), ("/shared", "shared")])).collect()
}

#[test]
fn the_newest_are_kept_with_their_bodies_and_the_rest_goes() {
    let place = Place::new();
    drop(five(&place));
    assert_eq!(place.blob_files(), 6);
    let retained = place.store.retain(&newest(2)).unwrap();
    assert_eq!(retained.removed.iter().map(SnapshotId::sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(retained.postponed, []);
    assert_eq!(retained.collection, Collection::Done { blobs: 3, bytes: 15 });
    for store in [&place.store, &place.reopened()] {
        assert_eq!(ids(store), [5, 4]);
        for summary in store.list() {
            assert!(store.verify(&summary.id).unwrap().is_whole());
        }
    }
    assert_eq!(place.blob_files(), 3);
    assert_eq!(place.store.retain(&newest(0)).unwrap().removed.len(), 1);
    assert_eq!(ids(&place.store), [5]);
    assert_eq!(names(&place.site_dir()).len(), 4);
}

#[test]
fn what_is_in_service_is_never_removed() {
    let place = Place::new();
    let all = five(&place);
    let pointer = super::super::pointer::Pointer { id: all[1].id(), last: 5, by_hand: None };
    drop(all);
    std::fs::write(place.site_dir().join("current"), pointer.encode()).unwrap();
    // As this process knows it, and as another one has meanwhile decided.
    place.store.retain(&newest(1)).unwrap();
    assert_eq!(ids(&place.store), [5, 2]);
    let store = place.reopened();
    store.retain(&newest(1)).unwrap();
    assert_eq!(ids(&store), [5, 2]);
    assert_eq!(body_of(&store.current().unwrap(), "/"), "own 2");
}

#[test]
fn a_reader_keeps_its_snapshot_until_it_lets_go() {
    let place = Place::new();
    let all = five(&place);
    let held = Arc::clone(&all[0]);
    drop(all);
    // Also for another process, which knows the reader only by the lock on the manifest.
    for store in [&place.store, &place.reopened()] {
        let retained = store.retain(&newest(1)).unwrap();
        assert_eq!(retained.postponed, [held.id()]);
        assert_eq!(body_of(&held, "/"), "own 1");
    }
    assert_eq!(place.blob_files(), 3);
    drop(held);
    assert_eq!(place.store.retain(&newest(1)).unwrap().removed.len(), 1);
    assert_eq!(place.blob_files(), 2);
}

#[test]
fn a_staging_keeps_the_stored_bodies_that_it_builds_on() {
    let place = Place::new();
    let other = Store::open(place.dir.path(), "other").unwrap();
    let old = take(&place.store, 1, &[("/", "old"), ("/carried", "carried")]);
    let carried = old.find("/carried").unwrap().unwrap();
    drop(old);
    let staging = stage(&other, 2, &[("/", "old")]);
    staging.add(carried).unwrap();
    take(&place.store, 3, &[("/", "new")]);
    assert_eq!(place.store.retain(&newest(1)).unwrap().removed.len(), 1);
    let published = staging.publish(at(4), &serde_json::Value::Null).unwrap();
    assert_eq!((body_of(&published, "/"), body_of(&published, "/carried")), ("old".into(), "carried".into()));
    // One that was given up does not.
    drop(stage(&place.store, 5, &[("/", "never published")]));
    assert_eq!(place.store.retain(&newest(1)).unwrap().collection, Collection::Done { blobs: 0, bytes: 0 });
    assert_eq!(place.blob_files(), 3);
}

#[test]
fn sites_share_bodies_and_do_not_lose_each_others() {
    let place = Place::new();
    let other = Store::open(place.dir.path(), "other").unwrap();
    let theirs = take(&other, 1, &[("/", "both"), ("/t", "theirs")]);
    take(&place.store, 1, &[("/", "both"), ("/m", "mine")]);
    take(&place.store, 2, &[("/", "later")]);
    let retained = place.store.retain(&newest(1)).unwrap();
    assert_eq!(retained.collection, Collection::Done { blobs: 1, bytes: 4 });
    assert!(other.verify(&theirs.id()).unwrap().is_whole());
}

#[test]
fn a_process_with_many_sites_collects_for_all_of_them_together() {
    let place = Place::new();
    let now = crate::clock::instant();
    let garbage = Arc::new(Garbage::new(place.dir.path(), now));
    let among = |site| Store::open_among(place.dir.path(), site, &garbage).unwrap();
    let stores = [among("shop"), among("other")];
    for store in &stores {
        for n in 1..=2 {
            take(store, n, &[("/", &format!("{} {n}", store.site()))]);
        }
        let retained = store.retain(&newest(1)).unwrap();
        assert_eq!((retained.removed.len(), retained.collection), (1, Collection::Owed));
    }
    assert_eq!(place.blob_files(), 4);
    let turn = garbage.turn(crate::clock::instant()).expect("it is owed");
    assert!(garbage.turn(crate::clock::instant()).is_none(), "one at a time");
    turn.collect();
    assert_eq!(place.blob_files(), 2);
    assert!(stores.iter().all(|store| store.verify(&store.current().unwrap().id()).unwrap().is_whole()));
    assert!(garbage.turn(crate::clock::instant()).is_none(), "all is done");
}

#[test]
fn a_process_with_many_sites_makes_a_sites_folder_when_it_takes_its_first_snapshot() {
    let place = Place::new();
    let garbage = Arc::new(Garbage::new(place.dir.path(), crate::clock::instant()));
    let store = Store::open_among(place.dir.path(), "new", &garbage).unwrap();
    let folder = place.dir.path().join("snapshots/new");
    assert!(!folder.exists() && store.list().is_empty() && store.refresh().is_ok());
    take(&store, 1, &[("/", "home")]);
    assert!(folder.is_dir() && store.current().is_some());
    let again = Store::open_among(place.dir.path(), "new", &garbage).unwrap();
    assert_eq!(again.current().map(|current| current.id()), store.current().map(|current| current.id()));
    std::fs::write(place.dir.path().join("snapshots/file"), b"").unwrap();
    assert!(Store::open_among(place.dir.path(), "file", &garbage).is_err(), "no folder can be made there");
}

#[test]
fn nothing_is_collected_while_a_snapshot_of_a_later_version_is_there() {
    let place = Place::new();
    let all = five(&place);
    let later = place.manifest_of(all[3].id());
    drop(all);
    let mut bytes = std::fs::read(&later).unwrap();
    for head in [0, bytes.len() - 4096] {
        bytes[head + 8] = 2;
        let hash = *blake3::hash(&bytes[head..head + 4064]).as_bytes();
        bytes[head + 4064..head + 4096].copy_from_slice(&hash);
    }
    std::fs::write(&later, bytes).unwrap();
    let store = place.reopened();
    let retained = store.retain(&newest(1)).unwrap();
    assert_eq!(retained.removed.len(), 3);
    assert!(matches!(retained.collection, Collection::Withheld(why) if why.contains("version 2")));
    assert!(later.exists());
    assert_eq!(place.blob_files(), 6);
    assert_eq!(store.unreadable().len(), 1);
}

#[test]
fn a_damaged_snapshot_goes_when_it_is_old_and_its_bodies_are_found_in_its_pages() {
    let place = Place::new();
    let all = five(&place);
    let (first, fourth) = (all[0].id(), all[3].id());
    drop(all);
    truncate(&place.manifest_of(first), 5);
    flip(&place.manifest_of(fourth), 12_288 + 4096 + 7);
    let store = place.reopened();
    assert_eq!(ids(&store), [5, 4, 3, 2]);
    assert_eq!(store.retain(&newest(2)).unwrap().removed.len(), 3);
    let page = store.get(&fourth).unwrap().find("/").unwrap().unwrap();
    assert_eq!(bytes_of(store.get(&fourth).unwrap().load(&page).unwrap()), b"own 4");
    assert_eq!(store.unreadable(), []);
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let place = Place::new();
    take(&place.store, 1, &[("/", "x")]);
    let foreign = [
        place.dir.path().join("blobs/README"),
        place.dir.path().join("blobs/ab/notes"),
        place.site_dir().join("notes"),
        place.dir.path().join("snapshots/Notes"),
    ];
    std::fs::create_dir_all(place.dir.path().join("blobs/ab")).unwrap();
    for path in &foreign {
        std::fs::write(path, "x").unwrap();
    }
    let store = place.reopened();
    store.retain(&newest(1)).unwrap();
    assert!(foreign.iter().all(|path| path.exists()));
}

/// Counts a taker as done when it ends, however it ends: the others then end too.
struct Taking<'a>(&'a std::sync::atomic::AtomicU32);

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    }
}

/// As `take`, but interrupted half-way, and with what the last one has carried over under names of their own.
fn take_interrupted(store: &Store, n: u64, pages: &[(&str, &str)]) {
    let begin = || store.begin_or_resume(at(n), "crawl", "", Duration::from_secs(60)).unwrap().0;
    let add = |staging: &Staging, pages: &[(&str, &str)]| {
        for (key, body) in pages {
            let body = put(staging, body.as_bytes());
            staging.add(page(key, Some(body))).unwrap();
        }
    };
    let current = store.current().unwrap();
    let staging = begin();
    add(&staging, &pages[..4]);
    let carried: Vec<Page> = current.pages().take(4).map(Result::unwrap).collect();
    for (i, carried) in carried.iter().enumerate() {
        staging.add(Page { key: format!("/carried/{i}"), ..carried.clone() }).unwrap();
    }
    // From here on only the interrupted staging keeps what was carried over.
    drop(current);
    staging.leave();
    let staging = begin();
    assert_eq!(staging.staged().count(), 4 + carried.len());
    add(&staging, &pages[4..]);
    let reasons = [String::new()];
    match n % 3 {
        0 => staging.hold(at(n), &serde_json::Value::Null, &reasons).unwrap(),
        _ => staging.publish(at(n), &serde_json::Value::Null).unwrap(),
    };
}

/// Takers of two sites that share bodies, collectors, and readers, all at once: whatever a reader holds is whole.
#[test]
fn takers_readers_and_collectors_do_not_disturb_each_other() {
    const ROUNDS: u64 = 25;
    let place = Place::new();
    let stores = [place.store.clone(), Store::open(place.dir.path(), "other").unwrap()];
    let body = |n: u64, i: u64| format!("body {}", (n / (i + 1)) * 10 + i);
    for store in &stores {
        take(store, 0, &[("/0", &body(0, 0))]);
    }
    let taking = std::sync::atomic::AtomicU32::new(2);
    std::thread::scope(|scope| {
        for store in &stores {
            scope.spawn(|| {
                let _taking = Taking(&taking);
                for n in 1..=ROUNDS {
                    let keys: Vec<(String, String)> = (0..8).map(|i| (format!("/{i}"), body(n, i))).collect();
                    let pages: Vec<(&str, &str)> =
                        keys.iter().map(|(k, b)| (k.as_str(), b.as_str())).collect();
                    if n.is_multiple_of(2) {
                        take(store, n, &pages);
                    } else {
                        take_interrupted(store, n, &pages);
                    }
                }
            });
            scope.spawn(|| {
                while taking.load(std::sync::atomic::Ordering::SeqCst) > 0 {
                    store.retain(&newest(1)).unwrap();
                }
            });
            scope.spawn(|| {
                while taking.load(std::sync::atomic::Ordering::SeqCst) > 0 {
                    let held = store.current().unwrap();
                    for page in held.pages() {
                        let page = page.unwrap();
                        let body = bytes_of(held.load(&page).unwrap());
                        assert_eq!(page.body, Some(BlobId::of(&body)));
                    }
                }
            });
        }
    });
    for store in &stores {
        assert!(store.verify(&store.current().unwrap().id()).unwrap().is_whole());
    }
}
