//! What the operator sees of the store: in the status, as conditions, as metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use super::Offsite;
use crate::clock::Now;
use crate::failure::{Cause, Text};
use crate::metrics::Metrics;
use crate::offsite::Doing;
use crate::snapshot::rfc3339;

/// How long the store may be silent before that is a condition: a single answer that is late is none.
const SILENT: Duration = Duration::from_secs(15);
/// How long a site may differ from the store before that is one. A large push takes that long, and is worth knowing of.
const BEHIND: Duration = Duration::from_secs(600);

/// How long it is told that the pointer was put right: an operator is to look whether the right snapshot serves.
const TOLD: Duration = Duration::from_secs(3600);

/// The store in the status.
#[derive(Debug, Serialize)]
pub struct StoreStatus {
    /// Where it is.
    pub url: String,
    /// When it has answered last, RFC 3339.
    pub answered: Option<String>,
    /// What is the matter with it.
    pub fault: Option<FaultStatus>,
    /// Whether what lies in it is signed. If not, whoever can write to it can put a page on a site.
    pub signed: bool,
    /// Bytes sent since the start.
    pub pushed_bytes: u64,
    /// Bytes that came since the start.
    pub pulled_bytes: u64,
}

/// What is the matter with the store.
#[derive(Debug, Serialize)]
pub struct FaultStatus {
    /// The stable code.
    pub code: &'static str,
    /// What it means.
    pub meaning: Text,
    /// What to do.
    pub advice: Text,
    /// What the store said.
    pub detail: String,
    /// Since when, RFC 3339.
    pub since: String,
}

/// A site's standing with the store.
#[derive(Debug, Serialize)]
pub struct SiteStoreStatus {
    /// How often what all serve was decided anew, as far as this instance knows; 0: never.
    pub generation: u64,
    /// `nothing`, `pushing`, `pulling` or `arriving`.
    pub doing: &'static str,
    /// Seconds since when this instance and the store do not say the same; 0: they do.
    pub lag_s: u64,
    /// What keeps it.
    pub trouble: Option<String>,
    /// What of it was refused.
    pub refused: Option<String>,
}

impl Offsite {
    /// The store.
    pub(in crate::app) fn status(&self) -> StoreStatus {
        let traffic = self.traffic().unwrap_or_default();
        let fault = self.board.fault().map(|(since, fault)| FaultStatus {
            code: fault.kind.code(),
            meaning: fault.kind.meaning(),
            advice: fault.kind.advice(),
            detail: fault.detail,
            since: rfc3339(since.wall),
        });
        StoreStatus {
            url: self.url(),
            answered: self.board.answered().map(|at| rfc3339(at.wall)),
            fault,
            signed: self.signs(),
            pushed_bytes: traffic.pushed.load(Ordering::Relaxed),
            pulled_bytes: traffic.pulled.load(Ordering::Relaxed),
        }
    }

    /// A site.
    pub(in crate::app) fn site_status(&self, site: &str, now: Now) -> SiteStoreStatus {
        let standing = self.board.site(site);
        SiteStoreStatus {
            generation: standing.generation,
            doing: standing.doing.as_str(),
            lag_s: self.board.lag(site, now).as_secs(),
            trouble: standing.trouble.map(|(_, text)| text),
            refused: standing.refused,
        }
    }

    /// What holds of the store as a whole.
    pub(in crate::app) fn conditions(&self, now: Now) -> Vec<(Cause, String)> {
        let mut found = Vec::new();
        if let Some((since, fault)) = self.board.fault()
            && now.mono.saturating_duration_since(since.mono) >= SILENT
        {
            found.push((Cause::StoreUnusable, fault.to_string()));
        }
        if let Some(why) = self.board.untidy() {
            let detail = format!("{why}. Nothing is removed from the store until this is right");
            found.push((Cause::StoreRefused, detail));
        }
        if !self.signs() {
            found.push((Cause::StoreUnsigned, self.url()));
        }
        found
    }

    /// What holds of a site.
    pub(in crate::app) fn site_conditions(&self, site: &str, now: Now) -> Vec<(Cause, String)> {
        let standing = self.board.site(site);
        let mut found = Vec::new();
        let lag = self.board.lag(site, now);
        if lag >= BEHIND {
            let lag = humantime::format_duration(Duration::from_secs(lag.as_secs() / 60 * 60));
            let doing = match standing.doing {
                Doing::Nothing => standing.trouble.map_or_else(String::new, |(_, why)| format!(": {why}")),
                doing @ (Doing::Pushing | Doing::Pulling | Doing::Arriving) => {
                    format!(": {}", doing.as_str())
                }
            };
            found.push((Cause::StoreBehind, format!("for {lag}{doing}")));
        }
        let set_right =
            standing.set_right.filter(|(at, _)| now.mono.saturating_duration_since(at.mono) < TOLD);
        let refused = standing.refused.or(set_right.map(|(_, what)| what));
        found.extend(refused.map(|what| (Cause::StoreRefused, what)));
        found
    }

    /// For a scrape.
    pub(in crate::app) fn gauge(&self, metrics: &Metrics, sites: impl Iterator<Item = Arc<str>>, now: Now) {
        let gauges = &metrics.store;
        for site in sites {
            gauges.lag.with_label_values(&[&*site]).set(self.board.lag(&site, now).as_secs_f64());
        }
        let traffic = self.traffic().unwrap_or_default();
        for (counter, bytes) in [(&gauges.pushed, &traffic.pushed), (&gauges.pulled, &traffic.pulled)] {
            counter.inc_by(bytes.load(Ordering::Relaxed).saturating_sub(counter.get()));
        }
        for (code, count) in self.board.counts() {
            let counter = gauges.faults.with_label_values(&[code]);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
    }
}
