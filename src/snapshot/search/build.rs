//! Makes an index of pages. Pure.

use std::collections::HashMap;
use std::io;

use super::super::format::{BLOCK, block_hash};
use super::shape::{Layout, encode_head, put_varint};
use crate::content::search::{Searchable, words};

/// What a word weighs in the title, in a heading, in the text: BM25F's weights of fields (Robertson, Zaragoza, Taylor: Simple BM25
/// extension to multiple weighted fields, 2004). What stands in the title stands for the page.
const TITLE: u32 = 12;
const HEADING: u32 = 4;
const TEXT: u32 = 1;

/// How many pages are searched.
pub(super) const MOST_PAGES: usize = 100_000;
/// About how many bytes an index may take while it is built. From then on only titles and headings are searched.
const ROOM: usize = 96 << 20;
/// And from then on nothing.
const ROOM_FOR_TITLES: usize = 128 << 20;
/// What a term takes in memory, besides its bytes and postings.
const PER_TERM: usize = 96;

/// An index under way.
pub(super) struct Builder {
    numbers: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
    /// By the terms' numbers.
    lists: Vec<List>,
    /// The weights of the terms of the page that is added, and which have one.
    weights: Vec<u32>,
    touched: Vec<u32>,
    pages: Vec<(u32, Box<str>)>,
    weight: u64,
    left_out: u64,
    bytes: usize,
    room: usize,
}

#[derive(Default)]
struct List {
    /// One more than the last page; 0: none.
    next: u32,
    pages: u32,
    bytes: Vec<u8>,
}

impl Builder {
    /// One for a snapshot that has so many more pages than can be searched.
    pub(super) fn new(left_out: u64) -> Builder {
        Builder { left_out, ..Builder::with_room(ROOM) }
    }

    /// How many pages it has.
    pub(super) fn pages(&self) -> usize {
        self.pages.len()
    }

    /// How many it had no room for.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Counts a page that cannot be searched.
    pub(super) fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// One with less room than all have.
    pub(super) fn with_room(room: usize) -> Builder {
        Builder {
            numbers: HashMap::default(),
            lists: Vec::new(),
            weights: Vec::new(),
            touched: Vec::new(),
            pages: Vec::new(),
            weight: 0,
            left_out: 0,
            bytes: 0,
            room,
        }
    }

    /// Adds a page. They come in the order of their keys.
    pub(super) fn add(&mut self, key: &str, page: &Searchable) {
        if self.pages.len() >= MOST_PAGES || self.bytes >= self.room.saturating_add(ROOM_FOR_TITLES - ROOM) {
            self.left_out += 1;
            return;
        }
        self.count(&page.title, TITLE);
        self.count(&page.headings, HEADING);
        if self.bytes < self.room {
            self.count(&page.text, TEXT);
        }
        let number = self.pages.len() as u32;
        let mut total = 0u32;
        for term in self.touched.drain(..) {
            let weight = std::mem::take(&mut self.weights[term as usize]);
            total = total.saturating_add(weight);
            let list = &mut self.lists[term as usize];
            let before = list.bytes.len();
            put_varint(&mut list.bytes, u64::from(number + 1 - list.next));
            list.bytes.push(weight.min(255) as u8);
            (list.next, list.pages) = (number + 1, list.pages + 1);
            self.bytes += list.bytes.len() - before;
        }
        self.weight += u64::from(total);
        self.bytes += key.len() + 24;
        self.pages.push((total, key.into()));
    }

    fn count(&mut self, text: &str, weight: u32) {
        words(text, |term| {
            let number = match self.numbers.get(term.text) {
                Some(number) => *number,
                None => {
                    let number = self.lists.len() as u32;
                    self.numbers.insert(term.text.into(), number);
                    self.lists.push(List::default());
                    self.weights.push(0);
                    self.bytes += term.text.len() + PER_TERM;
                    number
                }
            };
            let known = &mut self.weights[number as usize];
            if *known == 0 {
                self.touched.push(number);
            }
            *known = known.saturating_add(weight);
        });
    }

