//! Looking at a domain: its registry is asked, and its name servers.

use std::net::SocketAddr;

use super::client::Reader;
use super::delegation::Site;
use super::dnssec::{self, Replies};
use super::domain::candidates;
use super::ledger::{Known, seconds};
use super::question::{self, Checking, Code, Kind, Reply};
use super::rdap::{Asked, Registries};
use crate::clock::Now;

/// Hosts of a domain whose addresses are looked up, and addresses of each.
const MOST_HOSTS: usize = 8;
const MOST_ADDRESSES: usize = 16;

/// Who asks, and whom.
pub struct Observer<'a> {
    /// For documents.
    pub reader: &'a Reader,
    /// The registries; `None`: they are not to be asked.
    pub registries: Option<&'a Registries>,
    /// The name servers.
    pub servers: Vec<SocketAddr>,
}

impl Observer<'_> {
    /// The domain that a host is in: of the names above it the first that the registry has; where registries cannot be asked,
    /// where the zone begins. `None`: nobody has told for sure, and what is told in a bad moment would stay.
    pub async fn domain_of(&self, host: &str, now: Now) -> Option<String> {
        let names = candidates(host);
        let mut replies = Vec::new();
        for name in &names {
            let reply = self.ask(name, Kind::Ns, Checking::Off).await;
            let is_last = ends_walk(reply.as_ref());
            replies.push(reply);
            if is_last {
                break;
            }
        }
        let zone = zone_of(&names, &replies);
        let Some(registries) = self.registries else { return zone.cloned() };
        let from = zone.and_then(|zone| names.iter().position(|name| name == zone)).unwrap_or(0);
        let mut asked = Vec::new();
        for name in &names[from..] {
            asked.push(registries.ask(name, self.reader, now).await);
            if !matches!(asked.last(), Some(Asked::NotFound | Asked::NoName(_))) {
                break;
            }
        }
        registered(&names[from..], asked.last(), zone, asked.len()).cloned()
    }

    async fn ask(&self, name: &str, kind: Kind, checking: Checking) -> Option<Reply> {
        question::ask(&self.servers, name, kind, checking).await
    }

    /// Looks at a domain, of which this is known so far, and at where these hosts of it lead.
    pub async fn look(
        &self,
        domain: &str,
        known: &mut Known,
        (site, hosts): (Site, &[(String, Site)]),
        now: Now,
    ) {
        let unix = seconds(now.wall);
        let registry = async {
            match self.registries {
                Some(registries) => Some(registries.ask(domain, self.reader, now).await),
                None => None,
            }
        };
        let (asked, servers, replies) =
            tokio::join!(registry, self.ask(domain, Kind::Ns, Checking::Off), self.chain(domain));
        match asked {
            Some(asked) => known.registry_said(asked, site, unix),
            None => known.failures = 0,
        }
        if let Some(reply) = &servers {
            if reply.code != Code::Failed {
                known.answered_at = Some(unix);
            }
            known.in_zone.observe(&reply.hosts, site, unix);
            let is_gone = !known.in_zone.proven.is_empty() && is_gone(reply, replies.unchecked.as_ref());
            known.gone_since = is_gone.then(|| known.gone_since.unwrap_or(unix));
        }
        known.addresses.retain(|host, _| hosts.iter().any(|(watched, _)| watched == host));
        for (host, site) in hosts.iter().take(MOST_HOSTS) {
            let seen = known.addresses.entry(host.clone()).or_default();
            if let Some(addresses) = self.addresses(host).await {
                seen.observe_some(&addresses, *site, unix);
            }
        }
        let at_registry = known.registration.as_ref().and_then(|found| found.is_signed);
        let chain = dnssec::judge(&replies, at_registry, unix);
        // what nobody has answered this time is as it was
        if chain != dnssec::Chain::Unasked {
            (known.chain, known.chain_at) = (chain, Some(unix));
            let is_broken = chain == dnssec::Chain::Broken;
            known.broken_since = is_broken.then(|| known.broken_since.unwrap_or(unix));
        }
        known.looked_at = Some(unix);
    }

    /// Where a host leads; `None`: nobody knows, which is no news.
    async fn addresses(&self, host: &str) -> Option<Vec<String>> {
        let of = |kind| self.ask(host, kind, Checking::Off);
        let (v4, v6) = tokio::join!(of(Kind::A), of(Kind::Aaaa));
        addresses(v4, v6)
    }

    async fn chain(&self, domain: &str) -> Replies {
        let checked = self.ask(domain, Kind::Soa, Checking::On).await;
        let has_failed =
            |reply: &Option<Reply>| reply.as_ref().is_some_and(|reply| reply.code == Code::Failed);
        let unchecked = self.ask(domain, Kind::Soa, Checking::Off).await;
        // what has failed once may have been slow
        let checked =
            if has_failed(&checked) { self.ask(domain, Kind::Soa, Checking::On).await } else { checked };
        let keys = self.ask(domain, Kind::Ds, Checking::Off).await;
        Replies { checked, unchecked, keys }
    }
}

/// Whether the walk up the names ends here: where a zone begins, or where what is above says nothing of the host.
fn ends_walk(reply: Option<&Reply>) -> bool {
    reply.is_none_or(|reply| reply.code != Code::Fine || !reply.hosts.is_empty())
}

