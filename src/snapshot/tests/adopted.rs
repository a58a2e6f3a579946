//! A snapshot that another instance has taken comes here as it is, or not at all.

use super::*;

/// What another instance has: its state directory, and a snapshot with a large body, a shared one, and all files.
pub(super) struct There {
    pub(super) place: Place,
    pub(super) snapshot: Arc<Snapshot>,
}

pub(super) const LARGE: usize = 1_500_000;

impl There {
    pub(super) fn new() -> There {
        let place = Place::new();
        let large = "large ".repeat(LARGE / 6);
        let staging =
            stage(&place.store, 100, &[("/", "home"), ("/large", &large), ("/a", "same"), ("/b", "same")]);
        staging.describe(&serde_json::json!({ "character": 1 }));
        staging.note_addresses(&serde_json::json!({ "addresses": 1 }));
        staging.note_forms(&serde_json::json!({ "forms": 1 }));
        staging.index(&SiteForms::default(), || true);
        let snapshot = staging.publish(at(160), &serde_json::json!({ "fetched": 4 })).unwrap();
        There { place, snapshot }
    }

    fn id(&self) -> SnapshotId {
        self.snapshot.id()
    }
}

/// Brings all files of a snapshot.
pub(super) fn bring_files(of: &Arc<Snapshot>, to: &Adoption) {
    for file in of.files().unwrap() {
        let bytes = bytes_of_file(of, file.name);
        assert_eq!((bytes.len() as u64, BlobId::of(&bytes)), (file.len, file.blake3), "{}", file.name);
        let mut incoming = to.file(file.name, file.len, file.blake3).unwrap();
        bytes.chunks(5000).for_each(|chunk| incoming.write(chunk).unwrap());
        incoming.finish().unwrap();
    }
}

fn bytes_of_file(of: &Snapshot, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut of.open_file(name).unwrap(), &mut bytes).unwrap();
    bytes
}

/// Brings the bodies that are missing, and says how many those were.
pub(super) fn bring_bodies(of: &Arc<Snapshot>, to: &Adoption) -> usize {
    let missing: Vec<_> = to.missing(&[""; 0]).unwrap().map(Result::unwrap).collect();
    for (id, len) in &missing {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut of.body(id, *len).unwrap(), &mut bytes).unwrap();
        let mut incoming = to.body(*id, *len);
        bytes.chunks(100_000).for_each(|chunk| incoming.write(chunk).unwrap());
        incoming.finish().unwrap();
    }
    missing.len()
}

pub(super) fn adopt(of: &Arc<Snapshot>, store: &Store, how: Adopted) -> Arc<Snapshot> {
    let adoption = store.begin_adoption(of.id()).unwrap();
    bring_files(of, &adoption);
    if how == Adopted::Whole {
        bring_bodies(of, &adoption);
    }
    adoption.finish(how).unwrap()
}

fn follow(store: &Store, id: SnapshotId) {
    store.follow(&id, None, Pins::default()).unwrap();
}

