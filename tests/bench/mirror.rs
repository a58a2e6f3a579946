//! A crawl beside `wget --mirror --page-requisites` and HTTrack: the same documentation site on the same nginx, one after the
//! other, rate limits off. What either of them found, or a browser asked for, must be in our copy. And two crawls of a site of
//! 100,000 pages, for their memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

use serde_json::Value;

use super::median;
use crate::support::browser::Browser;
use crate::support::nginx::Nginx;
use crate::support::process::run;
use crate::support::{Client, Config, Edge, Origin, Page, Site, edge, eventually, secs};

/// From the Debian package `openjdk-17-doc`: ten thousand pages.
const SITE: &str = "/usr/share/doc/openjdk-17-doc/api";
/// So many pages it has at least: fewer, and the package is another one.
const LEAST_PAGES: usize = 10_000;
/// So many of them are opened in a browser.
const OPENED: usize = 50;
const ROUNDS: usize = 3;
const PAGES: u32 = 100_000;

/// One way to copy a site.
struct Crawler {
    name: &'static str,
    /// What its User-Agent contains.
    agent: &'static str,
    command: fn(&str, &Path) -> Command,
}

fn wget(url: &str, dir: &Path) -> Command {
    let mut command = Command::new("/usr/bin/wget");
    command.args(["--mirror", "--page-requisites", "--quiet", "--directory-prefix"]).arg(dir).arg(url);
    command
}

/// Without its own limits: ten times the bandwidth of loopback, eight connections, as many a second as there are.
fn httrack(url: &str, dir: &Path) -> Command {
    let mut command = Command::new("/usr/bin/httrack");
    command.arg(url).arg("-O").arg(dir);
    command.args(["-q", "-s0", "-Q", "-I0", "--disable-security-limits", "-A10000000000", "-c8", "-%c0"]);
    command
}

fn katahai(url: &str, dir: &Path) -> Command {
    let config = config(url).set("state_dir", dir.join("state").display().to_string());
    std::fs::write(dir.join("katahai.toml"), config.toml()).unwrap();
    let mut command = edge::command(dir);
    command.args(["snapshot", "take", "--admin", "127.0.0.1:1", "-c"]).arg(dir.join("katahai.toml"));
    command
}

const CRAWLERS: [Crawler; 3] = [
    Crawler { name: "Katahai", agent: "katahai/", command: katahai },
    Crawler { name: "wget", agent: "Wget/", command: wget },
    Crawler { name: "HTTrack", agent: "HTTrack", command: httrack },
];

fn config(url: &str) -> Config {
    let site = Site::bare("docs", "127.0.0.1").set("mirror.rate", "off").set("mirror.max_pages", 200_000);
    Config::new(site.set("health.interval", "1s").origin(url))
}

/// What one run took.
#[derive(Clone, Copy, Default)]
struct Cost {
    seconds: f64,
    processor: f64,
}

/// Runs it to its end; the shell counts the processor time of it and of its children.
async fn timed(crawler: &Crawler, url: &str, dir: &Path) -> Cost {
    let wanted = (crawler.command)(url, dir);
    let mut timed = Command::new("/bin/bash");
    timed.args(["-c", "TIMEFORMAT='%R %U %S'; time \"$@\" >/dev/null 2>&1", "time"]);
    timed.arg(wanted.get_program()).args(wanted.get_args()).current_dir(dir).env("NO_COLOR", "1");
    let said = run(timed, secs(3600)).await;
    let times: Vec<f64> = said.err.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let &[seconds, user, system] = &times[..] else { panic!("{}: {}", crawler.name, said.err) };
    Cost { seconds, processor: user + system }
}

/// What the browser's User-Agent contains, and nobody else's.
const BROWSER: (&str, &str) = ("browser", "Chrome/");

/// What each crawler, and the browser, was given with 200, by nginx's own log.
fn taken(log: &Path) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut taken: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let mut fields = line.splitn(3, '\t');
        let (Some(status), Some(agent), Some(target)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let mut agents = CRAWLERS.iter().map(|crawler| (crawler.name, crawler.agent)).chain([BROWSER]);
        let found = agents.find(|(_, mark)| agent.contains(mark));
        if let Some((name, _)) = found.filter(|_| status == "200") {
            taken.entry(name).or_default().insert(target.to_owned());
        }
    }
    taken
}

