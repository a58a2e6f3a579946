//! One alert: from its first message to the one that says that it is over.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::track::Track;
use super::{CALM, DAY, Pace, Telling};
use crate::alert::{Event, LISTED, Member, Notice, Severity, Topic, code};
use crate::failure::Cause;

/// Tokens of one alert that are good at the same time.
const TOKENS: usize = 256;

/// Who has seen an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// When, in seconds since the epoch.
    pub at: u64,
    /// How: `link`, `api`.
    pub by: String,
}

/// What was told, and is not over. Times are seconds since the epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alert {
    /// Its id: `20261201T013000Z-1a2b3c4d`.
    pub id: String,
    /// What about.
    pub topic: Topic,
    /// Why.
    #[serde(with = "code")]
    pub cause: Cause,
    /// How urgent it was when it was told last.
    pub severity: Severity,
    /// Since when it holds.
    pub since: u64,
    /// When it was told first.
    pub first_told: u64,
    /// When it was told last.
    pub last_told: u64,
    /// Who has seen it.
    pub acknowledged: Option<Acknowledged>,
    /// Whether it comes and goes.
    pub is_flapping: bool,
    place: String,
    /// Since when it has been less urgent than it was told.
    #[serde(default)]
    milder_since: Option<u64>,
    /// The step of each member whose end comes closer, when this was looked at last.
    #[serde(default)]
    steps: BTreeMap<String, u16>,
    /// Those that are well again while others are not: the first of them.
    #[serde(default)]
    left: Vec<Member>,
    /// How many it has concerned.
    total: usize,
    /// How many messages there were.
    messages: u32,
    /// Hashes of the tokens that acknowledge it.
    pub(super) tokens: Vec<String>,
    /// The keys of the channels that have had a message.
    pub(super) reached: BTreeSet<String>,
}

impl Alert {
    pub(super) fn of(first: &Track, total: usize, now: u64) -> Alert {
        let named =
            format!("{} {:?} {} {}", first.key.site, first.key.topic, first.key.subject, first.changed);
        let digest = blake3::hash(named.as_bytes()).to_hex();
        let stamp: String = super::super::format::rfc3339(first.changed)
            .chars()
            .filter(|c| !matches!(c, '-' | ':'))
            .collect();
        Alert {
            id: format!("{stamp}-{}", &digest[..8]),
            topic: first.key.topic,
            cause: first.cause,
            severity: first.severity,
            since: first.since,
            first_told: now,
            last_told: now,
            acknowledged: None,
            is_flapping: first.is_flapping(now),
            place: first.place.clone(),
            milder_since: None,
            steps: BTreeMap::new(),
            left: Vec::new(),
            total,
            messages: 0,
            tokens: Vec::new(),
            reached: BTreeSet::new(),
        }
    }

    pub(super) fn unwind(&mut self, now: u64) {
        for time in [&mut self.since, &mut self.first_told, &mut self.last_told] {
            *time = (*time).min(now);
        }
        self.milder_since = self.milder_since.map(|since| since.min(now));
    }

    /// Whether a trouble has the same reason, as far as can be seen from here.
    pub(super) fn goes_with(&self, track: &Track) -> bool {
        let same_place = !self.place.is_empty() && self.place == track.place;
        self.topic == track.key.topic
            && self.severity == track.severity
            && (self.cause == track.cause || same_place)
    }

    pub(super) fn begin(&mut self, members: &[&Track], now: u64) -> Telling {
        self.since = members.iter().map(|track| track.since).min().unwrap_or(self.since);
        self.tell(Event::Begin, members, now)
    }

    /// What is told of it when it is over.
    pub(super) fn end(&mut self, members: &[&Track], now: u64, pace: Pace) -> Option<Telling> {
        if members.iter().any(|track| track.holds) {
            return None;
        }
        let ended = members.iter().map(|track| track.changed).max().unwrap_or(now);
        if !members.is_empty() && now.saturating_sub(ended) < self.quiet(pace) {
            return None;
        }
        let mut telling = self.tell(Event::Over, members, now);
        let notice = &mut telling.notice;
        notice.ended = Some(ended);
        notice.total = self.total;
        notice.members.extend(self.left.iter().cloned());
        notice.members.truncate(LISTED);
        notice.visitors = None;
        Some(telling)
    }

    /// How long what it is about is to be well before it is over, in seconds.
    fn quiet(&self, pace: Pace) -> u64 {
        if self.is_flapping { CALM.max(pace.wait) } else { pace.wait }
    }

