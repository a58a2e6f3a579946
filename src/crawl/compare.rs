//! The snapshot in service beside the crawl, page by page: the numbers that the gate goes by.

use super::carry::Heard;
use super::fates::{Fate, Fates, Leads};
use super::gate::{Before, Texts, Turned};
use crate::snapshot::{Class, Page};

/// A page's share of its old text in percent; what has doubled and more is one.
const SHARES: usize = 201;

/// What has been seen so far. A few bytes for each page.
#[derive(Debug)]
pub(super) struct Comparison {
    pages: u64,
    turned: Turned,
    text: Texts,
    shares: [u32; SHARES],
    /// Of each page that both have: what it shows now, and what it showed.
    looks: Vec<Look>,
}

/// What a page shows now and showed before; equal numbers stand for the same text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Look {
    now: u64,
    /// The length of the text says enough: a site has few pages of the same length by chance.
    before: u32,
}

impl Comparison {
    pub(super) fn new() -> Comparison {
        Comparison {
            pages: 0,
            turned: Turned::default(),
            text: Texts::default(),
            shares: [0; SHARES],
            looks: Vec::new(),
        }
    }

    /// Notes one entry of the snapshot in service and what the crawl has heard of it.
    pub(super) fn note(&mut self, old: &Page, heard: Heard, fates: &Fates) {
        if old.class != Class::Page || matches!(heard, Heard::Unwanted(_)) {
            return;
        }
        self.pages += 1;
        // What had turned before has been judged before.
        if old.notes.carried == 0 {
            self.turned(old, heard);
        }
        let Leads::To(at, stored) = fates.follow(&old.key) else { return };
        let (Some(now), Some(before)) = (stored.text, old.notes.text) else { return };
        // To lead all visitors to one page is to show them one page.
        self.looks.push(Look { now: stored.likeness, before });
        if at != old.key {
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
            Heard::Turned(turn) => *self.turned.into.entry(turn.code().to_owned()).or_default() += 1,
            Heard::Missing | Heard::Gone => self.turned.missing += 1,
            Heard::Anew | Heard::Nothing | Heard::Unwanted(_) | Heard::Unasked(_) | Heard::Private(_) => {
                return;
            }
        }
        self.turned.example.get_or_insert_with(|| old.key.clone());
    }

    /// The numbers. `most`: pages that a crawl may fetch; what was carried over beyond that cannot come again.
    pub(super) fn end(mut self, most: u64, seconds: Option<f64>, fates: &Fates) -> Before {
        self.text.typical = median(&self.shares);
        self.looks.sort_unstable();
        let groups = self.looks.chunk_by(|a, b| a.now == b.now);
        let merged = groups.map(|group| (merged(group), group[0].now));
        let (mut all, mut most_merged) = (0, (0, 0));
        for (count, likeness) in merged {
            all += count;
            most_merged = most_merged.max((count, likeness));
        }
        let example =
            || fates.iter().filter(|(_, fate)| shows(fate, most_merged.1)).map(|(key, _)| key).min();
        let merged_example = (all > 0).then(example).flatten().map(ToString::to_string);
        Before {
            pages: self.pages.min(most),
            seconds,
            text: self.text,
            turned: self.turned,
            merged: all,
            merged_example,
            both: self.looks.len() as u64,
        }
    }

    /// Pages that show the same as one that shows `now` and showed `before`, and showed something else.
    pub(super) fn twins(&self, now: u64, before: u32) -> u64 {
        self.looks.iter().filter(|look| look.now == now && look.before != before).count() as u64
    }
}

fn shows(fate: &Fate, likeness: u64) -> bool {
    matches!(fate, Fate::Stored(stored) if stored.is_page && stored.likeness == likeness)
}

/// Pages of a group that shows the same now, without the largest number that did so before. Sorted.
fn merged(group: &[Look]) -> u64 {
    let alike_before = group.chunk_by(|a, b| a.before == b.before).map(<[Look]>::len).max();
    (group.len() - alike_before.unwrap_or(0)) as u64
}

