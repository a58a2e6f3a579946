//! The only place that writes to disk. What it puts under a name is whole: written aside, synced, then renamed; the
//! folder that holds the name is synced too, so that a name that was reported is there after a power cut.
#![expect(clippy::disallowed_methods, reason = "the one place that writes to disk")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

mod owner;
mod private;
mod room;
mod stamp;
mod trees;

use owner::How;

pub use private::{append_private, date, write_new, write_new_private};
pub use room::{DiskRoom, room};
pub use stamp::Stamp;
pub use trees::{make_dirs, scratch, sync_all_of};

/// What files under way are called; a killed process leaves some, and [`sweep_staged`] removes them.
const STAGED: &str = ".tmp-";

/// From how many files on the whole file system is synced at once, instead of each file by itself.
const SYNC_ONE_BY_ONE: usize = 256;

/// Replaces the file at `path` by `bytes`: after a crash there is the old content or the new, never a part.
///
/// # Errors
/// Of the file system; the old content is then still there, or, when only the last sync failed, the new.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut staged = StagedFile::create(folder_of(path)?)?;
    staged.write_all(bytes)?;
    staged.commit(path)
}

/// Makes a folder and those above it, durably. One that is there already is left alone, also on a read-only disk.
///
/// # Errors
/// Of the file system; also when something that is no folder is in the way.
pub fn ensure_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        ensure_dir(above)?;
    }
    match owner::create_dir(path) {
        Ok(()) => sync_dir(above.unwrap_or(Path::new("."))),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(e) => Err(e),
    }
}

/// Removes a file; one that is not there is no error.
///
/// # Errors
/// Of the file system.
pub fn remove_file(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_file(path))
}

/// Removes a folder with all that is in it; one that is not there is no error. Links are removed, not followed.
///
/// # Errors
/// Of the file system; a part may be gone by then.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_dir_all(path))
}

/// Renames, not yet durably: a step between two names whose folders the caller syncs ([`sync_dir`]).
///
/// # Errors
/// Of the file system.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Renames durably: both folders are synced when this returns.
///
/// # Errors
/// Of the file system; the rename itself may have happened when only a sync failed.
pub fn rename_durable(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    let (source, target) = (folder_of(from)?, folder_of(to)?);
    sync_dir(target)?;
    if source == target { Ok(()) } else { sync_dir(source) }
}

/// Makes the names in a folder durable.
///
/// # Errors
/// Of the file system.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes what [`StagedFile`]s of a killed process left in a folder. Only for one who holds the folder's lock:
/// the staged files of a living process are not told apart.
///
/// # Errors
/// Of the file system.
pub fn sweep_staged(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(STAGED.as_bytes()) {
            remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Bytes that are free for this process on the file system of `path`.
///
/// # Errors
/// Of the file system, `path` not being there among them.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Whether this process may make files in a folder: its rights, and a disk that is not mounted read-only.
///
/// # Errors
/// Why it may not.
pub fn check_writable(dir: &Path) -> io::Result<()> {
    use rustix::fs::Access;
    Ok(rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Whether an error says that there is no room left: disk full, or quota used up.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Opens the file that a lock is taken on (`File::try_lock`), and makes it if need be. Reading rights suffice, so
/// that a command run by another user does not lock the service out.
///
/// # Errors
/// Of the file system.
pub fn lock_file(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => match owner::create_new(path, How::Append) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => File::open(path),
            made => made,
        },
        opened => opened,
    }
}

/// So often a lock is tried, 5 ms apart. On a busy machine a process takes a tenth of a second to start.
const LOCK_TRIES: u32 = 60;

/// Takes a lock for oneself, unless somebody has it. Tried for a moment: a process that another thread is starting has
/// copies of all open files, and of the locks on them, until it runs its own program.
///
/// # Errors
/// Of the file system.
pub fn try_lock(file: &File) -> io::Result<bool> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(5)),
            Err(fs::TryLockError::Error(e)) => return Err(e),
        }
    }
    Ok(false)
}

