//! The files of a folder or of a tar file, by their names. No name of an archive ever becomes a path: a tar file is read
//! where it lies, and a packed one is unpacked into a file without a name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::read::MultiGzDecoder;

use super::bounds::{Counted, DEPTH, ENTRIES, NAME, Unfit, Unpacked};
use super::error::{ImportError, shown};
use crate::disk;

/// One file.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) len: u64,
    pub(super) modified: SystemTime,
    at: At,
}

#[derive(Clone, Debug)]
enum At {
    Path(PathBuf),
    Offset(u64),
}

/// All files.
#[derive(Debug)]
pub(super) struct Files {
    tar: Option<File>,
    /// By name: relative, `/` between the parts. Octets that are no UTF-8 are escaped as in addresses.
    pub(super) entries: BTreeMap<String, Entry>,
    /// Links and devices in a folder, which were passed over.
    pub(super) special: Vec<String>,
}

impl Files {
    /// Looks through a folder. Links are not followed.
    pub(super) fn of_folder(root: &Path) -> Result<Files, ImportError> {
        let mut files = Files { tar: None, entries: BTreeMap::new(), special: Vec::new() };
        let mut folders = vec![(root.to_owned(), String::new(), 0)];
        while let Some((folder, prefix, depth)) = folders.pop() {
            let unreadable = |source| ImportError::Io { path: folder.clone(), source };
            for entry in fs::read_dir(&folder).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                let name = format!("{prefix}{}", text(entry.file_name().as_bytes()));
                let meta = entry.metadata().map_err(unreadable)?;
                if meta.is_dir() && depth < DEPTH {
                    folders.push((entry.path(), format!("{name}/"), depth + 1));
                } else if meta.is_file() {
                    let modified = meta.modified().unwrap_or(UNIX_EPOCH);
                    files.add(name, Entry { len: meta.len(), modified, at: At::Path(entry.path()) })?;
                } else {
                    files.special.push(name);
                }
            }
        }
        Ok(files)
    }

    /// Looks through a tar file, packed or not. `scratch`: where a packed one is unpacked to.
    pub(super) fn of_tar(path: &Path, packed: bool, scratch: &Path) -> Result<Files, ImportError> {
        let shown = path.display().to_string();
        let unreadable = |source| ImportError::of_entry(&shown, path, source);
        let mut file = File::open(path).map_err(unreadable)?;
        if packed {
            let mut plain = disk::scratch(scratch)
                .map_err(|source| ImportError::Io { path: scratch.to_owned(), source })?;
            let (counted, count) = Counted::new(file);
            let mut unpacked = Unpacked::new(MultiGzDecoder::new(counted), count);
            copy_with_room(&mut unpacked, &mut plain, scratch).map_err(unreadable)?;
            file = plain;
        }
        file.rewind().map_err(unreadable)?;
        let len = file.metadata().map_err(unreadable)?.len();
        let reader = file.try_clone().map_err(unreadable)?;
        let mut files = Files { tar: Some(file), entries: BTreeMap::new(), special: Vec::new() };
        let mut archive = tar::Archive::new(reader);
        let mut ahead = Ahead::default();
        // Raw: names and sizes that stand in blocks of their own are read here, where they are bounded.
        for entry in archive.entries_with_seek().map_err(unreadable)?.raw(true) {
            let mut entry = entry.map_err(unreadable)?;
            files.tar_entry(&mut entry, &mut ahead, len, path)?;
        }
        Ok(files)
    }

    fn tar_entry(
        &mut self,
        entry: &mut tar::Entry<'_, File>,
        ahead: &mut Ahead,
        file_len: u64,
        path: &Path,
    ) -> Result<(), ImportError> {
        let kind = entry.header().entry_type();
        let raw = text(&entry.path_bytes());
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            return ahead.read(entry, kind).map_err(|e| ImportError::of_entry(&raw, path, e));
        }
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        let name = ahead.name.take().unwrap_or(raw);
        let modified = ahead.modified.take();
        let unfit = |why| ImportError::Entry { entry: shown(&name), why };
        let sized =
            ahead.size.take().is_none_or(|size| entry.header().entry_size().is_ok_and(|said| said == size));
        if kind.is_dir() {
            return Ok(());
        }
        if !kind.is_file() || !sized {
            return Err(unfit(Unfit::Special));
        }
        let name = inside(&name).map_err(unfit)?;
        let (offset, len) = (entry.raw_file_position(), entry.size());
        if offset.checked_add(len).is_none_or(|end| end > file_len) {
            return Err(ImportError::Entry { entry: shown(&name), why: Unfit::Short });
        }
        let seconds = entry.header().mtime().unwrap_or(0).min(253_402_300_799);
        let modified = modified.unwrap_or(UNIX_EPOCH + Duration::from_secs(seconds));
        self.add(name, Entry { len, modified, at: At::Offset(offset) })
    }

    fn add(&mut self, name: String, entry: Entry) -> Result<(), ImportError> {
        let unfit = |why| Err(ImportError::Entry { entry: shown(&name), why });
        if name.len() > NAME {
            return unfit(Unfit::LongName);
        }
        if self.entries.len() as u64 >= ENTRIES {
            return unfit(Unfit::TooMany);
        }
        if self.entries.contains_key(&name) {
            return unfit(Unfit::Twice);
        }
        self.entries.insert(name, entry);
        Ok(())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Opens a file for reading.
    pub(super) fn open(&self, entry: &Entry) -> io::Result<Box<dyn Read>> {
        match (&entry.at, &self.tar) {
            (At::Offset(offset), Some(tar)) => {
                Ok(Box::new(Span { file: tar.try_clone()?, at: *offset, left: entry.len }))
            }
            (At::Path(path), _) => Ok(Box::new(File::open(path)?)),
            (At::Offset(_), None) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Where a file lies on the disk, if it is one by itself.
    pub(super) fn path<'a>(&self, entry: &'a Entry) -> Option<&'a Path> {
        match &entry.at {
            At::Path(path) => Some(path),
            At::Offset(_) => None,
        }
    }

    /// Keeps only what is in one folder, under the names that it has there.
    pub(super) fn within(&mut self, folder: &str) {
        let prefix = format!("{folder}/");
        let all = std::mem::take(&mut self.entries);
        let kept =
            all.into_iter().filter_map(|(name, entry)| Some((name.strip_prefix(&prefix)?.to_owned(), entry)));
        self.entries = kept.collect();
    }
}

