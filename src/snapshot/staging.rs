//! A snapshot being taken. Nothing of it is served, or counts at all, until [`super::Staging::publish`] is done; if it is
//! dropped or killed before, it leaves only what the next one removes.
//!
//! New bodies lie in the staging's own folder and move to `blobs/` when it is published, after they were synced:
//! whatever stands in `blobs/` under its name is on the disk, also after a power cut, so that later crawls may build
//! on it. A body that is there already is not written again, but read and compared with its name (each crawl so
//! proves the copies that it builds on, and replaces a damaged one), and noted in the staging's `uses`, which tells
//! the collector of every process to leave it alone.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::blobs::{Blobs, Stored, WHOLE};
use super::format::About;
use super::id::SnapshotId;
use super::locked;
use super::page::{BlobId, Page};
use super::resume::Course;
use super::stage_error::StageError;
use super::writer::{AddError, Mark, Writer};
use crate::disk::{self, Journal, StagedFile, Syncer};

/// Bytes that a crawl leaves free on the disk, for things that matter more than a newer copy.
pub(super) const RESERVE: u64 = 64 << 20;

/// Bodies up to this many bytes are gathered in memory, so that one that is stored already costs no write at all.
const IN_MEMORY: usize = 256 << 10;

/// After how many bytes of a body the room on the disk is looked at again.
const LOOK_EVERY: u64 = 8 << 20;

pub(super) const NEW: &str = "new";
pub(super) const USES: &str = "uses";

/// What all writers of a staging share.
pub(super) struct Shared {
    dir: PathBuf,
    blobs: Arc<Blobs>,
    pub(super) syncer: Syncer,
    pub(super) used: Mutex<Used>,
    /// Held while bodies are synced and moved to where all are: what is synced is what is moved.
    pub(super) placing: Mutex<()>,
    full: AtomicBool,
    /// `None` once published or dropped.
    manifest: Mutex<Option<Writer>>,
}

/// The bodies that this staging relies on.
pub(super) struct Used {
    pub(super) lengths: HashMap<BlobId, u64>,
    /// Those that lie in the staging's own folder, or were not found to have left it durably.
    pub(super) new: Vec<BlobId>,
    /// How many of them, the first ones, survive a power cut.
    pub(super) synced: usize,
    pub(super) journal: Journal,
    pub(super) lock: File,
}

impl Shared {
    /// Lays out the staging folder `dir`; with a course, for being taken up again.
    pub(super) fn create(
        dir: &Path,
        blobs: Arc<Blobs>,
        course: Option<&Course>,
    ) -> Result<Shared, StageError> {
        let at = |path: &Path, source| StageError::io(path, source);
        let (new, uses) = (dir.join(NEW), dir.join(USES));
        disk::ensure_dir(&new).map_err(|e| at(&new, e))?;
        let journal = Journal::create(&uses).map_err(|e| at(&uses, e))?;
        let manifest = match course {
            Some(course) => course.write(dir).and_then(|()| Writer::create_lasting(dir)),
            None => Writer::create(dir),
        };
        let manifest = manifest.map_err(|e| at(dir, e))?;
        let syncer = Syncer::open(dir).map_err(|e| at(dir, e))?;
        let lock_path = Blobs::lock_path(blobs.root());
        let lock = disk::lock_file(&lock_path).map_err(|e| at(&lock_path, e))?;
        let used = Used { lengths: HashMap::new(), new: Vec::new(), synced: 0, journal, lock };
        let shared = Shared::of(dir, blobs, syncer, used);
        shared.open(manifest);
        Ok(shared)
    }

    /// One to which nothing can be added yet.
    pub(super) fn of(dir: &Path, blobs: Arc<Blobs>, syncer: Syncer, used: Used) -> Shared {
        Shared {
            dir: dir.to_owned(),
            blobs,
            syncer,
            used: Mutex::new(used),
            placing: Mutex::default(),
            full: AtomicBool::new(false),
            manifest: Mutex::default(),
        }
    }

    /// Begins or continues the adding of pages.
    pub(super) fn open(&self, manifest: Writer) {
        *locked(&self.manifest) = Some(manifest);
    }

    /// Pages added so far, replaced ones included.
    pub(super) fn added(&self) -> usize {
        locked(&self.manifest).as_ref().map_or(0, Writer::added)
    }

