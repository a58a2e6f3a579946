//! What visitors ask for is fetched, though nothing links to it; by the crawler itself, and within bounds.

use std::sync::Arc;
use std::time::Duration;

use super::super::testing::{self, Answer, MemorySite, html, site, status};
use super::super::{Crawler, Outcome, Progress, Seats, take};
use crate::clock;
use crate::config::ready::{PathPattern, Route, Site};
use crate::snapshot::{Snapshot, Store};
use crate::visits::Visits;

/// Visits of these paths, so often.
fn visited(paths: &[(&str, u64)]) -> Arc<Visits> {
    let visits = testing::visits();
    for (path, times) in paths {
        (0..*times).for_each(|_| visits.observe(path, clock::now().wall));
    }
    visits
}

async fn crawl(site: &Site, fetch: &MemorySite, store: &Store, visits: &Arc<Visits>) -> Arc<Snapshot> {
    let progress = Progress::new();
    let outcome = take(site, fetch, store, Some(visits), &progress, clock::now()).await.expect("it ends");
    assert!(outcome.is_published(), "{outcome:?}");
    store.current().expect("a snapshot")
}

#[tokio::test(start_paused = true)]
async fn a_page_that_nothing_links_to_is_learned_with_what_it_needs_and_stays() {
    let (_dir, store) = testing::store();
    let fetch = MemorySite::of(&[
        ("/", "<p>home"),
        ("/flyer", "<img src=flyer.png><a href=terms>terms</a>"),
        ("/flyer.png", "<p>a picture"),
        ("/terms", "<p>terms"),
    ]);
    let visits = visited(&[("/flyer", 2)]);
    // The second time the snapshot has it already, and still nothing links to it.
    for _ in 0..2 {
        let snapshot = crawl(&site(&["/"]), &fetch, &store, &visits).await;
        for key in ["/flyer", "/flyer.png", "/terms"] {
            assert!(testing::body(&snapshot, key).is_some(), "{key}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_owners_word_and_the_crawlers_judgement_hold_for_what_is_learned() {
    let (_dir, store) = testing::store();
    let mut site = site(&["/"]);
    site.mirror.exclude = vec![PathPattern::new("/excluded*").unwrap()];
    site.mirror.private = crate::config::ready::MirrorPrivate::Never;
    site.routes = vec![Route {
        path: PathPattern::new("/route*").unwrap(),
        cache: true,
        mirror: Some(false),
        timeout: None,
    }];
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/robots.txt" => testing::file("text/plain", "User-agent: *\nDisallow: /robots/"),
        "/private" => html("<p>yours").with("cache-control", "private"),
        "/gone" => status(404),
        _ => html("<p>page"),
    });
    let refused = ["/excluded", "/route", "/robots/x", "/private", "/gone", "/logout", "/a/b/a/b/a/b"];
    let visits = visited(&refused.map(|path| (path, 9)));
    visits.observe("/good", clock::now().wall);
    let snapshot = crawl(&site, &fetch, &store, &visits).await;
    assert!(testing::body(&snapshot, "/good").is_some());
    for path in refused {
        assert_eq!(testing::body(&snapshot, path), None, "{path}");
    }
    for path in ["/excluded", "/route", "/robots/x", "/logout"] {
        assert_eq!(fetch.count(path), 0, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn strangers_get_a_quarter_of_the_snapshot_at_most_and_the_most_visited_of_it() {
    let (_dir, store) = testing::store();
    let mut site = site(&["/"]);
    site.mirror.max_pages = 40;
    // Every address is answered, and the home page links to thirty.
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/" => html(&(0..30).map(|n| format!("<a href=/linked-{n}>")).collect::<String>()),
        "/robots.txt" | "/sitemap.xml" => status(404),
        _ => html("<p>page"),
    });
    let visits = testing::visits();
    (0..2).for_each(|_| visits.observe("/wanted", clock::now().wall));
    // From crawl to crawl there are other guesses.
    for round in 0..3 {
        for n in 0..100_u64 {
            visits.observe(&format!("/guess-{round}-{n}"), clock::now().wall);
            // What is linked takes no room, however often it is visited.
            (0..5).for_each(|_| visits.observe(&format!("/linked-{}", n % 30), clock::now().wall));
        }
        let snapshot = crawl(&site, &fetch, &store, &visits).await;
        let keys: Vec<String> = snapshot.keys().map(Result::unwrap).collect();
        let of = |start: &str| keys.iter().filter(|key| key.starts_with(start)).count();
        assert!(of("/linked-") >= 29, "{keys:?}");
        assert!((2..=10).contains(&(of("/guess-") + of("/wanted"))), "{round}: {keys:?}");
        assert!(keys.contains(&"/wanted".to_owned()), "{keys:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_visitors_miss_brings_the_next_snapshot_forward() {
    let (_dir, store) = testing::store();
    let fetch = Arc::new(MemorySite::of(&[("/", "<p>home"), ("/flyer", "<p>flyer")]));
    let visits = testing::visits();
    let begun = tokio::time::Instant::now();
    let site = Arc::new(site(&["/"]));
    let crawler = Crawler::start(
        site.clone(),
        fetch.clone(),
        (store.clone(), visits.clone()),
        Seats::within(u64::MAX),
        crate::crawl::Leave::always(),
    );
    fetch.asked_for("/robots.txt", 1).await;
    let first = crawler.running().expect("it runs").ended().await.expect("it ends");
    assert!(first.result.as_ref().is_ok_and(Outcome::is_published));
    // It cannot be had: one crawl tries it, and no more.
    (0..9).for_each(|_| visits.observe("/never", clock::now().wall));
    (0..9).for_each(|_| visits.observe("/flyer", clock::now().wall));
    fetch.asked_for("/never", 1).await;
    let second = crawler.running().expect("it runs").ended().await.expect("it ends");
    assert!(second.result.as_ref().is_ok_and(Outcome::is_published));
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(890) && took < Duration::from_secs(3600), "{took:?}");
    assert!(testing::body(&store.current().expect("one"), "/flyer").is_some());
    fetch.asked_for("/robots.txt", 3).await;
    assert!(begun.elapsed() >= site.mirror.every, "the third comes in its time");
}

#[tokio::test(start_paused = true)]
async fn bodies_are_the_crawlers_own() {
    let (_dir, store) = testing::store();
    let fetch = MemorySite::new(|ask| {
        assert!(ask.headers.get("cookie").is_none() && ask.headers.get("authorization").is_none());
        Answer::After(Duration::from_millis(1), Box::new(html("<p>for everybody")))
    });
    let snapshot = crawl(&site(&["/"]), &fetch, &store, &visited(&[("/flyer", 5)])).await;
    assert_eq!(testing::body(&snapshot, "/flyer").as_deref(), Some(&b"<p>for everybody"[..]));
}

#[tokio::test(start_paused = true)]
async fn the_most_visited_pages_are_fetched_first_linked_or_not() {
    let (_dir, store) = testing::store();
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/" => html(&(0..30).map(|n| format!("<a href=/{n}>")).collect::<String>()),
        "/robots.txt" | "/sitemap.xml" | "/favicon.ico" => status(404),
        _ => html("<p>page"),
    });
    // The second time, all are in the snapshot, and the order is the same.
    let visits = visited(&[("/29", 9), ("/flyer", 5), ("/17", 2)]);
    for _ in 0..2 {
        let before = fetch.asked().len();
        crawl(&site(&["/"]), &fetch, &store, &visits).await;
        let asked: Vec<String> = fetch.asked().into_iter().skip(before).map(|ask| ask.target).collect();
        let at = |target: &str| asked.iter().position(|asked| asked == target).expect(target);
        assert!(at("/29") < at("/17") && at("/17") < at("/0"), "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_found_late_makes_room_all_the_same() {
    let (_dir, store) = testing::store();
    let mut site = site(&["/"]);
    site.mirror.max_pages = 7;
    let pages = [("/", "<a href=/b>"), ("/b", "<a href=/a>"), ("/a", "<p>a"), ("/orphan", "<p>orphan")];
    let fetch = MemorySite::of(&pages);
    // There is room for one: the first is fetched for its visitors before the link to it is seen.
    let snapshot = crawl(&site, &fetch, &store, &visited(&[("/a", 9), ("/orphan", 2)])).await;
    assert!(testing::body(&snapshot, "/orphan").is_some());
}
