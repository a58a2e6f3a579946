//! The tags of a page, one after the other, and the text between them: the tokenizer of HTML (section 13.2.5) without a tree
//! and without a copy of anything. Whoever reads text, structure, links or the charset of a page reads it by these.
//!
//! Two things are not as HTML says, because what snapshots have was measured so: `1<2` begins a tag, and a quote opens a value
//! behind any `=`.

use std::ops::Range;

use memchr::{memchr, memchr3};

/// The place of a name among some names. Length and first letter are looked at before the rest: of the thousands of names on a
/// page, most are not among them.
pub fn place(names: &[&str], name: &str) -> Option<usize> {
    let first = name.bytes().next()?;
    names
        .iter()
        .position(|known| known.len() == name.len() && known.bytes().next() == Some(first) && *known == name)
}

/// A part of a page that is neither comment nor declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HtmlToken<'a> {
    /// What stands between tags, as it was written.
    Text(&'a str),
    /// A tag.
    Tag(Tag<'a>),
}

/// A start tag or an end tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// Its name, as it was written.
    pub name: &'a str,
    /// Whether it is an end tag.
    pub is_end: bool,
    /// Whether it comes to its `>`; else the page breaks off within it.
    pub is_whole: bool,
    /// What stands behind its name.
    rest: &'a str,
}

/// Which comments are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comments {
    /// `<!-->` is a whole comment (section 13.2.5.43).
    Html,
    /// `<!-->` goes on to the next `-->`: the text of pages was always measured so.
    Sgml,
}

/// Reads a page's tags. What is within elements like `script` is no markup: it is taken out by [`Tags::raw_text`].
#[derive(Clone, Debug)]
pub struct Tags<'a> {
    html: &'a str,
    at: usize,
    comments: Comments,
    is_cut: bool,
}

impl<'a> Tags<'a> {
    /// At the beginning of a page.
    pub fn of(html: &'a str, comments: Comments) -> Tags<'a> {
        Tags { html, at: 0, comments, is_cut: false }
    }

    /// Where the next token begins.
    pub fn place(&self) -> usize {
        self.at
    }

    /// The same from a place on at which a token begins.
    pub fn from(self, at: usize) -> Tags<'a> {
        Tags { at, ..self }
    }

    /// Where the tag stands that has just been taken, in bytes of the page.
    pub fn range_of(&self, tag: &Tag<'a>) -> Range<usize> {
        // The name is a part of the page: behind `<` or `</`.
        let name = (tag.name.as_ptr() as usize).saturating_sub(self.html.as_ptr() as usize);
        name.saturating_sub(1 + usize::from(tag.is_end))..self.at
    }

    /// Whether the page has ended within a tag, a comment, a declaration or an element that is read as text.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// What stands before the end tag of this name (lower case), which is the next token; all that is left where there is none.
    /// To be called behind the start tag of an element in which markup is text.
    pub fn raw_text(&mut self, name: &str) -> &'a str {
        let (bytes, from) = (self.html.as_bytes(), self.at);
        let mut at = from;
        while let Some(found) = memchr(b'<', &bytes[at..]) {
            let begin = at + found;
            let named = bytes[begin + 1..].strip_prefix(b"/").and_then(|rest| rest.get(..name.len()));
            if named.is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes())) {
                self.at = begin;
                return &self.html[from..begin];
            }
            at = begin + 1;
        }
        self.is_cut = true;
        self.at = bytes.len();
        &self.html[from..]
    }

    /// Where markup begins next.
    fn markup(&mut self) -> Option<usize> {
        let bytes = self.html.as_bytes();
        let mut at = self.at;
        loop {
            // As often as not a tag follows upon a tag.
            let begin = if bytes.get(at) == Some(&b'<') { at } else { at + memchr(b'<', &bytes[at..])? };
            match bytes.get(begin + 1) {
                Some(b) if is_name(b) || matches!(b, b'/' | b'!' | b'?') => return Some(begin),
                // `a < b` is text
                Some(_) => at = begin + 1,
                None => {
                    self.is_cut = true;
                    return None;
                }
            }
        }
    }

    /// Moves behind what ends here, or to the page's end.
    fn skip(&mut self, end: Option<usize>) {
        self.is_cut |= end.is_none();
        self.at = end.unwrap_or(self.html.len());
    }

    /// Reads what begins at `<`: a tag, or nothing to be shown.
    fn tag(&mut self, begin: usize) -> Option<Tag<'a>> {
        let bytes = self.html.as_bytes();
        if bytes[begin..].starts_with(b"<!--") {
            let end = self.comment_end(begin + 4);
            self.skip(end);
            return None;
        }
        let is_end = bytes[begin + 1] == b'/';
        let from = begin + 1 + usize::from(is_end);
        let behind = from + bytes[from..].iter().take_while(|b| is_name(b)).count();
        if behind == from {
            let end = memchr(b'>', &bytes[from..]).map(|found| from + found + 1);
            self.skip(end);
            return None;
        }
        let end = tag_end(bytes, behind);
        self.skip(end);
        let rest = &self.html[behind..end.map_or(bytes.len(), |end| end - 1)];
        Some(Tag { name: &self.html[from..behind], is_end, is_whole: end.is_some(), rest })
    }

    /// Behind the comment whose text begins here.
    fn comment_end(&self, from: usize) -> Option<usize> {
        let text = &self.html.as_bytes()[from..];
        if self.comments == Comments::Html {
            let short = [&b">"[..], b"->"].into_iter().find(|short| text.starts_with(short));
            if let Some(short) = short {
                return Some(from + short.len());
            }
        }
        memchr::memmem::find(text, b"-->").map(|found| from + found + 3)
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = HtmlToken<'a>;

    fn next(&mut self) -> Option<HtmlToken<'a>> {
        loop {
            let from = self.at;
            if from == self.html.len() {
                return None;
            }
            let begin = self.markup().unwrap_or(self.html.len());
            if begin > from {
                self.at = begin;
                return Some(HtmlToken::Text(&self.html[from..begin]));
            }
            if let Some(tag) = self.tag(begin) {
                return Some(HtmlToken::Tag(tag));
            }
        }
    }
}

