//! What a page leads to and what it needs is found, whatever it is and however it is written.

use std::io::Write as _;

use encoding_rs::{EUC_JP, ISO_2022_JP, SHIFT_JIS};

use super::*;
use crate::crawl::testing::{file, html, redirect, site, status};
use crate::snapshot::Class;

#[tokio::test(start_paused = true)]
async fn a_shop_is_copied_with_all_that_its_pages_need() {
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/" => html(
            "<link rel=stylesheet href=/s/main.css><link rel=manifest href=/app.webmanifest>\
             <script src=/js/app.js></script><img src=/i/a.png srcset='/i/b.png 2x'>\
             <a href=/signup>sign up</a><a href='https://example.jp/events/?utm_source=top'>events</a>\
             <a href=/docs/menu.pdf>menu</a><a href=https://elsewhere.example/>away</a><a href=/gone>gone</a>",
        ),
        "/signup" => html("<form action=/send method=post><input type=password></form>"),
        "/events/" => html("<base href=/events/2026/><a href=spring>spring</a>"),
        "/events/2026/spring" => html("<p style='background:url(../bg.png)'>spring"),
        "/s/main.css" => file("text/css", "@import 'deep/more.css'; a{background:url(../i/bg.png)}"),
        "/s/deep/more.css" => file("text/css", "@font-face{src:url(../../f/a.woff2)}"),
        "/app.webmanifest" => file("application/manifest+json", "{\"icons\":[{\"src\":\"/i/icon.png\"}]}"),
        "/robots.txt" => file("text/plain", "Sitemap: /maps/index.xml\n"),
        "/maps/index.xml" => file("text/xml", "<sitemapindex><loc>/maps/a.xml.gz</loc></sitemapindex>"),
        "/maps/a.xml.gz" => {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(b"<urlset><loc>https://www.example.jp/orphan</loc></urlset>").expect("memory");
            file("application/gzip", packed.finish().expect("memory"))
        }
        "/orphan" => html("nothing links here"),
        "/favicon.ico" => file("image/x-icon", "icon"),
        "/js/app.js" | "/docs/menu.pdf" | "/f/a.woff2" => {
            file("application/octet-stream", ask.target.clone())
        }
        image if image.ends_with(".png") => file("image/png", image.to_owned()),
        _ => status(404),
    });
    let crawled = crawl(&site(&["/", "/signup"]), &fetch).await;
    assert_eq!(crawled.broken(), [""; 0]);
    let expected = [
        "/",
        "/app.webmanifest",
        "/docs/menu.pdf",
        "/events/",
        "/events/2026/spring",
        "/events/bg.png",
        "/f/a.woff2",
        "/favicon.ico",
        "/i/a.png",
        "/i/b.png",
        "/i/bg.png",
        "/i/icon.png",
        "/js/app.js",
        "/maps/a.xml.gz",
        "/maps/index.xml",
        "/orphan",
        "/robots.txt",
        "/s/deep/more.css",
        "/s/main.css",
        "/signup",
    ];
    assert_eq!(crawled.keys(), expected);
    assert_eq!(crawled.body("/i/bg.png"), "/i/bg.png");
    let summary = crawled.snapshot().summary();
    assert_eq!((summary.pages, summary.files), (5, 15));
    let report = crawled.outcome.report();
    assert_eq!((report.counts.pages, report.counts.assets, report.counts.errors), (5, 15, 0));
    let broken_link = &report.refusals["not-found"].examples[0];
    assert_eq!((broken_link.path.as_str(), broken_link.found_on.as_deref()), ("/gone", Some("/")));
    let on_disk = crawled.store.report(&crawled.snapshot().id()).expect("a report");
    assert_eq!((&on_disk["pages"], &on_disk["robots"]), (&5.into(), &"found".into()));
}

#[tokio::test(start_paused = true)]
async fn the_crawler_is_nobody_and_asks_each_address_once() {
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/" => html("<a href=/a><a href=/a#x><a href=/./a><a href=/%61><img src=/a?utm_source=1>")
            .with("set-cookie", "PHPSESSID=1; path=/"),
        "/a" => html("<a href=/>home").with("set-cookie", "PHPSESSID=2; path=/"),
        _ => status(404),
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    assert_eq!(crawled.keys(), ["/", "/a"]);
    assert_eq!(crawled.header("/", "set-cookie"), None);
    for ask in fetch.asked() {
        assert_eq!(fetch.count(&ask.target), 1, "{}", ask.target);
        assert_eq!((ask.host.as_str(), ask.tls), ("www.example.jp", false));
        assert!(!ask.headers.contains_key("cookie") && !ask.headers.contains_key("authorization"));
        assert_eq!(ask.headers["accept-encoding"], "identity");
    }
}

