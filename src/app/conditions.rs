//! What is wrong with Katahai itself, or worth knowing about a site besides its state: each with its cause, and since when.
//! Conditions are looked up again and again; their beginning and end are logged once.

mod jump;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use super::incidents::Event;
use super::shelf_state::Trouble;
use super::{App, certificates};
use crate::clock::Now;
use crate::config::{self, Problems};
use crate::descriptors;
use crate::failure::{Cause, Told};
use crate::snapshot::rfc3339;
use crate::tls::Problem;

/// How long something that happened at one moment (a clock jump, a killed process) is reported.
const TOLD: Duration = Duration::from_secs(24 * 3600);
/// How often a lasting condition is logged again: a line of weeks ago has been rotated away.
const AGAIN: Duration = Duration::from_secs(24 * 3600);
/// How long something that comes and goes is reported after it was last seen.
const TOLD_SHORTLY: Duration = Duration::from_secs(60);

/// A condition that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// What it is.
    pub cause: Told,
    /// Since when, RFC 3339.
    pub since: String,
    /// What exactly: files, numbers, reasons.
    pub detail: String,
    /// Of something that will end: which of 30, 14, 7, 3 and 1 days before has come. Each is news.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u16>,
}

/// A condition that holds, as the rest of the application wants it.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    /// The site; empty: the whole process.
    pub(super) of: Arc<str>,
    pub(super) cause: Cause,
    /// Which one, where there may be several.
    pub(super) subject: String,
    pub(super) since: SystemTime,
    pub(super) detail: String,
    /// As in [`Condition`].
    pub(super) step: Option<u16>,
}

impl Holding {
    fn of((key, entry): (&Key, &Entry)) -> Holding {
        Holding {
            of: key.of.clone(),
            cause: key.cause,
            subject: key.subject.clone(),
            since: entry.since,
            detail: entry.finding.detail.clone(),
            step: entry.finding.step,
        }
    }
}

/// What a look has found. `of` is the site; the whole process where it is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    of: Arc<str>,
    cause: Cause,
    /// Which one, where there may be several: a file, an origin.
    subject: String,
}

type Found = BTreeMap<Key, Finding>;

/// What exactly was found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    detail: String,
    /// As in [`Condition`].
    step: Option<u16>,
}

impl From<String> for Finding {
    fn from(detail: String) -> Finding {
        Finding { detail, step: None }
    }
}

/// What held at the last look.
#[derive(Debug, Default)]
struct Ledger(BTreeMap<Key, Entry>);

/// One of them.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    since: SystemTime,
    finding: Finding,
    /// When the log was told last.
    logged: Instant,
}

/// The conditions that have begun, that have ended, and that must be logged again.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    begun: Vec<(Key, String)>,
    again: Vec<(Key, String)>,
    ended: Vec<Key>,
}

impl Ledger {
    fn observe(&mut self, found: Found, now: Now) -> Changes {
        let mut changes = Changes::default();
        self.0.retain(|key, _| {
            let holds = found.contains_key(key);
            if !holds {
                changes.ended.push(key.clone());
            }
            holds
        });
        for (key, finding) in found {
            let detail = finding.detail.clone();
            if let Some(entry) = self.0.get_mut(&key) {
                let is_closer = entry.finding.step != finding.step;
                entry.finding = finding;
                if is_closer || now.mono.saturating_duration_since(entry.logged) >= AGAIN {
                    entry.logged = now.mono;
                    changes.again.push((key, detail));
                }
            } else {
                changes.begun.push((key.clone(), detail));
                self.0.insert(key, Entry { since: now.wall, finding, logged: now.mono });
            }
        }
        changes
    }
}

/// Facts that can be known only when they happen.
#[derive(Debug, Default)]
struct Facts {
    /// The files that were refused when they were last read, with the reasons.
    refused: BTreeMap<PathBuf, RefusedFile>,
    /// The sites whose certificate has a problem.
    certificates: Vec<(Arc<str>, Cause, String)>,
    /// The keys of the configuration that take a restart to be in force.
    restart: Vec<&'static str>,
    clock: Option<(Instant, String)>,
    unclean: Option<(Instant, String)>,
    /// The other process on the same state directory.
    shared: Option<String>,
    /// Why nothing can be written to the state directory.
    unwritable: Option<String>,
    /// When file descriptors were running out, and how many there are.
    descriptors: Option<(Instant, String)>,
    last: Option<Now>,
}

