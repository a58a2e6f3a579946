//! The piece of a page's text that shows why the page was found, with the words that were looked for marked.

use std::collections::BTreeSet;
use std::ops::Range;

use super::words::{TermKind, words};

/// How wide an excerpt is, in columns: a Japanese character takes two.
const WIDTH: usize = 240;
/// Of this, before the first word that is marked.
const BEFORE: usize = 60;
/// Places in one text that are weighed against each other.
const PLACES: usize = 2000;

/// The terms that are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sought {
    /// Terms that are found whole.
    pub terms: BTreeSet<String>,
    /// Single characters, which any term may begin with.
    pub chars: BTreeSet<char>,
}

/// A piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fragment<'a> {
    /// As it stands.
    Plain(&'a str),
    /// What was looked for.
    Marked(&'a str),
    /// Something is left out here.
    Cut,
}

/// The places of what is looked for, each with the number of its term; neighbours are not joined yet.
fn places(text: &str, sought: &Sought) -> Vec<(Range<usize>, usize)> {
    let mut found = Vec::new();
    words(text, |term| {
        if found.len() >= PLACES {
            return;
        }
        if sought.terms.contains(term.text) {
            let number = sought.terms.iter().position(|known| known == term.text).unwrap_or_default();
            found.push((term.at, number));
        } else if let Some(first) = term.text.chars().next()
            && let Some(number) = sought.chars.iter().position(|known| *known == first)
        {
            let to = match term.kind {
                TermKind::Pair { second } => second,
                TermKind::Last { .. } => term.at.end,
                TermKind::Whole => return,
            };
            found.push((term.at.start..to, sought.terms.len() + number));
        }
    });
    found
}

/// All of a text, with what is looked for marked.
pub fn marked<'a>(text: &'a str, sought: &Sought) -> Vec<Fragment<'a>> {
    cut(text, 0..text.len(), &places(text, sought))
}

/// The piece of a text that has most of what is looked for; its beginning, if it has nothing of it.
pub fn excerpt<'a>(text: &'a str, sought: &Sought) -> Vec<Fragment<'a>> {
    let places = places(text, sought);
    let from = best(text, &places).map_or(0, |at| back(text, at, BEFORE));
    let to = ahead(text, from, WIDTH);
    cut(text, from..to, &places)
}

/// The place from which on an excerpt has the most different terms, and then the most of them.
fn best(text: &str, places: &[(Range<usize>, usize)]) -> Option<usize> {
    let (mut from, mut column) = (0, 0);
    let columns_of = places.iter().map(|(at, _)| {
        column += width(text, from, at.start);
        from = at.start;
        (column, column + width(text, at.start, at.end))
    });
    let columns_of: Vec<(usize, usize)> = columns_of.collect();
    let mut best: Option<((usize, usize), usize)> = None;
    let mut end = 0;
    for (n, ((at, _), &(begins, _))) in places.iter().zip(&columns_of).enumerate() {
        // One that is wider than all the room ends before the next begins.
        while columns_of.get(end).is_some_and(|(_, ends)| ends.saturating_sub(begins) <= WIDTH - BEFORE) {
            end += 1;
        }
        let within = &places[n..end.max(n)];
        let different = within.iter().map(|(_, number)| number).collect::<BTreeSet<_>>().len();
        let worth = (different, within.len());
        if best.is_none_or(|(known, _)| worth > known) {
            best = Some((worth, at.start));
        }
    }
    best.map(|(_, at)| at)
}

fn columns(c: char) -> usize {
    if c >= '\u{1100}' { 2 } else { 1 }
}

/// The columns between two places.
fn width(text: &str, from: usize, to: usize) -> usize {
    text.get(from..to).unwrap_or_default().chars().map(columns).sum()
}

/// So many columns before a place, at the beginning of a word.
fn back(text: &str, at: usize, most: usize) -> usize {
    let mut left = most;
    let mut from = at;
    for (place, c) in text[..at].char_indices().rev() {
        let Some(rest) = left.checked_sub(columns(c)) else { break };
        (left, from) = (rest, place);
    }
    if from == 0 || text[from..].starts_with(is_wide) || text[..from].ends_with(is_wide) {
        return from;
    }
    // Not in the middle of a word.
    text[from..at].find(' ').map_or(from, |space| from + space + 1)
}

/// So many columns behind a place, at the end of a word.
fn ahead(text: &str, from: usize, most: usize) -> usize {
    let mut left = most;
    let mut to = from;
    for (place, c) in text[from..].char_indices() {
        let Some(rest) = left.checked_sub(columns(c)) else { break };
        (left, to) = (rest, from + place + c.len_utf8());
    }
    if to == text.len() || text[to..].starts_with(is_wide) || text[..to].ends_with(is_wide) {
        return to;
    }
    text[from..to].rfind(' ').map_or(to, |space| from + space)
}

fn is_wide(c: char) -> bool {
    columns(c) == 2
}

