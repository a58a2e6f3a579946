//! Resolving names to addresses. The last good answer stays in use while its name does not resolve (as RFC 8767 does for
//! resolvers), and is refreshed in the background: a hanging resolver never delays a visitor twice.
//!
//! If a name suddenly leads to entirely different addresses, they are only candidates until a check has found the site there:
//! an expired domain leads elsewhere, too, to a parking host.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::{Either, select};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup_ip::LookupIp;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::RecordType;

use tokio::sync::watch;

use crate::clock;
use crate::config::ready::Dns;
use crate::descriptors;
use crate::failure::{Cause, Failure};
use crate::tasks;

const SYSTEM: &str = "/etc/resolv.conf";
/// One query to one server; there are two attempts.
const QUERY: Duration = Duration::from_secs(2);
/// All queries for one name together.
const LOOK_UP: Duration = Duration::from_secs(4);
/// How long an IPv4 address waits for IPv6 ones (RFC 8305 section 3: Resolution Delay).
const DELAY: Duration = Duration::from_millis(50);
/// However short the records' lifetime, a name is not looked up more often than this.
const LEAST_TTL: Duration = Duration::from_secs(5);
/// However long it is, a move of the site is noticed within this time.
const MOST_TTL: Duration = Duration::from_secs(300);
/// A name without an address is not looked up again within this time: requests meanwhile fail at once.
const UNKNOWN: Duration = Duration::from_secs(1);

/// Resolves the origins' names. Cheap to clone; the names are those of the configuration, so the table is bounded.
#[derive(Clone)]
pub struct Resolver(Arc<Shared>);

struct Shared {
    settings: Dns,
    built: Mutex<Option<Built>>,
    known: Mutex<HashMap<String, Known>>,
    /// Names without an address, with their pending lookups.
    unknown: Mutex<HashMap<String, LookUp>>,
}

/// The first lookup of a name, which all who need it wait for together.
struct LookUp {
    outcome: watch::Receiver<Option<Outcome>>,
    /// Once it has failed: when it may be tried again.
    again: Option<Instant>,
}

type Outcome = Result<Arc<[IpAddr]>, (Cause, String)>;

struct Built {
    resolver: TokioResolver,
    /// When the system's file was last changed, as far as this resolver knows it.
    of: Option<SystemTime>,
}

#[derive(Clone)]
struct Known {
    addresses: Arc<[IpAddr]>,
    fresh_until: Instant,
    resolved_at: Instant,
    refreshing: bool,
    /// The candidates: where the name leads now, if none of these addresses is in use.
    candidate: Option<Arc<[IpAddr]>>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

impl Resolver {
    /// A resolver with these settings. It looks nothing up yet, so nothing can fail.
    pub fn new(settings: Dns) -> Resolver {
        Resolver(Arc::new(Shared {
            settings,
            built: Mutex::new(None),
            known: Mutex::default(),
            unknown: Mutex::default(),
        }))
    }

    /// What it was made with.
    pub fn settings(&self) -> &Dns {
        &self.0.settings
    }

    /// The addresses of `host`: at once if they are known, even if their time is over (they are then looked up again
    /// in the background). Never empty.
    ///
    /// # Errors
    /// [`Cause::NameNotFound`], [`Cause::NameServersFail`] or [`Cause::NameServersSilent`] if the name does not resolve and did
    /// not within the time that last good addresses are kept.
    pub async fn resolve(&self, host: &str) -> Result<Arc<[IpAddr]>, Failure> {
        if let Some(address) = fixed(host) {
            return Ok(Arc::new([address]));
        }
        let now = clock::instant();
        match self.remembered(host, now) {
            Some((addresses, false)) => Ok(addresses),
            Some((addresses, true)) => {
                let this = self.clone();
                let host = host.to_owned();
                tasks::detached(async move {
                    if let Err(failure) = this.look_up(&host).await {
                        tracing::warn!(host, error = %failure, "name does not resolve, using the last good addresses");
                    }
                });
                Ok(addresses)
            }
            None => self.first(host, now).await,
        }
    }

    /// Waits for the first lookup of a name, which continues when a waiting request gives up.
    async fn first(&self, host: &str, now: Instant) -> Result<Arc<[IpAddr]>, Failure> {
        let mut outcome = self.looking_up(host, now);
        let told = outcome.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
        let silent = || Err((Cause::NameServersSilent, host.to_owned()));
        told.unwrap_or_else(silent).map_err(|(cause, detail)| Failure::new(cause).detail(detail))
    }

