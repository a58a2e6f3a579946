//! Which snapshot is in service, and what an operator decides about that: publish, go back, pin, remove.

use crate::failure::chain;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::damage::ManifestError;
use super::id::SnapshotId;
use super::marks;
use super::pointer::Pointer;
use super::reader::Snapshot;
use super::retain::Removal;
use super::store::{Found, Inner, OpenError, Slot, Store};
use super::{CURRENT, locked};
use crate::clock::Now;
use crate::descriptors;
use crate::disk;

/// The request could not be carried out. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// There is none of this name.
    #[error("there is no snapshot {0}; `katahai snapshot list` shows those that are there")]
    NoSuch(SnapshotId),
    /// It cannot be served.
    #[error("snapshot {id} cannot be read, so it was not put in service")]
    Unreadable {
        /// Which one.
        id: SnapshotId,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// There is nothing to go back to.
    #[error("there is no good snapshot older than the one in service")]
    NothingOlder,
    /// The one in service is not removed.
    #[error("snapshot {0} is in service; put another one in service first")]
    InService(SnapshotId),
    /// A pinned one is not removed.
    #[error("snapshot {0} is pinned; unpin it first")]
    Pinned(SnapshotId),
    /// One that is being read is not removed.
    #[error("snapshot {0} is being read; try again in a moment")]
    InUse(SnapshotId),
    /// The file system.
    #[error("could not write to {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Keeps all other movers away: threads of this process, and other processes.
pub(super) struct Moving<'a> {
    inner: &'a Inner,
    _here: MutexGuard<'a, ()>,
    _everywhere: File,
}

impl Drop for Moving<'_> {
    /// Whatever was moved or marked: this is the one place that all come by.
    fn drop(&mut self) {
        self.inner.tell();
    }
}

impl Inner {
    /// To be held while the pointer is read and moved, marks are set, and snapshots removed.
    pub(super) fn moving(&self) -> io::Result<Moving<'_>> {
        let here = locked(&self.moving);
        self.ensure_dirs().map_err(|(_, error)| error)?;
        let everywhere = marks::lock(&self.dir)?;
        Ok(Moving { inner: self, _here: here, _everywhere: everywhere })
    }

    /// Moves the pointer, durably. The numbers that were given, `given`'s among them, are not given again.
    pub(super) fn point(&self, id: SnapshotId, by_hand: Option<u64>, given: SnapshotId) -> io::Result<()> {
        let last = self.last_number().max(id.sequence()).max(given.sequence());
        let pointer = Pointer { id, last, by_hand };
        disk::write_atomic(&self.dir.join(CURRENT), pointer.encode().as_bytes())
    }

    /// The highest number that was ever given, as far as the disk remembers.
    pub(super) fn last_number(&self) -> u64 {
        let on_shelf = locked(&self.shelf).keys().next_back().map_or(0, SnapshotId::sequence);
        let pointed = match self.read_pointer() {
            Found::Pointer(pointer) => pointer.last.max(pointer.id.sequence()),
            Found::Nothing | Found::Damaged | Found::Unread => 0,
        };
        on_shelf.max(pointed)
    }
}

impl Store {
    /// Records what other processes have published, decided or removed since. Blocks, for a few small reads.
    ///
    /// # Errors
    /// When the folder cannot be read; what was in service stays.
    pub fn refresh(&self) -> Result<(), OpenError> {
        let inner = &self.inner;
        let _here = locked(&inner.moving);
        inner.scan().map_err(|source| OpenError::Io { path: inner.dir.clone(), source })?;
        if let Some(snapshot) = self.choose() {
            self.serve(snapshot);
        }
        inner.tell();
        Ok(())
    }

