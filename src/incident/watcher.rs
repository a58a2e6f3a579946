//! Watches one site: it is shown how the site stands, again and again, and keeps its incident. Pure; what is costly to find out
//! is asked for only while there is an incident.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::glance::{Details, Glance, SiteHealth};
use super::id::IncidentId;
use super::missed::Missed;
use super::moment::Moment;
use super::parts::{Evidence, Planned};
use super::record::{Incident, Severity};
use super::timeline::{Act, Happening, TimelineEntry};
use crate::clock::Now;
use crate::failure::Cause;
use crate::metrics::{ServedFrom, Totals};

/// A site that fails again within this time after it had recovered goes on with the same incident.
const FLAPPING: Duration = Duration::from_secs(600);
/// What operators did in this time before an incident is told with it.
const BEFORE: Duration = Duration::from_secs(600);
/// So much of it is remembered.
const ACTS: usize = 8;
/// How often the details of an open incident are looked up, if its state stays the same: they cost.
const DETAILS: Duration = Duration::from_secs(5);
/// So many changes of what is planned are remembered, and a look may be so late to see one.
const PLANS: usize = 8;
const LOOK: Duration = Duration::from_secs(2);
/// A difference between the two clocks that is no drift, in seconds.
const JUMP: i64 = 60;

/// What became of the incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is one.
    Opened,
    /// The last one goes on.
    Reopened,
    /// Something happened in its course.
    Updated,
    /// It is over.
    Closed,
}

/// Watches one site.
#[derive(Debug)]
pub struct Watcher {
    site: Arc<str>,
    open: Option<Box<Course>>,
    /// The last one, for as long as it may go on.
    last: Option<(Box<Incident>, Now)>,
    /// What operators did and no incident tells yet.
    acts: VecDeque<(Now, Act)>,
    /// What was planned from when on.
    plans: VecDeque<(Instant, Option<Planned>)>,
}

/// An incident that is not over.
#[derive(Debug)]
struct Course {
    incident: Incident,
    seen: Now,
    health: SiteHealth,
    lasted: Duration,
    cause: Option<Cause>,
    totals: Totals,
    missed: Missed,
    /// When its details were looked up last.
    detailed: Option<Instant>,
    /// The last states of the origins.
    states: BTreeMap<String, &'static str>,
    /// Whether an earlier process has begun it, and this one has not seen the site yet.
    is_resumed: bool,
    /// Whether something has happened that nobody was told yet.
    news: bool,
    /// Whether anything but the time that has passed is another than what was taken to be written.
    is_changed: bool,
}

impl Watcher {
    /// Of a site that has no incident.
    pub fn new(site: Arc<str>) -> Watcher {
        Watcher { site, open: None, last: None, acts: VecDeque::new(), plans: VecDeque::new() }
    }

    /// Goes on with an incident of an earlier process, if it is open or was so a moment ago. Of two that are open, the older
    /// one is given back, ended when it was seen last.
    pub fn resume(&mut self, incident: Incident, now: Now) -> Option<Incident> {
        if let Some(ended) = incident.ended {
            let ago = Duration::from_secs(Moment::from(now.wall).since(ended));
            if ago < FLAPPING
                && !incident.unwatched
                && let Some(then) = now.mono.checked_sub(ago)
            {
                self.last = Some((Box::new(incident), Now { mono: then, wall: ended.into() }));
            }
            return None;
        }
        let (newer, older) = match self.open.take().map(|course| course.incident) {
            Some(other) if other.id > incident.id => (other, Some(incident)),
            other => (incident, other),
        };
        self.open = Some(Box::new(Course {
            missed: Missed::resumed(&newer.missed),
            lasted: Duration::from_secs(newer.lasted_s),
            incident: newer,
            seen: now,
            health: SiteHealth::Unproven,
            cause: None,
            totals: Totals::default(),
            detailed: None,
            states: BTreeMap::new(),
            is_resumed: true,
            news: false,
            is_changed: false,
        }));
        older.map(|mut older| {
            let at = older.as_of;
            older.end(Happening::Removed, at);
            older
        })
    }

