//! The snapshots of one site.

use crate::failure::chain;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use super::blobs::Blobs;
use super::changes::Changes;
use super::damage::ManifestError;
use super::garbage::Garbage;
use super::id::SnapshotId;
use super::marks::Marks;
use super::page::Page;
use super::pointer::{self, Pointer};
use super::reader::{Snapshot, Summary};
use super::{ADDRESSES, BLOBS, CHARACTER, CURRENT, FORMS, REPORT, SNAPSHOTS, locked};
use crate::descriptors;
use crate::disk;

/// All snapshots of a site. Clones are the same store.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) site: String,
    pub(super) state_dir: PathBuf,
    pub(super) dir: PathBuf,
    pub(super) blobs: Arc<Blobs>,
    /// Who removes unused bodies for all sites of the process; `None`: each does, at once.
    pub(super) garbage: Option<Arc<Garbage>>,
    pub(super) current: ArcSwapOption<Snapshot>,
    pub(super) shelf: Mutex<BTreeMap<SnapshotId, Slot>>,
    /// Wakes whoever waits for another snapshot in service, or on the shelf.
    pub(super) moved: Notify,
    /// Tells everybody who watches it, of more than that.
    pub(super) changes: Changes,
    /// Where the verification of the snapshot in service goes on.
    pub(super) scrub: Mutex<Option<u128>>,
    /// Held while what is in service is chosen or changed.
    pub(super) moving: Mutex<()>,
}

/// A snapshot that is newer than the one in service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newer {
    /// Its name.
    pub id: SnapshotId,
    /// Why it is held; `None`: it was in service once.
    pub held: Option<Vec<String>>,
}

/// What is known of a snapshot on the disk.
#[derive(Debug)]
pub(super) enum Slot {
    /// It can be opened; whoever reads it shares it. Boxed: a tree makes room for eleven at once, and many a site has one.
    Good { summary: Box<Summary>, open: Weak<Snapshot> },
    /// It is damaged.
    Damaged(String),
    /// It could not be opened for a reason that says nothing about it: no rights, or a later format.
    Unknown(String),
}

/// A store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The site's name cannot be a file name. Configuration never lets such a name through.
    #[error("{0:?} cannot be the name of a site")]
    Name(String),
    /// The file system.
    #[error("could not open {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The names of all sites that have snapshots in this state directory, sorted.
///
/// # Errors
/// Of the file system; a state directory without snapshots is none.
pub fn sites(state_dir: &Path) -> io::Result<Vec<String>> {
    let mut sites = names_in(&state_dir.join(SNAPSHOTS))?;
    sites.retain(|name| is_site_name(name) && state_dir.join(SNAPSHOTS).join(name).is_dir());
    sites.sort();
    Ok(sites)
}

impl Store {
    /// Opens the store of a site, makes its folders, removes what dead processes left half done, and finds the
    /// snapshot that is in service. A disk that cannot be written to is no obstacle as long as the folders are there.
    ///
    /// # Errors
    /// When the folders cannot be made or read. A damaged snapshot or pointer is none: the newest good snapshot is
    /// then in service, and a warning says so.
    pub fn open(state_dir: &Path, site: &str) -> Result<Store, OpenError> {
        Store::at(state_dir, site, None)?.ready()
    }

    /// The same in a process with many sites: unused bodies are removed for all of them together, and a site's folder is made
    /// by its first crawl. Making ten thousand of them, one after the other, took half of the time of a first start.
    ///
    /// # Errors
    /// See [`Store::open`].
    pub fn open_among(state_dir: &Path, site: &str, garbage: &Arc<Garbage>) -> Result<Store, OpenError> {
        let store = Store::at(state_dir, site, Some(Arc::clone(garbage)))?;
        if store.inner.dir.exists() {
            return store.ready();
        }
        let io = |path: &Path, source| OpenError::Io { path: path.to_owned(), source };
        for dir in [store.inner.blobs.root(), &state_dir.join(SNAPSHOTS)] {
            disk::ensure_dir(dir).and_then(|()| disk::check_writable(dir)).map_err(|e| io(dir, e))?;
        }
        Ok(store)
    }

    fn ready(self) -> Result<Store, OpenError> {
        self.inner.ensure_dirs().map_err(|(path, source)| OpenError::Io { path, source })?;
        self.clean_if_unused();
        self.refresh()?;
        Ok(self)
    }

    /// Opens the store of a site without writing anything, for commands that only look.
    ///
    /// # Errors
    /// When the folders cannot be read.
    pub fn look(state_dir: &Path, site: &str) -> Result<Store, OpenError> {
        let store = Store::at(state_dir, site, None)?;
        store.refresh()?;
        Ok(store)
    }

