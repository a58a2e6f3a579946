//! The text of one page in two snapshots, as a unified diff of its source.

use std::borrow::Cow;
use std::time::Duration;

use http::header;
use serde_json::{Value, json};

use super::Refusal;
use crate::content::charset;
use crate::content::media::{Media, essence};
use crate::snapshot::{Loaded, Page, SnapshotId, Store, WHOLE};

/// A diff longer than this many bytes is cut.
const LONGEST: usize = 512 << 10;
/// The best diff that can be found within this time is good enough.
const TIME: Duration = Duration::from_secs(2);

/// What a body is, as far as it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Html,
    Css,
    Xml,
    /// Anything else that is text.
    Plain,
}

/// Both sides of a page, and `text`: how one becomes the other, empty if the text is the same, or null if there is no
/// text to compare: then `why` says it. Blocks.
pub(super) fn of_page(
    store: &Store,
    from: &SnapshotId,
    to: &SnapshotId,
    path: &str,
) -> Result<Value, Refusal> {
    let sides = store.sides(path, from, to, WHOLE)?;
    if sides.was.is_none() && sides.is.is_none() {
        return Err(Refusal::NoPage(path.to_owned()));
    }
    let (before, after) = (sides.was.as_ref().map(facts), sides.is.as_ref().map(facts));
    let mut shown = json!({ "path": path, "from": from, "to": to, "before": before, "after": after });
    let (was, is) = (sides.was.as_ref().map(read), sides.is.as_ref().map(read));
    match (was.unwrap_or(Ok(Cow::Borrowed(""))), is.unwrap_or(Ok(Cow::Borrowed("")))) {
        (Ok(was), Ok(is)) => {
            let (text, cut) = unified(&was, &is, (&from.to_string(), &to.to_string()), path);
            (shown["text"], shown["cut"]) = (json!(text), json!(cut));
        }
        (Err(why), _) | (_, Err(why)) => {
            (shown["text"], shown["cut"], shown["why"]) = (Value::Null, json!(false), json!(why));
        }
    }
    Ok(shown)
}

fn facts(loaded: &Loaded) -> Value {
    let page = &loaded.page;
    json!({ "status": page.status, "size": page.len, "type": content_type(page), "class": page.class })
}

fn content_type(page: &Page) -> Option<&str> {
    let field = page.headers.iter().find(|(name, _)| name == header::CONTENT_TYPE);
    field.and_then(|(_, value)| value.to_str().ok())
}

/// The text of a page; why there is none.
fn read(loaded: &Loaded) -> Result<Cow<'_, str>, &'static str> {
    let kind = content_type(&loaded.page);
    let body = match (&loaded.body, loaded.page.len) {
        (Some(body), _) => body,
        (None, 0) => return Ok(Cow::Borrowed("")),
        (None, _) => return Err("too large to compare"),
    };
    Ok(match script(kind).ok_or("not text")? {
        Script::Html => charset::html(body, kind).0,
        Script::Css => charset::css(body, kind),
        Script::Xml => charset::xml(body, kind),
        Script::Plain => {
            let encoding = kind.and_then(charset::of_content_type).unwrap_or(encoding_rs::UTF_8);
            encoding.decode(body).0
        }
    })
}

fn script(content_type: Option<&str>) -> Option<Script> {
    let content_type = content_type?;
    match Media::of_type(content_type) {
        Media::Html | Media::Xhtml => Some(Script::Html),
        Media::Css => Some(Script::Css),
        Media::Xml => Some(Script::Xml),
        Media::Json | Media::Script => Some(Script::Plain),
        Media::Playlist | Media::Other => {
            let is_text = essence(content_type).to_ascii_lowercase().starts_with("text/");
            is_text.then_some(Script::Plain)
        }
    }
}

/// The diff, and whether it was cut.
fn unified(was: &str, is: &str, (from, to): (&str, &str), path: &str) -> (String, bool) {
    let diff = similar::TextDiff::configure().timeout(TIME).diff_lines(was, is);
    let mut text = diff
        .unified_diff()
        .missing_newline_hint(false)
        .header(&format!("{from} {path}"), &format!("{to} {path}"))
        .to_string();
    let cut = text.len() > LONGEST;
    if cut {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    (text, cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_text_is_known_by_its_type() {
        for (kind, expected) in [
            (Some("text/html; charset=Shift_JIS"), Some(Script::Html)),
            (Some("TEXT/HTML"), Some(Script::Html)),
            (Some("text/css"), Some(Script::Css)),
            (Some("image/svg+xml"), Some(Script::Xml)),
            (Some("application/ld+json"), Some(Script::Plain)),
            (Some("text/plain"), Some(Script::Plain)),
            (Some("image/png"), None),
            (Some("application/pdf"), None),
            (None, None),
        ] {
            assert_eq!(script(kind), expected, "{kind:?}");
        }
    }

    #[test]
    fn equal_texts_have_no_diff_and_long_ones_are_cut() {
        assert_eq!(unified("a\nb", "a\nb", ("1", "2"), "/"), (String::new(), false));
        let (text, cut) = unified("a\nb\n", "a\nc", ("1", "2"), "/x");
        assert_eq!((&*text, cut), ("--- 1 /x\n+++ 2 /x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n", false));
        let long = "é\n".repeat(LONGEST);
        let (text, cut) = unified("", &long, ("1", "2"), "/");
        assert!(cut && text.len() <= LONGEST && text.len() > LONGEST - 4);
    }
}
