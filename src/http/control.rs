//! `Cache-Control` and the fields around it: `Expires`, `Age`, `Date`, `Pragma` (RFC 9111 section 5).
//!
//! Garbage is never an error. Where a value cannot be read, the reading is the one that caches less.

use std::time::SystemTime;

use http::header::{
    AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, PRAGMA,
};

/// Delta-seconds beyond this are this (RFC 9111 section 1.2.2).
pub const MAX_SECONDS: u32 = 1 << 31;

/// What an answer says of its storage and reuse (RFC 9111 section 5.2.2, RFC 5861, RFC 8246). Times in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseControl {
    /// Not to be stored at all.
    pub no_store: bool,
    /// Not to be used without asking the origin. The form with field names counts as the one without.
    pub no_cache: bool,
    /// For one visitor only. The form with field names counts as the one without.
    pub private: bool,
    /// May be stored although the request had credentials.
    pub public: bool,
    /// Not to be used stale, by anybody.
    pub must_revalidate: bool,
    /// Not to be used stale by shared caches, such as this one.
    pub proxy_revalidate: bool,
    /// `no-store` is meant for caches that do not know the status code.
    pub must_understand: bool,
    /// The body is not to be changed.
    pub no_transform: bool,
    /// Will not change while it is fresh.
    pub immutable: bool,
    /// Freshness for any cache.
    pub max_age: Option<u32>,
    /// Freshness for shared caches; implies `proxy-revalidate`.
    pub s_maxage: Option<u32>,
    /// How long it may be served stale while it is revalidated.
    pub stale_while_revalidate: Option<u32>,
    /// How long it may be served stale when the origin fails.
    pub stale_if_error: Option<u32>,
}

/// What a request says (RFC 9111 section 5.2.1). All of it is advice to a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestControl {
    /// Neither the request nor its answer is to be stored.
    pub no_store: bool,
    /// The origin is to be asked: a forced reload.
    pub no_cache: bool,
    /// The origin is not to be asked.
    pub only_if_cached: bool,
    /// No older than this.
    pub max_age: Option<u32>,
    /// How long it must still be fresh.
    pub min_fresh: Option<u32>,
    /// Stale for no longer than this.
    pub max_stale: Option<u32>,
}

impl ResponseControl {
    /// Reads `Cache-Control` of an answer.
    pub fn of(headers: &HeaderMap) -> ResponseControl {
        let mut c = ResponseControl::default();
        each_directive(headers, |name, value| match () {
            () if is(name, b"no-store") => c.no_store = true,
            () if is(name, b"no-cache") => c.no_cache = true,
            () if is(name, b"private") => c.private = true,
            () if is(name, b"public") => c.public = true,
            () if is(name, b"must-revalidate") => c.must_revalidate = true,
            () if is(name, b"proxy-revalidate") => c.proxy_revalidate = true,
            () if is(name, b"must-understand") => c.must_understand = true,
            () if is(name, b"no-transform") => c.no_transform = true,
            () if is(name, b"immutable") => c.immutable = true,
            () if is(name, b"max-age") => first(&mut c.max_age, value),
            () if is(name, b"s-maxage") => first(&mut c.s_maxage, value),
            () if is(name, b"stale-while-revalidate") => first(&mut c.stale_while_revalidate, value),
            () if is(name, b"stale-if-error") => first(&mut c.stale_if_error, value),
            () => {} // section 5.2.3: unknown directives are ignored
        });
        c
    }
}

impl RequestControl {
    /// Reads `Cache-Control` of a request, and `Pragma: no-cache` where that is missing (section 5.4).
    pub fn of(headers: &HeaderMap) -> RequestControl {
        let mut c = RequestControl::default();
        if !headers.contains_key(CACHE_CONTROL) {
            c.no_cache = headers.get_all(PRAGMA).iter().any(|v| super::headers::has_token(v, b"no-cache"));
            return c;
        }
        each_directive(headers, |name, value| match () {
            () if is(name, b"no-store") => c.no_store = true,
            () if is(name, b"no-cache") => c.no_cache = true,
            () if is(name, b"only-if-cached") => c.only_if_cached = true,
            () if is(name, b"max-age") => first(&mut c.max_age, value),
            () if is(name, b"min-fresh") => first(&mut c.min_fresh, value),
            // without a value: any staleness will do
            () if is(name, b"max-stale") && value.is_none() => c.max_stale = Some(MAX_SECONDS),
            () if is(name, b"max-stale") => first(&mut c.max_stale, value),
            () => {}
        });
        c
    }
}

fn is(name: &[u8], directive: &[u8]) -> bool {
    name.eq_ignore_ascii_case(directive)
}

