//! The shape of a manifest, version 1. Pure: bytes in, bytes out.
//!
//! ```text
//! head page · heap of records · index blocks · blob blocks · fence · head page again
//! ```
//!
//! - A **page** or **block** is 4096 bytes and ends with a BLAKE3 hash of what stands before it. A block's hash also
//!   covers its kind and number, so that one block never passes for another.
//! - The **heap** holds the records ([`super::record`]) in the order in which they were added.
//! - The **index** is sorted by key hash; an entry is 32 bytes: key hash (BLAKE3, cut to 16) · u64 place of the
//!   record · u32 length of the record · u32 class. 127 entries a block.
//! - The **blobs** are sorted by id; an entry is 40 bytes: id · u64 length. 101 entries a block. It is what
//!   collection, verification and copying elsewhere go by.
//! - The **fence** has the first key hash of each index block, so that a look-up reads one block. It alone is kept
//!   in memory: 16 bytes for 127 pages, 124 KiB for a million. Its hash stands in the head.
//! - The **head** says where all that is and what the snapshot is about (JSON: unknown fields are passed over). It
//!   stands at both ends: one damaged sector must not cost a site its copy.
//!
//! Opening reads the head and the fence. Everything else is verified when it is read. Numbers are little-endian.

use serde::{Deserialize, Serialize};

use super::id::SnapshotId;
use super::page::BlobId;

/// The version that is written. An older one is read for ever; a newer one is refused, and never collected.
pub(super) const VERSION: u32 = 1;

/// The size of a head page and of a block, in bytes.
pub(super) const BLOCK: usize = 4096;

const MAGIC: &[u8; 8] = b"KATAHAI\n";
const SEALED: usize = BLOCK - 32;
const ABOUT_AT: usize = 192;

pub(super) const ENTRY: usize = 32;
pub(super) const ENTRIES_PER_BLOCK: u64 = (SEALED / ENTRY) as u64;
pub(super) const BLOB_ENTRY: usize = 40;
pub(super) const BLOBS_PER_BLOCK: u64 = (SEALED / BLOB_ENTRY) as u64;
pub(super) const FENCE_ENTRY: u64 = 16;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Index,
    Blobs,
}

/// What a snapshot says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) id: SnapshotId,
    pub(super) site: String,
    pub(super) kind: String,
    /// Milliseconds since 1970, as all times here.
    pub(super) started: u64,
    pub(super) finished: u64,
    pub(super) pages: u64,
    pub(super) files: u64,
    #[serde(default)]
    pub(super) redirects: u64,
    pub(super) bytes: u64,
    #[serde(default)]
    pub(super) written_by: String,
}

/// Where everything is in a manifest, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) about: About,
    pub(super) entries: u64,
    pub(super) blobs: u64,
    pub(super) heap_end: u64,
    pub(super) index_at: u64,
    pub(super) blobs_at: u64,
    pub(super) fence_at: u64,
    pub(super) file_len: u64,
    pub(super) fence_hash: [u8; 32],
}

/// Why a head page was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHead {
    Damaged,
    Version(u32),
}

impl Head {
    /// The places of all parts, for a heap that ends at `heap_end`.
    pub(super) fn lay_out(
        about: About,
        heap_end: u64,
        entries: u64,
        blobs: u64,
        fence_hash: [u8; 32],
    ) -> Head {
        let block = BLOCK as u64;
        let index_at = heap_end.next_multiple_of(block);
        let blobs_at = index_at + entries.div_ceil(ENTRIES_PER_BLOCK) * block;
        let fence_at = blobs_at + blobs.div_ceil(BLOBS_PER_BLOCK) * block;
        let fence_len = entries.div_ceil(ENTRIES_PER_BLOCK) * FENCE_ENTRY;
        let file_len = fence_at + fence_len + block;
        Head { about, entries, blobs, heap_end, index_at, blobs_at, fence_at, file_len, fence_hash }
    }

    pub(super) fn index_blocks(&self) -> u64 {
        self.entries.div_ceil(ENTRIES_PER_BLOCK)
    }

    pub(super) fn blob_blocks(&self) -> u64 {
        self.blobs.div_ceil(BLOBS_PER_BLOCK)
    }

    pub(super) fn fence_len(&self) -> u64 {
        self.index_blocks() * FENCE_ENTRY
    }

