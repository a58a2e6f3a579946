//! Removes the bodies that nothing names any more.
//!
//! A body is alive if a snapshot of any site names it, or a staging or adoption of any process has claimed it. The live ones are gathered
//! first; then bodies are removed in batches, each under the lock that a staging takes to claim a body and holds from placing
//! its bodies until its manifest is in place. Under that lock, new claims and manifests are checked again. A reader holds its
//! snapshot, which therefore stays on the disk and keeps its bodies.

use crate::failure::chain;
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::blobs::Blobs;
use super::damage::{ManifestError, ReadError};
use super::elsewhere;
use super::id::SnapshotId;
use super::left::is_adoption;
use super::manifest::Manifest;
use super::page::BlobId;
use super::staging::{USES, is_staging};
use super::store::{names_in, sites};
use super::{MANIFEST, SNAPSHOTS};
use crate::disk;

/// How many bodies are removed under one hold of the lock.
const BATCH: usize = 2048;

/// How often, and how long apart, the lock is tried for.
const TRIES: u32 = 100;
const APART: Duration = Duration::from_millis(20);

/// What became of the bodies that nothing names any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collection {
    /// They are gone.
    Done {
        /// How many.
        blobs: u64,
        /// How large together.
        bytes: u64,
    },
    /// A snapshot is being published; the next time will do.
    Busy,
    /// It is noted, and happens soon for all sites of the process together.
    Owed,
    /// It is not known what is still named, because a snapshot cannot be read now or by this version.
    Withheld(String),
}

impl Default for Collection {
    fn default() -> Collection {
        Collection::Done { blobs: 0, bytes: 0 }
    }
}

/// Why a collection stops before its end.
enum Stop {
    Withheld(String),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Io(error)
    }
}

/// Removes the bodies that nothing in `state_dir` names.
pub(super) fn collect(state_dir: &Path, blobs: &Blobs) -> io::Result<Collection> {
    match Collector::new(state_dir, blobs).run() {
        Ok(collection) => Ok(collection),
        Err(Stop::Io(error)) => Err(error),
        Err(Stop::Withheld(why)) => {
            tracing::warn!(why, "keeping unused bodies for now");
            Ok(Collection::Withheld(why))
        }
    }
}

struct Collector<'a> {
    state_dir: &'a Path,
    blobs: &'a Blobs,
    /// Snapshots whose bodies are all among the living. One that could not be read whole is looked at again: it may be
    /// replaced, under its name, by one that comes from elsewhere.
    seen: BTreeSet<(String, SnapshotId)>,
    /// Damaged ones that were told.
    told: BTreeSet<(String, SnapshotId)>,
    /// The first half of each id: enough to never remove a living body, at half the memory.
    living: HashSet<u128>,
}

