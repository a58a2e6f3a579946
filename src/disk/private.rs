//! For what nobody but its owner may read: keys, and what visitors have entrusted to us.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::owner::{How, NO_LINK};
use super::{StagedFile, ensure_dir, folder_of, sync_dir};

/// Writes a file that only its owner may read and that must not be there yet, durably. Its folder is made if need be.
///
/// # Errors
/// Of the file system; `AlreadyExists` when something of that name is there, which is then left as it is. When only the last
/// sync failed, the file is there: others may have seen it by then, so it is not taken away again.
pub fn write_new_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path)?;
    ensure_dir(folder)?;
    let mut staged = StagedFile::create_private(folder)?;
    staged.write_all(bytes)?;
    staged.sync()?;
    staged.place_new(path)?;
    sync_dir(folder)
}

/// The same, for a file that anybody may read.
///
/// # Errors
/// As for [`write_new_private`].
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path)?;
    let mut staged = StagedFile::create(folder)?;
    staged.write_all(bytes)?;
    staged.sync()?;
    staged.place_new(path)?;
    sync_dir(folder)
}

/// Opens a file to add to; makes it, readable for its owner alone, if there is none.
///
/// # Errors
/// Of the file system.
pub fn append_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(NO_LINK).open(path)
}

/// Dates a file, durably: its time of modification is `time` when this returns.
///
/// # Errors
/// Of the file system.
pub fn date(path: &Path, time: SystemTime) -> io::Result<()> {
    let file = OpenOptions::new().write(true).custom_flags(NO_LINK).open(path)?;
    file.set_modified(time)?;
    file.sync_all()
}

impl StagedFile {
    /// As [`StagedFile::create`], but nobody except its owner may read it, from its first byte on.
    ///
    /// # Errors
    /// Of the file system.
    pub fn create_private(dir: &Path) -> io::Result<StagedFile> {
        StagedFile::begin(dir, How::Private)
    }

    /// Makes its content durable. Its name is not: [`StagedFile::place`] and [`sync_dir`] follow.
    ///
    /// # Errors
    /// Of the file system.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// As [`StagedFile::place`], unless the name is taken.
    fn place_new(mut self, path: &Path) -> io::Result<()> {
        let Some(staged) = &self.path else { return Ok(()) };
        match renameat_with(CWD, staged, CWD, path, RenameFlags::NOREPLACE) {
            // This file system cannot. A second name does not replace either; the first goes when this is dropped.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => std::fs::hard_link(staged, path),
            renamed => {
                renamed?;
                self.path = None;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn what_is_private_is_made_once_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/key");
        write_new_private(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let again = write_new_private(&path, b"two").unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 1);
        // A link that leads nowhere is something of that name, too.
        std::os::unix::fs::symlink(dir.path().join("nowhere"), dir.path().join("link")).unwrap();
        assert!(write_new_private(&dir.path().join("link"), b"three").is_err());
        assert!(!dir.path().join("nowhere").exists());
    }

    #[test]
    fn what_is_private_is_the_folders_owners() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::lchown(dir.path(), Some(4321), Some(4322)).unwrap();
        write_new_private(&dir.path().join("key"), b"one").unwrap();
        let of = fs::metadata(dir.path().join("key")).unwrap();
        assert_eq!((of.uid(), of.gid(), of.mode() & 0o777), (4321, 4322, 0o600));
    }

    #[test]
    fn a_file_is_dated() {
        let dir = tempfile::tempdir().unwrap();
        let (path, time) = (dir.path().join("a"), UNIX_EPOCH + Duration::from_millis(1_234_567));
        assert!(date(&path, time).is_err());
        write_new_private(&path, b"one").unwrap();
        date(&path, time).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), time);
    }
}
