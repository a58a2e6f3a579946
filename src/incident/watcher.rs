//! Watches one site: it is shown how the site stands, again and again, and keeps its incident. Pure; what is costly to find out
//! is asked for only while there is an incident.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::id::IncidentId;
use super::moment::Moment;
use super::parts::{Evidence, MissedPage, OriginFacts, Planned, Regions};
use super::record::{Incident, Severity};
use super::timeline::{Act, Happening};
use crate::clock::Now;
use crate::failure::{Cause, Sighting};
use crate::metrics::{ServedFrom, Totals};

/// A site that fails again within this time after it had recovered goes on with the same incident.
const FLAPPING: Duration = Duration::from_secs(600);
/// What operators did in this time before an incident is told with it.
const BEFORE: Duration = Duration::from_secs(600);
/// So much of it is remembered.
const ACTS: usize = 8;
/// A difference between the two clocks that is no drift, in seconds.
const JUMP: i64 = 60;

/// How a site stands, as its visitors feel it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteHealth {
    /// Nothing was seen of it yet.
    Unproven,
    /// The live site answers, and all visitors get it.
    Well,
    /// Some of its pages do not.
    Partly,
    /// It does not answer, or what answers is not the site.
    Out,
    /// It answers again, and not all visitors get it yet.
    Returning,
}

impl SiteHealth {
    fn severity(self) -> Option<Severity> {
        match self {
            SiteHealth::Partly => Some(Severity::Partial),
            SiteHealth::Out => Some(Severity::Outage),
            SiteHealth::Unproven | SiteHealth::Well | SiteHealth::Returning => None,
        }
    }

    /// The word of the status.
    fn as_str(self) -> &'static str {
        match self {
            SiteHealth::Unproven => "unproven",
            SiteHealth::Well => "up",
            SiteHealth::Partly => "degraded",
            SiteHealth::Out => "down",
            SiteHealth::Returning => "recovering",
        }
    }
}

/// What is known of a site at no cost.
#[derive(Clone, Debug)]
pub struct Glance {
    /// How it stands.
    pub health: SiteHealth,
    /// Why it is not well.
    pub cause: Option<Cause>,
    /// How many requests were answered from where, since the start of the process.
    pub totals: Totals,
    /// Planned work that is under way.
    pub planned: Option<Planned>,
}

/// What is looked up only for a site that is not well.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// The site's host, as visitors know it.
    pub host: String,
    /// Failed answers, in the order of time.
    pub sightings: Vec<Sighting>,
    /// The counters at the time of the first of them.
    pub before: Totals,
    /// The origins.
    pub origins: Vec<OriginFacts>,
    /// Their states, in the same order.
    pub states: Vec<&'static str>,
    /// Pages that were not given for want of a copy: key, requests since the start of the process, and the last one.
    pub missed: Vec<(String, u64, SystemTime)>,
    /// Kept forms that wait.
    pub forms_waiting: u64,
    /// When the snapshot in service was taken.
    pub copy_of: Option<SystemTime>,
    /// From where it is reached and from where not.
    pub regions: Option<Regions>,
}

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
    acts: VecDeque<(Now, Act)>,
}

/// An incident that is not over.
#[derive(Debug)]
struct Course {
    incident: Incident,
    seen: Now,
    health: SiteHealth,
    lasted: Duration,
    totals: Totals,
    /// What of the counts of missed pages belongs to the time before; negative: what an earlier process counted.
    missed_before: HashMap<String, i64>,
    /// The last states of the origins.
    states: BTreeMap<String, &'static str>,
    /// Whether an earlier process has begun it, and this one has not seen the site yet.
    is_resumed: bool,
    /// Whether something has happened that nobody was told yet.
    news: bool,
}

impl Watcher {
    /// Of a site that has no incident.
    pub fn new(site: Arc<str>) -> Watcher {
        Watcher { site, open: None, last: None, acts: VecDeque::new() }
    }

    /// Goes on with an incident of an earlier process, if it is open or was so a moment ago.
    pub fn resume(&mut self, incident: Incident, now: Now) {
        if let Some(ended) = incident.ended {
            let ago = Duration::from_secs(Moment::from(now.wall).since(ended));
            if ago < FLAPPING
                && let Some(then) = now.mono.checked_sub(ago)
            {
                self.last = Some((Box::new(incident), Now { mono: then, wall: ended.into() }));
            }
            return;
        }
        let missed =
            |page: &MissedPage| (page.path.clone(), -i64::try_from(page.requests).unwrap_or(i64::MAX));
        let lasted = Duration::from_secs(incident.lasted_s);
        self.open = Some(Box::new(Course {
            missed_before: incident.missed.iter().map(missed).collect(),
            incident,
            seen: now,
            health: SiteHealth::Unproven,
            lasted,
            totals: Totals::default(),
            states: BTreeMap::new(),
            is_resumed: true,
            news: false,
        }));
    }

