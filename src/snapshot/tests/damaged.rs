//! Damage is seen, told as such, and gone around.

use super::super::pointer::Pointer;
use super::*;

/// Two snapshots of which only the page "/" differs.
fn two(place: &Place) -> (Arc<Snapshot>, Arc<Snapshot>) {
    let old = take(&place.store, 1, &[("/", "old"), ("/same", "same")]);
    (old, take(&place.store, 2, &[("/", "new"), ("/same", "same")]))
}

#[test]
fn a_torn_or_missing_pointer_means_the_newest_good_snapshot() {
    let place = Place::new();
    let (_, new) = two(&place);
    let pointer = place.site_dir().join("current");
    let whole = std::fs::read(&pointer).unwrap();
    let absent = Pointer { id: SnapshotId::new(at(9).wall, 9), last: 9, by_hand: None }.encode().into_bytes();
    for content in [&whole[..whole.len() / 2], b"", b"garbage", b"\xff", &[b'x'; 5000], &absent] {
        std::fs::write(&pointer, content).unwrap();
        assert_eq!(place.reopened().current().unwrap().id(), new.id());
    }
    std::fs::remove_file(&pointer).unwrap();
    assert_eq!(place.reopened().current().unwrap().id(), new.id());
    std::fs::create_dir(&pointer).unwrap();
    assert_eq!(place.reopened().current().unwrap().id(), new.id());
}

#[test]
fn a_snapshot_that_cannot_be_opened_gives_way_to_the_one_before() {
    let place = Place::new();
    let (old, new) = two(&place);
    let manifest = place.manifest_of(new.id());
    let whole = std::fs::read(&manifest).unwrap();
    let spoil: [fn(&Path); 5] = [
        |path| truncate(path, 0),
        |path| truncate(path, len_of(path) - 1),
        |path| {
            flip(path, 5);
            flip(path, len_of(path) - 1);
        },
        |path| {
            flip(path, 8192);
            flip(path, len_of(path) - 4096 - 1);
        },
        |path| std::fs::remove_file(path).unwrap(),
    ];
    for spoil in spoil {
        spoil(&manifest);
        let store = place.reopened();
        assert_eq!(body_of(&store.current().unwrap(), "/"), "old");
        assert_eq!(store.list().len(), 1);
        assert_eq!(store.unreadable()[0].0, new.id());
        assert!(store.verify(&new.id()).is_err());
        std::fs::write(&manifest, &whole).unwrap();
    }
    // Another snapshot's manifest in its place is not taken for it.
    std::fs::copy(place.manifest_of(old.id()), &manifest).unwrap();
    assert_eq!(body_of(&place.reopened().current().unwrap(), "/"), "old");
}

#[test]
fn a_pointer_to_a_damaged_snapshot_does_not_bring_back_a_newer_one() {
    let place = Place::new();
    let one = take(&place.store, 1, &[("/", "one")]);
    let two = take(&place.store, 2, &[("/", "two")]);
    take(&place.store, 3, &[("/", "three, set aside")]);
    let pointer = Pointer { id: two.id(), last: 3, by_hand: None };
    std::fs::write(place.site_dir().join("current"), pointer.encode()).unwrap();
    assert_eq!(place.reopened().current().unwrap().id(), two.id());
    truncate(&place.manifest_of(two.id()), 10);
    assert_eq!(place.reopened().current().unwrap().id(), one.id());
}

#[test]
fn one_damaged_head_or_fence_costs_nothing() {
    let place = Place::new();
    let (_, new) = two(&place);
    let manifest = place.manifest_of(new.id());
    let whole = std::fs::read(&manifest).unwrap();
    let end = whole.len() as u64;
    let fence = 8192; // behind the head and one page of records
    for at in [0, 9, 300, 4095, end - 1, end - 4096, fence, fence + 20, end - 4096 - 16] {
        flip(&manifest, at);
        let current = place.reopened().current().unwrap();
        assert_eq!((current.id(), body_of(&current, "/")), (new.id(), "new".to_owned()), "byte {at}");
        std::fs::write(&manifest, &whole).unwrap();
    }
}

