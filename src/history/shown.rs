//! What the API says of a site's history.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::days::{SECONDS, Seconds, Stretch};
use super::gets::Gets;
use super::minutes::Minute;
use super::outages::Outage;
use super::{History, day_of};
use crate::metrics::ServedFrom;

/// `?range=24h`
#[derive(Debug, Serialize)]
pub struct LastDay {
    /// The most requests of a second that there ever were; `None`: nobody has ever come.
    pub record: Option<RecordShown>,
    /// What visitors get now.
    pub gets: &'static str,
    /// The minutes of the last 24 hours in which somebody came, the oldest first.
    pub minutes: Vec<MinuteShown>,
}

/// The record.
#[derive(Debug, Serialize)]
pub struct RecordShown {
    /// Requests in a second.
    pub per_second: u32,
    /// When, RFC 3339.
    pub at: String,
}

/// One minute.
#[derive(Debug, Serialize)]
pub struct MinuteShown {
    /// When it began, RFC 3339.
    pub at: String,
    /// All requests.
    pub requests: u64,
    /// Those of each rung that somebody got.
    pub rungs: BTreeMap<&'static str, u64>,
    /// The most requests of one second.
    pub peak: u32,
    /// Within how many milliseconds half of the live site's answers began.
    pub median_ms: Option<u32>,
    /// The same of 95 in 100.
    pub p95_ms: Option<u32>,
}

/// `?range=90d`
#[derive(Debug, Serialize)]
pub struct LastDays {
    /// The share of the known time in which visitors got the site, live or from copies; `None`: nothing is known.
    pub availability: Option<f64>,
    /// The days, the oldest first and today last.
    pub days: Vec<DayShown>,
    /// The outages in them, the newest first.
    pub outages: Vec<OutageShown>,
}

/// One day (UTC).
#[derive(Debug, Serialize)]
pub struct DayShown {
    /// As `2026-12-01`.
    pub day: String,
    /// What most of it was like.
    pub bar: DayBar,
    /// The share of the known time in which visitors got the site; `None`: nothing is known.
    pub availability: Option<f64>,
    /// How long they got the live site, in seconds.
    pub live_s: u32,
    /// How long they got part of it from copies.
    pub partly_s: u32,
    /// How long they got copies.
    pub copy_s: u32,
    /// How long they got the holding page.
    pub holding_s: u32,
    /// All requests.
    pub requests: u64,
    /// Those of each rung that somebody got.
    pub rungs: BTreeMap<&'static str, u64>,
    /// The most requests of one second.
    pub peak: u32,
    /// Within how many milliseconds half of the live site's answers began.
    pub median_ms: Option<u32>,
    /// The same of 95 in 100.
    pub p95_ms: Option<u32>,
}

/// A day in one letter, for a bar of many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DayBar {
    /// Nothing is known of it.
    Unknown,
    /// The live site, but for less than a minute.
    Live,
    /// Part of the site came from copies for some time.
    Partly,
    /// The site came from copies for some time.
    Copies,
    /// Visitors got the holding page for some time.
    Holding,
}

impl DayBar {
    /// Less than this does not colour a day, in seconds.
    const LEAST: u32 = 60;

    fn of(seconds: Seconds) -> DayBar {
        let all = seconds.iter().copied().fold(0, u32::saturating_add);
        let least = DayBar::LEAST.min(all.div_ceil(2)).max(1); // of a day that has hardly begun, most of it counts
        let [_, partly, copies, holding] = seconds.map(|seconds| seconds >= least);
        match seconds {
            _ if holding => DayBar::Holding,
            _ if copies => DayBar::Copies,
            _ if partly => DayBar::Partly,
            [0, 0, 0, 0] => DayBar::Unknown,
            _ => DayBar::Live,
        }
    }

    /// Its letter.
    fn letter(self) -> char {
        match self {
            DayBar::Unknown => '-',
            DayBar::Live => 'l',
            DayBar::Partly => 'p',
            DayBar::Copies => 'c',
            DayBar::Holding => 'h',
        }
    }
}

/// An outage.
#[derive(Debug, Serialize)]
pub struct OutageShown {
    /// When it began, RFC 3339.
    pub from: String,
    /// When it ended; `None`: it has not.
    pub until: Option<String>,
    /// The least that visitors got.
    pub worst: Gets,
}

