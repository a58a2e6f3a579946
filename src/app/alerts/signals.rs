//! What holds now, as the ledger of alerts wants to know it: the state of each site, and all conditions.

use super::App;
use crate::alert::{Severity, Signal, Topic};
use crate::app::conditions::Holding;
use crate::app::visitors_get::VisitorsGet;
use crate::clock::{Now, unix};
use crate::failover::State;
use crate::failure::{Cause, Said};
use crate::proxy::Site;

impl App {
    pub(super) fn signals(&self, now: Now) -> Vec<Signal> {
        let table = self.table();
        let outages = table.sites.iter().filter_map(|site| self.outage(site, now));
        let mut signals: Vec<Signal> = outages.collect();
        let (live, all) = (table.sites.iter().filter(|site| site.is_live()).count(), table.sites.len());
        let process = Said {
            en: format!("{live} of {all} {} live.", if all == 1 { "site is" } else { "sites are" }),
            ja: format!("{all}サイト中{live}サイトが稼働しています。"),
        };
        let conditions = self.conditions.holding().into_iter().map(|held| {
            let visitors = match table.named(&held.of) {
                Some(site) => self.visitors_of(site, now),
                None => process.clone(),
            };
            condition(held, visitors)
        });
        signals.extend(conditions);
        signals
    }

    /// What is to be told of a site's state. While it is not proven to be well again, an outage is not over.
    fn outage(&self, site: &Site, now: Now) -> Option<Signal> {
        let state = site.observe(now);
        let severity = match state {
            State::Up => return None,
            State::Down => Severity::Page,
            State::Degraded => Severity::Warn,
            State::Recovering | State::Unproven => Severity::Info,
        };
        let found = site.condition(now);
        let cause = found.cause.unwrap_or(match state {
            State::Recovering => Cause::Recovering,
            State::Unproven => Cause::Unproven,
            State::Up | State::Down | State::Degraded => Cause::KnownDown,
        });
        let members = site.origins.members();
        let place = members.first().map(|member| member.origin.identity.url.host.clone());
        let parts = found.branches.iter().map(|branch| format!("{} ({})", branch.name, branch.pages));
        let detail = match state {
            State::Degraded => parts.collect::<Vec<_>>().join(", "),
            State::Down => {
                members.iter().find_map(|member| member.origin.trouble_of(cause)).unwrap_or_default()
            }
            State::Up | State::Recovering | State::Unproven => String::new(),
        };
        Some(Signal {
            site: site.config.name.clone(),
            topic: Topic::Outage,
            cause,
            subject: String::new(),
            place: place.unwrap_or_default(),
            detail,
            severity,
            since: unix(found.since.map_or(self.started.wall, |since| since.wall)),
            is_planned: self.incidents.is_planned(&site.config.name)
                || matches!(cause, Cause::Drained | Cause::Held),
            visitors: Some(self.visitors_of(site, now)),
        })
    }

    fn visitors_of(&self, site: &Site, now: Now) -> Said {
        let (gets, on) = self.gets(site, now);
        VisitorsGet::of(gets, on).sentence.into()
    }
}

fn condition(held: Holding, visitors: Said) -> Signal {
    Signal {
        site: held.of,
        topic: Topic::Condition(held.cause),
        cause: held.cause,
        subject: held.subject,
        place: String::new(),
        detail: held.detail,
        severity: Severity::of(held.cause),
        since: unix(held.since),
        is_planned: false,
        visitors: Some(visitors),
    }
}
