//! From a staging to the snapshot in service.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::bodies::Bodies;
use super::damage::ManifestError;
use super::format::About;
use super::id::SnapshotId;
use super::marks;
use super::page::Page;
use super::reader::{Snapshot, to_millis};
use super::resume::COURSE;
use super::search;
use super::stage_error::StageError;
use super::staging::{BlobWriter, NEW, Shared, USES};
use super::store::{Found, Store};
use super::writer::{Mark, PAGES, Writer};
use super::{ADDRESSES, CHARACTER, CURRENT, FORMS, REPORT};
use crate::clock::Now;
use crate::disk;

/// A staging was not published. It is discarded; the snapshot in service stays.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It has no page.
    #[error("the snapshot has no pages")]
    Empty,
    /// It could not be written.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// What was written could not be read back.
    #[error("the snapshot could not be read back")]
    ReadBack(#[source] ManifestError),
}

/// Where a complete snapshot is wanted.
pub(super) enum Place<'a> {
    /// In service, unless an operator has the word.
    Service,
    /// In service, unless an operator has the word, or another one is in service than the one that it was compared with.
    Beside(Option<SnapshotId>),
    /// On the shelf, for these reasons.
    Shelf(&'a [String]),
    /// In service if the first is meant to be, as the pointer says, or, without a pointer, if the second, which serves,
    /// is the first or none; else on the shelf.
    InsteadOf(SnapshotId, Option<SnapshotId>),
}

/// Where it goes.
enum Decision {
    Serve { by_hand: Option<u64> },
    Hold(Vec<String>),
}

impl Place<'_> {
    fn decide(&self, found: Found) -> Decision {
        let (pointed, by_hand) = match found {
            Found::Pointer(pointer) => (Some(pointer.id), pointer.by_hand),
            Found::Nothing | Found::Damaged | Found::Unread => (None, None),
        };
        match self {
            Place::InsteadOf(of, current) => match pointed.or(*current).is_none_or(|meant| meant == *of) {
                true => Decision::Serve { by_hand },
                false => {
                    Decision::Hold(vec![format!("it is the repaired copy of {of}, which is not in service")])
                }
            },
            Place::Shelf(reasons) => Decision::Hold(reasons.to_vec()),
            Place::Beside(_) if by_hand.is_some() => Decision::Hold(vec![BY_HAND.to_owned()]),
            Place::Beside(known) if pointed.is_some_and(|pointed| Some(pointed) != *known) => {
                Decision::Hold(vec![OVERTAKEN.to_owned()])
            }
            Place::Beside(_) => Decision::Serve { by_hand: None },
            Place::Service if by_hand.is_some() => Decision::Hold(vec![BY_HAND.to_owned()]),
            Place::Service => Decision::Serve { by_hand: None },
        }
    }
}

/// Why a snapshot that passed the gate is held.
pub const BY_HAND: &str =
    "the operator went back to an older snapshot by hand, so new ones wait to be published by hand";

/// Why a snapshot is held that was compared with what is no longer in service.
const OVERTAKEN: &str =
    "another snapshot came into service while this one was finished, and it was not compared with that";

/// A snapshot being taken. See the functions for what may be called at once from several threads: all of them.
pub struct Staging {
    store: Store,
    id: SnapshotId,
    kind: String,
    begun: SystemTime,
    shared: Arc<Shared>,
    /// Where its files are, until it is published.
    dir: Option<PathBuf>,
    /// How many pages it had when it was taken up.
    resumed: usize,
    /// Whether what is staged stays on the disk when this is dropped.
    lasting: AtomicBool,
    /// Held until the end: one staging at a time.
    _lock: File,
}

impl Staging {
    pub(super) fn new(
        store: Store,
        id: SnapshotId,
        begun: SystemTime,
        kind: &str,
        shared: Shared,
        lock: File,
    ) -> Staging {
        let dir = Some(shared.dir().to_owned());
        let (kind, resumed, lasting) = (kind.to_owned(), shared.added(), AtomicBool::new(false));
        Staging { store, id, kind, begun, shared: Arc::new(shared), dir, resumed, lasting, _lock: lock }
    }

    /// What the snapshot will be called.
    pub fn id(&self) -> SnapshotId {
        self.id
    }

    /// When it was begun; before this process was started, if it was taken up.
    pub fn begun(&self) -> SystemTime {
        self.begun
    }

    /// Puts what its pages teach about the site beside them: [`Store::character`]. It is worth less than the snapshot is:
    /// where it cannot be written, there is none.
    pub fn describe(&self, character: &serde_json::Value) {
        self.lay_beside(CHARACTER, character);
    }

    /// The same for what is known of the site's addresses: [`Store::addresses`].
    pub fn note_addresses(&self, addresses: &serde_json::Value) {
        self.lay_beside(ADDRESSES, addresses);
    }

    /// The same for what is known of the site's forms: [`Store::forms`].
    pub fn note_forms(&self, forms: &serde_json::Value) {
        self.lay_beside(FORMS, forms);
    }

