//! Why an import failed, and how a name from an archive is displayed.

use std::io;
use std::path::{Path, PathBuf};

use super::bounds::Unfit;
use crate::snapshot::{BeginError, PublishError, ServiceError, StageError};

/// Nothing was imported, and nothing is left of the attempt.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Nothing of it can be read.
    #[error("{} is not a folder, tar, WARC or WACZ file", .0.display())]
    Unknown(PathBuf),
    /// A part of the archive was refused.
    #[error("\"{entry}\" {why}")]
    Entry {
        /// Its name.
        entry: String,
        /// Why, and what to do.
        why: Unfit,
    },
    /// It has nothing of the site.
    #[error("it contains no pages of {wanted}, only of: {found}; name the host with --host")]
    OtherHosts {
        /// The hosts that were looked for.
        wanted: String,
        /// Those that there are, with the number of their pages.
        found: String,
    },
    /// It has nothing at all.
    #[error("it contains no pages that can be stored{0}")]
    Nothing(String),
    /// A later version made it.
    #[error("it was exported by a later version (manifest version {0}); update, and import again")]
    Version(u32),
    /// The store.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The disk.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The end.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Its way into service.
    #[error("the snapshot was taken in, but could not be put in service")]
    Service(#[from] ServiceError),
    /// The file system.
    #[error("could not read {}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ImportError {
    /// What an error while `entry` of `archive` was read says about either.
    pub(super) fn of_entry(entry: &str, archive: &Path, error: io::Error) -> ImportError {
        match Unfit::of(&error) {
            Some(why) => ImportError::Entry { entry: shown(entry), why },
            None => ImportError::Io { path: archive.to_owned(), source: error },
        }
    }

    /// A body that is damaged costs its page; a trap, a full disk, or an archive that ends costs the import.
    pub(super) fn spoils_one_only(self) -> Result<(), ImportError> {
        let one = matches!(&self, ImportError::Entry { why: Unfit::Damaged | Unfit::Short, .. });
        if one { Ok(()) } else { Err(self) }
    }
}

/// A name as messages show it: bounded, and without what would steer a terminal.
pub(super) fn shown(name: &str) -> String {
    let short: String = name.chars().take(200).collect();
    short.escape_debug().to_string()
}
