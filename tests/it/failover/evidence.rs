//! Who may say that the site is down: checks, and nobody else. One page, one visitor, one scanner is never the site; and a dead
//! one is found all the same, by whoever comes.

use crate::support::faults::{HalfBodyThenClose, Late, NotHttp, Refuse, ResetInHeaders, Silent};
use crate::support::fixture::{self, SEEN, UNOPENED};
use crate::support::{Config, Edge, Origin, Page, eventually, ms, secs};

async fn shop(config: impl Fn(Config) -> Config) -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(config(Config::before(&origin.url()))).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    origin.page("/basket", Page::html("<title>Basket</title>two cups").header("cache-control", "no-store"));
    (origin, edge)
}

fn must_never_have_been_down(edge: &Edge) {
    let fell: Vec<_> = edge
        .log()
        .into_iter()
        .filter(|line| line.contains("changed state") && line.contains("to=\"down\""))
        .collect();
    assert!(fell.is_empty(), "{fell:?}");
}

/// Asks for a path as a visitor of this address.
async fn visit(edge: &Edge, path: &str, client: &str) -> u16 {
    edge.client().get_with(path, &[("x-forwarded-for", client)]).await.status
}

#[tokio::test]
async fn visitors_of_broken_pages_take_nothing_from_the_others() {
    let (origin, edge) = shop(|config| config.set("listen.trusted_proxies", ["127.0.0.1/32"])).await;
    origin.page("/cut", Page::html("half of this"));
    origin.fail_under("/reset", ResetInHeaders).await;
    origin.fail_under("/cut", HalfBodyThenClose).await;
    origin.fail_under("/noise", NotHttp).await;
    // one visitor, many of one page, and a scanner with several addresses
    for n in 0..6 {
        for path in ["/reset", "/cut", "/noise"] {
            visit(&edge, &format!("{path}?n={n}"), "192.0.2.1").await;
            visit(&edge, path, &format!("192.0.2.{n}")).await;
            visit(&edge, &format!("{path}/{n}"), &format!("2001:db8:{n}::1")).await;
        }
        assert_eq!(visit(&edge, "/basket", "198.51.100.7").await, 200, "round {n}");
    }
    edge.until("up").await;
    must_never_have_been_down(&edge);
}

#[tokio::test]
async fn a_dead_origin_is_found_by_a_single_visitor_and_by_none() {
    // so rare a check that the visitor is what brings it about
    let (origin, edge) = shop(|config| config.site("health.interval", "60s")).await;
    origin.fail(Refuse).await;
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    eventually("its end, seen by one visitor", secs(6), async || {
        (edge.state().await == "down").then_some(())
    })
    .await;
    let (origin, edge) = shop(|config| config).await;
    origin.fail(Silent).await;
    edge.until("down").await;
    assert!(edge.get(UNOPENED).await.is_from_snapshot());
}

#[tokio::test]
async fn a_slow_site_is_up_from_the_start_and_later_and_its_forms_are_taken() {
    let origin = fixture::shop().await;
    let slow = |config: Config| config.site("health.timeout", "200ms").site("failover.timeout", "6s");
    origin.fail(Late(ms(700))).await;
    let edge = Edge::start(slow(Config::before(&origin.url()))).await;
    let checked = async |more: usize| {
        let before = origin.count("/health");
        eventually("checks", secs(30), async || (origin.count("/health") >= before + more).then_some(()))
            .await;
    };
    edge.until("up").await;
    checked(4).await;
    origin.heal().await;
    checked(8).await;
    origin.fail(Late(ms(1500))).await;
    checked(4).await;
    must_never_have_been_down(&edge);
    assert_eq!(edge.client().post("/signup", "name=a").await.status, 200);
}

#[tokio::test]
async fn what_is_held_on_purpose_is_waited_for_while_checks_are_good() {
    let (origin, edge) = shop(|config| {
        let config = config.site("failover.timeout", "1s");
        config.route_with("path = \"/report/*\"\ntimeout = \"5s\"")
    })
    .await;
    for path in ["/poll", "/poll/page", "/report/long"] {
        origin.page(path, Page::new("application/json", "{\"news\":1}").header("cache-control", "no-store"));
    }
    origin.fail_under("/report", Late(ms(2500))).await;
    origin.fail_under("/poll", Late(ms(2500))).await;
    let page = [("accept", "text/html,*/*;q=0.8")];
    let asked = tokio::join!(
        async { edge.get("/poll").await },
        async { edge.client().get_with("/poll/page", &page).await },
        async { edge.client().get_with("/report/long", &page).await },
        async { edge.get("/basket").await },
    );
    assert_eq!(asked.0.status, 200, "a program waits: {:?}", asked.0.headers);
    assert_eq!(asked.1.status, 503, "who looks at an empty window is told");
    assert_eq!(asked.2.status, 200, "the route says so: {:?}", asked.2.headers);
    assert_eq!(asked.3.status, 200);
    must_never_have_been_down(&edge);
    // a dead origin is not waited for
    origin.fail(Silent).await;
    let answer = edge.get("/poll").await;
    answer.must_be_holding_page();
    assert!(answer.took < ms(3500), "{:?}", answer.took);
}

#[tokio::test]
async fn what_is_held_live_is_passed_on_as_it_is() {
    let (origin, edge) = shop(|config| config).await;
    for path in fixture::MIRRORED {
        origin.page(path, Page::redirect(301, "https://www.newshop.test/"));
    }
    edge.until("down").await;
    let admin = edge.admin();
    let request = admin.ask("PUT", "/api/v1/sites/shop/mode");
    let request = request.body("{\"mode\":\"hold_origin\"}".into()).unwrap();
    assert_eq!(admin.send(request).await.unwrap().status, 200);
    for path in [SEEN, UNOPENED, "/"] {
        let answer = edge.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (301, Some("https://www.newshop.test/")));
    }
    assert_eq!(edge.client().post("/signup", "name=a").await.status, 301, "so are forms");
    origin.fail(Refuse).await;
    let answer = edge.get(SEEN).await;
    answer.must_be_holding_page();
    assert!(answer.cache_status().contains("detail=refused"), "{}", answer.cache_status());
}
