//! Requests per second of a server's own processor time: the load, the origin and the machine's mood drop out.

use std::process::Command;
use std::time::Duration;

use super::median;
use super::servers::{self, Server};
use crate::support::process::{cpu, run};

const ROUNDS: usize = 5;
const SECONDS: u64 = 4;
const CONNECTIONS: u32 = 64;

/// Requests answered and the server's processor time for them.
async fn load(server: &Server, seconds: u64) -> (f64, Duration) {
    let mut wrk = Command::new("/usr/bin/wrk");
    wrk.args(["-t", "1", "-c", &CONNECTIONS.to_string(), "-d", &format!("{seconds}s"), "--timeout", "10s"]);
    wrk.arg(format!("http://{}/page.html", server.addr));
    let before = cpu(server.pid);
    let said = run(wrk, Duration::from_secs(seconds + 30)).await.must_be_ok();
    let spent = cpu(server.pid) - before;
    let bad = said.out.lines().find(|line| line.contains("Non-2xx") || line.contains("Socket errors"));
    assert!(bad.is_none(), "{}: {}", server.name, bad.unwrap_or_default());
    // "  123456 requests in 4.00s, 1.00GB read"
    let line = said.out.lines().find(|line| line.contains(" requests in ")).expect("wrk's total");
    (line.split_whitespace().next().unwrap().parse().unwrap(), spent)
}

/// Alternating runs; the medians of requests per processor second, and per second of the clock.
async fn compare(servers: &[Server]) -> Vec<(&'static str, f64, f64)> {
    for server in servers {
        load(server, 1).await;
    }
    let mut results: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); servers.len()];
    for _ in 0..ROUNDS {
        for (server, result) in servers.iter().zip(&mut results) {
            let (requests, spent) = load(server, SECONDS).await;
            result.0.push(requests / spent.as_secs_f64());
            result.1.push(requests / SECONDS as f64);
        }
    }
    servers
        .iter()
        .zip(results)
        .map(|(server, (cost, rate))| (server.name, median(cost), median(rate)))
        .collect()
}

fn table(title: &str, rows: &[(&'static str, f64, f64)], against: &[(&str, f64)]) {
    println!(
        "\n{title}: 8 KiB, {CONNECTIONS} kept connections, medians of {ROUNDS} alternating runs of {SECONDS} s\n"
    );
    print!("| server | requests per processor second | per second |");
    against.iter().for_each(|(name, _)| print!(" against {name} |"));
    println!("\n|---|---|---|{}", "---|".repeat(against.len()));
    let cost_of = |name: &str| rows.iter().find(|row| row.0 == name).expect("a server of that name").1;
    for (name, cost, rate) in rows {
        print!("| {name} | {cost:.0} | {rate:.0} |");
        for (other, wanted) in against {
            let ratio = cost / cost_of(other);
            let wanted =
                if name.starts_with("Katahai") { format!(" (wanted: {wanted})") } else { String::new() };
            print!(" {ratio:.2}{wanted} |");
        }
        println!();
    }
}

/// Answers from a copy.
pub async fn copies() {
    let (root, other_root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let origin = servers::origin(root.path());
    let mut dying = servers::origin(other_root.path());
    let servers = [
        servers::katahai_cache(&origin).await,
        servers::katahai_cache_logged(&origin).await,
        servers::katahai_snapshot(&mut dying).await,
        servers::nginx_cache(origin.addr()),
        servers::varnish(origin.addr()),
    ];
    let rows = compare(&servers).await;
    table("Answers from a copy", &rows, &[("nginx, proxy_cache", 1.3), ("Varnish", 1.8)]);
}

/// Answers passed through.
pub async fn passing() {
    let root = tempfile::tempdir().unwrap();
    let origin = servers::origin(root.path());
    let servers = [
        servers::katahai_passing(&origin).await,
        servers::haproxy(origin.addr()),
        servers::nginx_proxy(origin.addr()),
    ];
    let rows = compare(&servers).await;
    table("Passed through", &rows, &[("HAProxy", 0.95), ("nginx, proxy_pass", 0.95)]);
}
