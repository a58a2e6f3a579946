//! A crawl that is interrupted is resumed, as if nothing had been.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::*;
use crate::crawl::testing::{Answer, file, html, redirect, site, status};
use crate::snapshot::SnapshotId;

/// Two hundred pages, each leading to the next three, with pictures and redirects; each answer takes a permit.
fn chained(permits: &Arc<Semaphore>) -> MemorySite {
    let permits = permits.clone();
    MemorySite::new(move |ask| {
        let number = |prefix: &str| ask.target.strip_prefix(prefix).and_then(|n| n.parse::<u32>().ok());
        let answer = match (ask.target.as_str(), number("/p/"), number("/r/"), number("/i/")) {
            ("/", ..) => html("<a href=/p/1>"),
            (_, Some(n), ..) if n <= 200 => html(&format!(
                "<a href=/p/{}><a href=/p/{}><a href=/r/{}><img src=/i/{n}>Page {n}",
                n + 1,
                n + 2,
                n + 3
            )),
            (_, _, Some(n), _) if n <= 200 => redirect(301, &format!("/p/{n}")),
            (_, _, _, Some(_)) => file("image/png", ask.target.clone()),
            _ => status(404),
        };
        Answer::Held(permits.clone(), Box::new(answer))
    })
}

fn deep() -> Site {
    let mut site = site(&["/"]);
    site.mirror.max_depth = 1000;
    site
}

/// Runs a crawl until the site has answered so many times and nothing goes on, and drops it then.
async fn interrupted(site: &Site, store: &Store, answers: usize) -> MemorySite {
    let permits = Arc::new(Semaphore::new(answers));
    let fetch = chained(&permits);
    let progress = Progress::new();
    let crawl = take(site, &fetch, store, None, &progress, clock::now());
    // The clock stands still as long as something goes on.
    until_still(crawl).await;
    assert_eq!(permits.available_permits(), 0);
    fetch
}

async fn until_still(crawl: impl Future<Output = Result<Outcome, CrawlError>>) {
    let crawl = std::pin::pin!(crawl);
    assert!(tokio::time::timeout(Duration::from_secs(5), crawl).await.is_err(), "it waits for an answer");
}

fn counts(fetch: &MemorySite) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    fetch.asked().into_iter().for_each(|ask| *counts.entry(ask.target).or_default() += 1);
    counts
}

