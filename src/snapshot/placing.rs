//! New bodies on their way from a staging's, or adoption's, own folder to where all are.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;

use super::blobs::Blobs;
use super::locked;
use super::page::BlobId;
use super::stage_error::StageError;
use super::staging::{NEW, Shared};
use crate::disk;

impl Shared {
    /// Syncs the bodies that no earlier call has synced. What is written meanwhile is left to the next call.
    pub(super) fn sync(&self) -> Result<(), StageError> {
        let _placing = locked(&self.placing);
        self.sync_new()
    }

    /// As [`Shared::sync`], for who places bodies.
    fn sync_new(&self) -> Result<(), StageError> {
        let (new, from) = {
            let used = locked(&self.used);
            (used.new[used.synced..].to_vec(), used.synced)
        };
        let files = new.iter().map(|id| self.dir().join(NEW).join(id.to_string()));
        self.syncer.files(new.len(), files).map_err(|source| StageError::io(self.dir(), source))?;
        locked(&self.used).synced = from + new.len();
        Ok(())
    }

    /// Moves the new bodies to where all are, durably, and claims them; from one thread at a time. Those that come meanwhile
    /// are left to the next call. Returns the lock that keeps the collector away.
    pub(super) fn place_bodies(&self) -> Result<File, StageError> {
        let at = |source| StageError::io(self.dir(), source);
        let _placing = locked(&self.placing);
        self.sync_new()?;
        let new = {
            let used = locked(&self.used);
            used.new[..used.synced].to_vec()
        };
        let staged = |id: &BlobId| self.dir().join(NEW).join(id.to_string());
        let lock = disk::lock_file(&Blobs::lock_path(self.blobs().root())).map_err(at)?;
        lock.lock_shared().map_err(at)?;
        let claimed: Vec<u8> = new.iter().flat_map(|id| *id.as_bytes()).collect();
        locked(&self.used).journal.append(&claimed).map_err(at)?;
        let mut folders = BTreeSet::new();
        for id in &new {
            let path = self.blobs().path(id);
            if let Some(folder) = path.parent().filter(|folder| !folders.contains(*folder)) {
                disk::ensure_dir(folder).map_err(at)?;
                folders.insert(folder.to_owned());
            }
            match disk::rename(&staged(id), &path) {
                // An earlier call came as far as this, and no further.
                Err(e) if e.kind() == io::ErrorKind::NotFound && self.blobs().len_of(id).is_some() => {}
                renamed => renamed.map_err(at)?,
            }
        }
        for folder in &folders {
            disk::sync_dir(folder).map_err(at)?;
        }
        // Only now: should it have failed before, the next call does it again.
        let mut used = locked(&self.used);
        used.new.drain(..new.len());
        used.synced -= new.len();
        drop(used);
        self.blobs().rewritten(&new);
        Ok(lock)
    }
}
