//! All fingerprints: read from their file, and held against an answer.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::Deserialize;

use super::answer::{Answer, WrongPage};
use super::fingerprint::{Fingerprint, Numbered, Written};
use super::media::{content_type, is_text};
use super::sight::{Asked, Sight, Words};

/// Those that come with the program. A test holds that the file is right.
static BUILT_IN: LazyLock<Fingerprints> =
    LazyLock::new(|| Fingerprints::read(include_str!("fingerprints.toml")).unwrap_or_default());

/// Is this surely a host's, panel's, wall's or error page instead of the site? By fingerprints alone, whatever the
/// status.
pub fn wrong_page(answer: &Answer<'_>) -> Option<WrongPage> {
    BUILT_IN.find(answer)
}

/// Reads the fingerprints that come with the program, which takes some milliseconds: better at the start than for the
/// first visitor.
pub fn prepare() {
    LazyLock::force(&BUILT_IN);
}

/// Fingerprints, ready for use.
#[derive(Debug, Default)]
pub struct Fingerprints {
    rows: Vec<Fingerprint>,
    asked: Asked,
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
        let asked = Asked { texts: Words::new(&texts.words)?, marks: Words::new(&marks.words)? };
        Ok(Fingerprints { rows, asked })
    }

    /// The fingerprint that the answer has.
    pub fn find(&self, answer: &Answer<'_>) -> Option<WrongPage> {
        self.matches(answer).next()
    }

    /// All that the answer has, in the file's order.
    pub fn matches<'a>(&'a self, answer: &'a Answer<'a>) -> impl Iterator<Item = WrongPage> + 'a {
        let is_page = is_text(content_type(answer.headers));
        let sight = Sight::new(answer, &self.asked);
        self.rows
            .iter()
            .filter(move |row| is_page && row.sees_enough(answer) && row.fits(answer) && row.is_match(&sight))
            .map(|row| WrongPage { kind: row.kind, fingerprint: row.id })
    }

    /// The names of all.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.rows.iter().map(|row| row.id)
    }
}
