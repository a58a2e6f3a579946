//! Incidents: each is the time from a site's first failed answer to its proven recovery, with its causes, what visitors got,
//! what they missed, and what operators did. [`Watcher`] is pure: it is shown a site again and again, and says when an
//! incident opens, changes and ends. [`IncidentStore`] keeps them on the disk, a file each.
//!
//! One incident a site: what fails again within minutes goes on with the last one, and whatever else breaks while the site is
//! not well belongs to it. Of sites that fail together because their server does, each has its own, and all have the same
//! group ([`Groups`]).

mod glance;
mod groups;
mod id;
mod missed;
mod moment;
mod parts;
mod record;
mod store;
#[cfg(test)]
mod tests;
mod timeline;
mod watcher;

pub use glance::{Details, Glance, SiteHealth};
pub use groups::{Group, Groups};
pub use id::{IncidentId, NotAnIncident};
pub use moment::Moment;
pub use parts::{
    Acknowledgement, CauseSpan, Evidence, Finding, Hops, MissedPage, OriginFacts, PlanKind, Planned, Regions,
};
pub use record::{FormCounts, Incident, IncidentSummary, Severity, VERSION};
pub use store::{Damaged, IncidentStore, Opened, Wanted};
pub use timeline::{Act, Happening, TimelineEntry};
pub use watcher::{Change, Watcher};
