//! The crawler as the site sees it: an anonymous and polite visitor who comes to an end, and brings home only what
//! may be shown to everybody.

use crate::support::faults::{Refuse, Status};
use crate::support::fixture::{self, MIRRORED};
use crate::support::{Config, Edge, Origin, Page, Site, eventually, secs};

async fn crawled() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    (origin, edge)
}

async fn down(origin: &Origin, edge: &Edge) {
    origin.fail(Refuse).await;
    edge.until("down").await;
}

#[tokio::test]
async fn it_asks_once_for_each_page_and_never_off_the_site() {
    let (origin, _edge) = crawled().await;
    for path in MIRRORED {
        let asked: Vec<_> = origin.asked().into_iter().filter(|asked| asked.target == path).collect();
        assert_eq!(asked.len(), 1, "{path}");
        assert_eq!(asked[0].header("host").as_deref(), Some("www.example.test"));
    }
    for absent in ["/commented-out", "/elsewhere.example"] {
        assert_eq!(origin.count(absent), 0, "{absent}");
    }
    assert_eq!(origin.asked().iter().filter(|asked| asked.target.contains("utm_")).count(), 0);
}

#[tokio::test]
async fn it_obeys_robots_txt_for_what_it_finds() {
    let (origin, _edge) = crawled().await;
    assert_eq!(origin.count("/robots.txt"), 1);
    assert_eq!(origin.count("/members/list"), 0);
}

#[tokio::test]
async fn key_pages_and_what_pages_need_are_taken_regardless() {
    let origin = fixture::shop().await;
    origin.page("/robots.txt", Page::new("text/plain", "User-agent: *\nDisallow: /\n"));
    let edge = Edge::start(Config::before(&origin.url()).site("mirror.robots", "obey")).await;
    edge.until_snapshot().await;
    assert_eq!(origin.count("/about"), 0, "found by itself: left alone");
    down(&origin, &edge).await;
    for path in ["/", "/signup", "/style.css", "/deep.css", "/img/photo.png", "/fonts/harbour.woff2"] {
        edge.get(path).await.must_be(&origin.content(path).body);
    }
}

#[tokio::test]
async fn key_pages_come_first() {
    let (origin, _edge) = crawled().await;
    let order: Vec<String> = origin
        .asked()
        .into_iter()
        .map(|asked| asked.target)
        .filter(|target| target != "/health" && target != "/robots.txt" && target != "/sitemap.xml")
        .collect();
    let at = |target: &str| order.iter().position(|asked| asked == target).unwrap();
    assert!(at("/") < 2 && at("/signup") < 2, "{order:?}");
    assert!(at("/style.css") < at("/long"), "what a page needs comes before more pages: {order:?}");
}

#[tokio::test]
async fn it_is_an_anonymous_visitor() {
    let (origin, _edge) = crawled().await;
    for asked in origin.asked().iter().filter(|asked| asked.path() != "/health") {
        assert_eq!(asked.header("cookie"), None, "{}", asked.target);
        assert_eq!(asked.header("authorization"), None, "{}", asked.target);
        assert_eq!(asked.method, "GET", "{}", asked.target);
        let agent = asked.header("user-agent").unwrap_or_default().to_ascii_lowercase();
        assert!(agent.contains("katahai"), "{}: {agent}", asked.target);
    }
}

#[tokio::test]
async fn what_is_private_or_failed_is_not_brought_home() {
    let (origin, edge) = crawled().await;
    assert_eq!(origin.count("/cart"), 1, "it was asked for");
    down(&origin, &edge).await;
    for path in ["/cart", "/hello", "/missing"] {
        edge.get(path).await.must_be_holding_page();
    }
}

#[tokio::test]
async fn no_cookie_is_given_to_strangers() {
    let origin = fixture::shop().await;
    // a key page that greets every visitor with a session is still the page that must always work
    let page = origin.content("/signup").header("set-cookie", "visit=8f3a; Path=/");
    origin.page("/signup", page);
    let edge = Edge::start(Config::before(&origin.url())).await;
    eventually("the crawl", secs(20), async || (origin.count("/signup") > 0).then_some(())).await;
    down(&origin, &edge).await;
    let answer = edge.get("/signup").await;
    assert_eq!(answer.header("set-cookie"), None, "{}", answer.status);
}

#[tokio::test]
async fn a_calendar_without_end_ends() {
    let origin = fixture::shop().await;
    let index = String::from_utf8(origin.content("/").body.to_vec()).unwrap();
    origin.page("/", Page::html(index.replace("</nav>", "<a href=\"/calendar?month=1\">Calendar</a></nav>")));
    origin.make(|asked| {
        let month: u32 = asked.target.strip_prefix("/calendar?month=")?.parse().ok()?;
        let link = format!(
            "<a href=\"/calendar?month={}\">next</a> <a href=\"/calendar/{month}/day\">d</a>",
            month + 1
        );
        Some(Page::html(format!("<title>Month {month}</title>{link}")))
    });
    let config = Config::before(&origin.url()).site("mirror.max_pages", 60);
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    assert!(origin.total() < 200, "{} requests for a site of 60 pages", origin.total());
    let pages = edge.site().await["snapshot"]["pages"].as_u64().unwrap();
    assert!(pages <= 60, "{pages}");
    down(&origin, &edge).await;
    for path in MIRRORED {
        edge.get(path).await.must_be(&origin.content(path).body);
    }
}

