//! Who crawls: the lease, one object for the whole deployment. Its holder writes it anew every few seconds, with a condition, so
//! that of two writers one loses. Others take it over when it has not changed for a while by their own clock: no two clocks are
//! ever compared. What is in here asks nothing and reads no clock; [`super::post`] does.
//!
//! Two instances may still believe for a moment that they hold it (one was paused, or cut off from the store). That costs a
//! crawl: what the slower one has taken is refused by the pointer, which is written with a condition, too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::remote::Version;

/// How often the holder writes it anew.
pub const RENEW: Duration = Duration::from_secs(10);
/// How often the others look.
pub const LOOK: Duration = Duration::from_secs(5);
/// How long it stays the holder's after the last time that it could be written.
pub const VALID: Duration = Duration::from_secs(30);
/// How long it must not have changed before somebody else takes it.
pub const STALE: Duration = Duration::from_secs(40);
/// Of two looks that are further apart, the second begins to count anew: the store was silent, or this process was paused, and
/// the holder may have been, too.
/// Longer than a look that fails, and the pause after it.
const GAP: Duration = Duration::from_secs(30);
/// How much longer than [`STALE`] it must not have changed until whoever does not take it says that nobody holds it.
const MARGIN: Duration = Duration::from_secs(20);
/// After this time without an answer, the store is said to be silent.
pub const SILENT: Duration = Duration::from_secs(15);
/// After this time without an answer, an instance without any copy crawls all the same.
pub const BARE: Duration = Duration::from_secs(60);
/// How soon after a failure it is tried again; the pauses double up to [`LOOK`] for a look and [`VALID`] for a write.
const AGAIN: Duration = Duration::from_secs(2);

/// The object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Of this format.
    pub version: u32,
    /// The name of the instance that holds it; empty: it was given back.
    #[serde(default)]
    pub holder: String,
    /// Which process that is: two may have the same name.
    #[serde(default)]
    pub run: String,
    /// It grows whenever somebody else takes it.
    #[serde(default)]
    pub epoch: u64,
    /// How often it was written within its epoch.
    #[serde(default)]
    pub renewed: u64,
    /// When, by the holder's clock: for people, who are the only ones to read it.
    #[serde(default)]
    pub at: String,
}

/// Who this instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// Its name.
    pub name: Arc<str>,
    /// Which process it is: drawn at its start.
    pub run: Arc<str>,
    /// Whether it may hold the lease at all.
    pub may_hold: bool,
}

/// How an instance stands towards the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not heard the store yet, or has to ask it again.
    Unknown,
    /// It holds the lease.
    Holds {
        /// Since this takeover.
        epoch: u64,
    },
    /// Another one holds it.
    Follows {
        /// Which.
        holder: Arc<str>,
        /// Since this takeover.
        epoch: u64,
    },
    /// Nobody holds it.
    Free,
    /// The store does not answer.
    Alone {
        /// Whether this instance was the last that it knew to hold the lease; it goes on.
        held: bool,
        /// Since when it does not answer.
        since: Instant,
    },
}

impl Standing {
    /// Whether a crawl may begin; `bare`: there is no copy to fall to.
    pub fn may_crawl(&self, bare: bool, now: Instant) -> bool {
        match self {
            Standing::Holds { .. } => true,
            Standing::Alone { held: true, .. } => true,
            Standing::Alone { held: false, since } => bare && now.saturating_duration_since(*since) >= BARE,
            Standing::Unknown | Standing::Follows { .. } | Standing::Free => false,
        }
    }
}

/// What was found in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Absent,
    /// It is still as it was.
    Same,
    /// Something else than last time; `None`: it cannot be read.
    New(Option<Record>, Version),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing for so long.
    Wait(Duration),
    /// Read it, unless it is this version.
    Look(Option<Version>),
    /// Write it, if there is none (`None`) or it is still this version.
    Write(Record, Option<Version>),
}

/// The lease as it was last seen.
#[derive(Clone, Debug)]
struct LastSeen {
    record: Option<Record>,
    version: Version,
    /// Since when it has not changed, as far as is known.
    since: Instant,
}

/// What one instance knows of the lease.
#[derive(Debug)]
pub struct Lease {
    me: Me,
    seen: Option<LastSeen>,
    /// The greatest epoch that was ever seen.
    epoch: u64,
    /// The epoch that this instance holds, and when it was last written: the moment before the store was asked. `None`: that it
    /// was written is known, but not when.
    held: Option<(u64, Option<Instant>)>,
    /// Whether this instance was the last that it knew to hold it.
    was_mine: bool,
    /// The store has answered, with or without a lease.
    answered: Option<Instant>,
    /// When the process went on after it was paused, or began: the store is not blamed for what was before.
    awake: Instant,
    ticked: Instant,
    next: Instant,
    /// It must be read before anything else.
    must_look: bool,
    /// Looks in a row that failed.
    failures: u32,
    /// Writes in a row that failed or were lost, and the moment before which it is not written again.
    setbacks: u32,
    not_before: Instant,
    /// Since when it cannot be written, though somebody ought to: full, read-only, without conditional writes.
    unwritable: Option<Instant>,
    /// The store has answered, but refused: whether others are heard is not known.
    refused: bool,
    /// It is not to be taken again.
    ending: bool,
}

