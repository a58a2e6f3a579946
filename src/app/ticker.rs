//! What happens every second: a look at the clocks, the counters and the conditions of Katahai itself, and the removal of
//! unused bodies if it is due.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::shares::{Ring, Shares};
use super::shelf_state::Trouble;
use super::visitors_get::{Footing, Stand};
use super::{App, status};
use crate::clock::{self, Now};
use crate::crawl::Outcome;
use crate::crawl::gate::Rule;
use crate::failure::Cause;
use crate::metrics::Totals;
use crate::proxy::Site;
use crate::tasks;

/// How many times.
const EVERY: Duration = Duration::from_secs(1);

/// The counters' readings of each site, and what it stands on since when.
pub(super) type Rings = Mutex<Readings>;
type Readings = HashMap<Arc<str>, (Ring, Option<Stand>)>;

/// Looks, for as long as the application is there.
pub(super) async fn run(app: Weak<App>) {
    if let Some(incidents) = app.upgrade().map(|app| app.incidents.clone()) {
        // nothing else waits for a slow disk
        tasks::detached(tasks::blocking(move || incidents.load(clock::now())));
    }
    while let Some(app) = app.upgrade() {
        let now = clock::now();
        // of thousands of sites that takes longer than an event loop may stand still
        let beating = app.clone();
        tasks::blocking(move || beating.tick(now)).await;
        if let Some(turn) = app.parts.garbage.turn(now.mono) {
            tasks::detached(tasks::blocking(move || turn.collect()));
        }
        drop(app);
        tokio::time::sleep(EVERY).await;
    }
}

impl App {
    fn tick(&self, now: Now) {
        self.conditions.tick(now);
        let table = self.table();
        self.rings().retain(|name, _| table.named(name).is_some());
        for site in &table.sites {
            self.hear(site, now);
            let totals = site.metrics.totals();
            {
                let mut rings = self.rings();
                let known = rings.entry(site.config.name.clone());
                known.or_insert_with(|| (Ring::new(now.mono, totals), None)).0.note(now.mono, totals);
            }
            site.history.note(now, self.gets(site, now).0, totals);
        }
        self.look_at_conditions(now);
        self.look_at_incidents(now);
        self.look_at_alerts(now);
        self.mail_reports(now);
    }

    /// What the last crawl has found, the site's state knows at once: that many addresses show the same is held against the
    /// site until it is proven; what else it found to be wrong is looked into.
    fn hear(&self, site: &Site, now: Now) {
        let Some(ended) = self.crawler(&site.config.name).and_then(|crawler| crawler.last_outcome()) else {
            return;
        };
        let is_new = site.page_health.hear(ended.at);
        let Ok(Outcome::Kept { broken, report, .. }) = &ended.result else { return };
        let says = |rules: &[Rule]| is_new && broken.iter().any(|broken| rules.contains(&broken.rule));
        if says(&[Rule::Uniform]) {
            site.page_health.raise(Cause::Uniform, now);
        } else if says(&[Rule::Turned, Rule::KeyPage]) {
            site.page_health.doubted(&report.gate.turned);
        }
    }

    /// Which rungs the visitors of a site got.
    pub(super) fn shares(&self, site: &Site, now: Now) -> Shares {
        let totals = site.metrics.totals();
        let mut rings = self.rings();
        let known = rings.entry(site.config.name.clone());
        let (ring, _) = known.or_insert_with(|| (Ring::new(now.mono, totals), None));
        Shares::of(ring, now.mono, self.started.mono, totals)
    }

    /// What a site's visitors got in the last `time`, and since it stands on this footing.
    pub(super) fn answers_since(&self, site: &Site, on: Footing, now: Instant, time: Duration) -> Totals {
        let totals = site.metrics.totals();
        let mut rings = self.rings();
        let known = rings.entry(site.config.name.clone());
        let (ring, stand) = known.or_insert_with(|| (Ring::new(now, totals), None));
        let since = match stand {
            Some(stand) if stand.on == on => stand.since,
            Some(_) | None => stand.insert(Stand { on, since: now }).since,
        };
        ring.since(now.checked_sub(time).map_or(since, |from| from.max(since)), totals)
    }

    fn rings(&self) -> MutexGuard<'_, Readings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with a site's snapshots.
    pub(super) fn troubles(&self, site: &Site) -> Vec<Trouble> {
        status::troubles(site, &self.shelf_state(&site.config.name))
    }
}
