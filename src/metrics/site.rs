//! The counters of one site: resolved when they first count something.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntGauge};

use super::{CLASSES, Metrics, ServedFrom, Totals};
use crate::failure::Cause;

/// The counters of one site. Most sites of many have no visitors for long: they are made when the first one comes.
#[derive(Debug)]
pub struct SiteMetrics {
    site: Arc<str>,
    all: Arc<Metrics>,
    counters: OnceLock<Box<Counters>>,
    in_flight: OnceLock<IntGauge>,
}

/// Each is resolved when it first counts.
#[derive(Debug)]
struct Counters {
    requests: [[OnceLock<IntCounter>; CLASSES.len()]; ServedFrom::ALL.len()],
    durations: [OnceLock<Histogram>; ServedFrom::ALL.len()],
    failures: Box<[OnceLock<IntCounter>]>,
}

impl SiteMetrics {
    pub(super) fn new(site: &str, all: &Arc<Metrics>) -> SiteMetrics {
        SiteMetrics {
            site: site.into(),
            all: all.clone(),
            counters: OnceLock::new(),
            in_flight: OnceLock::new(),
        }
    }
}

impl Counters {
    fn boxed() -> Box<Counters> {
        Box::new(Counters {
            requests: Default::default(),
            durations: Default::default(),
            failures: Cause::ALL.iter().map(|_| OnceLock::new()).collect(),
        })
    }
}

impl SiteMetrics {
    /// Counts one answer.
    pub fn count(
        &self,
        served_from: ServedFrom,
        status: http::StatusCode,
        took: Duration,
        cause: Option<Cause>,
    ) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        let (site, all, rung) = (&*self.site, &self.all, served_from.as_str());
        let requests = || all.requests.with_label_values(&[site, rung, CLASSES[class]]);
        let counters = self.counters.get_or_init(Counters::boxed);
        counters.requests[served_from as usize][class].get_or_init(requests).inc();
        let durations = || all.durations.with_label_values(&[site, rung]);
        counters.durations[served_from as usize].get_or_init(durations).observe(took.as_secs_f64());
        if let Some(cause) = cause
            && let Some(counter) = counters.failures.get(cause as usize)
        {
            counter.get_or_init(|| all.failures.with_label_values(&[site, cause.code()])).inc();
        }
    }

    /// How many answers there were of each rung.
    pub fn totals(&self) -> Totals {
        let Some(counters) = self.counters.get() else { return Totals::default() };
        counters
            .requests
            .each_ref()
            .map(|classes| classes.iter().filter_map(OnceLock::get).map(IntCounter::get).sum())
    }

    /// Counts a request as in flight until the guard is dropped.
    pub fn enter(&self) -> InFlight {
        let in_flight = || self.all.in_flight.with_label_values(&[&*self.site]);
        let in_flight = self.in_flight.get_or_init(in_flight).clone();
        in_flight.inc();
        InFlight(in_flight)
    }
}

/// One request in flight.
#[derive(Debug)]
pub struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
