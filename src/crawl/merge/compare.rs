//! Compares the snapshot in service with the crawl, page by page: the numbers for the gate.

use super::carry::Heard;
use crate::crawl::gate::{self, Texts, Turned};
use crate::crawl::walk::results::{Leads, Results};
use crate::snapshot::{BlobId, Class, Page};

/// The share of its old text that a page has kept, in percent, in steps up to twice as much.
const SHARES: usize = 201;

/// How many of the pages that turned into something else are named. Few: their re-checks count as much as visitors' requests,
/// and they are not a random sample.
const SAMPLES: usize = 3;

/// What has been seen so far. A few bytes for each page.
#[derive(Debug)]
pub(crate) struct Comparison {
    pages: u64,
    turned: Turned,
    text: Texts,
    shares: [u32; SHARES],
    /// Of each page that both have: what it shows now, and what it showed.
    looks: Vec<Look>,
}

/// What a page shows now and showed before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Look {
    /// The same for the same text.
    now: u64,
    key: Box<str>,
    /// How long the text was.
    text: u32,
    body: Option<BlobId>,
    /// It shows that itself; else it redirects to what does.
    itself: bool,
}

/// What a page of the snapshot in service shows, in the same measure: reads its body.
pub(crate) type TextBefore<'a> = &'a dyn Fn(&str) -> Option<u64>;

impl Comparison {
    pub(crate) fn new() -> Comparison {
        Comparison {
            pages: 0,
            turned: Turned::default(),
            text: Texts::default(),
            shares: [0; SHARES],
            looks: Vec::new(),
        }
    }

    /// Notes one entry of the snapshot in service and what the crawl has heard of it.
    pub(crate) fn note(&mut self, old: &Page, heard: Heard, results: &Results) {
        if old.class != Class::Page || matches!(heard, Heard::Unwanted(_)) {
            return;
        }
        self.pages += 1;
        // What had turned before has been judged before.
        if old.notes.carried == 0 {
            self.turned(old, heard);
        }
        let Leads::To(at, stored) = results.follow(&old.key) else { return };
        let (Some(now), Some(before)) = (stored.text, old.notes.text) else { return };
        // To lead all visitors to one page is to show them one page.
        let key = old.key.as_str().into();
        let itself = at == old.key;
        self.looks.push(Look { now: stored.text_hash, key, text: before, body: old.body, itself });
        if !itself {
            return;
        }
        self.text.pages += 1;
        self.text.now += u64::from(now);
        self.text.before += u64::from(before);
        if let Some(share) = (u64::from(now) * 100).checked_div(u64::from(before)) {
            self.shares[(share as usize).min(SHARES - 1)] += 1;
        }
    }

    fn turned(&mut self, old: &Page, heard: Heard) {
        self.turned.of += 1;
        match heard {
            Heard::TurnedInto(replacement) => {
                *self.turned.into.entry(replacement.code().to_owned()).or_default() += 1;
                if replacement.is_for_everybody() && self.turned.samples.len() < SAMPLES {
                    self.turned.samples.push(old.key.clone());
                }
            }
            Heard::Missing | Heard::Gone => self.turned.missing += 1,
            Heard::Anew
            | Heard::Nothing
            | Heard::Unwanted(_)
            | Heard::Unasked(_)
            | Heard::Private(_)
            | Heard::Emptied => return,
        }
        self.turned.example.get_or_insert_with(|| old.key.clone());
    }

    /// Everything is noted.
    pub(crate) fn end(&mut self) {
        self.text.typical = median(&self.shares);
        self.looks.sort_unstable();
    }

    /// The numbers. `most`: pages that a crawl may fetch; what was carried over beyond that cannot come again.
    pub(crate) fn numbers(&self, most: u64, seconds: Option<f64>, before: TextBefore<'_>) -> gate::Before {
        let (mut merged, mut largest) = (0, (0, None));
        for group in self.looks.chunk_by(|a, b| a.now == b.now) {
            let count = changed(group, before);
            merged += count;
            if count > largest.0 {
                largest = (count, group.first().map(|look| look.key.to_string()));
            }
        }
        gate::Before {
            pages: self.pages.min(most),
            seconds,
            text: self.text,
            turned: self.turned.clone(),
            merged,
            merged_example: largest.1,
            both: self.looks.len() as u64,
        }
    }

