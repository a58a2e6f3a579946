//! What is to be fetched next, and what has been: each address once, key pages first, then what pages need to be
//! drawn, then pages: the most visited first, then what the site says has changed last, then those that are near to a
//! start page.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use crate::config::ready::Site;
use crate::content::links::Need;
use crate::crawl::item::{Item, Priority};
use crate::crawl::refusal::Refusal;
use crate::crawl::scope::patterns::list_of;
use crate::crawl::scope::robots::Robots;
use crate::crawl::scope::traps::Traps;

/// Redirects and imports in a row on the way to a file.
const MAX_HOPS: u32 = 12;

/// How many links further from a start page `to` is than `from`, on which it was found. The next page of a list is not
/// further away: a reader who wants the oldest entry goes there by a number, and the crawler by hundreds of “next”.
pub(crate) fn step(from: &str, to: &str) -> u32 {
    u32::from(list_of(to).is_none_or(|list| list_of(from).as_ref() != Some(&list)))
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It will be fetched.
    Queued,
    /// It is queued, fetched or refused already.
    Known,
    /// It will not be fetched.
    Refused(Refusal),
}

/// The owner's word about what is fetched.
#[derive(Debug)]
pub(crate) struct Policy<'a> {
    site: &'a Site,
    /// What `robots.txt` says.
    pub(crate) robots: Robots,
}

