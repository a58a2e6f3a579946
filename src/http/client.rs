//! Who counts as one client when something is shared out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whoever is counted as one: an IPv4 address, or the /64 that one IPv6 customer commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// An IPv4 address, also one that came in IPv6's clothes.
    V4(Ipv4Addr),
    /// The network part of an IPv6 address.
    V6(u64),
}

impl ClientKey {
    /// Katahai's own requests: they are no visitor's.
    pub const OURSELVES: ClientKey = ClientKey::V4(Ipv4Addr::UNSPECIFIED);

    /// The client that an address belongs to.
    pub fn of(address: IpAddr) -> ClientKey {
        match address.to_canonical() {
            IpAddr::V4(v4) => ClientKey::V4(v4),
            IpAddr::V6(v6) => ClientKey::V6(network(v6)),
        }
    }

    /// The place of this client in a table that is split into `shards` parts.
    pub fn shard(self, shards: usize) -> usize {
        let bits = match self {
            ClientKey::V4(v4) => u64::from(v4.to_bits()),
            ClientKey::V6(net) => net,
        };
        (bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) as usize % shards
    }
}

fn network(address: Ipv6Addr) -> u64 {
    (address.to_bits() >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_customer_are_one_client() {
        let of = |text: &str| ClientKey::of(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
