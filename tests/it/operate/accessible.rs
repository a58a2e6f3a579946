//! Every page for everybody: nothing that axe-core finds, in both languages, light and dark, wide and narrow; and all of it by
//! keyboard.

use serde_json::Value;

use crate::support::browser::Browser;
use crate::support::faults::Refuse;
use crate::support::{Config, Edge, Origin, Page, Site, eventually, fixture, secs, turn};

/// Two sites, a good one with a snapshot and a token to sign in with, and one that was never there.
async fn edge(token: &str, webhooks: &str) -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, token).unwrap();
    // a browser comes by the address
    let shop = Site::new().origin(&origin.url()).set("hosts", ["www.example.test", "*"]);
    let config = Config::new(shop.set("status_page.path", "/status"))
        .and(
            Site::bare("gone", "gone.example.test")
                .origin("http://127.0.0.1:9")
                .set("health.interval", "200ms"),
        )
        .set("admin.token_file", file.display().to_string())
        .set("alerts.wait", "1s")
        .set("alerts.link", "https://ops.example.jp")
        .set_toml("alerts.webhook", format!("[{webhooks}]"));
    let edge = Edge::start_in(dir, config).await;
    crate::support::eventually("a snapshot", crate::support::secs(20), async || {
        edge.state_dir().join("snapshots/shop/current").exists().then_some(())
    })
    .await;
    for _ in 0..20 {
        edge.get("/").await;
    }
    (origin, edge)
}

async fn sign_in(browser: &mut Browser, token: &str) {
    browser
        .until("!document.getElementById('login').hidden && document.activeElement.id === 'token-text'")
        .await;
    browser.eval(&format!("document.getElementById('token-text').value = {token:?}"));
    browser.press("Enter");
    browser
        .until("!document.getElementById('leave').hidden && document.getElementById('login').hidden")
        .await;
}

/// What is wrong with the page that is shown.
fn look(browser: &mut Browser, name: &str, found: &mut Vec<String>) {
    browser.shoot(name);
    let wide = browser.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    if wide.as_f64() > Some(0.0) {
        found.push(format!("{name}: {wide} pixels too wide"));
    }
    found.extend(browser.barriers().into_iter().map(|barrier| format!("{name}: {barrier}")));
}

/// The page behind the link in an alert, before and after its button, and when the link is no longer good.
async fn acknowledging(browser: &mut Browser, home: &str, hooks: &Origin, found: &mut Vec<String>) {
    let link = eventually("an alert with a link", secs(30), async || {
        let posts = hooks.asked_for("/hook").into_iter().filter(|asked| asked.method == "POST");
        let mut links = posts.filter_map(|asked| {
            let message: Value = serde_json::from_slice(&asked.body).ok()?;
            Some(message["ack"].as_str()?.strip_prefix("https://ops.example.jp")?.to_owned())
        });
        links.next()
    })
    .await;
    for step in ["ask", "gone"] {
        for (width, scheme) in [(1200, "light"), (1200, "dark"), (390, "light"), (390, "dark")] {
            browser.resize(width, 900);
            browser.prefer(scheme);
            browser.open(&format!("{home}{link}")).await;
            browser.until("!!document.querySelector('h1')").await;
            look(browser, &format!("ack-{step}-{width}-{scheme}"), found);
        }
        if step == "ask" {
            browser.eval("document.querySelector('button').click()");
            browser.until("!document.querySelector('button')").await;
            look(browser, "ack-done", found);
        }
    }
}

