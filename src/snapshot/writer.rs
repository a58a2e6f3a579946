//! Writes a manifest: records go straight to the disk as pages are added; only 32 bytes a page and 40 bytes a body
//! are kept in memory until the index is sorted at the end.

use std::io;
use std::path::Path;

use super::format::{self, About, BLOBS_PER_BLOCK, BLOCK, ENTRIES_PER_BLOCK, Entry, Fence, Head, block_hash};
use super::page::{BlobId, Class, Page};
use super::record::{self, Oversize};
use crate::disk::StagedFile;

/// How much is gathered before it is written, in bytes.
const GATHER: usize = 256 << 10;

/// A manifest being written.
pub(super) struct Writer {
    file: StagedFile,
    gathered: Vec<u8>,
    /// Where the next record will stand.
    at: u64,
    entries: Vec<Entry>,
    blobs: Vec<(BlobId, u64)>,
    /// A write failed: what is on the disk is not what was counted.
    broken: bool,
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
        let (gathered, entries, blobs) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Writer { file, gathered, at: BLOCK as u64, entries, blobs, broken: false })
    }

    /// Adds a page; a later one with the same key takes its place.
    pub(super) fn add(&mut self, page: &Page) -> Result<(), AddError> {
        let len = record::encode(page, self.at, &mut self.gathered)?;
        let hash = format::key_hash(&page.key);
        self.entries.push(Entry { hash, at: self.at, len, class: page.class as u8 });
        self.blobs.extend(page.body.map(|id| (id, page.len)));
        self.at += u64::from(len);
        if self.gathered.len() >= GATHER { Ok(self.flush()?) } else { Ok(()) }
    }

    /// Pages added so far, replaced ones included.
    pub(super) fn added(&self) -> usize {
        self.entries.len()
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("an earlier write to the manifest failed"));
        }
        self.file.write_all(&self.gathered).inspect_err(|_| self.broken = true)?;
        self.gathered.clear();
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
