//! The pages that a site has removed, on the disk: a restart must not bring one back out of a snapshot that still has it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::disk;

/// The folder in the state directory.
pub(super) const FOLDER: &str = "removed";
/// The version that is written.
const VERSION: u32 = 1;
/// The longest file that is read, in bytes.
const LONGEST: u64 = 32 * 1024 * 1024;

/// A page that is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Removed {
    /// Its key.
    pub(super) key: Box<str>,
    /// By this status.
    pub(super) status: u16,
    /// When that was seen, in milliseconds since the epoch.
    pub(super) since: u64,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    pages: Vec<Removed>,
}

impl Removed {
    /// A page that was seen to be removed at `since`.
    pub(super) fn new(key: &str, status: u16, since: SystemTime) -> Removed {
        let since = since.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis());
        // one more than what is cut off: a copy taken before it must not look newer
        Removed { key: key.into(), status, since: u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1) }
    }

    /// When that was seen.
    pub(super) fn since(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.since)).unwrap_or(UNIX_EPOCH)
    }
}

/// Reads them; none if the file does not exist. Blocks.
///
/// # Errors
/// When it cannot be read, or says something else.
pub(super) fn read(file: &Path) -> io::Result<Vec<Removed>> {
    let mut text = String::new();
    match File::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    let document: Document = serde_json::from_str(&text)?;
    if document.version != VERSION {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("version {}", document.version)));
    }
    Ok(document.pages)
}

/// Writes them, durably and at once. Blocks.
///
/// # Errors
/// Of the file system; what was there stays.
pub(super) fn write(file: &Path, pages: Vec<Removed>) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        disk::ensure_dir(folder)?;
    }
    disk::write_atomic(file, &serde_json::to_vec(&Document { version: VERSION, pages })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FOLDER).join("shop");
        assert_eq!(read(&file).unwrap(), []);
        let pages = vec![Removed::new("/a?b=\u{3042}\"", 404, UNIX_EPOCH + Duration::from_micros(1_500_700))];
        write(&file, pages.clone()).unwrap();
        assert_eq!(read(&file).unwrap(), pages);
        assert!(pages[0].since() >= UNIX_EPOCH + Duration::from_micros(1_500_700));
    }

    #[test]
    fn the_first_version_is_read_and_others_are_not_guessed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shop");
        let sample = br#"{"version":1,"pages":[{"key":"/old","status":410,"since":1764374400123}]}"#;
        disk::write_atomic(&file, sample).unwrap();
        assert_eq!(
            read(&file).unwrap(),
            [Removed { key: "/old".into(), status: 410, since: 1_764_374_400_123 }]
        );
        for other in [&br#"{"version":2,"pages":[]}"#[..], b"", b"{}"] {
            disk::write_atomic(&file, other).unwrap();
            assert!(read(&file).is_err());
        }
    }
}
