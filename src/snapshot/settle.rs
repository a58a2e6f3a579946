//! Where what has come from elsewhere gets its name: the last steps of an adoption, each of which may be the last one of
//! the process.

use std::path::Path;
use std::sync::Arc;

use super::adopt::{AdoptError, Adopted, Adoption};
use super::manifest::Manifest;
use super::marks::{self, Marks};
use super::reader::Snapshot;
use super::retain::Removal;
use super::search::{SEARCH, SearchIndex};
use super::stage_error::StageError;
use super::staging::{NEW, USES};
use super::store::Found;
use super::table::Table;
use super::{CURRENT, FILES, locked};
use crate::disk;

/// Why a snapshot is held that came before anybody has said that it is to serve.
const WAITS: &str = "it came from the store, and waits for the store to say that it is to serve";

impl Adoption {
    /// Puts the snapshot in place.
    pub(super) fn put_in_place(&self, how: Adopted) -> Result<Arc<Snapshot>, AdoptError> {
        let (dir, inner) = (&self.dir, &self.store.inner);
        let at = |source| StageError::io(dir, source);
        let manifest = self.manifest()?;
        // What an earlier attempt has left does not count unless it was found to be what is announced now.
        for name in FILES.iter().filter(|name| !locked(&self.accepted).contains(**name)) {
            disk::remove_file(&dir.join(name)).map_err(at)?;
        }
        self.searches(&manifest)?;
        let none: [&str; 0] = [];
        if how == Adopted::Whole
            && let Some(lacked) = self.missing(&none)?.next()
        {
            let (id, _) = lacked.map_err(|e| self.unusable(e))?;
            return Err(AdoptError::Lacks { id: self.id, what: format!("body {id}") });
        }
        let _no_collection = self.shared.place_bodies()?;
        if how == Adopted::Whole {
            self.stands(&manifest)?;
        }
        disk::remove_tree(&dir.join(NEW)).map_err(at)?;
        marks::arrive(dir, how == Adopted::Arriving).map_err(at)?;
        let moving = inner.moving().map_err(|e| StageError::io(&inner.dir, e))?;
        // A crawl may have taken the name meanwhile, or another process may have mended the one that is there.
        inner.scan().map_err(|e| StageError::io(&inner.dir, e))?;
        if self.store.in_place(self.id)?.is_some() {
            return Err(AdoptError::There(self.id));
        }
        let place = inner.path_of(self.id);
        let pointer = match inner.read_pointer() {
            Found::Pointer(pointer) => Some(pointer),
            Found::Nothing | Found::Damaged | Found::Unread => None,
        };
        let before = Marks::read(&place);
        marks::pin(dir, before.pinned).map_err(at)?;
        let waits = match &pointer {
            Some(pointer) => self.id > pointer.id,
            None => self.store.current().is_none_or(|current| current.id() != self.id),
        };
        match before.held.or_else(|| waits.then(|| vec![WAITS.to_owned()])) {
            Some(reasons) => marks::hold(dir, &reasons),
            None => marks::release(dir),
        }
        .map_err(at)?;
        if place.exists()
            && let Removal::InUse = self.store.remove_one(self.id, &moving).map_err(at)?
        {
            if !before.arriving {
                return Err(AdoptError::InUse(self.id));
            }
            self.mend(&place, how).map_err(at)?;
        } else {
            disk::remove_file(&dir.join(USES)).map_err(at)?;
            disk::sync_dir(dir).map_err(at)?;
            disk::rename_durable(dir, &place).map_err(at)?;
        }
        let opened = inner.open_snapshot(self.id);
        let snapshot = opened.map_err(|source| AdoptError::Manifest { id: self.id, source })?;
        // Its number is given, also when it has gone one day.
        if let Some(pointer) = &pointer {
            let kept = inner.point(pointer.id, pointer.by_hand, self.id);
            kept.map_err(|e| StageError::io(&inner.dir.join(CURRENT), e))?;
        }
        self.store.admit(&snapshot);
        let serves = self.store.current().is_some_and(|current| current.id() == self.id);
        if serves || pointer.is_some_and(|pointer| pointer.id == self.id) {
            self.store.serve(Arc::clone(&snapshot));
        }
        Ok(snapshot)
    }

    /// Its index for search, if it has one, is what its manifest says.
    fn searches(&self, manifest: &Manifest) -> Result<(), AdoptError> {
        let Some(seal) = &manifest.about().search else { return Ok(()) };
        let index = SearchIndex::open(&self.dir.join(SEARCH), seal).and_then(|index| index.damage());
        let damage = index.map_err(|e| self.unusable(e))?.into_iter().next();
        damage.map_or(Ok(()), |damage| Err(self.unusable(damage.into())))
    }

    /// Puts the files in the places of those of one that is damaged, still arriving, and being read, as one that serves
    /// always is. Each of them is whole, the manifest comes last, and who reads the old one has it open.
    fn mend(&self, place: &Path, how: Adopted) -> std::io::Result<()> {
        let came = locked(&self.accepted).clone();
        for name in FILES.iter().rev().filter(|name| came.contains(**name)) {
            disk::rename(&self.dir.join(name), &place.join(name))?;
        }
        disk::sync_dir(place)?;
        if how == Adopted::Whole {
            marks::arrive(place, false)?;
        }
        self.store.inner.blobs.ledger.forget(self.id);
        disk::remove_tree(&self.dir)
    }

    /// Every body lies where it is read from.
    fn stands(&self, manifest: &Arc<Manifest>) -> Result<(), AdoptError> {
        for body in Table::of(manifest) {
            let (id, len) = body.map_err(|e| self.unusable(e))?;
            if self.shared.blobs().len_of(&id) != Some(len) {
                return Err(AdoptError::Lacks { id: self.id, what: format!("body {id}") });
            }
        }
        Ok(())
    }
}
