//! Patterns of whole strings, in which `*` stands for anything.

use crate::content::text::fold;

/// A pattern such as `index of /*`, compared with text in the folded spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What stands between the stars.
    parts: Box<[String]>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Pattern {
        let star = |part: &str| part.is_empty().then(String::new);
        let parts: Vec<&str> = text.split('*').collect();
        let last = parts.len() - 1;
        let spaced = |(at, part): (usize, &&str)| {
            // the blanks beside a star are part of the pattern; those at the ends of the whole are not
            star(part).unwrap_or_else(|| {
                let before = if at > 0 && part.starts_with(' ') { " " } else { "" };
                let behind = if at < last && part.ends_with(' ') { " " } else { "" };
                let inner = fold(part);
                if inner.is_empty() { " ".to_owned() } else { format!("{before}{inner}{behind}") }
            })
        };
        Pattern { parts: parts.iter().enumerate().map(spaced).collect() }
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        let Some((first, others)) = self.parts.split_first() else { return text.is_empty() };
        let Some((last, middle)) = others.split_last() else { return text == first };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            // the earliest place leaves the most for the others
            let Some(at) = rest.find(part.as_str()) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, expected) in [
            ("Index of /*", "index of /", true),
            ("Index of /*", "index of /a/b", true),
            ("Index of /*", "the index of /", false),
            ("It works!", "it works!", true),
            ("It works!", "it works! really", false),
            ("*| 504: Gateway time-out", "a.example | 504: gateway time-out", true),
            ("*a*b*", "xaxbx", true),
            ("*a*b*", "xbxax", false),
            ("a*a", "a", false),
            ("ab*ba", "aba", false),
            ("* is for sale", "a.example is for sale", true),
            ("* is for sale", "this for sale", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("サイト*停止", "サイトは停止", true),
        ] {
            assert_eq!(Pattern::new(pattern).is_match(text), expected, "{pattern} on {text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_matches_itself_and_itself_within_stars(text in "[a-z ]{1,20}", around in "[a-z]{0,5}") {
            let text = fold(&text);
            prop_assert!(Pattern::new(&text).is_match(&text));
            let between = format!("*{text}*");
            let around = format!("{around}{text}{around}");
            prop_assert!(Pattern::new(&between).is_match(&around));
        }
    }
}
