//! Problems as a person reads them: the file, the line, the offending text underlined, and what to do.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};

use super::problem::{Problem, Problems, Severity};

/// How many are shown; whoever has more learns how many, and mends the first ones first.
const SHOWN: usize = 100;

/// What stands further than this from the beginning of its line, in bytes, is not shown: no editor made that line.
const FAR: usize = 2000;

/// Whether the text goes to a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// No escape codes.
    Plain,
    /// With colours.
    Coloured,
}

impl Style {
    /// What suits `stream`: colours for a terminal, unless the user's environment asks for none.
    pub fn of<S: anstream::stream::RawStream>(stream: &S) -> Style {
        match anstream::AutoStream::choice(stream) {
            anstream::ColorChoice::Never => Style::Plain,
            anstream::ColorChoice::Auto
            | anstream::ColorChoice::Always
            | anstream::ColorChoice::AlwaysAnsi => Style::Coloured,
        }
    }
}

/// All problems, an empty line between them, ending with a line's end; nothing when there are none.
pub fn render(problems: &Problems, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    let mut out = String::new();
    for problem in problems.iter().take(SHOWN) {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&one(problem, &renderer));
        out.push('\n');
    }
    if problems.len() > SHOWN {
        out.push_str(&format!("\nand {} more\n", problems.len() - SHOWN));
    }
    out
}

fn one(problem: &Problem, renderer: &Renderer) -> String {
    let level = match problem.severity {
        Severity::Warning => Level::WARNING,
        // What it stops differs; that it has to be mended does not.
        Severity::Degraded | Severity::Error => Level::ERROR,
    };
    let help = (!problem.help.is_empty()).then(|| normalize_untrusted_str(&problem.help));
    let help = help.as_deref().map(|help| Level::HELP.message(help));
    let without_line = |span: String| {
        let title = level.clone().primary_title(format!("{span}: {}", problem.message));
        renderer.render(&[annotate_snippets::Group::with_title(title).elements(help.clone())])
    };
    let Some(span) = &problem.span else {
        return without_line(problem.file.name.clone());
    };
    // One line of the file is enough, and no more of it than can be read: the cost of showing a problem has nothing
    // to do with the size of the file.
    let line = problem.file.line(span.start);
    let (start, text) = problem.file.line_text(line);
    let from = boundary(text, span.start - start);
    if from > FAR {
        return without_line(format!("{}:{line}", problem.file.name));
    }
    let to = boundary(text, span.end.saturating_sub(start).min(2 * FAR)).max(from);
    let text = &text[..boundary(text, 3 * FAR)];
    let text = if may_hold_secrets(&problem.key) { without_secrets(text) } else { text.to_owned() };
    let snippet = Snippet::source(&text)
        .path(&problem.file.name)
        .line_start(line)
        .annotation(AnnotationKind::Primary.span(from..to));
    let title = level.primary_title(&problem.message);
    renderer.render(&[title.element(snippet).elements(help)])
}

/// Whether the line of a problem may have a webhook's URL, which is as good as a password: what is shown goes to the journal,
/// too. A line that is no TOML may be any.
fn may_hold_secrets(key: &str) -> bool {
    key.is_empty() || key.starts_with("alerts")
}

/// The line with stars for all of each quoted URL but its beginning and its host; as long as before, byte for byte.
fn without_secrets(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['"', '\'']) {
        let quote = &rest[at..=at];
        let (before, inner) = rest.split_at(at + 1);
        let end = inner.find(quote).unwrap_or(inner.len());
        let is_file = before[..at].trim_end().trim_end_matches('=').trim_end().ends_with("_file");
        out.push_str(before);
        let inner = &inner[..end];
        if is_file {
            out.push_str(inner)
        } else {
            out.push_str(&host_only(inner))
        }
        let closed = (at + 1 + end + 1).min(rest.len());
        out.push_str(&rest[at + 1 + end..closed]);
        rest = &rest[closed..];
    }
    out.push_str(rest);
    out
}

