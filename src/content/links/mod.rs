//! What a document leads to: a reader for each kind of file, and what they hand over.

pub mod css;
mod elements;
mod found;
pub mod html;
mod js_tokens;
pub mod json;
pub mod link_header;
pub mod playlist;
pub mod resolve;
pub mod script;
pub mod srcset;
pub mod web_manifest;
pub mod xml;

/// Why a file is wanted. The order is the order of fetching: the earlier, the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// The owner named it: it must be in the snapshot.
    Key,
    /// Every site may have it: `robots.txt`, `favicon.ico`, site maps. Nobody is told when it is missing.
    Site,
    /// A page needs it to be drawn: a style, a script, an image, a font, a frame.
    Requisite,
    /// A page leads to it.
    Link,
    /// A text in a script looks as if it were one: asked for last, as politely as a page is, and nobody is told when
    /// there is no such file.
    Guess,
}

/// An address in a document, as it stood there (character references decoded, not resolved).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The address.
    pub url: String,
    /// What for.
    pub need: Need,
}

impl Link {
    /// A link.
    pub fn new(url: impl Into<String>, need: Need) -> Link {
        Link { url: url.into(), need }
    }
}
