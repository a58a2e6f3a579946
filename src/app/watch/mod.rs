//! What is looked at weeks before it stops a site: who is asked when, and what becomes of it.

pub(super) mod online;
mod own;
mod sites;
mod trends;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::App;
use crate::clock::{self, Now};
use crate::config::ready::{Rdap, Site, Watch as Settings};
use crate::failover::State;
use crate::failure::Cause;
use crate::origin::Tools;
use crate::origin::dns::Resolver;
use crate::tasks;
use crate::watch::client::Reader;
use crate::watch::domain::is_registrable;
use crate::watch::ledger::{self, Known, Ledger};
use crate::watch::look::Observer;
use crate::watch::question;
use crate::watch::rdap::Registries;
use crate::watch::trend::Day;
use crate::watch::{Warning, Watched, What};

/// From one look to the next: what is due is asked then.
const TICK: Duration = Duration::from_secs(10);
/// Domains that are looked at at the same time. With thousands of sites the first looks take minutes, and registries are not
/// stormed.
const AT_ONCE: usize = 8;
/// What is known is written this often while there is much to look at: what a kill loses at most is asked again.
const SAVE: Duration = Duration::from_secs(30);
/// What else is watched is put together this often, and coverage worked out for it.
const TOGETHER: Duration = Duration::from_secs(60);
const COVERAGE: Duration = Duration::from_secs(600);
/// A host whose domain nobody could tell is looked at again after this time.
const AGAIN: Duration = Duration::from_secs(600);

/// All that is watched.
#[derive(Default)]
pub(super) struct Watch {
    ledger: Mutex<Ledger>,
    registries: Mutex<Option<Arc<Registries>>>,
    /// Hosts whose domain could not be told, and when to try again.
    untold: Mutex<HashMap<String, Instant>>,
    days: Mutex<HashMap<Arc<str>, Days>>,
    found: Mutex<Outlook>,
    task: OnceLock<tasks::Guard>,
}

/// A site's days, and whether they are on the disk.
#[derive(Default)]
struct Days {
    days: Vec<Day>,
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
            tracing::warn!(error, "what was known of domains cannot be read, asking anew");
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

/// What came of a look at some domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Looked {
    /// Whether any was looked at.
    some: bool,
    /// Whether more of them are due.
    more: bool,
}

/// Looks at what is due, for as long as the application is there.
async fn run(app: Weak<App>) {
    let (mut reader_of, mut done, mut is_unsaved) = (None, Done::default(), false);
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
        is_unsaved |= looked.some;
        if is_unsaved && (!looked.more || is_due(&mut done.saved, SAVE, now)) {
            app.save_ledger().await;
            is_unsaved = false;
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
        }
        drop(app);
        let pause = if looked.more { Duration::from_secs(1) } else { TICK.min(every) };
        tokio::time::sleep(pause).await;
    }
}

impl App {
    /// Looks at some of the domains that are due.
    async fn look_at_domains(&self, reader: &Reader) -> Looked {
        let config = self.config();
        let now = clock::now();
        let wanted: BTreeSet<String> = config.sites.iter().flat_map(|site| names(site)).collect();
        self.watch.ledger().keep(|host| wanted.contains(host));
        let (untold, due) = (self.untold(&wanted, now), self.due(config.watch.every, now));
        if untold.is_empty() && due.is_empty() {
            return Looked { some: false, more: false };
        }
        let registries = self.watch.registries(&config.watch);
        let configured = config.dns.nameservers.clone();
        let servers = tasks::blocking(move || question::servers(&configured)).await.unwrap_or_default();
        let observer = Observer { reader, registries: registries.as_deref(), servers };
        let more = untold.len() > AT_ONCE || due.len() > AT_ONCE || !untold.is_empty();
        let told = join_all(untold.into_iter().take(AT_ONCE).map(async |host| {
            let domain = observer.domain_of(&host, now).await;
            (host, domain)
        }));
        self.note_domains(told.await, now);
        let looks = due.into_iter().take(AT_ONCE).map(async |(domain, mut known)| {
            let (site, hosts) = self.standing_of(&domain, now);
            observer.look(&domain, &mut known, (site, &hosts), now).await;
            (domain, known)
        });
        let looked = join_all(looks).await;
        self.watch.ledger().domains.extend(looked);
        Looked { some: true, more }
    }

