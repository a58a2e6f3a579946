//! A site's course, second by second, without a clock; and the files.
#![expect(clippy::disallowed_methods, reason = "these tests spoil what is stored")]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::clock::Now;
use crate::failure::{Cause, Failure, SeenBy, Sighting};
use crate::metrics::{ServedFrom, Totals};

const S: fn(u64) -> Duration = Duration::from_secs;

fn start() -> Now {
    Now { mono: crate::clock::instant(), wall: UNIX_EPOCH + S(1_796_088_600) }
}

fn glance(health: SiteHealth, cause: Option<Cause>) -> Glance {
    Glance {
        health,
        cause,
        totals: Totals::default(),
        planned: None,
        planned_since: None,
        is_live_held: false,
    }
}

fn sighting(cause: Cause, key: &str, at: Now) -> Sighting {
    Sighting::of(&Failure::new(cause), SeenBy::Visitor, key, at)
}

fn seen(sightings: Vec<Sighting>) -> Details {
    Details { host: "www.example.jp".into(), sightings, ..Details::default() }
}

/// Shows it one state.
fn show(watcher: &mut Watcher, glance: &Glance, details: Details, now: Now) -> Option<Change> {
    watcher.observe(glance, || details, |_| false, now)
}

fn words(incident: &Incident) -> Vec<String> {
    let word = |entry: &TimelineEntry| {
        let value = serde_json::to_value(&entry.what).unwrap();
        let more = ["state", "cause"].iter().find_map(|key| value[key].as_str());
        format!("{} {}", value["what"].as_str().unwrap(), more.unwrap_or_default()).trim().to_owned()
    };
    incident.timeline.iter().map(word).collect()
}

#[test]
fn it_begins_with_the_first_failed_answer_and_ends_with_the_proof() {
    let begin = start();
    let mut watcher = Watcher::new("shop".into());
    let (up, out) = (glance(SiteHealth::Well, None), SiteHealth::Out);
    let asked = Cell::new(0);
    let quiet = watcher.observe(
        &up,
        || {
            asked.set(asked.get() + 1);
            Details::default()
        },
        |_| false,
        begin,
    );
    assert_eq!((quiet, asked.get()), (None, 0), "nothing is looked up of a site that is well");

    let first = sighting(Cause::Refused, "/signup?mail=a@b.jp", begin.plus(S(2)));
    let now = begin.plus(S(14));
    let change = show(&mut watcher, &glance(out, Some(Cause::Refused)), seen(vec![first.clone()]), now);
    assert_eq!(change, Some(Change::Opened));
    let incident = watcher.open().unwrap();
    assert_eq!(incident.id.as_str(), "20261201T013002Z-shop");
    assert_eq!((incident.began, incident.noticed), (begin.plus(S(2)).wall.into(), now.wall.into()));
    assert_eq!((incident.lasted_s, incident.evidence[0].path.as_str()), (12, "/signup"), "no query is kept");

    let bad = sighting(Cause::Unavailable, "/", begin.plus(S(60)));
    let other = glance(out, Some(Cause::Unavailable));
    let sightings = || vec![first.clone(), bad.clone()];
    assert_eq!(show(&mut watcher, &other, seen(sightings()), begin.plus(S(61))), Some(Change::Updated));
    assert_eq!(show(&mut watcher, &other, seen(sightings()), begin.plus(S(62))), None, "no news");
    let back = glance(SiteHealth::Returning, None);
    assert_eq!(show(&mut watcher, &back, seen(Vec::new()), begin.plus(S(90))), Some(Change::Updated));
    assert_eq!(show(&mut watcher, &up, seen(Vec::new()), begin.plus(S(120))), Some(Change::Closed));
    let incident = watcher.ended().unwrap();
    assert_eq!((incident.lasted_s, incident.ended), (118, Some(begin.plus(S(120)).wall.into())));
    assert_eq!(
        incident.causes.iter().map(|span| &*span.cause).collect::<Vec<_>>(),
        ["refused", "unavailable"]
    );
    assert_eq!(incident.causes[1].until, Some(begin.plus(S(90)).wall.into()));
    assert_eq!(incident.evidence.len(), 2, "the first answer of each cause");
    assert_eq!(
        words(incident),
        ["first_failure refused", "state down", "cause unavailable", "state recovering", "recovered"]
    );
}

