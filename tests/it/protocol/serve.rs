//! The live site, passed through: methods, paths, header fields, conditions. What the origin and the visitor see of
//! each other is what the two would see without a proxy, plus what a proxy must say of itself.

use http_body_util::Full;

use crate::support::fixture::{self, SEEN};
use crate::support::raw::{End, Raw, status};
use crate::support::{Config, Edge, Origin, Page, secs};

async fn shop() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    (origin, edge)
}

#[tokio::test]
async fn a_page_passes_unchanged() {
    let (origin, edge) = shop().await;
    origin.page("/fields", Page::html("x").header("x-powered-by", "shop/1").header("set-cookie", "a=1"));
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    let answer = edge.get("/fields").await;
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.header("x-powered-by"), Some("shop/1"));
    assert_eq!(answer.header("set-cookie"), Some("a=1"));
    assert_eq!(answer.header("content-length"), Some("1"));
}

#[tokio::test]
async fn an_answer_says_where_it_came_from() {
    let (_origin, edge) = shop().await;
    let answer = edge.get(SEEN).await;
    let status = answer.cache_status();
    assert!(status.starts_with("katahai;") && status.contains("fwd="), "{status}");
    assert!(status.contains("fwd-status=200"), "{status}");
    assert_eq!(answer.header("via"), Some("1.1 katahai"));
    assert_eq!(answer.header("memento-datetime"), None);
}

#[tokio::test]
async fn methods_and_their_bodies_reach_the_origin() {
    let (origin, edge) = shop().await;
    origin.make(|asked| (asked.path() == "/any").then(|| Page::html(format!("{} ok", asked.method))));
    let client = edge.client();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let body = if method == "GET" { "" } else { "a=b&c=d" };
        let request = client.ask(method, "/any").body(Full::from(body)).unwrap();
        let answer = client.send(request).await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, format!("{method} ok")));
        let asked = origin.last("/any").await;
        assert_eq!((&*asked.method, &asked.body[..]), (method, body.as_bytes()));
    }
}

#[tokio::test]
async fn head_has_the_fields_of_get_and_no_body() {
    let (origin, edge) = shop().await;
    let mut raw = Raw::connect(edge.http()).await;
    raw.send(format!("HEAD {SEEN} HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\n\r\n")).await;
    let (text, end) = raw.until_end(secs(5)).await;
    let length = format!("content-length: {}", origin.content(SEEN).body.len());
    assert_eq!((status(&text), end), (200, End::Closed));
    assert!(text.to_ascii_lowercase().contains(&length), "{text}");
    assert!(text.ends_with("\r\n\r\n"), "a body after HEAD: {text}");
}

#[tokio::test]
async fn the_target_reaches_the_origin_in_its_normal_form() {
    let origin = Origin::start().await;
    origin.make(|asked| Some(Page::html(asked.target.clone())));
    let edge = Edge::start(Config::before(&origin.url())).await;
    for (target, normal) in [
        ("/a%20b?x=%E3%81%82&utm_source=mail", "/a%20b?x=%E3%81%82"),
        ("/%7euser/", "/~user/"),
        ("/a/b;c=d?e=f?g", "/a/b;c=d?e=f?g"),
        ("/?", "/"),
        ("/a//b", "/a//b"),
    ] {
        assert_eq!(edge.get(target).await.text(), normal);
    }
}

/// No crawl and no check asks for it: the last request for it is the visitor's.
const UNLINKED: &str = "/who-asks";

