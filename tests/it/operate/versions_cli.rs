//! Snapshots from the operator's side: named, compared, published, gone back to, pinned, removed and repaired, by the
//! command line and the API, with an instance and without one; and what the dashboard's buttons do in a browser.

use serde_json::{Value, json};

use crate::support::faults::Refuse;
use crate::support::process::Said;
use crate::support::{Answer, Config, Edge, Origin, Page, eventually, fixture, secs};

/// A shop with as many snapshots as it has had versions; their ids, the oldest first.
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

fn list(said: &Said) -> Vec<Value> {
    said.json().as_array().expect("a list").clone()
}

fn of<'a>(list: &'a [Value], id: &str) -> &'a Value {
    list.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("no {id} in {list:?}"))
}

/// Runs a command with the instance if it lives, else without.
async fn cli(edge: &Edge, lives: bool, args: &[&str]) -> Said {
    if lives { edge.cli(args).await } else { edge.cli_offline(args).await }
}

#[tokio::test]
async fn versions_are_decided_about_with_and_without_an_instance() {
    for lives in [true, false] {
        let (_origin, mut edge, ids) = shop(3).await;
        if !lives {
            edge.kill();
        }
        let run = async |args: &[&str]| cli(&edge, lives, args).await;
        let current = async || {
            let list = list(&run(&["snapshot", "list", "--json"]).await.must_be_ok());
            let current: Vec<&Value> = list.iter().filter(|row| row["current"] == true).collect();
            assert_eq!(current.len(), 1, "{list:?}");
            current[0]["id"].as_str().unwrap().to_owned()
        };
        let place = if lives { "the instance at" } else { "nothing runs at" };

        let said = run(&["snapshot", "rollback"]).await.must_be_ok();
        assert!(said.out.contains(&ids[1]) && said.out.contains(place), "{}", said.out);
        assert_eq!(current().await, ids[1]);
        let plain = run(&["snapshot", "list"]).await.must_be_ok().out;
        assert!(plain.contains("publish latest"), "it says that new ones wait: {plain}");
        run(&["snapshot", "rollback"]).await.must_be_ok();
        assert_eq!(current().await, ids[0]);
        let none = run(&["snapshot", "rollback"]).await;
        assert_eq!((none.code, current().await), (1, ids[0].clone()), "{}", none.err);

        // by its number, and with the word that new ones may pass again
        run(&["snapshot", "publish", "2"]).await.must_be_ok();
        assert_eq!(current().await, ids[1]);
        run(&["snapshot", "publish", "latest"]).await.must_be_ok();
        assert_eq!(current().await, ids[2]);
        let plain = run(&["snapshot", "list"]).await.must_be_ok().out;
        assert!(!plain.contains("publish latest"), "{plain}");

        run(&["snapshot", "pin", "previous"]).await.must_be_ok();
        let pinned = run(&["snapshot", "remove", &ids[1]]).await;
        assert!(pinned.code == 1 && pinned.err.contains("pinned"), "{}", pinned.err);
        let rows = list(&run(&["snapshot", "list", "--json"]).await.must_be_ok());
        assert_eq!(
            (&of(&rows, &ids[1])["pinned"], &of(&rows, &ids[0])["pinned"]),
            (&json!(true), &json!(false))
        );
        run(&["snapshot", "unpin", "2"]).await.must_be_ok();
        run(&["snapshot", "remove", &ids[1]]).await.must_be_ok();
        let in_service = run(&["snapshot", "remove", "current"]).await;
        assert!(in_service.code == 1 && in_service.err.contains("in service"), "{}", in_service.err);
        assert_eq!(list(&run(&["snapshot", "list", "--json"]).await.must_be_ok()).len(), 2);

        let year = run(&["snapshot", "show", &ids[0][..4]]).await;
        assert!(year.code == 1 && year.err.contains("may mean"), "{}", year.err);
        let gone = run(&["snapshot", "publish", &ids[1]]).await;
        assert!(gone.code == 1 && gone.err.contains("there is no snapshot"), "{}", gone.err);
    }
}

