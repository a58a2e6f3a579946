//! One thing that may be told: whether it holds, since when, and how often it has come and gone.

use serde::{Deserialize, Serialize};

use super::{CALM, FLAPS, HOUR, SLOW_FLAPS};
use crate::alert::format::cut_bytes;
use crate::alert::{Member, Severity, Signal, SignalKey, code};
use crate::failure::{Cause, Said};

/// Beginnings that are remembered.
const BEGINS: usize = 16;
/// Bytes of a detail: a message of twenty is to fit into a file of the queue, and into a webhook's bounds.
const DETAIL: usize = 1024;

/// Times are seconds since the epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Track {
    pub(super) key: SignalKey,
    #[serde(with = "code")]
    pub(super) cause: Cause,
    pub(super) place: String,
    pub(super) detail: String,
    pub(super) severity: Severity,
    /// As in [`Signal`].
    #[serde(default)]
    pub(super) step: Option<u16>,
    pub(super) is_planned: bool,
    pub(super) visitors: Option<Said>,
    pub(super) since: u64,
    pub(super) holds: bool,
    /// When it began to hold, or ceased.
    pub(super) changed: u64,
    /// When it began to hold lately.
    begins: Vec<u64>,
    /// When an alert told of it lately.
    #[serde(default)]
    told: Vec<u64>,
    /// When an alert told of it first.
    #[serde(default)]
    pub(super) told_first: Option<u64>,
    /// As in [`Signal`]; the last that there was.
    #[serde(default)]
    incident: Option<String>,
    /// Whether this process has seen that it holds.
    #[serde(skip)]
    pub(super) is_seen: bool,
    /// The alert that it belongs to, if it was told.
    pub(super) alert: Option<String>,
}

impl Track {
    pub(super) fn begin(key: SignalKey, signal: &Signal, now: u64) -> Track {
        Track {
            key,
            cause: signal.cause,
            place: signal.place.clone(),
            detail: cut_bytes(&signal.detail, DETAIL),
            severity: signal.severity,
            step: signal.step,
            is_planned: signal.is_planned,
            visitors: signal.visitors.clone(),
            since: signal.since.min(now),
            holds: true,
            changed: now,
            begins: vec![now],
            told: Vec::new(),
            told_first: None,
            incident: signal.incident.clone(),
            is_seen: true,
            alert: None,
        }
    }

    /// It holds, as this says. Returns whether that is worth to be kept.
    pub(super) fn renew(&mut self, signal: &Signal, now: u64) -> bool {
        let is_news = !self.holds
            || (self.cause, self.severity, self.step, self.is_planned)
                != (signal.cause, signal.severity, signal.step, signal.is_planned);
        if !self.holds {
            self.holds = true;
            self.changed = now;
            if self.alert.is_none() {
                self.since = signal.since.min(now);
                self.told_first = None;
            }
            self.begins.push(now);
            let most = self.begins.len().saturating_sub(BEGINS);
            self.begins.drain(..most);
        }
        // what the operator has brought about and then left to itself is a trouble from then on
        if self.is_planned && !signal.is_planned && self.alert.is_none() {
            self.changed = now;
        }
        self.is_seen = true;
        self.cause = signal.cause;
        self.severity = signal.severity;
        self.step = signal.step;
        self.is_planned = signal.is_planned;
        self.place.clone_from(&signal.place);
        self.detail = cut_bytes(&signal.detail, DETAIL);
        self.visitors.clone_from(&signal.visitors);
        if signal.incident.is_some() && self.incident != signal.incident {
            self.incident.clone_from(&signal.incident);
            return true;
        }
        is_news
    }

    pub(super) fn end(&mut self, now: u64) {
        self.holds = false;
        self.changed = now;
    }

    pub(super) fn unwind(&mut self, now: u64) {
        self.changed = self.changed.min(now);
        self.since = self.since.min(now);
        let times = self.begins.iter_mut().chain(&mut self.told).chain(&mut self.told_first);
        times.for_each(|time| *time = (*time).min(now));
    }

    /// It belongs to this alert.
    pub(super) fn join(&mut self, alert: &str, now: u64) {
        self.alert = Some(alert.to_owned());
        self.told.retain(|time| now.saturating_sub(*time) < HOUR);
        self.told.push(now);
        self.told_first.get_or_insert(now);
    }

    /// It belongs to no alert, and is another trouble from now on.
    pub(super) fn part(&mut self, now: u64) {
        self.alert = None;
        self.changed = now;
    }

    /// Whether it has come and gone so lately that this is remembered.
    pub(super) fn is_remembered(&self, now: u64) -> bool {
        self.flaps(now) > 0 || self.told_lately(now) > 0
    }

    /// Whether it comes and goes: fast, or so that each time was told.
    pub(super) fn is_flapping(&self, now: u64) -> bool {
        self.flaps(now) >= FLAPS || self.told_lately(now) >= SLOW_FLAPS
    }

    /// How often it has begun within the hour.
    pub(super) fn begun(&self, now: u64) -> usize {
        self.begins.iter().filter(|begin| now.saturating_sub(**begin) < HOUR).count()
    }

    fn told_lately(&self, now: u64) -> usize {
        self.told.iter().filter(|time| now.saturating_sub(**time) < HOUR).count()
    }

    /// How often it has begun lately.
    pub(super) fn flaps(&self, now: u64) -> usize {
        self.begins.iter().filter(|begin| now.saturating_sub(**begin) < CALM).count()
    }

    pub(super) fn is_due(&self, now: u64, wait: u64) -> bool {
        let has_lasted = self.holds && now.saturating_sub(self.changed) >= wait;
        self.alert.is_none() && !self.is_planned && (has_lasted || self.flaps(now) >= FLAPS)
    }

    /// Whether both have the same reason, as far as can be seen from here.
    pub(super) fn goes_with(&self, other: &Track) -> bool {
        let same_place = !self.place.is_empty() && self.place == other.place;
        self.key.topic == other.key.topic
            && self.severity == other.severity
            && (self.cause == other.cause || same_place)
    }

    pub(super) fn member(&self) -> Member {
        Member {
            site: self.key.site.clone(),
            cause: self.cause,
            detail: self.detail.clone(),
            incident: self.incident.clone(),
        }
    }
}
