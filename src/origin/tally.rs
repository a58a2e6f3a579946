//! How long an origin's pages took and how many failed, since somebody last looked: for the comparison of days.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Steps of a fifth each, from a millisecond to two minutes.
const STEPS: usize = 68;

/// The counters. Counted for each page that a visitor or a crawl gets, so without a lock.
pub(super) struct Tally {
    times: [AtomicU32; STEPS],
    bad: AtomicU32,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally { times: std::array::from_fn(|_| AtomicU32::new(0)), bad: AtomicU32::new(0) }
    }
}

impl Tally {
    /// A page came, after so long.
    pub(super) fn took(&self, time: Duration) {
        self.times[step_of(time)].fetch_add(1, Ordering::Relaxed);
    }

    /// None came, or not the site's.
    pub(super) fn failed(&self) {
        self.bad.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds what was counted to `sum`, and begins anew.
    pub(super) fn move_to(&self, sum: &mut Tallied) {
        for (time, count) in sum.times.iter_mut().zip(&self.times) {
            *time += u64::from(count.swap(0, Ordering::Relaxed));
        }
        sum.bad += u64::from(self.bad.swap(0, Ordering::Relaxed));
    }
}

/// What was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tallied {
    times: [u64; STEPS],
    /// Answers that were not the site's.
    pub bad: u64,
}

impl Default for Tallied {
    fn default() -> Tallied {
        Tallied { times: [0; STEPS], bad: 0 }
    }
}

impl Tallied {
    /// From what [`Tallied::counts`] gave, or less of it.
    pub fn of_counts(counts: &[u64]) -> Tallied {
        let mut made = Tallied::default();
        made.times.iter_mut().zip(counts).for_each(|(time, count)| *time = *count);
        made
    }

    /// How many pages took so long, by steps.
    pub fn counts(&self) -> &[u64] {
        &self.times
    }

    /// Adds others.
    pub fn add(&mut self, more: &Tallied) {
        self.times.iter_mut().zip(&more.times).for_each(|(time, count)| *time += count);
        self.bad += more.bad;
    }

    /// Pages that came.
    pub fn answers(&self) -> u64 {
        self.times.iter().sum()
    }

    /// The time in milliseconds that this share of them took at most, within a tenth; 0 if there are none.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let wanted = (self.answers() as f64 * share).ceil() as u64;
        let mut seen = 0;
        let reaches = |count: &u64| {
            seen += count;
            seen >= wanted && wanted > 0
        };
        self.times.iter().position(reaches).map_or(0.0, |step| 2_f64.powf((step as f64 + 0.5) / 4.0))
    }
}

fn step_of(time: Duration) -> usize {
    let ms = time.as_secs_f64() * 1000.0;
    ((ms.max(1.0).log2() * 4.0) as usize).min(STEPS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_within_a_tenth() {
        let tally = Tally::default();
        for ms in [1, 20, 20, 20, 20, 200, 200, 200, 9000, 900_000] {
            tally.took(Duration::from_millis(ms));
        }
        tally.failed();
        let mut sum = Tallied::default();
        tally.move_to(&mut sum);
        assert_eq!((sum.answers(), sum.bad), (10, 1));
        for (share, ms) in [(0.1, 1.09), (0.5, 20.0), (0.8, 200.0), (0.9, 9000.0)] {
            let told = sum.quantile_ms(share);
            assert!((told / ms - 1.0).abs() < 0.1, "{share}: {told} instead of {ms}");
        }
        let mut again = Tallied::default();
        tally.move_to(&mut again);
        assert_eq!((again.clone(), again.quantile_ms(0.5)), (Tallied::default(), 0.0), "it began anew");
    }
}
