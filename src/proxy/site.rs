//! One site as it runs: its configuration, its engines, and what the operator said about it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::mirror::Mirror;
use crate::cache::SiteCache;
use crate::clock::Now;
use crate::config::ready;
use crate::failover::{Mode, State};
use crate::metrics::SiteMetrics;
use crate::origin::{Member, Origins, Outlook, health};
use crate::visits::Visits;

/// A site and its engines. A reload makes a new one that takes over the engines of the old.
pub struct Site {
    /// As configured.
    pub config: Arc<ready::Site>,
    /// Where the live site comes from.
    pub origins: Origins,
    /// Its part of the HTTP cache.
    pub cache: SiteCache,
    /// The site's snapshots.
    pub mirror: Arc<Mirror>,
    /// What its visitors ask for.
    pub visits: Arc<Visits>,
    /// Its counters.
    pub metrics: Arc<SiteMetrics>,
    /// The operator's word.
    pub switch: Arc<Switch>,
}

impl Site {
    /// The site's state, as visitors feel it.
    pub fn state(&self) -> State {
        match self.origins.outlook() {
            Outlook::None | Outlook::Down => State::Down,
            Outlook::Unproven => State::Unproven,
            Outlook::Up => State::Up,
        }
    }

    /// For how long no origin has answered, if none does.
    pub fn down_for(&self, now: Now) -> Option<Duration> {
        if self.state() != State::Down {
            return None;
        }
        let since = |member: &Member| match member.origin.state() {
            health::State::Down { since, .. } | health::State::Trial { since, .. } => Some(since.mono),
            health::State::Unproven | health::State::Up => None,
        };
        // The site went with the last of them.
        self.origins.members().iter().filter_map(since).max().map(|since| now.mono - since)
    }

    /// Whether it can answer visitors: the live site is not known to be down, or there is a snapshot.
    pub fn is_ready(&self) -> bool {
        self.origins.outlook() == Outlook::Up || self.mirror.current().is_some()
    }
}

/// The operator's word for a site, for some time or until the next one.
#[derive(Debug, Default)]
pub struct Switch(Mutex<Option<(Mode, Option<Instant>)>>);

impl Switch {
    /// What holds now.
    pub fn mode(&self, now: Instant) -> Mode {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((mode, until)) if until.is_none_or(|until| now < until) => mode,
            _ => Mode::Auto,
        }
    }

    /// Sets it, for `time` if given.
    pub fn set(&self, mode: Mode, time: Option<Duration>, now: Instant) {
        let until = time.and_then(|time| now.checked_add(time));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((mode, until));
    }
}

/// All sites by their hosts, and what holds for all of them. Immutable; a reload makes a new one.
pub struct Table {
    /// The sites, in the configuration's order.
    pub sites: Vec<Arc<Site>>,
    hosts: HashMap<String, Arc<Site>>,
    any: Option<Arc<Site>>,
    /// Networks whose word about the visitor is believed.
    pub trusted: Vec<IpNet>,
    /// Bytes that a request's body may have.
    pub body_size: u64,
}

impl Table {
    /// The table of these sites; `"*"` among a site's hosts makes it the one for all other hosts.
    pub fn new(sites: Vec<Arc<Site>>, trusted: Vec<IpNet>, body_size: u64) -> Table {
        let mut hosts = HashMap::new();
        let mut any = None;
        for site in &sites {
            for host in &site.config.hosts {
                if host == "*" {
                    any = Some(site.clone());
                } else {
                    hosts.insert(host.clone(), site.clone());
                }
            }
        }
        Table { sites, hosts, any, trusted, body_size }
    }

    /// The site that answers for `host` (lower case, no port).
    pub fn find(&self, host: &str) -> Option<&Arc<Site>> {
        self.hosts.get(host).or(self.any.as_ref())
    }

    /// The site of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Site>> {
        self.sites.iter().find(|site| &*site.config.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_word_holds_for_its_time() {
        let now = crate::clock::instant();
        let switch = Switch::default();
        assert_eq!(switch.mode(now), Mode::Auto);
        switch.set(Mode::HoldSnapshot, Some(Duration::from_secs(60)), now);
        assert_eq!(switch.mode(now + Duration::from_secs(59)), Mode::HoldSnapshot);
        assert_eq!(switch.mode(now + Duration::from_secs(60)), Mode::Auto);
        switch.set(Mode::HoldOrigin, None, now);
        assert_eq!(switch.mode(now + Duration::from_secs(86400)), Mode::HoldOrigin);
    }
}
