//! What is told, second by second, without a clock.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::alert::{Event, Topic};
use crate::clock;
use crate::failure::Cause;

const PACE: Pace = Pace { wait: 30, repeat: Some(3600) };
const BEGAN: u64 = 1_796_088_600;

fn at(second: u64) -> Now {
    Now { mono: clock::instant(), wall: UNIX_EPOCH + Duration::from_secs(BEGAN + second) }
}

fn down(site: &str) -> Signal {
    Signal {
        site: site.into(),
        topic: Topic::Outage,
        cause: Cause::Refused,
        subject: String::new(),
        place: String::new(),
        detail: String::new(),
        severity: Severity::Page,
        since: BEGAN,
        is_planned: false,
        visitors: None,
    }
}

fn full() -> Signal {
    Signal {
        topic: Topic::Condition(Cause::DiskFull),
        cause: Cause::DiskFull,
        severity: Severity::Warn,
        ..down("")
    }
}

/// What is told from one second to another while these hold: the second, what has happened, how many it concerns.
fn told(ledger: &mut Ledger, from: u64, to: u64, signals: &[Signal]) -> Vec<(u64, Event, usize)> {
    let mut all = Vec::new();
    for second in from..to {
        let told = ledger.observe(signals, at(second), PACE);
        all.extend(told.into_iter().map(|telling| (second, telling.notice.event, telling.notice.total)));
        // what is kept is all that there is
        if let Some(text) = ledger.changed() {
            *ledger = Ledger::read(&text).unwrap();
        }
    }
    all
}

#[test]
fn an_outage_is_told_after_a_while_again_each_hour_and_when_it_is_over() {
    use Event::{Begin, Over, Still};
    let mut ledger = Ledger::default();
    assert_eq!(
        told(&mut ledger, 0, 8000, &[down("shop")]),
        [(30, Begin, 1), (3630, Still, 1), (7230, Still, 1)]
    );
    assert_eq!(told(&mut ledger, 8000, 9000, &[]), [(8030, Over, 1)]);
    assert!(ledger.list().is_empty());
}

#[test]
fn a_short_outage_is_not_told() {
    let mut ledger = Ledger::default();
    for begin in [0, 1000, 2000] {
        assert_eq!(told(&mut ledger, begin, begin + 29, &[down("shop")]), []);
        assert_eq!(told(&mut ledger, begin + 29, begin + 1000, &[]), []);
    }
}

#[test]
fn what_comes_and_goes_is_told_once_and_over_when_it_has_been_calm() {
    let mut ledger = Ledger::default();
    let mut all = Vec::new();
    for round in 0..20 {
        all.extend(told(&mut ledger, round * 40, round * 40 + 20, &[down("shop")]));
        all.extend(told(&mut ledger, round * 40 + 20, round * 40 + 40, &[]));
    }
    assert_eq!(all, [(120, Event::Begin, 1)], "at the fourth time");
    // it ended at 780
    assert_eq!(told(&mut ledger, 800, 3000, &[]), [(1380, Event::Over, 1)]);
}

#[test]
fn many_sites_at_once_are_one_message_and_others_a_second_one() {
    use Event::Begin;
    let mut ledger = Ledger::default();
    let many = |count: usize| (0..count).map(|n| down(&format!("s{n}"))).collect::<Vec<_>>();
    assert_eq!(told(&mut ledger, 0, 15, &many(20)), []);
    assert_eq!(told(&mut ledger, 15, 31, &many(50)), [(30, Begin, 50)]);
    assert_eq!(told(&mut ledger, 31, 200, &many(53)), [(90, Begin, 3)], "a minute apart");
    let telling = ledger.observe(&[down("x")], at(201), PACE);
    assert!(telling.is_empty());
    let mut over: Vec<usize> = told(&mut ledger, 202, 300, &[]).iter().map(|(.., count)| *count).collect();
    over.sort_unstable();
    assert_eq!(over, [3, 50]);
}

#[test]
fn sites_go_together_by_cause_or_by_host() {
    let mut ledger = Ledger::default();
    let on = |site: &str, cause, place: &str| Signal { cause, place: place.to_owned(), ..down(site) };
    let signals = [
        on("a", Cause::Refused, "h1"),
        on("b", Cause::Silent, "h1"),
        on("c", Cause::DatabaseError, "h2"),
        full(),
    ];
    let all = told(&mut ledger, 0, 31, &signals);
    let counts: Vec<usize> = all.iter().map(|(.., count)| *count).collect();
    assert_eq!(counts, [1, 2, 1], "the disk; a and b; c");
}

#[test]
fn a_repetition_ends_with_an_acknowledgement_and_the_end_is_told_all_the_same() {
    let mut ledger = Ledger::default();
    told(&mut ledger, 0, 31, &[down("shop")]);
    let ids = ledger.of_site("shop", Some("refused"));
    assert_eq!(
        (ids.len(), ledger.of_site("shop", Some("silent")).len(), ledger.of_site("x", None).len()),
        (1, 0, 0)
    );
    assert!(ledger.acknowledge(&ids[0], "api", at(40)) && !ledger.acknowledge(&ids[0], "api", at(41)));
    assert_eq!(told(&mut ledger, 41, 9000, &[down("shop")]), []);
    assert_eq!(told(&mut ledger, 9000, 9100, &[]), [(9030, Event::Over, 1)]);
}

