//! The bodies: one file for each content, named by its hash, shared by all sites and snapshots of a state directory.
//!
//! A file stands under its name only once its content is on the disk (see `staging`), and is verified when it is
//! read. What fails is remembered, so that nothing builds on it until it has been written again.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use arc_swap::ArcSwapOption;
use bytes::Bytes;

use super::damage::{Damage, ReadError};
use super::elsewhere::Source;
use super::locked;
use super::page::BlobId;
use super::trouble::Ledger;
use crate::descriptors::{self, Use};

/// Bodies up to this many bytes are handed out whole.
pub const WHOLE: u64 = 1 << 20;

/// How much is read at once for hashing, in bytes.
const CHUNK: usize = 256 << 10;

/// How many large bodies are remembered as verified; past that, some are verified again.
const PROVEN: usize = 65_536;

/// How many large bodies are verified at once; more wait, so that a crowd that wants one film reads it once.
const AT_ONCE: usize = 8;

/// From this number on, large bodies that nobody reads any more are forgotten.
const OPEN: usize = 256;

/// How many damaged bodies are logged one by one: a vanished folder damages all.
const LOGGED: usize = 20;

/// A body, verified.
#[derive(Debug)]
pub enum Stored {
    /// All of it, up to [`WHOLE`] bytes.
    Whole(Bytes),
    /// The file that has it, to be read with `FileExt::read_at`. It stays readable when the snapshot is removed.
    File {
        /// Open for reading.
        file: Arc<File>,
        /// Its length in bytes.
        len: u64,
    },
}

/// The folder of bodies.
#[derive(Debug)]
pub(super) struct Blobs {
    root: PathBuf,
    /// What this site's snapshots were found to lack.
    pub(super) ledger: Ledger,
    damaged: Mutex<HashSet<BlobId>>,
    proven: Mutex<HashMap<BlobId, Stamp>>,
    proving: [Mutex<()>; AT_ONCE],
    /// Large bodies that are being read: all who read one share its file.
    open: Mutex<HashMap<BlobId, Weak<File>>>,
    /// Where bodies are to be had that are not here.
    pub(super) source: ArcSwapOption<Source>,
}

/// Tells a file from one that has been changed or replaced since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    changed: (i64, i64),
    len: u64,
}

impl Stamp {
    fn of(meta: &Metadata) -> Stamp {
        Stamp { inode: meta.ino(), changed: (meta.mtime(), meta.mtime_nsec()), len: meta.len() }
    }
}