    fn looking_up(&self, host: &str, now: Instant) -> watch::Receiver<Option<Outcome>> {
        let mut unknown = lock(&self.0.unknown);
        if let Some(running) = unknown.get(host)
            && running.again.is_none_or(|again| now < again)
            && (running.again.is_some() || running.outcome.has_changed().is_ok())
        {
            return running.outcome.clone();
        }
        let (tell, outcome) = watch::channel(None);
        unknown.insert(host.to_owned(), LookUp { outcome: outcome.clone(), again: None });
        let (this, host) = (self.clone(), host.to_owned());
        tasks::detached(async move {
            let found = this.look_up(&host).await.map_err(|failure| (failure.cause, chain(&failure)));
            let mut unknown = lock(&this.0.unknown);
            match (&found, unknown.get_mut(&host)) {
                (Err(_), Some(entry)) => entry.again = Some(clock::instant() + UNKNOWN),
                (Ok(_), Some(_)) => drop(unknown.remove(&host)),
                (_, None) => {}
            }
            tell.send_replace(Some(found));
        });
        outcome
    }

    /// The addresses that are known and may still be used, and whether the caller is to refresh them.
    fn remembered(&self, host: &str, now: Instant) -> Option<(Arc<[IpAddr]>, bool)> {
        let mut known = lock(&self.0.known);
        let entry = known.get_mut(host)?;
        if now > entry.resolved_at + self.0.settings.keep_last_good && now > entry.fresh_until {
            known.remove(host);
            return None;
        }
        let refresh = now > entry.fresh_until && !entry.refreshing;
        entry.refreshing |= refresh;
        Some((entry.addresses.clone(), refresh))
    }

    /// Where the name leads now, if these addresses are not in use yet.
    pub fn candidate(&self, host: &str) -> Option<Arc<[IpAddr]>> {
        lock(&self.0.known).get(host)?.candidate.clone()
    }

    /// Uses these addresses from now on.
    pub fn follow(&self, host: &str, addresses: &Arc<[IpAddr]>) {
        if let Some(entry) = lock(&self.0.known).get_mut(host) {
            entry.addresses = addresses.clone();
            // it may lead to a third place by now
            entry.candidate.take_if(|candidate| candidate == addresses);
        }
    }

    /// The addresses in use, as far as they are known without a look-up.
    pub fn in_use(&self, host: &str) -> Vec<IpAddr> {
        match fixed(host) {
            Some(address) => vec![address],
            None => lock(&self.0.known).get(host).map_or_else(Vec::new, |entry| entry.addresses.to_vec()),
        }
    }

    /// Whether connecting needs no look-up.
    pub fn is_known(&self, host: &str) -> bool {
        fixed(host).is_some() || lock(&self.0.known).contains_key(host)
    }

    async fn look_up(&self, host: &str) -> Result<Arc<[IpAddr]>, Failure> {
        let asked = self.ask(host).await;
        let now = clock::instant();
        let mut known = lock(&self.0.known);
        match asked {
            Ok((addresses, ttl)) => {
                let fresh_until = now + ttl.clamp(LEAST_TTL, MOST_TTL);
                let before = known.get(host).map(|entry| entry.addresses.clone());
                let entry = Known {
                    addresses: addresses.clone(),
                    fresh_until,
                    resolved_at: now,
                    refreshing: false,
                    candidate: None,
                };
                let entry = match before {
                    Some(before) if moved(&before, &addresses) => {
                        Known { addresses: before, candidate: Some(addresses), ..entry }
                    }
                    Some(_) | None => entry,
                };
                let addresses = entry.addresses.clone();
                known.insert(host.to_owned(), entry);
                Ok(addresses)
            }
            Err(failure) => {
                if let Some(entry) = known.get_mut(host) {
                    entry.refreshing = false;
                    entry.fresh_until = now + LEAST_TTL; // asked again then, not by every connection
                }
                Err(failure)
            }
        }
    }

    async fn ask(&self, host: &str) -> Result<(Arc<[IpAddr]>, Duration), Failure> {
        let unresolved = |e: NetError| Failure::new(cause(&e)).detail(host.to_owned()).source(e);
        let resolver = self.resolver().map_err(unresolved)?;
        let name = format!("{}.", host.trim_end_matches('.')); // as written: search domains are for people
        let of = |kind| records(&resolver, name.clone(), kind);
        let both = both(of(RecordType::A), of(RecordType::AAAA));
        let Ok(found) = tokio::time::timeout(LOOK_UP, both).await else {
            return Err(Failure::new(Cause::NameServersSilent).detail(host.to_owned()));
        };
        let (addresses, valid_until) = found.map_err(unresolved)?;
        if addresses.is_empty() {
            return Err(Failure::new(Cause::NameNotFound).detail(format!("{host} has no addresses")));
        }
        Ok((addresses.into(), valid_until.saturating_duration_since(clock::instant())))
    }

