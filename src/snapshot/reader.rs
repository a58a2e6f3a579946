//! What a reader holds: one snapshot, whole, for as long as it is held.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use serde::{Serialize, Serializer};

use super::blobs::{Blobs, Stored};
use super::damage::{Damage, ManifestError, ReadError};
use super::format::About;
use super::id::{LATEST, SnapshotId};
use super::manifest::Manifest;
use super::marks::Marks;
use super::page::{BlobId, Page};
use super::search::{SEARCH, SearchIndex};

/// A published copy of a site. It never changes; while it is held, neither it nor its bodies are removed.
#[derive(Debug)]
pub struct Snapshot {
    id: SnapshotId,
    manifest: Arc<Manifest>,
    blobs: Arc<Blobs>,
    in_service: AtomicBool,
    marks: ArcSwap<Marks>,
}

/// A snapshot in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its name.
    pub id: SnapshotId,
    /// Its site's name.
    pub site: String,
    /// How it came to be: `crawl`.
    pub kind: String,
    /// When it was begun.
    #[serde(serialize_with = "as_rfc3339")]
    pub started_at: SystemTime,
    /// When it was complete.
    #[serde(serialize_with = "as_rfc3339")]
    pub taken_at: SystemTime,
    /// How many addresses it has that a visitor opens.
    pub pages: u64,
    /// How many it has that pages need or that are downloaded.
    pub files: u64,
    /// How many lead elsewhere.
    pub redirects: u64,
    /// The size of its distinct bodies; those that are in other snapshots too are stored once.
    pub bytes: u64,
    /// Whether it is the one in service.
    pub current: bool,
    /// Whether it is kept until it is unpinned.
    pub pinned: bool,
    /// When it does not serve by itself, since it did not pass the gate or an operator has the word: the reasons.
    pub held: Option<Vec<String>>,
    /// Whether it was made elsewhere, and some of its bodies are not here yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub arriving: bool,
}

impl Summary {
    fn of(about: &About, marks: &Marks, current: bool) -> Summary {
        Summary {
            id: about.id,
            site: about.site.clone(),
            kind: about.kind.clone(),
            started_at: from_millis(about.started),
            taken_at: from_millis(about.finished),
            pages: about.pages,
            files: about.files,
            redirects: about.redirects,
            bytes: about.bytes,
            current,
            pinned: marks.pinned,
            held: marks.held.clone(),
            arriving: marks.arriving,
        }
    }
}

/// A time as people and programs write it: RFC 3339, whole seconds, UTC.
pub fn rfc3339(time: SystemTime) -> String {
    let seconds = crate::clock::unix(time).min(LATEST);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

fn as_rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*time))
}

pub(super) fn to_millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

fn from_millis(millis: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}

impl Snapshot {
    /// Opens the snapshot in `dir`.
    pub(super) fn open(
        dir: &Path,
        id: SnapshotId,
        site: &str,
        blobs: Arc<Blobs>,
    ) -> Result<Snapshot, ManifestError> {
        let manifest = Arc::new(Manifest::open(&dir.join(super::MANIFEST), id, site)?);
        let marks = ArcSwap::from_pointee(Marks::read(dir));
        Ok(Snapshot { id, manifest, blobs, in_service: AtomicBool::new(false), marks })
    }

    /// Its name.
    pub fn id(&self) -> SnapshotId {
        self.id
    }

    /// It in short.
    pub fn summary(&self) -> Summary {
        Summary::of(self.manifest.about(), &self.marks.load(), self.in_service.load(Ordering::Relaxed))
    }

    /// The page with this key, as `ask::key::page_key` makes it. Two small reads, a few microseconds from the page
    /// cache: may be called where blocking is not allowed.
    ///
    /// # Errors
    /// When what is stored is damaged (then see [`super::Store::find_older`]) or cannot be read.
    pub fn find(&self, key: &str) -> Result<Option<Page>, ReadError> {
        self.noted(self.manifest.find(key))
    }

    /// The body of one of its pages, verified; empty for a page without one. Of the snapshot in service, and of one that
    /// is still arriving, what is damaged or not here is brought from elsewhere, if there is such a place
    /// ([`super::Store::bring_from`]). Blocks.
    ///
    /// # Errors
    /// When what is stored is damaged (then see [`super::Store::find_older`]), has not arrived yet, or cannot be read.
    pub fn load(&self, page: &Page) -> Result<Stored, ReadError> {
        let Some(id) = &page.body else { return Ok(Stored::Whole(bytes::Bytes::new())) };
        let here = self.here(id, |blobs| blobs.load(id, page.len));
        let may_come = match &here {
            Ok(Some(_)) | Err(ReadError::Io { .. }) => false,
            Ok(None) | Err(ReadError::Damaged(_)) => {
                self.in_service.load(Ordering::Relaxed) || self.is_arriving()
            }
        };
        if may_come && let Some(stored) = self.blobs.bring(&self.manifest.about().site, id, page.len) {
            return Ok(stored);
        }
        self.found(id, here)
    }

