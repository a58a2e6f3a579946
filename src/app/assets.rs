//! Files from other hosts, for the crawler: over a connection of their own, to an address that the world can see.
//!
//! The configuration lists the hosts, but whoever holds a host's name decides where it leads. A name that leads into
//! a network of ours is refused, or a page could have the crawler fetch what only we can reach; only an address that
//! stands in the list itself is taken at its word. The address that was judged is the one that is connected to, so
//! that a name cannot change its mind in between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use rustls::ClientConfig;

use crate::config::ready::OriginUrl;
use crate::crawl::FetchAsk;
use crate::descriptors::Use;
use crate::failure::{Cause, Failure};
use crate::http::Body;
use crate::origin::Tools;
use crate::origin::connect::connect;
use crate::origin::exchange::{AnswerBody, Connection};
use crate::tasks;

/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 3;

/// The way to other hosts. Trust in their certificates is the system's, read once.
#[derive(Default)]
pub(super) struct Hosts {
    trust: OnceLock<Arc<ClientConfig>>,
}

impl Hosts {
    /// Asks the host that `ask` names; `wait` bounds the time to the answer's header fields, and each silence in its
    /// body. Where nobody listens for TLS, the plain port is asked; a certificate that is not trusted ends the matter.
    ///
    /// # Errors
    /// What stood in the way; [`Cause::PrivateAddress`] if the name leads to where only we can go.
    pub(super) async fn fetch(
        &self,
        ask: FetchAsk,
        tools: &Tools,
        wait: Duration,
    ) -> Result<Response<Body>, Failure> {
        let work = async {
            match self.once(&ask, ask.tls, tools, wait).await {
                Err(failure) if failure.cause == Cause::Refused && ask.tls && port(&ask.host).is_none() => {
                    self.once(&ask, false, tools, wait).await
                }
                answered => answered,
            }
        };
        match tokio::time::timeout(wait, work).await {
            Ok(answered) => answered,
            Err(_) => Err(Failure::new(Cause::Silent).detail(ask.host.clone())),
        }
    }

    async fn once(
        &self,
        ask: &FetchAsk,
        tls: bool,
        tools: &Tools,
        stall: Duration,
    ) -> Result<Response<Body>, Failure> {
        let malformed = |e: http::Error| Failure::new(Cause::Malformed).detail(ask.target.clone()).source(e);
        let mut request = Request::get(ask.target.as_str()).body(Body::Empty).map_err(malformed)?;
        *request.headers_mut() = ask.headers.clone();
        let host = HeaderValue::from_str(&ask.host).map_err(|e| malformed(e.into()))?;
        request.headers_mut().insert(header::HOST, host);
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        let connection = self.connect(&ask.host, tls, tools).await?;
        let (answer, connection) =
            connection.ask(Box::new(request)).await.map_err(|unanswered| unanswered.failure)?;
        Ok(answer.map(|incoming| Body::stream(AnswerBody::read_once(incoming, connection, stall))))
    }

    async fn connect(&self, host: &str, tls: bool, tools: &Tools) -> Result<Connection, Failure> {
        let name = name(host);
        let port = port(host).unwrap_or(if tls { 443 } else { 80 });
        let trust = if tls { Some(self.trust(tools).await?) } else { None };
        let mut last = Failure::new(Cause::NameNotFound).detail(name.to_owned());
        let literal = name.parse::<IpAddr>().is_ok() || name == "localhost";
        // Nobody checks these hosts, and their files come by TLS: they are followed wherever they go.
        if let Some(moved) = tools.resolver.candidate(name) {
            tools.resolver.follow(name, &moved);
        }
        for address in tools.resolver.resolve(name).await?.iter().take(MOST_ADDRESSES) {
            if !literal && !is_public(*address) {
                let detail = format!(
                    "{name} leads to {address}, which is not public; write the address into asset_hosts if it is meant"
                );
                last = Failure::new(Cause::PrivateAddress).detail(detail);
                continue;
            }
            let url = OriginUrl { tls, host: address.to_string(), port };
            match connect(&url, &[*address], name, trust.as_ref(), Use::Request).await {
                Ok(io) => return Connection::open(io, tools.header_size).await,
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    async fn trust(&self, tools: &Tools) -> Result<Arc<ClientConfig>, Failure> {
        if let Some(trust) = self.trust.get() {
            return Ok(trust.clone());
        }
        let make = tools.client_tls;
        let made = tasks::blocking(move || make(None, &[])).await.ok_or(Failure::new(Cause::Internal))?;
        let made = made.map_err(|error| Failure::new(Cause::CertificateUntrusted).detail(error))?;
        Ok(self.trust.get_or_init(|| made.config).clone())
    }
}

/// The host without its port and brackets.
fn name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or(address),
        None => host.split(':').next().unwrap_or(host),
    }
}

fn port(host: &str) -> Option<u16> {
    let rest = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    rest.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
}

/// Whether an address is one of the public internet (the IANA registries of special-purpose addresses).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // shared between a provider's customers (RFC 6598), benchmarks (RFC 2544), protocols (RFC 6890)
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b))
        || (a, b, c) == (192, 0, 0))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    // An IPv4 address in one of its disguises: mapped, compatible, NAT64 (RFC 6052), 6to4 (RFC 3056).
    let inner = match s {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))),
        _ => None,
    };
    if let Some(inner) = inner {
        return is_public_v4(inner);
    }
    !(address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        // unique local (RFC 4193), link-local, site-local (RFC 3879), local NAT64 (RFC 8215)
        || s[0] & 0xfe00 == 0xfc00
        || s[0] & 0xff80 == 0xfe80
        || (s[0], s[1], s[2]) == (0x64, 0xff9b, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_world_can_see_is_public() {
        for (address, public) in [
            ("8.8.8.8", true),
            ("203.0.113.7", true),
            ("100.63.0.1", true),
            ("172.32.0.1", true),
            ("2606:4700::1111", true),
            ("64:ff9b::808:808", true),
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("192.168.0.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("224.0.0.1", false),
            ("198.18.0.1", false),
            ("::", false),
            ("::1", false),
            ("::7f00:1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::a00:1", false),
            ("2002:7f00:1::", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("fd00::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    #[test]
    fn a_host_has_a_name_and_perhaps_a_port() {
        for (host, expected) in [
            ("cdn.example.com", ("cdn.example.com", None)),
            ("cdn.example.com:8443", ("cdn.example.com", Some(8443))),
            ("127.0.0.1:1", ("127.0.0.1", Some(1))),
            ("[::1]", ("::1", None)),
            ("[::1]:8080", ("::1", Some(8080))),
        ] {
            assert_eq!((name(host), port(host)), expected, "{host}");
        }
    }
}
