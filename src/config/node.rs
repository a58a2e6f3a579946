//! Walking the parsed file. Every value is read on its own and keeps its place, so that one bad value hides no
//! other: reading never stops, it only notes.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Severity, Source};

/// Where in the file something stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Span {
    /// Its bytes.
    pub(super) range: Range<usize>,
    /// Its key, such as `site[0].hosts[1]`.
    pub(super) key: String,
}

impl Span {
    /// A key of the table that stands here.
    pub(super) fn child(&self, name: &str, span: Range<usize>) -> Span {
        let key = if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) };
        Span { range: span, key }
    }

    /// An element of the list that stands here.
    fn item(&self, index: usize, span: Range<usize>) -> Span {
        Span { range: span, key: format!("{}[{index}]", self.key) }
    }

    /// The key without indexes: `site.origin` for `site[0].origin[1]`.
    pub(super) fn path(&self) -> String {
        without_indexes(&self.key)
    }

    /// The key as the subject of a sentence.
    fn subject(&self) -> String {
        if self.key.ends_with(']') {
            format!("an entry of `{}`", self.path())
        } else {
            format!("`{}`", self.path())
        }
    }
}

/// A key without its indexes.
pub(super) fn without_indexes(key: &str) -> String {
    let mut inside = false;
    let outside = |c: &char| {
        inside = *c == '[' || inside && *c != ']';
        !inside && *c != ']'
    };
    key.chars().filter(outside).collect()
}

/// The header of the table with this key: `[[site.origin]]` for `site[0].origin[1]`.
pub(super) fn header(key: &str) -> String {
    let path = without_indexes(key);
    if key.ends_with(']') { format!("[[{path}]]") } else { format!("[{path}]") }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) span: Span,
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
    Here(Spanned<T>),
}

impl<T> Slot<Vec<T>> {
    /// The list, or an empty one.
    pub(super) fn listed(&self) -> &[T] {
        match self {
            Slot::Absent | Slot::Broken => &[],
            Slot::Here(at) => &at.value,
        }
    }
}

impl<T> Slot<T> {
    /// What is there, if it could be read.
    pub(super) fn here(self) -> Option<Spanned<T>> {
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
    /// See [`Problem::passing`].
    pub(super) passing: bool,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Fault {
        Fault { message: message.into(), help: help.into(), passing: false }
    }
}

/// The problems of one file, as they are found.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) source: Arc<Source>,
    problems: Vec<Problem>,
    /// Where the text could first not be read as TOML. What comes after it may be misread, so nothing is said of it.
    pub(super) trusted_to: usize,
    /// Lines with a syntax error that reaches no further: nothing more is said of these.
    pub(super) told: Vec<usize>,
}

/// The most problems of one file that are kept; whoever has more mends the first ones first.
const KEPT: usize = 1000;

impl Notes {
    pub(super) fn new(source: Arc<Source>) -> Notes {
        Notes { source, problems: Vec::new(), trusted_to: usize::MAX, told: Vec::new() }
    }

    /// Notes that the value at `place` cannot be used.
    pub(super) fn error(&mut self, span: &Span, fault: Fault) {
        self.note(Severity::Error, span, fault);
    }

    /// Notes what a start survives, and `check` and a reload do not.
    pub(super) fn degraded(&mut self, span: &Span, fault: Fault) {
        self.note(Severity::Degraded, span, fault);
    }

    /// Notes what is hardly meant.
    pub(super) fn warning(&mut self, span: &Span, fault: Fault) {
        self.note(Severity::Warning, span, fault);
    }

    /// Notes a key that is none of `table`'s.
    pub(super) fn unknown(&mut self, name: &str, span: &Span, table: &Span, siblings: &[&str]) {
        if self.problems.len() < KEPT {
            self.error(span, super::keys::unknown(name, &table.key, siblings));
        }
    }

    /// Notes that `table` lacks `key`.
    pub(super) fn missing(&mut self, table: &Span, key: &str, help: &str) {
        let span = table.child(key, table.range.clone());
        self.lacking(Severity::Error, &span, Fault::new(format!("`{key}` is missing"), help));
    }

    /// Notes that something is not there. In a file that could not be read to its end, nothing is known to be lacking.
    pub(super) fn lacking(&mut self, severity: Severity, span: &Span, fault: Fault) {
        if self.is_trusted() {
            self.note(severity, span, fault);
        }
    }

    /// Notes what the file as a whole lacks.
    pub(super) fn whole(&mut self, severity: Severity, fault: Fault) {
        if self.is_trusted() {
            let Fault { message, help, passing } = fault;
            let file = self.source.clone();
            self.problems.push(Problem {
                file,
                span: None,
                key: String::new(),
                message,
                help,
                severity,
                passing,
            });
        }
    }

    fn is_trusted(&self) -> bool {
        self.trusted_to == usize::MAX && self.told.is_empty()
    }

    /// Whether nothing was noted so far.
    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether something was noted of what stands in `span`.
    pub(super) fn has_within(&self, span: &Span) -> bool {
        let within =
            |problem: &Problem| problem.span.as_ref().is_some_and(|at| span.range.contains(&at.start));
        self.problems.iter().any(within)
    }

    /// The line on which a place begins.
    pub(super) fn line(&self, span: &Span) -> usize {
        self.source.line(span.range.start)
    }

    /// Ends the reading.
    pub(super) fn into_problems(self) -> super::problem::Problems {
        super::problem::Problems::new(self.problems)
    }

