//! Header fields as a proxy needs them: what ends at this hop, what must not be logged, how long a body is, and
//! whether a connection is to become something else than HTTP.

use std::fmt;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHORIZATION, SET_COOKIE, TE, UPGRADE,
};
use http::{Method, Version};

/// What is for one connection only.
const HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "proxy-authenticate",
    "proxy-authorization",
    // No standard field. CGI programs take it for the variable `HTTP_PROXY` ("httpoxy").
    "proxy",
];

/// What `Connection` may not take away, whoever asks: removing it would change what the message means to the next
/// recipient (RFC 9110 section 7.6.1 forbids to nominate end-to-end fields; attackers do it all the same).
const NOT_NOMINABLE: &[&str] = &[
    "accept-encoding",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expires",
    "forwarded",
    "host",
    "location",
    "origin",
    "range",
    "set-cookie",
    "strict-transport-security",
    "vary",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// Removes what is meant for one connection only (RFC 9110 section 7.6.1), of requests and of answers: what
/// `Connection` nominates, `Connection` itself, `Keep-Alive`, `Proxy-Connection`, `Transfer-Encoding`, `Upgrade`,
/// and the credentials for a proxy. `TE` is kept if it says "trailers", and then says nothing else. `Trailer` is
/// kept: it announces trailers, which travel on.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // one look at the names that are there is cheaper than one for each that might be
    let present = headers.keys().filter_map(|n| HOP.iter().position(|hop| *hop == n.as_str()));
    let present = present.fold(0_u32, |set, i| set | 1 << i);
    if present == 0 {
        return;
    }
    remove_nominated(headers);
    let trailers = headers.get_all(TE).iter().any(|v| has_token(v, b"trailers"));
    for (i, name) in HOP.into_iter().enumerate() {
        if present & 1 << i != 0 {
            headers.remove(name);
        }
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// The same, but keeps an upgrade in the making: afterwards `Connection` says "upgrade" and `Upgrade` is as it was.
/// For requests of which [`upgrade`] says so, and for the 101 that answers one.
pub fn strip_hop_by_hop_but_upgrade(headers: &mut HeaderMap) {
    let protocol = headers.get(UPGRADE).cloned();
    strip_hop_by_hop(headers);
    if let Some(protocol) = protocol {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

fn remove_nominated(headers: &mut HeaderMap) {
    let Some(first) = headers.get(CONNECTION) else { return };
    // nearly every request says one of these and nothing else
    let ordinary = |v: &HeaderValue| {
        [&b"keep-alive"[..], b"close", b"upgrade"].iter().any(|o| v.as_bytes().eq_ignore_ascii_case(o))
    };
    let mut lines = headers.get_all(CONNECTION).iter();
    if ordinary(first) && lines.nth(1).is_none() {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    for token in lines.iter().flat_map(tokens) {
        let Ok(token) = std::str::from_utf8(token) else { continue };
        let held = token.eq_ignore_ascii_case("te")
            || NOT_NOMINABLE.iter().any(|name| token.eq_ignore_ascii_case(name));
        if !held {
            headers.remove(token);
        }
    }
}

/// What a connection is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// WebSocket (RFC 6455).
    WebSocket,
    /// Another protocol, passed through all the same.
    Other,
}

/// Whether the request asks to turn its connection into something else (RFC 9110 section 7.8). HTTP/2 over clear
/// text and TLS within HTTP are none: an origin that agreed would carry requests past all of this proxy's checks.
pub fn upgrade(method: &Method, version: Version, headers: &HeaderMap) -> Option<Upgrade> {
    let protocol = headers.get(UPGRADE)?;
    let asked = version == Version::HTTP_11
        && method == Method::GET
        && headers.get_all(CONNECTION).iter().any(|v| has_token(v, b"upgrade"));
    if !asked {
        return None;
    }
    let name = |t: &[u8]| t.split(|&b| b == b'/').next().unwrap_or_default().to_ascii_lowercase();
    let refused = headers
        .get_all(UPGRADE)
        .iter()
        .flat_map(tokens)
        .any(|t| matches!(name(t).as_slice(), b"h2c" | b"h2" | b"http" | b"tls"));
    let mut offered = tokens(protocol).peekable();
    if refused || offered.peek().is_none() {
        return None;
    }
    let websocket = offered.any(|t| t.eq_ignore_ascii_case(b"websocket"));
    Some(if websocket { Upgrade::WebSocket } else { Upgrade::Other })
}

/// `Content-Length`, if it is there and means one thing: digits only, repeated values alike.
pub fn content_length(headers: &HeaderMap) -> Option<u64> {
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for part in tokens(value) {
            let digits = part.iter().all(u8::is_ascii_digit);
            let n = std::str::from_utf8(part).ok().filter(|_| digits)?.parse::<u64>().ok()?;
            if *length.get_or_insert(n) != n {
                return None;
            }
        }
    }
    length
}

/// Whether the answer is a stream without end (`text/event-stream`).
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(http::header::CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().get(..17).is_some_and(|start| start.eq_ignore_ascii_case(b"text/event-stream"))
    })
}

/// The members of a comma-separated value, trimmed, empty ones left out. Not for values with quoted strings.
pub fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|t| !t.is_empty())
}

