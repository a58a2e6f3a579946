//! What kind of file a body is: by what its answer says, how it begins, and what its address ends with.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// `text/html` of `text/html; charset=utf-8`.
pub fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// Whether it is a page that a browser draws. What says nothing is taken for one, as browsers do.
pub fn is_html(content_type: Option<&str>) -> bool {
    content_type.is_none_or(|value| {
        let essence = essence(value);
        essence.eq_ignore_ascii_case("text/html") || essence.eq_ignore_ascii_case("application/xhtml+xml")
    })
}

/// Whether it may be a wrong page: those are text. What says that it is a picture is not looked into.
pub fn is_text(content_type: Option<&str>) -> bool {
    is_html(content_type)
        || content_type.is_some_and(|value| {
            let text = ["text/plain", "application/xml", "text/xml"];
            text.iter().any(|text| essence(value).eq_ignore_ascii_case(text))
        })
}

/// The field's value.
pub fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok())
}

/// What a body is, as far as it leads anywhere: which reader knows to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
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
    /// The kind of a body by its Content-Type; where there is none by how it begins; and by the ending of its address where
    /// the type is the one that servers give to what they do not know.
    pub fn of(key: &str, headers: &HeaderMap, start: &[u8]) -> Media {
        let essence = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = essence.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        match essence.as_str() {
            "" if begins_a_page(start) => Media::Html,
            "" | "text/plain" | "application/octet-stream" | "binary/octet-stream" => by_ending(key),
            essence => Media::of_type(essence),
        }
    }

    /// The kind that a media type stands for, which may have parameters.
    pub fn of_type(content_type: &str) -> Media {
        match &*essence(content_type).to_ascii_lowercase() {
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
            "application/vnd.apple.mpegurl"
            | "application/x-mpegurl"
            | "audio/mpegurl"
            | "audio/x-mpegurl" => Media::Playlist,
            _ => Media::Other,
        }
    }

    /// Whether it is code that pages are drawn with.
    pub fn is_code(self) -> bool {
        matches!(self, Media::Css | Media::Script)
    }

    /// Whether it is a page, in either spelling.
    pub fn is_page(self) -> bool {
        matches!(self, Media::Html | Media::Xhtml)
    }
}

/// Documents that are opened by themselves. What pages need to be drawn is found in them.
const DOCUMENTS: [&str; 10] = [
    "application/atom+xml",
    "application/epub+zip",
    "application/msword",
    "application/pdf",
    "application/rss+xml",
    "application/rtf",
    "application/vnd.*",
    "application/zip",
    "text/calendar",
    "text/csv",
];

/// What pages are drawn with, besides code.
const REQUISITES: [&str; 4] = ["application/font*", "application/wasm", "font/*", "image/*"];

/// What a program may ask for by itself.
const DATA: [&str; 2] = ["application/json", "application/manifest+json"];

/// What neither a page is nor what a program may ask for at a page's address: JSON, XML, the parts of a page that some
/// frameworks load.
const NEVER_PAGES: [&str; 12] = [
    "application/gzip",
    "application/octet-stream",
    "application/pdf",
    "application/x-gzip",
    "application/x-httpd-php*",
    "application/x-php",
    "application/zip",
    "text/plain",
    "text/x-php",
    "audio/*",
    "image/*",
    "video/*",
];

/// What a file is to those who ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A page.
    Page,
    /// It is opened by itself.
    Document,
    /// Pages are drawn with it: styles, scripts, pictures, fonts.
    Requisite,
    /// Scripts read it.
    Data,
}

impl Purpose {
    /// What files of a media type are for, where that is known. The type may have parameters.
    pub fn of(content_type: &str) -> Option<Purpose> {
        let essence = essence(content_type);
        let media = Media::of_type(essence);
        if media.is_page() {
            Some(Purpose::Page)
        } else if is_among(&DOCUMENTS, essence) {
            Some(Purpose::Document)
        } else if media.is_code() || is_among(&REQUISITES, essence) {
            Some(Purpose::Requisite)
        } else {
            is_among(&DATA, essence).then_some(Purpose::Data)
        }
    }
}

/// Whether neither pages nor what programs ask for at a page's address are of this type.
pub fn is_never_a_page(content_type: &str) -> bool {
    is_among(&NEVER_PAGES, essence(content_type))
}

/// Whether a list has a type. What stands before a star there is its beginning.
fn is_among(list: &[&str], essence: &str) -> bool {
    list.iter().any(|known| match known.strip_suffix('*') {
        Some(start) => essence.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start)),
        None => essence.eq_ignore_ascii_case(known),
    })
}

/// A browser runs a script that came as plain text, and pages of old apply such a style sheet.
fn by_ending(key: &str) -> Media {
    let path = key.split('?').next().unwrap_or(key);
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
    use http::{HeaderName, HeaderValue};

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
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
                Media::of(key, &map(&[("content-type", value)]), start.as_bytes()),
                expected,
                "{value} {key}"
            );
        }
        assert_eq!(Media::of("/", &HeaderMap::new(), b"<HTML>"), Media::Html);
        assert_eq!(Media::of("/", &HeaderMap::new(), b"{}"), Media::Other);
    }

    #[test]
    fn what_a_file_is_for_its_type_tells() {
        for (content_type, purpose, never) in [
            ("text/html; charset=utf-8", Some(Purpose::Page), false),
            ("Application/XHTML+xml", Some(Purpose::Page), false),
            ("application/pdf", Some(Purpose::Document), true),
            ("application/vnd.oasis.opendocument.text", Some(Purpose::Document), false),
            ("text/csv; header=present", Some(Purpose::Document), false),
            ("text/css", Some(Purpose::Requisite), false),
            ("text/javascript", Some(Purpose::Requisite), false),
            ("image/svg+xml", Some(Purpose::Requisite), true),
            ("font/woff2", Some(Purpose::Requisite), false),
            ("application/font-woff", Some(Purpose::Requisite), false),
            ("application/json", Some(Purpose::Data), false),
            ("application/ld+json", None, false),
            ("application/x-httpd-php-source", None, true),
            ("TEXT/PLAIN; charset=utf-8", None, true),
            ("video/mp4", None, true),
            ("", None, false),
        ] {
            assert_eq!(Purpose::of(content_type), purpose, "{content_type}");
            assert_eq!(is_never_a_page(content_type), never, "{content_type}");
        }
    }
}