    /// The resolver, rebuilt when the system's file changes (hickory reads it only once).
    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let of = if self.0.settings.nameservers.is_empty() {
            std::fs::metadata(SYSTEM).and_then(|m| m.modified()).ok()
        } else {
            None
        };
        let mut built = lock(&self.0.built);
        if let Some(built) = built.as_ref().filter(|built| built.of == of) {
            return Ok(built.resolver.clone());
        }
        let mut builder = if self.0.settings.nameservers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let servers = self.0.settings.nameservers.iter().map(|&at| name_server(at)).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        adjust(builder.options_mut());
        let resolver = builder.build()?;
        *built = Some(Built { resolver: resolver.clone(), of });
        Ok(resolver)
    }
}

/// Addresses, and until when they are good.
type Found = (Vec<IpAddr>, Instant);

/// A name's records of one kind.
async fn records(resolver: &TokioResolver, name: String, kind: RecordType) -> Result<Found, NetError> {
    let found = LookupIp::from(resolver.lookup(name, kind).await?);
    Ok((found.iter().collect(), found.valid_until()))
}

/// The addresses of both kinds, queried at once. Some name servers never answer AAAA queries: with an IPv4 address at hand, do
/// not wait for them (RFC 8305 section 3). Without one, wait: the silent server's answer might be all there is.
async fn both<E>(
    v4: impl Future<Output = Result<Found, E>>,
    v6: impl Future<Output = Result<Found, E>>,
) -> Result<Found, E> {
    let (v4, v6) = (std::pin::pin!(v4), std::pin::pin!(v6));
    let (v4, v6) = match select(v4, v6).await {
        Either::Left((Ok(v4), v6)) if !v4.0.is_empty() => match tokio::time::timeout(DELAY, v6).await {
            Ok(v6) => (Ok(v4), v6),
            Err(_) => return Ok(v4),
        },
        Either::Left((v4, v6)) => (v4, v6.await),
        Either::Right((v6, v4)) => (v4.await, v6),
    };
    match (v4, v6) {
        (Ok((mut addresses, until)), Ok((more, other))) => {
            addresses.extend(more);
            Ok((addresses, until.min(other)))
        }
        (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
        (Err(v4), Err(_)) => Err(v4),
    }
}

/// The address that a host is itself, or always has.
fn fixed(host: &str) -> Option<IpAddr> {
    let own = || {
        // RFC 6761 section 6.3
        host.eq_ignore_ascii_case("localhost").then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))
    };
    host.parse::<IpAddr>().ok().or_else(own)
}

/// A failure with what brought it about, as a text.
fn chain(failure: &Failure) -> String {
    match &failure.source {
        Some(source) => format!("{}: {source}", failure.detail.as_deref().unwrap_or_default()),
        None => failure.detail.clone().unwrap_or_default(),
    }
}

/// Whether none of the addresses was in use before.
fn moved(before: &[IpAddr], now: &[IpAddr]) -> bool {
    !now.iter().any(|address| before.contains(address))
}

/// Why a name has no address.
fn cause(error: &NetError) -> Cause {
    if matches!(error, NetError::Io(error) if descriptors::is_want(error)) {
        Cause::DescriptorsOut
    } else if error.is_nx_domain() || error.is_no_records_found() {
        Cause::NameNotFound
    } else if matches!(error, NetError::Dns(DnsError::ResponseCode(_))) {
        Cause::NameServersFail
    } else {
        Cause::NameServersSilent
    }
}

fn adjust(options: &mut ResolverOpts) {
    options.timeout = QUERY;
    options.attempts = 2;
    options.use_hosts_file = ResolveHosts::Auto;
    options.cache_size = 0; // this file is the cache
}

