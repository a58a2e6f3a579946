//! What is damaged is found, told, and mended with what other versions have.

use super::*;

/// Three snapshots: what "/" and "/n" say changes each time, the rest stays.
fn three(place: &Place) -> [SnapshotId; 3] {
    [1, 2, 3].map(|n| {
        let own = format!("own {n}");
        let pages: Vec<(String, String)> = (0..30).map(|i| (format!("/{i}"), format!("same {i}"))).collect();
        let mut all: Vec<(&str, &str)> = pages.iter().map(|(k, b)| (k.as_str(), b.as_str())).collect();
        all.extend([("/", own.as_str()), ("/only", "only")]);
        if n == 3 {
            all.push(("/new", "new in three"));
        }
        take(&place.store, n, &all).id()
    })
}

fn spoil_body(place: &Place, body: &str) {
    flip(&place.blob_path(&BlobId::of(body.as_bytes())), 0);
}

fn codes(store: &Store) -> Vec<&'static str> {
    store.trouble().iter().map(Trouble::code).collect()
}

#[test]
fn nothing_is_made_of_a_snapshot_that_is_whole() {
    let place = Place::new();
    let [_, _, third] = three(&place);
    let repaired = place.store.repair(&third, at(9)).unwrap();
    assert!(repaired.snapshot.is_none());
    assert_eq!((repaired.account.kept, repaired.account.replaced, repaired.account.lost), (33, 0, 0));
    assert_eq!(place.store.list().len(), 3);
    assert!(matches!(
        place.store.repair(&SnapshotId::new(at(9).wall, 9), at(9)),
        Err(RepairError::Open { source: ManifestError::Gone, .. })
    ));
}

#[test]
fn damaged_pages_come_from_the_newest_older_version_that_has_them_whole() {
    let place = Place::new();
    let [first, _, third] = three(&place);
    for body in ["own 3", "own 2", "new in three"] {
        spoil_body(&place, body);
    }
    let report = place.store.verify(&third).unwrap();
    assert_eq!(report.damaged, 2, "{:?}", report.findings);
    assert_eq!(codes(&place.store), ["damaged"]);
    place.store.pin(&third, true).unwrap();
    let repaired = place.store.repair(&third, at(9)).unwrap();
    let account = &repaired.account;
    assert_eq!((account.kept, account.replaced, account.lost), (31, 1, 1));
    assert_eq!(account.replacements, [("/".to_owned(), first)]);
    assert_eq!(account.losses, ["/new"]);
    let made = repaired.snapshot.unwrap();
    let summary = made.summary();
    assert_eq!((summary.kind.as_str(), summary.current, summary.pinned), ("repair", true, true));
    assert_eq!((summary.started_at, summary.taken_at), (at(3).wall, at(4).wall), "it is as old as it was");
    assert_eq!((body_of(&made, "/"), body_of(&made, "/only")), ("own 1".into(), "only".into()));
    assert_eq!(made.find("/new").unwrap(), None);
    let report = place.store.report(&made.id()).unwrap();
    assert_eq!((&report["at"], &report["repair"]["account"]["lost"]), (&3.into(), &1.into()));
    for store in [&place.store, &place.reopened()] {
        assert!(store.verify(&made.id()).unwrap().is_whole());
        assert_eq!(store.current().unwrap().id(), made.id());
        let damaged = store.list().into_iter().find(|summary| summary.id == third).unwrap();
        assert!(damaged.held.unwrap()[0].contains("repaired"));
    }
    assert_eq!(codes(&place.store), [""; 0]);
    assert!(place.store.repair(&made.id(), at(10)).unwrap().snapshot.is_none());
}

#[test]
fn a_newer_version_will_do_when_there_is_no_older_one() {
    let place = Place::new();
    let [first, second, _] = three(&place);
    spoil_body(&place, "own 1");
    let repaired = place.store.repair(&first, at(9)).unwrap();
    assert_eq!(repaired.account.replacements, [("/".to_owned(), second)]);
    let summary = repaired.snapshot.unwrap().summary();
    assert!(!summary.current && summary.held.unwrap()[0].contains("not in service"));
    assert_eq!(place.reopened().current().unwrap().id().sequence(), 3);
}

#[test]
fn the_operators_word_outlives_a_repair() {
    let place = Place::new();
    three(&place);
    let second = place.store.rollback(at(5)).unwrap().id();
    spoil_body(&place, "own 2");
    let repaired = place.store.repair(&second, at(9)).unwrap().snapshot.unwrap();
    assert!(repaired.summary().current);
    assert_eq!(place.reopened().is_by_hand(), Some(at(5).wall));
    assert_eq!(place.reopened().current().unwrap().id(), repaired.id());
}

