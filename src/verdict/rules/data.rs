//! Files that programs read: feeds, XML, JSON, style sheets, scripts. What comes in place of a whole copy is not the file where
//! it is a page, nothing, an error of PHP, or ends in the middle, and the copy is not so itself.

use super::super::case::{Finding, Verdict};
use super::odd::{begins_as_page, text_of};
use super::{Seen, errors, script};
use crate::content::media::{Media, content_type, is_html};
use crate::failure::Cause;

/// Bytes at both ends that are looked at for an error of PHP.
const ENDS: usize = 2048;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Style,
    Script,
    Json,
    Xml,
}

impl Sort {
    fn of(content_type: Option<&str>) -> Option<Sort> {
        match Media::of_type(content_type?) {
            Media::Css => Some(Sort::Style),
            Media::Script => Some(Sort::Script),
            Media::Json => Some(Sort::Json),
            Media::Xml => Some(Sort::Xml),
            Media::Html | Media::Xhtml | Media::Playlist | Media::Other => None,
        }
    }
}

/// Whether a copy of this kind is compared with what comes in its place.
pub(in super::super) fn is_data(content_type: Option<&str>) -> bool {
    Sort::of(content_type).is_some()
}

pub(super) fn judge(seen: &Seen<'_>) -> Verdict {
    let case = seen.case;
    let Some(known) = case.known.filter(|known| known.status == 200 && case.answer.status == 200) else {
        return Verdict::Good;
    };
    let came = content_type(case.answer.headers);
    // that a page says that it is one, its status tells
    let Some(sort) = Sort::of(known.content_type).filter(|_| came.is_none() || !is_html(came)) else {
        return Verdict::Good;
    };
    let (body, whole) = (case.answer.page.bytes(), case.answer.whole);
    let copy = known.body.filter(|copy| !copy.is_empty());
    if whole && text_of(body).is_empty() && copy.is_some_and(|copy| !text_of(copy).is_empty()) {
        // One that was emptied on purpose, pages do not need: they do as well with the copy, until a crawl has seen it.
        return Verdict::Bad(Finding::new(Cause::EmptyPage, "nothing instead of a file"));
    }
    let of_copy = || {
        copy.filter(|_| whole)
            .and_then(|copy| part(sort, body, copy).or_else(|| errors::message(sort, body, copy)))
    };
    let Some(finding) = fault(sort, body, whole).or_else(of_copy) else {
        return Verdict::Good;
    };
    match copy {
        Some(copy) if fault(sort, copy, true).is_some() => Verdict::Good,
        Some(_) => Verdict::Bad(finding),
        // what its copy looks like nobody could read: only what begins wrongly is sure
        None if finding.cause != Cause::TruncatedPage => Verdict::Bad(finding),
        None => Verdict::Good,
    }
}

/// What no file of this sort is.
fn fault(sort: Sort, body: &[u8], whole: bool) -> Option<Finding> {
    let text = text_of(body);
    if begins_as_page(text) {
        return Some(Finding::new(Cause::AssetMissing, "a page in place of a file for programs"));
    }
    if has_php_error(text, whole) {
        return Some(Finding::new(Cause::PhpError, "PHP's message in a file for programs"));
    }
    let is_cut = whole
        && match sort {
            Sort::Style => is_open_style(text),
            // whether a script has ended is said beside its copy alone
            Sort::Script => false,
            Sort::Json => is_open_json(text),
            Sort::Xml => is_open_xml(text),
        };
    is_cut.then(|| Finding::new(Cause::TruncatedPage, "it ends in the middle"))
}

/// A script that is shorter than its copy, and ends in the middle, as the copy does not. Of 14,261 real scripts that are
/// whole two would be called open, and of those that are cut somewhere 96% are.
fn part(sort: Sort, body: &[u8], copy: &[u8]) -> Option<Finding> {
    let is_part =
        sort == Sort::Script && body.len() < copy.len() && script::is_open(body) && !script::is_open(copy);
    is_part.then(|| Finding::new(Cause::TruncatedPage, "it is shorter than its copy, and ends in the middle"))
}

