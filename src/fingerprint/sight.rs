//! An answer as the fingerprints look at it. What only few of them ask for is found out when one does.

use std::cell::OnceCell;

use aho_corasick::AhoCorasick;

use super::response::{LOOKED_AT, ResponseView};
use crate::content::text::{Beginning, PageText, fold};

/// As much of the end is looked at, in bytes.
const END: usize = 2048;

/// What the fingerprints ask of an answer.
pub(super) struct Sight<'a> {
    answer: ResponseView<'a>,
    asked: &'a Asked,
    /// Of a page that is not looked at to its end.
    beginning: OnceCell<PageText>,
    end: OnceCell<String>,
    texts: OnceCell<Box<[bool]>>,
    marks: OnceCell<Box<[bool]>>,
}

/// All that any fingerprint asks for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Phrases of the text, by their numbers.
    pub(super) texts: Words,
    /// Pieces of the markup, by theirs.
    pub(super) marks: Words,
}

impl<'a> Sight<'a> {
    pub(super) fn new(answer: &ResponseView<'a>, asked: &'a Asked) -> Sight<'a> {
        let (beginning, end) = (OnceCell::new(), OnceCell::new());
        Sight { answer: *answer, asked, beginning, end, texts: OnceCell::new(), marks: OnceCell::new() }
    }

    /// The words of the page.
    pub(super) fn page(&self) -> Beginning<'_> {
        let page = self.answer.page;
        if page.html().len() <= LOOKED_AT {
            return page.text().beginning();
        }
        self.beginning.get_or_init(|| PageText::read_beginning(self.html())).beginning()
    }

    /// The end of the markup, without blanks between tags.
    pub(super) fn end(&self) -> &str {
        self.end.get_or_init(|| {
            let body = self.answer.page.bytes();
            let end = String::from_utf8_lossy(&body[body.len().saturating_sub(END)..]);
            fold(&end).replace("> <", "><")
        })
    }

    pub(super) fn has_text(&self, number: usize) -> bool {
        let found = self.texts.get_or_init(|| self.asked.texts.found(self.page().text));
        found.get(number).copied().unwrap_or_default()
    }

    pub(super) fn has_mark(&self, number: usize) -> bool {
        let found = self.marks.get_or_init(|| self.asked.marks.found(self.html()));
        found.get(number).copied().unwrap_or_default()
    }

    fn html(&self) -> &str {
        let html = self.answer.page.html();
        &html[..html.floor_char_boundary(LOOKED_AT)]
    }
}

/// Words that are looked for all at once.
#[derive(Debug, Default)]
pub(super) struct Words {
    automaton: Option<AhoCorasick>,
}

impl Words {
    /// The words, in any case of their ASCII letters.
    pub(super) fn new(words: &[String]) -> Result<Words, aho_corasick::BuildError> {
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(words)?;
        Ok(Words { automaton: Some(automaton) })
    }

    /// For each word, whether the text has it.
    fn found(&self, text: &str) -> Box<[bool]> {
        let Some(automaton) = &self.automaton else { return Box::default() };
        let mut found = vec![false; automaton.patterns_len()];
        for hit in automaton.find_overlapping_iter(text) {
            if let Some(found) = found.get_mut(hit.pattern().as_usize()) {
                *found = true;
            }
        }
        found.into_boxed_slice()
    }
}