    /// Other pages that show what `key` shows now, and did not before; those that redirect to it do no harm.
    pub(crate) fn twins(&self, key: &str, now: u64, before: TextBefore<'_>) -> u64 {
        let from = self.looks.partition_point(|look| look.now < now);
        let to = self.looks.partition_point(|look| look.now <= now);
        let group: Vec<&Look> = self.looks[from..to].iter().filter(|look| look.itself).collect();
        let Some(own) = before(key).filter(|_| group.len() > 1) else { return 0 };
        let sample: Vec<u64> = sample(&group).filter_map(|look| before(&look.key)).collect();
        let others = sample.iter().filter(|look| **look != own).count();
        of_all(others, sample.len(), group.len())
    }
}

/// Pages of a group that shows the same now, without the largest number that did so before. Sorted by key.
fn changed(group: &[Look], before: TextBefore<'_>) -> u64 {
    let (Some(first), true) = (group.first(), group.len() > 1) else { return 0 };
    // The same files: the shell of a program in the browser, or one page under many addresses.
    if group.iter().all(|look| look.body.is_some() && look.body == first.body) {
        return 0;
    }
    let mut lengths: Vec<u64> = group.iter().map(|look| u64::from(look.text)).collect();
    if most_alike(&mut lengths) == 1 {
        return group.len() as u64 - 1;
    }
    // The same length may be chance: what stood there tells.
    let mut looks: Vec<u64> = sample(group).filter_map(|look| before(&look.key)).collect();
    let alike = most_alike(&mut looks);
    of_all(looks.len() - alike, looks.len(), group.len())
}

/// As much of a group as its bodies are read again.
const SAMPLE: usize = 64;

fn sample<T>(group: &[T]) -> impl Iterator<Item = &T> {
    // Odd, so that addresses which alternate are both seen.
    group.iter().step_by(group.len().div_ceil(SAMPLE) | 1)
}

/// What a part of a sample is of all.
fn of_all(part: usize, sample: usize, all: usize) -> u64 {
    (part as u64 * all as u64).checked_div(sample as u64).unwrap_or(0)
}

/// The size of the largest group of equal numbers.
fn most_alike(numbers: &mut [u64]) -> usize {
    numbers.sort_unstable();
    numbers.chunk_by(|a, b| a == b).map(<[u64]>::len).max().unwrap_or(0)
}

/// The median share.
fn median(shares: &[u32]) -> f64 {
    let all: u64 = shares.iter().map(|count| u64::from(*count)).sum();
    let mut seen = 0;
    let at = shares.iter().position(|count| {
        seen += u64::from(*count);
        seen * 2 >= all
    });
    if all == 0 { 1.0 } else { at.unwrap_or(0) as f64 / 100.0 }
}

#[cfg(test)]
mod tests {
    use super::super::carry::Replacement;
    use super::*;
    use crate::crawl::walk::results::{FetchResult, Stored};
    use crate::snapshot::Notes;
    use std::time::SystemTime;

    fn old(key: &str, text: u32) -> Page {
        let notes = Notes { text: Some(text), ..Notes::default() };
        let (key, headers, taken_at) = (key.to_owned(), Vec::new(), SystemTime::UNIX_EPOCH);
        Page { key, status: 200, headers, body: None, len: 0, taken_at, class: Class::Page, notes }
    }

    /// Pages with their text before and now, what they show now and what they showed.
    fn compared(pages: &[(u32, u32, u64, u64)]) -> (Comparison, gate::Before) {
        let mut results = Results::default();
        let mut comparison = Comparison::new();
        for (i, (_, now, text_hash, _)) in pages.iter().enumerate() {
            let stored =
                Stored { is_page: true, text: Some(*now), text_hash: *text_hash, ..Stored::default() };
            results.set(format!("/{i:03}").into(), FetchResult::Stored(stored));
        }
        for (i, (before, _, _, showed)) in pages.iter().enumerate() {
            let page = Page { body: Some(BlobId::of(&[i as u8])), ..old(&format!("/{i:03}"), *before) };
            let page = if *showed == 0 { Page { body: Some(BlobId::of(b"shell")), ..page } } else { page };
            comparison.note(&page, Heard::Anew, &results);
        }
        comparison.end();
        let numbers = comparison.numbers(1000, None, &|key| showed(pages, key));
        (comparison, numbers)
    }

