//! The configuration as it is used: everything checked, compiled and defaulted. Immutable; a reload makes a new one.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::alerts::Alerts;
pub use super::asset_host::AssetHost;
pub use super::banner::{Banner, Notice};
pub use super::drill::{DrillMail, SiteDrill};
pub use super::form::{ClientRate, Form};
pub use super::maintenance::{Incidents, Maintenance, MaintenanceTime, UtcOffset};
pub use super::marks::{MirrorPrivate, MirrorRobots};
pub use super::origins_file::{OriginsFile, SharedList};
pub use super::pattern::{PathPattern, wildcard};
pub use super::pin::Pin;
use super::recipient::MailServer;
use super::remote::RemoteStore;
pub use super::statuses::Statuses;
pub use super::watch::{Rdap, SiteWatch, Watch};
use crate::fingerprint::Fingerprints;

/// Among a site's hosts: every host that no other site has.
pub const ANY_HOST: &str = "*";

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where snapshots live.
    pub state_dir: PathBuf,
    /// Sockets.
    pub listen: Listen,
    /// Bounds.
    pub limits: Limits,
    /// Name resolution.
    pub dns: Dns,
    /// The copy outside this machine, which all regions share.
    pub store: Option<RemoteStore>,
    /// What is kept of forms.
    pub forms: Forms,
    /// Which incidents are kept, and how they are reported.
    pub incidents: Incidents,
    /// The server that e-mail goes out through.
    pub mail: Option<MailServer>,
    /// Who is told when something is wrong.
    pub alerts: Alerts,
    /// What is looked at weeks before it stops a site.
    pub watch: Watch,
    /// The sites, in the file's order. Names and hosts are unique over all of them.
    pub sites: Vec<Arc<Site>>,
}

/// `[listen]` and `[admin]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// Plain HTTP/1.1 and HTTP/2.
    pub http: Vec<SocketAddr>,
    /// The same over TLS. Empty when no site has a certificate and none was asked for.
    pub https: Vec<SocketAddr>,
    /// The admin listener.
    pub admin: AdminAddr,
    /// The file with the bearer token that the admin API asks for; always there when `admin` is neither loopback nor a socket.
    pub admin_token_file: Option<PathBuf>,
    /// The file with the token of those who may read all and change nothing.
    pub admin_readonly_token_file: Option<PathBuf>,
    /// Networks whose `X-Forwarded-For` and `Forwarded` are believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Listen {
    /// The listener that this URL leads back to. A name other than `localhost` is not looked up.
    pub fn led_back_to(&self, url: &OriginUrl) -> Option<SocketAddr> {
        let is_localhost = url.host.eq_ignore_ascii_case("localhost");
        let asked: Option<IpAddr> = url.host.parse().ok();
        let leads_to = |ours: &SocketAddr| {
            let ip = ours.ip().to_canonical();
            // [::] takes the addresses of both kinds, 0.0.0.0 those of its own. What other addresses this machine has is not known
            // here; the origin may be another machine's.
            let all = |asked: IpAddr| ip.is_unspecified() && (ip.is_ipv6() || asked.is_ipv4());
            let here = match asked.map(|asked| asked.to_canonical()) {
                Some(asked) => asked == ip || (asked.is_loopback() || asked.is_unspecified()) && all(asked),
                None => is_localhost && (ip.is_loopback() || ip.is_unspecified()),
            };
            here && ours.port() == url.port
        };
        self.http.iter().chain(&self.https).copied().find(leads_to)
    }
}

/// Where the admin API listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAddr {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// `[limits]`. Sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Visitors' connections at once.
    pub connections: usize,
    /// Connections of one address at once.
    pub connections_per_client: usize,
    /// Requests at once to one origin; more wait their turn within the visitor's patience.
    pub in_flight_per_origin: usize,
    /// All of a request's header fields together.
    pub header_size: usize,
    /// A request's body.
    pub body_size: u64,
    /// From the first byte of a connection or request to the end of its header fields.
    pub header_timeout: Duration,
    /// Without a request, or without a byte moving within one.
    pub idle_timeout: Duration,
    /// The memory that cached answers and hot snapshot pages share.
    pub memory_cache: u64,
    /// The memory for what visitors were given and have not taken yet.
    pub unread: u64,
}

/// `[dns]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Name servers; empty means the system's.
    pub nameservers: Vec<SocketAddr>,
    /// How long an address stays in use after its name stopped resolving.
    pub keep_last_good: Duration,
}

/// `[forms]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forms {
    /// The file with the keys that kept forms are sealed with.
    pub key_file: PathBuf,
    /// Whether that file is Katahai's own, and made at first use.
    pub makes_key: bool,
    /// Whether other machines have them, too, through the store.
    pub shared: bool,
    /// When delivered and parked forms are erased, after they came.
    pub keep_for: Duration,
    /// How many are kept at once, of all sites.
    pub most: usize,
    /// How many bytes they may take together.
    pub size: u64,
}

