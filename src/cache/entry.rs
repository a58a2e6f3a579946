//! One stored answer, and when it may be used: a pure function of `now` (RFC 9111 section 4.2).
//!
//! Ages are counted on the clock that never goes back, so that an operator who sets the wall clock back revives
//! nothing. `Date` of the origin is not compared with our clock: section 4.2.3 leaves that out where no cache of the
//! HTTP/1.0 age stands between, and an origin whose clock is wrong would never be cached otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::{Bytes, BytesMut};
use http::header::{
    AGE, ALT_SVC, CACHE_STATUS, CONNECTION, CONTENT_LENGTH, DATE, ETAG, HeaderMap, HeaderName, HeaderValue,
    LAST_MODIFIED, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{StatusCode, Version};

use super::ask;
use super::sight::{Resemblance, Sight};
use super::storable::{Terms, may_be_stale};
use crate::clock::Now;
use crate::http::cache_status::CacheStatus;
use crate::http::control;
use crate::http::forwarded;

/// What an entry costs besides its own bytes: its place in the maps, the allocator's rounding.
const OVERHEAD: usize = 512;
/// What a field costs besides its name and value.
const FIELD: usize = 96;

/// A stored answer. Immutable; a validation makes a new one that shares the body.
#[derive(Debug)]
pub struct Entry {
    status: StatusCode,
    /// Ready to be sent but for the values of `Age` and `Cache-Status`, whose places are held.
    headers: HeaderMap,
    /// The same with these values, for the second in which it was asked for last.
    ready: ArcSwapOption<Ready>,
    /// The age at which it was asked for last, in seconds.
    asked_at: AtomicU64,
    body: Bytes,
    terms: Terms,
    /// How old the answer was when it came (section 4.2.3, `corrected_initial_age`).
    initial_age: Duration,
    received: Now,
    sight: Sight,
}

#[derive(Debug)]
struct Ready {
    age: u64,
    status: CacheStatus,
    headers: HeaderMap,
}

/// Whether an entry may be used as it is (RFC 9111 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// For this much longer.
    Fresh {
        /// What is left of its lifetime.
        ttl: Duration,
    },
    /// No longer; but it may stand in when the origin fails.
    Stale {
        /// For how long.
        since: Duration,
    },
    /// Not without asking the origin, come what may (`no-cache`; stale and `must-revalidate`, and its kin).
    MustRevalidate,
}

impl Entry {
    /// Keeps an answer. `sent_at` and `received_at` are when the request left and the headers came.
    pub fn new(
        status: StatusCode,
        response_headers: &HeaderMap,
        body: &[u8],
        terms: Terms,
        sent_at: Now,
        received_at: Now,
    ) -> Entry {
        // a copy of its own: what came in may be a small slice of a large read buffer, which it would keep alive
        Entry::assemble(status, response_headers, Bytes::copy_from_slice(body), terms, sent_at, received_at)
    }

    /// The entry after a validation: other headers and times, the same body.
    pub(super) fn renewed(
        &self,
        response_headers: &HeaderMap,
        terms: Terms,
        sent_at: Now,
        received_at: Now,
    ) -> Entry {
        Entry::assemble(self.status, response_headers, self.body.clone(), terms, sent_at, received_at)
    }

    /// The same entry, met like this.
    pub(super) fn seen(self, sight: Sight) -> Entry {
        Entry { sight, ..self }
    }

