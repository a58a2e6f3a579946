//! Other spellings of an address: those that the live site would redirect, and those that people write in mails and in print.
//! Pure: which spellings are tried, in which order, and when two addresses differ only in spelling.

use std::collections::{BTreeSet, HashMap};

use encoding_rs::{UTF_8, WINDOWS_1252};

/// Names of the page of a folder.
const INDEXES: [&str; 6] =
    ["index.html", "index.php", "index.htm", "default.aspx", "default.asp", "index.shtml"];
/// How many spellings are tried for one address.
const MOST: usize = 64;
/// The largest number of addresses that are searched for spellings beyond those of [`spellings`]; beyond it, none are.
const LOOSE: usize = 50_000;
/// Characters that have two spellings in a path (RFC 3986 section 2.2, `sub-delims`, and those of `pchar`).
const DELIMITERS: &str = "!$&'()*+,;=:@";

/// Other spellings of a key, without the key itself; the likeliest first.
pub(super) fn spellings(key: &str) -> Vec<String> {
    let (path, query) = match key.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (key, None),
    };
    let plain = without_sessions(&path.replace("//", "/"));
    let mut paths = vec![plain.clone()];
    paths.extend([decoded(&plain), encoded(&plain)]);
    paths.extend(other_encoding(&plain));
    let mut found: Vec<String> = Vec::new();
    for path in paths.iter().flat_map(|path| around(path)) {
        let spelled = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        if spelled != key && !found.contains(&spelled) && !spelled.starts_with("//") && found.len() < MOST {
            found.push(spelled);
        }
    }
    found
}

/// A path, and the same with and without its last slash, and the name of a folder's page.
fn around(path: &str) -> Vec<String> {
    let mut found = vec![path.to_owned()];
    let lower = path.to_ascii_lowercase();
    if let Some(index) = INDEXES.iter().find(|index| lower.ends_with(&format!("/{index}"))) {
        let folder = &path[..path.len() - index.len()];
        found.push(folder.to_owned());
        found.extend(folder.strip_suffix('/').filter(|bare| !bare.is_empty()).map(str::to_owned));
        return found;
    }
    let folder = match path.strip_suffix('/') {
        Some("") => path.to_owned(),
        Some(bare) => {
            found.extend([bare.to_owned(), format!("{bare}.html")]);
            path.to_owned()
        }
        None => {
            found.extend([format!("{path}/"), format!("{path}.html")]);
            found.extend(path.strip_suffix(".html").filter(|bare| !bare.ends_with('/')).map(str::to_owned));
            format!("{path}/")
        }
    };
    found.extend(INDEXES.iter().map(|index| format!("{folder}{index}")));
    found
}

/// A path without session ids, which crawls leave out, too.
fn without_sessions(path: &str) -> String {
    let is_session = |part: &str| {
        part.split_once('=').is_some_and(|(name, _)| {
            ["jsessionid", "phpsessid", "sid", "sessionid"].contains(&name.to_ascii_lowercase().as_str())
        })
    };
    let segments = path.split('/').map(|segment| {
        let parts: Vec<&str> = segment.split(';').filter(|part| !is_session(part)).collect();
        parts.join(";")
    });
    segments.collect::<Vec<_>>().join("/")
}

/// `%28` as `(`.
fn decoded(path: &str) -> String {
    DELIMITERS.chars().fold(path.to_owned(), |path, c| path.replace(&escape(c as u8), &c.to_string()))
}

/// `(` as `%28`.
fn encoded(path: &str) -> String {
    let spelled = path.chars().map(|c| if DELIMITERS.contains(c) { escape(c as u8) } else { c.to_string() });
    spelled.collect()
}

fn escape(byte: u8) -> String {
    format!("%{byte:02X}")
}

/// A path in UTF-8 as it was in Latin-1, and the other way round.
fn other_encoding(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
    let again = |bytes: &[u8]| crate::ask::key::page_key(&escaped(path, bytes), None, &[]).into_owned();
    match UTF_8.decode_without_bom_handling_and_without_replacement(&bytes) {
        Some(text) => {
            let (latin, _, lossy) = WINDOWS_1252.encode(&text);
            (!lossy && *latin != *bytes).then(|| again(&latin))
        }
        None => {
            let (text, _) = WINDOWS_1252.decode_without_bom_handling(&bytes);
            Some(again(text.as_bytes()))
        }
    }
}

/// Bytes as a path: everything but ASCII letters and signs that `path` had is escaped.
fn escaped(path: &str, bytes: &[u8]) -> String {
    let as_is = |b: u8| {
        b.is_ascii_alphanumeric()
            || b == b'/'
            || (b.is_ascii_graphic() && b != b'%' && path.as_bytes().contains(&b))
    };
    bytes.iter().map(|&b| if as_is(b) { (b as char).to_string() } else { escape(b) }).collect()
}

/// What two keys have in common that differ in case, or in the order of their parameters.
fn loose(key: &str) -> String {
    let (path, query) = key.split_once('?').unwrap_or((key, ""));
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
    format!("{}?{}", lower(path), pairs.join("&"))
}

/// The pages of a snapshot that may be written in another case, or with their parameters in another order.
#[derive(Debug, Default)]
pub(super) struct Loose {
    /// By what they have in common; `None`: more than one.
    pages: HashMap<String, Option<Box<str>>>,
}

