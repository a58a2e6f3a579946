//! Where a name leads, beside where it led when its site was proven well: name servers of a domain, addresses of a host.

use serde::{Deserialize, Serialize};

/// What differs from what was proven counts as the owner's own once the site has been visited with it for so many seconds. A
/// name that was taken away brings no visitors.
const SETTLED: u64 = 7 * 86_400;
/// Addresses of a host that are remembered: those of a CDN change from look to look.
const MOST_ADDRESSES: usize = 64;
/// A host that has left its addresses and come back so often does so by itself, as behind a failover in the DNS.
const RESTLESS: u32 = 3;

/// Where a name leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// As told last, in order.
    pub now: Vec<String>,
    /// As it was when the site was well; of addresses all that were seen, the newest last.
    pub proven: Vec<String>,
    /// Since when they differ, Unix time,
    pub changed_at: Option<u64>,
    /// and since when the site has been visited all the same.
    #[serde(default)]
    pub visited_since: Option<u64>,
    /// How often it has changed and come back.
    #[serde(default)]
    pub returns: u32,
    /// When it was answered last, Unix time.
    #[serde(default)]
    pub seen_at: Option<u64>,
}

/// How the sites that a name belongs to are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Site {
    /// One of them is not up, or is not known to be.
    Unproven,
    /// All of their origins are up, which says nothing of the names.
    Well,
    /// Visitors come as well, so the names still lead to them.
    Visited,
}

impl Delegation {
    /// Takes in what was told now; an empty list is no news.
    pub fn observe(&mut self, servers: &[String], site: Site, now: u64) {
        if servers.is_empty() {
            return;
        }
        self.seen_at = Some(now);
        self.now = servers.to_vec();
        if self.proven == self.now {
            self.comes_back();
        } else if self.proven.is_empty() {
            if site >= Site::Well {
                self.proven.clone_from(&self.now);
            }
        } else if self.settles(site, now) && super::parking::parked(&self.now).is_none() {
            self.proven.clone_from(&self.now);
            self.settled();
        }
    }

    /// The same for addresses: only entirely different ones are a change, others are more of the same. None at all are one too:
    /// the name has been taken away. Before visitors come, nobody knows whether the name leads here already.
    pub fn observe_some(&mut self, addresses: &[String], site: Site, now: u64) {
        self.seen_at = Some(now);
        self.now = addresses.to_vec();
        let is_known = addresses.iter().any(|address| self.proven.contains(address));
        if is_known {
            self.comes_back();
        }
        let is_first = self.proven.is_empty() && site == Site::Visited;
        let settles =
            !is_known && !self.proven.is_empty() && self.settles(site, now) && !addresses.is_empty();
        if is_known || is_first || settles {
            self.proven.retain(|address| !addresses.contains(address));
            self.proven.extend(addresses.iter().cloned());
            let skipped = self.proven.len().saturating_sub(MOST_ADDRESSES);
            self.proven.drain(..skipped);
            self.settled();
        }
    }

    /// Notes the change. Whether it has stood for so long, with visitors at each look, that it is the owner's own.
    fn settles(&mut self, site: Site, now: u64) -> bool {
        self.changed_at.get_or_insert(now);
        self.visited_since = match site {
            Site::Visited => Some(self.visited_since.unwrap_or(now)),
            Site::Well | Site::Unproven => None,
        };
        self.visited_since.is_some_and(|since| now.saturating_sub(since) >= SETTLED)
    }

    fn comes_back(&mut self) {
        self.returns = self.returns.saturating_add(u32::from(self.changed_at.is_some()));
        self.settled();
    }

    fn settled(&mut self) {
        (self.changed_at, self.visited_since) = (None, None);
    }

    /// Those that were there before, those that are now, and since when, if they differ.
    pub fn change(&self) -> Option<(&[String], &[String], u64)> {
        let since = self.changed_at?;
        Some((&self.proven, &self.now, since))
    }

