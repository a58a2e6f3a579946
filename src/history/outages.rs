//! The times in which visitors did not get the live site: short ones are no outage, and what flaps is one.

use serde::{Deserialize, Serialize};

use super::gets::Gets;

/// Shorter than this is not remembered, in seconds.
const LEAST: u64 = 60;
/// What begins again within this time goes on, in seconds.
const AGAIN: u64 = 300;
/// As many are remembered.
const MOST: usize = 200;

/// One of them; times in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// When it began.
    pub from: u64,
    /// When it ended; `None`: it has not.
    pub until: Option<u64>,
    /// The least that visitors got.
    pub worst: Gets,
}

/// The oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outages(pub(super) Vec<Outage>);

impl Outages {
    /// Visitors get this now. Returns whether anything is new.
    pub(super) fn note(&mut self, now: u64, gets: Gets) -> bool {
        let last = self.0.last_mut();
        match (gets, last) {
            (Gets::Unknown, _) => false,
            (Gets::Live, _) => self.close(now),
            (_, Some(last)) if last.until.is_none_or(|until| now.saturating_sub(until) < AGAIN) => {
                let before = *last;
                *last = Outage { from: last.from, until: None, worst: last.worst.max(gets) };
                before != *last
            }
            (_, _) => {
                if self.0.len() >= MOST {
                    self.0.remove(0);
                }
                self.0.push(Outage { from: now, until: None, worst: gets });
                true
            }
        }
    }

    /// Ends the open one at `at`, since when nobody knows what visitors got. Returns whether there was one.
    pub(super) fn close(&mut self, at: u64) -> bool {
        let Some(last) = self.0.last_mut().filter(|last| last.until.is_none()) else { return false };
        last.until = Some(at.max(last.from));
        if at.saturating_sub(last.from) < LEAST {
            self.0.pop();
        }
        true
    }

    /// Whether one is open.
    pub(super) fn is_open(&self) -> bool {
        self.0.last().is_some_and(|last| last.until.is_none())
    }

    /// Drops what began after `now`, and ends at `now` what ended after it: a clock that went ahead made it so.
    pub(super) fn drop_after(&mut self, now: u64) {
        self.0.retain(|outage| outage.from <= now);
        for outage in &mut self.0 {
            outage.until = outage.until.map(|until| until.min(now));
        }
    }

    /// Those that were not over at `since`, the newest first; one that has only begun is not among them yet.
    pub(super) fn since(&self, since: u64, now: u64) -> Vec<Outage> {
        let is_long = |outage: &&Outage| outage.until.unwrap_or(now).saturating_sub(outage.from) >= LEAST;
        let of_late = |outage: &&Outage| outage.until.is_none_or(|until| until >= since);
        self.0.iter().rev().filter(is_long).filter(of_late).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(steps: &[(u64, Gets)]) -> Vec<(u64, Option<u64>, Gets)> {
        let mut outages = Outages::default();
        for (at, gets) in steps {
            outages.note(*at, *gets);
        }
        outages.0.iter().map(|outage| (outage.from, outage.until, outage.worst)).collect()
    }

    #[test]
    fn an_outage_has_a_beginning_an_end_and_its_worst() {
        for (steps, expected) in [
            (&[(0, Gets::Live), (9, Gets::Unknown)][..], vec![]),
            (&[(0, Gets::Copies)], vec![(0, None, Gets::Copies)]),
            (&[(0, Gets::Copies), (59, Gets::Live)], vec![]),
            (&[(0, Gets::Copies), (60, Gets::Live)], vec![(0, Some(60), Gets::Copies)]),
            (&[(0, Gets::Holding), (60, Gets::Copies), (90, Gets::Live)], vec![(0, Some(90), Gets::Holding)]),
            (&[(0, Gets::Copies), (60, Gets::Unknown), (99, Gets::Live)], vec![(0, Some(99), Gets::Copies)]),
            // what flaps is one
            (
                &[(0, Gets::Partly), (70, Gets::Live), (369, Gets::Copies), (400, Gets::Live)],
                vec![(0, Some(400), Gets::Copies)],
            ),
            (
                &[(0, Gets::Partly), (70, Gets::Live), (370, Gets::Copies)],
                vec![(0, Some(70), Gets::Partly), (370, None, Gets::Copies)],
            ),
        ] {
            assert_eq!(after(steps), expected, "{steps:?}");
        }
    }

    #[test]
    fn one_ends_where_nobody_looked_any_more() {
        let mut outages = Outages::default();
        outages.note(0, Gets::Holding);
        assert!(outages.is_open() && outages.close(90) && !outages.is_open() && !outages.close(99));
        assert_eq!(outages.0[0].until, Some(90));
        outages.note(1000, Gets::Copies);
        assert!(outages.close(1030));
        assert_eq!(outages.0.len(), 1, "too short");
        outages.note(2000, Gets::Copies);
        outages.drop_after(1999);
        assert_eq!(outages.0.len(), 1);
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let mut outages = Outages::default();
        for n in 0..MOST as u64 + 5 {
            outages.note(n * 1000, Gets::Holding);
            outages.note(n * 1000 + 100, Gets::Live);
        }
        assert_eq!((outages.0.len(), outages.0[0].from), (MOST, 5000));
        assert_eq!(outages.since(203_100, 0).len(), 2);
        assert_eq!(outages.since(203_101, 0).len(), 1);
    }
}
