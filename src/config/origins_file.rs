//! Where lists of origins are that others write.

use std::path::PathBuf;
use std::sync::Arc;

/// Where a list of origins is that others write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginsFile {
    /// In a file of this machine.
    File(PathBuf),
    /// In the store, for all instances.
    Store(SharedList),
}

impl OriginsFile {
    /// The file of this machine.
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            OriginsFile::File(path) => Some(path),
            OriginsFile::Store(_) => None,
        }
    }

    /// The list in the store.
    pub fn shared(&self) -> Option<&SharedList> {
        match self {
            OriginsFile::File(_) => None,
            OriginsFile::Store(list) => Some(list),
        }
    }
}

/// A list of origins in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedList {
    /// Its name there.
    pub name: Arc<str>,
    /// The copy of the last good one: what a start without the store runs by.
    pub kept: PathBuf,
    /// Where relative names in it start from.
    pub folder: PathBuf,
}

impl SharedList {
    /// As it stands in the configuration.
    pub fn shown(&self) -> String {
        format!("store:{}", self.name)
    }
}
