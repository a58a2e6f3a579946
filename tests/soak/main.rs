//! The shop under load for minutes, while its server falls from one failure into the next at random. Every answer is
//! looked at: not one may be wrong, fail, or be late, and memory must stay flat.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
#![allow(
    clippy::disallowed_methods,
    reason = "the harness is not the product: it spawns, writes and reads clocks itself"
)]
#![allow(
    dead_code,
    unused_imports,
    reason = "the harness of tests/it is shared; not all of it is needed here"
)]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod failures;
mod memory;
#[path = "../it/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use failures::Failure;
use memory::Memory;
use support::fixture::{self, MIRRORED};
use support::load::{Judge, Load};
use support::{Answer, Config, Edge, Origin, ms, secs};

/// Requests a second.
const RATE: u32 = 80;
/// `patience_max` of the harness's sites, and the second that a promise allows on top.
const IN_TIME: Duration = ms(800 + 1000);

/// What pages may say: every version of them that the shop has had.
#[derive(Clone, Default)]
struct Right(Arc<Mutex<HashMap<String, HashSet<bytes::Bytes>>>>);

impl Right {
    fn learn(&self, version: u32) {
        let mut known = self.0.lock().unwrap();
        for (target, page) in fixture::pages(version) {
            if MIRRORED.contains(&&*target) {
                known.entry(target).or_default().insert(page.body);
            }
        }
    }

    fn is(&self, target: &str, answer: &Answer) -> bool {
        self.0.lock().unwrap()[target].contains(&answer.body)
    }
}

type Rungs = Arc<Mutex<BTreeMap<&'static str, usize>>>;

fn judge(right: Right, rungs: Rungs) -> Judge {
    Arc::new(move |target, answer| {
        let rung = if answer.is_from_snapshot() {
            "snapshot"
        } else if answer.is_copy() {
            "stale"
        } else {
            "live or cache"
        };
        *rungs.lock().unwrap().entry(rung).or_default() += 1;
        match answer.status {
            200 if right.is(target, answer) => Ok(()),
            200 => Err(format!("WRONG PAGE: {} {:.200}", answer.cache_status(), answer.text())),
            status => Err(format!("status {status}: {}", answer.cache_status())),
        }
    })
}

/// What the whole run has seen.
#[derive(Default)]
struct Tally {
    answers: usize,
    slowest: Duration,
    failed: Vec<String>,
    rungs: Rungs,
    failures: BTreeMap<&'static str, usize>,
}

impl Tally {
    async fn take(&mut self, load: Load, during: &str) {
        for shot in load.stop().await.shots {
            self.answers += 1;
            self.slowest = self.slowest.max(shot.took);
            let late = (shot.took > IN_TIME).then(|| format!("took {:?}", shot.took));
            if let Some(why) = shot.failed.or(late) {
                println!("FAILED at {:?} of a stretch with [{during}]: {}: {why}", shot.at, shot.target);
                self.failed.push(why);
            }
        }
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with('-'));
    let seconds = args.next().map_or(600, |text| text.parse().expect("seconds"));
    let seed = args.next().map_or_else(|| fastrand::u64(..1 << 32), |text| text.parse().expect("a seed"));
    println!("{seconds} s, {RATE} requests a second; seed {seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (tally, memory) = runtime.block_on(soak(secs(seconds), seed));
    report(&tally, &memory);
    match tally.failed.is_empty() && memory.is_flat() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

async fn soak(length: Duration, seed: u64) -> (Tally, Memory) {
    let mut random = fastrand::Rng::with_seed(seed);
    let origin = fixture::shop().await;
    // one address plays all visitors; the small cache is full early
    let config = Config::before(&origin.url())
        .set("limits.connections_per_client", 4096)
        .set("limits.memory_cache", "16MiB")
        .site("mirror.keep", 3);
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let right = Right::default();
    right.learn(1);
    let (mut tally, mut memory, mut version) = (Tally::default(), Memory::default(), 1);
    let targets = || MIRRORED.map(str::to_owned).to_vec();
    let began = Instant::now();
    while began.elapsed() < length {
        // a stretch of some failures, then its answers
        let load = Load::start(edge.client(), RATE, targets(), judge(right.clone(), tally.rungs.clone()));
        let mut during = Vec::new();
        for _ in 0..4 {
            let failure = failures::pick(&mut random);
            *tally.failures.entry(failure.name).or_default() += 1;
            during.push(format!("{} under {}", failure.name, failure.under));
            fails(&origin, &edge, failure, &mut random).await;
            version += 1;
            right.learn(version);
            fixture::stock(&origin, version);
            origin.heal().await;
            rest(&edge, &mut random).await;
            memory.sample(&edge, began.elapsed());
        }
        tally.take(load, &during.join(", ")).await;
        origin.forget();
        println!(
            "{:4} s: {} answers, {} failed; {:.1} MiB",
            began.elapsed().as_secs(),
            tally.answers,
            tally.failed.len(),
            memory.last()
        );
    }
    (tally, memory)
}

/// One failure for a while; now and then a crawl in the middle of it.
async fn fails(origin: &Origin, edge: &Edge, failure: Failure, random: &mut fastrand::Rng) {
    origin.switch(failure.under, failure.fault).await;
    if random.u8(..4) == 0 {
        edge.admin().post("/api/v1/sites/shop/snapshots", "").await;
    }
    tokio::time::sleep(ms(random.u64(500..5000))).await; // the length of the failure
}

/// Nothing is wrong for a while; now and then a crawl, or a reload.
async fn rest(edge: &Edge, random: &mut fastrand::Rng) {
    match random.u8(..6) {
        0 => drop(edge.admin().post("/api/v1/sites/shop/snapshots", "").await),
        1 => {
            let timeout = format!("{}ms", random.u32(2000..2100));
            edge.write_text(&edge.config().site("failover.timeout", timeout).toml());
            assert_eq!(edge.reload().await.status / 100, 2);
        }
        _ => {}
    }
    tokio::time::sleep(ms(random.u64(200..4000))).await; // the length of the rest
}

fn report(tally: &Tally, memory: &Memory) {
    println!(
        "\n{} answers, slowest {:?}; by rung {:?}",
        tally.answers,
        tally.slowest,
        tally.rungs.lock().unwrap()
    );
    println!("failures: {:?}", tally.failures);
    println!("{memory}");
    let flat = if memory.is_flat() { "flat" } else { "NOT FLAT" };
    println!("{} answers failed or were wrong or late; memory is {flat}", tally.failed.len());
}
