//! A kept form is handed on to a webhook at once, while the site's server is dead.

use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::faults::{Instead, Refuse};
use crate::support::fixture::{self, SIGNUP};
use crate::support::{Config, Edge, Origin, Page, eventually, secs};

const HOOK: &str = "/hook?key=SECRET";

fn config(origin: &Origin, deliver: &Value) -> Config {
    Config::before(&origin.url())
        .site("failover.recovery_ramp", "0s")
        .site("health.interval", "100ms")
        .form(&format!("path = \"{SIGNUP}\"\nmost_per_client = \"off\"\ndeliver = {deliver}"))
}

async fn hook() -> Origin {
    let hook = Origin::start().await;
    hook.make(|asked| (asked.path() == "/hook").then(|| Page::html("taken")));
    hook
}

async fn send(edge: &Edge, body: &str) {
    let request =
        edge.client().ask("POST", SIGNUP).header("content-type", "application/x-www-form-urlencoded");
    let answer = edge.client().send(request.body(Full::from(body.to_owned())).unwrap()).await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.text());
}

async fn forms(edge: &Edge) -> Vec<Value> {
    let list: Value =
        serde_json::from_slice(&edge.admin().get("/api/v1/sites/shop/forms").await.body).unwrap();
    list["forms"].as_array().unwrap().clone()
}

async fn until(edge: &Edge, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually(what, secs(30), async || Some(forms(edge).await).filter(|forms| is_so(forms))).await
}

fn taken(form: &Value) -> bool {
    form["receipts"][0]["state"] == "taken"
}

