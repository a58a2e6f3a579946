//! One fingerprint: as it is written in the file, checked, and as it is used.

use std::collections::HashMap;

use http::HeaderMap;
use http::header::HeaderName;
use serde::Deserialize;

use super::pattern::Pattern;
use super::response::{Kind, LOOKED_AT, READ, ResponseView, WrongPage};
use super::sight::Sight;
use crate::content::text::fold;

/// As it stands in the file. All conditions that are given must hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// Its name: lower case, with hyphens.
    pub(super) id: String,
    /// What such a page is.
    kind: Kind,
    /// The product or host, and where the words come from.
    source: String,
    /// The title is one of these; `*` stands for anything.
    #[serde(default)]
    title: Vec<String>,
    /// The first heading is one of these.
    #[serde(default)]
    heading: Vec<String>,
    /// All that is shown is one of these.
    #[serde(default)]
    whole_text: Vec<String>,
    /// All of these are shown; of a list within the list, one.
    #[serde(default)]
    text: Vec<OneOf>,
    /// All of these are in the markup, to the blank, but in any case; of a list within the list, one.
    #[serde(default)]
    html: Vec<OneOf>,
    /// The markup ends like one of these, blanks between tags apart: what broke off in the middle, however long.
    #[serde(default)]
    end: Vec<String>,
    /// All these fields are there, as `name: value`; `*` stands for anything.
    #[serde(default)]
    header: Vec<String>,
    /// The status is one of these.
    #[serde(default)]
    status: Vec<u16>,
    /// Visible characters, at most.
    max_text: Option<u32>,
    /// Links, at most.
    max_links: Option<u32>,
    /// Bytes, at most.
    max_length: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOf {
    This(String),
    Any(Vec<String>),
}

/// Words with their numbers.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    pub(super) words: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Numbered {
    fn number(&mut self, word: String) -> usize {
        *self.numbers.entry(word).or_insert_with_key(|word| {
            self.words.push(word.clone());
            self.words.len() - 1
        })
    }

    /// Conditions by numbers: of each list, one.
    fn numbers(&mut self, written: Vec<OneOf>, spelled: impl Fn(&str) -> String) -> Vec<Vec<usize>> {
        let all = |one: OneOf| match one {
            OneOf::This(word) => vec![self.number(spelled(&word))],
            OneOf::Any(words) => words.iter().map(|word| self.number(spelled(word))).collect(),
        };
        written.into_iter().map(all).collect()
    }
}

/// As it is used.
#[derive(Debug)]
pub(super) struct Fingerprint {
    pub(super) id: String,
    kind: Kind,
    title: Vec<Pattern>,
    heading: Vec<Pattern>,
    whole_text: Vec<Pattern>,
    text: Vec<Vec<usize>>,
    html: Vec<Vec<usize>>,
    end: Vec<Pattern>,
    header: Vec<(HeaderName, Pattern)>,
    status: Vec<u16>,
    max_text: Option<u32>,
    max_links: Option<u32>,
    max_length: Option<usize>,
}

/// A pattern with fewer letters than this fits pages of any kind.
const ENOUGH: usize = 7;

