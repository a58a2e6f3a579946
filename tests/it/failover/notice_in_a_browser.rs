//! What is told on copies, as a browser shows it: in every encoding, under every policy, without moving the page.

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS, UTF_8};
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::faults::Refuse;
use crate::support::fixture;
use crate::support::{Config, Edge, Origin, Page, turn};

const SIGN_UP: &str = "<form method=post action=/signup><label>お名前 <input name=name></label> <button>申し込む</button></form>\
    <form method=post action=/order><label>個数 <input name=n></label> <button id=order>注文する</button></form>";

fn page(encoding: &'static Encoding, policy: &str) -> Page {
    let html = format!(
        "<!doctype html><html lang=ja><head><meta charset=\"{}\"><title>みなと珈琲</title>\
         <link rel=stylesheet href=/style.css></head><body><header><h1>みなと珈琲 表示ソフト</h1></header><p>海の見える店です。</p>{SIGN_UP}\
         <script src=/app.js></script></body></html>",
        encoding.name()
    );
    let (bytes, _, unmappable) = encoding.encode(&html);
    assert!(!unmappable);
    let page = Page::new("text/html", bytes.into_owned());
    if policy.is_empty() { page } else { page.header("content-security-policy", policy) }
}

const STRICT: &str = "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'none'";
const SANDBOX: &str = "sandbox allow-scripts; default-src 'self'";

const PAGES: [(&str, &Encoding, &str); 6] = [
    ("/utf-8", UTF_8, ""),
    ("/sjis", SHIFT_JIS, ""),
    ("/euc", EUC_JP, ""),
    ("/strict", UTF_8, STRICT),
    ("/strict-sjis", SHIFT_JIS, STRICT),
    ("/sandbox", UTF_8, SANDBOX),
];

async fn shop() -> Origin {
    let origin = fixture::shop().await;
    let links: String = PAGES.iter().map(|(path, _, _)| format!("<a href={path}>x</a>")).collect();
    let home = String::from_utf8(origin.content("/").body.to_vec()).unwrap();
    origin.page("/", Page::html(home.replace("</body>", &format!("{links}</body>"))));
    for (path, encoding, policy) in PAGES {
        origin.page(path, page(encoding, policy));
    }
    let css = "body { margin: 0 } header { padding: 2em; background: #ded } p { margin: 2em 0 }";
    origin.page("/style.css", Page::new("text/css", css));
    origin
}

/// Where the parts of the page stand, but for those of the notice and what follows within a form.
fn places(browser: &mut Browser) -> Value {
    let of = "[...document.querySelectorAll('h1, header, body > p, form')].map(e => { const r = e.getBoundingClientRect(); \
              return [e.tagName, r.left, e.tagName === 'FORM' ? 0 : r.top, r.width]; })";
    browser.eval(of)
}

/// What is heard of the notice: roles and names.
fn heard(browser: &mut Browser) -> Vec<(String, String)> {
    let tree = browser.call("Accessibility.getFullAXTree", json!({}));
    let of = |node: &Value| {
        (node["ignored"] != true).then(|| {
            let text = |key: &str| node[key]["value"].as_str().unwrap_or_default().to_owned();
            (text("role"), text("name"))
        })
    };
    tree["nodes"].as_array().unwrap().iter().filter_map(of).collect()
}

