//! How visitors may speak: HTTP/1.0, 1.1 and 2, plain and by TLS, several sites on one listener, WebSockets, interim
//! answers; and what is refused before it can mislead an origin.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::support::certs::Authority;
use crate::support::faults::{Doing, Fault, Refuse};
use crate::support::fixture::{self, SEEN};
use crate::support::page::Good;
use crate::support::raw::{End, Raw, status};
use crate::support::wire::Wire;
use crate::support::{Config, Edge, Origin, Page, Site, eventually, ms, secs};

#[tokio::test]
async fn http2_works_without_tls() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let answer = edge.client().h2().get(SEEN).await;
    answer.must_be(&origin.content(SEEN).body);
    assert_eq!(answer.version, http::Version::HTTP_2);
    assert_eq!(origin.last(SEEN).await.header("host").as_deref(), Some("www.example.test"));
    assert_eq!(edge.client().h2().post("/signup", "name=a").await.status, 200);
    assert_eq!(origin.posted("/signup").await.body, "name=a");
}

#[tokio::test]
async fn many_requests_share_one_http2_connection() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let client = edge.client().h2();
    let lever = origin.hold("/signup");
    let crate::support::client::Session::H2(sender) = client.session().await.unwrap() else {
        panic!("not HTTP/2");
    };
    let running: Vec<_> = (0..40)
        .map(|n| {
            let mut sender = sender.clone();
            let request = client.ask("GET", &format!("/signup?n={n}")).body(Default::default()).unwrap();
            tokio::spawn(
                async move { sender.send_request(request).await.map(|answer| answer.status().as_u16()) },
            )
        })
        .collect();
    lever.wait_for(40, secs(5)).await;
    lever.release();
    for request in running {
        assert_eq!(request.await.unwrap().unwrap(), 200);
    }
}

/// Two sites with certificates of one authority, on one TLS listener.
async fn two_sites() -> (Authority, [Origin; 2], Edge) {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let origins = [fixture::shop().await, Origin::start().await];
    origins[1].page("/", Page::html("the other site's home"));
    origins[1].page("/about", Page::html("the other site"));
    let site = |name: &str, origin: &Origin| {
        let host = format!("{name}.example.test");
        let (cert, key) = authority.leaf(&host).write(dir.path(), name);
        let site = if name == "www" { Site::new() } else { Site::bare("other", &host) };
        site.set("tls.cert", cert.display().to_string())
            .set("tls.key", key.display().to_string())
            .origin(&origin.url())
    };
    let config = Config::new(site("www", &origins[0])).and(site("other", &origins[1]));
    let edge = Edge::start_in(dir, config.set("listen.https", ["127.0.0.1:0"])).await;
    (authority, origins, edge)
}

#[tokio::test]
async fn sites_are_told_apart_by_name_with_and_without_tls() {
    let (authority, origins, edge) = two_sites().await;
    let tls = edge.tls(authority.roots());
    tls.get(SEEN).await.must_be(&origins[0].content(SEEN).body);
    tls.h2().get(SEEN).await.must_be(&origins[0].content(SEEN).body);
    tls.host("other.example.test").get("/about").await.must_be(b"the other site");
    edge.client().host("other.example.test").get("/about").await.must_be(b"the other site");
    edge.client().get(SEEN).await.must_be(&origins[0].content(SEEN).body);
    let asked = origins[1].last("/about").await;
    assert_eq!(asked.header("host").as_deref(), Some("other.example.test"));
    origins[0].forget();
    tls.get(SEEN).await;
    assert_eq!(origins[0].last(SEEN).await.header("x-forwarded-proto").as_deref(), Some("https"));
}

#[tokio::test]
async fn one_sites_certificate_does_not_open_another_site() {
    let (authority, origins, edge) = two_sites().await;
    // HTTP/2 lets a client reuse a connection for a name that its certificate does not cover: RFC 9110 section 7.4
    let session = edge.tls(authority.roots()).session().await;
    let request = http::Request::builder().uri("/nobody").header("host", "stranger.example.test");
    let answer = session.unwrap().send(request.body(Default::default()).unwrap()).await.unwrap();
    assert_eq!(answer.status, 421);
    assert_eq!(origins[0].count("/nobody") + origins[1].count("/nobody"), 0);
}

#[tokio::test]
async fn a_dead_site_does_not_touch_its_neighbour() {
    let (authority, origins, edge) = two_sites().await;
    origins[0].fail(Refuse).await;
    edge.until("down").await;
    edge.tls(authority.roots()).host("other.example.test").get("/about").await.must_be(b"the other site");
}

