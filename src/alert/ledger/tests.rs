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
        step: None,
        since: BEGAN,
        is_planned: false,
        visitors: None,
        incident: None,
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
    let (one, two) = ("0123456789".to_owned(), "abcdef".to_owned());
    assert!(ledger.take_token(&id, &one) && ledger.take_token(&id, &two));
    assert!(!String::from_utf8(ledger.changed().unwrap()).unwrap().contains(&one), "only the hash is kept");
    assert_eq!(ledger.of_token(&one).unwrap().id, id);
    assert!(ledger.of_token("0123").is_none() && ledger.of_token(&token::hash(&one)).is_none());
    assert!(ledger.acknowledge(&id, "link", at(40)));
    assert!(ledger.of_token(&one).is_none() && ledger.of_token(&two).is_none());
    assert!(!ledger.take_token(&id, "x"), "nobody has to acknowledge any more");
}

#[test]
fn what_becomes_worse_is_told_again_though_it_was_acknowledged() {
    use Event::{Begin, Over, Worse};
    let mut ledger = Ledger::default();
    let partly = Signal { severity: Severity::Warn, ..down("shop") };
    assert_eq!(told(&mut ledger, 0, 40, std::slice::from_ref(&partly)), [(30, Begin, 1)]);
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
    assert_eq!(told(&mut ledger, 100, 1000, std::slice::from_ref(&unproven)), [], "as after a restart");
    assert_eq!(told(&mut ledger, 1000, 1100, &[]), [(1030, Event::Over, 1)]);
    assert_eq!(told(&mut ledger, 1100, 1200, &[unproven]), [], "and alone it is nothing");
}

