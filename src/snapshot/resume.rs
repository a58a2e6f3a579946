//! Resuming what an interrupted crawl has staged.
//!
//! A staging that can be resumed says in `course` what it is the beginning of. Its parts were never synced, so after a power
//! cut any of them may be torn, lost or empty; after a mere kill all are as they were written. Both are treated alike:
//! nothing is trusted that cannot be checked. A record has its checksum, and each body, new or stored, is read once and
//! compared with its name: about a second per gigabyte, against hours of fetching the site again. Syncing bodies as they come
//! would save that reading, and cost each crawl what [`crate::disk::Syncer`] avoids. What does not pass is fetched again.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::blobs::{self, Blobs};
use super::format::{BLOCK, ENTRY, Entry, key_hash};
use super::page::{BlobId, Page};
use super::reader::to_millis;
use super::record;
use super::stage_error::StageError;
use super::staging::{NEW, Shared, USES, Used, is_staging};
use super::store::names_in;
use super::writer::{PAGES, RECORDS, Writer};
use crate::disk::{self, Journal, Syncer};

/// What a staging's folder says about itself when it can be taken up.
pub(super) const COURSE: &str = "course";

/// A staging that nobody has resumed for this long is removed when the store is opened.
pub(super) const ABANDONED: Duration = Duration::from_secs(7 * 86_400);

/// The longest text of a course, in bytes.
pub(super) const LONGEST_COURSE: usize = 1024;

const VERSION: u32 = 1;

/// What a staging is the beginning of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Course {
    version: u32,
    kind: String,
    course: String,
    /// Milliseconds since 1970.
    begun: u64,
}

impl Course {
    pub(super) fn new(kind: &str, course: &str, begun: SystemTime) -> Course {
        Course { version: VERSION, kind: kind.to_owned(), course: course.to_owned(), begun: to_millis(begun) }
    }

    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        disk::write_atomic(&dir.join(COURSE), &serde_json::to_vec(self)?)
    }

    fn read(dir: &Path) -> Option<Course> {
        let course: Course = serde_json::from_slice(&fs::read(dir.join(COURSE)).ok()?).ok()?;
        (course.version == VERSION).then_some(course)
    }

    /// When it was begun.
    pub(super) fn begun(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.begun)).unwrap_or(UNIX_EPOCH)
    }

    /// Whether it was begun for the same, whenever that was.
    pub(super) fn is_same(&self, kind: &str, course: &str) -> bool {
        self.kind == kind && self.course == course
    }

    /// One from the future is one from before the clock was set back: as good as new.
    pub(super) fn is_younger(&self, age: Duration, now: SystemTime) -> bool {
        !now.duration_since(self.begun()).is_ok_and(|old| old >= age)
    }
}

/// The newest staging in a site's folder that can be taken up: its folder's name, and what it is.
pub(super) fn find(site_dir: &Path, now: SystemTime) -> Option<(String, Course)> {
    let names = names_in(site_dir).ok()?.into_iter().filter(|name| is_staging(name));
    let courses = names.filter_map(|name| Course::read(&site_dir.join(&name)).map(|course| (name, course)));
    courses.filter(|(_, course)| course.is_younger(ABANDONED, now)).max_by_key(|(_, course)| course.begun)
}

/// Why a staging cannot be taken up: nothing of it is there, or it cannot be read.
pub(super) fn resume(dir: &Path, blobs: Arc<Blobs>) -> Result<Shared, StageError> {
    let at = |source| StageError::io(dir, source);
    let shared = reopen(dir, blobs)?;
    let (mut entries, mut bodies, mut lost) = (Vec::new(), Vec::new(), false);
    for staged in read_journal(dir).map_err(at)? {
        let Some((entry, page)) = staged else {
            lost = true;
            continue;
        };
        match page.body.map(|body| shared.length_of(&body)).transpose() {
            Ok(found) if found.is_none_or(|len| len == page.len) => {
                entries.push(entry);
                bodies.extend(page.body.map(|body| (body, page.len)));
            }
            Ok(_) | Err(StageError::NoSuchBlob(_)) => lost = true,
            Err(error) => return Err(error),
        }
    }
    if lost {
        let lines: Vec<u8> = entries.iter().flat_map(Entry::encode).collect();
        disk::write_atomic(&dir.join(PAGES), &lines).map_err(at)?;
    }
    shared.open(Writer::resume(dir, entries, bodies).map_err(at)?);
    Ok(shared)
}