/// The share that one half of the pages has not more than.
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
    use super::super::carry::Turn;
    use super::super::fates::Stored;
    use super::*;
    use crate::snapshot::Notes;
    use std::time::SystemTime;

    fn old(key: &str, text: u32) -> Page {
        let notes = Notes { text: Some(text), ..Notes::default() };
        let (key, headers, taken_at) = (key.to_owned(), Vec::new(), SystemTime::UNIX_EPOCH);
        Page { key, status: 200, headers, body: None, len: 0, taken_at, class: Class::Page, notes }
    }

    /// Pages with their text before and now, and what they show now.
    fn compared(pages: &[(u32, u32, u64)]) -> Before {
        let mut fates = Fates::default();
        let mut comparison = Comparison::new();
        for (i, (_, now, likeness)) in pages.iter().enumerate() {
            let stored = Stored { is_page: true, text: Some(*now), likeness: *likeness, login: false };
            fates.set(format!("/{i}").into(), Fate::Stored(stored));
        }
        for (i, (before, ..)) in pages.iter().enumerate() {
            comparison.note(&old(&format!("/{i}"), *before), Heard::Anew, &fates);
        }
        comparison.end(1000, None, &fates)
    }

    #[test]
    fn text_is_compared_page_by_page() {
        let before = compared(&[(100, 50, 1), (100, 100, 2), (0, 70, 3), (200, 600, 4)]);
        assert_eq!(before.text, Texts { pages: 4, before: 400, now: 820, typical: 1.0 });
        assert!((compared(&[(10, 1, 1), (10, 2, 2), (10, 30, 3)]).text.typical - 0.2).abs() < 1e-9);
        assert!((compared(&[]).text.typical - 1.0).abs() < 1e-9);
    }

    #[test]
    fn pages_that_come_to_show_the_same_are_counted() {
        for (pages, expected) in [
            (&[(10, 9, 1), (20, 9, 2)][..], 0),
            (&[(10, 9, 1), (20, 9, 1)], 1),
            (&[(10, 9, 1), (20, 9, 1), (30, 9, 1), (40, 9, 7)], 2),
            // They did so before: the shell of a program in the browser.
            (&[(10, 9, 1), (10, 9, 1), (10, 9, 1)], 0),
            (&[(10, 9, 1), (10, 9, 1), (30, 9, 1)], 1),
        ] {
            assert_eq!(compared(pages).merged, expected, "{pages:?}");
        }
        let before = compared(&[(10, 9, 5), (20, 9, 5), (30, 9, 6)]);
        assert_eq!((before.merged_example.as_deref(), before.both), (Some("/0"), 3));
    }

    #[test]
    fn what_good_pages_have_become_is_counted() {
        let fates = Fates::default();
        let mut comparison = Comparison::new();
        let carried = Page { notes: Notes { carried: 3, ..Notes::default() }, ..old("/c", 1) };
        comparison.note(&carried, Heard::Turned(Turn::Login), &fates);
        comparison.note(&old("/a", 1), Heard::Missing, &fates);
        comparison.note(&old("/b", 1), Heard::Gone, &fates);
        comparison.note(&old("/d", 1), Heard::Turned(Turn::Other("silent")), &fates);
        comparison.note(&old("/e", 1), Heard::Turned(Turn::Elsewhere), &fates);
        comparison.note(&old("/f", 1), Heard::Nothing, &fates);
        comparison.note(&old("/g", 1), Heard::Unwanted(crate::crawl::admission::Refusal::Route), &fates);
        comparison.note(&Page { class: Class::Asset, ..old("/h.css", 1) }, Heard::Missing, &fates);
        let before = comparison.end(5, None, &fates);
        assert_eq!((before.pages, before.turned.of, before.turned.missing), (5, 5, 2));
        let into: Vec<_> = before.turned.into.into_iter().collect();
        assert_eq!(into, [("elsewhere".to_owned(), 1), ("silent".to_owned(), 1)]);
        assert_eq!(before.turned.example.as_deref(), Some("/a"));
    }
}
