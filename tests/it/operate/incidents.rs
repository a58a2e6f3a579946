//! Incidents: from the first failed answer to the proven recovery, over kills and restarts; what is told of them, to whom, and
//! what never is.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::faults::{Instead, Refuse, Status};
use crate::support::fixture::{self, SEEN};
use crate::support::raw::Raw;
use crate::support::{Config, Edge, Origin, Page, Site, eventually, secs};

const DATABASE: &str = "<!DOCTYPE html><html><head><title>Database Error</title></head><body>\
    <h1>Error establishing a database connection</h1></body></html>";

async fn get(edge: &Edge, path: &str) -> Value {
    let answer = edge.admin().get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).expect("JSON")
}

async fn incidents(edge: &Edge) -> Vec<Value> {
    get(edge, "/api/v1/incidents").await["incidents"].as_array().unwrap().clone()
}

/// Waits until there is an incident in this state; returns it whole.
async fn until(edge: &Edge, state: &str) -> Value {
    let id = eventually(&format!("an incident that is {state}"), secs(15), async || {
        let newest = incidents(edge).await.into_iter().next()?;
        (newest["state"] == state).then(|| newest["id"].as_str().unwrap().to_owned())
    })
    .await;
    get(edge, &format!("/api/v1/incidents/{id}")).await
}

fn codes(incident: &Value) -> Vec<&str> {
    incident["causes"].as_array().unwrap().iter().map(|span| span["cause"].as_str().unwrap()).collect()
}

async fn until_cause(edge: &Edge, cause: &str) {
    eventually(cause, secs(15), async || (incidents(edge).await.first()?["cause"] == cause).then_some(()))
        .await;
}