#[test]
fn a_token_acknowledges_once_and_dies_with_its_alert() {
    let mut ledger = Ledger::default();
    told(&mut ledger, 0, 31, &[down("shop")]);
    let id = ledger.of_site("shop", None).remove(0);
    let (one, two) = (ledger.token(&id).unwrap(), ledger.token(&id).unwrap());
    assert!(!String::from_utf8(ledger.changed().unwrap()).unwrap().contains(&one), "only the hash is kept");
    assert_eq!(ledger.of_token(&one).unwrap().id, id);
    assert!(ledger.of_token("0123").is_none() && ledger.of_token(&token::hash(&one)).is_none());
    assert!(ledger.acknowledge(&id, "link", at(40)));
    assert!(ledger.of_token(&one).is_none() && ledger.of_token(&two).is_none());
    assert!(ledger.token(&id).is_none(), "nobody has to acknowledge any more");
}

#[test]
fn what_becomes_worse_is_told_again_though_it_was_acknowledged() {
    use Event::{Begin, Over, Worse};
    let mut ledger = Ledger::default();
    let partly = Signal { severity: Severity::Warn, ..down("shop") };
    assert_eq!(told(&mut ledger, 0, 40, &[partly.clone()]), [(30, Begin, 1)]);
    let id = ledger.of_site("shop", None).remove(0);
    assert!(ledger.acknowledge(&id, "api", at(40)));
    assert_eq!(told(&mut ledger, 41, 100, &[down("shop")]), [(41, Worse, 1)]);
    assert_eq!(told(&mut ledger, 100, 200, &[partly]), [], "better is no news");
    assert_eq!(told(&mut ledger, 200, 300, &[]), [(230, Over, 1)]);
}

#[test]
fn another_cause_is_the_same_outage_and_proof_is_waited_for_before_it_is_over() {
    let mut ledger = Ledger::default();
    told(&mut ledger, 0, 31, &[down("shop")]);
    let other = Signal { cause: Cause::Silent, ..down("shop") };
    assert_eq!(told(&mut ledger, 31, 100, &[other]), []);
    let unproven = Signal { severity: Severity::Info, cause: Cause::Unproven, ..down("shop") };
    assert_eq!(told(&mut ledger, 100, 1000, &[unproven.clone()]), [], "as after a restart");
    assert_eq!(told(&mut ledger, 1000, 1100, &[]), [(1030, Event::Over, 1)]);
    assert_eq!(told(&mut ledger, 1100, 1200, &[unproven]), [], "and alone it is nothing");
}

#[test]
fn what_the_operator_has_brought_about_is_not_told_until_it_is_left_to_itself() {
    let mut ledger = Ledger::default();
    let planned = Signal { is_planned: true, ..down("shop") };
    assert_eq!(told(&mut ledger, 0, 5000, &[planned.clone()]), []);
    assert_eq!(told(&mut ledger, 5000, 5100, &[down("shop")]), [(5030, Event::Begin, 1)]);
    assert_eq!(told(&mut ledger, 5100, 20_000, &[planned]), [], "nor repeated");
    assert_eq!(told(&mut ledger, 20_000, 20_100, &[]), [(20_030, Event::Over, 1)]);
}

/// A ledger as the first version kept it.
const KEPT: &str = r#"{"version":1,"tracks":[{"key":{"site":"shop","topic":"outage","subject":""},"cause":"refused","place":"203.0.113.10",
"detail":"","severity":"page","is_planned":false,"visitors":{"en":"a","ja":"b"},"since":1796088600,"holds":true,"changed":1796088600,
"begins":[1796088600],"alert":"20261201T013000Z-1a2b3c4d"},{"key":{"site":"","topic":{"condition":"disk-full"},"subject":""},
"cause":"disk-full","place":"","detail":"","severity":"warn","is_planned":false,"visitors":null,"since":1796088600,"holds":true,
"changed":1796088600,"begins":[1796088600],"alert":null}],"alerts":[{"id":"20261201T013000Z-1a2b3c4d","topic":"outage",
"cause":"refused","severity":"page","since":1796088600,"first_told":1796088630,"last_told":1796088630,"acknowledged":null,
"is_flapping":false,"place":"203.0.113.10","total":1,"messages":1,"tokens":[],"reached":["1a2b3c4d"]}]}"#;

#[test]
fn what_the_first_version_kept_is_read() {
    let mut ledger = Ledger::read(KEPT.as_bytes()).unwrap();
    assert_eq!(ledger.of_site("shop", None), ["20261201T013000Z-1a2b3c4d"]);
    assert_eq!(told(&mut ledger, 100, 200, &[full()]), [(100, Event::Begin, 1), (130, Event::Over, 1)]);
    assert!(Ledger::read(b"{}").is_err());
}

#[test]
fn what_is_not_urgent_is_repeated_once_a_day() {
    let mut ledger = Ledger::default();
    assert_eq!(told(&mut ledger, 0, 86_500, &[full()]), [(30, Event::Begin, 1), (86_430, Event::Still, 1)]);
}

#[test]
fn a_clock_that_is_set_back_holds_up_nothing() {
    let mut ledger = Ledger::default();
    let late = |second: u64| at(10_000_000 + second);
    for second in 0..31 {
        ledger.observe(&[down("shop")], late(second), PACE);
    }
    assert_eq!(told(&mut ledger, 0, 4000, &[down("shop")]), [(3600, Event::Still, 1)]);
    assert_eq!(told(&mut ledger, 4000, 4100, &[]), [(4030, Event::Over, 1)]);
}

#[test]
fn one_of_many_that_was_well_for_long_is_another_trouble() {
    use Event::Begin;
    let mut ledger = Ledger::default();
    told(&mut ledger, 0, 31, &[down("a"), down("b")]);
    assert_eq!(told(&mut ledger, 31, 1000, &[down("a")]), []);
    assert_eq!(told(&mut ledger, 1000, 1100, &[down("a"), down("b")]), [(1030, Begin, 1)]);
    assert_eq!(told(&mut ledger, 1100, 1200, &[]).len(), 2);
}
