//! Which hosts and domains are due, and what their sites say of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::{App, lock, names};
use crate::clock::{self, Now};
use crate::failover::State;
use crate::tasks;
use crate::watch::client::Reader;
use crate::watch::deadline::DAY;
use crate::watch::delegation::Site;
use crate::watch::domain::candidates;
use crate::watch::ledger::{Known, Ledger, Registry};
use crate::watch::look::Observer;
use crate::watch::question;
use crate::watch::trend::Day;

/// Domains that are looked at at the same time. With thousands of sites the first looks take minutes, and registries are not
/// stormed.
pub(super) const AT_ONCE: usize = 8;
/// A host whose domain nobody could tell is looked at again after this time,
const AGAIN: Duration = Duration::from_secs(600);
/// and one whose domain no registry has confirmed, after this: where a zone began may have been a mistake.
const RENEW: Duration = Duration::from_secs(7 * 86_400);

/// What came of a look at some domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    /// Whether any was looked at.
    pub(super) some: bool,
    /// Whether more of them are due.
    pub(super) more: bool,
}

/// What is to be asked now.
#[derive(Default)]
struct Questions {
    hosts: Vec<String>,
    domains: Vec<(String, Known, Sites)>,
    more: bool,
}

/// How the sites of a domain are, and those of its hosts by which visitors come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sites {
    /// The least and the best of them.
    range: Option<(Site, Site)>,
    hosts: BTreeMap<String, Site>,
}

impl Sites {
    fn add(&mut self, site: Site) {
        let (least, best) = self.range.unwrap_or((site, site));
        self.range = Some((least.min(site), best.max(site)));
    }

    /// All are well; that visitors find one of them tells that the domain is not taken away.
    fn all(&self) -> Site {
        match self.range {
            Some((least, best)) if least > Site::Unproven => best,
            Some(_) | None => Site::Unproven,
        }
    }
}

impl App {
    /// Looks at some of the domains that are due.
    pub(super) async fn look_at_domains(self: &Arc<Self>, reader: &Reader) -> Looked {
        let now = clock::now();
        let app = self.clone();
        let due = tasks::blocking(move || app.due(now)).await.unwrap_or_default();
        if due.hosts.is_empty() && due.domains.is_empty() {
            return Looked { some: false, more: false };
        }
        let config = self.config();
        let registries = self.watch.registries(&config.watch);
        let configured = config.dns.nameservers.clone();
        let servers = tasks::blocking(move || question::servers(&configured)).await.unwrap_or_default();
        let observer = Observer { reader, registries: registries.as_deref(), servers };
        let told = join_all(due.hosts.into_iter().map(async |host| {
            let domain = observer.domain_of(&host, now).await;
            (host, domain)
        }));
        self.note_domains(told.await, now);
        let looks = due.domains.into_iter().map(async |(domain, mut known, sites)| {
            let all = sites.all();
            let hosts: Vec<(String, Site)> = sites.hosts.into_iter().collect();
            observer.look(&domain, &mut known, (all, &hosts), now).await;
            (domain, known)
        });
        let looked = join_all(looks).await;
        self.watch.ledger().domains.extend(looked);
        Looked { some: true, more: due.more }
    }

    /// What is to be asked now, after what nobody watches any more was forgotten. Blocks: thousands of sites take a while.
    fn due(&self, now: Now) -> Questions {
        let config = self.config();
        let wanted: BTreeSet<String> = config.sites.iter().flat_map(|site| names(site)).collect();
        let (mut hosts, domains) = {
            let mut ledger = self.watch.ledger();
            ledger.keep(|host| wanted.contains(host));
            let hosts = untold(&mut ledger, &wanted, &mut lock(&self.watch.untold), now.mono);
            (hosts, due_of(&ledger, config.watch.every, now.unix()))
        };
        let mut domains: Vec<(String, Known, Sites)> =
            domains.into_iter().map(|(domain, known)| (domain, known, Sites::default())).collect();
        let more = !hosts.is_empty() || domains.len() > AT_ONCE;
        hosts.truncate(AT_ONCE);
        domains.truncate(AT_ONCE);
        self.add_sites(&mut domains, now);
        Questions { hosts, domains, more }
    }

    fn note_domains(&self, told: Vec<(String, Option<String>)>, now: Now) {
        let mut ledger = self.watch.ledger();
        let mut again = lock(&self.watch.untold);
        for (host, domain) in told {
            let wait = if domain.is_some() { RENEW } else { AGAIN };
            again.insert(host.clone(), now.mono + wait);
            if let Some(domain) = domain {
                ledger.domains.entry(domain.clone()).or_default();
                ledger.hosts.insert(host, domain);
            }
        }
    }

    /// Adds to these domains how their sites are.
    fn add_sites(&self, domains: &mut [(String, Known, Sites)], now: Now) {
        if domains.is_empty() {
            return;
        }
        let of_hosts = self.watch.ledger().hosts.clone();
        let today = now.unix() / DAY.as_secs();
        for site in &self.table().sites {
            let named = names(&site.config);
            let in_domains: BTreeSet<&String> = named.iter().filter_map(|name| of_hosts.get(name)).collect();
            let mut concerned =
                domains.iter_mut().filter(|(domain, ..)| in_domains.contains(domain)).peekable();
            if concerned.peek().is_none() {
                continue;
            }
            let is_visited = lock(&self.watch.days)
                .get(&site.config.name)
                .is_some_and(|kept| is_visited(&kept.book.days, today));
            let standing = match (site.state(now) == State::Up, is_visited) {
                (true, true) => Site::Visited,
                (true, false) => Site::Well,
                (false, _) => Site::Unproven,
            };
            for (domain, _, sites) in concerned {
                sites.add(standing);
                let hosts = site.config.all_hosts().map(str::to_ascii_lowercase);
                let of_domain = hosts.filter(|host| is_in(host, domain, &of_hosts));
                sites.hosts.extend(of_domain.map(|host| (host, standing)));
            }
        }
    }
}

