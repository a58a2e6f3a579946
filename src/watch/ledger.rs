//! What is known of domains, and kept over a restart.
//!
//! One JSON file in the state directory, `watch/domains.json`, written whole. A file of a later version, or one that is damaged, is left
//! unread: all that it holds can be asked again, but for what the name servers were when the site was well.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::bootstrap::Bootstrap;
use super::dnssec::Chain;
use super::registration::Registration;
use super::room::Sample;
use crate::clock::unix;
use crate::disk;

/// The folder in the state directory.
pub const FOLDER: &str = "watch";
const FILE: &str = "domains.json";
const VERSION: u32 = 1;
/// Nothing larger is read: ten thousand domains take a tenth of it.
const LARGEST: u64 = 64 << 20;
/// Name servers that differ from the proven ones count as the site's own once it has been well with them for so long.
const SETTLED: u64 = 86_400;
/// Addresses of a host that are remembered: those of a CDN change from look to look.
const MOST_ADDRESSES: usize = 64;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    version: u32,
    /// IANA's list, and when it was read, Unix time.
    #[serde(default)]
    pub list: Option<(Bootstrap, u64)>,
    /// The domain that each host is in.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
    /// What is known of each domain.
    #[serde(default)]
    pub domains: BTreeMap<String, Known>,
    /// The room on the disk, a sample a day.
    #[serde(default)]
    pub disk: Vec<Sample>,
}

/// What the registry has said last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registry {
    /// It was not asked yet.
    #[default]
    Unasked,
    /// It has the domain.
    Found,
    /// It does not have it.
    NotFound,
    /// It answers no such questions.
    NoService,
    /// It did not answer, for this reason.
    Failed(String),
}

/// What is known of a domain. Times are Unix times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// When it was looked at last.
    pub looked_at: Option<u64>,
    /// Looks in a row without an answer of the registry.
    #[serde(default)]
    pub failures: u32,
    /// The registry's last word.
    pub registry: Registry,
    /// The last registration that it told, and when.
    pub registration: Option<Registration>,
    /// When that was.
    pub registered_at: Option<u64>,
    /// Whether it was seen to be locked to its registrar.
    #[serde(default)]
    pub was_locked: bool,
    /// The name servers that the registry names,
    #[serde(default)]
    pub at_registry: Delegation,
    /// and those that the zone itself names.
    #[serde(default)]
    pub in_zone: Delegation,
    /// Where the hosts of the domain lead.
    #[serde(default)]
    pub addresses: BTreeMap<String, Delegation>,
    /// Since when name servers do not answer for the zone, though they did before.
    #[serde(default)]
    pub gone_since: Option<u64>,
    /// Its chain of signatures.
    #[serde(default)]
    pub chain: Chain,
    /// When the name servers were asked last, with an answer.
    #[serde(default)]
    pub answered_at: Option<u64>,
}

/// Name servers as they are and as they were when the site was proven well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// As told last, in order.
    pub now: Vec<String>,
    /// As they were when the site was well.
    pub proven: Vec<String>,
    /// Since when they differ, Unix time.
    pub changed_at: Option<u64>,
}

/// Whether the sites of a domain are well, as far as their origins tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// All of them are up.
    Well,
    /// One of them is not, or is not known to be.
    Unproven,
}

impl Delegation {
    /// Takes in what was told now; an empty list is no news.
    pub fn observe(&mut self, servers: &[String], site: Site, now: u64) {
        if servers.is_empty() {
            return;
        }
        self.now = servers.to_vec();
        if self.proven == self.now {
            self.changed_at = None;
            return;
        }
        if self.proven.is_empty() {
            if site == Site::Well {
                self.proven.clone_from(&self.now);
            }
            return;
        }
        let since = *self.changed_at.get_or_insert(now);
        if site == Site::Well
            && now.saturating_sub(since) >= SETTLED
            && super::parking::parked(&self.now).is_none()
        {
            self.proven.clone_from(&self.now);
            self.changed_at = None;
        }
    }

    /// The same for addresses: only entirely different ones are a change, others are more of the same.
    pub fn observe_some(&mut self, addresses: &[String], site: Site, now: u64) {
        if addresses.iter().any(|address| self.proven.contains(address)) {
            self.proven.extend(addresses.iter().filter(|address| !self.now.contains(address)).cloned());
            self.proven.sort();
            self.proven.dedup();
            self.proven.truncate(MOST_ADDRESSES);
            (self.now, self.changed_at) = (addresses.to_vec(), None);
        } else {
            self.observe(addresses, site, now);
        }
    }