/// One `[[site]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Its name in logs, metrics and the API; also a file name (checked: `[a-z0-9._-]`, not starting with a dot).
    pub name: Arc<str>,
    /// Its host names, lower case and in ASCII, without port; IPv6 addresses in brackets. One site may have
    /// [`ANY_HOST`] among them. See [`Site::canonical_host`].
    pub hosts: Vec<String>,
    /// Further names, on which the same site answers with its addresses written anew.
    pub standby_hosts: Vec<String>,
    /// Paths that must always work.
    pub key_pages: Vec<String>,
    /// The origins: from the file, or from `origins_file`. May be empty: "serve the copies".
    pub origins: Vec<Origin>,
    /// Where `origins` came from, if others write them.
    pub origins_file: Option<OriginsFile>,
    /// The site's certificate.
    pub tls: Option<SiteTls>,
    /// Active checks.
    pub health: Health,
    /// When to fall, and how long to wait first.
    pub failover: Failover,
    /// The HTTP cache.
    pub cache: CachePolicy,
    /// The crawler.
    pub mirror: Mirror,
    /// What visitors are told on copies while the site is out.
    pub notice: Notice,
    /// What of it is looked at weeks before.
    pub watch: SiteWatch,
    /// The self-test that runs by itself.
    pub drill: SiteDrill,
    /// Where its public status page is; `None`: it has none.
    pub status_page: Option<String>,
    /// Exceptions for parts of the site; the first that matches speaks.
    pub routes: Vec<Route>,
    /// Forms whose senders are not to be lost; the first that matches speaks.
    pub forms: Vec<Form>,
    /// Planned work.
    pub maintenance: Vec<Maintenance>,
}

/// One `[[site.origin]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// `http` or `https`, host and port; no path.
    pub url: OriginUrl,
    /// Host header and SNI; `None`: the visitor's host.
    pub host: Option<String>,
    /// A higher tier is asked only when no lower one can answer.
    pub tier: u32,
    /// Share within the tier, 1 or more.
    pub weight: u32,
    /// An extra trust anchor (PEM).
    pub ca: Option<PathBuf>,
    /// Keys that are believed whatever else stands in their certificate.
    pub pins: Vec<Pin>,
    /// The operator's switch.
    pub mode: OriginMode,
}

/// Where an origin is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginUrl {
    /// Whether the connection is TLS.
    pub tls: bool,
    /// A name or an address (IPv6 without brackets).
    pub host: String,
    /// The port.
    pub port: u16,
}

impl std::fmt::Display for OriginUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let default = if self.tls { 443 } else { 80 };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]", self.host)?;
        } else {
            write!(f, "{scheme}://{}", self.host)?;
        }
        if self.port == default { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// An origin's switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginMode {
    /// As its health says.
    Auto,
    /// Nothing new is sent to it; what runs may end.
    Drain,
    /// Not used.
    Off,
}

impl OriginMode {
    /// As written in files and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            OriginMode::Auto => "auto",
            OriginMode::Drain => "drain",
            OriginMode::Off => "off",
        }
    }
}

/// `[site.tls]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteTls {
    /// The certificate chain (PEM).
    pub cert: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

/// `[site.health]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// What is asked.
    pub path: String,
    /// How many times.
    pub interval: Duration,
    /// How long a check may take.
    pub timeout: Duration,
    /// Failures in a row until the origin is down.
    pub fall: u32,
    /// Good checks in a row until it is up again.
    pub rise: u32,
    /// Statuses that are good.
    pub expect_status: Statuses,
    /// What must occur in the body; empty: anything.
    pub expect_text: String,
}

/// `[site.failover]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Failover {
    /// The least wait for the origin when there is a copy.
    pub patience: Duration,
    /// The longest.
    pub patience_max: Duration,
    /// The wait when there is none.
    pub timeout: Duration,
    /// With a copy at hand, answers up to this many bytes are read whole before the first goes out.
    pub hold_back: u64,
    /// Statuses that are not the site.
    pub bad_status: Statuses,
    /// What every page of the site has; empty: anything.
    pub expect_text: String,
    /// What no page of the site ever has.
    pub reject_text: Vec<String>,
    /// What else is not the site: the operator's own fingerprints.
    pub fingerprints: Option<Arc<Fingerprints>>,
    /// The file that these come from, and newer ones will.
    pub fingerprints_file: Option<PathBuf>,
    /// Other hosts that the site's pages may lead to: it has moved there.
    pub moved_to: Vec<String>,
    /// How long visitors take to come back to an origin that was down.
    pub recovery_ramp: Duration,
    /// How long to wait for an answer before another origin of the tier is asked, too; `None`: never.
    pub hedge: Option<Duration>,
}

/// `[site.cache]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CachePolicy {
    /// For answers without any freshness of their own.
    pub default_ttl: Duration,
    /// Query parameters that do not change the page; `*` at the end matches any rest.
    pub ignore_query: Vec<String>,
    /// A request with one of these cookies is a session; `*` at the end matches any rest.
    pub bypass_cookies: Vec<String>,
    /// Cookies on which no page depends; `*` at the end matches any rest.
    pub ignore_cookies: Vec<String>,
}

