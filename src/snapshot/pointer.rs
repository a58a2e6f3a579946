//! The `current` file: which snapshot is in service.
//!
//! ```text
//! katahai current 2
//! id 20261120T011334Z-000042
//! last 43
//! by-hand 1795137214
//! check 0123456789abcdef0123456789abcdef
//! ```
//!
//! `last` is the highest number that was ever given, so that numbers are not used twice even when the newest
//! snapshot has been removed. `by-hand`, in seconds since 1970, says since when an operator has the word: new
//! snapshots are then held. Without it the file is of version 1, which has no such line. `check` is the BLAKE3 hash,
//! cut, of the lines before it.

use super::id::SnapshotId;

/// What a pointer file is at most long, in bytes; more is not read.
pub(super) const LONGEST: usize = 1024;

/// The content of a `current` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) id: SnapshotId,
    pub(super) last: u64,
    /// Since when new snapshots wait for the operator, in seconds since 1970.
    pub(super) by_hand: Option<u64>,
}

impl Pointer {
    pub(super) fn encode(&self) -> String {
        let (id, last) = (self.id, self.last);
        let lines = match self.by_hand {
            None => format!("katahai current 1\nid {id}\nlast {last}\n"),
            Some(since) => format!("katahai current 2\nid {id}\nlast {last}\nby-hand {since}\n"),
        };
        let check = check_of(&lines);
        format!("{lines}check {check}\n")
    }

    /// `None` when it is not exactly what was written.
    pub(super) fn decode(bytes: &[u8]) -> Option<Pointer> {
        let mut fields = std::str::from_utf8(bytes).ok()?.lines().skip(1);
        let id = fields.next()?.strip_prefix("id ")?.parse().ok()?;
        let last = fields.next()?.strip_prefix("last ")?.parse().ok()?;
        let by_hand = fields.next()?.strip_prefix("by-hand ").map(str::parse).transpose().ok()?;
        let pointer = Pointer { id, last, by_hand };
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
        for by_hand in [None, Some(1_795_137_214)] {
            read_back_alone(Pointer { id: SnapshotId::new(UNIX_EPOCH, 42), last: 43, by_hand });
        }
    }

    fn read_back_alone(pointer: Pointer) {
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
    fn kept_samples_are_read() {
        let text = "katahai current 1\nid 20261120T011334Z-000042\nlast 42\ncheck ce5e2f80ad81ce1b88124c8a476bf58a\n";
        let pointer = Pointer::decode(text.as_bytes()).unwrap();
        assert_eq!((pointer.id.to_string().as_str(), pointer.last), ("20261120T011334Z-000042", 42));
        assert_eq!((pointer.by_hand, pointer.encode()), (None, text.to_owned()));
        let text = "katahai current 2\nid 20261120T011334Z-000042\nlast 43\nby-hand 1795137214\n\
            check 218d6fe728ebcf544b1c6b787a897b34\n";
        let pointer = Pointer::decode(text.as_bytes()).unwrap();
        assert_eq!((pointer.last, pointer.by_hand), (43, Some(1_795_137_214)));
    }
}
