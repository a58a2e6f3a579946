//! Writes incidents, beside the looks at the sites: a disk that hangs holds nobody up.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Incidents;
use crate::clock::Now;
use crate::incident::{Incident, IncidentId};
use crate::tasks;

/// Files that are written at a time: of thousands of sites that fail together, each has its turn.
const AT_ONCE: usize = 50;
/// After so many files in a row that cannot be written, it is the disk.
const FAILURES: u32 = 3;
/// How often old ones are looked for.
const SWEEP: Duration = Duration::from_secs(6 * 3600);

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Saving {
    runs: AtomicBool,
    /// Whether the last writing failed: it is told once.
    failed: AtomicBool,
    swept: Mutex<Option<Instant>>,
    /// Who writes: the newest of an incident is never replaced by an older one.
    turn: Mutex<()>,
}

impl Incidents {
    /// Begins to write what has to be written, if nothing is being written.
    pub(super) fn save(self: &Arc<Self>, keep_for: Duration, now: Now) {
        if self.saving.runs.swap(true, Ordering::Acquire) {
            return;
        }
        let is_sweep_due = self.is_sweep_due(now.mono);
        if self.inner().unsaved.is_empty() && !is_sweep_due {
            self.saving.runs.store(false, Ordering::Release);
            return;
        }
        let incidents = self.clone();
        tasks::detached(tasks::blocking(move || {
            incidents.write(AT_ONCE);
            if is_sweep_due {
                incidents.sweep(keep_for, now);
            }
            incidents.saving.runs.store(false, Ordering::Release);
        }));
    }

    /// Writes all that has to be written, at the end of the process. Blocks.
    pub(in crate::app) fn save_all(&self) {
        {
            let mut inner = self.inner();
            let open = inner.sites.values().filter_map(|watched| watched.watcher.open().cloned());
            for incident in open.collect::<Vec<_>>() {
                inner.unsaved.insert(incident.id.clone(), incident);
            }
        }
        self.write(usize::MAX);
    }

    /// Writes an incident that has ended, after somebody has added to it. Blocks.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn write_ended(&self, incident: &Incident) -> io::Result<()> {
        let _turn = self.saving.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.inner().unsaved.remove(&incident.id);
        self.store.write(incident)
    }

    /// Writes some. What cannot be written is tried again the next time.
    fn write(&self, most: usize) {
        let ids: Vec<IncidentId> = self.inner().unsaved.keys().take(most).cloned().collect();
        let mut failures = 0;
        for id in ids {
            let _turn = self.saving.turn.lock().unwrap_or_else(PoisonError::into_inner);
            // it stays there until it is on the disk, or somebody would read what is older
            let Some(incident) = self.inner().unsaved.get(&id).cloned() else { continue };
            if let Err(error) = self.store.write(&incident) {
                failures += 1;
                if !self.saving.failed.swap(true, Ordering::Relaxed) {
                    tracing::warn!(incident = %id, %error, "an incident could not be written, trying again");
                }
                if failures >= FAILURES {
                    return;
                }
                continue;
            }
            let mut inner = self.inner();
            if inner.unsaved.get(&id) == Some(&incident) {
                inner.unsaved.remove(&id);
            }
        }
        if failures == 0 && self.saving.failed.swap(false, Ordering::Relaxed) {
            tracing::info!("incidents can be written again");
        }
    }

    fn is_sweep_due(&self, now: Instant) -> bool {
        let mut swept = self.saving.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = swept.is_none_or(|at| now.saturating_duration_since(at) >= SWEEP);
        if is_due {
            *swept = Some(now);
        }
        is_due
    }

    fn sweep(&self, keep_for: Duration, now: Now) {
        let open: BTreeSet<IncidentId> = {
            let inner = self.inner();
            let open = inner.sites.values().filter_map(|watched| watched.watcher.open());
            open.map(|incident| incident.id.clone()).collect()
        };
        match self.store.sweep(keep_for, &open, now.wall) {
            Ok(gone) if gone.is_empty() => {}
            Ok(gone) => {
                tracing::info!(incidents = gone.len(), "old incidents removed");
                let mut inner = self.inner();
                gone.iter().for_each(|id| _ = inner.ids.remove(id));
            }
            Err(error) => tracing::warn!(%error, "old incidents could not be removed"),
        }
    }
}
