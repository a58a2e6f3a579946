//! What stands in a form's body, for people to read: the fields of `application/x-www-form-urlencoded`,
//! `multipart/form-data` (RFC 7578) and JSON objects. Pure; of a body that cannot be read, nothing.

use serde::Serialize;

use crate::content::forms::{is_card_number, is_secret_name};

/// Fields of one form that are read.
const MOST: usize = 1000;

/// One field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What was written into it; of a file, nothing.
    pub value: String,
    /// The name and the size in bytes of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<(String, usize)>,
}

impl Field {
    /// Whether it is a password, or a card's number, by its name or by what it holds: that is never kept.
    pub fn is_secret(&self) -> bool {
        !self.value.is_empty() && (is_secret_name(&self.name) || is_card_number(&self.value))
    }

    /// Whether it is one that only a program fills in, since people do not see it: a honeypot, by a name that is used for nothing
    /// else (of Formspree, Netlify, Akismet, and of guides), or by the one that the operator has given.
    pub fn is_bait(&self, named: Option<&str>) -> bool {
        const NAMES: [&str; 8] = [
            "_gotcha",
            "_honey",
            "_honeypot",
            "bot-field",
            "ak_hp_textarea",
            "honeypot",
            "honey_pot",
            "hp_field",
        ];
        let is_called = |name: &str| self.name.eq_ignore_ascii_case(name);
        // Of a script's object, too.
        let is_empty = matches!(self.value.trim(), "" | "null" | "false");
        !is_empty && (NAMES.iter().any(|name| is_called(name)) || named.is_some_and(is_called))
    }

    fn text(name: impl Into<String>, value: impl Into<String>) -> Field {
        Field { name: name.into(), value: value.into(), file: None }
    }
}

/// The fields of a body with this `Content-Type`.
pub fn fields(content_type: &str, body: &[u8]) -> Vec<Field> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    match &*kind.trim().to_ascii_lowercase() {
        "application/x-www-form-urlencoded" => url::form_urlencoded::parse(body)
            .take(MOST)
            .map(|(name, value)| Field::text(name, value))
            .collect(),
        "multipart/form-data" => {
            let parts = boundary(parameters).map_or_else(Vec::new, |b| parts(&b, body));
            parts.into_iter().map(|part| part.field).collect()
        }
        kind if kind == "application/json" || kind.ends_with("+json") => json(body),
        "text/plain" => vec![Field::text("", String::from_utf8_lossy(body))],
        _ => Vec::new(),
    }
}

/// A file in a form.
#[derive(Debug, PartialEq, Eq)]
pub struct FormFile<'b> {
    /// The name of its field.
    pub field: String,
    /// Its own name, as the visitor's browser gave it.
    pub name: String,
    /// Its type, as that said; may be empty.
    pub content_type: String,
    /// What is in it.
    pub content: &'b [u8],
}

/// The files in a body with this `Content-Type`.
pub fn files<'b>(content_type: &str, body: &'b [u8]) -> Vec<FormFile<'b>> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Vec::new();
    }
    let parts = boundary(parameters).map_or_else(Vec::new, |b| parts(&b, body));
    let file = |part: Part<'b>| {
        let (name, _) = part.field.file?;
        Some(FormFile {
            field: part.field.name,
            name,
            content_type: part.content_type,
            content: part.content,
        })
    };
    parts.into_iter().filter_map(file).collect()
}

/// The body with these values in the places of those that its fields of the same names have; `None` if it has none of them, or
/// is of a kind that has no such fields.
pub fn with_values(content_type: &str, body: &[u8], values: &[(String, String)]) -> Option<Vec<u8>> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let fresh = |name: &str| values.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    match &*kind.trim().to_ascii_lowercase() {
        "application/x-www-form-urlencoded" => {
            // What is not replaced stays as it is, byte for byte: it may be in any character set.
            let mut changed = false;
            let pairs: Vec<Vec<u8>> = body
                .split(|b| *b == b'&')
                .map(|pair| {
                    let end = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
                    let name = url::form_urlencoded::parse(&pair[..end]).next().map(|(name, _)| name);
                    let Some(value) = name.and_then(|name| fresh(&name)) else { return pair.to_vec() };
                    changed = true;
                    let value = url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>();
                    [&pair[..end], b"=", value.as_bytes()].concat()
                })
                .collect();
            changed.then(|| pairs.join(&b'&'))
        }
        "multipart/form-data" => {
            let mark = format!("--{}", boundary(parameters)?);
            let (mut out, mut changed) = (Vec::with_capacity(body.len()), false);
            for (n, piece) in split(body, mark.as_bytes()).into_iter().enumerate() {
                if n > 0 {
                    out.extend_from_slice(mark.as_bytes());
                }
                let new = part(piece).map(|part| part.field).filter(|field| field.file.is_none());
                match new.and_then(|field| fresh(&field.name)).zip(find(piece, b"\r\n\r\n")) {
                    Some((value, head)) => {
                        out.extend_from_slice(&piece[..head + 4]);
                        out.extend_from_slice(value.as_bytes());
                        out.extend_from_slice(b"\r\n");
                        changed = true;
                    }
                    None => out.extend_from_slice(piece),
                }
            }
            changed.then_some(out)
        }
        _ => None,
    }
}

