//! Bodies that were judged to be the site's, by their hash: an unchanged page is not judged twice. A lock-free table of a
//! fixed size, in which newer entries replace older ones.

use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::RandomState;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::cache::Resemblance;

/// How many hashes are remembered: 32 KiB per site.
const PLACES: usize = 4096;

/// A hash of everything that a verdict depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print(u64);

impl Print {
    /// The bit that says that the answer is also a later edition of the copy that it was compared with.
    fn of_edition(self) -> Print {
        Print(self.0.rotate_left(32).max(1))
    }
}

/// What was judged good.
#[derive(Default)]
pub struct KnownGood {
    places: OnceLock<Box<[AtomicU64]>>,
    /// A secret, without which nobody can make a page that has another page's hash; it never leaves the process. A
    /// cryptographic hash took two fifths of the cost of a passed-through request.
    secret: RandomState,
}

impl KnownGood {
    /// The hash of an answer for `key`, compared with `beside`.
    pub(super) fn print(
        &self,
        beside: &[u8],
        key: &str,
        (status, headers): (StatusCode, &HeaderMap),
        body: &[u8],
    ) -> Print {
        let field = |name| headers.get(name).map(HeaderValue::as_bytes);
        let fields = [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::LOCATION].map(field);
        let hash = self.secret.hash_one((beside, key, status.as_u16(), fields, body));
        // a place that holds nothing holds 0
        Print(hash.max(1))
    }

    /// Whether it was judged good, and is remembered.
    pub(super) fn knows(&self, print: Print) -> bool {
        self.places.get().is_some_and(|places| place(places, print).load(Ordering::Relaxed) == print.0)
    }

    /// The same, and how it looked beside its copy; where that is forgotten, as something else.
    pub(super) fn knows_as(&self, print: Print) -> Option<Resemblance> {
        let is_edition = || self.knows(print.of_edition());
        self.knows(print).then(|| if is_edition() { Resemblance::Edition } else { Resemblance::Other })
    }

    /// Remembers it, and how it looked beside its copy.
    pub(super) fn add_as(&self, print: Print, resemblance: Resemblance) {
        self.add(print);
        match resemblance {
            Resemblance::Edition => self.add(print.of_edition()),
            Resemblance::Other => {}
        }
    }

    /// Remembers it.
    pub(super) fn add(&self, print: Print) {
        let places = self.places.get_or_init(|| (0..PLACES).map(|_| AtomicU64::new(0)).collect());
        place(places, print).store(print.0, Ordering::Relaxed);
    }

    /// Forgets everything: earlier verdicts may have been wrong.
    pub(super) fn forget(&self) {
        self.places.get().into_iter().flatten().for_each(|place| place.store(0, Ordering::Relaxed));
    }
}

fn place(places: &[AtomicU64], print: Print) -> &AtomicU64 {
    &places[print.0 as usize % PLACES]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_same_answer_is_known() {
        let html: HeaderMap =
            [(header::CONTENT_TYPE, HeaderValue::from_static("text/html"))].into_iter().collect();
        let ok = StatusCode::OK;
        let known_good = KnownGood::default();
        let print = known_good.print(b"1", "/a", (ok, &html), b"page");
        assert!(!known_good.knows(print));
        known_good.add(print);
        assert!(known_good.knows(known_good.print(b"1", "/a", (ok, &html), b"page")));
        for other in [
            known_good.print(b"2", "/a", (ok, &html), b"page"),
            known_good.print(b"1", "/b", (ok, &html), b"page"),
            known_good.print(b"1/", "a", (ok, &html), b"page"),
            known_good.print(b"1", "/a", (StatusCode::NOT_FOUND, &html), b"page"),
            known_good.print(b"1", "/a", (ok, &HeaderMap::new()), b"page"),
            known_good.print(b"1", "/a", (ok, &html), b"pages"),
        ] {
            assert!(!known_good.knows(other), "{other:?}");
        }
    }

    #[test]
    fn how_it_looked_is_remembered_too() {
        let known_good = KnownGood::default();
        known_good.add_as(Print(7), Resemblance::Edition);
        known_good.add_as(Print(8), Resemblance::Other);
        let known = [7, 8, 9].map(|print| known_good.knows_as(Print(print)));
        assert_eq!(known, [Some(Resemblance::Edition), Some(Resemblance::Other), None]);
    }

    #[test]
    fn a_newer_one_takes_an_older_ones_place() {
        let known_good = KnownGood::default();
        let (old, new) = (Print(7), Print(7 + PLACES as u64));
        known_good.add(old);
        known_good.add(new);
        assert!(known_good.knows(new) && !known_good.knows(old));
        known_good.forget();
        assert!(!known_good.knows(new));
    }
}