    /// What was added so far.
    pub(super) fn mark(&self) -> Mark {
        locked(&self.manifest).as_ref().map(Writer::mark).unwrap_or_default()
    }

    /// Leaves out what was added after `mark`.
    pub(super) fn rewind(&self, mark: Mark) {
        if let Some(writer) = locked(&self.manifest).as_mut() {
            writer.rewind(mark);
        }
    }

    /// Leaves out what was added under these keys.
    pub(super) fn leave_out(&self, keys: &HashSet<&str>) {
        if let Some(writer) = locked(&self.manifest).as_mut() {
            writer.leave_out(keys);
        }
    }

    /// Has what was added written, so that it can be read.
    pub(super) fn flush(&self) -> io::Result<()> {
        locked(&self.manifest).as_mut().map_or(Ok(()), Writer::flush)
    }

    /// The page that was added as number `n`, if it is written.
    pub(super) fn staged(&self, n: usize) -> Option<Page> {
        locked(&self.manifest).as_ref()?.read(n)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn blobs(&self) -> &Arc<Blobs> {
        &self.blobs
    }

    pub(super) fn has_room(&self) -> Result<(), StageError> {
        let free = disk::free_bytes(&self.dir).map_err(|e| StageError::io(&self.dir, e))?;
        if free < RESERVE { Err(StageError::Full) } else { Ok(()) }
    }

    /// Whether it has met a full disk.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Records a full disk.
    pub(super) fn noted<T>(&self, done: Result<T, StageError>) -> Result<T, StageError> {
        if matches!(done, Err(StageError::Full)) {
            self.full.store(true, Ordering::Relaxed);
        }
        done
    }

    pub(super) fn add(&self, page: Page) -> Result<(), StageError> {
        self.noted(self.try_add(page))
    }

    fn try_add(&self, mut page: Page) -> Result<(), StageError> {
        page.len = match &page.body {
            Some(id) => self.length_of(id)?,
            None => 0,
        };
        let mut manifest = locked(&self.manifest);
        let writer = manifest.as_mut().ok_or(StageError::Closed)?;
        writer.add(&page).map_err(|e| match e {
            AddError::Oversize(e) => StageError::Oversize(e),
            AddError::Io(e) => StageError::io(&self.dir, e),
        })
    }

    /// Opens a body that this staging relies on, wherever it lies.
    pub(super) fn open_body(&self, id: &BlobId) -> io::Result<File> {
        File::open(self.dir.join(NEW).join(id.to_string())).or_else(|_| File::open(self.blobs.path(id)))
    }

    /// The length of a body that a page may name: staged by this staging, or stored before and proven now.
    pub(super) fn length_of(&self, id: &BlobId) -> Result<u64, StageError> {
        if let Some(len) = locked(&self.used).lengths.get(id) {
            return Ok(*len);
        }
        match self.claim(id)? {
            Some(len) if self.blobs.check(id, len).is_ok() => {
                locked(&self.used).lengths.insert(*id, len);
                Ok(len)
            }
            _ => Err(StageError::NoSuchBlob(*id)),
        }
    }

    /// Relies on a stored body, and returns its length and beginning.
    fn keep(&self, id: &BlobId, most: usize) -> Result<Option<(u64, Vec<u8>)>, StageError> {
        let Some(len) = self.claim(id)? else { return Ok(None) };
        let mut beginning = Vec::new();
        if len <= WHOLE {
            match self.blobs.load(id, len) {
                Ok(Stored::Whole(bytes)) => beginning.extend_from_slice(&bytes[..bytes.len().min(most)]),
                Ok(Stored::File { .. }) | Err(_) => return Ok(None),
            }
        } else if self.blobs.check(id, len).is_err() {
            return Ok(None);
        } else if most > 0 {
            let read = File::open(self.blobs.path(id))
                .and_then(|file| file.take(most as u64).read_to_end(&mut beginning));
            if read.is_err() {
                return Ok(None);
            }
        }
        locked(&self.used).lengths.insert(*id, len);
        Ok(Some((len, beginning)))
    }

    /// Keeps the collector from a stored body, and returns its length; `None` when there is none.
    fn claim(&self, id: &BlobId) -> Result<Option<u64>, StageError> {
        let at = |source| StageError::io(&self.dir, source);
        let mut used = locked(&self.used);
        used.lock.lock_shared().map_err(at)?;
        let len = self.blobs.len_of(id);
        let noted = if len.is_some() { used.journal.append(id.as_bytes()) } else { Ok(()) };
        used.lock.unlock().map_err(at)?;
        noted.map_err(at).map(|()| len)
    }

    /// Stages a body that has been written whole. It is not written a second time when it is stored already.
    fn settle(&self, id: BlobId, len: u64, body: Written) -> Result<(), StageError> {
        if locked(&self.used).lengths.contains_key(&id) {
            return Ok(());
        }
        let there = self.claim(&id)?;
        let stored = there == Some(len) && self.blobs.check(&id, len).is_ok();
        if !stored {
            let path = self.dir.join(NEW).join(id.to_string());
            let at = |source| StageError::io(&self.dir, source);
            let file = match body {
                Written::File(file) => file,
                Written::Same(same) => self.copy(&same, len)?,
                Written::Memory(bytes) => {
                    self.has_room()?;
                    let mut file = StagedFile::create(&self.dir).map_err(at)?;
                    file.write_all(&bytes).map_err(at)?;
                    file
                }
            };
            // Snapshots that have it already are not to wait until this one is published.
            if there.is_some() || !self.blobs.is_sound(&id) {
                self.heal(id, file).map_err(at)?;
                locked(&self.used).lengths.insert(id, len);
                return Ok(());
            }
            // Under the lock: of two who bring the same body, the later one must not put an unsynced file in the place of
            // one that was synced.
            let used = &mut *locked(&self.used);
            if let Entry::Vacant(vacant) = used.lengths.entry(id) {
                file.place(&path).map_err(at)?;
                vacant.insert(len);
                used.new.push(id);
            }
            return Ok(());
        }
        locked(&self.used).lengths.insert(id, len);
        Ok(())
    }

    /// A new file with the first `len` bytes of a stored one.
    fn copy(&self, stored: &File, len: u64) -> Result<StagedFile, StageError> {
        let at = |source| StageError::io(&self.dir, source);
        self.has_room()?;
        let mut file = StagedFile::create(&self.dir).map_err(at)?;
        let mut chunk = vec![0; IN_MEMORY];
        let mut done = 0;
        while done < len {
            let size = (len - done).min(IN_MEMORY as u64) as usize;
            stored.read_exact_at(&mut chunk[..size], done).map_err(at)?;
            file.write_all(&chunk[..size]).map_err(at)?;
            done += size as u64;
        }
        Ok(file)
    }

    /// Puts a body in the place of one that is damaged or lost, durably.
    fn heal(&self, id: BlobId, file: StagedFile) -> io::Result<()> {
        let path = self.blobs.path(&id);
        let mut used = locked(&self.used);
        used.lock.lock_shared()?;
        let healed = path.parent().map_or(Ok(()), disk::ensure_dir).and_then(|()| file.commit(&path));
        let noted = healed.and_then(|()| used.journal.append(id.as_bytes()));
        used.lock.unlock()?;
        noted?;
        self.blobs.rewritten(&[id]);
        tracing::info!(blob = %id, "rewrote a damaged body");
        Ok(())
    }

    /// Ends the adding of pages. `None` when that has happened before.
    pub(super) fn close(&self) -> Option<Writer> {
        locked(&self.manifest).take()
    }

    /// Moves the new bodies to where all are, durably, and writes the manifest. Returns the lock that keeps the
    /// collector away until what names them is in place.
    pub(super) fn complete(&self, writer: Writer, about: About) -> Result<File, StageError> {
        let lock = self.place_bodies()?;
        let written = writer.finish(about, &self.dir.join(super::MANIFEST));
        written.map_err(|source| StageError::io(&self.dir, source))?;
        Ok(lock)
    }
}

/// A body as its writer has it.
enum Written {
    Memory(Vec<u8>),
    /// So far the same as the beginning of a stored one.
    Same(File),
    File(StagedFile),
}

/// Takes one body, chunk by chunk. Dropped before [`BlobWriter::finish`], it leaves nothing.
pub struct BlobWriter {
    shared: Arc<Shared>,
    hasher: Box<blake3::Hasher>,
    len: u64,
    looked: u64,
    body: Written,
}

impl BlobWriter {
    pub(super) fn new(shared: Arc<Shared>) -> BlobWriter {
        let body = Written::Memory(Vec::new());
        BlobWriter { shared, hasher: Box::default(), len: 0, looked: 0, body }
    }

