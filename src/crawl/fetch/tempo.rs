//! How fast requests may follow each other, by the site's own reactions. Pure: observations and `now` in, the next turn out.
//!
//! Two controls, as in TCP's congestion control: how many requests are in flight at once (halved when the time to the first
//! byte rises well above the site's usual one, or on errors; one more after a while without trouble), and the time between
//! two requests (doubled on a 429, shortened slowly afterwards). Neither exceeds what the owner allows, and neither brings
//! the crawl to a standstill.

use std::time::{Duration, Instant};

/// Requests at once where the rate is bounded.
const WIDTH_BOUNDED: usize = 4;
/// Requests at once where it is not.
const WIDTH: usize = 8;
/// Answers by which the time to the first byte is judged: their median.
const EPOCH: usize = 8;
/// A median beyond twice the usual one plus this is slow. Anything less may be noise of our own machine.
const SLACK: Duration = Duration::from_millis(50);
/// Good answers in a row after which the next request may come a little sooner.
const STEADY: u32 = 16;
/// The same if the site has refused that speed before.
const WARY: u32 = 160;
/// Errors in a row that count as trouble. A few broken pages do not.
const STRAIN: u32 = 6;
/// The first time between two requests after a 429; it doubles from there.
const FIRST_GAP: Duration = Duration::from_millis(50);
/// The longest time between two requests: the crawl goes on, however slowly.
const MAX_GAP: Duration = Duration::from_secs(30);
/// The longest `Crawl-delay` that is honoured; more would keep a site of a thousand pages from ever being copied.
const MAX_DELAY: Duration = Duration::from_secs(60);
/// The longest wait that one Retry-After can cause.
const MAX_HOLD: Duration = Duration::from_secs(600);
/// How much longer than everything else all waits of a crawl may take together.
const FREE_HOLD: Duration = Duration::from_secs(1800);

/// The kind of request: an application's pages and its files take different times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResourceKind {
    /// A page, or something else of which nothing is known.
    Page,
    /// A file that pages need to be drawn.
    Asset,
}

/// What one answer says about the state of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// An answer; the time to its first byte.
    Good(Duration),
    /// A status that speaks of trouble, or no answer in time.
    Strained,
    /// Too many requests; how long the site wants a pause.
    Refused(Option<Duration>),
}

/// Whether a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Yes; it counts as sent.
    Now,
    /// Not before then.
    At(Instant),
    /// Not before another one is over.
    Full,
}

/// What was done about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ThrottleCounts {
    /// How often the crawl has slowed down.
    pub(crate) slowdowns: u64,
    /// Answers that said that there were too many requests.
    pub(crate) refused: u64,
    /// How long the crawl paused because the site asked it to.
    pub(crate) held: Duration,
}

/// The tempo of one crawl.
#[derive(Debug)]
pub(crate) struct Tempo {
    most: usize,
    least_gap: Duration,
    width: usize,
    gap: Duration,
    under_way: usize,
    /// Until the first trouble the width doubles, then it grows by one.
    climbing: bool,
    /// What was asked before this says nothing about the tempo since.
    changed: Instant,
    began: Instant,
    last: Option<Instant>,
    /// The usual recent time between two requests.
    spacing: Duration,
    hold: Option<Instant>,
    strain: u32,
    good: u32,
    /// The gap at which the site refused last.
    refused_at: Duration,
    pages: Gauge,
    assets: Gauge,
    tally: ThrottleCounts,
}

impl Tempo {
    /// The beginning of a crawl. `rate` in requests per second; `None`: as fast as the site answers.
    pub(crate) fn new(rate: Option<f64>, now: Instant) -> Tempo {
        // A millisecond is beyond what one origin can take from one crawler; a day ends all patience.
        let day = Duration::from_secs(86_400);
        let gap = rate.map_or(Duration::ZERO, |rate| {
            Duration::try_from_secs_f64(1.0 / rate).unwrap_or(day).clamp(Duration::from_millis(1), day)
        });
        Tempo {
            most: if rate.is_some() { WIDTH_BOUNDED } else { WIDTH },
            least_gap: gap,
            width: 1,
            gap,
            under_way: 0,
            climbing: true,
            changed: now,
            began: now,
            last: None,
            spacing: gap,
            hold: None,
            strain: 0,
            good: 0,
            refused_at: Duration::ZERO,
            pages: Gauge::default(),
            assets: Gauge::default(),
            tally: ThrottleCounts::default(),
        }
    }

    /// The site's own word about the time between two requests (`Crawl-delay`): the slower of it and the owner's rate
    /// holds, one request at a time.
    pub(crate) fn delay(&mut self, delay: Duration) {
        let delay = delay.min(MAX_DELAY);
        if delay > self.least_gap {
            self.least_gap = delay;
            self.gap = self.gap.max(delay);
            (self.most, self.width) = (1, 1);
        }
    }

    /// The most requests in flight at once, ever.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// The most requests in flight now.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The shortest time between two requests now.
    pub(crate) fn gap(&self) -> Duration {
        self.gap
    }

    /// Until when the crawl pauses because the site asked it to.
    pub(crate) fn held_until(&self, now: Instant) -> Option<Instant> {
        self.hold.filter(|until| *until > now)
    }

