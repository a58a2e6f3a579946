//! Who may use the API: whoever knows the token; without one (only on loopback or a socket), programs of this machine,
//! but not web pages that a browser of this machine has open.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};

use super::reply::error;
use crate::app::AdminToken;
use crate::http::Body;

/// The rule for one listener.
pub(super) struct Guard {
    token: Arc<AdminToken>,
}

impl Guard {
    pub(super) fn new(token: Arc<AdminToken>) -> Guard {
        Guard { token }
    }

    /// The answer to a request that may not pass. Health is for everybody: a load balancer has no token.
    pub(super) fn refuses(
        &self,
        method: &Method,
        segments: &[&str],
        headers: &HeaderMap,
        unix: bool,
    ) -> Option<Response<Body>> {
        if matches!(segments, ["healthz" | "readyz"]) {
            return None;
        }
        let offered = offered(headers);
        if let Some(is_right) = self.token.is(offered.unwrap_or_default()) {
            if is_right && offered.is_some() {
                return None;
            }
            return Some(no_entry(offered));
        }
        if !unix && !is_local(headers) {
            let message = "without a token the API answers only to localhost and to addresses, not to names";
            return Some(error(StatusCode::FORBIDDEN, "foreign-host", message));
        }
        // what somebody has typed is not for another site's page either, nor is the work of reading it all
        let is_read = method.is_safe() && !segments.contains(&"forms");
        if !is_read && is_foreign(headers) {
            return Some(error(
                StatusCode::FORBIDDEN,
                "foreign-origin",
                "a web page of another site may not do this",
            ));
        }
        None
    }
}

/// The token that a request shows. The scheme is written in any case (RFC 9110 section 11.1).
fn offered(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at(value.iter().position(|b| *b == b' ')?);
    scheme.eq_ignore_ascii_case(b"Bearer").then(|| token.trim_ascii()).filter(|token| !token.is_empty())
}

/// No token, or a wrong one: whoever has mistyped it is not told to give one.
fn no_entry(offered: Option<&[u8]>) -> Response<Body> {
    let (code, message, challenge) = match offered {
        None => (
            "token-missing",
            "this needs the header \"Authorization: Bearer <token>\" with the token of admin.token_file (katahai's own commands: \
             --token-file, or KATAHAI_ADMIN_TOKEN)",
            "Bearer realm=\"katahai\"",
        ),
        Some(_) => (
            "token-wrong",
            "the token is not the one in the file that admin.token_file names",
            "Bearer realm=\"katahai\", error=\"invalid_token\"",
        ),
    };
    let mut response = error(StatusCode::UNAUTHORIZED, code, message);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// A name that somebody else's DNS makes point here would let a web page read the answers (DNS rebinding).
fn is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return true };
    let Some(host) = host.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)) else {
        return false;
    };
    host.eq_ignore_ascii_case("localhost") || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// Whether a page in a browser asks: it may have been left open, and somebody else may sit before it.
pub(super) fn is_browser(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN)
}

/// Whether a browser says that the request was made by a page of another origin: by `Sec-Fetch-Site` (which no page can
/// forge), or by `Origin` where the browser is too old for it.
fn is_foreign(headers: &HeaderMap) -> bool {
    if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) else {
        return false;
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    origin.split_once("://").is_none_or(|(_, authority)| authority != host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(guard: &Guard, method: Method, path: &[&str], fields: &[(&'static str, &'static str)]) -> u16 {
        let headers = fields.iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect();
        guard.refuses(&method, path, &headers, false).map_or(200, |answer| answer.status().as_u16())
    }

    #[test]
    fn with_a_token_only_who_knows_it_comes_in() {
        let token = Arc::new(AdminToken::default());
        token.set("secret");
        let guard = Guard::new(token);
        assert_eq!(ask(&guard, Method::GET, &["api"], &[("host", "localhost")]), 401);
        assert_eq!(ask(&guard, Method::GET, &["api"], &[("authorization", "Bearer wrong")]), 401);
        assert_eq!(ask(&guard, Method::GET, &["api"], &[("authorization", "Bearer secret")]), 200);
        for spelled in ["bearer secret", "BEARER  secret", "Bearer secret "] {
            assert_eq!(ask(&guard, Method::GET, &["api"], &[("authorization", spelled)]), 200, "{spelled:?}");
        }
        assert_eq!(ask(&guard, Method::GET, &["healthz"], &[]), 200);
    }

    #[test]
    fn a_wrong_token_is_told_from_none() {
        let code = |value: Option<&'static str>| {
            let headers = value.map(|v| (header::AUTHORIZATION, HeaderValue::from_static(v)));
            let response = no_entry(offered(&headers.into_iter().collect()));
            let challenge = response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().to_owned();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            challenge.contains("invalid_token")
        };
        for (value, is_wrong) in [
            (None, false),
            (Some("Basic c2VjcmV0"), false),
            (Some("Bearer "), false),
            (Some("Bearer guess"), true),
        ] {
            assert_eq!(code(value), is_wrong, "{value:?}");
        }
    }

    #[test]
    fn without_one_web_pages_stay_out() {
        let guard = Guard::new(Arc::default());
        let post = |fields: &[(&'static str, &'static str)]| ask(&guard, Method::POST, &["api"], fields);
        assert_eq!(post(&[("host", "127.0.0.1:9900")]), 200);
        assert_eq!(post(&[("host", "[::1]:9900")]), 200);
        assert_eq!(post(&[("host", "localhost:9900"), ("origin", "http://localhost:9900")]), 200);
        assert_eq!(post(&[("host", "localhost:9900"), ("origin", "http://evil.example")]), 403);
        assert_eq!(post(&[("host", "localhost:9900"), ("origin", "null")]), 403);
        for (site, status) in [("same-origin", 200), ("none", 200), ("same-site", 403), ("cross-site", 403)] {
            assert_eq!(post(&[("host", "localhost:9900"), ("sec-fetch-site", site)]), status, "{site}");
            let delete = [("host", "localhost:9900"), ("sec-fetch-site", site)];
            assert_eq!(ask(&guard, Method::DELETE, &["api"], &delete), status, "{site}");
        }
        assert_eq!(post(&[("host", "evil.example:9900"), ("origin", "http://evil.example:9900")]), 403);
    }
}
