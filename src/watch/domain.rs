//! Which domain a host may belong to. There is no list of public suffixes here: the registry's server says which of the names
//! it knows, and the name servers say where a zone begins.

use std::net::IpAddr;

/// Names that nobody can register (RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476, ICANN's `internal`).
const SPECIAL: [&str; 12] = [
    "alt",
    "arpa",
    "corp",
    "example",
    "home",
    "internal",
    "invalid",
    "lan",
    "local",
    "localhost",
    "onion",
    "test",
];
/// Names above one another that are tried.
const MOST: usize = 5;

/// Whether somebody can have registered a domain that this host is in: no address, no single label, no name for private use.
pub fn is_registrable(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
    host.contains('.') && !is_address && !SPECIAL.contains(&last.to_ascii_lowercase().as_str())
}

/// The host and the names above it, down to two labels, the longest first. In lower case; names in other scripts are A-labels
/// already (RFC 5890), as the configuration makes them.
pub fn candidates(host: &str) -> Vec<String> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let mut found = Vec::new();
    let mut rest = host.as_str();
    while rest.contains('.') {
        found.push(rest.to_owned());
        rest = rest.split_once('.').map_or("", |(_, above)| above);
    }
    let skipped = found.len().saturating_sub(MOST);
    found.split_off(skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_register_is_left_out() {
        for (host, expected) in [
            ("www.example.jp", true),
            ("example.com", true),
            ("xn--wgv71a119e.jp", true),
            ("localhost", false),
            ("www.example.test", false),
            ("nas.local", false),
            ("shop.INTERNAL", false),
            ("203.0.113.10", false),
            ("2001:db8::1", false),
            ("[2001:db8::1]", false),
            ("*", false),
        ] {
            assert_eq!(is_registrable(host), expected, "{host}");
        }
    }

    #[test]
    fn a_host_is_walked_up_to_two_labels() {
        for (host, expected) in [
            ("example.com", vec!["example.com"]),
            ("WWW.example.co.jp.", vec!["www.example.co.jp", "example.co.jp", "co.jp"]),
            ("a.b.c.d.e.f.jp", vec!["b.c.d.e.f.jp", "c.d.e.f.jp", "d.e.f.jp", "e.f.jp", "f.jp"]),
        ] {
            assert_eq!(candidates(host), expected, "{host}");
        }
    }
}
