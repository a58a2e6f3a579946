//! The bodies of a snapshot, one after the other in constant memory, for whoever carries them to or from elsewhere.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::vec;

use super::blobs::Blobs;
use super::damage::{Damage, ReadError};
use super::manifest::Manifest;
use super::page::BlobId;
use super::stage_error::StageError;
use super::staging::Shared;

/// All distinct bodies of a snapshot with their lengths in bytes, sorted. While it is held, the snapshot is not removed.
/// A damaged block of the table is one error; what follows it still comes. Blocks.
#[derive(Debug)]
pub struct Table {
    manifest: Arc<Manifest>,
    block: u64,
    lines: vec::IntoIter<Result<(BlobId, u64), ReadError>>,
}

impl Table {
    pub(super) fn of(manifest: &Arc<Manifest>) -> Table {
        Table { manifest: Arc::clone(manifest), block: 0, lines: Vec::new().into_iter() }
    }
}

impl Iterator for Table {
    type Item = Result<(BlobId, u64), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(line) = self.lines.next() {
                return Some(line);
            }
            self.lines = self.manifest.table_lines(self.block)?.into_iter();
            self.block += 1;
        }
    }
}

/// The bodies of a snapshot that are not here, with their lengths in bytes: first those that were asked for. A body that
/// comes while this goes on may be named all the same. Blocks.
pub struct Missing {
    first: vec::IntoIter<(BlobId, u64)>,
    /// Those are not named again.
    named: HashSet<BlobId>,
    table: Table,
    held: Holdings,
}

/// What is here.
pub(super) enum Holdings {
    /// Whatever lies on the disk under its name, and of which nothing bad is known.
    Stored(Arc<Blobs>),
    /// What an adoption has, or can prove and claim: that reads it.
    Claimed(Arc<Shared>),
}

impl Holdings {
    fn lack(&self, id: &BlobId, len: u64) -> Result<bool, ReadError> {
        let shared = match self {
            Holdings::Stored(blobs) => return Ok(!blobs.is_here(id, len)),
            Holdings::Claimed(shared) => shared,
        };
        match shared.noted(shared.length_of(id)) {
            Ok(found) if found == len => Ok(false),
            Ok(found) => Err(Damage::BlobLength { id: *id, expected: len, found }.into()),
            Err(StageError::NoSuchBlob(_)) => Ok(true),
            Err(StageError::Io { path, source }) => Err(ReadError::Io { path, source }),
            Err(StageError::Full) => Err(ReadError::io(shared.dir(), io::ErrorKind::StorageFull.into())),
            Err(other @ (StageError::Oversize(_) | StageError::Closed)) => {
                Err(ReadError::io(shared.dir(), io::Error::other(other)))
            }
        }
    }
}

impl Missing {
    /// What a snapshot lacks; of the pages with the keys `first` that first.
    pub(super) fn of<K: AsRef<str>>(
        manifest: &Arc<Manifest>,
        first: &[K],
        held: Holdings,
    ) -> Result<Missing, ReadError> {
        let (mut bodies, mut named) = (Vec::new(), HashSet::new());
        for key in first {
            let page = manifest.find(key.as_ref())?;
            if let Some((id, len)) = page.and_then(|page| Some((page.body?, page.len)))
                && named.insert(id)
            {
                bodies.push((id, len));
            }
        }
        Ok(Missing { first: bodies.into_iter(), named, table: Table::of(manifest), held })
    }
}

impl Iterator for Missing {
    type Item = Result<(BlobId, u64), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (id, len) = match self.first.next() {
                Some(body) => body,
                None => match self.table.next()? {
                    Ok((id, _)) if self.named.contains(&id) => continue,
                    Ok(body) => body,
                    Err(error) => return Some(Err(error)),
                },
            };
            match self.held.lack(&id, len) {
                Ok(true) => return Some(Ok((id, len))),
                Ok(false) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl std::fmt::Debug for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Missing").field("table", &self.table).finish_non_exhaustive()
    }
}
