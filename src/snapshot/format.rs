//! The shape of a manifest, version 1. Pure: bytes in, bytes out.
//!
//! ```text
//! head · heap of records · fence · index blocks · blob blocks · fence again · head again
//! ```
//!
//! - The **heap** holds the records ([`super::record`]) in the order in which they were added. Each has its own check.
//! - The **index** is sorted by key hash; an entry is 32 bytes: key hash (BLAKE3, cut to 16) · u64 place of the
//!   record · u32 length of the record · u32 class. 128 entries fill a block of 4096 bytes.
//! - The **blobs** are sorted by id; an entry is 40 bytes: id · u64 length. 102 entries a block. It is what
//!   collection, verification and copying elsewhere go by.
//! - The **fence** has, for each index block, its first key hash and its BLAKE3 hash (cut to 16), so that a look-up
//!   reads one block and can tell that it is the right one; then, for each blob block, its hash. It is kept in
//!   memory: 32 bytes for 128 pages and 16 for 102 bodies, so 400 KiB for a million of both.
//! - The **head**, 4096 bytes, says where all that is, what the fence's hash is, and what the snapshot is about (JSON:
//!   unknown fields are passed over). It ends with a BLAKE3 hash of itself.
//!
//! Head and fence stand at two places: one damaged sector must not cost a site its copy. Opening reads these two;
//! everything else is verified when it is read. Blocks are hashed whole, in one go: 4096 bytes are four BLAKE3 chunks,
//! which are hashed side by side in the time of one. Numbers are little-endian, hashes are as BLAKE3 gives them.

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
pub(super) const ENTRIES_PER_BLOCK: u64 = (BLOCK / ENTRY) as u64;
pub(super) const BLOB_ENTRY: usize = 40;
pub(super) const BLOBS_PER_BLOCK: u64 = (BLOCK / BLOB_ENTRY) as u64;

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
    /// The hash of the head of its index for search, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) search: Option<String>,
}

/// Where everything is in a manifest, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) about: About,
    pub(super) entries: u64,
    pub(super) blobs: u64,
    pub(super) heap_end: u64,
    /// Both places of the fence.
    pub(super) fence_at: [u64; 2],
    pub(super) index_at: u64,
    pub(super) blobs_at: u64,
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
        let (index_blocks, blob_blocks) =
            (entries.div_ceil(ENTRIES_PER_BLOCK), blobs.div_ceil(BLOBS_PER_BLOCK));
        let fence_len = index_blocks * 32 + blob_blocks * 16;
        let first_fence = heap_end.next_multiple_of(block);
        let index_at = (first_fence + fence_len).next_multiple_of(block);
        let blobs_at = index_at + index_blocks * block;
        let second_fence = blobs_at + blob_blocks * block;
        let file_len = second_fence + fence_len + block;
        let fence_at = [first_fence, second_fence];
        Head { about, entries, blobs, heap_end, fence_at, index_at, blobs_at, file_len, fence_hash }
    }

    pub(super) fn index_blocks(&self) -> u64 {
        self.entries.div_ceil(ENTRIES_PER_BLOCK)
    }

    pub(super) fn blob_blocks(&self) -> u64 {
        self.blobs.div_ceil(BLOBS_PER_BLOCK)
    }

    pub(super) fn fence_len(&self) -> u64 {
        self.index_blocks() * 32 + self.blob_blocks() * 16
    }

    /// What is stored of the places; the head page has room for eight numbers.
    fn numbers(&self) -> [u64; 8] {
        let [first_fence, second_fence] = self.fence_at;
        let (entries, blobs) = (self.entries, self.blobs);
        [
            entries,
            blobs,
            self.heap_end,
            first_fence,
            self.index_at,
            self.blobs_at,
            second_fence,
            self.file_len,
        ]
    }

    /// The head page. `None` when what it is about does not fit.
    pub(super) fn encode(&self) -> Option<[u8; BLOCK]> {
        let about = serde_json::to_vec(&self.about).ok()?;
        let mut page = [0; BLOCK];
        page[..8].copy_from_slice(MAGIC);
        page[8..12].copy_from_slice(&VERSION.to_le_bytes());
        page[12..16].copy_from_slice(&u32::try_from(about.len()).ok()?.to_le_bytes());
        for (i, number) in self.numbers().iter().enumerate() {
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
        let (entries, blobs, heap_end, file_len) = (number(0), number(1), number(2), number(7));
        let mut fence_hash = [0; 32];
        fence_hash.copy_from_slice(&page[128..160]);
        // An entry takes 32 bytes, so no honest number here comes near the range in which sums overflow.
        if [entries, blobs, heap_end].into_iter().any(|n| n > file_len || n > 1 << 48) {
            return Err(BadHead::Damaged);
        }
        let head = Head::lay_out(about, heap_end, entries, blobs, fence_hash);
        let fits = heap_end >= BLOCK as u64 && head.numbers() == std::array::from_fn(number);
        if fits { Ok(head) } else { Err(BadHead::Damaged) }
    }
}

