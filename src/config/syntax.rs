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
        let (line, syntax) = (notes.source.line(span.start), syntax(message));
        match syntax.reach {
            Reach::Line => told.push(line),
            // What stands before it on the line is the key of what could not be read.
            Reach::Rest => trusted_to = trusted_to.min(notes.source.line_text(line).0),
        }
        if n < SYNTAX_TOLD {
            notes.error(&Span { range: span, key: String::new() }, Fault::new(message, syntax.help));
        }
    }
    (notes.trusted_to, notes.told) = (trusted_to, told);
    document
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
