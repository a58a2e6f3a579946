//! One fetch for all who want the same page. The fetch is a task of its own: a visitor who leaves, or whose patience
//! ends, does not end it, and what it brings refreshes what the next visitor gets.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode};
use tokio::sync::oneshot;

use super::fetch::{self, Allowance, judged, outgoing};
use super::hold::{Held, hold};
use super::site::{Site, Table};
use super::tee::{Keep, tee};
use super::{Outcome, Proxy, Visit, from_entry, live};
use crate::ask::Ask;
use crate::cache::ask::make_whole;
use crate::cache::revalidate::{Validation, revalidation_headers};
use crate::cache::storable::{Exchange, Storable, storable};
use crate::cache::{Entry, Key, Landed, Leader, Lookup, Role, Validated};
use crate::clock::{self, Now};
use crate::failure::{Cause, Failure};
use crate::http::cache_status::{CacheStatus, Forward};
use crate::http::{Body, headers};
use crate::metrics::Answer;
use crate::origin::{Answered, Sending};
use crate::tasks;

/// An answer of a known length up to this is read whole before it is given on: it comes in one go anyway, and those
/// who wait for it get it sooner.
const SMALL: u64 = 64 * 1024;

/// What came of joining a fetch.
pub enum Flown {
    /// An answer.
    Landed(Outcome),
    /// This page's answers are for one visitor each: fetch for oneself.
    Alone(Request<Body>),
}

/// What a fetch gives to the visitor who began it.
enum Given {
    Entry(Arc<Entry>, CacheStatus),
    Live(Answered, CacheStatus),
}

/// A fetch under way.
struct Fetch {
    site: Arc<Site>,
    ask: Ask,
    key: Key<'static>,
    /// The visitor's own header fields: what the answer depends on.
    asked: HeaderMap,
    /// What is stored, if the origin can be asked whether it is still good.
    entry: Option<Arc<Entry>>,
    why: Forward,
    hold_back: Option<u64>,
}

impl Proxy {
    /// Joins the fetch of the page, or begins it.
    #[expect(clippy::too_many_arguments, reason = "one step of the path, called once")]
    pub(super) async fn fly(
        &self,
        table: &Table,
        site: &Arc<Site>,
        ask: &Ask,
        request: Request<Body>,
        visit: &Visit<'_>,
        lookup: &Lookup,
        why: Forward,
        allowance: Allowance,
    ) -> Result<Flown, Failure> {
        let now = clock::now();
        let deadline = now.mono + allowance.wait;
        let key = site.cache.key(ask.tls(), ask.host(), ask.key());
        let late = || {
            site.origins.nudge();
            Failure::new(if allowance.patient { Cause::Silent } else { Cause::Slow })
        };
        let leader = match site.cache.join(&key, request.headers(), now) {
            Role::Leader(leader) => leader,
            Role::Alone => return Ok(Flown::Alone(request)),
            Role::Came(entry) if entry.shared_with(request.headers()) => {
                return Ok(Flown::Landed(collapsed(ask, &entry, why)));
            }
            Role::Came(_) => return Ok(Flown::Alone(request)),
            Role::Follower(waiter) => match waiter.wait(deadline).await {
                Landed::Stored(entry) if entry.shared_with(request.headers()) => {
                    return Ok(Flown::Landed(collapsed(ask, &entry, why)));
                }
                Landed::Stored(_) | Landed::Alone => return Ok(Flown::Alone(request)),
                Landed::Failed(failure) => {
                    return Err(Failure::new(failure.cause).detail(failure.to_string()));
                }
                Landed::Lead(leader) => leader,
                Landed::TimedOut => return Err(late()),
            },
        };
        let entry = match lookup {
            Lookup::Fresh(entry) | Lookup::Stale(entry) | Lookup::Revalidate(entry) => Some(entry),
            Lookup::Nothing(_) | Lookup::Uncacheable => None,
        };
        let fetch = Fetch {
            site: site.clone(),
            ask: ask.clone(),
            key: key.into_owned(),
            asked: request.headers().clone(),
            entry: entry.filter(|entry| entry.has_validator()).cloned(),
            why,
            hold_back: allowance.hold_back,
        };
        let mut request = outgoing(ask, request, visit, &table.trusted)?;
        make_whole(request.headers_mut());
        let (tell, told) = oneshot::channel();
        tasks::detached(fetch.run(request, leader, tell));
        match tokio::time::timeout_at(deadline.into(), told).await {
            Ok(Ok(Ok(Given::Entry(entry, status)))) => {
                let outcome = from_entry(ask, &entry, clock::now(), status, (Answer::Origin, None));
                Ok(Flown::Landed(outcome))
            }
            Ok(Ok(Ok(Given::Live(answered, status)))) => {
                Ok(Flown::Landed(live(answered.response, answered.origin, status)))
            }
            Ok(Ok(Err(failure))) => Err(failure),
            Ok(Err(_)) => Err(Failure::new(Cause::Internal).detail("the fetch ended without a word")),
            Err(_) => Err(late()),
        }
    }
}