/// The crawlers side by side.
pub async fn side_by_side() {
    assert!(Path::new(SITE).exists(), "{SITE} is missing: tests/bench/run installs it");
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("access");
    let format = "log_format asked '$status\\t$http_user_agent\\t$request_uri';";
    let server = format!("root {SITE};\n index index.html;\n access_log {} asked;\n", log.display());
    let mut nginx = Nginx::on(crate::support::nginx::free_port(), format, &server);
    let url = format!("{}/", nginx.url());
    let mut costs: BTreeMap<&str, Vec<Cost>> = BTreeMap::new();
    let mut ours = None;
    for _ in 0..ROUNDS {
        for crawler in &CRAWLERS {
            let dir = tempfile::tempdir().unwrap();
            costs.entry(crawler.name).or_default().push(timed(crawler, &url, dir.path()).await);
            if crawler.name == "Katahai" {
                ours = Some(dir);
            }
        }
    }
    let crawled = taken(&log);
    table(&costs, &crawled);
    let pages: Vec<&String> = crawled["Katahai"].iter().filter(|target| is_page(target)).collect();
    println!("\n{} of the files that Katahai took are pages", pages.len());
    assert!(pages.len() >= LEAST_PAGES, "{SITE} has only {} pages", pages.len());
    browse(nginx.url(), &pages).await;
    nginx.kill();
    let taken = taken(&log);
    let others = ["wget", "HTTrack", BROWSER.0].map(|name| (name, &taken[name]));
    missing(ours.unwrap(), &url, &others).await;
}

fn is_page(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    path.ends_with('/') || path.ends_with(".html")
}

/// Opens pages from all over the site in a browser, which asks for whatever it needs.
async fn browse(url: String, pages: &[&String]) {
    let mut browser = Browser::start();
    for page in pages.iter().step_by(pages.len() / OPENED) {
        let address = format!("{url}{page}");
        browser.call("Page.navigate", serde_json::json!({ "url": address }));
        browser
            .until(&format!("location.href.startsWith({address:?}) && document.readyState === 'complete'"))
            .await;
    }
}

fn table(costs: &BTreeMap<&str, Vec<Cost>>, taken: &BTreeMap<&'static str, BTreeSet<String>>) {
    println!("\nA copy of {SITE} from nginx, rate limits off, medians of {ROUNDS} alternating runs\n");
    println!("| crawler | files | seconds | files a second | processor ms a file |\n|---|---|---|---|---|");
    let mut rows = BTreeMap::new();
    for crawler in &CRAWLERS {
        let files = taken[crawler.name].len() as f64;
        let of = |value: fn(&Cost) -> f64| median(costs[crawler.name].iter().map(value).collect());
        let (seconds, processor) = (of(|cost| cost.seconds), of(|cost| cost.processor));
        let (rate, each) = (files / seconds, processor * 1000.0 / files);
        println!("| {} | {files} | {seconds:.1} | {rate:.0} | {each:.2} |", crawler.name);
        rows.insert(crawler.name, (rate, each));
    }
    let (rate, each) = rows["Katahai"];
    let faster = rows["wget"].0.max(rows["HTTrack"].0);
    let cheaper = rows["wget"].1.min(rows["HTTrack"].1);
    println!(
        "\n{:.2} times the files a second of the faster of the two (wanted: 3); {:.2} of the processor time a file of \
         the cheaper (wanted: below 1)",
        rate / faster,
        each / cheaper
    );
}

/// Asks our copy, its origin dead, for everything that the others were given.
async fn missing(dir: tempfile::TempDir, url: &str, others: &[(&str, &BTreeSet<String>)]) {
    let edge = Edge::start_in(dir, config(url)).await;
    edge.until("down").await;
    let client = Client::new(edge.http()).host("127.0.0.1");
    let mut all = BTreeSet::new();
    for (name, wanted) in others {
        let mut missing = Vec::new();
        for target in *wanted {
            let answer = client.get(target).await;
            if answer.status != 200 || !answer.is_from_snapshot() {
                missing.push(target);
            }
        }
        println!("\n{} addresses given to {name}; not in our copy: {}", wanted.len(), missing.len());
        all.extend(missing);
    }
    all.iter().take(50).for_each(|target| println!("  {target}"));
    assert!(all.is_empty(), "{} addresses are not in our copy", all.len());
}

