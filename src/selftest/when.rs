//! When a self-test runs by itself. Pure.

/// The hours of the day in which it runs: people sleep, and crawls of the night are mostly over.
const QUIET: std::ops::Range<u64> = 3..5;
/// Whoever is switched off at night gets it this much later, in seconds, at whatever hour.
const LATE: u64 = 86_400;
/// Not sooner after a start, in seconds: there is more important work then.
const SETTLED: u64 = 3600;

/// What it depends on; times in seconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// From one to the next, in seconds.
    pub every: u64,
    /// The last one; `None`: there was none.
    pub last: Option<u64>,
    /// When the process began.
    pub started: u64,
    /// What the wall clock of the site's people is ahead of UTC, in seconds.
    pub zone: i64,
}

impl Schedule {
    /// Whether it is time. A clock that was set back makes it due: better once too often.
    pub fn is_due(&self, now: u64) -> bool {
        if now < self.started.saturating_add(SETTLED) {
            return false;
        }
        // the first one waits for a night, too; so that it begins at the same hour each time, half a day early is due
        let since = self.last.filter(|last| *last <= now).map(|last| now - last);
        let slack = (self.every / 14).min(43_200);
        let local = now.saturating_add_signed(self.zone);
        let is_quiet = QUIET.contains(&(local / 3600 % 24));
        match since {
            Some(since) if since >= self.every.saturating_add(LATE) => true,
            Some(since) => since >= self.every.saturating_sub(slack) && is_quiet,
            None => is_quiet || now >= self.started.saturating_add(LATE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_once_a_week_at_night() {
        const DAY: u64 = 86_400;
        let week = 7 * DAY;
        // a midnight, UTC
        let midnight = 20_000 * DAY;
        let at = |day: u64, hour: u64| midnight + day * DAY + hour * 3600;
        for (last, now, zone, expected, why) in [
            (None, at(0, 12), 0, false, "the first waits for the night"),
            (None, at(1, 3), 0, true, "and comes then"),
            (None, at(0, 18), 9 * 3600, true, "the night of the people"),
            (None, at(2, 12), 0, true, "or a day later"),
            (Some(at(1, 3)), at(7, 4), 0, false, "not twice a week"),
            (Some(at(1, 4)), at(8, 3), 0, true, "a week later, an hour earlier"),
            (Some(at(1, 3)), at(8, 12), 0, false, "by day it waits"),
            (Some(at(1, 3)), at(9, 12), 0, true, "but not for ever"),
            (Some(at(9, 3)), at(2, 3), 0, true, "a clock that was set back"),
        ] {
            let schedule = Schedule { every: week, last, started: at(0, 1), zone };
            assert_eq!(schedule.is_due(now), expected, "{why}");
        }
        let fresh = Schedule { every: week, last: None, started: at(0, 3), zone: 0 };
        assert!(!fresh.is_due(at(0, 3) + 60), "not at the start");
    }
}
