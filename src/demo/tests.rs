//! The shop as a visitor and a crawler meet it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::BodyExt;

use super::assets;
use super::origin::Handle;
use super::site::{self, Request, When};
use crate::http::Body;

const WHEN: When = When { now: UNIX_EPOCH, since: UNIX_EPOCH };

fn whole(response: Response<Body>) -> Bytes {
    match response.into_body() {
        Body::Empty => Bytes::new(),
        Body::Whole(bytes) => bytes,
        other @ (Body::Incoming(_) | Body::Stream(_)) => panic!("the shop never streams: {other:?}"),
    }
}

fn page(path: &str) -> String {
    let response = site::answer(&Request::get(path), WHEN);
    assert_eq!(response.status(), 200, "{path}");
    String::from_utf8(whole(response).to_vec()).unwrap()
}

/// Everything that `html` points at: values of `href`, `src` and `action`, and the candidates of `srcset`.
fn references(html: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for name in [" href=\"", " src=\"", " action=\""] {
        found.extend(html.split(name).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    for list in html.split(" srcset=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        found.extend(list.split(',').map(|one| one.split_whitespace().next().unwrap().to_owned()));
    }
    found.into_iter().map(|reference| reference.replace("&#x2f;", "/").replace("&amp;", "&")).collect()
}

#[test]
fn every_link_resolves_within_the_shop() {
    let mut seen = BTreeMap::new();
    let mut open = vec!["/".to_owned()];
    while let Some(path) = open.pop() {
        if seen.contains_key(&path) {
            continue;
        }
        let response = site::answer(&Request::get(&path), WHEN);
        let (status, html) = (
            response.status(),
            response.headers().get("content-type").is_some_and(|t| t == "text/html; charset=utf-8"),
        );
        assert_eq!(status, 200, "{path}");
        let body = whole(response);
        if html {
            for reference in references(std::str::from_utf8(&body).unwrap()) {
                let outside = ["#", "tel:", "mailto:"].iter().any(|scheme| reference.starts_with(scheme));
                assert!(outside || reference.starts_with('/'), "{path} points at {reference}");
                if !outside {
                    open.push(reference);
                }
            }
        }
        seen.insert(path, html);
    }
    let pages = seen.values().filter(|html| **html).count();
    assert!((50..=80).contains(&pages), "{pages} pages");
    for path in site::paths() {
        assert!(seen.contains_key(&path), "{path} cannot be reached by links");
    }
}

#[test]
fn every_page_has_a_title_a_language_and_one_heading() {
    let mut titles = BTreeMap::new();
    for path in site::paths() {
        let html = page(&path);
        let language = if path.starts_with("/en/") { "en" } else { "ja" };
        assert!(html.contains(&format!("<html lang=\"{language}\"")), "{path}");
        assert_eq!(html.matches("<h1>").count(), 1, "{path}");
        assert!(html.contains("<meta charset=\"utf-8\">") && html.ends_with("</html>"), "{path}");
        let title = html.split("<title>").nth(1).unwrap().split("</title>").next().unwrap().to_owned();
        assert!(!title.trim().is_empty(), "{path}");
        assert_eq!(titles.insert(title, path.clone()), None, "{path} has another page's title");
        for image in html.split("<img ").skip(1).map(|rest| rest.split('>').next().unwrap()) {
            assert!(image.contains(" alt=\"") && image.contains("width=\""), "{path}: {image}");
        }
    }
}

#[test]
fn a_page_says_when_it_was_written() {
    let html = page("/");
    assert!(html.contains("09:00:00.000") && html.contains("data-rendered=\"0\""));
    let later = When { now: UNIX_EPOCH + Duration::from_millis(1_001), ..WHEN };
    let html = String::from_utf8(whole(site::answer(&Request::get("/"), later)).to_vec()).unwrap();
    assert!(html.contains("09:00:01.001") && html.contains("data-rendered=\"1001\""));
}

#[test]
fn pages_set_no_freshness_and_files_do() {
    let headers = site::answer(&Request::get("/"), WHEN).into_parts().0.headers;
    assert!(
        ["cache-control", "expires", "etag", "last-modified", "set-cookie"]
            .iter()
            .all(|n| !headers.contains_key(*n))
    );
    for path in assets::paths() {
        let response = site::answer(&Request::get(path), WHEN);
        assert_eq!(response.headers()["cache-control"], "public, max-age=86400", "{path}");
        let tag = response.headers()["etag"].to_str().unwrap().to_owned();
        let again = Request { if_none_match: Some(&tag), ..Request::get(path) };
        assert_eq!(site::answer(&again, WHEN).status(), 304, "{path}");
    }
    let named = references(&page("/")).into_iter().find(|r| r.starts_with("/assets/style.css?v=")).unwrap();
    let response = site::answer(&Request::get(&named), WHEN);
    assert_eq!(response.headers()["cache-control"], "public, max-age=31536000, immutable");
}

#[test]
fn what_the_stylesheet_draws_is_there() {
    let css = String::from_utf8(assets::find("/assets/style.css").unwrap().bytes.to_vec()).unwrap();
    for name in css.split("url(\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(assets::find(&format!("/assets/{name}")).is_some(), "{name}");
    }
}

#[test]
fn pictures_are_what_they_say() {
    for path in assets::paths() {
        let asset = assets::find(path).unwrap();
        let starts: &[u8] = match asset.content_type {
            "image/png" => b"\x89PNG\r\n\x1a\n",
            "image/svg+xml" => b"<svg xmlns=\"http://www.w3.org/2000/svg\"",
            "application/pdf" => b"%PDF-1.5\n",
            "image/x-icon" => b"\0\0\x01\0",
            _ => b"",
        };
        assert!(asset.bytes.starts_with(starts), "{path}");
        assert!(asset.bytes.len() < 48 * 1024, "{path} is too large for a sample");
    }
}

#[test]
fn old_addresses_lead_to_the_new_ones() {
    for (from, to) in [("/shop", "/products/"), ("/products", "/products/"), ("/en", "/en/")] {
        let response = site::answer(&Request::get(from), WHEN);
        assert_eq!(
            (response.status().as_u16(), &response.headers()["location"]),
            (301, &to.parse().unwrap())
        );
        page(to);
    }
}

#[test]
fn products_are_found_by_their_words() {
    let shown = |path: &str| page(path).matches("<li class=\"card\">").count();
    assert_eq!((shown("/products/?q="), shown("/products/"), shown("/en/products/")), (10, 10, 10));
    let teas = shown("/en/products/?q=TEA");
    assert!((1..10).contains(&teas), "{teas}");
    assert!(page("/en/products/?q=%22%3Etrain").contains("Nothing was found."));
}

#[test]
fn what_is_not_there_is_404_in_its_language() {
    for (path, language) in
        [("/nothing", "ja"), ("/en/nothing", "en"), ("/..%2f", "ja"), ("/%ff", "ja"), ("/products//", "ja")]
    {
        let response = site::answer(&Request::get(path), WHEN);
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-language"]),
            (404, &language.parse().unwrap())
        );
        assert!(String::from_utf8(whole(response).to_vec()).unwrap().contains("<h1>"));
    }
}

#[test]
fn a_japanese_path_is_found_in_its_encoded_form() {
    let path = site::paths().into_iter().find(|p| !p.is_ascii()).unwrap();
    let encoded: String = path
        .split('/')
        .map(|s| url::form_urlencoded::byte_serialize(s.as_bytes()).collect::<String>())
        .collect::<Vec<_>>()
        .join("/");
    assert!(encoded.is_ascii());
    assert_eq!(page(&encoded), page(&path));
}

#[test]
fn sitemap_and_robots_speak_the_visitors_host() {
    let ask = Request { host: Some("shop.example:8080"), ..Request::get("/sitemap.xml") };
    let sitemap = String::from_utf8(whole(site::answer(&ask, WHEN)).to_vec()).unwrap();
    assert_eq!(sitemap.matches("<loc>http://shop.example:8080/").count(), site::paths().len());
    assert!(sitemap.is_ascii());
    let ask = Request { host: Some("x\"><script>"), ..Request::get("/robots.txt") };
    let robots = String::from_utf8(whole(site::answer(&ask, WHEN)).to_vec()).unwrap();
    assert!(robots.contains("Sitemap: http://localhost/sitemap.xml") && !robots.contains("script"));
}

fn post(path: &str, body: &str) -> Response<Body> {
    site::answer(&Request { method: &Method::POST, body: body.as_bytes(), ..Request::get(path) }, WHEN)
}

#[test]
fn a_good_form_leads_to_the_thank_you_page() {
    let response = post("/en/signup", "name=Ann&email=ann%40example.jp&event=tasting&people=2");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (303, &"/en/signup/thanks".parse().unwrap())
    );
    assert!(page("/en/signup/thanks").contains("Thank you"));
}

