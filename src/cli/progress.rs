//! The progress of a crawl, for whoever waits for it: a bar on a terminal, a line every few seconds elsewhere.

use std::collections::VecDeque;
use std::time::{Duration, Instant, UNIX_EPOCH};

use serde_json::Value;

use crate::clock;
use crate::snapshot::rfc3339;

/// The rate is that of this last time.
const WINDOW: Duration = Duration::from_secs(20);
/// Samples closer than this say nothing about a rate.
const SHORT: Duration = Duration::from_millis(500);
/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// The counters of a crawl that are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    pages: u64,
    assets: u64,
    redirects: u64,
    bytes: u64,
    refused: u64,
    errors: u64,
    /// Queued or under way.
    waiting: u64,
    /// Until when the site has asked for patience, in seconds since the epoch; 0: it has not.
    held_until: u64,
}

impl Counters {
    fn of(value: &Value) -> Counters {
        let count = |key: &str| value[key].as_u64().unwrap_or(0);
        Counters {
            pages: count("pages"),
            assets: count("assets"),
            redirects: count("redirects"),
            bytes: count("bytes"),
            refused: count("refused"),
            errors: count("errors"),
            waiting: count("queued") + count("under_way"),
            held_until: count("held_until"),
        }
    }

    fn stored(&self) -> u64 {
        self.pages + self.assets + self.redirects
    }

    fn done(&self) -> u64 {
        self.stored() + self.refused + self.errors
    }
}

/// What is still to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// About as many addresses as the snapshot in service has more.
    About(u64),
    /// What waits, and whatever that leads to.
    AtLeast(u64),
}

/// What waits is certain; beyond that, as much as the snapshot in service has is to be expected. Without one, or past
/// it, every page may lead to more.
fn rest(counters: &Counters, expected: u64) -> Rest {
    let missing = expected.saturating_sub(counters.stored());
    if missing == 0 { Rest::AtLeast(counters.waiting) } else { Rest::About(missing.max(counters.waiting)) }
}

/// Addresses a second, over the last seconds.
#[derive(Debug, Default)]
struct Pace(VecDeque<(Instant, u64)>);

impl Pace {
    /// `None` until enough was seen. A count that went back is that of a crawl that began anew.
    fn note(&mut self, now: Instant, done: u64) -> Option<f64> {
        if self.0.back().is_some_and(|(_, before)| *before > done) {
            self.0.clear();
        }
        self.0.push_back((now, done));
        while self.0.len() > 2
            && self.0.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > WINDOW)
        {
            self.0.pop_front();
        }
        let (at, first) = *self.0.front()?;
        let elapsed = now.saturating_duration_since(at);
        (elapsed >= SHORT).then(|| (done - first) as f64 / elapsed.as_secs_f64())
    }
}

fn words(counters: &Counters, rate: Option<f64>, rest: Rest) -> String {
    let bytes = bytesize::ByteSize(counters.bytes);
    let mut text = format!(
        "{} pages, {} other files, {bytes}, {} errors, {} waiting",
        counters.pages, counters.assets, counters.errors, counters.waiting
    );
    if let Some(rate) = rate {
        text.push_str(&format!(", {rate:.1}/s"));
    }
    match rate.filter(|rate| *rate > 0.0) {
        Some(rate) => {
            let (word, left) = match rest {
                Rest::About(left) => ("about", left),
                Rest::AtLeast(left) => ("at least", left),
            };
            let seconds = (left as f64 / rate).ceil().clamp(0.0, 1e9) as u64;
            let left = humantime::format_duration(Duration::from_secs(seconds));
            text.push_str(&format!(", {word} {left} left"));
        }
        None => text.push_str(", time left not known yet"),
    }
    if counters.held_until > 0 {
        let until = rfc3339(UNIX_EPOCH + Duration::from_secs(counters.held_until));
        text.push_str(&format!(", pausing until {until}: the site asks for patience"));
    }
    text
}

/// Shows one crawl.
pub(super) struct CrawlProgress {
    bar: Option<indicatif::ProgressBar>,
    expected: u64,
    pace: Pace,
    last: Instant,
}

impl CrawlProgress {
    /// `expected`: how many addresses the snapshot in service has; 0 without one.
    pub(super) fn new(expected: u64) -> CrawlProgress {
        use std::io::IsTerminal;
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = indicatif::ProgressBar::new(0);
            let style = indicatif::ProgressStyle::with_template("{wide_bar} {percent}%\n{msg}");
            bar.set_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()));
            bar
        });
        CrawlProgress { bar, expected, pace: Pace::default(), last: clock::instant() }
    }

    /// Shows these counters: a running crawl as the API tells it.
    #[expect(clippy::print_stderr, reason = "progress goes where it does not mix with the result")]
    pub(super) fn show(&mut self, counters: &Value) {
        let (counters, now) = (Counters::of(counters), clock::instant());
        let rate = self.pace.note(now, counters.done());
        let rest = rest(&counters, self.expected);
        let text = words(&counters, rate, rest);
        if let Some(bar) = &self.bar {
            let (Rest::About(left) | Rest::AtLeast(left)) = rest;
            bar.set_length((counters.done() + left).max(1));
            bar.set_position(counters.done());
            bar.set_message(text);
        } else if now.saturating_duration_since(self.last) >= LINE {
            self.last = now;
            eprintln!("{text}");
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(pages: u64, waiting: u64) -> Counters {
        Counters { pages, waiting, refused: 5, ..Counters::default() }
    }

    #[test]
    fn what_is_left_is_a_guess_only_with_something_to_go_by() {
        for (pages, waiting, expected, left) in [
            (0, 1, 0, Rest::AtLeast(1)),
            (40, 10, 0, Rest::AtLeast(10)),
            (40, 10, 100, Rest::About(60)),
            (40, 90, 100, Rest::About(90)),
            (100, 7, 100, Rest::AtLeast(7)),
            (120, 7, 100, Rest::AtLeast(7)),
        ] {
            assert_eq!(rest(&counters(pages, waiting), expected), left, "{pages} {waiting} {expected}");
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let (start, mut pace) = (clock::instant(), Pace::default());
        let at = |s: u64| start + Duration::from_secs(s);
        assert_eq!(pace.note(start, 0), None);
        assert_eq!(pace.note(start + Duration::from_millis(100), 50), None);
        assert_eq!(pace.note(at(10), 100), Some(10.0));
        assert_eq!(pace.note(at(20), 100), Some(5.0));
        assert_eq!(pace.note(at(40), 100), Some(0.0), "what is older does not count");
        assert_eq!(pace.note(at(41), 3), None, "a crawl that began anew");
        assert_eq!(pace.note(at(42), 4), Some(1.0));
    }

    #[test]
    fn a_line_says_all_of_it() {
        let some = Counters { assets: 2, bytes: 2048, errors: 1, ..counters(40, 10) };
        assert_eq!(
            words(&some, Some(2.0), Rest::About(150)),
            "40 pages, 2 other files, 2.0 KiB, 1 errors, 10 waiting, 2.0/s, about 1m 15s left"
        );
        assert!(words(&some, Some(2.0), Rest::AtLeast(10)).ends_with("2.0/s, at least 5s left"));
        assert!(words(&some, Some(0.0), Rest::AtLeast(10)).ends_with("0.0/s, time left not known yet"));
        assert!(words(&some, None, Rest::AtLeast(10)).ends_with("10 waiting, time left not known yet"));
        let held = words(&Counters { held_until: 1_795_137_214, ..some }, None, Rest::AtLeast(10));
        assert!(held.ends_with("pausing until 2026-11-20T01:13:34Z: the site asks for patience"), "{held}");
    }
}