/// Where the parts of the manifest of the third snapshot are.
const HEAP: u64 = 4096;
const FENCE: u64 = 8192;
const INDEX: u64 = 12_288;
const TABLE: u64 = 16_384;

#[test]
fn each_part_of_a_manifest_is_verified_and_repaired() {
    let end = |path: &Path| len_of(path) - 1;
    type Spoil = fn(&Path);
    let spoil: [(&str, Spoil, bool); 9] = [
        ("the first head", |path| flip(path, 100), true),
        ("the last head", |path| flip(path, len_of(path) - 1), true),
        ("the first fence", |path| flip(path, FENCE), true),
        ("both fences", |path| [FENCE, len_of(path) - 4096 - 1].iter().for_each(|at| flip(path, *at)), false),
        ("both heads", |path| [100, len_of(path) - 1].iter().for_each(|at| flip(path, *at)), false),
        ("a record", |path| flip(path, HEAP + 100), true),
        ("the index", |path| flip(path, INDEX + 5), true),
        ("the table", |path| flip(path, TABLE + 5), true),
        ("the end", |path| truncate(path, TABLE), false),
    ];
    for (what, spoil, opens) in spoil {
        let place = Place::new();
        let [_, _, third] = three(&place);
        let manifest = place.manifest_of(third);
        assert_eq!(end(&manifest), TABLE + 4096 + 32 + 16 + 4096 - 1, "the layout has changed");
        spoil(&manifest);
        let store = place.reopened();
        assert_eq!(store.current().unwrap().id() == third, opens, "{what}");
        assert!(store.verify(&third).map_or(true, |report| !report.is_whole()), "{what}");
        let repaired = store.repair(&third, at(9)).unwrap();
        let made = repaired.snapshot.unwrap();
        assert_eq!(repaired.account.lost, 0, "{what}: {:?}", repaired.account);
        assert!(store.verify(&made.id()).unwrap().is_whole(), "{what}");
        assert_eq!(made.pages().count(), 33, "{what}");
        // The first record is that of "/0", which has not changed.
        for (key, body) in [("/0", "same 0"), ("/", "own 3"), ("/new", "new in three")] {
            assert_eq!(body_of(&made, key), body, "{what}");
        }
        assert_eq!(place.reopened().current().unwrap().id(), made.id(), "{what}");
        assert_eq!(codes(&store), [""; 0], "{what}");
    }
}

#[test]
fn of_a_manifest_without_index_and_with_gaps_the_version_before_fills_these() {
    let place = Place::new();
    let [_, second, third] = three(&place);
    let manifest = place.manifest_of(third);
    // Three of the records, one of them that of "/new", which is the last; and the index.
    let heap: Vec<u8> = std::fs::read(&manifest).unwrap();
    let place_of = |key: &str| {
        let key = [&(key.len() as u32).to_le_bytes()[..], key.as_bytes()].concat();
        heap.windows(key.len()).position(|window| window == key).unwrap() as u64
    };
    for at in [place_of("/4"), place_of("/5"), place_of("/new"), INDEX + 5] {
        flip(&manifest, at);
    }
    let store = place.reopened();
    let repaired = store.repair(&third, at(9)).unwrap();
    let account = &repaired.account;
    assert_eq!((account.kept, account.replaced, account.lost), (30, 2, 1));
    assert!(account.replacements.iter().all(|(key, from)| *from == second && ["/4", "/5"].contains(&&**key)));
    assert_eq!(body_of(&repaired.snapshot.unwrap(), "/"), "own 3");
}

#[test]
fn with_nothing_whole_to_be_had_nothing_changes() {
    let place = Place::new();
    let only = take(&place.store, 1, &[("/", "only")]).id();
    spoil_body(&place, "only");
    assert!(matches!(place.store.repair(&only, at(2)), Err(RepairError::Publish(PublishError::Empty))));
    assert_eq!(place.reopened().current().unwrap().id(), only);
    let staging = place.store.begin(at(3), "crawl").unwrap();
    assert!(matches!(place.store.repair(&only, at(2)), Err(RepairError::Begin(BeginError::AlreadyRunning))));
    drop(staging);
}

