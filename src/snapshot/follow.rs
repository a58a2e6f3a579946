//! What is in service on somebody else's word: an instance that takes over what another one has decided.

use std::io;
use std::sync::Arc;

use super::CURRENT;
use super::id::SnapshotId;
use super::marks::{self, Marks};
use super::reader::Snapshot;
use super::service::ServiceError;
use super::store::{Found, Store, names_in};

/// What has been decided about a site's snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointed {
    /// Which one is to be in service.
    pub id: SnapshotId,
    /// Since when an operator has the word and new ones are held, in seconds since 1970.
    pub by_hand: Option<u64>,
    /// Those that are never removed, sorted.
    pub pinned: Vec<SnapshotId>,
}

/// Which snapshots are to be pinned, and which no longer. Those that are not here are passed over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pins<'a> {
    /// From now on.
    pub pin: &'a [SnapshotId],
    /// No longer.
    pub unpin: &'a [SnapshotId],
}

impl Store {
    /// What has been decided, as the disk says. `None`: nothing, or it cannot be told because the pointer is damaged
    /// ([`Store::trouble`]). Blocks, for a few small reads.
    ///
    /// # Errors
    /// When it cannot be looked at just now, which says nothing about it.
    pub fn pointer(&self) -> Result<Option<Pointed>, ServiceError> {
        let inner = &self.inner;
        let failed = |path, source| ServiceError::Io { path, source };
        let pointer = match inner.read_pointer() {
            Found::Pointer(pointer) => pointer,
            Found::Nothing | Found::Damaged => return Ok(None),
            Found::Unread => return Err(failed(inner.dir.join(CURRENT), crate::descriptors::want())),
        };
        let names = names_in(&inner.dir).map_err(|source| failed(inner.dir.clone(), source))?;
        let ids = names.iter().filter_map(|name| name.parse::<SnapshotId>().ok());
        let mut pinned: Vec<SnapshotId> = ids.filter(|id| Marks::read(&inner.path_of(*id)).pinned).collect();
        pinned.sort_unstable();
        Ok(Some(Pointed { id: pointer.id, by_hand: pointer.by_hand, pinned }))
    }

    /// Puts a snapshot in service on somebody else's word, atomically, also one that is still arriving, and sets pins.
    /// `by_hand` is theirs, too, and not the clock's here: since when an operator has the word, in seconds since 1970.
    ///
    /// # Errors
    /// When there is no such snapshot, or it cannot be read: then nothing changes. When the disk fails: of the pins
    /// that are set before the pointer is moved, and of those that are taken away after that, some may be.
    pub fn follow(
        &self,
        id: &SnapshotId,
        by_hand: Option<u64>,
        pins: Pins<'_>,
    ) -> Result<Arc<Snapshot>, ServiceError> {
        let _moving = self.begin_to_move()?;
        let source = |source| ServiceError::Unreadable { id: *id, source };
        self.known(id)?;
        let snapshot = self.try_get(id).map_err(source)?;
        self.set_pins(pins.pin, true)?;
        let is_so = match self.inner.read_pointer() {
            Found::Pointer(pointer) => pointer.id == *id && pointer.by_hand == by_hand,
            Found::Nothing | Found::Damaged | Found::Unread => false,
        };
        let serves = self.current().is_some_and(|current| current.id() == *id);
        if !is_so || !serves || snapshot.summary().held.is_some() {
            self.move_to(id, by_hand)?;
        }
        self.set_pins(pins.unpin, false)?;
        self.scan()?;
        Ok(snapshot)
    }

    fn set_pins(&self, ids: &[SnapshotId], pinned: bool) -> Result<(), ServiceError> {
        for id in ids {
            let place = self.inner.path_of(*id);
            if !place.is_dir() || Marks::read(&place).pinned == pinned {
                continue;
            }
            let set: io::Result<()> = marks::pin(&place, pinned);
            set.map_err(|source| ServiceError::Io { path: place, source })?;
        }
        Ok(())
    }
}
