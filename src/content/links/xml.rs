//! What a file in XML leads to, whatever it is: feeds (RSS, Atom, RDF) with their pages, enclosures and pictures, a
//! picture in SVG with what it draws, a transformation, a page in XHTML, a tile's settings, a site map that somebody
//! links to; and the style sheets that any of them names before its root.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::elements::Attributes;
use super::found::Found;
use super::html::PageLinks;
use super::{Need, elements};
use crate::content::entity;

/// Elements within elements that are kept track of.
const MAX_DEPTH: usize = 256;

/// Reads a file. Whatever is wrong with it, what was found until then counts.
pub fn read(text: &str) -> PageLinks {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{FEFF}').trim_start());
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_dangling_amp = true;
    config.allow_unmatched_ends = true;
    let mut file = File::default();
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => file.starts(&tag, false),
            Ok(Event::Empty(tag)) => file.starts(&tag, true),
            Ok(Event::Text(part)) => file.found.gather(&part.decode().unwrap_or_default()),
            Ok(Event::CData(part)) => file.found.gather(&part.decode().unwrap_or_default()),
            Ok(Event::GeneralRef(name)) => file.reference(&name),
            Ok(Event::End(_)) => file.ends(),
            Ok(Event::PI(part)) => file.instruction(&String::from_utf8_lossy(&part)),
            Ok(Event::Eof) | Err(_) => return file.found.into_page(),
            Ok(Event::Comment(_) | Event::Decl(_) | Event::DocType(_)) => {}
        }
    }
}

/// A file on its way to be read.
#[derive(Default)]
struct File {
    found: Found,
    /// The elements that are open, by their names without prefix, in lower case.
    open: Vec<String>,
    /// Whether the root is `<html>`.
    is_page: bool,
    /// What is said of the text at hand.
    is_permalink: bool,
}

impl File {
    fn starts(&mut self, tag: &BytesStart<'_>, empty: bool) {
        let prefixed = String::from_utf8_lossy(tag.name().as_ref()).to_ascii_lowercase();
        let name = prefixed.rsplit(':').next().unwrap_or(&prefixed).to_owned();
        let attributes = attributes(tag);
        self.is_page |= self.open.is_empty() && name == "html";
        let attribute =
            |wanted: &str| attributes.iter().find(|(n, _)| n == wanted).map(|(_, value)| &**value);
        self.found.script_begins(attribute("type"));
        if name != "base" || self.is_page {
            self.found.base(attribute("xml:base"));
        }
        match name.as_str() {
            "link" if !self.is_page => self.atom_link(attribute("rel"), attribute("href")),
            "enclosure" | "content" if !self.is_page => {
                self.push(attribute("url").or(attribute("src")), Need::Link)
            }
            "thumbnail" if !self.is_page => self.push(attribute("url"), Need::Requisite),
            // itunes:image, beside the image of SVG
            "image" if prefixed != name => self.push(attribute("href"), Need::Requisite),
            "include" | "import" => self.push(attribute("href"), Need::Requisite),
            "tileimage" => self.push(attribute("src"), Need::Requisite),
            logo if logo.starts_with("square") || logo.starts_with("wide") => {
                self.push(attribute("src"), Need::Requisite)
            }
            _ => elements::read(&mut self.found, &name, &attributes, 1),
        }
        self.push(attribute("rdf:resource"), Need::Link);
        if name == "item" {
            self.push(attribute("rdf:about"), Need::Link);
        }
        self.is_permalink = attribute("ispermalink") != Some("false");
        if !empty && self.open.len() < MAX_DEPTH {
            self.open.push(name);
        }
    }

    fn push(&mut self, url: Option<&str>, need: Need) {
        self.found.push(url.unwrap_or_default(), need);
    }

