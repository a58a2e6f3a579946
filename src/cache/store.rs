//! The entries of all sites in one bounded memory. moka decides who has room and nothing else: no entry is ever
//! dropped for its age.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http::header::HeaderMap;
use moka::ops::compute::Op;

use super::entry::Entry;
use super::flight::Flights;
use super::key::{BuildHashed, Hash128, Key};
use super::site::SiteCache;
use super::storable::Reason;

/// No entry is larger than this, in bytes, however large the cache.
const MAX_ENTRY: u64 = 16 << 20;
/// Variants of one page; the oldest goes when there are more.
const MAX_VARIANTS: usize = 8;
/// Of them, those for one `Origin` each: whoever makes up names of sites does not push the others out.
const MAX_ORIGINS: usize = 4;
/// After this many stored bytes, moka is made to catch up with its bound.
const UNSETTLED: u64 = 1 << 20;
/// Counters of changes. Pages that share one only lose a fetch under way to each other's changes.
const EPOCHS: usize = 1024;

/// The cache of all sites. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cache(Arc<Inner>);

/// What all the sites' parts share.
#[derive(Debug)]
pub(super) struct Inner {
    pages: moka::sync::Cache<u128, Arc<Page>, BuildHashed>,
    pub(super) max_entry: u64,
    unsettled: AtomicU64,
    pub(super) hash: Hash128,
    epochs: Box<[AtomicU64]>,
    pub(super) flights: Flights,
    /// How often each site was cleared. Sites that are gone keep their number: a few bytes each.
    generations: Mutex<HashMap<Arc<str>, Arc<AtomicU64>>>,
}

/// The variants of one page, newest first.
#[derive(Debug)]
pub(super) struct Page {
    site: Arc<str>,
    https: bool,
    host: Box<str>,
    page: Box<str>,
    pub(super) variants: Vec<Arc<Entry>>,
    weight: u32,
}

impl Cache {
    /// A cache that takes up to `room` bytes. Zero: it keeps nothing, and says "too large" to everything.
    pub fn new(room: u64) -> Cache {
        let pages = moka::sync::Cache::builder()
            .max_capacity(room)
            .weigher(|_, page: &Arc<Page>| page.weight)
            .build_with_hasher(BuildHashed::default());
        Cache(Arc::new(Inner {
            pages,
            max_entry: MAX_ENTRY.min(room / 8),
            unsettled: AtomicU64::new(0),
            hash: Hash128::default(),
            epochs: (0..EPOCHS).map(|_| AtomicU64::new(0)).collect(),
            flights: Flights::default(),
            generations: Mutex::default(),
        }))
    }

    /// The part of a site. The same name gets the same part, so that a reload keeps what is stored.
    pub fn site(&self, name: &str) -> SiteCache {
        let mut generations = self.0.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            generations.get_key_value(name).map(|(site, generation)| (site.clone(), generation.clone()));
        let (site, generation) = known.unwrap_or_else(|| {
            let (site, generation): (Arc<str>, Arc<AtomicU64>) = (name.into(), Arc::default());
            generations.insert(site.clone(), generation.clone());
            (site, generation)
        });
        SiteCache::new(self.0.clone(), site, generation)
    }

    /// The largest entry in bytes: answers that announce more need not be collected.
    pub fn max_entry(&self) -> u64 {
        self.0.max_entry
    }

    /// Bytes in use, by the cache's own reckoning.
    pub fn used(&self) -> u64 {
        self.0.pages.run_pending_tasks();
        self.0.pages.weighted_size()
    }

    /// Pages stored.
    pub fn pages(&self) -> u64 {
        self.0.pages.run_pending_tasks();
        self.0.pages.entry_count()
    }
}

impl Page {
    fn is(&self, site: &str, key: &Key<'_>) -> bool {
        self.https == key.https && *self.page == *key.page && *self.host == *key.host && *self.site == *site
    }

    /// The newest entry for a request with these headers.
    pub(super) fn variant(&self, request_headers: &HeaderMap) -> Option<&Arc<Entry>> {
        self.variants.iter().find(|entry| entry.matches(request_headers))
    }

