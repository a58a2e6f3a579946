//! What may be kept (RFC 9111 section 3), and for how long it is fresh (section 4.2.1).
//!
//! Stricter than the RFC where a mistake would show one visitor's page to another: an answer that sets a cookie is
//! never kept, and one to a request with cookies only if its origin says that it is for all.

use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, CONTENT_RANGE, COOKIE, HeaderMap, SET_COOKIE};
use http::{Method, StatusCode};

use super::ask;
use super::vary::{Selection, Unselectable};
use crate::content::media::{Media, content_type};
use crate::http::coding;
use crate::http::control::{self, Expires, RequestControl, ResponseControl};
use crate::http::headers::content_length;

/// A request and its answer, without the bodies.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's header fields, as the visitor sent them.
    pub request_headers: &'a HeaderMap,
    /// The answer's status.
    pub status: StatusCode,
    /// The answer's header fields.
    pub response_headers: &'a HeaderMap,
}

/// Whether an answer may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storable {
    /// On these terms.
    Yes(Terms),
    /// Why not.
    No(Reason),
}

/// On what terms an answer is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// For how long it is fresh, counted from when its origin made it. Zero: not at all, but it may be validated, and
    /// used when the origin fails.
    pub lifetime: Duration,
    /// Whether the origin allows one answer for all, also for requests that carry cookies.
    pub for_all: bool,
    /// Its `Cache-Control`.
    pub control: ResponseControl,
    /// Which requests it is for.
    pub selection: Selection,
}

macro_rules! reasons {
    ($($name:ident: $code:literal, $doc:literal;)+) => {
        /// Why an answer is not kept. One row is the definition, the label and the documentation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $(#[doc = $doc] $name,)+ }

        impl Reason {
            /// Every reason, in the table's order.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)+];

            /// The stable code, for logs and metric labels.
            pub fn code(self) -> &'static str { match self { $(Reason::$name => $code,)+ } }
        }
    };
}

reasons! {
    Method: "method", "The request was no plain GET.";
    Status: "status", "The status is not one that is kept.";
    RequestNoStore: "request-no-store", "The request forbids it.";
    NoStore: "no-store", "The origin forbids it.";
    Private: "private", "It is for one visitor.";
    SetCookie: "set-cookie", "It sets a cookie.";
    Authorization: "authorization", "It was given to credentials, and not declared public.";
    Cookie: "cookie", "It was given to cookies, and not declared to be for all.";
    VaryAnything: "vary-anything", "It depends on more than can be known.";
    VaryTooWide: "vary-too-wide", "It depends on more than is kept.";
    Partial: "partial", "It is a part of something.";
    Encoding: "encoding", "Its coding is unknown here.";
    NoFreshness: "no-freshness", "Such a status is kept only with a lifetime, and it has none.";
    Useless: "useless", "It could neither be used nor validated.";
    TooLarge: "too-large", "It is larger than one entry may be.";
    Incomplete: "incomplete", "Its body is not as long as announced.";
    Empty: "empty", "It is a page, and there is nothing in it.";
    Doubtful: "doubtful", "It may not be the site's.";
    Overtaken: "overtaken", "The page was changed or purged while it was on its way.";
}

/// How a status is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// With or without freshness of its own (heuristically cacheable, RFC 9110 section 15.1).
    Always,
    /// Only if the origin gives it a lifetime: mistakes and detours should not outlive their cause.
    WithLifetime,
    Never,
}

fn kept(status: StatusCode) -> Kept {
    match status.as_u16() {
        200 | 203 | 204 | 300 | 301 | 308 => Kept::Always,
        302 | 307 | 404 | 410 => Kept::WithLifetime,
        _ => Kept::Never,
    }
}

/// Judges whether the answer may be kept. `default_ttl` is for answers without any freshness of their own; heuristic
/// freshness (RFC 9111 section 4.2.2) is not used. `received` matters only where the origin sent `Expires` without
/// `Date`.
pub fn storable(exchange: &Exchange<'_>, default_ttl: Duration, received: SystemTime) -> Storable {
    match judge(exchange, default_ttl, received) {
        Ok(terms) => Storable::Yes(terms),
        Err(reason) => Storable::No(reason),
    }
}

