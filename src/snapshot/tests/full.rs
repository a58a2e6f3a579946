//! A full disk costs a crawl, nothing else. On a small file system of its own, in a mount namespace; where this user
//! may not make one, the test says so and does nothing.

use std::io::Write as _;
use std::process::Command;

use super::*;

const VICTIM: &str = "KATAHAI_TEST_SMALL_DISK";

/// What the shell exits with when it may not mount.
const MAY_NOT: i32 = 77;

#[test]
fn a_full_disk_costs_a_crawl_and_nothing_else() {
    if let Some(dir) = std::env::var_os(VICTIM) {
        return fill_up(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let script =
        format!("mount -t tmpfs -o size=80m none \"$1\" || exit {MAY_NOT}; exec \"$2\" --exact \"$3\"");
    for namespace in [["--mount"].as_slice(), ["--mount", "--map-root-user"].as_slice()] {
        let ran = Command::new("unshare")
            .args(namespace)
            .args(["sh", "-c", &script, "sh"])
            .args([dir.path(), &std::env::current_exe().unwrap()])
            .arg("snapshot::tests::full::a_full_disk_costs_a_crawl_and_nothing_else")
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

/// Takes room away until only `left` bytes are free.
fn leave(dir: &Path, left: u64) -> PathBuf {
    let path = dir.join("filler");
    let mut filler = std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
    loop {
        let free = crate::disk::free_bytes(dir).unwrap();
        let chunk = free.saturating_sub(left).min(1 << 20) as usize;
        if chunk == 0 || filler.write_all(&vec![1; chunk]).is_err() {
            return path;
        }
    }
}

fn fill_up(dir: &Path) {
    let state = dir.join("state");
    let store = Store::open(&state, "shop").unwrap();
    let good = take(&store, 1, &[("/", "good")]);
    let serves = |store: &Store| {
        assert_eq!(store.current().unwrap().id(), good.id());
        assert_eq!(body_of(&store.current().unwrap(), "/"), "good");
        assert_eq!(
            names(&state.join("snapshots/shop")),
            ["19700101T000001Z-000001", "current", "lock", "marks.lock"]
        );
    };
    // What is reserved is not touched, by small bodies or large ones.
    for size in [100_000, 3_000_000] {
        leave(dir, staging::RESERVE + (2 << 20));
        let staging = store.begin(at(2), "crawl").unwrap();
        let full = (0..100u8).find_map(|n| {
            let mut body = staging.blob();
            let written = body.write(&vec![n; size]).and_then(|()| body.finish().map(drop));
            written.err()
        });
        assert!(matches!(full, Some(StageError::Full)), "{full:?}");
        drop(staging);
        serves(&store);
    }
    // The disk fills up between the last page and the publishing.
    let staging = stage(&store, 3, &[("/", "better")]);
    for n in 0..2000 {
        staging.add(page(&format!("/{n}"), None)).unwrap();
    }
    let filler = leave(dir, 0);
    let refused = staging.publish(at(4), &serde_json::Value::Null);
    assert!(matches!(refused, Err(PublishError::Stage(StageError::Full))), "{refused:?}");
    serves(&store);
    assert!(matches!(store.begin(at(5), "crawl"), Err(BeginError::Full)));
    let _ = std::fs::remove_file(&filler);
    what_comes_gives_its_room_back(dir, &state, &store);
    let filler = leave(dir, 0);
    // Starting on a full disk, and making room, also works.
    let store = Store::open(&state, "shop").unwrap();
    serves(&store);
    store.retain(&newest(1)).unwrap();
    std::fs::remove_file(filler).unwrap();
    assert_eq!(body_of(&take(&store, 6, &[("/", "better")]), "/"), "better");
}

fn what_comes_gives_its_room_back(dir: &Path, state: &Path, store: &Store) {
    let id = SnapshotId::new(at(9).wall, 9);
    let folder = state.join(format!("snapshots/shop/.adopting-{id}"));
    let bring = |adoption: &Adoption, n: u8| {
        let bytes = vec![n; 3_000_000];
        let mut incoming = adoption.body(BlobId::of(&bytes), bytes.len() as u64);
        incoming.write(&bytes).and_then(|()| incoming.finish())
    };
    let full_of = |done: Result<(), AdoptError>| match done {
        Err(AdoptError::Stage(StageError::Full)) => true,
        other => other.is_err_and(|error| panic!("{error:?}")),
    };
    let filler = leave(dir, staging::RESERVE + (8 << 20));
    let adoption = store.begin_adoption(id).unwrap();
    assert!((0..100).any(|n| full_of(bring(&adoption, n))));
    drop(adoption);
    assert!(!folder.exists() && matches!(store.trouble()[..], [Trouble::DiskFull { .. }]));
    std::fs::remove_file(&filler).unwrap();
    // What a killed process has left goes, too, whoever is in need.
    for is_crawl in [false, true] {
        let adoption = store.begin_adoption(id).unwrap();
        bring(&adoption, 1).unwrap();
        drop(adoption);
        assert!(folder.exists());
        leave(dir, staging::RESERVE - (1 << 20));
        match is_crawl {
            true => assert!(matches!(store.begin(at(5), "crawl"), Err(BeginError::Full))),
            false => assert!(full_of(store.begin_adoption(id).map(drop))),
        }
        assert!(!folder.exists());
        std::fs::remove_file(&filler).unwrap();
    }
    drop(std::fs::remove_file(state.join("snapshots/shop/adopt.lock")));
}
