//! Rules for nginx, by which a tree is served as the site was: same status, type, fields and redirects for every page.
//!
//! Two files: maps for the `http` block, locations for the `server` block. Each request is rewritten to
//! `/_katahai-<snapshot>/<kind>/<file>`, where a kind is a status with a set of header fields; a location for each kind says these and
//! gives the file. Most pages have the kind and the file that is usual for their ending, which a handful of patterns
//! in the maps say; the others have an entry. So the rules are small, and large sites do not slow nginx's start.
//!
//! Addresses are looked up decoded and without what nginx does not tell apart (`$uri`), then with the query, and where
//! decoding would lose something (`%2F`, `//`) as they were written (`$request_uri`). A map ignores case for plain
//! entries, so addresses that differ in nothing else are written as patterns.

use std::collections::HashMap;
use std::fmt::Write as _;

use http::{HeaderName, HeaderValue, header};
use percent_encoding::percent_decode_str;

use super::base::foreign;
use super::digest::short;
use super::names::NGINX_MAP;
use super::rules::{OWN, location};
use crate::snapshot::{Class, Page};

/// Endings that get a pattern of their own; each costs every request a comparison.
const PATTERNS: usize = 40;

/// How a page is answered, without its body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct AnswerShape {
    status: u16,
    fields: Vec<(HeaderName, HeaderValue)>,
}

/// Where an address is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Map {
    Path,
    Query,
    Raw,
}

/// What grows in two rounds over the pages.
#[derive(Debug, Default)]
pub(super) struct Nginx {
    /// What stands before kinds in rewritten addresses: nothing that a site has.
    inside: String,
    kinds: HashMap<AnswerShape, usize>,
    listed: Vec<AnswerShape>,
    /// How often each kind has each ending.
    endings: HashMap<String, HashMap<usize, u64>>,
    usual: HashMap<String, usize>,
    /// Addresses without case; true when more than one has this spelling.
    folds: HashMap<u128, bool>,
    /// By map: where pages are, and where redirects lead.
    places: [String; 3],
    targets: [String; 3],
    entries: usize,
    longest: usize,
}

impl Nginx {
    /// Rules for the snapshot of this name.
    pub(super) fn new(snapshot: &str) -> Nginx {
        Nginx { inside: format!("/_katahai-{snapshot}"), ..Nginx::default() }
    }

    /// Records a page in the first round.
    pub(super) fn survey(&mut self, page: &Page) {
        let Some((map, address)) = address(page) else { return };
        let fold = short(&format!("{map:?}{}", String::from_utf8_lossy(&address.to_ascii_lowercase())));
        self.folds.entry(fold).and_modify(|twice| *twice = true).or_insert(false);
        let kind = self.kind(page);
        if let (Map::Path, true) = (map, page.class != Class::Redirect) {
            let (ending, _) = usual(&address);
            *self.endings.entry(ending).or_default().entry(kind).or_default() += 1;
        }
    }

    /// Ends the first round: what is usual for an ending.
    pub(super) fn settle(&mut self) {
        let mut endings: Vec<_> = std::mem::take(&mut self.endings).into_iter().collect();
        let all = |kinds: &HashMap<usize, u64>| kinds.values().sum::<u64>();
        endings.sort_by(|(a, x), (b, y)| all(y).cmp(&all(x)).then_with(|| a.cmp(b)));
        endings.retain(|(ending, _)| ending != ".");
        let special = |ending: &str| matches!(ending, "/" | "");
        let kept = endings.iter().filter(|(ending, _)| !special(ending)).take(PATTERNS);
        for (ending, kinds) in kept.chain(endings.iter().filter(|(ending, _)| special(ending))) {
            let most = kinds.iter().max_by_key(|(kind, count)| (**count, std::cmp::Reverse(**kind)));
            self.usual.extend(most.map(|(kind, _)| (ending.clone(), *kind)));
        }
    }

    /// Writes the entry of a page, if it needs one, in the second round. `file` is empty for a page without a body.
    pub(super) fn add(&mut self, page: &Page, file: &str) {
        let Some((map, address)) = address(page) else { return };
        let kind = self.kind(page);
        let redirect = location(page).filter(|_| is_redirect(page.status));
        let as_usual = || {
            let (ending, usual_file) = usual(&address);
            self.usual.get(&ending) == Some(&kind) && usual_file == file.as_bytes() && !is_odd(&address)
        };
        if map == Map::Path && redirect.is_none() && as_usual() {
            return;
        }
        let fold = short(&format!("{map:?}{}", String::from_utf8_lossy(&address.to_ascii_lowercase())));
        let twice = self.folds.get(&fold).copied().unwrap_or(true);
        let source = if twice { pattern(&address) } else { address };
        self.entries += 1;
        self.longest = self.longest.max(source.len());
        let source = quoted(&source);
        let place = if redirect.is_some() { format!("/{kind}") } else { format!("/{kind}/{file}") };
        let _ = writeln!(self.places[map as usize], "  {source} {};", value(&place));
        if let Some(to) = redirect {
            let _ = writeln!(self.targets[map as usize], "  {source} {};", value(to));
        }
    }