#[test]
fn a_damaged_index_or_record_is_told_and_an_older_copy_serves() {
    let place = Place::new();
    let (old, new) = two(&place);
    let manifest = place.manifest_of(new.id());
    let whole = std::fs::read(&manifest).unwrap();
    let index = 12_288; // behind the head, one page of records, and the fence
    for (at, damage) in
        [(4100, Damage::Record(4096)), (index + 1, Damage::Index(0)), (index + 20, Damage::Index(0))]
    {
        flip(&manifest, at);
        let store = place.reopened();
        let current = store.current().unwrap();
        assert_eq!(current.id(), new.id());
        assert!(matches!(current.find("/"), Err(ReadError::Damaged(found)) if found == damage), "{damage}");
        let (older, page) = store.find_older("/", &current.id()).unwrap();
        assert_eq!((older.id(), bytes_of(older.load(&page).unwrap())), (old.id(), b"old".to_vec()));
        assert!(store.find_older("/", &old.id()).is_none());
        assert!(store.find_older("/absent", &current.id()).is_none());
        assert!(!store.verify(&new.id()).unwrap().is_whole());
        std::fs::write(&manifest, &whole).unwrap();
    }
}

#[test]
fn a_damaged_body_is_told_and_written_again_by_the_next_crawl() {
    let spoil: [fn(&Path); 5] = [
        |path| flip(path, 1),
        |path| truncate(path, 2),
        |path| truncate(path, 2_000_000),
        |path| std::fs::remove_file(path).unwrap(),
        |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        },
    ];
    for (i, spoil) in spoil.into_iter().enumerate() {
        let place = Place::new();
        let (old, new) = two(&place);
        let body = BlobId::of(b"new");
        spoil(&place.blob_path(&body));
        let found = new.find("/").unwrap().unwrap();
        assert!(matches!(new.load(&found), Err(ReadError::Damaged(_))), "{i}");
        let (older, page) = place.store.find_older("/", &new.id()).unwrap();
        assert_eq!((older.id(), bytes_of(older.load(&page).unwrap())), (old.id(), b"old".to_vec()));
        let report = place.store.verify(&new.id()).unwrap();
        assert_eq!((report.damaged, report.findings[0].blob), (1, Some(body)), "{i}");
        if i == 4 {
            std::fs::remove_dir(place.blob_path(&body)).unwrap();
        }
        // By a process that saw the damage, and by one that did not.
        let store = if i % 2 == 0 { place.store.clone() } else { place.reopened() };
        let third = take(&store, 3, &[("/", "new")]);
        assert_eq!(body_of(&third, "/"), "new", "{i}");
        assert_eq!(bytes_of(new.load(&found).unwrap()), b"new");
        assert!(store.verify(&third.id()).unwrap().is_whole());
    }
}

#[test]
fn a_page_is_not_carried_over_with_a_damaged_body() {
    let place = Place::new();
    let (_, new) = two(&place);
    let carried = new.find("/").unwrap().unwrap();
    flip(&place.blob_path(&BlobId::of(b"new")), 0);
    let staging = place.store.begin(at(3), "crawl").unwrap();
    assert!(matches!(staging.add(carried), Err(StageError::NoSuchBlob(_))));
}

#[test]
fn an_older_snapshot_with_the_same_damaged_body_is_passed_over() {
    let place = Place::new();
    take(&place.store, 1, &[("/", "first")]);
    take(&place.store, 2, &[("/", "second")]);
    let newest = take(&place.store, 3, &[("/", "second")]);
    flip(&place.blob_path(&BlobId::of(b"second")), 0);
    assert!(newest.load(&newest.find("/").unwrap().unwrap()).is_err());
    let (older, _) = place.store.find_older("/", &newest.id()).unwrap();
    assert_eq!(body_of(&older, "/"), "first");
}

#[test]
fn a_large_body_is_verified_again_when_its_file_has_changed() {
    let place = Place::new();
    let body = "large".repeat(500_000);
    let snapshot = take(&place.store, 1, &[("/", &body)]);
    let found = snapshot.find("/").unwrap().unwrap();
    assert_eq!(bytes_of(snapshot.load(&found).unwrap()), body.as_bytes());
    let path = place.blob_path(&BlobId::of(body.as_bytes()));
    flip(&path, 2_000_000);
    let later = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert!(matches!(snapshot.load(&found), Err(ReadError::Damaged(Damage::BlobContent(_)))));
}

#[test]
fn verification_names_a_body_that_the_table_lacks_and_a_damaged_table() {
    let place = Place::new();
    let (_, new) = two(&place);
    let manifest = place.manifest_of(new.id());
    flip(&manifest, 12_288 + 4096 + 7);
    let report = place.reopened().verify(&new.id()).unwrap();
    assert_eq!(report.damaged, 3, "{:?}", report.findings);
    assert_eq!(report.findings[0].problem, Damage::BlobTable(0).to_string());
    assert_eq!(report.findings[1].problem, Damage::NotListed(report.findings[1].blob.unwrap()).to_string());
    assert_eq!((report.entries, report.blobs), (0, 0));
}
