//! What holds now, as the ledger of alerts wants to know it: the state of each site, and all conditions.

use std::sync::Arc;

use super::App;
use crate::alert::{self, Notice, Severity, Signal, Topic};
use crate::app::conditions::Holding;
use crate::app::visitors_get::VisitorsGet;
use crate::clock::{Now, unix};
use crate::failover::{Mode, State};
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
        ends_go_first(&mut signals);
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
            step: None,
            since: unix(found.since.map_or(self.started.wall, |since| since.wall)),
            is_planned: is_planned(
                site.switch.mode(now.mono),
                cause,
                self.incidents.is_planned(&site.config.name),
            ),
            visitors: Some(self.visitors_of(site, now)),
            incident: self.incident_of(&site.config.name).map(|id| id.to_string()),
        })
    }

    fn visitors_of(&self, site: &Site, now: Now) -> Said {
        let (gets, on) = self.gets(site, now);
        VisitorsGet::of(gets, on).sentence.into()
    }

    /// What visitors of those in a message get now: its end is told of sites that may have been held or removed meanwhile.
    /// `None`: that differs, or nobody knows.
    pub(super) fn visitors_now(&self, notice: &Notice, now: Now) -> Option<Said> {
        let table = self.table();
        let get = |name: &str| table.named(name).map(|site| self.visitors_of(site, now));
        let mut all = notice.members.iter().map(|member| get(&member.site));
        let first = all.next()??;
        all.all(|other| other.as_ref() == Some(&first)).then_some(first)
    }
}

/// Whether somebody has made it so that visitors get no live site, or said that it would be so. Who insists on the live site
/// wants to hear that it is down.
fn is_planned(mode: Mode, cause: Cause, is_in_planned_work: bool) -> bool {
    let is_held = match mode {
        Mode::HoldOrigin => false,
        Mode::HoldSnapshot => true,
        Mode::Auto => is_in_planned_work,
    };
    is_held || matches!(cause, Cause::Drained | Cause::Held)
}

fn condition(held: Holding, visitors: Said) -> Signal {
    Signal {
        site: held.of,
        topic: Topic::of(held.cause),
        cause: held.cause,
        subject: held.subject,
        place: String::new(),
        detail: held.detail,
        severity: Severity::of(held.cause),
        step: held.step,
        since: unix(held.since),
        is_planned: false,
        visitors: Some(visitors),
        incident: None,
    }
}

/// Of one subject that both ends and has ended (two certificates, say), the end is told.
fn ends_go_first(signals: &mut Vec<Signal>) {
    let is_come = |signal: &Signal| alert::announcement(signal.cause).is_some();
    let come: Vec<(Arc<str>, Topic, String)> = signals
        .iter()
        .filter(|signal| is_come(signal))
        .map(|signal| (signal.site.clone(), signal.topic, signal.subject.clone()))
        .collect();
    signals.retain(|signal| {
        let is_one = |(site, topic, subject): &(Arc<str>, Topic, String)| {
            (site, topic, subject) == (&signal.site, &signal.topic, &signal.subject)
        };
        is_come(signal) || !come.iter().any(is_one)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_insists_on_the_live_site_hears_that_it_is_down() {
        for (mode, cause, is_in_planned_work, expected) in [
            (Mode::Auto, Cause::Refused, false, false),
            (Mode::Auto, Cause::Refused, true, true),
            (Mode::HoldOrigin, Cause::Refused, true, false),
            (Mode::HoldSnapshot, Cause::Refused, false, true),
            (Mode::Auto, Cause::Drained, false, true),
            (Mode::Auto, Cause::Held, false, true),
        ] {
            assert_eq!(is_planned(mode, cause, is_in_planned_work), expected, "{mode:?} {cause:?}");
        }
    }
}
