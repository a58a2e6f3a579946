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
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use super::blobs::hash_of;
use super::damage::{ManifestError, ReadError};
use super::id::SnapshotId;
use super::incoming::{Incoming, Part};
use super::manifest::Manifest;
use super::page::BlobId;
use super::reader::Snapshot;
use super::resume::{self, ABANDONED};
use super::retain::Removal;
use super::search::{SEARCH, SearchIndex};
use super::service::ServiceError;
use super::stage_error::StageError;
use super::staging::{NEW, Shared, USES};
use super::store::{Found, Store, names_in};
use super::table::{Holdings, Missing, Table};
use super::{ADOPTING, CURRENT, FILES, MANIFEST, locked, marks};
use crate::disk;

/// The file that the lock is taken on, in the site's folder.
const ADOPT_LOCK: &str = "adopt.lock";

/// Larger numbers are not taken over: the numbers that this instance gives must have room above them.
const LARGEST_NUMBER: u64 = 1 << 53;

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
/// several threads. Dropped, it leaves what has come, for the next one.
pub struct Adoption {
    store: Store,
    id: SnapshotId,
    dir: PathBuf,
    shared: Arc<Shared>,
    /// The files that came or were found to be whole.
    accepted: Arc<Mutex<BTreeSet<&'static str>>>,
    /// The manifest, once it was read back.
    manifest: Mutex<Option<Arc<Manifest>>>,
    /// The snapshot, if it is in place already and its bodies are still coming.
    placed: Option<Arc<Snapshot>>,
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
        let placed = match self.try_get(&id) {
            Ok(snapshot) if snapshot.is_arriving() => Some(snapshot),
            Ok(_) => return Err(AdoptError::There(id)),
            Err(ManifestError::Gone | ManifestError::Damaged(_)) => None,
            Err(source @ (ManifestError::Version(_) | ManifestError::Io { .. })) => {
                return Err(AdoptError::Manifest { id, source });
            }
        };
        let dir = inner.dir.join(format!("{ADOPTING}{id}"));
        disk::ensure_dir(&dir.join(NEW)).map_err(io(&dir))?;
        inherit(&inner.dir, &dir).map_err(io(&dir))?;
        let shared = resume::reopen(&dir, Arc::clone(&inner.blobs))?;
        shared.has_room().inspect_err(|_| inner.blobs.ledger.set_full(true))?;
        let (accepted, manifest) = (Arc::default(), Mutex::default());
        let shared = Arc::new(shared);
        Ok(Adoption { store: self.clone(), id, dir, shared, accepted, manifest, placed, _lock: lock })
    }
}

