//! Sites without end come to an end.

use std::time::Duration;

use super::*;
use crate::crawl::testing::{file, html, redirect, site, status};

#[tokio::test(start_paused = true)]
async fn an_endless_calendar_ends_and_does_not_crowd_the_site_out() {
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/" => html("<a href=/calendar/2026/11/>calendar</a><a href=/p/1>articles</a>"),
        target => match target.strip_prefix("/p/").and_then(|n| n.parse::<u32>().ok()) {
            Some(n) if n < 15 => html(&format!("<a href=/p/{}>", n + 1)),
            Some(15) => html("the last"),
            Some(_) => status(404),
            None => {
                let mut steps = target.split('/').filter_map(|step| step.parse::<u32>().ok());
                let (Some(year), Some(month)) = (steps.next(), steps.next()) else { return status(404) };
                let days: String =
                    (1..=28).map(|d| format!("<a href=/calendar/{year}/{month}/{d}>{d}</a>")).collect();
                let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                html(&format!("<a href=/calendar/{year}/{month}/>next</a>{days}"))
            }
        },
    });
    let mut site = site(&["/"]);
    site.mirror.max_depth = 40;
    site.mirror.max_pages = 200;
    let crawled = crawl(&site, &fetch).await;
    // Its months are empty all alike: after some dozens it is left alone, long before the room is used up.
    let pages = crawled.snapshot().summary().pages;
    assert!((60..150).contains(&pages), "{pages}");
    assert!((1..=15).all(|n| crawled.has(&format!("/p/{n}"))));
    assert!(crawled.refused("calendar-bound") > 100 && crawled.refused("page-limit") == 0);
    assert!(fetch.asked().len() < 160, "{}", fetch.asked().len());
}

#[tokio::test(start_paused = true)]
async fn faceted_lists_session_ids_and_growing_links_are_bounded() {
    let fetch = MemorySite::new(|ask| {
        let (path, query) = ask.target.split_once('?').unwrap_or((&ask.target, ""));
        match path {
            "/" => html("<a href='/list?a=1&b=1&c=1&d=1'><a href=/grow/><a href='/s?PHPSESSID=1'>"),
            "/list" => {
                let n: u32 = query.bytes().filter(u8::is_ascii_digit).map(u32::from).sum();
                html(&format!(
                    "<a href='?a={n}&b=2&c=3&d=4'><a href='?a=1&b={n}&c=3&d=4'><a href='?{query}&e={n}'>"
                ))
            }
            "/s" => html(&format!("<a href='/s?PHPSESSID={}'>", ask.target.len() * 7919)),
            path if path.starts_with("/grow/") => html("<a href=grow/>deeper</a>"),
            _ => status(404),
        }
    });
    let mut site = site(&["/"]);
    site.mirror.max_depth = 1000;
    let crawled = crawl(&site, &fetch).await;
    assert!(fetch.asked().len() < 250, "{}", fetch.asked().len());
    assert!(crawled.refused("query-bound") > 0 && crawled.refused("repeating") == 1);
    assert_eq!(fetch.count("/s"), 1);
}

#[tokio::test(start_paused = true)]
async fn redirects_and_imports_without_end_end() {
    let fetch = MemorySite::new(|ask| {
        let number = |prefix: &str| ask.target.strip_prefix(prefix).and_then(|n| n.parse::<u32>().ok());
        match (ask.target.as_str(), number("/r/"), number("/c/")) {
            ("/", _, _) => html("<a href=/r/1><link rel=stylesheet href=/c/1><a href=/x>"),
            ("/x", _, _) => redirect(302, "/y"),
            ("/y", _, _) => redirect(302, "/x"),
            (_, Some(n), _) => redirect(302, &format!("/r/{}", n + 1)),
            (_, _, Some(n)) => file("text/css", format!("@import '/c/{}';", n + 1)),
            _ => status(404),
        }
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    assert_eq!(crawled.refused("too-many-hops"), 2);
    assert_eq!(crawled.refused("redirect-loop"), 2);
    assert!(!crawled.has("/x") && !crawled.has("/y") && fetch.asked().len() < 40);
}

#[tokio::test(start_paused = true)]
async fn depth_and_pages_are_bounded_and_documents_still_come() {
    let fetch = MemorySite::new(|ask| {
        if ask.target.ends_with(".pdf") {
            return file("application/pdf", "pdf");
        }
        let links: String = (0..10).map(|i| format!("<a href={}{i}/>", ask.target)).collect();
        html(&format!("{links}<a href=/doc{}.pdf>", ask.target.len()))
    });
    let mut site = site(&["/", "/key1", "/key2", "/key3"]);
    site.mirror.max_depth = 1;
    let crawled = crawl(&site, &fetch).await;
    assert_eq!(crawled.snapshot().summary().pages, 4 + 10 * 4);
    // Ten pages and the odd document.
    assert_eq!(crawled.refused("too-deep"), 40 * 10 + 2);

    site.mirror.max_pages = 2;
    let crawled = crawl(&site, &fetch).await;
    assert_eq!(crawled.broken(), [""; 0]);
    let keys = crawled.keys();
    assert!(
        keys.iter().filter(|key| !key.ends_with(".pdf")).all(|key| site.key_pages.contains(key)),
        "{keys:?}"
    );
    assert!(crawled.has("/doc1.pdf") && crawled.has("/doc5.pdf"));
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept() {
    let pages: String = (0..20).map(|i| format!("<a href=/{i}>")).collect();
    let fetch = MemorySite::new(move |ask| if ask.target == "/" { html(&pages) } else { html("x") });
    let mut site = site(&["/"]);
    site.mirror.rate = Some(2.0);
    let began = tokio::time::Instant::now();
    let crawled = crawl(&site, &fetch).await;
    let asked = fetch.asked().len() as u32;
    assert_eq!(crawled.progress.read().requests, u64::from(asked));
    assert_eq!(began.elapsed(), Duration::from_millis(500) * (asked - 1));
}

#[tokio::test(start_paused = true)]
async fn only_one_crawl_runs() {
    let (_dir, store) = testing::store();
    let _running = store.begin(clock::now(), "crawl").expect("nobody else");
    let ended = take(&site(&["/"]), &MemorySite::of(&[]), &store, None, &Progress::new(), clock::now()).await;
    assert!(matches!(ended, Err(CrawlError::AlreadyRunning)), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_style_sheet_with_more_addresses_than_a_site_has_files_is_read_to_a_bound() {
    let sheet = |of: &str, n: usize| {
        (0..n).map(|i| format!("a{i}{{background:url({of}{i}.png)}}")).collect::<String>()
    };
    let fetch = MemorySite::new(move |ask| match ask.target.as_str() {
        "/" => html("<link rel=stylesheet href=/huge.css><img src=/logo.png><a href=/a>"),
        "/a" => html("<img src=/a.png>"),
        "/huge.css" => file("text/css", sheet("/i", 30_000)),
        // Sheets that lead to sheets, each with as many files as one may have.
        target if target.starts_with("/i") && target.len() < 6 => {
            file("text/css", sheet(&target[..target.len() - 4], 3000))
        }
        _ => file("image/png", "x"),
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    assert_eq!(crawled.broken(), [""; 0]);
    for key in ["/a", "/a.png", "/huge.css", "/logo.png"] {
        assert!(crawled.has(key), "{key}");
    }
    assert!(fetch.asked().len() < 5200, "{}", fetch.asked().len());
    assert!(crawled.refused("requisite-limit") >= 28_000, "{}", crawled.refused("requisite-limit"));
}
