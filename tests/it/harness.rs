//! The harness against itself: the faulty origin does to a plain client what its faults say.

use std::net::Ipv4Addr;
use std::time::Instant;

use crate::support::certs::{Authority, Leaf};
use crate::support::dns::{self, Dns, Says};
use crate::support::faults::{
    ChunkedCut, EmptyBody, Fault, HalfBodyThenClose, HalfBodyThenReset, HalfBodyThenSilence,
    HalfHeadersThenSilence, HeadersThenSilence, Late, NotHttp, Refuse, ResetInHeaders, ResetOnAccept, Silent,
    Status, Trickle,
};
use crate::support::fixture::{self, SEEN};
use crate::support::load::{Load, any_200};
use crate::support::nginx::Nginx;
use crate::support::raw::{End, Raw, status};
use crate::support::{Answer, Client, Edge, Origin, Page, edge, ms, secs};

async fn ask(origin: &Origin) -> Result<Answer, String> {
    let client = Client::new(origin.addr()).patience(ms(400));
    client.send(client.ask("GET", SEEN).body(Default::default()).unwrap()).await
}

#[tokio::test]
async fn a_healthy_origin_answers_and_counts() {
    let origin = fixture::shop().await;
    let client = Client::new(origin.addr());
    let answer = client.get(SEEN).await;
    answer.must_be(&origin.content(SEEN).body);
    assert_eq!(origin.count(SEEN), 1);
    assert_eq!(origin.asked()[0].header("host").as_deref(), Some("www.example.test"));
    assert_eq!(client.get("/nowhere").await.status, 404);
    let part = client.get_with("/long", &[("range", "bytes=10-19")]).await;
    assert_eq!((part.status, part.body.len()), (206, 10));
    let same = client.get_with("/long", &[("if-none-match", "\"long-1\"")]).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    client.post(SEEN, "a=b").await;
    assert_eq!(origin.asked_for(SEEN)[1].body, "a=b");
}

#[tokio::test]
async fn every_fault_spoils_the_answer_and_heals() {
    let origin = fixture::shop().await;
    let good = origin.content(SEEN).body;
    let faults: Vec<(&str, Box<dyn Fault>)> = vec![
        ("refuse", Box::new(Refuse)),
        ("reset on accept", Box::new(ResetOnAccept)),
        ("reset in headers", Box::new(ResetInHeaders)),
        ("not http", Box::new(NotHttp)),
        ("silent", Box::new(Silent)),
        ("half headers", Box::new(HalfHeadersThenSilence)),
        ("headers then silence", Box::new(HeadersThenSilence)),
        ("half body then silence", Box::new(HalfBodyThenSilence)),
        ("half body then reset", Box::new(HalfBodyThenReset)),
        ("half body then close", Box::new(HalfBodyThenClose)),
        ("chunked cut", Box::new(ChunkedCut)),
        ("trickle", Box::new(Trickle)),
        ("late", Box::new(Late(secs(5)))),
        ("status", Box::new(Status(503))),
        ("empty body", Box::new(EmptyBody)),
    ];
    for (name, fault) in faults {
        origin.switch("/", fault.into()).await;
        let came = ask(&origin).await;
        let right = came.as_ref().is_ok_and(|a| a.status == 200 && a.broken.is_none() && a.body == good);
        assert!(!right, "{name} spoilt nothing: {came:?}");
        origin.heal().await;
        ask(&origin).await.unwrap_or_else(|e| panic!("after {name}: {e}")).must_be(&good);
    }
}

#[tokio::test]
async fn a_fault_may_hold_for_a_branch_only() {
    let origin = fixture::shop().await;
    origin.fail_under("/sign", Status(500)).await;
    let client = Client::new(origin.addr());
    assert_eq!(client.get("/signup").await.status, 500);
    assert_eq!(client.get("/about").await.status, 200);
}

#[tokio::test]
async fn a_refusing_origin_cuts_what_was_open() {
    let origin = fixture::shop().await;
    let client = Client::new(origin.addr());
    let mut session = client.session().await.unwrap();
    let request = || client.ask("GET", SEEN).body(Default::default()).unwrap();
    session.send(request()).await.unwrap().must_be(&origin.content(SEEN).body);
    origin.fail(Refuse).await;
    assert!(session.send(request()).await.is_err());
    assert!(ask(&origin).await.unwrap_err().contains("refused"));
}

