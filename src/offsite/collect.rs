//! Which snapshots and bodies may go from the store. Pure; [`super::tidy`] carries it out.
//!
//! Bodies go in two phases, so that nobody has to wait for anybody: what nothing names is *condemned* first, in a list that
//! all see. Who pushes a snapshot says so before he reads the list, and puts again what is condemned. After a day what is
//! still unnamed, and has not been put again since, is removed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, SystemTime};

use super::condemned::MOST_BODIES;
use crate::clock::unix;
use crate::snapshot::{BlobId, SnapshotId};

/// How long a body is condemned before it is removed.
pub(super) const GRACE: Duration = Duration::from_secs(24 * 3600);
/// How long an unfinished push is believed in: it is tried again for days, and says so each time.
pub(super) const BELIEVED: Duration = Duration::from_secs(7 * 24 * 3600);
/// How old what the removal goes by may be.
pub(super) const ROOTS_HOLD: Duration = Duration::from_secs(60);

/// What keeps a snapshot in the store.
#[derive(Clone, Debug, Default)]
pub(super) struct Keeping {
    /// What the pointer names.
    pub(super) current: Option<SnapshotId>,
    /// Those that are never removed.
    pub(super) pinned: BTreeSet<SnapshotId>,
    /// Those that somebody is writing, with the time of the intent by the store's clock.
    pub(super) intents: BTreeMap<SnapshotId, SystemTime>,
    /// How many of the newest stay.
    pub(super) count: usize,
    /// For how long those stay.
    pub(super) age: Option<Duration>,
}

/// A snapshot in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) id: SnapshotId,
    /// When its last file was written, by the store's clock.
    pub(super) written: SystemTime,
}

/// The snapshots that may go: as on a disk ([`crate::snapshot::Store::retain`]), but nothing that is young or being written.
pub(super) fn surplus(stored: &[Stored], keeping: &Keeping, now: SystemTime) -> Vec<SnapshotId> {
    // Without a pointer nothing is known of what should stay.
    let Some(current) = keeping.current else { return Vec::new() };
    let mut newest: Vec<&Stored> = stored.iter().collect();
    newest.sort_unstable_by_key(|one| std::cmp::Reverse(one.id));
    let age = |since: SystemTime| now.duration_since(since).unwrap_or_default();
    let is_surplus = |(place, one): &(usize, &&Stored)| {
        *place > 0 && (*place >= keeping.count || keeping.age.is_some_and(|most| age(one.written) > most))
    };
    let stays = |one: &Stored| {
        let is_written = keeping.intents.get(&one.id).is_some_and(|since| age(*since) < BELIEVED);
        one.id == current || keeping.pinned.contains(&one.id) || is_written || age(one.written) < GRACE
    };
    let surplus = newest.iter().enumerate().filter(is_surplus).map(|(_, one)| **one);
    surplus.filter(|one| !stays(one)).map(|one| one.id).collect()
}

/// A body in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredBody {
    pub(super) id: BlobId,
    /// When it was put there last, by the store's clock.
    pub(super) written: SystemTime,
}

/// The bodies that are condemned from now on: those of before that are still unnamed and were not put again, with their time;
/// and those that nothing names now.
pub(super) fn condemn(
    before: &BTreeMap<String, u64>,
    stored: impl Iterator<Item = StoredBody>,
    named: &HashSet<BlobId>,
    now: SystemTime,
) -> BTreeMap<String, u64> {
    let mut condemned = BTreeMap::new();
    for body in stored.filter(|body| !named.contains(&body.id)) {
        let id = body.id.to_string();
        let since = before.get(&id).copied().filter(|since| unix(body.written) < *since);
        condemned.insert(id, since.unwrap_or_else(|| unix(now)));
    }
    shortest(condemned, MOST_BODIES)
}

/// No more than `most` of them: those that have waited longest.
fn shortest(condemned: BTreeMap<String, u64>, most: usize) -> BTreeMap<String, u64> {
    if condemned.len() <= most {
        return condemned;
    }
    let mut all: Vec<(String, u64)> = condemned.into_iter().collect();
    all.sort_by_key(|(_, since)| *since);
    all.truncate(most);
    all.into_iter().collect()
}

