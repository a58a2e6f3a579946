//! Who sends or reads slowly costs himself, and neither the others nor the origin's good name.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::protocol::visitor_against_visitor::without_a_window;
use crate::support::faults::{After, Doing, Fault, WriteTimeout};
use crate::support::fixture::{self, SIGNUP};
use crate::support::page::Good;
use crate::support::raw::{Raw, status};
use crate::support::wire::Wire;
use crate::support::{Config, Edge, Origin, Page, eventually, secs};

const FILM: u64 = 64 << 20;
const SEATS: u32 = 8;

fn before(origin: &Origin) -> Config {
    Config::before(&origin.url())
        .set("limits.in_flight_per_origin", SEATS)
        .set("listen.trusted_proxies", ["127.0.0.0/8"])
}

/// A request of one of many clients that nobody else shares.
async fn ask(edge: &Edge, target: &str, client: u32) -> Raw {
    let mut raw = Raw::connect(edge.http()).await;
    raw.send(format!(
        "GET {target} HTTP/1.1\r\nHost: www.example.test\r\nX-Forwarded-For: 192.0.2.{client}\r\nCookie: a=b\r\n\r\n"
    ))
    .await;
    raw
}

#[tokio::test]
async fn who_does_not_read_keeps_no_seat() {
    let origin = fixture::shop().await;
    origin.page("/film", Page::streamed(FILM).header("cache-control", "no-store"));
    origin.page("/live", Page::streamed(FILM).header("cache-control", "no-store").chunked());
    let edge = Edge::start(before(&origin).site("failover.timeout", "20s")).await;
    let mut unread = Vec::new();
    for n in 0..2 * SEATS {
        let mut raw = ask(&edge, ["/film", "/live"][n as usize % 2], n / 2).await;
        assert_eq!(status(&raw.head(secs(10)).await), 200, "those who come after others that do not read");
        unread.push(raw);
    }
    for n in 100..100 + 2 * SEATS {
        assert_eq!(status(&ask(&edge, "/unseen", n).await.head(secs(10)).await), 404);
    }
    for raw in &mut unread {
        assert!(raw.swallow(FILM).await >= FILM, "and whoever reads on gets all of it");
    }
    assert_eq!(status(&ask(&edge, "/unseen", 200).await.head(secs(10)).await), 404);
}

#[tokio::test]
async fn an_origin_that_gives_up_on_who_does_not_read_has_done_nothing_wrong() {
    let origin = fixture::shop().await;
    origin.page("/film", Page::streamed(1 << 40).header("cache-control", "no-store"));
    origin.fail_under("/film", WriteTimeout).await;
    let edge = Edge::start(before(&origin)).await;
    edge.until("up").await;
    let mut raw = ask(&edge, "/film", 1).await;
    raw.head(secs(10)).await;
    eventually("the origin gives up", secs(30), async || {
        (origin.asked_for("/film").len() == 1).then_some(())
    })
    .await;
    // what lies in the buffers is still to be read, and then comes the end
    tokio::time::sleep(secs(4)).await;
    assert!(raw.swallow(1 << 40).await < 1 << 40);
    drop(raw);
    let line = eventually("the line of the log", secs(10), async || {
        edge.log().into_iter().find(|line| line.contains("/film HTTP/1.1\"") && line.contains(" 200 "))
    })
    .await;
    assert!(line.ends_with("visitor-gone"), "{line}");
    assert_eq!(edge.state().await, "up");
}

#[tokio::test]
async fn who_wants_the_same_does_not_wait_for_a_slow_reader() {
    let origin = fixture::shop().await;
    let book = Page::new("application/pdf", fixture::noise(4 << 20, 7)).header("cache-control", "max-age=60");
    origin.page("/book.pdf", book.clone());
    let edge = Edge::start(before(&origin).site("failover.timeout", "30s")).await;
    edge.until("up").await;
    let mut slow = without_a_window(&edge).await;
    let request = http::Request::get("http://www.example.test/book.pdf");
    let unread = slow.send_request(request.body(http_body_util::Full::default()).unwrap()).await.unwrap();
    let others: Vec<_> = (0..8)
        .map(|_| {
            let client = edge.client().patience(secs(15));
            tokio::spawn(async move { client.get("/book.pdf").await })
        })
        .collect();
    for other in others {
        other.await.unwrap().must_be(&book.body);
    }
    let asked = origin.asked_for("/book.pdf");
    assert_eq!(asked.len(), 2, "once for him, and once for all others: {asked:?}");
    drop(unread);
}

