//! Walking the parsed file. Every value is read on its own and keeps its place, so that one bad value hides no
//! other: reading never stops, it only notes.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::problem::{Problem, Severity, Source};

/// Where in the file something stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// Its bytes.
    pub(super) span: Range<usize>,
    /// Its key, such as `site[0].hosts[1]`.
    pub(super) key: String,
}

impl Place {
    /// A key of the table that stands here.
    pub(super) fn child(&self, name: &str, span: Range<usize>) -> Place {
        let key = if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) };
        Place { span, key }
    }

    /// An element of the list that stands here.
    fn item(&self, index: usize, span: Range<usize>) -> Place {
        Place { span, key: format!("{}[{index}]", self.key) }
    }

    /// The key as a table's header has it: `site.origin` for `site[0].origin[1]`.
    pub(super) fn header(&self) -> String {
        let mut header = String::with_capacity(self.key.len());
        let mut index = false;
        for c in self.key.chars() {
            index = c == '[' || index && c != ']';
            if !index && c != ']' {
                header.push(c);
            }
        }
        header
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// What a key of a table turned out to be.
#[derive(Clone, Debug, Default)]
pub(super) enum Slot<T> {
    /// The file is silent.
    #[default]
    Absent,
    /// It was there, and its problem is noted.
    Broken,
    /// It is there.
    Here(At<T>),
}

impl<T> Slot<T> {
    /// What is there, if it could be read.
    pub(super) fn here(self) -> Option<At<T>> {
        match self {
            Slot::Absent | Slot::Broken => None,
            Slot::Here(at) => Some(at),
        }
    }

    /// The value, or the default.
    pub(super) fn or(self, default: T) -> T {
        self.here().map_or(default, |at| at.value)
    }

    /// The value, or an empty one.
    pub(super) fn or_default(self) -> T
    where
        T: Default,
    {
        self.or(T::default())
    }

    /// Whether the file says something about it, right or wrong.
    pub(super) fn is_given(&self) -> bool {
        match self {
            Slot::Absent => false,
            Slot::Broken | Slot::Here(_) => true,
        }
    }
}

/// One sentence on what is wrong with a value, and one on what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) help: String,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Fault {
        Fault { message: message.into(), help: help.into() }
    }
}

/// The problems of one file, as they are found.
#[derive(Debug)]
pub(super) struct Notes {
    source: Arc<Source>,
    problems: Vec<Problem>,
    /// Where the text could first not be read as TOML. What comes after it may be misread, so nothing is said of it.
    trusted_to: usize,
    /// Lines with a syntax error that reaches no further: nothing more is said of these.
    told: Vec<usize>,
}

/// So many problems of one file are kept; who writes such a file mends the first ones first.
const KEPT: usize = 1000;

impl Notes {
    pub(super) fn new(source: Arc<Source>) -> Notes {
        Notes { source, problems: Vec::new(), trusted_to: usize::MAX, told: Vec::new() }
    }

    /// Notes that the value at `place` cannot be used.
    pub(super) fn error(&mut self, place: &Place, fault: Fault) {
        self.note(Severity::Error, place, fault);
    }

    /// Notes what a start survives, and `check` and a reload do not.
    pub(super) fn degraded(&mut self, place: &Place, fault: Fault) {
        self.note(Severity::Degraded, place, fault);
    }

    /// Notes what is hardly meant.
    pub(super) fn warning(&mut self, place: &Place, fault: Fault) {
        self.note(Severity::Warning, place, fault);
    }

    /// Notes a key that is not among `siblings`, the keys of `table`.
    pub(super) fn unknown(&mut self, name: &str, place: &Place, table: &Place, siblings: &[&str]) {
        if self.problems.len() < KEPT {
            self.error(place, super::keys::unknown(name, table, siblings));
        }
    }

    /// Notes that `table` lacks `key`. Nothing is lacking in a file that could not be read to its end.
    pub(super) fn missing(&mut self, table: &Place, key: &str, help: &str) {
        if self.trusted_to == usize::MAX && self.told.is_empty() {
            let place = table.child(key, table.span.clone());
            self.error(&place, Fault::new(format!("`{key}` is missing"), help));
        }
    }

