//! What a page shows, in a few numbers and words: enough to tell whether two answers are the same kind of page.

/// The look of one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Its title, folded.
    pub title: String,
    /// Visible characters.
    pub text: u32,
}

impl Look {
    /// Reads a page's whole body, decoded from content codings. `content_type` is that of its answer.
    pub fn read(body: &[u8], content_type: Option<&str>) -> Look {
        let (html, _) = crate::http::charset::html(body, content_type);
        let page = super::page::Page::read(&html, u32::MAX);
        Look { title: page.title, text: page.visible }
    }
}
