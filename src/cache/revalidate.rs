//! Validation (RFC 9111 section 4.3): asking the origin whether an entry is still good, and taking its "yes".

use std::time::{Duration, Instant};

use http::Method;
use http::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, COOKIE,
    ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};

use super::ask::make_whole;
use super::entry::{Entry, is_own};
use super::sight::Resemblance;
use super::storable::{Exchange, Reason, Storable, Terms, storable};
use super::vary::Selection;
use crate::clock::Now;
use crate::http::conditional::ETag;
use crate::http::control::last_modified;

/// What a 304 makes of an entry.
#[derive(Debug)]
pub enum Freshened {
    /// The entry with the 304's fields and times, to be kept in its place.
    Renewed(Entry),
    /// The same, but its origin no longer allows to keep it: good for the request that asked, and to be forgotten.
    Once(Entry, Reason),
    /// The 304 is about something else: fetch it whole.
    Mismatch,
}

/// Makes a request ask whether `entry` is still good (section 4.3.1), instead of whatever its visitor asked. Without
/// a validator it becomes a request for the whole.
pub fn revalidation_headers(entry: &Entry, request_headers: &mut HeaderMap) {
    make_whole(request_headers);
    for (from, to) in [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)] {
        if let Some(value) = entry.headers().get(from) {
            request_headers.insert(to, value.clone());
        }
    }
}

/// A 304, and the request that it answers.
#[derive(Clone, Copy, Debug)]
pub struct Validation<'a> {
    /// The header fields of the request, as its visitor sent them.
    pub request_headers: &'a HeaderMap,
    /// Those of the 304.
    pub response_headers: &'a HeaderMap,
    /// For answers without any freshness of their own.
    pub default_ttl: Duration,
    /// When the request left for the origin.
    pub sent_at: Now,
    /// When the 304 came.
    pub received_at: Now,
    /// Up to when the site is proven (see [`Sight`](super::Sight)).
    pub proven: Option<Instant>,
}

/// Takes a 304 to a request made by [`revalidation_headers`] (section 4.3.4). A `Set-Cookie` in it is not taken over:
/// it is for the visitor who asked.
pub fn freshen(entry: &Entry, v: &Validation<'_>) -> Freshened {
    if !entry.matches(v.request_headers) || !is_about(entry, v.response_headers) {
        return Freshened::Mismatch;
    }
    let merged = merge(entry.headers(), v.response_headers);
    // the body was fetched on terms that were judged then; whoever asks for its validation adds nothing personal
    let mut request_headers = v.request_headers.clone();
    for name in [COOKIE, AUTHORIZATION, CACHE_CONTROL] {
        request_headers.remove(name);
    }
    let exchange = Exchange {
        method: &Method::GET,
        request_headers: &request_headers,
        status: entry.status(),
        response_headers: &merged,
    };
    let judged = match storable(&exchange, v.default_ttl, v.received_at.wall) {
        Storable::Yes(terms) => match Selection::of(&merged, v.request_headers) {
            Ok(selection) => Ok(Terms { selection, ..terms }),
            Err(_) => Err(Reason::VaryTooWide),
        },
        Storable::No(reason) => Err(reason),
    };
    let sight = entry.sight().once_more(Resemblance::Other, v.proven);
    let renewed = |terms| entry.renewed(&merged, terms, v.sent_at, v.received_at).seen(sight);
    match judged {
        Ok(terms) => Freshened::Renewed(renewed(terms)),
        Err(reason) => Freshened::Once(renewed(entry.terms().clone()), reason),
    }
}

/// Whether the 304's validators, where it has any, are the entry's.
fn is_about(entry: &Entry, response_headers: &HeaderMap) -> bool {
    let tag = |headers: &HeaderMap| headers.contains_key(ETAG);
    if tag(response_headers) && tag(entry.headers()) {
        let (Some(new), Some(own)) = (
            response_headers.get(ETAG).and_then(ETag::parse),
            entry.headers().get(ETAG).and_then(ETag::parse),
        ) else {
            return response_headers.get(ETAG) == entry.headers().get(ETAG); // malformed, but the same
        };
        return new.weak_eq(own);
    }
    match (last_modified(response_headers), last_modified(entry.headers())) {
        (Some(new), Some(own)) => new == own,
        (None, _) | (_, None) => true,
    }
}