impl<'a> Policy<'a> {
    /// The configuration's part; `robots.txt` is not known yet and forbids nothing.
    pub(crate) fn new(site: &'a Site) -> Policy<'a> {
        Policy { site, robots: Robots::allow_all() }
    }

    /// Whether `item` may be fetched. `mirror = "off"` holds for everything; `exclude` for everything but key
    /// pages; `include`, depth and `robots.txt` for what pages link to.
    pub(crate) fn judge(&self, item: &Item) -> Result<(), Refusal> {
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
            Need::Key | Need::Site | Need::Requisite => return Ok(()),
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
enum AddressState {
    /// In the queue as the entry with this number; later entries replace earlier ones.
    Queued { need: Need, depth: u32, rank: Priority, number: u64 },
    /// Given out to be fetched.
    Taken,
    /// Not wanted then; a stronger need, or a shorter way, is judged anew.
    Refused { need: Need, depth: u32 },
}

/// An entry of the queue. The greatest is the next.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    place: QueuePlace,
    key: Arc<str>,
}

/// Need, rank, distance, and the number of the offer.
type QueuePlace = (Reverse<u8>, Priority, Reverse<(u32, u64)>);

/// The queue.
#[derive(Debug)]
pub(crate) struct Frontier {
    states: HashMap<Arc<str>, AddressState>,
    waiting: HashMap<Arc<str>, Item>,
    queue: BinaryHeap<Entry>,
    traps: Traps,
    offers: u64,
}

impl Frontier {
    /// An empty queue for a site of so many pages.
    pub(crate) fn new(max_pages: usize) -> Frontier {
        Frontier {
            states: HashMap::new(),
            waiting: HashMap::new(),
            queue: BinaryHeap::new(),
            traps: Traps::new(max_pages),
            offers: 0,
        }
    }

    /// Items that wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether an offer would change nothing. Most links of a site lead to what is known: they should cost no more
    /// than this.
    pub(crate) fn knows(&self, key: &str, need: Need, depth: u32, rank: Priority) -> bool {
        match self.states.get(key) {
            Some(AddressState::Taken) => true,
            Some(AddressState::Queued { need: n, depth: d, rank: r, .. }) => {
                (*n, *d) <= (need, depth) && r.or(rank) == *r
            }
            Some(AddressState::Refused { need: n, depth: d }) => (*n, *d) <= (need, depth),
            None => false,
        }
    }

    /// Offers something that was found.
    pub(crate) fn offer(&mut self, item: Item, policy: &Policy<'_>) -> Offered {
        if self.knows(&item.key, item.need, item.depth, item.rank) {
            return Offered::Known;
        }
        let known = self.states.get(&item.key).copied();
        let queued = matches!(known, Some(AddressState::Queued { .. }));
        let judged = policy
            .judge(&item)
            .and_then(|()| if queued { Ok(()) } else { self.traps.pass(&item.key, item.need) });
        match (judged, known) {
            (Ok(()), Some(AddressState::Queued { need, depth, rank, .. }))
                if (need, depth) <= (item.need, item.depth) =>
            {
                // The way on which it was found before is the shorter one.
                let rank = rank.or(item.rank);
                if let Some(waiting) = self.waiting.get(&item.key).cloned() {
                    self.queue(Item { rank, ..waiting });
                }
            }
            (Ok(()), Some(AddressState::Queued { rank, .. })) => {
                self.queue(Item { rank: rank.or(item.rank), ..item })
            }
            (Ok(()), Some(AddressState::Taken | AddressState::Refused { .. }) | None) => self.queue(item),
            // What is queued already stays queued as it was.
            (Err(_), Some(AddressState::Queued { .. })) => {}
            (Err(refusal), Some(AddressState::Taken | AddressState::Refused { .. }) | None) => {
                self.states.insert(item.key, AddressState::Refused { need: item.need, depth: item.depth });
                return Offered::Refused(refusal);
            }
        }
        if queued { Offered::Known } else { Offered::Queued }
    }

    fn queue(&mut self, item: Item) {
        self.offers += 1;
        let place = (Reverse(class(item.need)), rank(&item), Reverse((distance(&item), self.offers)));
        let state =
            AddressState::Queued { need: item.need, depth: item.depth, rank: item.rank, number: self.offers };
        self.states.insert(item.key.clone(), state);
        self.queue.push(Entry { place, key: item.key.clone() });
        self.waiting.insert(item.key.clone(), item);
    }

    /// Marks an address as fetched without having queued it.
    pub(crate) fn claim(&mut self, key: &Arc<str>) {
        self.states.insert(key.clone(), AddressState::Taken);
        self.waiting.remove(key);
    }

    /// The next thing to fetch.
    pub(crate) fn pop(&mut self) -> Option<Item> {
        loop {
            let Entry { place: (_, _, Reverse((_, of))), key } = self.queue.pop()?;
            match self.states.get(&key) {
                Some(AddressState::Queued { number, .. }) if *number == of => {
                    self.states.insert(key.clone(), AddressState::Taken);
                    return self.waiting.remove(&key);
                }
                // Replaced by a stronger entry for the same address.
                Some(AddressState::Queued { .. } | AddressState::Taken | AddressState::Refused { .. })
                | None => {}
            }
        }
    }

    /// The reason for which what was popped is not fetched after all: its kind has turned out to be without end.
    pub(crate) fn exhausted(&mut self, item: &Item) -> Option<Refusal> {
        self.traps.take(&item.key, item.need).err()
    }

    /// Records what a page showed (see `shingles`), for others of its kind.
    pub(crate) fn learn(&mut self, item: &Item, shingles: &[u64]) {
        self.traps.learn(&item.key, item.need, shingles);
    }
}

fn class(need: Need) -> u8 {
    match need {
        Need::Key => 0,
        Need::Site => 1,
        Need::Requisite => 2,
        Need::Link => 3,
        Need::Guess => 4,
    }
}

/// Only pages have one: what a page needs comes in the order in which pages are fetched.
fn rank(item: &Item) -> Priority {
    if item.need == Need::Link { item.rank } else { Priority::default() }
}

/// Pages by their links from a start page; one with parameters counts as further away, so that lists in all
/// their orders come after the pages that they list.
fn distance(item: &Item) -> u32 {
    let parameters = item.key.split_once('?').map_or(0, |(_, query)| query.split('&').count().min(8) as u32);
    match item.need {
        Need::Link => item.depth.saturating_add(parameters),
        Need::Key | Need::Site | Need::Requisite | Need::Guess => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ready::{PathPattern, Route};
    use crate::crawl::testing::site;
    use proptest::prelude::*;

    fn item(key: &str, need: Need, depth: u32) -> Item {
        Item { key: key.into(), need, depth, hops: 0, found_on: None, rank: Priority::default() }
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
            ("/s.css", Need::Requisite, 9),
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
    fn the_most_visited_come_first_then_the_newest() {
        let site = site(&[]);
        let policy = Policy::new(&site);
        let mut frontier = Frontier::new(100);
        let mut offer = |key: &str, depth, visits, lastmod| {
            frontier
                .offer(Item { rank: Priority { visits, lastmod }, ..item(key, Need::Link, depth) }, &policy)
        };
        offer("/near", 1, 0, None);
        offer("/old", 9, 0, Some(10));
        offer("/new", 9, 0, Some(20));
        offer("/visited", 9, 3, None);
        offer("/crowded", 9, 40, Some(5));
        // What is said of a page later lifts it, and costs it nothing.
        offer("/found", 2, 0, None);
        assert_eq!(offer("/found", 7, 0, Some(15)), Offered::Known);
        assert_eq!(offer("/found", 2, 1, None), Offered::Known);
        assert_eq!(offer("/found", 7, 0, Some(1)), Offered::Known);
        frontier.offer(Item { rank: Priority::default(), ..item("/i.png", Need::Requisite, 9) }, &policy);
        assert_eq!(frontier.len(), 7);
        let expected = ["/i.png", "/crowded", "/visited", "/found", "/new", "/old", "/near"];
        let popped: Vec<Item> = std::iter::from_fn(|| frontier.pop()).collect();
        assert_eq!(popped.iter().map(|item| &*item.key).collect::<Vec<_>>(), expected);
        assert_eq!((popped[3].depth, popped[3].rank), (2, Priority { visits: 1, lastmod: Some(15) }));
    }

    #[test]
    fn the_next_page_of_a_list_is_not_further_away() {
        for (from, to, expected) in [
            ("/blog/", "/blog/page/2/", 1),
            ("/blog/page/2/", "/blog/page/3/", 0),
            ("/blog/page/2/", "/news/page/3/", 1),
            ("/blog/page/2/", "/blog/title", 1),
            ("/l?c=5&pageno=2", "/l?c=5&pageno=3", 0),
            ("/l?c=5&pageno=2", "/l?c=6&pageno=3", 1),
        ] {
            assert_eq!(step(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn an_address_is_fetched_once_and_a_stronger_need_lifts_it() {
        let site = site(&[]);
        let policy = Policy::new(&site);
        let mut frontier = Frontier::new(100);
        assert_eq!(frontier.offer(item("/a", Need::Link, 1), &policy), Offered::Queued);
        assert_eq!(frontier.offer(item("/b", Need::Link, 2), &policy), Offered::Queued);
        assert_eq!(frontier.offer(item("/b", Need::Requisite, 2), &policy), Offered::Known);
        assert_eq!(frontier.offer(item("/a", Need::Link, 5), &policy), Offered::Known);
        assert_eq!(frontier.len(), 2);
        assert_eq!(
            frontier.pop().map(|i| (i.key.to_string(), i.need)),
            Some(("/b".to_owned(), Need::Requisite))
        );
        assert_eq!(frontier.offer(item("/b", Need::Key, 0), &policy), Offered::Known);
        assert_eq!(order(&mut frontier), ["/a"]);
    }

    #[test]
    fn the_owners_word_holds_for_what_it_is_about() {
        let mut site = site(&[]);
        site.mirror.max_depth = 2;
        site.mirror.include = vec![PathPattern::new("/shop/*").unwrap()];
        site.mirror.exclude = vec![PathPattern::new("*/big/*").unwrap()];
        site.routes = vec![Route {
            path: PathPattern::new("/shop/off/*").unwrap(),
            cache: true,
            mirror: Some(false),
            timeout: None,
        }];
        let mut policy = Policy::new(&site);
        policy.robots = Robots::parse(b"User-agent: *\nDisallow: /shop/secret");
        for (key, need, depth, expected) in [
            ("/shop/a", Need::Link, 2, Offered::Queued),
            ("/shop/b", Need::Link, 3, Offered::Refused(Refusal::TooDeep)),
            ("/blog/a", Need::Link, 1, Offered::Refused(Refusal::NotIncluded)),
            ("/css/a.css", Need::Requisite, 1, Offered::Queued),
            ("/shop/big/a", Need::Link, 1, Offered::Refused(Refusal::Excluded)),
            ("/shop/big/a.png", Need::Requisite, 1, Offered::Refused(Refusal::Excluded)),
            ("/shop/big/key", Need::Key, 0, Offered::Queued),
            ("/shop/secret/a", Need::Link, 1, Offered::Refused(Refusal::Robots)),
            ("/shop/secret/a.css", Need::Requisite, 1, Offered::Queued),
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
        assert_eq!(frontier.offer(item("/a", Need::Requisite, 4), &policy), Offered::Queued);
        let chain = Item { hops: MAX_HOPS + 1, ..item("/r", Need::Requisite, 0) };
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
                let need = [Need::Key, Need::Site, Need::Requisite, Need::Link][need as usize];
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
