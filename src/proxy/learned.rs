//! What good crawls have learned about the site, as it stands beside the snapshot in service.

use std::sync::Arc;
use std::time::SystemTime;

use crate::snapshot::{Addresses, FALLBACK_PAGE, SiteForms, Snapshot, SnapshotId, Store};
use crate::verdict::Character;

/// What good crawls have learned about the site, and the snapshot that it is stored with.
pub(super) struct Learned {
    pub(super) of: Option<SnapshotId>,
    pub(super) taken_at: SystemTime,
    pub(super) character: Arc<Character>,
    /// The key of the page that answers each address that nobody knows, if the site is a program that runs in the browser.
    pub(super) shell: Option<Arc<str>>,
    pub(super) addresses: Arc<Addresses>,
    pub(super) forms: Arc<SiteForms>,
}

impl Default for Learned {
    fn default() -> Learned {
        let (character, addresses, forms) = (Arc::default(), Arc::default(), Arc::default());
        Learned { of: None, taken_at: SystemTime::UNIX_EPOCH, character, shell: None, addresses, forms }
    }
}

impl Learned {
    /// Blocks.
    pub(super) fn read(store: &Store, snapshot: &Snapshot) -> Learned {
        let of = snapshot.id();
        let record = store.character(&of);
        Learned {
            of: Some(of),
            taken_at: snapshot.summary().taken_at,
            shell: record.as_ref().and_then(|record| record[FALLBACK_PAGE].as_str()).map(Arc::from),
            character: Arc::new(Character::read(record)),
            addresses: Arc::new(Addresses::read(store.addresses(&of))),
            forms: Arc::new(SiteForms::read(store.forms(&of)).unwrap_or_default()),
        }
    }

    /// Whether something is looked up at this address: the page of the path is then not what was found. By a form of the site; or by
    /// `s` at the front page, since WordPress knows that search without any form. Elsewhere a name says too little: advertisements
    /// lead to pages by `keyword` and `q`, and the page is what is wanted.
    pub(super) fn is_search(&self, wanted: &str) -> bool {
        let query = wanted.strip_prefix("/?").unwrap_or_default();
        let is_wordpress = query.split('&').any(|pair| pair.starts_with("s="));
        is_wordpress || self.forms.search_of(wanted).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_makes_a_search_of_the_front_page_only() {
        let learned = Learned::default();
        for (key, expected) in [
            ("/?s=tea", true),
            ("/?lang=ja&s=", true),
            ("/?q=tea", false),
            ("/?size=20", false),
            ("/lp?keyword=tea&gclid=x", false),
            ("/shop?s=20", false),
            ("/", false),
        ] {
            assert_eq!(learned.is_search(key), expected, "{key}");
        }
    }
}
