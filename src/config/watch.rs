//! `[watch]` and `[site.watch]`: what is looked at weeks before it stops a site.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use url::{Host, Url};

use super::address::HostName;
use super::bounds::ANY_TIME;
use super::check::once;
use super::defaults::{WATCH_BOOTSTRAP, WATCH_EVERY};
use super::node::{Fault, Notes, Spanned, shown};
use super::raw;
use super::value::texts;

/// Who asks registries more often than this is shut out by some of them.
const TOO_OFTEN: Duration = Duration::from_secs(3600);

/// `[watch]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Whether the registries of domains are asked.
    pub rdap: Rdap,
    /// Where IANA's list of their servers is.
    pub bootstrap: Url,
    /// How often each domain is looked at.
    pub every: Duration,
}

/// Whether registries are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rdap {
    /// Those that answer (RFC 7480).
    #[default]
    Auto,
    /// None.
    Off,
}

/// `[site.watch]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteWatch {
    /// The domains that the site needs; empty: those of its hosts, standby hosts and origins.
    pub domains: Vec<String>,
    /// When the first of them ends, for a registry that does not tell.
    pub domain_ends: Option<SystemTime>,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch { rdap: Rdap::Auto, bootstrap: iana(), every: WATCH_EVERY }
    }
}

fn iana() -> Url {
    // a constant that a test parses
    Url::parse(WATCH_BOOTSTRAP).unwrap_or_else(|_| unreachable!())
}

/// A URL that documents are read from; `None` if nothing is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ListAt(pub(super) Option<Url>);

/// A day, at its beginning in UTC; `None` if nothing is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Date(pub(super) Option<SystemTime>);

texts! {
    Rdap: "\"auto\" or \"off\"", rdap;
    ListAt: "a URL", list_at;
    Date: "a day such as \"2027-03-01\"", date;
}

fn rdap(text: &str) -> Result<Rdap, Fault> {
    match text {
        "auto" => Ok(Rdap::Auto),
        "off" => Ok(Rdap::Off),
        _ => {
            let help = "write \"auto\" (ask the registries that answer) or \"off\"";
            Err(Fault::new(format!("{} does not say whether to ask registries", shown(text)), help))
        }
    }
}

fn list_at(text: &str) -> Result<ListAt, Fault> {
    if text.is_empty() {
        return Ok(ListAt(None));
    }
    let help = format!("write \"{WATCH_BOOTSTRAP}\", or the https URL of a copy");
    let not = |what: &str| Fault::new(format!("{} {what}", shown(text)), help.clone());
    let url = Url::parse(text).map_err(|_| not("is not a URL"))?;
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => return Err(not("names no host")),
    };
    match url.scheme() {
        "https" => Ok(ListAt(Some(url))),
        "http" if is_here => Ok(ListAt(Some(url))),
        _ => Err(not("is not an https URL")),
    }
}

fn date(text: &str) -> Result<Date, Fault> {
    if text.is_empty() {
        return Ok(Date(None));
    }
    let time = humantime::parse_rfc3339(&format!("{text}T00:00:00Z"));
    time.map(|time| Date(Some(time))).map_err(|_| {
        Fault::new(format!("{} is not a day", shown(text)), "write year, month and day, as in \"2027-03-01\"")
    })
}

pub(super) fn watch(raw: raw::Watch, notes: &mut Notes) -> Watch {
    let default = Watch::default();
    let bootstrap = raw.bootstrap.or_default().0.unwrap_or(default.bootstrap);
    let every = raw.every.within(Duration::from_secs(1)..=*ANY_TIME.end(), notes).here();
    if let Some(Spanned { value, span }) = &every
        && *value < TOO_OFTEN
        && bootstrap.as_str() == WATCH_BOOTSTRAP
    {
        let help = "write \"1h\" or more; the dates of domains do not change within minutes";
        notes.warning(span, Fault::new("registries shut out whoever asks them so often", help));
    }
    Watch { rdap: raw.rdap.or_default(), bootstrap, every: every.map_or(default.every, |at| at.value) }
}

pub(super) fn site_watch(raw: raw::SiteWatch, notes: &mut Notes) -> SiteWatch {
    let domains = once(raw.domains.or_default(), notes).into_iter().map(|HostName(name)| name).collect();
    SiteWatch { domains, domain_ends: raw.domain_ends.or_default().0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_list_is_a_url() {
        assert_eq!(Watch::default().bootstrap.as_str(), WATCH_BOOTSTRAP);
    }

    #[test]
    fn a_day_is_a_day() {
        assert!(date("2027-03-01").is_ok_and(|day| day.0.is_some()));
        for text in ["2027-02-30", "2027-3-1", "1 March 2027", "2027-03-01T00:00:00Z", "tomorrow"] {
            assert!(date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_list_comes_by_tls_or_from_here() {
        for (text, expected) in [
            ("https://data.iana.org/rdap/dns.json", true),
            ("http://127.0.0.1:8080/dns.json", true),
            ("http://[::1]/dns.json", true),
            ("http://example.com/dns.json", false),
            ("file:///etc/dns.json", false),
            ("dns.json", false),
        ] {
            assert_eq!(list_at(text).is_ok(), expected, "{text}");
        }
    }
}
