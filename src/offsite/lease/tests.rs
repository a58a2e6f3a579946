//! The lease among instances whose time passes second by second, over a store that can fail for each of them.

use object_store::UpdateVersion;

use super::*;
use crate::clock;

const SECOND: Duration = Duration::from_secs(1);

/// What the store has.
#[derive(Default)]
struct World {
    object: Option<(Option<Record>, u64)>,
    writes: u64,
}

fn version(n: u64) -> Version {
    Version(UpdateVersion { e_tag: Some(n.to_string()), version: None })
}

impl World {
    fn look(&self, known: Option<&Version>) -> Found {
        match &self.object {
            None => Found::Absent,
            Some((_, n)) if known == Some(&version(*n)) => Found::Same,
            Some((record, n)) => Found::New(record.clone(), version(*n)),
        }
    }

    fn write(&mut self, record: Record, known: Option<&Version>) -> Option<Version> {
        if self.object.as_ref().map(|(_, n)| version(*n)).as_ref() != known {
            return None;
        }
        self.writes += 1;
        self.object = Some((Some(record), self.writes));
        Some(version(self.writes))
    }
}

/// What happens to an instance for a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    Fine,
    /// The store answers it nothing.
    Silent,
    /// The store takes what it writes, and the answer is lost.
    Lossy,
    /// It stands still, or is dead.
    Still,
    /// The store answers that it may do nothing.
    Refused,
    /// The store can be read and not written.
    ReadOnly,
}

struct Instance {
    lease: Lease,
}

impl Instance {
    fn new(name: &str, may_hold: bool, now: Instant) -> Instance {
        Instance {
            lease: Lease::new(Me { name: name.into(), run: format!("run of {name}").into(), may_hold }, now),
        }
    }

    fn live(&mut self, world: &mut World, day: Day, now: Instant) {
        if day == Day::Still {
            return;
        }
        self.lease.tick(now);
        for _ in 0..5 {
            match self.lease.step(now) {
                Step::Wait(_) => return,
                Step::Write(..) if day == Day::Silent => self.lease.not_written(now),
                Step::Look(_) if day == Day::Silent => self.lease.failed(now),
                Step::Look(_) if day == Day::Refused => self.lease.refused(now),
                Step::Write(..) if matches!(day, Day::Refused | Day::ReadOnly) => self.lease.not_written(now),
                Step::Look(_) if day == Day::Lossy => self.lease.failed(now),
                Step::Look(known) => self.lease.found(world.look(known.as_ref()), now, now),
                Step::Write(record, known) => match world.write(record.clone(), known.as_ref()) {
                    _ if day == Day::Lossy => self.lease.not_written(now),
                    Some(version) => self.lease.won(record, version, now, now),
                    None => self.lease.lost(now),
                },
            }
        }
        panic!("it does not come to rest");
    }
}

/// Lets the instances live for so many seconds, and says who held the lease, second by second.
fn live(
    world: &mut World,
    instances: &mut [Instance],
    now: &mut Instant,
    seconds: u64,
    day: impl Fn(usize, u64) -> Day,
) -> Vec<Vec<usize>> {
    let mut holders = Vec::new();
    for second in 0..seconds {
        for (i, instance) in instances.iter_mut().enumerate() {
            instance.live(world, day(i, second), *now);
        }
        let holds = |lease: &Lease| matches!(lease.standing(*now), Standing::Holds { .. });
        holders.push((0..instances.len()).filter(|i| holds(&instances[*i].lease)).collect());
        *now += SECOND;
    }
    holders
}

fn two(now: Instant) -> [Instance; 2] {
    [Instance::new("osaka", true, now), Instance::new("tokyo", true, now)]
}

#[test]
fn one_takes_it_and_keeps_it() {
    let (mut world, mut now) = (World::default(), clock::instant());
    let mut both = two(now);
    let holders = live(&mut world, &mut both, &mut now, 600, |_, _| Day::Fine);
    assert!(holders.iter().all(|holders| holders == &[0]), "{holders:?}");
    assert_eq!(both[1].lease.standing(now), Standing::Follows { holder: "osaka".into(), epoch: 1 });
    assert!((58..=62).contains(&world.writes), "every ten seconds: {}", world.writes);
}

