//! How the crawler asks, as the origin's own log shows it: patient when it is told to be, fewer at once when that makes
//! the site slow, and what matters first.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::faults::{Doing, Fault, Late};
use crate::support::page::Good;
use crate::support::wire::Wire;
use crate::support::{Config, Edge, Origin, Page, Site, eventually, ms, secs};

/// A site of so many pages, all linked from its first.
async fn brochure(pages: u32) -> Origin {
    let origin = Origin::start().await;
    let links: String = (0..pages).map(|n| format!("<a href=\"/page-{n}\">{n}</a> ")).collect();
    origin.page("/", Page::html(format!("<!doctype html><title>All</title>{links}")));
    for n in 0..pages {
        origin
            .page(&format!("/page-{n}"), Page::html(format!("<!doctype html><title>{n}</title><p>Page {n}")));
    }
    origin
}

fn config(origin: &Origin) -> Config {
    let site = Site::new().set("key_pages", ["/"]).set("failover.timeout", "10s");
    Config::new(site.origin(&origin.url()))
}

async fn crawled(origin: &Origin) -> Edge {
    let edge = Edge::start(config(origin)).await;
    eventually("a snapshot", secs(120), async || edge.snapshot_id().await).await;
    edge
}

#[tokio::test]
async fn nobody_asks_before_the_time_that_the_site_asked_for() {
    let origin = Origin::start().await;
    let asked = Arc::new(Mutex::new(Vec::<(String, Instant)>::new()));
    let log = asked.clone();
    let refused = AtomicU32::new(0);
    // All that the crawler asks for is noted; one page refuses at first.
    origin.make(move |asked| {
        if asked.target != "/health" {
            log.lock().unwrap().push((asked.target.clone(), Instant::now()));
        }
        let n: u32 = asked.target.strip_prefix("/made-")?.parse().ok()?;
        if n == 4 && refused.fetch_add(1, Ordering::SeqCst) == 0 {
            return Some(Page::new("text/plain", "too many").status(429).header("retry-after", "2"));
        }
        Some(Page::html(format!("<!doctype html><title>{n}</title><a href=\"/made-{}\">next</a>", n + 1)))
    });
    origin
        .page("/", Page::html("<!doctype html><title>x</title><a href=\"/made-0\">one after the other</a>"));
    let edge = Edge::start(config(&origin).site("mirror.max_pages", 12)).await;
    edge.until_snapshot().await;
    let asked = asked.lock().unwrap().clone();
    let at = asked.iter().position(|(target, _)| target == "/made-4").unwrap();
    assert_eq!((&*asked[at + 1].0, &*asked[at + 2].0), ("/made-4", "/made-5"));
    let waited = asked[at + 1].1 - asked[at].1;
    assert!(waited >= secs(2), "somebody asked after {waited:?}");
    assert_eq!(edge.site().await["snapshot"]["pages"], 12);
}

#[tokio::test]
async fn a_site_wide_limit_costs_no_page() {
    let origin = brochure(40).await;
    let began = Instant::now();
    let state = Mutex::new((5.0f64, Duration::ZERO));
    // A bucket of five that is filled with twenty a second; what is beyond is told to come back in a second.
    origin.fail_under("/page", Bucket { began, state }).await;
    let edge = Edge::start(config(&origin)).await;
    let pages =
        eventually("a snapshot", secs(120), async || edge.site().await["snapshot"]["pages"].as_u64()).await;
    assert_eq!(pages, 41);
    // Five in hand, one at a time, a pause after each refusal: a crawler that did not listen would be refused by the dozen.
    let most = (0..40).map(|n| origin.count(&format!("/page-{n}"))).max();
    assert!(most <= Some(4), "one page was asked for {most:?} times");
}

struct Bucket {
    began: Instant,
    state: Mutex<(f64, Duration)>,
}

