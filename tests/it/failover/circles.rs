//! What leads back to where it began: a redirect to the very address that was asked for, and an origin that is Katahai itself.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::faults::{Instead, Refuse};
use crate::support::fixture::{self, SEEN, SIGNUP};
use crate::support::{Config, Edge, Origin, Page, eventually, secs};

/// A forwarded port, that leads where it is told to; connections that were made before are cut. What it passes on lacks
/// some fields, if it is told so.
struct Forwarder {
    addr: SocketAddr,
    target: watch::Sender<Option<SocketAddr>>,
}

impl Forwarder {
    async fn start(target: Option<SocketAddr>) -> Forwarder {
        Forwarder::without(&[], target).await
    }

    async fn without(fields: &'static [&'static str], target: Option<SocketAddr>) -> Forwarder {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (target, wanted) = watch::channel(target);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut wanted = wanted.clone();
                tokio::spawn(async move {
                    let target = *wanted.wait_for(Option::is_some).await.unwrap();
                    wanted.mark_unchanged();
                    let Ok(mut far) = TcpStream::connect(target.unwrap()).await else { return };
                    let (mut from, mut back) = near.split();
                    let (mut answers, mut to) = far.split();
                    tokio::select! {
                        _ = pass_on(&mut from, &mut to, fields) => {}
                        _ = tokio::io::copy(&mut answers, &mut back) => {}
                        _ = wanted.changed() => {}
                    }
                });
            }
        });
        Forwarder { addr, target }
    }

    fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    fn lead_to(&self, target: SocketAddr) {
        self.target.send_replace(Some(target));
    }
}

/// Passes requests on, each line by itself; those that begin like this are left out.
async fn pass_on(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>, fields: &[&str]) -> std::io::Result<()> {
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).await? > 0 {
        let begins = |field: &&str| {
            line.get(..field.len()).is_some_and(|start| start.eq_ignore_ascii_case(field.as_bytes()))
        };
        if !fields.iter().any(begins) {
            to.write_all(&line).await?;
        }
        line.clear();
    }
    to.shutdown().await
}

/// Waits until the status names this cause.
async fn told(edge: &Edge, code: &str) {
    let name = format!("\"{code}\"");
    let named = async || edge.status().await.to_string().contains(&name).then_some(());
    eventually(&format!("{code} in the status"), secs(10), named).await;
}

#[tokio::test]
async fn a_redirect_to_itself_falls_to_the_copy_and_is_not_kept() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    let itself = |path: &str| Page::redirect(301, &format!("http://www.example.test{path}"));
    origin.fail_under("/", Instead(itself(SEEN).header("cache-control", "max-age=600"))).await;
    for _ in 0..2 {
        let answer = edge.get(SEEN).await;
        answer.must_be(&origin.content(SEEN).body);
        assert!(answer.is_copy(), "{}", answer.cache_status());
    }
    origin.fail_under("/new", Instead(itself("/new").header("cache-control", "max-age=600"))).await;
    let answer = edge.get("/new").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.cache_status().contains("redirect-loop"), "{}", answer.cache_status());
    // whoever has more of the address than the key gets no circle either
    edge.get(&format!("{SEEN}?utm_source=mail")).await.must_be(&origin.content(SEEN).body);
    origin.fail(Refuse).await;
    edge.until("down").await;
    assert_eq!(edge.get("/new").await.status, 503);
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
}

#[tokio::test]
async fn all_pages_that_lead_to_themselves_are_a_site_that_is_down() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    origin.fail(Instead(Page::redirect(302, "#"))).await;
    edge.until("down").await;
    told(&edge, "redirect-loop").await;
    origin.heal().await;
    edge.until("up").await;
}

#[tokio::test]
async fn a_page_that_greets_with_a_cookie_and_a_form_that_ends_on_its_page_pass() {
    let origin = fixture::shop().await;
    origin.make(|asked| {
        let knows = asked.header("cookie").is_some_and(|cookies| cookies.contains("seen=1"));
        match (asked.path(), knows) {
            ("/greets", false) => Some(Page::redirect(302, "/greets").header("set-cookie", "seen=1; Path=/")),
            ("/greets", true) => Some(Page::html("come in")),
            ("/form", _) if asked.method == "POST" => Some(Page::redirect(303, "/form")),
            ("/form", _) => Some(Page::html("a form")),
            _ => None,
        }
    });
    let edge = Edge::start(Config::before(&origin.url())).await;
    for _ in 0..2 {
        let answer = edge.get("/greets").await;
        assert_eq!((answer.status, answer.header("set-cookie")), (302, Some("seen=1; Path=/")));
        assert!(!answer.cache_status().contains("stored"), "{}", answer.cache_status());
    }
    assert_eq!(edge.client().get_with("/greets", &[("cookie", "seen=1")]).await.text(), "come in");
    assert_eq!(edge.client().post("/form", "a=b").await.status, 303);
}

