//! Whole instances over a store in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::watch;

use super::board::Board;
use super::condemned::{Condemned, Listing, Phase};
use super::context::Context;
use super::here::{SiteHere, Sites};
use super::pointer::{ModeWord, Pointer};
use super::remote::Remote;
use super::signature::Signer;
use super::step::{Seen, Work};
use super::tidy::{store_clock, tidy};
use super::trouble::Trouble;
use super::{layout, push};
use crate::clock::{self, Now};
use crate::snapshot::bench::fill_editions;
use crate::snapshot::{SnapshotId, Store};

mod healing;

/// One instance.
struct Instance {
    dir: tempfile::TempDir,
    store: Store,
    work: Work,
    lease: watch::Sender<Option<u64>>,
}

/// Its sites: one.
struct One {
    here: SiteHere,
    modes: Mutex<HashMap<String, ModeWord>>,
}

impl Sites for One {
    fn all(&self) -> Vec<SiteHere> {
        vec![self.here.clone()]
    }

    fn mode(&self, site: &str) -> Option<ModeWord> {
        self.modes.lock().unwrap().get(site).cloned()
    }

    fn set_mode(&self, site: &str, mode: &ModeWord) {
        self.modes.lock().unwrap().insert(site.to_owned(), mode.clone());
    }
}

impl Instance {
    fn new(remote: &Remote, name: &str) -> Instance {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "shop").unwrap();
        let here = SiteHere {
            name: "shop".into(),
            store: store.clone(),
            keep: 2,
            keep_for: None,
            key_pages: vec!["/".to_owned()],
            host: "www.example.test".to_owned(),
        };
        let (lease, epoch) = watch::channel(Some(1));
        let context = Context::new((remote.clone(), "memory"), Signer::default(), name, None, epoch);
        let sites = Arc::new(One { here, modes: Mutex::default() });
        let work =
            Work { context, sites, board: Arc::new(Board::default()), state_dir: dir.path().to_owned() };
        Instance { dir, store, work, lease }
    }

    fn here(&self) -> SiteHere {
        self.work.sites.all().remove(0)
    }

    async fn look(&self) -> Result<Seen, Trouble> {
        self.work.look(&self.here()).await
    }

    /// Takes a snapshot whose pages have this edition.
    fn take(&self, edition: u64) -> SnapshotId {
        fill_editions(&self.store, 20, |page| if page < 5 { edition } else { 0 }, clock::now()).unwrap().id()
    }

    fn current(&self) -> Option<SnapshotId> {
        self.store.current().map(|current| current.id())
    }
}

async fn pointer(remote: &Remote) -> Option<Pointer> {
    let object = remote.get(&layout::pointer("shop"), 1 << 20).await.unwrap()?;
    Some(Pointer::open("shop", &object.bytes, &Signer::default()).unwrap())
}

async fn names(remote: &Remote, folder: &str) -> Vec<String> {
    use futures_util::TryStreamExt as _;
    remote.list(folder).map_ok(|object| object.name).try_collect().await.unwrap()
}

async fn count(remote: &Remote, folder: &str) -> usize {
    names(remote, folder).await.len()
}

#[tokio::test]
async fn what_one_takes_the_other_has_whole_and_only_new_bodies_are_sent() {
    let remote = Remote::in_memory();
    let (one, two) = (Instance::new(&remote, "one"), Instance::new(&remote, "two"));
    assert_eq!(two.look().await.unwrap(), Seen::AsBefore);
    let first = one.take(1);
    one.look().await.unwrap();
    assert_eq!(count(&remote, "blobs").await, 20);
    assert_eq!(count(&remote, "sites/shop/pushing").await, 0, "it is done with");
    assert_eq!(two.look().await.unwrap(), Seen::Taken);
    assert!(two.store.arriving(&first), "nothing else was there to serve: it serves at once");
    two.work.fill(&two.here()).await.unwrap();
    assert!(!two.store.arriving(&first));
    assert_eq!(two.look().await.unwrap(), Seen::AsBefore);
    let sent = one.work.context.traffic.pushed.load(std::sync::atomic::Ordering::Relaxed);
    let second = one.take(2);
    one.look().await.unwrap();
    assert_eq!(count(&remote, "blobs").await, 25);
    let sent_then = one.work.context.traffic.pushed.load(std::sync::atomic::Ordering::Relaxed) - sent;
    assert!(sent_then < sent, "{sent_then} of {sent}");
    two.look().await.unwrap();
    assert_eq!(
        (two.current(), two.store.arriving(&second)),
        (Some(second), false),
        "with one in service, all first"
    );
    let bytes = |of: &Instance| {
        std::fs::read(of.dir.path().join(format!("snapshots/shop/{second}/manifest"))).unwrap()
    };
    assert_eq!(bytes(&one), bytes(&two));
    assert_eq!(pointer(&remote).await.unwrap().generation, 2);
    // Nothing happens, for ever.
    for instance in [&one, &two, &one, &two] {
        assert_eq!(instance.look().await.unwrap(), Seen::AsBefore);
    }
    assert_eq!(pointer(&remote).await.unwrap().generation, 2);
}