    fn kind(&mut self, page: &Page) -> usize {
        let fields = page.headers.iter().filter(|(name, _)| !OWN.contains(name)).cloned().collect();
        let kind = AnswerShape { status: page.status, fields };
        if let Some(known) = self.kinds.get(&kind) {
            return *known;
        }
        self.listed.push(kind.clone());
        self.kinds.insert(kind, self.listed.len());
        self.listed.len()
    }

    /// The files for the `server` and the `http` block.
    pub(super) fn finish(self) -> (String, String) {
        (self.server(), self.maps())
    }

    fn maps(&self) -> String {
        let mut out = String::from(
            "# Maps of addresses to files, for nginx. Include this file within http { },\n\
             # and katahai-nginx.conf within server { }, beside `root` with the folder that both are in.\n",
        );
        // Room for several entries each: nginx complains about buckets that are hard to fill.
        let bucket = ((self.longest + 64) * 4).next_power_of_two();
        let size = (self.entries * 2).next_power_of_two().max(2048);
        let _ = writeln!(out, "map_hash_bucket_size {bucket};\nmap_hash_max_size {size};");
        out.push_str("geo $katahai_dollar { default \"$\"; }\n\nmap $uri $katahai_usual {\n");
        let mut endings: Vec<_> =
            self.usual.iter().filter(|(ending, _)| !matches!(&***ending, "/" | "")).collect();
        endings.sort();
        let usual = |ending: &str| self.usual.get(ending).copied().unwrap_or(0);
        // What the export has put beside the site is not the site's.
        out.push_str("  \"~^/(\\\\.katahai/|_pages/|_redirects$|_headers$|katahai-nginx(-map)?\\\\.conf$)\" \"/none\";\n");
        let _ = writeln!(out, "  ~/$ \"/{}${{uri}}index.html\";", usual("/"));
        for (ending, kind) in endings {
            let _ = writeln!(out, "  {} \"/{kind}$uri\";", quoted(format!("~\\.{ending}$").as_bytes()));
        }
        let _ =
            writeln!(out, "  \"~/[^/]*\\\\.[^/]*$\" \"/0$uri\";\n  default \"/{}$uri.html\";\n}}", usual(""));
        let chains = [("katahai", "$katahai_usual", &self.places), ("katahai_to", "\"\"", &self.targets)];
        for (name, first, entries) in chains {
            let maps = [
                ("$uri", format!("{name}_path"), first.to_owned()),
                ("\"$uri?$args\"", format!("{name}_query"), format!("${name}_path")),
                ("$request_uri", name.to_owned(), format!("${name}_query")),
            ];
            for ((source, variable, default), entries) in maps.iter().zip(entries) {
                let _ = write!(out, "\nmap {source} ${variable} {{\n  default {default};\n{entries}}}\n");
            }
        }
        out
    }

    fn server(&self) -> String {
        let inside = &self.inside;
        let mut out = format!(
            "# Serves the folder that this file is in as the site was. Include this file within server {{ }}, beside\n\
             # `root` with that folder, and {NGINX_MAP} within http {{ }}.\n\
             absolute_redirect off;\ncharset off;\n\
             location / {{ set $katahai_at $katahai; set $katahai_location $katahai_to; rewrite ^ {inside}$katahai last; }}\n\
             location ^~ {inside}/ {{ internal; return 404; }}\n\
             location ^~ {inside}/0/ {{ internal; rewrite ^{inside}/0(/.*)$ $1 break; }}\n",
        );
        for (number, kind) in (1..).zip(&self.listed) {
            let fields = fields(kind);
            let mut line = |text: String| {
                out.push_str(&text);
                out.push('\n');
            };
            if is_redirect(kind.status) {
                let status = kind.status;
                line(format!(
                    "location = {inside}/{number} {{ internal;{fields} return {status} $katahai_location; }}"
                ));
            }
            // nginx gives files with 200 only; the error page of an error that never happens may have any status.
            let from = if kind.status == 200 {
                format!("{inside}/{number}")
            } else {
                let status = kind.status;
                line(format!(
                    "location ^~ {inside}/{number}/ {{ internal; error_page 418 ={status} {inside}/s$katahai_at; return 418; }}"
                ));
                format!("{inside}/s/{number}")
            };
            line(format!("location ^~ {from}/ {{ internal; rewrite ^{from}(/.*)$ $1 break;{fields} }}"));
        }
        out
    }
}

