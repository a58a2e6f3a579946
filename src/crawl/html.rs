//! What an HTML page leads to and what it needs to be drawn.
//!
//! lol_html finds the tags; this table says which attributes count. Attribute values are decoded here, and the
//! first `<base>` holds for the whole page, what stands before it included.

use std::cell::RefCell;

use lol_html::html_content::Element;
use lol_html::{HtmlRewriter, MemorySettings, Settings, element, text};

use super::entity;
use super::links::{Link, Need};
use super::{css, srcset};

/// Memory of one parse besides the page itself.
const MEMORY: usize = 16 * 1024 * 1024;
/// Documents within documents (`srcdoc`, `noscript`) that are looked into.
const NESTING: usize = 3;
/// Links of one page. A page with more is a machine's.
const MAX_LINKS: usize = 20_000;

/// What a page holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The first `<base href>`.
    pub base: Option<String>,
    /// Links in their order, duplicates included.
    pub links: Vec<Link>,
    /// What it asks its visitor for.
    pub login: LoginForm,
}

/// How much a page looks like a login: see [`super::admission`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoginForm {
    /// Password fields.
    pub passwords: u32,
    /// One of them is filled in, or says that it is for a new password: a profile, a sign-up.
    pub new_password: bool,
    /// A hidden field with a value: a token made for one visitor.
    pub token: bool,
}

#[derive(Default)]
struct Found {
    page: Page,
    /// The text of the `<style>` or `<noscript>` that is being read.
    text: String,
}

/// Reads a page. Whatever is wrong with it, what was found until then counts.
pub fn read(html: &str) -> Page {
    nested(html, NESTING)
}

fn nested(html: &str, deeper: usize) -> Page {
    let found = RefCell::new(Found::default());
    let settings = Settings::new()
        .append_element_content_handler(element!("*", |el| {
            element(&mut found.borrow_mut(), el, deeper);
            Ok(())
        }))
        .append_element_content_handler(text!("style", |chunk| {
            let mut found = found.borrow_mut();
            found.text.push_str(chunk.as_str());
            if chunk.last_in_text_node() {
                let sheet = std::mem::take(&mut found.text);
                found.draw_css(&sheet);
            }
            Ok(())
        }))
        .append_element_content_handler(text!("noscript", |chunk| {
            let mut found = found.borrow_mut();
            found.text.push_str(chunk.as_str());
            if chunk.last_in_text_node() {
                let inner = std::mem::take(&mut found.text);
                found.document(&inner, deeper);
            }
            Ok(())
        }))
        .with_memory_settings(MemorySettings::new().with_max_allowed_memory_usage(MEMORY))
        .with_strict(false);
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
    // An error here is a page too odd to be parsed on; the links before it are good.
    let _ = html
        .as_bytes()
        .chunks(256 * 1024)
        .try_for_each(|part| rewriter.write(part))
        .and_then(|()| rewriter.end());
    found.into_inner().page
}

impl Found {
    fn push(&mut self, url: &str, need: Need) {
        let url = url.trim();
        if !url.is_empty() && self.page.links.len() < MAX_LINKS {
            self.page.links.push(Link::new(url, need));
        }
    }

    fn draw_css(&mut self, sheet: &str) {
        for url in css::urls(sheet) {
            self.push(&url, Need::Draw);
        }
    }

    fn document(&mut self, html: &str, deeper: usize) {
        if deeper > 0 {
            let inner = nested(html, deeper - 1);
            let room = MAX_LINKS.saturating_sub(self.page.links.len());
            self.page.links.extend(inner.links.into_iter().take(room));
        }
    }
}

