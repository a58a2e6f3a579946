//! A standby host: the site's name is dead, and perhaps the site as well; who comes by the second name has all of it, and is
//! never led back to the first.

use std::collections::BTreeSet;

use encoding_rs::{Encoding, SHIFT_JIS, UTF_8};
use http_body_util::Full;
use katahai::content::links::{css, html};
use url::Url;

use crate::support::certs::Authority;
use crate::support::faults::{After, Doing, Fault, Refuse};
use crate::support::fixture::{self, SEEN, SIGNUP};
use crate::support::page::Good;
use crate::support::raw::{Raw, status};
use crate::support::wire::Wire;
use crate::support::{Answer, Client, Config, Edge, Origin, Page, Site, eventually, secs};

const STANDBY: &str = "shop.standby.test:8080";
const OWN: &str = "www.example.test";
const ORDER: &str = "application/x-www-form-urlencoded";

/// A site that names itself in full wherever it can.
async fn shop() -> Origin {
    let origin = fixture::shop().await;
    let home = "<!doctype html><html lang=ja><head><meta charset=utf-8><title>みなと珈琲</title>\
        <link rel=canonical href=https://www.example.test/><link rel=stylesheet href=//www.example.test/abs.css>\
        <meta property=og:url content=https://www.example.test/></head><body><h1>みなと珈琲</h1>\
        <a href=https://www.example.test/about>About</a><a href=http://www.example.test/sjis>茶</a><a href=/signup>x</a>\
        <img src=https://www.example.test/img/photo.png srcset='//www.example.test/img/photo@2x.png?v=1,2 2x'>\
        <p style=\"background:url(https://www.example.test/img/paper.png)\"><a href=/moved>moved</a>\
        <a href=https://elsewhere.example/?u=https://www.example.test/>Elsewhere</a>\
        <script>var home = 'https://www.example.test/';</script></body></html>";
    let cookies =
        ["seen=1; Domain=example.test; Path=/", "b=2; domain=.www.example.test", "c=3; Domain=x.test"];
    let page = cookies.into_iter().fold(Page::html(home), |page, cookie| page.header("set-cookie", cookie));
    origin.page("/", page);
    let sjis = "<!doctype html><html lang=ja><head><meta charset=Shift_JIS><title>表示ソフト</title></head><body>\
        <p title='ソ表'>能<a href=https://www.example.test/>戻る</a></p></body></html>";
    origin.page("/sjis", Page::new("text/html", SHIFT_JIS.encode(sjis).0.into_owned()));
    let css = "@import url(\"https://www.example.test/deep.css\"); h1 { background: url(//www.example.test/img/paper.png) }";
    origin.page("/abs.css", Page::new("text/css", css).header("etag", "\"abs\""));
    origin.page("/moved", Page::redirect(301, "https://www.example.test/about"));
    origin
}

fn config(origin: &Origin) -> Config {
    Config::before(&origin.url())
        .site("standby_hosts", ["shop.standby.test"])
        .site("notice.banner", "auto")
        .form(&format!("path = \"{SIGNUP}\""))
}

/// The addresses that an answer leads to.
fn leads_to(answer: &Answer, target: &str) -> Vec<Url> {
    let page = Url::parse(&format!("http://{STANDBY}{target}")).unwrap();
    let kind = answer.header("content-type").unwrap_or_default();
    let encoding = if target == "/sjis" { SHIFT_JIS } else { UTF_8 };
    let text = encoding.decode(&answer.body).0;
    let (base, mut all) = match kind.split(';').next().unwrap() {
        "text/html" => {
            let read = html::read(&text);
            (read.base, read.links.into_iter().map(|link| link.url).collect())
        }
        "text/css" => (None, css::urls(&text)),
        _ => (None, Vec::new()),
    };
    all.extend(answer.header("location").map(str::to_owned));
    let base = base.and_then(|base| page.join(&base).ok()).unwrap_or(page);
    all.iter().filter_map(|url| base.join(url).ok()).collect()
}

