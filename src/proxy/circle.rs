//! Pages that redirect to each other: each redirect is one that a site may send, but together they lead visitors in a
//! circle. The suspicion comes from what is known of the target: it led back a moment ago, or its stored copy does; or what
//! was a page is now a redirect. Then the redirects are followed with the visitor's own fields, because a site may send each
//! visitor to his language: only what the site says now is proof.

use std::time::{Duration, Instant};

use http::header::{HeaderMap, LOCATION, SET_COOKIE};
use http::response::Parts;
use http::{Method, Request, StatusCode, header};
use url::Url;

use super::mirror::Nearness;
use super::review::Review;
use crate::ask::{key, location};
use crate::cache::{Lookup, Resemblance, ask};
use crate::clock;
use crate::failure::Cause;
use crate::http::Body;
use crate::http::detour::{Detour, Jar, Way};
use crate::http::headers::as_ascii;
use crate::origin::{LatencyClass, Sending};
use crate::page_health::Walk;
use crate::verdict::Finding;
use crate::visits;

/// How many stored redirects are followed.
const STEPS: usize = 4;
/// The longest time for following redirects, however long the visitor waits.
const LONGEST: Duration = Duration::from_secs(2);

impl Review<'_> {
    /// Whether a redirect to another page of the site leads back to where it began. `sent`: what was asked with. `outdated`
    /// gets the keys of the redirects that are known to have led there: if they still do, visitors go round in circles, and if
    /// not, they are out of date.
    pub(super) async fn leads_round(
        &self,
        parts: &Parts,
        sent: Option<&HeaderMap>,
        outdated: &mut Vec<String>,
    ) -> Option<Finding> {
        if !parts.status.is_redirection()
            || !self.is_representative()
            || parts.headers.contains_key(SET_COOKIE)
        {
            return None;
        }
        let to = self.within(self.ask.url(), &parts.headers).filter(|to| to != self.ask.key())?;
        let (ways, now) = (&self.site.page_health.ways, clock::instant());
        let (from, target) = (self.ask.url(), self.url_of(&to));
        ways.note(from, &target, now);
        *outdated = self.known_way_back(&to);
        let has_changed = || !self.reference.is_nothing() && self.by_kind(parts) != Resemblance::Edition;
        if outdated.is_empty() && !has_changed() {
            return None;
        }
        let walk = match ways.walk(from, &target, now) {
            Some(walk) => walk,
            // a link that works once is the visitor's
            None if !visits::is_public(&to) => return None,
            None => {
                let until = self.limits.nearly.min(now + LONGEST);
                let walk = Box::pin(self.walk(parts, sent, until)).await?;
                ways.walked(from, &target, walk, clock::instant());
                walk
            }
        };
        (walk == Walk::Circle)
            .then(|| Finding::new(Cause::RedirectLoop, format!("leads to {to}, which leads back to it")))
    }

    /// Whether a redirect may be followed with these fields: only for pages, and for visitors without cookies. What other
    /// visitors are redirected by cannot be told from one answer.
    fn may_walk_with(&self, sent: &HeaderMap) -> bool {
        let is_page = LatencyClass::of(key::path_of(self.ask.key())) == LatencyClass::Page;
        is_page
            && self.ask.method == Method::GET
            && self.ask.may_lead_back()
            && !sent.contains_key(header::COOKIE)
    }

    /// Follows the redirect as its visitor's browser will. `None` if it was not made for that.
    async fn walk(&self, parts: &Parts, sent: Option<&HeaderMap>, until: Instant) -> Option<Walk> {
        let like = sent.filter(|sent| self.may_walk_with(sent))?;
        let url = Url::parse(self.ask.url()).ok()?;
        let mut way =
            Detour::begin(url.as_str(), &url[url::Position::BeforePath..], parts.status, &parts.headers);
        loop {
            let on = match way {
                Way::On(on) => on,
                Way::Circle => return Some(Walk::Circle),
                Way::Ends => return Some(Walk::Ends),
            };
            let Some((status, headers)) = self.head_of(like, on.target(), on.jar(), until).await else {
                return Some(Walk::Ends);
            };
            way = on.follow(status, &headers);
        }
    }

    /// The head of the origin's answer to this visitor at another address.
    async fn head_of(
        &self,
        like: &HeaderMap,
        target: &str,
        jar: &Jar,
        until: Instant,
    ) -> Option<(StatusCode, HeaderMap)> {
        let mut request = Request::get(target).body(Body::Empty).ok()?;
        *request.headers_mut() = like.clone();
        ask::make_whole(request.headers_mut());
        jar.carry(request.headers_mut());
        let time = until.saturating_duration_since(clock::instant());
        let sending = Sending::own(self.ask.authority(), time);
        let answered =
            tokio::time::timeout(time, self.site.origins.send(Box::new(request), sending, None)).await;
        let (parts, _) = answered.ok()?.ok()?.response.into_parts();
        let mut headers = parts.headers;
        location::correct(&mut headers, &self.site.config, location::Asked { target, ..self.ask.asked() });
        Some((parts.status, headers))
    }

    /// The redirects by which an address is known to lead back to the requested page; empty if it is not.
    fn known_way_back(&self, to: &str) -> Vec<String> {
        let (mut at, mut way) = (to.to_owned(), Vec::new());
        for _ in 0..STEPS {
            let Some(next) = self.led(&at) else { break };
            way.push(std::mem::replace(&mut at, next));
            if at == self.ask.key() {
                return way;
            }
        }
        Vec::new()
    }

    /// Where a page led when it was last seen, cached or mirrored.
    fn led(&self, from: &str) -> Option<String> {
        let (site, url, now) = (self.site, self.url_of(from), clock::now());
        if let Some(to) = site.page_health.ways.next(&url, now.mono) {
            return self.key_within(&Url::parse(&to).ok()?);
        }
        let key = site.cache.key(self.ask.tls(), self.ask.authority(), from);
        match site.cache.lookup(&key, &self.ask.kept_headers, now) {
            Lookup::Fresh(entry)
            | Lookup::Stale(entry)
            | Lookup::Revalidate(entry)
            | Lookup::Otherwise(entry) => {
                return entry.status().is_redirection().then(|| self.within(&url, entry.headers()))?;
            }
            Lookup::Nothing(_) | Lookup::Uncacheable => {}
        }
        let (copy, nearness) = site.mirror.find(from)?;
        let is_redirect = copy.status.is_redirection() && nearness == Nearness::Exact;
        is_redirect.then(|| self.within(&url, &copy.headers))?
    }

    /// The key of the page that an answer redirects to, if scheme and host stay the same.
    fn within(&self, from: &str, headers: &HeaderMap) -> Option<String> {
        let to = Url::parse(from).ok()?.join(as_ascii(headers.get(LOCATION)?).trim()).ok()?;
        self.key_within(&to)
    }

    fn key_within(&self, to: &Url) -> Option<String> {
        let own = Url::parse(self.ask.url()).ok()?;
        let ignore = &self.site.config.cache.ignore_query;
        (own.origin() == to.origin()).then(|| key::page_key(to.path(), to.query(), ignore).into_owned())
    }

    pub(super) fn url_of(&self, key: &str) -> String {
        let scheme = if self.ask.tls() { "https" } else { "http" };
        format!("{scheme}://{}{key}", self.ask.authority())
    }
}
