//! Why something could not be staged.

use std::io;
use std::path::{Path, PathBuf};

use super::page::BlobId;
use super::record::Oversize;
use crate::disk;

/// Something could not be staged.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// No room is left, or only what is reserved for more important things.
    #[error("the disk is full")]
    Full,
    /// The page does not fit.
    #[error(transparent)]
    Oversize(#[from] Oversize),
    /// A page names a body that is neither staged nor stored, or stored but damaged.
    #[error("blob {0} is neither staged nor stored whole")]
    NoSuchBlob(BlobId),
    /// The staging was published or dropped.
    #[error("the staging is closed")]
    Closed,
    /// The file system.
    #[error("could not write to {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl StageError {
    pub(super) fn io(path: &Path, source: io::Error) -> StageError {
        if disk::is_full(&source) {
            StageError::Full
        } else {
            StageError::Io { path: path.to_owned(), source }
        }
    }
}
