//! Conditional requests (RFC 9110 section 13) against a copy: each field becomes a small type with a question on
//! it, and one method asks them in the RFC's order.

use std::time::{Duration, SystemTime};

use http::Method;
use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    LAST_MODIFIED, RANGE,
};

use super::control::{date, field_date, last_modified};

/// What the copy at hand is known by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'a> {
    /// Its entity tag.
    pub etag: Option<ETag<'a>>,
    /// When it changed last.
    pub last_modified: Option<SystemTime>,
    /// When the origin sent it: tells whether `last_modified` is strong (RFC 9110 section 8.8.2.2).
    pub date: Option<SystemTime>,
}

impl<'a> Validators<'a> {
    /// Reads them from an answer's header fields.
    pub fn of(headers: &'a HeaderMap) -> Validators<'a> {
        Validators {
            etag: headers.get(ETAG).and_then(ETag::parse),
            last_modified: last_modified(headers),
            date: date(headers),
        }
    }
}

/// An entity tag (RFC 9110 section 8.8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag<'a> {
    weak: bool,
    /// Between the quotes.
    opaque: &'a [u8],
}

impl<'a> ETag<'a> {
    /// Reads a value that is one entity tag and nothing else.
    pub fn parse(value: &'a HeaderValue) -> Option<ETag<'a>> {
        let (tag, rest) = ETag::take(value.as_bytes().trim_ascii())?;
        rest.is_empty().then_some(tag)
    }

    fn take(text: &'a [u8]) -> Option<(ETag<'a>, &'a [u8])> {
        let (weak, quoted) = text.strip_prefix(b"W/").map_or((false, text), |rest| (true, rest));
        let inner = quoted.strip_prefix(b"\"")?;
        let end = inner.iter().position(|&b| b == b'"')?;
        let opaque = &inner[..end];
        let legal = opaque.iter().all(|&b| b == 0x21 || (0x23..=0x7e).contains(&b) || b >= 0x80);
        legal.then_some((ETag { weak, opaque }, &inner[end + 1..]))
    }

    /// Byte for byte the same (section 8.8.3.2).
    pub fn strong_eq(self, other: ETag<'_>) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// Good enough for the same purpose (section 8.8.3.2).
    pub fn weak_eq(self, other: ETag<'_>) -> bool {
        self.opaque == other.opaque
    }
}

/// What the request's conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answer as if there were none.
    Proceed,
    /// 304: the visitor has it already.
    NotModified,
    /// 412.
    PreconditionFailed,
}

/// Whether the request has any condition: nearly none has, and then there is nothing to work out.
pub fn has_any(headers: &HeaderMap) -> bool {
    [IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_MATCH, IF_UNMODIFIED_SINCE]
        .iter()
        .any(|name| headers.contains_key(name))
}

/// Applies the request's conditions to a copy, in the order of RFC 9110 section 13.2.2. Only for copies of answers
/// with a 2xx status (section 13.2.1).
pub fn evaluate(method: &Method, ask: &HeaderMap, copy: &Validators<'_>) -> Outcome {
    let read = matches!(*method, Method::GET | Method::HEAD);
    // steps 1 and 2
    if ask.contains_key(IF_MATCH) {
        if !any_tag(ask, &IF_MATCH, |tag| copy.etag.is_some_and(|own| own.strong_eq(tag))) {
            return Outcome::PreconditionFailed;
        }
    } else if let (Some(limit), Some(changed)) = (field_date(ask, &IF_UNMODIFIED_SINCE), copy.last_modified)
        && changed > limit
    {
        return Outcome::PreconditionFailed;
    }
    // steps 3 and 4
    if ask.contains_key(IF_NONE_MATCH) {
        if any_tag(ask, &IF_NONE_MATCH, |tag| copy.etag.is_some_and(|own| own.weak_eq(tag))) {
            return if read { Outcome::NotModified } else { Outcome::PreconditionFailed };
        }
    } else if read
        && let (Some(since), Some(changed)) = (field_date(ask, &IF_MODIFIED_SINCE), copy.last_modified)
        && changed <= since
    {
        return Outcome::NotModified;
    }
    // step 5 is `range_applies`
    Outcome::Proceed
}

/// Whether the request's `Range` may be applied to the copy (step 5 of section 13.2.2, section 13.1.5): without
/// `If-Range` always, with it only if the copy is exactly what the visitor has a part of.
pub fn range_applies(method: &Method, ask: &HeaderMap, copy: &Validators<'_>) -> bool {
    if *method != Method::GET || !ask.contains_key(RANGE) {
        return false;
    }
    let Some(value) = ask.get(IF_RANGE) else { return true };
    if let Some(tag) = ETag::parse(value) {
        return copy.etag.is_some_and(|own| own.strong_eq(tag));
    }
    let (Some(asked), Some(changed)) = (field_date(ask, &IF_RANGE), copy.last_modified) else { return false };
    // a date is strong only if it was a second in the past when the answer was sent
    let strong = copy.date.is_some_and(|sent| {
        sent.duration_since(changed).is_ok_and(|between| between >= Duration::from_secs(1))
    });
    strong && asked == changed
}

/// Leaves the header fields of a 304 (RFC 9110 section 15.4.5): what describes the body goes, what the visitor's
/// cache updates its copy with stays.
pub fn keep_for_not_modified(headers: &mut HeaderMap) {
    for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_RANGE] {
        headers.remove(name);
    }
    if headers.contains_key(ETAG) {
        headers.remove(LAST_MODIFIED);
    }
}

