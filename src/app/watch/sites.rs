//! What is watched of each site, put together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{App, Outlook, first_name, lock, names};
use crate::clock::{self, Now};
use crate::config::ready::{Rdap, Watch as Settings};
use crate::failover::State;
use crate::failure::Cause;
use crate::proxy::Site;
use crate::snapshot::rfc3339;
use crate::tasks;
use crate::tls::{Dated, Standing as Valid};
use crate::watch::deadline::DAY;
use crate::watch::judge::{Asks, Said, judge};
use crate::watch::ledger::Ledger;
use crate::watch::trend::{self, Day, Worse};
use crate::watch::{Standing, Watched, What};

/// Crawls that may fail before the snapshot is called old, and the least age at which it is.
const CRAWLS: u32 = 3;
const LEAST_AGE: Duration = DAY;
/// Requests without which a share says nothing.
const REQUESTS: u64 = 100;

/// Everything that is watched of a site's domains.
pub(in crate::app) fn of_domains(
    site: &crate::config::ready::Site,
    settings: &Settings,
    ledger: &Ledger,
    now: SystemTime,
) -> Vec<Watched> {
    let asks = if settings.rdap == Rdap::Off { Asks::No } else { Asks::Yes };
    let mut domains: BTreeMap<&str, Said> = BTreeMap::new();
    let first = first_name(site);
    let of = |name: &String, ends| Said {
        ends,
        may_end: first.as_ref() == Some(name),
        asks,
        every: settings.every,
    };
    let mut untold = Vec::new();
    for name in names(site) {
        let ends = site.watch.domain_ends.filter(|_| first.as_ref() == Some(&name));
        match ledger.hosts.get(&name) {
            Some(domain) => {
                let said = domains.entry(domain).or_insert(of(&name, None));
                said.ends = said.ends.or(ends);
                said.may_end |= first.as_ref() == Some(&name);
            }
            None => {
                untold.extend(judge(&name, &Default::default(), of(&name, ends), now).into_iter().take(1))
            }
        }
    }
    let known =
        domains.into_iter().filter_map(|(domain, said)| Some((domain, ledger.domains.get(domain)?, said)));
    known.flat_map(|(domain, known, said)| judge(domain, known, said, now)).chain(untold).collect()
}

impl App {
    /// Puts together what is known by now.
    pub(super) async fn look_ahead(self: &Arc<Self>) {
        let app = self.clone();
        tasks::blocking(move || app.put_together(clock::now())).await;
    }

    fn put_together(&self, now: Now) {
        let settings = self.config().watch;
        let dates = self.certs.dates();
        let table = self.table();
        let own = self.own_warnings(now);
        let of = |site: &Arc<Site>| {
            let mut all = of_domains(&site.config, &settings, &self.watch.ledger(), now.wall);
            all.extend(certificates(site, &dates, now.wall));
            let days = self.days(site, settings.every, now);
            all.push(answers(&days, now));
            all.push(snapshot(site, now));
            all.push(self.coverage_of(site, &days));
            (site.config.name.clone(), all)
        };
        let sites = table.sites.iter().map(of).collect();
        *lock(&self.watch.found) = Outlook { sites, own };
    }

    fn coverage_of(&self, site: &Site, days: &[Day]) -> Watched {
        let coverage = self.known_coverage(site);
        let told = |state, detail: String| Watched::new(What::Coverage, "", state, detail);
        let share =
            coverage.share.filter(|_| coverage.requests >= REQUESTS && site.mirror.current().is_some());
        let Some(share) = share else {
            return told(Standing::Unknown, format!("fewer than {REQUESTS} requests so far, or no snapshot"));
        };
        let detail = format!("{:.0} % of {} requests", (share * 100.0).floor(), coverage.requests);
        match trend::uncovered(days, share) {
            None => told(Standing::Ok, detail),
            Some(usual) => {
                let detail = format!(
                    "{detail}, {} paths missing; {:.0} % were to be expected",
                    coverage.missing_paths,
                    usual * 100.0
                );
                told(Standing::Bad, detail).warn(Cause::CoverageLow, None)
            }
        }
    }
}

