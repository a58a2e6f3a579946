//! What becomes of forms: states, reasons, and being removed.

use super::*;

#[test]
fn every_transition_is_one_name_and_outlives_the_process() {
    let mut place = Place::new();
    for from in State::ALL {
        for to in State::ALL {
            let id = keep(&place.spool, 5, "text");
            place.lead(id, from);
            let why = if from == to { None } else { reason("because-42") };
            let marked = place.spool.mark("shop", id, to, why.clone(), at(2000));
            let there = names(&place.site_dir());
            let of_it: Vec<&String> = there.iter().filter(|name| name.starts_with(&id.to_string())).collect();
            if from.may_become(to) {
                marked.unwrap();
                assert_eq!(of_it, [&format!("{id}.{to}.because-42")]);
            } else {
                let error = marked.unwrap_err();
                assert!(matches!(error, NotMoved::NotAllowed { from: f, to: t, .. } if (f, t) == (from, to)));
                assert_eq!(of_it, [&format!("{id}.{from}")]);
            }
            let before = place.spool.list("shop");
            place = place.reopened();
            let after = place.spool.list("shop");
            let is = if from.may_become(to) { to } else { from };
            if is == State::Sending {
                assert_eq!(state_of(&place.spool, id), Some(State::Doubtful));
            } else {
                assert_eq!(after, before);
                assert_eq!(state_of(&place.spool, id), Some(is));
            }
            assert_eq!(body_of(&place.spool, id), "text");
            if is == State::Sending || is == State::Doubtful {
                place.spool.mark("shop", id, State::Parked, None, at(3000)).unwrap();
            }
            place.spool.forget("shop", id).unwrap();
            assert!(names(&place.site_dir()).is_empty());
        }
    }
    assert!(place.spool.totals().is_empty());
}

#[test]
fn a_form_is_confirmed_once_and_whatever_it_has_become_stays() {
    let place = Place::new();
    let id = keep(&place.spool, 5, "text");
    place.spool.confirm("shop", id).unwrap();
    place.spool.confirm("shop", id).unwrap();
    assert_eq!(names(&place.site_dir()), [format!("{id}.kept")]);
    let early = keep(&place.spool, 6, "sent before its visitor was told");
    place.spool.mark("shop", early, State::Sending, None, at(6)).unwrap();
    place.spool.confirm("shop", early).unwrap();
    assert_eq!(state_of(&place.spool, early), Some(State::Sending));
    assert!(matches!(place.spool.confirm("shop", form(7, "").id), Err(NotMoved::NoSuch(_))));
}

#[test]
fn what_is_due_is_in_the_order_of_arrival_also_after_a_restart() {
    let place = Place::new();
    let mut ids = Vec::new();
    for n in 0..20u64 {
        // Ten in one second, whose names are in no order.
        let received = at(100 + n / 10) + Duration::from_millis(n * 7);
        let sent = KeptForm { received, ..form(100 + n / 10, &n.to_string()) };
        ids.push(place.spool.keep(&keys(), sent, PLENTY, received).unwrap());
    }
    let due = |place: &Place| place.spool.due("shop").into_iter().map(|form| form.id).collect::<Vec<_>>();
    assert_eq!(due(&place), ids);
    ids.iter().step_by(3).for_each(|id| place.spool.confirm("shop", *id).unwrap());
    for (n, state) in [(1, State::Sending), (4, State::Doubtful), (9, State::Parked), (11, State::Delivered)]
    {
        place.spool.confirm("shop", ids[n]).unwrap();
        match state {
            State::Doubtful | State::Delivered => {
                place.spool.mark("shop", ids[n], State::Sending, None, at(200)).unwrap();
            }
            State::Unconfirmed | State::Kept | State::Sending | State::Parked => {}
        }
        place.spool.mark("shop", ids[n], state, None, at(200)).unwrap();
    }
    let others = [1, 4, 9, 11].map(|n| ids[n]);
    let expected: Vec<FormId> = ids.iter().copied().filter(|id| !others.contains(id)).collect();
    assert_eq!(due(&place), expected);
    let place = place.reopened();
    assert_eq!(due(&place), expected);
    assert!(place.spool.due("bar").is_empty());
}

#[test]
fn only_what_needs_nobody_any_more_expires_and_from_when_it_does() {
    let mut place = Place::new();
    let ids = State::ALL.map(|state| {
        let id = keep(&place.spool, 5, "text");
        place.lead(id, state);
        id
    });
    // They came long ago, but were parked and delivered at 1000.
    assert_eq!(place.spool.expire(at(1000)), Total::default());
    place = place.reopened();
    assert_eq!(place.spool.expire(at(1000)), Total::default());
    assert_eq!(place.spool.expire(at(1001)), Total { forms: 2, bytes: 2 * 1093 });
    assert_eq!(place.spool.expire(at(1 << 40)), Total::default());
    let left: Vec<FormId> = ids[..4].to_vec();
    assert!(left.iter().all(|id| body_of(&place.spool, *id) == "text"));
    assert_eq!(names(&place.site_dir()).len(), 4);
    assert_eq!(place.reopened().spool.list("shop").len(), 4);
}

#[test]
fn what_is_being_sent_is_not_removed_and_everything_else_is() {
    let place = Place::new();
    for state in State::ALL {
        let id = keep(&place.spool, 5, "text");
        place.lead(id, state);
        match place.spool.forget("shop", id) {
            Err(NotMoved::BeingSent(_)) => assert_eq!(state, State::Sending),
            removed => removed.unwrap(),
        }
        assert!(matches!(place.spool.forget("shop", form(8, "").id), Err(NotMoved::NoSuch(_))));
    }
    assert_eq!(names(&place.site_dir()).len(), 1);
    assert_eq!(place.spool.totals()["shop"][&State::Sending].forms, 1);
}

#[test]
fn a_file_that_somebody_took_away_is_no_form_any_more_but_a_missing_disk_is_waited_for() {
    let place = Place::new();
    let (gone, stays) = (keep(&place.spool, 5, "gone"), keep(&place.spool, 6, "stays"));
    std::fs::remove_file(place.site_dir().join(format!("{gone}.unconfirmed"))).unwrap();
    assert!(matches!(place.spool.mark("shop", gone, State::Sending, None, at(9)), Err(NotMoved::NoSuch(_))));
    assert_eq!(place.spool.due("shop").len(), 1);
    let elsewhere = place.dir.path().join("elsewhere");
    std::fs::rename(place.site_dir(), &elsewhere).unwrap();
    assert!(matches!(place.spool.mark("shop", stays, State::Sending, None, at(9)), Err(NotMoved::Io { .. })));
    assert_eq!(place.spool.keep(&keys(), form(7, ""), PLENTY, at(7)).unwrap_err().code(), "disk");
    std::fs::rename(&elsewhere, place.site_dir()).unwrap();
    place.spool.mark("shop", stays, State::Sending, None, at(9)).unwrap();
    assert_eq!(body_of(&place.spool, stays), "stays");
}
