//! Whether the folder that is the store is the one that it was. An empty mount point looks like an empty store: everything would be
//! pushed into the void below it, and the lease taken there.

use std::io::{self, Read as _};
use std::path::Path;

use super::fault::{FaultKind, StoreFault};
use super::layout::SITES;
use crate::disk;
use crate::failure::chain;

/// The file at its root that says: this is the store.
const MARKER: &str = ".katahai-store";
/// In the state directory: the folder that has been the store of this instance.
const SEEN: &str = "store-folder";

/// What stands before its id in the marker.
const ID: &str = "id ";
/// Bytes of a marker that are read.
const MARKER_MOST: u64 = 4096;

/// What says which folder is the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Absent,
    /// One without an id, such as an operator makes.
    Plain,
    Id(String),
}

/// Whether it can be the store of this instance: it is not empty, nor another one, though it has been the store before. Blocks.
///
/// # Errors
/// When it is, or cannot be looked at.
pub(super) fn look(folder: &Path, state_dir: &Path) -> Result<(), StoreFault> {
    known(folder, state_dir).map(drop)
}

/// The same, with the mark that is there and the one that was. Blocks.
fn known(folder: &Path, state_dir: &Path) -> Result<(Mark, Mark), StoreFault> {
    let (there, before) = (mark(folder)?, seen(folder, state_dir));
    match (&there, &before) {
        (Mark::Id(there), Mark::Id(before)) if there != before => Err(other(folder)),
        (Mark::Absent, Mark::Plain | Mark::Id(_)) => {
            let has_sites = folder.join(SITES).try_exists();
            match has_sites.map_err(|error| unreadable(folder, &error))? {
                true => Ok((there, before)),
                false => Err(missing(folder)),
            }
        }
        (Mark::Absent | Mark::Plain | Mark::Id(_), _) => Ok((there, before)),
    }
}

/// The same; from now on it is known, here and there. Blocks.
pub(super) fn admit(folder: &Path, state_dir: &Path) -> Result<Mark, StoreFault> {
    let (there, before) = known(folder, state_dir)?;
    let (marker, failed) = (folder.join(MARKER), |error: io::Error| unreadable(folder, &error));
    match (&there, &before) {
        (Mark::Absent, _) => {
            let id = match &before {
                Mark::Id(id) => id.clone(),
                Mark::Absent | Mark::Plain => format!("{:032x}", fastrand::u128(..)),
            };
            // Of two instances that come at once, one marks it.
            match disk::write_new(&marker, text_of(&id).as_bytes()) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
                Ok(()) | Err(_) => {}
            }
        }
        // The same for all who know it.
        (Mark::Plain, Mark::Id(id)) => {
            disk::write_atomic(&marker, text_of(id).as_bytes()).map_err(failed)?;
        }
        (Mark::Plain | Mark::Id(_), _) => {}
    }
    let now = mark(folder)?;
    if now != before {
        let id = if let Mark::Id(id) = &now { id } else { "" };
        let text = [folder.as_os_str().as_encoded_bytes(), b"\n", id.as_bytes()].concat();
        if let Err(error) = disk::write_atomic(&state_dir.join(SEEN), &text) {
            tracing::warn!(
                error = chain(&error),
                "which folder is the store was not noted; an empty mount point would be taken for it"
            );
        }
    }
    Ok(now)
}

/// Whether it still has the mark that it was admitted with, or one that an operator has made. Blocks.
///
/// # Errors
/// As for [`look`].
pub(super) fn is_still(folder: &Path, admitted: &Mark) -> Result<(), StoreFault> {
    match (mark(folder)?, admitted) {
        (Mark::Absent, _) => Err(missing(folder)),
        (Mark::Id(there), Mark::Id(admitted)) if there != *admitted => Err(other(folder)),
        (Mark::Plain | Mark::Id(_), _) => Ok(()),
    }
}

fn text_of(id: &str) -> String {
    format!(
        "The store of Katahai. Without this file, Katahai takes the folder for one that is not mounted.\n{ID}{id}\n"
    )
}