fn judge(x: &Exchange<'_>, default_ttl: Duration, received: SystemTime) -> Result<Terms, Reason> {
    let refuse = |refused: bool, reason: Reason| if refused { Err(reason) } else { Ok(()) };
    refuse(*x.method != Method::GET || ask::overrides_method(x.request_headers), Reason::Method)?;
    refuse(
        x.status == StatusCode::PARTIAL_CONTENT || x.response_headers.contains_key(CONTENT_RANGE),
        Reason::Partial,
    )?;
    let kept = kept(x.status);
    refuse(kept == Kept::Never, Reason::Status)?;
    refuse(RequestControl::of(x.request_headers).no_store, Reason::RequestNoStore)?;
    let control = ResponseControl::of(x.response_headers);
    // section 5.2.2.3: every status that gets here is understood
    refuse(control.no_store && !control.must_understand, Reason::NoStore)?;
    refuse(control.private, Reason::Private)?;
    refuse(x.response_headers.contains_key(SET_COOKIE), Reason::SetCookie)?;
    let explicit = explicit_lifetime(x.response_headers, &control, received);
    refuse(kept == Kept::WithLifetime && explicit.is_none(), Reason::NoFreshness)?;
    // section 3.5
    let declared = control.public || control.must_revalidate || control.s_maxage.is_some();
    refuse(x.request_headers.contains_key(AUTHORIZATION) && !declared, Reason::Authorization)?;
    // two requests that look alike here might not both understand it
    refuse(coding::of(x.response_headers).is_err(), Reason::Encoding)?;
    let selection = Selection::of(x.response_headers, x.request_headers).map_err(|why| match why {
        Unselectable::Anything => Reason::VaryAnything,
        Unselectable::TooWide => Reason::VaryTooWide,
    })?;
    let for_all = (control.public || explicit.is_some_and(|l| !l.is_zero())) && !control.no_cache;
    // A lifetime alone is often set for all of a site, the pages of those who have signed in included.
    let shared = (control.public || control.s_maxage.is_some()) && !control.no_cache;
    let personal = !shared || selection.depends_on(&COOKIE);
    refuse(x.request_headers.contains_key(COOKIE) && personal, Reason::Cookie)?;
    refuse(
        x.request_headers.contains_key(AUTHORIZATION) && selection.depends_on(&AUTHORIZATION),
        Reason::Authorization,
    )?;

    let terms = Terms { lifetime: explicit.unwrap_or(default_ttl), for_all, control, selection };
    refuse(is_useless(&terms, x.response_headers), Reason::Useless)?;
    Ok(terms)
}

/// Section 4.2.1, for a shared cache. `None`: the origin says nothing.
fn explicit_lifetime(
    response_headers: &HeaderMap,
    control: &ResponseControl,
    received: SystemTime,
) -> Option<Duration> {
    if let Some(seconds) = control.s_maxage.or(control.max_age) {
        return Some(Duration::from_secs(seconds.into()));
    }
    // `Expires` and `Date` are of one clock, the origin's: it may be wrong without harm
    control::expires(response_headers).map(|expires| match expires {
        Expires::Past => Duration::ZERO,
        Expires::At(at) => {
            let made = control::date(response_headers).unwrap_or(received);
            at.duration_since(made).unwrap_or_default().min(Duration::from_secs(control::MAX_SECONDS.into()))
        }
    })
}

/// Never fresh, never given stale, and nothing to validate it by: a waste of room.
fn is_useless(terms: &Terms, response_headers: &HeaderMap) -> bool {
    let validator = response_headers.contains_key(http::header::ETAG)
        || response_headers.contains_key(http::header::LAST_MODIFIED);
    let c = &terms.control;
    let fresh = !terms.lifetime.is_zero() && !c.no_cache;
    !validator && !fresh && !may_be_stale(c)
}

/// Whether an answer with this `Cache-Control` may ever be used stale (RFC 9111 section 4.2.4). `s-maxage` forbids
/// it like `proxy-revalidate` (section 5.2.2.10), unless the origin also says for how long it does not mind.
pub(super) fn may_be_stale(c: &ResponseControl) -> bool {
    let allowed = c.stale_if_error.is_some() || c.stale_while_revalidate.is_some();
    !c.no_cache && !c.must_revalidate && !c.proxy_revalidate && (c.s_maxage.is_none() || allowed)
}

/// Whether an answer is a page without anything in it: nobody makes such a page on purpose.
pub(super) fn is_empty_page(status: StatusCode, response_headers: &HeaderMap, body: &[u8]) -> bool {
    let is_page = || content_type(response_headers).is_some_and(|value| Media::of_type(value).is_page());
    status == StatusCode::OK && body.trim_ascii().is_empty() && is_page()
}