#[tokio::test]
async fn two_versions_are_compared() {
    let origin = fixture::shop().await;
    origin.page("/sjis", sjis("花見の宴"));
    origin.page(
        "/about",
        Page::html("<p>see <a href=/sjis>this</a> and <a href=/leaving>that</a></p>\n<p>one</p>\n"),
    );
    origin.page("/leaving", Page::html("<title>bye</title>goodbye"));
    let edge = Edge::start(Config::before(&origin.url())).await;
    let first = edge.until_snapshot().await;
    origin.page("/sjis", sjis("月見の宴"));
    origin.page(
        "/about",
        Page::html("<p>see <a href=/sjis>this</a> and <a href=/coming>that</a></p>\n<p>one</p>\n"),
    );
    origin.page("/coming", Page::html("<title>hello</title>hello"));
    origin.page("/img/logo.svg", Page::new("image/svg+xml", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"));
    origin.page("/img/paper.png", Page::new("image/png", fixture::noise(999, 7)));
    let second = edge.take_snapshot().await;

    let found = edge.cli(&["snapshot", "diff", "previous", "current", "--json"]).await.must_be_ok().json();
    assert_eq!((&found["from"], &found["to"]), (&json!(first), &json!(second)));
    let keys = |kind: &str| -> Vec<String> {
        found[kind]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["key"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(keys("added"), ["/coming"]);
    assert_eq!(keys("changed"), ["/about", "/img/logo.svg", "/img/paper.png", "/sjis"]);
    assert_eq!(found["counts"]["changed"], 4);
    let plain = edge.cli(&["snapshot", "diff", &first, &second]).await.must_be_ok().out;
    assert!(plain.contains("4  changed") && plain.contains("added    /coming"), "{plain}");

    let page = async |path: &str| edge.cli(&["snapshot", "diff", &first, &second, path]).await;
    let text = page("/sjis").await.must_be_ok().out;
    assert!(text.contains("-<p>花見の宴") && text.contains("+<p>月見の宴"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours without a terminal: {text}");
    let image = page("/img/paper.png").await.must_be_ok().out;
    assert!(image.contains("not text") && image.contains("999 B"), "{image}");
    let same = page("/signup").await.must_be_ok().out;
    assert!(same.contains("the text is the same"), "{same}");
    let nowhere = page("/nowhere").await;
    assert!(nowhere.code == 1 && nowhere.err.contains("/nowhere"), "{}", nowhere.err);
}

fn sjis(text: &str) -> Page {
    let html = format!("<title>宴</title>\n<p>{text}</p>\n");
    let (bytes, ..) = encoding_rs::SHIFT_JIS.encode(&html);
    Page::new("text/html; charset=Shift_JIS", bytes.into_owned())
}

/// Sends, with the errors' shape looked at.
async fn api(edge: &Edge, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = edge.admin().ask(method, &format!("/api/v1/sites/shop/snapshots{path}"));
    let answer: Answer = edge.admin().send(request.body(body.to_owned().into()).unwrap()).await.unwrap();
    let value: Value =
        serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.text()));
    if answer.status >= 400 {
        let error = &value["error"];
        assert!(error["code"].is_string() && error["message"].is_string(), "{method} {path}: {value}");
    }
    (answer.status, value)
}

#[tokio::test]
async fn the_api_says_no_with_the_right_status() {
    let (_origin, edge, ids) = shop(2).await;
    let old = &ids[0];
    for (method, path, body, status, code) in [
        ("GET", "/20000101T000000Z-000001", "", 404, "unknown-snapshot"),
        ("POST", "/20000101T000000Z-000001/publish", "", 404, "unknown-snapshot"),
        ("POST", "/..%2F..%2Fetc/pin", "", 404, "unknown-snapshot"),
        ("DELETE", "/current", "", 409, "in-service"),
        ("GET", "/20", "", 409, "ambiguous-snapshot"),
        ("POST", &format!("/{old}/publish"), "{\"anyway\":1}", 422, "invalid-request"),
        ("POST", &format!("/{old}/pin"), "{\"pin\":true}", 422, "invalid-request"),
        ("GET", &format!("/{old}/diff?from=x"), "", 422, "invalid-request"),
        ("GET", &format!("/{old}/diff?to=current&path=/nowhere"), "", 404, "unknown-page"),
        ("PUT", &format!("/{old}/pin"), "", 405, "method-not-allowed"),
    ] {
        let (got, value) = api(&edge, method, path, body).await;
        assert_eq!((got, &value["error"]["code"]), (status, &json!(code)), "{method} {path}: {value}");
    }
    for (method, path) in [("POST", "/rollback".to_owned()), ("DELETE", format!("/{old}"))] {
        let path = format!("/api/v1/sites/shop/snapshots{path}");
        let request = edge.admin().ask(method, &path).header("origin", "https://elsewhere.example");
        let answer = edge.admin().send(request.body(Default::default()).unwrap()).await.unwrap();
        assert_eq!(answer.status, 403, "a page of another site may not {method} {path}");
    }
    assert_eq!(api(&edge, "POST", &format!("/{old}/pin"), "").await.0, 200);
    assert_eq!(api(&edge, "DELETE", &format!("/{old}"), "").await.1["error"]["code"], "pinned");
    assert_eq!(edge.site().await["pinned"], json!([old]));
    let (_, back) = api(&edge, "POST", "/rollback", "").await;
    assert_eq!((&back["snapshot"]["id"], back["by_hand"].is_string()), (&json!(old), true), "{back}");
    assert_eq!(api(&edge, "POST", "/rollback", "").await.1["error"]["code"], "nothing-older");
    let site = edge.site().await;
    assert_eq!((&site["snapshot"]["id"], &site["by_hand"]), (&json!(old), &back["by_hand"]));
}

#[tokio::test]
async fn new_snapshots_wait_after_somebody_went_back() {
    let (origin, edge, ids) = shop(2).await;
    edge.cli(&["snapshot", "rollback"]).await.must_be_ok();
    fixture::stock(&origin, 3);
    let take = edge.cli(&["snapshot", "take"]).await;
    let site = eventually("a held snapshot in the status", secs(10), async || {
        let site = edge.site().await;
        (site["held"][0]["id"].is_string()).then_some(site)
    })
    .await;
    assert_eq!(site["snapshot"]["id"], json!(ids[0]), "{}{}", take.out, take.err);
    let held = site["held"][0]["id"].as_str().unwrap().to_owned();
    let said = edge.cli(&["status"]).await.must_be_ok().out;
    assert!(said.contains(&format!("{held} is held")) && said.contains("publish latest"), "{said}");
    let metrics = edge.admin().get("/metrics").await.text();
    assert!(metrics.contains("katahai_snapshots_held{site=\"shop\"} 1"), "{metrics}");
    assert!(metrics.contains("katahai_snapshot_by_hand{site=\"shop\"} 1"), "{metrics}");
    // it passed the gate: the word "publish" is enough
    edge.cli(&["snapshot", "publish", "latest"]).await.must_be_ok();
    let site = edge.site().await;
    assert_eq!(
        (&site["snapshot"]["id"], &site["by_hand"], &site["held"]),
        (&json!(held), &Value::Null, &json!([]))
    );
}

/// The human's word: what the gate held back is published only by whoever has read why it was held.
#[tokio::test]
async fn what_the_gate_held_needs_the_humans_word() {
    let (origin, edge, ids) = shop(1).await;
    origin.page("/signup", Page::html("no").status(404));
    let take = edge.cli(&["snapshot", "take"]).await;
    assert!(take.code == 1 && take.err.contains("key-page: /signup"), "{}{}", take.out, take.err);
    let held = edge.site().await["held"][0]["id"].as_str().expect("a held snapshot").to_owned();
    assert!(take.err.contains(&held), "{}", take.err);
    let refused = edge.cli(&["snapshot", "publish", &held]).await;
    assert!(refused.code == 1 && refused.err.contains("key-page: /signup"), "{}", refused.err);
    assert!(refused.err.contains("--anyway"), "{}", refused.err);
    let (status, error) = api(&edge, "POST", &format!("/{held}/publish"), "{\"anyway\":false}").await;
    assert_eq!((status, &error["error"]["code"]), (409, &json!("held")));
    assert!(error["error"]["reasons"][0].as_str().unwrap().starts_with("key-page"), "{error}");
    let latest = edge.cli(&["snapshot", "publish", "latest"]).await.must_be_ok();
    assert!(latest.out.contains(&ids[0]), "the newest that passed: {}", latest.out);
    let list = edge.cli(&["snapshot", "list"]).await.must_be_ok().out;
    assert!(list.contains("held: key-page"), "{list}");
    let report = edge.cli(&["snapshot", "show", &held, "--report"]).await.must_be_ok().out;
    assert!(report.contains("IT DID NOT PASS THE GATE"), "{report}");
    edge.cli(&["snapshot", "publish", &held, "--anyway"]).await.must_be_ok();
    let site = edge.site().await;
    assert_eq!((&site["snapshot"]["id"], &site["held"]), (&json!(held), &json!([])));
}

#[tokio::test]
async fn what_another_process_does_is_noticed() {
    let (_origin, edge, ids) = shop(2).await;
    let dir = edge.state_dir().display().to_string();
    let said = edge.cli(&["snapshot", "publish", "previous", "--state-dir", &dir]).await.must_be_ok();
    assert!(said.out.contains("itself"), "{}", said.out);
    eventually("the instance follows", secs(10), async || {
        (edge.snapshot_id().await.as_ref() == Some(&ids[0])).then_some(())
    })
    .await;
    assert!(edge.site().await["by_hand"].is_string());
}

#[tokio::test]
async fn a_report_tells_owners_what_to_mend() {
    let origin = fixture::shop().await;
    origin.page("/about", Page::html("<p>see <a href=/gone-away>this</a> and <img src=/img/lost.png></p>"));
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    let said = edge.cli(&["snapshot", "show", "--report"]).await.must_be_ok().out;
    let line = said.lines().find(|line| line.contains("/gone-away")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.trim().starts_with("/about") && line.contains("404"), "{said}");
    assert!(said.contains("THE SLOWEST") && said.contains("/img/lost.png"), "{said}");
    let shown = edge.cli(&["snapshot", "show", "current", "--pages", "--json"]).await.must_be_ok().json();
    assert!(shown["entries"].as_array().unwrap().iter().any(|entry| entry["key"] == "/about"));
    assert!(shown["report"]["refusals"]["not-found"]["count"].as_u64().unwrap() >= 2, "{}", shown["report"]);
    let pages = edge.cli(&["snapshot", "show", "--pages"]).await.must_be_ok().out;
    assert!(pages.lines().any(|line| line.starts_with("200") && line.ends_with(" /about")), "{pages}");
}

/// Without an instance, a damaged page is mended from the version before.
#[tokio::test]
async fn damage_is_repaired_from_other_versions() {
    let (origin, mut edge, _) = shop(1).await;
    let old = origin.content("/about").body;
    fixture::stock(&origin, 2);
    let second = edge.take_snapshot().await;
    let new = origin.content("/about").body;
    edge.kill();
    origin.fail(Refuse).await;
    let blobs = fixture::files(&edge.state_dir().join("blobs"));
    let blob =
        blobs.into_iter().find(|file| std::fs::read(file).unwrap() == new).expect("the blob of a page");
    std::fs::write(&blob, &new[..new.len() / 2]).unwrap();
    let said = edge.cli_offline(&["snapshot", "verify", "--repair", "--json"]).await.must_be_ok();
    let found = &said.json()[0];
    assert_eq!(
        (&found["id"], &found["repair"]["replaced"], &found["repair"]["lost"]),
        (&json!(second), &json!(1), &json!(0))
    );
    let mended = found["repair"]["snapshot"].as_str().expect("a new snapshot").to_owned();
    edge.restart().await;
    assert_eq!(edge.snapshot_id().await, Some(mended.clone()));
    edge.until("down").await;
    edge.get("/about").await.must_be(&old);
    edge.cli(&["snapshot", "verify", &mended]).await.must_be_ok();
    let plain = edge.cli(&["snapshot", "verify", "--repair"]).await.must_be_ok().out;
    assert!(plain.contains(": whole"), "{plain}");
}

#[tokio::test]
async fn trouble_is_told_until_it_is_mended() {
    let (origin, edge, _) = shop(1).await;
    assert_eq!(edge.site().await["troubles"], json!([]));
    let page = origin.content("/about").body;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let blobs = fixture::files(&edge.state_dir().join("blobs"));
    let blob =
        blobs.into_iter().find(|file| std::fs::read(file).unwrap() == page).expect("the blob of a page");
    std::fs::write(&blob, &page[..page.len() / 2]).unwrap();
    edge.get("/about").await;
    let told = async |kind: &str| {
        eventually(&format!("the trouble {kind}"), secs(10), async || {
            let troubles = edge.site().await["troubles"].clone();
            let found = troubles.as_array().unwrap().iter().find(|trouble| trouble["kind"] == kind).cloned();
            found.map(|trouble| trouble["message"].as_str().unwrap().to_owned())
        })
        .await
    };
    let message = told("damaged").await;
    assert!(message.contains("--repair"), "{message}");
    let status = edge.cli(&["status"]).await.must_be_ok().out;
    assert!(status.contains(&message), "{status}");
    let metrics = edge.admin().get("/metrics").await.text();
    let line = "katahai_snapshot_troubles{kind=\"damaged\",site=\"shop\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    let before = edge.snapshot_id().await;
    std::fs::remove_dir_all(edge.state_dir().join("snapshots")).unwrap();
    told("gone").await;
    assert_eq!(edge.snapshot_id().await, before, "what is open still serves");
    edge.get("/signup").await.must_be(&origin.content("/signup").body);
}
