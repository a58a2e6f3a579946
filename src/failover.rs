//! Where an answer comes from: [`decide`] is pure and total. Every input is a small enum, and a test walks through all
//! combinations and compares them with `tests/golden/decisions.txt`, so that a change of policy is a diff to review.

pub use crate::ask::{Kind, Visitor};
pub use crate::page_health::State;

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
    /// An entry that may be given at once: it is what the origin would give.
    Fresh,
    /// An entry that may be given only if the origin cannot, mostly a stale one; it is known to be the site's.
    Confirmed,
    /// The same, and nothing vouches for it: since it came, nobody has found the site to be itself. While the
    /// site is in doubt and has no origin, a fresh entry is such a one, too.
    Unconfirmed,
}

/// What the snapshot has for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mirrored {
    /// Nothing.
    Nothing,
    /// A page that a crawl has accepted, older than the cache's entry.
    Older,
    /// A page that a crawl has accepted, newer than the cache's entry, or the cache has none.
    Newer,
    /// Only the page of the same path without the query: right for a campaign's unknown parameter, not for a search.
    /// Better than a holding page, but nothing that shortens the wait for the real one.
    Near,
}

/// What is remembered of the page itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// Nothing: it is the site's.
    Fine,
    /// It, or the whole site, answers later than visitors wait; with the copy that they get it is fetched anew.
    Late,
    /// Its last answer was not the site's; it is asked for in the background until it is.
    Bad,
    /// The site has removed it: no older copy is given any more.
    Gone,
}

/// Whether the visitor is among those who get the live site while they return to it little by little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Yes; or all do.
    In,
    /// Not yet.
    Out,
}

/// A copy to answer from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// The cache's entry, as the origin's own answer: it is fresh.
    Fresh,
    /// The cache's entry, in place of an answer: given as a stale one, with the cause.
    Entry,
    /// The snapshot's page.
    Snapshot,
}

/// What is given when the origin is not, or cannot be, asked. Chosen before it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// A copy.
    Copy(Copy),
    /// The holding page: 503.
    Holding,
    /// The refusal of what was sent, which says whether it arrived, as far as that is known.
    Refusal,
    /// That the site has removed the page, with its own status; the holding page if it now asks for a password.
    Gone,
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
    Give(Fallback),
    /// From the origin, if it gives a good answer in time; from the fallback otherwise.
    Ask {
        /// For how long.
        wait: Wait,
        /// And then.
        fallback: Fallback,
    },
}

/// All that a decision hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// What is wanted.
    pub kind: Kind,
    /// Who wants it.
    pub visitor: Visitor,
    /// The operator's word.
    pub mode: Mode,
    /// The site's state.
    pub state: State,
    /// What is remembered of the page.
    pub remembered: Remembered,
    /// Whether the visitor is among those who get the live site.
    pub turn: Turn,
    /// What the cache has.
    pub found: Found,
    /// What the snapshot has.
    pub mirrored: Mirrored,
}

/// Decides where the answer comes from.
pub fn decide(situation: Situation) -> Plan {
    let Situation { kind, mode, state, .. } = situation;
    match kind {
        Kind::Read => read(situation),
        Kind::Form | Kind::Write => write(state, mode, Fallback::Refusal),
        Kind::Upgrade => write(state, mode, Fallback::Holding),
    }
}

/// What only the origin can take.
fn write(state: State, mode: Mode, fallback: Fallback) -> Plan {
    match (mode, state) {
        (Mode::HoldSnapshot, _) | (Mode::Auto, State::Down) => Plan::Give(fallback),
        (Mode::HoldOrigin, _) | (Mode::Auto, _) => Plan::Ask { wait: Wait::Timeout, fallback },
    }
}

fn read(situation: Situation) -> Plan {
    let Situation { visitor, mode, state, remembered, found, mirrored, .. } = situation;
    let fresh = found == Found::Fresh && visitor == Visitor::Anonymous;
    match mode {
        Mode::HoldSnapshot => match mirrored {
            Mirrored::Nothing => Plan::Give(Fallback::Holding),
            Mirrored::Older | Mirrored::Newer | Mirrored::Near => Plan::Give(Fallback::Copy(Copy::Snapshot)),
        },
        _ if fresh => Plan::Give(Fallback::Copy(Copy::Fresh)),
        Mode::HoldOrigin => Plan::Ask { wait: Wait::Timeout, fallback: Fallback::Holding },
        // What the cache has of a removed page came after the removal; what the snapshot has did not.
        Mode::Auto if remembered == Remembered::Gone => {
            automatic(situation, newest(found, Mirrored::Nothing))
        }
        Mode::Auto => match newest(found, mirrored) {
            Some(Copy::Snapshot) if mirrored == Mirrored::Near => near(state),
            copy => automatic(situation, copy),
        },
    }
}