/// Whether a host is in a domain: as was found out, or, where only the domain is named in the configuration, by its name.
fn is_in(host: &str, domain: &String, known: &BTreeMap<String, String>) -> bool {
    match known.get(host) {
        Some(known) => known == domain,
        None => candidates(host).contains(domain),
    }
}

/// Whether visitors have come lately.
fn is_visited(days: &[Day], today: u64) -> bool {
    days.iter()
        .rev()
        .take(2)
        .any(|day| day.answers > 0 && (today.saturating_sub(1)..=today).contains(&day.day))
}

/// Hosts whose domain is to be found out now. Of one below a domain that its registry has confirmed it is known.
fn untold(
    ledger: &mut Ledger,
    wanted: &BTreeSet<String>,
    again: &mut HashMap<String, Instant>,
    now: Instant,
) -> Vec<String> {
    again.retain(|host, _| wanted.contains(host));
    let mut untold = Vec::new();
    for host in wanted {
        let is_confirmed = |domain: &String| {
            ledger.domains.get(domain).is_some_and(|known| known.registry == Registry::Found)
        };
        if ledger.hosts.get(host).is_some_and(is_confirmed) {
            continue;
        }
        if let Some(domain) = candidates(host).into_iter().find(is_confirmed) {
            ledger.hosts.insert(host.clone(), domain);
        } else if again.get(host).is_none_or(|at| now >= *at) {
            untold.push(host.clone());
        }
    }
    untold
}

/// The domains that are due, those that were looked at longest ago first: one more than are looked at at once, at most.
fn due_of(ledger: &Ledger, every: Duration, now: u64) -> Vec<(String, Known)> {
    // what was looked at in the future was looked at before the clock was set back
    let is_due = |domain: &str, known: &Known| {
        known.due(domain, every) <= now || known.looked_at.is_some_and(|at| at > now)
    };
    let mut due: Vec<(&String, &Known)> =
        ledger.domains.iter().filter(|(domain, known)| is_due(domain, known)).collect();
    due.sort_by_key(|(_, known)| known.looked_at);
    due.into_iter().take(AT_ONCE + 1).map(|(domain, known)| (domain.clone(), known.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn with(domain: &str, registry: Registry) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.domains.insert(domain.to_owned(), Known { registry, ..Known::default() });
        ledger
    }

    #[test]
    fn only_what_a_registry_has_confirmed_settles_the_hosts_below() {
        let wanted = set(&["a.example.co.uk"]);
        let (now, mut again) = (clock::instant(), HashMap::new());
        let mut ledger = with("co.uk", Registry::NotFound);
        assert_eq!(untold(&mut ledger, &wanted, &mut again, now), ["a.example.co.uk"]);
        let mut ledger = with("example.co.uk", Registry::Found);
        assert!(untold(&mut ledger, &wanted, &mut again, now).is_empty());
        assert_eq!(ledger.hosts["a.example.co.uk"], "example.co.uk");
    }

    #[test]
    fn a_domain_that_no_registry_has_confirmed_is_found_out_anew() {
        let wanted = set(&["a.example.jp"]);
        let now = clock::instant();
        let mut ledger = with("jp", Registry::NoService);
        ledger.hosts.insert("a.example.jp".to_owned(), "jp".to_owned());
        let mut again = HashMap::from([("a.example.jp".to_owned(), now + RENEW)]);
        assert!(untold(&mut ledger, &wanted, &mut again, now).is_empty());
        assert_eq!(untold(&mut ledger, &wanted, &mut again, now + RENEW), ["a.example.jp"]);
    }

    #[test]
    fn hosts_of_a_named_domain_are_looked_at() {
        let domain = "example.com".to_owned();
        let mut known = BTreeMap::from([(domain.clone(), domain.clone())]);
        assert!(is_in("www.example.com", &domain, &known), "only the domain is named");
        assert!(!is_in("www.example.org", &domain, &known));
        known.insert("www.shop.example.com".to_owned(), "shop.example.com".to_owned());
        assert!(!is_in("www.shop.example.com", &domain, &known));
    }

    #[test]
    fn a_domain_is_visited_if_one_of_its_sites_is_and_none_is_down() {
        let of = |all: &[Site]| {
            let mut sites = Sites::default();
            all.iter().for_each(|site| sites.add(*site));
            sites.all()
        };
        assert_eq!(of(&[]), Site::Unproven);
        assert_eq!(of(&[Site::Well, Site::Visited]), Site::Visited);
        assert_eq!(of(&[Site::Unproven, Site::Visited]), Site::Unproven);
        let on = |day, answers| Day { day, answers, ..Day::default() };
        assert!(is_visited(&[on(9, 5), on(10, 0)], 10));
        assert!(!is_visited(&[on(8, 5), on(10, 0)], 10) && !is_visited(&[], 10));
    }

    #[test]
    fn what_waits_longest_is_looked_at_first() {
        let mut ledger = Ledger::default();
        for n in 0..100_u64 {
            let known = Known { looked_at: Some(1000 - n), ..Known::default() };
            ledger.domains.insert(format!("{n}.example.com"), known);
        }
        let due = due_of(&ledger, Duration::from_secs(60), 2000);
        assert_eq!((due.len(), &*due[0].0), (AT_ONCE + 1, "99.example.com"));
        assert!(due_of(&ledger, Duration::from_secs(60), 900).len() > 1, "the clock was set back");
    }
}
