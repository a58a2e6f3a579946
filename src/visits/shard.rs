//! A part of the list, and the pure rules of counting: a known path is counted in its place; a new one takes a free place;
//! and if there is none left, all lose some of their visits.
//!
//! That is Misra and Gries's way of finding heavy hitters with bounded memory (Finding repeated elements, Science of
//! Computer Programming 2, 1982): a newcomer to a full list takes one visit from each path on it, and those that have
//! none left go. No count is ever above the truth, none is below it by more than the visits of all paths divided by
//! the places of the list, and each visit is taken away at most once, so that counting is O(1) over time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::calendar::{Calendar, DAYS, Day};
use super::doorkeeper::{Doorkeeper, Sighting};

/// What a visitor got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// A page.
    Page,
    /// A document that is opened by itself, such as a PDF: to be mirrored, but no page.
    Document,
    /// A file that pages are drawn with: a style sheet, a script, a font, an image.
    Requisite,
    /// Data that scripts load.
    Data,
    /// Word that what the browser has is still good; of what, only the list knows.
    Unchanged,
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Page,
    Document,
    /// What pages are drawn with, or load.
    Requisite,
}

/// The visits of one path, the newest day first.
#[derive(Debug)]
struct Counts {
    kind: Kind,
    /// Which path to come onto the list it was.
    number: u64,
    days: [AtomicU32; DAYS],
}

/// The same at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) key: String,
    pub(super) kind: Kind,
    pub(super) days: [u32; DAYS],
}

/// A part of the list.
#[derive(Debug)]
pub(super) struct Shard {
    calendar: Calendar,
    known: HashMap<Box<str>, Counts>,
    /// Visits of pages that are not on the list, the newest day first.
    others: [AtomicU64; DAYS],
    doorkeeper: Doorkeeper,
    places: usize,
}

/// Whether a path that is not on the list may come onto it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entrance {
    /// At once.
    Open,
    /// By the door.
    Watched(Sighting),
    /// Never.
    Closed,
}

/// What a request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// It is counted.
    Counted,
    /// It is not on the list.
    Stranger,
    /// Another day has begun.
    NewDay,
}

impl Shard {
    /// An empty one with this many places.
    pub(super) fn new(places: usize) -> Shard {
        Shard {
            calendar: Calendar::default(),
            known: HashMap::new(),
            others: Default::default(),
            doorkeeper: Doorkeeper::default(),
            places,
        }
    }

    /// Counts a visit of a path that is known. No allocation, and nothing that others would have to wait for.
    pub(super) fn count(&self, key: &str, today: Day) -> Met {
        if !self.calendar.is_settled(today) {
            return Met::NewDay;
        }
        match self.known.get(key) {
            Some(counts) => {
                counts.days[0].fetch_add(1, Relaxed);
                Met::Counted
            }
            None => Met::Stranger,
        }
    }

    /// Whether this path waits at the door: then it has been found to be everybody's.
    pub(super) fn awaits(&self, path: u64) -> bool {
        self.doorkeeper.awaits(path)
    }

    /// Counts a visit of a path that was not known a moment ago. `number` counts those that come onto the list.
    pub(super) fn meet(&mut self, key: &str, got: Got, entrance: Entrance, number: &AtomicU64, today: Day) {
        self.turn(today);
        let kind = match (self.count(key, today), got) {
            (Met::Counted, _) | (_, Got::Unchanged) => return,
            (Met::Stranger | Met::NewDay, Got::Page) => Kind::Page,
            (Met::Stranger | Met::NewDay, Got::Document) => Kind::Document,
            (Met::Stranger | Met::NewDay, Got::Requisite | Got::Data) => Kind::Requisite,
        };
        match entrance {
            Entrance::Open => self.enter(key, kind, 1, number),
            Entrance::Closed => self.pass_by(kind, 1),
            Entrance::Watched(sight) => match self.doorkeeper.opens(sight) {
                None => self.pass_by(kind, 1),
                Some(before) => {
                    // The visits before stand among the others.
                    if kind == Kind::Page {
                        let others = self.others[0].get_mut();
                        *others = others.saturating_sub(u64::from(before));
                    }
                    self.enter(key, kind, before.saturating_add(1), number)
                }
            },
        }
    }

    /// Counts visits of what is not on the list.
    fn pass_by(&mut self, kind: Kind, visits: u32) {
        if kind == Kind::Page {
            *self.others[0].get_mut() += u64::from(visits);
        }
    }

    /// Moves on to `today`.
    pub(super) fn turn(&mut self, today: Day) {
        let gone = self.calendar.turn(today) as usize;
        if gone == 0 {
            return;
        }
        let kept = DAYS.saturating_sub(gone);
        shift(&mut self.others, kept);
        self.known.retain(|_, counts| {
            shift(&mut counts.days, kept);
            counts.total() > 0
        });
    }

