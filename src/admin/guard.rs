//! Who may use the API, and for what: whoever knows a token, or has signed in with one; without one (only on loopback or a
//! socket), programs of this machine, but not web pages that a browser of this machine has open.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};

use super::reply::error;
use super::role::Role;
use super::sessions::Sessions;
use crate::http::Body;

/// What the dashboard's own requests carry: no form of another site's page can.
const OWN: &str = "x-katahai";

/// The rule for one listener.
pub(super) struct Guard {
    sessions: Arc<Sessions>,
}

impl Guard {
    pub(super) fn new(sessions: Arc<Sessions>) -> Guard {
        Guard { sessions }
    }

    /// What whoever asks may do, or the answer to a request that may not pass. Health is for everybody: a load balancer has
    /// no token.
    pub(super) fn role(
        &self,
        (method, segments): (&Method, &[&str]),
        headers: &HeaderMap,
        unix: bool,
        now: Instant,
    ) -> Result<Role, Box<Response<Body>>> {
        if matches!(segments, ["healthz" | "readyz"]) {
            return Ok(Role::Reader);
        }
        let is_sign_in = *method == Method::POST && *segments == ["api", "v1", "session"];
        let role = if is_sign_in && self.sessions.are_needed() {
            not_from_elsewhere(headers).map(|()| Role::Operator)
        } else if self.sessions.are_needed() {
            self.by_token(method, headers, now)
        } else {
            without_token((method, segments), headers, unix)
        }?;
        if role == Role::Reader && !method.is_safe() && *segments != ["api", "v1", "session"] {
            let message =
                "this token may look at everything and change nothing; the one of admin.token_file may";
            return Err(error(StatusCode::FORBIDDEN, "read-only", message).into());
        }
        Ok(role)
    }

    fn by_token(
        &self,
        method: &Method,
        headers: &HeaderMap,
        now: Instant,
    ) -> Result<Role, Box<Response<Body>>> {
        if let Some(token) = offered(headers) {
            return self.sessions.role_of(token).ok_or_else(|| no_entry(Some(token)).into());
        }
        let Some(role) = self.sessions.role(headers, now) else { return Err(no_entry(None).into()) };
        // a browser sends a cookie whoever has made it ask
        if !method.is_safe() {
            not_from_elsewhere(headers)?;
            if !headers.contains_key(OWN) {
                let message = "a browser's session changes something only with the header \"X-Katahai: 1\"";
                return Err(error(StatusCode::FORBIDDEN, "foreign-origin", message).into());
            }
        }
        Ok(role)
    }
}

fn without_token(
    (method, segments): (&Method, &[&str]),
    headers: &HeaderMap,
    unix: bool,
) -> Result<Role, Box<Response<Body>>> {
    if !unix && !is_local(headers) {
        let message = "without a token the API answers only to localhost and to addresses, not to names";
        return Err(error(StatusCode::FORBIDDEN, "foreign-host", message).into());
    }
    // what somebody has typed is not for another site's page either, nor is the work of reading it all
    if !method.is_safe() || segments.contains(&"forms") {
        not_from_elsewhere(headers)?;
    }
    Ok(Role::Operator)
}