    fn note(&mut self, severity: Severity, span: &Span, fault: Fault) {
        if self.problems.len() >= KEPT || span.range.start >= self.trusted_to {
            return;
        }
        if self.told.is_empty() || !self.told.contains(&self.source.line(span.range.start)) {
            let Fault { message, help, passing } = fault;
            let (file, key) = (self.source.clone(), span.key.clone());
            self.problems.push(Problem {
                file,
                span: Some(span.range.clone()),
                key,
                message,
                help,
                severity,
                passing,
            });
        }
    }
}

/// What can be read from a value of the file.
pub(super) trait Value: Sized {
    /// Whether it is a table; a list of such is written with `[[…]]`.
    const TABLE: bool = false;

    /// Reads it, or notes why not.
    fn read(value: &DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<Self>;

    /// The keys below it, when it is a table or a list of tables.
    fn keys(_prefix: &str, _out: &mut Vec<String>) {}
}

/// Reads what stands at `span`.
pub(super) fn slot<T: Value>(value: &toml::Spanned<DeValue<'_>>, span: Span, notes: &mut Notes) -> Slot<T> {
    match T::read(value.get_ref(), &span, notes) {
        Some(value) => Slot::Here(Spanned { value, span }),
        None => Slot::Broken,
    }
}

impl<T: Value> Value for Vec<Spanned<T>> {
    fn read(value: &DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<Self> {
        let Some(list) = value.as_array() else {
            notes.error(span, not_a_list(value, span, T::TABLE));
            if T::TABLE && value.is_table() {
                // It is one table in single brackets. What stands in it has problems of its own.
                let _ = T::read(value, &span.item(0, span.range.clone()), notes);
            }
            return None;
        };
        let mut out = Vec::with_capacity(list.len());
        for (index, item) in list.iter().enumerate() {
            let span = span.item(index, item.span());
            if let Some(value) = T::read(item.get_ref(), &span, notes) {
                out.push(Spanned { value, span });
            }
        }
        Some(out)
    }

    fn keys(prefix: &str, out: &mut Vec<String>) {
        T::keys(&format!("{prefix}[]"), out);
    }
}

fn not_a_list(value: &DeValue<'_>, span: &Span, of_tables: bool) -> Fault {
    let path = span.path();
    let help = match (of_tables, value.is_table(), value.is_str()) {
        (true, true, _) => format!("write [[{path}]], in double brackets"),
        (true, false, _) => format!("write a table for each, under [[{path}]]"),
        (false, _, true) => "put it in brackets, as in [\"…\"]".to_owned(),
        (false, _, false) => "write a list, as in [\"…\"]".to_owned(),
    };
    Fault::new(format!("{} must be a list, not {}", span.subject(), kind(value)), help)
}

/// The value as a table.
pub(super) fn table<'v, 't>(
    value: &'v DeValue<'t>,
    span: &Span,
    notes: &mut Notes,
) -> Option<&'v DeTable<'t>> {
    let found = value.as_table();
    if found.is_none() {
        let once = if value.is_array() { " once" } else { "" };
        let help = format!("write {}{once}, and its keys below it", header(&span.key));
        let message = format!("{} must be a table, not {}", span.subject(), kind(value));
        notes.error(span, Fault::new(message, help));
    }
    found
}

/// The value as a text; `expected` is what it should look like, as in `a duration such as "10s"`.
pub(super) fn text<'v>(
    value: &'v DeValue<'_>,
    span: &Span,
    expected: &str,
    notes: &mut Notes,
) -> Option<&'v str> {
    let found = value.as_str();
    if found.is_none() {
        let message = format!("{} must be {expected}, not {}", span.subject(), kind(value));
        notes.error(span, Fault::new(message, format!("write {expected}, in quotes")));
    }
    found
}

/// The value as a number that is not negative.
pub(super) fn whole_number(value: &DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<u64> {
    let Some(number) = value.as_integer() else {
        let help = match value.as_str() {
            Some(text) if text.parse::<u64>().is_ok() => format!("write {text}, without quotes"),
            _ => "write digits, without quotes".to_owned(),
        };
        let message = format!("{} must be a whole number, not {}", span.subject(), kind(value));
        notes.error(span, Fault::new(message, help));
        return None;
    };
    let parsed = u64::from_str_radix(number.as_str(), number.radix()).ok();
    if parsed.is_none() {
        let message = format!("{} is not a valid number for {}", shown(number.as_str()), span.subject());
        notes.error(span, Fault::new(message, "write a whole number, 0 or more"));
    }
    parsed
}

impl Value for u64 {
    fn read(value: &DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<u64> {
        whole_number(value, span, notes)
    }
}

impl Value for bool {
    fn read(value: &DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<bool> {
        let found = value.as_bool();
        if found.is_none() {
            let help = match value.as_str() {
                Some("true" | "on" | "yes") => "write true, without quotes",
                Some("false" | "off" | "no") => "write false, without quotes",
                Some(_) | None => "write true or false, without quotes",
            };
            let message = format!("{} must be true or false, not {}", span.subject(), kind(value));
            notes.error(span, Fault::new(message, help));
        }
        found
    }
}

/// The kind of a value, with its article.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "a boolean",
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
        assert_eq!(without_indexes("site[0].origin[12].url"), "site.origin.url");
        assert_eq!(header("site[0].origin[12]"), "[[site.origin]]");
        assert_eq!(header("site[].tls"), "[site.tls]");
        assert_eq!(header("dns"), "[dns]");
    }

    #[test]
    fn what_is_shown_is_escaped_and_short() {
        assert_eq!(shown("a\u{1b}[31m\n"), r#""a\u{1b}[31m\n""#);
        assert_eq!(shown(&"あ".repeat(500)).chars().count(), 63);
    }
}