#[tokio::test(start_paused = true)]
async fn key_pages_come_first_then_what_they_need() {
    let fetch = MemorySite::of(&[
        ("/", "<a href=/z>"),
        ("/z", "z"),
        ("/k", "<a href=/y><img src=/i>"),
        ("/y", "y"),
        ("/i", "i"),
    ]);
    let mut site = site(&["/k"]);
    site.mirror.rate = Some(1.0);
    crawl(&site, &fetch).await;
    let order: Vec<_> = fetch.asked().into_iter().map(|ask| ask.target).collect();
    assert_eq!(order[..2], ["/robots.txt", "/k"]);
    let at = |target: &str| order.iter().position(|asked| asked == target).expect("asked");
    assert!(at("/i") < at("/y") && at("/i") < at("/z"), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn japanese_pages_are_read_in_their_encodings() {
    for encoding in [SHIFT_JIS, EUC_JP, ISO_2022_JP] {
        let fetch = MemorySite::new(move |ask| {
            let (page, _, _) =
                encoding.encode("<title>花の店</title><a href='/花?q=花'>表示</a><img src='表.png'>");
            match ask.target.as_str() {
                "/" => file(&format!("text/html; charset={}", encoding.name()), page.into_owned()),
                "/%E8%A1%A8.png" => file("image/png", "x"),
                target if target.starts_with("/%E8%8A%B1?q=") => html("found"),
                _ => status(404),
            }
        });
        let crawled = crawl(&site(&["/"]), &fetch).await;
        assert_eq!(crawled.keys().len(), 3, "{}: {:?}", encoding.name(), crawled.keys());
        let stored = testing::body(&crawled.snapshot(), "/").expect("stored");
        assert_eq!(encoding.decode(&stored).0.matches('花').count(), 3, "bytes are kept as they came");
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_packed_is_unpacked() {
    let fetch = MemorySite::new(|ask| {
        let packed = |text: &str| {
            let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            e.write_all(text.as_bytes()).expect("memory");
            e.finish().expect("memory")
        };
        match ask.target.as_str() {
            "/" => file("text/html", packed("<a href=/a>a</a><a href=/z>z</a><a href=/cut>cut</a><a href=/tail>tail</a><a href=/none>none</a>"))
                .with("content-encoding", "gzip")
                .with("etag", "\"packed\""),
            "/a" => html("a").with("etag", "\"plain\""),
            "/z" => html("x").with("content-encoding", "compress"),
            "/none" => html("none").with("content-encoding", "none").with("etag", "\"none\""),
            // browsers show it
            "/tail" => file("text/html", [packed("tail"), b"<!-- cached -->".to_vec()].concat())
                .with("content-encoding", "gzip"),
            "/cut" => {
                let whole = packed("<p>this is a page that does not come whole");
                file("text/html", whole[..whole.len() - 10].to_vec()).with("content-encoding", "gzip")
            }
            _ => status(404),
        }
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    assert_eq!(crawled.keys(), ["/", "/a", "/none", "/tail"]);
    assert_eq!((&*crawled.body("/tail"), &*crawled.body("/none")), ("tail", "none"));
    assert_eq!(crawled.header("/none", "etag").as_deref(), Some("\"none\""));
    assert!(crawled.body("/").starts_with("<a href=/a>"));
    assert_eq!((crawled.header("/", "content-encoding"), crawled.header("/", "etag")), (None, None));
    assert_eq!(crawled.header("/a", "etag").as_deref(), Some("\"plain\""));
    assert_eq!(crawled.refused("coding"), 1);
    assert_eq!(crawled.outcome.report().failures[0].path, "/cut");
}

#[tokio::test(start_paused = true)]
async fn redirects_are_stored_as_redirects() {
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/" => redirect(302, "/ja/"),
        "/ja/" => html("<a href=/old><a href=/away><a href=/app><a href=/bad><img src=/i>"),
        "/old" => redirect(301, "https://example.jp/new#top").with("server", "x"),
        "/new" => html("new"),
        "/away" => redirect(308, "https://elsewhere.example/"),
        "/app" => redirect(302, "itms-apps://store"),
        "/bad" => redirect(302, "https://"),
        "/i" => redirect(307, "/i.png"),
        "/i.png" => file("image/png", "i"),
        _ => status(404),
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    assert_eq!(crawled.keys(), ["/", "/app", "/away", "/i", "/i.png", "/ja/", "/new", "/old"]);
    let old = crawled.snapshot().find("/old").expect("readable").expect("stored");
    assert_eq!((old.status, old.class, old.body), (301, Class::Redirect, None));
    assert_eq!(crawled.header("/old", "location").as_deref(), Some("https://example.jp/new#top"));
    assert_eq!(crawled.header("/old", "server"), None);
    assert_eq!(crawled.refused("bad-location"), 1);
    assert!(fetch.asked().iter().all(|ask| ask.host == "www.example.jp"));
}

#[tokio::test(start_paused = true)]
async fn a_site_that_lives_at_another_spelling_is_asked_there() {
    let fetch = MemorySite::new(|ask| {
        if !ask.tls || ask.host != "example.jp" {
            return redirect(301, &format!("https://example.jp{}", ask.target));
        }
        match ask.target.as_str() {
            "/" => html("<a href=/a><a href=/loop><a href=/tag>"),
            "/a" => html("a"),
            "/loop" => redirect(302, "/loop").with("set-cookie", "seen=1"),
            "/tag" => redirect(302, "/tag?utm_source=self"),
            "/tag?utm_source=self" => html("tagged"),
            _ => status(404),
        }
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    assert_eq!(crawled.keys(), ["/", "/a", "/tag"]);
    assert_eq!(crawled.body("/tag"), "tagged");
    assert_eq!((crawled.refused("redirect-loop"), fetch.count("/loop")), (1, 2));
    assert!(fetch.count("/a") == 1, "the site's own spelling is remembered");
}

#[tokio::test(start_paused = true)]
async fn a_site_known_by_its_origin_alone_is_asked_by_that_name() {
    let fetch = MemorySite::of(&[
        ("/", "<a href=http://127.0.0.1:8080/a><a href=http://127.0.0.1/b>"),
        ("/a", "a"),
        ("/b", "b"),
    ]);
    let mut site = site(&["/"]);
    site.hosts = vec!["*".into()];
    let crawled = crawl(&site, &fetch).await;
    assert_eq!(crawled.keys(), ["/", "/a"]);
    assert_eq!(fetch.asked()[0].host, "127.0.0.1:8080");
}

#[tokio::test(start_paused = true)]
async fn a_large_file_streams_to_the_disk_whole() {
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/" => html("<a href=/big.zip>"),
        "/big.zip" => file("application/zip", vec![7u8; 3_500_000]),
        _ => status(404),
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    let body = testing::body(&crawled.snapshot(), "/big.zip").expect("stored");
    assert!(body.len() == 3_500_000 && body.iter().all(|b| *b == 7));
    assert_eq!(crawled.progress.read().bytes, 3_500_000 + "<a href=/big.zip>".len() as u64);
}

#[tokio::test(start_paused = true)]
async fn what_has_not_changed_is_taken_over_and_its_links_followed() {
    let fetch = MemorySite::new(|ask| {
        let (page, tag) = match ask.target.as_str() {
            "/" => (html("<a href=/a><a href=/b><a href=/c><a href=/big>"), "\"home\""),
            "/a" => (html("a <a href=/deep>"), "\"a\""),
            "/b" => (html("b"), "\"b\""),
            "/c" => (html("c"), ""),
            "/big" => (file("application/zip", vec![3u8; 2_500_000]), "W/\"big\""),
            "/deep" => (html("deep"), "\"deep\""),
            _ => return status(404),
        };
        let condition = ask.headers.get("if-none-match").map(|tag| tag.to_str().expect("text"));
        match condition {
            // It has become private since.
            Some("\"b\"") => status(304).with("cache-control", "private"),
            Some(_) => status(304).with("cache-control", "max-age=7").with("content-type", "image/png"),
            None if tag.is_empty() => page.with("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            None => page.with("etag", tag).with("cache-control", "max-age=5"),
        }
    });
    let mut site = site(&["/"]);
    site.mirror.private = crate::config::ready::MirrorPrivate::Never;
    let mut crawled = crawl(&site, &fetch).await;
    assert!(fetch.asked().iter().all(|ask| !ask.headers.contains_key("if-none-match")));
    crawled.progress = Progress::new();
    crawled.outcome =
        take(&site, &fetch, &crawled.store, None, &crawled.progress, clock::now()).await.expect("it ends");
    assert_eq!(crawled.keys(), ["/", "/a", "/big", "/c", "/deep"]);
    assert_eq!((crawled.body("/a").as_str(), crawled.body("/big").len()), ("a <a href=/deep>", 2_500_000));
    assert_eq!((crawled.progress.read().unchanged, crawled.refused("private")), (4, 1));
    assert_eq!(crawled.header("/a", "cache-control").as_deref(), Some("max-age=7"));
    assert_eq!(crawled.header("/a", "content-type").as_deref(), Some("text/html; charset=utf-8"));
    assert_eq!(crawled.snapshot().summary().pages, 4);
    let asked = fetch.asked();
    let since = asked.iter().rev().find(|ask| ask.target == "/c").expect("asked");
    assert_eq!(since.headers["if-modified-since"], "Sun, 06 Nov 1994 08:49:37 GMT");
}

#[tokio::test(start_paused = true)]
async fn a_stored_body_that_is_damaged_is_fetched_anew() {
    let fetch =
        MemorySite::new(|ask| match (ask.target.as_str(), ask.headers.contains_key("if-none-match")) {
            ("/", true) => status(304),
            ("/", false) => html("home").with("etag", "\"1\""),
            _ => status(404),
        });
    let site = site(&["/"]);
    let crawled = crawl(&site, &fetch).await;
    let page = crawled.snapshot().find("/").expect("readable").expect("stored");
    let name = page.body.expect("a body").to_string();
    let path = crawled.dir.path().join("blobs").join(&name[..2]).join(&name);
    let mut file = std::fs::OpenOptions::new().write(true).open(path).expect("the blob");
    file.write_all(b"rott").expect("written");
    let again =
        take(&site, &fetch, &crawled.store, None, &Progress::new(), clock::now()).await.expect("it ends");
    assert!(again.is_published());
    assert_eq!((crawled.body("/").as_str(), fetch.count("/")), ("home", 3));
}
