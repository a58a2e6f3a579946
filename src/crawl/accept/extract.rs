//! What one file leads to: which reader fits it, and what its addresses mean.

use std::collections::HashMap;

use encoding_rs::{Encoding, UTF_8};
use http::HeaderMap;
use http::header::{LINK, REFRESH};
use url::Url;

use super::{forms, privacy, sitemap};
use crate::content::charset;
use crate::content::document::Document;
use crate::content::links::resolve::resolve;
use crate::content::links::script::{self, Kind};
use crate::content::links::{Link, Need, css, html, link_header, playlist, web_manifest, xml};
use crate::content::media::Media;
use crate::content::spots;
use crate::content::text_size::Visible;
use crate::crawl::refusal::Refusal;
use crate::crawl::scope::robots::{self, Robots};
use crate::crawl::scope::{Place, Scope};
use crate::snapshot::SiteForm;
use crate::verdict::Lesson;

/// Bytes of a page or sheet that are read for links.
pub(crate) const HOLD: usize = 8 * 1024 * 1024;

/// What was found in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Keys of the site's own files, each once, with the strongest need, in the order of their first mention.
    pub(crate) links: Vec<(String, Need)>,
    /// Other names of the page, as it says itself: its short link, and the address that it calls its own.
    pub(crate) aliases: Vec<String>,
    /// What its forms put into addresses: the path, and the parameter's name.
    pub(crate) fields: Vec<(String, String)>,
    /// Its forms, by where they are sent.
    pub(crate) forms: Vec<SiteForm>,
    /// Keys of further site maps.
    pub(crate) maps: Vec<String>,
    /// When pages changed last, in seconds since the epoch, by their keys: what a site map says.
    pub(crate) lastmod: HashMap<String, i64>,
    /// What a page shows, where it is one of many of its kind (see `shingles`).
    pub(crate) shingles: Vec<u64>,
    /// What `robots.txt` says.
    pub(crate) robots: Option<Robots>,
    /// Whether the site said that the stored file still holds.
    pub(crate) unchanged: bool,
    /// Whether it asks for an existing password.
    pub(crate) login: bool,
    /// What can be read on it, if it is a page.
    pub(crate) visible: Option<Visible>,
    /// What it teaches about the site, if it is a page.
    pub(crate) lesson: Option<Box<Lesson>>,
}

/// How a file is read for links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadAs {
    /// By its type.
    ByType,
    /// As a sitemap.
    Map,
    /// As `robots.txt`.
    Robots,
}

/// A file that has come.
pub(crate) struct File<'a> {
    /// Its key.
    pub(crate) key: &'a str,
    /// What it was wanted for.
    pub(crate) need: Need,
    /// The key of the file that named it: probably the page of a script.
    pub(crate) found_on: Option<&'a str>,
    /// Its own address.
    pub(crate) url: &'a Url,
    /// The answer's header fields.
    pub(crate) headers: &'a HeaderMap,
    /// What it is.
    pub(crate) media: Media,
    /// How to read it.
    pub(crate) reading: ReadAs,
    /// Its beginning, as far as it is read for links.
    pub(crate) page: &'a Document<'a>,
}

/// How many bytes of a body its reader needs.
pub(crate) fn hold(key: &str, headers: &HeaderMap, reading: ReadAs) -> usize {
    match (Media::of(key, headers, b"<html"), reading) {
        (Media::Other, ReadAs::ByType) => 0,
        (_, ReadAs::ByType) => HOLD,
        (_, ReadAs::Map) => sitemap::MAX_SIZE,
        (_, ReadAs::Robots) => robots::MAX_SIZE,
    }
}

