//! One list of origins for all instances, and whether an instance can serve a site.

use std::process::Stdio;

use serde_json::Value;

use super::deployment::Folder;
use crate::support::faults::Refuse;
use crate::support::fixture::{self, SEEN};
use crate::support::nginx::free_port;
use crate::support::{Config, Edge, Origin, Site, eventually, secs};

/// An instance whose shop has the list in the store.
async fn instance(store: &tempfile::TempDir, name: &str) -> Edge {
    let url = format!("file://{}", store.path().display());
    let site = Site::new().set("origins_file", "store:shop/origins.toml");
    Edge::start(Config::new(site).set("store.url", url).set("store.instance", name)).await
}

fn list(origin: &Origin) -> String {
    format!("[[origin]]\nurl = \"{}\"\n", origin.url())
}

/// `katahai origin set shop FILE --everywhere`.
async fn set(edge: &Edge, text: &str) -> crate::support::process::Said {
    let file = edge.dir().join("new.toml");
    std::fs::write(&file, text).unwrap();
    edge.cli(&["origin", "set", "shop", file.to_str().unwrap(), "--everywhere"]).await
}

/// Waits until visitors of this instance get the page of this origin.
async fn serves(edge: &Edge, origin: &Origin) {
    eventually("pages of the origin in the list", secs(20), async || {
        (edge.get(SEEN).await.body == origin.content(SEEN).body).then_some(())
    })
    .await;
}

async fn origin_list(edge: &Edge) -> Value {
    edge.site().await["origin_list"].clone()
}

