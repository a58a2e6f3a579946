//! The self-test: what it finds on a real copy, with a browser and without, by command and by itself.

use serde_json::{Value, json};

use crate::real::mail::MailServer;
use crate::support::{Config, Edge, Origin, Page, eventually, secs};

const SIGNUP: &str = "<html lang=en><title>Sign up</title><h1>Sign up</h1><form method=post action=/signup>\
    <input name=name><input type=email name=mail><button>Sign up</button></form>";
/// A program that shows nothing without its API, whose address nobody finds who only reads.
const PROGRAM: &str = "<html lang=en><title>App</title><div id=root></div><script>\
    fetch('/api/' + ['items', Date.now()].join('/')).then((r) => { if (!r.ok) throw new Error('API ' + r.status); return r.json(); })\
    .then((all) => { document.getElementById('root').textContent = all.join(); });</script>";

/// A site with one of everything that a copy can lack.
async fn site() -> Origin {
    let origin = Origin::start().await;
    origin.page("/health", Page::html("well"));
    let front = "<html lang=en><title>Shop</title><h1>Shop</h1><p>Welcome to the shop.</p>\
        <a href=/about>About</a><a href=/signup>Sign up</a><a href=/nowhere>dead on the live site, too</a>\
        <form action=/search role=search><input type=search name=q><button>Search</button></form>\
        <img src=/lost.png alt=lost>";
    origin.page("/", Page::html(front));
    let about = "<html lang=en><title>About</title><h1>About</h1><p>All about the shop.</p><a href=/deep>Deep</a>\
        <script>thisIsNowhere();</script>";
    origin.page("/about", Page::html(about));
    origin.page("/deep", Page::html("<html lang=en><title>Deep</title><p>Deep down."));
    origin.page("/signup", Page::html(SIGNUP));
    origin.page("/app", Page::html(PROGRAM));
    let mut lost = Page::html("no");
    lost.status = 403;
    origin.page("/lost.png", lost);
    origin
}

fn config(origin: &Origin) -> Config {
    Config::before(&origin.url()).site("key_pages", ["/", "/signup", "/app"]).site("mirror.max_depth", 1)
}

/// What was found of this kind: the paths.
fn found<'a>(result: &'a Value, kind: &str) -> Vec<&'a str> {
    let findings = result["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["kind"] == kind)
        .map(|finding| finding["path"].as_str().unwrap())
        .collect()
}

/// What the origin was asked for, but by checks, which ask the key pages, too.
fn asked(origin: &Origin) -> usize {
    let by_checks = ["/health", "/", "/signup", "/app"];
    origin.asked().iter().filter(|asked| !by_checks.contains(&asked.path())).count()
}