    /// Whether it changes and comes back by itself.
    pub fn is_restless(&self) -> bool {
        self.returns >= RESTLESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn name_servers_are_proven_by_a_site_that_is_well_and_settle_by_visitors_alone() {
        let (old, new, parking) =
            (names(&["ns1.a.example"]), names(&["ns1.b.example"]), names(&["ns1.sedoparking.com"]));
        let mut servers = Delegation::default();
        servers.observe(&old, Site::Unproven, 0);
        assert!(servers.proven.is_empty(), "nothing vouches for them");
        servers.observe(&old, Site::Well, 1);
        assert_eq!((&servers.proven, servers.change()), (&old, None));
        servers.observe(&[], Site::Well, 2);
        assert_eq!(servers.change(), None, "no answer is no change");
        servers.observe(&new, Site::Visited, 10);
        assert_eq!(servers.change(), Some((&*old, &*new, 10)));
        servers.observe(&new, Site::Well, 10 + 2 * SETTLED);
        assert!(servers.change().is_some(), "a site whose name was taken is up as well");
        servers.observe(&new, Site::Visited, 11 + 2 * SETTLED);
        servers.observe(&new, Site::Visited, 10 + 3 * SETTLED);
        assert!(servers.change().is_some(), "not for long enough");
        servers.observe(&new, Site::Visited, 11 + 3 * SETTLED);
        assert_eq!(servers.change(), None, "the owner has moved");
        servers.observe(&parking, Site::Visited, 12 + 3 * SETTLED);
        servers.observe(&parking, Site::Visited, 12 + 9 * SETTLED);
        assert!(servers.change().is_some(), "nobody moves to a parking service");
        servers.observe(&new, Site::Well, 13 + 9 * SETTLED);
        assert_eq!(servers.change(), None, "back");
    }

    #[test]
    fn addresses_have_changed_when_none_is_left() {
        let mut addresses = Delegation::default();
        addresses.observe_some(&names(&["198.51.100.1"]), Site::Well, 0);
        assert!(addresses.proven.is_empty(), "perhaps where the name led before Katahai");
        for seen in
            [&["192.0.2.1", "192.0.2.2"][..], &["192.0.2.2", "192.0.2.3"], &["192.0.2.1"], &["192.0.2.3"]]
        {
            addresses.observe_some(&names(seen), Site::Visited, 0);
            assert_eq!(addresses.change(), None, "{seen:?}");
        }
        for (gone, at) in [(&["203.0.113.1"][..], 5), (&[], 8)] {
            addresses.observe_some(&names(gone), Site::Well, at);
            assert!(addresses.change().is_some(), "{gone:?}");
            addresses.observe_some(&names(&["192.0.2.2"]), Site::Well, at + 1);
            assert_eq!(addresses.change(), None, "back");
        }
        addresses.observe_some(&[], Site::Visited, 10);
        addresses.observe_some(&[], Site::Visited, 10 + 2 * SETTLED);
        assert!(addresses.change().is_some(), "no address is nobody's own");
    }

    #[test]
    fn of_the_addresses_the_newest_are_kept_also_when_they_settle() {
        let mut addresses = Delegation::default();
        for n in 0..200 {
            addresses.observe_some(&[format!("192.0.2.{n}"), format!("192.0.2.{}", n + 1)], Site::Visited, 0);
        }
        assert_eq!((addresses.proven.len(), &*addresses.proven[63]), (MOST_ADDRESSES, "192.0.2.200"));
        let new = names(&["203.0.113.1"]);
        addresses.observe_some(&new, Site::Visited, 5);
        addresses.observe_some(&new, Site::Visited, 5 + SETTLED);
        assert_eq!(addresses.change(), None);
        addresses.observe_some(&names(&["192.0.2.200"]), Site::Visited, 6 + SETTLED);
        assert_eq!(addresses.change(), None, "the old ones are still known");
    }

    #[test]
    fn what_leaves_and_comes_back_is_restless() {
        let mut addresses = Delegation::default();
        for at in 0..3 {
            addresses.observe_some(&names(&["192.0.2.1"]), Site::Visited, at * 10);
            addresses.observe_some(&names(&["203.0.113.1"]), Site::Visited, at * 10 + 5);
            assert!(!addresses.is_restless());
        }
        addresses.observe_some(&names(&["192.0.2.1"]), Site::Visited, 100);
        assert!(addresses.is_restless());
    }
}
