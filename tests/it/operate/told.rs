//! What the operator is told: states with their causes, conditions, and what a visitor would get.

use std::sync::Arc;

use http_body_util::Full;
use serde_json::Value;

use crate::support::faults::{Refuse, Status};
use crate::support::fixture::{self, SEEN, UNOPENED};
use crate::support::{Config, Edge, Origin, Page, eventually, secs};

async fn shop() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    (origin, edge)
}

/// Waits until one of the whole process's or the first site's conditions has this code.
async fn until_condition(edge: &Edge, code: &str) -> Value {
    eventually(&format!("the condition {code}"), secs(15), async || condition(edge, code).await).await
}

async fn condition(edge: &Edge, code: &str) -> Option<Value> {
    let status = edge.status().await;
    let all = [&status["conditions"], &status["sites"][0]["conditions"]];
    let all = all.into_iter().flat_map(|list| list.as_array().unwrap());
    all.clone().find(|condition| condition["cause"]["code"] == code).cloned()
}

async fn explained(edge: &Edge, path: &str) -> Value {
    let url: String =
        url::form_urlencoded::byte_serialize(format!("http://www.example.test{path}").as_bytes()).collect();
    let answer = edge.admin().get(&format!("/api/v1/explain?url={url}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// The operator's word.
async fn hold(edge: &Edge, mode: &str) {
    let admin = edge.admin();
    let body = Full::from(serde_json::json!({ "mode": mode }).to_string());
    let answer = admin.send(admin.ask("PUT", "/api/v1/sites/shop/mode").body(body).unwrap()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn an_outage_is_told_with_its_cause_and_what_to_do() {
    let (origin, edge) = shop().await;
    let site = edge.site().await;
    assert_eq!((&site["cause"], site["conditions"].as_array().unwrap().len()), (&Value::Null, 0));
    let before = site["since"].as_str().unwrap().to_owned();
    origin.fail(Refuse).await;
    edge.until("down").await;
    edge.get(SEEN).await;
    for _ in 0..3 {
        assert_eq!(edge.get("/never-seen").await.status, 503);
    }
    let site = edge.site().await;
    assert_eq!(
        (&site["cause"]["code"], &site["cause"]["whose"]),
        (&"refused".into(), &"host".into()),
        "{site}"
    );
    for text in ["meaning", "advice"] {
        for language in ["en", "ja"] {
            assert!(site["cause"][text][language].as_str().unwrap().len() > 20, "{site}");
        }
    }
    assert!(site["since"].as_str().unwrap() >= &*before && site["share"] == 0.0, "{site}");
    assert_eq!(
        (&site["without_copy"][0]["path"], &site["without_copy"][0]["asked"]),
        (&"/never-seen".into(), &3.into())
    );
    let late = &site["answers"]["late"];
    assert!(
        late["shares"]["holding"].as_f64().unwrap() > 0.0 && late["requests"].as_u64().unwrap() >= 4,
        "{late}"
    );
    let line = edge.until_logged(&["site changed state", "to=\"down\""]).await;
    assert!(line.contains("refused") && line.contains("meaning="), "{line}");

    let said = edge.cli(&["status"]).await.must_be_ok().out;
    for words in
        ["refused: The site's server refuses connections.", "since ", "holding page", "/never-seen (3)"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    origin.heal().await;
    eventually("the end of the cause", secs(15), async || edge.site().await["cause"].is_null().then_some(()))
        .await;
    let text = edge.admin().get("/metrics").await.text();
    assert!(text.contains("katahai_site_state{site=\"shop\",state=\"down\"} 0"), "{text}");
}

#[tokio::test]
async fn a_branch_that_fails_is_named() {
    let (origin, edge) = shop().await;
    origin.switch("/events", Arc::new(Status(500))).await;
    assert!(edge.get(UNOPENED).await.is_from_snapshot());
    edge.until("degraded").await;
    let site = edge.site().await;
    assert_eq!((&site["cause"]["code"], &site["bad_pages"]), (&"server-error".into(), &1.into()), "{site}");
    let branch = &site["branches"][0];
    assert!(UNOPENED.starts_with(branch["path"].as_str().unwrap()), "{branch}");
    assert_eq!((&branch["pages"], &branch["cause"]["code"]), (&1.into(), &"server-error".into()));
    let text = edge.admin().get("/metrics").await.text();
    assert!(text.contains("katahai_site_state{site=\"shop\",state=\"degraded\"} 1"), "{text}");
    let told = explained(&edge, UNOPENED).await;
    assert_eq!(
        (&told["answer"]["from"], &told["cause"]["code"]),
        (&"snapshot".into(), &"server-error".into()),
        "{told}"
    );
    assert!(told["steps"].as_array().unwrap().iter().any(|step| step["step"] == "memo"), "{told}");
    origin.heal().await;
    edge.until("up").await;
}

#[tokio::test]
async fn a_refused_configuration_is_told_until_one_is_accepted() {
    let (_origin, edge) = shop().await;
    let good = edge.config();
    edge.write_text("[[site]\n");
    assert_eq!(edge.reload().await.status, 422);
    let told = until_condition(&edge, "configuration-refused").await;
    assert!(told["detail"].as_str().unwrap().contains("katahai.toml:1"), "{told}");
    let metrics = edge.admin().get("/metrics").await.text();
    assert!(metrics.contains("katahai_conditions{cause=\"configuration-refused\",site=\"\"} 1"), "{metrics}");
    let said = edge.cli(&["status"]).await.must_be_ok();
    assert!(said.out.contains("katahai: configuration-refused: "), "{}", said.out);
    edge.write_text(&good.toml());
    assert_eq!(edge.reload().await.status, 200);
    assert_eq!(condition(&edge, "configuration-refused").await, None);
    let lines = |what: &str| {
        edge.log().iter().filter(|l| l.contains(what) && l.contains("configuration-refused")).count()
    };
    let ended = async || (lines("condition ends") == 1).then_some(());
    eventually("the line about the end", secs(5), ended).await;
    assert_eq!(lines("condition begins"), 1, "{:#?}", edge.log());
}

#[tokio::test]
async fn a_process_that_was_killed_is_told_and_one_that_was_stopped_is_not() {
    let (_origin, mut edge) = shop().await;
    edge.restart().await; // by SIGKILL
    until_condition(&edge, "unclean-stop").await;
    edge.sigterm();
    assert_eq!(edge.exit_code(secs(30)).await, Some(0));
    edge.restart().await;
    assert_eq!(condition(&edge, "unclean-stop").await, None);
}

#[tokio::test]
async fn what_a_visitor_would_get_is_explained_for_every_rung() {
    let origin = fixture::shop().await;
    origin.page("/fresh", Page::html("<p>fresh</p>").header("cache-control", "max-age=600"));
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.until("up").await;

    let live = explained(&edge, "/never-seen").await;
    assert_eq!(
        (&live["answer"]["from"], &live["otherwise"]["from"]),
        (&"origin".into(), &"holding".into()),
        "{live}"
    );
    assert!(live["wait_ms"].as_u64().unwrap() > 0 && live["origins"][0] == origin.url(), "{live}");
    let copy = explained(&edge, UNOPENED).await;
    assert_eq!(
        (&copy["answer"]["from"], &copy["otherwise"]["from"]),
        (&"origin".into(), &"snapshot".into()),
        "{copy}"
    );

    edge.get("/fresh").await;
    let asked = origin.asked().len();
    let fresh = explained(&edge, "/fresh").await;
    assert_eq!((&fresh["answer"]["from"], &fresh["wait_ms"]), (&"cache".into(), &Value::Null), "{fresh}");

    // held by the operator
    hold(&edge, "hold_snapshot").await;
    let held = explained(&edge, UNOPENED).await;
    assert_eq!(
        (&held["answer"]["from"], &held["cause"]["code"]),
        (&"snapshot".into(), &"held".into()),
        "{held}"
    );
    hold(&edge, "auto").await;

    // a look is no visit
    assert_eq!(origin.asked().iter().skip(asked).filter(|a| a.target.contains("never-seen")).count(), 0);

    origin.fail(Refuse).await;
    edge.until("down").await;
    for (path, from, detail) in [
        (UNOPENED.to_owned(), "snapshot", "detail=snapshot"),
        ("/long?campaign=1".to_owned(), "snapshot", "detail=snapshot"),
        ("/never-seen".to_owned(), "holding", "detail=known-down"),
    ] {
        let told = explained(&edge, &path).await;
        assert_eq!(told["answer"]["from"], from, "{told}");
        let answer = edge.get(&path).await;
        assert!(told["answer"]["cache_status"].as_str().unwrap().contains(detail), "{told}");
        assert_eq!(answer.cache_status(), told["answer"]["cache_status"].as_str().unwrap(), "{path}");
    }
    let near = explained(&edge, "/long?campaign=1").await;
    assert!(near.to_string().contains("only the page without its query"), "{near}");

    let said = edge.cli(&["explain", "http://www.example.test/never-seen"]).await.must_be_ok().out;
    assert!(said.contains("1. The host www.example.test belongs to the site \"shop\"."), "{said}");
    assert!(said.contains("The visitor gets the holding page"), "{said}");
    for (url, words) in [
        ("http://nobody.example/", "no site has the host \"nobody.example\"; there are: www.example.test"),
        ("/about", "write it whole, such as https://"),
    ] {
        let said = edge.cli(&["explain", url]).await;
        assert!(said.code == 1 && said.err.contains(words), "{}", said.err);
    }
}

#[tokio::test]
async fn the_page_of_a_single_page_application_is_explained() {
    let origin = fixture::shop().await;
    let shell = "<!doctype html><html><head><title>Shop</title></head><body><div id=app></div>\
                 <script type=module src=/app.js></script></body></html>";
    origin.page("/", Page::html(shell));
    origin.make(move |asked| (!asked.path().contains('.')).then(|| Page::html(shell)));
    let edge = Edge::start(Config::before(&origin.url()).site("key_pages", ["/"])).await;
    hold(&edge, "hold_snapshot").await;
    if edge.snapshot_id().await.is_none() {
        let bare = explained(&edge, UNOPENED).await;
        assert!(bare.to_string().contains("of which there are none"), "{bare}");
    }
    hold(&edge, "auto").await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    for (path, from) in [("/orders/5/edit", "fallback-page"), ("/assets/other.js", "holding")] {
        let told = explained(&edge, path).await;
        assert_eq!(told["answer"]["from"], from, "{told}");
        let answer = edge.client().get_with(path, &[("accept", "text/html,*/*;q=0.8")]).await;
        assert_eq!(answer.cache_status(), told["answer"]["cache_status"].as_str().unwrap(), "{path}");
    }
}
