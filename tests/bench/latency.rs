//! Latency at half of the load that the slower of two servers can take: an open loop, each request timed from when it was to
//! leave, so that nobody's waiting hides another's.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::load::{self, Load};
use super::servers::{self, Server};

const SECONDS: u32 = 4;
const CONNECTIONS: [u32; 2] = [load::CONNECTIONS, 2_000];
const REQUEST: &[u8] = b"GET /page.html HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// Sends requests over this connection at their times, from `first` on and `every` so long; how long each took.
async fn visitor(at: SocketAddr, first: Instant, every: Duration, until: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut took, mut due) = (Vec::new(), first);
    let mut read = vec![0; 64 << 10];
    while due < until {
        tokio::time::sleep_until(due.into()).await;
        stream.write_all(REQUEST).await.unwrap();
        let (mut len, mut wanted) = (0, usize::MAX);
        while len < wanted {
            let count = stream.read(&mut read[len..]).await.unwrap();
            assert!(count > 0, "{at} closed the connection");
            len += count;
            if wanted == usize::MAX {
                wanted = whole(&read[..len]).unwrap_or(usize::MAX);
            }
        }
        took.push(due.elapsed());
        due += every;
    }
    took
}

/// The length of an answer whose head is there.
fn whole(read: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(read).unwrap();
    let (head, _) = text.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let lower = head.to_ascii_lowercase();
    let (_, length) = lower.split_once("content-length: ").expect("a length");
    let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
    Some(head.len() + 4 + length)
}

/// The middle and the 99th percentile, in milliseconds.
async fn quantiles(server: &Server, connections: u32, rate: f64) -> (f64, f64) {
    let every = Duration::from_secs_f64(f64::from(connections) / rate);
    let begin = Instant::now() + Duration::from_secs(1);
    let until = begin + Duration::from_secs(SECONDS.into());
    let visitors = (0..connections).map(|n| {
        let first = begin + every.mul_f64(f64::from(n) / f64::from(connections));
        tokio::spawn(visitor(server.http, first, every, until))
    });
    let mut all = Vec::new();
    for visitor in visitors.collect::<Vec<_>>() {
        all.extend(visitor.await.unwrap());
    }
    all.sort_unstable();
    let of = |share: f64| all[((all.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    (of(0.5), of(0.99))
}

async fn beside(title: &str, servers: [Server; 2]) {
    let mut most = f64::INFINITY;
    for server in &servers {
        most = most.min(load::most(server, Load::Plain).await);
    }
    let rate = most / 2.0;
    println!("\n{title}, 8 KiB, {rate:.0} requests a second (half of what the slower takes), {SECONDS} s\n");
    println!("| server | connections | median | 99% |\n|---|---|---|---|");
    for connections in CONNECTIONS {
        for server in &servers {
            let (half, most) = quantiles(server, connections, rate).await;
            println!("| {} | {connections} | {half:.2} ms | {most:.2} ms |", server.name);
        }
    }
}

/// Hits beside nginx's, and answers passed through beside HAProxy's.
pub async fn at_half_load() {
    let root = tempfile::tempdir().unwrap();
    let origin = servers::origin(root.path());
    let hits = [servers::katahai_cache(&origin, "off").await, servers::nginx_cache(origin.addr(), "off")];
    beside("Hits", hits).await;
    let passed = [servers::katahai_passing(&origin, "off").await, servers::haproxy(origin.addr())];
    beside("Passed through", passed).await;
}