    /// The newest one for a request that is like it but for `Origin`.
    pub(super) fn variant_but_for_origin(&self, request_headers: &HeaderMap) -> Option<&Arc<Entry>> {
        self.variants.iter().find(|entry| entry.matches_but_for_origin(request_headers))
    }

    /// The page with one entry more: it replaces those that it makes unreachable, and the oldest where they are many
    /// or weigh more than `most` together.
    fn with(site: &Arc<str>, key: &Key<'_>, entry: Arc<Entry>, older: &[Arc<Entry>], most: usize) -> Page {
        let mut weight = entry.weight();
        let mut by_origin = usize::from(entry.terms().selection.is_by_origin());
        let mut variants = Vec::with_capacity(older.len() + 1);
        variants.push(entry.clone());
        for old in older {
            let replaced = entry.terms().selection.covers(&old.terms().selection);
            let is_by_origin = old.terms().selection.is_by_origin();
            let has_room = variants.len() < MAX_VARIANTS && !(is_by_origin && by_origin == MAX_ORIGINS);
            if !replaced && has_room && weight + old.weight() <= most {
                by_origin += usize::from(is_by_origin);
                weight += old.weight();
                variants.push(old.clone());
            }
        }
        Page {
            site: site.clone(),
            https: key.https,
            host: key.host.as_ref().into(),
            page: key.page.as_ref().into(),
            weight: u32::try_from(weight + key.host.len() + key.page.len()).unwrap_or(u32::MAX),
            variants,
        }
    }
}

impl Inner {
    /// How often pages like this one were changed.
    pub(super) fn epoch(&self, hash: u128) -> &AtomicU64 {
        &self.epochs[(hash >> 64) as usize % EPOCHS]
    }

    /// The page, if it is this one.
    pub(super) fn page(&self, site: &str, key: &Key<'_>) -> Option<Arc<Page>> {
        // the hash cannot be aimed at, but a page is not given away on a hash alone
        self.pages.get(&key.hash).filter(|page| page.is(site, key))
    }

    /// Puts an entry into its page, unless `overtaken` says, asked while nobody else can touch the page, that it comes
    /// too late.
    pub(super) fn put(
        &self,
        site: &Arc<str>,
        key: &Key<'_>,
        entry: Entry,
        overtaken: impl FnOnce() -> bool,
    ) -> Result<Arc<Entry>, Reason> {
        let weight = entry.weight() as u64;
        if weight > self.max_entry {
            return Err(Reason::TooLarge);
        }
        let entry = Arc::new(entry);
        let most = usize::try_from(self.max_entry).unwrap_or(usize::MAX).saturating_mul(2);
        let mut late = false;
        let _ = self.pages.entry(key.hash).and_compute_with(|page| {
            late = overtaken();
            if late {
                return Op::Nop;
            }
            let older = page.map(moka::Entry::into_value).filter(|page| page.is(site, key));
            let older = older.as_deref().map_or(&[][..], |page| &page.variants);
            Op::Put(Arc::new(Page::with(site, key, entry.clone(), older, most)))
        });
        if late {
            return Err(Reason::Overtaken);
        }
        self.settle(weight);
        Ok(entry)
    }

    /// Forgets a page, wholly before or wholly after a `put` of it.
    pub(super) fn forget(&self, key: &Key<'_>) {
        let _ = self.pages.entry(key.hash).and_compute_with(|_| Op::Remove);
    }

    /// Frees the room of all pages of a site.
    pub(super) fn forget_site(&self, site: &str) {
        for (hash, page) in &self.pages {
            if *page.site == *site {
                self.pages.invalidate(&*hash);
            }
        }
        self.pages.run_pending_tasks();
    }

    /// Frees the room of those pages of a site of which something came at `since` or later. Returns how many these were.
    pub(super) fn forget_since(&self, site: &str, since: SystemTime) -> usize {
        let came_since = |page: &Page| page.variants.iter().any(|entry| entry.received().wall >= since);
        let mut forgotten = 0;
        for (hash, page) in &self.pages {
            if *page.site == *site && came_since(&page) {
                self.pages.invalidate(&*hash);
                forgotten += 1;
            }
        }
        self.pages.run_pending_tasks();
        forgotten
    }

