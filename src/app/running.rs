//! A mark in the state directory for as long as the process runs: whoever finds it without its owner knows that the last
//! process did not end by itself.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::disk;
use crate::snapshot::rfc3339;

/// The mark, with the time of the start.
const MARK: &str = "running";
/// Whose mark it is: locked by its owner, and so free when that is gone, however it went.
const LOCK: &str = "running.lock";

/// The mark of this process.
#[derive(Debug)]
pub(super) struct Running {
    mark: PathBuf,
    _lock: File,
}

impl Running {
    /// Sets the mark, and tells what the last process left if it did not end by itself. `None` for the mark where that cannot be
    /// set, or where another process runs on the same directory. Blocks.
    pub(super) fn set(state_dir: &Path, now: SystemTime) -> (Option<Running>, Option<String>) {
        let Ok(lock) = disk::ensure_dir(state_dir).and_then(|()| disk::lock_file(&state_dir.join(LOCK)))
        else {
            return (None, None);
        };
        if !disk::try_lock(&lock).unwrap_or(false) {
            return (None, None);
        }
        let mark = state_dir.join(MARK);
        let left = std::fs::read_to_string(&mark).ok().map(|text| {
            let since: String = text.trim().chars().filter(|c| !c.is_control()).take(40).collect();
            format!("the process that was started at {since}")
        });
        if disk::write_atomic(&mark, format!("{}\n", rfc3339(now)).as_bytes()).is_err() {
            return (None, left);
        }
        (Some(Running { mark, _lock: lock }), left)
    }

    /// Takes the mark away: the process ends by itself.
    pub(super) fn end(self) {
        if let Err(error) = disk::remove_file(&self.mark) {
            tracing::warn!(file = %self.mark.display(), %error, "could not be removed, the next start will believe that this process was killed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_vanished_is_told_and_one_that_ended_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let now = crate::clock::now().wall;
        let (first, left) = Running::set(dir.path(), now);
        assert_eq!(left, None);
        let (second, left) = Running::set(dir.path(), now);
        assert!(second.is_none() && left.is_none(), "the first one lives");
        drop(first); // as its lock does when it is killed
        let (third, left) = Running::set(dir.path(), now);
        assert_eq!(left, Some(format!("the process that was started at {}", rfc3339(now))));
        third.unwrap().end();
        assert_eq!(Running::set(dir.path(), now).1, None);
        let (none, left) = Running::set(Path::new("/proc/nothing"), now);
        assert!(none.is_none() && left.is_none());
    }
}
