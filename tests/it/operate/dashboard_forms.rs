//! The dashboard's forms in a real browser: what is kept, what one holds and to whom that is shown, the decisions, and what to
//! write so that more of them are kept.

use http_body_util::Full;

use crate::support::browser::Browser;
use crate::support::faults::{Refuse, ResetInHeaders};
use crate::support::fixture::{self, SIGNUP};
use crate::support::{Config, Edge, Origin, Page, turn};

const NOTICE: &str = "document.getElementById('notice').textContent";
/// What a visitor has written.
const WRITTEN: &str = "<img src=x onerror=alert(1)> hanako@example.jp";
const TWO_FORMS: &str = "<title>Write</title><h1>Contact</h1>\
     <form method=post action=/contact><input name=email type=email><textarea name=message></textarea><button>Send</button></form>\
     <form method=post action=/login><input name=user><input name=pw type=password><button>Log in</button></form>";

/// A shop with one kept form that waits, and one that may have arrived; the first has what is written in it.
async fn shop(dir: tempfile::TempDir, config: impl FnOnce(Config) -> Config) -> (Origin, Edge, [String; 2]) {
    let origin = fixture::shop().await;
    origin.page("/about", Page::html("<h1>About</h1><p><a href=/write>write</a>"));
    origin.page("/write", Page::html(TWO_FORMS));
    let form = format!("path = \"{SIGNUP}\"\nmost_per_client = \"off\"");
    let base = Config::before(&origin.url()).site("health.interval", "100ms").form(&form);
    let edge = Edge::start_in(dir, config(base)).await;
    // By its file: the API of one of these shops wants a token.
    crate::support::eventually("a snapshot", crate::support::secs(20), async || {
        edge.state_dir().join("snapshots/shop/current").exists().then_some(())
    })
    .await;
    origin.fail_under(SIGNUP, ResetInHeaders).await;
    send(&edge, "name=Jiro").await;
    origin.fail(Refuse).await;
    edge.until_logged(&["to=\"down\""]).await;
    let encoded: String = url::form_urlencoded::byte_serialize(WRITTEN.as_bytes()).collect();
    send(&edge, &format!("name=Hanako&mail={encoded}")).await;
    let names = std::fs::read_dir(edge.state_dir().join("forms/shop")).unwrap();
    let names: Vec<String> = names.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let id = |is_doubtful: bool| {
        let name = names.iter().find(|name| name.contains(".doubtful") == is_doubtful).unwrap();
        name.split('.').next().unwrap().to_owned()
    };
    (origin, edge, [id(false), id(true)])
}

async fn send(edge: &Edge, body: &str) {
    let kind = "application/x-www-form-urlencoded";
    let request = edge.client().ask("POST", SIGNUP).header("content-type", kind);
    let answer = edge.client().send(request.body(Full::from(body.to_owned())).unwrap()).await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.text());
}

async fn press(browser: &mut Browser, button: &str, answer: Option<&str>) {
    browser.until(&format!("!!document.querySelector('[data-focus=\"{button}\"]:enabled')")).await;
    browser.eval(&format!("document.querySelector('[data-focus=\"{button}\"]').click()"));
    if let Some(answer) = answer {
        browser.until(&format!("document.getElementById('ask').open && document.getElementById('ask-yes').textContent === {answer:?}")).await;
        browser.eval("document.getElementById('ask-yes').click()");
    }
}

fn says(text: &str) -> String {
    format!("document.querySelector('[data-part=forms]')?.innerText.includes({text:?})")
}

fn page(edge: &Edge) -> String {
    format!("http://{}/sites/shop", edge.admin_addr())
}

#[tokio::test]
async fn who_knows_the_token_sees_what_was_written_as_text_and_decides() {
    let _alone = turn::alone();
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "secret-of-this-house\n").unwrap();
    let with = |config: Config| config.set("admin.token_file", token.display().to_string());
    let (_origin, edge, [kept, doubtful]) = shop(dir, with).await;
    let mut browser = Browser::start();
    browser.open(&page(&edge)).await;
    browser.until("!document.getElementById('login').hidden").await;
    browser.eval("document.getElementById('token-text').value = 'secret-of-this-house'");
    browser.eval("document.getElementById('token-send').click()");
    for width in [1200, 390] {
        browser.resize(width, 900);
        browser.until(&says("doubtful")).await;
        let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(wide <= u64::from(width), "{wide} pixels on a screen of {width}");
    }
    assert_eq!(browser.eval("document.body.innerText.includes('hanako')"), false, "it is shown unasked");
    press(&mut browser, &format!("form_show {kept}"), None).await;
    browser.until(&says(WRITTEN)).await;
    assert_eq!(browser.eval("document.querySelectorAll('#main img').length"), 0);
    edge.until_logged(&["audit=true", "read", &kept]).await;
    press(&mut browser, &format!("form_show {kept}"), None).await;
    browser.until(&format!("!{}", says(WRITTEN))).await;
    // what could be kept, ready to be pasted; a login is none of it
    browser.until(&says("path = \"/contact\"")).await;
    assert_eq!(browser.eval(&says("path = \"/login\"")), false);
    press(&mut browser, &format!("form_deliver {doubtful}"), Some("Deliver it")).await;
    browser.until(&format!("{NOTICE}.includes('will be delivered')")).await;
    press(&mut browser, &format!("form_forget {kept}"), Some("Erase it")).await;
    browser.until(&format!("{NOTICE}.includes('is erased')")).await;
    browser.eval("document.querySelector('[data-language=ja]').click()");
    browser.until(&says("お預かり中")).await;
    // what the console says of the 401 is the browser's own
    let others = browser.complaints().iter().filter(|complaint| !complaint.contains("401")).count();
    assert_eq!(others, 0, "{:?}", browser.complaints());
}

#[tokio::test]
async fn without_a_token_a_browser_is_not_shown_what_was_written() {
    let _alone = turn::alone();
    let (_origin, edge, [id, _]) = shop(tempfile::tempdir().unwrap(), |config| config).await;
    let mut browser = Browser::start();
    browser.open(&page(&edge)).await;
    press(&mut browser, &format!("form_show {id}"), None).await;
    browser.until(&format!("{NOTICE}.includes('set admin.token_file')")).await;
    assert_eq!(browser.eval("document.body.innerText.includes('Hanako')"), false);
    // whoever has a shell of this machine has the files, too
    let shown = edge.cli(&["forms", "show", &id]).await.must_be_ok().out;
    assert!(shown.contains("name: Hanako"), "{shown}");
}