/// What stands before an entry and is about it.
#[derive(Default)]
struct Ahead {
    name: Option<String>,
    size: Option<u64>,
    modified: Option<SystemTime>,
}

impl Ahead {
    fn read(&mut self, entry: &mut tar::Entry<'_, File>, kind: tar::EntryType) -> io::Result<()> {
        const MOST: u64 = 64 << 10;
        if entry.size() > MOST {
            return Err(Unfit::LongName.io());
        }
        let mut bytes = Vec::new();
        entry.take(MOST).read_to_end(&mut bytes)?;
        if kind.is_gnu_longname() {
            self.name = Some(text(bytes.split(|b| *b == 0).next().unwrap_or_default()));
            return Ok(());
        }
        for field in tar::PaxExtensions::new(&bytes) {
            let field = field.map_err(|_| Unfit::Damaged.io())?;
            let value = field.value_bytes();
            match field.key() {
                Ok("path") => self.name = Some(text(value)),
                Ok("size") => self.size = Some(number(value).ok_or_else(|| Unfit::Damaged.io())?),
                Ok("mtime") => {
                    self.modified =
                        number(value).map(|s| UNIX_EPOCH + Duration::from_secs(s.min(253_402_300_799)))
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }
}

fn number(value: &[u8]) -> Option<u64> {
    let whole = value.split(|b| *b == b'.').next()?;
    std::str::from_utf8(whole).ok()?.parse().ok()
}

/// A name from an archive, as a relative one. What leads out of the archive is refused.
fn inside(name: &str) -> Result<String, Unfit> {
    if name.starts_with('/') || name.contains('\0') {
        return Err(Unfit::Escapes);
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(Unfit::Escapes),
            part => parts.push(part),
        }
    }
    if parts.is_empty() { Err(Unfit::Escapes) } else { Ok(parts.join("/")) }
}

/// A name as text. What is no UTF-8 is escaped as in addresses.
fn text(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn copy_with_room(from: &mut dyn Read, to: &mut File, dir: &Path) -> io::Result<()> {
    const LOOK_EVERY: u64 = 16 << 20;
    const RESERVE: u64 = 64 << 20;
    loop {
        if disk::free_bytes(dir)? < RESERVE {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if io::copy(&mut from.take(LOOK_EVERY), to)? < LOOK_EVERY {
            return Ok(());
        }
    }
}

/// A part of a file.
struct Span {
    file: File,
    at: u64,
    left: u64,
}

impl Read for Span {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let read = self.file.read_at(&mut out[..most], self.at)?;
        if read == 0 && most > 0 {
            return Err(Unfit::Short.io());
        }
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_stays_inside(name in "[a./\\\\\0]{0,12}") {
            if let Ok(kept) = inside(&name) {
                prop_assert!(!kept.starts_with('/'));
                prop_assert!(kept.split('/').all(|part| !matches!(part, "" | "." | "..")), "{kept}");
            }
        }
    }

    #[test]
    fn names_that_are_no_text_are_escaped() {
        assert_eq!(text(b"\xE3\x81\x82/\xFF?x"), "あ/%FF?x");
        assert_eq!(inside("./a//b/"), Ok("a/b".to_owned()));
        for bad in ["../a", "a/../../b", "/etc/passwd", "", "./", "a\0b"] {
            assert_eq!(inside(bad), Err(Unfit::Escapes), "{bad:?}");
        }
    }
}
