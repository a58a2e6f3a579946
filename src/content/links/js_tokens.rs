//! The words of a script: names, signs and texts, as far as they must be told apart so that what stands in comments
//! and regular expressions is not taken for a text (ECMA-262 section 12). Not a parser: what cannot be told from the
//! word before is guessed, and a wrong guess ends at the end of the line.

use std::borrow::Cow;

/// Templates within templates.
const NESTING: usize = 32;

/// One word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name or a keyword.
    Name(&'a str),
    /// A single sign: `=>` is two.
    Sign(u8),
    /// A text, without its quotes, escapes as they stand. A template without parts to be filled in is one, too.
    Text(&'a str),
    /// A number, a regular expression, a template with parts to be filled in.
    Other,
    /// After the last word, for ever.
    End,
}

/// The words of a script, one after another.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    last: Token<'a>,
    /// For each template that is being read: how many braces are open in the part that is filled in.
    templates: Vec<usize>,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(text: &'a str) -> Tokens<'a> {
        Tokens { text, at: 0, last: Token::End, templates: Vec::new() }
    }

    /// The next word; [`Token::End`] when there is none.
    pub(super) fn next(&mut self) -> Token<'a> {
        self.skip();
        self.last = self.word();
        self.last
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Over blanks and comments.
    fn skip(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let blank = rest.len() - rest.trim_start().len();
            self.at += blank;
            self.at = match (self.byte(0), self.byte(1)) {
                (b'/', b'/') => self.end_of_line(self.at),
                (b'/', b'*') => self.after("*/", self.at + 2),
                // `<!--` opens a comment of one line, and so does `-->` at its beginning (ECMA-262 section B.1.1)
                (b'<', b'!') if self.text[self.at..].starts_with("<!--") => self.end_of_line(self.at),
                _ => return,
            };
        }
    }

    fn end_of_line(&self, from: usize) -> usize {
        self.text[from..].find(['\n', '\r', '\u{2028}', '\u{2029}']).map_or(self.text.len(), |at| from + at)
    }

    fn after(&self, mark: &str, from: usize) -> usize {
        self.text
            .get(from..)
            .and_then(|rest| rest.find(mark))
            .map_or(self.text.len(), |at| from + at + mark.len())
    }

    fn word(&mut self) -> Token<'a> {
        if self.at >= self.text.len() {
            return Token::End;
        }
        match self.byte(0) {
            quote @ (b'"' | b'\'') => self.quoted(quote),
            b'`' => {
                self.at += 1;
                self.template()
            }
            b'/' if self.expects_value() => self.regex(),
            b'0'..=b'9' => self.number(),
            b'{' => {
                if let Some(open) = self.templates.last_mut() {
                    *open += 1;
                }
                self.sign(b'{')
            }
            b'}' => match self.templates.last_mut() {
                Some(0) => {
                    self.templates.pop();
                    self.at += 1;
                    self.template();
                    Token::Other
                }
                Some(open) => {
                    *open -= 1;
                    self.sign(b'}')
                }
                None => self.sign(b'}'),
            },
            b if b.is_ascii_alphabetic() || matches!(b, b'_' | b'$' | b'#' | b'\\') || b >= 0x80 => {
                self.name()
            }
            b => self.sign(b),
        }
    }

    fn sign(&mut self, b: u8) -> Token<'a> {
        self.at += 1;
        Token::Sign(b)
    }

    fn name(&mut self) -> Token<'a> {
        let rest = &self.text[self.at..];
        let part =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '#' | '\\') || !c.is_ascii();
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        self.at += end;
        Token::Name(&rest[..end])
    }

    fn number(&mut self) -> Token<'a> {
        let rest = &self.text[self.at..];
        let end =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_')).unwrap_or(rest.len());
        self.at += end;
        Token::Other
    }

    /// A text in quotes; one that does not end on its line is none.
    fn quoted(&mut self, quote: u8) -> Token<'a> {
        let from = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut at = from;
        while let Some(&b) = bytes.get(at) {
            match b {
                b'\\' => at += 2,
                b'\n' | b'\r' => break,
                _ if b == quote => {
                    self.at = at + 1;
                    return Token::Text(&self.text[from..at]);
                }
                _ => at += 1,
            }
        }
        self.at = self.text.ceil_char_boundary(at.min(bytes.len()));
        Token::Other
    }

    /// What follows a back quote, or the brace that closes a part of a template.
    fn template(&mut self) -> Token<'a> {
        let from = self.at;
        let bytes = self.text.as_bytes();
        let mut at = from;
        while let Some(&b) = bytes.get(at) {
            match b {
                b'\\' => at += 2,
                b'`' => {
                    self.at = at + 1;
                    return Token::Text(&self.text[from..at]);
                }
                b'$' if bytes.get(at + 1) == Some(&b'{') && self.templates.len() < NESTING => {
                    self.at = at + 2;
                    self.templates.push(0);
                    return Token::Other;
                }
                _ => at += 1,
            }
        }
        self.at = bytes.len();
        Token::Other
    }

    /// Whether a slash here begins a regular expression: a value is expected where there was none just now.
    fn expects_value(&self) -> bool {
        match self.last {
            Token::Name(name) => matches!(
                name,
                "return"
                    | "typeof"
                    | "case"
                    | "in"
                    | "of"
                    | "delete"
                    | "void"
                    | "throw"
                    | "new"
                    | "else"
                    | "do"
                    | "yield"
                    | "await"
            ),
            Token::Sign(b) => !matches!(b, b')' | b']'),
            Token::Text(_) | Token::Other => false,
            Token::End => true,
        }
    }

    /// A regular expression ends on its line; a slash that begins none is a sign.
    fn regex(&mut self) -> Token<'a> {
        let bytes = self.text.as_bytes();
        let mut at = self.at + 1;
        let mut class = false;
        while let Some(&b) = bytes.get(at) {
            match b {
                b'\\' => at += 1,
                b'[' => class = true,
                b']' => class = false,
                b'\n' | b'\r' => break,
                b'/' if !class => {
                    at += 1;
                    let flags = bytes[at..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
                    self.at = at + flags;
                    return Token::Other;
                }
                _ => {}
            }
            at += 1;
        }
        self.sign(b'/')
    }
}

