//! Many pages.

use super::*;

#[test]
fn twenty_thousand_pages_are_all_found_and_nothing_else() {
    let place = Place::new();
    let made = bench::fill(&place.store, 20_000, at(1)).unwrap();
    let snapshot = place.reopened().current().unwrap();
    assert_eq!(snapshot.id(), made.id());
    for n in 0..20_000 {
        let key = bench::key(n);
        let found = snapshot.find(&key).unwrap().unwrap();
        assert_eq!(found.key, key);
        assert_eq!(found.headers[2].1, format!("\"{n:016x}\""));
    }
    for n in 20_000..30_000 {
        assert_eq!(snapshot.find(&bench::key(n)).unwrap(), None);
    }
    assert_eq!(snapshot.keys().collect::<Result<std::collections::HashSet<_>, _>>().unwrap().len(), 20_000);
    assert!(place.store.verify(&made.id()).unwrap().is_whole());
}

#[test]
fn many_new_bodies_are_published_together() {
    let place = Place::new();
    let bodies: Vec<String> = (0..700).map(|n| format!("body {n}")).collect();
    let keys: Vec<String> = (0..700).map(|n| format!("/{n}")).collect();
    let pages: Vec<(&str, &str)> = keys.iter().zip(&bodies).map(|(k, b)| (k.as_str(), b.as_str())).collect();
    let snapshot = take(&place.store, 1, &pages);
    for (key, body) in pages {
        assert_eq!(body_of(&snapshot, key), body);
    }
    assert_eq!(place.blob_files(), 700);
}
