//! What is known of a domain, in words and warnings.

use std::time::{Duration, SystemTime};

use super::deadline::{Deadline, deadline, in_days};
use super::delegation::Delegation;
use super::dnssec::Chain;
use super::ledger::{Known, Registry, time};
use super::parking::parked;
use super::registration::Registration;
use super::{Standing, Watched, What};
use crate::failure::Cause;
use crate::snapshot::rfc3339;

/// What the configuration says of a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// When its owner says that it ends, in case the registry does not.
    pub ends: Option<SystemTime>,
    /// Whether the configuration could say so.
    pub may_end: bool,
    /// Whether registries are asked at all.
    pub asks: Asks,
    /// How often the domain is looked at.
    pub every: Duration,
}

/// What was well once is no longer known to be after so many looks without an answer, and this time at least.
const LOOKS: u32 = 3;
const HOLDS_FOR: Duration = Duration::from_secs(3 * 86_400);

impl Said {
    /// Whether what was told `at` says nothing of today.
    fn is_stale(&self, at: Option<u64>, now: SystemTime) -> bool {
        let holds_for = self.every.saturating_mul(LOOKS).max(HOLDS_FOR);
        at.is_some_and(|at| now.duration_since(time(at)).is_ok_and(|age| age > holds_for))
    }

    /// The registration that the registry has told, if it is one that is asked.
    fn registration<'a>(&self, known: &'a Known) -> Option<&'a Registration> {
        let is_asked = self.asks == Asks::Yes && known.registry != Registry::NoService;
        known.registration.as_ref().filter(|_| is_asked)
    }
}

/// What is told of old words: that something was well says nothing of today. What was bad is warned of until it is well.
fn aged(told: Watched, is_stale: bool, at: Option<u64>) -> Watched {
    if told.state != Standing::Ok || !is_stale {
        return told;
    }
    let since = at.map(|at| rfc3339(time(at))).unwrap_or_default();
    Watched {
        state: Standing::Unknown,
        detail: format!("no answer since {since}; then: {}", told.detail),
        ..told
    }
}

/// Whether registries are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asks {
    /// Yes.
    #[default]
    Yes,
    /// No: the configuration says so.
    No,
}

/// All that is watched of a domain.
pub fn judge(domain: &str, known: &Known, said: Said, now: SystemTime) -> Vec<Watched> {
    let at_registry = known.registered_at.map(time);
    let by_name = known.answered_at.map(time);
    let of_registry = |told: Watched| {
        let is_stale = said.registration(known).is_some() && said.is_stale(known.registered_at, now);
        aged(told, is_stale, known.registered_at).checked_at(at_registry)
    };
    // a ledger of an earlier version does not tell them apart
    let of_names = |told: Watched, at: Option<u64>| {
        let at = at.or(known.answered_at);
        aged(told, said.is_stale(at, now), at)
    };
    let zone_at = known.in_zone.seen_at.max(known.at_registry.seen_at);
    let mut all = vec![
        end(domain, known, said, now),
        of_registry(hold(domain, known, said)),
        of_registry(lock(domain, known, said)),
        of_names(name_servers(domain, known), zone_at).checked_at(by_name.max(at_registry)),
        of_names(dnssec(domain, known, now), known.chain_at).checked_at(by_name),
    ];
    all.extend(known.addresses.iter().map(|(host, seen)| {
        of_names(addresses(host, seen, known.looked_at), seen.seen_at).checked_at(by_name)
    }));
    all
}

/// Whether two looks have seen it: one may have met a name server in a bad moment.
fn is_seen_twice(known: &Known, since: u64) -> bool {
    known.looked_at.is_none_or(|at| at > since)
}

