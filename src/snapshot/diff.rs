//! What differs between two snapshots: one walk through both indexes, which have the same order, in constant memory.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, DATE, ETAG, EXPIRES, LAST_MODIFIED, SERVER, VARY, VIA,
};
use http::{HeaderName, HeaderValue};

use super::blobs::{Stored, WHOLE};
use super::damage::{ManifestError, ReadError};
use super::format::Entry;
use super::id::SnapshotId;
use super::page::Page;
use super::reader::Snapshot;
use super::store::Store;

/// One address that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the second snapshot has it.
    Added(Page),
    /// Only the first snapshot has it.
    Removed(Page),
    /// Both have it, with another status, body, or header field that a visitor notices: as it was, and as it is.
    Changed(Page, Page),
}

impl Change {
    /// The address.
    pub fn key(&self) -> &str {
        match self {
            Change::Added(page) | Change::Removed(page) | Change::Changed(page, _) => &page.key,
        }
    }

    /// The word for it in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Change::Added(_) => "added",
            Change::Removed(_) => "removed",
            Change::Changed(..) => "changed",
        }
    }
}

/// Header fields that change without any change that a visitor notices: times, validators, and how it was delivered.
const PASSING: [HeaderName; 10] =
    [AGE, CACHE_CONTROL, CONTENT_LENGTH, DATE, ETAG, EXPIRES, LAST_MODIFIED, SERVER, VARY, VIA];

/// Whether a visitor notices that one is there instead of the other.
pub(super) fn differs(a: &Page, b: &Page) -> bool {
    let lasting = |page: &Page| {
        let fields = page.headers.iter().filter(|(name, _)| !PASSING.contains(name));
        let mut fields: Vec<(HeaderName, HeaderValue)> = fields.cloned().collect();
        // Fields of one name keep their order, which means something (RFC 9110 section 5.3); others have none.
        fields.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        fields
    };
    (a.status, a.body, a.class) != (b.status, b.body, b.class) || lasting(a) != lasting(b)
}

/// The differences between two snapshots, in the order of the keys' hashes. What is damaged in either is one error
/// each; nothing is taken for added or removed because the other side cannot be read.
#[derive(Debug)]
pub struct Diff {
    was: Side,
    is: Side,
}

impl Diff {
    fn between(was: Arc<Snapshot>, is: Arc<Snapshot>) -> Diff {
        Diff { was: Side::new(was), is: Side::new(is) }
    }
}

impl Iterator for Diff {
    type Item = Result<Change, ReadError>;

    fn next(&mut self) -> Option<Result<Change, ReadError>> {
        loop {
            if let Err(error) = self.was.fill().and_then(|()| self.is.fill()) {
                return Some(Err(error));
            }
            let order = match (self.was.next, self.is.next) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(was), Some(is)) => was.hash.cmp(&is.hash),
            };
            let was = if order.is_le() { self.was.next.take() } else { None };
            let is = if order.is_ge() { self.is.next.take() } else { None };
            let change = match (was, is) {
                (Some(was), Some(is)) => self.both(was, is),
                (Some(was), None) if !self.is.is_unknown(was.hash) => {
                    self.was.page(was).map(|page| Some(Change::Removed(page)))
                }
                (None, Some(is)) if !self.was.is_unknown(is.hash) => {
                    self.is.page(is).map(|page| Some(Change::Added(page)))
                }
                _ => Ok(None),
            };
            if let Some(change) = change.transpose() {
                return Some(change);
            }
        }
    }
}

impl Diff {
    fn both(&self, was: Entry, is: Entry) -> Result<Option<Change>, ReadError> {
        let (was, is) = (self.was.page(was)?, self.is.page(is)?);
        Ok(differs(&was, &is).then_some(Change::Changed(was, is)))
    }
}

/// One side of the walk.
#[derive(Debug)]
struct Side {
    snapshot: Arc<Snapshot>,
    /// What is left of the block that is walked through.
    block: std::vec::IntoIter<Entry>,
    /// The number of the block after it.
    number: u64,
    next: Option<Entry>,
    /// Of the last blocks that could not be read: nothing is known of the hashes from the first to before the second.
    unknown: Option<(u128, Option<u128>)>,
}

impl Side {
    fn new(snapshot: Arc<Snapshot>) -> Side {
        Side { snapshot, block: Vec::new().into_iter(), number: 0, next: None, unknown: None }
    }

    /// Makes the next entry known, unless there is no more. An error for each block that cannot be read.
    fn fill(&mut self) -> Result<(), ReadError> {
        let manifest = self.snapshot.manifest();
        while self.next.is_none() {
            self.next = self.block.next();
            let Some(first) = manifest.first_of(self.number).filter(|_| self.next.is_none()) else { break };
            let lines = manifest.lines(self.number);
            self.number += 1;
            match lines {
                Ok(lines) => self.block = lines.into_iter(),
                Err(error) => {
                    let from = self
                        .unknown
                        .filter(|(_, until)| *until == Some(first))
                        .map_or(first, |(from, _)| from);
                    self.unknown = Some((from, manifest.first_of(self.number)));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn is_unknown(&self, hash: u128) -> bool {
        self.unknown.is_some_and(|(from, until)| from <= hash && until.is_none_or(|until| hash < until))
    }

    fn page(&self, entry: Entry) -> Result<Page, ReadError> {
        self.snapshot.manifest().record(entry, None)
    }
}

/// What two snapshots have of one address.
#[derive(Debug)]
pub struct Sides {
    /// The first of them.
    pub was: Option<Loaded>,
    /// The second.
    pub is: Option<Loaded>,
}

/// A page and, unless it is too large, its body.
#[derive(Debug)]
pub struct Loaded {
    /// The page.
    pub page: Page,
    /// Its body as stored, decoded from no coding. `None`: larger than was asked for.
    pub body: Option<Bytes>,
}

impl Store {
    /// What has to be done to the first snapshot to make it the second. Ends early for nobody: to be bounded by who
    /// asks.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub fn diff(&self, was: &SnapshotId, is: &SnapshotId) -> Result<Diff, ManifestError> {
        Ok(Diff::between(self.try_get(was)?, self.try_get(is)?))
    }

    /// What two snapshots have of the page with this key, with the bodies that have at most `most` bytes (and
    /// [`super::WHOLE`]): for a comparison of their texts.
    ///
    /// # Errors
    /// When one of them cannot be opened or read.
    pub fn sides(
        &self,
        key: &str,
        was: &SnapshotId,
        is: &SnapshotId,
        most: u64,
    ) -> Result<Sides, ManifestError> {
        let side = |id: &SnapshotId| -> Result<Option<Loaded>, ManifestError> {
            let snapshot = self.try_get(id)?;
            let Some(page) = snapshot.find(key)? else { return Ok(None) };
            let body = match page.len <= most.min(WHOLE) {
                true => match snapshot.load(&page)? {
                    Stored::Whole(bytes) => Some(bytes),
                    Stored::File { .. } => None,
                },
                false => None,
            };
            Ok(Some(Loaded { page, body }))
        };
        Ok(Sides { was: side(was)?, is: side(is)? })
    }
}
