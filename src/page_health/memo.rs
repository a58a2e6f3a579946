//! What is remembered of single pages: that the last answer was bad, so that nobody else waits for it and it is re-checked in
//! the background, less and less often; and that the site itself has removed the page.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::window::commonest;
use crate::clock::Now;
use crate::failure::Cause;

/// Pages remembered; for one more, the one that was marked first is forgotten, bad ones before those that are removed.
const MOST: usize = 4096;
/// The wait before a bad page is asked for again, first; each further bad answer doubles it,
const FIRST: Duration = Duration::from_secs(1);
/// up to this while it has not been bad for long: whoever mends a page sees it live soon,
const SOON: Duration = Duration::from_secs(10);
/// then up to a thirtieth of the time for which it has been bad, but never beyond this.
const LATE: Duration = Duration::from_secs(60);
/// Whoever was given a page to ask for has this long before somebody else gets it.
const LEASE: Duration = Duration::from_secs(60);

/// What is remembered of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing: it is asked for.
    None,
    /// Its last answer was not the site's.
    Bad(Cause),
    /// The site has removed it.
    Gone {
        /// By this status: 404, 410, or, as crawls have heard it, 401 or 403.
        status: u16,
        /// When that was seen.
        since: Now,
    },
}

/// A page to be asked for again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its key.
    pub key: Box<str>,
    /// The address under which a visitor asked for it.
    pub url: Box<str>,
}

/// A part of the site with bad pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The first segment of their paths: `/shop`; the home page is `/`.
    pub name: String,
    /// How many there are.
    pub pages: u32,
    /// What most of them are instead.
    pub cause: Cause,
}

#[derive(Clone, Debug)]
struct Entry {
    mark: Mark,
    since: Now,
    url: Box<str>,
    /// Bad answers so far.
    tries: u32,
    /// When it is asked for again.
    next: Instant,
    /// Whether somebody is asking for it.
    out: bool,
}

/// What is remembered of a site's pages, by their keys.
#[derive(Clone, Debug, Default)]
pub struct Memo {
    pages: HashMap<Box<str>, Entry>,
    bad: usize,
    /// Changes of what is removed, counted.
    removals: u64,
}

impl Memo {
    /// What is remembered of a page.
    pub fn mark(&self, key: &str) -> Mark {
        self.pages.get(key).map_or(Mark::None, |entry| entry.mark)
    }

    /// How many pages are remembered.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// How many of them are bad.
    pub fn bad_pages(&self) -> usize {
        self.bad
    }

    /// The page was asked for at `url`, and its answer was bad. `random` is from 0 to 1.
    pub fn bad(&mut self, key: &str, url: &str, cause: Cause, now: Now, random: f64) {
        if let Some(entry) = self.pages.get_mut(key)
            && let Mark::Bad(_) = entry.mark
        {
            entry.mark = Mark::Bad(cause);
            // what visitors with a session meet with in between does not make the wait longer
            if now.mono >= entry.next || entry.out {
                entry.out = false;
                entry.tries += 1;
                let age = now.mono.saturating_duration_since(entry.since.mono);
                entry.next = now.mono + wait(entry.tries, age, random);
            }
            return;
        }
        let entry = Entry {
            mark: Mark::Bad(cause),
            since: now,
            url: url.into(),
            tries: 1,
            next: now.mono + wait(1, Duration::ZERO, random),
            out: false,
        };
        self.put(key, entry);
    }

    /// The site has removed the page.
    pub fn gone(&mut self, key: &str, status: u16, now: Now) {
        let mark = Mark::Gone { status, since: now };
        let entry = Entry { mark, since: now, url: "".into(), tries: 0, next: now.mono, out: false };
        self.put(key, entry);
    }

    /// The pages that the site has removed, by their keys: with which status, and since when.
    pub fn removed(&self) -> impl Iterator<Item = (&str, u16, Now)> {
        self.pages.iter().filter_map(|(key, entry)| match entry.mark {
            Mark::Gone { status, since } => Some((&**key, status, since)),
            Mark::None | Mark::Bad(_) => None,
        })
    }

    /// How often that has changed.
    pub fn removals(&self) -> u64 {
        self.removals
    }

