//! The last days, and a clock that somebody may set back.

use std::time::SystemTime;

use crate::clock;

/// How many days are remembered, today included.
pub(super) const DAYS: usize = 7;

/// A day by its number since 1970-01-01, UTC.
pub(super) type Day = u32;

/// The day of a time.
pub(super) fn day_of(time: SystemTime) -> Day {
    Day::try_from(clock::unix(time) / 86_400).unwrap_or(Day::MAX)
}

/// Which day is the newest of those remembered.
///
/// A clock that goes back (set by hand, or a machine that boots in 1970 until it has asked for the time) must not
/// throw the days away: what comes in the meantime belongs to the newest day that is known. Only when the clock has
/// stood behind for a whole day by its own count is it believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calendar {
    newest: Day,
    /// The first day of a clock that is behind.
    behind: Option<Day>,
}

impl Calendar {
    /// With this newest day.
    pub(super) fn at(newest: Day) -> Calendar {
        Calendar { newest, behind: None }
    }

    /// The newest day.
    pub(super) fn newest(&self) -> Day {
        self.newest
    }

    /// Whether `today` is counted as the newest day without more ado.
    pub(super) fn is_settled(&self, today: Day) -> bool {
        if self.behind.is_none() { self.newest == today } else { self.behind == Some(today) }
    }

    /// Moves on to `today`. Returns how many days have ended.
    pub(super) fn turn(&mut self, today: Day) -> u32 {
        if today >= self.newest {
            let gone = today - self.newest;
            *self = Calendar::at(today);
            return gone;
        }
        match self.behind {
            Some(first) if (1..=DAYS as Day).contains(&today.saturating_sub(first)) => {
                *self = Calendar::at(today);
                today - first
            }
            // Not a day's step: the clock was moved again.
            Some(_) | None => {
                self.behind = Some(today);
                0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns through the days; tells how many ended at each, and the newest.
    fn turned(from: Day, days: &[Day]) -> (Vec<u32>, Day) {
        let mut calendar = Calendar::at(from);
        let gone = days
            .iter()
            .map(|&day| {
                let gone = calendar.turn(day);
                assert!(calendar.is_settled(day) && !calendar.is_settled(day + 1));
                gone
            })
            .collect();
        (gone, calendar.newest())
    }

    #[test]
    fn days_end_and_a_clock_that_is_behind_ends_none_at_first() {
        for (from, days, gone, newest) in [
            (100, vec![100, 101, 103], vec![0, 1, 2], 103),
            // set back and set right again: nothing has happened
            (100, vec![97, 97, 100, 101], vec![0, 0, 0, 1], 101),
            // a machine without a clock of its own boots in 1970
            (20_000, vec![0, 20_001], vec![0, 1], 20_001),
            // the days before were of a wrong clock: after a day of its own, the new one is believed
            (50_000, vec![20_000, 20_000, 20_001, 20_002], vec![0, 0, 1, 1], 20_002),
            // set back twice
            (100, vec![90, 80, 81], vec![0, 0, 1], 81),
            (20_000, vec![0, 19_990, 20_000], vec![0, 0, 0], 20_000),
        ] {
            assert_eq!(turned(from, &days), (gone, newest), "{from} {days:?}");
        }
    }

    #[test]
    fn a_day_is_that_of_utc() {
        let at = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        assert_eq!((day_of(at(86_399)), day_of(at(86_400))), (0, 1));
    }
}
