//! What the attributes of an element lead to: one table for pages, for pictures in SVG, and for whatever else is
//! written in these elements.

use std::borrow::Cow;

use super::Need;
use super::found::Found;
use super::script::{self, Kind};
use crate::content::tags::place;

/// What an attribute's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// An address.
    Url(Need),
    /// Candidates for a picture (HTML section 4.8.4.2).
    Srcset,
    /// Declarations of a style, or one value of one.
    Css,
    /// An address, or `url(…)`, as scripts that load late have it; anything else is a word of theirs.
    Late(Need),
    /// Statements of a script.
    Script,
    /// What a script keeps beside an element.
    Data,
}

/// The attributes of one element: their names in lower case, and what they mean. Only what [`matters`].
pub(super) type Attributes<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Whether an attribute can lead anywhere: most cannot, and are not even decoded.
pub(super) fn matters(name: &str) -> bool {
    const PLAIN: &[&str] = &[
        "action",
        "archive",
        "as",
        "autocomplete",
        "background",
        "code",
        "codebase",
        "content",
        "data",
        "dynsrc",
        "href",
        "http-equiv",
        "imagesrcset",
        "itemprop",
        "lazy-src",
        "longdesc",
        "lowsrc",
        "manifest",
        "method",
        "name",
        "poster",
        "property",
        "rel",
        "src",
        "srcdoc",
        "srcset",
        "style",
        "type",
        "url",
        "value",
        "xlink:href",
        "xml:base",
    ];
    name.starts_with("data-")
        || name.starts_with("on")
        || name.starts_with("rdf:")
        || place(PLAIN, name).is_some()
        || PAINT.contains(&name)
}

/// Records what an element leads to.
pub(super) fn read(found: &mut Found, tag: &str, attributes: &[(Cow<'_, str>, Cow<'_, str>)], deeper: usize) {
    for (name, value) in attributes {
        if let Some(kind) = kind_of(tag, name) {
            take(found, kind, value);
        }
    }
    let attribute = |name: &str| attributes.iter().find(|(n, _)| n == name).map(|(_, value)| &**value);
    match tag {
        "link" => link(found, &attribute),
        "meta" => meta(found, &attribute),
        "iframe" => {
            if let Some(inner) = attribute("srcdoc") {
                found.document(inner, deeper);
            }
        }
        "applet" | "object" => applet(found, &attribute),
        "param" if is_file_parameter(attribute("name").unwrap_or("")) => {
            take(found, Value::Late(Need::Requisite), attribute("value").unwrap_or(""));
        }
        "input" => {
            found.field(attribute("name"));
            input(found, &attribute);
        }
        "select" | "button" | "textarea" => found.field(attribute("name")),
        "form" => found.form(attribute("action"), attribute("method")),
        "base" => found.base(attribute("href")),
        _ => {}
    }
}

fn take(found: &mut Found, kind: Value, value: &str) {
    match kind {
        Value::Url(need) => match value.trim_start().split_at_checked("javascript:".len()) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("javascript:") => {
                found.script(rest, Kind::Inline)
            }
            Some(_) | None => found.push(value, need),
        },
        Value::Srcset => found.srcset(value),
        Value::Css if value.contains('(') => found.css(value),
        Value::Css => {}
        Value::Late(_) if value.contains("url(") => found.css(value),
        Value::Late(_) if value.contains(", ") && value.split_ascii_whitespace().count() > 2 => {
            found.srcset(value)
        }
        Value::Late(need) if is_plausible(value) => found.push(value, need),
        Value::Late(_) => {}
        Value::Script => found.script(value, Kind::Inline),
        Value::Data if value.trim_start().starts_with(['{', '[']) => found.script(value, Kind::Data),
        Value::Data if script::looks_like_file(value.trim()) => found.push(value, Need::Guess),
        Value::Data => {}
    }
}

/// `data-lazy="true"` and `data-bg="#fff"` are no addresses.
fn is_plausible(value: &str) -> bool {
    let value = value.trim();
    value.contains(['/', '.'])
        && !value.starts_with(['#', '{', '[', '<', '.', '('])
        && !value.contains(['(', '<', '{'])
        && value.parse::<f64>().is_err()
        || value.starts_with("./")
        || value.starts_with("../")
}