async fn shop(config: impl FnOnce(Config) -> Config) -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(config(Config::before(&origin.url()))).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    (origin, edge)
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn unix(time: &Value) -> u64 {
    let time = humantime::parse_rfc3339(time.as_str().unwrap()).unwrap();
    time.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn an_outage_is_told_from_its_first_failed_answer_to_its_recovery() {
    let (origin, edge) = shop(|config| config.form("path = \"/signup\"")).await;
    let mut events = Raw::connect(edge.admin_addr()).await;
    events.send("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    events.until("retry:", secs(10)).await;
    let before = unix_now();
    origin.fail(Refuse).await;
    edge.get("/about?mail=abe@example.jp").await;
    let seen = unix_now();
    until(&edge, "open").await;
    until_cause(&edge, "refused").await;
    let open = until(&edge, "open").await;
    assert!((before..=seen).contains(&unix(&open["began"])), "{open:#}");
    let mut evidence = open["evidence"].as_array().unwrap().iter();
    let of_visitor = evidence.find(|one| one["by"] == "visitor").expect("the failed answer");
    assert_eq!(
        (&of_visitor["cause"], &of_visitor["path"]),
        (&json!("refused"), &json!("/about")),
        "{open:#}"
    );

    edge.until("down").await;
    edge.get("/never-seen?token=secret").await.must_be_holding_page();
    assert!(edge.get(SEEN).await.is_copy());
    assert_eq!(edge.client().post("/signup", "name=Abe").await.status, 202);
    origin.fail(Instead(Page::html(DATABASE).status(500))).await;
    until_cause(&edge, "database-error").await;
    let id = open["id"].as_str().unwrap();
    let acked = edge.cli(&["incidents", "ack", id, "--by", "Abe", "--note", "the host is at it"]).await;
    assert_eq!(acked.must_be_ok().out, format!("{id} is acknowledged\n"));
    origin.heal().await;
    let closed = until(&edge, "closed").await;
    assert_eq!((closed["id"].as_str(), incidents(&edge).await.len()), (Some(id), 1), "one incident");
    // a check that was under way when the server went saw half of it, or a reset
    let lasting = |code: &&str| ["refused", "database-error"].contains(code);
    let causes: Vec<&str> = codes(&closed).into_iter().filter(lasting).collect();
    assert_eq!(causes[..2], ["refused", "database-error"], "{closed:#}");
    let shown = closed["evidence"].as_array().unwrap().iter().find(|one| one["cause"] == "database-error");
    let shown = shown.expect("the bad answer itself");
    assert!(
        shown["status"] == 500 && shown["beginning"].as_str().unwrap().contains("Error establishing"),
        "{shown}"
    );
    assert_eq!(closed["missed"], json!([{ "path": "/never-seen", "requests": 1 }]));
    assert!(closed["served"]["kept"] == 1 && closed["served"]["holding"] == 1, "{}", closed["served"]);
    assert!(unix(&closed["ended"]) >= unix(&closed["began"]));
    for word in ["abe@example.jp", "secret", "name=Abe"] {
        assert!(!closed.to_string().contains(word), "{word}: {closed:#}");
    }

    let told = events.until("event: incident-closed", secs(15)).await;
    for event in
        ["event: state", "event: incident-opened", "event: incident-updated", "\"acknowledged\":{", "id: "]
    {
        assert!(told.contains(event), "{event}: {told}");
    }
    told_by_commands(&edge, id).await;
    told_as_pages(&edge, id).await;
}

/// The list, the timeline and the report of the command line.
async fn told_by_commands(edge: &Edge, id: &str) {
    let list = edge.cli(&["incidents"]).await.must_be_ok().out;
    assert!(list.contains(id) && list.contains("outage") && list.contains("acknowledged by Abe"), "{list}");
    assert!(edge.cli(&["incidents", "--open"]).await.must_be_ok().out.contains("no incidents"));
    let one = edge.cli(&["incidents", id]).await.must_be_ok().out;
    assert!(one.contains("First failed answer") && one.contains("Recovery confirmed"), "{one}");
    assert_eq!(edge.cli(&["incidents", id, "--json"]).await.must_be_ok().json()["id"], id);
    let report = edge.cli(&["report", "--lang", "en"]).await.must_be_ok().out;
    for words in [
        "# Outage report: www\\.example.test",
        "refuses connections",
        "Error establishing",
        "/never-seen",
        "1 form was kept",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
    edge.cli(&["report", id, "--lang", "ja", "-o", "report.html"]).await.must_be_ok();
    let page = std::fs::read_to_string(edge.dir().join("report.html")).unwrap();
    assert!(page.contains("<html lang=\"ja\">") && page.contains("障害報告書"), "{page}");
    edge.cli(&["report", "-o", "report.pdf"]).await.must_be_ok();
    let pdf = std::fs::read(edge.dir().join("report.pdf")).unwrap();
    assert!(pdf.starts_with(b"%PDF") && pdf.len() > 10_000, "{} bytes", pdf.len());
    let nobody = edge.cli(&["report", "20200101T000000Z-shop"]).await;
    assert!(nobody.code == 1 && nobody.err.contains("there is no incident"), "{}", nobody.err);
    assert!(edge.cli(&["incidents", "../../x"]).await.err.contains("is not the id of an incident"));
}

/// The API, its errors among it.
async fn told_as_pages(edge: &Edge, id: &str) {
    let admin = edge.admin();
    for (query, kind, words) in [
        ("format=md&lang=ja", "text/markdown; charset=utf-8", "障害報告書"),
        ("format=html", "text/html; charset=utf-8", "Outage report"),
        ("", "text/html; charset=utf-8", "Outage report"),
    ] {
        let answer = admin.get(&format!("/api/v1/incidents/{id}/report?{query}")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{query}");
        assert!(answer.text().contains(words), "{query}: {}", answer.text());
    }
    for (path, status) in [
        (format!("{id}/report?format=doc"), 422),
        (format!("{id}/report?lang=fr"), 422),
        (format!("{id}/nothing"), 404),
        ("20200101T000000Z-shop".to_owned(), 404),
        ("..%2F..%2Fkatahai.toml".to_owned(), 404),
    ] {
        assert_eq!(admin.get(&format!("/api/v1/incidents/{path}")).await.status, status, "{path}");
    }
    for (query, status) in
        [("state=over", 422), ("limit=0", 422), ("before=x", 422), ("site=other&state=closed", 200)]
    {
        assert_eq!(admin.get(&format!("/api/v1/incidents?{query}")).await.status, status, "{query}");
    }
    assert_eq!(admin.post(&format!("/api/v1/incidents/{id}/ack"), "{\"who\":1}").await.status, 422);
    let mut away = Raw::connect(edge.admin_addr()).await;
    away.send("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 1-1\r\n\r\n").await;
    away.until("event: resync", secs(10)).await;
}

#[tokio::test]
async fn an_incident_goes_on_over_kills_and_restarts_and_is_read_when_nothing_runs() {
    let (origin, mut edge) = shop(|config| config).await;
    origin.fail(Refuse).await;
    let open = until(&edge, "open").await;
    let id = open["id"].as_str().unwrap().to_owned();
    let file = edge.state_dir().join("incidents").join(format!("{id}.json"));
    eventually("the file", secs(10), async || file.exists().then_some(())).await;
    std::fs::write(edge.state_dir().join("incidents/20200101T000000Z-shop.json"), "{\"half\":").unwrap();
    edge.restart().await; // killed (-9)
    edge.until("down").await;
    // until it has been read from the disk, it is told as it lies there
    let again = eventually("the incident goes on", secs(20), async || {
        let again = until(&edge, "open").await;
        again["timeline"].to_string().contains("\"restarted\"").then_some(again)
    });
    let again = again.await;
    assert_eq!((again["id"].as_str(), &again["began"]), (Some(&*id), &open["began"]));
    edge.until_logged(&["an incident is damaged and was set aside"]).await;
    let page = get(&edge, "/api/v1/incidents").await;
    assert_eq!(page["damaged"], json!(["20200101T000000Z-shop.json.damaged"]));

    origin.heal().await;
    until(&edge, "closed").await;
    // minutes later, after another restart, it is the same one that comes back
    edge.sigterm();
    assert_eq!(edge.exit_code(secs(30)).await, Some(0));
    let list = edge.cli_offline(&["incidents"]).await.must_be_ok();
    assert!(list.out.contains(&id) && list.err.contains("nothing runs at"), "{list:?}");
    let report = edge.cli_offline(&["report", &id, "--lang", "en"]).await.must_be_ok().out;
    assert!(
        report.contains("# Outage report") && report.contains("The monitoring was restarted"),
        "{report}"
    );
    let told = edge.cli_offline(&["incidents", "ack", &id]).await;
    assert!(told.code == 1 && told.err.contains("only a running instance"), "{}", told.err);
    edge.restart().await;
    edge.until("up").await;
    origin.fail(Status(502)).await;
    let open = until(&edge, "open").await;
    assert_eq!((open["id"].as_str(), &open["reopened"]), (Some(&*id), &json!(1)), "{open:#}");
    assert_eq!(incidents(&edge).await.len(), 1);
}

#[tokio::test]
async fn planned_work_is_planned_until_it_is_over() {
    let (origin, edge) = shop(|config| config).await;
    let held = edge.cli(&["hold", "snapshot", "--for", "1h", "--reason", "moving to a new server"]).await;
    assert_eq!(held.must_be_ok().out, "visitors of shop get copies for 1h\n");
    assert_eq!(edge.site().await["mode"], "hold_snapshot");
    origin.fail(Refuse).await;
    let open = until(&edge, "open").await;
    assert_eq!(
        (&open["planned"]["kind"], &open["planned"]["reason"]),
        (&json!("hold"), &json!("moving to a new server"))
    );
    assert_eq!(incidents(&edge).await[0]["planned"], true);
    assert!(edge.cli(&["incidents"]).await.must_be_ok().out.contains("planned"));
    edge.cli(&["hold", "off", "shop"]).await.must_be_ok();
    eventually("the end of the plan", secs(10), async || {
        (incidents(&edge).await[0]["planned"] == false).then_some(())
    })
    .await;
    let report = edge.cli(&["report", "--lang", "en"]).await.must_be_ok().out;
    assert!(
        report.contains("moving to a new server") && report.contains("since then it was not planned"),
        "{report}"
    );
    for (args, words) in [
        (&["hold", "off", "--for", "1h"][..], "leave out --for"),
        (&["hold", "snapshot", "--for", "soon"], "is not a time"),
        (&["hold", "snapshot", "nobody"], "there are: shop"),
    ] {
        let said = edge.cli(args).await;
        assert!(said.code > 0 && said.err.contains(words), "{args:?}: {}", said.err);
    }

    let at = |seconds| humantime::format_rfc3339_seconds(UNIX_EPOCH + secs(seconds)).to_string();
    let window = format!(
        "start = \"{}\"\nend = \"{}\"\nreason = \"updates\"\n",
        at(unix_now() - 60),
        at(unix_now() + 3600)
    );
    let (origin, edge) = shop(|config| config.maintenance(&window)).await;
    origin.fail(Status(503)).await;
    let open = until(&edge, "open").await;
    assert_eq!(
        (&open["planned"]["kind"], &open["planned"]["reason"]),
        (&json!("maintenance"), &json!("updates"))
    );
}

#[tokio::test]
async fn sites_of_one_server_are_a_group_and_a_single_bad_answer_is_no_incident() {
    let origin = fixture::shop().await;
    let site = |name: &str| {
        Site::bare(name, &format!("{name}.test"))
            .set("health.interval", "200ms")
            .set("health.timeout", "500ms")
            .set("health.fall", 2)
            .set("failover.recovery_ramp", "0s")
            .origin(&origin.url())
    };
    let edge = Edge::start(Config::new(site("alpha")).and(site("beta")).and(site("gamma"))).await;
    let all_are = async |state: &str| {
        eventually(state, secs(30), async || {
            let status = edge.status().await;
            status["sites"].as_array()?.iter().all(|site| site["state"] == state).then_some(())
        })
        .await;
    };
    all_are("up").await;
    origin.fail_under("/broken", Status(500)).await;
    let client = edge.client().host("alpha.test");
    assert_eq!(client.get("/broken").await.status, 503);
    // what was seen then is forgotten with the next good checks
    let checks = origin.count("/");
    eventually("further checks", secs(10), async || (origin.count("/") > checks + 9).then_some(())).await;
    assert_eq!(incidents(&edge).await, [] as [Value; 0]);

    let fell = unix_now();
    origin.fail(Refuse).await;
    all_are("down").await;
    let all = eventually("three incidents", secs(10), async || {
        let all = incidents(&edge).await;
        (all.len() == 3 && all.iter().all(|one| one["others"] == 2)).then_some(all)
    })
    .await;
    assert!(all.iter().all(|one| one["group"] == all[0]["group"] && unix(&one["began"]) >= fell), "{all:#?}");
    let id = all[0]["id"].as_str().unwrap();
    let report = edge.cli(&["report", id, "--lang", "en"]).await.must_be_ok().out;
    assert!(report.contains("2 other sites on the same server failed in the same minute"), "{report}");
    for other in ["alpha", "beta", "gamma"].iter().filter(|name| !id.ends_with(*name)) {
        assert!(!report.contains(other), "other customers' names are nobody's business: {report}");
    }
    // one that is taken out of the configuration has no open incident any more
    let list = get(&edge, "/api/v1/incidents?site=beta&state=open").await;
    assert_eq!(list["incidents"].as_array().unwrap().len(), 1);
}
