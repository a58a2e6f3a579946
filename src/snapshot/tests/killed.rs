//! Killed at any point, the last good snapshot serves whole. The test binary starts itself again as the victim.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::adopted::{bring_bodies, bring_files};
use super::*;

const VICTIM: &str = "KATAHAI_TEST_VICTIM";
const ROUNDS: u64 = 30;
const PAGES: u64 = 25;

/// A child that does not outlive the test.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `test` of this file again, as a victim that works on `dir`.
fn start(test: &str, dir: &Path) -> (Victim, impl Iterator<Item = String> + use<>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("snapshot::tests::killed::{test}"), "--nocapture", "--test-threads=1"])
        .env(VICTIM, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (Victim(child), lines.map_while(Result::ok))
}

/// The pages of one generation: some bodies are shared with others, one is large.
fn generation(n: u64) -> Vec<(String, String)> {
    let body = |i: u64| match i {
        0 => n.to_string(),
        1 => format!("{n} ").repeat(150_000),
        _ if i.is_multiple_of(3) => format!("shared by all: {i}"),
        _ if i % 3 == 1 => format!("shared by ten: {i} of {}", n / 10),
        _ => format!("only in {n}: {i}"),
    };
    (0..PAGES).map(|i| (format!("/{i}"), body(i))).collect()
}

fn publish_generations(dir: &Path) {
    let store = Store::open(dir, "shop").unwrap();
    println!("ready");
    for _ in 0..200 {
        let staging = store.begin(at(1), "crawl").unwrap();
        let n = staging.id().sequence();
        for (key, body) in generation(n) {
            let body = put(&staging, body.as_bytes());
            staging.add(page(&key, Some(body))).unwrap();
        }
        staging.publish(at(2), &serde_json::Value::Null).unwrap();
        println!("published {n}");
        store.retain(&newest(3)).unwrap();
    }
}

#[test]
fn killed_at_any_point_the_last_good_snapshot_serves_whole() {
    if let Some(dir) = std::env::var_os(VICTIM) {
        return publish_generations(Path::new(&dir));
    }
    const TEST: &str = "killed_at_any_point_the_last_good_snapshot_serves_whole";
    let dir = tempfile::tempdir().unwrap();
    // One is let live, to see how long a generation takes here and now.
    let (victim, mut lines) = start(TEST, dir.path());
    assert!(lines.any(|line| line.ends_with("ready")), "the victim did not start");
    let began = crate::clock::instant();
    assert!(lines.any(|line| line.starts_with("published ")), "the victim did not publish");
    let takes = began.elapsed();
    drop(victim);

    let mut moments = fastrand::Rng::with_seed(0x6b61_7461);
    for round in 0..ROUNDS {
        let (mut victim, mut lines) = start(TEST, dir.path());
        assert!(lines.any(|line| line.ends_with("ready")), "the victim did not start");
        std::thread::sleep(takes.mul_f64(2.0 * moments.f64()));
        victim.0.kill().unwrap();
        victim.0.wait().unwrap();
        let said = lines.filter_map(|line| line.strip_prefix("published ")?.parse::<u64>().ok()).last();

        let store = Store::open(dir.path(), "shop").unwrap();
        let current = store.current().unwrap();
        let n = current.id().sequence();
        assert!(
            said.is_none_or(|said| n >= said),
            "round {round}: {said:?} was published, {n} is in service"
        );
        for (key, body) in generation(n) {
            assert_eq!(body_of(&current, &key), body, "round {round}: {key} of {n}");
        }
        assert_eq!(current.pages().count() as u64, PAGES);
        assert!(store.verify(&current.id()).unwrap().is_whole());
        let left = names(&dir.path().join("snapshots/shop"));
        assert!(left.iter().all(|name| !name.starts_with('.')), "round {round}: {left:?}");
    }
}