/// The answer that another request's fetch brought.
fn collapsed(ask: &Ask, entry: &Entry, why: Forward) -> Outcome {
    let status = CacheStatus::Forwarded { why, status: entry.status(), stored: true, collapsed: true };
    from_entry(ask, entry, clock::now(), status, (Answer::Origin, None))
}

type Tell = oneshot::Sender<Result<Given, Failure>>;

impl Fetch {
    async fn run(self, request: Request<Body>, leader: Leader, tell: Tell) {
        let asked_at = clock::now();
        let answered = match self.send(request).await {
            Ok(answered) => answered,
            Err(failure) => {
                leader.failed(Arc::new(Failure::new(failure.cause).detail(failure.to_string())));
                _ = tell.send(Err(failure));
                return;
            }
        };
        let times = (asked_at, clock::now());
        match (&self.entry, answered.response.status()) {
            (Some(entry), StatusCode::NOT_MODIFIED) => {
                let entry = entry.clone();
                self.validated(&entry, &answered, times, leader, tell);
            }
            _ => self.deliver(answered, times, leader, tell).await,
        }
    }

    /// Asks the origin, for a validation if there is something to validate.
    async fn send(&self, mut request: Request<Body>) -> Result<Answered, Failure> {
        if let Some(entry) = &self.entry {
            revalidation_headers(entry, request.headers_mut());
        }
        let policy = &self.site.config.failover;
        let sending = Sending {
            host: self.ask.authority(),
            wait: policy.timeout,
            stall: policy.timeout,
            upgrade: false,
        };
        let answered = self.site.origins.send(request, sending, None).await?;
        let mut answered = judged(&self.site, &self.ask, answered)?;
        fetch::clean(answered.response.headers_mut());
        Ok(answered)
    }

    /// The origin says that what is stored is still good.
    fn validated(
        self,
        entry: &Arc<Entry>,
        answered: &Answered,
        (asked, came): (Now, Now),
        leader: Leader,
        tell: Tell,
    ) {
        let ttl = self.site.config.cache.default_ttl;
        let validation = Validation {
            ask: &self.asked,
            answer: answered.response.headers(),
            default_ttl: ttl,
            asked,
            answered: came,
        };
        let status = |stored| CacheStatus::Forwarded {
            why: self.why,
            status: StatusCode::NOT_MODIFIED,
            stored,
            collapsed: false,
        };
        let given = match self.site.cache.freshen(&self.key, entry, &validation) {
            Validated::Kept(entry) => {
                leader.stored(entry.clone());
                Given::Entry(entry, status(true))
            }
            Validated::Once(entry, _) => {
                leader.not_shareable(came);
                Given::Entry(entry, status(false))
            }
            // The origin answered for another version than the one that it was asked about. What is stored is the
            // newest that is known whole; it goes, so that the next request fetches anew.
            Validated::Mismatch => {
                self.site.cache.invalidate(&self.key);
                leader.not_shareable(came);
                Given::Entry(entry.clone(), status(false))
            }
        };
        _ = tell.send(Ok(given));
    }

