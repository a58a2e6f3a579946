//! Acknowledging alerts, trying the channels, and what `check --online` says of them.

use serde_json::{Value, json};

use crate::support::faults::{Refuse, Status};
use crate::support::process::Said;
use crate::support::{Client, Config, Edge, Origin, Page, eventually, fixture, secs};

async fn receiver() -> Origin {
    let receiver = Origin::start().await;
    receiver.make(|_| Some(Page::html("ok")));
    receiver
}

/// Not that a test has killed the process.
fn is_meant(cause: &Value) -> bool {
    cause["code"] != "unclean-stop"
}

fn messages(receiver: &Origin) -> Vec<Value> {
    let posts = receiver.asked_for("/hook").into_iter().filter(|asked| asked.method == "POST");
    let all = posts.map(|asked| serde_json::from_slice::<Value>(&asked.body).unwrap());
    all.filter(|message| is_meant(&message["cause"])).collect()
}

async fn until_messages(receiver: &Origin, count: usize) -> Vec<Value> {
    let enough = async || Some(messages(receiver)).filter(|found| found.len() >= count);
    eventually(&format!("{count} messages"), secs(30), enough).await
}

async fn beats(receiver: &Origin, count: usize) {
    let before = receiver.count("/beat");
    eventually("heartbeats", secs(30), async || (receiver.count("/beat") >= before + count).then_some(()))
        .await;
}

fn config(origin: &Origin, receiver: &Origin) -> Config {
    Config::before(&origin.url())
        .site("health.interval", "100ms")
        .set("alerts.wait", "0s")
        .set("alerts.repeat", "1s")
        .set("alerts.link", "https://ops.example.jp")
        .set("alerts.heartbeat", format!("{}/beat", receiver.url()))
        .set("alerts.heartbeat_every", "1s")
        .set_toml("alerts.webhook", format!("[\"{}/hook\"]", receiver.url()))
}

/// The path of the link that acknowledges.
fn ack_path(message: &Value) -> String {
    message["ack"].as_str().unwrap().strip_prefix("https://ops.example.jp").unwrap().to_owned()
}

fn said(ended: &Said) -> String {
    format!("{}{}", ended.out, ended.err)
}

async fn acknowledged(edge: &Edge) -> Value {
    let view = edge.cli(&["alerts", "--json"]).await.must_be_ok().json();
    let mut alerts = view["alerts"].as_array().unwrap().iter().filter(|alert| is_meant(&alert["cause"]));
    alerts.next().map(|alert| alert["acknowledged_by"].clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_repeated_until_the_button_behind_its_link_is_pressed_once() {
    let (origin, receiver) = (fixture::shop().await, receiver().await);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "secret\n").unwrap();
    let token = dir.path().join("token").display().to_string();
    let mut edge = Edge::start_in(dir, config(&origin, &receiver).set("admin.token_file", token)).await;
    eventually("the site is up", secs(20), async || {
        (edge.admin().get("/readyz").await.status == 200).then_some(())
    })
    .await;
    origin.fail(Refuse).await;
    let told = until_messages(&receiver, 3).await;
    assert_eq!((&told[0]["event"], &told[1]["event"]), (&json!("begin"), &json!("still")));
    let links: Vec<String> = told.iter().map(ack_path).collect();
    assert_ne!(links[0], links[1], "a token for each message");
    // as from outside: by a name, and without the token of the API
    let visitor = Client::new(edge.admin_addr()).host("ops.example.jp");
    assert_eq!(visitor.get("/api/v1/alerts").await.status, 401);
    for _ in 0..2 {
        let page = visitor.get(&links[0]).await;
        assert_eq!(page.status, 200);
        assert!(
            ["<form method=\"post\">", "refused", "shop"].iter().all(|part| page.text().contains(part)),
            "{}",
            page.text()
        );
        assert!(page.header("content-security-policy").unwrap().contains("form-action 'self'"));
    }
    assert_eq!(visitor.get("/ack/0123456789abcdef0123456789abcdef").await.status, 404);
    assert_eq!(visitor.post("/ack/0123456789abcdef0123456789abcdef", "").await.status, 404);
    assert_eq!(acknowledged(&edge).await, Value::Null, "to look at the page is not to press its button");
    edge.kill();
    edge.restart().await;
    // the tokens are good after a restart, too
    assert_eq!(visitor.post(&links[0], "").await.status, 200);
    assert_eq!(acknowledged(&edge).await, "link");
    for link in &links {
        assert_eq!((visitor.post(link, "").await.status, visitor.get(link).await.status), (404, 404), "once");
    }
    beats(&receiver, 1).await;
    let before = messages(&receiver).len();
    beats(&receiver, 3).await;
    assert_eq!(messages(&receiver).len(), before, "it is not repeated any more");
    origin.heal().await;
    let told = until_messages(&receiver, before + 1).await;
    assert_eq!((&told[before]["event"], &told[before]["ack"]), (&json!("over"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_tried_by_a_command_and_alerts_acknowledged_by_one() {
    let (origin, receiver) = (fixture::shop().await, receiver().await);
    let edge = Edge::start(config(&origin, &receiver)).await;
    edge.until("up").await;
    let tried = edge.cli(&["alerts", "test"]).await.must_be_ok().out;
    assert_eq!(tried, "json 127.0.0.1: arrived\n");
    assert_eq!(until_messages(&receiver, 1).await[0]["event"], "test");
    receiver.fail(Status(403)).await;
    let tried = edge.cli(&["alerts", "test", "--json"]).await;
    assert_eq!((tried.code, &tried.json()["channels"][0]["code"]), (1, &json!("status-403")));
    receiver.fail(Refuse).await;
    let checked = edge.cli(&["check", "--online"]).await;
    assert!(said(&checked).contains("alerts do not reach json 127.0.0.1"), "{}", said(&checked));
    receiver.heal().await;
    receiver.forget();
    let checked = edge.cli(&["check", "--online"]).await;
    assert!(!said(&checked).contains("alerts do not reach"), "{}", said(&checked));
    assert_eq!(messages(&receiver).len(), 0, "nothing is sent by it");

    origin.fail(Refuse).await;
    edge.until("down").await;
    eventually("an alert", secs(20), async || {
        edge.cli(&["alerts", "--json"]).await.json()["alerts"][0].is_object().then_some(())
    })
    .await;
    let none = edge.cli(&["alerts", "ack", "--site", "shop", "--cause", "silent"]).await;
    assert_eq!(none.code, 1, "{}", none.out);
    let done = edge.cli(&["alerts", "ack", "--site", "shop"]).await.must_be_ok().out;
    assert!(done.starts_with("acknowledged 20"), "{done}");
    assert_eq!(acknowledged(&edge).await, "api");
    let again = edge.cli(&["alerts", "ack", "--site", "shop"]).await;
    assert_eq!(again.code, 1);
}