fn addresses(host: &str, seen: &Delegation, looked_at: Option<u64>) -> Watched {
    let told = |state, detail: String| Watched::new(What::Addresses, host, state, detail);
    match seen.change() {
        Some((.., since)) if looked_at <= Some(since) => told(Standing::Ok, seen.proven.join(", ")),
        Some((_, now, _)) if seen.is_restless() && !now.is_empty() => {
            told(Standing::Ok, format!("{}; they change and come back by themselves", now.join(", ")))
        }
        Some((before, now, since)) => {
            let now = if now.is_empty() { "no address".to_owned() } else { now.join(", ") };
            let detail = format!("{now} instead of {} since {}", before.join(", "), rfc3339(time(since)));
            told(Standing::Bad, detail).seeing(&seen.now).warn(Cause::AddressesChanged, None)
        }
        None if seen.now.is_empty() => told(Standing::Unknown, "no address so far".to_owned()),
        None => told(Standing::Ok, seen.now.join(", ")),
    }
}

/// Why nothing can be said that only the registry knows.
fn unknown(what: What, domain: &str, known: &Known, said: Said) -> Watched {
    let why = match (said.asks, &known.registry) {
        (Asks::No, _) => "cannot be checked: \"rdap\" is off".to_owned(),
        (Asks::Yes, Registry::NoService) => "cannot be checked: its registry has no RDAP server".to_owned(),
        (Asks::Yes, Registry::NotFound) => "cannot be checked: its registry does not know it".to_owned(),
        (Asks::Yes, Registry::Failed(why)) => format!("could not be checked yet: {why}"),
        (Asks::Yes, Registry::Found) => "cannot be checked: its registry does not tell".to_owned(),
        (Asks::Yes, Registry::Unasked) => "not checked yet".to_owned(),
    };
    Watched::new(what, domain, Standing::Unknown, why)
}

fn end(domain: &str, known: &Known, said: Said, now: SystemTime) -> Watched {
    if said.asks == Asks::Yes && known.is_forgotten(said.every) {
        let detail = "the registry does not know it any more";
        let told = Watched::new(What::Domain, domain, Standing::Past, detail);
        return told.checked_at(known.looked_at.map(time)).warn(Cause::DomainExpired, None);
    }
    let of_registry = said.registration(known).and_then(|found| found.expires).map(time);
    // the owner knows better than words that nobody has repeated for days
    let is_stale = of_registry.is_some() && said.is_stale(known.registered_at, now);
    let of_registry = of_registry.filter(|_| !is_stale || said.ends.is_none());
    let (end, by) = match (of_registry, said.ends) {
        (Some(end), _) => (end, ""),
        (None, Some(end)) => (end, ", as its owner says"),
        (None, None) => {
            let told = unknown(What::Domain, domain, known, said);
            let is_pending = matches!(known.registry, Registry::Unasked | Registry::Failed(_));
            let detail = match (is_pending && said.asks == Asks::Yes, said.may_end) {
                (true, _) => told.detail,
                (false, true) => format!("{}; write the day as domain_ends in [site.watch]", told.detail),
                (false, false) => {
                    format!("{}; domain_ends says it of the first name in \"domains\" only", told.detail)
                }
            };
            return Watched { detail, ..told }.checked_at(known.registered_at.map(time));
        }
    };
    let checked_at = of_registry.and(known.registered_at).map(time);
    let date = rfc3339(end);
    let told = |state, detail: String| {
        Watched::new(What::Domain, domain, state, detail).until(Some(end)).checked_at(checked_at)
    };
    match deadline(end, now) {
        Deadline::Far => {
            let far = told(Standing::Ok, format!("ends {date}{by}"));
            aged(far, of_registry.is_some() && is_stale, known.registered_at)
        }
        Deadline::Near { days, step } => {
            let detail = format!("ends {date} ({}){by}", in_days(days));
            told(Standing::Soon, detail).warn(Cause::DomainExpiring, Some(step))
        }
        Deadline::Over => told(Standing::Past, format!("ended {date}{by}")).warn(Cause::DomainExpired, None),
    }
}

