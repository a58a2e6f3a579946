//! What scripts, data, feeds, header fields and other hosts' files lead to is in the copy; what only looks like a file
//! costs nobody anything.

use super::*;
use crate::config::ready::AssetHost;
use crate::crawl::testing::{Answer, file, html, redirect, site, status};
use crate::crawl::transport::Whose;
use crate::failure::Cause;

#[tokio::test(start_paused = true)]
async fn scripts_data_and_feeds_are_followed() {
    let fetch = MemorySite::new(|ask| {
        match ask.target.as_str() {
        "/" => html(
            "<script type=module src=/js/main.js></script><link rel=alternate href=/feed.xml type=application/rss+xml>\
             <script>var menu = '/data/menu.json', junk = '/img/not-there.png'</script>",
        )
        .with("link", "</css/early.css>; rel=preload; as=style, </page/2>; rel=next"),
        "/js/main.js" => file("text/javascript", "import './dep.js'; fetch('/data/list.json'); // '/no.json'"),
        "/js/dep.js" => file("text/plain", "new Worker('/js/worker.js')"),
        "/js/worker.js" => file("text/javascript", "importScripts('lib.js')"),
        "/js/lib.js" => file("text/javascript", "1"),
        "/data/menu.json" => file("application/json", "{\"photo\": \"/img/menu.jpg\"}"),
        "/data/list.json" => file("application/json", "[]"),
        "/img/menu.jpg" => file("image/jpeg", "menu"),
        "/css/early.css" => file("text/css", "a{b:url(early.png)}"),
        "/css/early.png" => file("image/png", "early"),
        "/page/2" => html("two"),
        "/feed.xml" => file("application/rss+xml", "<rss><item><link>/news/1</link><enclosure url='/a.mp3'/></item></rss>"),
        "/news/1" => html("news"),
        "/a.mp3" => file("audio/mpeg", "sound"),
        _ => status(404),
    }
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    let expected = [
        "/",
        "/a.mp3",
        "/css/early.css",
        "/css/early.png",
        "/data/list.json",
        "/data/menu.json",
        "/feed.xml",
        "/img/menu.jpg",
        "/js/dep.js",
        "/js/lib.js",
        "/js/main.js",
        "/js/worker.js",
        "/news/1",
        "/page/2",
    ];
    assert_eq!(crawled.keys(), expected);
    assert_eq!((fetch.count("/img/not-there.png"), fetch.count("/no.json")), (1, 0));
    assert_eq!((crawled.refused("not-found"), crawled.outcome.report().counts.errors), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_guess_comes_last_and_asks_robots_and_nobody_hears_of_it() {
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/" => html(
            "<script>var a = ['/g/soft.png', '/g/moved.png', '/g/broken.png', '/off/a.png', '/g/a.png']</script><a href=/z>",
        ),
        "/z" => html("z"),
        "/robots.txt" => file("text/plain", "User-agent: *\nDisallow: /off/"),
        "/g/soft.png" => html("there is no such page"),
        "/g/moved.png" => redirect(302, "/"),
        "/g/broken.png" => status(500),
        "/g/a.png" | "/off/a.png" => file("image/png", "a"),
        _ => status(404),
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    assert_eq!(crawled.keys(), ["/", "/g/a.png", "/robots.txt", "/z"]);
    let report = crawled.outcome.report();
    assert_eq!((report.counts.refused, report.counts.errors, report.counts.redirects), (0, 0, 0));
    let order: Vec<_> = fetch.asked().into_iter().map(|ask| ask.target).collect();
    let at = |target: &str| order.iter().position(|asked| asked == target).expect("asked");
    assert!(at("/z") < at("/g/soft.png"), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn files_of_listed_hosts_are_taken_and_their_trouble_is_not_the_sites() {
    let fetch = MemorySite::new(|ask| match (ask.host.as_str(), ask.target.as_str()) {
        ("cdn.example.com", "/lib.css") => {
            file("text/css", "a{b:url(deep/font.woff2)} c{d:url(https://www.example.jp/own.png)}")
        }
        ("cdn.example.com", "/deep/font.woff2") => file("font/woff2", "font"),
        ("cdn.example.com", "/moved.js") => redirect(302, "/lib@2.js?v=2"),
        ("cdn.example.com", "/lib@2.js?v=2") => {
            file("text/javascript", "fetch('/data.json'); import './no-more.js'")
        }
        ("cdn.example.com", "/frame") => html("<a href=/no>"),
        ("cdn.example.com", _) => Answer::Fails(Cause::PrivateAddress),
        (_, "/") => {
            let dead: String = (0..40).map(|i| format!("<img src=//cdn.example.com/dead/{i}.png>")).collect();
            html(&format!(
                "<link rel=stylesheet href=https://cdn.example.com/lib.css><script src=//cdn.example.com/moved.js></script>\
                 <iframe src=//cdn.example.com/frame></iframe><img src=//elsewhere.example/x.png>{dead}<a href=/after>"
            ))
        }
        (_, "/after") => html("after"),
        (_, "/own.png" | "/data.json") => file("image/png", "own"),
        _ => status(404),
    });
    let mut site = site(&["/"]);
    site.mirror.asset_hosts = vec![AssetHost::new("cdn.example.com").expect("a host")];
    let crawled = crawl(&site, &fetch).await;
    let expected = [
        "/",
        "//cdn.example.com/deep/font.woff2",
        "//cdn.example.com/lib.css",
        "//cdn.example.com/lib@2.js?v=2",
        "//cdn.example.com/moved.js",
        "/after",
        "/data.json",
        "/own.png",
    ];
    assert_eq!(crawled.keys(), expected);
    assert_eq!(crawled.refused("asset-page"), 1);
    let failed = &crawled.outcome.report().failures;
    assert!(failed.iter().any(|failed| failed.cause == "private-address"), "{failed:?}");
    for ask in fetch.asked() {
        let foreign = ask.host == "cdn.example.com";
        assert_eq!(ask.whose == Whose::OtherHost, foreign, "{ask:?}");
        assert!(!foreign || ask.tls, "{ask:?}");
        assert!(foreign || ask.host == "www.example.jp", "{ask:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_site_that_lives_under_www_is_asked_there() {
    let fetch = MemorySite::new(|ask| match (ask.host.as_str(), ask.target.as_str()) {
        ("example.org", target) => redirect(301, &format!("https://www.example.org{target}")),
        (_, "/") => html(
            "<a href=https://www.example.org/a><a href=http://example.org/b><a href=//blog.example.org/no>",
        ),
        (_, "/a" | "/b") => html("page"),
        _ => status(404),
    });
    let mut site = site(&["/"]);
    site.hosts = vec!["example.org".into()];
    let crawled = crawl(&site, &fetch).await;
    assert_eq!(crawled.keys(), ["/", "/a", "/b"]);
    assert_eq!(crawled.snapshot().summary().pages, 3);
}
