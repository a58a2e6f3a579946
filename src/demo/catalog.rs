//! What the shop sells, holds and tells, in both languages, read once from the files that are compiled in.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// A language of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// At `/`.
    Ja,
    /// At `/en/`.
    En,
}

impl Language {
    /// Both.
    pub(super) const ALL: [Language; 2] = [Language::Ja, Language::En];

    /// What its pages' paths start with.
    pub(super) fn root(self) -> &'static str {
        match self {
            Language::Ja => "/",
            Language::En => "/en/",
        }
    }

    /// The other one.
    pub(super) fn other(self) -> Language {
        match self {
            Language::Ja => Language::En,
            Language::En => Language::Ja,
        }
    }
}

/// The same in both languages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Both<T> {
    ja: T,
    en: T,
}

impl<T> Both<T> {
    /// In `language`.
    pub(super) fn of(&self, language: Language) -> &T {
        match language {
            Language::Ja => &self.ja,
            Language::En => &self.en,
        }
    }
}

/// Everything but the sentences of the pages themselves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Catalog {
    #[serde(rename = "product")]
    pub products: Vec<Product>,
    #[serde(rename = "event")]
    pub events: Vec<Event>,
    #[serde(rename = "article")]
    pub articles: Vec<Article>,
}

/// Something on the shelves.
#[derive(Debug, Deserialize)]
pub(super) struct Product {
    pub slug: String,
    pub kind: Kind,
    /// Yen.
    pub price: u32,
    /// A file of `drawings`.
    pub drawing: String,
    /// The colours of a tea's tin.
    pub canister: Option<Canister>,
    #[serde(flatten)]
    pub text: Both<ProductText>,
}

/// What can be asked for by `?kind=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Tea,
    Ware,
}

/// How a tea's tin is drawn.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Canister {
    word: String,
    pattern: String,
    size: u32,
    ink: String,
    body: String,
    lid: String,
    ground: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProductText {
    pub name: String,
    pub unit: String,
    pub short: String,
    pub story: Vec<String>,
    pub facts: Vec<(String, String)>,
}

/// Something that one can sign up for.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    pub slug: String,
    pub picture: String,
    pub seats: u32,
    /// Yen.
    pub fee: u32,
    #[serde(flatten)]
    pub text: Both<EventText>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventText {
    pub name: String,
    pub when: String,
    pub short: String,
    pub story: Vec<String>,
}

/// A piece of news.
#[derive(Debug, Deserialize)]
pub(super) struct Article {
    pub slug: String,
    /// `2026-05-12`.
    pub date: String,
    pub picture: Option<String>,
    #[serde(flatten)]
    pub text: Both<ArticleText>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ArticleText {
    pub title: String,
    pub body: Vec<String>,
}

/// The sentences of the pages, by name.
pub(super) type Words = BTreeMap<String, String>;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| read(include_str!("content/catalog.toml")));
static WORDS: LazyLock<Both<Words>> = LazyLock::new(|| read(include_str!("content/words.toml")));

/// What the shop has.
pub(super) fn catalog() -> &'static Catalog {
    &CATALOG
}

/// What its pages say.
pub(super) fn words(language: Language) -> &'static Words {
    WORDS.of(language)
}

#[expect(clippy::expect_used, reason = "compiled in, and read by every test of the shop")]
fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    toml::from_str(text).expect("the shop's files are well formed")
}

/// `12800` as `12,800`.
pub(super) fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_the_same_things() {
        let keys = |language| words(language).keys().collect::<Vec<_>>();
        assert_eq!(keys(Language::Ja), keys(Language::En));
        for product in &catalog().products {
            let (ja, en) = (product.text.of(Language::Ja), product.text.of(Language::En));
            assert_eq!(
                (ja.story.len(), ja.facts.len()),
                (en.story.len(), en.facts.len()),
                "{}",
                product.slug
            );
            assert_eq!(product.canister.is_some(), product.drawing == "canister", "{}", product.slug);
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (980, "980"), (1400, "1,400"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
