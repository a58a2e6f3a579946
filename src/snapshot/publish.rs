//! From a staging to the snapshot in service.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::damage::ManifestError;
use super::format::About;
use super::id::SnapshotId;
use super::page::Page;
use super::pointer::Pointer;
use super::reader::{Snapshot, to_millis};
use super::staging::{BlobWriter, NEW, Shared, StageError, USES};
use super::store::Store;
use super::writer::Writer;
use super::{CURRENT, REPORT};
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

/// A snapshot being taken. See the functions for what may be called at once from several threads: all of them.
pub struct Staging {
    store: Store,
    id: SnapshotId,
    kind: String,
    begun: Now,
    shared: Arc<Shared>,
    /// Where its files are, until it is published.
    dir: Option<PathBuf>,
    /// Held until the end: one staging at a time.
    _lock: File,
}

impl Staging {
    pub(super) fn new(
        store: Store,
        id: SnapshotId,
        begun: Now,
        kind: &str,
        shared: Shared,
        lock: File,
    ) -> Staging {
        let dir = Some(shared.dir().to_owned());
        Staging { store, id, kind: kind.to_owned(), begun, shared: Arc::new(shared), dir, _lock: lock }
    }

    /// What the snapshot will be called.
    pub fn id(&self) -> SnapshotId {
        self.id
    }

    /// Begins a body.
    pub fn blob(&self) -> BlobWriter {
        BlobWriter::new(Arc::clone(&self.shared))
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

    /// Puts it in service, durably: bodies, manifest, names, and at last the pointer. `report` is the record of how
    /// it was taken. When this fails nothing has changed for anybody.
    ///
    /// # Errors
    /// When it is empty, or the disk is full or failing.
    pub fn publish(mut self, now: Now, report: &serde_json::Value) -> Result<Arc<Snapshot>, PublishError> {
        let writer = self.shared.close().ok_or(StageError::Closed)?;
        if writer.added() == 0 {
            return Err(PublishError::Empty);
        }
        let place = self.store.inner.path_of(self.id);
        let published = self.put_in_place(writer, now, report, &place).and_then(|snapshot| {
            self.point()?;
            Ok(snapshot)
        });
        match published {
            Ok(snapshot) => {
                self.store.admit(Arc::clone(&snapshot));
                self.dir = None;
                Ok(snapshot)
            }
            Err(error) => {
                let _ = disk::remove_tree(&place);
                Err(error)
            }
        }
    }

    /// Everything but the pointer.
    fn put_in_place(
        &self,
        writer: Writer,
        now: Now,
        report: &serde_json::Value,
        place: &Path,
    ) -> Result<Arc<Snapshot>, PublishError> {
        let dir = self.shared.dir();
        let at = |source| StageError::io(dir, source);
        let _no_collection = self.shared.complete(writer, self.about(now))?;
        disk::write_atomic(&dir.join(REPORT), report.to_string().as_bytes()).map_err(at)?;
        disk::remove_tree(&dir.join(NEW)).map_err(at)?;
        disk::remove_file(&dir.join(USES)).map_err(at)?;
        disk::sync_dir(dir).map_err(at)?;
        disk::rename_durable(dir, place).map_err(at)?;
        self.store.inner.open_snapshot(self.id).map_err(PublishError::ReadBack)
    }

    fn point(&self) -> Result<(), StageError> {
        let path = self.store.inner.dir.join(CURRENT);
        let pointer = Pointer { id: self.id, last: self.id.sequence() };
        disk::write_atomic(&path, pointer.encode().as_bytes()).map_err(|e| StageError::io(&path, e))
    }

    /// Counts are filled in by the writer.
    fn about(&self, now: Now) -> About {
        About {
            id: self.id,
            site: self.store.site().to_owned(),
            kind: self.kind.clone(),
            started: to_millis(self.begun.wall),
            finished: to_millis(now.wall),
            pages: 0,
            files: 0,
            redirects: 0,
            bytes: 0,
            written_by: concat!("katahai ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        drop(self.shared.close());
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
