//! How many requests one client may have in flight: as many as connections, whatever the protocol. One HTTP/2 connection
//! carries more than a hundred.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::client::ClientKey;

const SHARDS: usize = 16;

/// The requests in flight, by client.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd(Arc<[Mutex<HashMap<ClientKey, usize>>; SHARDS]>);

/// The place of one request; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Crowd,
    client: ClientKey,
}

impl Crowd {
    /// A place for one more request of `client`, unless `most` are in flight.
    pub(super) fn enter(&self, client: ClientKey, most: usize) -> Option<Place> {
        match self.shard(client).entry(client) {
            Entry::Occupied(mut entry) if *entry.get() < most => *entry.get_mut() += 1,
            Entry::Vacant(entry) if most > 0 => _ = entry.insert(1),
            Entry::Occupied(_) | Entry::Vacant(_) => return None,
        }
        Some(Place { crowd: self.clone(), client })
    }

    fn shard(&self, client: ClientKey) -> MutexGuard<'_, HashMap<ClientKey, usize>> {
        self.0[client.shard(SHARDS)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.crowd.shard(self.client).entry(self.client) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_so_many_requests_and_the_others_have_theirs() {
        let crowd = Crowd::default();
        let of = |n: u8| ClientKey::of(std::net::IpAddr::from([192, 0, 2, n]));
        let mut held: Vec<_> = std::iter::from_fn(|| crowd.enter(of(1), 3)).collect();
        assert_eq!(held.len(), 3);
        assert!(crowd.enter(of(2), 3).is_some());
        held.pop();
        held.push(crowd.enter(of(1), 3).unwrap());
        assert!(crowd.enter(of(1), 3).is_none());
        drop(held);
        assert!(crowd.0.iter().all(|shard| shard.lock().unwrap().is_empty()));
        assert!(crowd.enter(of(1), 0).is_none());
    }
}
