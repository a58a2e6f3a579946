//! Telephone numbers in texts: how they are written, and how they are dialled.

use std::collections::BTreeSet;

/// Numbers behind labels that are looked at.
const MOST: usize = 21;

/// Letters and digits before a link that say what its number is.
pub(super) fn last_words(text: &str, chars: usize) -> &str {
    let text = text.trim_end();
    let at = text.char_indices().rev().nth(chars.saturating_sub(1)).map_or(0, |(at, _)| at);
    &text[at..]
}

pub(super) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The digits of a number as it is dialled within Japan, if it has Japan's prefix.
pub(super) fn national(number: &str) -> String {
    match number.trim().strip_prefix("+81") {
        Some(rest) => format!("0{}", digits(rest)),
        None => digits(number),
    }
}

/// A written number as it is dialled (E.164: 15 digits at most; RFC 3966: parameters stand behind a semicolon).
pub(super) fn dialled(written: &str) -> Option<String> {
    let number = written.split(';').next().unwrap_or_default().trim();
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | '(' | ')' | ' ' | '+');
    let digits = digits(number);
    let plus = if number.starts_with('+') { "+" } else { "" };
    (number.chars().all(is_part) && (7..=15).contains(&digits.len())).then(|| format!("{plus}{digits}"))
}

/// Words that stand before a telephone number.
const LABELS: [&str; 7] = ["tel", "電話番号", "電話", "お電話", "☎", "\u{2121}", "phone"];

/// The Japanese telephone numbers that follow upon a word for them, each with where: 10 or 11 digits from a 0 on, in three
/// groups.
pub(super) fn after_labels(text: &str) -> Vec<(usize, String)> {
    // ASCII alone changes, so that places stay what they are.
    let lower = text.to_ascii_lowercase();
    let number_at = |at: usize| {
        let is_gap = |c: char| matches!(c, ' ' | ':' | '.' | '番' | '号' | 'は' | '/' | '／');
        let rest = text[at..].trim_start_matches(is_gap);
        let end =
            rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '(' | ')'))).unwrap_or(rest.len());
        let number = rest[..end].trim_end_matches(['-', '(', ')']);
        let is_near = text[at..].len() - rest.len() <= 8;
        (is_near && is_number(number)).then(|| (at, number.to_owned()))
    };
    let is_word = |at: usize, label: &str| {
        let before = lower[..at].chars().next_back();
        !label.is_ascii() || before.is_none_or(|c| !c.is_ascii_alphanumeric())
    };
    let mut found: Vec<(usize, String)> = LABELS
        .iter()
        .flat_map(|label| lower.match_indices(label).filter(|(at, _)| is_word(*at, label)))
        .filter_map(|(at, label)| number_at(at + label.len()))
        .take(MOST)
        .collect();
    found.sort();
    found.dedup_by_key(|(_, number)| number.clone());
    found
}

/// Whether this is a Japanese telephone number in three groups.
fn is_number(text: &str) -> bool {
    let groups = text.split(['-', '(', ')']).filter(|group| !group.is_empty()).count();
    groups == 3 && text.starts_with(['0', '(']) && matches!(digits(text).len(), 10 | 11)
}

/// All such numbers in a text, in digits, whatever stands before them; but for those of fax machines.
pub(super) fn all(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '(' | ')');
    let (mut found, mut at) = (BTreeSet::new(), 0);
    for word in text.split(|c| !is_part(c)) {
        let number = word.trim_matches(['-', ')']).trim_end_matches('(');
        if is_number(number) && !last_words(&text[..at], 8).to_ascii_lowercase().contains("fax") {
            found.insert(digits(number));
        }
        at += word.len();
        at += text[at..].chars().next().map_or(0, char::len_utf8);
    }
    found
}
