//! How close an end is.

use std::time::{Duration, SystemTime};

/// The days before an end at which it is told.
pub const STEPS: [u16; 5] = [30, 14, 7, 3, 1];
/// A day.
pub const DAY: Duration = Duration::from_secs(86_400);

/// How a moment stands to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// More than 30 days away.
    Far,
    /// So many whole days are left, and this of the [`STEPS`] has come.
    Near {
        /// Whole days left.
        days: u16,
        /// The step: the smallest that is not smaller than the time left.
        step: u16,
    },
    /// It is over, or just now.
    Over,
}

/// How `now` stands to `end`.
pub fn deadline(end: SystemTime, now: SystemTime) -> Deadline {
    let left = match end.duration_since(now) {
        Ok(left) if !left.is_zero() => left,
        Ok(_) | Err(_) => return Deadline::Over,
    };
    let reached = |step: &&u16| left <= DAY * u32::from(**step);
    match STEPS.iter().rev().find(reached) {
        Some(&step) => Deadline::Near { days: u16::try_from(left.as_secs() / 86_400).unwrap_or(step), step },
        None => Deadline::Far,
    }
}

/// The time left in words.
pub fn in_days(days: u16) -> String {
    match days {
        0 => "less than a day left".to_owned(),
        1 => "1 day left".to_owned(),
        days => format!("{days} days left"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_comes_once_and_in_order() {
        let end = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let hour = Duration::from_secs(3600);
        for (left, expected) in [
            (400 * DAY, Deadline::Far),
            (30 * DAY + hour, Deadline::Far),
            (30 * DAY, Deadline::Near { days: 30, step: 30 }),
            (20 * DAY + hour, Deadline::Near { days: 20, step: 30 }),
            (14 * DAY, Deadline::Near { days: 14, step: 14 }),
            (14 * DAY - hour, Deadline::Near { days: 13, step: 14 }),
            (7 * DAY, Deadline::Near { days: 7, step: 7 }),
            (3 * DAY, Deadline::Near { days: 3, step: 3 }),
            (DAY, Deadline::Near { days: 1, step: 1 }),
            (hour, Deadline::Near { days: 0, step: 1 }),
            (Duration::ZERO, Deadline::Over),
        ] {
            assert_eq!(deadline(end, end - left), expected, "{left:?}");
        }
        assert_eq!(deadline(end, end + hour), Deadline::Over);
        assert_eq!(deadline(end, SystemTime::UNIX_EPOCH), Deadline::Far, "however far the clock is off");
    }
}