#[test]
fn a_bad_form_comes_back_with_what_was_typed_and_nothing_of_it_runs() {
    for body in [
        "",
        "name=Ann&email=nowhere",
        "name=&email=a%40b.c",
        "name=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E&note=%3C%2Ftextarea%3E%3Cimg+src%3Dx%3E",
    ] {
        let response = post("/signup", body);
        assert_eq!(response.status(), 422, "{body}");
        let html = String::from_utf8(whole(response).to_vec()).unwrap();
        assert!(html.contains("role=\"alert\""));
        assert!(!html.contains("<script>alert") && !html.contains("</textarea><img"), "{html}");
    }
}

#[test]
fn only_the_form_takes_a_post() {
    for (path, allow) in [("/", "GET, HEAD"), ("/nothing", "GET, HEAD"), ("/assets/style.css", "GET, HEAD")] {
        let response = post(path, "x=1");
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (405, &allow.parse().unwrap())
        );
    }
    let delete = Request { method: &Method::DELETE, ..Request::get("/signup") };
    assert_eq!(site::answer(&delete, WHEN).headers()["allow"], "GET, HEAD, POST");
}

#[test]
fn an_event_is_chosen_beforehand_and_an_unknown_one_is_not() {
    assert!(page("/signup?event=painting").contains("<option value=\"painting\" selected>"));
    assert!(!page("/signup?event=%22%3E%3Cscript%3E").contains("selected"));
}

