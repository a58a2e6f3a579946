//! Which requests share one fetch, and joining it.

use http::header::HeaderMap;

use super::flight::{FlightKey, Leader, Role};
use super::key::Key;
use super::site::{Lookup, SiteCache};
use super::store::Page;
use super::{ask, vary};
use crate::clock::Now;

impl SiteCache {
    /// Joins the one fetch of the page for requests like this one, of which [`may_share`](super::ask::may_share) holds, or
    /// begins it.
    pub fn join(&self, key: &Key<'_>, request_headers: &HeaderMap, now: Now) -> Role {
        let flight = self.flight_key(key, request_headers, self.inner.page(&self.site, key).as_deref());
        match self.inner.flights.join(flight, now) {
            Role::Leader(leader) => self.lead(leader, key, request_headers, now),
            other @ (Role::Follower(_) | Role::Alone | Role::Came(_)) => other,
        }
    }

    /// What is left to do for somebody who was just given the lead. Another fetch may have ended between his look and his
    /// question: a leader stores first and steps down then, so that whoever leads next finds what it stored.
    pub fn lead(&self, leader: Leader, key: &Key<'_>, request_headers: &HeaderMap, now: Now) -> Role {
        match self.lookup(key, request_headers, now) {
            Lookup::Fresh(entry) => {
                leader.stored(entry.clone());
                Role::Came(entry)
            }
            Lookup::Stale(_)
            | Lookup::Revalidate(_)
            | Lookup::Otherwise(_)
            | Lookup::Nothing(_)
            | Lookup::Uncacheable => Role::Leader(leader),
        }
    }

    /// How many shared fetches are in flight, over all sites.
    pub fn under_way(&self) -> usize {
        self.inner.flights.under_way()
    }

    /// Requests that would get the same answer, as far as is known before it comes: the same page in the same state,
    /// with or without cookies, the same codings, and what the page's stored variants were chosen by.
    pub(super) fn flight_key(
        &self,
        key: &Key<'_>,
        request_headers: &HeaderMap,
        page: Option<&Page>,
    ) -> FlightKey {
        let (anonymous, codings) = (ask::is_anonymous(request_headers), vary::codings(request_headers));
        FlightKey(self.inner.hash.of(|mut h| {
            h.write_u128(key.hash);
            h.write_u64(key.epoch);
            h.write_u8(u8::from(anonymous));
            h.write_u8(codings);
            if let Some(newest) = page.and_then(|page| page.variants.first()) {
                newest.terms().selection.hash_values(request_headers, &mut h);
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Entry;
    use super::super::entry::tests::map;
    use super::super::flight::Landed;
    use super::super::site::tests::{home, shop, store};
    use super::*;
    use crate::clock::now;
    use crate::http::cache_status::Forward;
    use crate::tasks;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

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

    #[tokio::test]
    async fn who_comes_to_lead_after_another_has_stored_finds_that() {
        let (site, none) = (shop(), HeaderMap::new());
        let key = home(&site);
        let Role::Leader(vanishing) = site.join(&key, &none, now()) else { panic!("no leader") };
        let follow = || match site.join(&key, &none, now()) {
            Role::Follower(waiter) => waiter,
            other @ (Role::Leader(_) | Role::Alone | Role::Came(_)) => panic!("{other:?}"),
        };
        let (first, second) = (follow(), follow());
        drop(vanishing);
        let deadline = now().mono + Duration::from_secs(20);
        let Landed::Lead(leader) = first.wait(deadline).await else { panic!("nobody leads") };
        let Role::Leader(leader) = site.lead(leader, &key, &none, now()) else { panic!("nothing came yet") };
        let stored = store(&site, &key, &[], &[("cache-control", "max-age=60")], b"page", now()).unwrap();
        leader.stored(stored.clone());
        // he has not been woken in all that time
        let Landed::Lead(late) = second.wait(deadline).await else { panic!("nobody leads") };
        let role = site.lead(late, &key, &none, now());
        assert!(matches!(role, Role::Came(entry) if Arc::ptr_eq(&entry, &stored)));
        assert_eq!(site.under_way(), 0);
    }

    /// What the request path does with a cold page, whose answer depends on the language or not.
    async fn visit(
        site: SiteCache,
        vary: &'static str,
        language: &'static str,
        fetches: Arc<AtomicUsize>,
    ) -> String {
        let text = |entry: Arc<Entry>| String::from_utf8(entry.body().to_vec()).unwrap();
        let request_headers = map(&[("accept-language", language)]);
        let key = home(&site);
        let deadline = now().mono + Duration::from_secs(20);
        loop {
            if let Lookup::Fresh(entry) = site.lookup(&key, &request_headers, now()) {
                return text(entry);
            }
            let leader = match site.join(&key, &request_headers, now()) {
                Role::Leader(leader) => leader,
                Role::Came(entry) => return text(entry),
                Role::Alone => panic!("alone"),
                Role::Follower(waiter) => match waiter.wait(deadline).await {
                    Landed::Stored(entry) if entry.shared_with(&request_headers) => return text(entry),
                    Landed::Stored(_) => continue,
                    Landed::Lead(leader) => leader,
                    other @ (Landed::Alone | Landed::Failed(_) | Landed::TakeOver(_) | Landed::TimedOut) => {
                        panic!("{other:?}")
                    }
                },
            };
            fetches.fetch_add(1, Ordering::Relaxed);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let response_headers = [("cache-control", "max-age=60"), ("vary", vary)];
            let entry = store(
                &site,
                &key,
                &[("accept-language", language)],
                &response_headers,
                language.as_bytes(),
                now(),
            );
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
