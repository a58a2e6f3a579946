//! Which alerts there are, and what is told of them and when. Pure: it is shown what holds, again and again, and says what to
//! send. Short troubles wait, many at once are one message, what comes and goes is told once, and a restart changes nothing.

mod alerts;
mod track;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Notice, Severity, Signal, SignalKey, Topic, token};
use crate::clock::Now;
use crate::failure::Cause;
pub use alerts::{Acknowledged, Alert};
use track::Track;

/// Alerts for the same reason come at most so often, in seconds: what begins meanwhile is told together.
const APART: u64 = 60;
/// What has not come back for so long, in seconds, is another trouble when it does.
const CALM: u64 = 600;
/// What begins so often within [`CALM`] comes and goes.
const FLAPS: usize = 4;
/// What was told so often within an hour comes and goes, too.
const SLOW_FLAPS: usize = 2;
/// An hour, in seconds.
const HOUR: u64 = 3600;
/// After a start, what is counted in memory is not known for so long.
const COUNTED: Duration = Duration::from_secs(16 * 60);
/// What is not urgent is told again once a day at most, in seconds.
const DAY: u64 = 86_400;

/// The times of the configuration, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// What is over sooner is not told.
    pub wait: u64,
    /// When something is told again; `None`: never.
    pub repeat: Option<u64>,
}

/// A message, and who has had the ones before of the same alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// What is said.
    pub notice: Notice,
    /// The keys of the channels that have had one.
    pub reached: BTreeSet<String>,
}

/// Since when a condition holds, its announcement included. Times are seconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The site's name; empty: Katahai itself.
    pub site: String,
    /// What about.
    pub topic: Topic,
    /// Which one, where there may be several.
    pub subject: String,
    /// Since when it holds.
    pub since: u64,
    /// When an alert of it was sent first; `None`: no channel has taken one.
    pub told: Option<u64>,
}

/// All alerts, and what may become one.
#[derive(Debug, Default)]
pub struct Ledger {
    tracks: BTreeMap<SignalKey, Track>,
    alerts: BTreeMap<String, Alert>,
    /// Those who were told last, by their keys.
    channels: BTreeSet<String>,
    /// The alert that a token acknowledges, by the token's hash: what is compared on the way tells nothing of a token.
    tokens: HashMap<String, String>,
    /// When this process first looked.
    began: Option<Instant>,
    is_changed: bool,
}

/// As it is kept on the disk.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    tracks: Vec<Track>,
    alerts: Vec<Alert>,
    #[serde(default)]
    channels: BTreeSet<String>,
}

impl Ledger {
    /// The ledger in a text.
    ///
    /// # Errors
    /// The text is none.
    pub fn read(text: &[u8]) -> Result<Ledger, serde_json::Error> {
        let kept: Kept = serde_json::from_slice(text)?;
        let mut tracks = BTreeMap::new();
        for mut track in kept.tracks {
            track.key.topic = track.key.topic.as_now();
            let known = tracks.entry(track.key.clone()).or_insert_with(|| track.clone());
            // of an announcement and what it announced, the latter holds
            if track.holds && !known.holds {
                *known = track;
            }
        }
        let as_now = |mut alert: Alert| {
            alert.topic = alert.topic.as_now();
            (alert.id.clone(), alert)
        };
        let alerts: BTreeMap<String, Alert> = kept.alerts.into_iter().map(as_now).collect();
        let of = |alert: &Alert| {
            let id = alert.id.clone();
            alert.tokens.clone().into_iter().map(move |hash| (hash, id.clone()))
        };
        let tokens = alerts.values().flat_map(of).collect();
        Ok(Ledger { tracks, alerts, channels: kept.channels, tokens, began: None, is_changed: false })
    }

