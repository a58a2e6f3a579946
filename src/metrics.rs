//! All metric names. Counters on the request path are resolved once per site, when they first count something: a thousand
//! sites with a zero line for every cause would be a quarter of a million lines. Values that can be read from the parts
//! (states, ages, sizes) are set at each scrape by `app/gauges.rs`. Labels come only from the configuration and from closed lists.

mod site;

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

pub use site::{InFlight, SiteMetrics};

/// Which rung of the ladder an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServedFrom {
    /// A fresh entry of the HTTP cache.
    Cache,
    /// The live origin.
    Origin,
    /// A stale entry of the HTTP cache.
    Stale,
    /// The snapshot.
    Snapshot,
    /// The holding page.
    Holding,
    /// The word that a form was kept.
    Kept,
    /// The refusal of what was sent.
    Refused,
    /// The request itself was at fault, or Katahai.
    Error,
}

impl ServedFrom {
    /// Every answer.
    pub const ALL: [ServedFrom; 8] = [
        ServedFrom::Cache,
        ServedFrom::Origin,
        ServedFrom::Stale,
        ServedFrom::Snapshot,
        ServedFrom::Holding,
        ServedFrom::Kept,
        ServedFrom::Refused,
        ServedFrom::Error,
    ];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            ServedFrom::Cache => "cache",
            ServedFrom::Origin => "origin",
            ServedFrom::Stale => "stale",
            ServedFrom::Snapshot => "snapshot",
            ServedFrom::Holding => "holding",
            ServedFrom::Kept => "kept",
            ServedFrom::Refused => "refused",
            ServedFrom::Error => "error",
        }
    }
}

/// How many answers there were of each rung, by its place in [`ServedFrom::ALL`].
pub type Totals = [u64; ServedFrom::ALL.len()];

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Seconds. Copies take microseconds, patience ends after seconds.
const BUCKETS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 4.0, 15.0];

/// Every metric of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    failures: IntCounterVec,
    in_flight: IntGaugeVec,
    /// Reloads of the configuration by outcome: `ok`, `refused`, `unread`.
    pub reloads: IntCounterVec,
    /// Access log lines that were dropped because the reader of the log was too slow.
    pub access_log_dropped: IntCounter,
    /// Visitors' connections that are open.
    pub connections: IntGauge,
    /// Bytes of answers that visitors have not taken yet.
    pub unread: IntGauge,
    /// Connections closed at once because a limit was reached, by limit.
    pub connections_refused: IntCounterVec,
    /// 1 for the state that the site is in.
    pub site_state: IntGaugeVec,
    /// What is wrong with Katahai or worth knowing, by site (none: the whole process) and cause.
    pub conditions: IntGaugeVec,
    /// When the certificate that a site's visitors see expires, Unix time.
    pub certificate_not_after: GaugeVec,
    /// When the certificate that an origin showed last expires, Unix time.
    pub origin_certificate_not_after: GaugeVec,
    /// When a domain of a site ends, Unix time.
    pub domain_expiry: GaugeVec,
    /// 1 for the state that the origin is in.
    pub origin_state: IntGaugeVec,
    /// Seconds since the current snapshot was taken.
    pub snapshot_age: GaugeVec,
    /// Pages in the current snapshot.
    pub snapshot_pages: IntGaugeVec,
    /// Bytes in the current snapshot.
    pub snapshot_bytes: IntGaugeVec,
    /// Forms that are kept, by what has become of them.
    pub forms: IntGaugeVec,
    /// What an operator should know of the snapshots on the shelf.
    pub shelf: Shelf,
    /// How it stands with the copy outside this machine.
    pub store: StoreMetrics,
    /// Crawls by outcome: `published`, `kept_old`, `failed`.
    pub crawls: IntCounterVec,
    /// What the gate said of them.
    pub gate: Gate,
    /// Bytes that cached answers take.
    pub cache_bytes: IntGauge,
    /// Cached answers.
    pub cache_entries: IntGauge,
    /// Seconds since the start.
    pub uptime: Gauge,
}

/// What an operator should know of the snapshots on the shelf.
#[derive(Debug)]
pub struct Shelf {
    /// Whether new snapshots wait for the operator's word.
    pub by_hand: IntGaugeVec,
    /// Snapshots that do not serve by themselves.
    pub held: IntGaugeVec,
    /// What is wrong with the snapshots on the disk, by kind.
    pub troubles: IntGaugeVec,
    /// The share of visitors' page requests that the current snapshot could answer.
    pub coverage: GaugeVec,
    /// The score of the last self-test.
    pub drill_score: IntGaugeVec,
}