/// Whether a comma-separated value has the member `token`, in any case; parameters behind `;` do not count.
pub fn has_token(value: &HeaderValue, token: &[u8]) -> bool {
    tokens(value).any(|t| {
        let bare = t.split(|&b| b == b';').next().unwrap_or_default();
        bare.trim_ascii().eq_ignore_ascii_case(token)
    })
}

/// A view of header fields for the log: names as they are, values of credentials masked.
pub struct Redacted<'a>(pub &'a HeaderMap);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.0 {
            if value.is_sensitive() || is_credential(name) {
                map.entry(&name.as_str(), &format_args!("({} bytes)", value.len()));
            } else {
                map.entry(&name.as_str(), value);
            }
        }
        map.finish()
    }
}

fn is_credential(name: &HeaderName) -> bool {
    if [AUTHORIZATION, COOKIE, SET_COOKIE, PROXY_AUTHORIZATION].contains(name) {
        return true;
    }
    let name = name.as_str();
    ["token", "secret", "password", "api-key", "apikey", "signature", "credential", "session"]
        .iter()
        .any(|word| name.contains(word))
        || name == "authentication-info"
        || name == "sec-websocket-key"
        || name == "x-auth"
        || name.starts_with("x-amz-security")
}

/// A field's value as an address: bytes that are not ASCII, as some servers send them in `Location`, in the one spelling
/// that browsers give them, whichever encoding they are of.
pub fn as_ascii(value: &HeaderValue) -> String {
    let spelled = value.as_bytes().iter().map(|&b| match b.is_ascii() {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    });
    spelled.collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_not_ascii_is_spelled_as_browsers_spell_it() {
        for (sent, spelled) in [
            (&b"/a?b=%28"[..], "/a?b=%28"),
            ("/caf\u{e9}".as_bytes(), "/caf%C3%A9"),
            (b"/caf\xe9", "/caf%E9"),
        ] {
            assert_eq!(super::as_ascii(&http::HeaderValue::from_bytes(sent).unwrap()), spelled);
        }
    }

    use super::*;
    use proptest::prelude::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        map
    }

    #[test]
    fn what_is_for_one_hop_stays_there() {
        // RFC 9110 section 7.6.1
        for (before, after) in [
            (vec![("connection", "close")], vec![]),
            (vec![("connection", "keep-alive"), ("keep-alive", "timeout=5"), ("a", "1")], vec![("a", "1")]),
            (
                vec![("connection", "X-One, x-two"), ("x-one", "1"), ("x-two", "2"), ("x-three", "3")],
                vec![("x-three", "3")],
            ),
            (vec![("connection", "close"), ("connection", "x-one"), ("x-one", "1")], vec![]),
            (vec![("proxy-connection", "keep-alive"), ("transfer-encoding", "chunked")], vec![]),
            (
                vec![("upgrade", "h2c"), ("connection", "upgrade, http2-settings"), ("http2-settings", "AA")],
                vec![],
            ),
            (vec![("te", "trailers, deflate;q=0.5"), ("connection", "te")], vec![("te", "trailers")]),
            (vec![("te", "gzip"), ("connection", "te")], vec![]),
            (vec![("trailer", "x-sum")], vec![("trailer", "x-sum")]),
            (vec![("proxy", "http://evil"), ("proxy-authorization", "Basic x")], vec![]),
            // nobody strips what others depend on
            (
                vec![("connection", "cookie, Host, x-forwarded-for"), ("cookie", "a"), ("host", "h")],
                vec![("cookie", "a"), ("host", "h")],
            ),
            (vec![("connection", ",,; \"x\"")], vec![]),
        ] {
            let mut headers = map(&before);
            strip_hop_by_hop(&mut headers);
            assert_eq!(headers, map(&after), "{before:?}");
        }
    }

    #[test]
    fn an_upgrade_survives_when_it_is_meant_to() {
        let mut headers =
            map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket"), ("te", "x")]);
        strip_hop_by_hop_but_upgrade(&mut headers);
        assert_eq!(headers, map(&[("connection", "upgrade"), ("upgrade", "websocket")]));
        let mut plain = map(&[("connection", "close")]);
        strip_hop_by_hop_but_upgrade(&mut plain);
        assert!(plain.is_empty());
    }

    #[test]
    fn upgrades_are_told_apart() {
        let ask = |connection, protocol| {
            let headers = map(&[("connection", connection), ("upgrade", protocol)]);
            upgrade(&Method::GET, Version::HTTP_11, &headers)
        };
        assert_eq!(ask("Upgrade", "WebSocket"), Some(Upgrade::WebSocket));
        assert_eq!(ask("keep-alive, upgrade", "websocket"), Some(Upgrade::WebSocket));
        assert_eq!(ask("upgrade", "chat/2"), Some(Upgrade::Other));
        assert_eq!(ask("keep-alive", "websocket"), None);
        for smuggled in ["h2c", "H2C, websocket", "websocket, h2c", "TLS/1.2", "HTTP/2.0", ","] {
            assert_eq!(ask("upgrade", smuggled), None, "{smuggled}");
        }
        let headers = map(&[("connection", "upgrade"), ("upgrade", "websocket")]);
        assert_eq!(upgrade(&Method::GET, Version::HTTP_2, &headers), None);
        assert_eq!(upgrade(&Method::POST, Version::HTTP_11, &headers), None);
    }

    #[test]
    fn a_length_is_believed_if_it_means_one_thing() {
        for (values, length) in [
            (vec!["12"], Some(12)),
            (vec!["12", "12"], Some(12)),
            (vec!["12, 12"], Some(12)),
            (vec!["12", "13"], None),
            (vec!["+12"], None),
            (vec!["-1"], None),
            (vec!["0x1"], None),
            (vec!["99999999999999999999"], None),
            (vec![""], None),
            (vec![], None),
        ] {
            let fields: Vec<_> = values.iter().map(|v| ("content-length", *v)).collect();
            assert_eq!(content_length(&map(&fields)), length, "{values:?}");
        }
    }

    #[test]
    fn credentials_do_not_reach_the_log() {
        let headers = map(&[
            ("cookie", "sid=hunter2"),
            ("set-cookie", "sid=hunter2"),
            ("authorization", "Basic hunter2"),
            ("x-api-key", "hunter2"),
            ("x-csrf-token", "hunter2"),
            ("accept", "text/html"),
        ]);
        let text = format!("{:?}", Redacted(&headers));
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("text/html") && text.contains("\"cookie\": (11 bytes)"), "{text}");
    }

    proptest! {
        #[test]
        fn stripping_never_panics_and_leaves_no_connection(values in prop::collection::vec("[ -~]{0,40}", 0..4)) {
            let fields: Vec<_> = values.iter().map(|v| ("connection", v.as_str())).collect();
            let mut headers = map(&fields);
            strip_hop_by_hop(&mut headers);
            prop_assert!(!headers.contains_key(CONNECTION));
        }
    }
}
