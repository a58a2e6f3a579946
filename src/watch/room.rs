//! When the disk will be full: by how fast its free room went in the last weeks.

use serde::{Deserialize, Serialize};

/// Days of samples that are kept.
pub const DAYS: usize = 28;
/// Days of samples without which nothing is foretold.
const LEAST: usize = 5;
/// What is foretold for later than this is none of today's business.
const SOON: f64 = 14.0;
/// A disk with less than this share free is told whatever its past.
const SHARE: f64 = 0.03;

/// The room on one day: the least of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Days since 1970-01-01.
    pub day: u64,
    /// Bytes free,
    pub free: u64,
    /// of so many.
    pub size: u64,
    /// Files that can still be made,
    pub files_free: u64,
    /// of so many; 0: the file system has no such bound.
    pub files: u64,
}

/// What is running out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Filling {
    /// There is hardly anything left.
    Nearly {
        /// The share that is free.
        share: f64,
        /// Whether it is the number of files.
        of_files: bool,
    },
    /// It will be full in so many days.
    In {
        /// Days.
        days: f64,
        /// Whether it is the number of files.
        of_files: bool,
    },
}

/// Takes in a reading: of each day the least is kept.
pub fn note(samples: &mut Vec<Sample>, reading: Sample) {
    // days that a wrong clock has seen would stop the list until they come
    samples.retain(|sample| sample.day <= reading.day + 1);
    match samples.last_mut().filter(|last| last.day >= reading.day) {
        // a clock that was set back begins no second list
        Some(last) => {
            let least = |a: u64, b: u64| if last.size == reading.size { a.min(b) } else { b };
            let (free, files_free) =
                (least(last.free, reading.free), least(last.files_free, reading.files_free));
            *last = Sample { day: last.day, free, files_free, ..reading };
        }
        None => samples.push(reading),
    }
    let skipped = samples.len().saturating_sub(DAYS);
    samples.drain(..skipped);
}

/// What the samples foretell. `now` is the reading of this moment.
pub fn filling(samples: &[Sample], now: Sample) -> Option<Filling> {
    let bytes = |sample: &Sample| (sample.free as f64, sample.size as f64);
    let files = |sample: &Sample| (sample.files_free as f64, sample.files as f64);
    of(samples, now, bytes, false)
        .or_else(|| (now.files > 0).then(|| of(samples, now, files, true)).flatten())
}

fn of(
    samples: &[Sample],
    now: Sample,
    read: impl Fn(&Sample) -> (f64, f64),
    of_files: bool,
) -> Option<Filling> {
    let (free, size) = read(&now);
    if size <= 0.0 {
        return None;
    }
    if free / size < SHARE {
        return Some(Filling::Nearly { share: free / size, of_files });
    }
    // another disk has another past
    let points: Vec<(f64, f64)> = samples
        .iter()
        .filter(|sample| read(sample).1 == size)
        .map(|sample| (sample.day as f64, read(sample).0))
        .collect();
    if points.len() < LEAST {
        return None;
    }
    let mut slopes: Vec<f64> = Vec::new();
    for (at, one) in points.iter().enumerate() {
        slopes.extend(points[at + 1..].iter().map(|other| (other.1 - one.1) / (other.0 - one.0)));
    }
    let a_day = -super::trend::median(&mut slopes)?;
    let days = free / a_day;
    (a_day > 0.0 && days < SOON).then_some(Filling::In { days, of_files })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1000;

    fn sample(day: u64, free: u64) -> Sample {
        Sample { day, free, size: SIZE, files_free: 500, files: 1000 }
    }

    fn told(free: &[u64]) -> Option<f64> {
        let samples: Vec<Sample> = (0..).zip(free).map(|(day, free)| sample(day, *free)).collect();
        match filling(&samples, *samples.last().unwrap()) {
            Some(Filling::In { days, .. }) => Some(days),
            Some(Filling::Nearly { .. }) => Some(0.0),
            None => None,
        }
    }

    #[test]
    fn the_day_on_which_it_is_full_is_foretold() {
        assert_eq!(told(&[600, 560, 520, 480, 440]), Some(11.0));
        assert_eq!(told(&[600, 560, 520, 480]), None, "too little is known");
        assert_eq!(told(&[600, 599, 598, 597, 596]), None, "in two years");
        assert_eq!(told(&[500, 500, 500, 500, 500]), None);
        assert_eq!(told(&[400, 450, 500, 550, 600]), None, "it empties");
        assert_eq!(told(&[600, 590, 580, 570, 300]), None, "one odd day is no trend");
        assert_eq!(told(&[500, 20]), Some(0.0), "hardly anything left");
    }

    #[test]
    fn files_may_run_out_before_bytes() {
        let now = Sample { files_free: 10, ..sample(1, 900) };
        assert_eq!(filling(&[], now), Some(Filling::Nearly { share: 0.01, of_files: true }));
        assert_eq!(filling(&[], Sample { files_free: 0, files: 0, ..now }), None, "without such a bound");
    }

    #[test]
    fn of_each_day_the_least_is_kept_and_no_more_than_some_weeks() {
        let mut samples = Vec::new();
        for day in 0..40 {
            note(&mut samples, sample(day, 500));
            note(&mut samples, sample(day, 400));
            note(&mut samples, sample(day, 450));
        }
        assert_eq!((samples.len(), samples[0], samples[DAYS - 1]), (DAYS, sample(12, 400), sample(39, 400)));
        note(&mut samples, sample(38, 300));
        assert_eq!(samples[DAYS - 1], sample(39, 300), "a clock set back");
        note(&mut samples, sample(4000, 200));
        note(&mut samples, sample(40, 350));
        assert_eq!(samples[DAYS - 2..], [sample(39, 300), sample(40, 350)], "a clock once years ahead");
    }
}