/// One row of the table: an element, an attribute with an address, and what for.
#[rustfmt::skip]
const ADDRESSES: &[(&str, &str, Need)] = &[
    ("a", "href", Need::Link), ("area", "href", Need::Link),
    ("script", "src", Need::Draw), ("img", "src", Need::Draw), ("input", "src", Need::Draw),
    ("source", "src", Need::Draw), ("video", "src", Need::Draw), ("video", "poster", Need::Draw),
    ("audio", "src", Need::Draw), ("track", "src", Need::Draw), ("bgsound", "src", Need::Draw),
    ("iframe", "src", Need::Draw), ("frame", "src", Need::Draw), ("embed", "src", Need::Draw),
    ("object", "data", Need::Draw),
    // SVG within the page, old and new spelling
    ("image", "href", Need::Draw), ("image", "xlink:href", Need::Draw), ("use", "href", Need::Draw),
    ("use", "xlink:href", Need::Draw), ("feimage", "href", Need::Draw), ("feimage", "xlink:href", Need::Draw),
    ("a", "xlink:href", Need::Link),
    // Pages of the last century
    ("body", "background", Need::Draw), ("table", "background", Need::Draw), ("tr", "background", Need::Draw),
    ("td", "background", Need::Draw), ("th", "background", Need::Draw),
];

fn element(found: &mut Found, el: &Element<'_, '_>, deeper: usize) {
    if el.attributes().is_empty() {
        return;
    }
    let tag = el.tag_name();
    let attribute = |name: &str| el.get_attribute(name).map(|value| entity::decode(&value).into_owned());
    for (_, name, need) in ADDRESSES.iter().filter(|(element, _, _)| *element == tag) {
        if let Some(url) = attribute(name) {
            found.push(&url, *need);
        }
    }
    if let Some(style) = attribute("style") {
        found.draw_css(&style);
    }
    match tag.as_str() {
        "img" | "source" => draw_srcset(found, attribute("srcset")),
        "link" => link(found, &attribute),
        "meta" => meta(found, &attribute),
        "iframe" => {
            if let Some(inner) = attribute("srcdoc") {
                found.document(&inner, deeper);
            }
        }
        "input" => input(&mut found.page.login, &attribute),
        "base" => {
            let href = attribute("href").map(|href| href.trim().to_owned()).filter(|href| !href.is_empty());
            found.page.base = found.page.base.take().or(href);
        }
        _ => {}
    }
}

fn draw_srcset(found: &mut Found, value: Option<String>) {
    for url in value.as_deref().map(srcset::urls).unwrap_or_default() {
        found.push(url, Need::Draw);
    }
}

/// `<link>`: by what it says that it is.
fn link(found: &mut Found, attribute: &dyn Fn(&str) -> Option<String>) {
    let rel = attribute("rel").unwrap_or_default().to_ascii_lowercase();
    let need = rel.split_ascii_whitespace().filter_map(need_of_rel).min();
    if let (Some(need), Some(url)) = (need, attribute("href")) {
        found.push(&url, need);
    }
    if need == Some(Need::Draw) {
        draw_srcset(found, attribute("imagesrcset"));
    }
}

fn need_of_rel(rel: &str) -> Option<Need> {
    match rel {
        "stylesheet"
        | "icon"
        | "apple-touch-icon"
        | "apple-touch-icon-precomposed"
        | "apple-touch-startup-image"
        | "mask-icon"
        | "fluid-icon"
        | "manifest"
        | "preload"
        | "modulepreload"
        | "image_src" => Some(Need::Draw),
        // What is fetched ahead may be the next page.
        "prefetch" | "alternate" | "canonical" | "next" | "prev" | "previous" | "first" | "last"
        | "start" | "up" | "contents" | "index" | "help" | "license" | "author" | "privacy-policy"
        | "terms-of-service" | "amphtml" | "search" => Some(Need::Link),
        _ => None,
    }
}

/// `<meta>`: refresh, and the pictures that other sites show for this one.
fn meta(found: &mut Found, attribute: &dyn Fn(&str) -> Option<String>) {
    let Some(content) = attribute("content") else { return };
    if attribute("http-equiv").is_some_and(|name| name.trim().eq_ignore_ascii_case("refresh")) {
        if let Some(url) = refresh(&content) {
            found.push(url, Need::Link);
        }
        return;
    }
    let name = attribute("property").or_else(|| attribute("name")).or_else(|| attribute("itemprop"));
    match name.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "og:image"
        | "og:image:url"
        | "og:image:secure_url"
        | "twitter:image"
        | "twitter:image:src"
        | "image"
        | "thumbnail"
        | "og:video"
        | "og:audio"
        | "msapplication-tileimage"
        | "msapplication-config" => {
            found.push(&content, Need::Draw);
        }
        _ => {}
    }
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

