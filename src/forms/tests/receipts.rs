//! What recipients have made of forms outlives the process, and goes with the form.

use super::*;
use crate::config::recipient::Recipient;

fn owner() -> Recipient {
    Recipient::Mail("owner@example.jp".parse().unwrap())
}

fn receipts(spool: &Spool, id: FormId) -> Vec<Receipt> {
    spool.listed("shop", id).unwrap().receipts.into_values().collect()
}

#[test]
fn a_receipt_outlives_the_process_and_every_change_of_the_form() {
    let mut place = Place::new();
    let id = keep(&place.spool, 5, "text");
    place.spool.receive("shop", id, &owner().key(), Receipt::Taken).unwrap();
    for state in [State::Sending, State::Delivered] {
        place.spool.mark("shop", id, state, None, at(9)).unwrap();
        assert_eq!(receipts(&place.spool, id), [Receipt::Taken]);
    }
    place = place.reopened();
    assert_eq!(receipts(&place.spool, id), [Receipt::Taken]);
    assert_eq!(
        place.spool.listed("shop", id).unwrap().receipts.keys().next().unwrap().as_ref(),
        owner().key()
    );
    place.spool.forget("shop", id).unwrap();
    assert!(names(&place.site_dir()).is_empty());
    assert!(
        place.spool.receive("shop", id, &owner().key(), Receipt::Taken).is_err(),
        "there is no such form"
    );
    assert!(names(&place.site_dir()).is_empty());
}

#[test]
fn what_was_refused_is_asked_again_and_what_was_taken_is_not() {
    let place = Place::new();
    let id = keep(&place.spool, 5, "text");
    let other = Recipient::Mail("other@example.jp".parse().unwrap());
    let refused = Receipt::Refused("smtp-550".parse().unwrap());
    place.spool.receive("shop", id, &owner().key(), refused).unwrap();
    place.spool.receive("shop", id, &other.key(), Receipt::Taken).unwrap();
    assert_eq!(place.spool.ask_again("shop", id).unwrap(), 1);
    assert_eq!(receipts(&place.spool, id), [Receipt::Taken]);
    let place = place.reopened();
    assert_eq!(receipts(&place.spool, id), [Receipt::Taken]);
    assert_eq!(place.spool.ask_again("shop", id).unwrap(), 0);
}

#[test]
fn the_receipt_of_a_form_that_is_no_more_is_removed_at_the_start() {
    let place = Place::new();
    let id = keep(&place.spool, 5, "text");
    place.spool.receive("shop", id, &owner().key(), Receipt::Taken).unwrap();
    std::fs::remove_file(place.site_dir().join(format!("{id}.unconfirmed"))).unwrap();
    let place = place.reopened();
    assert!(names(&place.site_dir()).is_empty());
}
