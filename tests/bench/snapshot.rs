//! Large snapshots: opening one of a million pages, looking pages up in it, the memory that both take; and what it costs
//! to publish a hundred thousand pages of which one in a hundred has changed.

use std::path::Path;
use std::time::Instant;

use katahai::clock::now;
use katahai::snapshot::{Store, bench};

use super::median;

const MANY: u64 = 1_000_000;
const SITE: u64 = 100_000;
const ROUNDS: usize = 7;
const LOOKS: u64 = 1_000_000;

/// A number from a file of `/proc/self`, by the name in front of it.
fn proc(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time of this process, in seconds: what other work on the machine does not add to.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

fn resident() -> f64 {
    proc("status", "VmRSS:") as f64 / 1024.0
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn open(dir: &Path) -> Store {
    Store::open(dir, "made").unwrap()
}

/// Runs a part of this benchmark in a process of its own, whose memory nothing else has grown.
pub fn alone(part: &str, dir: &Path) {
    let program = std::env::current_exe().unwrap();
    let ran = std::process::Command::new(program).args(["--bench", part]).env(MADE, dir).status().unwrap();
    assert!(ran.success());
}

/// A million pages: made by a process that then opens them anew, so that nothing of the making is still in memory.
pub fn large() {
    let dir = tempfile::tempdir().unwrap();
    alone("snapshot-made", dir.path());
    let manifest = proc_len(dir.path());
    let before = resident();
    let mut opens = Vec::new();
    let mut store = None;
    for _ in 0..ROUNDS {
        drop(store.take());
        let begun = Instant::now();
        store = Some(open(dir.path()));
        opens.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    let opened = resident() - before;
    let current = store.as_ref().unwrap().current().unwrap();
    let keys: Vec<String> = (0..LOOKS).map(|n| bench::key((n * 7_919) % MANY)).collect();
    let before_looks = resident();
    let (mut times, mut processed) = (Vec::new(), Vec::new());
    for round in 0..3 {
        let (begun, spent) = (Instant::now(), processor());
        for key in &keys {
            assert!(current.find(key).unwrap().is_some());
        }
        if round > 0 {
            times.push(begun.elapsed().as_secs_f64() * 1e6 / LOOKS as f64);
            processed.push((processor() - spent) * 1e6 / LOOKS as f64);
        }
    }
    let looked = resident() - before_looks;
    println!("\nA snapshot of {MANY} pages (manifest of {:.0} MiB)\n", mib(manifest));
    println!(
        "| opens | wanted | look-up, warm | of it processor | wanted | resident, opened | and looked through | wanted |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    println!(
        "| {:.2} ms | < 100 ms | {:.2} µs | {:.2} µs | < 5 µs | {opened:.1} MiB | {:.1} MiB | < 50 MiB |",
        median(opens),
        median(times),
        median(processed),
        opened + looked,
    );
}

/// Where the process that makes the million pages puts them.
const MADE: &str = "KATAHAI_BENCH_MADE";

/// The part of [`large`] that runs in a process of its own.
pub fn make() {
    let Some(dir) = std::env::var_os(MADE) else { return };
    bench::fill(&open(Path::new(&dir)), MANY, now()).unwrap();
}

fn proc_len(dir: &Path) -> u64 {
    let id = open(dir).current().unwrap().id().to_string();
    std::fs::metadata(dir.join("snapshots/made").join(id).join("manifest")).unwrap().len()
}

/// A hundred thousand pages, published twice.
pub fn editions() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    println!("\nPublishing {SITE} pages with a body of 2 KB each\n");
    println!(
        "| | time | bytes given to write | of these manifest | bytes sent to the disk | resident at most, added |"
    );
    println!("|---|---|---|---|---|---|");
    for (what, changed) in [("all new", 1), ("1% changed", 100), ("nothing changed", 0)] {
        let edition = |n: u64| {
            u64::from(changed == 100 && n.is_multiple_of(100))
                + u64::from(changed == 0 && n.is_multiple_of(100))
        };
        let (given, sent, memory) = (proc("io", "wchar:"), proc("io", "write_bytes:"), resident());
        // From here on the highest is counted anew.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let begun = Instant::now();
        let made = bench::fill_editions(&store, SITE, edition, now()).unwrap();
        let took = begun.elapsed();
        let manifest = dir.path().join("snapshots/made").join(made.id().to_string()).join("manifest");
        println!(
            "| {what} | {:.1} s | {:.1} MiB | {:.1} MiB | {:.1} MiB | {:.1} MiB |",
            took.as_secs_f64(),
            mib(proc("io", "wchar:") - given),
            mib(std::fs::metadata(manifest).unwrap().len()),
            mib(proc("io", "write_bytes:") - sent),
            proc("status", "VmHWM:") as f64 / 1024.0 - memory,
        );
    }
}