fn mark(folder: &Path) -> Result<Mark, StoreFault> {
    let mut text = Vec::new();
    let read = std::fs::File::open(folder.join(MARKER))
        .and_then(|file| file.take(MARKER_MOST).read_to_end(&mut text));
    match read {
        Ok(_) => {
            let text = String::from_utf8_lossy(&text);
            let id = text.lines().find_map(|line| line.strip_prefix(ID)).map(str::trim);
            Ok(id.map_or(Mark::Plain, |id| Mark::Id(id.to_owned())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Mark::Absent),
        // Of another user: it is there.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Mark::Plain),
        Err(error) => Err(unreadable(folder, &error)),
    }
}

/// The mark that it had when it was the store of this instance before.
fn seen(folder: &Path, state_dir: &Path) -> Mark {
    let Ok(noted) = std::fs::read(state_dir.join(SEEN)) else { return Mark::Absent };
    let end = noted.iter().rposition(|byte| *byte == b'\n').unwrap_or(noted.len());
    let (name, id) = noted.split_at(end);
    if name != folder.as_os_str().as_encoded_bytes() {
        return Mark::Absent;
    }
    match String::from_utf8_lossy(id).trim() {
        "" => Mark::Plain,
        id => Mark::Id(id.to_owned()),
    }
}

/// What is said of a folder that has lost its marker.
fn missing(folder: &Path) -> StoreFault {
    let folder = folder.display();
    StoreFault::new(
        FaultKind::Folder,
        format!(
            "{folder} was the store, and has no {MARKER} now: is it mounted? If it is to be a store again, empty as it is: touch \
             {folder}/{MARKER}"
        ),
    )
}

/// What is said of one that has the marker of another.
fn other(folder: &Path) -> StoreFault {
    let folder = folder.display();
    StoreFault::new(
        FaultKind::Folder,
        format!(
            "{folder} is not the folder that was the store, by its {MARKER}: is it mounted? If this is the right one now, remove \
             {SEEN} from state_dir"
        ),
    )
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

    /// The first start was before it was mounted: then the void below has a marker, too.
    #[test]
    fn a_void_that_was_marked_once_is_not_taken_for_the_store_later() {
        let (state, other_state, dir) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [folder, void, real] = ["store", "void", "real"].map(|name| dir.path().join(name));
        let mount = |what: &Path, back: &Path| {
            disk::rename(&folder, back).unwrap();
            disk::rename(what, &folder).unwrap();
        };
        disk::ensure_dir(&folder).unwrap();
        disk::ensure_dir(&real).unwrap();
        admit(&folder, state.path()).unwrap();
        mount(&real, &void);
        // Another instance has marked the real one; this one is told that it is another, and that the operator decides.
        admit(&folder, other_state.path()).unwrap();
        let fault = admit(&folder, state.path()).unwrap_err();
        assert!(fault.detail.contains("is it mounted?") && fault.detail.contains("store-folder"), "{fault}");
        disk::remove_file(&state.path().join(SEEN)).unwrap();
        admit(&folder, state.path()).unwrap();
        let admitted = admit(&folder, state.path()).unwrap();
        mount(&void, &real);
        assert!(is_still(&folder, &admitted).is_err() && is_still(&real, &admitted).is_ok());
        disk::ensure_dir(&folder.join(SITES)).unwrap();
        for of in [&state, &other_state] {
            assert!(look(&folder, of.path()).is_err() && admit(&folder, of.path()).is_err());
        }
        mount(&real, &void);
        // A marker that an operator makes says that this one is it, to all.
        disk::write_atomic(&folder.join(MARKER), b"").unwrap();
        for of in [&state, &other_state, &state] {
            admit(&folder, of.path()).unwrap();
        }
        assert!(matches!(mark(&folder), Ok(Mark::Id(_))));
    }

    #[test]
    fn what_former_versions_have_noted_is_read() {
        let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = dir.path().as_os_str().as_encoded_bytes();
        disk::write_atomic(&state.path().join(SEEN), path).unwrap();
        assert!(look(dir.path(), state.path()).is_err());
        disk::write_atomic(&dir.path().join(MARKER), b"The store of Katahai.\n").unwrap();
        admit(dir.path(), state.path()).unwrap();
        assert_eq!(seen(dir.path(), state.path()), Mark::Plain);
    }
}
