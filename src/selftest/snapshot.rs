//! The copy that is walked: a snapshot, and what stands in for what it lacks.

use std::collections::HashMap;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use http::HeaderMap;

use super::walk::{Copied, Copies, LARGEST, Lack};
use crate::ask::key::path_of;
use crate::crawl::Report;
use crate::snapshot::{FALLBACK_PAGE, Page, Snapshot, Store, Stored};

/// Reasons of the crawl that are the owner's word, or that no visitor could miss.
const INTENDED: [&str; 8] =
    ["route-off", "excluded", "not-included", "action", "not-found", "gone", "robots", "repeating"];

/// A snapshot.
pub struct OfSnapshot {
    snapshot: Arc<Snapshot>,
    /// What the site answers for addresses that nobody knows, if it is a program that runs in the browser.
    shell: Option<String>,
    lacks: HashMap<String, Lack>,
    /// The key of the page that an address means which the snapshot does not have.
    meant: Meant,
}

/// Which page's key an address means, by its key.
type Meant = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

impl OfSnapshot {
    /// Of this snapshot. `meant` says which page another spelling stands for. Blocks.
    pub fn new(
        store: &Store,
        snapshot: Arc<Snapshot>,
        meant: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> OfSnapshot {
        let id = snapshot.id();
        let shell = store.character(&id).and_then(|read| Some(read[FALLBACK_PAGE].as_str()?.to_owned()));
        let report = store.report(&id).and_then(|report| serde_json::from_value::<Report>(report).ok());
        let lacks = report.as_ref().map(lacks).unwrap_or_default();
        OfSnapshot { snapshot, shell, lacks, meant: Box::new(meant) }
    }

    fn exactly(&self, key: &str) -> Option<Page> {
        self.snapshot.find(key).ok().flatten()
    }

    fn stand_in(&self, key: &str) -> Option<Page> {
        if let Some(page) = (self.meant)(key).and_then(|meant| self.exactly(&meant)) {
            return Some(page);
        }
        let path = path_of(key);
        let is_file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
        if is_file {
            // a file is a file, whatever stands behind its name
            return (path.len() < key.len()).then(|| self.exactly(path)).flatten();
        }
        self.exactly(self.shell.as_deref()?)
    }
}

/// What the crawl has noted of addresses that it did not take.
fn lacks(report: &Report) -> HashMap<String, Lack> {
    let mut lacks = HashMap::new();
    for (code, refused) in &report.refusals {
        for example in &refused.examples {
            let lack = if INTENDED.contains(&&**code) {
                Lack::Intended
            } else {
                Lack::Reason(refused.meaning.to_string())
            };
            lacks.insert(example.path.clone(), lack);
        }
    }
    for broken in &report.broken_links {
        if INTENDED.contains(&&*broken.cause) {
            lacks.insert(broken.path.clone(), Lack::Intended);
        }
    }
    for failed in &report.failures {
        lacks.entry(failed.path.clone()).or_insert_with(|| Lack::Reason(failed.cause.to_string()));
    }
    lacks
}

impl Copies for OfSnapshot {
    fn find(&self, key: &str) -> Option<Copied> {
        let page = self.exactly(key).or_else(|| self.stand_in(key))?;
        let mut headers = HeaderMap::with_capacity(page.headers.len());
        for (name, value) in &page.headers {
            headers.append(name, value.clone());
        }
        Some(Copied { key: page.key, status: page.status, headers })
    }

    fn body(&self, copied: &Copied) -> Option<Vec<u8>> {
        let page = self.exactly(&copied.key).filter(|page| page.len <= LARGEST)?;
        match self.snapshot.load_here(&page).ok()? {
            Stored::Whole(bytes) => Some(bytes.to_vec()),
            Stored::File { file, len } => {
                let mut bytes = vec![0; usize::try_from(len).ok()?];
                file.read_exact_at(&mut bytes, 0).ok()?;
                Some(bytes)
            }
        }
    }

    fn lack(&self, key: &str) -> Option<Lack> {
        self.lacks.get(key).cloned()
    }
}
