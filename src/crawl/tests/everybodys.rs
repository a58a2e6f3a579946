//! Pages that are marked as private though everybody gets them, and sites that want to see a cookie first.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;
use crate::config::ready::{MirrorPrivate, PathPattern, Route};
use crate::crawl::testing::{file, html, redirect, site, status};

const PRIVATE: (&str, &str) = ("cache-control", "max-age=0, private, must-revalidate");

fn shop() -> MemorySite {
    // counted for each address: others are asked for at the same time
    let (visits, quotes, aways) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let in_turn = |counter: &AtomicUsize| counter.fetch_add(1, Relaxed) % 2;
    MemorySite::new(move |ask| {
        let visit = visits.fetch_add(1, Relaxed);
        let private =
            |page: String| html(&page).with(PRIVATE.0, PRIVATE.1).with("set-cookie", "_shop_session=abc");
        match ask.target.as_str() {
            "/" => private(format!(
                "<meta name=csrf-token content=\"{:x}\"><a href=/teas><a href=/quote><a href=/old><a href=/away>\
                 <a href=/data.json><a href=/nostore><a href=/cart>",
                0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(visit as u64 + 3)
            )),
            "/teas" => private("<h1>Our teas</h1>".to_owned()),
            "/quote" => private(format!("<p>{}", ["He who waits", "She who dares"][in_turn(&quotes)])),
            "/cart" => private("<p>Your cart is empty".to_owned()),
            "/nostore" => html("<p>hours").with("cache-control", "no-store"),
            "/data.json" => file("application/json", "{\"tea\":1}").with(PRIVATE.0, PRIVATE.1),
            "/old" => redirect(301, "/teas").with("cache-control", "no-cache, private"),
            "/away" => redirect(302, ["/teas", "/quote"][in_turn(&aways)]).with("cache-control", "private"),
            _ => status(404),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn what_two_anonymous_visits_get_alike_is_everybodys() {
    let fetch = shop();
    let mut site = site(&["/"]);
    let crawled = crawl(&site, &fetch).await;
    assert_eq!(crawled.keys(), ["/", "/data.json", "/nostore", "/old", "/teas"]);
    assert_eq!(crawled.refused("private-varies"), 2, "{:?}", crawled.outcome.report().refusals);
    assert_eq!((crawled.progress.read().private, crawled.refused("private")), (5, 1));
    assert_eq!(crawled.header("/", "cache-control").as_deref(), Some("max-age=0, must-revalidate"));
    assert_eq!(crawled.header("/nostore", "cache-control").as_deref(), Some("no-cache"));
    assert_eq!(crawled.header("/", "set-cookie"), None);
    // Nobody brings a cookie along.
    assert!(fetch.asked().iter().all(|ask| !ask.headers.contains_key("cookie")));
    // What the snapshot in service has is the second visit.
    let asked = fetch.count("/teas");
    assert_eq!(asked, 2);
    take(&site, &fetch, &crawled.store, None, &Progress::new(), clock::now()).await.expect("a crawl");
    assert_eq!(fetch.count("/teas"), asked + 1);

    // The operator's word goes before.
    site.mirror.private = MirrorPrivate::Always;
    assert!(crawl(&site, &shop()).await.has("/quote"));
    site.mirror.private = MirrorPrivate::Never;
    assert_eq!(crawl(&site, &shop()).await.broken(), ["key-page", "empty"]);
    let pattern = |p| PathPattern::new(p).expect("a pattern");
    site.routes = vec![Route { path: pattern("/"), cache: true, mirror: Some(true), timeout: None }];
    assert_eq!(crawl(&site, &shop()).await.keys(), ["/"]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_sets_a_cookie_and_redirects_to_itself_is_asked_for_with_the_cookie() {
    let gate = |ask: &crate::crawl::FetchAsk, page: &str| {
        let cookie = ask.headers.get("cookie").map(|value| value.to_str().expect("text").to_owned());
        match cookie.as_deref() {
            Some("visited=1; lang=ja") => html(page),
            _ => redirect(302, &ask.target)
                .with("set-cookie", "visited=1; path=/")
                .with("set-cookie", "lang=ja"),
        }
    };
    let fetch = MemorySite::new(move |ask| match ask.target.as_str() {
        "/" => gate(ask, "<a href=/a><a href=/circle><a href=/bare>"),
        "/a" => gate(ask, "<p>a"),
        "/circle" => redirect(302, "/circle").with("set-cookie", "again=1"),
        "/bare" => redirect(302, "/bare"),
        _ => status(404),
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    assert_eq!(crawled.keys(), ["/", "/a"]);
    assert_eq!((crawled.body("/a").as_str(), crawled.refused("redirect-loop")), ("<p>a", 2));
    assert_eq!((fetch.count("/"), fetch.count("/circle"), fetch.count("/bare")), (2, 2, 1));
    assert_eq!(crawled.header("/", "set-cookie"), None);
}

#[tokio::test(start_paused = true)]
async fn a_detour_over_a_second_address_is_followed_with_the_cookie() {
    let fetch = MemorySite::new(|ask| {
        let cookie = ask.headers.get("cookie").map(|value| value.to_str().expect("text").to_owned());
        let knows = cookie.as_deref() == Some("seen=1");
        let sets = |to: &str| redirect(302, to).with("set-cookie", "seen=1; path=/");
        match (ask.target.as_str(), knows) {
            ("/" | "/a", false) => sets(&format!("{}?check=1", ask.target)),
            ("/?check=1", true) => redirect(302, "/"),
            ("/a?check=1", true) => redirect(302, "https://www.example.jp/a"),
            ("/?check=1" | "/a?check=1", false) => html("<p>Please switch cookies on"),
            ("/", true) => html("<a href=/a><a href=/login><a href=/round>"),
            ("/a", true) => html("<p>a"),
            ("/login", _) => sets("/form"),
            ("/form", _) => html("<p>a form"),
            // another cookie each time, and no end
            ("/round", _) => sets("/square"),
            ("/square", _) => redirect(302, "/round"),
            _ => status(404),
        }
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    assert_eq!((crawled.body("/a").as_str(), crawled.broken()), ("<p>a", vec![]));
    assert_eq!(crawled.keys(), ["/", "/a", "/form", "/login"], "those in a round are no pages");
    assert_eq!(crawled.header("/login", "location").as_deref(), Some("/form"), "that is where it leads");
    assert_eq!((fetch.count("/"), fetch.count("/?check=1"), fetch.count("/a")), (2, 1, 2));
    assert_eq!(crawled.header("/", "set-cookie"), None);
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_names_itself_means_the_site() {
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/" => html(
            "<a href=http://127.0.0.1:8080/a>a</a><a href=http://www.example.jp:8080/b>b</a>\
                     <a href=http://127.0.0.1:9090/other>other</a><a href=/docs>docs</a>",
        ),
        "/docs" => redirect(301, "http://127.0.0.1:8080/docs/"),
        "/guide" => redirect(301, "http://www.example.jp:8080/guide/"),
        "/a" | "/b" | "/docs/" | "/guide/" => html("x"),
        _ => status(404),
    });
    let crawled = crawl(&site(&["/", "/guide"]), &fetch).await;
    assert_eq!(crawled.keys(), ["/", "/a", "/b", "/docs", "/docs/", "/guide", "/guide/"]);
    // So that the copy's links lead to the site.
    let home = crawled.body("/");
    assert!(home.contains("href=/a>") && home.contains("href=/b>"), "{home}");
    assert!(home.contains("href=http://127.0.0.1:9090/other>"), "{home}");
    for (key, to) in [("/docs", "/docs/"), ("/guide", "/guide/")] {
        assert_eq!(crawled.header(key, "location").as_deref(), Some(to), "{key}");
    }
}