/// The hash by which a key is found.
pub(super) fn key_hash(key: &str) -> u128 {
    cut(&blake3::hash(key.as_bytes()))
}

/// The hash by which a block is verified.
pub(super) fn block_hash(block: &[u8; BLOCK]) -> u128 {
    cut(&blake3::hash(block))
}

/// The first half of a hash.
fn cut(hash: &blake3::Hash) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_be_bytes(half)
}

/// What is kept in memory of an open manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fence {
    /// Of each index block the first key hash, and the hash of the block.
    pub(super) index: Vec<(u128, u128)>,
    /// Of each blob block its hash.
    pub(super) blobs: Vec<u128>,
}

impl Fence {
    pub(super) fn encode(&self) -> Vec<u8> {
        let index = self.index.iter().flat_map(|(first, hash)| [*first, *hash]);
        index.chain(self.blobs.iter().copied()).flat_map(u128::to_be_bytes).collect()
    }

    /// `None`: not the one that belongs to `head`. `bytes` are as many as it says.
    pub(super) fn decode(bytes: &[u8], head: &Head) -> Option<Fence> {
        if *blake3::hash(bytes).as_bytes() != head.fence_hash {
            return None;
        }
        let (index, blobs) = bytes.split_at_checked(head.index_blocks() as usize * 32)?;
        let (index, blobs) = (index.as_chunks::<16>().0, blobs.as_chunks::<16>().0);
        let number = |bytes: &[u8; 16]| u128::from_be_bytes(*bytes);
        let index = index.as_chunks::<2>().0.iter().map(|[first, hash]| (number(first), number(hash)));
        Some(Fence { index: index.collect(), blobs: blobs.iter().map(number).collect() })
    }
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

    /// Line `i` of a block.
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

/// Line `i` of a block.
pub(super) fn read_blob(block: &[u8; BLOCK], i: usize) -> (BlobId, u64) {
    let at = i * BLOB_ENTRY;
    let mut id = [0; 32];
    id.copy_from_slice(&block[at..at + 32]);
    (BlobId::from_bytes(id), u64_at(block, at + 32))
}

/// A block of these lines; they are at most as many as fit.
pub(super) fn block_of(lines: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..lines.len()].copy_from_slice(lines);
    block
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
            search: None,
        }
    }

    fn head() -> Head {
        Head::lay_out(about(), 10_000, 129, 103, [9; 32])
    }

    fn resealed(mut page: [u8; BLOCK]) -> [u8; BLOCK] {
        let hash = *blake3::hash(&page[..SEALED]).as_bytes();
        page[SEALED..].copy_from_slice(&hash);
        page
    }

    #[test]
    fn a_head_is_read_back() {
        let head = head();
        assert_eq!((head.index_blocks(), head.blob_blocks(), head.fence_len()), (2, 2, 96));
        assert_eq!((head.fence_at, head.index_at), ([12_288, 16_384 + 4 * 4096], 16_384));
        assert_eq!(head.file_len, 16_384 + 4 * 4096 + 96 + 4096);
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
    fn a_fence_is_read_back_only_with_its_head() {
        let fence = Fence { index: vec![(1, 2), (3, 4)], blobs: vec![5, 6] };
        let bytes = fence.encode();
        let head = Head { fence_hash: *blake3::hash(&bytes).as_bytes(), ..head() };
        assert_eq!(bytes.len() as u64, head.fence_len());
        assert_eq!(Fence::decode(&bytes, &head), Some(fence));
        assert_eq!(Fence::decode(&bytes, &self::head()), None);
    }

    #[test]
    fn lines_are_read_back() {
        let entry = Entry { hash: 1 << 127 | 3, at: 4096, len: 77, class: 2 };
        let block = block_of(&[[0; ENTRY], entry.encode()].concat());
        assert_eq!(Entry::read(&block, 1), entry);
        let id = BlobId::of(b"x");
        let block = block_of(&[[0; BLOB_ENTRY], encode_blob(&id, 5)].concat());
        assert_eq!(read_blob(&block, 1), (id, 5));
    }

    proptest! {
        #[test]
        fn heads_with_any_numbers_never_panic_and_never_disagree(
            numbers in proptest::collection::vec(any::<u64>(), 8), about_len in any::<u32>()
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
