//! What visitors really request: the pages of a site by their visits in the last seven days. The crawler learns paths from it
//! that no link leads to; the operator learns how much of it a copy could answer.
//!
//! What is kept, in memory and in `visits/<site>` of the state directory: paths that got a good public answer, with
//! the number of visits on each day. Not kept, nowhere: who asked, cookies, anything of an answer. Addresses that may
//! have been made for one person are left out (`public`), and so are queries, unless the current snapshot has the same
//! parameters at the same path. A path that was asked for only once is not kept either (`doorkeeper`).
//!
//! A site has at most [`PATHS`] of them; the visits of all others are counted together (`shard`). Counting waits for
//! nobody: a request that finds its part of the list being changed is not counted.

mod calendar;
mod doorkeeper;
mod file;
mod lacking;
mod public;
mod shard;
mod week;

use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::time::SystemTime;

use arc_swap::ArcSwap;

use crate::ask::key::path_of;
use crate::{clock, disk};
use calendar::day_of;
use doorkeeper::Sighting;
use public::query_of;
pub use public::{is_public, is_public_file};
use shard::{Entrance, Kind, Met, Shard, network};
use week::Week;

pub use lacking::{Lacked, Lacking};
pub use shard::Got;
pub use week::{Coverage, Missing};

/// Paths of one site that are remembered: 2 to 5 MB.
pub const PATHS: usize = 32_768;
/// Parts of the list, so that those who change it are seldom at the same one.
const SHARDS: usize = 16;
/// Combinations of a path and parameters' names that are known of one snapshot.
const QUERIES: usize = 65_536;
/// The number of the paths that were on the list at the start.
const REMEMBERED: u64 = 1;
/// The folder in the state directory.
const FOLDER: &str = "visits";

/// The visits of one site.
#[derive(Debug)]
pub struct Visits {
    site: String,
    file: PathBuf,
    hasher: RandomState,
    /// Made when the first visit is counted: most sites of many have none for long.
    shards: OnceLock<Box<[RwLock<Shard>; SHARDS]>>,
    /// Paths of one shard.
    places: usize,
    /// What queries the current snapshot has: hashes of paths with their parameters' names.
    queries: ArcSwap<HashSet<u64>>,
    /// Whether anybody asked with a query.
    queried: AtomicBool,
    /// Whether the file is out of date.
    changed: AtomicBool,
    /// Paths that came onto the list.
    learned: AtomicU64,
    /// What no copy could answer.
    pub lacking: Lacking,
}

impl Visits {
    /// The visits of `site`, as far as they are remembered. A file that is not there is no news, one that cannot be
    /// read is worth a warning; the list is then empty. Blocks.
    pub fn open(state_dir: &Path, site: &str) -> Visits {
        let visits = Visits::new(state_dir, site);
        match read(&visits.file) {
            Ok(Some(week)) => visits.resume(week),
            Ok(None) => {}
            Err(error) => {
                let file = visits.file.display();
                tracing::warn!(site, %file, %error, "the list of visited pages cannot be read, starting a new one");
            }
        }
        visits
    }

    /// Nothing is remembered.
    pub fn new(state_dir: &Path, site: &str) -> Visits {
        Visits::empty(state_dir.join(FOLDER).join(site), site, PATHS)
    }

    fn empty(file: PathBuf, site: &str, paths: usize) -> Visits {
        Visits {
            site: site.to_owned(),
            file,
            hasher: RandomState::new(),
            shards: OnceLock::new(),
            places: paths / SHARDS,
            queries: ArcSwap::default(),
            queried: AtomicBool::new(false),
            changed: AtomicBool::new(false),
            learned: AtomicU64::new(REMEMBERED),
            lacking: Lacking::default(),
        }
    }

    /// A visitor, whoever it was, got a good page at this key.
    pub fn observe(&self, key: &str, now: SystemTime) {
        self.meet(key, Got::Page, self.hasher.hash_one(key), Entrance::Open, now);
    }

