//! What visitors ask for is learned: pages that nothing links to are in the next snapshot, the operator sees what is
//! missing, and nothing of what passes through to visitors is ever kept.

use serde_json::Value;

use crate::support::faults::Refuse;
use crate::support::fixture;
use crate::support::{Answer, Config, Edge, Origin, Page, Site, eventually, secs};

const FLYER: &str = "/flyer-of-the-spring-fair";

/// The shop with a page that nothing links to, once the first snapshot is there.
async fn shop() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    origin.page(FLYER, Page::html("<title>Fair</title><p>the spring fair<img src=\"/fair.png\">"));
    origin.page("/fair.png", Page::new("image/png", "a picture of the fair"));
    let edge = Edge::start(before(&origin)).await;
    edge.until_snapshot().await;
    (origin, edge)
}

fn before(origin: &Origin) -> Config {
    Config::before(&origin.url())
        .set("listen.trusted_proxies", ["127.0.0.1/32"])
        .site("cache.bypass_cookies", ["session"])
}

/// One visitor of many: each number is another address.
async fn visit(edge: &Edge, path: &str, visitor: u8) -> Answer {
    visit_with(edge, path, visitor, &[]).await
}

async fn visit_with(edge: &Edge, path: &str, visitor: u8, headers: &[(&str, &str)]) -> Answer {
    let address = format!("192.0.2.{visitor}");
    let mut all = vec![("x-forwarded-for", &*address)];
    all.extend(headers);
    edge.client().get_with(path, &all).await
}

async fn coverage(edge: &Edge) -> Value {
    let answer = edge.admin().get("/api/v1/sites/shop/coverage").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// Waits until so many requests are in the coverage, and all that came before.
async fn counted(edge: &Edge, requests: u64) -> Value {
    eventually(&format!("{requests} requests"), secs(20), async || {
        let coverage = coverage(edge).await;
        (coverage["requests"] == requests).then_some(coverage)
    })
    .await
}

fn missing(coverage: &Value) -> Vec<(String, u64)> {
    let row = |row: &Value| (row["path"].as_str().unwrap().to_owned(), row["requests"].as_u64().unwrap());
    coverage["missing"].as_array().unwrap().iter().map(row).collect()
}

#[tokio::test]
async fn a_page_that_nothing_links_to_is_in_the_next_snapshot_and_served_in_an_outage() {
    let (origin, edge) = shop().await;
    assert_eq!(coverage(&edge).await["share"], Value::Null);
    for visitor in 0..5 {
        visit(&edge, FLYER, visitor).await.must_be(&origin.content(FLYER).body);
        visit(&edge, "/about", visitor).await.must_be(&origin.content("/about").body);
        visit(&edge, "/style.css", visitor).await.must_be(&origin.content("/style.css").body);
    }
    let before = counted(&edge, 10).await;
    assert_eq!((before["covered"].as_u64(), before["share"].as_f64()), (Some(5), Some(0.5)), "{before}");
    assert_eq!(missing(&before), [(FLYER.to_owned(), 5)]);
    assert_eq!(edge.site().await["coverage"], before);
    let said = edge.cli(&["status"]).await.must_be_ok().out;
    assert!(said.contains("covers 50 % of 10 requests, 1 path missing"), "{said}");
    let metrics = edge.admin().get("/metrics").await.text();
    assert!(metrics.contains("katahai_coverage_ratio{site=\"shop\"} 0.5"), "{metrics}");

    // Two times: what was learned stays learned.
    for _ in 0..2 {
        edge.take_snapshot().await;
        let after = coverage(&edge).await;
        assert_eq!((after["share"].as_f64(), missing(&after)), (Some(1.0), vec![]), "{after}");
    }
    origin.fail(Refuse).await;
    edge.until("down").await;
    for path in [FLYER, "/fair.png"] {
        let answer = visit(&edge, path, 9).await;
        answer.must_be(&origin.content(path).body);
        assert!(answer.is_from_snapshot(), "{path}: {}", answer.cache_status());
    }
}

#[tokio::test]
async fn what_visitors_miss_is_fetched_before_the_crawls_time() {
    let origin = fixture::shop().await;
    origin.page(FLYER, Page::html("<title>Fair</title><p>the spring fair"));
    let edge = Edge::start(before(&origin).site("mirror.every", "2m")).await;
    edge.until_snapshot().await;
    for visitor in 0..6 {
        visit(&edge, FLYER, visitor).await.must_be(&origin.content(FLYER).body);
    }
    eventually("full coverage", secs(40), async || {
        (coverage(&edge).await["share"].as_f64() == Some(1.0)).then_some(())
    })
    .await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    visit(&edge, FLYER, 9).await.must_be(&origin.content(FLYER).body);
}

#[tokio::test]
async fn what_is_somebodys_own_is_neither_learned_nor_kept() {
    let (origin, edge) = shop().await;
    origin.make(|asked| {
        let cookie = asked.header("cookie").unwrap_or_default();
        let hello = || Page::html(format!("<p>Hello {}", cookie.rsplit('=').next().unwrap_or_default()));
        match asked.path() {
            // For everybody, but who comes with a basket sees it.
            "/offers" if cookie.contains("basket=") => Some(hello()),
            "/offers" => Some(Page::html("<p>offers for everybody")),
            "/account" if cookie.contains("session=") => Some(hello()),
            "/mail" if asked.header("authorization").is_some() => Some(hello()),
            "/private" => Some(hello().header("cache-control", "private")),
            path if path.starts_with("/order/") => Some(hello()),
            _ => None,
        }
    });
    let order = "/order/550e8400-e29b-41d4-a716-446655440000";
    for visitor in 0..5 {
        let offers = visit_with(&edge, "/offers", visitor, &[("cookie", "basket=Ann")]).await;
        offers.must_be(b"<p>Hello Ann");
        let account = visit_with(&edge, "/account", visitor, &[("cookie", "session=Ann")]).await;
        account.must_be(b"<p>Hello Ann");
        visit_with(&edge, "/mail", visitor, &[("authorization", "Basic x")]).await.must_be(b"<p>Hello ");
        visit(&edge, "/private", visitor).await.must_be(b"<p>Hello ");
        visit(&edge, order, visitor).await.must_be(b"<p>Hello ");
        visit(&edge, "/about?token=of-ann", visitor).await;
    }
    // Whoever comes alone and in a hurry guesses.
    for _ in 0..20 {
        visit(&edge, "/offers?guess", 1).await;
    }
    let seen = counted(&edge, 5).await;
    assert_eq!(missing(&seen), [("/offers".to_owned(), 5)]);
    assert_eq!(seen["others"], 30, "the guesses, the order, and the token: {seen}");
    edge.take_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    visit_with(&edge, "/offers", 1, &[("cookie", "basket=Ann")]).await.must_be(b"<p>offers for everybody");
    for path in ["/account", "/mail", "/private"] {
        visit(&edge, path, 1).await.must_be_holding_page();
    }
    written(&edge, "shop", "/offers").await;
    let state = String::from_utf8_lossy(&std::fs::read(list(&edge, "shop")).unwrap()).into_owned();
    for own in ["Ann", "ann", "order", "account", "192.0.2"] {
        assert!(!state.contains(own), "{own} in {state}");
    }
    for blob in files(&edge.state_dir().join("blobs")) {
        let body = std::fs::read(&blob).unwrap();
        assert!(!body.windows(5).any(|part| part == b"Hello"), "{}", String::from_utf8_lossy(&body));
    }
}

fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    entries.flat_map(|e| if e.path().is_dir() { files(&e.path()) } else { vec![e.path()] }).collect()
}