#[tokio::test]
async fn a_lever_holds_and_releases() {
    let origin = fixture::shop().await;
    let lever = origin.hold(SEEN);
    let client = Client::new(origin.addr());
    let held: Vec<_> = (0..3)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get(SEEN).await })
        })
        .collect();
    lever.wait_for(3, secs(5)).await;
    assert_eq!((lever.arrived(), origin.most_at_once()), (3, 3));
    lever.release();
    for held in held {
        assert_eq!(held.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn trailers_streams_and_echoes_work_raw() {
    let origin = Origin::start().await;
    origin.page("/t", Page::new("text/plain", "body").trailer("x-sum", "42"));
    origin.page("/big", Page::streamed(3 << 20));
    origin.page("/ws", Page::echo());
    origin.page("/hints", Page::html("hi").before("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"));
    let client = Client::new(origin.addr());
    assert_eq!(client.get("/t").await.trailers.unwrap()["x-sum"], "42");
    assert_eq!(client.get("/big").await.body.len(), 3 << 20);
    assert_eq!(client.get("/hints").await.text(), "hi");
    let mut raw = Raw::connect(origin.addr()).await;
    raw.send("GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").await;
    assert_eq!(status(&raw.head(secs(2)).await), 101);
    raw.send("ping").await;
    assert_eq!(raw.exactly(4, secs(2)).await, b"ping");
    raw.end().await;
    assert_eq!(raw.until_end(secs(2)).await, (String::new(), End::Closed));
}

#[tokio::test]
async fn certificates_are_good_or_bad_as_asked() {
    let authority = Authority::new();
    let origin = Origin::start_tls(&authority.leaf("www.example.test")).await;
    origin.page("/", Page::html("hello"));
    let client = Client::new(origin.addr()).tls(authority.roots());
    assert_eq!(client.get("/").await.text(), "hello");
    for (leaf, why) in [
        (Some(authority.expired("www.example.test")), "expired"),
        (Some(authority.leaf("other.example.test")), "not valid for name"),
        (Some(Leaf::self_signed("www.example.test")), "UnknownIssuer"),
        (None, "alert"),
    ] {
        origin.present(leaf.as_ref()).await;
        let request = client.ask("GET", "/").body(Default::default()).unwrap();
        let error = client.send(request).await.unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
    }
    origin.present(Some(&authority.leaf("www.example.test"))).await;
    assert_eq!(client.get("/").await.text(), "hello");
}

#[tokio::test]
async fn the_name_server_says_what_it_is_told() {
    let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x01\x00\x01";
    let reply = dns::reply(query, Says::Address(Ipv4Addr::LOCALHOST)).unwrap();
    assert_eq!((&reply[..2], reply[3] & 15, reply[7]), (&query[..2], 0, 1));
    assert!(reply.ends_with(&[127, 0, 0, 1]));
    assert_eq!(dns::reply(query, Says::NxDomain).unwrap()[3] & 15, 3);
    assert_eq!(dns::reply(query, Says::ServFail).unwrap()[3] & 15, 2);
    assert!(dns::reply(query, Says::Silence).is_none() && dns::reply(b"junk", Says::NxDomain).is_none());
    let dns = Dns::start(Says::NxDomain).await;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(query, dns.addr()).await.unwrap();
    let mut packet = [0; 512];
    let n = tokio::time::timeout(secs(2), socket.recv(&mut packet)).await.unwrap().unwrap();
    assert_eq!((packet[3] & 15, n, dns.questions()), (3, query.len(), 1));
}

#[tokio::test]
async fn the_load_is_open_and_counts_every_failure() {
    let origin = fixture::shop().await;
    let client = Client::new(origin.addr());
    let load = Load::start(client, 200, vec![SEEN.into(), "/".into()], any_200());
    crate::support::eventually("answers", secs(5), async || (load.done() > 50).then_some(())).await;
    let broken_at = load.now();
    origin.fail(Refuse).await;
    let done = load.done();
    crate::support::eventually("failures", secs(5), async || (load.done() > done + 50).then_some(())).await;
    let report = load.stop().await;
    report.between(ms(0), broken_at.saturating_sub(ms(50))).must_be_clean();
    assert!(report.failures().len() >= 40, "{}", report.failures().len());
    assert!(report.quantile(0.5) < ms(100));
    assert!(report.shots.iter().any(|s| s.target == SEEN) && report.shots.iter().any(|s| s.target == "/"));
}

#[tokio::test]
async fn a_real_nginx_starts_dies_and_comes_back() {
    let site = tempfile::tempdir().unwrap();
    std::fs::write(site.path().join("index.html"), "from a file").unwrap();
    let mut nginx = Nginx::folder(site.path());
    let client = Client::new(nginx.addr());
    assert_eq!(client.get("/").await.text(), "from a file");
    assert!(crate::support::process::rss(nginx.pid()) > 0);
    nginx.kill();
    assert!(client.send(client.ask("GET", "/").body(Default::default()).unwrap()).await.is_err());
    nginx.start();
    assert_eq!(client.get("/").await.text(), "from a file");
}

#[test]
fn ports_are_read_from_the_log() {
    let lines = [
        "2026-01-01T00:00:00Z  INFO katahai::server: listening kind=http addr=127.0.0.1:8080",
        "listening kind=\"https\" addr=[::1]:8443 tls=true",
        "listening kind=admin addr=127.0.0.1:9900",
        "listening to nobody",
    ];
    let ports = edge::ports(&lines.map(str::to_owned));
    assert_eq!(ports.http, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(ports.https, ["[::1]:8443".parse().unwrap()]);
    assert_eq!(ports.admin, ["127.0.0.1:9900".parse().unwrap()]);
}

#[test]
fn a_configuration_is_written_as_toml() {
    let config = crate::support::Config::before("http://127.0.0.1:1")
        .set("limits.body_size", "8GiB")
        .route("/admin/*", "off", "off");
    let value: toml::Table = config.toml().parse().unwrap();
    assert_eq!(value["limits"]["body_size"].as_str(), Some("8GiB"));
    let site = &value["site"][0];
    assert_eq!(site["origin"][0]["url"].as_str(), Some("http://127.0.0.1:1"));
    assert_eq!(site["route"][0]["mirror"].as_str(), Some("off"));
    assert_eq!(site["health"]["fall"].as_integer(), Some(2));
}

#[tokio::test]
async fn a_process_costs_what_it_uses() {
    let began = Instant::now();
    let mut busy = std::process::Command::new("sh");
    busy.args(["-c", "i=0; while [ $i -lt 2000000 ]; do i=$((i+1)); done"]);
    let mut process = crate::support::process::Process::start(&mut busy);
    let cost = crate::support::eventually("some cost", secs(20), async || {
        let cost = crate::support::process::cpu(process.pid());
        (cost >= ms(50)).then_some(cost)
    })
    .await;
    assert!(cost <= began.elapsed() + ms(50) && crate::support::process::rss(process.pid()) > 100_000);
    process.kill();
    assert!(edge::binary().is_absolute());
    let _: fn(crate::support::Config) -> _ = Edge::start;
}
