//! The entries of all sites in one bounded memory. moka decides who has room and nothing else: no entry is ever
//! dropped for its age.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderMap, PRAGMA};
use moka::ops::compute::Op;

use super::ask;
use super::entry::{Entry, Freshness};
use super::flight::{FlightKey, Flights, Role};
use super::key::{BuildHashed, Hash128, Key};
use super::revalidate::{self, Freshened, Validation};
use super::storable::{Exchange, Reason, Storable, is_complete, storable};
use super::vary;
use crate::clock::Now;
use crate::http::cache_status::Forward;
use crate::http::control::RequestControl;

/// No entry is larger than this, in bytes, however large the cache.
const MAX_ENTRY: u64 = 16 << 20;
/// Variants of one page; the oldest goes when there are more.
const MAX_VARIANTS: usize = 8;
/// A forced reload is believed once in this time for each page: a crowd that hammers F5 is one fetch a second.
const RELOAD: Duration = Duration::from_secs(1);
/// After so many bytes stored, moka is made to catch up with its bound.
const UNSETTLED: u64 = 1 << 20;
/// Counters of changes. Pages that share one only lose a fetch under way to each other's changes.
const EPOCHS: usize = 1024;

/// The cache of all sites. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pages: moka::sync::Cache<u128, Arc<Page>, BuildHashed>,
    max_entry: u64,
    unsettled: AtomicU64,
    hash: Hash128,
    epochs: Box<[AtomicU64]>,
    flights: Flights,
    /// How often each site was cleared. Sites that are gone keep their number: a few bytes each.
    generations: Mutex<Vec<(Arc<str>, Arc<AtomicU64>)>>,
}

/// The variants of one page, newest first.
#[derive(Debug)]
struct Page {
    site: Arc<str>,
    generation: u64,
    https: bool,
    host: Box<str>,
    page: Box<str>,
    variants: Vec<Arc<Entry>>,
    weight: u32,
}

/// One site's part of the cache: what the request path works with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SiteCache {
    inner: Arc<Inner>,
    site: Arc<str>,
    generation: Arc<AtomicU64>,
}

/// What is known of a page.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// May be given as it is.
    Fresh(Arc<Entry>),
    /// May be given if the origin fails, or while it is fetched again (see [`Entry::while_revalidate`]).
    Stale(Arc<Entry>),
    /// Not to be given before the origin was asked: it says so, or the visitor does. If the origin fails,
    /// [`Entry::usable_stale`] tells whether it may be given all the same.
    Revalidate(Arc<Entry>),
    /// Not stored, and why.
    Nothing(Forward),
    /// Not stored, and the last answer could not be: do not wait for others who ask for it.
    Uncacheable,
}

/// An answer on its way into the cache.
#[derive(Clone, Copy, Debug)]
pub struct Fill<'a> {
    /// The request and the answer's head. Bad answers do not get here: the caller has judged it.
    pub exchange: Exchange<'a>,
    /// The whole body, proven to be whole.
    pub body: &'a [u8],
    /// For answers without any freshness of their own.
    pub default_ttl: Duration,
    /// When the request left for the origin.
    pub asked: Now,
    /// When the answer's headers came.
    pub answered: Now,
}

/// What came of a validation.
#[derive(Clone, Debug)]
pub enum Validated {
    /// The renewed entry.
    Kept(Arc<Entry>),
    /// Good for the request that asked; no longer kept, and why.
    Once(Arc<Entry>, Reason),
    /// The 304 is of no use: fetch the whole.
    Mismatch,
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
        let known = generations.iter().find(|(site, _)| **site == *name).cloned();
        let (site, generation) = known.unwrap_or_else(|| {
            let new = (Arc::from(name), Arc::default());
            generations.push(Clone::clone(&new));
            new
        });
        SiteCache { inner: self.0.clone(), site, generation }
    }

    /// The most that one entry may weigh, in bytes: answers that announce more need not be collected.
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

