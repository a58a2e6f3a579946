//! The list as a whole: many visitors at once, and what the disk remembers.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(20_000 * 86_400 + 12 * 3600)
}

fn address(n: u8) -> IpAddr {
    [192, 0, 2, n].into()
}

fn list(visits: &Visits, now: SystemTime) -> Vec<(String, u64)> {
    visits.popular(now, usize::MAX)
}

fn open(dir: &tempfile::TempDir) -> Visits {
    Visits::open(dir.path(), "shop")
}

#[test]
fn what_several_visitors_asked_for_is_remembered_and_one_visitors_hurry_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let visits = open(&dir);
    for _ in 0..5 {
        visits.observe_from("/once", Got::Page, address(1), noon());
        visits.observe_from("/tried", Got::Unchanged, address(2), noon());
    }
    for n in 1..=5 {
        visits.observe_from("/flyer", Got::Page, address(n), noon());
    }
    visits.observe_from("/flyer", Got::Unchanged, address(2), noon());
    assert_eq!(list(&visits, noon()), [("/flyer".to_owned(), 6)]);
    let coverage = visits.coverage(|_| false, noon());
    assert_eq!((coverage.requests, coverage.others, coverage.share), (6, 5, Some(0.0)));
}

#[test]
fn what_is_new_is_told_from_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let visits = open(&dir);
    visits.observe("/old", noon());
    visits.save(noon()).unwrap();
    let visits = open(&dir);
    assert_eq!(visits.popular_since(0, noon()), [("/old".to_owned(), 1)]);
    let mark = visits.learned();
    visits.observe("/old", noon());
    assert_eq!((visits.learned(), visits.popular_since(mark, noon())), (mark, Vec::new()));
    visits.observe("/new", noon());
    assert_eq!(
        (visits.learned(), visits.popular_since(mark, noon())),
        (mark + 1, vec![("/new".to_owned(), 1)])
    );
}

#[test]
fn only_queries_that_the_snapshot_has_are_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let visits = open(&dir);
    let ask = |key: &str| {
        (1..=5).for_each(|n| visits.observe_from(key, Got::Page, address(n), noon()));
    };
    ask("/list");
    assert!(!visits.wants_queries());
    ask("/list?page=2");
    assert!(visits.wants_queries());
    visits.know_queries(["/list?page=1&sort=a", "/list?page=1", "/"].map(str::to_owned).into_iter());
    for key in ["/list?page=3", "/list?sort=b&page=2", "/list?q=me", "/other?page=1", "/list?page=1&q=me"] {
        ask(key);
    }
    let keys: Vec<String> = list(&visits, noon()).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["/list", "/list?page=3", "/list?sort=b&page=2"]);
}

#[test]
fn strangers_who_guess_do_not_fill_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let visits = open(&dir);
    visits.observe("/real", noon());
    for n in 0..100_000 {
        visits.observe_from(&format!("/guess-{n}"), Got::Page, address(1), noon());
    }
    assert_eq!(list(&visits, noon()), [("/real".to_owned(), 1)]);
    // Two who work together get it full, and no fuller.
    let small = Visits::empty(dir.path().join("small"), "small", 16 * SHARDS);
    for n in 0..100_000 {
        small.observe(&format!("/guess-{n}"), noon());
    }
    assert!(list(&small, noon()).len() <= 16 * SHARDS);
    assert_eq!(small.coverage(|_| true, noon()).others + list(&small, noon()).len() as u64, 100_000);
}

#[test]
fn the_disk_remembers_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let visits = open(&dir);
    assert!(!visits.is_changed());
    visits.save(noon()).unwrap();
    assert!(!dir.path().join("visits").exists(), "nothing to say");
    for n in 0..200 {
        visits.observe(&format!("/{}", n % 40), noon() - Duration::from_secs(86_400));
    }
    for n in 0..200 {
        visits.observe_from("/menu.pdf", Got::Document, address(n), noon());
        visits.observe_from(&format!("/once-{n}"), Got::Page, address(1), noon());
    }
    assert!(visits.is_changed());
    visits.save(noon()).unwrap();
    assert!(!visits.is_changed());
    let again = open(&dir);
    assert_eq!(again.week(noon(), 0).newest, visits.week(noon(), 0).newest);
    assert_eq!(list(&again, noon()), list(&visits, noon()));
    assert_eq!(again.coverage(|_| true, noon()), visits.coverage(|_| true, noon()));
    assert_eq!(again.coverage(|_| true, noon()).others, 200);
    // Seven days after the last visit of a page, only what came later is left.
    let later = noon() + Duration::from_secs(6 * 86_400);
    assert_eq!(list(&open(&dir), later), [("/menu.pdf".to_owned(), 200)]);
}

