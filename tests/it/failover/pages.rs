//! Page by page: a wrong page never reaches a visitor who could have the right one, one bad branch does not take the others
//! with it, what the site removes is removed, and the site is back when it is the site again.

use std::sync::Arc;
use std::time::Instant;

use crate::support::faults::{After, Doing, Fault, Refuse, Status};
use crate::support::fixture::{self, ASSET, SEEN, UNOPENED};
use crate::support::page::Good;
use crate::support::wire::Wire;
use crate::support::{Config, Edge, Origin, Page, eventually, ms, secs};

/// No waiting for anybody.
const AT_ONCE: std::time::Duration = ms(250);

/// One answer for everything.
struct Instead(Page);

impl Fault for Instead {
    fn answer<'a>(&'a self, wire: &'a mut Wire, _good: Good) -> Doing<'a> {
        Box::pin(async move {
            let answer = self.0.clone().render(&Default::default());
            wire.send(&[&answer.head[..], &answer.body].concat()).await?;
            Ok(After::Keep)
        })
    }
}

/// A page as hosts, panels and crashed software give it.
fn sample(name: &str) -> Page {
    let path = format!("{}/src/fingerprint/samples/{name}.html", env!("CARGO_MANIFEST_DIR"));
    Page::html(std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}")))
}

/// A page of the house with some rooms.
fn room(n: usize) -> Page {
    let text: String =
        (0..30).map(|i| format!("<p>Room {n}, window {i}: the sea, the harbour and a boat.</p>\n")).collect();
    Page::html(format!(
        "<!doctype html><html lang=\"en\"><head><title>Room {n}</title></head><body><h1>Room {n}</h1>{text}\
         <a href=\"/\">Home</a></body></html>"
    ))
}

/// A house of so many rooms with a snapshot of them all. Its origin names no length of freshness: each visit asks.
async fn house(rooms: usize) -> (Origin, Edge) {
    let origin = Origin::start().await;
    let links: String = (0..rooms).map(|n| format!("<li><a href=\"/rooms/{n}\">Room {n}</a></li>")).collect();
    let home = format!(
        "<!doctype html><html lang=\"en\"><head><title>The house</title></head><body><h1>The house</h1>\
         <p>A house by the sea, with a garden and a view from each of its rooms.</p><ul>{links}</ul></body></html>"
    );
    origin.page("/", Page::html(home));
    (0..rooms).for_each(|n| origin.page(&format!("/rooms/{n}"), room(n)));
    let edge = Edge::start(Config::before(&origin.url()).site("key_pages", ["/"])).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    (origin, edge)
}

async fn shop() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    (origin, edge)
}

#[tokio::test]
async fn a_bad_branch_comes_from_copies_at_once_and_comes_back_by_itself() {
    let (origin, edge) = shop().await;
    let page = origin.content(UNOPENED).body;
    origin.fail_under("/events", Status(500)).await;
    origin.forget();
    let begun = Instant::now();
    edge.get(UNOPENED).await.must_be(&page);
    assert_eq!(origin.visits(), 1, "somebody had to find out");
    for _ in 0..20 {
        let answer = edge.get(UNOPENED).await;
        answer.must_be(&page);
        assert!(answer.is_from_snapshot() && answer.took < AT_ONCE, "{:?}", answer.took);
    }
    assert_eq!(origin.visits(), 1, "and nobody else");
    edge.until("degraded").await;
    assert!(!edge.get(SEEN).await.is_from_snapshot(), "the rest of the site is live");
    // asked for again after a second, and after two more, less a fifth for being out of step
    eventually("two further attempts", secs(5), async || (origin.count("/events") >= 3).then_some(())).await;
    assert!(begun.elapsed() > ms(2300), "{:?}", begun.elapsed());
    assert!(origin.count("/events") <= 3);
    assert_eq!(edge.state().await, "degraded");
    origin.heal().await;
    edge.until("up").await;
    assert!(!edge.get(UNOPENED).await.is_from_snapshot());
}

#[tokio::test]
async fn a_wrong_page_gives_the_copy_at_the_very_first_request() {
    let wrong = [
        ("database", sample("database-error/wordpress-database")),
        ("database with 200", sample("database-error/sql-connection-message")),
        ("an empty page", Page::html("")),
        ("suspended", sample("suspended/cpanel-suspended")),
        ("parking", sample("parking/sedo")),
        ("a default page", sample("default-page/nginx-welcome")),
        ("another", sample("default-page/apache-debian")),
        ("a list of files", sample("directory-listing/nginx-autoindex")),
        ("a bot wall", sample("bot-wall/cloudflare-challenge")),
        ("a fatal error", sample("php-error/php-fatal")),
        ("packed", packed(sample("suspended/cpanel-suspended"))),
        ("half a page that calls itself whole", half(room(11))),
    ];
    let (origin, edge) = house(40).await;
    for n in 20..40 {
        // most of the site is well, so that it is the pages that are judged
        assert!(!edge.get(&format!("/rooms/{n}")).await.is_from_snapshot());
    }
    for (n, (name, page)) in wrong.into_iter().enumerate() {
        let path = format!("/rooms/{n}");
        let right = origin.content(&path).body;
        origin.page(&path, page);
        for time in 0..2 {
            let answer = edge.get(&path).await;
            assert!(
                answer.is_from_snapshot(),
                "{name}, {time}: {:?}\n{:.200}",
                answer.headers,
                answer.text()
            );
            answer.must_be(&right);
        }
    }
    edge.until("degraded").await;
}

