//! Bodies that were judged to be the site's, by their hash: an unchanged page is not looked at twice. A table without
//! locks, of a fixed size, in which a newer one takes the place of an older.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, StatusCode, header};

/// Hashes remembered: 32 KiB a site.
const PLACES: usize = 4096;

/// A hash of all that a verdict hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print(u64);

/// What was judged good.
pub struct Trusted(Box<[AtomicU64]>);

impl Default for Trusted {
    fn default() -> Trusted {
        Trusted((0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Print {
    /// The print of an answer for `key`, judged beside `beside`.
    pub(super) fn of(
        beside: &[u8],
        key: &str,
        (status, headers): (StatusCode, &HeaderMap),
        body: &[u8],
    ) -> Print {
        let mut hasher = blake3::Hasher::new();
        let mut feed = |bytes: &[u8]| _ = hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        feed(beside);
        feed(key.as_bytes());
        feed(&status.as_u16().to_le_bytes());
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::LOCATION] {
            feed(headers.get(name).map_or(&[][..], |value| value.as_bytes()));
        }
        feed(body);
        let hash = hasher.finalize();
        let (first, _) = hash.as_bytes().as_chunks::<8>();
        // a place that holds nothing holds 0
        Print(first.first().map_or(1, |bytes| u64::from_le_bytes(*bytes)).max(1))
    }
}

impl Trusted {
    /// Whether it was judged good, and is remembered.
    pub(super) fn knows(&self, print: Print) -> bool {
        self.place(print).load(Ordering::Relaxed) == print.0
    }

    /// Remembers it.
    pub(super) fn add(&self, print: Print) {
        self.place(print).store(print.0, Ordering::Relaxed);
    }

    fn place(&self, print: Print) -> &AtomicU64 {
        &self.0[print.0 as usize % PLACES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_the_very_same_answer_is_known() {
        let html: HeaderMap =
            [(header::CONTENT_TYPE, HeaderValue::from_static("text/html"))].into_iter().collect();
        let ok = StatusCode::OK;
        let print = Print::of(b"1", "/a", (ok, &html), b"page");
        let trusted = Trusted::default();
        assert!(!trusted.knows(print));
        trusted.add(print);
        assert!(trusted.knows(Print::of(b"1", "/a", (ok, &html), b"page")));
        for other in [
            Print::of(b"2", "/a", (ok, &html), b"page"),
            Print::of(b"1", "/b", (ok, &html), b"page"),
            Print::of(b"1/", "a", (ok, &html), b"page"),
            Print::of(b"1", "/a", (StatusCode::NOT_FOUND, &html), b"page"),
            Print::of(b"1", "/a", (ok, &HeaderMap::new()), b"page"),
            Print::of(b"1", "/a", (ok, &html), b"pages"),
        ] {
            assert!(!trusted.knows(other), "{other:?}");
        }
    }

    #[test]
    fn a_newer_one_takes_an_older_ones_place() {
        let trusted = Trusted::default();
        let (old, new) = (Print(7), Print(7 + PLACES as u64));
        trusted.add(old);
        trusted.add(new);
        assert!(trusted.knows(new) && !trusted.knows(old));
    }
}
