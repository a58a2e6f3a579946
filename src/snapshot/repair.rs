//! Makes an intact snapshot from a damaged one, with what the other snapshots have.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::begin::BeginError;
use super::damage::{ManifestError, ReadError};
use super::format::key_hash;
use super::forms::SiteForms;
use super::id::SnapshotId;
use super::marks::{self, Marks};
use super::page::Page;
use super::publish::{Place, PublishError, Staging};
use super::reader::Snapshot;
use super::salvage::Heap;
use super::stage_error::StageError;
use super::store::Store;
use super::{MANIFEST, manifest};
use crate::clock::Now;

/// A repair's outcome.
#[derive(Debug)]
pub struct Repaired {
    /// The new snapshot; `None` when nothing was wrong.
    pub snapshot: Option<Arc<Snapshot>>,
    /// What was done.
    pub account: Account,
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// How many pages were whole and are carried over as they are.
    pub kept: u64,
    /// How many come from another version.
    pub replaced: u64,
    /// How many no snapshot has intact, or whose addresses are lost with the damage.
    pub lost: u64,
    /// The first thousand that were replaced, and from which snapshot.
    pub replacements: Vec<(String, SnapshotId)>,
    /// The first thousand that were lost.
    pub losses: Vec<String>,
}

/// A snapshot could not be repaired. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// It is not there, or of a later version.
    #[error("snapshot {id} cannot be repaired")]
    Open {
        /// Which one.
        id: SnapshotId,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// It was made elsewhere and has not arrived whole: what would be left out is still to come.
    #[error(
        "snapshot {0} has not arrived whole yet; what it lacks, and what is damaged of it, is brought when it does"
    )]
    Arriving(SnapshotId),
    /// The new snapshot could not be begun.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The new snapshot could not be written.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// How many addresses are listed of each sort.
const LISTED: usize = 1000;

/// What a page is looked for by in other versions.
enum Wanted {
    Key(String),
    /// Its record is damaged; only the index still says what it is.
    Hash(u128),
}

impl Store {
    /// Makes a new snapshot, of kind `repair`, in which each damaged page of snapshot `id` is replaced by the newest intact
    /// older version of it, or else the next newer one; what no snapshot has intact is left out. Intact pages are carried
    /// over as they are. It is in service afterwards if `id` was meant to be, whatever served meanwhile; otherwise it is
    /// held. It has the date of `id`, and the damaged one is held from then on.
    ///
    /// # Errors
    /// When it is not there, a snapshot is being taken, or the new one cannot be written.
    pub fn repair(&self, id: &SnapshotId, now: Now) -> Result<Repaired, RepairError> {
        // Of one that cannot be opened, what can be saved is saved.
        if self.get(id).is_some_and(|snapshot| snapshot.is_arriving()) {
            return Err(RepairError::Arriving(*id));
        }
        let mut staging = self.begin(now, "repair")?;
        let mut repair = Repair { store: self, of: *id, staging: &staging, account: Account::default() };
        let original = match self.try_get(id) {
            Ok(snapshot) => repair.of_readable(&snapshot)?,
            Err(ManifestError::Damaged(_)) => repair.of_unreadable()?,
            Err(source @ (ManifestError::Version(_) | ManifestError::Gone | ManifestError::Io { .. })) => {
                return Err(RepairError::Open { id: *id, source });
            }
        };
        let account = repair.account;
        let Some(original) = original else {
            return Ok(Repaired { snapshot: None, account });
        };
        let mut report = match self.report(id) {
            Some(serde_json::Value::Object(report)) => report,
            Some(_) | None => serde_json::Map::new(),
        };
        report.insert("repair".to_owned(), serde_json::json!({ "of": id, "account": account }));
        if let Some(addresses) = self.addresses(id) {
            staging.note_addresses(&addresses);
        }
        let forms = self.forms(id);
        if let Some(forms) = &forms {
            staging.note_forms(forms);
        }
        staging.index(&SiteForms::read(forms).unwrap_or_default(), || true);
        if let Some(character) = self.character(id) {
            staging.describe(&character);
        }
        staging.pretend_begun(original.started);
        let finished = Now { wall: original.finished, ..now };
        let place = Place::InsteadOf(*id, self.current().map(|current| current.id()));
        let snapshot = staging.settle(finished, &report.into(), &place)?;
        self.set_aside(id, &snapshot);
        Ok(Repaired { snapshot: Some(snapshot), account })
    }

    /// Holds the damaged snapshot, which is no longer needed. Nothing depends on this.
    fn set_aside(&self, id: &SnapshotId, repaired: &Snapshot) {
        let inner = &self.inner;
        let place = inner.path_of(*id);
        let reasons = [format!("it is damaged; {} is its repaired copy", repaired.id())];
        let marked = inner.moving().and_then(|_moving| {
            if Marks::read(&place).pinned {
                marks::pin(&inner.path_of(repaired.id()), true)?;
            }
            marks::hold(&place, &reasons)?;
            inner.scan()
        });
        if let Err(error) = marked {
            tracing::warn!(site = inner.site, %id, error = %error, "could not mark a damaged snapshot as repaired");
        }
        inner.blobs.ledger.forget(*id);
    }
}

/// When a snapshot was taken.
struct Taken {
    started: SystemTime,
    finished: SystemTime,
}

/// A repair under way.
struct Repair<'a> {
    store: &'a Store,
    of: SnapshotId,
    staging: &'a Staging,
    account: Account,
}