/// A part of a text, with these places in it marked.
fn cut<'a>(text: &'a str, part: Range<usize>, places: &[(Range<usize>, usize)]) -> Vec<Fragment<'a>> {
    let mut pieces = Vec::new();
    if part.start > 0 {
        pieces.push(Fragment::Cut);
    }
    let mut at = part.start;
    let mut open: Option<Range<usize>> = None;
    let within = places.iter().filter(|(place, _)| place.start >= part.start && place.end <= part.end);
    let mut close = |open: Option<Range<usize>>, pieces: &mut Vec<Fragment<'a>>| {
        if let Some(marked) = open {
            if marked.start > at {
                pieces.push(Fragment::Plain(&text[at..marked.start]));
            }
            pieces.push(Fragment::Marked(&text[marked.clone()]));
            at = marked.end;
        }
        at
    };
    for (place, _) in within {
        // Pairs overlap: 東京 and 京駅 are marked as one.
        match &mut open {
            Some(open) if place.start <= open.end => open.end = open.end.max(place.end),
            Some(_) | None => {
                close(open.take(), &mut pieces);
                open = Some(place.clone());
            }
        }
    }
    let at = close(open, &mut pieces);
    if at < part.end {
        pieces.push(Fragment::Plain(&text[at..part.end]));
    }
    if part.end < text.len() {
        pieces.push(Fragment::Cut);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sought(terms: &[&str], chars: &str) -> Sought {
        Sought {
            terms: terms.iter().map(|term| (*term).to_owned()).collect(),
            chars: chars.chars().collect(),
        }
    }

    fn shown(pieces: &[Fragment<'_>]) -> String {
        let show = |piece: &Fragment<'_>| match piece {
            Fragment::Plain(text) => (*text).to_owned(),
            Fragment::Marked(text) => format!("[{text}]"),
            Fragment::Cut => "…".to_owned(),
        };
        pieces.iter().map(show).collect()
    }

    #[test]
    fn words_are_marked_as_they_are_written() {
        for (text, terms, chars, expected) in [
            ("Green Tea, teas", &["tea"][..], "", "Green [Tea], teas"),
            ("東京駅の近く", &["東京", "京駅"], "", "[東京駅]の近く"),
            ("お茶と茶器", &[], "茶", "お[茶]と[茶]器"),
            ("ｶﾞﾗｽ", &["ガラ", "ラス"], "", "[ｶﾞﾗｽ]"),
            ("Straße", &["strasse"], "", "[Straße]"),
            ("nothing", &["tea"], "", "nothing"),
            ("", &["tea"], "", ""),
        ] {
            assert_eq!(shown(&marked(text, &sought(terms, chars))), expected, "{text}");
        }
    }

    #[test]
    fn an_excerpt_shows_the_place_with_the_most_words() {
        let filler = "words that say nothing at all about it ".repeat(20);
        let text = format!("tea {filler}green tea from uji {filler}tea");
        let shown = shown(&excerpt(&text, &sought(&["green", "tea"], "")));
        assert!(shown.starts_with('…') && shown.ends_with('…'), "{shown}");
        assert!(shown.contains(" [green] [tea] from uji ") && shown.len() < WIDTH + 20, "{shown}");
    }

    #[test]
    fn an_excerpt_of_japanese_is_as_wide() {
        let text = format!("{}抹茶の歴史{}", "あいうえお。".repeat(100), "かきくけこ。".repeat(100));
        let pieces = excerpt(&text, &sought(&["抹茶"], ""));
        let all = shown(&pieces);
        assert!(all.contains("[抹茶]の歴史") && all.chars().count() <= WIDTH / 2 + 4, "{all}");
    }

    #[test]
    fn a_word_that_is_wider_than_the_excerpt_is_passed_over() {
        let text = format!("{} tea", "a".repeat(300));
        let shown = shown(&excerpt(&text, &sought(&[&"a".repeat(64), "tea"], "")));
        assert!(shown.ends_with("[tea]"), "{shown}");
    }

    #[test]
    fn a_text_without_the_words_is_shown_from_its_beginning() {
        let text = "one two three ".repeat(50);
        assert!(shown(&excerpt(&text, &sought(&["tea"], ""))).starts_with("one two three"));
    }

    proptest! {
        #[test]
        fn an_excerpt_is_a_part_of_the_text(text in "[a-c あ-う漢。 ]{0,600}", terms in proptest::collection::vec("[a-c]{1,3}|[あ-う]{2}", 0..3), chars in "[漢あ]?") {
            let terms: Vec<&str> = terms.iter().map(String::as_str).collect();
            let pieces = excerpt(&text, &sought(&terms, &chars));
            let plain: String = pieces.iter().map(|piece| match piece {
                Fragment::Plain(text) | Fragment::Marked(text) => *text,
                Fragment::Cut => "",
            }).collect();
            prop_assert!(text.contains(&plain));
            prop_assert!(plain.chars().map(columns).sum::<usize>() <= WIDTH);
        }
    }
}