/// Its first half, with the length of a half.
fn half(page: Page) -> Page {
    Page { body: page.body.slice(..page.body.len() / 2), ..page }
}

/// The same in gzip, as servers send it to whoever takes it.
fn packed(page: Page) -> Page {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, &page.body).unwrap();
    Page { body: packed.finish().unwrap().into(), ..page }.header("content-encoding", "gzip")
}

#[tokio::test]
async fn a_site_that_answers_all_with_the_same_wrong_page_is_down_until_it_is_the_site() {
    let foreign = Page::redirect(302, "http://elsewhere.test/");
    for (name, page) in [
        ("emptied", Page::not_found()),
        ("forbidden", Page::html("<title>403</title><h1>Forbidden</h1>").status(403)),
        ("gone elsewhere", foreign),
        ("it works", sample("default-page/apache-it-works")),
    ] {
        let (origin, edge) = shop().await;
        origin.fail(Instead(page)).await;
        for path in fixture::FOUR {
            let answer = edge.get(path).await;
            assert_eq!(answer.status, 200, "{name}, {path}: {:?}", answer.headers);
            assert!(answer.body == origin.content(path).body, "{name}, {path}: {}", answer.text());
        }
        edge.until("down").await;
        origin.heal().await;
        edge.until("up").await;
        assert!(!edge.get(SEEN).await.is_from_snapshot(), "{name}");
    }
}

#[tokio::test]
async fn missing_assets_of_good_pages_come_from_copies() {
    let (origin, edge) = shop().await;
    let right = origin.content(ASSET).body;
    origin.fail_under(ASSET, Instead(Page::not_found())).await;
    edge.get(ASSET).await.must_be(&right);
    assert!(!edge.get(SEEN).await.is_from_snapshot());
    edge.until("degraded").await;
}

#[tokio::test]
async fn a_removed_page_is_removed_at_once_and_stays_removed_in_an_outage() {
    let (origin, edge) = house(4).await;
    for (path, status) in [("/rooms/1", 404), ("/rooms/2", 410)] {
        origin.page(path, Page::not_found().status(status));
        let answer = edge.get(path).await;
        assert_eq!(answer.status, status, "{path}: {:?}", answer.headers);
        assert!(answer.text().contains("no such page"), "the site's own words");
    }
    assert_eq!(edge.state().await, "up");
    origin.fail(Refuse).await;
    edge.until("down").await;
    assert_eq!(edge.get("/rooms/1").await.status, 404);
    assert_eq!(edge.get("/rooms/2").await.status, 410);
    assert!(edge.get("/rooms/3").await.is_from_snapshot());
    origin.heal().await;
    origin.page("/rooms/1", room(1));
    edge.until("up").await;
    edge.get("/rooms/1").await.must_be(&room(1).body);
    origin.fail(Refuse).await;
    edge.until("down").await;
    edge.get("/rooms/1").await.must_be(&room(1).body);
}

#[tokio::test]
async fn what_was_opened_before_its_removal_is_not_brought_back_by_the_cache() {
    let (origin, edge) = house(4).await;
    let kept = |n| room(n).header("cache-control", "max-age=1");
    (0..4).for_each(|n| origin.page(&format!("/rooms/{n}"), kept(n)));
    for n in 0..4 {
        edge.get(&format!("/rooms/{n}")).await.must_be(&room(n).body);
    }
    // a branch that is ill does not keep the site from removing what it likes
    origin.page("/rooms/3", sample("database-error/sql-connection-message"));
    for (path, status) in [("/rooms/1", 404), ("/rooms/2", 410)] {
        origin.page(path, Page::not_found().status(status));
        eventually("the end of its freshness", secs(5), async || {
            (edge.get(path).await.status == status).then_some(())
        })
        .await;
    }
    eventually("a bad page", secs(5), async || {
        let answer = edge.get("/rooms/3").await;
        answer.must_be(&room(3).body);
        answer.is_copy().then_some(())
    })
    .await;
    edge.until("degraded").await;
    assert_eq!(edge.get("/rooms/1").await.status, 404);
    edge.get("/rooms/0").await.must_be(&room(0).body);
    origin.fail(Refuse).await;
    edge.until("down").await;
    assert_eq!(edge.get("/rooms/1").await.status, 404);
    assert_eq!(edge.get("/rooms/2").await.status, 410);
    edge.get("/rooms/3").await.must_be(&room(3).body);
}