    /// Notes what the file as a whole lacks.
    pub(super) fn whole(&mut self, severity: Severity, fault: Fault) {
        if self.trusted_to == usize::MAX && self.told.is_empty() {
            let Fault { message, help } = fault;
            let file = self.source.clone();
            self.problems.push(Problem { file, span: None, key: String::new(), message, help, severity });
        }
    }

    /// Whether nothing was noted so far.
    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether something was noted of what stands in `place`.
    pub(super) fn has_within(&self, place: &Place) -> bool {
        let within =
            |problem: &Problem| problem.span.as_ref().is_some_and(|span| place.span.contains(&span.start));
        self.problems.iter().any(within)
    }

    /// The line on which a place begins.
    pub(super) fn line(&self, place: &Place) -> usize {
        self.source.line(place.span.start)
    }

    /// Ends the reading.
    pub(super) fn into_problems(self) -> super::problem::Problems {
        super::problem::Problems::new(self.problems)
    }

    fn note(&mut self, severity: Severity, place: &Place, fault: Fault) {
        let told = !self.told.is_empty() && self.told.contains(&self.source.line(place.span.start));
        if place.span.start < self.trusted_to && !told && self.problems.len() < KEPT {
            let Fault { message, help } = fault;
            let (file, span) = (self.source.clone(), Some(place.span.clone()));
            self.problems.push(Problem { file, span, key: place.key.clone(), message, help, severity });
        }
    }
}

/// So many syntax errors are told; one of them often makes the rest.
const SYNTAX_TOLD: usize = 5;

/// Parses the text of `notes`' file. Of what a syntax error makes unreadable nothing but the error is noted.
pub(super) fn parse<'t>(text: &'t str, notes: &mut Notes) -> Spanned<DeTable<'t>> {
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
            notes.error(&Place { span, key: String::new() }, Fault::new(message, syntax.help));
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
        let help = "it is there already; a list of sites, origins or routes has its header in double brackets, as in [[site]]";
        Syntax { reach: Reach::Line, help }
    } else {
        Syntax { reach: Reach::Rest, help: "this is not TOML; what follows it was not looked at" }
    }
}

/// What can be read from a value of the file.
pub(super) trait Value: Sized {
    /// Whether it is a table; a list of such is written with `[[…]]`.
    const TABLE: bool = false;

    /// Reads it, or notes why not.
    fn read(value: &DeValue<'_>, place: &Place, notes: &mut Notes) -> Option<Self>;

    /// The keys below it, when it is a table or a list of tables.
    fn keys(_prefix: &str, _out: &mut Vec<super::keys::Key>) {}
}

/// Reads what stands at `place`.
pub(super) fn slot<T: Value>(value: &Spanned<DeValue<'_>>, place: Place, notes: &mut Notes) -> Slot<T> {
    match T::read(value.get_ref(), &place, notes) {
        Some(value) => Slot::Here(At { value, place }),
        None => Slot::Broken,
    }
}

impl<T: Value> Value for Vec<At<T>> {
    fn read(value: &DeValue<'_>, place: &Place, notes: &mut Notes) -> Option<Self> {
        let list = list(value, place, T::TABLE, notes)?;
        let mut out = Vec::with_capacity(list.len());
        for (index, item) in list.iter().enumerate() {
            let place = place.item(index, item.span());
            if let Some(value) = T::read(item.get_ref(), &place, notes) {
                out.push(At { value, place });
            }
        }
        Some(out)
    }