/// Reads a file.
///
/// # Errors
/// Why it must not be stored, where only its content says so.
pub(crate) fn read(file: &File<'_>, scope: &Scope) -> Result<Findings, Refusal> {
    let (body, content_type) = (file.page.bytes(), file.page.content_type());
    let mut found =
        Collector { scope, base: file.url.clone(), encoding: UTF_8, at: HashMap::new(), keys: Vec::new() };
    is_wanted(file, scope)?;
    if file.reading != ReadAs::Robots {
        found.link_header(file.headers);
    }
    let links = |urls: Vec<String>| urls.into_iter().map(|url| Link::new(url, Need::Requisite));
    match (file.reading, file.media) {
        (ReadAs::Robots, _) => {
            return Ok(Findings { robots: Some(Robots::parse(body)), ..Findings::default() });
        }
        (ReadAs::Map, _) => {
            let map = sitemap::read(body, content_type);
            let dated = map.pages.iter().filter_map(|page| Some((found.key(&page.loc)?, page.lastmod?)));
            let lastmod = dated.collect();
            found.all(map.pages.into_iter().map(|page| Link::new(page.loc, Need::Link)));
            found.all(map.images.into_iter().map(|url| Link::new(url, Need::Requisite)));
            let maps = map.maps.iter().filter_map(|url| found.key(url)).collect();
            return Ok(Findings { links: found.keys, maps, lastmod, ..Findings::default() });
        }
        (ReadAs::ByType, Media::Html | Media::Xhtml) => {
            let page = found.html(file)?;
            privacy::page(file.key, file.need, file.headers, page.login)?;
            let asks = page.login.passwords == 1 && !page.login.new_password;
            let (aliases, fields) = (found.aliases(file, &page), found.fields(file, &page));
            let forms = forms::found(file.key, file.page, scope, (&found.base, found.encoding));
            let findings =
                Findings { links: found.keys, login: asks, aliases, fields, forms, ..Findings::default() };
            return Ok(findings);
        }
        (ReadAs::ByType, Media::Css) => {
            let sheet = charset::css(body, content_type);
            found.all(links(css::urls(&sheet)));
        }
        (ReadAs::ByType, Media::Script) => found.script(file, &charset::css(body, content_type), Kind::File),
        (ReadAs::ByType, Media::Json) => {
            found.all(web_manifest::read(body));
            found.script(file, &String::from_utf8_lossy(body), Kind::Data);
        }
        (ReadAs::ByType, Media::Xml) => {
            let page = xml::read(&charset::xml(body, content_type));
            found.rebase(page.base);
            found.all(page.links);
        }
        (ReadAs::ByType, Media::Playlist) => found.all(links(playlist::urls(&String::from_utf8_lossy(body)))),
        (ReadAs::ByType, Media::Other) => {}
    }
    Ok(Findings { links: found.keys, ..Findings::default() })
}

/// Whether a page is the expected file. A site that answers everything with a page has no sitemap, no icon, and not the file
/// that a script seems to name; another host's page is not a file that ours needs.
fn is_wanted(file: &File<'_>, scope: &Scope) -> Result<(), Refusal> {
    if !file.media.is_page() {
        return Ok(());
    }
    if scope.elsewhere(file.key).is_some() {
        return Err(Refusal::ForeignPage);
    }
    match file.need {
        Need::Site => Err(Refusal::NotFound),
        Need::Guess if !script::names_a_page(file.key) => Err(Refusal::NotFound),
        Need::Key | Need::Requisite | Need::Link | Need::Guess => Ok(()),
    }
}

struct Collector<'a> {
    scope: &'a Scope,
    base: Url,
    encoding: &'static Encoding,
    /// Where in `keys` a key stands.
    at: HashMap<String, usize>,
    keys: Vec<(String, Need)>,
}

