//! When the first check of an origin is made. A start, or a reload, may bring thousands of origins at once, and visitors' requests
//! are not to stand behind thousands of checks. Later ones stay apart by themselves: each waits for its own interval.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;

/// So many are made at once.
const AT_ONCE: u32 = 100;
/// The others follow at this distance: a thousand a second.
const APART: Duration = Duration::from_millis(1);

/// The turns of all origins that are checked for the first time.
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
    /// Those that were given a turn keep the checker busy until then.
    busy_until: Option<Instant>,
}

impl Turns {
    /// The wait of one that comes now (a leaky bucket: the generic cell rate algorithm).
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
