//! Addresses without end: calendars, faceted lists, session ids, links that grow by themselves.
//!
//! An address is first judged by its own look (`patterns`), then by how many of its kind there are and what they
//! were worth. When it is found, it is only counted: so many of a kind may wait. When its turn comes, a kind has its
//! budget: a small one at first, a large one once its pages have proved to say something new, and nothing more once
//! they repeat themselves. So a forum whose every topic has two parameters stays whole, and a calendar that does
//! not look like one ends.

use std::collections::HashMap;

use super::novelty::Memory;
use super::patterns::{Kind, Sort, acts, kinds, shape};
use crate::content::links::Need;
use crate::crawl::refusal::Refusal;

/// Texts that a page must have of its own to count as news.
const NEWS: usize = 2;
/// The share of the last pages of a kind that were news, below which the kind is exhausted.
const EXHAUSTED: f32 = 0.05;
/// The same above which it has proved worth more.
const WORTHY: f32 = 0.5;
/// Pages after which a kind can have proved worth more.
const PROOF: u32 = 20;
/// Pages of a kind of the ordinary web after which it can be exhausted.
const BENEFIT: u32 = 200;

/// How many addresses of each kind have been let through, and what came of them.
#[derive(Debug)]
pub(crate) struct Traps {
    seen: HashMap<String, Count>,
    memory: Memory,
    max_pages: usize,
}

#[derive(Debug)]
struct Count {
    /// Found, and let wait.
    found: u32,
    /// Given out to be fetched.
    taken: u32,
    /// Fetched and read.
    read: u32,
    /// The share of news among the last of them.
    news: f32,
}

impl Default for Count {
    fn default() -> Count {
        Count { found: 0, taken: 0, read: 0, news: 1.0 }
    }
}

impl Traps {
    /// Nothing seen yet. Bounds follow the number of pages that the owner wants.
    pub(crate) fn new(max_pages: usize) -> Traps {
        Traps { seen: HashMap::new(), memory: Memory::default(), max_pages }
    }

    /// Judges a new address and counts it.
    ///
    /// # Errors
    /// Why it is not fetched, whatever is found out about its kind.
    pub(crate) fn pass(&mut self, key: &str, need: Need) -> Result<(), Refusal> {
        shape(key)?;
        if need == Need::Link && acts(key) {
            return Err(Refusal::Action);
        }
        let mut kinds = kinds(key, need);
        self.only_list(&mut kinds, |count| count.found);
        for kind in &kinds {
            // The kinds are fewer than the addresses, but a machine can make kinds too.
            if self.seen.len() >= self.max_pages.saturating_mul(2).max(10_000)
                && !self.seen.contains_key(&kind.name)
            {
                return if kind.sort == Sort::Numbered { Ok(()) } else { Err(refusal(kind.sort)) };
            }
            let found = self.seen.get(&kind.name).map_or(0, |count| count.found);
            if found as usize >= self.budget(kind.sort).most {
                return Err(refusal(kind.sort));
            }
        }
        for kind in kinds {
            self.seen.entry(kind.name).or_default().found += 1;
        }
        Ok(())
    }

    /// Judges an address whose turn has come, and counts it as fetched.
    ///
    /// # Errors
    /// Why it is not fetched after all.
    pub(crate) fn take(&mut self, key: &str, need: Need) -> Result<(), Refusal> {
        let mut kinds = kinds(key, need);
        self.only_list(&mut kinds, |count| count.taken);
        for kind in &kinds {
            let Some(count) = self.seen.get(&kind.name) else { continue };
            if count.taken as usize >= self.allowed(kind, count) {
                return Err(refusal(kind.sort));
            }
        }
        for kind in kinds {
            if let Some(count) = self.seen.get_mut(&kind.name) {
                count.taken += 1;
            }
        }
        Ok(())
    }

    /// Records what a page showed.
    pub(crate) fn learn(&mut self, key: &str, need: Need, shingles: &[u64]) {
        for kind in kinds(key, need) {
            // Sums over many kinds say nothing about one.
            if matches!(kind.sort, Sort::Facets | Sort::Dates | Sort::File) {
                continue;
            }
            let Some(count) = self.seen.get_mut(&kind.name) else { continue };
            let is_news = self.memory.learn(&kind.name, shingles) >= NEWS;
            count.read += 1;
            count.news = count.news * 0.9 + if is_news { 0.1 } else { 0.0 };
        }
    }

