//! The dashboard in a real browser: what it shows, what its buttons do, and that nothing from a site becomes markup.

use std::process::Command;

use katahai::clock;
use katahai::snapshot::{Class, Notes, Store};
use serde_json::json;

use crate::support::browser::Browser;
use crate::support::{Config, Edge, Origin, Page, Site, fixture, turn};

async fn shop(versions: u32) -> (Origin, Edge, Vec<String>) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let mut ids = vec![edge.until_snapshot().await];
    for version in 2..=versions {
        fixture::stock(&origin, version);
        ids.push(edge.take_snapshot().await);
    }
    (origin, edge, ids)
}

fn page(edge: &Edge, path: &str) -> String {
    format!("http://{}{path}", edge.admin_addr())
}

/// Presses the button with this `data-focus`, and then each of these answers to the questions that come up.
async fn press(browser: &mut Browser, button: &str, answers: &[&str]) {
    browser.until(&format!("!!document.querySelector('[data-focus=\"{button}\"]:enabled')")).await;
    browser.eval(&format!("document.querySelector('[data-focus=\"{button}\"]').click()"));
    for answer in answers {
        browser.until(&format!("document.getElementById('ask').open && document.getElementById('ask-yes').textContent === {answer:?}")).await;
        assert_eq!(browser.eval("document.activeElement.id"), "ask-no", "the safe answer has the focus");
        browser.eval("document.getElementById('ask-yes').click()");
    }
}

const NOTICE: &str = "document.getElementById('notice').textContent";

