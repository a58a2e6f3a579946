//! Practised outages: for one browser by a link, and for all visitors for some time.

use http_body_util::Full;
use katahai::clock;
use katahai::snapshot::{Class, Notes, Page as Stored, Store};
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::faults::Refuse;
use crate::support::fixture::{self, SEEN, SIGNUP, UNOPENED};
use crate::support::process::Said;
use crate::support::turn;
use crate::support::{Answer, Config, Edge, Origin, Page, eventually, secs};

const BAR: &str = "class=\"katahai-preview\"";
const DOOR: &str = "/.well-known/katahai/preview";

fn config(origin: &Origin) -> Config {
    Config::before(&origin.url()).form(&format!("path = \"{SIGNUP}\""))
}

async fn shop() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(config(&origin)).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    (origin, edge)
}

/// A link from the command line: its token.
async fn token(edge: &Edge, args: &[&str]) -> String {
    let said = edge.cli(&[&["drill", "preview", "shop"], args].concat()).await.must_be_ok();
    let link = said.out.trim().to_owned();
    let at = format!("http://www.example.test:{}{DOOR}?token=", edge.http().port());
    link.strip_prefix(&at).unwrap_or_else(|| panic!("{link} is not at {at}")).to_owned()
}

/// A browser's request in a preview.
async fn look(edge: &Edge, token: &str, target: &str) -> Answer {
    let cookie = format!("a=1; katahai_preview={token}; b=2");
    edge.client().get_with(target, &[("cookie", &cookie), ("accept", "text/html")]).await
}

/// A browser's request without one.
async fn visit(edge: &Edge, target: &str) -> Answer {
    edge.client().get_with(target, &[("accept", "text/html")]).await
}

fn must_be_preview(answer: &Answer) {
    assert!(answer.text().contains(BAR), "{} {}", answer.status, answer.text());
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert!(answer.header("vary").unwrap().to_ascii_lowercase().contains("cookie"));
    assert_eq!(answer.header("etag"), None);
}

