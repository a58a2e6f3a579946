//! Rules for hosts of static sites (Netlify, Cloudflare Pages and those alike): `_redirects` and `_headers`.
//!
//! `_redirects` has a line for each redirect and each page that is not in the file that such hosts look for. Those with
//! a query are written as Netlify has them (`/a b=1 /target 200!`); hosts that know no queries pass over such lines. The first line
//! that fits counts, and one without a query fits them all: so those with the longest query come first. A file goes before a line
//! unless that ends in `!`. Where a file is in the way, the line is there with it and without: hosts that do not know it pass over the
//! first, and let lines go before files anyway.
//! `_headers` has the fields that all pages share in one rule, and for each page only what differs from that or from
//! the type that its ending stands for.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use http::{HeaderName, HeaderValue, header};

use super::base::is_foreign;
use crate::content::endings;
use crate::snapshot::{Class, Page};

/// What a server says by itself of a file.
pub(super) const OWN: [HeaderName; 3] = [header::ETAG, header::LAST_MODIFIED, header::LOCATION];

/// The two files, as they grow.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// The lines, by how much of a query they ask for.
    redirects: BTreeMap<Reverse<usize>, String>,
    headers: String,
    shared: Option<Vec<(HeaderName, HeaderValue)>>,
}

impl Rules {
    /// Records a page in the first round: what all of them share.
    pub(super) fn survey(&mut self, page: &Page) {
        if page.class == Class::Redirect {
            return;
        }
        let fields =
            page.headers.iter().filter(|(name, _)| !OWN.contains(name) && *name != header::CONTENT_TYPE);
        match &mut self.shared {
            None => self.shared = Some(fields.cloned().collect()),
            Some(shared) => shared.retain(|field| page.headers.contains(field)),
        }
    }

    /// Writes the rules of a page, in the second round. `shadow`: whether a file of another page may be found at its address.
    pub(super) fn add(&mut self, page: &Page, file: &str, shadow: bool) {
        let source = page.key.replace('*', "%2A").replace(':', "%3A");
        let (path, query) =
            source.split_once('?').map_or((&*source, None), |(path, query)| (path, Some(query)));
        let from = match query {
            None => path.to_owned(),
            Some(query) => format!("{path} {}", query.replace('&', " ")),
        };
        let foreign = is_foreign(&page.key);
        let rank = query.map_or(0, |query| 1 + query.matches('&').count());
        let marks: &[&str] = match (query, shadow) {
            (Some(_), _) => &["!"],
            (None, true) => &["!", ""],
            (None, false) => &[""],
        };
        let lines = self.redirects.entry(Reverse(rank)).or_default();
        if let Some(location) = location(page).filter(|_| !foreign && page.class == Class::Redirect) {
            let to = location.replace(' ', "%20");
            for mark in marks {
                let _ = writeln!(lines, "{from} {to} {}{mark}", page.status);
            }
            return;
        }
        if !foreign && !is_found(&page.key, file) {
            for mark in marks {
                let _ = writeln!(lines, "{from} /{file} 200{mark}");
            }
        }
        self.add_headers(page, file, if foreign || query.is_some() { None } else { Some(path) });
    }

    fn add_headers(&mut self, page: &Page, file: &str, path: Option<&str>) {
        let by_ending = endings::ending_of(file).and_then(|ending| endings::of_ending(&ending));
        let shared = self.shared.as_deref().unwrap_or_default();
        let differs = |(name, value): &&(HeaderName, HeaderValue)| {
            let as_ending = *name == header::CONTENT_TYPE
                && by_ending.is_some_and(|by| value.as_bytes() == by.as_bytes());
            !as_ending
                && !OWN.contains(name)
                && !shared.iter().any(|field| field == &(name.clone(), value.clone()))
        };
        let mut lines = String::new();
        for (name, value) in page.headers.iter().filter(differs) {
            if let Ok(value) = value.to_str() {
                let _ = writeln!(lines, "  {name}: {value}");
            }
        }
        if !lines.is_empty() {
            let path = path.map_or_else(|| format!("/{file}"), str::to_owned);
            self.headers.push_str(&path);
            self.headers.push('\n');
            self.headers.push_str(&lines);
        }
    }

    /// The texts of `_redirects` and `_headers`.
    pub(super) fn finish(self) -> (String, String) {
        let mut headers = String::new();
        let shared: Vec<_> =
            self.shared.iter().flatten().filter_map(|(n, v)| Some((n, v.to_str().ok()?))).collect();
        if !shared.is_empty() {
            headers.push_str("/*\n");
            for (name, value) in shared {
                let _ = writeln!(headers, "  {name}: {value}");
            }
        }
        headers.push_str(&self.headers);
        (self.redirects.into_values().collect(), headers)
    }
}

/// Where a redirect leads, if that can be written down.
pub(super) fn location(page: &Page) -> Option<&str> {
    let (_, value) = page.headers.iter().find(|(name, _)| *name == header::LOCATION)?;
    value.to_str().ok()
}

/// Whether such hosts find the file without a rule.
fn is_found(key: &str, file: &str) -> bool {
    let path = percent_encoding::percent_decode_str(key).decode_utf8_lossy();
    let path = path.trim_start_matches('/');
    file == path
        || file.strip_suffix(".html") == Some(path)
        || path.ends_with('/') | path.is_empty() && file.strip_suffix("index.html") == Some(path)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn page(key: &str, status: u16, headers: &[(&'static str, &'static str)]) -> Page {
        let fields = headers.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)));
        let class = if status < 300 { Class::Page } else { Class::Redirect };
        Page {
            key: key.to_owned(),
            status,
            headers: fields.collect(),
            body: None,
            len: 0,
            taken_at: UNIX_EPOCH,
            class,
            notes: crate::snapshot::Notes::default(),
        }
    }

    #[test]
    fn only_what_differs_is_written() {
        const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");
        const CSP: (&str, &str) = ("content-security-policy", "default-src 'self'");
        let pages = [
            (page("/", 200, &[HTML, CSP, ("etag", "\"1\"")]), "index.html"),
            (page("/a", 200, &[HTML, CSP, ("refresh", "9")]), "a.html"),
            (page("/s.css", 200, &[("content-type", "text/css"), CSP]), "s.css"),
            (page("/a?b=1&c=2", 200, &[HTML, CSP]), "_pages/aa/bb.html"),
            (page("/old", 301, &[("location", "/a")]), ""),
            (page("/old?x=1", 302, &[("location", "https://b.example/")]), ""),
        ];
        let mut rules = Rules::default();
        pages.iter().for_each(|(page, _)| rules.survey(page));
        pages.iter().for_each(|(page, file)| rules.add(page, file, page.key == "/old"));
        let (redirects, headers) = rules.finish();
        assert_eq!(
            redirects,
            "/a b=1 c=2 /_pages/aa/bb.html 200!\n/old x=1 https://b.example/ 302!\n/old /a 301!\n/old /a 301\n"
        );
        assert_eq!(
            headers,
            "/*\n  content-security-policy: default-src 'self'\n/\n  content-type: text/html; charset=utf-8\n\
             /a\n  content-type: text/html; charset=utf-8\n  refresh: 9\n\
             /_pages/aa/bb.html\n  content-type: text/html; charset=utf-8\n"
        );
    }
}
