//! Why something could not be done with kept forms. The texts have ids, paths and codes, never anything of a form.

use std::io;
use std::path::{Path, PathBuf};

use super::id::FormId;
use super::key::KeyId;
use super::record::Unreadable;
use super::seal::NotOpened;
use super::state::State;
use crate::disk;

/// The kept forms of a state directory cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has them.
    #[error("another process keeps forms in {}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The file system.
    #[error("could not read the kept forms in {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A form was not kept; nothing of it is on the disk that would be sent one day.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// As many are kept as may be, or as many bytes.
    #[error("as many forms are kept as may be")]
    Full,
    /// It alone is larger than all may be.
    #[error("the form is too large to be kept")]
    Size,
    /// What the disk has left is for more important things.
    #[error("the disk is full")]
    DiskFull,
    /// The file system.
    #[error("could not write to {}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others are being kept, and the disk is slow.
    #[error("the disk is too slow for all forms that come")]
    Busy,
    /// It is on this machine alone, and that is not to be enough.
    #[error("the store did not take the form in time")]
    Store,
    /// It could not be sealed.
    #[error("there is no key, or there are no random bytes, to seal the form with")]
    Key,
}

impl NotKept {
    /// Its code: in the log, in metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            NotKept::Full => "full",
            NotKept::Size => "size",
            NotKept::DiskFull => "disk-full",
            NotKept::Disk { .. } => "disk",
            NotKept::Busy => "busy",
            NotKept::Store => "store",
            NotKept::Key => "key",
        }
    }

    /// There is nowhere to keep it.
    pub(super) fn unopened(error: OpenError) -> NotKept {
        match error {
            OpenError::InUse { ref path } => NotKept::disk(&path.clone(), io::Error::other(error)),
            OpenError::Io { path, source } => NotKept::disk(&path, source),
        }
    }

    pub(super) fn disk(path: &Path, source: io::Error) -> NotKept {
        if disk::is_full(&source) {
            return NotKept::DiskFull;
        }
        NotKept::Disk { path: path.to_owned(), source }
    }
}

/// A form's state was not changed.
#[derive(Debug, thiserror::Error)]
pub enum NotMoved {
    /// There is none of this name.
    #[error("there is no kept form {0}")]
    NoSuch(FormId),
    /// That is no way that a form goes.
    #[error("the form {id} is {from} and cannot become {to}")]
    NotAllowed {
        /// Which.
        id: FormId,
        /// What it is.
        from: State,
        /// What it was to be.
        to: State,
    },
    /// What is being sent is not removed.
    #[error("the form {0} is being sent; try again in a moment")]
    BeingSent(FormId),
    /// The file system.
    #[error("could not change {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl NotMoved {
    pub(super) fn io(path: &Path, source: io::Error) -> NotMoved {
        NotMoved::Io { path: path.to_owned(), source }
    }
}

impl From<OpenError> for NotMoved {
    fn from(error: OpenError) -> NotMoved {
        match error {
            OpenError::InUse { ref path } => NotMoved::io(&path.clone(), io::Error::other(error)),
            OpenError::Io { path, source } => NotMoved::Io { path, source },
        }
    }
}

/// A kept form cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NotRead {
    /// There is none of this name.
    #[error("there is no kept form {0}")]
    NoSuch(FormId),
    /// It was sealed with a key that is not there.
    #[error("the form {id} was sealed with the key {key}, which the key file lacks")]
    NoKey {
        /// Which.
        id: FormId,
        /// The key's name.
        key: KeyId,
    },
    /// It is not what was written, or not where it was written.
    #[error("the form {0} is damaged")]
    Damaged(FormId),
    /// A later Katahai wrote it.
    #[error("the form {0} was written by a later version")]
    Version(FormId),
    /// The file system.
    #[error("could not read {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl NotRead {
    /// Its code: in the log, in metrics, and as a form's reason.
    pub const fn code(&self) -> &'static str {
        match self {
            NotRead::NoSuch(_) => "no-such",
            NotRead::NoKey { .. } => "no-key",
            NotRead::Damaged(_) => "damaged",
            NotRead::Version(_) => "version",
            NotRead::Io { .. } => "disk",
        }
    }

    pub(super) fn sealed(id: FormId, why: NotOpened) -> NotRead {
        match why {
            NotOpened::NoKey(key) => NotRead::NoKey { id, key },
            NotOpened::Damaged => NotRead::Damaged(id),
            NotOpened::Version => NotRead::Version(id),
        }
    }

    pub(super) fn written(id: FormId, why: Unreadable) -> NotRead {
        match why {
            Unreadable::Damaged => NotRead::Damaged(id),
            Unreadable::Version => NotRead::Version(id),
        }
    }
}