/// Has these addresses lead to each other in this order, and the last to the first.
fn in_a_round(origin: &Origin, status: u16, round: &[&str]) {
    for (at, path) in round.iter().enumerate() {
        let to = Page::redirect(status, round[(at + 1) % round.len()]);
        origin.page(path, to.header("cache-control", "max-age=600"));
    }
}

#[tokio::test]
async fn pages_that_lead_to_each_other_fall_to_their_copies_and_are_not_kept() {
    for round in [&[SEEN, SIGNUP][..], &[SEEN, "/new", SIGNUP]] {
        let origin = fixture::shop().await;
        let edge = Edge::start(Config::before(&origin.url())).await;
        edge.until_snapshot().await;
        let pages = fixture::pages(1);
        in_a_round(&origin, 301, round);
        for path in [SEEN, SIGNUP, SEEN] {
            let answer = edge.get(path).await;
            answer.must_be(&pages[path].body);
            assert!(answer.is_copy(), "{path} of {round:?}: {}", answer.cache_status());
        }
        // the log is written beside the answers
        let marked = async || edge.log().iter().any(|line| line.ends_with(" redirect-loop")).then_some(());
        eventually("the cause in the log", secs(10), marked).await;
    }
}

#[tokio::test]
async fn pages_without_copies_that_lead_to_each_other_are_told_as_such() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    in_a_round(&origin, 302, &["/x", "/y", "/z"]);
    for path in ["/x", "/y"] {
        edge.get(path).await;
    }
    for path in ["/z", "/x", "/y"] {
        let answer = edge.get(path).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.cache_status());
        assert!(answer.cache_status().contains("redirect-loop"), "{}", answer.cache_status());
    }
}

#[tokio::test]
async fn a_kept_redirect_is_dropped_when_its_target_leads_back() {
    let origin = fixture::shop().await;
    origin.page("/here", Page::redirect(301, "/there").header("cache-control", "max-age=600"));
    origin.page("/there", Page::html("<title>There</title>there").header("cache-control", "no-store"));
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.get("/here").await;
    assert!(edge.get("/here").await.cache_status().contains("hit; ttl="));
    // the owner has thought better of it
    origin.page("/here", Page::html("<title>Here</title>here"));
    origin.page("/there", Page::redirect(302, "/here"));
    let answer = edge.get("/there").await;
    assert_eq!((answer.status, answer.header("location")), (302, Some("/here")));
    assert_eq!(edge.get("/here").await.text(), "<title>Here</title>here");
}

#[tokio::test]
async fn a_page_and_the_redirect_to_it_may_change_places() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    let old = edge.get("/old").await;
    assert_eq!((old.status, old.header("location")), (301, Some(SEEN)));
    origin.page("/old", origin.content(SEEN));
    origin.page(SEEN, Page::redirect(301, "/old"));
    let answer = edge.get(SEEN).await;
    assert_eq!((answer.status, answer.is_copy()), (301, false), "{}", answer.cache_status());
    assert_eq!(edge.get("/old").await.status, 200);
}

#[tokio::test]
async fn pages_that_lead_each_visitor_to_his_language_are_no_circle() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    origin.hide(SEEN);
    origin.hide(SIGNUP);
    origin.make(|asked| {
        let japanese = asked.header("accept-language").is_some_and(|language| language.starts_with("ja"));
        match asked.path() {
            SEEN if japanese => Some(Page::redirect(302, SIGNUP)),
            SIGNUP if !japanese => Some(Page::redirect(302, SEEN)),
            _ => None,
        }
    });
    for (path, language) in [(SEEN, "ja"), (SIGNUP, "en"), (SEEN, "ja")] {
        let answer = edge.client().get_with(path, &[("accept-language", language)]).await;
        assert_eq!((answer.status, answer.is_copy()), (302, false), "{}", answer.cache_status());
    }
}

