//! Where lists of origins are that others write.

use std::path::{Path, PathBuf};
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
    /// The one that a site would have if nobody has said another name.
    pub fn of_site(site: &str, state_dir: &Path, folder: &Path) -> Option<SharedList> {
        let name = super::remote::list_name(&format!("{site}/origins.toml")).ok()?;
        Some(SharedList::named(name, &state_dir.join(super::defaults::LISTS), folder))
    }

    /// One of this name, whose copy is in `lists`.
    pub(super) fn named(name: String, lists: &Path, folder: &Path) -> SharedList {
        let kept = lists.join(name.replace('/', "%"));
        SharedList { name: name.into(), kept, folder: folder.to_owned() }
    }

    /// Beside the copy: the highest generation that was taken over.
    pub fn generation_file(&self) -> PathBuf {
        let mut file = self.kept.clone().into_os_string();
        file.push(".generation");
        file.into()
    }

    /// As it stands in the configuration.
    pub fn shown(&self) -> String {
        format!("store:{}", self.name)
    }
}
