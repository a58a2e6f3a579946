//! Which characters a page's bytes are: byte order mark, header, `<meta>`, XML declaration (HTML section 13.2.3.2), and
//! for pages that say nothing the codes that Japanese sites were written in.

use std::borrow::Cow;

use encoding_rs::{EUC_JP, Encoding, ISO_2022_JP, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::tags::{Comments, HtmlToken, Tag, Tags};

/// Where a `<meta>` may stand (HTML section 4.2.5.4), doubled: licence comments grow.
const PRESCAN: usize = 2048;

/// A page's text, and the encoding that it was in: queries in its links are written in it.
pub fn html<'a>(body: &'a [u8], content_type: Option<&str>) -> (Cow<'a, str>, &'static Encoding) {
    let encoding = content_type
        .and_then(of_content_type)
        .or_else(|| of_meta(&body[..body.len().min(PRESCAN)]))
        .or_else(|| of_declaration(body).map(as_ascii))
        .unwrap_or_else(|| guess(body));
    let (text, encoding, _) = encoding.decode(body);
    (text, encoding)
}

/// The text of a style sheet or a script: byte order mark, header, `@charset`, else UTF-8 (CSS Syntax section 3.2). One
/// that is none was written as the page was that brought it: the bytes must tell.
pub fn css<'a>(body: &'a [u8], content_type: Option<&str>) -> Cow<'a, str> {
    let encoding = content_type.and_then(of_content_type).or_else(|| of_at_charset(body));
    let encoding = encoding.unwrap_or_else(|| guess(body));
    encoding.decode(body).0
}

/// The text of an XML document: byte order mark, header, declaration, UTF-8.
pub fn xml<'a>(body: &'a [u8], content_type: Option<&str>) -> Cow<'a, str> {
    let encoding = content_type.and_then(of_content_type).or_else(|| of_declaration(body)).unwrap_or(UTF_8);
    encoding.decode(body).0
}

/// The `charset` of a Content-Type.
pub fn of_content_type(value: &str) -> Option<&'static Encoding> {
    value.split(';').skip(1).find_map(|parameter| {
        let (name, label) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then_some(())?;
        Encoding::for_label(label.trim().trim_matches(['"', '\'']).as_bytes())
    })
}

fn of_meta(head: &[u8]) -> Option<&'static Encoding> {
    // What is no ASCII is of no matter here.
    let head = String::from_utf8_lossy(head);
    Tags::of(&head, Comments::Html).find_map(|token| match token {
        HtmlToken::Tag(tag) if tag.starts("meta") => of_meta_tag(&tag),
        HtmlToken::Tag(_) | HtmlToken::Text(_) => None,
    })
}

/// The `charset` of a `<meta>`, be it an attribute or, beside `http-equiv`, part of `content`.
fn of_meta_tag(tag: &Tag<'_>) -> Option<&'static Encoding> {
    let (mut pragma, mut content) = (false, None);
    for (name, value) in tag.attributes() {
        match &*name.to_ascii_lowercase() {
            "charset" => {
                if let Some(encoding) = Encoding::for_label(value.as_bytes()) {
                    return Some(as_ascii(encoding));
                }
            }
            "http-equiv" => pragma |= value.trim().eq_ignore_ascii_case("content-type"),
            "content" => content = of_content(value).or(content),
            _ => {}
        }
    }
    content.filter(|_| pragma).map(as_ascii)
}

/// The `charset=x` of a `content`.
fn of_content(content: &str) -> Option<&'static Encoding> {
    let content = content.to_ascii_lowercase();
    content.match_indices("charset").find_map(|(at, word)| {
        let value = content[at + word.len()..].trim_ascii_start().strip_prefix('=')?.trim_ascii_start();
        let value = value.strip_prefix(['"', '\'']).unwrap_or(value);
        let end = value.find(['"', '\'', ';', ' ']).unwrap_or(value.len());
        Some(Encoding::for_label(&value.as_bytes()[..end]))
    })?
}