    /// What is to be in service: what the pointer says, or, when that cannot be, the newest good one that is not
    /// newer; what is newer may have been set aside on purpose.
    fn choose(&self) -> Option<Arc<Snapshot>> {
        let inner = &self.inner;
        let (chosen, why) = match inner.read_pointer() {
            Found::Pointer(pointer) => match self.try_get(&pointer.id) {
                Ok(snapshot) => return Some(snapshot),
                Err(ManifestError::Io { source, .. }) if descriptors::is_want(&source) => {
                    return self.current();
                }
                Err(error) => {
                    let older = self.newest_good(Some(&pointer.id)).or_else(|| self.newest_good(None));
                    (older, format!("snapshot {} cannot be read: {}", pointer.id, chain(&error)))
                }
            },
            Found::Nothing => (self.newest_good(None), "there is no pointer".to_owned()),
            Found::Unread => return self.current().or_else(|| self.newest_good(None)),
            Found::Damaged => (self.newest_good(None), "the pointer is damaged".to_owned()),
        };
        let chosen = chosen?;
        if self.current().is_none_or(|current| current.id() != chosen.id()) {
            tracing::warn!(site = inner.site, id = %chosen.id(), why, "putting the newest good snapshot in service");
        }
        Some(chosen)
    }

    /// The newest snapshot that can be read and is not held, before `than` if that is given; one that is still arriving
    /// only where there is no whole one.
    fn newest_good(&self, than: Option<&SnapshotId>) -> Option<Arc<Snapshot>> {
        let ids = self.eligible(than);
        let mut arriving = None;
        let whole = ids.iter().filter_map(|id| self.get(id)).find(|snapshot| {
            let is_whole = !snapshot.is_arriving();
            if !is_whole && arriving.is_none() {
                arriving = Some(Arc::clone(snapshot));
            }
            is_whole
        });
        whole.or(arriving)
    }

    /// The snapshots that may serve by themselves, newest first, before `than` if that is given.
    pub(super) fn eligible(&self, than: Option<&SnapshotId>) -> Vec<SnapshotId> {
        let shelf = locked(&self.inner.shelf);
        let may = shelf.iter().rev().filter(|(id, slot)| match slot {
            Slot::Good { summary, .. } => summary.held.is_none() && than.is_none_or(|than| *id < than),
            Slot::Damaged(_) | Slot::Unknown(_) => than.is_none_or(|than| *id < than),
        });
        may.map(|(id, _)| *id).collect()
    }

    /// Adds a snapshot to the shelf.
    pub(super) fn admit(&self, snapshot: &Arc<Snapshot>) {
        let slot = Slot::Good { summary: Box::new(snapshot.summary()), open: Arc::downgrade(snapshot) };
        locked(&self.inner.shelf).insert(snapshot.id(), slot);
        self.inner.moved.notify_one();
    }

