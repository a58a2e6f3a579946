//! The keys that kept forms are sealed with, in a file that only the service may read.
//!
//! ```text
//! # the newest on top: it seals; all of them open
//! katahai-key-1:bWFkZSBvZiB0aGlydHktdHdvIHJhbmRvbSBieXRlcy4
//! ```

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use data_encoding::BASE64URL_NOPAD;
use zeroize::{Zeroize as _, Zeroizing};

use crate::disk;

/// Bytes of a key.
const KEY: usize = 32;
/// What a key's line begins with; the number is the version of what follows.
const MARK: &[u8] = b"katahai-key-1:";
/// The longest file that is read, in bytes.
const LONGEST: u64 = 64 << 10;
/// The most keys of a file.
const MOST: usize = 64;
/// What a key's name is derived for; see `blake3::derive_key`.
const NAMING: &str = "katahai 2026-11-30 the name of a key that forms are sealed with";
/// What a file that is made begins with.
const OPENING: &str = "\
# Forms that were kept while the site could not take them can be read with this key, and without it by nobody.
# Keep a copy elsewhere. `katahai key new` prints another: put it on top, and leave the old ones until no form needs them.
";

/// Names a key without saying anything about it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One key. Boxed, so that moving it leaves no copy behind; the memory is cleared when it goes.
pub(super) struct Key {
    bytes: Box<Zeroizing<[u8; KEY]>>,
    id: KeyId,
}

impl Key {
    pub(super) fn new(bytes: Box<Zeroizing<[u8; KEY]>>) -> Key {
        let mut name = blake3::derive_key(NAMING, &**bytes);
        let mut id = KeyId([0; 8]);
        id.0.copy_from_slice(&name[..8]);
        name.zeroize();
        Key { bytes, id }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &**self.bytes
    }

    pub(super) fn id(&self) -> KeyId {
        self.id
    }

    /// Reads the text behind the mark.
    fn parse(text: &[u8]) -> Option<Key> {
        let mut bytes = Box::new(Zeroizing::new([0; KEY]));
        if BASE64URL_NOPAD.decode_len(text.len()) != Ok(KEY) {
            return None;
        }
        BASE64URL_NOPAD.decode_mut(text, &mut **bytes).ok()?;
        Some(Key::new(bytes))
    }
}

/// The keys of a file: the first seals, all open. There is at least one.
pub struct Keys(Vec<Key>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

/// There are no keys to be had from a file. What stands in it is never told.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file system.
    #[error("the key file could not be read or made: {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others may read it.
    #[error("the key file is open to others than its owner (mode {mode:04o}): run `chmod 600 {}`", path.display())]
    OpenToOthers {
        /// Which.
        path: PathBuf,
        /// Its rights.
        mode: u32,
    },
    /// A line is no key.
    #[error("line {line} of the key file is damaged or too short for a key: {}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// There is no key in it, or it is no key file at all.
    #[error("a key file has 1 to {most} lines of `katahai key new`: {}", path.display(), most = MOST)]
    NotAKeyFile {
        /// Which.
        path: PathBuf,
    },
    /// The system has no random bytes to give.
    #[error("a key could not be made: the system gives no random bytes")]
    NoRandomness,
}

impl KeyError {
    fn io(path: &Path, source: io::Error) -> KeyError {
        KeyError::Io { path: path.to_owned(), source }
    }
}