impl<'a> Tag<'a> {
    /// Its name in lower case. It is as it was written where that is so already; else it is in `room`, and cut if it is longer
    /// than any that matters.
    pub fn lower<'b>(&self, room: &'b mut [u8; 16]) -> &'b str
    where
        'a: 'b,
    {
        if !self.name.bytes().any(|b| b.is_ascii_uppercase()) {
            return self.name;
        }
        let len = self.name.len().min(room.len());
        room[..len].copy_from_slice(&self.name.as_bytes()[..len]);
        room[..len].make_ascii_lowercase();
        std::str::from_utf8(&room[..len]).unwrap_or_default()
    }

    /// Whether it is a start tag of this name (lower case).
    pub fn starts(&self, name: &str) -> bool {
        !self.is_end && self.name.eq_ignore_ascii_case(name)
    }

    /// Whether it ends with a slash, as an element without content does in XML.
    pub fn closes_itself(&self) -> bool {
        self.rest.ends_with('/')
    }

    /// Its attributes, in their order.
    pub fn attributes(&self) -> TagAttributes<'a> {
        TagAttributes { rest: self.rest }
    }

    /// The value of its first attribute of this name (lower case), as it was written.
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes().find(|(named, _)| named.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// The attributes of a tag: names and values, as they were written (section 13.2.5.32). One without a value has an empty one.
#[derive(Clone, Debug)]
pub struct TagAttributes<'a> {
    rest: &'a str,
}

impl<'a> Iterator for TagAttributes<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let is_blank = |c: char| c.is_ascii_whitespace() || c == '/';
        let rest = self.rest.trim_start_matches(is_blank);
        // A name may begin with `=`.
        let begin = rest.chars().next()?.len_utf8();
        let ends = |c: char| is_blank(c) || c == '=';
        let len = rest[begin..].find(ends).map_or(rest.len(), |found| begin + found);
        let (name, behind) = rest.split_at(len);
        let Some(value) = behind.trim_ascii_start().strip_prefix('=') else {
            self.rest = behind;
            return Some((name, ""));
        };
        let value = value.trim_ascii_start();
        let (value, behind) = match value.bytes().next() {
            Some(quote @ (b'"' | b'\'')) => {
                let value = &value[1..];
                let end = memchr(quote, value.as_bytes()).unwrap_or(value.len());
                (&value[..end], value.get(end + 1..).unwrap_or_default())
            }
            Some(_) | None => {
                let end = value.bytes().position(|b| b.is_ascii_whitespace()).unwrap_or(value.len());
                value.split_at(end)
            }
        };
        self.rest = behind;
        Some((name, value))
    }
}

fn is_name(b: &u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b':')
}

