//! Text that is not TOML: what is said of it, and how much of the rest can still be believed.

use std::ops::Range;

use toml::de::DeTable;

use super::node::{Fault, Notes, Span};

/// How many syntax errors are reported; one of them often causes the rest.
const SYNTAX_TOLD: usize = 5;

/// Parses the text of `notes`' file. Of what a syntax error makes unreadable nothing but the error is noted.
pub(super) fn parse<'t>(text: &'t str, notes: &mut Notes) -> toml::Spanned<DeTable<'t>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut found: Vec<(Range<usize>, &str)> =
        errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message())).collect();
    found.sort_by_key(|(span, _)| span.start);
    found.dedup_by_key(|(span, _)| notes.source.line(span.start));
    let (mut trusted_to, mut told) = (usize::MAX, Vec::new());
    for (n, (span, message)) in found.into_iter().enumerate() {
        if let Some(open) = unclosed_list(text, message, span.start) {
            trusted_to = trusted_to.min(notes.source.line_text(notes.source.line(open)).0);
            let (span, help) = (open..open + 1, "write ] at its end; nothing after it was checked");
            notes.error(&Span { range: span, key: String::new() }, Fault::new(open_list(text, open), help));
            break; // whatever comes after it is only read as a part of the list
        }
        let (line, syntax) = (notes.source.line(span.start), syntax(message));
        match syntax.reach {
            Reach::Line => told.push(line),
            // What stands before it on the line is the key of what could not be read.
            Reach::Rest => trusted_to = trusted_to.min(notes.source.line_text(line).0),
        }
        if n < SYNTAX_TOLD {
            let written = text.get(span.clone()).unwrap_or_default();
            let fault = if syntax.reach == Reach::Line && written.contains(CURLY) {
                Fault::new("these quotes are curly", "write straight ones, as in \"10s\"")
            } else {
                Fault::new(message, syntax.help)
            };
            notes.error(&Span { range: span, key: String::new() }, fault);
        }
    }
    (notes.trusted_to, notes.told) = (trusted_to, told);
    document
}

/// What word processors and web pages put in the place of quotes.
const CURLY: [char; 5] = ['“', '”', '„', '‘', '’'];

/// Where the list begins that an error is about, if it is that the list has no end: then the parser complains of every line
/// after it.
fn unclosed_list(text: &str, message: &str, at: usize) -> Option<usize> {
    if message.starts_with("unclosed array") {
        return last_open(text.get(..at)?);
    }
    if !["missing comma between array elements", "string values must be quoted"]
        .iter()
        .any(|known| message.starts_with(known))
    {
        return None;
    }
    let begins = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(begins..)?.lines().next().unwrap_or_default().trim();
    let is_key = |text: &str| {
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        !text.is_empty() && text.chars().all(bare)
    };
    let header = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let is_header = header.is_some_and(|(name, _)| is_key(name.trim_start_matches('[').trim()));
    let is_setting = line.split_once('=').is_some_and(|(key, _)| is_key(key.trim()));
    if is_header || is_setting { last_open(text.get(..begins)?) } else { None }
}

/// Where the last bracket is that nothing has closed.
fn last_open(text: &str) -> Option<usize> {
    let (mut open, mut quote, mut comment, mut escaped) = (Vec::new(), None, false, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (_, '\n') => (quote, comment, escaped) = (None, false, false),
            _ if comment => {}
            (Some(_), _) if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(closing), _) if c == closing => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') => comment = true,
            (None, '[') => open.push(at),
            (None, ']') => _ = open.pop(),
            (None, _) => {}
        }
    }
    open.pop()
}

/// Which list it is.
fn open_list(text: &str, open: usize) -> String {
    let before = text.get(..open).and_then(|before| before.lines().last()).unwrap_or_default();
    match before.trim().strip_suffix('=') {
        Some(key) => format!("the list `{}` is not closed", key.trim()),
        None => "the list that begins here is not closed".to_owned(),
    }
}

/// How far a syntax error makes the text unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Line,
    Rest,
}

struct Syntax {
    reach: Reach,
    help: &'static str,
}

fn syntax(message: &str) -> Syntax {
    if message.starts_with("string values must be quoted") {
        Syntax { reach: Reach::Line, help: "put the value in quotes, as in \"10s\"" }
    } else if message.starts_with("duplicate key") {
        let help =
            "it is already there; a list of sites, origins or routes has double brackets, as in [[site]]";
        Syntax { reach: Reach::Line, help }
    } else {
        Syntax { reach: Reach::Rest, help: "this is not TOML; nothing after it was checked" }
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem::Source;
    use super::*;

    fn problems(text: &str) -> Vec<(String, usize)> {
        let mut notes = Notes::new(Source::named("k", text));
        let _ = parse(text, &mut notes);
        let problems = notes.into_problems();
        problems.iter().map(|p| (p.message.clone(), p.position().unwrap().0)).collect()
    }

    #[test]
    fn a_list_without_an_end_is_one_problem() {
        let rest = "key_pages = [\"/\"]\n\n[[site.origin]]\nurl = \"https://203.0.113.10\"\n";
        for (list, line) in [
            ("hosts = [\"a.example\", \"b.example\"\n", 2),
            ("hosts = [ # ]\n  \"a]\\\"]\",\n", 2),
            ("\nhosts = [\n  'a.example'\n", 3),
        ] {
            let found = problems(&format!("[[site]]\n{list}{rest}"));
            assert_eq!(found, [("the list `hosts` is not closed".to_owned(), line)], "{list}");
            let found = problems(&format!("[[site]]\n{list}[site.tls]\ncert = \"a\"\n"));
            assert_eq!(found, [("the list `hosts` is not closed".to_owned(), line)], "{list}");
            let found = problems(&format!("[[site]]\n{list}"));
            assert_eq!(found, [("the list `hosts` is not closed".to_owned(), line)], "{list}");
        }
        let found = problems("hosts = [\"a.example\" \"b.example\"]\n");
        assert!(found.len() == 1 && found[0].0.starts_with("missing comma"), "{found:?}");
        let found = problems("hosts = [\n\"a.example\"\n\"b.example\"]\n");
        assert!(found.len() == 1 && found[0].0.starts_with("missing comma"), "{found:?}");
    }

    #[test]
    fn curly_quotes_are_named() {
        let found = problems("hosts = [“www.example.jp”]\nkey = ‘a’\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|(message, _)| message == "these quotes are curly"), "{found:?}");
    }

    #[test]
    fn only_what_stands_before_a_syntax_error_is_judged() {
        let text = "a = 1\n[limits\nb = 2\n";
        let mut notes = Notes::new(Source::named("k", text));
        let _ = parse(text, &mut notes);
        let at = |offset: usize| Span { range: offset..offset + 1, key: "x".to_owned() };
        notes.error(&at(0), Fault::new("before", ""));
        notes.error(&at(14), Fault::new("after", ""));
        notes.missing(&at(0), "c", "");
        let messages: Vec<String> = notes.into_problems().iter().map(|p| p.message.clone()).collect();
        assert_eq!(messages, ["before", "unclosed table, expected `]`"]);
    }
}