#[test]
fn what_the_operator_has_brought_about_is_not_told_until_it_is_left_to_itself() {
    let mut ledger = Ledger::default();
    let planned = Signal { is_planned: true, ..down("shop") };
    assert_eq!(told(&mut ledger, 0, 5000, std::slice::from_ref(&planned)), []);
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

#[test]
fn an_alert_ends_however_long_the_wait_is() {
    use Event::{Begin, Over};
    let pace = Pace { wait: 1200, ..PACE };
    let mut ledger = Ledger::default();
    let mut told = |from: u64, to: u64, signals: &[Signal]| {
        let all = (from..to).flat_map(|second| ledger.observe(signals, at(second), pace));
        all.map(|telling| telling.notice.event).collect::<Vec<_>>()
    };
    assert_eq!(told(0, 1300, &[down("shop")]), [Begin]);
    assert_eq!(told(1300, 2600, &[]), [Over]);
}

#[test]
fn what_becomes_milder_is_repeated_as_such_and_is_news_when_it_is_worse_again() {
    use Event::{Begin, Worse};
    let mut ledger = Ledger::default();
    told(&mut ledger, 0, 300, &[down("shop")]);
    let partly = Signal { severity: Severity::Warn, ..down("shop") };
    assert_eq!(told(&mut ledger, 300, 80_000, std::slice::from_ref(&partly)), [], "not urgent: once a day");
    assert_eq!(ledger.list()[0].0.severity, Severity::Warn);
    let id = ledger.list()[0].0.id.clone();
    assert!(ledger.acknowledge(&id, "api", at(80_000)));
    assert_eq!(told(&mut ledger, 80_001, 80_100, &[down("shop")]), [(80_001, Worse, 1)]);
    // what is down and half down in turn is not told each time
    let mut ledger = Ledger::default();
    assert_eq!(told(&mut ledger, 0, 100, &[down("shop")]), [(30, Begin, 1)]);
    for round in 1..5 {
        assert_eq!(told(&mut ledger, round * 200, round * 200 + 100, std::slice::from_ref(&partly)), []);
        assert_eq!(told(&mut ledger, round * 200 + 100, round * 200 + 200, &[down("shop")]), []);
    }
}

#[test]
fn one_of_many_that_is_worse_is_told_by_itself_and_is_another_alert() {
    use Event::{Begin, Over};
    let partly = |site: &str| Signal { severity: Severity::Warn, ..down(site) };
    let mut ledger = Ledger::default();
    assert_eq!(told(&mut ledger, 0, 40, &[partly("a"), partly("b")]), [(30, Begin, 2)]);
    let before = ledger.list()[0].0.id.clone();
    assert_eq!(told(&mut ledger, 40, 200, &[down("a"), partly("b")]), [(70, Begin, 1)]);
    let found: Vec<(bool, Severity, Vec<&str>)> =
        ledger.list().into_iter().map(|(alert, sites)| (alert.id == before, alert.severity, sites)).collect();
    assert_eq!(found, [(true, Severity::Warn, vec!["b"]), (false, Severity::Page, vec!["a"])]);
    assert_eq!(told(&mut ledger, 200, 300, &[]), [(230, Over, 2), (230, Over, 1)]);
}

#[test]
fn what_comes_and_goes_slowly_is_told_a_few_times_and_not_for_ever() {
    let mut ledger = Ledger::default();
    let mut all = Vec::new();
    for round in 0..30 {
        all.extend(told(&mut ledger, round * 240, round * 240 + 120, &[down("shop")]));
        all.extend(told(&mut ledger, round * 240 + 120, round * 240 + 240, &[]));
    }
    let events: Vec<Event> = all.iter().map(|(_, event, _)| *event).collect();
    assert_eq!(events.iter().filter(|event| **event == Event::Begin).count(), 3, "{all:?}");
    assert_eq!(events.iter().filter(|event| **event == Event::Over).count(), 2, "{all:?}");
}

#[test]
fn one_that_flaps_makes_no_others_flap() {
    let mut ledger = Ledger::default();
    for round in 0..3 {
        told(&mut ledger, round * 40, round * 40 + 20, &[down("a")]);
        told(&mut ledger, round * 40 + 20, round * 40 + 40, &[]);
    }
    let mut flaps = Vec::new();
    for second in 120..300 {
        let told = ledger.observe(&[down("a"), down("b")], at(second), PACE);
        flaps.extend(
            told.into_iter().map(|telling| (telling.notice.members[0].site.clone(), telling.notice.flaps)),
        );
    }
    assert_eq!(flaps, [("a".to_owned(), 4), ("b".to_owned(), 0)]);
}

#[test]
fn what_visitors_get_is_said_only_where_all_get_the_same() {
    let gets = |site: &str, what: &str| Signal {
        visitors: Some(crate::failure::Said { en: what.to_owned(), ja: what.to_owned() }),
        ..down(site)
    };
    for (second, is_said) in [("copy", true), ("nothing", false)] {
        let mut ledger = Ledger::default();
        let signals = [gets("a", "copy"), gets("b", second)];
        let mut told = (0..40).flat_map(|at_second| ledger.observe(&signals, at(at_second), PACE));
        assert_eq!(told.next().unwrap().notice.visitors.is_some(), is_said);
    }
}

#[test]
fn one_of_many_that_fails_again_is_told_though_the_others_were_acknowledged() {
    use Event::Begin;
    let mut ledger = Ledger::default();
    told(&mut ledger, 0, 31, &[down("a"), down("b")]);
    let id = ledger.list()[0].0.id.clone();
    assert!(ledger.acknowledge(&id, "api", at(31)));
    assert_eq!(told(&mut ledger, 31, 100, &[down("a")]), []);
    assert_eq!(told(&mut ledger, 100, 200, &[down("a"), down("b")]), [(130, Begin, 1)]);
    let mut over = Vec::new();
    for second in 200..240 {
        over.extend(ledger.observe(&[down("b")], at(second), PACE));
    }
    let names: Vec<&str> = over[0].notice.members.iter().map(|member| &*member.site).collect();
    assert_eq!((names, over[0].notice.total), (vec!["a", "b"], 2), "the end names those that left before");
}

#[test]
fn after_a_restart_what_is_counted_in_memory_is_waited_for() {
    let alone = Signal { topic: Topic::Condition(Cause::NobodyCrawls), cause: Cause::NobodyCrawls, ..full() };
    let start = clock::instant();
    let later = |second: u64| Now { mono: start + Duration::from_secs(second), ..at(second) };
    let mut ledger = Ledger::default();
    let look = |ledger: &mut Ledger, from: u64, to: u64, signals: &[Signal]| {
        let all = (from..to).flat_map(|second| ledger.observe(signals, later(second), PACE));
        all.map(|telling| (telling.notice.event, telling.notice.cause)).collect::<Vec<_>>()
    };
    look(&mut ledger, 0, 40, &[alone.clone(), full()]);
    let text = ledger.changed().unwrap();
    let mut ledger = Ledger::read(&text).unwrap();
    assert_eq!(look(&mut ledger, 40, 900, &[]), [(Event::Over, Cause::DiskFull)]);
    assert_eq!(look(&mut ledger, 900, 1100, &[]), [(Event::Over, Cause::NobodyCrawls)]);
    let mut ledger = Ledger::read(&text).unwrap();
    assert_eq!(look(&mut ledger, 40, 400, &[alone, full()]), []);
    let over = look(&mut ledger, 400, 440, &[]);
    assert_eq!(over.len(), 2, "this process has seen it: {over:?}");
}

#[test]
fn a_detail_without_end_is_cut() {
    let endless = Signal { detail: "\u{1}あ".repeat(1 << 20), ..down("shop") };
    let mut ledger = Ledger::default();
    let told: Vec<Telling> =
        (0..40).flat_map(|second| ledger.observe(std::slice::from_ref(&endless), at(second), PACE)).collect();
    assert!(told[0].notice.members[0].detail.len() <= 1024);
    assert!(ledger.changed().unwrap().len() < 10_000);
}

#[test]
fn what_could_not_be_kept_is_kept_the_next_time() {
    let mut ledger = Ledger::default();
    ledger.observe(&[down("shop")], at(0), PACE);
    assert!(ledger.changed().is_some() && ledger.changed().is_none());
    ledger.not_kept();
    assert!(ledger.changed().is_some());
}

#[test]
fn a_message_that_is_sent_again_and_again_takes_no_other_token_its_place() {
    let mut ledger = Ledger::default();
    told(&mut ledger, 0, 31, &[down("shop")]);
    let id = ledger.of_site("shop", None).remove(0);
    assert!(ledger.take_token(&id, "first"));
    for _ in 0..1000 {
        assert!(ledger.take_token(&id, "retried"));
    }
    assert!(ledger.of_token("first").is_some() && ledger.of_token("retried").is_some());
}

#[test]
fn who_takes_the_place_of_a_channel_hears_the_end() {
    let keys = |of: &[&str]| of.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<String>>();
    let mut ledger = Ledger::default();
    assert_eq!(ledger.rewire(&keys(&["a", "b"])), Some(keys(&["a", "b"])));
    told(&mut ledger, 0, 31, &[down("shop")]);
    let id = ledger.of_site("shop", None).remove(0);
    ledger.reached(&id, "a");
    assert_eq!(ledger.rewire(&keys(&["a", "b"])), None);
    let mut ledger = Ledger::read(&ledger.changed().unwrap()).unwrap();
    assert_eq!(
        ledger.rewire(&keys(&["a", "b", "c"])),
        Some(keys(&["c"])),
        "it is new, but takes nobody's place"
    );
    assert_eq!(ledger.rewire(&keys(&["b", "c", "d"])), Some(keys(&["d"])));
    let told: Vec<Telling> = (31..90).flat_map(|second| ledger.observe(&[], at(second), PACE)).collect();
    assert_eq!(told[0].reached, keys(&["d"]));
}

#[test]
fn each_step_towards_an_end_is_told_once_whoever_has_acknowledged() {
    use Event::{Begin, Worse};
    let mut ledger = Ledger::default();
    let ends = |step| Signal { severity: Severity::Warn, step: Some(step), ..full() };
    assert_eq!(told(&mut ledger, 0, 40, &[ends(30)]), [(30, Begin, 1)]);
    assert_eq!(told(&mut ledger, 41, 90_000, &[ends(30)]), [], "not once a day");
    let id = ledger.alerts.values().next().unwrap().id.clone();
    assert!(ledger.acknowledge(&id, "api", at(90_000)));
    assert_eq!(told(&mut ledger, 90_001, 90_100, &[ends(14)]), [(90_001, Worse, 1)]);
    assert_eq!(told(&mut ledger, 90_101, 91_000, &[ends(14)]), []);
}

fn ends(cause: Cause, severity: Severity, step: Option<u16>) -> Signal {
    Signal {
        topic: Topic::of(cause),
        cause,
        severity,
        step,
        subject: "example.com".to_owned(),
        ..down("shop")
    }
}

#[test]
fn what_has_come_is_the_alert_that_announced_it() {
    use Event::{Begin, Over, Worse};
    let mut ledger = Ledger::default();
    let (soon, past) = (
        ends(Cause::DomainExpiring, Severity::Warn, Some(30)),
        ends(Cause::DomainExpired, Severity::Page, None),
    );
    assert_eq!(told(&mut ledger, 0, 40, std::slice::from_ref(&soon)), [(30, Begin, 1)]);
    let announced = |ledger: &Ledger| ledger.announced().pop().map(|one| (one.topic, one.since, one.told));
    assert_eq!(announced(&ledger), Some((soon.topic, BEGAN, None)), "nobody has heard of it yet");
    let id = ledger.list()[0].0.id.clone();
    ledger.reached(&id, "c");
    assert_eq!(told(&mut ledger, 40, 99, std::slice::from_ref(&past)), [(40, Worse, 1)]);
    assert_eq!(announced(&ledger), Some((past.topic, BEGAN, Some(BEGAN + 30))));
    assert_eq!(told(&mut ledger, 99, 200, &[]), [(129, Over, 1)]);
    assert_eq!(announced(&ledger), None);
}

#[test]
fn an_end_that_an_earlier_version_has_told_is_not_told_again() {
    let mut ledger = Ledger::default();
    let past = ends(Cause::DomainExpired, Severity::Page, None);
    let before = Signal { topic: Topic::Condition(Cause::DomainExpired), ..past.clone() };
    assert_eq!(ledger.observe(std::slice::from_ref(&before), at(0), PACE), []);
    assert_eq!(ledger.observe(&[before], at(30), PACE).len(), 1);
    let mut ledger = Ledger::read(&ledger.changed().unwrap()).unwrap();
    assert_eq!(told(&mut ledger, 31, 300, &[past]), []);
}

#[test]
fn a_token_is_found_by_its_hash_as_long_as_it_is_good() {
    let mut ledger = Ledger::default();
    told(&mut ledger, 0, 31, &[down("shop")]);
    let id = ledger.list()[0].0.id.clone();
    for n in 0..300 {
        assert!(ledger.take_token(&id, &format!("token {n}")));
        assert!(ledger.take_token(&id, &format!("token {n}")), "the same again");
    }
    let mut ledger = Ledger::read(&ledger.changed().unwrap()).unwrap();
    let found = |ledger: &Ledger, n: u32| ledger.of_token(&format!("token {n}")).is_some();
    assert!(found(&ledger, 299) && found(&ledger, 44) && !found(&ledger, 43), "the oldest have made room");
    assert!(ledger.take_token(&id, "one more") && !found(&ledger, 44));
    assert!(ledger.acknowledge(&id, "link", at(40)));
    assert!(!found(&ledger, 299) && !ledger.take_token(&id, "late"));
}