fn input(login: &mut LoginForm, attribute: &dyn Fn(&str) -> Option<String>) {
    let filled = || attribute("value").is_some_and(|value| !value.trim().is_empty());
    match attribute("type").unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "password" => {
            login.passwords += 1;
            let autocomplete = attribute("autocomplete").unwrap_or_default();
            login.new_password |= autocomplete.trim().eq_ignore_ascii_case("new-password");
        }
        "hidden" => login.token |= filled(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(html: &str) -> Vec<(String, Need)> {
        read(html).links.into_iter().map(|link| (link.url, link.need)).collect()
    }

    #[test]
    fn every_kind_of_reference_is_found() {
        use Need::{Draw, Link};
        for (html, expected) in [
            ("<a href=x>", &[("x", Link)][..]),
            ("<A HREF = ' x '>", &[("x", Link)]),
            ("<a href='/a?b=1&amp;c=2'>", &[("/a?b=1&c=2", Link)]),
            ("<a name=x><a href>", &[]),
            ("<map><area href=x></map>", &[("x", Link)]),
            ("<link rel=stylesheet href=x>", &[("x", Draw)]),
            ("<link rel='Shortcut ICON' href=x>", &[("x", Draw)]),
            ("<link rel='alternate stylesheet' href=x>", &[("x", Draw)]),
            ("<link rel=alternate hreflang=en href=x>", &[("x", Link)]),
            ("<link rel=preconnect href=x><link rel=pingback href=y><link href=z>", &[]),
            ("<link rel=preload as=image imagesrcset='a 1x, b 2x'>", &[("a", Draw), ("b", Draw)]),
            ("<link rel=prefetch href=x>", &[("x", Link)]),
            ("<link rel=manifest href=x><link rel=apple-touch-icon href=y>", &[("x", Draw), ("y", Draw)]),
            ("<script src=x></script><script>var a = '<img src=no>'</script>", &[("x", Draw)]),
            ("<img src=x srcset='y 1x, z 2x'>", &[("x", Draw), ("y", Draw), ("z", Draw)]),
            (
                "<picture><source srcset='y, z 2x'><img src=x></picture>",
                &[("y", Draw), ("z", Draw), ("x", Draw)],
            ),
            (
                "<video src=a poster=b><source src=c><track src=d></video><audio src=e>",
                &[("a", Draw), ("b", Draw), ("c", Draw), ("d", Draw), ("e", Draw)],
            ),
            ("<iframe src=x></iframe><frame src=y>", &[("x", Draw), ("y", Draw)]),
            ("<iframe srcdoc='<img src=&quot;x&quot;>'></iframe>", &[("x", Draw)]),
            ("<object data=x></object><embed src=y>", &[("x", Draw), ("y", Draw)]),
            ("<input type=image src=x>", &[("x", Draw)]),
            ("<form action=/no><button formaction=/no>", &[]),
            ("<meta http-equiv=Refresh content='0; URL=/x'>", &[("/x", Link)]),
            (
                "<meta property=og:image content=x><meta name=twitter:image content=y>",
                &[("x", Draw), ("y", Draw)],
            ),
            ("<meta name=description content=no>", &[]),
            ("<p style='background: url(&quot;x&quot;)'>", &[("x", Draw)]),
            ("<style>@import 'a'; b { c: url(d) }</style>", &[("a", Draw), ("d", Draw)]),
            ("<noscript><img src=x><a href=y></a></noscript>", &[("x", Draw), ("y", Link)]),
            ("<template><img src=x></template>", &[("x", Draw)]),
            ("<svg><image href=x /><use xlink:href='y#z'/></svg>", &[("x", Draw), ("y#z", Draw)]),
            ("<body background=x><td background=y>", &[("x", Draw)]),
            ("<table background=x><tr><td background=y>", &[("x", Draw), ("y", Draw)]),
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