fn hold(domain: &str, known: &Known, said: Said) -> Watched {
    let Some(found) = said.registration(known) else { return unknown(What::Hold, domain, known, said) };
    let holds = found.holds();
    if holds.is_empty() {
        return Watched::new(What::Hold, domain, Standing::Ok, "not held back");
    }
    let detail = format!("the registry says: {}", holds.join(", "));
    let told = Watched::new(What::Hold, domain, Standing::Bad, detail);
    told.seeing(&holds).warn(Cause::DomainOnHold, None)
}

fn lock(domain: &str, known: &Known, said: Said) -> Watched {
    let Some(found) = said.registration(known) else {
        return unknown(What::TransferLock, domain, known, said);
    };
    if found.is_locked() {
        return Watched::new(What::TransferLock, domain, Standing::Ok, "locked");
    }
    if known.was_locked {
        let detail = "it was locked, and is not any more";
        return Watched::new(What::TransferLock, domain, Standing::Bad, detail)
            .warn(Cause::DomainUnlocked, None);
    }
    // many registries of countries have no such lock
    Watched::new(What::TransferLock, domain, Standing::Ok, "not locked, as far as the registry tells")
}

fn name_servers(domain: &str, known: &Known) -> Watched {
    let told = |state, detail: String| Watched::new(What::NameServers, domain, state, detail);
    let both = [&known.at_registry, &known.in_zone];
    if let Some(server) = both.iter().find_map(|servers| parked(&servers.now)) {
        let detail = format!("{server} is a name server of a parking service");
        return told(Standing::Bad, detail).seeing(&[server]).warn(Cause::NameServersParked, None);
    }
    if let Some(since) = known.gone_since.filter(|since| is_seen_twice(known, *since)) {
        let detail = format!("no name server answers for it since {}", rfc3339(time(since)));
        return told(Standing::Bad, detail).warn(Cause::ZoneGone, None);
    }
    if let Some((before, now, since)) =
        both.iter().filter_map(|servers| servers.change()).find(|(.., since)| is_seen_twice(known, *since))
    {
        let detail =
            format!("{} instead of {} since {}", now.join(", "), before.join(", "), rfc3339(time(since)));
        return told(Standing::Bad, detail).seeing(now).warn(Cause::NameServersChanged, None);
    }
    let is_told = |servers: &&&Delegation| !servers.now.is_empty();
    match [&known.in_zone, &known.at_registry].iter().find(is_told) {
        Some(servers) => told(Standing::Ok, servers.now.join(", ")),
        None if known.looked_at.is_none() => told(Standing::Unknown, "not checked yet".to_owned()),
        None => told(Standing::Unknown, "no name server has answered".to_owned()),
    }
}

