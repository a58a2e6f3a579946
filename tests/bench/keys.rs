//! A million distinct addresses and 200,000 distinct Host fields: what memory is kept of them, and how many entries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::scale::origin;
use super::servers::config;
use crate::support::{Config, Edge, Site};

const ADDRESSES: u32 = 1_000_000;
const HOSTS: u32 = 200_000;
const CONNECTIONS: usize = 32;
/// The host of the site of its own.
const HERE: &str = "127.0.0.1";

/// The length of the answer whose head is there, and its status.
fn whole(read: &[u8]) -> Option<(usize, u16)> {
    let end = memchr(read)?;
    let head = std::str::from_utf8(&read[..end]).unwrap().to_ascii_lowercase();
    let length = head.split_once("content-length: ").expect("a length").1.lines().next().unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some((end + 4 + length.trim().parse::<usize>().unwrap(), status))
}

fn memchr(read: &[u8]) -> Option<usize> {
    read.windows(4).position(|four| four == b"\r\n\r\n")
}

/// Asks for each of `count` over kept connections. `ask` says host and target of the n-th; each must get `status`.
async fn each(at: SocketAddr, count: u32, status: u16, ask: fn(u32) -> (String, String)) {
    let next = Arc::new(AtomicU32::new(0));
    let visitor = async |next: Arc<AtomicU32>| {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut read = vec![0; 64 << 10];
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return;
            }
            let (host, target) = ask(n);
            let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let (mut len, mut wanted) = (0, None);
            while wanted.is_none_or(|(wanted, _)| len < wanted) {
                let more = stream.read(&mut read[len..]).await.unwrap();
                assert!(more > 0, "the connection was closed: {}", String::from_utf8_lossy(&read[..len]));
                len += more;
                wanted = wanted.or_else(|| whole(&read[..len]));
            }
            assert_eq!(
                wanted.unwrap().1,
                status,
                "{host}{target}: {}",
                String::from_utf8_lossy(&read[..len])
            );
        }
    };
    futures_util::future::join_all((0..CONNECTIONS).map(|_| visitor(next.clone()))).await;
}

/// Entries and bytes of the cache.
async fn cache(edge: &Edge) -> String {
    let text = edge.admin().get("/metrics").await.text();
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or(f64::NAN)
    };
    let (entries, bytes) = (value("katahai_cache_entries "), value("katahai_cache_bytes "));
    format!("{entries} entries, {:.0} MiB", bytes / f64::from(1 << 20))
}

async fn measure(name: &str, edge: &Edge, count: u32, status: u16, ask: fn(u32) -> (String, String)) {
    let before = edge.rss();
    let begun = std::time::Instant::now();
    edge.forget_peak();
    each(edge.http(), count, status, ask).await;
    let (took, after, most) = (begun.elapsed().as_secs_f64(), edge.rss(), edge.peak_rss());
    let lines = edge.admin().get("/metrics").await.text().lines().count();
    println!(
        "| {name} | {took:.0} s | {} MiB | {} MiB | {} MiB | {} | {lines} |",
        before >> 20,
        after >> 20,
        most >> 20,
        cache(edge).await
    );
}

/// All of them, one after the other, in one process.
pub async fn many_keys() {
    let origin = origin();
    let own = config(&origin.url());
    let edge = Edge::start(own).await;
    edge.until_snapshot().await;
    println!(
        "\nDistinct addresses and Host fields, {CONNECTIONS} kept connections, `memory_cache` as it comes\n"
    );
    println!(
        "| asked for | took | before | after | most | cache | lines of `/metrics` |\n|---|---|---|---|---|---|---|"
    );
    measure("1,000,000 pages that may be kept", &edge, ADDRESSES, 200, |n| {
        (HERE.into(), format!("/u/{n}.html"))
    })
    .await;
    measure("the same once more", &edge, ADDRESSES, 200, |n| (HERE.into(), format!("/u/{n}.html"))).await;
    measure("1,000,000 with 404", &edge, ADDRESSES, 404, |n| (HERE.into(), format!("/gone/{n}.html"))).await;
    measure("200,000 Host fields of no site", &edge, HOSTS, 421, |n| (format!("h{n}.test"), "/".into()))
        .await;
    drop(edge);
    let every = Site::bare("every", "*").set("mirror.rate", "off").origin(&origin.url());
    let edge = Edge::start(Config::new(every).flag("--access-log", "off")).await;
    measure("200,000 Host fields of a site for all", &edge, HOSTS, 200, |n| {
        (format!("h{n}.test"), "/u/".into())
    })
    .await;
}
