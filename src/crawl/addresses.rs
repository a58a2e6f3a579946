//! What a crawl learns about the site's addresses, besides what stands there: which parameters mean something, other names of
//! its pages, whether a page heeds a parameter that nobody knows, and what the site has taken away. Kept beside the
//! manifest as `addresses.json`; a snapshot without it says nothing, and nothing is then taken for granted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::findings::Findings;
use crate::ask::key::path_of;

/// The version that is written.
const VERSION: u32 = 1;
/// Names of parameters that are remembered; a site with more is taken to heed any.
const NAMES: usize = 2000;
/// Other names of pages that are remembered.
const ALIASES: usize = 10_000;
/// Pages taken away that are remembered.
const REMOVED: usize = 4096;
/// A parameter that so many paths use is used by the whole site.
const EVERYWHERE: usize = 2;

/// What is known of a site's addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    version: u32,
    /// Parameters that links and forms use, each with the first paths that use it.
    names: BTreeMap<String, Vec<String>>,
    /// Whether there are more of them than are remembered.
    countless: bool,
    /// Whether pages are the same with a parameter that nobody knows. Tried on key pages.
    indifferent: bool,
    /// Short links, and addresses that a page says are its own, with the key of the page.
    aliases: BTreeMap<String, String>,
    /// Pages that the site has taken away, with the status by which it did.
    removed: BTreeMap<String, u16>,
}

impl Addresses {
    /// Reads what a crawl has left; nothing if it is not there, or of another version.
    pub fn read(value: Option<serde_json::Value>) -> Addresses {
        let read = value.and_then(|value| serde_json::from_value::<Addresses>(value).ok());
        read.filter(|read| read.version == VERSION).unwrap_or_default()
    }

    /// Whether the page of the path alone is what the address with this query would be, as far as anybody can tell:
    /// nothing on the site uses these parameters, and its pages do not heed what they do not know.
    pub fn may_ignore(&self, key: &str) -> bool {
        self.indifferent && !self.uses_any(key)
    }

    /// Whether no link and no form of the site uses any.
    pub(super) fn is_without_parameters(&self) -> bool {
        self.names.is_empty() && !self.countless
    }

    /// Whether the site uses one of the parameters of this address there.
    pub(super) fn uses_any(&self, key: &str) -> bool {
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

    /// Pages that the site has taken away, with the status by which it did.
    pub fn removed(&self) -> impl Iterator<Item = (&str, u16)> {
        self.removed.iter().map(|(key, status)| (key.as_str(), *status))
    }
}

/// The names of a query's parameters.
fn names_in(query: &str) -> impl Iterator<Item = &str> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
}

/// Gathers it, page by page.
#[derive(Clone, Debug, Default)]
pub(super) struct Register {
    known: Addresses,
    /// Other names, with `None` for one that two pages claim.
    aliases: HashMap<String, Option<Arc<str>>>,
    /// Whether each page that was tried is the same with a parameter that nobody knows.
    tried: Vec<bool>,
}

impl Register {
    /// Records what a file says of addresses.
    pub(super) fn note(&mut self, key: &Arc<str>, findings: &Findings) {
        for (link, _) in &findings.links {
            self.query(link);
        }
        for (path, name) in &findings.fields {
            self.name(path, name);
        }
        for alias in &findings.aliases {
            self.query(alias);
            if **alias == **key {
                continue;
            }
            let room = self.aliases.len() < ALIASES;
            match self.aliases.get_mut(alias) {
                Some(known) if known.as_ref() != Some(key) => *known = None,
                Some(_) => {}
                None if room => {
                    self.aliases.insert(alias.clone(), Some(key.clone()));
                }
                None => {}
            }
        }
    }

    /// A page that was asked for with a parameter that nobody knows was the same, or another.
    pub(super) fn tried(&mut self, same: bool) {
        self.tried.push(same);
    }

