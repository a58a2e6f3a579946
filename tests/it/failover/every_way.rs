//! Every way in which an origin can fail, against a page seen before, a page that nobody had opened, an asset and the
//! sign-up page: each comes back right, whole and in time, and the live site comes back when it can.

use std::sync::Arc;
use std::time::Duration;

use crate::support::certs::{Authority, Leaf};
use crate::support::faults::{
    ChunkedCut, Fault, HalfBodyThenClose, HalfBodyThenReset, HalfBodyThenSilence, HalfHeadersThenSilence,
    HeadersThenSilence, Late, NotHttp, Refuse, ResetInHeaders, ResetOnAccept, Silent, Status, Trickle,
};
use crate::support::fixture::{self, FOUR, SEEN};
use crate::support::{Config, Edge, Origin, Page, Site, eventually, ms, secs};

/// `patience_max` of the test's sites and the second that a promise allows on top.
const IN_TIME: Duration = ms(800 + 1000);
/// A copy of a site that is known to be down: no waiting for anybody.
const AT_ONCE: Duration = ms(250);

/// The shop with a snapshot, and one page that was opened.
async fn shop() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    (origin, edge)
}

/// All four pages at once: whole, right, in time.
async fn all_four(edge: &Edge, origin: &Origin, name: &str, in_time: Duration) {
    let asked = FOUR.map(|path| {
        let client = edge.client();
        (path, tokio::spawn(async move { client.get(path).await }))
    });
    for (path, answer) in asked {
        let answer = answer.await.unwrap_or_else(|e| panic!("{name}, {path}: {e}"));
        assert_eq!((answer.status, &answer.broken), (200, &None), "{name}, {path}: {:?}", answer.headers);
        assert!(answer.body == origin.content(path).body, "{name}, {path}: {}", answer.text());
        assert!(answer.took < in_time, "{name}, {path}: {:?}", answer.took);
    }
}

/// One fault from its first moment to the recovery.
async fn survives(name: &str, fault: impl Fault, seen_by_health: bool) {
    let (origin, edge) = shop().await;
    origin.switch("/", Arc::new(fault)).await;
    all_four(&edge, &origin, name, IN_TIME).await;
    if seen_by_health {
        edge.until("down").await;
        all_four(&edge, &origin, name, AT_ONCE).await;
        assert!(edge.get(fixture::UNOPENED).await.is_from_snapshot(), "{name}");
    }
    origin.heal().await;
    fixture::stock(&origin, 2);
    let fresh = origin.content(SEEN).body;
    eventually(&format!("the live site after {name}"), secs(15), async || {
        (edge.get(SEEN).await.body == fresh).then_some(())
    })
    .await;
    edge.until("up").await;
    all_four(&edge, &origin, name, IN_TIME).await;
}

macro_rules! rows {
    ($($name:ident: $fault:expr;)+) => {$(
        #[tokio::test]
        async fn $name() {
            survives(stringify!($name), $fault, true).await;
        }
    )+};
}

rows! {
    connection_refused: Refuse;
    reset_on_accept: ResetOnAccept;
    reset_inside_the_headers: ResetInHeaders;
    not_http_at_all: NotHttp;
    accepts_and_never_answers: Silent;
    silence_inside_the_headers: HalfHeadersThenSilence;
    headers_then_silence: HeadersThenSilence;
    half_a_body_then_silence: HalfBodyThenSilence;
    half_a_body_then_reset: HalfBodyThenReset;
    half_a_body_then_a_clean_close: HalfBodyThenClose;
    a_chunked_body_cut: ChunkedCut;
    every_answer_five_seconds_late: Late(secs(5));
    status_500: Status(500);
    status_502: Status(502);
    status_503_with_retry_after: Status(503);
    status_504: Status(504);
    status_508: Status(508);
    status_520: Status(520);
}

#[tokio::test]
async fn one_byte_a_second() {
    // whether the site counts as down depends on how long the page of the health check takes
    survives("one byte a second", Trickle, false).await;
}

