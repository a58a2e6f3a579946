//! Whether a page's markup comes to its end, and where it leads. One pass, without a tree.

use std::ops::Range;

use super::tags::{Comments, HtmlToken, Tag, Tags, place};

/// Elements that have to be closed (HTML section 13.1.2.4 has the others): a page that was cut leaves some of them open.
const CLOSED: [&str; 33] = [
    "a",
    "article",
    "aside",
    "blockquote",
    "button",
    "center",
    "details",
    "div",
    "dl",
    "em",
    "fieldset",
    "figure",
    "font",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "main",
    "nav",
    "ol",
    "pre",
    "section",
    "select",
    "span",
    "strong",
    "table",
    "ul",
    "video",
];

/// Elements in which markup is text.
const RAW: [&str; 7] = ["script", "style", "textarea", "title", "xmp", "iframe", "noembed"];

/// Other hosts that are noted of a page.
const HOSTS: usize = 200;

/// How a page is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structure {
    /// Whether it says where it ends: `</body>` or `</html>`.
    pub ended: bool,
    /// Whether it breaks off within a tag, a comment, a script.
    pub cut: bool,
    /// Elements that are left open and must not be.
    pub open: u32,
    /// The language it says it is in: `ja` of `ja-JP`.
    pub language: Option<String>,
    /// Addresses with a host that its links and forms lead to.
    pub leads_to: Vec<String>,
    /// From its first form to where its last one ends, in bytes of its markup.
    pub forms: Option<Range<usize>>,
}

impl Structure {
    /// Reads a page.
    pub fn read(html: &str) -> Structure {
        let mut reader = StructureReader { found: Structure::default(), open: [0; CLOSED.len()] };
        reader.read(html);
        let open = reader.open.iter().map(|open| u32::from(*open > 0)).sum();
        Structure { open, ..reader.found }
    }

    /// Whether it breaks off before it has come to its end.
    pub fn is_broken_off(&self) -> bool {
        !self.ended && (self.cut || self.open > 0)
    }
}

struct StructureReader {
    found: Structure,
    /// How many of each of [`CLOSED`] are open.
    open: [u32; CLOSED.len()],
}

impl StructureReader {
    fn read(&mut self, html: &str) {
        let mut tags = Tags::of(html, Comments::Html);
        while let Some(token) = tags.next() {
            let HtmlToken::Tag(tag) = token else { continue };
            if !tag.is_whole {
                break;
            }
            let mut room = [0; 16];
            let name = tag.lower(&mut room);
            if name == "form" {
                let range = tags.range_of(&tag);
                let begin = self.found.forms.as_ref().map_or(range.start, |forms| forms.start);
                // One that is not closed goes on to the end.
                self.found.forms = Some(begin..if tag.is_end { range.end } else { html.len() });
            }
            if tag.is_end {
                self.close(name);
                continue;
            }
            self.open(name, &tag);
            if place(&RAW, name).is_some() && !tag.closes_itself() {
                tags.raw_text(name);
            }
        }
        self.found.cut = tags.is_cut();
    }

    fn open(&mut self, name: &str, tag: &Tag<'_>) {
        if let Some(at) = place(&CLOSED, name)
            && !tag.closes_itself()
        {
            self.open[at] += 1;
        }
        match name {
            "html" if self.found.language.is_none() => {
                let language = tag.attribute("lang").or_else(|| tag.attribute("xml:lang"));
                let primary = language.map(|all| all.split(['-', '_']).next().unwrap_or_default());
                self.found.language =
                    primary.map(str::to_ascii_lowercase).filter(|tag| (2..=3).contains(&tag.len()));
            }
            "a" | "area" => self.lead(tag.attribute("href")),
            "form" => self.lead(tag.attribute("action")),
            _ => {}
        }
    }

    fn lead(&mut self, to: Option<&str>) {
        let has_host = |to: &&str| {
            let start = to.trim_start().get(..8).unwrap_or(to.trim_start()).to_ascii_lowercase();
            ["http://", "https://", "//"].iter().any(|scheme| start.starts_with(scheme))
        };
        if let Some(to) = to.filter(has_host)
            && self.found.leads_to.len() < HOSTS
        {
            self.found.leads_to.push(to.to_owned());
        }
    }

    fn close(&mut self, name: &str) {
        if matches!(name, "html" | "body") {
            self.found.ended = true;
        } else if let Some(at) = place(&CLOSED, name) {
            self.open[at] = self.open[at].saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_page_that_breaks_off_is_told_from_one_that_says_less() {
        for (html, broken) in [
            ("", false),
            ("just text", false),
            ("<p>one<p>two<li>three", false),
            ("<!doctype html><title>x</title><p>optional end tags are left out", false),
            ("<html><body><div>open, but ended</body></html>", false),
            ("<html><body><div>x</body>", false),
            ("<html><body><p>x", false),
            ("<html><body><div><p>x", true),
            ("<html><body><p>x <a hre", true),
            ("<html><body><p>x <a title='a > b", true),
            ("<html><body><p>x</p></bo", true),
            ("<html><head><title>x", true),
            ("<html><body><script>var a = '</body>'", true),
            ("<html><body><!-- </body>", true),
            ("<ul><li>x", true),
            ("<ul><li>x</ul>", false),
            ("<div/><table><tr><td>x</table>", false),
            ("<div></div></div></div><div>x", true),
            ("<p>1 < 2", false),
            ("<a title=it's>x</a>", false),
            ("<!--><p>x", false),
        ] {
            assert_eq!(Structure::read(html).is_broken_off(), broken, "{html}");
        }
    }

    #[test]
    fn language_and_hosts_are_read_from_attributes() {
        let page = Structure::read(
            "<html class=no-js lang=\"JA-jp\"><a href=/own>x</a><A class='b c' HREF='https://x.example/a?b=c'>y</a>\
             <form method=post action=//pay.example/><area href=mailto:a@b.example><a href>z</a><a name=x>",
        );
        assert_eq!(page.language.as_deref(), Some("ja"));
        assert_eq!(page.leads_to, ["https://x.example/a?b=c", "//pay.example/"]);
        assert_eq!(Structure::read("<html xml:lang='en'>").language.as_deref(), Some("en"));
        assert_eq!(Structure::read("<html lang=''>").language, None);
    }

    proptest! {
        #[test]
        fn garbage_is_read(html in "[<>a-z/=\"' !あ-]{0,200}") {
            let _ = Structure::read(&html);
        }
    }
}
