//! What is looked at weeks before it stops a site: who is asked when, and what becomes of it.

mod domains;
pub(super) mod online;
mod own;
mod sites;
mod trends;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use self::domains::Looked;
use super::App;
use crate::clock;
use crate::config::ready::{Rdap, Site, Watch as Settings};
use crate::failure::Cause;
use crate::origin::Tools;
use crate::origin::dns::Resolver;
use crate::tasks;
use crate::watch::client::Reader;
use crate::watch::deadline::DAY;
use crate::watch::domain::is_registrable;
use crate::watch::ledger::{self, Ledger};
use crate::watch::rdap::Registries;
use crate::watch::trend::DayBook;
use crate::watch::{Warning, Watched, What};

/// From one look to the next: what is due is asked then.
const TICK: Duration = Duration::from_secs(10);
/// What is known is written this often while there is much to look at: what a kill loses at most is asked again.
const SAVE: Duration = Duration::from_secs(30);
/// What else is watched is put together this often, and coverage worked out for it.
const TOGETHER: Duration = Duration::from_secs(60);
const COVERAGE: Duration = Duration::from_secs(600);
/// What could not be written is tried again after this time.
const AGAIN: Duration = Duration::from_secs(600);

/// All that is watched.
#[derive(Default)]
pub(super) struct Watch {
    ledger: Mutex<Ledger>,
    registries: Mutex<Option<Arc<Registries>>>,
    /// When the domain of a host is to be found out (again).
    untold: Mutex<HashMap<String, Instant>>,
    days: Mutex<HashMap<Arc<str>, Days>>,
    found: Mutex<Outlook>,
    task: OnceLock<tasks::Guard>,
}

/// A site's days, and whether they are on the disk.
#[derive(Default)]
struct Days {
    book: DayBook,
    is_saved: bool,
    /// When the times and failures of its origins were read last.
    read_at: Option<Instant>,
}

/// What was found at the last look.
#[derive(Default)]
struct Outlook {
    sites: HashMap<Arc<str>, Vec<Watched>>,
    /// Of the whole process.
    own: Vec<(Cause, String)>,
}

impl Watch {
    /// With what is known from before. Blocks.
    pub(super) fn open(state_dir: &Path) -> Watch {
        let read = Ledger::read(state_dir).inspect_err(|error| {
            tracing::warn!(error, "what was known of domains cannot be read, it is set aside, asking anew");
            if let Err(error) = Ledger::set_aside(state_dir) {
                tracing::warn!(%error, "it cannot be set aside, and will be overwritten");
            }
        });
        Watch { ledger: Mutex::new(read.unwrap_or_default()), ..Watch::default() }
    }

