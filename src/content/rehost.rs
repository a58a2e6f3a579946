//! The addresses of a site in what it sends, written anew for another host under which it answers as well. Only what leads
//! somewhere is changed: texts, scripts, and what tells search engines the page's own address stay.

use std::borrow::Cow;

use encoding_rs::{ISO_2022_JP, REPLACEMENT, UTF_16BE, UTF_16LE, X_USER_DEFINED};
use memchr::memmem;

use super::document::Document;
use super::edits::{Edit, Edits};
use super::entity;
use super::policy::pins_style;
use super::tags::{Comments, HtmlToken, Tag, Tags};

/// A site's own hosts, and what visitors come by.
#[derive(Clone, Copy, Debug)]
pub struct Rehost<'a> {
    /// Lower case, without port.
    pub hosts: &'a [String],
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port.
    pub authority: &'a str,
    /// Where addresses of https lead, if not to the same as all others.
    pub https: Option<&'a str>,
}

/// What an attribute or a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// One address.
    Address,
    /// Addresses among other things: a style, candidates for a picture, a refresh.
    Several,
    /// A `Link` field (RFC 8288): what says the page's own address to search engines stays.
    Links,
    /// A Content-Security-Policy: its sources stay, and get the like of the other host beside them.
    Policy,
}

/// Relations of links that give the page's address to search engines and readers of feeds, not to visitors.
const NAMES: [&str; 4] = ["canonical", "alternate", "shortlink", "amphtml"];