#[test]
fn what_fails_again_within_minutes_goes_on_and_later_it_is_another_one() {
    let begin = start();
    let mut watcher = Watcher::new("shop".into());
    let (up, out) = (glance(SiteHealth::Well, None), glance(SiteHealth::Out, Some(Cause::Silent)));
    let mut at =
        |seconds, glance: &Glance| show(&mut watcher, glance, Details::default(), begin.plus(S(seconds)));
    assert_eq!(at(0, &out), Some(Change::Opened));
    assert_eq!(at(10, &up), Some(Change::Closed));
    assert_eq!(at(300, &out), Some(Change::Reopened));
    assert_eq!(at(310, &up), Some(Change::Closed));
    assert_eq!(at(911, &out), Some(Change::Opened), "ten minutes after its end");
    assert_eq!(at(912, &glance(SiteHealth::Partly, Some(Cause::ServerError))), Some(Change::Updated));
    assert_eq!(at(920, &up), Some(Change::Closed));
    let last = watcher.ended().unwrap();
    assert_eq!(
        (last.reopened, last.severity, last.lasted_s),
        (0, Severity::Outage, 9),
        "the most that it came to"
    );
}

#[test]
fn visitors_are_counted_from_the_first_failure_on() {
    let begin = start();
    let mut watcher = Watcher::new("shop".into());
    let mut totals = Totals::default();
    let snapshot = ServedFrom::ALL.iter().position(|from| *from == ServedFrom::Snapshot).unwrap();
    let before = totals;
    totals[snapshot] = 3;
    let mut out = Glance { totals, ..glance(SiteHealth::Out, Some(Cause::Silent)) };
    let long_ago = ("/old?a=1".to_owned(), 7, begin.wall - S(3600));
    let just_now = |n| ("/new?user=1".to_owned(), n, begin.wall);
    let details = |n| Details { before, missed: vec![long_ago.clone(), just_now(n)], ..Details::default() };
    show(&mut watcher, &out, details(4), begin);
    assert_eq!(watcher.open().unwrap().served["snapshot"], 3);
    out.totals[snapshot] = 10;
    show(&mut watcher, &out, details(6), begin.plus(S(5)));
    let incident = watcher.open().unwrap();
    assert_eq!(incident.served, BTreeMap::from([("snapshot".to_owned(), 10)]));
    assert_eq!(incident.missed, [MissedPage { path: "/new".into(), requests: 3 }]);

    // the process is killed: the counters begin anew, what was counted stays
    let mut next = Watcher::new("shop".into());
    assert!(next.resume(incident.clone(), begin.plus(S(31))).is_none());
    out.totals[snapshot] = 2;
    let details = Details { missed: vec![just_now(1)], ..Details::default() };
    assert_eq!(show(&mut next, &out, details, begin.plus(S(31))), Some(Change::Updated));
    let incident = next.open().unwrap();
    assert_eq!((incident.served["snapshot"], incident.missed[0].requests, incident.lasted_s), (12, 4, 31));
    assert!(words(incident).contains(&"restarted".to_owned()), "{:?}", words(incident));
}

#[test]
fn planned_work_is_planned_until_it_is_over() {
    let begin = start();
    let mut watcher = Watcher::new("shop".into());
    let planned = Planned {
        kind: PlanKind::Maintenance,
        until: Some(begin.plus(S(60)).wall.into()),
        reason: "updates".into(),
        overran: None,
    };
    let within = Glance { planned: Some(planned), ..glance(SiteHealth::Out, Some(Cause::Refused)) };
    show(&mut watcher, &within, Details::default(), begin);
    assert!(watcher.open().unwrap().is_planned());
    let after = glance(SiteHealth::Out, Some(Cause::Refused));
    assert_eq!(show(&mut watcher, &after, Details::default(), begin.plus(S(61))), Some(Change::Updated));
    assert!(!watcher.open().unwrap().is_planned() && watcher.open().unwrap().planned.is_some());

    // a hold that somebody sets because of an outage does not make it planned
    let mut watcher = Watcher::new("shop".into());
    show(&mut watcher, &after, Details::default(), begin);
    watcher.act(Act::Mode { mode: "hold_snapshot".into(), reason: String::new() }, begin.plus(S(1)));
    assert_eq!(show(&mut watcher, &within, Details::default(), begin.plus(S(2))), Some(Change::Updated));
    assert!(watcher.open().unwrap().planned.is_none());
}

