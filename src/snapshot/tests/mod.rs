//! Tests of the store as a whole, on real disks.
#![expect(clippy::disallowed_methods, reason = "these tests spoil what is stored")]

mod adopted;
mod adopting;
mod brought;
mod collection;
mod copied;
mod damaged;
mod differing;
mod full;
mod garbage;
mod kept;
mod killed;
mod large;
mod mended;
mod resumed;
mod serving;
mod stored;

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};

use super::*;
use crate::clock::Now;

/// A state directory with one site.
struct Place {
    dir: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "shop").unwrap();
        Place { dir, store }
    }

    /// As after a restart.
    fn reopened(&self) -> Store {
        Store::open(self.dir.path(), "shop").unwrap()
    }

    fn site_dir(&self) -> PathBuf {
        self.dir.path().join("snapshots/shop")
    }

    fn manifest_of(&self, id: SnapshotId) -> PathBuf {
        self.site_dir().join(id.to_string()).join(MANIFEST)
    }

    fn blob_path(&self, id: &BlobId) -> PathBuf {
        let name = id.to_string();
        self.dir.path().join("blobs").join(&name[..2]).join(name)
    }

    fn blob_files(&self) -> usize {
        let folders = std::fs::read_dir(self.dir.path().join("blobs")).unwrap().map(|f| f.unwrap().path());
        folders.filter(|folder| folder.is_dir()).map(|folder| names(&folder).len()).sum()
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Only the newest `count`.
fn newest(count: usize) -> Keep {
    Keep { count, age: None, now: UNIX_EPOCH }
}

/// The wall clock at so many seconds since 1970.
fn at(seconds: u64) -> Now {
    Now { mono: crate::clock::instant(), wall: UNIX_EPOCH + Duration::from_secs(seconds) }
}

fn page(key: &str, body: Option<BlobId>) -> Page {
    Page {
        key: key.to_owned(),
        status: 200,
        headers: vec![(HeaderName::from_static("content-type"), HeaderValue::from_static("text/html"))],
        body,
        len: 0,
        taken_at: UNIX_EPOCH + Duration::from_secs(5),
        class: Class::Page,
        notes: Notes::default(),
    }
}

fn put(staging: &Staging, body: &[u8]) -> BlobId {
    let mut writer = staging.blob();
    for chunk in body.chunks(100_000) {
        writer.write(chunk).unwrap();
    }
    writer.finish().unwrap()
}

fn stage(store: &Store, seconds: u64, pages: &[(&str, &str)]) -> Staging {
    let staging = store.begin(at(seconds), "crawl").unwrap();
    for (key, body) in pages {
        let body = put(&staging, body.as_bytes());
        staging.add(page(key, Some(body))).unwrap();
    }
    staging
}

fn take(store: &Store, seconds: u64, pages: &[(&str, &str)]) -> Arc<Snapshot> {
    stage(store, seconds, pages).publish(at(seconds + 1), &serde_json::json!({ "at": seconds })).unwrap()
}

fn bytes_of(stored: Stored) -> Vec<u8> {
    match stored {
        Stored::Whole(bytes) => bytes.to_vec(),
        Stored::File { file, len } => {
            let mut bytes = vec![0; len as usize];
            file.read_exact_at(&mut bytes, 0).unwrap();
            bytes
        }
    }
}

/// The body of a page that must be there.
fn body_of(snapshot: &Snapshot, key: &str) -> String {
    let page = snapshot.find(key).unwrap().unwrap_or_else(|| panic!("{key} is not in the snapshot"));
    String::from_utf8(bytes_of(snapshot.load(&page).unwrap())).unwrap()
}

fn flip(path: &Path, offset: u64) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 4], offset).unwrap();
}

fn truncate(path: &Path, len: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

fn len_of(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}