impl Keys {
    /// Reads the keys of a file. Blocks.
    ///
    /// # Errors
    /// When there is none, or it is no file of keys, or not only its owner may read it.
    pub fn read(file: &Path) -> Result<Keys, KeyError> {
        let not_one = || KeyError::NotAKeyFile { path: file.to_owned() };
        let io = |source| KeyError::io(file, source);
        let mut opened = File::open(file).map_err(io)?;
        // What was opened is looked at, so that nobody puts another file in its place between the look and the reading.
        let about = opened.metadata().map_err(io)?;
        if !about.is_file() || about.len() > LONGEST {
            return Err(not_one());
        }
        let mode = about.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::OpenToOthers { path: file.to_owned(), mode });
        }
        // With room for all of it: one that grows would leave copies of its beginning in memory.
        let mut text = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 1));
        opened.by_ref().take(LONGEST).read_to_end(&mut text).map_err(io)?;
        let mut keys: Vec<Key> = Vec::new();
        for (n, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let damaged = || KeyError::Damaged { path: file.to_owned(), line: n + 1 };
            let key = line.strip_prefix(MARK).and_then(Key::parse).ok_or_else(damaged)?;
            if keys.len() == MOST {
                return Err(not_one());
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(not_one()) } else { Ok(Keys(keys)) }
    }

    /// Reads the keys of a file, and makes it with one key if there is none: only for its owner, whole and durable before
    /// anything is sealed with it. Blocks.
    ///
    /// Not to be called where forms are kept already and the file is missing: with a new key the start would look well, and
    /// nobody could read them.
    ///
    /// # Errors
    /// As [`Keys::read`]; and when it can neither be read nor made.
    pub fn read_or_make(file: &Path) -> Result<Keys, KeyError> {
        let keys = match Keys::read(file) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let text = Zeroizing::new([OPENING, &*Keys::new_line()?, "\n"].concat());
                match disk::write_new_private(file, text.as_bytes()) {
                    Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(KeyError::io(file, e)),
                    // Or another process was faster; what stands there is what counts.
                    _ => Keys::read(file)?,
                }
            }
            read => read?,
        };
        // One who made it may have been killed before its name was durable.
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        disk::sync_dir(folder.unwrap_or(Path::new("."))).map_err(|e| KeyError::io(file, e))?;
        Ok(keys)
    }

    /// A line with a new key, to be put on top of a key file.
    ///
    /// # Errors
    /// When the system has no random bytes to give.
    pub fn new_line() -> Result<Zeroizing<String>, KeyError> {
        let mut bytes = Zeroizing::new([0; KEY]);
        aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| KeyError::NoRandomness)?;
        let text = Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes));
        Ok(Zeroizing::new(format!("{}{}", String::from_utf8_lossy(MARK), *text)))
    }

    /// The names of the keys; the first seals.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.0.iter().map(Key::id)
    }

    #[cfg(test)]
    pub(super) fn of(keys: impl IntoIterator<Item = [u8; KEY]>) -> Keys {
        Keys(keys.into_iter().map(|bytes| Key::new(Box::new(Zeroizing::new(bytes)))).collect())
    }

    /// Keys drawn from these for something else than forms (HKDF-SHA256), in their order. What is done with one says nothing
    /// about the others.
    pub fn drawn(&self, purpose: &[u8]) -> Vec<Zeroizing<[u8; 32]>> {
        let draw = |key: &Key| {
            let mut bytes = Zeroizing::new([0; KEY]);
            let info = [purpose];
            let drawn = Salt::new(HKDF_SHA256, &[]).extract(key.bytes());
            drawn.expand(&info, HKDF_SHA256).and_then(|drawn| drawn.fill(&mut *bytes)).ok()?;
            Some(bytes)
        };
        self.0.iter().filter_map(draw).collect()
    }

    /// The one that seals; `None` never happens, and is not worth a panic.
    pub(super) fn sealing(&self) -> Option<&Key> {
        self.0.first()
    }

    /// The one of this name.
    pub(super) fn find(&self, id: KeyId) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "katahai-key-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("forms.key");
        disk::write_new_private(&file, text.as_bytes()).unwrap();
        (dir, file)
    }

    fn mode(file: &Path, mode: u32) {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_file_is_made_once_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys/forms.key");
        assert!(matches!(Keys::read(&file), Err(KeyError::Io { .. })));
        let made = Keys::read_or_make(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
        for again in [Keys::read_or_make(&file).unwrap(), Keys::read(&file).unwrap()] {
            assert!(again.ids().eq(made.ids()));
            assert_eq!(again.0[0].bytes(), made.0[0].bytes());
        }
        assert_eq!(made.ids().count(), 1);
    }

    #[test]
    fn many_at_once_make_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("forms.key");
        let made: Vec<Vec<KeyId>> = std::thread::scope(|scope| {
            let makers: Vec<_> =
                (0..8).map(|_| scope.spawn(|| Keys::read_or_make(&file).unwrap().ids().collect())).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(made.iter().all(|ids| *ids == made[0]), "{made:?}");
    }

    #[test]
    fn the_first_key_seals_and_all_are_found() {
        let new = Keys::new_line().unwrap();
        let (_dir, file) = written(&format!("# a remark\r\n\n  {}\r\n{LINE}", *new));
        let keys = Keys::read(&file).unwrap();
        let old = Keys::of([std::array::from_fn(|n| n as u8)]);
        let ids: Vec<KeyId> = keys.ids().collect();
        assert_eq!((ids.len(), Some(ids[1])), (2, old.ids().next()));
        assert_eq!(keys.sealing().unwrap().id(), ids[0]);
        assert_eq!(keys.find(ids[1]).unwrap().bytes(), old.0[0].bytes());
        assert!(old.find(ids[0]).is_none());
        // The name of a key is written into files: it never changes.
        assert_eq!(ids[1].to_string(), "37112a7cb9e9c949");
        assert_ne!(*Keys::new_line().unwrap(), *new);
    }

    #[test]
    fn one_that_others_may_read_is_refused_and_the_way_out_is_said() {
        let (_dir, file) = written(LINE);
        for open in [0o640, 0o604, 0o644, 0o620, 0o601, 0o660] {
            mode(&file, open);
            let error = Keys::read(&file).unwrap_err();
            assert!(matches!(error, KeyError::OpenToOthers { mode, .. } if mode == open));
            assert!(error.to_string().ends_with(&format!("run `chmod 600 {}`", file.display())), "{error}");
            assert!(Keys::read_or_make(&file).is_err());
        }
        mode(&file, 0o400);
        assert!(Keys::read(&file).is_ok());
    }

    #[test]
    fn a_damaged_key_is_told_by_its_line_and_never_shown() {
        let half = &LINE[..40];
        let secret = "AAECAwQF";
        for bad in [half, &format!("{LINE}AA"), &format!("{LINE}="), &LINE.replace("Bgc", "B+/"), &LINE[14..]]
        {
            let (_dir, file) = written(&format!("# one\n{LINE}\n{bad}\n"));
            let error = Keys::read(&file).unwrap_err();
            assert!(matches!(error, KeyError::Damaged { line: 3, .. }), "{bad}");
            assert!(!format!("{error} {error:?}").contains(secret));
        }
        // A later version is no key that this one knows, and not passed over: its forms would be thought to be lost.
        let (_dir, file) = written(&LINE.replace("key-1", "key-2"));
        assert!(matches!(Keys::read(&file), Err(KeyError::Damaged { line: 1, .. })));
        for none in ["", "\n\n# nothing\n", &format!("{LINE}\n").repeat(MOST + 1)] {
            let (_dir, file) = written(none);
            assert!(matches!(Keys::read(&file), Err(KeyError::NotAKeyFile { .. })));
        }
        let (_dir, file) = written(&format!("{LINE}\n").repeat(MOST));
        let keys = Keys::read(&file).unwrap();
        assert!(!format!("{keys:?}").contains(secret));
        assert!(matches!(Keys::read(file.parent().unwrap()), Err(KeyError::NotAKeyFile { .. })));
    }
}
