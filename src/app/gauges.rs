//! The gauges that are read from the parts at each scrape.

use prometheus::IntCounterVec;

use super::App;
use super::status::troubles;
use crate::clock::{self, Now, unix};
use crate::crawl::gate::Rule;
use crate::crawl::{Ended, Outcome};
use crate::failover::State;
use crate::metrics::Metrics;
use crate::proxy::Site;

/// Sets the gauges to what the parts say now. With thousands of sites not for the event loop.
pub(super) fn gauge(app: &App) {
    let metrics = &app.parts.metrics;
    let now = clock::now();
    metrics.uptime.set((now.mono - app.started.mono).as_secs_f64());
    metrics.cache_bytes.set(i64::try_from(app.parts.cache.used()).unwrap_or(i64::MAX));
    metrics.cache_entries.set(i64::try_from(app.parts.cache.pages()).unwrap_or(i64::MAX));
    if let Some(visitors) = &*app.visitors.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
        metrics.connections.set(i64::try_from(visitors.open()).unwrap_or(i64::MAX));
        metrics.unread.set(i64::try_from(visitors.unread()).unwrap_or(i64::MAX));
        let counters = visitors.counters();
        let (full, client) = (&counters.refused_full, &counters.refused_client);
        for (limit, count) in [("connections", full), ("connections_per_client", client)] {
            let counter = metrics.connections_refused.with_label_values(&[limit]);
            counter.inc_by(count.get().saturating_sub(counter.get()));
        }
    }
    reset(metrics);
    for dated in app.certs.dates() {
        let not_after = unix(dated.validity.not_after) as f64;
        metrics.certificate_not_after.with_label_values(&[&*dated.site]).set(not_after);
    }
    app.look_at_conditions(now);
    for ((site, cause), count) in app.conditions.counts() {
        metrics.conditions.with_label_values(&[&*site, cause.code()]).set(count);
    }
    for site in &app.table().sites {
        gauge_origins(metrics, site, now);
        app.gauge_domains(&site.config.name);
        gauge_snapshots(app, site, now.unix());
        if let Some(last) = &app.known_drill(&site.config.name).last {
            let gauge = &metrics.shelf.drill_score;
            gauge.with_label_values(&[&*site.config.name]).set(i64::from(last.score));
        }
    }
    for (site, totals) in app.intake().opened().map(|spool| spool.totals()).unwrap_or_default() {
        for (state, total) in totals {
            let gauge = metrics.forms.with_label_values(&[&*site, state.code()]);
            gauge.set(i64::try_from(total.forms).unwrap_or(i64::MAX));
        }
    }
    if let Some(store) = &app.offsite {
        store.gauge(metrics, app.table().sites.iter().map(|site| site.config.name.clone()), now);
    }
    app.gauge_coverage();
}

/// Takes away what a scrape said of sites and origins: those that a reload takes away are not to linger, and those
/// that stay need no memory until the next one. The coverage has a reset of its own, see `App::gauge_coverage`.
pub(super) fn reset(metrics: &Metrics) {
    let Metrics { shelf, gate, .. } = metrics;
    let counts = [
        &metrics.site_state,
        &metrics.origin_state,
        &metrics.conditions,
        &metrics.snapshot_pages,
        &metrics.snapshot_bytes,
        &metrics.forms,
        &shelf.by_hand,
        &shelf.held,
        &shelf.troubles,
        &shelf.drill_score,
    ];
    counts.iter().for_each(|gauge| gauge.reset());
    let values = [
        &metrics.certificate_not_after,
        &metrics.origin_certificate_not_after,
        &metrics.domain_expiry,
        &metrics.snapshot_age,
        &metrics.store.lag,
        &gate.measured,
        &gate.limit,
    ];
    values.iter().for_each(|gauge| gauge.reset());
}

fn gauge_origins(metrics: &Metrics, site: &Site, now: Now) {
    let name = &*site.config.name;
    let is_now = site.state(now);
    for state in [State::Unproven, State::Up, State::Degraded, State::Down, State::Recovering] {
        let is = i64::from(state == is_now);
        metrics.site_state.with_label_values(&[name, state.as_str()]).set(is);
    }
    for member in site.origins.members() {
        let (url, is_now) = (member.origin.identity.url.to_string(), member.origin.state().as_str());
        if let Some(ends) = member.origin.certificate_ends(now.wall) {
            let not_after = unix(ends.not_after) as f64;
            let gauge = &metrics.origin_certificate_not_after;
            gauge.with_label_values(&[name, url.as_str()]).set(not_after);
        }
        for state in ["unproven", "up", "down", "trial"] {
            metrics
                .origin_state
                .with_label_values(&[name, url.as_str(), state])
                .set(i64::from(state == is_now));
        }
    }
}

