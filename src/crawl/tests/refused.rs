//! What is never stored: what is private, half, or not the page.

use std::time::Duration;

use super::*;
use crate::config::ready::{MirrorPrivate, MirrorRobots, PathPattern, Route};
use crate::crawl::Forbidden;
use crate::crawl::testing::{Answer, cut, file, html, redirect, site, status};
use crate::failure::Cause;

#[tokio::test(start_paused = true)]
async fn what_is_personal_is_not_stored() {
    let fetch = MemorySite::new(|ask| {
        let form = "<input type=hidden name=token value=abc><input type=password>";
        match ask.target.as_str() {
            "/" => html(
                "<a href=/private><a href=/nostore><a href=/php><a href=/shop><a href=/members><a href=/magic>\
                 <a href=/login><a href=/signup><a href=/401><a href=/403>",
            ),
            "/private" => html("hello Hanako").with("cache-control", "private, max-age=0"),
            "/nostore" => html("balance").with("cache-control", "no-store"),
            "/php" => html("a page of a shop")
                .with("cache-control", "no-store, no-cache, must-revalidate")
                .with("expires", "Thu, 19 Nov 1981 08:52:00 GMT")
                .with("set-cookie", "PHPSESSID=1"),
            "/shop" => html(form).with("set-cookie", "cart=0").with("cache-control", "no-cache"),
            "/members" => redirect(302, "/login?next=/members"),
            "/magic" => html("welcome back").with("set-cookie", "wordpress_logged_in_1=hanako"),
            "/login" => html(form).with("set-cookie", "session=1"),
            "/signup" => html(&format!("{form}<input type=password>")).with("set-cookie", "session=1"),
            "/401" => status(401),
            "/403" => status(403),
            _ => status(404),
        }
    });
    let mut strict = site(&["/"]);
    strict.mirror.private = MirrorPrivate::Never;
    let crawled = crawl(&strict, &fetch).await;
    assert_eq!(crawled.keys(), ["/", "/php", "/shop", "/signup"]);
    let reasons: Vec<_> = crawled.outcome.report().refusals.keys().map(|code| &**code).collect();
    let expected =
        ["forbidden", "login-cookie", "login-page", "needs-login", "no-store", "private", "unauthorized"];
    assert_eq!(reasons, expected);
    for key in ["/php", "/shop", "/signup"] {
        assert_eq!(crawled.header(key, "set-cookie"), None, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_whole_is_asked_for_again_and_never_stored() {
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/" => html(
            "<a href=/short><a href=/broken><a href=/stalled><a href=/refused><a href=/206><a href=/white>",
        ),
        "/short" => cut("<p>half a pa", Some(4000)),
        "/broken" => cut("<p>half a pa", None),
        "/stalled" => Answer::After(Duration::from_secs(100_000), Box::new(html("late"))),
        "/refused" => Answer::Fails(Cause::Refused),
        "/206" => status(206),
        "/white" => html(""),
        _ => status(404),
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    assert_eq!(crawled.keys(), ["/"]);
    let mut failures: Vec<_> =
        crawled.outcome.report().failures.iter().map(|f| (f.path.as_str(), &*f.cause)).collect();
    failures.sort_unstable();
    let expected =
        [("/broken", "body-cut"), ("/refused", "refused"), ("/short", "body-cut"), ("/stalled", "silent")];
    assert_eq!(failures, expected);
    assert!(expected.iter().all(|(path, _)| fetch.count(path) == 3));
    assert_eq!((crawled.refused("partial"), crawled.refused("empty-page")), (1, 1));
    assert_eq!(crawled.progress.read().errors, 4);
}

#[tokio::test(start_paused = true)]
async fn what_fails_once_is_had_the_second_time_after_the_pause_that_the_site_asks_for() {
    let fetch = Arc::new(MemorySite::new({
        let tries = std::sync::atomic::AtomicUsize::new(0);
        move |ask| match ask.target.as_str() {
            "/" if tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => {
                status(503).with("retry-after", "7")
            }
            "/" => html("home"),
            _ => status(404),
        }
    }));
    let began = tokio::time::Instant::now();
    let crawled = crawl(&site(&["/"]), &fetch).await;
    assert_eq!((crawled.keys(), crawled.outcome.report().failures.len()), (vec!["/".to_owned()], 0));
    // Nobody asks meanwhile, and then no longer all at once.
    assert!((7_000..8_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!((crawled.progress.read().too_many, crawled.progress.read().held), (1, 7));
}

#[tokio::test(start_paused = true)]
async fn robots_are_obeyed_for_what_the_crawler_finds_by_itself() {
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/robots.txt" => file("text/plain", "User-agent: *\nDisallow: /\nAllow: /$\nAllow: /open\n"),
        "/" => html("<a href=/open><a href=/closed><link rel=stylesheet href=/closed.css>"),
        "/key" => html("<img src=/key.png>"),
        "/closed.css" => file("text/css", "a{b:url(/closed.png)}"),
        _ => html("x"),
    });
    let mut obeying = site(&["/key"]);
    obeying.mirror.robots = MirrorRobots::Obey;
    let crawled = crawl(&obeying, &fetch).await;
    assert_eq!(
        crawled.keys(),
        ["/", "/closed.css", "/closed.png", "/key", "/key.png", "/open", "/robots.txt"]
    );
    assert_eq!((crawled.refused("robots"), fetch.count("/closed")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn robots_that_cannot_be_read_or_forbid_everything_leave_the_owner_his_copy() {
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/robots.txt" => status(500),
        "/" => html("<a href=/a><img src=/i.png>"),
        _ => file("image/png", "x"),
    });
    let mut site = site(&["/"]);
    for (robots, taken) in
        [(MirrorRobots::Auto, true), (MirrorRobots::Ignore, true), (MirrorRobots::Obey, false)]
    {
        site.mirror.robots = robots;
        let crawled = crawl(&site, &fetch).await;
        let report = crawled.outcome.report();
        assert_eq!(
            (&*report.robots, report.robots_forbid),
            ("unreadable", Some(Forbidden { obeyed: !taken }))
        );
        assert!(crawled.has("/") && crawled.has("/i.png") && crawled.has("/a") == taken, "{robots:?}");
    }
    assert_eq!(fetch.count("/robots.txt"), 9);

    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/robots.txt" => file("text/plain", "User-agent: *\nDisallow: /\nDisallow: /search\n"),
        "/" => html("<a href=/a><a href=/search>"),
        _ => html("x"),
    });
    for (robots, keys) in [
        (MirrorRobots::Auto, &["/", "/a", "/robots.txt"][..]),
        (MirrorRobots::Ignore, &["/", "/a", "/robots.txt", "/search"]),
        (MirrorRobots::Obey, &["/", "/robots.txt"]),
    ] {
        site.mirror.robots = robots;
        let crawled = crawl(&site, &fetch).await;
        let keys_there: Vec<String> =
            crawled.keys().into_iter().filter(|key| !key.contains('.') || key == "/robots.txt").collect();
        assert_eq!(keys_there, keys, "{robots:?}");
        assert_eq!(
            crawled.outcome.report().robots_forbid.map(|f| f.obeyed),
            Some(robots == MirrorRobots::Obey)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn robots_may_be_elsewhere_and_a_site_that_redirects_everything_home_has_none() {
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/robots.txt" => redirect(301, "/r.txt"),
        "/r.txt" => file("text/plain", "User-agent: katahai\nDisallow: /a"),
        "/" => html("<a href=/a><a href=/b>"),
        "/b" => html("b"),
        _ => status(404),
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    assert_eq!(crawled.keys(), ["/", "/b", "/r.txt", "/robots.txt"]);

    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/" => html("<a href=/a>"),
        "/a" => html("a"),
        _ => redirect(302, "/"),
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    assert_eq!(crawled.broken(), [""; 0]);
    assert!(crawled.has("/") && crawled.has("/a"));
}

#[tokio::test(start_paused = true)]
async fn the_owners_routes_and_patterns_hold() {
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/" => html("<a href=/admin/x><a href=/tmp/x><a href=/shop/x><a href=/blog/x><img src=/blog/i.png>"),
        _ => html("x"),
    });
    let mut site = site(&["/"]);
    let pattern = |p| PathPattern::new(p).expect("a pattern");
    site.routes = vec![Route { path: pattern("/admin/*"), cache: false, mirror: Some(false), timeout: None }];
    site.mirror.exclude = vec![pattern("/tmp/*")];
    site.mirror.include = vec![pattern("/shop/*")];
    let crawled = crawl(&site, &fetch).await;
    assert!(crawled.has("/shop/x") && crawled.has("/blog/i.png"));
    for (key, code) in [("/admin/x", "route-off"), ("/tmp/x", "excluded"), ("/blog/x", "not-included")] {
        assert_eq!((fetch.count(key), crawled.refused(code)), (0, 1), "{key}");
    }
}