/// A site of 100,000 pages of 2 KiB with forty links each, made as they are asked for. One page in a hundred says which edition
/// this is.
fn endless(edition: Arc<AtomicU32>) -> impl Fn(&str) -> Option<Page> {
    move |path: &str| {
        let n: u32 =
            if path == "/" { 0 } else { path.strip_prefix("/page/of/the/large/site-")?.parse().ok()? };
        // Each page is found from a tenth of its number, and each is mentioned by thirty others.
        let near = (1..=10).map(|i| n * 10 + i);
        let far = (1..=30).map(|i| (n.wrapping_mul(31) + i * 3331) % PAGES);
        let links: String = near
            .chain(far)
            .filter(|n| *n < PAGES)
            .map(|n| format!("<a href=\"/page/of/the/large/site-{n}\">{n}</a> "))
            .collect();
        let edition = if n.is_multiple_of(100) { edition.load(Relaxed) } else { 0 };
        let text = text(n);
        let body = format!("<!doctype html><title>Page {n}</title>{text}<p>{n} ({edition})</p>{links}");
        Some(Page::html(body).header("etag", &format!("\"{n}-{edition}\"")))
    }
}

/// What stands on a page, and on no other: a site that repeats itself is not crawled to its end.
fn text(n: u32) -> String {
    const WORDS: [&str; 16] = [
        "tide", "coffee", "harbour", "boat", "lantern", "rain", "letter", "bridge", "winter", "bread",
        "garden", "train", "island", "window", "market", "song",
    ];
    let mut state = n.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut word = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        WORDS[(state >> 28) as usize]
    };
    let mut paragraph = || (0..40).map(|_| word()).collect::<Vec<_>>().join(" ");
    (0..6).map(|_| format!("<p>{}</p>", paragraph())).collect()
}

/// The memory of a crawl of 100,000 pages, and of the next one, in which a hundredth has changed.
pub async fn memory() {
    let origin = Origin::start().await;
    let edition = Arc::new(AtomicU32::new(1));
    let page = endless(edition.clone());
    origin.make(move |asked| page(asked.path()));
    let limit = u64::from(PAGES) + 10;
    let site =
        Site::bare("large", "127.0.0.1").set("mirror.rate", "off").set("mirror.max_pages", limit as u32);
    let mut begun = Instant::now();
    let edge = Edge::start(Config::new(site.origin(&origin.url())).flag("--access-log", "off")).await;
    println!("\nCrawls of a site of {PAGES} pages, the second with a hundredth changed\n");
    println!("| crawl | pages | seconds | most memory |\n|---|---|---|---|");
    let mut before = Value::Null;
    for crawl in ["first", "second"] {
        let snapshot = eventually("the snapshot", secs(3000), async || {
            // what was asked is kept by the origin, and not wanted
            origin.forget();
            let snapshot = edge.site().await["snapshot"].clone();
            (!snapshot.is_null() && snapshot["id"] != before).then_some(snapshot)
        })
        .await;
        println!(
            "| {crawl} | {} | {:.0} | {} MiB (wanted: below 500) |",
            snapshot["pages"],
            begun.elapsed().as_secs_f64(),
            edge.peak_rss() >> 20
        );
        assert!(snapshot["pages"].as_u64().unwrap() >= u64::from(PAGES) * 9 / 10, "{}", edge.crawl().await);
        before = snapshot["id"].clone();
        if crawl == "first" {
            eventually("its end", secs(60), async || edge.crawl().await["running"].is_null().then_some(()))
                .await;
            edition.store(2, Relaxed);
            edge.forget_peak();
            begun = Instant::now();
            assert_eq!(edge.admin().post("/api/v1/sites/large/snapshots", "").await.status, 202);
        }
    }
    eventually("its end", secs(60), async || edge.crawl().await["running"].is_null().then_some(())).await;
    let report = edge.crawl().await["last"]["report"].clone();
    println!("\nthe second: {} answers said \"not modified\"", report["unchanged"]);
}