#[tokio::test]
async fn a_websocket_passes_both_ways_and_outlives_a_reload() {
    let origin = Origin::start().await;
    origin.page("/ws", Page::echo());
    let edge = Edge::start(Config::before(&origin.url())).await;
    let mut raw = Raw::connect(edge.http()).await;
    let request = "GET /ws HTTP/1.1\r\nHost: www.example.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    raw.send(request).await;
    let head = raw.head(secs(5)).await.to_ascii_lowercase();
    assert_eq!(status(&head), 101, "{head}");
    assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
    raw.send("ping").await;
    assert_eq!(raw.exactly(4, secs(5)).await, b"ping");
    assert_eq!(edge.reload().await.status / 100, 2);
    let far = fixture::noise(300_000, 7);
    raw.send(&far).await;
    assert_eq!(raw.exactly(far.len(), secs(5)).await, far);
    raw.end().await;
    assert_eq!(raw.until_end(secs(5)).await.1, End::Closed);
}

/// The right answer, hints ahead; it waits until somebody has seen them.
struct Hints(Arc<Semaphore>);
impl Fault for Hints {
    fn answer<'a>(&'a self, wire: &'a mut Wire, good: Good) -> Doing<'a> {
        Box::pin(async move {
            wire.send(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n").await?;
            wire.send(b"HTTP/1.1 102 Processing\r\n\r\n").await?;
            self.0.acquire().await.expect("it is never closed").forget();
            good.send(wire).await
        })
    }
}

#[tokio::test]
async fn interim_answers_pass_ahead_of_the_final_one() {
    let origin = Origin::start().await;
    origin.page("/hints", Page::html("the page"));
    let seen = Arc::new(Semaphore::new(0));
    origin.fail_under("/hints", Hints(seen.clone())).await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    for method in ["GET", "POST"] {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(format!("{method} /hints HTTP/1.1\r\nHost: www.example.test\r\nContent-Length: 0\r\n\r\n"))
            .await;
        let heads = [raw.head(secs(5)).await, raw.head(secs(5)).await];
        seen.add_permits(1);
        assert_eq!(heads.each_ref().map(|head| status(head)), [103, 102], "{method}: {heads:?}");
        assert_eq!(status(&raw.head(secs(5)).await), 200, "{method}");
    }
    // browsers heed them over HTTP/2 only
    let tcp = tokio::net::TcpStream::connect(edge.http()).await.unwrap();
    let (client, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    for method in ["GET", "POST"] {
        let request = http::Request::builder().method(method).uri("http://www.example.test/hints");
        let mut client = client.clone().ready().await.unwrap();
        let (mut answer, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
        for (status, link) in [(103, Some("</style.css>; rel=preload")), (102, None)] {
            let interim = std::future::poll_fn(|cx| answer.poll_informational(cx));
            let interim = tokio::time::timeout(secs(5), interim).await.unwrap().unwrap().unwrap();
            let said = interim.headers().get("link").map(|link| link.to_str().unwrap());
            assert_eq!((interim.status().as_u16(), said), (status, link), "{method}");
        }
        seen.add_permits(1);
        let mut answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.body_mut().data().await.unwrap().unwrap(), "the page");
    }
}

#[tokio::test]
async fn a_body_is_asked_for_before_it_is_sent() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url()).set("limits.body_size", "1MiB")).await;
    let mut raw = Raw::connect(edge.http()).await;
    let head = "POST /signup HTTP/1.1\r\nHost: www.example.test\r\nExpect: 100-continue\r\nContent-Length: ";
    raw.send(format!("{head}6\r\n\r\n")).await;
    assert_eq!(status(&raw.head(secs(5)).await), 100);
    raw.send("name=a").await;
    assert_eq!(status(&raw.head(secs(5)).await), 200);
    assert_eq!(origin.posted("/signup").await.body, "name=a");
    let mut raw = Raw::connect(edge.http()).await;
    raw.send(format!("{head}9000000\r\n\r\n")).await;
    assert_eq!(status(&raw.head(secs(5)).await), 413);
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let origin = Origin::start().await;
    origin.page("/t", Page::new("text/plain", "body").trailer("x-sum", "42"));
    let edge = Edge::start(Config::before(&origin.url())).await;
    let answer = edge.client().h2().get_with("/t", &[("te", "trailers")]).await;
    answer.must_be(b"body");
    assert_eq!(answer.trailers.expect("trailers by HTTP/2")["x-sum"], "42");
    let tcp = tokio::net::TcpStream::connect(edge.http()).await.unwrap();
    let (client, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let request =
        http::Request::post("http://www.example.test/t").header("trailer", "x-mine").body(()).unwrap();
    let (answer, mut body) = client.ready().await.unwrap().send_request(request, false).unwrap();
    body.send_data("abc".into(), false).unwrap();
    body.send_trailers(http::HeaderMap::from_iter([("x-mine".parse().unwrap(), "6".parse().unwrap())]))
        .unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    assert_eq!(origin.posted("/t").await.trailers, vec![("x-mine".into(), "6".into())]);
    origin.forget();
    let answer = edge.client().get_with("/t", &[("te", "trailers"), ("connection", "te")]).await;
    assert_eq!(answer.trailers.expect("trailers by HTTP/1.1")["x-sum"], "42");
    let mut raw = Raw::connect(edge.http()).await;
    raw.send(
        "POST /t HTTP/1.1\r\nHost: www.example.test\r\nTransfer-Encoding: chunked\r\nTrailer: x-mine\r\n\r\n\
         3\r\nabc\r\n0\r\nx-mine: 7\r\n\r\n",
    )
    .await;
    assert_eq!(status(&raw.head(secs(5)).await), 200);
    let asked = eventually("the POST", secs(5), async || {
        origin.asked_for("/t").into_iter().find(|asked| asked.method == "POST")
    })
    .await;
    assert_eq!((&asked.body[..], asked.trailers), (&b"abc"[..], vec![("x-mine".into(), "7".into())]));
}

