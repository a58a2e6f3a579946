//! A re-crawl of a site that is ill: the old copy stays, and status, log and metrics name the rule and the numbers. And
//! of one that is interrupted: it goes on where it was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::faults::Refuse;
use crate::support::wire::Asked;
use crate::support::{Config, Edge, Origin, Page, eventually, secs};

/// Articles of the magazine.
const ARTICLES: usize = 40;

type Say = Box<dyn Fn(&Asked) -> Option<Page> + Send + Sync>;

/// A magazine of forty articles, that may fall ill.
struct Magazine {
    origin: Origin,
    says: Arc<Mutex<Option<Say>>>,
}

/// Each has words of its own: pages that show nothing new end the following of links.
fn article(n: &str) -> Page {
    let seed = n.bytes().fold(7, |seed: u64, b| seed.wrapping_mul(31) + u64::from(b));
    let mut random = fastrand::Rng::with_seed(seed);
    let words: Vec<String> = (0..120).map(|_| (0..6).map(|_| random.lowercase()).collect()).collect();
    let words = words.join("</p><p>");
    Page::html(format!(
        "<title>{n}</title><link rel=stylesheet href=/style.css><h1>{n}</h1>\
         <p>Article {n} has this to say about the harbour: {words}</p>"
    ))
}

impl Magazine {
    async fn open() -> Magazine {
        Magazine::of(ARTICLES).await
    }

    async fn of(articles: usize) -> Magazine {
        let origin = Origin::start().await;
        let says: Arc<Mutex<Option<Say>>> = Arc::default();
        let said = says.clone();
        let links: String = (1..=articles).map(|n| format!("<a href=/a/{n}>{n}</a> ")).collect();
        origin.make(move |asked| {
            if let Some(page) = said.lock().unwrap().as_ref().and_then(|say| say(asked)) {
                return Some(page);
            }
            match &*asked.target {
                "/" => Some(Page::html(format!(
                    "<title>Magazine</title><link rel=stylesheet href=/style.css><h1>Magazine</h1>\
                     <p>All that we have written about the harbour, since there is one.</p>{links}"
                ))),
                "/signup" => {
                    Some(Page::html("<title>Sign up</title><form method=post><input name=mail></form>"))
                }
                "/style.css" => Some(Page::new("text/css", "h1{color:navy}")),
                target => {
                    let n = target.strip_prefix("/a/")?;
                    n.parse::<usize>().is_ok_and(|n| n <= articles).then(|| article(n))
                }
            }
        });
        Magazine { origin, says }
    }

    fn says(&self, say: impl Fn(&str) -> Option<Page> + Send + Sync + 'static) {
        self.answers(move |asked| say(&asked.target));
    }

    fn answers(&self, say: impl Fn(&Asked) -> Option<Page> + Send + Sync + 'static) {
        *self.says.lock().unwrap() = Some(Box::new(say));
    }
}

/// Takes a snapshot and waits for its end, whatever that is.
async fn recrawl(edge: &Edge) -> Value {
    // One that tidies up after itself is still the running one.
    eventually("the end of the last crawl", secs(30), async || {
        edge.crawl().await["running"].is_null().then_some(())
    })
    .await;
    let before = edge.crawl().await["last"]["report"].clone();
    let answer = edge.admin().post("/api/v1/sites/shop/snapshots", "").await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    eventually("the end of the crawl", secs(60), async || {
        Some(edge.crawl().await["last"].clone()).filter(|last| last["report"] != before)
    })
    .await
}

fn rules(last: &Value) -> Vec<String> {
    let rules = last["rules"].as_array().expect("rules").iter();
    rules.map(|rule| rule["rule"].as_str().unwrap().to_owned()).collect()
}

