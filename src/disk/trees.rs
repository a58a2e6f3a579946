//! For whole trees and archives, which are synced once, and for what is needed only while it is being read.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::{StagedFile, Syncer};

/// Makes a folder and those above it, not yet durably: for trees that are synced as a whole ([`sync_all_of`]).
///
/// # Errors
/// Of the file system.
pub fn make_dirs(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Makes all that was written to the file system of `dir` durable. One that cannot do that is left to its own pace.
///
/// # Errors
/// Of the file system: some content may not have reached the disk.
pub fn sync_all_of(dir: &Path) -> io::Result<()> {
    Syncer::open(dir)?.whole_file_system().map(drop)
}

/// A file without a name, in `dir`: nothing of it is left when it is closed, however that happens.
///
/// # Errors
/// Of the file system.
pub fn scratch(dir: &Path) -> io::Result<File> {
    let mut staged = StagedFile::create(dir)?;
    let file = staged.file.try_clone()?;
    if let Some(path) = staged.path.take() {
        fs::remove_file(path)?;
    }
    Ok(file)
}

impl StagedFile {
    /// Says when its content was last changed, for those who ask the file system.
    ///
    /// # Errors
    /// Of the file system.
    pub fn set_modified(&self, time: std::time::SystemTime) -> io::Result<()> {
        self.file.set_modified(time)
    }
}

impl io::Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl io::Seek for StagedFile {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

    use super::*;

    #[test]
    fn a_scratch_file_has_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = scratch(dir.path()).unwrap();
        file.write_all(b"abc").unwrap();
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((&*text, fs::read_dir(dir.path()).unwrap().count()), ("abc", 0));
    }

    #[test]
    fn a_tree_is_written_and_dated() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, time) =
            (dir.path().join("a/b"), std::time::UNIX_EPOCH + std::time::Duration::from_secs(9));
        make_dirs(&folder).unwrap();
        make_dirs(&folder).unwrap();
        let mut file = StagedFile::create(&folder).unwrap();
        io::Write::write_all(&mut file, b"xyz").unwrap();
        file.seek(SeekFrom::Start(1)).unwrap();
        io::Write::write_all(&mut file, b"Y").unwrap();
        file.set_modified(time).unwrap();
        file.place(&folder.join("c")).unwrap();
        sync_all_of(dir.path()).unwrap();
        assert_eq!(fs::read(folder.join("c")).unwrap(), b"xYz");
        assert_eq!(fs::metadata(folder.join("c")).unwrap().modified().unwrap(), time);
    }
}
