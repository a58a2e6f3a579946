//! A mark in the state directory while the process runs: if it is found without its owner, the last process did not shut down
//! properly.

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
pub(super) struct RunLock {
    mark: PathBuf,
    _lock: File,
}

/// What the start has found.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// The mark of this process; `None` where it cannot be set, or where another process runs on the same directory.
    pub(super) mark: Option<RunLock>,
    /// What the last process left, if it did not end by itself.
    pub(super) left: Option<String>,
    /// The other process that runs on the same directory.
    pub(super) other: Option<String>,
    /// Why nothing can be written there.
    pub(super) unwritable: Option<std::io::Error>,
}

/// Whether there are snapshots, of whatever site: a start that cannot write goes on with what it can serve. Blocks.
pub(super) fn has_snapshots(state_dir: &Path) -> bool {
    let has_entry = |dir: &Path| std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    let sites = std::fs::read_dir(state_dir.join(crate::snapshot::SNAPSHOTS));
    sites.is_ok_and(|sites| sites.flatten().any(|site| has_entry(&site.path())))
}

impl RunLock {
    /// Sets the mark. Blocks.
    pub(super) fn set(state_dir: &Path, now: SystemTime) -> Begun {
        let probe = disk::ensure_dir(state_dir).and_then(|()| disk::StagedFile::create(state_dir));
        let none = Begun { unwritable: probe.err(), ..Begun::default() };
        let Ok(lock) = disk::lock_file(&state_dir.join(LOCK)) else { return none };
        let mark = state_dir.join(MARK);
        let owner = owner(&mark);
        match disk::try_lock(&lock) {
            Ok(true) => {}
            Ok(false) => {
                return Begun { other: Some(owner.unwrap_or_else(|| "another process".to_owned())), ..none };
            }
            Err(_) => return none,
        }
        let text = format!("{} {}\n", rfc3339(now), std::process::id());
        let set = disk::write_atomic(&mark, text.as_bytes()).is_ok();
        Begun { mark: set.then_some(RunLock { mark, _lock: lock }), left: owner, ..none }
    }

    /// Takes the mark away: the process ends by itself.
    pub(super) fn end(self) {
        if let Err(error) = disk::remove_file(&self.mark) {
            tracing::warn!(file = %self.mark.display(), %error, "could not remove the run mark, the next start will take this process for killed");
        }
    }
}

/// Whose the mark is: when it was started and, by those that write it, its number.
fn owner(mark: &Path) -> Option<String> {
    let text: String =
        std::fs::read_to_string(mark).ok()?.chars().filter(|c| !c.is_control()).take(60).collect();
    let (since, pid) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let number = if pid.is_empty() { String::new() } else { format!(" {pid}") };
    Some(format!("the process{number} that was started at {since}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_vanished_is_told_and_one_that_ended_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let now = crate::clock::now().wall;
        let first = RunLock::set(dir.path(), now);
        assert_eq!((first.left, first.other), (None, None));
        let whose = format!("the process {} that was started at {}", std::process::id(), rfc3339(now));
        let second = RunLock::set(dir.path(), now);
        assert!(second.mark.is_none() && second.left.is_none(), "the first one lives");
        assert_eq!(second.other.as_ref(), Some(&whose));
        drop(first.mark); // as its lock does when it is killed
        let third = RunLock::set(dir.path(), now);
        assert_eq!((third.left, third.other), (Some(whose), None));
        third.mark.unwrap().end();
        assert_eq!(RunLock::set(dir.path(), now).left, None);
        let none = RunLock::set(Path::new("/proc/nothing"), now);
        assert!(none.mark.is_none() && none.left.is_none() && none.other.is_none());
        assert!(none.unwritable.is_some() && third.unwritable.is_none());
    }

    #[test]
    fn empty_folders_are_no_snapshots() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!has_snapshots(dir.path()));
        let site = dir.path().join("snapshots/shop");
        disk::ensure_dir(&site).unwrap();
        assert!(!has_snapshots(dir.path()));
        disk::ensure_dir(&site.join("20261120T011334Z-1")).unwrap();
        assert!(has_snapshots(dir.path()));
    }

    #[test]
    fn a_mark_without_a_number_is_read_too() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join(MARK);
        disk::write_atomic(&mark, b"2026-11-20T01:13:34Z\n").unwrap();
        assert_eq!(owner(&mark).unwrap(), "the process that was started at 2026-11-20T01:13:34Z");
    }
}
