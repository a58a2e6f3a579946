//! Where an answer comes from: [`decide`] is pure and total. Every input is a small enum, and a test walks through all
//! combinations and compares them with `tests/golden/decisions.txt`, so that a change of policy is a diff to review.

pub use crate::ask::{Kind, Visitor};

/// The site's state, as in the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was seen of its origins yet.
    Unproven,
    /// The live site answers.
    Up,
    /// Some of its pages come from copies.
    Degraded,
    /// No origin answers.
    Down,
    /// It answers again; visitors return little by little.
    Recovering,
}

impl State {
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

/// The operator's word for the whole site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As the state says.
    Auto,
    /// The live site, whatever is seen of it.
    HoldOrigin,
    /// The snapshot, whatever is seen of the site.
    HoldSnapshot,
}

impl Mode {
    /// As in the status and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Auto => "auto",
            Mode::HoldOrigin => "hold_origin",
            Mode::HoldSnapshot => "hold_snapshot",
        }
    }
}

/// What the HTTP cache has for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing that may be given.
    Nothing,
    /// An entry that may be given at once.
    Fresh,
    /// An entry that may be given if the origin cannot.
    Stale,
}

/// What the snapshot has for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mirrored {
    /// Nothing.
    Nothing,
    /// A page older than the cache's entry.
    Older,
    /// A page newer than the cache's entry, or the cache has none.
    Newer,
    /// Only the page of the same path without the query: right for a campaign's unknown parameter, not for a search.
    /// Better than a holding page, but nothing that shortens the wait for the real one.
    Near,
}

/// A copy to answer from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// The cache's entry, fresh.
    Fresh,
    /// The cache's entry, stale.
    Stale,
    /// The snapshot's page.
    Snapshot,
}

/// What is given when the origin is not, or cannot be, asked. Chosen before it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fall {
    /// A copy.
    Copy(Copy),
    /// The holding page: 503.
    Holding,
    /// The refusal of what was sent: 503, "it did not arrive".
    Refusal,
}

/// How long the origin is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The visitor's patience: there is something else to give.
    Patience,
    /// The time-out.
    Timeout,
}

/// Where the answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// From here, without asking.
    Give(Fall),
    /// From the origin, if it gives a good answer in time; from the fall otherwise.
    Ask {
        /// For how long.
        wait: Wait,
        /// And then.
        fall: Fall,
    },
}

/// Decides where the answer comes from.
pub fn decide(
    kind: Kind,
    visitor: Visitor,
    state: State,
    mode: Mode,
    found: Found,
    mirrored: Mirrored,
) -> Plan {
    match kind {
        Kind::Read => read(visitor, state, mode, found, mirrored),
        Kind::Form | Kind::Write => write(state, mode, Fall::Refusal),
        Kind::Upgrade => write(state, mode, Fall::Holding),
    }
}

/// What only the origin can take.
fn write(state: State, mode: Mode, fall: Fall) -> Plan {
    match (mode, state) {
        (Mode::HoldSnapshot, _) | (Mode::Auto, State::Down) => Plan::Give(fall),
        (Mode::HoldOrigin, _) | (Mode::Auto, _) => Plan::Ask { wait: Wait::Timeout, fall },
    }
}

fn read(visitor: Visitor, state: State, mode: Mode, found: Found, mirrored: Mirrored) -> Plan {
    let fresh = found == Found::Fresh && visitor == Visitor::Anonymous;
    match mode {
        Mode::HoldSnapshot => match mirrored {
            Mirrored::Nothing => Plan::Give(Fall::Holding),
            Mirrored::Older | Mirrored::Newer | Mirrored::Near => Plan::Give(Fall::Copy(Copy::Snapshot)),
        },
        _ if fresh => Plan::Give(Fall::Copy(Copy::Fresh)),
        Mode::HoldOrigin => Plan::Ask { wait: Wait::Timeout, fall: Fall::Holding },
        Mode::Auto => match newest(found, mirrored) {
            Some(Copy::Snapshot) if mirrored == Mirrored::Near => near(state),
            copy => automatic(visitor, state, copy),
        },
    }
}

fn automatic(visitor: Visitor, state: State, copy: Option<Copy>) -> Plan {
    let fall = copy.map_or(Fall::Holding, Fall::Copy);
    match (state, visitor, copy) {
        (State::Down, _, _) => Plan::Give(fall),
        // A session wants the living site, however slow.
        (_, Visitor::Session, _) | (_, _, None) => Plan::Ask { wait: Wait::Timeout, fall },
        // Nobody waits to find out what the first check is about to tell.
        (State::Unproven, Visitor::Anonymous, Some(_)) => Plan::Give(fall),
        (State::Up | State::Degraded | State::Recovering, Visitor::Anonymous, Some(_)) => {
            Plan::Ask { wait: Wait::Patience, fall }
        }
    }
}