    fn at(state_dir: &Path, site: &str, garbage: Option<Arc<Garbage>>) -> Result<Store, OpenError> {
        if !is_site_name(site) {
            return Err(OpenError::Name(site.to_owned()));
        }
        let inner = Inner {
            site: site.to_owned(),
            state_dir: state_dir.to_owned(),
            dir: state_dir.join(SNAPSHOTS).join(site),
            blobs: Arc::new(Blobs::new(state_dir.join(BLOBS))),
            garbage,
            current: ArcSwapOption::empty(),
            shelf: Mutex::default(),
            moved: Notify::new(),
            changes: Changes::default(),
            scrub: Mutex::default(),
            moving: Mutex::default(),
        };
        Ok(Store { inner: Arc::new(inner) })
    }

    /// The site's name.
    pub fn site(&self) -> &str {
        &self.inner.site
    }

    /// The snapshot in service. Made for the request path: no lock, no I/O.
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        self.inner.current.load_full()
    }

    /// Waits until another snapshot is in service, or on the shelf. For one who waits.
    pub async fn moved(&self) {
        self.inner.moved.notified().await;
    }

    /// All snapshots that can be read, newest first.
    pub fn list(&self) -> Vec<Summary> {
        let current = self.current().map(|snapshot| snapshot.id());
        let shelf = locked(&self.inner.shelf);
        let good = shelf.iter().rev().filter_map(|(id, slot)| match slot {
            Slot::Good { summary, .. } => {
                Some(Summary { current: Some(*id) == current, ..(**summary).clone() })
            }
            Slot::Damaged(_) | Slot::Unknown(_) => None,
        });
        good.collect()
    }

    /// The snapshots that are newer than the one in service, newest first. None of them serves: each is held, or somebody
    /// has gone back behind it.
    pub fn newer(&self) -> Vec<Newer> {
        let Some(current) = self.current().map(|snapshot| snapshot.id()) else { return Vec::new() };
        let shelf = locked(&self.inner.shelf);
        let newer = shelf.range((Bound::Excluded(current), Bound::Unbounded)).rev();
        let good = newer.filter_map(|(id, slot)| match slot {
            Slot::Good { summary, .. } => Some(Newer { id: *id, held: summary.held.clone() }),
            Slot::Damaged(_) | Slot::Unknown(_) => None,
        });
        good.collect()
    }

    /// The snapshots that cannot be read, newest first, and why.
    pub fn unreadable(&self) -> Vec<(SnapshotId, String)> {
        let shelf = locked(&self.inner.shelf);
        let bad = shelf.iter().rev().filter_map(|(id, slot)| match slot {
            Slot::Good { .. } => None,
            Slot::Damaged(why) | Slot::Unknown(why) => Some((*id, why.clone())),
        });
        bad.collect()
    }

    /// The snapshot of this name, if it can be read.
    pub fn get(&self, id: &SnapshotId) -> Option<Arc<Snapshot>> {
        self.try_get(id).ok()
    }

    pub(super) fn try_get(&self, id: &SnapshotId) -> Result<Arc<Snapshot>, ManifestError> {
        if let Some(current) = self.current().filter(|current| current.id() == *id) {
            return Ok(current);
        }
        let mut shelf = locked(&self.inner.shelf);
        let slot = shelf.get_mut(id).ok_or(ManifestError::Gone)?;
        if let Slot::Good { open, .. } = slot
            && let Some(snapshot) = open.upgrade()
        {
            return Ok(snapshot);
        }
        let opened = self.inner.open_snapshot(*id);
        match &opened {
            Ok(snapshot) => {
                *slot = Slot::Good { summary: Box::new(snapshot.summary()), open: Arc::downgrade(snapshot) };
            }
            Err(ManifestError::Gone) if !self.inner.path_of(*id).exists() => {
                shelf.remove(id);
            }
            Err(ManifestError::Io { source, .. }) if descriptors::is_want(source) => {}
            Err(error) => *slot = slot_of(error),
        }
        opened
    }

    /// The newest snapshot before `than` that has this page, with a body that is not known to be damaged (unchanged
    /// pages share theirs), for when a newer copy turned out to be. The body is verified only when loaded; if that
    /// fails too, ask again with this snapshot's id. Blocks.
    pub fn find_older(&self, key: &str, than: &SnapshotId) -> Option<(Arc<Snapshot>, Page)> {
        self.eligible(Some(than)).into_iter().find_map(|id| {
            let snapshot = self.get(&id)?;
            let page = snapshot.find(key).ok().flatten()?;
            let sound = page.body.is_none_or(|body| self.inner.blobs.is_sound(&body));
            sound.then_some((snapshot, page))
        })
    }

    /// The record of the crawl that took a snapshot, as it was given to [`super::Staging::publish`]. `None` when there is
    /// none, or it cannot be read.
    pub fn report(&self, id: &SnapshotId) -> Option<serde_json::Value> {
        serde_json::from_slice(&fs::read(self.inner.path_of(*id).join(REPORT)).ok()?).ok()
    }

    /// What the crawl that took a snapshot has learned about the site, as it was given to [`super::Staging::describe`].
    /// `None` when there is nothing, or it cannot be read. Blocks.
    pub fn character(&self, id: &SnapshotId) -> Option<serde_json::Value> {
        serde_json::from_slice(&fs::read(self.inner.path_of(*id).join(CHARACTER)).ok()?).ok()
    }

    /// The same for what it has learned about the site's addresses.
    pub fn addresses(&self, id: &SnapshotId) -> Option<serde_json::Value> {
        serde_json::from_slice(&fs::read(self.inner.path_of(*id).join(ADDRESSES)).ok()?).ok()
    }

    /// The same for what it has learned about the site's forms.
    pub fn forms(&self, id: &SnapshotId) -> Option<serde_json::Value> {
        serde_json::from_slice(&fs::read(self.inner.path_of(*id).join(FORMS)).ok()?).ok()
    }
}

