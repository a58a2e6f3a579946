//! The incidents of the sites: watched every second, written to the disk beside that, told to those who listen. Whatever is
//! wrong with the disk changes nothing for visitors, and what could not be written is written later.

mod events;
mod look;
mod operator;
mod queue;
mod reports;
mod save;
mod trace;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::App;
use crate::clock::{self, Now};
use crate::config::ready;
use crate::failover::{Mode, State};
use crate::failure::Cause;
use crate::incident::{
    Act, Change, Groups, Hops, Incident, IncidentId, IncidentStore, Moment, Severity, Watcher,
};
use crate::proxy::{Site, Table};
use crate::snapshot::SnapshotId;
use crate::tasks;
pub use events::{Event, Events, Notice, READERS};
pub use operator::{Page, Unanswerable};
use queue::WriteQueue;
use save::Saving;

/// How often the numbers of an open incident are written, as long as it is young; and later, or if only time has passed.
const EVERY: Duration = Duration::from_secs(5);
const RARELY: Duration = Duration::from_secs(60);
const YOUNG: Duration = Duration::from_secs(3600);
/// How long the end of the process waits for the last ones to be written.
pub(super) const LAST: Duration = Duration::from_secs(10);
/// Incidents that ended this long ago may go on, or have a report that was not mailed.
const LATELY: Duration = Duration::from_secs(24 * 3600);

/// All incidents.
#[derive(Debug)]
pub(super) struct Incidents {
    store: IncidentStore,
    /// To all who listen.
    events: Events,
    inner: Mutex<Inner>,
    saving: Saving,
    /// One way at a time is traced: a host that is down takes many sites with it.
    tracing: Arc<tokio::sync::Semaphore>,
    printing: tokio::sync::Semaphore,
}

#[derive(Debug, Default)]
struct Inner {
    /// Whether those of earlier processes were read.
    is_loaded: bool,
    sites: HashMap<Arc<str>, Watched>,
    ids: BTreeSet<IncidentId>,
    groups: Groups,
    /// Those of earlier processes, until their sites are looked at.
    earlier: HashMap<String, Vec<Incident>>,
    /// What has to be written.
    unsaved: WriteQueue,
    /// When those that are open were written last.
    saved_at: HashMap<IncidentId, Instant>,
    /// Files that could not be read.
    damaged: Vec<String>,
    /// Those that are over and have no word yet on whether their report is mailed: when each ended.
    unreported: BTreeMap<IncidentId, Moment>,
}

/// One site, and how it was at the last look.
#[derive(Debug)]
struct Watched {
    watcher: Watcher,
    state: State,
    mode: Mode,
    snapshot: Option<SnapshotId>,
    config: Arc<ready::Site>,
}