    /// A whole new answer: kept if it may be, and given on.
    async fn deliver(self, mut answered: Answered, times: (Now, Now), leader: Leader, tell: Tell) {
        let length = headers::content_length(answered.response.headers());
        let most = self.site.cache.max_entry();
        if !self.may_keep(&answered.response, times.1) || length.is_some_and(|length| length > most) {
            leader.not_shareable(times.1);
            match self.held(answered, self.hold_back.unwrap_or(0)).await {
                Ok((answered, _)) => self.give(answered, false, tell),
                Err(failure) => _ = tell.send(Err(failure)),
            }
            return;
        }
        let limit = match (self.hold_back, length) {
            _ if tell.is_closed() => most, // the visitor has left with a copy; the next one gets this
            (Some(limit), _) => limit.min(most),
            (None, Some(length)) if length <= SMALL => SMALL,
            (None, _) => 0,
        };
        let whole = match self.held(answered, limit).await {
            Ok((rest, None)) => {
                answered = rest;
                let body = std::mem::replace(answered.response.body_mut(), Body::Empty);
                let keep =
                    Keep::new(&answered.response, times, &self.site, self.key.clone(), self.asked.clone());
                *answered.response.body_mut() = tee(body, most, keep, leader);
                return self.give(answered, true, tell);
            }
            Ok((rest, Some(whole))) => {
                answered = rest;
                whole
            }
            Err(failure) => {
                leader.failed(Arc::new(Failure::new(failure.cause).detail(failure.to_string())));
                _ = tell.send(Err(failure));
                return;
            }
        };
        let keep = Keep::new(&answered.response, times, &self.site, self.key.clone(), self.asked.clone());
        match keep.store(&whole) {
            Ok(entry) => {
                let status = answered.response.status();
                let status = CacheStatus::Forwarded { why: self.why, status, stored: true, collapsed: false };
                leader.stored(entry.clone());
                _ = tell.send(Ok(Given::Entry(entry, status)));
            }
            Err(reason) => {
                tracing::debug!(site = %self.site.config.name, key = self.ask.key(), reason = reason.code(), "answer not kept");
                leader.not_shareable(times.1);
                *answered.response.body_mut() = Body::whole(whole);
                self.give(answered, false, tell);
            }
        }
    }

    /// Reads the body whole if it is no longer than `limit`: then it comes apart from its head.
    async fn held(
        &self,
        mut answered: Answered,
        limit: u64,
    ) -> Result<(Answered, Option<bytes::Bytes>), Failure> {
        if limit == 0 || fetch::is_endless(answered.response.headers()) {
            return Ok((answered, None));
        }
        let body = std::mem::replace(answered.response.body_mut(), Body::Empty);
        let time = self.site.config.failover.timeout.max(Duration::from_secs(1));
        let held = tokio::time::timeout(time, hold(body, limit)).await;
        match held.unwrap_or_else(|_| Err(Cause::BodyStalled.into())) {
            Ok(Held::Whole(bytes)) => Ok((answered, Some(bytes))),
            Ok(Held::Begun(rest)) => {
                *answered.response.body_mut() = rest;
                Ok((answered, None))
            }
            Err(failure) => {
                fetch::hold_against(&answered.origin, &failure);
                Err(failure)
            }
        }
    }

    fn may_keep(&self, response: &Response<Body>, came: Now) -> bool {
        let exchange = Exchange {
            method: &self.ask.method,
            ask: &self.asked,
            status: response.status(),
            answer: response.headers(),
        };
        matches!(storable(&exchange, self.site.config.cache.default_ttl, came.wall), Storable::Yes(_))
    }

    fn give(&self, mut answered: Answered, stored: bool, tell: Tell) {
        let status = answered.response.status();
        fetch::sign(&mut answered.response);
        let status = CacheStatus::Forwarded { why: self.why, status, stored, collapsed: false };
        _ = tell.send(Ok(Given::Live(answered, status)));
    }
}
