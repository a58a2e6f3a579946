//! When the bodies that nothing names any more are removed, in a process that takes the snapshots of many sites. To find out
//! what is still named, the manifests of all sites are read: after each of ten thousand first crawls, that would be a hundred
//! million. So a crawl only notes that there may be something, and the process collects for all sites together: one
//! collection at a time, each followed by a pause in proportion to its duration. Nothing noted is ever dropped: it is done
//! after the pause.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::blobs::Blobs;
use super::collect::{self, Collection};
use super::{BLOBS, locked};
use crate::clock;

/// A collection that took no longer than this needs no rest.
const QUICK: Duration = Duration::from_millis(100);
/// The rest after another one, in what it took: collecting takes a twentieth of a processor at most.
const SPARED: u32 = 20;
/// The rest, at least, after one that could not be finished: it is tried again then.
const LATER: Duration = Duration::from_secs(600);
/// How long after the start the leftovers of a killed process are collected: not while there is better to do.
const FIRST: Duration = Duration::from_secs(600);

/// The unused bodies of a state directory, as the process sees them that runs on it.
#[derive(Debug)]
pub struct Garbage {
    state_dir: PathBuf,
    turns: Mutex<Turns>,
}

/// The right to collect, until it is used or dropped.
#[derive(Debug)]
pub struct Turn {
    garbage: Arc<Garbage>,
    begun: Instant,
    ended: Ended,
}

impl Garbage {
    /// Begins to keep account, at the start of a process.
    pub fn new(state_dir: &Path, now: Instant) -> Garbage {
        let turns = Turns { owed: Some(now + FIRST), is_taken: false, rested: now };
        Garbage { state_dir: state_dir.to_owned(), turns: Mutex::new(turns) }
    }

    /// Notes that there may be unused bodies.
    pub(super) fn owe(&self) {
        locked(&self.turns).owe(clock::instant());
    }

    /// The right to collect now, if there is something to collect and it is time.
    pub fn turn(self: &Arc<Self>, now: Instant) -> Option<Turn> {
        let is_due = locked(&self.turns).begin(now);
        is_due.then(|| Turn { garbage: Arc::clone(self), begun: now, ended: Ended::Unfinished })
    }
}

impl Turn {
    /// Removes what nothing names any more. What cannot be done now stays noted. Blocks.
    pub fn collect(mut self) {
        let state_dir = &self.garbage.state_dir;
        let blobs = Blobs::new(state_dir.join(BLOBS));
        match collect::collect(state_dir, &blobs) {
            Ok(Collection::Done { blobs, bytes }) => {
                tracing::debug!(blobs, bytes, "unused bodies were removed");
                self.ended = Ended::Finished;
            }
            Ok(Collection::Busy | Collection::Withheld(_) | Collection::Owed) => {}
            Err(error) => tracing::warn!(%error, "unused bodies could not be removed"),
        }
    }
}

impl Drop for Turn {
    /// However it ended: the next one may come.
    fn drop(&mut self) {
        let now = clock::instant();
        let took = now.saturating_duration_since(self.begun);
        locked(&self.garbage.turns).end(now, took, self.ended);
    }
}

/// When the next one is due. Pure.
#[derive(Debug)]
struct Turns {
    /// From when on there is something to collect.
    owed: Option<Instant>,
    is_taken: bool,
    /// The end of the rest.
    rested: Instant,
}

impl Turns {
    fn owe(&mut self, from: Instant) {
        self.owed = Some(self.owed.map_or(from, |owed| owed.min(from)));
    }

    /// Whether one begins now. What is noted from now on is for the next one: this one may have passed by it already.
    fn begin(&mut self, now: Instant) -> bool {
        let is_due = self.owed.is_some_and(|owed| now >= owed) && !self.is_taken && now >= self.rested;
        if is_due {
            self.owed = None;
            self.is_taken = true;
        }
        is_due
    }

    /// The current one has ended, and took this long.
    fn end(&mut self, now: Instant, took: Duration, ended: Ended) {
        self.is_taken = false;
        if took > QUICK {
            self.rested = now + took * SPARED;
        }
        if ended == Ended::Unfinished {
            self.owe(now + LATER);
        }
    }
}

/// How a collection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Finished,
    Unfinished,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// The turns of a process that has run for long and owes nothing.
    fn at_rest(now: Instant) -> Turns {
        Turns { owed: None, is_taken: false, rested: now }
    }

    #[test]
    fn many_ends_of_crawls_are_one_collection_and_a_rest_follows() {
        let now = clock::instant();
        let mut turns = at_rest(now);
        assert!(!turns.begin(now), "nothing is owed");
        (0..1000).for_each(|_| turns.owe(now));
        assert!(turns.begin(now));
        turns.owe(now + MS(10));
        assert!(!turns.begin(now + MS(20)), "one at a time");
        turns.end(now + MS(500), MS(500), Ended::Finished);
        assert!(!turns.begin(now + MS(10_499)), "it rests");
        assert!(turns.begin(now + MS(10_500)), "what came while it ran is made up for");
        turns.end(now + MS(10_600), MS(100), Ended::Finished);
        assert!(!turns.begin(now + MS(1_000_000)), "all is done");
    }

    #[test]
    fn quick_ones_need_no_rest() {
        let now = clock::instant();
        let mut turns = at_rest(now);
        for n in 0..10 {
            turns.owe(now + MS(n));
            assert!(turns.begin(now + MS(n)));
            turns.end(now + MS(n), QUICK, Ended::Finished);
        }
    }

    #[test]
    fn what_could_not_be_finished_is_tried_again() {
        let now = clock::instant();
        let mut turns = at_rest(now);
        turns.owe(now);
        assert!(turns.begin(now));
        turns.end(now, MS(1), Ended::Unfinished);
        assert!(!turns.begin(now + LATER - MS(1)) && turns.begin(now + LATER));
        turns.end(now + LATER, MS(1), Ended::Unfinished);
        turns.owe(now + LATER);
        assert!(turns.begin(now + LATER), "the end of a crawl does not wait for it");
        turns.end(now + LATER, LATER, Ended::Unfinished);
        assert!(!turns.begin(now + LATER * 2), "but what takes long rests all the same");
    }

    #[test]
    fn a_start_owes_what_a_killed_process_left() {
        let now = clock::instant();
        let dir = tempfile::tempdir().unwrap();
        let garbage = Arc::new(Garbage::new(dir.path(), now));
        assert!(garbage.turn(now).is_none());
        garbage.owe();
        let turn = garbage.turn(clock::instant()).expect("a crawl does not wait for that");
        assert!(garbage.turn(now + FIRST).is_none());
        drop(turn);
        assert!(garbage.turn(now + FIRST).is_none(), "it was not done");
        assert!(garbage.turn(now + FIRST * 2 + LATER).is_some(), "it is tried again");
    }
}
