//! The bad day as the operator sees it: what is said of a site is what its visitors get, wherever it is said; what an operator
//! switches; and what is remembered of it afterwards.

use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::faults::Refuse;
use crate::support::{Answer, Config, Edge, Origin, Site, eventually, fixture, secs, turn};

async fn put(edge: &Edge, path: &str, body: &Value) -> Answer {
    let request = edge.admin().ask("PUT", path).body(Full::from(body.to_string())).unwrap();
    edge.admin().send(request).await.unwrap()
}

async fn line(edge: &Edge, site: &str) -> Value {
    let answer = edge.admin().get(&format!("/api/v1/sites?site={site}")).await;
    let overview: Value = serde_json::from_slice(&answer.body).unwrap();
    overview["sites"][0].clone()
}

/// What visitors of the site get, as the status and the overview say it.
async fn gets(edge: &Edge, site: &str) -> (String, String) {
    let answer = edge.admin().get(&format!("/api/v1/status?site={site}")).await;
    let status: Value = serde_json::from_slice(&answer.body).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&status["sites"][0]["gets"]["code"]), text(&line(edge, site).await["gets"]))
}

async fn until_gets(edge: &Edge, site: &str, code: &str) {
    eventually(code, secs(20), async || {
        (gets(edge, site).await == (code.to_owned(), code.to_owned())).then_some(())
    })
    .await;
}

