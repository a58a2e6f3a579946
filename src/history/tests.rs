//! A site's life, told second by second, without a clock.

use std::time::UNIX_EPOCH;

use super::*;
use crate::clock;

/// A moment so many seconds after noon of some day.
fn at(begin: Instant, seconds: u64) -> Now {
    let noon = UNIX_EPOCH + Duration::from_secs(20_000 * 86_400 + 43_200);
    Now { mono: begin + Duration::from_secs(seconds), wall: noon + Duration::from_secs(seconds) }
}

fn totals(origin: u64, snapshot: u64, holding: u64) -> Totals {
    let mut totals = Totals::default();
    totals[ServedFrom::Origin as usize] = origin;
    totals[ServedFrom::Snapshot as usize] = snapshot;
    totals[ServedFrom::Holding as usize] = holding;
    totals
}

fn a_bad_day(history: &History, begin: Instant) -> u64 {
    let mut counts = (0, 0, 0);
    for second in 0..=1200 {
        let gets = match second {
            0..=299 => {
                counts.0 += 2;
                (0..2).for_each(|_| history.answered(ServedFrom::Origin, Duration::from_millis(50)));
                Gets::Live
            }
            300..=599 => {
                counts.1 += if second == 400 { 30 } else { 1 };
                history.answered(ServedFrom::Snapshot, Duration::from_secs(9));
                Gets::Copies
            }
            600..=899 => {
                counts.2 += 1;
                Gets::Holding
            }
            _ => Gets::Live,
        };
        history.note(at(begin, second), gets, totals(counts.0, counts.1, counts.2));
    }
    at(begin, 1200).unix()
}

#[test]
fn a_bad_day_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (history, begin) = (History::new(dir.path(), "shop"), clock::instant());
    let now = a_bad_day(&history, begin);
    let told = history.last_days(90, now);
    let today = told.days.last().unwrap();
    assert_eq!((told.days.len(), &*today.day), (90, "2024-10-04"));
    assert_eq!(
        (today.live_s, today.partly_s, today.copy_s, today.holding_s),
        (600, 0, 300, 300),
        "{today:?}"
    );
    assert_eq!((today.availability, told.availability, today.bar), (Some(0.75), Some(0.75), DayBar::Holding));
    // what was counted before the first look is not of this day
    assert_eq!((today.requests, today.rungs["origin"], today.rungs["snapshot"]), (1227, 598, 329));
    assert_eq!(today.peak, 30);
    assert!(today.median_ms.is_some_and(|ms| (40..=60).contains(&ms)), "{today:?}");
    let [outage] = &told.outages[..] else { panic!("{:?}", told.outages) };
    assert_eq!((&*outage.from, outage.worst), ("2024-10-04T12:05:00Z", Gets::Holding));
    assert_eq!(outage.until.as_deref(), Some("2024-10-04T12:15:00Z"));
    assert_eq!(history.letters(3, now), "--h");

    let told = history.last_day();
    assert_eq!(told.record.as_ref().map(|record| record.per_second), Some(30));
    assert_eq!(told.minutes.len(), 15, "those in which somebody came");
    assert_eq!((told.minutes[1].requests, told.minutes[1].peak), (120, 2));
    assert!(told.minutes[1].p95_ms.is_some() && told.minutes[6].p95_ms.is_none());
}

#[test]
fn it_outlives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let (history, begin) = (History::open(dir.path(), "shop"), clock::instant());
    assert!(!history.is_due(begin));
    let now = a_bad_day(&history, begin);
    let end = at(begin, 1200).mono;
    assert!(history.is_due(end));
    history.save(end).unwrap();
    assert!(!history.is_due(end + SAVE));
    let again = History::open(dir.path(), "shop");
    let json = |history: &History| serde_json::to_value(history.last_days(90, now)).unwrap();
    assert_eq!(json(&again), json(&history));
    // a new process counts from zero
    let later = at(begin, 1300);
    again.note(later, Gets::Live, totals(0, 0, 0));
    again.note(at(begin, 1301), Gets::Live, totals(5, 0, 0));
    assert_eq!(again.last_days(1, later.unix()).days[0].requests, 1232);
}

