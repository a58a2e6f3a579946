//! Which snapshots are kept.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use super::collect::{self, Collection};
use super::id::SnapshotId;
use super::store::{Found, Slot, Store};
use super::{GONE, MANIFEST, locked};
use crate::disk;

/// What became of old snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained {
    /// Removed.
    pub removed: Vec<SnapshotId>,
    /// Too old, but being read; the next time will do.
    pub postponed: Vec<SnapshotId>,
    /// What became of the bodies that nothing names any more.
    pub collection: Collection,
}

/// Old snapshots could not be removed.
#[derive(Debug, thiserror::Error)]
#[error("could not remove {}", path.display())]
pub struct RetainError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Whether a snapshot could be removed.
enum Removal {
    Done,
    InUse,
}

impl Store {
    /// Removes the oldest snapshots beyond the `keep` newest good ones (at least one is kept), and then the bodies
    /// that nothing names any more. Never the one in service, nor one that is being read, by any process; nor one
    /// that this version cannot judge. A damaged one goes when it is older than all that are kept.
    ///
    /// # Errors
    /// Of the file system.
    pub fn retain(&self, keep: usize) -> Result<Retained, RetainError> {
        let inner = &self.inner;
        let failed = |path: PathBuf| move |source| RetainError { path, source };
        inner.scan().map_err(failed(inner.dir.clone()))?;
        let mut retained =
            Retained { removed: Vec::new(), postponed: Vec::new(), collection: Collection::default() };
        for id in self.surplus(keep) {
            match self.remove(id).map_err(failed(inner.path_of(id)))? {
                Removal::Done => retained.removed.push(id),
                Removal::InUse => retained.postponed.push(id),
            }
        }
        let collected = collect::collect(&inner.state_dir, &inner.blobs);
        retained.collection = collected.map_err(failed(inner.blobs.root().to_owned()))?;
        Ok(retained)
    }

    /// What is to go.
    fn surplus(&self, keep: usize) -> Vec<SnapshotId> {
        let mut precious: BTreeSet<SnapshotId> =
            self.current().map(|current| current.id()).into_iter().collect();
        if let Found::Pointer(pointer) = self.inner.read_pointer() {
            precious.insert(pointer.id);
        }
        let shelf = locked(&self.inner.shelf);
        let good = |slot: &Slot| matches!(slot, Slot::Good { .. });
        let mut newest = shelf.iter().rev().filter(|(_, slot)| good(slot)).map(|(id, _)| *id);
        let Some(oldest_kept) = newest.by_ref().take(keep.max(1)).last() else { return Vec::new() };
        let old = shelf.range(..oldest_kept).filter(|(id, slot)| match slot {
            Slot::Good { .. } | Slot::Damaged(_) => !precious.contains(id),
            Slot::Unknown(_) => false,
        });
        old.map(|(id, _)| *id).collect()
    }

    /// Removes a snapshot that nobody reads: readers hold a shared lock on its manifest.
    fn remove(&self, id: SnapshotId) -> io::Result<Removal> {
        let inner = &self.inner;
        let place = inner.path_of(id);
        let _alone = match File::open(place.join(MANIFEST)) {
            Ok(manifest) => match manifest.try_lock() {
                Ok(()) => Some(manifest),
                Err(fs::TryLockError::WouldBlock) => return Ok(Removal::InUse),
                Err(fs::TryLockError::Error(e)) => return Err(e),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        let gone = inner.dir.join(format!("{GONE}{id}"));
        disk::remove_tree(&gone)?;
        match disk::rename_durable(&place, &gone) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => disk::remove_tree(&gone)?,
        }
        locked(&inner.shelf).remove(&id);
        Ok(Removal::Done)
    }
}
