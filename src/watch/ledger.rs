//! What is known of domains, and kept over a restart.
//!
//! One JSON file in the state directory, `watch/domains.json`, written whole. A file of a later version, or one that is damaged, is set
//! aside: all that it holds can be asked again, but for what the name servers were when the site was well.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::bootstrap::Bootstrap;
use super::delegation::{Delegation, Site};
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
/// A registry that does not know a domain any more is believed when it says so twice, so many seconds apart.
const FORGOTTEN: u64 = 4 * 3600;
/// What looks bad is looked at again after so many seconds; two looks that agree are believed.
const DOUBT: u64 = 600;
/// What is bad is looked at this often, so that its end is seen soon.
const BAD: u64 = 1800;
/// So close to its end, a domain is looked at as if it had ended: its renewal is to be seen soon.
const CLOSE: u64 = 7 * 86_400;
/// A lock that is gone for so long will not come back.
const UNLOCKED: u64 = 30 * 86_400;
/// Characters of a registry's trouble that are kept.
const WORDS: usize = 200;

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
    /// Since when the registry says, each time it is asked, that it does not know a domain that it knew.
    #[serde(default)]
    pub missing_since: Option<u64>,
    /// Whether it was seen to be locked to its registrar,
    #[serde(default)]
    pub was_locked: bool,
    /// and since when it is not any more.
    #[serde(default)]
    pub unlocked_since: Option<u64>,
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
    /// Its chain of signatures,
    #[serde(default)]
    pub chain: Chain,
    /// when it was seen,
    #[serde(default)]
    pub chain_at: Option<u64>,
    /// and since when it is broken.
    #[serde(default)]
    pub broken_since: Option<u64>,
    /// When the name servers were asked last, with an answer.
    #[serde(default)]
    pub answered_at: Option<u64>,
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

    /// Keeps a file that cannot be read from being overwritten. Blocks.
    ///
    /// # Errors
    /// Of the file system.
    pub fn set_aside(state_dir: &Path) -> std::io::Result<()> {
        let file = file(state_dir);
        disk::rename(&file, &file.with_extension("unread"))
    }

    /// Forgets hosts and domains that are not watched any more.
    pub fn keep(&mut self, is_host: impl Fn(&str) -> bool) {
        self.hosts.retain(|host, _| is_host(host));
        let used: BTreeSet<&String> = self.hosts.values().collect();
        self.domains.retain(|domain, _| used.contains(domain));
    }
}

fn file(state_dir: &Path) -> PathBuf {
    state_dir.join(FOLDER).join(FILE)
}

impl Known {
    /// Whether the registry had it and does not any more, as looks say that are hours apart, or as far apart as looks are.
    pub fn is_forgotten(&self, every: Duration) -> bool {
        let gap = FORGOTTEN.min(every.as_secs());
        let for_so_long = |since: u64| self.looked_at.is_some_and(|at| at > since && at - since >= gap);
        self.registry == Registry::NotFound && self.missing_since.is_some_and(for_so_long)
    }