impl Fingerprint {
    /// Checks what the file says.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn new(
        written: Written,
        texts: &mut Numbered,
        marks: &mut Numbered,
    ) -> Result<Fingerprint, Vec<String>> {
        let mut wrong = problems(&written);
        let mut header = Vec::new();
        for field in &written.header {
            let parsed = field.split_once(':').and_then(|(name, value)| {
                Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, Pattern::new(value.trim())))
            });
            match parsed {
                Some(parsed) => header.push(parsed),
                None => wrong.push(format!("header {field:?} is not written `name: value`")),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let patterns = |all: &[String]| all.iter().map(|text| Pattern::new(text)).collect();
        Ok(Fingerprint {
            id: written.id,
            kind: written.kind,
            title: patterns(&written.title),
            heading: patterns(&written.heading),
            whole_text: patterns(&written.whole_text),
            text: texts.numbers(written.text, fold),
            html: marks.numbers(written.html, str::to_owned),
            end: patterns(&written.end),
            header,
            status: written.status,
            max_text: written.max_text,
            max_links: written.max_links,
            max_length: written.max_length,
        })
    }

    /// Whether the answer is such a page.
    pub(super) fn is_of(&self, answer: &ResponseView<'_>, sight: &Sight<'_>) -> bool {
        self.has_status(answer.status) && self.is_of_but_for_status(answer, sight)
    }

    /// Whether it would be with another status.
    pub(super) fn is_of_but_for_status(&self, answer: &ResponseView<'_>, sight: &Sight<'_>) -> bool {
        self.sees_enough(answer) && self.fits(answer) && self.is_match(sight)
    }

    pub(super) fn has_status(&self, status: u16) -> bool {
        self.status.is_empty() || self.status.contains(&status)
    }

    pub(super) fn wrong_page(&self) -> WrongPage<'_> {
        WrongPage { kind: self.kind, fingerprint: &self.id }
    }

    /// Whether as much of the page is known as must be: its beginning is enough where the size does not matter.
    fn sees_enough(&self, answer: &ResponseView<'_>) -> bool {
        let bounded = self.max_text.is_some() || self.max_length.is_some();
        // What is not seen whole may be an article that only begins like a wrong page.
        (!bounded || answer.page.bytes().len() <= LOOKED_AT)
            && (answer.whole || (!bounded && self.end.is_empty()))
    }

    /// Whether size and header fields fit: what costs next to nothing comes first.
    fn fits(&self, answer: &ResponseView<'_>) -> bool {
        self.max_length.is_none_or(|most| answer.page.bytes().len() <= most)
            && self.header.iter().all(|(name, value)| has(answer.headers, name, value))
    }

    /// Whether the page is as the fingerprint says. The order is that of the cost.
    fn is_match(&self, sight: &Sight<'_>) -> bool {
        let all = |conditions: &[Vec<usize>], has: &dyn Fn(usize) -> bool| {
            conditions.iter().all(|any| any.iter().any(|number| has(*number)))
        };
        one_of(&self.end, || sight.end())
            && self.max_text.is_none_or(|most| sight.page().is_all && sight.page().visible <= most)
            && self.max_links.is_none_or(|most| sight.page().links <= most)
            && one_of(&self.title, || sight.page().title)
            && one_of(&self.heading, || sight.page().heading)
            && one_of(&self.whole_text, || sight.page().text)
            && all(&self.text, &|number| sight.has_text(number))
            && all(&self.html, &|number| sight.has_mark(number))
    }
}

fn one_of<'a>(patterns: &[Pattern], text: impl FnOnce() -> &'a str) -> bool {
    patterns.is_empty() || {
        let text = text();
        patterns.iter().any(|pattern| pattern.is_match(text))
    }
}

fn has(headers: &HeaderMap, name: &HeaderName, pattern: &Pattern) -> bool {
    headers
        .get_all(name)
        .iter()
        .any(|value| pattern.is_match(&fold(&String::from_utf8_lossy(value.as_bytes()))))
}

/// What would make it match pages of a site.
fn problems(written: &Written) -> Vec<String> {
    let mut wrong = Vec::new();
    let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if written.id.is_empty() || !written.id.chars().all(named) {
        wrong.push("an id is made of a-z, 0-9 and hyphens".to_owned());
    }
    if written.source.trim().is_empty() {
        wrong.push("source is missing: say whose page it is".to_owned());
    }
    let content = [&written.title, &written.heading, &written.whole_text, &written.end]
        .iter()
        .any(|all| !all.is_empty());
    if !content && written.text.is_empty() && written.html.is_empty() && written.header.is_empty() {
        wrong.push(
            "it has no condition: give title, heading, whole_text, text, html, end or header".to_owned(),
        );
    }
    let bounded = written.max_text.is_some() || written.max_length.is_some();
    if !bounded && written.header.is_empty() && written.end.is_empty() {
        wrong.push("give max_text or max_length: an article about such a page is longer".to_owned());
    }
    if written.max_text.is_some_and(|most| most > READ) {
        wrong.push(format!("max_text is more than {READ}, and no more is read: give max_length instead"));
    }
    if !is_distinct(written) {
        wrong.push(
            "it fits too many pages: of some condition, every pattern must have enough letters".to_owned(),
        );
    }
    wrong
}

/// Whether one of the conditions says enough by itself, by whichever of its alternatives it holds.
fn is_distinct(written: &Written) -> bool {
    let whole = [&written.title, &written.heading, &written.whole_text, &written.end].map(Vec::as_slice);
    let parts = written.text.iter().chain(&written.html).map(OneOf::words);
    let says_enough = |any: &[String]| !any.is_empty() && any.iter().all(|text| letters(text) >= ENOUGH);
    let is_telling = |field: &String| !field.to_ascii_lowercase().starts_with("content-type");
    written.max_text == Some(0)
        || written.header.iter().any(is_telling)
        || whole.into_iter().chain(parts).any(says_enough)
}

/// Letters of a pattern; a Japanese one says as much as two of ours.
fn letters(text: &str) -> usize {
    text.chars().filter(|c| c.is_alphanumeric()).map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
}

impl OneOf {
    fn words(&self) -> &[String] {
        match self {
            OneOf::This(word) => std::slice::from_ref(word),
            OneOf::Any(words) => words,
        }
    }
}
