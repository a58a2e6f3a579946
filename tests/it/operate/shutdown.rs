//! The end, wanted and unwanted: a drain that loses nobody, and kills that lose nothing.

use crate::support::edge::ports;
use crate::support::faults::{Refuse, Silent};
use crate::support::fixture::{self, FOUR, SEEN};
use crate::support::raw::{Raw, status};
use crate::support::{Client, Config, Edge, Origin, Page, eventually, secs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_lets_a_running_download_end() {
    let origin = Origin::start().await;
    let len = 64 << 20;
    origin.page("/big", Page::streamed(len));
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    let mut idle = Raw::connect(edge.http()).await;
    let mut raw = Raw::connect(edge.http()).await;
    raw.send("GET /big HTTP/1.1\r\nHost: www.example.test\r\n\r\n").await;
    assert_eq!(status(&raw.head(secs(5)).await), 200);
    raw.exactly(1 << 20, secs(5)).await;
    edge.sigterm();
    eventually("closed doors", secs(5), async || {
        tokio::net::TcpStream::connect(edge.http()).await.is_err().then_some(())
    })
    .await;
    assert_eq!(raw.swallow(len - (1 << 20)).await, len - (1 << 20));
    idle.until_end(secs(5)).await;
    assert_eq!(edge.exit_code(secs(15)).await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_lets_running_streams_end() {
    let origin = Origin::start().await;
    let len = 16 << 20;
    origin.page("/big", Page::streamed(len));
    let lever = origin.hold("/held");
    origin.page("/held", Page::html("at last"));
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    let tcp = tokio::net::TcpStream::connect(edge.http()).await.unwrap();
    // the one that is not read leaves room for the other
    let mut client = h2::client::Builder::new();
    let (client, connection) =
        client.initial_connection_window_size(1 << 20).handshake::<_, bytes::Bytes>(tcp).await.unwrap();
    tokio::spawn(connection);
    let ask = |path: &str| http::Request::get(format!("http://www.example.test{path}")).body(()).unwrap();
    let mut client = client.ready().await.unwrap();
    let big = client.send_request(ask("/big"), true).unwrap().0.await.unwrap();
    let held = client.send_request(ask("/held"), true).unwrap().0;
    lever.wait_for(1, secs(5)).await;
    edge.sigterm();
    eventually("closed doors", secs(5), async || {
        tokio::net::TcpStream::connect(edge.http()).await.is_err().then_some(())
    })
    .await;
    lever.release();
    assert_eq!(held.await.unwrap().into_body().data().await.unwrap().unwrap(), "at last");
    let (mut big, mut got) = (big.into_body(), 0);
    while let Some(bytes) = big.data().await {
        let bytes = bytes.expect("all of it");
        big.flow_control().release_capacity(bytes.len()).unwrap();
        got += bytes.len();
    }
    assert_eq!(got as u64, len);
    assert!(client.ready().await.is_err(), "nothing new");
    assert_eq!(edge.exit_code(secs(15)).await, Some(0));
}

#[tokio::test]
async fn sigterm_without_visitors_ends_at_once() {
    let origin = fixture::shop().await;
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.get(SEEN).await;
    let began = std::time::Instant::now();
    edge.sigterm();
    assert_eq!(edge.exit_code(secs(10)).await, Some(0));
    assert!(began.elapsed() < secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn sigterm_in_a_crawl_and_an_outage_ends_too() {
    let origin = fixture::shop().await;
    let lever = origin.hold("/about");
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    lever.wait_for(1, secs(10)).await;
    origin.fail(Silent).await;
    edge.sigterm();
    assert_eq!(edge.exit_code(secs(15)).await, Some(0));
}

#[tokio::test]
async fn a_kill_in_an_outage_loses_nothing() {
    let origin = fixture::shop().await;
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    for _ in 0..5 {
        edge.kill();
        edge.restart().await;
        for path in FOUR {
            edge.get(path).await.must_be(&origin.content(path).body);
        }
        edge.get("/nowhere").await.must_be_holding_page();
    }
    origin.heal().await;
    fixture::stock(&origin, 2);
    eventually("the live site", secs(15), async || {
        (edge.get(SEEN).await.body == origin.content(SEEN).body).then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_on_one_state_directory_do_not_harm_it_and_are_told() {
    let origin = fixture::shop().await;
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    let id = edge.until_snapshot().await;
    let other = edge.dir().join("other");
    std::fs::create_dir(&other).unwrap();
    let config = edge.config().set("listen.http", ["127.0.0.1:0"]).set("listen.admin", "127.0.0.1:0");
    std::fs::write(other.join("katahai.toml"), config.toml()).unwrap();
    let mut second = crate::support::edge::spawn(&other, &config);
    let admin =
        eventually("its admin address", secs(10), async || ports(&second.lines()).admin.first().copied())
            .await;
    let client = Client::new(admin).host("localhost");
    let conditions = async || {
        let status: serde_json::Value =
            serde_json::from_slice(&client.get("/api/v1/status").await.body).unwrap();
        status["conditions"].to_string()
    };
    let told = eventually("a word about it", secs(10), async || {
        Some(conditions().await).filter(|told| told.contains("\"state-shared\""))
    })
    .await;
    assert!(told.contains(&format!("the process {} that was started at", edge.pid())), "{told}");
    eventually("a line about it", secs(10), async || {
        second.lines().iter().any(|line| line.contains("WARN") && line.contains("state-shared")).then_some(())
    })
    .await;
    edge.cli(&["snapshot", "verify"]).await.must_be_ok();
    // it takes over when the first is gone
    edge.kill();
    eventually("its end", secs(15), async || (!conditions().await.contains("state-shared")).then_some(()))
        .await;
    second.kill();
    edge.restart().await;
    assert_eq!(edge.snapshot_id().await.as_deref(), Some(&*id));
}