#[tokio::test]
async fn http10_is_answered_and_closed() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let mut raw = Raw::connect(edge.http()).await;
    raw.send(format!("GET {SEEN} HTTP/1.0\r\nHost: www.example.test\r\n\r\n")).await;
    let (text, end) = raw.until_end(secs(5)).await;
    assert_eq!((status(&text), end), (200, End::Closed));
    assert!(!text.to_ascii_lowercase().contains("transfer-encoding"), "{text}");
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_their_order() {
    let origin = Origin::start().await;
    origin.make(|asked| Some(Page::html(format!("[{}]", asked.target))));
    let edge = Edge::start(Config::before(&origin.url())).await;
    let mut raw = Raw::connect(edge.http()).await;
    let one = |n: u32| format!("GET /{n} HTTP/1.1\r\nHost: www.example.test\r\n\r\n");
    raw.send([one(1), one(2), one(3)].concat()).await;
    for n in 1..=3 {
        raw.until(&format!("[/{n}]"), secs(5)).await;
    }
}

#[tokio::test]
async fn what_could_mislead_an_origin_is_refused() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: www.example.test\r\n\r\n";
    let host = "Host: www.example.test\r\n";
    for (name, request) in [
        ("two lengths", format!("POST / HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab")),
        ("a length with a sign", format!("POST / HTTP/1.1\r\n{host}Content-Length: +1\r\n\r\na")),
        (
            "an unknown coding",
            format!("POST / HTTP/1.1\r\n{host}Transfer-Encoding: xchunked\r\n\r\n{smuggled}"),
        ),
        ("no host", "GET / HTTP/1.1\r\n\r\n".to_owned()),
        ("two hosts", format!("GET / HTTP/1.1\r\n{host}Host: other.example.test\r\n\r\n")),
        ("a blank before the colon", format!("GET / HTTP/1.1\r\n{host}X : y\r\n\r\n")),
        ("no version", "GET /\r\n\r\n".to_owned()),
        ("not HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".to_owned()),
    ] {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(&request).await;
        let (text, end) = raw.until_end(secs(3)).await;
        assert!(end != End::Open || text.starts_with("HTTP/1.1 4"), "{name}: {end:?} {text}");
        assert!(text.is_empty() || (400..=421).contains(&status(&text)), "{name}: {text}");
    }
    // with both, the length is dropped and the connection is not used again, or the request is refused (RFC 9112 6.3)
    let mut raw = Raw::connect(edge.http()).await;
    let both = format!(
        "POST /signup HTTP/1.1\r\n{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    );
    raw.send(format!("{both}{smuggled}")).await;
    raw.until_end(ms(800)).await;
    let asked = origin.asked_for("/signup").pop();
    if let Some(asked) = asked {
        assert!(asked.header("content-length").is_none_or(|length| length == "0"), "{asked:?}");
    }
    eventually("a working edge", secs(5), async || (edge.get(SEEN).await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn a_target_may_be_absolute() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let mut raw = Raw::connect(edge.http()).await;
    raw.send("GET http://www.example.test/about HTTP/1.1\r\nHost: www.example.test\r\n\r\n").await;
    assert_eq!(status(&raw.head(secs(5)).await), 200);
    assert_eq!(origin.last("/about").await.header("host").as_deref(), Some("www.example.test"));
}
