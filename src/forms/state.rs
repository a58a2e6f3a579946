//! What has become of a kept form, as its file's name says it: `<id>.<state>` or `<id>.<state>.<reason>`.

use std::fmt;
use std::str::FromStr;

use super::id::FormId;

/// What has become of a kept form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Written, and it is not known that its visitor was told so.
    Unconfirmed,
    /// Written, and its visitor was told so.
    Kept,
    /// Being sent to the origin now.
    Sending,
    /// The origin may have it, or not.
    Doubtful,
    /// The site refused it: a person decides.
    Parked,
    /// The origin has it, or all those who get it in its place, or a person said that nothing is left to do.
    Delivered,
}

impl State {
    /// Every one.
    pub const ALL: [State; 6] =
        [State::Unconfirmed, State::Kept, State::Sending, State::Doubtful, State::Parked, State::Delivered];

    /// Its word: in file names, in metrics, for people.
    pub const fn code(self) -> &'static str {
        match self {
            State::Unconfirmed => "unconfirmed",
            State::Kept => "kept",
            State::Sending => "sending",
            State::Doubtful => "doubtful",
            State::Parked => "parked",
            State::Delivered => "delivered",
        }
    }

    /// Whether a form may go from this state to `next`. The way to being removed leads through what a person, the origin, or
    /// every recipient besides it has answered; what was delivered stays so.
    pub const fn may_become(self, next: State) -> bool {
        use State::{Delivered, Doubtful, Kept, Parked, Sending, Unconfirmed};
        match self {
            Unconfirmed => matches!(next, Kept | Sending | Parked | Delivered),
            Kept => matches!(next, Sending | Parked | Delivered),
            Sending => matches!(next, Kept | Doubtful | Parked | Delivered),
            Doubtful => matches!(next, Kept | Parked | Delivered),
            Parked => matches!(next, Kept | Delivered),
            Delivered => false,
        }
    }

    /// Whether it is to be sent.
    pub const fn is_due(self) -> bool {
        match self {
            State::Unconfirmed | State::Kept => true,
            State::Sending | State::Doubtful | State::Parked | State::Delivered => false,
        }
    }

    /// Whether it is removed after a time.
    pub const fn expires(self) -> bool {
        match self {
            State::Parked | State::Delivered => true,
            State::Unconfirmed | State::Kept | State::Sending | State::Doubtful => false,
        }
    }

    /// How far it is from being sent once more: of two names for one form, the larger holds.
    pub(super) const fn caution(self) -> u8 {
        match self {
            State::Unconfirmed => 0,
            State::Kept => 1,
            State::Parked => 2,
            // What was being sent when a process died is doubtful.
            State::Sending => 3,
            State::Doubtful => 4,
            State::Delivered => 5,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// So long may a reason be, in bytes.
const REASON: usize = 40;

/// Why a form is in its state: a code of `[a-z0-9-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(Box<str>);

impl Reason {
    /// The process died while the form was being sent.
    pub const INTERRUPTED: &str = "interrupted";

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reason is of 1 to 40 of a-z, 0-9 and \"-\"")]
pub struct NotAReason;

impl FromStr for Reason {
    type Err = NotAReason;

    fn from_str(text: &str) -> Result<Reason, NotAReason> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_one = (1..=REASON).contains(&text.len()) && text.bytes().all(allowed);
        if is_one { Ok(Reason(text.into())) } else { Err(NotAReason) }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a file's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileName {
    pub(super) id: FormId,
    pub(super) state: State,
    pub(super) reason: Option<Reason>,
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.id, self.state)?;
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, ".{reason}"))
    }
}

impl FileName {
    /// Reads exactly what is written; everything else is no kept form.
    pub(super) fn parse(name: &str) -> Option<FileName> {
        let (id, rest) = name.split_once('.')?;
        let (state, reason) =
            rest.split_once('.').map_or((rest, None), |(state, reason)| (state, Some(reason)));
        let state = State::ALL.into_iter().find(|known| known.code() == state)?;
        Some(FileName { id: id.parse().ok()?, state, reason: reason.map(str::parse).transpose().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transition_is_allowed_or_not_on_purpose() {
        // A row is where it comes from, a column where it goes, both in the order of `ALL`.
        let table = ["-ks-pD", "--s-pD", "-k-dpD", "-k--pD", "-k---D", "------"];
        let letters = ['u', 'k', 's', 'd', 'p', 'D'];
        for (from, row) in State::ALL.into_iter().zip(table) {
            for ((to, letter), said) in State::ALL.into_iter().zip(letters).zip(row.chars()) {
                assert_eq!(from.may_become(to), said == letter, "{from} to {to}");
            }
        }
    }

    #[test]
    fn nothing_that_is_to_be_sent_expires_and_caution_is_a_strict_order() {
        assert!(State::ALL.into_iter().all(|state| !(state.is_due() && state.expires())));
        assert!(!State::Doubtful.expires() && !State::Sending.expires());
        let mut order = State::ALL;
        order.sort_by_key(|state| state.caution());
        use State::{Delivered, Doubtful, Kept, Parked, Sending, Unconfirmed};
        assert_eq!(order, [Unconfirmed, Kept, Parked, Sending, Doubtful, Delivered]);
        let steps: std::collections::BTreeSet<u8> = State::ALL.into_iter().map(State::caution).collect();
        assert_eq!(steps.len(), State::ALL.len());
    }

    #[test]
    fn a_name_is_read_back_as_it_was_written() {
        let id: FormId = "20261130T115251Z-k7f3x9q2".parse().unwrap();
        for state in State::ALL {
            for reason in
                [None, Some("origin-refused-422".parse().unwrap()), Some("a".repeat(40).parse().unwrap())]
            {
                let name = FileName { id, state, reason };
                assert_eq!(FileName::parse(&name.to_string()), Some(name));
            }
        }
    }

    #[test]
    fn nothing_else_is_the_name_of_a_form() {
        for name in [
            "",
            "20261130T115251Z-k7f3x9q2",
            "20261130T115251Z-k7f3x9q2.",
            "20261130T115251Z-k7f3x9q2.lost",
            "20261130T115251Z-k7f3x9q2.Kept",
            "20261130T115251Z-k7f3x9q2.kept.",
            "20261130T115251Z-k7f3x9q2.kept.A",
            "20261130T115251Z-k7f3x9q2.kept.a.b",
            "20261130T115251Z-k7f3x9q2.kept~",
            ".20261130T115251Z-k7f3x9q2.kept",
            "x.kept",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
        let long = "a".repeat(41);
        for reason in ["", "A", "a b", "a.b", "../a", "é", &long] {
            assert_eq!(reason.parse::<Reason>(), Err(NotAReason), "{reason}");
        }
        assert!(Reason::INTERRUPTED.parse::<Reason>().is_ok());
    }
}
