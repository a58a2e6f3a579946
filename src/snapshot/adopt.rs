//! Putting a snapshot in place that another instance has taken: the same name, the same bytes.
//!
//! What has come lies in a folder of its own, with the bodies that are new here, until all of it is here and durable;
//! then the folder appears under the snapshot's name by one rename. It serves when the pointer is moved to it
//! ([`Store::follow`]), and not before. Bodies that are here already are read and claimed, as by a staging, so that the
//! collector leaves them alone. A killed process leaves the folder: the next adoption goes on with what is whole of it,
//! also one of another snapshot, which is likely to have most of the same bodies.
//!
//! An adoption has a lock of its own, one at a time for each site, and not the one of whoever takes a snapshot: it may
//! take hours, and a human may want a crawl meanwhile. They meet only where bodies are claimed and marks are set, each
//! for a moment. A crawl that ends after the pointer has moved finds that, and is held
//! ([`super::Staging::publish_beside`]).

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::blobs::hash_of;
use super::damage::{ManifestError, ReadError};
use super::id::SnapshotId;
use super::incoming::{Incoming, Part};
use super::left::{self, ADOPT_LOCK};
use super::manifest::Manifest;
use super::page::BlobId;
use super::reader::Snapshot;
use super::search::SEARCH;
use super::service::ServiceError;
use super::stage_error::StageError;
use super::staging::{NEW, Shared};
use super::store::Store;
use super::table::{Holdings, Missing};
use super::{ADOPTING, FILES, MANIFEST, locked, resume};
use crate::clock;
use crate::disk;

/// Larger numbers are not taken over: the numbers that this instance gives must have room above them.
const LARGEST_NUMBER: u64 = 1 << 53;

/// The longest manifest, and the longest index for search, in bytes: with less, a site of some million pages has room.
const LONGEST_INDEX: u64 = 4 << 30;

/// The longest of the other files, which are read whole into memory.
const LONGEST_RECORD: u64 = 8 << 20;

/// A snapshot was not put in place. What serves stays.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// Another one is being brought here, by this or another process.
    #[error("a snapshot of this site is being brought here already")]
    Running,
    /// There is nothing to do.
    #[error("snapshot {0} is here already")]
    There(SnapshotId),
    /// Its number leaves no room for later ones.
    #[error("the number of snapshot {0} is too large")]
    Number(SnapshotId),
    /// Snapshots have no file of this name.
    #[error("{0:?} is no file of a snapshot")]
    Name(String),
    /// It would take up the disk, or the memory of whoever reads it.
    #[error("{name} has {len} bytes, and may have {most} at most")]
    Long {
        /// The file.
        name: &'static str,
        /// As it was announced.
        len: u64,
        /// The bound.
        most: u64,
    },
    /// What came is longer, shorter, or other than it was announced.
    #[error("{0} is not what was announced")]
    Unlike(String),
    /// Its manifest, or its index for search, is damaged, or that of another snapshot or site.
    #[error("snapshot {id} cannot be used as it came")]
    Manifest {
        /// Which one.
        id: SnapshotId,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// It is not whole.
    #[error("snapshot {id} lacks {what}")]
    Lacks {
        /// Which one.
        id: SnapshotId,
        /// What.
        what: String,
    },
    /// One of its name is here, is damaged, and is being read.
    #[error("snapshot {0} is being read; try again in a moment")]
    InUse(SnapshotId),
    /// It could not be written.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// Its mark could not be taken away.
    #[error(transparent)]
    Mark(#[from] ServiceError),
}

/// How much of a snapshot is here when it is put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// All of it.
    Whole,
    /// Its files; of its bodies some may be missing, and come later. With [`Store::begin_adoption`] for the same
    /// snapshot, or when they are read ([`Store::bring_from`]).
    Arriving,
}

/// A snapshot on its way to this disk. All functions block; all but [`Adoption::finish`] may be called at once from
/// several threads. Dropped, it leaves what has come, for the next one; not if it has met a full disk.
pub struct Adoption {
    pub(super) store: Store,
    pub(super) id: SnapshotId,
    pub(super) dir: PathBuf,
    pub(super) shared: Arc<Shared>,
    /// The files that came or were found to be whole.
    pub(super) accepted: Arc<Mutex<BTreeSet<&'static str>>>,
    /// The manifest, once it was read back.
    manifest: Mutex<Option<Arc<Manifest>>>,
    /// The snapshot, if it is in place already and its bodies are still coming.
    placed: Option<Arc<Snapshot>>,
    /// Nothing of it is left to be removed.
    ended: bool,
    /// Held until the end: one at a time.
    _lock: File,
}

