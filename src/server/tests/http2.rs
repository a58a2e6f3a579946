//! HTTP/2 on plain TCP.

use http::StatusCode;

use super::*;

#[tokio::test]
async fn prior_knowledge_is_enough() {
    let (server, address) = start(limits(), mirror());
    let mut client = http2(address).await;
    let (a, b) = tokio::join!(client.clone().send_request(get("/a")), client.send_request(get("/b")));
    assert_eq!(body_of(a.unwrap()).await, "GET /a 0");
    assert_eq!(body_of(b.unwrap()).await, "GET /b 0");
    assert_eq!((server.counters().http1.get(), server.counters().http2.get()), (0, 1));
}

#[tokio::test]
async fn a_preface_in_pieces_is_recognised_and_its_likes_are_not() {
    let (server, address) = start(limits(), mirror());
    let mut stream = send(address, "PRI * HT").await;
    stream.set_nodelay(true).unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    stream.write_all(b"TP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    // the length and type of a SETTINGS frame
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4);
    let mut other = send(address, "PROPFIND /x HTTP/1.1\r\nhost: x\r\n\r\n").await;
    until(&mut other, "PROPFIND /x 0").await;
    assert_eq!((server.counters().http1.get(), server.counters().http2.get()), (1, 1));
}

#[tokio::test]
async fn head_and_304_have_no_body() {
    let service = handler(|request, _| async move {
        let mut response = text("hello");
        *response.status_mut() = request.uri().path()[1..].parse().unwrap();
        response
    });
    let (_server, address) = start(limits(), service);
    let mut client = http2(address).await;
    let mut head = get("/200");
    *head.method_mut() = http::Method::HEAD;
    let answer = client.send_request(head).await.unwrap();
    assert_eq!(answer.headers()["content-length"], "5");
    assert_eq!(body_of(answer).await, "");
    let answer = client.send_request(get("/304")).await.unwrap();
    assert_eq!(answer.status(), 304);
    assert_eq!(body_of(answer).await, "");
}

#[tokio::test]
async fn a_panic_costs_its_request_and_nothing_else() {
    let service = handler(|request, _| async move {
        assert!(request.uri().path() != "/panic", "as asked");
        text("fine")
    });
    let (server, address) = start(limits(), service);
    let mut client = http2(address).await;
    let answer = client.send_request(get("/panic")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body_of(client.send_request(get("/")).await.unwrap()).await, "fine");
    assert_eq!(server.counters().panics.get(), 1);
}

#[tokio::test]
async fn header_fields_that_are_too_large_are_refused_for_their_stream_alone() {
    let (_server, address) = start(limits(), mirror());
    let mut client = http2(address).await;
    // until the server's SETTINGS are there, the client does not know the limit and sends it
    let mut large = get("/");
    large.headers_mut().insert("x-large", "x".repeat(20 << 10).parse().unwrap());
    match client.send_request(large).await {
        Ok(answer) => assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Err(error) => panic!("{error:?}"),
    }
    assert_eq!(body_of(client.send_request(get("/a")).await.unwrap()).await, "GET /a 0");
}

#[tokio::test]
async fn a_flood_of_cancelled_requests_ends_the_connection() {
    let arrived = Arc::new(tokio::sync::Notify::new());
    let arrival = Arc::clone(&arrived);
    let service = handler(move |_, _| {
        arrival.notify_one();
        std::future::pending()
    });
    let (server, address) = start(limits(), service);
    let mut client = http2(address).await;
    let mut gone = false;
    for _ in 0..1000 {
        if client.ready().await.is_err() {
            gone = true;
            break;
        }
        // one that is cancelled before it has arrived is another flood, which h2 ends
        tokio::select! {
            _ = client.send_request(get("/")) => {}
            () = arrived.notified() => {}
        }
    }
    assert!(gone);
    eventually("it is counted", || server.counters().ended(End::Cancelling) == 1).await;
}

type Client = h2::client::SendRequest<Bytes>;

/// A client that gives each stream so much room, and can hear interim answers.
async fn client_with_window(address: SocketAddr, window: u32) -> Client {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) =
        h2::client::Builder::new().initial_window_size(window).handshake(stream).await.unwrap();
    tasks::detached(connection);
    client.ready().await.unwrap()
}

