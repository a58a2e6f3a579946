//! The walk, over copies that are tables.

use std::collections::HashMap;
use std::time::Duration;

use http::HeaderMap;
use http::header::{CONTENT_TYPE, LOCATION};

use super::FindingKind;
use super::walk::{Copied, Copies, Itinerary, Lack, Walked, walk};
use crate::clock;

#[derive(Default)]
struct Table {
    pages: HashMap<&'static str, (u16, &'static str, &'static str)>,
    lacks: HashMap<&'static str, Lack>,
}

impl Copies for Table {
    fn find(&self, key: &str) -> Option<Copied> {
        let (status, kind, body) = self.pages.get(key)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        if status / 100 == 3 {
            headers.insert(LOCATION, body.parse().unwrap());
        }
        Some(Copied { key: key.to_owned(), status: *status, headers })
    }

    fn body(&self, copied: &Copied) -> Option<Vec<u8>> {
        Some(self.pages.get(&*copied.key)?.2.as_bytes().to_vec())
    }

    fn lack(&self, key: &str) -> Option<Lack> {
        self.lacks.get(key).cloned()
    }
}

fn walked(table: &Table, key_pages: &[&str], visited: &[(&str, u64)]) -> Walked {
    let key_pages: Vec<String> = key_pages.iter().map(|key| (*key).to_owned()).collect();
    let plan = Itinerary {
        hosts: vec!["www.example.jp"],
        ignore_query: &["utm_*".to_owned()],
        key_pages: &key_pages,
        visited: visited.iter().map(|(key, visits)| ((*key).to_owned(), *visits)).collect(),
        until: clock::instant() + Duration::from_secs(3600),
    };
    walk(&plan, table, &clock::instant)
}

fn found(walked: &Walked) -> Vec<(FindingKind, &str, Option<&str>)> {
    walked.findings.iter().map(|finding| (finding.kind, &*finding.path, finding.on.as_deref())).collect()
}

fn table(pages: &[(&'static str, (u16, &'static str, &'static str))]) -> Table {
    Table { pages: pages.iter().copied().collect(), ..Table::default() }
}

#[test]
fn holes_are_found_with_the_page_that_they_stand_on() {
    let front = "<p>Hello<a href=/a>a</a><a href='http://example.jp/gone?utm_x=1#top'>x</a><a href=//other.example/y>y</a>\
                 <img src=/there.png><img src=lost.png><link rel=stylesheet href=/s.css>\
                 <script src=https://cdn.example/j.js></script>";
    let table = table(&[
        ("/", (200, "text/html", front)),
        ("/a", (200, "text/html", "<p>A<a href=/>home</a><img src=/lost.png>")),
        ("/there.png", (200, "image/png", "x")),
        ("/s.css", (200, "text/css", "@font-face{src:url(f.woff2)} a{background:url(/there.png)}")),
    ]);
    let walked = walked(&table, &["/"], &[]);
    let expected = [
        (FindingKind::FileMissing, "/lost.png", Some("/")),
        (FindingKind::FileMissing, "/f.woff2", Some("/")),
        (FindingKind::LinkHole, "/gone", Some("/")),
        (FindingKind::Elsewhere, "cdn.example", Some("/")),
    ];
    assert_eq!(found(&walked), expected);
    assert_eq!((walked.links, walked.files), ((2, 3), (2, 4)), "links: /a, / and /gone");
    assert_eq!(walked.pages, ["/", "/a"]);
}

#[test]
fn key_pages_that_do_not_open_are_told() {
    let table = table(&[
        ("/moved", (301, "text/html", "/there")),
        ("/there", (200, "text/html", "<p>here")),
        ("/away", (302, "text/html", "https://other.example/")),
        ("/round", (302, "text/html", "/round2")),
        ("/round2", (302, "text/html", "/round")),
        ("/white", (200, "text/html", "<html><body> </body></html>")),
        ("/program", (200, "text/html", "<div id=root></div><script>run()</script>")),
        ("/error", (404, "text/html", "<p>no")),
    ]);
    let keys = ["/moved", "/away", "/round", "/white", "/program", "/error", "/nowhere"];
    let walked = walked(&table, &keys, &[]);
    let good: Vec<_> = walked.key_pages.iter().map(|page| page.is_good).collect();
    assert_eq!(good, [true, true, false, false, true, false, false]);
    let kinds: Vec<_> = found(&walked).into_iter().map(|(kind, path, _)| (kind, path.to_owned())).collect();
    let expected = [
        (FindingKind::KeyPageMissing, "/round"),
        (FindingKind::KeyPageEmpty, "/white"),
        (FindingKind::KeyPageMissing, "/error"),
        (FindingKind::KeyPageMissing, "/nowhere"),
    ];
    assert_eq!(kinds, expected.map(|(kind, path)| (kind, path.to_owned())));
}

#[test]
fn what_visitors_ask_for_counts_as_often_as_they_do() {
    let mut table =
        table(&[("/", (200, "text/html", "<p>x<a href=/dead>")), ("/b", (200, "text/html", "<p>b"))]);
    table.lacks.insert("/c", Lack::Reason("too deep".to_owned()));
    table.lacks.insert("/dead", Lack::Intended);
    table.lacks.insert("/cart", Lack::Intended);
    let walked = walked(&table, &["/"], &[("/", 500), ("/b", 70), ("/c", 20), ("/cart", 10)]);
    assert_eq!(walked.visits, (80, 100), "the key page has points of its own");
    assert_eq!(found(&walked), [(FindingKind::PageMissing, "/c", None)]);
    assert_eq!(walked.findings[0].detail.as_deref(), Some("20 visits in the last days; too deep"));
    assert_eq!(walked.links, (1, 1), "the live site has no /dead either");
}

#[test]
fn time_that_is_up_ends_the_walk() {
    let table = table(&[("/", (200, "text/html", "<p>x<a href=/a>"))]);
    let key_pages = ["/".to_owned()];
    let until = clock::instant();
    let plan =
        Itinerary { hosts: vec!["a"], ignore_query: &[], key_pages: &key_pages, visited: Vec::new(), until };
    let walked = walk(&plan, &table, &|| until);
    assert!(walked.is_cut && walked.links == (0, 0), "{walked:?}");
}
