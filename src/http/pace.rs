//! The minimum rate at which a client has to send and to read. A phone on a train may pause and go on; whoever sends byte by
//! byte to occupy a connection does not get far.

use std::time::{Duration, Instant};

/// No sender is measured before this time has passed.
pub const GRACE: Duration = Duration::from_secs(20);
/// Bytes a second, on average, that have to move after that. A bad mobile connection has ten times as many.
pub const LEAST_RATE: u64 = 500;
/// The longest time in which nothing comes at all, however fast it was before.
pub const STILL: Duration = Duration::from_secs(30);
/// So much time at most is earned ahead by sending fast: who has sent much is not slow for hours at somebody's cost.
const AHEAD: Duration = Duration::from_secs(60);
/// The same two for readers: what the kernel has taken moves in steps, and a film is paused.
pub const READING: Duration = Duration::from_secs(60);

/// How a transfer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    begun: Instant,
    moved: Instant,
    bytes: u64,
    grace: Duration,
    still: Duration,
}

impl Pace {
    /// A client begins to send.
    pub fn sending(now: Instant) -> Pace {
        Pace { begun: now, moved: now, bytes: 0, grace: GRACE, still: STILL }
    }

    /// Bytes begin to wait for a client to read them. Nothing may stand still for longer than `most`.
    pub fn reading(most: Duration, now: Instant) -> Pace {
        let still = READING.min(most);
        Pace { begun: now, moved: now, bytes: 0, grace: still, still }
    }

    /// Notes that this many more bytes have moved.
    pub fn note(&mut self, bytes: u64, now: Instant) {
        if bytes > 0 {
            self.bytes += bytes;
            self.moved = now;
            let most = now + self.grace.max(AHEAD);
            if self.by_rate().is_none_or(|until| until > most) {
                (self.begun, self.bytes) = (most - self.grace, 0);
            }
        }
    }

    /// So long it was somebody else who let it wait.
    pub fn excuse(&mut self, time: Duration) {
        self.begun += time;
        self.moved += time;
    }

    /// When the bytes that have moved so far are too few.
    fn by_rate(&self) -> Option<Instant> {
        let earned = Duration::from_millis(self.bytes.saturating_mul(1000) / LEAST_RATE);
        self.begun.checked_add(self.grace + earned)
    }

    /// When it has to be given up, unless something moves before that.
    pub fn deadline(&self) -> Instant {
        let by_rate = self.by_rate().unwrap_or(self.moved + self.still);
        by_rate.min(self.moved + self.still)
    }
}

/// How long an answer waits for a reader who keeps up.
pub const BEHIND: Duration = Duration::from_secs(1);

/// Whether the reader of an answer keeps up with whoever sends it: for whom it waits, and whether it has ever waited for
/// the reader.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lag {
    since: Option<Instant>,
    was_behind: bool,
}

impl Lag {
    /// There is something for the reader. Until the sender is waited for again, however much is read meanwhile, it is the
    /// reader whom the answer waits for.
    pub fn give(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// The reader has taken all that there is.
    pub fn catch_up(&mut self, now: Instant) {
        self.was_behind = self.has_let_wait(now);
        self.since = None;
    }

    /// Whether it is the reader whom the answer waits for, and has been for a while.
    pub fn is_behind(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.saturating_duration_since(since) >= BEHIND)
    }

    /// Whether the sender may have given up because of the reader: its time to write runs while nobody reads.
    pub fn has_let_wait(&self, now: Instant) -> bool {
        self.was_behind || self.is_behind(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_at_first_is_no_leave_to_trickle() {
        let start = crate::clock::instant();
        let at = |second: u64| start + Duration::from_secs(second);
        let mut pace = Pace::sending(start);
        pace.note(64 << 20, at(1));
        let end = (2..1000).find(|second| {
            let over = at(*second) >= pace.deadline();
            pace.note(1, at(*second));
            over
        });
        assert_eq!(end, Some(62));
    }

    #[test]
    fn time_that_another_takes_is_not_the_senders() {
        let start = crate::clock::instant();
        let mut pace = Pace::sending(start);
        assert_eq!(pace.deadline(), start + GRACE);
        pace.excuse(Duration::from_secs(100));
        assert_eq!(pace.deadline(), start + GRACE + Duration::from_secs(100));
    }

    #[test]
    fn a_reader_lets_wait_who_does_not_take_what_there_is() {
        let start = crate::clock::instant();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut lag = Lag::default();
        assert!(!lag.has_let_wait(at(9000)), "the sender has sent nothing");
        lag.give(start);
        lag.catch_up(at(900));
        assert!(!lag.has_let_wait(at(9000)));
        lag.give(at(9000));
        lag.give(at(9900));
        assert!(lag.has_let_wait(at(10_000)), "never caught up since");
        lag.catch_up(at(10_000));
        assert!(lag.has_let_wait(at(10_001)), "the sender's time may be over later");
    }

    /// Sends `bytes` every `every` seconds; the second at which that is given up, of an hour.
    fn given_up(bytes: u64, every: u64) -> Option<u64> {
        let start = crate::clock::instant();
        let mut pace = Pace::sending(start);
        for second in 0..3600 {
            let now = start + Duration::from_secs(second);
            if now >= pace.deadline() {
                return Some(second);
            }
            if second % every == 0 {
                pace.note(bytes, now);
            }
        }
        None
    }

    #[test]
    fn the_slow_survive_and_the_trickle_does_not() {
        for (bytes, every, end) in [
            (0, 1, Some(20)),
            (1, 1, Some(21)),          // a byte a second
            (400, 1, Some(100)),       // not quite enough
            (500, 1, None),            // just enough
            (4096, 8, None),           // GPRS
            (65_536, 29, None),        // in fits and starts
            (1 << 30, 3600, Some(30)), // a gigabyte, and then nothing
        ] {
            let found = given_up(bytes, every);
            assert_eq!(found, end, "{bytes} bytes every {every} s");
        }
    }
}
