//! What was found in a document, and what for.

/// Why a file is wanted. The order is the order of fetching: the earlier, the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// The owner named it: it must be in the snapshot.
    Key,
    /// Every site may have it: `robots.txt`, `favicon.ico`, site maps. Nobody is told when it is missing.
    Site,
    /// A page needs it to be drawn: a style, a script, an image, a font.
    Draw,
    /// A page needs it to be drawn, and it may be a page itself: a frame, an embedded document.
    Frame,
    /// A page leads to it.
    Link,
}

impl Need {
    /// Whether the owner asked for it, be it by way of a page: `robots.txt` is for what is found beyond that.
    pub fn is_owners(self) -> bool {
        match self {
            Need::Key | Need::Site | Need::Draw | Need::Frame => true,
            Need::Link => false,
        }
    }
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
