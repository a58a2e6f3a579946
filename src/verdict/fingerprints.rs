//! All fingerprints: read from their file, and held against an answer.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::Deserialize;

use super::answer::{Answer, LOOKED_AT, WrongPage};
use super::fingerprint::{Fingerprint, Numbered, Written};
use super::page::{Page, fold};
use crate::http::charset;

/// As much of the end is looked at, in bytes.
const END: usize = 2048;

/// Those that come with the program. A test holds that the file is right.
static BUILT_IN: LazyLock<Fingerprints> =
    LazyLock::new(|| Fingerprints::read(include_str!("fingerprints.toml")).unwrap_or_default());

/// Is this surely a host's, panel's, wall's or error page instead of the site? By fingerprints alone, whatever the
/// status.
pub fn wrong_page(answer: &Answer<'_>) -> Option<WrongPage> {
    BUILT_IN.find(answer)
}

/// Fingerprints, ready for use.
#[derive(Debug, Default)]
pub struct Fingerprints {
    rows: Vec<Fingerprint>,
    /// What pages show, and what is in their markup.
    texts: Words,
    marks: Words,
    /// Visible characters of the longest page that any of them fits.
    most: u32,
}

/// Why a file of fingerprints cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FingerprintsError {
    /// It is not TOML, or has unknown keys.
    #[error("the fingerprints cannot be read")]
    Syntax(#[from] toml::de::Error),
    /// Fingerprints that would match good pages, or nothing.
    #[error("fingerprints that cannot be used:\n  {}", .0.join("\n  "))]
    Unusable(Vec<String>),
    /// Too many words for one automaton.
    #[error("the fingerprints have too many words")]
    TooMany(#[from] aho_corasick::BuildError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<'a> {
    #[serde(borrow)]
    fingerprint: Vec<Written<'a>>,
}

impl Fingerprints {
    /// Reads a file of fingerprints; `src/verdict/fingerprints.toml` says how it is written.
    ///
    /// # Errors
    /// All that is wrong with it, at once.
    pub fn read(text: &'static str) -> Result<Fingerprints, FingerprintsError> {
        let file: File<'static> = toml::from_str(text)?;
        let (mut texts, mut marks) = (Numbered::default(), Numbered::default());
        let (mut rows, mut wrong, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for written in file.fingerprint {
            let id = written.id;
            if !seen.insert(id) {
                wrong.push(format!("{id}: there are two of this name"));
            }
            match Fingerprint::new(written, &mut texts, &mut marks) {
                Ok(row) => rows.push(row),
                Err(problems) => {
                    wrong.extend(problems.into_iter().map(|problem| format!("{id}: {problem}")));
                }
            }
        }
        if !wrong.is_empty() {
            return Err(FingerprintsError::Unusable(wrong));
        }
        let most = rows.iter().filter_map(|row| row.max_text).max().unwrap_or_default();
        Ok(Fingerprints { rows, texts: Words::new(&texts.words)?, marks: Words::new(&marks.words)?, most })
    }

    /// The fingerprint that the answer has.
    pub fn find(&self, answer: &Answer<'_>) -> Option<WrongPage> {
        self.matches(answer).next()
    }

    /// All that the answer has, in the file's order.
    pub fn matches<'a>(&'a self, answer: &'a Answer<'a>) -> impl Iterator<Item = WrongPage> + 'a {
        let is_page = is_page(answer.headers);
        let sight = OnceCell::new();
        self.rows
            .iter()
            .filter(move |row| is_page && row.sees_enough(answer) && row.fits(answer))
            .filter(move |row| {
                let sight: &Sight<'_> = sight.get_or_init(|| Sight::new(answer, self));
                let (text, mark) = (|number| sight.has_text(number), |number| sight.has_mark(number));
                row.is_match(&sight.page, &sight.end, &text, &mark)
            })
            .map(|row| WrongPage { kind: row.kind, fingerprint: row.id })
    }

    /// The names of all.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.rows.iter().map(|row| row.id)
    }
}

/// Wrong pages are text; what says that it is a picture is not looked into.
fn is_page(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return true };
    let media = value.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml", "text/plain", "application/xml", "text/xml"]
        .iter()
        .any(|page| media.eq_ignore_ascii_case(page))
}

/// An answer as the fingerprints look at it; what few of them ask for is found out when one does.
struct Sight<'a> {
    html: Cow<'a, str>,
    page: Page,
    end: String,
    of: &'a Fingerprints,
    texts: OnceCell<Box<[bool]>>,
    marks: OnceCell<Box<[bool]>>,
}

impl<'a> Sight<'a> {
    fn new(answer: &Answer<'a>, of: &'a Fingerprints) -> Sight<'a> {
        let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let seen = &answer.body[..answer.body.len().min(LOOKED_AT)];
        let html = charset::html(seen, content_type).0;
        let page = Page::read(&html, of.most);
        let end = fold(&String::from_utf8_lossy(&answer.body[answer.body.len().saturating_sub(END)..]));
        let end = end.replace("> <", "><");
        Sight { html, page, end, of, texts: OnceCell::new(), marks: OnceCell::new() }
    }

    fn has_text(&self, number: usize) -> bool {
        self.texts.get_or_init(|| self.of.texts.found(&self.page.text))[number]
    }

    fn has_mark(&self, number: usize) -> bool {
        self.marks.get_or_init(|| self.of.marks.found(&self.html))[number]
    }
}

/// Words that are looked for all at once.
#[derive(Debug, Default)]
struct Words {
    automaton: Option<AhoCorasick>,
}

impl Words {
    fn new(words: &[String]) -> Result<Words, aho_corasick::BuildError> {
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(words)?;
        Ok(Words { automaton: Some(automaton) })
    }

    /// For each word, whether the text has it.
    fn found(&self, text: &str) -> Box<[bool]> {
        let Some(automaton) = &self.automaton else { return Box::default() };
        let mut found = vec![false; automaton.patterns_len()].into_boxed_slice();
        for hit in automaton.find_overlapping_iter(text) {
            found[hit.pattern().as_usize()] = true;
        }
        found
    }
}