#[test]
fn a_body_that_is_found_again_is_mended_at_once() {
    let place = Place::new();
    let [_, _, third] = three(&place);
    let held = place.store.get(&third).unwrap();
    let page = held.find("/").unwrap().unwrap();
    for spoil in [|path: &Path| flip(path, 0), |path: &Path| std::fs::remove_file(path).unwrap()] {
        spoil(&place.blob_path(&page.body.unwrap()));
        assert!(held.load(&page).is_err());
        assert_eq!(codes(&place.store), ["damaged"]);
        let staging = stage(&place.store, 5, &[("/", "own 3")]);
        assert_eq!(bytes_of(held.load(&page).unwrap()), b"own 3");
        assert_eq!(codes(&place.store), [""; 0]);
        drop(staging);
        assert_eq!(bytes_of(held.load(&page).unwrap()), b"own 3", "also when nothing came of the crawl");
        place.store.retain(&newest(9)).unwrap();
        assert!(place.store.verify(&third).unwrap().is_whole());
    }
}

#[test]
fn piece_by_piece_all_is_verified_once_a_round() {
    let place = Place::new();
    assert_eq!(place.store.scrub(1), Scrubbed::default());
    let [_, _, third] = three(&place);
    let round = |store: &Store, budget: u64| {
        // To the end of the round that is under way, which began anywhere.
        while !store.scrub(budget).round {}
        let (mut pages, mut bodies, mut damaged, mut pieces) = (0, 0, 0, 0);
        loop {
            let piece = store.scrub(budget);
            (pages, bodies, damaged) = (pages + piece.pages, bodies + piece.bodies, damaged + piece.damaged);
            pieces += 1;
            if piece.round {
                return (pages, bodies, damaged, pieces);
            }
        }
    };
    assert_eq!(round(&place.store, 1), (33, 33, 0, 34));
    assert_eq!(round(&place.store, u64::MAX), (33, 33, 0, 1));
    assert_eq!(round(&place.store, 60).0, 33);
    assert_eq!(codes(&place.store), [""; 0]);
    spoil_body(&place, "same 7");
    flip(&place.manifest_of(third), HEAP + 20);
    assert_eq!(round(&place.store, 20).2, 2);
    let trouble = place.store.trouble();
    assert!(
        matches!(trouble[..], [Trouble::Damaged { id, parts: 2, in_service: true, .. }] if id == third),
        "{trouble:?}"
    );
    assert!(trouble[0].to_string().contains("--repair"), "{}", trouble[0]);
    flip(&place.manifest_of(third), HEAP + 20);
    spoil_body(&place, "same 7");
    assert_eq!(round(&place.store, 20).2, 0);
}

#[test]
fn the_operator_is_told_and_told_no_longer() {
    let place = Place::new();
    assert_eq!(place.store.trouble(), []);
    // before the first snapshot there is no folder to miss
    std::fs::remove_dir_all(place.site_dir()).ok();
    assert_eq!(place.store.trouble(), []);
    let [_, second, third] = three(&place);
    let pointer = place.site_dir().join("current");
    let whole = std::fs::read(&pointer).unwrap();
    std::fs::write(&pointer, "nonsense").unwrap();
    assert_eq!(codes(&place.store), ["pointer"]);
    std::fs::write(&pointer, whole).unwrap();
    // A snapshot that cannot be read: until it is gone.
    truncate(&place.manifest_of(second), 3);
    let store = place.reopened();
    assert_eq!(codes(&store), ["unreadable"]);
    store.remove(&second).unwrap();
    assert_eq!(codes(&store), [""; 0]);
    // The state directory vanishes, and comes back; what is open serves.
    let (away, state) = (place.dir.path().join("../away"), place.dir.path().join("snapshots"));
    let away = away.with_file_name(format!("{}-away", place.dir.path().file_name().unwrap().display()));
    std::fs::rename(&state, &away).unwrap();
    store.refresh().unwrap();
    assert_eq!(codes(&store), ["gone"]);
    assert_eq!(body_of(&store.current().unwrap(), "/"), "own 3");
    std::fs::rename(&away, &state).unwrap();
    store.refresh().unwrap();
    assert_eq!((codes(&store), store.list().len()), (vec![], 2));
    assert_eq!(store.current().unwrap().id(), third);
    // The bodies vanish: that is seen when they are read.
    let blobs = place.dir.path().join("blobs");
    std::fs::rename(&blobs, &away).unwrap();
    let current = store.current().unwrap();
    let page = current.find("/").unwrap().unwrap();
    assert!(matches!(current.load(&page), Err(ReadError::Damaged(Damage::BlobMissing(_)))));
    assert!(codes(&store).contains(&"damaged"));
    std::fs::rename(&away, &blobs).unwrap();
    current.load(&page).unwrap();
    assert_eq!(codes(&store), [""; 0]);
}
