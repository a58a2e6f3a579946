//! What the cache gives is what was asked for: the key and what the origin gets to see are of one normal form, and what is
//! not in the key comes to nobody else.

use http_body_util::Full;

use crate::support::fixture::{self, SEEN};
use crate::support::raw::{Raw, status};
use crate::support::wire::Asked;
use crate::support::{Config, Edge, Origin, Page, secs};

/// An origin whose pages show all of what they were asked with, and may be kept.
async fn mirror_of_requests() -> Origin {
    let origin = Origin::start().await;
    origin.make(|asked| {
        let Asked { target, headers, body, .. } = asked;
        let text = format!("{target} {headers:?} {}", String::from_utf8_lossy(body));
        Some(Page::html(text).header("cache-control", "max-age=600"))
    });
    origin
}

async fn edge_of(origin: &Origin) -> Edge {
    Edge::start(Config::before(&origin.url())).await
}

/// Sends bytes as they are, and reads the status.
async fn send(edge: &Edge, head: &str, body: &str) -> u16 {
    let mut raw = Raw::connect(edge.http()).await;
    raw.send(format!("{head}\r\nConnection: close\r\n\r\n{body}")).await;
    status(&raw.until_end(secs(5)).await.0)
}

#[tokio::test]
async fn what_a_stranger_sends_comes_to_nobody_else() {
    let origin = mirror_of_requests().await;
    let edge = edge_of(&origin).await;
    let host = "Host: www.example.test";
    for (n, (target, fields, body)) in [
        ("?utm_content=EVIL", host.to_owned(), ""),
        ("?ut%6d_content=EVIL", host.to_owned(), ""),
        ("?utm_content=x;q=EVIL", host.to_owned(), ""),
        ("", format!("{host}\r\nContent-Length: 4"), "EVIL"),
        ("", format!("{host}\r\nTransfer-Encoding: chunked"), "4\r\nEVIL\r\n0\r\n\r\n"),
        ("", "Host: www.example.test:31337".to_owned(), ""),
        ("", "Host: WWW.Example.TEST".to_owned(), ""),
        ("", "Host: www.example.test.".to_owned(), ""),
        ("", format!("{host}\r\nX_Forwarded_Host: EVIL"), ""),
        ("", format!("{host}\r\nX-Forwarded_Host: EVIL"), ""),
        ("", format!("{host}\r\nX-Forwarded-Host: EVIL"), ""),
        ("", format!("{host}\r\nX-Forwarded-Port: 31337"), ""),
        ("", format!("{host}\r\nX-Forwarded-Prefix: EVIL"), ""),
        ("", format!("{host}\r\nForwarded: for=1.2.3.4;host=EVIL"), ""),
        ("", format!("{host}\r\nX-Original-URL: EVIL"), ""),
        ("", format!("{host}\r\nX-Rewrite-URL: EVIL"), ""),
        ("", format!("{host}\r\nX-Host: EVIL"), ""),
        ("", format!("{host}\r\nX-HTTP-Method-Override: EVIL"), ""),
        ("", format!("{host}\r\nCookie: theme=EVIL"), ""),
        ("", format!("{host}\r\nAuthorization: EVIL"), ""),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(send(&edge, &format!("GET /page/{n}{target} HTTP/1.1\r\n{fields}"), body).await, 200);
        let next = edge.get(&format!("/page/{n}")).await.text();
        assert!(next.starts_with(&format!("/page/{n} ")), "{fields}: {next}");
        for trace in ["EVIL", "31337", "TEST", "test."] {
            assert!(!next.contains(trace), "{target} {fields}: {next}");
        }
    }
}

#[tokio::test]
async fn the_origin_sees_one_spelling() {
    let origin = mirror_of_requests().await;
    let edge = edge_of(&origin).await;
    for host in ["WWW.Example.TEST", "www.example.test.", "www.example.test:80"] {
        origin.forget();
        let request = format!("GET /a/%2e%2E/b%7e/./c//d?utm_source=x&p=%e3 HTTP/1.1\r\nHost: {host}");
        assert_eq!(send(&edge, &format!("{request}\r\nCache-Control: no-cache"), "").await, 200, "{host}");
        edge.client().get_with(&format!("/only/{host}"), &[]).await;
        let asked = origin.asked_for("/b~/c//d");
        if let Some(asked) = asked.first() {
            assert_eq!(asked.target, "/b~/c//d?p=%E3");
            assert_eq!(asked.header("host").as_deref(), Some("www.example.test"));
            assert_eq!(asked.header("x-forwarded-host").as_deref(), Some("www.example.test"));
            assert_eq!(asked.header("x-forwarded-port").as_deref(), Some("80"));
            assert!(asked.header("forwarded").unwrap().contains(";host=www.example.test;"));
        }
    }
    for target in ["/../etc", "/%2e%2e/etc", "/a/../../etc"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: www.example.test");
        assert_eq!(send(&edge, &request, "").await, 400, "{target}");
    }
}