impl Shelf {
    fn new(made: &Made) -> Result<Shelf, prometheus::Error> {
        Ok(Shelf {
            by_hand: made.gauges(
                "katahai_snapshot_by_hand",
                "1 while new snapshots wait for the operator's word.",
                &["site"],
            )?,
            held: made.gauges(
                "katahai_snapshots_held",
                "Snapshots on the shelf that do not serve by themselves.",
                &["site"],
            )?,
            troubles: made.gauges(
                "katahai_snapshot_troubles",
                "What is wrong with the snapshots on the disk.",
                &["site", "kind"],
            )?,
            coverage: made.float_gauges(
                "katahai_coverage_ratio",
                "Share of the last days' successful page requests that the current snapshot could answer.",
                &["site"],
            )?,
            drill_score: made.gauges(
                "katahai_selftest_score",
                "The score of the last self-test, from 0 to 100.",
                &["site"],
            )?,
        })
    }
}

/// How it stands with the copy outside this machine.
#[derive(Debug)]
pub struct StoreMetrics {
    /// Seconds for which a site and the store have not said the same.
    pub lag: GaugeVec,
    /// Bytes that were sent there.
    pub pushed: IntCounter,
    /// Bytes that came from there.
    pub pulled: IntCounter,
    /// What went wrong, by code.
    pub faults: IntCounterVec,
}

impl StoreMetrics {
    fn new(made: &Made) -> Result<StoreMetrics, prometheus::Error> {
        let lag = "Seconds for which the site here and in the store have not been the same.";
        Ok(StoreMetrics {
            lag: made.float_gauges("katahai_store_lag_seconds", lag, &["site"])?,
            pushed: made.count("katahai_store_pushed_bytes_total", "Bytes sent to the store.")?,
            pulled: made.count("katahai_store_pulled_bytes_total", "Bytes that came from the store.")?,
            faults: made.counters(
                "katahai_store_faults_total",
                "What went wrong with the store.",
                &["code"],
            )?,
        })
    }
}

/// What the gate said of crawls.
#[derive(Debug)]
pub struct Gate {
    /// Crawls that did not pass, by the rule that spoke.
    pub refusals: IntCounterVec,
    /// What the rules that speak against the last crawl measured.
    pub measured: GaugeVec,
    /// What they measured it against.
    pub limit: GaugeVec,
}

impl Gate {
    fn new(made: &Made) -> Result<Gate, prometheus::Error> {
        let labels = ["site", "rule"];
        Ok(Gate {
            refusals: made.counters(
                "katahai_gate_refusals_total",
                "Crawls that did not pass the gate, by the rule that spoke.",
                &labels,
            )?,
            measured: made.float_gauges(
                "katahai_gate_measured",
                "What a rule that speaks against the last crawl measured.",
                &labels,
            )?,
            limit: made.float_gauges(
                "katahai_gate_limit",
                "What a rule that speaks against the last crawl measured it against.",
                &labels,
            )?,
        })
    }
}