    /// When it is to be looked at next, Unix time: after `every`, moved by up to a tenth that is the domain's own, so that
    /// thousands do not come at once; when the registry fails sooner, and less and less soon; soon when something is bad.
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
        at.saturating_add(wait.min(self.recheck(at).unwrap_or(u64::MAX)))
    }

    /// After how many seconds something bad that was seen `at` the last look is looked at again.
    fn recheck(&self, at: u64) -> Option<u64> {
        let changes = [&self.at_registry, &self.in_zone].into_iter().chain(self.addresses.values());
        let changed = changes.filter_map(|one| one.change()).map(|(_, _, since)| since);
        let bad = changed.chain(self.gone_since).chain(self.broken_since);
        if let Some(latest) = bad.chain(self.missing_since).max() {
            return Some(if latest >= at { DOUBT } else { BAD });
        }
        let found = self.registration.as_ref().filter(|_| self.registry == Registry::Found)?;
        let is_close = found.expires.is_some_and(|end| end < at.saturating_add(CLOSE));
        (is_close || !found.holds().is_empty()).then_some(BAD)
    }

    /// Takes in the registry's word.
    pub fn registry_said(&mut self, asked: super::rdap::Asked, site: Site, now: u64) {
        use super::rdap::Asked;
        if asked != Asked::NotFound {
            self.missing_since = None;
        }
        self.failures = match asked {
            Asked::Failed(_) | Asked::NoName(_) => self.failures.saturating_add(1),
            Asked::Found(_) | Asked::NotFound | Asked::NoService => 0,
        };
        self.registry = match asked {
            Asked::Found(found) => {
                self.at_registry.observe(&found.name_servers, site, now);
                self.note_lock(found.is_locked(), now);
                self.registration = Some(found);
                self.registered_at = Some(now);
                Registry::Found
            }
            Asked::NotFound => {
                // a registry that has lost a domain is asked again before anybody is woken
                if self.registration.is_some() {
                    self.missing_since.get_or_insert(now);
                }
                Registry::NotFound
            }
            Asked::NoService => Registry::NoService,
            Asked::Failed(why) | Asked::NoName(why) => Registry::Failed(why.chars().take(WORDS).collect()),
        };
    }

    fn note_lock(&mut self, is_locked: bool, now: u64) {
        self.was_locked |= is_locked;
        self.unlocked_since = match self.unlocked_since {
            _ if is_locked || !self.was_locked => None,
            since => Some(since.unwrap_or(now)),
        };
        if self.unlocked_since.is_some_and(|since| now.saturating_sub(since) >= UNLOCKED) {
            (self.was_locked, self.unlocked_since) = (false, None);
        }
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
    fn what_is_bad_is_looked_at_again_soon() {
        let every = Duration::from_secs(43_200);
        let locked = || Known { looked_at: Some(1000), ..Known::default() };
        let found = |expires| Some(Registration { expires, ..Registration::default() });
        let held = Registration { statuses: vec!["client hold".to_owned()], ..Registration::default() };
        let moved = Delegation { changed_at: Some(1000), ..Delegation::default() };
        for (known, wait) in [
            (Known { gone_since: Some(1000), ..locked() }, DOUBT),
            (Known { gone_since: Some(400), ..locked() }, BAD),
            (Known { broken_since: Some(1000), ..locked() }, DOUBT),
            (Known { missing_since: Some(1), ..locked() }, BAD),
            (Known { in_zone: moved.clone(), ..locked() }, DOUBT),
            (Known { addresses: [("www".to_owned(), moved)].into(), failures: 60, ..locked() }, DOUBT),
            (Known { registry: Registry::Found, registration: found(Some(1000 + DOUBT)), ..locked() }, BAD),
            (Known { registry: Registry::Found, registration: Some(held), ..locked() }, BAD),
        ] {
            assert_eq!(known.due("example.com", every), 1000 + wait, "{known:?}");
        }
        let far = Known { registry: Registry::Found, registration: found(Some(1 << 40)), ..locked() };
        assert!(far.due("example.com", every) > 30_000);
    }

    #[test]
    fn only_a_registry_that_says_so_for_hours_has_forgotten_a_domain() {
        let every = Duration::from_secs(43_200);
        let mut known = Known::default();
        let mut look = |asked: Asked, now: u64| {
            known.registry_said(asked, Site::Well, now);
            known.looked_at = Some(now);
            known.is_forgotten(every)
        };
        let failed = || Asked::Failed("answered 500".to_owned());
        assert!(!look(Asked::NotFound, 0) && !look(Asked::NotFound, FORGOTTEN), "it never had it");
        look(Asked::Found(Registration::default()), 20_000);
        assert!(!look(failed(), 30_000) && !look(Asked::NotFound, 30_600), "a failure is no such word");
        assert!(!look(Asked::NotFound, 31_200), "ten minutes");
        assert!(!look(Asked::NoName("answered 400".to_owned()), 50_000));
        assert!(!look(Asked::NotFound, 60_000) && look(Asked::NotFound, 60_000 + FORGOTTEN));
        assert!(!look(Asked::Found(Registration::default()), 90_000));
    }

    #[test]
    fn a_lock_that_is_gone_is_told_for_a_month() {
        let mut known = Known::default();
        let with =
            |status: &str| Registration { statuses: vec![status.to_owned()], ..Registration::default() };
        known.registry_said(Asked::Found(with("locked")), Site::Well, 0);
        known.registry_said(Asked::Found(with("active")), Site::Well, 10);
        assert_eq!((known.was_locked, known.unlocked_since), (true, Some(10)));
        known.registry_said(Asked::Found(with("active")), Site::Well, 9 + UNLOCKED);
        assert!(known.was_locked);
        known.registry_said(Asked::Found(with("active")), Site::Well, 10 + UNLOCKED);
        assert!(!known.was_locked);
    }

    #[test]
    fn words_of_a_registry_are_kept_short() {
        let mut known = Known::default();
        known.registry_said(Asked::Failed("x".repeat(1 << 20)), Site::Well, 0);
        assert_eq!(known.registry, Registry::Failed("x".repeat(WORDS)));
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
    fn what_cannot_be_read_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        disk::ensure_dir(&dir.path().join(FOLDER)).unwrap();
        disk::write_atomic(&file(dir.path()), b"{\"version\":9}").unwrap();
        assert!(Ledger::read(dir.path()).is_err());
        Ledger::set_aside(dir.path()).unwrap();
        assert_eq!(Ledger::read(dir.path()), Ok(Ledger::default()));
        let kept = std::fs::read(dir.path().join(FOLDER).join("domains.unread")).unwrap();
        assert_eq!(kept, b"{\"version\":9}");
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