    /// Puts a path with its visits on the list, if there is a place for it.
    fn enter(&mut self, key: &str, kind: Kind, visits: u32, number: &AtomicU64) {
        let paid = self.make_room(visits);
        self.pass_by(kind, paid);
        if paid < visits {
            let number = number.fetch_add(1, Relaxed) + 1;
            let counts = Counts { kind, number, days: Default::default() };
            counts.days[0].store(visits - paid, Relaxed);
            self.known.insert(key.into(), counts);
        }
    }

    /// Takes as many visits from every path as it takes to have a free place, but at most `most`. Returns how many.
    fn make_room(&mut self, most: u32) -> u32 {
        if self.known.len() < self.places {
            return 0;
        }
        let least = self.known.values().map(Counts::total).min().unwrap_or(0);
        let each = u32::try_from(least).unwrap_or(u32::MAX).min(most);
        let mut taken = [0; DAYS];
        self.known.retain(|_, counts| {
            counts.give(each, &mut taken);
            counts.total() > 0
        });
        for (others, taken) in self.others.iter_mut().zip(taken) {
            *others.get_mut() += taken;
        }
        each
    }

    /// Whether `today` is counted as the newest day without more ado.
    pub(super) fn is_settled(&self, today: Day) -> bool {
        self.calendar.is_settled(today)
    }

    /// The newest day.
    pub(super) fn newest(&self) -> Day {
        self.calendar.newest()
    }

    /// What stands on the list and came onto it after the path of this number.
    pub(super) fn list_after(&self, number: u64) -> impl Iterator<Item = Counted> + '_ {
        let known = self.known.iter().filter(move |(_, counts)| counts.number > number);
        known.map(|(key, counts)| Counted {
            key: key.to_string(),
            kind: counts.kind,
            days: std::array::from_fn(|day| counts.days[day].load(Relaxed)),
        })
    }

    /// The visits that are not on the list, the newest day first.
    pub(super) fn others(&self) -> [u64; DAYS] {
        std::array::from_fn(|day| self.others[day].load(Relaxed))
    }

    /// Takes up what was remembered.
    pub(super) fn resume(&mut self, newest: Day) {
        self.calendar = Calendar::at(newest);
    }

    /// Adds to the visits that are not on the list.
    pub(super) fn add_others(&mut self, days: [u64; DAYS]) {
        for (others, visits) in self.others.iter_mut().zip(days) {
            *others.get_mut() += visits;
        }
    }

    /// Takes up a path that was remembered; those beyond the places count as others.
    pub(super) fn add(&mut self, counted: Counted, number: u64) {
        let Counted { key, kind, days } = counted;
        if self.known.len() < self.places {
            self.known.insert(key.into(), Counts { kind, number, days: days.map(AtomicU32::new) });
        } else if kind == Kind::Page {
            self.add_others(days.map(u64::from));
        }
    }
}

impl Counts {
    fn total(&self) -> u64 {
        self.days.iter().map(|day| u64::from(day.load(Relaxed))).sum()
    }

    /// Gives up this many visits, the oldest first.
    fn give(&mut self, visits: u32, taken: &mut [u64; DAYS]) {
        let mut left = visits;
        for (day, taken) in self.days.iter_mut().zip(taken).rev() {
            let day = day.get_mut();
            let part = left.min(*day);
            *day -= part;
            left -= part;
            if self.kind == Kind::Page {
                *taken += u64::from(part);
            }
        }
    }
}

/// Moves the first `kept` entries to the end, and resets the others.
fn shift<T: Default>(days: &mut [T; DAYS], kept: usize) {
    days.rotate_right(DAYS - kept);
    for day in &mut days[..DAYS - kept] {
        *day = T::default();
    }
}

