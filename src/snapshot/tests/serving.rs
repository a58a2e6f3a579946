//! What an operator decides: hold, publish, go back, pin, remove; and what is kept.

use super::super::marks;
use super::*;

fn held(store: &Store, seconds: u64, body: &str, reason: &str) -> Arc<Snapshot> {
    let staging = stage(store, seconds, &[("/", body)]);
    staging.hold(at(seconds + 1), &serde_json::Value::Null, &[reason.to_owned()]).unwrap()
}

fn in_service(store: &Store) -> u64 {
    store.refresh().unwrap();
    store.current().unwrap().id().sequence()
}

/// The numbers of those that are there, newest first, with what is marked on them.
fn shelf(store: &Store) -> Vec<(u64, &'static str)> {
    store.refresh().unwrap();
    let mark = |summary: &Summary| match (summary.current, summary.pinned, summary.held.is_some()) {
        (true, false, false) => "current",
        (true, true, false) => "current, pinned",
        (false, true, false) => "pinned",
        (false, false, true) => "held",
        (false, true, true) => "pinned, held",
        (false, false, false) => "",
        (true, _, true) => "current, held",
    };
    store.list().iter().map(|summary| (summary.id.sequence(), mark(summary))).collect()
}

#[test]
fn a_held_snapshot_is_whole_and_never_serves_by_itself() {
    let place = Place::new();
    let good = take(&place.store, 1, &[("/", "good")]);
    let poor = held(&place.store, 2, "poor", "pages: 1 instead of 9000");
    let summary = poor.summary();
    assert_eq!((summary.current, summary.held), (false, Some(vec!["pages: 1 instead of 9000".to_owned()])));
    for store in [&place.store, &place.reopened()] {
        assert_eq!(shelf(store), [(2, "held"), (1, "current")]);
        assert_eq!(body_of(&store.get(&poor.id()).unwrap(), "/"), "poor");
        assert!(store.verify(&poor.id()).unwrap().is_whole());
    }
    // Not when the pointer is lost, nor when all else is; and its copy of a page is none to fall back to.
    std::fs::remove_file(place.site_dir().join("current")).unwrap();
    assert_eq!(in_service(&place.reopened()), 1);
    let third = take(&place.store, 3, &[("/", "third")]);
    assert_eq!(place.store.find_older("/", &third.id()).unwrap().0.id(), good.id());
    let alone = Place::new();
    held(&alone.store, 1, "poor", "first");
    assert!(alone.store.current().is_none() && alone.reopened().current().is_none());
}

#[test]
fn what_was_compared_with_another_snapshot_than_the_one_in_service_is_held() {
    let place = Place::new();
    let beside =
        |staging: Staging, known| staging.publish_beside(known, at(9), &serde_json::Value::Null).unwrap();
    // another process publishes, and this one does not know
    let good = take(&place.reopened(), 2, &[("/", "good")]);
    let late = beside(stage(&place.store, 3, &[("/", "spam")]), None);
    assert_eq!(in_service(&place.store), good.id().sequence());
    assert!(late.summary().held.is_some_and(|reasons| reasons[0].contains("not compared")));
    let newer = place.store.newer();
    assert_eq!((newer.len(), newer[0].id, newer[0].held.is_some()), (1, late.id(), true));
    let next = beside(stage(&place.store, 4, &[("/", "better")]), Some(good.id()));
    assert_eq!((in_service(&place.store), next.summary().held), (next.id().sequence(), None));
    assert!(place.store.newer().is_empty());
    let first = Place::new();
    let alone = beside(stage(&first.store, 1, &[("/", "first")]), None);
    assert_eq!(in_service(&first.store), alone.id().sequence());
}