    /// The incident, as long as it is open.
    pub fn open(&self) -> Option<&Incident> {
        self.open.as_deref().map(|course| &course.incident)
    }

    /// The same, to be added to.
    pub fn open_mut(&mut self) -> Option<&mut Incident> {
        self.open.as_deref_mut().map(|course| &mut course.incident)
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
            course.incident.happened(now.wall.into(), Happening::Act { act: act.clone() });
            course.news = true;
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
            let severity = glance.health.severity()?;
            return Some(self.begin(severity, glance, details(), is_taken, now));
        };
        course.go_on(glance, details(), now);
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

    fn begin(
        &mut self,
        severity: Severity,
        glance: &Glance,
        details: Details,
        is_taken: impl Fn(&IncidentId) -> bool,
        now: Now,
    ) -> Change {
        let first = details.sightings.first().filter(|seen| seen.at.mono <= now.mono);
        let first_at = first.map_or(now, |seen| seen.at);
        let (began, noticed) = (Moment::from(first_at.wall.min(now.wall)), Moment::from(now.wall));
        let is_again = |at: &Now| now.mono.saturating_duration_since(at.mono) < FLAPPING;
        let before = self.last.take().filter(|(_, at)| is_again(at));
        let (mut incident, change) = match before {
            Some((incident, _)) => (*incident, Change::Reopened),
            None => {
                let id = IncidentId::new(began, &self.site, is_taken);
                (Incident::new(id, &self.site, severity, began, noticed), Change::Opened)
            }
        };
        let lasted_before = match change {
            Change::Reopened => {
                incident.ended = None;
                incident.reopened += 1;
                incident.happened(began, Happening::Again);
                Duration::from_secs(incident.lasted_s)
            }
            Change::Opened | Change::Updated | Change::Closed => {
                incident.planned.clone_from(&glance.planned);
                self.tell_acts(&mut incident, first_at.mono);
                Duration::ZERO
            }
        };
        if let Some(seen) = first {
            incident.happened(began, Happening::FirstFailure { cause: seen.cause.code().to_owned() });
            incident.caused(seen.cause.code(), began);
        }
        let missed_before = counted_before(&details.missed, first_at.wall, &incident.missed);
        let mut course = Course {
            incident,
            seen: now,
            health: SiteHealth::Well,
            lasted: lasted_before + now.mono.saturating_duration_since(first_at.mono),
            totals: details.before,
            missed_before,
            states: BTreeMap::new(),
            is_resumed: false,
            news: false,
        };
        course.incident.origins.clone_from(&details.origins);
        course.go_on(glance, details, now);
        course.news = false;
        self.open = Some(Box::new(course));
        change
    }

    /// What operators did shortly before the first failure may be the reason for it.
    fn tell_acts(&self, incident: &mut Incident, first: Instant) {
        for (at, act) in &self.acts {
            if first.saturating_duration_since(at.mono) < BEFORE {
                incident.happened(at.wall.into(), Happening::Act { act: act.clone() });
            }
        }
    }

    fn end(&mut self, how: Happening, now: Now) {
        let Some(mut course) = self.open.take() else { return };
        let at = Moment::from(now.wall);
        course.incident.close_cause(at);
        course.incident.happened(at, how);
        course.incident.ended = Some(at.max(course.incident.began));
        self.last = Some((Box::new(course.incident), now));
    }
}

impl Course {
    /// Another look at the site.
    fn go_on(&mut self, glance: &Glance, details: Details, now: Now) {
        let at = Moment::from(now.wall);
        self.keep_time(now);
        self.stands(glance, at);
        self.counts(glance, &details);
        for seen in &details.sightings {
            self.incident.saw(Evidence::from(seen));
        }
        let states = details.origins.iter().zip(&details.states);
        for (origin, state) in states.filter(|_| details.origins.len() > 1) {
            let before = self.states.insert(origin.url.clone(), state);
            if before != Some(*state) && (before.is_some() || *state != "up") {
                let (origin, cause) = (origin.url.clone(), origin.cause.clone());
                self.incident.happened(at, Happening::Origin { origin, state: (*state).to_owned(), cause });
                self.news = true;
            }
        }
        if details.regions.is_some() && details.regions != self.incident.regions {
            self.incident.regions = details.regions;
            if let Some(regions) = self.incident.regions.clone() {
                self.incident.happened(at, Happening::SeenFrom { regions });
                self.news = true;
            }
        }
        self.incident.host = details.host;
        self.incident.forms_waiting = details.forms_waiting;
        self.incident.copy_of = details.copy_of.map(Moment::from).or(self.incident.copy_of);
        self.incident.as_of = at;
    }