    /// Those that were there before and those that are now, if they differ.
    pub fn change(&self) -> Option<(&[String], &[String], u64)> {
        let since = self.changed_at?;
        Some((&self.proven, &self.now, since))
    }
}

/// A Unix time as a time.
pub fn time(unix: u64) -> SystemTime {
    // what no calendar reaches is a mistake of whoever wrote it
    UNIX_EPOCH + Duration::from_secs(unix.min(253_402_300_799))
}

impl Ledger {
    /// Reads the file. Blocks.
    ///
    /// # Errors
    /// In words, if there is one and it cannot be read.
    pub fn read(state_dir: &Path) -> Result<Ledger, String> {
        let file = file(state_dir);
        match std::fs::metadata(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Ledger::default()),
            Err(error) => return Err(error.to_string()),
            Ok(found) if found.len() > LARGEST => return Err("it is too large".to_owned()),
            Ok(_) => {}
        }
        let text = std::fs::read(&file).map_err(|error| error.to_string())?;
        Ledger::of(&text)
    }

    fn of(text: &[u8]) -> Result<Ledger, String> {
        let read: Ledger = serde_json::from_slice(text).map_err(|error| format!("it is damaged: {error}"))?;
        if read.version > VERSION {
            return Err("it is of a later version".to_owned());
        }
        Ok(read)
    }

    /// Writes the file. Blocks.
    ///
    /// # Errors
    /// Of the file system.
    pub fn write(&self, state_dir: &Path) -> std::io::Result<()> {
        let whole = Ledger { version: VERSION, ..self.clone() };
        let text = serde_json::to_vec(&whole).map_err(std::io::Error::other)?;
        disk::ensure_dir(&state_dir.join(FOLDER))?;
        disk::write_atomic(&file(state_dir), &text)
    }

    /// Forgets hosts and domains that are not watched any more.
    pub fn keep(&mut self, is_host: impl Fn(&str) -> bool) {
        self.hosts.retain(|host, _| is_host(host));
        let hosts = &self.hosts;
        self.domains.retain(|domain, _| hosts.values().any(|named| named == domain));
    }
}

fn file(state_dir: &Path) -> PathBuf {
    state_dir.join(FOLDER).join(FILE)
}

impl Known {
    /// Whether the registry had it and does not any more, as two looks say.
    pub fn is_forgotten(&self) -> bool {
        self.registry == Registry::NotFound && self.registration.is_some() && self.failures > 1
    }

    /// When it is to be looked at next, Unix time: after `every`, moved by up to a tenth that is the domain's own, so that
    /// thousands do not come at once; after a failure sooner, and less and less soon.
    pub fn due(&self, domain: &str, every: Duration) -> u64 {
        let Some(at) = self.looked_at else { return 0 };
        let every = every.as_secs();
        let wait = match self.failures {
            0 => {
                let share =
                    domain.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
                        % 100;
                every - every * share / 1000
            }
            failures => every.min(300 << failures.min(6)),
        };
        at.saturating_add(wait)
    }

    /// Takes in the registry's word.
    pub fn registry_said(&mut self, asked: super::rdap::Asked, site: Site, now: u64) {
        use super::rdap::Asked;
        self.registry = match asked {
            Asked::Found(found) => {
                self.failures = 0;
                self.was_locked |= found.is_locked();
                self.at_registry.observe(&found.name_servers, site, now);
                self.registration = Some(found);
                self.registered_at = Some(now);
                Registry::Found
            }
            Asked::NotFound if self.registration.is_some() => {
                // a registry that has lost a domain is asked again before anybody is woken
                self.failures = self.failures.saturating_add(1);
                self.registry = Registry::NotFound;
                return;
            }
            Asked::NotFound => Registry::NotFound,
            Asked::NoService => Registry::NoService,
            Asked::Failed(why) => {
                self.failures = self.failures.saturating_add(1);
                self.registry = Registry::Failed(why);
                return;
            }
        };
        self.failures = 0;
    }
}

/// Now in Unix time.
pub fn seconds(now: SystemTime) -> u64 {
    unix(now)
}