#[tokio::test]
async fn a_redesign_of_all_pages_passes_at_once() {
    let (origin, edge) = house(12).await;
    let new = |n: usize| {
        let cards: String = (0..9)
            .map(|i| format!("<section><h2>部屋 {n}-{i}</h2><p>海の見える部屋です。</p></section>"))
            .collect();
        format!(
            "<!DOCTYPE html><html lang=ja><meta charset=utf-8><title>部屋{n}｜海の家</title><main>{cards}</main><footer><a href=/>ホーム</a></footer>"
        )
    };
    origin.page("/", Page::html(new(99)));
    (0..12).for_each(|n| origin.page(&format!("/rooms/{n}"), Page::html(new(n))));
    for n in 0..12 {
        edge.get(&format!("/rooms/{n}")).await.must_be(new(n).as_bytes());
    }
    assert_eq!(edge.state().await, "up");
}

#[tokio::test]
async fn a_port_that_answers_again_is_not_the_site() {
    let (origin, edge) = shop().await;
    let right = origin.content(SEEN).body;
    origin.fail(Refuse).await;
    edge.until("down").await;
    // the health path is fine: whatever is there answers everything
    origin.switch("/", Arc::new(Instead(sample("default-page/apache-it-works")))).await;
    origin.forget();
    eventually("some checks", secs(10), async || (origin.count("/health") >= 5).then_some(())).await;
    assert_eq!(edge.state().await, "down");
    edge.get(SEEN).await.must_be(&right);
    origin.heal().await;
    edge.until("up").await;
}

#[tokio::test]
async fn visitors_come_back_little_by_little_and_sessions_at_once() {
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url())
        .site("failover.recovery_ramp", "60s")
        .site("cache.bypass_cookies", ["logged_in"]);
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    origin.heal().await;
    edge.until("recovering").await;
    origin.forget();
    let began = Instant::now();
    for _ in 0..200 {
        edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    }
    // from a twentieth on, to all of them after a minute; twice as many by chance, at most
    let most = 200.0 * (0.05 + began.elapsed().as_secs_f64() / 60.0) * 2.0 + 10.0;
    let live = origin.visits();
    assert!(live as f64 <= most, "{live} of 200 visitors, {most} expected at most");
    let session = edge.client().get_with(SEEN, &[("cookie", "logged_in=x")]).await;
    assert!(!session.is_from_snapshot(), "{:?}", session.headers);
    origin.fail(Refuse).await;
    edge.until("down").await;
}

#[tokio::test]
async fn most_pages_bad_is_the_site_down_and_it_comes_back_page_by_page() {
    let (origin, edge) = house(20).await;
    origin.fail_under("/rooms", Instead(sample("database-error/sql-connection-message"))).await;
    for n in 0..10 {
        edge.get(&format!("/rooms/{n}")).await.must_be(&room(n).body);
    }
    edge.until("down").await;
    origin.forget();
    for n in 10..20 {
        edge.get(&format!("/rooms/{n}")).await.must_be(&room(n).body);
    }
    assert_eq!(origin.visits(), 0, "nobody finds out what is known");
    origin.heal().await;
    edge.until("up").await;
    assert!(!edge.get("/rooms/3").await.is_from_snapshot());
}

#[tokio::test]
async fn without_a_copy_a_wrong_page_is_no_page() {
    let (origin, edge) = shop().await;
    origin.page("/new", sample("suspended/cpanel-suspended"));
    origin.page("/newer", sample("suspended/cpanel-suspended").chunked());
    edge.get("/new").await.must_be_holding_page();
    edge.get("/newer").await.must_be_holding_page();
    assert_eq!(edge.state().await, "up", "one page that nobody knows is not the site");
}

#[tokio::test]
async fn a_wrong_page_never_takes_the_place_of_a_stored_one() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url()).site("mirror.exclude", ["/*"])).await;
    edge.until("up").await;
    let right = room(1);
    origin.page("/rooms/1", right.clone().header("cache-control", "max-age=1"));
    edge.get("/rooms/1").await.must_be(&right.body);
    origin.page("/rooms/1", sample("suspended/cpanel-suspended").header("cache-control", "max-age=60"));
    eventually("the stored one, stale", secs(5), async || {
        let answer = edge.get("/rooms/1").await;
        answer.must_be(&right.body);
        answer.is_copy().then_some(())
    })
    .await;
    edge.get("/rooms/1").await.must_be(&right.body);
}
