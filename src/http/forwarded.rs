//! Who asks, by which way: `X-Forwarded-*`, `Forwarded` (RFC 7239) and `Via` (RFC 9110 section 7.6.3).
//!
//! What a visitor writes into these fields is a claim. Only what a trusted proxy wrote is believed; from everybody
//! else the fields are replaced, and those that some frameworks let change the page are removed, because the cache
//! cannot tell two visitors apart by them.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::Version;
use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue, VIA};
use ipnet::IpNet;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Addresses in a chain beyond this are not looked at: no path is that long, but a claim can be.
const MAX_CHAIN: usize = 32;

/// How a request reached this proxy.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// Whether the connection is TLS.
    pub tls: bool,
    /// The host that was asked for, with its port if one was written.
    pub host: &'a str,
    /// The port that was asked for, written or not.
    pub port: u16,
    /// The request's version of HTTP.
    pub version: Version,
}

/// Who asks, after all that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The visitor's address: the first, seen from here, that is no trusted proxy's.
    pub addr: IpAddr,
    /// Whether the visitor's own connection is TLS.
    pub tls: bool,
}

/// Writes the fields for the origin and says who asks.
pub fn forward(headers: &mut HeaderMap, hop: &Hop<'_>, trusted: &[IpNet]) -> Client {
    let peer = hop.peer.to_canonical();
    let believed = is_trusted(peer, trusted);
    let own = [Node::Addr(peer)];
    let told = believed.then(|| [claimed_chain(headers), own.to_vec()].concat());
    let chain = told.as_deref().unwrap_or(&own);
    let addr = client_of(chain, trusted);
    let scheme = believed.then(|| claimed_scheme(headers)).flatten();
    let tls = scheme.unwrap_or(hop.tls);
    let host = believed.then(|| claimed_host(headers)).flatten();
    let port = believed.then(|| claimed_port(headers)).flatten();

    if !believed {
        super::claims::remove(headers);
    }
    headers.reserve(6);
    let proto = if tls { "https" } else { "http" };
    let host = host.as_deref().unwrap_or(hop.host);
    // a proxy that says https without a port means the usual one, not the port that it reached us on
    let port = port.unwrap_or(if tls == hop.tls { hop.port } else { default_port(tls) });
    let mut text = String::with_capacity(chain.len() * 46 + host.len() + 24);
    x_forwarded_for(&mut text, chain);
    headers.insert(FOR, value(&text));
    text.clear();
    rfc7239(&mut text, chain, host, proto);
    headers.insert(FORWARDED, value(&text));
    // mostly the very value that came, which is then shared instead of checked and copied
    let sent = headers.get(http::header::HOST).filter(|sent| *sent == host).cloned();
    headers.insert(HOST, sent.unwrap_or_else(|| value(host)));
    headers.insert(PROTO, HeaderValue::from_static(proto));
    headers.insert(PORT, HeaderValue::from(port));
    headers.append(VIA, via(hop.version));
    Client { addr, tls }
}

/// Writes the fields of a request of our own, such as a check's or the crawler's: the address by which visitors come. An origin
/// that makes addresses of it, or redirects to https, answers as it answers them.
pub fn own(headers: &mut HeaderMap, tls: bool, host: &str) {
    headers.insert(PROTO, HeaderValue::from_static(if tls { "https" } else { "http" }));
    if let Ok(host) = HeaderValue::from_str(host) {
        headers.insert(HOST, host);
    }
    headers.insert(VIA, via(Version::HTTP_11));
}

/// Who asks, without touching the fields: for requests that go no further than a copy.
pub fn client(headers: &HeaderMap, peer: IpAddr, tls: bool, trusted: &[IpNet]) -> Client {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return Client { addr: peer, tls };
    }
    let mut chain = claimed_chain(headers);
    chain.push(Node::Addr(peer));
    Client { addr: client_of(&chain, trusted), tls: claimed_scheme(headers).unwrap_or(tls) }
}