/// What the pointer file says.
pub(super) enum Found {
    Pointer(Pointer),
    Nothing,
    Damaged,
    /// It could not be looked at just now, which says nothing of it.
    Unread,
}

impl Inner {
    pub(super) fn ensure_dirs(&self) -> Result<(), (PathBuf, io::Error)> {
        for dir in [self.blobs.root(), &self.dir] {
            disk::ensure_dir(dir).map_err(|e| (dir.to_owned(), e))?;
        }
        Ok(())
    }

    pub(super) fn path_of(&self, id: SnapshotId) -> PathBuf {
        self.dir.join(id.to_string())
    }

    pub(super) fn open_snapshot(&self, id: SnapshotId) -> Result<Arc<Snapshot>, ManifestError> {
        Snapshot::open(&self.path_of(id), id, &self.site, Arc::clone(&self.blobs)).map(Arc::new)
    }

    pub(super) fn read_pointer(&self) -> Found {
        let mut bytes = Vec::new();
        let file = File::open(self.dir.join(CURRENT));
        match file.and_then(|file| file.take(pointer::LONGEST as u64).read_to_end(&mut bytes)) {
            Ok(_) => Pointer::decode(&bytes).map_or(Found::Damaged, Found::Pointer),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Found::Nothing,
            Err(e) if descriptors::is_want(&e) => Found::Unread,
            Err(_) => Found::Damaged,
        }
    }

    /// Brings the shelf up to what is on the disk.
    pub(super) fn scan(&self) -> io::Result<()> {
        let on_disk: Vec<SnapshotId> =
            names_in(&self.dir)?.iter().filter_map(|name| name.parse().ok()).collect();
        let mut shelf = locked(&self.shelf);
        shelf.retain(|id, _| on_disk.contains(id));
        for id in on_disk {
            if let Some(Slot::Good { summary, open }) = shelf.get_mut(&id) {
                let marks = Marks::read(&self.path_of(id));
                (summary.pinned, summary.held) = (marks.pinned, marks.held.clone());
                summary.arriving = marks.arriving;
                if let Some(open) = open.upgrade() {
                    open.mark(marks);
                }
                continue;
            }
            let slot = match self.open_snapshot(id) {
                Ok(snapshot) => Slot::Good { summary: Box::new(snapshot.summary()), open: Weak::new() },
                Err(ManifestError::Gone) if !self.path_of(id).exists() => continue,
                // our own lack, and not the snapshot's: the next look finds it
                Err(ManifestError::Io { source, .. }) if descriptors::is_want(&source) => return Err(source),
                Err(error) => {
                    let error_chain = chain(&error);
                    tracing::warn!(site = self.site, %id, error = error_chain, "a snapshot cannot be read");
                    slot_of(&error)
                }
            };
            shelf.insert(id, slot);
        }
        Ok(())
    }
}

fn slot_of(error: &ManifestError) -> Slot {
    match error {
        ManifestError::Damaged(_) | ManifestError::Gone => Slot::Damaged(chain(error)),
        ManifestError::Version(_) | ManifestError::Io { .. } => Slot::Unknown(chain(error)),
    }
}

/// The names in a folder that are text; none when it is not there.
pub(super) fn names_in(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

/// As the configuration has them: `[a-z0-9._-]`, not starting with a dot.
fn is_site_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    (1..=255).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain)
}
