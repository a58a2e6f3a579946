//! Whose the files are. An operator calls commands as root beside a service that runs as another user, and that user must
//! be able to replace and remove what they wrote.
//!
//! Who owns the folder may be no friend of root's. So nothing is made or given away through a name twice: the folder is opened
//! once, what is made is made in it and must be new (a link in its place is an error), and only that is given to the folder's
//! owner.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, fchown};
use std::path::Path;

use rustix::fs::{Mode, OFlags, fstat, mkdirat, open, openat};

use super::folder_of;

/// What is gone on with is no link either.
pub(super) const NO_LINK: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// Makes a file that must not be there yet, to be read and written. What root makes is the folder's owner's; where that cannot
/// be done (a file system without owners, a container without the right), it is root's.
///
/// # Errors
/// Of the file system.
pub(super) fn create_new(path: &Path, how: How) -> io::Result<File> {
    if !is_root() {
        let mut options = OpenOptions::new();
        options.read(true).create_new(true).mode(how.mode());
        return match how {
            How::Append => options.append(true).open(path),
            How::Write | How::Private => options.write(true).open(path),
        };
    }
    let (folder, name) = placed(path)?;
    let place = if how == How::Append { OFlags::APPEND } else { OFlags::empty() };
    let new = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(how.mode());
    let made = File::from(openat(&folder, name, OFlags::RDWR | new | place, mode)?);
    hand_over(&made, &folder)?;
    Ok(made)
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// At its end.
    Append,
    /// Anywhere.
    Write,
    /// Anywhere, and nobody but its owner may read it, from its first byte on.
    Private,
}

impl How {
    /// Its rights, of which the process's mask may take some away.
    fn mode(self) -> u32 {
        match self {
            How::Append | How::Write => 0o666,
            How::Private => 0o600,
        }
    }
}

/// Makes a folder, in the same way.
///
/// # Errors
/// Of the file system.
pub(super) fn create_dir(path: &Path) -> io::Result<()> {
    if !is_root() {
        return std::fs::create_dir(path);
    }
    let (folder, name) = placed(path)?;
    mkdirat(&folder, name, Mode::from_raw_mode(0o777))?;
    let made = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    hand_over(&File::from(openat(&folder, name, made, Mode::empty())?), &folder)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The folder in which something is made, opened, and its name there.
fn placed(path: &Path) -> io::Result<(File, &std::ffi::OsStr)> {
    let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "this path names no file");
    let name = path.file_name().ok_or_else(no_name)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok((File::from(open(folder_of(path)?, flags, Mode::empty())?), name))
}

/// Gives what root has made in a folder to the folder's owner. What is not root's was put there by somebody else.
fn hand_over(made: &File, folder: &File) -> io::Result<()> {
    let (owner, own) = (fstat(folder)?, fstat(made)?);
    if owner.st_uid != 0 && own.st_uid == 0 {
        _ = fchown(made, Some(owner.st_uid), Some(owner.st_gid));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, lchown, symlink};

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

    #[test]
    fn a_link_in_the_place_of_a_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (state, secret) = (dir.path().join("state"), dir.path().join("secret"));
        write_atomic(&secret, b"root's").unwrap();
        ensure_dir(&state).unwrap();
        if rustix::process::geteuid().is_root() {
            lchown(&state, Some(4321), Some(4322)).unwrap();
        }
        let before = fs::metadata(&secret).unwrap();
        for (name, target) in [("old", &secret), ("new", &dir.path().join("made"))] {
            symlink(target, state.join(name)).unwrap();
            assert!(Journal::create(&state.join(name)).is_err());
            assert!(Journal::reopen(&state.join(name), 4).is_err());
            assert!(StagedFile::create_lasting(&state.join(name)).is_err());
            assert!(StagedFile::reopen(&state.join(name), 0).is_err());
        }
        assert!(lock_file(&state.join("new")).is_err());
        assert!(!dir.path().join("made").exists());
        let after = fs::metadata(&secret).unwrap();
        assert_eq!((after.uid(), after.len()), (before.uid(), before.len()));
    }
}