    /// How long it has lasted, whatever becomes of the wall clock.
    fn keep_time(&mut self, now: Now) {
        let at = Moment::from(now.wall);
        if std::mem::take(&mut self.is_resumed) {
            let away_s = at.since(self.incident.as_of);
            self.lasted += Duration::from_secs(away_s);
            self.incident.happened(at, Happening::Restarted { away_s });
            self.news = true;
        }
        let passed = now.mono.saturating_duration_since(self.seen.mono);
        let expected = Moment::from(self.seen.wall + passed);
        let by_s =
            i64::try_from(at.unix()).unwrap_or(i64::MAX) - i64::try_from(expected.unix()).unwrap_or(i64::MAX);
        if by_s.abs() > JUMP {
            self.incident.happened(at, Happening::ClockMoved { by_s });
            self.news = true;
        }
        self.lasted += passed;
        self.incident.lasted_s = self.lasted.as_secs();
        self.seen = now;
    }

    /// Its state, its cause, and whether that is still planned.
    fn stands(&mut self, glance: &Glance, at: Moment) {
        let state = glance.health.as_str();
        if self.health != glance.health {
            self.health = glance.health;
            if !matches!(glance.health, SiteHealth::Well | SiteHealth::Unproven) {
                self.incident.happened(at, Happening::State { state: state.to_owned() });
                self.news = true;
            }
        }
        self.incident.state = state.to_owned();
        if let Some(severity) = glance.health.severity() {
            self.incident.severity = self.incident.severity.max_of(severity);
        }
        match glance.cause {
            Some(cause) if self.incident.caused(cause.code(), at) => {
                self.incident.happened(at, Happening::Cause { cause: cause.code().to_owned() });
                self.news = true;
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
            self.news = true;
        }
    }

    /// What visitors got and missed.
    fn counts(&mut self, glance: &Glance, details: &Details) {
        for ((label, now), before) in ServedFrom::ALL.iter().zip(glance.totals).zip(self.totals) {
            let more = now.saturating_sub(before);
            if more > 0 {
                *self.incident.served.entry(label.as_str().to_owned()).or_default() += more;
            }
        }
        self.totals = glance.totals;
        let mut pages: HashMap<&str, i64> = HashMap::new();
        for (key, requests, _) in &details.missed {
            *pages.entry(path_of(key)).or_default() += i64::try_from(*requests).unwrap_or(i64::MAX);
        }
        for (path, before) in &self.missed_before {
            *pages.entry(path).or_default() -= before;
        }
        let more = |(path, requests): (&str, i64)| {
            let requests = u64::try_from(requests).ok().filter(|requests| *requests > 0)?;
            Some(MissedPage { path: path.to_owned(), requests })
        };
        self.incident.set_missed(pages.into_iter().filter_map(more).collect());
    }
}

/// What of the counts of missed pages belongs to the time before the first failure. Of a page that was missed since then, one
/// request surely belongs to the incident, and it is not known how many more.
fn counted_before(
    missed: &[(String, u64, SystemTime)],
    first: SystemTime,
    known: &[MissedPage],
) -> HashMap<String, i64> {
    let mut before: HashMap<String, i64> = HashMap::new();
    for (key, requests, last) in missed {
        let since = u64::from(*last >= first);
        let requests = i64::try_from(requests.saturating_sub(since)).unwrap_or(i64::MAX);
        *before.entry(path_of(key).to_owned()).or_default() += requests;
    }
    for page in known {
        *before.entry(page.path.clone()).or_default() -= i64::try_from(page.requests).unwrap_or(i64::MAX);
    }
    before
}

/// A page's path without its query: that may be about a person.
fn path_of(key: &str) -> &str {
    key.split(['?', '#']).next().unwrap_or_default()
}

impl Severity {
    fn max_of(self, other: Severity) -> Severity {
        match (self, other) {
            (Severity::Partial, Severity::Partial) => Severity::Partial,
            (Severity::Outage, _) | (_, Severity::Outage) => Severity::Outage,
        }
    }
}