impl History {
    /// The last 24 hours.
    pub fn last_day(&self) -> LastDay {
        let state = self.state();
        let record = state.kept.record;
        let record =
            (record.peak > 0).then(|| RecordShown { per_second: record.peak, at: rfc3339(record.at) });
        let minutes = state.kept.minutes.iter().map(minute).collect();
        LastDay { record, gets: state.gets.as_str(), minutes }
    }

    /// The last days until `now`, in seconds since 1970.
    pub fn last_days(&self, days: u32, now: u64) -> LastDays {
        let today = day_of(now);
        let first = (today + 1).saturating_sub(days);
        let state = self.state();
        let days: Vec<DayShown> =
            (first..=today).map(|number| day(number, state.kept.days.get(number))).collect();
        let outages = state.kept.outages.since(u64::from(first) * u64::from(SECONDS), now);
        let sum = days.iter().fold([0_u64; 4], |sum, day| {
            let seconds = [day.live_s, day.partly_s, day.copy_s, day.holding_s];
            std::array::from_fn(|at| sum[at] + u64::from(seconds[at]))
        });
        let shown = |outage: &Outage| OutageShown {
            from: rfc3339(outage.from),
            until: outage.until.map(rfc3339),
            worst: outage.worst,
        };
        LastDays { availability: availability(sum), days, outages: outages.iter().map(shown).collect() }
    }

    /// The last days, a letter each: `-`, or the first one of live, partly, copies, holding.
    pub fn letters(&self, days: u32, now: u64) -> String {
        let today = day_of(now);
        let state = self.state();
        let of = |day| state.kept.days.get(day).map_or(DayBar::Unknown, |day| DayBar::of(day.seconds));
        ((today + 1).saturating_sub(days)..=today).map(|day| of(day).letter()).collect()
    }

    /// The outages of the last days, the newest first.
    pub fn outages(&self, days: u32, now: u64) -> Vec<Outage> {
        let since = now.saturating_sub(u64::from(days) * u64::from(SECONDS));
        self.state().kept.outages.since(since, now)
    }
}

fn minute(minute: &Minute) -> MinuteShown {
    MinuteShown {
        at: rfc3339(u64::from(minute.minute) * 60),
        requests: minute.by_rung.iter().copied().map(u64::from).sum(),
        rungs: rungs(minute.by_rung.map(u64::from)),
        peak: minute.peak,
        median_ms: minute.took.map(|(median, _)| median),
        p95_ms: minute.took.map(|(_, p95)| p95),
    }
}

fn day(number: u32, known: Option<&Stretch>) -> DayShown {
    let seconds = known.map(|known| known.seconds).unwrap_or_default();
    let traffic = known.and_then(|known| known.traffic.as_deref()).copied().unwrap_or_default();
    let [live_s, partly_s, copy_s, holding_s] = seconds;
    DayShown {
        day: rfc3339(u64::from(number) * u64::from(SECONDS)).chars().take(10).collect(),
        bar: DayBar::of(seconds),
        availability: availability(seconds.map(u64::from)),
        live_s,
        partly_s,
        copy_s,
        holding_s,
        requests: traffic.by_rung.iter().sum(),
        rungs: rungs(traffic.by_rung),
        peak: traffic.peak,
        median_ms: traffic.took.map(|(median, _)| median),
        p95_ms: traffic.took.map(|(_, p95)| p95),
    }
}

/// To a ten-thousandth, but never all of what is not all.
fn availability([live, partly, copies, holding]: [u64; 4]) -> Option<f64> {
    let (good, all) = (live + partly + copies, live + partly + copies + holding);
    let share = good as f64 / all as f64;
    (all > 0).then(|| if holding == 0 { 1.0 } else { ((share * 1e4).floor() / 1e4).min(0.9999) })
}

fn rungs(counts: [u64; ServedFrom::ALL.len()]) -> BTreeMap<&'static str, u64> {
    let some = ServedFrom::ALL.iter().zip(counts).filter(|(_, count)| *count > 0);
    some.map(|(rung, count)| (rung.as_str(), count)).collect()
}

fn rfc3339(unix: u64) -> String {
    const LATEST: u64 = 253_402_300_799; // the end of the year 9999
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(unix.min(LATEST))).to_string()
}