/// A page whose `<meta>` or declaration can be read as ASCII is not in UTF-16.
fn as_ascii(encoding: &'static Encoding) -> &'static Encoding {
    if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding }
}

fn of_at_charset(body: &[u8]) -> Option<&'static Encoding> {
    let label = body.strip_prefix(b"@charset \"")?;
    let end = label.iter().take(100).position(|b| *b == b'"')?;
    Encoding::for_label(&label[..end])
}

fn of_declaration(body: &[u8]) -> Option<&'static Encoding> {
    let head = &body[..body.len().min(256)];
    let declaration = head.strip_prefix(b"<?xml")?;
    let declaration = &declaration[..find(declaration, b"?>")?];
    let value = &declaration[find(declaration, b"encoding")? + 8..];
    let value = value.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let quote = *value.first()?;
    let end = value.iter().skip(1).position(|b| *b == quote)?;
    Encoding::for_label(&value[1..=end])
}

/// The first of the usual encodings that the bytes are valid in.
fn guess(body: &[u8]) -> &'static Encoding {
    // A cut or a stray byte deep in a page must not decide; the beginning does.
    let head = &body[..body.len().min(64 * 1024)];
    if std::str::from_utf8(head).map_or_else(|e| e.valid_up_to() + 4 > head.len(), |_| true) {
        let escapes = find(head, b"\x1b$B").is_some() || find(head, b"\x1b$@").is_some();
        return if escapes { ISO_2022_JP } else { UTF_8 };
    }
    let read = |encoding: &'static Encoding| {
        let mut text = String::with_capacity(head.len() * 3);
        let (_, _, broken) =
            encoding.new_decoder_without_bom_handling().decode_to_string(head, &mut text, false);
        (!broken).then(|| Script::of(&text))
    };
    match (read(SHIFT_JIS), read(EUC_JP)) {
        (Some(sjis), Some(euc)) if euc.narrow <= sjis.narrow && euc.is_japanese() => EUC_JP,
        (Some(sjis), _) if sjis.is_japanese() => SHIFT_JIS,
        (_, Some(euc)) if euc.is_japanese() => EUC_JP,
        _ => WINDOWS_1252,
    }
}

/// What characters a text is made of.
struct Script {
    /// Half-width kana: EUC-JP read as Shift_JIS is full of them, and no page is.
    narrow: usize,
    kana: usize,
    other: usize,
}

impl Script {
    fn of(text: &str) -> Script {
        let mut script = Script { narrow: 0, kana: 0, other: 0 };
        for c in text.chars().filter(|c| !c.is_ascii()) {
            match c {
                '\u{FF61}'..='\u{FF9F}' => script.narrow += 1,
                '\u{3040}'..='\u{30FF}' => script.kana += 1,
                _ => script.other += 1,
            }
        }
        script
    }

