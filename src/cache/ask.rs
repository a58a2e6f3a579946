//! What a request has to do with a shared cache, before anything is looked up.

use http::Method;
use http::header::{
    AUTHORIZATION, COOKIE, HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};

use crate::http::cache_status::Forward;
use crate::http::control::RequestControl;

/// Fields by which some frameworks take a GET for another method: the cache must not take it for a GET then.
static OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// Why a request is not answered from the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bypass {
    /// Neither GET nor HEAD.
    Method,
    /// A field says that the method is not what it seems.
    Override,
    /// It carries credentials: a session.
    Authorization,
}

impl Bypass {
    /// As `Cache-Status` says it.
    pub fn forward(self) -> Forward {
        match self {
            Bypass::Method | Bypass::Override => Forward::Method,
            Bypass::Authorization => Forward::Bypass,
        }
    }
}

/// Whether the request may be answered from the cache, as far as the request itself says. Session cookies and
/// routes are configuration, and the caller's to judge.
///
/// # Errors
/// The reason why not.
pub fn may_look_up(method: &Method, request_headers: &HeaderMap) -> Result<(), Bypass> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Bypass::Method);
    }
    if request_headers.contains_key(AUTHORIZATION) {
        return Err(Bypass::Authorization);
    }
    if overrides_method(request_headers) {
        return Err(Bypass::Override);
    }
    Ok(())
}

/// Whether the request may share one fetch with others that ask for the same: a GET of the whole page, without
/// conditions that only the origin can judge, whose answer may be kept.
pub fn may_share(method: &Method, request_headers: &HeaderMap) -> bool {
    *method == Method::GET
        && may_look_up(method, request_headers).is_ok()
        && ![RANGE, IF_MATCH, IF_UNMODIFIED_SINCE].iter().any(|name| request_headers.contains_key(name))
        && !RequestControl::of(request_headers).no_store
}

/// Makes the request one for the whole page, whatever the visitor has of it already: for a fetch whose answer is
/// meant for the cache. The visitor's own conditions are applied to the entry afterwards.
pub fn make_whole(headers: &mut HeaderMap) {
    for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_MATCH, IF_UNMODIFIED_SINCE, IF_RANGE, RANGE] {
        headers.remove(name);
    }
}

/// Whether nothing in the request tells its sender from other visitors.
pub fn is_anonymous(request_headers: &HeaderMap) -> bool {
    !request_headers.contains_key(COOKIE) && !request_headers.contains_key(AUTHORIZATION)
}

/// Whether a field asks to take the method for another one.
pub fn overrides_method(request_headers: &HeaderMap) -> bool {
    OVERRIDES.iter().any(|name| request_headers.contains_key(name))
}

/// Whether an answer with this status to this method makes what is stored of its address worthless (RFC 9111
/// section 4.4): an unsafe method that did not fail.
pub fn invalidates(method: &Method, status: http::StatusCode) -> bool {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    !safe && (status.is_success() || status.is_redirection())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, StatusCode};

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn who_may_look_and_who_may_share() {
        let get = Method::GET;
        for (method, fields, look, share) in [
            (&get, vec![], Ok(()), true),
            (&get, vec![("cookie", "_ga=1")], Ok(()), true),
            (&get, vec![("if-none-match", "\"a\"")], Ok(()), true),
            (&get, vec![("range", "bytes=0-1")], Ok(()), false),
            (&get, vec![("if-match", "\"a\"")], Ok(()), false),
            (&get, vec![("cache-control", "no-store")], Ok(()), false),
            (&Method::HEAD, vec![], Ok(()), false),
            (&Method::POST, vec![], Err(Bypass::Method), false),
            (&Method::OPTIONS, vec![], Err(Bypass::Method), false),
            (&get, vec![("authorization", "Basic x")], Err(Bypass::Authorization), false),
            (&get, vec![("x-http-method-override", "DELETE")], Err(Bypass::Override), false),
        ] {
            let request_headers = map(&fields);
            assert_eq!(may_look_up(method, &request_headers), look, "{method} {fields:?}");
            assert_eq!(may_share(method, &request_headers), share, "{method} {fields:?}");
        }
    }

    #[test]
    fn a_fetch_for_the_cache_has_no_conditions() {
        let mut headers = map(&[
            ("if-none-match", "\"a\""),
            ("if-modified-since", "x"),
            ("if-range", "x"),
            ("range", "bytes=0-1"),
            ("accept", "text/html"),
        ]);
        make_whole(&mut headers);
        assert_eq!(headers, map(&[("accept", "text/html")]));
    }

    #[test]
    fn what_changes_a_page_makes_its_copies_worthless() {
        // RFC 9111 section 4.4
        for (method, status, expected) in [
            (Method::POST, 200, true),
            (Method::POST, 303, true),
            (Method::PUT, 204, true),
            (Method::DELETE, 200, true),
            (Method::from_bytes(b"PURGE").unwrap(), 200, true),
            (Method::POST, 404, false),
            (Method::POST, 500, false),
            (Method::GET, 200, false),
            (Method::OPTIONS, 200, false),
        ] {
            assert_eq!(
                invalidates(&method, StatusCode::from_u16(status).unwrap()),
                expected,
                "{method} {status}"
            );
        }
    }
}