    /// Atom's `<link>` (RFC 4287 section 4.2.7): the page itself where it says nothing.
    fn atom_link(&mut self, rel: Option<&str>, href: Option<&str>) {
        match rel.unwrap_or("alternate") {
            "alternate" | "self" | "enclosure" | "related" | "next" | "previous" | "prev" | "first"
            | "last" | "prev-archive" | "next-archive" | "current" | "via" => self.push(href, Need::Link),
            "icon" | "stylesheet" => self.push(href, Need::Requisite),
            _ => {}
        }
    }

    /// `&amp;` and its kin, which come apart from the text around them.
    fn reference(&mut self, name: &BytesRef<'_>) {
        let name = name.decode().unwrap_or_default();
        self.found.gather(&entity::decode(&format!("&{name};")));
    }

    fn ends(&mut self) {
        let Some(name) = self.open.pop() else { return };
        match name.as_str() {
            "script" => return self.found.script_ends(),
            "style" => return self.found.style_ends(),
            _ => {}
        }
        let text = self.found.taken();
        let text = text.trim();
        if text.is_empty() || self.is_page {
            return;
        }
        let parent = self.open.last().map_or("", String::as_str);
        match name.as_str() {
            "link" | "comments" | "commentrss" => self.found.push(text, Need::Link),
            "guid" | "id" if self.is_permalink && text.starts_with("http") => {
                self.found.push(text, Need::Link)
            }
            "loc" if parent == "image" => self.found.push(text, Need::Requisite),
            "loc" => self.found.push(text, Need::Link),
            "url" if parent == "image" => self.found.push(text, Need::Requisite),
            "icon" | "logo" => self.found.push(text, Need::Requisite),
            "encoded" | "description" | "content" | "summary" if text.contains('<') => {
                self.found.document(text, 1)
            }
            _ => {}
        }
    }

    /// `<?xml-stylesheet href="x.xsl"?>` (W3C "Associating Style Sheets with XML documents").
    fn instruction(&mut self, text: &str) {
        let Some(rest) = text.strip_prefix("xml-stylesheet") else { return };
        let Some((_, rest)) = rest.split_once("href") else { return };
        let Some(rest) = rest.trim_start().strip_prefix('=').map(str::trim_start) else { return };
        let Some(quote @ ('"' | '\'')) = rest.chars().next() else { return };
        let url = rest[1..].split(quote).next().unwrap_or("");
        self.found.push(&entity::decode(url), Need::Requisite);
    }
}

