//! What an export reads: the pages of one snapshot, and their bodies, chunk by chunk.

use std::cell::RefCell;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::descriptors;
use crate::failure::chain;
use crate::snapshot::{Page, ReadError, Snapshot, Store, Stored};

/// Examples that are kept of what could not be read.
const EXAMPLES: usize = 20;

/// One snapshot being exported.
pub(super) struct Source<'a> {
    store: &'a Store,
    snapshot: Arc<Snapshot>,
    skipped: RefCell<Skipped>,
}

/// What was damaged in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Pages whose body was taken from an older snapshot.
    pub from_older: u64,
    /// Pages, or parts of the index, that could not be read at all.
    pub lost: u64,
    /// Some of them, and why.
    pub examples: Vec<String>,
}

impl<'a> Source<'a> {
    pub(super) fn new(store: &'a Store, snapshot: Arc<Snapshot>) -> Source<'a> {
        Source { store, snapshot, skipped: RefCell::default() }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(super) fn skipped(self) -> Skipped {
        self.skipped.into_inner()
    }

    /// All pages that can be read. What is damaged is noted by [`Source::body`] and here once, in the `first` pass.
    pub(super) fn pages(&self, first: bool) -> impl Iterator<Item = Result<Page, ReadError>> {
        self.snapshot.pages().filter_map(move |page| match page {
            Err(ReadError::Damaged(damage)) => {
                if first {
                    self.note(|skipped| skipped.lost += 1, damage.to_string());
                }
                None
            }
            other => Some(other),
        })
    }

    /// The page with its body, verified; the newest older version of it where its own is damaged. `None`: lost.
    pub(super) fn body(&self, page: &Page) -> Result<Option<(Page, Body)>, ReadError> {
        match self.snapshot.load(page) {
            Ok(stored) => return Ok(Some((page.clone(), Body::new(stored)))),
            Err(error) if is_lack(&error, self.snapshot.is_arriving()) => {
                let problem = chain(&error);
                let mut than = self.snapshot.id();
                while let Some((older, found)) = self.store.find_older(&page.key, &than) {
                    if let Ok(stored) = older.load(&found) {
                        self.note(|skipped| skipped.from_older += 1, format!("{}: {problem}", page.key));
                        return Ok(Some((found, Body::new(stored))));
                    }
                    than = older.id();
                }
                self.note(|skipped| skipped.lost += 1, format!("{}: {problem}", page.key));
            }
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    fn note(&self, count: impl Fn(&mut Skipped), example: String) {
        let mut skipped = self.skipped.borrow_mut();
        count(&mut skipped);
        if skipped.examples.len() < EXAMPLES {
            skipped.examples.push(example);
        }
    }
}

/// Whether an error is about this one body, and not about our own means: of a snapshot that is still arriving, what has not
/// come cannot be read either.
fn is_lack(error: &ReadError, is_arriving: bool) -> bool {
    match error {
        ReadError::Damaged(_) => true,
        ReadError::Io { .. } => is_arriving && !descriptors::is_want_behind(error),
    }
}

/// A stored body, to be read from its beginning as often as need be.
pub(super) struct Body {
    stored: Stored,
    at: u64,
}

impl Body {
    fn new(stored: Stored) -> Body {
        Body { stored, at: 0 }
    }

    pub(super) fn len(&self) -> u64 {
        match &self.stored {
            Stored::Whole(bytes) => bytes.len() as u64,
            Stored::File { len, .. } => *len,
        }
    }

    pub(super) fn rewind(&mut self) {
        self.at = 0;
    }

    /// At most `most` bytes of its beginning.
    pub(super) fn beginning(&self, most: usize) -> io::Result<Bytes> {
        match &self.stored {
            Stored::Whole(bytes) => Ok(bytes.slice(..bytes.len().min(most))),
            Stored::File { file, len } => {
                let mut bytes = vec![0; usize::try_from(*len).unwrap_or(most).min(most)];
                file.read_exact_at(&mut bytes, 0)?;
                Ok(bytes.into())
            }
        }
    }
}

impl Read for Body {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = match &self.stored {
            Stored::Whole(bytes) => bytes.get(self.at as usize..).unwrap_or_default().read(out)?,
            Stored::File { file, .. } => file.read_at(out, self.at)?,
        };
        self.at += read as u64;
        Ok(read)
    }
}
