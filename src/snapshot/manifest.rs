//! Reads a manifest: opened in constant time, then each part read and verified when it is asked for.
//!
//! No memory map: a file that is cut short under a map ends the process, and a page fault stalls a whole worker
//! thread. A read from the page cache costs a microsecond or two; the blocks of the index that look-ups have touched are
//! kept in memory, verified, up to a bound, so that a look-up is one such read for a page that is there, and none for
//! one that is not.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::damage::{Damage, ManifestError, ReadError};
use super::format::{self, About, BLOCK, BadHead, ENTRIES_PER_BLOCK, Entry, Fence, Head};
use super::id::SnapshotId;
use super::page::{BlobId, Page};
use super::record;

/// How many blocks of the index are kept in memory at most: 32 MiB, the whole index of a million pages.
const KEPT: usize = 8192;

/// An open manifest.
#[derive(Debug)]
pub(super) struct Manifest {
    file: File,
    path: PathBuf,
    head: Head,
    fence: Fence,
    /// The blocks of the index that look-ups have touched.
    kept: Vec<OnceLock<Box<[u8; BLOCK]>>>,
    /// About how many those are.
    kept_count: AtomicUsize,
}

impl Manifest {
    /// Opens the manifest of snapshot `id` of `site`, and marks it as being read (a shared lock) until it is
    /// dropped, so that no process removes the snapshot meanwhile.
    pub(super) fn open(path: &Path, id: SnapshotId, site: &str) -> Result<Manifest, ManifestError> {
        let file = open_shared(path)?;
        let io = |source| ManifestError::Io { path: path.to_owned(), source };
        let len = file.metadata().map_err(io)?.len();
        let head = read_head(&file, len).map_err(|e| match e {
            HeadError::Bad(BadHead::Damaged) => Damage::Header.into(),
            HeadError::Bad(BadHead::Version(version)) => ManifestError::Version(version),
            HeadError::Io(source) => io(source),
        })?;
        if len != head.file_len {
            return Err(Damage::Truncated.into());
        }
        if head.about.id != id || head.about.site != site {
            return Err(Damage::Stranger.into());
        }
        let (fence, kept) = (Fence::default(), Vec::new());
        let mut manifest =
            Manifest { file, path: path.to_owned(), head, fence, kept, kept_count: AtomicUsize::new(0) };
        manifest.fence = manifest.read_fence()?;
        manifest.kept.resize_with(manifest.fence.index.len(), OnceLock::new);
        Ok(manifest)
    }

    pub(super) fn about(&self) -> &About {
        &self.head.about
    }

    /// The path of a file beside it.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }

    /// The page with this key.
    pub(super) fn find(&self, key: &str) -> Result<Option<Page>, ReadError> {
        let hash = format::key_hash(key);
        let number = self.fence.index.partition_point(|(first, _)| *first <= hash).checked_sub(1);
        let Some((number, kept)) = number.and_then(|number| Some((number as u64, self.kept.get(number)?)))
        else {
            return Ok(None);
        };
        let entry = match kept.get() {
            Some(block) => search(block, self.lines_of(number), hash),
            None => {
                let block = self.index_block(number)?;
                let entry = search(&block, self.lines_of(number), hash);
                self.keep(kept, block);
                entry
            }
        };
        entry.map(|entry| self.record(entry, Some(key))).transpose()
    }