#[test]
fn what_cannot_be_read_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (history, begin) = (History::open(dir.path(), "shop"), clock::instant());
    a_bad_day(&history, begin);
    history.save(at(begin, 1200).mono).unwrap();
    let text = std::fs::read_to_string(&history.file).unwrap();
    assert!(text.len() < 8192, "{}", text.len());
    for damaged in [&text[..text.len() / 2], &text.replace("\"peak\":30", "\"peak\":31"), ""] {
        assert_eq!(file::decode(damaged.as_bytes()), Err(file::Unreadable::Damaged));
    }
    let later = text.replacen("history 1", "history 2", 1);
    assert_eq!(file::decode(later.as_bytes()), Err(file::Unreadable::Version));
    // a later version's is whole: it stays, and is not written over
    disk::write_atomic(&history.file, later.as_bytes()).unwrap();
    let other = History::open(dir.path(), "shop");
    a_bad_day(&other, begin);
    assert!(!other.is_due(at(begin, 1200).mono) && !other.has_news());
    other.save(at(begin, 1200).mono).unwrap();
    assert_eq!(std::fs::read_to_string(&history.file).unwrap(), later);
    // nor is what the disk does not give
    disk::remove_file(&history.file).unwrap();
    disk::ensure_dir(&history.file).unwrap();
    assert!(!History::open(dir.path(), "shop").may_write && history.file.is_dir());
    disk::remove_tree(&history.file).unwrap();
    disk::write_atomic(&history.file, b"half a fi").unwrap();
    let again = History::open(dir.path(), "shop");
    assert_eq!(again.letters(1, at(begin, 0).unix()), "-");
    assert!(history.file.with_extension("unreadable").exists() && !history.file.exists());
}

#[test]
fn a_kept_sample_of_version_1_is_read() {
    let sample = include_str!("sample-1.history");
    let kept = file::decode(sample.as_bytes()).unwrap();
    assert_eq!(file::encode(&kept), sample);
    assert_eq!((kept.record.peak, kept.outages.0.len()), (30, 1));
}

#[test]
fn a_site_at_rest_is_written_now_and_then_and_takes_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let (history, begin) = (History::open(dir.path(), "shop"), clock::instant());
    history.note(at(begin, 0), Gets::Live, Totals::default());
    history.save(begin).unwrap();
    let hours = |hours: u64| at(begin, hours * 3600);
    for second in 1..3600 {
        history.note(at(begin, second), Gets::Live, Totals::default());
    }
    assert!(!history.is_due(at(begin, 3599).mono) && history.is_due(hours(1).mono) && !history.has_news());
    assert!(history.took.get().is_none() && history.state().kept.minutes.iter().next().is_none());
    // the process stood still: nobody knows what visitors got
    history.note(hours(30), Gets::Live, Totals::default());
    let told = history.last_days(2, hours(30).unix());
    assert_eq!((told.days[0].live_s, told.days[1].live_s), (3599, 0));
    assert!(std::mem::size_of::<History>() < 1024);
}

#[test]
fn a_clock_that_is_set_back_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (history, begin) = (History::new(dir.path(), "shop"), clock::instant());
    for second in 0..600_u64 {
        let mut now = at(begin, second);
        if second > 300 {
            now.wall -= Duration::from_secs(86_400 * 3);
        }
        let gets = if second % 2 == 0 { Gets::Live } else { Gets::Holding };
        history.note(now, gets, totals(second, 0, 0));
    }
    assert!(history.state().kept.is_sound());
    assert_eq!(history.last_days(1, at(begin, 0).unix()).days[0].requests, 300, "believed after a while");
}

