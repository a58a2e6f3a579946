//! All at once: a store on which requests go wrong in every way, two instances of which one's clock is wrong by ten minutes, one of them
//! killed (-9) at any write, forms and new snapshots all the time. No wrong page, no lost version, no form lost or sent twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use serde_json::Value;

use super::forms::{forms, posts};
use super::in_bucket::{Bucket, must_serve, shelf};
use super::partition::Watch;
use crate::matrix::crawl;
use crate::support::door::Held;
use crate::support::faults::Refuse;
use crate::support::fixture::{self, MIRRORED, SIGNUP};
use crate::support::s3::{At, Door};
use crate::support::{Client, Edge, Origin, eventually, ms, secs};

/// How many rounds.
const ROUNDS: &str = "KATAHAI_STORE_ROUNDS";
const DEFAULT: u32 = 1;
/// What the rounds are drawn from, to have them again.
const SEED: &str = "KATAHAI_STORE_SEED";
/// Of a hundred requests to the store, how many go wrong.
const WRONG: u8 = 15;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Visitors of an instance, which may be gone, but never gives them what the site never was.
struct Visitors {
    wrong: Arc<Mutex<Vec<String>>>,
    seen: Arc<AtomicU32>,
    task: tokio::task::JoinHandle<()>,
}

impl Visitors {
    fn of(client: Client, newest: Arc<AtomicU32>) -> Visitors {
        let (wrong, seen): (Arc<Mutex<Vec<String>>>, Arc<AtomicU32>) = Default::default();
        let (told, counted) = (wrong.clone(), seen.clone());
        let task = tokio::spawn(async move {
            for path in MIRRORED.iter().cycle() {
                tokio::time::sleep(ms(20)).await;
                let request = client.ask("GET", path).body(Full::default()).unwrap();
                // while its process is away, nobody answers, or breaks off
                let Ok(answer) = client.send(request).await else { continue };
                if answer.broken.is_some() {
                    continue;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let mut versions = 1..=newest.load(Ordering::SeqCst);
                if !versions.any(|version| fixture::pages(version)[*path].body == answer.body) {
                    told.lock().unwrap().push(format!("{path}: {} {}", answer.status, answer.cache_status()));
                }
            }
        });
        Visitors { wrong, seen, task }
    }

    fn end(self) {
        self.task.abort();
        let wrong = self.wrong.lock().unwrap();
        assert!(wrong.is_empty() && self.seen.load(Ordering::SeqCst) > 0, "wrong pages: {wrong:?}");
    }
}

/// Sends a form; whether its visitor was told that it is kept or has arrived. Without an answer, nobody was told anything.
async fn is_told(edge: &Edge, body: &str) -> bool {
    let client = edge.client();
    let request = client.ask("POST", SIGNUP).header("content-type", "application/x-www-form-urlencoded");
    let answer = client.send(request.body(Full::from(body.to_owned())).unwrap()).await;
    answer.is_ok_and(|answer| answer.broken.is_none() && matches!(answer.status, 200..=399))
}

/// An instance that is killed at some write to the store, or after a while, and started again.
async fn is_killed(bucket: &Bucket, edge: &mut Edge) {
    let at = if fastrand::bool() { At::Asking } else { At::Answering };
    let part = ["", "/forms/", "lease", "/blobs/", "/sites/"][fastrand::usize(..5)].to_owned();
    bucket.s3.door(Door::Holds(Held { method: "PUT", part, nth: fastrand::usize(1..4), at })).await;
    // if nobody writes such a thing, it is killed all the same
    let _ = tokio::time::timeout(secs(5), bucket.s3.gate().until_held()).await;
    edge.kill();
    bucket.s3.door(Door::Rough(WRONG)).await;
    edge.restart().await;
}

struct Told {
    /// What was sent, and whether its visitor was told.
    sent: BTreeMap<String, bool>,
    shelves: [BTreeSet<String>; 2],
}

async fn round(bucket: &Bucket, origin: &Origin, edges: &mut [Edge; 2], told: &mut Told, newest: &AtomicU32) {
    origin.heal().await;
    for edge in &*edges {
        edge.until("up").await;
    }
    let version = newest.fetch_add(1, Ordering::SeqCst) + 1;
    fixture::stock(origin, version);
    bucket.s3.door(Door::Rough(WRONG)).await;
    let (taker, victim) = (fastrand::usize(..2), fastrand::usize(..2));
    // whatever comes of it: on a slow machine a check may fail meanwhile, and the gate holds what was taken then
    crawl(&edges[taker]).await;
    is_killed(bucket, &mut edges[victim]).await;
    origin.fail(Refuse).await;
    for edge in &*edges {
        edge.until("down").await;
    }
    for n in 0..6 {
        let body = format!("version={version}&n={n}");
        let is_told = is_told(&edges[n % 2], &body).await;
        told.sent.insert(body, is_told);
    }
    is_killed(bucket, &mut edges[1 - victim]).await;
    for (shelf_of, edge) in told.shelves.iter_mut().zip(&*edges) {
        shelf_of.extend(shelf(edge).await);
    }
}

/// Both serve what the store names.
async fn until_in_step(bucket: &Bucket, edges: &[Edge; 2]) {
    eventually("both in step with the store", secs(120), async || {
        let id = bucket.pointer().await?["id"].as_str()?.to_owned();
        for edge in edges {
            edge.snapshot_id().await.filter(|serves| *serves == id)?;
        }
        Some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_over_a_rough_store_lose_nothing_and_show_nothing_wrong() {
    let rounds = number(ROUNDS).map_or(DEFAULT, |rounds| rounds as u32);
    let seed = number(SEED).unwrap_or_else(|| fastrand::u64(..));
    eprintln!("{SEED}={seed}");
    fastrand::seed(seed);
    let (bucket, origin) = (Arc::new(Bucket::new().await), fixture::shop().await);
    let clock = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(clock.path(), if fastrand::bool() { "+600" } else { "-600" }).unwrap();
    let config = |name: &str| {
        let config = bucket.config(&origin.url(), name).site("health.interval", "100ms");
        config
            .site("failover.recovery_ramp", "0s")
            .form(&format!("path = \"{SIGNUP}\"\nmost_per_client = \"off\"\n"))
    };
    let first = Edge::start(config("first")).await;
    bucket.until_names(&first.until_snapshot().await).await;
    let second = Edge::start(config("second").clock_in(clock.path())).await;
    second.until_snapshot().await;
    let mut edges = [first, second];
    let watch = Watch::begin(bucket.clone());
    let newest = Arc::new(AtomicU32::new(1));
    let visitors = [0, 1].map(|n: usize| Visitors::of(edges[n].client(), newest.clone()));
    let mut told = Told { sent: BTreeMap::new(), shelves: Default::default() };
    for _ in 0..rounds {
        round(&bucket, &origin, &mut edges, &mut told, &newest).await;
    }
    bucket.s3.door(Door::Open).await;
    until_in_step(&bucket, &edges).await;
    let versions: Vec<u32> = (1..=rounds + 1).collect();
    for edge in &edges {
        must_serve(edge, &versions).await;
    }
    origin.heal().await;
    eventually("what became of each form, known to both", secs(300), async || {
        for edge in &edges {
            let forms = forms(edge).await;
            let is_over = |form: &Value| matches!(form["state"].as_str(), Some("delivered" | "doubtful"));
            forms.iter().all(is_over).then_some(())?;
        }
        Some(())
    })
    .await;
    must_have_arrived(&origin, &edges, &told).await;
    for (edge, had) in edges.iter().zip(&told.shelves) {
        let has: BTreeSet<String> = shelf(edge).await.into_iter().collect();
        assert!(had.is_subset(&has), "versions are lost: {had:?}, {has:?}");
    }
    visitors.into_iter().for_each(Visitors::end);
    watch.end().await;
}

/// Each form that somebody was told of is at the site, once, or a person is asked whether it is; and nothing came twice.
#[expect(
    clippy::print_stderr,
    reason = "the runner shows it only when the test fails, or when it is asked to"
)]
async fn must_have_arrived(origin: &Origin, edges: &[Edge; 2], told: &Told) {
    let arrived = posts(origin);
    let once: BTreeSet<&String> = arrived.iter().collect();
    assert_eq!(once.len(), arrived.len(), "some came twice: {arrived:?}");
    let mut doubtful = 0;
    for form in forms(&edges[0]).await {
        doubtful += usize::from(form["state"] == "doubtful");
    }
    let lost: Vec<&String> = told
        .sent
        .iter()
        .filter(|(body, told)| **told && !once.contains(body))
        .map(|(body, _)| body)
        .collect();
    assert!(lost.len() <= doubtful, "{lost:?} are lost, and {doubtful} doubtful");
    let sent = told.sent.len();
    let told = told.sent.values().filter(|told| **told).count();
    eprintln!("{sent} forms sent, {told} told, {} arrived, {doubtful} doubtful", arrived.len());
    assert!(told > 0, "nobody was told anything");
}