    /// The page's answer was good. Its neighbours are asked for at once: what mended one has mended them, most likely.
    pub fn good(&mut self, key: &str, now: Instant) {
        let Some(entry) = self.pages.remove(key) else { return };
        self.removals += u64::from(is_gone(&entry));
        if let Mark::Bad(_) = entry.mark {
            self.bad -= 1;
            let own = branch(key);
            self.hasten(now, |key| branch(key) == own);
        }
    }

    /// All bad pages are to be asked for at once: the site is back.
    pub fn hasten_all(&mut self, now: Instant) {
        self.hasten(now, |_| true);
    }

    fn hasten(&mut self, now: Instant, which: impl Fn(&str) -> bool) {
        for (key, entry) in &mut self.pages {
            if matches!(entry.mark, Mark::Bad(_)) && !entry.out && which(key) {
                entry.next = entry.next.min(now);
            }
        }
    }

    /// The pages whose time has come, the most overdue first and `most` at most. They are the caller's: nobody else gets
    /// them until their answer is told, or until much time has passed.
    pub fn due(&mut self, most: usize, now: Instant) -> Vec<Due> {
        let mut due: Vec<(Instant, &Box<str>)> = self
            .pages
            .iter()
            .filter(|(_, entry)| matches!(entry.mark, Mark::Bad(_)) && entry.next <= now)
            .map(|(key, entry)| (entry.next, key))
            .collect();
        due.sort_unstable();
        due.truncate(most);
        let keys: Vec<Box<str>> = due.into_iter().map(|(_, key)| key.clone()).collect();
        let mut given = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some(entry) = self.pages.get_mut(&key) {
                (entry.next, entry.out) = (now + LEASE, true);
                given.push(Due { key, url: entry.url.clone() });
            }
        }
        given
    }

    /// Whoever was given the page has done with it. If nothing was told of its answer, it could not be asked for: its time
    /// comes again in a moment, and nothing is held against it.
    pub fn give_back(&mut self, key: &str, now: Instant) {
        if let Some(entry) = self.pages.get_mut(key).filter(|entry| entry.out) {
            (entry.next, entry.out) = (now + FIRST, false);
        }
    }

    /// When the next page's time comes.
    pub fn next(&self) -> Option<Instant> {
        let bad = self.pages.values().filter(|entry| matches!(entry.mark, Mark::Bad(_)));
        bad.map(|entry| entry.next).min()
    }

    /// The parts of the site that have bad pages, those with the most first.
    pub fn branches(&self) -> Vec<Branch> {
        let mut causes: BTreeMap<&str, Vec<Cause>> = BTreeMap::new();
        for (key, entry) in &self.pages {
            if let Mark::Bad(cause) = entry.mark {
                causes.entry(branch(key)).or_default().push(cause);
            }
        }
        let mut branches: Vec<Branch> = causes
            .into_iter()
            .filter_map(|(name, causes)| {
                let pages = u32::try_from(causes.len()).unwrap_or(u32::MAX);
                Some(Branch { name: name.to_owned(), pages, cause: commonest(causes)? })
            })
            .collect();
        branches.sort_by_key(|branch| std::cmp::Reverse(branch.pages));
        branches
    }

    /// What most of the bad pages are instead.
    pub fn cause(&self) -> Option<Cause> {
        let causes = self.pages.values().filter_map(|entry| match entry.mark {
            Mark::Bad(cause) => Some(cause),
            Mark::None | Mark::Gone { .. } => None,
        });
        commonest(causes.collect())
    }

    fn put(&mut self, key: &str, entry: Entry) {
        let is_bad = |entry: &Entry| usize::from(matches!(entry.mark, Mark::Bad(_)));
        if self.pages.len() >= MOST && !self.pages.contains_key(key) {
            // a bad page is found to be bad again; what is removed would come back
            let first = self.pages.iter().min_by_key(|(_, entry)| (is_gone(entry), entry.since.mono));
            if let Some(first) = first.map(|(key, _)| key.clone())
                && let Some(entry) = self.pages.remove(&first)
            {
                self.bad -= is_bad(&entry);
                self.removals += u64::from(is_gone(&entry));
            }
        }
        self.bad += is_bad(&entry);
        self.removals += u64::from(is_gone(&entry));
        if let Some(before) = self.pages.insert(key.into(), entry) {
            self.bad -= is_bad(&before);
            self.removals += u64::from(is_gone(&before));
        }
    }
}