#[test]
fn a_clock_that_jumps_ahead_and_back_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (history, begin) = (History::new(dir.path(), "shop"), clock::instant());
    let year = Duration::from_secs(86_400 * 3650);
    for second in 0..=900_u64 {
        let mut now = at(begin, second);
        if (300..600).contains(&second) {
            now.wall += year;
        }
        let gets = if second < 600 { Gets::Live } else { Gets::Copies };
        history.note(now, gets, totals(second, 0, 0));
    }
    let told = history.last_days(1, at(begin, 900).unix());
    let today = &told.days[0];
    assert_eq!((today.live_s, today.copy_s, today.requests), (299, 300, 900), "{today:?}");
    assert_eq!(told.outages.len(), 1);
}

#[test]
fn a_clock_that_was_ahead_for_long_is_set_back_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let (history, begin) = (History::new(dir.path(), "shop"), clock::instant());
    for second in 0..2400_u64 {
        let mut now = at(begin, second);
        if second < 1200 {
            now.wall += Duration::from_secs(86_400 * 3650);
        }
        history.note(now, if second % 2 == 0 { Gets::Live } else { Gets::Partly }, totals(second, 0, 0));
    }
    let now = at(begin, 2400).unix();
    let today = &history.last_days(1, now).days[0];
    assert!(today.live_s + today.partly_s > 500 && today.requests > 500, "{today:?}");
    assert!(history.last_day().minutes.len() < 25 && history.state().kept.is_sound());
    assert!(history.state().kept.outages.0.iter().all(|outage| outage.from <= now));
}

#[test]
fn while_katahai_does_not_run_no_outage_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (history, begin) = (History::open(dir.path(), "shop"), clock::instant());
    (0..=200).for_each(|second| history.note(at(begin, second), Gets::Holding, Totals::default()));
    history.save(at(begin, 200).mono).unwrap();
    let again = History::open(dir.path(), "shop");
    let later = at(begin, 30_000);
    again.note(later, Gets::Unknown, Totals::default());
    let told = again.last_days(2, later.unix());
    assert_eq!(told.outages[0].until.as_deref(), Some("2024-10-04T12:03:20Z"));
}

#[test]
fn what_was_counted_waits_longer_than_what_visitors_get() {
    let dir = tempfile::tempdir().unwrap();
    let (history, begin) = (History::open(dir.path(), "shop"), clock::instant());
    history.note(at(begin, 0), Gets::Live, totals(0, 0, 0));
    history.save(at(begin, 0).mono).unwrap();
    history.note(at(begin, 1), Gets::Live, totals(5, 0, 0));
    assert!(
        !history.is_due(at(begin, 599).mono) && history.is_due(at(begin, 600).mono) && history.has_news()
    );
    history.note(at(begin, 2), Gets::Copies, totals(5, 0, 0));
    assert!(history.is_due(at(begin, 60).mono));
    history.save(at(begin, 60).mono).unwrap();
    history.note(at(begin, 61), Gets::Copies, totals(5, 0, 0));
    assert!(history.is_due(at(begin, 120).mono), "an open outage is written every minute");
}

#[test]
fn a_day_that_has_just_begun_is_as_it_was_so_far() {
    for (seconds, letter) in [
        ([0, 0, 0, 0], "-"),
        ([5, 0, 0, 0], "l"),
        ([0, 0, 0, 5], "h"),
        ([9, 0, 0, 2], "l"),
        ([3000, 0, 59, 0], "l"),
        ([3000, 0, 60, 0], "c"),
        ([3000, 60, 0, 60], "h"),
    ] {
        let history = History::new("/nowhere".as_ref(), "shop");
        let gets = [Gets::Live, Gets::Partly, Gets::Copies, Gets::Holding];
        for (gets, seconds) in gets.into_iter().zip(seconds).filter(|(_, seconds)| *seconds > 0) {
            history.state().kept.days.add(20_000, gets, seconds);
        }
        assert_eq!(history.letters(1, 20_000 * 86_400), letter, "{seconds:?}");
    }
}