    fn lay_beside(&self, name: &str, value: &serde_json::Value) {
        if let Err(error) = disk::write_atomic(&self.shared.dir().join(name), value.to_string().as_bytes()) {
            tracing::warn!(site = self.store.site(), file = name, %error, "could not save what the crawl learned");
        }
    }

    /// The folder that it is staged in.
    pub(super) fn dir(&self) -> &Path {
        self.shared.dir()
    }

    pub(super) fn site(&self) -> &str {
        self.store.site()
    }

    /// The page that was added as number `n`.
    pub(super) fn page(&self, n: usize) -> Option<Page> {
        self.shared.staged(n)
    }

    /// All pages that were added so far with their numbers, as [`Staging::pages`].
    pub(super) fn numbered(&self) -> std::io::Result<impl Iterator<Item = (usize, Page)>> {
        self.shared.flush()?;
        Ok((0..self.shared.added()).filter_map(|n| Some((n, self.shared.staged(n)?))))
    }

    /// What reads the bodies that are staged.
    pub fn bodies(&self) -> Bodies {
        Bodies::new(Arc::clone(&self.shared))
    }

    /// Makes it as old as what it is made of.
    pub(super) fn pretend_begun(&mut self, begun: SystemTime) {
        self.begun = begun;
    }

    /// Begins a body.
    pub fn blob(&self) -> BlobWriter {
        BlobWriter::new(Arc::clone(&self.shared))
    }

    /// Begins a body that is likely to be the one that `page`, of an earlier snapshot, has: as long as what comes is the
    /// same, nothing is written, however large it is.
    pub fn blob_like(&self, page: &Page) -> BlobWriter {
        BlobWriter::like(Arc::clone(&self.shared), page)
    }

    /// Adds a page. Its body, if it has one, was finished by one of this staging's [`Staging::blob`]s, or is that of
    /// a page of an earlier snapshot (an answer 304, a page carried over): it is then verified. `len` is filled in.
    /// A page that was added before with the same key is replaced.
    ///
    /// # Errors
    /// [`StageError::NoSuchBlob`] when the body is not there or damaged; [`StageError::Full`] when the disk is: then
    /// nothing more can be added, and the staging is to be dropped.
    pub fn add(&self, page: Page) -> Result<(), StageError> {
        self.shared.add(page)
    }

    /// What was added before it was resumed, in the order in which it was added: a later page with the same key takes
    /// the place of an earlier one. Constant memory.
    pub fn staged(&self) -> impl Iterator<Item = Page> {
        (0..self.resumed).filter_map(|n| self.shared.staged(n))
    }

    /// Has what was written survive a power cut, as publishing does: what takes long of that is done then, and nobody else
    /// has put a snapshot in service meanwhile. Blocks.
    ///
    /// # Errors
    /// When the disk is failing.
    pub fn sync(&self) -> Result<(), StageError> {
        self.shared.noted(self.shared.sync())
    }

    /// How many bodies a power cut may take yet.
    #[cfg(test)]
    pub(crate) fn unsynced(&self) -> usize {
        let used = super::locked(&self.shared.used);
        used.new.len() - used.synced
    }

    /// What was added so far.
    pub fn mark(&self) -> Mark {
        self.shared.mark()
    }

    /// Leaves out what was added under these keys so far.
    pub fn leave_out(&self, keys: &HashSet<&str>) {
        if !keys.is_empty() {
            self.shared.leave_out(keys);
        }
    }

    /// Leaves out what was added after `mark`. One that is taken up again after a restart has it.
    pub fn rewind(&self, mark: Mark) {
        self.shared.rewind(mark);
    }

    /// All pages that were added so far, in their order: a later page with the same key takes the place of an earlier one.
    /// Constant memory.
    ///
    /// # Errors
    /// When what was added cannot be written.
    pub fn pages(&self) -> std::io::Result<impl Iterator<Item = Page>> {
        self.shared.flush()?;
        Ok((0..self.shared.added()).filter_map(|n| self.shared.staged(n)))
    }

    /// Keeps what is staged on the disk, for [`Store::begin_or_resume`] after a restart. One that was begun with
    /// [`Store::begin`], and one that has met a full disk, is discarded all the same.
    pub fn leave(self) {
        self.leave_when_dropped(true);
    }

    /// Whether this is left ([`Staging::leave`]) when it is dropped, instead of discarded: for those who may be
    /// dropped at any time.
    pub fn leave_when_dropped(&self, yes: bool) {
        self.lasting.store(yes, Ordering::Relaxed);
    }

    /// Puts it in service, durably: bodies, manifest, names, and at last the pointer. `report` is the record of how
    /// it was taken. When this fails nothing has changed for anybody. While an operator has the word
    /// ([`Store::is_by_hand`]) it is held instead, as its [`Snapshot::summary`] then says.
    ///
    /// # Errors
    /// When it is empty, or the disk is full or failing.
    pub fn publish(self, now: Now, report: &serde_json::Value) -> Result<Arc<Snapshot>, PublishError> {
        self.settle(now, report, &Place::Service)
    }