    /// From now on, in this process.
    pub(super) fn serve(&self, snapshot: Arc<Snapshot>) {
        snapshot.put_in_service(true);
        let before = self.inner.current.swap(Some(Arc::clone(&snapshot)));
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, &snapshot)) {
            before.put_in_service(false);
        }
        self.inner.moved.notify_one();
    }

    /// Puts a snapshot in service at the operator's request, atomically, even if it is older or held; it is no longer held
    /// then. `by_hand` says whether automatic publication pauses: with a time, as for one that is older than the newest, new
    /// snapshots are held from then on until this is called again without one. Other processes see it when they
    /// [`Store::refresh`].
    ///
    /// # Errors
    /// When there is no such snapshot, or it cannot be read or the pointer not be written: then nothing changes.
    pub fn put_in_service(
        &self,
        id: &SnapshotId,
        by_hand: Option<Now>,
    ) -> Result<Arc<Snapshot>, ServiceError> {
        let _moving = self.begin_to_move()?;
        self.move_to(id, by_hand.map(Now::unix))
    }

    /// Goes back to the newest good snapshot that is older than the one in service, and holds new ones from then on
    /// until the operator publishes one ([`Store::put_in_service`]).
    ///
    /// # Errors
    /// When there is none, or the pointer cannot be written: then nothing changes.
    pub fn rollback(&self, now: Now) -> Result<Arc<Snapshot>, ServiceError> {
        let _moving = self.begin_to_move()?;
        let from = match self.inner.read_pointer() {
            Found::Pointer(pointer) => Some(pointer.id),
            Found::Nothing | Found::Damaged | Found::Unread => self.current().map(|current| current.id()),
        };
        let older = from.and_then(|from| self.newest_good(Some(&from))).ok_or(ServiceError::NothingOlder)?;
        self.move_to(&older.id(), Some(now.unix()))
    }

    /// Since when new snapshots are held because an operator went back by hand. `None`: they go in service when they
    /// pass the gate. Reads the pointer's file.
    pub fn is_by_hand(&self) -> Option<SystemTime> {
        match self.inner.read_pointer() {
            Found::Pointer(pointer) => {
                UNIX_EPOCH.checked_add(Duration::from_secs(pointer.by_hand?)).or(Some(UNIX_EPOCH))
            }
            Found::Nothing | Found::Damaged | Found::Unread => None,
        }
    }

    /// Keeps a snapshot from ever being removed, or no longer.
    ///
    /// # Errors
    /// When there is no such snapshot, or the mark cannot be written.
    pub fn pin(&self, id: &SnapshotId, pinned: bool) -> Result<(), ServiceError> {
        let _moving = self.begin_to_move()?;
        let place = self.known(id)?;
        marks::pin(&place, pinned).map_err(|source| ServiceError::Io { path: place, source })?;
        self.scan()
    }

    /// Removes a snapshot for good. What only it needs of bodies goes with the next [`Store::retain`].
    ///
    /// # Errors
    /// The one in service, a pinned one, and one that is being read stay.
    pub fn remove(&self, id: &SnapshotId) -> Result<(), ServiceError> {
        let moving = self.begin_to_move()?;
        let place = self.known(id)?;
        if self.in_service().contains(id) {
            return Err(ServiceError::InService(*id));
        }
        if marks::Marks::read(&place).pinned {
            return Err(ServiceError::Pinned(*id));
        }
        match self.remove_one(*id, &moving) {
            Ok(Removal::Done) => Ok(()),
            Ok(Removal::InUse) => Err(ServiceError::InUse(*id)),
            Err(source) => Err(ServiceError::Io { path: place, source }),
        }
    }

    /// What is in service: in this process, and as the pointer says.
    pub(super) fn in_service(&self) -> Vec<SnapshotId> {
        let mut ids: Vec<SnapshotId> = self.current().map(|current| current.id()).into_iter().collect();
        if let Found::Pointer(pointer) = self.inner.read_pointer() {
            ids.push(pointer.id);
        }
        ids
    }

    pub(super) fn begin_to_move(&self) -> Result<Moving<'_>, ServiceError> {
        let inner = &self.inner;
        let moving = inner
            .moving()
            .map_err(|source| ServiceError::Io { path: inner.dir.join(marks::MARKS_LOCK), source })?;
        self.scan()?;
        Ok(moving)
    }

    pub(super) fn scan(&self) -> Result<(), ServiceError> {
        let inner = &self.inner;
        inner.scan().map_err(|source| ServiceError::Io { path: inner.dir.clone(), source })
    }

    /// The folder of a snapshot, if there is one of this name.
    pub(super) fn known(&self, id: &SnapshotId) -> Result<PathBuf, ServiceError> {
        let known = locked(&self.inner.shelf).contains_key(id);
        known.then(|| self.inner.path_of(*id)).ok_or(ServiceError::NoSuch(*id))
    }

    pub(super) fn move_to(
        &self,
        id: &SnapshotId,
        by_hand: Option<u64>,
    ) -> Result<Arc<Snapshot>, ServiceError> {
        let inner = &self.inner;
        let place = self.known(id)?;
        let snapshot = self.try_get(id).map_err(|source| ServiceError::Unreadable { id: *id, source })?;
        inner
            .point(*id, by_hand, *id)
            .map_err(|source| ServiceError::Io { path: inner.dir.join(CURRENT), source })?;
        self.serve(Arc::clone(&snapshot));
        // The pointer has the word already; should this fail, `retain` does it.
        if let Err(error) = self.release(*id) {
            tracing::warn!(place = %place.display(), error = %error, "could not clear the hold on a snapshot");
        }
        Ok(snapshot)
    }

    /// What is in service is not held.
    pub(super) fn release(&self, id: SnapshotId) -> io::Result<()> {
        marks::release(&self.inner.path_of(id))?;
        self.inner.scan()
    }
}
