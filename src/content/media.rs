//! What kind of file an answer says it is.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// `text/html` of `text/html; charset=utf-8`.
pub fn media(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// Whether it is a page that a browser draws. What says nothing is taken for one, as browsers do.
pub fn is_html(content_type: Option<&str>) -> bool {
    content_type.is_none_or(|value| {
        let media = media(value);
        media.eq_ignore_ascii_case("text/html") || media.eq_ignore_ascii_case("application/xhtml+xml")
    })
}

/// Whether it may be a wrong page: those are text. What says that it is a picture is not looked into.
pub fn is_text(content_type: Option<&str>) -> bool {
    is_html(content_type)
        || content_type.is_some_and(|value| {
            let text = ["text/plain", "application/xml", "text/xml"];
            text.iter().any(|text| media(value).eq_ignore_ascii_case(text))
        })
}

/// The field's value.
pub fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok())
}
