//! How many requests may be retried. If everybody retried, the load on what is left of a site would double just when it can
//! bear it least; so retries are a share of the requests, plus a few for sites with few visitors.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Retries per request.
const SHARE: f64 = 0.2;
/// Retries per second, even without requests.
const FLOOR: f64 = 5.0;
/// The retries available at the start,
const FIRST: f64 = 50.0;
/// and at most, however many requests went well before: an origin that dies loses no more than it was answering.
const MOST: f64 = 512.0;

/// The budget of one site.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// Requests that are not counted yet, so that a request that goes well takes no lock.
    asked: AtomicU32,
    purse: Mutex<Option<Purse>>,
}

#[derive(Clone, Copy, Debug)]
struct Purse {
    tokens: f64,
    at: Instant,
}

impl Budget {
    /// A request was made.
    pub(super) fn note_request(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one retry, if there is one left.
    pub(super) fn take(&self, now: Instant) -> Option<()> {
        let mut purse = self.purse.lock().unwrap_or_else(PoisonError::into_inner);
        let before = purse.unwrap_or(Purse { tokens: FIRST, at: now });
        let asked = f64::from(self.asked.swap(0, Ordering::Relaxed));
        let passed = now.saturating_duration_since(before.at).as_secs_f64();
        let tokens = (before.tokens + asked * SHARE + passed * FLOOR).min(MOST);
        let left = (tokens >= 1.0).then_some(tokens - 1.0);
        *purse = Some(Purse { tokens: left.unwrap_or(tokens), at: before.at.max(now) });
        left.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn taken(budget: &Budget, now: Instant) -> usize {
        (0..10_000).take_while(|_| budget.take(now).is_some()).count()
    }

    #[test]
    fn second_tries_are_a_share_of_requests_and_a_few_besides() {
        let begin = crate::clock::instant();
        let at = |n| begin + Duration::from_secs(n);
        let budget = Budget::default();
        assert_eq!(taken(&budget, at(0)), 50, "the first");
        assert_eq!(taken(&budget, at(0)), 0);
        assert_eq!(taken(&budget, at(2)), 10, "the floor");
        (0..1000).for_each(|_| budget.note_request());
        assert_eq!(taken(&budget, at(2)), 200, "a fifth");
        (0..100_000).for_each(|_| budget.note_request());
        assert_eq!(taken(&budget, at(2)), 512, "no more than this at once");
        assert_eq!(taken(&budget, at(3)), 5);
    }
}