#[tokio::test]
async fn errors_on_one_branch_of_the_site_only() {
    let (origin, edge) = shop().await;
    origin.fail_under("/signup", Status(500)).await;
    for _ in 0..10 {
        all_four(&edge, &origin, "one branch", IN_TIME).await;
    }
    assert!(edge.get("/signup").await.is_from_snapshot());
    assert!(!edge.get(SEEN).await.is_from_snapshot(), "the rest of the site is live");
    origin.heal().await;
    fixture::stock(&origin, 2);
    eventually("the branch live again", secs(15), async || {
        (edge.get("/signup").await.body == origin.content("/signup").body).then_some(())
    })
    .await;
}

#[tokio::test]
async fn statuses_of_the_sites_own_list() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url()).site("failover.bad_status", ["418", "500"])).await;
    edge.until_snapshot().await;
    origin.fail(Status(418)).await;
    all_four(&edge, &origin, "418", IN_TIME).await;
    origin.fail_under(SEEN, Status(502)).await;
    eventually("a 502 that is not on the list", secs(5), async || {
        (edge.get(SEEN).await.status == 502).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_site_that_is_slow_by_nature_is_not_an_outage() {
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url())
        .site("failover.patience", "300ms")
        .site("failover.patience_max", "4s")
        .site("health.timeout", "2s");
    origin.fail(Late(ms(500))).await;
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    for _ in 0..5 {
        edge.get(SEEN).await;
    }
    fixture::stock(&origin, 2);
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
}

#[tokio::test]
async fn a_dead_site_is_not_asked_by_visitors() {
    let (origin, edge) = shop().await;
    origin.fail(Silent).await;
    edge.until("down").await;
    origin.forget();
    for _ in 0..100 {
        edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    }
    let visits = origin.visits();
    assert!(visits <= 2, "{visits} requests to a site that is known to be down");
}

#[tokio::test]
async fn the_cause_is_said() {
    let (origin, edge) = shop().await;
    for (fault, code) in [
        (Arc::new(Refuse) as Arc<dyn Fault>, "refused"),
        (Arc::new(Status(500)), "server-error"),
        (Arc::new(NotHttp), "not-http"),
    ] {
        edge.until("up").await;
        origin.switch("/", fault).await;
        let answer = edge.get(&format!("/nowhere/{code}")).await;
        answer.must_be_holding_page();
        let said = answer.cache_status();
        assert!(
            said.contains(&format!("detail={code}")) || said.contains("detail=known-down"),
            "{code}: {said}"
        );
        origin.heal().await;
    }
}

#[tokio::test]
async fn one_of_two_origins_dead() {
    let origins = [fixture::shop().await, fixture::shop().await];
    let config = Config::new(Site::new().origin(&origins[0].url()).origin(&origins[1].url()));
    let edge = Edge::start(config.site("mirror.exclude", ["/*"])).await;
    edge.until("up").await;
    origins[0].fail(Refuse).await;
    for _ in 0..20 {
        let answer = edge.get(SEEN).await;
        answer.must_be(&origins[1].content(SEEN).body);
        assert!(!answer.is_from_snapshot(), "live, from the other one");
    }
}

#[tokio::test]
async fn a_tier_dead() {
    let origins = [fixture::shop().await, fixture::shop().await];
    let config =
        Config::new(Site::new().origin(&origins[0].url()).origin_with(&origins[1].url(), "tier = 1"));
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    edge.get(SEEN).await.must_be(&origins[0].content(SEEN).body);
    // checks ask the health path and key pages of all origins
    assert_eq!(origins[1].count(SEEN), 0, "a higher tier is not asked without need");
    fixture::stock(&origins[1], 3);
    origins[0].fail(Refuse).await;
    eventually("answers of the second tier", secs(5), async || {
        (edge.get(SEEN).await.body == origins[1].content(SEEN).body).then_some(())
    })
    .await;
    for _ in 0..10 {
        edge.get(SEEN).await.must_be(&origins[1].content(SEEN).body);
    }
    origins[1].fail(Refuse).await;
    // what a crawl has accepted, or, if the key pages were found good since it came, the newest copy
    let copies = [origins[0].content(SEEN).body, origins[1].content(SEEN).body];
    assert!(copies.contains(&edge.get(SEEN).await.body));
    origins[0].heal().await;
    fixture::stock(&origins[0], 4);
    eventually("the first tier again", secs(15), async || {
        (edge.get(SEEN).await.body == origins[0].content(SEEN).body).then_some(())
    })
    .await;
}

#[tokio::test]
async fn all_origins_drained_by_the_operator() {
    let origin = fixture::shop().await;
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.write(Config::new(Site::new().origin_with(&origin.url(), "mode = \"drain\"")));
    assert_eq!(edge.reload().await.status / 100, 2);
    origin.forget();
    all_four(&edge, &origin, "drained", AT_ONCE).await;
    assert_eq!(origin.visits(), 0);
    edge.get("/nowhere").await.must_be_holding_page();
}

#[tokio::test]
async fn flapping_twice_a_second() {
    let (origin, edge) = shop().await;
    for _ in 0..8 {
        origin.fail(Refuse).await;
        all_four(&edge, &origin, "flapping", IN_TIME).await;
        tokio::time::sleep(ms(150)).await; // the pace of the fault, not a wait
        origin.heal().await;
        all_four(&edge, &origin, "flapping", IN_TIME).await;
        tokio::time::sleep(ms(150)).await;
    }
}

#[tokio::test]
async fn an_origins_certificate_may_go_bad() {
    let authority = Authority::new();
    let good = authority.leaf("www.example.test");
    let origin = Origin::start_tls(&good).await;
    fixture::stock(&origin, 1);
    let dir = tempfile::tempdir().unwrap();
    let ca = authority.write(dir.path());
    let site = Site::new()
        .origin_with(&origin.url(), &format!("ca = \"{}\"\nhost = \"www.example.test\"", ca.display()));
    let edge = Edge::start_in(dir, Config::new(site)).await;
    edge.until_snapshot().await;
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    for (name, leaf) in [
        ("expired", Some(authority.expired("www.example.test"))),
        ("another host's", Some(authority.leaf("other.example.test"))),
        ("self-signed", Some(Leaf::self_signed("www.example.test"))),
        ("handshake refused", None),
    ] {
        origin.present(leaf.as_ref()).await;
        origin.forget();
        all_four(&edge, &origin, name, IN_TIME).await;
        assert_eq!(origin.count("/signup"), 0, "{name}: a request went over an untrusted connection");
        edge.until("down").await;
        origin.present(Some(&good)).await;
        edge.until("up").await;
        assert!(!edge.get(SEEN).await.is_from_snapshot(), "{name}");
    }
}

#[tokio::test]
async fn an_answer_larger_than_what_is_held_back_breaks_visibly() {
    let (origin, edge) = shop().await;
    origin.page("/long", Page::html(fixture::long_page("long", 4 << 20)));
    origin.fail_under("/long", HalfBodyThenReset).await;
    let request = edge.client().ask("GET", "/long").body(Default::default()).unwrap();
    match edge.client().send(request).await {
        Ok(answer) if answer.broken.is_none() => answer.must_be(&{
            // a copy instead is as good
            let text = fixture::long_page("version 1", 200 << 10);
            text.into_bytes()
        }),
        _ => {}
    }
    // inside the limit nothing of the broken answer reaches the visitor
    origin.page("/long", Page::html(fixture::long_page("version 1", 200 << 10)));
    edge.get("/long").await.must_be(&origin.content("/long").body);
}

#[tokio::test]
async fn a_page_found_by_another_query_is_still_the_page_itself() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url()).site("failover.timeout", "20s")).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    // the campaign's parameter is unknown: the path's page is given, and kept in memory
    edge.get("/signup?never=seen").await.must_be(&origin.content("/signup").body);
    origin.heal().await;
    edge.until("up").await;
    origin.fail(Silent).await;
    let answer = edge.get("/signup").await;
    answer.must_be(&origin.content("/signup").body);
    assert!(answer.took < secs(5), "no longer than patience: {:?}", answer.took);
}

#[tokio::test]
async fn a_trust_anchor_that_was_missing_is_read_at_the_next_reload() {
    let authority = Authority::new();
    let origin = Origin::start_tls(&authority.leaf("www.example.test")).await;
    fixture::stock(&origin, 1);
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("late.pem");
    let lines = format!("ca = \"{}\"\nhost = \"www.example.test\"", ca.display());
    let edge = Edge::start(Config::new(Site::new().origin_with(&origin.url(), &lines))).await;
    edge.until("down").await;
    std::fs::copy(authority.write(dir.path()), &ca).unwrap();
    edge.cli(&["reload"]).await.must_be_ok();
    edge.until("up").await;
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
}