/// Whether the body is as long as its headers announced, as far as they did.
pub(super) fn is_complete(response_headers: &HeaderMap, len: usize) -> bool {
    use http::header::CONTENT_LENGTH;
    !response_headers.contains_key(CONTENT_LENGTH)
        || content_length(response_headers) == u64::try_from(len).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    type Fields<'a> = &'a [(&'a str, &'a str)];
    const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");

    fn map(fields: Fields<'_>) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        map
    }

    fn judged(
        status: u16,
        request_headers: Fields<'_>,
        response_headers: Fields<'_>,
        default_ttl: u64,
    ) -> Result<Terms, Reason> {
        let (request_headers, response_headers) = (map(request_headers), map(response_headers));
        let status = StatusCode::from_u16(status).unwrap();
        let x = Exchange {
            method: &Method::GET,
            request_headers: &request_headers,
            status,
            response_headers: &response_headers,
        };
        judge(&x, Duration::from_secs(default_ttl), UNIX_EPOCH + Duration::from_secs(784_111_777))
    }

    fn lifetime(response_headers: Fields<'_>) -> u64 {
        judged(200, &[], response_headers, 7).unwrap().lifetime.as_secs()
    }

    #[test]
    fn freshness_is_taken_in_the_rfcs_order() {
        // RFC 9111 section 4.2.1
        let later = ("expires", "Sun, 06 Nov 1994 08:50:37 GMT");
        for (response_headers, seconds) in [
            (vec![("cache-control", "s-maxage=1, max-age=2"), later, DATE], 1),
            (vec![("cache-control", "max-age=2"), later, DATE], 2),
            (vec![later, DATE], 60),
            (vec![later], 60), // without Date: counted from when it came
            (vec![("expires", "0"), ("etag", "\"a\"")], 0),
            (vec![("expires", "Sun, 06 Nov 1994 08:48:37 GMT"), DATE], 0),
            (vec![("cache-control", "max-age=junk")], 0),
            (vec![("cache-control", "max-age=99999999999999")], 1 << 31),
            (vec![("expires", "Fri, 31 Dec 9999 23:59:59 GMT"), DATE], 1 << 31),
            (vec![], 7),
            (vec![("cache-control", "public")], 7),
            (vec![("last-modified", "Sun, 06 Nov 1984 08:48:37 GMT")], 7), // no heuristics (4.2.2)
        ] {
            assert_eq!(lifetime(&response_headers), seconds, "{response_headers:?}");
        }
    }

    #[test]
    fn statuses_are_kept_as_the_table_says() {
        // RFC 9111 section 3, RFC 9110 section 15.1
        let fresh = [("cache-control", "max-age=60")];
        for status in [200, 203, 204, 300, 301, 308] {
            assert!(judged(status, &[], &[], 0).is_ok(), "{status}");
        }
        for status in [302, 307, 404, 410] {
            assert_eq!(judged(status, &[], &[], 60), Err(Reason::NoFreshness), "{status}");
            assert!(judged(status, &[], &fresh, 0).is_ok(), "{status}");
        }
        for status in
            [100, 201, 202, 205, 303, 304, 400, 401, 403, 405, 414, 429, 451, 500, 501, 502, 503, 504, 530]
        {
            assert_eq!(judged(status, &[], &fresh, 60), Err(Reason::Status), "{status}");
        }
        assert_eq!(judged(206, &[], &fresh, 60), Err(Reason::Partial));
        assert_eq!(judged(200, &[], &[("content-range", "bytes 0-1/2")], 60), Err(Reason::Partial));
    }

    #[test]
    fn what_is_forbidden_is_not_kept() {
        // sections 5.2.2.3, 5.2.2.5, 5.2.2.7, 3.5
        let auth = ("authorization", "Basic x");
        for (request_headers, response_headers, expected) in [
            (vec![], vec![("cache-control", "no-store, max-age=60")], Some(Reason::NoStore)),
            (vec![], vec![("cache-control", "no-store, must-understand, max-age=60")], None),
            (vec![], vec![("cache-control", "private, max-age=60")], Some(Reason::Private)),
            (vec![], vec![("cache-control", "private=\"x\", max-age=60")], Some(Reason::Private)),
            (
                vec![],
                vec![("cache-control", "public, max-age=60"), ("set-cookie", "a=b")],
                Some(Reason::SetCookie),
            ),
            (
                vec![("cache-control", "no-store")],
                vec![("cache-control", "max-age=60")],
                Some(Reason::RequestNoStore),
            ),
            (vec![auth], vec![("cache-control", "max-age=60")], Some(Reason::Authorization)),
            (vec![auth], vec![("cache-control", "public, max-age=60")], None),
            (vec![auth], vec![("cache-control", "must-revalidate, max-age=60")], None),
            (vec![auth], vec![("cache-control", "s-maxage=60")], None),
            (
                vec![auth],
                vec![("cache-control", "public, max-age=60"), ("vary", "authorization")],
                Some(Reason::Authorization),
            ),
            (vec![], vec![("cache-control", "max-age=60"), ("vary", "*")], Some(Reason::VaryAnything)),
            (
                vec![],
                vec![("cache-control", "max-age=60"), ("content-encoding", "dcz")],
                Some(Reason::Encoding),
            ),
            (
                vec![("x-http-method-override", "PUT")],
                vec![("cache-control", "max-age=60")],
                Some(Reason::Method),
            ),
        ] {
            assert_eq!(
                judged(200, &request_headers, &response_headers, 0).err(),
                expected,
                "{request_headers:?} {response_headers:?}"
            );
        }
    }

    #[test]
    fn an_answer_to_cookies_is_kept_only_if_it_is_for_all() {
        let cookie = [("cookie", "sid=1")];
        for (response_headers, kept) in [
            (vec![], false),
            (vec![("cache-control", "max-age=0"), ("etag", "\"a\"")], false),
            (vec![("cache-control", "no-cache"), ("etag", "\"a\"")], false),
            (vec![("cache-control", "no-cache, max-age=60"), ("etag", "\"a\"")], false),
            (vec![("expires", "0"), ("etag", "\"a\"")], false),
            (vec![("cache-control", "max-age=60")], false),
            (vec![("expires", "Sun, 06 Nov 1994 08:50:37 GMT"), DATE], false),
            (vec![("cache-control", "public, max-age=60")], true),
            (vec![("cache-control", "s-maxage=60")], true),
            (vec![("cache-control", "public")], true),
            (vec![("cache-control", "public, max-age=60"), ("vary", "cookie")], false),
        ] {
            let result = judged(200, &cookie, &response_headers, 60);
            assert_eq!(result.is_ok(), kept, "{response_headers:?}");
            assert!(kept || result == Err(Reason::Cookie), "{response_headers:?}");
            assert!(judged(200, &[], &response_headers, 60).is_ok(), "{response_headers:?} without cookies");
        }
    }

    #[test]
    fn what_could_never_be_used_is_not_kept() {
        for (control, useless) in [
            ("no-cache", true),
            ("max-age=0, must-revalidate", true),
            ("s-maxage=0", true),
            ("s-maxage=0, stale-if-error=60", false),
            ("max-age=0", false), // for the day on which the origin dies
            ("max-age=1, must-revalidate", false),
        ] {
            let result = judged(200, &[], &[("cache-control", control)], 0);
            assert_eq!(result == Err(Reason::Useless), useless, "{control}");
            assert!(
                judged(200, &[], &[("cache-control", control), ("etag", "\"a\"")], 0).is_ok(),
                "{control}"
            );
        }
    }

    #[test]
    fn only_get_is_kept() {
        let (request_headers, response_headers) = (HeaderMap::new(), map(&[("cache-control", "max-age=60")]));
        for method in [Method::HEAD, Method::POST, Method::OPTIONS] {
            let x = Exchange {
                method: &method,
                request_headers: &request_headers,
                status: StatusCode::OK,
                response_headers: &response_headers,
            };
            assert_eq!(storable(&x, Duration::ZERO, UNIX_EPOCH), Storable::No(Reason::Method));
        }
    }

    #[test]
    fn reason_codes_are_distinct_and_fit_a_label() {
        let codes: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        assert!(codes.iter().all(|c| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    }

    #[test]
    fn a_body_is_as_long_as_announced() {
        assert!(is_complete(&map(&[]), 3));
        assert!(is_complete(&map(&[("content-length", "3")]), 3));
        assert!(!is_complete(&map(&[("content-length", "4")]), 3));
        assert!(!is_complete(&map(&[("content-length", "x")]), 3));
    }

    proptest! {
        #[test]
        fn nothing_that_sets_a_cookie_or_is_private_gets_in(control in "[a-z0-9=\", -]{0,60}", word in prop::sample::select(vec!["private", "no-store"])) {
            let text = format!("{control}, {word}");
            let got = judged(200, &[], &[("cache-control", &text)], 60);
            prop_assert!(got.is_err() || text.contains("must-understand") || text.contains('"'));
            let got = judged(200, &[], &[("cache-control", &control), ("set-cookie", "a=b")], 60);
            prop_assert!(got.is_err());
        }
    }
}
