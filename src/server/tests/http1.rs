//! HTTP/1.1: keep-alive, pipelining, bodies, interim answers, upgrades, panics.

use std::sync::Mutex;

use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Frame;
use http_body_util::StreamBody;

use super::*;

const GET: &str = "GET /a HTTP/1.1\r\nhost: www.example.jp\r\n\r\n";

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let (server, address) = start(limits(), mirror());
    let mut stream = send(address, GET).await;
    assert!(until(&mut stream, "GET /a 0").await.starts_with("HTTP/1.1 200 OK\r\n"));
    stream.write_all(b"POST /b HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc").await.unwrap();
    until(&mut stream, "POST /b 3").await;
    assert_eq!(server.counters().accepted.get(), 1);
    assert_eq!(server.counters().http1.get(), 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_server, address) = start(limits(), mirror());
    let mut stream = send(address, &format!("{GET}{}{GET}", GET.replace("/a", "/b"))).await;
    for end in ["GET /a 0", "GET /b 0", "GET /a 0"] {
        until(&mut stream, end).await;
    }
}

#[tokio::test]
async fn the_service_knows_the_connection() {
    let service = handler(|_, conn| async move {
        text(format!("{} {} {} {}", conn.peer, conn.local, conn.unix, conn.tls.is_some()))
    });
    let (_server, address) = start(limits(), service);
    let mut stream = send(address, GET).await;
    let peer = stream.local_addr().unwrap();
    until(&mut stream, &format!("{peer} {address} false false")).await;
}

#[tokio::test]
async fn a_client_that_half_closes_gets_its_answer() {
    let (_server, address) = start(limits(), mirror());
    let mut stream = send(address, GET).await;
    stream.shutdown().await.unwrap();
    assert!(rest(&mut stream).await.ends_with("GET /a 0"));
}

#[tokio::test]
async fn waiting_for_the_answer_to_a_half_closed_client_costs_nothing() {
    let polls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&polls);
    let service = handler(move |_, _| {
        let count = Arc::clone(&count);
        std::future::poll_fn(move |_| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            std::task::Poll::Pending
        })
    });
    let (_server, address) = start(limits(), service);
    let mut stream = send(address, GET).await;
    eventually("the request runs", || polls.load(std::sync::atomic::Ordering::Relaxed) > 0).await;
    stream.shutdown().await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let polls = polls.load(std::sync::atomic::Ordering::Relaxed);
    assert!(polls < 10, "hyper has spun here before (#4086): {polls} polls");
}

