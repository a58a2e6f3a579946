//! Seats: how many connections there may be at once, in all and for each client. A seat is given back by being
//! dropped, so no path can leak it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::limits::Limits;
use crate::http::client::ClientKey;

const SHARDS: usize = 16;

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// All are taken.
    Full,
    /// This client has as many as it may have.
    Client,
}

/// See the module. The limits are given with each request for a seat, so that a reload changes them.
#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: AtomicUsize,
    clients: [Mutex<HashMap<ClientKey, usize>>; SHARDS],
    freed: Notify,
}

/// One connection's place.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    client: Option<ClientKey>,
}

impl Seats {
    /// Takes a seat. `address` is `None` for those without a limit of their own.
    pub(super) fn take(self: &Arc<Self>, address: Option<IpAddr>, limits: &Limits) -> Result<Seat, Refusal> {
        let client = address.filter(|&address| !limits.is_exempt(address.to_canonical())).map(ClientKey::of);
        // the client first: one that has too many must not make idle ones of others go for it
        if let Some(client) = client
            && !self.count_client(client, limits.connections_per_client)
        {
            return Err(Refusal::Client);
        }
        if self.taken.fetch_add(1, Ordering::AcqRel) >= limits.connections {
            self.taken.fetch_sub(1, Ordering::AcqRel);
            client.into_iter().for_each(|client| self.discount_client(client));
            return Err(Refusal::Full);
        }
        Ok(Seat { seats: Arc::clone(self), client })
    }

    fn count_client(&self, client: ClientKey, most: usize) -> bool {
        let mut clients = self.clients[client.shard(SHARDS)].lock().unwrap_or_else(PoisonError::into_inner);
        match clients.entry(client) {
            Entry::Occupied(mut entry) if *entry.get() < most => *entry.get_mut() += 1,
            Entry::Vacant(entry) if most > 0 => {
                entry.insert(1);
            }
            Entry::Occupied(_) | Entry::Vacant(_) => return false,
        }
        true
    }

    fn discount_client(&self, client: ClientKey) {
        let mut clients = self.clients[client.shard(SHARDS)].lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = clients.entry(client) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }

    /// Completes when a seat has been given back since the last call.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Seats that are taken.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(client) = self.client {
            self.seats.discount_client(client);
        }
        self.seats.taken.fetch_sub(1, Ordering::AcqRel);
        self.seats.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn limits(connections: usize, connections_per_client: usize) -> Limits {
        Limits {
            connections,
            connections_per_client,
            header_size: 0,
            header_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(1),
            unread: 256 << 20,
            descriptors: crate::descriptors::Use::Visitor,
            exempt: vec!["10.0.0.0/8".parse().unwrap()],
        }
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_seat_is_given_back_by_dropping_it() {
        let seats = Arc::new(Seats::default());
        let first = seats.take(ip("192.0.2.1"), &limits(2, 2)).unwrap();
        let _second = seats.take(ip("192.0.2.2"), &limits(2, 2)).unwrap();
        assert_eq!(seats.take(ip("192.0.2.3"), &limits(2, 2)).unwrap_err(), Refusal::Full);
        drop(first);
        assert!(seats.take(ip("192.0.2.3"), &limits(2, 2)).is_ok());
        assert_eq!(seats.taken(), 1);
    }

    #[test]
    fn one_client_cannot_take_all_of_them() {
        let seats = Arc::new(Seats::default());
        let limits = limits(100, 2);
        let _a = seats.take(ip("192.0.2.1"), &limits).unwrap();
        let b = seats.take(ip("::ffff:192.0.2.1"), &limits).unwrap();
        assert_eq!(seats.take(ip("192.0.2.1"), &limits).unwrap_err(), Refusal::Client);
        let _other = seats.take(ip("192.0.2.2"), &limits).unwrap();
        drop(b);
        let again = seats.take(ip("192.0.2.1"), &limits);
        assert!(again.is_ok());
        assert_eq!(seats.taken(), 3, "a refusal keeps no seat");
    }

    #[test]
    fn a_whole_ipv6_network_is_one_client() {
        let seats = Arc::new(Seats::default());
        let _a = seats.take(ip("2001:db8::1"), &limits(100, 1)).unwrap();
        let same = seats.take(ip("2001:db8::ffff:2"), &limits(100, 1));
        assert_eq!(same.unwrap_err(), Refusal::Client);
        assert!(seats.take(ip("2001:db8:0:1::1"), &limits(100, 1)).is_ok());
    }

    #[test]
    fn trusted_proxies_are_not_counted_as_one_client() {
        let seats = Arc::new(Seats::default());
        let held: Vec<_> = (0..5).map(|_| seats.take(ip("10.1.2.3"), &limits(5, 1)).unwrap()).collect();
        assert_eq!(seats.take(ip("10.1.2.3"), &limits(5, 1)).unwrap_err(), Refusal::Full);
        drop(held);
        assert_eq!(seats.taken(), 0);
    }

    #[test]
    fn a_client_with_too_many_is_told_so_even_when_all_are_taken() {
        let seats = Arc::new(Seats::default());
        let _a = seats.take(ip("192.0.2.1"), &limits(1, 1)).unwrap();
        assert_eq!(seats.take(ip("192.0.2.1"), &limits(1, 1)).unwrap_err(), Refusal::Client);
        assert_eq!(seats.take(ip("192.0.2.2"), &limits(1, 1)).unwrap_err(), Refusal::Full);
        assert_eq!(seats.clients.iter().map(|shard| shard.lock().unwrap().len()).sum::<usize>(), 1);
    }

    #[test]
    fn nothing_is_left_behind() {
        let seats = Arc::new(Seats::default());
        drop(seats.take(ip("192.0.2.1"), &limits(1, 1)).unwrap());
        assert_eq!(seats.take(ip("192.0.2.1"), &limits(1, 0)).unwrap_err(), Refusal::Client);
        assert!(seats.clients.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }

    #[test]
    fn a_reload_changes_the_limit_for_the_next() {
        let seats = Arc::new(Seats::default());
        let _a = seats.take(None, &limits(1, 1)).unwrap();
        assert_eq!(seats.take(None, &limits(1, 1)).unwrap_err(), Refusal::Full);
        let _b = seats.take(None, &limits(2, 1)).unwrap();
    }
}
