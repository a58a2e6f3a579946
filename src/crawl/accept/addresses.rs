//! Gathers what a snapshot should know about the site's addresses, page by page.

use std::collections::HashMap;
use std::sync::Arc;

use super::extract::Findings;
use crate::snapshot::Addresses;

/// Other names of pages that are remembered.
const ALIASES: usize = 10_000;

/// Gathers it, page by page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Register {
    known: Addresses,
    /// Other names, with `None` for one that two pages claim.
    aliases: HashMap<String, Option<Arc<str>>>,
    /// For each page that was tried: whether it is the same with an unknown parameter.
    tried: Vec<bool>,
}

impl Register {
    /// Records what a file says about addresses.
    pub(crate) fn note(&mut self, key: &Arc<str>, findings: &Findings) {
        for (link, _) in &findings.links {
            self.known.use_query(link);
        }
        for (path, name) in &findings.fields {
            self.known.use_name(path, name);
        }
        for alias in &findings.aliases {
            self.known.use_query(alias);
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

    /// Records whether a page that was requested with an unknown parameter was the same.
    pub(crate) fn tried(&mut self, same: bool) {
        self.tried.push(same);
    }

    /// Records that a page is no longer in the snapshot, because the site answers with this status.
    pub(crate) fn removed(&mut self, key: &str, status: u16) {
        self.known.remove(key, status);
    }

    /// Records that the site uses the parameters of this address.
    pub(crate) fn query(&mut self, key: &str) {
        self.known.use_query(key);
    }

    /// All of it.
    pub(crate) fn done(self) -> Addresses {
        let aliases = self.aliases.into_iter().filter_map(|(alias, key)| Some((alias, key?.to_string())));
        let indifferent = !self.tried.is_empty() && self.tried.iter().all(|same| *same);
        self.known.complete(indifferent, aliases.collect())
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
}