#[tokio::test]
async fn what_is_one_visitors_alone_keeps_its_query_and_port() {
    let origin = mirror_of_requests().await;
    let edge = edge_of(&origin).await;
    let post = "POST /form?utm_source=x HTTP/1.1\r\nHost: www.example.test:8080\r\nContent-Length: 1";
    assert_eq!(send(&edge, post, "a").await, 200);
    let asked = origin.last("/form").await;
    assert_eq!(asked.target, "/form?utm_source=x");
    assert_eq!(asked.header("host").as_deref(), Some("www.example.test:8080"));
    assert_eq!(asked.header("x-forwarded-port").as_deref(), Some("8080"));
}

#[tokio::test]
async fn a_coding_that_nobody_knows_is_refused() {
    let origin = mirror_of_requests().await;
    let edge = edge_of(&origin).await;
    for coding in ["gzip, chunked", "identity, chunked"] {
        let head = format!("POST /form HTTP/1.1\r\nHost: www.example.test\r\nTransfer-Encoding: {coding}");
        assert_eq!(send(&edge, &head, "0\r\n\r\n").await, 501, "{coding}");
    }
    assert_eq!(origin.count("/form"), 0);
}

#[tokio::test]
async fn cookies_arrive_in_one_field_over_both_protocols() {
    let origin = mirror_of_requests().await;
    let edge = edge_of(&origin).await;
    for client in [edge.client(), edge.client().h2()] {
        origin.forget();
        client.get_with("/c", &[("cookie", "sid=1"), ("cookie", "cart=2; a=b"), ("cookie", "lang=ja")]).await;
        let asked = origin.last("/c").await;
        let cookies: Vec<_> = asked.headers.iter().filter(|(name, _)| name == "cookie").collect();
        assert_eq!(cookies, [&("cookie".to_owned(), "sid=1; cart=2; a=b; lang=ja".to_owned())]);
    }
}

#[tokio::test]
async fn a_session_is_known_by_any_of_its_cookie_fields() {
    let origin = mirror_of_requests().await;
    let config = Config::before(&origin.url()).site("cache.bypass_cookies", ["sid"]);
    let edge = Edge::start(config).await;
    edge.get("/page").await;
    let client = edge.client().h2();
    let answer = client.get_with("/page", &[("cookie", "theme=dark"), ("cookie", "sid=7")]).await;
    assert!(!answer.cache_status().contains("hit"), "{}", answer.cache_status());
    assert!(answer.text().contains("sid=7"), "{}", answer.text());
}

#[tokio::test]
async fn fields_that_differ_between_the_protocols_reach_the_origin_alike() {
    let origin = mirror_of_requests().await;
    let edge = edge_of(&origin).await;
    for (n, client) in [edge.client(), edge.client().h2()].into_iter().enumerate() {
        let path = format!("/alike/{n}");
        let request = client.ask("POST", &path).header("te", "trailers").header("x-own", "1");
        client.send(request.body(Full::from("a=b")).unwrap()).await.unwrap();
        let asked = origin.last(&path).await;
        assert_eq!(&*asked.body, b"a=b");
        for (name, expected) in [
            ("host", Some("www.example.test")),
            ("content-length", Some("3")),
            ("te", Some("trailers")),
            ("x-own", Some("1")),
            ("transfer-encoding", None),
            ("connection", None),
            ("keep-alive", None),
            ("proxy-connection", None),
            ("upgrade", None),
            ("expect", None),
        ] {
            assert_eq!(asked.header(name).as_deref(), expected, "{name}, HTTP/{}", n + 1);
        }
    }
}

#[tokio::test]
async fn a_visitor_has_a_hundred_fields_and_as_many_cookies_as_fit() {
    let origin = fixture::shop().await;
    let edge = edge_of(&origin).await;
    let fields = |n: usize| (0..n).map(|n| (format!("x-{n}"), "1".to_owned())).collect::<Vec<_>>();
    for (client, protocol) in [(edge.client(), 1), (edge.client().h2(), 2)] {
        for (n, expected) in [(90, 200), (101, 431)] {
            let fields = fields(n);
            let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(client.get_with(SEEN, &fields).await.status, expected, "{n} over HTTP/{protocol}");
        }
    }
    let crumbs: Vec<_> = (0..150).map(|n| format!("c{n}=1")).collect();
    let crumbs: Vec<_> = crumbs.iter().map(|crumb| ("cookie", crumb.as_str())).collect();
    assert_eq!(edge.client().h2().get_with(SEEN, &crumbs).await.status, 200);
}

#[tokio::test]
async fn who_has_only_cookies_of_statistics_is_a_visitor_without() {
    let origin = mirror_of_requests().await;
    let edge = edge_of(&origin).await;
    edge.client().get_with("/page", &[("cookie", "_ga=1; _gid=2")]).await;
    assert!(origin.last("/page").await.header("cookie").is_none());
    let next = edge.get("/page").await;
    assert!(next.cache_status().contains("hit"), "{}", next.cache_status());
}

#[tokio::test]
async fn in_an_outage_a_get_with_a_body_is_refused_like_a_form() {
    let origin = fixture::shop().await;
    let edge = edge_of(&origin).await;
    edge.until_snapshot().await;
    origin.fail(crate::support::faults::Refuse).await;
    edge.until("down").await;
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    let get = format!("GET {SEEN} HTTP/1.1\r\nHost: www.example.test\r\nContent-Length: 3");
    assert_eq!(send(&edge, &get, "q=1").await, 503);
}
