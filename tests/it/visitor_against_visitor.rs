//! No visitor keeps others from the live site: neither who sends slowly, nor who does not read, nor who wants too much.

use crate::support::fixture::{self, SIGNUP};
use crate::support::raw::{Raw, status};
use crate::support::{Config, Edge, Origin, Page, eventually, secs};

const SEATS: u32 = 8;

async fn narrow() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url()).set("limits.in_flight_per_origin", SEATS);
    (origin, Edge::start(config).await)
}

/// A form of which only the beginning has come.
async fn half_a_form(edge: &Edge, more: &str) -> Raw {
    let mut raw = Raw::connect(edge.http()).await;
    raw.send(format!("POST {SIGNUP} HTTP/1.1\r\nHost: www.example.test\r\n{more}\r\n")).await;
    raw
}

#[tokio::test]
async fn slow_senders_take_no_seat_at_the_origin() {
    let (origin, edge) = narrow().await;
    let mut slow = Vec::new();
    for n in 0..3 * SEATS {
        let (more, begun) = match n % 3 {
            0 => ("Content-Length: 5\r\n", "a"),
            1 => ("Transfer-Encoding: chunked\r\n", "1\r\na\r\n"),
            _ => ("Content-Length: 5\r\nExpect: 100-continue\r\n", ""),
        };
        let mut raw = half_a_form(&edge, more).await;
        if begun.is_empty() {
            assert_eq!(status(&raw.head(secs(5)).await), 100);
        }
        raw.send(begun).await;
        slow.push((n % 3, raw));
    }
    let others = edge.client().patience(secs(3));
    assert_eq!(others.get("/nobody-has-seen-this").await.status, 404);
    assert_eq!(others.post(SIGNUP, "name=value").await.status, 200);
    assert_eq!(origin.asked_for(SIGNUP).iter().filter(|asked| asked.method == "POST").count(), 1);
    // and when theirs have come they get there, whole
    for (kind, raw) in &mut slow {
        raw.send(["aaaa", "4\r\naaaa\r\n0\r\n\r\n", "aaaaa"][*kind as usize]).await;
        assert_eq!(status(&raw.head(secs(5)).await), 200);
    }
    let whole = origin.asked_for(SIGNUP).iter().filter(|asked| asked.whole && asked.body_len == 5).count();
    assert_eq!(whole, 3 * SEATS as usize);
}

#[tokio::test]
async fn a_sent_body_has_its_length_and_waits_on_the_disk_if_it_is_large() {
    let (origin, edge) = narrow().await;
    let mut raw = half_a_form(&edge, "Transfer-Encoding: chunked\r\n").await;
    let piece = format!("10000\r\n{}\r\n", "b".repeat(0x10000));
    for _ in 0..24 {
        raw.send(&piece).await;
    }
    let tmp = edge.state_dir().join("tmp");
    eventually("the file of the body", secs(5), async || tmp.is_dir().then_some(())).await;
    assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 0, "it has no name");
    assert!(origin.asked_for(SIGNUP).iter().all(|asked| asked.method != "POST"));
    raw.send("0\r\n\r\n").await;
    assert_eq!(status(&raw.head(secs(10)).await), 200);
    let asked = origin.posted(SIGNUP).await;
    assert_eq!((asked.body_len, asked.whole), (24 * 0x10000, true));
    assert_eq!(asked.header("content-length").as_deref(), Some("1572864"));
    assert_eq!(asked.header("transfer-encoding"), None);
}

#[tokio::test]
async fn one_client_waits_for_himself_when_he_wants_too_much() {
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url())
        .set("limits.in_flight_per_origin", SEATS)
        .set("listen.trusted_proxies", ["127.0.0.0/8"]);
    let edge = Edge::start(config).await;
    let lever = origin.hold("/slow");
    origin.page("/slow", Page::html("at last").header("cache-control", "no-store"));
    let by = |client: &str, n: u32| {
        format!(
            "GET /slow?n={n} HTTP/1.1\r\nHost: www.example.test\r\nX-Forwarded-For: {client}\r\nCookie: a=b\r\n\r\n"
        )
    };
    let mut greedy = Vec::new();
    for n in 0..4 * SEATS {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(by("192.0.2.1", n)).await;
        greedy.push(raw);
    }
    lever.wait_for(SEATS as usize / 2, secs(5)).await;
    let other = edge.client().patience(secs(3));
    let said = other.get_with("/unseen", &[("x-forwarded-for", "192.0.2.2"), ("cookie", "a=b")]).await;
    assert_eq!(said.status, 404, "{}", said.cache_status());
    assert_eq!(lever.arrived(), SEATS as usize / 2, "half of the seats for one, however many he wants");
    lever.release();
    for raw in &mut greedy {
        assert_eq!(status(&raw.head(secs(5)).await), 200, "and in the end he gets all he asked for");
    }
    assert!(origin.most_at_once() <= SEATS as usize);
}

#[tokio::test]
async fn one_client_has_only_so_many_requests_under_way() {
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url())
        .set("limits.connections_per_client", 4)
        .site("failover.timeout", "30s")
        .set("listen.trusted_proxies", ["127.0.0.1/32"]);
    let edge = Edge::start(config).await;
    let lever = origin.hold("/slow");
    let ask = |client: &str| {
        format!(
            "GET /slow HTTP/1.1\r\nHost: www.example.test\r\nX-Forwarded-For: {client}\r\nCookie: a=b\r\n\r\n"
        )
    };
    let mut under_way = Vec::new();
    for _ in 0..128 {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(ask("192.0.2.1")).await;
        under_way.push(raw);
    }
    lever.wait_for(128, secs(10)).await;
    let mut raw = Raw::connect(edge.http()).await;
    raw.send(ask("192.0.2.1")).await;
    let head = raw.head(secs(5)).await;
    assert!(status(&head) == 429 && head.to_lowercase().contains("retry-after: "), "{head}");
    let mut raw = Raw::connect(edge.http()).await;
    raw.send("GET / HTTP/1.1\r\nHost: www.example.test\r\nX-Forwarded-For: 192.0.2.2\r\n\r\n").await;
    assert_eq!(status(&raw.head(secs(5)).await), 200, "nobody else");
    lever.release();
    for raw in &mut under_way {
        assert_eq!(status(&raw.head(secs(5)).await), 404, "those under way are finished");
    }
}
