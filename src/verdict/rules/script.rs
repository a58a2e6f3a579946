//! Whether a script ends in the middle: with a bracket, a text or a comment open. As far as words must be told apart for that
//! (ECMA-262 section 12); not a parser. Whoever does not find his way says that nothing is open.

/// Words after which a slash begins a regular expression.
const BEFORE_VALUE: [&[u8]; 14] = [
    b"await",
    b"case",
    b"delete",
    b"do",
    b"else",
    b"in",
    b"instanceof",
    b"new",
    b"of",
    b"return",
    b"throw",
    b"typeof",
    b"void",
    b"yield",
];

/// What is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Round,
    Square,
    Curly,
    /// A template, and a part of it that is filled in.
    Template,
    Part,
}

/// How a word of the text ended.
enum Word {
    /// Before this place.
    At(usize),
    /// It did not.
    Open,
    /// It is none.
    Lost,
}

/// Whether something is open at the end.
pub(super) fn is_open(text: &[u8]) -> bool {
    walk(text).unwrap_or(false)
}

/// The same; `None`: it is not clear what is what.
fn walk(text: &[u8]) -> Option<bool> {
    let (mut open, mut at) = (Vec::new(), 0);
    // whether a slash would begin a regular expression
    let mut wants_value = true;
    while let Some(&b) = text.get(at) {
        if open.last() == Some(&Open::Template) {
            match (b, text.get(at + 1)) {
                (b'\\', _) => at += 2,
                (b'`', _) => (_, at, wants_value) = (open.pop(), at + 1, false),
                (b'$', Some(b'{')) => {
                    open.push(Open::Part);
                    (at, wants_value) = (at + 2, true);
                }
                _ => at += 1,
            }
            continue;
        }
        let word = match (b, text.get(at + 1)) {
            (b'/', Some(b'/')) => Word::At(line_end(text, at)),
            (b'<', Some(b'!')) if text[at..].starts_with(b"<!--") => Word::At(line_end(text, at)),
            (b'/', Some(b'*')) => after(text, at + 2, b"*/"),
            (b'"' | b'\'', _) => quoted(text, at),
            (b'/', _) if wants_value => regex(text, at),
            _ => Word::At(at),
        };
        let end = match word {
            Word::At(end) => end,
            Word::Open => return Some(true),
            Word::Lost => return None,
        };
        if end > at {
            let is_comment = matches!((b, text.get(at + 1)), (b'/', Some(b'/' | b'*')) | (b'<', _));
            (at, wants_value) = (end, is_comment && wants_value);
            continue;
        }
        if is_name(b) {
            let end = text[at..].iter().position(|b| !is_name(*b)).map_or(text.len(), |len| at + len);
            let is_member = text[..at].trim_ascii_end().ends_with(b".");
            wants_value = !is_member && BEFORE_VALUE.contains(&&text[at..end]);
            at = end;
            continue;
        }
        at += 1;
        match b {
            b'(' => open.push(Open::Round),
            b'[' => open.push(Open::Square),
            b'{' => open.push(Open::Curly),
            b'`' => open.push(Open::Template),
            b')' if open.pop() != Some(Open::Round) => return None,
            b']' if open.pop() != Some(Open::Square) => return None,
            b'}' if !matches!(open.pop(), Some(Open::Curly | Open::Part)) => return None,
            _ => {}
        }
        // `x++ / y` and `++/x/.y` are both rare
        let is_blank = b.is_ascii_whitespace();
        wants_value = if is_blank { wants_value } else { !matches!(b, b')' | b']' | b'}') };
    }
    Some(!open.is_empty())
}

fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'#' | b'\\') || b >= 0x80
}

fn line_end(text: &[u8], from: usize) -> usize {
    text[from..].iter().position(|b| matches!(b, b'\n' | b'\r')).map_or(text.len(), |at| from + at)
}

fn after(text: &[u8], from: usize, mark: &[u8]) -> Word {
    let found = text.get(from..).and_then(|rest| rest.windows(mark.len()).position(|window| window == mark));
    found.map_or(Word::Open, |at| Word::At(from + at + mark.len()))
}

fn quoted(text: &[u8], from: usize) -> Word {
    let mut at = from + 1;
    while let Some(&b) = text.get(at) {
        match b {
            b'\\' if text[at..].starts_with(b"\\\r\n") => at += 3,
            b'\\' => at += 2,
            b'\n' | b'\r' => return Word::Lost,
            _ if b == text[from] => return Word::At(at + 1),
            _ => at += 1,
        }
    }
    Word::Open
}

/// A regular expression with its flags. One that the end cuts off may as well have been a division.
fn regex(text: &[u8], from: usize) -> Word {
    let (mut at, mut in_class) = (from + 1, false);
    while let Some(&b) = text.get(at) {
        at += 1;
        match b {
            b'\\' => at += 1,
            b'\n' | b'\r' => return Word::Lost,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'/' if !in_class => {
                let flags = text.get(at..).unwrap_or_default().iter().take_while(|b| b.is_ascii_alphabetic());
                return Word::At(at + flags.count());
            }
            _ => {}
        }
    }
    Word::Lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_at_the_end_is_seen_and_what_only_looks_so_is_not() {
        for (text, expected) in [
            ("", Some(false)),
            ("a(b[c]){d}", Some(false)),
            ("a(b[c]){d", Some(true)),
            ("x = 'a", Some(true)),
            ("x = \"it's {\"; // don't {", Some(false)),
            ("/* { */ x /* (", Some(true)),
            ("x = /[/({]\\//g; y = 4 / 2 / (1)", Some(false)),
            ("return /'/.test(x)", Some(false)),
            ("`a ${b + `c ${d} {`} }`", Some(false)),
            ("`a ${b + `c ${d}", Some(true)),
            ("`a } \\` {", Some(true)),
            ("x = 'a\\\nb'", Some(false)),
            ("it's no script\n", None),
            ("a)", None),
            ("a(]", None),
            ("x = /(", None),
        ] {
            assert_eq!(walk(text.as_bytes()), expected, "{text}");
        }
    }
}