    /// The incident, as long as it is open.
    pub fn open(&self) -> Option<&Incident> {
        self.open.as_deref().map(|course| &course.incident)
    }

    /// The same, to be added to.
    pub fn open_mut(&mut self) -> Option<&mut Incident> {
        self.open.as_deref_mut().map(|course| {
            course.is_changed = true;
            &mut course.incident
        })
    }

    /// Whether the open incident has changed, but for the time that has passed, since it was taken to be written.
    pub fn is_changed(&self) -> bool {
        self.open.as_deref().is_some_and(|course| course.is_changed)
    }

    /// It is taken to be written, as it is now.
    pub fn taken(&mut self) {
        if let Some(course) = self.open.as_deref_mut() {
            course.is_changed = false;
        }
    }

    /// The incident that has just ended.
    pub fn ended(&self) -> Option<&Incident> {
        self.last.as_ref().map(|(incident, _)| &**incident)
    }

    /// An incident that was changed on the disk after it had ended.
    pub fn replace_ended(&mut self, incident: &Incident) {
        if let Some((last, _)) = self.last.as_mut().filter(|(last, _)| last.id == incident.id) {
            last.clone_from(&Box::new(incident.clone()));
        }
    }

    /// An operator did something.
    pub fn act(&mut self, act: Act, now: Now) {
        if let Some(course) = self.open.as_deref_mut() {
            course.incident.happened(now.wall.into(), Happening::Act { act });
            course.tell();
            return;
        }
        if self.acts.len() >= ACTS {
            self.acts.pop_front();
        }
        self.acts.push_back((now, act));
    }

    /// The site stands like this. `is_taken` says whether another incident has this id.
    pub fn observe(
        &mut self,
        glance: &Glance,
        details: impl FnOnce() -> Details,
        is_taken: impl Fn(&IncidentId) -> bool,
        now: Now,
    ) -> Option<Change> {
        let Some(course) = self.open.as_deref_mut() else {
            self.note_plan(glance, now.mono);
            let severity = glance.health.severity()?;
            return Some(self.begin(severity, glance, details(), is_taken, now));
        };
        let wants_details = course.wants_details(glance, now.mono);
        course.go_on(glance, now);
        if wants_details {
            course.learn(details(), now);
        }
        if glance.health == SiteHealth::Well {
            self.end(Happening::Recovered, now);
            return Some(Change::Closed);
        }
        std::mem::take(&mut course.news).then_some(Change::Updated)
    }

    /// The site is no longer watched.
    pub fn remove(&mut self, now: Now) -> Option<Change> {
        self.open.is_some().then(|| {
            self.end(Happening::Removed, now);
            Change::Closed
        })
    }

    fn note_plan(&mut self, glance: &Glance, at: Instant) {
        if self.plans.back().is_some_and(|(_, planned)| *planned == glance.planned) {
            return;
        }
        if self.plans.len() >= PLANS {
            self.plans.pop_front();
        }
        let at = glance.planned_since.map_or(at, |since| since.min(at));
        self.plans.push_back((at, glance.planned.clone()));
    }

    /// What was planned at that moment.
    fn planned_at(&self, then: Instant) -> Option<Planned> {
        let known = self.plans.iter().rev().find(|(at, _)| *at <= then + LOOK).or(self.plans.front());
        known.and_then(|(_, planned)| planned.clone())
    }

