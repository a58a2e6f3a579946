//! What a page shows, in a few numbers and words: enough to tell whether two answers are the same kind of page.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::answer::{Answer, Kind};
use super::fingerprints::wrong_page;
use super::page::Page;
use crate::http::charset;

/// The look of one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Its title, folded.
    pub title: String,
    /// Visible characters.
    pub text: u32,
    /// What it would be taken for by its fingerprint: a site may have a list of files on purpose.
    pub kind: Option<Kind>,
}

impl Look {
    /// Reads a page's whole body, decoded from content codings. `content_type` is that of its answer.
    pub fn read(body: &[u8], content_type: Option<&str>) -> Look {
        let (html, _) = charset::html(body, content_type);
        let page = Page::read(&html, u32::MAX);
        let field = content_type.and_then(|value| HeaderValue::from_str(value).ok());
        let headers: HeaderMap = field.into_iter().map(|value| (CONTENT_TYPE, value)).collect();
        let kind = wrong_page(&Answer { status: 200, headers: &headers, body, whole: true });
        Look { title: page.title, text: page.visible, kind: kind.map(|wrong| wrong.kind) }
    }
}