    /// Begins to look, for as long as this is there.
    pub(super) fn begin(&self, app: Weak<App>) {
        _ = self.task.set(tasks::guarded(run(app)));
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// What is watched of a site.
    pub(super) fn of(&self, site: &str) -> Vec<Watched> {
        lock(&self.found).sites.get(site).cloned().unwrap_or_default()
    }

    /// What the operator is warned of: about which site (none: the whole process), what exactly, and in which words.
    pub(super) fn warnings(&self) -> Vec<(Arc<str>, Warning, String, String)> {
        let found = lock(&self.found);
        let of_sites = found.sites.iter().flat_map(|(site, all)| {
            all.iter().filter_map(|one| {
                let detail = match &*one.subject {
                    "" => one.detail.clone(),
                    subject => format!("{subject}: {}", one.detail),
                };
                Some((site.clone(), one.warning?, one.subject.clone(), detail))
            })
        });
        let process: Arc<str> = "".into();
        let own = found.own.iter().map(|(cause, detail)| {
            (process.clone(), Warning { cause: *cause, step: None }, String::new(), detail.clone())
        });
        of_sites.chain(own).collect()
    }

    /// The registries by these settings; `None`: they are not to be asked.
    fn registries(&self, settings: &Settings) -> Option<Arc<Registries>> {
        if settings.rdap == Rdap::Off {
            return None;
        }
        let mut registries = lock(&self.registries);
        if let Some(known) = registries.as_ref().filter(|known| *known.at() == settings.bootstrap) {
            return Some(known.clone());
        }
        let first = registries.is_none();
        let known = self.ledger().list.clone().filter(|_| first).map(|(list, at)| (list, ledger::time(at)));
        let made = Arc::new(Registries::new(settings.bootstrap.clone(), known));
        *registries = Some(made.clone());
        Some(made)
    }
}

/// The names whose domains a site needs.
pub(super) fn names(site: &Site) -> BTreeSet<String> {
    let domains = &site.watch.domains;
    let hosts = site.hosts.iter().chain(&site.standby_hosts).map(String::as_str);
    let origins =
        site.origins.iter().flat_map(|origin| [Some(origin.url.host.as_str()), origin.host.as_deref()]);
    let by_default = hosts.chain(origins.flatten()).filter(|_| domains.is_empty());
    let all = domains.iter().map(String::as_str).chain(by_default);
    all.map(str::to_ascii_lowercase).filter(|name| is_registrable(name)).collect()
}

/// The name whose domain `domain_ends` is about.
pub(super) fn first_name(site: &Site) -> Option<String> {
    let named = site.watch.domains.first().map(String::as_str);
    let name = named.or_else(|| site.canonical_host())?.to_ascii_lowercase();
    is_registrable(&name).then_some(name)
}

/// What documents are read with; `None`: the trust store of the system cannot be read.
pub(super) async fn reader(tools: &Tools) -> Option<Reader> {
    let (make, resolver) = (tools.client_tls, tools.resolver.clone());
    let trust = tasks::blocking(move || make(None, &[])).await?;
    let trust = trust.inspect_err(|error| tracing::warn!(error, "registries cannot be asked")).ok()?;
    Some(Reader { resolver, tls: trust.config })
}

/// When things were done last.
#[derive(Default)]
struct Done {
    saved: Option<Instant>,
    daily: Option<Instant>,
    together: Option<Instant>,
    coverage: Option<Instant>,
    days: Option<Instant>,
}

/// Whether something is due that was done then and is done `every` so often; if so, it counts as done now.
fn is_due(done: &mut Option<Instant>, every: Duration, now: Instant) -> bool {
    let is_due = done.is_none_or(|at| now.saturating_duration_since(at) >= every);
    if is_due {
        *done = Some(now);
    }
    is_due
}

/// Looks at what is due, for as long as the application is there.
async fn run(app: Weak<App>) {
    let (mut reader_of, mut done) = (None, Done::default());
    let (mut is_unsaved, mut pause_of_saves) = (false, Duration::ZERO);
    if let Some(app) = app.upgrade() {
        // what is known from before is told before anybody is asked
        app.look_ahead().await;
    }
    loop {
        let Some(app) = app.upgrade() else { return };
        let every = app.config().watch.every;
        let tools = app.running().tools.clone();
        if reader_of.is_none() {
            reader_of = reader(&tools).await;
        }
        let mut looked = Looked { some: false, more: false };
        if let Some(reader) = &mut reader_of {
            reader.resolver = Resolver::new(app.config().dns);
            looked = app.look_at_domains(reader).await;
        }
        let now = clock::instant();
        // the room on the disk is news every day
        done.daily.get_or_insert(now);
        let is_new_day = is_due(&mut done.daily, DAY, now);
        is_unsaved |= looked.some || is_new_day;
        let pause = if looked.more { SAVE } else { pause_of_saves };
        if is_unsaved && is_due(&mut done.saved, pause, now) {
            is_unsaved = !app.save_ledger().await;
            pause_of_saves = if is_unsaved { AGAIN } else { Duration::ZERO };
        }
        if is_due(&mut done.coverage, COVERAGE.min(every), now) {
            app.look_at_coverage().await;
        }
        if is_due(&mut done.together, TOGETHER.min(every), now) || looked.some && !looked.more {
            app.look_ahead().await;
        }
        // the first time after an hour
        done.days.get_or_insert(now);
        if is_due(&mut done.days, trends::SAVE, now) {
            app.save_days().await;
            app.remove_leftovers().await;
        }
        drop(app);
        let rest = if looked.more { Duration::from_secs(1) } else { TICK.min(every) };
        tokio::time::sleep(rest).await;
    }
}

impl App {
    /// Sets the gauges of when a site's domains end.
    pub(super) fn gauge_domains(&self, site: &str) {
        for watched in self.watch.of(site) {
            if let (What::Domain, Some(until)) = (watched.what, watched.until) {
                let gauge = &self.parts.metrics.domain_expiry;
                gauge.with_label_values(&[site, watched.subject.as_str()]).set(clock::unix(until) as f64);
            }
        }
    }

    /// Writes what is known of domains. Whether that worked.
    pub(in crate::app) async fn save_ledger(&self) -> bool {
        let mut ledger = self.watch.ledger().clone();
        let registries = lock(&self.watch.registries).clone();
        if let Some((list, at)) = registries.and_then(|registries| registries.list()) {
            ledger.list = Some(((*list).clone(), clock::unix(at)));
        }
        let dir = self.fixed.state_dir().to_owned();
        let written = tasks::blocking(move || ledger.write(&dir)).await;
        if let Some(Err(error)) = &written {
            tracing::warn!(%error, "what is known of domains cannot be written, a restart would ask anew");
        }
        matches!(written, Some(Ok(())))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
