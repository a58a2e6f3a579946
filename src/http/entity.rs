//! Character references in attribute values (HTML section 13.2.5.73): `&amp;`, `&#38;`, `&eacute;`. The HTML
//! rewriter hands attributes over as they were written.
//!
//! Known by name: what stands for ASCII, and Latin-1. Nobody writes an address with the other two thousand.

use std::borrow::Cow;

/// What an attribute's value means.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match reference(rest) {
            Some((c, len)) => {
                out.push(c);
                rest = &rest[len..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The reference at the start of `text`, which starts with `&`: what it stands for and its length in bytes.
fn reference(text: &str) -> Option<(char, usize)> {
    let bytes = text.as_bytes();
    if bytes.get(1) == Some(&b'#') {
        return numeric(bytes);
    }
    let name = text[1..].bytes().take_while(u8::is_ascii_alphanumeric).take(32).count();
    if bytes.get(1 + name) == Some(&b';') {
        return named(&text[1..=name]).map(|(c, _)| (c, name + 2));
    }
    // Without the semicolon only the oldest names count, and never where `=` or a letter follows, so that the
    // parameter in `?a=1&copy=2` stays a parameter.
    match named(&text[1..=name]) {
        Some((c, true)) if bytes.get(1 + name) != Some(&b'=') => Some((c, name + 1)),
        Some(_) | None => None,
    }
}

fn numeric(bytes: &[u8]) -> Option<(char, usize)> {
    let hex = matches!(bytes.get(2), Some(b'x' | b'X'));
    let (from, radix) = if hex { (3, 16) } else { (2, 10) };
    let digits = bytes[from.min(bytes.len())..].iter().take_while(|b| (**b as char).is_digit(radix)).count();
    if digits == 0 {
        return None;
    }
    let value = bytes[from..from + digits].iter().fold(0u32, |value, b| {
        value.saturating_mul(radix).saturating_add((*b as char).to_digit(radix).unwrap_or(0))
    });
    let semicolon = usize::from(bytes.get(from + digits) == Some(&b';'));
    let c = match value {
        0 => '\u{FFFD}',
        // What was meant is Windows' code page, not the control characters.
        0x80..=0x9F => {
            let byte = [value as u8];
            let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(&byte);
            text.chars().next().unwrap_or('\u{FFFD}')
        }
        _ => char::from_u32(value).unwrap_or('\u{FFFD}'),
    };
    Some((c, from + digits + semicolon))
}

/// The character of a name, and whether the name also counts without its semicolon.
fn named(name: &str) -> Option<(char, bool)> {
    if let Some(i) = LATIN_1.iter().position(|n| *n == name) {
        return char::from_u32(0xA0 + i as u32).map(|c| (c, true));
    }
    OTHER.iter().find(|(n, _, _)| *n == name).map(|(_, c, old)| (*c, *old))
}

/// From U+00A0 on, in order.
#[rustfmt::skip]
const LATIN_1: [&str; 96] = [
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo", "not", "shy",
    "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm",
    "raquo", "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig",
    "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve",
    "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN",
    "szlig", "agrave", "aacute", "acirc", "atilde", "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc",
    "euml", "igrave", "iacute", "icirc", "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml",
    "divide", "oslash", "ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
];

#[rustfmt::skip]
const OTHER: &[(&str, char, bool)] = &[
    ("amp", '&', true), ("AMP", '&', true), ("lt", '<', true), ("LT", '<', true), ("gt", '>', true),
    ("GT", '>', true), ("quot", '"', true), ("QUOT", '"', true), ("apos", '\'', false), ("Tab", '\t', false),
    ("NewLine", '\n', false), ("excl", '!', false), ("num", '#', false), ("dollar", '$', false),
    ("percnt", '%', false), ("lpar", '(', false), ("rpar", ')', false), ("ast", '*', false), ("plus", '+', false),
    ("comma", ',', false), ("period", '.', false), ("sol", '/', false), ("colon", ':', false), ("semi", ';', false),
    ("equals", '=', false), ("quest", '?', false), ("commat", '@', false), ("lsqb", '[', false), ("lbrack", '[', false),
    ("bsol", '\\', false), ("rsqb", ']', false), ("rbrack", ']', false), ("Hat", '^', false), ("lowbar", '_', false),
    ("grave", '`', false), ("lcub", '{', false), ("verbar", '|', false), ("vert", '|', false), ("rcub", '}', false),
    ("dash", '\u{2010}', false), ("hyphen", '\u{2010}', false), ("ndash", '\u{2013}', false),
    ("mdash", '\u{2014}', false), ("hellip", '\u{2026}', false),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn references_become_characters() {
        for (written, meant) in [
            ("/a?b=1&amp;c=2", "/a?b=1&c=2"),
            ("/a?b=1&c=2", "/a?b=1&c=2"),
            ("/a?b=1&#38;c=2", "/a?b=1&c=2"),
            ("/a?b=1&#x26;c=2", "/a?b=1&c=2"),
            ("/a?b=1&#38c=2", "/a?b=1&c=2"),
            ("/a?b=1&copy=2", "/a?b=1&copy=2"),
            ("/a?b=1&copyright=2", "/a?b=1&copyright=2"),
            ("/a?b=1&amp=2", "/a?b=1&amp=2"),
            ("x &copy y", "x \u{A9} y"),
            ("caf&eacute;", "café"),
            ("&sol;a&period;html", "/a.html"),
            ("&unknown;", "&unknown;"),
            ("&", "&"),
            ("&#", "&#"),
            ("&#x", "&#x"),
            ("&#x;", "&#x;"),
            ("&#0;", "\u{FFFD}"),
            ("&#150;", "\u{2013}"),
            ("&#99999999999;", "\u{FFFD}"),
            ("&#xD800;", "\u{FFFD}"),
            ("&amp;amp;", "&amp;"),
            ("あ&lt;い", "あ<い"),
        ] {
            assert_eq!(decode(written), meant, "{written}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_decoded_without_growing(text in ".*") {
            // The longest growth of one reference is none: each is at least as long as what it stands for.
            prop_assert!(decode(&text).len() <= text.len() + 3);
        }

        #[test]
        fn what_was_escaped_comes_back(text in "[^&]*") {
            let written = text.replace('<', "&lt;").replace('"', "&quot;");
            prop_assert_eq!(decode(&written).into_owned(), text);
        }
    }
}
