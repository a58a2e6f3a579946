//! An instance with an empty disk joins while the site is dead: how soon it serves, and how soon it has all.

use std::time::{Duration, Instant};

use super::fixture::noise;
use super::wait::{eventually, ms, secs};
use super::{Client, Config, Edge, Origin, Page};

/// What pages are about.
const WORDS: [&str; 16] = [
    "tide", "coffee", "harbour", "boat", "lantern", "rain", "letter", "bridge", "winter", "bread", "garden",
    "train", "island", "window", "market", "song",
];

/// A page with sentences of its own, 4 KiB of them: a site that repeats itself is not crawled to its end.
pub fn page(n: usize) -> String {
    let mut random = fastrand::Rng::with_seed(n as u64);
    let mut text = format!("<!doctype html><html lang=\"en\"><title>Page {n}</title>\n");
    while text.len() < 4 << 10 {
        let sentence: Vec<&str> = (0..40).map(|_| WORDS[random.usize(..WORDS.len())]).collect();
        text.push_str(&format!("<p>{}</p>\n", sentence.join(" ")));
    }
    text
}

/// An origin with a site of so many pages, a sign-up page, and what pages need to be drawn.
pub async fn large_site(pages: usize) -> Origin {
    let origin = Origin::start().await;
    let head = "<!doctype html><html lang=\"en\"><link rel=\"stylesheet\" href=\"/style.css\">";
    let mut index =
        format!("{head}<title>Index</title><img src=\"/logo.png\"><a href=\"/signup\">Sign up</a>");
    for list in 0..pages.div_ceil(100) {
        index.push_str(&format!("<a href=\"/list{list}.html\">{list}</a>"));
    }
    origin.page("/", Page::html(index));
    let form = "<form method=\"post\" action=\"/signup\"><input name=\"name\"></form>";
    origin.page("/signup", Page::html(format!("{head}<title>Sign up</title>{form}")));
    origin.page("/style.css", Page::new("text/css", "body { background: url(/paper.png) }"));
    origin.page("/logo.png", Page::new("image/png", noise(20_000, 1)));
    origin.page("/paper.png", Page::new("image/png", noise(3_000, 2)));
    origin.make(move |asked| {
        let name = asked.path().strip_prefix('/')?.strip_suffix(".html")?;
        if let Some(list) = name.strip_prefix("list") {
            let first = 100 * list.parse::<usize>().ok()?;
            let links = (first..pages.min(first + 100)).map(|n| format!("<a href=\"/{n}.html\">{n}</a>"));
            let links: String = links.collect();
            return Some(Page::html(format!("<!doctype html><title>List {list}</title>{links}")));
        }
        let n = name.parse::<usize>().ok().filter(|n| *n < pages)?;
        Some(Page::html(page(n)))
    });
    origin
}

/// The configuration for it.
pub fn for_large(config: Config, pages: usize) -> Config {
    config.site("mirror.max_pages", u32::try_from(pages).unwrap() + 1000)
}

/// Waits for the snapshot that has all pages: the first one may be published while it is still taken. Its id.
pub async fn until_taken(edge: &Edge, pages: usize) -> String {
    eventually("the whole snapshot", secs(600), async || {
        let snapshot = edge.site().await["snapshot"].clone();
        let is_all = snapshot["pages"].as_u64().is_some_and(|has| has as usize >= pages);
        is_all.then(|| snapshot["id"].as_str().unwrap().to_owned())
    })
    .await
}

/// What joining took, from the start of the process.
#[derive(Clone, Copy, Debug)]
pub struct Joined {
    /// To the first right answer, of a key page.
    pub first: Duration,
    /// How long a visitor waited for a page that had not arrived yet; `None`: all had arrived by then.
    pub on_demand: Option<Duration>,
    /// To the moment when all of it was on its disk.
    pub whole: Duration,
}

/// Starts an instance with an empty disk, and waits until it has all of it.
pub async fn join(config: Config, origin: &Origin, pages: usize) -> (Edge, Joined) {
    let edge = Edge::start(config).await;
    let signup = origin.content("/signup").body;
    eventually("the sign-up page", secs(60), async || {
        let answer = patient(&edge).get("/signup").await;
        (answer.status == 200).then(|| answer.must_be(&signup))
    })
    .await;
    let first = edge.began().elapsed();
    // what comes last
    let (n, asked) = (pages - 1, Instant::now());
    let is_arriving = !is_whole(&edge);
    patient(&edge).get(&format!("/{n}.html")).await.must_be(page(n).as_bytes());
    let on_demand = is_arriving.then(|| asked.elapsed());
    while !is_whole(&edge) {
        assert!(edge.began().elapsed() < secs(600), "not whole after ten minutes");
        tokio::time::sleep(ms(20)).await;
    }
    let whole = edge.began().elapsed();
    (edge, Joined { first, on_demand, whole })
}

fn patient(edge: &Edge) -> Client {
    edge.client().patience(secs(30))
}

fn is_whole(edge: &Edge) -> bool {
    let Ok(mut here) = edge.state_dir().join("snapshots/shop").read_dir() else { return false };
    !here.any(|at| at.is_ok_and(|at| at.path().join("arriving").exists()))
}