/// A form that cannot be sent is not, by its button or by the return key; one that is kept can be.
fn forms_are_as_they_say(browser: &mut Browser, path: &str) {
    assert_eq!(browser.eval("document.querySelector('#order').disabled"), true, "{path}");
    let described = "document.getElementById(document.querySelector('#order').getAttribute('aria-describedby')).innerText";
    assert!(browser.eval(described).as_str().unwrap().contains("このフォームは送信できません"), "{path}");
    browser.eval("document.querySelector('#order').click(); document.querySelector('[name=n]').focus()");
    for kind in ["keyDown", "keyUp"] {
        let key = json!({ "type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r" });
        browser.call("Input.dispatchKeyEvent", key);
    }
    assert_eq!(browser.eval("location.pathname"), path);
    assert_eq!(browser.eval("document.forms[0].querySelector('button').disabled"), false, "{path}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_shows_the_notice_without_moving_the_page() {
    let _alone = turn::alone();
    let origin = shop().await;
    let config = Config::before(&origin.url())
        .site("notice.banner", "auto")
        .site("hosts", ["www.example.test", "localhost"])
        .form("path = \"/signup\"");
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let at = |path: &str| format!("http://localhost:{}{path}", edge.http().port());
    let mut browser = Browser::start();
    browser.call("Accessibility.enable", json!({}));
    let windows = [(390, 844), (1280, 800)];
    let mut before = Vec::new();
    for (path, _, _) in PAGES {
        for (width, height) in windows {
            browser.resize(width, height);
            browser.open(&at(path)).await;
            assert_eq!(browser.eval("document.querySelectorAll('dialog').length"), 0);
            before.push(places(&mut browser));
        }
    }
    origin.fail(Refuse).await;
    edge.until("down").await;
    let complaints = browser.complaints().len();
    let mut before = before.into_iter();
    for (path, encoding, policy) in PAGES {
        for (width, height) in windows {
            browser.resize(width, height);
            browser.open(&at(path)).await;
            assert_eq!(browser.eval("document.querySelectorAll('dialog.katahai-notice[open]').length"), 1);
            assert_eq!(browser.eval("document.characterSet"), encoding.name(), "{path}");
            assert_eq!(Some(places(&mut browser)), before.next(), "{path} at {width}: the page has moved");
            let text = browser.eval("document.querySelector('.katahai-notice').innerText");
            let text = text.as_str().unwrap();
            assert!(text.contains("（日本時間）に保存した内容です。サイト本体は"), "{path}: {text}");
            assert_eq!(browser.eval("document.querySelector('h1').innerText"), "みなと珈琲 表示ソフト");
            let inside = "(() => { const r = document.querySelector('.katahai-notice').getBoundingClientRect(); \
                          return r.left >= 0 && r.right <= innerWidth && r.top >= 0 && r.bottom <= innerHeight; })()";
            assert_eq!(browser.eval(inside), true, "{path} at {width}");
            assert_eq!(browser.eval("document.documentElement.scrollWidth <= innerWidth"), true, "{path}");
            let fixed = "getComputedStyle(document.querySelector('.katahai-notice')).position";
            assert_eq!(browser.eval(fixed), if policy.is_empty() { "fixed" } else { "absolute" }, "{path}");
            assert_eq!(browser.eval("document.forms.length"), 2, "the page's own forms keep their places");
        }
        let heard = heard(&mut browser);
        let has = |role: &str, name: &str| heard.iter().any(|(r, n)| r == role && n.contains(name));
        assert!(has("dialog", "保存版を表示しています"), "{path}: {heard:?}");
        assert!(has("status", ""), "{path}: {heard:?}");
        assert!(has("StaticText", "サイト本体は、ただいまご利用いただけません"), "{path}: {heard:?}");
        // it closes without a script of the page's
        browser.eval("document.querySelector('.katahai-notice summary').click()");
        let closed = "!document.querySelector('.katahai-notice p').checkVisibility()";
        assert_eq!(browser.eval(closed), true, "{path}");
        forms_are_as_they_say(&mut browser, path);
    }
    let all = browser.complaints()[complaints..].join("\n");
    assert!(all.is_empty(), "{all}");

    browser.open(&at("/sjis")).await;
    browser.eval("document.querySelector('[name=name]').value = '花子'; document.forms[0].requestSubmit()");
    browser.until("document.body?.innerText.includes('お預かりしました') ?? false").await;
    assert_eq!(
        browser.eval("document.querySelectorAll('dialog').length"),
        0,
        "what says that it was kept is no copy"
    );

    origin.heal().await;
    edge.until("up").await;
    browser.open(&at("/sjis")).await;
    assert_eq!(
        browser.eval("document.querySelectorAll('dialog').length"),
        0,
        "the site is back, and nothing is left"
    );
}