/// The certificates of the site and its origins. What is wrong with them are conditions of their own.
fn certificates(site: &Site, dates: &[Dated], now: SystemTime) -> Vec<Watched> {
    let own = dates.iter().filter(|dated| dated.site == site.config.name).map(|dated| {
        let (state, until) = match dated.validity.at(now) {
            Valid::Good => (Standing::Ok, dated.validity.not_after),
            Valid::Soon(_) => (Standing::Soon, dated.validity.not_after),
            Valid::Over => (Standing::Past, dated.validity.not_after),
            Valid::NotYet => (Standing::Bad, dated.validity.not_after),
        };
        let subject = dated.cert.display().to_string();
        Watched::new(What::Certificate, &subject, state, format!("ends {}", rfc3339(until)))
            .until(Some(until))
    });
    let of_origins = site.origins.members().iter().filter_map(|member| {
        let ends = member.origin.certificate_ends(now)?;
        let is_over = ends.not_after <= now;
        let state = match (&ends.soon, is_over) {
            (_, true) => Standing::Past,
            (Some(_), false) => Standing::Soon,
            (None, false) => Standing::Ok,
        };
        let detail = format!("ends {}", rfc3339(ends.not_after));
        let subject = member.origin.identity.url.to_string();
        Some(Watched::new(What::Certificate, &subject, state, detail).until(Some(ends.not_after)))
    });
    own.chain(of_origins).map(|watched| watched.checked_at(Some(now))).collect()
}

fn answers(days: &[Day], now: Now) -> Watched {
    let today = now.unix() / DAY.as_secs();
    let told = |state, detail: String| Watched::new(What::Answers, "", state, detail);
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let detail = match trend::worse(days, today) {
        Some(Worse::Slower { usual, now }) => {
            format!(
                "pages take {now:.0} ms and more for three days, {usual:.0} ms in the month before (median)"
            )
        }
        Some(Worse::Failing { usual, now }) => {
            format!(
                "{} and more of the answers fail for three days, {} in the month before",
                percent(now),
                percent(usual)
            )
        }
        None => {
            let last = days.iter().rev().find(|day| day.answers > 0);
            return match last {
                Some(day) => told(
                    Standing::Ok,
                    format!(
                        "pages take {:.0} ms (median), 95 % of them less than {:.0} ms",
                        day.median_ms, day.p95_ms
                    ),
                ),
                None => told(Standing::Unknown, "no page was asked for yet".to_owned()),
            };
        }
    };
    told(Standing::Bad, detail).warn(Cause::OriginGettingWorse, None)
}

/// How old the snapshot is. In an outage nobody can take a new one, and a site without origins has none to be taken.
fn snapshot(site: &Site, now: Now) -> Watched {
    let told = |state, detail: String| Watched::new(What::Snapshot, "", state, detail);
    let Some(current) = site.mirror.current() else {
        return told(Standing::Unknown, "there is no snapshot yet".to_owned());
    };
    let taken = current.summary().taken_at;
    let age = now.wall.duration_since(taken).unwrap_or_default();
    let detail = format!("taken {}", rfc3339(taken));
    let may_crawl = !site.config.origins.is_empty() && matches!(site.state(now), State::Up | State::Degraded);
    if may_crawl && is_old(age, site.config.mirror.every) {
        let every = humantime::format_duration(site.config.mirror.every);
        return told(Standing::Bad, format!("{detail}, though one is to be taken every {every}"))
            .warn(Cause::SnapshotOld, None);
    }
    told(Standing::Ok, detail)
}

fn is_old(age: Duration, every: Duration) -> bool {
    age > LEAST_AGE.max(every.saturating_mul(CRAWLS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_old_after_three_crawls_and_a_day() {
        let hour = Duration::from_secs(3600);
        for (age, every, expected) in [
            (23 * hour, hour, false),
            (25 * hour, hour, true),
            (25 * hour, 12 * hour, false),
            (37 * hour, 12 * hour, true),
            (25 * hour, Duration::MAX, false),
        ] {
            assert_eq!(is_old(age, every), expected, "{age:?}, {every:?}");
        }
    }
}