fn json(body: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    if let Ok(value) = serde_json::from_slice(body) {
        flatten(String::new(), &value, &mut fields);
    }
    fields
}

/// What is nested has the names of all that it stands in.
fn flatten(name: String, value: &serde_json::Value, fields: &mut Vec<Field>) {
    let below = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
    match value {
        _ if fields.len() >= MOST => {}
        serde_json::Value::Object(object) => {
            object.iter().for_each(|(key, value)| flatten(below(key), value, fields));
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| flatten(name.clone(), value, fields)),
        serde_json::Value::String(text) => fields.push(Field::text(name, text.clone())),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
            fields.push(Field::text(name, value.to_string()));
        }
    }
}

/// The boundary of a multipart body: 70 characters at most (RFC 2046 section 5.1.1).
fn boundary(parameters: &str) -> Option<String> {
    parameter(parameters, "boundary").filter(|boundary| (1..=70).contains(&boundary.len()))
}

/// A parameter of a header field's value: `name=token` or `name="quoted"`.
fn parameter(text: &str, wanted: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let (name, behind) = rest.split_once('=')?;
        let name = name.trim_matches([';', ' ', '\t']);
        let behind = behind.trim_start();
        let (value, after) = match behind.strip_prefix('"') {
            Some(quoted) => quoted_text(quoted)?,
            None => {
                let (value, after) = behind.split_once(';').unwrap_or((behind, ""));
                (value.trim().to_owned(), after)
            }
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
}

/// What stands before the closing quote, and what follows it. Browsers escape a quote as `%22`, others with a backslash; a
/// backslash that escapes nothing is one of a file's path.
fn quoted_text(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices().peekable());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            c => value.push(c),
        }
    }
    None
}

/// A part of a multipart body.
struct Part<'b> {
    field: Field,
    content_type: String,
    content: &'b [u8],
}

fn parts<'b>(boundary: &str, body: &'b [u8]) -> Vec<Part<'b>> {
    let mark = format!("--{boundary}");
    let mut parts = split(body, mark.as_bytes()).into_iter();
    parts.next(); // what stands before the first mark
    let parts = parts.take_while(|part| !part.starts_with(b"--"));
    parts.take(MOST).filter_map(part).collect()
}

fn part(part: &[u8]) -> Option<Part<'_>> {
    let part = part.strip_prefix(b"\r\n").or_else(|| part.strip_prefix(b"\n"))?;
    let part = part.strip_suffix(b"\r\n").or_else(|| part.strip_suffix(b"\n")).unwrap_or(part);
    let (head, content) = match find(part, b"\r\n\r\n") {
        Some(at) => (&part[..at], &part[at + 4..]),
        None => find(part, b"\n\n").map(|at| (&part[..at], &part[at + 2..]))?,
    };
    let head = String::from_utf8_lossy(head);
    let said = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then_some(value.trim())
        })
    };
    let disposition = said("content-disposition")?;
    let content_type = said("content-type").unwrap_or_default().to_owned();
    let parameters = disposition.split_once(';')?.1;
    let unescaped = |text: String| text.replace("%22", "\"").replace("%0D%0A", " ");
    let name = unescaped(parameter(parameters, "name")?);
    let field = match parameter(parameters, "filename").map(unescaped) {
        Some(file) => Field { name, value: String::new(), file: Some((file, content.len())) },
        None => Field::text(name, String::from_utf8_lossy(content)),
    };
    Some(Part { field, content_type, content })
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}