async fn history(edge: &Edge, range: &str) -> Value {
    let answer = edge.admin().get(&format!("/api/v1/sites/shop/history?range={range}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

async fn two_sites() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let gone = Site::bare("gone", "gone.example.test").origin("http://127.0.0.1:9");
    let config = Config::before(&origin.url()).and(gone.set("health.interval", "200ms"));
    (origin, Edge::start(config).await)
}

#[tokio::test]
async fn what_is_said_is_what_visitors_get() {
    let (origin, edge) = two_sites().await;
    edge.until_snapshot().await;
    until_gets(&edge, "shop", "live").await;
    // there never was a copy of it: nobody says that there is
    until_gets(&edge, "gone", "holding").await;
    edge.client().host("gone.example.test").get("/").await.must_be_holding_page();
    let said = edge.cli(&["status", "--site", "gone"]).await.must_be_ok().out;
    assert!(said.contains("visitors get") && said.contains("the holding page"), "{said}");
    assert!(!said.contains("snapshot served") && !said.contains("the pages of the snapshot"), "{said}");

    origin.fail(Refuse).await;
    until_gets(&edge, "shop", "copies").await;
    assert!(edge.get("/").await.is_copy());
    // what no copy has: the state has not changed, and what is said has
    eventually("the holding page in every mouth", secs(20), async || {
        edge.get(&format!("/cart/{}", fastrand::u32(..))).await.must_be_holding_page();
        (gets(&edge, "shop").await.0 == "holding").then_some(())
    })
    .await;
    let said = edge.cli(&["status", "--site", "shop"]).await.must_be_ok().out;
    assert!(said.contains("Visitors get the holding page: no copy has what they ask for."), "{said}");
    origin.heal().await;
    until_gets(&edge, "shop", "live").await;

    // held by hand on a snapshot that is not there
    let answer =
        put(&edge, "/api/v1/sites/gone/mode", &json!({ "mode": "hold_snapshot", "reason": "a trial" })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    until_gets(&edge, "gone", "holding").await;
    let gone = line(&edge, "gone").await;
    assert!(gone["level"] == "down" && gone["notes"].to_string().contains("but there is none"), "{gone}");
}

#[tokio::test]
async fn an_origin_is_switched_and_comes_back() {
    let (origin, edge) = two_sites().await;
    edge.until_snapshot().await;
    let path = "/api/v1/sites/shop/origins/0/mode";
    for (mode, state) in [("drain", "down"), ("auto", "up"), ("off", "down"), ("auto", "up")] {
        let answer = put(&edge, path, &json!({ "mode": mode })).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        edge.until(state).await;
        let site = edge.site().await;
        assert_eq!(site["origins"][0]["mode"], mode);
        assert_eq!(edge.get("/").await.is_copy(), state == "down");
    }
    // a reload that says nothing new of it leaves it as it was switched
    put(&edge, path, &json!({ "mode": "drain" })).await;
    assert_eq!(edge.reload().await.status, 200);
    assert_eq!(edge.site().await["origins"][0]["mode"], "drain");
    drop(origin);
    for (path, body, status) in [
        (path, json!({ "mode": "off", "url": "http://another.example" }), 409),
        ("/api/v1/sites/shop/origins/1/mode", json!({ "mode": "auto" }), 404),
        ("/api/v1/sites/shop/origins/x/mode", json!({ "mode": "auto" }), 404),
        ("/api/v1/sites/shop/origins/0/mode", json!({ "mode": "on" }), 422),
        ("/api/v1/sites/shop/origins/0/mode", json!({ "mode": "auto", "for": "1h" }), 422),
    ] {
        assert_eq!(put(&edge, path, &body).await.status, status, "{path} {body}");
    }
    assert_eq!(edge.admin().get("/api/v1/sites/shop/origins/0/mode").await.status, 405);
}

#[tokio::test]
async fn the_day_is_remembered_over_a_restart_and_a_kill() {
    let (origin, mut edge) = two_sites().await;
    edge.until_snapshot().await;
    for _ in 0..30 {
        edge.get("/").await;
    }
    eventually("thirty requests in the history", secs(20), async || {
        let day = history(&edge, "90d").await["days"][89].clone();
        (day["requests"].as_u64() >= Some(30) && day["live_s"].as_u64() >= Some(2)).then_some(())
    })
    .await;
    let told = history(&edge, "24h").await;
    assert!(told["record"]["per_second"].as_u64() >= Some(1) && told["gets"] == "live", "{told}");
    assert!(told["minutes"][0]["median_ms"].as_u64() >= Some(1), "{told}");
    origin.fail(Refuse).await;
    until_gets(&edge, "shop", "copies").await;
    edge.sigterm();
    edge.exit_code(secs(20)).await;
    edge.restart().await;
    edge.until("down").await;
    let before = history(&edge, "90d").await["days"][89].clone();
    assert!(before["requests"].as_u64() >= Some(30), "{before}");
    eventually("seconds of copies", secs(20), async || {
        (history(&edge, "90d").await["days"][89]["copy_s"].as_u64() >= Some(1)).then_some(())
    })
    .await;
    // a kill loses the last minute, and no more
    edge.kill();
    edge.restart().await;
    assert!(history(&edge, "90d").await["days"][89]["requests"].as_u64() >= Some(30));
    // a damaged file is set aside
    edge.kill();
    let file = edge.state_dir().join("history/shop.history");
    std::fs::write(&file, "katahai history 1\nhalf").unwrap();
    edge.restart().await;
    edge.until_logged(&["the history cannot be read"]).await;
    assert!(file.with_extension("unreadable").exists());
    assert_eq!(history(&edge, "24h").await["record"], Value::Null);
    assert_eq!(edge.admin().get("/api/v1/sites/shop/history?range=1y").await.status, 422);
    assert_eq!(edge.admin().get("/api/v1/sites/nobody/history").await.status, 404);
}

#[tokio::test]
async fn the_page_keeps_what_its_reader_has_opened() {
    let _alone = turn::alone();
    let (origin, edge) = two_sites().await;
    edge.until_snapshot().await;
    edge.get("/").await;
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/sites/shop", edge.admin_addr())).await;
    browser.until("document.querySelector('[data-part=standing]')?.innerText.includes('up: visitors get the live site')").await;
    // a half-written reason, and the focus in it, while the state changes around it
    browser.until("!!document.querySelector('[data-focus=\"mode reason\"]')").await;
    browser.eval("{ const it = document.querySelector('[data-focus=\"mode reason\"]'); it.focus(); it.value = 'half'; }");
    origin.fail(Refuse).await;
    browser
        .until(
            "document.querySelector('[data-part=standing]').innerText.includes('down: visitors get copies')",
        )
        .await;
    browser.until("document.querySelector('[data-part=switches]').innerText.includes('down')").await;
    // the incident stands there at once, with its report
    browser.until("!!document.querySelector('[data-part=timeline] a')").await;
    browser
        .until(
            "fetch(document.querySelector('[data-part=timeline] a').href).then((it) => it.text()).then((text) => { window.told = text; }) && (window.told ?? '').includes('refuses connections')",
        )
        .await;
    assert_eq!(browser.eval("document.activeElement.dataset.focus"), "mode reason");
    assert_eq!(browser.eval("document.activeElement.value"), "half");
    // an origin is drained by its button
    browser.eval("document.querySelector('[data-focus=\"origin 0 drain\"]').click()");
    browser.until("document.getElementById('ask').open").await;
    browser.eval("document.getElementById('ask-yes').click()");
    browser.until("document.querySelector('[data-focus=\"origin 0 drain\"]').getAttribute('aria-pressed') === 'true'").await;
    assert_eq!(edge.site().await["origins"][0]["mode"], "drain");
    browser.open(&format!("http://{}/sites/gone", edge.admin_addr())).await;
    browser.until("document.querySelector('[data-part=standing]')?.innerText.includes('down: visitors get the holding page')").await;
    assert_eq!(browser.complaints(), [] as [String; 0]);
}