/// Of what is condemned, what may be removed now: for a day or longer, and not put again since.
pub(super) fn removable(
    condemned: &BTreeMap<String, u64>,
    stored: impl Iterator<Item = StoredBody>,
    named: &HashSet<BlobId>,
    now: SystemTime,
) -> Vec<BlobId> {
    let is_due = |body: &StoredBody| {
        condemned.get(&body.id.to_string()).is_some_and(|since| {
            unix(body.written) < *since && unix(now).saturating_sub(*since) >= GRACE.as_secs()
        })
    };
    stored.filter(|body| !named.contains(&body.id) && is_due(body)).map(|body| body.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    fn at(day: u64) -> SystemTime {
        std::time::UNIX_EPOCH + Duration::from_secs(day * DAY)
    }

    fn id(number: u64) -> SnapshotId {
        SnapshotId::new(at(20_000 + number), number)
    }

    fn stored(numbers: &[u64]) -> Vec<Stored> {
        numbers.iter().map(|number| Stored { id: id(*number), written: at(*number) }).collect()
    }

    fn keeping(current: u64, count: usize) -> Keeping {
        Keeping { current: Some(id(current)), count, ..Keeping::default() }
    }

    #[test]
    fn what_may_go() {
        let all = stored(&[1, 2, 3, 4, 5]);
        let now = at(30);
        assert_eq!(surplus(&all, &keeping(5, 3), now), [id(2), id(1)]);
        assert_eq!(surplus(&all, &keeping(5, 9), now), []);
        // Without a pointer nothing goes, and what it names never does.
        assert_eq!(surplus(&all, &Keeping { current: None, ..keeping(5, 1) }, now), []);
        assert_eq!(
            surplus(&all, &keeping(1, 2), now),
            [id(3), id(2)],
            "after a rollback the newest stay, too"
        );
        // Pinned; being written; just written.
        let mut keep = keeping(5, 2);
        keep.pinned.insert(id(1));
        keep.intents.insert(id(2), at(30));
        assert_eq!(surplus(&all, &keep, now), [id(3)]);
        keep.intents.insert(id(2), at(23));
        assert_eq!(surplus(&all, &keep, now), [id(3), id(2)]);
        assert_eq!(
            surplus(&all, &keeping(5, 1), at(4) + Duration::from_secs(DAY / 2)),
            [id(3), id(2), id(1)]
        );
        // By age.
        let aged = Keeping { age: Some(Duration::from_secs(27 * DAY)), ..keeping(5, 5) };
        assert_eq!(surplus(&all, &aged, now), [id(2), id(1)]);
    }

    #[test]
    fn the_list_has_an_end_and_keeps_who_waits_longest() {
        let all = BTreeMap::from([("a", 3), ("b", 1), ("c", 2)].map(|(id, since)| (id.to_owned(), since)));
        let two = BTreeMap::from([("b", 1), ("c", 2)].map(|(id, since)| (id.to_owned(), since)));
        assert_eq!(shortest(all.clone(), 2), two);
        assert_eq!(shortest(all.clone(), 3), all);
    }

    #[test]
    fn a_body_goes_only_a_day_after_it_was_condemned_and_not_when_it_was_put_again() {
        let [one, two, three] = [b"1", b"2", b"3"].map(|bytes| BlobId::of(bytes));
        let body = |id, day| StoredBody { id, written: at(day) };
        let there = [body(one, 1), body(two, 1), body(three, 1)];
        let named = HashSet::from([one]);
        let condemned = condemn(&BTreeMap::new(), there.into_iter(), &named, at(10));
        assert_eq!(
            condemned.keys().cloned().collect::<BTreeSet<_>>(),
            BTreeSet::from([two, three].map(|id| id.to_string()))
        );
        let go = |named: &HashSet<BlobId>, there: [StoredBody; 3], now| {
            removable(&condemned, there.into_iter(), named, now)
        };
        assert_eq!(go(&named, there, at(10)), [], "not at once");
        let mut gone = go(&named, there, at(11));
        gone.sort_unstable();
        let mut both = vec![two, three];
        both.sort_unstable();
        assert_eq!(gone, both);
        // Named again, or put again in the meantime.
        assert_eq!(go(&HashSet::from([one, two]), there, at(11)), [three]);
        let again = [body(one, 1), body(two, 1), body(three, 10)];
        assert_eq!(go(&named, again, at(12)), [two]);
        // The list keeps its times, but for what was put again or is named.
        let later = condemn(&condemned, again.into_iter(), &named, at(12));
        assert_eq!(later[&two.to_string()], unix(at(10)));
        assert_eq!(later[&three.to_string()], unix(at(12)));
        assert!(condemn(&condemned, there.into_iter(), &HashSet::from([one, two, three]), at(12)).is_empty());
    }
}
