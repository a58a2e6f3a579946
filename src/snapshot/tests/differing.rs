//! What differs between two snapshots.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn changes(store: &Store, was: &Snapshot, is: &Snapshot) -> Vec<(String, &'static str)> {
    let diff = store.diff(&was.id(), &is.id()).unwrap();
    let mut found: Vec<_> = diff.map(Result::unwrap).map(|c| (c.key().to_owned(), c.code())).collect();
    found.sort();
    found
}

fn published(store: &Store, seconds: u64, pages: Vec<Page>) -> Arc<Snapshot> {
    let staging = store.begin(at(seconds), "crawl").unwrap();
    let body = put(&staging, b"body");
    for page in pages {
        staging.add(Page { body: page.body.map(|_| body), ..page }).unwrap();
    }
    staging.publish(at(seconds + 1), &serde_json::Value::Null).unwrap()
}

#[test]
fn only_what_a_visitor_notices_is_a_change() {
    let place = Place::new();
    let field = |name: &'static str, value: &'static str| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let body = Some(BlobId::of(b"body"));
    let with = |key: &str, headers: Vec<(HeaderName, HeaderValue)>| Page { headers, ..page(key, body) };
    let (html, language) = (field("content-type", "text/html"), field("content-language", "ja"));
    let (link, other) = (field("link", "</a>; rel=preload"), field("link", "</b>; rel=preload"));
    let was = published(
        &place.store,
        1,
        vec![
            with("/same", vec![html.clone()]),
            with("/taken-later", vec![html.clone()]),
            with(
                "/validators",
                vec![html.clone(), field("etag", "\"a\""), field("date", "Fri, 20 Nov 2026 01:13:34 GMT")],
            ),
            with("/order", vec![html.clone(), language.clone()]),
            with("/links", vec![link.clone(), other.clone()]),
            with("/type", vec![html.clone()]),
            with("/language", vec![html.clone()]),
            with("/status", vec![html.clone()]),
            with("/gone", vec![html.clone()]),
        ],
    );
    let later = |page: Page| Page {
        taken_at: at(999).wall,
        notes: Notes { text: Some(5), missed: 1, carried: 2 },
        ..page
    };
    let is = published(
        &place.store,
        2,
        vec![
            with("/same", vec![html.clone()]),
            later(with("/taken-later", vec![html.clone()])),
            with("/validators", vec![html.clone(), field("etag", "\"b\""), field("last-modified", "now")]),
            with("/order", vec![language.clone(), html.clone()]),
            with("/links", vec![other, link]),
            with("/type", vec![field("content-type", "text/plain")]),
            with("/language", vec![html.clone(), language]),
            Page { status: 404, ..with("/status", vec![html.clone()]) },
            Page { class: Class::Redirect, ..with("/new", vec![html]) },
        ],
    );
    let expected = [
        ("/gone", "removed"),
        ("/language", "changed"),
        ("/links", "changed"),
        ("/new", "added"),
        ("/status", "changed"),
        ("/type", "changed"),
    ];
    assert_eq!(changes(&place.store, &was, &is), expected.map(|(key, code)| (key.to_owned(), code)));
    assert_eq!(changes(&place.store, &is, &is), []);
    let absent = SnapshotId::new(at(9).wall, 9);
    assert!(matches!(place.store.diff(&absent, &is.id()), Err(ManifestError::Gone)));
}

#[test]
fn both_sides_of_a_page_are_loaded_within_a_bound() {
    let place = Place::new();
    let large = "x".repeat(5000);
    let was = take(&place.store, 1, &[("/", "was"), ("/gone", "gone"), ("/grown", "small")]).id();
    let is = take(&place.store, 2, &[("/", "is"), ("/grown", &large)]).id();
    let sides = |key: &str, most| {
        let sides = place.store.sides(key, &was, &is, most).unwrap();
        let body = |side: Option<Loaded>| side.map(|side| side.body.map(|body| body.to_vec()));
        (body(sides.was), body(sides.is))
    };
    assert_eq!(sides("/", 100), (Some(Some(b"was".to_vec())), Some(Some(b"is".to_vec()))));
    assert_eq!(sides("/gone", 100), (Some(Some(b"gone".to_vec())), None));
    assert_eq!(sides("/grown", 4999), (Some(Some(b"small".to_vec())), Some(None)));
    assert_eq!(sides("/grown", 5000).1, Some(Some(large.into_bytes())));
    assert_eq!(sides("/never", 100), (None, None));
}

#[test]
fn what_cannot_be_read_on_one_side_is_neither_added_nor_removed() {
    let place = Place::new();
    let keys: Vec<String> = (0..1000).map(|n| format!("/{n}")).collect();
    let pages = |left_out: usize| -> Vec<Page> {
        (0..1000).filter(|n| n % 100 != left_out).map(|n| page(&keys[n], None)).collect()
    };
    let was = published(&place.store, 1, pages(1)).id();
    let is = published(&place.store, 2, pages(2)).id();
    let manifest = place.manifest_of(is);
    let whole = std::fs::read(&manifest).unwrap();
    let blocks = [0, 3, 4, 7];
    let index = |block: u64| {
        let start = u64::from_le_bytes(whole[16 + 4 * 8..24 + 4 * 8].try_into().unwrap());
        start + block * 4096
    };
    for block in blocks {
        flip(&manifest, index(block) + 9);
    }
    for (a, b) in [(was, is), (is, was)] {
        let (mut damaged, mut codes) = (0, BTreeMap::new());
        for change in place.reopened().diff(&a, &b).unwrap() {
            match change {
                Ok(change) => *codes.entry(change.code()).or_insert(0) += 1,
                Err(ReadError::Damaged(Damage::Index(block))) => {
                    assert!(blocks.contains(&block));
                    damaged += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(damaged, 4);
        let most = codes.values().max().copied().unwrap_or(0);
        assert!(!codes.contains_key("changed") && most <= 10, "{codes:?}");
    }
}

fn any_site() -> impl Strategy<Value = BTreeMap<u16, u8>> {
    prop::collection::btree_map(0u16..400, 0u8..3, 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_walk_through_both_finds_what_a_comparison_finds(was in any_site(), is in any_site()) {
        let place = Place::new();
        let publish = |seconds, site: &BTreeMap<u16, u8>| {
            let pages = site.iter().map(|(n, status)| Page {
                status: 200 + u16::from(*status),
                ..page(&format!("/{n}"), None)
            });
            published(&place.store, seconds, pages.collect())
        };
        let (a, b) = (publish(1, &was), publish(2, &is));
        let mut expected: Vec<(String, &str)> = Vec::new();
        for n in 0..400 {
            let code = match (was.get(&n), is.get(&n)) {
                (Some(_), None) => "removed",
                (None, Some(_)) => "added",
                (Some(was), Some(is)) if was != is => "changed",
                _ => continue,
            };
            expected.push((format!("/{n}"), code));
        }
        expected.sort();
        prop_assert_eq!(changes(&place.store, &a, &b), expected);
    }
}