/// Sends one request on a connection of its own.
async fn fetch(origin: &Handle, request: http::Request<Body>) -> Result<Response<Bytes>, String> {
    let stream = tokio::net::TcpStream::connect(origin.addr()).await.map_err(|e| e.kind().to_string())?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(io).await.map_err(|e| e.to_string())?;
    let _running = crate::tasks::guarded(async move {
        let _ = connection.await;
    });
    let (head, body) = sender.send_request(request).await.map_err(|e| e.to_string())?.into_parts();
    let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
    Ok(Response::from_parts(head, body))
}

fn get(path: &str) -> http::Request<Body> {
    http::Request::get(path).header("host", "shop.example").body(Body::Empty).unwrap()
}

#[tokio::test]
async fn the_origin_serves_stops_and_starts_at_one_address() {
    let origin = Handle::launch().await.unwrap();
    let addr = origin.addr();
    let before = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let home = fetch(&origin, get("/")).await.unwrap();
    assert_eq!(home.status(), 200);
    let html = std::str::from_utf8(home.body()).unwrap();
    let rendered: u128 =
        html.split("data-rendered=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    assert!(rendered >= before, "the page is written when it is asked for");

    for round in 0..3 {
        origin.stop().await;
        origin.stop().await;
        assert!(!origin.running());
        assert_eq!(fetch(&origin, get("/")).await.unwrap_err(), "connection refused", "round {round}");
        let other = tokio::net::TcpListener::bind(addr).await;
        assert!(other.is_err(), "nobody takes the port while it is stopped");
        origin.start().await.unwrap();
        origin.start().await.unwrap();
        assert!(origin.running());
        assert_eq!(
            (fetch(&origin, get("/en/")).await.unwrap().status(), origin.addr()),
            (http::StatusCode::OK, addr)
        );
    }
    assert_eq!(origin.served(), 4);
}

#[tokio::test]
async fn stopping_breaks_connections_that_are_open() {
    let origin = Handle::launch().await.unwrap();
    let mut idle = tokio::net::TcpStream::connect(origin.addr()).await.unwrap();
    fetch(&origin, get("/")).await.unwrap();
    origin.stop().await;
    let mut byte = [0];
    let read = tokio::io::AsyncReadExt::read(&mut idle, &mut byte);
    let end = tokio::time::timeout(Duration::from_secs(5), read).await.expect("the connection ends");
    assert!(matches!(end, Ok(0) | Err(_)));
}

#[tokio::test]
async fn the_origin_ends_with_its_last_handle() {
    let origin = Handle::launch().await.unwrap();
    let other = origin.clone();
    drop(origin);
    fetch(&other, get("/")).await.unwrap();
    let mut open = tokio::net::TcpStream::connect(other.addr()).await.unwrap();
    drop(other);
    let mut byte = [0];
    let read = tokio::io::AsyncReadExt::read(&mut open, &mut byte);
    assert!(matches!(
        tokio::time::timeout(Duration::from_secs(5), read).await.expect("it ends"),
        Ok(0) | Err(_)
    ));
}

#[tokio::test]
async fn signups_are_counted_once_they_are_taken() {
    let origin = Handle::launch().await.unwrap();
    let form = |body: &'static str| {
        http::Request::post("/signup").header("host", "x").body(Body::whole(body)).unwrap()
    };
    assert_eq!(fetch(&origin, form("name=a")).await.unwrap().status(), 422);
    assert_eq!(origin.signups(), 0);
    assert_eq!(fetch(&origin, form("name=a&email=a%40b.c")).await.unwrap().status(), 303);
    assert_eq!(origin.signups(), 1);
    let huge =
        http::Request::post("/signup").header("host", "x").body(Body::whole(vec![b'a'; 70_000])).unwrap();
    assert_eq!(fetch(&origin, huge).await.unwrap().status(), 413);
}