    fn showed(pages: &[(u32, u32, u64, u64)], key: &str) -> Option<u64> {
        pages.get(key[1..].parse::<usize>().ok()?).map(|page| page.3)
    }

    #[test]
    fn text_is_compared_page_by_page() {
        let (_, before) = compared(&[(100, 50, 1, 1), (100, 100, 2, 2), (0, 70, 3, 3), (200, 600, 4, 4)]);
        assert_eq!(before.text, Texts { pages: 4, before: 400, now: 820, typical: 1.0 });
        let (_, before) = compared(&[(10, 1, 1, 1), (10, 2, 2, 2), (10, 30, 3, 3)]);
        assert!((before.text.typical - 0.2).abs() < 1e-9);
        assert!((compared(&[]).1.text.typical - 1.0).abs() < 1e-9);
    }

    #[test]
    fn pages_that_come_to_show_the_same_are_counted() {
        for (pages, expected) in [
            (&[(10, 9, 1, 5), (20, 9, 2, 5)][..], 0),
            (&[(10, 9, 1, 5), (20, 9, 1, 6)], 1),
            (&[(10, 9, 1, 5), (20, 9, 1, 6), (30, 9, 1, 7), (40, 9, 7, 8)], 2),
            // Of one length by chance.
            (&[(10, 9, 1, 5), (10, 9, 1, 6), (10, 9, 1, 7)], 2),
            // They did so before: the shell of a program in the browser, pictures between one menu.
            (&[(10, 9, 1, 0), (10, 9, 1, 0), (10, 9, 1, 0)], 0),
            (&[(10, 9, 1, 5), (10, 9, 1, 5), (10, 9, 1, 5)], 0),
            (&[(10, 9, 1, 5), (10, 9, 1, 5), (30, 9, 1, 6)], 1),
        ] {
            assert_eq!(compared(pages).1.merged, expected, "{pages:?}");
        }
        let (_, before) = compared(&[(10, 9, 5, 1), (20, 9, 5, 2), (30, 9, 6, 3)]);
        assert_eq!((before.merged_example.as_deref(), before.both), (Some("/000"), 3));
        let many: Vec<_> = (0..200).map(|i| (10, 9, 1, i % 2 + 5)).collect();
        assert_eq!(compared(&many).1.merged, 100);
    }

    #[test]
    fn twins_are_those_that_have_become_so() {
        let pages = [(10, 9, 1, 5), (10, 9, 1, 5), (10, 9, 1, 6), (10, 9, 2, 7)];
        let (comparison, _) = compared(&pages);
        let twins = |key: &str, now| comparison.twins(key, now, &|key| showed(&pages, key));
        assert_eq!((twins("/000", 1), twins("/002", 1), twins("/003", 2), twins("/new", 1)), (1, 2, 0, 0));
    }

    #[test]
    fn what_good_pages_have_become_is_counted() {
        let results = Results::default();
        let mut comparison = Comparison::new();
        let carried = Page { notes: Notes { carried: 3, ..Notes::default() }, ..old("/c", 1) };
        comparison.note(&carried, Heard::TurnedInto(Replacement::Login), &results);
        comparison.note(&old("/a", 1), Heard::Missing, &results);
        comparison.note(&old("/b", 1), Heard::Gone, &results);
        comparison.note(&old("/d", 1), Heard::TurnedInto(Replacement::Other("silent")), &results);
        comparison.note(&old("/e", 1), Heard::TurnedInto(Replacement::Elsewhere), &results);
        comparison.note(&old("/f", 1), Heard::Nothing, &results);
        comparison.note(&old("/g", 1), Heard::Unwanted(crate::crawl::refusal::Refusal::Route), &results);
        comparison.note(&Page { class: Class::Asset, ..old("/h.css", 1) }, Heard::Missing, &results);
        comparison.end();
        let before = comparison.numbers(5, None, &|_| None);
        assert_eq!((before.pages, before.turned.of, before.turned.missing), (5, 5, 2));
        let into: Vec<_> = before.turned.into.into_iter().collect();
        assert_eq!(into, [("elsewhere".to_owned(), 1), ("silent".to_owned(), 1)]);
        assert_eq!(before.turned.example.as_deref(), Some("/a"));
        assert_eq!(before.turned.samples, ["/d", "/e"], "not what the site says is gone");
    }
}