    /// moka evicts in its own time, on later calls; a burst of large answers must not outrun it.
    fn settle(&self, weight: u64) {
        let unsettled = self.unsettled.fetch_add(weight, Ordering::Relaxed) + weight;
        if unsettled > UNSETTLED.min(self.max_entry) {
            self.unsettled.store(0, Ordering::Relaxed);
            self.pages.run_pending_tasks();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::site::tests::{FRESH, found, home, look, shop, store};
    use super::*;
    use crate::clock::now;

    #[test]
    fn the_bound_holds_whatever_is_stored() {
        let room = 4 << 20;
        let cache = Cache::new(room);
        let (site, t) = (cache.site("shop"), now());
        let body = vec![0; 100_000];
        for n in 0..500 {
            let page = format!("/{n}");
            store(&site, &site.key(true, "h", &page), &[], FRESH, &body, t).unwrap();
            let actual: u64 = site.inner.pages.iter().map(|(_, page)| u64::from(page.weight)).sum();
            assert!(actual <= room + UNSETTLED + 200_000, "{actual} bytes after {n} pages");
        }
        assert!(cache.used() <= room && cache.used() > room / 2, "{}", cache.used());
        assert!(cache.pages() < 50);
    }

    #[test]
    fn what_is_too_large_or_cut_does_not_get_in() {
        let cache = Cache::new(800_000);
        let (site, t) = (cache.site("shop"), now());
        let key = home(&site);
        assert_eq!(cache.max_entry(), 100_000);
        assert_eq!(Cache::new(1 << 40).max_entry(), MAX_ENTRY);
        assert_eq!(store(&site, &key, &[], FRESH, &vec![0; 100_001], t).unwrap_err(), Reason::TooLarge);
        assert_eq!(
            store(&site, &key, &[], FRESH, &vec![0; 99_999], t).unwrap_err(),
            Reason::TooLarge,
            "with its headers"
        );
        let cut = [("cache-control", "max-age=60"), ("content-length", "10")];
        assert_eq!(store(&site, &key, &[], &cut, b"short", t).unwrap_err(), Reason::Incomplete);
        let nothing = Cache::new(0).site("shop");
        assert_eq!(store(&nothing, &home(&nothing), &[], FRESH, b"x", t).unwrap_err(), Reason::TooLarge);
    }

    #[test]
    fn variants_live_side_by_side_and_are_bounded() {
        // RFC 9111 section 4.1
        let (site, t) = (shop(), now());
        let key = home(&site);
        let response_headers = [("cache-control", "max-age=60"), ("vary", "accept-language")];
        for (language, body) in [("ja", "おはよう"), ("en", "morning"), ("ja", "こんにちは")] {
            store(&site, &key, &[("accept-language", language)], &response_headers, body.as_bytes(), t)
                .unwrap();
        }
        assert_eq!(look(&site, &key, &[("accept-language", "ja")], t), found("fresh", "こんにちは"));
        assert_eq!(look(&site, &key, &[("accept-language", "en")], t), found("fresh", "morning"));
        assert_eq!(look(&site, &key, &[("accept-language", "de")], t), found("vary-miss", ""));
        for n in 0..100 {
            let language = format!("x-{n}");
            store(&site, &key, &[("accept-language", &language)], &response_headers, b"x", t).unwrap();
        }
        assert_eq!(site.inner.page("shop", &key).unwrap().variants.len(), MAX_VARIANTS);
        for n in 0..100 {
            let origin = format!("https://{n}.example");
            store(&site, &key, &[("origin", &origin)], FRESH, b"x", t).unwrap();
        }
        let kept = site.inner.page("shop", &key).unwrap();
        let by_origin = kept.variants.iter().filter(|entry| entry.terms().selection.is_by_origin()).count();
        assert_eq!((kept.variants.len(), by_origin), (MAX_VARIANTS, MAX_ORIGINS));
        assert_eq!(look(&site, &key, &[("accept-language", "x-99")], t), found("fresh", "x"));
        // an answer for everybody makes the others unreachable
        let all = [FRESH, &[("access-control-allow-origin", "*")]].concat();
        store(&site, &key, &[], &all, b"all", t).unwrap();
        assert_eq!(look(&site, &key, &[("accept-language", "x-99")], t), found("fresh", "all"));
        assert_eq!(site.inner.page("shop", &key).unwrap().variants.len(), 1);
    }
}