fn dnssec(domain: &str, known: &Known, now: SystemTime) -> Watched {
    let told = |state, detail: &str| Watched::new(What::Dnssec, domain, state, detail);
    match known.chain {
        Chain::Unasked => told(Standing::Unknown, "not checked yet, or no name server has answered"),
        Chain::Unsigned => told(Standing::Ok, "not signed"),
        Chain::Valid { until } => told(Standing::Ok, "signed and valid").until(until.map(time)),
        Chain::Ending { until } => {
            let (state, word) =
                if time(until) > now { (Standing::Soon, "end") } else { (Standing::Past, "ended") };
            told(state, &format!("its signatures {word} {}", rfc3339(time(until))))
                .until(Some(time(until)))
                .warn(Cause::DnssecExpiring, None)
        }
        Chain::Broken if known.broken_since.is_some_and(|since| !is_seen_twice(known, since)) => {
            told(Standing::Unknown, "a resolver that validates has failed, and is asked again soon")
        }
        Chain::Unvalidated => told(
            Standing::Unknown,
            "signed; cannot be checked: the name servers that Katahai asks do not validate",
        ),
        Chain::Broken => {
            told(Standing::Bad, "whoever validates signatures gets no answer; whoever does not, does")
                .warn(Cause::DnssecBroken, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const NOW: u64 = 20_000 * DAY;

    fn registered(days_left: i64) -> Known {
        let expires = Some(NOW.saturating_add_signed(days_left * 86_400));
        let statuses = vec!["client transfer prohibited".to_owned()];
        let found = Registration { expires, statuses, ..Registration::default() };
        Known {
            registry: Registry::Found,
            registration: Some(found),
            registered_at: Some(NOW),
            ..Known::default()
        }
    }

    fn of(known: &Known, said: Said, what: What) -> Watched {
        let all = judge("example.jp", known, said, time(NOW));
        all.into_iter().find(|one| one.what == what).unwrap()
    }

    fn warned(watched: &Watched) -> Option<(Cause, Option<u16>)> {
        watched.warning.map(|warning| (warning.cause, warning.step))
    }

    #[test]
    fn the_end_of_a_domain_is_told_in_steps() {
        for (left, state, expected) in [
            (400, Standing::Ok, None),
            (31, Standing::Ok, None),
            (20, Standing::Soon, Some((Cause::DomainExpiring, Some(30)))),
            (7, Standing::Soon, Some((Cause::DomainExpiring, Some(7)))),
            (0, Standing::Past, Some((Cause::DomainExpired, None))),
            (-3, Standing::Past, Some((Cause::DomainExpired, None))),
        ] {
            let watched = of(&registered(left), Said::default(), What::Domain);
            assert_eq!((watched.state, warned(&watched)), (state, expected), "{left}");
        }
        let told = of(&registered(20), Said::default(), What::Domain).detail;
        assert_eq!(told, "ends 2024-10-24T00:00:00Z (20 days left)");
    }

    #[test]
    fn what_a_registry_does_not_tell_is_never_well() {
        for (registry, words) in [
            (Registry::NoService, "no RDAP server; write the day as domain_ends"),
            (Registry::NotFound, "does not know it; write"),
            (Registry::Failed("x: refused".to_owned()), "could not be checked yet: x: refused"),
            (Registry::Unasked, "not checked yet"),
            (Registry::Found, "does not tell; write"),
        ] {
            let said = Said { may_end: true, ..Said::default() };
            let known = Known { registry, ..Known::default() };
            for what in [What::Domain, What::Hold, What::TransferLock] {
                let watched = of(&known, said, what);
                assert_eq!((watched.state, watched.warning), (Standing::Unknown, None), "{known:?}");
                assert!(what != What::Domain || watched.detail.contains(words), "{}", watched.detail);
            }
        }
        let off = Said { asks: Asks::No, may_end: true, ..Said::default() };
        let told = of(&Known::default(), off, What::Domain).detail;
        assert!(told.contains("\"rdap\" is off; write"), "{told}");
        let told = of(&Known::default(), Said { may_end: false, ..off }, What::Domain).detail;
        assert!(told.contains("first name in \"domains\" only"), "{told}");
    }

    #[test]
    fn the_owners_day_counts_where_the_registry_has_none() {
        let said = Said { ends: Some(time(NOW + 5 * DAY)), ..Said::default() };
        let known = Known { registry: Registry::NoService, ..Known::default() };
        let watched = of(&known, said, What::Domain);
        assert_eq!(warned(&watched), Some((Cause::DomainExpiring, Some(7))));
        assert!(watched.detail.ends_with("(5 days left), as its owner says"), "{}", watched.detail);
        assert_eq!(of(&registered(400), said, What::Domain).state, Standing::Ok, "the registry knows better");
    }

    #[test]
    fn a_domain_that_the_registry_has_forgotten_has_ended() {
        let missing = Known { registry: Registry::NotFound, missing_since: Some(NOW - 60), ..registered(90) };
        let said = Said { every: Duration::from_secs(43_200), ..Said::default() };
        let known = Known { looked_at: Some(NOW), ..missing.clone() };
        assert_eq!(of(&known, said, What::Domain).state, Standing::Ok, "it is asked again first");
        let known = Known { looked_at: Some(NOW + DAY), ..missing };
        assert_eq!(warned(&of(&known, said, What::Domain)), Some((Cause::DomainExpired, None)));
        let off = Said { asks: Asks::No, ..said };
        assert_eq!(warned(&of(&known, off, What::Domain)), None, "nobody is asked");
        let known = Known { registry: Registry::Failed("silent".to_owned()), ..registered(90) };
        assert_eq!(of(&known, Said::default(), What::Domain).state, Standing::Ok, "the last word counts");
    }

    #[test]
    fn holds_and_lost_locks_are_told() {
        let mut known = registered(400);
        assert_eq!(of(&known, Said::default(), What::TransferLock).state, Standing::Ok);
        known.registration.as_mut().unwrap().statuses = vec!["server hold".to_owned()];
        assert_eq!(warned(&of(&known, Said::default(), What::Hold)), Some((Cause::DomainOnHold, None)));
        assert_eq!(
            of(&known, Said::default(), What::TransferLock).warning,
            None,
            "perhaps it never was locked"
        );
        known.was_locked = true;
        assert_eq!(
            warned(&of(&known, Said::default(), What::TransferLock)),
            Some((Cause::DomainUnlocked, None))
        );
    }

    #[test]
    fn name_servers_are_told_by_what_is_worst() {
        let list = |name: &str| vec![name.to_owned()];
        let mut known = Known { looked_at: Some(NOW), ..Known::default() };
        assert_eq!(of(&known, Said::default(), What::NameServers).state, Standing::Unknown);
        let same = |name: &str| Delegation { now: list(name), proven: list(name), ..Delegation::default() };
        known.in_zone = same("ns1.a.example");
        assert_eq!(of(&known, Said::default(), What::NameServers).detail, "ns1.a.example");
        let changed_at = Some(NOW);
        known.at_registry = Delegation { now: list("ns1.b.example"), changed_at, ..same("ns1.a.example") };
        assert_eq!(of(&known, Said::default(), What::NameServers).warning, None, "one look is no look");
        known.looked_at = Some(NOW + 600);
        let changed = of(&known, Said::default(), What::NameServers);
        assert_eq!(warned(&changed), Some((Cause::NameServersChanged, None)));
        assert!(
            changed.detail.starts_with("ns1.b.example instead of ns1.a.example since "),
            "{}",
            changed.detail
        );
        known.gone_since = Some(NOW);
        assert_eq!(warned(&of(&known, Said::default(), What::NameServers)), Some((Cause::ZoneGone, None)));
        known.at_registry.now = list("ns2.sedoparking.com");
        assert_eq!(
            warned(&of(&known, Said::default(), What::NameServers)),
            Some((Cause::NameServersParked, None))
        );
    }

    #[test]
    fn one_bad_moment_of_a_resolver_is_no_news() {
        let at = |looked_at| Known {
            gone_since: Some(NOW),
            broken_since: Some(NOW),
            chain: Chain::Broken,
            looked_at: Some(looked_at),
            ..Known::default()
        };
        for what in [What::NameServers, What::Dnssec] {
            assert_eq!(of(&at(NOW), Said::default(), what).warning, None, "{what:?}");
            assert_eq!(of(&at(NOW + 600), Said::default(), what).state, Standing::Bad, "{what:?}");
        }
    }

    #[test]
    fn a_host_without_addresses_is_not_well() {
        let gone = Delegation {
            changed_at: Some(NOW - 600),
            proven: vec!["192.0.2.1".to_owned()],
            ..Delegation::default()
        };
        let of_host = |seen: &Delegation| {
            let addresses = [("www.example.jp".to_owned(), seen.clone())].into();
            of(
                &Known { addresses, looked_at: Some(NOW), ..Known::default() },
                Said::default(),
                What::Addresses,
            )
        };
        let told = of_host(&gone);
        assert_eq!(warned(&told), Some((Cause::AddressesChanged, None)));
        assert!(told.detail.starts_with("no address instead of 192.0.2.1 since "), "{}", told.detail);
        assert_eq!(of_host(&Delegation { returns: 9, ..gone.clone() }).state, Standing::Bad);
        let moved = Delegation { now: vec!["192.0.2.9".to_owned()], ..gone };
        assert_eq!(of_host(&moved).state, Standing::Bad);
        assert_eq!(of_host(&Delegation { returns: 9, ..moved }).state, Standing::Ok, "a failover in the DNS");
    }

    #[test]
    fn what_was_well_days_ago_is_not_known_to_be() {
        let old = Some(NOW - 4 * DAY);
        let seen =
            Delegation { now: vec!["ns1.a.example".to_owned()], seen_at: old, ..Delegation::default() };
        let addresses = [("www.example.jp".to_owned(), seen.clone())].into();
        let known = Known {
            registered_at: old,
            answered_at: old,
            chain: Chain::Valid { until: None },
            in_zone: seen,
            addresses,
            looked_at: Some(NOW),
            ..registered(400)
        };
        let said = Said { every: Duration::from_secs(43_200), ..Said::default() };
        for one in judge("example.jp", &known, said, time(NOW)) {
            assert_eq!((one.state, one.warning), (Standing::Unknown, None), "{one:?}");
            assert!(one.detail.starts_with("no answer since 20"), "{}", one.detail);
        }
        let rare = Said { every: Duration::from_secs(2 * DAY), ..said };
        for one in judge("example.jp", &known, rare, time(NOW)) {
            assert_eq!(one.state, Standing::Ok, "{one:?}");
        }
        let ends = Said { ends: Some(time(NOW + 5 * DAY)), ..said };
        assert_eq!(
            warned(&of(&known, ends, What::Domain)),
            Some((Cause::DomainExpiring, Some(7))),
            "the owner's"
        );
        let known = Known { registered_at: old, ..registered(20) };
        assert_eq!(of(&known, said, What::Domain).state, Standing::Soon, "a warning stands");
    }

    #[test]
    fn who_is_not_asked_any_more_says_nothing() {
        let known = registered(-3);
        let ends = Some(time(NOW + 400 * DAY));
        let off = Said { asks: Asks::No, ..Said::default() };
        assert_eq!(of(&known, off, What::Domain).state, Standing::Unknown);
        assert_eq!(of(&known, Said { ends, ..off }, What::Domain).state, Standing::Ok);
        let known = Known { registry: Registry::NoService, ..known };
        for what in [What::Domain, What::Hold, What::TransferLock] {
            assert_eq!(of(&known, Said::default(), what).state, Standing::Unknown, "{what:?}");
        }
    }

    #[test]
    fn dnssec_is_told_as_it_is_seen() {
        for (chain, state, cause) in [
            (Chain::Unasked, Standing::Unknown, None),
            (Chain::Unsigned, Standing::Ok, None),
            (Chain::Valid { until: Some(NOW) }, Standing::Ok, None),
            (Chain::Unvalidated, Standing::Unknown, None),
            (Chain::Ending { until: NOW + 1 }, Standing::Soon, Some(Cause::DnssecExpiring)),
            (Chain::Ending { until: NOW }, Standing::Past, Some(Cause::DnssecExpiring)),
            (Chain::Broken, Standing::Bad, Some(Cause::DnssecBroken)),
        ] {
            let known = Known { chain, ..Known::default() };
            let watched = of(&known, Said::default(), What::Dnssec);
            assert_eq!(
                (watched.state, watched.warning.map(|warning| warning.cause)),
                (state, cause),
                "{chain:?}"
            );
        }
    }
}
