//! Sites that fail together because they have a server in common.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::id::IncidentId;

/// Incidents that open within this time of the last one of a group belong to it, if they have an address in common.
const TOGETHER: Duration = Duration::from_secs(60);
/// Groups that are remembered, and members of one.
const GROUPS: usize = 64;
const MEMBERS: usize = 10_000;

/// Incidents that have just opened.
#[derive(Debug, Default)]
pub struct Groups(Vec<Group>);

/// Incidents that opened together.
#[derive(Debug)]
pub struct Group {
    addresses: HashSet<IpAddr>,
    /// Their sites, and they.
    members: Vec<(Arc<str>, IncidentId)>,
    last: Instant,
    /// Whether it has members that were not told yet.
    is_new: bool,
}

impl Group {
    /// Its name: the id of the first of them.
    pub fn name(&self) -> String {
        self.members.first().map(|(_, id)| id.to_string()).unwrap_or_default()
    }

    /// How many others each of them has.
    pub fn others(&self) -> u64 {
        self.members.len() as u64 - 1
    }

    /// The incidents and their sites.
    pub fn members(&self) -> &[(Arc<str>, IncidentId)] {
        &self.members
    }
}

impl Groups {
    /// An incident has opened whose origins have these addresses. If others did just before, says which group that is, with it.
    pub fn join(
        &mut self,
        (site, id): (&Arc<str>, &IncidentId),
        addresses: &[IpAddr],
        now: Instant,
    ) -> Option<&Group> {
        self.0.retain(|group| now.saturating_duration_since(group.last) < TOGETHER);
        if addresses.is_empty() {
            return None;
        }
        let is_common = |group: &Group| addresses.iter().any(|one| group.addresses.contains(one));
        let member = (site.clone(), id.clone());
        if let Some(place) = self.0.iter().position(is_common) {
            let group = self.0.get_mut(place)?;
            (group.last, group.is_new) = (now, true);
            if group.members.len() < MEMBERS {
                group.members.push(member);
            }
            return Some(group);
        }
        if self.0.len() >= GROUPS {
            self.0.remove(0);
        }
        let addresses = addresses.iter().copied().collect();
        self.0.push(Group { addresses, members: vec![member], last: now, is_new: false });
        None
    }

    /// The groups that have grown since the last time.
    pub fn grown(&mut self) -> impl Iterator<Item = &Group> {
        self.0.iter_mut().filter_map(|group| std::mem::take(&mut group.is_new).then_some(&*group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Moment;

    #[test]
    fn who_has_a_server_in_common_and_fails_in_the_same_minute_is_a_group() {
        let now = crate::clock::now();
        let id = |site: &str| IncidentId::new(Moment::from(now.wall), site, |_| false);
        let address = |n: u8| IpAddr::from([192, 0, 2, n]);
        let mut groups = Groups::default();
        let at = |seconds| now.mono + Duration::from_secs(seconds);
        let mut join = |site: &str, addresses: &[IpAddr], seconds| {
            groups.join((&site.into(), &id(site)), addresses, at(seconds)).map(Group::others)
        };
        assert_eq!(join("a", &[address(1)], 0), None);
        assert_eq!(join("x", &[address(9)], 1), None, "another server");
        assert_eq!(join("y", &[], 1), None, "no server is known");
        assert_eq!(join("b", &[address(1), address(2)], 50), Some(1));
        assert_eq!(join("c", &[address(1)], 109), Some(2));
        let grown: Vec<&Group> = groups.grown().collect();
        let members: Vec<&str> = grown[0].members().iter().map(|(site, _)| &**site).collect();
        assert_eq!((grown.len(), grown[0].name(), members), (1, id("a").to_string(), vec!["a", "b", "c"]));
        assert_eq!(groups.grown().count(), 0, "each member is told once");
        assert!(groups.join((&"d".into(), &id("d")), &[address(1)], at(169)).is_none(), "a minute later");
    }
}