/// The table.
#[rustfmt::skip]
fn kind_of(tag: &str, name: &str) -> Option<Value> {
    use Need::{Requisite, Link};
    use Value::{Css, Data, Late, Script, Srcset, Url};
    Some(match (tag, name) {
        ("a" | "area", "href") | ("a", "xlink:href") => Url(Link),
        ("script" | "img" | "input" | "source" | "video" | "audio" | "track" | "bgsound" | "iframe" | "frame" | "embed", "src") => Url(Requisite),
        ("video", "poster") | ("object", "data") => Url(Requisite),
        ("img" | "source", "srcset") => Srcset,
        // SVG, old and new spelling
        ("image" | "use" | "feimage" | "script" | "pattern" | "lineargradient" | "radialgradient" | "filter" | "textpath" | "mpath", "href")
        | (_, "xlink:href") => Url(Requisite),
        // what pages are made of that a library draws
        (custom, "src" | "poster") if custom.contains('-') => Late(Requisite),
        (custom, "srcset") if custom.contains('-') => Srcset,
        // pages of the last century
        ("body" | "table" | "tr" | "td" | "th", "background") => Url(Requisite),
        (_, "background") => Late(Requisite),
        ("img", "lowsrc" | "dynsrc") | ("layer" | "ilayer", "src") => Url(Requisite),
        ("img" | "iframe" | "frame", "longdesc") => Url(Link),
        ("html", "manifest") => Url(Requisite),
        (_, "style") => Css,
        (_, paint) if PAINT.contains(&paint) => Css,
        (_, late) if late.starts_with("data-") || late == "lazy-src" => match LATE.binary_search_by_key(&late, |(name, _)| name) {
            Ok(at) => LATE[at].1,
            Err(_) => Data,
        },
        (_, event) if event.starts_with("on") => Script,
        _ => return None,
    })
}

/// Attributes of SVG whose value may be `url(…)`.
const PAINT: &[&str] =
    &["clip-path", "cursor", "fill", "filter", "marker-end", "marker-mid", "marker-start", "mask", "stroke"];

