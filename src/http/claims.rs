//! Fields by which a request claims to come from elsewhere, or to be for another address. A stranger's are removed, because
//! the cache cannot tell two visitors apart by them; with a trusted proxy's, nobody else gets the answer.

use std::net::IpAddr;

use http::header::{HeaderMap, HeaderName};
use ipnet::IpNet;

use super::forwarded::{claimed_host, claimed_port, is_trusted};

/// Fields of strangers that would pass for those of a proxy.
const CLAIMS: &[&str] = &[
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "x-original-forwarded-for",
    "x-originating-ip",
    "x-remote-ip",
    "x-remote-addr",
    "x-url-scheme",
    "x-scheme",
    "front-end-https",
    "script-name",
    // by which a framework skips its own access checks
    "x-middleware-subrequest",
];

/// Fields by which frameworks take another address than the one that was asked for.
const OTHER_ADDRESS: &[&str] = &[
    "x-original-host",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-request-uri",
    "x-waws-unencoded-url",
    "x-host",
    "x-http-host-override",
    "x-script-name",
    "x-forwarded-prefix",
    "x-forwarded-path",
    "x-forwarded-uri",
];

/// Whether a trusted proxy says that the visitor asked for another address than the one that is asked for here, host with
/// port and port. It is believed, and the answer is nobody else's.
pub fn tells_otherwise(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet], asked: (&str, u16)) -> bool {
    if !is_trusted(peer.to_canonical(), trusted) {
        return false; // nothing of it goes on
    }
    let (authority, port) = asked;
    claimed_host(headers).is_some_and(|host| !is_same(&host, authority, port))
        || claimed_port(headers).is_some_and(|told| told != port)
        || OTHER_ADDRESS.iter().any(|name| headers.contains_key(*name))
}

/// Whether a host with or without a port is that of the normal form.
fn is_same(told: &str, authority: &str, port: u16) -> bool {
    let suffix = format!(":{port}");
    let parted = |text: &'_ str| {
        text.strip_suffix(&suffix).map_or((text.to_owned(), false), |host| (host.to_owned(), true))
    };
    let ((told, told_port), (host, written)) = (parted(told), parted(authority));
    // where the port is the scheme's own it may be written or not
    told.strip_suffix('.').unwrap_or(&told).eq_ignore_ascii_case(&host) && (told_port || !written)
}

/// Removes a stranger's claims.
pub(super) fn remove(headers: &mut HeaderMap) {
    let is_claim = |name: &HeaderName| {
        let name = name.as_str();
        // nearly all names begin otherwise
        if !name.starts_with(['x', 't', 'f', 's']) {
            return false;
        }
        let forwarded = ["x-forwarded", "forwarded-"].iter().any(|start| name.starts_with(start));
        forwarded || CLAIMS.contains(&name) || OTHER_ADDRESS.contains(&name)
    };
    let claims: Vec<HeaderName> = headers.keys().filter(|name| is_claim(name)).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn a_trusted_proxy_that_speaks_of_another_address_is_heard() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let asked = ("www.example.jp:8080", 8080);
        for (peer, fields, otherwise) in [
            ("10.0.0.1", vec![], false),
            (
                "10.0.0.1",
                vec![("x-forwarded-host", "www.example.jp:8080"), ("x-forwarded-port", "8080")],
                false,
            ),
            ("10.0.0.1", vec![("x-forwarded-host", "WWW.example.jp.:8080")], false),
            ("10.0.0.1", vec![("x-forwarded-host", "www.example.jp")], true),
            ("10.0.0.1", vec![("x-forwarded-host", "evil.example:8080")], true),
            ("10.0.0.1", vec![("forwarded", "for=192.0.2.1;host=evil.example")], true),
            ("10.0.0.1", vec![("x-forwarded-port", "31337")], true),
            ("10.0.0.1", vec![("x-original-url", "/admin")], true),
            ("192.0.2.1", vec![("x-forwarded-host", "evil.example")], false),
        ] {
            let peer = peer.parse().unwrap();
            assert_eq!(tells_otherwise(&map(&fields), peer, &trusted, asked), otherwise, "{peer} {fields:?}");
        }
        let told = map(&[("x-forwarded-host", "www.example.jp:443"), ("x-forwarded-port", "443")]);
        let peer = "10.0.0.1".parse().unwrap();
        assert!(!tells_otherwise(&told, peer, &trusted, ("www.example.jp", 443)));
    }
}