#[tokio::test]
async fn no_page_has_a_barrier() {
    let _alone = turn::alone();
    let hooks = Origin::start().await;
    hooks.make(|_| Some(Page::html("ok")));
    let (origin, edge) = edge("a-token", &format!("\"{}/hook\"", hooks.url())).await;
    let mut browser = Browser::start();
    let home = format!("http://{}", edge.admin_addr());
    let mut found: Vec<String> = Vec::new();
    // before anybody has signed in
    browser.open(&format!("{home}/")).await;
    browser.until("!document.getElementById('login').hidden").await;
    let mut at = |browser: &mut Browser, name: String| look(browser, &name, &mut found);
    at(&mut browser, "login".to_owned());
    sign_in(&mut browser, "a-token").await;
    origin.fail(Refuse).await;
    edge.until_logged(&["site changed state", "site=shop", "to=\"down\""]).await;
    for _ in 0..20 {
        edge.get("/").await;
    }
    let pages = [
        (
            "all",
            "/",
            "document.querySelectorAll('.site').length === 2 && !!document.querySelector('[data-focus^=\"ack \"]')",
        ),
        (
            "site",
            "/sites/shop",
            "!!document.querySelector('.graph') && !!document.querySelector('.report h2')",
        ),
        ("gone", "/sites/gone", "!!document.querySelector('[data-part=days] .bars')"),
    ];
    for (width, scheme) in [(1200, "light"), (1200, "dark"), (390, "light"), (390, "dark")] {
        browser.resize(width, 900);
        browser.prefer(scheme);
        for (name, path, shown) in pages {
            browser.open(&format!("{home}{path}")).await;
            for language in ["en", "ja"] {
                browser.until("!!document.querySelector('#page h1')").await;
                browser.eval(&format!("document.querySelector('[data-language={language}]').click()"));
                browser.until(shown).await;
                at(&mut browser, format!("{name}-{width}-{scheme}-{language}"));
            }
        }
        for language in ["en", "ja"] {
            browser.open(&format!("http://127.0.0.1:{}/status?lang={language}", edge.http().port())).await;
            at(&mut browser, format!("public-{width}-{scheme}-{language}"));
        }
    }
    acknowledging(&mut browser, &home, &hooks, &mut found).await;
    assert!(found.is_empty(), "{} barriers:\n{}", found.len(), found.join("\n"));
    // what the console says of the 401, of a link that is used up and of a site without a favicon is the browser's own
    let complaints: Vec<&String> = browser
        .complaints()
        .iter()
        .filter(|said| ["401", "favicon", "/ack/"].iter().all(|own| !said.contains(own)))
        .collect();
    assert_eq!(complaints, [] as [&String; 0]);
}

/// What has the focus: its id, its `data-focus`, or its text.
const FOCUSED: &str = "(() => { const it = document.activeElement; return it.id || it.dataset?.focus || it.getAttribute?.('data-language') || it.textContent.trim(); })()";

#[tokio::test]
async fn a_keyboard_is_enough() {
    let _alone = turn::alone();
    let (_origin, edge) = edge("a-token", "").await;
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/sites/shop", edge.admin_addr())).await;
    sign_in(&mut browser, "a-token").await;
    browser.until("!!document.querySelector('[data-focus=\"mode set\"]') && !!document.querySelector('[data-focus=take]')").await;
    browser.eval("document.activeElement.blur()");
    let mut seen: Vec<Value> = Vec::new();
    for _ in 0..60 {
        browser.press("Tab");
        let focused = browser.eval(FOCUSED);
        let outline = browser.eval("document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle !== 'none'");
        assert_eq!(outline, true, "{focused} has the focus, and nobody sees it");
        seen.push(focused);
    }
    for wanted in
        ["skip", "leave", "mode auto", "mode time", "mode reason", "mode set", "origin 0 drain", "take"]
    {
        assert!(seen.iter().any(|focused| focused == wanted), "{wanted} is not reached by Tab: {seen:?}");
    }
    // switches what visitors get, and is asked first
    browser.eval("document.querySelector('[data-focus=\"mode hold_snapshot\"]').focus()");
    browser.press(" ");
    browser.eval("document.querySelector('[data-focus=\"mode reason\"]').value = 'a new server'");
    browser.eval("document.querySelector('[data-focus=\"mode set\"]').focus()");
    browser.press("Enter");
    browser.until("document.getElementById('ask').open && document.activeElement.id === 'ask-no'").await;
    browser.press("Escape");
    browser
        .until("!document.getElementById('ask').open && document.activeElement.dataset.focus === 'mode set'")
        .await;
    browser.press("Enter");
    browser.until("document.getElementById('ask').open").await;
    browser.press("Tab");
    browser.press("Enter");
    browser.until("document.getElementById('notice').textContent.startsWith('Switched')").await;
    edge.until_logged(&["operator set the mode", "hold_snapshot", "a new server"]).await;
    browser
        .until(
            "document.querySelector('[data-part=standing]').innerText.includes('however well the site is')",
        )
        .await;
}
