//! The file as written: one row for each key. A row is the field, the type and the entry in the list of known keys at
//! once.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use toml::de::DeValue;

use super::address::{FilePath, HostName, NameServer, PageOrNone, PagePath, SiteHost, SiteName};
use super::alerts;
use super::asset_host::AssetHost;
use super::drill::DrillMail;
use super::maintenance::{Instant3339, UtcOffset, WeeklyTimes, ZoneOrNone};
use super::node::{Notes, Slot, Span, Spanned, Value, slot, table};
use super::pin::Pins;
use super::ready::{
    AdminAddr, Banner, MirrorPrivate, MirrorRobots, OriginMode, OriginUrl, PathPattern, Rdap, Statuses,
};
use super::recipient::{Sender, Smtp, Targets};
use super::remote::{Bandwidth, Endpoint, InstanceName, StoreAt, StoreCrawl, StoreForms};
use super::value::{Age, CookieName, Delay, PerClient, Phrase, Preset, QueryName, Rate, Size, Switch};
use super::watch::{Date, ListAt};

/// A list of values, each with its place.
type List<T> = Vec<Spanned<T>>;

macro_rules! tables {
    ($(
        $(#[$doc:meta])*
        $name:ident {
            $($key:ident: $kind:ty,)*
        }
    )+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub(super) struct $name {
            $(pub(super) $key: Slot<$kind>,)*
        }

        impl $name {
            const KEYS: &[&str] = &[$(stringify!($key),)*];
        }

        impl Value for $name {
            const TABLE: bool = true;

            fn read(value: &DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<$name> {
                let mut read = $name::default();
                for (key, value) in table(value, span, notes)? {
                    match key.get_ref().as_ref() {
                        $(name @ stringify!($key) => {
                            read.$key = slot(value, span.child(name, value.span()), notes);
                        })*
                        name => notes.unknown(name, &span.child(name, key.span()), span, $name::KEYS),
                    }
                }
                Some(read)
            }

            fn keys(prefix: &str, out: &mut Vec<String>) {
                $({
                    let path = below(prefix, stringify!($key));
                    let before = out.len();
                    <$kind>::keys(&path, out);
                    if out.len() == before {
                        out.push(path);
                    }
                })*
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
        store: Store,
        forms: Forms,
        incidents: Incidents,
        alerts: Alerts,
        watch: Watch,
        site: List<Site>,
    }

    /// `[listen]`
    Listen {
        http: List<SocketAddr>,
        https: List<SocketAddr>,
        admin: AdminAddr,
        trusted_proxies: List<IpNet>,
    }

    /// `[admin]`
    Admin {
        token_file: FilePath,
        readonly_token_file: FilePath,
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
    }

    /// `[dns]`
    Dns {
        nameservers: List<NameServer>,
        keep_last_good: Duration,
    }

    /// `[store]`
    Store {
        url: StoreAt,
        endpoint: Endpoint,
        region: String,
        credentials_file: FilePath,
        crawl: StoreCrawl,
        key_file: FilePath,
        forms: StoreForms,
        instance: InstanceName,
        place: InstanceName,
        push_rate: Bandwidth,
    }

    /// `[forms]`
    Forms {
        key_file: FilePath,
        keep_for: Duration,
        most: u64,
        size: Size,
    }

    /// `[incidents]`
    Incidents {
        keep_for: Duration,
        zone: ZoneOrNone,
    }

    /// `[alerts]`
    Alerts {
        webhook: List<alerts::HookTarget>,
        email: AlertsEmail,
        wait: Duration,
        repeat: Delay,
        heartbeat: alerts::BeatUrl,
        heartbeat_every: Duration,
        language: alerts::AlertLanguage,
        link: alerts::AdminLink,
    }

    /// `[[alerts.webhook]]`
    AlertsWebhook {
        url: alerts::HookUrl,
        url_file: FilePath,
        format: alerts::AlertFormat,
        secret_file: FilePath,
        to: String,
        backup: bool,
    }

    /// `[alerts.email]`
    AlertsEmail {
        smtp: Smtp,
        password_file: FilePath,
        from: Sender,
        to: List<alerts::Mailto>,
        report: bool,
        backup: bool,
    }

    /// `[watch]`
    Watch {
        rdap: Rdap,
        bootstrap: ListAt,
        every: Duration,
    }

    /// `[[site]]`
    Site {
        name: SiteName,
        hosts: List<SiteHost>,
        standby_hosts: List<HostName>,
        key_pages: List<PagePath>,
        preset: Preset,
        origins_file: FilePath,
        origin: List<Origin>,
        tls: Tls,
        health: Health,
        failover: Failover,
        cache: Cache,
        mirror: Mirror,
        notice: Notice,
        watch: SiteWatch,
        drill: SiteDrill,
        status_page: StatusPage,
        form: List<Form>,
        maintenance: List<Maintenance>,
        route: List<Route>,
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

    /// `[site.notice]`
    Notice {
        banner: Banner,
    }

    /// `[site.watch]`
    SiteWatch {
        domains: List<HostName>,
        domain_ends: Date,
    }

    /// `[site.drill]`
    SiteDrill {
        every: Age,
        mail: DrillMail,
    }

    /// `[site.status_page]`
    StatusPage {
        path: PageOrNone,
    }

    /// `[[site.form]]`
    Form {
        path: PathPattern,
        page: PageOrNone,
        keep: bool,
        deliver: Targets,
        thanks: PageOrNone,
        honeypot: String,
        idempotent: bool,
        most_per_client: PerClient,
    }

    /// `[[site.maintenance]]`
    Maintenance {
        start: Instant3339,
        end: Instant3339,
        weekly: WeeklyTimes,
        zone: UtcOffset,
        reason: String,
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

fn below(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}