/// Section 4.2.1: of several values the first counts; one that cannot be read means "already stale".
fn first(slot: &mut Option<u32>, value: Option<&[u8]>) {
    slot.get_or_insert(value.and_then(delta_seconds).unwrap_or(0));
}

/// Section 1.2.2, in token form or quoted. `None` if it is not a number.
fn delta_seconds(value: &[u8]) -> Option<u32> {
    let digits = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n = digits.iter().fold(0_u64, |n, &d| n.saturating_mul(10).saturating_add(u64::from(d - b'0')));
    Some(u32::try_from(n).unwrap_or(MAX_SECONDS).min(MAX_SECONDS))
}

/// Calls `f` with name and value of every directive, in order, over all lines of the field.
fn each_directive(headers: &HeaderMap, mut f: impl FnMut(&[u8], Option<&[u8]>)) {
    for line in headers.get_all(CACHE_CONTROL) {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            let (directive, after) = split_directive(rest);
            rest = after;
            let directive = directive.trim_ascii();
            match directive.iter().position(|&b| b == b'=') {
                Some(at) => f(directive[..at].trim_ascii(), Some(&directive[at + 1..])),
                None => f(directive, None),
            }
        }
    }
}

/// Cuts at the first comma outside a quoted string. A quote that is never closed does not count as one: what
/// follows it must not be able to hide a `no-store`.
fn split_directive(text: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b',' => return (&text[..at], &text[at + 1..]),
            b'"' => at += quoted_length(&text[at..]).unwrap_or(1),
            _ => at += 1,
        }
    }
    (text, b"")
}

fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// `Expires` (RFC 9111 section 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expires {
    /// At this time, by the origin's clock.
    At(SystemTime),
    /// Not a date, such as `0`: already expired.
    Past,
}

/// Reads `Expires`; of several, the first.
pub fn expires(headers: &HeaderMap) -> Option<Expires> {
    headers.get(EXPIRES).map(|value| date_value(value).map_or(Expires::Past, Expires::At))
}

/// `Date`: when the origin made the answer, by its own clock.
pub fn date(headers: &HeaderMap) -> Option<SystemTime> {
    field_date(headers, &DATE)
}

/// `Last-Modified`.
pub fn last_modified(headers: &HeaderMap) -> Option<SystemTime> {
    field_date(headers, &LAST_MODIFIED)
}

/// `Age` in seconds (section 5.1): of several the first; one that is no number counts as none.
pub fn age(headers: &HeaderMap) -> Option<u32> {
    let value = headers.get(AGE)?.as_bytes();
    delta_seconds(value.split(|&b| b == b',').next().unwrap_or_default().trim_ascii())
}

/// A date field that is there once and can be read, in any of the three forms of RFC 9110 section 5.6.7.
pub fn field_date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    let value = lines.next()?;
    if lines.next().is_some() {
        return None;
    }
    date_value(value)
}

fn date_value(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()
}

