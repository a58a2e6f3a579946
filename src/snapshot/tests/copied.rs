//! A published snapshot is read to the last byte, and stays while it is.

use std::io::Read as _;

use super::adopted::{LARGE, There};
use super::*;

#[test]
fn all_files_and_bodies_are_told_and_marks_are_none_of_them() {
    let there = There::new();
    there.place.store.pin(&there.snapshot.id(), true).unwrap();
    let files = there.snapshot.files().unwrap();
    let named: Vec<&str> = files.iter().map(|file| file.name).collect();
    assert_eq!(
        named,
        ["manifest", "search", "report.json", "character.json", "addresses.json", "forms.json"]
    );
    assert!(there.snapshot.open_file("pinned").is_err());
    let table: Vec<(BlobId, u64)> = there.snapshot.table().map(Result::unwrap).collect();
    let blobs: Vec<(BlobId, u64)> = there.snapshot.blobs().map(Result::unwrap).collect();
    assert_eq!((table.len(), &table), (3, &blobs));
    // More than one block of the table.
    let pages: Vec<(String, String)> = (0..250).map(|n| (format!("/{n}"), format!("body {n}"))).collect();
    let pages: Vec<(&str, &str)> = pages.iter().map(|(key, body)| (key.as_str(), body.as_str())).collect();
    let many = take(&there.place.store, 200, &pages);
    assert_eq!(many.table().count(), 250);
    assert!(many.table().map(Result::unwrap).eq(many.blobs().map(Result::unwrap)));
}

#[test]
fn a_body_that_is_not_what_was_written_is_never_read_to_its_end() {
    let there = There::new();
    let large = there.snapshot.find("/large").unwrap().unwrap();
    let (id, len) = (large.body.unwrap(), large.len);
    let mut bytes = Vec::new();
    there.snapshot.body(&id, len).unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!((bytes.len(), BlobId::of(&bytes)), (LARGE, id));
    flip(&there.place.blob_path(&id), 1_000_000);
    bytes.clear();
    let mut reader = there.snapshot.body(&id, len).unwrap();
    assert_eq!(reader.read_to_end(&mut bytes).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    assert!(bytes.len() < LARGE);
    assert!(reader.read(&mut [0; 10]).is_err(), "nor by asking again");
    assert_eq!(there.place.store.trouble()[0].code(), "damaged");
    truncate(&there.place.blob_path(&id), 10);
    assert!(matches!(there.snapshot.body(&id, len), Err(ReadError::Damaged(_))));
    std::fs::remove_file(there.place.blob_path(&id)).unwrap();
    assert!(matches!(there.snapshot.body(&id, len), Err(ReadError::Damaged(_))));
}

#[test]
fn damaged_files_are_not_carried_elsewhere() {
    for (name, place) in [(MANIFEST, 4100), ("search", 5000)] {
        let there = There::new();
        flip(&there.place.site_dir().join(there.snapshot.id().to_string()).join(name), place);
        assert!(matches!(there.snapshot.files(), Err(ReadError::Damaged(_))), "{name}");
    }
}

#[test]
fn what_is_being_read_is_not_removed() {
    let place = Place::new();
    let table = take(&place.store, 1, &[("/", "old")]).table();
    let id = take(&place.store, 2, &[("/", "two")]);
    let reader = id.body(&BlobId::of(b"two"), 3).unwrap();
    drop(id);
    take(&place.store, 3, &[("/", "three")]);
    for store in [&place.store, &place.reopened()] {
        assert_eq!(store.retain(&newest(1)).unwrap().postponed.len(), 2);
    }
    drop((table, reader));
    assert_eq!(place.store.retain(&newest(1)).unwrap().removed.len(), 2);
}
