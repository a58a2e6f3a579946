//! What adoptions have left: the next one builds on it, and what nobody went on with for long goes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::ADOPTING;
use super::id::SnapshotId;
use super::resume::ABANDONED;
use super::staging::NEW;
use super::store::names_in;
use crate::disk;

/// The file that the lock of adoptions is taken on, in the site's folder.
pub(super) const ADOPT_LOCK: &str = "adopt.lock";

/// Whether `name` is that of an adoption's folder.
pub(super) fn is_adoption(name: &str) -> bool {
    name.strip_prefix(ADOPTING).is_some_and(|id| id.parse::<SnapshotId>().is_ok())
}

/// Takes over the bodies that other adoptions have left, and removes the rest of them. Only for the holder of the lock.
pub(super) fn inherit(site_dir: &Path, dir: &Path) -> io::Result<()> {
    for name in names_in(site_dir)?.iter().filter(|name| is_adoption(name)) {
        let left = site_dir.join(name);
        if left == dir {
            continue;
        }
        for body in names_in(&left.join(NEW))? {
            disk::rename(&left.join(NEW).join(&body), &dir.join(NEW).join(&body))?;
        }
        disk::remove_tree(&left)?;
    }
    Ok(())
}

/// Removes what adoptions have left that nobody went on with for long.
pub(super) fn clean(site_dir: &Path, now: SystemTime) {
    remove_idle(site_dir, |dir| is_old(dir, now));
}

/// Removes what adoptions have left, however young it is: it may be what fills the disk.
pub(super) fn make_room(site_dir: &Path) {
    remove_idle(site_dir, |_| true);
}

/// Removes all that adoptions have left. Only for the holder of the lock.
pub(super) fn remove_all(site_dir: &Path) -> io::Result<()> {
    remove(site_dir, |_| true)
}

/// Removes those adoptions' folders, unless somebody is at one.
fn remove_idle(site_dir: &Path, goes: impl Fn(&Path) -> bool) {
    let names = names_in(site_dir).unwrap_or_default();
    if !names.iter().any(|name| is_adoption(name) && goes(&site_dir.join(name))) {
        return;
    }
    let removed = disk::lock_file(&site_dir.join(ADOPT_LOCK)).and_then(|lock| {
        // Looked at again under the lock: somebody may have gone on with one meanwhile.
        if disk::try_lock(&lock)? { remove(site_dir, &goes) } else { Ok(()) }
    });
    if let Err(error) = removed {
        tracing::warn!(dir = %site_dir.display(), %error, "could not remove what was left of a snapshot from elsewhere");
    }
}

fn remove(site_dir: &Path, goes: impl Fn(&Path) -> bool) -> io::Result<()> {
    for name in names_in(site_dir)?.iter().filter(|name| is_adoption(name)) {
        let dir = site_dir.join(name);
        if goes(&dir) {
            disk::remove_tree(&dir)?;
        }
    }
    Ok(())
}

fn is_old(dir: &Path, now: SystemTime) -> bool {
    let touched = |path: PathBuf| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let last = touched(dir.join(NEW)).max(touched(dir.to_owned()));
    last.is_some_and(|last| now.duration_since(last).is_ok_and(|age| age > ABANDONED))
}
