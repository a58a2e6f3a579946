//! What is known of a domain, in words and warnings.

use std::time::SystemTime;

use super::deadline::{Deadline, deadline, in_days};
use super::dnssec::Chain;
use super::ledger::{Delegation, Known, Registry, time};
use super::parking::parked;
use super::{Standing, Watched, What};
use crate::failure::Cause;
use crate::snapshot::rfc3339;

/// What the configuration says of a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// When its owner says that it ends, in case the registry does not.
    pub ends: Option<SystemTime>,
    /// Whether registries are asked at all.
    pub asks: Asks,
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
    let mut all = vec![
        end(domain, known, said, now),
        hold(domain, known, said).checked_at(at_registry),
        lock(domain, known, said).checked_at(at_registry),
        name_servers(domain, known).checked_at(by_name.max(at_registry)),
        dnssec(domain, known.chain).checked_at(by_name),
    ];
    let hosts = known.addresses.iter();
    all.extend(hosts.map(|(host, servers)| addresses(host, servers, known.looked_at).checked_at(by_name)));
    all
}

fn addresses(host: &str, seen: &Delegation, looked_at: Option<u64>) -> Watched {
    let told = |state, detail: String| Watched::new(What::Addresses, host, state, detail);
    match seen.change() {
        // seen twice: a name server that was asked in between may have been late
        Some((before, now, since)) if looked_at > Some(since) => {
            let (now, before) = (now.join(", "), before.join(", "));
            let detail = format!("{now} instead of {before} since {}", rfc3339(time(since)));
            told(Standing::Bad, detail).warn(Cause::AddressesChanged, None)
        }
        _ if seen.now.is_empty() => told(Standing::Unknown, "no address so far".to_owned()),
        _ => told(Standing::Ok, seen.now.join(", ")),
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
    if known.is_forgotten() {
        let detail = "the registry does not know it any more";
        let told = Watched::new(What::Domain, domain, Standing::Past, detail);
        return told.checked_at(known.looked_at.map(time)).warn(Cause::DomainExpired, None);
    }
    let of_registry = known.registration.as_ref().and_then(|found| found.expires).map(time);
    let (end, by) = match (of_registry, said.ends) {
        (Some(end), _) => (end, ""),
        (None, Some(end)) => (end, ", as its owner says"),
        (None, None) => {
            let told = unknown(What::Domain, domain, known, said);
            let is_pending = matches!(known.registry, Registry::Unasked | Registry::Failed(_));
            let detail = if is_pending && said.asks == Asks::Yes {
                told.detail
            } else {
                format!("{}; write the day as domain_ends in [site.watch]", told.detail)
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
        Deadline::Far => told(Standing::Ok, format!("ends {date}{by}")),
        Deadline::Near { days, step } => {
            let detail = format!("ends {date} ({}){by}", in_days(days));
            told(Standing::Soon, detail).warn(Cause::DomainExpiring, Some(step))
        }
        Deadline::Over => told(Standing::Past, format!("ended {date}{by}")).warn(Cause::DomainExpired, None),
    }
}

fn hold(domain: &str, known: &Known, said: Said) -> Watched {
    let Some(found) = &known.registration else { return unknown(What::Hold, domain, known, said) };
    let holds = found.holds();
    if holds.is_empty() {
        return Watched::new(What::Hold, domain, Standing::Ok, "not held back");
    }
    let detail = format!("the registry says: {}", holds.join(", "));
    Watched::new(What::Hold, domain, Standing::Bad, detail).warn(Cause::DomainOnHold, None)
}

fn lock(domain: &str, known: &Known, said: Said) -> Watched {
    let Some(found) = &known.registration else { return unknown(What::TransferLock, domain, known, said) };
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
        return told(Standing::Bad, detail).warn(Cause::NameServersParked, None);
    }
    if let Some(since) = known.gone_since {
        let detail = format!("no name server answers for it since {}", rfc3339(time(since)));
        return told(Standing::Bad, detail).warn(Cause::ZoneGone, None);
    }
    if let Some((before, now, since)) = both.iter().find_map(|servers| servers.change()) {
        let detail =
            format!("{} instead of {} since {}", now.join(", "), before.join(", "), rfc3339(time(since)));
        return told(Standing::Bad, detail).warn(Cause::NameServersChanged, None);
    }
    let is_told = |servers: &&&Delegation| !servers.now.is_empty();
    match [&known.in_zone, &known.at_registry].iter().find(is_told) {
        Some(servers) => told(Standing::Ok, servers.now.join(", ")),
        None if known.looked_at.is_none() => told(Standing::Unknown, "not checked yet".to_owned()),
        None => told(Standing::Unknown, "no name server has answered".to_owned()),
    }
}

fn dnssec(domain: &str, chain: Chain) -> Watched {
    let told = |state, detail: &str| Watched::new(What::Dnssec, domain, state, detail);
    match chain {
        Chain::Unasked => told(Standing::Unknown, "not checked yet, or no name server has answered"),
        Chain::Unsigned => told(Standing::Ok, "not signed"),
        Chain::Valid { until } => told(Standing::Ok, "signed and valid").until(until.map(time)),
        Chain::Ending { until } => {
            told(Standing::Soon, &format!("its signatures end {}", rfc3339(time(until))))
                .until(Some(time(until)))
                .warn(Cause::DnssecExpiring, None)
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
    use super::super::registration::Registration;
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
            let known = Known { registry, ..Known::default() };
            for what in [What::Domain, What::Hold, What::TransferLock] {
                let watched = of(&known, Said::default(), what);
                assert_eq!((watched.state, watched.warning), (Standing::Unknown, None), "{known:?}");
                assert!(what != What::Domain || watched.detail.contains(words), "{}", watched.detail);
            }
        }
        let off = of(&Known::default(), Said { asks: Asks::No, ends: None }, What::Domain);
        assert!(off.detail.contains("\"rdap\" is off; write"), "{}", off.detail);
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
        let known = Known { registry: Registry::NotFound, failures: 1, ..registered(90) };
        assert_eq!(of(&known, Said::default(), What::Domain).state, Standing::Ok, "it is asked again first");
        let known = Known { failures: 2, ..known };
        assert_eq!(warned(&of(&known, Said::default(), What::Domain)), Some((Cause::DomainExpired, None)));
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
        known.in_zone =
            Delegation { now: list("ns1.a.example"), proven: list("ns1.a.example"), changed_at: None };
        assert_eq!(of(&known, Said::default(), What::NameServers).detail, "ns1.a.example");
        known.at_registry =
            Delegation { now: list("ns1.b.example"), proven: list("ns1.a.example"), changed_at: Some(NOW) };
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
    fn dnssec_is_told_as_it_is_seen() {
        for (chain, state, cause) in [
            (Chain::Unasked, Standing::Unknown, None),
            (Chain::Unsigned, Standing::Ok, None),
            (Chain::Valid { until: Some(NOW) }, Standing::Ok, None),
            (Chain::Unvalidated, Standing::Unknown, None),
            (Chain::Ending { until: NOW }, Standing::Soon, Some(Cause::DnssecExpiring)),
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
