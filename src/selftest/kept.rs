//! The results as they are kept: `selftests/<site>.json` in the state directory. The last one whole, the 60 before in short.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::result::DrillResult;
use crate::disk;

/// The version that is written.
const VERSION: u32 = 1;
/// Results that are kept.
const MOST: usize = 60;
/// The folder in the state directory.
const FOLDER: &str = "selftests";

/// A result in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Short {
    /// When, in seconds since the epoch.
    pub at: u64,
    /// The score.
    pub score: u8,
    /// Whether a visitor would have missed nothing important.
    pub is_well: bool,
}

/// The results of one site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    version: u32,
    /// The last one.
    pub last: Option<DrillResult>,
    /// All in short, the newest last.
    pub scores: Vec<Short>,
}

fn file(state_dir: &Path, site: &str) -> PathBuf {
    state_dir.join(FOLDER).join(format!("{site}.json"))
}

impl Kept {
    /// Reads them; none if there are none, or none that can be read. Blocks.
    pub fn read(state_dir: &Path, site: &str) -> Kept {
        let read = std::fs::read(file(state_dir, site)).ok();
        let kept = read.and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
        kept.filter(|kept| kept.version == VERSION).unwrap_or_default()
    }

    /// Adds one.
    pub fn add(&mut self, result: DrillResult) {
        self.version = VERSION;
        self.scores.push(Short { at: result.at, score: result.score, is_well: result.is_well });
        let surplus = self.scores.len().saturating_sub(MOST);
        self.scores.drain(..surplus);
        self.last = Some(result);
    }

    /// Writes them. Blocks.
    ///
    /// # Errors
    /// Of the file system; what was written last is then still there.
    pub fn write(&self, state_dir: &Path, site: &str) -> io::Result<()> {
        let file = file(state_dir, site);
        disk::ensure_dir(file.parent().unwrap_or(state_dir))?;
        disk::write_atomic(&file, &serde_json::to_vec(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sixty_are_kept_and_a_broken_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = Kept::read(dir.path(), "shop");
        assert_eq!(kept, Kept::default());
        for at in 0..70 {
            kept.add(DrillResult { at, ..DrillResult::default() });
        }
        kept.write(dir.path(), "shop").unwrap();
        let read = Kept::read(dir.path(), "shop");
        assert_eq!(read, kept);
        assert_eq!((read.scores.len(), read.scores[0].at, read.last.unwrap().at), (60, 10, 69));
        disk::write_atomic(&file(dir.path(), "shop"), b"{\"version\":1,").unwrap();
        assert_eq!(Kept::read(dir.path(), "shop"), Kept::default());
    }
}