    /// The further pages of a list are of no other kind: a shop has so many lists, however long they are.
    fn only_list(&self, kinds: &mut Vec<Kind>, counted: impl Fn(&Count) -> u32) {
        let list = kinds.first().filter(|kind| kind.sort == Sort::List);
        if list.is_some_and(|list| self.seen.get(&list.name).is_some_and(|count| counted(count) > 0)) {
            kinds.truncate(1);
        }
    }

    /// How many of a kind may be fetched, by what is known of it now.
    fn allowed(&self, kind: &Kind, count: &Count) -> usize {
        let budget = self.budget(kind.sort);
        if count.news < EXHAUSTED && count.read >= budget.patience {
            return 0;
        }
        if count.news >= WORTHY && count.read >= PROOF { budget.most } else { budget.first }
    }

    fn budget(&self, sort: Sort) -> Budget {
        let pages = self.max_pages;
        let (first, most, patience) = match sort {
            Sort::File => (5000, 5000, u32::MAX),
            Sort::One => ((pages / 2).max(1000), (pages / 2).max(1000), 0),
            Sort::Two => (1000, pages.max(1000), 0),
            Sort::Many => (200, (pages / 4).max(200), 0),
            Sort::Facet => (200, 200, 0),
            Sort::Facets => ((pages / 5).max(500), (pages / 5).max(500), u32::MAX),
            Sort::Version => (100, 100, 0),
            Sort::List => (1000, 1000, 0),
            // 2.7 years of days.
            Sort::Date => (1000, 1000, 0),
            Sort::QueryDate => (200, 200, 0),
            Sort::Dates => ((pages / 5).max(2000), (pages / 5).max(2000), u32::MAX),
            Sort::Numbered => (usize::MAX, usize::MAX, BENEFIT),
        };
        Budget { first, most, patience }
    }
}

/// What a kind is granted.
struct Budget {
    /// Until its pages have proved worth more.
    first: usize,
    /// Then; also how many may wait.
    most: usize,
    /// Pages that are read before it can be exhausted, besides the thirty that the average takes.
    patience: u32,
}