/// `[site.mirror]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// How often a snapshot is taken.
    pub every: Duration,
    /// How many are kept.
    pub keep: usize,
    /// How long they are kept, besides that; `None`: for ever.
    pub keep_for: Option<Duration>,
    /// Pages (HTML) of one snapshot.
    pub max_pages: usize,
    /// Links from a start page.
    pub max_depth: u32,
    /// Requests per second; `None`: unlimited.
    pub rate: Option<f64>,
    /// Path patterns to take; empty: all.
    pub include: Vec<PathPattern>,
    /// Path patterns to leave out.
    pub exclude: Vec<PathPattern>,
    /// Other hosts whose files are taken where a page needs them.
    pub asset_hosts: Vec<AssetHost>,
    /// Pages marked `Cache-Control: private` or `no-store`.
    pub private: MirrorPrivate,
    /// What `robots.txt` is to this crawler, which the site's owner has sent.
    pub robots: MirrorRobots,
}

/// One `[[site.route]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which paths.
    pub path: PathPattern,
    /// Whether answers may be cached.
    pub cache: bool,
    /// Whether the crawler takes them; `None`: as the rest of the site.
    pub mirror: Option<bool>,
    /// The wait for the origin when there is no copy, and the longest silence within its answer; `None`: the site's.
    pub timeout: Option<Duration>,
}

impl Site {
    /// The host by which the site is asked for when no visitor says one (by the crawler, by checks): its first
    /// own name, else the first name that an origin is told. `None` for a site that answers every host and whose
    /// origins are told the visitor's: ask those by the address in their URL.
    pub fn canonical_host(&self) -> Option<&str> {
        let own = self.hosts.iter().map(String::as_str).find(|&host| host != ANY_HOST);
        own.or_else(|| self.origins.iter().find_map(|origin| origin.host.as_deref()))
    }

    /// Every name that visitors come by.
    pub fn all_hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().chain(&self.standby_hosts).map(String::as_str)
    }

    /// What holds for `path`: the first route that matches, or everything on. A challenge is for the server that asked for the
    /// certificate: neither stored nor copied, whatever a route says. The door of previews is ours.
    pub fn route(&self, path: &str) -> (bool, bool) {
        if is_acme_challenge(path) || is_preview_door(path) {
            return (false, false);
        }
        self.routes
            .iter()
            .find(|route| route.path.matches(path))
            .map_or((true, true), |route| (route.cache, route.mirror.unwrap_or(true)))
    }

    /// What the crawler does with private answers at `path`: a route that switches the mirror on means these, too.
    pub fn private(&self, path: &str) -> MirrorPrivate {
        let route = self.routes.iter().find(|route| route.path.matches(path));
        match route.and_then(|route| route.mirror) {
            Some(true) => MirrorPrivate::Always,
            Some(false) => MirrorPrivate::Never,
            None => self.mirror.private,
        }
    }

    /// What is said of the form that is sent to `path`: the first line that matches.
    pub fn form(&self, path: &str) -> Option<&Form> {
        self.forms.iter().find(|form| form.path.matches(path))
    }

    /// The form that is sent to `path`, if it is one to be kept.
    pub fn kept_form(&self, path: &str) -> Option<&Form> {
        self.form(path).filter(|form| form.keep)
    }

    /// How long the origin is waited for on `path`, if its route says so.
    pub fn route_timeout(&self, path: &str) -> Option<Duration> {
        self.routes.iter().find(|route| route.path.matches(path))?.timeout
    }
}

/// Where a preview of a site is entered, on the site's own address (a well-known URI: RFC 8615).
pub const PREVIEW: &str = "/.well-known/katahai/preview";

/// Whether a path belongs to the door of previews: it is ours, and never the site's.
pub fn is_preview_door(path: &str) -> bool {
    path.strip_prefix(PREVIEW).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path is that of a challenge: its token is of base64url's letters (RFC 8555 section 8.3). Nothing else gets past the
/// judgement by this door.
pub fn is_acme_challenge(path: &str) -> bool {
    let token = path.strip_prefix("/.well-known/acme-challenge/").unwrap_or_default();
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_has_a_token_and_nothing_else() {
        for (path, expected) in [
            ("/.well-known/acme-challenge/xJ4b_8-", true),
            ("/.well-known/acme-challenge/", false),
            ("/.well-known/acme-challenge/..%2F..%2Findex.php", false),
            ("/.well-known/acme-challenge/a/b", false),
            ("/.well-known/acme-challenge/a.php", false),
            ("/.well-known/acme-challenge/a?page=/", false),
            ("/x/.well-known/acme-challenge/a", false),
        ] {
            assert_eq!(is_acme_challenge(path), expected, "{path}");
        }
    }

    #[test]
    fn an_origin_is_written_without_its_default_port() {
        let url = OriginUrl { tls: true, host: "2001:db8::1".into(), port: 443 };
        assert_eq!(url.to_string(), "https://[2001:db8::1]");
        assert_eq!(OriginUrl { port: 8443, ..url }.to_string(), "https://[2001:db8::1]:8443");
    }
}
