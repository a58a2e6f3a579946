//! The real thing: nginx with a documentation site of over a thousand pages, killed under load. No request for any page
//! fails before, during or after, pages that nobody had opened included, and every byte is the file's.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::load::{Judge, Load};
use crate::support::nginx::{self, Nginx};
use crate::support::{Config, Edge, Site, eventually, ms, secs, turn};

const ROOT: &str = "/usr/share/doc/postgresql-doc-15/html";

/// Every file of the site, by its address.
fn site() -> HashMap<String, Vec<u8>> {
    let mut files = HashMap::new();
    let entries = std::fs::read_dir(ROOT).unwrap_or_else(|e| {
        panic!(
            "{ROOT}: {e}; postgresql-doc-15 is missing: run tests/run once, it installs what the tests need"
        )
    });
    for entry in entries.flatten() {
        let name = entry.file_name().into_string().unwrap();
        files.insert(format!("/{name}"), std::fs::read(entry.path()).unwrap());
    }
    files
}

/// Every answer is the file, to the byte; where they came from is counted.
fn judge(files: Arc<HashMap<String, Vec<u8>>>, rungs: Arc<Mutex<HashMap<String, usize>>>) -> Judge {
    Arc::new(move |target, answer| {
        let rung = if answer.is_from_snapshot() { "snapshot" } else { "other" };
        *rungs.lock().unwrap().entry(rung.to_owned()).or_default() += 1;
        match answer.status {
            200 if answer.body == files[target] => Ok(()),
            200 => {
                Err(format!("{} bytes that are not the file's: {}", answer.body.len(), answer.cache_status()))
            }
            status => Err(format!("status {status}: {}", answer.cache_status())),
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_documentation_site_outlives_its_server() {
    assert!(
        nginx::program().exists(),
        "nginx is missing: run tests/run once, it installs what the tests need"
    );
    let _alone = turn::alone();
    let files = Arc::new(site());
    let mut pages: Vec<String> = files.keys().filter(|name| name.ends_with(".html")).cloned().collect();
    pages.sort();
    fastrand::Rng::with_seed(11).shuffle(&mut pages);
    assert!(pages.len() > 500, "{} pages", pages.len());
    // a part of the site is opened by visitors while it lives; the rest by nobody before the outage
    let (opened, unopened) = pages.split_at(pages.len() / 4);
    let mut nginx = Nginx::folder(Path::new(ROOT));
    let site = Site::bare("docs", "www.example.test")
        .set("key_pages", ["/", "/bookindex.html"])
        .set("health.interval", "500ms")
        .set("failover.patience", "500ms")
        .set("failover.patience_max", "2s")
        .set("failover.recovery_ramp", "2s")
        .set("mirror.rate", "off")
        // pages are compared byte for byte
        .set("notice.banner", "off");
    // one address plays all visitors: on a slow machine that takes more connections than one client may have
    let config = Config::new(site.origin(&nginx.url())).set("limits.connections_per_client", 4096);
    let edge = Edge::start(config).await;
    let snapshot = eventually("the snapshot of the whole site", secs(180), async || {
        let snapshot = edge.site().await["snapshot"].clone();
        (!snapshot.is_null()).then_some(snapshot)
    })
    .await;
    println!("snapshot: {snapshot}");
    assert!(snapshot["pages"].as_u64().unwrap() >= pages.len() as u64, "{snapshot}");
    assert!(snapshot["files"].as_u64().unwrap() >= (files.len() - pages.len()) as u64, "{snapshot}");

    let rungs = Arc::new(Mutex::new(HashMap::new()));
    let load = Load::start(edge.client(), 250, opened.to_vec(), judge(files.clone(), rungs.clone()));
    eventually("a thousand answers", secs(30), async || (load.done() > 1000).then_some(())).await;
    nginx.kill();
    let killed = load.now();
    edge.until("down").await;
    let down = load.done();
    eventually("a thousand more", secs(30), async || (load.done() > down + 1000).then_some(())).await;

    // every file of the site, each page of the unopened part for the first time ever
    let mut every: Vec<String> = unopened.to_vec();
    every.extend(files.keys().filter(|name| !unopened.contains(name)).cloned());
    let sweep = Load::start(edge.client(), 400, every.clone(), judge(files.clone(), rungs.clone()));
    eventually("all files", secs(60), async || (sweep.done() >= every.len()).then_some(())).await;
    let swept = sweep.stop().await;
    swept.must_be_clean();

    let from_snapshot = rungs.lock().unwrap()["snapshot"];
    assert!(from_snapshot >= unopened.len(), "{from_snapshot} answers came from the snapshot");
    nginx.start();
    edge.until("up").await;
    let up = load.done();
    eventually("five hundred more", secs(30), async || (load.done() > up + 500).then_some(())).await;
    let report = load.stop().await;
    report.must_be_clean();
    let around = report.between(killed.saturating_sub(ms(500)), killed + secs(5));
    let (half, most, worst) = (around.quantile(0.5), around.quantile(0.99), around.quantile(1.0));
    println!(
        "{} requests, none failed; {} from the snapshot; around the kill: median {half:?}, 99% {most:?}, longest {worst:?}",
        report.shots.len() + swept.shots.len(),
        rungs.lock().unwrap()["snapshot"],
    );
    assert!(worst < Duration::from_secs(3), "{worst:?} around the kill");
}