fn not_from_elsewhere(headers: &HeaderMap) -> Result<(), Box<Response<Body>>> {
    if is_foreign(headers) {
        let message = "a web page of another site may not do this";
        return Err(error(StatusCode::FORBIDDEN, "foreign-origin", message).into());
    }
    Ok(())
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
    if let Some(site) = headers.get("sec-fetch-site") {
        // `Host` may be what a proxy before the listener says, and `Origin` what the browser knows
        return site != "same-origin" && site != "none";
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
    use crate::app::AdminToken;
    use crate::clock;

    fn guard(token: &str, readonly: &str) -> (Guard, Arc<Sessions>) {
        let made = |text: &str| {
            let token = AdminToken::default();
            if !text.is_empty() {
                token.set(text);
            }
            Arc::new(token)
        };
        let sessions = Arc::new(Sessions::new(made(token), made(readonly)));
        (Guard::new(sessions.clone()), sessions)
    }

    fn ask(guard: &Guard, method: Method, path: &[&str], fields: &[(&'static str, &str)]) -> u16 {
        let headers = fields.iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::try_from(*v).unwrap()));
        let role = guard.role((&method, path), &headers.collect(), false, clock::instant());
        role.map_or_else(|answer| answer.status().as_u16(), |_| 200)
    }

    #[test]
    fn a_reader_looks_and_changes_nothing() {
        let (guard, _) = guard("secret", "look");
        let as_reader =
            |method, path: &[&str]| ask(&guard, method, path, &[("authorization", "Bearer look")]);
        let site = ["api", "v1", "sites", "shop", "snapshots"];
        assert_eq!(as_reader(Method::GET, &site), 200);
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            assert_eq!(as_reader(method, &site), 403);
        }
    }

    #[test]
    fn a_session_changes_something_only_for_the_dashboard_itself() {
        let (guard, sessions) = guard("secret", "look");
        let here = IpAddr::from([127, 0, 0, 1]);
        let cookie = |token: &str| {
            let (_, name) = sessions.open(token.as_bytes(), here, clock::instant()).unwrap();
            format!("katahai_session_9900={name}")
        };
        let (own, reader) = (cookie("secret"), cookie("look"));
        let host = ("host", "katahai.example:9900");
        let same = ("sec-fetch-site", "same-origin");
        for (method, cookie, more, expected) in [
            (Method::GET, &*own, &[][..], 200),
            (Method::GET, "katahai_session_9900=guess", &[], 401),
            (Method::GET, &*own, &[("authorization", "Bearer wrong")], 401),
            (Method::PUT, &*own, &[], 403),
            (Method::PUT, &*own, &[("x-katahai", "1")], 200),
            (Method::PUT, &*own, &[("x-katahai", "1"), same], 200),
            (Method::PUT, &*own, &[("x-katahai", "1"), ("sec-fetch-site", "cross-site")], 403),
            (Method::PUT, &*own, &[("x-katahai", "1"), ("origin", "https://evil.example")], 403),
            (Method::PUT, &*own, &[("x-katahai", "1"), ("origin", "http://katahai.example:9900")], 200),
            (Method::PUT, &*reader, &[("x-katahai", "1")], 403),
            (Method::GET, &*reader, &[], 200),
        ] {
            let fields: Vec<_> = [host, ("cookie", cookie)].into_iter().chain(more.iter().copied()).collect();
            assert_eq!(
                ask(&guard, method.clone(), &["api", "v1", "x"], &fields),
                expected,
                "{method} {more:?}"
            );
        }
        let sign_in =
            |fields: &[(&'static str, &str)]| ask(&guard, Method::POST, &["api", "v1", "session"], fields);
        assert_eq!((sign_in(&[host, same]), sign_in(&[host, ("sec-fetch-site", "cross-site")])), (200, 403));
        assert_eq!(ask(&guard, Method::DELETE, &["api", "v1", "session"], &[host]), 401);
    }

    #[test]
    fn with_a_token_only_who_knows_it_comes_in() {
        let (guard, _) = guard("secret", "");
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
        let (guard, _) = guard("", "");
        let post = |fields: &[(&'static str, &str)]| ask(&guard, Method::POST, &["api"], fields);
        assert_eq!(post(&[("host", "127.0.0.1:9900")]), 200);
        assert_eq!(post(&[("host", "[::1]:9900")]), 200);
        assert_eq!(post(&[("host", "localhost:9900"), ("origin", "http://localhost:9900")]), 200);
        assert_eq!(post(&[("host", "localhost:9900"), ("origin", "http://evil.example")]), 403);
        assert_eq!(post(&[("host", "localhost:9900"), ("origin", "null")]), 403);
        // a proxy passes its own name on, as nginx does by default; the browser knows better
        let behind = [
            ("host", "127.0.0.1:9900"),
            ("origin", "https://ops.example"),
            ("sec-fetch-site", "same-origin"),
        ];
        assert_eq!(post(&behind), 200);
        for (site, status) in [("same-origin", 200), ("none", 200), ("same-site", 403), ("cross-site", 403)] {
            assert_eq!(post(&[("host", "localhost:9900"), ("sec-fetch-site", site)]), status, "{site}");
            let delete = [("host", "localhost:9900"), ("sec-fetch-site", site)];
            assert_eq!(ask(&guard, Method::DELETE, &["api"], &delete), status, "{site}");
        }
        assert_eq!(post(&[("host", "evil.example:9900"), ("origin", "http://evil.example:9900")]), 403);
    }
}