    /// The head page. `None` when what it is about does not fit.
    pub(super) fn encode(&self) -> Option<[u8; BLOCK]> {
        let about = serde_json::to_vec(&self.about).ok()?;
        let mut page = [0; BLOCK];
        page[..8].copy_from_slice(MAGIC);
        page[8..12].copy_from_slice(&VERSION.to_le_bytes());
        page[12..16].copy_from_slice(&u32::try_from(about.len()).ok()?.to_le_bytes());
        let numbers = [
            self.entries,
            self.blobs,
            self.heap_end,
            self.index_at,
            self.blobs_at,
            self.fence_at,
            self.file_len,
        ];
        for (i, number) in numbers.iter().enumerate() {
            page[16 + i * 8..24 + i * 8].copy_from_slice(&number.to_le_bytes());
        }
        page[128..160].copy_from_slice(&self.fence_hash);
        page.get_mut(ABOUT_AT..SEALED)?.get_mut(..about.len())?.copy_from_slice(&about);
        let hash = *blake3::hash(&page[..SEALED]).as_bytes();
        page[SEALED..].copy_from_slice(&hash);
        Some(page)
    }

    /// Reads a head page, and accepts it only if all its places fit together.
    pub(super) fn decode(page: &[u8; BLOCK]) -> Result<Head, BadHead> {
        if page[..8] != *MAGIC || blake3::hash(&page[..SEALED]).as_bytes() != &page[SEALED..] {
            return Err(BadHead::Damaged);
        }
        let version = u32_at(page, 8);
        if version != VERSION {
            return Err(BadHead::Version(version));
        }
        let number = |i: usize| u64_at(page, 16 + i * 8);
        let about = page[ABOUT_AT..SEALED].get(..u32_at(page, 12) as usize).ok_or(BadHead::Damaged)?;
        let about = serde_json::from_slice(about).map_err(|_| BadHead::Damaged)?;
        let (entries, blobs, heap_end, file_len) = (number(0), number(1), number(2), number(6));
        let mut fence_hash = [0; 32];
        fence_hash.copy_from_slice(&page[128..160]);
        // An entry takes 32 bytes, so no honest number here comes near the range in which sums overflow.
        if [entries, blobs, heap_end].into_iter().any(|n| n > file_len || n > 1 << 48) {
            return Err(BadHead::Damaged);
        }
        let head = Head::lay_out(about, heap_end, entries, blobs, fence_hash);
        let places = [head.index_at, head.blobs_at, head.fence_at, head.file_len];
        if heap_end < BLOCK as u64 || places != [number(3), number(4), number(5), file_len] {
            return Err(BadHead::Damaged);
        }
        Ok(head)
    }
}

/// The hash by which a key is found.
pub(super) fn key_hash(key: &str) -> u128 {
    u128::from_be_bytes(first_16(blake3::hash(key.as_bytes()).as_bytes()))
}

fn first_16(bytes: &[u8; 32]) -> [u8; 16] {
    let mut first = [0; 16];
    first.copy_from_slice(&bytes[..16]);
    first
}

/// One line of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) hash: u128,
    pub(super) at: u64,
    pub(super) len: u32,
    pub(super) class: u8,
}

impl Entry {
    pub(super) fn encode(&self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[..16].copy_from_slice(&self.hash.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.at.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.len.to_le_bytes());
        bytes[28] = self.class;
        bytes
    }

    /// Line `i` of a block that has passed [`is_sealed`].
    pub(super) fn read(block: &[u8; BLOCK], i: usize) -> Entry {
        let at = i * ENTRY;
        Entry {
            hash: Entry::hash_at(block, i),
            at: u64_at(block, at + 16),
            len: u32_at(block, at + 24),
            class: block[at + 28],
        }
    }

    /// The key hash alone of line `i`.
    pub(super) fn hash_at(block: &[u8; BLOCK], i: usize) -> u128 {
        let mut hash = [0; 16];
        hash.copy_from_slice(&block[i * ENTRY..i * ENTRY + 16]);
        u128::from_be_bytes(hash)
    }
}

/// One line of the table of blobs.
pub(super) fn encode_blob(id: &BlobId, len: u64) -> [u8; BLOB_ENTRY] {
    let mut bytes = [0; BLOB_ENTRY];
    bytes[..32].copy_from_slice(id.as_bytes());
    bytes[32..].copy_from_slice(&len.to_le_bytes());
    bytes
}

/// Line `i` of a block that has passed [`is_sealed`].
pub(super) fn read_blob(block: &[u8; BLOCK], i: usize) -> (BlobId, u64) {
    let at = i * BLOB_ENTRY;
    let mut id = [0; 32];
    id.copy_from_slice(&block[at..at + 32]);
    (BlobId::from_bytes(id), u64_at(block, at + 32))
}

/// A block of these lines, closed by its hash. `lines` are at most as many as fit.
pub(super) fn seal(kind: Kind, number: u64, lines: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..lines.len()].copy_from_slice(lines);
    let hash = seal_of(kind, number, &block);
    block[SEALED..].copy_from_slice(&hash);
    block
}

