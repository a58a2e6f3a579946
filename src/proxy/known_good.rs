//! Bodies that were judged to be the site's, by their hash: an unchanged page is not judged twice. A lock-free table of sets,
//! as processors' caches have them, in which newer entries replace older ones; a site with many pages gets a larger one.

use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use foldhash::quality::RandomState;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::cache::Resemblance;

/// How many hashes are remembered: 1 KiB for a site of a few pages,
const FEW: usize = 128;
/// 32 KiB for one that has replaced twice as many as fit,
const SMALL: usize = 4 << 10;
/// and then 256 KiB.
const LARGE: usize = 32 << 10;
/// How many have to be replaced by others before there is more room.
const OUTGROWN: u32 = 2 * FEW as u32;
const CROWDED: u32 = 2 * SMALL as u32;
/// Places of one set: a hash may stand in any of them.
const WAYS: usize = 4;

/// A hash of everything that a verdict depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print(u64);

impl Print {
    /// The bit that says that the answer is also a later edition of the copy that it was compared with.
    fn of_edition(self) -> Print {
        Print(self.0.rotate_left(32).max(1))
    }
}

type Places = Box<[AtomicU64]>;

/// What was judged good.
#[derive(Default)]
pub struct KnownGood {
    few: OnceLock<Places>,
    small: OnceLock<Places>,
    large: OnceLock<Places>,
    /// How many hashes have been replaced by others.
    replaced: AtomicU32,
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
        self.places().is_some_and(|places| {
            set(places, print).iter().any(|place| place.load(Ordering::Relaxed) == print.0)
        })
    }

    /// The largest table that there is.
    fn places(&self) -> Option<&Places> {
        self.large.get().or_else(|| self.small.get()).or_else(|| self.few.get())
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
        let places = self.places().unwrap_or_else(|| self.few.get_or_init(|| empty(FEW)));
        let set = set(places, print);
        let is_free = |place: &&AtomicU64| {
            let held = place.load(Ordering::Relaxed);
            held == 0 || held == print.0
        };
        if let Some(place) = set.iter().find(is_free) {
            return place.store(print.0, Ordering::Relaxed);
        }
        // any of them, by chance: which one is oldest is not worth its room
        set[(print.0 >> 48) as usize % WAYS].store(print.0, Ordering::Relaxed);
        match self.replaced.fetch_add(1, Ordering::Relaxed) {
            OUTGROWN => _ = self.small.get_or_init(|| empty(SMALL)),
            CROWDED => _ = self.large.get_or_init(|| empty(LARGE)),
            _ => {}
        }
    }

    /// Forgets everything: earlier verdicts may have been wrong.
    pub(super) fn forget(&self) {
        let places = [&self.few, &self.small, &self.large].into_iter().filter_map(OnceLock::get).flatten();
        places.for_each(|place| place.store(0, Ordering::Relaxed));
    }
}

fn empty(places: usize) -> Places {
    (0..places).map(|_| AtomicU64::new(0)).collect()
}

/// The places in which a hash may stand.
fn set(places: &[AtomicU64], print: Print) -> &[AtomicU64] {
    let at = print.0 as usize % (places.len() / WAYS) * WAYS;
    &places[at..at + WAYS]
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
        let of_one_set: Vec<Print> = (0..=WAYS).map(|n| Print(7 + (n * SMALL / WAYS) as u64)).collect();
        of_one_set.iter().for_each(|print| known_good.add(*print));
        let known = of_one_set.iter().filter(|print| known_good.knows(**print)).count();
        assert!(known == WAYS && known_good.knows(of_one_set[WAYS]));
        known_good.forget();
        assert!(!known_good.knows(of_one_set[WAYS]));
    }

    #[test]
    fn a_site_of_many_pages_gets_more_room() {
        let known_good = KnownGood::default();
        let pages: Vec<Print> = (0..10_000u64).map(|n| Print(known_good.secret.hash_one(n).max(1))).collect();
        let known = || pages.iter().filter(|page| known_good.knows(**page)).count();
        pages.iter().for_each(|page| known_good.add(*page));
        assert!(known() <= SMALL && known_good.large.get().is_none(), "{}", known());
        (0..3).for_each(|_| pages.iter().for_each(|page| known_good.add(*page)));
        assert!(known() > 9_700, "{}", known());
    }

    #[test]
    fn a_site_of_few_pages_takes_little_room() {
        let known_good = KnownGood::default();
        let pages: Vec<Print> = (0..1_000u64).map(|n| Print(known_good.secret.hash_one(n).max(1))).collect();
        pages[..40].iter().for_each(|page| known_good.add(*page));
        assert!(known_good.small.get().is_none());
        assert!(pages[..40].iter().filter(|page| known_good.knows(**page)).count() > 36);
        (0..3).for_each(|_| pages.iter().for_each(|page| known_good.add(*page)));
        let known = pages.iter().filter(|page| known_good.knows(**page)).count();
        assert!(known_good.large.get().is_none() && known > 950, "{known}");
    }
}