/// Why a file was refused.
#[derive(Debug)]
struct RefusedFile {
    reasons: String,
    /// Of them, those that are about a certificate which visitors are to see.
    certificate: Option<String>,
}

impl RefusedFile {
    fn of(problems: &Problems) -> RefusedFile {
        let is_tls = |problem: &&config::Problem| problem.key.contains(".tls.");
        let certificate = problems.iter().find(is_tls).map(ToString::to_string);
        RefusedFile { reasons: super::in_one_line(problems), certificate }
    }
}

/// All conditions of the process and its sites.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    facts: Mutex<Facts>,
    ledger: Mutex<Ledger>,
}

impl Conditions {
    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file was read, and refused if there are problems.
    pub(super) fn read(&self, file: &Path, problems: Option<&Problems>) {
        let mut facts = self.facts();
        match problems {
            Some(problems) => drop(facts.refused.insert(file.to_owned(), RefusedFile::of(problems))),
            None => drop(facts.refused.remove(file)),
        }
    }

    /// The certificates were read, with these problems. Returns whether that is news.
    pub(super) fn certificates(&self, problems: &[Problem]) -> bool {
        let problems = certificates::conditions_of(problems);
        let mut facts = self.facts();
        let news = facts.certificates != problems;
        facts.certificates = problems;
        news
    }