fn automatic(situation: Situation, copy: Option<Copy>) -> Plan {
    let Situation { visitor, state, remembered, turn, .. } = situation;
    let nothing = if remembered == Remembered::Gone { Fallback::Gone } else { Fallback::Holding };
    let fallback = copy.map_or(nothing, Fallback::Copy);
    match (state, visitor, copy) {
        (State::Down, _, _) => Plan::Give(fallback),
        // A session wants the living site, however slow.
        (_, Visitor::Session, _) | (_, _, None) => Plan::Ask { wait: Wait::Timeout, fallback },
        // Nobody waits to find out what the first check is about to tell.
        (State::Unproven, Visitor::Anonymous, Some(_)) => Plan::Give(fallback),
        // Nor for a page that is known to be bad or late; and a site that has just come back is not to drown in visitors.
        (State::Up | State::Degraded | State::Recovering, Visitor::Anonymous, Some(_)) => {
            match (remembered, turn) {
                (Remembered::Bad | Remembered::Late, _) | (_, Turn::Out) => Plan::Give(fallback),
                (Remembered::Fine | Remembered::Gone, Turn::In) => {
                    Plan::Ask { wait: Wait::Patience, fallback }
                }
            }
        }
    }
}

/// With a copy that is not quite the page, the page is waited for as if there were none.
fn near(state: State) -> Plan {
    let fallback = Fallback::Copy(Copy::Snapshot);
    if state == State::Down { Plan::Give(fallback) } else { Plan::Ask { wait: Wait::Timeout, fallback } }
}

