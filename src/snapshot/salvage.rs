//! Reading a manifest whose index or head is lost.
//!
//! Records lie one after the other, each begins with its own place and ends with its check: so they can be found without
//! an index, and after a damaged one the next that is whole.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;

use super::format::BLOCK;
use super::page::Page;
use super::record::{self, LONGEST};

/// How much is read at once, in bytes: more than the longest record.
const WINDOW: usize = 4 * LONGEST;

/// The whole records of a manifest, in the order in which they were added: a later page with the same key takes the place
/// of an earlier one.
pub(super) struct Heap {
    file: File,
    end: u64,
    at: u64,
    /// What lies at `at`.
    window: Bytes,
    /// How often bytes were passed over that are no record.
    pub(super) gaps: u64,
    in_gap: bool,
}

impl Heap {
    /// Reads up to `end`, the end of the heap, or of the file if that is not known.
    pub(super) fn new(file: File, end: u64) -> Heap {
        Heap { file, end, at: BLOCK as u64, window: Bytes::new(), gaps: 0, in_gap: false }
    }

    /// Makes sure that the longest record fits into the window, as far as the file goes.
    fn fill(&mut self) {
        if self.window.len() >= LONGEST || self.at + self.window.len() as u64 >= self.end {
            return;
        }
        let len = (self.end - self.at).min(WINDOW as u64) as usize;
        let mut bytes = vec![0; len];
        let mut read = 0;
        while read < len {
            match self.file.read_at(&mut bytes[read..], self.at + read as u64) {
                Ok(0) => break,
                Ok(n) => read += n,
                // A place that the disk cannot read is a gap.
                Err(_) => read = len.min(read + BLOCK),
            }
        }
        bytes.truncate(read);
        self.window = bytes.into();
        if read < len {
            self.end = self.at + read as u64;
        }
    }

    fn advance(&mut self, by: usize) {
        self.at += by as u64;
        bytes::Buf::advance(&mut self.window, by);
    }
}

impl Iterator for Heap {
    type Item = Page;

    fn next(&mut self) -> Option<Page> {
        loop {
            self.fill();
            let place = self.window.first_chunk::<8>()?;
            let found = match u64::from_le_bytes(*place) == self.at {
                true => record::decode_first(&self.window, self.at),
                false => None,
            };
            match found {
                Some((page, len)) => {
                    self.in_gap = false;
                    self.advance(len);
                    return Some(page);
                }
                None => {
                    self.gaps += u64::from(!std::mem::replace(&mut self.in_gap, true));
                    self.advance(1);
                }
            }
        }
    }
}