#[tokio::test]
async fn checks_know_key_pages_that_lead_to_each_other_and_those_that_only_greet() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    let home = origin.content("/");
    // over a second address, back with a cookie
    let welcome = home.clone();
    origin.hide("/");
    origin.make(move |asked| {
        let knows = asked.header("cookie").is_some_and(|cookies| cookies.contains("seen=1"));
        match asked.path() {
            "/" if !knows => Some(Page::redirect(302, "/greets").header("set-cookie", "seen=1; Path=/")),
            "/" => Some(welcome.clone()),
            "/greets" => Some(Page::redirect(302, "/")),
            _ => None,
        }
    });
    origin.forget();
    let greeted = async || (origin.count("/greets") > 3).then_some(());
    eventually("checks past the greeting", secs(20), greeted).await;
    assert_eq!(edge.state().await, "up");
    let signup = origin.content(SIGNUP);
    in_a_round(&origin, 302, &["/", "/greets", SIGNUP]);
    edge.until("down").await;
    told(&edge, "redirect-loop").await;
    origin.page(SIGNUP, signup);
    origin.page("/", home);
    edge.until("up").await;
}

/// Katahai's own requests come back through this forwarder: it is told, and refused.
async fn is_a_loop(forwarder: &Forwarder) {
    let edge = Edge::start(Config::before(&forwarder.url())).await;
    forwarder.lead_to(edge.http());
    // the first check may have found it before any visitor came
    let answer = edge.get(SEEN).await;
    assert!([503, 508].contains(&answer.status) && !answer.is_copy(), "{}", answer.text());
    edge.until("down").await;
    told(&edge, "loop").await;
    let is_refusal = |line: &String| line.contains(" 508 ") && line.ends_with(" error loop");
    let refused = async || edge.log().iter().any(is_refusal).then_some(());
    eventually("the refusal in the log", secs(5), refused).await;
}

#[tokio::test]
async fn an_origin_that_leads_back_is_a_loop() {
    let forwarder = Forwarder::start(None).await;
    is_a_loop(&forwarder).await;
}

#[tokio::test]
async fn an_origin_that_leads_back_without_its_name_is_a_loop() {
    let forwarder = Forwarder::without(&["cdn-loop:", "via:"], None).await;
    is_a_loop(&forwarder).await;
}

#[tokio::test]
async fn copies_are_given_while_the_origin_leads_back() {
    let origin = fixture::shop().await;
    let forwarder = Forwarder::start(Some(origin.addr())).await;
    let edge = Edge::start(Config::before(&forwarder.url())).await;
    edge.until_snapshot().await;
    forwarder.lead_to(edge.http());
    for path in [SEEN, SIGNUP] {
        edge.get(path).await.must_be(&origin.content(path).body);
    }
    edge.until("down").await;
    told(&edge, "loop").await;
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    forwarder.lead_to(origin.addr());
    edge.until("up").await;
    let answer = edge.get("/members/list").await;
    assert_eq!((answer.status, answer.is_copy()), (200, false));
}

#[tokio::test]
async fn two_instances_in_a_row_are_no_loop() {
    let origin = fixture::shop().await;
    let region = Edge::start(Config::before(&origin.url())).await;
    let edge = Edge::start(Config::before(&format!("http://{}", region.http()))).await;
    // no crawl asks for it: the last request for it is the visitor's
    origin.page("/unlinked", Page::html("<title>Unlinked</title>here"));
    let answer = edge.get("/unlinked").await;
    answer.must_be(&origin.content("/unlinked").body);
    assert!(!answer.is_copy(), "{}", answer.cache_status());
    let asked = origin.last("/unlinked").await;
    assert_eq!(asked.header("via").as_deref(), Some("1.1 katahai, 1.1 katahai"));
    let names = asked.header("cdn-loop").unwrap();
    let names: Vec<&str> = names.split(", ").collect();
    assert!(names.len() == 2 && names[0] != names[1], "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("katahai;id=")), "{names:?}");
}

#[tokio::test]
async fn interim_answers_that_come_with_the_answer_go_ahead_of_it() {
    use crate::support::raw::{Raw, status};
    let origin = fixture::shop().await;
    let hint = "HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n";
    origin.page("/hints", Page::html("hi").before(hint).header("cache-control", "no-store"));
    let edge = Edge::start(Config::before(&origin.url())).await;
    for n in 0..10 {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(format!("GET /hints HTTP/1.1\r\nHost: www.example.test\r\nX-N: {n}\r\n\r\n")).await;
        let heads = [raw.head(secs(5)).await, raw.head(secs(5)).await];
        assert_eq!(heads.each_ref().map(|head| status(head)), [103, 200], "{n}: {heads:?}");
    }
}