/// PHP writes its messages before what the program writes, or where that breaks off.
fn has_php_error(text: &[u8], whole: bool) -> bool {
    const KINDS: [&str; 6] =
        ["Fatal error", "Parse error", "Warning", "Notice", "Deprecated", "Strict Standards"];
    let begin = String::from_utf8_lossy(&text[..text.len().min(ENDS)]);
    let end = String::from_utf8_lossy(&text[text.len().saturating_sub(ENDS)..]);
    let bare = begin.trim_start_matches("<br />").trim_start();
    let begins = KINDS.iter().any(|kind| {
        bare.strip_prefix("<b>")
            .and_then(|rest| rest.strip_prefix(kind))
            .is_some_and(|rest| rest.starts_with("</b>:"))
            || bare.starts_with(&format!("PHP {kind}: "))
    });
    let ends = || {
        let fatal = KINDS[..2].iter().any(|kind| end.contains(&format!("<b>{kind}</b>:")));
        fatal && end.contains(" on line <b>") && end.trim_end().ends_with("<br />")
    };
    begins || bare.starts_with("Fatal error: Uncaught ") || (whole && ends())
}

/// Whether a block, a comment or a string is left open (CSS Syntax section 3 closes them all at the end; nobody writes so).
fn is_open_style(text: &[u8]) -> bool {
    let (mut depth, mut at) = (0_i64, 0);
    while let Some(&b) = text.get(at) {
        at += 1;
        match b {
            b'/' if text.get(at) == Some(&b'*') => {
                match text[at + 1..].windows(2).position(|two| two == b"*/") {
                    Some(end) => at += end + 3,
                    None => return true,
                }
            }
            b'\\' => at += 1,
            b'"' | b'\'' => loop {
                match text.get(at) {
                    Some(b'\\') => at += 2,
                    Some(&end) => {
                        at += 1;
                        if end == b || end == b'\n' {
                            break;
                        }
                    }
                    None => return true,
                }
            },
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    depth > 0
}

fn is_open_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err_and(|error| error.is_eof())
}

/// Whether the first element is never closed.
fn is_open_xml(text: &[u8]) -> bool {
    let rest = match first_element(text) {
        Begin::At(rest) => rest,
        Begin::Cut => return true,
        Begin::None => return false,
    };
    let name = name_of(rest);
    let Some(end) = find(rest, b">") else { return true };
    let is_closed = rest[..end].ends_with(b"/") || find(&rest[end..], &[b"</", name].concat()).is_some();
    !name.is_empty() && !is_closed
}

/// The name of the first element, with its prefix.
pub(super) fn root_of(text: &[u8]) -> Option<&[u8]> {
    match first_element(text) {
        Begin::At(rest) => Some(name_of(rest)),
        Begin::Cut | Begin::None => None,
    }
}

fn name_of(element: &[u8]) -> &[u8] {
    let is_end = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'>' | b'/');
    &element[..element.iter().position(is_end).unwrap_or(element.len())]
}

/// Where a text's first element begins.
enum Begin<'a> {
    /// There, at its name.
    At(&'a [u8]),
    /// The text ends before it.
    Cut,
    /// There is no markup.
    None,
}