#[tokio::test]
async fn depth_has_a_limit() {
    let origin = fixture::shop().await;
    let index = String::from_utf8(origin.content("/").body.to_vec()).unwrap();
    origin.page("/", Page::html(index.replace("</nav>", "<a href=\"/down/1\">Down</a></nav>")));
    origin.make(|asked| {
        let n: u32 = asked.target.strip_prefix("/down/")?.parse().ok()?;
        Some(Page::html(format!("<a href=\"/down/{}\">deeper</a>", n + 1)))
    });
    let edge = Edge::start(Config::before(&origin.url()).site("mirror.max_depth", 5)).await;
    edge.until_snapshot().await;
    assert_eq!((origin.count("/down/5"), origin.count("/down/7")), (1, 0));
}

#[tokio::test]
async fn it_keeps_to_its_rate() {
    let origin = fixture::shop().await;
    let began = std::time::Instant::now();
    let edge = Edge::start(Config::before(&origin.url()).site("mirror.rate", "10/s")).await;
    edge.until_snapshot().await;
    let requests = origin.total() - origin.count("/health");
    let least = secs(1).mul_f64((requests as f64 - 12.0).max(0.0) / 10.0);
    assert!(began.elapsed() >= least, "{requests} requests in {:?}", began.elapsed());
}

#[tokio::test]
async fn patterns_say_what_is_taken() {
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url())
        .site("mirror.exclude", ["/files/*", "/only-*"])
        .route("/events", "on", "off");
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    for left_out in ["/files/menu.pdf", "/only-in-the-sitemap", "/events"] {
        assert_eq!(origin.count(left_out), 0, "{left_out}");
    }
    assert_eq!(origin.count("/about"), 1);
}

#[tokio::test]
async fn a_snapshot_without_its_key_pages_is_not_published() {
    let (origin, edge) = crawled().await;
    let good = edge.snapshot_id().await;
    origin.fail_under("/signup", crate::support::faults::Status(500)).await;
    origin.forget();
    edge.admin().post("/api/v1/sites/shop/snapshots", "").await;
    eventually("the crawl's try", secs(20), async || (origin.count("/about") > 0).then_some(())).await;
    eventually("its end", secs(20), async || {
        (edge.crawl().await["last"]["outcome"] != "published").then_some(())
    })
    .await;
    assert_eq!(edge.snapshot_id().await, good);
}

#[tokio::test]
async fn what_was_decided_about_robots_txt_is_known_after_a_restart() {
    let origin = fixture::shop().await;
    origin.page("/robots.txt", Page::new("text/plain", "User-agent: *\nDisallow: /\n"));
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    let first = async |edge: &Edge, args: &[&str]| {
        let said = edge.cli(args).await;
        said.out.lines().next().unwrap_or_default().to_owned()
    };
    let taken = "robots.txt forbids the whole site; the copy is taken all the same (mirror.robots)";
    let told = async |edge: &Edge| {
        let line = first(edge, &["status"]).await;
        (line == format!("shop: {taken}")).then_some(())
    };
    eventually("the decision in the first line", secs(10), async || told(&edge).await).await;
    assert_eq!(first(&edge, &["snapshot", "take"]).await, taken);
    origin.fail(Refuse).await;
    edge.restart().await;
    eventually("the decision after a restart", secs(10), async || told(&edge).await).await;
    // it is the newest snapshot's decision, not the last crawl's that brought none
    origin.fail(Status(503)).await;
    let line = first(&edge, &["snapshot", "take"]).await;
    assert!(!line.contains("robots"), "{line}");
}

#[tokio::test]
async fn with_several_sites_the_first_lines_name_those_that_forbid_all() {
    let origin = fixture::shop().await;
    origin.page("/robots.txt", Page::new("text/plain", "User-agent: *\nDisallow: /\n"));
    let site = |n: u8| Site::bare(&format!("s{n}"), &format!("s{n}.test")).origin(&origin.url());
    let config = (1..5).fold(Config::new(site(0)), |config, n| config.and(site(n)));
    let edge = Edge::start(config).await;
    let told = async || {
        let said = edge.cli(&["status"]).await.out;
        let lines: Vec<&str> = said.lines().take(4).collect();
        let named = |n: usize| lines[n].starts_with(&format!("s{n}: robots.txt forbids the whole site"));
        ((0..3).all(named) && lines[3].starts_with("2 more sites")).then_some(())
    };
    eventually("the decisions in the first lines", secs(60), told).await;
}

#[tokio::test]
async fn an_unreadable_robots_txt_is_told_and_not_where_nothing_is_readable() {
    let origin = fixture::shop().await;
    origin.page("/robots.txt", Page::html("oops").status(500));
    let edge = Edge::start(Config::before(&origin.url())).await;
    let taken =
        "shop: robots.txt cannot be read, which forbids the whole site; the copy is taken all the same";
    let told = async || edge.cli(&["status"]).await.out.starts_with(taken).then_some(());
    eventually("the decision in the first line", secs(60), told).await;
    let origin = Origin::start().await;
    origin.fail(Status(503)).await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let said = edge.cli(&["snapshot", "take"]).await;
    assert!(!said.out.contains("robots"), "{}", said.out);
    let status = edge.cli(&["status"]).await;
    assert!(!status.out.contains("robots"), "{}", status.out);
    assert_eq!(edge.crawl().await["last"]["robots"], serde_json::Value::Null);
}
