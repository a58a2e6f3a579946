//! The manifest of an exported tree: a line of JSON for what the export is, and one for each page.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::digest::hex;
use crate::snapshot::{BlobId, Class, Notes, Page};

/// The version that is written. What a later one says is refused.
pub(super) const VERSION: u32 = 1;

/// Where it is in the tree.
pub(super) const PLACE: &str = ".katahai/manifest.jsonl";

/// A line longer than this is none of ours.
pub(super) const LONGEST: u64 = 8 << 20;

/// The last time that has four digits of year.
const LATEST: u64 = 253_402_300_799;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The version of the manifest.
    pub(super) katahai_export: u32,
    pub(super) site: String,
    pub(super) address: String,
    pub(super) snapshot: String,
    pub(super) taken_at: String,
    #[serde(default)]
    pub(super) written_by: String,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) key: String,
    pub(super) status: u16,
    pub(super) class: String,
    pub(super) taken_at: String,
    pub(super) headers: Vec<(String, Value)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<Place>,
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub(super) notes: serde_json::Map<String, serde_json::Value>,
}

/// Where its body is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) len: u64,
    pub(super) blake3: String,
}

/// The value of a header field: text, or whatever else it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Value {
    Text(String),
    Bytes { hex: String },
}

impl Line {
    pub(super) fn of(page: &Page, file: &str) -> Line {
        let value = |value: &HeaderValue| match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Bytes { hex: hex(value.as_bytes()) },
        };
        let place = |blob: BlobId| Place { file: file.to_owned(), len: page.len, blake3: blob.to_string() };
        Line {
            key: page.key.clone(),
            status: page.status,
            class: page.class.as_str().to_owned(),
            taken_at: time_text(page.taken_at),
            headers: page.headers.iter().map(|(name, v)| (name.to_string(), value(v))).collect(),
            body: page.body.map(place),
            notes: notes_of(page),
        }
    }

    /// The page, without its body. `None`: this is not what was written.
    pub(super) fn page(&self) -> Option<Page> {
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let bytes = match value {
                Value::Text(text) => text.clone().into_bytes(),
                Value::Bytes { hex } => unhex(hex)?,
            };
            headers
                .push((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(&bytes).ok()?));
        }
        let page = Page {
            key: self.key.clone(),
            status: self.status,
            headers,
            body: None,
            len: 0,
            taken_at: time_of(&self.taken_at)?,
            class: class_of(&self.class)?,
            notes: notes_from(&self.notes),
        };
        Some(page)
    }
}

/// What the crawler noted of a page, as an object that may grow.
pub(super) fn notes_of(page: &Page) -> serde_json::Map<String, serde_json::Value> {
    let Notes { text, missed, carried } = page.notes;
    let noted = [
        ("text", text.map(u64::from)),
        ("missed", Some(u64::from(missed)).filter(|missed| *missed > 0)),
        ("carried", Some(u64::from(carried)).filter(|carried| *carried > 0)),
    ];
    noted.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
}

/// What [`notes_of`] wrote.
pub(super) fn notes_from(noted: &serde_json::Map<String, serde_json::Value>) -> Notes {
    let number = |name: &str| noted.get(name).and_then(serde_json::Value::as_u64);
    Notes {
        text: number("text").and_then(|n| n.try_into().ok()),
        missed: number("missed").and_then(|n| n.try_into().ok()).unwrap_or(0),
        carried: number("carried").and_then(|n| n.try_into().ok()).unwrap_or(0),
    }
}

pub(super) fn class_of(text: &str) -> Option<Class> {
    [Class::Page, Class::Asset, Class::Redirect].into_iter().find(|class| class.as_str() == text)
}

/// RFC 3339 in UTC, as short as it can be without losing a nanosecond. What has no four-digit year becomes the nearest.
pub(super) fn time_text(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = UNIX_EPOCH + if since.as_secs() > LATEST { Duration::from_secs(LATEST) } else { since };
    if since.subsec_nanos() == 0 {
        return humantime::format_rfc3339_seconds(time).to_string();
    }
    let text = humantime::format_rfc3339_nanos(time).to_string();
    format!("{}Z", text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.'))
}

/// What [`time_text`] wrote, and any other time of that kind.
pub(super) fn time_of(text: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(text).ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_exact() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1_795_137_214, 0, "2026-11-20T01:13:34Z"),
            (1_795_137_214, 120_000_000, "2026-11-20T01:13:34.12Z"),
            (1_795_137_214, 1, "2026-11-20T01:13:34.000000001Z"),
        ] {
            let time = UNIX_EPOCH + Duration::new(seconds, nanos);
            assert_eq!(time_text(time), text);
            assert_eq!(time_of(text), Some(time));
        }
        assert_eq!(time_text(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00Z");
        assert_eq!(time_text(UNIX_EPOCH + Duration::from_secs(LATEST + 9)), "9999-12-31T23:59:59Z");
    }

    proptest! {
        #[test]
        fn a_page_comes_back(key in "/.{0,30}", status in 100u16..600, value in proptest::collection::vec(0x80u8.., 0..20), seconds in 0..LATEST, nanos in 0u32..1_000_000_000) {
            let page = Page {
                key, status,
                headers: vec![
                    (HeaderName::from_static("content-type"), HeaderValue::from_static("text/html")),
                    (HeaderName::from_static("link"), HeaderValue::from_bytes(&value).unwrap()),
                ],
                body: None, len: 0, taken_at: UNIX_EPOCH + Duration::new(seconds, nanos), class: Class::Asset,
                notes: Notes { text: Some(7), missed: 1, carried: u16::MAX },
            };
            let text = serde_json::to_string(&Line::of(&page, "x")).unwrap();
            let line: Line = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(line.page(), Some(page));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = serde_json::from_str::<Line>(&text).map(|line| line.page());
            let _ = (time_of(&text), unhex(&text));
        }
    }
}
