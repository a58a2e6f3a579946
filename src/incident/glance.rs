//! A site as it is shown to its watcher.

use std::time::{Instant, SystemTime};

use super::parts::{Finding, OriginFacts, Planned, Regions};
use super::record::{FormCounts, Severity};
use crate::failure::{Cause, Sighting};
use crate::metrics::Totals;

/// How a site stands, as its visitors feel it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteHealth {
    /// Nothing was seen of it yet.
    Unproven,
    /// The live site answers, and all visitors get it.
    Well,
    /// Some of its pages do not.
    Partly,
    /// It does not answer, or what answers is not the site.
    Out,
    /// It answers again, and not all visitors get it yet.
    Returning,
}

impl SiteHealth {
    pub(super) fn severity(self) -> Option<Severity> {
        match self {
            SiteHealth::Partly => Some(Severity::Partial),
            SiteHealth::Out => Some(Severity::Outage),
            SiteHealth::Unproven | SiteHealth::Well | SiteHealth::Returning => None,
        }
    }

    /// The word of the status.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            SiteHealth::Unproven => "unproven",
            SiteHealth::Well => "up",
            SiteHealth::Partly => "degraded",
            SiteHealth::Out => "down",
            SiteHealth::Returning => "recovering",
        }
    }
}

/// What is known of a site at no cost.
#[derive(Clone, Debug)]
pub struct Glance {
    /// How it stands.
    pub health: SiteHealth,
    /// Why it is not well.
    pub cause: Option<Cause>,
    /// How many requests were answered from where, since the start of the process.
    pub totals: Totals,
    /// Planned work that is under way.
    pub planned: Option<Planned>,
    /// Since when, if that is known.
    pub planned_since: Option<Instant>,
    /// Whether visitors get the live site whatever it answers, because an operator said so.
    pub is_live_held: bool,
}

/// What is looked up only for a site that is not well.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// The site's host, as visitors know it.
    pub host: String,
    /// Failed answers, in the order of time.
    pub sightings: Vec<Sighting>,
    /// The counters at the time of the first of them.
    pub before: Totals,
    /// The origins.
    pub origins: Vec<OriginFacts>,
    /// Their states, in the same order.
    pub states: Vec<&'static str>,
    /// Pages that were not given for want of a copy: key, requests since the start of the process, and the last one.
    pub missed: Vec<(String, u64, SystemTime)>,
    /// Whether there was no room for all of these.
    pub missed_is_full: bool,
    /// The kept forms; `None`: it is not known.
    pub forms: Option<FormCounts>,
    /// When the snapshot in service was taken.
    pub copy_of: Option<SystemTime>,
    /// What is found out of the domain, the DNS and the certificates.
    pub findings: Vec<Finding>,
    /// From where it is reached and from where not.
    pub regions: Option<Regions>,
}