/// Where scripts that load late keep the address meanwhile, in the order of the alphabet.
#[rustfmt::skip]
const LATE: &[(&str, Value)] = &[
    ("data-at2x", Value::Late(Need::Requisite)), ("data-background", Value::Late(Need::Requisite)),
    ("data-background-hidpi", Value::Late(Need::Requisite)), ("data-background-image", Value::Late(Need::Requisite)),
    ("data-background-src", Value::Late(Need::Requisite)), ("data-bg", Value::Late(Need::Requisite)),
    ("data-bg-hidpi", Value::Late(Need::Requisite)), ("data-bg-image", Value::Late(Need::Requisite)),
    ("data-bg-multi", Value::Css), ("data-bg-src", Value::Late(Need::Requisite)), ("data-bgset", Value::Srcset),
    ("data-cfsrc", Value::Late(Need::Requisite)), ("data-cfstyle", Value::Css), ("data-defer-src", Value::Late(Need::Requisite)),
    ("data-deferred", Value::Late(Need::Requisite)), ("data-echo", Value::Late(Need::Requisite)),
    ("data-fallback-src", Value::Late(Need::Requisite)), ("data-flickity-bg-lazyload", Value::Late(Need::Requisite)),
    ("data-flickity-lazyload", Value::Late(Need::Requisite)), ("data-flickity-lazyload-src", Value::Late(Need::Requisite)),
    ("data-flickity-lazyload-srcset", Value::Srcset), ("data-frz-src", Value::Late(Need::Requisite)),
    ("data-full", Value::Late(Need::Requisite)), ("data-hi-res-src", Value::Late(Need::Requisite)),
    ("data-highres", Value::Late(Need::Requisite)), ("data-hires", Value::Late(Need::Requisite)),
    ("data-href", Value::Late(Need::Link)), ("data-iesrc", Value::Late(Need::Requisite)),
    ("data-image", Value::Late(Need::Requisite)), ("data-image-src", Value::Late(Need::Requisite)),
    ("data-img", Value::Late(Need::Requisite)), ("data-img-src", Value::Late(Need::Requisite)),
    ("data-large_image", Value::Late(Need::Requisite)), ("data-lazy", Value::Late(Need::Requisite)),
    ("data-lazy-bg", Value::Late(Need::Requisite)), ("data-lazy-poster", Value::Late(Need::Requisite)),
    ("data-lazy-src", Value::Late(Need::Requisite)), ("data-lazy-srcset", Value::Srcset),
    ("data-lazyload", Value::Late(Need::Requisite)), ("data-lazysrc", Value::Late(Need::Requisite)),
    ("data-orig-file", Value::Late(Need::Requisite)), ("data-orig-src", Value::Late(Need::Requisite)),
    ("data-original", Value::Late(Need::Requisite)), ("data-original-set", Value::Srcset),
    ("data-original-src", Value::Late(Need::Requisite)), ("data-pagespeed-lazy-src", Value::Late(Need::Requisite)),
    ("data-parallax-image", Value::Late(Need::Requisite)), ("data-pin-media", Value::Late(Need::Requisite)),
    ("data-poster", Value::Late(Need::Requisite)), ("data-retina", Value::Late(Need::Requisite)),
    ("data-rocket-src", Value::Late(Need::Requisite)), ("data-splide-lazy", Value::Late(Need::Requisite)),
    ("data-splide-lazy-srcset", Value::Srcset), ("data-src", Value::Late(Need::Requisite)),
    ("data-src-retina", Value::Late(Need::Requisite)), ("data-srcset", Value::Srcset), ("data-style", Value::Css),
    ("data-thumb", Value::Late(Need::Requisite)), ("data-thumb-src", Value::Late(Need::Requisite)),
    ("data-video-src", Value::Late(Need::Requisite)), ("data-wf-src", Value::Late(Need::Requisite)),
    ("data-zoom-image", Value::Late(Need::Requisite)), ("data-zoom-src", Value::Late(Need::Requisite)),
    ("lazy-src", Value::Late(Need::Requisite)),
];

/// `<link>`: by what it says that it is.
fn link<'a>(found: &mut Found, attribute: &dyn Fn(&str) -> Option<&'a str>) {
    let rel = attribute("rel").unwrap_or_default();
    if let Some(url) = attribute("href").filter(|_| names_the_page(rel)) {
        found.alias(url);
    }
    let Some(need) = need_of_rels(rel, attribute("as")) else { return };
    if let Some(url) = attribute("href") {
        found.push(url, need);
    }
    if need == Need::Requisite {
        found.srcset(attribute("imagesrcset").unwrap_or_default());
    }
}

/// Whether a link's relations say that it is another name of the page.
pub(super) fn names_the_page(rels: &str) -> bool {
    let is = |rel: &str| rel.eq_ignore_ascii_case("shortlink") || rel.eq_ignore_ascii_case("canonical");
    rels.split_ascii_whitespace().any(is)
}

/// What a link is for, by its relations (HTML section 4.6.7) and the kind of file that it says it leads to.
pub(super) fn need_of_rels(rels: &str, kind: Option<&str>) -> Option<Need> {
    rels.split_ascii_whitespace().filter_map(|rel| need_of_rel(&rel.to_ascii_lowercase(), kind)).min()
}

#[rustfmt::skip]
fn need_of_rel(rel: &str, kind: Option<&str>) -> Option<Need> {
    match rel {
        "stylesheet" | "icon" | "apple-touch-icon" | "apple-touch-icon-precomposed" | "apple-touch-startup-image"
        | "mask-icon" | "fluid-icon" | "manifest" | "preload" | "modulepreload" | "image_src" => Some(Need::Requisite),
        // What is fetched ahead may be the next page.
        "prefetch" if kind.is_some_and(|kind| !kind.is_empty() && !kind.eq_ignore_ascii_case("document")) => Some(Need::Requisite),
        "prefetch" | "prerender" | "alternate" | "canonical" | "next" | "prev" | "previous" | "first" | "last" | "start" | "begin"
        | "end" | "up" | "top" | "home" | "parent" | "child" | "contents" | "toc" | "index" | "glossary" | "appendix" | "chapter"
        | "section" | "subsection" | "bookmark" | "copyright" | "help" | "license" | "author" | "about" | "privacy-policy"
        | "terms-of-service" | "amphtml" | "search" | "sitemap" | "service-doc" | "describedby" => Some(Need::Link),
        _ => None,
    }
}

