//! The index: what it finds and in which order, its bounds, its damage, and that it is the same for the same pages.
#![expect(clippy::disallowed_methods, reason = "these tests spoil what is stored")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::super::*;
use super::build::Builder;
use super::*;
use crate::clock::Now;
use crate::content::search::Searchable;

/// The wall clock at so many seconds since 1970.
fn at(seconds: u64) -> Now {
    Now { mono: crate::clock::instant(), wall: UNIX_EPOCH + Duration::from_secs(seconds) }
}

struct Place {
    dir: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "shop").unwrap();
        Place { dir, store }
    }

    fn index_of(&self, id: SnapshotId) -> PathBuf {
        self.dir.path().join("snapshots/shop").join(id.to_string()).join(SEARCH)
    }

    fn take(&self, seconds: u64, forms: &SiteForms, pages: &[(&str, &str)]) -> Arc<Snapshot> {
        let staging = self.store.begin(at(seconds), "crawl").unwrap();
        for (key, body) in pages {
            let mut writer = staging.blob();
            writer.write(body.as_bytes()).unwrap();
            let body = Some(writer.finish().unwrap());
            let headers =
                vec![(HeaderName::from_static("content-type"), HeaderValue::from_static("text/html"))];
            let (taken_at, class, notes) = (at(seconds).wall, Class::Page, Notes::default());
            let page =
                Page { key: (*key).to_owned(), status: 200, headers, body, len: 0, taken_at, class, notes };
            staging.add(page).unwrap();
        }
        staging.note_forms(&serde_json::to_value(forms).unwrap());
        staging.index(forms, || true);
        staging.publish(at(seconds + 1), &serde_json::json!({})).unwrap()
    }
}

/// A shop's pages, in both languages.
const SHOP: &[(&str, &str)] = &[
    ("/", "<title>Asanagi</title><main><h1>Tea and cups</h1>Welcome to our shop in Kyoto.</main>"),
    ("/tea", "<title>Green tea</title><main><h1>Green tea</h1>Sencha from Uji.</main>"),
    ("/cups", "<title>Cups</title><main><h1>Cups</h1>For tea: green, white. Tea tastes of the cup.</main>"),
    ("/about", "<title>About</title><main>We drink tea, green or not, in our green garden.</main>"),
    ("/ja/", "<title>朝凪</title><main><h1>茶と器</h1>京都のお店です。</main>"),
    ("/ja/tea", "<title>抹茶</title><main><h1>宇治の抹茶</h1>東京駅でも、お求めいただけます。</main>"),
    ("/ja/access", "<title>アクセス</title><main>東京の店は、京駅ビルではありません。</main>"),
    ("/de", "<title>Größen</title><main>Straße und Müller.</main>"),
    ("/ko", "<title>녹차</title><main>녹차를 주문하세요.</main>"),
];

fn found(snapshot: &Snapshot, typed: &str) -> Vec<String> {
    hits(snapshot, typed).keys
}

fn hits(snapshot: &Snapshot, typed: &str) -> Hits {
    snapshot.search().unwrap().unwrap().find(&Query::read(typed), 50).unwrap()
}

#[test]
fn pages_are_found_by_their_words_the_best_first() {
    let place = Place::new();
    let snapshot = place.take(1, &SiteForms::default(), SHOP);
    for (typed, expected) in [
        ("sencha", &["/tea"][..]),
        // a title says more than any text, and many say more than one
        ("green tea", &["/tea", "/about", "/cups"]),
        ("GREEN  Ｔｅａ!", &["/tea", "/about", "/cups"]),
        ("cup", &["/cups"]),
        // what no page has as a word may be the beginning of one
        ("sen", &["/tea"]),
        ("strasse MULLER", &["/de"]),
        ("größen", &["/de"]),
        ("抹茶", &["/ja/tea"]),
        ("東京駅", &["/ja/tea", "/ja/access"]),
        ("京都", &["/ja/"]),
        ("茶", &["/ja/tea", "/ja/"]),
        ("ｱｸｾｽ", &["/ja/access"]),
        ("宇治 抹茶", &["/ja/tea"]),
        ("녹차", &["/ko"]),
        ("Kyoto の", &["/", "/ja/access", "/ja/tea", "/ja/"]),
        ("zzz", &[]),
        ("存在しない語句", &[]),
        ("", &[]),
        ("!?", &[]),
    ] {
        let mut keys = found(&snapshot, typed);
        if typed.contains("の") {
            // in part: in any order
            keys.truncate(expected.len());
            assert!(keys.iter().any(|key| key == "/"), "{keys:?}");
            continue;
        }
        assert_eq!(keys, expected, "{typed}");
    }
}

