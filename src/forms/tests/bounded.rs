//! Bounds hold, whoever is at it, and what is not used is given back.

use super::*;

const FILE: u64 = 53 + 1024 + 16;

#[test]
fn the_bounds_hold_while_many_keep_at_once() {
    let place = Place::new();
    for (bounds, fits) in [
        (Bounds { most: 25, size: 1 << 30 }, 25),
        (Bounds { most: 1000, size: 40 * FILE + FILE / 2 }, 40),
        (Bounds { most: 45, size: 100 * FILE }, 45),
    ] {
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let spool = &place.spool;
                scope.spawn(move || {
                    for n in 0..12 {
                        let kept = spool.keep(&keys(), form(thread * 100 + n, "text"), bounds, at(9));
                        assert!(
                            kept.is_ok_and(|id| spool.confirm("shop", id).is_ok())
                                || spool.list("shop").len() <= fits
                        );
                    }
                });
            }
        });
        assert_eq!(place.spool.list("shop").len(), fits);
        assert_eq!(names(&place.site_dir()).len(), fits);
        let full = place.spool.keep(&keys(), form(9, "text"), bounds, at(9)).unwrap_err();
        assert!(matches!(full, NotKept::Full) && full.code() == "full");
    }
    let place = place.reopened();
    assert_eq!(place.spool.totals()["shop"][&State::Kept], Total { forms: 45, bytes: 45 * FILE });
    let bounds = Bounds { most: 45, size: 100 * FILE };
    assert!(matches!(place.spool.keep(&keys(), form(9, ""), bounds, at(9)), Err(NotKept::Full)));
    place.spool.forget("shop", place.spool.list("shop")[7].id).unwrap();
    place.spool.keep(&keys(), form(9, ""), bounds, at(9)).unwrap();
}

#[test]
fn what_was_delivered_makes_room_and_nothing_else_does() {
    let place = Place::new();
    let bounds = Bounds { most: 6, size: 1 << 30 };
    let ids = State::ALL.map(|state| {
        let id = keep(&place.spool, 5, "text");
        place.lead(id, state);
        id
    });
    let new = place.spool.keep(&keys(), form(9, "new"), bounds, at(9)).unwrap();
    assert_eq!(state_of(&place.spool, ids[5]), None);
    assert!(ids[..5].iter().all(|id| body_of(&place.spool, *id) == "text"));
    assert!(matches!(place.spool.keep(&keys(), form(10, ""), bounds, at(10)), Err(NotKept::Full)));
    let place = place.reopened();
    assert_eq!((place.spool.list("shop").len(), body_of(&place.spool, new)), (6, "new".to_owned()));
}

#[test]
fn one_that_is_too_large_for_all_is_told_apart() {
    let place = Place::new();
    let bounds = Bounds { most: 10, size: 10_000 };
    let large = place.spool.keep(&keys(), form(5, &"x".repeat(10_000)), bounds, at(5)).unwrap_err();
    assert!(matches!(large, NotKept::Size) && large.code() == "size");
    let none = Bounds { most: 0, size: 10_000 };
    assert!(matches!(place.spool.keep(&keys(), form(5, ""), none, at(5)), Err(NotKept::Size)));
    let long = KeptForm { target: "x".repeat(2 << 20), ..form(5, "") };
    assert!(matches!(place.spool.keep(&keys(), long, PLENTY, at(5)), Err(NotKept::Size)));
    assert!(place.spool.list("shop").is_empty());
}

#[test]
fn a_place_that_was_not_used_is_given_back() {
    let place = Place::new();
    let bounds = Bounds { most: 1, size: FILE };
    std::fs::write(place.site_dir(), "in the way").unwrap();
    for _ in 0..3 {
        assert!(matches!(place.spool.keep(&keys(), form(5, ""), bounds, at(5)), Err(NotKept::Disk { .. })));
    }
    std::fs::remove_file(place.site_dir()).unwrap();
    let id = place.spool.keep(&keys(), form(5, ""), bounds, at(5)).unwrap();
    place.spool.forget("shop", id).unwrap();
    // Also one that fails when its place is reserved already: the folder is taken away between two forms.
    std::fs::remove_dir(place.site_dir()).unwrap();
    assert!(matches!(place.spool.keep(&keys(), form(6, ""), bounds, at(6)), Err(NotKept::Disk { .. })));
    let no_keys = Keys::of([]);
    assert_eq!(place.spool.keep(&no_keys, form(7, ""), bounds, at(7)).unwrap_err().code(), "key");
    place.spool.keep(&keys(), form(7, ""), bounds, at(7)).unwrap();
    assert!(matches!(place.spool.keep(&keys(), form(8, ""), bounds, at(8)), Err(NotKept::Full)));
}
