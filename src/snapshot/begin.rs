//! Beginning to take a snapshot, and dealing with what unfinished ones left behind.

use crate::failure::chain;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::id::SnapshotId;
use super::left;
use super::publish::Staging;
use super::resume::{self, Course, LONGEST_COURSE};
use super::stage_error::StageError;
use super::staging::{Shared, is_staging};
use super::store::{Inner, Store, names_in};
use super::{GONE, LOCK, STAGING};
use crate::clock::{self, Now};
use crate::disk;

/// How a staging was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Empty.
    New,
    /// With what an earlier one has staged: [`Staging::staged`].
    Resumed {
        /// How many pages.
        pages: u64,
    },
}

/// A snapshot cannot be begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// One is being taken, by this or another process.
    #[error("a snapshot of this site is being taken already")]
    AlreadyRunning,
    /// The disk is full but for the reserve for more important things.
    #[error("the disk is full")]
    Full,
    /// The file system.
    #[error("could not write to {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl BeginError {
    fn io(path: &Path, source: io::Error) -> BeginError {
        StageError::io(path, source).into()
    }
}

impl From<StageError> for BeginError {
    fn from(error: StageError) -> BeginError {
        match error {
            StageError::Full => BeginError::Full,
            StageError::Io { path, source } => BeginError::Io { path, source },
            other @ (StageError::Oversize(_) | StageError::NoSuchBlob(_) | StageError::Closed) => {
                BeginError::Io { path: PathBuf::new(), source: io::Error::other(other) }
            }
        }
    }
}

impl Store {
    /// Begins to take a snapshot. `kind` says how: `crawl`.
    ///
    /// # Errors
    /// One at a time for each site, over all processes; and there must be room on the disk.
    pub fn begin(&self, now: Now, kind: &str) -> Result<Staging, BeginError> {
        let lock = self.inner.lock_for_staging()?;
        left::clean(&self.inner.dir, now.wall);
        self.inner.clean(resume::find(&self.inner.dir, now.wall).as_ref().map(|(name, _)| name));
        self.stage(now.wall, kind, None, lock)
    }

