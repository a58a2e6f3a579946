//! E-mail: a subject and plain text.

use super::{Look, Words, cut};

/// Characters of a subject.
const SUBJECT: usize = 200;

/// The subject, and the text.
pub fn render(said: &[Words], look: &Look) -> (String, String) {
    let titles: Vec<&str> = said.iter().map(|words| &*words.title).collect();
    let subject = format!("[Katahai] {}", cut(&titles.join(" / "), SUBJECT));
    (subject, format!("{}{}", whole(said), links(said, look)))
}

/// The text in all its languages.
pub(super) fn whole(said: &[Words]) -> String {
    let each: Vec<String> = said.iter().map(Words::plain).collect();
    each.join("\n")
}

/// The links as lines of plain text.
pub(super) fn links(said: &[Words], look: &Look) -> String {
    let Some(words) = said.first() else { return String::new() };
    look.links(words).into_iter().map(|(word, url)| format!("\n{word}:\n{url}\n")).collect()
}
