//! The shape of an index, version 1. Pure: bytes in, bytes out.
//!
//! ```text
//! head · postings · dictionary · fence of the dictionary · pages · keys · hashes of the blocks
//! ```
//!
//! - All but the hashes is in blocks of 4096 bytes; the last is filled up with zeros. Whoever reads a part reads its blocks, and
//!   believes them only if their hashes (BLAKE3, cut to 16 bytes) are those of the table at the end.
//! - The **head** is a block: where each part is, the hash of that table, and a hash of itself. The manifest names the hash of
//!   the head, so that an index is that of its snapshot, and a lost one is missed.
//! - The **postings** of a term: for each page, in the order of their numbers, the distance from the page before
//!   (a varint), and the term's weight there (a byte).
//! - The **dictionary** has the terms in the order of their bytes, a block each for as many as fit. A block begins with the place
//!   of its first term's postings (u64); a term is: how many bytes it shares with the one before, how many follow,
//!   those, in how many pages it is, and how long its postings are (varints; the postings follow one upon the other).
//! - The **fence** has each block's first term: its length (a byte), and the term.
//! - The **pages** are u32 weight of all words · u32 place of the key, one more than there are pages; sorted by key.
//!
//! Numbers are little-endian. Nothing in it depends on when it was made, or in which order pages came.

use super::super::format::BLOCK;

/// The version that is written.
pub(super) const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"KATAIDX\n";
const SEALED: usize = BLOCK - 32;
/// The bytes of a page's line.
pub(super) const PAGE: usize = 8;

/// Where everything is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// How many pages it has.
    pub(super) pages: u64,
    /// How many it has no room for.
    pub(super) left_out: u64,
    /// The weight of all words of all pages.
    pub(super) weight: u64,
    pub(super) terms: u64,
    pub(super) dictionary_at: u64,
    pub(super) fence_at: u64,
    pub(super) pages_at: u64,
    pub(super) keys_at: u64,
    pub(super) keys_end: u64,
    /// How many blocks there are, the head not counted.
    pub(super) blocks: u64,
}

impl Layout {
    fn numbers(&self) -> [u64; 10] {
        let Layout {
            pages,
            left_out,
            weight,
            terms,
            dictionary_at,
            fence_at,
            pages_at,
            keys_at,
            keys_end,
            blocks,
        } = *self;
        [pages, left_out, weight, terms, dictionary_at, fence_at, pages_at, keys_at, keys_end, blocks]
    }

    /// Where the table of hashes begins.
    pub(super) fn hashes_at(&self) -> u64 {
        (self.blocks + 1) * BLOCK as u64
    }

    /// How long the file is.
    pub(super) fn file_len(&self) -> u64 {
        self.hashes_at() + self.blocks * 16
    }

    /// Whether its parts follow each other, and fit.
    fn is_sound(&self) -> bool {
        let order =
            [BLOCK as u64, self.dictionary_at, self.fence_at, self.pages_at, self.keys_at, self.keys_end];
        let is_small = self.numbers().iter().all(|number| *number < 1 << 40);
        is_small
            && order.is_sorted()
            && self.keys_end.div_ceil(BLOCK as u64) == self.blocks + 1
            && self.keys_at - self.pages_at == (self.pages + 1) * PAGE as u64
            && (self.fence_at - self.dictionary_at).is_multiple_of(BLOCK as u64)
    }
}

/// The head's block.
pub(super) fn encode_head(layout: &Layout, hashes: &[u8]) -> [u8; BLOCK] {
    let mut head = [0; BLOCK];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    for (place, number) in head[16..].as_chunks_mut::<8>().0.iter_mut().zip(layout.numbers()) {
        *place = number.to_le_bytes();
    }
    head[128..160].copy_from_slice(blake3::hash(hashes).as_bytes());
    let hash = *blake3::hash(&head[..SEALED]).as_bytes();
    head[SEALED..].copy_from_slice(&hash);
    head
}

/// Why a head was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAHead {
    Damaged,
    Version(u32),
}

/// Reads a head: the places, and the hash of the table of hashes.
pub(super) fn decode_head(head: &[u8; BLOCK]) -> Result<(Layout, [u8; 32]), NotAHead> {
    if head[..8] != *MAGIC || blake3::hash(&head[..SEALED]).as_bytes() != &head[SEALED..] {
        return Err(NotAHead::Damaged);
    }
    let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    if version != VERSION {
        return Err(NotAHead::Version(version));
    }
    let mut numbers = head[16..].as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    let mut next = || numbers.next().unwrap_or_default();
    let layout = Layout {
        pages: next(),
        left_out: next(),
        weight: next(),
        terms: next(),
        dictionary_at: next(),
        fence_at: next(),
        pages_at: next(),
        keys_at: next(),
        keys_end: next(),
        blocks: next(),
    };
    let mut hash = [0; 32];
    hash.copy_from_slice(&head[128..160]);
    if layout.is_sound() { Ok((layout, hash)) } else { Err(NotAHead::Damaged) }
}

/// Appends a number, seven bits a byte, the lowest first.
pub(super) fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number off the front; `None` if there is none.
pub(super) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Takes so many bytes off the front.
pub(super) fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

/// A term's postings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// In how many pages it is.
    pub(super) pages: u64,
    pub(super) at: u64,
    pub(super) len: u64,
}

/// Reads the terms of a block of the dictionary, one after the other, until `f` says that it has enough. `None`: it is no such block.
pub(super) fn each_term(block: &[u8; BLOCK], mut f: impl FnMut(&[u8], Listed) -> bool) -> Option<()> {
    let mut rest = &block[..];
    let mut at = take(&mut rest, 8)?.as_chunks::<8>().0.first().map(|at| u64::from_le_bytes(*at))?;
    let mut term = Vec::with_capacity(64);
    while let Some((shared, follow)) = take(&mut rest, 2).and_then(|two| Some((*two.first()?, *two.get(1)?)))
    {
        if follow == 0 {
            return Some(());
        }
        if usize::from(shared) > term.len() {
            return None;
        }
        term.truncate(usize::from(shared));
        term.extend_from_slice(take(&mut rest, usize::from(follow))?);
        let (pages, len) = (take_varint(&mut rest)?, take_varint(&mut rest)?);
        if !f(&term, Listed { pages, at, len }) {
            return Some(());
        }
        at = at.checked_add(len)?;
    }
    Some(())
}