#[test]
fn it_is_taken_over_within_a_minute_of_the_death_of_its_holder_and_not_while_he_lives() {
    for died in 20..31 {
        let (mut world, mut now) = (World::default(), clock::instant());
        let mut both = two(now);
        let holders = live(&mut world, &mut both, &mut now, 100, |i, second| {
            if i == 0 && second >= died { Day::Still } else { Day::Fine }
        });
        let over = holders.iter().position(|holders| holders.contains(&1)).expect("it is taken over") as u64;
        assert!(over >= died + 30 && over < died + 60, "died {died}, taken over {over}");
        assert_eq!(both[1].lease.standing(now), Standing::Holds { epoch: 2 });
    }
}

#[test]
fn what_goes_wrong_never_leaves_two_holders_that_can_hear_the_store() {
    use Day::{Fine, Lossy, Silent, Still};
    /// When it begins, how long it lasts, what happens to the first, and to the second; who holds it in the end, since when
    /// at the latest.
    type Case = (&'static str, u64, u64, Day, Day, usize, u64);
    let cases: [Case; 9] = [
        ("the holder is paused for a moment", 20, 25, Still, Fine, 0, 50),
        ("the holder is paused for long, and resumed", 20, 90, Still, Fine, 1, 80),
        ("the follower is paused for long", 20, 90, Fine, Still, 0, 20),
        ("both are paused, as their machine is", 20, 90, Still, Still, 0, 112),
        ("the store is silent for all", 20, 300, Silent, Silent, 0, 324),
        ("the store is silent for the holder alone", 20, 300, Silent, Fine, 1, 80),
        ("the store is silent for the follower alone", 20, 300, Fine, Silent, 0, 20),
        ("the answers to the holder are lost", 20, 300, Lossy, Fine, 1, 80),
        ("the answers to the holder are lost for a moment", 20, 15, Lossy, Fine, 0, 40),
    ];
    for (what, from, long, first, second, holder, since) in cases {
        let (mut world, mut now) = (World::default(), clock::instant());
        let mut both = two(now);
        let holders = live(&mut world, &mut both, &mut now, 500, |i, at| {
            let trouble = at >= from && at < from + long;
            match i {
                0 if trouble => first,
                1 if trouble => second,
                _ => Fine,
            }
        });
        for (at, holders) in holders.iter().enumerate() {
            assert!(holders.len() <= 1, "{what}: at {at} s {holders:?} hold it");
            assert!(at as u64 <= since || *holders == [holder], "{what}: at {at} s {holders:?} hold it");
        }
    }
}

#[test]
fn a_holder_that_was_paused_knows_that_it_must_ask_first() {
    let (mut world, mut now) = (World::default(), clock::instant());
    let mut one = [Instance::new("osaka", true, now)];
    live(&mut world, &mut one, &mut now, 20, |_, _| Day::Fine);
    let lease = &mut one[0].lease;
    let until = lease.until().expect("it is held");
    assert!(until > now && until < now + VALID);
    now += Duration::from_secs(90);
    assert!(until < now, "whoever asks before the first tick sees that it has run out");
    lease.tick(now);
    assert_eq!(lease.standing(now), Standing::Unknown);
    assert!(!lease.standing(now).may_crawl(true, now));
    assert!(matches!(lease.step(now), Step::Write(..)));
}

#[test]
fn while_the_store_is_silent_the_last_holder_crawls_and_others_only_without_a_copy() {
    let (mut world, mut now) = (World::default(), clock::instant());
    let mut both = two(now);
    live(&mut world, &mut both, &mut now, 20, |_, _| Day::Fine);
    // who may crawl: the holder, the follower with a copy, the follower without one
    let may = |both: &[Instance; 2], now| {
        let standing = |i: usize| both[i].lease.standing(now);
        [
            standing(0).may_crawl(false, now),
            standing(1).may_crawl(false, now),
            standing(1).may_crawl(true, now),
        ]
    };
    assert_eq!(may(&both, now), [true, false, false]);
    live(&mut world, &mut both, &mut now, 40, |_, _| Day::Silent);
    assert!(matches!(both[0].lease.standing(now), Standing::Alone { held: true, .. }));
    assert!(matches!(both[1].lease.standing(now), Standing::Alone { held: false, .. }));
    assert_eq!(may(&both, now), [true, false, false]);
    live(&mut world, &mut both, &mut now, 30, |_, _| Day::Silent);
    assert_eq!(may(&both, now), [true, false, true]);
    live(&mut world, &mut both, &mut now, 5, |_, _| Day::Fine);
    assert_eq!(may(&both, now), [true, false, false]);
}

#[test]
fn without_any_answer_since_the_start_it_is_alone_before_long() {
    let (mut world, mut now) = (World::default(), clock::instant());
    let mut one = [Instance::new("osaka", true, now)];
    assert_eq!(one[0].lease.standing(now), Standing::Unknown);
    live(&mut world, &mut one, &mut now, 30, |_, _| Day::Silent);
    let standing = one[0].lease.standing(now);
    assert!(matches!(standing, Standing::Alone { held: false, .. }), "{standing:?}");
    assert!(!standing.may_crawl(true, now) && standing.may_crawl(true, now + BARE));
}

#[test]
fn given_back_it_is_taken_at_the_next_look_and_not_by_who_gave_it() {
    let (mut world, mut now) = (World::default(), clock::instant());
    let mut both = two(now);
    live(&mut world, &mut both, &mut now, 20, |_, _| Day::Fine);
    let (record, known) = both[0].lease.give_back().expect("it is held");
    assert_eq!(both[0].lease.standing(now), Standing::Free);
    assert!(world.write(record, Some(&known)).is_some());
    let holders = live(&mut world, &mut both, &mut now, 20, |_, _| Day::Fine);
    assert!(holders.iter().skip(LOOK.as_secs() as usize).all(|holders| *holders == [1]), "{holders:?}");
    assert_eq!(both[1].lease.standing(now), Standing::Holds { epoch: 2 });
    assert_eq!(both[0].lease.give_back(), None);
}

#[test]
fn who_is_never_to_crawl_never_takes_it() {
    let (mut world, mut now) = (World::default(), clock::instant());
    let mut one = [Instance::new("osaka", false, now)];
    live(&mut world, &mut one, &mut now, 200, |_, _| Day::Fine);
    assert_eq!((world.writes, one[0].lease.standing(now)), (0, Standing::Free));
    live(&mut world, &mut one, &mut now, 30, |_, _| Day::Silent);
    assert!(matches!(one[0].lease.standing(now), Standing::Alone { held: false, .. }));
}

#[test]
fn a_lease_that_nobody_can_read_is_taken_over_too_and_the_epoch_goes_on() {
    let (mut world, mut now) = (World { object: Some((None, 7)), writes: 7 }, clock::instant());
    let mut one = [Instance::new("osaka", true, now)];
    live(&mut world, &mut one, &mut now, 39, |_, _| Day::Fine);
    assert_eq!(world.writes, 7);
    live(&mut world, &mut one, &mut now, 10, |_, _| Day::Fine);
    assert_eq!(one[0].lease.standing(now), Standing::Holds { epoch: 1 });
    world.object = None; // somebody has emptied the bucket
    live(&mut world, &mut one, &mut now, 15, |_, _| Day::Fine);
    assert_eq!(one[0].lease.standing(now), Standing::Holds { epoch: 2 });
}

#[test]
fn two_with_one_name_are_two() {
    let (mut world, mut now) = (World::default(), clock::instant());
    let mut both = [Instance::new("osaka", true, now), Instance::new("osaka", true, now)];
    both[1].lease.me.run = "another".into();
    let holders = live(&mut world, &mut both, &mut now, 60, |_, _| Day::Fine);
    assert!(holders.iter().all(|holders| *holders == [0]), "{holders:?}");
}

#[test]
fn a_store_that_can_only_be_read_leaves_the_crawls_to_the_last_holder() {
    let (mut world, mut now) = (World::default(), clock::instant());
    let mut both = two(now);
    live(&mut world, &mut both, &mut now, 20, |_, _| Day::Fine);
    live(&mut world, &mut both, &mut now, 120, |_, _| Day::ReadOnly);
    let may = |one: &Instance, bare| one.lease.standing(now).may_crawl(bare, now);
    assert!(matches!(both[0].lease.standing(now), Standing::Alone { held: true, .. }));
    assert!(may(&both[0], false) && !may(&both[1], false) && may(&both[1], true));
    assert!(!both[0].lease.is_writable() && !both[1].lease.is_writable());
    // the process of the last holder is started anew
    both[0] = Instance::new("osaka", true, now);
    both[0].lease.me.run = "another".into();
    live(&mut world, &mut both, &mut now, 150, |_, _| Day::ReadOnly);
    assert!(matches!(both[0].lease.standing(now), Standing::Alone { held: true, .. }));
    let holders = live(&mut world, &mut both, &mut now, 90, |_, _| Day::Fine);
    assert_eq!(holders.last().map(Vec::len), Some(1));
    assert!(both.iter().all(|one| one.lease.is_writable()));
}

#[test]
fn if_only_the_holder_cannot_write_another_takes_it() {
    let (mut world, mut now) = (World::default(), clock::instant());
    let mut both = two(now);
    live(&mut world, &mut both, &mut now, 20, |_, _| Day::Fine);
    let day = |i, _| if i == 0 { Day::ReadOnly } else { Day::Fine };
    let holders = live(&mut world, &mut both, &mut now, 120, day);
    assert_eq!(holders.last(), Some(&vec![1]));
    assert!(matches!(both[0].lease.standing(now), Standing::Follows { .. }));
}

#[test]
fn who_is_refused_does_not_go_on() {
    let (mut world, mut now) = (World::default(), clock::instant());
    let mut both = two(now);
    live(&mut world, &mut both, &mut now, 20, |_, _| Day::Fine);
    live(&mut world, &mut both, &mut now, 90, |i, _| if i == 0 { Day::Refused } else { Day::Fine });
    assert!(matches!(both[0].lease.standing(now), Standing::Alone { held: false, .. }));
    assert_eq!(both[1].lease.standing(now), Standing::Holds { epoch: 2 });
}

#[test]
fn writes_that_are_always_lost_become_rare() {
    let (mut world, mut now) = (World::default(), clock::instant());
    let mut one = [Instance::new("osaka", true, now)];
    let mut asked = 0;
    for _ in 0..300 {
        for _ in 0..5 {
            match one[0].lease.step(now) {
                Step::Wait(_) => break,
                Step::Look(known) => one[0].lease.found(world.look(known.as_ref()), now, now),
                Step::Write(..) => {
                    asked += 1;
                    one[0].lease.lost(now);
                }
            }
        }
        now += SECOND;
    }
    assert!((8..=14).contains(&asked), "{asked}");
    live(&mut world, &mut one, &mut now, 40, |_, _| Day::Fine);
    assert!(matches!(one[0].lease.standing(now), Standing::Holds { .. }));
}

#[test]
fn a_dead_holder_is_nobody_for_who_may_not_take_it() {
    let (mut world, mut now) = (World::default(), clock::instant());
    let mut both = [Instance::new("osaka", true, now), Instance::new("tokyo", false, now)];
    live(&mut world, &mut both, &mut now, 20, |_, _| Day::Fine);
    let day = |i, _| if i == 0 { Day::Still } else { Day::Fine };
    live(&mut world, &mut both, &mut now, 40, day);
    assert!(matches!(both[1].lease.standing(now), Standing::Follows { .. }));
    live(&mut world, &mut both, &mut now, 30, day);
    assert_eq!(both[1].lease.standing(now), Standing::Free);
}

#[test]
fn an_epoch_at_its_end_does_not_end_the_process() {
    let record = Record { version: 1, epoch: u64::MAX, renewed: u64::MAX, ..Record::default() };
    let (mut world, mut now) = (World { object: Some((Some(record), 1)), writes: 1 }, clock::instant());
    let mut one = [Instance::new("osaka", true, now)];
    live(&mut world, &mut one, &mut now, 30, |_, _| Day::Fine);
    assert_eq!(one[0].lease.standing(now), Standing::Holds { epoch: u64::MAX });
}
