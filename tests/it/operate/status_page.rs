//! The public status page: on the site's own hosts, when everything behind them is dead, and without a word that is not for
//! everybody.

use serde_json::Value;

use crate::support::faults::Refuse;
use crate::support::{Config, Edge, Site, eventually, fixture, secs};

#[tokio::test]
async fn it_is_there_when_nothing_else_is() {
    let origin = fixture::shop().await;
    let site = Site::new().origin(&origin.url()).set("status_page.path", "/status/");
    let edge = Edge::start(Config::new(site.set("standby_hosts", ["shop.standby.example"]))).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let page = eventually("good news", secs(10), async || {
        let page = edge.get("/status").await;
        page.text().contains("The site works.").then_some(page)
    })
    .await;
    assert_eq!((page.status, page.header("cache-control")), (200, Some("public, max-age=30")));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let tag = page.header("etag").unwrap().to_owned();
    assert_eq!(edge.client().get_with("/status", &[("if-none-match", &tag)]).await.status, 304);
    let japanese = edge.client().get_with("/status", &[("accept-language", "ja,en;q=0.5")]).await;
    assert!(japanese.text().contains("正常に稼働") && japanese.header("content-language") == Some("ja"));
    assert_eq!(edge.client().post("/status", "a=b").await.status, 405);

    origin.fail(Refuse).await;
    edge.until("down").await;
    eventually("what visitors get, in public", secs(10), async || {
        let told: Value = serde_json::from_slice(&edge.get("/status/status.json").await.body).unwrap();
        (told["status"] == "from_copy").then_some(())
    })
    .await;
    let standby = edge.client().host("shop.standby.example");
    for client in [edge.client(), standby.clone()] {
        let page = client.get("/status?lang=en").await;
        assert!(page.status == 200 && page.text().contains("shown from a saved copy"), "{}", page.text());
        let badge = client.get("/status/badge.svg").await;
        assert!(
            badge.header("content-type") == Some("image/svg+xml") && badge.text().contains("from a copy")
        );
        let feed = client.get("/status/feed.atom").await;
        assert!(
            feed.text().contains("<id>tag:www.example.test,2026-01-01:katahai-status</id>"),
            "{}",
            feed.text()
        );
        for text in [page.text(), badge.text(), feed.text(), client.get("/status/status.json").await.text()] {
            for secret in ["refused", "127.0.0.1", "requests", "origin", "snapshot"] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
    }
    assert!(standby.get("/status/feed.atom").await.text().contains("href=\"http://shop.standby.example"));
    // what is told of the site is none of its answers, and the site's own addresses stay its own
    let before = edge.site().await["answers"]["all"]["requests"].as_u64();
    edge.get("/status").await;
    assert_eq!(edge.site().await["answers"]["all"]["requests"].as_u64(), before);
    let told = edge.admin().get("/api/v1/explain?url=http://www.example.test/status").await;
    let told: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(
        (&told["answer"]["from"], told["origins"].as_array().map(Vec::len)),
        (&Value::from("status-page"), Some(0))
    );
    assert!(!edge.get("/statuses").await.text().contains("saved copy for the time being"));
}

#[tokio::test]
async fn a_site_that_wants_none_has_none() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until("up").await;
    assert_eq!(edge.get("/status").await.status, 404, "the origin's own answer");
}
