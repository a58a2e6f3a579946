//! The HTTP cache: what may be kept is asked for once, what must not be kept never is, and what was kept helps when
//! the origin falls.

use crate::support::faults::Refuse;
use crate::support::fixture;
use crate::support::{Config, Edge, Origin, Page, eventually, ms, secs};

/// An edge without any snapshot: what answers is the cache or the origin.
async fn before(origin: &Origin) -> Edge {
    let edge = Edge::start(Config::before(&origin.url()).site("mirror.exclude", ["/*"])).await;
    edge.until("up").await;
    edge
}

fn kept(body: &str) -> Page {
    Page::html(body.to_owned()).header("cache-control", "max-age=600").header("etag", "\"one\"")
}

async fn with(page: Page) -> (Origin, Edge) {
    let origin = Origin::start().await;
    origin.page("/page", page);
    let edge = before(&origin).await;
    (origin, edge)
}

/// Asks twice; tells whether the second answer came from the cache.
async fn hits(origin: &Origin, edge: &Edge, headers: &[(&str, &str)]) -> bool {
    let before = origin.count("/page");
    edge.client().get_with("/page", headers).await;
    let answer = edge.client().get_with("/page", headers).await;
    let hit = origin.count("/page") - before < 2;
    assert_eq!(answer.cache_status().contains("katahai; hit"), hit, "{}", answer.cache_status());
    hit
}

#[tokio::test]
async fn a_fresh_answer_is_given_again() {
    let (origin, edge) = with(kept("kept")).await;
    let first = edge.get("/page").await;
    assert!(first.cache_status().contains("stored"), "{}", first.cache_status());
    let second = edge.get("/page").await;
    second.must_be(b"kept");
    assert!(second.cache_status().starts_with("katahai; hit; ttl="), "{}", second.cache_status());
    let age: u64 = second.header("age").expect("Age").parse().unwrap();
    assert!(age < 60);
    assert_eq!(second.header("content-type"), first.header("content-type"));
    assert_eq!(origin.count("/page"), 1);
    edge.client().h2().get("/page").await.must_be(b"kept");
    assert_eq!(origin.count("/page"), 1);
}

#[tokio::test]
async fn what_must_not_be_kept_is_not() {
    for (field, value) in [
        ("cache-control", "no-store"),
        ("cache-control", "private, max-age=600"),
        ("cache-control", "no-cache"),
        ("cache-control", "max-age=0"),
        ("x-nothing", "said of freshness"),
        ("expires", "0"),
        ("vary", "*"),
    ] {
        let mut page = Page::html("own").header(field, value);
        if field == "vary" {
            page = page.header("cache-control", "max-age=600");
        }
        let (origin, edge) = with(page).await;
        assert!(!hits(&origin, &edge, &[]).await, "{field}: {value}");
    }
}

#[tokio::test]
async fn what_is_personal_is_not_kept() {
    let (origin, edge) = with(kept("hello, Mr Abe").header("set-cookie", "session=abe")).await;
    assert!(!hits(&origin, &edge, &[]).await, "an answer that sets a cookie");
    let (origin, edge) = with(kept("for you")).await;
    assert!(!hits(&origin, &edge, &[("authorization", "Basic YTpi")]).await, "an answer to Authorization");
    let stranger = edge.get("/page").await;
    assert!(!stranger.cache_status().contains("hit"), "{}", stranger.cache_status());
}

#[tokio::test]
async fn a_session_is_not_answered_from_the_cache() {
    let origin = Origin::start().await;
    origin.page("/page", kept("shared"));
    let config = Config::before(&origin.url()).site("cache.bypass_cookies", ["session*"]);
    let edge = Edge::start(config).await;
    edge.get("/page").await;
    edge.client().get_with("/page", &[("cookie", "a=1; session_id=7")]).await;
    assert_eq!(origin.count("/page"), 2);
    edge.client().get_with("/page", &[("cookie", "a=1; theme=dark")]).await;
    assert_eq!(origin.count("/page"), 2, "any other cookie is no session");
}

