//! Crawls that are due, asked for, restarted, and not allowed.

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::testing::{self, Answer, MemorySite};
use super::*;

#[test]
fn crawls_leave_the_visitors_their_descriptors() {
    for (limit, places) in [(0, 1), (256, 2), (1024, 8), (4096, 32), (1 << 20, 32), (u64::MAX, 32)] {
        assert_eq!(Seats::within(limit).0.available_permits(), places, "{limit}");
    }
}

#[test]
fn snapshots_are_due_by_their_age() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let (hour, ago) = (Duration::from_secs(3600), |s| Some(now - Duration::from_secs(s)));
    for (newest, failures, expected) in [
        (None, 0, 0),
        (ago(0), 0, 3600),
        (ago(600), 0, 3000),
        (ago(3600), 0, 0),
        (ago(99_999), 0, 0),
        (Some(now + hour * 9), 0, 3600),
        (None, 1, 2),
        (None, 2, 4),
        (ago(0), 1, 60),
        (ago(0), 2, 120),
        (ago(99_999), 3, 240),
        (None, 7, 128),
        (None, u32::MAX, 3600),
    ] {
        assert_eq!(pause(now, newest, hour, failures).as_secs(), expected, "{newest:?} {failures}");
    }
    assert_eq!(pause(now, ago(0), Duration::from_secs(1), 4), RETRY);
    assert_eq!(pause(now, None, Duration::from_secs(1), 4), FIRST_RETRY);
}

/// A site whose answers wait for a permit each.
fn held(permits: &Arc<Semaphore>) -> Arc<MemorySite> {
    let permits = permits.clone();
    Arc::new(MemorySite::new(move |ask| {
        let answer = if ask.target == "/" { testing::html("<p>home") } else { testing::status(404) };
        Answer::Held(permits.clone(), Box::new(answer))
    }))
}

#[tokio::test]
async fn the_first_snapshot_is_taken_at_once_and_more_when_asked() {
    let (_dir, store) = testing::store();
    let permits = Arc::new(Semaphore::new(0));
    let fetch = held(&permits);
    let crawler = Crawler::start(
        Arc::new(testing::site(&["/"])),
        fetch.clone(),
        (store.clone(), testing::visits()),
        Seats::within(u64::MAX),
        Leave::always(),
    );
    fetch.asked_for("/robots.txt", 1).await;
    let first = crawler.running().expect("it runs");
    let again = crawler.take_now().expect_err("one is running").running;
    permits.add_permits(100);
    let ended = first.ended().await.expect("it ends");
    assert!(ended.result.as_ref().is_ok_and(Outcome::is_published), "{ended:?}");
    assert!(Arc::ptr_eq(&again.ended().await.expect("the same"), &ended));
    assert_eq!(store.list().len(), 1);
    let ended = crawler.take_now().expect("nothing is running").ended().await.expect("it ends");
    assert!(ended.result.as_ref().is_ok_and(Outcome::is_published));
    assert_eq!(store.list().len(), 2);
    assert!(Arc::ptr_eq(&crawler.last_outcome().expect("there is one"), &ended));
    assert!(crawler.progress().is_none());
}

#[tokio::test]
async fn a_running_crawl_survives_a_reload_that_does_not_touch_it() {
    let (_dir, store) = testing::store();
    let permits = Arc::new(Semaphore::new(0));
    let fetch = held(&permits);
    let site = testing::site(&["/"]);
    let crawler = Crawler::start(
        Arc::new(site.clone()),
        fetch.clone(),
        (store.clone(), testing::visits()),
        Seats::within(u64::MAX),
        Leave::always(),
    );
    fetch.asked_for("/robots.txt", 1).await;
    let ticket = crawler.running().expect("it runs");
    let mut rarer = site.clone();
    rarer.mirror.every *= 2;
    rarer.health.interval *= 2;
    crawler.replace(Arc::new(rarer.clone()));
    permits.add_permits(100);
    assert!(ticket.ended().await.is_some_and(|e| e.result.is_ok()));
    assert_eq!(fetch.count("/robots.txt"), 1);

    let permits = Arc::new(Semaphore::new(0));
    let fetch = held(&permits);
    let crawler = Crawler::start(
        Arc::new(rarer.clone()),
        fetch.clone(),
        (store.clone(), testing::visits()),
        Seats::within(u64::MAX),
        Leave::always(),
    );
    let ticket = crawler.take_now().expect("the newest is fresh");
    fetch.asked_for("/robots.txt", 1).await;
    rarer.mirror.max_pages = 7;
    crawler.replace(Arc::new(rarer));
    fetch.asked_for("/robots.txt", 2).await;
    permits.add_permits(100);
    assert!(ticket.ended().await.is_some_and(|e| e.result.as_ref().is_ok_and(Outcome::is_published)));
    assert_eq!(fetch.count("/robots.txt"), 2);
}