#[tokio::test]
async fn two_that_crawl_at_once_never_publish_backwards() {
    let remote = Remote::in_memory();
    let (one, two) = (Instance::new(&remote, "one"), Instance::new(&remote, "two"));
    one.take(1);
    one.look().await.unwrap();
    two.look().await.unwrap();
    two.work.fill(&two.here()).await.unwrap();
    // Both take one; the first to push wins, the other's stays on its shelf.
    let (mine, theirs) = (one.take(2), two.take(3));
    one.look().await.unwrap();
    two.look().await.unwrap();
    assert_eq!((one.current(), two.current()), (Some(mine), Some(mine)));
    assert!(mine == theirs || two.store.list().iter().any(|kept| kept.id == theirs));
    // An operator's word is another matter, on whichever instance, and pins of both stay.
    let oldest = one.store.list().last().unwrap().id;
    one.store.pin(&mine, true).unwrap();
    two.store.pin(&oldest, true).unwrap();
    two.store
        .put_in_service(&oldest, Some(Now { wall: UNIX_EPOCH + Duration::from_secs(9), ..clock::now() }))
        .unwrap();
    one.look().await.unwrap();
    two.look().await.unwrap();
    one.look().await.unwrap();
    assert_eq!((one.current(), two.current()), (Some(oldest), Some(oldest)));
    let word = pointer(&remote).await.unwrap().word;
    assert_eq!((word.by_hand, word.pinned.len()), (Some(9), 2));
    assert!(one.store.is_by_hand().is_some());
    assert!([&one, &two].iter().all(|of| of.store.list().iter().filter(|kept| kept.pinned).count() == 2));
}

#[tokio::test]
async fn a_push_that_was_broken_off_is_gone_on_with() {
    let remote = Remote::in_memory();
    let one = Instance::new(&remote, "one");
    let id = one.take(1);
    push::push(&one.work.context, &one.store, id, None).await.unwrap();
    // Killed just before the pointer, and some of what it had put there is gone.
    remote.delete(&layout::index("shop", &id)).await.unwrap();
    let sent = one.work.context.traffic.pushed.load(std::sync::atomic::Ordering::Relaxed);
    one.look().await.unwrap();
    let again = one.work.context.traffic.pushed.load(std::sync::atomic::Ordering::Relaxed) - sent;
    assert!(again < sent, "bodies are found: {again} of {sent}");
    let two = Instance::new(&remote, "two");
    two.look().await.unwrap();
    two.work.fill(&two.here()).await.unwrap();
    assert_eq!(two.current(), Some(id));
    assert!(!two.store.arriving(&id));
}

#[tokio::test]
async fn who_pushes_heeds_what_is_removed() {
    let remote = Remote::in_memory();
    let one = Instance::new(&remote, "one");
    let id = one.take(1);
    push::push(&one.work.context, &one.store, id, None).await.unwrap();
    remote.delete(&layout::index("shop", &id)).await.unwrap();
    let mut garbage = Condemned::read(&one.work.context).await.unwrap();
    let (body, _) = one.store.current().unwrap().table().next().unwrap().unwrap();
    let bodies = [(body.to_string(), 1)].into();
    let listing = Listing { version: 1, phase: Phase::Deleting, since: 1, by: "x".to_owned(), bodies };
    assert!(garbage.write(&one.work.context, listing.clone()).await.unwrap());
    assert!(matches!(one.look().await, Err(Trouble::Waits(_))));
    assert!(garbage.write(&one.work.context, Listing { phase: Phase::Idle, ..listing }).await.unwrap());
    let before = remote.head(&layout::blob(&body)).await.unwrap().unwrap().modified;
    one.look().await.unwrap();
    let after = remote.head(&layout::blob(&body)).await.unwrap().unwrap().modified;
    assert!(after > before, "what is condemned is put there again");
}

