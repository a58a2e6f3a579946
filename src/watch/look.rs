//! Looking at a domain: its registry is asked, and its name servers.

use std::net::SocketAddr;

use super::client::Reader;
use super::dnssec::{self, Replies};
use super::domain::candidates;
use super::ledger::{Known, Site, seconds};
use super::question::{self, Checking, Code, Kind, Reply};
use super::rdap::{Asked, Registries};
use crate::clock::Now;

/// Hosts of a domain whose addresses are looked up, and addresses of each.
const MOST_HOSTS: usize = 8;
const MOST_ADDRESSES: usize = 16;

/// Who asks, and whom.
pub struct Observer<'a> {
    /// For documents.
    pub reader: &'a Reader,
    /// The registries; `None`: they are not to be asked.
    pub registries: Option<&'a Registries>,
    /// The name servers.
    pub servers: Vec<SocketAddr>,
}

impl Observer<'_> {
    /// The domain that a host is in: of the names above it the first that the registry has; where registries cannot be asked,
    /// where the zone begins. `None`: nobody has answered.
    pub async fn domain_of(&self, host: &str, now: Now) -> Option<String> {
        let names = candidates(host);
        let zone = self.zone_of(&names).await;
        let from = zone.as_ref().and_then(|zone| names.iter().position(|name| name == zone)).unwrap_or(0);
        let Some(registries) = self.registries else { return zone };
        for name in &names[from..] {
            match registries.ask(name, self.reader, now).await {
                Asked::Found(_) => return Some(name.clone()),
                Asked::NotFound => {}
                Asked::NoService | Asked::Failed(_) => return zone,
            }
        }
        zone.or_else(|| names.last().cloned())
    }

    async fn zone_of(&self, names: &[String]) -> Option<String> {
        for name in names {
            if !self.ask(name, Kind::Ns, Checking::Off).await?.hosts.is_empty() {
                return Some(name.clone());
            }
        }
        None
    }

    async fn ask(&self, name: &str, kind: Kind, checking: Checking) -> Option<Reply> {
        question::ask(&self.servers, name, kind, checking).await
    }

    /// Looks at a domain, of which this is known so far, and at where these hosts of it lead.
    pub async fn look(&self, domain: &str, known: &mut Known, (site, hosts): (Site, &[String]), now: Now) {
        let unix = seconds(now.wall);
        let registry = async {
            match self.registries {
                Some(registries) => Some(registries.ask(domain, self.reader, now).await),
                None => None,
            }
        };
        let (asked, servers, replies) =
            tokio::join!(registry, self.ask(domain, Kind::Ns, Checking::Off), self.chain(domain));
        match asked {
            Some(asked) => known.registry_said(asked, site, unix),
            None => known.failures = 0,
        }
        if let Some(reply) = &servers {
            known.answered_at = Some(unix);
            known.in_zone.observe(&reply.hosts, site, unix);
            let is_gone = !known.in_zone.proven.is_empty() && is_gone(reply, replies.unchecked.as_ref());
            known.gone_since = is_gone.then(|| known.gone_since.unwrap_or(unix));
        }
        known.addresses.retain(|host, _| hosts.contains(host));
        for host in hosts.iter().take(MOST_HOSTS) {
            let addresses = known.addresses.entry(host.clone()).or_default();
            addresses.observe_some(&self.addresses(host).await, site, unix);
        }
        let at_registry = known.registration.as_ref().and_then(|found| found.is_signed);
        let chain = dnssec::judge(&replies, at_registry, unix);
        // what nobody has answered this time is as it was
        if chain != dnssec::Chain::Unasked {
            known.chain = chain;
        }
        known.looked_at = Some(unix);
    }

    async fn addresses(&self, host: &str) -> Vec<String> {
        let of = |kind| self.ask(host, kind, Checking::Off);
        let (v4, v6) = tokio::join!(of(Kind::A), of(Kind::Aaaa));
        let mut all: Vec<String> = [v4, v6].into_iter().flatten().flat_map(|reply| reply.hosts).collect();
        all.truncate(MOST_ADDRESSES);
        all
    }

    async fn chain(&self, domain: &str) -> Replies {
        let checked = self.ask(domain, Kind::Soa, Checking::On).await;
        let has_failed =
            |reply: &Option<Reply>| reply.as_ref().is_some_and(|reply| reply.code == Code::Failed);
        let unchecked = self.ask(domain, Kind::Soa, Checking::Off).await;
        // what has failed once may have been slow
        let checked =
            if has_failed(&checked) { self.ask(domain, Kind::Soa, Checking::On).await } else { checked };
        let keys = self.ask(domain, Kind::Ds, Checking::Off).await;
        Replies { checked, unchecked, keys }
    }
}

/// Whether the name servers do not answer for the zone: there is no such name, or two questions have failed.
fn is_gone(servers: &Reply, zone: Option<&Reply>) -> bool {
    match servers.code {
        Code::NoName => true,
        Code::Failed => zone.is_some_and(|zone| zone.code == Code::Failed),
        Code::Fine => false,
    }
}