fn is_gone(entry: &Entry) -> bool {
    matches!(entry.mark, Mark::Gone { .. })
}

/// How long a bad page is left alone; a fifth less or more, so that pages do not march in step.
fn wait(tries: u32, age: Duration, random: f64) -> Duration {
    let most = (age / 30).clamp(SOON, LATE);
    let doubled = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(8));
    doubled.min(most).mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0))
}

/// The first segment of a key's path.
fn branch(key: &str) -> &str {
    let path = key.split_once('?').map_or(key, |(path, _)| path);
    path.get(1..).and_then(|rest| rest.find('/')).map_or(path, |end| &path[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAUSE: Cause = Cause::ServerError;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// A page that was bad at each of these seconds, a re-ask each time.
    fn bad_at(memo: &mut Memo, key: &str, begin: Now, at: &[u64]) {
        for &second in at {
            let now = begin.plus(seconds(second));
            memo.due(100, now.mono);
            memo.bad(key, "http://h/", CAUSE, now, 0.5);
        }
    }

    #[test]
    fn a_bad_page_is_asked_for_less_and_less_often_until_it_is_good() {
        let begin = crate::clock::now();
        let mut memo = Memo::default();
        assert_eq!((memo.mark("/a"), memo.next()), (Mark::None, None));
        for (at, wait) in [(0, 1), (1, 2), (3, 4), (7, 8), (15, 10), (25, 10)] {
            bad_at(&mut memo, "/a", begin, &[at]);
            assert_eq!(memo.next(), Some(begin.mono + seconds(at + wait)), "after {at} s");
        }
        bad_at(&mut memo, "/a", begin, &[900]);
        assert_eq!(memo.next(), Some(begin.mono + seconds(930)), "bad for a quarter of an hour");
        bad_at(&mut memo, "/a", begin, &[7200]);
        assert_eq!(memo.next(), Some(begin.mono + seconds(7260)));
        assert_eq!((memo.mark("/a"), memo.bad_pages()), (Mark::Bad(CAUSE), 1));
        memo.good("/a", begin.mono);
        assert_eq!((memo.mark("/a"), memo.bad_pages(), memo.next()), (Mark::None, 0, None));
    }

    #[test]
    fn waits_do_not_march_in_step() {
        assert_eq!(wait(1, Duration::ZERO, 0.0), Duration::from_millis(800));
        assert_eq!(wait(1, Duration::ZERO, 1.0), Duration::from_millis(1200));
        assert_eq!(wait(u32::MAX, Duration::ZERO, 0.5), SOON);
        assert_eq!(wait(9, Duration::MAX, 0.5), LATE);
    }

    #[test]
    fn a_due_page_is_given_to_one_caller() {
        let begin = crate::clock::now();
        let mut memo = Memo::default();
        bad_at(&mut memo, "/a", begin, &[0]);
        assert!(memo.due(9, begin.mono).is_empty());
        let soon = begin.plus(seconds(1));
        assert_eq!(memo.due(9, soon.mono), [Due { key: "/a".into(), url: "http://h/".into() }]);
        assert!(memo.due(9, soon.mono).is_empty(), "somebody has it");
        memo.hasten_all(soon.mono);
        assert!(memo.due(9, soon.mono).is_empty());
        assert_eq!(memo.due(9, soon.mono + LEASE).len(), 1, "whoever had it has vanished");
        memo.give_back("/b", soon.mono);
        memo.give_back("/a", soon.mono);
        assert_eq!(memo.next(), Some(soon.mono + FIRST));
        memo.bad("/a", "", CAUSE, soon, 0.5);
        assert_eq!(memo.next(), Some(soon.mono + FIRST), "met by chance: no longer wait");
    }

    #[test]
    fn the_most_overdue_go_first_and_no_more_than_wanted() {
        let begin = crate::clock::now();
        let mut memo = Memo::default();
        for (key, at) in [("/c", 2), ("/a", 0), ("/b", 1)] {
            memo.bad(key, "", CAUSE, begin.plus(seconds(at)), 0.5);
        }
        let due = memo.due(2, begin.mono + seconds(60));
        assert_eq!(due.iter().map(|due| &*due.key).collect::<Vec<_>>(), ["/a", "/b"]);
    }

    #[test]
    fn one_good_page_brings_its_neighbours_forward() {
        let begin = crate::clock::now();
        let mut memo = Memo::default();
        for key in ["/shop/a", "/shop/b", "/blog/a", "/shop"] {
            bad_at(&mut memo, key, begin, &[0, 10]);
        }
        let now = begin.mono + seconds(11);
        memo.good("/shop/a", now);
        let mut due: Vec<_> = memo.due(9, now).into_iter().map(|due| due.key).collect();
        due.sort();
        assert_eq!(due, ["/shop".into(), "/shop/b".into()] as [Box<str>; 2]);
    }

    #[test]
    fn a_removed_page_is_neither_bad_nor_asked_for() {
        let now = crate::clock::now();
        let mut memo = Memo::default();
        memo.bad("/a", "", CAUSE, now, 0.5);
        memo.gone("/a", 410, now);
        assert_eq!(memo.mark("/a"), Mark::Gone { status: 410, since: now });
        assert_eq!((memo.bad_pages(), memo.len(), memo.next()), (0, 1, None));
        assert!(memo.due(9, now.mono + LATE).is_empty() && memo.branches().is_empty());
        memo.bad("/a", "", CAUSE, now, 0.5);
        assert_eq!((memo.mark("/a"), memo.bad_pages()), (Mark::Bad(CAUSE), 1));
        memo.gone("/a", 404, now);
        memo.good("/a", now.mono);
        assert!(memo.is_empty() && memo.bad_pages() == 0);
    }

    #[test]
    fn the_oldest_is_forgotten_where_there_are_too_many() {
        let begin = crate::clock::now();
        let mut memo = Memo::default();
        for n in 0..=MOST as u64 {
            memo.bad(&format!("/{n}"), "", CAUSE, begin.plus(seconds(n)), 0.5);
        }
        assert_eq!((memo.len(), memo.bad_pages()), (MOST, MOST));
        assert_eq!((memo.mark("/0"), memo.mark("/1")), (Mark::None, Mark::Bad(CAUSE)));
    }

    #[test]
    fn what_is_removed_outlives_any_number_of_bad_pages() {
        let begin = crate::clock::now();
        let mut memo = Memo::default();
        memo.gone("/secret", 404, begin);
        assert_eq!(memo.removals(), 1);
        for n in 0..=MOST as u64 {
            memo.bad(&format!("/{n}"), "", CAUSE, begin.plus(seconds(n)), 0.5);
        }
        assert_eq!((memo.len(), memo.bad_pages(), memo.removals()), (MOST, MOST - 1, 1));
        assert_eq!(memo.removed().collect::<Vec<_>>(), [("/secret", 404, begin)]);
        memo.good("/secret", begin.mono);
        assert_eq!((memo.removed().count(), memo.removals()), (0, 2));
    }

    #[test]
    fn branches_are_the_first_segment_with_what_most_of_them_have() {
        let now = crate::clock::now();
        let mut memo = Memo::default();
        for (key, cause) in [
            ("/", Cause::Parking),
            ("/shop/a?x=/y", Cause::DatabaseError),
            ("/shop?a", Cause::DatabaseError),
            ("/shop/b/c", Cause::ServerError),
            ("/about.html", Cause::Missing),
        ] {
            memo.bad(key, "", cause, now, 0.5);
        }
        let branch = |name: &str, pages, cause| Branch { name: name.to_owned(), pages, cause };
        assert_eq!(
            memo.branches(),
            [
                branch("/shop", 3, Cause::DatabaseError),
                branch("/", 1, Cause::Parking),
                branch("/about.html", 1, Cause::Missing),
            ]
        );
        assert_eq!(memo.cause(), Some(Cause::DatabaseError));
    }
}
