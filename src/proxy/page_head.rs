//! What the head of a site's own page tells: its language and its title, for the holding page. Pure.

use crate::content::entity;

/// How many bytes at the start of a page contain its head.
const HEAD: usize = 16 * 1024;

/// The language of a page: the `lang` attribute of its root element.
pub(super) fn language(html: &[u8]) -> Option<String> {
    let head = head(html);
    let tag = head.get(find(&head, "<html")?..)?;
    let tag = &tag[..tag.find('>')?];
    let value = tag[find(tag, "lang=")? + "lang=".len()..].trim_start_matches(['"', '\'']);
    let end = value.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(value.len());
    (end > 0).then(|| value[..end].to_owned())
}

/// The title of a page, in one line, without markup's entities.
pub(super) fn title(html: &[u8]) -> Option<String> {
    let head = head(html);
    let tag = &head[find(&head, "<title")?..];
    let text = &tag[tag.find('>')? + 1..];
    let text = &text[..find(text, "</title").unwrap_or(text.len())];
    let text = entity::decode_text(text).split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty() && !text.contains(char::REPLACEMENT_CHARACTER)).then_some(text)
}

fn head(html: &[u8]) -> String {
    let head = &html[..html.len().min(HEAD)];
    let (encoding, _) = encoding_rs::Encoding::for_bom(head).unwrap_or((declared(head), 0));
    encoding.decode(head).0.into_owned()
}

/// The encoding that the page declares in its first kilobyte (HTML, "prescan a byte stream").
fn declared(head: &[u8]) -> &'static encoding_rs::Encoding {
    let ascii = String::from_utf8_lossy(&head[..head.len().min(1024)]);
    let label = find(&ascii, "charset=").map(|at| {
        let rest = ascii[at + "charset=".len()..].trim_start_matches(['"', '\'']);
        rest.split(['"', '\'', '>', ' ', ';', '/']).next().unwrap_or_default().to_owned()
    });
    label.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes())).unwrap_or(encoding_rs::UTF_8)
}

/// Where `needle` (lower case) first occurs in `text`, ignoring case.
fn find(text: &str, needle: &str) -> Option<usize> {
    let at = text.as_bytes().windows(needle.len()).position(|w| w.eq_ignore_ascii_case(needle.as_bytes()))?;
    text.is_char_boundary(at).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_root_elements() {
        assert_eq!(
            language(b"<!doctype html><HTML class=x LANG='ja-JP'><p lang=en>").as_deref(),
            Some("ja-JP")
        );
        assert_eq!(language(b"<html lang=en>").as_deref(), Some("en"));
        assert_eq!(language(b"<html><p lang=en>"), None);
        assert_eq!(language(b""), None);
    }

    #[test]
    fn the_title_is_read_in_the_pages_own_encoding() {
        let (sjis, _, _) =
            encoding_rs::SHIFT_JIS.encode("<meta charset=Shift_JIS><title>\n お茶 &amp; 器 </title>");
        assert_eq!(title(&sjis).as_deref(), Some("お茶 & 器"));
        assert_eq!(
            title(b"<title>Shop &#8211; We&rsquo;re open").as_deref(),
            Some("Shop \u{2013} We\u{2019}re open")
        );
        assert_eq!(title("<title>茶".as_bytes()).as_deref(), Some("茶"));
        assert_eq!(title(b"<title></title>"), None);
        assert_eq!(title(b"no title"), None);
    }
}
