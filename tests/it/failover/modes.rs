//! The operator's word on a site: `PUT …/mode` with each mode, and its end when it was given for a time.

use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::faults::Refuse;
use crate::support::fixture::{self, FOUR, SEEN, UNOPENED};
use crate::support::{Answer, Config, Edge, Origin, eventually, secs};

async fn shop() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    // what the copies have is not what the site has
    fixture::stock(&origin, 2);
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    (origin, edge)
}

async fn put(edge: &Edge, body: Value) -> Answer {
    let admin = edge.admin();
    let request = admin.ask("PUT", "/api/v1/sites/shop/mode").body(Full::from(body.to_string())).unwrap();
    admin.send(request).await.unwrap()
}

async fn set(edge: &Edge, mode: &str) {
    let answer = put(edge, json!({ "mode": mode })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(edge.site().await["mode"], mode);
}

#[tokio::test]
async fn the_copies_are_held_although_the_site_is_well() {
    let (origin, edge) = shop().await;
    set(&edge, "hold_snapshot").await;
    origin.forget();
    for path in FOUR {
        let copy = edge.get(path).await;
        assert!(copy.is_from_snapshot() && copy.status == 200, "{path}: {:?}", copy.headers);
        assert!(copy.body != origin.content(path).body || path != SEEN, "{path}");
    }
    let none = edge.get("/never-seen").await;
    none.must_be_holding_page();
    assert!(none.cache_status().contains("detail=held"), "{}", none.cache_status());
    let form = edge.client().post("/signup", "name=a").await;
    assert_eq!(form.status, 503, "a form is not taken by a copy");
    assert!(origin.asked().iter().all(|asked| asked.method == "GET"), "{:?}", origin.asked());
    set(&edge, "auto").await;
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    assert_eq!(edge.client().post("/signup", "name=a").await.status, 200);
}

#[tokio::test]
async fn the_origin_is_held_although_it_is_down() {
    let (origin, edge) = shop().await;
    set(&edge, "hold_origin").await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    for path in [SEEN, UNOPENED] {
        let answer = edge.get(path).await;
        answer.must_be_holding_page();
        assert!(!answer.is_copy(), "{path}: {:?}", answer.headers);
    }
    set(&edge, "auto").await;
    let copy = edge.get(UNOPENED).await;
    assert!(copy.is_copy() && copy.status == 200, "{:?}", copy.headers);
    // it answers before the checks have made sure of it: the operator's word is enough
    set(&edge, "hold_origin").await;
    origin.heal().await;
    eventually("the live site", secs(10), async || {
        (edge.get(UNOPENED).await.body == origin.content(UNOPENED).body).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_mode_for_a_time_ends_by_itself() {
    let (origin, mut edge) = shop().await;
    let answer = put(&edge, json!({ "mode": "hold_snapshot", "for": "2s" })).await;
    assert_eq!((answer.status, edge.site().await["mode"].as_str()), (200, Some("hold_snapshot")));
    let began = std::time::Instant::now();
    // a reload does not end it
    let config = edge.config().site("failover.timeout", "3s");
    edge.write(config);
    assert_eq!(edge.reload().await.status, 200);
    assert!(edge.get(SEEN).await.is_from_snapshot() || began.elapsed() >= secs(2));
    eventually("its end", secs(10), async || (edge.site().await["mode"] == "auto").then_some(())).await;
    assert!(began.elapsed() >= secs(1), "{:?}", began.elapsed());
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    // another word ends it before its time
    put(&edge, json!({ "mode": "hold_snapshot", "for": "1h" })).await;
    assert!(edge.get(SEEN).await.is_from_snapshot());
    put(&edge, json!({ "mode": "auto" })).await;
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
}

#[tokio::test]
async fn what_is_no_mode_changes_nothing() {
    let (_origin, edge) = shop().await;
    for (body, words) in [
        (json!({ "mode": "hold" }), "\\\"hold_origin\\\""),
        (json!({ "mode": "hold_snapshot", "for": "soon" }), "is not a time like"),
        (json!({ "mode": "hold_snapshot", "until": "10m" }), "until"),
        (json!({}), "mode"),
        (json!("auto"), "hold_snapshot"),
    ] {
        let answer = put(&edge, body).await;
        assert!(answer.status == 422 && answer.text().contains(words), "{words}: {}", answer.text());
        assert_eq!(edge.site().await["mode"], "auto");
    }
    assert_eq!(edge.admin().get("/api/v1/sites/shop/mode").await.status, 405);
    let admin = edge.admin();
    let body = Full::from(json!({ "mode": "auto" }).to_string());
    let other = admin.send(admin.ask("PUT", "/api/v1/sites/nobody/mode").body(body).unwrap()).await.unwrap();
    assert!(other.status == 404 && other.text().contains("there are: shop"), "{}", other.text());
}
