//! No visitor keeps others from the live site: neither who sends slowly, nor who does not read, nor who wants too much.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::fixture::{self, SIGNUP};
use crate::support::raw::{Raw, status};
use crate::support::{Config, Edge, Origin, Page, eventually, ms, secs};

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
    let ask = |client: &str, n: u32| {
        format!(
            "GET /slow?n={n} HTTP/1.1\r\nHost: www.example.test\r\nX-Forwarded-For: {client}\r\nCookie: a=b\r\n\r\n"
        )
    };
    let mut under_way = Vec::new();
    for n in 0..128 {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(ask("192.0.2.1", n)).await;
        under_way.push(raw);
    }
    lever.wait_for(128, secs(10)).await;
    let mut raw = Raw::connect(edge.http()).await;
    raw.send(ask("192.0.2.1", 128)).await;
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

const GET: &str = "GET / HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\n\r\n";

/// A connection of HTTP/2 on which no byte of an answer may be sent.
pub async fn without_a_window(edge: &Edge) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
    let io = TokioIo::new(tokio::net::TcpStream::connect(edge.http()).await.unwrap());
    let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (sender, driver) = client.initial_stream_window_size(0).handshake(io).await.unwrap();
    tokio::spawn(driver);
    sender
}

/// Whether somebody else gets an answer of the live site, soon.
async fn served(edge: &Edge) -> Option<()> {
    let mut raw = Raw::connect(edge.http()).await;
    raw.send("GET /unseen HTTP/1.1\r\nHost: www.example.test\r\nCookie: a=b\r\nConnection: close\r\n\r\n")
        .await;
    raw.until_end(ms(500)).await.0.starts_with("HTTP/1.1 404").then_some(())
}

/// A request of its own, which nobody else shares.
pub fn ask(target: &str) -> http::Request<Full<Bytes>> {
    let request = http::Request::get(format!("http://www.example.test{target}"));
    request.header("cookie", "a=b").body(Full::default()).unwrap()
}

#[tokio::test]
async fn windows_that_never_open_hold_no_seats_for_small_answers() {
    let (origin, edge) = narrow().await;
    origin.page("/cart.json", Page::new("application/json", vec![b'1'; 50 << 10]));
    let mut client = without_a_window(&edge).await;
    let mut unread = Vec::new();
    for n in 0..3 * SEATS {
        unread.push(client.send_request(ask(&format!("/cart.json?n={n}"))).await.unwrap());
    }
    let others = edge.client().patience(secs(3));
    assert_eq!(others.get("/nobody-has-seen-this").await.status, 404);
    client.ready().await.unwrap();
}

#[tokio::test]
async fn a_window_that_never_opens_is_cut_off_alone() {
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url())
        .set("limits.in_flight_per_origin", 4)
        .set("limits.idle_timeout", "2s")
        .site("failover.timeout", "20s");
    let edge = Edge::start(config).await;
    origin.page(
        "/film",
        Page::new("video/mp4", fixture::noise(4 << 20, 1)).header("cache-control", "no-store"),
    );
    let mut client = without_a_window(&edge).await;
    let mut unread = Vec::new();
    for _ in 0..4 {
        unread.push(client.send_request(ask("/film")).await.unwrap());
    }
    assert_eq!(served(&edge).await, None, "all seats are taken");
    eventually("free seats", secs(20), async || {
        // the connection lives all the while, by requests that need no seat
        let elsewhere = http::Request::get("http://nobody.test/").body(Full::default()).unwrap();
        assert_eq!(client.send_request(elsewhere).await.unwrap().status(), 421);
        served(&edge).await
    })
    .await;
    for answer in unread {
        assert!(answer.into_body().collect().await.is_err(), "its answer is broken off, visibly");
    }
    client.ready().await.expect("the other streams go on");
}

#[tokio::test]
async fn who_does_not_read_is_cut_off() {
    let origin = Origin::start().await;
    origin.page("/big", Page::streamed(64 << 20));
    let config = Config::before(&origin.url())
        .set("limits.in_flight_per_origin", 4)
        .set("limits.idle_timeout", "2s")
        .site("failover.timeout", "20s");
    let edge = Edge::start(config).await;
    let mut unread = Vec::new();
    for _ in 0..4 {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send("GET /big HTTP/1.1\r\nHost: www.example.test\r\n\r\n").await;
        assert_eq!(status(&raw.head(secs(5)).await), 200);
        unread.push(raw);
    }
    eventually("a free seat", secs(20), async || served(&edge).await).await;
    for mut raw in unread {
        assert!(raw.swallow(64 << 20).await < 64 << 20);
    }
}

#[tokio::test]
async fn too_few_descriptors_cost_visitors_and_nobody_else() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let open = || std::fs::read_dir(format!("/proc/{}/fd", edge.pid())).unwrap().count() as u64;
    let most = open() + 60;
    let pid = Pid::from_raw(edge.pid() as i32);
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(most), maximum: Some(most) }).unwrap();
    let mut held = Vec::new();
    for _ in 0..150 {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send("GET / HTTP/1.1\r\nHost: www").await;
        held.push(raw);
    }
    eventually("the lack is told", secs(10), async || {
        let status = edge.status().await;
        status.to_string().contains("descriptors-out").then_some(())
    })
    .await;
    assert!(open() < most, "the last ones are kept");
    assert_eq!(edge.reload().await.status / 100, 2, "the configuration can be read");
    let before = origin.total();
    eventually("checks go on", secs(10), async || (origin.total() > before + 1).then_some(())).await;
    assert_eq!(edge.state().await, "up", "the origin is not to blame");
    drop(held);
    eventually("visitors again", secs(10), async || {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(GET).await;
        raw.until_end(secs(2)).await.0.starts_with("HTTP/1.1 200").then_some(())
    })
    .await;
    assert!(!edge.log().iter().any(|line| line.contains("to=\"down\"") || line.contains("damaged")));
}
