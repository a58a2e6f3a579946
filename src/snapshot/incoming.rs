//! A file or body of a snapshot that is being brought here, chunk by chunk. It has its name only when it is what was
//! announced; dropped before, it leaves nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::adopt::AdoptError;
use super::id::SnapshotId;
use super::manifest::Manifest;
use super::page::BlobId;
use super::stage_error::StageError;
use super::staging::{BlobWriter, Shared};
use super::{MANIFEST, locked};
use crate::disk::{self, StagedFile};

/// After how many bytes of a file the room on the disk is looked at again.
const LOOK_EVERY: u64 = 8 << 20;

/// Takes what comes.
pub struct Incoming {
    to: Destination,
    /// What it was announced as.
    id: BlobId,
    len: u64,
    written: u64,
}

enum Destination {
    Body(BlobWriter),
    File(Box<Part>),
}

/// One of the files beside the bodies.
pub(super) struct Part {
    name: &'static str,
    path: PathBuf,
    file: StagedFile,
    hasher: blake3::Hasher,
    looked: u64,
    shared: Arc<Shared>,
    /// Whose it must be, if it is the manifest.
    of: (SnapshotId, String),
    accepted: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Part {
    pub(super) fn begin(
        name: &'static str,
        of: (SnapshotId, String),
        shared: &Arc<Shared>,
        accepted: &Arc<Mutex<BTreeSet<&'static str>>>,
    ) -> Result<Part, StageError> {
        let created = shared
            .has_room()
            .and_then(|()| StagedFile::create(shared.dir()).map_err(|e| StageError::io(shared.dir(), e)));
        let file = shared.noted(created)?;
        let (shared, accepted) = (Arc::clone(shared), Arc::clone(accepted));
        let (path, hasher) = (shared.dir().join(name), blake3::Hasher::new());
        Ok(Part { name, path, file, hasher, looked: 0, shared, of, accepted })
    }

    fn write(&mut self, chunk: &[u8], written: u64) -> Result<(), StageError> {
        let shared = Arc::clone(&self.shared);
        shared.noted(self.try_write(chunk, written))
    }

    fn try_write(&mut self, chunk: &[u8], written: u64) -> Result<(), StageError> {
        if written - self.looked >= LOOK_EVERY {
            self.shared.has_room()?;
            self.looked = written;
        }
        self.hasher.update(chunk);
        self.file.write_all(chunk).map_err(|e| StageError::io(&self.path, e))
    }

    fn finish(self, id: &BlobId) -> Result<(), AdoptError> {
        if BlobId::from(self.hasher.finalize()) != *id {
            return Err(AdoptError::Unlike(self.name.to_owned()));
        }
        let at = |source| AdoptError::Stage(StageError::io(&self.path, source));
        let committed = self.file.commit(&self.path).map_err(|e| StageError::io(&self.path, e));
        self.shared.noted(committed)?;
        if self.name == MANIFEST
            && let Err(source) = Manifest::open(&self.path, self.of.0, &self.of.1)
        {
            disk::remove_file(&self.path).map_err(at)?;
            return Err(AdoptError::Manifest { id: self.of.0, source });
        }
        locked(&self.accepted).insert(self.name);
        Ok(())
    }
}

impl Incoming {
    pub(super) fn body(shared: &Arc<Shared>, id: BlobId, len: u64) -> Incoming {
        Incoming { to: Destination::Body(BlobWriter::new(Arc::clone(shared))), id, len, written: 0 }
    }

    pub(super) fn file(part: Part, id: BlobId, len: u64) -> Incoming {
        Incoming { to: Destination::File(Box::new(part)), id, len, written: 0 }
    }

    fn name(&self) -> String {
        match &self.to {
            Destination::Body(_) => format!("body {}", self.id),
            Destination::File(part) => part.name.to_owned(),
        }
    }

    /// Appends. Blocks.
    ///
    /// # Errors
    /// When more comes than was announced, and when the disk is full or failing.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), AdoptError> {
        self.written += chunk.len() as u64;
        if self.written > self.len {
            return Err(AdoptError::Unlike(self.name()));
        }
        match &mut self.to {
            Destination::Body(writer) => Ok(writer.write(chunk)?),
            Destination::File(part) => Ok(part.write(chunk, self.written)?),
        }
    }

    /// Ends it, and gives it its name. Blocks.
    ///
    /// # Errors
    /// When it is not what was announced, is the manifest of another snapshot, or when the disk is full or failing.
    pub fn finish(self) -> Result<(), AdoptError> {
        let name = self.name();
        if self.written != self.len {
            return Err(AdoptError::Unlike(name));
        }
        match self.to {
            Destination::Body(writer) => match writer.finish_as(&self.id)? {
                true => Ok(()),
                false => Err(AdoptError::Unlike(name)),
            },
            Destination::File(part) => part.finish(&self.id),
        }
    }
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("name", &self.name())
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}
