//! A look at one site, for its incident.

use std::net::IpAddr;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::app::App;
use crate::clock::{Now, unix};
use crate::failover::{Mode, State};
use crate::failure::{Cause, Sighting};
use crate::forms;
use crate::incident::{
    Details, Finding, FormCounts, Glance, Moment, OriginFacts, PlanKind, Planned, Regions, SiteHealth,
};
use crate::origin::{Member, health};
use crate::page_health::Mark;
use crate::proxy::Site;
use crate::visits::Lacking;
use crate::watch::Watched;

/// How the site stands. Failed answers that were no outage are forgotten.
pub(super) fn glance(site: &Site, now: Now) -> Glance {
    let state = site.observe(now);
    forget_isolated(site);
    let health = match state {
        State::Unproven => SiteHealth::Unproven,
        State::Up => SiteHealth::Well,
        State::Degraded => SiteHealth::Partly,
        State::Down => SiteHealth::Out,
        State::Recovering => SiteHealth::Returning,
    };
    let cause = (health != SiteHealth::Well).then(|| site.condition(now).cause).flatten();
    let mode = site.switch.mode(now.mono);
    Glance {
        health,
        cause,
        totals: site.metrics.totals(),
        planned: planned(site, now),
        planned_since: site.switch.since().filter(|_| mode != Mode::Auto),
        is_live_held: mode == Mode::HoldOrigin,
    }
}

/// Whether a check that began then or later found one of the site's origins well.
fn is_good_since(site: &Site, then: Instant) -> bool {
    site.origins.members().iter().any(|member| member.origin.is_checked_since(then))
}

/// What checks saw since the site was well: an origin that has been out for weeks beside another that was well has nothing to
/// do with what has begun a moment ago.
fn of_this_fall(
    seen: impl Iterator<Item = Sighting>,
    is_good_since: impl Fn(Instant) -> bool,
) -> impl Iterator<Item = Sighting> {
    seen.filter(move |seen| !is_good_since(seen.at.mono))
}

/// A failed answer matters while its page is bad, and until a check finds the site well.
fn forget_isolated(site: &Site) {
    site.page_health.sightings.retain(|seen| {
        matches!(site.page_health.mark(&seen.key), Mark::Bad(_)) || !is_good_since(site, seen.at.mono)
    });
}

/// Planned work that is under way.
fn planned(site: &Site, now: Now) -> Option<Planned> {
    if site.switch.mode(now.mono) != Mode::Auto {
        let until = site.switch.until(now).map(Moment::from);
        let reason = site.switch.reason().to_string();
        return Some(Planned { kind: PlanKind::Hold, until, reason, overran: None });
    }
    site.config.maintenance.iter().find_map(|window| {
        let until = Some(window.until(now.wall)?.into());
        let reason = window.reason.clone();
        Some(Planned { kind: PlanKind::Maintenance, until, reason, overran: None })
    })
}

/// The addresses of a site's origins.
pub(super) fn addresses(site: &Site) -> Vec<IpAddr> {
    site.origins.members().iter().flat_map(|member| member.origin.addresses()).collect()
}

impl App {
    /// All that an incident tells of a site.
    pub(super) fn details(&self, site: &Site, now: Now) -> Details {
        let members = site.origins.members();
        let mut sightings = site.page_health.sightings.all();
        let of_origins = members.iter().flat_map(|member| member.origin.sightings());
        sightings.extend(of_this_fall(of_origins, |then| is_good_since(site, then)));
        sightings.sort_by_key(|seen: &Sighting| seen.at.mono);
        let first = sightings.first().map_or(now.mono, |seen| seen.at.mono);
        let totals = site.metrics.totals();
        let rings = self.rings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = rings.get(&site.config.name).and_then(|(ring, _)| ring.at(first)).unwrap_or(totals);
        drop(rings);
        let lacking = site.visits.lacking.list();
        let split = self.disagreement(site).map(|disagreement| disagreement.split);
        Details {
            host: site.config.canonical_host().unwrap_or(&site.config.name).to_owned(),
            sightings,
            before,
            origins: members.iter().map(|member| facts(member, now)).collect(),
            states: members.iter().map(|member| member.origin.state().as_str()).collect(),
            missed_is_full: lacking.len() >= Lacking::MOST,
            missed: lacking.into_iter().map(|lacked| (lacked.key, lacked.asked, lacked.last)).collect(),
            forms: self.form_counts(&site.config.name),
            copy_of: site.mirror.current().map(|snapshot| snapshot.summary().taken_at),
            findings: self.findings(site, now),
            regions: split.map(|split| Regions { reached: split.reached, not_reached: split.not_reached }),
        }
    }