    /// Begins to take a snapshot, or resumes the staging that a dead or stopped process left, if that was begun for the same
    /// `kind` and `course` less than `max_age` ago; any other is discarded. `course` is opaque text of at most 1 KiB.
    /// Resuming reads and checks all that is staged: about a second per gigabyte.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub fn begin_or_resume(
        &self,
        now: Now,
        kind: &str,
        course: &str,
        max_age: Duration,
    ) -> Result<(Staging, Begun), BeginError> {
        let inner = &self.inner;
        if course.len() > LONGEST_COURSE {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "the course is too long");
            return Err(BeginError::Io { path: inner.dir.clone(), source });
        }
        let lock = inner.lock_for_staging()?;
        left::clean(&inner.dir, now.wall);
        let left = resume::find(&inner.dir, now.wall)
            .filter(|(_, left)| left.is_same(kind, course) && left.is_younger(max_age, now.wall));
        inner.clean(left.as_ref().map(|(name, _)| name));
        if let Some((name, left)) = left {
            let dir = inner.dir.join(name);
            match self.take_up(&dir) {
                Ok(shared) => {
                    let pages = shared.added() as u64;
                    let id = inner.next_id(left.begun())?;
                    let staging = Staging::new(self.clone(), id, left.begun(), kind, shared, lock);
                    return Ok((staging, Begun::Resumed { pages }));
                }
                // What is staged may be what fills the disk.
                Err(StageError::Full) => {
                    inner.clean(None);
                    return Err(self.full(StageError::Full));
                }
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(
                        site = inner.site,
                        error,
                        "an unfinished snapshot cannot be resumed, starting over"
                    );
                    inner.clean(None);
                }
            }
        }
        let course = Course::new(kind, course, now.wall);
        Ok((self.stage(now.wall, kind, Some(&course), lock)?, Begun::New))
    }

    /// Records a full disk.
    fn full(&self, error: StageError) -> BeginError {
        if matches!(error, StageError::Full) {
            self.inner.blobs.ledger.set_full(true);
            // The next one has the room of what nobody is at.
            left::make_room(&self.inner.dir);
        }
        error.into()
    }

    fn take_up(&self, dir: &Path) -> Result<Shared, StageError> {
        let shared = resume::resume(dir, Arc::clone(&self.inner.blobs))?;
        shared.has_room()?;
        Ok(shared)
    }

    fn stage(
        &self,
        begun: SystemTime,
        kind: &str,
        course: Option<&Course>,
        lock: File,
    ) -> Result<Staging, BeginError> {
        let inner = &self.inner;
        let id = inner.next_id(begun)?;
        let dir = inner.dir.join(format!("{STAGING}{id}"));
        let staged = disk::remove_tree(&dir)
            .map_err(|e| StageError::io(&dir, e))
            .and_then(|()| Shared::create(&dir, Arc::clone(&inner.blobs), course))
            .and_then(|shared| shared.has_room().map(|()| shared));
        let shared = staged.inspect_err(|_| {
            let _ = disk::remove_tree(&dir);
        });
        let shared = shared.map_err(|error| self.full(error))?;
        Ok(Staging::new(self.clone(), id, begun, kind, shared, lock))
    }

    /// Removes what dead processes left, unless a living one is at work.
    pub(super) fn clean_if_unused(&self) {
        let inner = &self.inner;
        left::clean(&inner.dir, clock::now().wall);
        let kept = resume::find(&inner.dir, clock::now().wall).map(|(name, _)| name);
        let is_left = |name: &String| is_left_over(name) && Some(name) != kept.as_ref();
        if !names_in(&inner.dir).is_ok_and(|names| names.iter().any(is_left)) {
            return;
        }
        let lock = disk::lock_file(&inner.dir.join(LOCK));
        match lock.and_then(|lock| Ok(disk::try_lock(&lock)?.then_some(lock))) {
            Ok(Some(_lock)) => inner.clean(kept.as_ref()),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(site = inner.site, error = %error, "could not clean up an unfinished snapshot");
            }
        }
    }
}

impl Inner {
    /// Makes the folders if need be, and takes the lock of whoever takes a snapshot.
    fn lock_for_staging(&self) -> Result<File, BeginError> {
        self.ensure_dirs().map_err(|(path, source)| BeginError::io(&path, source))?;
        let path = self.dir.join(LOCK);
        let lock = disk::lock_file(&path).map_err(|e| BeginError::io(&path, e))?;
        match disk::try_lock(&lock).map_err(|e| BeginError::io(&path, e))? {
            true => Ok(lock),
            false => Err(BeginError::AlreadyRunning),
        }
    }

    /// The name of the next snapshot: another process may have published since we looked.
    fn next_id(&self, begun: SystemTime) -> Result<SnapshotId, BeginError> {
        self.scan().map_err(|e| BeginError::io(&self.dir, e))?;
        Ok(SnapshotId::new(begun, self.last_number().saturating_add(1)))
    }

    /// Removes what dead processes left, except the folder with the name `kept`. Only for the holder of the lock.
    fn clean(&self, kept: Option<&String>) {
        // Who writes the pointer has a file under way here too.
        let swept = self.moving().and_then(|_moving| disk::sweep_staged(&self.dir));
        let left = names_in(&self.dir).unwrap_or_default();
        let removed = left
            .iter()
            .filter(|name| is_left_over(name) && Some(*name) != kept)
            .map(|name| disk::remove_tree(&self.dir.join(name)))
            .fold(swept, Result::and);
        if let Err(error) = removed {
            tracing::warn!(site = self.site, error = %error, "could not remove what an unfinished snapshot left");
        }
    }
}

fn is_left_over(name: &str) -> bool {
    is_staging(name) || name.starts_with(GONE) || name.starts_with(".tmp-")
}
