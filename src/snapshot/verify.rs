//! Verifies a snapshot whole: every block, every record, every reference, every body's hash.

use std::collections::HashSet;

use serde::Serialize;

use super::damage::{Damage, ManifestError, ReadError};
use super::format::Entry;
use super::id::SnapshotId;
use super::page::BlobId;
use super::reader::Snapshot;
use super::store::{Store, chain};

/// How many findings are listed; the rest is only counted.
const LISTED: usize = 1000;

/// The outcome of verifying a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Which one.
    pub id: SnapshotId,
    /// Pages, files and redirects that were read.
    pub entries: u64,
    /// Distinct bodies that were read.
    pub blobs: u64,
    /// Their size.
    pub bytes: u64,
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
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.damaged == 0
    }

    fn note(&mut self, error: &ReadError, blob: Option<BlobId>) {
        self.damaged += 1;
        if self.findings.len() < LISTED {
            self.findings.push(Finding { problem: problem_of(error), blob });
        }
    }
}

fn problem_of(error: &ReadError) -> String {
    match error {
        ReadError::Damaged(damage) => damage.to_string(),
        ReadError::Io { .. } => chain(error),
    }
}

impl Store {
    /// Verifies a snapshot whole. Bodies that turn out damaged are remembered: the next crawl writes them again.
    ///
    /// # Errors
    /// When it cannot even be opened.
    pub fn verify(&self, id: &SnapshotId) -> Result<VerifyReport, ManifestError> {
        self.verify_telling(id, |_, _| {})
    }

    /// As [`Store::verify`]; `progress` is told of bytes read so far, and of all that are to be read.
    ///
    /// # Errors
    /// When it cannot even be opened.
    pub fn verify_telling(
        &self,
        id: &SnapshotId,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<VerifyReport, ManifestError> {
        let snapshot = self.try_get(id)?;
        let mut report =
            VerifyReport { id: *id, entries: 0, blobs: 0, bytes: 0, damaged: 0, findings: Vec::new() };
        let total = snapshot.summary().bytes;
        let mut listed = HashSet::new();
        for blob in snapshot.blobs() {
            let (blob, len) = match blob {
                Ok(blob) => blob,
                Err(e) => {
                    report.note(&e, None);
                    continue;
                }
            };
            listed.insert(blob);
            match snapshot.store().check(&blob, len) {
                Ok(()) => report.blobs += 1,
                Err(e) => report.note(&e, Some(blob)),
            }
            report.bytes += len;
            progress(report.bytes, total);
        }
        verify_pages(&snapshot, &listed, &mut report);
        Ok(report)
    }
}

fn verify_pages(snapshot: &Snapshot, listed: &HashSet<BlobId>, report: &mut VerifyReport) {
    let manifest = snapshot.manifest();
    let mut last: Option<Entry> = None;
    for entry in manifest.entries() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(e) => {
                report.note(&e, None);
                continue;
            }
        };
        if last.is_some_and(|last| last.hash >= entry.hash) {
            report.note(&Damage::Record(entry.at).into(), None);
        }
        last = Some(entry);
        // By its key, as a visitor comes to it.
        let page = manifest.record(entry, None).and_then(|page| {
            let found = manifest.find(&page.key)?;
            if found.as_ref() == Some(&page) { Ok(page) } else { Err(Damage::Record(entry.at).into()) }
        });
        match page {
            Ok(page) => {
                report.entries += 1;
                if let Some(blob) = page.body.filter(|blob| !listed.contains(blob)) {
                    report.note(&Damage::NotListed(blob).into(), Some(blob));
                }
            }
            Err(e) => report.note(&e, None),
        }
    }
}
