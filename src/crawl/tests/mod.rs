//! Whole crawls of a site in memory: what is found, what is stored, what passes the gate. The clock stands still,
//! so that pauses and time-outs take no time.

mod bounds;
mod carried;
mod changing;
mod character;
mod complete;
mod everybodys;
mod gated;
mod judged;
mod learned;
mod measures;
mod overtaken;
mod patterns;
mod reading;
mod refused;
mod resumed;
mod tempo;

use std::sync::Arc;

use super::testing::{self, MemorySite};
use super::{CrawlError, Outcome, Progress, take};
use crate::clock;
use crate::config::ready::Site;
use crate::snapshot::{Snapshot, Store};

/// A store and what was crawled into it.
struct Crawled {
    dir: tempfile::TempDir,
    store: Store,
    outcome: Outcome,
    progress: Progress,
}

/// Takes one snapshot into an empty store.
async fn crawl(site: &Site, fetch: &MemorySite) -> Crawled {
    let (dir, store) = testing::store();
    let progress = Progress::new();
    let outcome = take(site, fetch, &store, None, &progress, clock::now()).await.expect("a crawl that ends");
    assert_eq!(testing::staged(dir.path()), 0);
    assert_eq!(progress.read().under_way, 0);
    Crawled { dir, store, outcome, progress }
}

impl Crawled {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.store.current().unwrap_or_else(|| panic!("no snapshot: {:?}", self.outcome))
    }

    /// All keys, sorted.
    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.snapshot().keys().map(|key| key.expect("readable")).collect();
        keys.sort();
        keys
    }

    fn has(&self, key: &str) -> bool {
        self.snapshot().find(key).expect("readable").is_some()
    }

    fn body(&self, key: &str) -> String {
        let body = testing::body(&self.snapshot(), key).unwrap_or_else(|| panic!("{key} is not there"));
        String::from_utf8(body).expect("text")
    }

    fn header(&self, key: &str, name: &str) -> Option<String> {
        let page = self.snapshot().find(key).expect("readable")?;
        let found = page.headers.iter().find(|(n, _)| n == name)?;
        Some(found.1.to_str().expect("text").to_owned())
    }

    /// How often a reason was given.
    fn refused(&self, code: &str) -> u64 {
        self.outcome.report().refusals.get(code).map_or(0, |refused| refused.count)
    }

    /// The rules of the gate that spoke.
    fn broken(&self) -> Vec<&'static str> {
        match &self.outcome {
            Outcome::Published { .. } => Vec::new(),
            Outcome::Kept { broken, .. } => broken.iter().map(|b| b.rule.code()).collect(),
        }
    }
}