fn missing(store: &Store, id: &SnapshotId, first: &[&str]) -> Vec<(BlobId, u64)> {
    store.missing(id, first).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_snapshot_comes_with_its_name_and_every_byte_and_serves_when_the_pointer_says_so() {
    let (there, here) = (There::new(), Place::new());
    let own = take(&here.store, 1, &[("/", "own"), ("/a", "same")]);
    let adoption = here.store.begin_adoption(there.id()).unwrap();
    assert!(matches!(here.store.begin_adoption(there.id()), Err(AdoptError::Running)));
    assert!(matches!(here.reopened().begin_adoption(there.id()), Err(AdoptError::Running)));
    // Whoever takes a snapshot does not wait for it.
    drop(here.store.begin(at(2), "crawl").unwrap());
    bring_files(&there.snapshot, &adoption);
    assert_eq!(bring_bodies(&there.snapshot, &adoption), 2, "one is here already");
    assert_eq!(here.store.list().len(), 1, "nothing of it counts before it is whole");
    let adopted = adoption.finish(Adopted::Whole).unwrap();
    assert_eq!((adopted.id(), here.store.current().unwrap().id()), (there.id(), own.id()));
    follow(&here.store, there.id());
    for store in [&here.store, &here.reopened()] {
        let current = store.current().unwrap();
        assert_eq!(
            (current.id(), body_of(&current, "/"), body_of(&current, "/b").as_str()),
            (there.id(), "home".into(), "same")
        );
        assert_eq!(body_of(&current, "/large").len(), LARGE);
        assert!(store.verify(&there.id()).unwrap().is_whole());
        assert!(current.search().unwrap().is_some() && !store.arriving(&there.id()));
    }
    let folder = |place: &Place| place.site_dir().join(there.id().to_string());
    assert_eq!(names(&folder(&here)), names(&folder(&there.place)));
    for name in names(&folder(&here)) {
        let read = |place: &Place| std::fs::read(folder(place).join(&name)).unwrap();
        assert_eq!(read(&here), read(&there.place), "{name}");
    }
    assert!(names(&here.site_dir()).iter().all(|name| !name.starts_with('.')));
    assert!(matches!(here.store.begin_adoption(there.id()), Err(AdoptError::There(_))));
    // Numbers that were given elsewhere are not given again.
    assert!(take(&here.store, 200, &[("/", "next")]).id().sequence() > there.id().sequence());
}

#[test]
fn what_is_not_what_was_announced_is_refused() {
    let (there, here) = (There::new(), Place::new());
    let adoption = here.store.begin_adoption(there.id()).unwrap();
    for name in ["", "pinned", "held.json", "arriving", "uses", "../current", "manifest/", "new/x"] {
        assert!(matches!(adoption.file(name, 1, BlobId::of(b"x")), Err(AdoptError::Name(_))), "{name}");
    }
    let give = |mut incoming: Incoming, bytes: &[u8]| incoming.write(bytes).and_then(|()| incoming.finish());
    for bytes in [&b"lie"[..], b"", b"true!"] {
        let told = give(adoption.file("report.json", 4, BlobId::of(b"true")).unwrap(), bytes);
        assert!(matches!(told, Err(AdoptError::Unlike(_))));
        assert!(matches!(give(adoption.body(BlobId::of(b"true"), 4), bytes), Err(AdoptError::Unlike(_))));
    }
    assert!(matches!(give(adoption.body(BlobId::of(b"true"), 4), b"fals"), Err(AdoptError::Unlike(_))));
    assert!(matches!(adoption.missing(&[""; 0]), Err(AdoptError::Lacks { .. })), "there is no manifest yet");
    assert!(matches!(adoption.finish(Adopted::Arriving), Err(AdoptError::Lacks { .. })));
    assert_eq!(here.blob_files(), 0);
    assert!(here.store.list().is_empty());
    assert!(matches!(
        here.store.begin_adoption(SnapshotId::new(at(1).wall, u64::MAX)),
        Err(AdoptError::Number(_))
    ));
}

#[test]
fn a_strange_or_damaged_manifest_is_refused_and_does_not_stay() {
    let (there, here) = (There::new(), Place::new());
    let manifest = bytes_of_file(&there.snapshot, MANIFEST);
    let other = Store::open(here.dir.path(), "other").unwrap();
    let later = SnapshotId::new(at(100).wall, 7);
    for (store, id) in [(&here.store, later), (&other, there.id())] {
        let adoption = store.begin_adoption(id).unwrap();
        let mut incoming = adoption.file(MANIFEST, manifest.len() as u64, BlobId::of(&manifest)).unwrap();
        incoming.write(&manifest).unwrap();
        let refused = incoming.finish();
        assert!(matches!(
            refused,
            Err(AdoptError::Manifest { source: ManifestError::Damaged(Damage::Stranger), .. })
        ));
        assert!(matches!(adoption.missing(&[""; 0]), Err(AdoptError::Lacks { .. })));
    }
    // Any one byte: in a record, the index, the table of bodies, and in one copy of head or fence.
    let len = manifest.len();
    for at in [100, 4096 + 9, len - 3 * 4096, len - 2 * 4096 - 50, len - 4096 - 3, len - 1] {
        let mut damaged = manifest.clone();
        damaged[at] ^= 1;
        let adoption = here.store.begin_adoption(there.id()).unwrap();
        let mut incoming = adoption.file(MANIFEST, len as u64, BlobId::of(&damaged)).unwrap();
        incoming.write(&damaged).unwrap();
        incoming.finish().unwrap();
        assert!(matches!(adoption.missing(&[""; 0]), Err(AdoptError::Manifest { .. })), "byte {at}");
        assert!(!adoption.has_file(MANIFEST, len as u64, &BlobId::of(&damaged)).unwrap(), "byte {at}");
        adoption.discard().unwrap();
    }
    assert!(here.store.list().is_empty() && names(&here.site_dir()).iter().all(|name| name != "current"));
}

#[test]
fn a_snapshot_without_its_index_or_a_body_is_not_put_in_place_as_whole() {
    let (there, here) = (There::new(), Place::new());
    let adoption = here.store.begin_adoption(there.id()).unwrap();
    bring_files(&there.snapshot, &adoption);
    assert!(matches!(adoption.finish(Adopted::Whole), Err(AdoptError::Lacks { .. })));
    let adoption = here.store.begin_adoption(there.id()).unwrap();
    let manifest = there.snapshot.files().unwrap()[0];
    assert!(adoption.has_file(manifest.name, manifest.len, &manifest.blake3).unwrap());
    let index = adoption.finish(Adopted::Arriving);
    let lost = Damage::SearchMissing;
    assert!(
        matches!(index, Err(AdoptError::Manifest { source: ManifestError::Damaged(damage), .. }) if damage == lost)
    );
    assert!(here.store.list().is_empty());
}

#[test]
fn what_was_brought_before_is_gone_on_with_also_for_another_snapshot() {
    let (there, here) = (There::new(), Place::new());
    let adoption = here.store.begin_adoption(there.id()).unwrap();
    bring_files(&there.snapshot, &adoption);
    assert_eq!(bring_bodies(&there.snapshot, &adoption), 3);
    drop(adoption);
    // As after a power cut: a body is torn.
    let new = here.site_dir().join(format!(".adopting-{}/new", there.id()));
    truncate(&new.join(BlobId::of(b"home").to_string()), 1);
    let adoption = here.reopened().begin_adoption(there.id()).unwrap();
    for file in there.snapshot.files().unwrap() {
        assert!(adoption.has_file(file.name, file.len, &file.blake3).unwrap());
    }
    assert_eq!(bring_bodies(&there.snapshot, &adoption), 1);
    drop(adoption);
    let next = take(&there.place.store, 300, &[("/", "home"), ("/a", "same"), ("/new", "new")]);
    let adoption = here.store.begin_adoption(next.id()).unwrap();
    bring_files(&next, &adoption);
    assert_eq!(bring_bodies(&next, &adoption), 1);
    follow(&here.store, adoption.finish(Adopted::Whole).unwrap().id());
    assert_eq!(body_of(&here.store.current().unwrap(), "/"), "home");
    assert!(names(&here.site_dir()).iter().all(|name| !name.starts_with('.')));
    assert!(
        matches!(here.store.retain(&newest(1)).unwrap().collection, Collection::Done { blobs: 1, .. }),
        "what only the first one needed"
    );
}

#[test]
fn ended_between_any_two_steps_of_putting_it_in_place_it_is_gone_on_with() {
    let there = There::new();
    // One after the other, as it does them itself.
    let steps: [fn(&Path); 4] = [
        |_| {},
        |dir| std::fs::remove_dir_all(dir.join("new")).unwrap(),
        |dir| std::fs::write(dir.join("arriving"), b"").unwrap(),
        |dir| std::fs::remove_file(dir.join("uses")).unwrap(),
    ];
    for done in 1..=steps.len() {
        for claims in ["kept", "lost"] {
            let here = Place::new();
            take(&here.store, 1, &[("/", "own")]);
            let adoption = here.store.begin_adoption(there.id()).unwrap();
            bring_files(&there.snapshot, &adoption);
            bring_bodies(&there.snapshot, &adoption);
            adoption.secure().unwrap();
            drop(adoption);
            let dir = here.site_dir().join(format!(".adopting-{}", there.id()));
            steps[..done].iter().for_each(|step| step(&dir));
            // Claims are not synced: a power cut may take them, and then the collector what they claimed.
            if claims == "lost" {
                drop(std::fs::remove_file(dir.join("uses")));
                here.store.retain(&newest(1)).unwrap();
            }
            let store = here.reopened();
            assert_eq!(store.list().len(), 1, "{done} {claims}");
            let adoption = store.begin_adoption(there.id()).unwrap();
            for file in there.snapshot.files().unwrap() {
                let has = adoption.has_file(file.name, file.len, &file.blake3).unwrap();
                assert!(has, "{done} {claims} {}", file.name);
            }
            let expected = if claims == "lost" { 3 } else { 0 };
            assert_eq!(bring_bodies(&there.snapshot, &adoption), expected, "{done} {claims}");
            adoption.finish(Adopted::Whole).unwrap();
            let is_whole = store.verify(&there.id()).unwrap().is_whole();
            assert!(is_whole && !store.arriving(&there.id()), "{done} {claims}");
        }
    }
}

#[test]
fn what_nobody_went_on_with_for_long_is_removed() {
    let (there, here) = (There::new(), Place::new());
    let dir = here.site_dir().join(format!(".adopting-{}", there.id()));
    let adoption = here.store.begin_adoption(there.id()).unwrap();
    let old = crate::clock::now().wall - Duration::from_secs(8 * 86_400);
    for dir in [dir.join("new"), dir.clone()] {
        std::fs::File::open(dir).unwrap().set_modified(old).unwrap();
    }
    here.reopened();
    assert!(dir.exists(), "somebody is at it");
    drop(adoption);
    here.reopened();
    assert!(!dir.exists());
    drop(here.store.begin_adoption(there.id()).unwrap());
    here.reopened();
    assert!(dir.exists(), "it is young");
}

#[test]
fn the_collector_leaves_alone_what_an_adoption_builds_on() {
    let (there, here) = (There::new(), Place::new());
    take(&here.store, 1, &[("/a", "same")]);
    take(&here.store, 2, &[("/", "own")]);
    let adoption = here.store.begin_adoption(there.id()).unwrap();
    bring_files(&there.snapshot, &adoption);
    assert_eq!(bring_bodies(&there.snapshot, &adoption), 2);
    adoption.secure().unwrap();
    // The only snapshot that names the shared body goes.
    assert_eq!(here.store.retain(&newest(1)).unwrap().removed.len(), 1);
    adoption.finish(Adopted::Whole).unwrap();
    assert!(here.store.verify(&there.id()).unwrap().is_whole());
}

#[test]
fn a_damaged_body_and_a_damaged_snapshot_are_replaced_by_what_comes() {
    let (there, here) = (There::new(), Place::new());
    take(&here.store, 1, &[("/", "home")]);
    flip(&here.blob_path(&BlobId::of(b"home")), 0);
    adopt(&there.snapshot, &here.store, Adopted::Whole);
    assert!(here.store.verify(&there.id()).unwrap().is_whole());
    follow(&here.store, there.id());
    truncate(&here.manifest_of(there.id()), 100);
    let again = here.reopened();
    let adoption = again.begin_adoption(there.id()).unwrap();
    bring_files(&there.snapshot, &adoption);
    bring_bodies(&there.snapshot, &adoption);
    let refused = adoption.finish(Adopted::Whole);
    assert!(matches!(refused, Err(AdoptError::InUse(_))), "the first store still serves it");
    let Place { dir, store } = here;
    drop(store);
    let store = Store::open(dir.path(), "shop").unwrap();
    assert_ne!(store.current().unwrap().id(), there.id());
    adopt(&there.snapshot, &store, Adopted::Whole);
    assert_eq!(store.current().unwrap().id(), there.id(), "the pointer says so");
    assert!(store.verify(&there.id()).unwrap().is_whole());
}

#[test]
fn a_crawl_that_ends_under_a_name_that_is_taken_leaves_what_is_there() {
    let (there, here) = (There::new(), Place::new());
    let staging = stage(&here.store, 100, &[("/", "own")]);
    assert_eq!(staging.id(), there.id());
    adopt(&there.snapshot, &here.store, Adopted::Whole);
    assert!(staging.publish(at(101), &serde_json::Value::Null).is_err());
    assert!(here.store.verify(&there.id()).unwrap().is_whole());
}

#[test]
fn an_arriving_snapshot_serves_and_what_has_not_come_is_no_damage() {
    let (there, here) = (There::new(), Place::new());
    adopt(&there.snapshot, &here.store, Adopted::Arriving);
    follow(&here.store, there.id());
    for store in [&here.store, &here.reopened()] {
        let current = store.current().unwrap();
        assert!(store.arriving(&there.id()) && current.summary().arriving);
        let home = current.find("/").unwrap().unwrap();
        assert!(matches!(current.load(&home), Err(ReadError::Io { .. })));
        let report = store.verify(&there.id()).unwrap();
        assert_eq!((report.is_whole(), report.blobs, report.to_come, report.entries), (true, 0, 3, 4));
        let scrubbed = store.scrub(u64::MAX);
        assert_eq!((scrubbed.damaged, scrubbed.bodies), (0, 0));
        assert_eq!(store.trouble(), []);
        assert!(matches!(store.repair(&there.id(), at(5)), Err(RepairError::Arriving(_))));
        assert!(!store.arrived(&there.id()).unwrap());
    }
    let all = missing(&here.store, &there.id(), &[]);
    let first = missing(&here.store, &there.id(), &["/large", "/none", "/b", "/a"]);
    let named: Vec<u64> = first.iter().map(|(_, len)| *len).collect();
    assert_eq!(named, [LARGE as u64, 4, 4]);
    assert_eq!(first[1].0, BlobId::of(b"same"));
    assert_eq!(all.len(), 3);
    // What is here and wrong is damage as ever, and missing.
    let adoption = here.store.begin_adoption(there.id()).unwrap();
    assert!(matches!(adoption.file(MANIFEST, 1, BlobId::of(b"x")), Err(AdoptError::There(_))));
    bring_bodies(&there.snapshot, &adoption);
    drop(adoption.finish(Adopted::Arriving).unwrap());
    assert_eq!(missing(&here.store, &there.id(), &[]), []);
    flip(&here.blob_path(&BlobId::of(b"home")), 0);
    let report = here.store.verify(&there.id()).unwrap();
    assert_eq!((report.damaged, report.to_come), (1, 0));
    assert_eq!(missing(&here.store, &there.id(), &[]), [(BlobId::of(b"home"), 4)]);
    assert!(!here.store.arrived(&there.id()).unwrap());
    assert!(here.store.arriving(&there.id()));
    // It comes again, and with it the end.
    let adoption = here.store.begin_adoption(there.id()).unwrap();
    assert_eq!(bring_bodies(&there.snapshot, &adoption), 1);
    adoption.finish(Adopted::Whole).unwrap();
    for store in [&here.store, &here.reopened()] {
        assert!(!store.arriving(&there.id()) && !store.current().unwrap().summary().arriving);
        assert!(store.verify(&there.id()).unwrap().is_whole());
        assert_eq!(store.trouble(), []);
    }
    assert!(names(&here.site_dir()).iter().all(|name| !name.starts_with('.')));
}

#[test]
fn an_arriving_snapshot_takes_the_place_of_a_whole_one_only_by_the_pointer() {
    let (there, here) = (There::new(), Place::new());
    let old = take(&here.store, 1, &[("/", "old")]);
    let newer = take(&there.place.store, 400, &[("/", "newer")]);
    adopt(&newer, &here.store, Adopted::Arriving);
    std::fs::remove_file(here.site_dir().join("current")).unwrap();
    assert_eq!(here.reopened().current().unwrap().id(), old.id());
    // Nothing goes for its sake, and it goes when a newer one is whole.
    follow(&here.store, newer.id());
    assert_eq!(here.store.retain(&newest(1)).unwrap().removed, []);
    assert_eq!(here.store.rollback(at(9)).unwrap().id(), old.id());
    let latest = take(&there.place.store, 500, &[("/", "latest")]);
    adopt(&latest, &here.store, Adopted::Whole);
    follow(&here.store, latest.id());
    drop(newer);
    assert!(here.store.retain(&newest(5)).unwrap().removed.iter().any(|id| id.sequence() == 2));
    // Alone, it is better than nothing.
    let alone = Place::new();
    adopt(&there.snapshot, &alone.store, Adopted::Arriving);
    follow(&alone.store, there.snapshot.id());
    std::fs::remove_file(alone.site_dir().join("current")).unwrap();
    assert_eq!(alone.reopened().current().unwrap().id(), there.id());
}

#[test]
fn another_ones_word_is_taken_over_as_it_is_and_everybody_is_told() {
    let here = Place::new();
    assert_eq!(here.store.pointer().unwrap(), None);
    let ids = [1, 2, 3].map(|n| take(&here.store, n, &[("/", &format!("own {n}"))]).id());
    let [first, second, third] = ids;
    let pointed = |id, by_hand, pinned: &[SnapshotId]| Some(Pointed { id, by_hand, pinned: pinned.to_vec() });
    assert_eq!(here.store.pointer().unwrap(), pointed(third, None, &[]));
    let other = here.reopened();
    let mut watchers = [here.store.changes(), here.store.changes(), other.changes()];
    let mut told = |other: &Store| {
        other.refresh().unwrap();
        let told = watchers.each_mut().map(|watcher| watcher.has_changed().unwrap());
        watchers.iter_mut().for_each(|watcher| drop(watcher.borrow_and_update()));
        told
    };
    assert_eq!(told(&other), [false; 3]);
    let absent = SnapshotId::new(at(9).wall, 9);
    here.store.follow(&first, Some(42), Pins { pin: &[second, absent], unpin: &[] }).unwrap();
    assert_eq!(told(&other), [true; 3]);
    for store in [&here.store, &other] {
        assert_eq!(store.pointer().unwrap(), pointed(first, Some(42), &[second]));
        assert_eq!(body_of(&store.current().unwrap(), "/"), "own 1");
    }
    here.store.follow(&first, Some(42), Pins { pin: &[second], unpin: &[absent] }).unwrap();
    assert_eq!(told(&other), [false; 3], "nothing has changed");
    here.store.follow(&first, None, Pins { pin: &[first], unpin: &[second] }).unwrap();
    assert_eq!(told(&other), [true; 3]);
    assert_eq!(other.pointer().unwrap(), pointed(first, None, &[first]));
    assert!(matches!(here.store.follow(&absent, None, Pins::default()), Err(ServiceError::NoSuch(_))));
    assert_eq!(told(&other), [false; 3]);
    other.pin(&third, true).unwrap();
    here.store.refresh().unwrap();
    assert_eq!(told(&other), [true; 3], "another process did it");
    here.store.rollback(at(7)).unwrap_err();
    here.store.remove(&second).unwrap();
    assert_eq!(told(&other), [true; 3]);
}
