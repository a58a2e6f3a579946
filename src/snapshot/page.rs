//! What a snapshot keeps of one address.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use http::{HeaderName, HeaderValue};
use serde::Serialize;

/// One stored answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its key within the site, as `ask::key::page_key` makes it: path and query.
    pub key: String,
    /// The status that the origin gave.
    pub status: u16,
    /// The header fields that are given again, in their order.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Where its body is; `None` when it has none.
    pub body: Option<BlobId>,
    /// The length of the body in bytes. Filled in when the page is added to a staging.
    pub len: u64,
    /// When the origin gave it; older than the snapshot if it was carried over from an earlier one.
    pub taken_at: SystemTime,
    /// What it is for.
    pub class: Class,
    /// What the crawl notes of it for the next one.
    pub notes: Notes,
}

/// What a crawl notes of a page for the next one. Snapshots without notes read as none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// How many visible characters it has.
    pub text: Option<u32>,
    /// Good crawls in a row that heard it missing, refused or emptied; it was carried over all the same.
    pub missed: u8,
    /// Crawls in a row that carried it over, for whatever reason; 0 when this one fetched or validated it.
    pub carried: u16,
}

/// What an address is for. The numbers stand in manifests and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Class {
    /// Something that a visitor opens.
    Page = 1,
    /// Something that a page needs to be drawn, or that is downloaded.
    Asset = 2,
    /// The way to another address.
    Redirect = 3,
}

impl Class {
    pub(super) fn from_code(code: u8) -> Option<Class> {
        match code {
            1 => Some(Class::Page),
            2 => Some(Class::Asset),
            3 => Some(Class::Redirect),
            _ => None,
        }
    }

    /// The word for it in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Page => "page",
            Class::Asset => "asset",
            Class::Redirect => "redirect",
        }
    }
}

/// Names a body by its content: the BLAKE3 hash of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId([u8; 32]);

impl BlobId {
    /// The id of these bytes.
    pub fn of(bytes: &[u8]) -> BlobId {
        BlobId(*blake3::hash(bytes).as_bytes())
    }

    /// The id with this hash.
    pub fn from_bytes(hash: [u8; 32]) -> BlobId {
        BlobId(hash)
    }

    /// The first half of the hash.
    pub(super) fn half(&self) -> u128 {
        let (half, _) = self.0.as_chunks::<16>();
        half.first().map_or(0, |half| u128::from_be_bytes(*half))
    }

    /// The hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<blake3::Hash> for BlobId {
    fn from(hash: blake3::Hash) -> BlobId {
        BlobId(*hash.as_bytes())
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no blob's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the id of a blob (64 hexadecimal digits, lower case)")]
pub struct NotABlob;

impl FromStr for BlobId {
    type Err = NotABlob;

    /// Accepts exactly what `Display` writes.
    fn from_str(text: &str) -> Result<BlobId, NotABlob> {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(NotABlob);
        }
        blake3::Hash::from_hex(text).map(BlobId::from).map_err(|_| NotABlob)
    }
}

impl Serialize for BlobId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_named_by_its_content() {
        let id = BlobId::of(b"");
        assert_eq!(id.to_string(), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn nothing_else_names_a_blob() {
        let upper = BlobId::of(b"").to_string().to_uppercase();
        for text in ["", "af", "../../../etc/passwd", upper.as_str(), &"é".repeat(32)] {
            assert_eq!(text.parse::<BlobId>(), Err(NotABlob), "{text}");
        }
    }

    #[test]
    fn classes_keep_their_numbers() {
        for class in [Class::Page, Class::Asset, Class::Redirect] {
            assert_eq!(Class::from_code(class as u8), Some(class));
        }
        assert_eq!((Class::Page as u8, Class::Asset as u8, Class::Redirect as u8), (1, 2, 3));
        assert_eq!(Class::from_code(0), None);
    }
}