#[tokio::test]
async fn a_reload_that_leaves_the_site_as_it_is_wakes_nobody() {
    let (_dir, store) = testing::store();
    let fetch = held(&Arc::new(Semaphore::new(0)));
    let site = testing::site(&["/"]);
    let first = Arc::new(site.clone());
    let crawler =
        Crawler::start(first, fetch, (store, testing::visits()), Seats::within(u64::MAX), Leave::always());
    let mut changes = crawler.shared.site.subscribe();
    crawler.replace(Arc::new(site.clone()));
    assert!(!changes.has_changed().unwrap());
    let mut rarer = site;
    rarer.mirror.every *= 2;
    crawler.replace(Arc::new(rarer));
    assert!(changes.has_changed().unwrap() && changes.borrow_and_update().mirror.every > Duration::ZERO);
}

#[tokio::test]
async fn without_leave_nothing_is_taken_but_what_somebody_asks_for() {
    let (_dir, store) = testing::store();
    let permits = Arc::new(Semaphore::new(1000));
    let fetch = held(&permits);
    let given = Arc::new(AtomicBool::new(false));
    let (word, words) = watch::channel(());
    let look = given.clone();
    let leave = Leave::new(Arc::new(move |_| look.load(Ordering::Relaxed)), words);
    let crawler = Crawler::start(
        Arc::new(testing::site(&["/"])),
        fetch.clone(),
        (store.clone(), testing::visits()),
        Seats::within(u64::MAX),
        leave,
    );
    let ended = crawler.take_now().expect("nothing is running").ended().await.expect("it ends");
    assert!(ended.result.as_ref().is_ok_and(Outcome::is_published));
    assert_eq!(crawler.tally().published, 1, "that one alone");
    drop(crawler);
    let (_other, empty) = testing::store();
    let look = given.clone();
    let leave = Leave::new(Arc::new(move |bare| bare && look.load(Ordering::Relaxed)), word.subscribe());
    let site = Arc::new(testing::site(&["/"]));
    let before = fetch.count("/robots.txt");
    let parts = (empty, testing::visits());
    let _crawler = Crawler::start(site, fetch.clone(), parts, Seats::within(u64::MAX), leave);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fetch.count("/robots.txt"), before);
    given.store(true, Ordering::Relaxed);
    word.send_replace(());
    fetch.asked_for("/robots.txt", before + 1).await;
}

#[tokio::test]
async fn a_dropped_crawler_ends_its_crawl_and_leaves_it_to_the_next() {
    let (dir, store) = testing::store();
    let permits = Arc::new(Semaphore::new(0));
    let fetch = held(&permits);
    let crawler = Crawler::start(
        Arc::new(testing::site(&["/"])),
        fetch.clone(),
        (store.clone(), testing::visits()),
        Seats::within(u64::MAX),
        Leave::always(),
    );
    fetch.asked_for("/robots.txt", 1).await;
    let ticket = crawler.running().expect("it runs");
    drop(crawler);
    assert!(ticket.ended().await.is_none());
    assert_eq!(testing::staged(dir.path()), 1);
    drop(store.begin(clock::now(), "crawl").expect("the lock is free"));
    assert_eq!(testing::staged(dir.path()), 0);
}
