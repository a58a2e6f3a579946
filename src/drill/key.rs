//! The key that previews are signed with: drawn from the keys that instances share, so that a link works at each of them, or made
//! at first use and kept in the state directory.

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::disk;
use crate::forms::Keys;

/// Its file within the state directory.
const FILE: &str = "preview.key";
/// What keys are drawn for; see [`Keys::drawn`].
const PURPOSE: &[u8] = b"katahai 2026-12-01 signing links to previews";

/// The key can neither be read nor made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file system.
    #[error("could not use {} as the key of previews", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a key.
    #[error("{} is not a key of 32 bytes: remove it, and another is made (links that were given out end with it)", .0.display())]
    Damaged(PathBuf),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// Those drawn from the keys that instances share.
pub fn drawn(keys: &Keys) -> Vec<Zeroizing<[u8; 32]>> {
    keys.drawn(PURPOSE)
}

/// The key of this instance, if it was made before. Blocks.
///
/// # Errors
/// When there is one that cannot be read.
pub fn kept(state_dir: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, KeyError> {
    let path = state_dir.join(FILE);
    match std::fs::read(&path).map(Zeroizing::new) {
        Ok(bytes) => match <[u8; 32]>::try_from(&bytes[..]) {
            Ok(key) => Ok(Some(Zeroizing::new(key))),
            Err(_) => Err(KeyError::Damaged(path)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(KeyError::Io { path, source }),
    }
}

/// The key of this instance; made if there is none. Blocks.
///
/// # Errors
/// When it can neither be read nor made.
pub fn make(state_dir: &Path) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    if let Some(key) = kept(state_dir)? {
        return Ok(key);
    }
    let mut key = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(&mut *key).map_err(|_| KeyError::NoRandomness)?;
    let path = state_dir.join(FILE);
    match disk::write_new_private(&path, &*key) {
        Ok(()) => Ok(key),
        // another request was faster
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            kept(state_dir)?.ok_or(KeyError::Damaged(path))
        }
        Err(source) => Err(KeyError::Io { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_and_read_by_its_owner_alone() {
        let dir = disk::TempDir::create("preview-key").unwrap();
        assert!(kept(dir.path()).unwrap().is_none());
        let key = make(dir.path()).unwrap();
        assert_eq!(make(dir.path()).unwrap(), key);
        assert_eq!(kept(dir.path()).unwrap(), Some(key));
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_told_and_left_alone() {
        let dir = disk::TempDir::create("preview-key").unwrap();
        disk::write_new_private(&dir.path().join(FILE), b"short").unwrap();
        assert!(matches!(make(dir.path()), Err(KeyError::Damaged(_))));
        assert!(matches!(kept(dir.path()), Err(KeyError::Damaged(_))));
    }
}