#[tokio::test]
async fn variants_are_kept_apart() {
    let origin = Origin::start().await;
    origin.make(|asked| {
        let language = asked.header("accept-language").unwrap_or_default();
        (asked.path() == "/page").then(|| kept(&format!("in {language}")).header("vary", "Accept-Language"))
    });
    let edge = before(&origin).await;
    for _ in 0..3 {
        for language in ["ja", "en"] {
            let answer = edge.client().get_with("/page", &[("accept-language", language)]).await;
            assert_eq!(answer.text(), format!("in {language}"));
        }
    }
    assert_eq!(origin.count("/page"), 2);
}

#[tokio::test]
async fn methods_other_than_get_are_never_answered_from_the_cache() {
    let (origin, edge) = with(kept("kept")).await;
    edge.get("/page").await;
    edge.client().post("/page", "a=b").await;
    assert_eq!(origin.count("/page"), 2);
    let client = edge.client();
    let head = client.send(client.ask("HEAD", "/page").body(Default::default()).unwrap()).await.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn a_kept_answer_serves_conditions_and_ranges() {
    let (origin, edge) = with(kept("0123456789")).await;
    edge.get("/page").await.must_be(b"0123456789");
    let client = edge.client();
    let same = client.get_with("/page", &[("if-none-match", "\"one\"")]).await;
    assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, Some("\"one\"")));
    let other = client.get_with("/page", &[("if-none-match", "\"two\"")]).await;
    assert_eq!(other.status, 200);
    let part = client.get_with("/page", &[("range", "bytes=2-4")]).await;
    assert_eq!((part.status, part.text()), (206, "234".into()));
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    let outside = client.get_with("/page", &[("range", "bytes=20-")]).await;
    assert_eq!(outside.status, 416);
    assert_eq!(origin.count("/page"), 1);
}

#[tokio::test]
async fn a_part_is_not_kept_as_the_whole() {
    let (origin, edge) = with(kept("0123456789").header("accept-ranges", "bytes")).await;
    let part = edge.client().get_with("/page", &[("range", "bytes=2-4")]).await;
    assert_eq!(part.text(), "234");
    edge.get("/page").await.must_be(b"0123456789");
    assert!(origin.count("/page") <= 2);
}

