//! Pages that hosts, servers, panels and frameworks give instead of a site: as they were answered, in place of a page whose
//! copy is known, and by their looks alone, as if they had come with 200 for a page that nobody knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use http::StatusCode;
use katahai::verdict::{Character, Look};

use super::question::{Question, files};

/// Of a hundred pages, as many must be recognised.
pub(super) const AT_LEAST: f64 = 97.0;

pub(super) const COPY: &str = "<!doctype html><html lang=en><head><title>Tea house Kawaguchi</title></head><body><h1>Our teas</h1>\
    <p>Green tea from the hills behind the town, picked by hand in the first week of May, and sold in our shop, which is \
    open from nine to six. <a href=/shop>To the shop</a></p></body></html>";

pub(super) struct Page {
    /// `group/name`
    name: String,
    status: u16,
    content_type: String,
    body: Vec<u8>,
}

impl Page {
    /// `<group>/<name>.<status>.html`; without a status, a file `.toml` beside it may say it, else it is 200.
    fn read(path: &Path) -> Page {
        let front = std::fs::read_to_string(path.with_extension("toml")).unwrap_or_default();
        let front: toml::Table = front.parse().unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let named = stem.rsplit('.').next().and_then(|last| last.parse::<StatusCode>().ok());
        let said = front
            .get("status")
            .and_then(toml::Value::as_integer)
            .and_then(|status| u16::try_from(status).ok());
        let headers = front.get("headers").and_then(toml::Value::as_table);
        let content_type =
            headers.and_then(|headers| headers.get("content-type")).and_then(toml::Value::as_str);
        let group = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        Page {
            name: format!("{group}/{stem}"),
            status: said.or(named.map(|status| status.as_u16())).unwrap_or(200),
            content_type: content_type.unwrap_or("text/html").to_owned(),
            body: std::fs::read(path).unwrap(),
        }
    }

    fn objection(&self, status: u16, copy: Option<&Look>) -> Option<String> {
        let (body, content_type, nothing) = (&self.body, &self.content_type, Character::default());
        Question { status, content_type, body, copy, is_key_page: false, character: &nothing }.objection()
    }
}

pub(super) fn pages(root: &Path) -> Vec<Page> {
    let is_page = |path: &PathBuf| path.extension().is_some_and(|e| e == "html");
    files(root)
        .iter()
        .filter(|path| is_page(path) && !path.starts_with(root.join("good")))
        .map(|path| Page::read(path))
        .collect()
}

/// What of a set of pages is not recognised, and the rates.
pub(super) struct Outcome {
    pub(super) count: usize,
    pub(super) missed: Vec<String>,
    by_looks: usize,
}

impl Outcome {
    #[track_caller]
    pub(super) fn hold(&self, at_least: f64) {
        let found = self.count - self.missed.len();
        let rate = rate(found, self.count);
        assert!(rate >= at_least, "{rate:.1}% of {}:\n{}", self.count, self.missed.join("\n"));
    }
}

fn rate(found: usize, all: usize) -> f64 {
    100.0 * found as f64 / all.max(1) as f64
}

pub(super) fn judged(title: &str, pages: &[Page]) -> Outcome {
    let copy = Look::read(COPY.as_bytes(), Some("text/html"));
    let mut groups: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    let mut result = Outcome { count: pages.len(), missed: Vec::new(), by_looks: 0 };
    for page in pages {
        let group = groups.entry(page.name.split('/').next().unwrap()).or_default();
        group.0 += 1;
        match page.objection(page.status, Some(&copy)) {
            Some(why) if !why.starts_with("perhaps") => group.1 += 1,
            said => result.missed.push(format!("{} with status {}: {said:?}", page.name, page.status)),
        }
        if page.objection(200, None).is_some() {
            (group.2, result.by_looks) = (group.2 + 1, result.by_looks + 1);
        }
    }
    for (group, (all, found, by_looks)) in groups {
        println!("{all:5} pages, {found:5} recognised, {by_looks:5} by their looks alone: {group}");
    }
    println!(
        "{title}: {} failure pages, {:.1}% recognised, {:.1}% by their looks alone",
        result.count,
        rate(result.count - result.missed.len(), result.count),
        rate(result.by_looks, result.count)
    );
    result
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The reductions that fingerprints are held by.
pub(super) fn samples() -> PathBuf {
    root().join("src/fingerprint/samples")
}

/// The pages of software itself, which the command `bad` gathers.
pub(super) fn gathered() -> PathBuf {
    root().join("target/verdict/bad/pages")
}
