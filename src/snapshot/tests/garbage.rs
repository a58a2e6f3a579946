//! Whatever a manifest's file holds: no panic, no wrong page, no page lost in silence.

use proptest::prelude::*;

use super::super::manifest::Manifest;
use super::*;

const KEYS: [&str; 3] = ["/", "/a?b=c", "/%E3%81%82"];

/// A manifest with a few pages, to be spoiled, and its id.
fn sample(place: &Place) -> (PathBuf, SnapshotId) {
    let snapshot = take(&place.store, 1, &KEYS.map(|key| (key, key)));
    (place.manifest_of(snapshot.id()), snapshot.id())
}

/// Reads all there is to read.
fn exercise(path: &Path, id: SnapshotId) {
    let Ok(manifest) = Manifest::open(path, id, "shop") else { return };
    for key in KEYS {
        match manifest.find(key) {
            Ok(Some(page)) => {
                assert_eq!((page.key.as_str(), page.body), (key, Some(BlobId::of(key.as_bytes()))))
            }
            Ok(None) => panic!("{key} was lost in silence"),
            Err(ReadError::Damaged(_)) => {}
            Err(other @ ReadError::Io { .. }) => panic!("{other}"),
        }
    }
    assert!(manifest.entries().map(|entry| manifest.record(entry?, None)).count() <= KEYS.len());
    assert!(manifest.blobs().count() <= KEYS.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_spoiled_manifest_never_lies(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..20),
        cut in proptest::option::weighted(0.2, any::<proptest::sample::Index>()),
    ) {
        let place = Place::new();
        let (path, id) = sample(&place);
        let mut bytes = std::fs::read(&path).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        std::fs::write(&path, bytes).unwrap();
        exercise(&path, id);
        let store = place.reopened();
        if store.current().is_some() {
            store.verify(&id).unwrap();
        }
        match store.repair(&id, at(9)) {
            Ok(repaired) => {
                let whole = repaired.snapshot.map_or(id, |made| made.id());
                prop_assert!(store.verify(&whole).unwrap().is_whole());
                let snapshot = store.get(&whole).unwrap();
                for page in snapshot.pages() {
                    let page = page.unwrap();
                    prop_assert!(KEYS.contains(&&*page.key));
                    prop_assert_eq!(bytes_of(snapshot.load(&page).unwrap()), page.key.as_bytes());
                }
            }
            Err(RepairError::Publish(PublishError::Empty) | RepairError::Open { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        store.retain(&newest(1)).unwrap();
    }

    #[test]
    fn garbage_is_no_manifest(bytes in proptest::collection::vec(any::<u8>(), 0..20_000)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest");
        std::fs::write(&path, bytes).unwrap();
        let opened = Manifest::open(&path, SnapshotId::new(UNIX_EPOCH, 1), "shop");
        let refused = matches!(opened, Err(ManifestError::Damaged(Damage::Header)));
        prop_assert!(refused);
    }
}
