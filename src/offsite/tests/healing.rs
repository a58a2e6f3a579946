//! What went wrong, here or there, is put right; and what is said meanwhile is not lost.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::changes;
use super::super::follow::Agreed;
use super::super::memory::{Memory, Pending, Way};
use super::super::pointer::Word;
use super::*;
use crate::forms::Keys;
use crate::snapshot::Elsewhere as _;

fn word(id: SnapshotId) -> Word {
    Word { id, by_hand: None, pinned: Default::default(), mode: None }
}

fn memory(of: &Instance) -> Memory {
    Memory::new(of.dir.path(), "shop", &of.work.context.url)
}

#[tokio::test]
async fn a_pointer_that_was_not_written_is_written_the_next_time() {
    let remote = Remote::in_memory();
    let one = Instance::new(&remote, "one");
    let first = one.take(1);
    one.look().await.unwrap();
    let second = one.take(2);
    // As a write that failed, or a killed process, leaves it.
    let known = [first].into();
    let agreed = Agreed { generation: 1, again: None, word: Some(word(first)), known, pins: [].into() };
    let pending = Agreed { generation: 2, word: Some(word(second)), ..agreed.clone() };
    memory(&one).write(&agreed, Some(&Pending { way: Way::Push, agreed: pending.clone() })).unwrap();
    one.look().await.unwrap();
    let there = pointer(&remote).await.unwrap();
    assert_eq!((there.generation, there.word.id), (2, second));
    // And one whose answer was lost is not written again.
    memory(&one).write(&agreed, Some(&Pending { way: Way::Push, agreed: pending })).unwrap();
    one.look().await.unwrap();
    assert_eq!(pointer(&remote).await.unwrap().generation, 2);
}

#[tokio::test]
async fn who_joins_takes_no_pin_away() {
    let remote = Remote::in_memory();
    let (one, two) = (Instance::new(&remote, "one"), Instance::new(&remote, "two"));
    let old = one.take(1);
    one.look().await.unwrap();
    one.take(2);
    one.store.pin(&old, true).unwrap();
    one.look().await.unwrap();
    two.look().await.unwrap();
    two.work.fill(&two.here()).await.unwrap();
    let is_pinned = |of: &Instance| of.store.list().iter().any(|kept| kept.id == old && kept.pinned);
    assert!(is_pinned(&two));
    // Also where only the mark is missing.
    memory(&two).write(&Agreed { pins: [].into(), ..agreed_of(&remote).await }, None).unwrap();
    two.store.pin(&old, false).unwrap();
    two.look().await.unwrap();
    one.look().await.unwrap();
    assert!(is_pinned(&one) && is_pinned(&two));
    assert_eq!(pointer(&remote).await.unwrap().word.pinned, [old].into());
    // What is taken away by somebody is away.
    two.store.pin(&old, false).unwrap();
    two.look().await.unwrap();
    one.look().await.unwrap();
    assert!(!is_pinned(&one) && !is_pinned(&two));
}

async fn agreed_of(remote: &Remote) -> Agreed {
    let Pointer { generation, word, .. } = pointer(remote).await.unwrap();
    let (known, pins) = ([word.id].into(), word.pinned.clone());
    Agreed { generation, again: None, known, pins, word: Some(word) }
}

/// Sites of which, at the second question in a look, somebody says something.
struct Fickle {
    sites: Arc<dyn Sites>,
    asked: AtomicUsize,
    says: Box<dyn Fn() + Send + Sync>,
}

impl Sites for Fickle {
    fn all(&self) -> Vec<SiteHere> {
        self.sites.all()
    }

    fn mode(&self, site: &str) -> Option<ModeWord> {
        if self.asked.fetch_add(1, Ordering::Relaxed) == 1 {
            (self.says)();
        }
        self.sites.mode(site)
    }

    fn set_mode(&self, site: &str, mode: &ModeWord) {
        self.sites.set_mode(site, mode);
    }
}

fn fickle(of: &mut Instance, says: impl Fn(&Store) + Send + Sync + 'static) {
    let (sites, store) = (of.work.sites.clone(), of.store.clone());
    of.work.sites =
        Arc::new(Fickle { sites, asked: AtomicUsize::new(0), says: Box::new(move || says(&store)) });
}

