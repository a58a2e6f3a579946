//! What a visitor reads who searches a site whose own search is out of order: what its copy has, and how old that is. As a part
//! of a page of the site, or as a page of its own.

use std::time::{Duration, SystemTime};

use minijinja::context;

use super::{Language, NAME_CHARS, TEMPLATES, plain};
use crate::content::search::Fragment;
use crate::http::control::date_field;

/// Header fields of the page of its own: as those of holding pages, but it has a form.
pub const RESULTS_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'";
/// No more characters of what was typed are shown.
const TYPED_CHARS: usize = 100;

/// A page that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPage {
    /// Its path on the site, starting with one `/`.
    pub href: String,
    /// Its title, in markup.
    pub title: String,
    /// What of it shows why it was found, in markup.
    pub excerpt: String,
}

/// All that the results say.
#[derive(Clone, Copy, Debug)]
pub struct ResultsPage<'a> {
    /// The site's name as its visitors know it.
    pub site: Option<&'a str>,
    /// See [`Language::choose`].
    pub language: Language,
    /// What was looked for.
    pub typed: &'a str,
    /// Where the form is sent to, and the name of its field.
    pub form: (&'a str, &'a str),
    /// When the copy was taken that was searched.
    pub taken_at: SystemTime,
    /// The pages, the best first.
    pub pages: &'a [FoundPage],
    /// How many were found in all.
    pub total: usize,
    /// Whether they have all words; else some of them.
    pub is_whole: bool,
}

/// Text as markup.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Pieces of a text as markup, those that were looked for marked.
pub fn shown(pieces: &[Fragment<'_>]) -> String {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Fragment::Plain(text) => out.push_str(&escaped(text)),
            Fragment::Marked(text) => {
                out.push_str("<mark>");
                out.push_str(&escaped(text));
                out.push_str("</mark>");
            }
            Fragment::Cut => out.push('…'),
        }
    }
    out
}

impl ResultsPage<'_> {
    /// What was typed, in one line.
    pub fn typed(&self) -> String {
        plain(self.typed, TYPED_CHARS)
    }

    /// The title of the page.
    pub fn title(&self) -> String {
        match self.site.map(|site| plain(site, NAME_CHARS)) {
            Some(site) if !site.is_empty() => format!("{} | {site}", self.heading()),
            Some(_) | None => self.heading(),
        }
    }

    fn heading(&self) -> String {
        let typed = self.typed();
        match (self.language, typed.is_empty()) {
            (Language::Ja, true) => "サイト内検索".to_owned(),
            (Language::En, true) => "Search".to_owned(),
            (Language::Ja, false) => format!("「{typed}」の検索結果"),
            (Language::En, false) => format!("Search results for “{typed}”"),
        }
    }

    fn status(&self) -> String {
        let (shown, total) = (self.pages.len(), self.total);
        match self.language {
            Language::Ja => match (shown, self.is_whole) {
                _ if self.typed().is_empty() => "探したい言葉を入力してください。".to_owned(),
                (0, _) => "保存されたコピーの中には、見つかりませんでした。サイトの復旧後に、もう一度お試しください。"
                    .to_owned(),
                (_, false) => {
                    format!("すべての言葉を含むページはありませんでした。一部を含むページ（{shown}件）をご案内します。")
                }
                (_, true) if shown < total => format!("{total}件のうち、{shown}件をご案内します。"),
                (_, true) => format!("{total}件見つかりました。"),
            },
            Language::En => match (shown, self.is_whole) {
                _ if self.typed().is_empty() => "Type what you are looking for.".to_owned(),
                (0, _) => "Nothing was found in the saved copy of this site. The site itself may have more: please try \
                           again when it is back."
                    .to_owned(),
                (1, false) => "No page has all of your words. This one has some of them.".to_owned(),
                (_, false) => format!("No page has all of your words. These {shown} have some of them."),
                (1, true) if total == 1 => "One page was found.".to_owned(),
                (_, true) if shown < total => format!("{total} pages were found. These are the best {shown}."),
                (_, true) => format!("{total} pages were found."),
            },
        }
    }

    /// How old it is.
    fn note(&self) -> &'static str {
        match self.language {
            Language::Ja => {
                "ただいま、サイトの検索機能をご利用いただけないため、保存されたコピーを検索しています。コピーの日時:"
            }
            Language::En => {
                "The site’s own search is not available at the moment. This is a search of the copy that was saved on"
            }
        }
    }

    /// The results as a part of a page. `form` is the site's own form in markup, if it is to stand in it.
    pub fn part(&self, form: Option<&str>) -> String {
        let page = context! {
            lang => self.language.tag(),
            heading => self.heading(),
            form => form.unwrap_or_default(),
            status => self.status(),
            pages => self.pages.iter().map(|page| context! {
                href => escaped(&page.href), title => &page.title, excerpt => &page.excerpt,
            }).collect::<Vec<_>>(),
            note => self.note(),
            taken_at => crate::snapshot::rfc3339(self.taken_at),
            date => date(self.taken_at, self.language),
        };
        TEMPLATES.get_template("results.html").and_then(|template| template.render(page)).unwrap_or_else(
            |error| {
                tracing::error!(%error, "the results of a search could not be rendered");
                format!("<h1>{}</h1><p>{}</p>", escaped(&self.heading()), escaped(&self.status()))
            },
        )
    }

    /// A form of our own.
    pub fn form(&self) -> String {
        let (action, name) = self.form;
        let label = match self.language {
            Language::Ja => "検索",
            Language::En => "Search",
        };
        format!(
            "<form role=\"search\" method=\"get\" action=\"{}\"><input type=\"search\" name=\"{}\" value=\"{}\" aria-label=\"{label}\"> <button type=\"submit\">{label}</button></form>",
            escaped(action),
            escaped(name),
            escaped(&self.typed()),
        )
    }

    /// A page of its own, where no page of the site has a place for it.
    pub fn page(&self) -> String {
        let results = self.part(Some(&self.form()));
        let page = context! {
            lang => self.language.tag(),
            title => self.title(),
            site => self.site.map(|site| plain(site, NAME_CHARS)).unwrap_or_default(),
            results => &results,
        };
        let rendered = TEMPLATES.get_template("results_page.html").and_then(|template| template.render(page));
        rendered.unwrap_or_else(|error| {
            tracing::error!(%error, "the page of a search could not be rendered");
            format!("<!doctype html><meta charset=\"utf-8\">{results}")
        })
    }
}

