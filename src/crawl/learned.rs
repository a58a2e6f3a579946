//! What visitors ask for, as a crawl goes by it: paths that no link leads to are fetched all the same.
//!
//! All of the list is offered, not only what the current snapshot lacks: what was learned the last time is not linked
//! this time either. But whatever strangers can put on the list must not push the site itself out of its snapshot, so
//! no more than a quarter of the pages may be there for visitors alone. A path to which a link is found after all makes
//! room for the next.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// The list as a crawl goes through it.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// Not offered yet, the most visited first.
    waiting: VecDeque<Arc<str>>,
    /// Offered, and no link to them found so far.
    unlinked: HashSet<Arc<str>>,
    /// How many of those there may be.
    room: usize,
}

impl Learned {
    /// The keys that visitors ask for, the most visited first, for a snapshot of so many pages.
    pub(super) fn new(keys: impl Iterator<Item = Arc<str>>, max_pages: usize) -> Learned {
        Learned { waiting: keys.collect(), unlinked: HashSet::new(), room: max_pages / 4 }
    }

    /// The next to be offered, as long as there is room.
    pub(super) fn next(&mut self) -> Option<Arc<str>> {
        if self.unlinked.len() < self.room { self.waiting.pop_front() } else { None }
    }

    /// This one is wanted for its visitors alone.
    pub(super) fn takes_room(&mut self, key: Arc<str>) {
        self.unlinked.insert(key);
    }

    /// A link to `key` was found. Returns whether that makes room for another.
    pub(super) fn is_linked(&mut self, key: &str) -> bool {
        self.unlinked.remove(key) && !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_nothing_links_to_have_a_quarter_of_the_room() {
        let keys = ["/a", "/b", "/c", "/d", "/e"].map(Arc::from);
        let mut learned = Learned::new(keys.into_iter(), 8);
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
