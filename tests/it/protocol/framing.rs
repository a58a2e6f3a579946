//! One answer is one answer: whatever an origin says of its length, and whatever it sends beside it, the next visitor on a
//! kept connection gets what the next visitor asked for.

use crate::support::faults::{After, Doing, Fault};
use crate::support::fixture::{self, ASSET, SEEN};
use crate::support::page::Good;
use crate::support::raw::{Raw, status};
use crate::support::wire::Wire;
use crate::support::{Config, Edge, Page, secs};

/// An answer that is sent as it stands.
struct Says(String, After);

impl Fault for Says {
    fn answer<'a>(&'a self, wire: &'a mut Wire, _good: Good) -> Doing<'a> {
        Box::pin(async move {
            wire.send(self.0.as_bytes()).await?;
            Ok(self.1)
        })
    }
}

/// The right answer with a line among its header fields.
struct Line(&'static str);

impl Fault for Line {
    fn answer<'a>(&'a self, wire: &'a mut Wire, good: Good) -> Doing<'a> {
        Box::pin(async move {
            let head = String::from_utf8_lossy(&good.head).into_owned();
            let head = head.replacen("\r\n", &format!("\r\n{}\r\n", self.0), 1);
            wire.send(head.as_bytes()).await?;
            wire.send(&good.body).await?;
            Ok(After::Keep)
        })
    }
}

const SMUGGLED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Type: text/html\r\n\r\nSMUGGLE";

/// A kept connection of a visitor.
async fn kept(raw: &mut Raw, path: &str) -> (String, Vec<u8>) {
    raw.send(format!("GET {path} HTTP/1.1\r\nHost: www.example.test\r\n\r\n")).await;
    let head = raw.head(secs(5)).await.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.unwrap_or_else(|| panic!("no length: {head}")).parse().unwrap();
    let body = raw.exactly(length, secs(5)).await;
    (head, body)
}

#[tokio::test]
async fn a_length_beside_chunks_does_not_go_on() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let body = format!("abc{SMUGGLED}");
    for length in ["0", "3", "9000"] {
        let lines = [format!("Content-Length: {length}\r\n"), "Transfer-Encoding: chunked\r\n".to_owned()];
        for lines in [lines.concat(), format!("{}{}", lines[1], lines[0])] {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{lines}\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                body.len()
            );
            origin.fail_under("/odd", Says(answer, After::Keep)).await;
            let mut raw = Raw::connect(edge.http()).await;
            let (head, got) = kept(&mut raw, &format!("/odd/{length}")).await;
            assert_eq!((status(&head.to_ascii_uppercase()), &*got), (200, body.as_bytes()), "{head}");
            let (_, next) = kept(&mut raw, SEEN).await;
            assert_eq!(next, origin.content(SEEN).body, "after {lines}");
        }
    }
}

#[tokio::test]
async fn what_nobody_can_measure_is_no_answer() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    for lines in [
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: 3, 4",
        "Content-Length: +3",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ] {
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{lines}\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        origin.fail_under("/odd", Says(answer, After::Close)).await;
        let answer = edge.get("/odd").await;
        assert_eq!(answer.status, 503, "{lines}: {}", answer.text());
        assert!(answer.cache_status().contains("not-http"), "{lines}: {}", answer.cache_status());
        origin.heal().await;
        edge.until("up").await;
    }
}

#[tokio::test]
async fn what_came_unasked_is_nobodys_answer() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc{SMUGGLED}");
    origin.fail_under("/odd", Says(answer, After::Keep)).await;
    for n in 0..8 {
        assert_eq!(edge.get(&format!("/odd/{n}")).await.text(), "abc");
        edge.get(&format!("{SEEN}?n={n}")).await.must_be(&origin.content(SEEN).body);
    }
}

#[tokio::test]
async fn a_change_of_protocol_that_nobody_asked_for_falls_to_the_copy() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    origin.fail_under(SEEN, Says(answer.to_owned(), After::Keep)).await;
    let answer = edge.get(SEEN).await;
    answer.must_be(&origin.content(SEEN).body);
    assert!(answer.is_copy(), "{}", answer.cache_status());
    let answer = edge.get(&format!("{SEEN}/unknown")).await;
    assert_eq!(answer.status, 503);
    assert!(answer.cache_status().contains("not-http"), "{}", answer.cache_status());
}

