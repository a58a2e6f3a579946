//! A full disk costs the next form, and none that was kept. On a small file system of its own, in a mount namespace; where
//! this user may not make one, the test says so and does nothing.

use std::io::Write as _;
use std::process::Command;

use super::*;

const VICTIM: &str = "KATAHAI_TEST_SMALL_DISK_OF_FORMS";

/// What the shell exits with when it may not mount.
const MAY_NOT: i32 = 77;

#[test]
fn a_full_disk_costs_the_next_form_and_none_that_was_kept() {
    if let Some(dir) = std::env::var_os(VICTIM) {
        return fill_up(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=70m,nr_inodes=40 none \"$1\" || exit {MAY_NOT}; exec \"$2\" --exact \"$3\""
    );
    for namespace in [["--mount"].as_slice(), ["--mount", "--map-root-user"].as_slice()] {
        let ran = Command::new("unshare")
            .args(namespace)
            .args(["sh", "-c", &script, "sh"])
            .args([dir.path(), &std::env::current_exe().unwrap()])
            .arg("forms::tests::full::a_full_disk_costs_the_next_form_and_none_that_was_kept")
            .env(VICTIM, dir.path())
            .output();
        let Ok(ran) = ran else { continue };
        let said = String::from_utf8_lossy(&ran.stdout);
        if ran.status.success() {
            assert!(said.contains("1 passed"), "{said}");
            return;
        }
        let began = said.contains("running 1 test");
        assert!(!began, "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    }
    println!("skipped: no small file system is to be had here");
}

/// Keeps forms until there is no room; returns those that are kept.
fn keep_all(spool: &Spool, body: &str) -> Vec<FormId> {
    let mut kept = Vec::new();
    for n in 0..200 {
        match spool.keep(&keys(), form(n, body), PLENTY, at(n)) {
            Ok(id) => kept.push(id),
            Err(error) => {
                assert!(matches!(error, NotKept::DiskFull) && error.code() == "disk-full", "{error:?}");
                return kept;
            }
        }
    }
    panic!("it never was full");
}

fn fill_up(dir: &Path) {
    let state = dir.join("state");
    std::fs::create_dir(&state).unwrap();
    let spool = Spool::open(&state).unwrap();
    // What is left free is not touched.
    let body = "x".repeat(500_000);
    let kept = keep_all(&spool, &body);
    assert!((5..15).contains(&kept.len()), "{}", kept.len());
    assert!(crate::disk::free_bytes(dir).unwrap() >= super::super::spool::RESERVE);
    assert!(kept.iter().all(|id| body_of(&spool, *id) == body));
    // What was delivered makes room for one, which is as large as that.
    spool.mark("shop", kept[0], State::Sending, None, at(300)).unwrap();
    spool.mark("shop", kept[0], State::Delivered, None, at(300)).unwrap();
    let instead = spool.keep(&keys(), form(300, &body), PLENTY, at(300)).unwrap();
    assert_eq!((state_of(&spool, kept[0]), body_of(&spool, instead)), (None, body.clone()));
    // No more files can be made: found out only while it is written.
    kept[1..].iter().chain([&instead]).for_each(|id| spool.forget("shop", *id).unwrap());
    let small = keep_all(&spool, "small");
    assert!((25..40).contains(&small.len()), "{}", small.len());
    assert!(small.iter().all(|id| body_of(&spool, *id) == "small"));
    // Forms are still confirmed, sent and delivered, and a restart shows them all.
    let filler = std::fs::OpenOptions::new().append(true).open(state.join("forms/.lock")).unwrap();
    while (&filler).write_all(&[1; 1 << 16]).is_ok() {}
    assert_eq!(crate::disk::free_bytes(dir).unwrap(), 0);
    for id in &small {
        spool.confirm("shop", *id).unwrap();
        spool.mark("shop", *id, State::Sending, None, at(400)).unwrap();
    }
    spool.mark("shop", small[0], State::Delivered, None, at(400)).unwrap();
    drop(spool);
    let spool = Spool::open(&state).unwrap();
    assert!(small.iter().all(|id| body_of(&spool, *id) == "small"));
    assert_eq!(spool.totals()["shop"][&State::Doubtful].forms, small.len() - 1);
    assert!(names(&state.join("forms/shop")).iter().all(|name| !name.starts_with('.')));
}
