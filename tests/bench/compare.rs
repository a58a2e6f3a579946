//! Katahai beside nginx, Varnish and HAProxy: what an answer costs, what a visitor feels when the origin is killed, how
//! long a start takes, what many sites and many addresses take; and beside wget and HTTrack: what a copy of a site takes. Prints tables; `cargo bench --bench compare -- copies` for one of them.
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
#![allow(unreachable_pub, reason = "a benchmark exports nothing")]

mod keys;
mod ladder;
mod latency;
mod load;
mod mirror;
mod outage;
mod regions;
mod rungs;
mod scale;
mod servers;
mod snapshot;
mod start;
mod store;
#[path = "../it/support/mod.rs"]
mod support;

use std::path::Path;

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let asked = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    match wanted.as_slice() {
        [part] if part == "snapshot-made" => return snapshot::make(),
        [part] if part == "snapshot-editions" => return snapshot::editions(),
        [part] => rungs::run(part),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{cores} processors; every server with its own default of workers, shared with the load; loopback"
    );
    if asked("copies") {
        runtime.block_on(ladder::copies());
    }
    if asked("passing") {
        runtime.block_on(ladder::passing());
    }
    if asked("latency") {
        runtime.block_on(latency::at_half_load());
    }
    if asked("outage") {
        runtime.block_on(outage::latency());
    }
    if asked("snapshot") {
        snapshot::large();
        snapshot::alone("snapshot-editions", Path::new(""));
    }
    if asked("mirror") {
        runtime.block_on(mirror::side_by_side());
    }
    if asked("large") {
        runtime.block_on(mirror::memory());
    }
    if asked("start") {
        runtime.block_on(start::with_many_pages());
    }
    if asked("joining") {
        runtime.block_on(regions::joining());
    }
    if asked("asking") {
        runtime.block_on(regions::asking());
    }
    if asked("scale") {
        runtime.block_on(scale::many_sites());
    }
    if asked("keys") {
        runtime.block_on(keys::many_keys());
    }
}