#[tokio::test]
async fn what_is_withdrawn_while_it_is_sent_is_not_published() {
    let remote = Remote::in_memory();
    let mut one = Instance::new(&remote, "one");
    let old = one.take(1);
    one.look().await.unwrap();
    one.take(2);
    fickle(&mut one, |store| drop(store.rollback(clock::now()).unwrap()));
    one.look().await.unwrap();
    let there = pointer(&remote).await.unwrap();
    assert_eq!((there.generation, there.word.id), (2, old));
    assert!(there.word.by_hand.is_some());
    assert_eq!(count(&remote, "sites/shop/pushing").await, 0);
}

#[tokio::test]
async fn what_is_said_while_another_is_taken_over_is_not_undone() {
    let remote = Remote::in_memory();
    let (one, mut two) = (Instance::new(&remote, "one"), Instance::new(&remote, "two"));
    let first = one.take(1);
    one.look().await.unwrap();
    let second = one.take(2);
    one.look().await.unwrap();
    two.look().await.unwrap();
    two.work.fill(&two.here()).await.unwrap();
    assert_eq!(two.current(), Some(second));
    one.take(3);
    one.look().await.unwrap();
    fickle(&mut two, |store| drop(store.rollback(clock::now()).unwrap()));
    two.look().await.unwrap();
    one.look().await.unwrap();
    assert_eq!((one.current(), two.current()), (Some(first), Some(first)));
}

#[tokio::test]
async fn of_two_snapshots_of_one_name_the_one_in_the_store_counts() {
    let remote = Remote::in_memory();
    let (one, two) = (Instance::new(&remote, "one"), Instance::new(&remote, "two"));
    one.take(1);
    one.look().await.unwrap();
    two.look().await.unwrap();
    two.work.fill(&two.here()).await.unwrap();
    let mine = twins(&one, &two, Duration::from_secs(60));
    one.look().await.unwrap();
    two.look().await.unwrap();
    let bytes =
        |of: &Instance| std::fs::read(of.dir.path().join(format!("snapshots/shop/{mine}/manifest"))).unwrap();
    assert_eq!((one.current(), two.current()), (Some(mine), Some(mine)));
    assert_eq!(bytes(&one), bytes(&two));
}