fn ask(method: &str) -> Request<()> {
    Request::builder().method(method).uri("http://www.example.jp/").body(()).unwrap()
}

async fn all(body: &mut h2::RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut all = Vec::new();
    while let Some(bytes) = body.data().await {
        let bytes = bytes?;
        body.flow_control().release_capacity(bytes.len()).unwrap();
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

#[tokio::test]
async fn interim_answers_go_ahead_from_wherever_they_are_sent() {
    let service = handler(|_, conn| async move {
        let interim = conn.interim().unwrap();
        let hint = |path: &'static str| {
            http::HeaderMap::from_iter([(http::header::LINK, http::HeaderValue::from_static(path))])
        };
        interim.send(StatusCode::EARLY_HINTS, &hint("</a.css>"));
        let other = interim.clone();
        let elsewhere = async move { other.send(StatusCode::EARLY_HINTS, &hint("</b.css>")) };
        tasks::detached(elsewhere).await.unwrap();
        interim.send(StatusCode::CONTINUE, &hint("</none.css>"));
        interim.send(StatusCode::SWITCHING_PROTOCOLS, &hint("</none.css>"));
        // one after the answer has begun
        tasks::detached(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            interim.send(StatusCode::EARLY_HINTS, &hint("</late.css>"));
        });
        text("the page")
    });
    let (_server, address) = start(limits(), service);
    let mut client = client_with_window(address, 65_535).await;
    let (mut answer, _) = client.send_request(ask("GET"), true).unwrap();
    let mut hints = Vec::new();
    while let Some(interim) = std::future::poll_fn(|cx| answer.poll_informational(cx)).await {
        let interim = interim.unwrap();
        hints.push(format!("{} {}", interim.status(), interim.headers()["link"].to_str().unwrap()));
    }
    assert_eq!(hints, ["103 Early Hints </a.css>", "103 Early Hints </b.css>"]);
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(all(&mut answer.into_body()).await.unwrap(), b"the page");
}

#[tokio::test]
async fn a_body_is_asked_for_when_it_is_read_and_read_with_its_trailers() {
    let service = handler(|request, _| async move {
        if request.uri().path() == "/unread" {
            return text("no need");
        }
        let length = http_body::Body::size_hint(request.body()).exact();
        let body = request.into_body().collect().await.unwrap();
        let trailer = body.trailers().and_then(|trailers| trailers.get("x-sum")).cloned();
        text(format!("{length:?} {} {:?}", body.to_bytes().len(), trailer.unwrap()))
    });
    let (_server, address) = start(limits(), service);
    let mut client = client_with_window(address, 65_535).await;
    let mut request = ask("POST");
    request.headers_mut().insert("expect", "100-continue".parse().unwrap());
    request.headers_mut().insert("content-length", "600000".parse().unwrap());
    let (mut answer, mut body) = client.send_request(request, false).unwrap();
    let interim = std::future::poll_fn(|cx| answer.poll_informational(cx)).await;
    assert_eq!(interim.unwrap().unwrap().status(), StatusCode::CONTINUE);
    // more than the window, so it has to be opened again
    body.send_data(Bytes::from(vec![b'a'; 600_000]), false).unwrap();
    body.send_trailers(http::HeaderMap::from_iter([("x-sum".parse().unwrap(), "42".parse().unwrap())]))
        .unwrap();
    let mut answer = answer.await.unwrap().into_body();
    assert_eq!(all(&mut answer).await.unwrap(), b"Some(600000) 600000 \"42\"");
    let mut request = Request::post("http://www.example.jp/unread").body(()).unwrap();
    request.headers_mut().insert("expect", "100-continue".parse().unwrap());
    let (mut answer, _body) = client.send_request(request, false).unwrap();
    assert!(std::future::poll_fn(|cx| answer.poll_informational(cx)).await.is_none(), "it is not wanted");
    assert_eq!(all(answer.await.unwrap().body_mut()).await.unwrap(), b"no need");
}