    /// The visitor at this address got something good and public at this key. Made for the request path: no
    /// allocation when the path is known, and no waiting.
    pub fn observe_from(&self, key: &str, got: Got, visitor: IpAddr, now: SystemTime) {
        let hash = self.hasher.hash_one(key);
        let at_the_door = path_at_the_door(hash, got);
        let met = match self.shards.get() {
            Some(shards) => reading(of(shards, hash))
                .map(|shard| (shard.count(key, day_of(now)), shard.awaits(at_the_door))),
            None => Some((Met::NewDay, false)),
        };
        let Some((met, is_awaited)) = met else { return };
        match (met, got) {
            (Met::Counted, _) => self.touch(),
            (Met::Stranger, Got::Unchanged) => {}
            (Met::Stranger | Met::NewDay, _) => {
                let entrance = if is_awaited || self.may_be_kept(key, got) {
                    let visitor = self.hasher.hash_one(network(visitor)) as u32;
                    let minute = u32::try_from(clock::unix(now) / 60).unwrap_or(u32::MAX);
                    Entrance::Watched(Sighting { path: at_the_door, visitor, minute })
                } else {
                    Entrance::Closed
                };
                self.meet(key, got, hash, entrance, now);
            }
        }
    }

    fn may_be_kept(&self, key: &str, got: Got) -> bool {
        let known = |shape| {
            self.queried.store(true, Relaxed);
            self.queries.load().contains(&shape)
        };
        match got {
            // A script's query is a version, not a question.
            Got::Requisite => is_public_file(key),
            Got::Page | Got::Document | Got::Data | Got::Unchanged => {
                is_public(key) && self.shape(key).is_none_or(known)
            }
        }
    }

    fn meet(&self, key: &str, got: Got, hash: u64, entrance: Entrance, now: SystemTime) {
        if let Some(mut shard) = writing(self.shard(hash)) {
            shard.meet(key, got, entrance, &self.learned, day_of(now));
            self.touch();
        }
    }

    /// Files that pages are drawn with and that visitors' browsers asked for, the most wanted first. A script may have
    /// computed their addresses, so that nobody finds them who only reads. Blocks as all below.
    pub fn requisites(&self, now: SystemTime, most: usize) -> Vec<String> {
        let requisites = self.week(now, 0).only(Kind::Requisite).popular(most);
        requisites.into_iter().map(|(key, _)| key).collect()
    }

    /// What is visited most in the last days, the most visited first. Blocks for some milliseconds, as all below.
    pub fn popular(&self, now: SystemTime, most: usize) -> Vec<(String, u64)> {
        self.week(now, 0).opened().popular(most)
    }

    /// The same, of what came onto the list after [`Visits::learned`] was `mark`.
    pub fn popular_since(&self, mark: u64, now: SystemTime) -> Vec<(String, u64)> {
        self.week(now, mark).opened().popular(usize::MAX)
    }

    /// How much of what was visited in the last days a copy could answer that `has` some keys and others not.
    pub fn coverage(&self, has: impl Fn(&str) -> bool, now: SystemTime) -> Coverage {
        self.week(now, 0).coverage(has)
    }

    /// How many paths have come onto the list: as long as that is the same, there is nothing new. What was remembered
    /// at the start counts as one.
    pub fn learned(&self) -> u64 {
        self.learned.load(Relaxed)
    }

    /// Whether visitors ask with queries, so that [`Visits::know_queries`] is worth its while.
    pub fn wants_queries(&self) -> bool {
        self.queried.load(Relaxed)
    }

    /// Records the queries that the current snapshot has. What visitors ask for with other parameters is not
    /// remembered.
    pub fn know_queries(&self, keys: impl Iterator<Item = String>) {
        let shapes = keys.filter_map(|key| self.shape(&key));
        let mut known = HashSet::new();
        for shape in shapes {
            if known.len() >= QUERIES {
                break;
            }
            known.insert(shape);
        }
        self.queries.store(known.into());
    }