    /// It as a text, if it has changed since the last one.
    pub fn changed(&mut self) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let (tracks, alerts) =
            (self.tracks.values().cloned().collect(), self.alerts.values().cloned().collect());
        serde_json::to_vec(&Kept { version: 1, tracks, alerts, channels: self.channels.clone() }).ok()
    }

    /// What [`Ledger::changed`] gave could not be kept.
    pub fn not_kept(&mut self) {
        self.is_changed = true;
    }

    /// Takes in what holds now, all of it, and says what to tell.
    pub fn observe(&mut self, signals: &[Signal], now: Now, pace: Pace) -> Vec<Telling> {
        let began = *self.began.get_or_insert(now.mono);
        let is_new = now.mono.saturating_duration_since(began) < COUNTED;
        let now = now.unix();
        self.unwind(now);
        self.take_in(signals, now, is_new);
        let mut told = self.begin(now, pace);
        told.extend(self.go_on(now, pace));
        let before = self.tracks.len();
        self.tracks.retain(|_, track| track.holds || track.alert.is_some() || track.is_remembered(now));
        self.is_changed |= before != self.tracks.len() || !told.is_empty();
        told
    }

    /// A clock that was set back would hold up everything until it is where it was.
    fn unwind(&mut self, now: u64) {
        self.tracks.values_mut().for_each(|track| track.unwind(now));
        self.alerts.values_mut().for_each(|alert| alert.unwind(now));
    }

    fn take_in(&mut self, signals: &[Signal], now: u64, is_new: bool) {
        let mut seen = HashSet::with_capacity(signals.len());
        for signal in signals {
            let key = signal.key();
            let begins = signal.severity > Severity::Info;
            match self.tracks.get_mut(&key) {
                None if begins => {
                    self.tracks.insert(key.clone(), Track::begin(key.clone(), signal, now));
                    self.is_changed = true;
                }
                None => continue,
                Some(track) if begins => self.is_changed |= track.renew(signal, now),
                Some(track) if track.alert.is_none() => continue,
                Some(track) => track.is_planned = signal.is_planned,
            }
            seen.insert(key);
        }
        for track in self.tracks.values_mut().filter(|track| track.holds && !seen.contains(&track.key)) {
            // the process before has counted up to it, and this one has only begun to
            if is_new && !track.is_seen && track.alert.is_some() && is_counted(track.cause) {
                continue;
            }
            track.end(now);
            self.is_changed = true;
        }
    }

    /// What is due is told, together with all that goes with it.
    fn begin(&mut self, now: u64, pace: Pace) -> Vec<Telling> {
        let due = self.tracks.values().filter(|track| track.is_due(now, pace.wait));
        let due: Vec<SignalKey> = due.map(|track| track.key.clone()).collect();
        let mut told = Vec::new();
        for first in due {
            let Some(first) = self.tracks.get(&first).filter(|track| track.alert.is_none()).cloned() else {
                continue;
            };
            let is_recent = |alert: &&Alert| now.saturating_sub(alert.first_told) < APART;
            if self.alerts.values().filter(is_recent).any(|alert| alert.goes_with(&first)) {
                continue;
            }
            let members = self.tracks.values_mut().filter(|track| {
                let waits = track.alert.is_none() && !track.is_planned;
                let is_like = track.is_flapping(now) == first.is_flapping(now) && track.goes_with(&first);
                waits && (track.holds || track.flaps(now) >= FLAPS) && is_like
            });
            let mut members: Vec<&mut Track> = members.collect();
            let mut alert = Alert::of(&first, members.len(), now);
            members.iter_mut().for_each(|track| track.join(&alert.id, now));
            let members: Vec<&Track> = members.into_iter().map(|track| &*track).collect();
            told.push(alert.begin(&members, now));
            self.alerts.insert(alert.id.clone(), alert);
        }
        told
    }

    /// What becomes of those that were told.
    fn go_on(&mut self, now: u64, pace: Pace) -> Vec<Telling> {
        let mut members: BTreeMap<String, Vec<SignalKey>> = BTreeMap::new();
        for track in self.tracks.values() {
            if let Some(alert) = &track.alert {
                members.entry(alert.clone()).or_default().push(track.key.clone());
            }
        }
        let mut told = Vec::new();
        let (mut over, mut left, mut parted) = (Vec::new(), Vec::new(), Vec::new());
        for (id, alert) in &mut self.alerts {
            let keys = members.remove(id).unwrap_or_default();
            let of: Vec<&Track> = keys.iter().filter_map(|key| self.tracks.get(key)).collect();
            if let Some(telling) = alert.end(&of, now, pace) {
                told.push(telling);
                over.push(id.clone());
                left.extend(keys);
                continue;
            }
            let (well, mut of): (Vec<&Track>, Vec<&Track>) =
                of.into_iter().partition(|track| alert.is_rid_of(track, now, pace));
            well.iter().for_each(|track| alert.leave(track));
            left.extend(well.iter().map(|track| track.key.clone()));
            // nobody is to read that all are down when one is
            let worse: Vec<SignalKey> = alert.worse_ones(&of).iter().map(|track| track.key.clone()).collect();
            of.retain(|track| !worse.contains(&track.key));
            parted.extend(worse);
            told.extend(alert.go_on(&of, now, pace));
        }
        for id in over {
            for hash in self.alerts.remove(&id).map(|alert| alert.tokens).unwrap_or_default() {
                self.tokens.remove(&hash);
            }
        }
        for key in left {
            if let Some(track) = self.tracks.get_mut(&key) {
                track.alert = None;
                self.is_changed = true;
            }
        }
        for key in parted {
            if let Some(track) = self.tracks.get_mut(&key) {
                track.part(now);
                self.is_changed = true;
            }
        }
        told
    }

    /// All alerts, the oldest first, with the sites that each concerns now.
    pub fn list(&self) -> Vec<(&Alert, Vec<&str>)> {
        let mut sites: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for track in self.tracks.values().filter(|track| track.holds) {
            if let Some(alert) = &track.alert {
                sites.entry(alert).or_default().push(&track.key.site);
            }
        }
        let mut all: Vec<_> =
            self.alerts.values().map(|alert| (alert, sites.remove(&*alert.id).unwrap_or_default())).collect();
        all.sort_by_key(|(alert, _)| alert.first_told);
        all
    }

    /// What is known of a condition from when on, and when somebody was told of it first: by site, topic and subject.
    pub fn announced(&self) -> Vec<Announced> {
        let conditions = self.tracks.values().filter(|track| track.holds && track.key.topic != Topic::Outage);
        let told = |track: &Track| {
            let alert = self.alerts.get(track.alert.as_ref()?)?;
            track.told_first.filter(|_| !alert.reached.is_empty())
        };
        let announced = |track: &Track| Announced {
            site: track.key.site.clone(),
            topic: track.key.topic,
            subject: track.key.subject.clone(),
            since: track.since,
            told: told(track),
        };
        conditions.map(announced).collect()
    }

    /// An alert by its id.
    pub fn alert(&self, id: &str) -> Option<&Alert> {
        self.alerts.get(id)
    }

    /// The sites that an alert concerns now (empty: Katahai itself).
    pub fn sites_of(&self, id: &str) -> BTreeSet<&str> {
        let is_of = |track: &&Track| track.holds && track.alert.as_deref() == Some(id);
        self.tracks.values().filter(is_of).map(|track| &*track.key.site).collect()
    }

    /// The alert that a token is for.
    pub fn of_token(&self, offered: &str) -> Option<&Alert> {
        self.alerts.get(self.tokens.get(&token::hash(offered))?)
    }

    /// The alerts that concern a site (empty: Katahai itself), for whatever cause or for one.
    pub fn of_site(&self, site: &str, cause: Option<&str>) -> Vec<String> {
        let concerned = self
            .tracks
            .values()
            .filter(|track| track.key.site == site && cause.is_none_or(|cause| track.cause.code() == cause));
        let ids: BTreeSet<String> = concerned.filter_map(|track| track.alert.clone()).collect();
        ids.into_iter().collect()
    }

    /// Somebody has seen an alert: it is told no more before it is over. False: there is none, or somebody else was first.
    pub fn acknowledge(&mut self, id: &str, by: &str, now: Now) -> bool {
        let alert = self.alerts.get_mut(id).filter(|alert| alert.acknowledged.is_none());
        let Some(alert) = alert else { return false };
        alert.acknowledged = Some(Acknowledged { at: now.unix(), by: by.to_owned() });
        for hash in alert.tokens.drain(..) {
            self.tokens.remove(&hash);
        }
        self.is_changed = true;
        true
    }

    /// Whether an alert is to be acknowledged, with this token, too. Its hash is to be kept before it is sent.
    pub fn take_token(&mut self, id: &str, token: &str) -> bool {
        let Some(alert) = self.alerts.get_mut(id).filter(|alert| alert.acknowledged.is_none()) else {
            return false;
        };
        let hash = token::hash(token);
        let Some(old) = alert.keep_token(hash.clone()) else { return true };
        if let Some(old) = old {
            self.tokens.remove(&old);
        }
        self.tokens.insert(hash, id.to_owned());
        self.is_changed = true;
        true
    }

    /// Takes in who is told, by their keys. Returns those that are new, if anybody is or has gone: they take the place of those
    /// that have gone, and hear the end of what these have heard of.
    pub fn rewire(&mut self, keys: &BTreeSet<String>) -> Option<BTreeSet<String>> {
        if *keys == self.channels {
            return None;
        }
        let before = std::mem::replace(&mut self.channels, keys.clone());
        let new: BTreeSet<String> = keys.difference(&before).cloned().collect();
        for alert in self.alerts.values_mut() {
            if !alert.reached.is_subset(keys) {
                alert.reached.retain(|key| keys.contains(key));
                alert.reached.extend(new.iter().cloned());
            }
        }
        self.is_changed = true;
        Some(new)
    }

    /// A channel has had a message of an alert.
    pub fn reached(&mut self, id: &str, channel: &str) {
        if let Some(alert) = self.alerts.get_mut(id)
            && alert.reached.insert(channel.to_owned())
        {
            self.is_changed = true;
        }
    }
}

/// Conditions that hold only when something has been so for a while, which is counted in memory.
fn is_counted(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::NobodyCrawls
            | Cause::AlertsUndelivered
            | Cause::StoreUnusable
            | Cause::StoreBehind
            | Cause::ClockMoved
    )
}

#[cfg(test)]
mod tests;