/// The numbers of the rules that speak against the last crawl. Where a rule spoke more than once, its first word: the worst
/// of a rule about pages cannot be told by its numbers.
fn gauge_gate(metrics: &Metrics, site: &str, last: Option<&Ended>) {
    let Some(Ok(Outcome::Kept { broken, .. })) = last.map(|ended| &ended.result) else { return };
    for broken in broken.iter().rev() {
        let labels = [site, broken.rule.code()];
        for (gauge, value) in [(&metrics.gate.measured, broken.measured), (&metrics.gate.limit, broken.limit)]
        {
            if let Some(value) = value {
                gauge.with_label_values(&labels).set(value);
            }
        }
    }
}

/// Brings a counter up to what was counted elsewhere. What never happened has no line.
fn raise(counters: &IntCounterVec, labels: &[&str], count: u64) {
    if count > 0 {
        let counter = counters.with_label_values(labels);
        counter.inc_by(count.saturating_sub(counter.get()));
    }
}

fn gauge_snapshots(app: &App, site: &Site, now: u64) {
    let (metrics, name) = (&app.parts.metrics, &*site.config.name);
    if let Some(crawler) = app.crawler(name) {
        let tally = crawler.tally();
        let ends = [("published", tally.published), ("kept_old", tally.kept_old), ("failed", tally.failed)];
        for (outcome, count) in ends {
            raise(&metrics.crawls, &[name, outcome], count);
        }
        for (rule, count) in Rule::ALL.iter().zip(tally.refusals) {
            raise(&metrics.gate.refusals, &[name, rule.code()], count);
        }
        gauge_gate(metrics, name, crawler.last_outcome().as_deref());
    }
    let seen = app.shelf_state(name);
    metrics.shelf.by_hand.with_label_values(&[name]).set(i64::from(seen.by_hand.is_some()));
    let held = i64::try_from(seen.held.len()).unwrap_or(i64::MAX);
    metrics.shelf.held.with_label_values(&[name]).set(held);
    for trouble in troubles(site, &seen) {
        metrics.shelf.troubles.with_label_values(&[name, trouble.kind]).inc();
    }
    if let Some(snapshot) = site.mirror.current() {
        let summary = snapshot.summary();
        let age = now.saturating_sub(unix(summary.taken_at));
        metrics.snapshot_age.with_label_values(&[name]).set(age as f64);
        metrics
            .snapshot_pages
            .with_label_values(&[name])
            .set(i64::try_from(summary.pages).unwrap_or(i64::MAX));
        metrics
            .snapshot_bytes
            .with_label_values(&[name])
            .set(i64::try_from(summary.bytes).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_that_a_reload_took_away_is_in_no_gauge() {
        let metrics = Metrics::new().unwrap();
        let site = ["gone"];
        for gauge in
            [&metrics.snapshot_pages, &metrics.snapshot_bytes, &metrics.shelf.by_hand, &metrics.shelf.held]
        {
            gauge.with_label_values(&site).set(1);
        }
        for gauge in [&metrics.snapshot_age, &metrics.certificate_not_after] {
            gauge.with_label_values(&site).set(1.0);
        }
        for gauge in [&metrics.conditions, &metrics.site_state, &metrics.shelf.troubles] {
            gauge.with_label_values(&["gone", "x"]).set(1);
        }
        let Metrics { domain_expiry, origin_certificate_not_after, gate, .. } = &*metrics;
        for gauge in [&gate.measured, &gate.limit, origin_certificate_not_after, domain_expiry] {
            gauge.with_label_values(&["gone", "x"]).set(1.0);
        }
        metrics.origin_state.with_label_values(&["gone", "http://127.0.0.1", "up"]).set(1);
        assert_eq!(metrics.text().unwrap().matches("gone").count(), 14);
        reset(&metrics);
        let text = metrics.text().unwrap();
        assert!(!text.contains("gone"), "{text}");
    }
}
