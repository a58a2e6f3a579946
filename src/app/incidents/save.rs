//! Writes incidents, beside the looks at the sites: a disk that hangs holds nobody up.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Incidents;
use crate::clock::{self, Now};
use crate::incident::{Incident, IncidentId};
use crate::tasks;

/// Files that are written at a time, or for how long if that is longer: of thousands of sites that fail together, each has its
/// turn.
const AT_ONCE: usize = 50;
const LONG: Duration = Duration::from_millis(500);
/// After so many files in a row that cannot be written, it is the disk.
const FAILURES: u32 = 3;
/// Incidents that have ended and wait for a disk that takes nothing; never fewer than there are sites.
const UNSAVED: usize = 2000;
/// How often old ones are looked for; only after so long a time in which nobody has set the clock.
const SWEEP: Duration = Duration::from_secs(6 * 3600);
/// A difference between the two clocks that is no drift.
const JUMP: Duration = Duration::from_secs(60);

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Saving {
    runs: AtomicBool,
    /// Whether the last writing failed: it is told once.
    failed: AtomicBool,
    sweeping: Mutex<Sweeping>,
    /// Who writes: the newest of an incident is never replaced by an older one.
    turn: Mutex<()>,
}

/// When old ones were looked for, or the clock was set.
#[derive(Debug, Default)]
struct Sweeping {
    last: Option<Instant>,
    seen: Option<Now>,
}

impl Sweeping {
    /// Whether it is time. Asked again and again.
    fn is_due(&mut self, now: Now) -> bool {
        let has_jumped = self.seen.replace(now).is_some_and(|seen| {
            let expected = seen.wall + now.mono.saturating_duration_since(seen.mono);
            let by = now.wall.duration_since(expected).unwrap_or_else(|error| error.duration());
            by > JUMP
        });
        let since = *self.last.get_or_insert(now.mono);
        let is_due = !has_jumped && now.mono.saturating_duration_since(since) >= SWEEP;
        if has_jumped || is_due {
            self.last = Some(now.mono);
        }
        is_due
    }
}

/// Writing ends, however it does.
struct Runs(Arc<Incidents>);

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.saving.runs.store(false, Ordering::Release);
    }
}

impl Incidents {
    /// Begins to write what has to be written, if nothing is being written.
    pub(super) fn save(self: &Arc<Self>, keep_for: Duration, now: Now) {
        let is_sweep_due = {
            let mut sweeping = self.saving.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
            sweeping.is_due(now)
        };
        if (self.inner().unsaved.is_empty() && !is_sweep_due)
            || self.saving.runs.swap(true, Ordering::Acquire)
        {
            return;
        }
        let runs = Runs(self.clone());
        tasks::detached(tasks::blocking(move || {
            runs.0.write(AT_ONCE);
            if is_sweep_due {
                runs.0.sweep(keep_for, now);
            }
        }));
    }

    /// Writes all that has to be written, at the end of the process. Blocks.
    pub(in crate::app) fn save_all(&self) {
        {
            let mut inner = self.inner();
            let open = inner.sites.values().filter_map(|watched| watched.watcher.open().cloned());
            for incident in open.collect::<Vec<_>>() {
                inner.unsaved.put(incident, false);
            }
        }
        self.write(usize::MAX);
    }

