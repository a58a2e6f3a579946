//! What a visitor sends through a form while the origin cannot take it is kept, and arrives once.

use http_body_util::Full;
use serde_json::Value;

use crate::support::faults::{Instead, Refuse, ResetInHeaders};
use crate::support::fixture::{self, SIGNUP};
use crate::support::{Answer, Config, Edge, Origin, Page, eventually, secs};

const URLENCODED: &str = "application/x-www-form-urlencoded";
/// What is typed, and must stand nowhere in the clear.
const SECRET: &str = "hanako.kimura@example.jp";

/// A form that is kept, with more lines for its table.
fn keeping(origin: &Origin, lines: &str) -> Config {
    Config::before(&origin.url())
        .site("failover.recovery_ramp", "0s")
        .site("health.interval", "100ms")
        .form(&format!("path = \"{SIGNUP}\"\n{lines}"))
}

async fn send_as(edge: &Edge, kind: &str, accept: &str, body: &str) -> Answer {
    let client = edge.client();
    let request = client.ask("POST", SIGNUP).header("content-type", kind).header("accept", accept);
    client.send(request.body(Full::from(body.to_owned())).unwrap()).await.unwrap()
}

async fn send(edge: &Edge, body: &str) -> Answer {
    send_as(edge, URLENCODED, "text/html", body).await
}

fn posts(origin: &Origin) -> Vec<String> {
    let posts = origin.asked_for(SIGNUP).into_iter().filter(|asked| asked.method == "POST");
    posts.map(|asked| String::from_utf8_lossy(&asked.body).into_owned()).collect()
}

async fn forms(edge: &Edge) -> Vec<Value> {
    let answer = edge.admin().get("/api/v1/sites/shop/forms").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let list: Value = serde_json::from_slice(&answer.body).unwrap();
    list["forms"].as_array().unwrap().clone()
}

async fn until_all(edge: &Edge, state: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} forms are {state}"), secs(20), async || {
        let forms = forms(edge).await;
        let all = forms.len() == count && forms.iter().all(|form| form["state"] == state);
        all.then_some(forms)
    })
    .await
}

