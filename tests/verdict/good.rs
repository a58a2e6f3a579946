//! Pages of documentation and sample sites: none of them is anything else, whatever is known of the site.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS};
use katahai::content::charset;
use katahai::content::document::Document;
use katahai::verdict::{Character, Learning, Lesson, Look};

use super::bad;
use super::question::{Question, each, files};
use super::redesign::{minified, redesigned};

fn is_page(path: &Path) -> bool {
    let named = path
        .extension()
        .is_some_and(|e| ["html", "htm", "xhtml"].iter().any(|page| e.eq_ignore_ascii_case(page)));
    // a program's source is no page before the program has run
    named && !std::fs::read(path).is_ok_and(|body| body.windows(5).any(|part| part == b"<?php"))
}

/// Whether a page leads on by itself: in place of another page it is one that has moved away, and rightly doubted.
fn leads_on(html: &str) -> bool {
    html.to_ascii_lowercase().split("<meta").skip(1).any(|tag| {
        let tag = tag.split('>').next().unwrap_or_default();
        tag.contains("refresh") && tag.contains("url")
    })
}

/// What a site made of these pages teaches.
fn character(pages: &[PathBuf]) -> Character {
    let mut learning = Learning::default();
    for page in pages.iter().take(1000) {
        let body = std::fs::read(page).unwrap();
        learning.page(&Lesson::of(&Document::new(&body, Some("text/html"))));
    }
    learning.done()
}

/// Ways in which every page is asked about.
const ALWAYS: usize = 2;
/// Further ones.
pub(super) const FURTHER: usize = Way::ALL.len() - ALWAYS;

/// In what way a page comes, and what is known.
#[derive(Clone, Copy)]
enum Way {
    Unknown,
    Known,
    SiteKnown,
    InAnothersPlace,
    Anew,
    AnewUnknown,
    Smaller,
    GoneBack,
    ShiftJis,
    EucJp,
}

impl Way {
    const ALL: [Way; 10] = [
        Way::Unknown,
        Way::Known,
        Way::SiteKnown,
        Way::InAnothersPlace,
        Way::Anew,
        Way::AnewUnknown,
        Way::Smaller,
        Way::GoneBack,
        Way::ShiftJis,
        Way::EucJp,
    ];

    fn name(self) -> &'static str {
        match self {
            Way::Unknown => "nothing is known",
            Way::Known => "the page is known",
            Way::SiteKnown => "the site is known",
            Way::InAnothersPlace => "in place of quite another page",
            Way::Anew => "made anew, the old one is known",
            Way::AnewUnknown => "made anew, nothing is known",
            Way::Smaller => "smaller, the old one is known",
            Way::GoneBack => "gone back to the old one",
            Way::ShiftJis | Way::EucJp => "in an old encoding",
        }
    }
}

const UTF8: &str = "text/html; charset=utf-8";

fn ask(
    body: &[u8],
    content_type: &str,
    copy: Option<&Look>,
    is_key_page: bool,
    character: &Character,
) -> Option<String> {
    Question { status: 200, content_type, body, copy, is_key_page, character }.objection()
}

/// A page, and the site that it is of.
struct Page<'a> {
    body: &'a [u8],
    html: &'a str,
    look: Look,
    site: &'a Character,
}

impl Page<'_> {
    fn objection(&self, way: Way) -> Option<String> {
        let (own, site) = (Some(&self.look), self.site);
        let nothing = &Character::default();
        match way {
            Way::Unknown => ask(self.body, "text/html", None, false, nothing),
            Way::Known => ask(self.body, "text/html", own, true, site),
            Way::SiteKnown => ask(self.body, "text/html", None, false, site),
            Way::Anew => ask(redesigned(self.html).as_bytes(), UTF8, own, true, site),
            Way::AnewUnknown => ask(redesigned(self.html).as_bytes(), UTF8, None, false, nothing),
            Way::Smaller => ask(minified(self.html).as_bytes(), UTF8, own, true, site),
            // a page without a word in place of one that has some is what a crashed program gives; a list of files in place
            // of a page is wrong, too
            Way::InAnothersPlace
                if self.look.text > 0 && self.look.kind.is_none() && !leads_on(self.html) =>
            {
                let other = Look::read(bad::COPY.as_bytes(), Some(UTF8));
                ask(self.body, "text/html", Some(&other), false, nothing)
            }
            Way::GoneBack if self.look.text > 0 => {
                let new = Look::read(redesigned(self.html).as_bytes(), Some(UTF8));
                ask(self.body, "text/html", Some(&new), false, site)
            }
            Way::InAnothersPlace | Way::GoneBack => None,
            Way::ShiftJis => self.encoded(SHIFT_JIS),
            Way::EucJp => self.encoded(EUC_JP),
        }
    }

    /// Asked in an encoding, if it is a Japanese page that can be written in it.
    fn encoded(&self, encoding: &'static Encoding) -> Option<String> {
        if !self.html.chars().take(20_000).any(|c| ('\u{3041}'..='\u{30FF}').contains(&c)) {
            return None;
        }
        let (bytes, _, lost) = encoding.encode(self.html);
        let content_type = format!("text/html; charset={}", encoding.name());
        if lost { None } else { ask(&bytes, &content_type, Some(&self.look), true, self.site) }
    }
}

/// All that is said against one page.
fn objections(path: &Path, ways: &[Way], site: &Character) -> Vec<String> {
    let body = std::fs::read(path).unwrap();
    let html = charset::html(&body, Some("text/html")).0;
    let page = Page { body: &body, html: &html, look: Look::read(&body, Some("text/html")), site };
    let said =
        |way: &Way| page.objection(*way).map(|why| format!("{} ({}): {why}", path.display(), way.name()));
    ways.iter().filter_map(said).collect()
}

/// In which ways the nth page is asked about: in some always, and in as many further ones, from page to page in the next.
fn ways(nth: usize, further: usize) -> Vec<Way> {
    let (always, others) = Way::ALL.split_at(ALWAYS);
    always.iter().chain(others.iter().cycle().skip(nth % FURTHER).take(further)).copied().collect()
}

/// Judges the pages below a folder, each folder below it as a site of its own; how many there were, and what was said
/// against them.
pub(super) fn judged(root: &Path, further: usize) -> (usize, Vec<String>) {
    let mut sites: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for page in files(root).into_iter().filter(|path| is_page(path)) {
        let folder = page.strip_prefix(root).unwrap().parent().unwrap();
        let site = folder.iter().take(2).collect();
        sites.entry(site).or_default().push(page);
    }
    let (mut count, mut alarms) = (0, Vec::new());
    for (site, pages) in sites {
        let character = character(&pages);
        let numbered: Vec<_> = pages.iter().enumerate().collect();
        let said = each(&numbered, |(nth, page)| objections(page, &ways(*nth, further), &character));
        println!("{:6} pages, {:3} alarms: {}", pages.len(), said.len(), site.display());
        said.iter().for_each(|alarm| println!("    {alarm}"));
        count += pages.len();
        alarms.extend(said);
    }
    alarms.sort();
    (count, alarms)
}
