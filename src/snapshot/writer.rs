//! Writes a manifest: records go straight to the disk as pages are added; only 32 bytes per page and 40 bytes per body stay
//! in memory until the index is sorted at the end.
//!
//! One that is to be taken up again after a restart also has a journal, `pages`: the index entry of each record, in the
//! order in which they were added, 32 bytes each. A record is written before its entry, and has its own check, so that
//! what a killed process or a power cut left is told from what is whole ([`super::resume`]).

use std::collections::HashSet;
use std::io;
use std::path::Path;

use super::format::{
    self, About, BLOBS_PER_BLOCK, BLOCK, ENTRIES_PER_BLOCK, ENTRY, Entry, Fence, Head, block_hash,
};
use super::page::{BlobId, Class, Page};
use super::record::{self, Oversize};
use crate::disk::{Journal, StagedFile};

/// How much is gathered before it is written, in bytes.
const GATHER: usize = 256 << 10;

/// The same with a journal: what a killed process has not written is fetched again, so that is little.
const GATHER_JOURNALED: usize = 4 << 10;

/// The manifest under way, and its journal, when they are to be taken up again.
pub(super) const RECORDS: &str = "records";
pub(super) const PAGES: &str = "pages";

/// A manifest being written.
pub(super) struct Writer {
    file: StagedFile,
    journal: Option<Lines>,
    gathered: Vec<u8>,
    /// Where the next record will stand.
    at: u64,
    entries: Vec<Entry>,
    blobs: Vec<(BlobId, u64)>,
    /// A write failed: what is on the disk is not what was counted.
    broken: bool,
}

/// How far the adding of pages had come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    pages: usize,
    blobs: usize,
}

/// The journal of a manifest.
struct Lines {
    file: Journal,
    gathered: Vec<u8>,
}

