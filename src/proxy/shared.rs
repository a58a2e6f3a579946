//! One fetch for all who want the same page. It runs in a task of its own: it goes on when its visitor leaves or runs out of
//! patience, and refreshes what the next one gets.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Response, StatusCode};
use tokio::sync::oneshot;

use super::attempt::{Attempt, Incoming, Limits, OnTimeout};
use super::buffer::{Buffered, beginning};
use super::fallback::from_entry;
use super::reference::Reference;
use super::review::{Review, Reviewed};
use super::site::Site;
use super::tee::{Keep, tee};
use super::{Outcome, live, record, rewrite, visited};
use crate::ask::Ask;
use crate::cache::ask::make_whole;
use crate::cache::revalidate::{Validation, revalidation_headers};
use crate::cache::storable::{Exchange, Storable, storable};
use crate::cache::{Entry, Key, Landed, Leader, Lookup, Role, Validated};
use crate::clock::{self, Now};
use crate::failure::{Cause, Failure};
use crate::http::cache_status::{CacheStatus, Forward};
use crate::http::conditional::{self, Validators};
use crate::http::{Body, BoxRequest, headers};
use crate::metrics::ServedFrom;
use crate::origin::health::Evidence;
use crate::origin::{Answered, Origin};
use crate::tasks;
use crate::verdict::Wishes;
use crate::visits::{self, Got};

/// An answer of a known length up to this is read whole before it is passed on: it comes in one go anyway, and those who wait
/// for it get it sooner.
const SMALL: u64 = 64 * 1024;

/// The result of a shared fetch.
pub(super) enum Shared<'a> {
    /// An answer.
    Response(Outcome),
    /// This page's answers are for one visitor each: fetch directly.
    NotShareable(Incoming<'a>),
}

/// Joins the fetch of the page, or begins it.
///
/// # Errors
/// Why there is no good answer within the limits.
pub(super) async fn fetch_shared<'a>(
    attempt: Attempt<'_>,
    incoming: Incoming<'a>,
    lookup: &Lookup,
    why: Forward,
) -> Result<Shared<'a>, Failure> {
    let Attempt { site, ask, limits, .. } = attempt;
    let now = clock::now();
    let attempt = Attempt { limits: limits.from(now.mono), ..attempt };
    let deadline = match limits.on_timeout {
        OnTimeout::Silent => now.mono + limits.stall,
        OnTimeout::Slow => now.mono + limits.wait,
    };
    let request_headers = incoming.request.headers();
    let key = site.cache.key(ask.tls(), ask.authority(), ask.key());
    let collapsed = |entry: &Entry| {
        let status = CacheStatus::Forwarded { why, status: entry.status(), stored: true, collapsed: true };
        Shared::Response(from_entry(ask, entry, clock::now(), status, (ServedFrom::Origin, None)))
    };
    let mut whole = Whole::IfShort;
    let role = match site.cache.join(&key, request_headers, now) {
        Role::Follower(waiter) => match waiter.wait(deadline).await {
            Landed::Stored(entry) => Role::Came(entry),
            Landed::Alone => Role::Alone,
            Landed::Failed(failure) => return Err(failure.to_others()),
            Landed::Lead(leader) => site.cache.lead(leader, &key, request_headers, clock::now()),
            Landed::TakeOver(leader) => {
                whole = Whole::IfInTime;
                site.cache.lead(leader, &key, request_headers, clock::now())
            }
            Landed::TimedOut => return Err(attempt.timed_out()),
        },
        role @ (Role::Leader(_) | Role::Came(_) | Role::Alone) => role,
    };
    let leader = match role {
        Role::Leader(leader) => leader,
        Role::Came(entry) if entry.shared_with(request_headers) => return Ok(collapsed(&entry)),
        // A leader is never told to follow.
        Role::Came(_) | Role::Alone | Role::Follower(_) => return Ok(Shared::NotShareable(incoming)),
    };
    let fetch = Fetch {
        site: site.clone(),
        ask: ask.clone(),
        reference: attempt.reference.clone(),
        limits: attempt.limits,
        key: key.into_owned(),
        request_headers: request_headers.clone(),
        stored: validated_by(lookup),
        why,
        whole,
    };
    let response = fetch.begin(incoming, leader)?;
    match tokio::time::timeout_at(deadline.into(), response).await {
        Ok(Ok(Ok(Delivery::Entry(entry, status)))) => {
            let outcome = from_entry(ask, &entry, clock::now(), status, (ServedFrom::Origin, None));
            Ok(Shared::Response(outcome))
        }
        Ok(Ok(Ok(Delivery::Live(answered, status)))) => {
            Ok(Shared::Response(live(answered.response, answered.origin, status)))
        }
        Ok(Ok(Err(failure))) => Err(failure),
        Ok(Err(_)) => Err(Failure::new(Cause::Internal).detail("the fetch ended without a word")),
        Err(_) => Err(attempt.timed_out()),
    }
}

