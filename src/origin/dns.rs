//! Names to addresses. The last good answer stays in use while its name does not resolve (as RFC 8767 does for
//! resolvers), and it is looked up again in the background: a hanging resolver never delays a visitor twice.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use crate::clock;
use crate::config::ready::Dns;
use crate::failure::{Cause, Failure};
use crate::tasks;

const SYSTEM: &str = "/etc/resolv.conf";
/// One query to one server; there are two attempts.
const QUERY: Duration = Duration::from_secs(2);
/// However short the records' life, a name is not asked for more often than this.
const LEAST_TTL: Duration = Duration::from_secs(5);
/// However long it is, a move of the site is noticed within this time.
const MOST_TTL: Duration = Duration::from_secs(300);

/// Resolves the origins' names. Cheap to clone; the names are those of the configuration, so the table is bounded.
#[derive(Clone)]
pub struct Resolver(Arc<Shared>);

struct Shared {
    settings: Dns,
    built: Mutex<Option<Built>>,
    known: Mutex<HashMap<String, Known>>,
}

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
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

impl Resolver {
    /// A resolver that asks as `settings` say. Nothing is looked up yet, so nothing can fail.
    pub fn new(settings: Dns) -> Resolver {
        Resolver(Arc::new(Shared { settings, built: Mutex::new(None), known: Mutex::new(HashMap::new()) }))
    }

    /// What it was made with.
    pub fn settings(&self) -> &Dns {
        &self.0.settings
    }

    /// The addresses of `host`: at once if they are known, even if their time is over (they are then looked up again
    /// in the background). Never empty.
    ///
    /// # Errors
    /// [`Cause::NameNotFound`] if the name does not resolve and did not within the time that last good addresses
    /// are kept.
    pub async fn resolve(&self, host: &str) -> Result<Arc<[IpAddr]>, Failure> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Arc::new([address]));
        }
        if host.eq_ignore_ascii_case("localhost") {
            return Ok(Arc::new([IpAddr::V4(Ipv4Addr::LOCALHOST)])); // RFC 6761 section 6.3
        }
        let now = clock::instant();
        match self.remembered(host, now) {
            Some((addresses, false)) => Ok(addresses),
            Some((addresses, true)) => {
                let this = self.clone();
                let host = host.to_owned();
                tasks::detached(async move {
                    if let Err(failure) = this.look_up(&host).await {
                        tracing::warn!(host, error = %failure, "name does not resolve, last good addresses stay in use");
                    }
                });
                Ok(addresses)
            }
            None => self.look_up(host).await,
        }
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

    async fn look_up(&self, host: &str) -> Result<Arc<[IpAddr]>, Failure> {
        let asked = self.ask(host).await;
        let now = clock::instant();
        let mut known = lock(&self.0.known);
        match asked {
            Ok((addresses, ttl)) => {
                let fresh_until = now + ttl.clamp(LEAST_TTL, MOST_TTL);
                let entry =
                    Known { addresses: addresses.clone(), fresh_until, resolved_at: now, refreshing: false };
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
        let unresolved = |e: Box<dyn std::error::Error + Send + Sync>| {
            Failure::new(Cause::NameNotFound).detail(host.to_owned()).source(e)
        };
        let resolver = self.resolver().map_err(|e| unresolved(Box::new(e)))?;
        let name = format!("{}.", host.trim_end_matches('.')); // as written: search domains are for people
        let found = resolver.lookup_ip(name).await.map_err(|e| unresolved(Box::new(e)))?;
        let addresses: Arc<[IpAddr]> = found.iter().collect();
        if addresses.is_empty() {
            return Err(unresolved("the name has no addresses".into()));
        }
        Ok((addresses, found.valid_until().saturating_duration_since(clock::instant())))
    }

    /// The resolver, built anew when the system's file changed (hickory reads it only once).
    fn resolver(&self) -> Result<TokioResolver, hickory_resolver::net::NetError> {
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

fn adjust(options: &mut ResolverOpts) {
    options.timeout = QUERY;
    options.attempts = 2;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
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
        }
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
