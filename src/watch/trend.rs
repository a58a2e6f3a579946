//! Whether a site's origins do worse than they did: each day beside their own month, by medians, so that one bad day neither
//! raises an alarm nor spoils what is usual.

use serde::{Deserialize, Serialize};

use crate::origin::Tallied;

/// Days that are kept: the ones that are judged, and a month before them.
pub const DAYS: usize = 34;
/// Days in a row that must be worse,
const WORSE: usize = 3;
/// none of them longer ago than this many days: a site may be quiet on some between.
const LATELY: u64 = 5;
/// Days before them without which nothing is usual.
const LEAST: usize = 7;
/// Answers without which a day says nothing.
const ANSWERS: u64 = 50;
/// So many times as long as usual,
const TIMES: f64 = 2.0;
/// and longer by at least this many milliseconds: 4 ms instead of 2 harm nobody.
const MORE_MS: f64 = 100.0;
/// A share of failures that is worth a word, whatever was usual.
const SHARE: f64 = 0.02;
/// Deviations from the median that are no chance (MAD, scaled to a standard deviation).
const DEVIATIONS: f64 = 5.0;
const SCALE: f64 = 1.4826;

/// How a day was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Day {
    /// Days since 1970-01-01.
    pub day: u64,
    /// Pages that the origins answered.
    pub answers: u64,
    /// Answers that were not the site's.
    pub bad: u64,
    /// The median of the times to the first byte, in milliseconds,
    pub median_ms: f64,
    /// and what 95 % stay below.
    pub p95_ms: f64,
    /// The share of what visitors asked for that the snapshot could have answered.
    #[serde(default)]
    pub coverage: Option<f64>,
}

impl Day {
    fn share(&self) -> f64 {
        self.bad as f64 / ((self.answers + self.bad).max(1)) as f64
    }
}

/// What has become worse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Worse {
    /// Answers take longer, in milliseconds.
    Slower {
        /// What was usual.
        usual: f64,
        /// The least of the last days.
        now: f64,
    },
    /// More of them fail.
    Failing {
        /// The share that was usual.
        usual: f64,
        /// The least of the last days.
        now: f64,
    },
}

/// What the days that were finished before `today` say, the oldest first.
pub fn worse(days: &[Day], today: u64) -> Option<Worse> {
    let telling: Vec<&Day> =
        days.iter().filter(|day| day.day < today && day.answers + day.bad >= ANSWERS).collect();
    let (before, last) = telling.split_at(telling.len().checked_sub(WORSE)?);
    if before.len() < LEAST || last.first()?.day + LATELY < today {
        return None;
    }
    let of = |value: &dyn Fn(&Day) -> f64| {
        let now = last.iter().map(|day| value(day)).fold(f64::INFINITY, f64::min);
        let mut usual: Vec<f64> = before.iter().map(|day| value(day)).collect();
        let middle = median(&mut usual)?;
        let mut away: Vec<f64> = usual.iter().map(|one| (one - middle).abs()).collect();
        Some((middle, now, middle + DEVIATIONS * SCALE * median(&mut away)?))
    };
    let (usual, now, chance) = of(&Day::share)?;
    if now > SHARE && now > TIMES * usual && now > chance {
        return Some(Worse::Failing { usual, now });
    }
    let (usual, now, chance) = of(&|day| day.median_ms)?;
    let is_slower = now > TIMES * usual && now > usual + MORE_MS && now > chance;
    is_slower.then_some(Worse::Slower { usual, now })
}

/// The middle of these; `None` if there are none.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}

/// A site's days, and the times of the last one, of which the median is made anew with each page: the mean of the medians of
/// minutes is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DayBook {
    /// The days, the oldest first.
    pub days: Vec<Day>,
    times: Tallied,
}

