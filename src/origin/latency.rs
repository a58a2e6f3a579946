//! How long an origin usually takes, so that a slow but living site is not taken for a dead one.

use std::time::Duration;

/// The share of a new sample in the average: the last dozen or so answers speak.
const SHARE: f64 = 1.0 / 8.0;

/// An exponentially weighted moving average of the time to the answer's header fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct TypicalLatency(Option<f64>);

impl TypicalLatency {
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

/// How long to wait for the origin when there is a copy: at least `least`, and at least three times what such an
/// answer usually takes, at most `most`.
pub fn patience(usual: TypicalLatency, least: Duration, most: Duration) -> Duration {
    usual.get().map_or(least, |usual| (usual * 3).max(least)).min(most.max(least))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn after(samples: &[u64]) -> TypicalLatency {
        let mut usual = TypicalLatency::default();
        samples.iter().for_each(|&ms| usual.observe(MS(ms)));
        usual
    }

    #[test]
    fn patience_is_three_times_the_usual_within_its_bounds() {
        let wait = |usual| patience(usual, MS(1000), MS(4000));
        assert_eq!(wait(after(&[])), MS(1000));
        assert_eq!(wait(after(&[50, 60])), MS(1000));
        assert_eq!(wait(after(&[1000; 4])), MS(3000));
        assert_eq!(wait(after(&[2000; 4])), MS(4000));
    }

    #[test]
    fn one_outlier_does_not_change_what_is_usual() {
        let mut samples = vec![100; 20];
        samples.push(2000);
        assert!(after(&samples).get().unwrap() < MS(400));
    }
}
