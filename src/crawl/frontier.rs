//! What is to be fetched next, and what has been: each address once, key pages first, then what pages need to be
//! drawn, then pages by their distance from a start page.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use super::admission::Refusal;
use super::links::Need;
use super::robots::Robots;
use super::traps::Traps;
use crate::config::ready::Site;

/// Redirects and imports in a row on the way to a file.
const MAX_HOPS: u32 = 12;

/// Something to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Its key.
    pub(super) key: Arc<str>,
    /// What for.
    pub(super) need: Need,
    /// Links from a start page.
    pub(super) depth: u32,
    /// Redirects, imports and frames since the last page that was linked.
    pub(super) hops: u32,
    /// The page that it was found on.
    pub(super) found_on: Option<Arc<str>>,
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// It will be fetched.
    Queued,
    /// It is queued, fetched or refused already.
    Known,
    /// It will not be fetched.
    Refused(Refusal),
}

/// The owner's word about what is fetched.
#[derive(Debug)]
pub(super) struct Policy<'a> {
    site: &'a Site,
    /// What `robots.txt` says.
    pub(super) robots: Robots,
}

impl<'a> Policy<'a> {
    /// The configuration's part; `robots.txt` is not known yet and forbids nothing.
    pub(super) fn new(site: &'a Site) -> Policy<'a> {
        Policy { site, robots: Robots::allow_all() }
    }

    /// Whether `item` may be fetched. `mirror = "off"` holds for everything; `exclude` for everything but key
    /// pages; `include`, depth and `robots.txt` for what pages link to.
    fn judge(&self, item: &Item) -> Result<(), Refusal> {
        let path = crate::ask::key::path_of(&item.key);
        let (_, mirrored) = self.site.route(path);
        if !mirrored {
            return Err(Refusal::Route);
        }
        if item.hops > MAX_HOPS {
            return Err(Refusal::TooManyHops);
        }
        if item.need <= Need::Site {
            return Ok(());
        }
        let mirror = &self.site.mirror;
        if mirror.exclude.iter().any(|pattern| pattern.matches(path)) {
            return Err(Refusal::Excluded);
        }
        match item.need {
            Need::Key | Need::Site | Need::Draw => return Ok(()),
            // A file, wherever the pages that need it are.
            Need::Guess => return if self.robots.allows(&item.key) { Ok(()) } else { Err(Refusal::Robots) },
            Need::Link => {}
        }
        if !mirror.include.is_empty() && !mirror.include.iter().any(|pattern| pattern.matches(path)) {
            return Err(Refusal::NotIncluded);
        }
        if item.depth > mirror.max_depth {
            return Err(Refusal::TooDeep);
        }
        if self.robots.allows(&item.key) { Ok(()) } else { Err(Refusal::Robots) }
    }
}

/// What is known of an address.
#[derive(Clone, Copy, Debug)]
enum State {
    /// In the queue as the entry with this number; later entries replace earlier ones.
    Queued { need: Need, depth: u32, number: u64 },
    /// Given out to be fetched.
    Taken,
    /// Not wanted then; a stronger need, or a shorter way, is judged anew.
    Refused { need: Need, depth: u32 },
}

/// An entry of the queue. The greatest is the next.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    rank: Reverse<(u8, u32, u64)>,
    key: Arc<str>,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Frontier {
    states: HashMap<Arc<str>, State>,
    waiting: HashMap<Arc<str>, Item>,
    queue: BinaryHeap<Entry>,
    traps: Traps,
    offers: u64,
}

impl Frontier {
    /// An empty queue for a site of so many pages.
    pub(super) fn new(max_pages: usize) -> Frontier {
        Frontier {
            states: HashMap::new(),
            waiting: HashMap::new(),
            queue: BinaryHeap::new(),
            traps: Traps::new(max_pages),
            offers: 0,
        }
    }