fn posted(hook: &Origin) -> Vec<Value> {
    let posts = hook.asked_for("/hook").into_iter().filter(|asked| asked.method == "POST");
    posts.map(|asked| serde_json::from_slice(&asked.body).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_each_form_at_once_and_the_origin_when_it_is_back() {
    let (origin, hook) = (fixture::shop().await, hook().await);
    let url = format!("{}{HOOK}", hook.url());
    let edge = Edge::start(config(&origin, &json!(["origin", url]))).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    send(&edge, "name=Hanako&mail=hanako%40example.jp").await;
    let form = until(&edge, "the webhook has it", |forms| forms.iter().all(taken)).await.remove(0);
    assert_eq!(form["receipts"][0]["to"], "webhook 127.0.0.1");
    assert_eq!(edge.state().await, "down", "it came during the outage");
    let asked = hook.asked_for("/hook").remove(0);
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", HOOK));
    assert_eq!(asked.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(asked.header("idempotency-key"), Some(format!("\"{}\"", form["id"].as_str().unwrap())));
    let json = posted(&hook).remove(0);
    assert_eq!((&json["site"], &json["number"]), (&json!("shop"), &form["number"]));
    assert_eq!(
        json["fields"],
        json!([{ "name": "name", "value": "Hanako" }, { "name": "mail", "value": "hanako@example.jp" }])
    );
    origin.heal().await;
    until(&edge, "the site has it", |forms| forms.iter().all(|form| form["state"] == "delivered")).await;
    let written = edge.cli(&["status", "--json"]).await.must_be_ok().out;
    let told = format!("{written}{}", edge.log().join("\n"));
    assert!(!told.contains("SECRET") && !told.contains("hanako"), "the webhook's key is told: {told}");
    assert_eq!(posted(&hook).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_is_lost_to_a_webhook_that_fails_or_to_a_killed_process() {
    let (origin, hook) = (fixture::shop().await, hook().await);
    let url = format!("{}{HOOK}", hook.url());
    let mut edge = Edge::start(config(&origin, &json!(url))).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    hook.fail(Instead(Page::html("later").status(503))).await;
    for n in 0..5 {
        send(&edge, &format!("n={n}")).await;
    }
    let told = eventually("the status says so", secs(20), async || {
        Some(edge.site().await["recipients"][0].clone()).filter(Value::is_object)
    });
    assert_eq!(told.await["code"], "status-503");
    edge.kill();
    hook.heal().await;
    hook.forget();
    edge.restart().await;
    until(&edge, "the webhook has all", |forms| forms.len() == 5 && forms.iter().all(taken)).await;
    let order: Vec<Value> = posted(&hook).iter().map(|form| form["fields"][0]["value"].clone()).collect();
    assert_eq!(order, ["0", "1", "2", "3", "4"]);
    // with nobody else to get them, that is their end: the site never sees them
    until(&edge, "they are over", |forms| forms.iter().all(|form| form["state"] == "delivered")).await;
    origin.forget();
    origin.heal().await;
    edge.until("up").await;
    edge.kill();
    edge.restart().await;
    edge.until("up").await;
    assert_eq!(origin.asked_for(SIGNUP).iter().filter(|asked| asked.method == "POST").count(), 0);
    assert_eq!(posted(&hook).len(), 5, "nothing is posted twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_webhook_refuses_is_for_a_person_who_may_have_it_sent_again() {
    let (origin, hook) = (fixture::shop().await, hook().await);
    let edge = Edge::start(config(&origin, &json!(format!("{}{HOOK}", hook.url())))).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    hook.fail(Instead(Page::html("what is this?").status(422))).await;
    send(&edge, "name=Hanako").await;
    let parked = until(&edge, "it is parked", |forms| forms.iter().all(|form| form["state"] == "parked"))
        .await
        .remove(0);
    assert_eq!(
        (&parked["reason"], &parked["receipts"][0]["state"]),
        (&json!("status-422"), &json!("refused"))
    );
    let said = edge.cli(&["status", "--site", "shop"]).await.must_be_ok().out;
    assert!(said.contains("webhook 127.0.0.1 has refused 1 of the kept forms"), "{said}");
    hook.heal().await;
    edge.cli(&["forms", "deliver", parked["id"].as_str().unwrap()]).await.must_be_ok();
    let over = until(&edge, "it is taken", |forms| forms.iter().all(taken)).await;
    until(&edge, "it is over", |forms| forms.iter().all(|form| form["state"] == "delivered")).await;
    assert_eq!(over.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_a_webhook_cannot_digest_holds_up_no_other_and_a_reload_changes_who_gets_them() {
    let (origin, hook, other) = (fixture::shop().await, Origin::start().await, hook().await);
    hook.make(|asked| {
        let is_bad = String::from_utf8_lossy(&asked.body).contains("indigestible");
        (asked.path() == "/hook")
            .then(|| if is_bad { Page::html("no").status(500) } else { Page::html("taken") })
    });
    let mut edge = Edge::start(config(&origin, &json!(format!("{}{HOOK}", hook.url())))).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    for name in ["indigestible", "Hanako", "Jiro", "indigestible", "Saburo"] {
        send(&edge, &format!("name={name}")).await;
    }
    until(&edge, "the others are over", |forms| {
        forms.iter().filter(|form| form["state"] == "delivered" && form["reason"].is_null()).count() == 3
    })
    .await;
    let told = edge.site().await["recipients"][0].clone();
    assert_eq!((&told["waiting"], &told["code"]), (&json!(2), &json!("status-500")), "{told}");
    assert_eq!(edge.cli(&["status", "--check"]).await.code, 4, "it is down, too");
    // the other one gets what is left, and nothing else; the site gets none of it even if the line goes
    edge.write(config(&origin, &json!(format!("{}{HOOK}", other.url()))));
    assert_eq!(edge.reload().await.status, 200);
    until(&edge, "all are over", |forms| forms.iter().all(|form| form["state"] == "delivered")).await;
    assert_eq!(posted(&other).len(), 2);
    other.fail(Instead(Page::html("later").status(503))).await;
    send(&edge, "name=late").await;
    edge.write(Config::before(&origin.url()).site("health.interval", "100ms"));
    assert_eq!(edge.reload().await.status, 200);
    until(&edge, "nobody is left to get it", |forms| {
        forms.iter().any(|form| form["state"] == "parked" && form["reason"] == "no-recipient")
    })
    .await;
    origin.forget();
    origin.heal().await;
    edge.until("up").await;
    assert_eq!(origin.asked_for(SIGNUP).iter().filter(|asked| asked.method == "POST").count(), 0);
}