impl Rehost<'_> {
    /// How much of an address goes, and what takes its place, if it names the site.
    fn begin(&self, url: &str) -> Option<(usize, String)> {
        let starts = |with: &str| url.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
        let scheme = ["https:", "http:", ""].into_iter().find(|scheme| starts(&format!("{scheme}//")))?;
        let rest = &url[scheme.len() + 2..];
        let ends =
            |c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']' | '@' | '%'));
        let authority = &rest[..rest.find(ends).unwrap_or(rest.len())];
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            Some(_) | None => (authority, ""),
        };
        if !self.is_own(host) || !matches!(port, "" | "80" | "443") {
            return None;
        }
        let put = match (scheme, self.https) {
            ("", _) => format!("//{}", self.authority),
            ("https:", Some(host)) => format!("https://{host}"),
            (_, _) => format!("{}://{}", self.scheme, self.authority),
        };
        Some((scheme.len() + 2 + authority.len(), put))
    }

    /// Whether it is one of the site's hosts, which may be written in its own letters (RFC 5890).
    pub(super) fn is_own(&self, host: &str) -> bool {
        let is = |host: &str| self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host));
        if host.is_ascii() {
            is(host)
        } else {
            url::Host::parse(host).is_ok_and(|host| is(&host.to_string()))
        }
    }

    /// Whether it is an address within the site: a path, or one with a host of the site.
    fn is_within(&self, url: &str) -> bool {
        let url = url.trim();
        let at = url.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-')));
        let has_scheme = at.is_some_and(|at| url[at..].starts_with(':'));
        !(has_scheme || url.starts_with("//")) || self.begin(url).is_some()
    }

    /// Where addresses of the site begin in a text.
    fn found(&self, text: &str, holds: Holds) -> Vec<(usize, usize, String)> {
        let at = |start: usize| {
            let (len, put) = self.begin(&text[start..])?;
            Some((start, start + len, put))
        };
        match holds {
            Holds::Policy => self.sources(text),
            Holds::Links => {
                let mut found = self.found(text, Holds::Several);
                found.retain(|(_, end, _)| !is_name(&text[*end..]));
                found
            }
            Holds::Address => at(text.len() - text.trim_start().len()).into_iter().collect(),
            Holds::Several => memmem::find_iter(text.as_bytes(), b"//")
                .filter_map(|slashes| {
                    let head = &text[..slashes];
                    let starts = ["https:", "http:"].into_iter().find(|scheme| {
                        let from = head.len().checked_sub(scheme.len());
                        from.and_then(|from| head.get(from..))
                            .is_some_and(|end| end.eq_ignore_ascii_case(scheme))
                    });
                    let start = slashes - starts.map_or(0, str::len);
                    let before = text[..start].chars().next_back();
                    let is_begin = before.is_none_or(|c| {
                        c.is_ascii_whitespace() || matches!(c, '(' | '"' | '\'' | ',' | '=' | '<' | ';')
                    });
                    is_begin.then(|| at(start)).flatten()
                })
                .collect(),
        }
    }

    /// A text with the site's addresses written anew; `None` if it has none.
    pub fn text(&self, text: &str, holds: Holds) -> Option<String> {
        let found = self.found(text, holds);
        if found.is_empty() {
            return None;
        }
        let (mut out, mut kept) = (String::with_capacity(text.len() + 32), 0);
        for (start, end, put) in found {
            out.push_str(&text[kept..start]);
            out.push_str(&put);
            kept = end;
        }
        out.push_str(&text[kept..]);
        Some(out)
    }

    /// What is to be edited in a style sheet.
    pub fn css(&self, sheet: &Document<'_>) -> Edits {
        let mut edits = Vec::new();
        if let Some(text) = skeleton(sheet) {
            self.add(&text, 0, Holds::Several, &mut edits);
            // An address at the very end may go on in what has not come yet.
            edits.retain(|edit| edit.range.end < text.len() as u64);
        }
        Edits::new(edits)
    }

    /// What is to be edited in a page, or in the beginning of one. A style sheet of the site that has to be the one that the page
    /// was written with is no longer held to that: an address in it may have been written anew. Styles in the page stay if they
    /// are `pinned`, or a policy in it does that ([`pins_style`]).
    pub fn html(&self, page: &Document<'_>, mut pinned: bool) -> Edits {
        let Some(html) = skeleton(page) else { return Edits::default() };
        let (mut tags, mut room, mut edits) = (Tags::of(&html, Comments::Html), [0; 16], Vec::new());
        let place = |part: &str| (part.as_ptr() as usize).saturating_sub(html.as_ptr() as usize);
        while let Some(token) = tags.next() {
            let HtmlToken::Tag(tag) = token else { continue };
            if !tag.is_whole {
                break;
            }
            if tag.is_end {
                continue;
            }
            let name = tag.lower(&mut room);
            for (attribute, value) in tag.attributes() {
                let holds = holds(name, &tag, attribute);
                if let Some(holds) = holds.filter(|_| !pinned || !attribute.eq_ignore_ascii_case("style")) {
                    pinned |= holds == Holds::Policy && pins_style(&entity::decode(value));
                    self.add(value, place(value), holds, &mut edits);
                }
            }
            let sum = tag.attribute("integrity").filter(|sum| !sum.is_empty());
            if name == "link"
                && is_rel(&tag, "stylesheet")
                && let Some(sum) = sum
                && self.is_within(tag.attribute("href").unwrap_or_default())
            {
                let at = place(sum);
                let is_quoted = html[..at].ends_with(['"', '\'']);
                let text = if is_quoted { "" } else { "\"\"" };
                edits.push(Edit { range: at as u64..(at + sum.len()) as u64, text: text.into() });
            }
            match name {
                "style" if !tag.closes_itself() => {
                    let css = tags.raw_text(name);
                    if !pinned && !tags.is_cut() {
                        self.add(css, place(css), Holds::Several, &mut edits);
                    }
                }
                "script" | "textarea" | "title" | "xmp" | "noembed" | "iframe" | "plaintext"
                    if !tag.closes_itself() =>
                {
                    tags.raw_text(name);
                }
                _ => {}
            }
        }
        Edits::new(edits)
    }

    fn add(&self, text: &str, at: usize, holds: Holds, edits: &mut Vec<Edit>) {
        let edit = |(start, end, put): (usize, usize, String)| Edit {
            range: (at + start) as u64..(at + end) as u64,
            text: put.into(),
        };
        edits.extend(self.found(text, holds).into_iter().map(edit));
    }
}

