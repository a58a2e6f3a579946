//! Bodies that are not on this disk, or not as they were written, and are to be had from elsewhere when somebody reads
//! them: of the snapshot in service, and of one that is still arriving ([`super::Snapshot::load`] is the one place that
//! asks).
//!
//! What comes is compared with its name before anybody gets it, and stored durably, as all bodies are: later crawls
//! build on what stands under its name. No lock is needed for that: the snapshot that is read names the body, and is
//! not removed while it is read. However many want a body, it is fetched once; and only so many threads wait here at
//! once, so that a place that does not answer does not keep those who read the disk from doing so.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::blobs::{Blobs, Stored, WHOLE};
use super::damage::ReadError;
use super::locked;
use super::page::BlobId;
use super::staging::RESERVE;
use super::store::{Store, names_in};
use crate::clock;
use crate::disk::{self, StagedFile};

/// How many threads fetch and wait here at most: a quarter of those that may block. More get nothing at once.
const CALLERS: usize = 128;

/// How many wait for one body at most, besides the one who fetches it: those who want another one are not to find
/// all places taken.
const WAITING: usize = 32;

/// How long a body may take to come, besides what its length gives it at the least rate in bytes per second.
const PATIENCE: Duration = Duration::from_secs(20);
const LEAST_RATE: u64 = 128 << 10;

/// However long it is.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long somebody waits for what another one fetches. Only for a source that breaks its word about that.
const WAIT: Duration = Duration::from_secs(60);

/// After how long what a killed process has left of a body is removed.
const LEFT: Duration = Duration::from_secs(86_400);

/// A place that has the bodies of snapshots.
pub trait Elsewhere: Send + Sync + fmt::Debug {
    /// Writes the body of this name and length, of a snapshot of `site`. It is verified by the caller. Blocks, and is
    /// only called where that is allowed; it must give up by itself after a few seconds without an answer, and at once
    /// while the place is known not to answer.
    ///
    /// # Errors
    /// When it is not to be had now; and those of writing.
    fn fetch(&self, site: &str, id: &BlobId, len: u64, to: &mut dyn Write) -> io::Result<()>;
}

/// A place that has bodies, as all sites of a process share it.
pub struct Source {
    from: Box<dyn Elsewhere>,
    flights: Mutex<HashMap<BlobId, Arc<Flight>>>,
    callers: AtomicUsize,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("from", &self.from).finish_non_exhaustive()
    }
}

/// A body on its way, for all who want it.
#[derive(Debug, Default)]
struct Flight {
    landed: Mutex<Option<Landed>>,
    told: Condvar,
    waiting: AtomicUsize,
}

/// What came.
#[derive(Clone, Debug)]
enum Landed {
    Bytes(Bytes),
    /// It lies on the disk.
    Stored,
    Nothing,
}

/// Tells those who wait, however the fetching ends.
struct Landing<'a> {
    source: &'a Source,
    id: BlobId,
    flight: Arc<Flight>,
    landed: Landed,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        locked(&self.source.flights).remove(&self.id);
        *locked(&self.flight.landed) = Some(self.landed.clone());
        self.flight.told.notify_all();
    }
}

/// One of [`CALLERS`], or of [`WAITING`].
struct Caller<'a>(&'a AtomicUsize);