impl SiteCache {
    /// The key of a page, made once for a request, or, for a fetch in the background, when that fetch begins.
    pub fn key<'a>(&self, https: bool, host: &'a str, page: &'a str) -> Key<'a> {
        let generation = self.generation.load(Ordering::Acquire);
        let hash = self.inner.hash.of(|h| {
            h.write(self.site.as_bytes());
            h.write_u64(generation << 1 | u64::from(https));
            h.write(host.as_bytes());
            h.write_u8(0xff);
            h.write(page.as_bytes());
        });
        let epoch = self.inner.epoch(hash).load(Ordering::Acquire);
        Key { hash, epoch, https, host: host.into(), page: page.into() }
    }

    /// What is known of the page for a request with these headers, of which [`ask::may_look_up`] holds. GET and HEAD
    /// alike.
    pub fn lookup(&self, key: &Key<'_>, ask: &HeaderMap, now: Now) -> Lookup {
        let Some(page) = self.page(key) else {
            let alone = self.inner.flights.is_alone(self.flight_key(key, ask, None), now);
            return if alone { Lookup::Uncacheable } else { Lookup::Nothing(Forward::UriMiss) };
        };
        let Some(entry) = page.variant(ask) else {
            let alone = self.inner.flights.is_alone(self.flight_key(key, ask, Some(&page)), now);
            return if alone { Lookup::Uncacheable } else { Lookup::Nothing(Forward::VaryMiss) };
        };
        let entry = entry.clone();
        match entry.freshness(now) {
            Freshness::Fresh { .. } if forces_reload(ask, &entry, now) => Lookup::Revalidate(entry),
            Freshness::Fresh { .. } => Lookup::Fresh(entry),
            Freshness::Stale { .. } => Lookup::Stale(entry),
            Freshness::MustRevalidate => Lookup::Revalidate(entry),
        }
    }

    /// Joins the one fetch of the page for requests like this one, of which [`ask::may_share`] holds, or begins it.
    pub fn join(&self, key: &Key<'_>, ask: &HeaderMap, now: Now) -> Role {
        let flight = self.flight_key(key, ask, self.page(key).as_deref());
        let leader = match self.inner.flights.join(flight, now) {
            Role::Leader(leader) => leader,
            other @ (Role::Follower(_) | Role::Alone | Role::Came(_)) => return other,
        };
        // an earlier fetch may have ended between this request's look and its question: a leader stores first and
        // steps down then, so that whoever leads next finds what it stored
        match self.lookup(key, ask, now) {
            Lookup::Fresh(entry) => {
                leader.stored(entry.clone());
                Role::Came(entry)
            }
            Lookup::Stale(_) | Lookup::Revalidate(_) | Lookup::Nothing(_) | Lookup::Uncacheable => {
                Role::Leader(leader)
            }
        }
    }

    /// The most that one entry may weigh, in bytes: answers that announce more need not be collected.
    pub fn max_entry(&self) -> u64 {
        self.inner.max_entry
    }

    /// How many shared fetches are under way, over all sites.
    pub fn under_way(&self) -> usize {
        self.inner.flights.under_way()
    }

    /// Keeps an answer, if it may be kept; the entry may be used for those who wait, also where there turns out to be
    /// no room for it.
    ///
    /// # Errors
    /// Why it is not kept. What is stored already stays.
    pub fn store(&self, key: &Key<'_>, fill: &Fill<'_>) -> Result<Arc<Entry>, Reason> {
        let x = &fill.exchange;
        let terms = match storable(x, fill.default_ttl, fill.answered.wall) {
            Storable::Yes(terms) => terms,
            Storable::No(reason) => return Err(reason),
        };
        if !is_complete(x.answer, fill.body.len()) {
            return Err(Reason::Incomplete);
        }
        if fill.body.len() as u64 > self.inner.max_entry {
            return Err(Reason::TooLarge);
        }
        self.put(key, Entry::new(x.status, x.answer, fill.body, terms, fill.asked, fill.answered))
    }

