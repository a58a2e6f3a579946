//! One channel: whether it works, and when it is tried again. In memory: after a restart it is found out again.

use std::time::{Duration, Instant};

use crate::clock::Now;
use crate::messages::{Again, NotTaken};

/// The first pause after a failure; each further one doubles it.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest.
const PAUSE_MOST: Duration = Duration::from_secs(600);
/// The longest that a channel may ask for.
const ASKED_MOST: Duration = Duration::from_secs(3600);
/// A channel that fails for so long is a condition of its own.
const UNDELIVERED: Duration = Duration::from_secs(15 * 60);

/// How a channel does.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    is_busy: bool,
    failures: u32,
    next: Option<Instant>,
    /// Messages that wait for it.
    pub(super) waiting: usize,
    pub(super) failing_since: Option<Now>,
    pub(super) last_error: Option<NotTaken>,
    /// When it last took a message, in seconds since the epoch.
    pub(super) last_sent: Option<u64>,
}

impl Lane {
    /// Whether it may be sent something now; then somebody is at it.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let may = !self.is_busy && self.next.is_none_or(|next| now >= next);
        self.is_busy |= may;
        may
    }

    /// Nobody is at it any more.
    pub(super) fn end(&mut self) {
        self.is_busy = false;
    }

    pub(super) fn took(&mut self, now: Now) {
        let (is_busy, waiting) = (self.is_busy, self.waiting);
        *self = Lane { is_busy, waiting, last_sent: Some(now.unix()), ..Lane::default() };
    }

    /// Returns whether that is news.
    pub(super) fn failed(&mut self, why: NotTaken, now: Now) -> bool {
        let is_news = self.last_error.as_ref().is_none_or(|last| last.code != why.code);
        let pause = match why.again {
            Again::After(pause) => pause.clamp(PAUSE, ASKED_MOST),
            Again::Later | Again::Never => PAUSE.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MOST),
        };
        self.failures += 1;
        self.next = Some(now.mono + pause);
        self.failing_since.get_or_insert(now);
        self.last_error = Some(why);
        is_news
    }

    /// So many wait for it now. With none, nobody knows whether it would still fail.
    pub(super) fn waits(&mut self, count: usize) {
        self.waiting = count;
        if count == 0 {
            (self.failures, self.next, self.failing_since) = (0, None, None);
        }
    }

    /// A message that nobody waits for did not arrive.
    pub(super) fn refused_a_test(&mut self, why: NotTaken) {
        self.last_error = Some(why);
    }

    /// Why it does not work, if it has not worked for long.
    pub(super) fn is_undelivered(&self, now: Instant) -> Option<&NotTaken> {
        let since = self.failing_since?;
        let is_long = self.waiting > 0 && now.saturating_duration_since(since.mono) > UNDELIVERED;
        self.last_error.as_ref().filter(|_| is_long)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_channel_that_fails_is_tried_more_and_more_seldom_and_never_given_up() {
        let why = NotTaken { again: Again::Later, code: "refused".to_owned(), detail: String::new() };
        let (mut lane, mut now) = (Lane { waiting: 1, ..Lane::default() }, clock::now());
        let begin = now;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            assert!(lane.begin(now.mono) && !lane.begin(now.mono));
            lane.end();
            assert_eq!(lane.failed(why.clone(), now), pauses.is_empty());
            let from = now;
            while !lane.begin(now.mono) {
                now = now.plus(Duration::from_secs(5));
            }
            lane.end();
            pauses.push((now.mono - from.mono).as_secs());
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert!(lane.is_undelivered(begin.mono + UNDELIVERED).is_none());
        assert!(lane.is_undelivered(begin.mono + UNDELIVERED + PAUSE).is_some());
        lane.took(now);
        assert!(lane.begin(now.mono) && lane.is_undelivered(now.mono + 2 * UNDELIVERED).is_none());
    }

    #[test]
    fn a_channel_that_says_when_is_tried_then_and_not_before() {
        let now = clock::now();
        for (asked, expected) in [(0, 5), (30, 30), (900, 900), (86_400, 3600)] {
            let again = Again::After(Duration::from_secs(asked));
            let why = NotTaken { again, code: "status-429".to_owned(), detail: String::new() };
            let mut lane = Lane { failures: 9, ..Lane::default() };
            lane.failed(why, now);
            let after = |seconds| now.mono + Duration::from_secs(seconds);
            assert!(!lane.begin(after(expected - 1)) && lane.begin(after(expected)), "{asked}");
        }
    }

    #[test]
    fn a_channel_that_nothing_waits_for_is_not_undelivered() {
        let why = |again| NotTaken { again, code: "status-400".to_owned(), detail: String::new() };
        let (mut lane, now) = (Lane::default(), clock::now());
        let later = now.mono + 2 * UNDELIVERED;
        lane.waits(1);
        lane.refused_a_test(why(Again::Later));
        assert!(
            lane.is_undelivered(later).is_none() && lane.begin(now.mono),
            "a test says nothing of alerts"
        );
        lane.end();
        lane.failed(why(Again::Never), now);
        assert!(lane.is_undelivered(later).is_some() && !lane.begin(now.mono));
        lane.waits(0);
        assert!(lane.is_undelivered(later).is_none() && lane.failing_since.is_none() && lane.begin(now.mono));
        assert_eq!(lane.last_error.unwrap().code, "status-400", "that is still to be seen");
    }
}