    /// Hosts whose domain is not known, and is to be found out now. Of one below a known domain it is known.
    fn untold(&self, wanted: &BTreeSet<String>, now: Now) -> Vec<String> {
        let mut ledger = self.watch.ledger();
        let mut again = lock(&self.watch.untold);
        again.retain(|host, _| wanted.contains(host));
        let mut untold = Vec::new();
        for host in
            wanted.iter().filter(|host| !ledger.hosts.contains_key(*host)).cloned().collect::<Vec<_>>()
        {
            let above = crate::watch::domain::candidates(&host);
            if let Some(domain) = above.into_iter().find(|name| ledger.domains.contains_key(name)) {
                ledger.hosts.insert(host, domain);
            } else if again.get(&host).is_none_or(|at| now.mono >= *at) {
                untold.push(host);
            }
        }
        untold
    }

    fn note_domains(&self, told: Vec<(String, Option<String>)>, now: Now) {
        let mut ledger = self.watch.ledger();
        for (host, domain) in told {
            match domain {
                Some(domain) => {
                    ledger.domains.entry(domain.clone()).or_default();
                    ledger.hosts.insert(host, domain);
                }
                None => drop(lock(&self.watch.untold).insert(host, now.mono + AGAIN)),
            }
        }
    }

    /// The domains that are due, those that were looked at longest ago first.
    fn due(&self, every: Duration, now: Now) -> Vec<(String, Known)> {
        let (ledger, unix) = (self.watch.ledger(), now.unix());
        // what was looked at in the future was looked at before the clock was set back
        let is_due = |domain: &str, known: &Known| {
            known.due(domain, every) <= unix || known.looked_at.is_some_and(|at| at > unix)
        };
        let due = ledger.domains.iter().filter(|(domain, known)| is_due(domain, known));
        let mut due: Vec<(String, Known)> =
            due.map(|(domain, known)| (domain.clone(), known.clone())).collect();
        due.sort_by_key(|(_, known)| known.looked_at);
        due
    }

    /// Sets the gauges of when a site's domains end.
    pub(super) fn gauge_domains(&self, site: &str) {
        for watched in self.watch.of(site) {
            if let (What::Domain, Some(until)) = (watched.what, watched.until) {
                let gauge = &self.parts.metrics.domain_expiry;
                gauge.with_label_values(&[site, watched.subject.as_str()]).set(clock::unix(until) as f64);
            }
        }
    }

    /// Whether all sites of a domain are well, and the hosts in it by which visitors come.
    fn standing_of(&self, domain: &str, now: Now) -> (ledger::Site, Vec<String>) {
        let named: BTreeSet<String> = {
            let ledger = self.watch.ledger();
            ledger.hosts.iter().filter(|(_, of)| *of == domain).map(|(host, _)| host.clone()).collect()
        };
        let table = self.table();
        let sites: Vec<_> =
            table.sites.iter().filter(|site| !names(&site.config).is_disjoint(&named)).collect();
        let is_well = sites.iter().all(|site| site.state(now) == State::Up);
        let hosts = sites.iter().flat_map(|site| site.config.all_hosts()).map(str::to_ascii_lowercase);
        let hosts: BTreeSet<String> = hosts.filter(|host| named.contains(host)).collect();
        (if is_well { ledger::Site::Well } else { ledger::Site::Unproven }, hosts.into_iter().collect())
    }

    async fn save_ledger(&self) {
        let mut ledger = self.watch.ledger().clone();
        let registries = lock(&self.watch.registries).clone();
        if let Some((list, at)) = registries.and_then(|registries| registries.list()) {
            ledger.list = Some(((*list).clone(), clock::unix(at)));
        }
        let dir = self.fixed.state_dir().to_owned();
        let written = tasks::blocking(move || ledger.write(&dir)).await;
        if let Some(Err(error)) = written {
            tracing::debug!(%error, "what is known of domains cannot be written, a restart asks anew");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
