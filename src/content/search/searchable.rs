//! What of a page is searched: its title, its headings, its text, as they are written.

use super::part::{main_part, pass_raw};
use crate::content::entity;
use crate::content::tags::{Comments, HtmlToken, Tag, Tags};

/// Bytes of a page's text that are searched. Four of five of the longest pages, single-page manuals, are shorter.
const MOST: usize = 256 << 10;
/// Bytes of its title, and of all its headings.
const MOST_HEADINGS: usize = 8 << 10;

/// A page as search sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searchable {
    /// Its title.
    pub title: String,
    /// Its headings, and what its title lacks.
    pub headings: String,
    /// Its text, headings included, without what stands around it on each page of the site.
    pub text: String,
    /// Whether it asks search engines not to show it.
    pub is_hidden: bool,
    /// The address that it says is its own.
    pub canonical: Option<String>,
}

impl Searchable {
    /// Reads a page.
    pub fn read(html: &str) -> Searchable {
        let mut page = Searchable::default();
        head(html, &mut page);
        let part = main_part(html).filter(|part| part.is_named);
        if let Some(part) = part {
            TextReader { page: &mut page, skips: &["nav"] }.read(html, part.inner.start, part.inner.end);
        }
        if page.text.is_empty() {
            page.headings.clear();
            let around = &["nav", "header", "footer", "aside"];
            TextReader { page: &mut page, skips: around }.read(html, 0, html.len());
        }
        page
    }
}

/// Reads what a page says of itself.
fn head(html: &str, page: &mut Searchable) {
    let mut tags = Tags::of(html, Comments::Html);
    while let Some(token) = tags.next() {
        let HtmlToken::Tag(tag) = token else { continue };
        if tag.starts("title") && page.title.is_empty() {
            add(&mut page.title, tags.raw_text("title"), MOST_HEADINGS);
        } else if tag.starts("meta") {
            let name = tag.attribute("name").unwrap_or_default();
            let is_for_robots = ["robots", "googlebot"].iter().any(|robot| name.eq_ignore_ascii_case(robot));
            page.is_hidden |= is_for_robots && hides(tag.attribute("content").unwrap_or_default());
        } else if tag.starts("link") && page.canonical.is_none() {
            let rel = tag.attribute("rel").unwrap_or_default();
            let is_canonical = rel.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("canonical"));
            let href = tag.attribute("href").filter(|_| is_canonical);
            page.canonical = href.map(|href| entity::decode(href.trim()).into_owned());
        } else if tag.starts("body") {
            return;
        }
        pass_raw(&tag, &mut tags);
    }
}

/// Whether directives for search engines keep a page out of them: of `meta name=robots`, and of `X-Robots-Tag`, where they may be for
/// one of them (`googlebot: noindex`). `none` after the name of a directive is no directive (`max-image-preview:none`).
fn hides(directives: &str) -> bool {
    let is_one = |word: &str| word.eq_ignore_ascii_case("noindex") || word.eq_ignore_ascii_case("none");
    directives.split(',').any(|part| {
        let (before, after) = part.split_once(':').map_or((part, None), |(name, rest)| (name, Some(rest)));
        let name = before.split_whitespace().next_back().unwrap_or_default().to_ascii_lowercase();
        let takes_value = name.starts_with("max-") || name == "unavailable_after";
        let after = after.filter(|_| !takes_value).unwrap_or_default();
        before.split_whitespace().chain(after.split_whitespace()).any(is_one)
    })
}

impl Searchable {
    /// The same with what the answer's `X-Robots-Tag` fields say.
    pub fn with_robots_tags<'a>(mut self, mut values: impl Iterator<Item = &'a str>) -> Searchable {
        self.is_hidden |= values.any(hides);
        self
    }
}

struct TextReader<'p> {
    page: &'p mut Searchable,
    /// Elements that are no content.
    skips: &'p [&'p str],
}

impl TextReader<'_> {
    fn read(&mut self, html: &str, from: usize, to: usize) {
        let mut tags = Tags::of(html, Comments::Html).from(from);
        let (mut heading, mut skipped, mut is_reading_aid) = (None, None::<(&str, usize)>, false);
        while tags.place() < to && self.page.text.len() < MOST {
            let Some(token) = tags.next() else { break };
            let tag = match token {
                HtmlToken::Text(_) if skipped.is_some() || is_reading_aid => continue,
                HtmlToken::Text(text) => {
                    add(&mut self.page.text, text, MOST);
                    continue;
                }
                HtmlToken::Tag(tag) => tag,
            };
            // How a word is read stands between its characters (`<ruby>`); its end tag may be left out.
            is_reading_aid = tag.starts("rt") || tag.starts("rp");
            match &mut skipped {
                Some((name, open)) if tag.name.eq_ignore_ascii_case(name) => {
                    *open = if tag.is_end { *open - 1 } else { *open + 1 };
                    if *open == 0 {
                        skipped = None;
                    }
                }
                Some(_) => {}
                None if self.is_skipped(&tag) => {
                    gap(&mut self.page.text);
                    skipped = Some((tag.name, 1));
                }
                None => self.tag(&tag, &mut heading),
            }
            pass_raw(&tag, &mut tags);
        }
        self.end_heading(heading);
        let end = self.page.text.trim_end().len();
        self.page.text.truncate(end);
    }

    fn is_skipped(&self, tag: &Tag<'_>) -> bool {
        let is_part =
            self.skips.iter().chain(&["select", "button", "dialog", "svg"]).any(|name| tag.starts(name));
        let is_hidden = || {
            ["div", "section", "span", "ul"].iter().any(|name| tag.starts(name))
                && tag.attributes().any(|(name, _)| name.eq_ignore_ascii_case("hidden"))
        };
        !tag.is_end && !tag.closes_itself() && (is_part || is_hidden())
    }

    fn tag(&mut self, tag: &Tag<'_>, heading: &mut Option<usize>) {
        let mut room = [0; 16];
        let name = tag.lower(&mut room);
        if !matches!(
            name,
            "a" | "abbr"
                | "b"
                | "bdi"
                | "bdo"
                | "cite"
                | "code"
                | "em"
                | "font"
                | "i"
                | "kbd"
                | "mark"
                | "q"
                | "rb"
                | "rp"
                | "rt"
                | "ruby"
                | "s"
                | "samp"
                | "script"
                | "small"
                | "span"
                | "strong"
                | "style"
                | "sub"
                | "sup"
                | "template"
                | "tt"
                | "u"
                | "var"
                | "wbr"
        ) {
            gap(&mut self.page.text);
        }
        if matches!(name, "h1" | "h2" | "h3" | "h4") {
            let open = heading.take();
            self.end_heading(open);
            *heading = (!tag.is_end).then_some(self.page.text.len());
        }
    }

    fn end_heading(&mut self, from: Option<usize>) {
        let Searchable { headings, text, .. } = &mut *self.page;
        if let Some(heading) = from.and_then(|from| text.get(from..))
            && headings.len() + heading.len() < MOST_HEADINGS
        {
            gap(headings);
            headings.push_str(heading.trim());
        }
    }
}

