//! What is wrong with a configuration, and where: collected, never one at a time, and shown with the line itself.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeSeq, SerializeStruct, Serializer};

/// A text that was read, for showing where in it a problem is.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The file's name as it was given, or `command line`.
    pub name: String,
    /// All of it; empty when it could not be read.
    pub text: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl Source {
    /// The text of the file at `path`.
    pub fn new(path: &Path, text: &str) -> Arc<Source> {
        Source::named(path.display().to_string(), text)
    }

    /// A text that is no file.
    pub fn named(name: impl Into<String>, text: &str) -> Arc<Source> {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Arc::new(Source { name: name.into(), text: text.to_owned(), lines })
    }

    /// The line, counted from 1, that holds the byte at `offset`.
    pub fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|&start| start <= offset)
    }

    /// The text of a line without its end, and where it begins.
    pub(super) fn line_text(&self, line: usize) -> (usize, &str) {
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let end = self.lines.get(line).copied().unwrap_or(self.text.len());
        let text = self.text.get(start..end).unwrap_or_default();
        (start, text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text)))
    }

    /// The column, counted from 1 in characters, of the byte at `offset`.
    fn column(&self, offset: usize) -> usize {
        let (start, text) = self.line_text(self.line(offset));
        1 + text.char_indices().take_while(|(at, _)| start + at < offset).count()
    }
}

/// What a problem stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing; but it is hardly what was meant.
    Warning,
    /// `check` and a reload refuse it. A start goes on without what is missing (a certificate that cannot be read,
    /// a broken list of origins), because the copies can still be served.
    Degraded,
    /// Everything: no configuration can be made of it.
    Error,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file that it stands in.
    pub file: Arc<Source>,
    /// The offending text, in bytes; `None` when the whole file is meant.
    pub span: Option<Range<usize>>,
    /// The key, such as `site[0].failover.patience`; empty for the file as a whole.
    pub key: String,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it; may be empty.
    pub help: String,
    /// What it stops.
    pub severity: Severity,
    /// Whether it says nothing of the file: there was no file descriptor left to read it with.
    pub passing: bool,
}

impl Problem {
    /// The line and column where it begins, counted from 1.
    pub fn position(&self) -> Option<(usize, usize)> {
        let at = self.span.as_ref()?.start;
        Some((self.file.line(at), self.file.column(at)))
    }
}

/// One line, for logs: `file:line:column: key: message; help`. What is not to be printed is escaped.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.file.name.clone();
        if let Some((row, column)) = self.position() {
            line.push_str(&format!(":{row}:{column}"));
        }
        for (separator, part) in [(": ", &self.key), (": ", &self.message), ("; ", &self.help)] {
            if !part.is_empty() {
                line.push_str(separator);
                line.push_str(part);
            }
        }
        line.chars().try_for_each(|c| {
            if c.is_control() { write!(f, "{}", c.escape_debug()) } else { write!(f, "{c}") }
        })
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let position = self.position();
        let mut out = serializer.serialize_struct("Problem", 7)?;
        out.serialize_field("severity", &self.severity)?;
        out.serialize_field("file", &self.file.name)?;
        out.serialize_field("line", &position.map(|(line, _)| line))?;
        out.serialize_field("column", &position.map(|(_, column)| column))?;
        out.serialize_field("key", &self.key)?;
        out.serialize_field("message", &self.message)?;
        out.serialize_field("help", &self.help)?;
        out.end()
    }
}

/// Every problem of a configuration, in the order of the file. May be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, each file's in the order of its lines.
    pub fn new(mut problems: Vec<Problem>) -> Problems {
        problems.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
        Problems(problems)
    }

    /// Adds those of another file.
    pub fn extend(&mut self, other: Problems) {
        self.0.extend(other.0);
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing to complain of.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the worst of them stops.
    pub fn worst(&self) -> Option<Severity> {
        self.iter().map(|problem| problem.severity).max()
    }

    /// Whether `check` and a reload have to refuse the configuration.
    pub fn refuse_reload(&self) -> bool {
        self.worst() >= Some(Severity::Degraded)
    }

    /// Whether even a start has to: there is no usable configuration.
    pub fn refuse_start(&self) -> bool {
        self.worst() >= Some(Severity::Error)
    }

    /// Whether nothing else is wrong than that file descriptors were lacking: then nothing is known of the configuration.
    pub fn are_passing(&self) -> bool {
        let mut grave = self.iter().filter(|problem| problem.severity > Severity::Warning).peekable();
        grave.peek().is_some() && grave.all(|problem| problem.passing)
    }

    /// The same problems, none worse than `most`.
    #[must_use]
    pub fn at_most(mut self, most: Severity) -> Problems {
        for problem in &mut self.0 {
            problem.severity = problem.severity.min(most);
        }
        self
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One line each.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Serialize for Problems {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_seq(Some(self.len()))?;
        for problem in self {
            out.serialize_element(problem)?;
        }
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str, offending: &str, severity: Severity) -> Problem {
        let file = Source::named("k.toml", text);
        let span = file.text.find(offending).map(|at| at..at + offending.len());
        let (key, message) = ("site[0].name".to_owned(), "it is wrong".to_owned());
        Problem { file, span, key, message, help: "mend it".to_owned(), severity, passing: false }
    }

    #[test]
    fn a_position_counts_lines_and_characters() {
        for (offending, line, column) in [("a", 1, 1), ("ん", 2, 3), ("x", 2, 4), ("z", 4, 1)] {
            let position = problem("a\r\nにほんx\n\nz", offending, Severity::Error).position();
            let expected = (line, if offending == "x" { 4 } else { column });
            assert_eq!(position, Some(expected), "{offending}");
        }
    }

    #[test]
    fn one_line_says_it_all_and_so_does_json() {
        let mut problem = problem("a = 1\nb = 2", "b", Severity::Degraded);
        assert_eq!(problem.to_string(), "k.toml:2:1: site[0].name: it is wrong; mend it");
        let json = serde_json::to_value(Problems::new(vec![problem.clone()])).unwrap();
        assert_eq!(
            json,
            serde_json::json!([{ "severity": "degraded", "file": "k.toml", "line": 2, "column": 1,
                "key": "site[0].name", "message": "it is wrong", "help": "mend it" }])
        );
        problem.key = "a\u{1b}[31m\nb".to_owned();
        assert_eq!(problem.to_string(), r"k.toml:2:1: a\u{1b}[31m\nb: it is wrong; mend it");
    }

    #[test]
    fn the_worst_decides_what_is_refused() {
        let of =
            |severity| Problems::new(vec![problem("a", "a", Severity::Warning), problem("a", "a", severity)]);
        let refused = |severity| (of(severity).refuse_reload(), of(severity).refuse_start());
        assert_eq!(refused(Severity::Warning), (false, false));
        assert_eq!(refused(Severity::Degraded), (true, false));
        assert_eq!(refused(Severity::Error), (true, true));
        assert!(!of(Severity::Error).at_most(Severity::Degraded).refuse_start());
        assert!(!Problems::default().refuse_reload());
    }
}