/// How visitors' requests are counted.
async fn counted(edge: &Edge) -> Vec<String> {
    let metrics = edge.admin().get("/metrics").await.text();
    metrics.lines().filter(|line| line.starts_with("katahai_requests")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_finds_what_visitors_would_miss_and_asks_the_origin_nothing() {
    let origin = site().await;
    let mut edge = Edge::start(config(&origin)).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    eventually("the crawl is over", secs(20), async || edge.crawl().await["running"].is_null().then_some(()))
        .await;
    let before = (asked(&origin), counted(&edge).await);

    let said = edge.cli(&["drill", "--browser", "off", "--json"]).await;
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let result = said.json()["sites"][0]["result"].clone();
    assert_eq!(found(&result, "form-lost"), ["/signup"], "{result:#}");
    assert_eq!(found(&result, "link-hole"), ["/deep"], "{result:#}");
    assert_eq!(found(&result, "file-missing"), ["/lost.png"], "{result:#}");
    assert_eq!(found(&result, "search-lost"), [""; 0], "the copy answers it");
    assert_eq!(found(&result, "key-page-empty"), [""; 0], "only a browser could tell");
    assert_eq!(result["scripts_not_tried"], "--browser off");
    let first = result["score"].as_u64().unwrap();
    let lost = &result["findings"].as_array().unwrap()[0];
    let lines = lost["lines"].as_str().unwrap().to_owned();
    assert!(lines.contains("[[site.form]]\npath = \"/signup\""), "{lines}");

    let said = edge.cli(&["drill", "shop", "--lang", "en"]).await;
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.out.contains(&format!(", was {first}")), "{}", said.out);
    let kept: Value =
        serde_json::from_slice(&edge.admin().get("/api/v1/sites/shop/selftest").await.body).unwrap();
    let result = &kept["last"];
    assert!(result["scripts"].as_u64().unwrap() >= 3, "{result:#}");
    assert_eq!(found(result, "key-page-empty"), ["/app"], "{result:#}");
    let broken = found(result, "script-broken");
    assert!(broken.contains(&"/about") && broken.contains(&"/app"), "{result:#}");
    assert!(said.out.contains("thisIsNowhere"), "{}", said.out);
    assert!(result["score"].as_u64().unwrap() < first, "{result:#}");
    assert_eq!(kept["scores"].as_array().unwrap().len(), 2);

    let after = (asked(&origin), counted(&edge).await);
    assert_eq!(after, before, "nobody asked the origin, and no visitor was counted");
    let status = edge.site().await;
    assert_eq!(status["selftest"]["score"], result["score"]);
    let conditions = status["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|one| one["cause"]["code"] == "drill-failed"), "{conditions:#?}");
    let metrics = edge.admin().get("/metrics").await.text();
    assert!(metrics.contains("katahai_selftest_score{site=\"shop\"}"), "{metrics}");

    // the lines that it gave save the form; a kill loses no result
    edge.kill();
    let config = config(&origin).form("path = \"/signup\"\npage = \"/signup\"\nkeep = true");
    edge.restart_with(config).await;
    edge.until("up").await;
    let said = edge.cli(&["drill", "--browser", "off", "--json"]).await;
    let result = said.json()["sites"][0]["result"].clone();
    assert_eq!(found(&result, "form-lost"), [""; 0], "{result:#}");
    assert_eq!(result["was"], kept["last"]["score"], "{result:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_copy_is_told_to_be_well_in_both_languages() {
    let origin = Origin::start().await;
    origin.page("/health", Page::html("well"));
    origin.page(
        "/",
        Page::html("<html lang=ja><title>店</title><h1>店</h1><p>ようこそ</p><a href=/signup>x</a>"),
    );
    origin.page("/signup", Page::html(SIGNUP));
    let config = Config::before(&origin.url()).form("path = \"/signup\"\nkeep = true");
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let said = edge.cli(&["drill", "--lang", "en"]).await.must_be_ok();
    assert!(said.out.contains("shop: 100 of 100"), "{}", said.out);
    let said = edge.cli(&["drill", "--lang", "ja", "--browser", "off"]).await.must_be_ok();
    assert!(said.out.contains("100点中 100点（前回 100点）"), "{}", said.out);
    let said = edge.cli(&["drill", "--browser", "/nowhere/chromium"]).await;
    assert_eq!(said.code, 2, "{}", said.err);
    let answer = edge.admin().post("/api/v1/sites/shop/selftest", "{\"what\":1}").await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    let answer = edge.admin().get("/api/v1/sites/other/selftest").await;
    assert_eq!(answer.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_by_itself_and_is_mailed() {
    let (origin, mail) = (site().await, MailServer::start(None).await);
    let dir = tempfile::tempdir().unwrap();
    let clock = dir.path().join("clock");
    std::fs::write(&clock, "+0").unwrap();
    let config = config(&origin)
        .clock_in(&clock)
        .set("alerts.language", "en")
        // only what the self-test sends
        .set("alerts.wait", "1h")
        .set("alerts.email.smtp", format!("smtp://127.0.0.1:{}", mail.port))
        .set("alerts.email.from", "Katahai <katahai@example.jp>")
        .set("alerts.email.to", ["owner@example.jp"]);
    let edge = Edge::start_in(dir, config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    assert_eq!(edge.site().await["selftest"], json!(null), "not at once");
    std::fs::write(&clock, "+2d").unwrap();
    let taken = eventually("the mail", secs(60), async || {
        mail.taken().into_iter().find(|mail| mail.contains("self-test"))
    })
    .await;
    for part in ["shop: self-test", "would be missing", "/signup", "[[site.form]]"] {
        assert!(taken.contains(part), "{part}\n{taken}");
    }
    let drill = edge.site().await["selftest"].clone();
    assert_eq!(drill["is_well"], false, "{drill:#}");
    assert!(drill["findings"][0]["advice"]["ja"].is_string(), "{drill:#}");
}