/// With a copy that is not quite the page, the page is waited for as if there were none.
fn near(state: State) -> Plan {
    let fall = Fall::Copy(Copy::Snapshot);
    if state == State::Down { Plan::Give(fall) } else { Plan::Ask { wait: Wait::Timeout, fall } }
}

/// The newest good copy.
fn newest(found: Found, mirrored: Mirrored) -> Option<Copy> {
    match (found, mirrored) {
        (Found::Nothing, Mirrored::Nothing) => None,
        // A fresh entry that a session does not take at once is still the newest to fall to.
        (Found::Fresh, _) => Some(Copy::Fresh),
        (Found::Stale, Mirrored::Nothing | Mirrored::Older | Mirrored::Near) => Some(Copy::Stale),
        (Found::Stale, Mirrored::Newer)
        | (Found::Nothing, Mirrored::Older | Mirrored::Newer | Mirrored::Near) => Some(Copy::Snapshot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    const KINDS: [Kind; 4] = [Kind::Read, Kind::Form, Kind::Write, Kind::Upgrade];
    const VISITORS: [Visitor; 2] = [Visitor::Anonymous, Visitor::Session];
    const STATES: [State; 5] = [State::Unproven, State::Up, State::Degraded, State::Down, State::Recovering];
    const MODES: [Mode; 3] = [Mode::Auto, Mode::HoldOrigin, Mode::HoldSnapshot];
    const FOUND: [Found; 3] = [Found::Nothing, Found::Fresh, Found::Stale];
    const MIRRORED: [Mirrored; 4] = [Mirrored::Nothing, Mirrored::Older, Mirrored::Newer, Mirrored::Near];

    fn for_all(mut f: impl FnMut(Kind, Visitor, State, Mode, Found, Mirrored, Plan)) {
        for kind in KINDS {
            for visitor in VISITORS {
                for mode in MODES {
                    for state in STATES {
                        for found in FOUND {
                            for mirrored in MIRRORED {
                                let plan = decide(kind, visitor, state, mode, found, mirrored);
                                f(kind, visitor, state, mode, found, mirrored, plan);
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_decision_is_as_reviewed() {
        let mut table = String::from(
            "# kind visitor mode state found mirrored -> plan; rewritten by UPDATE=1 cargo test\n",
        );
        for_all(|kind, visitor, state, mode, found, mirrored, plan| {
            writeln!(
                table,
                "{kind:?} {visitor:?} {} {} {found:?} {mirrored:?} -> {plan:?}",
                mode.as_str(),
                state.as_str()
            )
            .unwrap();
        });
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/decisions.txt");
        if std::env::var_os("UPDATE").is_some() {
            crate::disk::write_atomic(file.as_ref(), table.as_bytes()).unwrap();
        }
        assert!(
            std::fs::read_to_string(file).unwrap() == table,
            "decisions changed; UPDATE=1 rewrites {file}"
        );
    }

    #[test]
    fn nothing_but_the_origin_ever_takes_what_was_sent() {
        for_all(|kind, _, _, _, _, _, plan| {
            let copy = matches!(plan, Plan::Give(Fall::Copy(_)) | Plan::Ask { fall: Fall::Copy(_), .. });
            assert!(kind == Kind::Read || !copy);
        });
    }

    #[test]
    fn a_site_that_is_down_is_not_asked_unless_the_operator_says_so() {
        for_all(|_, _, state, mode, _, _, plan| {
            let asked = matches!(plan, Plan::Ask { .. });
            assert!(!(state == State::Down && mode != Mode::HoldOrigin && asked));
        });
    }

    #[test]
    fn whoever_could_have_a_copy_waits_no_longer_than_patience() {
        for_all(|_, visitor, _, mode, _, mirrored, plan| {
            if visitor == Visitor::Anonymous
                && mirrored != Mirrored::Near
                && mode == Mode::Auto
                && let Plan::Ask { wait, fall: Fall::Copy(_) } = plan
            {
                assert_eq!(wait, Wait::Patience);
            }
        });
    }

    #[test]
    fn a_session_is_never_answered_from_a_copy_while_the_site_lives() {
        for_all(|kind, visitor, state, mode, _, _, plan| {
            if kind == Kind::Read
                && visitor == Visitor::Session
                && mode != Mode::HoldSnapshot
                && state != State::Down
            {
                assert!(matches!(plan, Plan::Ask { .. }));
            }
        });
    }
}