/// What an attribute holds that leads somewhere.
fn holds(element: &str, tag: &Tag<'_>, attribute: &str) -> Option<Holds> {
    match &*attribute.to_ascii_lowercase() {
        "href" if element == "link" => {
            let is_name = NAMES.iter().any(|rel| is_rel(tag, rel));
            // An `alternate stylesheet` is a style sheet.
            (!is_name || is_rel(tag, "stylesheet")).then_some(Holds::Address)
        }
        "href" | "src" | "action" | "formaction" | "poster" | "background" | "xlink:href" | "manifest"
        | "data-src" | "data-href" | "data-original" | "data-lazy-src" | "data-lazy" | "data-poster" => {
            Some(Holds::Address)
        }
        "data" if element == "object" => Some(Holds::Address),
        "srcset"
        | "imagesrcset"
        | "data-srcset"
        | "style"
        | "ping"
        | "data-bg"
        | "data-background"
        | "data-background-image" => Some(Holds::Several),
        "content" if element == "meta" => {
            let pragma = tag.attribute("http-equiv").unwrap_or_default().trim();
            let kinds = [("refresh", Holds::Several), ("content-security-policy", Holds::Policy)];
            kinds.into_iter().find(|(kind, _)| pragma.eq_ignore_ascii_case(kind)).map(|(_, holds)| holds)
        }
        _ => None,
    }
}

fn is_rel(tag: &Tag<'_>, wanted: &str) -> bool {
    has_rel(tag.attribute("rel").unwrap_or_default(), wanted)
}

fn has_rel(rels: &str, wanted: &str) -> bool {
    rels.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case(wanted))
}

/// Whether the link of a `Link` field whose address this is the end of gives the page's own address.
fn is_name(rest: &str) -> bool {
    let parameters = rest.split_once('>').map_or("", |(_, behind)| behind);
    let end =
        parameters.match_indices(',').find(|(at, _)| parameters[at + 1..].trim_start().starts_with('<'));
    let parameters = &parameters[..end.map_or(parameters.len(), |(at, _)| at)];
    let rels = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let rels = rels.filter(|(name, _)| name.trim().eq_ignore_ascii_case("rel"));
    let rels = rels.map(|(_, rels)| rels.trim().trim_matches('"')).next().unwrap_or_default();
    NAMES.iter().any(|name| has_rel(rels, name)) && !has_rel(rels, "stylesheet")
}

