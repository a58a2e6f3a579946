//! Verifies a snapshot whole: every block, every record, every reference, every body's hash.

use crate::failure::chain;
use std::collections::HashMap;

use serde::Serialize;

use super::damage::{Damage, ManifestError, ReadError};
use super::format::Entry;
use super::id::SnapshotId;
use super::page::BlobId;
use super::reader::Snapshot;
use super::store::Store;

/// How many findings are listed; the rest is only counted.
const LISTED: usize = 1000;
/// Addresses listed with a damaged body.
const KEYS: usize = 100;

/// The outcome of verifying a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Which one.
    pub id: SnapshotId,
    /// Pages, files and redirects that are as they were written.
    pub entries: u64,
    /// Distinct bodies that are as they were written.
    pub blobs: u64,
    /// Their size.
    pub bytes: u64,
    /// Distinct bodies that have not arrived yet, of a snapshot that was made elsewhere.
    #[serde(skip_serializing_if = "is_none")]
    pub to_come: u64,
    /// How many things are wrong.
    pub damaged: u64,
    /// What is wrong: the first thousand.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong with a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What, in words.
    pub problem: String,
    /// The body, when it is one.
    pub blob: Option<BlobId>,
    /// The addresses that cannot be served because of it: the first hundred.
    pub keys: Vec<String>,
}

impl VerifyReport {
    /// A report of nothing yet.
    pub fn new(id: SnapshotId) -> VerifyReport {
        VerifyReport { id, entries: 0, blobs: 0, bytes: 0, to_come: 0, damaged: 0, findings: Vec::new() }
    }

    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.damaged == 0
    }

    /// Notes that this address needs that body, should it be damaged.
    fn note_need(&mut self, blob: BlobId, key: &str) {
        for finding in self.findings.iter_mut().filter(|finding| finding.blob == Some(blob)) {
            if finding.keys.len() < KEYS {
                finding.keys.push(key.to_owned());
            }
        }
    }

    /// Adds something that is wrong.
    pub fn note(&mut self, problem: String, blob: Option<BlobId>) {
        self.damaged += 1;
        if self.findings.len() < LISTED {
            self.findings.push(Finding { problem, blob, keys: Vec::new() });
        }
    }
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

/// Which bodies have been read already, so that verifying many snapshots reads each once.
#[derive(Debug, Default)]
pub struct Checked(HashMap<BlobId, Result<(), Problem>>);

/// What is wrong, and, when that is a part of the snapshot, which.
#[derive(Debug, Clone)]
struct Problem {
    words: String,
    damage: Option<Damage>,
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Problem {
        match error {
            ReadError::Damaged(damage) => Problem { words: damage.to_string(), damage: Some(damage) },
            error @ ReadError::Io { .. } => Problem { words: chain(&error), damage: None },
        }
    }
}

/// A verification under way.
struct Verification<'a> {
    snapshot: &'a Snapshot,
    report: VerifyReport,
}

impl Verification<'_> {
    /// Something is wrong: for the report, and for the operator.
    fn note(&mut self, problem: impl Into<Problem>, blob: Option<BlobId>) {
        let problem = problem.into();
        if let Some(damage) = &problem.damage {
            self.snapshot.store().ledger.note(self.snapshot.id(), damage);
        }
        self.report.note(problem.words, blob);
    }

    fn damaged(&mut self, damage: Damage, blob: Option<BlobId>) {
        self.note(ReadError::Damaged(damage), blob);
    }
}

impl Store {
    /// Verifies a snapshot whole. Bodies that turn out damaged are remembered: the next crawl writes them again.
    ///
    /// # Errors
    /// When it cannot even be opened.
    pub fn verify(&self, id: &SnapshotId) -> Result<VerifyReport, ManifestError> {
        self.verify_with(id, &mut Checked::default(), |_, _| {})
    }

    /// As [`Store::verify`], one of several; `progress` is told of the bytes that were looked at so far, and of all.
    ///
    /// # Errors
    /// When it cannot even be opened.
    pub fn verify_with(
        &self,
        id: &SnapshotId,
        checked: &mut Checked,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<VerifyReport, ManifestError> {
        let snapshot = self.try_get(id)?;
        snapshot.store().ledger.forget(*id);
        let mut verification = Verification { snapshot: &snapshot, report: VerifyReport::new(*id) };
        for damage in snapshot.manifest().copies()? {
            verification.damaged(damage, None);
        }
        let mut listed = HashMap::new();
        let (total, mut done) = (snapshot.summary().bytes, 0);
        for blob in snapshot.blobs() {
            let (blob, len) = match blob {
                Ok(blob) => blob,
                Err(e) => {
                    verification.note(e, None);
                    continue;
                }
            };
            listed.insert(blob, len);
            verification.body(checked, blob, len);
            done = u64::saturating_add(done, len);
            progress(done, total);
        }
        verification.pages(&listed);
        match snapshot.search_damage() {
            Ok(damaged) => damaged.into_iter().for_each(|damage| verification.damaged(damage, None)),
            Err(error) => verification.note(error, None),
        }
        Ok(verification.report)
    }
}

impl Verification<'_> {
    fn body(&mut self, checked: &mut Checked, blob: BlobId, len: u64) {
        let known = checked.0.get(&blob).cloned();
        // What is damage in another snapshot has not come yet in this one.
        let is_missing = |known: &Result<(), Problem>| {
            matches!(known, Err(Problem { damage: Some(Damage::BlobMissing(_)), .. }))
        };
        let known = known.filter(|known| !(self.snapshot.is_arriving() && is_missing(known)));
        let found =
            known.map_or_else(|| self.snapshot.check(&blob, len).map_err(Problem::from).transpose(), Some);
        let Some(found) = found else {
            // Not remembered: of another snapshot that lacks it, that is damage.
            self.report.to_come += 1;
            return;
        };
        checked.0.insert(blob, found.clone());
        match found {
            Ok(()) => {
                self.report.blobs += 1;
                self.report.bytes += len;
            }
            Err(problem) => self.note(problem, Some(blob)),
        }
    }

    fn pages(&mut self, listed: &HashMap<BlobId, u64>) {
        let manifest = self.snapshot.manifest();
        let mut last: Option<Entry> = None;
        for entry in manifest.entries() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) => {
                    self.note(e, None);
                    continue;
                }
            };
            if last.is_some_and(|last| last.hash >= entry.hash) {
                self.damaged(Damage::Record(entry.at), None);
            }
            last = Some(entry);
            // Also by its key, as a visitor comes to it.
            let page = manifest.record(entry, None).and_then(|page| {
                let found = manifest.find(&page.key)?;
                if found.as_ref() == Some(&page) { Ok(page) } else { Err(Damage::Record(entry.at).into()) }
            });
            match page {
                Ok(page) => match page.body {
                    Some(blob) if self.report.damaged > 0 && listed.get(&blob) == Some(&page.len) => {
                        self.report.note_need(blob, &page.key);
                        self.report.entries += 1;
                    }
                    Some(blob) if listed.get(&blob) != Some(&page.len) => {
                        self.damaged(Damage::NotListed(blob), Some(blob));
                    }
                    Some(_) | None => self.report.entries += 1,
                },
                Err(e) => self.note(e, None),
            }
        }
    }
}