    /// A page is no longer in the snapshot, because the site answers with this status.
    pub(super) fn removed(&mut self, key: &str, status: u16) {
        if self.known.removed.len() < REMOVED {
            self.known.removed.insert(key.to_owned(), status);
        }
    }

    /// All of it.
    pub(super) fn done(self) -> Addresses {
        let aliases = self.aliases.into_iter().filter_map(|(alias, key)| Some((alias, key?.to_string())));
        Addresses {
            version: VERSION,
            indifferent: !self.tried.is_empty() && self.tried.iter().all(|same| *same),
            aliases: aliases.collect(),
            ..self.known
        }
    }

    /// The site uses the parameters of this address.
    pub(super) fn query(&mut self, key: &str) {
        // Of another host.
        if key.starts_with("//") {
            return;
        }
        if let Some((_, query)) = key.split_once('?') {
            let path = path_of(key);
            names_in(query).for_each(|name| self.name(path, name));
        }
    }

    fn name(&mut self, path: &str, name: &str) {
        let room = self.known.names.len() < NAMES;
        match self.known.names.get_mut(name) {
            Some(by) if by.len() < EVERYWHERE && !by.iter().any(|known| known == path) => {
                by.push(path.to_owned());
            }
            Some(_) => {}
            None if room => {
                self.known.names.insert(name.to_owned(), vec![path.to_owned()]);
            }
            None => self.known.countless = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::links::Need;

    fn findings(links: &[&str], fields: &[(&str, &str)], aliases: &[&str]) -> Findings {
        Findings {
            links: links.iter().map(|link| ((*link).to_owned(), Need::Link)).collect(),
            fields: fields.iter().map(|(path, name)| ((*path).to_owned(), (*name).to_owned())).collect(),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            ..Findings::default()
        }
    }

    fn register() -> Register {
        let mut register = Register::default();
        let home = findings(
            &["/list?page=2", "/list?page=3", "/a?lang=ja", "/b?lang=ja", "//cdn.example/x?v=1"],
            &[("/", "s")],
            &["/", "/?p=1"],
        );
        register.note(&"/".into(), &home);
        register.note(&"/post/".into(), &findings(&[], &[], &["/?p=168", "/double"]));
        register.note(&"/other/".into(), &findings(&[], &[], &["/double"]));
        register
    }

    #[test]
    fn a_parameter_is_ignored_only_where_nothing_uses_it_and_pages_do_not_heed_it() {
        let mut tried = register();
        tried.tried(true);
        let known = tried.done();
        for (key, ignored) in [
            ("/?s=tea", false),
            ("/about?s=tea", true),
            ("/?p=99", false),
            ("/list?page=7", false),
            ("/about?page=7", true),
            ("/about?lang=en", false),
            ("/about?print", true),
            ("/about?print&lang=en", false),
            ("/?v=1", true),
        ] {
            assert_eq!(known.may_ignore(key), ignored, "{key}");
        }
        assert!(!register().done().may_ignore("/about?print"), "nobody has tried");
        let mut heeds = register();
        heeds.tried(true);
        heeds.tried(false);
        assert!(!heeds.done().may_ignore("/about?print"));
        assert!(!Addresses::default().may_ignore("/about?print"), "an old snapshot says nothing");
    }

    #[test]
    fn a_page_has_other_names_unless_two_claim_them() {
        let known = register().done();
        assert_eq!(known.alias("/?p=168"), Some("/post/"));
        assert_eq!(known.alias("/?p=1"), Some("/"));
        assert_eq!((known.alias("/double"), known.alias("/")), (None, None));
    }

    #[test]
    fn a_site_with_more_parameters_than_can_be_remembered_heeds_any() {
        let mut register = Register::default();
        register.tried(true);
        for n in 0..=NAMES {
            register.name("/", &format!("n{n}"));
        }
        assert!(!register.done().may_ignore("/about?print"));
    }

    #[test]
    fn what_is_written_is_read_and_the_first_version_for_ever() {
        let mut register = register();
        register.removed("/secret", 401);
        let known = register.done();
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
