//! Reads an index: opened for one query, each part read and verified when it is needed. Blocks.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::super::damage::{Damage, ReadError};
use super::super::format::{BLOCK, block_hash};
use super::shape::{self, Layout, Listed, NotAHead, PAGE, each_term, take_varint};

/// An open index. Of an index of 30 MB, opening reads about 300 KB.
#[derive(Debug)]
pub struct SearchIndex {
    file: File,
    path: PathBuf,
    pub(super) layout: Layout,
    /// The hashes of the blocks.
    hashes: Vec<u128>,
    /// The first term of each block of the dictionary.
    fence: Vec<Box<[u8]>>,
    /// Of each page the weight of its words, and where its key begins; one more for the last one's end.
    pages: Vec<(u32, u32)>,
}

/// The hash by which a manifest names an index.
pub(in crate::snapshot) fn seal_of(head: &[u8; BLOCK]) -> String {
    blake3::hash(head).to_hex().to_string()
}

impl SearchIndex {
    /// Opens the one that the manifest names by the hash of its head.
    pub(in crate::snapshot) fn open(path: &Path, seal: &str) -> Result<SearchIndex, ReadError> {
        let io = |source: io::Error| {
            let kind = source.kind();
            if kind == io::ErrorKind::NotFound {
                Damage::SearchMissing.into()
            } else if kind == io::ErrorKind::UnexpectedEof {
                Damage::Search(0).into()
            } else {
                ReadError::io(path, source)
            }
        };
        let damaged = || ReadError::Damaged(Damage::Search(0));
        let file = File::open(path).map_err(io)?;
        let mut head = [0; BLOCK];
        file.read_exact_at(&mut head, 0).map_err(io)?;
        if seal_of(&head) != seal {
            return Err(damaged());
        }
        let (layout, hash) = shape::decode_head(&head).map_err(|error| match error {
            NotAHead::Damaged => damaged(),
            NotAHead::Version(version) => {
                let why = format!("the index has format version {version}, which this version does not know");
                ReadError::io(path, io::Error::other(why))
            }
        })?;
        if file.metadata().map_err(io)?.len() != layout.file_len() {
            return Err(damaged());
        }
        let mut hashes = vec![0; (layout.blocks * 16) as usize];
        file.read_exact_at(&mut hashes, layout.hashes_at()).map_err(io)?;
        if *blake3::hash(&hashes).as_bytes() != hash {
            return Err(damaged());
        }
        let hashes = hashes.as_chunks::<16>().0.iter().map(|hash| u128::from_be_bytes(*hash)).collect();
        let (path, fence, pages) = (path.to_owned(), Vec::new(), Vec::new());
        let mut index = SearchIndex { file, path, layout, hashes, fence, pages };
        index.fence = index.read_fence()?;
        let lines = index.bytes(layout.pages_at..layout.keys_at)?;
        let line = |line: &[u8; PAGE]| {
            let number = u64::from_le_bytes(*line);
            (number as u32, (number >> 32) as u32)
        };
        index.pages = lines.as_chunks::<PAGE>().0.iter().map(line).collect();
        Ok(index)
    }

    /// How many pages it has.
    pub fn pages(&self) -> usize {
        self.layout.pages as usize
    }

    /// How many pages it had no room for.
    pub fn left_out(&self) -> u64 {
        self.layout.left_out
    }

    /// The weight of a page's words, and that of an average page's.
    pub(super) fn weights(&self, page: usize) -> (f32, f32) {
        let weight = self.pages.get(page).map_or(0, |(weight, _)| *weight);
        (weight as f32, self.layout.weight as f32 / self.layout.pages.max(1) as f32)
    }

    /// The key of the page with this number.
    pub(super) fn key(&self, page: usize) -> Result<String, ReadError> {
        let (Some((_, from)), Some((_, to))) = (self.pages.get(page), self.pages.get(page + 1)) else {
            return Err(self.damaged_at(self.layout.pages_at));
        };
        let place = |at: &u32| self.layout.keys_at + u64::from(*at);
        let bytes = self.bytes(place(from)..place(to))?;
        String::from_utf8(bytes).map_err(|_| self.damaged_at(place(from)))
    }

    /// The postings of this very term.
    pub(super) fn term(&self, term: &str) -> Result<Option<Listed>, ReadError> {
        let mut found = None;
        self.from(term, |known, listed| {
            if known == term.as_bytes() {
                found = Some(listed);
            }
            known < term.as_bytes()
        })?;
        Ok(found)
    }

