//! Whether the folder that is the store is the one that it was. An empty mount point looks like an empty store: everything would be
//! pushed into the void below it, and the lease taken there.

use std::io;
use std::path::Path;

use super::fault::{FaultKind, StoreFault};
use super::layout::SITES;
use crate::disk;
use crate::failure::chain;

/// The file at its root that says: this is the store.
pub(super) const MARKER: &str = ".katahai-store";
/// In the state directory: the folder that has been the store of this instance.
const SEEN: &str = "store-folder";

/// Whether it can be the store of this instance: it is not empty though it has been the store before. Blocks.
///
/// # Errors
/// When it is, or cannot be looked at.
pub(super) fn look(folder: &Path, state_dir: &Path) -> Result<(), StoreFault> {
    let there = |name: &str| folder.join(name).try_exists().map_err(|error| unreadable(folder, &error));
    if there(MARKER)? || !is_seen(folder, state_dir) || there(SITES)? {
        return Ok(());
    }
    Err(missing(folder))
}

/// The same; from now on it is known, here and there. Blocks.
pub(super) fn admit(folder: &Path, state_dir: &Path) -> Result<(), StoreFault> {
    look(folder, state_dir)?;
    let marker = folder.join(MARKER);
    if !marker.try_exists().map_err(|error| unreadable(folder, &error))? {
        let text = b"The store of Katahai. Without this file, Katahai takes the folder for one that is not mounted.\n";
        disk::write_atomic(&marker, text).map_err(|error| unreadable(folder, &error))?;
    }
    if !is_seen(folder, state_dir) {
        let noted = disk::write_atomic(&state_dir.join(SEEN), folder.as_os_str().as_encoded_bytes());
        if let Err(error) = noted {
            tracing::warn!(
                error = chain(&error),
                "which folder is the store was not noted; an empty mount point would be taken for it"
            );
        }
    }
    Ok(())
}

/// What is said of a folder that has lost its marker.
pub(super) fn missing(folder: &Path) -> StoreFault {
    let folder = folder.display();
    StoreFault::new(
        FaultKind::Folder,
        format!(
            "{folder} was the store, and has no {MARKER} now: is it mounted? If it is to be a store again, empty as it is: touch \
             {folder}/{MARKER}"
        ),
    )
}

fn is_seen(folder: &Path, state_dir: &Path) -> bool {
    std::fs::read(state_dir.join(SEEN)).is_ok_and(|seen| seen == folder.as_os_str().as_encoded_bytes())
}

fn unreadable(folder: &Path, error: &io::Error) -> StoreFault {
    StoreFault::new(FaultKind::Folder, format!("{}: {error}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_mount_point_is_no_empty_store() {
        let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = dir.path().join("store");
        let is_fine = || look(&folder, state.path()).is_ok();
        disk::ensure_dir(&folder).unwrap();
        assert!(is_fine() && !folder.join(MARKER).exists(), "to look changes nothing");
        admit(&folder, state.path()).unwrap();
        assert!(folder.join(MARKER).exists() && is_fine());
        // Not mounted, and mounted again.
        disk::rename(&folder, &dir.path().join("away")).unwrap();
        disk::ensure_dir(&folder).unwrap();
        let fault = admit(&folder, state.path()).unwrap_err();
        assert!(fault.kind == FaultKind::Folder && fault.detail.contains("is it mounted?"), "{fault}");
        assert!(!folder.join(MARKER).exists());
        // Another instance has not seen it, nor has this one seen another folder.
        let (other, fresh) = (dir.path().join("other"), tempfile::tempdir().unwrap());
        disk::ensure_dir(&other).unwrap();
        assert!(look(&folder, fresh.path()).is_ok() && look(&other, state.path()).is_ok());
        // With content it is the store, with a marker it is to be one.
        disk::ensure_dir(&folder.join(SITES)).unwrap();
        assert!(is_fine());
        disk::remove_tree(&folder.join(SITES)).unwrap();
        assert!(!is_fine());
        disk::write_atomic(&folder.join(MARKER), b"").unwrap();
        assert!(is_fine());
    }
}
