//! Whether a file is as it was, without reading it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::clock;

/// A file that was changed so short a time before it was looked at may be changed again without another time of change.
const TICK: Duration = Duration::from_secs(2);

/// Which file it is, its size, and when it was changed: of two that are the same, nothing has been written in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    /// What the file system says of a file, if that is old enough to be told from the next change. To be asked for before the file
    /// is read: what is written in between is then noticed. Blocks.
    pub fn of(path: &Path, now: SystemTime) -> Option<Stamp> {
        let meta = fs::metadata(path).ok()?;
        let changed = (meta.ctime(), meta.ctime_nsec());
        let age = clock::unix(now).checked_sub(u64::try_from(changed.0).ok()?)?;
        (Duration::from_secs(age) > TICK).then(|| Stamp {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.len(),
            changed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_from_what_it_was_and_a_new_one_is_not_relied_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "a").unwrap();
        let now = clock::now().wall;
        assert_eq!(Stamp::of(&path, now), None, "it was written just now");
        let later = now + Duration::from_secs(60);
        let stamp = Stamp::of(&path, later).unwrap();
        assert_eq!(Stamp::of(&path, later), Some(stamp));
        fs::write(dir.path().join("b"), "b").unwrap();
        fs::rename(dir.path().join("b"), &path).unwrap();
        assert_ne!(Stamp::of(&path, later), Some(stamp), "another file has taken its place");
        assert_eq!(
            Stamp::of(&path, now - Duration::from_secs(60)),
            None,
            "a clock that was set back says nothing"
        );
        assert_eq!(Stamp::of(&dir.path().join("nothing"), later), None);
    }
}