/// Section 3.2: each field of the 304 replaces the stored one, except those that describe the body as it was sent.
fn merge(stored: &HeaderMap, response_headers: &HeaderMap) -> HeaderMap {
    let describes_body =
        |name: &HeaderName| [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE].contains(name);
    // what stored entries lack (`Age`, `Set-Cookie`, …) they do not get by this door
    let mut merged = HeaderMap::with_capacity(stored.len() + response_headers.len());
    for (name, value) in stored {
        if !is_own(name) && (describes_body(name) || !response_headers.contains_key(name)) {
            merged.append(name, value.clone());
        }
    }
    for (name, value) in response_headers {
        if *name == AGE || !(describes_body(name) || is_own(name)) {
            merged.append(name, value.clone());
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::super::entry::Freshness;
    use super::super::entry::tests::{Fields, entry, map};
    use super::*;
    use crate::http::cache_status::CacheStatus;

    fn validation<'a>(
        request_headers: &'a HeaderMap,
        response_headers: &'a HeaderMap,
        at: Now,
    ) -> Validation<'a> {
        Validation {
            request_headers,
            response_headers,
            default_ttl: Duration::ZERO,
            sent_at: at,
            received_at: at,
            proven: None,
        }
    }

    fn run(stored: Fields<'_>, response_headers: Fields<'_>) -> Freshened {
        let t = crate::clock::now();
        let later = t.plus(Duration::from_secs(100));
        freshen(&entry(stored, t), &validation(&HeaderMap::new(), &map(response_headers), later))
    }

    #[test]
    fn the_origin_is_asked_by_the_entrys_own_validators() {
        // RFC 9111 section 4.3.1
        let modified = "Sun, 06 Nov 1994 08:49:37 GMT";
        let entry = entry(&[("etag", "\"a\""), ("last-modified", modified)], crate::clock::now());
        let mut request_headers =
            map(&[("if-none-match", "\"mine\""), ("range", "bytes=0-1"), ("accept", "text/html")]);
        revalidation_headers(&entry, &mut request_headers);
        let expected =
            map(&[("accept", "text/html"), ("if-none-match", "\"a\""), ("if-modified-since", modified)]);
        assert_eq!(request_headers, expected);
    }

    #[test]
    fn a_304_renews_the_entry() {
        // sections 3.2 and 4.3.4
        let stored = [
            ("cache-control", "max-age=10"),
            ("etag", "\"a\""),
            ("content-type", "text/html"),
            ("x-old", "1"),
            ("x-both", "1"),
        ];
        let response_headers = [
            ("cache-control", "max-age=20"),
            ("etag", "\"a\""),
            ("content-type", "text/plain"),
            ("content-length", "0"),
            ("x-both", "2"),
            ("set-cookie", "sid=1"),
            ("age", "5"),
        ];
        let t = crate::clock::now();
        let later = t.plus(Duration::from_secs(100));
        let old = entry(&stored, t);
        let Freshened::Renewed(new) =
            freshen(&old, &validation(&HeaderMap::new(), &map(&response_headers), later))
        else {
            panic!("not renewed")
        };
        assert_eq!(new.freshness(later), Freshness::Fresh { ttl: Duration::from_secs(15) });
        assert_eq!(new.body(), old.body());
        let mut headers = new.answer_headers(later, CacheStatus::HitStale);
        headers.remove("date");
        let expected = map(&[
            ("cache-control", "max-age=20"),
            ("etag", "\"a\""),
            ("content-type", "text/html"),
            ("content-length", "4"),
            ("x-old", "1"),
            ("x-both", "2"),
            ("age", "5"),
            ("via", "1.1 katahai"),
            ("cache-status", "katahai; hit; detail=stale"),
        ]);
        assert_eq!(headers, expected);
    }

    #[test]
    fn a_304_about_something_else_renews_nothing() {
        let day = |n| if n == 1 { "Sun, 06 Nov 1994 08:49:37 GMT" } else { "Mon, 07 Nov 1994 08:49:37 GMT" };
        for (stored, response_headers, matches) in [
            (vec![("etag", "\"a\"")], vec![("etag", "\"b\"")], false),
            (vec![("etag", "\"a\"")], vec![("etag", "W/\"a\"")], true),
            (vec![("etag", "\"a\"")], vec![], true),
            (vec![("etag", "unquoted")], vec![("etag", "unquoted")], true),
            (vec![("last-modified", day(1))], vec![("last-modified", day(2))], false),
            (vec![("last-modified", day(1))], vec![("last-modified", day(1))], true),
        ] {
            let got = run(&stored, &response_headers);
            assert_eq!(!matches!(got, Freshened::Mismatch), matches, "{stored:?} {response_headers:?}");
        }
    }

    #[test]
    fn a_304_that_forbids_to_keep_is_obeyed() {
        let stored = [("cache-control", "max-age=10"), ("etag", "\"a\"")];
        for (control, reason) in [("no-store", Reason::NoStore), ("private", Reason::Private)] {
            match run(&stored, &[("cache-control", control)]) {
                Freshened::Once(_, why) => assert_eq!(why, reason),
                other @ (Freshened::Renewed(_) | Freshened::Mismatch) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_visitor_with_a_session_does_not_cost_the_page_its_copy() {
        let t = crate::clock::now();
        let old = entry(&[("etag", "\"a\""), ("vary", "accept-language")], t);
        let response_headers = map(&[("etag", "\"a\"")]);
        let session = map(&[("cookie", "sid=1"), ("cache-control", "no-store")]);
        assert!(matches!(freshen(&old, &validation(&session, &response_headers, t)), Freshened::Renewed(_)));
        // but somebody who would get another variant says nothing about this one
        let japanese = map(&[("accept-language", "ja")]);
        assert!(matches!(freshen(&old, &validation(&japanese, &response_headers, t)), Freshened::Mismatch));
    }
}