#[tokio::test]
async fn head_204_and_304_have_no_body() {
    let service = handler(|request, _| async move {
        let mut response = text("hello");
        *response.status_mut() = request.uri().path()[1..].parse().unwrap();
        response
    });
    let (_server, address) = start(limits(), service);
    for (method, status) in [("HEAD", "200"), ("GET", "204"), ("GET", "304")] {
        let request = format!("{method} /{status} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = rest(&mut send(address, &request).await).await;
        assert!(answer.ends_with("\r\n\r\n"), "{method} {status}: {answer}");
        assert_eq!(answer.contains("content-length: 5"), method == "HEAD", "{method} {status}: {answer}");
    }
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_when_the_body_is_wanted() {
    let wanted = Arc::new(tokio::sync::Notify::new());
    let go = Arc::clone(&wanted);
    let service = handler(move |request, _| {
        let go = Arc::clone(&go);
        async move {
            go.notified().await;
            let body = request.into_body().collect().await.unwrap().to_bytes();
            text(body)
        }
    });
    let (_server, address) = start(limits(), service);
    let head = "POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    let mut stream = send(address, head).await;
    let early = tokio::time::timeout(Duration::from_millis(50), stream.read_u8()).await;
    assert!(early.is_err(), "nothing is said before the body is wanted");
    wanted.notify_one();
    assert_eq!(until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"bytes").await.unwrap();
    until(&mut stream, "bytes").await;
}

#[tokio::test]
async fn a_body_that_is_refused_is_never_asked_for() {
    let service = handler(|_, _| async {
        let mut response = text("too large");
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        response
    });
    let (_server, address) = start(limits(), service);
    let head = "POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 500\r\n\r\n";
    let mut stream = send(address, head).await;
    let answer = until(&mut stream, "too large").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_goes_on_sending() {
    let service = handler(|_, _| async {
        let mut response = text("too large");
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        response
    });
    let (_server, address) = start(limits(), service);
    let stream = send(address, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8000000\r\n\r\n").await;
    let (mut read, mut write) = stream.into_split();
    // the client does not look at the answer until it has sent everything
    let sent = write.write_all(&vec![b'x'; 8_000_000]).await;
    drop(write);
    assert!(sent.is_ok(), "{sent:?}");
    let answer = rest(&mut read).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("too large"), "{answer}");
}

fn trailing() -> Handler {
    handler(|_, _| async {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("42"));
        let frames =
            vec![Ok::<_, std::io::Error>(Frame::data(Bytes::from("data"))), Ok(Frame::trailers(trailers))];
        let mut response = Response::new(Body::stream(StreamBody::new(futures_util::stream::iter(frames))));
        response.headers_mut().insert(header::TRAILER, HeaderValue::from_static("x-sum"));
        response
    })
}

#[tokio::test]
async fn trailers_go_to_clients_that_take_them() {
    let (_server, address) = start(limits(), trailing());
    let ask = |te: &str| format!("GET / HTTP/1.1\r\nhost: x\r\n{te}connection: close\r\n\r\n");
    let answer = rest(&mut send(address, &ask("te: trailers\r\n")).await).await;
    assert!(answer.ends_with("4\r\ndata\r\n0\r\nx-sum: 42\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn interim_answers_go_out_before_the_answer_and_never_after_it() {
    let late = Arc::new(Mutex::new(Vec::new()));
    let kept = late.clone();
    let service = handler(move |_, conn| {
        let kept = kept.clone();
        async move {
            let interim = conn.interim().unwrap();
            let mut links = HeaderMap::new();
            links.insert(header::LINK, HeaderValue::from_static("</a.css>; rel=preload"));
            interim.send(StatusCode::EARLY_HINTS, &links);
            interim.send(StatusCode::SWITCHING_PROTOCOLS, &links);
            // lets the connection write before the answer is there
            tokio::time::sleep(Duration::from_millis(20)).await;
            // comes in one piece with the answer, and goes out ahead of it all the same
            interim.send(StatusCode::PROCESSING, &HeaderMap::new());
            kept.lock().unwrap().push(interim);
            text("answer")
        }
    });
    let (_server, address) = start(limits(), service);
    let mut stream = send(address, &format!("{GET}{GET}")).await;
    for n in 0..3 {
        if n == 2 {
            // behind the answer there is no place for any
            late.lock().unwrap().iter().for_each(|late| late.send(StatusCode::PROCESSING, &HeaderMap::new()));
            stream.write_all(GET.as_bytes()).await.unwrap();
        }
        let hints = until(&mut stream, "\r\n\r\n").await;
        assert_eq!(hints, "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
        assert_eq!(until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 102 Processing\r\n\r\n");
        assert!(until(&mut stream, "answer").await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[tokio::test]
async fn http_1_0_gets_no_interim_answers() {
    let service = handler(|_, conn| async move { text(conn.interim().is_none().to_string()) });
    let (_server, address) = start(limits(), service);
    let answer = rest(&mut send(address, "GET / HTTP/1.0\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("true"), "{answer}");
}

#[tokio::test]
async fn a_panic_costs_its_request_and_nothing_else() {
    let service = handler(|request, _| async move {
        assert!(request.uri().path() != "/panic", "as asked");
        text("fine")
    });
    let (server, address) = start(limits(), service);
    let mut stream = send(address, &GET.replace("/a", "/panic")).await;
    assert!(until(&mut stream, "went wrong here.\n").await.starts_with("HTTP/1.1 500 "));
    stream.write_all(GET.as_bytes()).await.unwrap();
    until(&mut stream, "fine").await;
    assert_eq!(server.counters().panics.get(), 1);
    assert_eq!(server.counters().accepted.get(), 1);
}

#[tokio::test]
async fn a_body_that_panics_breaks_its_answer_off_visibly() {
    let service = handler(|_, _| async {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Frame::data(Bytes::from("half")))]);
        let then = futures_util::stream::once(async { panic!("as asked") });
        Response::new(Body::stream(StreamBody::new(first.chain(then))))
    });
    let (_server, address) = start(limits(), service);
    let answer = rest(&mut send(address, GET).await).await;
    assert!(!answer.ends_with("0\r\n\r\n"), "no cache may take it for whole: {answer}");
}

pub(super) fn upgrading() -> Handler {
    handler(|mut request, _| async move {
        let upgrade = hyper::upgrade::on(&mut request);
        tasks::detached(async move {
            let mut io = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
            let mut buf = [0; 64];
            loop {
                match io.read(&mut buf).await {
                    Ok(0) | Err(_) => break,
                    Ok(count) => io.write_all(&buf[..count]).await.unwrap(),
                }
            }
        });
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("echo"));
        response
    })
}

pub(super) const UPGRADE: &str =
    "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nfirst";

#[tokio::test]
async fn an_upgraded_connection_keeps_its_seat_until_it_closes() {
    let (server, address) = start(limits(), upgrading());
    let mut stream = send(address, UPGRADE).await;
    assert!(
        until(&mut stream, "first").await.starts_with("HTTP/1.1 101 "),
        "what came with the request is kept"
    );
    stream.write_all(b"second").await.unwrap();
    until(&mut stream, "second").await;
    assert_eq!(server.open(), 1);
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    eventually("the seat is free", || server.open() == 0).await;
}