    /// What is found out of a site apart from its answers, and since when it is known.
    fn findings(&self, site: &Site, now: Now) -> Vec<Finding> {
        let name = &*site.config.name;
        let watched = self.watch.of(name);
        let held = self.conditions.holding_of(name).into_iter().filter(|held| is_behind(held.cause));
        held.map(|held| {
            let is_it = |one: &&Watched| {
                one.subject == held.subject && one.warning.is_some_and(|warning| warning.cause == held.cause)
            };
            let of = watched.iter().find(is_it);
            let announced = self.alerts.announced(name, held.cause, &held.subject);
            let since =
                announced.as_ref().map_or(unix(held.since), |known| known.since.min(unix(held.since)));
            let moment = |seconds| Moment::from(UNIX_EPOCH + Duration::from_secs(seconds));
            Finding {
                cause: held.cause.code().to_owned(),
                subject: held.subject,
                at: held.since.min(now.wall).into(),
                known_since: moment(since),
                told: announced.and_then(|known| known.told).map(moment),
                ended: of.and_then(|of| of.until).map(Moment::from),
                seen: of.map(|of| of.seen.clone()).unwrap_or_default(),
                over: None,
            }
        })
        .collect()
    }

    /// The kept forms of a site that are not delivered; `None`: it is not known.
    pub(super) fn form_counts(&self, site: &str) -> Option<FormCounts> {
        let totals = self.intake().opened()?.totals_of(site);
        let of = |state| totals.get(&state).map_or(0, |total| total.forms as u64);
        Some(FormCounts {
            kept: of(forms::State::Kept),
            sending: of(forms::State::Sending),
            doubtful: of(forms::State::Doubtful),
            parked: of(forms::State::Parked),
        })
    }
}

/// Whether a condition may be what is behind an outage. That something will end is nothing yet.
fn is_behind(cause: Cause) -> bool {
    use Cause as C;
    matches!(
        cause,
        C::DomainExpired
            | C::DomainOnHold
            | C::DomainUnlocked
            | C::NameServersChanged
            | C::NameServersParked
            | C::ZoneGone
            | C::AddressesChanged
            | C::DnssecBroken
            | C::SiteCertificateExpired
            | C::OriginGettingWorse
    )
}

fn facts(member: &Member, now: Now) -> OriginFacts {
    let origin = &member.origin;
    let cause = match origin.state() {
        health::State::Down { cause, .. } | health::State::Trial { cause, .. } => Some(cause),
        health::State::Unproven | health::State::Up => None,
    };
    OriginFacts {
        url: origin.identity.url.to_string(),
        addresses: origin.addresses().iter().map(ToString::to_string).collect(),
        name_moved: origin.name_moved(),
        certificate_ends: origin.certificate_ends(now.wall).map(|ends| ends.not_after.into()),
        cause: cause.map(|cause| cause.code().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::failure::{Failure, SeenBy};

    #[test]
    fn an_outage_does_not_begin_with_a_standby_that_was_out_for_weeks() {
        let began = clock::now();
        let at = |hours: u64| began.plus(Duration::from_secs(hours * 3600));
        let seen = |cause, at| Sighting::of(&Failure::new(cause), SeenBy::Check, "/", at);
        let (standby, primary) = (seen(Cause::Refused, began), seen(Cause::Silent, at(500)));
        let last_good = at(499).mono;
        let fall = of_this_fall([standby, primary.clone()].into_iter(), |then| then <= last_good);
        assert_eq!(fall.collect::<Vec<_>>(), [primary]);
    }
}
