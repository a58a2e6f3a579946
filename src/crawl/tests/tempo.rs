//! The tempo against sites that are modelled: whatever they do, it stays within bounds and settles where it should.

use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::clock;
use crate::crawl::fetch::tempo::{ResourceKind, Sign, Tempo, Turn};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A crawl of a site that answers as `site` says, by the requests under way and the time since the beginning.
struct Run {
    tempo: Tempo,
    began: Instant,
    now: Instant,
    /// When each request was sent.
    sent: Vec<Instant>,
}

impl Run {
    fn new(rate: Option<f64>) -> Run {
        let began = clock::instant();
        Run { tempo: Tempo::new(rate, began), began, now: began, sent: Vec::new() }
    }

    /// Sends so many more requests, one after the other whenever there is a turn.
    fn go(&mut self, requests: usize, mut site: impl FnMut(usize, Duration) -> (Duration, Sign)) -> &mut Run {
        let mut under_way = BinaryHeap::new();
        let mut left = requests;
        while left > 0 || !under_way.is_empty() {
            match if left > 0 { self.tempo.turn(self.now) } else { Turn::Full } {
                Turn::Now => {
                    left -= 1;
                    self.sent.push(self.now);
                    let (took, sign) = site(under_way.len() + 1, self.now - self.began);
                    let (order, sign) = (self.sent.len(), encoded(sign));
                    under_way.push(std::cmp::Reverse((self.now + took, order, self.now, sign)));
                    continue;
                }
                Turn::At(at) if under_way.peek().is_none_or(|next| at < next.0.0) => {
                    self.now = at;
                    continue;
                }
                Turn::At(_) | Turn::Full => {}
            }
            let std::cmp::Reverse((at, _, asked, sign)) = under_way.pop().expect("somebody is under way");
            self.now = self.now.max(at);
            self.tempo.saw(ResourceKind::Page, decoded(sign), asked, self.now);
            self.tempo.over();
        }
        self
    }

    fn per_second(&self, last: usize) -> f64 {
        let of = &self.sent[self.sent.len() - last..];
        (last - 1) as f64 / (of[last - 1] - of[0]).as_secs_f64()
    }
}

/// Signs have no order of their own.
type Code = (u8, Option<Duration>);

fn encoded(sign: Sign) -> Code {
    match sign {
        Sign::Good(took) => (0, Some(took)),
        Sign::Strained => (1, None),
        Sign::Refused(after) => (2, after),
    }
}

fn decoded((code, time): Code) -> Sign {
    match code {
        0 => Sign::Good(time.unwrap_or_default()),
        1 => Sign::Strained,
        _ => Sign::Refused(time),
    }
}

fn good(took: Duration) -> (Duration, Sign) {
    (took, Sign::Good(took))
}

#[test]
fn a_quick_site_gets_all_that_is_allowed() {
    let mut run = Run::new(None);
    run.go(200, |_, _| good(ms(5)));
    assert_eq!((run.tempo.width(), run.tempo.gap(), run.tempo.tally().slowdowns), (8, Duration::ZERO, 0));
    let mut run = Run::new(Some(20.0));
    run.go(400, |_, _| good(ms(5)));
    assert!((19.9..20.1).contains(&run.per_second(300)), "{}", run.per_second(300));
}

#[test]
fn a_slow_but_constant_site_is_not_slowed_further() {
    for took in [300, 3000, 20_000] {
        let mut run = Run::new(None);
        run.go(400, |_, _| good(ms(took)));
        assert_eq!((run.tempo.width(), run.tempo.tally().slowdowns), (8, 0), "{took}");
    }
}

#[test]
fn a_site_that_gets_slow_under_many_is_asked_by_few() {
    // One worker: who comes while it works waits.
    let mut run = Run::new(None);
    let mut most = 0;
    run.go(400, |_, _| good(ms(200)));
    assert_eq!(run.tempo.width(), 8);
    let mut seen = 0;
    run.go(2000, |at_once, _| {
        seen += 1;
        if seen > 200 {
            most = most.max(at_once);
        }
        good(ms(200) * at_once as u32)
    });
    assert!(most <= 4, "{most} at once");
    assert!(run.tempo.tally().slowdowns >= 2);
    assert!(run.per_second(500) > 4.0, "it has nothing from being asked by one: {}", run.per_second(500));
    // It is given more again when it has got better.
    run.go(400, |_, _| good(ms(200)));
    assert_eq!(run.tempo.width(), 8);
}