    /// A hash of the path and the names of the parameters in any order; `None` without a query.
    fn shape(&self, key: &str) -> Option<u64> {
        let names = public::names(query_of(key)?).map(|name| self.hasher.hash_one(name));
        Some(names.fold(self.hasher.hash_one(path_of(key)), u64::wrapping_add))
    }

    /// Whether there is something to be saved.
    pub fn is_changed(&self) -> bool {
        self.changed.load(Relaxed)
    }

    /// Writes the list to the disk, if it has changed.
    ///
    /// # Errors
    /// Of the file system; what was written last is then still there.
    pub fn save(&self, now: SystemTime) -> io::Result<()> {
        if !self.changed.swap(false, Relaxed) {
            return Ok(());
        }
        let text = file::encode(&self.week(now, 0));
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let saved = disk::ensure_dir(folder).and_then(|()| disk::write_atomic(&self.file, text.as_bytes()));
        saved.inspect_err(|_| self.changed.store(true, Relaxed))
    }

    /// The name of the site.
    pub fn site(&self) -> &str {
        &self.site
    }

    fn week(&self, now: SystemTime, mark: u64) -> Week {
        let Some(shards) = self.shards.get() else {
            return Week { newest: day_of(now), ..Week::default() };
        };
        let mut week = Week::default();
        for shard in &**shards {
            // Those who read may do so together; who changes something is in everybody's way.
            let mut part = shard.read().unwrap_or_else(PoisonError::into_inner);
            if !part.is_settled(day_of(now)) {
                drop(part);
                shard.write().unwrap_or_else(PoisonError::into_inner).turn(day_of(now));
                part = shard.read().unwrap_or_else(PoisonError::into_inner);
            }
            week.newest = week.newest.max(part.newest());
            for (all, visits) in week.others.iter_mut().zip(part.others()) {
                *all += visits;
            }
            week.paths.extend(part.list_after(mark));
        }
        week
    }

    fn resume(&self, week: Week) {
        for (i, shard) in self.made().iter().enumerate() {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.resume(week.newest);
            if i == 0 {
                shard.add_others(week.others);
            }
        }
        for counted in week.paths {
            let shard = self.shard(self.hasher.hash_one(&*counted.key));
            shard.write().unwrap_or_else(PoisonError::into_inner).add(counted, REMEMBERED);
        }
    }

    fn made(&self) -> &[RwLock<Shard>; SHARDS] {
        let make = || Box::new(std::array::from_fn(|_| RwLock::new(Shard::new(self.places))));
        self.shards.get_or_init(make)
    }

    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        of(self.made(), hash)
    }

    fn touch(&self) {
        // Looked at first: writing each time would have all processors pass the line around.
        if !self.changed.load(Relaxed) {
            self.changed.store(true, Relaxed);
        }
    }
}

/// What waits at the door: a file's address may look like a secret, a page's may not.
fn path_at_the_door(path: u64, got: Got) -> u64 {
    (path ^ u64::from(got == Got::Requisite)).max(1)
}

/// The shard of a path with this hash.
fn of(shards: &[RwLock<Shard>; SHARDS], hash: u64) -> &RwLock<Shard> {
    &shards[hash as usize % SHARDS]
}

/// The shard to look at, unless somebody changes it.
fn reading(shard: &RwLock<Shard>) -> Option<RwLockReadGuard<'_, Shard>> {
    match shard.try_read() {
        Ok(shard) => Some(shard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// The shard to change, unless somebody looks at it.
fn writing(shard: &RwLock<Shard>) -> Option<RwLockWriteGuard<'_, Shard>> {
    match shard.try_write() {
        Ok(shard) => Some(shard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// What the disk remembers; `None`: nothing was written yet.
fn read(path: &Path) -> io::Result<Option<Week>> {
    let longest = file::longest(PATHS);
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(longest as u64 + 1).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    file::decode(&bytes).map(Some).map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
