//! What takes a tree, file by file.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::clock;
use crate::disk::{self, StagedFile};

/// A folder on the disk, or an archive.
pub(super) trait Sink {
    /// Adds a file of exactly `len` bytes. Names are relative, with `/`, and distinct.
    fn file(&mut self, name: &str, len: u64, modified: SystemTime, body: &mut dyn Read) -> io::Result<()>;
}

/// A folder that is not in its place yet.
pub(super) struct Folder {
    root: PathBuf,
    made: HashSet<PathBuf>,
}

impl Folder {
    pub(super) fn new(root: &Path) -> io::Result<Folder> {
        disk::make_dirs(root)?;
        Ok(Folder { root: root.to_owned(), made: HashSet::new() })
    }
}

impl Sink for Folder {
    fn file(&mut self, name: &str, len: u64, modified: SystemTime, body: &mut dyn Read) -> io::Result<()> {
        let path = self.root.join(name);
        let folder = path.parent().unwrap_or(&self.root);
        if !self.made.contains(folder) {
            disk::make_dirs(folder)?;
            self.made.insert(folder.to_owned());
        }
        let mut file = StagedFile::create(folder)?;
        let copied = io::copy(body, &mut file)?;
        whole(copied, len)?;
        file.set_modified(modified)?;
        file.place(&path)
    }
}

/// A tar file.
pub(super) struct Tar<W: Write> {
    builder: tar::Builder<W>,
}

impl<W: Write> Tar<W> {
    pub(super) fn new(out: W) -> Tar<W> {
        Tar { builder: tar::Builder::new(out) }
    }

    /// Ends the archive.
    pub(super) fn finish(self) -> io::Result<W> {
        self.builder.into_inner()
    }
}

impl<W: Write> Sink for Tar<W> {
    fn file(&mut self, name: &str, len: u64, modified: SystemTime, body: &mut dyn Read) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(len);
        header.set_mode(0o644);
        header.set_mtime(clock::unix(modified));
        let mut body = Exactly { inner: body, left: len };
        self.builder.append_data(&mut header, name, &mut body)?;
        whole(len - body.left, len)
    }
}

/// Never more than was announced: an archive would be read wrongly from there on.
struct Exactly<'a> {
    inner: &'a mut dyn Read,
    left: u64,
}

impl Read for Exactly<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let read = self.inner.read(&mut out[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}

fn whole(found: u64, expected: u64) -> io::Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a body has changed its length"))
    }
}
