//! The lists of visited pages of the running sites: saved to the disk now and then, told which queries the snapshot in
//! service has, and compared with that snapshot for the coverage.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::App;
use crate::clock;
use crate::proxy::{Proxy, Site};
use crate::snapshot::{Snapshot, SnapshotId};
use crate::tasks;
use crate::visits::{Coverage, Visits};

/// From one look at the lists to the next.
const LOOK: Duration = Duration::from_secs(1);
/// A list is written no more often than this: what a kill loses at most. The first change after a start is written
/// at the next look.
const SAVE: Duration = Duration::from_secs(60);
/// Coverage is recomputed after this time, or, so that it never takes more than a hundredth of a processor, after
/// a hundred times as long as it took.
const HOLDS: Duration = Duration::from_secs(5);
const SPARED: u32 = 100;
/// Missing paths in the status.
pub(super) const SHOWN: usize = 20;
/// Missing paths in the list of them.
const LISTED: usize = 10_000;

/// What is known of a site's list.
struct Kept {
    visits: Arc<Visits>,
    saved: Option<Instant>,
    failed: bool,
    /// The snapshot whose queries the list knows.
    queries_of: Option<SnapshotId>,
}

/// Looks after the lists of all sites, as long as somebody wants it to.
pub(super) async fn keep(proxy: Proxy) {
    let mut kept: HashMap<Arc<str>, Kept> = HashMap::new();
    loop {
        tokio::time::sleep(LOOK).await;
        let table = proxy.table();
        for site in &table.sites {
            let fresh = || Kept { visits: site.visits.clone(), saved: None, failed: false, queries_of: None };
            let kept = kept.entry(site.config.name.clone()).or_insert_with(fresh);
            kept.visits = site.visits.clone();
            kept.learn_queries(site.mirror.current()).await;
            if kept.saved.is_none_or(|saved| clock::instant() - saved >= SAVE) {
                kept.save().await;
            }
        }
        kept.retain(|name, _| table.named(name).is_some());
    }
}

impl Kept {
    async fn save(&mut self) {
        if !self.visits.is_changed() {
            return;
        }
        let error = save(self.visits.clone()).await.err();
        if let Some(error) = error.as_ref().filter(|_| !self.failed) {
            let site = self.visits.site();
            tracing::warn!(site, %error, "the list of visited pages cannot be written, a restart would lose it");
        }
        self.failed = error.is_some();
        self.saved = Some(clock::instant());
    }

    /// Only for sites whose visitors ask with queries: all keys of the snapshot have to be read for it.
    async fn learn_queries(&mut self, current: Option<Arc<Snapshot>>) {
        let Some(current) = current.filter(|current| self.queries_of != Some(current.id())) else { return };
        if !self.visits.wants_queries() {
            return;
        }
        self.queries_of = Some(current.id());
        let visits = self.visits.clone();
        tasks::blocking(move || visits.know_queries(current.keys().filter_map(Result::ok))).await;
    }
}

async fn save(visits: Arc<Visits>) -> std::io::Result<()> {
    let saved = tasks::blocking(move || visits.save(clock::now().wall)).await;
    saved.unwrap_or_else(|| Err(std::io::Error::other("writing was interrupted")))
}

/// Coverage as it was worked out last.
#[derive(Default)]
pub(super) struct Coverages(Mutex<HashMap<Arc<str>, WorkedOut>>);

struct WorkedOut {
    until: Instant,
    of: Option<SnapshotId>,
    coverage: Arc<Coverage>,
}

/// A coverage that is to be worked out.
struct Due {
    visits: Arc<Visits>,
    current: Option<Arc<Snapshot>>,
    name: Arc<str>,
}

impl Due {
    /// Works it out. Blocks.
    fn work_out(self, coverages: &Coverages) -> Arc<Coverage> {
        let (begun, of) = (clock::instant(), self.current.as_ref().map(|current| current.id()));
        let has =
            |key: &str| self.current.as_ref().is_some_and(|current| matches!(current.find(key), Ok(Some(_))));
        let coverage = Arc::new(self.visits.coverage(has, clock::now().wall).in_short(LISTED));
        let ended = clock::instant();
        let until = ended + HOLDS.max((ended - begun) * SPARED);
        coverages.put(&self.name, WorkedOut { until, of, coverage: coverage.clone() });
        coverage
    }
}

impl App {
    /// How much of what a site's visitors ask for the snapshot in service could answer. May be some seconds old.
    pub async fn coverage(&self, site: &Site) -> Arc<Coverage> {
        let Some(due) = self.coverage_due(site, clock::instant()) else { return self.known_coverage(site) };
        let coverages = self.coverages.clone();
        tasks::blocking(move || due.work_out(&coverages)).await.unwrap_or_default()
    }

    fn coverage_due(&self, site: &Site, now: Instant) -> Option<Due> {
        let current = site.mirror.current();
        let name = &site.config.name;
        let is_due = !self.coverages.holds(name, current.as_ref().map(|current| current.id()), now);
        is_due.then(|| Due { visits: site.visits.clone(), current, name: name.clone() })
    }

    /// As it was worked out last.
    pub(super) fn known_coverage(&self, site: &Site) -> Arc<Coverage> {
        self.coverages.get(&site.config.name).unwrap_or_default()
    }

    /// Works out the coverage of all sites of which it is not known. Where that takes long it goes on beside.
    pub(super) async fn look_at_coverage(&self) {
        let due = || {
            let (table, now) = (self.table(), clock::instant());
            self.coverages.forget_but(|name| table.named(name).is_some());
            let mut due: Vec<Due> =
                table.sites.iter().filter_map(|site| self.coverage_due(site, now)).collect();
            due.sort_by_cached_key(|due| self.coverages.until(&due.name));
            due
        };
        let coverages = self.coverages.clone();
        self.counts.run(due, move |due| drop(due.work_out(&coverages))).await;
    }

    /// Sets the gauges of all sites' coverage.
    pub(super) fn gauge_coverage(&self) {
        let gauge = &self.parts.metrics.shelf.coverage;
        // Sites that a reload took away are not to linger.
        gauge.reset();
        for site in &self.table().sites {
            if let Some(share) = self.known_coverage(site).share {
                gauge.with_label_values(&[&*site.config.name]).set(share);
            }
        }
    }

    /// Writes the lists of these sites, for the last time.
    pub(super) async fn save_visits(&self, sites: impl Iterator<Item = &Arc<Site>>) {
        for site in sites {
            if let Err(error) = save(site.visits.clone()).await {
                tracing::warn!(site = %site.config.name, %error, "the list of visited pages cannot be written");
            }
        }
    }
}

impl Coverages {
    fn all(&self) -> MutexGuard<'_, HashMap<Arc<str>, WorkedOut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a site's is known, of this snapshot, and not too old.
    fn holds(&self, site: &str, of: Option<SnapshotId>, now: Instant) -> bool {
        self.all().get(site).is_some_and(|held| held.of == of && now < held.until)
    }

    fn get(&self, site: &str) -> Option<Arc<Coverage>> {
        self.all().get(site).map(|held| held.coverage.clone())
    }

    fn until(&self, site: &str) -> Option<Instant> {
        self.all().get(site).map(|held| held.until)
    }

    fn put(&self, site: &Arc<str>, held: WorkedOut) {
        self.all().insert(site.clone(), held);
    }

    fn forget_but(&self, wanted: impl Fn(&str) -> bool) {
        self.all().retain(|site, _| wanted(site));
    }
}