impl DayBook {
    /// Takes in what was counted since the last call, on this day.
    pub fn note(&mut self, day: u64, more: &Tallied, coverage: Option<f64>) {
        // days that a wrong clock has seen would stop the list until they come
        self.days.retain(|kept| kept.day <= day + 1);
        // a clock that was set back a little begins no second list
        if self.days.last().is_none_or(|last| last.day < day) {
            self.days.push(Day { day, ..Day::default() });
            self.times = Tallied::default();
        }
        self.times.add(more);
        if let Some(last) = self.days.last_mut() {
            last.answers += more.answers();
            last.bad += more.bad;
            last.coverage = coverage.or(last.coverage);
            (last.median_ms, last.p95_ms) = (self.times.quantile_ms(0.5), self.times.quantile_ms(0.95));
        }
        let skipped = self.days.len().saturating_sub(DAYS);
        self.days.drain(..skipped);
    }
}

/// The share of coverage below which it is told, and how far it may fall from what was usual.
const COVERED: f64 = 0.9;
const FALL: f64 = 0.1;

/// What the coverage was usually, if it has fallen below that, or the bound, if it is below.
pub fn uncovered(days: &[Day], now: f64) -> Option<f64> {
    if now < COVERED {
        return Some(COVERED);
    }
    let mut usual: Vec<f64> = days.iter().filter_map(|day| day.coverage).collect();
    let usual = (usual.len() >= LEAST).then(|| median(&mut usual)).flatten()?;
    (now < usual - FALL).then_some(usual)
}

/// The days as they are kept.
#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    days: Vec<Day>,
    /// The counts of the last day's times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    times: Vec<u64>,
}

const VERSION: u32 = 1;

/// As they are written to the disk.
pub fn encode(book: &DayBook) -> Vec<u8> {
    let times = book.times.counts();
    let used = times.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
    let file = File { version: VERSION, days: book.days.clone(), times: times[..used].to_vec() };
    serde_json::to_vec(&file).unwrap_or_default()
}