impl Metrics {
    /// A fresh set, in a registry of its own.
    ///
    /// # Errors
    /// Only if two metrics had the same name.
    pub fn new() -> Result<Arc<Metrics>, prometheus::Error> {
        let made = Made { registry: Registry::new() };
        Ok(Arc::new(Metrics {
            requests: made.counters(
                "katahai_requests_total",
                "Requests answered.",
                &["site", "answer", "class"],
            )?,
            durations: made.add(HistogramVec::new(
                HistogramOpts::new(
                    "katahai_request_duration_seconds",
                    "From a request's header fields to the header fields of its answer.",
                )
                .buckets(BUCKETS.to_vec()),
                &["site", "answer"],
            )?)?,
            failures: made.counters(
                "katahai_failures_total",
                "Answers that were not the origin's, by cause.",
                &["site", "cause"],
            )?,
            in_flight: made.gauges(
                "katahai_requests_in_flight",
                "Requests being answered, bodies included.",
                &["site"],
            )?,
            reloads: made.counters("katahai_reloads_total", "Reloads of the configuration.", &["outcome"])?,
            access_log_dropped: made.count("katahai_access_log_dropped_total", "Access log lines dropped because their reader was too slow.")?,
            connections: made.number("katahai_connections", "Visitors' connections that are open.")?,
            unread: made.number("katahai_unread_bytes", "Bytes that visitors have not taken yet.")?,
            connections_refused: made.counters(
                "katahai_connections_refused_total",
                "Connections closed at once because a limit was reached.",
                &["limit"],
            )?,
            site_state: made.gauges(
                "katahai_site_state",
                "1 for the state that the site is in.",
                &["site", "state"],
            )?,
            conditions: made.gauges(
                "katahai_conditions",
                "What is wrong with Katahai itself or worth knowing, by cause; without a site: of the whole process.",
                &["site", "cause"],
            )?,
            certificate_not_after: made.certificates()?,
            origin_certificate_not_after: made.origin_certificates()?,
            domain_expiry: made.domains()?,
            origin_state: made.gauges(
                "katahai_origin_state",
                "1 for the state that the origin is in.",
                &["site", "origin", "state"],
            )?,
            snapshot_age: made.float_gauges(
                "katahai_snapshot_age_seconds",
                "Seconds since the current snapshot was taken.",
                &["site"],
            )?,
            snapshot_pages: made.gauges(
                "katahai_snapshot_pages",
                "Pages in the current snapshot.",
                &["site"],
            )?,
            snapshot_bytes: made.gauges(
                "katahai_snapshot_bytes",
                "Bytes in the current snapshot.",
                &["site"],
            )?,
            forms: made.gauges("katahai_kept_forms", "Kept forms by their state.", &["site", "state"])?,
            shelf: Shelf::new(&made)?,
            store: StoreMetrics::new(&made)?,
            crawls: made.counters("katahai_crawls_total", "Crawls by outcome.", &["site", "outcome"])?,
            gate: Gate::new(&made)?,
            cache_bytes: made.number("katahai_cache_bytes", "Bytes that cached answers take.")?,
            cache_entries: made.number("katahai_cache_entries", "Cached answers.")?,
            uptime: made.add(Gauge::new("katahai_uptime_seconds", "Seconds since the start.")?)?,
            registry: made.registry,
        }))
    }

    /// The counters of one site. `site` is a name from the configuration.
    pub fn site(self: &Arc<Self>, site: &str) -> SiteMetrics {
        SiteMetrics::new(site, self)
    }

    /// Everything, in the text format.
    ///
    /// # Errors
    /// If a metric cannot be written as text.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

struct Made {
    registry: Registry,
}

impl Made {
    fn number(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::new(name, help)?)
    }

    fn count(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.add(IntCounter::new(name, help)?)
    }

    fn add<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn float_gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, prometheus::Error> {
        self.add(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn certificates(&self) -> Result<GaugeVec, prometheus::Error> {
        self.float_gauges(
            "katahai_certificate_not_after_seconds",
            "When the certificate that visitors of the site see expires, in Unix time.",
            &["site"],
        )
    }

    fn origin_certificates(&self) -> Result<GaugeVec, prometheus::Error> {
        self.float_gauges(
            "katahai_origin_certificate_not_after_seconds",
            "When the certificate that the origin showed last expires, in Unix time.",
            &["site", "origin"],
        )
    }

    fn domains(&self) -> Result<GaugeVec, prometheus::Error> {
        let help = "When a domain that the site needs ends, in Unix time.";
        self.float_gauges("katahai_domain_expiry_seconds", help, &["site", "domain"])
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::failure::Cause;

    #[test]
    fn an_answer_is_counted_under_its_labels() {
        let metrics = Metrics::new().unwrap();
        let site = metrics.site("shop");
        site.count(
            ServedFrom::Snapshot,
            http::StatusCode::OK,
            Duration::from_millis(2),
            Some(Cause::KnownDown),
        );
        let guard = site.enter();
        let text = metrics.text().unwrap();
        assert_eq!(
            text.matches("katahai_failures_total{").count(),
            1,
            "what never happened has no line: {text}"
        );
        assert_eq!(text.matches("katahai_requests_total{").count(), 1, "{text}");
        assert!(
            text.contains(r#"katahai_requests_total{answer="snapshot",class="2xx",site="shop"} 1"#),
            "{text}"
        );
        assert!(text.contains(r#"katahai_failures_total{cause="known-down",site="shop"} 1"#));
        assert!(text.contains(r#"katahai_requests_in_flight{site="shop"} 1"#));
        drop(guard);
        assert!(metrics.text().unwrap().contains(r#"katahai_requests_in_flight{site="shop"} 0"#));
    }

    #[test]
    fn a_cause_is_its_own_place_in_the_table() {
        for (place, &cause) in Cause::ALL.iter().enumerate() {
            assert_eq!(cause as usize, place);
        }
        for (place, &served_from) in ServedFrom::ALL.iter().enumerate() {
            assert_eq!(served_from as usize, place);
        }
    }
}
