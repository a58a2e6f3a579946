//! Whether an origin is well: a pure counter over what was seen of it, which reports only changes.
//!
//! ```text
//! Unproven ──good──▶ Up ──`fall` bad in a row──▶ Down ──good check──▶ Trial ──`rise` good──▶ Up
//!     └──────────────bad────────────────────────▶ ▲  └◀────────────bad──────────┘
//! ```
//!
//! Nothing is assumed at the start: the first observation decides.

use crate::clock::Now;
use crate::failure::Cause;

/// What is known of an origin, named by what visitors get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was seen yet.
    Unproven,
    /// Visitors get the live site.
    Up,
    /// Visitors get copies; only checks ask the origin.
    Down {
        /// When it went down.
        since: Now,
        /// What was wrong at that moment.
        cause: Cause,
    },
    /// Checks are good again, but not often enough yet; visitors still get copies.
    Trial {
        /// When it went down.
        since: Now,
        /// What was wrong then.
        cause: Cause,
        /// Good checks in a row.
        good: u32,
    },
}

impl State {
    /// As in the status and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Unproven => "unproven",
            State::Up => "up",
            State::Down { .. } => "down",
            State::Trial { .. } => "trial",
        }
    }
}

/// Who saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// An active check.
    Check,
    /// A visitor's request, or the crawler's.
    Visit,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A good answer.
    Good,
    /// None, or a bad one.
    Bad(Cause),
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
}

/// The counter of one origin.
#[derive(Clone, Debug)]
pub struct Health {
    state: State,
    bad: u32,
    fall: u32,
    rise: u32,
}

impl Health {
    /// Nothing seen; `fall` bad ones in a row bring it down, `rise` good checks in a row up again (1 at least, each).
    pub fn new(fall: u32, rise: u32) -> Health {
        Health { state: State::Unproven, bad: 0, fall: fall.max(1), rise: rise.max(1) }
    }

    /// The same knowledge, judged by other numbers from now on.
    #[must_use]
    pub fn with_thresholds(mut self, fall: u32, rise: u32) -> Health {
        self.fall = fall.max(1);
        self.rise = rise.max(1);
        self
    }

    /// What is known.
    pub fn state(&self) -> State {
        self.state
    }

    /// Bad ones in a row since the last good one.
    pub fn bad_in_a_row(&self) -> u32 {
        self.bad
    }

    /// Takes note of what was seen; `Some` if that changed the state.
    pub fn observe(&mut self, evidence: Evidence, seen: Seen, now: Now) -> Option<Change> {
        let from = self.state;
        let to = match (from, seen) {
            (State::Unproven | State::Up, Seen::Good) => {
                self.bad = 0;
                State::Up
            }
            (State::Unproven, Seen::Bad(cause)) => State::Down { since: now, cause },
            (State::Up, Seen::Bad(cause)) => {
                self.bad += 1;
                if self.bad >= self.fall { State::Down { since: now, cause } } else { State::Up }
            }
            // What a visitor's request finds while the origin is down is luck; recovery is proven by checks.
            (State::Down { .. }, Seen::Good) if evidence == Evidence::Visit => from,
            (State::Down { since, cause }, Seen::Good) => self.step_up(since, cause, 1),
            (State::Trial { .. }, Seen::Good) if evidence == Evidence::Visit => from,
            (State::Trial { since, cause, good }, Seen::Good) => self.step_up(since, cause, good + 1),
            (State::Down { since, .. } | State::Trial { since, .. }, Seen::Bad(cause)) => {
                State::Down { since, cause }
            }
        };
        self.state = to;
        (std::mem::discriminant(&from) != std::mem::discriminant(&to)).then_some(Change { from, to })
    }

    fn step_up(&mut self, since: Now, cause: Cause, good: u32) -> State {
        if good >= self.rise {
            self.bad = 0;
            State::Up
        } else {
            State::Trial { since, cause, good }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Seen = Seen::Bad(Cause::Refused);

    fn walk(steps: &[(Evidence, Seen)]) -> Health {
        let mut health = Health::new(3, 2);
        for &(evidence, seen) in steps {
            health.observe(evidence, seen, crate::clock::now());
        }
        health
    }

    #[test]
    fn the_first_observation_decides() {
        assert_eq!(walk(&[(Evidence::Check, Seen::Good)]).state(), State::Up);
        assert_eq!(walk(&[(Evidence::Visit, BAD)]).state().as_str(), "down");
    }

    #[test]
    fn it_takes_as_many_bad_ones_in_a_row_as_fall_says() {
        use Evidence::Visit;
        let up = (Visit, Seen::Good);
        assert_eq!(walk(&[up, (Visit, BAD), (Visit, BAD)]).state(), State::Up);
        assert_eq!(walk(&[up, (Visit, BAD), (Visit, BAD), up, (Visit, BAD)]).state(), State::Up);
        assert_eq!(walk(&[up, (Visit, BAD), (Visit, BAD), (Visit, BAD)]).state().as_str(), "down");
    }

    #[test]
    fn only_checks_prove_recovery_and_a_relapse_starts_again() {
        use Evidence::{Check, Visit};
        let down = (Check, BAD);
        assert_eq!(walk(&[down, (Visit, Seen::Good), (Visit, Seen::Good)]).state().as_str(), "down");
        assert_eq!(walk(&[down, (Check, Seen::Good)]).state().as_str(), "trial");
        assert_eq!(walk(&[down, (Check, Seen::Good), (Visit, BAD)]).state().as_str(), "down");
        assert_eq!(walk(&[down, (Check, Seen::Good), down, (Check, Seen::Good)]).state().as_str(), "trial");
        assert_eq!(walk(&[down, (Check, Seen::Good), (Check, Seen::Good)]).state(), State::Up);
    }

    #[test]
    fn only_changes_are_reported() {
        let now = crate::clock::now();
        let mut health = Health::new(1, 1);
        assert!(health.observe(Evidence::Check, Seen::Good, now).is_some());
        assert!(health.observe(Evidence::Check, Seen::Good, now).is_none());
        let change = health.observe(Evidence::Check, BAD, now).unwrap();
        assert_eq!((change.from.as_str(), change.to.as_str()), ("up", "down"));
        assert!(health.observe(Evidence::Check, BAD, now.plus(std::time::Duration::from_secs(9))).is_none());
        assert!(matches!(health.state(), State::Down { since, .. } if since == now));
    }
}