    /// Adds to an incident that has ended: what is in memory of it goes before what is on the disk. Blocks.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn change_ended(
        &self,
        id: &IncidentId,
        change: impl FnOnce(&mut Incident),
    ) -> io::Result<Incident> {
        let _turn = self.turn();
        let waiting = self.inner().unsaved.get(id).cloned();
        let mut incident = waiting.map_or_else(|| self.store.read(id), Ok)?;
        let mut inner = self.inner();
        // it may go on since a moment ago
        let open = inner
            .sites
            .values_mut()
            .find_map(|watched| watched.watcher.open_mut().filter(|open| open.id == *id));
        if let Some(open) = open {
            change(open);
            return Ok(open.clone());
        }
        // or of an earlier process, and about to go on
        let mut earlier = inner.earlier.values_mut().flatten();
        if let Some(earlier) = earlier.find(|incident| incident.id == *id) {
            change(earlier);
            incident.clone_from(earlier);
            inner.unsaved.put(incident.clone(), true);
            return Ok(incident);
        }
        change(&mut incident);
        if let Some(watched) = inner.sites.get_mut(&*incident.site) {
            watched.watcher.replace_ended(&incident);
        }
        inner.unsaved.put(incident.clone(), true);
        Ok(incident)
    }

    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.saving.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes some. What cannot be written is tried again the next time.
    fn write(&self, most: usize) {
        let ids = self.inner().unsaved.order();
        let begun = clock::instant();
        let mut failures = 0;
        for (place, id) in ids.into_iter().enumerate() {
            if place >= most && begun.elapsed() >= LONG {
                break;
            }
            let _turn = self.turn();
            // it stays there until it is on the disk, or somebody would read what is older
            let Some(incident) = self.inner().unsaved.get(&id).cloned() else { continue };
            if let Err(error) = self.store.write(&incident) {
                failures += 1;
                self.not_written(&id, &error);
                if failures >= FAILURES {
                    return;
                }
                continue;
            }
            let mut inner = self.inner();
            inner.unsaved.written(&incident);
            if !incident.is_closed() {
                inner.saved_at.insert(id, clock::instant());
            }
        }
        if failures == 0 && self.saving.failed.swap(false, Ordering::Relaxed) {
            tracing::info!("incidents can be written again");
        }
    }

    fn not_written(&self, id: &IncidentId, error: &io::Error) {
        if !self.saving.failed.swap(true, Ordering::Relaxed) {
            tracing::warn!(incident = %id, %error, "an incident could not be written, trying again");
        }
        let mut inner = self.inner();
        inner.unsaved.failed(id);
        let most = UNSAVED.max(inner.sites.len());
        for id in inner.unsaved.make_room(most) {
            tracing::error!(incident = %id, "the incident is lost: too many wait to be written to the state directory");
        }
    }

    fn sweep(&self, keep_for: Duration, now: Now) {
        let open: BTreeSet<IncidentId> = {
            let inner = self.inner();
            let open = inner.sites.values().filter_map(|watched| watched.watcher.open());
            open.map(|incident| incident.id.clone()).collect()
        };
        let _turn = self.turn();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::{Happening, Moment, Severity};

    #[test]
    fn old_ones_are_looked_for_only_after_hours_without_a_jump_of_the_clock() {
        let now = clock::now();
        let mut sweeping = Sweeping::default();
        let mut due = |hours: u64, ahead: u64| {
            let mut at = now.plus(Duration::from_secs(hours * 3600));
            at.wall += Duration::from_secs(ahead);
            sweeping.is_due(at)
        };
        assert!(!due(0, 0), "not at the start: the clock may be wrong");
        assert!(!due(5, 0) && due(6, 0) && !due(7, 0));
        assert!(!due(12, 1 << 30), "it was set ahead");
        assert!(!due(17, 1 << 30) && due(18, 1 << 30));
    }

    #[test]
    fn what_is_added_after_the_end_is_not_lost_on_a_full_disk() {
        let folder = tempfile::tempdir().unwrap();
        // nothing can be written where a file is in place of the folder
        let blocked = folder.path().join("incidents");
        crate::disk::write_atomic(&blocked, b"").unwrap();
        let incidents = Incidents::new(folder.path(), clock::now());
        let at = Moment::from(clock::now().wall);
        let id = IncidentId::new(at, "shop", |_| false);
        let mut ended = Incident::new(id.clone(), "shop", Severity::Outage, at, at);
        ended.ended = Some(at);
        incidents.inner().unsaved.put(ended, true);
        for who in ["Abe", "Ito"] {
            incidents.write(AT_ONCE);
            let acked = incidents.change_ended(&id, |incident| incident.acknowledge(who, "", at)).unwrap();
            assert!(acked.is_closed());
        }
        crate::disk::remove_file(&blocked).unwrap();
        incidents.write(AT_ONCE);
        assert!(incidents.inner().unsaved.is_empty());
        let read = incidents.store.read(&id).unwrap();
        let acks = read.timeline.iter().filter(|one| matches!(one.what, Happening::Acknowledged { .. }));
        assert_eq!((read.ended, acks.count()), (Some(at), 2));
        let third = incidents.change_ended(&id, |incident| incident.acknowledge("Ono", "", at)).unwrap();
        assert_eq!(third.timeline.len(), 3, "from the disk");
    }
}
