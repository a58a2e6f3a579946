//! What one file leads to: which reader fits it, and what its addresses mean.

use std::collections::HashMap;

use encoding_rs::{Encoding, UTF_8};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, REFRESH};
use url::Url;

use super::admission::{self, Refusal};
use super::html::{self, LoginForm};
use super::links::{Link, Need};
use super::robots::Robots;
use super::scope::{Place, Scope, resolve};
use super::stored_headers::Media;
use super::text::Visible;
use super::{charset, css, manifest, sitemap};

/// What was found in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Keys of the site's own files, each once, with the strongest need, in the order of their first mention.
    pub(super) links: Vec<(String, Need)>,
    /// Keys of further site maps.
    pub(super) maps: Vec<String>,
    /// When pages changed last, in seconds since the epoch, by their keys: what a site map says.
    pub(super) lastmod: HashMap<String, i64>,
    /// What a page shows, where it is one of many of its kind (see `sketch`).
    pub(super) sketch: Vec<u64>,
    /// What `robots.txt` says.
    pub(super) robots: Option<Robots>,
    /// Whether the site said that the stored file still holds.
    pub(super) unchanged: bool,
    /// Whether it asks its visitor for a password that they have already.
    pub(super) login: bool,
    /// What can be read on it, if it is a page.
    pub(super) visible: Option<Visible>,
}

/// As what a file is read for links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// As what its type says.
    ByType,
    /// As a site map.
    Map,
    /// As `robots.txt`.
    Robots,
}

/// A file that has come.
pub(super) struct File<'a> {
    /// Its key.
    pub(super) key: &'a str,
    /// What it was wanted for.
    pub(super) need: Need,
    /// Its own address.
    pub(super) url: &'a Url,
    /// The answer's header fields.
    pub(super) headers: &'a HeaderMap,
    /// What it is.
    pub(super) media: Media,
    /// As what it was fetched.
    pub(super) reading: Reading,
    /// Its beginning, as far as it is read for links.
    pub(super) body: &'a [u8],
}