impl<'a> Collector<'a> {
    fn new(state_dir: &'a Path, blobs: &'a Blobs) -> Collector<'a> {
        let (seen, told, living) = (BTreeSet::new(), BTreeSet::new(), HashSet::new());
        Collector { state_dir, blobs, seen, told, living }
    }

    fn run(mut self) -> Result<Collection, Stop> {
        if let Err(error) = elsewhere::sweep(self.blobs.root()) {
            tracing::warn!(%error, "could not remove what was left of bodies from elsewhere");
        }
        self.mark()?;
        let (mut blobs, mut bytes) = (0, 0);
        let mut batch = Vec::with_capacity(BATCH);
        for folder in self.folders()? {
            for name in names_in(&folder)? {
                let Ok(id) = name.parse::<BlobId>() else { continue };
                if !self.living.contains(&id.half()) {
                    batch.push(id);
                }
            }
            if batch.len() < BATCH {
                continue;
            }
            match self.remove(&mut batch)? {
                Some((count, size)) => (blobs, bytes) = (blobs + count, bytes + size),
                None => return Ok(Collection::Busy),
            }
        }
        match self.remove(&mut batch)? {
            Some((count, size)) => Ok(Collection::Done { blobs: blobs + count, bytes: bytes + size }),
            None => Ok(Collection::Busy),
        }
    }

    /// The 256 folders of bodies, as far as they are there.
    fn folders(&self) -> io::Result<Vec<PathBuf>> {
        let is_folder = |name: &String| name.len() == 2 && name.bytes().all(|b| b.is_ascii_hexdigit());
        let names = names_in(self.blobs.root())?;
        Ok(names.into_iter().filter(is_folder).map(|name| self.blobs.root().join(name)).collect())
    }

    /// Adds the bodies of all snapshots that were not read whole yet.
    fn mark(&mut self) -> Result<(), Stop> {
        for site in sites(self.state_dir)? {
            let dir = self.state_dir.join(SNAPSHOTS).join(&site);
            for id in names_in(&dir)?.iter().filter_map(|name| name.parse::<SnapshotId>().ok()) {
                let name = (site.clone(), id);
                if !self.seen.contains(&name) && self.mark_snapshot(&dir.join(id.to_string()), id, &site)? {
                    self.seen.insert(name);
                }
            }
        }
        Ok(())
    }

    /// Adds the bodies of a snapshot. `false`: it could not be read whole.
    fn mark_snapshot(&mut self, dir: &Path, id: SnapshotId, site: &str) -> Result<bool, Stop> {
        let path = dir.join(MANIFEST);
        let manifest = match Manifest::open(&path, id, site) {
            Ok(manifest) => manifest,
            // Being removed: by the time the lock is ours it is gone, or it is looked at in the next collection.
            Err(ManifestError::Gone) if !path.exists() => return Ok(false),
            Err(ManifestError::Gone) => {
                return Err(Stop::Withheld(format!("snapshot {id} is being removed")));
            }
            Err(ManifestError::Damaged(damage)) => {
                if self.told.insert((site.to_owned(), id)) {
                    tracing::warn!(site, %id, %damage, "cannot tell which bodies a damaged snapshot uses");
                }
                return Ok(false);
            }
            Err(e @ (ManifestError::Version(_) | ManifestError::Io { .. })) => {
                return Err(Stop::Withheld(format!("snapshot {id} of {site}: {}", chain(&e))));
            }
        };
        let mut whole = true;
        for blob in manifest.blobs() {
            match blob {
                Ok((blob, _)) => {
                    self.living.insert(blob.half());
                }
                Err(ReadError::Damaged(_)) => whole = false,
                Err(e @ ReadError::Io { .. }) => return Err(Stop::Withheld(chain(&e))),
            }
        }
        if !whole {
            // The pages themselves say it too.
            let pages = manifest.entries().map(|entry| manifest.record(entry?, None));
            self.living.extend(pages.flatten().filter_map(|page| page.body).map(|blob| blob.half()));
        }
        Ok(whole)
    }

    /// Removes a batch, except what has come to life since. `None`: the lock could not be taken.
    fn remove(&mut self, batch: &mut Vec<BlobId>) -> Result<Option<(u64, u64)>, Stop> {
        if batch.is_empty() {
            return Ok(Some((0, 0)));
        }
        let lock = disk::lock_file(&Blobs::lock_path(self.blobs.root()))?;
        if !lock_patiently(&lock)? {
            return Ok(None);
        }
        self.mark()?;
        let claimed = self.claims()?;
        let (mut count, mut size) = (0, 0);
        for id in batch.drain(..) {
            if self.living.contains(&id.half()) || claimed.contains(&id.half()) {
                continue;
            }
            let path = self.blobs.path(&id);
            size += fs::metadata(&path).map_or(0, |meta| meta.len());
            disk::remove_file(&path)?;
            count += 1;
        }
        Ok(Some((count, size)))
    }

    /// What stagings, of this and other processes, have claimed. Those of dead ones are believed too: it costs room
    /// for a while, and no staging is ever taken for dead by mistake.
    fn claims(&self) -> io::Result<HashSet<u128>> {
        let mut claimed = HashSet::new();
        for site in sites(self.state_dir)? {
            let dir = self.state_dir.join(SNAPSHOTS).join(&site);
            for name in names_in(&dir)?.iter().filter(|name| is_staging(name) || is_adoption(name)) {
                match fs::read(dir.join(name).join(USES)) {
                    Ok(uses) => claimed
                        .extend(uses.as_chunks::<32>().0.iter().map(|id| BlobId::from_bytes(*id).half())),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(claimed)
    }
}

/// Whether the lock could be taken within [`TRIES`] times [`APART`]. The wait has an end: its holder may be a
/// stopped process.
fn lock_patiently(lock: &fs::File) -> io::Result<bool> {
    for _ in 0..TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(APART),
            Err(fs::TryLockError::Error(e)) => return Err(e),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::clock::{Now, instant};
    use crate::snapshot::{BLOBS, Class, Notes, Page, Store};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it spoils what is stored")]
    fn one_that_is_replaced_meanwhile_keeps_its_bodies() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "shop").unwrap();
        let now = Now { mono: instant(), wall: UNIX_EPOCH };
        let staging = store.begin(now, "crawl").unwrap();
        let mut writer = staging.blob();
        writer.write(b"body").unwrap();
        let body = writer.finish().unwrap();
        let (key, headers, class, notes) = ("/".to_owned(), Vec::new(), Class::Page, Notes::default());
        let page =
            Page { key, status: 200, headers, body: Some(body), len: 0, taken_at: now.wall, class, notes };
        staging.add(page).unwrap();
        let id = staging.publish(now, &serde_json::Value::Null).unwrap().id();
        drop(store);
        let place = dir.path().join(SNAPSHOTS).join("shop").join(id.to_string());
        let aside = dir.path().join("aside");
        let whole = fs::read(place.join(MANIFEST)).unwrap();
        let damage: [fn(&Path, &Path); 2] = [
            |place, _| fs::write(place.join(MANIFEST), b"damaged").unwrap(),
            |place, aside| fs::rename(place, aside).unwrap(),
        ];
        for (n, damage) in damage.into_iter().enumerate() {
            let blobs = Blobs::new(dir.path().join(BLOBS));
            let mut collector = Collector::new(dir.path(), &blobs);
            damage(&place, &aside);
            assert!(collector.mark().is_ok());
            assert!(!collector.living.contains(&body.half()), "{n}");
            if aside.exists() {
                fs::rename(&aside, &place).unwrap();
            }
            fs::write(place.join(MANIFEST), &whole).unwrap();
            let removed = collector.remove(&mut vec![body]);
            assert!(matches!(removed, Ok(Some((0, 0)))), "{n}");
            assert!(blobs.path(&body).exists(), "{n}");
        }
    }
}