#[test]
fn a_list_that_cannot_be_read_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("visits/shop");
    let visits = open(&dir);
    visits.observe("/a", noon());
    visits.save(noon()).unwrap();
    let good = std::fs::read(&file).unwrap();
    for bad in [&b""[..], b"katahai visits 3\nanything", &good[..good.len() / 2], &[0xFF; 64]] {
        disk::write_atomic(&file, bad).unwrap();
        let visits = open(&dir);
        assert!(list(&visits, noon()).is_empty());
        visits.observe("/b", noon());
        visits.save(noon()).unwrap();
        assert_eq!(list(&open(&dir), noon()), [("/b".to_owned(), 1)]);
    }
}

#[test]
fn a_state_directory_that_cannot_be_used_costs_the_memory_only() {
    let dir = tempfile::tempdir().unwrap();
    disk::write_atomic(&dir.path().join("visits"), b"in the way").unwrap();
    let visits = open(&dir);
    visits.observe("/a", noon());
    assert!(visits.save(noon()).is_err());
    assert!(visits.is_changed(), "to be tried again");
    assert_eq!(list(&visits, noon()).len(), 1);
}

#[test]
fn many_at_once_lose_nothing_while_nobody_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let visits = open(&dir);
    let paths: Vec<String> = (0..50).map(|n| format!("/{n}")).collect();
    paths.iter().for_each(|path| visits.observe(path, noon()));
    let times = 500;
    std::thread::scope(|scope| {
        for n in 0..4 {
            let (visits, paths) = (&visits, &paths);
            scope.spawn(move || {
                let ask = |path: &String| visits.observe_from(path, Got::Page, address(n), noon());
                (0..times).for_each(|_| paths.iter().for_each(ask));
            });
        }
        scope.spawn(|| (0..20).for_each(|_| visits.save(noon()).unwrap()));
    });
    assert!(list(&visits, noon()).iter().all(|(_, n)| *n == 1 + 4 * times), "{:?}", list(&visits, noon()));
}

#[test]
fn many_at_once_never_count_above_the_truth() {
    let dir = tempfile::tempdir().unwrap();
    let visits = Visits::empty(dir.path().join("shop"), "shop", 2 * SHARDS);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let visits = &visits;
            scope.spawn(move || (0..5_000).for_each(|i| visits.observe(&format!("/{}", i % 100), noon())));
        }
    });
    let coverage = visits.coverage(|_| true, noon());
    assert!(coverage.requests + coverage.others <= 20_000, "{coverage:?}");
    assert!(list(&visits, noon()).iter().all(|(_, n)| *n <= 200));
}

#[test]
fn links_in_one_persons_mail_are_not_learned_and_files_of_a_build_are() {
    let dir = tempfile::tempdir().unwrap();
    let visits = open(&dir);
    let (page, chunk) = ("/confirm/7f3k", "/assets/cart.550e8400-e29b-41d4-a716-446655440000.js");
    let data = "/api/users/550e8400-e29b-41d4-a716-446655440000.json";
    for n in 1..=9 {
        visits.observe_from(page, Got::Page, address(n), noon());
        visits.observe_from(chunk, Got::Requisite, address(n), noon());
        visits.observe_from(data, Got::Data, address(n), noon());
        visits.observe_from("/api/menu.json", Got::Data, address(n), noon());
    }
    // Opened by a person and by the scanner of the mail, today and tomorrow.
    for hours in 0..30 {
        let now = noon() + Duration::from_secs(hours * 3600);
        visits.observe_from("/hello-dear-anna", Got::Page, address(1 + (hours % 2) as u8), now);
    }
    let later = noon() + Duration::from_secs(30 * 3600);
    assert_eq!(visits.requisites(later, 9), ["/api/menu.json", chunk]);
    assert_eq!((list(&visits, later), visits.popular_since(0, later)), (Vec::new(), Vec::new()));
    assert_eq!(visits.coverage(|_| false, later).requests, 0, "files are no pages");
    visits.save(later).unwrap();
    assert_eq!(open(&dir).requisites(later, 1), ["/api/menu.json"]);
}
