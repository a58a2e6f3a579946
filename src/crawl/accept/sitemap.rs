//! Sitemaps (sitemaps.org), which name pages that nothing links to: XML, index files, plain lists, feeds, gzip.

use std::io::Read as _;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::w3c_date;
use crate::content::charset;

/// The bytes of one map, unpacked (the protocol's own limit).
pub(crate) const MAX_SIZE: usize = 50 * 1024 * 1024;
/// The addresses of one map (the protocol's own limit).
pub(crate) const MAX_URLS: usize = 50_000;

/// What a map names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Map {
    /// Pages.
    pub(crate) pages: Vec<SitemapUrl>,
    /// Pictures on them (`image:loc`).
    pub(crate) images: Vec<String>,
    /// Further maps.
    pub(crate) maps: Vec<String>,
}

/// A page of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SitemapUrl {
    /// Its address, as written.
    pub(crate) loc: String,
    /// When it changed last, in seconds since the epoch, if the map says so.
    pub(crate) lastmod: Option<i64>,
}

/// Reads a sitemap. Whatever is wrong with it, what came before still counts.
pub(crate) fn read(body: &[u8], content_type: Option<&str>) -> Map {
    let unpacked = if body.starts_with(&[0x1F, 0x8B]) { unpack(body) } else { None };
    let body = unpacked.as_deref().unwrap_or(body);
    let text = charset::xml(&body[..body.len().min(MAX_SIZE)], content_type);
    let text = text.trim_start_matches('\u{FEFF}').trim_start();
    if text.starts_with('<') { xml(text) } else { list(text) }
}

fn unpack(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(body).take(MAX_SIZE as u64).read_to_end(&mut out);
    (read.is_ok() || !out.is_empty()).then_some(out)
}

/// One address a line.
fn list(text: &str) -> Map {
    let lines = text.lines().map(str::trim).filter(|l| l.starts_with("http://") || l.starts_with("https://"));
    let pages = lines.take(MAX_URLS).map(|line| SitemapUrl { loc: line.to_owned(), lastmod: None });
    Map { pages: pages.collect(), ..Map::default() }
}

/// Where the text at hand belongs.
#[derive(Clone, Copy, PartialEq)]
enum Slot {
    Page,
    Image,
    Map,
    Changed,
}

fn xml(text: &str) -> Map {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_dangling_amp = true;
    config.allow_unmatched_ends = true;
    let mut map = Map::default();
    let mut index = false;
    let mut slot = None;
    let mut value = String::new();
    // Where the pages of the entry at hand begin.
    let (mut entry, mut dated) = (0, None);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                index |= tag.local_name().as_ref() == b"sitemapindex";
                if tag.local_name().as_ref() == b"url" {
                    entry = map.pages.len();
                }
                slot = slot_of(tag.name().as_ref(), index);
                value.clear();
            }
            Ok(Event::Empty(tag)) => alternate(&mut map, &tag),
            Ok(Event::Text(part)) => value.push_str(&part.decode().unwrap_or_default()),
            Ok(Event::CData(part)) => value.push_str(&part.decode().unwrap_or_default()),
            Ok(Event::GeneralRef(name)) => {
                let name = name.decode().unwrap_or_default();
                value.push_str(&crate::content::entity::decode(&format!("&{name};")));
            }
            Ok(Event::End(tag)) => {
                match slot.take() {
                    Some(Slot::Changed) => dated = w3c_date::parse(&value),
                    Some(slot) => keep(&mut map, slot, value.trim()),
                    None => {}
                }
                if tag.local_name().as_ref() == b"url" {
                    let lastmod = dated.take();
                    map.pages[entry..].iter_mut().for_each(|page| page.lastmod = lastmod);
                }
            }
            Ok(Event::Eof) | Err(_) => return map,
            Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => {}
        }
        // An element's text is an address; a megabyte of it is not.
        if value.len() > 64 * 1024 {
            value.clear();
            slot = None;
        }
    }
}

fn slot_of(name: &[u8], index: bool) -> Option<Slot> {
    match name {
        b"loc" | b"sitemap:loc" | b"ns:loc" => Some(if index { Slot::Map } else { Slot::Page }),
        b"image:loc" => Some(Slot::Image),
        b"lastmod" | b"sitemap:lastmod" | b"ns:lastmod" if !index => Some(Slot::Changed),
        // Feeds serve as maps too: RSS has the address as the text of <link>.
        b"link" => Some(Slot::Page),
        _ => None,
    }
}

/// `<xhtml:link rel="alternate" href="…"/>`, and the `<link href="…"/>` of Atom.
fn alternate(map: &mut Map, tag: &quick_xml::events::BytesStart<'_>) {
    if tag.local_name().as_ref() != b"link" {
        return;
    }
    let href = tag.attributes().with_checks(false).flatten().find(|a| a.key.as_ref() == b"href");
    if let Some(href) = href {
        keep(map, Slot::Page, crate::content::entity::decode(&String::from_utf8_lossy(&href.value)).trim());
    }
}