    fn begin(
        &mut self,
        severity: Severity,
        glance: &Glance,
        details: Details,
        is_taken: impl Fn(&IncidentId) -> bool,
        now: Now,
    ) -> Change {
        let is_again = |at: &Now| now.mono.saturating_duration_since(at.mono) < FLAPPING;
        let before = self.last.take().filter(|(_, at)| is_again(at));
        // what was told before is not told again
        let seen_from = before.as_ref().map(|(_, ended)| ended.mono);
        let is_new = |at: Instant| at <= now.mono && seen_from.is_none_or(|from| at >= from);
        let first = details.sightings.iter().find(|seen| is_new(seen.at.mono)).cloned();
        let first_at = first.as_ref().map_or(now, |seen| seen.at);
        let (began, noticed) = (Moment::from(first_at.wall.min(now.wall)), Moment::from(now.wall));
        let is_reopened = before.is_some();
        let mut told = self.untold_acts(first_at.mono, is_reopened);
        let mut incident = match before {
            Some((mut incident, _)) => {
                incident.ended = None;
                incident.reported = None;
                incident.reopened += 1;
                told.push(TimelineEntry { at: began, what: Happening::Again });
                *incident
            }
            None => {
                let id = IncidentId::new(began, &self.site, is_taken);
                let mut incident = Incident::new(id, &self.site, severity, began, noticed);
                incident.planned = self.planned_at(first_at.mono);
                incident.lasted_s = 0;
                incident
            }
        };
        if let Some(seen) = &first {
            let cause = seen.cause.code().to_owned();
            told.push(TimelineEntry { at: began, what: Happening::FirstFailure { cause } });
            incident.caused(seen.cause.code(), began);
        }
        told.sort_by_key(|entry| entry.at);
        told.into_iter().for_each(|entry| incident.happened(entry.at, entry.what));
        let mut course = Course {
            missed: Missed::begun(&details.missed, first_at.wall, &incident.missed),
            lasted: Duration::from_secs(incident.lasted_s)
                + now.mono.saturating_duration_since(first_at.mono),
            incident,
            seen: now,
            health: SiteHealth::Well,
            cause: None,
            totals: details.before,
            detailed: None,
            states: BTreeMap::new(),
            is_resumed: false,
            news: false,
            is_changed: true,
        };
        course.incident.origins.clone_from(&details.origins);
        course.go_on(glance, now);
        course.learn(details, now);
        course.news = false;
        self.open = Some(Box::new(course));
        if is_reopened { Change::Reopened } else { Change::Opened }
    }

    /// What operators did shortly before the first failure, and since then, may be the reason for it; and all that they did
    /// since the incident had ended, if it goes on.
    fn untold_acts(&mut self, first: Instant, is_reopened: bool) -> Vec<TimelineEntry> {
        let matters = |at: Instant| is_reopened || first.saturating_duration_since(at) < BEFORE;
        let acts = self.acts.drain(..).filter(|(at, _)| matters(at.mono));
        acts.map(|(at, act)| TimelineEntry { at: at.wall.into(), what: Happening::Act { act } }).collect()
    }

    fn end(&mut self, how: Happening, now: Now) {
        let Some(mut course) = self.open.take() else { return };
        self.plans.clear();
        course.incident.end(how, now.wall.into());
        self.last = Some((Box::new(course.incident), now));
    }
}

impl Course {
    /// Something has happened.
    fn tell(&mut self) {
        (self.news, self.is_changed) = (true, true);
    }

    fn wants_details(&self, glance: &Glance, now: Instant) -> bool {
        let is_due = self.detailed.is_none_or(|at| now.saturating_duration_since(at) >= DETAILS);
        is_due || self.health != glance.health || self.cause != glance.cause
    }

    /// Another look at the site.
    fn go_on(&mut self, glance: &Glance, now: Now) {
        let at = Moment::from(now.wall);
        self.keep_time(now);
        self.stands(glance, at);
        self.count(glance);
        self.incident.as_of = at;
    }

