//! What visitors feel while an origin is killed: the time of every request that was to leave in the seconds after.

use super::servers::config;
use crate::support::load::{Load, Report, any_200};
use crate::support::nginx::Nginx;
use crate::support::{Client, Edge, fixture, ms, secs};

const ROUNDS: u32 = 5;
const RATE: u32 = 500;
const PAGES: u32 = 200;

/// Kills an nginx under an open load, five times; nothing may fail.
pub async fn latency() {
    let root = tempfile::tempdir().unwrap();
    let mut index = String::from("<!doctype html>");
    for n in 0..PAGES {
        std::fs::write(root.path().join(format!("{n}.html")), fixture::long_page(&format!("{n}"), 8 << 10))
            .unwrap();
        index.push_str(&format!("<a href=\"/{n}.html\">{n}</a>"));
    }
    std::fs::write(root.path().join("index.html"), index).unwrap();
    let mut nginx = Nginx::folder(root.path());
    let edge =
        Edge::start(config(&nginx.url()).site("health.interval", "1s").site("failover.recovery_ramp", "1s"))
            .await;
    edge.until_snapshot().await;
    let client = Client::new(edge.http()).host("127.0.0.1");
    let targets: Vec<String> = (0..PAGES).map(|n| format!("/{n}.html")).collect();
    let mut before = Report { shots: Vec::new() };
    let mut after = Report { shots: Vec::new() };
    for _ in 0..ROUNDS {
        edge.until("up").await;
        let load = Load::start(client.clone(), RATE, targets.clone(), any_200());
        tokio::time::sleep(secs(2)).await;
        nginx.kill();
        let killed = load.now();
        tokio::time::sleep(secs(4)).await;
        let report = load.stop().await;
        report.must_be_clean();
        before.shots.extend(report.between(ms(500), killed - ms(50)).shots);
        // from the moment before the kill: what was under way then is what it hits hardest
        after.shots.extend(report.between(killed - ms(50), killed + secs(3)).shots);
        nginx.start();
    }
    println!(
        "\nAn origin killed (-9) under {RATE} requests a second, {ROUNDS} times; open loop, none failed\n"
    );
    println!("| requests | number | median | 99% | longest |\n|---|---|---|---|---|");
    for (name, report) in [("before", &before), ("in the 3 s after (wanted: 99% below 50 ms)", &after)] {
        let [half, most, all] = [0.5, 0.99, 1.0].map(|share| report.quantile(share).as_secs_f64() * 1000.0);
        println!("| {name} | {} | {half:.2} ms | {most:.2} ms | {all:.2} ms |", report.shots.len());
    }
}
