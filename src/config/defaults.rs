//! The only place for defaults. `deploy/katahai.toml` shows them all, and a test compares the two.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::ready::{
    AdminAddr, CachePolicy, ClientRate, Dns, Failover, Health, Incidents, Limits, Mirror, MirrorPrivate,
    MirrorRobots, Statuses,
};

/// The folder for snapshots, beside the configuration file, when neither the file nor `$STATE_DIRECTORY` names one.
pub const STATE_DIR: &str = "./katahai-state";
/// The folder in the state directory with the last good lists of origins from the store.
pub const LISTS: &str = "origins";

/// Where plain HTTP listens.
pub const HTTP: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 80);

/// Where TLS listens, if some site has a certificate.
pub const HTTPS: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 443);

/// Where a set-up from flags listens: nothing that needs a privilege, and nothing that strangers reach.
pub const FLAGS_HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// The name of a site that answers every host and was not given one.
pub const CATCH_ALL_NAME: &str = "default";

/// What is over sooner than this is not told.
pub const ALERTS_WAIT: Duration = Duration::from_secs(30);
/// When something is told again.
pub const ALERTS_REPEAT: Duration = Duration::from_secs(HOUR);
/// How often the dead man's switch is asked.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(60);

/// An origin's share within its tier.
pub const WEIGHT: u32 = 1;

const KIB: usize = 1 << 10;
const MIB: u64 = 1 << 20;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

impl Default for AdminAddr {
    fn default() -> AdminAddr {
        AdminAddr::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900))
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 20_000,
            connections_per_client: 512,
            in_flight_per_origin: 512,
            header_size: 32 * KIB,
            body_size: 64 * MIB,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            memory_cache: 256 * MIB,
            unread: 256 * MIB,
        }
    }
}

impl Default for Dns {
    fn default() -> Dns {
        Dns { nameservers: Vec::new(), keep_last_good: Duration::from_secs(7 * DAY) }
    }
}

/// How long incidents are kept after their end: two years.
const INCIDENTS_KEEP_FOR: Duration = Duration::from_secs(63_115_200);

impl Default for Incidents {
    fn default() -> Incidents {
        Incidents { keep_for: INCIDENTS_KEEP_FOR, zone: None }
    }
}

/// Bytes a second that are sent to the store at most.
pub const PUSH_RATE: u64 = 16 << 20;
/// The file with the keys of kept forms in systemd's folder of credentials.
pub const FORMS_CREDENTIAL: &str = "katahai-forms.key";
/// The same in the state folder.
pub const FORMS_KEY: &str = "forms.key";
/// When delivered and parked forms are erased.
pub const FORMS_KEEP_FOR: Duration = Duration::from_secs(30 * DAY);
/// How many forms are kept at once.
pub const FORMS_MOST: usize = 10_000;
/// How many bytes they may take.
pub const FORMS_SIZE: u64 = 1 << 30;
/// How often one client may have a form kept.
pub const FORMS_PER_CLIENT: ClientRate = ClientRate { count: 10, window: Duration::from_secs(HOUR) };

/// Where IANA lists the servers of registries (RFC 9224).
pub const WATCH_BOOTSTRAP: &str = "https://data.iana.org/rdap/dns.json";
/// A week: as often as sites change, and as a mail is read.
pub const DRILL_EVERY: Duration = Duration::from_secs(168 * HOUR);
/// How often a domain is looked at.
pub const WATCH_EVERY: Duration = Duration::from_secs(12 * HOUR);

/// The pages that must always work: the front page.
pub fn key_pages() -> Vec<String> {
    vec!["/".to_owned()]
}

impl Default for Health {
    fn default() -> Health {
        Health {
            path: "/".to_owned(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            fall: 3,
            rise: 2,
            expect_status: Statuses::of(&[(200, 399)]),
            expect_text: String::new(),
        }
    }
}

impl Default for Failover {
    fn default() -> Failover {
        Failover {
            patience: Duration::from_secs(1),
            patience_max: Duration::from_secs(4),
            timeout: Duration::from_secs(15),
            hold_back: MIB,
            bad_status: Statuses::of(&[(500, 500), (502, 504), (508, 509), (520, 530)]),
            expect_text: String::new(),
            reject_text: Vec::new(),
            fingerprints: None,
            fingerprints_file: None,
            moved_to: Vec::new(),
            recovery_ramp: Duration::from_secs(30),
            hedge: None,
        }
    }
}

impl Default for CachePolicy {
    fn default() -> CachePolicy {
        let ignore_query =
            ["utm_*", "fbclid", "gclid", "yclid", "msclkid", "_ga"].map(str::to_owned).to_vec();
        let ignore_cookies =
            ["_ga", "_ga_*", "_gid", "_gat*", "_gcl_*", "__utm*", "_fbp", "_fbc", "_pk_*", "_hj*"]
                .map(str::to_owned)
                .to_vec();
        CachePolicy { default_ttl: Duration::ZERO, ignore_query, bypass_cookies: Vec::new(), ignore_cookies }
    }
}

impl Default for Mirror {
    fn default() -> Mirror {
        Mirror {
            every: Duration::from_secs(6 * HOUR),
            keep: 30,
            keep_for: None,
            max_pages: 10_000,
            max_depth: 20,
            rate: Some(5.0),
            include: Vec::new(),
            exclude: Vec::new(),
            asset_hosts: Vec::new(),
            private: MirrorPrivate::Auto,
            robots: MirrorRobots::Auto,
        }
    }
}