/// Behind the `>` that ends a tag; one within quotes does not. `from` is behind its name.
fn tag_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    if bytes.get(at) == Some(&b'>') {
        return Some(at + 1);
    }
    loop {
        let found = at + memchr3(b'>', b'"', b'\'', &bytes[at..])?;
        at = found + 1;
        if bytes[found] == b'>' {
            return Some(at);
        }
        // `<p title=it's>` has no quotes
        if bytes[from..found].trim_ascii_end().ends_with(b"=") {
            at += memchr(bytes[found], &bytes[at..])? + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The tokens in brief: text in brackets, tags with their attributes, and whether the page is cut.
    fn read(html: &str, comments: Comments) -> String {
        let mut tags = Tags::of(html, comments);
        let mut out = String::new();
        while let Some(token) = tags.next() {
            match token {
                HtmlToken::Text(text) => out += &format!("[{text}]"),
                HtmlToken::Tag(tag) => {
                    let attributes: String =
                        tag.attributes().map(|(name, value)| format!(" {name}={value}")).collect();
                    let slash = if tag.is_end { "/" } else { "" };
                    let end = if tag.is_whole { ">" } else { "" };
                    out += &format!("<{slash}{}{attributes}{end}", tag.name);
                    if tag.starts("script") {
                        out += &format!("({})", tags.raw_text("script"));
                    }
                }
            }
        }
        out + if tags.is_cut() { "!" } else { "" }
    }

    #[test]
    fn a_page_falls_into_text_and_tags() {
        for (html, expected) in [
            ("", ""),
            ("text あ", "[text あ]"),
            ("<p>one</p>two", "<p>[one]</p>[two]"),
            ("<P Class=A id='b c' x = \"y>z\" d>", "<P Class=A id=b c x=y>z d=>"),
            ("<a href=/x?a=b/ c=d/>", "<a href=/x?a=b/ c=d/>"),
            ("<br/><img src='a'alt=b/ >", "<br><img src=a alt=b/>"),
            ("<p title=it's>x'</p>", "<p title=it's>[x']</p>"),
            ("<p 'a>b' =c==d>", "<p 'a=>[b' =c==d>]"),
            ("<p =c==d>", "<p =c==d>"),
            ("a < b <", "[a < b <]!"),
            ("a<2>b", "[a]<2>[b]"),
            ("a<!doctype html>b<?xml version='1'?>c</>d</ >e<![x]>f", "[a][b][c][d][e][f]"),
            ("a<!-- b > c -- -->d<!---->e", "[a][d][e]"),
            ("<script>a<b && '</p>'</SCRIPT\n>c", "<script>(a<b && '</p>')</SCRIPT>[c]"),
            ("<script>a</scripted>b", "<script>(a)</scripted>[b]"),
            ("<o:p>x</o:p><my-tag>", "<o:p>[x]</o:p><my-tag>"),
            ("<p a='あ' い=う>", "<p a=あ い=う>"),
            // what has no end
            ("a<", "[a<]!"),
            ("a<p", "[a]<p!"),
            ("a</", "[a]!"),
            ("a<!-- b", "[a]!"),
            ("a<!doctype", "[a]!"),
            ("<a href='x>y", "<a href=x>y!"),
            ("<script>a</p>", "<script>(a</p>)!"),
            ("<script>a</script", "<script>(a)</script!"),
        ] {
            assert_eq!(read(html, Comments::Html), expected, "{html}");
        }
    }

    #[test]
    fn a_tag_is_found_where_it_stands() {
        let html = "あ<!-- <p> --><p title='>'>x</P ><br";
        let (mut tags, mut found) = (Tags::of(html, Comments::Html), Vec::new());
        while let Some(token) = tags.next() {
            if let HtmlToken::Tag(tag) = token {
                found.push(&html[tags.range_of(&tag)]);
            }
        }
        assert_eq!(found, ["<p title='>'>", "</P >", "<br"]);
    }

    #[test]
    fn the_shortest_comments_are_read_in_two_ways() {
        for (html, of_html, of_sgml) in [
            ("a<!-->b-->c", "[a][b-->c]", "[a][c]"),
            ("a<!--->b-->c", "[a][b-->c]", "[a][c]"),
            ("a<!---->b", "[a][b]", "[a][b]"),
            ("a<!--[if x]><!-->b<!--<![endif]-->c", "[a][b][c]", "[a][b][c]"),
            ("a<!-->", "[a]", "[a]!"),
        ] {
            assert_eq!(read(html, Comments::Html), of_html, "{html}");
            assert_eq!(read(html, Comments::Sgml), of_sgml, "{html}");
        }
    }

    #[test]
    fn a_tag_tells_its_name_and_what_it_says() {
        let tag = |html| match Tags::of(html, Comments::Html).next() {
            Some(HtmlToken::Tag(tag)) => tag,
            other => panic!("{html}: {other:?}"),
        };
        let mut room = [0; 16];
        assert_eq!(tag("<DiV>").lower(&mut room), "div");
        assert_eq!(tag("<an-element-with-a-long-name>").lower(&mut room), "an-element-with-a-long-name");
        assert_eq!(tag("<An-element-with-a-long-name>").lower(&mut room), "an-element-with-");
        let meta = tag("<META charset=a CHARSET=b content>");
        assert_eq!((meta.attribute("charset"), meta.attribute("content")), (Some("a"), Some("")));
        assert_eq!(meta.attribute("name"), None);
        assert!(meta.starts("meta") && !meta.starts("met") && !tag("</meta>").starts("meta"));
        assert!(tag("<br />").closes_itself() && !tag("<br / >").closes_itself());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_read_twice(html in "[<>/!?&;'\"= a-cあ-]{0,80}|(<script|</script>|<!--|-->|=\"|あ){0,9}") {
            for comments in [Comments::Html, Comments::Sgml] {
                let mut at = html.as_ptr() as usize;
                for token in Tags::of(&html, comments) {
                    let text = match token {
                        HtmlToken::Text(text) => text,
                        HtmlToken::Tag(tag) => tag.name,
                    };
                    prop_assert!(!text.is_empty() && text.as_ptr() as usize >= at);
                    at = text.as_ptr() as usize + text.len();
                    if let HtmlToken::Tag(tag) = token {
                        let values: usize = tag.attributes().map(|(name, value)| name.len() + value.len()).sum();
                        prop_assert!(values <= tag.rest.len());
                    }
                }
            }
        }
    }
}
