//! The file as written: one row for each key of the interface. A row is the field, the type and the entry in the
//! list of known keys at once; a key of later work is a row too, marked by "!", so that it is refused by name and not
//! ignored.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use toml::de::DeValue;

use super::address::{FilePath, HostName, NameServer, PagePath, SiteHost, SiteName};
use super::asset_host::AssetHost;
use super::keys::{Key, Siblings, Support};
use super::node::{At, Fault, Notes, Place, Slot, Value, slot, table};
use super::pin::Pins;
use super::ready::{AdminAddr, MirrorPrivate, MirrorRobots, OriginMode, OriginUrl, PathPattern, Statuses};
use super::value::{Age, CookieName, Delay, Phrase, Preset, QueryName, Rate, Size, Switch};

/// A list of values, each with its place.
type List<T> = Vec<At<T>>;

macro_rules! tables {
    ($(
        $(#[$doc:meta])*
        $name:ident {
            $($key:ident: $kind:ty,)*
            $(! $later:ident $([$($below:literal),+])?: $instead:literal,)*
        }
    )+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub(super) struct $name {
            $(pub(super) $key: Slot<$kind>,)*
        }

        impl $name {
            const KEYS: Siblings<'static> =
                Siblings { supported: &[$(stringify!($key),)*], later: &[$(stringify!($later),)*] };
        }

        impl Value for $name {
            const TABLE: bool = true;

            fn read(value: &DeValue<'_>, place: &Place, notes: &mut Notes) -> Option<$name> {
                let mut read = $name::default();
                for (key, value) in table(value, place, notes)? {
                    match key.get_ref().as_ref() {
                        $(name @ stringify!($key) => {
                            read.$key = slot(value, place.child(name, value.span()), notes);
                        })*
                        $(name @ stringify!($later) => later(&place.child(name, key.span()), $instead, notes),)*
                        name => notes.unknown(name, &place.child(name, key.span()), place, $name::KEYS),
                    }
                }
                Some(read)
            }

            fn keys(prefix: &str, out: &mut Vec<Key>) {
                $({
                    let path = below(prefix, stringify!($key));
                    let before = out.len();
                    <$kind>::keys(&path, out);
                    if out.len() == before {
                        out.push(Key { path, support: Support::Supported });
                    }
                })*
                $(later_keys(&below(prefix, stringify!($later)), &[$($($below),+)?], out);)*
            }
        }
    )+};
}

tables! {
    /// The whole file.
    File {
        state_dir: FilePath,
        listen: Listen,
        admin: Admin,
        limits: Limits,
        dns: Dns,
        site: List<Site>,
        !store["url"]: "snapshots are kept in state_dir alone",
        !alerts["webhook", "email"]: "watch the metrics and the log",
    }

    /// `[listen]`
    Listen {
        http: List<SocketAddr>,
        https: List<SocketAddr>,
        admin: AdminAddr,
        trusted_proxies: List<IpNet>,
        !proxy_protocol_from: "let the balancer send X-Forwarded-For, and name it in trusted_proxies",
    }

    /// `[admin]`
    Admin {
        token_file: FilePath,
    }

    /// `[limits]`
    Limits {
        connections: u64,
        connections_per_client: u64,
        in_flight_per_origin: u64,
        header_size: Size,
        body_size: Size,
        header_timeout: Duration,
        idle_timeout: Duration,
        memory_cache: Size,
        unread: Size,
        !requests_per_client: "connections_per_client bounds what one address can do",
    }

    /// `[dns]`
    Dns {
        nameservers: List<NameServer>,
        keep_last_good: Duration,
    }

    /// `[[site]]`
    Site {
        name: SiteName,
        hosts: List<SiteHost>,
        key_pages: List<PagePath>,
        preset: Preset,
        origins_file: FilePath,
        origin: List<Origin>,
        tls: Tls,
        health: Health,
        failover: Failover,
        cache: Cache,
        mirror: Mirror,
        route: List<Route>,
        !standby_hosts: "list the second name in hosts",
        !notice["banner"]: "copies are given without a banner",
        !form["path", "keep", "deliver"]: "a form that the origin cannot take is answered with 503",
    }

    /// `[[site.origin]]`, and `[[origin]]` in a file of origins
    Origin {
        url: OriginUrl,
        host: HostName,
        tier: u64,
        weight: u64,
        ca: FilePath,
        pin: Pins,
        mode: OriginMode,
    }

    /// `[site.tls]`
    Tls {
        cert: FilePath,
        key: FilePath,
        !acme: "name the files of a certificate in cert and key",
    }

    /// `[site.health]`
    Health {
        path: PagePath,
        interval: Duration,
        timeout: Duration,
        fall: u64,
        rise: u64,
        expect_status: Statuses,
        expect_text: String,
    }

    /// `[site.failover]`
    Failover {
        patience: Duration,
        patience_max: Duration,
        timeout: Duration,
        hold_back: Size,
        bad_status: Statuses,
        expect_text: String,
        reject_text: List<Phrase>,
        fingerprints: FilePath,
        moved_to: List<HostName>,
        recovery_ramp: Duration,
        hedge: Delay,
    }

    /// `[site.cache]`
    Cache {
        default_ttl: Duration,
        ignore_query: List<QueryName>,
        bypass_cookies: List<CookieName>,
        ignore_cookies: List<CookieName>,
    }

    /// `[site.mirror]`
    Mirror {
        every: Duration,
        keep: u64,
        keep_for: Age,
        max_pages: u64,
        max_depth: u64,
        rate: Rate,
        include: List<PathPattern>,
        exclude: List<PathPattern>,
        asset_hosts: List<AssetHost>,
        private: MirrorPrivate,
        robots: MirrorRobots,
    }

    /// `[[site.route]]`
    Route {
        path: PathPattern,
        cache: Switch,
        mirror: Switch,
        timeout: Duration,
    }

    /// A file of origins, which others write.
    OriginsFile {
        origin: List<Origin>,
    }
}

fn later(place: &Place, instead: &str, notes: &mut Notes) {
    let message = format!("`{}` is not supported yet", place.path());
    notes.error(place, Fault::new(message, format!("remove it for now; {instead}")));
}

fn below(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn later_keys(path: &str, keys: &[&str], out: &mut Vec<Key>) {
    let support = Support::Later;
    if keys.is_empty() {
        out.push(Key { path: path.to_owned(), support });
    }
    out.extend(keys.iter().map(|key| Key { path: format!("{path}.{key}"), support }));
}