/// A body of so many pieces of 10 bytes, that notes how often it was asked and when it was dropped.
struct Pieces {
    left: usize,
    asked: Arc<std::sync::atomic::AtomicUsize>,
    dropped: Arc<tokio::sync::Notify>,
    end: Result<(), &'static str>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, &'static str>>> {
        self.asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        std::task::Poll::Ready(match (self.left, self.end) {
            (0, Ok(())) => {
                self.end = Err("asked after the end");
                let trailers = [("x-sum".parse().unwrap(), "7".parse().unwrap())];
                Some(Ok(http_body::Frame::trailers(http::HeaderMap::from_iter(trailers))))
            }
            (0, Err("asked after the end")) => None,
            (0, Err("panic")) => panic!("as asked"),
            (0, Err(error)) => Some(Err(error)),
            (_, _) => {
                self.left -= 1;
                Some(Ok(http_body::Frame::data(Bytes::from_static(b"0123456789"))))
            }
        })
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.dropped.notify_one();
    }
}

/// Answers with [`Pieces`]; `length` is said.
fn in_pieces(
    left: usize,
    length: Option<usize>,
    end: Result<(), &'static str>,
) -> (Handler, Arc<std::sync::atomic::AtomicUsize>, Arc<tokio::sync::Notify>) {
    let (asked, dropped) = (Arc::default(), Arc::new(tokio::sync::Notify::new()));
    let (asking, dropping) = (Arc::clone(&asked), Arc::clone(&dropped));
    let service = handler(move |_, _| {
        let pieces = Pieces { left, asked: Arc::clone(&asking), dropped: Arc::clone(&dropping), end };
        async move {
            let mut response = Response::new(Body::stream(http_body_util::BodyExt::map_err(pieces, |e| e)));
            response.headers_mut().insert("connection", "keep-alive, x-hop".parse().unwrap());
            response.headers_mut().insert("x-hop", "1".parse().unwrap());
            if let Some(length) = length {
                response.headers_mut().insert("content-length", length.into());
            }
            response
        }
    });
    (service, asked, dropped)
}

#[tokio::test]
async fn a_body_is_asked_when_there_is_room_for_it_and_not_before() {
    let (service, asked, _) = in_pieces(100, None, Ok(()));
    let (_server, address) = start(limits(), service);
    let mut client = client_with_window(address, 0).await;
    let (answer, _) = client.send_request(ask("GET"), true).unwrap();
    let answer = answer.await.unwrap();
    assert!(answer.headers().contains_key("date"));
    assert!(!answer.headers().contains_key("x-hop") && !answer.headers().contains_key("connection"));
    // one that needs no room comes after whatever was sent before it
    let (other, _) = client.send_request(ask("HEAD"), true).unwrap();
    assert!(other.await.unwrap().body().is_end_stream());
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 0);
    drop(answer);
    let mut client = client_with_window(address, 25).await;
    let (answer, _) = client.send_request(ask("GET"), true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    assert_eq!(all(&mut body).await.unwrap().len(), 1000);
    assert_eq!(body.trailers().await.unwrap().unwrap()["x-sum"], "7");
}

