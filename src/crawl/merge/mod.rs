//! One pass over the snapshot in service, after everything is fetched: what the new one lacks is carried over or goes, and
//! both are compared. Memory grows only by a few bytes per page.

mod carry;
mod compare;
pub(super) mod evidence;

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::outcome::CrawlError;
use super::progress::Progress;
use super::report::UNREADABLE;
use super::walk::Done;
use crate::snapshot::{Class, Notes, Page, Snapshot, StageError, Staging};
use carry::{Fate, fate, heard};
use compare::Comparison;

/// The bound on pages is about what a crawl fetches. Pages carried over beyond it at most double the snapshot; otherwise the
/// snapshot of a site larger than the bound would grow for ever.
const CARRIED: u64 = 2;

/// Carries over what `current` has, and notes it in the report. `stop`: nobody waits for the result any more. Blocks.
pub(super) fn inherit(
    current: &Snapshot,
    staging: &Staging,
    (done, max_pages): (&mut Done, u64),
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Comparison, CrawlError> {
    let robots_unreadable = done.report.robots == UNREADABLE;
    let counters = progress.counters();
    let mut room = max_pages.saturating_mul(CARRIED).saturating_sub(counters.pages.load(Relaxed));
    let mut comparison = Comparison::new();
    let mut unreadable: u64 = 0;
    for old in current.pages() {
        if stop.load(Relaxed) {
            return Err(CrawlError::Ending);
        }
        let Ok(old) = old else {
            unreadable += 1;
            continue;
        };
        let heard = heard(&old, &done.results, robots_unreadable);
        comparison.note(&old, heard, &done.results);
        let notes = match fate(&old, heard) {
            Fate::Superseded => continue,
            Fate::CarriedOver(notes) => Some(notes),
            Fate::Dropped => None,
        };
        let is_page = old.class == Class::Page;
        let key = old.key.clone();
        let (code, meaning) = heard.reason();
        let carried = match notes {
            Some(_) if is_page && room == 0 => false,
            Some(notes) => carry(old, notes, staging)?,
            None => false,
        };
        if carried {
            room -= u64::from(is_page && room > 0);
            counters.carried.fetch_add(1, Relaxed);
            done.report.carry(code.into(), meaning.into(), &key);
        } else {
            counters.gone.fetch_add(1, Relaxed);
            if let Some(status) = heard.removal().filter(|_| notes.is_none()) {
                done.addresses.removed(&key, status);
            }
            let (code, meaning) = if notes.is_some() { NO_COPY } else { (code, meaning) };
            done.report.remove(code.into(), meaning.into(), &key);
        }
    }
    if unreadable > 0 {
        tracing::warn!(id = %current.id(), unreadable, "cannot carry over parts of the snapshot in service");
    }
    comparison.end();
    Ok(comparison)
}

/// Why something goes that should have been carried over.
const NO_COPY: (&str, &str) =
    ("no-copy", "Its old copy is damaged, or there is no room for it beside the new pages.");

/// Whether the old copy is in the new snapshot: a damaged one is not.
fn carry(old: Page, notes: Notes, staging: &Staging) -> Result<bool, StageError> {
    match staging.add(Page { notes, ..old }) {
        Ok(()) => Ok(true),
        Err(StageError::NoSuchBlob(_)) => Ok(false),
        Err(
            error @ (StageError::Full | StageError::Oversize(_) | StageError::Closed | StageError::Io { .. }),
        ) => Err(error),
    }
}