fn keep(map: &mut Map, slot: Slot, url: &str) {
    let Map { pages, images, maps } = map;
    let known = match slot {
        Slot::Page => pages.len(),
        Slot::Image => images.len(),
        Slot::Map => maps.len(),
        Slot::Changed => MAX_URLS,
    };
    if url.is_empty() || url.len() > 4096 || known >= MAX_URLS {
        return;
    }
    match slot {
        Slot::Page => pages.push(SitemapUrl { loc: url.to_owned(), lastmod: None }),
        Slot::Image => images.push(url.to_owned()),
        Slot::Map => maps.push(url.to_owned()),
        Slot::Changed => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;

    fn pages(map: &Map) -> Vec<&str> {
        map.pages.iter().map(|page| page.loc.as_str()).collect()
    }

    #[test]
    fn pages_images_and_alternates_are_found() {
        let map = read(
            "\u{FEFF}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns='x'>\
             <url><loc> https://example.jp/a?b=1&amp;c=2 </loc><lastmod>2026-01-01</lastmod>\
             <image:image><image:loc>/i.png</image:loc><image:title>t</image:title></image:image>\
             <xhtml:link rel='alternate' hreflang='en' href='/en/a?x&amp;y'/></url>\
             <url><loc><![CDATA[/b]]></loc></url><!-- <loc>/no</loc> --><url><loc/></url></urlset>"
                .as_bytes(),
            Some("application/xml"),
        );
        assert_eq!(pages(&map), ["https://example.jp/a?b=1&c=2", "/en/a?x&y", "/b"]);
        let changed: Vec<_> = map.pages.iter().map(|page| page.lastmod).collect();
        assert_eq!(changed, [Some(1_767_225_600), Some(1_767_225_600), None]);
        assert_eq!(map.images, ["/i.png"]);
        assert!(map.maps.is_empty());
    }

    #[test]
    fn a_date_belongs_to_its_entry_wherever_it_stands() {
        let map = read(
            b"<urlset><url><lastmod> 2026-11-03 </lastmod><loc>/a</loc></url><url><loc>/b</loc></url>\
              <url><loc>/c</loc><lastmod>soon</lastmod></url><url><loc>/d</loc><lastmod>1970</lastmod>",
            None,
        );
        let changed: Vec<_> = map.pages.iter().map(|page| (page.loc.as_str(), page.lastmod)).collect();
        assert_eq!(changed, [("/a", Some(20_760 * 86_400)), ("/b", None), ("/c", None), ("/d", None)]);
        let index = read(
            b"<sitemapindex><sitemap><loc>/a.xml</loc><lastmod>2026</lastmod></sitemap></sitemapindex>",
            None,
        );
        assert_eq!(index.maps, ["/a.xml"]);
    }

    #[test]
    fn an_index_names_maps() {
        let map = read(b"<sitemapindex><sitemap><loc>/a.xml.gz</loc></sitemap><sitemap><loc>/b.xml", None);
        assert_eq!(map.maps, ["/a.xml.gz"]);
        assert!(map.pages.is_empty());
    }

    #[test]
    fn lists_feeds_and_gzip_are_read() {
        let text = b"https://example.jp/a\r\n\nnot an address\nhttp://example.jp/b";
        assert_eq!(pages(&read(text, None)), ["https://example.jp/a", "http://example.jp/b"]);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text).unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(read(&packed, None).pages.len(), 2);
        assert!(read(&packed[..packed.len() / 2], None).pages.len() <= 2);
        let rss = read(
            b"<rss><channel><link>https://example.jp/</link><item><link>/n/1</link></item></channel></rss>",
            None,
        );
        assert_eq!(pages(&rss), ["https://example.jp/", "/n/1"]);
        assert_eq!(pages(&read(b"<feed><entry><link href='/n/2'/></entry></feed>", None)), ["/n/2"]);
    }

    #[test]
    fn bombs_and_broken_maps_end() {
        let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        member.write_all(&[b'\n'; 1024 * 1024]).unwrap();
        let bomb = member.finish().unwrap().repeat(MAX_SIZE / (1024 * 1024) + 20);
        assert_eq!(unpack(&bomb).unwrap().len(), MAX_SIZE);
        assert!(read(&bomb, None).pages.is_empty());
        let entities = b"<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><urlset><url><loc>/&b;</loc></url></urlset>";
        assert_eq!(pages(&read(entities, None)), ["/&b;"]);
        assert_eq!(pages(&read(b"<urlset><url><loc>/a & b</loc></url></wrong>", None)), ["/a & b"]);
        let many = "<loc>/a</loc>".repeat(MAX_URLS + 5);
        assert_eq!(read(many.as_bytes(), None).pages.len(), MAX_URLS);
    }

    proptest! {
        #[test]
        fn garbage_is_read_to_its_end(body in proptest::collection::vec(any::<u8>(), 0..300), xml in "[<>/a-z=\"&; loc]{0,200}") {
            let _ = read(&body, None);
            let _ = read(format!("<urlset>{xml}").as_bytes(), None);
        }
    }
}
