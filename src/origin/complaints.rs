//! Visitors' failures as evidence against an origin. One page, one visitor or one scanner is never the site: failures count
//! only if they come from several pages and several visitors, and only together with a failed check. Pure, of bounded size.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::http::client::ClientKey;

/// Failures remembered; the oldest makes room.
const MOST: usize = 32;
/// For how long a failure counts.
const SPAN: Duration = Duration::from_secs(30);
/// The least number of different pages that they come from,
const PAGES: usize = 3;
/// and of different visitors.
const VISITORS: usize = 2;

/// Who met a failure, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    page: u64,
    visitor: ClientKey,
}

impl Witness {
    /// A visitor at `client` who asked for `path` (without its query: anybody can make up queries). `None` for a request of
    /// our own.
    pub fn new(path: &str, client: IpAddr) -> Option<Witness> {
        let visitor = ClientKey::of(client);
        let path = path.split('?').next().unwrap_or_default();
        (visitor != ClientKey::OURSELVES).then(|| Witness { page: hash(path), visitor })
    }
}

/// Visitors' failures since the last good check.
#[derive(Clone, Debug, Default)]
pub(super) struct Complaints(VecDeque<(Witness, Instant)>);

impl Complaints {
    /// One more. The same visitor with the same page counts once.
    pub(super) fn note(&mut self, witness: Witness, now: Instant) {
        self.0.retain(|(known, _)| *known != witness);
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back((witness, now));
    }

    /// A check was good: visitors' failures were not the site's.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether they come from several pages and several visitors.
    pub(super) fn are_wide(&self, now: Instant) -> bool {
        let recent = || {
            let young = |(_, at): &&(Witness, Instant)| now.saturating_duration_since(*at) < SPAN;
            self.0.iter().filter(young).map(|(witness, _)| witness)
        };
        let pages: HashSet<u64> = recent().map(|witness| witness.page).collect();
        let visitors: HashSet<ClientKey> = recent().map(|witness| witness.visitor).collect();
        pages.len() >= PAGES && visitors.len() >= VISITORS
    }
}

fn hash(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "192.0.2.1";
    const B: &str = "192.0.2.2";

    fn witness(path: &str, client: &str) -> Witness {
        Witness::new(path, client.parse().unwrap()).unwrap()
    }

    /// Whether these failures, a second apart, are wide `after` so many seconds.
    fn are_wide(seen: &[(&str, &str)], after: u64) -> bool {
        let begin = crate::clock::instant();
        let mut complaints = Complaints::default();
        for (n, (path, client)) in (0..).zip(seen) {
            complaints.note(witness(path, client), begin + Duration::from_secs(n));
        }
        complaints.are_wide(begin + Duration::from_secs(after))
    }

    #[test]
    fn it_takes_several_pages_and_several_visitors() {
        let scanner: Vec<_> = ["/.env", "/.git/config", "/wp-login.php", "/x", "/y"].map(|p| (p, A)).into();
        let botnet: Vec<_> = [A, B, "192.0.2.3", "2001:db8::1"].map(|client| ("/broken", client)).into();
        for (name, seen, after, wide) in [
            ("nobody", vec![], 0, false),
            ("one visitor, many pages", scanner.clone(), 4, false),
            ("many visitors, one page", botnet, 3, false),
            ("one page under many queries", vec![("/p?1", A), ("/p?2", B), ("/p?3", A)], 2, false),
            ("several of both", vec![("/a", A), ("/b", B), ("/c", A)], 2, true),
            ("the same, long ago", vec![("/a", A), ("/b", B), ("/c", A)], 31, false),
            (
                "one IPv6 network",
                vec![("/a", "2001:db8::1"), ("/b", "2001:db8::2"), ("/c", "2001:db8::3")],
                2,
                false,
            ),
            ("two of them", vec![("/a", "2001:db8::1"), ("/b", "2001:db8:0:1::1"), ("/c", A)], 2, true),
            (
                "a mapped address is the same",
                vec![("/a", A), ("/b", "::ffff:192.0.2.1"), ("/c", A)],
                2,
                false,
            ),
        ] {
            assert_eq!(are_wide(&seen, after), wide, "{name}");
        }
    }

    #[test]
    fn a_good_check_clears_them_and_there_are_never_too_many() {
        let now = crate::clock::instant();
        let mut complaints = Complaints::default();
        for n in 0..100 {
            complaints.note(witness(&format!("/{n}"), &format!("192.0.2.{n}")), now);
        }
        assert!(complaints.0.len() == MOST && complaints.are_wide(now));
        complaints.clear();
        assert!(!complaints.are_wide(now));
    }

    #[test]
    fn our_own_requests_are_no_witnesses() {
        assert_eq!(Witness::new("/", IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)), None);
    }
}