/// Where the zone of the first of these names begins, by the replies to the walk up: only above names that are there.
fn zone_of<'a>(names: &'a [String], replies: &[Option<Reply>]) -> Option<&'a String> {
    let last = replies.last()?.as_ref().filter(|reply| reply.code == Code::Fine && !reply.hosts.is_empty());
    last.and(names.get(replies.len() - 1))
}

/// Which of the names is the domain, by the registry's last word, after so many questions.
fn registered<'a>(
    names: &'a [String],
    last: Option<&Asked>,
    zone: Option<&'a String>,
    asked: usize,
) -> Option<&'a String> {
    match last? {
        Asked::Found(_) => names.get(asked.checked_sub(1)?),
        // it has none of them, or there is nobody to ask: the zone is what is known
        Asked::NotFound | Asked::NoName(_) | Asked::NoService => zone,
        Asked::Failed(_) => None,
    }
}

/// The addresses of both kinds. Only if both were answered, none are none.
fn addresses(v4: Option<Reply>, v6: Option<Reply>) -> Option<Vec<String>> {
    let replies = [v4, v6];
    let is_whole = replies.iter().all(|reply| reply.as_ref().is_some_and(|reply| reply.code != Code::Failed));
    let mut all: Vec<String> = replies.into_iter().flatten().flat_map(|reply| reply.hosts).collect();
    all.truncate(MOST_ADDRESSES);
    (is_whole || !all.is_empty()).then_some(all)
}

/// Whether the name servers do not answer for the zone: there is no such name or zone, or two questions have failed.
fn is_gone(servers: &Reply, zone: Option<&Reply>) -> bool {
    match servers.code {
        Code::NoName => true,
        Code::Failed => zone.is_some_and(|zone| zone.code == Code::Failed),
        Code::Fine => {
            let has_none = |reply: &Reply| reply.code == Code::Fine && reply.records == 0;
            has_none(servers) && zone.is_some_and(has_none)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: Code, hosts: &[&str]) -> Option<Reply> {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        Some(Reply { code, is_validated: false, records: hosts.len(), hosts, signed: None })
    }

    fn at(names: &[String], replies: &[Option<Reply>]) -> Option<String> {
        let walk =
            replies.iter().position(|reply| ends_walk(reply.as_ref())).map_or(replies.len(), |n| n + 1);
        zone_of(names, &replies[..walk]).cloned()
    }

    #[test]
    fn a_bad_moment_makes_no_host_part_of_a_public_suffix() {
        let names = candidates("www.example.co.uk");
        let (none, zone) = (|| reply(Code::Fine, &[]), || reply(Code::Fine, &["ns1.example.net"]));
        for (replies, expected) in [
            (vec![none(), zone(), zone()], Some("example.co.uk")),
            (vec![none(), reply(Code::Failed, &[]), zone()], None),
            (vec![none(), None, zone()], None),
            (vec![none(), reply(Code::NoName, &[]), zone()], None),
            (vec![reply(Code::NoName, &[]), reply(Code::NoName, &[]), zone()], None),
            (vec![none(), none(), none()], None),
        ] {
            assert_eq!(at(&names, &replies).as_deref(), expected, "{replies:?}");
        }
    }

    #[test]
    fn a_registry_that_fails_settles_nothing() {
        let names = candidates("www.example.com");
        let zone = Some(&names[0]);
        let failed = Asked::Failed("x".to_owned());
        assert_eq!(registered(&names, Some(&failed), zone, 1), None);
        assert_eq!(registered(&names, Some(&Asked::NoService), zone, 1), zone);
        assert_eq!(registered(&names, Some(&Asked::NotFound), None, 2), None, "nor a name that nobody has");
        let found = Asked::Found(Default::default());
        assert_eq!(registered(&names, Some(&found), zone, 2), Some(&names[1]));
    }

    #[test]
    fn no_address_is_told_apart_from_no_answer() {
        let none = || reply(Code::Fine, &[]);
        let no_name = || reply(Code::NoName, &[]);
        let failed = || reply(Code::Failed, &[]);
        assert_eq!(addresses(no_name(), no_name()), Some(Vec::new()));
        assert_eq!(addresses(none(), none()), Some(Vec::new()));
        assert_eq!(addresses(none(), failed()), None);
        assert_eq!(addresses(None, none()), None);
        assert_eq!(
            addresses(reply(Code::Fine, &["192.0.2.1"]), failed()),
            Some(vec!["192.0.2.1".to_owned()])
        );
    }

    #[test]
    fn a_zone_is_gone_when_nothing_is_left_of_it() {
        let [none, some, no_name, failed] = [
            reply(Code::Fine, &[]),
            reply(Code::Fine, &["ns1.example.net"]),
            reply(Code::NoName, &[]),
            reply(Code::Failed, &[]),
        ];
        for (servers, zone, expected) in [
            (&some, &some, false),
            (&no_name, &none, true),
            (&failed, &failed, true),
            (&failed, &some, false),
            (&none, &none, true),
            (&none, &some, false),
            (&none, &None, false),
        ] {
            assert_eq!(is_gone(servers.as_ref().unwrap(), zone.as_ref()), expected, "{servers:?} {zone:?}");
        }
    }
}