    fn assemble(
        status: StatusCode,
        response_headers: &HeaderMap,
        body: Bytes,
        terms: Terms,
        sent_at: Now,
        received_at: Now,
    ) -> Entry {
        let age = Duration::from_secs(control::age(response_headers).unwrap_or(0).into());
        let delay = received_at.mono.saturating_duration_since(sent_at.mono);
        let headers = template(status, response_headers, body.len(), received_at);
        let ready = ArcSwapOption::empty();
        let asked_at = AtomicU64::new(u64::MAX);
        let (initial_age, sight) = (age + delay, Sight::new(received_at.mono, Resemblance::default()));
        let received = received_at;
        Entry { status, headers, ready, asked_at, body, terms, initial_age, received, sight }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The whole body; shared, not copied.
    pub fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// The stored header fields: for looking at, not for sending (see [`Entry::answer_headers`]).
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// On what terms it is kept.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// When it came, or was validated last.
    pub fn received(&self) -> Now {
        self.received
    }

    /// What speaks for it besides its having come.
    pub fn sight(&self) -> Sight {
        self.sight
    }

    /// The header fields of an answer from this entry: those of the origin with `Age`, `Content-Length`, `Via` and
    /// what `Cache-Status` is to say. Nothing needs to be added.
    pub fn answer_headers(&self, now: Now, status: CacheStatus) -> HeaderMap {
        let age = self.age(now).as_secs();
        if let Some(ready) = &*self.ready.load()
            && ready.age == age
            && ready.status == status
        {
            return ready.headers.clone();
        }
        // the template has a place for every field: nothing grows, and names are not hashed again
        let mut headers = self.headers.clone();
        headers.insert(AGE, HeaderValue::from(age));
        headers.insert(CACHE_STATUS, status.value());
        // only for pages that are asked for more than once in a second, else it is kept for nobody
        if self.asked_at.swap(age, Ordering::Relaxed) == age {
            self.ready.store(Some(Arc::new(Ready { age, status, headers: headers.clone() })));
        }
        headers
    }

    /// What `Cache-Status` says of an answer from this entry.
    pub fn hit(&self, now: Now) -> CacheStatus {
        match self.freshness(now) {
            Freshness::Fresh { .. } => {
                // in whole seconds, like `Age`, so that the two always add up to the lifetime
                let left = self.terms.lifetime.as_secs() - self.age(now).as_secs();
                CacheStatus::Hit { ttl: u32::try_from(left).unwrap_or(u32::MAX) }
            }
            Freshness::Stale { .. } | Freshness::MustRevalidate => CacheStatus::HitStale,
        }
    }

    /// How old the answer is (section 4.2.3, `current_age`).
    pub fn age(&self, now: Now) -> Duration {
        self.initial_age.saturating_add(self.resident(now))
    }

    /// How long it has been here since it came or was validated.
    pub fn resident(&self, now: Now) -> Duration {
        now.mono.saturating_duration_since(self.received.mono)
    }

    /// Whether it may be used.
    pub fn freshness(&self, now: Now) -> Freshness {
        let (age, lifetime) = (self.age(now), self.terms.lifetime);
        if self.terms.control.no_cache {
            return Freshness::MustRevalidate;
        }
        if age < lifetime {
            return Freshness::Fresh { ttl: lifetime - age };
        }
        let since = age - lifetime;
        if self.may_be_stale_for(since) { Freshness::Stale { since } } else { Freshness::MustRevalidate }
    }

    /// Whether it may be given when the origin fails: fresh, or as stale as its origin allows (section 4.2.4). Whether it is
    /// given, others decide: `proxy::vouch`, `failover`.
    pub fn may_stand_in(&self, now: Now) -> bool {
        match self.freshness(now) {
            Freshness::Fresh { .. } | Freshness::Stale { .. } => true,
            Freshness::MustRevalidate => false,
        }
    }

    /// `stale-while-revalidate` counts like `stale-if-error` here: while the site is up, nothing stale is given for it.
    /// With `s-maxage`, only for as long as the origin says that it does not mind; otherwise for ever, or never.
    fn may_be_stale_for(&self, since: Duration) -> bool {
        let c = &self.terms.control;
        let window = c.stale_if_error.max(c.stale_while_revalidate).unwrap_or(0);
        may_be_stale(c) && (c.s_maxage.is_none() || since < Duration::from_secs(window.into()))
    }

    /// Whether a request with these headers would have got this answer.
    pub fn matches(&self, request_headers: &HeaderMap) -> bool {
        self.terms.selection.matches(request_headers)
    }

    /// Whether it would, had the request come from another site's page or from none.
    pub fn matches_but_for_origin(&self, request_headers: &HeaderMap) -> bool {
        self.terms.selection.matches_but_for_origin(&self.headers, request_headers)
    }

    /// Whether the answer to one request may also be the answer to this one, which waited for it: what it would get
    /// from the cache, and for visitors without cookies also what is no longer fresh the moment it comes.
    pub fn shared_with(&self, request_headers: &HeaderMap) -> bool {
        let open = self.terms.for_all || ask::is_anonymous(request_headers);
        open && !self.terms.control.no_cache && self.matches(request_headers)
    }

    /// Whether the origin can be asked if it is still good.
    pub fn has_validator(&self) -> bool {
        self.headers.contains_key(ETAG) || self.headers.contains_key(LAST_MODIFIED)
    }

    /// What it takes of the cache's room, in bytes.
    pub fn weight(&self) -> usize {
        let fields: usize = self.headers.iter().map(|(n, v)| n.as_str().len() + v.len() + FIELD).sum();
        // the fields may be there twice
        self.body.len() + 2 * fields + self.terms.selection.weight() + OVERHEAD
    }
}

/// Fields that are this connection's, or this proxy's to write.
pub(super) fn is_own(name: &HeaderName) -> bool {
    let own = [
        AGE,
        ALT_SVC,
        CACHE_STATUS,
        CONNECTION,
        CONTENT_LENGTH,
        SET_COOKIE,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    own.contains(name) || *name == "keep-alive" || *name == "proxy-connection"
}

/// The header fields as they will be sent, with all values in one piece of memory.
fn template(status: StatusCode, response_headers: &HeaderMap, len: usize, received_at: Now) -> HeaderMap {
    let via = forwarded::via(Version::HTTP_11);
    // a renewed entry has our `Via` already
    let kept = || response_headers.iter().filter(|(name, v)| !(is_own(name) || **name == VIA && **v == via));
    let mut values = BytesMut::with_capacity(kept().map(|(_, v)| v.len()).sum());
    kept().for_each(|(_, v)| values.extend_from_slice(v.as_bytes()));
    let mut values = values.freeze();

    let mut headers = HeaderMap::with_capacity(response_headers.len() + 5);
    for (name, value) in kept() {
        let bytes = values.split_to(value.len());
        // the bytes were a field value a moment ago
        headers.append(name, HeaderValue::from_maybe_shared(bytes).unwrap_or_else(|_| value.clone()));
    }
    if !headers.contains_key(DATE) {
        headers.insert(DATE, control::date_field(received_at.wall)); // RFC 9110 section 6.6.1
    }
    if status != StatusCode::NO_CONTENT {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    }
    headers.append(VIA, via.clone());
    headers.insert(AGE, HeaderValue::from_static("0"));
    headers.insert(CACHE_STATUS, HeaderValue::from_static("katahai"));
    headers
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::storable::{Exchange, Storable, storable};
    use super::*;
    use http::Method;
    use proptest::prelude::*;

    pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

    pub(crate) fn map(fields: Fields<'_>) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        map
    }

    /// An entry for a request without headers, asked and answered at `now`.
    pub(crate) fn entry(response_headers: Fields<'_>, now: Now) -> Entry {
        slow_entry(response_headers, now, now)
    }

    fn slow_entry(response_headers: Fields<'_>, sent_at: Now, received_at: Now) -> Entry {
        let (request_headers, response_headers) = (&HeaderMap::new(), &map(response_headers));
        let (method, status) = (&Method::GET, StatusCode::OK);
        let x = Exchange { method, request_headers, status, response_headers };
        let Storable::Yes(terms) = storable(&x, Duration::ZERO, received_at.wall) else {
            panic!("not storable: {response_headers:?}")
        };
        Entry::new(status, response_headers, b"body", terms, sent_at, received_at)
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn an_entry_is_fresh_stale_or_out_of_use() {
        // RFC 9111 sections 4.2 and 4.2.4, RFC 5861
        use Freshness::{Fresh, MustRevalidate, Stale};
        let t = crate::clock::now();
        for (control, at, expected) in [
            ("max-age=10", 0, Fresh { ttl: secs(10) }),
            ("max-age=10", 9, Fresh { ttl: secs(1) }),
            ("max-age=10", 10, Stale { since: secs(0) }), // fresh only while age is *below* the lifetime
            ("max-age=10", 1_000_000, Stale { since: secs(999_990) }),
            ("max-age=10, must-revalidate", 9, Fresh { ttl: secs(1) }),
            ("max-age=10, must-revalidate", 10, MustRevalidate),
            ("max-age=10, proxy-revalidate", 10, MustRevalidate),
            ("max-age=10, must-revalidate, stale-if-error=60", 10, MustRevalidate),
            ("s-maxage=10", 9, Fresh { ttl: secs(1) }),
            ("s-maxage=10", 10, MustRevalidate),
            ("s-maxage=10, stale-if-error=5", 14, Stale { since: secs(4) }),
            ("s-maxage=10, stale-if-error=5", 15, MustRevalidate),
            ("s-maxage=10, stale-while-revalidate=5", 14, Stale { since: secs(4) }),
            ("no-cache, max-age=10", 0, MustRevalidate),
            ("max-age=0", 0, Stale { since: secs(0) }),
        ] {
            let entry = entry(&[("cache-control", control), ("etag", "\"a\"")], t);
            let now = t.plus(secs(at));
            assert_eq!(entry.freshness(now), expected, "{control} at {at}");
            assert_eq!(entry.may_stand_in(now), expected != MustRevalidate, "{control} at {at}");
        }
    }

    #[test]
    fn ages_add_up() {
        // section 4.2.3: age_value + response_delay + resident_time
        let t = crate::clock::now();
        let entry = slow_entry(&[("cache-control", "max-age=100"), ("age", "20")], t, t.plus(secs(3)));
        assert_eq!(entry.age(t.plus(secs(3))), secs(23));
        assert_eq!(entry.age(t.plus(secs(13))), secs(33));
        assert_eq!(entry.freshness(t.plus(secs(13))), Freshness::Fresh { ttl: secs(67) });
        // an answer may be stale when it comes
        let old = slow_entry(&[("cache-control", "max-age=100"), ("age", "200")], t, t);
        assert_eq!(old.freshness(t), Freshness::Stale { since: secs(100) });
    }

    #[test]
    fn a_clock_set_back_revives_nothing() {
        let t = crate::clock::now();
        let entry = entry(&[("cache-control", "max-age=10")], t);
        let later = t.plus(secs(20));
        let set_back = Now { wall: t.wall - secs(86_400), ..later };
        assert_eq!(entry.freshness(set_back), entry.freshness(later));
        // an origin that lives in the past or the future is cached all the same
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 2100 23:59:59 GMT"] {
            let entry = super::tests::entry(&[("cache-control", "max-age=10"), ("date", date)], t);
            assert_eq!(entry.freshness(t), Freshness::Fresh { ttl: secs(10) }, "{date}");
        }
    }

    #[test]
    fn the_answer_has_all_its_fields_and_nothing_of_the_connection() {
        let t = crate::clock::now();
        let fields = [
            ("cache-control", "max-age=10"),
            ("content-type", "text/html"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("age", "3"),
            ("via", "1.1 inner"),
            ("cache-status", "inner; hit"),
            ("alt-svc", "h3=\":443\""),
            ("connection", "close"),
            ("content-length", "4"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ];
        let headers = entry(&fields, t).answer_headers(t.plus(secs(4)), CacheStatus::Hit { ttl: 3 });
        let expected = map(&[
            ("cache-control", "max-age=10"),
            ("content-type", "text/html"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("age", "7"),
            ("via", "1.1 inner"),
            ("via", "1.1 katahai"),
            ("cache-status", "katahai; hit; ttl=3"),
            ("content-length", "4"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ]);
        assert_eq!(headers, expected);
        let dated = entry(&[("cache-control", "max-age=10")], t);
        assert_eq!(control::date(&dated.headers).map(crate::clock::unix), Some(t.unix()));
    }

    #[test]
    fn answers_within_a_second_are_alike_and_none_is_late() {
        let t = crate::clock::now();
        let entry = entry(&[("cache-control", "max-age=10")], t);
        for at in [0, 0, 0, 1, 1, 1, 0, 20, 20, 20] {
            let now = t.plus(secs(at));
            let headers = entry.answer_headers(now, entry.hit(now));
            assert_eq!(headers["age"], at.to_string());
            let expected = if at < 10 {
                format!("katahai; hit; ttl={}", 10 - at)
            } else {
                "katahai; hit; detail=stale".into()
            };
            assert_eq!(headers["cache-status"], expected);
        }
        // whatever was said a moment ago, this answer says what it is asked to say
        let headers = entry.answer_headers(t.plus(secs(20)), CacheStatus::HitSnapshot);
        assert_eq!(headers["cache-status"], "katahai; hit; detail=snapshot");
    }

    #[test]
    fn who_waited_shares_what_is_for_all() {
        let t = crate::clock::now();
        let cookie = map(&[("cookie", "sid=1")]);
        for (control, anonymous, with_cookie) in [
            ("max-age=10", true, true),
            ("public", true, true),
            ("max-age=0", true, false),
            ("no-cache", false, false),
        ] {
            let entry = entry(&[("cache-control", control), ("etag", "\"a\"")], t);
            assert_eq!(entry.shared_with(&HeaderMap::new()), anonymous, "{control}");
            assert_eq!(entry.shared_with(&cookie), with_cookie, "{control}");
        }
        let japanese = entry(&[("cache-control", "max-age=10"), ("vary", "accept-language")], t);
        assert!(!japanese.shared_with(&map(&[("accept-language", "en")])));
    }

    proptest! {
        #[test]
        fn freshness_only_ever_goes_down(control in "(max-age=[0-9]{1,3}|s-maxage=[0-9]{1,3}|no-cache|must-revalidate|stale-if-error=[0-9]{1,3}|, ){0,6}", age in 0_u64..500, first in 0_u64..2000, then in 0_u64..2000) {
            let rank = |f: Freshness| match f {
                Freshness::Fresh { ttl } => (2, ttl),
                Freshness::Stale { since } => (1, Duration::MAX - since),
                Freshness::MustRevalidate => (0, Duration::ZERO),
            };
            let t = crate::clock::now();
            let age = age.to_string();
            let entry = entry(&[("cache-control", &control), ("etag", "\"a\""), ("age", &age)], t);
            let before = entry.freshness(t.plus(secs(first)));
            let after = entry.freshness(t.plus(secs(first + then)));
            prop_assert!(rank(after) <= rank(before), "{before:?} then {after:?}");
        }
    }
}
