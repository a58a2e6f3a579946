//! The `current` file: which snapshot is in service.
//!
//! ```text
//! katahai current 1
//! id 20261120T011334Z-000042
//! last 42
//! check 0123456789abcdef0123456789abcdef
//! ```
//!
//! `last` is the highest number that was ever published, so that numbers are not used twice even when the newest
//! snapshot has been removed. `check` is the BLAKE3 hash, cut, of the lines before it.

use super::id::SnapshotId;

const FIRST_LINE: &str = "katahai current 1";

/// What a pointer file is at most long, in bytes; more is not read.
pub(super) const LONGEST: usize = 1024;

/// The content of a `current` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) id: SnapshotId,
    pub(super) last: u64,
}

impl Pointer {
    pub(super) fn encode(&self) -> String {
        let lines = format!("{FIRST_LINE}\nid {}\nlast {}\n", self.id, self.last);
        let check = check_of(&lines);
        format!("{lines}check {check}\n")
    }

    /// `None` when it is not exactly what was written.
    pub(super) fn decode(bytes: &[u8]) -> Option<Pointer> {
        let mut fields = std::str::from_utf8(bytes).ok()?.lines().skip(1);
        let id = fields.next()?.strip_prefix("id ")?.parse().ok()?;
        let last = fields.next()?.strip_prefix("last ")?.parse().ok()?;
        let pointer = Pointer { id, last };
        (pointer.encode().as_bytes() == bytes).then_some(pointer)
    }
}

fn check_of(lines: &str) -> String {
    blake3::hash(lines.as_bytes()).to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_pointer_is_read_back_and_no_part_or_change_of_it_is() {
        let pointer = Pointer { id: SnapshotId::new(UNIX_EPOCH, 42), last: 43 };
        let text = pointer.encode();
        assert_eq!(Pointer::decode(text.as_bytes()), Some(pointer));
        for end in 0..text.len() {
            assert_eq!(Pointer::decode(&text.as_bytes()[..end]), None, "cut at {end}");
        }
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone().into_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Pointer::decode(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_kept_sample_of_version_1_is_read() {
        let text = "katahai current 1\nid 20261120T011334Z-000042\nlast 42\ncheck ce5e2f80ad81ce1b88124c8a476bf58a\n";
        let pointer = Pointer::decode(text.as_bytes()).unwrap();
        assert_eq!((pointer.id.to_string().as_str(), pointer.last), ("20261120T011334Z-000042", 42));
    }
}