/// A page was not added.
#[derive(Debug, thiserror::Error)]
pub(super) enum AddError {
    #[error(transparent)]
    Oversize(#[from] Oversize),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Writer {
    /// Begins a manifest that is staged in `dir`.
    pub(super) fn create(dir: &Path) -> io::Result<Writer> {
        let mut file = StagedFile::create(dir)?;
        file.write_all(&[0; BLOCK])?;
        Ok(Writer::of(file, None, BLOCK as u64))
    }

    /// Begins one in `dir` that can be taken up again.
    pub(super) fn create_lasting(dir: &Path) -> io::Result<Writer> {
        let mut file = StagedFile::create_lasting(&dir.join(RECORDS))?;
        file.write_all(&[0; BLOCK])?;
        let journal = Journal::create(&dir.join(PAGES))?;
        Ok(Writer::of(file, Some(journal), BLOCK as u64))
    }

    /// Takes up the one in `dir` with these entries of its journal, which are whole, and their pages' bodies.
    pub(super) fn resume(dir: &Path, entries: Vec<Entry>, blobs: Vec<(BlobId, u64)>) -> io::Result<Writer> {
        let end = entries.iter().map(|entry| entry.at + u64::from(entry.len)).max();
        let at = end.unwrap_or(BLOCK as u64);
        let file = StagedFile::reopen(&dir.join(RECORDS), at)?;
        let journal = Journal::reopen(&dir.join(PAGES), ENTRY as u64)?;
        Ok(Writer { entries, blobs, ..Writer::of(file, Some(journal), at) })
    }

    fn of(file: StagedFile, journal: Option<Journal>, at: u64) -> Writer {
        let (gathered, entries, blobs) = (Vec::new(), Vec::new(), Vec::new());
        let journal = journal.map(|file| Lines { file, gathered: Vec::new() });
        Writer { file, journal, gathered, at, entries, blobs, broken: false }
    }

    /// Adds a page; a later one with the same key takes its place.
    pub(super) fn add(&mut self, page: &Page) -> Result<(), AddError> {
        let len = record::encode(page, self.at, &mut self.gathered)?;
        let hash = format::key_hash(&page.key);
        let entry = Entry { hash, at: self.at, len, class: page.class as u8 };
        self.entries.push(entry);
        self.blobs.extend(page.body.map(|id| (id, page.len)));
        self.at += u64::from(len);
        let most = match &mut self.journal {
            Some(lines) => {
                lines.gathered.extend_from_slice(&entry.encode());
                GATHER_JOURNALED
            }
            None => GATHER,
        };
        if self.gathered.len() >= most { Ok(self.flush()?) } else { Ok(()) }
    }

    /// The page that was added as number `n`, if it is written.
    pub(super) fn read(&self, n: usize) -> Option<Page> {
        let entry = self.entries.get(n)?;
        let mut bytes = vec![0; entry.len as usize];
        self.file.read_exact_at(&mut bytes, entry.at).ok()?;
        record::decode(bytes.into(), entry.at)
    }

    /// Pages added so far, replaced ones included.
    pub(super) fn added(&self) -> usize {
        self.entries.len()
    }

    /// What was added so far.
    pub(super) fn mark(&self) -> Mark {
        Mark { pages: self.entries.len(), blobs: self.blobs.len() }
    }

    /// Leaves out what was added after `mark`. Its records stay in the file, as those of replaced pages do.
    pub(super) fn rewind(&mut self, mark: Mark) {
        self.entries.truncate(mark.pages);
        self.blobs.truncate(mark.blobs);
    }

    /// Leaves out what was added under these keys. The journal still has it: a crawl that is resumed comes to the same.
    pub(super) fn leave_out(&mut self, keys: &HashSet<&str>) {
        let hashes: HashSet<u128> = keys.iter().map(|key| format::key_hash(key)).collect();
        self.entries.retain(|entry| !hashes.contains(&entry.hash));
    }

    /// Writes what is gathered: records before their entries in the journal.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("an earlier write to the manifest failed"));
        }
        self.write_gathered().inspect_err(|_| self.broken = true)
    }

    fn write_gathered(&mut self) -> io::Result<()> {
        self.file.write_all(&self.gathered)?;
        self.gathered.clear();
        if let Some(lines) = &mut self.journal {
            lines.file.append(&lines.gathered)?;
            lines.gathered.clear();
        }
        Ok(())
    }

    fn gather(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.gathered.extend_from_slice(bytes);
        self.at += bytes.len() as u64;
        if self.gathered.len() >= GATHER { self.flush() } else { Ok(()) }
    }

    /// Writes the rest and gives the manifest its name, durably. The counts of `about` are filled in.
    pub(super) fn finish(mut self, about: About, path: &Path) -> io::Result<()> {
        self.settle();
        let (entries, blobs) = (std::mem::take(&mut self.entries), std::mem::take(&mut self.blobs));
        let fence = Fence {
            index: index_blocks(&entries)
                .map(|block| (Entry::hash_at(&block, 0), block_hash(&block)))
                .collect(),
            blobs: blob_blocks(&blobs).map(|block| block_hash(&block)).collect(),
        };
        let fence = fence.encode();
        let about = counted(about, &entries, &blobs);
        let hash = *blake3::hash(&fence).as_bytes();
        let head = Head::lay_out(about, self.at, entries.len() as u64, blobs.len() as u64, hash);
        let page = head.encode().ok_or_else(|| io::Error::other("the snapshot's names are too long"))?;
        self.pad(head.fence_at[0])?;
        self.gather(&fence)?;
        self.pad(head.index_at)?;
        for block in index_blocks(&entries).chain(blob_blocks(&blobs)) {
            self.gather(&block)?;
        }
        self.gather(&fence)?;
        self.gather(&page)?;
        self.flush()?;
        self.file.write_all_at(&page, 0)?;
        self.file.commit(path)
    }

    /// Sorts, and keeps the last of the pages with one key and one of each blob.
    fn settle(&mut self) {
        // By place within a key: a record that stands later was added later.
        self.entries.sort_unstable_by_key(|entry| (entry.hash, std::cmp::Reverse(entry.at)));
        self.entries.dedup_by_key(|entry| entry.hash);
        self.blobs.sort_unstable();
        self.blobs.dedup_by_key(|(id, _)| *id);
    }

    /// Goes on at `place`, which is less than a block ahead.
    fn pad(&mut self, place: u64) -> io::Result<()> {
        let gap = place.saturating_sub(self.at) as usize;
        self.gather(&vec![0; gap])
    }
}

fn index_blocks(entries: &[Entry]) -> impl Iterator<Item = [u8; BLOCK]> {
    let blocks = entries.chunks(ENTRIES_PER_BLOCK as usize);
    blocks.map(|lines| format::block_of(&lines.iter().flat_map(Entry::encode).collect::<Vec<u8>>()))
}

fn blob_blocks(blobs: &[(BlobId, u64)]) -> impl Iterator<Item = [u8; BLOCK]> {
    let line = |(id, len): &(BlobId, u64)| format::encode_blob(id, *len);
    let blocks = blobs.chunks(BLOBS_PER_BLOCK as usize);
    blocks.map(move |lines| format::block_of(&lines.iter().flat_map(line).collect::<Vec<u8>>()))
}

fn counted(about: About, entries: &[Entry], blobs: &[(BlobId, u64)]) -> About {
    let count = |class: Class| entries.iter().filter(|entry| entry.class == class as u8).count() as u64;
    About {
        pages: count(Class::Page),
        files: count(Class::Asset),
        redirects: count(Class::Redirect),
        bytes: blobs.iter().map(|(_, len)| len).sum(),
        ..about
    }
}
