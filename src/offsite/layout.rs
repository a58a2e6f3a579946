//! What the objects of the store are called, below the prefix that the configuration names. Built here and nowhere else.
//!
//! ```text
//! instances/<name>.json                that an instance lives, and what it sees
//! lease                                who crawls
//! changes                              which sites have a new pointer: a hint
//! clock                                written to read the store's own clock off it
//! garbage                              bodies that nothing names any more, and how far their removal is
//! blobs/ab/abcdef…                     bodies by their BLAKE3 hash, as on the disk
//! wanted/<hash>                        a body that is missing or damaged: who has it puts it there again
//! sites/<site>/current                 which snapshot all instances serve
//! sites/<site>/snapshots/<id>/<file>.<hash>  the files of a snapshot, as on the disk; in former versions without the hash
//! sites/<site>/snapshots/<id>/index.json   written last: with it, the snapshot is whole
//! sites/<site>/pushing/<id>            somebody is writing that snapshot
//! ```

use crate::snapshot::{BlobId, SnapshotId};

/// Where instances say that they live.
pub const INSTANCES: &str = "instances";
/// Who crawls.
pub const LEASE: &str = "lease";
/// Which sites have a new pointer.
pub const CHANGES: &str = "changes";
/// What is being removed.
pub const GARBAGE: &str = "garbage";
/// Written to read the store's own clock off it.
pub const CLOCK: &str = "clock";
/// Where bodies are.
pub const BLOBS: &str = "blobs";
/// Where bodies are named that are missing or damaged.
pub const WANTED: &str = "wanted";
/// Where sites are.
pub const SITES: &str = "sites";

/// What ends a snapshot.
const INDEX: &str = "index.json";

/// That an instance lives.
pub fn instance(name: &str) -> String {
    format!("{INSTANCES}/{name}.json")
}

/// A body.
pub fn blob(id: &BlobId) -> String {
    let id = id.to_string();
    format!("{BLOBS}/{}/{id}", &id[..2])
}

/// The body that has this name; `None`: it is something else.
pub fn blob_of(name: &str) -> Option<BlobId> {
    let id = name.rsplit('/').next()?.parse().ok()?;
    (blob(&id) == name).then_some(id)
}

/// That a body is missing or damaged.
pub fn wanted(id: &BlobId) -> String {
    format!("{WANTED}/{id}")
}

/// The body that a note of this name is about.
pub fn wanted_of(name: &str) -> Option<BlobId> {
    name.strip_prefix(WANTED)?.strip_prefix('/')?.parse().ok()
}

/// All of a site.
pub fn site(site: &str) -> String {
    format!("{SITES}/{site}")
}

/// Which snapshot of a site is in service everywhere.
pub fn pointer(site: &str) -> String {
    format!("{SITES}/{site}/current")
}

/// Where the snapshots of a site are.
pub fn snapshots(site: &str) -> String {
    format!("{SITES}/{site}/snapshots")
}

/// A snapshot's folder.
pub fn snapshot(site: &str, id: &SnapshotId) -> String {
    format!("{SITES}/{site}/snapshots/{id}")
}

/// A file of a snapshot, with the beginning of its hash: of two who write a snapshot of the same name at once, neither puts a file
/// in the other's place. `file` is one of those that snapshots have, never text from elsewhere.
pub fn file(site: &str, id: &SnapshotId, file: &str, blake3: &BlobId) -> String {
    format!("{}.{}", plain_file(site, id, file), &blake3.to_string()[..16])
}

/// The same in former versions.
pub fn plain_file(site: &str, id: &SnapshotId, file: &str) -> String {
    format!("{SITES}/{site}/snapshots/{id}/{file}")
}

/// What makes a snapshot whole.
pub fn index(site: &str, id: &SnapshotId) -> String {
    plain_file(site, id, INDEX)
}

/// Where those are named that are being written.
pub fn intents(site: &str) -> String {
    format!("{SITES}/{site}/pushing")
}

/// That one is being written.
pub fn intent(site: &str, id: &SnapshotId) -> String {
    format!("{SITES}/{site}/pushing/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_documentation() {
        let id: SnapshotId = "20261120T011334Z-000042".parse().unwrap();
        assert_eq!(pointer("shop"), "sites/shop/current");
        assert_eq!(index("shop", &id), "sites/shop/snapshots/20261120T011334Z-000042/index.json");
        let place = snapshot("shop", &id);
        assert_eq!(plain_file("shop", &id, "manifest"), format!("{place}/manifest"));
        let hash = BlobId::of(b"");
        assert_eq!(file("shop", &id, "manifest", &hash), format!("{place}/manifest.af1349b9f5f9a1a6"));
        assert_eq!(intent("shop", &id), "sites/shop/pushing/20261120T011334Z-000042");
        let body = BlobId::of(b"a");
        let name = blob(&body);
        assert_eq!(name, format!("blobs/{}/{body}", &body.to_string()[..2]));
        assert_eq!(blob_of(&name), Some(body));
        for odd in ["blobs/x", &name[6..], &name.to_uppercase(), &format!("{name}/a"), "", "blobs/00/"] {
            assert_eq!(blob_of(odd), None, "{odd}");
        }
    }
}