/// What a folder has of bodies, whole, and of claims; nothing can be added to its pages yet.
pub(super) fn reopen(dir: &Path, blobs: Arc<Blobs>) -> Result<Shared, StageError> {
    let at = |source| StageError::io(dir, source);
    disk::sweep_staged(dir).map_err(at)?;
    let syncer = Syncer::open(dir).map_err(at)?;
    let new_dir = dir.join(NEW);
    disk::ensure_dir(&new_dir).map_err(at)?;
    let journal = Journal::reopen(&dir.join(USES), size_of::<BlobId>() as u64).map_err(at)?;
    let lock_path = Blobs::lock_path(blobs.root());
    let lock = disk::lock_file(&lock_path).map_err(|e| StageError::io(&lock_path, e))?;
    let lengths = whole_bodies(&new_dir).map_err(at)?;
    let new = lengths.keys().copied().collect();
    let used = Used { lengths, new, synced: 0, journal, lock };
    Ok(Shared::of(dir, blobs, syncer, used))
}

/// Keeps of an adoption's claims each once, and those alone of which there is a body: each attempt claims again what it
/// builds on.
pub(super) fn thin_claims(dir: &Path, blobs: &Blobs) -> io::Result<()> {
    let path = dir.join(USES);
    let claims = match fs::read(&path) {
        Ok(claims) => claims,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let ids: BTreeSet<[u8; 32]> = claims.as_chunks::<32>().0.iter().copied().collect();
    let thin: Vec<u8> =
        ids.into_iter().filter(|id| blobs.len_of(&BlobId::from_bytes(*id)).is_some()).flatten().collect();
    if thin.len() < claims.len() { disk::write_atomic(&path, &thin) } else { Ok(()) }
}

/// The new bodies that are what their names say, with their lengths. Others are removed.
fn whole_bodies(new: &Path) -> io::Result<HashMap<BlobId, u64>> {
    let mut whole = HashMap::new();
    for name in names_in(new)? {
        let path = new.join(&name);
        let found = name.parse::<BlobId>().ok().and_then(|id| {
            let file = fs::File::open(&path).ok()?;
            let len = file.metadata().ok()?.len();
            (blobs::hash_of(&file).ok()? == id).then_some((id, len))
        });
        match found {
            Some((id, len)) => drop(whole.insert(id, len)),
            None => disk::remove_file(&path)?,
        }
    }
    Ok(whole)
}

/// The pages that the journal names, in its order; `None` for each that is torn or not what was written.
fn read_journal(dir: &Path) -> io::Result<impl Iterator<Item = Option<(Entry, Page)>>> {
    let lines = fs::read(dir.join(PAGES))?;
    let records = fs::File::open(dir.join(RECORDS))?;
    let end = records.metadata()?.len();
    let torn = (lines.len() % ENTRY != 0).then_some(None);
    let read = move |line: usize| {
        let mut block = [0; BLOCK];
        block[..ENTRY].copy_from_slice(&lines[line * ENTRY..][..ENTRY]);
        let entry = Entry::read(&block, 0);
        let reach = entry.at.checked_add(u64::from(entry.len))?;
        if entry.at < BLOCK as u64 || reach > end || entry.len as usize > record::LONGEST {
            return None;
        }
        let mut bytes = vec![0; entry.len as usize];
        records.read_exact_at(&mut bytes, entry.at).ok()?;
        let page = record::decode(bytes.into(), entry.at)?;
        let same = entry.hash == key_hash(&page.key) && entry.class == page.class as u8;
        same.then_some((entry, page))
    };
    let count = fs::metadata(dir.join(PAGES))?.len() as usize / ENTRY;
    Ok((0..count).map(read).chain(torn))
}