async fn comes_back(origin: &Origin, edge: &Edge) {
    origin.heal().await;
    edge.until("up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_sent_in_an_outage_is_kept_said_so_and_arrives_once() {
    let origin = fixture::shop().await;
    let edge = Edge::start(keeping(&origin, "")).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let body = format!("name=Hanako&mail={SECRET}");
    let answer = send(&edge, &body).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let listed = forms(&edge).await.remove(0);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", edge.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let number = listed["number"].as_str().unwrap();
    assert!(
        answer.text().contains(number) && answer.text().contains("まだ処理されていません"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    for file in crate::matrix::files(&edge.state_dir()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        assert!(
            crate::support::wire::find(&bytes, SECRET.as_bytes()).is_none(),
            "{} has it in the clear",
            file.display()
        );
    }
    origin.forget();
    comes_back(&origin, &edge).await;
    until_all(&edge, "delivered", 1).await;
    assert_eq!(posts(&origin), [body]);
    let arrived = origin.asked_for(SIGNUP).into_iter().find(|asked| asked.method == "POST").unwrap();
    assert_eq!(arrived.header("idempotency-key"), Some(format!("\"{}\"", listed["id"].as_str().unwrap())));
    assert!(arrived.header("katahai-kept").unwrap().ends_with("GMT"));
    assert_eq!(arrived.header("content-type").as_deref(), Some(URLENCODED));
    assert!(!edge.log().iter().any(|line| line.contains(SECRET)), "it is in the log");
    // nor does it come again
    origin.fail(Refuse).await;
    edge.until("down").await;
    comes_back(&origin, &edge).await;
    assert_eq!(posts(&origin).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_arrived_is_doubtful_until_a_person_decides() {
    let origin = fixture::shop().await;
    let edge = Edge::start(keeping(&origin, "")).await;
    edge.until_snapshot().await;
    origin.fail_under(SIGNUP, ResetInHeaders).await;
    let answer = send(&edge, "name=first").await;
    assert!(
        answer.status == 202 && answer.text().contains("まだ分かりません"),
        "{} {}",
        answer.status,
        answer.text()
    );
    let doubtful = forms(&edge).await.remove(0);
    assert_eq!((doubtful["state"].as_str(), doubtful["reason"].as_str()), (Some("doubtful"), Some("reset")));
    origin.fail(Refuse).await;
    edge.until("down").await;
    assert_eq!(send(&edge, "name=second").await.status, 202);
    origin.forget();
    comes_back(&origin, &edge).await;
    eventually("the second arrives", secs(20), async || (!posts(&origin).is_empty()).then_some(())).await;
    assert_eq!(posts(&origin), ["name=second"], "the first is not sent again");
    let deliver = format!("/api/v1/sites/shop/forms/{}/deliver", doubtful["id"].as_str().unwrap());
    assert_eq!(edge.admin().post(&deliver, "").await.status, 200);
    until_all(&edge, "delivered", 2).await;
    assert_eq!(posts(&origin), ["name=second", "name=first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotent_form_is_sent_again() {
    let origin = fixture::shop().await;
    let edge = Edge::start(keeping(&origin, "idempotent = true")).await;
    edge.until_snapshot().await;
    origin.fail_under(SIGNUP, ResetInHeaders).await;
    let answer = send(&edge, "name=again").await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    comes_back(&origin, &edge).await;
    until_all(&edge, "delivered", 1).await;
    assert_eq!(posts(&origin), ["name=again", "name=again"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_in_the_place_of_the_site_gets_no_form() {
    let origin = fixture::shop().await;
    let edge = Edge::start(keeping(&origin, "")).await;
    edge.until_snapshot().await;
    let suspended = "<!doctype html><title>Account Suspended</title><h1>Account Suspended</h1>\
                     <p>This account has been suspended. Contact your hosting provider for more information.</p>";
    origin.fail(Refuse).await;
    edge.until("down").await;
    assert_eq!(send(&edge, "name=kept").await.status, 202);
    origin.forget();
    origin.fail(Instead(Page::html(suspended))).await;
    eventually("checks see the host's page", secs(20), async || (origin.count("/") > 5).then_some(())).await;
    assert_eq!(posts(&origin), Vec::<String>::new());
    comes_back(&origin, &edge).await;
    until_all(&edge, "delivered", 1).await;
    assert_eq!(posts(&origin), ["name=kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_forgets_none() {
    let origin = fixture::shop().await;
    let mut edge = Edge::start(keeping(&origin, "most_per_client = \"off\"")).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let mut sent = Vec::new();
    for round in 0..4 {
        for n in 0..5 {
            let body = format!("name={round}-{n}");
            assert_eq!(send(&edge, &body).await.status, 202);
            sent.push(body);
        }
        edge.kill();
        edge.restart().await;
        edge.until("down").await;
    }
    origin.forget();
    comes_back(&origin, &edge).await;
    until_all(&edge, "delivered", sent.len()).await;
    let mut arrived = posts(&origin);
    assert_eq!(arrived.len(), sent.len(), "{arrived:?}");
    arrived.sort();
    sent.sort();
    assert_eq!(arrived, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_site_refuses_is_parked_with_the_reason() {
    let origin = fixture::shop().await;
    let edge = Edge::start(keeping(&origin, "")).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    assert_eq!(send(&edge, "name=").await.status, 202);
    let page = origin.content(SIGNUP);
    origin.hide(SIGNUP);
    origin.make(move |asked| {
        let answer = || if asked.method == "POST" { Page::html("no name").status(422) } else { page.clone() };
        (asked.path() == SIGNUP).then(answer)
    });
    comes_back(&origin, &edge).await;
    let parked = until_all(&edge, "parked", 1).await.remove(0);
    assert_eq!(parked["reason"], "status-422");
    let erase = format!("/api/v1/sites/shop/forms/{}", parked["number"].as_str().unwrap());
    let admin = edge.admin();
    let request = admin.ask("DELETE", &erase).body(Full::default()).unwrap();
    assert_eq!(admin.send(request).await.unwrap().status, 200);
    assert!(forms(&edge).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_json_and_a_visitor_the_owners_own_page() {
    let origin = fixture::shop().await;
    let edge = Edge::start(keeping(&origin, "thanks = \"/about\"")).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let json = send_as(&edge, "application/json", "application/json", "{\"name\":\"x\"}").await;
    assert_eq!(json.status, 202, "{}", json.text());
    let said: Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(said["kept"]["processed"], false);
    let thanked = send(&edge, "name=x").await;
    assert_eq!((thanked.status, thanked.header("location")), (303, Some("/about")));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_limit_the_visitor_is_told_that_it_did_not_arrive() {
    let origin = fixture::shop().await;
    let config = keeping(&origin, "most_per_client = \"2/h\"").set("forms.most", 3);
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(send(&edge, "name=x").await.status);
    }
    assert_eq!(statuses, [202, 202, 503]);
    let refused = send(&edge, "name=x").await;
    assert!(refused.text().contains("届いていません"), "{}", refused.text());
    assert_eq!(forms(&edge).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_not_named_is_not_kept() {
    let origin = fixture::shop().await;
    let edge = Edge::start(keeping(&origin, "keep = false")).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    assert_eq!(send(&edge, "name=x").await.status, 503);
    assert!(forms(&edge).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_form_holds_is_shown_found_and_exported() {
    let origin = fixture::shop().await;
    let edge = Edge::start(keeping(&origin, "")).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    send(&edge, "name=Abe&mail=abe%40example.jp").await;
    send(&edge, &format!("name=Hanako&mail={SECRET}")).await;
    let list = |query: &'static str| {
        let admin = edge.admin();
        async move {
            let answer = admin.get(&format!("/api/v1/sites/shop/forms{query}")).await;
            serde_json::from_slice::<Value>(&answer.body).unwrap()["forms"].as_array().unwrap().clone()
        }
    };
    let found = list("?find=HANAKO.kimura").await;
    assert_eq!(found.len(), 1);
    assert!(!found[0].to_string().contains(SECRET), "a list shows no contents");
    let shown = list("?contents=true").await;
    let fields = |form: &Value| {
        form["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["value"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        shown.iter().map(fields).collect::<Vec<_>>(),
        [vec!["Abe", "abe@example.jp"], vec!["Hanako", SECRET]]
    );
    edge.until_logged(&["audit=true", "exported"]).await;
}

/// A page with a form whose token is good until the page is opened the next time.
fn with_token(origin: &Origin) {
    let current = std::sync::atomic::AtomicU64::new(1);
    origin.make(move |asked| {
        let token = current.load(std::sync::atomic::Ordering::SeqCst);
        match (asked.path(), &*asked.method) {
            ("/join", "POST") => {
                let body = String::from_utf8_lossy(&asked.body).into_owned();
                let is_good = body.contains(&format!("csrf_token=t{token}&"))
                    && asked.header("cookie").is_some_and(|cookie| cookie.contains(&format!("csrf=c{token}")));
                Some(if is_good { Page::html("<title>Thanks</title>Welcome") } else { Page::html("no").status(403) })
            }
            ("/join", _) => {
                let token = current.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
                let page = format!(
                    "<!doctype html><html lang=en><title>Join | Harbour</title><nav><a href=/>Home</a></nav><h1>Join us</h1>\
                     <form method=post action=/join><input type=hidden name=csrf_token value=t{token}>\
                     <input name=name><button>Join</button></form><p>We meet at the harbour on Sundays.</p>"
                );
                Some(Page::html(page).header("set-cookie", &format!("csrf=c{token}; Path=/; HttpOnly")))
            }
            _ => None,
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_with_a_token_is_opened_afresh_and_kept_in_the_sites_own_look() {
    let origin = fixture::shop().await;
    with_token(&origin);
    let home = String::from_utf8(origin.content("/").body.to_vec()).unwrap();
    origin.page("/", Page::html(home.replace("</body>", "<a href=/join>Join</a></body>")));
    let config = keeping(&origin, "").form("path = \"/join\"");
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    let copy = edge.get("/join").await;
    assert_eq!(copy.status, 200);
    origin.fail(Refuse).await;
    edge.until("down").await;
    let client = edge.client();
    let request =
        client.ask("POST", "/join").header("content-type", URLENCODED).header("accept", "text/html");
    let answer = client.send(request.body(Full::from("csrf_token=t1&name=Hanako")).unwrap()).await.unwrap();
    let text = answer.text();
    assert_eq!(answer.status, 202, "{text}");
    assert!(
        text.contains("<h1>Join us</h1>") && text.contains("Home") && text.contains("not been processed yet"),
        "{text}"
    );
    assert!(!text.contains("<form") && answer.header("set-cookie").is_none(), "{text}");
    comes_back(&origin, &edge).await;
    until_all(&edge, "delivered", 1).await;
    let arrived = origin.asked_for("/join").into_iter().rfind(|asked| asked.method == "POST").unwrap();
    assert!(String::from_utf8_lossy(&arrived.body).ends_with("&name=Hanako"), "{:?}", arrived.body);
}

/// No copy has the page, and where the form is sent nothing but forms is taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_whose_page_has_no_copy_is_opened_afresh_too() {
    let origin = fixture::shop().await;
    let token = std::sync::atomic::AtomicU64::new(1);
    origin.make(move |asked| match (asked.path(), &*asked.method) {
        ("/api/ask", "POST") => {
            let body = String::from_utf8_lossy(&asked.body).into_owned();
            let token = token.load(std::sync::atomic::Ordering::SeqCst);
            let is_good = token > 1 && body == format!("_token=t{token}&lot=1&question=When%3F");
            Some(if is_good {
                Page::html("<title>Thanks</title>Asked")
            } else {
                Page::html("no").status(419)
            })
        }
        ("/api/ask", _) => Some(Page::html("a parameter is missing").status(500)),
        ("/ask", _) => {
            let token = token.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
            Some(Page::html(format!(
                "<!doctype html><title>Ask us</title><h1>Ask us</h1><form method=post action=/api/ask>\
                 <input type=hidden name=_token value=t{token}><input type=hidden name=lot value=2>\
                 <input name=question><button>Ask</button></form><p>We answer within a day.</p>"
            )))
        }
        _ => None,
    });
    let config = keeping(&origin, "").form("path = \"/api/ask\"");
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let client = edge.client();
    for referer in ["/ask", "/nobody-knows"] {
        let request = client.ask("POST", "/api/ask").header("content-type", URLENCODED);
        let request = request.header("referer", format!("http://www.example.test{referer}"));
        let body = Full::from("_token=t0&lot=1&question=When%3F");
        assert_eq!(client.send(request.body(body).unwrap()).await.unwrap().status, 202);
    }
    comes_back(&origin, &edge).await;
    // nobody knows the second one's page: it is sent as it came
    eventually("what has become of both", secs(20), async || {
        let forms = forms(&edge).await;
        let of = |form: &Value| [form["state"].clone(), form["reason"].clone()];
        (forms.iter().map(of).collect::<Vec<_>>()
            == [["delivered".into(), Value::Null], ["parked".into(), "status-419".into()]])
        .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_comes_again_with_what_was_typed_is_parked() {
    let origin = fixture::shop().await;
    let page = origin.content(SIGNUP);
    origin.hide(SIGNUP);
    origin.make(move |asked| {
        let again = || {
            let typed = String::from_utf8_lossy(&asked.body).replace("mail=", "");
            Page::html(format!(
                "<!doctype html><title>Sign up</title><h1>Sign up</h1><p>This is no mail address.</p>\
                 <form method=post action={SIGNUP}><input name=mail value=\"{typed}\"><button>Send</button></form>"
            ))
        };
        (asked.path() == SIGNUP).then(|| if asked.method == "POST" { again() } else { page.clone() })
    });
    let edge = Edge::start(keeping(&origin, "")).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    assert_eq!(send(&edge, "mail=nowhere").await.status, 202);
    comes_back(&origin, &edge).await;
    let parked = until_all(&edge, "parked", 1).await.remove(0);
    assert_eq!(parked["reason"], "form-again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_show_deliver_and_erase() {
    let origin = fixture::shop().await;
    let mut edge = Edge::start(keeping(&origin, "")).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    send(&edge, "name=Abe&mail=abe%40example.jp").await;
    send(&edge, &format!("name=Hanako&mail={SECRET}")).await;
    let list = edge.cli(&["forms", "list"]).await.must_be_ok();
    assert_eq!(list.out.lines().count(), 3, "{}", list.out);
    let found = edge.cli(&["forms", "list", "--find", SECRET, "--json"]).await.must_be_ok().json();
    let number = found[0]["number"].as_str().unwrap().to_owned();
    assert_eq!(found.as_array().unwrap().len(), 1);
    let shown = edge.cli(&["forms", "show", &number]).await.must_be_ok();
    assert!(shown.out.contains(&format!("mail: {SECRET}")), "{}", shown.out);
    edge.cli(&["forms", "forget", &number]).await.must_be_ok();
    let csv = edge.cli(&["forms", "export"]).await.must_be_ok();
    assert!(csv.out.lines().count() == 2 && csv.out.contains("abe@example.jp"), "{}", csv.out);
    let unknown = edge.cli(&["forms", "deliver", "AAAA-AAAA"]).await;
    assert!(unknown.code == 1 && unknown.err.contains("katahai forms list"), "{}", unknown.err);
    // the same where nothing runs
    edge.kill();
    let export = edge.cli(&["forms", "export", "--format", "json"]).await.must_be_ok().json();
    assert_eq!(export[0]["fields"][0]["value"], "Abe");
    let mut key = crate::support::edge::command(edge.dir());
    key.args(["key", "new"]);
    let key = crate::support::process::run(key, secs(20)).await.must_be_ok();
    assert!(key.out.starts_with("katahai-key-1:") && key.out.trim_end().lines().count() == 1, "a key");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_comes_in_pieces_and_a_bait_is_not_swallowed() {
    let origin = fixture::shop().await;
    let edge = Edge::start(keeping(&origin, "honeypot = \"website\"\nmost_per_client = \"4/h\"")).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    for bait in ["website=http%3A%2F%2Fspam.example", "_gotcha=x"] {
        assert_eq!(send(&edge, &format!("name=bot&{bait}")).await.status, 503, "{bait}");
    }
    // and what was refused is not counted against whoever sits behind the same address
    for n in 0..4 {
        let text = "x".repeat(2_500_000);
        assert_eq!(send(&edge, &format!("name={n}&website=&text={text}")).await.status, 202);
    }
    assert_eq!(send(&edge, "name=5").await.status, 503, "one too many");
    let mut after = String::new();
    let mut pieces = Vec::new();
    loop {
        let path = format!("/api/v1/sites/shop/forms?contents=true&after={after}");
        let piece: Value = serde_json::from_slice(&edge.admin().get(&path).await.body).unwrap();
        pieces.push(piece["forms"].as_array().unwrap().len());
        match piece["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
    }
    assert_eq!(pieces, [2, 2, 0]);
    let all = edge.cli(&["forms", "export", "--format", "json"]).await.must_be_ok().json();
    let names: Vec<&str> =
        all.as_array().unwrap().iter().map(|form| form["fields"][0]["value"].as_str().unwrap()).collect();
    assert_eq!(names, ["0", "1", "2", "3"]);
}