#[test]
fn where_no_page_has_all_words_those_with_half_of_them_are_found() {
    let place = Place::new();
    let snapshot = place.take(1, &SiteForms::default(), SHOP);
    let part = hits(&snapshot, "sencha zzz");
    assert_eq!((part.keys, part.total, part.is_whole), (vec!["/tea".to_owned()], 1, false));
    let whole = hits(&snapshot, "sencha uji");
    assert_eq!((whole.keys, whole.total, whole.is_whole), (vec!["/tea".to_owned()], 1, true));
    assert!(hits(&snapshot, "sencha zzz yyy").keys.is_empty());
    let limited = snapshot.search().unwrap().unwrap().find(&Query::read("tea"), 2).unwrap();
    assert_eq!((limited.keys.len(), limited.total), (2, 4));
}

#[test]
fn pairs_that_do_not_stand_together_are_told_apart() {
    let query = Query::read("東京駅 tea");
    assert!(query.is_found_as_it_stands(&["抹茶", "東京駅でも"]));
    assert!(!query.is_found_as_it_stands(&["東京", "京駅"]));
    assert!(!query.is_found_as_it_stands(&["東京の京駅"]));
    assert!(Query::read("tea 京都").is_found_as_it_stands(&["nothing"]), "a pair is what it is");
}

#[test]
fn a_query_is_bounded() {
    let place = Place::new();
    let snapshot = place.take(1, &SiteForms::default(), SHOP);
    let long = "tea ".repeat(100_000);
    assert_eq!(found(&snapshot, &long).len(), 4);
    let many: String = (0..10_000).map(|n| format!("word{n} ")).collect();
    assert!(found(&snapshot, &many).is_empty());
    assert!(found(&snapshot, &"の".repeat(10_000)).len() < 50);
}

#[test]
fn what_is_not_to_be_found_is_not_in_it() {
    let place = Place::new();
    let search = serde_json::json!({ "version": 1, "left_out": 0, "forms": [{ "path": "/", "method": "GET", "kind": "search",
        "reason": "search-field", "page": "/", "pages": 1, "fields": [{ "name": "s", "type": "search" }],
        "has_captcha": false, "tokens": [] }] });
    let forms = SiteForms::read(Some(search)).unwrap();
    let word = "<title>sencha</title><main>sencha";
    let snapshot = place.take(
        1,
        &forms,
        &[
            ("/", &format!("{word} home")),
            ("/?s=sencha", &format!("{word} results")),
            ("/hidden", &format!("<meta name=robots content=noindex>{word} hidden")),
            ("/print?of=/", &format!("<link rel=canonical href='https://www.example.jp/'>{word} print")),
            ("/lost?x=1", &format!("<link rel=canonical href=/nowhere>{word} its other name is no page")),
            ("/same/index.html", &format!("{word} twice")),
            ("/same/", &format!("{word} twice")),
            ("//cdn.example/page", &format!("{word} elsewhere")),
        ],
    );
    let mut keys = found(&snapshot, "sencha");
    keys.sort();
    assert_eq!(keys, ["/", "/lost?x=1", "/same/"]);
}

#[test]
fn the_same_pages_have_the_same_index_whatever_their_order() {
    let place = Place::new();
    let mut reversed = SHOP.to_vec();
    reversed.reverse();
    let ids = [SHOP, &reversed].map(|pages| place.take(1, &SiteForms::default(), pages).id());
    let bytes = ids.map(|id| std::fs::read(place.index_of(id)).unwrap());
    assert!(bytes[0] == bytes[1]);
}

