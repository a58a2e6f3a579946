//! Killed at any point, a form whose id was returned is there. The test binary starts itself again as the victim.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;

const VICTIM: &str = "KATAHAI_TEST_VICTIM_OF_FORMS";
/// At which step the victim kills itself.
const AT: &str = "KATAHAI_TEST_KILLED_AT";

/// Called between any two changes of the disk. In a victim, the process ends at one of them as if by `kill -9`.
pub(in crate::forms) fn step() {
    static STEPS: AtomicUsize = AtomicUsize::new(0);
    static LAST: OnceLock<Option<usize>> = OnceLock::new();
    let last = *LAST.get_or_init(|| std::env::var(AT).ok()?.parse().ok());
    if let Some(last) = last
        && STEPS.fetch_add(1, Relaxed) == last
    {
        _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The signal may arrive a moment later; nothing happens until then.
        loop {
            std::thread::park();
        }
    }
}

/// A child that does not outlive the test.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `test` of this file again, as a victim that works on `dir`.
fn start(test: &str, dir: &Path, step: Option<usize>) -> (Victim, impl Iterator<Item = String> + use<>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("forms::tests::killed::{test}"), "--nocapture", "--test-threads=1"])
        .env(VICTIM, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(step) = step {
        command.env(AT, step.to_string());
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (Victim(child), lines.map_while(Result::ok))
}

/// Said by the victim; written out at once.
fn say(id: FormId, what: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "\n{id} {what}").unwrap();
    out.flush().unwrap();
}

/// All that can become of a form, one after the other.
fn live_through_all(dir: &Path) {
    let spool = Spool::open(dir).unwrap();
    // One of an earlier life, that was being sent.
    for form in spool.list("shop") {
        say(form.id, form.state.code());
    }
    for (n, way) in [
        [State::Sending, State::Delivered].as_slice(),
        &[State::Sending, State::Doubtful, State::Kept],
        &[State::Parked],
    ]
    .into_iter()
    .enumerate()
    {
        let id = keep(&spool, n as u64, "entrusted");
        say(id, "unconfirmed");
        spool.confirm("shop", id).unwrap();
        say(id, "kept");
        for state in way {
            spool.mark("shop", id, *state, reason("as-told"), at(100 + n as u64)).unwrap();
            say(id, state.code());
        }
    }
    let oldest = spool.list("shop").iter().find(|form| form.state == State::Delivered).unwrap().id;
    say(oldest, "removing");
    assert_eq!(spool.expire(at(101)).forms, 1);
    say(oldest, "removed");
    println!("\nall");
}

#[test]
fn killed_at_each_step_what_was_said_holds() {
    const TEST: &str = "killed_at_each_step_what_was_said_holds";
    if let Some(dir) = std::env::var_os(VICTIM) {
        return live_through_all(Path::new(&dir));
    }
    let mut steps = 0;
    loop {
        assert!(steps < 200, "it comes to no end");
        let place = Place::new();
        let before = keep(&place.spool, 50, "entrusted");
        place.lead(before, State::Sending);
        let Place { dir, spool } = place;
        drop(spool);
        let (mut victim, lines) = start(TEST, dir.path(), Some(steps));
        let mut told: Vec<(FormId, String)> = vec![(before, "sending".to_owned())];
        let mut all = false;
        for line in lines {
            all |= line == "all";
            let said = line.split_once(' ').and_then(|(id, what)| Some((id.parse().ok()?, what.to_owned())));
            told.extend(said);
        }
        victim.0.wait().unwrap();
        look(dir.path(), &told, steps);
        if all {
            break;
        }
        steps += 1;
    }
    // Keeping has six steps, a change three, dating, a start and an end two: if there are fewer, one was not looked at.
    assert_eq!(steps, 3 * 6 + (3 + 6) * 3 + 2 + 2 + 2);
}

/// Looks whether what was told of each form holds: its last state, or the next one.
fn look(dir: &Path, told: &[(FormId, String)], step: usize) {
    let spool = Spool::open(dir).unwrap();
    let mut last = std::collections::BTreeMap::new();
    told.iter().for_each(|(id, what)| _ = last.insert(*id, what.as_str()));
    for (id, what) in &last {
        let state = state_of(&spool, *id);
        use State::{Delivered, Doubtful, Kept, Parked, Unconfirmed};
        let may_be: &[State] = match *what {
            "unconfirmed" => &[Unconfirmed, Kept],
            // Or what it was about to become; what was being sent is doubtful.
            "kept" => &[Kept, Doubtful, Parked],
            "sending" => &[Doubtful, Delivered],
            "doubtful" => &[Doubtful, Kept],
            "parked" => &[Parked],
            "delivered" => &[Delivered],
            "removing" => &[Delivered],
            "removed" => &[],
            other => panic!("{other}"),
        };
        match state {
            Some(state) => {
                assert!(may_be.contains(&state), "step {step}: {id} was {what} and is {state}");
                assert_eq!(body_of(&spool, *id), "entrusted", "step {step}");
            }
            None => assert!(what.starts_with("remov"), "step {step}: {id} was {what} and is lost"),
        }
    }
    // At most the one that was being written has come to nobody's knowledge, and it is whole.
    let listed = spool.list("shop");
    let unknown: Vec<&Listed> = listed.iter().filter(|form| !last.contains_key(&form.id)).collect();
    assert!(unknown.len() <= 1, "step {step}: {unknown:?}");
    for form in unknown {
        assert_eq!((form.state, body_of(&spool, form.id).as_str()), (State::Unconfirmed, "entrusted"));
    }
    let there = names(&dir.join("forms/shop"));
    assert_eq!(there.len(), listed.len(), "step {step}: {there:?}");
}

#[test]
fn killed_while_many_are_kept_none_that_was_returned_is_lost() {
    const TEST: &str = "killed_while_many_are_kept_none_that_was_returned_is_lost";
    if let Some(dir) = std::env::var_os(VICTIM) {
        let spool = Spool::open(Path::new(&dir)).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let spool = &spool;
                scope.spawn(move || {
                    for n in 0..500 {
                        let id = keep(spool, thread * 1000 + n, &format!("entrusted {thread} {n}"));
                        say(id, "kept");
                        spool.confirm("shop", id).unwrap();
                    }
                });
            }
        });
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut moments = fastrand::Rng::with_seed(0x666f_726d);
    let mut told = Vec::new();
    for round in 0..10 {
        let (mut victim, mut lines) = start(TEST, dir.path(), None);
        let mut read = |most: usize| {
            let ids = lines.by_ref().filter_map(|line| line.split_once(" kept")?.0.parse::<FormId>().ok());
            ids.take(most).collect::<Vec<_>>()
        };
        let some = read(moments.usize(1..60));
        assert!(!some.is_empty(), "round {round}: the victim did not start");
        told.extend(some);
        victim.0.kill().unwrap();
        told.extend(read(usize::MAX));
        victim.0.wait().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        for id in &told {
            assert!(body_of(&spool, *id).starts_with("entrusted "), "round {round}: {id}");
        }
        let listed = spool.list("shop");
        assert!((told.len()..=told.len() + 4 * (round + 1)).contains(&listed.len()), "round {round}");
        assert!(listed.iter().all(|form| spool.read("shop", form.id, &keys()).is_ok()));
        assert_eq!(names(&dir.path().join("forms/shop")).len(), listed.len(), "round {round}");
    }
}