fn name_server(at: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = at.port();
    }
    NameServerConfig::new(at.ip(), true, connections)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver() -> Resolver {
        Resolver::new(Dns {
            nameservers: vec!["127.0.0.1:1".parse().unwrap()],
            keep_last_good: Duration::from_secs(3600),
        })
    }

    fn known(fresh_until: Instant, resolved_at: Instant) -> Known {
        Known {
            addresses: Arc::new([IpAddr::V4(Ipv4Addr::LOCALHOST)]),
            fresh_until,
            resolved_at,
            refreshing: false,
            candidate: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_does_not_wait_for_servers_that_never_say_whether_there_is_another() {
        let until = clock::instant() + Duration::from_secs(60);
        let (v4, v6) = ("192.0.2.1".parse::<IpAddr>().unwrap(), "2001:db8::1".parse::<IpAddr>().unwrap());
        // (milliseconds until the answer about A, the answer; the same about AAAA; what comes of it, and when)
        let (none, bad) = (Ok(vec![]), Err("fails"));
        let never = 1_000_000;
        for (a, aaaa, expected, after) in [
            ((10, Ok(vec![v4])), (20, Ok(vec![v6])), Ok(vec![v4, v6]), 20),
            ((10, Ok(vec![v4])), (never, none.clone()), Ok(vec![v4]), 60),
            ((10, Ok(vec![v4])), (70, Ok(vec![v6])), Ok(vec![v4]), 60),
            ((30, Ok(vec![v4])), (10, Ok(vec![v6])), Ok(vec![v4, v6]), 30),
            ((30, Ok(vec![v4])), (10, bad.clone()), Ok(vec![v4]), 30),
            ((10, none.clone()), (500, Ok(vec![v6])), Ok(vec![v6]), 500),
            ((10, bad.clone()), (500, Ok(vec![v6])), Ok(vec![v6]), 500),
            ((10, bad), (20, Err("fails, too")), Err("fails"), 20),
        ] {
            let answer = |(ms, records): (u64, Result<Vec<IpAddr>, &'static str>)| async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                records.map(|addresses| (addresses, until))
            };
            let begun = tokio::time::Instant::now();
            let found = both(answer(a.clone()), answer(aaaa.clone())).await.map(|(addresses, _)| addresses);
            let took = begun.elapsed().as_millis() as u64;
            assert!(
                found == expected && took.abs_diff(after) <= 1,
                "{a:?} {aaaa:?}: {found:?} after {took} ms"
            );
        }
    }

    #[test]
    fn a_name_has_moved_when_nothing_is_as_it_was() {
        let addresses = |all: &[&str]| all.iter().map(|a| a.parse().unwrap()).collect::<Vec<IpAddr>>();
        let before = addresses(&["192.0.2.1", "2001:db8::1"]);
        assert!(!moved(&before, &addresses(&["192.0.2.9", "2001:db8::1"])));
        assert!(!moved(&before, &before));
        assert!(moved(&before, &addresses(&["198.51.100.7"])));
    }

    #[test]
    fn another_place_is_used_once_it_is_followed() {
        let now = clock::instant();
        let resolver = resolver();
        let [there, third]: [Arc<[IpAddr]>; 2] =
            ["192.0.2.1", "192.0.2.2"].map(|a| Arc::from([a.parse::<IpAddr>().unwrap()]));
        let moved = Known { candidate: Some(there.clone()), ..known(now, now) };
        lock(&resolver.0.known).insert("a".into(), moved);
        let used = || resolver.remembered("a", now).unwrap().0;
        assert_eq!((used()[0], resolver.candidate("a")), (Ipv4Addr::LOCALHOST.into(), Some(there.clone())));
        resolver.follow("a", &there);
        assert_eq!((used(), resolver.candidate("a")), (there.clone(), None));
        if let Some(known) = lock(&resolver.0.known).get_mut("a") {
            known.candidate = Some(third.clone());
        }
        resolver.follow("a", &there);
        assert_eq!(resolver.candidate("a"), Some(third), "it has moved on in the meantime");
    }

    #[tokio::test]
    async fn addresses_need_no_server() {
        assert_eq!(resolver().resolve("::1").await.unwrap()[0].to_string(), "::1");
        assert_eq!(resolver().resolve("localhost").await.unwrap()[0].to_string(), "127.0.0.1");
    }

    #[test]
    fn what_is_over_is_given_at_once_and_refreshed_by_one() {
        let now = clock::instant();
        let resolver = resolver();
        let old = known(now, now);
        lock(&resolver.0.known).insert("a".into(), old);
        let later = now + Duration::from_secs(60);
        assert!(matches!(resolver.remembered("a", later), Some((_, true))));
        assert!(matches!(resolver.remembered("a", later), Some((_, false))));
    }

    #[test]
    fn last_good_addresses_are_kept_as_configured() {
        let now = clock::instant();
        let resolver = resolver();
        lock(&resolver.0.known).insert("a".into(), known(now, now));
        assert!(resolver.remembered("a", now + Duration::from_secs(3601)).is_none());
        assert!(lock(&resolver.0.known).is_empty());
    }
}
