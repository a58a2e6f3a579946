//! When the site says that it will be back: its own 503 says so in Retry-After (RFC 9110 section 10.2.3). The holding page
//! tells visitors the same.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Now;

/// A longer wait is not passed on: a site that is back early would miss its visitors, and search engines, for as long.
const LONGEST: u64 = 3600;

/// The time, in seconds since the epoch; 0: it has not said.
#[derive(Debug, Default)]
pub struct Returns(AtomicU64);

impl Returns {
    /// The site has refused an answer, and said how long to wait, or not.
    pub fn hear(&self, wait: Option<Duration>, now: Now) {
        let at = wait.map_or(0, |wait| now.unix() + wait.as_secs().min(LONGEST));
        self.0.store(at, Ordering::Relaxed);
    }

    /// How long there is still to wait.
    pub fn wait(&self, now: Now) -> Option<Duration> {
        // a clock that was set back makes no promise longer
        let left = self.0.load(Ordering::Relaxed).saturating_sub(now.unix()).min(LONGEST);
        (left > 0).then(|| Duration::from_secs(left))
    }

    /// It is back.
    pub(super) fn end(&self) {
        if self.0.load(Ordering::Relaxed) != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_site_has_said_holds_until_then_and_not_for_ever() {
        let (returns, now) = (Returns::default(), crate::clock::now());
        let at = |seconds| now.plus(Duration::from_secs(seconds));
        let left = |at| returns.wait(at).map(|wait| wait.as_secs());
        assert_eq!(left(now), None);
        for (said, later, expected) in [
            (Some(600), 0, Some(600)),
            (Some(600), 150, Some(450)),
            (Some(600), 600, None),
            (Some(0), 0, None),
            (Some(86_400 * 30), 0, Some(3600)),
            (None, 0, None),
        ] {
            returns.hear(said.map(Duration::from_secs), now);
            assert_eq!(left(at(later)), expected, "{said:?} after {later} s");
        }
        returns.hear(Some(Duration::from_secs(600)), now);
        returns.end();
        assert_eq!(left(now), None);
    }
}
