//! A start with a large snapshot while the origin is dead: from the start of the process to the first good answer.

use std::path::Path;
use std::time::Instant;

use super::median;
use super::servers::config;
use crate::support::nginx::Nginx;
use crate::support::{Client, Edge, eventually, secs};

const PAGES: u32 = 10_000;
const ROUNDS: u32 = 7;

/// A page with words of its own: of pages that show nothing new the crawler takes a few hundred.
fn page(n: u32) -> String {
    let mut random = fastrand::Rng::with_seed(u64::from(n));
    let mut text = format!("<!doctype html><html lang=\"en\"><title>{n}</title>\n<p>");
    while text.len() < 4 << 10 {
        text.extend((0..random.usize(2..9)).map(|_| random.lowercase()).chain([' ']));
    }
    text
}

fn write_site(root: &Path) {
    let mut index = String::from("<!doctype html>");
    for list in 0..PAGES / 100 {
        let mut text = String::from("<!doctype html>");
        for n in list * 100..(list + 1) * 100 {
            std::fs::write(root.join(format!("{n}.html")), page(n)).unwrap();
            text.push_str(&format!("<a href=\"/{n}.html\">{n}</a>"));
        }
        std::fs::write(root.join(format!("list{list}.html")), text).unwrap();
        index.push_str(&format!("<a href=\"/list{list}.html\">{list}</a>"));
    }
    std::fs::write(root.join("index.html"), index).unwrap();
}

/// Crawls a site of 10,000 pages, then starts again and again.
pub async fn with_many_pages() {
    let root = tempfile::tempdir().unwrap();
    write_site(root.path());
    let mut nginx = Nginx::folder(root.path());
    let begun = Instant::now();
    let mut edge = Edge::start(config(&nginx.url()).site("mirror.max_pages", 20_000)).await;
    let snapshot = eventually("the snapshot", secs(600), async || {
        let snapshot = edge.site().await["snapshot"].clone();
        (!snapshot.is_null()).then_some(snapshot)
    })
    .await;
    let crawl = begun.elapsed();
    assert!(snapshot["pages"].as_u64().unwrap() >= u64::from(PAGES), "{snapshot}");
    nginx.kill();
    let (mut starts, mut memory) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        edge.restart().await;
        let n = (round * 1377 + 11) % PAGES;
        let answer = Client::new(edge.http()).host("127.0.0.1").get(&format!("/{n}.html")).await;
        starts.push(edge.began().elapsed().as_secs_f64() * 1000.0);
        answer.must_be(page(n).as_bytes());
        memory = edge.rss() >> 20;
    }
    let longest = starts.iter().copied().fold(0.0, f64::max);
    println!(
        "\nStart with a snapshot of {PAGES} pages, the origin dead: until the first good answer, {ROUNDS} starts\n"
    );
    println!("| median | longest | memory after it | the crawl took |\n|---|---|---|---|");
    let middle = median(starts);
    println!(
        "| {middle:.0} ms (wanted: below 300 ms) | {longest:.0} ms | {memory} MiB | {:.1} s |",
        crawl.as_secs_f64()
    );
}
