//! The words of a text, each in one spelling: in small letters, without marks above them, in one width (Unicode's NFKC). Text of
//! scripts without spaces (Chinese, Japanese, Korean, Thai) is taken in pairs of characters, as is usual where there is no
//! dictionary: whoever looks for 東京駅 finds the pages that have 東京 and 京駅.

use std::ops::Range;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// Bytes of a word; the rest of a longer one is not looked at.
const LONGEST: usize = 64;
/// Characters that are read as one with their marks. No script needs more.
const CLUSTER: usize = 8;

/// A word as it is looked for, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term<'a> {
    /// In its one spelling.
    pub text: &'a str,
    /// The bytes of the text that it was made of.
    pub at: Range<usize>,
    /// What it is.
    pub kind: TermKind,
}

/// What a term is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermKind {
    /// A word between spaces or signs.
    Whole,
    /// Two neighbouring characters of a script without spaces. The second begins at this byte of the text.
    Pair {
        /// Where.
        second: usize,
    },
    /// The last character of such a run, by itself: with the pairs, each character begins a term.
    Last {
        /// Whether it is the only one.
        alone: bool,
    },
}

/// Takes the words out of a text, in their order.
pub fn words(text: &str, take: impl FnMut(Term<'_>)) {
    let mut reader = WordReader { take, word: String::new(), from: 0, to: 0, last: None };
    let (bytes, mut at) = (text.as_bytes(), 0);
    while let Some(first) = text[at..].chars().next() {
        // Most of most texts, and so at once. What follows may be a mark on the last letter.
        let run = bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let is_last = bytes.get(at + run).is_none_or(u8::is_ascii);
        let run = if is_last { run } else { run.saturating_sub(1) };
        if run > 0 {
            reader.plain(&text[at..at + run], at);
            at += run;
            continue;
        }
        if first.is_ascii() && bytes.get(at + 1).is_none_or(u8::is_ascii) {
            reader.end();
            at += 1;
            continue;
        }
        let from = at;
        at += first.len_utf8();
        let marks = text[at..].chars().take(CLUSTER).take_while(|c| is_mark(*c));
        at += marks.map(char::len_utf8).sum::<usize>();
        reader.cluster(&text[from..at], from..at);
    }
    reader.end();
}

/// Takes words as their characters come.
struct WordReader<F> {
    take: F,
    /// The word, or pair, so far.
    word: String,
    from: usize,
    to: usize,
    /// The last character, if it is of a script without spaces.
    last: Option<(char, Range<usize>, bool)>,
}

impl<F: FnMut(Term<'_>)> WordReader<F> {
    /// A character with its marks, as it stands at these bytes.
    fn cluster(&mut self, cluster: &str, at: Range<usize>) {
        let mut chars = cluster.chars();
        let (Some(first), None) = (chars.next(), chars.next()) else { return self.normal(cluster, &at) };
        match is_plain_dense(first) {
            true => self.dense(first, at),
            false if is_letter(first) => self.normal(cluster, &at),
            false => self.end(),
        }
    }

    fn normal(&mut self, cluster: &str, at: &Range<usize>) {
        const COMPOSED: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfkc();
        const DECOMPOSED: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();
        if !cluster.starts_with(is_letter) {
            return self.end();
        }
        for c in COMPOSED.normalize(cluster).chars().flat_map(char::to_lowercase) {
            if is_dense(c) {
                self.dense(c, at.clone());
                continue;
            }
            if let Some(letters) = written_out(c) {
                letters.chars().for_each(|letter| self.letter(letter, at.clone()));
                continue;
            }
            for c in DECOMPOSED.normalize_iter(std::iter::once(c)) {
                match c {
                    _ if is_mark(c) => {}
                    _ if is_letter(c) => self.letter(c, at.clone()),
                    _ => self.end(),
                }
            }
        }
    }

    /// Letters and digits of ASCII.
    fn plain(&mut self, letters: &str, at: usize) {
        if self.last.is_some() {
            self.end();
        }
        if self.word.is_empty() {
            self.from = at;
        }
        self.to = at + letters.len();
        let begin = self.word.len();
        let room = letters.len().min(LONGEST.saturating_sub(begin));
        self.word.push_str(&letters[..room]);
        self.word[begin..].make_ascii_lowercase();
    }

    fn letter(&mut self, c: char, at: Range<usize>) {
        if self.last.is_some() {
            self.end();
        }
        if self.word.is_empty() {
            self.from = at.start;
        }
        self.to = at.end;
        if self.word.len() + c.len_utf8() <= LONGEST {
            self.word.push(c);
        }
    }

    fn dense(&mut self, c: char, at: Range<usize>) {
        match self.last.take() {
            Some((before, from, _)) => {
                self.word.clear();
                self.word.extend([before, c]);
                let kind = TermKind::Pair { second: at.start };
                (self.take)(Term { text: &self.word, at: from.start..at.end, kind });
                self.word.clear();
                self.last = Some((c, at, false));
            }
            None => {
                self.end();
                self.last = Some((c, at, true));
            }
        }
    }

    /// Nothing that belongs to it follows.
    fn end(&mut self) {
        if let Some((c, at, alone)) = self.last.take() {
            self.word.push(c);
            (self.take)(Term { text: &self.word, at, kind: TermKind::Last { alone } });
        } else if !self.word.is_empty() {
            (self.take)(Term { text: &self.word, at: self.from..self.to, kind: TermKind::Whole });
        }
        self.word.clear();
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || is_dense(c) && !matches!(c, '\u{30A0}' | '\u{30FB}')
}

/// What belongs to the character before it: marks above and below, the voiced marks of kana in both widths, what follows
/// the first part of a syllable of Hangul.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{1160}'..='\u{11FF}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}' | '\u{3099}' | '\u{309A}' | '\u{FE00}'..='\u{FE0F}' | '\u{FF9E}' | '\u{FF9F}')
}

/// Characters of scripts without spaces, and Hangul, whose words carry endings.
fn is_dense(c: char) -> bool {
    matches!(c, '\u{E01}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1100}'..='\u{11FF}' | '\u{1780}'..='\u{17FF}'
        | '\u{2E80}'..='\u{2FDF}' | '\u{3005}'..='\u{3007}' | '\u{3031}'..='\u{3035}' | '\u{3041}'..='\u{318F}'
        | '\u{31A0}'..='\u{31FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{A960}'..='\u{A97F}'
        | '\u{AC00}'..='\u{D7FF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Those that have one spelling only: nearly all of most Japanese pages, and so at once.
fn is_plain_dense(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FE}' | '\u{4E00}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7A3}')
}

/// Letters that no normal form takes apart, as they are written without them.
fn written_out(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ı' => "i",
        'ς' => "σ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn terms(text: &str) -> String {
        let mut found = Vec::new();
        words(text, |term| found.push(term.text.to_owned()));
        found.join(" ")
    }

    #[test]
    fn words_have_one_spelling() {
        for (text, expected) in [
            ("", ""),
            ("Green Tea, 100g!", "green tea 100g"),
            ("don't e-mail foo_bar", "don t e mail foo bar"),
            // German
            ("Straße STRASSE Strasse", "strasse strasse strasse"),
            ("Müller MÜLLER Mu\u{308}ller Muller", "muller muller muller muller"),
            ("größe", "grosse"),
            // other marks
            ("café Crème œuvre Łódź Ærø İstanbul ısı", "cafe creme oeuvre lodz aero istanbul isi"),
            ("Αθήνα ΟΔΟΣ οδος", "αθηνα οδοσ οδοσ"),
            ("Ёлка ёлка", "елка елка"),
            // Japanese
            ("お茶", "お茶 茶"),
            ("東京駅へ", "東京 京駅 駅へ へ"),
            ("茶", "茶"),
            ("コーヒー・紅茶", "コー ーヒ ヒー ー 紅茶 茶"),
            ("日々", "日々 々"),
            // widths
            ("ＡＢＣ１２３ ｶﾞﾗｽ ｺｰﾋｰ", "abc123 ガラ ラス ス コー ーヒ ヒー ー"),
            ("か\u{3099}く", "がく く"),
            ("①㈱", "1"),
            ("ﬁne ℃", "fine"),
            // mixed
            ("iPhone用ケース", "iphone 用ケ ケー ース ス"),
            ("100円です", "100 円で です す"),
            ("Katahai（片肺）", "katahai 片肺 肺"),
            // Korean, Chinese, Thai
            ("녹차 주문", "녹차 차 주문 문"),
            ("\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}", "한국 국"),
            ("绿茶", "绿茶 茶"),
            ("ชา", "ชา า"),
            ("🍵 tea 🍵", "tea"),
        ] {
            assert_eq!(terms(text), expected, "{text}");
        }
    }

    #[test]
    fn a_term_knows_where_it_stands() {
        let text = "Der große ｶﾞﾗｽ茶 x";
        let mut found = Vec::new();
        words(text, |term| found.push((term.text.to_owned(), text[term.at.clone()].to_owned(), term.kind)));
        let short: Vec<_> = found.iter().map(|(term, at, _)| (&**term, &**at)).collect();
        let expected = [
            ("der", "Der"),
            ("grosse", "große"),
            ("ガラ", "ｶﾞﾗ"),
            ("ラス", "ﾗｽ"),
            ("ス茶", "ｽ茶"),
            ("茶", "茶"),
            ("x", "x"),
        ];
        assert_eq!(short, expected);
        let TermKind::Pair { second } = found[2].2 else { panic!("{found:?}") };
        assert!(text[second..].starts_with("ﾗｽ"));
        assert_eq!(found[5].2, TermKind::Last { alone: false });
    }

    #[test]
    fn a_word_without_end_is_cut() {
        assert_eq!(terms(&"a".repeat(500)).len(), LONGEST);
        assert!(terms(&format!("a{}", "\u{301}".repeat(500))).starts_with('a'));
    }

    proptest! {
        #[test]
        fn any_text_has_words_in_order_and_they_are_their_own_words(text in ".{0,80}|[a-cあ-うｦ-ﾝﾞ゛漢0-9 \u{301}\u{3099}]{0,40}") {
            let (mut at, mut whole) = (0, Vec::new());
            words(&text, |term| {
                assert!(term.at.start >= at && term.at.start < term.at.end && text.get(term.at.clone()).is_some());
                assert!(!term.text.is_empty() && term.text.len() <= LONGEST);
                at = term.at.start;
                if term.kind == TermKind::Whole {
                    whole.push(term.text.to_owned());
                }
            });
            prop_assert_eq!(terms(&whole.join(" ")), whole.join(" "));
        }
    }
}
