//! All fingerprints: read from their file, and held against an answer.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::Deserialize;

use super::response::{ResponseView, WrongPage};
use super::row::{Fingerprint, Numbered, Written};
use super::sight::{Asked, Sight, Words};
use crate::content::media::{content_type, is_text};

/// Those that come with the program. A test holds that the file is right.
static BUILT_IN: LazyLock<Fingerprints> =
    LazyLock::new(|| Fingerprints::read(include_str!("fingerprints.toml")).unwrap_or_default());

/// Is this surely a host's, panel's, wall's or error page instead of the site? By fingerprints alone, whatever the
/// status.
pub fn wrong_page(answer: &ResponseView<'_>) -> Option<WrongPage<'static>> {
    BUILT_IN.find(answer)
}

/// The same, where a page is known that should be there: also what is told from a page of some site only by its status,
/// if `is_foreign` says that it has nothing of this one. Walls and gateways say 200 at times.
pub fn wrong_page_instead(
    answer: &ResponseView<'_>,
    is_foreign: impl Fn() -> bool,
) -> Option<WrongPage<'static>> {
    BUILT_IN.find_instead(answer, is_foreign)
}

/// Reads the fingerprints that come with the program, which takes some milliseconds: better at the start than for the
/// first visitor.
pub fn prepare() {
    LazyLock::force(&BUILT_IN);
}

/// Fingerprints, ready for use.
#[derive(Debug, Default)]
pub struct Fingerprints {
    /// As it was written.
    source: String,
    rows: Vec<Fingerprint>,
    asked: Asked,
}

/// They are the same if they were written the same.
impl PartialEq for Fingerprints {
    fn eq(&self, other: &Fingerprints) -> bool {
        self.source == other.source
    }
}

/// Why a file of fingerprints cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FingerprintsError {
    /// It is not TOML, or has unknown keys.
    #[error("the fingerprints cannot be read")]
    Syntax(#[from] toml::de::Error),
    /// Fingerprints that would match good pages, or nothing.
    #[error("fingerprints that cannot be used: {}", .0.join("; "))]
    Unusable(Vec<String>),
    /// Too many words for one automaton.
    #[error("the fingerprints have too many words")]
    TooMany(#[from] aho_corasick::BuildError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    fingerprint: Vec<Written>,
}

impl Fingerprints {
    /// Reads a file of fingerprints; `docs/fingerprints.md` says how it is written.
    ///
    /// # Errors
    /// All that is wrong with it, at once.
    pub fn read(text: &str) -> Result<Fingerprints, FingerprintsError> {
        let file: File = toml::from_str(text)?;
        let (mut texts, mut marks) = (Numbered::default(), Numbered::default());
        let (mut rows, mut wrong, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for written in file.fingerprint {
            let id = written.id.clone();
            if !seen.insert(id.clone()) {
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
        let asked = Asked { texts: Words::new(&texts.words)?, marks: Words::new(&marks.words)? };
        Ok(Fingerprints { source: text.to_owned(), rows, asked })
    }

    /// The fingerprint that the answer has.
    pub fn find(&self, answer: &ResponseView<'_>) -> Option<WrongPage<'_>> {
        self.find_instead(answer, || false)
    }

    fn find_instead(
        &self,
        answer: &ResponseView<'_>,
        is_foreign: impl Fn() -> bool,
    ) -> Option<WrongPage<'_>> {
        let sight = self.sight(answer)?;
        let is_of = |row: &&Fingerprint| {
            row.is_of_but_for_status(answer, &sight) && (row.has_status(answer.status) || is_foreign())
        };
        self.rows.iter().find(is_of).map(Fingerprint::wrong_page)
    }

    /// All that the answer has, in the file's order.
    pub fn matches(&self, answer: &ResponseView<'_>) -> Vec<WrongPage<'_>> {
        let Some(sight) = self.sight(answer) else { return Vec::new() };
        self.rows.iter().filter(|row| row.is_of(answer, &sight)).map(Fingerprint::wrong_page).collect()
    }

    /// What is looked into.
    fn sight<'a>(&'a self, answer: &ResponseView<'a>) -> Option<Sight<'a>> {
        is_text(content_type(answer.headers)).then(|| Sight::new(answer, &self.asked))
    }

    /// The names of all.
    pub fn ids(&self) -> impl Iterator<Item = &str> + '_ {
        self.rows.iter().map(|row| &*row.id)
    }
}