impl Incidents {
    pub(super) fn new(state_dir: &Path, started: Now) -> Incidents {
        Incidents {
            store: IncidentStore::of(state_dir),
            events: Events::new(started.wall),
            inner: Mutex::default(),
            saving: Saving::default(),
            tracing: Arc::new(tokio::sync::Semaphore::new(1)),
            printing: tokio::sync::Semaphore::new(1),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where events are told.
    pub(super) fn events(&self) -> &Events {
        &self.events
    }

    /// Reads those of earlier processes. Blocks.
    pub(super) fn load(&self, now: Now) {
        // nobody may change one on the disk between this and its place in memory
        let _turn = self.turn();
        let opened = self.store.open(now.wall, LATELY).unwrap_or_else(|error| {
            tracing::warn!(%error, "the incidents cannot be read");
            Default::default()
        });
        for damaged in &opened.damaged {
            tracing::warn!(
                file = damaged.file,
                why = damaged.why,
                "an incident is damaged and was set aside"
            );
        }
        let mut inner = self.inner();
        inner.ids = opened.ids;
        inner.damaged = opened.damaged.into_iter().map(|damaged| damaged.file).collect();
        for read in opened.recent {
            let incident = inner.unsaved.get(&read.id).cloned().unwrap_or(read);
            reports::note(&mut inner.unreported, &incident);
            inner.earlier.entry(incident.site.clone()).or_default().push(incident);
        }
        inner.is_loaded = true;
    }

    /// An operator did something to a site, or to all.
    pub(super) fn act(&self, site: Option<&str>, act: &Act, now: Now) {
        let mut inner = self.inner();
        for (name, watched) in &mut inner.sites {
            if site.is_none_or(|site| site == &**name) {
                watched.watcher.act(act.clone(), now);
            }
        }
    }

    fn incident_of(&self, site: &str) -> Option<IncidentId> {
        let inner = self.inner();
        inner.sites.get(site)?.watcher.open().map(|incident| incident.id.clone())
    }

    /// Whether the incident of a site that is not over belongs to planned work that is not over either.
    pub(super) fn is_planned(&self, site: &str) -> bool {
        let inner = self.inner();
        inner.sites.get(site).and_then(|one| one.watcher.open()).is_some_and(Incident::is_planned)
    }

    /// Traces the way to an address, and adds it to the incident. Says whether it does so.
    fn trace(self: &Arc<Self>, site: Arc<str>, id: IncidentId, address: std::net::IpAddr) -> bool {
        let Ok(place) = self.tracing.clone().try_acquire_owned() else { return false };
        let incidents = self.clone();
        tasks::detached(async move {
            let hops = trace::way_to(address).await;
            drop(place);
            let mut inner = incidents.inner();
            let Some(watched) = inner.sites.get_mut(&site) else { return };
            if let Some(incident) = watched.watcher.open_mut().filter(|incident| incident.id == id) {
                incident.hops = Some(hops);
                let incident = incident.clone();
                inner.unsaved.put(incident, false);
            }
        });
        true
    }
}

impl Watched {
    fn new(site: &Site, now: Now) -> Watched {
        Watched {
            watcher: Watcher::new(site.config.name.clone()),
            state: State::Unproven,
            mode: site.switch.mode(now.mono),
            snapshot: site.mirror.current().map(|snapshot| snapshot.id()),
            config: site.config.clone(),
        }
    }

    /// What is another one than at the last look: told, and noted as what an operator did.
    fn compare(&mut self, site: &Site, state: State, events: &Events, now: Now) {
        let name = || site.config.name.clone();
        if self.state != state {
            let cause = site.page_health.reported().cause.map(Cause::code);
            let (from, to) = (self.state.as_str(), state.as_str());
            events.tell(Event::State { site: name(), from, to, cause }, now.wall);
            self.state = state;
        }
        let mode = site.switch.mode(now.mono);
        if self.mode != mode {
            self.mode = mode;
            let until = site.switch.until(now).map(crate::snapshot::rfc3339);
            events.tell(Event::Mode { site: name(), mode: mode.as_str(), until }, now.wall);
            let reason = site.switch.reason().to_string();
            self.watcher.act(Act::Mode { mode: mode.as_str().to_owned(), reason }, now);
        }
        let snapshot = site.mirror.current().map(|snapshot| snapshot.id());
        if self.snapshot != snapshot {
            self.snapshot = snapshot;
            if let Some(id) = snapshot {
                events.tell(Event::Snapshot { site: name(), snapshot: id.to_string() }, now.wall);
            }
        }
        // a reload without any change keeps the site as it is
        if !Arc::ptr_eq(&self.config, &site.config) {
            if self.config.origins != site.config.origins {
                self.watcher.act(Act::Origins, now);
            }
            self.config = site.config.clone();
        }
    }
}

impl App {
    /// Looks at all sites, and keeps their incidents.
    pub(super) fn look_at_incidents(&self, now: Now) {
        let incidents = &self.incidents;
        let table = self.table();
        let mut inner = incidents.inner();
        if !inner.is_loaded {
            return;
        }
        incidents.drop_removed(&mut inner, &table, now);
        drop(inner);
        // nobody waits longer than for one site
        for site in &table.sites {
            self.look_at_incident(&mut incidents.inner(), site, now);
        }
        incidents.tell_groups();
        incidents.save(self.config().incidents.keep_for, now);
    }

    fn look_at_incident(&self, inner: &mut Inner, site: &Arc<Site>, now: Now) {
        let name = &site.config.name;
        let mut watched = inner.sites.remove(name).unwrap_or_else(|| {
            let mut watched = Watched::new(site, now);
            for incident in inner.earlier.remove(&**name).unwrap_or_default() {
                if let Some(older) = watched.watcher.resume(incident, now) {
                    inner.unsaved.put(older, true);
                }
            }
            watched
        });
        let glance = look::glance(site, now);
        watched.compare(site, site.page_health.last(), &self.incidents.events, now);
        let is_taken = |id: &IncidentId| inner.ids.contains(id);
        let change = watched.watcher.observe(&glance, || self.details(site, now), is_taken, now);
        if change == Some(Change::Opened) {
            self.opened(inner, site, &mut watched.watcher, now);
        }
        self.incidents.note(inner, &mut watched.watcher, change, now);
        inner.sites.insert(name.clone(), watched);
    }

    /// An incident has just opened: others may have with it, and the way to the server may be what is wrong.
    fn opened(&self, inner: &mut Inner, site: &Site, watcher: &mut Watcher, now: Now) {
        let Some(incident) = watcher.open_mut() else { return };
        inner.ids.insert(incident.id.clone());
        let (name, addresses) = (&site.config.name, look::addresses(site));
        let is_outage = incident.severity == Severity::Outage;
        let id = incident.id.clone();
        if is_outage && let Some(group) = inner.groups.join((name, &id), &addresses, now.mono) {
            (incident.group, incident.others) = (Some(group.name()), group.others());
            return;
        }
        let is_about_the_way = incident.cause().and_then(Cause::of).is_some_and(trace::is_about_the_way);
        let address =
            addresses.into_iter().find(|address| !address.is_loopback() && !address.is_unspecified());
        if let Some(address) = address.filter(|_| is_about_the_way)
            && !self.incidents.trace(name.clone(), incident.id.clone(), address)
        {
            incident.hops = Some(Hops::NotPossible);
        }
    }

    /// The incident of a site that is not over.
    pub fn incident_of(&self, site: &str) -> Option<IncidentId> {
        self.incidents.incident_of(site)
    }

    /// An operator has chosen the snapshot that is in service now.
    pub fn chose_snapshot(&self, site: &Site) {
        if let Some(snapshot) = site.mirror.current() {
            self.incidents.act(
                Some(&site.config.name),
                &Act::Snapshot { id: snapshot.id().to_string() },
                now(),
            );
        }
    }

    /// Where events are told.
    pub fn events(&self) -> &Events {
        self.incidents.events()
    }
}

impl Incidents {
    /// Those that have opened together are told how many they are.
    fn tell_groups(&self) {
        let inner = &mut *self.inner();
        for group in inner.groups.grown() {
            let (name, others) = (group.name(), group.others());
            for (site, id) in group.members() {
                let watched = inner.sites.get_mut(site);
                let incident = watched.and_then(|watched| watched.watcher.open_mut());
                if let Some(incident) = incident.filter(|incident| incident.id == *id) {
                    (incident.group, incident.others) = (Some(name.clone()), others);
                }
            }
        }
    }

    /// What a look has changed: told, and to be written.
    fn note(&self, inner: &mut Inner, watcher: &mut Watcher, change: Option<Change>, now: Now) {
        let incident = match change {
            Some(Change::Closed) => watcher.ended(),
            Some(Change::Opened | Change::Reopened | Change::Updated) | None => watcher.open(),
        };
        let Some(incident) = incident else { return };
        if let Some(change) = change {
            reports::note(&mut inner.unreported, incident);
            let summary = incident.summary();
            tell(change, incident);
            self.events.tell(Event::Incident { change: events::word(change), incident: summary }, now.wall);
        }
        let is_young = watcher.is_changed() && Duration::from_secs(incident.lasted_s) < YOUNG;
        let every = if is_young { EVERY } else { RARELY };
        let saved_at = inner.saved_at.get(&incident.id);
        let is_due = || saved_at.is_none_or(|at| now.mono.saturating_duration_since(*at) >= every);
        if change.is_some() || (inner.unsaved.get(&incident.id).is_none() && is_due()) {
            inner.unsaved.put(incident.clone(), !matches!(change, None | Some(Change::Updated)));
            if change == Some(Change::Closed) {
                inner.saved_at.remove(&incident.id);
            }
            watcher.taken();
        }
    }

    /// Sites that the configuration no longer has.
    fn drop_removed(&self, inner: &mut Inner, table: &Table, now: Now) {
        let gone: Vec<Arc<str>> =
            inner.sites.keys().filter(|name| table.named(name).is_none()).cloned().collect();
        for name in gone {
            let Some(mut watched) = inner.sites.remove(&name) else { continue };
            let change = watched.watcher.remove(now);
            self.note(inner, &mut watched.watcher, change, now);
        }
        if inner.earlier.is_empty() {
            return;
        }
        let gone: Vec<String> =
            inner.earlier.keys().filter(|name| table.named(name).is_none()).cloned().collect();
        for incident in
            gone.iter().flat_map(|name| inner.earlier.remove(name).unwrap_or_default()).collect::<Vec<_>>()
        {
            let mut watcher = Watcher::new(incident.site.as_str().into());
            if let Some(older) = watcher.resume(incident, now) {
                inner.unsaved.put(older, true);
            }
            let change = watcher.remove(now);
            self.note(inner, &mut watcher, change, now);
        }
    }
}

fn tell(change: Change, incident: &Incident) {
    let (site, id, cause) = (&incident.site, &incident.id, incident.cause().unwrap_or_default());
    match change {
        Change::Opened => tracing::warn!(%site, incident = %id, cause, "incident opened"),
        Change::Reopened => tracing::warn!(%site, incident = %id, cause, "incident goes on"),
        Change::Updated => {}
        Change::Closed => {
            let lasted = humantime::format_duration(Duration::from_secs(incident.lasted_s));
            tracing::info!(%site, incident = %id, %lasted, "incident closed");
        }
    }
}

/// Now, for what is done between two looks.
fn now() -> Now {
    clock::now()
}
