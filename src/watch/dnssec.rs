//! Whether a domain's chain of signatures holds, as a validating resolver sees it (RFC 4035).

use serde::{Deserialize, Serialize};

use super::question::{Code, Reply};

/// Signatures are told that end within two days, or within a fifth of a shorter life: who signs anew by machine does so before
/// (Knot with 7 of 14 days left, BIND with 7 of 30, and some sign for two days only).
const SOON: u64 = 2 * 86_400;

/// How it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chain {
    /// Nobody has looked, or nobody has answered.
    #[default]
    Unasked,
    /// The domain is not signed.
    Unsigned,
    /// It is, and a resolver has validated it; until when the signature holds, Unix time.
    Valid {
        /// Of the zone's SOA record.
        until: Option<u64>,
    },
    /// The same, and the signature ends without having been renewed.
    Ending {
        /// When.
        until: u64,
    },
    /// It is signed, and the resolver does not validate.
    Unvalidated,
    /// Whoever validates gets no answer; whoever does not, does.
    Broken,
}

/// What was answered to the questions.
#[derive(Clone, Debug, Default)]
pub struct Replies {
    /// For the zone's SOA, as for everybody.
    pub checked: Option<Reply>,
    /// The same without validation.
    pub unchecked: Option<Reply>,
    /// For the keys at the registry, without validation.
    pub keys: Option<Reply>,
}

/// What the replies mean. `at_registry`: whether the registry has a key, as far as it tells; `now` in Unix time.
pub fn judge(replies: &Replies, at_registry: Option<bool>, now: u64) -> Chain {
    let Some(checked) = &replies.checked else { return Chain::Unasked };
    let keys = replies.keys.as_ref().filter(|keys| keys.code == Code::Fine).map(|keys| keys.records > 0);
    let has_keys = keys.or(at_registry);
    let is_there =
        replies.unchecked.as_ref().is_some_and(|reply| reply.code == Code::Fine && reply.records > 0);
    if checked.code == Code::Failed && is_there {
        // a resolver that fails for other reasons fails whoever asks
        return if has_keys == Some(true) { Chain::Broken } else { Chain::Unasked };
    }
    if checked.code != Code::Fine {
        return Chain::Unasked;
    }
    let signed = checked.signed.map(|(from, until)| (u64::from(from), u64::from(until)));
    let is_ending = |(from, until): (u64, u64)| {
        let life = until.saturating_sub(from);
        until.saturating_sub(now) < SOON.min(life / 5)
    };
    match (signed, checked.is_validated, has_keys) {
        (_, false, None) => Chain::Unasked,
        // signatures that nobody can check, because the registry has no key, harm nobody
        (_, false, Some(false)) => Chain::Unsigned,
        (Some(signed), ..) if is_ending(signed) => Chain::Ending { until: signed.1 },
        (_, false, Some(true)) => Chain::Unvalidated,
        (signed, true, _) => Chain::Valid { until: signed.map(|(_, until)| until) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const NOW: u64 = 20_000 * DAY;

    fn reply(code: Code, is_validated: bool) -> Reply {
        let records = usize::from(code == Code::Fine);
        Reply { code, is_validated, hosts: Vec::new(), records, signed: None }
    }

    fn no_keys() -> Reply {
        Reply { records: 0, ..reply(Code::Fine, false) }
    }

    #[test]
    fn a_chain_is_broken_only_where_it_is_the_checking_that_fails() {
        let (fine, valid, failed) = (
            || Some(reply(Code::Fine, false)),
            || Some(reply(Code::Fine, true)),
            || Some(reply(Code::Failed, false)),
        );
        for (checked, unchecked, keys, expected) in [
            (None, None, None, Chain::Unasked),
            (valid(), None, fine(), Chain::Valid { until: None }),
            (fine(), None, Some(no_keys()), Chain::Unsigned),
            (fine(), None, fine(), Chain::Unvalidated),
            (fine(), None, None, Chain::Unasked),
            (failed(), fine(), fine(), Chain::Broken),
            (failed(), fine(), Some(no_keys()), Chain::Unasked),
            (failed(), failed(), fine(), Chain::Unasked),
            (failed(), None, fine(), Chain::Unasked),
            (Some(reply(Code::NoName, false)), None, None, Chain::Unasked),
        ] {
            let replies = Replies { checked, unchecked, keys };
            assert_eq!(judge(&replies, None, NOW), expected, "{replies:?}");
        }
        let replies = Replies { checked: failed(), unchecked: fine(), keys: None };
        assert_eq!(judge(&replies, Some(true), NOW), Chain::Broken, "the registry knows it as well");
    }

    #[test]
    fn a_signature_that_nobody_renews_is_told() {
        for (life, left, is_ending) in [
            (14, 7, false),
            (14, 3, false),
            (14, 1, true),
            (30, 7, false),
            (30, 1, true),
            (2, 1, false),
            (1, 0, true),
        ] {
            let until = u32::try_from(NOW + left * DAY + 60).unwrap();
            let from = until - u32::try_from(life * DAY).unwrap();
            for is_validated in [true, false] {
                let checked = Some(Reply { signed: Some((from, until)), ..reply(Code::Fine, is_validated) });
                let replies = Replies { checked, ..Replies::default() };
                let chain = judge(&replies, Some(true), NOW);
                assert_eq!(matches!(chain, Chain::Ending { .. }), is_ending, "{left} of {life} days");
            }
        }
    }
}
