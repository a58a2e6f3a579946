//! Several instances over one store: how soon an empty one joins, and what instances ask of the store, which charges for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::store::{BUCKET, Counting};
use crate::support::door::Passed;
use crate::support::fixture;
use crate::support::join::{for_large, join, large_site, until_taken};
use crate::support::{Config, Edge, Site, eventually, secs};

/// Where nobody listens.
const DEAD: &str = "http://127.0.0.1:1";
/// Dollars for a thousand requests, as S3 charges in most regions: those that write or list, those that read.
const PRICES: (f64, f64) = (0.005, 0.0004);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// The files beside the configurations: credentials and, so that forms may be kept, a key.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        use std::os::unix::fs::OpenOptionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let key = katahai::forms::Keys::new_line().unwrap();
        let credentials = "AWS_ACCESS_KEY_ID=katahai\nAWS_SECRET_ACCESS_KEY=katahai-secret\n".to_owned();
        for (name, text) in [("store.key", format!("{}\n", *key)), ("credentials", credentials)] {
            let mut options = std::fs::OpenOptions::new();
            let mut file =
                options.write(true).create_new(true).mode(0o600).open(dir.path().join(name)).unwrap();
            std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        }
        Files(dir)
    }

    fn config(&self, store: &Counting, site: Site, instance: &str) -> Config {
        let path = |name: &str| self.0.path().join(name).display().to_string();
        Config::new(site)
            .set("store.url", format!("s3://{BUCKET}/one"))
            .set("store.endpoint", format!("http://{}", store.addr()))
            .set("store.region", "us-east-1")
            .set("store.credentials_file", path("credentials"))
            .set("store.key_file", path("store.key"))
            .set("store.instance", instance)
            .flag("--access-log", "off")
    }
}

fn site(origin: &str) -> Site {
    Site::new().origin(origin)
}

/// An instance with an empty disk joins while the site is dead. `PAGES` for fewer than ten thousand.
pub async fn joining() {
    let pages = number("PAGES", 10_000) as usize;
    let (store, files, origin) = (Counting::start().await, Files::new(), large_site(pages).await);
    let config = for_large(files.config(&store, site(&origin.url()), "first"), pages);
    let mut first = Edge::start(config.set("store.push_rate", "off")).await;
    let id = until_taken(&first, pages).await;
    eventually("it in the store", secs(600), async || {
        let pointer = store.object("one/sites/shop/current");
        pointer.filter(|text| String::from_utf8_lossy(text).contains(&id)).map(drop)
    })
    .await;
    first.kill();
    println!(
        "\nAn empty instance joins while the site is dead; {pages} pages of 4 KiB, the store on loopback\n"
    );
    println!("| first answer (s) | a page that has not arrived (ms) | whole site (s) |\n|---|---|---|");
    for n in 0..3 {
        let config = files.config(&store, site(DEAD), &format!("other-{n}")).set("store.crawl", "never");
        let (edge, joined) = join(for_large(config, pages), &origin, pages).await;
        let on_demand = joined.on_demand.map_or("–".to_owned(), |took| took.as_millis().to_string());
        let (first, whole) = (joined.first.as_secs_f64(), joined.whole.as_secs_f64());
        println!("| {first:.1} | {on_demand} | {whole:.1} |");
        drop(edge);
    }
}

/// What instances ask of the store when nothing happens, and for a snapshot; who crawls meanwhile, and after that one is killed.
/// `INSTANCES` in all, `SECONDS` of rest.
pub async fn asking() {
    let (instances, seconds) = (number("INSTANCES", 2), number("SECONDS", 120));
    let (store, files, origin) = (Counting::start().await, Files::new(), fixture::shop().await);
    let mut edges = Vec::new();
    for n in 0..instances {
        let site = site(&origin.url()).set("health.interval", "5s");
        edges.push(Edge::start(with_form(files.config(&store, site, &format!("instance-{n}")))).await);
        if n == 0 {
            edges[0].until_snapshot().await;
        }
    }
    let id = edges[0].snapshot_id().await.unwrap();
    until_all_serve(&edges, &id).await;
    // what they do at first is not what they do for the rest of a month
    tokio::time::sleep(secs(30)).await;
    store.passed();
    let began = Instant::now();
    let crawlers = most_that_hold(&edges, secs(seconds.into())).await;
    println!(
        "\n{instances} instances at rest for {seconds} s, one site; {crawlers} of them crawls at most\n"
    );
    tell(&store.passed(), began.elapsed(), instances);
    let rss: u64 = edges.iter().map(Edge::rss).sum();
    println!("{} MiB of memory for each instance, as Linux counts it", (rss >> 20) / u64::from(instances));
    fixture::stock(&origin, 2);
    let began = Instant::now();
    let id = edges[0].take_snapshot().await;
    until_all_serve(&edges, &id).await;
    println!(
        "\n{instances} instances, a snapshot of 18 files, all of them new ({:.0} s)\n",
        began.elapsed().as_secs_f64()
    );
    let passed = store.passed();
    let kinds = kinds(&passed);
    println!("| PUT | LIST | GET | HEAD |\n|---|---|---|---|");
    let of = |kind: &str| kinds.get(kind).copied().unwrap_or(0);
    println!("| {} | {} | {} | {} |", of("PUT"), of("LIST"), of("GET"), of("HEAD"));
    if instances > 1 {
        take_over(edges).await;
    }
}

