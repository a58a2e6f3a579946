//! Which snapshots are kept.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::collect::{self, Collection};
use super::id::SnapshotId;
use super::marks::Marks;
use super::service::Moving;
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

/// What is kept besides what is in service or pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// How many of the newest good snapshots; at least one is.
    pub count: usize,
    /// Only while they are not older than this; the newest good one stays all the same.
    pub age: Option<Duration>,
    /// The wall clock.
    pub now: SystemTime,
}

/// How many of the newest held snapshots are kept.
const HELD: usize = 2;

/// How many of the newest arriving snapshots are kept.
const ARRIVING: usize = 2;

/// Whether a snapshot could be removed.
pub(super) enum Removal {
    Done,
    InUse,
}

impl Store {
    /// Removes the oldest snapshots beyond what `keep` says, and all but the two newest of those that are held,
    /// and of those that are still arriving, and then the bodies that nothing names any more (where the process collects for all sites together, soon). Never the one in service, a pinned one, nor one that is being
    /// read, by any process; nor one that this version cannot judge. A damaged one goes when it is older than all
    /// that are kept.
    ///
    /// # Errors
    /// Of the file system.
    pub fn retain(&self, keep: &Keep) -> Result<Retained, RetainError> {
        let inner = &self.inner;
        let failed = |path: PathBuf| move |source| RetainError { path, source };
        let mut retained =
            Retained { removed: Vec::new(), postponed: Vec::new(), collection: Collection::default() };
        {
            let moving = inner.moving().map_err(failed(inner.dir.clone()))?;
            inner.scan().map_err(failed(inner.dir.clone()))?;
            if let Found::Pointer(pointer) = inner.read_pointer()
                && Marks::read(&inner.path_of(pointer.id)).held.is_some()
            {
                self.release(pointer.id).map_err(failed(inner.path_of(pointer.id)))?;
            }
            for id in self.surplus(keep) {
                match self.remove_one(id, &moving).map_err(failed(inner.path_of(id)))? {
                    Removal::Done => retained.removed.push(id),
                    Removal::InUse => retained.postponed.push(id),
                }
            }
        }
        if let Some(garbage) = &inner.garbage {
            garbage.owe();
            retained.collection = Collection::Owed;
            return Ok(retained);
        }
        let collected = collect::collect(&inner.state_dir, &inner.blobs);
        retained.collection = collected.map_err(failed(inner.blobs.root().to_owned()))?;
        Ok(retained)
    }

    /// What is to go.
    fn surplus(&self, keep: &Keep) -> Vec<SnapshotId> {
        let in_service = self.in_service();
        let shelf = locked(&self.inner.shelf);
        let is_old = |taken_at: SystemTime| {
            keep.age.is_some_and(|age| keep.now.duration_since(taken_at).is_ok_and(|old| old > age))
        };
        let (mut good, mut held, mut arriving) = (0, 0, 0);
        let mut oldest_kept = None;
        let mut surplus = Vec::new();
        for (id, slot) in shelf.iter().rev() {
            let goes = match slot {
                // Not counted: it does not take the place of a whole one, and is not needed beside a newer one. But those
                // that never arrive do not pile up.
                Slot::Good { summary, .. } if summary.arriving => {
                    arriving += 1;
                    good > 0 || arriving > ARRIVING
                }
                Slot::Good { summary, .. } if summary.held.is_some() => {
                    held += 1;
                    held > HELD || is_old(summary.taken_at)
                }
                Slot::Good { summary, .. } => {
                    good += 1;
                    let goes = good > 1 && (good > keep.count || is_old(summary.taken_at));
                    oldest_kept = if goes { oldest_kept } else { Some(*id) };
                    goes
                }
                Slot::Damaged(_) | Slot::Unknown(_) => false,
            };
            if goes {
                surplus.push(*id);
            }
        }
        if let Some(oldest_kept) = oldest_kept {
            let damaged = shelf.range(..oldest_kept).filter(|(_, slot)| matches!(slot, Slot::Damaged(_)));
            surplus.extend(damaged.map(|(id, _)| *id));
        }
        surplus.retain(|id| !in_service.contains(id) && !Marks::read(&self.inner.path_of(*id)).pinned);
        surplus.sort_unstable();
        surplus
    }

    /// Removes a snapshot that nobody reads: readers hold a shared lock on its manifest.
    pub(super) fn remove_one(&self, id: SnapshotId, _moving: &Moving<'_>) -> io::Result<Removal> {
        let inner = &self.inner;
        let place = inner.path_of(id);
        let _alone = match File::open(place.join(MANIFEST)) {
            Ok(manifest) => match disk::try_lock(&manifest)? {
                true => Some(manifest),
                false => return Ok(Removal::InUse),
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
        inner.blobs.ledger.forget(id);
        Ok(Removal::Done)
    }
}