    /// These keys were changed since the start, and take a restart to be in force.
    pub(super) fn needs_restart(&self, keys: &[&'static str]) {
        self.facts().restart = keys.to_vec();
    }

    /// The last process on this state directory did not end by itself.
    pub(super) fn unclean(&self, detail: String, now: Instant) {
        self.facts().unclean = Some((now, detail));
    }

    /// Another process runs on the same state directory, or none does.
    pub(super) fn shared(&self, other: Option<String>) {
        self.facts().shared = other;
    }

    /// Whether one did when it was last looked.
    pub(super) fn is_shared(&self) -> bool {
        self.facts().shared.is_some()
    }

    /// Nothing can be written to the state directory, for this reason; or it can.
    pub(super) fn unwritable(&self, why: Option<String>) {
        self.facts().unwritable = why;
    }

    /// Whether nothing could when it was last tried.
    pub(super) fn is_unwritable(&self) -> bool {
        self.facts().unwritable.is_some()
    }

    /// Compares the two clocks with what they said last.
    pub(super) fn tick(&self, now: Now) {
        let mut facts = self.facts();
        if let Some(detail) = facts.last.and_then(|last| jump::jump(last, now)) {
            facts.clock = Some((now.mono, detail));
        }
        facts.last = Some(now);
    }

    /// Looks whether file descriptors are running out.
    fn look_at_descriptors(&self, now: Instant) {
        if let Some((used, limit)) = descriptors::running_out() {
            self.facts().descriptors = Some((now, format!("{used} of {limit} are in use")));
        }
    }

    /// They were lacking for something.
    pub(super) fn lacked_descriptors(&self, what: &str, now: Instant) {
        self.facts().descriptors = Some((now, what.to_owned()));
    }

    /// What holds of a site, or of the whole process for an empty name.
    pub(super) fn of(&self, site: &str) -> Vec<Condition> {
        let condition = |held: Holding| Condition {
            cause: held.cause.into(),
            since: rfc3339(held.since),
            detail: held.detail,
            step: held.step,
        };
        self.holding_of(site).into_iter().map(condition).collect()
    }

    /// Those that hold of a site.
    pub(super) fn holding_of(&self, site: &str) -> Vec<Holding> {
        // the keys of a site lie together: with thousands of sites nobody reads them all for each
        let first = Key { of: site.into(), cause: Cause::ALL[0], subject: String::new() };
        let ledger = self.ledger();
        ledger.0.range(first..).take_while(|(key, _)| &*key.of == site).map(Holding::of).collect()
    }

    /// All that hold.
    pub(super) fn holding(&self) -> Vec<Holding> {
        self.ledger().0.iter().map(Holding::of).collect()
    }

    /// How many hold, by site and cause.
    pub(super) fn counts(&self) -> BTreeMap<(Arc<str>, Cause), i64> {
        let mut counts = BTreeMap::new();
        for key in self.ledger().0.keys() {
            *counts.entry((key.of.clone(), key.cause)).or_default() += 1;
        }
        counts
    }

    /// What the facts say.
    fn found(&self, now: Instant) -> Found {
        let facts = self.facts();
        let process: Arc<str> = "".into();
        let key = |cause, subject: String| Key { of: process.clone(), cause, subject };
        let mut found = Found::new();
        for (file, refused) in &facts.refused {
            let file = file.display().to_string();
            if let Some(certificate) = &refused.certificate {
                found.insert(key(Cause::CertificateUnreadable, file.clone()), certificate.clone().into());
            }
            found.insert(key(Cause::ConfigurationRefused, file), refused.reasons.clone().into());
        }
        for (site, cause, reason) in &facts.certificates {
            let key = Key { of: site.clone(), cause: *cause, subject: String::new() };
            found.entry(key).or_insert_with(|| reason.clone().into());
        }
        if !facts.restart.is_empty() {
            found.insert(key(Cause::RestartNeeded, String::new()), facts.restart.join(", ").into());
        }
        if let Some(other) = &facts.shared {
            found.insert(key(Cause::StateShared, String::new()), other.clone().into());
        }
        if let Some(why) = &facts.unwritable {
            found.insert(key(Cause::StateUnusable, String::new()), why.clone().into());
        }
        let moments = [
            (Cause::ClockMoved, &facts.clock, TOLD),
            (Cause::UncleanStop, &facts.unclean, TOLD),
            (Cause::DescriptorsOut, &facts.descriptors, TOLD_SHORTLY),
        ];
        for (cause, moment, told) in moments {
            if let Some((at, detail)) = moment
                && now.saturating_duration_since(*at) < told
            {
                found.insert(key(cause, String::new()), detail.clone().into());
            }
        }
        found
    }
}

/// The cause that a trouble with the snapshots stands for.
fn cause_of(trouble: &Trouble) -> Cause {
    match trouble.kind {
        "damaged" | "unreadable" | "pointer" => Cause::CopyDamaged,
        "gone" => Cause::CopiesGone,
        "disk_full" => Cause::DiskFull,
        _ => Cause::StateUnusable,
    }
}

impl App {
    /// Looks at what holds now, and logs what has changed.
    pub(super) fn look_at_conditions(&self, now: Now) {
        self.conditions.look_at_descriptors(now.mono);
        let mut found = self.conditions.found(now.mono);
        for (of, cause, detail, step) in certificates::by_date(&self.certs.dates(), now.wall) {
            let finding = Finding { detail, step };
            found.entry(Key { of, cause, subject: String::new() }).or_insert(finding);
        }
        for (of, warning, subject, detail) in self.watch.warnings() {
            found.insert(Key { of, cause: warning.cause, subject }, Finding { detail, step: warning.step });
        }
        let process = |cause| Key { of: "".into(), cause, subject: String::new() };
        for (cause, detail) in self.offsite.iter().flat_map(|store| store.conditions(now)) {
            found.insert(process(cause), detail.into());
        }
        for (cause, detail) in self.regions.iter().flat_map(|regions| regions.conditions(now.mono)) {
            found.insert(process(cause), detail.into());
        }
        if let Some(detail) = self.forms_alone() {
            found.insert(process(Cause::FormsAlone), detail.into());
        }
        for (to, why) in self.undelivered(now.mono) {
            let detail = format!("{to}: {} ({})", why.detail, why.code);
            let key = Key { of: "".into(), cause: Cause::AlertsUndelivered, subject: to };
            found.insert(key, detail.into());
        }
        for site in &self.table().sites {
            let name = &site.config.name;
            for (place, trouble) in self.troubles(site).into_iter().enumerate() {
                let key = Key { of: name.clone(), cause: cause_of(&trouble), subject: place.to_string() };
                found.insert(key, trouble.message.into());
            }
            for (cause, detail) in self.offsite.iter().flat_map(|store| store.site_conditions(name, now)) {
                found.insert(Key { of: name.clone(), cause, subject: String::new() }, detail.into());
            }
            if let Some((cause, detail)) = self.drill_condition(name) {
                found.insert(Key { of: name.clone(), cause, subject: String::new() }, detail.into());
            }
            for member in site.origins.members() {
                for (cause, detail) in member.origin.conditions(now) {
                    let subject = member.origin.identity.url.to_string();
                    let detail = format!("{subject}: {detail}");
                    let step = (cause == Cause::CertificateExpiring)
                        .then(|| {
                            certificates::step(member.origin.certificate_ends(now.wall)?.not_after, now.wall)
                        })
                        .flatten();
                    found.insert(Key { of: name.clone(), cause, subject }, Finding { detail, step });
                }
            }
        }
        let changes = self.conditions.ledger().observe(found, now);
        for (key, detail) in changes.begun {
            let (cause, meaning) = (key.cause.code(), key.cause.meaning().en);
            tracing::warn!(site = %key.of, cause, %detail, meaning, "condition begins");
            let event = Event::Condition { site: key.of, change: "begins", cause, detail };
            self.events().tell(event, now.wall);
        }
        for (key, detail) in changes.again {
            tracing::warn!(site = %key.of, cause = key.cause.code(), %detail, "condition persists");
        }
        for key in changes.ended {
            let cause = key.cause.code();
            tracing::info!(site = %key.of, cause, "condition ends");
            let event = Event::Condition { site: key.of, change: "ends", cause, detail: String::new() };
            self.events().tell(event, now.wall);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn key(cause: Cause) -> Key {
        Key { of: "shop".into(), cause, subject: String::new() }
    }

    #[test]
    fn what_begins_and_what_ends_is_told_once() {
        let now = clock::now();
        let mut ledger = Ledger::default();
        let full = || Found::from([(key(Cause::DiskFull), "a".to_owned().into())]);
        let changes = ledger.observe(full(), now);
        assert_eq!(changes.begun, [(key(Cause::DiskFull), "a".to_owned())]);
        let later = now.plus(Duration::from_secs(5));
        let other = Found::from([(key(Cause::DiskFull), "b".to_owned().into())]);
        assert_eq!(ledger.observe(other, later), Changes::default(), "another detail is the same condition");
        let entry = &ledger.0[&key(Cause::DiskFull)];
        assert_eq!((entry.since, &*entry.finding.detail), (now.wall, "b"));
        let day = later.plus(AGAIN);
        assert_eq!(ledger.observe(full(), day).again, [(key(Cause::DiskFull), "a".to_owned())]);
        assert_eq!(ledger.observe(full(), day), Changes::default(), "once a day");
        assert_eq!(ledger.observe(Found::new(), later).ended, [key(Cause::DiskFull)]);
        assert_eq!(ledger.observe(Found::new(), later), Changes::default());
    }

    #[test]
    fn each_step_towards_an_end_is_news_once() {
        let now = clock::now();
        let mut ledger = Ledger::default();
        let left = |days: u16, step| {
            Found::from([(
                key(Cause::DomainExpiring),
                Finding { detail: format!("{days} days left"), step: Some(step) },
            )])
        };
        assert_eq!(ledger.observe(left(20, 30), now).begun.len(), 1);
        assert_eq!(ledger.observe(left(19, 30), now), Changes::default());
        let told = ledger.observe(left(14, 14), now).again;
        assert_eq!(told, [(key(Cause::DomainExpiring), "14 days left".to_owned())]);
        assert_eq!(ledger.observe(left(13, 14), now), Changes::default());
        assert_eq!(ledger.0[&key(Cause::DomainExpiring)].since, now.wall, "it is the same condition");
    }

    #[test]
    fn a_jump_is_told_for_a_day() {
        let conditions = Conditions::default();
        let begin = clock::now();
        conditions.tick(begin);
        let mut now = begin.plus(Duration::from_secs(1));
        now.wall -= Duration::from_secs(7200);
        conditions.tick(now);
        conditions.tick(now.plus(Duration::from_secs(1)));
        let clock = Key { of: "".into(), cause: Cause::ClockMoved, subject: String::new() };
        assert!(conditions.found(now.mono).contains_key(&clock));
        assert!(conditions.found(now.mono + TOLD).is_empty());
    }
}