/// A file's markup in as many bytes as it has, each at its place, with `x` for what is no ASCII: addresses of hosts are. `None`
/// if its bytes cannot be read so.
fn skeleton<'a>(file: &Document<'a>) -> Option<Cow<'a, str>> {
    let encoding = file.encoding();
    if [UTF_16BE, UTF_16LE, REPLACEMENT, X_USER_DEFINED].contains(&encoding) {
        return None;
    }
    let bytes = file.bytes();
    if encoding != ISO_2022_JP
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return Some(Cow::Borrowed(text));
    }
    let mut is_shifted = false;
    let plain = |(at, b): (usize, &u8)| {
        if encoding == ISO_2022_JP && *b == 0x1b {
            is_shifted = !matches!(bytes.get(at + 1..at + 3), Some(b"(B" | b"(J"));
        }
        if b.is_ascii() && !is_shifted { char::from(*b) } else { 'x' }
    };
    Some(Cow::Owned(bytes.iter().enumerate().map(plain).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS, UTF_8};
    use proptest::prelude::*;

    fn hosts() -> Vec<String> {
        ["www.example.jp", "example.jp", "xn--zckzah.example"].map(str::to_owned).to_vec()
    }

    fn apply(bytes: &[u8], edits: &Edits) -> Vec<u8> {
        let len = bytes.len() as u64;
        let mut out = Vec::new();
        for piece in edits.pieces(len, &(0..edits.length(len).unwrap())) {
            match piece {
                crate::content::edits::Piece::Kept(range) => {
                    let [from, to] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
                    out.extend_from_slice(&bytes[from..to]);
                }
                crate::content::edits::Piece::Put(text) => out.extend_from_slice(&text),
            }
        }
        out
    }

    fn rehosted(html: &str, encoding: &'static Encoding) -> String {
        let hosts = hosts();
        let rehost = Rehost { hosts: &hosts, scheme: "https", authority: "s.example:8443", https: None };
        let (bytes, _, unmappable) = encoding.encode(html);
        assert!(!unmappable);
        let content_type = format!("text/html; charset={}", encoding.name());
        let edits = rehost.html(&Document::new(&bytes, Some(&content_type)), false);
        encoding.decode(&apply(&bytes, &edits)).0.into_owned()
    }

    #[test]
    fn what_leads_somewhere_leads_to_the_same_host() {
        for (html, expected) in [
            ("<a href='https://www.example.jp/a?b#c'>", "<a href='https://s.example:8443/a?b#c'>"),
            ("<A HREF=HTTP://Example.JP>", "<A HREF=https://s.example:8443>"),
            ("<img src=//www.example.jp/a.png>", "<img src=//s.example:8443/a.png>"),
            ("<a href=' https://www.example.jp:443/'>", "<a href=' https://s.example:8443/'>"),
            (
                "<img srcset='https://example.jp/a 1x, //example.jp/b 2x'>",
                "<img srcset='https://s.example:8443/a 1x, //s.example:8443/b 2x'>",
            ),
            (
                "<p style=\"background:url(https://example.jp/a)\">",
                "<p style=\"background:url(https://s.example:8443/a)\">",
            ),
            (
                "<meta http-equiv=refresh content='0;url=https://example.jp/'>",
                "<meta http-equiv=refresh content='0;url=https://s.example:8443/'>",
            ),
            (
                "<style>a{b:url('https://example.jp/a')}@import \"//example.jp/b\"</style>",
                "<style>a{b:url('https://s.example:8443/a')}@import \"//s.example:8443/b\"</style>",
            ),
            (
                "<form action=https://example.jp/send><button formaction=//example.jp/x>",
                "<form action=https://s.example:8443/send><button formaction=//s.example:8443/x>",
            ),
            ("<base href=https://example.jp/>", "<base href=https://s.example:8443/>"),
            (
                "<link rel=stylesheet href=https://example.jp/a.css integrity=sha256-x>",
                "<link rel=stylesheet href=https://s.example:8443/a.css integrity=\"\">",
            ),
            (
                "<link integrity='sha256-x' href=a.css rel='x stylesheet'/>",
                "<link integrity='' href=a.css rel='x stylesheet'/>",
            ),
            ("<a href=https://テスト.example/a>", "<a href=https://s.example:8443/a>"),
            (
                "<div data-bg=//example.jp/a data-background='url(//example.jp/b)'>",
                "<div data-bg=//s.example:8443/a data-background='url(//s.example:8443/b)'>",
            ),
            (
                "<meta http-equiv=Content-Security-Policy content=\"img-src example.jp &#39;self&#39;\">",
                "<meta http-equiv=Content-Security-Policy content=\"img-src example.jp s.example:8443 &#39;self&#39;\">",
            ),
        ] {
            assert_eq!(rehosted(html, UTF_8), expected);
        }
    }

    #[test]
    fn all_else_stays() {
        for html in [
            "<a href=/a><a href=b><a href='https://www.example.jp.evil.example/'><a href=https://shop.example.jp/>",
            "<a href=https://other.example/?u=https://www.example.jp/><a href=https://www.example.jp:8080/>",
            "<a href='https://user@www.example.jp/'><a href=mailto:a@example.jp><p title=https://example.jp/>",
            "<link rel=canonical href=https://example.jp/><link rel=alternate href=https://example.jp/feed>",
            "<meta property=og:url content=https://example.jp/>https://example.jp/<!-- <a href=https://example.jp/> -->",
            "<script>'https://example.jp/'</script><script type=application/ld+json>{\"url\":\"https://example.jp/\"}</script>",
            "<link rel=stylesheet href=https://cdn.example/a.css integrity=sha256-x>",
            "<link rel=stylesheet href=//cdn.example/a.css integrity=sha256-x><link rel=icon href=a integrity=sha256-x>",
            "<meta http-equiv=content-security-policy content='style-src &#39;sha256-a=&#39;'>\
             <style>a{b:url(//example.jp/)}</style><p style='b:url(//example.jp/)'>",
            "<link rel=stylesheet href=data:text/css, integrity=sha256-x><style>a{b:url(//example.jp/",
            "<title><a href=https://example.jp/></title><textarea><a href=https://example.jp/></textarea>",
        ] {
            assert_eq!(rehosted(html, UTF_8), html);
        }
    }

    #[test]
    fn only_ascii_is_changed_whatever_a_page_is_written_in() {
        let html = "<title>表示ソ</title><p title='ソ表'>お茶と能<a href='https://example.jp/お茶'>店</a><img src=//example.jp/x>茶";
        for encoding in [UTF_8, SHIFT_JIS, EUC_JP, ISO_2022_JP] {
            let expected = html.replace("example.jp", "s.example:8443");
            assert_eq!(rehosted(html, encoding), expected, "{}", encoding.name());
        }
    }

    #[test]
    fn fields_and_sheets_are_texts() {
        let hosts = hosts();
        let rehost = Rehost { hosts: &hosts, scheme: "http", authority: "s.example", https: None };
        let text = |text, holds| rehost.text(text, holds);
        assert_eq!(text("https://example.jp/a", Holds::Address).as_deref(), Some("http://s.example/a"));
        assert_eq!(text("/a", Holds::Address), None);
        assert_eq!(
            text("<https://example.jp/a.css>; rel=preload, </b>; rel=x", Holds::Links).as_deref(),
            Some("<http://s.example/a.css>; rel=preload, </b>; rel=x")
        );
        let link = "<https://example.jp/,a>; title=\"a, b\"; REL=\"x Canonical\" ,<//example.jp/b>; rel=\"alternate stylesheet\"";
        assert_eq!(text(link, Holds::Links), Some(link.replace("//example.jp/b", "//s.example/b")));
        let by_both = Rehost { https: Some("t.example"), ..rehost };
        let both = "<a>https://example.jp/a http://example.jp/b //example.jp/c";
        let expected =
            "<a>https://example.jp/a http://s.example/b //s.example/c".replacen("example.jp", "t.example", 1);
        assert_eq!(by_both.text(&both[3..], Holds::Several).as_deref(), Some(&expected[3..]));
        let css = b"@import url(//example.jp/b.css);a{c:url(\"https://example.jp/\x83\x5c.png\")}/* x://example.jp/ */";
        assert!(rehost.css(&Document::new(b"a{b:url(//example.jp", None)).is_empty(), "it may go on");
        let edits = rehost.css(&Document::new(css, Some("text/css; charset=shift_jis")));
        let expected = b"@import url(//s.example/b.css);a{c:url(\"http://s.example/\x83\x5c.png\")}/* x://example.jp/ */";
        assert_eq!(apply(css, &edits), expected);
    }

    proptest! {
        #[test]
        fn any_page_is_read(html in "(<a href=|<p style='|https:|//example\\.jp|/|あ|表|>|'|<style>|</style>|<!--){0,30}") {
            for encoding in [UTF_8, SHIFT_JIS, ISO_2022_JP] {
                let _ = rehosted(&html, encoding);
            }
        }
    }
}