    /// Takes a 304 for an entry, and keeps what it makes of it.
    pub fn freshen(&self, key: &Key<'_>, entry: &Entry, validation: &Validation<'_>) -> Validated {
        match revalidate::freshen(entry, validation) {
            Freshened::Renewed(entry) => self.put(key, entry).map_or(Validated::Mismatch, Validated::Kept),
            Freshened::Once(entry, reason) => {
                self.forget(key);
                Validated::Once(Arc::new(entry), reason)
            }
            Freshened::Mismatch => Validated::Mismatch,
        }
    }

    /// A successful unsafe request changed the page (RFC 9111 section 4.4; see [`ask::invalidates`]): what is stored
    /// goes, what is on its way is not stored, and who asks from now on does not share a fetch begun before.
    pub fn invalidate(&self, key: &Key<'_>) {
        self.inner.epoch(key.hash).fetch_add(1, Ordering::AcqRel);
        self.forget(key);
    }

    /// Forgets all of the site, what is on its way included.
    pub fn clear(&self) {
        // from here on, no key finds what was stored under the old number
        let now = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        for (hash, page) in &self.inner.pages {
            if *page.site == *self.site && page.generation < now {
                self.inner.pages.invalidate(&*hash);
            }
        }
        self.inner.pages.run_pending_tasks();
    }

    fn page(&self, key: &Key<'_>) -> Option<Arc<Page>> {
        // the hash cannot be aimed at, but a page is not given away on a hash alone
        self.inner.pages.get(&key.hash).filter(|page| page.is(&self.site, key))
    }

    fn forget(&self, key: &Key<'_>) {
        // through the same door as `put`, which holds the page's lock
        let _ = self.inner.pages.entry(key.hash).and_compute_with(|_| Op::Remove);
    }

    fn put(&self, key: &Key<'_>, entry: Entry) -> Result<Arc<Entry>, Reason> {
        let weight = entry.weight() as u64;
        if weight > self.inner.max_entry {
            return Err(Reason::TooLarge);
        }
        let entry = Arc::new(entry);
        let mut overtaken = false;
        let _ = self.inner.pages.entry(key.hash).and_compute_with(|page| {
            // within the page's lock, so that an invalidation comes wholly before or wholly after
            overtaken = self.inner.epoch(key.hash).load(Ordering::Acquire) != key.epoch;
            if overtaken {
                return Op::Nop;
            }
            let older = page.map(moka::Entry::into_value).filter(|page| page.is(&self.site, key));
            let older = older.as_deref().map_or(&[][..], |page| &page.variants);
            Op::Put(Arc::new(self.page_with(key, entry.clone(), older)))
        });
        if overtaken {
            return Err(Reason::Overtaken);
        }
        self.inner.settle(weight);
        Ok(entry)
    }

    /// The page with one entry more: it replaces those that it makes unreachable, and the oldest where they are many.
    fn page_with(&self, key: &Key<'_>, entry: Arc<Entry>, older: &[Arc<Entry>]) -> Page {
        let mut weight = entry.weight();
        let most = usize::try_from(self.inner.max_entry).unwrap_or(usize::MAX).saturating_mul(2);
        let mut variants = Vec::with_capacity(older.len() + 1);
        variants.push(entry.clone());
        for old in older {
            let replaced =
                entry.terms().selection.is_empty() || old.terms().selection == entry.terms().selection;
            if !replaced && variants.len() < MAX_VARIANTS && weight + old.weight() <= most {
                weight += old.weight();
                variants.push(old.clone());
            }
        }
        Page {
            site: self.site.clone(),
            generation: self.generation.load(Ordering::Acquire),
            https: key.https,
            host: key.host.as_ref().into(),
            page: key.page.as_ref().into(),
            weight: u32::try_from(weight + key.host.len() + key.page.len()).unwrap_or(u32::MAX),
            variants,
        }
    }

