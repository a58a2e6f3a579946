//! When an origin gets its first check. A start or a reload may bring thousands of origins at once, and visitors' requests must
//! not queue behind thousands of checks. Later checks spread by themselves: each waits for its own interval.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;

/// How many start at once.
const AT_ONCE: u32 = 100;
/// The others follow at this interval: a thousand a second.
const APART: Duration = Duration::from_millis(1);

/// The turns of all origins that wait for their first check.
#[derive(Clone, Debug, Default)]
pub struct FirstChecks(Arc<Mutex<Turns>>);

impl FirstChecks {
    /// How long the next one waits.
    pub(super) fn wait(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wait(clock::instant())
    }
}

#[derive(Debug, Default)]
struct Turns {
    /// Until when the turns given so far keep the checker busy.
    busy_until: Option<Instant>,
}

impl Turns {
    /// The wait of an origin that arrives now (a leaky bucket: the generic cell rate algorithm).
    fn wait(&mut self, now: Instant) -> Duration {
        let begin = self.busy_until.map_or(now, |until| until.max(now));
        self.busy_until = Some(begin + APART);
        begin.saturating_duration_since(now).saturating_sub(APART * AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_go_at_once_and_the_others_one_after_the_other() {
        let now = clock::instant();
        let mut turns = Turns::default();
        let waits: Vec<Duration> = (0..10_000).map(|_| turns.wait(now)).collect();
        assert!(waits[..=100].iter().all(Duration::is_zero));
        assert_eq!(waits[101], APART);
        assert_eq!(waits[9_999], APART * 9_899);
        assert_eq!(turns.wait(now + APART * 9_950), Duration::ZERO, "a reload later on");
        assert_eq!(Turns::default().wait(now), Duration::ZERO);
    }
}