impl Collector<'_> {
    fn html(&mut self, file: &File<'_>) -> Result<html::PageLinks, Refusal> {
        if file.page.bytes().trim_ascii().is_empty() {
            return Err(Refusal::EmptyPage);
        }
        if spots::is_marked(file.page) {
            return Err(Refusal::SavedCopy);
        }
        self.encoding = file.page.encoding();
        let text = file.page.html();
        let mut page = html::read(text);
        // `<script/>` ends at once in XML, and in HTML never: what the one reader misses, the other finds.
        let strict = if file.media == Media::Xhtml { xml::read(text) } else { html::PageLinks::default() };
        let refresh = file.headers.get(REFRESH).and_then(|value| value.to_str().ok()).and_then(html::refresh);
        self.all(refresh.map(|url| Link::new(url, Need::Link)));
        self.rebase(page.base.take().or(strict.base));
        self.all(std::mem::take(&mut page.links));
        self.all(strict.links);
        Ok(page)
    }

    /// The other names that a page says it has.
    fn aliases(&self, file: &File<'_>, page: &html::PageLinks) -> Vec<String> {
        let fields = file.headers.get_all(LINK).iter();
        let said = fields.flat_map(|value| link_header::aliases(&String::from_utf8_lossy(value.as_bytes())));
        let named = page.aliases.iter().cloned().chain(said);
        named.filter_map(|url| self.key(&url)).collect()
    }

    /// What the forms of a page put into addresses.
    fn fields(&self, file: &File<'_>, page: &html::PageLinks) -> Vec<(String, String)> {
        let of = |form: &html::Form| {
            let key = match form.action.trim() {
                "" => file.key.to_owned(),
                action => self.key(action)?,
            };
            let path = crate::ask::key::path_of(&key).to_owned();
            Some(form.names.iter().map(move |name| (path.clone(), name.clone())).collect::<Vec<_>>())
        };
        page.forms.iter().filter_map(of).flatten().collect()
    }

    /// Resolves the links after a `<base>` against it.
    fn rebase(&mut self, base: Option<String>) {
        if let Some(base) = base.and_then(|base| resolve(&self.base, &base, self.encoding))
            && matches!(base.scheme(), "http" | "https")
        {
            self.base = base;
        }
    }

    /// The answer's `Link` fields; they are about its own address, whatever its `<base>` says.
    fn link_header(&mut self, headers: &HeaderMap) {
        let fields = headers.get_all(LINK).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let links: Vec<Link> = fields.flat_map(|field| link_header::read(&field)).collect();
        self.all(links);
    }

    /// A script or its data. Modules are found from its own address, everything else from the page's.
    fn script(&mut self, file: &File<'_>, text: &str, kind: Kind) {
        let found = script::read(text, kind);
        self.all(found.from_script);
        let page = file.found_on.filter(|on| script::may_be_a_page(on) && self.scope.elsewhere(on).is_none());
        let host = self.scope.host();
        if let Some(page) = self.scope.url(file.url.scheme() == "https", host, page.unwrap_or("/")) {
            self.base = page;
        }
        self.all(found.from_page);
    }

    fn key(&self, url: &str) -> Option<String> {
        match self.scope.place(&self.base, url, self.encoding) {
            Place::Here(key) => Some(key),
            Place::Asset(_) | Place::Elsewhere | Place::Nowhere => None,
        }
    }

    fn all(&mut self, links: impl IntoIterator<Item = Link>) {
        for link in links {
            // `#top`, and `use href="#icon"`, are the page itself.
            if link.url.starts_with('#') {
                continue;
            }
            let key = match self.scope.place(&self.base, &link.url, self.encoding) {
                Place::Here(key) => key,
                // Of other hosts nothing but what a page cannot be drawn without.
                Place::Asset(key) if link.need == Need::Requisite => key,
                Place::Asset(_) | Place::Elsewhere | Place::Nowhere => continue,
            };
            match self.at.get(&key) {
                Some(&at) => {
                    if let Some((_, need)) = self.keys.get_mut(at) {
                        *need = (*need).min(link.need);
                    }
                }
                None => {
                    self.at.insert(key.clone(), self.keys.len());
                    self.keys.push((key, link.need));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::media::Media;
    use crate::crawl::scope::test_scope;
    use encoding_rs::SHIFT_JIS;
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    fn found(content_type: &'static str, body: &[u8], reading: ReadAs) -> Result<Findings, Refusal> {
        let scope = test_scope(&["example.jp"]);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let url = scope.url(true, "example.jp", "/dir/page").unwrap();
        let (key, need) = ("/dir/page", Need::Link);
        let media = Media::of(key, &headers, body);
        let (found_on, page) = (Some("/shop/index.html"), &Document::new(body, Some(content_type)));
        read(&File { key, need, found_on, url: &url, headers: &headers, media, reading, page }, &scope)
    }

    fn links(content_type: &'static str, body: &[u8]) -> Vec<(String, Need)> {
        found(content_type, body, ReadAs::ByType).unwrap().links
    }

    fn keys(of: &[(&str, Need)]) -> Vec<(String, Need)> {
        of.iter().map(|(key, need)| ((*key).to_owned(), *need)).collect()
    }

    #[test]
    fn a_page_is_read_with_its_base_and_its_encoding() {
        let page = "<meta charset=shift_jis><img src=a.png><a href='?q=花'>x</a><base href=/base/><a href=#x>\
                    <a href=a.png><a href=https://example.com/>";
        let expected = keys(&[("/base/a.png", Need::Requisite), ("/base/?q=%89%D4", Need::Link)]);
        assert_eq!(links("text/html", &SHIFT_JIS.encode(page).0), expected);
        let evil = b"<base href='data:text/html,x'><a href=y>";
        assert_eq!(links("text/html", evil), keys(&[("/dir/y", Need::Link)]));
        let away = b"<base href='https://cdn.example.com/'><a href=y><a href=//example.jp/z>";
        assert_eq!(links("text/html", away), keys(&[("/z", Need::Link)]));
    }

    #[test]
    fn the_strongest_need_counts() {
        let page = b"<a href=/x><img src=/x><a href=/y>";
        assert_eq!(links("text/html", page), keys(&[("/x", Need::Requisite), ("/y", Need::Link)]));
    }

    #[test]
    fn sheets_manifests_and_maps_are_read_by_their_own_readers() {
        assert_eq!(links("text/css", b"a{b:url(../i.png)}"), keys(&[("/i.png", Need::Requisite)]));
        let icons = b"{\"icons\":[{\"src\":\"i.png\"}]}";
        assert_eq!(links("application/manifest+json", icons), keys(&[("/dir/i.png", Need::Requisite)]));
        assert_eq!(links("text/plain", b"http://example.jp/x"), []);
        assert_eq!(
            found("text/plain", b"http://example.jp/x", ReadAs::Map).unwrap().links,
            keys(&[("/x", Need::Link)])
        );
        let index = b"<sitemapindex><sitemap><loc>/m.xml</loc></sitemap></sitemapindex>";
        assert_eq!(found("text/xml", index, ReadAs::Map).unwrap().maps, ["/m.xml"]);
        let svg = b"<svg><image href='x.png'/></svg>";
        assert_eq!(links("image/svg+xml", svg), keys(&[("/dir/x.png", Need::Requisite)]));
        let list = b"#EXTM3U\n#EXTINF:1,\n1.ts\n#EXT-X-ENDLIST";
        assert_eq!(links("application/vnd.apple.mpegurl", list), keys(&[("/dir/1.ts", Need::Requisite)]));
    }

    #[test]
    fn a_script_is_found_from_itself_and_from_its_page() {
        let script = b"import './m.js'; fetch('data.json'); fetch('/abs.json'); i.src = 'img/x.png'";
        let expected = [
            ("/dir/m.js", Need::Requisite),
            ("/shop/data.json", Need::Requisite),
            ("/abs.json", Need::Requisite),
            ("/shop/img/x.png", Need::Guess),
        ];
        assert_eq!(links("text/javascript", script), keys(&expected));
        let data = b"{\"image\": \"img/x.png\", \"icons\": [{\"src\": \"i.png\"}]}";
        assert_eq!(
            links("application/json", data),
            keys(&[("/dir/i.png", Need::Requisite), ("/shop/img/x.png", Need::Guess)])
        );
    }

    #[test]
    fn the_header_field_is_about_the_answer_whatever_it_is() {
        let scope = test_scope(&["example.jp"]);
        let url = scope.url(true, "example.jp", "/dir/page").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        headers.append(LINK, HeaderValue::from_static("<a.css>; rel=preload, </next>; rel=next"));
        headers.append(LINK, HeaderValue::from_static("<https://cdn.example.com/f.woff2>; rel=preload"));
        let file = File {
            key: "/dir/page",
            need: Need::Link,
            found_on: None,
            url: &url,
            headers: &headers,
            media: Media::Html,
            reading: ReadAs::ByType,
            page: &Document::new(b"<base href=/base/><p>x", Some("text/html")),
        };
        let expected = [
            ("/dir/a.css", Need::Requisite),
            ("/next", Need::Link),
            ("//cdn.example.com/f.woff2", Need::Requisite),
        ];
        assert_eq!(read(&file, &scope).unwrap().links, keys(&expected));
    }

    #[test]
    fn of_other_hosts_only_what_is_drawn_is_taken() {
        let page = b"<a href=https://cdn.example.com/a.pdf><script src=//cdn.example.com/a.js></script>\
                     <img src=https://a.example.net/i.png><img src=https://elsewhere.example/no.png>\
                     <script>var x = 'https://cdn.example.com/no.png'</script>";
        let expected =
            [("//cdn.example.com/a.js", Need::Requisite), ("//a.example.net/i.png", Need::Requisite)];
        assert_eq!(links("text/html", page), keys(&expected));
    }

    #[test]
    fn xhtml_is_read_as_a_browser_reads_it() {
        let page = b"<html><head><script src='a.js'/><link rel='stylesheet' href='b.css'/></head><body><a href='/c'/></body></html>";
        let mut found = links("application/xhtml+xml", page);
        found.sort();
        let mut expected =
            keys(&[("/dir/a.js", Need::Requisite), ("/dir/b.css", Need::Requisite), ("/c", Need::Link)]);
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_page_where_a_file_was_wanted_is_none() {
        let scope = test_scope(&["example.jp"]);
        let headers = HeaderMap::new();
        for (key, need, expected) in [
            ("/favicon.ico", Need::Site, Err(Refusal::NotFound)),
            ("/img/a.png", Need::Guess, Err(Refusal::NotFound)),
            ("/popup.html", Need::Guess, Ok(())),
            ("/img/a.png", Need::Requisite, Ok(())),
            ("//cdn.example.com/a.js", Need::Requisite, Err(Refusal::ForeignPage)),
        ] {
            let url = scope.url(true, "example.jp", "/x").unwrap();
            let (reading, media, page) = (ReadAs::ByType, Media::Html, &Document::new(b"<p>x", None));
            let file = File { key, need, found_on: None, url: &url, headers: &headers, media, reading, page };
            assert_eq!(read(&file, &scope).map(drop), expected, "{key} {need:?}");
        }
    }

    #[test]
    fn a_white_page_is_refused_and_an_empty_sheet_is_not() {
        assert_eq!(found("text/html", b" \r\n", ReadAs::ByType), Err(Refusal::EmptyPage));
        assert_eq!(links("text/css", b""), []);
    }
}