    /// Whether one of several has been well for so long that it is another trouble when it fails again.
    pub(super) fn is_rid_of(&self, track: &Track, now: u64, pace: Pace) -> bool {
        !track.holds && now.saturating_sub(track.changed) >= self.quiet(pace)
    }

    /// One of several is well.
    pub(super) fn leave(&mut self, track: &Track) {
        if self.left.len() < LISTED {
            self.left.push(track.member());
        }
    }

    /// Those that are worse than it was told, where others are not.
    pub(super) fn worse_ones<'a>(&self, members: &[&'a Track]) -> Vec<&'a Track> {
        let is_worse = |track: &&&Track| track.severity > self.severity;
        let holding = members.iter().filter(|track| track.holds);
        let (worse, others): (Vec<_>, Vec<_>) = holding.partition(is_worse);
        if others.is_empty() { Vec::new() } else { worse.into_iter().copied().collect() }
    }

    /// What is told of it while it goes on.
    pub(super) fn go_on(&mut self, members: &[&Track], now: u64, pace: Pace) -> Option<Telling> {
        let holding: Vec<&Track> = members.iter().filter(|track| track.holds).copied().collect();
        if holding.iter().all(|track| track.is_planned) {
            return None;
        }
        let severity = holding.iter().map(|track| track.severity).max()?;
        if severity < self.severity {
            let since = *self.milder_since.get_or_insert(now);
            if now.saturating_sub(since) >= CALM {
                (self.severity, self.milder_since) = (severity, None);
            }
        } else {
            self.milder_since = None;
        }
        if severity > self.severity {
            self.severity = severity;
            self.acknowledged = None;
            return Some(self.tell(Event::Worse, &holding, now));
        }
        if self.is_closer(&holding) {
            self.acknowledged = None;
            return Some(self.tell(Event::Worse, &holding, now));
        }
        // of what ends on a day, each step is told once
        if holding.iter().all(|track| track.step.is_some()) {
            return None;
        }
        let every = match self.severity {
            Severity::Page => pace.repeat?,
            Severity::Warn | Severity::Info => pace.repeat?.max(DAY),
        };
        let is_due = self.acknowledged.is_none() && now.saturating_sub(self.last_told) >= every;
        is_due.then(|| self.tell(Event::Still, &holding, now))
    }

    /// Whether the end of one of them has come a step closer since this was looked at last.
    fn is_closer(&mut self, holding: &[&Track]) -> bool {
        let mut is_closer = false;
        for track in holding {
            let Some(step) = track.step else { continue };
            let known = self.steps.insert(format!("{} {}", track.key.site, track.key.subject), step);
            is_closer |= known.is_some_and(|known| step < known);
        }
        is_closer
    }

    /// Keeps the hash of a token. `None`: it is there already; else the one that has made room for it, where there are many.
    pub(super) fn keep_token(&mut self, hash: String) -> Option<Option<String>> {
        if self.tokens.contains(&hash) {
            return None;
        }
        let oldest = (self.tokens.len() >= TOKENS).then(|| self.tokens.remove(0));
        self.tokens.push(hash);
        Some(oldest)
    }

    fn tell(&mut self, event: Event, members: &[&Track], now: u64) -> Telling {
        let mut causes: BTreeMap<Cause, usize> = BTreeMap::new();
        for track in members {
            *causes.entry(track.cause).or_default() += 1;
        }
        let most = causes.iter().max_by_key(|(cause, count)| (**count, **cause == self.cause));
        self.cause = most.map_or(self.cause, |(cause, _)| *cause);
        self.total = self.total.max(members.len());
        self.last_told = now;
        self.messages += 1;
        let flaps = if self.is_flapping { members.iter().map(|track| track.begun(now)).max() } else { None };
        let visitors = members.first().and_then(|track| track.visitors.clone());
        let is_so_for_all = members.iter().all(|track| track.visitors == visitors);
        let notice = Notice {
            id: format!("{}-{}", self.id, self.messages),
            alert: self.id.clone(),
            event,
            severity: self.severity,
            topic: self.topic,
            cause: self.cause,
            since: self.since,
            at: now,
            ended: None,
            members: members.iter().take(LISTED).map(|track| track.member()).collect(),
            total: members.len(),
            flaps: flaps.unwrap_or_default(),
            visitors: visitors.filter(|_| is_so_for_all),
        };
        Telling { notice, reached: self.reached.clone() }
    }
}
