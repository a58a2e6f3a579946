//! What share of visitors got which rung, recently and since the start: from the counters, read every few seconds.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::metrics::{ServedFrom, Totals};

/// "Of late".
const LATE: Duration = Duration::from_secs(300);
/// Between two readings that are kept.
const STEP: Duration = Duration::from_secs(5);

/// Readings of a site's counters, the newest last; the oldest is from the beginning of "of late", or before it. Of a time in
/// which nothing was counted only the first and the last are kept: most sites of many are at rest.
#[derive(Debug)]
pub(super) struct Ring(VecDeque<(Instant, Totals)>);

impl Ring {
    /// Begins with what was counted at `now`.
    pub(super) fn new(now: Instant, totals: Totals) -> Ring {
        Ring(VecDeque::from([(now, totals)]))
    }

    /// Records the counters, if it is time.
    pub(super) fn note(&mut self, now: Instant, totals: Totals) {
        if self.0.back().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= STEP) {
            let before =
                self.0.len().checked_sub(2).and_then(|before| self.0.get(before)).map(|(_, totals)| *totals);
            match self.0.back_mut() {
                Some((at, last)) if *last == totals && before == Some(totals) => *at = now,
                Some(_) | None => self.0.push_back((now, totals)),
            }
        }
        while self.0.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= LATE) {
            self.0.pop_front();
        }
    }

    /// The counters as they were at `then`, or before; the oldest that are known.
    pub(super) fn at(&self, then: Instant) -> Option<Totals> {
        let before = self.0.iter().rev().find(|(at, _)| *at <= then).or(self.0.front());
        before.map(|(_, totals)| *totals)
    }

    /// What was counted after `from`, as far as a reading tells: none is older than `from`.
    pub(super) fn since(&self, from: Instant, totals: Totals) -> Totals {
        let reading = self.0.iter().find(|(at, _)| *at >= from);
        let mut counts = totals;
        let before = reading.map_or(totals, |(_, before)| *before);
        counts.iter_mut().zip(before).for_each(|(count, before)| *count = count.saturating_sub(before));
        counts
    }

    /// The recent counts, and their time span.
    fn late(&self, now: Instant, totals: Totals) -> (Duration, Totals) {
        let (mut at, before) = self.0.front().copied().unwrap_or((now, totals));
        // nothing was counted from then until after the beginning of "of late"
        if let Some((until, _)) = self.0.get(1).filter(|(_, next)| *next == before) {
            at = now.checked_sub(LATE).map_or(at, |begin| begin.min(*until).max(at));
        }
        let mut counts = totals;
        counts.iter_mut().zip(before).for_each(|(count, before)| *count = count.saturating_sub(before));
        (now.saturating_duration_since(at), counts)
    }
}

/// Which rungs visitors got.
#[derive(Debug, Serialize)]
pub struct Shares {
    /// In the last five minutes, or since the start if that is less.
    pub late: Counted,
    /// Since the start.
    pub all: Counted,
}

/// The rungs in one stretch of time.
#[derive(Debug, Serialize)]
pub struct Counted {
    /// How long it is.
    pub seconds: u64,
    /// How many requests there were.
    pub requests: u64,
    /// The shares of those rungs that somebody got, from 0 to 1.
    pub shares: BTreeMap<&'static str, f64>,
}

impl Shares {
    /// Of the counters' readings.
    pub(super) fn of(ring: &Ring, now: Instant, started: Instant, totals: Totals) -> Shares {
        let (late, counts) = ring.late(now, totals);
        Shares {
            late: Counted::of(late, counts),
            all: Counted::of(now.saturating_duration_since(started), totals),
        }
    }
}

impl Counted {
    fn of(time: Duration, counts: Totals) -> Counted {
        let requests: u64 = counts.iter().sum();
        let some = ServedFrom::ALL.iter().zip(counts).filter(|(_, count)| *count > 0);
        // Four digits: one visitor of ten thousand is worth knowing of, and no more than that is known.
        let share = |count: u64| (count as f64 / requests as f64 * 1e4).round() / 1e4;
        let shares = some.map(|(answer, count)| (answer.as_str(), share(count))).collect();
        Counted { seconds: time.as_secs(), requests, shares }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(origin: u64, snapshot: u64) -> Totals {
        let mut totals = Totals::default();
        totals[ServedFrom::Origin as usize] = origin;
        totals[ServedFrom::Snapshot as usize] = snapshot;
        totals
    }

    #[test]
    fn shares_are_of_the_last_minutes_and_of_all() {
        let begin = crate::clock::instant();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut ring = Ring::new(begin, totals(0, 0));
        let of = |ring: &Ring, seconds, counts| Shares::of(ring, at(seconds), begin, counts);
        let early = of(&ring, 3, totals(3, 1));
        assert_eq!((early.late.requests, early.late.seconds, early.late.shares["origin"]), (4, 3, 0.75));
        for second in 0..=900 {
            ring.note(
                at(second),
                totals(if second < 400 { second } else { 400 }, second.saturating_sub(400)),
            );
        }
        assert!(ring.0.len() <= 62, "{}", ring.0.len());
        let now = of(&ring, 900, totals(400, 500));
        assert_eq!(now.late.shares, BTreeMap::from([("snapshot", 1.0)]));
        assert_eq!((now.late.seconds, now.late.requests), (300, 300));
        assert_eq!((now.all.requests, now.all.shares["origin"]), (900, 0.4444));
    }

    #[test]
    fn a_site_at_rest_keeps_two_readings_and_its_time_is_right() {
        let begin = crate::clock::instant();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut ring = Ring::new(begin, totals(0, 0));
        (0..=5000).for_each(|second| ring.note(at(second), totals(0, 0)));
        assert!(ring.0.len() == 2 && ring.0.capacity() <= 4, "{} of {}", ring.0.len(), ring.0.capacity());
        let late = |ring: &Ring, seconds, counts| {
            let late = Shares::of(ring, at(seconds), begin, counts).late;
            (late.seconds, late.requests)
        };
        assert_eq!(late(&ring, 5000, totals(2, 0)), (300, 2));
        (5000..=5200).for_each(|second| ring.note(at(second), totals(second - 5000, 0)));
        assert_eq!(late(&ring, 5200, totals(200, 0)), (300, 200));
        assert_eq!(late(&ring, 5400, totals(200, 0)), (400, 200), "as if nobody had looked for a while");
        (5201..=5400).for_each(|second| ring.note(at(second), totals(200, 0)));
        assert_eq!(late(&ring, 5400, totals(200, 0)), (300, 100));
    }

    #[test]
    fn only_what_came_after_a_moment_is_counted_from_it() {
        let begin = crate::clock::instant();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut ring = Ring::new(begin, totals(0, 0));
        (0..=60).for_each(|second| ring.note(at(second), totals(second, 0)));
        let since = |seconds| ring.since(at(seconds), totals(62, 3));
        assert_eq!(since(0), totals(62, 3));
        assert_eq!(since(31), totals(27, 3), "the reading of second 35");
        assert_eq!(since(61), totals(0, 0), "no reading yet");
    }

    #[test]
    fn nobody_came() {
        let now = crate::clock::instant();
        let answers = Shares::of(&Ring::new(now, totals(7, 7)), now, now, totals(7, 7));
        assert_eq!((answers.late.requests, answers.late.shares.len()), (0, 0));
    }
}