#[test]
fn a_site_that_is_slow_for_reasons_of_its_own_is_given_its_time_and_then_all() {
    let mut run = Run::new(None);
    run.go(200, |_, _| good(ms(20)));
    let mut widths = Vec::new();
    for _ in 0..60 {
        run.go(10, |_, _| good(ms(900)));
        widths.push(run.tempo.width());
    }
    assert!(widths[..10].contains(&1), "{widths:?}");
    assert_eq!(widths.last(), Some(&8), "{widths:?}");
}

#[test]
fn a_limit_of_the_site_is_found_and_kept_to() {
    // A bucket of ten that is filled with ten a second.
    for rate in [None, Some(50.0)] {
        let mut run = Run::new(rate);
        let (mut bucket, mut at, mut refused) = (10.0f64, Duration::ZERO, 0);
        let mut site = |_: usize, now: Duration| {
            bucket = (bucket + (now - at).as_secs_f64() * 10.0).min(10.0);
            at = now;
            if bucket >= 1.0 {
                bucket -= 1.0;
                return good(ms(10));
            }
            refused += 1;
            (ms(10), Sign::Refused(None))
        };
        run.go(2000, &mut site);
        assert!((5.0..12.0).contains(&run.per_second(1000)), "{rate:?}: {}", run.per_second(1000));
        assert!(refused < 100, "{rate:?}: {refused} of 2000 were refused");
    }
}

#[test]
fn broken_pages_are_no_trouble_and_a_site_in_trouble_is() {
    let mut run = Run::new(None);
    let mut n = 0;
    run.go(1000, |_, _| {
        n += 1;
        if n % 10 == 0 { (ms(20), Sign::Strained) } else { good(ms(20)) }
    });
    assert_eq!((run.tempo.tally().slowdowns, run.tempo.width()), (0, 8));
    run.go(40, |_, _| (ms(20), Sign::Strained));
    assert_eq!(run.tempo.width(), 1);
    let gap = run.tempo.gap();
    assert!(gap >= ms(50), "{gap:?}");
    run.go(1000, |_, _| good(ms(20)));
    assert_eq!((run.tempo.width(), run.tempo.gap()), (8, Duration::ZERO));
}

#[test]
fn waits_that_are_asked_for_are_bounded() {
    // Each second answer says: come back tomorrow.
    let mut run = Run::new(None);
    let mut n = 0;
    let tomorrow = Duration::from_secs(86_400);
    run.go(100, |_, _| {
        n += 1;
        if n % 2 == 0 { (ms(20), Sign::Refused(Some(tomorrow))) } else { good(ms(20)) }
    });
    run.go(1, |_, _| good(ms(20)));
    let (held, all) = (run.tempo.tally().held, run.now - run.began);
    assert!(
        held >= Duration::from_secs(1800) && held <= Duration::from_secs(1800) + (all - held),
        "{held:?}"
    );
    // And one that is short is waited for to the end, by all.
    let mut run = Run::new(None);
    run.go(1, |_, _| (ms(20), Sign::Refused(Some(Duration::from_secs(7))))).go(1, |_, _| good(ms(20)));
    assert_eq!(run.sent[1] - run.sent[0], ms(7020));
}

proptest! {
    #[test]
    fn no_site_makes_it_stop_or_run_away(
        rate in prop_oneof![Just(None), (0.5f64..100.0).prop_map(Some)],
        delay in 0u64..90,
        answers in proptest::collection::vec((0u64..5000, 0u8..4, 0u64..100), 1..300),
    ) {
        let mut run = Run::new(rate);
        run.tempo.delay(Duration::from_secs(delay));
        let mut answers = answers.into_iter().cycle();
        let most = run.tempo.most();
        let mut at_once_ever = 0;
        run.go(300, |at_once, _| {
            at_once_ever = at_once_ever.max(at_once);
            let (took, sign, after) = answers.next().expect("a cycle");
            let after = (after > 50).then(|| Duration::from_secs(after));
            (ms(took), [Sign::Good(ms(took)), Sign::Good(ms(took)), Sign::Strained, Sign::Refused(after)][sign as usize])
        });
        prop_assert!(at_once_ever <= most);
        // Never faster than allowed, but for a timer's lateness.
        let least = rate.map_or(0.0, |rate| 1.0 / rate).max(delay.min(60) as f64);
        let all = (*run.sent.last().unwrap() - run.sent[0]).as_secs_f64();
        prop_assert!(all >= least * 299.0 - 0.006, "{all} {least}");
        // Never slower than the floor: the longest gap, the longest answer, and the waits.
        let floor = 299.0 * (least.max(30.0) + 5.0) + run.tempo.tally().held.as_secs_f64();
        prop_assert!(all <= floor, "{all} {floor}");
    }
}