/// Whether any tag of the field's list passes `test`. `*` passes: there is a copy.
fn any_tag(headers: &HeaderMap, name: &HeaderName, test: impl Fn(ETag<'_>) -> bool) -> bool {
    headers.get_all(name).iter().any(|line| {
        let mut rest = line.as_bytes().trim_ascii();
        if rest == b"*" {
            return true;
        }
        while !rest.is_empty() {
            match ETag::take(rest) {
                Some((tag, after)) => {
                    if test(tag) {
                        return true;
                    }
                    rest = after;
                }
                None => rest = &rest[1..],
            }
            // to the next member; whatever stands between is garbage
            let next = rest.iter().position(|&b| b == b',').map_or(rest.len(), |at| at + 1);
            rest = rest[next..].trim_ascii_start();
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T0: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const T1: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const T2: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn map(fields: &[(HeaderName, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn check(method: &Method, copy: &[(HeaderName, &str)], ask: &[(HeaderName, &str)], expected: Outcome) {
        let copy = map(copy);
        let outcome = evaluate(method, &map(ask), &Validators::of(&copy));
        assert_eq!(outcome, expected, "{method} {ask:?} of {copy:?}");
    }

    #[test]
    fn if_none_match() {
        // RFC 9110 section 13.1.2: weak comparison
        let copy = [(ETAG, "\"a\"")];
        let weak = [(ETAG, "W/\"a\"")];
        for (copy, asked, hit) in [
            (&copy, "\"a\"", true),
            (&copy, "W/\"a\"", true),
            (&weak, "\"a\"", true),
            (&copy, "*", true),
            (&copy, "\"b\", \"a\"", true),
            (&copy, "\"b\" , W/\"a\"", true),
            (&copy, "\"x,\"a\"", false),
            (&copy, "\"a,b\", \"a\"", true),
            (&copy, "junk, \"a\"", true),
            (&copy, "a", false),
            (&copy, "\"b\"", false),
            (&copy, "\"A\"", false),
            (&copy, "", false),
            (&copy, "\"a", false),
        ] {
            let expected = if hit { Outcome::NotModified } else { Outcome::Proceed };
            check(&Method::GET, copy, &[(IF_NONE_MATCH, asked)], expected);
            check(&Method::HEAD, copy, &[(IF_NONE_MATCH, asked)], expected);
        }
        check(&Method::PUT, &copy, &[(IF_NONE_MATCH, "*")], Outcome::PreconditionFailed);
        check(
            &Method::GET,
            &copy,
            &[(IF_NONE_MATCH, "\"b\""), (IF_NONE_MATCH, "\"a\"")],
            Outcome::NotModified,
        );
        check(&Method::GET, &[], &[(IF_NONE_MATCH, "\"a\"")], Outcome::Proceed);
    }

    #[test]
    fn if_match() {
        // section 13.1.1: strong comparison
        for (tag, asked, expected) in [
            ("\"a\"", "\"a\"", Outcome::Proceed),
            ("\"a\"", "*", Outcome::Proceed),
            ("\"a\"", "\"b\", \"a\"", Outcome::Proceed),
            ("\"a\"", "W/\"a\"", Outcome::PreconditionFailed),
            ("W/\"a\"", "W/\"a\"", Outcome::PreconditionFailed),
            ("\"a\"", "\"b\"", Outcome::PreconditionFailed),
        ] {
            check(&Method::GET, &[(ETAG, tag)], &[(IF_MATCH, asked)], expected);
        }
        check(&Method::GET, &[], &[(IF_MATCH, "\"a\"")], Outcome::PreconditionFailed);
    }

    #[test]
    fn dates() {
        // sections 13.1.3 and 13.1.4
        let copy = [(LAST_MODIFIED, T1)];
        check(&Method::GET, &copy, &[(IF_MODIFIED_SINCE, T0)], Outcome::Proceed);
        check(&Method::GET, &copy, &[(IF_MODIFIED_SINCE, T1)], Outcome::NotModified);
        check(&Method::GET, &copy, &[(IF_MODIFIED_SINCE, T2)], Outcome::NotModified);
        check(&Method::POST, &copy, &[(IF_MODIFIED_SINCE, T2)], Outcome::Proceed);
        check(&Method::GET, &copy, &[(IF_MODIFIED_SINCE, "yesterday")], Outcome::Proceed);
        check(&Method::GET, &copy, &[(IF_MODIFIED_SINCE, T2), (IF_MODIFIED_SINCE, T2)], Outcome::Proceed);
        check(&Method::GET, &[], &[(IF_MODIFIED_SINCE, T2)], Outcome::Proceed);
        check(&Method::GET, &copy, &[(IF_UNMODIFIED_SINCE, T0)], Outcome::PreconditionFailed);
        check(&Method::GET, &copy, &[(IF_UNMODIFIED_SINCE, T1)], Outcome::Proceed);
        check(&Method::GET, &copy, &[(IF_UNMODIFIED_SINCE, "x")], Outcome::Proceed);
    }

    #[test]
    fn tags_go_before_dates() {
        // section 13.2.2
        let copy = [(ETAG, "\"a\""), (LAST_MODIFIED, T1)];
        check(&Method::GET, &copy, &[(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, T2)], Outcome::Proceed);
        check(&Method::GET, &copy, &[(IF_MATCH, "\"a\""), (IF_UNMODIFIED_SINCE, T0)], Outcome::Proceed);
        check(
            &Method::GET,
            &copy,
            &[(IF_MATCH, "\"b\""), (IF_NONE_MATCH, "\"a\"")],
            Outcome::PreconditionFailed,
        );
        check(&Method::GET, &copy, &[(IF_MATCH, "\"a\""), (IF_NONE_MATCH, "\"a\"")], Outcome::NotModified);
    }

    #[test]
    fn if_range() {
        // section 13.1.5
        let range = (RANGE, "bytes=0-1");
        let copy = [(ETAG, "\"a\""), (LAST_MODIFIED, T1), (http::header::DATE, T2)];
        let fresh = [(LAST_MODIFIED, T1), (http::header::DATE, T1)];
        for (copy, if_range, applies) in [
            (&copy[..], None, true),
            (&copy, Some("\"a\""), true),
            (&copy, Some("\"b\""), false),
            (&copy, Some("W/\"a\""), false),
            (&copy, Some(T1), true),
            (&copy, Some(T0), false),
            (&copy, Some(T2), false),
            (&copy, Some("junk"), false),
            (&fresh, Some(T1), false), // may have changed twice within that second
            (&[], Some("\"a\""), false),
        ] {
            let copy = map(copy);
            let mut ask = map(std::slice::from_ref(&range));
            if let Some(value) = if_range {
                ask.insert(IF_RANGE, HeaderValue::from_static(value));
            }
            assert_eq!(
                range_applies(&Method::GET, &ask, &Validators::of(&copy)),
                applies,
                "{if_range:?} of {copy:?}"
            );
            assert!(!range_applies(&Method::HEAD, &ask, &Validators::of(&copy)));
        }
        assert!(!range_applies(&Method::GET, &HeaderMap::new(), &Validators::default()));
    }

    #[test]
    fn a_304_tells_what_a_cache_needs() {
        // section 15.4.5
        let mut headers = map(&[
            (ETAG, "\"a\""),
            (LAST_MODIFIED, T1),
            (CONTENT_LENGTH, "5"),
            (CONTENT_TYPE, "text/html"),
            (http::header::VARY, "accept"),
            (http::header::CACHE_CONTROL, "max-age=5"),
        ]);
        keep_for_not_modified(&mut headers);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["cache-control", "etag", "vary"]);
        let mut untagged = map(&[(LAST_MODIFIED, T1), (CONTENT_TYPE, "text/html")]);
        keep_for_not_modified(&mut untagged);
        assert_eq!(untagged, map(&[(LAST_MODIFIED, T1)]));
    }

    proptest! {
        #[test]
        fn no_text_can_panic(value in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let mut ask = HeaderMap::new();
                for name in [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE, RANGE] {
                    ask.insert(name, value.clone());
                }
                let mut copy = HeaderMap::new();
                copy.insert(ETAG, value);
                let _ = evaluate(&Method::GET, &ask, &Validators::of(&copy));
                let _ = range_applies(&Method::GET, &ask, &Validators::of(&copy));
            }
        }

        #[test]
        fn a_tag_always_matches_itself(tag in "[!#-~]{0,20}") {
            let value = HeaderValue::from_str(&format!("\"{tag}\"")).unwrap();
            let mut copy = HeaderMap::new();
            copy.insert(ETAG, value.clone());
            let mut ask = HeaderMap::new();
            ask.insert(IF_NONE_MATCH, value);
            prop_assert_eq!(evaluate(&Method::GET, &ask, &Validators::of(&copy)), Outcome::NotModified);
        }
    }
}