/// Who a visitor is, as far as the door cares: an address, or a network of one (RFC 4291 section 2.5.4: hosts choose
/// the last 64 bits as they like).
pub(super) fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address) >> 64 | 1 << 127,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const TODAY: Day = 20_000;

    fn totals(shard: &Shard) -> HashMap<String, u64> {
        shard.list_after(0).map(|c| (c.key, c.days.iter().map(|n| u64::from(*n)).sum())).collect()
    }

    fn visit(shard: &mut Shard, key: &str, today: Day) {
        if shard.count(key, today) != Met::Counted {
            shard.meet(key, Got::Page, Entrance::Open, &AtomicU64::new(0), today);
        }
    }

    #[test]
    fn days_go_by_and_the_eighth_is_forgotten() {
        let mut shard = Shard::new(8);
        for (day, key) in [(0, "/a"), (0, "/a"), (3, "/a"), (6, "/b")] {
            visit(&mut shard, key, TODAY + day);
        }
        let days = |shard: &Shard, key: &str| shard.list_after(0).find(|c| c.key == key).map(|c| c.days);
        assert_eq!(days(&shard, "/a"), Some([0, 0, 0, 1, 0, 0, 2]));
        assert_eq!(days(&shard, "/b"), Some([1, 0, 0, 0, 0, 0, 0]));
        shard.turn(TODAY + 7);
        assert_eq!(days(&shard, "/a"), Some([0, 0, 0, 0, 1, 0, 0]));
        shard.turn(TODAY + 10);
        assert_eq!(days(&shard, "/a"), None);
        shard.turn(TODAY + 1000);
        assert_eq!(shard.list_after(0).count(), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_costs_nothing() {
        let mut shard = Shard::new(8);
        visit(&mut shard, "/a", TODAY);
        visit(&mut shard, "/a", 0);
        visit(&mut shard, "/a", TODAY - 10);
        visit(&mut shard, "/a", TODAY + 1);
        assert_eq!(shard.list_after(0).next().unwrap().days, [1, 3, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_newcomer_to_a_full_list_takes_a_visit_from_each() {
        let mut shard = Shard::new(2);
        for key in ["/a", "/a", "/a", "/b"] {
            visit(&mut shard, key, TODAY);
        }
        visit(&mut shard, "/c", TODAY);
        assert_eq!(totals(&shard), HashMap::from([("/a".to_owned(), 2)]));
        assert_eq!(shard.others()[0], 3, "one of each of the three");
        visit(&mut shard, "/c", TODAY);
        assert_eq!(totals(&shard), HashMap::from([("/a".to_owned(), 2), ("/c".to_owned(), 1)]));
    }

    #[test]
    fn the_first_visits_count_once_the_path_is_let_in() {
        let mut shard = Shard::new(8);
        let by = |visitor| Entrance::Watched(Sighting { path: 7, visitor, minute: 20_000 * 1440 });
        let number = AtomicU64::new(0);
        for visitor in 1..5 {
            shard.meet("/a", Got::Page, by(visitor), &number, TODAY);
        }
        assert_eq!((shard.list_after(0).count(), shard.others()[0]), (0, 4));
        shard.meet("/a", Got::Page, by(5), &number, TODAY);
        assert_eq!((totals(&shard)["/a"], shard.others()[0]), (5, 0));
        assert_eq!(shard.count("/a", TODAY), Met::Counted);
    }

    #[test]
    fn what_may_not_be_listed_is_counted_with_the_others() {
        let mut shard = Shard::new(8);
        for got in [Got::Page, Got::Document, Got::Unchanged] {
            shard.meet("/a", got, Entrance::Closed, &AtomicU64::new(0), TODAY);
        }
        shard.meet("/a", Got::Unchanged, Entrance::Open, &AtomicU64::new(0), TODAY);
        assert_eq!((shard.list_after(0).count(), shard.others()[0]), (0, 1));
    }

    #[test]
    fn visitors_are_told_apart_by_address_or_network() {
        let same = |a: &str, b: &str| network(a.parse().unwrap()) == network(b.parse().unwrap());
        assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(same("2001:db8::1", "2001:db8::ffff:0:1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(!same("0.0.0.1", "0:0:0:1::"));
    }

    proptest! {
        /// Misra and Gries's promise, and that no visit is lost or counted twice.
        #[test]
        fn counts_are_never_above_the_truth_nor_far_below(
            places in 1usize..12,
            visits in proptest::collection::vec((0u32..5, 0u8..30), 0..400),
        ) {
            let mut shard = Shard::new(places);
            let mut truth: HashMap<String, u64> = HashMap::new();
            let mut today = TODAY;
            for (i, (step, path)) in visits.iter().enumerate() {
                // Five days at most: nothing is forgotten.
                today = today.max(TODAY + step * u32::from(i % 97 == 0));
                let key = format!("/{}", path / (1 + path % 3));
                visit(&mut shard, &key, today);
                *truth.entry(key).or_default() += 1;
            }
            let counted = totals(&shard);
            let others: u64 = shard.others().iter().sum();
            prop_assert!(counted.len() <= places);
            prop_assert_eq!(counted.values().sum::<u64>() + others, visits.len() as u64);
            for (key, truth) in truth {
                let counted = counted.get(&key).copied().unwrap_or(0);
                prop_assert!(counted <= truth, "{} {} {}", key, counted, truth);
                prop_assert!(truth - counted <= visits.len() as u64 / (places as u64 + 1), "{}", key);
            }
        }

        #[test]
        fn any_clock_is_survived(days in proptest::collection::vec((0u32..40, "/[a-f]"), 0..100)) {
            let mut shard = Shard::new(4);
            for (day, key) in &days {
                visit(&mut shard, key, *day);
            }
            let all: u64 = totals(&shard).values().sum::<u64>() + shard.others().iter().sum::<u64>();
            prop_assert!(all <= days.len() as u64);
        }
    }
}
