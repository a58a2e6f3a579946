//! The limits that a server's connections live under.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::ready::{self, Config};
use crate::descriptors::Use;

/// Connections that the admin server takes at once: a dashboard in every browser of an agency, and its scripts.
const ADMIN_CONNECTIONS: usize = 256;

/// A server's limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections of one client at once; a client is an IPv4 address or an IPv6 /64.
    pub connections_per_client: usize,
    /// Bytes of a request's line and header fields together.
    pub header_size: usize,
    /// From the first byte of a connection or request to the end of its header fields.
    pub header_timeout: Duration,
    /// Without a request, or without a byte moving within one.
    pub idle_timeout: Duration,
    /// Bytes of answers that may wait to be read, of all connections together.
    pub unread: usize,
    /// What the connections' file descriptors are for: who goes without when there are too few.
    pub descriptors: Use,
    /// Networks without a limit per client: behind a trusted proxy stand many visitors.
    pub exempt: Vec<IpNet>,
}

impl Limits {
    /// The limits for visitors.
    pub fn visitors(config: &Config) -> Limits {
        let limits = &config.limits;
        Limits {
            connections: limits.connections,
            connections_per_client: limits.connections_per_client,
            header_size: limits.header_size,
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            unread: usize::try_from(limits.unread).unwrap_or(usize::MAX),
            descriptors: Use::Visitor,
            exempt: config.listen.trusted_proxies.clone(),
        }
    }

    /// The limits for the admin API: seats of its own, the same sizes and times.
    pub fn admin(limits: &ready::Limits) -> Limits {
        Limits {
            connections: ADMIN_CONNECTIONS,
            connections_per_client: ADMIN_CONNECTIONS,
            header_size: limits.header_size,
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            unread: usize::try_from(limits.unread).unwrap_or(usize::MAX),
            descriptors: Use::Upkeep,
            exempt: Vec::new(),
        }
    }

    /// How often the reaper looks: eight times in the shortest limit, so that none is overrun by more than an eighth.
    pub(super) fn tick(&self) -> Duration {
        (self.header_timeout.min(self.idle_timeout) / 8)
            .clamp(Duration::from_millis(5), Duration::from_secs(1))
    }

    /// Whether `address` has no limit of its own.
    pub(super) fn is_exempt(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|net| net.contains(&address))
    }
}
