//! A page that has come, read once: whoever judges, stores or learns from it asks here.

use std::borrow::Cow;
use std::cell::OnceCell;

use encoding_rs::Encoding;

use super::charset;
use super::structure::Structure;
use super::text::PageText;

/// A page's body, and what stands in it. Each part is read when it is first asked for.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    bytes: &'a [u8],
    /// The same, if that is UTF-8.
    utf8: Option<&'a str>,
    content_type: Option<&'a str>,
    decoded: OnceCell<Decoded>,
    text: OnceCell<PageText>,
    structure: OnceCell<Structure>,
}

/// The characters of a body.
#[derive(Clone, Debug)]
struct Decoded {
    encoding: &'static Encoding,
    /// `None`: they are its bytes, but for the byte order mark.
    other: Option<String>,
}

impl<'a> Document<'a> {
    /// Of a body without content codings, and the type that its answer says it has.
    pub fn new(bytes: &'a [u8], content_type: Option<&'a str>) -> Document<'a> {
        let (decoded, text, structure) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        // What is no text fails at one of its first bytes.
        let utf8 = std::str::from_utf8(bytes).ok();
        Document { bytes, utf8, content_type, decoded, text, structure }
    }

    /// The body.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The type that its answer says it has.
    pub fn content_type(&self) -> Option<&'a str> {
        self.content_type
    }

    /// The encoding that it is in.
    pub fn encoding(&self) -> &'static Encoding {
        self.decoded().encoding
    }

    /// Its markup.
    pub fn html(&self) -> &str {
        match &self.decoded().other {
            Some(text) => text,
            None => self.utf8.unwrap_or_default(),
        }
    }

    /// What a visitor reads on it.
    pub fn text(&self) -> &PageText {
        self.text.get_or_init(|| PageText::read(self.html()))
    }

    /// How it is made.
    pub fn structure(&self) -> &Structure {
        self.structure.get_or_init(|| Structure::read(self.html()))
    }

    fn decoded(&self) -> &Decoded {
        self.decoded.get_or_init(|| {
            let (text, encoding) = charset::html(self.bytes, self.content_type);
            let other = match text {
                Cow::Borrowed(text) if text.len() == self.bytes.len() => None,
                Cow::Borrowed(text) => Some(text.to_owned()),
                Cow::Owned(text) => Some(text),
            };
            Decoded { encoding, other }
        })
    }
}
