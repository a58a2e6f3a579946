//! A snapshot that was made elsewhere and serves before all of its bodies are here.
//!
//! Its manifest and the files beside it are here whole, so that each of its pages is known. What is missing of its
//! bodies is not damage: it has not arrived yet. A body that is here and is not what its name says is damage as ever.

use std::sync::Arc;

use super::damage::ManifestError;
use super::id::SnapshotId;
use super::marks;
use super::service::ServiceError;
use super::store::Store;
use super::table::{Holdings, Missing};

impl Store {
    /// Whether bodies of this snapshot may still have to come.
    pub fn arriving(&self, id: &SnapshotId) -> bool {
        self.get(id).is_some_and(|snapshot| snapshot.is_arriving())
    }

    /// The bodies of a snapshot that are not here, or are known to be damaged: those of the pages with the keys `first`
    /// before all others. Looks at names and lengths, not at contents.
    ///
    /// # Errors
    /// When there is no such snapshot, or it cannot be read.
    pub fn missing<K: AsRef<str>>(&self, id: &SnapshotId, first: &[K]) -> Result<Missing, ManifestError> {
        let snapshot = self.try_get(id)?;
        let held = Holdings::Stored(Arc::clone(&self.inner.blobs));
        Ok(Missing::of(snapshot.manifest(), first, held)?)
    }

    /// Takes away the mark of a snapshot that has arrived whole. `false`: it still lacks something.
    ///
    /// # Errors
    /// When there is no such snapshot, it cannot be read, or the mark cannot be taken away.
    pub fn arrived(&self, id: &SnapshotId) -> Result<bool, ServiceError> {
        let unreadable = |source| ServiceError::Unreadable { id: *id, source };
        let snapshot = self.get(id).ok_or(ServiceError::NoSuch(*id))?;
        if !snapshot.is_arriving() {
            return Ok(true);
        }
        let none: [&str; 0] = [];
        match self.missing(id, &none).map_err(unreadable)?.next() {
            Some(Ok(_)) => return Ok(false),
            Some(Err(error)) => return Err(unreadable(error.into())),
            None => {}
        }
        let _moving = self.begin_to_move()?;
        let place = self.known(id)?;
        marks::arrive(&place, false).map_err(|source| ServiceError::Io { path: place, source })?;
        self.scan()?;
        Ok(true)
    }
}