/// Follows every link from the front page on; returns what was opened.
async fn walk(visitor: &Client) -> BTreeSet<String> {
    let (mut seen, mut queue) = (BTreeSet::new(), vec!["/".to_owned()]);
    while let Some(target) = queue.pop() {
        if seen.len() > 200 || !seen.insert(target.clone()) {
            continue;
        }
        let answer = visitor.get(&target).await;
        assert_eq!(answer.header("x-robots-tag"), Some("noindex"), "{target}");
        for url in leads_to(&answer, &target) {
            let host = url.host_str().unwrap_or_default();
            // What it says to search engines is its own name.
            assert!(host != OWN || url.as_str() == "https://www.example.test/", "{target} leads to {url}");
            if host == "shop.standby.test" {
                assert_eq!(url.port(), Some(8080), "{target} leads to {url}");
                queue.push(url[url::Position::BeforePath..url::Position::AfterQuery].to_owned());
            }
        }
    }
    seen
}

fn text(answer: &Answer, encoding: &'static Encoding) -> String {
    encoding.decode(&answer.body).0.into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_led_back_to_the_first_name() {
    let origin = shop().await;
    let edge = Edge::start(config(&origin)).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let visitor = edge.client().host(STANDBY);
    let live = walk(&visitor).await;
    assert!(
        !origin.asked().iter().any(|asked| asked.header("host").is_some_and(|host| host.contains("standby")))
    );
    origin.fail(Refuse).await;
    edge.until("down").await;
    let dead = walk(&visitor).await;
    for target in ["/about", "/sjis", "/abs.css", "/deep.css", "/moved", SIGNUP, "/img/paper.png"] {
        assert!(live.contains(target) && dead.contains(target), "{target}: {live:?} {dead:?}");
    }
    let home = visitor.get_with("/", &[("accept", "text/html")]).await;
    let said = home.text();
    assert!(home.is_copy() && said.contains("class=\"katahai-notice\""), "{said}");
    assert!(said.contains("<a href=http://shop.standby.test:8080/about>"), "{said}");
    assert_eq!(home.header("content-length"), Some(&*home.body.len().to_string()));
    let part = visitor.get_with("/", &[("accept", "text/html"), ("range", "bytes=0-9")]).await;
    assert_eq!((part.status, part.text()), (200, said.clone()), "what is edited comes whole");
    for kept in [
        "<link rel=canonical href=https://www.example.test/>",
        "og:url content=https://www.example.test/",
        "var home = 'https://www.example.test/'",
        "?u=https://www.example.test/",
    ] {
        assert!(said.contains(kept), "{kept}: {said}");
    }
    let sjis = text(&visitor.get("/sjis").await, SHIFT_JIS);
    assert!(sjis.contains("<p title='ソ表'>能<a href=http://shop.standby.test:8080/>戻る</a>"), "{sjis}");
    let moved = visitor.get("/moved").await;
    assert_eq!((moved.status, moved.header("location")), (301, Some("http://shop.standby.test:8080/about")));
    let part = visitor.get_with("/img/photo.png", &[("range", "bytes=0-9")]).await;
    assert_eq!((part.status, part.body.len()), (206, 10), "what is not edited may be had in parts");
    let said = edge.cli(&["explain", &format!("http://{STANDBY}/about")]).await.must_be_ok();
    assert!(said.out.contains("shop.standby.test belongs to the site \"shop\""), "{}", said.out);
    // the first name has nothing of this
    let own = edge.get("/").await;
    assert!(!own.text().contains("standby") && own.header("x-robots-tag").is_none(), "{}", own.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_site_is_the_same_with_its_addresses_written_anew() {
    let origin = shop().await;
    let edge = Edge::start(config(&origin)).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    for visitor in [edge.client().host(STANDBY), edge.client().h2().host(STANDBY)] {
        let home = visitor.get("/").await;
        assert!(!home.is_copy() && home.status == 200, "{:?}", home.headers);
        let cookies: Vec<_> = home.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["seen=1; Path=/", "b=2", "c=3; Domain=x.test"]);
        assert_eq!(home.header("content-length"), Some(&*home.body.len().to_string()));
        assert!(home.text().contains("<a href=http://shop.standby.test:8080/about>"), "{}", home.text());
        let css = visitor.get("/abs.css").await;
        assert!(
            css.text().contains("@import url(\"http://shop.standby.test:8080/deep.css\")"),
            "{}",
            css.text()
        );
        assert!(css.header("etag").is_some_and(|tag| tag.starts_with("\"abs-katahai-")), "{:?}", css.headers);
        let untouched = visitor.get(SEEN).await;
        untouched.must_be(&origin.content(SEEN).body);
    }
    let fields =
        [("origin", "http://shop.standby.test:8080"), ("referer", "http://shop.standby.test:8080/about")];
    edge.client().host(STANDBY).get_with("/members/list", &fields).await;
    let asked = origin.last("/members/list").await;
    assert_eq!(asked.header("host").as_deref(), Some(OWN));
    assert_eq!(asked.header("referer").as_deref(), Some("http://www.example.test/about"));
    assert_eq!(asked.header("origin").as_deref(), Some("http://www.example.test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_taken_on_the_standby_host_too() {
    let origin = shop().await;
    let edge = Edge::start(config(&origin).site("health.interval", "100ms")).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let visitor = edge.client().host(STANDBY);
    let page = visitor.get_with(SIGNUP, &[("accept", "text/html")]).await;
    assert!(page.text().contains("katahai-form-1") && !page.text().contains(" disabled"), "{}", page.text());
    let request = visitor.ask("POST", SIGNUP).header("content-type", ORDER).header("accept", "text/html");
    let request = request.header("referer", format!("http://{STANDBY}{SIGNUP}"));
    let kept = visitor.send(request.body(Full::from("name=Hanako")).unwrap()).await.unwrap();
    assert_eq!((kept.status, kept.header("x-robots-tag")), (202, Some("noindex")), "{}", kept.text());
    assert!(kept.text().contains("<h1>申し込み</h1>"), "in the site's own look: {}", kept.text());
    origin.forget();
    origin.heal().await;
    edge.until("up").await;
    let arrived = eventually("the form arrives", secs(20), async || {
        origin.asked_for(SIGNUP).into_iter().find(|asked| asked.method == "POST")
    })
    .await;
    assert_eq!((&arrived.body[..], arrived.header("host").as_deref()), (&b"name=Hanako"[..], Some(OWN)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_by_tls_stays_there() {
    let origin = shop().await;
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = authority.leaf("shop.standby.test").write(dir.path(), "site");
    let other = Site::bare("other", "other.test").origin(&origin.url());
    let (other_cert, other_key) = authority.leaf("other.test").write(dir.path(), "other");
    let other = other.set("tls.cert", other_cert.display().to_string());
    let config = Config::new(other.set("tls.key", other_key.display().to_string()));
    let shop = Site::new().origin(&origin.url()).set("standby_hosts", ["shop.standby.test"]);
    let shop = shop.set("tls.cert", cert.display().to_string()).set("tls.key", key.display().to_string());
    let edge = Edge::start(config.and(shop).set("listen.https", ["127.0.0.1:0"])).await;
    let home = edge.tls(authority.roots()).host("shop.standby.test").get("/").await;
    assert!(home.text().contains("<a href=https://shop.standby.test/about>"), "{}", home.text());
    assert!(home.text().contains("<a href=https://shop.standby.test/sjis>"), "whatever scheme it names");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_names_read_the_same_entries() {
    let origin = shop().await;
    let fields = [("cache-control", "max-age=600"), ("etag", "\"one\"")];
    let stored = |page: Page| fields.into_iter().fold(page, |page, (name, value)| page.header(name, value));
    for name in ["/one", "/two"] {
        let link =
            format!("<!doctype html><title>{name}</title><a href=https://www.example.test{name}>again</a>");
        origin.page(name, stored(Page::html(link)));
        let css = format!("a {{ background: url(https://www.example.test{name}.png) }}");
        origin.page(&format!("{name}.css"), stored(Page::new("text/css", css)));
    }
    let edge = Edge::start(config(&origin).set("listen.trusted_proxies", ["127.0.0.1/32"])).await;
    edge.until("up").await;
    let (own, standby) = (edge.client(), edge.client().host(STANDBY));
    for (target, first, second) in [
        ("/one", &own, &standby),
        ("/one.css", &own, &standby),
        ("/two", &standby, &own),
        ("/two.css", &standby, &own),
    ] {
        first.get(target).await;
        let said = second.get(target).await;
        assert!(said.cache_status().contains("hit"), "{target}: {:?}", said.headers);
        own.get(target).await.must_be(&origin.content(target).body);
        let edited = standby.get(target).await;
        assert!(edited.text().contains(&format!("http://{STANDBY}{}", &target[..4])), "{}", edited.text());
        let tag = edited.header("etag").unwrap();
        for fields in [("if-none-match", tag), ("range", "bytes=0-9"), ("if-range", "\"one\"")] {
            let again = standby.get_with(target, &[fields, ("range", "bytes=0-9")]).await;
            assert_eq!((again.status, &again.body), (200, &edited.body), "{target} {fields:?}");
        }
        let head = standby.send(standby.ask("HEAD", target).body(Full::default()).unwrap()).await.unwrap();
        for gone in ["etag", "last-modified", "content-length"] {
            assert_eq!(head.header(gone), None, "{target}");
        }
        // a proxy before us speaks of the standby host as well
        for told in ["x-forwarded-host", "x-forwarded-port", "forwarded"] {
            let value = match told {
                "x-forwarded-host" => STANDBY,
                "x-forwarded-port" => "8080",
                _ => "for=192.0.2.1;host=\"shop.standby.test:8080\"",
            };
            let said = standby.get_with(target, &[(told, value)]).await;
            assert!(said.cache_status().contains("hit"), "{told}: {:?}", said.headers);
        }
        assert_eq!(origin.count(target), 1, "{target}");
    }
}

/// Half a page, and nothing more for a long time.
struct Halting;
impl Fault for Halting {
    fn answer<'a>(&'a self, wire: &'a mut Wire, good: Good) -> Doing<'a> {
        Box::pin(async move {
            wire.send(&good.chunked_head()).await?;
            wire.send(format!("{:x}\r\n", good.body.len()).as_bytes()).await?;
            wire.send(&good.body).await?;
            wire.send(b"\r\n").await?;
            wire.hang_for(secs(60)).await;
            Ok(After::Close)
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_little_by_little_appears_so() {
    let origin = shop().await;
    let page = "<!doctype html><title>x</title><a href=https://www.example.test/about>At work</a><a href='https://www.exa";
    origin.page("/progress", Page::html(page).header("cache-control", "no-store"));
    origin.fail_under("/progress", Halting).await;
    let hint =
        "HTTP/1.1 103 Early Hints\r\nlink: <https://www.example.test/abs.css>; rel=preload; as=style\r\n\r\n";
    origin.page("/hinted", Page::html("<!doctype html><title>x</title><p>Hinted").before(hint));
    let link = "<a href=https://www.example.test/about>About</a>";
    let long = format!("<!doctype html><title>x</title>{link}{}{link}", "<p>long</p>".repeat(150_000));
    origin.page("/long", Page::html(long.clone()));
    let edge = Edge::start(config(&origin)).await;
    edge.until("up").await;
    let mut raw = Raw::connect(edge.http()).await;
    raw.send(format!("GET /progress HTTP/1.1\r\nHost: {STANDBY}\r\n\r\n")).await;
    let head = raw.head(secs(20)).await;
    assert!(status(&head) == 200 && head.contains("noindex"), "{head}");
    raw.until("<a href=http://shop.standby.test:8080/about>At work</a><a href='https://www.exa", secs(20))
        .await;
    let said = edge.client().host(STANDBY).get("/long").await;
    let expected = long.replacen("https://www.example.test", &format!("http://{STANDBY}"), 1);
    assert!(said.text() == expected, "what is beyond the first MiB passes as it is");
    assert_eq!(said.header("content-length"), Some(&*expected.len().to_string()));
    for (host, expected) in [(OWN, 103), (STANDBY, 200)] {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(format!("GET /hinted HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(status(&raw.head(secs(20)).await), expected, "{host}: hints name the first host");
    }
}