    /// The same for one that was found to be good beside the snapshot `known`, in service then: if another one is by now,
    /// it is held.
    ///
    /// # Errors
    /// As for [`Staging::publish`].
    pub fn publish_beside(
        self,
        known: Option<SnapshotId>,
        now: Now,
        report: &serde_json::Value,
    ) -> Result<Arc<Snapshot>, PublishError> {
        self.settle(now, report, &Place::Beside(known))
    }

    /// Puts it on the shelf, whole and durably, but not in service: it did not pass the gate. An operator may still
    /// publish it ([`Store::put_in_service`]). [`Store::retain`] keeps the two newest of these.
    ///
    /// # Errors
    /// When it is empty, or the disk is full or failing.
    pub fn hold(
        self,
        now: Now,
        report: &serde_json::Value,
        reasons: &[String],
    ) -> Result<Arc<Snapshot>, PublishError> {
        self.settle(now, report, &Place::Shelf(reasons))
    }

    pub(super) fn settle(
        mut self,
        now: Now,
        report: &serde_json::Value,
        wanted: &Place<'_>,
    ) -> Result<Arc<Snapshot>, PublishError> {
        let writer = self.shared.close().ok_or(StageError::Closed)?;
        if writer.added() == 0 {
            return Err(PublishError::Empty);
        }
        let place = self.store.inner.path_of(self.id);
        let settled = self.put_in_place(writer, now, report, &place, wanted);
        match &settled {
            Ok(_) => {
                self.dir = None;
                self.store.inner.blobs.ledger.set_full(false);
            }
            Err(error) => {
                if matches!(error, PublishError::Stage(StageError::Full)) {
                    self.store.inner.blobs.ledger.set_full(true);
                }
                // What lies there without it having been moved there is another one of the same name, made elsewhere.
                if !self.shared.dir().exists() {
                    drop(disk::remove_tree(&place));
                }
            }
        }
        settled
    }

    fn put_in_place(
        &self,
        writer: Writer,
        now: Now,
        report: &serde_json::Value,
        place: &Path,
        wanted: &Place<'_>,
    ) -> Result<Arc<Snapshot>, PublishError> {
        let (dir, inner) = (self.shared.dir(), &self.store.inner);
        let at = |source| StageError::io(dir, source);
        let _no_collection = self.shared.complete(writer, self.about(now))?;
        disk::write_atomic(&dir.join(REPORT), report.to_string().as_bytes()).map_err(at)?;
        disk::remove_tree(&dir.join(NEW)).map_err(at)?;
        for name in [COURSE, PAGES] {
            disk::remove_file(&dir.join(name)).map_err(at)?;
        }
        // What the pointer says now, it still says when this has come to its end.
        let _moving = inner.moving().map_err(|e| StageError::io(&inner.dir, e))?;
        let decision = wanted.decide(inner.read_pointer());
        if let Decision::Hold(reasons) = &decision {
            marks::hold(dir, reasons).map_err(at)?;
        }
        disk::remove_file(&dir.join(USES)).map_err(at)?;
        disk::sync_dir(dir).map_err(at)?;
        disk::rename_durable(dir, place).map_err(at)?;
        let snapshot = inner.open_snapshot(self.id).map_err(PublishError::ReadBack)?;
        let current = |source| StageError::io(&inner.dir.join(CURRENT), source);
        match decision {
            Decision::Serve { by_hand } => {
                inner.point(self.id, by_hand, self.id).map_err(current)?;
                self.store.admit(&snapshot);
                self.store.serve(Arc::clone(&snapshot));
            }
            Decision::Hold(_) => {
                // Its number is given, also when it has gone one day.
                if let Found::Pointer(pointer) = inner.read_pointer() {
                    inner.point(pointer.id, pointer.by_hand, self.id).map_err(current)?;
                }
                self.store.admit(&snapshot);
            }
        }
        Ok(snapshot)
    }

    /// Counts are filled in by the writer.
    fn about(&self, now: Now) -> About {
        About {
            id: self.id,
            site: self.store.site().to_owned(),
            kind: self.kind.clone(),
            started: to_millis(self.begun),
            finished: to_millis(now.wall),
            pages: 0,
            files: 0,
            redirects: 0,
            bytes: 0,
            written_by: concat!("katahai ", env!("CARGO_PKG_VERSION")).to_owned(),
            search: search::seal(self.shared.dir()),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.shared.is_full() {
            self.store.inner.blobs.ledger.set_full(true);
        }
        let written = self.shared.close().is_some_and(|mut writer| writer.flush().is_ok());
        let lasting = self.lasting.load(Ordering::Relaxed) && written && !self.shared.is_full();
        if lasting && self.dir.as_ref().is_some_and(|dir| dir.join(COURSE).exists()) {
            return;
        }
        if let Some(dir) = self.dir.take()
            && let Err(error) = disk::remove_tree(&dir)
        {
            tracing::warn!(dir = %dir.display(), error = %error, "could not remove an abandoned snapshot");
        }
    }
}

impl std::fmt::Debug for Staging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Staging").field("id", &self.id).finish_non_exhaustive()
    }
}