/// Two instances that have a snapshot of one name each, with other pages.
fn twins(one: &Instance, two: &Instance, after: Duration) -> SnapshotId {
    let now = Now { wall: clock::now().wall + after, ..clock::now() };
    let [mine, theirs] = [(one, 2), (two, 3)]
        .map(|(of, edition)| fill_editions(&of.store, 20, |_| edition, now).unwrap().id());
    assert_eq!(mine, theirs, "or this test is none");
    mine
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_put_snapshots_of_one_name_at_once_do_not_mix_them() {
    for round in 0..8 {
        let remote = Remote::in_memory();
        let (one, two) = (Instance::new(&remote, "one"), Instance::new(&remote, "two"));
        let id = twins(&one, &two, Duration::from_secs(60));
        let put = |of: &Instance| {
            let (context, store) = (of.work.context.clone(), of.store.clone());
            async move { push::push(&context, &store, id, None).await }
        };
        let (first, second) = tokio::join!(put(&one), put(&two));
        let won: Vec<bool> = [&first, &second].map(|put| put.is_ok()).to_vec();
        assert!(won == [true, false] || won == [false, true], "{round}: {first:?} {second:?}");
        let lost = first.err().or(second.err());
        assert!(matches!(lost, Some(Trouble::Waits(_))), "{lost:?}");
        // Whoever was faster: what is there is whole, and of one of them.
        let three = Instance::new(&remote, "three");
        super::super::pull::pull(&three.work.context, &three.store, id, super::super::pull::Extent::Whole)
            .await
            .unwrap();
        // Who comes later, or again, changes nothing.
        for (of, won) in [&one, &two].into_iter().zip(won) {
            assert_eq!(put(of).await.is_ok(), won, "{round}");
        }
    }
}

#[tokio::test]
async fn what_is_gone_from_the_store_is_put_there_again_and_not_cleared_away() {
    let remote = Remote::in_memory();
    let one = Instance::new(&remote, "one");
    let id = one.take(1);
    one.look().await.unwrap();
    let (context, here) = (&one.work.context, [one.here()]);
    let now = store_clock(context).await.unwrap() + Duration::from_secs(9 * 24 * 3600);
    let (body, _) = one.store.current().unwrap().table().next().unwrap().unwrap();
    remote.delete(&layout::blob(&body)).await.unwrap();
    remote.delete(&layout::index("shop", &id)).await.unwrap();
    assert!(matches!(tidy(context, &here, now).await, Err(Trouble::Refused { .. })));
    one.work.mend(&one.here()).await.unwrap();
    tidy(context, &here, now).await.unwrap();
    assert_eq!(count(&remote, "blobs").await, 20);
    for file in ["manifest", "report.json"] {
        let start = layout::plain_file("shop", &id, file);
        let name = names(&remote, &layout::snapshot("shop", &id)).await;
        let name = name.into_iter().find(|name| name.starts_with(&start)).unwrap();
        let before = remote.get(&name, 1 << 30).await.unwrap().unwrap().bytes;
        remote.put(&name, "short").await.unwrap();
        one.work.mend(&one.here()).await.unwrap();
        assert_eq!(remote.get(&name, 1 << 30).await.unwrap().unwrap().bytes, before, "{file}");
    }
    let sent = context.traffic.pushed.load(Ordering::Relaxed);
    one.work.mend(&one.here()).await.unwrap();
    assert_eq!(context.traffic.pushed.load(Ordering::Relaxed), sent, "what is whole is left alone");
}

#[tokio::test]
async fn a_pointer_that_is_older_lost_or_not_signed_is_written_anew() {
    let remote = Remote::in_memory();
    let mut one = Instance::new(&remote, "one");
    one.take(1);
    one.look().await.unwrap();
    let name = layout::pointer("shop");
    let old = remote.get(&name, 1 << 20).await.unwrap().unwrap().bytes;
    let id = one.take(2);
    one.look().await.unwrap();
    remote.put(&name, old).await.unwrap();
    one.look().await.unwrap();
    let there = pointer(&remote).await.unwrap();
    assert_eq!((there.generation, there.word.id, there.again), (1002, id, Some(2)));
    let (_, told) = one.work.board.site("shop").set_right.unwrap();
    assert!(told.contains("restored from a backup") && told.contains("snapshot publish"), "{told}");
    remote.delete(&name).await.unwrap();
    one.look().await.unwrap();
    assert_eq!(pointer(&remote).await.unwrap().generation, 2002);
    // From now on all is signed.
    let file = one.dir.path().join("store.key");
    crate::disk::write_new_private(&file, Keys::new_line().unwrap().as_bytes()).unwrap();
    one.work.context.signer = Signer::new(&Keys::read(&file).unwrap());
    one.look().await.unwrap();
    let object = remote.get(&name, 1 << 20).await.unwrap().unwrap();
    let there = Pointer::open("shop", &object.bytes, &one.work.context.signer).unwrap();
    assert_eq!((there.generation, there.word.id), (3002, id));
    let mut two = Instance::new(&remote, "two");
    two.work.context.signer = one.work.context.signer.clone();
    two.look().await.unwrap();
    assert_eq!(two.current(), Some(id));
}

#[tokio::test]
async fn a_list_of_changes_that_is_too_long_is_written_anew() {
    let remote = Remote::in_memory();
    let one = Instance::new(&remote, "one");
    for bad in [vec![b' '; 3 << 20], b"{".to_vec()] {
        remote.put(layout::CHANGES, bad).await.unwrap();
        let looked = changes::Changes::default().look(&one.work.context).await.unwrap();
        assert!(looked.unwrap_or_default().is_empty());
        changes::tell(&one.work.context, "shop", 3).await.unwrap();
        let looked = changes::Changes::default().look(&one.work.context).await.unwrap();
        assert_eq!(looked, Some([("shop".to_owned(), 3)].into()));
    }
}

#[tokio::test]
async fn what_the_store_does_not_have_is_not_asked_for_again_at_once() {
    let remote = Remote::in_memory();
    let one = Instance::new(&remote, "one");
    let source = Arc::new(super::super::OnDemand::new(one.work.context.clone()));
    let body = crate::snapshot::BlobId::of(b"body");
    let ask = || {
        let source = source.clone();
        crate::tasks::blocking(move || {
            let mut bytes = Vec::new();
            source.fetch("shop", &body, 4, &mut bytes).map(|()| bytes).map_err(|error| error.kind())
        })
    };
    assert_eq!(ask().await, Some(Err(std::io::ErrorKind::NotFound)));
    remote.put(&layout::blob(&body), "body").await.unwrap();
    assert_eq!(ask().await, Some(Err(std::io::ErrorKind::NotFound)));
    let new = Arc::new(super::super::OnDemand::new(one.work.context.clone()));
    let fetched = crate::tasks::blocking(move || {
        let mut bytes = Vec::new();
        new.fetch("shop", &body, 4, &mut bytes).map(|()| bytes).ok()
    });
    assert_eq!(fetched.await.flatten(), Some(b"body".to_vec()));
}

#[tokio::test]
async fn an_older_one_without_an_index_is_passed_over() {
    let remote = Remote::in_memory();
    let (one, two) = (Instance::new(&remote, "one"), Instance::new(&remote, "two"));
    let mut ids = Vec::new();
    for edition in 1..=3 {
        ids.push(one.take(edition));
        one.look().await.unwrap();
    }
    remote.delete(&layout::index("shop", &ids[1])).await.unwrap();
    two.look().await.unwrap();
    two.work.fill(&two.here()).await.unwrap();
    let here: Vec<SnapshotId> = two.store.list().iter().map(|kept| kept.id).collect();
    assert_eq!(here, [ids[2], ids[0]]);
}

#[tokio::test]
async fn what_nobody_has_is_not_wanted_for_ever() {
    let remote = Remote::in_memory();
    let one = Instance::new(&remote, "one");
    let context = &one.work.context;
    super::super::wanted::ask(context, "shop", &crate::snapshot::BlobId::of(b"gone"), 4).await;
    let days = |days: u64| clock::now().wall + Duration::from_secs(days * 24 * 3600);
    super::super::wanted::answer(context, &[one.here()], days(6)).await.unwrap();
    assert_eq!(count(&remote, "wanted").await, 1);
    super::super::wanted::answer(context, &[one.here()], days(8)).await.unwrap();
    assert_eq!(count(&remote, "wanted").await, 0);
}

/// Signers with these lines of a key file each.
fn signers(dir: &std::path::Path, files: &[&[&str]]) -> Vec<Signer> {
    let of = |(at, lines): (usize, &&[&str])| {
        let file = dir.join(format!("{at}.key"));
        crate::disk::write_new_private(&file, lines.join("\n").as_bytes()).unwrap();
        Signer::new(&Keys::read(&file).unwrap())
    };
    files.iter().enumerate().map(of).collect()
}

#[tokio::test]
async fn what_an_older_key_has_signed_is_signed_anew_so_that_it_can_go() {
    let (remote, dir) = (Remote::in_memory(), tempfile::tempdir().unwrap());
    let [old, new] = [0; 2].map(|_| Keys::new_line().unwrap().to_string());
    let keys = signers(dir.path(), &[&[&old], &[&new, &old], &[&new]]);
    let (mut one, mut two) = (Instance::new(&remote, "one"), Instance::new(&remote, "two"));
    one.work.context.signer = keys[0].clone();
    for edition in 1..=3 {
        one.take(edition);
        one.look().await.unwrap();
    }
    // Two joins, and leads with the new key: it has only some of it.
    two.work.context.signer = keys[1].clone();
    two.look().await.unwrap();
    let now = store_clock(&two.work.context).await.unwrap();
    tidy(&two.work.context, &[two.here()], now).await.unwrap();
    two.work.context.signer = keys[2].clone();
    tidy(&two.work.context, &[two.here()], now).await.unwrap();
    // Who still has both sees nothing new.
    one.work.context.signer = keys[1].clone();
    assert_eq!(one.look().await.unwrap(), Seen::AsBefore);
    // The old one was taken away too early: nothing goes, and that is said; unless it is here.
    one.work.context.signer = keys[0].clone();
    let id = one.take(4);
    let name = layout::index("shop", &id);
    push::push(&one.work.context, &one.store, id, None).await.unwrap();
    push::forget_intent(&one.work.context, "shop", &id).await.unwrap();
    let told = tidy(&two.work.context, &[two.here()], now).await.unwrap_err().to_string();
    assert!(told.contains(&name) && told.contains("below the others in key_file"), "{told}");
    one.work.context.signer = keys[2].clone();
    tidy(&one.work.context, &[one.here()], now).await.unwrap();
    tidy(&two.work.context, &[two.here()], now).await.unwrap();
}

#[tokio::test]
async fn what_is_from_before_there_was_a_key_is_signed_where_it_is_here_and_else_counts_as_not_there() {
    let (remote, dir) = (Remote::in_memory(), tempfile::tempdir().unwrap());
    let line = Keys::new_line().unwrap().to_string();
    let keys = signers(dir.path(), &[&[&line]]);
    let (mut one, mut two) = (Instance::new(&remote, "one"), Instance::new(&remote, "two"));
    let ids: Vec<SnapshotId> = [1, 2].map(|edition| one.take(edition)).to_vec();
    for id in &ids {
        push::push(&one.work.context, &one.store, *id, None).await.unwrap();
        push::forget_intent(&one.work.context, "shop", id).await.unwrap();
    }
    one.work.context.signer = keys[0].clone();
    two.work.context.signer = keys[0].clone();
    one.look().await.unwrap();
    two.look().await.unwrap();
    let is_signed = async |id: &SnapshotId| {
        let index = remote.get(&layout::index("shop", id), 1 << 20).await.unwrap().unwrap();
        keys[0].is_by_first(super::super::Signed::Index("shop", &id.to_string()), &index.bytes)
    };
    assert!(is_signed(&ids[1]).await && !is_signed(&ids[0]).await);
    let now = store_clock(&two.work.context).await.unwrap();
    // Two does not have the older one, and leaves it alone; its own bodies are named by nothing.
    let tidied = tidy(&two.work.context, &[two.here()], now).await.unwrap();
    assert_eq!((tidied.snapshots, tidied.condemned), (0, 5));
    // One has it.
    assert_eq!(tidy(&one.work.context, &[one.here()], now).await.unwrap().condemned, 0);
    assert!(is_signed(&ids[0]).await);
}

#[tokio::test]
async fn one_bad_site_stops_no_signing_and_is_told_with_what_to_do() {
    let (remote, dir) = (Remote::in_memory(), tempfile::tempdir().unwrap());
    let [old, new] = [0; 2].map(|_| Keys::new_line().unwrap().to_string());
    let keys = signers(dir.path(), &[&[&old], &[&new, &old]]);
    let mut one = Instance::new(&remote, "one");
    one.work.context.signer = keys[0].clone();
    let id = one.take(1);
    one.look().await.unwrap();
    // A site that was removed long ago, before there was a key; and one that another instance has.
    let name = layout::pointer("before");
    let gone = Pointer::open(
        "shop",
        &remote.get(&layout::pointer("shop"), 1 << 20).await.unwrap().unwrap().bytes,
        &keys[0],
    )
    .unwrap();
    remote.put(&name, gone.seal("before", &Signer::default()).unwrap()).await.unwrap();
    let strange = layout::index("other", &id);
    let index = super::super::index::Index::default();
    remote.put(&strange, index.seal("other", &id, &Signer::default()).unwrap()).await.unwrap();
    one.work.context.signer = keys[1].clone();
    let now = store_clock(&one.work.context).await.unwrap() + Duration::from_secs(30 * 24 * 3600);
    let told = tidy(&one.work.context, &[one.here()], now).await.unwrap_err().to_string();
    for part in [&*name, "it is not signed", "delete what lies below sites/before", "(and 1 more)"] {
        assert!(told.contains(part), "{told}");
    }
    for (what, name) in [
        (super::super::Signed::Pointer("shop"), layout::pointer("shop")),
        (super::super::Signed::Index("shop", &id.to_string()), layout::index("shop", &id)),
    ] {
        let object = remote.get(&name, 1 << 20).await.unwrap().unwrap();
        assert!(keys[1].is_by_first(what, &object.bytes), "{name}");
    }
    // What only another instance has stays, however old it is.
    remote.delete(&name).await.unwrap();
    let told = tidy(&one.work.context, &[one.here()], now).await.unwrap_err().to_string();
    assert!(told.contains("has no site \"other\"") && !told.contains("more)"), "{told}");
    assert!(remote.head(&strange).await.unwrap().is_some());
    remote.delete(&strange).await.unwrap();
    tidy(&one.work.context, &[one.here()], now).await.unwrap();
}

#[tokio::test]
async fn what_is_left_of_erased_forms_goes_after_ninety_days() {
    use super::super::forms::names as form_names;
    let remote = Remote::in_memory();
    let one = Instance::new(&remote, "one");
    let ids = ["2", "3", "4"].map(|end| format!("20261130T115251Z-k7f3x9q{end}").parse().unwrap());
    for id in ids {
        remote.put(&form_names::erased_form("shop", id), "sealed").await.unwrap();
    }
    // One could not be deleted yet.
    remote.put(&form_names::form("shop", ids[1]), "sealed").await.unwrap();
    remote.put(&form_names::form_told("shop", ids[2]), "").await.unwrap();
    let now = store_clock(&one.work.context).await.unwrap();
    let days = |days: u64| now + Duration::from_secs(days * 24 * 3600);
    assert_eq!(tidy(&one.work.context, &[one.here()], days(89)).await.unwrap().erased, 0);
    assert_eq!(tidy(&one.work.context, &[one.here()], days(91)).await.unwrap().erased, 1);
    let left = [ids[1], ids[2]].map(|id| form_names::erased_form("shop", id));
    assert_eq!(names(&remote, form_names::ERASED).await, left);
}