/// What is stored, if the origin can be asked whether it is still good.
fn validated_by(lookup: &Lookup) -> Option<Arc<Entry>> {
    let entry = match lookup {
        Lookup::Fresh(entry) | Lookup::Stale(entry) | Lookup::Revalidate(entry) => Some(entry),
        // A 304 does not say for sure who may read it: some servers leave those fields out.
        Lookup::Otherwise(_) | Lookup::Nothing(_) | Lookup::Uncacheable => None,
    };
    entry.filter(|entry| entry.has_validator()).cloned()
}

/// What the visitor gets who began the fetch.
enum Delivery {
    /// From the cache, which has just stored it.
    Entry(Arc<Entry>, CacheStatus),
    /// As it comes from the origin.
    Live(Answered, CacheStatus),
}

/// The visitor who began the fetch.
enum Recipient {
    /// Still waiting, as far as is known.
    Waiting(oneshot::Sender<Result<Delivery, Failure>>),
    /// Answered: the rest is for others.
    Served,
}

impl Recipient {
    /// Whether somebody waits for bytes.
    fn is_there(&self) -> bool {
        match self {
            Recipient::Waiting(sender) => !sender.is_closed(),
            Recipient::Served => false,
        }
    }

    fn send(self, result: Result<Delivery, Failure>) {
        match self {
            Recipient::Waiting(sender) => _ = sender.send(result),
            Recipient::Served => {}
        }
    }
}

/// When an answer that may be kept is read whole before its first byte goes to the visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    /// If it is short.
    IfShort,
    /// If it comes in time for the visitor: others wait for it, too, perhaps behind somebody who did not read.
    IfInTime,
}

/// When the request left, and when the answer's header fields came.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) sent_at: Now,
    pub(super) received_at: Now,
}

/// A fetch under way: an attempt that may outlive its visitor.
pub(super) struct Fetch {
    pub(super) site: Arc<Site>,
    pub(super) ask: Ask,
    reference: Reference,
    limits: Limits,
    pub(super) key: Key<'static>,
    /// The visitor's own header fields: what the answer depends on.
    pub(super) request_headers: HeaderMap,
    /// What is stored, if the origin can be asked whether it is still good.
    stored: Option<Arc<Entry>>,
    why: Forward,
    whole: Whole,
}

impl Fetch {
    /// Begins it. The visitor's part comes through the channel.
    fn begin(
        self,
        incoming: Incoming<'_>,
        leader: Leader,
    ) -> Result<oneshot::Receiver<Result<Delivery, Failure>>, Failure> {
        let Incoming { request, visit, table, .. } = incoming;
        let mut request = rewrite::outgoing(&self.ask, request, &visit, &table.trusted)?;
        make_whole(request.headers_mut());
        if let Some(early) = (visit.early)() {
            rewrite::pass_early(&mut request, early);
        }
        let (sender, response) = oneshot::channel();
        tasks::detached(Arc::new(self).run(request, leader, Recipient::Waiting(sender)));
        Ok(response)
    }