    /// Items that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Offers something that was found.
    pub(super) fn offer(&mut self, item: Item, policy: &Policy<'_>) -> Offered {
        let known = self.states.get(&item.key).copied();
        match known {
            Some(State::Taken) => return Offered::Known,
            Some(State::Queued { need, depth, .. } | State::Refused { need, depth })
                if (need, depth) <= (item.need, item.depth) =>
            {
                return Offered::Known;
            }
            Some(State::Queued { .. } | State::Refused { .. }) | None => {}
        }
        let queued = matches!(known, Some(State::Queued { .. }));
        let judged = policy
            .judge(&item)
            .and_then(|()| if queued { Ok(()) } else { self.traps.pass(&item.key, item.need) });
        if let Err(refusal) = judged {
            // What is queued already stays queued as it was.
            if queued {
                return Offered::Known;
            }
            self.states.insert(item.key, State::Refused { need: item.need, depth: item.depth });
            return Offered::Refused(refusal);
        }
        self.offers += 1;
        let rank = Reverse((class(item.need), distance(&item), self.offers));
        let state = State::Queued { need: item.need, depth: item.depth, number: self.offers };
        self.states.insert(item.key.clone(), state);
        self.queue.push(Entry { rank, key: item.key.clone() });
        self.waiting.insert(item.key.clone(), item);
        if queued { Offered::Known } else { Offered::Queued }
    }

    /// Marks an address as fetched without having queued it.
    pub(super) fn claim(&mut self, key: &Arc<str>) {
        self.states.insert(key.clone(), State::Taken);
        self.waiting.remove(key);
    }