/// Reads a file.
///
/// # Errors
/// Why it must not be stored, where only its content says so.
pub(super) fn read(file: &File<'_>, scope: &Scope) -> Result<Findings, Refusal> {
    let content_type = file.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut found =
        Collector { scope, base: file.url.clone(), encoding: UTF_8, at: HashMap::new(), keys: Vec::new() };
    match (file.reading, file.media) {
        // A site that answers everything with a page has no map, and no icon.
        (_, Media::Html) if file.need == Need::Site => return Err(Refusal::NotFound),
        (Reading::Robots, _) => {
            return Ok(Findings { robots: Some(Robots::parse(file.body)), ..Findings::default() });
        }
        (Reading::Map, _) => {
            let map = sitemap::read(file.body, content_type);
            let dated = map.pages.iter().filter_map(|page| Some((found.key(&page.loc)?, page.lastmod?)));
            let lastmod = dated.collect();
            found.all(map.pages.into_iter().map(|page| Link::new(page.loc, Need::Link)));
            found.all(map.images.into_iter().map(|url| Link::new(url, Need::Draw)));
            let maps = map.maps.iter().filter_map(|url| found.key(url)).collect();
            return Ok(Findings { links: found.keys, maps, lastmod, ..Findings::default() });
        }
        (Reading::ByType, Media::Html) => {
            let login = found.html(file, content_type)?;
            admission::page(file.key, file.need, file.headers, login)?;
            let asks = login.passwords == 1 && !login.new_password;
            return Ok(Findings { links: found.keys, login: asks, ..Findings::default() });
        }
        (Reading::ByType, Media::Css) => {
            let sheet = charset::css(file.body, content_type);
            found.all(css::urls(&sheet).into_iter().map(|url| Link::new(url, Need::Draw)));
        }
        (Reading::ByType, Media::Manifest) => found.all(manifest::read(file.body)),
        (Reading::ByType, Media::Other) => {}
    }
    Ok(Findings { links: found.keys, ..Findings::default() })
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
    fn html(&mut self, file: &File<'_>, content_type: Option<&str>) -> Result<LoginForm, Refusal> {
        if file.body.trim_ascii().is_empty() {
            return Err(Refusal::EmptyPage);
        }
        let (text, encoding) = charset::html(file.body, content_type);
        self.encoding = encoding;
        let page = html::read(&text);
        let refresh = file.headers.get(REFRESH).and_then(|value| value.to_str().ok()).and_then(html::refresh);
        self.all(refresh.map(|url| Link::new(url, Need::Link)));
        if let Some(base) = page.base.and_then(|base| resolve(&self.base, &base, encoding))
            && matches!(base.scheme(), "http" | "https")
        {
            self.base = base;
        }
        self.all(page.links);
        Ok(page.login)
    }

    fn key(&self, url: &str) -> Option<String> {
        match self.scope.place(&self.base, url, self.encoding) {
            Place::Here(key) => Some(key),
            Place::Elsewhere | Place::Nowhere => None,
        }
    }

    fn all(&mut self, links: impl IntoIterator<Item = Link>) {
        for link in links {
            // `#top`, and `use href="#icon"`, are the page itself.
            if link.url.starts_with('#') {
                continue;
            }
            let Some(key) = self.key(&link.url) else { continue };
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
    use super::super::scope::test_scope;
    use super::super::stored_headers::media;
    use super::*;
    use encoding_rs::SHIFT_JIS;
    use http::HeaderValue;

    fn found(content_type: &'static str, body: &[u8], reading: Reading) -> Result<Findings, Refusal> {
        let scope = test_scope(&["example.jp"]);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let url = scope.url(true, "example.jp", "/dir/page").unwrap();
        let media = media(&headers, body);
        let (key, need) = ("/dir/page", Need::Link);
        read(&File { key, need, url: &url, headers: &headers, media, reading, body }, &scope)
    }

    fn links(content_type: &'static str, body: &[u8]) -> Vec<(String, Need)> {
        found(content_type, body, Reading::ByType).unwrap().links
    }

    fn keys(of: &[(&str, Need)]) -> Vec<(String, Need)> {
        of.iter().map(|(key, need)| ((*key).to_owned(), *need)).collect()
    }

    #[test]
    fn a_page_is_read_with_its_base_and_its_encoding() {
        let page = "<meta charset=shift_jis><img src=a.png><a href='?q=花'>x</a><base href=/base/><a href=#x>\
                    <a href=a.png><a href=https://example.com/>";
        let expected = keys(&[("/base/a.png", Need::Draw), ("/base/?q=%89%D4", Need::Link)]);
        assert_eq!(links("text/html", &SHIFT_JIS.encode(page).0), expected);
        let evil = b"<base href='data:text/html,x'><a href=y>";
        assert_eq!(links("text/html", evil), keys(&[("/dir/y", Need::Link)]));
        let away = b"<base href='https://cdn.example.com/'><a href=y><a href=//example.jp/z>";
        assert_eq!(links("text/html", away), keys(&[("/z", Need::Link)]));
    }

    #[test]
    fn the_strongest_need_counts() {
        let page = b"<a href=/x><img src=/x><a href=/y>";
        assert_eq!(links("text/html", page), keys(&[("/x", Need::Draw), ("/y", Need::Link)]));
    }

    #[test]
    fn sheets_manifests_and_maps_are_read_by_their_own_readers() {
        assert_eq!(links("text/css", b"a{b:url(../i.png)}"), keys(&[("/i.png", Need::Draw)]));
        let icons = b"{\"icons\":[{\"src\":\"i.png\"}]}";
        assert_eq!(links("application/manifest+json", icons), keys(&[("/dir/i.png", Need::Draw)]));
        assert_eq!(links("text/plain", b"http://example.jp/x"), []);
        assert_eq!(
            found("text/plain", b"http://example.jp/x", Reading::Map).unwrap().links,
            keys(&[("/x", Need::Link)])
        );
        let index = b"<sitemapindex><sitemap><loc>/m.xml</loc></sitemap></sitemapindex>";
        assert_eq!(found("text/xml", index, Reading::Map).unwrap().maps, ["/m.xml"]);
        assert_eq!(links("image/svg+xml", b"<a href=x>"), []);
    }

    #[test]
    fn a_white_page_is_refused_and_an_empty_sheet_is_not() {
        assert_eq!(found("text/html", b" \r\n", Reading::ByType), Err(Refusal::EmptyPage));
        assert_eq!(links("text/css", b""), []);
    }
}