/// Whether a block is the one that was written at this place.
pub(super) fn is_sealed(kind: Kind, number: u64, block: &[u8; BLOCK]) -> bool {
    seal_of(kind, number, block) == block[SEALED..]
}

fn seal_of(kind: Kind, number: u64, block: &[u8; BLOCK]) -> [u8; 32] {
    let kind = match kind {
        Kind::Index => b'i',
        Kind::Blobs => b'b',
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[kind]).update(&number.to_le_bytes()).update(&block[..SEALED]);
    *hasher.finalize().as_bytes()
}

fn u32_at(bytes: &[u8; BLOCK], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8; BLOCK], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    fn about() -> About {
        About {
            id: SnapshotId::new(UNIX_EPOCH, 7),
            site: "shop".to_owned(),
            kind: "crawl".to_owned(),
            started: 1,
            finished: 2,
            pages: 3,
            files: 4,
            redirects: 5,
            bytes: 6,
            written_by: "katahai 0.1.0".to_owned(),
        }
    }

    fn head() -> Head {
        Head::lay_out(about(), 10_000, 128, 102, [9; 32])
    }

    fn resealed(mut page: [u8; BLOCK]) -> [u8; BLOCK] {
        let hash = *blake3::hash(&page[..SEALED]).as_bytes();
        page[SEALED..].copy_from_slice(&hash);
        page
    }

    #[test]
    fn a_head_is_read_back() {
        let head = head();
        assert_eq!(head.index_at, 12_288);
        assert_eq!((head.index_blocks(), head.blob_blocks()), (2, 2));
        assert_eq!(head.file_len, 12_288 + 4 * 4096 + 32 + 4096);
        assert_eq!(Head::decode(&head.encode().unwrap()), Ok(head));
    }

    #[test]
    fn a_head_of_another_version_is_told_apart_from_a_damaged_one() {
        let mut page = head().encode().unwrap();
        page[8] = 2;
        assert_eq!(Head::decode(&page), Err(BadHead::Damaged));
        assert_eq!(Head::decode(&resealed(page)), Err(BadHead::Version(2)));
        assert_eq!(Head::decode(&[0; BLOCK]), Err(BadHead::Damaged));
    }

    #[test]
    fn a_name_that_does_not_fit_is_refused() {
        let long = About { site: "x".repeat(BLOCK), ..about() };
        assert_eq!(Head::lay_out(long, 4096, 0, 0, [0; 32]).encode(), None);
    }

    #[test]
    fn later_fields_of_about_are_passed_over() {
        let json = r#"{"id":"19700101T000000Z-000007","site":"s","kind":"crawl","started":1,"finished":2,"pages":3,
            "files":4,"bytes":5,"gate":{"passed":true}}"#;
        let about: About = serde_json::from_str(json).unwrap();
        assert_eq!((about.redirects, about.pages), (0, 3));
    }

    #[test]
    fn a_block_passes_for_no_other() {
        let block = seal(Kind::Index, 5, &[1; ENTRY]);
        assert!(is_sealed(Kind::Index, 5, &block));
        assert!(!is_sealed(Kind::Index, 6, &block));
        assert!(!is_sealed(Kind::Blobs, 5, &block));
    }

    #[test]
    fn lines_are_read_back() {
        let entry = Entry { hash: 1 << 127 | 3, at: 4096, len: 77, class: 2 };
        let block = seal(Kind::Index, 0, &[[0; ENTRY], entry.encode()].concat());
        assert_eq!(Entry::read(&block, 1), entry);
        let id = BlobId::of(b"x");
        let block = seal(Kind::Blobs, 0, &[[0; BLOB_ENTRY], encode_blob(&id, 5)].concat());
        assert_eq!(read_blob(&block, 1), (id, 5));
    }

    proptest! {
        #[test]
        fn heads_with_any_numbers_never_panic_and_never_disagree(
            numbers in proptest::collection::vec(any::<u64>(), 7), about_len in any::<u32>()
        ) {
            let mut page = head().encode().unwrap();
            for (i, number) in numbers.iter().enumerate() {
                page[16 + i * 8..24 + i * 8].copy_from_slice(&number.to_le_bytes());
            }
            page[12..16].copy_from_slice(&about_len.to_le_bytes());
            prop_assert_eq!(Head::decode(&resealed(page)), Err(BadHead::Damaged));
        }

        #[test]
        fn garbage_is_no_head(bytes in proptest::collection::vec(any::<u8>(), BLOCK)) {
            let page: [u8; BLOCK] = bytes.try_into().unwrap();
            prop_assert_eq!(Head::decode(&page), Err(BadHead::Damaged));
            prop_assert_eq!(Head::decode(&resealed(page)), Err(BadHead::Damaged));
        }
    }
}
