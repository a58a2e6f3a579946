//! What an HTML page leads to and what it needs to be drawn.
//!
//! A table (`elements`) says which attributes count. Attribute values are decoded here, and the first `<base>` holds for the
//! whole page, what stands before it included.

use std::borrow::Cow;

use super::elements::Attributes;
use super::found::{Found, MAX_BLOCK};
use super::{Link, elements};
use crate::content::entity;
use crate::content::tags::{Comments, HtmlToken, Tag, Tags};

/// Documents within documents (`srcdoc`, `noscript`) that are looked into.
const NESTING: usize = 3;

/// What a page holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageLinks {
    /// The first `<base href>`.
    pub base: Option<String>,
    /// Links in their order, duplicates included.
    pub links: Vec<Link>,
    /// What it asks its visitor for.
    pub login: LoginForm,
    /// Its short link, and the address that it calls its own.
    pub aliases: Vec<String>,
    /// Forms that put what is filled in into the address.
    pub forms: Vec<Form>,
}

/// A form that is sent by GET.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Where to; empty: to the page itself.
    pub action: String,
    /// The names of its fields.
    pub names: Vec<String>,
}

/// How much a page looks like a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoginForm {
    /// Password fields.
    pub passwords: u32,
    /// One of them is filled in, or says that it is for a new password: a profile, a sign-up.
    pub new_password: bool,
    /// A hidden field with a value: a token made for one visitor.
    pub token: bool,
}

/// Reads a page. Whatever is wrong with it, what was found until then counts.
pub fn read(html: &str) -> PageLinks {
    nested(html, NESTING)
}

/// Reads a page that may hold so many pages within pages.
pub fn nested(html: &str, deeper: usize) -> PageLinks {
    let mut reader = LinkReader { found: Found::default(), attributes: Vec::new(), foreign: 0, deeper };
    let mut tags = Tags::of(html, Comments::Html);
    while let Some(token) = tags.next() {
        if let HtmlToken::Tag(tag) = token
            && tag.is_whole
        {
            reader.tag(&tag, &mut tags);
        }
    }
    reader.found.into_page()
}

struct LinkReader<'a> {
    found: Found,
    /// Of the element at hand, those that matter.
    attributes: Attributes<'a>,
    /// How many pictures in SVG, and formulas, are open: in them `<style/>` ends at once (HTML section 13.2.6.5).
    foreign: u32,
    deeper: usize,
}

impl<'a> LinkReader<'a> {
    fn tag(&mut self, tag: &Tag<'a>, tags: &mut Tags<'a>) {
        let mut room = [0; 16];
        let name = tag.lower(&mut room);
        if matches!(name, "svg" | "math") && !tag.closes_itself() {
            self.foreign = if tag.is_end { self.foreign.saturating_sub(1) } else { self.foreign + 1 };
        }
        if tag.is_end {
            return;
        }
        self.element(name, tag);
        if self.foreign == 0 || !tag.closes_itself() {
            self.content(name, tag, tags);
        }
    }

    fn element(&mut self, name: &str, tag: &Tag<'a>) {
        self.attributes.clear();
        for (name, value) in tag.attributes() {
            let is_lower = !name.bytes().any(|b| b.is_ascii_uppercase());
            let name = if is_lower { Cow::from(name) } else { Cow::from(name.to_ascii_lowercase()) };
            if elements::matters(&name) {
                self.attributes.push((name, entity::decode(value)));
            }
        }
        // A form without attributes is one all the same.
        if !self.attributes.is_empty() || name == "form" {
            elements::read(&mut self.found, name, &self.attributes, self.deeper);
        }
    }

