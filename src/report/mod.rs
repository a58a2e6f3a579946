//! The report about an incident: in plain words, in English or Japanese, for the owner of the site and for the support of its
//! host. An incident becomes a [`Document`] (pure), and that Markdown, HTML, or, printed by a browser of the machine, PDF.

mod causes;
mod document;
mod found;
mod html;
mod language;
mod markdown;
mod next;
mod pdf;
mod plain;
mod sections;
#[cfg(test)]
mod tests;
mod visitors;
mod words;

pub use document::{Block, Document, Section};
pub use html::html;
pub use language::Language;
pub use markdown::markdown;
pub use pdf::{BROWSERS, BrowserGroup, KEPT_ENVIRONMENT, Unprintable, pdf};
pub use plain::plain;
pub use sections::{document, timeline};

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text that people and programs read.
    Markdown,
    /// A page of its own, without anything from elsewhere.
    Html,
    /// The page, printed.
    Pdf,
}

impl Format {
    /// By its name: `md`, `html`, `pdf`.
    pub fn of(name: &str) -> Option<Format> {
        match name {
            "md" => Some(Format::Markdown),
            "html" => Some(Format::Html),
            "pdf" => Some(Format::Pdf),
            _ => None,
        }
    }
}
