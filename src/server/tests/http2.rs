//! HTTP/2 on plain TCP.

use http::StatusCode;

use super::*;

#[tokio::test]
async fn prior_knowledge_is_enough() {
    let (server, address) = start(terms(), mirror());
    let mut client = http2(address).await;
    let (a, b) = tokio::join!(client.clone().send_request(get("/a")), client.send_request(get("/b")));
    assert_eq!(body_of(a.unwrap()).await, "GET /a 0");
    assert_eq!(body_of(b.unwrap()).await, "GET /b 0");
    assert_eq!((server.counters().http1.get(), server.counters().http2.get()), (0, 1));
}

#[tokio::test]
async fn a_preface_in_pieces_is_recognised_and_its_likes_are_not() {
    let (server, address) = start(terms(), mirror());
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
    let (_server, address) = start(terms(), service);
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
    let (server, address) = start(terms(), service);
    let mut client = http2(address).await;
    let answer = client.send_request(get("/panic")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body_of(client.send_request(get("/")).await.unwrap()).await, "fine");
    assert_eq!(server.counters().panics.get(), 1);
}

#[tokio::test]
async fn header_fields_that_are_too_large_are_refused_for_their_stream_alone() {
    let (_server, address) = start(terms(), mirror());
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
    let (server, address) = start(terms(), service);
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

#[tokio::test]
async fn there_is_no_way_for_interim_answers() {
    let service = handler(|_, conn| async move { text(conn.interim().is_none().to_string()) });
    let (_server, address) = start(terms(), service);
    let mut client = http2(address).await;
    assert_eq!(body_of(client.send_request(get("/")).await.unwrap()).await, "true");
}