/// Nothing that follows belongs to the word before.
fn gap(text: &mut String) {
    if !text.is_empty() && !text.ends_with(' ') {
        text.push(' ');
    }
}

/// Adds what a piece of markup shows, with one space for each gap, and none where a line of Japanese ends.
fn add(text: &mut String, written: &str, most: usize) {
    let written = entity::decode_text(written);
    let is_wide = |c: char| c >= '\u{2E80}';
    let (mut blank, mut is_line_end, mut rest) = (false, false, &*written);
    while let Some(c) = rest.chars().next() {
        let plain = rest.bytes().take_while(u8::is_ascii_graphic).count();
        let len = if plain > 0 { plain } else { c.len_utf8() };
        let (piece, behind) = rest.split_at(len);
        rest = behind;
        if c.is_whitespace() || c.is_control() {
            (blank, is_line_end) = (true, is_line_end || c == '\n');
            continue;
        }
        if text.len() >= most {
            return;
        }
        if blank && !(is_line_end && is_wide(c) && text.ends_with(is_wide)) {
            gap(text);
        }
        (blank, is_line_end) = (false, false);
        text.push_str(piece);
    }
    if blank && !(is_line_end && text.ends_with(is_wide)) {
        gap(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_page_is_its_own_part() {
        let page = Searchable::read(
            "<title> Green Tea &amp; more | Shop</title><meta name=viewport content=none>\
            <header><nav>Menu</nav><h1>Shop</h1></header>\
            <main><nav>Home &gt; Teas</nav><h1>Green <b>Tea</b></h1><p>From\n Uji<script>x</script>, <span>first</span> flush.\
            <select><option>1</select><div hidden>not <div>this</div> either</div>日本\n  の茶<ruby>葉<rp>(<rt>は<rp>)</ruby>です</main><aside>More</aside><footer>©</footer>",
        );
        assert_eq!(page.title, "Green Tea & more | Shop");
        assert_eq!(page.headings, "Green Tea");
        assert_eq!(page.text, "Green Tea From Uji, first flush. 日本の茶葉です");
        assert!(!page.is_hidden);
    }

    #[test]
    fn a_page_without_such_a_part_is_all_but_what_stands_around() {
        for html in [
            "<title>T</title><body><header>h</header><nav>n</nav><h2>A</h2>b<footer>f</footer>",
            "<title>T</title><main><nav>n</nav></main><h2>A</h2><p>b<aside>c</aside>",
        ] {
            let page = Searchable::read(html);
            assert_eq!((&*page.headings, &*page.text), ("A", "A b"), "{html}");
        }
    }

    #[test]
    fn a_page_may_ask_not_to_be_shown() {
        for (html, tag, hidden) in [
            ("<meta name=robots content='noindex, follow'>", None, true),
            ("<META NAME=Robots CONTENT=NONE>", None, true),
            ("<meta name=robots content='index,follow,max-image-preview:large'>", None, false),
            ("<meta name=robots content='max-image-preview:none, follow'>", None, false),
            ("<meta name=robots content='noindex max-image-preview: none'>", None, true),
            ("<meta name=googlebot content=noindex>", None, true),
            ("<meta name=description content=noindex>", None, false),
            ("<p>", Some("max-image-preview: none"), false),
            ("<p>", Some("unavailable_after: 25 Jun 2030 15:00:00 PST"), false),
            ("<p>", Some("otherbot: nofollow, noindex"), true),
            ("<p>", Some("noindex"), true),
            ("<p>", Some("googlebot: noindex"), true),
            ("<p>", Some("noarchive"), false),
        ] {
            assert_eq!(
                Searchable::read(html).with_robots_tags(tag.into_iter()).is_hidden,
                hidden,
                "{html} {tag:?}"
            );
        }
    }

    #[test]
    fn a_page_of_any_length_is_bounded() {
        let page = Searchable::read(&format!("<h1>{}</h1>", "tea ".repeat(MOST)));
        assert!(page.text.len() <= MOST + 4 && page.headings.is_empty());
    }

    proptest! {
        #[test]
        fn any_markup_is_read(html in "(<main>|</main>|<nav>|</nav>|<h1>|</h1>|<title>|</title>|<div hidden>|</div>|<script>|&amp;|[a-z あ<\n]){0,40}") {
            let page = Searchable::read(&html);
            prop_assert!(!page.text.contains("  ") && !page.text.ends_with(' '));
        }
    }
}