/// This proxy's member of `Via`, for a message that came in this version of HTTP.
pub fn via(version: Version) -> HeaderValue {
    // const: else every letter is checked anew each time
    match version {
        Version::HTTP_09 | Version::HTTP_10 => const { HeaderValue::from_static("1.0 katahai") },
        Version::HTTP_2 => const { HeaderValue::from_static("2 katahai") },
        Version::HTTP_3 => const { HeaderValue::from_static("3 katahai") },
        _ => const { HeaderValue::from_static("1.1 katahai") },
    }
}

/// How often the message went through a proxy of this name: more than a few times is a loop.
pub fn passes(headers: &HeaderMap) -> usize {
    headers
        .get_all(VIA)
        .iter()
        .flat_map(super::headers::tokens)
        .filter(|member| member.split(|b| b.is_ascii_whitespace()).nth(1) == Some(b"katahai"))
        .count()
}

/// One station of the way, nearest to the visitor first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Addr(IpAddr),
    /// "unknown", an obfuscated name, or garbage: nothing before it can be believed.
    Hidden,
}

pub(super) fn is_trusted(addr: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&addr))
}

/// The way as the trusted peer tells it. `X-Forwarded-For` goes first: proxies that write only that one pass
/// `Forwarded` on as their visitors wrote it.
fn claimed_chain(headers: &HeaderMap) -> Vec<Node> {
    let mut chain: Vec<Node> = if headers.contains_key(FOR) {
        headers.get_all(FOR).iter().flat_map(super::headers::tokens).map(node).collect()
    } else {
        let nodes = headers.get_all(FORWARDED).iter().flat_map(elements);
        nodes.map(|element| parameter(element, "for").map_or(Node::Hidden, |v| node(v.as_bytes()))).collect()
    };
    if let Some(last) = chain.iter().rposition(|n| *n == Node::Hidden) {
        chain.drain(..last);
    }
    let over = chain.len().saturating_sub(MAX_CHAIN);
    chain.drain(..over);
    chain
}

/// From the near end, past all trusted proxies; where the chain breaks off, the last address that is known.
fn client_of(chain: &[Node], trusted: &[IpNet]) -> IpAddr {
    let mut client = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    for node in chain.iter().rev() {
        let Node::Addr(addr) = *node else { break };
        client = addr;
        if !is_trusted(addr, trusted) {
            break;
        }
    }
    client
}

/// An address with or without brackets and port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn node(text: &[u8]) -> Node {
    let Ok(text) = std::str::from_utf8(text) else { return Node::Hidden };
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let addr = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|a| a.ip()));
    addr.map_or(Node::Hidden, |a| Node::Addr(a.to_canonical()))
}

fn x_forwarded_for(out: &mut String, chain: &[Node]) {
    for node in chain {
        out.push_str(if out.is_empty() { "" } else { ", " });
        match node {
            Node::Addr(addr) => push_addr(out, *addr),
            Node::Hidden => out.push_str("unknown"),
        }
    }
}

/// Writes an address. The standard library's formatter takes ten times as long for one of IPv4, for every request.
fn push_addr(out: &mut String, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => {
            for (i, octet) in addr.octets().into_iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "." });
                for (least, tens) in [(100, 100), (10, 10), (0, 1)] {
                    if octet >= least {
                        out.push(char::from(b'0' + octet / tens % 10));
                    }
                }
            }
        }
        IpAddr::V6(addr) => _ = write!(out, "{addr}"),
    }
}

/// RFC 7239 section 4; IPv6 in brackets and quotes (section 6). Host and scheme are those of the last element, which
/// is ours.
fn rfc7239(out: &mut String, chain: &[Node], host: &str, proto: &str) {
    for node in chain {
        out.push_str(if out.is_empty() { "for=" } else { ", for=" });
        match node {
            Node::Addr(addr @ IpAddr::V4(_)) => push_addr(out, *addr),
            Node::Addr(IpAddr::V6(addr)) => _ = write!(out, "\"[{addr}]\""),
            Node::Hidden => out.push_str("unknown"),
        }
    }
    if is_host(host) {
        let token = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        let quote = if token { "" } else { "\"" };
        [";host=", quote, host, quote].iter().for_each(|part| out.push_str(part));
    }
    out.push_str(";proto=");
    out.push_str(proto);
}