#[test]
fn what_operators_did_just_before_is_told_with_it() {
    let begin = start();
    let mut watcher = Watcher::new("shop".into());
    watcher.act(Act::Reload, begin);
    watcher.act(Act::Origins, begin.plus(S(1000)));
    show(
        &mut watcher,
        &glance(SiteHealth::Out, Some(Cause::Refused)),
        Details::default(),
        begin.plus(S(1060)),
    );
    assert_eq!(
        words(watcher.open().unwrap())[..2],
        ["act", "state down"],
        "the older one is no longer of interest"
    );
}

#[test]
fn a_clock_set_back_breaks_neither_the_duration_nor_the_order() {
    let begin = start();
    let mut watcher = Watcher::new("shop".into());
    let out = glance(SiteHealth::Out, Some(Cause::Refused));
    show(&mut watcher, &out, Details::default(), begin);
    let mut back = begin.plus(S(100));
    back.wall -= S(7200);
    assert_eq!(show(&mut watcher, &out, Details::default(), back), Some(Change::Updated));
    show(&mut watcher, &glance(SiteHealth::Well, None), Details::default(), back);
    let incident = watcher.ended().unwrap();
    assert_eq!((incident.lasted_s, incident.ended), (100, Some(incident.began)));
    assert!(words(incident).contains(&"clock_moved".to_owned()));
}

#[test]
fn every_list_has_an_end_and_the_last_word_is_in_it() {
    let begin = start();
    let mut watcher = Watcher::new("shop".into());
    for n in 0..1000 {
        let cause = if n % 2 == 0 { Cause::Refused } else { Cause::Silent };
        let missed = (0..200).map(|n| (format!("/{n}"), 1, begin.wall)).collect();
        let details = Details { missed, ..Details::default() };
        show(&mut watcher, &glance(SiteHealth::Out, Some(cause)), details, begin.plus(S(n)));
    }
    show(&mut watcher, &glance(SiteHealth::Well, None), Details::default(), begin.plus(S(1000)));
    let mut incident = watcher.ended().unwrap().clone();
    assert!(incident.timeline.len() == 200 && incident.left_out > 700, "{}", incident.left_out);
    assert_eq!(words(&incident).last().unwrap(), "recovered");
    assert_eq!(incident.causes.len(), 50);
    incident.set_missed((0..200).map(|n| MissedPage { path: format!("/{n}"), requests: n }).collect());
    assert_eq!((incident.missed.len(), incident.missed_more, incident.missed[0].requests), (50, 150, 199));
    incident.acknowledge(&"x".repeat(9999), &"y".repeat(9999), begin.wall.into());
    assert!(serde_json::to_vec(&incident).unwrap().len() < 100_000);
}

#[test]
fn what_happened_before_its_last_recovery_is_not_counted_again() {
    let begin = start();
    let mut watcher = Watcher::new("shop".into());
    let (up, out) = (glance(SiteHealth::Well, None), glance(SiteHealth::Out, Some(Cause::Silent)));
    let old = sighting(Cause::Silent, "/", begin);
    let seen_again = || seen(vec![old.clone(), sighting(Cause::Refused, "/", begin.plus(S(140)))]);
    show(&mut watcher, &out, seen(vec![old.clone()]), begin);
    show(&mut watcher, &up, Details::default(), begin.plus(S(100)));
    watcher.act(Act::Origins, begin.plus(S(120)));
    assert_eq!(show(&mut watcher, &out, seen_again(), begin.plus(S(150))), Some(Change::Reopened));
    let incident = watcher.open().unwrap();
    assert_eq!(incident.lasted_s, 110, "the time between does not count");
    assert_eq!(
        words(incident)[2..],
        ["recovered", "act", "again", "first_failure refused", "state down", "cause silent"],
        "what was done between the two is told, once"
    );
    show(&mut watcher, &up, Details::default(), begin.plus(S(160)));
    assert_eq!(words(watcher.ended().unwrap()).iter().filter(|word| *word == "act").count(), 1);
}

#[test]
fn what_was_done_after_the_first_failure_stands_after_it() {
    let begin = start();
    let mut watcher = Watcher::new("shop".into());
    watcher.act(Act::Origins, begin.plus(S(5)));
    let first = sighting(Cause::Silent, "/", begin);
    let out = glance(SiteHealth::Out, Some(Cause::Silent));
    show(&mut watcher, &out, seen(vec![first]), begin.plus(S(9)));
    assert_eq!(words(watcher.open().unwrap()), ["first_failure silent", "act", "state down"]);
}

