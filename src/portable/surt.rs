//! Keys of web archives' indexes: an address turned so that what belongs together sorts together (SURT), and the
//! lines of such an index (CDXJ).

use std::time::SystemTime;

use url::Url;

use super::lines::time_text;

/// `https://www.example.com:8080/A?c=1&b=2` becomes `com,example:8080)/a?b=2&c=1`.
pub(super) fn surt(address: &str) -> String {
    let lower = address.to_lowercase();
    let Ok(url) = Url::parse(&lower) else { return lower };
    let Some(host) = url.host_str() else { return lower };
    let name = host.strip_prefix("www").map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let name = name.and_then(|rest| rest.strip_prefix('.')).filter(|rest| rest.contains('.')).unwrap_or(host);
    let mut key = if name.parse::<std::net::IpAddr>().is_ok() || name.starts_with('[') {
        name.to_owned()
    } else {
        name.rsplit('.').collect::<Vec<_>>().join(",")
    };
    if let Some(port) = url.port() {
        key.push_str(&format!(":{port}"));
    }
    key.push(')');
    key.push_str(url.path());
    if let Some(query) = url.query() {
        let mut pairs: Vec<&str> = query.split('&').collect();
        pairs.sort_unstable();
        key.push('?');
        key.push_str(&pairs.join("&"));
    }
    key
}

/// Fourteen digits: year to second.
pub(super) fn timestamp(time: SystemTime) -> String {
    time_text(time).chars().filter(char::is_ascii_digit).take(14).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_sort_by_their_host() {
        for (address, expected) in [
            ("http://www.example.com/", "com,example)/"),
            ("https://www2.Example.com:8443/A?c=1&b=2", "com,example:8443)/a?b=2&c=1"),
            ("https://www.com/", "com,www)/"),
            ("http://127.0.0.1:8080/x", "127.0.0.1:8080)/x"),
            ("http://shop.example.co.jp/%E3%81%82", "jp,co,example,shop)/%e3%81%82"),
        ] {
            assert_eq!(surt(address), expected, "{address}");
        }
        assert_eq!(timestamp(UNIX_EPOCH + Duration::new(1_795_137_214, 5)), "20261120011334");
    }

    proptest! {
        #[test]
        fn any_text_has_a_key_without_line_breaks(text in "http://[^ \n]{0,30}") {
            prop_assert!(!surt(&text).contains('\n'));
        }
    }
}