fn list(edge: &Edge, site: &str) -> std::path::PathBuf {
    edge.state_dir().join("visits").join(site)
}

/// Waits until a path is in the list on the disk.
async fn written(edge: &Edge, site: &str, path: &str) {
    eventually("the list on the disk", secs(20), async || {
        let text = std::fs::read_to_string(list(edge, site)).ok()?;
        text.contains(&format!(" {path}\n")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_restart_keeps_the_list_and_a_kill_what_was_written() {
    let (_origin, mut edge) = shop().await;
    for visitor in 0..6 {
        visit(&edge, FLYER, visitor).await;
    }
    written(&edge, "shop", FLYER).await;
    edge.kill();
    edge.restart().await;
    let after_kill = coverage(&edge).await;
    assert!(missing(&after_kill).iter().any(|(path, n)| path == FLYER && *n >= 2), "{after_kill}");
    let before = after_kill["requests"].as_u64().unwrap();
    // In good order, nothing is lost.
    for visitor in 0..7 {
        visit(&edge, FLYER, visitor).await;
    }
    edge.sigterm();
    assert_eq!(edge.exit_code(secs(10)).await, Some(0));
    edge.restart().await;
    assert_eq!(coverage(&edge).await["requests"], before + 7);
    // A list that cannot be read costs the list.
    edge.kill();
    std::fs::write(list(&edge, "shop"), "katahai visits 1\nnonsense").unwrap();
    edge.restart().await;
    assert_eq!(coverage(&edge).await["requests"], 0);
    edge.until_logged(&["list of visited pages cannot be read"]).await;
}

#[tokio::test]
async fn a_reload_keeps_the_list_and_writes_that_of_a_site_that_goes() {
    let origin = fixture::shop().await;
    let other = Site::bare("other", "other.example.test").set("health.path", "/health").origin(&origin.url());
    let mut edge = Edge::start(before(&origin).and(other)).await;
    edge.until_snapshot().await;
    for visitor in 0..5 {
        visit(&edge, "/about", visitor).await;
        let address = format!("192.0.2.{visitor}");
        let client = edge.client().host("other.example.test");
        client.get_with("/about", &[("x-forwarded-for", &address)]).await;
    }
    edge.write(before(&origin).site("failover.patience", "400ms"));
    assert_eq!(edge.reload().await.status, 200);
    let kept = counted(&edge, 5).await;
    assert_eq!(kept["covered"], 5, "{kept}");
    written(&edge, "other", "/about").await;
}

#[tokio::test]
async fn coverage_is_for_sites_that_there_are() {
    let (_origin, edge) = shop().await;
    let unknown = edge.admin().get("/api/v1/sites/nobody/coverage").await;
    assert!(unknown.status == 404 && unknown.text().contains("unknown-site"), "{}", unknown.text());
    assert_eq!(edge.admin().post("/api/v1/sites/shop/coverage", "").await.status, 405);
    let said = edge.cli(&["status"]).await.must_be_ok().out;
    assert!(!said.contains("covers"), "nobody has asked for anything: {said}");
}