    /// One of a body that is likely to be the one of `page`: as long as it is, nothing is written.
    pub(super) fn like(shared: Arc<Shared>, page: &Page) -> BlobWriter {
        // A small one is gathered in memory anyway.
        let stored = page.body.filter(|_| page.len > IN_MEMORY as u64);
        let stored = stored.and_then(|id| File::open(shared.blobs.path(&id)).ok());
        let writer = BlobWriter::new(shared);
        match stored {
            Some(file) => BlobWriter { body: Written::Same(file), ..writer },
            None => writer,
        }
    }

    /// Appends.
    ///
    /// # Errors
    /// [`StageError::Full`] when the disk is; the body is then to be dropped.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), StageError> {
        let shared = Arc::clone(&self.shared);
        shared.noted(self.try_write(chunk))
    }

    fn try_write(&mut self, chunk: &[u8]) -> Result<(), StageError> {
        self.hasher.update(chunk);
        let before = self.len;
        self.len += chunk.len() as u64;
        if let Written::Same(stored) = &self.body {
            if is_at(stored, chunk, before) {
                return Ok(());
            }
            self.body = Written::File(self.shared.copy(stored, before)?);
        }
        let at = |source| StageError::io(&self.shared.dir, source);
        match &mut self.body {
            // Has just been made a file.
            Written::Same(_) => {}
            Written::Memory(bytes) if bytes.len() + chunk.len() <= IN_MEMORY => {
                bytes.extend_from_slice(chunk)
            }
            Written::Memory(bytes) => {
                self.shared.has_room()?;
                let mut file = StagedFile::create(&self.shared.dir).map_err(at)?;
                file.write_all(bytes).and_then(|()| file.write_all(chunk)).map_err(at)?;
                self.body = Written::File(file);
            }
            Written::File(file) => {
                if self.len - self.looked >= LOOK_EVERY {
                    self.shared.has_room()?;
                    self.looked = self.len;
                }
                file.write_all(chunk).map_err(at)?;
            }
        }
        Ok(())
    }