    /// Requests that would get the same answer, as far as is known before it comes: the same page in the same state,
    /// with or without cookies, the same codings, and what the page's stored variants were chosen by.
    fn flight_key(&self, key: &Key<'_>, ask: &HeaderMap, page: Option<&Page>) -> FlightKey {
        let (anonymous, codings) = (ask::is_anonymous(ask), vary::codings(ask));
        FlightKey(self.inner.hash.of(|mut h| {
            h.write_u128(key.hash);
            h.write_u64(key.epoch);
            h.write_u8(u8::from(anonymous));
            h.write_u8(codings);
            if let Some(newest) = page.and_then(|page| page.variants.first()) {
                newest.terms().selection.hash_values(ask, &mut h);
            }
        }))
    }
}

impl Page {
    fn is(&self, site: &str, key: &Key<'_>) -> bool {
        self.https == key.https && *self.page == *key.page && *self.host == *key.host && *self.site == *site
    }

    fn variant(&self, ask: &HeaderMap) -> Option<&Arc<Entry>> {
        self.variants.iter().find(|entry| entry.matches(ask))
    }
}

impl Inner {
    fn epoch(&self, hash: u128) -> &AtomicU64 {
        &self.epochs[(hash >> 64) as usize % EPOCHS]
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

/// RFC 9111 section 5.2.1 leaves it to the cache whether to heed requests. An ordinary reload (`max-age=0`) gets what
/// any visitor gets; a forced one (`no-cache`) reaches the origin.
fn forces_reload(ask: &HeaderMap, entry: &Entry, now: Now) -> bool {
    (ask.contains_key(CACHE_CONTROL) || ask.contains_key(PRAGMA))
        && RequestControl::of(ask).no_cache
        && entry.resident(now) >= RELOAD
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::{Fields, map};
    use super::super::flight::Landed;
    use super::*;
    use crate::clock::now;
    use crate::tasks;
    use http::{Method, StatusCode};
    use std::sync::atomic::AtomicUsize;

    const FRESH: Fields<'_> = &[("cache-control", "max-age=60"), ("etag", "\"a\"")];

    fn shop() -> SiteCache {
        Cache::new(8 << 20).site("shop")
    }

    fn home(site: &SiteCache) -> Key<'static> {
        site.key(true, "www.example.jp", "/")
    }

    fn store(
        site: &SiteCache,
        key: &Key<'_>,
        ask: Fields<'_>,
        answer: Fields<'_>,
        body: &[u8],
        at: Now,
    ) -> Result<Arc<Entry>, Reason> {
        store_status(site, key, 200, (ask, answer, body), at)
    }

    fn store_status(
        site: &SiteCache,
        key: &Key<'_>,
        status: u16,
        (ask, answer, body): (Fields<'_>, Fields<'_>, &[u8]),
        at: Now,
    ) -> Result<Arc<Entry>, Reason> {
        let (ask, answer) = (map(ask), map(answer));
        let status = StatusCode::from_u16(status).unwrap();
        let exchange = Exchange { method: &Method::GET, ask: &ask, status, answer: &answer };
        site.store(key, &Fill { exchange, body, default_ttl: Duration::ZERO, asked: at, answered: at })
    }

    /// What a lookup says, in a word, and the body that it found.
    fn look(site: &SiteCache, key: &Key<'_>, ask: Fields<'_>, at: Now) -> (&'static str, String) {
        let body = |e: Arc<Entry>| String::from_utf8(e.body().to_vec()).unwrap();
        match site.lookup(key, &map(ask), at) {
            Lookup::Fresh(e) => ("fresh", body(e)),
            Lookup::Stale(e) => ("stale", body(e)),
            Lookup::Revalidate(e) => ("revalidate", body(e)),
            Lookup::Nothing(why) => (why.as_str(), String::new()),
            Lookup::Uncacheable => ("uncacheable", String::new()),
        }
    }

    fn found(word: &'static str, body: &str) -> (&'static str, String) {
        (word, body.to_owned())
    }

    #[test]
    fn an_entry_goes_from_fresh_to_stale_and_stays() {
        let (site, t) = (shop(), now());
        let key = home(&site);
        assert_eq!(look(&site, &key, &[], t), found("uri-miss", ""));
        store(&site, &key, &[], FRESH, b"one", t).unwrap();
        assert_eq!(look(&site, &key, &[], t.plus(Duration::from_secs(59))), found("fresh", "one"));
        assert_eq!(look(&site, &key, &[], t.plus(Duration::from_secs(60))), found("stale", "one"));
        assert_eq!(look(&site, &key, &[], t.plus(Duration::from_secs(86_400 * 365))), found("stale", "one"));
        store(&site, &key, &[], &[("cache-control", "no-cache"), ("etag", "\"a\"")], b"two", t).unwrap();
        assert_eq!(look(&site, &key, &[], t), found("revalidate", "two"));
    }

    #[test]
    fn a_page_is_found_by_all_of_its_key_and_nothing_less() {
        let (cache, t) = (Cache::new(8 << 20), now());
        let (shop, club) = (cache.site("shop"), cache.site("club"));
        let key = shop.key(true, "a.example", "/x");
        store(&shop, &key, &[], FRESH, b"one", t).unwrap();
        for (https, host, page) in [
            (false, "a.example", "/x"),
            (true, "b.example", "/x"),
            (true, "a.example", "/y"),
            (true, "a.example/", "x"),
        ] {
            assert_eq!(
                look(&shop, &shop.key(https, host, page), &[], t).0,
                "uri-miss",
                "{https} {host} {page}"
            );
        }
        assert_eq!(look(&club, &club.key(true, "a.example", "/x"), &[], t).0, "uri-miss");
        // not even on a hash that happens to be the same
        let twin = Key { hash: key.hash, ..shop.key(true, "a.example", "/y") };
        assert_eq!(look(&shop, &twin, &[], t).0, "uri-miss");
        // the part of a name is the same after a reload
        assert_eq!(look(&cache.site("shop"), &key.into_owned(), &[], t), found("fresh", "one"));
    }

    #[test]
    fn variants_live_side_by_side_and_are_bounded() {
        // RFC 9111 section 4.1
        let (site, t) = (shop(), now());
        let key = home(&site);
        let answer = [("cache-control", "max-age=60"), ("vary", "accept-language")];
        for (language, body) in [("ja", "おはよう"), ("en", "morning"), ("ja", "こんにちは")] {
            store(&site, &key, &[("accept-language", language)], &answer, body.as_bytes(), t).unwrap();
        }
        assert_eq!(look(&site, &key, &[("accept-language", "ja")], t), found("fresh", "こんにちは"));
        assert_eq!(look(&site, &key, &[("accept-language", "en")], t), found("fresh", "morning"));
        assert_eq!(look(&site, &key, &[("accept-language", "de")], t), found("vary-miss", ""));
        for n in 0..100 {
            let language = format!("x-{n}");
            store(&site, &key, &[("accept-language", &language)], &answer, b"x", t).unwrap();
        }
        assert_eq!(site.page(&key).unwrap().variants.len(), MAX_VARIANTS);
        // an answer for everybody makes the others unreachable
        store(&site, &key, &[], FRESH, b"all", t).unwrap();
        assert_eq!(look(&site, &key, &[("accept-language", "x-99")], t), found("fresh", "all"));
        assert_eq!(site.page(&key).unwrap().variants.len(), 1);
    }

    #[test]
    fn an_encoding_is_given_only_to_those_who_read_it() {
        let (site, t) = (shop(), now());
        let key = home(&site);
        let answer = [("cache-control", "max-age=60"), ("content-encoding", "gzip")];
        store(&site, &key, &[("accept-encoding", "gzip, br")], &answer, b"gz", t).unwrap();
        assert_eq!(look(&site, &key, &[("accept-encoding", "br;q=0.9, gzip")], t), found("fresh", "gz"));
        assert_eq!(look(&site, &key, &[], t), found("vary-miss", ""));
    }

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
    fn a_bad_answer_never_replaces_a_good_one() {
        let (site, t) = (shop(), now());
        let key = home(&site);
        store(&site, &key, &[], FRESH, b"good", t).unwrap();
        for status in [500, 502, 503, 504, 403, 429] {
            assert_eq!(
                store_status(&site, &key, status, (&[], FRESH, b"bad"), t).unwrap_err(),
                Reason::Status
            );
        }
        let cookie = [("cache-control", "max-age=60"), ("set-cookie", "a=b")];
        assert_eq!(store(&site, &key, &[], &cookie, b"bad", t).unwrap_err(), Reason::SetCookie);
        assert_eq!(look(&site, &key, &[], t), found("fresh", "good"));
    }

    #[test]
    fn a_change_forgets_the_page_and_what_was_on_its_way() {
        // RFC 9111 section 4.4
        let (site, t) = (shop(), now());
        let begun_before = home(&site);
        store(&site, &begun_before, &[], FRESH, b"old", t).unwrap();
        let Role::Leader(leader) = site.join(&begun_before, &HeaderMap::new(), t) else {
            panic!("no leader")
        };
        site.invalidate(&home(&site));
        assert_eq!(look(&site, &home(&site), &[], t).0, "uri-miss");
        assert_eq!(store(&site, &begun_before, &[], FRESH, b"old", t).unwrap_err(), Reason::Overtaken);
        // whoever asks after the change does not get what was fetched before it
        assert!(matches!(site.join(&home(&site), &HeaderMap::new(), t), Role::Leader(_)));
        drop(leader);
        store(&site, &home(&site), &[], FRESH, b"new", t).unwrap();
        assert_eq!(look(&site, &home(&site), &[], t), found("fresh", "new"));
    }

    #[test]
    fn a_site_is_cleared_alone_and_at_once() {
        let (cache, t) = (Cache::new(8 << 20), now());
        let (shop, club) = (cache.site("shop"), cache.site("club"));
        let before = home(&shop);
        store(&shop, &before, &[], FRESH, b"x", t).unwrap();
        store(&club, &home(&club), &[], FRESH, b"x", t).unwrap();
        cache.site("shop").clear();
        assert_eq!(cache.pages(), 1);
        assert_eq!(look(&shop, &home(&shop), &[], t).0, "uri-miss");
        assert_eq!(look(&club, &home(&club), &[], t).0, "fresh");
        // a fetch from before lands where nobody looks
        let _ = store(&shop, &before, &[], FRESH, b"x", t);
        assert_eq!(look(&shop, &home(&shop), &[], t).0, "uri-miss");
    }

    #[test]
    fn a_validation_makes_the_page_fresh_again() {
        // RFC 9111 section 4.3.4
        let (site, t) = (shop(), now());
        let key = home(&site);
        let entry = store(&site, &key, &[], FRESH, b"x", t).unwrap();
        let later = t.plus(Duration::from_secs(1000));
        let validate = |ask: Fields<'_>, answer: Fields<'_>| {
            let (ask, answer) = (map(ask), map(answer));
            let validation = Validation {
                ask: &ask,
                answer: &answer,
                default_ttl: Duration::ZERO,
                asked: later,
                answered: later,
            };
            site.freshen(&key, &entry, &validation)
        };
        assert!(matches!(validate(&[], &[("etag", "\"b\"")]), Validated::Mismatch));
        assert_eq!(look(&site, &key, &[], later), found("stale", "x"));
        assert!(matches!(validate(&[], &[("etag", "\"a\"")]), Validated::Kept(_)));
        assert_eq!(look(&site, &key, &[], later), found("fresh", "x"));
        let gone = validate(&[], &[("cache-control", "no-store")]);
        assert!(matches!(gone, Validated::Once(_, Reason::NoStore)), "{gone:?}");
        assert_eq!(look(&site, &key, &[], later).0, "uri-miss");
    }

    #[test]
    fn a_forced_reload_reaches_the_origin_but_a_crowd_does_not() {
        let (site, t) = (shop(), now());
        let key = home(&site);
        store(&site, &key, &[], FRESH, b"x", t).unwrap();
        let second = t.plus(RELOAD);
        for (ask, at, word) in [
            (("cache-control", "no-cache"), t, "fresh"),
            (("cache-control", "no-cache"), second, "revalidate"),
            (("pragma", "no-cache"), second, "revalidate"),
            (("cache-control", "max-age=0"), second, "fresh"),
        ] {
            assert_eq!(look(&site, &key, &[ask], at).0, word, "{ask:?}");
        }
    }

    #[test]
    fn a_page_that_is_not_shareable_for_cookies_still_is_without() {
        let (site, t) = (shop(), now());
        let key = home(&site);
        let (none, cookie) = (HeaderMap::new(), map(&[("cookie", "sid=1")]));
        let Role::Leader(leader) = site.join(&key, &cookie, t) else { panic!("no leader") };
        leader.not_shareable(t);
        assert!(matches!(site.join(&key, &cookie, t), Role::Alone));
        assert!(matches!(site.lookup(&key, &cookie, t), Lookup::Uncacheable));
        assert!(matches!(site.lookup(&key, &none, t), Lookup::Nothing(Forward::UriMiss)));
        assert!(matches!(site.join(&key, &none, t), Role::Leader(_)));
    }

    /// What the request path does with a cold page, whose answer depends on the language or not.
    async fn visit(
        site: SiteCache,
        vary: &'static str,
        language: &'static str,
        fetches: Arc<AtomicUsize>,
    ) -> String {
        let text = |entry: Arc<Entry>| String::from_utf8(entry.body().to_vec()).unwrap();
        let ask = map(&[("accept-language", language)]);
        let key = home(&site);
        let deadline = now().mono + Duration::from_secs(20);
        loop {
            if let Lookup::Fresh(entry) = site.lookup(&key, &ask, now()) {
                return text(entry);
            }
            let leader = match site.join(&key, &ask, now()) {
                Role::Leader(leader) => leader,
                Role::Came(entry) => return text(entry),
                Role::Alone => panic!("alone"),
                Role::Follower(waiter) => match waiter.wait(deadline).await {
                    Landed::Stored(entry) if entry.shared_with(&ask) => return text(entry),
                    Landed::Stored(_) => continue,
                    Landed::Lead(leader) => leader,
                    other @ (Landed::Alone | Landed::Failed(_) | Landed::TimedOut) => panic!("{other:?}"),
                },
            };
            fetches.fetch_add(1, Ordering::Relaxed);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let answer = [("cache-control", "max-age=60"), ("vary", vary)];
            let entry =
                store(&site, &key, &[("accept-language", language)], &answer, language.as_bytes(), now());
            leader.stored(entry.unwrap());
        }
    }

    async fn crowd(vary: &'static str, languages: &[&'static str]) -> usize {
        let (site, fetches) = (shop(), Arc::new(AtomicUsize::new(0)));
        let visits: Vec<_> = (0..600)
            .map(|n| {
                let language = languages[n % languages.len()];
                (language, tasks::detached(visit(site.clone(), vary, language, fetches.clone())))
            })
            .collect();
        for (language, visit) in visits {
            assert_eq!(visit.await.unwrap(), language);
        }
        assert_eq!(site.under_way(), 0);
        fetches.load(Ordering::Relaxed)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_crowd_on_a_cold_page_is_one_fetch() {
        for _ in 0..20 {
            assert_eq!(crowd("", &["ja"]).await, 1);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_crowd_of_three_languages_is_about_three() {
        // while the first answer is on its way nobody knows that there are three: whoever asks at the moment of its
        // arrival may not have heard of it
        let fetches = crowd("accept-language", &["ja", "en", "de"]).await;
        assert!((3..=6).contains(&fetches), "{fetches} fetches");
    }
}
