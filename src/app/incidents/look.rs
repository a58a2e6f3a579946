//! A look at one site, for its incident.

use std::net::IpAddr;
use std::time::Instant;

use crate::app::App;
use crate::clock::Now;
use crate::failover::{Mode, State};
use crate::failure::Sighting;
use crate::forms;
use crate::incident::{Details, Glance, Moment, OriginFacts, PlanKind, Planned, Regions, SiteHealth};
use crate::origin::{Member, health};
use crate::page_health::Mark;
use crate::proxy::Site;

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
    Glance { health, cause, totals: site.metrics.totals(), planned: planned(site, now) }
}

/// A failed answer matters while its page is bad, and until a check finds the site well.
fn forget_isolated(site: &Site) {
    let is_good_since =
        |then: Instant| site.origins.members().iter().any(|member| member.origin.is_checked_since(then));
    site.page_health.sightings.retain(|seen| {
        matches!(site.page_health.mark(&seen.key), Mark::Bad(_)) || !is_good_since(seen.at.mono)
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
        sightings.extend(members.iter().flat_map(|member| member.origin.sightings()));
        sightings.sort_by_key(|seen: &Sighting| seen.at.mono);
        let first = sightings.first().map_or(now.mono, |seen| seen.at.mono);
        let totals = site.metrics.totals();
        let rings = self.rings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = rings.get(&site.config.name).and_then(|(ring, _)| ring.at(first)).unwrap_or(totals);
        drop(rings);
        let lacking = site.visits.lacking.list().into_iter();
        let waiting = self.intake().opened().map(|spool| spool.totals_of(&site.config.name));
        let waiting = waiting.and_then(|totals| totals.get(&forms::State::Kept).map(|total| total.forms));
        let split = self.disagreement(site).map(|disagreement| disagreement.split);
        Details {
            host: site.config.canonical_host().unwrap_or(&site.config.name).to_owned(),
            sightings,
            before,
            origins: members.iter().map(|member| facts(member, now)).collect(),
            states: members.iter().map(|member| member.origin.state().as_str()).collect(),
            missed: lacking.map(|lacked| (lacked.key, lacked.asked, lacked.last)).collect(),
            forms_waiting: waiting.unwrap_or_default() as u64,
            copy_of: site.mirror.current().map(|snapshot| snapshot.summary().taken_at),
            regions: split.map(|split| Regions { reached: split.reached, not_reached: split.not_reached }),
        }
    }
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