fn host_only(url: &str) -> String {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at + 1);
    let user = url[host..end].find('@').filter(|at| url[host..host + at].contains(':'));
    let name = user.map_or(host, |at| host + at);
    let stars = |count: usize| "*".repeat(count);
    format!("{}{}{}{}", &url[..host], stars(name - host), &url[name..end], stars(url.len() - end))
}

/// The end of the last whole character at or before `at`.
fn boundary(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}

#[cfg(test)]
mod tests {
    use super::super::problem::Source;
    use super::*;

    fn problem(span: Option<std::ops::Range<usize>>, severity: Severity) -> Problem {
        let file = Source::named("k.toml", "ok = 1\nhosts = [\n  \"a\",\n]\n");
        let (message, help) = ("it is wrong".to_owned(), "mend it".to_owned());
        Problem { file, span, key: "hosts".to_owned(), message, help, severity, passing: false }
    }

    #[test]
    fn a_problem_shows_its_line_and_what_to_do() {
        let problems = Problems::new(vec![problem(Some(15..25), Severity::Error)]);
        let expected = "\
error: it is wrong
 --> k.toml:2:9
  |
2 | hosts = [
  |         ^
  |
  = help: mend it
";
        assert_eq!(render(&problems, Style::Plain), expected);
        assert!(render(&problems, Style::Coloured).contains("\u{1b}["));
    }

    #[test]
    fn of_a_url_that_is_a_password_the_host_is_shown_only() {
        for (line, shown) in [
            (r#"url = "https://h.example/a?b", x = 1"#, r#"url = "https://h.example/***", x = 1"#),
            (r#"["https://h.example/é", 'h.example/S']"#, r#"["https://h.example/**", 'h.example/*']"#),
            (r#"url = "https://u:p@h.example/S"#, r#"url = "https://***@h.example/*"#),
            (r#"smtp = "smtps://u@m.example:465""#, r#"smtp = "smtps://u@m.example:465""#),
            (r#"secret_file = "/etc/secret""#, r#"secret_file = "/etc/secret""#),
            (r#"to = ["owner@example.jp"]"#, r#"to = ["owner@example.jp"]"#),
        ] {
            assert_eq!((without_secrets(line), shown.len()), (shown.to_owned(), line.len()));
        }
        let file = Source::named("k.toml", "webhook = [\"https://h.example/SECRET\", 5]\n");
        let problem = |key: &str| Problem {
            file: file.clone(),
            key: key.to_owned(),
            ..problem(Some(39..40), Severity::Error)
        };
        for (key, is_shown) in [("alerts.webhook[1]", false), ("", false), ("site[0].hosts", true)] {
            let text = render(&Problems::new(vec![problem(key)]), Style::Plain);
            assert_eq!(text.contains("SECRET"), is_shown, "{text}");
            assert!(text.contains("h.example"), "{text}");
        }
    }

    #[test]
    fn a_problem_of_the_whole_file_shows_its_name() {
        let problems = Problems::new(vec![problem(None, Severity::Warning)]);
        assert_eq!(render(&problems, Style::Plain), "warning: k.toml: it is wrong\n |\n = help: mend it\n");
    }

    #[test]
    fn of_an_endless_line_no_more_is_shown_than_can_be_read() {
        let file = Source::named("k.toml", &"あ".repeat(100_000));
        for (at, shown) in [(300, true), (200_001, false)] {
            let problem =
                Problem { file: file.clone(), span: Some(at..at + 90_000), ..problem(None, Severity::Error) };
            let text = render(&Problems::new(vec![problem]), Style::Plain);
            assert_eq!(text.contains("^^^"), shown, "{text}");
            assert!(text.len() < 10_000 && text.contains("k.toml:1"), "{text}");
        }
    }

    #[test]
    fn no_more_than_a_screenful_or_two_is_shown() {
        let problems = Problems::new(vec![problem(Some(0..1), Severity::Error); SHOWN + 7]);
        assert!(render(&problems, Style::Plain).ends_with("\nand 7 more\n"));
        assert_eq!(render(&Problems::default(), Style::Plain), "");
    }
}
