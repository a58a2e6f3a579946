//! Which header fields of an answer are kept: those without which a browser would treat the page differently.
//! A list of what is kept, not of what is dropped: a field that nobody thought of may be somebody's own.

use http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue};

/// Kept, in the order of the alphabet.
pub(crate) const KEPT: &[&str] = &[
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
pub(super) fn kept(headers: &HeaderMap, unpacked: bool) -> Vec<(HeaderName, HeaderValue)> {
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

/// What a body is, as far as the crawler cares: which reader knows what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// A page.
    Html,
    /// A page in XML: what a browser shows of a broken one is an error, so it is read as XML, too.
    Xhtml,
    /// A style sheet.
    Css,
    /// A script.
    Script,
    /// A web application manifest, or data that scripts load.
    Json,
    /// A feed, a picture in SVG, a transformation, or other XML.
    Xml,
    /// A playlist of media segments.
    Playlist,
    /// Anything else.
    Other,
}

impl Media {
    /// Whether it is a page, in either spelling.
    pub(crate) fn is_page(self) -> bool {
        matches!(self, Media::Html | Media::Xhtml)
    }
}

/// The kind of a body by its Content-Type; where there is none by how it begins; and by the ending of its address where
/// the type is the one that servers give to what they do not know.
pub(crate) fn media(key: &str, headers: &HeaderMap, start: &[u8]) -> Media {
    let essence = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = essence.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/html" => Media::Html,
        "application/xhtml+xml" => Media::Xhtml,
        "text/css" => Media::Css,
        "application/x-javascript" | "application/ecmascript" | "text/ecmascript" | "text/jscript" => {
            Media::Script
        }
        script if script.ends_with("/javascript") => Media::Script,
        "application/json" | "text/json" => Media::Json,
        json if json.ends_with("+json") => Media::Json,
        "text/xml" | "application/xml" | "text/xsl" => Media::Xml,
        xml if xml.ends_with("+xml") => Media::Xml,
        "application/vnd.apple.mpegurl" | "application/x-mpegurl" | "audio/mpegurl" | "audio/x-mpegurl" => {
            Media::Playlist
        }
        "" if begins_a_page(start) => Media::Html,
        "" | "text/plain" | "application/octet-stream" | "binary/octet-stream" => by_ending(key),
        _ => Media::Other,
    }
}

/// A browser runs a script that came as plain text, and pages of old apply such a style sheet.
fn by_ending(key: &str) -> Media {
    let path = crate::ask::key::path_of(key);
    let last = path.rsplit('/').next().unwrap_or("");
    match last.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase().as_str() {
        "css" => Media::Css,
        "js" | "mjs" => Media::Script,
        "json" | "webmanifest" | "geojson" => Media::Json,
        "svg" | "rss" | "atom" | "rdf" | "xml" | "xsl" | "xslt" => Media::Xml,
        "m3u8" => Media::Playlist,
        _ => Media::Other,
    }
}

fn begins_a_page(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    let begins = |with: &[u8]| start.get(..with.len()).is_some_and(|s| s.eq_ignore_ascii_case(with));
    [&b"<!doctype html"[..], b"<html", b"<head", b"<body", b"<!--"].into_iter().any(begins)
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

    #[test]
    fn kinds_are_told_apart() {
        for (value, key, start, expected) in [
            ("text/html; charset=utf-8", "/a", "", Media::Html),
            ("TEXT/CSS", "/a", "", Media::Css),
            ("application/xhtml+xml", "/a", "", Media::Xhtml),
            ("image/svg+xml", "/a", "", Media::Xml),
            ("application/rss+xml", "/a", "", Media::Xml),
            ("application/ld+json", "/a", "", Media::Json),
            ("text/javascript", "/a", "", Media::Script),
            ("application/javascript", "/a", "", Media::Script),
            ("audio/mpegurl", "/a", "", Media::Playlist),
            ("image/png", "/a.js", "<html>", Media::Other),
            ("text/plain", "/a.js?v=1", "", Media::Script),
            ("text/plain", "/a.txt", "<html>", Media::Other),
            ("application/octet-stream", "/a.m3u8", "", Media::Playlist),
            ("", "/a.css", " \n<!DOCTYPE HTML>", Media::Html),
            ("", "/a.css", "a{}", Media::Css),
        ] {
            assert_eq!(
                media(key, &map(&[("content-type", value)]), start.as_bytes()),
                expected,
                "{value} {key}"
            );
        }
        assert_eq!(media("/", &HeaderMap::new(), b"<HTML>"), Media::Html);
        assert_eq!(media("/", &HeaderMap::new(), b"{}"), Media::Other);
    }
}