impl Store {
    /// Begins to bring a snapshot here that another instance has taken, or goes on with that; also for one that is in
    /// place, but still arriving: then only bodies are to come.
    ///
    /// # Errors
    /// One at a time for each site, over all processes; not for one that is here whole; and there must be room on the
    /// disk. One that is here, but cannot be opened, is replaced in the end.
    pub fn begin_adoption(&self, id: SnapshotId) -> Result<Adoption, AdoptError> {
        let inner = &self.inner;
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| StageError::io(&path, source)
        };
        if id.sequence() > LARGEST_NUMBER {
            return Err(AdoptError::Number(id));
        }
        inner.ensure_dirs().map_err(|(path, source)| StageError::io(&path, source))?;
        let path = inner.dir.join(ADOPT_LOCK);
        let lock = disk::lock_file(&path).map_err(io(&path))?;
        if !disk::try_lock(&lock).map_err(io(&path))? {
            return Err(AdoptError::Running);
        }
        inner.scan().map_err(io(&inner.dir))?;
        let placed = self.in_place(id)?;
        left::clean(&inner.dir, clock::now().wall);
        let dir = inner.dir.join(format!("{ADOPTING}{id}"));
        let shared = self.take_up_adoption(&dir).inspect_err(|error| {
            if matches!(error, StageError::Full) {
                inner.blobs.ledger.set_full(true);
                // What earlier ones have left may be what fills the disk.
                drop(left::remove_all(&inner.dir));
                self.owe();
            }
        })?;
        let (accepted, manifest) = (Arc::default(), Mutex::default());
        let shared = Arc::new(shared);
        Ok(Adoption {
            store: self.clone(),
            id,
            dir,
            shared,
            accepted,
            manifest,
            placed,
            ended: false,
            _lock: lock,
        })
    }

    fn take_up_adoption(&self, dir: &Path) -> Result<Shared, StageError> {
        let at = |source| StageError::io(dir, source);
        disk::ensure_dir(&dir.join(NEW)).map_err(at)?;
        left::inherit(&self.inner.dir, dir).map_err(at)?;
        resume::thin_claims(dir, &self.inner.blobs).map_err(at)?;
        let shared = resume::reopen(dir, Arc::clone(&self.inner.blobs))?;
        shared.has_room().map(|()| shared)
    }

    /// The one of this name that is in place, if only bodies of it are to come; none if there is none that can be used.
    pub(super) fn in_place(&self, id: SnapshotId) -> Result<Option<Arc<Snapshot>>, AdoptError> {
        match self.try_get(&id) {
            Ok(snapshot) if !snapshot.is_arriving() => Err(AdoptError::There(id)),
            Ok(snapshot) => match snapshot.manifest().read_back() {
                Ok(()) => Ok(Some(snapshot)),
                // What it lacks would never be known.
                Err(ReadError::Damaged(_)) => Ok(None),
                Err(error @ ReadError::Io { .. }) => Err(AdoptError::Manifest { id, source: error.into() }),
            },
            Err(ManifestError::Gone | ManifestError::Damaged(_)) => Ok(None),
            Err(source @ (ManifestError::Version(_) | ManifestError::Io { .. })) => {
                Err(AdoptError::Manifest { id, source })
            }
        }
    }

    /// There may be bodies that nothing names or claims any more.
    fn owe(&self) {
        if let Some(garbage) = &self.inner.garbage {
            garbage.owe();
        }
    }
}

impl Adoption {
    /// Begins one of the files that a snapshot consists of besides its bodies ([`Snapshot::files`]), of which length and
    /// hash are known.
    ///
    /// # Errors
    /// When snapshots have no such file, or none of this length, when the snapshot is in place already, and when the disk is full or failing.
    pub fn file(&self, name: &str, len: u64, hash: BlobId) -> Result<Incoming, AdoptError> {
        if self.placed.is_some() {
            return Err(AdoptError::There(self.id));
        }
        let name = known(name, len)?;
        if name == MANIFEST {
            *locked(&self.manifest) = None;
        }
        locked(&self.accepted).remove(name);
        let of = (self.id, self.store.site().to_owned());
        Ok(Incoming::file(Part::begin(name, of, &self.shared, &self.accepted)?, hash, len))
    }

    /// Whether an earlier adoption has brought this file already. Reads it.
    ///
    /// # Errors
    /// When snapshots have no such file, or none of this length.
    pub fn has_file(&self, name: &str, len: u64, hash: &BlobId) -> Result<bool, AdoptError> {
        let name = known(name, len)?;
        let path = self.place().join(name);
        let found = File::open(path).and_then(|file| Ok((file.metadata()?.len(), hash_of(&file)?)));
        let is_it = found.is_ok_and(|found| found == (len, *hash));
        if is_it {
            locked(&self.accepted).insert(name);
        }
        Ok(is_it)
    }

    /// The bodies that its manifest names and this disk lacks: those of the pages with the keys `first` before all
    /// others. Those that are here are read, and claimed.
    ///
    /// # Errors
    /// When the manifest has not come yet, is damaged in any part, or is that of another snapshot.
    pub fn missing<K: AsRef<str>>(&self, first: &[K]) -> Result<Missing, AdoptError> {
        let manifest = self.manifest()?;
        Missing::of(&manifest, first, Holdings::Claimed(Arc::clone(&self.shared)))
            .map_err(|e| self.unusable(e))
    }