/// The site falls ill; which rules must speak.
async fn ill(say: impl Fn(&str) -> Option<Page> + Send + Sync + 'static, expected: &[&str], held: bool) {
    let magazine = Magazine::open().await;
    let edge = Edge::start(Config::before(&magazine.origin.url())).await;
    edge.until_snapshot().await;
    let good = edge.snapshot_id().await;
    magazine.says(say);
    let last = recrawl(&edge).await;
    assert_eq!(last["outcome"], "kept_old", "{last}");
    assert_eq!(rules(&last), expected, "{last}");
    assert_eq!(last["held"].is_object(), held, "{last}");
    for rule in expected {
        // what is printed arrives a moment after what the API says
        let is_warning = |line: &String| line.contains("WARN") && line.contains(rule);
        eventually("a line about the rule", secs(5), async || {
            edge.log().iter().any(is_warning).then_some(())
        })
        .await;
        let metrics = edge.admin().get("/metrics").await.text();
        let counter = format!("katahai_gate_refusals_total{{rule=\"{rule}\",site=\"shop\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&counter));
        assert!(count.is_some_and(|count| count.parse::<u64>().unwrap() > 0), "{metrics}");
    }
    let metrics = edge.admin().get("/metrics").await.text();
    for rule in last["rules"].as_array().unwrap() {
        for (gauge, number) in [("measured", &rule["measured"]), ("limit", &rule["limit"])] {
            let series = format!("katahai_gate_{gauge}{{rule={},site=\"shop\"}} ", rule["rule"]);
            let found: Vec<&str> = metrics.lines().filter_map(|line| line.strip_prefix(&series)).collect();
            // of a rule that spoke more than once, its first word counts
            let first = last["rules"]
                .as_array()
                .unwrap()
                .iter()
                .find(|r| r["rule"] == rule["rule"] && r[gauge].is_number());
            let expected = first.map(|first| first[gauge].as_f64().unwrap());
            assert_eq!(found.first().map(|n| n.parse::<f64>().unwrap()), expected, "{series}: {number}");
        }
    }
    assert_eq!(edge.snapshot_id().await, good);
    magazine.origin.fail(Refuse).await;
    edge.until("down").await;
    for n in ["1", "17", "40"] {
        let copy = edge.get(&format!("/a/{n}")).await;
        assert!(copy.text().contains(&format!("Article {n} has this to say")), "{}", copy.text());
    }
}

/// Every page of the site, but not what the health check asks for.
fn is_page(target: &str) -> bool {
    !matches!(target, "/health" | "/style.css" | "/robots.txt" | "/sitemap.xml" | "/favicon.ico")
}

const DATABASE: &str = "<title>Database Error</title><div id=container><h1>A Database Error Occurred</h1><p>Unable to \
                        connect to your database server using the provided settings.</p><p>Filename: \
                        core/Loader.php</p><p>Line Number: 346</p></div>";

#[tokio::test]
async fn a_suspended_site_does_not_overwrite_its_copy() {
    let expected = ["key-page", "key-page", "empty", "shrunk", "turned"];
    ill(|target| is_page(target).then(|| Page::html(DATABASE)), &expected, false).await;
}

#[tokio::test]
async fn an_emptied_site_does_not_overwrite_its_copy() {
    let expected = ["shrunk", "turned"];
    ill(|target| target.starts_with("/a/").then(Page::not_found), &expected, true).await;
}

#[tokio::test]
async fn a_defaced_site_does_not_overwrite_its_copy() {
    let notice = format!("<title>Hello</title><h1>We were here</h1>{}", "Nobody is safe. ".repeat(80));
    let expected = ["key-page", "key-page", "uniform"];
    ill(move |target| is_page(target).then(|| Page::html(notice.clone())), &expected, true).await;
}

#[tokio::test]
async fn a_site_behind_a_wall_or_a_login_does_not_overwrite_its_copy() {
    let wall = |target: &str| target.starts_with("/a/").then(|| Page::html("Checking you").status(403));
    ill(wall, &["shrunk", "turned"], true).await;
    let login = |target: &str| target.starts_with("/a/1").then(|| Page::redirect(302, "/login?next=/"));
    ill(login, &["turned"], true).await;
}

#[tokio::test]
async fn a_release_that_lost_its_styles_does_not_overwrite_its_copy() {
    ill(|target| (target == "/style.css").then(Page::not_found), &["key-assets"], true).await;
}

/// A site that nobody but the crawler looks at: no visitor comes, and checks are rare.
async fn unwatched() -> (Magazine, Edge) {
    let magazine = Magazine::open().await;
    let config = Config::before(&magazine.origin.url()).site("health.interval", "10m");
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    (magazine, edge)
}

#[tokio::test]
async fn what_a_held_crawl_has_found_the_state_knows_at_once() {
    let (magazine, edge) = unwatched().await;
    magazine.says(|target| target.starts_with("/a/1").then(|| Page::html(DATABASE)));
    let last = recrawl(&edge).await;
    assert_eq!(rules(&last), ["turned"], "{last}");
    edge.until("degraded").await;
    let site = edge.site().await;
    assert_eq!(site["cause"]["code"], "database-error", "{site}");
    magazine.says(|target| is_page(target).then(|| Page::html(DATABASE)));
    assert!(rules(&recrawl(&edge).await).contains(&"key-page".to_owned()));
    edge.until("down").await;
    let site = edge.site().await;
    assert_eq!(site["cause"]["code"], "database-error", "{site}");
    magazine.says(|_| None);
    edge.until("up").await;
}

#[tokio::test]
async fn a_held_crawl_does_not_bring_down_what_is_well_when_it_is_looked_into() {
    let (magazine, edge) = unwatched().await;
    let is_upkeep =
        |asked: &Asked| asked.header("user-agent").is_some_and(|agent| agent.ends_with("(check)"));
    magazine
        .answers(move |asked| (!is_upkeep(asked) && is_page(&asked.target)).then(|| Page::html(DATABASE)));
    magazine.origin.forget();
    assert!(rules(&recrawl(&edge).await).contains(&"turned".to_owned()));
    // the samples are asked for when the key pages are proven
    let is_sample = |asked: &Asked| is_upkeep(asked) && asked.target.starts_with("/a/");
    eventually("a look at the samples", secs(15), async || {
        (magazine.origin.asked().iter().filter(|asked| is_sample(asked)).count() >= 3).then_some(())
    })
    .await;
    assert_eq!(edge.state().await, "up");
    let fell = |line: &String| line.contains("changed state") && !line.contains("to=\"up\"");
    assert!(!edge.log().iter().any(fell), "{:?}", edge.log().iter().find(|line| fell(line)));
    assert!(edge.get("/a/17").await.text().contains("Article 17 has this to say"), "its copy, or itself");
}

#[tokio::test]
async fn ordinary_change_is_published() {
    let magazine = Magazine::open().await;
    let edge = Edge::start(Config::before(&magazine.origin.url())).await;
    edge.until_snapshot().await;
    magazine.says(|target| match target {
        "/a/1" | "/a/2" | "/a/3" => Some(Page::not_found()),
        "/a/4" => Some(Page::html("gone").status(410)),
        _ => target.strip_prefix("/a/").map(|n| article(&format!("{n}, rewritten"))),
    });
    let last = recrawl(&edge).await;
    assert_eq!(last["outcome"], "published", "{last}");
    let metrics = edge.admin().get("/metrics").await.text();
    assert!(!metrics.contains("katahai_gate_measured{"), "{metrics}");
    let report = &last["report"];
    assert_eq!(report["carried_over"]["not-found"]["count"], 3, "{report}");
    assert_eq!(report["removed"]["gone"]["count"], 1, "{report}");
    let broken = report["broken_links"].as_array().unwrap();
    assert_eq!(broken.len(), 4, "{report}");
    assert!(broken.iter().all(|link| link["linked_from"][0] == "/"), "{report}");
    magazine.origin.fail(Refuse).await;
    edge.until("down").await;
    assert!(edge.get("/a/9").await.text().contains("Article 9, rewritten has"));
    assert!(edge.get("/a/2").await.text().contains("Article 2 has"), "carried over");
    let gone = edge.get("/a/4").await;
    assert_eq!((gone.status, gone.body.len()), (410, 0), "the site has removed it, and says so no more");
}

/// Interrupts a crawl in the middle and starts the process again; how many articles were asked for twice.
async fn interrupted(articles: usize, end: impl AsyncFnOnce(&mut Edge)) -> usize {
    let magazine = Magazine::of(articles).await;
    let mut edge = Edge::start(Config::before(&magazine.origin.url()).site("mirror.rate", "100/s")).await;
    let asked = || magazine.origin.asked().iter().filter(|a| a.target.starts_with("/a/")).count();
    eventually("half a crawl", secs(30), async || (asked() >= articles / 2).then_some(())).await;
    end(&mut edge).await;
    assert!(asked() < articles, "it was interrupted");
    edge.restart().await;
    edge.until_snapshot().await;
    let crawl = eventually("its report", secs(30), async || {
        Some(edge.crawl().await).filter(|crawl| crawl["last"]["report"].is_object())
    })
    .await;
    let report = &crawl["last"]["report"];
    assert!(report["resumed"]["files"].as_u64().is_some_and(|files| files > 50), "{report}");
    assert_eq!(report["pages"].as_u64(), Some(articles as u64 + 2), "{report}");
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for asked in magazine.origin.asked().into_iter().filter(|a| a.target.starts_with("/a/")) {
        *times.entry(asked.target).or_default() += 1;
    }
    assert_eq!(times.len(), articles);
    times.values().filter(|times| **times > 1).count()
}

#[tokio::test]
async fn a_crawl_that_a_stop_interrupts_goes_on_where_it_was() {
    let twice = interrupted(200, async |edge| {
        edge.sigterm();
        edge.exit_code(secs(30)).await;
    })
    .await;
    assert!(twice <= 30, "{twice}: those that were under way, or read");
}

#[tokio::test]
async fn a_crawl_that_a_kill_interrupts_goes_on_nearly_where_it_was() {
    let twice = interrupted(400, async |edge| edge.kill()).await;
    assert!(twice <= 80, "{twice}: those that were under way, and the last few kilobytes of the journal");
}
