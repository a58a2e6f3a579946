//! What can be wrong with a stored snapshot.

use std::io;
use std::path::{Path, PathBuf};

use super::page::BlobId;

/// A part of a snapshot that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Damage {
    /// Neither copy of the manifest's header is whole.
    #[error("the manifest's header is damaged")]
    Header,
    /// Neither copy of the manifest's fence is whole.
    #[error("the manifest's fence is damaged")]
    Fence,
    /// One copy of the manifest's header or fence; the other serves. The number is its place in the manifest.
    #[error("the copy of the manifest's header or fence at byte {0} is damaged; the other one is whole")]
    Copy(u64),
    /// The manifest is shorter or longer than its header says.
    #[error("the manifest is cut short")]
    Truncated,
    /// The manifest belongs to another snapshot or site.
    #[error("the manifest is that of another snapshot")]
    Stranger,
    /// A block of the manifest's index.
    #[error("block {0} of the manifest's index is damaged")]
    Index(u64),
    /// A block of the manifest's table of blobs.
    #[error("block {0} of the manifest's table of blobs is damaged")]
    BlobTable(u64),
    /// A page's record; the number is its place in the manifest.
    #[error("the record at byte {0} of the manifest is damaged")]
    Record(u64),
    /// A page's body is not in the table of blobs.
    #[error("blob {0} is not in the manifest's table of blobs")]
    NotListed(BlobId),
    /// A block of the index for search; 0 is its head.
    #[error("block {0} of the search index is damaged")]
    Search(u64),
    /// The index for search is not there.
    #[error("the search index is missing")]
    SearchMissing,
    /// A body's file is not there.
    #[error("blob {0} is missing")]
    BlobMissing(BlobId),
    /// A body's file has another length.
    #[error("blob {id} has {found} bytes instead of {expected}")]
    BlobLength {
        /// The body.
        id: BlobId,
        /// As the manifest says.
        expected: u64,
        /// As found.
        found: u64,
    },
    /// A body's file has other content.
    #[error("the content of blob {0} does not match its name")]
    BlobContent(BlobId),
    /// The disk cannot read a body's file.
    #[error("blob {0} cannot be read from the disk")]
    BlobUnreadable(BlobId),
}

impl Damage {
    /// The body, when the damage is one's file.
    pub(super) fn blob(&self) -> Option<BlobId> {
        match self {
            Damage::BlobMissing(id)
            | Damage::BlobLength { id, .. }
            | Damage::BlobContent(id)
            | Damage::BlobUnreadable(id) => Some(*id),
            Damage::Header
            | Damage::Fence
            | Damage::Copy(_)
            | Damage::Truncated
            | Damage::Stranger
            | Damage::Index(_)
            | Damage::BlobTable(_)
            | Damage::Record(_)
            | Damage::NotListed(_)
            | Damage::Search(_)
            | Damage::SearchMissing => None,
        }
    }
}

/// A page or body cannot be read from this snapshot.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not what was written: an older snapshot may still have it ([`super::Store::find_older`]).
    #[error("the snapshot is damaged")]
    Damaged(#[from] Damage),
    /// It could not be read, which says nothing about what is stored.
    #[error("could not read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ReadError {
    pub(super) fn io(path: &Path, source: io::Error) -> ReadError {
        ReadError::Io { path: path.to_owned(), source }
    }
}

/// A snapshot cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not what was written.
    #[error("the snapshot is damaged")]
    Damaged(#[from] Damage),
    /// It was written by a later version of the program.
    #[error("the snapshot has format version {0}, which this version does not know")]
    Version(u32),
    /// It is being removed, or gone.
    #[error("there is no such snapshot")]
    Gone,
    /// It could not be read, which says nothing about what is stored.
    #[error("could not read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl From<ReadError> for ManifestError {
    fn from(error: ReadError) -> ManifestError {
        match error {
            ReadError::Damaged(damage) => ManifestError::Damaged(damage),
            ReadError::Io { path, source } => ManifestError::Io { path, source },
        }
    }
}