impl Loose {
    /// Gathers them from all keys.
    pub(super) fn of(keys: impl Iterator<Item = String>) -> Loose {
        let mut pages: HashMap<String, Option<Box<str>>> = HashMap::new();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for key in keys.filter(|key| !key.starts_with("//")) {
            let common = loose(&key);
            let is_plain =
                common.strip_suffix('?').unwrap_or(&common) == key.strip_suffix('/').unwrap_or(&key);
            if is_plain {
                // it is found by its own spelling; here it only speaks against others
                seen.insert(common);
            } else {
                pages.entry(common).and_modify(|known| *known = None).or_insert_with(|| Some(key.into()));
            }
            if pages.len() + seen.len() > LOOSE {
                return Loose::default();
            }
        }
        for (common, page) in &mut pages {
            if seen.contains(common) {
                *page = None;
            }
        }
        Loose { pages }
    }

    /// The one page that this key may mean.
    pub(super) fn find(&self, key: &str) -> Option<&str> {
        self.pages.get(&loose(key))?.as_deref().filter(|found| *found != key)
    }

    /// The plainest spelling of this key, in small letters and with its parameters in order, unless another page differs
    /// from that in nothing else.
    pub(super) fn plainest(&self, key: &str) -> Option<String> {
        let common = loose(key);
        let plain = common.strip_suffix('?').unwrap_or(&common);
        (plain != key && !self.pages.contains_key(&common)).then(|| plain.to_owned())
    }
}

/// A path in small letters; escapes stay as they are.
fn lower(path: &str) -> String {
    let mut escaped = 0;
    let small = path.chars().map(|c| match (c, escaped) {
        ('%', _) => {
            escaped = 2;
            c
        }
        (_, 0) => c.to_ascii_lowercase(),
        (_, left) => {
            escaped = left - 1;
            c
        }
    });
    small.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_leads_to_what_there_is() {
        for (written, there) in [
            ("/contact", "/contact/"),
            ("/about/", "/about"),
            ("/docs", "/docs/index.html"),
            ("/docs/", "/docs/index.php"),
            ("/docs/index.html", "/docs/"),
            ("/docs/Index.HTML", "/docs"),
            ("/index.html", "/"),
            ("/index.php", "/"),
            ("/", "/index.html"),
            ("/about", "/about.html"),
            ("/about.html", "/about"),
            ("/list?a=1", "/list/?a=1"),
            ("/x;jsessionid=0A1", "/x"),
            ("/x;jsessionid=0A1", "/x/"),
            ("/a;JSESSIONID=1/b;v=2", "/a/b;v=2"),
            ("/wiki/Tea_%28drink%29", "/wiki/Tea_(drink)"),
            ("/wiki/Tea_(drink)", "/wiki/Tea_%28drink%29"),
            ("/a//b", "/a/b"),
            ("/caf%E9", "/caf%C3%A9"),
            ("/caf%C3%A9", "/caf%E9"),
            ("/caf%E9/", "/caf%C3%A9"),
        ] {
            let found = spellings(written);
            assert!(found.iter().any(|spelling| spelling == there), "{written}: {found:?}");
            assert!(!found.iter().any(|spelling| spelling == written), "{written}: {found:?}");
        }
    }

    #[test]
    fn the_likelier_goes_first_and_nothing_leaves_the_site() {
        assert_eq!(spellings("/contact")[..2], ["/contact/", "/contact.html"]);
        for odd in ["//evil.example", "//evil.example/", "/", "/%", "/%2F%2Fx", "/?"] {
            let found = spellings(odd);
            assert!(
                found.len() <= MOST && found.iter().all(|s| s.starts_with('/') && !s.starts_with("//")),
                "{found:?}"
            );
        }
        // Japanese is no Latin-1.
        assert!(spellings("/%E3%81%82").iter().all(|s| s.contains("%E3%81%82")));
    }

    #[test]
    fn case_and_the_order_of_parameters_lead_to_the_one_page_that_there_is() {
        let keys = [
            "/about",
            "/wiki/Main_Page",
            "/Both",
            "/both",
            "/A",
            "/a/",
            "/x?b=1&a=2",
            "/%E3%81%82",
            "/Q/%E3X",
        ];
        let index = Loose::of(keys.iter().map(|&key| key.to_owned()));
        for (written, there) in [
            ("/wiki/main_page", Some("/wiki/Main_Page")),
            ("/WIKI/MAIN_PAGE/", Some("/wiki/Main_Page")),
            ("/x?a=2&b=1", Some("/x?b=1&a=2")),
            ("/q/%E3x", Some("/Q/%E3X")),
            ("/BOTH", None),
            ("/A", None),
            ("/wiki/Main_Page", None),
            ("/nothing", None),
        ] {
            assert_eq!(index.find(written), there, "{written}");
        }
        for (written, there) in [
            ("/ABOUT", Some("/about")),
            ("/List?b=1&a=2", Some("/list?a=2&b=1")),
            ("/About%E3X", Some("/about%E3x")),
            ("/BOTH", None),
            ("/about", None),
        ] {
            assert_eq!(index.plainest(written).as_deref(), there, "{written}");
        }
    }

    #[test]
    fn a_site_of_any_size_costs_a_bounded_index() {
        let index = Loose::of((0..=LOOSE).map(|n| format!("/A{n}")));
        assert_eq!(index.find("/a1"), None);
    }
}