    /// As [`Snapshot::load`], of what is on this disk: for those who would rather do without than wait for elsewhere.
    ///
    /// # Errors
    /// As for [`Snapshot::load`].
    pub fn load_here(&self, page: &Page) -> Result<Stored, ReadError> {
        let Some(id) = &page.body else { return Ok(Stored::Whole(bytes::Bytes::new())) };
        self.found(id, self.here(id, |blobs| blobs.load(id, page.len)))
    }

    /// Whether a body that cannot be read now may be readable the next time.
    pub fn may_mend(&self) -> bool {
        self.is_arriving() || self.blobs.source.load().is_some()
    }

    fn found(&self, id: &BlobId, here: Result<Option<Stored>, ReadError>) -> Result<Stored, ReadError> {
        self.noted(here).and_then(|stored| stored.ok_or_else(|| super::elsewhere::not_here(&self.blobs, id)))
    }

    /// Whether bodies of it may be missing because they have not arrived yet.
    pub fn is_arriving(&self) -> bool {
        self.marks.load().arriving
    }

    /// What `read` has of a body; `None`: that has not arrived yet.
    fn here<T>(
        &self,
        id: &BlobId,
        read: impl FnOnce(&Blobs) -> Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        if self.is_arriving() && self.blobs.len_of(id).is_none() {
            return Ok(None);
        }
        read(&self.blobs).map(Some)
    }

    /// Whether a body is here and has its content; reads all of it. `None`: it has not arrived yet.
    pub(super) fn check(&self, id: &BlobId, len: u64) -> Result<Option<()>, ReadError> {
        self.here(id, |blobs| blobs.check(id, len))
    }

    /// Damage is told to the operator.
    pub(super) fn noted<T>(&self, read: Result<T, ReadError>) -> Result<T, ReadError> {
        if let Err(ReadError::Damaged(damage)) = &read {
            self.blobs.ledger.note(self.id, damage);
        }
        read
    }

    /// All pages, in the order of their keys' hashes: the same in every snapshot, so that two can be merged. Bounded
    /// memory. What is damaged is one error each (a block of the index: up to 127 pages); the rest still comes.
    pub fn pages(&self) -> impl Iterator<Item = Result<Page, ReadError>> {
        self.manifest.entries().map(|entry| self.manifest.record(entry?, None))
    }

    /// The keys of all pages, in the order of [`Snapshot::pages`].
    pub fn keys(&self) -> impl Iterator<Item = Result<String, ReadError>> {
        self.pages().map(|page| page.map(|page| page.key))
    }

    /// All distinct bodies with their lengths in bytes, sorted.
    pub fn blobs(&self) -> impl Iterator<Item = Result<(BlobId, u64), ReadError>> {
        self.manifest.blobs()
    }

    /// Its index for search, opened; `None` if it was taken without. What is read of it is verified, so that what it finds is what
    /// was written. Blocks.
    ///
    /// # Errors
    /// When it is damaged or lost, or cannot be read.
    pub fn search(&self) -> Result<Option<SearchIndex>, ReadError> {
        let Some(seal) = &self.manifest.about().search else { return Ok(None) };
        self.noted(SearchIndex::open(&self.manifest.beside(SEARCH), seal).map(Some))
    }

    /// What is damaged of that index. Blocks.
    pub(super) fn search_damage(&self) -> Result<Vec<Damage>, ReadError> {
        match self.search() {
            Ok(None) => Ok(Vec::new()),
            Ok(Some(index)) => index.damage(),
            Err(ReadError::Damaged(damage)) => Ok(vec![damage]),
            Err(error @ ReadError::Io { .. }) => Err(error),
        }
    }

    pub(super) fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    pub(super) fn store(&self) -> &Blobs {
        &self.blobs
    }

    pub(super) fn mark(&self, marks: Marks) {
        self.marks.store(Arc::new(marks));
    }

    pub(super) fn put_in_service(&self, yes: bool) {
        self.in_service.store(yes, Ordering::Relaxed);
    }
}
