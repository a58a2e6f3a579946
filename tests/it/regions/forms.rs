//! Kept forms survive the loss of any machine, and arrive once, whoever is left.

use std::path::{Path, PathBuf};

use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::faults::{Instead, Refuse, ResetInHeaders};
use crate::support::fixture::{self, SIGNUP};
use crate::support::{Answer, Config, Edge, Origin, Page, eventually, secs, wire};

/// What is typed, and must stand nowhere in the clear.
const SECRET: &str = "hanako.kimura@example.jp";

/// A store that is a folder, and the key of all instances.
struct Shared {
    dir: tempfile::TempDir,
}

impl Shared {
    fn new() -> Shared {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("store")).unwrap();
        let key = katahai::forms::Keys::new_line().unwrap();
        let path = dir.path().join("store.key");
        std::fs::write(&path, format!("{}\n", *key)).unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        Shared { dir }
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn aside(&self) -> PathBuf {
        self.dir.path().join("aside")
    }

    /// Nothing can be read or written there any more.
    fn lose(&self) {
        std::fs::rename(self.folder(), self.aside()).unwrap();
        std::fs::write(self.folder(), "no folder").unwrap();
    }

    fn find_again(&self) {
        std::fs::remove_file(self.folder()).unwrap();
        std::fs::rename(self.aside(), self.folder()).unwrap();
    }

    /// The names of all objects with this ending.
    fn objects(&self, ending: &str) -> Vec<PathBuf> {
        let mut found = crate::matrix::files(&self.folder());
        found.retain(|path| path.to_str().unwrap().ends_with(ending));
        found
    }

    async fn has(&self, count: usize, ending: &str) {
        let what = format!("{count} objects {ending} in the store");
        eventually(&what, secs(30), async || (self.objects(ending).len() == count).then_some(())).await;
    }

    fn config(&self, origin: &Origin, instance: &str, lines: &str) -> Config {
        Config::before(&origin.url())
            .set("store.url", format!("file://{}", self.folder().display()))
            .set("store.key_file", self.dir.path().join("store.key").display().to_string())
            .set("store.instance", instance)
            .site("failover.recovery_ramp", "0s")
            .site("health.interval", "100ms")
            .form(&format!("path = \"{SIGNUP}\"\nmost_per_client = \"off\"\n{lines}"))
    }

    async fn edge(&self, origin: &Origin, instance: &str, lines: &str) -> Edge {
        let edge = Edge::start(self.config(origin, instance, lines)).await;
        edge.until_snapshot().await;
        edge
    }
}

pub async fn send(edge: &Edge, body: &str) -> Answer {
    let client = edge.client();
    let request = client.ask("POST", SIGNUP).header("content-type", "application/x-www-form-urlencoded");
    client.send(request.body(Full::from(body.to_owned())).unwrap()).await.unwrap()
}

pub async fn forms(edge: &Edge) -> Vec<Value> {
    let answer = edge.admin().get("/api/v1/sites/shop/forms").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let list: Value = serde_json::from_slice(&answer.body).unwrap();
    list["forms"].as_array().unwrap().clone()
}

async fn until(edge: &Edge, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually(what, secs(100), async || Some(forms(edge).await).filter(|forms| is_so(forms))).await
}

async fn until_all(edge: &Edge, state: &str, count: usize) -> Vec<Value> {
    let is_so = |forms: &[Value]| forms.len() == count && forms.iter().all(|form| form["state"] == state);
    until(edge, &format!("{count} forms are {state}"), is_so).await
}

pub fn posts(origin: &Origin) -> Vec<String> {
    let posts = origin.asked_for(SIGNUP).into_iter().filter(|asked| asked.method == "POST");
    posts.map(|asked| String::from_utf8_lossy(&asked.body).into_owned()).collect()
}

async fn goes_down(origin: &Origin, edges: &[&Edge]) {
    origin.fail(Refuse).await;
    for edge in edges {
        edge.until("down").await;
    }
}

async fn comes_back(origin: &Origin, edges: &[&Edge]) {
    origin.forget();
    origin.heal().await;
    for edge in edges {
        edge.until("up").await;
    }
}

fn stands_in(folder: &Path, text: &str) -> bool {
    let has = |file: PathBuf| wire::find(&std::fs::read(file).unwrap_or_default(), text.as_bytes()).is_some();
    crate::matrix::files(folder).into_iter().any(has)
}

