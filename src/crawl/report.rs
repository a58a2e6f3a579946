//! What a crawl has done: counts, refusals with their reasons, errors, the slowest. Kept beside the snapshot.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::admission::Refusal;
use super::progress::Reading;

/// Addresses listed for one reason.
const EXAMPLES: usize = 100;
/// Links that lead nowhere: the list that owners love to have.
const BROKEN_LINKS: usize = 2000;
/// Files listed that could not be had.
const ERRORS: usize = 500;
/// The slowest answers listed.
const SLOWEST: usize = 20;

/// The report of one crawl.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The site's name.
    pub site: String,
    /// When it began, in seconds since the epoch.
    pub started_at: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Counts of what was stored, refused and missed.
    #[serde(flatten)]
    pub counts: Reading,
    /// What was not fetched or not stored, by the code of its reason.
    pub refusals: BTreeMap<&'static str, Refused>,
    /// Files that could not be had, the first of them.
    pub failures: Vec<Failed>,
    /// The slowest answers, slowest first.
    pub slowest: Vec<Slow>,
    /// What `robots.txt` was like: `found`, `none`, or `unreadable` (then nothing but what the owner asked for
    /// was fetched).
    pub robots: &'static str,
}

/// One reason and what it struck.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Refused {
    /// What the reason means.
    pub meaning: &'static str,
    /// How many addresses.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

/// An address and the page that leads to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// The key.
    pub path: String,
    /// Where it was found.
    pub found_on: Option<String>,
}

/// A file that could not be had.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failed {
    /// The key.
    pub path: String,
    /// Where it was found.
    pub found_on: Option<String>,
    /// The code of the cause.
    pub cause: &'static str,
    /// The last attempt's error.
    pub detail: String,
}

/// A slow answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slow {
    /// The key.
    pub path: String,
    /// From the request to the last byte, in milliseconds.
    pub ms: u64,
}

impl Report {
    /// Notes an address that was not fetched or not stored.
    pub(super) fn refuse(&mut self, refusal: Refusal, path: &str, found_on: Option<&str>) {
        let refused = self.refusals.entry(refusal.code()).or_default();
        refused.meaning = refusal.sentence();
        refused.count += 1;
        let room = if refusal == Refusal::NotFound { BROKEN_LINKS } else { EXAMPLES };
        if refused.examples.len() < room {
            refused.examples.push(Example { path: path.to_owned(), found_on: found_on.map(str::to_owned) });
        }
    }

    /// Notes a file that could not be had.
    pub(super) fn fail(&mut self, failed: Failed) {
        if self.failures.len() < ERRORS {
            self.failures.push(failed);
        }
    }

    /// Notes how long an answer took.
    pub(super) fn took(&mut self, path: &str, took: Duration) {
        let ms = took.as_millis() as u64;
        if self.slowest.len() == SLOWEST && self.slowest.last().is_some_and(|last| last.ms >= ms) {
            return;
        }
        let at = self.slowest.partition_point(|slow| slow.ms >= ms);
        self.slowest.insert(at, Slow { path: path.to_owned(), ms });
        self.slowest.truncate(SLOWEST);
    }

    /// The report as the file beside the snapshot.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_are_kept_in_order() {
        let mut report = Report::default();
        for i in 0..100u64 {
            report.took(&format!("/{i}"), Duration::from_millis(i * 37 % 101));
        }
        let times: Vec<u64> = report.slowest.iter().map(|slow| slow.ms).collect();
        assert_eq!(times, (81..=100).rev().collect::<Vec<_>>());
    }

    #[test]
    fn lists_are_bounded_and_counts_are_not() {
        let mut report = Report::default();
        for i in 0..5000 {
            report.refuse(Refusal::NotFound, &format!("/{i}"), Some("/"));
            report.refuse(Refusal::Robots, &format!("/{i}"), None);
            let failed = Failed { path: "/".into(), found_on: None, cause: "silent", detail: String::new() };
            report.fail(failed);
        }
        assert_eq!(report.refusals["not-found"].examples.len(), BROKEN_LINKS);
        assert_eq!(
            (report.refusals["robots"].count, report.refusals["robots"].examples.len()),
            (5000, EXAMPLES)
        );
        assert_eq!(report.failures.len(), ERRORS);
        let json: serde_json::Value = serde_json::from_slice(&report.to_json()).unwrap();
        assert_eq!(json["refusals"]["robots"]["count"], 5000);
        assert_eq!(json["pages"], 0);
    }
}