#[tokio::test]
async fn a_stale_answer_is_validated_and_renewed() {
    let origin = Origin::start().await;
    origin.page("/page", Page::html("kept").header("cache-control", "max-age=1").header("etag", "\"one\""));
    let edge = before(&origin).await;
    edge.get("/page").await.must_be(b"kept");
    let validated = eventually("a conditional request", secs(10), async || {
        edge.get("/page").await.must_be(b"kept");
        origin.asked_for("/page").into_iter().find(|asked| asked.header("if-none-match").is_some())
    })
    .await;
    assert_eq!(validated.header("if-none-match").as_deref(), Some("\"one\""));
    let before = origin.count("/page");
    let again = edge.get("/page").await;
    again.must_be(b"kept");
    assert_eq!(origin.count("/page"), before, "fresh again after the 304");
    origin.page("/page", Page::html("new").header("cache-control", "max-age=1").header("etag", "\"two\""));
    eventually("the new page", secs(10), async || (edge.get("/page").await.text() == "new").then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_equal_requests_are_one_fetch() {
    let (origin, edge) = with(kept(&fixture::long_page("cold", 100 << 10))).await;
    let lever = origin.hold("/page");
    let running: Vec<_> = (0..400)
        .map(|_| {
            let client = edge.client();
            tokio::spawn(async move { client.get("/page").await })
        })
        .collect();
    lever.wait_for(1, secs(5)).await;
    let requests = async || {
        let metrics = edge.admin().get("/metrics").await.text();
        metrics.lines().find_map(|line| {
            line.strip_prefix("katahai_requests_in_flight")?.rsplit(' ').next()?.parse::<f64>().ok()
        })
    };
    // all of them inside, if the metric says so; else after a moment
    let _ = tokio::time::timeout(secs(2), async {
        while requests().await.unwrap_or_default() < 400.0 {
            tokio::time::sleep(ms(20)).await;
        }
    })
    .await;
    lever.release();
    let body = origin.content("/page").body;
    for one in running {
        one.await.unwrap().must_be(&body);
    }
    assert_eq!(origin.count("/page"), 1);
}

#[tokio::test]
async fn a_leader_that_leaves_does_not_strand_the_others() {
    let (origin, edge) = with(kept("kept")).await;
    let lever = origin.hold("/page");
    let client = edge.client();
    let leader = tokio::spawn({
        let client = client.clone();
        async move { client.get("/page").await }
    });
    lever.wait_for(1, secs(5)).await;
    let follower = tokio::spawn(async move { client.get("/page").await });
    leader.abort();
    tokio::time::sleep(ms(100)).await; // the edge sees the leader's end some time after the abort
    lever.release();
    follower.await.unwrap().must_be(b"kept");
}

#[tokio::test]
async fn a_stale_answer_is_kept_for_the_fall() {
    let (origin, edge) = with(Page::html("kept").header("cache-control", "max-age=1")).await;
    edge.get("/page").await.must_be(b"kept");
    origin.fail(Refuse).await;
    edge.until("down").await;
    let answer = eventually("a stale answer", secs(5), async || {
        let answer = edge.get("/page").await;
        answer.must_be(b"kept");
        answer.cache_status().contains("detail=stale").then_some(answer)
    })
    .await;
    assert!(answer.took < ms(250), "{:?}", answer.took);
    assert!(answer.header("age").is_some());
}

#[tokio::test]
async fn what_was_not_to_be_kept_is_not_given_in_the_fall() {
    let (origin, edge) = with(Page::html("secret").header("cache-control", "no-store")).await;
    edge.get("/page").await.must_be(b"secret");
    origin.fail(Refuse).await;
    edge.get("/page").await.must_be_holding_page();
}

#[tokio::test]
async fn a_broken_answer_is_not_kept() {
    let (origin, edge) = with(kept(&fixture::long_page("page", 3 << 20)).chunked()).await;
    origin.fail_under("/page", crate::support::faults::ChunkedCut).await;
    let request = edge.client().ask("GET", "/page").body(Default::default()).unwrap();
    let answer = edge.client().send(request).await;
    assert!(answer.is_err() || answer.is_ok_and(|a| a.broken.is_some() || a.status == 503));
    origin.heal().await;
    eventually("the whole page", secs(10), async || {
        let request = edge.client().ask("GET", "/page").body(Default::default()).unwrap();
        let answer = edge.client().send(request).await.ok()?;
        (answer.status == 200).then(|| answer.must_be(&origin.content("/page").body))
    })
    .await;
}

#[tokio::test]
async fn parameters_of_campaigns_do_not_miss() {
    let (origin, edge) = with(kept("kept")).await;
    edge.get("/page").await;
    for query in ["?utm_source=mail", "?fbclid=abc&utm_medium=x", "?gclid=1"] {
        edge.get(&format!("/page{query}")).await.must_be(b"kept");
    }
    assert_eq!(origin.count("/page"), 1);
    edge.get("/page?p=2").await;
    assert_eq!(origin.count("/page"), 2);
}

#[tokio::test]
async fn a_redirect_gives_each_visitor_his_own_campaign_back() {
    let (origin, edge) = with(Page::redirect(301, "/new#top").header("cache-control", "max-age=600")).await;
    for campaign in ["utm_source=mail&utm_medium=a", "utm_source=paper"] {
        let answer = edge.get(&format!("/page?{campaign}")).await;
        assert_eq!(answer.header("location").unwrap(), format!("/new?{campaign}#top"));
    }
    assert_eq!(edge.get("/page").await.header("location"), Some("/new#top"));
    assert_eq!((origin.count("/page"), origin.last("/page").await.target), (1, "/page".to_owned()));
}

#[tokio::test]
async fn a_default_lifetime_is_for_answers_that_say_nothing() {
    let origin = Origin::start().await;
    origin.page("/page", Page::html("silent"));
    origin.page("/own", Page::html("own").header("cache-control", "no-store"));
    let edge = Edge::start(Config::before(&origin.url()).site("cache.default_ttl", "60s")).await;
    assert!(hits(&origin, &edge, &[]).await);
    for _ in 0..2 {
        edge.get("/own").await;
    }
    assert_eq!(origin.count("/own"), 2);
}

#[tokio::test]
async fn a_route_may_be_left_out() {
    let origin = Origin::start().await;
    origin.page("/page", kept("kept"));
    let edge = Edge::start(Config::before(&origin.url()).route("/pa*", "off", "off")).await;
    assert!(!hits(&origin, &edge, &[]).await);
}

#[tokio::test]
async fn the_cache_is_bounded_by_bytes() {
    let origin = Origin::start().await;
    let body = fixture::noise(64 << 10, 3);
    origin.make(move |_| Some(Page::new("image/png", body.clone()).header("cache-control", "max-age=600")));
    let config =
        Config::before(&origin.url()).set("limits.memory_cache", "16MiB").site("mirror.exclude", ["/*"]);
    let edge = Edge::start(config).await;
    let ask = async |from: u32, to: u32| {
        let mut session = edge.client().session().await.unwrap();
        for n in from..to {
            let request = edge.client().ask("GET", &format!("/{n}.png")).body(Default::default()).unwrap();
            assert_eq!(session.send(request).await.unwrap().status, 200);
        }
    };
    ask(0, 400).await;
    let full = edge.rss();
    ask(400, 2400).await;
    let grown = edge.rss().saturating_sub(full) >> 20;
    assert!(grown < 40, "{grown} MiB more after 125 MiB of pages in a cache of 16 MiB");
    // a flood of pages that are asked for once does not keep out one that is asked for again and again
    for _ in 0..10 {
        edge.get("/wanted.png").await;
    }
    assert!(origin.count("/wanted.png") < 6, "{} fetches", origin.count("/wanted.png"));
}

#[tokio::test]
async fn an_answer_that_names_who_asked_is_for_those_alone() {
    let origin = Origin::start().await;
    origin.make(|asked| {
        let from = asked.header("origin").unwrap_or_default();
        (asked.path() == "/page").then(|| kept("kept").header("access-control-allow-origin", &from))
    });
    let edge = before(&origin).await;
    let (one, other) = ([("origin", "https://one.example")], [("origin", "https://other.example")]);
    assert!(hits(&origin, &edge, &one).await);
    assert!(hits(&origin, &edge, &other).await);
    let allowed = async |headers: &[(&str, &str)]| {
        let answer = edge.client().get_with("/page", headers).await;
        (answer.status, answer.header("access-control-allow-origin").map(str::to_owned))
    };
    assert_eq!(origin.count("/page"), 2);
    assert_eq!(allowed(&one).await, (200, Some("https://one.example".to_owned())));
    assert_eq!(allowed(&other).await, (200, Some("https://other.example".to_owned())));
    origin.fail(Refuse).await;
    edge.until("down").await;
    assert_eq!(allowed(&one).await, (200, Some("https://one.example".to_owned())));
    assert_eq!(allowed(&[("origin", "https://third.example")]).await, (200, None));
    assert_eq!(allowed(&[]).await, (200, None));
}

/// A font as servers give it that look at who asks: nothing without `Origin`, and without `Vary`.
fn font(allowed: impl Fn(Option<String>) -> Option<String> + Send + Sync + 'static) -> impl Fn(&Origin) {
    let allowed = std::sync::Arc::new(allowed);
    move |origin| {
        let allowed = allowed.clone();
        origin.make(move |asked| {
            let font = Page::new("font/woff2", "wOF2 and so on").header("cache-control", "max-age=600");
            (asked.path() == "/a.woff2").then(|| match allowed(asked.header("origin")) {
                Some(origin) => font.header("access-control-allow-origin", &origin),
                None => font,
            })
        });
    }
}

#[tokio::test]
async fn a_file_kept_for_the_site_itself_is_asked_for_anew_for_another_sites_page() {
    const SHOP: &str = "https://shop.example";
    const THIEF: &str = "https://thief.example";
    let allowed = |answer: &crate::support::Answer| {
        (answer.status, answer.header("access-control-allow-origin").map(str::to_owned))
    };
    let given = |origin: &str| (200, Some(origin.to_owned()));
    for (serve, shop, thief, asked, in_outage) in [
        // the one that it knows
        (
            &font(|from| from.filter(|from| from == SHOP)) as &dyn Fn(&Origin),
            given(SHOP),
            (200, None),
            3,
            (200, None),
        ),
        // everybody, if he says that he is one
        (&font(|from| from.map(|_| "*".to_owned())), given("*"), given("*"), 2, given("*")),
        // nobody
        (&font(|_| None), (200, None), (200, None), 3, (200, None)),
    ] {
        let origin = Origin::start().await;
        serve(&origin);
        let edge = before(&origin).await;
        let ask = async |from: &str| match from {
            "" => edge.get("/a.woff2").await,
            from => edge.client().get_with("/a.woff2", &[("origin", from)]).await,
        };
        for _ in 0..2 {
            assert_eq!(ask("").await.status, 200);
            assert_eq!(allowed(&ask(SHOP).await), shop);
            assert_eq!(allowed(&ask(THIEF).await), thief);
        }
        assert_eq!(origin.count("/a.woff2"), asked, "{shop:?} {thief:?}");
        origin.fail(Refuse).await;
        edge.until("down").await;
        assert_eq!(allowed(&ask(SHOP).await), shop);
        let answer = ask("https://new.example").await;
        assert_eq!(allowed(&answer), in_outage);
        answer.must_be(b"wOF2 and so on");
    }
}

#[tokio::test]
async fn a_copy_of_a_crawl_may_be_read_by_all_if_the_origin_was_seen_to_let_them() {
    let origin = fixture::shop().await;
    const FONT: &str = "/fonts/harbour.woff2";
    let page = origin.content(FONT).header("cache-control", "max-age=0");
    origin.hide(FONT);
    origin.make(move |asked| {
        let page = page.clone();
        (asked.path() == FONT).then(|| match asked.header("origin") {
            Some(_) => page.header("access-control-allow-origin", "*"),
            None => page,
        })
    });
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    let from = async |origin: &str| edge.client().get_with(FONT, &[("origin", origin)]).await;
    assert_eq!(from("https://one.example").await.header("access-control-allow-origin"), Some("*"));
    origin.fail(Refuse).await;
    edge.until("down").await;
    let answer = from("https://two.example").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{}", answer.cache_status());
}

#[tokio::test]
async fn what_was_made_for_one_person_is_nobody_elses_in_the_fall() {
    let (origin, edge) = with(Page::html("everybody's").header("etag", "\"one\"")).await;
    const OWN: [&str; 3] = ["/confirm/5f2a9c", "/order/2026-1?mail=a", "/l/8d7e6b5f4a3c2b1d0e9f"];
    const TOLD: &str = "/invite/spring";
    for target in OWN {
        origin.page(target, Page::html("Mrs Sato's").header("etag", "\"one\""));
    }
    origin.page(TOLD, Page::html("for all").header("cache-control", "public, max-age=1"));
    let all = || OWN.into_iter().chain(["/page", TOLD]);
    for target in all() {
        for _ in 0..2 {
            assert_eq!(edge.get(target).await.status, 200);
        }
    }
    origin.fail(Refuse).await;
    edge.until("down").await;
    for target in all() {
        let expected = if OWN.contains(&target) { 503 } else { 200 };
        assert_eq!(edge.get(target).await.status, expected, "{target}");
    }
}