    /// What has happened so far.
    pub(crate) fn tally(&self) -> ThrottleCounts {
        self.tally
    }

    /// Asks whether a request may be sent.
    pub(crate) fn turn(&mut self, now: Instant) -> Turn {
        let due = self.last.map_or(now, |last| last + self.gap);
        let due = self.hold.map_or(due, |hold| due.max(hold));
        if due > now {
            return Turn::At(due);
        }
        if self.under_way >= self.width {
            return Turn::Full;
        }
        // A timer that rings a little late must not slow the whole crawl down; a long pause must not bring a bunch.
        let sent = if now - due <= Duration::from_millis(5) { due } else { now };
        if let Some(last) = self.last {
            let gap = sent.saturating_duration_since(last).min(MAX_GAP);
            self.spacing = (self.spacing * 7 + gap) / 8;
        }
        self.last = Some(sent);
        self.under_way += 1;
        Turn::Now
    }

    /// A request is over: its body has come, or it never will.
    pub(crate) fn over(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Records an answer to what was asked at `asked`.
    pub(crate) fn saw(&mut self, kind: ResourceKind, sign: Sign, asked: Instant, now: Instant) {
        if let Sign::Refused(after) = sign {
            self.tally.refused += 1;
            self.hold_back(after, now);
        }
        // Sent before the last slow-down: that one was for this.
        if asked < self.changed {
            return;
        }
        match sign {
            Sign::Refused(_) => {
                self.refused_at = self.gap.max(self.spacing);
                self.stretch();
                self.slow_down(now);
            }
            Sign::Strained => {
                self.strain += 2;
                if self.strain >= STRAIN {
                    if self.width == 1 {
                        self.stretch();
                    }
                    self.slow_down(now);
                }
            }
            Sign::Good(took) => self.good(kind, took, now),
        }
    }

    fn good(&mut self, kind: ResourceKind, took: Duration, now: Instant) {
        self.strain = self.strain.saturating_sub(1);
        self.good += 1;
        let shorter = if self.gap > FIRST_GAP { self.gap * 4 / 5 } else { Duration::ZERO };
        let shorter = shorter.max(self.least_gap);
        let wanted = if shorter < self.refused_at { WARY } else { STEADY };
        if self.gap > self.least_gap && self.good >= wanted {
            (self.gap, self.good) = (shorter, 0);
        }
        let gauge = match kind {
            ResourceKind::Page => &mut self.pages,
            ResourceKind::Asset => &mut self.assets,
        };
        match gauge.add(took, self.width == 1) {
            None => {}
            Some(Felt::Typical) if self.climbing => self.width = (self.width * 2).min(self.most),
            Some(Felt::Typical) => self.width = (self.width + 1).min(self.most),
            Some(Felt::Slow) if self.width > 1 => self.slow_down(now),
            // One at a time is as little as there is.
            Some(Felt::Slow) => {}
        }
    }

    fn slow_down(&mut self, now: Instant) {
        self.width = (self.width / 2).max(1);
        self.climbing = false;
        self.changed = now;
        (self.strain, self.good) = (0, 0);
        self.pages.clear();
        self.assets.clear();
        self.tally.slowdowns += 1;
    }

    /// Increases the time between two requests beyond the recent one.
    fn stretch(&mut self) {
        let most = MAX_GAP.max(self.least_gap);
        self.gap = (self.gap.max(self.spacing) * 2).max(FIRST_GAP).min(most).max(self.least_gap);
    }

    /// Pauses for as long as the site asks, within bounds: one address that always says 429 must not end the crawl.
    fn hold_back(&mut self, after: Option<Duration>, now: Instant) {
        let Some(after) = after else { return };
        let elapsed = now.saturating_duration_since(self.began);
        let allowed = (FREE_HOLD + elapsed).saturating_sub(self.tally.held * 2);
        let from = self.held_until(now).unwrap_or(now);
        let until = (now + after.min(MAX_HOLD)).min(from + allowed);
        if until > from {
            self.tally.held += until - from;
            self.hold = Some(until);
        }
    }
}

/// The result of an epoch of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Felt {
    Typical,
    Slow,
}

/// The times to the first byte of one kind of answers.
#[derive(Debug, Default)]
struct Gauge {
    times: [Duration; EPOCH],
    len: usize,
    /// The median of the quickest epoch, as a rule.
    typical: Option<Duration>,
}

impl Gauge {
    /// `alone`: no other request was under way, so that the time is the site's own, whatever it is: a site that has
    /// become slow for reasons of its own is not slowed down further for ever.
    fn add(&mut self, took: Duration, alone: bool) -> Option<Felt> {
        self.times[self.len] = took;
        self.len += 1;
        if self.len < EPOCH {
            return None;
        }
        self.len = 0;
        self.times.sort_unstable();
        let median = self.times[EPOCH / 2];
        let typical = self.typical.get_or_insert(median);
        *typical = (*typical).min(median);
        let slow = median > *typical * 2 + SLACK;
        if slow && alone {
            *typical += (median - *typical) / 4;
        }
        Some(if slow { Felt::Slow } else { Felt::Typical })
    }

    fn clear(&mut self) {
        self.len = 0;
    }
}