    fn attempt(&self) -> Attempt<'_> {
        Attempt { site: &self.site, ask: &self.ask, reference: &self.reference, limits: self.limits }
    }

    /// How its answer is reviewed.
    pub(super) fn review(&self, sent_at: Instant) -> Review<'_> {
        // it asks for the whole page, whatever the visitor does
        self.attempt().review(Wishes::default(), sent_at)
    }

    /// Fetches, and says how it ended: to those who wait behind the leader, and to the visitor who began it.
    async fn run(self: Arc<Self>, mut request: BoxRequest, leader: Leader, recipient: Recipient) {
        let unconditional = self.stored.is_some().then(|| crate::origin::copy_of(&request));
        if let Some(entry) = &self.stored {
            revalidation_headers(entry, request.headers_mut());
        }
        let sent_at = clock::now();
        let mut sent = self.attempt().send(request, None).await;
        match (self.validated(&sent, sent_at), unconditional) {
            (Some(Validated::Kept(entry)), _) => return self.give_validated(entry, true, leader, recipient),
            (Some(Validated::Once(entry, _)), _) => {
                return self.give_validated(entry, false, leader, recipient);
            }
            // The origin spoke of another version than it was asked about: the whole page, then.
            (Some(Validated::Mismatch), Some(unconditional)) => {
                sent = self.attempt().send(unconditional, None).await;
            }
            (Some(Validated::Mismatch) | None, _) => {}
        }
        match sent {
            Ok(answered) => {
                let times = Times { sent_at, received_at: clock::now() };
                self.deliver(answered, times, leader, recipient).await;
            }
            Err(failure) => {
                self.review(sent_at.mono).record_failure(&failure);
                fail(failure, leader, recipient);
            }
        }
    }

    /// What becomes of the stored entry, if the origin says that it is still good.
    fn validated(&self, sent: &Result<Answered, Failure>, sent_at: Now) -> Option<Validated> {
        let (Ok(answered), Some(entry)) = (sent, &self.stored) else { return None };
        if answered.response.status() != StatusCode::NOT_MODIFIED {
            return None;
        }
        self.review(sent_at.mono).record_time(&answered.origin, answered.took);
        let validation = Validation {
            request_headers: &self.request_headers,
            response_headers: answered.response.headers(),
            default_ttl: self.site.config.cache.default_ttl,
            sent_at,
            received_at: clock::now(),
            proven: self.site.page_health.proven(),
        };
        Some(self.site.cache.freshen(&self.key, entry, &validation))
    }

    fn give_validated(&self, entry: Arc<Entry>, stored: bool, leader: Leader, recipient: Recipient) {
        if stored {
            leader.stored(entry.clone());
        } else {
            leader.not_shareable(clock::now());
        }
        recipient.send(Ok(Delivery::Entry(entry, self.cache_status(StatusCode::NOT_MODIFIED, stored))));
    }

    /// A whole new answer: buffered as far as its review and those who wait want it, stored if it may be, and sent.
    async fn deliver(
        self: Arc<Self>,
        answered: Answered,
        times: Times,
        leader: Leader,
        recipient: Recipient,
    ) {
        let most = self.site.cache.max_entry();
        let length = headers::content_length(answered.response.headers());
        if !self.may_keep(&answered.response, times.received_at) || length.is_some_and(|length| length > most)
        {
            leader.not_shareable(times.received_at);
            let result = self.reviewed(answered, self.limits.buffer, times).await;
            let live = |Reviewed { answered, buffered, .. }| self.live(answered, buffered.into_body(), false);
            recipient.send(result.map(live));
            return;
        }
        let recipient = self.tell_unchanged(&answered, recipient);
        match self.buffer(answered, times, &recipient).await {
            Ok((answered, buffered)) => self.store_and_send(answered, buffered, (leader, recipient)),
            Err(failure) => fail(failure, leader, recipient),
        }
    }

    /// Reads as much of the body as its review takes, and as those who wait for it want before its first byte is sent.
    async fn buffer(
        self: &Arc<Self>,
        answered: Answered,
        times: Times,
        recipient: &Recipient,
    ) -> Result<(Answered, ToKeep), Failure> {
        let most = self.site.cache.max_entry();
        let limit = match (self.limits.buffer, headers::content_length(answered.response.headers())) {
            // Nobody waits for the bytes any more: only the next visitor, who gets them from the cache.
            _ if !recipient.is_there() => Some(most),
            (Some(limit), _) => Some(limit.min(most)),
            (None, Some(length)) if length <= SMALL => Some(SMALL),
            (None, _) => None,
        };
        let Reviewed { answered, buffered, passed } = self.reviewed(answered, limit, times).await?;
        let keep = Keep::new(self, &answered.response, passed, times);
        let is_judged = buffered.is_whole();
        let is_endless = headers::is_event_stream(answered.response.headers());
        let is_wanted_whole = self.whole == Whole::IfInTime && matches!(recipient, Recipient::Waiting(_));
        let buffered = if is_wanted_whole && !is_judged && !is_endless {
            self.read_on(&answered.origin, buffered, most).await?
        } else {
            buffered
        };
        Ok((answered, ToKeep { keep, buffered, is_judged }))
    }

    /// Keeps the answer if it is complete, and sends it; otherwise sends it, and keeps it once it is complete.
    fn store_and_send(&self, answered: Answered, body: ToKeep, (leader, recipient): (Leader, Recipient)) {
        let ToKeep { keep, buffered, is_judged } = body;
        let is_served = matches!(recipient, Recipient::Served);
        let whole = match buffered.into_whole() {
            Ok(whole) => whole,
            Err(_) if is_served => return leader.not_shareable(clock::now()),
            Err(begun) => {
                let body = tee(begun.into_body(), self.site.cache.max_entry(), keep, leader);
                return recipient.send(Ok(self.live(answered, body, true)));
            }
        };
        let stored = if is_judged || keep.is_accepted(&whole) {
            keep.finish(&whole, leader)
        } else {
            leader.not_shareable(clock::now());
            None
        };
        recipient.send(Ok(match stored {
            Some(entry) => Delivery::Entry(entry, self.cache_status(answered.response.status(), true)),
            None => self.live(answered, Body::whole(whole), false),
        }));
    }

    /// Reviews the answer, and reads as much of its body as that takes, or `limit` bytes.
    async fn reviewed(
        &self,
        answered: Answered,
        limit: Option<u64>,
        times: Times,
    ) -> Result<Reviewed, Failure> {
        // Nobody's patience ends it.
        let deadline = clock::instant() + self.limits.reading();
        let limits = Limits { buffer: limit, deadline, ..self.limits };
        let review = Review { limits, ..self.review(times.sent_at.mono) };
        review.review(answered).await.inspect_err(|failure| review.record_failure(failure))
    }

    /// Reads on for those who wait: up to `most` bytes, and as long as the visitor waits.
    async fn read_on(&self, origin: &Origin, buffered: Buffered, most: u64) -> Result<Buffered, Failure> {
        let now = clock::instant();
        let time = self.limits.nearly.saturating_duration_since(now);
        beginning(buffered.into_body(), most, time, &self.site.room).await.inspect_err(|failure| {
            record::broken_off(origin, failure, Evidence::by(self.ask.key(), self.ask.client));
            self.review(now).record_failure(failure);
        })
    }

    /// Answers a visitor who already has this version at once. The others' bytes still have to be fetched.
    fn tell_unchanged(&self, answered: &Answered, recipient: Recipient) -> Recipient {
        let head = &answered.response;
        let evaluated = conditional::has_any(&self.ask.kept_headers).then(|| {
            conditional::evaluate(&self.ask.method, &self.ask.kept_headers, &Validators::of(head.headers()))
        });
        if head.status() != StatusCode::OK || evaluated != Some(conditional::Outcome::NotModified) {
            return recipient;
        }
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.headers_mut() = head.headers().clone();
        conditional::keep_for_not_modified(response.headers_mut());
        let (origin, took) = (answered.origin.clone(), answered.took);
        let unchanged = Answered { response, origin, took, spare: None };
        recipient.send(Ok(self.live(unchanged, Body::Empty, true)));
        Recipient::Served
    }

    fn may_keep(&self, response: &Response<Body>, received_at: Now) -> bool {
        let exchange = Exchange {
            method: &self.ask.method,
            request_headers: &self.request_headers,
            status: response.status(),
            response_headers: response.headers(),
        };
        match storable(&exchange, self.site.config.cache.default_ttl, received_at.wall) {
            Storable::Yes(terms) => terms.for_all || !self.is_for_one(response.headers()),
            Storable::No(_) => false,
        }
    }

    /// Whether the address looks as if it was made for one person, and no crawl has found that anybody gets it: whoever opens it
    /// has it from a mail. Unless its origin says that it is for all, nobody else gets the answer, not even in an outage.
    fn is_for_one(&self, response_headers: &HeaderMap) -> bool {
        let key = self.ask.key();
        let is_everybodys = match visited::kind(response_headers) {
            Some(Got::Requisite) => visits::is_public_file(key),
            Some(Got::Page | Got::Document | Got::Data | Got::Unchanged) | None => visits::is_public(key),
        };
        !is_everybodys
            && !self.site.mirror.current().is_some_and(|copy| matches!(copy.find(key), Ok(Some(_))))
    }

    /// The origin's own answer, with this body.
    fn live(&self, mut answered: Answered, body: Body, stored: bool) -> Delivery {
        let status = self.cache_status(answered.response.status(), stored);
        *answered.response.body_mut() = body;
        rewrite::sign(&mut answered.response);
        Delivery::Live(answered, status)
    }

    fn cache_status(&self, status: StatusCode, stored: bool) -> CacheStatus {
        CacheStatus::Forwarded { why: self.why, status, stored, collapsed: false }
    }
}

/// A body as far as it was buffered, and how it is kept.
struct ToKeep {
    keep: Keep,
    buffered: Buffered,
    /// Whether all of it was judged.
    is_judged: bool,
}

/// There is no answer for anybody.
fn fail(failure: Failure, leader: Leader, recipient: Recipient) {
    leader.failed(Arc::new(failure.to_others()));
    recipient.send(Err(failure));
}