#[tokio::test]
async fn what_nothing_names_goes_a_day_later_and_nothing_else_does() {
    let remote = Remote::in_memory();
    let one = Instance::new(&remote, "one");
    for edition in 1..=4 {
        one.take(edition);
        one.look().await.unwrap();
    }
    assert_eq!(count(&remote, "blobs").await, 35);
    let (context, here) = (&one.work.context, [one.here()]);
    let now = store_clock(context).await.unwrap();
    let hours = |hours: u64| now + Duration::from_secs(hours * 3600);
    let tidied = tidy(context, &here, hours(1)).await.unwrap();
    assert_eq!((tidied.snapshots, tidied.condemned, tidied.bodies), (0, 0, 0), "all of it is young");
    let tidied = tidy(context, &here, hours(25)).await.unwrap();
    assert_eq!((tidied.snapshots, tidied.condemned, tidied.bodies), (2, 10, 0));
    assert_eq!(tidy(context, &here, hours(26)).await.unwrap().bodies, 0);
    // While somebody writes, nothing goes; nor without the lease.
    let intent = layout::intent("shop", &one.current().unwrap());
    remote.put(&intent, "{}").await.unwrap();
    assert_eq!(tidy(context, &here, hours(50)).await.unwrap().bodies, 0);
    remote.delete(&intent).await.unwrap();
    one.lease.send_replace(None);
    assert_eq!(tidy(context, &here, hours(50)).await.unwrap().bodies, 0);
    one.lease.send_replace(Some(2));
    // A pointer that cannot be read may name anything.
    let name = layout::pointer("blog");
    remote.put(&name, "damaged").await.unwrap();
    assert!(matches!(tidy(context, &here, hours(50)).await, Err(Trouble::Refused { .. })));
    remote.delete(&name).await.unwrap();
    assert_eq!(tidy(context, &here, hours(50)).await.unwrap().bodies, 10);
    assert_eq!(count(&remote, "blobs").await, 25);
    // What is left is whole, also for one who knows none of it.
    let two = Instance::new(&remote, "two");
    two.look().await.unwrap();
    two.work.fill(&two.here()).await.unwrap();
    assert_eq!(two.store.list().len(), 2);
    assert_eq!(tidy(&two.work.context, &[], hours(99)).await.unwrap(), super::tidy::Tidied::default());
}

#[tokio::test]
async fn what_is_damaged_there_is_put_again_by_who_has_it() {
    let remote = Remote::in_memory();
    let (one, two) = (Instance::new(&remote, "one"), Instance::new(&remote, "two"));
    one.take(1);
    one.look().await.unwrap();
    two.look().await.unwrap();
    two.work.fill(&two.here()).await.unwrap();
    let old = two.current();
    let new = one.take(2);
    one.look().await.unwrap();
    // One that is shorter, one that is other, one that is missing.
    let known: std::collections::HashSet<_> = two.store.current().unwrap().table().flatten().collect();
    let fresh: Vec<_> =
        one.store.current().unwrap().table().flatten().filter(|body| !known.contains(body)).collect();
    let name = |at: usize| layout::blob(&fresh[at].0);
    remote.put(&name(0), "short").await.unwrap();
    remote.put(&name(1), vec![b'x'; usize::try_from(fresh[1].1).unwrap()]).await.unwrap();
    remote.delete(&name(2)).await.unwrap();
    assert!(matches!(two.look().await, Err(Trouble::Refused { .. })));
    assert_eq!(two.current(), old, "nothing bad is taken over");
    assert_eq!(count(&remote, "wanted").await, 3);
    assert_eq!(
        super::wanted::answer(&two.work.context, &[two.here()], clock::now().wall).await.unwrap(),
        0,
        "who has it not cannot"
    );
    assert_eq!(super::wanted::answer(&one.work.context, &[one.here()], clock::now().wall).await.unwrap(), 3);
    assert_eq!(count(&remote, "wanted").await, 0);
    two.look().await.unwrap();
    assert_eq!(two.current(), Some(new));
}
