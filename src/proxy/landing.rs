//! A shared fetch from its request to its landing: in the cache, and with the visitor who began it. It is a task of its
//! own: a visitor who leaves, or whose patience ends, does not end it, and what it brings refreshes what the next one
//! gets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, Request, Response, StatusCode};
use tokio::sync::oneshot;

use super::buffer::{Held, beginning};
use super::fetch::{self, Allowance};
use super::review::{Beside, Terms, Trial};
use super::site::Site;
use super::tee::{Keep, tee};
use super::visited;
use crate::ask::Ask;
use crate::ask::location;
use crate::cache::revalidate::{Validation, revalidation_headers};
use crate::cache::storable::{Exchange, Storable, storable};
use crate::cache::{Entry, Key, Leader, Validated};
use crate::clock::{self, Now};
use crate::failure::Failure;
use crate::http::cache_status::{CacheStatus, Forward};
use crate::http::conditional::{self, Validators};
use crate::http::{Body, headers};
use crate::origin::health::Evidence;
use crate::origin::{Answered, Origin};
use crate::verdict::Wishes;
use crate::visits::{self, Got};

/// An answer of a known length up to this is read whole before it is given on: it comes in one go anyway, and those
/// who wait for it get it sooner.
const SMALL: u64 = 64 * 1024;

/// What a fetch gives to the visitor who began it.
pub(super) enum Given {
    /// Out of the cache, where it has just come in.
    Entry(Arc<Entry>, CacheStatus),
    /// As it comes from the origin.
    Live(Answered, CacheStatus),
}

/// A fetch under way.
pub(super) struct Fetch {
    pub(super) site: Arc<Site>,
    pub(super) ask: Ask,
    pub(super) key: Key<'static>,
    /// The visitor's own header fields: what the answer depends on.
    pub(super) request_headers: HeaderMap,
    /// What is stored, if the origin can be asked whether it is still good.
    pub(super) entry: Option<Arc<Entry>>,
    pub(super) why: Forward,
    pub(super) allowance: Allowance,
    /// Until when the visitor who began it waits.
    pub(super) waits: Instant,
    /// What the answer is judged beside.
    pub(super) beside: Beside,
    pub(super) whole: Whole,
    /// The request's fields, to walk on with if its answer is a redirect.
    pub(super) again: Option<HeaderMap>,
}

/// When an answer that may be kept is read whole before its first byte goes to the visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// If it is short.
    IfShort,
    /// If it comes before the visitor has waited too long: others wait for it, too, and have waited for somebody who did
    /// not read.
    IfInTime,
}

/// The visitor who began the fetch, as long as he waits.
type Tell = oneshot::Sender<Result<Given, Failure>>;

/// When the request left, and when the answer's header fields came.
type Times = (Now, Now);

impl Fetch {
    /// Fetches, and says how it ended: to those who wait behind the leader, and to the visitor who began it.
    pub(super) async fn run(mut self, request: Request<Body>, leader: Leader, tell: Tell) {
        let (mut request, spare) = (request, self.entry.is_some());
        let again = spare.then(|| crate::origin::copy_of(&request));
        if let Some(entry) = &self.entry {
            revalidation_headers(entry, request.headers_mut());
        }
        let asked = clock::now();
        let mut sent = self.send(request).await;
        let validation = match (&sent, self.entry.take()) {
            (Ok(answered), Some(entry)) if answered.response.status() == StatusCode::NOT_MODIFIED => {
                self.trial().answered(&answered.origin, answered.took);
                Some(self.validated(&entry, answered.response.headers(), (asked, clock::now())))
            }
            _ => None,
        };
        match (validation, again) {
            (Some(Some((entry, stored))), _) => return self.land_validated(entry, stored, leader, tell),
            // The origin spoke of another version than it was asked about: the whole page, then.
            (Some(None), Some(again)) => sent = self.send(again).await,
            _ => {}
        }
        match sent {
            Ok(answered) => self.deliver(answered, (asked, clock::now()), leader, tell).await,
            Err(failure) => {
                self.trial().note(&failure);
                fail(failure, leader, tell);
            }
        }
    }