/// What stands between the marks that begin a line.
fn split<'b>(body: &'b [u8], mark: &[u8]) -> Vec<&'b [u8]> {
    let (mut parts, mut begin, mut at) = (Vec::new(), 0, 0);
    while let Some(found) = body.get(at..).and_then(|rest| find(rest, mark)) {
        let here = at + found;
        at = here + mark.len();
        if here == 0 || body[here - 1] == b'\n' {
            parts.push(&body[begin..here]);
            begin = at;
        }
    }
    parts.push(&body[begin..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(content_type: &str, body: &str) -> Vec<(String, String)> {
        fields(content_type, body.as_bytes()).into_iter().map(|field| (field.name, field.value)).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_three_kinds_of_forms_are_read() {
        let name = pairs(&[("name", "木村 花子"), ("mail", "h@example.jp")]);
        let encoded = "name=%E6%9C%A8%E6%9D%91+%E8%8A%B1%E5%AD%90&mail=h%40example.jp";
        assert_eq!(read("application/x-www-form-urlencoded; charset=UTF-8", encoded), name);
        let json = "{\"mail\":\"h@example.jp\",\"n\":2}";
        assert_eq!(read("application/json", json), pairs(&[("mail", "h@example.jp"), ("n", "2")]));
        let multipart = "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n木村 花子\r\n\
             --x\r\ncontent-disposition: form-data; name=mail\r\nContent-Type: text/plain\r\n\r\nh@example.jp\r\n--x--\r\n";
        assert_eq!(read("multipart/form-data; boundary=x", multipart), name);
        assert_eq!(read("text/plain", "name=A\r\n"), pairs(&[("", "name=A\r\n")]));
        assert_eq!(read("Multipart/Form-Data; charset=utf-8; boundary=\"x\"", multipart), name);
    }

    #[test]
    fn a_file_is_named_and_measured() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"cv\"; filename=\"C:\\me\\a \\\"b\\\".pdf\"\r\n\r\n%PDF--b\r\n\r\n--b--";
        let read = fields("multipart/form-data; boundary=b", body.as_bytes());
        let file = Some(("C:\\me\\a \"b\".pdf".to_owned(), 9));
        assert_eq!(read, [Field { name: "cv".to_owned(), value: String::new(), file }]);
        let files = files("multipart/form-data; boundary=b", body.as_bytes());
        let (field, name) = ("cv".to_owned(), "C:\\me\\a \"b\".pdf".to_owned());
        assert_eq!(files, [FormFile { field, name, content_type: String::new(), content: b"%PDF--b\r\n" }]);
    }

    #[test]
    fn what_must_not_be_kept_is_known_by_its_name_or_its_digits() {
        for (name, value, expected) in [
            ("password", "x", true),
            ("user_pass", "x", true),
            ("pass1", "x", true),
            ("user.password", "x", true),
            ("card[number]", "x", true),
            ("cc-number", "x", true),
            ("note", "4111 1111 1111 1111", true),
            ("password", "", false),
            ("passenger", "Abe", false),
            ("passport", "Abe", false),
            ("compass", "north", false),
            ("number", "4111 1111 1111 1112", false),
            ("tel", "090-1234-5678", false),
        ] {
            assert_eq!(Field::text(name, value).is_secret(), expected, "{name}={value}");
        }
        let nested = fields("application/json", b"{\"user\":{\"password\":\"x\"},\"a\":[1,2]}");
        assert!(nested.iter().any(Field::is_secret) && nested.len() == 3, "{nested:?}");
    }

    #[test]
    fn only_a_program_takes_the_bait() {
        for (name, value, named, expected) in [
            ("_gotcha", "x", None, true),
            ("Bot-Field", "x", None, true),
            ("website", "http://spam.example", Some("website"), true),
            ("website", "http://shop.example", None, false),
            ("_gotcha", "", None, false),
            ("website", " ", Some("website"), false),
            ("honeypot", "null", None, false),
            ("honeypot", "false", None, false),
            ("name", "Honeypot", None, false),
        ] {
            assert_eq!(Field::text(name, value).is_bait(named), expected, "{name}={value}");
        }
    }

    #[test]
    fn of_what_cannot_be_read_there_is_nothing() {
        for (content_type, body) in [
            ("", "a=b"),
            ("image/png", "a=b"),
            ("multipart/form-data", "--x\r\n"),
            ("multipart/form-data; boundary=x", "no mark at all"),
            ("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data\r\n\r\na"),
            ("application/json", "{"),
        ] {
            assert_eq!(read(content_type, body), pairs(&[]), "{content_type} {body}");
        }
    }

    #[test]
    fn a_fresh_token_takes_the_old_ones_place() {
        let fresh = [("token".to_owned(), "n&w".to_owned())];
        let encoded =
            with_values("application/x-www-form-urlencoded", b"name=A+B&token=old", &fresh).unwrap();
        assert_eq!(String::from_utf8(encoded).unwrap(), "name=A+B&token=n%26w");
        let sjis =
            with_values("application/x-www-form-urlencoded", b"name=%83e%83X\x83e&token=o", &fresh).unwrap();
        assert_eq!(sjis, b"name=%83e%83X\x83e&token=n%26w");
        let body = "--x\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nold\r\n\
             --x\r\nContent-Disposition: form-data; name=\"cv\"; filename=\"a\"\r\n\r\ntoken\r\n--x--\r\n";
        let changed = with_values("multipart/form-data; boundary=x", body.as_bytes(), &fresh).unwrap();
        assert_eq!(String::from_utf8(changed).unwrap(), body.replacen("old", "n&w", 1));
        assert_eq!(with_values("application/x-www-form-urlencoded", b"name=A", &fresh), None);
        assert_eq!(with_values("application/json", b"{}", &fresh), None);
    }

    proptest! {
        #[test]
        fn no_body_breaks_the_reader(body in proptest::collection::vec(any::<u8>(), 0..200), quoted in ".{0,40}") {
            for kind in ["application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=a", "text/plain"] {
                fields(kind, &body);
            }
            fields(&format!("multipart/form-data; boundary={quoted}"), &body);
            let part = format!("--a\r\nContent-Disposition: form-data; name={quoted}\r\n\r\n\r\n--a--");
            fields("multipart/form-data; boundary=a", part.as_bytes());
        }
    }
}