/// A date and a time of the day, as they are written: in Japan by its own clock, which has no summer time.
fn date(time: SystemTime, language: Language) -> String {
    match language {
        Language::En => {
            // `Sun, 29 Nov 2026 10:32:07 GMT` (RFC 9110 section 5.6.7)
            let field = date_field(time);
            let text = field.to_str().unwrap_or_default();
            let day = text.get(5..16).unwrap_or_default();
            format!("{}, {} UTC.", day.trim_start_matches('0'), text.get(17..22).unwrap_or_default())
        }
        Language::Ja => {
            let written = crate::snapshot::rfc3339(time + Duration::from_secs(9 * 3600));
            let number = |at: std::ops::Range<usize>| {
                written.get(at).unwrap_or_default().trim_start_matches('0').to_owned()
            };
            let (year, month, day) = (number(0..4), number(5..7), number(8..10));
            format!("{year}年{month}月{day}日 {}（日本時間）", written.get(11..16).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    const HOSTILE: &str = "\"><script>alert(1)</script>'&amp;\u{202e}\r\n{{ 7 * 7 }}";

    fn results<'a>(
        typed: &'a str,
        language: Language,
        pages: &'a [FoundPage],
        total: usize,
    ) -> ResultsPage<'a> {
        let taken_at = UNIX_EPOCH + Duration::from_secs(1_795_948_327);
        let (site, form) = (Some("茶と器"), ("/", "s"));
        ResultsPage { site, language, typed, form, taken_at, pages, total, is_whole: true }
    }

    fn one() -> [FoundPage; 1] {
        let title = shown(&[Fragment::Plain("A & "), Fragment::Marked("<tea>"), Fragment::Cut]);
        [FoundPage { href: "/tea?a=1&b=\"".to_owned(), title, excerpt: String::new() }]
    }

    #[test]
    fn it_says_what_was_found_and_how_old_the_copy_is() {
        let all = one();
        let part = results("tea", Language::En, &all, 1).part(None);
        for text in [
            "Search results for “tea”",
            "One page was found.",
            "29 Nov 2026, 10:32 UTC",
            "<mark>&lt;tea&gt;</mark>…",
            "datetime=\"2026-11-29T10:32:07Z\"",
            "A &amp; ",
            "href=\"/tea?a=1&amp;b=&quot;\"",
        ] {
            assert!(part.contains(text), "{text} in {part}");
        }
        let part = results("茶", Language::Ja, &all, 80).part(None);
        for text in ["「茶」の検索結果", "80件のうち、1件", "2026年11月29日 19:32（日本時間）"]
        {
            assert!(part.contains(text), "{text} in {part}");
        }
        let none = results("茶", Language::Ja, &[], 0);
        assert!(none.part(None).contains("見つかりませんでした"));
        assert!(results(" ", Language::En, &[], 0).part(None).contains("Type what you are looking for"));
        let some = ResultsPage { is_whole: false, ..results("tea", Language::En, &all, 1) };
        assert!(some.part(None).contains("has some of them"));
        assert_eq!(none.title(), "「茶」の検索結果 | 茶と器");
    }

    #[test]
    fn what_was_typed_stays_text() {
        for language in [Language::Ja, Language::En] {
            let form = ("/\"><script>", "s\"><script>");
            let hostile = ResultsPage { form, ..results(HOSTILE, language, &[], 0) };
            let page = ResultsPage { site: Some(HOSTILE), ..hostile }.page();
            assert!(
                !page.contains("<script") && !page.contains("\">'") && !page.contains('\u{202e}'),
                "{page}"
            );
            assert!(page.contains("{{ 7 * 7 }}") && page.contains("&lt;script&gt;"), "{page}");
            assert_eq!(page.matches("<form").count(), 1);
        }
        let long = "長".repeat(1000);
        assert!(results(&long, Language::Ja, &[], 0).page().len() < 20_000);
    }
}
