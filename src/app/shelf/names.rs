//! How people name a snapshot: its id, the beginning of one, its number, or a word.

use super::Refusal;
use crate::snapshot::{BY_HAND, SnapshotId, Store};

/// Why an imported snapshot is held: no gate has judged it.
const IMPORTED: &str = "imported";

/// A snapshot, as far as its name goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its id.
    pub id: SnapshotId,
    /// Whether it is in service.
    pub current: bool,
    /// Whether it does not serve by itself.
    pub held: bool,
    /// What the gate has against it. `None` also for one that is held for another reason.
    pub gated: Option<Vec<String>>,
    /// Whether it cannot be read.
    pub unreadable: bool,
}

/// Everything on the shelf, newest first.
pub(super) fn shelf(store: &Store) -> Vec<Named> {
    let good = store.list().into_iter().map(|summary| Named {
        id: summary.id,
        current: summary.current,
        held: summary.held.is_some(),
        gated: summary.held.filter(|reasons| is_gated(reasons)),
        unreadable: false,
    });
    let bad = store.unreadable().into_iter().map(|(id, _)| Named {
        id,
        current: false,
        held: false,
        gated: None,
        unreadable: true,
    });
    let mut all: Vec<Named> = good.chain(bad).collect();
    all.sort_by_key(|named| std::cmp::Reverse(named.id));
    all
}

/// Whether these reasons for holding a snapshot are the gate's. One that only waits for the operator's word has that
/// with the word "publish".
pub fn is_gated(reasons: &[String]) -> bool {
    !reasons.iter().all(|reason| reason == BY_HAND || reason == IMPORTED)
}

/// Where a rollback leads.
pub(super) fn previous(shelf: &[Named]) -> Option<SnapshotId> {
    let current = shelf.iter().find(|named| named.current)?.id;
    let older = shelf.iter().filter(|named| named.id < current && !named.held && !named.unreadable);
    older.map(|named| named.id).max()
}

/// The snapshot that `text` means: `current`, `latest` (the newest that the gate has nothing against), `previous`
/// (where a rollback leads), an id, its number, or the beginning of it.
///
/// # Errors
/// [`Refusal::Unknown`], or [`Refusal::Ambiguous`] for a beginning that several have.
pub fn find(text: &str, shelf: &[Named]) -> Result<SnapshotId, Refusal> {
    let unknown = || Refusal::Unknown(text.to_owned());
    let sound = |named: &&Named| !named.unreadable;
    match text {
        "current" => shelf.iter().find(|named| named.current).map(|named| named.id).ok_or_else(unknown),
        "latest" => {
            let free = shelf.iter().filter(sound).filter(|named| named.gated.is_none());
            free.map(|named| named.id).max().ok_or_else(unknown)
        }
        "previous" => previous(shelf).ok_or_else(unknown),
        _ => {
            let number = Some(text).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            let number = number.and_then(|text| text.parse::<u64>().ok());
            let ids = || shelf.iter().map(|named| named.id);
            // The number first: "2" is the second snapshot, not all of this millennium.
            let mut found: Vec<SnapshotId> = ids().filter(|id| Some(id.sequence()) == number).collect();
            if found.is_empty() && !text.is_empty() {
                found = ids().filter(|id| id.to_string().starts_with(text)).collect();
            }
            match found.as_slice() {
                [] => Err(unknown()),
                [only] => Ok(*only),
                several => {
                    let ids = several.iter().take(5).map(ToString::to_string).collect();
                    Err(Refusal::Ambiguous { text: text.to_owned(), ids })
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &str) -> Named {
        Named { id: id.parse().unwrap(), current: false, held: false, gated: None, unreadable: false }
    }

    fn shelf() -> Vec<Named> {
        let gate = Some(vec!["shrunk: 4 pages".to_owned()]);
        vec![
            Named { held: true, gated: gate, ..named("20261121T080000Z-000009") },
            Named { held: true, ..named("20261121T020000Z-000008") },
            Named { unreadable: true, ..named("20261120T200000Z-000007") },
            Named { current: true, ..named("20261120T140000Z-000006") },
            Named { held: true, ..named("20261120T080000Z-000005") },
            named("20261120T020000Z-000004"),
            named("20261119T200000Z-000003"),
        ]
    }

    #[test]
    fn what_only_waits_is_not_the_gates() {
        let of = |reasons: &[&str]| is_gated(&reasons.iter().map(|r| (*r).to_owned()).collect::<Vec<_>>());
        assert!(!of(&[BY_HAND]) && !of(&["imported"]));
        assert!(of(&["shrunk: 4 pages"]) && of(&["shrunk: 4 pages", BY_HAND]));
    }

    #[test]
    fn a_name_means_one_snapshot_or_none() {
        for (text, expected) in [
            ("current", Some(6)),
            ("latest", Some(8)),
            ("previous", Some(4)),
            ("20261120T140000Z-000006", Some(6)),
            ("20261119", Some(3)),
            ("20261121T08", Some(9)),
            ("20261120T20", Some(7)),
            ("7", Some(7)),
            ("000004", Some(4)),
            ("20261120", None),
            ("2", None),
            ("", None),
            ("10", None),
            ("Z", None),
            ("../../etc", None),
            ("CURRENT", None),
        ] {
            let found = find(text, &shelf());
            assert_eq!(found.as_ref().ok().map(SnapshotId::sequence), expected, "{text}: {found:?}");
        }
        assert!(matches!(find("20261120", &shelf()), Err(Refusal::Ambiguous { ids, .. }) if ids.len() == 4));
        assert!(
            matches!(find("2", &shelf()), Err(Refusal::Ambiguous { .. })),
            "the beginning of several years"
        );
        for word in ["current", "latest", "previous"] {
            assert!(matches!(find(word, &[]), Err(Refusal::Unknown(text)) if text == word));
        }
    }
}