    /// No sentence is without kana: the accents of other languages, read as Japanese, are rare kanji one and all.
    fn is_japanese(&self) -> bool {
        self.kana * 10 >= self.kana + self.other + self.narrow && self.kana > 0
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "<p>花と季節の店、日本語のページです。<a href=\"/お知らせ\">イベント</a>";

    #[test]
    fn declared_encodings_are_used() {
        for (label, encoding) in [
            ("utf-8", UTF_8),
            ("Shift_JIS", SHIFT_JIS),
            ("x-sjis", SHIFT_JIS),
            ("EUC-JP", EUC_JP),
            ("iso-2022-jp", ISO_2022_JP),
        ] {
            let in_meta = format!("<!-- charset=none --><html><META charset = '{label}' />{TEXT}");
            let (bytes, _, _) = encoding.encode(&in_meta);
            assert_eq!(html(&bytes, Some("text/html")).0, in_meta, "{label} in meta");
            let in_content =
                format!("<meta http-equiv=content-type content=\"text/html; charset={label}\">{TEXT}");
            let (bytes, _, _) = encoding.encode(&in_content);
            assert_eq!(html(&bytes, None).0, in_content, "{label} in content");
            let (bytes, _, _) = encoding.encode(TEXT);
            let header = format!("text/html;boundary=x; Charset=\"{label}\"");
            assert_eq!(html(&bytes, Some(&header)), (Cow::Borrowed(TEXT), encoding), "{label} in header");
        }
    }

    #[test]
    fn undeclared_encodings_are_guessed() {
        for encoding in [UTF_8, SHIFT_JIS, EUC_JP, ISO_2022_JP] {
            let (bytes, _, _) = encoding.encode(TEXT);
            assert_eq!(
                html(&bytes, Some("text/html")),
                (Cow::Borrowed(TEXT), encoding),
                "{}",
                encoding.name()
            );
        }
        for latin in ["café crème brûlée", "élève âgé, œuvre, À bientôt", "Über Größe und Fuß", "señor niño"]
        {
            assert_eq!(html(&WINDOWS_1252.encode(latin).0, None).1, WINDOWS_1252, "{latin}");
        }
        for short in ["<title>お花の店</title>", "<a href='?q=カフェ'>コーヒー</a>"] {
            for encoding in [SHIFT_JIS, EUC_JP] {
                assert_eq!(
                    html(&encoding.encode(short).0, None),
                    (Cow::Borrowed(short), encoding),
                    "{short}"
                );
            }
        }
        assert_eq!(html(b"", None).1, UTF_8);
    }

    #[test]
    fn a_byte_order_mark_beats_everything() {
        let (text, encoding) =
            html(b"\xef\xbb\xbf<meta charset=shift_jis>\xe3\x81\x82", Some("text/html; charset=euc-jp"));
        assert_eq!((text.as_ref(), encoding), ("<meta charset=shift_jis>あ", UTF_8));
        assert_eq!(html(b"\xff\xfe<\0a\0", None), ("<a".into(), UTF_16LE));
        assert_eq!(html(b"\xfe\xff\0<\0a", Some("text/html; charset=utf-8")), ("<a".into(), UTF_16BE));
    }

    #[test]
    fn a_lying_or_broken_meta_is_survived() {
        assert_eq!(html(b"<meta charset=utf-16>a", None).1, UTF_8);
        assert_eq!(html(b"<meta name=description content='charset=euc-jp'>", None).1, UTF_8);
        assert_eq!(html(b"<meta name=x charset=nonsense><meta charset=euc-jp>", None).1, EUC_JP);
        assert_eq!(
            html(b"<meta content='text/html;charset=euc-jp' http-equiv='Content-Type' />", None).1,
            EUC_JP
        );
        assert_eq!(html(b"<?xml version='1.0' encoding='Shift_JIS'?><html>", None).1, SHIFT_JIS);
        assert_eq!(html(b"<?xml version='1.0' encoding='Shift_JIS'?><meta charset=euc-jp>", None).1, EUC_JP);
        assert_eq!(html(b"<meta charset=>a", None).1, UTF_8);
        assert_eq!(html(b"<meta charset", None).1, UTF_8);
        assert_eq!(html(b"<metadata charset=euc-jp>", None).1, UTF_8);
        assert_eq!(html(b"<!-- <meta charset=euc-jp>", None).1, UTF_8);
    }

    #[test]
    fn sheets_and_xml_say_it_their_own_way() {
        let (bytes, _, _) = SHIFT_JIS.encode("@charset \"Shift_JIS\"; a{b:url(画像.png)}");
        assert!(css(&bytes, Some("text/css")).contains("画像.png"));
        let (bytes, _, _) = SHIFT_JIS.encode("a{b:url(画像.png)} /* よい絵 */");
        assert!(css(&bytes, Some("text/css")).contains("画像.png"));
        let (bytes, _, _) = EUC_JP.encode("<?xml version='1.0' encoding='EUC-JP'?><loc>/花</loc>");
        assert!(xml(&bytes, None).contains("/花"));
    }

    proptest! {
        #[test]
        fn any_bytes_become_text(bytes in proptest::collection::vec(any::<u8>(), 0..400), header in ".{0,40}") {
            let _ = html(&bytes, Some(&header));
            let _ = css(&bytes, Some(&header));
            let _ = xml(&bytes, None);
        }
    }
}