    /// Reads the content of elements in which markup is text (HTML section 13.2.6.2).
    fn content(&mut self, name: &str, tag: &Tag<'a>, tags: &mut Tags<'a>) {
        match name {
            "style" => self.found.css(block(tags.raw_text(name))),
            "script" => {
                let kind = tag.attribute("type").map(entity::decode);
                self.found.script_of(kind.as_deref(), block(tags.raw_text(name)));
            }
            "noscript" => self.found.document(block(tags.raw_text(name)), self.deeper),
            "textarea" | "title" | "xmp" | "iframe" | "noembed" | "noframes" | "plaintext" => {
                tags.raw_text(name);
            }
            _ => {}
        }
    }
}

/// As much of a block as is read.
fn block(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_BLOCK)]
}

/// The address of a refresh, `5; url='/x'` (HTML section 4.2.5.3).
pub fn refresh(content: &str) -> Option<&str> {
    let rest = content.trim_start().trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let rest = rest.trim_start();
    let rest = rest.strip_prefix([';', ',']).unwrap_or(rest).trim_start();
    let url = match rest.get(..3) {
        Some(word) if word.eq_ignore_ascii_case("url") => match rest[3..].trim_start().strip_prefix('=') {
            Some(value) => value.trim_start(),
            None => rest,
        },
        Some(_) | None => rest,
    };
    let url = match url.chars().next() {
        Some(quote @ ('"' | '\'')) => url[1..].split(quote).next().unwrap_or(""),
        Some(_) | None => url,
    };
    let url = url.trim();
    (!url.is_empty()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::super::Need;
    use super::super::found::MAX_LINKS;
    use super::*;
    use proptest::prelude::*;

    fn found(html: &str) -> Vec<(String, Need)> {
        read(html).links.into_iter().map(|link| (link.url, link.need)).collect()
    }

    #[test]
    fn every_kind_of_reference_is_found() {
        use Need::{Link, Requisite};
        for (html, expected) in [
            ("<a href=x>", &[("x", Link)][..]),
            ("<A HREF = ' x '>", &[("x", Link)]),
            ("<a href='/a?b=1&amp;c=2'>", &[("/a?b=1&c=2", Link)]),
            ("<a name=x><a href>", &[]),
            ("<map><area href=x></map>", &[("x", Link)]),
            ("<link rel=stylesheet href=x>", &[("x", Requisite)]),
            ("<link rel='Shortcut ICON' href=x>", &[("x", Requisite)]),
            ("<link rel='alternate stylesheet' href=x>", &[("x", Requisite)]),
            ("<link rel=alternate hreflang=en href=x>", &[("x", Link)]),
            ("<link rel=preconnect href=x><link rel=pingback href=y><link href=z>", &[]),
            ("<link rel=preload as=image imagesrcset='a 1x, b 2x'>", &[("a", Requisite), ("b", Requisite)]),
            ("<link rel=prefetch href=x>", &[("x", Link)]),
            (
                "<link rel=manifest href=x><link rel=apple-touch-icon href=y>",
                &[("x", Requisite), ("y", Requisite)],
            ),
            ("<script src=x></script><script>var a = '<img src=no>'</script>", &[("x", Requisite)]),
            ("<img src=x srcset='y 1x, z 2x'>", &[("x", Requisite), ("y", Requisite), ("z", Requisite)]),
            (
                "<picture><source srcset='y, z 2x'><img src=x></picture>",
                &[("y", Requisite), ("z", Requisite), ("x", Requisite)],
            ),
            (
                "<video src=a poster=b><source src=c><track src=d></video><audio src=e>",
                &[("a", Requisite), ("b", Requisite), ("c", Requisite), ("d", Requisite), ("e", Requisite)],
            ),
            ("<iframe src=x></iframe><frame src=y>", &[("x", Requisite), ("y", Requisite)]),
            ("<iframe srcdoc='<img src=&quot;x&quot;>'></iframe>", &[("x", Requisite)]),
            ("<object data=x></object><embed src=y>", &[("x", Requisite), ("y", Requisite)]),
            ("<input type=image src=x>", &[("x", Requisite)]),
            ("<form action=/no><button formaction=/no>", &[]),
            ("<meta http-equiv=Refresh content='0; URL=/x'>", &[("/x", Link)]),
            (
                "<meta property=og:image content=x><meta name=twitter:image content=y>",
                &[("x", Requisite), ("y", Requisite)],
            ),
            ("<meta name=description content=no>", &[]),
            ("<p style='background: url(&quot;x&quot;)'>", &[("x", Requisite)]),
            ("<style>@import 'a'; b { c: url(d) }</style>", &[("a", Requisite), ("d", Requisite)]),
            ("<noscript><img src=x><a href=y></a></noscript>", &[("x", Requisite), ("y", Link)]),
            ("<template><img src=x></template>", &[("x", Requisite)]),
            ("<svg><image href=x /><use xlink:href='y#z'/></svg>", &[("x", Requisite), ("y#z", Requisite)]),
            ("<svg><title/><style /><image href=x /></svg><a href=y>", &[("x", Requisite), ("y", Link)]),
            (
                "<svg/><title/><a href=no></title><script/>fetch('/b.json')</script>",
                &[("/b.json", Requisite)],
            ),
            (
                "<IMG SRC=x><img src=y src=z><a href=u",
                &[("x", Requisite), ("y", Requisite), ("z", Requisite)],
            ),
            ("<noscript><a href=x><noscript></noscript><a href=y>", &[("x", Link), ("y", Link)]),
            ("<a href=x><plaintext><a href=no>", &[("x", Link)]),
            ("<body background=x><td background=y>", &[("x", Requisite)]),
            ("<table background=x><tr><td background=y>", &[("x", Requisite), ("y", Requisite)]),
            ("<!-- <a href=no> --><textarea><a href=no></textarea>", &[]),
            ("<a href=x", &[]),
            ("<a href='x'><a href=\"y", &[("x", Link)]),
        ] {
            let expected: Vec<_> = expected.iter().map(|(url, need)| ((*url).to_owned(), *need)).collect();
            if html.starts_with("<body background") {
                assert!(found(html).contains(&expected[0]), "{html}");
            } else {
                assert_eq!(found(html), expected, "{html}");
            }
        }
    }

    #[test]
    fn what_is_loaded_late_is_found() {
        use Need::{Guess, Link, Requisite};
        for (html, expected) in [
            (
                "<img src=a.gif data-src=b.jpg loading=lazy>",
                &[("a.gif", Requisite), ("b.jpg", Requisite)][..],
            ),
            (
                "<img data-srcset='a 1x, b 2x' data-lazy-srcset='c 1w'>",
                &[("a", Requisite), ("b", Requisite), ("c", Requisite)],
            ),
            (
                "<img data-original=/a.jpg data-lazy=true data-echo='b c.jpg'>",
                &[("/a.jpg", Requisite), ("b c.jpg", Requisite)],
            ),
            (
                "<div data-bg='a.jpg'><div data-bg='url(b.jpg)'><div data-background='#fff'>",
                &[("a.jpg", Requisite), ("b.jpg", Requisite)],
            ),
            (
                "<div data-bgset='a.jpg 1x, b.jpg 2x' data-background-image=\"url('c.jpg')\">",
                &[("a.jpg", Requisite), ("b.jpg", Requisite), ("c.jpg", Requisite)],
            ),
            ("<div data-bg-multi='url(a.jpg),url(b.jpg)'>", &[("a.jpg", Requisite), ("b.jpg", Requisite)]),
            (
                "<video data-poster=a.jpg data-src=b.mp4><iframe data-src=/map.html></iframe>",
                &[("a.jpg", Requisite), ("b.mp4", Requisite), ("/map.html", Requisite)],
            ),
            ("<tr data-href=/item/1><li data-href=no>", &[("/item/1", Link)]),
            ("<div data-json-url=/data/a.json data-word=a.json data-x='/a/b'>", &[("/data/a.json", Guess)]),
            (
                "<form data-product='[{&quot;image&quot;:&quot;https:\\/\\/example.jp\\/a.jpg&quot;}]'>",
                &[("https://example.jp/a.jpg", Guess)],
            ),
            (
                "<lottie-player src=/a.lottie></lottie-player><amp-img src=b.jpg srcset='c.jpg 1x'>",
                &[("/a.lottie", Requisite), ("b.jpg", Requisite), ("c.jpg", Requisite)],
            ),
        ] {
            let expected: Vec<_> = expected.iter().map(|(url, need)| ((*url).to_owned(), *need)).collect();
            assert_eq!(found(html), expected, "{html}");
        }
    }

    #[test]
    fn old_pages_and_their_scripts_are_read() {
        use Need::{Guess, Link, Requisite};
        for (html, expected) in [
            ("<a href=\"javascript:window.open('/popup.html')\">", &[("/popup.html", Link)][..]),
            ("<a href='JavaScript:void(0)' onclick=\"location.href='a.htm'\">", &[("a.htm", Link)]),
            (
                "<img src=a.gif onmouseover=\"this.src='a_over.gif'\">",
                &[("a.gif", Requisite), ("a_over.gif", Guess)],
            ),
            (
                "<body onload=\"MM_preloadImages('i/b.gif','c.gif')\">",
                &[("i/b.gif", Guess), ("c.gif", Guess)],
            ),
            (
                "<object data=a.swf><param name=movie value=b.swf><param name=quality value=high></object>",
                &[("a.swf", Requisite), ("b.swf", Requisite)],
            ),
            (
                "<applet code=A codebase=/java archive='a.jar, b.jar'></applet>",
                &[("/java/a.jar", Requisite), ("/java/b.jar", Requisite), ("/java/A.class", Requisite)],
            ),
            ("<img lowsrc=a.gif longdesc=b.html>", &[("a.gif", Requisite), ("b.html", Link)]),
            ("<div background=a.gif><div background=none>", &[("a.gif", Requisite)]),
            ("<html manifest=/a.appcache>", &[("/a.appcache", Requisite)]),
        ] {
            let expected: Vec<_> = expected.iter().map(|(url, need)| ((*url).to_owned(), *need)).collect();
            assert_eq!(found(html), expected, "{html}");
        }
    }

    #[test]
    fn scripts_and_blocks_of_data_are_read() {
        use Need::{Guess, Link, Requisite};
        for (html, expected) in [
            (
                "<script>fetch('/a.json'); var b = '/b.png'</script>",
                &[("/a.json", Requisite), ("/b.png", Guess)][..],
            ),
            ("<script type=module>import './a.js'</script>", &[("./a.js", Requisite)]),
            ("<script type=importmap>{\"imports\":{\"a\":\"/a.js\"}}</script>", &[("/a.js", Requisite)]),
            ("<script type=application/ld+json>{\"image\":\"/a.jpg\"}</script>", &[("/a.jpg", Requisite)]),
            ("<script type=speculationrules>{\"prefetch\":[{\"urls\":[\"/a\"]}]}</script>", &[("/a", Link)]),
            ("<script type=application/json>{\"a\":\"/a.jpg\"}</script>", &[("/a.jpg", Guess)]),
            ("<script type=text/template><img src=/no.png>fetch('/no.json')</script>", &[]),
            ("<script src=a.js>fetch('/b.json')</script>", &[("a.js", Requisite), ("/b.json", Requisite)]),
            (
                "<link rel=prefetch as=script href=x><link rel=preload as=fetch href=y>",
                &[("x", Requisite), ("y", Requisite)],
            ),
            ("<meta http-equiv=Link content='</a.css>; rel=preload'>", &[("/a.css", Requisite)]),
            (
                "<svg><rect fill='url(p.svg#x)' filter='url(#y)'/><style>a{b:url(c)}</style></svg>",
                &[("p.svg#x", Requisite), ("#y", Requisite), ("c", Requisite)],
            ),
            (
                "<meta name=msapplication-square70x70logo content=a.png><meta itemprop=image content=b.png>",
                &[("a.png", Requisite), ("b.png", Requisite)],
            ),
        ] {
            let expected: Vec<_> = expected.iter().map(|(url, need)| ((*url).to_owned(), *need)).collect();
            assert_eq!(found(html), expected, "{html}");
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is_linked() {
        for html in [
            "<!-- <img src=/no.png> <script>fetch('/no.json')</script> -->",
            "<textarea><img src=/no.png></textarea><title><a href=/no></title><xmp><a href=/no></xmp>",
            "<p title='/no.png' alt=/no.png class=/no.png id=no.png>/no.png https://example.jp/no.png</p>",
            "<form action=/no method=get><button formaction=/no></form><a ping=/no><q cite=/no>",
            "<script>// fetch('/no.json')\n/* '/no.png' */</script><style>/* url(/no.png) */ a{content:'/no.png'}</style>",
            "<code>fetch('/no.json')</code><pre>import './no.js'</pre>",
            "<input value=/no.png name=/no><option value=/no.html><time datetime=2026/11/03>",
            "<link rel=dns-prefetch href=//no.example><link rel=preconnect href=//no.example><link rel=pingback href=/no>",
            "<div data-id=12 data-version=1.2.3 data-price=9.99 data-date=2026/11/03 data-target=.no data-toggle=modal>",
            "<div data-template='<img src=/no.png>' data-pattern='/no/*.png' data-path='/{no}.png'>",
        ] {
            assert_eq!(found(html), [], "{html}");
        }
    }

    #[test]
    fn the_first_base_holds() {
        let page = read("<a href=x><base target=_top><base href=' /b/ '><base href=/c/>");
        assert_eq!(page.base.as_deref(), Some("/b/"));
    }

    #[test]
    fn refreshes_are_read_as_browsers_do() {
        for (content, expected) in [
            ("0; url=/x", Some("/x")),
            ("5;URL='/x y'", Some("/x y")),
            ("5, url = \"/x\" z", Some("/x")),
            ("0 /x", Some("/x")),
            ("0;/x", Some("/x")),
            ("3.5; url=/x", Some("/x")),
            ("30", None),
            ("30;", None),
            ("0; url=", None),
            ("0; あ", Some("あ")),
        ] {
            assert_eq!(refresh(content), expected, "{content}");
        }
    }

    #[test]
    fn forms_are_seen() {
        let login = |html| read(html).login;
        let form = login("<input type=hidden name=csrf value=abc><input type=PASSWORD>");
        assert_eq!(form, LoginForm { passwords: 1, new_password: false, token: true });
        assert!(login("<input type=password autocomplete=new-password>").new_password);
        assert_eq!(login("<input type=text><input type=hidden value=''>"), LoginForm::default());
    }

    #[test]
    fn a_tower_of_tags_and_a_flood_of_links_are_survived() {
        let tower = format!("<a href=first>{}<a href=last>", "<p><div>".repeat(65_536));
        assert_eq!(found(&tower)[0].0, "first");
        let flood = "<a href=x>".repeat(MAX_LINKS + 10);
        assert_eq!(found(&flood).len(), MAX_LINKS);
        let nests = "<iframe srcdoc=\"<iframe srcdoc='<iframe srcdoc=x><img src=deep>'>\">".repeat(100);
        assert!(found(&nests).len() <= 200);
    }

    proptest! {
        #[test]
        fn garbage_is_read_to_its_end(html in "[<>a-z/=\"' &;!-]{0,200}") {
            let page = read(&html);
            prop_assert!(page.links.iter().all(|link| !link.url.is_empty()));
        }

        #[test]
        fn any_address_that_is_written_well_is_found(url in "[ -~あ]{1,40}") {
            let written = url.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
            let expected: Vec<_> = Some(url.trim().to_owned()).filter(|u| !u.is_empty()).into_iter().collect();
            let urls: Vec<_> = found(&format!("<a href=\"{written}\">")).into_iter().map(|(url, _)| url).collect();
            prop_assert_eq!(urls, expected);
        }
    }
}
