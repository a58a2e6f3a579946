//! Going on with a crawl that was interrupted: what it had stored counts as fetched. Its pages are read again for their
//! links, from the disk, in the order in which the crawl comes by them, so that it takes the course that it would
//! have taken; what it had been refused, or could not get, is asked for again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::LOCATION;
use url::Url;

use super::appraise::appraise;
use super::fetch::Fetch;
use super::findings::{File, Reading};
use super::frontier::Item;
use super::links::Need;
use super::scope::{Place, Scope};
use super::stored_headers::media;
use super::visit::{End, Visitor, hold};
use crate::config::ready::Site;
use crate::snapshot::{Class, Page, Staging};
use crate::tasks;

/// A staging older than this is begun anew, however rarely the site is copied: its pages would not fit together.
const OLDEST: Duration = Duration::from_secs(24 * 3600);

/// What an interrupted crawl had stored, by keys.
#[derive(Debug, Default)]
pub(super) struct Staged(HashMap<Arc<str>, Page>);

impl Staged {
    /// Everything in `staging`.
    pub(super) fn of(staging: &Staging) -> Staged {
        Staged(staging.staged().map(|page| (Arc::from(page.key.as_str()), page)).collect())
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Page> {
        self.0.remove(key)
    }

    /// What is left, sorted.
    pub(super) fn left(&self) -> Vec<(Arc<str>, Class)> {
        let mut left: Vec<_> = self.0.iter().map(|(key, page)| (key.clone(), page.class)).collect();
        left.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        left
    }

    /// Takes what is left.
    pub(super) fn rest(&mut self) -> HashMap<Arc<str>, Page> {
        std::mem::take(&mut self.0)
    }
}

/// All that a crawl goes by: one that was begun under another course is not gone on with.
pub(super) fn course(site: &Site) -> String {
    let mirror = &site.mirror;
    let by = format!(
        "{:?}",
        (
            &site.hosts,
            &site.key_pages,
            site.tls.is_some(),
            &site.routes,
            &site.cache.ignore_query,
            (mirror.max_pages, mirror.max_depth, &mirror.include, &mirror.exclude, &mirror.asset_hosts),
        )
    );
    format!("{} {}", env!("CARGO_PKG_VERSION"), blake3::hash(by.as_bytes()).to_hex())
}

/// How old a staging may be to be gone on with.
pub(super) fn max_age(site: &Site) -> Duration {
    site.mirror.every.min(OLDEST)
}

impl<F: Fetch> Visitor<'_, F> {
    /// What `page`, which is staged, leads to. `None`: it cannot be read, and is to be fetched again.
    pub(super) async fn recall(&self, item: &Item, reading: Reading, page: Page) -> Option<End> {
        let (way, path) = self.way_to(&item.key);
        let url = self.scope.url(way.tls, &way.host, &path)?;
        if page.class == Class::Redirect {
            let to = target(&page, item.need, &url, &self.scope)?;
            return Some(End::Redirect(Box::new(page), to));
        }
        let headers: HeaderMap = page.headers.iter().cloned().collect();
        let (bodies, most) = (self.staging.bodies(), hold(&item.key, &headers, reading));
        let (scope, need, found_on) = (self.scope.clone(), item.need, item.found_on.clone());
        let _reader = self.readers.acquire().await;
        let read = tasks::blocking(move || {
            let body = bodies.beginning(&page, most).ok()?;
            let media = media(&page.key, &headers, &body);
            let whole = page.len <= body.len() as u64;
            let (key, found_on, body) = (page.key.as_str(), found_on.as_deref(), &body[..]);
            let file = File { key, need, found_on, url: &url, headers: &headers, media, reading, body };
            let findings = appraise(&file, page.status, whole, &scope).ok()?;
            Some(End::Body(Box::new(page), findings))
        });
        read.await.unwrap_or(Some(End::Ending))
    }
}

/// Where a stored redirect leads, as the crawl saw it.
fn target(page: &Page, need: Need, url: &Url, scope: &Scope) -> Option<Option<String>> {
    let (_, location) = page.headers.iter().find(|(name, _)| *name == LOCATION)?;
    let to = url.join(String::from_utf8_lossy(location.as_bytes()).trim()).ok()?;
    Some(match scope.of_url(&to) {
        Place::Here(key) => Some(key),
        Place::Asset(key) if need == Need::Draw => Some(key),
        Place::Asset(_) | Place::Elsewhere | Place::Nowhere => None,
    })
}
