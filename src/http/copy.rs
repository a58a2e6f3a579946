//! An answer out of a copy: which part of a whole stored answer a request gets, and with which status and fields.
//! Decided here, once, for the cache and the snapshot; rendering has no policy left in it.

use std::ops::Range;

use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE,
};
use http::{Method, StatusCode};

use super::conditional::{self, Outcome, Validators};
use super::range::{self, Multipart, Ranged};

/// What of the stored body is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    /// All of it.
    All,
    /// Nothing: HEAD, 304, 412, 416.
    Nothing,
    /// These bytes.
    Part(Range<u64>),
    /// Several parts with their heads.
    Parts(Multipart),
}

/// Applies method, conditions and range of a request (in the order of RFC 9110 section 13.2.2) to a copy with this
/// status and `len` bytes of body. `headers` are those of the copy, about to be sent: they are adjusted in place.
pub fn select(
    method: &Method,
    ask: &HeaderMap,
    status: StatusCode,
    headers: &mut HeaderMap,
    len: u64,
) -> (StatusCode, Selected) {
    // conditions and ranges are about successful answers only (sections 13.2.1, 14.2)
    if status.is_success() {
        if conditional::has_any(ask) {
            match conditional::evaluate(method, ask, &Validators::of(headers)) {
                Outcome::Proceed => {}
                Outcome::NotModified => {
                    conditional::keep_for_not_modified(headers);
                    return (StatusCode::NOT_MODIFIED, Selected::Nothing);
                }
                Outcome::PreconditionFailed => {
                    empty(headers);
                    return (StatusCode::PRECONDITION_FAILED, Selected::Nothing);
                }
            }
        }
        if status == StatusCode::OK
            && let Some(value) = ask.get(RANGE)
            && conditional::range_applies(method, ask, &Validators::of(headers))
        {
            return ranged(value, headers, len);
        }
    }
    let selected = if *method == Method::HEAD || len == 0 { Selected::Nothing } else { Selected::All };
    // section 8.6: no length where there is no content by definition
    if status != StatusCode::NO_CONTENT && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    }
    (status, selected)
}

fn ranged(value: &HeaderValue, headers: &mut HeaderMap, len: u64) -> (StatusCode, Selected) {
    let (length, selected) = match range::resolve(value, len) {
        Ranged::Whole => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
            return (StatusCode::OK, if len == 0 { Selected::Nothing } else { Selected::All });
        }
        Ranged::Unsatisfiable => {
            empty(headers);
            headers.insert(CONTENT_RANGE, range::unsatisfied(len));
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            return (StatusCode::RANGE_NOT_SATISFIABLE, Selected::Nothing);
        }
        Ranged::One(part) => {
            headers.insert(CONTENT_RANGE, range::content_range(&part, len));
            (part.end - part.start, Selected::Part(part))
        }
        Ranged::Several(parts) => {
            let plan = Multipart::new(parts, len, headers.get(CONTENT_TYPE));
            headers.insert(CONTENT_TYPE, plan.content_type.clone());
            (plan.len(), Selected::Parts(plan))
        }
    };
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    (StatusCode::PARTIAL_CONTENT, selected)
}

/// The fields of an answer that is not the copy and has no body.
fn empty(headers: &mut HeaderMap) {
    conditional::keep_for_not_modified(headers);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};

    fn ask(
        method: Method,
        fields: &[(HeaderName, &'static str)],
        status: u16,
        len: u64,
    ) -> (u16, HeaderMap, Selected) {
        let asked = fields.iter().map(|(n, v)| (n.clone(), HeaderValue::from_static(v))).collect();
        let mut headers = HeaderMap::new();
        headers.insert(ETAG, HeaderValue::from_static("\"a\""));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
        let (status, selected) =
            select(&method, &asked, StatusCode::from_u16(status).unwrap(), &mut headers, len);
        (status.as_u16(), headers, selected)
    }

    #[test]
    fn a_plain_request_gets_all() {
        let (status, headers, selected) = ask(Method::GET, &[], 200, 10);
        assert_eq!((status, selected), (200, Selected::All));
        assert_eq!(headers[CONTENT_LENGTH], "10");
        let (status, headers, selected) = ask(Method::HEAD, &[(RANGE, "bytes=0-1")], 200, 10);
        assert_eq!((status, selected), (200, Selected::Nothing));
        assert_eq!(headers[CONTENT_LENGTH], "10");
        assert_eq!(ask(Method::GET, &[], 200, 0).2, Selected::Nothing);
    }

    #[test]
    fn conditions_go_before_ranges() {
        let (status, headers, selected) =
            ask(Method::GET, &[(IF_NONE_MATCH, "\"a\""), (RANGE, "bytes=0-1")], 200, 10);
        assert_eq!((status, selected), (304, Selected::Nothing));
        assert!(!headers.contains_key(CONTENT_LENGTH) && headers.contains_key(ETAG));
        let (status, headers, selected) = ask(Method::GET, &[(IF_MATCH, "\"b\"")], 200, 10);
        assert_eq!((status, selected), (412, Selected::Nothing));
        assert_eq!(headers[CONTENT_LENGTH], "0");
    }

    #[test]
    fn parts_have_their_own_fields() {
        let (status, headers, selected) = ask(Method::GET, &[(RANGE, "bytes=2-4")], 200, 10);
        assert_eq!((status, selected), (206, Selected::Part(2..5)));
        assert_eq!(
            (&headers[CONTENT_LENGTH], &headers[CONTENT_RANGE]),
            (&"3".parse().unwrap(), &"bytes 2-4/10".parse().unwrap())
        );
        let (status, headers, selected) = ask(Method::GET, &[(RANGE, "bytes=10-")], 200, 10);
        assert_eq!((status, selected), (416, Selected::Nothing));
        assert_eq!(
            (&headers[CONTENT_LENGTH], &headers[CONTENT_RANGE]),
            (&"0".parse().unwrap(), &"bytes */10".parse().unwrap())
        );
        let (status, headers, selected) = ask(Method::GET, &[(RANGE, "bytes=0-1,8-9")], 200, 10_000);
        let Selected::Parts(plan) = selected else { panic!("{selected:?}") };
        assert_eq!(
            (status, headers[CONTENT_LENGTH].to_str().unwrap()),
            (206, plan.len().to_string().as_str())
        );
        assert!(headers[CONTENT_TYPE].to_str().unwrap().starts_with("multipart/byteranges"));
        assert!(!headers.contains_key(CONTENT_RANGE), "section 15.3.7.2");
    }

    #[test]
    fn only_successful_answers_have_conditions_and_ranges() {
        assert_eq!(ask(Method::GET, &[(IF_NONE_MATCH, "\"a\"")], 404, 10).0, 404);
        assert_eq!(ask(Method::GET, &[(RANGE, "bytes=0-1")], 404, 10).2, Selected::All);
    }
}
