//! Whether a page's markup comes to its end, and where it leads. One pass, without a tree.

use std::collections::HashMap;

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
}

impl Structure {
    /// Reads a page.
    pub fn read(html: &str) -> Structure {
        let mut reader = Reader::default();
        reader.read(html);
        let open = reader.open.values().map(|open| u32::from(*open > 0)).sum();
        Structure { open, ..reader.found }
    }

    /// Whether it breaks off before it has come to its end.
    pub fn is_broken_off(&self) -> bool {
        !self.ended && (self.cut || self.open > 0)
    }
}

#[derive(Default)]
struct Reader {
    found: Structure,
    open: HashMap<&'static str, i32>,
}

impl Reader {
    fn read(&mut self, html: &str) {
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            rest = &rest[at..];
            match self.markup(rest) {
                Some(behind) => rest = behind,
                None => {
                    self.found.cut = true;
                    return;
                }
            }
        }
    }

    /// Reads what begins with `<`; returns what is behind it, or nothing where it has no end.
    fn markup<'a>(&mut self, rest: &'a str) -> Option<&'a str> {
        let inner = &rest[1..];
        if let Some(comment) = inner.strip_prefix("!--") {
            // `<!-->` and `<!--->` are comments, too
            if let Some(behind) = comment.strip_prefix('>').or_else(|| comment.strip_prefix("->")) {
                return Some(behind);
            }
            return comment.find("-->").map(|end| &comment[end + 3..]);
        }
        let (closing, named) = inner.strip_prefix('/').map_or((false, inner), |named| (true, named));
        let len = named.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b':')).count();
        if len == 0 {
            return match inner.bytes().next() {
                Some(b'!' | b'?' | b'/') => inner.find('>').map(|end| &inner[end + 1..]),
                // `a < b` is text, and a page that ends with it is cut all the same
                Some(_) => Some(inner),
                None => None,
            };
        }
        let name = named[..len].to_ascii_lowercase();
        let attributes = &named[len..];
        let end = tag_end(attributes)?;
        let (attributes, behind) = (&attributes[..end - 1], &attributes[end..]);
        if closing {
            self.close(&name);
            return Some(behind);
        }
        self.open(&name, attributes);
        match RAW.iter().find(|raw| **raw == name) {
            Some(raw) if !attributes.ends_with('/') => until_closed(behind, raw),
            Some(_) | None => Some(behind),
        }
    }

    fn open(&mut self, name: &str, attributes: &str) {
        if let Some(known) =
            CLOSED.iter().find(|known| **known == name).filter(|_| !attributes.ends_with('/'))
        {
            *self.open.entry(known).or_default() += 1;
        }
        match name {
            "html" if self.found.language.is_none() => {
                let language = attribute(attributes, "lang").or_else(|| attribute(attributes, "xml:lang"));
                let primary = language.map(|all| all.split(['-', '_']).next().unwrap_or_default());
                self.found.language =
                    primary.map(str::to_ascii_lowercase).filter(|tag| (2..=3).contains(&tag.len()));
            }
            "a" | "area" => self.lead(attribute(attributes, "href")),
            "form" => self.lead(attribute(attributes, "action")),
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
        } else if let Some(open) = self.open.get_mut(name) {
            *open = (*open - 1).max(0);
        }
    }
}

/// Behind the `>` that ends a tag; one within quotes does not.
fn tag_end(attributes: &str) -> Option<usize> {
    let mut quote = None;
    let mut value_follows = false;
    for (at, b) in attributes.bytes().enumerate() {
        match quote {
            Some(open) if b == open => quote = None,
            Some(_) => {}
            None if b == b'>' => return Some(at + 1),
            None if matches!(b, b'"' | b'\'') && value_follows => quote = Some(b),
            None => {}
        }
        value_follows = b == b'=' || (value_follows && b.is_ascii_whitespace());
    }
    None
}

fn until_closed<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(at) = text[from..].find("</").map(|at| from + at) {
        let begin = at + 2;
        let found = bytes.get(begin..begin + name.len());
        if found.is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes())) {
            let end = begin + name.len();
            return tag_end(&text[end..]).map(|behind| &text[end + behind..]);
        }
        from = begin;
    }
    None
}

/// The value of an attribute.
fn attribute<'a>(attributes: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = attributes.trim_start();
    while !rest.is_empty() {
        let len =
            rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '/')).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(len);
        let behind = behind.trim_start_matches('/').trim_start();
        let Some(value) = behind.strip_prefix('=').map(str::trim_start) else {
            rest = behind;
            continue;
        };
        let (value, behind) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
            Some(_) | None => {
                value.split_at(value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len()))
            }
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = behind.trim_start();
    }
    None
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