#[tokio::test]
async fn the_origin_learns_who_asks_and_how() {
    let (origin, edge) = shop().await;
    edge.client().get_with(UNLINKED, &[("cookie", "a=1"), ("accept-language", "ja")]).await;
    let asked = origin.last(UNLINKED).await;
    assert_eq!(asked.header("host").as_deref(), Some("www.example.test"));
    assert_eq!(asked.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(asked.header("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(asked.header("x-forwarded-host").as_deref(), Some("www.example.test"));
    let forwarded = asked.header("forwarded").unwrap();
    for part in ["for=127.0.0.1", "proto=http", "host="] {
        assert!(forwarded.contains(part), "{forwarded}");
    }
    assert_eq!(asked.header("via").as_deref(), Some("1.1 katahai"));
    assert_eq!(asked.header("cookie").as_deref(), Some("a=1"));
    assert_eq!(asked.header("accept-language").as_deref(), Some("ja"));
}

#[tokio::test]
async fn strangers_are_not_believed_who_they_forward_for() {
    let (origin, edge) = shop().await;
    let lies =
        [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1"), ("x-forwarded-proto", "https")];
    edge.client().get_with(UNLINKED, &lies).await;
    let asked = origin.last(UNLINKED).await;
    assert_eq!(asked.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(asked.header("x-forwarded-proto").as_deref(), Some("http"));
    assert!(!asked.header("forwarded").unwrap().contains("192.0.2.1"));
}

#[tokio::test]
async fn trusted_proxies_are_believed_who_they_forward_for() {
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url()).set("listen.trusted_proxies", ["127.0.0.0/8"]);
    let edge = Edge::start(config).await;
    edge.client()
        .get_with(UNLINKED, &[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")])
        .await;
    let asked = origin.last(UNLINKED).await;
    assert_eq!(asked.header("x-forwarded-for").as_deref(), Some("192.0.2.1, 127.0.0.1"));
    assert_eq!(asked.header("x-forwarded-proto").as_deref(), Some("https"));
}

#[tokio::test]
async fn fields_of_one_hop_stay_on_it() {
    let (origin, edge) = shop().await;
    origin.page(
        "/hop",
        Page::html("x")
            .header("connection", "x-of-the-hop")
            .header("x-of-the-hop", "1")
            .header("keep-alive", "timeout=5")
            .header("proxy-authenticate", "Basic")
            .header("x-stays", "1"),
    );
    let headers = [
        ("connection", "x-private, keep-alive"),
        ("x-private", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "trailers"),
        ("x-public", "1"),
    ];
    let answer = edge.client().get_with("/hop", &headers).await;
    for gone in ["x-of-the-hop", "keep-alive"] {
        assert_eq!(answer.header(gone), None, "{gone}");
    }
    assert_eq!(answer.header("x-stays"), Some("1"));
    let asked = origin.last("/hop").await;
    for gone in ["x-private", "keep-alive", "proxy-connection"] {
        assert_eq!(asked.header(gone), None, "{gone}");
    }
    assert_eq!(asked.header("x-public").as_deref(), Some("1"));
}

#[tokio::test]
async fn an_origin_may_want_another_host_name() {
    let origin = fixture::shop().await;
    let site = crate::support::Site::new().origin_with(&origin.url(), "host = \"inside.example.test\"");
    let edge = Edge::start(Config::new(site)).await;
    edge.get(UNLINKED).await;
    let asked = origin.last(UNLINKED).await;
    assert_eq!(asked.header("host").as_deref(), Some("inside.example.test"));
    assert_eq!(asked.header("x-forwarded-host").as_deref(), Some("www.example.test"));
}

#[tokio::test]
async fn redirects_and_the_origins_own_errors_pass() {
    let (_origin, edge) = shop().await;
    let moved = edge.get("/old").await;
    assert_eq!((moved.status, moved.header("location")), (301, Some("/about")));
    let missing = edge.get("/nowhere").await;
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("the origin knows no such page"));
}

#[tokio::test]
async fn conditions_and_ranges_are_the_live_origins_to_answer() {
    let (origin, edge) = shop().await;
    let long = origin.content("/long").body;
    let client = edge.client();
    let part = client.get_with("/long", &[("range", "bytes=100-199")]).await;
    assert_eq!((part.status, &part.body[..]), (206, &long[100..200]));
    assert_eq!(part.header("content-range"), Some(&*format!("bytes 100-199/{}", long.len())));
    let same = client.get_with("/long", &[("if-none-match", "\"long-1\"")]).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    client.get("/long").await.must_be(&long);
}

#[tokio::test]
async fn connections_to_the_origin_are_kept() {
    let (origin, edge) = shop().await;
    edge.until_snapshot().await;
    let before = origin.connections();
    for _ in 0..50 {
        edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    }
    assert!(origin.connections() - before < 10, "{} new connections", origin.connections() - before);
}

#[tokio::test]
async fn an_unknown_host_is_not_served() {
    let (origin, edge) = shop().await;
    let answer = edge.client().host("stranger.example.test").get(SEEN).await;
    assert_eq!(answer.status, 421);
    assert_eq!(origin.count(SEEN), 0);
    edge.client().host("WWW.Example.Test:80").get(SEEN).await.must_be(&origin.content(SEEN).body);
}

#[tokio::test]
async fn every_request_leaves_one_line_in_the_access_log() {
    let (_origin, edge) = shop().await;
    edge.get("/about?from=the-log-test").await;
    edge.client().post("/signup", "name=the-log-test").await;
    crate::support::eventually("lines of the access log", secs(5), async || {
        let log = edge.log();
        let of = |method: &str, path: &str| {
            log.iter().filter(|line| line.contains(method) && line.contains(path)).count()
        };
        (of("GET", "/about") == 1 && of("POST", "/signup") == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_visitor_who_leaves_leaves_a_line_too() {
    let (origin, edge) = shop().await;
    let lever = origin.hold("/lobby");
    let client = edge.client().h2();
    let visitor = tokio::spawn(async move { client.get("/lobby").await });
    lever.wait_for(1, secs(5)).await;
    visitor.abort();
    crate::support::eventually("a line of the access log", secs(5), async || {
        let left = |line: &String| line.contains("/lobby HTTP/2.0\" 499 ") && line.ends_with("visitor-gone");
        edge.log().iter().any(left).then_some(())
    })
    .await;
    lever.release();
}

#[tokio::test]
async fn the_access_log_may_be_off() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url()).flag("--access-log", "off")).await;
    edge.get("/about?from=the-log-test").await;
    edge.sigterm();
    let mut edge = edge;
    edge.exit_code(secs(10)).await;
    assert!(!edge.log().iter().any(|line| line.contains("from=the-log-test")));
}
