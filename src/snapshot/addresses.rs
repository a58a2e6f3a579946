//! What a snapshot knows about the site's addresses, besides their content: which parameters mean something, other names of
//! its pages, whether a page heeds an unknown parameter, and what the site has removed. Stored with the manifest as
//! `addresses.json`; without it, nothing is taken for granted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ask::key::path_of;

/// The version that is written.
const VERSION: u32 = 1;
/// How many parameter names are remembered; a site with more counts as heeding any.
const NAMES: usize = 2000;
/// How many removed pages are remembered.
const REMOVED: usize = 4096;
/// A parameter that this many paths use counts for the whole site.
const EVERYWHERE: usize = 2;

/// What is known of a site's addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    version: u32,
    /// Parameters that links and forms use, each with the first paths that use it.
    names: BTreeMap<String, Vec<String>>,
    /// Whether there are more of them than are remembered.
    countless: bool,
    /// Whether pages are the same with an unknown parameter. Tried on key pages.
    indifferent: bool,
    /// Short links, and addresses that a page says are its own, with the key of the page.
    aliases: BTreeMap<String, String>,
    /// Pages that the site has removed, with the status that said so.
    removed: BTreeMap<String, u16>,
}

impl Addresses {
    /// Reads what a crawl has left; nothing if it is not there, or of another version.
    pub fn read(value: Option<serde_json::Value>) -> Addresses {
        let read = value.and_then(|value| serde_json::from_value::<Addresses>(value).ok());
        read.filter(|read| read.version == VERSION).unwrap_or_default()
    }

    /// Whether the address with this query probably gives the page of the path alone: nothing on the site uses these
    /// parameters, and its pages ignore unknown ones.
    pub fn may_ignore(&self, key: &str) -> bool {
        self.indifferent && !self.uses_any(key)
    }

    /// Whether no link and no form of the site uses any.
    pub fn is_without_parameters(&self) -> bool {
        self.names.is_empty() && !self.countless
    }

    /// Whether the site uses one of the parameters of this address there.
    pub fn uses_any(&self, key: &str) -> bool {
        let (path, query) = key.split_once('?').unwrap_or((key, ""));
        self.countless || names_in(query).any(|name| self.uses(path, name))
    }

    fn uses(&self, path: &str, name: &str) -> bool {
        let by = self.names.get(name);
        by.is_some_and(|by| by.len() >= EVERYWHERE || by.iter().any(|known| known == path))
    }

    /// The key of the page that has this other name.
    pub fn alias(&self, key: &str) -> Option<&str> {
        self.aliases.get(key).map(String::as_str)
    }

    /// Records that the site uses the parameters of this address.
    pub fn use_query(&mut self, key: &str) {
        // Of another host.
        if key.starts_with("//") {
            return;
        }
        if let Some((_, query)) = key.split_once('?') {
            let path = path_of(key);
            names_in(query).for_each(|name| self.use_name(path, name));
        }
    }

    /// Records that the site uses a parameter of this name there.
    pub fn use_name(&mut self, path: &str, name: &str) {
        let room = self.names.len() < NAMES;
        match self.names.get_mut(name) {
            Some(by) if by.len() < EVERYWHERE && !by.iter().any(|known| known == path) => {
                by.push(path.to_owned());
            }
            Some(_) => {}
            None if room => {
                self.names.insert(name.to_owned(), vec![path.to_owned()]);
            }
            None => self.countless = true,
        }
    }

    /// Records that a page is no longer in the snapshot, because the site answers with this status.
    pub fn remove(&mut self, key: &str, status: u16) {
        if self.removed.len() < REMOVED {
            self.removed.insert(key.to_owned(), status);
        }
    }

    /// The stored form: with the other names of pages, and whether they are the same with an unknown parameter.
    pub fn complete(self, indifferent: bool, aliases: BTreeMap<String, String>) -> Addresses {
        Addresses { version: VERSION, indifferent, aliases, ..self }
    }

    /// Pages that the site has removed, with the status that said so.
    pub fn removed(&self) -> impl Iterator<Item = (&str, u16)> {
        self.removed.iter().map(|(key, status)| (key.as_str(), *status))
    }
}

/// The names of a query's parameters.
fn names_in(query: &str) -> impl Iterator<Item = &str> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_with_more_parameters_than_can_be_remembered_heeds_any() {
        let mut known = Addresses::default();
        for n in 0..=NAMES {
            known.use_name("/", &format!("n{n}"));
        }
        assert!(!known.complete(true, BTreeMap::new()).may_ignore("/about?print"));
    }

    #[test]
    fn what_is_written_is_read_and_the_first_version_for_ever() {
        let mut known = Addresses::default();
        known.use_query("/list?page=2");
        known.remove("/secret", 401);
        let known = known.complete(false, [("/?p=1".to_owned(), "/one".to_owned())].into());
        assert_eq!(Addresses::read(serde_json::to_value(&known).ok()), known);
        assert_eq!(known.removed().collect::<Vec<_>>(), [("/secret", 401)]);
        let sample = r#"{"version":1,"names":{"s":["/"]},"countless":false,"indifferent":true,
            "aliases":{"/?p=1":"/one"},"removed":{"/x":410}}"#;
        let first = Addresses::read(serde_json::from_str(sample).ok());
        assert_eq!((first.alias("/?p=1"), first.may_ignore("/a?b")), (Some("/one"), true));
        assert_eq!(
            Addresses::read(serde_json::from_str(&sample.replace(":1,", ":2,")).ok()),
            Addresses::default()
        );
        assert_eq!(Addresses::read(None), Addresses::default());
    }
}