#[test]
fn what_is_carried_over_is_found_and_a_snapshot_without_an_index_says_so() {
    let place = Place::new();
    let first = place.take(1, &SiteForms::default(), SHOP);
    let staging = place.store.begin(at(5), "crawl").unwrap();
    for page in first.pages() {
        staging.add(page.unwrap()).unwrap();
    }
    let plain = staging.publish(at(6), &serde_json::json!({})).unwrap();
    assert!(plain.search().unwrap().is_none());
    assert!(place.store.verify(&plain.id()).unwrap().is_whole());
    let staging = place.store.begin(at(7), "crawl").unwrap();
    for page in plain.pages() {
        staging.add(page.unwrap()).unwrap();
    }
    staging.index(&SiteForms::default(), || true);
    let carried = staging.publish(at(8), &serde_json::json!({})).unwrap();
    assert_eq!(found(&carried, "sencha"), ["/tea"]);
    let stopped = place.store.begin(at(9), "crawl").unwrap();
    stopped.add(carried.find("/tea").unwrap().unwrap()).unwrap();
    stopped.index(&SiteForms::default(), || false);
    assert!(stopped.publish(at(10), &serde_json::json!({})).unwrap().search().unwrap().is_none());
    let unlucky = place.store.begin(at(11), "crawl").unwrap();
    unlucky.add(carried.find("/tea").unwrap().unwrap()).unwrap();
    unlucky.index(&SiteForms::default(), || panic!("a mistake of the indexer"));
    assert!(unlucky.publish(at(12), &serde_json::json!({})).unwrap().search().unwrap().is_none());
}

#[test]
fn a_page_that_cannot_be_read_is_passed_over() {
    let place = Place::new();
    let first = place.take(1, &SiteForms::default(), SHOP);
    let staging = place.store.begin(at(5), "crawl").unwrap();
    for page in first.pages() {
        staging.add(page.unwrap()).unwrap();
    }
    let lost = first.find("/cups").unwrap().unwrap().body.unwrap();
    let blob = place.store.inner.blobs.path(&lost);
    let bytes = std::fs::read(&blob).unwrap();
    std::fs::remove_file(&blob).unwrap();
    staging.index(&SiteForms::default(), || true);
    std::fs::write(&blob, bytes).unwrap();
    let snapshot = staging.publish(at(6), &serde_json::json!({})).unwrap();
    assert_eq!(found(&snapshot, "green tea"), ["/tea", "/about"]);
    assert_eq!(snapshot.search().unwrap().unwrap().left_out(), 1);
}

