//! What visitors ask for, as a crawl goes by it: paths that no link leads to are fetched all the same.
//!
//! What the snapshot in service has is fetched again anyway, linked or not; here it is about the rest. Whatever
//! strangers can put on the list must not push the site itself out of its snapshot, nor fill it over the weeks: no more
//! than a quarter of a snapshot's pages may be learned, and those that the last one had without a link to them count. A
//! path to which a link is found after all makes room for the next.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::config::ready::Site;
use crate::crawl::scope::Scope;
use crate::snapshot::{Snapshot, Store};
use crate::visits::{PATHS, Visits};
use crate::{clock, tasks};

/// The list as a crawl goes through it.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    /// How often visitors asked for an address in the last days, whether or not the snapshot in service has it.
    asked: HashMap<Arc<str>, u64>,
    /// Not offered yet, the most visited first.
    waiting: VecDeque<Arc<str>>,
    /// Offered, and no link to them found so far.
    unlinked: HashSet<Arc<str>>,
    /// How many of those there may be.
    room: usize,
    /// Files that pages are drawn with and that the snapshot in service lacks: only a browser computes their addresses.
    requisites: Vec<Arc<str>>,
}

/// Files that may be learned for one snapshot: more than a program is cut into.
const REQUISITES: usize = 2000;

impl Learned {
    /// What visitors ask for and the current snapshot lacks.
    pub(crate) async fn gather(
        site: &Site,
        visits: Option<&Arc<Visits>>,
        store: &Store,
        current: Option<&Arc<Snapshot>>,
    ) -> Learned {
        let Some(visits) = visits.cloned() else { return Learned::default() };
        let (scope, store, current) = (Scope::new(site), store.clone(), current.cloned());
        let max_pages = site.mirror.max_pages;
        let gathered = tasks::blocking(move || {
            let has =
                |key: &str| current.as_ref().is_some_and(|current| matches!(current.find(key), Ok(Some(_))));
            // By the keys that the configuration makes of it now.
            let popular = visits.popular(clock::now().wall, PATHS).into_iter();
            let popular: Vec<(Arc<str>, u64)> =
                popular.map(|(key, visits)| (scope.key(&key).into(), visits)).collect();
            let lacking = popular.iter().map(|(key, _)| key.clone()).filter(|key| !has(key));
            let report = current.as_ref().and_then(|current| store.report(&current.id()));
            let unlinked = report.and_then(|report| report["unlinked"].as_u64()).unwrap_or(0);
            let learned = Learned::new(lacking, room(max_pages, unlinked));
            let requisites = visits.requisites(clock::now().wall, PATHS).into_iter();
            let requisites =
                requisites.map(|key| Arc::from(scope.key(&key))).filter(|key: &Arc<str>| !has(key));
            let learned = Learned { requisites: requisites.take(REQUISITES).collect(), ..learned };
            Learned { asked: popular.into_iter().collect(), ..learned }
        });
        gathered.await.unwrap_or_default()
    }

    fn new(keys: impl Iterator<Item = Arc<str>>, room: usize) -> Learned {
        Learned { waiting: keys.collect(), room, ..Learned::default() }
    }

    /// How often visitors asked for an address.
    pub(crate) fn visits(&self, key: &str) -> u64 {
        self.asked.get(key).copied().unwrap_or(0)
    }

    /// What only browsers find, once.
    pub(crate) fn requisites(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.requisites)
    }

    /// The next to be offered, as long as there is room.
    pub(crate) fn next(&mut self) -> Option<Arc<str>> {
        if self.unlinked.len() < self.room { self.waiting.pop_front() } else { None }
    }

    /// This one is wanted for its visitors alone.
    pub(crate) fn takes_room(&mut self, key: Arc<str>) {
        self.unlinked.insert(key);
    }

    /// A link to `key` was found. Returns whether that makes room for another.
    pub(crate) fn is_linked(&mut self, key: &str) -> bool {
        self.unlinked.remove(key) && !self.waiting.is_empty()
    }

    /// Those that are wanted for their visitors alone.
    pub(crate) fn unlinked(&self) -> impl Iterator<Item = &Arc<str>> {
        self.unlinked.iter()
    }
}

/// How many pages may be learned for a snapshot of so many pages, when the last one had so many unlinked ones.
fn room(max_pages: usize, unlinked: u64) -> usize {
    (max_pages / 4).saturating_sub(usize::try_from(unlinked).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_may_be_learned_over_all_snapshots() {
        for (max_pages, unlinked, expected) in [(40, 0, 10), (40, 4, 6), (40, 99, 0), (3, 0, 0)] {
            assert_eq!(room(max_pages, unlinked), expected, "{max_pages} {unlinked}");
        }
    }

    #[test]
    fn those_that_nothing_links_to_share_the_room() {
        let keys = ["/a", "/b", "/c", "/d", "/e"].map(Arc::from);
        let mut learned = Learned::new(keys.into_iter(), 2);
        let next = |learned: &mut Learned| learned.next().map(|key| key.to_string());
        // Known already, or refused: takes no room.
        assert_eq!(next(&mut learned).as_deref(), Some("/a"));
        for key in ["/b", "/c"] {
            assert_eq!(next(&mut learned).as_deref(), Some(key));
            learned.takes_room(key.into());
        }
        assert_eq!(next(&mut learned), None);
        assert!(!learned.is_linked("/a"));
        assert!(learned.is_linked("/b") && !learned.is_linked("/b"));
        assert_eq!(next(&mut learned).as_deref(), Some("/d"));
        learned.takes_room("/d".into());
        assert_eq!(next(&mut learned), None);
        assert!(learned.is_linked("/d"));
        assert_eq!(next(&mut learned).as_deref(), Some("/e"));
        assert_eq!(next(&mut learned), None);
        assert!(!learned.is_linked("/c"), "nothing waits any more");
    }
}