/// `<meta>`: refresh, and the pictures that other sites and desktops show for this one.
fn meta<'a>(found: &mut Found, attribute: &dyn Fn(&str) -> Option<&'a str>) {
    let Some(content) = attribute("content") else { return };
    let says = attribute("http-equiv").unwrap_or_default().trim();
    if says.eq_ignore_ascii_case("refresh") {
        return found.push(super::html::refresh(content).unwrap_or_default(), Need::Link);
    }
    if says.eq_ignore_ascii_case("link") {
        for link in super::link_header::read(content) {
            found.push(&link.url, link.need);
        }
        return;
    }
    let name = attribute("property").or_else(|| attribute("name")).or_else(|| attribute("itemprop"));
    let name = name.unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        "og:image"
        | "og:image:url"
        | "og:image:secure_url"
        | "og:logo"
        | "og:video"
        | "og:video:url"
        | "og:video:secure_url"
        | "og:audio"
        | "og:audio:url"
        | "og:audio:secure_url"
        | "twitter:image"
        | "twitter:image:src"
        | "twitter:image0"
        | "twitter:image1"
        | "twitter:image2"
        | "twitter:image3"
        | "twitter:player:stream"
        | "image"
        | "thumbnail"
        | "thumbnailurl"
        | "contenturl"
        | "logo"
        | "msapplication-tileimage"
        | "msapplication-config"
        | "msapplication-square70x70logo"
        | "msapplication-square150x150logo"
        | "msapplication-square310x310logo"
        | "msapplication-wide310x150logo" => {
            found.push(content, Need::Requisite);
        }
        "og:url" | "al:web:url" | "msapplication-starturl" => found.push(content, Need::Link),
        _ => {}
    }
}

/// `<applet code="A.class" codebase="/java/" archive="a.jar,b.jar">`, and an `<object>` that names them so.
fn applet<'a>(found: &mut Found, attribute: &dyn Fn(&str) -> Option<&'a str>) {
    let folder = attribute("codebase").unwrap_or("").trim();
    let folder =
        if folder.is_empty() || folder.ends_with('/') { folder.to_owned() } else { format!("{folder}/") };
    for file in
        attribute("archive").unwrap_or("").split([',', ' ']).map(str::trim).filter(|file| !file.is_empty())
    {
        found.push(&format!("{folder}{file}"), Need::Requisite);
    }
    if let Some(code) = attribute("code").map(str::trim).filter(|code| !code.is_empty()) {
        let ending = if code.ends_with(".class") { "" } else { ".class" };
        found.push(&format!("{folder}{code}{ending}"), Need::Requisite);
    }
}

fn is_file_parameter(name: &str) -> bool {
    let names = ["movie", "src", "url", "filename", "file", "data", "source"];
    names.iter().any(|known| name.trim().eq_ignore_ascii_case(known))
}

fn input<'a>(found: &mut Found, attribute: &dyn Fn(&str) -> Option<&'a str>) {
    let filled = || attribute("value").is_some_and(|value| !value.trim().is_empty());
    let login = found.login();
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

    #[test]
    fn the_list_of_late_attributes_is_in_order() {
        assert!(LATE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(LATE.iter().all(|(name, _)| matters(name)));
    }

    #[test]
    fn words_of_scripts_are_no_addresses() {
        for value in [
            "true",
            "lazy",
            "1",
            "0.5",
            "#fff",
            "rgba(0,0,0,.5)",
            "{\"a\":1}",
            ".selector",
            "<img src=x.png>",
            "",
        ] {
            assert!(!is_plausible(value), "{value}");
        }
        for value in ["/a", "a.png", "./a", "../a", "https://example.jp/a b.png", " img/a.jpg "] {
            assert!(is_plausible(value), "{value}");
        }
    }
}
