//! Edits of a body that is given as it lies, in memory or in a file: what stands in place of which of its bytes. The edited body
//! has a length, parts and a mark of its own, and is never put together as a whole.

use std::ops::Range;

use bytes::Bytes;

/// A replacement: an empty range inserts, an empty text removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which bytes of the body go.
    pub range: Range<u64>,
    /// What takes their place.
    pub text: Bytes,
}

/// The edits of one body, in their order, none within another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits(Vec<Edit>);

/// A piece of an edited body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of the body as it lies.
    Kept(Range<u64>),
    /// What an edit has put there.
    Put(Bytes),
}

impl Edits {
    /// These edits. Of two that meet in the same bytes the first counts; what is inserted in one place stays in its order.
    pub fn new(mut edits: Vec<Edit>) -> Edits {
        edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
        let mut end = 0;
        edits.retain(|edit| {
            let is_free = edit.range.start >= end && edit.range.start <= edit.range.end;
            end = if is_free { edit.range.end } else { end };
            is_free
        });
        Edits(edits)
    }

    /// Whether nothing is edited.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How long a body of `len` bytes is once it is edited; `None` if it has not all the bytes that are to be replaced.
    pub fn length(&self, len: u64) -> Option<u64> {
        let gone: u64 = self.0.iter().map(|edit| edit.range.end - edit.range.start).sum();
        let put: u64 = self.0.iter().map(|edit| edit.text.len() as u64).sum();
        let is_there = self.0.last().is_none_or(|last| last.range.end <= len);
        is_there.then(|| len - gone + put)
    }

    /// The bytes `wanted` of the edited form of a body of `len` bytes, piece by piece.
    pub fn pieces(&self, len: u64, wanted: &Range<u64>) -> Vec<Piece> {
        let mut cut = Cutter { wanted, at: 0, pieces: Vec::new() };
        let mut kept = 0;
        for edit in &self.0 {
            cut.keep(kept..edit.range.start);
            cut.put(&edit.text);
            kept = edit.range.end;
        }
        cut.keep(kept..len);
        cut.pieces
    }

    /// What tells these edits from others, in letters and digits.
    pub fn mark(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for Edit { range, text } in &self.0 {
            for number in [range.start, range.end, text.len() as u64] {
                hasher.update(&number.to_le_bytes());
            }
            hasher.update(text);
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }
}

/// A part of an edited body, as it is cut out.
struct Cutter<'a> {
    wanted: &'a Range<u64>,
    /// How much of the edited body has gone by.
    at: u64,
    pieces: Vec<Piece>,
}

impl Cutter<'_> {
    /// What of the next `len` bytes is wanted.
    fn next(&mut self, len: u64) -> Option<Range<u64>> {
        let (from, to) = (self.at, self.at + len);
        self.at = to;
        let (start, end) = (from.max(self.wanted.start), to.min(self.wanted.end));
        (start < end).then(|| start - from..end - from)
    }

    fn keep(&mut self, range: Range<u64>) {
        if let Some(part) = self.next(range.end - range.start) {
            self.pieces.push(Piece::Kept(range.start + part.start..range.start + part.end));
        }
    }

    fn put(&mut self, text: &Bytes) {
        if let Some(part) = self.next(text.len() as u64) {
            // It is a part of a text in memory.
            let place = |at: u64| usize::try_from(at).unwrap_or(text.len());
            self.pieces.push(Piece::Put(text.slice(place(part.start)..place(part.end))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edit(start: u64, end: u64, text: &'static str) -> Edit {
        Edit { range: start..end, text: text.into() }
    }

    fn cut(edits: &Edits, body: &str, wanted: Range<u64>) -> String {
        let of = |piece| match piece {
            Piece::Kept(range) => {
                body[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].to_owned()
            }
            Piece::Put(text) => String::from_utf8(text.to_vec()).unwrap(),
        };
        edits.pieces(body.len() as u64, &wanted).into_iter().map(of).collect()
    }

    #[test]
    fn what_is_edited_reads_as_if_it_had_always_been_so() {
        for (edits, whole) in [
            (vec![], "0123456789"),
            (vec![edit(0, 0, "<")], "<0123456789"),
            (vec![edit(10, 10, ">")], "0123456789>"),
            (vec![edit(7, 7, "b"), edit(3, 3, "a")], "012a3456b789"),
            (vec![edit(3, 3, "a"), edit(3, 3, "b")], "012ab3456789"),
            (vec![edit(2, 4, "")], "01456789"),
            (vec![edit(2, 4, "xyz"), edit(4, 4, "-")], "01xyz-456789"),
            (vec![edit(0, 10, "all")], "all"),
            // of two that meet the first counts
            (vec![edit(2, 6, "a"), edit(5, 7, "b")], "01a6789"),
        ] {
            let edits = Edits::new(edits);
            let len = edits.length(10).unwrap();
            assert_eq!(cut(&edits, "0123456789", 0..len), whole);
            assert_eq!(len, whole.len() as u64, "{whole}");
        }
    }

    #[test]
    fn a_part_may_begin_and_end_anywhere() {
        let edits = Edits::new(vec![edit(3, 5, "abcd"), edit(8, 8, "xy")]);
        let whole = "012abcd567xy89";
        for start in 0..whole.len() {
            for end in start..=whole.len() {
                let part = cut(&edits, "0123456789", start as u64..end as u64);
                assert_eq!(part, &whole[start..end], "{start}..{end}");
            }
        }
    }

    #[test]
    fn other_edits_have_another_mark() {
        let mark = |edits| Edits::new(edits).mark();
        let all = [
            mark(vec![edit(1, 1, "ab")]),
            mark(vec![edit(1, 2, "ab")]),
            mark(vec![edit(1, 1, "a"), edit(1, 1, "b")]),
            mark(vec![edit(2, 2, "ab")]),
        ];
        assert!(all.iter().all(|mark| mark.len() == 16 && mark.bytes().all(|b| b.is_ascii_hexdigit())));
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
        assert_eq!(all[0], mark(vec![edit(1, 1, "ab")]));
    }

    #[test]
    fn a_body_that_is_too_short_is_not_edited() {
        assert_eq!(Edits::new(vec![edit(3, 5, "x")]).length(4), None);
        assert_eq!(Edits::new(vec![edit(4, 4, "x")]).length(4), Some(5));
        assert_eq!(Edits::default().length(0), Some(0));
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_or_given_twice(
            edits in proptest::collection::vec((0_u64..40, 0_u64..6, "[a-z]{0,5}"), 0..6),
            wanted in (0_u64..60, 0_u64..60),
        ) {
            let body = "0123456789012345678901234567890123456789";
            let of = |(start, len, text): (u64, u64, String)| {
                Edit { range: start..(start + len).min(40), text: text.into() }
            };
            let edits = Edits::new(edits.into_iter().map(of).collect());
            let len = edits.length(40).unwrap();
            let whole = cut(&edits, body, 0..len);
            prop_assert_eq!(whole.len() as u64, len);
            let (start, end) = (wanted.0.min(len), wanted.1.min(len));
            let part = cut(&edits, body, start..end.max(start));
            let place = |at| usize::try_from(at).unwrap();
            prop_assert_eq!(part, &whole[place(start)..place(end.max(start))]);
        }
    }
}
