//! How much of a page a visitor can read. A measure for comparing crawls, not a reading of the page: one pass over
//! the markup, without a tree, good for any bytes.

use std::hash::{DefaultHasher, Hasher as _};

use super::tags::{Comments, HtmlToken, Tags};

/// What can be read on a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Visible {
    /// Characters without white space. Those of Chinese, Japanese and Korean count twice: they say about twice as
    /// much, so that a page keeps its measure when it is translated.
    pub text: u32,
    /// The same for the same text, whatever the markup around it: scripts may carry a number for each visit. Only to be
    /// compared within one run of the program.
    pub text_hash: u64,
}

/// Elements whose content is not read by visitors: scripts run, so what stands in for them is not shown.
const UNSEEN: [&str; 8] =
    ["script", "style", "noscript", "template", "title", "iframe", "noembed", "noframes"];
/// Bytes of the longest character reference that is taken for one.
const REFERENCE: usize = 32;

/// Measures a page.
pub fn visible(html: &str) -> Visible {
    let mut reader = VisibleReader { text: 0, hasher: DefaultHasher::new() };
    let mut tags = Tags::of(html, Comments::Sgml);
    while let Some(token) = tags.next() {
        match token {
            HtmlToken::Text(text) => reader.words(text),
            HtmlToken::Tag(tag) => {
                if let Some(name) = UNSEEN.iter().find(|name| tag.starts(name)) {
                    tags.raw_text(name);
                }
            }
        }
    }
    Visible { text: reader.text, text_hash: reader.hasher.finish() }
}

struct VisibleReader {
    text: u32,
    hasher: DefaultHasher,
}

impl VisibleReader {
    fn words(&mut self, text: &str) {
        for word in text.split_ascii_whitespace() {
            self.hasher.write(word.as_bytes());
            self.text = self.text.saturating_add(columns(word));
        }
    }
}

/// White space, and marks that take no room: they are put between the letters of long words, and at the start of files.
fn is_unseen(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200F}' | '\u{FEFF}' | '\u{AD}')
}

fn columns(word: &str) -> u32 {
    if word.is_ascii() && !word.contains('&') {
        return word.len() as u32;
    }
    let (mut columns, mut rest) = (0, word);
    while let Some(c) = rest.chars().next() {
        let mut len = c.len_utf8();
        if c == '&'
            && let Some(end) = rest.bytes().take(REFERENCE).position(|b| b == b';')
            && rest[1..end].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#')
        {
            len = end + 1;
        }
        if !is_unseen(c) {
            columns += 1 + u32::from(is_wide(c));
        }
        rest = &rest[len..];
    }
    columns
}

/// The blocks of the scripts that write a syllable or a word with a character.
fn is_wide(c: char) -> bool {
    matches!(c as u32,
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60 | 0x2_0000..=0x3_FFFD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_visitor_reads_is_counted() {
        for (html, expected) in [
            ("", 0),
            ("  \r\n\t\u{FEFF}\u{AD}", 0),
            ("one two", 6),
            ("<p>one</p><p class='a>b'>two</p>", 6),
            ("<!doctype html><title>no</title><body>yes", 3),
            ("<script>var a = '<p>no'</script>yes<STYLE>no</Style>", 3),
            ("<noscript>no<p>no</noscript><template>no</template>y<!-- no > -->", 1),
            ("<script>never closed", 0),
            ("<!-- never closed", 0),
            ("a < b", 3),
            ("&amp;&#x3042;&eacute;t&eacute;", 5),
            ("R&D; &", 3),
            ("日本語\u{3000}\u{A0}", 6),
            ("한국어 text", 10),
            ("Привет", 6),
            ("<a href=\"it's > fine\">x</a>", 1),
            ("<p title=it's>x", 1),
            ("<textarea>shown</textarea><button>Go</button>", 7),
            ("<scripted>x</scripted>", 1),
        ] {
            assert_eq!(visible(html).text, expected, "{html}");
        }
    }

    #[test]
    fn the_same_text_in_other_markup_is_alike() {
        let page = "<p>Nothing to <b>see</b> here</p><script>id = 1</script>";
        let same = "<div>Nothing  to see\nhere</div><script>id = 2</script><!-- 3 -->";
        assert_eq!(visible(page), visible(same));
        assert_ne!(visible(page).text_hash, visible("<p>Nothing to see there</p>").text_hash);
    }

    proptest! {
        #[test]
        fn any_text_is_measured(html in ".{0,200}") {
            prop_assert!(visible(&html).text as usize <= html.len());
        }

        #[test]
        fn any_markup_is_measured(html in "[<>/!&;'\"= a-c\u{3042}-]{0,60}|(<script>|</script|<!--|-->|x){0,9}") {
            let _ = visible(&html);
        }
    }
}
