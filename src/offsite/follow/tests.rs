//! Every pair of sides, as a table.

use super::*;

fn id(number: u64) -> SnapshotId {
    SnapshotId::new(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_790_000_000 + number), number)
}

fn ids(numbers: &[u64]) -> BTreeSet<SnapshotId> {
    numbers.iter().map(|number| id(*number)).collect()
}

fn word(number: u64, by_hand: Option<u64>, pinned: &[u64], mode: Option<&str>) -> Word {
    let mode = mode.map(|mode| ModeWord { mode: mode.to_owned(), until: None });
    Word { id: id(number), by_hand, pinned: ids(pinned), mode }
}

fn plain(number: u64) -> Word {
    word(number, None, &[], None)
}

/// An instance that has what `word` says, and all snapshots up to number 9.
fn local(word: &Word) -> Local {
    Local {
        serves: Some((word.id, word.by_hand)),
        pinned: word.pinned.clone(),
        mode: word.mode.clone(),
        shelf: ids(&[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        settled: BTreeSet::from([word.id]),
    }
}

fn agreed(generation: u64, word: &Word) -> Agreed {
    let (known, pins) = (ids(&[1, 2, 3, 4]), word.pinned.clone());
    Agreed { generation, again: None, word: Some(word.clone()), known, pins }
}

fn store(generation: u64, word: &Word) -> InStore {
    let (by, word) = ("tokyo".to_owned(), word.clone());
    InStore::Pointer(Box::new(Pointer { generation, word, epoch: 1, by, at: 0, again: None }))
}

fn said_again(generation: u64, word: &Word, again: u64) -> InStore {
    let InStore::Pointer(pointer) = store(generation, word) else { unreachable!() };
    InStore::Pointer(Box::new(Pointer { again: Some(again), ..*pointer }))
}

fn take(word: &Word, generation: u64, agreed: &Word) -> Action {
    Action::Take { word: word.clone(), generation, agreed: agreed.clone(), again: None }
}

fn push(generation: u64, word: &Word) -> Action {
    Action::Push { generation, word: word.clone(), again: None, instead_of: None }
}

/// What is decided, without what the store had lost.
fn decided(local: &Local, agreed: &Agreed, there: &InStore) -> Action {
    let mut action = decide(local, agreed, there);
    if let Action::Push { instead_of, .. } = &mut action {
        *instead_of = None;
    }
    action
}

fn say_again(generation: u64, word: &Word, again: u64) -> Action {
    Action::Push { generation, word: word.clone(), again: Some(again), instead_of: None }
}

#[test]
fn every_pair_has_its_action() {
    let base = plain(4);
    let rolled = word(3, Some(100), &[], None);
    let held = word(5, None, &[], None);
    let known = agreed(7, &base);
    let known_held = Agreed { known: ids(&[1, 2, 3, 4, 5]), ..known.clone() };
    let unseen = Agreed { known: ids(&[1, 2, 4]), ..known.clone() };
    let (new, rebased) = (Agreed::default(), agreed(8, &plain(6)));
    let table: Vec<(&str, Local, &Agreed, InStore, Action)> = vec![
        ("same, clean", local(&base), &known, store(7, &base), Action::Nothing),
        ("same, crawled", local(&plain(5)), &known, store(7, &base), push(8, &plain(5))),
        ("same, rolled back", local(&rolled), &known, store(7, &base), push(8, &rolled)),
        ("same, a held one published", local(&held), &known_held, store(7, &base), push(8, &held)),
        ("newer, clean", local(&base), &known, store(8, &plain(6)), take(&plain(6), 8, &plain(6))),
        ("much newer, clean", local(&base), &known, store(80, &plain(9)), take(&plain(9), 80, &plain(9))),
        ("newer, rolled back there", local(&base), &known, store(8, &rolled), take(&rolled, 8, &rolled)),
        (
            "newer, a crawl here is fenced",
            local(&plain(5)),
            &known,
            store(8, &plain(6)),
            take(&plain(6), 8, &plain(6)),
        ),
        (
            "and so is a newer number",
            local(&plain(6)),
            &known,
            store(8, &plain(5)),
            take(&plain(5), 8, &plain(5)),
        ),
        (
            "newer, an operator's word here stays",
            local(&rolled),
            &known,
            store(8, &plain(6)),
            take(&rolled, 8, &plain(6)),
        ),
        ("and is pushed over it", local(&rolled), &rebased, store(8, &plain(6)), push(9, &rolled)),
        (
            "the same without a word by hand",
            local(&held),
            &known_held,
            store(8, &plain(6)),
            take(&held, 8, &plain(6)),
        ),
        ("both took the same", local(&plain(6)), &known, store(8, &plain(6)), take(&plain(6), 8, &plain(6))),
        (
            "newer, a crawl here that began before what was agreed is fenced, too",
            local(&plain(3)),
            &unseen,
            store(8, &plain(6)),
            take(&plain(6), 8, &plain(6)),
        ),
        (
            "newer, an old one was put in service here by somebody",
            local(&plain(3)),
            &known,
            store(8, &plain(6)),
            take(&plain(3), 8, &plain(6)),
        ),
        ("absent, something here", local(&base), &new, InStore::Absent, push(1, &base)),
        ("gone from the store", local(&base), &known, InStore::Absent, say_again(7 + ABOVE, &base, 7)),
        (
            "and an operator has said something",
            local(&rolled),
            &known,
            InStore::Absent,
            push(7 + ABOVE, &rolled),
        ),
        ("absent, nothing here", Local::default(), &new, InStore::Absent, Action::Nothing),
        ("joining with an empty disk", Local::default(), &new, store(8, &base), take(&base, 8, &base)),
        ("with a disk that was emptied", Local::default(), &known, store(7, &base), take(&base, 7, &base)),
        ("joining with another copy", local(&plain(9)), &new, store(8, &base), take(&base, 8, &base)),
    ];
    for (name, local, agreed, store, action) in table {
        assert_eq!(decided(&local, agreed, &store), action, "{name}");
    }
}

#[test]
fn what_is_older_or_unusable_is_refused_and_changes_nothing() {
    let base = plain(4);
    let known = agreed(7, &base);
    let replayed = Action::Refuse(Refusal::Replayed { generation: 6, known: 7 });
    assert_eq!(decided(&Local::default(), &known, &store(6, &plain(3))), replayed);
    // Who has what was agreed says it again; what an operator says here is news.
    let old = store(6, &plain(3));
    assert_eq!(decided(&local(&base), &known, &old), say_again(7 + ABOVE, &base, 7));
    assert_eq!(decided(&local(&plain(5)), &known, &old), say_again(7 + ABOVE, &plain(5), 7));
    let rolled = word(3, Some(100), &[], None);
    assert_eq!(decided(&local(&rolled), &known, &old), push(7 + ABOVE, &rolled));
    // A pin or a mode makes the snapshot no news.
    for said in [word(4, None, &[2], None), word(4, None, &[], Some("hold_origin"))] {
        assert_eq!(decided(&local(&said), &known, &old), say_again(7 + ABOVE, &said, 7));
    }
    // Somebody else, who has agreed less lately, was faster: that is no news, however high its number is.
    for generation in [8, 20] {
        let there = said_again(generation, &plain(3), 6);
        assert_eq!(decided(&local(&base), &known, &there), say_again(generation + ABOVE, &base, 7));
        let taken = decided(&local(&base), &known, &said_again(generation, &plain(3), 7));
        assert!(matches!(taken, Action::Take { again: Some(7), .. }), "{taken:?}");
        let Action::Refuse(Refusal::Replayed { generation: 6, known: 7 }) =
            decided(&Local::default(), &known, &there)
        else {
            panic!("nothing is here that could be said")
        };
    }
    // Its own word is known, and left alone.
    let own = agreed(8, &base);
    assert_eq!(decided(&local(&base), &own, &said_again(8, &base, 7)), Action::Nothing);
}

#[test]
fn what_cannot_be_used_is_written_anew_only_by_who_has_agreed_and_where_nobody_else_may_be_right() {
    let (base, first) = (plain(4), Agreed::default());
    let known = agreed(7, &base);
    let refused = |why| Action::Refuse(Refusal::Unusable(why));
    for (why, is_written_anew) in [
        (Unusable::Unsigned, true),
        (Unusable::Unreadable, true),
        (Unusable::WrongSignature, false),
        (Unusable::Later, false),
    ] {
        let there = InStore::Unusable(why);
        let anew = |word| if is_written_anew { say_again(7 + ABOVE, word, 7) } else { refused(why) };
        assert_eq!(decided(&local(&base), &known, &there), anew(&base), "{why}");
        assert_eq!(decided(&local(&plain(5)), &known, &there), anew(&plain(5)), "{why}");
        assert_eq!(decided(&local(&base), &first, &there), refused(why), "{why}");
        assert_eq!(decided(&Local::default(), &known, &there), refused(why), "{why}");
    }
}

#[test]
fn what_is_damaged_here_is_brought_again() {
    let base = word(4, None, &[2], None);
    let known = agreed(7, &base);
    let mut here = local(&base);
    here.shelf.remove(&id(4));
    assert_eq!(decided(&here, &known, &store(7, &base)), take(&base, 7, &base));
    // A pinned one, and one that the store does not name, keep nothing waiting.
    here = local(&base);
    here.shelf.remove(&id(2));
    assert_eq!(decided(&here, &known, &store(7, &base)), Action::Nothing);
    let crawled = word(5, None, &[2], None);
    here = local(&crawled);
    here.shelf.remove(&id(5));
    assert_eq!(decided(&here, &known, &store(7, &base)), push(8, &crawled));
}

/// Older snapshots come to a joining instance one by one, each a moment before its mark.
#[test]
fn a_pin_is_taken_away_only_where_it_was_set() {
    let base = word(4, None, &[2], None);
    let mut joining = local(&word(4, None, &[], None));
    joining.shelf = ids(&[4]);
    let known = Agreed { pins: BTreeSet::new(), ..agreed(7, &base) };
    assert_eq!(decided(&joining, &known, &store(7, &base)), Action::Nothing);
    joining.shelf = ids(&[2, 4]);
    assert_eq!(decided(&joining, &known, &store(7, &base)), take(&base, 7, &base));
    assert_eq!(decided(&joining, &agreed(7, &base), &store(7, &base)), push(8, &word(4, None, &[], None)));
}

#[test]
fn pins_are_merged_three_ways() {
    let base = word(4, None, &[1, 2], None);
    let known = agreed(7, &base);
    // Here 1 was unpinned and 3 pinned, there 2 unpinned and 9 pinned.
    let here = word(4, None, &[2, 3], None);
    let there = word(6, None, &[1, 9], None);
    let both = word(6, None, &[3, 9], None);
    assert_eq!(decided(&local(&here), &known, &store(8, &there)), take(&both, 8, &there));
    // Once that is done, what is ours is pushed.
    assert_eq!(decided(&local(&both), &agreed(8, &there), &store(8, &there)), push(9, &both));
    // A pin of what is not here is not taken for one that was taken away.
    let mut few = local(&word(4, None, &[], None));
    few.settled = ids(&[4]);
    few.shelf = ids(&[3, 4]);
    assert_eq!(decided(&few, &known, &store(7, &base)), Action::Nothing);
    few.pinned = ids(&[3]);
    assert_eq!(decided(&few, &known, &store(7, &base)), push(8, &word(4, None, &[1, 2, 3], None)));
    // At the first meeting nothing is unpinned.
    let first = decided(&local(&here), &Agreed::default(), &store(8, &there));
    assert_eq!(first, take(&word(6, None, &[1, 2, 3, 9], None), 8, &there));
}

#[test]
fn a_mode_is_one_for_all_and_survives_a_restart() {
    let (auto, hold) = (plain(4), word(4, None, &[], Some("hold_snapshot")));
    let said_auto = word(4, None, &[], Some("auto"));
    assert_eq!(decided(&local(&hold), &agreed(7, &auto), &store(7, &auto)), push(8, &hold));
    assert_eq!(decided(&local(&auto), &agreed(7, &auto), &store(8, &hold)), take(&hold, 8, &hold));
    // Nobody has said anything since the start: what the deployment has.
    assert_eq!(decided(&local(&auto), &agreed(7, &hold), &store(7, &hold)), take(&hold, 7, &hold));
    assert_eq!(decided(&local(&said_auto), &agreed(7, &hold), &store(7, &hold)), push(8, &said_auto));
    // A mode here and a snapshot there.
    let both = word(6, None, &[], Some("hold_snapshot"));
    assert_eq!(decided(&local(&hold), &agreed(7, &auto), &store(8, &plain(6))), take(&both, 8, &plain(6)));
}

/// What one side does when it looks.
fn take_turn(local: &mut Local, known: &mut Agreed, there: &mut InStore) {
    let (generation, word, again) = match decided(local, known, there) {
        Action::Nothing => return,
        Action::Take { word, generation, agreed, again } => {
            local.serves = Some((word.id, word.by_hand));
            (local.pinned, local.mode) = (word.pinned, word.mode);
            local.settled = BTreeSet::from([word.id]);
            (generation, agreed, again)
        }
        Action::Push { generation, word, again, .. } => {
            *there =
                again.map_or_else(|| store(generation, &word), |again| said_again(generation, &word, again));
            (generation, word, again)
        }
        Action::Refuse(why) => panic!("{why:?}"),
    };
    *known = Agreed { generation, again, word: Some(word), ..known.clone() }.seeing(local);
}

/// Three instances that have agreed at different times, and a store that came back from a backup: whoever looks first, what was
/// agreed last is what all serve; and an operator's word that is said then holds.
#[test]
fn a_store_that_was_set_back_takes_nobody_back() {
    let words = [plain(4), plain(5), word(3, Some(9), &[], None)];
    let news = word(2, Some(50), &[], None);
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (order, speaks) in
        orders.iter().flat_map(|order| [None, Some(0), Some(2)].map(|speaks| (order, speaks)))
    {
        let side = |at: usize| (local(&words[at]), agreed(6 + at as u64, &words[at]));
        let mut sides = [side(0), side(1), side(2)];
        let mut there = store(3, &plain(1));
        if let Some(speaks) = speaks {
            sides[speaks].0 = local(&news);
        }
        for turn in order.iter().cycle().take(24) {
            let (local, known) = &mut sides[*turn];
            take_turn(local, known, &mut there);
        }
        let expected = if speaks.is_some() { &news } else { &words[2] };
        for (local, known) in &sides {
            assert_eq!(local.serves, Some((expected.id, expected.by_hand)), "{order:?} {speaks:?}");
            assert_eq!(decided(local, known, &there), Action::Nothing);
        }
    }
}

/// The instance with the latest word is away. What the others crawl, pin or set meanwhile does not put its snapshot out of service
/// when it comes back, and pins and modes stay; only an operator's word about what is in service does.
#[test]
fn what_happens_while_the_latest_word_is_away_does_not_go_behind_it() {
    let words = [plain(4), plain(5), word(3, Some(9), &[1], None)];
    let said = word(2, Some(50), &[], None);
    for (name, does, wins, pins, mode) in [
        ("crawls", plain(9), &words[2], &[1_u64] as &[u64], None),
        ("pins", word(5, None, &[2], None), &words[2], &[1, 2], None),
        ("sets a mode", word(5, None, &[], Some("hold_origin")), &words[2], &[1], Some("hold_origin")),
        ("rolls back", said.clone(), &said, &[], None),
    ] {
        for first in [0, 1] {
            let side = |at: usize| (local(&words[at]), agreed(6 + at as u64, &words[at]));
            let mut sides = [side(0), side(1), side(2)];
            let mut there = store(3, &plain(1));
            let mut turns = |sides: &mut [(Local, Agreed); 3], which: &[usize], rounds: usize| {
                for turn in which.iter().cycle().take(rounds * which.len()) {
                    let (local, known) = &mut sides[*turn];
                    take_turn(local, known, &mut there);
                }
            };
            turns(&mut sides, &[first, 1 - first], 4);
            let (speaker, known) = &mut sides[first];
            assert_eq!(speaker.serves, Some((id(5), None)), "{name}");
            *speaker = Local { shelf: speaker.shelf.clone(), ..local(&does) };
            assert_eq!(known.news(), 7);
            turns(&mut sides, &[first, 1 - first], 2);
            turns(&mut sides, &[2, 0, 1], 4);
            for (local, known) in &sides {
                let of = (local.serves, &local.pinned, local.mode.as_ref().map(|mode| &*mode.mode));
                assert_eq!(of, (Some((wins.id, wins.by_hand)), &ids(pins), mode), "{name} {first}");
                assert_eq!(decided(local, known, &there), Action::Nothing, "{name} {first}");
            }
        }
    }
}

#[test]
fn what_was_lost_is_said_only_when_something_was() {
    let base = plain(4);
    let known = agreed(7, &base);
    let lost = |local: &Local, agreed: &Agreed, there: &InStore| {
        let action = decide(local, agreed, there);
        let Action::Push { instead_of, .. } = action else { panic!("{action:?}") };
        instead_of
    };
    let here = local(&base);
    assert_eq!(lost(&here, &known, &InStore::Absent), Some(Lost::Gone));
    assert_eq!(lost(&here, &Agreed::default(), &InStore::Absent), None, "a first meeting");
    assert_eq!(lost(&here, &known, &store(6, &plain(3))), Some(Lost::Older { generation: 6 }));
    assert_eq!(lost(&here, &known, &said_again(20, &plain(3), 6)), Some(Lost::SaidAgain));
    let unsigned = InStore::Unusable(Unusable::Unsigned);
    assert_eq!(lost(&here, &known, &unsigned), Some(Lost::Unusable(Unusable::Unsigned)));
    // Who has said it again himself, and publishes as always, has lost nothing.
    let after = Agreed { again: Some(7), ..agreed(1007, &base) };
    assert_eq!(lost(&local(&plain(5)), &after, &said_again(1007, &base, 7)), None);
}

/// Two instances and a store, in every order of their moves: they end with the same word, and never take turns for ever.
#[test]
fn two_instances_agree_whatever_the_order() {
    let base = plain(4);
    let words =
        [plain(5), word(3, Some(9), &[], None), word(4, None, &[2], Some("hold_origin")), base.clone()];
    for (one, two) in words.iter().flat_map(|one| words.iter().map(move |two| (one, two))) {
        for order in 0_u32..64 {
            let mut sides = [(local(one), agreed(7, &base)), (local(two), agreed(7, &base))];
            let mut there = store(7, &base);
            let turns =
                (0..6).map(|bit| (order >> bit & 1) as usize).chain([0, 1].into_iter().cycle().take(12));
            for turn in turns {
                let (local, known) = &mut sides[turn];
                take_turn(local, known, &mut there);
            }
            let serve =
                sides.each_ref().map(|(local, _)| (local.serves, local.pinned.clone(), local.mode.clone()));
            assert_eq!(serve[0], serve[1], "{one:?} {two:?} {order}");
            assert!(
                sides.iter().all(|(local, known)| decided(local, known, &there) == Action::Nothing),
                "{order}"
            );
        }
    }
}
