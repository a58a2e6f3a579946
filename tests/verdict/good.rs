//! Pages of documentation and sample sites: none of them is anything else, whatever is known of the site.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use encoding_rs::{EUC_JP, SHIFT_JIS};
use katahai::http::charset;
use katahai::verdict::{Character, Learning, Lesson, Look};

use super::redesign::{minified, redesigned};
use super::{Question, each, files};

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|e| ["html", "htm", "xhtml"].iter().any(|page| e.eq_ignore_ascii_case(page)))
}

/// What a site made of these pages teaches.
fn character(pages: &[PathBuf]) -> Character {
    let mut learning = Learning::default();
    for page in pages.iter().take(1000) {
        learning.page(&Lesson::read(&std::fs::read(page).unwrap(), Some("text/html")));
    }
    learning.done()
}

/// All that is said against one page, in every way in which it may come.
fn objections(path: &Path, character: &Character) -> Vec<String> {
    let body = std::fs::read(path).unwrap();
    let html = charset::html(&body, Some("text/html")).0.into_owned();
    let own = Look::read(&body, Some("text/html"));
    let utf8 = "text/html; charset=utf-8";
    let (new, small) = (redesigned(&html), minified(&html));
    let new_look = Look::read(new.as_bytes(), Some(utf8));
    let nothing = Character::default();
    let ask = |name: &'static str,
               body: &[u8],
               content_type: &str,
               copy: Option<&Look>,
               key,
               character: &Character| {
        let question = Question { status: 200, content_type, body, copy, is_key_page: key, character };
        question.objection().map(|why| format!("{} ({name}): {why}", path.display()))
    };
    let mut said = vec![
        ask("nothing is known", &body, "text/html", None, false, &nothing),
        ask("the site is known", &body, "text/html", None, false, character),
        ask("the page is known", &body, "text/html", Some(&own), true, character),
        ask("made anew, the old one is known", new.as_bytes(), utf8, Some(&own), true, character),
        ask("made anew, nothing is known", new.as_bytes(), utf8, None, false, &nothing),
        ask("smaller, the old one is known", small.as_bytes(), utf8, Some(&own), true, character),
    ];
    // a page without a word in place of one that has some is what a crashed program gives
    if own.text > 0 {
        said.push(ask("gone back to the old one", &body, "text/html", Some(&new_look), false, character));
    }
    if html.chars().take(20_000).any(|c| ('\u{3041}'..='\u{30FF}').contains(&c)) {
        for encoding in [SHIFT_JIS, EUC_JP] {
            let (bytes, _, lost) = encoding.encode(&html);
            let content_type = format!("text/html; charset={}", encoding.name());
            if !lost {
                said.push(ask("in an old encoding", &bytes, &content_type, Some(&own), true, character));
            }
        }
    }
    said.into_iter().flatten().collect()
}

/// Judges the pages below a folder, each folder below it as a site of its own; how many there were, and what was said
/// against them.
fn judged(root: &Path, step: usize) -> (usize, Vec<String>) {
    let mut sites: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for page in files(root).into_iter().filter(|path| is_page(path)) {
        let folder = page.strip_prefix(root).unwrap().parent().unwrap();
        let site = folder.iter().take(2).collect();
        sites.entry(site).or_default().push(page);
    }
    let (mut count, mut alarms) = (0, Vec::new());
    for (site, pages) in sites {
        let pages: Vec<PathBuf> = pages.into_iter().step_by(step).collect();
        let character = character(&pages);
        let said = each(&pages, |page| objections(page, &character));
        println!("{:6} pages, {:3} alarms: {}", pages.len(), said.len(), site.display());
        said.iter().for_each(|alarm| println!("    {alarm}"));
        count += pages.len();
        alarms.extend(said);
    }
    alarms.sort();
    (count, alarms)
}

#[test]
fn a_sample_of_real_pages_is_good() {
    let (mut count, mut alarms) = (0, Vec::new());
    for (package, step) in [("postgresql-doc-15", 1), ("apache2-doc", 1)] {
        let folder = Path::new("/usr/share/doc").join(package);
        assert!(folder.exists(), "{package} is missing: run tests/run once, it installs what the tests need");
        let (pages, said) = judged(&folder, step);
        count += pages;
        alarms.extend(said);
    }
    assert!(count >= 2000, "{count} pages");
    assert!(alarms.is_empty(), "of {count} pages:\n{}", alarms.join("\n"));
}

#[test]
#[ignore = "a command of its own: tests/verdict/good"]
fn the_gathered_pages_are_good() {
    let root = std::env::var_os("KATAHAI_GOOD_PAGES").expect("KATAHAI_GOOD_PAGES names the folder");
    let (count, alarms) = judged(Path::new(&root), 1);
    println!("{count} good pages, {} false alarms", alarms.len());
    assert!(count >= 20_000, "{count} pages are too few");
    assert!(alarms.is_empty(), "{}", alarms.join("\n"));
}