#[tokio::test]
async fn a_list_is_set_everywhere_and_a_bad_one_nowhere() {
    let (first, second, store) = (fixture::shop().await, fixture::shop().await, tempfile::tempdir().unwrap());
    fixture::stock(&second, 2);
    let osaka = instance(&store, "osaka").await;
    let mut tokyo = instance(&store, "tokyo").await;
    assert!(origin_list(&osaka).await["in_force"].is_null());
    let told = eventually("word of the missing list", secs(20), async || {
        let conditions = osaka.status().await["conditions"].to_string();
        conditions.contains("configuration-refused").then_some(conditions)
    })
    .await;
    assert!(told.contains("store:shop/origins.toml") && told.contains("--everywhere"), "{told}");

    let said = set(&osaka, &list(&first)).await.must_be_ok();
    for edge in [&osaka, &tokyo] {
        serves(edge, &first).await;
        assert!(!edge.status().await["conditions"].to_string().contains("configuration-refused"));
        let version = origin_list(edge).await["in_force"]["version"].as_str().unwrap().to_owned();
        assert!(said.out.contains(&version), "{} {}", said.out, version);
        let said = edge.cli(&["origin", "list", "shop"]).await.must_be_ok();
        assert!(
            said.out.contains("store:shop/origins.toml, version") && said.out.contains(&first.url()),
            "{}",
            said.out
        );
    }
    // by standard input
    let mut command = crate::support::edge::command(tokyo.dir());
    command.args(["origin", "set", "shop", "-", "--everywhere", "--admin", &tokyo.admin_addr().to_string()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), list(&second).as_bytes()).unwrap();
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert!(ended.status.success());
    for edge in [&osaka, &tokyo] {
        serves(edge, &second).await;
    }

    let before = origin_list(&osaka).await;
    let said = set(&osaka, "[[origin]]\nurl = \"gopher://127.0.0.1\"\n[[origin]]\nurl = 5\n").await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("gopher") && said.err.contains(":4"), "every reason: {}", said.err);
    // whoever writes to the store by himself meets the same judge
    std::fs::write(store.path().join("shop/origins.toml"), "[[origin]]\nurl = 5\n").unwrap();
    for edge in [&osaka, &tokyo] {
        eventually("a refusal", secs(20), async || {
            origin_list(edge).await["refused"].as_str().map(str::to_owned)
        })
        .await;
        assert_eq!(edge.get(SEEN).await.body, second.content(SEEN).body);
        assert!(edge.status().await["conditions"].to_string().contains("store:shop/origins.toml"));
    }
    assert_eq!(origin_list(&osaka).await["in_force"]["version"], before["in_force"]["version"]);

    // a reload and a start without the store have the last good one
    assert_eq!(tokyo.reload().await.status / 100, 2);
    assert_eq!(tokyo.get(SEEN).await.body, second.content(SEEN).body);
    let away = store.path().with_extension("away");
    std::fs::rename(store.path(), &away).unwrap();
    tokyo.restart().await;
    serves(&tokyo, &second).await;
    std::fs::rename(&away, store.path()).unwrap();
    // an empty list is one: serve the copies
    let said = set(&osaka, "# nobody at the moment\n").await.must_be_ok();
    assert!(said.out.contains("version"), "{}", said.out);
    eventually("no origin", secs(20), async || {
        tokyo.site().await["origins"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_list_without_the_signature_of_the_deployment_is_refused() {
    let (good, bad) = (fixture::shop().await, fixture::shop().await);
    fixture::stock(&bad, 2);
    let folder = Folder::signed().await;
    let edge =
        Edge::start(folder.config_of(Site::new().set("origins_file", "store:shop/origins.toml"), "osaka"))
            .await;
    set(&edge, &list(&good)).await.must_be_ok();
    serves(&edge, &good).await;
    let file = folder.path().join("shop/origins.toml");
    let first = std::fs::read_to_string(&file).unwrap();
    assert!(first.lines().last().unwrap().starts_with("# signature "), "{first}");
    // One that was signed, and is not in force any more.
    set(&edge, &list(&bad)).await.must_be_ok();
    serves(&edge, &bad).await;
    let old = std::fs::read_to_string(&file).unwrap();
    set(&edge, &list(&good)).await.must_be_ok();
    serves(&edge, &good).await;
    let signed = std::fs::read_to_string(&file).unwrap();
    for (forged, why) in [
        (list(&bad), "is not signed"),
        (signed.replace(&good.url(), &bad.url()), "wrong signature"),
        (old, "put an old list back"),
    ] {
        std::fs::write(&file, forged).unwrap();
        eventually(why, secs(20), async || {
            origin_list(&edge).await["refused"].as_str().filter(|said| said.contains(why)).map(drop)
        })
        .await;
        assert_eq!(edge.get(SEEN).await.body, good.content(SEEN).body);
    }
    std::fs::write(&file, signed).unwrap();
    eventually("the signed list again", secs(20), async || {
        origin_list(&edge).await["refused"].is_null().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_list_outlives_the_key_that_has_signed_it() {
    let (folder, origin) = (Folder::signed().await, fixture::shop().await);
    let config =
        |name: &str| folder.config_of(Site::new().set("origins_file", "store:shop/origins.toml"), name);
    let edge = Edge::start(config("osaka")).await;
    set(&edge, &list(&origin)).await.must_be_ok();
    serves(&edge, &origin).await;
    let before = origin_list(&edge).await["in_force"].clone();
    let file = folder.path().join("shop/origins.toml");
    let signed = std::fs::read_to_string(&file).unwrap();
    let (old, new) = (folder.keys(), katahai::forms::Keys::new_line().unwrap());
    folder.set_keys(&format!("{}\n{old}", *new));
    assert_eq!(edge.reload().await.status / 100, 2);
    edge.until_logged(&["the list of origins in the store is signed with the first key now"]).await;
    assert_ne!(std::fs::read_to_string(&file).unwrap(), signed);
    // the old line goes: who starts now knows only the new one
    folder.set_keys(&format!("{}\n", *new));
    let other = Edge::start(config("tokyo")).await;
    serves(&other, &origin).await;
    assert_eq!(origin_list(&other).await["in_force"]["version"], before["version"]);
    assert_eq!(origin_list(&edge).await["in_force"], before, "to its readers it is the same list");
}

#[tokio::test]
async fn a_list_may_be_given_in_json_and_every_problem_is_told() {
    let (origin, store) = (fixture::shop().await, tempfile::tempdir().unwrap());
    let edge = instance(&store, "osaka").await;
    let put = async |body: String| {
        let admin = edge.admin();
        let request = admin.ask("PUT", "/api/v1/sites/shop/origins").body(body.into()).unwrap();
        admin.send(request).await.unwrap()
    };
    let bad =
        put(r#"[{"url":"gopher://127.0.0.1"},{"url":"http://127.0.0.1","tier":"low"}]"#.to_owned()).await;
    assert_eq!(bad.status, 422);
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let problems = json(&bad.text())["error"]["problems"].as_array().unwrap().len();
    assert!(problems == 2 && bad.text().contains("gopher") && bad.text().contains("tier"), "{}", bad.text());
    assert_eq!(put("{}".to_owned()).await.status, 422);
    let good = format!(
        r#"[{{"url":"{}","host":"www.example.test","tier":0,"weight":1,"mode":"auto"}}]"#,
        origin.url()
    );
    let good = put(good).await;
    assert!(good.status == 200 && json(&good.text())["version"].is_string(), "{}", good.text());
    serves(&edge, &origin).await;
}

#[tokio::test]
async fn an_instance_without_any_list_says_that_it_serves_only_copies() {
    let (origin, store) = (fixture::shop().await, tempfile::tempdir().unwrap());
    let url = format!("file://{}", store.path().join("later").display());
    let site = Site::new().set("origins_file", "store:shop/origins.toml");
    let edge = Edge::start(Config::new(site).set("store.url", url)).await;
    let said = eventually("word of the missing list", secs(20), async || {
        let conditions = edge.status().await["conditions"].to_string();
        conditions.contains("only copies are served").then_some(conditions)
    })
    .await;
    assert!(said.contains("configuration-refused") && said.contains("store:shop/origins.toml"), "{said}");
    std::fs::create_dir(store.path().join("later")).unwrap();
    eventually("a list", secs(30), async || (set(&edge, &list(&origin)).await.code == 0).then_some(())).await;
    serves(&edge, &origin).await;
    assert!(!edge.status().await["conditions"].to_string().contains("only copies are served"));
}

#[tokio::test]
async fn what_is_not_shared_is_not_set() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let said = set(&edge, &list(&origin)).await;
    assert!(said.code == 1 && said.err.contains("store:shop/origins.toml"), "{}", said.err);
    let file = edge.dir().join("new.toml");
    let said = edge.cli(&["origin", "set", "shop", file.to_str().unwrap()]).await;
    assert!(said.code == 1 && said.err.contains("--everywhere"), "{}", said.err);
    let said = edge.cli(&["origin", "set", "blog", file.to_str().unwrap(), "--everywhere"]).await;
    assert!(said.code == 1 && said.err.contains("no such site"), "{}", said.err);
    let said = edge.cli(&["origin", "set", "shop", "no-such-file", "--everywhere"]).await;
    assert!(said.code == 2 && said.err.contains("no-such-file"), "{}", said.err);
    let said = edge.cli(&["origin", "list", "shop"]).await.must_be_ok();
    assert!(said.out.starts_with(&origin.url()), "{}", said.out);
}

async fn ready(edge: &Edge, query: &str) -> (u16, String) {
    let answer = edge.admin().get(&format!("/readyz{query}")).await;
    (answer.status, answer.text())
}

#[tokio::test]
async fn an_instance_says_for_which_sites_it_is_ready() {
    let (live, dead) = (fixture::shop().await, fixture::shop().await);
    dead.fail(Refuse).await;
    let other = Site::new().set("name", "dead").set("hosts", ["dead.example.test"]).origin(&dead.url());
    let edge = Edge::start(Config::before(&live.url()).and(other)).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let (status, text) = ready(&edge, "?site=shop").await;
    assert!(status == 200 && text.contains("\"origin\""), "{text}");
    let (status, text) = eventually("a cause", secs(20), async || {
        Some(ready(&edge, "?site=dead").await).filter(|(_, text)| text.contains("refused"))
    })
    .await;
    assert!(status == 503 && text.contains("no snapshot"), "{text}");
    assert_eq!(ready(&edge, "").await.0, 503, "of all");
    let (status, text) = ready(&edge, "?site=unknown").await;
    assert!(status == 404 && !text.contains("dead"), "no names for who has no token: {text}");
    live.fail(Refuse).await;
    edge.until("down").await;
    let (status, text) = ready(&edge, "?site=shop").await;
    assert!(status == 200 && text.contains("\"snapshot\""), "{text}");
    let mode = r#"{"mode":"hold_origin"}"#;
    let request = edge.admin().ask("PUT", "/api/v1/sites/shop/mode").body(mode.into()).unwrap();
    assert_eq!(edge.admin().send(request).await.unwrap().status, 200);
    let (status, text) = ready(&edge, "?site=shop").await;
    assert!(status == 503 && text.contains("by hand"), "{text}");
}

#[tokio::test]
async fn another_instance_may_be_an_origin_of_a_higher_tier_on_both_sides() {
    // each has the other as its second tier: no request goes round in circles
    let origin = fixture::shop().await;
    let places = [free_port(), free_port()];
    let of = |own: usize, first: &str| {
        let tiers = format!(
            "[[origin]]\nurl = \"{first}\"\n[[origin]]\nurl = \"http://{}\"\ntier = 1\n",
            places[1 - own]
        );
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("origins.toml"), tiers).unwrap();
        let config = Config::new(Site::new().set("origins_file", "origins.toml"));
        Edge::start_in(dir, config.set("listen.http", [&*places[own].to_string()]))
    };
    let osaka = of(0, &origin.url()).await;
    // from Tokyo, the origin is not reached, but Osaka is
    let unreachable = fixture::shop().await;
    unreachable.fail(Refuse).await;
    let tokyo = of(1, &unreachable.url()).await;
    tokyo.until("up").await;
    let answer = tokyo.get(SEEN).await;
    answer.must_be(&origin.content(SEEN).body);
    assert!(!answer.is_copy(), "{}", answer.cache_status());
    tokyo.until_snapshot().await;
    osaka.until_snapshot().await;
    // now nobody reaches it: each asks the other, whose request comes back to it; that one is refused, and a copy is served
    origin.fail(Refuse).await;
    eventually("Osaka knows", secs(30), async || {
        (osaka.site().await["origins"][0]["state"] == "down").then_some(())
    })
    .await;
    for edge in [&osaka, &tokyo] {
        edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
        edge.get("/nowhere").await; // nothing that hangs
    }
}