impl Lease {
    /// Nothing is known yet.
    pub fn new(me: Me, now: Instant) -> Lease {
        Lease {
            me,
            seen: None,
            epoch: 0,
            held: None,
            was_mine: false,
            answered: None,
            awake: now,
            ticked: now,
            next: now,
            must_look: true,
            failures: 0,
            setbacks: 0,
            not_before: now,
            unwritable: None,
            refused: false,
            ending: false,
        }
    }

    /// Time passes: to be called every second, also while the store is asked. A gap means that the process stood still.
    pub fn tick(&mut self, now: Instant) {
        if now.saturating_duration_since(self.ticked) > GAP {
            self.awake = now;
        }
        self.ticked = now;
    }

    /// What is to be done now.
    pub fn step(&mut self, now: Instant) -> Step {
        self.tick(now);
        let wait = self.next.saturating_duration_since(now);
        if !wait.is_zero() {
            return Step::Wait(wait);
        }
        if self.must_look || self.ending {
            return Step::Look(self.version());
        }
        if now < self.not_before {
            return Step::Look(self.version());
        }
        match (&self.held, &self.seen) {
            (Some((epoch, _)), Some(seen)) => {
                let renewed = seen.record.as_ref().map_or(0, |record| record.renewed).saturating_add(1);
                Step::Write(self.mine(*epoch, renewed), Some(seen.version.clone()))
            }
            _ if self.is_takeable(now) => {
                let version = self.version();
                Step::Write(self.mine(self.epoch.saturating_add(1), 0), version)
            }
            _ => Step::Look(self.version()),
        }
    }

    /// The object by which the lease is given back, and the version that it is to replace; `None` if there is nothing to give.
    /// From then on it is not taken again.
    pub fn give_back(&mut self) -> Option<(Record, Version)> {
        self.ending = true;
        let (epoch, _) = self.held.take()?;
        self.was_mine = false;
        let seen = self.seen.as_ref()?;
        let renewed = seen.record.as_ref().map_or(0, |record| record.renewed).saturating_add(1);
        let record = Record { version: 1, epoch, renewed, ..Record::default() };
        Some((record, seen.version.clone()))
    }

    /// The store has said what there is; it was asked at `asked`.
    pub fn found(&mut self, found: Found, asked: Instant, now: Instant) {
        let gap = self.answered.is_none_or(|last| asked.saturating_duration_since(last) > GAP)
            || asked < self.awake;
        self.heard(now);
        self.must_look = false;
        self.next = now + LOOK;
        match found {
            Found::Absent => {
                self.seen = None;
                self.held = None;
            }
            Found::Same => {
                if let Some(seen) = self.seen.as_mut().filter(|_| gap) {
                    seen.since = now;
                }
            }
            Found::New(record, version) => {
                self.epoch = self.epoch.max(record.as_ref().map_or(0, |record| record.epoch));
                self.seen = Some(LastSeen { record, version, since: now });
            }
        }
        self.was_mine = self.is_mine();
        if !self.was_mine {
            self.held = None;
            if !self.is_takeable(asked) {
                // somebody else can write it, and so nobody need do without
                self.setbacks = 0;
                self.unwritable = None;
            }
        } else if self.held.is_none() && !self.ending {
            // What was written was taken although its answer was lost. For how long it is valid is not known.
            let record = self.seen.as_ref().and_then(|seen| seen.record.as_ref());
            self.held = record.map(|record| (record.epoch, None));
        }
        if let Some((_, written)) = self.held {
            self.next = written.map_or(now, |asked| asked + RENEW);
        }
        if self.is_takeable(asked) {
            self.next = now;
        }
        // until it is tried again to write it, it is looked at, so that it is known who else has it
        self.next = self.next.max(self.not_before.min(now + LOOK));
    }

    /// What was written is there; the store was asked at `asked`.
    pub fn won(&mut self, record: Record, version: Version, asked: Instant, now: Instant) {
        self.heard(now);
        self.epoch = self.epoch.max(record.epoch);
        self.held = Some((record.epoch, Some(asked)));
        self.was_mine = true;
        self.seen = Some(LastSeen { record: Some(record), version, since: now });
        self.setbacks = 0;
        self.unwritable = None;
        self.next = asked + RENEW;
    }

