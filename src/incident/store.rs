//! Incidents on the disk: `state_dir/incidents/<id>.json`, one file each, written whole or not at all. Blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::id::IncidentId;
use super::moment::Moment;
use super::record::{Incident, VERSION};
use crate::disk;

/// The folder in the state directory.
const FOLDER: &str = "incidents";
/// Incidents that are kept; the oldest ones make room.
const MOST: usize = 20_000;
/// Bytes of a file that are read.
const LARGEST: u64 = 1 << 20;
/// What the name of a damaged file ends with.
const ASIDE: &str = ".damaged";

/// The folder with the incidents.
#[derive(Clone, Debug)]
pub struct IncidentStore(PathBuf);

/// What is there.
#[derive(Debug, Default)]
pub struct Opened {
    /// The ids of all.
    pub ids: BTreeSet<IncidentId>,
    /// Those that are open or have ended lately.
    pub recent: Vec<Incident>,
    /// Files that were set aside, because they cannot be read.
    pub damaged: Vec<Damaged>,
}

/// A file that cannot be read.
#[derive(Debug)]
pub struct Damaged {
    /// Its name.
    pub file: String,
    /// Why not.
    pub why: String,
}

/// Which incidents are wanted, the newest first.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of this site.
    pub site: Option<String>,
    /// Only those that are open, or only those that are not.
    pub open: Option<bool>,
    /// At most so many.
    pub limit: usize,
    /// Older than this one.
    pub before: Option<IncidentId>,
}

impl Wanted {
    fn is_older(&self, id: &IncidentId) -> bool {
        self.before.as_ref().is_none_or(|before| id < before)
    }

    fn of_site(&self, id: &IncidentId) -> bool {
        self.site.as_deref().is_none_or(|site| id.site() == site)
    }

    /// Those of these that are wanted, the newest first.
    pub fn of(&self, all: &BTreeMap<IncidentId, Incident>) -> Vec<Incident> {
        let newest = all.iter().rev().filter(|(id, _)| self.is_older(id) && self.of_site(id));
        let wanted = newest.filter(|(_, incident)| self.open.is_none_or(|open| incident.is_closed() != open));
        wanted.take(self.limit).map(|(_, incident)| incident.clone()).collect()
    }
}

impl IncidentStore {
    /// The incidents of a state directory. Nothing is read yet.
    pub fn of(state_dir: &Path) -> IncidentStore {
        IncidentStore(state_dir.join(FOLDER))
    }