    fn keys(prefix: &str, out: &mut Vec<super::keys::Key>) {
        T::keys(prefix, out);
    }
}

/// The value as a list; `of_tables` when it is written with `[[…]]`.
fn list<'v, 't>(
    value: &'v DeValue<'t>,
    place: &Place,
    of_tables: bool,
    notes: &mut Notes,
) -> Option<&'v DeArray<'t>> {
    if let Some(list) = value.as_array() {
        return Some(list);
    }
    let help = match (of_tables, value.is_table(), value.is_str()) {
        (true, true, _) => format!("write [[{}]], in double brackets", place.header()),
        (true, false, _) => format!("write a table for each, under [[{}]]", place.header()),
        (false, _, true) => "put it in brackets, as in [\"…\"]".to_owned(),
        (false, _, false) => "write a list, as in [\"…\"]".to_owned(),
    };
    let name = place.header();
    notes.error(place, Fault::new(format!("`{name}` has to be a list, not {}", kind(value)), help));
    None
}

/// The value as a table.
pub(super) fn table<'v, 't>(
    value: &'v DeValue<'t>,
    place: &Place,
    notes: &mut Notes,
) -> Option<&'v DeTable<'t>> {
    let found = value.as_table();
    if found.is_none() {
        let name = place.header();
        let once = if value.is_array() { " once" } else { "" };
        let help = format!("write [{name}]{once}, and its keys below it");
        notes.error(place, Fault::new(format!("`{name}` has to be a table, not {}", kind(value)), help));
    }
    found
}

/// The value as a text; `expected` is what it should look like, as in `a duration such as "10s"`.
pub(super) fn text<'v>(
    value: &'v DeValue<'_>,
    place: &Place,
    expected: &str,
    notes: &mut Notes,
) -> Option<&'v str> {
    let found = value.as_str();
    if found.is_none() {
        let message = format!("`{}` has to be {expected}, not {}", place.header(), kind(value));
        notes.error(place, Fault::new(message, format!("write {expected}, in quotes")));
    }
    found
}

/// The value as a number that is not negative.
pub(super) fn whole_number(value: &DeValue<'_>, place: &Place, notes: &mut Notes) -> Option<u64> {
    let Some(number) = value.as_integer() else {
        let help = match value.as_str() {
            Some(text) if text.parse::<u64>().is_ok() => format!("write {text}, without quotes"),
            _ => "write digits, without quotes".to_owned(),
        };
        let message = format!("`{}` has to be a whole number, not {}", place.header(), kind(value));
        notes.error(place, Fault::new(message, help));
        return None;
    };
    let parsed = u64::from_str_radix(number.as_str(), number.radix()).ok();
    if parsed.is_none() {
        let message =
            format!("{} is not a number that `{}` can have", shown(number.as_str()), place.header());
        notes.error(place, Fault::new(message, "write a whole number that is not negative"));
    }
    parsed
}

impl Value for u64 {
    fn read(value: &DeValue<'_>, place: &Place, notes: &mut Notes) -> Option<u64> {
        whole_number(value, place, notes)
    }
}

/// The kind of a value, with its article.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a broken number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A text from the file as it may stand in a message: quoted, escaped, and not too long.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return format!("{text:?}");
    }
    let short: String = text.chars().take(MOST).collect();
    format!("{:?}", short + "…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_key_without_its_indexes() {
        let place = |key: &str| Place { span: 0..0, key: key.to_owned() };
        assert_eq!(place("site[0].origin[12].url").header(), "site.origin.url");
        assert_eq!(place("listen.http[0]").header(), "listen.http");
        assert_eq!(place("dns").header(), "dns");
    }

    #[test]
    fn what_is_shown_is_escaped_and_short() {
        assert_eq!(shown("a\u{1b}[31m\n"), r#""a\u{1b}[31m\n""#);
        assert_eq!(shown(&"あ".repeat(500)).chars().count(), 63);
    }

    #[test]
    fn only_what_stands_before_a_syntax_error_is_judged() {
        let text = "a = 1\n[limits\nb = 2\n";
        let mut notes = Notes::new(Source::named("k", text));
        let _ = parse(text, &mut notes);
        let at = |offset: usize| Place { span: offset..offset + 1, key: "x".to_owned() };
        notes.error(&at(0), Fault::new("before", ""));
        notes.error(&at(14), Fault::new("after", ""));
        notes.missing(&at(0), "c", "");
        let messages: Vec<String> = notes.into_problems().iter().map(|p| p.message.clone()).collect();
        assert_eq!(messages, ["before", "unclosed table, expected `]`"]);
    }
}
