//! What a crawl has seen on the pages of a kind, and how much of the next one is new.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Bits of the memory: 8 MiB. After five million hashes one in fifty new ones passes for known.
const BITS: u64 = 1 << 26;

/// What has been seen, by a kind of pages each for itself. Now and then something new passes for known, never the
/// other way round.
#[derive(Debug, Default)]
pub(super) struct Memory {
    bits: Vec<u64>,
}

impl Memory {
    /// Records a page, and says how much of it is new for its kind.
    pub(super) fn learn(&mut self, kind: &str, shingles: &[u64]) -> usize {
        if self.bits.is_empty() {
            self.bits = vec![0; (BITS / 64) as usize];
        }
        let kind = hash(kind.as_bytes());
        shingles.iter().filter(|seen| self.set((*seen ^ kind).wrapping_mul(0x9E37_79B9_7F4A_7C15))).count()
    }

    /// Whether it was not set before.
    fn set(&mut self, mark: u64) -> bool {
        let mut new = false;
        for bit in [mark % BITS, (mark >> 32).wrapping_mul(0x9E37_79B1) % BITS] {
            let (word, mask) = (&mut self.bits[(bit / 64) as usize], 1 << (bit % 64));
            new |= *word & mask == 0;
            *word |= mask;
        }
        new
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_new_once_for_its_kind() {
        let mut memory = Memory::default();
        assert_eq!(memory.learn("a", &[1, 2, 3]), 3);
        assert_eq!(memory.learn("a", &[3, 2, 4]), 1);
        assert_eq!(memory.learn("b", &[3, 2, 4]), 3);
    }
}