async fn forms(edge: &Edge) -> usize {
    let answer = edge.admin().get("/api/v1/sites/shop/forms").await;
    let list: Value = serde_json::from_slice(&answer.body).unwrap();
    list["forms"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_browser_sees_copies_while_another_sees_the_live_site() {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    let config = config(&origin).flag("--access-log", &log.display().to_string());
    let edge = Edge::start_in(dir, config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    fixture::stock(&origin, 2);

    let token = token(&edge, &["--path", "/about?x=1"]).await;
    let entered = edge.client().get(&format!("{DOOR}?token={token}")).await;
    assert_eq!((entered.status, entered.header("location")), (303, Some("/about?x=1")));
    let cookie = entered.header("set-cookie").unwrap().to_owned();
    assert!(cookie.starts_with(&format!("katahai_preview={token}; Path=/; Max-Age=")), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax"), "{cookie}");
    assert_eq!(entered.header("cache-control"), Some("private, no-store"));
    assert_eq!(entered.header("referrer-policy"), Some("no-referrer"));

    origin.forget();
    let before = edge.site().await["answers"]["all"].clone();
    for target in ["/", SEEN, UNOPENED, "/never-seen", "/style.css"] {
        let shown = look(&edge, &token, target).await;
        let is_page = shown.header("content-type").unwrap().starts_with("text/html");
        assert_eq!(shown.text().contains(BAR), is_page, "{target}: {}", shown.text());
        assert_eq!(shown.header("cache-control"), Some("private, no-store"), "{target}");
        assert_eq!(shown.status, if target == "/never-seen" { 503 } else { 200 }, "{target}");
    }
    must_be_preview(&look(&edge, &token, SEEN).await);
    // a tool's way; the answer is the copy itself where no window asks
    let tool = edge.client().get_with(SEEN, &[("katahai-preview", &token), ("accept", "*/*")]).await;
    assert!(tool.is_from_snapshot(), "{}", tool.cache_status());
    let site = edge.site().await;
    assert_eq!(site["answers"]["all"], before, "nobody has counted them");
    assert_eq!(site["without_copy"], json!([]), "nor what they missed");
    assert_eq!(site["state"], "up");
    assert_eq!(origin.visits(), 0, "the origin was not asked: {:?}", origin.asked());

    visit(&edge, SEEN).await.must_be(&origin.content(SEEN).body);
    eventually("lines of the log", secs(20), async || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let has = |part: &str, end: &str| text.lines().any(|line| line.contains(part) && line.ends_with(end));
        let all = has("www.example.test/never-seen ", " preview") && has(&format!("{DOOR} "), " preview");
        assert!(!text.contains(&token), "a token in the log: {text}");
        all.then_some(())
    })
    .await;

    let left = edge.client().get(&format!("{DOOR}/end")).await;
    assert_eq!((left.status, left.header("location")), (303, Some("/")));
    assert!(left.header("set-cookie").unwrap().starts_with("katahai_preview=; Path=/; Max-Age=0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_token_shows_the_site_and_never_gets_to_the_origin() {
    let (origin, edge) = shop().await;
    let good = token(&edge, &[]).await;
    origin.forget();
    let mut random = fastrand::Rng::with_seed(7);
    let mut session = edge.client().session().await.unwrap();
    let mut second = edge.client().h2().session().await.unwrap();
    for n in 0..300 {
        let mut garbage = good.clone().into_bytes();
        for _ in 0..=random.usize(0..4) {
            let at = random.usize(0..garbage.len());
            garbage[at] = *random.choice(b"ABCxyz012-_.=~!%\t").unwrap();
        }
        garbage.truncate(garbage.len() - random.usize(0..3) * random.usize(0..20));
        if garbage == good.as_bytes() {
            continue;
        }
        let garbage = String::from_utf8(garbage).unwrap();
        let (h2, target) = (n % 2 == 1, format!("/about?n={n}"));
        let client = if h2 { edge.client().h2() } else { edge.client() };
        let ask = client.ask("GET", &target).header("accept", "text/html");
        let by_field = n % 3 == 0;
        let request = if by_field {
            ask.header("katahai-preview", &garbage)
        } else {
            ask.header("cookie", format!("a=1; katahai_preview={garbage}")).header("cookie", "b=2")
        };
        let request = request.body(Full::default()).unwrap();
        let answer = if h2 { second.send(request).await } else { session.send(request).await };
        let answer = answer.unwrap_or_else(|error| panic!("{garbage:?}: {error}"));
        assert_eq!(answer.status, if by_field { 403 } else { 200 }, "{garbage:?}: {}", answer.text());
        assert!(!answer.text().contains(BAR), "{garbage:?}");
        if by_field {
            assert_eq!(answer.header("cache-control"), Some("private, no-store"));
        }
    }
    let asked = origin.asked();
    assert!(asked.iter().any(|asked| asked.target.starts_with("/about")), "the live site was asked");
    for asked in asked {
        assert_eq!(asked.header("katahai-preview"), None);
        assert!(!asked.header("cookie").unwrap_or_default().contains("katahai"), "{asked:?}");
        assert!(!asked.target.contains("katahai"), "{asked:?}");
    }
    // a host that is no site's, and another spelling of the address: the token stands in no log
    let stranger = edge.client().host("stranger.example");
    stranger.get(&format!("{DOOR}?token={good}")).await;
    edge.client().get(&format!("/.well-known/./katahai/pr%65view?token={good}")).await;
    edge.until_logged(&["stranger.example", DOOR]).await;
    assert!(!edge.log().iter().any(|line| line.contains(&good)), "{:#?}", edge.log());
    for target in [DOOR.to_owned(), format!("{DOOR}?token="), format!("{DOOR}?token={good}x")] {
        let refused = edge.client().get_with(&target, &[("accept-language", "en")]).await;
        assert_eq!((refused.status, refused.header("set-cookie")), (403, None), "{target}");
        assert!(refused.text().contains("ask whoever gave it to you for a new one"), "{}", refused.text());
    }
    assert_eq!(edge.client().get(&format!("{DOOR}/other")).await.status, 404);
    assert_eq!(edge.client().post(DOOR, "").await.status, 405);
    assert_eq!(origin.count(DOOR), 0);
    // kept-alive connections change from one to the other
    for n in 0..4 {
        let ask = edge.client().ask("GET", "/").header("accept", "text/html");
        let ask = if n % 2 == 0 { ask.header("cookie", format!("katahai_preview={good}")) } else { ask };
        let answer = session.send(ask.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(answer.text().contains(BAR), n % 2 == 0, "request {n}");
        // browsers send each cookie in a field of its own
        let ask = edge.client().h2().ask("GET", "/").header("accept", "text/html").header("cookie", "a=1");
        let ask = if n % 2 == 0 { ask.header("cookie", format!("katahai_preview={good}")) } else { ask };
        let answer = second.send(ask.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(answer.text().contains(BAR), n % 2 == 0, "request {n} over HTTP/2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_previews_nor_live_answers_get_into_the_others_place() {
    let (origin, edge) = shop().await;
    let html = "<!doctype html><html lang=en><title>kept</title><h1>Kept for long</h1>";
    let page = || Page::html(html).header("cache-control", "public, max-age=600").header("etag", "\"one\"");
    origin.page("/kept", page());
    let token = token(&edge, &[]).await;
    // first the preview: there is no copy yet, and it leaves none
    assert_eq!(look(&edge, &token, "/kept").await.status, 503);
    visit(&edge, "/kept").await.must_be(html.as_bytes());
    let hit = eventually("a hit", secs(20), async || {
        let answer = visit(&edge, "/kept").await;
        answer.cache_status().contains("hit").then_some(answer)
    })
    .await;
    hit.must_be(html.as_bytes());
    // then the cached one, in a preview: with the bar, and whatever the browser has of it
    for fields in [vec![], vec![("if-none-match", "\"one\"")], vec![("accept-encoding", "gzip")]] {
        let cookie = format!("katahai_preview={token}");
        let fields = [&fields[..], &[("cookie", &*cookie), ("accept", "text/html")]].concat();
        let shown = edge.client().get_with("/kept", &fields).await;
        assert_eq!(shown.status, 200, "{fields:?}");
        must_be_preview(&shown);
        assert!(shown.text().contains("Kept for long"));
        assert_eq!(shown.header("content-length").unwrap(), shown.body.len().to_string());
    }
    let again = visit(&edge, "/kept").await;
    again.must_be(html.as_bytes());
    assert!(again.cache_status().contains("hit"), "{}", again.cache_status());
    assert_eq!(again.header("cache-control"), Some("public, max-age=600"));
    assert_eq!(origin.count("/kept"), 1);
    let head = edge.client().ask("HEAD", SEEN).header("cookie", format!("katahai_preview={token}"));
    let head = edge.client().send(head.body(Full::default()).unwrap()).await.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_sent_in_a_preview_is_neither_kept_nor_sent() {
    let (origin, edge) = shop().await;
    let token = token(&edge, &[]).await;
    origin.forget();
    for (path, body, status, expected) in [
        (SIGNUP, "name=Hanako&mail=hanako@example.jp", 202, "this form would have been kept"),
        (SIGNUP, "name=Hanako&password=secret", 503, "this form would not have been kept"),
        ("/order", "name=Hanako", 503, "[[site.form]]"),
    ] {
        let ask = edge.client().ask("POST", path).header("cookie", format!("katahai_preview={token}"));
        let ask = ask.header("accept", "text/html").header("accept-language", "en");
        let ask = ask.header("content-type", "application/x-www-form-urlencoded");
        let answer = edge.client().send(ask.body(Full::from(body)).unwrap()).await.unwrap();
        assert_eq!(answer.status, status);
        assert!(answer.text().contains(expected), "{path} {body}: {}", answer.text());
        must_be_preview(&answer);
    }
    assert_eq!((origin.visits(), forms(&edge).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_looked_at_before_it_is_in_service() {
    let (origin, edge) = shop().await;
    let old = edge.snapshot_id().await.unwrap();
    let before = origin.content(SEEN).body.clone();
    fixture::stock(&origin, 2);
    let new = edge.take_snapshot().await;
    edge.cli(&["snapshot", "rollback"]).await.must_be_ok();
    assert_eq!(edge.snapshot_id().await.as_ref(), Some(&old));
    // held by a rule, by another process
    let store = Store::open(&edge.state_dir(), "shop").unwrap();
    let staging = store.begin(clock::now(), "crawl").unwrap();
    let (key, class, taken_at) = ("/only-here".to_owned(), Class::Page, clock::now().wall);
    let page = Stored {
        key,
        status: 200,
        headers: Vec::new(),
        body: None,
        len: 0,
        taken_at,
        class,
        notes: Notes::default(),
    };
    staging.add(page).unwrap();
    let held =
        staging.hold(clock::now(), &json!({}), &["shrunk: one page".to_owned()]).unwrap().id().to_string();
    eventually("the held one is known", secs(20), async || {
        (edge.site().await["held"].to_string().contains(&held)).then_some(())
    })
    .await;

    let (of_service, of_new) = (token(&edge, &[]).await, token(&edge, &["--snapshot", &new]).await);
    let of_held = token(&edge, &["--snapshot", "latest"]).await;
    let shown = |token: String| {
        let edge = &edge;
        async move { edge.client().get_with(SEEN, &[("katahai-preview", &token), ("accept", "*/*")]).await }
    };
    shown(of_service.clone()).await.must_be(&before);
    shown(of_new.clone()).await.must_be(&origin.content(SEEN).body);
    let bar = look(&edge, &of_new, SEEN).await;
    assert!(bar.text().contains("not in service"), "{}", bar.text());
    let only = edge.client().get_with("/only-here", &[("katahai-preview", &of_held)]).await;
    assert!(only.status == 200 && only.is_from_snapshot(), "{} {}", only.status, only.cache_status());
    assert_eq!(shown(of_held.clone()).await.status, 503, "only what that snapshot has");
    assert_eq!(edge.client().get_with("/only-here", &[("katahai-preview", &of_new)]).await.status, 503);

    let said = edge.cli(&["drill", "preview", "shop", "--snapshot", "20200101T000000Z-000099"]).await;
    assert!(said.code == 1 && said.err.contains("there is no snapshot"), "{}{}", said.out, said.err);
    for args in [&["--for", "25h"][..], &["--for", "soon"], &["--path", "//evil.example"], &["--host", "a b"]]
    {
        let said: Said = edge.cli(&[&["drill", "preview", "shop"], args].concat()).await;
        assert!(said.code == 1 && said.err.len() > 30, "{args:?}: {}{}", said.out, said.err);
    }
}

/// Who may only read gives out no links; and a token is for its site.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_for_one_site_and_survives_a_kill() {
    let (first, second) = (fixture::shop().await, fixture::shop().await);
    let other = crate::support::Site::new().set("name", "other").set("hosts", ["other.example.test"]);
    let config = config(&first).and(other.origin(&second.url()));
    let mut edge = Edge::start(config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let token = token(&edge, &[]).await;
    let elsewhere = edge.client().host("other.example.test");
    assert_eq!(elsewhere.get_with("/", &[("katahai-preview", &token)]).await.status, 403);
    let key = edge.state_dir().join("preview.key");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&key).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    edge.kill();
    edge.restart().await;
    edge.until("up").await;
    must_be_preview(&look(&edge, &token, SEEN).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_for_all_ends_by_itself_by_command_and_survives_a_kill() {
    let (origin, mut edge) = shop().await;
    let drill = async |edge: &Edge, args: &[&str]| edge.cli(&[&["drill"], args].concat()).await;
    let without = drill(&edge, &["everyone", "shop"]).await;
    assert!(without.code == 2 && without.err.contains("--for"), "{}", without.err);
    let long = drill(&edge, &["everyone", "shop", "--for", "3h"]).await;
    assert!(long.code == 1 && long.err.contains("at most 2h"), "{}", long.err);
    let none = drill(&edge, &["end", "shop"]).await;
    assert!(none.code == 1 && none.err.contains("there is no drill"), "{}", none.err);

    fixture::stock(&origin, 2);
    let begun = drill(&edge, &["everyone", "shop", "--for", "1h", "--reason", "practice"]).await.must_be_ok();
    assert!(begun.out.contains("katahai drill end shop"), "{}", begun.out);
    let site = edge.site().await;
    assert_eq!((&site["mode"], &site["drill"]), (&json!("hold_snapshot"), &json!(true)));
    assert!(edge.get(SEEN).await.is_from_snapshot());
    // a visitor's form is kept, and goes to the site when the drill is over
    origin.forget();
    let kept = edge.client().post(SIGNUP, "name=Hanako").await;
    assert_eq!((kept.status, forms(&edge).await), (202, 1), "{}", kept.text());

    edge.kill();
    edge.restart().await;
    assert!(edge.get(SEEN).await.is_from_snapshot(), "it goes on after a kill");
    assert_eq!(edge.site().await["drill"], true);
    edge.until("up").await;
    // a check may have asked for the page of the form
    assert!(!origin.asked().iter().any(|asked| asked.method == "POST"), "{:?}", origin.asked());
    drill(&edge, &["end", "shop"]).await.must_be_ok();
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    assert_eq!(origin.posted(SIGNUP).await.body, "name=Hanako");
    edge.kill();
    edge.restart().await;
    edge.until("up").await;
    assert_eq!((&edge.site().await["drill"], &edge.site().await["mode"]), (&json!(false), &json!("auto")));

    drill(&edge, &["everyone", "shop", "--for", "2s"]).await.must_be_ok();
    eventually("it ends by itself", secs(20), async || (edge.site().await["mode"] == "auto").then_some(()))
        .await;
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    // another word of the operator ends it for good
    drill(&edge, &["everyone", "shop", "--for", "1h"]).await.must_be_ok();
    edge.cli(&["hold", "off", "shop"]).await.must_be_ok();
    assert!(!edge.state_dir().join("drills/shop.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_that_would_do_harm_is_refused() {
    let origin = fixture::shop().await;
    origin.fail(Refuse).await;
    let bare = Edge::start(config(&origin)).await;
    let said = bare.cli(&["drill", "everyone", "shop", "--for", "10m", "--anyway"]).await;
    assert!(said.code == 1 && said.err.contains("has no snapshot"), "{}{}", said.out, said.err);
    drop(bare);
    let (origin, edge) = shop().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let said = edge.cli(&["drill", "everyone", "shop", "--for", "10m"]).await;
    assert!(said.code == 1 && said.err.contains("--anyway"), "{}{}", said.out, said.err);
    edge.cli(&["drill", "everyone", "shop", "--for", "10m", "--anyway"]).await.must_be_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bar_is_seen_under_a_strict_policy_and_leads_out() {
    let _alone = turn::alone();
    let origin = fixture::shop().await;
    for (path, policy) in
        [("/free", ""), ("/strict", "default-src 'self'; style-src 'self'; script-src 'none'")]
    {
        let html = "<!doctype html><html lang=ja><title>店</title><style>aside{display:none!important}a{color:#fff!important}</style>\
                    <h1>みなと珈琲</h1><p>いらっしゃいませ</p>";
        let page = Page::html(html);
        origin.page(
            path,
            if policy.is_empty() { page } else { page.header("content-security-policy", policy) },
        );
    }
    origin.page("/about", Page::html("<p><a href=/free>a</a> <a href=/strict>b</a></p>"));
    let config = config(&origin).site("hosts", ["localhost"]).site("notice.banner", "auto");
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let mut browser = Browser::start();
    for (path, shot) in [("/free", "preview-free"), ("/strict", "preview-strict")] {
        let said = edge.cli(&["drill", "preview", "shop", "--path", path]).await.must_be_ok();
        let went = browser.call("Page.navigate", json!({ "url": said.out.trim() }));
        assert!(went["errorText"].is_null(), "{went}");
        browser.until(&format!("location.pathname === '{path}' && document.readyState === 'complete'")).await;
        for (width, height) in [(390, 844), (1280, 800)] {
            browser.resize(width, height);
            let seen = "(() => { const r = document.querySelector('.katahai-preview').getBoundingClientRect(); \
                        return r.width > 200 && r.height > 20 && r.left >= 0 && r.right <= innerWidth + 20; })()";
            if path == "/free" {
                browser.shoot(&format!("{shot}-{width}"));
            }
            assert_eq!(browser.eval(seen), true, "{path} at {width}");
            let text = browser.eval("document.querySelector('.katahai-preview').innerText");
            assert!(text.as_str().unwrap().contains("プレビュー"), "{text}");
            browser.shoot(&format!("{shot}-{width}"));
        }
    }
    browser.eval("document.querySelector('.katahai-preview a').click()");
    browser.until("location.pathname === '/' && document.readyState === 'complete'").await;
    assert_eq!(browser.eval("document.querySelector('.katahai-preview')"), Value::Null);
}