impl Fault for Bucket {
    fn answer<'a>(&'a self, wire: &'a mut Wire, good: Good) -> Doing<'a> {
        let full = {
            let mut state = self.state.lock().unwrap();
            let now = self.began.elapsed();
            state.0 = (state.0 + (now - state.1).as_secs_f64() * 20.0).min(5.0);
            state.1 = now;
            let full = state.0 < 1.0;
            state.0 -= if full { 0.0 } else { 1.0 };
            full
        };
        Box::pin(async move {
            if !full {
                return good.send(wire).await;
            }
            wire.send(b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n")
                .await?;
            Ok(crate::support::faults::After::Keep)
        })
    }
}

/// A server with one worker, and worse: the more ask at once, the longer each waits.
#[derive(Default)]
struct Crowded(AtomicU32);

impl Fault for Crowded {
    fn answer<'a>(&'a self, wire: &'a mut Wire, good: Good) -> Doing<'a> {
        Box::pin(async move {
            let at_once = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::time::sleep(ms(40) * at_once * at_once).await;
            let sent: io::Result<_> = good.send(wire).await;
            self.0.fetch_sub(1, Ordering::SeqCst);
            sent
        })
    }
}

#[tokio::test]
async fn a_site_that_gets_slow_under_many_is_asked_by_few() {
    let origin = brochure(100).await;
    origin.fail_under("/page", Crowded::default()).await;
    let edge = crawled(&origin).await;
    assert!(origin.most_at_once() <= 4, "{} at once", origin.most_at_once());
    assert_eq!(edge.site().await["snapshot"]["pages"], 101);
}

#[tokio::test]
async fn a_site_that_is_merely_slow_is_asked_by_as_many_as_allowed() {
    let origin = brochure(100).await;
    origin.fail_under("/page", Late(ms(40))).await;
    crawled(&origin).await;
    assert!(origin.most_at_once() > 4, "{} at once", origin.most_at_once());
}

#[tokio::test]
async fn the_sites_own_word_about_its_pace_holds() {
    let origin = brochure(10).await;
    origin.page("/robots.txt", Page::new("text/plain", "User-agent: *\nCrawl-delay: 0.2\n"));
    crawled(&origin).await;
    assert_eq!(origin.most_at_once(), 1);
}

#[tokio::test]
async fn what_has_changed_last_comes_first() {
    let origin = brochure(12).await;
    let urls: String = (0..12)
        .map(|n| {
            format!(
                "<url><loc>http://www.example.test/page-{n}</loc><lastmod>2026-01-{:02}</lastmod></url>",
                n + 1
            )
        })
        .collect();
    origin.page("/sitemap.xml", Page::new("application/xml", format!("<urlset>{urls}</urlset>")));
    // Whatever the front page links to may be asked for before the map has come.
    origin.page("/", Page::html("<!doctype html><title>Front</title><p>Welcome to the shop</p>"));
    crawled(&origin).await;
    let pages: Vec<String> = origin
        .asked()
        .into_iter()
        .map(|asked| asked.target)
        .filter(|target| target.starts_with("/page-"))
        .collect();
    let at = |n: u32| pages.iter().position(|page| *page == format!("/page-{n}")).unwrap();
    // Neighbours may overtake each other: several are asked for at once.
    assert!((8..12).all(|new| (0..4).all(|old| at(new) < at(old))), "{pages:?}");
}

#[tokio::test]
async fn a_list_of_hundreds_of_pages_is_followed_to_its_end_and_one_without_end_is_not() {
    let origin = Origin::start().await;
    origin.page(
        "/",
        Page::html(
            "<!doctype html><title>x</title><a href=\"/blog/page/1/\">b</a><a href=\"/void/page/1/\">v</a>",
        ),
    );
    origin.make(|asked| {
        let (list, rest) = asked.target.strip_prefix('/')?.split_once("/page/")?;
        let n: u32 = rest.trim_end_matches('/').parse().ok()?;
        let word: String = n.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect();
        let next = format!("<a href=\"/{list}/page/{}/\">older</a>", n + 1);
        let page = match list {
            "blog" if n > 300 => return None,
            "blog" => format!("<h2>About {word}</h2><p>A text about {word}</p>{next}"),
            _ => format!("<h2>Nothing found</h2><p>There are no more entries.</p>{next}"),
        };
        Some(Page::html(format!("<!doctype html><title>{n}</title>{page}")))
    });
    crawled(&origin).await;
    assert_eq!(origin.count("/blog/page/300/"), 1);
    assert_eq!(origin.count("/void/page/100/"), 0);
}