impl<'a> Caller<'a> {
    /// `None`: there are as many as may be.
    fn one_of(counted: &'a AtomicUsize, most: usize) -> Option<Caller<'a>> {
        let caller = Caller(counted);
        (caller.0.fetch_add(1, Ordering::Relaxed) < most).then_some(caller)
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Source {
    /// Bodies come from there.
    pub fn new(from: Box<dyn Elsewhere>) -> Source {
        Source { from, flights: Mutex::default(), callers: AtomicUsize::new(0) }
    }

    /// Has `fetch` done by the first who wants this body, and gives all others what came.
    fn once(&self, id: &BlobId, fetch: impl FnOnce() -> Landed) -> Landed {
        let Some(_caller) = Caller::one_of(&self.callers, CALLERS) else { return Landed::Nothing };
        let (flight, is_first) = {
            let mut flights = locked(&self.flights);
            match flights.get(id) {
                Some(flight) => (Arc::clone(flight), false),
                None => (Arc::clone(flights.entry(*id).or_default()), true),
            }
        };
        if is_first {
            let mut landing = Landing { source: self, id: *id, flight, landed: Landed::Nothing };
            landing.landed = fetch();
            return landing.landed.clone();
        }
        let Some(_waits) = Caller::one_of(&flight.waiting, WAITING) else { return Landed::Nothing };
        let landed = locked(&flight.landed);
        let waited = flight.told.wait_timeout_while(landed, WAIT, |landed| landed.is_none());
        let (landed, _) = waited.unwrap_or_else(PoisonError::into_inner);
        landed.clone().unwrap_or(Landed::Nothing)
    }
}

impl Blobs {
    /// A body that cannot be read from the disk, from elsewhere. `None`: there is no such place, or it has it not now.
    pub(super) fn bring(&self, site: &str, id: &BlobId, len: u64) -> Option<Stored> {
        let source = self.source.load_full()?;
        let landed = source.once(id, || {
            // Somebody else may just have brought it.
            if self.is_here(id, len) {
                return Landed::Stored;
            }
            let fetched = self.fetch(&*source.from, site, id, len);
            fetched.unwrap_or_else(|error| {
                tracing::debug!(site, blob = %id, %error, "a body could not be brought from elsewhere");
                Landed::Nothing
            })
        });
        match landed {
            Landed::Bytes(bytes) => Some(Stored::Whole(bytes)),
            Landed::Stored => self.load(id, len).ok(),
            Landed::Nothing => None,
        }
    }

    /// Whether a body lies on the disk, and nothing bad is known of it.
    pub(super) fn is_here(&self, id: &BlobId, len: u64) -> bool {
        self.len_of(id) == Some(len) && self.is_sound(id)
    }

    fn fetch(&self, from: &dyn Elsewhere, site: &str, id: &BlobId, len: u64) -> io::Result<Landed> {
        if len > WHOLE {
            let mut file = self.begin(len)?;
            let mut put = |chunk: &[u8]| file.write_all(chunk);
            Sieve::pass(from, site, id, len, &mut put)?;
            return self.store(id, file).map(|()| Landed::Stored);
        }
        let mut bytes = Vec::with_capacity(len as usize);
        let mut put = |chunk: &[u8]| {
            bytes.extend_from_slice(chunk);
            Ok(())
        };
        Sieve::pass(from, site, id, len, &mut put)?;
        let stored = self.begin(len).and_then(|mut file| {
            file.write_all(&bytes)?;
            self.store(id, file)
        });
        // The visitor has it all the same.
        if let Err(error) = stored {
            tracing::debug!(site, blob = %id, %error, "a body from elsewhere could not be stored");
        }
        Ok(Landed::Bytes(bytes.into()))
    }

    /// A file for a body of this length, unless that would take the last of the room.
    fn begin(&self, len: u64) -> io::Result<StagedFile> {
        if disk::free_bytes(self.root())? < RESERVE.saturating_add(len) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        StagedFile::create(self.root())
    }

    fn store(&self, id: &BlobId, file: StagedFile) -> io::Result<()> {
        let path = self.path(id);
        path.parent().map_or(Ok(()), disk::ensure_dir)?;
        file.commit(&path)?;
        self.rewritten(std::slice::from_ref(id));
        Ok(())
    }
}

/// Lets through what may be the body.
struct Sieve<'a> {
    hasher: blake3::Hasher,
    /// How many bytes may still come.
    left: u64,
    /// From when on nothing more is taken: who waits for it has gone, and others want the place.
    until: Instant,
    put: &'a mut dyn FnMut(&[u8]) -> io::Result<()>,
}

/// How long a body of this length may take to come.
fn time_for(len: u64) -> Duration {
    (PATIENCE + Duration::from_secs(len / LEAST_RATE)).min(LONGEST)
}

impl<'a> Sieve<'a> {
    /// Has the body fetched, and compares it with its name.
    fn pass(
        from: &dyn Elsewhere,
        site: &str,
        id: &BlobId,
        len: u64,
        put: &'a mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let until = clock::instant() + time_for(len);
        let mut sieve = Sieve { hasher: blake3::Hasher::new(), left: len, until, put };
        from.fetch(site, id, len, &mut sieve)?;
        match sieve.left == 0 && BlobId::from(sieve.hasher.finalize()) == *id {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "what came is another body")),
        }
    }
}

impl Write for Sieve<'_> {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        if clock::instant() >= self.until {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it comes too slowly"));
        }
        let left = self.left.checked_sub(chunk.len() as u64);
        self.left =
            left.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "more came than the body has"))?;
        self.hasher.update(chunk);
        (self.put)(chunk)?;
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// That a body has not arrived yet, which says nothing bad about what is stored.
pub(super) fn not_here(blobs: &Blobs, id: &BlobId) -> ReadError {
    let source = io::Error::new(io::ErrorKind::NotFound, "this body of the snapshot has not arrived yet");
    ReadError::io(&blobs.path(id), source)
}

/// Removes what killed processes have left of bodies that they were fetching: who still writes one writes now and then.
pub(super) fn sweep(root: &Path) -> io::Result<()> {
    let now = clock::now().wall;
    for name in names_in(root)?.iter().filter(|name| name.starts_with(".tmp-")) {
        let path = root.join(name);
        let written = std::fs::symlink_metadata(&path).and_then(|meta| meta.modified());
        if written.is_ok_and(|written| now.duration_since(written).is_ok_and(|age| age > LEFT)) {
            disk::remove_file(&path)?;
        }
    }
    Ok(())
}

impl Store {
    /// From now on, what is damaged or missing of the snapshot in service, or of one that is still arriving, is brought
    /// from there when it is read, and from nowhere with `None`.
    pub fn bring_from(&self, source: Option<Arc<Source>>) {
        self.inner.blobs.source.store(source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_too_slowly_is_given_up() {
        let seconds = |len: u64| time_for(len).as_secs();
        assert_eq!([0, 1 << 20, 1 << 30, u64::MAX].map(seconds), [20, 28, 3600, 3600]);
        for (left, taken) in [(Duration::ZERO, false), (LONGEST, true)] {
            let until = clock::instant() + left;
            let mut put = |_: &[u8]| Ok(());
            let mut sieve = Sieve { hasher: blake3::Hasher::new(), left: 9, until, put: &mut put };
            let told = sieve.write(b"some").map_err(|error| error.kind());
            assert_eq!(told, if taken { Ok(4) } else { Err(io::ErrorKind::TimedOut) });
        }
    }
}