/// A date as a field value. Times outside of what the form can say become the nearest that it can.
pub fn date_field(at: SystemTime) -> HeaderValue {
    const LAST: u64 = 253_402_300_799; // 9999-12-31T23:59:59Z
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs()).min(LAST);
    let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    HeaderValue::from_maybe_shared(bytes::Bytes::from(httpdate::fmt_http_date(at)))
        .unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn lines(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    fn answer(values: &[&str]) -> ResponseControl {
        ResponseControl::of(&lines(CACHE_CONTROL, values))
    }

    #[test]
    fn every_directive_of_an_answer_is_read() {
        // RFC 9111 section 5.2.2, RFC 5861, RFC 8246
        let all = answer(&[
            "no-store, No-Cache, PRIVATE, public, must-revalidate, proxy-revalidate, must-understand",
            "no-transform, immutable, max-age=1, s-maxage=2, stale-while-revalidate=3, stale-if-error=4",
        ]);
        let expected = ResponseControl {
            no_store: true,
            no_cache: true,
            private: true,
            public: true,
            must_revalidate: true,
            proxy_revalidate: true,
            must_understand: true,
            no_transform: true,
            immutable: true,
            max_age: Some(1),
            s_maxage: Some(2),
            stale_while_revalidate: Some(3),
            stale_if_error: Some(4),
        };
        assert_eq!(all, expected);
        assert_eq!(answer(&[]), ResponseControl::default());
        assert_eq!(
            answer(&["", ",", " , ,x, y=\"z, no-store\"", "=", "\"no-store\""]),
            ResponseControl::default()
        );
    }

    #[test]
    fn seconds_are_read_in_both_forms_and_garbage_is_stale() {
        // sections 1.2.2, 4.2.1, 5.2
        for (value, seconds) in [
            ("max-age=60", Some(60)),
            ("max-age=\"60\"", Some(60)),
            ("max-age=007", Some(7)),
            ("max-age=2147483648", Some(MAX_SECONDS)),
            ("max-age=2147483649", Some(MAX_SECONDS)),
            ("max-age=99999999999999999999999999", Some(MAX_SECONDS)),
            ("max-age=0", Some(0)),
            ("max-age=-1", Some(0)),
            ("max-age=1.5", Some(0)),
            ("max-age=", Some(0)),
            ("max-age", Some(0)),
            ("max-age=\"\"", Some(0)),
            ("max-age= 60", Some(0)),
            ("max-age=60s", Some(0)),
            ("max-age=60, max-age=10", Some(60)),
            ("max-age=x, max-age=10", Some(0)),
            ("x-max-age=60", None),
            ("max-ages=60", None),
        ] {
            assert_eq!(answer(&[value]).max_age, seconds, "{value}");
        }
        assert_eq!(answer(&["max-age=60", "max-age=10"]).max_age, Some(60));
    }

    #[test]
    fn quotes_hide_nothing_that_matters() {
        assert!(answer(&["private=\"set-cookie, x\", max-age=5"]).private);
        assert_eq!(answer(&["private=\"a, b\", max-age=5"]).max_age, Some(5));
        assert!(answer(&["no-cache=\"a\\\", b\", public"]).public);
        assert!(answer(&["x=\"y, no-store"]).no_store, "a quote that is never closed");
        assert!(answer(&["x=\"y\\", "no-store"]).no_store);
        assert!(!answer(&["x=\"y, no-store\""]).no_store);
    }

    #[test]
    fn every_directive_of_a_request_is_read() {
        let ask = |v: &[&str]| RequestControl::of(&lines(CACHE_CONTROL, v));
        let all = ask(&["no-store, no-cache, only-if-cached, max-age=1, min-fresh=2, max-stale=3"]);
        let expected = RequestControl {
            no_store: true,
            no_cache: true,
            only_if_cached: true,
            max_age: Some(1),
            min_fresh: Some(2),
            max_stale: Some(3),
        };
        assert_eq!(all, expected);
        assert_eq!(ask(&["max-stale"]).max_stale, Some(MAX_SECONDS));
    }

    #[test]
    fn pragma_speaks_only_alone() {
        // section 5.4
        let mut headers = lines(PRAGMA, &["no-cache"]);
        assert!(RequestControl::of(&headers).no_cache);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=10"));
        assert!(!RequestControl::of(&headers).no_cache);
    }

    #[test]
    fn an_expires_that_is_no_date_is_past() {
        // section 5.3
        let at = |v: &[&str]| expires(&lines(EXPIRES, v));
        let day = Expires::At(UNIX_EPOCH + Duration::from_secs(784_111_777));
        assert_eq!(at(&["Sun, 06 Nov 1994 08:49:37 GMT"]), Some(day));
        assert_eq!(at(&["Sunday, 06-Nov-94 08:49:37 GMT"]), Some(day));
        assert_eq!(at(&["Sun Nov  6 08:49:37 1994"]), Some(day));
        assert_eq!(at(&["0"]), Some(Expires::Past));
        assert_eq!(at(&["-1"]), Some(Expires::Past));
        assert_eq!(at(&[""]), Some(Expires::Past));
        assert_eq!(at(&[]), None);
    }

    #[test]
    fn ages_are_whole_seconds_or_nothing() {
        // section 5.1
        for (values, expected) in [
            (vec!["12"], Some(12)),
            (vec!["12, 13"], Some(12)),
            (vec!["12", "13"], Some(12)),
            (vec!["-1"], None),
            (vec!["x"], None),
            (vec![], None),
            (vec!["99999999999"], Some(MAX_SECONDS)),
        ] {
            assert_eq!(age(&lines(AGE, &values)), expected, "{values:?}");
        }
    }

    #[test]
    fn dates_go_out_as_they_came_in() {
        let text = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(date_field(date(&lines(DATE, &[text])).unwrap()), text);
        assert_eq!(date(&lines(DATE, &[text, text])), None);
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(date_field(far), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(date_field(UNIX_EPOCH - Duration::from_secs(1)), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    proptest! {
        #[test]
        fn no_text_can_panic_the_parsers(value in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let mut headers = HeaderMap::new();
                for name in [CACHE_CONTROL, EXPIRES, AGE, DATE, PRAGMA] {
                    headers.insert(name, value.clone());
                }
                let _ = (ResponseControl::of(&headers), RequestControl::of(&headers));
                let _ = (expires(&headers), age(&headers), date(&headers));
            }
        }

        #[test]
        fn a_no_store_outside_of_quotes_is_always_seen(before in "[a-z=, ]{0,20}", after in "[a-z=\", ]{0,20}") {
            let control = answer(&[&format!("{before},no-store,{after}")]);
            prop_assert!(control.no_store);
        }
    }
}
