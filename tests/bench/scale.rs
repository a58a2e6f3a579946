//! Ten thousand small sites in one process: how soon they are answered, how long whatever goes over all of them takes, and
//! what memory one takes: after the start, after the first crawls, at rest, and after another start.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::nginx::{Nginx, free_port};
use crate::support::{Client, Config, Edge, Site, eventually, secs};

/// As many as the words of the environment say, `SITES=3000 tests/bench/run scale`; or this many.
const SITES: u32 = 10_000;
/// One of this many is down.
const DOWN: u32 = 50;
/// How long a process rests before its memory is read once more.
const REST: Duration = Duration::from_secs(60);

fn sites() -> u32 {
    std::env::var("SITES").map_or(SITES, |number| number.parse().expect("a number of sites"))
}

fn name(n: u32) -> String {
    format!("site{n}")
}

fn host(n: u32) -> String {
    format!("www.site{n}.test")
}

/// A page for every host, each with words of its own.
pub fn origin() -> Nginx {
    let words = "The tide comes in, the tide goes out, and the coffee is still warm at the harbour of ";
    let page = format!(
        "<!doctype html><html lang=en><title>$host</title><h1>$host</h1><p>{words}$host.</p><p>{words}$uri.</p>"
    );
    Nginx::with(&format!(
        "default_type text/html;\n location = / {{ return 200 '{page}'; }}\n \
         location /u/ {{ add_header Cache-Control max-age=3600; return 200 '{page}'; }}\n location / {{ return 404; }}\n"
    ))
}

fn all(origin: &Nginx, dead: SocketAddr, sites: u32) -> Config {
    let one = |n: u32| {
        let url = if n % DOWN == DOWN - 1 { format!("http://{dead}") } else { origin.url() };
        Site::bare(&name(n), &host(n)).set("mirror.rate", "off").origin(&url)
    };
    (1..sites).fold(Config::new(one(0)).flag("--access-log", "off"), |config, n| config.and(one(n)))
}

/// Seconds that it took.
async fn timed<T>(work: impl Future<Output = T>) -> (f64, T) {
    let begun = Instant::now();
    let done = work.await;
    (begun.elapsed().as_secs_f64(), done)
}

/// From the start of the process to the first answer of a site that lives, which must be its page.
async fn first_answer(edge: &Edge, n: u32) -> f64 {
    let host = host(n);
    let answer = Client::new(edge.http()).host(&host).get("/").await;
    assert!(answer.status == 200 && answer.text().contains(&format!("<h1>{host}</h1>")), "{}", answer.text());
    edge.began().elapsed().as_secs_f64()
}

fn crawled(state_dir: &Path) -> usize {
    let Ok(folders) = state_dir.join("snapshots").read_dir() else { return 0 };
    folders.flatten().filter(|folder| folder.path().join("current").exists()).count()
}

struct Memory(u32);

impl Memory {
    fn row(&self, when: &str, edge: &Edge) {
        let bytes = edge.rss();
        let each = bytes as f64 / 1024.0 / f64::from(self.0);
        println!("| memory {when} | {} MiB, {each:.1} KiB a site |", bytes >> 20);
    }
}

/// What goes over all sites, as an operator and a monitor ask for it.
async fn commands(edge: &Edge) {
    for command in ["check", "status", "reload"] {
        let (took, said) = timed(edge.cli(&[command])).await;
        assert!(!said.out.is_empty() || command == "reload", "{}", said.err);
        println!("| `katahai {command}` | {took:.2} s |");
    }
    let (took, answer) = timed(edge.admin().get("/metrics")).await;
    let text = answer.text();
    println!("| `/metrics` | {took:.2} s, {} lines, {} KiB |", text.lines().count(), text.len() >> 10);
}

/// Starts them, crawls them, rests, and starts again.
pub async fn many_sites() {
    let (sites, origin, dead) = (sites(), origin(), free_port());
    let memory = Memory(sites);
    println!("\n{sites} sites of one page each, one of {DOWN} down\n\n| | |\n|---|---|");
    let mut edge = Edge::start(all(&origin, dead, sites)).await;
    println!(
        "| first answer, nothing on the disk (wanted: 3 s) | {:.2} s |",
        first_answer(&edge, sites / 3).await
    );
    memory.row("after it", &edge);
    let lives = (0..sites).filter(|n| n % DOWN != DOWN - 1).count();
    let (took, ()) = timed(eventually("all crawls", secs(600), async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        (crawled(&edge.state_dir()) >= lives).then_some(())
    }))
    .await;
    println!("| all first crawls | {took:.0} s |");
    memory.row("after them", &edge);
    commands(&edge).await;
    memory.row("after these commands", &edge);
    tokio::time::sleep(REST).await;
    memory.row("a minute later", &edge);
    edge.restart().await;
    println!(
        "| first answer, with snapshots (wanted: 3 s) | {:.2} s |",
        first_answer(&edge, sites / 3).await
    );
    tokio::time::sleep(REST).await;
    memory.row("a minute after that start", &edge);
    commands(&edge).await;
    memory.row("after these commands", &edge);
}
