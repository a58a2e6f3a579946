//! From a snapshot to a file or folder outside.

use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::base::Base;
use super::body::{Skipped, Source};
use super::format::Format;
use super::sink::{Folder, Tar};
use super::{Progress, lines, tree, wacz, warc};
use crate::clock::Now;
use crate::disk::{self, StagedFile};
use crate::snapshot::{ReadError, Snapshot, SnapshotId, Store, rfc3339};

/// What is exported, and where to.
#[derive(Clone, Debug)]
pub struct Export<'a> {
    /// Where older versions are found should something be damaged.
    pub store: &'a Store,
    /// What is exported.
    pub snapshot: Arc<Snapshot>,
    /// The site's address.
    pub base: Base,
    /// The file or folder to be made.
    pub to: &'a Path,
    /// Its shape.
    pub format: Format,
    /// Whether what is there may be replaced.
    pub force: bool,
}

/// A finished export.
#[derive(Clone, Debug, Serialize)]
pub struct Exported {
    /// What was made.
    pub path: PathBuf,
    /// Its shape.
    pub format: &'static str,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// When that was taken, in RFC 3339.
    pub taken_at: String,
    /// The site's address in it.
    pub address: String,
    /// Addresses that are in it.
    pub pages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// What was damaged in the store.
    pub damaged: Skipped,
}

/// Nothing was exported, and nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Something is there.
    #[error("{} is not empty; name another place, or say --force to replace it", .0.display())]
    Exists(PathBuf),
    /// Its folder is not there.
    #[error("there is no folder {} to write to (\"mkdir -p\" makes it)", .0.display())]
    NoFolder(PathBuf),
    /// Something is there that no export made.
    #[error("{} was not made by an export, so it is not replaced; name another place", .0.display())]
    NotOurs(PathBuf),
    /// The snapshot could not be read.
    #[error("the snapshot could not be read")]
    Read(#[from] ReadError),
    /// The disk is full.
    #[error("the disk is full at {}", .0.display())]
    Full(PathBuf),
    /// The file system.
    #[error("could not write {}", path.display())]
    Io {
        /// What was to be made.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What can go wrong while an export is being written.
#[derive(Debug)]
pub(super) enum Failed {
    Read(ReadError),
    Io(io::Error),
}

impl From<ReadError> for Failed {
    fn from(error: ReadError) -> Failed {
        Failed::Read(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::Io(error)
    }
}

/// Writes a snapshot to a file or folder, which is there whole or not at all. Blocks. Damaged pages come from older
/// snapshots, or are left out and said so.
///
/// # Errors
/// See [`ExportError`].
pub fn export(ask: Export<'_>, now: Now, progress: &dyn Fn(Progress)) -> Result<Exported, ExportError> {
    let to = ask.to;
    may_be_made(to, ask.format, ask.force)?;
    let source = Source::new(ask.store, Arc::clone(&ask.snapshot));
    let written = match ask.format {
        Format::Folder => folder(&source, &ask, progress),
        Format::Tar | Format::TarGz | Format::Warc | Format::WarcGz | Format::Wacz => {
            file(&source, &ask, now, progress)
        }
    };
    let done = written.map_err(|failed| match failed {
        Failed::Read(error) => ExportError::Read(error),
        Failed::Io(error) if disk::is_full(&error) => ExportError::Full(to.to_owned()),
        Failed::Io(source) => ExportError::Io { path: to.to_owned(), source },
    })?;
    Ok(Exported {
        path: to.to_owned(),
        format: ask.format.as_str(),
        snapshot: ask.snapshot.id(),
        taken_at: rfc3339(ask.snapshot.summary().taken_at),
        address: ask.base.origin(),
        pages: done.done,
        bytes: done.bytes,
        damaged: source.skipped(),
    })
}

fn file(
    source: &Source<'_>,
    ask: &Export<'_>,
    now: Now,
    progress: &dyn Fn(Progress),
) -> Result<Progress, Failed> {
    let beside = folder_of(ask.to);
    let mut out = StagedFile::create(beside)?;
    let done = match ask.format {
        Format::Tar => {
            let mut tar = Tar::new(BufWriter::new(&mut out));
            let done = tree::write(source, &ask.base, beside, &mut tar, progress)?;
            tar.finish()?.flush()?;
            done
        }
        Format::TarGz => {
            let mut tar = Tar::new(GzEncoder::new(BufWriter::new(&mut out), Compression::default()));
            let done = tree::write(source, &ask.base, beside, &mut tar, progress)?;
            tar.finish()?.finish()?.flush()?;
            done
        }
        Format::Warc | Format::WarcGz => {
            let packed = ask.format == Format::WarcGz;
            let buffered = BufWriter::new(&mut out);
            let mut records = warc::Writer::new(buffered, packed);
            let done = warc::write(source, &ask.base, now, &mut records, &mut |_| Ok(()), progress)?;
            records.finish()?.flush()?;
            done
        }
        Format::Wacz => wacz::write(source, &ask.base, now, &mut out, progress)?,
        Format::Folder => return Err(Failed::Io(io::ErrorKind::InvalidInput.into())),
    };
    out.commit(ask.to)?;
    Ok(done)
}

fn folder(source: &Source<'_>, ask: &Export<'_>, progress: &dyn Fn(Progress)) -> Result<Progress, Failed> {
    let beside = folder_of(ask.to);
    let aside = Aside::new(beside);
    let mut sink = Folder::new(&aside.0)?;
    let done = tree::write(source, &ask.base, beside, &mut sink, progress)?;
    disk::sync_all_of(beside)?;
    if !ask.to.exists() {
        disk::rename_durable(&aside.0, ask.to)?;
        return Ok(done);
    }
    // The old one steps aside first, and comes back should the new one not get its name.
    let old = Aside::new(beside);
    disk::rename(ask.to, &old.0)?;
    let renamed = disk::rename_durable(&aside.0, ask.to);
    if renamed.is_err() && !ask.to.exists() {
        disk::rename(&old.0, ask.to)?;
    }
    renamed?;
    Ok(done)
}

/// A folder on its way, removed when it has not got another name by then.
struct Aside(PathBuf);

impl Aside {
    fn new(beside: &Path) -> Aside {
        Aside(beside.join(format!(".katahai-export-{:016x}", fastrand::u64(..))))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Err(error) = disk::remove_tree(&self.0) {
            tracing::warn!(dir = %self.0.display(), %error, "could not remove what an export left");
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Nothing that is there is replaced but what an export has made, and that only when it was asked for.
fn may_be_made(to: &Path, format: Format, force: bool) -> Result<(), ExportError> {
    let at = |source| ExportError::Io { path: to.to_owned(), source };
    // A slip in a path is not to become a folder that nobody looks into.
    if !folder_of(to).is_dir() {
        return Err(ExportError::NoFolder(folder_of(to).to_owned()));
    }
    let meta = match fs::symlink_metadata(to) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(at(e)),
        Ok(meta) => meta,
    };
    let empty = if meta.is_dir() {
        fs::read_dir(to).map_err(at)?.next().is_none()
    } else {
        meta.is_file() && meta.len() == 0
    };
    let is_folder = format == Format::Folder;
    if meta.is_dir() != is_folder {
        return Err(at(io::Error::other(if is_folder {
            "there is a file of that name"
        } else {
            "there is a folder of that name"
        })));
    }
    if empty {
        return Ok(());
    }
    if !force {
        return Err(ExportError::Exists(to.to_owned()));
    }
    if is_folder && !to.join(lines::PLACE).is_file() {
        return Err(ExportError::NotOurs(to.to_owned()));
    }
    Ok(())
}