fn flip(path: &std::path::Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn damage_of_each_part_is_found_and_mended() {
    let place = Place::new();
    let id = place.take(1, &SiteForms::default(), SHOP).id();
    let path = place.index_of(id);
    let whole = std::fs::read(&path).unwrap();
    assert!(place.store.verify(&id).unwrap().is_whole());
    // Each block, what fills it up included, and the table of hashes.
    for at in (0..whole.len()).step_by(511) {
        flip(&path, at);
        let report = place.store.verify(&id).unwrap();
        assert_eq!(report.damaged, 1, "byte {at}: {:?}", report.findings);
        assert!(report.findings[0].problem.contains("search index"), "{:?}", report.findings);
        let snapshot = place.store.get(&id).unwrap();
        let answer = snapshot.search().and_then(|index| index.unwrap().find(&Query::read("green tea"), 9));
        assert!(answer.is_err() || answer.unwrap().keys[0] == "/tea", "byte {at}");
        std::fs::write(&path, &whole).unwrap();
    }
    let spoiled: [&[u8]; 4] = [&whole[..whole.len() - 1], b"", &whole[..100], &[&whole[..], b"x"].concat()];
    for bytes in spoiled {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(place.store.verify(&id).unwrap().damaged, 1);
    }
    // Whole, but another snapshot's.
    let other = place.take(2, &SiteForms::default(), &SHOP[..2]);
    std::fs::copy(place.index_of(other.id()), &path).unwrap();
    assert!(place.store.get(&id).unwrap().search().is_err());
    std::fs::remove_file(&path).unwrap();
    let report = place.store.verify(&id).unwrap();
    assert_eq!(report.findings[0].problem, "the search index is missing");
    assert_eq!(place.store.trouble()[0].code(), "damaged");
    // The one in service is scrubbed.
    std::fs::remove_file(place.index_of(other.id())).unwrap();
    let mut damaged = 0;
    for _ in 0..3 {
        damaged += place.store.scrub(u64::MAX).damaged;
    }
    assert!(damaged >= 1);
    let repaired = place.store.repair(&id, at(9)).unwrap().snapshot.unwrap();
    assert_eq!(found(&repaired, "sencha"), ["/tea"]);
    assert!(std::fs::read(place.index_of(repaired.id())).unwrap() == whole);
    assert!(place.store.verify(&repaired.id()).unwrap().is_whole());
}

fn finished(builder: Builder, bytes: &mut Vec<u8>) -> [u8; super::BLOCK] {
    let head = builder.finish(|part| {
        bytes.extend_from_slice(part);
        Ok(())
    });
    head.unwrap()
}

fn built(mut builder: Builder, pages: &[(&str, &str)]) -> (Vec<u8>, Builder) {
    for (key, text) in pages {
        let page = Searchable { title: (*key).to_owned(), text: (*text).to_owned(), ..Searchable::default() };
        builder.add(key, &page);
    }
    (Vec::new(), builder)
}

#[test]
fn an_index_without_room_has_titles_and_then_nothing_more() {
    let filler: String = (0..1000).map(|n| format!("word{n} ")).collect();
    let (mut bytes, builder) =
        built(Builder::with_room(50_000), &[("alpha", &filler), ("beta", "gamma"), ("delta", "epsilon")]);
    assert_eq!((builder.pages(), builder.left_out()), (3, 0));
    let head = finished(builder, &mut bytes);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(SEARCH);
    std::fs::write(&path, [&head[..], &bytes].concat()).unwrap();
    let index = SearchIndex::open(&path, &index::seal_of(&head)).unwrap();
    let find = |typed: &str| index.find(&Query::read(typed), 9).unwrap().keys;
    assert_eq!(find("word77"), ["alpha"]);
    assert_eq!(find("delta"), ["delta"], "its title");
    assert!(find("gamma").is_empty() && find("epsilon").is_empty());
}

#[test]
fn an_empty_index_finds_nothing() {
    let place = Place::new();
    let snapshot = place.take(1, &SiteForms::default(), &[("/", "")]);
    assert!(found(&snapshot, "tea").is_empty());
    assert!(place.store.verify(&snapshot.id()).unwrap().is_whole());
}

#[test]
fn the_first_version_is_read_for_ever() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/snapshot/search/sample-v1.search");
    if std::env::var_os("UPDATE").is_some() && !std::path::Path::new(path).exists() {
        let place = Place::new();
        let id = place.take(1, &SiteForms::default(), SHOP).id();
        std::fs::copy(place.index_of(id), path).unwrap();
    }
    let mut head = [0; super::BLOCK];
    head.copy_from_slice(&std::fs::read(path).unwrap()[..super::BLOCK]);
    let index = SearchIndex::open(path.as_ref(), &index::seal_of(&head)).unwrap();
    assert_eq!(index.find(&Query::read("東京駅"), 9).unwrap().keys, ["/ja/tea", "/ja/access"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_word_of_every_page_is_found(texts in proptest::collection::vec("([a-c]{1,3} |[あ-え漢]{1,4}|[0-9]{1,2} ){0,12}", 1..12)) {
        let keys: Vec<String> = (0..texts.len()).map(|n| format!("/{n:03}")).collect();
        let pages: Vec<(&str, &str)> = keys.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
        let (mut bytes, builder) = built(Builder::new(0), &pages);
        let head = finished(builder, &mut bytes);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SEARCH);
        std::fs::write(&path, [&head[..], &bytes].concat()).unwrap();
        let index = SearchIndex::open(&path, &index::seal_of(&head)).unwrap();
        prop_assert!(index.damage().unwrap().is_empty());
        for (key, text) in &pages {
            let mut terms = Vec::new();
            crate::content::search::words(text, |term| terms.push(term.text.to_owned()));
            for term in terms {
                let hits = index.find(&Query::read(&term), 99).unwrap();
                prop_assert!(hits.keys.iter().any(|known| known == key), "{term} of {key}");
            }
        }
    }
}