impl Repair<'_> {
    /// Of a snapshot that can be opened. `None`: nothing is wrong with it.
    fn of_readable(&mut self, snapshot: &Snapshot) -> Result<Option<Taken>, RepairError> {
        let manifest = snapshot.manifest();
        let mut damaged = !manifest.copies().map_err(|e| self.unreadable(e))?.is_empty()
            || snapshot.blobs().any(|b| b.is_err())
            // One that cannot be read at all is made anew, too.
            || !snapshot.search_damage().is_ok_and(|damage| damage.is_empty());
        // Where nothing is known but what the heap says.
        let mut unknown = Vec::new();
        for (number, first) in (0..).map_while(|number| Some((number, manifest.first_of(number)?))) {
            let lines = match manifest.lines(number) {
                Ok(lines) => lines,
                Err(ReadError::Damaged(_)) => {
                    unknown.push(first..=manifest.first_of(number + 1).map_or(u128::MAX, |next| next - 1));
                    continue;
                }
                Err(error @ ReadError::Io { .. }) => return Err(self.unreadable(error)),
            };
            for entry in lines {
                match manifest.record(entry, None) {
                    Ok(page) => self.carry(page)?,
                    Err(ReadError::Damaged(_)) => self.replace(Wanted::Hash(entry.hash))?,
                    Err(error @ ReadError::Io { .. }) => return Err(self.unreadable(error)),
                }
            }
        }
        if !unknown.is_empty() {
            let (end, entries) = manifest.extent();
            self.search_heap(end, &unknown, entries.checked_sub(self.account.seen()))?;
        }
        damaged |= !unknown.is_empty() || self.account.replaced + self.account.lost > 0;
        let summary = snapshot.summary();
        self.account.lost += manifest.extent().1.saturating_sub(self.account.seen());
        Ok(damaged.then_some(Taken { started: summary.started_at, finished: summary.taken_at }))
    }

    /// Of a snapshot of which only the records can be told.
    fn of_unreadable(&mut self) -> Result<Option<Taken>, RepairError> {
        let path = self.store.inner.path_of(self.of).join(MANIFEST);
        let newest = self.search_heap(u64::MAX, &[0..=u128::MAX], manifest::entries_said(&path))?;
        Ok(Some(Taken { started: newest, finished: newest }))
    }

    /// Carries over the records in the heap whose keys' hashes are in these ranges, and returns when the newest of them was
    /// taken. If their number is not the expected one, or that is unknown, the heap is damaged, too: then the rest comes from
    /// the snapshot before.
    fn search_heap(
        &mut self,
        end: u64,
        ranges: &[RangeInclusive<u128>],
        expected: Option<u64>,
    ) -> Result<SystemTime, RepairError> {
        let path = self.store.inner.path_of(self.of).join(MANIFEST);
        let failed = |source| RepairError::Open { id: self.of, source };
        let file = manifest::open_shared(&path).map_err(failed)?;
        let len = file.metadata().map_err(|source| failed(ManifestError::Io { path, source }))?.len();
        let wanted = |hash: u128| ranges.iter().any(|range| range.contains(&hash));
        let mut newest = UNIX_EPOCH;
        let mut found = HashSet::new();
        // Of records with one key the last counts, as when they were added first.
        for page in Heap::new(file, end.min(len)) {
            let hash = key_hash(&page.key);
            if wanted(hash) {
                found.insert(hash);
                newest = newest.max(page.taken_at);
                self.carry(page)?;
            }
        }
        if expected.is_none_or(|expected| (found.len() as u64) < expected) {
            let before = self.store.eligible(Some(&self.of));
            let before = before.iter().find_map(|id| self.store.get(id));
            for page in before.iter().flat_map(|before| before.pages()).flatten() {
                let hash = key_hash(&page.key);
                if wanted(hash) && !found.contains(&hash) {
                    self.replace(Wanted::Key(page.key))?;
                }
            }
        }
        Ok(newest)
    }

    /// Adds a page as it is, or, if its body is damaged, another version of it.
    fn carry(&mut self, page: Page) -> Result<(), RepairError> {
        let key = page.key.clone();
        if self.add(page)? {
            self.account.kept += 1;
            return Ok(());
        }
        self.replace(Wanted::Key(key))
    }

    /// Whether the page was whole.
    fn add(&self, page: Page) -> Result<bool, RepairError> {
        if page.body.is_some_and(|body| !self.store.inner.blobs.is_sound(&body)) {
            return Ok(false);
        }
        match self.staging.add(page) {
            Ok(()) => Ok(true),
            Err(StageError::NoSuchBlob(_)) => Ok(false),
            Err(error) => Err(PublishError::Stage(error).into()),
        }
    }

    fn replace(&mut self, wanted: Wanted) -> Result<(), RepairError> {
        for id in self.versions() {
            let Some(version) = self.store.get(&id) else { continue };
            let found = match &wanted {
                Wanted::Key(key) => version.manifest().find(key),
                Wanted::Hash(hash) => version.manifest().find_hash(*hash),
            };
            let Ok(Some(page)) = found else { continue };
            let key = page.key.clone();
            if self.add(page)? {
                self.account.replaced += 1;
                if self.account.replacements.len() < LISTED {
                    self.account.replacements.push((key, id));
                }
                return Ok(());
            }
        }
        self.account.lost += 1;
        if let (Wanted::Key(key), true) = (wanted, self.account.losses.len() < LISTED) {
            self.account.losses.push(key);
        }
        Ok(())
    }

    /// The other snapshots that may serve: older ones, the newest first, then newer ones, the oldest first.
    fn versions(&self) -> Vec<SnapshotId> {
        let older = self.store.eligible(Some(&self.of));
        let newer = self.store.eligible(None).into_iter().rev().filter(|id| *id > self.of);
        older.into_iter().chain(newer).collect()
    }

    fn unreadable(&self, error: ReadError) -> RepairError {
        RepairError::Open { id: self.of, source: error.into() }
    }
}

impl Account {
    fn seen(&self) -> u64 {
        self.kept + self.replaced + self.lost
    }
}
