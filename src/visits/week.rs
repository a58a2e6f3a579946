//! The last days at one moment, and what they say: what is visited most, and how much of it a copy could answer.

use serde::Serialize;

use super::calendar::{DAYS, Day};
use super::shard::{Counted, Kind};

/// What is remembered, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Week {
    /// The newest day.
    pub(super) newest: Day,
    /// Visits of pages that are not on the list, the newest day first.
    pub(super) others: [u64; DAYS],
    /// The list.
    pub(super) paths: Vec<Counted>,
}

/// How much of what visitors ask for a copy of the site could answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// Of how many days, today included.
    pub days: usize,
    /// Pages that visitors got in these days.
    pub requests: u64,
    /// How many of them the copy could have answered.
    pub covered: u64,
    /// The one divided by the other; `None`: nobody asked for anything.
    pub share: Option<f64>,
    /// Pages that visitors got besides: of paths that are asked for too rarely to be remembered, or that may be
    /// somebody's own. Whether the copy has those is not known.
    pub others: u64,
    /// How many paths the copy lacks.
    pub missing_paths: usize,
    /// These paths, the most visited first.
    pub missing: Vec<Missing>,
}

/// A path that visitors ask for and the copy lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Path and query.
    pub path: String,
    /// How often it was asked for.
    pub requests: u64,
}

impl Coverage {
    /// With at most this many of the missing paths.
    pub fn in_short(&self, most: usize) -> Coverage {
        Coverage { missing: self.missing.iter().take(most).cloned().collect(), ..*self }
    }
}

impl Week {
    /// Only what is of this kind.
    pub(super) fn only(mut self, kind: Kind) -> Week {
        self.paths.retain(|path| path.kind == kind);
        self
    }

    /// Only what is opened by itself: pages and documents.
    pub(super) fn opened(mut self) -> Week {
        self.paths.retain(|path| path.kind != Kind::Requisite);
        self
    }

    /// The most visited paths, the most visited first.
    pub(super) fn popular(self, most: usize) -> Vec<(String, u64)> {
        let mut paths: Vec<(String, u64)> = self
            .paths
            .into_iter()
            .map(|counted| (counted.total(), counted.key))
            .map(|(n, key)| (key, n))
            .collect();
        paths.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        paths.truncate(most);
        paths
    }

    /// How much of it `has` what it takes.
    pub(super) fn coverage(self, has: impl Fn(&str) -> bool) -> Coverage {
        let others = self.others.iter().sum();
        let pages = self.only(Kind::Page);
        let mut coverage = Coverage { days: DAYS, others, ..Coverage::default() };
        for (path, requests) in pages.popular(usize::MAX) {
            coverage.requests += requests;
            if has(&path) {
                coverage.covered += requests;
            } else {
                coverage.missing.push(Missing { path, requests });
            }
        }
        coverage.missing_paths = coverage.missing.len();
        coverage.share = (coverage.requests > 0).then(|| coverage.covered as f64 / coverage.requests as f64);
        coverage
    }
}

impl Counted {
    fn total(&self) -> u64 {
        self.days.iter().copied().map(u64::from).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(key: &str, kind: Kind, days: [u32; DAYS]) -> Counted {
        Counted { key: key.to_owned(), kind, days }
    }

    fn week() -> Week {
        Week {
            newest: 9,
            others: [1, 0, 0, 0, 0, 0, 2],
            paths: vec![
                counted("/b", Kind::Page, [2, 0, 0, 0, 0, 0, 1]),
                counted("/menu.pdf", Kind::Document, [9; DAYS]),
                counted("/a", Kind::Page, [3, 0, 0, 0, 0, 0, 0]),
                counted("/home", Kind::Page, [10, 4, 0, 0, 0, 0, 0]),
            ],
        }
    }

    #[test]
    fn the_most_visited_come_first_and_equals_in_the_order_of_their_names() {
        let popular = week().popular(3);
        assert_eq!(popular, [("/menu.pdf".into(), 63), ("/home".into(), 14), ("/a".into(), 3)]);
        assert_eq!(week().popular(9)[3], ("/b".into(), 3));
    }

    #[test]
    fn coverage_is_of_pages_and_names_what_is_missing() {
        let coverage = week().coverage(|key| key == "/home");
        assert_eq!((coverage.requests, coverage.covered, coverage.others), (20, 14, 3));
        assert_eq!(coverage.share, Some(0.7));
        let missing: Vec<_> = coverage.missing.iter().map(|m| (&*m.path, m.requests)).collect();
        assert_eq!(missing, [("/a", 3), ("/b", 3)]);
        let short = coverage.in_short(1);
        assert_eq!((short.missing.len(), short.missing_paths), (1, 2));
    }

    #[test]
    fn without_visits_there_is_no_share() {
        let coverage = Week::default().coverage(|_| true);
        assert_eq!((coverage.share, coverage.requests, coverage.days), (None, 0, DAYS));
    }
}