impl Adoption {
    /// Begins one of the files that a snapshot consists of besides its bodies ([`Snapshot::files`]), of which length and
    /// hash are known.
    ///
    /// # Errors
    /// When snapshots have no such file, when the snapshot is in place already, and when the disk is full or failing.
    pub fn file(&self, name: &str, len: u64, hash: BlobId) -> Result<Incoming, AdoptError> {
        if self.placed.is_some() {
            return Err(AdoptError::There(self.id));
        }
        let name = known(name)?;
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
    /// When snapshots have no such file.
    pub fn has_file(&self, name: &str, len: u64, hash: &BlobId) -> Result<bool, AdoptError> {
        let name = known(name)?;
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
        self.shared.place_bodies().map(drop).map_err(AdoptError::from)
    }

    /// Removes what has come, instead of leaving it for the next adoption.
    ///
    /// # Errors
    /// Of the file system.
    pub fn discard(self) -> Result<(), AdoptError> {
        Ok(disk::remove_tree(&self.dir).map_err(|e| StageError::io(&self.dir, e))?)
    }

    /// Puts it in place, durably: bodies, files, name. The pointer stays where it is. When this fails nothing has
    /// changed for anybody, and what has come is left for the next adoption.
    ///
    /// # Errors
    /// When a file, or with [`Adopted::Whole`] a body, is missing; when manifest or index are damaged; when the disk is
    /// full or failing.
    pub fn finish(self, how: Adopted) -> Result<Arc<Snapshot>, AdoptError> {
        let ledger = &self.store.inner.blobs.ledger;
        let done = match &self.placed {
            Some(snapshot) => self.complete(snapshot, how),
            None => self.put_in_place(how),
        };
        match &done {
            Ok(_) => ledger.set_full(false),
            Err(AdoptError::Stage(StageError::Full)) => ledger.set_full(true),
            Err(_) => {}
        }
        done
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

    fn put_in_place(&self, how: Adopted) -> Result<Arc<Snapshot>, AdoptError> {
        let (dir, inner) = (&self.dir, &self.store.inner);
        let at = |source| StageError::io(dir, source);
        let manifest = self.manifest()?;
        // What an earlier attempt has left does not count unless it was found to be what is announced now.
        for name in FILES.iter().filter(|name| !locked(&self.accepted).contains(**name)) {
            disk::remove_file(&dir.join(name)).map_err(at)?;
        }
        if let Some(seal) = &manifest.about().search {
            let index = SearchIndex::open(&dir.join(SEARCH), seal).and_then(|index| index.damage());
            let damage = index.map_err(|e| self.unusable(e))?.into_iter().next();
            damage.map_or(Ok(()), |damage| Err(self.unusable(damage.into())))?;
        }
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
        let place = inner.path_of(self.id);
        if place.exists()
            && let Removal::InUse = self.store.remove_one(self.id, &moving).map_err(at)?
        {
            return Err(AdoptError::InUse(self.id));
        }
        disk::remove_file(&dir.join(USES)).map_err(at)?;
        disk::sync_dir(dir).map_err(at)?;
        disk::rename_durable(dir, &place).map_err(at)?;
        let opened = inner.open_snapshot(self.id);
        let snapshot = opened.map_err(|source| AdoptError::Manifest { id: self.id, source })?;
        // Its number is given, also when it has gone one day.
        let pointed = match inner.read_pointer() {
            Found::Pointer(pointer) => {
                let kept = inner.point(pointer.id, pointer.by_hand, self.id);
                kept.map_err(|e| StageError::io(&inner.dir.join(CURRENT), e))?;
                Some(pointer.id)
            }
            Found::Nothing | Found::Damaged | Found::Unread => None,
        };
        self.store.admit(&snapshot);
        if pointed == Some(self.id) {
            self.store.serve(Arc::clone(&snapshot));
        }
        Ok(snapshot)
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

    /// Where its files are.
    fn place(&self) -> PathBuf {
        match &self.placed {
            Some(_) => self.store.inner.path_of(self.id),
            None => self.dir.clone(),
        }
    }

    /// The manifest, read back whole. One that cannot be used does not stay.
    fn manifest(&self) -> Result<Arc<Manifest>, AdoptError> {
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

    fn unusable(&self, error: ReadError) -> AdoptError {
        match error {
            ReadError::Io { path, source } => StageError::io(&path, source).into(),
            error @ ReadError::Damaged(_) => AdoptError::Manifest { id: self.id, source: error.into() },
        }
    }
}

impl std::fmt::Debug for Adoption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Adoption").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The file of a snapshot with this name.
fn known(name: &str) -> Result<&'static str, AdoptError> {
    FILES.into_iter().find(|known| *known == name).ok_or_else(|| AdoptError::Name(name.to_owned()))
}

/// Whether `name` is that of an adoption's folder.
pub(super) fn is_adoption(name: &str) -> bool {
    name.strip_prefix(ADOPTING).is_some_and(|id| id.parse::<SnapshotId>().is_ok())
}

/// Takes over the bodies that other adoptions have left, and removes the rest of them. Only for the holder of the lock.
fn inherit(site_dir: &Path, dir: &Path) -> std::io::Result<()> {
    for name in names_in(site_dir)?.iter().filter(|name| is_adoption(name)) {
        let left = site_dir.join(name);
        if left == dir {
            continue;
        }
        for body in names_in(&left.join(NEW))? {
            disk::rename(&left.join(NEW).join(&body), &dir.join(NEW).join(&body))?;
        }
        disk::remove_tree(&left)?;
    }
    Ok(())
}

/// Removes what adoptions have left that nobody went on with for long.
pub(super) fn clean(site_dir: &Path, now: SystemTime) {
    let is_old = |name: &String| {
        let touched = |path: PathBuf| fs::metadata(path).and_then(|meta| meta.modified()).ok();
        let dir = site_dir.join(name);
        let last = touched(dir.join(NEW)).max(touched(dir));
        last.is_some_and(|last| now.duration_since(last).is_ok_and(|age| age > ABANDONED))
    };
    let names = names_in(site_dir).unwrap_or_default();
    let old: Vec<String> = names.into_iter().filter(|name| is_adoption(name) && is_old(name)).collect();
    if old.is_empty() {
        return;
    }
    let cleaned = disk::lock_file(&site_dir.join(ADOPT_LOCK)).and_then(|lock| {
        if disk::try_lock(&lock)? {
            old.iter().try_for_each(|name| disk::remove_tree(&site_dir.join(name)))?;
        }
        Ok(())
    });
    if let Err(error) = cleaned {
        tracing::warn!(dir = %site_dir.display(), %error, "could not remove what was left of a snapshot from elsewhere");
    }
}