    /// Begins a body, of which length and hash are known.
    pub fn body(&self, id: BlobId, len: u64) -> Incoming {
        Incoming::body(&self.shared, id, len)
    }

    /// Puts the bodies that have come so far where they are read, durably. Only of use for a snapshot that is in place.
    ///
    /// # Errors
    /// When the disk is full or failing.
    pub fn secure(&self) -> Result<(), AdoptError> {
        self.shared.noted(self.shared.place_bodies()).map(drop).map_err(AdoptError::from)
    }

    /// Removes what has come, instead of leaving it for the next adoption.
    ///
    /// # Errors
    /// Of the file system.
    pub fn discard(self) -> Result<(), AdoptError> {
        disk::remove_tree(&self.dir).map_err(|e| StageError::io(&self.dir, e))?;
        self.store.owe();
        Ok(())
    }

    /// Puts it in place, durably: bodies, files, name. The pointer stays where it is. When this fails nothing has
    /// changed for anybody, and what has come is left for the next adoption.
    ///
    /// # Errors
    /// When a file, or with [`Adopted::Whole`] a body, is missing; when manifest or index are damaged; when the disk is
    /// full or failing.
    pub fn finish(mut self, how: Adopted) -> Result<Arc<Snapshot>, AdoptError> {
        let ledger = &self.store.inner.blobs.ledger;
        let done = match &self.placed {
            Some(snapshot) => self.complete(snapshot, how),
            None => self.put_in_place(how),
        };
        match done {
            Ok(snapshot) => {
                ledger.set_full(false);
                self.ended = true;
                self.store.owe();
                Ok(snapshot)
            }
            Err(AdoptError::Stage(error)) => Ok(self.shared.noted(Err(error))?),
            Err(error) => Err(error),
        }
    }

    /// Of one that is in place: its bodies have come.
    fn complete(&self, snapshot: &Arc<Snapshot>, how: Adopted) -> Result<Arc<Snapshot>, AdoptError> {
        drop(self.shared.place_bodies()?);
        if how == Adopted::Whole && !self.store.arrived(&self.id)? {
            return Err(AdoptError::Lacks { id: self.id, what: "bodies".to_owned() });
        }
        disk::remove_tree(&self.dir).map_err(|e| StageError::io(&self.dir, e))?;
        Ok(Arc::clone(snapshot))
    }

    /// Where its files are.
    fn place(&self) -> PathBuf {
        match &self.placed {
            Some(_) => self.store.inner.path_of(self.id),
            None => self.dir.clone(),
        }
    }

    /// The manifest, read back whole. One that cannot be used does not stay.
    pub(super) fn manifest(&self) -> Result<Arc<Manifest>, AdoptError> {
        if let Some(placed) = &self.placed {
            return Ok(Arc::clone(placed.manifest()));
        }
        let mut known = locked(&self.manifest);
        if let Some(manifest) = &*known {
            return Ok(Arc::clone(manifest));
        }
        if !locked(&self.accepted).contains(MANIFEST) {
            return Err(AdoptError::Lacks { id: self.id, what: "its manifest".to_owned() });
        }
        let path = self.dir.join(MANIFEST);
        let opened = Manifest::open(&path, self.id, self.store.site());
        let read = opened.and_then(|manifest| Ok(manifest.read_back().map(|()| Arc::new(manifest))?));
        match read {
            Ok(manifest) => Ok(Arc::clone(known.insert(manifest))),
            Err(source) => {
                if !matches!(source, ManifestError::Io { .. }) {
                    locked(&self.accepted).remove(MANIFEST);
                    disk::remove_file(&path).map_err(|e| StageError::io(&path, e))?;
                }
                Err(AdoptError::Manifest { id: self.id, source })
            }
        }
    }

    pub(super) fn unusable(&self, error: ReadError) -> AdoptError {
        match error {
            ReadError::Io { path, source } => StageError::io(&path, source).into(),
            error @ ReadError::Damaged(_) => AdoptError::Manifest { id: self.id, source: error.into() },
        }
    }
}

impl Drop for Adoption {
    /// What fills the disk does not stay: it would keep everybody else from writing.
    fn drop(&mut self) {
        if self.ended || !self.shared.is_full() {
            return;
        }
        self.store.inner.blobs.ledger.set_full(true);
        if let Err(error) = disk::remove_tree(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "could not remove a snapshot that had no room");
        }
        self.store.owe();
    }
}

impl std::fmt::Debug for Adoption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Adoption").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The file of a snapshot with this name, which may have this length.
fn known(name: &str, len: u64) -> Result<&'static str, AdoptError> {
    let known = FILES.into_iter().find(|known| *known == name);
    let known = known.ok_or_else(|| AdoptError::Name(name.to_owned()))?;
    let most = if matches!(known, MANIFEST | SEARCH) { LONGEST_INDEX } else { LONGEST_RECORD };
    if len > most { Err(AdoptError::Long { name: known, len, most }) } else { Ok(known) }
}