fn kept(store: &Store, id: Option<SnapshotId>) -> BTreeMap<String, (u16, Option<Vec<u8>>)> {
    let snapshot = id.and_then(|id| store.get(&id)).or_else(|| store.current()).expect("a snapshot");
    let pages = snapshot.pages().map(|page| page.expect("readable"));
    pages.map(|page| (page.key.clone(), (page.status, testing::body(&snapshot, &page.key)))).collect()
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_crawl_asks_only_for_the_rest() {
    let site = deep();
    let whole = crawl(&site, &chained(&Arc::new(Semaphore::new(10_000)))).await;
    let (dir, store) = testing::store();
    let first = interrupted(&site, &store, 300).await;
    assert_eq!(testing::staged(dir.path()), 1);
    // A process that has just been started.
    drop(store);
    let store = Store::open(dir.path(), "shop").expect("a store");
    let fetch = chained(&Arc::new(Semaphore::new(10_000)));
    let progress = Progress::new();
    let outcome = take(&site, &fetch, &store, None, &progress, clock::now()).await.expect("it ends");
    assert!(outcome.is_published(), "{outcome:?}");
    assert_eq!(kept(&store, None), kept(&whole.store, None));
    let (before, after) = (counts(&first), counts(&fetch));
    let twice: Vec<&String> = before.keys().filter(|key| after.contains_key(*key)).collect();
    // Those that were under way or read, and what was refused: the files that every site may have.
    assert!(twice.len() <= 32, "{twice:?}");
    let asked: BTreeSet<&String> = before.keys().chain(after.keys()).filter(|key| is_there(key)).collect();
    let wanted = all_of(&site).await;
    assert_eq!(asked, wanted.iter().filter(|key| is_there(key)).collect());
    let report = outcome.report();
    let resumed = report.resumed.clone().expect("it says so");
    assert_eq!(resumed.files, progress.read().recalled);
    assert!(resumed.files >= 280 && resumed.since > 0, "{resumed:?}");
    assert_eq!((report.counts.pages, report.counts.redirects), (201, 197));
    assert_eq!(testing::staged(dir.path()), 0);
}

async fn all_of(site: &Site) -> BTreeSet<String> {
    let fetch = chained(&Arc::new(Semaphore::new(10_000)));
    crawl(site, &fetch).await;
    counts(&fetch).into_keys().collect()
}

/// Whether the chain has it. How many of the addresses behind its end are tried depends on what is under way when the
/// first of them turns out to be missing.
fn is_there(target: &str) -> bool {
    let number = target.rsplit('/').next().and_then(|last| last.parse::<u32>().ok());
    number.is_none_or(|n| n <= 200)
}

#[tokio::test(start_paused = true)]
async fn it_may_be_interrupted_again_and_again() {
    let site = deep();
    let (dir, store) = testing::store();
    for _ in 0..3 {
        interrupted(&site, &store, 100).await;
        assert_eq!(testing::staged(dir.path()), 1);
    }
    let fetch = chained(&Arc::new(Semaphore::new(10_000)));
    let outcome = take(&site, &fetch, &store, None, &Progress::new(), clock::now()).await.expect("it ends");
    assert!(outcome.is_published());
    assert_eq!(outcome.report().counts.pages, 201);
    assert!(fetch.asked().len() < 400, "{}", fetch.asked().len());
}

#[tokio::test(start_paused = true)]
async fn another_course_begins_anew() {
    let mut site = deep();
    let (dir, store) = testing::store();
    interrupted(&site, &store, 100).await;
    site.mirror.exclude = vec![crate::config::ready::PathPattern::new("/i/*").expect("a pattern")];
    let fetch = chained(&Arc::new(Semaphore::new(10_000)));
    let outcome = take(&site, &fetch, &store, None, &Progress::new(), clock::now()).await.expect("it ends");
    assert!(outcome.is_published() && outcome.report().resumed.is_none());
    assert_eq!((fetch.count("/"), testing::staged(dir.path())), (1, 0));
    assert!(!kept(&store, None).contains_key("/i/1"));
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_or_failed_is_asked_for_again() {
    let site = site(&["/"]);
    let (_dir, store) = testing::store();
    let permits = Arc::new(Semaphore::new(0));
    let of = |missing: bool| {
        let permits = permits.clone();
        MemorySite::new(move |ask| match ask.target.as_str() {
            "/" => html("<a href=/a><a href=/b><a href=/slow>"),
            "/a" | "/b" if missing => status(404),
            "/slow" if missing => Answer::Held(permits.clone(), Box::new(html("slow"))),
            "/a" | "/b" | "/slow" => html(&ask.target),
            _ => status(404),
        })
    };
    let (first, progress) = (of(true), Progress::new());
    until_still(take(&site, &first, &store, None, &progress, clock::now())).await;
    let second = of(false);
    let outcome = take(&site, &second, &store, None, &Progress::new(), clock::now()).await.expect("it ends");
    assert!(outcome.is_published());
    assert_eq!(kept(&store, None).len(), 4);
    assert_eq!((second.count("/"), second.count("/a"), second.count("/slow")), (0, 1, 1));
    assert!(outcome.report().broken_links.is_empty());
}

#[tokio::test(start_paused = true)]
async fn pages_of_one_kind_are_news_after_an_interruption_too() {
    let site = site(&["/"]);
    let of = |permits: &Arc<Semaphore>| {
        let permits = permits.clone();
        let links: String = (0..400).map(|n| format!("<a href=/article/{n}>")).collect();
        MemorySite::new(move |ask| {
            let n = ask.target.strip_prefix("/article/").and_then(|n| n.parse().ok());
            let answer = match (ask.target.as_str(), n) {
                ("/", _) => html(&links),
                (_, Some(n)) => {
                    let mut random = fastrand::Rng::with_seed(n);
                    let words: Vec<String> =
                        (0..200).map(|_| (0..6).map(|_| random.lowercase()).collect()).collect();
                    html(&format!("<p>{}</p>", words.join("</p><p>")))
                }
                _ => status(404),
            };
            Answer::Held(permits.clone(), Box::new(answer))
        })
    };
    let (_dir, store) = testing::store();
    let (permits, progress) = (Arc::new(Semaphore::new(250)), Progress::new());
    let first = of(&permits);
    until_still(take(&site, &first, &store, None, &progress, clock::now())).await;
    let second = of(&Arc::new(Semaphore::new(10_000)));
    let outcome = take(&site, &second, &store, None, &Progress::new(), clock::now()).await.expect("it ends");
    assert_eq!((outcome.is_published(), outcome.report().counts.pages), (true, 401));
}