    /// Somebody else has written meanwhile: it is read, to see who.
    pub fn lost(&mut self, now: Instant) {
        self.heard(now);
        self.set_back(now);
        self.next = now;
    }

    /// The store could not be asked, or did not say what there is.
    pub fn failed(&mut self, now: Instant) {
        self.must_look = true;
        self.next = now + grown(self.failures, LOOK);
        self.failures = self.failures.saturating_add(1);
    }

    /// The store has answered that this instance may not ask.
    pub fn refused(&mut self, now: Instant) {
        self.failed(now);
        self.refused = true;
    }

    /// It was not written, as far as is known. It may have been taken all the same: it is read.
    pub fn not_written(&mut self, now: Instant) {
        self.set_back(now);
        self.next = now + AGAIN;
    }

    /// Whether it can be written, as far as is known.
    pub fn is_writable(&self) -> bool {
        self.unwritable.is_none()
    }

    fn set_back(&mut self, now: Instant) {
        self.must_look = true;
        self.not_before = now + grown(self.setbacks, VALID);
        self.setbacks = self.setbacks.saturating_add(1);
        // where another one was faster, the next look shows it
        self.unwritable = self.unwritable.or(Some(now));
    }

    /// How this instance stands.
    pub fn standing(&self, now: Instant) -> Standing {
        if let Some((epoch, Some(asked))) = self.held
            && now.saturating_duration_since(asked) <= VALID
        {
            return Standing::Holds { epoch };
        }
        let since = self.answered.map_or(self.awake, |last| last.max(self.awake));
        if now.saturating_duration_since(since) > SILENT {
            return Standing::Alone { held: self.was_mine && self.me.may_hold && !self.refused, since };
        }
        // it can be read but not written: the last holder, who sees that nobody else has it, goes on
        if let Some(since) = self.unwritable.filter(|since| now.saturating_duration_since(*since) > SILENT) {
            let held = self.was_mine || (self.has_my_name() && now.saturating_duration_since(since) >= BARE);
            return Standing::Alone { held: held && self.me.may_hold, since };
        }
        match self.seen.as_ref().and_then(|seen| seen.record.as_ref()) {
            _ if self.answered.is_some() && !self.was_mine && self.is_dead(now) => Standing::Free,
            _ if self.answered.is_none() || self.was_mine => Standing::Unknown,
            // given back a moment ago, it is still this one's in the store
            Some(record) if record.holder.is_empty() || self.is_mine() => Standing::Free,
            Some(record) => Standing::Follows { holder: record.holder.as_str().into(), epoch: record.epoch },
            None => Standing::Free,
        }
    }

    /// Until when it is held, if it is.
    pub fn until(&self) -> Option<Instant> {
        self.held.and_then(|(_, asked)| asked).map(|asked| asked + VALID)
    }

    fn heard(&mut self, now: Instant) {
        self.answered = Some(now);
        self.failures = 0;
        self.refused = false;
    }

    /// Whether its holder has been silent for so long that somebody would have taken it who may.
    fn is_dead(&self, now: Instant) -> bool {
        let silent = self.seen.as_ref().map(|seen| now.saturating_duration_since(seen.since));
        silent.is_some_and(|silent| silent >= STALE + MARGIN)
    }

    /// Whether it is of an instance of this name: the process before this one.
    fn has_my_name(&self) -> bool {
        let record = self.seen.as_ref().and_then(|seen| seen.record.as_ref());
        record.is_some_and(|record| *record.holder == *self.me.name)
    }

    fn version(&self) -> Option<Version> {
        self.seen.as_ref().map(|seen| seen.version.clone())
    }

    fn is_mine(&self) -> bool {
        let record = self.seen.as_ref().and_then(|seen| seen.record.as_ref());
        record.is_some_and(|record| *record.run == *self.me.run && !record.holder.is_empty())
    }

    /// Whether it is nobody's, or has not changed for long enough.
    fn is_takeable(&self, asked: Instant) -> bool {
        if !self.me.may_hold || self.ending || self.held.is_some() || self.answered.is_none() {
            return false;
        }
        match &self.seen {
            None => true,
            Some(seen) => {
                let is_free = seen.record.as_ref().is_some_and(|record| record.holder.is_empty());
                is_free || asked.saturating_duration_since(seen.since) >= STALE
            }
        }
    }

    fn mine(&self, epoch: u64, renewed: u64) -> Record {
        let (holder, run) = (self.me.name.to_string(), self.me.run.to_string());
        Record { version: 1, holder, run, epoch, renewed, at: String::new() }
    }
}

/// The pause after so many failures before this one.
fn grown(before: u32, most: Duration) -> Duration {
    AGAIN.saturating_mul(1 << before.min(10)).min(most)
}

#[cfg(test)]
mod tests;