    /// What is looked up less often.
    fn learn(&mut self, details: Details, now: Now) {
        let at = Moment::from(now.wall);
        self.detailed = Some(now.mono);
        let before = (self.incident.evidence.len(), self.incident.missed.clone(), self.incident.forms);
        for seen in &details.sightings {
            self.incident.saw(Evidence::from(seen));
        }
        let states = details.origins.iter().zip(&details.states);
        for (origin, state) in states.filter(|_| details.origins.len() > 1) {
            let before = self.states.insert(origin.url.clone(), state);
            if before != Some(*state) && (before.is_some() || *state != "up") {
                let (origin, cause) = (origin.url.clone(), origin.cause.clone());
                self.incident.happened(at, Happening::Origin { origin, state: (*state).to_owned(), cause });
                self.tell();
            }
        }
        if details.regions.is_some() && details.regions != self.incident.regions {
            self.incident.regions = details.regions;
            if let Some(regions) = self.incident.regions.clone() {
                self.incident.happened(at, Happening::SeenFrom { regions });
                self.tell();
            }
        }
        if self.incident.found(details.findings, at) {
            self.tell();
        }
        self.incident.host = details.host;
        if let Some(forms) = details.forms {
            self.incident.set_forms(forms, at);
        }
        self.incident.copy_of = details.copy_of.map(Moment::from).or(self.incident.copy_of);
        let pages = self.missed.note(&details.missed);
        self.incident.set_missed(pages);
        self.incident.missed_at_least |= details.missed_is_full || self.missed.is_full;
        let after = (self.incident.evidence.len(), &self.incident.missed, self.incident.forms);
        self.is_changed |= (before.0, &before.1, before.2) != after;
    }

    /// How long it has lasted, whatever becomes of the wall clock.
    fn keep_time(&mut self, now: Now) {
        let at = Moment::from(now.wall);
        if std::mem::take(&mut self.is_resumed) {
            let away_s = at.since(self.incident.as_of);
            self.lasted += Duration::from_secs(away_s);
            self.incident.happened(at, Happening::Restarted { away_s });
            self.tell();
        }
        let passed = now.mono.saturating_duration_since(self.seen.mono);
        let expected = Moment::from(self.seen.wall + passed);
        let by_s =
            i64::try_from(at.unix()).unwrap_or(i64::MAX) - i64::try_from(expected.unix()).unwrap_or(i64::MAX);
        if by_s.abs() > JUMP {
            self.incident.happened(at, Happening::ClockMoved { by_s });
            self.tell();
        }
        self.lasted += passed;
        self.incident.lasted_s = self.lasted.as_secs();
        self.seen = now;
    }

    /// Its state, its cause, and whether that is still planned.
    fn stands(&mut self, glance: &Glance, at: Moment) {
        let state = glance.health.as_str();
        self.cause = glance.cause;
        self.incident.live_held |= glance.is_live_held;
        if self.health != glance.health {
            self.health = glance.health;
            if !matches!(glance.health, SiteHealth::Well | SiteHealth::Unproven) {
                self.incident.happened(at, Happening::State { state: state.to_owned() });
                self.tell();
            }
        }
        self.incident.state = state.to_owned();
        if let Some(severity) = glance.health.severity() {
            self.incident.severity = self.incident.severity.max_of(severity);
        }
        match glance.cause {
            Some(cause) if self.incident.caused(cause.code(), at) => {
                self.incident.happened(at, Happening::Cause { cause: cause.code().to_owned() });
                self.tell();
            }
            Some(_) => {}
            None if glance.health == SiteHealth::Unproven => {}
            None => self.incident.close_cause(at),
        }
        if self.incident.is_planned() && glance.planned.is_none() && glance.health.severity().is_some() {
            if let Some(planned) = &mut self.incident.planned {
                planned.overran = Some(at);
            }
            self.incident.happened(at, Happening::Overran);
            self.tell();
        }
    }

    /// What visitors got.
    fn count(&mut self, glance: &Glance) {
        for ((label, now), before) in ServedFrom::ALL.iter().zip(glance.totals).zip(self.totals) {
            let more = now.saturating_sub(before);
            if more > 0 {
                *self.incident.served.entry(label.as_str().to_owned()).or_default() += more;
                self.is_changed = true;
            }
        }
        self.totals = glance.totals;
    }
}

impl Severity {
    fn max_of(self, other: Severity) -> Severity {
        match (self, other) {
            (Severity::Partial, Severity::Partial) => Severity::Partial,
            (Severity::Outage, _) | (_, Severity::Outage) => Severity::Outage,
        }
    }
}
