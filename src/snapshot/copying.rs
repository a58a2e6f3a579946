//! Reading a published snapshot to the last byte, to put it elsewhere as it is. Whoever holds the snapshot, its
//! [`Table`] or one of its [`BodyReader`]s keeps it, and its bodies, from being removed.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use super::blobs::hash_of;
use super::damage::{Damage, ReadError};
use super::page::BlobId;
use super::reader::Snapshot;
use super::table::Table;
use super::{FILES, elsewhere};

/// One of the files that a snapshot consists of besides its bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// `manifest`, `search`, `report.json`, `character.json`, `addresses.json` or `forms.json`.
    pub name: &'static str,
    /// Its length in bytes.
    pub len: u64,
    /// The hash of its content.
    pub blake3: BlobId,
}

impl Snapshot {
    /// The files that it consists of, the manifest first; marks are none of them. Reads all of them, and every block of
    /// the manifest and the index for search is verified: what is damaged is not carried elsewhere. Blocks.
    ///
    /// # Errors
    /// When one is damaged or cannot be read.
    pub fn files(&self) -> Result<Vec<SnapshotFile>, ReadError> {
        self.noted(self.manifest().read_back())?;
        if let Some(damage) = self.search_damage()?.into_iter().next() {
            return self.noted(Err(damage.into()));
        }
        let mut files = Vec::new();
        for name in FILES {
            let path = self.manifest().beside(name);
            let facts = self.open_file(name).and_then(|file| {
                let (len, blake3) = (file.metadata()?.len(), hash_of(&file)?);
                Ok(SnapshotFile { name, len, blake3 })
            });
            match facts {
                Ok(file) => files.push(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(ReadError::io(&path, error)),
            }
        }
        Ok(files)
    }

    /// One of its [`Snapshot::files`], to be read.
    ///
    /// # Errors
    /// When it is not there, or is none of them.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        match FILES.contains(&name) {
            true => File::open(self.manifest().beside(name)),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// All its bodies, in constant memory, for those who go through them piece by piece.
    pub fn table(&self) -> Table {
        Table::of(self.manifest())
    }

    /// Reads one of its bodies, and verifies it on the way. Blocks.
    ///
    /// # Errors
    /// When it is missing, of another length, or cannot be opened.
    pub fn body(self: &Arc<Self>, id: &BlobId, len: u64) -> Result<BodyReader, ReadError> {
        let blobs = self.store();
        if self.is_arriving() && blobs.len_of(id).is_none() {
            return Err(elsewhere::not_here(blobs, id));
        }
        let opened =
            blobs.open(id).and_then(|(file, meta)| blobs.of_length(id, len, meta.len()).map(|()| file));
        let file = self.noted(opened)?;
        Ok(BodyReader { snapshot: Arc::clone(self), file, hasher: Box::default(), id: *id, left: len })
    }
}

/// Reads a body. Its last bytes come only when all of them were found to be what was written.
#[derive(Debug)]
pub struct BodyReader {
    snapshot: Arc<Snapshot>,
    file: File,
    hasher: Box<blake3::Hasher>,
    id: BlobId,
    left: u64,
}

impl BodyReader {
    fn damaged(&self) -> io::Error {
        let error = self.snapshot.store().damaged(&self.id, Damage::BlobContent(self.id));
        let noted: Result<(), ReadError> = self.snapshot.noted(Err(error));
        drop(noted);
        io::Error::new(io::ErrorKind::InvalidData, Damage::BlobContent(self.id))
    }
}

impl Read for BodyReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        if self.left == 0 || most == 0 {
            return Ok(0);
        }
        let read = self.file.read(&mut into[..most])?;
        self.hasher.update(&into[..read]);
        self.left -= read as u64;
        let is_end = self.left == 0 || read == 0;
        if is_end && (self.left > 0 || BlobId::from(self.hasher.finalize()) != self.id) {
            // Whoever asks again is told the same.
            self.left = self.left.max(1);
            return Err(self.damaged());
        }
        Ok(read)
    }
}
