//! The only file that reads the clocks. Everything below it takes `now` as an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One reading of both clocks, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For durations and deadlines; never goes back.
    pub mono: Instant,
    /// For what leaves the process (dates in headers, file names); may be set back by an operator.
    pub wall: SystemTime,
}

/// Reads both clocks.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clocks")]
pub fn now() -> Now {
    Now { mono: Instant::now(), wall: SystemTime::now() }
}

/// Reads the monotonic clock alone, for what never leaves the process.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clocks")]
pub fn instant() -> Instant {
    Instant::now()
}

impl Now {
    /// Both clocks, `d` later.
    pub fn plus(self, d: Duration) -> Now {
        Now { mono: self.mono + d, wall: self.wall + d }
    }

    /// Whether nobody has set the wall clock since `earlier`, nor has the machine slept: both clocks have run as far, but for
    /// what a correction of its speed makes.
    pub fn runs_on_from(self, earlier: Now) -> bool {
        let ran = self.mono.saturating_duration_since(earlier.mono);
        let expected = earlier.wall + ran;
        let off = self.wall.duration_since(expected).unwrap_or_else(|error| error.duration());
        off < Duration::from_secs(5) + ran / 1000
    }

    /// The wall clock in whole seconds since the epoch.
    pub fn unix(self) -> u64 {
        unix(self.wall)
    }
}

/// `t` in whole seconds since the epoch; 0 for times before it.
pub fn unix(t: SystemTime) -> u64 {
    t.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