#[test]
fn planned_is_what_was_planned_when_it_began() {
    let begin = start();
    let plan = || Planned { kind: PlanKind::Hold, until: None, reason: String::new(), overran: None };
    let held = |health, cause| Glance { planned: Some(plan()), ..glance(health, cause) };
    let first = || seen(vec![sighting(Cause::Silent, "/", begin.plus(S(10)))]);
    // it failed, somebody held it because of that, and only then it was an outage
    let mut watcher = Watcher::new("shop".into());
    show(&mut watcher, &glance(SiteHealth::Well, None), Details::default(), begin);
    show(&mut watcher, &held(SiteHealth::Well, None), Details::default(), begin.plus(S(15)));
    show(&mut watcher, &held(SiteHealth::Out, Some(Cause::Silent)), first(), begin.plus(S(20)));
    assert!(watcher.open().unwrap().planned.is_none());
    // it failed in a window that is over when that is noticed
    let mut watcher = Watcher::new("shop".into());
    show(&mut watcher, &held(SiteHealth::Well, None), Details::default(), begin);
    show(&mut watcher, &glance(SiteHealth::Well, None), Details::default(), begin.plus(S(15)));
    show(&mut watcher, &glance(SiteHealth::Out, Some(Cause::Silent)), first(), begin.plus(S(20)));
    assert!(watcher.open().unwrap().planned.as_ref().is_some_and(|planned| planned.overran.is_some()));
}

#[test]
fn what_people_did_is_told_however_much_happens() {
    let begin = start();
    let mut watcher = Watcher::new("shop".into());
    for n in 0..1000 {
        let cause = if n % 2 == 0 { Cause::Refused } else { Cause::Silent };
        show(&mut watcher, &glance(SiteHealth::Out, Some(cause)), Details::default(), begin.plus(S(n)));
        if n == 500 {
            watcher.act(Act::Origins, begin.plus(S(n)));
            watcher.open_mut().unwrap().acknowledge("Abe", "", begin.plus(S(n)).wall.into());
        }
    }
    let told = words(watcher.open().unwrap());
    assert!(told.len() == 200 && told.contains(&"act".into()) && told.contains(&"acknowledged".into()));
}

#[test]
fn a_site_that_is_taken_out_was_not_seen_to_recover() {
    let begin = start();
    let mut watcher = Watcher::new("shop".into());
    show(&mut watcher, &glance(SiteHealth::Out, Some(Cause::Silent)), Details::default(), begin);
    assert_eq!(watcher.remove(begin.plus(S(9))), Some(Change::Closed));
    assert!(watcher.ended().unwrap().unwatched);
}

#[test]
fn details_are_looked_up_when_something_changes_and_now_and_then() {
    let begin = start();
    let mut watcher = Watcher::new("shop".into());
    let asked = Cell::new(0);
    let mut at = |seconds, cause| {
        let details = || {
            asked.set(asked.get() + 1);
            Details::default()
        };
        let out = glance(SiteHealth::Out, Some(cause));
        watcher.observe(&out, details, |_| false, begin.plus(S(seconds)));
        watcher.taken();
        asked.get()
    };
    let counts: Vec<i32> = (0..5).map(|seconds| at(seconds, Cause::Silent)).collect();
    assert_eq!(counts, [1, 1, 1, 1, 1]);
    assert_eq!((at(5, Cause::Silent), at(6, Cause::Refused), at(7, Cause::Refused)), (2, 3, 3));
    assert!(!watcher.is_changed(), "only time has passed");
}

#[test]
fn of_two_open_incidents_of_a_site_the_older_one_ends() {
    let now = start();
    let open = |ago| Incident { ended: None, ..ended("shop", now.wall - S(ago), 0) };
    for (one, other) in [(open(900), open(60)), (open(60), open(900))] {
        let mut watcher = Watcher::new("shop".into());
        assert!(watcher.resume(one, now).is_none());
        let older = watcher.resume(other, now).unwrap();
        assert_eq!((older.id.clone(), older.ended, older.unwatched), (open(900).id, Some(older.as_of), true));
        assert_eq!(watcher.open().unwrap().id, open(60).id);
    }
}

fn ended(site: &str, began: SystemTime, lasted: u64) -> Incident {
    let began = Moment::from(began);
    let id = IncidentId::new(began, site, |_| false);
    let mut incident = Incident::new(id, site, Severity::Outage, began, began);
    incident.ended = Some((SystemTime::from(began) + S(lasted)).into());
    incident
}

