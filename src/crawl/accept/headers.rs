//! Which header fields of an answer are kept: those without which a browser would treat the page differently. The list names
//! what is kept, not what is dropped: a field that nobody thought of may be personal.

use http::header::{ETAG, HeaderMap, HeaderName, HeaderValue};

/// Kept, in the order of the alphabet.
pub const KEPT: &[&str] = &[
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-location",
    "content-security-policy",
    "content-security-policy-report-only",
    "content-type",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "document-policy",
    "etag",
    "last-modified",
    "link",
    "location",
    "origin-agent-cluster",
    "permissions-policy",
    "referrer-policy",
    "refresh",
    "service-worker-allowed",
    "sourcemap",
    "strict-transport-security",
    "timing-allow-origin",
    "vary",
    "x-content-type-options",
    "x-dns-prefetch-control",
    "x-frame-options",
    "x-robots-tag",
    "x-ua-compatible",
];

/// Fields of one answer that are kept, and bytes of their values.
const MAX_FIELDS: usize = 64;
const MAX_BYTES: usize = 32 * 1024;

/// The fields to keep, in the order of the answer. Where the body was unpacked, its entity tag named another
/// representation (RFC 9110 section 8.8.3) and goes.
pub(crate) fn kept(headers: &HeaderMap, unpacked: bool) -> Vec<(HeaderName, HeaderValue)> {
    let mut room = MAX_BYTES;
    let wanted = headers.iter().filter(|(name, _)| KEPT.binary_search(&name.as_str()).is_ok());
    let wanted = wanted.filter(|(name, _)| !(unpacked && **name == ETAG));
    let fitting = wanted.filter(|(_, value)| {
        let fits = value.len() <= room;
        room -= if fits { value.len() } else { 0 };
        fits
    });
    fitting.take(MAX_FIELDS).map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_and_without_the_dangerous() {
        assert!(KEPT.windows(2).all(|pair| pair[0] < pair[1]));
        for never in [
            "set-cookie",
            "content-encoding",
            "content-length",
            "transfer-encoding",
            "alt-svc",
            "date",
            "age",
            "clear-site-data",
        ] {
            assert!(KEPT.binary_search(&never).is_err(), "{never}");
        }
    }

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn fields_are_kept_in_order_and_repeats_too() {
        let headers = map(&[
            ("set-cookie", "a=b"),
            ("link", "<a>"),
            ("link", "<b>"),
            ("etag", "\"1\""),
            ("server", "x"),
        ]);
        let names =
            |unpacked| kept(&headers, unpacked).iter().map(|(n, _)| n.to_string()).collect::<Vec<_>>();
        assert_eq!(names(false), ["link", "link", "etag"]);
        assert_eq!(names(true), ["link", "link"]);
    }

    #[test]
    fn a_flood_of_fields_is_bounded() {
        let mut headers = HeaderMap::new();
        for i in 0..200 {
            headers.append("link", HeaderValue::from_str(&format!("{i:0>1000}")).unwrap());
        }
        assert_eq!(kept(&headers, false).len(), 32);
    }
}
