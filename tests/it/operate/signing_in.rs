//! Signing in: a session that no script sees, what a session may not be made to do by another site's page, and a token that
//! looks and changes nothing.

use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::{Answer, Config, Edge, Origin, fixture, turn};

async fn edge() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::before(&origin.url());
    for (key, text) in [("token_file", "the-operators"), ("readonly_token_file", "a-readers")] {
        let file = dir.path().join(key);
        std::fs::write(&file, format!("{text}\n")).unwrap();
        config = config.set(&format!("admin.{key}"), file.display().to_string());
    }
    (origin, Edge::start_in(dir, config).await)
}

async fn ask(edge: &Edge, method: &str, path: &str, fields: &[(&str, &str)], body: &Value) -> Answer {
    let mut request = edge.admin().ask(method, path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    edge.admin().send(request.body(Full::from(body)).unwrap()).await.unwrap()
}

async fn session(edge: &Edge, token: &str) -> String {
    let answer = ask(edge, "POST", "/api/v1/session", &[], &json!({ "token": token })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && cookie.contains("Max-Age=43200"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_reader_looks_and_changes_nothing() {
    let (_origin, edge) = edge().await;
    let reader = [("authorization", "Bearer a-readers")];
    for path in [
        "/api/v1/status",
        "/api/v1/sites",
        "/metrics",
        "/api/v1/sites/shop/snapshots",
        "/api/v1/sites/shop/forms",
    ] {
        assert_eq!(ask(&edge, "GET", path, &reader, &Value::Null).await.status, 200, "{path}");
    }
    for (method, path) in [
        ("POST", "/api/v1/reload"),
        ("PUT", "/api/v1/sites/shop/mode"),
        ("PUT", "/api/v1/sites/shop/origins/0/mode"),
        ("PUT", "/api/v1/sites/shop/origins"),
        ("POST", "/api/v1/sites/shop/snapshots"),
        ("POST", "/api/v1/sites/shop/snapshots/rollback"),
        ("DELETE", "/api/v1/sites/shop/snapshots/x"),
        ("POST", "/api/v1/sites/shop/forms/x/deliver"),
        ("DELETE", "/api/v1/sites/shop/forms/x"),
    ] {
        let answer = ask(&edge, method, path, &reader, &json!({ "mode": "auto" })).await;
        assert!(
            answer.status == 403 && answer.text().contains("change nothing"),
            "{method} {path}: {}",
            answer.text()
        );
    }
    for path in ["forms/1", "forms?contents=true", "forms?find=hanako"] {
        let answer = ask(&edge, "GET", &format!("/api/v1/sites/shop/{path}"), &reader, &Value::Null).await;
        assert!(
            answer.status == 403 && answer.text().contains("what visitors have written"),
            "{path}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_session_is_for_the_dashboard_alone() {
    let (_origin, edge) = edge().await;
    let cookie = session(&edge, "the-operators").await;
    let auto = json!({ "mode": "auto" });
    let own = ("cookie", &*cookie);
    for (fields, status) in [
        (&[][..], 401),
        (&[own], 403),
        (&[own, ("x-katahai", "1")], 200),
        (&[own, ("x-katahai", "1"), ("sec-fetch-site", "cross-site")], 403),
        (&[own, ("x-katahai", "1"), ("origin", "https://evil.example")], 403),
        (&[("authorization", "Bearer the-operators")], 200),
    ] {
        let answer = ask(&edge, "PUT", "/api/v1/sites/shop/mode", fields, &auto).await;
        assert_eq!(answer.status, status, "{fields:?}: {}", answer.text());
    }
    let left = ask(&edge, "DELETE", "/api/v1/session", &[own, ("x-katahai", "1")], &Value::Null).await;
    assert!(left.status == 200 && left.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(ask(&edge, "GET", "/api/v1/status", &[own], &Value::Null).await.status, 401);
    // a replaced token ends what it has opened
    let cookie = session(&edge, "the-operators").await;
    std::fs::write(edge.dir().join("token_file"), "another\n").unwrap();
    edge.until_logged(&["admin token reloaded"]).await;
    assert_eq!(ask(&edge, "GET", "/api/v1/status", &[("cookie", &cookie)], &Value::Null).await.status, 401);
    // who guesses has to wait, and whoever has a token in a program has not
    for _ in 0..5 {
        assert_eq!(
            ask(&edge, "POST", "/api/v1/session", &[], &json!({ "token": "guess" })).await.status,
            401
        );
    }
    let answer = ask(&edge, "POST", "/api/v1/session", &[], &json!({ "token": "guess" })).await;
    assert!(answer.status == 429 && answer.header("retry-after") == Some("60"), "{}", answer.text());
    let right = ask(&edge, "POST", "/api/v1/session", &[], &json!({ "token": "another" })).await;
    assert_eq!(right.status, 200, "others' guesses lock nobody out");
    let bearer = [("authorization", "Bearer another")];
    assert_eq!(ask(&edge, "GET", "/api/v1/status", &bearer, &Value::Null).await.status, 200);
}

#[tokio::test]
async fn a_reader_in_a_browser_has_no_buttons() {
    let _alone = turn::alone();
    let (_origin, edge) = edge().await;
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/sites/shop", edge.admin_addr())).await;
    let enter = |browser: &mut Browser, token: &str| {
        browser.eval(&format!("document.getElementById('token-text').value = {token:?}"));
        browser.eval("document.getElementById('token-send').click()");
    };
    browser.until("document.getElementById('login')?.hidden === false").await;
    enter(&mut browser, "a-readers");
    browser.until("document.getElementById('role').textContent === 'read only' && !!document.querySelector('[data-part=shelf] table')").await;
    let buttons = browser.eval("[...document.querySelectorAll('#page button')].map((it) => it.dataset.focus?.split(' ')[0]).filter((it) => it !== 'report' && it !== 'compare' && it !== 'all').join()");
    assert_eq!(buttons, "", "what may not be done has no button");
    assert_eq!(browser.eval("document.cookie + JSON.stringify(sessionStorage)"), "{}", "no script sees it");
    browser.eval("document.getElementById('leave').click()");
    browser.until("document.getElementById('login')?.hidden === false").await;
    enter(&mut browser, "the-operators");
    browser
        .until(
            "document.getElementById('role').hidden && !!document.querySelector('[data-focus=\"mode set\"]')",
        )
        .await;
}
