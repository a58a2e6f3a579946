//! Seats, sizes, times.

use std::convert::Infallible;

use futures_util::{StreamExt, TryStreamExt};
use http_body::Frame;
use http_body_util::StreamBody;

use super::*;

const GET: &str = "GET /a HTTP/1.1\r\nhost: www.example.jp\r\n\r\n";

fn slow() -> Handler {
    handler(|_, _| std::future::pending())
}

/// Short times, long enough for a loaded machine.
fn hurried() -> Limits {
    Limits {
        header_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(600),
        ..limits()
    }
}

#[tokio::test]
async fn header_fields_that_are_too_large_get_431() {
    let (_server, address) = start(limits(), mirror());
    let fits = format!("GET / HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n", "x".repeat(16_000));
    until(&mut send(address, &fits).await, "GET / 0").await;
    let large = format!("GET / HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n", "x".repeat(16 << 10));
    let answer = rest(&mut send(address, &large).await).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    // without an end, too: the limit holds while reading
    let endless = format!("GET / HTTP/1.1\r\nhost: x\r\nx-a: {}", "x".repeat(100 << 10));
    let answer = rest(&mut send(address, &endless).await).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn too_many_header_fields_get_431() {
    let (_server, address) = start(limits(), mirror());
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200));
    let answer = rest(&mut send(address, &many).await).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn what_is_not_http_gets_400() {
    let (_server, address) = start(limits(), mirror());
    let answer = rest(&mut send(address, "\x16\x03\x01 hello?\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_without_a_word() {
    let (server, address) = start(hurried(), mirror());
    assert_eq!(rest(&mut send(address, "").await).await, "");
    assert_eq!(server.counters().ended(End::Unused), 1);
    eventually("its seat is free", || server.open() == 0).await;
}

#[tokio::test]
async fn slow_header_fields_get_408() {
    let (server, address) = start(hurried(), mirror());
    let mut stream = send(address, "GET / HTTP/1.1\r\nhost: x\r\n").await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 408 "));
    assert_eq!(server.counters().ended(End::SlowHead), 1);
}

#[tokio::test]
async fn slow_header_fields_of_a_later_request_get_408_though_bytes_come() {
    let (server, address) = start(hurried(), mirror());
    let mut stream = send(address, GET).await;
    until(&mut stream, "GET /a 0").await;
    let (mut read, mut write) = stream.into_split();
    let drip = crate::tasks::guarded(async move {
        for byte in "GET /".bytes().chain(std::iter::repeat(b'x')) {
            if write.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(rest(&mut read).await.starts_with("HTTP/1.1 408 "));
    assert_eq!(server.counters().ended(End::SlowHead), 1);
    drop(drip);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_idle_timeout_not_the_header_timeout() {
    let (server, address) = start(hurried(), mirror());
    let began = crate::clock::instant();
    let mut stream = send(address, GET).await;
    until(&mut stream, "GET /a 0").await;
    assert_eq!(rest(&mut stream).await, "", "no 408: nothing was asked");
    assert!(began.elapsed() >= Duration::from_millis(600));
    assert_eq!(server.counters().ended(End::Idle), 1);
}

#[tokio::test]
async fn a_request_in_which_nothing_moves_is_ended() {
    let (server, address) = start(hurried(), slow());
    assert_eq!(rest(&mut send(address, GET).await).await, "");
    assert_eq!(server.counters().ended(End::Stalled), 1);
}

#[tokio::test]
async fn a_body_that_stalls_on_its_way_to_us_is_ended() {
    let (server, address) = start(hurried(), mirror());
    let mut stream = send(address, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf").await;
    let answer = rest(&mut stream).await;
    assert!(answer.ends_with("error reading a body from connection"), "the service is told: {answer}");
    assert_eq!(server.counters().ended(End::Stalled), 1);
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_ended() {
    let service = handler(|_, _| async {
        let chunk = Bytes::from(vec![b'x'; 1 << 20]);
        let frames =
            futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(Frame::data(chunk.clone())));
        Response::new(Body::stream(StreamBody::new(frames.boxed())))
    });
    let (server, address) = start(hurried(), service);
    let _stream = send(address, GET).await;
    eventually("it is ended", || server.counters().ended(End::SlowReader) == 1).await;
    eventually("its seat is free", || server.open() == 0).await;
}

#[tokio::test]
async fn slow_but_moving_answers_live_on() {
    let service = handler(|_, _| async {
        let frames = futures_util::stream::unfold(0, |n| async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            (n < 6).then(|| (Ok::<_, std::io::Error>(Frame::data(Bytes::from("x"))), n + 1))
        });
        Response::new(Body::stream(StreamBody::new(frames)))
    });
    let (_server, address) = start(hurried(), service);
    until(&mut send(address, GET).await, "0\r\n\r\n").await;
}

#[tokio::test]
async fn an_upgraded_connection_in_which_nothing_moves_is_ended() {
    let (server, address) = start(hurried(), super::http1::upgrading());
    let mut stream = send(address, super::http1::UPGRADE).await;
    until(&mut stream, "first").await;
    assert_eq!(rest(&mut stream).await, "");
    assert_eq!(server.counters().ended(End::Idle), 1);
    eventually("its seat is free", || server.open() == 0).await;
}

#[tokio::test]
async fn an_idle_http2_connection_is_told_to_go() {
    let (server, address) = start(hurried(), mirror());
    let mut client = http2(address).await;
    client.send_request(get("/a")).await.unwrap();
    eventually("it is gone", || server.open() == 0).await;
    assert_eq!(server.counters().ended(End::Idle), 1);
    assert!(client.ready().await.is_err());
}

#[tokio::test]
async fn when_all_seats_are_busy_a_newcomer_is_refused() {
    let (server, address) = start(Limits { connections: 1, ..limits() }, slow());
    let busy = send(address, GET).await;
    eventually("the request runs", || server.counters().http1.get() == 1).await;
    let answer = rest(&mut send(address, GET).await).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after"), "{answer}");
    assert_eq!(server.counters().refused_full.get(), 1);
    drop(busy);
}

#[tokio::test]
async fn when_all_seats_are_taken_an_idle_holder_makes_room() {
    let (server, address) = start(Limits { connections: 1, ..limits() }, mirror());
    let mut idle = send(address, GET).await;
    until(&mut idle, "GET /a 0").await;
    until(&mut send(address, GET).await, "GET /a 0").await;
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(server.counters().ended(End::Displaced), 1);
    assert_eq!(server.counters().refused_full.get(), 0);
}

#[tokio::test]
async fn one_client_cannot_take_all_seats() {
    let (server, address) = start(Limits { connections_per_client: 2, ..limits() }, mirror());
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = send(address, GET).await;
        until(&mut stream, "GET /a 0").await;
        held.push(stream);
    }
    assert!(rest(&mut send(address, GET).await).await.starts_with("HTTP/1.1 503 "));
    assert_eq!(server.counters().refused_client.get(), 1);
    held.pop();
    eventually("a seat is free", || server.open() == 1).await;
    until(&mut send(address, GET).await, "GET /a 0").await;
}

#[tokio::test]
async fn new_terms_hold_without_a_new_socket() {
    let (server, address) = start(Limits { connections: 1, ..limits() }, slow());
    let _busy = send(address, GET).await;
    eventually("the request runs", || server.counters().http1.get() == 1).await;
    server.set_limits(Limits { connections: 2, ..hurried() });
    assert_eq!(
        rest(&mut send(address, GET).await).await,
        "",
        "it is seated, and ended by the new idle timeout"
    );
    eventually("the old one too", || server.counters().ended(End::Stalled) == 2).await;
}

/// A body without an end, in pieces as large as those of a copy.
fn endless() -> Body {
    let piece = || Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'.'; 64 << 10])));
    Body::stream(StreamBody::new(futures_util::stream::repeat_with(piece)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_reads_has_a_bound_and_ends_for_who_takes_nothing() {
    const MOST: usize = 2 << 20;
    const PIECE: usize = 64 << 10;
    let service = handler(|request, _| async move {
        match request.uri().path() {
            "/large" => Response::new(Body::stream(StreamBody::new(
                endless().into_data_stream().take(100).map_ok(Frame::data),
            ))),
            _ => Response::new(endless()),
        }
    });
    // no limit of time is reached; it is looked four times a second
    let limits = Limits { unread: MOST, header_timeout: Duration::from_secs(2), ..limits() };
    let (server, address) = start(limits, service);
    let wide = b"\0\0\x06\x04\0\0\0\0\0\0\x04\x7f\xff\xff\xff\0\0\x04\x08\0\0\0\0\0\x7f\xff\0\0";
    let requests = 40 + 20;
    let mut stream = send(address, super::http2::PREFACE).await;
    stream.write_all(wide).await.unwrap();
    for n in 0..40 {
        stream.write_all(&super::http2::get_frame(2 * n + 1)).await.unwrap();
    }
    let mut unread = vec![stream];
    for _ in 0..20 {
        unread.push(send(address, GET).await);
    }
    let counters = server.counters();
    let mut client = http2(address).await;
    let mut peak = 0;
    for _ in 0..2000 {
        peak = peak.max(server.unread());
        if counters.ended(End::Unread) > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(counters.ended(End::Unread) > 0, "{peak}");
    assert!(peak < MOST + requests * PIECE, "{peak}");
    eventually("enough is free", || server.unread() <= MOST / 4 * 3).await;
    let answer = client.send_request(get("/large")).await.unwrap();
    assert_eq!(body_of(answer).await.len(), 100 * PIECE, "who reads gets all of it");
    drop(unread);
    eventually("nothing is counted for ever", || server.unread() == 0).await;
}
