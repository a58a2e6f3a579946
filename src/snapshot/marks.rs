//! What is decided about a snapshot after it was taken: small files in its folder, which otherwise never changes.
//!
//! ```text
//! pinned      it is not removed until it is unpinned
//! held.json   it is on the shelf, but never serves by itself: {"version":1,"reasons":[…]}
//! arriving    it was made elsewhere, and some of its bodies are not here yet
//! ```
//!
//! That a file is there is what counts; one whose content is damaged holds all the same. Whoever moves the pointer,
//! sets or takes away a mark, or removes a snapshot has the site's `marks.lock` meanwhile, so that each of these sees
//! what the others did, over all processes.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::disk;

/// The file that the lock is taken on, in the site's folder.
pub(super) const MARKS_LOCK: &str = "marks.lock";

const PINNED: &str = "pinned";
const HELD: &str = "held.json";
const ARRIVING: &str = "arriving";
const VERSION: u32 = 1;

/// How often, and about how long apart, a lock is tried for: half a minute and more, many times what its holders need it
/// for. Not at fixed times, so that nobody who takes it again and again is met each time.
const TRIES: u32 = 30_000;
const APART: std::ops::Range<u64> = 500..1500;

/// The marks of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) pinned: bool,
    /// The reasons why it is held.
    pub(super) held: Option<Vec<String>>,
    /// Whether it may lack bodies that come later.
    pub(super) arriving: bool,
}

#[derive(Serialize, Deserialize)]
struct Held {
    version: u32,
    reasons: Vec<String>,
}

impl Marks {
    /// The marks of the snapshot in `dir`. A mark that is there but cannot be read counts.
    pub(super) fn read(dir: &Path) -> Marks {
        let is_there = |name: &str| !matches!(fs::symlink_metadata(dir.join(name)), Err(e) if is_absent(&e));
        let reasons = || {
            let held =
                fs::read(dir.join(HELD)).ok().and_then(|bytes| serde_json::from_slice::<Held>(&bytes).ok());
            held.map_or_else(
                || vec!["the record of why it is held cannot be read".to_owned()],
                |held| held.reasons,
            )
        };
        Marks { pinned: is_there(PINNED), held: is_there(HELD).then(reasons), arriving: is_there(ARRIVING) }
    }
}

/// Pins or unpins the snapshot in `dir`, durably.
pub(super) fn pin(dir: &Path, pinned: bool) -> io::Result<()> {
    if pinned {
        return disk::write_atomic(&dir.join(PINNED), b"katahai pin 1\n");
    }
    take_away(dir, PINNED)
}

/// Holds the snapshot, or staging, in `dir`, durably.
pub(super) fn hold(dir: &Path, reasons: &[String]) -> io::Result<()> {
    let held = serde_json::to_vec(&Held { version: VERSION, reasons: reasons.to_vec() })?;
    disk::write_atomic(&dir.join(HELD), &held)
}

/// Ends the holding of the snapshot in `dir`, durably.
pub(super) fn release(dir: &Path) -> io::Result<()> {
    take_away(dir, HELD)
}

/// Says of the snapshot, or adoption, in `dir`, durably, whether bodies of it are still to come.
pub(super) fn arrive(dir: &Path, arriving: bool) -> io::Result<()> {
    if arriving {
        return disk::write_atomic(&dir.join(ARRIVING), b"katahai arriving 1\n");
    }
    take_away(dir, ARRIVING)
}

fn take_away(dir: &Path, name: &str) -> io::Result<()> {
    disk::remove_file(&dir.join(name))?;
    disk::sync_dir(dir)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The lock of the site in `dir`, held until it is dropped.
///
/// Not waited for without end: its holder may be a stopped process.
pub(super) fn lock(dir: &Path) -> io::Result<File> {
    let lock = disk::lock_file(&dir.join(MARKS_LOCK))?;
    for _ in 0..TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(fs::TryLockError::WouldBlock) => {
                std::thread::sleep(Duration::from_micros(fastrand::u64(APART)));
            }
            Err(fs::TryLockError::Error(e)) => return Err(e),
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "another process does not let go of it"))
}
