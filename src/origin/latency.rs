//! How long an origin usually takes: lately, so that a slow but living site is not taken for a dead one; and over hours, so that
//! nobody waits for what has just become slow.

use std::time::{Duration, Instant};

/// The share of a new sample in the average: the last dozen or so answers speak.
const SHARE: f64 = 1.0 / 8.0;

/// An exponentially weighted moving average of the time to the answer's header fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecentLatency(Option<f64>);

impl RecentLatency {
    /// Records one good answer's time.
    pub fn observe(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.0 = Some(match self.0 {
            None => took,
            Some(usual) => usual + (took - usual) * SHARE,
        });
    }

    /// Records a time that is known to be needed: what is usual is no less from now on.
    pub fn at_least(&mut self, took: Duration) {
        self.0 = Some(self.0.unwrap_or_default().max(took.as_secs_f64()));
    }

    /// What it usually takes, if anything was seen.
    pub fn get(self) -> Option<Duration> {
        self.0.map(Duration::from_secs_f64)
    }
}

/// Answers from which what is typical is learned at once: nothing is known before them.
const FIRST: u32 = 16;
/// How long what takes longer than before must go on until it is typical. A brown-out of an hour is still one.
const HOURS: Duration = Duration::from_secs(2 * 3600);
/// A slower answer counts as no more than so many times the typical one,
const TIMES: f64 = 2.0;
/// or as so many seconds, if that is longer: from next to nothing, the way up would be too long.
const SLOW: f64 = 0.25;

/// What visitors' answers typically take. It falls as fast as [`RecentLatency`] does, and rises over hours: when a site that took 20 ms
/// takes 5 s, those who could have a copy are not to wait longer for it with every answer that comes.
#[derive(Clone, Copy, Debug, Default)]
pub struct TypicalLatency {
    average: f64,
    seen: u32,
    last: Option<Instant>,
}

impl TypicalLatency {
    /// Records one good answer's time, at `now`.
    pub fn observe(&mut self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let since = self.last.replace(now).map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.seen = self.seen.saturating_add(1);
        if self.seen <= FIRST {
            self.average += (took - self.average) / f64::from(self.seen);
        } else if took <= self.average {
            self.average += (took - self.average) * SHARE;
        } else {
            // Of two answers within a second, the second says little that is new.
            let share = since.div_duration_f64(HOURS).min(SHARE);
            self.average += (took.min((self.average * TIMES).max(SLOW)) - self.average) * share;
        }
    }

    /// What they take, if there were any.
    pub fn get(self) -> Option<Duration> {
        (self.seen > 0).then(|| Duration::from_secs_f64(self.average.max(0.0)))
    }
}

/// How long to wait for the origin when there is a copy: at least `least`, and at least three times what such an
/// answer typically takes, at most `most`.
pub fn patience(typical: Option<Duration>, least: Duration, most: Duration) -> Duration {
    typical.map_or(least, |typical| (typical * 3).max(least)).min(most.max(least))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn after(samples: &[u64]) -> RecentLatency {
        let mut usual = RecentLatency::default();
        samples.iter().for_each(|&ms| usual.observe(MS(ms)));
        usual
    }

    /// What is typical in milliseconds after so many answers of `took` milliseconds, `apart` milliseconds from each other, for each part.
    fn typical(parts: &[(u32, u64, u64)]) -> Vec<u128> {
        let (mut typical, mut now) = (TypicalLatency::default(), crate::clock::instant());
        let part = |&(many, took, apart): &(u32, u64, u64)| {
            for _ in 0..many {
                now += MS(apart);
                typical.observe(MS(took), now);
            }
            typical.get().unwrap().as_millis()
        };
        parts.iter().map(part).collect()
    }

    #[test]
    fn patience_is_three_times_the_typical_within_its_bounds() {
        for (typical, wait) in [(None, 1000), (Some(55), 1000), (Some(1000), 3000), (Some(2000), 4000)] {
            assert_eq!(patience(typical.map(MS), MS(1000), MS(4000)), MS(wait), "{typical:?}");
        }
    }

    #[test]
    fn one_outlier_does_not_change_what_is_usual() {
        let mut samples = vec![100; 20];
        samples.push(2000);
        assert!(after(&samples).get().unwrap() < MS(400));
    }

    #[test]
    fn what_is_typical_is_learned_at_once_and_then_rises_over_hours() {
        assert!(TypicalLatency::default().get().is_none());
        // A site that is always slow.
        assert_eq!(typical(&[(3, 2600, 500)]), [2600]);
        // A brown-out: half an hour of it, in which visitors come once a second or many times, changes little;
        let hour = typical(&[(60, 20, 1000), (1800, 5000, 1000)]);
        assert!(hour[0] == 20 && hour[1] < 120, "{hour:?}");
        let crowded = typical(&[(60, 20, 1000), (18_000, 5000, 100)]);
        assert!(crowded[1] < 120, "{crowded:?}");
        // and when it is over, so is what it has changed.
        assert!(typical(&[(60, 20, 1000), (1800, 5000, 1000), (40, 20, 1000)])[2] < 25);
        // A site that has become slower is waited for in the end, however few its visitors are.
        assert!(typical(&[(60, 300, 1000), (24 * 60, 2000, 60_000)])[1] > 1800);
        assert!(typical(&[(60, 300, 1000), (40, 2000, 3_600_000)])[1] > 1800);
        // One answer after a long silence says no more than any other.
        assert!(typical(&[(60, 20, 1000), (1, 5000, 100_000_000)])[1] < 60);
    }
}
