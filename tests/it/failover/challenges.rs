//! Challenges of certificate authorities go to the origin whatever is known of it, so that it can renew its certificate from
//! behind Katahai. They are never stored, and no copy answers them.

use http_body_util::Full;

use crate::support::faults::{Refuse, Status};
use crate::support::fixture::{self, SEEN};
use crate::support::{Config, Edge, Origin, Page};

const TOKEN: &str = "/.well-known/acme-challenge/xJ4b_8";

/// A site whose challenges say how often they were asked for, and that anybody may store them.
async fn shop() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    origin.page("/health", Page::html("well"));
    let count = std::sync::atomic::AtomicU32::new(0);
    origin.make(move |asked| {
        let n = || count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let answer = |n: u32| Page::new("text/plain", format!("answer {n}"));
        (asked.path() == TOKEN).then(|| answer(n()).header("cache-control", "public, max-age=600"))
    });
    let edge = Edge::start(Config::before(&origin.url()).site("health.path", "/health")).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    (origin, edge)
}

#[tokio::test]
async fn a_challenge_is_never_stored() {
    let (_origin, edge) = shop().await;
    for n in 0..3 {
        let answer = edge.get(TOKEN).await;
        assert_eq!((answer.status, answer.text()), (200, format!("answer {n}")));
    }
}

#[tokio::test]
async fn a_challenge_reaches_an_origin_that_is_down() {
    let (origin, edge) = shop().await;
    edge.get(TOKEN).await;
    origin.fail_under("/health", Status(500)).await;
    edge.until("down").await;
    assert!(edge.get(SEEN).await.is_copy());
    assert_eq!(edge.get(TOKEN).await.text(), "answer 1");
    let explained = edge.cli(&["explain", &format!("http://www.example.test{TOKEN}")]).await.must_be_ok();
    for part in ["always go to the origin", &format!("is asked ({})", origin.url())] {
        assert!(explained.out.contains(part), "{part}: {}", explained.out);
    }
    // where nobody answers, nothing is made up: neither the answer of before nor a page of the copy
    origin.fail(Refuse).await;
    let answer = edge.get(TOKEN).await;
    answer.must_be_holding_page();
    let status = edge.status().await;
    assert!(!status.to_string().contains("acme-challenge"), "{status}");
}

#[tokio::test]
async fn a_challenge_reaches_the_origin_of_a_site_that_is_held_on_its_copies() {
    let (origin, edge) = shop().await;
    let admin = edge.admin();
    let held = Full::from(r#"{"mode":"hold_snapshot"}"#);
    let request = admin.ask("PUT", "/api/v1/sites/shop/mode").body(held).unwrap();
    assert_eq!(admin.send(request).await.unwrap().status, 200);
    assert!(edge.get(SEEN).await.is_from_snapshot());
    for n in 0..2 {
        assert_eq!(edge.get(TOKEN).await.text(), format!("answer {n}"));
    }
    // nothing else of the live site gets through this door
    for path in ["/.well-known/acme-challenge/page", "/.well-known/acme-challenge/..%2F..%2Fpage.php"] {
        origin.page(path, Page::html("defaced"));
        let answer = edge.get(path).await;
        assert!(!answer.text().contains("defaced"), "{path}: {}", answer.status);
    }
}