    fn keep(&self, place: &OnceLock<Box<[u8; BLOCK]>>, block: [u8; BLOCK]) {
        // a small site's one block is read as fast as it is found, and a process may have thousands of small sites
        if self.kept.len() > 1
            && self.kept_count.load(Ordering::Relaxed) < KEPT
            && place.set(Box::new(block)).is_ok()
        {
            self.kept_count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_whole(&self, number: usize, block: &[u8; BLOCK]) -> bool {
        self.fence.index.get(number).is_some_and(|(_, hash)| *hash == format::block_hash(block))
    }

    /// How many lines index block `number` has.
    pub(super) fn lines_of(&self, number: u64) -> usize {
        (self.head.entries - number * ENTRIES_PER_BLOCK).min(ENTRIES_PER_BLOCK) as usize
    }

    /// Index block `number`, verified.
    pub(super) fn index_block(&self, number: u64) -> Result<[u8; BLOCK], ReadError> {
        let block = self.block(self.head.index_at + number * BLOCK as u64)?;
        if self.is_whole(number as usize, &block) { Ok(block) } else { Err(Damage::Index(number).into()) }
    }

    /// The page whose key has this hash.
    pub(super) fn find_hash(&self, hash: u128) -> Result<Option<Page>, ReadError> {
        let number = self.fence.index.partition_point(|(first, _)| *first <= hash).checked_sub(1);
        let Some(number) = number.map(|number| number as u64) else { return Ok(None) };
        let block = self.index_block(number)?;
        search(&block, self.lines_of(number), hash).map(|entry| self.record(entry, None)).transpose()
    }

    /// The index entries with hashes from `from` to `to`, both included, as [`Manifest::entries`].
    pub(super) fn entries_between(
        &self,
        from: u128,
        to: u128,
    ) -> impl Iterator<Item = Result<Entry, ReadError>> {
        let first = self.fence.index.partition_point(|(first, _)| *first <= from).saturating_sub(1);
        let end = self.fence.index.partition_point(|(first, _)| *first <= to);
        let lines = (first..end).flat_map(move |number| match self.lines(number as u64) {
            Ok(lines) => lines.into_iter().map(Ok).collect::<Vec<_>>().into_iter(),
            Err(e) => vec![Err(e)].into_iter(),
        });
        lines.filter(move |line| line.as_ref().map_or(true, |line| (from..=to).contains(&line.hash)))
    }

    /// The bodies from `from` on, as [`Manifest::blobs`].
    pub(super) fn blobs_from(&self, from: BlobId) -> impl Iterator<Item = Result<(BlobId, u64), ReadError>> {
        let (mut low, mut high) = (0, self.head.blob_blocks());
        // The last block that begins before it; one that cannot be read counts as one that begins behind.
        while low < high {
            let middle = u64::midpoint(low, high);
            let before = self.blob_block(middle).is_ok_and(|block| format::read_blob(&block, 0).0 < from);
            if before { low = middle + 1 } else { high = middle }
        }
        let blobs =
            (low.saturating_sub(1)..self.head.blob_blocks()).flat_map(|number| self.blob_lines(number));
        blobs.filter(move |blob| blob.as_ref().map_or(true, |(id, _)| *id >= from))
    }

    /// Where the heap ends, and how many pages the index has.
    pub(super) fn extent(&self) -> (u64, u64) {
        (self.head.heap_end, self.head.entries)
    }

    /// What is wrong with the copies of head and fence.
    pub(super) fn copies(&self) -> Result<Vec<Damage>, ReadError> {
        let mut damaged = Vec::new();
        for at in [0, self.head.file_len - BLOCK as u64] {
            let page = self.block(at)?;
            if Head::decode(&page).as_ref() != Ok(&self.head) {
                damaged.push(Damage::Copy(at));
            }
        }
        let mut bytes = vec![0; self.head.fence_len() as usize];
        for at in self.head.fence_at {
            self.read(&mut bytes, at)?;
            if Fence::decode(&bytes, &self.head).is_none() {
                damaged.push(Damage::Copy(at));
            }
        }
        Ok(damaged)
    }

    /// The page that an index entry points to, verified, with the key that the index says.
    pub(super) fn record(&self, entry: Entry, key: Option<&str>) -> Result<Page, ReadError> {
        let damaged = || ReadError::Damaged(Damage::Record(entry.at));
        let len = entry.len as usize;
        let end = entry.at.checked_add(u64::from(entry.len)).ok_or_else(damaged)?;
        if entry.at < BLOCK as u64 || end > self.head.heap_end || len > record::LONGEST {
            return Err(damaged());
        }
        let mut bytes = vec![0; len];
        self.read(&mut bytes, entry.at)?;
        let page = record::decode(Bytes::from(bytes), entry.at).ok_or_else(damaged)?;
        let right = match key {
            Some(key) => page.key == key,
            None => format::key_hash(&page.key) == entry.hash,
        };
        if right { Ok(page) } else { Err(damaged()) }
    }

    /// The first key hash of index block `number`; `None` behind the last.
    pub(super) fn first_of(&self, number: u64) -> Option<u128> {
        self.fence.index.get(usize::try_from(number).ok()?).map(|(first, _)| *first)
    }

    /// The entries of index block `number`.
    pub(super) fn lines(&self, number: u64) -> Result<Vec<Entry>, ReadError> {
        let block = self.index_block(number)?;
        Ok((0..self.lines_of(number)).map(|i| Entry::read(&block, i)).collect())
    }

    /// All index entries, sorted by key hash. A damaged block is one error; what follows it still comes.
    pub(super) fn entries(&self) -> impl Iterator<Item = Result<Entry, ReadError>> {
        (0..self.head.index_blocks()).flat_map(move |number| match self.lines(number) {
            Ok(lines) => lines.into_iter().map(Ok).collect::<Vec<_>>().into_iter(),
            Err(e) => vec![Err(e)].into_iter(),
        })
    }

    /// All bodies and their lengths, sorted by id. A damaged block is one error; what follows it still comes.
    pub(super) fn blobs(&self) -> impl Iterator<Item = Result<(BlobId, u64), ReadError>> {
        (0..self.head.blob_blocks()).flat_map(|number| self.blob_lines(number))
    }

    /// The bodies of block `number` of their table; `None` behind the last.
    pub(super) fn table_lines(&self, number: u64) -> Option<Vec<Result<(BlobId, u64), ReadError>>> {
        (number < self.head.blob_blocks()).then(|| self.blob_lines(number))
    }

    fn blob_lines(&self, number: u64) -> Vec<Result<(BlobId, u64), ReadError>> {
        match self.blob_block(number) {
            Ok(block) => {
                let lines = (self.head.blobs - number * format::BLOBS_PER_BLOCK).min(format::BLOBS_PER_BLOCK);
                (0..lines as usize).map(|i| Ok(format::read_blob(&block, i))).collect()
            }
            Err(e) => vec![Err(e)],
        }
    }

    fn blob_block(&self, number: u64) -> Result<[u8; BLOCK], ReadError> {
        let block = self.block(self.head.blobs_at + number * BLOCK as u64)?;
        let whole = self.fence.blobs.get(number as usize) == Some(&format::block_hash(&block));
        if whole { Ok(block) } else { Err(Damage::BlobTable(number).into()) }
    }

    /// Reads all of it: every copy, every block and every record is whole, in its order, and every body that a page names
    /// stands in the table. Takes memory for the table: 40 bytes a body.
    pub(super) fn read_back(&self) -> Result<(), ReadError> {
        if let Some(damage) = self.copies()?.into_iter().next() {
            return Err(damage.into());
        }
        let mut table = Vec::new();
        for blob in self.blobs() {
            let (id, len) = blob?;
            if table.last().is_some_and(|(last, _)| *last >= id) {
                return Err(Damage::BlobTable(table.len() as u64 / format::BLOBS_PER_BLOCK).into());
            }
            table.push((id, len));
        }
        let mut last = None;
        for entry in self.entries() {
            let entry = entry?;
            let page = self.record(entry, None)?;
            if last.is_some_and(|last| last >= entry.hash) {
                return Err(Damage::Record(entry.at).into());
            }
            last = Some(entry.hash);
            if let Some(body) = page.body
                && table.binary_search(&(body, page.len)).is_err()
            {
                return Err(Damage::NotListed(body).into());
            }
        }
        Ok(())
    }

    /// The fence in front of the index, or, if that is damaged, the one behind.
    fn read_fence(&self) -> Result<Fence, ReadError> {
        // The head fits the file's length, so this is bounded by what is on the disk.
        let mut bytes = vec![0; self.head.fence_len() as usize];
        for at in self.head.fence_at {
            self.read(&mut bytes, at)?;
            if let Some(fence) = Fence::decode(&bytes, &self.head) {
                return Ok(fence);
            }
        }
        Err(Damage::Fence.into())
    }

    fn block(&self, at: u64) -> Result<[u8; BLOCK], ReadError> {
        let mut block = [0; BLOCK];
        self.read(&mut block, at)?;
        Ok(block)
    }

    fn read(&self, bytes: &mut [u8], at: u64) -> Result<(), ReadError> {
        self.file.read_exact_at(bytes, at).map_err(|e| {
            let short = e.kind() == io::ErrorKind::UnexpectedEof;
            if short { Damage::Truncated.into() } else { ReadError::io(&self.path, e) }
        })
    }
}

/// The entry with this hash among the first `lines` of a block.
fn search(block: &[u8; BLOCK], lines: usize, hash: u128) -> Option<Entry> {
    let (mut low, mut high) = (0, lines);
    while low < high {
        let middle = usize::midpoint(low, high);
        if Entry::hash_at(block, middle) < hash { low = middle + 1 } else { high = middle }
    }
    (low < lines && Entry::hash_at(block, low) == hash).then(|| Entry::read(block, low))
}

pub(super) fn open_shared(path: &Path) -> Result<File, ManifestError> {
    let io = |source| ManifestError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(|e| {
        let absent = matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
        if absent { ManifestError::Gone } else { io(e) }
    })?;
    match file.try_lock_shared() {
        Ok(()) => {}
        // Only a remover locks it for itself.
        Err(std::fs::TryLockError::WouldBlock) => return Err(ManifestError::Gone),
        // A file system without locks is still good enough to serve from.
        Err(std::fs::TryLockError::Error(e)) => {
            tracing::debug!(manifest = %path.display(), error = %e, "could not mark a snapshot as being read");
        }
    }
    // Between opening and locking, a remover may have been and gone.
    if std::os::unix::fs::MetadataExt::nlink(&file.metadata().map_err(io)?) == 0 {
        return Err(ManifestError::Gone);
    }
    Ok(file)
}

/// How many pages a manifest says that it has, though it may be cut short.
pub(super) fn entries_said(path: &Path) -> Option<u64> {
    let file = File::open(path).ok()?;
    let len = file.metadata().ok()?.len();
    read_head(&file, len).ok().map(|head| head.entries)
}

enum HeadError {
    Bad(BadHead),
    Io(io::Error),
}

/// The head page in front, or, if that is damaged, the one at the end.
fn read_head(file: &File, len: u64) -> Result<Head, HeadError> {
    let mut bad = BadHead::Damaged;
    let Some(last) = len.checked_sub(BLOCK as u64) else { return Err(HeadError::Bad(bad)) };
    for at in [0, last] {
        let mut page = [0; BLOCK];
        file.read_exact_at(&mut page, at).map_err(HeadError::Io)?;
        match Head::decode(&page) {
            Ok(head) => return Ok(head),
            Err(BadHead::Damaged) => {}
            Err(version) => bad = version,
        }
    }
    Err(HeadError::Bad(bad))
}