#[cfg(test)]
mod tests {
    use super::super::rdap::Asked;
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn name_servers_are_proven_by_a_site_that_is_well_and_stays_so() {
        let (old, new, parking) =
            (names(&["ns1.a.example"]), names(&["ns1.b.example"]), names(&["ns1.sedoparking.com"]));
        let mut servers = Delegation::default();
        servers.observe(&old, Site::Unproven, 0);
        assert!(servers.proven.is_empty(), "nothing vouches for them");
        servers.observe(&old, Site::Well, 1);
        assert_eq!((&servers.proven, servers.change()), (&old, None));
        servers.observe(&[], Site::Well, 2);
        assert_eq!(servers.change(), None, "no answer is no change");
        servers.observe(&new, Site::Well, 10);
        assert_eq!(servers.change(), Some((&*old, &*new, 10)));
        servers.observe(&new, Site::Unproven, 10 + SETTLED);
        assert!(servers.change().is_some(), "the site is not well");
        servers.observe(&new, Site::Well, 10 + SETTLED);
        assert_eq!(servers.change(), None, "the owner has moved");
        servers.observe(&parking, Site::Well, 11 + SETTLED);
        servers.observe(&parking, Site::Well, 12 + 9 * SETTLED);
        assert!(servers.change().is_some(), "nobody moves to a parking service");
        servers.observe(&new, Site::Well, 13 + 9 * SETTLED);
        assert_eq!(servers.change(), None, "back");
    }

    #[test]
    fn addresses_have_changed_when_none_is_left() {
        let mut addresses = Delegation::default();
        for seen in
            [&["192.0.2.1", "192.0.2.2"][..], &["192.0.2.2", "192.0.2.3"], &["192.0.2.1"], &["192.0.2.3"]]
        {
            addresses.observe_some(&names(seen), Site::Well, 0);
            assert_eq!(addresses.change(), None, "{seen:?}");
        }
        addresses.observe_some(&names(&["203.0.113.1"]), Site::Well, 5);
        assert!(addresses.change().is_some());
        addresses.observe_some(&[], Site::Well, 6);
        assert!(addresses.change().is_some(), "no answer is no news");
        addresses.observe_some(&names(&["192.0.2.2"]), Site::Well, 7);
        assert_eq!(addresses.change(), None, "back");
    }

    #[test]
    fn a_failure_is_asked_again_sooner_and_then_less_and_less_soon() {
        let every = Duration::from_secs(43_200);
        let mut known = Known::default();
        assert_eq!(known.due("example.com", every), 0, "never looked at");
        known.looked_at = Some(1000);
        let due = known.due("example.com", every);
        assert!((1000 + 43_200 * 9 / 10..=1000 + 43_200).contains(&due), "{due}");
        for (failures, wait) in [(1, 600), (2, 1200), (6, 19_200), (60, 19_200)] {
            known.failures = failures;
            assert_eq!(known.due("example.com", every), 1000 + wait);
        }
        assert_eq!(known.due("example.com", Duration::from_secs(1)), 1001, "but never less often than usual");
    }

    #[test]
    fn a_failure_keeps_what_was_known() {
        let mut known = Known::default();
        let found = Registration { expires: Some(9), ..Registration::default() };
        known.registry_said(Asked::Found(found.clone()), Site::Well, 5);
        known.registry_said(Asked::Failed("no answer".to_owned()), Site::Well, 6);
        assert_eq!((known.registration, known.registered_at, known.failures), (Some(found), Some(5), 1));
        assert_eq!(known.registry, Registry::Failed("no answer".to_owned()));
    }

    #[test]
    fn the_first_version_is_read_for_ever() {
        let kept = include_bytes!("../../tests/golden/watch/1.json");
        let read = Ledger::of(kept).unwrap();
        assert_eq!(read.hosts["www.example.com"], "example.com");
        let known = &read.domains["example.com"];
        assert_eq!(known.registration.as_ref().and_then(|found| found.expires), Some(1_798_761_600));
        assert_eq!((known.in_zone.proven.len(), read.disk.len()), (1, 1));
        assert!(Ledger::of(b"{\"version\":2}").is_err() && Ledger::of(b"").is_err());
    }

    #[test]
    fn what_is_not_watched_is_forgotten() {
        let mut ledger = Ledger::default();
        for (host, domain) in [("www.a.example", "a.example"), ("www.b.example", "b.example")] {
            ledger.hosts.insert(host.to_owned(), domain.to_owned());
            ledger.domains.insert(domain.to_owned(), Known::default());
        }
        ledger.keep(|host| host == "www.a.example");
        assert_eq!(ledger.domains.keys().collect::<Vec<_>>(), ["a.example"]);
    }
}
