//! A worse snapshot does not become current.

use super::*;
use crate::crawl::testing::{Answer, html, redirect, site, status};
use crate::failure::Cause;

/// Takes a good snapshot of twenty pages, then another of what the site has become.
async fn then(key_pages: &[&str], became: MemorySite) -> (Crawled, String) {
    let links: String = (0..20).map(|i| format!("<a href=/{i}>")).collect();
    let good = MemorySite::new(move |ask| match ask.target.as_str() {
        "/" => html(&links),
        "/robots.txt" | "/sitemap.xml" | "/favicon.ico" => status(404),
        _ => html("page"),
    });
    let site = site(key_pages);
    let mut crawled = crawl(&site, &good).await;
    let before = crawled.snapshot().id().to_string();
    crawled.progress = Progress::new();
    crawled.outcome =
        take(&site, &became, &crawled.store, None, &crawled.progress, clock::now()).await.expect("it ends");
    (crawled, before)
}

fn detail(crawled: &Crawled) -> String {
    match &crawled.outcome {
        Outcome::Published { .. } => String::new(),
        Outcome::Kept { broken, .. } => {
            broken.iter().map(|b| b.detail.as_str()).collect::<Vec<_>>().join("; ")
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_snapshot_replaces_the_old_one() {
    let links: String = (0..15).map(|i| format!("<a href=/{i}>")).collect();
    let (crawled, before) =
        then(&["/"], MemorySite::new(move |ask| if ask.target == "/" { html(&links) } else { html("new") }))
            .await;
    assert_eq!(crawled.broken(), [""; 0]);
    assert_ne!(crawled.snapshot().id().to_string(), before);
    assert_eq!(crawled.body("/3"), "new");
    assert_eq!(crawled.store.list().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_key_page_the_old_one_stays() {
    type Case = (fn() -> Answer, &'static str);
    let cases: [Case; 7] = [
        (|| status(404), "There is no such page (404)."),
        (|| Answer::Fails(Cause::TlsRefused), "/signup: tls-refused"),
        (|| status(500), "bad-status: status 500"),
        (|| html("mine").with("set-cookie", "auth_token=1"), "somebody who is logged in"),
        (|| redirect(302, "https://parking.example/"), "redirects to another site"),
        (|| redirect(302, "/gone"), "it redirects to /gone: There is no such page"),
        (|| html("  "), "without a single character"),
    ];
    for (became, why) in cases {
        let links: String = (0..20).map(|i| format!("<a href=/{i}>")).collect();
        let site = MemorySite::new(move |ask| match ask.target.as_str() {
            "/" => html(&links),
            "/gone" => status(404),
            "/signup" => became(),
            _ => html("page"),
        });
        let (crawled, before) = then(&["/", "/signup"], site).await;
        assert_eq!(crawled.broken(), ["key-page"], "{why}");
        assert_eq!(crawled.snapshot().id().to_string(), before);
        assert!(crawled.store.list().len() == 2 && crawled.has("/signup"));
        assert!(detail(&crawled).contains(why), "{why}: {}", detail(&crawled));
    }
}

#[tokio::test(start_paused = true)]
async fn an_emptied_site_does_not_replace_a_full_one() {
    let (crawled, before) =
        then(&["/"], MemorySite::of(&[("/", "<a href=/1>under construction</a>"), ("/1", "one")])).await;
    assert_eq!(crawled.broken(), ["shrunk", "turned"]);
    assert!(detail(&crawled).starts_with(
        "2 pages, where the current snapshot has 21; 19 of 21 good pages have turned into something else: 19 missing, /"
    ));
    assert_eq!(crawled.snapshot().id().to_string(), before);
    assert_eq!(crawled.outcome.report().counts.pages, 2);
}

#[tokio::test(start_paused = true)]
async fn a_site_that_dies_under_the_crawl_changes_nothing() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let links: String = (0..200).map(|i| format!("<a href=/{i}>")).collect();
    let became = MemorySite::new(move |ask| {
        let before = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match ask.target.as_str() {
            "/robots.txt" => status(404),
            "/" => html(&links),
            _ if before < 40 => html("page"),
            _ => Answer::Fails(Cause::Refused),
        }
    });
    let (crawled, before) = then(&["/"], became).await;
    assert_eq!(crawled.broken(), ["cut-short"]);
    assert!(
        detail(&crawled).contains("24 requests in a row failed, the last with refused"),
        "{}",
        detail(&crawled)
    );
    assert_eq!(crawled.snapshot().id().to_string(), before);
}

#[tokio::test(start_paused = true)]
async fn a_dead_site_has_no_first_snapshot() {
    let crawled =
        crawl(&site(&["/", "/signup"]), &MemorySite::new(|_| Answer::Fails(Cause::NameNotFound))).await;
    assert_eq!(crawled.broken(), ["key-page", "key-page", "empty"]);
    assert!(crawled.store.current().is_none() && crawled.store.list().is_empty());
}

#[tokio::test(start_paused = true)]
async fn old_snapshots_are_removed_beyond_what_is_kept() {
    let fetch = MemorySite::of(&[("/", "home")]);
    let mut site = site(&["/"]);
    site.mirror.keep = 2;
    let crawled = crawl(&site, &fetch).await;
    for _ in 0..3 {
        let again = take(&site, &fetch, &crawled.store, None, &Progress::new(), clock::now()).await;
        assert!(again.is_ok_and(|outcome| outcome.is_published()));
    }
    assert_eq!(crawled.store.list().len(), 2);
}