/// Beginning with what is beyond memory, where there is no room on the disk.
async fn an_upload_without_room() -> (Origin, Edge, Raw) {
    let origin = fixture::shop().await;
    let edge = Edge::start(before(&origin).site("failover.timeout", "2s")).await;
    edge.until("up").await;
    let tmp = edge.state_dir().join("tmp");
    _ = std::fs::remove_dir_all(&tmp);
    std::fs::write(tmp, "no folder").unwrap();
    let mut raw = Raw::connect(edge.http()).await;
    raw.send(format!(
        "POST {SIGNUP} HTTP/1.1\r\nHost: www.example.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    raw.send(format!("20000\r\n{}\r\n", "b".repeat(0x20000))).await;
    (origin, edge, raw)
}

#[tokio::test]
async fn an_upload_without_room_may_pause() {
    let (origin, edge, mut raw) = an_upload_without_room().await;
    tokio::time::sleep(secs(5)).await; // longer than the origin has for its answer
    raw.send("0\r\n\r\n").await;
    assert_eq!(status(&raw.head(secs(10)).await), 200);
    assert_eq!(origin.posted(SIGNUP).await.body_len, 0x20000);
    assert_eq!(edge.state().await, "up");
}

#[tokio::test]
async fn an_upload_without_room_that_trickles_is_told_so() {
    let (_origin, edge, mut raw) = an_upload_without_room().await;
    let begun = std::time::Instant::now();
    let head = loop {
        raw.send("1\r\na\r\n").await;
        let (text, _) = raw.until_end(secs(1)).await;
        if !text.is_empty() {
            break text;
        }
        assert!(begun.elapsed() < secs(60), "he holds a seat for ever");
    };
    assert_eq!(status(&head), 408, "{head}");
    assert_eq!(edge.state().await, "up");
    assert!(!edge.log().iter().any(|line| line.contains("silent")), "the origin is not to blame");
}

/// All but the last byte, a word to the test, and then silence.
struct NeverEnds(Arc<Semaphore>);

impl Fault for NeverEnds {
    fn answer<'a>(&'a self, wire: &'a mut Wire, good: Good) -> Doing<'a> {
        Box::pin(async move {
            wire.send(&good.head).await?;
            wire.send(&good.body[..good.body.len() - 1]).await?;
            self.0.add_permits(1);
            wire.hang().await;
            Ok(After::Reset)
        })
    }
}

#[tokio::test]
async fn answers_that_are_held_back_have_a_bound_together() {
    const FILES: usize = 100;
    let origin = Origin::start().await;
    let links: String = (0..FILES).map(|n| format!("<a href=\"/files/{n}.bin\">{n}</a> ")).collect();
    origin.page("/", Page::html(format!("<!doctype html><title>Files</title><h1>Files</h1><p>{links}")));
    origin
        .page(SIGNUP, Page::html("<!doctype html><title>Sign up</title><h1>Sign up</h1><p>Here, and soon."));
    let file = Page::new("application/octet-stream", fixture::noise(1000 << 10, 1));
    for n in 0..FILES {
        origin.page(&format!("/files/{n}.bin"), file.clone().header("cache-control", "no-store"));
    }
    let config = Config::before(&origin.url())
        .set("limits.connections_per_client", 300)
        .site("failover.patience", "5s")
        .site("failover.patience_max", "5s")
        .site("failover.hold_back", "1MiB");
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    let sent = Arc::new(Semaphore::new(0));
    origin.fail_under("/files/", NeverEnds(sent.clone())).await;
    let mut asked = Vec::new();
    for n in 0..FILES {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(format!("GET /files/{n}.bin HTTP/1.1\r\nHost: www.example.test\r\n\r\n")).await;
        asked.push(raw);
        // one after the other: those that come together would take the room from each other, and none have enough
        sent.acquire().await.unwrap().forget();
    }
    let mut live = 0;
    for raw in &mut asked {
        let head = raw.head(secs(30)).await;
        assert_eq!(status(&head), 200, "{head}");
        live += usize::from(!head.contains("detail=snapshot"));
    }
    assert!((20..60).contains(&live), "{live} of {FILES} were not held back to their end");
}