impl Blobs {
    pub(super) fn new(root: PathBuf) -> Blobs {
        Blobs {
            root,
            ledger: Ledger::default(),
            damaged: Mutex::default(),
            proven: Mutex::default(),
            proving: std::array::from_fn(|_| Mutex::default()),
            open: Mutex::default(),
            source: ArcSwapOption::empty(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Held (shared) while a staging decides to use a blob that is there, or puts blobs there and publishes what
    /// names them; held alone while blobs are removed.
    pub(super) fn lock_path(root: &Path) -> PathBuf {
        root.join("lock")
    }

    pub(super) fn path(&self, id: &BlobId) -> PathBuf {
        let name = id.to_string();
        self.root.join(&name[..2]).join(name)
    }

    /// A body, verified.
    pub(super) fn load(&self, id: &BlobId, len: u64) -> Result<Stored, ReadError> {
        if len > WHOLE {
            return Ok(Stored::File { file: self.shared(id, len)?, len });
        }
        let (file, meta) = self.open(id)?;
        self.of_length(id, len, meta.len())?;
        let mut bytes = vec![0; len as usize];
        file.read_exact_at(&mut bytes, 0).map_err(|e| self.unreadable(id, e))?;
        if BlobId::of(&bytes) != *id {
            return Err(self.damaged(id, Damage::BlobContent(*id)));
        }
        self.rewritten(std::slice::from_ref(id));
        Ok(Stored::Whole(bytes.into()))
    }

    /// The file of a large body, verified; the one that others are reading already, if it is the one that is there.
    fn shared(&self, id: &BlobId, len: u64) -> Result<Arc<File>, ReadError> {
        let there = std::fs::metadata(self.path(id)).map_err(|e| self.unreadable(id, e))?;
        let stamp = Stamp::of(&there);
        let open = locked(&self.open).get(id).and_then(Weak::upgrade);
        if let Some(file) = open
            && file.metadata().is_ok_and(|meta| Stamp::of(&meta) == stamp)
            && locked(&self.proven).get(id) == Some(&stamp)
        {
            return Ok(file);
        }
        let (file, meta) = self.open(id)?;
        if !descriptors::may_keep(&file, Use::Request) {
            return Err(ReadError::io(&self.path(id), descriptors::want()));
        }
        self.of_length(id, len, meta.len())?;
        self.prove(id, &file, Stamp::of(&meta))?;
        self.rewritten(std::slice::from_ref(id));
        let file = Arc::new(file);
        let mut open = locked(&self.open);
        if open.len() >= OPEN {
            open.retain(|_, file| file.strong_count() > 0);
        }
        open.insert(*id, Arc::downgrade(&file));
        Ok(file)
    }

    /// Whether a body is there and has its content; reads all of it.
    pub(super) fn check(&self, id: &BlobId, len: u64) -> Result<(), ReadError> {
        let (file, meta) = self.open(id)?;
        self.of_length(id, len, meta.len())?;
        self.hash_all(id, &file)?;
        self.rewritten(std::slice::from_ref(id));
        Ok(())
    }

    /// Whether nothing bad is known of a body.
    pub(super) fn is_sound(&self, id: &BlobId) -> bool {
        !locked(&self.damaged).contains(id)
    }

    /// The length of a body's file, if there is one.
    pub(super) fn len_of(&self, id: &BlobId) -> Option<u64> {
        let meta = std::fs::metadata(self.path(id)).ok()?;
        meta.is_file().then_some(meta.len())
    }

    /// Forgets that bodies were damaged: they have been written again, or can be read again.
    pub(super) fn rewritten(&self, ids: &[BlobId]) {
        let mut damaged = locked(&self.damaged);
        if !damaged.is_empty() {
            ids.iter().for_each(|id| {
                damaged.remove(id);
            });
        }
        drop(damaged);
        self.ledger.mended(ids);
    }

    pub(super) fn open(&self, id: &BlobId) -> Result<(File, Metadata), ReadError> {
        let opened = File::open(self.path(id)).and_then(|file| file.metadata().map(|meta| (file, meta)));
        opened.map_err(|e| self.unreadable(id, e))
    }

    pub(super) fn of_length(&self, id: &BlobId, expected: u64, found: u64) -> Result<(), ReadError> {
        if expected == found {
            return Ok(());
        }
        Err(self.damaged(id, Damage::BlobLength { id: *id, expected, found }))
    }

    /// Verifies a large body, once per process as long as its file stays the same.
    fn prove(&self, id: &BlobId, file: &File, stamp: Stamp) -> Result<(), ReadError> {
        let _turn = locked(&self.proving[usize::from(id.as_bytes()[0]) % AT_ONCE]);
        if locked(&self.proven).get(id) == Some(&stamp) {
            return Ok(());
        }
        self.hash_all(id, file)?;
        let mut proven = locked(&self.proven);
        if proven.len() >= PROVEN {
            proven.clear();
        }
        proven.insert(*id, stamp);
        Ok(())
    }

    fn hash_all(&self, id: &BlobId, file: &File) -> Result<(), ReadError> {
        if hash_of(file).map_err(|e| self.unreadable(id, e))? == *id {
            return Ok(());
        }
        Err(self.damaged(id, Damage::BlobContent(*id)))
    }

    pub(super) fn damaged(&self, id: &BlobId, damage: Damage) -> ReadError {
        let mut known = locked(&self.damaged);
        if known.insert(*id) && known.len() <= LOGGED {
            let last = if known.len() == LOGGED { "; more are not logged" } else { "" };
            tracing::warn!(blob = %id, damage = %damage, "found a damaged body{last}");
        }
        drop(known);
        locked(&self.proven).remove(id);
        ReadError::Damaged(damage)
    }

    /// What an error of the file system says about the blob: nothing, when it is about us (too many open files).
    pub(super) fn unreadable(&self, id: &BlobId, error: io::Error) -> ReadError {
        let kind = error.kind();
        if matches!(
            kind,
            io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory
        ) {
            self.damaged(id, Damage::BlobMissing(*id))
        } else if kind == io::ErrorKind::UnexpectedEof || is_disk_error(&error) {
            self.damaged(id, Damage::BlobUnreadable(*id))
        } else {
            ReadError::io(&self.path(id), error)
        }
    }
}

/// The id of a file's content, in constant memory.
pub(super) fn hash_of(file: &File) -> io::Result<BlobId> {
    let mut hasher = blake3::Hasher::new();
    let len = file.metadata()?.len();
    let mut chunk = vec![0; len.clamp(1, CHUNK as u64) as usize];
    let mut at = 0;
    loop {
        let read = match file.read_at(&mut chunk, at) {
            Ok(0) => return Ok(BlobId::from(hasher.finalize())),
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hasher.update(&chunk[..read]);
        at += read as u64;
    }
}

/// The device says that it cannot read this place.
fn is_disk_error(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::IO, Errno::BADMSG, Errno::UCLEAN]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
