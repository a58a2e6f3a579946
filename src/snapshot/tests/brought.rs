//! Bodies that are brought from elsewhere when somebody reads them.

use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::adopted::{LARGE, There, adopt};
use super::*;

/// What becomes of the bytes that it has.
type Says = fn(Vec<u8>) -> io::Result<Vec<u8>>;

/// Has what another instance has, counts how often it is asked, and can lie or wait.
#[derive(Debug)]
struct Other {
    state_dir: PathBuf,
    asked: Arc<AtomicUsize>,
    says: Says,
    /// Before it answers, it says so, and waits for a word.
    gate: Option<(mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>)>,
}

impl Elsewhere for Other {
    fn fetch(&self, site: &str, id: &BlobId, len: u64, to: &mut dyn Write) -> io::Result<()> {
        assert_eq!(site, "shop");
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some((begun, go)) = &self.gate {
            begun.send(()).map_err(io::Error::other)?;
            go.lock().unwrap().recv().map_err(io::Error::other)?;
        }
        let name = id.to_string();
        let bytes = std::fs::read(self.state_dir.join("blobs").join(&name[..2]).join(name))?;
        assert_eq!(bytes.len() as u64, len);
        (self.says)(bytes)?.chunks(10_000).try_for_each(|chunk| to.write_all(chunk))
    }
}

fn source(there: &There, says: Says) -> (Arc<Source>, Arc<AtomicUsize>) {
    let asked = Arc::<AtomicUsize>::default();
    let state_dir = there.place.dir.path().to_owned();
    let other = Other { state_dir, asked: Arc::clone(&asked), says, gate: None };
    (Arc::new(Source::new(Box::new(other))), asked)
}

/// An instance that has the files of a snapshot, and no body.
fn begun(there: &There) -> Place {
    let here = Place::new();
    adopt(&there.snapshot, &here.store, Adopted::Arriving);
    here.store.follow(&there.snapshot.id(), None, Pins::default()).unwrap();
    here
}

#[test]
fn what_has_not_arrived_comes_when_it_is_read_and_is_stored() {
    let there = There::new();
    let here = begun(&there);
    let (source, asked) = source(&there, Ok);
    here.store.bring_from(Some(source));
    let current = here.store.current().unwrap();
    let home = current.find("/").unwrap().unwrap();
    assert!(matches!(current.load_here(&home), Err(ReadError::Io { .. })));
    assert_eq!((asked.load(Ordering::SeqCst), here.blob_files()), (0, 0), "who would do without did not ask");
    for _ in 0..2 {
        assert_eq!(body_of(&current, "/"), "home");
        assert_eq!(body_of(&current, "/large").len(), LARGE);
    }
    assert_eq!((asked.load(Ordering::SeqCst), here.blob_files()), (2, 2));
    assert!(!here.store.arrived(&current.id()).unwrap());
    assert_eq!(body_of(&current, "/a"), "same");
    assert!(here.store.arrived(&current.id()).unwrap());
    assert!(here.reopened().verify(&current.id()).unwrap().is_whole());
    let left = names(&here.dir.path().join("blobs"));
    assert!(left.iter().all(|name| name == "lock" || name.len() == 2), "{left:?}");
}

