//! Which file of a tree holds a page. Total (every key has a file), injective also where file names know no case, and
//! never a name that leads out of the tree.
//!
//! A page gets the name under which any static server finds it: `/a/` is `a/index.html`, `/a.css` itself, and `/a`,
//! when it is HTML, `a.html`. Whoever cannot have that name — a query, an octet that file systems refuse, a name that
//! a page with a better claim or a folder has — gets `_pages/…`, named by the hash of its key, and is found by the rules
//! for servers that are written beside the tree. Files of other hosts are in `_hosts/<host>/…`.

use std::collections::{HashMap, HashSet};

use percent_encoding::percent_decode_str;

use super::base::foreign;
use super::digest::{hex, short};
use crate::content::endings;
use crate::content::media::essence;

/// Where pages are that cannot have a name of their own.
pub(super) const PAGES: &str = "_pages";
/// Where files of other hosts are.
pub(super) const HOSTS: &str = "_hosts";
/// Where an export says what it is.
pub(super) const ABOUT: &str = ".katahai";
/// Rules for hosts of static sites.
pub(super) const REDIRECTS: &str = "_redirects";
pub(super) const HEADERS: &str = "_headers";
/// Rules for nginx: within `server`, and within `http`.
pub(super) const NGINX: &str = "katahai-nginx.conf";
pub(super) const NGINX_MAP: &str = "katahai-nginx-map.conf";

const RESERVED: [&str; 7] = [PAGES, HOSTS, ABOUT, REDIRECTS, HEADERS, NGINX, NGINX_MAP];

/// Bytes of one part of a name: file systems take 255, and an ending may follow.
const PART: usize = 200;
/// Bytes of a whole name.
const WHOLE: usize = 800;

/// What a key may claim. The lower the rank, the better the claim.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    name: String,
    rank: u8,
}

/// Who has which name. Every page claims first, then all may ask.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By the name without case: the best claim, and whose it is.
    claims: HashMap<u128, (u8, u128)>,
    folders: HashSet<u128>,
}

impl Names {
    /// Lets a page claim its name. `html`: whether it is an HTML page.
    pub(super) fn claim(&mut self, key: &str, html: bool) {
        let Some(claim) = claim(key, html) else { return };
        let mine = (claim.rank, short(key));
        let best = self.claims.entry(folded(&claim.name)).or_insert(mine);
        *best = mine.min(*best);
        for (at, _) in claim.name.match_indices('/') {
            self.folders.insert(folded(&claim.name[..at]));
        }
    }

    /// The file of a page that has claimed.
    pub(super) fn file(&self, key: &str, html: bool, content_type: &str) -> String {
        if let Some(claim) = claim(key, html) {
            let name = folded(&claim.name);
            let mine = self.claims.get(&name) == Some(&(claim.rank, short(key)));
            if mine && !self.folders.contains(&name) {
                return claim.name;
            }
        }
        let hash = hex(&short(key).to_be_bytes());
        let ending = if html { "html" } else { endings::ending(&essence(content_type).to_ascii_lowercase()) };
        format!("{PAGES}/{}/{}.{ending}", &hash[..2], &hash[2..])
    }

    /// Whether a static server may find a file at this path, whatever page it belongs to.
    pub(super) fn has_file_at(&self, path: &str) -> bool {
        let path = percent_decode_str(path).decode_utf8_lossy();
        let path = path.trim_matches('/');
        let names = [path.to_owned(), format!("{path}.html"), format!("{path}/index.html")];
        names.iter().any(|name| self.claims.contains_key(&folded(name)))
    }
}

fn folded(name: &str) -> u128 {
    short(&name.to_lowercase())
}

fn claim(key: &str, html: bool) -> Option<Claim> {
    if key.contains('?') {
        return None;
    }
    let (mut name, path) = match foreign(key) {
        Some((host, path)) => (format!("{HOSTS}/{}/", part(&host.replace(':', "_"))?), path),
        None => (String::new(), key),
    };
    let (folders, last) =
        path.strip_prefix('/')?.rsplit_once('/').map_or((None, path.get(1..)?), |(f, l)| (Some(f), l));
    for folder in folders.into_iter().flat_map(|folders| folders.split('/')) {
        name.push_str(&part(folder)?);
        name.push('/');
    }
    let rank = if last.is_empty() {
        name.push_str("index.html");
        0
    } else {
        let last = part(last)?;
        name.push_str(&last);
        if html && !last.contains('.') {
            name.push_str(".html");
            2
        } else {
            // `/a/` and `/a/index.html` may both be there; the folder's own address is the one that people use.
            u8::from(last.eq_ignore_ascii_case("index.html"))
        }
    };
    let first = name.split('/').next().unwrap_or_default();
    let reserved = name.len() > WHOLE
        || foreign(key).is_none() && RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(first));
    (!reserved).then_some(Claim { name, rank })
}

/// One part of a path as a file's name, decoded as servers look it up. `None`: not every file system takes it.
fn part(text: &str) -> Option<String> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    let odd = |c: char| c.is_control() || matches!(c, '/' | '\\' | '<' | '>' | ':' | '"' | '|' | '?' | '*');
    let stem = text.split('.').next().unwrap_or_default().trim_end();
    let bad = text.is_empty()
        || text.len() > PART
        || text.chars().any(odd)
        || text.ends_with(['.', ' '])
        || text.starts_with(' ')
        || is_device(stem);
    (!bad).then(|| text.into_owned())
}