fn alone(status: &Value) -> bool {
    status["conditions"].as_array().unwrap().iter().any(|held| held["cause"]["code"] == "forms-alone")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_arrives_once_though_the_machine_that_took_it_is_lost() {
    let (origin, shared) = (fixture::shop().await, Shared::new());
    let mut taker = shared.edge(&origin, "one", "").await;
    goes_down(&origin, &[&taker]).await;
    let body = format!("name=Hanako&mail={SECRET}");
    assert_eq!(send(&taker, &body).await.status, 202);
    shared.has(1, ".form").await;
    assert_eq!(forms(&taker).await[0]["store"], "yes");
    let id = forms(&taker).await[0]["id"].clone();
    shared.has(1, ".told").await;
    taker.kill();
    std::fs::remove_dir_all(taker.state_dir()).unwrap();
    assert!(!stands_in(&shared.folder(), SECRET) && !stands_in(&shared.folder(), "Hanako"));
    // Another machine that has never seen it.
    origin.forget();
    origin.heal().await;
    let other = shared.edge(&origin, "two", "").await;
    let delivered = until_all(&other, "delivered", 1).await;
    assert_eq!((&delivered[0]["id"], &delivered[0]["reason"]), (&id, &Value::Null), "its visitor knew");
    assert_eq!(posts(&origin), [body]);
    assert!(!other.log().iter().any(|line| line.contains(SECRET)));
    // The lost one comes back, empty, and takes its part: what was delivered does not come again.
    taker.restart().await;
    taker.until_snapshot().await;
    goes_down(&origin, &[&taker, &other]).await;
    assert_eq!(send(&taker, "name=next").await.status, 202);
    comes_back(&origin, &[&taker, &other]).await;
    until_all(&taker, "delivered", 1).await;
    // What is over there already is not worth a copy.
    until(&other, "all is over", |forms| forms.iter().all(|form| form["state"] == "delivered")).await;
    assert_eq!(posts(&origin), ["name=next"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_live_one_delivers_and_both_know() {
    let (origin, shared) = (fixture::shop().await, Shared::new());
    let one = shared.edge(&origin, "one", "").await;
    let two = shared.edge(&origin, "two", "").await;
    goes_down(&origin, &[&one, &two]).await;
    for n in 0..6 {
        assert_eq!(send(if n % 2 == 0 { &one } else { &two }, &format!("n={n}")).await.status, 202);
    }
    until(&one, "each has all", |forms| forms.len() == 6).await;
    until(&two, "each has all", |forms| forms.len() == 6).await;
    comes_back(&origin, &[&one, &two]).await;
    until_all(&one, "delivered", 6).await;
    until_all(&two, "delivered", 6).await;
    let mut arrived = posts(&origin);
    arrived.sort();
    assert_eq!(arrived, (0..6).map(|n| format!("n={n}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_gets_a_form_once_of_two_that_live() {
    let (origin, hook, shared) = (fixture::shop().await, Origin::start().await, Shared::new());
    hook.make(|asked| (asked.path() == "/hook").then(|| Page::html("taken")));
    let lines = format!("deliver = {}", json!(["origin", format!("{}/hook", hook.url())]));
    let one = shared.edge(&origin, "one", &lines).await;
    let two = shared.edge(&origin, "two", &lines).await;
    goes_down(&origin, &[&one, &two]).await;
    assert_eq!(send(&one, "name=Hanako").await.status, 202);
    let taken = |forms: &[Value]| forms.len() == 1 && forms[0]["receipts"][0]["state"] == "taken";
    until(&one, "the webhook has it", taken).await;
    until(&two, "the other knows", taken).await;
    assert_eq!(hook.asked_for("/hook").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_decides_on_any_machine_for_all() {
    let (origin, shared) = (fixture::shop().await, Shared::new());
    let one = shared.edge(&origin, "one", "").await;
    let two = shared.edge(&origin, "two", "").await;
    origin.fail_under(SIGNUP, ResetInHeaders).await;
    for name in ["first", "second"] {
        assert!(send(&one, &format!("name={name}")).await.status == 202);
    }
    let doubtful = until_all(&two, "doubtful", 2).await;
    let [first, second] = [0, 1].map(|n| doubtful[n]["id"].as_str().unwrap().to_owned());
    two.cli(&["forms", "forget", &first]).await.must_be_ok();
    until(&one, "it is erased there, too", |forms| forms.len() == 1).await;
    one.until_logged(&["audit=true", "erased", &first]).await;
    eventually("nothing of it is in the store", secs(30), async || {
        shared
            .objects("")
            .iter()
            .all(|path| !path.to_str().unwrap().contains(&format!("forms/shop/{first}")))
            .then_some(())
    })
    .await;
    comes_back(&origin, &[&one, &two]).await;
    two.cli(&["forms", "deliver", &second]).await.must_be_ok();
    until_all(&one, "delivered", 1).await;
    until_all(&two, "delivered", 1).await;
    assert_eq!(posts(&origin), ["name=second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_a_form_is_kept_here_twice_and_put_there_later() {
    let (origin, shared) = (fixture::shop().await, Shared::new());
    let mut edge = shared.edge(&origin, "one", "").await;
    goes_down(&origin, &[&edge]).await;
    shared.lose();
    assert_eq!(send(&edge, &format!("name=Hanako&mail={SECRET}")).await.status, 202);
    assert_eq!(forms(&edge).await[0]["store"], "waiting");
    eventually("the condition", secs(10), async || alone(&edge.status().await).then_some(())).await;
    edge.until_logged(&["it is on this machine alone"]).await;
    let waiting = edge.state_dir().join("forms/.waiting");
    assert_eq!(crate::matrix::files(&waiting).len(), 1);
    assert!(!stands_in(&edge.state_dir(), SECRET) && !edge.log().iter().any(|line| line.contains(SECRET)));
    edge.kill();
    edge.restart().await;
    eventually("the condition after a restart", secs(10), async || alone(&edge.status().await).then_some(()))
        .await;
    shared.find_again();
    shared.has(1, ".form").await;
    eventually("it is over", secs(30), async || (!alone(&edge.status().await)).then_some(())).await;
    assert_eq!(crate::matrix::files(&waiting), Vec::<PathBuf>::new());
    comes_back(&origin, &[&edge]).await;
    until_all(&edge, "delivered", 1).await;
    assert_eq!(posts(&origin).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_does_not_keep_a_form_from_its_site() {
    let (origin, shared) = (fixture::shop().await, Shared::new());
    let edge = shared.edge(&origin, "one", "").await;
    goes_down(&origin, &[&edge]).await;
    shared.lose();
    assert_eq!(send(&edge, "name=Hanako").await.status, 202);
    comes_back(&origin, &[&edge]).await;
    until_all(&edge, "delivered", 1).await;
    let waiting = edge.state_dir().join("forms/.waiting");
    eventually("nothing waits", secs(30), async || crate::matrix::files(&waiting).is_empty().then_some(()))
        .await;
    eventually("it is over", secs(30), async || (!alone(&edge.status().await)).then_some(())).await;
    // Nor does it come from there one day.
    shared.find_again();
    goes_down(&origin, &[&edge]).await;
    assert_eq!(send(&edge, "name=next").await.status, 202);
    shared.has(1, ".form").await;
    assert_eq!(posts(&origin).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_one_copy_is_not_enough_the_visitor_is_told_that_it_did_not_arrive() {
    let (origin, shared) = (fixture::shop().await, Shared::new());
    let edge = Edge::start(shared.config(&origin, "one", "").set("store.forms", "refuse")).await;
    edge.until_snapshot().await;
    goes_down(&origin, &[&edge]).await;
    assert_eq!(send(&edge, "name=kept").await.status, 202);
    shared.lose();
    let refused = send(&edge, "name=refused").await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(forms(&edge).await.len(), 1);
    shared.find_again();
    comes_back(&origin, &[&edge]).await;
    until_all(&edge, "delivered", 1).await;
    assert_eq!(posts(&origin), ["name=kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_site_refuses_is_parked_everywhere() {
    let (origin, shared) = (fixture::shop().await, Shared::new());
    let one = shared.edge(&origin, "one", "").await;
    let two = shared.edge(&origin, "two", "").await;
    goes_down(&origin, &[&one, &two]).await;
    assert_eq!(send(&one, "name=Hanako").await.status, 202);
    until(&two, "both have it", |forms| forms.len() == 1).await;
    origin.forget();
    origin.heal().await;
    origin.fail_under(SIGNUP, Instead(Page::html("no").status(422))).await;
    for edge in [&one, &two] {
        let parked = until_all(edge, "parked", 1).await;
        assert_eq!(parked[0]["reason"], "status-422");
    }
    assert_eq!(posts(&origin).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_being_sent_when_its_sender_was_killed_is_doubtful_everywhere() {
    let (origin, shared) = (fixture::shop().await, Shared::new());
    let mut one = shared.edge(&origin, "one", "").await;
    goes_down(&origin, &[&one]).await;
    assert_eq!(send(&one, "name=Hanako").await.status, 202);
    shared.has(1, ".told").await;
    let lever = origin.hold(SIGNUP);
    comes_back(&origin, &[&one]).await;
    let is_sending = || {
        let mut files = crate::matrix::files(&one.state_dir()).into_iter();
        files.any(|file| file.extension().is_some_and(|state| state == "sending"))
    };
    eventually("it is being sent", secs(20), async || is_sending().then_some(())).await;
    // Its claim is there before its first byte goes out.
    shared.has(1, ".origin.1").await;
    one.kill();
    lever.release();
    let two = shared.edge(&origin, "two", "").await;
    one.restart().await;
    for edge in [&one, &two] {
        let doubtful = until_all(edge, "doubtful", 1).await;
        assert_eq!(doubtful[0]["reason"], "interrupted");
    }
    assert!(posts(&origin).len() <= 1);
}
