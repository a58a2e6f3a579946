//! One site's part of the cache: looking up, keeping, validating, forgetting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use http::header::{CACHE_CONTROL, HeaderMap, PRAGMA};

use super::entry::{Entry, Freshness};
use super::key::Key;
use super::revalidate::{self, Freshened, Validation};
use super::sight::{Resemblance, Sight};
use super::storable::{Exchange, Reason, Storable, is_complete, is_empty_page, storable};
use super::store::Inner;
use crate::clock::Now;
use crate::http::cache_status::Forward;
use crate::http::control::RequestControl;

/// A forced reload is honoured once in this time for each page: a crowd that hammers F5 causes one fetch a second.
const RELOAD: Duration = Duration::from_secs(1);

/// One site's part of the cache: what the request path works with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SiteCache {
    pub(super) inner: Arc<Inner>,
    pub(super) site: Arc<str>,
    generation: Arc<AtomicU64>,
}

/// What is known of a page.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// May be served as it is.
    Fresh(Arc<Entry>),
    /// HTTP allows to serve it if the origin fails. Whether it is served: `proxy::vouch`, `failover::decide`.
    Stale(Arc<Entry>),
    /// Not to be served before validation: the entry says so, or the visitor does. If the origin fails,
    /// [`Entry::may_stand_in`] tells whether it may be served all the same.
    Revalidate(Arc<Entry>),
    /// Stored for others: the page of another site asks, or none does, and whether that may read it the origin has to be
    /// asked. If that fails, it is a copy as any other.
    Otherwise(Arc<Entry>),
    /// Not stored, and why.
    Nothing(Forward),
    /// Not stored, and the last answer could not be: do not wait for others who want it.
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
    pub sent_at: Now,
    /// When the answer's headers came.
    pub received_at: Now,
    /// How it compares with the existing copy.
    pub resemblance: Resemblance,
    /// Up to when the site is proven.
    pub proven: Option<Instant>,
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

impl SiteCache {
    pub(super) fn new(inner: Arc<Inner>, site: Arc<str>, generation: Arc<AtomicU64>) -> SiteCache {
        SiteCache { inner, site, generation }
    }

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
        Key { hash, generation, epoch, https, host: host.into(), page: page.into() }
    }

    /// What is known of the page for a request with these header fields that [`may_look_up`](super::ask::may_look_up) allows.
    /// GET and HEAD alike.
    pub fn lookup(&self, key: &Key<'_>, request_headers: &HeaderMap, now: Now) -> Lookup {
        let Some(page) = self.inner.page(&self.site, key) else {
            let alone = self.inner.flights.is_alone(self.flight_key(key, request_headers, None), now);
            return if alone { Lookup::Uncacheable } else { Lookup::Nothing(Forward::UriMiss) };
        };
        let Some(entry) = page.variant(request_headers) else {
            let alone = self.inner.flights.is_alone(self.flight_key(key, request_headers, Some(&page)), now);
            return match page.variant_but_for_origin(request_headers) {
                Some(entry) => Lookup::Otherwise(entry.clone()),
                None if alone => Lookup::Uncacheable,
                None => Lookup::Nothing(Forward::VaryMiss),
            };
        };
        let entry = entry.clone();
        match entry.freshness(now) {
            Freshness::Fresh { .. } if forces_reload(request_headers, &entry, now) => {
                Lookup::Revalidate(entry)
            }
            Freshness::Fresh { .. } => Lookup::Fresh(entry),
            Freshness::Stale { .. } => Lookup::Stale(entry),
            Freshness::MustRevalidate => Lookup::Revalidate(entry),
        }
    }

    /// Keeps an answer, if it may be kept; the entry may be used for those who wait, also where there turns out to be
    /// no room for it.
    ///
    /// # Errors
    /// Why it is not kept. What is stored already stays.
    pub fn store(&self, key: &Key<'_>, fill: &Fill<'_>) -> Result<Arc<Entry>, Reason> {
        let x = &fill.exchange;
        let terms = match storable(x, fill.default_ttl, fill.received_at.wall) {
            Storable::Yes(terms) => terms,
            Storable::No(reason) => return Err(reason),
        };
        if !is_complete(x.response_headers, fill.body.len()) {
            return Err(Reason::Incomplete);
        }
        if is_empty_page(x.status, x.response_headers, fill.body) {
            return Err(Reason::Empty);
        }
        if fill.body.len() as u64 > self.inner.max_entry {
            return Err(Reason::TooLarge);
        }
        let sight = self.sight(key, fill);
        self.put(
            key,
            Entry::new(x.status, x.response_headers, fill.body, terms, fill.sent_at, fill.received_at)
                .seen(sight),
        )
    }

    /// Whether this content was here before.
    fn sight(&self, key: &Key<'_>, fill: &Fill<'_>) -> Sight {
        let page = self.inner.page(&self.site, key);
        let before = page.as_ref().and_then(|page| page.variant(fill.exchange.request_headers));
        match before.filter(|entry| entry.status() == fill.exchange.status && entry.body() == fill.body) {
            Some(entry) => entry.sight().once_more(fill.resemblance, fill.proven),
            None => Sight::new(fill.received_at.mono, fill.resemblance),
        }
    }

    /// Takes a 304 for an entry, and keeps what it makes of it.
    pub fn freshen(&self, key: &Key<'_>, entry: &Entry, validation: &Validation<'_>) -> Validated {
        match revalidate::freshen(entry, validation) {
            Freshened::Renewed(entry) => self.put(key, entry).map_or(Validated::Mismatch, Validated::Kept),
            Freshened::Once(entry, reason) => {
                self.inner.forget(key);
                Validated::Once(Arc::new(entry), reason)
            }
            Freshened::Mismatch => Validated::Mismatch,
        }
    }

    /// The most that one entry may weigh, in bytes: answers that announce more need not be collected.
    pub fn max_entry(&self) -> u64 {
        self.inner.max_entry
    }

    /// A successful unsafe request changed the page (RFC 9111 section 4.4; see [`invalidates`](super::ask::invalidates)):
    /// what is stored goes, what is on its way is not stored, and who asks from now on does not share a fetch begun before.
    pub fn invalidate(&self, key: &Key<'_>) {
        self.inner.epoch(key.hash).fetch_add(1, Ordering::AcqRel);
        self.inner.forget(key);
    }

    /// Forgets all of the site, what is on its way included.
    pub fn clear(&self) {
        // from here on, no key finds what was stored under the old number
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.inner.forget_site(&self.site);
    }

    /// Forgets what came at `since` or later. Returns how many pages these were.
    pub fn forget_since(&self, since: SystemTime) -> usize {
        self.inner.forget_since(&self.site, since)
    }

    fn put(&self, key: &Key<'_>, entry: Entry) -> Result<Arc<Entry>, Reason> {
        self.inner.put(&self.site, key, entry, || {
            self.inner.epoch(key.hash).load(Ordering::Acquire) != key.epoch
                || self.generation.load(Ordering::Acquire) != key.generation
        })
    }
}

