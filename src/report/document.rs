//! A document without any format: what a renderer escapes and lays out.

use super::language::Language;

/// A document. All of its texts are plain: renderers escape them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its language.
    pub language: Language,
    /// Its title.
    pub title: String,
    /// What has happened, in a few sentences.
    pub lead: Vec<String>,
    /// Names and values.
    pub facts: Vec<(String, String)>,
    /// The rest.
    pub sections: Vec<Section>,
    /// The last line.
    pub foot: String,
}

/// A part with a title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its title.
    pub title: String,
    /// What is in it.
    pub blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// A list.
    Items(Vec<String>),
    /// Names and values.
    Facts(Vec<(String, String)>),
    /// A table with a head.
    Table(Vec<String>, Vec<Vec<String>>),
    /// As it came from somewhere, letter by letter.
    Verbatim(String),
}
