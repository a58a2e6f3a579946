//! Resuming an interrupted crawl: what it had stored counts as fetched. Its pages are read from the disk again for their
//! links, in the order in which the crawl reaches them, so that it takes the same course; what was refused or failed is
//! requested again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::LOCATION;
use url::Url;

use super::{End, Fetcher};
use crate::config::ready::{Mirror, Site};
use crate::content::document::Document;
use crate::content::links::Need;
use crate::content::media::{Media, content_type};
use crate::crawl::accept::appraise::appraise;
use crate::crawl::accept::extract::{File, ReadAs, hold};
use crate::crawl::item::Item;
use crate::crawl::scope::{Place, Scope};
use crate::crawl::transport::Fetch;
use crate::snapshot::{Class, Page, Staging};
use crate::tasks;

/// A staging older than this is not resumed, however rarely the site is copied: its pages would not fit together.
const OLDEST: Duration = Duration::from_secs(24 * 3600);

/// What an interrupted crawl had stored, by keys.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Staged(HashMap<Arc<str>, Page>);

impl Staged {
    /// Everything that was fetched into `staging`. Blocks.
    pub(crate) fn of(staging: &Staging) -> Staged {
        let mut pages: HashMap<Arc<str>, Page> = HashMap::new();
        for page in staging.staged() {
            // What was carried over is to be asked for; whether it is carried over again is for this crawl to say.
            if page.notes.carried > 0 {
                pages.remove(page.key.as_str());
            } else {
                pages.insert(page.key.as_str().into(), page);
            }
        }
        Staged(pages)
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<Page> {
        self.0.remove(key)
    }

    /// What is left, sorted.
    pub(crate) fn left(&self) -> Vec<(Arc<str>, Class)> {
        let mut left: Vec<_> = self.0.iter().map(|(key, page)| (key.clone(), page.class)).collect();
        left.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        left
    }

    /// Takes what is left.
    pub(crate) fn rest(&mut self) -> HashMap<Arc<str>, Page> {
        std::mem::take(&mut self.0)
    }
}

/// Everything that determines a crawl's course: a crawl that began under another one is not resumed.
pub(crate) fn course(site: &Site) -> String {
    // How often, how fast, and how many are kept: of no concern for what is in one.
    let mirror = Mirror { every: Duration::ZERO, keep: 0, keep_for: None, rate: None, ..site.mirror.clone() };
    let site = (&site.hosts, &site.key_pages, site.tls.is_some(), &site.routes, &site.cache.ignore_query);
    let by = format!("{site:?} {mirror:?}");
    format!("{} {}", env!("CARGO_PKG_VERSION"), blake3::hash(by.as_bytes()).to_hex())
}

/// How old a staging may be to be resumed.
pub(crate) fn max_age(site: &Site) -> Duration {
    site.mirror.every.min(OLDEST)
}

impl<F: Fetch> Fetcher<'_, F> {
    /// What the staged `page` leads to. `None`: it cannot be read, and must be fetched again.
    pub(crate) async fn recall(&self, item: &Item, reading: ReadAs, page: Page) -> Option<End> {
        let (way, target) = self.way_to(&item.key);
        let url = self.scope.url(way.tls, &way.host, &target)?;
        if page.class == Class::Redirect {
            let to = redirect_target(&page, &url, &self.scope, item.need)?;
            return Some(End::Redirect(Box::new(page), to));
        }
        let headers: HeaderMap = page.headers.iter().cloned().collect();
        let (bodies, most) = (self.staging.bodies(), hold(&item.key, &headers, reading));
        let (scope, need, found_on) = (self.scope.clone(), item.need, item.found_on.clone());
        let _reader = self.readers.acquire().await;
        let read = tasks::blocking(move || {
            let body = bodies.beginning(&page, most).ok()?;
            let media = Media::of(&page.key, &headers, &body);
            let whole = page.len <= body.len() as u64;
            let (key, found_on, headers, url) = (&page.key, found_on.as_deref(), &headers, &url);
            let read = &Document::new(&body, content_type(headers));
            let file = File { key, need, found_on, url, headers, media, reading, page: read };
            let findings = appraise(&file, page.status, whole, &scope).ok()?;
            Some(End::Body(Box::new(page), Box::new(findings)))
        });
        read.await.unwrap_or(Some(End::Ending))
    }
}

/// Where a stored redirect leads, as the crawl saw it.
fn redirect_target(page: &Page, url: &Url, scope: &Scope, need: Need) -> Option<Option<String>> {
    let (_, location) = page.headers.iter().find(|(name, _)| *name == LOCATION)?;
    let to = url.join(String::from_utf8_lossy(location.as_bytes()).trim()).ok()?;
    Some(match scope.of_url(&to) {
        Place::Here(key) => Some(key),
        Place::Asset(key) if need == Need::Requisite => Some(key),
        Place::Asset(_) | Place::Elsewhere | Place::Nowhere => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ready::PathPattern;
    use crate::crawl::testing;

    #[test]
    fn a_course_is_what_decides_what_is_fetched() {
        let site = testing::site(&["/"]);
        let same = |change: fn(&mut Site)| {
            let mut other = site.clone();
            change(&mut other);
            course(&other) == course(&site)
        };
        for change in [
            |s: &mut Site| s.mirror.every *= 2,
            |s: &mut Site| s.mirror.keep = 9,
            |s: &mut Site| s.mirror.rate = Some(1.0),
            |s: &mut Site| s.health.interval *= 2,
        ] {
            assert!(same(change));
        }
        for change in [
            |s: &mut Site| s.key_pages.push("/x".into()),
            |s: &mut Site| s.hosts = vec!["example.jp".into()],
            |s: &mut Site| s.cache.ignore_query.clear(),
            |s: &mut Site| s.mirror.max_pages = 9,
            |s: &mut Site| s.mirror.max_depth = 9,
            |s: &mut Site| s.mirror.exclude = vec![PathPattern::new("/x").unwrap()],
        ] {
            assert!(!same(change));
        }
        assert!(course(&site).len() < 200);
    }

    #[test]
    fn a_staging_is_taken_up_while_its_pages_fit_together() {
        let mut site = testing::site(&["/"]);
        assert_eq!(max_age(&site), Duration::from_secs(6 * 3600));
        site.mirror.every = Duration::from_secs(30 * 86_400);
        assert_eq!(max_age(&site), Duration::from_secs(86_400));
    }
}