    /// Takes over a body that is stored already, instead of writing one: verified, and read once. Its length and its first
    /// `most` bytes come back; `None` when it is not there, or damaged. Blocks.
    ///
    /// # Errors
    /// When the staging cannot note that it relies on it.
    pub fn keep(self, id: &BlobId, most: usize) -> Result<Option<(u64, Vec<u8>)>, StageError> {
        self.shared.keep(id, most)
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.len
    }

    /// Ends the body and says what it is called. Content that is stored already is not stored again.
    ///
    /// # Errors
    /// [`StageError::Full`] when the disk is.
    pub fn finish(self) -> Result<BlobId, StageError> {
        let id = BlobId::from(self.hasher.finalize());
        self.shared.noted(self.shared.settle(id, self.len, self.body))?;
        Ok(id)
    }
}

impl BlobWriter {
    /// As [`BlobWriter::finish`], of a body that was announced under this name. `false`: it is another one, and is dropped.
    pub(super) fn finish_as(self, id: &BlobId) -> Result<bool, StageError> {
        let is_it = BlobId::from(self.hasher.finalize()) == *id;
        if is_it { self.finish().map(|_| true) } else { Ok(false) }
    }
}

/// Whether these bytes stand at this place of a file.
fn is_at(file: &File, bytes: &[u8], at: u64) -> bool {
    let mut chunk = vec![0; bytes.len().min(IN_MEMORY)];
    bytes.chunks(IN_MEMORY).zip(0..).all(|(part, n)| {
        let found = &mut chunk[..part.len()];
        file.read_exact_at(found, at + n * IN_MEMORY as u64).is_ok() && found == part
    })
}

impl std::fmt::Debug for BlobWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobWriter").field("written", &self.len).finish_non_exhaustive()
    }
}

/// Whether `name` is that of a staging's folder.
pub(super) fn is_staging(name: &str) -> bool {
    name.strip_prefix(super::STAGING).is_some_and(|id| id.parse::<SnapshotId>().is_ok())
}