#[test]
fn a_mark_that_cannot_be_read_holds_and_pins_all_the_same() {
    let place = Place::new();
    take(&place.store, 1, &[("/", "good")]);
    let poor = held(&place.store, 2, "poor", "why").id();
    let dir = place.site_dir().join(poor.to_string());
    for content in [&b""[..], b"{", b"\xff", b"[]"] {
        std::fs::write(dir.join("held.json"), content).unwrap();
        std::fs::write(dir.join("pinned"), content).unwrap();
        assert_eq!(shelf(&place.reopened()), [(2, "pinned, held"), (1, "current")]);
    }
    std::fs::write(dir.join("held.json"), r#"{"version":1,"reasons":["a","b"],"later":1}"#).unwrap();
    assert_eq!(marks::Marks::read(&dir).held, Some(vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn what_the_operator_publishes_serves_and_is_held_no_longer() {
    let place = Place::new();
    let other = place.reopened();
    take(&place.store, 1, &[("/", "good")]);
    let poor = held(&place.store, 2, "poor", "why").id();
    other.refresh().unwrap();
    let published = other.put_in_service(&poor, None).unwrap();
    assert!(published.summary().current && published.summary().held.is_none());
    for store in [&other, &place.store, &place.reopened()] {
        assert_eq!(shelf(store), [(2, "current"), (1, "")]);
        assert_eq!(store.is_by_hand(), None);
    }
    // The next one replaces it as any other, and it may be fallen back to.
    take(&place.store, 3, &[("/", "next")]);
    std::fs::remove_file(place.manifest_of(SnapshotId::new(at(3).wall, 3))).unwrap();
    assert_eq!(in_service(&place.reopened()), 2);
}

#[test]
fn a_move_that_was_cut_short_is_completed() {
    let place = Place::new();
    take(&place.store, 1, &[("/", "good")]);
    let poor = held(&place.store, 2, "poor", "why").id();
    place.store.put_in_service(&poor, None).unwrap();
    // As if the process had died between the pointer and the mark.
    marks::hold(&place.site_dir().join(poor.to_string()), &["why".to_owned()]).unwrap();
    let store = place.reopened();
    assert_eq!(shelf(&store), [(2, "current, held"), (1, "")]);
    store.retain(&newest(9)).unwrap();
    assert_eq!(shelf(&store), [(2, "current"), (1, "")]);
}

#[test]
fn after_going_back_new_ones_wait_for_the_operator() {
    let place = Place::new();
    for n in 1..=3 {
        take(&place.store, n, &[("/", &format!("body {n}"))]);
    }
    assert_eq!(body_of(&place.store.rollback(at(50)).unwrap(), "/"), "body 2");
    for store in [&place.store, &place.reopened()] {
        assert_eq!(shelf(store), [(3, ""), (2, "current"), (1, "")]);
        assert_eq!(store.is_by_hand(), Some(at(50).wall));
    }
    let fourth = take(&place.store, 4, &[("/", "body 4")]);
    let summary = fourth.summary();
    assert!(!summary.current && summary.held.unwrap()[0].contains("by hand"));
    assert_eq!(shelf(&place.reopened()), [(4, "held"), (3, ""), (2, "current"), (1, "")]);
    // Once more: the one before; then there is none.
    let other = place.reopened();
    assert_eq!(other.rollback(at(60)).unwrap().id().sequence(), 1);
    assert!(matches!(other.rollback(at(70)), Err(ServiceError::NothingOlder)));
    assert_eq!(in_service(&place.store), 1);
    // To an older one by name is by hand too, if it is said so; without, all goes on by itself.
    place.store.put_in_service(&SnapshotId::new(at(2).wall, 2), Some(at(80))).unwrap();
    assert_eq!(place.store.is_by_hand(), Some(at(80).wall));
    place.store.put_in_service(&fourth.id(), None).unwrap();
    assert_eq!(place.store.is_by_hand(), None);
    assert!(take(&place.store, 5, &[("/", "body 5")]).summary().current);
    assert_eq!(shelf(&place.reopened()), [(5, "current"), (4, ""), (3, ""), (2, ""), (1, "")]);
}

#[test]
fn numbers_are_not_given_twice_whatever_was_held_or_gone_back_to() {
    let place = Place::new();
    take(&place.store, 1, &[("/", "1")]);
    take(&place.store, 2, &[("/", "2")]);
    place.store.rollback(at(3)).unwrap();
    let held = held(&place.store, 4, "3", "why").id();
    place.store.remove(&held).unwrap();
    assert_eq!(stage(&place.reopened(), 5, &[("/", "4")]).id().sequence(), 4);
    assert_eq!(place.store.is_by_hand(), Some(at(3).wall));
}

#[test]
fn what_cannot_be_served_is_not_put_in_service() {
    let place = Place::new();
    take(&place.store, 1, &[("/", "1")]);
    let two = take(&place.store, 2, &[("/", "2")]).id();
    let three = take(&place.store, 3, &[("/", "3")]).id();
    truncate(&place.manifest_of(two), 9);
    let store = place.reopened();
    let refused = store.put_in_service(&two, None);
    assert!(matches!(refused, Err(ServiceError::Unreadable { id, .. }) if id == two));
    let absent = SnapshotId::new(at(9).wall, 9);
    assert!(matches!(store.put_in_service(&absent, None), Err(ServiceError::NoSuch(id)) if id == absent));
    assert!(matches!(store.pin(&absent, true), Err(ServiceError::NoSuch(_))));
    assert!(matches!(store.remove(&absent), Err(ServiceError::NoSuch(_))));
    assert_eq!(in_service(&place.reopened()), three.sequence());
    // Going back passes it over.
    assert_eq!(store.rollback(at(4)).unwrap().id().sequence(), 1);
}

#[test]
fn what_is_in_service_pinned_or_being_read_is_not_removed() {
    let place = Place::new();
    let one = take(&place.store, 1, &[("/", "1")]);
    let two = take(&place.store, 2, &[("/", "2")]).id();
    let other = place.reopened();
    assert!(matches!(other.remove(&two), Err(ServiceError::InService(_))));
    other.pin(&one.id(), true).unwrap();
    assert_eq!(shelf(&place.store), [(2, "current"), (1, "pinned")]);
    assert!(matches!(place.store.remove(&one.id()), Err(ServiceError::Pinned(_))));
    other.pin(&one.id(), false).unwrap();
    assert!(matches!(other.remove(&one.id()), Err(ServiceError::InUse(_))));
    let id = one.id();
    drop(one);
    other.remove(&id).unwrap();
    assert_eq!(shelf(&place.store), [(2, "current")]);
    assert!(matches!(place.store.remove(&id), Err(ServiceError::NoSuch(_))));
}

#[test]
fn by_count_and_age_old_ones_go_but_never_pinned_or_current_ones() {
    const DAY: u64 = 86_400;
    let keep = |count, age: Option<u64>, now: u64| Keep {
        count,
        age: age.map(|days| Duration::from_secs(days * DAY)),
        now: at(now * DAY).wall,
    };
    let place = Place::new();
    for day in 1..=6 {
        take(&place.store, day * DAY, &[("/", "same")]);
    }
    let id = |n: u64| SnapshotId::new(at(n * DAY).wall, n);
    place.store.pin(&id(1), true).unwrap();
    let retained = place.store.retain(&keep(9, Some(3), 7)).unwrap();
    assert_eq!(retained.removed, [id(2), id(3)], "the fourth is not three days old to the second");
    place.store.put_in_service(&id(4), None).unwrap();
    assert_eq!(place.store.retain(&keep(1, None, 7)).unwrap().removed, [id(5)]);
    assert_eq!(shelf(&place.store), [(6, ""), (4, "current"), (1, "pinned")]);
    // However old: the newest good one stays, beside the one in service.
    assert_eq!(place.store.retain(&keep(9, Some(1), 900)).unwrap().removed, []);
    place.store.pin(&id(1), false).unwrap();
    assert_eq!(place.store.retain(&keep(9, Some(1), 900)).unwrap().removed, [id(1)]);
    assert_eq!(shelf(&place.reopened()), [(6, ""), (4, "current")]);
}

#[test]
fn of_held_ones_the_two_newest_are_kept_and_pinned_ones() {
    let place = Place::new();
    take(&place.store, 1, &[("/", "good")]);
    let first = held(&place.store, 2, "poor 2", "why").id();
    for n in 3..=6 {
        held(&place.store, n, &format!("poor {n}"), "why");
    }
    place.store.pin(&first, true).unwrap();
    let retained = place.store.retain(&newest(30)).unwrap();
    assert_eq!(retained.removed.iter().map(SnapshotId::sequence).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(retained.collection, Collection::Done { blobs: 2, bytes: 12 });
    let expected = [(6, "held"), (5, "held"), (2, "pinned, held"), (1, "current")];
    assert_eq!(shelf(&place.reopened()), expected);
    // They do not count among the good ones that are kept.
    assert_eq!(place.store.retain(&newest(1)).unwrap().removed, []);
}

/// Whether all threads of a test go on: until the first of them ends, however it ends.
#[derive(Default)]
struct GoingOn(std::sync::atomic::AtomicBool);

impl GoingOn {
    fn yes(&self) -> bool {
        !self.0.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn until_dropped(&self) -> impl Drop + use<'_> {
        struct End<'a>(&'a GoingOn);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.0.store(true, std::sync::atomic::Ordering::SeqCst);
            }
        }
        End(self)
    }
}

/// A crawl, going back and publishing, pinning, and retention, by stores that know of each other only through the disk.
#[test]
fn movers_do_not_disturb_each_other() {
    const ROUNDS: u64 = 15;
    // nobody acts without a breath between: whoever waits for a lock tries it every millisecond, and could wait for ever
    let breath = || std::thread::sleep(std::time::Duration::from_millis(3));
    let place = Place::new();
    for n in 0..3 {
        take(&place.store, n, &[("/", &format!("body {n}"))]);
    }
    let stores: Vec<Store> = (0..3).map(|_| place.reopened()).collect();
    let going_on = GoingOn::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _end = going_on.until_dropped();
            for n in 3..ROUNDS {
                take(&place.store, n, &[("/", &format!("body {n}"))]);
            }
        });
        scope.spawn(|| {
            let _end = going_on.until_dropped();
            while going_on.yes() {
                breath();
                match stores[0].rollback(at(1)) {
                    Ok(_) | Err(ServiceError::NothingOlder) => {}
                    Err(other) => panic!("{other}"),
                }
                let newest = stores[0].list()[0].id;
                breath();
                match stores[0].put_in_service(&newest, None) {
                    Ok(_) | Err(ServiceError::NoSuch(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
        scope.spawn(|| {
            let _end = going_on.until_dropped();
            while going_on.yes() {
                breath();
                stores[1].retain(&newest(2)).unwrap();
            }
        });
        scope.spawn(|| {
            let _end = going_on.until_dropped();
            while going_on.yes() {
                stores[2].refresh().unwrap();
                let said = body_of(&stores[2].current().unwrap(), "/");
                assert!(said.starts_with("body "), "{said}");
            }
        });
    });
    let store = place.reopened();
    let current = store.current().unwrap();
    assert!(current.summary().held.is_none() && store.verify(&current.id()).unwrap().is_whole());
    assert!(store.unreadable().is_empty());
}
