//! What a visitor reads on a page: its title, its first heading, its text. One pass over the markup, without a tree:
//! fast, and good for any bytes.

use super::entity;
use super::tags::{Comments, HtmlToken, Tag, Tags};

/// The words of a page, in the one spelling in which they are compared: lower case, plain quotes, single
/// blanks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageText {
    /// Of the first `<title>`.
    pub title: String,
    /// Of the first `<h1>`, `<h2>` or `<h3>` that has any.
    pub heading: String,
    /// All that is shown, headings included; without title, scripts, styles, comments.
    pub text: String,
    /// Its characters without spaces.
    pub visible: u32,
    /// Its links: a page of a site has a way to the others.
    pub links: u32,
    /// Where its beginning ends, if there is more than that.
    cut: Option<Cut>,
}

/// As many visible characters are the beginning of a page's text; it ends with the piece that has the last of them.
pub const BEGINNING: u32 = 4000;

/// Where the beginning of a text ends, and what was found until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    len: usize,
    visible: u32,
    links: u32,
    has_title: bool,
    has_heading: bool,
}

/// The beginning of a page's text: the fields are as those of [`PageText`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the same as those of PageText")]
pub struct Beginning<'a> {
    pub title: &'a str,
    pub heading: &'a str,
    pub text: &'a str,
    pub visible: u32,
    pub links: u32,
    /// Whether there is no more.
    pub is_all: bool,
}

impl PageText {
    /// Reads all of a page.
    pub fn read(html: &str) -> PageText {
        PageText::read_to(html, BEGINNING, Reach::End)
    }

    /// Reads no more than the beginning of a page.
    pub fn read_beginning(html: &str) -> PageText {
        PageText::read_to(html, BEGINNING, Reach::Beginning)
    }

    fn read_to(html: &str, most: u32, reach: Reach) -> PageText {
        let mut reader = Reader::default();
        reader.read(html, most, reach);
        let mut page = reader.page;
        page.visible = reader.text.visible;
        page.text = reader.text.out;
        page
    }

    /// Its beginning.
    pub fn beginning(&self) -> Beginning<'_> {
        let all = Cut {
            len: self.text.len(),
            visible: self.visible,
            links: self.links,
            has_title: true,
            has_heading: true,
        };
        let cut = self.cut.unwrap_or(all);
        Beginning {
            title: if cut.has_title { &self.title } else { "" },
            heading: if cut.has_heading { &self.heading } else { "" },
            text: &self.text[..cut.len],
            visible: cut.visible,
            links: cut.links,
            is_all: self.cut.is_none(),
        }
    }
}

/// How far a page is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Beginning,
    End,
}

/// Text in one spelling: lower case, plain quotes, half-width ASCII, single spaces, and none between Japanese
/// characters, where line ends of the source would put them.
pub fn fold(text: &str) -> String {
    let mut folded = Folded::default();
    folded.push(text);
    folded.out
}

#[derive(Default)]
struct Folded {
    out: String,
    visible: u32,
    /// Spaces have come since the last character.
    gap: bool,
    /// The last character is of a script without spaces.
    wide: bool,
}

impl Folded {
    fn push(&mut self, text: &str) {
        let mut rest = text;
        loop {
            let plain = rest.bytes().take_while(u8::is_ascii_graphic).count();
            self.word(&rest[..plain]);
            rest = &rest[plain..];
            let Some(c) = rest.chars().next() else { return };
            self.other(c);
            rest = &rest[c.len_utf8()..];
        }
    }

    /// Most of most pages, and so at once: ASCII without blanks.
    fn word(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        if self.gap && !self.out.is_empty() {
            self.out.push(' ');
        }
        (self.gap, self.wide) = (false, false);
        let at = self.out.len();
        self.out.push_str(word);
        self.out[at..].make_ascii_lowercase();
        self.visible += word.len() as u32;
    }

    fn other(&mut self, c: char) {
        match c {
            '\u{200B}'..='\u{200F}' | '\u{FEFF}' | '\u{AD}' => {}
            '\u{2018}' | '\u{2019}' | '\u{2032}' => self.put('\''),
            '\u{201C}' | '\u{201D}' => self.put('"'),
            '\u{2026}' => self.word("..."),
            '\u{2010}'..='\u{2015}' => self.put('-'),
            // full-width forms of ASCII
            '\u{FF01}'..='\u{FF5E}' => {
                self.put(char::from_u32(c as u32 - 0xFEE0).unwrap_or(c).to_ascii_lowercase());
            }
            _ if c.is_whitespace() => self.gap = true,
            _ => self.put(c.to_lowercase().next().unwrap_or(c)),
        }
    }

    fn put(&mut self, c: char) {
        let wide = c >= '\u{2E80}';
        if self.gap && !self.out.is_empty() && !(wide && self.wide) {
            self.out.push(' ');
        }
        (self.gap, self.wide) = (false, wide);
        self.out.push(c);
        self.visible += 1;
    }
}

/// Elements that stand within a line: `Acc<b>ount</b>` is one word.
fn is_within_a_line(name: &str) -> bool {
    matches!(
        name,
        "a" | "abbr"
            | "b"
            | "big"
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
            | "s"
            | "samp"
            | "small"
            | "span"
            | "strong"
            | "sub"
            | "sup"
            | "tt"
            | "u"
            | "var"
            | "wbr"
    )
}

/// Elements whose content nobody sees.
fn is_unseen(name: &str) -> bool {
    matches!(name, "script" | "style" | "template" | "iframe" | "noembed" | "noframes" | "object")
}