/// A file being written. It has its final name only after [`StagedFile::commit`]; dropped before, it is removed,
/// unless it was made to be taken up again.
#[derive(Debug)]
pub struct StagedFile {
    file: File,
    path: Option<PathBuf>,
    /// Whether it stays when it is dropped.
    stays: bool,
}

impl StagedFile {
    /// Begins a file in `dir`, which must be on the file system of its final name.
    ///
    /// # Errors
    /// Of the file system.
    pub fn create(dir: &Path) -> io::Result<StagedFile> {
        StagedFile::begin(dir, How::Write)
    }

    fn begin(dir: &Path, how: How) -> io::Result<StagedFile> {
        loop {
            let path = dir.join(format!("{STAGED}{:016x}", fastrand::u64(..)));
            match owner::create_new(&path, how) {
                Ok(file) => return Ok(StagedFile { file, path: Some(path), stays: false }),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Begins a file at `path`, where there must be none yet. Dropped, or left by a killed process, it stays there,
    /// to be taken up again ([`StagedFile::reopen`]).
    ///
    /// # Errors
    /// Of the file system.
    pub fn create_lasting(path: &Path) -> io::Result<StagedFile> {
        let file = owner::create_new(path, How::Write)?;
        Ok(StagedFile { file, path: Some(path.to_owned()), stays: true })
    }

    /// Takes up a file that was begun with [`StagedFile::create_lasting`], cut off after `len` bytes.
    ///
    /// # Errors
    /// Of the file system.
    pub fn reopen(path: &Path, len: u64) -> io::Result<StagedFile> {
        let mut file = OpenOptions::new().read(true).write(true).custom_flags(owner::NO_LINK).open(path)?;
        file.set_len(len)?;
        file.seek(io::SeekFrom::Start(len))?;
        Ok(StagedFile { file, path: Some(path.to_owned()), stays: true })
    }

    /// Appends.
    ///
    /// # Errors
    /// Of the file system; see [`is_full`].
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Reads what was written.
    ///
    /// # Errors
    /// Of the file system; also when that is not so much.
    pub fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    /// Writes at a place, whatever has been appended.
    ///
    /// # Errors
    /// Of the file system.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// Gives the file its name, durably: content, then name.
    ///
    /// # Errors
    /// Of the file system; the file is then removed, unless only the last sync failed.
    pub fn commit(mut self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        self.rename_to(path)?;
        sync_dir(folder_of(path)?)
    }

    /// Gives the file its name without syncing anything: for names that mean nothing after a crash, and for many
    /// files that a [`Syncer`] makes durable together.
    ///
    /// # Errors
    /// Of the file system; the file is then removed.
    pub fn place(mut self, path: &Path) -> io::Result<()> {
        self.rename_to(path)
    }

    fn rename_to(&mut self, path: &Path) -> io::Result<()> {
        if let Some(staged) = &self.path {
            fs::rename(staged, path)?;
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if let Some(path) = self.path.take().filter(|_| !self.stays) {
            let _ = fs::remove_file(path);
        }
    }
}

/// A file without a name: nobody else can open it, and nothing is left of it when it is dropped, or the process killed.
#[derive(Debug)]
pub struct Unnamed {
    file: File,
    len: u64,
}

impl Unnamed {
    /// Begins one in `dir`, which is made if need be.
    ///
    /// # Errors
    /// Of the file system.
    pub fn create(dir: &Path) -> io::Result<Unnamed> {
        use std::os::unix::fs::OpenOptionsExt as _;
        ensure_dir(dir)?;
        let path = dir.join(format!("{STAGED}{:016x}", fastrand::u64(..)));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        fs::remove_file(&path)?;
        Ok(Unnamed { file, len: 0 })
    }

    /// Appends.
    ///
    /// # Errors
    /// Of the file system; then it is as it was before.
    pub fn append(&mut self, pieces: [&[u8]; 2]) -> io::Result<()> {
        let mut len = self.len;
        for piece in pieces {
            self.file.write_all_at(piece, len)?;
            len += piece.len() as u64;
        }
        self.len = len;
        Ok(())
    }

    /// Its bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file, to be read with `FileExt::read_at`.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The same, for good.
    pub fn into_file(self) -> File {
        self.file
    }
}

/// Opens a file to add to, such as a log; makes it if there is none.
///
/// # Errors
/// Of the file system.
pub fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// A folder that goes with its value: for what is not to outlive the process.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes a folder of a name of its own, which only this user can read, where the system keeps such.
    ///
    /// # Errors
    /// Of the file system.
    pub fn create(prefix: &str) -> io::Result<TempDir> {
        use std::os::unix::fs::DirBuilderExt;
        let name = format!("{prefix}-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(TempDir(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file that only grows, record by record. Not synced: who reads it after a power cut must tell what is whole.
#[derive(Debug)]
pub struct Journal(File);

impl Journal {
    /// Begins a new journal; there must be none yet.
    ///
    /// # Errors
    /// Of the file system.
    pub fn create(path: &Path) -> io::Result<Journal> {
        Ok(Journal(owner::create_new(path, How::Append)?))
    }

    /// Goes on with the journal at `path`, or begins it. Its records are of `size` bytes each: a torn one at the end
    /// is cut off, so that what is added stands where it is looked for.
    ///
    /// # Errors
    /// Of the file system.
    pub fn reopen(path: &Path, size: u64) -> io::Result<Journal> {
        let file = match OpenOptions::new().append(true).custom_flags(owner::NO_LINK).open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => owner::create_new(path, How::Append)?,
            opened => opened?,
        };
        let len = file.metadata()?.len();
        if len % size != 0 {
            file.set_len(len - len % size)?;
        }
        Ok(Journal(file))
    }

    /// Adds a record. A process that is killed leaves at most one torn record, at the end.
    ///
    /// # Errors
    /// Of the file system.
    pub fn append(&mut self, record: &[u8]) -> io::Result<()> {
        self.0.write_all(record)
    }
}

/// Makes many files durable together.
///
/// A crawl writes up to hundreds of thousands of small files, and an fsync for each would bind it to the disk's
/// commit rate (1 to 10 ms each, so minutes to hours). Nothing needs these files before the manifest that names them
/// is published. So they are written without sync, the kernel writes them back at its own pace while the crawl goes
/// on, and what is left is synced once: file by file when they are few, by one `syncfs` when they are many.
#[derive(Debug)]
pub struct Syncer {
    dir: File,
}

impl Syncer {
    /// Begins to watch the file system of `dir`. To be opened before the first file is written: `syncfs` then
    /// reports also those failures of writing back that happened long before it is called (Linux 5.8).
    ///
    /// # Errors
    /// Of the file system.
    pub fn open(dir: &Path) -> io::Result<Syncer> {
        File::open(dir).map(|dir| Syncer { dir })
    }

    /// Syncs the content of these files.
    ///
    /// # Errors
    /// Of the file system: some content may not have reached the disk.
    pub fn files<P: AsRef<Path>>(&self, count: usize, files: impl Iterator<Item = P>) -> io::Result<()> {
        if count > SYNC_ONE_BY_ONE && self.whole_file_system()? {
            return Ok(());
        }
        for file in files {
            File::open(file)?.sync_all()?;
        }
        Ok(())
    }

    /// False when this file system cannot do it.
    fn whole_file_system(&self) -> io::Result<bool> {
        use rustix::io::Errno;
        match rustix::fs::syncfs(&self.dir) {
            Ok(()) => Ok(true),
            Err(Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }
}

fn folder_of(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(dir) if dir.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(dir) => Ok(dir),
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, "this path names no file")),
    }
}

fn absent_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
