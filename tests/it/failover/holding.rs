//! What has no copy: the holding page, an honest 503 that no cache keeps; and forms, which are never answered as if
//! they had arrived.

use std::sync::Arc;

use crate::support::faults::{Fault, Instead, Refuse, ResetInHeaders, ResetOnAccept, Silent, Status};
use crate::support::fixture::{self, SEEN};
use crate::support::{Config, Edge, Origin, Page, eventually, secs};

async fn outage() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    (origin, edge)
}

async fn never_seen_alive() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    origin.fail(Refuse).await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    (origin, edge)
}

#[tokio::test]
async fn a_site_without_any_copy_shows_the_holding_page() {
    let (_origin, edge) = never_seen_alive().await;
    for path in ["/", "/signup", "/style.css"] {
        let answer = edge.get(path).await;
        answer.must_be_holding_page();
        assert!(answer.took < secs(3), "{:?}", answer.took);
    }
    let page = edge.client().get_with("/", &[("accept", "text/html"), ("accept-language", "ja")]).await;
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    let text = page.text();
    assert!(text.contains("<html") && text.contains("www.example.test"), "{text}");
    assert!(!text.contains("127.0.0.1"), "the origin's address is nobody's business: {text}");
    edge.client().h2().get("/").await.must_be_holding_page();
}

#[tokio::test]
async fn head_and_unknown_methods_get_it_too() {
    let (_origin, edge) = never_seen_alive().await;
    let client = edge.client();
    for method in ["HEAD", "OPTIONS", "PUT", "DELETE"] {
        let answer = client.send(client.ask(method, "/").body(Default::default()).unwrap()).await.unwrap();
        assert_eq!(answer.status, 503, "{method}");
        assert!(answer.header("retry-after").is_some() && (method != "HEAD" || answer.body.is_empty()));
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_503_in_an_outage_never_a_404() {
    let (origin, edge) = outage().await;
    for path in ["/nowhere", "/nowhere/deep.html?x=1", "/missing", "/members/list", "/cart"] {
        edge.get(path).await.must_be_holding_page();
    }
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    origin.heal().await;
    edge.until("up").await;
    assert_eq!(edge.get("/nowhere").await.status, 404, "the living site may say so");
}

#[tokio::test]
async fn an_unknown_query_on_a_known_path_gets_the_paths_copy() {
    let (origin, edge) = outage().await;
    for target in ["/about?utm_source=mail&fbclid=1", "/about?from=newsletter"] {
        edge.get(target).await.must_be(&origin.content(SEEN).body);
    }
}

#[tokio::test]
async fn robots_txt_works_in_an_outage() {
    let (origin, edge) = outage().await;
    edge.get("/robots.txt").await.must_be(&origin.content("/robots.txt").body);
    let (_origin, edge) = never_seen_alive().await;
    let answer = edge.get("/robots.txt").await;
    assert!(answer.status < 500, "a 503 here stops crawlers for the whole host: {}", answer.status);
}

#[tokio::test]
async fn a_form_is_never_answered_as_if_it_had_arrived() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    for (name, fault) in [
        ("refused", Arc::new(Refuse) as Arc<dyn Fault>),
        ("reset on accept", Arc::new(ResetOnAccept)),
        ("reset in the answer", Arc::new(ResetInHeaders)),
        ("silent", Arc::new(Silent)),
        ("503", Arc::new(Status(503))),
    ] {
        edge.until("up").await;
        origin.switch("/", fault).await;
        origin.forget();
        for moment in ["at the first moment", "known to be down"] {
            if moment != "at the first moment" {
                edge.until("down").await;
            }
            let answer = edge.client().post("/signup", "name=a").await;
            assert_eq!(answer.status, 503, "{name}, {moment}: {:?}", answer.headers);
            // a 503 of the origin's own may pass as it stands
            let own = name == "503" && moment == "at the first moment";
            let uncacheable = answer.header("cache-control").is_some_and(|c| c.contains("no-store"));
            assert!(own || uncacheable, "{name}, {moment}: {:?}", answer.headers);
        }
        let posts = origin.asked_for("/signup").iter().filter(|asked| asked.method == "POST").count();
        assert!(posts <= 1, "{name}: sent {posts} times");
        origin.heal().await;
    }
}

#[tokio::test]
async fn the_refusal_of_a_form_says_that_it_did_not_arrive() {
    let (_origin, edge) = outage().await;
    let post = edge.client().post("/signup", "name=a").await;
    let get = edge.get("/nowhere").await;
    post.must_be_holding_page();
    assert_ne!(post.text(), get.text(), "the page after a form says more than the other one");
}

#[tokio::test]
async fn a_living_origins_refusal_of_a_form_is_its_own() {
    let origin = fixture::shop().await;
    origin.page("/order", Page::html("sold out").status(422));
    let edge = Edge::start(Config::before(&origin.url())).await;
    let answer = edge.client().post("/order", "cups=2").await;
    assert_eq!((answer.status, answer.text()), (422, "sold out".into()));
}

#[tokio::test]
async fn the_holding_page_says_what_the_site_has_said_of_when_it_is_back() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let refuses = |after: Option<&str>| {
        let page = Page::html("<!doctype html><title>Shop</title><h1>Back soon</h1></html>").status(503);
        Instead(after.into_iter().fold(page, |page, after| page.header("retry-after", after)))
    };
    let wait = async || {
        let answer = edge.get("/not-in-the-copy").await;
        answer.must_be_holding_page();
        answer.header("retry-after").unwrap().parse::<u64>().unwrap()
    };
    origin.fail(refuses(Some("1234"))).await;
    let said = wait().await;
    assert!((1200..=1234).contains(&said), "{said}, to the first who asks");
    edge.until("down").await;
    let said = wait().await;
    assert!((1200..=1234).contains(&said), "{said}, while nobody asks the site");
    for (after, expected) in [(Some("86400000"), 3590..=3600), (None, 30..=30)] {
        origin.fail(refuses(after)).await;
        eventually(&format!("{after:?} is heard by a check"), secs(15), async || {
            expected.contains(&wait().await).then_some(())
        })
        .await;
    }
}