/// The newest good copy: what a crawl has accepted, or what came later if that is vouched for. The last page that
/// visitors saw before a site went down may be the one for which its owner has pulled the plug.
fn newest(found: Found, mirrored: Mirrored) -> Option<Copy> {
    match (found, mirrored) {
        (Found::Nothing, Mirrored::Nothing) => None,
        // Never for a session: none is looked up for one.
        (Found::Fresh, _) => Some(Copy::Fresh),
        (Found::Confirmed, Mirrored::Nothing | Mirrored::Older | Mirrored::Near)
        | (Found::Unconfirmed, Mirrored::Nothing | Mirrored::Near) => Some(Copy::Entry),
        (Found::Confirmed, Mirrored::Newer)
        | (Found::Unconfirmed, Mirrored::Older | Mirrored::Newer)
        | (Found::Nothing, Mirrored::Older | Mirrored::Newer | Mirrored::Near) => Some(Copy::Snapshot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    const KINDS: [Kind; 4] = [Kind::Read, Kind::Form, Kind::Write, Kind::Upgrade];
    const VISITORS: [Visitor; 2] = [Visitor::Anonymous, Visitor::Session];
    const MODES: [Mode; 3] = [Mode::Auto, Mode::HoldOrigin, Mode::HoldSnapshot];
    const REMEMBERED: [Remembered; 4] =
        [Remembered::Fine, Remembered::Late, Remembered::Bad, Remembered::Gone];
    const TURNS: [Turn; 2] = [Turn::In, Turn::Out];
    const FOUND: [Found; 4] = [Found::Nothing, Found::Fresh, Found::Confirmed, Found::Unconfirmed];
    const MIRRORED: [Mirrored; 4] = [Mirrored::Nothing, Mirrored::Older, Mirrored::Newer, Mirrored::Near];

    /// All situations, those of one page and turn together.
    fn for_all(mut f: impl FnMut(Situation, Plan)) {
        for (remembered, turn) in
            REMEMBERED.into_iter().flat_map(|remembered| TURNS.map(|turn| (remembered, turn)))
        {
            for (kind, visitor) in KINDS.into_iter().flat_map(|kind| VISITORS.map(|visitor| (kind, visitor)))
            {
                for (mode, state) in MODES.into_iter().flat_map(|mode| State::ALL.map(|state| (mode, state)))
                {
                    for (found, mirrored) in FOUND.into_iter().flat_map(|found| MIRRORED.map(|m| (found, m)))
                    {
                        let situation =
                            Situation { kind, visitor, mode, state, remembered, turn, found, mirrored };
                        f(situation, decide(situation));
                    }
                }
            }
        }
    }

    fn is_copy(plan: Plan) -> bool {
        matches!(plan, Plan::Give(Fallback::Copy(_)) | Plan::Ask { fallback: Fallback::Copy(_), .. })
    }

    #[test]
    fn every_decision_is_as_reviewed() {
        let mut table = String::from(
            "# kind visitor mode state found mirrored [page turn] -> plan; rewritten by UPDATE=1 cargo test\n\
             # Without a page and turn: Fine In. What is not listed for others is as for these.\n",
        );
        for_all(|situation, plan| {
            let Situation { kind, visitor, mode, state, remembered, turn, found, mirrored } = situation;
            let usual = Situation { remembered: Remembered::Fine, turn: Turn::In, ..situation };
            let rest = match situation == usual {
                true => String::new(),
                false if decide(usual) == plan => return,
                false => format!(" {remembered:?} {turn:?}"),
            };
            let (mode, state) = (mode.as_str(), state.as_str());
            writeln!(table, "{kind:?} {visitor:?} {mode} {state} {found:?} {mirrored:?}{rest} -> {plan:?}")
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
        for_all(|situation, plan| assert!(situation.kind == Kind::Read || !is_copy(plan)));
    }

    #[test]
    fn what_was_sent_is_taken_whatever_is_known_of_pages_and_turns() {
        for_all(|situation, plan| {
            let usual = Situation { remembered: Remembered::Fine, turn: Turn::In, ..situation };
            assert!(situation.kind == Kind::Read || plan == decide(usual), "{situation:?}");
        });
    }

    #[test]
    fn a_site_that_is_down_is_not_asked_unless_the_operator_says_so() {
        for_all(|situation, plan| {
            let asked = matches!(plan, Plan::Ask { .. });
            assert!(!(situation.state == State::Down && situation.mode != Mode::HoldOrigin && asked));
        });
    }

    #[test]
    fn whoever_could_have_a_copy_waits_no_longer_than_patience() {
        for_all(|situation, plan| {
            if situation.visitor == Visitor::Anonymous
                && situation.mirrored != Mirrored::Near
                && situation.mode == Mode::Auto
                && let Plan::Ask { wait, fallback: Fallback::Copy(_) } = plan
            {
                assert_eq!(wait, Wait::Patience);
            }
        });
    }

    #[test]
    fn nobody_waits_for_a_page_that_is_known_to_be_bad_or_late_nor_out_of_turn_if_there_is_a_copy() {
        for_all(|situation, plan| {
            let Situation { kind, visitor, mode, remembered, turn, mirrored, .. } = situation;
            let anybody = kind == Kind::Read && visitor == Visitor::Anonymous && mode == Mode::Auto;
            let aside = matches!(remembered, Remembered::Bad | Remembered::Late) || turn == Turn::Out;
            if anybody && aside && mirrored != Mirrored::Near && is_copy(plan) {
                assert!(matches!(plan, Plan::Give(_)), "{situation:?}");
            }
        });
    }

    #[test]
    fn what_nothing_vouches_for_is_never_given_where_a_crawl_has_accepted_a_page() {
        for_all(|situation, plan| {
            let accepted = matches!(situation.mirrored, Mirrored::Older | Mirrored::Newer);
            if situation.found == Found::Unconfirmed && accepted && situation.remembered != Remembered::Gone {
                let entry = Fallback::Copy(Copy::Entry);
                let given =
                    matches!(plan, Plan::Give(fallback) | Plan::Ask { fallback, .. } if fallback == entry);
                assert!(!given, "{situation:?}");
            }
        });
    }

    #[test]
    fn a_removed_page_never_comes_back_from_the_snapshot_by_itself() {
        for_all(|situation, plan| {
            if situation.remembered == Remembered::Gone && situation.mode == Mode::Auto {
                let snapshot = Fallback::Copy(Copy::Snapshot);
                let given =
                    matches!(plan, Plan::Give(fallback) | Plan::Ask { fallback, .. } if fallback == snapshot);
                assert!(!given, "{situation:?}");
            }
        });
    }

    #[test]
    fn a_session_is_never_answered_from_a_copy_while_the_site_lives() {
        for_all(|situation, plan| {
            if situation.kind == Kind::Read
                && situation.visitor == Visitor::Session
                && situation.mode != Mode::HoldSnapshot
                && situation.state != State::Down
            {
                assert!(matches!(plan, Plan::Ask { .. }));
            }
        });
    }
}
