//! What comes from elsewhere beside other things that go on, and what becomes of it when something is wrong.

use super::adopted::{There, adopt, bring_bodies, bring_files};
use super::*;

fn follow(store: &Store, id: SnapshotId) {
    store.follow(&id, None, Pins::default()).unwrap();
}

#[test]
fn bodies_that_come_from_many_threads_are_all_placed() {
    let here = Place::new();
    let adoption = here.store.begin_adoption(SnapshotId::new(at(1).wall, 1)).unwrap();
    let body = |thread: usize, n: usize| format!("body {} of {n}", thread % 4).into_bytes();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let adoption = &adoption;
            scope.spawn(move || {
                for n in 0..40 {
                    let bytes = body(thread, n);
                    let mut incoming = adoption.body(BlobId::of(&bytes), bytes.len() as u64);
                    incoming.write(&bytes).unwrap();
                    incoming.finish().unwrap();
                    adoption.secure().unwrap();
                }
            });
        }
    });
    for (thread, n) in (0..4).flat_map(|thread| (0..40).map(move |n| (thread, n))) {
        let bytes = body(thread, n);
        assert_eq!(std::fs::read(here.blob_path(&BlobId::of(&bytes))).unwrap(), bytes);
    }
    assert_eq!(here.blob_files(), 160);
}

#[test]
fn what_failed_halfway_is_placed_by_the_next_call() {
    let here = Place::new();
    let adoption = here.store.begin_adoption(SnapshotId::new(at(1).wall, 1)).unwrap();
    let bodies = [b"one", b"two"];
    for bytes in bodies {
        let mut incoming = adoption.body(BlobId::of(bytes), 3);
        incoming.write(bytes).unwrap();
        incoming.finish().unwrap();
    }
    // Where the last one goes there is a file instead of a folder.
    let folder = |bytes: &[u8; 3]| here.blob_path(&BlobId::of(bytes)).parent().unwrap().to_owned();
    std::fs::write(folder(bodies[1]), b"").unwrap();
    adoption.secure().unwrap_err();
    std::fs::remove_file(folder(bodies[1])).unwrap();
    adoption.secure().unwrap();
    for bytes in bodies {
        assert_eq!(std::fs::read(here.blob_path(&BlobId::of(bytes))).unwrap(), bytes);
    }
}

#[test]
fn one_that_came_before_anybody_said_that_it_serves_waits_for_that() {
    let there = There::new();
    let id = there.snapshot.id();
    for how in [Adopted::Whole, Adopted::Arriving] {
        let here = Place::new();
        let adopted = adopt(&there.snapshot, &here.store, how);
        assert!(adopted.summary().held.is_some());
        here.store.refresh().unwrap();
        for store in [&here.store, &here.reopened()] {
            assert!(store.current().is_none(), "{how:?}");
        }
        follow(&here.store, id);
        std::fs::remove_file(here.site_dir().join("current")).unwrap();
        for store in [&here.store, &here.reopened()] {
            assert_eq!(store.current().unwrap().id(), id, "{how:?}: it is better than nothing");
            assert_eq!(store.list()[0].held, None);
        }
    }
    // One that is older than what serves is there to be gone back to.
    let here = Place::new();
    (1..4).for_each(|n| drop(take(&there.place.store, 200 + n, &[("/", "newer")])));
    let newer = there.place.store.current().unwrap();
    adopt(&newer, &here.store, Adopted::Whole);
    follow(&here.store, newer.id());
    assert_eq!(adopt(&there.snapshot, &here.store, Adopted::Whole).summary().held, None);
    assert_eq!(here.store.rollback(at(9)).unwrap().id(), id);
}

#[test]
fn a_damaged_one_that_is_still_arriving_and_serves_is_mended() {
    let there = There::new();
    let id = there.snapshot.id();
    for how in [Adopted::Whole, Adopted::Arriving] {
        let here = Place::new();
        adopt(&there.snapshot, &here.store, Adopted::Arriving);
        here.store.follow(&id, None, Pins { pin: &[id], unpin: &[] }).unwrap();
        // The last record: the key of one page cannot be read.
        flip(&here.manifest_of(id), 4096 + 9);
        let reader = here.store.current().unwrap();
        adopt(&there.snapshot, &here.store, how);
        drop(reader);
        for store in [&here.store, &here.reopened()] {
            let current = store.current().unwrap();
            let summary = current.summary();
            assert_eq!(
                (summary.id, summary.arriving, summary.pinned, summary.held),
                (id, how == Adopted::Arriving, true, None),
                "{how:?}"
            );
            assert!(store.verify(&id).unwrap().is_whole(), "{how:?}");
            assert_eq!(store.trouble(), [], "{how:?}");
        }
        assert!(names(&here.site_dir()).iter().all(|name| !name.starts_with('.')), "{how:?}");
    }
}