    /// The terms that begin so, in their order, as many as are wanted.
    pub(super) fn beginning_with(
        &self,
        prefix: &str,
        most: usize,
    ) -> Result<Vec<(String, Listed)>, ReadError> {
        let mut found = Vec::new();
        self.from(prefix, |known, listed| {
            if known.starts_with(prefix.as_bytes()) && found.len() < most {
                found.push((String::from_utf8_lossy(known).into_owned(), listed));
            }
            found.len() < most && (known < prefix.as_bytes() || known.starts_with(prefix.as_bytes()))
        })?;
        Ok(found)
    }

    /// Reads the dictionary from the block on in which a term would be, until `f` has enough.
    fn from(&self, term: &str, mut f: impl FnMut(&[u8], Listed) -> bool) -> Result<(), ReadError> {
        let first = self.fence.partition_point(|first| **first <= *term.as_bytes()).saturating_sub(1);
        for number in first..self.fence.len() {
            let at = self.layout.dictionary_at / BLOCK as u64 - 1 + number as u64;
            let block = self.block(at)?;
            let mut goes_on = true;
            let read = each_term(&block, |term, listed| {
                goes_on = f(term, listed);
                goes_on
            });
            if read.is_none() {
                return Err(Damage::Search(at + 1).into());
            }
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// The pages that have a term, and its weight in each.
    pub(super) fn postings(&self, listed: &Listed) -> Result<Vec<(u32, u8)>, ReadError> {
        let damaged = || self.damaged_at(listed.at);
        let end = listed.at.checked_add(listed.len).filter(|end| *end <= self.layout.dictionary_at);
        let bytes = self.bytes(listed.at..end.ok_or_else(damaged)?)?;
        let (mut rest, mut next) = (&bytes[..], 0u64);
        let mut found = Vec::new();
        while !rest.is_empty() {
            let gap = take_varint(&mut rest).filter(|gap| *gap > 0).ok_or_else(damaged)?;
            let (weight, behind) = rest.split_first().ok_or_else(damaged)?;
            rest = behind;
            next = next.checked_add(gap).filter(|next| *next <= self.layout.pages).ok_or_else(damaged)?;
            found.push((next as u32 - 1, *weight));
        }
        Ok(found)
    }

    fn read_fence(&self) -> Result<Vec<Box<[u8]>>, ReadError> {
        let bytes = self.bytes(self.layout.fence_at..self.layout.pages_at)?;
        let mut rest = &bytes[..];
        let mut fence = Vec::new();
        while let Some((len, behind)) = rest.split_first() {
            rest = behind;
            let term = shape::take(&mut rest, usize::from(*len));
            fence.push(term.ok_or_else(|| self.damaged_at(self.layout.fence_at))?.into());
        }
        let blocks = (self.layout.fence_at - self.layout.dictionary_at) / BLOCK as u64;
        if fence.len() as u64 == blocks { Ok(fence) } else { Err(self.damaged_at(self.layout.fence_at)) }
    }

    /// These bytes of the file, verified.
    fn bytes(&self, at: Range<u64>) -> Result<Vec<u8>, ReadError> {
        // What another instance has written may say anything, under a hash that is right.
        let is_within = at.start >= BLOCK as u64 && at.end <= self.layout.hashes_at();
        let len = at.end.checked_sub(at.start).filter(|_| is_within);
        let mut bytes = Vec::with_capacity(len.ok_or_else(|| self.damaged_at(at.start))? as usize);
        let mut from = at.start;
        while from < at.end {
            let number = from / BLOCK as u64 - 1;
            let block = self.block(number)?;
            let begin = (from % BLOCK as u64) as usize;
            let len = (at.end - from).min((BLOCK - begin) as u64) as usize;
            bytes.extend_from_slice(&block[begin..begin + len]);
            from += len as u64;
        }
        Ok(bytes)
    }

    /// A block, verified; the one behind the head has the number 0.
    fn block(&self, number: u64) -> Result<[u8; BLOCK], ReadError> {
        let at = (number + 1) * BLOCK as u64;
        let mut block = [0; BLOCK];
        self.file.read_exact_at(&mut block, at).map_err(|source| ReadError::io(&self.path, source))?;
        match self.hashes.get(number as usize) == Some(&block_hash(&block)) {
            true => Ok(block),
            false => Err(Damage::Search(number + 1).into()),
        }
    }

    fn damaged_at(&self, at: u64) -> ReadError {
        Damage::Search(at / BLOCK as u64).into()
    }

    /// Reads all of it, and returns what is damaged.
    pub(in crate::snapshot) fn damage(&self) -> Result<Vec<Damage>, ReadError> {
        let mut found = Vec::new();
        for number in 0..self.layout.blocks {
            match self.block(number) {
                Ok(_) => {}
                Err(ReadError::Damaged(damage)) => found.push(damage),
                Err(error @ ReadError::Io { .. }) => return Err(error),
            }
        }
        Ok(found)
    }
}