#[tokio::test]
async fn the_end_of_an_answer_needs_no_room() {
    let (service, ..) = in_pieces(2, Some(20), Ok(()));
    let (_server, address) = start(limits(), service);
    let mut client = client_with_window(address, 20).await;
    let (answer, _) = client.send_request(ask("GET"), true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    let mut got = 0;
    while let Some(bytes) = body.data().await {
        got += bytes.unwrap().len(); // and no room is made again
    }
    assert_eq!(got, 20);
    assert_eq!(body.trailers().await.unwrap().unwrap()["x-sum"], "7");
}

#[tokio::test]
async fn a_body_that_fails_or_panics_resets_its_stream_alone() {
    for end in ["broken", "panic"] {
        let (service, ..) = in_pieces(3, None, Err(end));
        let (_server, address) = start(limits(), service);
        let mut client = client_with_window(address, 65_535).await;
        for _ in 0..2 {
            let (answer, _) = client.send_request(ask("GET"), true).unwrap();
            let answer = async { all(answer.await?.body_mut()).await };
            assert_eq!(answer.await.unwrap_err().reason(), Some(h2::Reason::INTERNAL_ERROR));
        }
    }
}

#[tokio::test]
async fn who_cancels_is_not_worked_for() {
    let (service, asked, dropped) = in_pieces(usize::MAX, None, Ok(()));
    let (_server, address) = start(limits(), service);
    let mut client = client_with_window(address, 50).await;
    let (answer, _) = client.send_request(ask("GET"), true).unwrap();
    let body = answer.await.unwrap().into_body();
    eventually("it is under way", || asked.load(std::sync::atomic::Ordering::SeqCst) > 0).await;
    drop(body);
    dropped.notified().await;
    // a handler that is still at work
    let dropped = Arc::new(tokio::sync::Notify::new());
    let dropping = Arc::clone(&dropped);
    let service = handler(move |_, _| {
        let pieces = Pieces { left: 0, asked: Arc::default(), dropped: Arc::clone(&dropping), end: Ok(()) };
        async move {
            let _held = pieces;
            std::future::pending().await
        }
    });
    let (server, address) = start(limits(), service);
    let mut client = client_with_window(address, 50).await;
    let (answer, mut sender) = client.send_request(ask("GET"), false).unwrap();
    eventually("it has come", || server.counters().http2.get() == 1).await;
    sender.send_reset(h2::Reason::CANCEL);
    drop(answer);
    dropped.notified().await;
    // a connection that is gone
    let mut stream = send(address, PREFACE).await;
    stream.write_all(&get_frame(1)).await.unwrap();
    eventually("it has come", || server.counters().http2.get() == 2).await;
    drop(stream);
    dropped.notified().await;
}

/// The preface, with SETTINGS that say nothing.
pub(super) const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// HEADERS of GET / (RFC 7541 section 6).
pub(super) fn get_frame(stream: u8) -> Vec<u8> {
    const BLOCK: &[u8] = b"\x82\x84\x86\x01\x0ewww.example.jp";
    [&[0, 0, BLOCK.len() as u8, 1, 5, 0, 0, 0, stream], BLOCK].concat()
}

/// The next frame: its type, and what it holds.
async fn frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    let mut rest = vec![0; usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])];
    stream.read_exact(&mut rest).await.unwrap();
    (head[3], rest)
}

async fn frame_of(stream: &mut TcpStream, kind: u8) -> Vec<u8> {
    loop {
        let (found, rest) = tokio::time::timeout(Duration::from_secs(20), frame(stream)).await.unwrap();
        if found == kind {
            return rest;
        }
    }
}

#[tokio::test]
async fn a_drain_says_goodbye_in_two_steps_and_finishes_what_runs() {
    let go = Arc::new(tokio::sync::Notify::new());
    let lever = Arc::clone(&go);
    let service = handler(move |_, _| {
        let go = Arc::clone(&go);
        async move {
            go.notified().await;
            text("held")
        }
    });
    let (server, address) = start(limits(), service);
    let mut stream = send(address, PREFACE).await;
    stream.write_all(&get_frame(1)).await.unwrap();
    let counters = server.counters();
    eventually("it runs", || counters.http2.get() == 1).await;
    let drain = tasks::detached(server.drain(Duration::from_secs(20)));
    let goodbye = frame_of(&mut stream, 7).await;
    assert_eq!(goodbye[..4], [0x7f, 0xff, 0xff, 0xff], "requests may be on their way");
    let ping = frame_of(&mut stream, 6).await;
    // one that was: it is answered
    stream.write_all(&get_frame(3)).await.unwrap();
    stream.write_all(&[&[0, 0, 8, 6, 1, 0, 0, 0, 0], &ping[..]].concat()).await.unwrap();
    let goodbye = frame_of(&mut stream, 7).await;
    assert_eq!(goodbye[..4], [0, 0, 0, 3], "no other will be");
    for _ in 0..2 {
        lever.notify_one();
        assert_eq!(frame_of(&mut stream, 0).await, b"held");
    }
    rest(&mut stream).await;
    drop(stream);
    assert_eq!(drain.await.unwrap(), Drained::Finished { upgraded: 0 });
}