/// Reads them back.
///
/// # Errors
/// In words, if that is not what was written, or a later version has written it.
pub fn decode(bytes: &[u8]) -> Result<DayBook, String> {
    let mut file: File = serde_json::from_slice(bytes).map_err(|error| format!("it is damaged: {error}"))?;
    if file.version > VERSION {
        return Err("it is of a later version".to_owned());
    }
    file.days.truncate(DAYS);
    Ok(DayBook { days: file.days, times: Tallied::of_counts(&file.times) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the days say on the day after them.
    fn worse(days: &[Day]) -> Option<Worse> {
        super::worse(days, days.last().map_or(0, |day| day.day + 1))
    }

    /// A month of usual days with a little noise, and what follows.
    fn month(then: &[(f64, u64)]) -> Vec<Day> {
        let usual = (0..28).map(|n| (200.0 + f64::from(n % 5) * 4.0, u64::try_from(n % 2).unwrap()));
        let all = usual.chain(then.iter().copied());
        (0..)
            .zip(all)
            .map(|(day, (median_ms, bad))| Day { day, answers: 1000, bad, median_ms, ..Day::default() })
            .collect()
    }

    #[test]
    fn three_days_twice_as_slow_are_told_and_fewer_are_not() {
        assert_eq!(worse(&month(&[])), None);
        assert_eq!(worse(&month(&[(900.0, 0), (900.0, 0)])), None, "two days");
        assert_eq!(worse(&month(&[(900.0, 0), (210.0, 0), (900.0, 0)])), None, "not in a row");
        assert_eq!(worse(&month(&[(380.0, 0); 3])), None, "less than twice");
        let told = worse(&month(&[(900.0, 0), (600.0, 0), (700.0, 0)]));
        assert_eq!(told, Some(Worse::Slower { usual: 208.0, now: 600.0 }));
        let tiny: Vec<Day> = month(&[(900.0, 0); 3])
            .into_iter()
            .map(|day| Day { median_ms: day.median_ms / 100.0, ..day })
            .collect();
        assert_eq!(worse(&tiny), None, "9 ms instead of 2");
    }

    #[test]
    fn failures_are_told_when_they_are_many_and_new() {
        assert!(matches!(worse(&month(&[(200.0, 50); 3])), Some(Worse::Failing { .. })));
        assert_eq!(worse(&month(&[(200.0, 15); 3])), None, "below 2 %");
        let always: Vec<Day> = month(&[]).into_iter().map(|day| Day { bad: 100, ..day }).collect();
        assert_eq!(worse(&always), None, "a site that always fails that often does not get worse");
    }

    #[test]
    fn little_is_not_enough() {
        let few: Vec<Day> =
            month(&[(900.0, 0); 3]).into_iter().map(|day| Day { answers: 20, bad: 0, ..day }).collect();
        assert_eq!(worse(&few), None);
        assert_eq!(worse(&month(&[(900.0, 0); 3])[20..]), Some(Worse::Slower { usual: 206.0, now: 900.0 }));
        assert_eq!(worse(&month(&[(900.0, 0); 3])[22..]), None, "a week of what is usual at least");
        assert_eq!(worse(&[]), None);
    }

    #[test]
    fn days_that_are_long_ago_or_far_apart_say_nothing() {
        let mut days = month(&[(900.0, 0); 3]);
        assert!(super::worse(&days, 33).is_some());
        assert_eq!(super::worse(&days, 34), None, "nobody has come since");
        days.iter_mut().take(29).for_each(|day| day.day -= day.day.min(3));
        assert_eq!(super::worse(&days, 31), None, "not in a row");
        assert_eq!(super::worse(&days, 30), None, "the last one is not over");
    }

    #[test]
    fn the_median_of_a_day_is_that_of_all_of_its_pages() {
        let counted = |times: &[(usize, u64)]| {
            let mut counts = [0; 68];
            times.iter().for_each(|(step, count)| counts[*step] = *count);
            Tallied::of_counts(&counts)
        };
        let mut book = DayBook::default();
        // two quick pages a minute, and now and then a minute with one slow page
        for minute in 0..90 {
            let more = if minute % 3 == 0 { counted(&[(48, 1)]) } else { counted(&[(20, 2)]) };
            book.note(7, &more, None);
        }
        let quick = counted(&[(20, 1)]).quantile_ms(0.5);
        assert_eq!((book.days[0].answers, book.days[0].median_ms), (150, quick), "no mean");
        let mut read = decode(&encode(&book)).unwrap();
        assert_eq!(read, book, "over a restart");
        read.note(7, &counted(&[(48, 200)]), Some(0.5));
        assert_eq!(read.days[0].median_ms, counted(&[(48, 1)]).quantile_ms(0.5));
        read.note(7, &Tallied::default(), None);
        assert_eq!(read.days[0].coverage, Some(0.5), "nothing new is known");
    }

    #[test]
    fn no_more_than_a_month_is_kept_and_no_day_to_come() {
        let mut book = DayBook::default();
        (2..60).for_each(|day| book.note(day, &Tallied::default(), None));
        assert_eq!((book.days.len(), book.days[0].day), (DAYS, 26));
        book.note(58, &Tallied::default(), None);
        assert_eq!(book.days.last().map(|day| day.day), Some(59), "a clock set back");
        book.note(4000, &Tallied::default(), None);
        book.note(60, &Tallied::default(), None);
        assert_eq!(book.days.last().map(|day| day.day), Some(60), "a clock once years ahead");
    }

    #[test]
    fn coverage_is_low_or_lower_than_it_was() {
        let days: Vec<Day> = (0..9).map(|day| Day { day, coverage: Some(1.0), ..Day::default() }).collect();
        assert_eq!(uncovered(&days, 0.99), None);
        assert_eq!(uncovered(&[], 0.95), None);
        assert_eq!(uncovered(&days, 0.89), Some(0.9));
        let days: Vec<Day> = days.into_iter().map(|day| Day { coverage: Some(1.02), ..day }).collect();
        assert_eq!(uncovered(&days, 0.91), Some(1.02));
    }

    #[test]
    fn the_first_version_is_read_for_ever() {
        let kept = br#"{"version":1,"days":[{"day":20788,"answers":120,"bad":1,"median_ms":210.5,"p95_ms":600.0,"coverage":null}]}"#;
        let day = Day { day: 20_788, answers: 120, bad: 1, median_ms: 210.5, p95_ms: 600.0, coverage: None };
        let book = decode(kept).unwrap();
        assert_eq!(book.days, [day]);
        assert_eq!(encode(&book), kept);
        assert!(decode(b"{\"version\":2,\"days\":[]}").is_err() && decode(b"").is_err());
    }
}