#[derive(Default)]
struct Reader {
    page: PageText,
    text: Folded,
    has_title: bool,
    /// Where in the text the heading begins that is open.
    heading: Option<usize>,
}

impl Reader {
    fn read(&mut self, html: &str, most: u32, reach: Reach) {
        let mut tags = Tags::of(html, Comments::Sgml);
        while let Some(token) = tags.next() {
            if self.text.visible > most && self.page.cut.is_none() {
                self.page.cut = Some(self.cut());
                if reach == Reach::Beginning {
                    return;
                }
            }
            match token {
                HtmlToken::Text(text) => self.words(text),
                HtmlToken::Tag(tag) => self.tag(&tag, &mut tags),
            }
        }
        self.end_heading();
        if self.text.visible > most && self.page.cut.is_none() {
            self.page.cut = Some(self.cut());
        }
    }

    fn cut(&self) -> Cut {
        Cut {
            len: self.text.out.len(),
            visible: self.text.visible,
            links: self.page.links,
            has_title: self.has_title,
            has_heading: !self.page.heading.is_empty(),
        }
    }

    fn words(&mut self, text: &str) {
        self.text.push(&entity::decode_text(text));
    }

    fn tag(&mut self, tag: &Tag<'_>, tags: &mut Tags<'_>) {
        let mut room = [0; 16];
        let name = tag.lower(&mut room);
        if !is_within_a_line(name) {
            self.text.gap = true;
        }
        match name {
            "title" if !tag.is_end => {
                let title = tags.raw_text(name);
                if !self.has_title {
                    (self.has_title, self.page.title) = (true, fold(&entity::decode_text(title)));
                }
            }
            "a" => self.page.links += u32::from(!tag.is_end),
            "h1" | "h2" | "h3" => {
                self.end_heading();
                if !tag.is_end && self.page.heading.is_empty() {
                    self.heading = Some(self.text.out.len());
                }
            }
            _ if !tag.is_end && is_unseen(name) => _ = tags.raw_text(name),
            _ => {}
        }
    }

    fn end_heading(&mut self) {
        if let Some(from) = self.heading.take() {
            self.page.heading = self.text.out[from..].trim_start().to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_what_is_shown() {
        for (html, text) in [
            ("", ""),
            ("a  b\n c", "a b c"),
            ("<p>Acc<b>ount</b>&nbsp;Suspended</p>", "account suspended"),
            ("a<br>b<p>c<span>d</span>", "a b cd"),
            ("a<!-- b > c -->d<!doctype html>e", "ade"),
            ("<script>a</b></SCRIPT >b<style>c</style><template>d</template>", "b"),
            ("<a title='>'>x</a><a title=it's>y</a>", "xy"),
            ("1 < 2 &amp;&lt; 3", "1 < 2 &< 3"),
            ("isn\u{2019}t &#8220;here&#8221;\u{2026}", "isn't \"here\"..."),
            ("We&rsquo;ll be &ldquo;right&rdquo; back &ndash; soon", "we'll be \"right\" back - soon"),
            ("データベース\n  接続 Error", "データベース接続 error"),
            ("４０４　Ｎｏｔ", "404 not"),
            ("<script>never closed", ""),
            ("a<!-- never closed", "a"),
            ("a<b", "a"),
            ("a</>b", "ab"),
        ] {
            assert_eq!(PageText::read(html).text, text, "{html}");
        }
    }

    #[test]
    fn titles_and_headings_are_the_first() {
        let page = PageText::read(
            "<TITLE> Index &amp; More\n</Title><svg><title>no</title></svg><h2></h2><h1>One <i>two</i></h1><h1>no</h1>x",
        );
        assert_eq!((&*page.title, &*page.heading), ("index & more", "one two"));
        assert_eq!(page.text, "one two no x");
        assert_eq!((page.visible, page.links), (9, 0));
        assert_eq!(PageText::read("<a href=x>a</a> <A name=b><abbr>c</abbr>").links, 2);
        assert_eq!(PageText::read("<h1>open").heading, "open");
        assert_eq!(PageText::read("<title>open").title, "open");
    }

    #[test]
    fn reading_ends_where_the_text_is_too_long() {
        let read = |html: &str| PageText::read_to(html, 6, Reach::Beginning);
        let page = read("<p>abcd<p>efgh<p>ijkl");
        assert!(!page.beginning().is_all);
        assert_eq!(page.text, "abcd efgh");
        assert!(read("<p>abcd<p>ef").beginning().is_all);
        assert!(!read("abcdefg").beginning().is_all);
    }

    proptest! {
        #[test]
        fn garbage_is_read(html in "[<>a-z/=\"' &;!あ-]{0,200}") {
            let page = PageText::read(&html);
            prop_assert_eq!(page.visible as usize, page.text.chars().filter(|c| *c != ' ').count());
            prop_assert_eq!(fold(&page.text), page.text);
        }

        #[test]
        fn a_beginning_is_the_same_however_far_a_page_is_read(html in "(<h1>|<title>|</[a-z]+>|<a href=x>|<p>|<!-- -->|[a-z &あ]){0,30}") {
            let (all, part) = [Reach::End, Reach::Beginning].map(|reach| PageText::read_to(&html, 6, reach)).into();
            prop_assert_eq!(all.beginning(), part.beginning());
            prop_assert!(all.text.starts_with(&part.text));
        }

        #[test]
        fn folding_twice_is_folding_once(text in ".{0,100}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
