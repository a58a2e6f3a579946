//! Bodies larger than memory: they flow, in both directions, while the process stays small.

use std::time::Instant;

use crate::support::faults::HalfBodyThenReset;
use crate::support::raw::{Raw, status};
use crate::support::{Client, Config, Edge, Origin, Page, fixture, ms, secs, turn};

const LARGE: u64 = 4 << 30;
const MOST_MEMORY: u64 = 150 << 20;

async fn edge_before(origin: &Origin) -> Edge {
    let config =
        Config::before(&origin.url()).set("limits.body_size", "8GiB").site("mirror.exclude", ["/big"]);
    Edge::start(config).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_of_4_gib_needs_little_memory() {
    let _alone = turn::alone();
    let origin = Origin::start().await;
    origin.page("/big", Page::streamed(LARGE));
    let edge = edge_before(&origin).await;
    let mut raw = Raw::connect(edge.http()).await;
    raw.send("GET /big HTTP/1.1\r\nHost: www.example.test\r\n\r\n").await;
    let head = raw.head(secs(5)).await.to_ascii_lowercase();
    assert!(status(&head) == 200 && head.contains(&format!("content-length: {LARGE}")), "{head}");
    let got = tokio::time::timeout(secs(120), raw.swallow(LARGE)).await.expect("4 GiB within two minutes");
    assert_eq!(got, LARGE);
    assert!(edge.peak_rss() < MOST_MEMORY, "{} MiB", edge.peak_rss() >> 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_4_gib_needs_little_memory() {
    let _alone = turn::alone();
    let origin = Origin::start().await;
    origin.page("/big", Page::html("thank you"));
    let edge = edge_before(&origin).await;
    let mut raw = Raw::connect(edge.http()).await;
    raw.send(format!("POST /big HTTP/1.1\r\nHost: www.example.test\r\nContent-Length: {LARGE}\r\n\r\n"))
        .await;
    tokio::time::timeout(secs(120), raw.pour(LARGE)).await.expect("4 GiB within two minutes").unwrap();
    assert_eq!(status(&raw.head(secs(10)).await), 200);
    let asked = origin.last("/big").await;
    assert_eq!((asked.body_len, asked.whole), (LARGE, true));
    assert!(edge.peak_rss() < MOST_MEMORY, "{} MiB", edge.peak_rss() >> 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_of_large_bodies_cost_little_memory() {
    let origin = Origin::start().await;
    origin.page("/big", Page::streamed(64 << 20));
    let edge = edge_before(&origin).await;
    let mut readers = Vec::new();
    for _ in 0..50 {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send("GET /big HTTP/1.1\r\nHost: www.example.test\r\n\r\n").await;
        raw.head(secs(10)).await;
        readers.push(raw);
    }
    // all buffers on the way are full once the origin's side has stopped moving
    let (mut last, mut since) = (edge.rss(), Instant::now());
    crate::support::eventually("still memory", secs(20), async || {
        if edge.rss() != last {
            (last, since) = (edge.rss(), Instant::now());
        }
        (since.elapsed() > ms(500)).then_some(())
    })
    .await;
    assert!(edge.peak_rss() < MOST_MEMORY, "{} MiB for 50 slow readers", edge.peak_rss() >> 20);
}

#[tokio::test]
async fn bytes_arrive_as_they_are_sent() {
    let origin = Origin::start().await;
    origin.page("/slow", Page::html(fixture::long_page("slow", 64 << 10)));
    let edge = edge_before(&origin).await;
    origin.fail_under("/slow", crate::support::faults::Trickle).await;
    let mut raw = Raw::connect(edge.http()).await;
    raw.send("GET /slow HTTP/1.1\r\nHost: www.example.test\r\n\r\n").await;
    assert_eq!(status(&raw.head(secs(3)).await), 200);
    assert_eq!(raw.exactly(2, secs(4)).await, b"<!");
}

#[tokio::test]
async fn a_broken_stream_ends_visibly_broken() {
    let origin = Origin::start().await;
    origin.page("/big", Page::new("application/zip", fixture::noise(3 << 20, 1)));
    origin.page("/parts", Page::new("application/zip", fixture::noise(3 << 20, 1)).chunked());
    let edge = edge_before(&origin).await;
    origin.fail(HalfBodyThenReset).await;
    for client in [edge.client(), edge.client().h2()] {
        for path in ["/big", "/parts"] {
            let request = client.ask("GET", path).body(Default::default()).unwrap();
            if let Ok(answer) = client.send(request).await {
                assert!(
                    answer.broken.is_some() || answer.status == 503,
                    "{path}: {} {:?}",
                    answer.status,
                    answer.headers
                );
            }
        }
    }
}

const GIB: u64 = 1 << 30;

/// An edge with a certificate, and the visitors' trust in it.
async fn edge_with_tls(origin: &Origin) -> (Edge, Client) {
    let authority = crate::support::certs::Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = authority.leaf("www.example.test").write(dir.path(), "www");
    let config = Config::before(&origin.url())
        .set("limits.body_size", "8GiB")
        .set("listen.https", ["127.0.0.1:0"])
        .site("tls.cert", cert.display().to_string())
        .site("tls.key", key.display().to_string())
        .site("mirror.exclude", ["/big"]);
    let edge = Edge::start_in(dir, config).await;
    let client = edge.tls(authority.roots()).h2();
    (edge, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_each_way_by_tls_and_http_2_needs_little_memory() {
    let _alone = turn::alone();
    let origin = Origin::start().await;
    origin.page("/big", Page::streamed(GIB));
    let (edge, client) = edge_with_tls(&origin).await;
    let (status, got) = client.swallow("/big").await;
    assert_eq!((status, got), (200, GIB));
    origin.page("/big", Page::html("thank you"));
    assert_eq!(client.pour("/big", GIB).await, 200);
    let asked = origin.last("/big").await;
    assert_eq!((asked.body_len, asked.whole), (GIB, true));
    assert!(edge.peak_rss() < MOST_MEMORY, "{} MiB", edge.peak_rss() >> 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_of_unknown_length_each_way_needs_little_memory() {
    let _alone = turn::alone();
    let origin = Origin::start().await;
    origin.page("/big", Page::streamed(GIB).chunked());
    let edge = edge_before(&origin).await;
    let (status, got) = edge.client().swallow("/big").await;
    assert_eq!((status, got), (200, GIB));
    origin.page("/big", Page::html("thank you"));
    // without a Content-Length, so in chunks
    assert_eq!(edge.client().pour("/big", GIB).await, 200);
    let asked = origin.last("/big").await;
    assert_eq!(asked.header("transfer-encoding").as_deref(), Some("chunked"));
    assert_eq!((asked.body_len, asked.whole), (GIB, true));
    assert!(edge.peak_rss() < MOST_MEMORY, "{} MiB", edge.peak_rss() >> 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_with_a_copy_at_hand_is_not_held_back_whole() {
    let _alone = turn::alone();
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    for path in ["/files/menu.pdf", fixture::SEEN] {
        origin.page(path, Page::streamed(GIB).header("cache-control", "no-store"));
        edge.forget_peak();
        assert_eq!(edge.client().swallow(path).await, (200, GIB), "{path}");
        assert!(edge.peak_rss() < MOST_MEMORY, "{path}: {} MiB", edge.peak_rss() >> 20);
    }
}