    fn trial(&self) -> Trial<'_> {
        // it asks for the whole page, whatever the visitor does
        let (wishes, again) = (Wishes::default(), self.again.as_ref());
        Trial { site: &self.site, ask: &self.ask, beside: &self.beside, wishes, again }
    }

    async fn send(&self, request: Request<Body>) -> Result<Answered, Failure> {
        let sending = fetch::sending(&self.site, &self.ask, self.allowance);
        let mut answered = self.site.origins.send(request, sending, None).await?;
        fetch::clean(answered.response.headers_mut());
        location::correct(answered.response.headers_mut(), &self.site.config, self.ask.asked());
        Ok(answered)
    }

    /// The origin says that what is stored is still good: what that makes of it, and whether it is kept.
    fn validated(
        &self,
        entry: &Entry,
        response_headers: &HeaderMap,
        (sent_at, received_at): Times,
    ) -> Option<(Arc<Entry>, bool)> {
        let default_ttl = self.site.config.cache.default_ttl;
        let proven = self.site.page_health.proven();
        let validation = Validation {
            request_headers: &self.request_headers,
            response_headers,
            default_ttl,
            sent_at,
            received_at,
            proven,
        };
        match self.site.cache.freshen(&self.key, entry, &validation) {
            Validated::Kept(entry) => Some((entry, true)),
            Validated::Once(entry, _) => Some((entry, false)),
            Validated::Mismatch => None,
        }
    }

    fn land_validated(&self, entry: Arc<Entry>, stored: bool, leader: Leader, tell: Tell) {
        if stored {
            leader.stored(entry.clone());
        } else {
            leader.not_shareable(clock::now());
        }
        _ = tell.send(Ok(Given::Entry(entry, self.said(StatusCode::NOT_MODIFIED, stored))));
    }

    /// A whole new answer: kept if it may be, and given on.
    async fn deliver(self, answered: Answered, times: Times, leader: Leader, tell: Tell) {
        let length = headers::content_length(answered.response.headers());
        let most = self.site.cache.max_entry();
        if !self.may_keep(&answered.response, times.1) || length.is_some_and(|length| length > most) {
            leader.not_shareable(times.1);
            match self.weigh(answered, self.allowance.hold_back, times).await {
                Ok((answered, held)) => self.give(answered, held.into_body(), false, tell),
                Err(failure) => _ = tell.send(Err(failure)),
            }
            return;
        }
        let tell = self.unchanged(&answered, tell);
        let limit = match (self.allowance.hold_back, length) {
            // Nobody waits for the bytes any more: only the next visitor, who gets them from the cache.
            _ if tell.as_ref().is_none_or(Tell::is_closed) => Some(most),
            (Some(limit), _) => Some(limit.min(most)),
            (None, Some(length)) if length <= SMALL => Some(SMALL),
            (None, _) => None,
        };
        let (answered, held) = match self.weigh(answered, limit, times).await {
            Ok(weighed) => weighed,
            Err(failure) => return fail(failure, leader, tell.unwrap_or_else(|| oneshot::channel().0)),
        };
        let keep = Keep::new(&self, &answered.response, times);
        let Some(tell) = tell else {
            return match held.into_whole() {
                Ok(whole) => drop(keep.finish(&whole, leader)),
                Err(_) => leader.not_shareable(times.1),
            };
        };
        let is_judged = held.is_whole();
        let most_ahead = if fetch::is_endless(answered.response.headers()) { 0 } else { most };
        let held = match self.on(&answered.origin, held, most_ahead).await {
            Ok(held) => held,
            Err(failure) => return fail(failure, leader, tell),
        };
        match held.into_whole() {
            Ok(whole) if !is_judged && !keep.fits(&whole) => {
                leader.not_shareable(clock::now());
                self.give(answered, Body::whole(whole), false, tell);
            }
            Err(held) => self.give(answered, tee(held.into_body(), most, keep, leader), true, tell),
            Ok(whole) => match keep.finish(&whole, leader) {
                Some(entry) => {
                    let said = self.said(answered.response.status(), true);
                    _ = tell.send(Ok(Given::Entry(entry, said)));
                }
                None => self.give(answered, Body::whole(whole), false, tell),
            },
        }
    }

    /// Judges the answer, and reads as much of its body as that takes, or `hold` bytes.
    async fn weigh(
        &self,
        answered: Answered,
        hold: Option<u64>,
        (asked, _): Times,
    ) -> Result<(Answered, Held), Failure> {
        let timeout = self.allowance.longest.max(Duration::from_secs(1));
        let terms = Terms {
            asked: asked.mono,
            hold,
            stall: timeout,
            until: clock::instant() + timeout,
            waits: self.waits,
        };
        self.trial().weigh(answered, terms).await.inspect_err(|failure| self.trial().note(failure))
    }

    /// Reads on, if others wait: up to `most` bytes, and as long as the visitor waits.
    async fn on(&self, origin: &Origin, held: Held, most: u64) -> Result<Held, Failure> {
        if self.whole == Whole::IfShort || held.is_whole() || most == 0 {
            return Ok(held);
        }
        let time = self.waits.saturating_duration_since(clock::instant());
        beginning(held.into_body(), most, time, &self.site.room).await.inspect_err(|failure| {
            let by = Evidence::by(self.ask.key(), self.ask.client);
            fetch::hold_against(origin, failure, by);
            self.trial().note(failure);
        })
    }

    /// Tells a visitor who has this very version already at once. The others' bytes are still to be fetched.
    fn unchanged(&self, answered: &Answered, tell: Tell) -> Option<Tell> {
        let head = &answered.response;
        let evaluated = conditional::has_any(&self.ask.wishes).then(|| {
            conditional::evaluate(&self.ask.method, &self.ask.wishes, &Validators::of(head.headers()))
        });
        if head.status() != StatusCode::OK || evaluated != Some(conditional::Outcome::NotModified) {
            return Some(tell);
        }
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.headers_mut() = head.headers().clone();
        conditional::keep_for_not_modified(response.headers_mut());
        let origin = answered.origin.clone();
        self.give(Answered { response, origin, took: answered.took }, Body::Empty, true, tell);
        None
    }

    fn may_keep(&self, response: &Response<Body>, came: Now) -> bool {
        let exchange = Exchange {
            method: &self.ask.method,
            request_headers: &self.request_headers,
            status: response.status(),
            response_headers: response.headers(),
        };
        match storable(&exchange, self.site.config.cache.default_ttl, came.wall) {
            Storable::Yes(terms) => terms.for_all || !self.is_for_one(response.headers()),
            Storable::No(_) => false,
        }
    }

    /// Whether the address looks like one that was made for one person, and no crawl has found that anybody gets it: whoever
    /// opens it has it from a mail. Where its origin does not say that it is for all, it is nobody else's, also in an outage.
    fn is_for_one(&self, headers: &HeaderMap) -> bool {
        let key = self.ask.key();
        let is_everybodys = match visited::kind(headers) {
            Some(Got::Requisite) => visits::is_public_file(key),
            Some(Got::Page | Got::Document | Got::Data | Got::Unchanged) | None => visits::is_public(key),
        };
        !is_everybodys
            && !self.site.mirror.current().is_some_and(|copy| matches!(copy.find(key), Ok(Some(_))))
    }

    /// Gives the origin's own answer to the visitor.
    fn give(&self, mut answered: Answered, body: Body, stored: bool, tell: Tell) {
        let said = self.said(answered.response.status(), stored);
        *answered.response.body_mut() = body;
        fetch::sign(&mut answered.response);
        _ = tell.send(Ok(Given::Live(answered, said)));
    }

    fn said(&self, status: StatusCode, stored: bool) -> CacheStatus {
        CacheStatus::Forwarded { why: self.why, status, stored, collapsed: false }
    }
}

/// There is no answer, for nobody.
fn fail(failure: Failure, leader: Leader, tell: Tell) {
    leader.failed(Arc::new(Failure::new(failure.cause).detail(failure.to_string())));
    _ = tell.send(Err(failure));
}
