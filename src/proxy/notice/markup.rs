//! The markup that is put into pages. Pure, and ASCII throughout, without a backslash or a tilde: right in every encoding that
//! pages are in, with character references for the rest.

use std::fmt::Write as _;

use super::words::{Text, Words};
use crate::content::spots::{MARK, TagSpot};

/// How it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// As here, at the window's edge.
    Own,
    /// As browsers draw a dialog: the page's policy lets no style in.
    Browser,
}

/// The class is said twice, and everything reverted first, so that the site's own rules do not win.
const CSS: &str = "<style>\
.katahai-notice.katahai-notice,.katahai-notice.katahai-notice *{all:revert;box-sizing:border-box}\
.katahai-notice.katahai-notice{position:fixed;inset:auto 0 0 0;z-index:2147483647;width:auto;max-width:none;height:auto;\
max-height:40vh;overflow:auto;margin:0;border:0;border-top:3px solid #e3a548;padding:10px 16px;background:#20262c;color:#f5f3ef;\
color-scheme:dark;font:400 15px/1.6 system-ui,sans-serif;text-align:start}\
.katahai-notice.katahai-notice details{max-width:960px;margin:0 auto}\
.katahai-notice.katahai-notice summary{display:flex;justify-content:space-between;gap:16px;cursor:pointer;font-weight:600;color:#f0c27b}\
.katahai-notice.katahai-notice summary:focus-visible{outline:2px solid #f0c27b;outline-offset:2px}\
.katahai-notice.katahai-notice p{margin:0}\
.katahai-notice.katahai-notice style{display:none}\
.katahai-notice.katahai-notice:has(details:not([open])){display:none}\
@media print{.katahai-notice.katahai-notice{display:none}}\
.katahai-form.katahai-form{all:revert;box-sizing:border-box;flex:0 0 100%;grid-column:1/-1;margin:0 0 12px;\
border-left:4px solid #b7791f;padding:6px 12px;background:#fdf4e3;color:#3a2c12;font:400 15px/1.6 system-ui,sans-serif;text-align:start}\
</style>";

/// The banner. A dialog lies over the page by browsers' own rules, so that nothing moves, with or without style; and
/// what closes it needs neither script nor a form, which would count among those of the page (`document.forms[0]`).
pub(super) fn banner(words: &Words, text: &Text, style: Style) -> String {
    let css = match style {
        Style::Own => CSS,
        Style::Browser => "",
    };
    let (label, label_lang) = (ascii(words.label()), words.language.tag());
    let Text { lang, parts } = text;
    let said = parts.iter().map(|part| ascii(part)).collect::<Vec<_>>().join(&time(words));
    format!(
        "<dialog open class=\"{MARK}\" lang=\"{label_lang}\" aria-label=\"{label}\">{css}<div role=\"status\"><details open>\
         <summary><span>{label}</span><span aria-hidden=\"true\">&#215;</span></summary>\
         <p lang=\"{lang}\">{said}</p></details></div></dialog>"
    )
}

fn time(words: &Words) -> String {
    let (machine, people) = words.time();
    format!("<time datetime=\"{machine}\">{}</time>", ascii(&people))
}

/// The sentence within the `n`th form.
pub(super) fn at_form(words: &Words, n: usize, text: &str) -> String {
    let (lang, text) = (words.language.tag(), ascii(text));
    format!("<p class=\"katahai-form\" id=\"katahai-form-{n}\" lang=\"{lang}\">{text}</p>")
}

/// What connects a field with that sentence, for those who hear the page. The first of two attributes of a name counts.
pub(super) fn described(n: usize, tag: &TagSpot) -> String {
    let before = &tag.described_by;
    let gap = if before.is_empty() { "" } else { " " };
    format!(" aria-describedby=\"katahai-form-{n}{gap}{before}\"")
}

/// The same for a button that does nothing now.
pub(super) fn disabled(n: usize, tag: &TagSpot) -> String {
    format!(" disabled{}", described(n, tag))
}

/// A text as markup that shows it.
pub(in crate::proxy) fn ascii(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' | '<' | '>' | '"' | '\'' | '\\' | '~' => _ = write!(out, "&#{};", u32::from(c)),
            c if c.is_ascii_control() => out.push(' '),
            c if c.is_ascii() => out.push(c),
            c => _ = write!(out, "&#{};", u32::from(c)),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::super::words::Forms;
    use super::*;
    use crate::holding_page::Language;
    use std::time::{Duration, SystemTime};

    fn words(language: Language) -> Words {
        let taken_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_002_320);
        Words { language, taken_at }
    }

    #[test]
    fn everything_is_ascii_and_safe_in_every_encoding() {
        for language in Language::ALL {
            let words = words(*language);
            for style in [Style::Own, Style::Browser] {
                let own =
                    words.own(&[("ja".to_owned(), "\u{1f338} <b>\"'&~\\\n{time}".to_owned())], Some("ja"));
                for text in [words.banner(Forms::Refused), words.banner(Forms::SomeKept), own] {
                    let all = banner(&words, &text, style) + &at_form(&words, 1, words.kept());
                    let is_safe = |b: u8| b.is_ascii_graphic() && !matches!(b, b'\\' | b'~') || b == b' ';
                    assert!(all.bytes().all(is_safe), "{all}");
                    assert_eq!(all.contains("<style>"), style == Style::Own);
                    assert!(
                        !all.contains("<b>") && !all.contains("<form") && !all.contains("<script"),
                        "{all}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_reader_finds_words_and_time() {
        let words = words(Language::Ja);
        let all = banner(&words, &words.banner(Forms::Refused), Style::Browser);
        let read = crate::content::entity::decode_text(&all);
        assert!(
            read.contains(
                "<time datetime=\"2026-11-30T01:32Z\">2026年11月30日 10:32（日本時間）</time>に保存"
            ),
            "{read}"
        );
        assert!(
            read.starts_with("<dialog open class=\"katahai-notice\" lang=\"ja\" aria-label=\"保存版"),
            "{read}"
        );
    }

    #[test]
    fn what_described_a_field_goes_on_doing_so() {
        let tag = |described_by: &str| TagSpot { at: 0, described_by: described_by.to_owned() };
        assert_eq!(described(2, &tag("")), " aria-describedby=\"katahai-form-2\"");
        assert_eq!(disabled(2, &tag("a b")), " disabled aria-describedby=\"katahai-form-2 a b\"");
    }
}