    /// The next thing to fetch.
    pub(super) fn pop(&mut self) -> Option<Item> {
        loop {
            let Entry { rank: Reverse((_, _, of)), key } = self.queue.pop()?;
            match self.states.get(&key) {
                Some(State::Queued { number, .. }) if *number == of => {
                    self.states.insert(key.clone(), State::Taken);
                    return self.waiting.remove(&key);
                }
                // Replaced by a stronger entry for the same address.
                Some(State::Queued { .. } | State::Taken | State::Refused { .. }) | None => {}
            }
        }
    }
}

fn class(need: Need) -> u8 {
    match need {
        Need::Key => 0,
        Need::Site => 1,
        Need::Draw => 2,
        Need::Link => 3,
        Need::Guess => 4,
    }
}

/// Pages by their links from a start page; one with parameters counts as further away, so that lists in all
/// their orders come after the pages that they list.
fn distance(item: &Item) -> u32 {
    let parameters = item.key.split_once('?').map_or(0, |(_, query)| query.split('&').count().min(8) as u32);
    match item.need {
        Need::Link => item.depth.saturating_add(parameters),
        Need::Key | Need::Site | Need::Draw | Need::Guess => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::site;
    use super::*;
    use crate::config::ready::{PathPattern, Route};
    use proptest::prelude::*;

    fn item(key: &str, need: Need, depth: u32) -> Item {
        Item { key: key.into(), need, depth, hops: 0, found_on: None }
    }

    fn order(frontier: &mut Frontier) -> Vec<String> {
        std::iter::from_fn(|| frontier.pop()).map(|item| item.key.to_string()).collect()
    }

    #[test]
    fn key_pages_come_first_then_what_they_need_then_pages_by_distance() {
        let site = site(&[]);
        let policy = Policy::new(&site);
        let mut frontier = Frontier::new(100);
        for (key, need, depth) in [
            ("/deep", Need::Link, 3),
            ("/near?a=1&b=2", Need::Link, 1),
            ("/near", Need::Link, 1),
            ("/s.css", Need::Draw, 9),
            ("/near2", Need::Link, 1),
            ("/robots.txt", Need::Site, 0),
            ("/key", Need::Key, 0),
        ] {
            assert_eq!(frontier.offer(item(key, need, depth), &policy), Offered::Queued);
        }
        assert_eq!(frontier.len(), 7);
        let expected = ["/key", "/robots.txt", "/s.css", "/near", "/near2", "/deep", "/near?a=1&b=2"];
        assert_eq!(order(&mut frontier), expected);
        assert_eq!(frontier.len(), 0);
    }

    #[test]
    fn an_address_is_fetched_once_and_a_stronger_need_lifts_it() {
        let site = site(&[]);
        let policy = Policy::new(&site);
        let mut frontier = Frontier::new(100);
        assert_eq!(frontier.offer(item("/a", Need::Link, 1), &policy), Offered::Queued);
        assert_eq!(frontier.offer(item("/b", Need::Link, 2), &policy), Offered::Queued);
        assert_eq!(frontier.offer(item("/b", Need::Draw, 2), &policy), Offered::Known);
        assert_eq!(frontier.offer(item("/a", Need::Link, 5), &policy), Offered::Known);
        assert_eq!(frontier.len(), 2);
        assert_eq!(frontier.pop().map(|i| (i.key.to_string(), i.need)), Some(("/b".to_owned(), Need::Draw)));
        assert_eq!(frontier.offer(item("/b", Need::Key, 0), &policy), Offered::Known);
        assert_eq!(order(&mut frontier), ["/a"]);
    }

    #[test]
    fn the_owners_word_holds_for_what_it_is_about() {
        let mut site = site(&[]);
        site.mirror.max_depth = 2;
        site.mirror.include = vec![PathPattern::new("/shop/*").unwrap()];
        site.mirror.exclude = vec![PathPattern::new("*/big/*").unwrap()];
        site.routes =
            vec![Route { path: PathPattern::new("/shop/off/*").unwrap(), cache: true, mirror: false }];
        let mut policy = Policy::new(&site);
        policy.robots = Robots::parse(b"User-agent: *\nDisallow: /shop/secret");
        for (key, need, depth, expected) in [
            ("/shop/a", Need::Link, 2, Offered::Queued),
            ("/shop/b", Need::Link, 3, Offered::Refused(Refusal::TooDeep)),
            ("/blog/a", Need::Link, 1, Offered::Refused(Refusal::NotIncluded)),
            ("/css/a.css", Need::Draw, 1, Offered::Queued),
            ("/shop/big/a", Need::Link, 1, Offered::Refused(Refusal::Excluded)),
            ("/shop/big/a.png", Need::Draw, 1, Offered::Refused(Refusal::Excluded)),
            ("/shop/big/key", Need::Key, 0, Offered::Queued),
            ("/shop/secret/a", Need::Link, 1, Offered::Refused(Refusal::Robots)),
            ("/shop/secret/a.css", Need::Draw, 1, Offered::Queued),
            ("/shop/secret/key", Need::Key, 0, Offered::Queued),
            ("/shop/off/a", Need::Key, 0, Offered::Refused(Refusal::Route)),
        ] {
            assert_eq!(Frontier::new(100).offer(item(key, need, depth), &policy), expected, "{key}");
        }
    }

    #[test]
    fn what_was_refused_is_judged_anew_for_a_stronger_need() {
        let site = site(&[]);
        let mut policy = Policy::new(&site);
        policy.robots = Robots::disallow_all();
        let mut frontier = Frontier::new(100);
        assert_eq!(frontier.offer(item("/a", Need::Link, 1), &policy), Offered::Refused(Refusal::Robots));
        assert_eq!(frontier.offer(item("/a", Need::Link, 1), &policy), Offered::Known);
        assert_eq!(frontier.offer(item("/a", Need::Draw, 4), &policy), Offered::Queued);
        let chain = Item { hops: MAX_HOPS + 1, ..item("/r", Need::Draw, 0) };
        assert_eq!(frontier.offer(chain, &policy), Offered::Refused(Refusal::TooManyHops));
    }

    proptest! {
        #[test]
        fn each_address_comes_out_once(offers in proptest::collection::vec(("/[a-d]{1,2}", 0u8..4, 0u32..4), 0..60)) {
            let site = site(&[]);
            let policy = Policy::new(&site);
            let mut frontier = Frontier::new(100);
            let mut keys = std::collections::BTreeSet::new();
            for (key, need, depth) in offers {
                let need = [Need::Key, Need::Site, Need::Draw, Need::Link][need as usize];
                frontier.offer(item(&key, need, depth), &policy);
                keys.insert(key);
            }
            prop_assert_eq!(frontier.len(), keys.len());
            let mut out = order(&mut frontier);
            out.sort();
            prop_assert_eq!(out, keys.into_iter().collect::<Vec<_>>());
        }
    }
}
