//! The site's state as its visitors experience it, from the health of its origins and its pages. A change is reported once,
//! with its time and cause.

use crate::clock::Now;
use crate::failure::Cause;

/// The site's state, as in the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was seen of its origins yet.
    Unproven,
    /// The live site answers.
    Up,
    /// Some of its pages come from copies.
    Degraded,
    /// No origin answers, or what they answer is not the site.
    Down,
    /// It answers again; visitors return little by little.
    Recovering,
}

impl State {
    /// Every state.
    pub const ALL: [State; 5] = [State::Unproven, State::Up, State::Degraded, State::Down, State::Recovering];

    /// As in the status and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Unproven => "unproven",
            State::Up => "up",
            State::Degraded => "degraded",
            State::Down => "down",
            State::Recovering => "recovering",
        }
    }
}

/// What is seen of the origins, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginsSeen {
    /// Nothing was seen of them yet.
    Unproven,
    /// One answers, at least.
    Up,
    /// One answers again, and does not get all visitors yet.
    Recovering,
    /// None answers.
    Down,
}

/// The pages taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// All that were asked for are the site.
    Fine,
    /// Some are not.
    SomeBad,
    /// Most are not: the site is not there.
    MostBad,
}

/// The state that this makes.
pub fn state(origins: OriginsSeen, pages: Pages) -> State {
    match (origins, pages) {
        (OriginsSeen::Down, _) => State::Down,
        (OriginsSeen::Unproven, _) => State::Unproven,
        (OriginsSeen::Up | OriginsSeen::Recovering, Pages::MostBad) => State::Down,
        (OriginsSeen::Recovering, Pages::Fine | Pages::SomeBad) => State::Recovering,
        (OriginsSeen::Up, Pages::SomeBad) => State::Degraded,
        (OriginsSeen::Up, Pages::Fine) => State::Up,
    }
}

/// What was reported last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The state.
    pub state: State,
    /// Since when; `None`: since the start.
    pub since: Option<Now>,
    /// Why, if it is not well.
    pub cause: Option<Cause>,
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub from: Reported,
    /// After.
    pub to: Reported,
}

impl Default for Reported {
    fn default() -> Reported {
        Reported { state: State::Unproven, since: None, cause: None }
    }
}

impl Reported {
    /// Records the state as it is; `Some` if it is another one than before. A cause that changes meanwhile is not a
    /// change of state.
    pub fn observe(&mut self, state: State, cause: Option<Cause>, now: Now) -> Option<Change> {
        let from = *self;
        self.cause = cause;
        if from.state == state {
            return None;
        }
        self.state = state;
        self.since = Some(now);
        Some(Change { from, to: *self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn origins_go_before_pages_and_most_before_some() {
        for (origins, pages, expected) in [
            (OriginsSeen::Unproven, Pages::Fine, State::Unproven),
            (OriginsSeen::Unproven, Pages::MostBad, State::Unproven),
            (OriginsSeen::Up, Pages::Fine, State::Up),
            (OriginsSeen::Up, Pages::SomeBad, State::Degraded),
            (OriginsSeen::Up, Pages::MostBad, State::Down),
            (OriginsSeen::Recovering, Pages::Fine, State::Recovering),
            (OriginsSeen::Recovering, Pages::SomeBad, State::Recovering),
            (OriginsSeen::Recovering, Pages::MostBad, State::Down),
            (OriginsSeen::Down, Pages::Fine, State::Down),
            (OriginsSeen::Down, Pages::MostBad, State::Down),
        ] {
            assert_eq!(state(origins, pages), expected, "{origins:?} {pages:?}");
        }
    }

    #[test]
    fn a_change_is_reported_once_and_a_new_cause_is_none() {
        let now = crate::clock::now();
        let later = now.plus(Duration::from_secs(5));
        let mut reported = Reported::default();
        let change = reported.observe(State::Up, None, now).unwrap();
        assert_eq!(
            (change.from.state, change.to.state, change.to.since),
            (State::Unproven, State::Up, Some(now))
        );
        assert_eq!(reported.observe(State::Up, None, later), None);
        let change = reported.observe(State::Down, Some(Cause::Refused), later).unwrap();
        assert_eq!((change.from.since, change.to.cause), (Some(now), Some(Cause::Refused)));
        assert_eq!(
            reported.observe(State::Down, Some(Cause::Silent), later.plus(Duration::from_secs(1))),
            None
        );
        assert_eq!((reported.since, reported.cause), (Some(later), Some(Cause::Silent)));
    }
}