/// Names that are no files on Windows, whatever the ending.
fn is_device(stem: &str) -> bool {
    let stem = stem.to_ascii_lowercase();
    let numbered = |name: &str| {
        stem.strip_prefix(name).is_some_and(|n| {
            n.chars().count() == 1 && n.chars().all(|c| c.is_ascii_digit() || "¹²³".contains(c))
        })
    };
    matches!(&*stem, "con" | "prn" | "aux" | "nul" | "conin$" | "conout$")
        || numbered("com")
        || numbered("lpt")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The files of these keys, all HTML but those with another ending.
    fn files(keys: &[&str]) -> Vec<String> {
        let html = |key: &str| !key.split('?').next().unwrap().contains('.') || key.ends_with(".html");
        let mut names = Names::default();
        keys.iter().for_each(|key| names.claim(key, html(key)));
        keys.iter().map(|key| names.file(key, html(key), "text/html; charset=utf-8")).collect()
    }

    #[test]
    fn pages_have_the_names_that_servers_look_for() {
        for (key, expected) in [
            ("/", "index.html"),
            ("/a/", "a/index.html"),
            ("/a", "a.html"),
            ("/a/b.html", "a/b.html"),
            ("/style.css", "style.css"),
            ("/%E3%81%82/%20x y", "_pages/"),
            ("/%E3%81%82/b", "あ/b.html"),
            ("/.well-known/x.txt", ".well-known/x.txt"),
            ("//cdn.example.com/a/b.js", "_hosts/cdn.example.com/a/b.js"),
            ("//cdn.example.com:8080/b.js", "_hosts/cdn.example.com_8080/b.js"),
            ("/a?b=1", "_pages/"),
            ("/a%2Fb", "_pages/"),
            ("/a%00", "_pages/"),
            ("/%FF", "_pages/"),
            ("/a.", "_pages/"),
            ("/..%5Cx", "_pages/"),
            ("/%2E%2E%2Fetc", "_pages/"),
            ("/con", "_pages/"),
            ("/a/NUL.txt", "_pages/"),
            ("/com1.css", "_pages/"),
            ("/company", "company.html"),
            ("/a//b", "_pages/"),
            ("//nohost", "_pages/"),
            ("/_pages/x.html", "_pages/"),
            ("/_Redirects", "_Redirects.html"),
            ("/_Pages/x.css", "_pages/"),
            ("/.katahai/manifest.jsonl", "_pages/"),
            ("/a%3Ab", "_pages/"),
        ] {
            let file = files(&[key]).remove(0);
            let fits = if expected == "_pages/" {
                file.starts_with(expected) && file.len() > 38
            } else {
                file == expected
            };
            assert!(fits, "{key}: {file}");
        }
        let long = format!("/{}", "x".repeat(300));
        assert!(files(&[&long])[0].starts_with("_pages/"));
        let deep = "/x".repeat(500);
        assert!(files(&[&deep])[0].starts_with("_pages/"));
    }

    #[test]
    fn neighbours_do_not_take_each_others_names() {
        let direct =
            |keys: &[&str]| files(keys).iter().map(|file| !file.starts_with("_pages/")).collect::<Vec<_>>();
        assert_eq!(files(&["/a", "/a/", "/a/b"]), ["a.html", "a/index.html", "a/b.html"]);
        assert_eq!(direct(&["/a", "/a.html"]), [false, true]);
        assert_eq!(direct(&["/a/index.html", "/a/"]), [false, true]);
        assert_eq!(direct(&["/a/index.html"]), [true]);
        // a file cannot be where a folder has to be
        assert_eq!(direct(&["/a.b", "/a.b/c"]), [false, true]);
        assert_eq!(direct(&["/A.B", "/a.b/c"]), [false, true]);
        // one of two that differ in case only
        assert_eq!(direct(&["/Logo.css", "/logo.css"]).iter().filter(|direct| **direct).count(), 1);
        assert_eq!(direct(&["/!.css", "/%21.css"]).iter().filter(|direct| **direct).count(), 1);
    }

    fn key() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just(String::new()),
            Just("..".to_owned()),
            Just("%2E%2E".to_owned()),
            Just("index.html".to_owned()),
            Just("CON".to_owned()),
            "[aAbB.]{1,3}",
            "[a-zA-Z0-9%_. -]{1,8}",
            any::<String>(),
        ];
        (proptest::collection::vec(part, 1..5), proptest::option::of("[a-z=&?]{0,4}")).prop_map(
            |(parts, query)| {
                let path = format!("/{}", parts.join("/"));
                query.map_or(path.clone(), |query| format!("{path}?{query}"))
            },
        )
    }

    proptest! {
        #[test]
        fn every_key_has_a_file_of_its_own_within_the_tree(keys in proptest::collection::btree_set(key(), 1..30), html: bool) {
            let mut names = Names::default();
            keys.iter().for_each(|key| names.claim(key, html));
            let files: Vec<String> = keys.iter().map(|key| names.file(key, html, "text/html")).collect();
            let distinct: BTreeSet<String> = files.iter().map(|file| file.to_lowercase()).collect();
            prop_assert_eq!(distinct.len(), keys.len(), "{:?}", files);
            for file in &files {
                for part in file.split('/') {
                    prop_assert!(!part.is_empty() && part != "." && part != ".." && part.len() <= 255, "{file}");
                    prop_assert!(!part.contains(['\0', '\\', ':']), "{file}");
                }
                // no file is a folder of another
                prop_assert!(!distinct.iter().any(|other| other.starts_with(&format!("{}/", file.to_lowercase()))), "{file}");
            }
        }
    }
}