    /// Reads what is there, and sets aside what cannot be read. `lately` is how far back an incident that has ended is of
    /// interest.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn open(&self, now: SystemTime, lately: Duration) -> io::Result<Opened> {
        let mut opened = Opened { ids: self.ids()?, ..Opened::default() };
        let mut bad = Vec::new();
        for id in &opened.ids {
            match self.read(id) {
                Ok(incident) => {
                    let is_recent =
                        incident.ended.is_none_or(|ended| Moment::from(now).since(ended) < lately.as_secs());
                    opened.recent.extend(is_recent.then_some(incident));
                }
                // a newer version's, or a disk that does not answer: not damaged, and not ours to move
                Err(error) if error.kind() != io::ErrorKind::InvalidData => {
                    tracing::warn!(incident = %id, %error, "the incident cannot be read");
                }
                Err(error) => bad.push((id.clone(), error.to_string())),
            }
        }
        for (id, why) in bad {
            opened.ids.remove(&id);
            let file = self.file(&id);
            let mut aside = file.clone().into_os_string();
            aside.push(ASIDE);
            if let Err(error) = disk::rename_durable(&file, Path::new(&aside)) {
                tracing::warn!(file = %file.display(), %error, "the damaged incident could not be set aside");
            }
            opened.damaged.push(Damaged { file: format!("{id}.json{ASIDE}"), why });
        }
        Ok(opened)
    }

    /// The ids of all incidents; none if there is no folder yet.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn ids(&self) -> io::Result<BTreeSet<IncidentId>> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(error),
        };
        let id = |entry: std::fs::DirEntry| {
            entry.file_name().to_str()?.strip_suffix(".json")?.parse::<IncidentId>().ok()
        };
        Ok(entries.flatten().filter_map(id).collect())
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`]: it is damaged; [`io::ErrorKind::Unsupported`]: a newer version wrote it.
    pub fn read(&self, id: &IncidentId) -> io::Result<Incident> {
        use std::io::Read as _;
        let mut text = String::new();
        std::fs::File::open(self.file(id))?.take(LARGEST).read_to_string(&mut text)?;
        parse(&text)
    }

    /// Those that are wanted, the newest first. What cannot be read is left out. `fresher` goes before what is on the disk.
    ///
    /// # Errors
    /// The folder cannot be read, and nothing fresher is known.
    pub fn list(
        &self,
        wanted: &Wanted,
        fresher: &BTreeMap<IncidentId, Incident>,
    ) -> io::Result<Vec<Incident>> {
        let mut ids = match self.ids() {
            Err(error) if fresher.is_empty() => return Err(error),
            ids => ids.unwrap_or_default(),
        };
        ids.extend(fresher.keys().cloned());
        let mut found = Vec::new();
        for id in ids.iter().rev().filter(|id| wanted.is_older(id) && wanted.of_site(id)) {
            if found.len() >= wanted.limit {
                break;
            }
            let known = fresher.get(id).cloned();
            let Some(incident) = known.or_else(|| self.read(id).ok()) else { continue };
            if wanted.open.is_none_or(|open| incident.is_closed() != open) {
                found.push(incident);
            }
        }
        Ok(found)
    }

    /// Writes one, in place of what there was of it.
    ///
    /// # Errors
    /// Of the file system.
    pub fn write(&self, incident: &Incident) -> io::Result<()> {
        disk::ensure_dir(&self.0)?;
        let mut text = serde_json::to_vec_pretty(incident)?;
        text.push(b'\n');
        disk::write_atomic(&self.file(&incident.id), &text)
    }

    /// Removes those that ended longer ago than `keep_for`, and the oldest ones of too many; returns their ids. Those in `open`
    /// stay; and all do if even the newest one is as old as that: then it is the clock. Nobody may be writing.
    ///
    /// # Errors
    /// Of the file system, if nothing could be removed.
    pub fn sweep(
        &self,
        keep_for: Duration,
        open: &BTreeSet<IncidentId>,
        now: SystemTime,
    ) -> io::Result<Vec<IncidentId>> {
        let ids = self.ids()?;
        // what a write that was cut off has left
        if self.0.is_dir() {
            disk::sweep_staged(&self.0)?;
        }
        let too_many = ids.len().saturating_sub(MOST);
        // a clock that is set years ahead is no reason to forget everything
        let newest = ids.iter().rev().find_map(|id| self.read(id).ok()).map(|incident| incident.as_of);
        let is_sane = newest.is_some_and(|newest| Moment::from(now).since(newest) < keep_for.as_secs());
        let oldest = now.checked_sub(keep_for).map(|time| IncidentId::new(time.into(), "0", |_| false));
        let is_old = |id: &IncidentId| is_sane && oldest.as_ref().is_some_and(|oldest| id < oldest);
        let (mut gone, mut failed) = (Vec::new(), None);
        for (place, id) in ids.iter().enumerate().filter(|(_, id)| !open.contains(*id)) {
            if place >= too_many && !is_old(id) {
                break;
            }
            // it may have begun long ago and ended lately
            let is_over = || match self.read(id) {
                Ok(incident) => {
                    incident.ended.is_none_or(|ended| Moment::from(now).since(ended) >= keep_for.as_secs())
                }
                Err(error) => error.kind() != io::ErrorKind::Unsupported,
            };
            if place < too_many || is_over() {
                match disk::remove_file(&self.file(id)) {
                    Ok(()) => gone.push(id.clone()),
                    Err(error) => failed = Some(error),
                }
            }
        }
        match failed {
            Some(error) if gone.is_empty() => Err(error),
            _ => Ok(gone),
        }
    }

    fn file(&self, id: &IncidentId) -> PathBuf {
        self.0.join(format!("{id}.json"))
    }
}

/// Reads an incident of any version so far.
fn parse(text: &str) -> io::Result<Incident> {
    let invalid = |error: serde_json::Error| io::Error::new(io::ErrorKind::InvalidData, error);
    let value: serde_json::Value = serde_json::from_str(text).map_err(invalid)?;
    match value["version"].as_u64() {
        Some(version) if version > u64::from(VERSION) => {
            let message = format!("a newer version of Katahai wrote it (shape {version})");
            Err(io::Error::new(io::ErrorKind::Unsupported, message))
        }
        _ => serde_json::from_value(value).map_err(invalid),
    }
}