/// What a text means: its escapes replaced (ECMA-262 section 12.9.4).
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(c) = rest.chars().next() else { break };
        let (meant, len) = match c {
            'n' => (Some('\n'), 1),
            't' => (Some('\t'), 1),
            'r' => (Some('\r'), 1),
            'x' => (hex(rest.get(1..3)), 3),
            'u' if rest[1..].starts_with('{') => {
                let end = rest.find('}').unwrap_or(0);
                (hex(rest.get(2..end)), end + 1)
            }
            'u' => (hex(rest.get(1..5)), 5),
            '\n' | '\r' => (None, 1),
            other => (Some(other), other.len_utf8()),
        };
        out.extend(meant);
        rest = rest.get(len..).unwrap_or("");
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn hex(digits: Option<&str>) -> Option<char> {
    char::from_u32(u32::from_str_radix(digits?, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(script: &str) -> Vec<&str> {
        let mut tokens = Tokens::of(script);
        let mut found = Vec::new();
        loop {
            match tokens.next() {
                Token::Text(text) => found.push(text),
                Token::End => return found,
                Token::Name(_) | Token::Sign(_) | Token::Other => {}
            }
        }
    }

    #[test]
    fn texts_are_told_from_what_looks_like_them() {
        for (script, expected) in [
            ("a = 'x' + \"y\"", &["x", "y"][..]),
            ("// 'no'\n'yes' /* 'no' */ 'yes2'", &["yes", "yes2"]),
            ("<!-- 'no'\n'yes'", &["yes"]),
            ("a = /'no'/g; 'yes'", &["yes"]),
            ("a = b / c; 'yes' / 2", &["yes"]),
            ("f(/[/'\"]/, 'yes')", &["yes"]),
            ("return /'/.test('yes')", &["yes"]),
            ("x.length/2+'yes'", &["yes"]),
            ("(a)/2+'yes/'", &["yes/"]),
            ("'it\\'s', 'b'", &["it\\'s", "b"]),
            ("`plain` + `with ${'inner' + `${'deep'}`} part` + 'z'", &["plain", "inner", "deep", "z"]),
            ("`${ {a: 'x'} }` + 'y'", &["x", "y"]),
            ("'not ended\n'yes'", &["yes"]),
            ("'a\\\nb'", &["a\\\nb"]),
            ("`not ended 'no'", &[]),
            ("1.5e3 + 0x1F + 'yes'", &["yes"]),
            ("日本 = '花'", &["花"]),
        ] {
            assert_eq!(texts(script), expected, "{script}");
        }
    }

    #[test]
    fn escapes_become_characters() {
        for (written, meant) in [
            ("https:\\/\\/a", "https://a"),
            ("\\x2f\\u002F\\u{2F}", "///"),
            ("a\\\nb\\n", "ab\n"),
            ("\\'", "'"),
            ("\\", ""),
            ("\\u{", "{"),
            ("\\xZZ.", "."),
            ("\\u12", ""),
            ("\\あ", "あ"),
        ] {
            assert_eq!(unescaped(written), meant, "{written}");
        }
    }

    proptest! {
        #[test]
        fn any_script_comes_to_its_end(script in "[a-z'\"`$ {}/\\\\\\[\\]()*\n<!あ-]{0,200}", any in ".{0,80}") {
            for script in [script, any] {
                for text in texts(&script) {
                    prop_assert!(unescaped(text).len() <= text.len() * 2);
                }
            }
        }
    }
}
