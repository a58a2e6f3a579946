//! Many sites on one instance: what they cost grows as they do, nobody waits for all of them, and what is done for one leaves
//! the others alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::support::fixture::{self, SEEN};
use crate::support::process::cpu;
use crate::support::{Config, Edge, Origin, Page, Site, eventually, secs};

fn site(n: u32, origin: &Origin) -> Site {
    Site::bare(&format!("s{n}"), &format!("s{n}.test"))
        .set("health.interval", "60s")
        .set("mirror.rate", "1/s")
        .set("mirror.keep", 1)
        .origin(&origin.url())
}

fn sites(many: u32, origin: &Origin) -> Config {
    (1..many).fold(Config::new(site(0, origin)), |config, n| config.and(site(n, origin)))
}

/// The processor time of a start, three reloads that change one site each, and some readings of the metrics and the status.
async fn cost_of(many: u32) -> Duration {
    let origin = Origin::start().await;
    origin.page("/", Page::html("<html><body><h1>The page of all sites</h1></body></html>"));
    let mut edge = Edge::start(sites(many, &origin)).await;
    for n in 0..3_u32 {
        edge.write(edge.config().site("failover.timeout", format!("{}ms", 2000 + n)));
        assert_eq!(edge.reload().await.status, 200);
        for _ in 0..2 {
            let metrics = edge.admin().get("/metrics").await.text();
            let states = metrics.matches("katahai_site_state{").count();
            assert_eq!(states, many as usize * 5);
        }
    }
    assert_eq!(edge.status().await["sites"].as_array().unwrap().len(), many as usize);
    let last = edge.client().host(&format!("s{}.test", many - 1));
    assert_eq!(last.get("/").await.status, 200);
    cpu(edge.pid())
}

#[tokio::test]
async fn what_they_cost_grows_no_faster_than_they_do() {
    let _alone = crate::support::turn::alone();
    let (few, many) = (cost_of(40).await, cost_of(400).await);
    assert!(many < few * 10 * 2, "40 sites: {few:?}, 400 sites: {many:?}");
}

/// A server that takes connections and never says a word; how many it has at the moment, and where.
async fn mute() -> (Arc<AtomicUsize>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let open = Arc::new(AtomicUsize::new(0));
    let count = open.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                count.fetch_add(1, Ordering::SeqCst);
                while stream.read_u8().await.is_ok() {}
                count.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (open, url)
}

/// The machine of an agency hangs, and with it all its sites but one: their checks all wait, and hold a connection each.
#[tokio::test]
async fn checks_that_hang_leave_room_for_visitors() {
    const SILENT: u32 = 600;
    let origin = Origin::start().await;
    origin.page("/", Page::html("<html><body><h1>The page of the site that lives</h1></body></html>"));
    let (open, url) = mute().await;
    let silent = |n: u32| Site::bare(&format!("m{n}"), &format!("m{n}.test")).origin(&url);
    let config = (0..SILENT).fold(Config::new(site(0, &origin)), |config, n| config.and(silent(n)));
    let edge = Edge::start(config.with_descriptors(640)).await;
    eventually("they hang", secs(60), async || (open.load(Ordering::SeqCst) >= 100).then_some(())).await;
    let mut most = 0;
    for _ in 0..400 {
        let answer = edge.client().host("s0.test").get("/").await;
        assert_eq!(answer.status, 200, "{:?}", answer.headers);
        most = most.max(open.load(Ordering::SeqCst));
    }
    assert!(most < 300, "{most} connections to servers that say nothing");
}

/// Each crawl leaves the body of the page that was. The process removes them for all sites together, and none is left for the
/// next crawl, which comes in an hour.
#[tokio::test]
async fn what_crawls_leave_unused_is_removed_for_all_sites() {
    const MANY: u32 = 5;
    let origin = Origin::start().await;
    let stock = |version: &str| {
        let text =
            "All that the mill sells: flour, rice, beans and peas, by the bag and by the crate. ".repeat(9);
        let (version, title) = (version.to_owned(), "<html><head><title>The mill</title></head><body>");
        origin.make(move |asked| {
            let host = asked.header("host")?;
            (asked.path() == "/").then(|| Page::html(format!("{title}<h1>{host}</h1>{text}<p>{version}</p>")))
        });
    };
    stock("the first version");
    let config = (1..MANY).fold(Config::new(site(0, &origin)), |config, n| config.and(site(n, &origin)));
    let edge = Edge::start(config).await;
    let admin = edge.admin();
    let snapshot =
        async |n: u32| edge.status().await["sites"][n as usize]["snapshot"]["id"].as_str().map(str::to_owned);
    for n in 0..MANY {
        let first = eventually("the first snapshot", secs(60), async || snapshot(n).await).await;
        stock(&format!("version two of site {n}"));
        let taken = async || {
            admin.post(&format!("/api/v1/sites/s{n}/snapshots"), "").await;
            snapshot(n).await.filter(|id| *id != first)
        };
        eventually("another one", secs(60), taken).await;
    }
    let blobs = edge.state_dir().join("blobs");
    let folders = || {
        std::fs::read_dir(&blobs).unwrap().map(|folder| folder.unwrap().path()).filter(|path| path.is_dir())
    };
    let bodies =
        || folders().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
    let is_old = |path: std::path::PathBuf| {
        std::fs::read(path).is_ok_and(|body| String::from_utf8_lossy(&body).contains("the first version"))
    };
    eventually("no body of before is left", secs(60), async || (!bodies().any(is_old)).then_some(())).await;
    edge.cli(&["snapshot", "verify"]).await.must_be_ok();
}

/// A disk in the network that hangs is one of the moments at which somebody wants to know what goes on.
#[tokio::test]
async fn metrics_and_status_are_told_while_the_disk_hangs() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url()).site("mirror.every", "1h")).await;
    let pointer = edge.state_dir().join("snapshots/shop/current");
    eventually("the first snapshot", secs(60), async || pointer.is_file().then_some(())).await;
    // whoever opens it hangs, as nobody ever writes to it
    let hangs = edge.dir().join("hangs");
    let made = std::process::Command::new("mkfifo").arg(&hangs).status();
    assert!(made.unwrap().success());
    std::fs::rename(&hangs, &pointer).unwrap();
    // what was looked at less than two seconds ago is not looked at again: some of these do look
    let begun = Instant::now();
    while begun.elapsed() < secs(4) {
        let metrics = edge.admin().patience(secs(20)).get("/metrics").await;
        assert!(metrics.text().contains("katahai_site_state{"));
        assert_eq!(edge.admin().patience(secs(20)).get("/api/v1/status").await.status, 200);
    }
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
}
