//! How many forms one client may have kept lately.
//!
//! A bucket for each client, as one time: when it will be full again (GCRA). A client may have all of its forms kept at
//! once; each of them comes back after its share of the period.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::http::client::ClientKey;

/// Clients that are remembered, about half a megabyte.
const CLIENTS: usize = 10_000;

/// So many forms in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Forms; none: nobody's are kept.
    pub most: u32,
    /// In this time.
    pub per: Duration,
}

impl Rate {
    /// After how long one form comes back.
    fn share(self) -> Duration {
        self.per.checked_div(self.most).unwrap_or(self.per)
    }
}

/// A client has had its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this client has had as many forms kept lately as one may")]
pub struct TooMany {
    /// When the next one is kept.
    pub wait: Duration,
}

/// The clients whose forms were kept lately.
#[derive(Debug, Default)]
pub struct Lately {
    /// When each one's bucket will be full.
    full_at: HashMap<ClientKey, Instant>,
}

impl Lately {
    /// Counts one form of a client, unless it has had its share.
    ///
    /// # Errors
    /// When it has; then nothing is counted.
    pub fn take(&mut self, client: ClientKey, rate: Rate, now: Instant) -> Result<(), TooMany> {
        if rate.most == 0 {
            return Err(TooMany { wait: rate.per });
        }
        let full_at = self.full_at.get(&client).map_or(now, |at| (*at).max(now));
        let next = full_at + rate.share();
        // The shares of all forms are the period but for what the division leaves over.
        let most = now + rate.share() * rate.most;
        if next > most {
            return Err(TooMany { wait: next - most });
        }
        if self.full_at.len() >= CLIENTS && !self.full_at.contains_key(&client) {
            self.make_room(now);
        }
        self.full_at.insert(client, next);
        Ok(())
    }

    /// Gives back what was taken for a form that was not kept after all.
    pub fn give_back(&mut self, client: ClientKey, rate: Rate) {
        if let Some(at) = self.full_at.get_mut(&client) {
            *at = at.checked_sub(rate.share()).unwrap_or(*at);
        }
    }

    /// First those go whose buckets are full, for whom nothing changes; if there are none, the one that will be soonest.
    fn make_room(&mut self, now: Instant) {
        self.full_at.retain(|_, at| *at > now);
        if self.full_at.len() >= CLIENTS {
            let soonest = self.full_at.iter().min_by_key(|(_, at)| **at).map(|(client, _)| *client);
            soonest.map(|client| self.full_at.remove(&client));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_AN_HOUR: Rate = Rate { most: 10, per: Duration::from_secs(3600) };

    fn client(n: u32) -> ClientKey {
        ClientKey::of(std::net::IpAddr::from(n.to_be_bytes()))
    }

    #[test]
    fn a_client_has_its_share_and_the_others_theirs() {
        let (mut lately, now) = (Lately::default(), crate::clock::instant());
        for _ in 0..10 {
            lately.take(client(1), TEN_AN_HOUR, now).unwrap();
        }
        let wait = Duration::from_secs(360);
        assert_eq!(lately.take(client(1), TEN_AN_HOUR, now), Err(TooMany { wait }));
        lately.take(client(2), TEN_AN_HOUR, now).unwrap();
        // One comes back after a tenth of the hour, and not a moment earlier.
        assert!(lately.take(client(1), TEN_AN_HOUR, now + wait - Duration::from_nanos(1)).is_err());
        lately.take(client(1), TEN_AN_HOUR, now + wait).unwrap();
        assert!(lately.take(client(1), TEN_AN_HOUR, now + wait).is_err());
        // All of them after an hour, and no more than all.
        let later = now + wait + TEN_AN_HOUR.per;
        let had = (0..20).filter(|_| lately.take(client(1), TEN_AN_HOUR, later).is_ok()).count();
        assert_eq!(had, 10);
    }

    #[test]
    fn what_was_not_kept_does_not_count() {
        let (mut lately, now) = (Lately::default(), crate::clock::instant());
        let once = Rate { most: 1, per: Duration::from_secs(60) };
        lately.take(client(1), once, now).unwrap();
        lately.give_back(client(1), once);
        lately.give_back(client(2), once);
        lately.take(client(1), once, now).unwrap();
        assert!(lately.take(client(1), once, now).is_err());
        // Giving back does not save up: the bucket holds no more than it holds.
        for _ in 0..5 {
            lately.give_back(client(1), once);
        }
        assert_eq!((0..5).filter(|_| lately.take(client(1), once, now).is_ok()).count(), 1);
    }

    #[test]
    fn none_is_none_and_odd_shares_add_up() {
        let (mut lately, now) = (Lately::default(), crate::clock::instant());
        let none = Rate { most: 0, per: Duration::from_secs(60) };
        assert!(lately.take(client(1), none, now).is_err());
        for most in [1, 3, 7, 999] {
            let rate = Rate { most, per: Duration::from_secs(10) };
            let had = (0..2000).filter(|_| lately.take(client(most), rate, now).is_ok()).count();
            assert_eq!(had, most as usize);
        }
        let all_at_once = Rate { most: 3, per: Duration::ZERO };
        assert!((0..9).all(|_| lately.take(client(2), all_at_once, now).is_ok()));
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_go() {
        let (mut lately, now) = (Lately::default(), crate::clock::instant());
        let once = Rate { most: 1, per: Duration::from_secs(60) };
        for n in 0..CLIENTS as u32 {
            lately.take(client(n), once, now + Duration::from_millis(n.into())).unwrap();
        }
        lately.take(client(1 << 20), once, now + Duration::from_secs(10)).unwrap();
        assert_eq!(lately.full_at.len(), CLIENTS);
        assert!(!lately.full_at.contains_key(&client(0)) && lately.full_at.contains_key(&client(1)));
        // Those who have all of their share again are forgotten before anybody else.
        lately.take(client(1 << 21), once, now + Duration::from_secs(65)).unwrap();
        assert!(lately.full_at.len() < CLIENTS && lately.full_at.contains_key(&client(9_999)));
    }
}
