//! Sites that fail together because they have a server in common.

use std::collections::HashSet;
use std::net::IpAddr;
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

#[derive(Debug)]
struct Group {
    addresses: HashSet<IpAddr>,
    members: Vec<IncidentId>,
    last: Instant,
}

/// The group that an incident has joined.
#[derive(Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its name: the id of the first of them.
    pub group: String,
    /// All of them, this one last.
    pub members: Vec<IncidentId>,
}

impl Groups {
    /// An incident has opened whose origins have these addresses; `Some` if others did just before.
    pub fn join(&mut self, id: &IncidentId, addresses: &[IpAddr], now: Instant) -> Option<Joined> {
        self.0.retain(|group| now.saturating_duration_since(group.last) < TOGETHER);
        if addresses.is_empty() {
            return None;
        }
        let is_common = |group: &&mut Group| addresses.iter().any(|one| group.addresses.contains(one));
        match self.0.iter_mut().find(is_common) {
            Some(group) => {
                group.last = now;
                if group.members.len() < MEMBERS {
                    group.members.push(id.clone());
                }
                let name = group.members.first()?.to_string();
                Some(Joined { group: name, members: group.members.clone() })
            }
            None => {
                if self.0.len() >= GROUPS {
                    self.0.remove(0);
                }
                let addresses = addresses.iter().copied().collect();
                self.0.push(Group { addresses, members: vec![id.clone()], last: now });
                None
            }
        }
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
        assert_eq!(groups.join(&id("a"), &[address(1)], at(0)), None);
        assert_eq!(groups.join(&id("x"), &[address(9)], at(1)), None, "another server");
        assert_eq!(groups.join(&id("y"), &[], at(1)), None, "no server is known");
        let joined = groups.join(&id("b"), &[address(1), address(2)], at(50)).unwrap();
        assert_eq!((joined.group, joined.members), (id("a").to_string(), vec![id("a"), id("b")]));
        assert_eq!(groups.join(&id("c"), &[address(1)], at(109)).unwrap().members.len(), 3);
        assert_eq!(groups.join(&id("d"), &[address(1)], at(169)), None, "a minute later");
    }
}