/// The fields of a kind, as directives.
fn fields(kind: &AnswerShape) -> String {
    let text = |bytes: &[u8]| value(&String::from_utf8_lossy(bytes));
    let types = kind.fields.iter().find(|(name, _)| *name == header::CONTENT_TYPE);
    let mut out = format!(
        " types {{ }} default_type {};",
        types.map_or_else(|| "\"\"".to_owned(), |(_, v)| text(v.as_bytes()))
    );
    for (name, field) in kind.fields.iter().filter(|(name, _)| *name != header::CONTENT_TYPE) {
        let _ = write!(out, " add_header {name} {} always;", text(field.as_bytes()));
    }
    out
}

fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The address of a page as it is looked up. `None`: nginx refuses it itself, or it cannot be found by an address.
fn address(page: &Page) -> Option<(Map, Vec<u8>)> {
    if let Some((host, path)) = foreign(&page.key) {
        let host = host.replace(':', "_");
        let plain = !path.contains('?') && !path.contains("//");
        return plain.then(|| (Map::Path, decoded(&format!("/_hosts/{host}{path}"))));
    }
    let (path, query) =
        page.key.split_once('?').map_or((&*page.key, None), |(path, query)| (path, Some(query)));
    let upper = path.to_ascii_uppercase();
    let lost = path.contains("//")
        || ["%2F", "%3F", "%00", "%2E"].iter().any(|octet| upper.contains(octet))
        || std::str::from_utf8(&decoded(path)).is_err();
    Some(match query {
        _ if lost => (Map::Raw, page.key.clone().into_bytes()),
        None => (Map::Path, decoded(path)),
        Some(query) => (Map::Query, [&decoded(path)[..], b"?", query.as_bytes()].concat()),
    })
}

fn decoded(path: &str) -> Vec<u8> {
    percent_decode_str(path).collect()
}

/// The ending of an address, and the file that is usual for it. The patterns of the map say the same.
fn usual(address: &[u8]) -> (String, Vec<u8>) {
    let path = &address[1.min(address.len())..];
    let last = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    if last.is_empty() {
        return ("/".to_owned(), [path, b"index.html"].concat());
    }
    match last.iter().rposition(|b| *b == b'.') {
        None => (String::new(), [path, b".html"].concat()),
        Some(dot) => {
            let ending = &last[dot + 1..];
            let plain = (1..=12).contains(&ending.len()) && ending.iter().all(u8::is_ascii_alphanumeric);
            let ending = if plain { String::from_utf8_lossy(ending).into_owned() } else { ".".to_owned() };
            (ending, path.to_vec())
        }
    }
}

/// Whether a pattern might not match: a line break is no character to `.`.
fn is_odd(address: &[u8]) -> bool {
    address.iter().any(u8::is_ascii_control)
}

/// An address as a pattern that matches it alone.
fn pattern(address: &[u8]) -> Vec<u8> {
    let mut out = b"~^".to_vec();
    for byte in address {
        if !(byte.is_ascii_alphanumeric() || *byte >= 0x80 || matches!(byte, b'/' | b'_' | b'-')) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'$');
    out
}

/// A token of the configuration.
fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for c in String::from_utf8_lossy(text).chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// A token in which nothing is a variable.
fn value(text: &str) -> String {
    quoted(text.as_bytes()).replace('$', "${katahai_dollar}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_needs_no_entry() {
        for (address, ending, file) in [
            ("/", "/", "index.html"),
            ("/a/", "/", "a/index.html"),
            ("/a", "", "a.html"),
            ("/a.b/c", "", "a.b/c.html"),
            ("/a/b.css", "css", "a/b.css"),
            ("/a.", ".", "a."),
        ] {
            assert_eq!(usual(address.as_bytes()), (ending.to_owned(), file.as_bytes().to_vec()), "{address}");
        }
    }

    #[test]
    fn text_from_pages_stays_text() {
        assert_eq!(value(r#"a"; return 200 "$uri\"#), r#""a\"; return 200 \"${katahai_dollar}uri\\""#);
        assert_eq!(String::from_utf8(pattern("/a.b(あ)".as_bytes())).unwrap(), r"~^/a\.b\(あ\)$");
    }
}