fn attributes(tag: &BytesStart<'_>) -> Attributes<'static> {
    let mut all = tag.attributes();
    all.with_checks(false)
        .flatten()
        .filter_map(|attribute| {
            let name = String::from_utf8_lossy(attribute.key.as_ref()).to_ascii_lowercase();
            let wanted = elements::matters(&name) || name == "ispermalink";
            let value = || entity::decode(&String::from_utf8_lossy(&attribute.value)).into_owned();
            wanted.then(|| (name.into(), value().into()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pages, and after a bar what is needed to draw.
    fn found(text: &str) -> String {
        let page = read(text);
        let of = |need| {
            let urls = page.links.iter().filter(|link| link.need == need).map(|link| link.url.as_str());
            urls.collect::<Vec<_>>().join(" ")
        };
        format!("{} | {}", of(Need::Link), of(Need::Requisite))
    }

    #[test]
    fn feeds_lead_to_their_pages_and_pictures() {
        for (feed, expected) in [
            (
                "<?xml version='1.0'?><rss><channel><link>https://example.jp/</link><atom:link href='/feed' rel='self'/>\
                 <image><url>/logo.png</url><link>/home</link></image><itunes:image href='/cover.jpg'/>\
                 <item><link>/n/1?a=1&amp;b=2</link><guid isPermaLink='false'>https://example.jp/?p=1</guid>\
                 <enclosure url='/a.mp3' type='audio/mpeg'/><media:thumbnail url='/t.jpg'/><comments>/n/1#c</comments>\
                 <content:encoded><![CDATA[<p><img src='/in.jpg'><a href='/n/2'>x</a>]]></content:encoded></item>\
                 <item><guid>https://example.jp/n/3</guid><description>&lt;img src=\"/d.jpg\"&gt;</description></item></channel></rss>",
                "https://example.jp/ /feed /home /n/1?a=1&b=2 /a.mp3 /n/1#c /n/2 https://example.jp/n/3 | /logo.png /cover.jpg /t.jpg /in.jpg /d.jpg",
            ),
            (
                "<feed xml:base='https://example.jp/x/'><link href='/'/><link rel='hub' href='/no'/><icon>/i.png</icon>\
                 <entry><id>urn:no</id><link rel='enclosure' href='a.pdf'/><content src='full.html'/></entry></feed>",
                "/ a.pdf full.html | /i.png",
            ),
            (
                "<rdf:RDF><channel rdf:about='/no'><items><rdf:Seq><rdf:li rdf:resource='/n/1'/></rdf:Seq></items></channel>\
                 <item rdf:about='/n/1'><link>/n/1</link></item></rdf:RDF>",
                "/n/1 /n/1 /n/1 | ",
            ),
            (
                "<urlset><url><loc>/a</loc><image:image><image:loc>/i.png</image:loc></image:image></url></urlset>",
                "/a | /i.png",
            ),
        ] {
            assert_eq!(found(feed), expected, "{feed}");
        }
        assert_eq!(read("<feed xml:base='/x/'><a xml:base='/y/'/></feed>").base.as_deref(), Some("/x/"));
    }

    #[test]
    fn pictures_and_other_files_name_what_they_need() {
        for (file, expected) in [
            (
                "<?xml-stylesheet type='text/css' href=\"s.css?a&amp;b\"?><svg><image xlink:href='a.png'/><image href='b.png'/>\
                 <use href='sprite.svg#x'/><style>@import url(c.css);</style><rect fill='url(p.svg#g)' style='mask:url(m.svg)'/>\
                 <a xlink:href='/page'/><script href='x.js'/><script><![CDATA[fetch('/d.json')]]></script></svg>",
                "/page | s.css?a&b a.png b.png sprite.svg#x c.css m.svg p.svg#g x.js /d.json",
            ),
            (
                "<xsl:stylesheet><xsl:import href='base.xsl'/><xsl:template><img src='l.png'/><a href='/x'/></xsl:template></xsl:stylesheet>",
                "/x | base.xsl l.png",
            ),
            (
                "<browserconfig><msapplication><tile><square150x150logo src='/t.png'/><TileImage src='/u.png'/></tile></msapplication></browserconfig>",
                " | /t.png /u.png",
            ),
            (
                "<html><head><link rel='stylesheet' href='a.css'/><script src='a.js'/><style>p{background:url(b.png)}</style></head>\
                 <body><a href='/x'/><link>no</link></body></html>",
                "/x | a.css a.js b.png",
            ),
            ("<!-- <image href='no.png'/> --><svg><text>/no.png</text></svg>", " | "),
        ] {
            let (mut found, mut expected): (Vec<_>, Vec<_>) = (
                found(file).split(' ').map(str::to_owned).collect(),
                expected.split(' ').map(str::to_owned).collect(),
            );
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{file}");
        }
    }

    #[test]
    fn towers_and_broken_files_end() {
        assert_eq!(found(&format!("{}<link>/x</link>", "<a>".repeat(100_000))), " | ");
        assert_eq!(found("<rss><link>/a</link></wrong><link>/b"), "/a | ");
        assert_eq!(found("no xml at all & < >"), " | ");
    }

    proptest! {
        #[test]
        fn garbage_is_read_to_its_end(xml in "[<>/a-z=\"&;? !\\[\\]-]{0,200}", any in ".{0,100}") {
            let _ = read(&xml);
            let _ = read(&format!("<rss>{any}"));
        }
    }
}
