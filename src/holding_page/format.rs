//! In which form a client can read a holding page (RFC 9110 section 12.5.1), without the full matter of negotiation:
//! a page must be readable, not perfect.

use http::HeaderMap;
use http::header::ACCEPT;

/// The form of a holding page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A page for people.
    Html,
    /// A few lines, for what asked for an image, a style or a script.
    Text,
    /// For programs: the shape of the admin API's errors.
    Json,
}

impl Format {
    /// The form that suits who sent these header fields. Whoever accepts anything (`*/*`, or no Accept at all: curl,
    /// monitors, link checkers) sees what a visitor sees; who lists only other types gets text; who names JSON and
    /// not HTML, or ranks it higher, gets JSON.
    pub fn of(headers: &HeaderMap) -> Format {
        let (mut html, mut json, mut named) = (0.0_f32, 0.0_f32, false);
        for part in
            headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','))
        {
            let (kind, rank) = ranked(part);
            match kind.to_ascii_lowercase().as_str() {
                "text/html" | "application/xhtml+xml" => html = html.max(rank),
                "application/json" => json = json.max(rank),
                other if other.starts_with("application/") && other.ends_with("+json") => {
                    json = json.max(rank)
                }
                "" | "*/*" => {}
                _ => named = true,
            }
        }
        match (html > 0.0, json > 0.0) {
            (true, _) if html >= json => Format::Html,
            (_, true) => Format::Json,
            _ if named => Format::Text,
            _ => Format::Html,
        }
    }

    /// The media type to send it with.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Html => "text/html; charset=utf-8",
            Format::Text => "text/plain; charset=utf-8",
            Format::Json => "application/json",
        }
    }
}

/// One member of a list such as `text/html;q=0.8`, and its rank; 1 where none is given, 0 where it makes no sense.
pub(super) fn ranked(member: &str) -> (&str, f32) {
    let mut parts = member.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let rank = parts
        .find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")))
        .map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
    (name, if (0.0..=1.0).contains(&rank) { rank } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_gets_what_it_can_read() {
        for (accept, expected) in [
            (None, Format::Html),
            (Some("*/*"), Format::Html),
            (Some(""), Format::Html),
            (
                Some("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"),
                Format::Html,
            ),
            (Some("TEXT/HTML"), Format::Html),
            (Some("application/json"), Format::Json),
            (Some("application/json, text/plain, */*"), Format::Json),
            (Some("application/problem+json"), Format::Json),
            (Some("application/json;q=0.5, text/html"), Format::Html),
            (Some("application/json, text/html;q=0.5"), Format::Json),
            (Some("text/html;q=0, application/json;q=0.1"), Format::Json),
            (Some("image/avif,image/webp,image/*,*/*;q=0.8"), Format::Text),
            (Some("text/css,*/*;q=0.1"), Format::Text),
            (Some("text/html;q=NaN, image/png"), Format::Text),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(Format::of(&headers), expected, "{accept:?}");
        }
    }
}