/// Which of them believe that they hold the lease, all asked at once.
async fn that_hold(edges: &[Edge]) -> Vec<usize> {
    let asked = edges.iter().enumerate().map(|(n, edge)| async move {
        let status = edge.status().await;
        (status["regions"]["lease"]["standing"] == "holds").then_some(n)
    });
    futures_util::future::join_all(asked).await.into_iter().flatten().collect()
}

/// How many hold the lease at once, at most, for as long.
async fn most_that_hold(edges: &[Edge], during: Duration) -> usize {
    let (began, mut most) = (Instant::now(), 0);
    while began.elapsed() < during {
        most = most.max(that_hold(edges).await.len());
        tokio::time::sleep(secs(2).min(during.saturating_sub(began.elapsed()))).await;
    }
    most
}

/// The holder is killed: how soon another one crawls, and that it is one.
async fn take_over(mut edges: Vec<Edge>) {
    let mut holder = edges.remove(that_hold(&edges).await[0]);
    holder.kill();
    let began = Instant::now();
    let next = eventually("another holder", secs(600), async || {
        let hold = that_hold(&edges).await;
        (!hold.is_empty()).then_some(hold.len())
    })
    .await;
    let took = began.elapsed().as_secs_f64();
    let most = most_that_hold(&edges, secs(60)).await.max(next);
    println!(
        "\nThe holder is killed: another one crawls after {took:.0} s; in the minute after, {most} of them at most"
    );
}

fn with_form(config: Config) -> Config {
    match std::env::var_os("NO_FORMS") {
        Some(_) => config,
        None => config.form("path = \"/signup\"\n"),
    }
}

async fn until_all_serve(edges: &[Edge], id: &str) {
    for edge in edges {
        eventually("all serve it", secs(600), async || {
            edge.snapshot_id().await.filter(|served| served == id).map(drop)
        })
        .await;
    }
}

/// As stores count and charge: a listing is not a GET.
fn kind(one: &Passed) -> &'static str {
    match &*one.method {
        "GET" if one.target.contains("list-type=") => "LIST",
        "GET" => "GET",
        "HEAD" => "HEAD",
        "PUT" => "PUT",
        "POST" => "POST",
        "DELETE" => "DELETE",
        other => panic!("a request of the kind {other:?}"),
    }
}

fn kinds(passed: &[Passed]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for one in passed {
        *kinds.entry(kind(one)).or_default() += 1;
    }
    kinds
}

/// By kind and by what was asked for, in a minute and for one instance; and what that costs in a month.
fn tell(passed: &[Passed], took: Duration, instances: u32) {
    let minutes = took.as_secs_f64() / 60.0 * f64::from(instances);
    let mut rows: BTreeMap<(String, &'static str), usize> = BTreeMap::new();
    for one in passed {
        *rows.entry((what(&one.target), kind(one))).or_default() += 1;
    }
    println!("| what | kind | a minute for each instance |\n|---|---|---|");
    for ((what, kind), count) in &rows {
        println!("| {what} | {kind} | {:.1} |", *count as f64 / minutes);
    }
    let mut dollars = 0.0;
    for (kind, count) in kinds(passed) {
        let price = match kind {
            "PUT" | "POST" | "LIST" => PRICES.0,
            "GET" | "HEAD" => PRICES.1,
            _ => 0.0,
        };
        let a_month = count as f64 / minutes * MONTH.as_secs_f64() / 60.0;
        dollars += a_month / 1000.0 * price;
        println!("| all | {kind} | {:.1} |", count as f64 / minutes);
    }
    println!("\n{dollars:.2} USD a month for each instance");
}

/// What a request is about, without the names of instances and hashes.
fn what(target: &str) -> String {
    let known = [
        "instances",
        "lease",
        "changes",
        "forms",
        "wanted",
        "current",
        "snapshots",
        "blobs",
        "clock",
        "garbage",
    ];
    known.into_iter().find(|word| target.contains(word)).unwrap_or("other").to_owned()
}
