//! What a start finds: leftovers, names that are none, two names of one form, other processes.

use super::*;

#[test]
fn leftovers_are_removed_and_what_is_not_ours_is_left_alone() {
    let place = Place::new();
    let id = keep(&place.spool, 5, "text");
    let dir = place.site_dir();
    std::fs::write(dir.join(".tmp-0123456789abcdef"), "half").unwrap();
    for other in ["README", "20261130T115251Z-k7f3x9q2.lost", "20261130T115251Z-k7f3x9q2.kept~"] {
        std::fs::write(dir.join(other), "not ours").unwrap();
    }
    std::fs::create_dir(dir.join("20261130T115251Z-k7f3x9q2.kept")).unwrap();
    std::os::unix::fs::symlink("README", dir.join("20261130T115251Z-k7f3x9q3.kept")).unwrap();
    std::fs::create_dir(place.dir.path().join("forms/Not a site")).unwrap();
    std::fs::write(place.dir.path().join("forms/file"), "").unwrap();
    let place = place.reopened();
    let listed: Vec<FormId> = place.spool.list("shop").into_iter().map(|form| form.id).collect();
    assert_eq!(listed, [id]);
    assert_eq!(place.spool.totals().keys().map(|site| &**site).collect::<Vec<_>>(), ["shop"]);
    assert_eq!(names(&dir).len(), 6, "{:?}", names(&dir));
}

#[test]
fn what_was_being_sent_when_the_process_ended_is_doubtful_until_somebody_knows_better() {
    let place = Place::new();
    let id = keep(&place.spool, 5, "text");
    place.lead(id, State::Sending);
    let place = place.reopened();
    assert_eq!(names(&place.site_dir()), [format!("{id}.doubtful.interrupted")]);
    let listed = place.spool.list("shop").remove(0);
    assert_eq!((listed.state, listed.reason), (State::Doubtful, reason("interrupted")));
    assert!(place.spool.due("shop").is_empty());
    place.spool.mark("shop", id, State::Kept, reason("repeatable"), at(9)).unwrap();
    assert_eq!(place.spool.due("shop").len(), 1);
}

#[test]
fn of_two_names_the_more_careful_one_holds() {
    use State::{Delivered, Doubtful, Kept, Parked, Sending, Unconfirmed};
    let order = [Unconfirmed, Kept, Parked, Sending, Doubtful, Delivered];
    for (n, careful) in order.into_iter().enumerate() {
        for lesser in &order[..n] {
            let place = Place::new();
            let id = keep(&place.spool, 5, "text");
            place.lead(id, careful);
            let dir = place.site_dir();
            let second = dir.join(format!("{id}.{lesser}"));
            std::fs::copy(dir.join(format!("{id}.{careful}")), &second).unwrap();
            let place = place.reopened();
            let holds = if careful == Sending { Doubtful } else { careful };
            assert_eq!(state_of(&place.spool, id), Some(holds), "{careful} and {lesser}");
            assert_eq!(body_of(&place.spool, id), "text");
            // It does not come back when the other is gone.
            assert_eq!(names(&dir).len(), 1, "{careful} and {lesser}");
            place.spool.forget("shop", id).unwrap();
            assert!(place.reopened().spool.list("shop").is_empty());
        }
    }
}

#[test]
fn what_has_the_name_of_another_and_another_content_is_set_aside_and_not_lost() {
    let place = Place::new();
    let id = keep(&place.spool, 5, "text");
    place.lead(id, State::Delivered);
    let dir = place.site_dir();
    for (n, content) in ["older", "newer"].into_iter().enumerate() {
        std::fs::write(dir.join(format!("{id}.kept")), content).unwrap();
        let again = Spool::open(place.dir.path());
        assert!(matches!(again, Err(OpenError::InUse { .. })));
        let folder = place.dir.path().join("forms");
        super::super::scan::scan(&folder, super::super::scan::Order::Made).unwrap();
        let aside = dir.join(format!("{id}.kept{}", "~".repeat(n + 1)));
        assert_eq!(std::fs::read_to_string(aside).unwrap(), content);
    }
    let place = place.reopened();
    assert_eq!(place.spool.list("shop").len(), 1);
    assert_eq!(state_of(&place.spool, id), Some(State::Delivered));
}

#[test]
fn a_second_process_keeps_its_hands_off() {
    let place = Place::new();
    let id = keep(&place.spool, 5, "text");
    place.lead(id, State::Sending);
    let before = names(&place.site_dir());
    assert!(matches!(Spool::open(place.dir.path()), Err(OpenError::InUse { .. })));
    assert_eq!(names(&place.site_dir()), before);
    place.spool.mark("shop", id, State::Delivered, None, at(9)).unwrap();
}

#[test]
fn a_place_that_cannot_be_written_to_is_read_and_tried_again() {
    let place = Place::new();
    let id = keep(&place.spool, 5, "text");
    place.lead(id, State::Sending);
    let Place { dir, spool } = place;
    drop(spool);
    // In the way of the lock stands a folder: whoever this is run as, it cannot be made.
    let lock = dir.path().join("forms/.lock");
    std::fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(dir.path().join("no/where"), &lock).unwrap();
    let spool = Spool::open(dir.path()).unwrap();
    assert_eq!(state_of(&spool, id), Some(State::Doubtful));
    assert_eq!(body_of(&spool, id), "text");
    assert_eq!(spool.keep(&keys(), form(6, ""), PLENTY, at(6)).unwrap_err().code(), "disk");
    assert!(matches!(spool.mark("shop", id, State::Kept, None, at(9)), Err(NotMoved::Io { .. })));
    assert_eq!(spool.expire(at(1 << 40)), Total::default());
    assert_eq!(names(&dir.path().join("forms/shop")), [format!("{id}.sending")]);
    std::fs::remove_file(&lock).unwrap();
    let later = keep(&spool, 7, "later");
    assert_eq!(names(&dir.path().join("forms/shop")).len(), 2);
    assert!(names(&dir.path().join("forms/shop")).contains(&format!("{id}.doubtful.interrupted")));
    spool.mark("shop", id, State::Kept, None, at(9)).unwrap();
    assert_eq!(spool.due("shop").iter().map(|form| form.id).collect::<Vec<_>>(), [id, later]);
}