fn claimed_scheme(headers: &HeaderMap) -> Option<bool> {
    let told =
        last_token(headers, &PROTO).map(str::to_owned).or_else(|| forwarded_parameter(headers, "proto"))?;
    match told.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

pub(super) fn claimed_host(headers: &HeaderMap) -> Option<String> {
    let told =
        last_token(headers, &HOST).map(str::to_owned).or_else(|| forwarded_parameter(headers, "host"))?;
    is_host(&told).then_some(told)
}

pub(super) fn claimed_port(headers: &HeaderMap) -> Option<u16> {
    last_token(headers, &PORT)?.parse().ok().filter(|&port| port != 0)
}

/// The member that the nearest proxy wrote.
fn last_token<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let line = headers.get_all(name).iter().next_back()?;
    std::str::from_utf8(super::headers::tokens(line).last()?).ok()
}

fn forwarded_parameter(headers: &HeaderMap, name: &str) -> Option<String> {
    if headers.contains_key(FOR) {
        return None; // see `claimed_chain`
    }
    let line = headers.get_all(FORWARDED).iter().next_back()?;
    parameter(elements(line).last()?, name).map(str::to_owned)
}

/// The elements of a `Forwarded` field. A comma within quotes would be garbage in an address or a host, so that
/// cutting there as well does no harm.
fn elements(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    super::headers::tokens(line)
}

fn parameter<'a>(element: &'a [u8], name: &str) -> Option<&'a str> {
    std::str::from_utf8(element).ok()?.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// A name or an address with or without a port, and nothing that could end a field or a quoted string.
fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 261
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':' | b'[' | b']'))
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn run(peer: &str, fields: &[(&'static str, &str)]) -> (HeaderMap, Client) {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let hop = Hop {
            peer: peer.parse().unwrap(),
            tls: false,
            host: "www.example.jp",
            port: 8080,
            version: Version::HTTP_11,
        };
        let mut headers = map(fields);
        let client = forward(&mut headers, &hop, &trusted);
        (headers, client)
    }

    #[test]
    fn a_stranger_is_who_it_connects_as() {
        let (headers, client) = run(
            "203.0.113.9",
            &[
                ("x-forwarded-for", "10.1.1.1"),
                ("forwarded", "for=10.1.1.1;proto=https"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "evil.example"),
                ("x-forwarded-port", "1"),
                ("x-forwarded-prefix", "/evil"),
                ("x-original-url", "/admin"),
                ("x-host", "evil.example"),
                ("x-forwarded", "for=10.1.1.1"),
                ("forwarded-for", "10.1.1.1"),
                ("script-name", "/evil"),
                ("x-real-ip", "127.0.0.1"),
                ("x-requested-with", "fetch"),
            ],
        );
        assert_eq!(client, Client { addr: "203.0.113.9".parse().unwrap(), tls: false });
        let expected = map(&[
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9;host=www.example.jp;proto=http"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "www.example.jp"),
            ("x-forwarded-port", "8080"),
            ("x-requested-with", "fetch"),
            ("via", "1.1 katahai"),
        ]);
        assert_eq!(headers, expected);
    }

    #[test]
    fn a_trusted_proxy_is_believed() {
        let (headers, client) = run(
            "10.0.0.1",
            &[
                ("x-forwarded-for", "198.51.100.7, 203.0.113.9:5555"),
                ("x-forwarded-for", "10.0.0.2"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "shop.example"),
                ("forwarded", "for=192.0.2.66"),
                ("via", "1.1 inner"),
            ],
        );
        assert_eq!(client, Client { addr: "203.0.113.9".parse().unwrap(), tls: true });
        assert_eq!(headers["x-forwarded-for"], "198.51.100.7, 203.0.113.9, 10.0.0.2, 10.0.0.1");
        assert_eq!(
            headers["forwarded"],
            "for=198.51.100.7, for=203.0.113.9, for=10.0.0.2, for=10.0.0.1;host=shop.example;proto=https"
        );
        assert_eq!(headers["x-forwarded-host"], "shop.example");
        assert_eq!(headers["x-forwarded-port"], "443");
        assert_eq!(headers.get_all("via").iter().collect::<Vec<_>>(), ["1.1 inner", "1.1 katahai"]);
    }

    #[test]
    fn forwarded_is_read_where_it_is_alone() {
        // RFC 7239 sections 4 and 6
        let (headers, client) = run(
            "fd00::1",
            &[(
                "forwarded",
                "for=\"[2001:db8::5]:4711\";Proto=https;host=\"shop.example:444\", for=10.0.0.3;proto=https;host=in.example",
            )],
        );
        assert_eq!(client, Client { addr: "2001:db8::5".parse().unwrap(), tls: true });
        assert_eq!(headers["x-forwarded-for"], "2001:db8::5, 10.0.0.3, fd00::1");
        assert_eq!(
            headers["forwarded"],
            "for=\"[2001:db8::5]\", for=10.0.0.3, for=\"[fd00::1]\";host=in.example;proto=https"
        );
    }

    #[test]
    fn a_broken_chain_is_believed_as_far_as_it_holds() {
        for (told, client, sent) in [
            ("evil, 203.0.113.9", "203.0.113.9", "unknown, 203.0.113.9, 10.0.0.1"),
            ("1.2.3.4, unknown, 10.0.0.2", "10.0.0.2", "unknown, 10.0.0.2, 10.0.0.1"),
            ("unknown", "10.0.0.1", "unknown, 10.0.0.1"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3", "10.0.0.3, 10.0.0.2, 10.0.0.1"),
            ("", "10.0.0.1", "10.0.0.1"),
            ("::ffff:203.0.113.9", "203.0.113.9", "203.0.113.9, 10.0.0.1"),
        ] {
            let (headers, who) = run("10.0.0.1", &[("x-forwarded-for", told)]);
            assert_eq!(who.addr, client.parse::<IpAddr>().unwrap(), "{told}");
            assert_eq!(headers["x-forwarded-for"], sent, "{told}");
        }
        let long = vec!["10.0.0.9"; 500].join(",");
        let (headers, _) = run("10.0.0.1", &[("x-forwarded-for", &long)]);
        assert_eq!(headers["x-forwarded-for"].to_str().unwrap().split(',').count(), MAX_CHAIN + 1);
    }

    #[test]
    fn hosts_with_ports_are_quoted_and_garbage_is_not_believed() {
        let hop = Hop {
            peer: "::1".parse().unwrap(),
            tls: true,
            host: "[2001:db8::1]:8443",
            port: 8443,
            version: Version::HTTP_2,
        };
        let mut headers = HeaderMap::new();
        forward(&mut headers, &hop, &[]);
        assert_eq!(headers["forwarded"], "for=\"[::1]\";host=\"[2001:db8::1]:8443\";proto=https");
        assert_eq!(headers["via"], "2 katahai");
        let (headers, client) = run(
            "10.0.0.1",
            &[("x-forwarded-host", "a\";evil=\"b"), ("x-forwarded-proto", "ftp"), ("x-forwarded-port", "0")],
        );
        assert_eq!(headers["x-forwarded-host"], "www.example.jp");
        assert!(!client.tls);
    }

    #[test]
    fn loops_show() {
        assert_eq!(passes(&map(&[("via", "1.1 katahai, 2 other"), ("via", "1.1 katahai (x)")])), 2);
        assert_eq!(passes(&HeaderMap::new()), 0);
    }

    proptest! {
        #[test]
        fn no_claim_can_panic_or_break_a_field(claim in "[ -~]{0,80}") {
            let (headers, _) = run("10.0.0.1", &[("x-forwarded-for", &claim), ("x-forwarded-host", &claim), ("x-forwarded-proto", &claim)]);
            prop_assert!(headers["x-forwarded-for"].to_str().unwrap().ends_with("10.0.0.1"));
            let (headers, _) = run("10.0.0.1", &[("forwarded", &claim)]);
            prop_assert!(headers["forwarded"].to_str().unwrap().contains("for=10.0.0.1;"));
            let (headers, client) = run("203.0.113.9", &[("forwarded", &claim), ("x-forwarded-for", &claim)]);
            prop_assert_eq!(client.addr.to_string(), "203.0.113.9");
            prop_assert_eq!(&headers["x-forwarded-for"], "203.0.113.9");
        }
    }
}