/// Behind declarations, instructions and comments.
fn first_element(text: &[u8]) -> Begin<'_> {
    let mut rest = text;
    loop {
        let Some(at) = rest.iter().position(|b| *b == b'<') else { return Begin::None };
        rest = &rest[at + 1..];
        let end = match rest.first() {
            Some(b'!') if rest.starts_with(b"!--") => find(rest, b"-->"),
            Some(b'?') => find(rest, b"?>"),
            Some(b'!') => find(rest, b">"),
            Some(_) => return Begin::At(rest),
            None => return Begin::Cut,
        };
        let Some(end) = end else { return Begin::Cut };
        rest = &rest[end..];
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::super::super::case::Shape;
    use super::super::testing::{Given, PAGE, hold};

    const FEED: &str = "<?xml version=\"1.0\"?><!-- news --><rss version=\"2.0\"><channel><title>Tea</title>\
                        <item><title>First flush</title></item></channel></rss>\n";
    const JSON: &str = "{\"teas\": [{\"name\": \"sencha\"}, {\"name\": \"hojicha\"}]}";
    const STYLE: &str = "/* } */ a { color: red } @media print { b::after { content: \"{\" } }";
    const SCRIPT: &str = "const teas = [\"a)\", \"b\"];\nfunction show(n) { return teas[n]; }\nshow(1);\n";
    const ERROR: &str = "<br />\n<b>Fatal error</b>:  Uncaught Error: x in /srv/a.php:3\n  thrown in <b>/srv/a.php</b> on line <b>3</b><br />\n";

    /// `came` in place of `copy`, both of this kind.
    fn file(kind: &str, came: &str, copy: &str) -> Given {
        Given::page(came).header("content-type", kind).instead_of_file(Shape::Asset, kind).copied(copy)
    }

    #[test]
    fn files_for_programs_are_no_errors_and_come_to_their_end() {
        let (feed, json) = ("application/rss+xml; charset=utf-8", "application/json");
        let (css, js) = ("text/css", "text/javascript");
        let beside = |kind, came: &str| {
            file(
                kind,
                came,
                match kind {
                    "text/css" => STYLE,
                    "text/javascript" => SCRIPT,
                    "application/json" => JSON,
                    _ => FEED,
                },
            )
        };
        let cut = |text: &str, share: usize| text[..text.len() * share / 10].to_owned();
        let tail = |text: &str| format!("{}{ERROR}", cut(text, 7));
        let mut table = Vec::new();
        for (kind, text) in [(feed, FEED), (json, JSON), (css, STYLE), (js, SCRIPT)] {
            let unseen = |came: &str| Given { whole: false, ..beside(kind, came) };
            table.extend([
                (kind, beside(kind, text), "good"),
                (kind, beside(kind, PAGE), "bad asset-missing"),
                (kind, beside(kind, ERROR), "bad php-error"),
                (kind, beside(kind, &tail(text)), "bad php-error"),
                (kind, beside(kind, &cut(text, 7)), "bad truncated-page"),
                (kind, unseen(&cut(text, 7)), "good"),
                (kind, file(kind, PAGE, PAGE), "good"),
                (kind, file(kind, &cut(text, 7), &cut(text, 7)), "good"),
                (kind, Given { copy: None, ..beside(kind, ERROR) }, "good"),
            ]);
        }
        table.extend([
            ("no file", beside(json, ""), "bad empty-page"),
            ("no file", beside(feed, " \n"), "bad empty-page"),
            ("an emptied sheet", beside(css, ""), "bad empty-page"),
            ("an emptied script", beside(js, " \n"), "bad empty-page"),
            ("one of comments", beside(js, "// nothing to do any more"), "good"),
            ("emptied, as yet", Given { whole: false, ..beside(js, "") }, "good"),
            ("never had anything", file(css, "", ""), "good"),
            ("lines of JSON", beside(json, "{\"a\":1}\n{\"a\":2}\n"), "good"),
            ("JSON with a mistake", beside(json, "{\"a\":1,}"), "good"),
            ("another feed", beside(feed, "<feed xmlns=\"x\"><entry/></feed><!-- made in 3 ms -->"), "good"),
            ("a feed without anything", beside(feed, "<rss/>"), "good"),
            (
                "a feed after a warning",
                beside(feed, &format!("<br />\n<b>Warning</b>:  x{FEED}")),
                "bad php-error",
            ),
            ("a sheet without its last rule", file(css, "a{b:c}", "a{b:c}d{e:f}"), "good"),
            ("a script without its last line", file(js, "a();\n", "a();\nb();\n"), "good"),
            ("another script, cut", beside(js, "import('x').then(({y}) => y("), "bad truncated-page"),
            ("one in a text", beside(js, "const teas = ['a', 'b"), "bad truncated-page"),
            ("a longer one", beside(js, &format!("{SCRIPT}{SCRIPT}function (")), "good"),
            ("one that nobody understands", beside(js, "a(]; {"), "good"),
            ("whose copy ends so", file(js, "a(b, {", "a(b, {c: d,"), "good"),
            ("a script with such words", beside(js, "x = '<b>Fatal error</b>: {} on line <b>'"), "good"),
            ("another kind", beside(json, "a,b").header("content-type", "text/csv"), "good"),
        ]);
        hold(table);
    }
}
