//! What one visitor may take: every limit of a connection, at its edge and past it, and what happens when it is free
//! again.

use crate::support::fixture::{self, SEEN, SIGNUP};
use crate::support::levers::Lever;
use crate::support::raw::{End, Raw, status};
use crate::support::{Config, Edge, Origin, Page, eventually, ms, secs};

async fn limited(key: &str, value: &str) -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url()).set(&format!("limits.{key}"), value)).await;
    (origin, edge)
}

async fn counted(key: &str, most: u32) -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url()).set(&format!("limits.{key}"), most)).await;
    (origin, edge)
}

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: www.example.test\r\n{more}\r\n")
}

#[tokio::test]
async fn header_fields_have_a_size() {
    let (origin, edge) = limited("header_size", "8KiB").await;
    for (size, expected) in [(4000, 200), (20_000, 431)] {
        let filler = format!("X-Filler: {}\r\n", "f".repeat(size));
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(get(SEEN, &filler)).await;
        assert_eq!(status(&raw.head(secs(5)).await), expected, "{size} bytes");
    }
    assert_eq!(origin.asked_for(SEEN).iter().filter(|a| a.header("x-filler").is_some()).count(), 1);
    let answer = edge.client().h2().get_with(SEEN, &[("x-filler", &"f".repeat(4000))]).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn header_fields_have_a_time() {
    let (_origin, edge) = limited("header_timeout", "600ms").await;
    for slow in ["GET / HTTP/1.1\r\nHost: www.exa", "G", ""] {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(slow).await;
        if slow.is_empty() {
            continue; // nothing has begun: the idle timeout's business
        }
        let (text, end) = raw.until_end(secs(4)).await;
        assert_ne!(end, End::Open, "after {slow:?}: {text}");
        assert!(text.is_empty() || status(&text) == 408, "{text}");
    }
    // a drop every now and then does not buy more time
    let mut raw = Raw::connect(edge.http()).await;
    for piece in get("/", "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n").as_bytes().chunks(4) {
        raw.send(piece).await;
        let (text, end) = raw.until_end(ms(100)).await;
        assert!(text.is_empty() || status(&text) == 408, "answered in spite of the time: {text}");
        if end != End::Open {
            return;
        }
    }
    panic!("a request that took seconds was read to its end");
}

#[tokio::test]
async fn bodies_have_a_size() {
    let (origin, edge) = limited("body_size", "64KiB").await;
    let client = edge.client();
    assert_eq!(client.post(SIGNUP, &"a".repeat(64 << 10)).await.status, 200);
    let mut raw = Raw::connect(edge.http()).await;
    raw.send("POST /signup HTTP/1.1\r\nHost: www.example.test\r\nContent-Length: 65537\r\n\r\n").await;
    assert_eq!(status(&raw.head(secs(5)).await), 413);
    // without a length it shows only on the way: the origin must not take a part for the whole
    let mut raw = Raw::connect(edge.http()).await;
    raw.send("POST /signup HTTP/1.1\r\nHost: www.example.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for _ in 0..200 {
        raw.send(format!("400\r\n{}\r\n", "b".repeat(1024))).await;
    }
    raw.send("0\r\n\r\n").await;
    let (text, _) = raw.until_end(secs(3)).await;
    assert!(text.is_empty() || status(&text) == 413, "{text}");
    let whole: Vec<u64> = origin.asked_for(SIGNUP).iter().filter(|a| a.whole).map(|a| a.body_len).collect();
    assert!(whole.iter().all(|len| *len <= 64 << 10), "{whole:?}");
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let (_origin, edge) = limited("idle_timeout", "700ms").await;
    let mut unused = Raw::connect(edge.http()).await;
    let mut used = Raw::connect(edge.http()).await;
    used.send(get(SEEN, "")).await;
    assert_eq!(status(&used.head(secs(5)).await), 200);
    assert_eq!(used.until_end(secs(5)).await.1, End::Closed);
    assert_ne!(unused.until_end(secs(12)).await.1, End::Open);
}

#[tokio::test]
async fn a_body_that_does_not_move_is_given_up() {
    let (origin, edge) = limited("idle_timeout", "700ms").await;
    let mut raw = Raw::connect(edge.http()).await;
    raw.send("POST /signup HTTP/1.1\r\nHost: www.example.test\r\nContent-Length: 100\r\n\r\nhalf").await;
    let (text, end) = raw.until_end(secs(5)).await;
    assert_ne!(end, End::Open, "{text}");
    assert!(text.is_empty() || status(&text) >= 400, "{text}");
    assert!(origin.asked_for(SIGNUP).iter().all(|asked| asked.method != "POST" || !asked.whole));
}

/// Opens connections, each with a request that waits for the origin: none of them is idle, none may be closed.
async fn fill(origin: &Origin, edge: &Edge, most: usize) -> (Vec<Raw>, Lever) {
    let lever = origin.hold("/busy");
    origin.page("/busy", Page::html("done"));
    let mut open = Vec::new();
    for n in 0..most {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(get(&format!("/busy?n={n}"), "")).await;
        open.push(raw);
    }
    lever.wait_for(most, secs(5)).await;
    (open, lever)
}

async fn all_done(open: &mut [Raw]) {
    for raw in open {
        assert_eq!(status(&raw.head(secs(5)).await), 200);
        assert_eq!(raw.exactly(4, secs(5)).await, b"done");
    }
}

async fn works(edge: &Edge) -> bool {
    let mut raw = Raw::connect(edge.http()).await;
    raw.send(get(SEEN, "Connection: close\r\n")).await;
    raw.until_end(ms(500)).await.0.starts_with("HTTP/1.1 200")
}

#[tokio::test]
async fn connections_are_counted() {
    let (origin, edge) = counted("connections", 8).await;
    let (mut open, lever) = fill(&origin, &edge, 8).await;
    assert!(!works(&edge).await, "a ninth connection of eight");
    assert_eq!(edge.admin().get("/healthz").await.status, 200, "the operator has seats of their own");
    lever.release();
    all_done(&mut open).await;
    // idle ones make room, or those who wait get the seats of those who leave
    open.truncate(4);
    eventually("a free seat", secs(5), async || works(&edge).await.then_some(())).await;
}

#[tokio::test]
async fn connections_of_one_client_are_counted() {
    let (origin, edge) = counted("connections_per_client", 5).await;
    let (mut open, lever) = fill(&origin, &edge, 5).await;
    assert!(!works(&edge).await, "a sixth connection of five");
    lever.release();
    all_done(&mut open).await;
    open.pop();
    eventually("a free seat", secs(5), async || works(&edge).await.then_some(())).await;
}

#[tokio::test]
async fn an_origin_gets_no_more_at_once_than_it_can_take() {
    let (origin, edge) = counted("in_flight_per_origin", 4).await;
    edge.until_snapshot().await;
    origin.forget();
    let lever = origin.hold("/lobby");
    origin.page("/lobby", Page::html("in"));
    let running: Vec<_> = (0..16)
        .map(|n| {
            let client = edge.client();
            tokio::spawn(async move { client.get(&format!("/lobby?n={n}")).await.status })
        })
        .collect();
    lever.wait_for(4, secs(5)).await;
    tokio::time::sleep(ms(200)).await; // nothing to wait for: the fifth must not come
    assert_eq!((lever.arrived(), origin.most_at_once()), (4, 4));
    lever.release();
    for one in running {
        assert_eq!(one.await.unwrap(), 200, "those who waited get their turn");
    }
    assert!(origin.most_at_once() <= 4);
}

#[tokio::test]
async fn connections_without_requests_do_not_keep_others_out() {
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url())
        .set("limits.connections_per_client", 300)
        .set("limits.idle_timeout", "1s")
        .set("limits.header_timeout", "1s");
    let edge = Edge::start(config).await;
    let mut silent = Vec::new();
    for n in 0..299 {
        let mut raw = Raw::connect(edge.http()).await;
        if n % 2 == 0 {
            raw.send("GET / HTT").await;
        }
        silent.push(raw);
    }
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    eventually("all seats again", secs(10), async || {
        let mut all = Vec::new();
        for _ in 0..100 {
            let mut raw = Raw::connect(edge.http()).await;
            raw.send(get(SEEN, "")).await;
            all.push(raw);
        }
        let mut good = 0;
        for raw in &mut all {
            good += usize::from(raw.until_end(ms(150)).await.0.starts_with("HTTP/1.1 200"));
            if good == 0 {
                break;
            }
        }
        (good == 100).then_some(())
    })
    .await;
}
