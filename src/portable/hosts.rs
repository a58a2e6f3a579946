//! Which hosts of an archive are the site's.

use std::collections::BTreeMap;

use url::Url;

use super::base::authority;
use super::bounds::NAME;
use super::error::{ImportError, shown};
use crate::ask::key::page_key;

/// The hosts of the site, and how its keys are made.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    wanted: Vec<String>,
    ignore_query: Vec<String>,
}

impl Hosts {
    pub(super) fn new(wanted: &[String], ignore_query: &[String]) -> Hosts {
        let spelled = |host: &String| {
            let address = if host.contains("://") { host.clone() } else { format!("http://{host}/") };
            let url = Url::parse(&address).ok();
            url.as_ref().and_then(authority).unwrap_or_else(|| host.clone())
        };
        let wanted = wanted.iter().filter(|host| *host != "*").map(spelled).collect();
        Hosts { wanted, ignore_query: ignore_query.to_vec() }
    }

    /// All of them, the one that was chosen first.
    pub(super) fn all(self, chosen: &str) -> Vec<String> {
        let chosen = Hosts::new(&[chosen.to_owned()], &[]).wanted;
        chosen.into_iter().filter(|host| !host.is_empty()).chain(self.wanted).collect()
    }

    pub(super) fn count(&self) -> Found<'_> {
        Found { hosts: self, pages: BTreeMap::new() }
    }

    /// Whether a host is the site's, which `chosen` is one of.
    pub(super) fn holds(&self, host: &str, chosen: &str) -> bool {
        let same = |other: &str| bare(other) == bare(host);
        same(chosen) || self.wanted.iter().any(|other| same(other))
    }

    /// The key of an address of the site. `None`: another site's, or too long to be one.
    pub(super) fn key(&self, url: &Url, chosen: &str) -> Option<String> {
        let host = authority(url).filter(|_| matches!(url.scheme(), "http" | "https"))?;
        self.holds(&host, chosen)
            .then(|| self.key_of(url.path(), url.query()))
            .filter(|key| key.len() <= NAME)
    }

    pub(super) fn key_of(&self, path: &str, query: Option<&str>) -> String {
        page_key(path, query, &self.ignore_query).into_owned()
    }
}

/// A host without what names the same site.
pub(super) fn bare(host: &str) -> &str {
    let host = host.strip_suffix(":80").or_else(|| host.strip_suffix(":443")).unwrap_or(host);
    host.strip_prefix("www.").unwrap_or(host)
}

/// Which hosts an archive has pages of.
pub(super) struct Found<'a> {
    hosts: &'a Hosts,
    pages: BTreeMap<String, u64>,
}

impl Found<'_> {
    pub(super) fn add(&mut self, host: &str) {
        if let Some(count) = self.pages.get_mut(host) {
            *count += 1;
        } else if self.pages.len() < 100_000 {
            self.pages.insert(host.to_owned(), 1);
        }
    }

    /// The site's host, by the owner's word or else by the number of pages.
    pub(super) fn choose(self) -> Result<String, ImportError> {
        let mut ranked: Vec<(String, u64)> = self.pages.into_iter().collect();
        ranked.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
        let wanted = &self.hosts.wanted;
        let is_wanted =
            |host: &str| wanted.is_empty() || wanted.iter().any(|other| bare(other) == bare(host));
        if let Some((host, _)) = ranked.iter().find(|(host, _)| is_wanted(host)) {
            return Ok(host.clone());
        }
        if ranked.is_empty() {
            return Err(ImportError::Nothing(String::new()));
        }
        let found = ranked.iter().take(5).map(|(host, pages)| format!("{} ({pages})", shown(host)));
        Err(ImportError::OtherHosts {
            wanted: wanted.join(", "),
            found: found.collect::<Vec<_>>().join(", "),
        })
    }
}
