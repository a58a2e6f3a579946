//! What good crawls have learned about the site, as it stands beside the snapshot in service.

use std::sync::Arc;
use std::time::SystemTime;

use crate::content::forms::is_search_name;
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

    /// Whether something is looked up at this address: the page of the path is then not what was found. By a form of the site; or,
    /// since programs know searches that no page has a form for (WordPress), by what the parameter is called.
    pub(super) fn is_search(&self, wanted: &str) -> bool {
        let (_, query) = wanted.split_once('?').unwrap_or_default();
        let mut names = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name);
        names.any(is_search_name) || self.forms.search_of(wanted).is_some()
    }
}