#[test]
fn what_is_damaged_of_the_snapshot_in_service_is_mended_from_elsewhere() {
    let there = There::new();
    let here = Place::new();
    adopt(&there.snapshot, &here.store, Adopted::Whole);
    let current = here.store.follow(&there.snapshot.id(), None, Pins::default()).unwrap();
    let (source, asked) = source(&there, Ok);
    let path = here.blob_path(&BlobId::of(b"home"));
    let spoil: [fn(&Path); 3] =
        [|path| flip(path, 0), |path| truncate(path, 1), |path| std::fs::remove_file(path).unwrap()];
    for spoil in spoil {
        here.store.bring_from(None);
        spoil(&path);
        let home = current.find("/").unwrap().unwrap();
        assert!(matches!(current.load(&home), Err(ReadError::Damaged(_))));
        assert_eq!(here.store.trouble().len(), 1);
        here.store.bring_from(Some(Arc::clone(&source)));
        assert_eq!(body_of(&current, "/"), "home");
        assert_eq!(std::fs::read(&path).unwrap(), b"home");
        assert_eq!(here.store.trouble(), []);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    // Of one that does not serve, it is not asked for.
    let next = take(&here.store, 900, &[("/", "next")]);
    flip(&path, 0);
    let home = current.find("/").unwrap().unwrap();
    assert!(matches!(current.load(&home), Err(ReadError::Damaged(_))));
    assert_eq!((asked.load(Ordering::SeqCst), body_of(&next, "/").as_str()), (3, "next"));
}

#[test]
fn nothing_bad_is_taken_over_and_it_is_as_without() {
    let there = There::new();
    let lies: [Says; 5] = [
        |_| Err(io::ErrorKind::TimedOut.into()),
        |mut bytes| {
            bytes[0] ^= 1;
            Ok(bytes)
        },
        |bytes| Ok(bytes[1..].to_vec()),
        |bytes| Ok([&bytes[..], b"!"].concat()),
        |_| panic!("it falls over"),
    ];
    for (n, lie) in lies.into_iter().enumerate() {
        let here = begun(&there);
        let current = here.store.current().unwrap();
        here.store.bring_from(Some(source(&there, lie).0));
        for key in ["/", "/large"] {
            let page = current.find(key).unwrap().unwrap();
            let load = std::panic::AssertUnwindSafe(|| current.load(&page));
            match std::panic::catch_unwind(load) {
                Ok(loaded) => assert!(matches!(loaded, Err(ReadError::Io { .. })), "{n} {key}"),
                Err(_) => assert_eq!(n, 4),
            }
        }
        assert_eq!((here.blob_files(), here.store.trouble().len()), (0, 0), "{n}");
        // What went wrong once is asked for again.
        here.store.bring_from(Some(source(&there, Ok).0));
        assert_eq!(body_of(&current, "/"), "home", "{n}");
    }
}

#[test]
fn a_body_is_fetched_once_however_many_want_it() {
    let there = There::new();
    let here = begun(&there);
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let asked = Arc::<AtomicUsize>::default();
    let other = Other {
        state_dir: there.place.dir.path().to_owned(),
        asked: Arc::clone(&asked),
        says: Ok,
        gate: Some((begun, Mutex::new(may_go))),
    };
    here.store.bring_from(Some(Arc::new(Source::new(Box::new(other)))));
    let current = here.store.current().unwrap();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..20).map(|_| scope.spawn(|| body_of(&current, "/"))).collect();
        has_begun.recv().unwrap();
        go.send(()).unwrap();
        drop(go);
        // Whoever comes late finds it on the disk.
        readers.into_iter().for_each(|reader| assert_eq!(reader.join().unwrap(), "home"));
    });
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn only_so_many_threads_wait_for_a_place_that_does_not_answer() {
    let there = There::new();
    let here = begun(&there);
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let other = Other {
        state_dir: there.place.dir.path().to_owned(),
        asked: Arc::default(),
        says: |_| Err(io::ErrorKind::TimedOut.into()),
        gate: Some((begun, Mutex::new(may_go))),
    };
    here.store.bring_from(Some(Arc::new(Source::new(Box::new(other)))));
    let current = here.store.current().unwrap();
    let home = current.find("/").unwrap().unwrap();
    let (done, is_done) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..200 {
            let done = done.clone();
            let (current, home) = (&current, &home);
            scope.spawn(move || done.send(current.load(home).is_err()).unwrap());
        }
        has_begun.recv().unwrap();
        // Those beyond the bound have their answer while the place is still silent.
        for _ in 0..167 {
            assert!(is_done.recv().unwrap());
        }
        drop(has_begun);
        go.send(()).unwrap();
        drop(go);
    });
    drop(done);
    assert_eq!(is_done.iter().filter(|failed| *failed).count(), 33);
}

#[test]
fn what_a_killed_process_left_of_a_body_is_removed_after_a_day() {
    let place = Place::new();
    take(&place.store, 1, &[("/", "one")]);
    let blobs = place.dir.path().join("blobs");
    for name in [".tmp-0123456789abcdef", ".tmp-fedcba9876543210"] {
        std::fs::write(blobs.join(name), b"part").unwrap();
    }
    let old = crate::clock::now().wall - Duration::from_secs(2 * 86_400);
    let file = std::fs::OpenOptions::new().write(true).open(blobs.join(".tmp-0123456789abcdef")).unwrap();
    file.set_modified(old).unwrap();
    place.store.retain(&newest(1)).unwrap();
    assert!(!blobs.join(".tmp-0123456789abcdef").exists() && blobs.join(".tmp-fedcba9876543210").exists());
}
