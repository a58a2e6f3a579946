//! Whose the files are. An operator calls commands as root beside a service that runs as another user, and that user must
//! be able to replace and remove what they wrote.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, fchown, lchown};
use std::path::Path;

use super::folder_of;

/// Gives a file that root has made to the owner of its folder. Where that cannot be done (a file system without owners, a
/// container without the right), the file is root's, as it was made.
pub(super) fn hand_over(made: &File, path: &Path) {
    if let Some((uid, gid)) = heir(path) {
        _ = fchown(made, Some(uid), Some(gid));
    }
}

/// The same for a folder. A link that somebody has put in its place is not followed.
pub(super) fn hand_over_folder(path: &Path) {
    if let Some((uid, gid)) = heir(path) {
        _ = lchown(path, Some(uid), Some(gid));
    }
}

/// The owner and the group of the folder, if this process is root's and the folder is not.
fn heir(path: &Path) -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let folder = fs::metadata(folder_of(path).ok()?).ok()?;
    (folder.uid() != 0).then(|| (folder.uid(), folder.gid()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Journal, StagedFile, ensure_dir, lock_file, write_atomic};

    #[test]
    fn what_root_makes_in_the_folder_of_another_user_is_that_users() {
        let dir = tempfile::tempdir().unwrap();
        let own = fs::metadata(dir.path()).unwrap();
        let is_root = rustix::process::geteuid().is_root();
        let state = dir.path().join("state");
        ensure_dir(&state).unwrap();
        let (uid, gid) = if is_root { (4321, 4322) } else { (own.uid(), own.gid()) };
        lchown(&state, Some(uid), Some(gid)).unwrap();
        ensure_dir(&state.join("snapshots/shop")).unwrap();
        write_atomic(&state.join("snapshots/shop/current"), b"1").unwrap();
        lock_file(&state.join("lock")).unwrap();
        StagedFile::create_lasting(&state.join("records")).unwrap();
        Journal::create(&state.join("journal")).unwrap();
        Journal::reopen(&state.join("other"), 1).unwrap();
        for name in
            ["snapshots", "snapshots/shop", "snapshots/shop/current", "lock", "records", "journal", "other"]
        {
            let of = fs::metadata(state.join(name)).unwrap();
            assert_eq!((of.uid(), of.gid()), (uid, gid), "{name}");
        }
        write_atomic(&dir.path().join("mine"), b"1").unwrap();
        assert_eq!(fs::metadata(dir.path().join("mine")).unwrap().uid(), own.uid());
    }
}