#[tokio::test]
async fn lines_that_are_no_fields_are_left_out() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    for (n, line) in [
        "PHP Warning:  Module \"x\" is already loaded in Unknown on line 0",
        "something without a colon",
        "X (Powered): shop",
        "HTTP 1/1 302:",
        "X-Powered : shop",
        "X-Folded: one\r\n two",
        "Content-Length[: 3",
    ]
    .into_iter()
    .enumerate()
    {
        origin.fail(Line(line)).await;
        let answer = edge.get(&format!("{SEEN}?line={n}")).await;
        answer.must_be(&origin.content(SEEN).body);
        assert!(!answer.is_copy(), "{line}: {}", answer.cache_status());
    }
    // neither a space nor a fold hides what says how long the answer is
    let odd = |lines: &str, body: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{lines}\r\n\r\n{body}")
    };
    for (lines, body) in [
        ("Transfer-Encoding : chunked", "3\r\nabc\r\n0\r\n\r\n"),
        ("Transfer-Encoding:\r\n chunked", "3\r\nabc\r\n0\r\n\r\n"),
        ("Content-Length : 3", "abcSMUGGLE"),
        ("Content-Length:\r\n 3", "abcSMUGGLE"),
    ] {
        origin.fail_under("/odd", Says(odd(lines, body), After::Keep)).await;
        assert_eq!(edge.get(&format!("/odd?{}", lines.len())).await.text(), "abc", "{lines}");
    }
}

#[tokio::test]
async fn an_answer_may_have_many_header_fields() {
    let origin = fixture::shop().await;
    let page = (0..400).fold(Page::html("many"), |page, n| page.header(&format!("x-field-{n}"), "1"));
    origin.page("/many", page);
    let edge = Edge::start(Config::before(&origin.url())).await;
    let (head, body) = kept(&mut Raw::connect(edge.http()).await, "/many").await;
    assert!(head.contains("\r\nx-field-399: 1\r\n") && body == b"many", "{head}");
    edge.get(ASSET).await.must_be(&origin.content(ASSET).body);
}

/// An origin that has never heard of chunks: whatever follows a head is the next request.
async fn deaf_to_chunks() -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut unread = Vec::new();
                let mut block = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut block).await {
                    unread.extend_from_slice(&block[..n]);
                    while let Some(end) = unread.windows(4).position(|w| w == b"\r\n\r\n") {
                        let head: Vec<u8> = unread.drain(..end + 4).collect();
                        let head = String::from_utf8_lossy(&head).into_owned();
                        let length = head.lines().find_map(|line| {
                            line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()
                        });
                        let body = length.unwrap_or(0_usize).min(unread.len());
                        unread.drain(..body);
                        let said = head.lines().next().unwrap_or_default();
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{said}",
                            said.len()
                        );
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                }
            });
        }
    });
    addr
}

#[tokio::test]
async fn a_body_that_an_origin_leaves_unread_is_nobodys_request() {
    let origin = deaf_to_chunks().await;
    let edge = Edge::start(Config::before(&format!("http://{origin}"))).await;
    let hidden = "GET /hidden HTTP/1.1\r\nHost: www.example.test\r\n\r\n";
    for (n, method) in ["POST", "POST", "GET", "DELETE"].into_iter().enumerate() {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(format!(
            "{method} /form/{n} HTTP/1.1\r\nHost: www.example.test\r\nTransfer-Encoding: chunked\r\n\r\n\
             {:x}\r\n{hidden}\r\n0\r\n\r\n",
            hidden.len()
        ))
        .await;
        let head = raw.head(secs(5)).await;
        assert_eq!(status(&head), 200, "{head}");
        for m in 0..3 {
            let target = format!("/next/{n}/{m}");
            assert_eq!(edge.get(&target).await.text(), format!("GET {target} HTTP/1.1"), "after {method}");
        }
    }
}