#[test]
fn another_process_is_waited_for_while_it_lives_and_cleaned_up_after_when_it_is_dead() {
    if let Some(dir) = std::env::var_os(VICTIM) {
        let store = Store::open(Path::new(&dir), "shop").unwrap();
        let _staging = stage(&store, 2, &[("/", "never published")]);
        println!("staged");
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    let place = Place::new();
    take(&place.store, 1, &[("/", "one")]);
    let (mut victim, mut lines) = start(
        "another_process_is_waited_for_while_it_lives_and_cleaned_up_after_when_it_is_dead",
        place.dir.path(),
    );
    assert!(lines.any(|line| line.ends_with("staged")));
    assert!(matches!(place.store.begin(at(3), "crawl"), Err(BeginError::AlreadyRunning)));
    let staging = ".staging-19700101T000002Z-000002".to_owned();
    assert!(names(&place.site_dir()).contains(&staging));
    place.reopened();
    assert!(names(&place.site_dir()).contains(&staging), "a living process's staging was removed");
    victim.0.kill().unwrap();
    victim.0.wait().unwrap();
    place.reopened();
    assert!(!names(&place.site_dir()).contains(&staging));
    assert_eq!(body_of(&take(&place.store, 3, &[("/", "two")]), "/"), "two");
}

/// How many pages the interrupted crawl has, and how many of them a kill may cost: what its records gather in memory.
const LONG: usize = 600;
const COSTS: usize = 40;

fn long_key(n: usize) -> String {
    format!("/long/{n}")
}

fn long_body(n: usize) -> String {
    format!("{n} of many, ").repeat(if n.is_multiple_of(50) { 30_000 } else { 50 })
}

/// Goes on with the crawl, as often as it is started, until it is published.
fn go_on(dir: &Path) {
    let store = Store::open(dir, "shop").unwrap();
    let day = Duration::from_secs(86_400);
    let (staging, _) = store.begin_or_resume(crate::clock::now(), "crawl", "long", day).unwrap();
    let there: std::collections::HashSet<String> = staging.staged().map(|page| page.key).collect();
    println!("resumed {}", there.len());
    for n in (0..LONG).filter(|n| !there.contains(&long_key(*n))) {
        let body = put(&staging, long_body(n).as_bytes());
        staging.add(page(&long_key(n), Some(body))).unwrap();
        println!("added {n}");
    }
    staging.publish(crate::clock::now(), &serde_json::Value::Null).unwrap();
    println!("published");
}

#[test]
fn killed_at_any_point_a_crawl_goes_on_where_it_was() {
    if let Some(dir) = std::env::var_os(VICTIM) {
        return go_on(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "shop").unwrap();
    take(&store, 1, &[("/", "before"), ("/long/3", &long_body(3))]);
    let mut moments = fastrand::Rng::with_seed(0x7265_7375);
    let (mut there, mut rounds) = (0, 0);
    loop {
        rounds += 1;
        assert!(rounds < 200, "it comes to no end");
        let (mut victim, mut lines) = start("killed_at_any_point_a_crawl_goes_on_where_it_was", dir.path());
        let resumed: usize = lines
            .find_map(|line| line.split_once("resumed ")?.1.parse().ok())
            .expect("the victim did not start");
        assert!(resumed + COSTS >= there, "round {rounds}: {resumed} of {there} pages are left");
        // Events, not times, say when: after so many pages, or once in a while at the end.
        let last = moments.usize(1..LONG / 8);
        let added = lines.by_ref().take(last).filter(|line| line.starts_with("added ")).count();
        victim.0.kill().unwrap();
        victim.0.wait().unwrap();
        let (mut more, mut published) = (0, false);
        lines.for_each(|line| {
            more += usize::from(line.starts_with("added "));
            published |= line == "published";
        });
        there = resumed + added + more;
        let store = Store::open(dir.path(), "shop").unwrap();
        store.retain(&newest(1)).unwrap();
        if published || store.current().unwrap().find(&long_key(5)).unwrap().is_some() {
            break;
        }
        assert_eq!(body_of(&store.current().unwrap(), "/"), "before");
    }
    let store = Store::open(dir.path(), "shop").unwrap();
    let current = store.current().unwrap();
    for n in 0..LONG {
        assert_eq!(body_of(&current, &long_key(n)), long_body(n));
    }
    assert!(store.verify(&current.id()).unwrap().is_whole());
    assert_eq!(current.summary().pages, LONG as u64);
    assert!(names(&dir.path().join("snapshots/shop")).iter().all(|name| !name.starts_with('.')));
}

/// How many snapshots another instance has.
const ELSEWHERE: usize = 6;

/// Brings the snapshots of another instance here, one after the other, over and over, and serves each: every other one
/// before its bodies are here.
fn follow_generations(dir: &Path) {
    let other = Store::look(&dir.join("there"), "shop").unwrap();
    let mut ids: Vec<SnapshotId> = other.list().iter().map(|summary| summary.id).collect();
    ids.sort_unstable();
    let store = Store::open(&dir.join("here"), "shop").unwrap();
    let served = store.current().and_then(|current| ids.iter().position(|id| *id == current.id()));
    println!("ready");
    for n in served.map_or(0, |served| served + usize::from(!store.arriving(&ids[served])))..200 {
        let id = ids[n % ELSEWHERE];
        let of = other.get(&id).unwrap();
        let how = if n % 2 == 0 { Adopted::Whole } else { Adopted::Arriving };
        let bring = |how| match store.begin_adoption(id) {
            Err(AdoptError::There(_)) => {}
            adoption => {
                let adoption = adoption.unwrap();
                if !store.arriving(&id) {
                    bring_files(&of, &adoption);
                }
                if how == Adopted::Whole {
                    bring_bodies(&of, &adoption);
                }
                adoption.finish(how).unwrap();
            }
        };
        bring(how);
        store.follow(&id, Some(n as u64), Pins::default()).unwrap();
        println!("served {n}");
        bring(Adopted::Whole);
        assert!(!store.arriving(&id));
        store.retain(&newest(1)).unwrap();
    }
}

#[test]
fn killed_at_any_point_what_another_instance_took_is_whole_or_not_there() {
    if let Some(dir) = std::env::var_os(VICTIM) {
        return follow_generations(Path::new(&dir));
    }
    const TEST: &str = "killed_at_any_point_what_another_instance_took_is_whole_or_not_there";
    let dir = tempfile::tempdir().unwrap();
    let other = Store::open(&dir.path().join("there"), "shop").unwrap();
    let mut ids = Vec::new();
    for n in 0..ELSEWHERE as u64 {
        let pages = generation(n);
        let pages: Vec<(&str, &str)> =
            pages.iter().map(|(key, body)| (key.as_str(), body.as_str())).collect();
        ids.push(take(&other, n, &pages).id());
    }
    let (victim, mut lines) = start(TEST, dir.path());
    assert!(lines.any(|line| line.ends_with("ready")), "the victim did not start");
    let began = crate::clock::instant();
    assert!(lines.any(|line| line.starts_with("served 1")), "the victim did not follow");
    let takes = began.elapsed() / 2;
    drop(victim);

    let mut moments = fastrand::Rng::with_seed(0x666f_6c6c);
    let (mut resumed, mut before) = (0, None);
    for round in 0..ROUNDS {
        let (mut victim, mut lines) = start(TEST, dir.path());
        assert!(lines.any(|line| line.ends_with("ready")), "round {round}: the victim did not start");
        std::thread::sleep(takes.mul_f64(2.0 * moments.f64()));
        victim.0.kill().unwrap();
        victim.0.wait().unwrap();
        let said = lines.filter_map(|line| line.strip_prefix("served ")?.parse::<u64>().ok()).last();

        let store = Store::open(&dir.path().join("here"), "shop").unwrap();
        let current = store.current().unwrap();
        let n = store.pointer().unwrap().unwrap().by_hand.unwrap();
        assert_eq!(current.id(), ids[n as usize % ELSEWHERE], "round {round}");
        // The next one may have come without its having been said.
        let expected = said.or(before).map(|said| [said, said + 1].map(|said| said % ELSEWHERE as u64));
        assert!(
            expected.is_none_or(|expected| expected.contains(&(n % ELSEWHERE as u64))),
            "round {round}: {said:?} {n}"
        );
        before = Some(n);
        for summary in store.list() {
            let snapshot = store.get(&summary.id).unwrap();
            let generation = generation(ids.iter().position(|id| *id == summary.id).unwrap() as u64);
            assert_eq!(snapshot.pages().count() as u64, PAGES);
            let report = store.verify(&summary.id).unwrap();
            assert!(report.is_whole(), "round {round}: {:?}", report.findings);
            assert!(report.to_come == 0 || store.arriving(&summary.id), "round {round}");
            if !store.arriving(&summary.id) {
                generation.iter().for_each(|(key, body)| assert_eq!(&body_of(&snapshot, key), body));
            }
        }
        let left = names(&dir.path().join("here/snapshots/shop"));
        resumed += usize::from(left.iter().any(|name| name.starts_with(".adopting-")));
        let ours = |name: &String| !name.starts_with('.') || name.starts_with(".adopting-");
        assert!(left.iter().all(ours), "round {round}: {left:?}");
    }
    assert!(resumed > 0, "none was killed on the way");
}