    /// Writes it, and returns the hash of its head: first everything but the head goes out, and then, to be put in the place
    /// that was left free for it, the head.
    pub(super) fn finish(self, mut out: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<[u8; BLOCK]> {
        let Builder { numbers, mut lists, pages, weight, left_out, .. } = self;
        let mut terms: Vec<(Box<str>, u32)> = numbers.into_iter().collect();
        terms.sort_unstable();
        let mut blocks = BlockWriter { out: &mut out, gathered: Vec::new(), hashes: Vec::new() };
        let mut dictionary = Dictionary::default();
        for (term, number) in &terms {
            let List { pages, bytes, .. } = std::mem::take(&mut lists[*number as usize]);
            dictionary.add(term.as_bytes(), pages, blocks.at(), bytes.len());
            blocks.write(&bytes)?;
        }
        dictionary.end();
        blocks.pad()?;
        let dictionary_at = blocks.at();
        blocks.write(&dictionary.blocks)?;
        let fence_at = blocks.at();
        blocks.write(&dictionary.fence)?;
        let pages_at = blocks.at();
        let mut key_at = 0;
        for (weight, key) in &pages {
            blocks.write(&[weight.to_le_bytes(), key_at_bytes(key_at)].concat())?;
            key_at += key.len();
        }
        blocks.write(&[[0; 4], key_at_bytes(key_at)].concat())?;
        let keys_at = blocks.at();
        for (_, key) in &pages {
            blocks.write(key.as_bytes())?;
        }
        let keys_end = blocks.at();
        blocks.pad()?;
        let hashes = std::mem::take(&mut blocks.hashes);
        let layout = Layout {
            pages: pages.len() as u64,
            left_out,
            weight,
            terms: terms.len() as u64,
            dictionary_at,
            fence_at,
            pages_at,
            keys_at,
            keys_end,
            blocks: hashes.len() as u64 / 16,
        };
        out(&hashes)?;
        Ok(encode_head(&layout, &hashes))
    }
}

/// A hundred thousand keys are far from so many bytes.
fn key_at_bytes(at: usize) -> [u8; 4] {
    u32::try_from(at).unwrap_or(u32::MAX).to_le_bytes()
}

/// Writes blocks, and takes their hashes.
struct BlockWriter<'o, O> {
    out: &'o mut O,
    gathered: Vec<u8>,
    hashes: Vec<u8>,
}

impl<O: FnMut(&[u8]) -> io::Result<()>> BlockWriter<'_, O> {
    /// Where the next byte will stand in the file.
    fn at(&self) -> u64 {
        (self.hashes.len() / 16 * BLOCK + BLOCK + self.gathered.len()) as u64
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.gathered.len()));
            self.gathered.extend_from_slice(now);
            bytes = later;
            if let Some(block) = self.gathered.as_chunks::<BLOCK>().0.first() {
                self.hashes.extend_from_slice(&block_hash(block).to_be_bytes());
                (self.out)(block)?;
                self.gathered.clear();
            }
        }
        Ok(())
    }

    fn pad(&mut self) -> io::Result<()> {
        match self.gathered.len() {
            0 => Ok(()),
            len => self.write(&vec![0; BLOCK - len]),
        }
    }
}

/// The blocks of the dictionary, and its fence.
#[derive(Default)]
struct Dictionary {
    blocks: Vec<u8>,
    fence: Vec<u8>,
    /// How much of the last block is in use.
    used: usize,
    last: Vec<u8>,
}

impl Dictionary {
    fn add(&mut self, term: &[u8], pages: u32, at: u64, len: usize) {
        let line = |shared: usize| {
            let mut line = vec![shared as u8, (term.len() - shared) as u8];
            line.extend_from_slice(&term[shared..]);
            put_varint(&mut line, pages.into());
            put_varint(&mut line, len as u64);
            line
        };
        let shared = term.iter().zip(&self.last).take_while(|(a, b)| a == b).count();
        let mut next = line(shared);
        if self.used == 0 || self.used + next.len() > BLOCK {
            self.end();
            self.blocks.extend_from_slice(&at.to_le_bytes());
            self.fence.push(term.len() as u8);
            self.fence.extend_from_slice(term);
            next = line(0);
            self.used = 8;
        }
        self.blocks.extend_from_slice(&next);
        self.used += next.len();
        self.last.clear();
        self.last.extend_from_slice(term);
    }

    /// Fills up the last block.
    fn end(&mut self) {
        self.blocks.resize(self.blocks.len().next_multiple_of(BLOCK), 0);
    }
}