fn refusal(sort: Sort) -> Refusal {
    match sort {
        Sort::Date | Sort::QueryDate | Sort::Dates => Refusal::CalendarBound,
        Sort::Numbered | Sort::List => Refusal::NothingNew,
        Sort::File | Sort::One | Sort::Two | Sort::Many | Sort::Facet | Sort::Facets | Sort::Version => {
            Refusal::QueryBound
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::shingles::shingles;

    /// The n-th address of a generator.
    type Key = Box<dyn Fn(usize) -> String>;

    /// How many of these are fetched, in their order, of a site that shows `page` for each.
    fn fetched(keys: impl Iterator<Item = String>, page: impl Fn(usize) -> String) -> usize {
        let mut traps = Traps::new(10_000);
        let found: Vec<String> = keys.filter(|key| traps.pass(key, Need::Link).is_ok()).collect();
        let mut fetched = 0;
        for (n, key) in found.iter().enumerate() {
            if traps.take(key, Need::Link).is_ok() {
                traps.learn(key, Need::Link, &shingles(page(n).as_bytes()));
                fetched += 1;
            }
        }
        fetched
    }

    /// A page with a text of its own: numbers do not count as one.
    fn article(n: usize) -> String {
        let word: String = n.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect();
        format!("<nav>The shop</nav><h1>About {word}</h1><p>Whatever there is to say about {word}")
    }

    fn same(_: usize) -> String {
        "<nav>The shop</nav><h1>No events</h1><p>There is nothing here".to_owned()
    }

    /// The same goods in other orders: after the first pages nothing is new.
    fn goods(n: usize) -> String {
        (0..12).map(|i| article((n * 7 + i) % 40)).collect()
    }

    #[test]
    fn generators_without_end_end() {
        let date = |i: usize| (1900 + i / 372 % 300, i / 31 % 12 + 1, i % 31 + 1);
        let kinds: Vec<(&str, Key)> = vec![
            ("months", Box::new(|i| format!("/calendar/{}/{:02}/", 1900 + i / 12 % 300, i % 12 + 1))),
            (
                "tribe days",
                Box::new(move |i| {
                    let (y, m, d) = date(i);
                    format!("/events/{y}-{m:02}-{d:02}/")
                }),
            ),
            (
                "tribe bar",
                Box::new(move |i| {
                    let (y, m, d) = date(i);
                    format!("/events/?tribe-bar-date={y}-{m:02}-{d:02}")
                }),
            ),
            ("query months", Box::new(|i| format!("/list?month={i}"))),
            (
                "time stamps",
                Box::new(|i| format!("/calendar/action~month/exact_date~{}/", 1_606_780_800 + i * 86_400)),
            ),
            ("counters", Box::new(|i| format!("/view?id={i}"))),
            ("pages", Box::new(|i| format!("/blog/page/{i}/"))),
            ("old versions", Box::new(|i| format!("/index.php?title=P{}&oldid={i}", i % 50))),
            ("differences", Box::new(|i| format!("/wiki/P{}?diff={i}&oldid={}", i % 50, i + 1))),
            ("sorted", Box::new(|i| format!("/shop/c{}/?orderby={i}", i % 9))),
            ("filters", Box::new(|i| format!("/shop/?filter_color={}&filter_size={}", i % 70, i / 70))),
            ("drupal", Box::new(|i| format!("/search?f%5B0%5D=a:{}&f%5B1%5D=b:{}", i % 70, i / 70))),
            ("magento", Box::new(|i| format!("/c.html?color={}&size={}", i % 70, i / 70))),
            ("combined", Box::new(|i| format!("/list?c{}={i}&size={}&brand={}", i % 12, i % 7, i % 5))),
            ("sid", Box::new(|i| format!("/viewtopic.php?t={}&sid={i:032x}", i % 9))),
        ];
        for (name, key) in &kinds {
            let seen = fetched((0..20_000).map(key), same);
            assert!(seen <= 300, "{name}: {seen} empty pages");
            let seen = fetched((0..20_000).map(key), goods);
            assert!(seen <= 400, "{name}: {seen} lists of the same goods");
            let hard = fetched((0..50_000).map(key), article);
            assert!(
                hard <= 10_000 || *name == "time stamps",
                "{name}: {hard} pages with texts made by a machine"
            );
        }
    }

    #[test]
    fn facets_and_dates_are_bounded_over_all_paths_together() {
        let facets = (0..50_000).map(|i| format!("/shop/c{}/?orderby=o{}", i / 10, i % 10));
        assert_eq!(fetched(facets, article), 2000);
        let days = (0..50_000)
            .map(|i| format!("/c{}/2026-{:02}-{:02}", letters(i / 360), i / 30 % 12 + 1, i % 30 + 1));
        assert_eq!(fetched(days, article), 2000);
    }

    fn letters(n: usize) -> String {
        n.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect()
    }

    #[test]
    fn real_sites_stay_whole() {
        let sites: Vec<(usize, Key)> = vec![
            (9000, Box::new(|i| format!("/article/{i}.html"))),
            (9000, Box::new(|i| format!("/news/2026/11/{}", i + 100))),
            (9000, Box::new(|i| format!("/2026/11/03/title-{i}/"))),
            (5000, Box::new(|i| format!("/?p={i}"))),
            (800, Box::new(|i| format!("/blog/page/{}/", i + 2))),
            // 200 categories of 30 pages each
            (6000, Box::new(|i| format!("/products/list?category_id={}&pageno={}", i / 30, i % 30 + 1))),
            (6000, Box::new(|i| format!("/viewtopic.php?f={}&t={i}", i % 20))),
            (2000, Box::new(|i| format!("/index.php?option=com_content&view=article&id={i}"))),
            (1500, Box::new(|i| format!("/viewtopic.php?f=1&t={}&start={}", i / 10, i % 10 * 25))),
        ];
        for (pages, key) in sites {
            let first = key(0);
            assert_eq!(fetched((0..pages).map(key), article), pages, "{first}");
        }
    }

    #[test]
    fn a_gallery_is_news_by_its_pictures() {
        let photo = |n: usize| format!("<h1>Photo {n}</h1><img src=/p/{n}.jpg><img src=/p/{n}-small.jpg>");
        assert_eq!(fetched((0..3000).map(|i| format!("/photo/{i}.html")), photo), 3000);
    }

    #[test]
    fn machines_that_make_kinds_are_bounded_too() {
        let mut traps = Traps::new(10_000);
        let passed = (0..50_000).filter(|i| traps.pass(&format!("/p{i}?q{i}"), Need::Link).is_ok()).count();
        assert_eq!(passed, 20_000);
        assert!(traps.pass("/plain", Need::Link).is_ok());
    }

    #[test]
    fn what_the_owner_named_is_never_a_trap() {
        let mut traps = Traps::new(10);
        assert_eq!(traps.pass("/logout", Need::Key), Ok(()));
        for i in 0..1000 {
            let key = format!("/x?orderby={i}");
            assert_eq!((traps.pass(&key, Need::Key), traps.take(&key, Need::Key)), (Ok(()), Ok(())));
        }
    }
}
