//! The key of a page within its site: one spelling for all the ways in which its address can be written, so that
//! the cache, the snapshot and the crawler agree (RFC 3986 section 6.2.2).

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::config::ready::wildcard;

/// The key of a path and query: percent-encoding in its normal form, dot segments resolved, ignored parameters
/// dropped, the others in their order. `/a/../b%7e?utm_source=x&p=1` becomes `/b~?p=1`.
pub fn page_key<'a>(path: &'a str, query: Option<&str>, ignore: &[String]) -> Cow<'a, str> {
    let path = normal_path(path);
    match query.and_then(|query| normal_query(query, ignore)) {
        None => path,
        Some(query) => {
            let mut key = path.into_owned();
            key.push('?');
            key.push_str(&query);
            Cow::Owned(key)
        }
    }
}

/// The path part of a key.
pub fn path_of(key: &str) -> &str {
    key.split_once('?').map_or(key, |(path, _)| path)
}

fn normal_path(path: &str) -> Cow<'_, str> {
    if path.is_empty() || path == "*" {
        return Cow::Borrowed("/");
    }
    if !path.contains("/.") && path.bytes().all(is_plain) {
        return Cow::Borrowed(path);
    }
    let spelled = normal_encoding(path);
    Cow::Owned(if spelled.contains("/.") { without_dots(&spelled) } else { spelled })
}

fn normal_query(query: &str, ignore: &[String]) -> Option<String> {
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !is_ignored(pair, ignore));
    let mut normal = String::with_capacity(query.len());
    for pair in kept {
        if !normal.is_empty() {
            normal.push('&');
        }
        normal.push_str(&normal_encoding(pair));
    }
    (!normal.is_empty()).then_some(normal)
}

/// Whether the pair does not change the page. Where some read ";" as a separator, too, more than one may hide in it.
pub(super) fn is_ignored(pair: &str, ignore: &[String]) -> bool {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    let name = if name.contains('%') { Cow::Owned(normal_encoding(name)) } else { Cow::Borrowed(name) };
    !pair.contains(';') && ignore.iter().any(|i| wildcard(i.as_bytes(), name.as_bytes()))
}

/// Whether a path's dot segments, plain or encoded, lead out of the root. No client sends that by accident.
pub fn leaves_root(path: &str) -> bool {
    if !path.contains("/.") && !path.contains('%') {
        return false;
    }
    let mut depth = 0_u32;
    for segment in path.split('/').skip(1) {
        let segment = if segment.contains('%') { normal_encoding(segment) } else { segment.to_owned() };
        match segment.as_str() {
            "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

/// What stands for itself in a path: no escape, nothing that has two spellings.
fn is_plain(b: u8) -> bool {
    b.is_ascii_graphic()
        && !matches!(b, b'%' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#' | b'?')
}

fn normal_encoding(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < bytes.len() {
        let escaped = (bytes[i] == b'%')
            .then(|| Some(hex(*bytes.get(i + 1)?)? << 4 | hex(*bytes.get(i + 2)?)?))
            .flatten();
        match escaped {
            Some(b) if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') => {
                out.push(b as char)
            }
            Some(b) => percent(&mut out, b),
            None if is_plain(bytes[i]) || bytes[i] == b'?' => out.push(bytes[i] as char),
            None => percent(&mut out, bytes[i]),
        }
        i += if escaped.is_some() { 3 } else { 1 };
    }
    out
}

fn percent(out: &mut String, b: u8) {
    let _ = write!(out, "%{b:02X}");
}

fn hex(b: u8) -> Option<u8> {
    (b as char).to_digit(16).map(|d| d as u8)
}

/// RFC 3986 section 5.2.4 for absolute paths.
fn without_dots(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." if last => out.push(""),
            "." => {}
            ".." => {
                out.pop();
                if last {
                    out.push("");
                }
            }
            other => out.push(other),
        }
    }
    format!("/{}", out.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(target: &str) -> String {
        let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
        page_key(path, query, &["utm_*".to_owned(), "gclid".to_owned()]).into_owned()
    }

    #[test]
    fn one_page_has_one_key() {
        for (target, expected) in [
            ("/", "/"),
            ("", "/"),
            ("/a/b.html", "/a/b.html"),
            ("/%7Euser/%e3%81%82", "/~user/%E3%81%82"),
            ("/あ", "/%E3%81%82"),
            ("/a/../b", "/b"),
            ("/a/%2e%2e/b", "/b"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a%2Fb", "/a%2Fb"),
            ("/a%", "/a%25"),
            ("/a?utm_source=x&gclid=1", "/a"),
            ("/a?utm_source=x&p=1&q", "/a?p=1&q"),
            ("/a?p=%7e", "/a?p=~"),
            ("/a?", "/a"),
            ("//a", "//a"),
            ("/a//b/", "/a//b/"),
            ("/a?ut%6d_source=x&%67clid=1&p=1", "/a?p=1"),
            ("/a?p=1&utm_source=x;q=2", "/a?p=1&utm_source=x;q=2"),
        ] {
            assert_eq!(key(target), expected, "{target}");
        }
    }

    #[test]
    fn a_key_is_its_own_key() {
        for target in [
            "/%e3%81%82/x%25y?a=b%26c",
            "/a%2Fb/../c?x=%zz",
            "/%",
            "/a b",
            "/a?ut%6d_source=x",
            "/a?utm_x=1;%71=2",
        ] {
            let once = key(target);
            assert_eq!(key(&once), once, "{target}");
        }
    }

    #[test]
    fn dots_that_lead_out_of_the_root_are_seen() {
        for (path, leaves) in [
            ("/", false),
            ("/a/../b", false),
            ("/a/b/../../c", false),
            ("/../a", true),
            ("/a/../../b", true),
            ("/%2e%2E/a", true),
            ("/.%2e/a", true),
            ("/a/%2e%2e/%2e%2e/b", true),
            ("/./a/..", false),
            ("//../a", false),
            ("/..a/.b", false),
            ("/..%2Fa", false),
        ] {
            assert_eq!(leaves_root(path), leaves, "{path}");
        }
    }

    #[test]
    fn the_path_of_a_key_ends_at_the_query() {
        assert_eq!(path_of("/a?b=c"), "/a");
        assert_eq!(path_of("/a"), "/a");
    }
}