/// RFC 9111 section 5.2.1 leaves it to the cache whether to heed requests. An ordinary reload (`max-age=0`) gets what
/// any visitor gets; a forced one (`no-cache`) reaches the origin.
fn forces_reload(request_headers: &HeaderMap, entry: &Entry, now: Now) -> bool {
    (request_headers.contains_key(CACHE_CONTROL) || request_headers.contains_key(PRAGMA))
        && RequestControl::of(request_headers).no_cache
        && entry.resident(now) >= RELOAD
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::entry::tests::{Fields, map};
    use super::super::flight::Role;
    use super::super::store::Cache;
    use super::*;
    use crate::clock::now;
    use http::{Method, StatusCode};

    pub(crate) const FRESH: Fields<'_> = &[("cache-control", "max-age=60"), ("etag", "\"a\"")];

    pub(crate) fn shop() -> SiteCache {
        Cache::new(8 << 20).site("shop")
    }

    pub(crate) fn home(site: &SiteCache) -> Key<'static> {
        site.key(true, "www.example.jp", "/")
    }

    pub(crate) fn store(
        site: &SiteCache,
        key: &Key<'_>,
        request_headers: Fields<'_>,
        response_headers: Fields<'_>,
        body: &[u8],
        at: Now,
    ) -> Result<Arc<Entry>, Reason> {
        store_status(site, key, 200, (request_headers, response_headers, body), at)
    }

    fn store_status(
        site: &SiteCache,
        key: &Key<'_>,
        status: u16,
        (request_headers, response_headers, body): (Fields<'_>, Fields<'_>, &[u8]),
        at: Now,
    ) -> Result<Arc<Entry>, Reason> {
        let (request_headers, response_headers) = (map(request_headers), map(response_headers));
        let status = StatusCode::from_u16(status).unwrap();
        let exchange = Exchange {
            method: &Method::GET,
            request_headers: &request_headers,
            status,
            response_headers: &response_headers,
        };
        let (default_ttl, resemblance, proven) = (Duration::ZERO, Resemblance::Other, Some(at.mono));
        site.store(
            key,
            &Fill { exchange, body, default_ttl, sent_at: at, received_at: at, resemblance, proven },
        )
    }

    /// What a lookup says, in a word, and the body that it found.
    pub(crate) fn look(
        site: &SiteCache,
        key: &Key<'_>,
        request_headers: Fields<'_>,
        at: Now,
    ) -> (&'static str, String) {
        let body = |e: Arc<Entry>| String::from_utf8(e.body().to_vec()).unwrap();
        match site.lookup(key, &map(request_headers), at) {
            Lookup::Fresh(e) => ("fresh", body(e)),
            Lookup::Stale(e) => ("stale", body(e)),
            Lookup::Revalidate(e) => ("revalidate", body(e)),
            Lookup::Otherwise(e) => ("otherwise", body(e)),
            Lookup::Nothing(why) => (why.as_str(), String::new()),
            Lookup::Uncacheable => ("uncacheable", String::new()),
        }
    }

    pub(crate) fn found(word: &'static str, body: &str) -> (&'static str, String) {
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
    fn an_encoding_is_given_only_to_those_who_read_it() {
        let (site, t) = (shop(), now());
        let key = home(&site);
        let response_headers = [("cache-control", "max-age=60"), ("content-encoding", "gzip")];
        store(&site, &key, &[("accept-encoding", "gzip, br")], &response_headers, b"gz", t).unwrap();
        assert_eq!(look(&site, &key, &[("accept-encoding", "br;q=0.9, gzip")], t), found("fresh", "gz"));
        assert_eq!(look(&site, &key, &[], t), found("vary-miss", ""));
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
        let page = [("cache-control", "max-age=60"), ("content-type", "Text/HTML; charset=utf-8")];
        assert_eq!(store(&site, &key, &[], &page, b" \n", t).unwrap_err(), Reason::Empty);
        assert_eq!(look(&site, &key, &[], t), found("fresh", "good"));
    }

    #[test]
    fn a_change_forgets_the_page_and_what_was_on_its_way() {
        // RFC 9111 section 4.4
        let (site, t) = (shop(), now());
        let begun_before = home(&site);
        store(&site, &begun_before, &[], FRESH, b"old", t).unwrap();
        let t = t.plus(Duration::from_secs(100));
        let Role::Leader(leader) = site.join(&begun_before, &HeaderMap::new(), t) else {
            panic!("no leader")
        };
        assert!(matches!(site.join(&home(&site), &HeaderMap::new(), t), Role::Follower(_)));
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
    fn what_came_since_a_moment_is_forgotten_and_what_came_before_stays() {
        let (cache, t) = (Cache::new(8 << 20), now());
        let (shop, club) = (cache.site("shop"), cache.site("club"));
        let later = t.plus(Duration::from_secs(10));
        for (site, page, at) in [(&shop, "/old", t), (&shop, "/new", later), (&club, "/new", later)] {
            store(site, &site.key(true, "h", page), &[], FRESH, b"x", at).unwrap();
        }
        assert_eq!(shop.forget_since(later.wall), 1);
        assert_eq!(look(&shop, &shop.key(true, "h", "/old"), &[], t).0, "fresh");
        assert_eq!(look(&shop, &shop.key(true, "h", "/new"), &[], t).0, "uri-miss");
        assert_eq!(look(&club, &club.key(true, "h", "/new"), &[], t).0, "fresh");
    }

    #[test]
    fn the_same_content_again_is_known_again() {
        let (site, t) = (shop(), now());
        let key = home(&site);
        let store = |body: &[u8], at: u64| {
            store(&site, &key, &[], FRESH, body, t.plus(Duration::from_secs(at))).unwrap().sight()
        };
        let is_confirmed = |sight: Sight| sight.is_confirmed(None);
        assert!(!is_confirmed(store(b"one", 0)));
        assert!(!is_confirmed(store(b"two", 1)), "other content is new");
        assert!(is_confirmed(store(b"two", 2)), "and was proven when it came again");
        assert!(!is_confirmed(store(b"one", 3)), "it was gone in between");
        let entry = store(b"six", 4);
        assert!(!is_confirmed(entry));
        let Lookup::Fresh(entry) = site.lookup(&key, &HeaderMap::new(), t.plus(Duration::from_secs(5)))
        else {
            panic!("nothing fresh")
        };
        let (request_headers, response_headers, at) =
            (HeaderMap::new(), HeaderMap::new(), t.plus(Duration::from_secs(5)));
        let default_ttl = Duration::ZERO;
        for (proven, expected) in [(None, false), (Some(at.mono), true)] {
            let validation = Validation {
                request_headers: &request_headers,
                response_headers: &response_headers,
                default_ttl,
                sent_at: at,
                received_at: at,
                proven,
            };
            let Validated::Kept(entry) = site.freshen(&key, &entry, &validation) else { panic!("not kept") };
            assert_eq!(is_confirmed(entry.sight()), expected, "{proven:?}");
        }
    }

    #[test]
    fn a_validation_makes_the_page_fresh_again() {
        // RFC 9111 section 4.3.4
        let (site, t) = (shop(), now());
        let key = home(&site);
        let entry = store(&site, &key, &[], FRESH, b"x", t).unwrap();
        let later = t.plus(Duration::from_secs(1000));
        let validate = |request_headers: Fields<'_>, response_headers: Fields<'_>| {
            let (request_headers, response_headers) = (map(request_headers), map(response_headers));
            let validation = Validation {
                request_headers: &request_headers,
                response_headers: &response_headers,
                default_ttl: Duration::ZERO,
                sent_at: later,
                received_at: later,
                proven: None,
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
        for (request_headers, at, word) in [
            (("cache-control", "no-cache"), t, "fresh"),
            (("cache-control", "no-cache"), second, "revalidate"),
            (("pragma", "no-cache"), second, "revalidate"),
            (("cache-control", "max-age=0"), second, "fresh"),
        ] {
            assert_eq!(look(&site, &key, &[request_headers], at).0, word, "{request_headers:?}");
        }
    }
}
