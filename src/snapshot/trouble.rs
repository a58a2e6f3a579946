//! What is wrong with a store, for the operator: found when something is read or written, and forgotten when it is
//! mended.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::damage::Damage;
use super::id::SnapshotId;
use super::locked;
use super::marks::Marks;
use super::page::BlobId;
use super::store::{Found, Store};
use crate::disk;

/// How many damaged parts of one snapshot are counted; there may be more.
const COUNTED: usize = 10_000;

/// Something that is wrong with a site's snapshots. The site goes on with the good ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trouble {
    /// A snapshot cannot be read at all.
    Unreadable {
        /// Which one.
        id: SnapshotId,
        /// Why.
        problem: String,
    },
    /// Parts of a snapshot are not what was written; older copies serve instead.
    Damaged {
        /// Which one.
        id: SnapshotId,
        /// How many parts were found so far: pages, bodies or blocks of the index; counted up to ten thousand.
        parts: u64,
        /// One of them.
        problem: String,
        /// Whether it is the one in service.
        in_service: bool,
    },
    /// It is not known which snapshot was in service: the newest good one is.
    Pointer {
        /// The file.
        path: PathBuf,
    },
    /// The folder of the snapshots has vanished. What is open still serves.
    Gone {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing can be written there.
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The last snapshot that was begun had no room.
    DiskFull {
        /// The folder.
        path: PathBuf,
    },
}

impl Trouble {
    /// The word for it in JSON and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Trouble::Unreadable { .. } => "unreadable",
            Trouble::Damaged { .. } => "damaged",
            Trouble::Pointer { .. } => "pointer",
            Trouble::Gone { .. } => "gone",
            Trouble::NotWritable { .. } => "not_writable",
            Trouble::DiskFull { .. } => "disk_full",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Unreadable { id, problem } => {
                write!(
                    f,
                    "snapshot {id} cannot be read ({problem}); `katahai snapshot verify {id} --repair` saves what can be"
                )
            }
            Trouble::Damaged { id, parts, problem, in_service } => {
                let which = if *in_service { "the snapshot in service" } else { "the snapshot" };
                let more = if *parts > 1 { format!(", and {} more", parts - 1) } else { String::new() };
                write!(
                    f,
                    "{which}, {id}, is damaged ({problem}{more}); `katahai snapshot verify {id} --repair` mends it"
                )
            }
            Trouble::Pointer { path } => {
                write!(
                    f,
                    "{} is damaged, so the newest good snapshot serves; publish the right one",
                    path.display()
                )
            }
            Trouble::Gone { path } => {
                write!(f, "{} has vanished; what is open still serves. Mount or restore it", path.display())
            }
            Trouble::NotWritable { path, problem } => {
                write!(
                    f,
                    "{} cannot be written to ({problem}), so no new snapshot can be taken",
                    path.display()
                )
            }
            Trouble::DiskFull { path } => {
                write!(
                    f,
                    "the disk of {} is full, so the last snapshot was not taken; make room",
                    path.display()
                )
            }
        }
    }
}

/// What was found wrong, by snapshot, in this process.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    found: Mutex<BTreeMap<SnapshotId, HashSet<Damage>>>,
    /// Whether anything is in it: asked on the request path.
    any: AtomicBool,
    full: AtomicBool,
}

impl Ledger {
    pub(super) fn note(&self, id: SnapshotId, damage: &Damage) {
        let mut found = locked(&self.found);
        let parts = found.entry(id).or_default();
        if parts.len() < COUNTED {
            parts.insert(damage.clone());
        }
        self.any.store(true, Ordering::Relaxed);
    }

    /// These bodies are whole again.
    pub(super) fn mended(&self, ids: &[BlobId]) {
        if self.any.load(Ordering::Relaxed) {
            self.keep(|_, damage| damage.blob().is_none_or(|blob| !ids.contains(&blob)));
        }
    }

    /// This snapshot is whole, gone, or has been replaced.
    pub(super) fn forget(&self, id: SnapshotId) {
        if self.any.load(Ordering::Relaxed) {
            self.keep(|of, _| of != id);
        }
    }

    fn keep(&self, keep: impl Fn(SnapshotId, &Damage) -> bool) {
        let mut found = locked(&self.found);
        found.retain(|id, parts| {
            parts.retain(|damage| keep(*id, damage));
            !parts.is_empty()
        });
        self.any.store(!found.is_empty(), Ordering::Relaxed);
    }

    /// Whether the last staging met a full disk.
    pub(super) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }
}

impl Store {
    /// What is wrong with the snapshots of this site, as far as this process has seen. Blocks, for a few small reads.
    pub fn trouble(&self) -> Vec<Trouble> {
        let inner = &self.inner;
        let path = inner.dir.clone();
        if !path.is_dir() {
            // before the first snapshot there is none, and nothing to lose
            let has_been = self.current().is_some() || !locked(&inner.shelf).is_empty();
            return if has_been { vec![Trouble::Gone { path }] } else { Vec::new() };
        }
        let mut trouble = Vec::new();
        if let Err(error) =
            disk::check_writable(&path).and_then(|()| disk::check_writable(inner.blobs.root()))
        {
            trouble.push(Trouble::NotWritable { path: path.clone(), problem: error.to_string() });
        }
        if inner.blobs.ledger.full.load(Ordering::Relaxed) {
            trouble.push(Trouble::DiskFull { path: path.clone() });
        }
        if matches!(inner.read_pointer(), Found::Damaged) {
            trouble.push(Trouble::Pointer { path: path.join(super::CURRENT) });
        }
        // One that was repaired has been set aside.
        let unreadable = self.unreadable().into_iter();
        let unreadable = unreadable.filter(|(id, _)| Marks::read(&inner.path_of(*id)).held.is_none());
        trouble.extend(unreadable.map(|(id, problem)| Trouble::Unreadable { id, problem }));
        let current = self.current().map(|current| current.id());
        for (id, parts) in locked(&inner.blobs.ledger.found).iter().rev() {
            let problem = parts.iter().map(ToString::to_string).min().unwrap_or_default();
            let (parts, in_service) = (parts.len() as u64, Some(*id) == current);
            trouble.push(Trouble::Damaged { id: *id, parts, problem, in_service });
        }
        trouble
    }
}