#[tokio::test]
async fn buttons_do_what_they_say() {
    let _alone = turn::alone();
    let (_origin, edge, ids) = shop(2).await;
    // another process puts one on the shelf that did not pass the gate
    let store = Store::open(&edge.state_dir(), "shop").unwrap();
    let staging = store.begin(clock::now(), "crawl").unwrap();
    let page_of = |key: &str| katahai::snapshot::Page {
        key: key.to_owned(),
        status: 200,
        headers: Vec::new(),
        body: None,
        len: 0,
        taken_at: clock::now().wall,
        class: Class::Page,
        notes: Notes::default(),
    };
    staging.add(page_of("/")).unwrap();
    let reasons = ["shrunk: 1 page, where the current snapshot has 9".to_owned()];
    let held = staging.hold(clock::now(), &json!({}), &reasons).unwrap().id().to_string();

    let mut browser = Browser::start();
    browser.open(&page(&edge, "/sites/shop")).await;
    browser.until(&format!("document.body.innerText.includes('{held} was rejected by a rule')")).await;
    browser.until("document.body.innerText.includes('where the current snapshot has 9')").await;

    press(&mut browser, "rollback", &["Roll back"]).await;
    browser.until(&format!("{NOTICE}.startsWith('Rolled back to {}')", ids[0])).await;
    assert_eq!(edge.snapshot_id().await.as_ref(), Some(&ids[0]));
    browser.until("document.body.innerText.includes('New snapshots wait until you publish one')").await;

    press(&mut browser, &format!("pin {}", ids[1]), &["Pin it"]).await;
    browser.until(&format!("{NOTICE} === '{} is pinned.'", ids[1])).await;
    assert_eq!(edge.site().await["pinned"], json!([ids[1]]));
    press(&mut browser, &format!("unpin {}", ids[1]), &["Unpin it"]).await;
    browser.until(&format!("{NOTICE}.includes('no longer pinned')")).await;

    press(&mut browser, &format!("publish {}", ids[1]), &["Put it in service"]).await;
    browser.until(&format!("{NOTICE} === '{} is in service.'", ids[1])).await;
    assert_eq!(edge.snapshot_id().await.as_ref(), Some(&ids[1]));
    assert!(edge.site().await["by_hand"].is_null(), "the newest that passed the gate");

    // the first "no" ends it, the second yes does it
    press(&mut browser, &format!("publish_anyway {held}"), &[]).await;
    browser.until("document.getElementById('ask').open").await;
    assert!(browser.eval("document.getElementById('ask').innerText").to_string().contains(&reasons[0]));
    browser.eval("document.getElementById('ask-no').click()");
    browser.until("!document.getElementById('ask').open").await;
    assert_eq!(edge.snapshot_id().await.as_ref(), Some(&ids[1]));
    press(&mut browser, &format!("publish_anyway {held}"), &["Continue", "Publish it anyway"]).await;
    browser.until(&format!("{NOTICE} === '{held} is in service.'")).await;
    assert_eq!(edge.snapshot_id().await.as_ref(), Some(&held));

    press(&mut browser, &format!("remove {}", ids[0]), &["Remove it"]).await;
    browser.until(&format!("{NOTICE} === '{} is removed.'", ids[0])).await;
    press(&mut browser, &format!("compare {}", ids[1]), &[]).await;
    browser.until("document.querySelector('[data-part=compare]').innerText.includes('removed')").await;
    press(&mut browser, "take", &[]).await;
    browser.until(&format!("{NOTICE} === 'The crawl is starting.'")).await;
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

#[tokio::test]
async fn reports_are_shown_as_text_on_every_screen() {
    let _alone = turn::alone();
    let origin = fixture::shop().await;
    let links: String = (0..300).map(|n| format!("<a href=\"/gone/{n}\">{n}</a>")).collect();
    origin.page(
        "/about",
        Page::html(format!("<p>{links}<a href=\"/%3Cimg%20src=x%20onerror=alert(1)%3E\">x</a>")),
    );
    let long = "a-name-that-goes-on-and-on-and-does-not-want-to-end.customers.example.test";
    let config =
        Config::before(&origin.url()).and(Site::bare(long, "other.example.test").origin(&origin.url()));
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    let mut browser = Browser::start();
    is_shown(&mut browser, &edge, "/", &["shop", long, "live site"]).await;
    let report = ["Weeks before", "Broken links", "/gone/0", "<img src=x onerror=alert(1)>"];
    is_shown(&mut browser, &edge, "/sites/shop", &report).await;
    browser.open(&page(&edge, "/sites/shop")).await;
    browser.until("!!document.querySelector('.report input[type=search]')").await;
    let found = browser.eval(
        "{ const f = document.querySelector('.report input[type=search]'); f.value = '/gone/29'; \
         f.dispatchEvent(new Event('input')); f.parentElement.querySelector('[role=status]').textContent }",
    );
    assert_eq!(found, "11 found");
    browser.eval("document.querySelector('[data-language=ja]').click()");
    browser
        .until("document.body.innerText.includes('リンク切れ') && document.documentElement.lang === 'ja'")
        .await;
    assert_eq!(browser.complaints(), [] as [String; 0]);
    is_shown(&mut browser, &edge, "/sites/nobody", &["この名前のサイトはありません。"]).await;
    // what the console says of the site that there is not is the browser's own
    let others = browser.complaints().iter().filter(|complaint| !complaint.contains("404")).count();
    assert_eq!(others, 0);
}

/// The page says these things, as text and within the screen, on a wide one and a narrow one.
async fn is_shown(browser: &mut Browser, edge: &Edge, path: &str, marks: &[&str]) {
    for width in [1200, 400] {
        browser.resize(width, 900);
        browser.open(&page(edge, path)).await;
        for mark in marks {
            let mark = serde_json::to_string(mark).unwrap();
            browser.until(&format!("document.body?.innerText.includes({mark})")).await;
        }
        let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(wide <= u64::from(width), "{path} is {wide} pixels wide on a screen of {width}");
        assert_eq!(browser.eval("document.querySelectorAll('#main img').length"), 0);
    }
}

#[tokio::test]
async fn with_a_token_the_page_asks_for_it() {
    let _alone = turn::alone();
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "secret-of-this-house\n").unwrap();
    let config = Config::before(&origin.url()).set("admin.token_file", file.display().to_string());
    let edge = Edge::start_in(dir, config).await;
    assert_eq!(edge.admin().get("/api/v1/status").await.status, 401);
    let mut browser = Browser::start();
    browser.open(&page(&edge, "/")).await;
    for (token, then) in [
        ("guess", format!("{NOTICE} === 'this token is not valid'")),
        (
            "secret-of-this-house",
            "document.querySelector('.sites h2')?.innerText.includes('shop')".to_owned(),
        ),
    ] {
        browser.until("!document.getElementById('login').hidden").await;
        browser.eval(&format!("document.getElementById('token-text').value = {token:?}"));
        browser.eval("document.getElementById('token-send').click()");
        browser.until(&then).await;
    }
    assert_eq!(browser.eval("document.getElementById('login').hidden"), true);
    // what the console says of the 401 is the browser's own
    let others = browser.complaints().iter().filter(|complaint| !complaint.contains("401")).count();
    assert_eq!(others, 0);
}

#[test]
fn the_page_goes_on_looking_when_the_stream_of_news_is_refused() {
    let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/operate/live.mjs");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/admin/assets/live.js");
    let ran = Command::new("node").args([driver, script]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
