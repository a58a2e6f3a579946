//! An origin's last good signs, what its checks saw since then, and how long they usually take.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::latency::RecentLatency;
use super::tally::Tally;
use crate::clock::Now;
use crate::failure::Sightings;

/// A reading of its clock that is older says nothing of today.
const AHEAD_HOLDS: Duration = Duration::from_secs(6 * 3600);

/// Signs of life. Noted for each page that a visitor gets, so without a lock.
pub(super) struct Signs {
    born: Instant,
    /// When the last good check began, and when the last page came: milliseconds after `born`, and one; 0: never.
    check: AtomicU64,
    page: AtomicU64,
    /// How long a check's requests usually take.
    usual: Mutex<RecentLatency>,
    /// What visitors' pages took since somebody looked.
    pub(super) tally: Tally,
    /// By how many seconds our clock was ahead of its own, and when that was.
    ahead: Mutex<Option<(i64, Now)>>,
    /// Whether a measurement of how long they take is running.
    pub(super) measuring: AtomicBool,
    /// What checks saw since the last good one.
    pub(super) sightings: Sightings,
}

impl Signs {
    pub(super) fn new(now: Instant) -> Signs {
        Signs {
            born: now,
            check: AtomicU64::new(0),
            page: AtomicU64::new(0),
            usual: Mutex::default(),
            tally: Tally::default(),
            ahead: Mutex::default(),
            measuring: AtomicBool::new(false),
            sightings: Sightings::default(),
        }
    }

    /// A check that began then was good.
    pub(super) fn check(&self, began: Instant) {
        self.check.store(self.mark(began), Ordering::Relaxed);
    }

    /// A visitor got a page now, after so long.
    pub(super) fn page(&self, now: Instant, took: Duration) {
        self.tally.took(took);
        self.page.store(self.mark(now), Ordering::Relaxed);
    }

    /// Its answer had this `Date` when our clock said `now`.
    pub(super) fn dated(&self, date: SystemTime, now: Now) {
        let ahead = now.wall.duration_since(date).map_or_else(|behind| -seconds(behind.duration()), seconds);
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some((ahead, now));
    }

    /// By how many seconds our clock is ahead of its own, as far as that is known since our clock was set last.
    pub(super) fn ahead(&self, now: Now) -> Option<i64> {
        let (ahead, at) = (*self.ahead.lock().unwrap_or_else(PoisonError::into_inner))?;
        let age = now.mono.saturating_duration_since(at.mono);
        (age < AHEAD_HOLDS && now.runs_on_from(at)).then_some(ahead)
    }

    /// Whether a check that began then or later was good.
    pub(super) fn checked_since(&self, then: Instant) -> bool {
        self.check.load(Ordering::Relaxed) >= self.mark(then)
    }

    /// Whether a visitor got a page since then.
    pub(super) fn answered_since(&self, then: Instant) -> bool {
        self.page.load(Ordering::Relaxed) >= self.mark(then)
    }

    /// How long one request of a check took.
    pub(super) fn took(&self, time: Duration) {
        self.usual.lock().unwrap_or_else(PoisonError::into_inner).observe(time);
    }

    /// How long one request took, if nobody cut it off.
    pub(super) fn takes(&self, time: Duration) {
        self.usual.lock().unwrap_or_else(PoisonError::into_inner).at_least(time);
    }

    /// How long a request of a check usually takes.
    pub(super) fn recent_latency(&self) -> RecentLatency {
        *self.usual.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self, at: Instant) -> u64 {
        let after = at.saturating_duration_since(self.born).as_millis();
        u64::try_from(after).unwrap_or(u64::MAX - 1) + 1
    }
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_known_with_its_time() {
        let begin = crate::clock::instant();
        let at = |n| begin + Duration::from_secs(n);
        let signs = Signs::new(begin);
        assert!(!signs.checked_since(begin) && !signs.answered_since(begin), "never");
        signs.check(at(3));
        signs.page(at(5), Duration::ZERO);
        assert!(signs.checked_since(at(3)) && !signs.checked_since(at(4)));
        assert!(signs.answered_since(at(5)) && !signs.answered_since(at(6)));
    }

    #[test]
    fn a_clock_that_was_put_right_is_not_called_wrong() {
        let begin = crate::clock::now();
        let signs = Signs::new(begin.mono);
        assert_eq!(signs.ahead(begin), None);
        let hour = Duration::from_secs(3600);
        signs.dated(begin.wall - 2 * hour, begin);
        let later = begin.plus(hour);
        assert_eq!(signs.ahead(later), Some(7200));
        for wall in [later.wall - 2 * hour, later.wall + 2 * hour] {
            assert_eq!(signs.ahead(Now { wall, ..later }), None, "it was set");
        }
        assert_eq!(signs.ahead(begin.plus(7 * hour)), None, "long ago");
    }

    #[test]
    fn what_nobody_ended_teaches_at_once() {
        let signs = Signs::new(crate::clock::instant());
        (0..20).for_each(|_| signs.took(Duration::from_millis(20)));
        signs.takes(Duration::from_secs(8));
        assert_eq!(signs.recent_latency().get(), Some(Duration::from_secs(8)));
        signs.takes(Duration::from_secs(1));
        assert_eq!(signs.recent_latency().get(), Some(Duration::from_secs(8)));
    }
}