#[test]
fn files_are_written_read_listed_and_swept() {
    let folder = tempfile::tempdir().unwrap();
    let store = IncidentStore::of(folder.path());
    let now = start().wall;
    assert!(store.ids().unwrap().is_empty(), "there is no folder yet");
    for (site, ago) in [("shop", 900 * 86_400), ("shop", 86_400), ("cafe", 3600)] {
        store.write(&ended(site, now - S(ago), 60)).unwrap();
    }
    let mut open = ended("shop", now - S(60), 0);
    open.ended = None;
    store.write(&open).unwrap();
    std::fs::write(folder.path().join("incidents/20261101T000000Z-bad.json"), "{\"version\":1,").unwrap();
    std::fs::write(folder.path().join("incidents/20261102T000000Z-new.json"), "{\"version\":9}").unwrap();

    let opened = store.open(now, S(7200)).unwrap();
    assert_eq!(opened.damaged[0].file, "20261101T000000Z-bad.json.damaged");
    assert!(folder.path().join("incidents/20261101T000000Z-bad.json.damaged").exists());
    assert_eq!(opened.ids.len(), 5, "what a newer version wrote is left alone");
    assert_eq!(opened.recent.iter().map(|one| &*one.site).collect::<Vec<_>>(), ["cafe", "shop"]);

    let list = |wanted: Wanted| -> Vec<String> {
        store.list(&wanted, &BTreeMap::new()).unwrap().into_iter().map(|one| one.id.to_string()).collect()
    };
    let all = list(Wanted { limit: 10, ..Wanted::default() });
    assert_eq!((all.len(), &*all[0]), (4, "20261201T012900Z-shop"));
    assert_eq!(list(Wanted { limit: 1, open: Some(false), ..Wanted::default() }), ["20261201T003000Z-cafe"]);
    let before = Some(all[0].parse().unwrap());
    assert_eq!(list(Wanted { limit: 9, site: Some("shop".into()), before, ..Wanted::default() }).len(), 2);

    let in_memory = BTreeMap::from([(open.id.clone(), open.clone())]);
    let wanted =
        |open, site: &str| Wanted { open: Some(open), site: Some(site.into()), limit: 9, before: None };
    assert_eq!(wanted(true, "shop").of(&in_memory), [open.clone()]);
    assert!(
        wanted(false, "shop").of(&in_memory).is_empty() && wanted(true, "cafe").of(&in_memory).is_empty()
    );

    let gone = store.sweep(S(730 * 86_400), &BTreeSet::from([open.id.clone()]), now).unwrap();
    assert_eq!(gone.iter().map(IncidentId::site).collect::<Vec<_>>(), ["shop"]);
    assert_eq!(store.ids().unwrap().len(), 4);

    // a clock that is years ahead is no reason to forget everything
    let ahead = now + S(20 * 365 * 86_400);
    std::fs::remove_file(folder.path().join("incidents/20261102T000000Z-new.json")).unwrap();
    assert!(store.sweep(S(730 * 86_400), &BTreeSet::new(), ahead).unwrap().is_empty());
    // but one file that cannot be removed keeps no other
    let stuck = folder.path().join("incidents/20200101T000000Z-stuck.json");
    std::fs::create_dir(&stuck).unwrap();
    store.write(&ended("old", now - S(900 * 86_400), 60)).unwrap();
    let gone = store.sweep(S(730 * 86_400), &BTreeSet::from([open.id.clone()]), now).unwrap();
    assert_eq!(gone.iter().map(IncidentId::site).collect::<Vec<_>>(), ["old"]);
}

/// As the first version wrote it: it is read for ever.
#[test]
fn an_incident_of_the_first_version_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = IncidentStore::of(folder.path());
    let sample = include_str!("samples/v1.json");
    std::fs::create_dir(folder.path().join("incidents")).unwrap();
    std::fs::write(folder.path().join("incidents/20261201T013002Z-shop.json"), sample).unwrap();
    let incident = store.read(&"20261201T013002Z-shop".parse().unwrap()).unwrap();
    assert_eq!((incident.site.as_str(), incident.lasted_s, incident.timeline.len()), ("shop", 1325, 8));
    // and what is written today is the same again
    let written: serde_json::Value = serde_json::to_value(&incident).unwrap();
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(sample).unwrap());
    // what a later version adds is passed over
    let newer =
        sample.replacen("{", "{\"later\": 1,", 1).replace("\"what\": \"overran\"", "\"what\": \"sung\"");
    std::fs::write(folder.path().join("incidents/20261201T013002Z-shop.json"), newer).unwrap();
    let incident = store.read(&"20261201T013002Z-shop".parse().unwrap()).unwrap();
    assert!(incident.timeline.iter().any(|entry| entry.what == Happening::Unknown));
}