#[test]
fn a_damaged_one_is_replaced_and_stays_pinned_and_a_good_one_is_left() {
    let (there, here) = (There::new(), Place::new());
    let id = there.snapshot.id();
    adopt(&there.snapshot, &here.store, Adopted::Whole);
    here.store.pin(&id, true).unwrap();
    truncate(&here.manifest_of(id), 100);
    let store = here.reopened();
    let adopted = adopt(&there.snapshot, &store, Adopted::Whole);
    assert!(adopted.summary().pinned && store.verify(&id).unwrap().is_whole());
    // Somebody else has mended it, or has taken one of this name, while this one came.
    truncate(&here.manifest_of(id), 100);
    let Place { dir, store } = Place::new();
    drop(store);
    let store = Store::open(dir.path(), "shop").unwrap();
    let adoption = store.begin_adoption(id).unwrap();
    bring_files(&there.snapshot, &adoption);
    bring_bodies(&there.snapshot, &adoption);
    let staging = stage(&store, 100, &[("/", "own")]);
    assert_eq!(staging.publish(at(101), &serde_json::Value::Null).unwrap().id(), id);
    assert!(matches!(adoption.finish(Adopted::Whole), Err(AdoptError::There(_))));
    assert_eq!(body_of(&store.current().unwrap(), "/"), "own");
}

#[test]
fn those_that_never_arrive_do_not_pile_up() {
    let (there, here) = (There::new(), Place::new());
    let first = there.snapshot.id();
    adopt(&there.snapshot, &here.store, Adopted::Arriving);
    follow(&here.store, first);
    let others: Vec<_> = (0..4)
        .map(|n| {
            let next = take(&there.place.store, 300 + n * 10, &[("/", &format!("page {n}"))]);
            drop(adopt(&next, &here.store, Adopted::Arriving));
            next.id()
        })
        .collect();
    assert_eq!(here.store.retain(&newest(1)).unwrap().removed, others[..2]);
    let kept: Vec<_> = here.store.list().iter().map(|summary| summary.id).collect();
    assert_eq!(kept, [others[3], others[2], first]);
}

#[test]
fn claims_do_not_grow_with_every_attempt() {
    let (there, here) = (There::new(), Place::new());
    let own = take(&here.store, 1, &[("/", "home"), ("/a", "same")]);
    let uses = here.site_dir().join(format!(".adopting-{}/uses", there.snapshot.id()));
    for attempt in 0..4 {
        let adoption = here.store.begin_adoption(there.snapshot.id()).unwrap();
        let files = there.snapshot.files().unwrap();
        if !adoption.has_file(MANIFEST, files[0].len, &files[0].blake3).unwrap() {
            bring_files(&there.snapshot, &adoption);
        }
        assert_eq!(adoption.missing(&[""; 0]).unwrap().count(), 1);
        drop(adoption);
        assert!(len_of(&uses) <= 4 * 32, "{attempt}: {}", len_of(&uses));
    }
    // What they claim stays.
    take(&here.store, 9, &[("/", "next")]);
    drop(own);
    drop(here.store.begin_adoption(there.snapshot.id()).unwrap());
    here.store.retain(&newest(1)).unwrap();
    assert!(here.blob_path(&BlobId::of(b"same")).exists());
}

#[test]
fn files_without_end_are_refused() {
    let here = Place::new();
    let adoption = here.store.begin_adoption(SnapshotId::new(at(1).wall, 1)).unwrap();
    for name in FILES {
        let most = if matches!(name, "manifest" | "search") { 4 << 30 } else { 8 << 20 };
        let hash = BlobId::of(b"x");
        assert!(adoption.file(name, most, hash).is_ok() && !adoption.has_file(name, most, &hash).unwrap());
        let refused =
            [adoption.file(name, most + 1, hash).err(), adoption.has_file(name, most + 1, &hash).err()];
        assert!(refused.iter().all(|error| matches!(error, Some(AdoptError::Long { .. }))), "{name}");
    }
}
