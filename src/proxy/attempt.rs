//! One attempt to get a page from the origin: which page, beside which copy, within which limits. The shared fetch and
//! the fetch for one visitor are both built on it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, header};

use super::direct::fetch_direct;
use super::reference::Reference;
use super::review::Review;
use super::rewrite;
use super::shared::{Shared, fetch_shared};
use super::site::{Site, Table};
use super::{Outcome, Spool, Visit};
use crate::ask::{Ask, Kind, key, location};
use crate::cache::{self, Lookup};
use crate::clock;
use crate::failover::{Fallback, Wait};
use crate::failure::{Cause, Failure};
use crate::http::cache_status::Forward;
use crate::http::client::ClientKey;
use crate::http::{BoxRequest, headers};
use crate::origin::health::Evidence;
use crate::origin::upload::Upload;
use crate::origin::{Answered, Sending, Whom};
use crate::verdict::Wishes;

/// The share of a visitor's wait after which something else has to be given for what has not come.
const NEARLY: f64 = 0.8;
/// For how many timeouts the origin may be silent where the answer may be a long poll.
const LONG_POLL: u32 = 4;

/// What an attempt may take: time and memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long the visitor waits, for the header fields and for what is buffered of the body.
    pub(super) wait: Duration,
    /// When that is over.
    pub(super) deadline: Instant,
    /// When most of it is over, and the visitor needs something else.
    pub(super) nearly: Instant,
    /// How long the origin may take for its header fields, no matter who waits.
    pub(super) timeout: Duration,
    /// How long the origin may be silent, before its header fields or within the body, while its checks are
    /// good: for what may be a long poll several timeouts, else one.
    pub(super) stall: Duration,
    /// How many bytes of the body may be held back until it is judged whole. `None`: there is nothing else to
    /// give, so that no more of it is waited for than a verdict on its beginning needs.
    pub(super) buffer: Option<u64>,
    /// What a timeout means.
    pub(super) on_timeout: OnTimeout,
}

/// Whether there is something to give in place of an answer that is late or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Substitute {
    /// A copy.
    Copy,
    /// Nothing of the site.
    Nothing,
}

impl Substitute {
    /// What this fallback gives.
    pub(super) fn of(fallback: Fallback) -> Substitute {
        match fallback {
            Fallback::Copy(_) => Substitute::Copy,
            Fallback::Holding | Fallback::Refusal | Fallback::Gone => Substitute::Nothing,
        }
    }
}

/// What a timeout means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnTimeout {
    /// The origin had its full timeout: it is silent.
    Silent,
    /// Only the visitor's patience ran out, which says little about the origin: it is slow.
    Slow,
}

impl Limits {
    /// The plan in times and bytes for this site and page, for a visitor who waits from now on.
    pub(super) fn of(site: &Site, ask: &Ask, wait: Wait, substitute: Substitute) -> Limits {
        let policy = &site.config.failover;
        let of_route = site.config.route_timeout(key::path_of(ask.key()));
        let timeout = of_route.unwrap_or(policy.timeout);
        let (is_long_poll, buffer) = match substitute {
            Substitute::Copy => (false, Some(policy.hold_back)),
            Substitute::Nothing => (of_route.is_none() && may_be_long_poll(ask), None),
        };
        let (wait, on_timeout) = match wait {
            Wait::Timeout => (timeout, OnTimeout::Silent),
            Wait::Patience => (site.patience(ask).min(timeout), OnTimeout::Slow),
        };
        let now = clock::instant();
        let limits = Limits {
            wait,
            deadline: now,
            nearly: now,
            timeout,
            stall: if is_long_poll { timeout * LONG_POLL } else { timeout },
            buffer,
            on_timeout,
        };
        limits.from(now)
    }

    /// The same for a wait that begins at `now`.
    pub(super) fn from(self, now: Instant) -> Limits {
        Limits { deadline: now + self.wait, nearly: now + self.wait.mul_f64(NEARLY), ..self }
    }

    /// How long the reading of a body may take before its first byte is sent.
    pub(super) fn reading(&self) -> Duration {
        self.stall.max(Duration::from_secs(1))
    }
}

/// Whether the origin may hold the answer until there is news, as in a long poll. A page must not be held, for its visitor
/// looks at an empty window meanwhile; browsers say that they open one, and programs do not.
fn may_be_long_poll(ask: &Ask) -> bool {
    let page = |value: &HeaderValue| value.as_bytes().windows(9).any(|part| part == b"text/html");
    ask.kind == Kind::Read && !ask.kept_headers.get_all(header::ACCEPT).iter().any(page)
}

/// A request on its way to the origin, and how it came in.
pub(super) struct Incoming<'a> {
    pub(super) request: BoxRequest,
    pub(super) visit: Visit<'a>,
    pub(super) table: &'a Table,
    /// Where its body waits until all of it is there.
    pub(super) spool: &'a Spool,
}

/// One attempt to get a page from the origin.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) site: &'a Arc<Site>,
    pub(super) ask: &'a Ask,
    /// The copy that the answer is judged against.
    pub(super) reference: &'a Reference,
    pub(super) limits: Limits,
}

impl<'a> Attempt<'a> {
    /// Fetches from the origin: for all who want the same page, where that is possible, or for this visitor alone.
    ///
    /// # Errors
    /// Why there is no good answer within the limits.
    pub(super) async fn fetch(
        self,
        incoming: Incoming<'_>,
        lookup: Option<Lookup>,
    ) -> Result<Outcome, Failure> {
        check_size(&incoming)?;
        let why = forward_reason(self.ask, lookup.as_ref());
        let (method, request_headers) = (incoming.request.method(), incoming.request.headers());
        let incoming = match lookup {
            Some(lookup)
                if !matches!(lookup, Lookup::Uncacheable)
                    && cache::ask::may_share(method, request_headers)
                    // Nothing is kept of what the operator wants passed on unjudged.
                    && !self.site.is_held_live(self.ask) =>
            {
                match Box::pin(fetch_shared(self, incoming, &lookup, why)).await? {
                    Shared::Response(outcome) => return Ok(outcome),
                    Shared::NotShareable(incoming) => incoming,
                }
            }
            Some(_) | None => incoming,
        };
        fetch_direct(self, incoming, why).await
    }

    /// Sends the request. The answer comes without its hop-by-hop fields.
    pub(super) async fn send(
        &self,
        request: BoxRequest,
        upload: Option<&Upload>,
    ) -> Result<Answered, Failure> {
        let mut answered = self.site.origins.send(request, self.sending(), upload).await?;
        let response_headers = answered.response.headers_mut();
        rewrite::clean(self.ask.kind, response_headers);
        location::correct(response_headers, &self.site.config, self.ask.asked());
        Ok(answered)
    }

    fn sending(&self) -> Sending<'a> {
        Sending {
            host: self.ask.authority(),
            client: ClientKey::of(self.ask.client),
            timeout: self.limits.timeout,
            longest: self.limits.stall,
            stall: self.limits.stall,
            upgrade: self.ask.kind == Kind::Upgrade,
            by: Evidence::by(self.ask.key(), self.ask.client),
            whom: if self.site.is_held_live(self.ask) { Whom::Any } else { Whom::Usable },
        }
    }

    /// Reviews its answer.
    pub(super) fn review(self, wishes: Wishes, sent_at: Instant) -> Review<'a> {
        let Attempt { site, ask, reference, limits } = self;
        Review { site, ask, reference, limits, wishes, sent_at }
    }

    /// Nothing came in time. This records that the origin is slow, and who has waited; a check finds out whether it is dead.
    pub(super) fn timed_out(&self) -> Failure {
        self.site.origins.check_soon();
        if self.site.origins.are_full() {
            return Cause::QueuedTooLong.into(); // our own queue may have taken the time
        }
        match self.limits.on_timeout {
            OnTimeout::Silent => Cause::Silent.into(),
            OnTimeout::Slow => {
                self.site.page_health.note_late(self.ask.key(), clock::instant());
                Cause::Slow.into()
            }
        }
    }
}

/// Refuses a body that is announced as too large before anybody reads a byte of it.
fn check_size(incoming: &Incoming<'_>) -> Result<(), Failure> {
    match headers::content_length(incoming.request.headers()) {
        Some(length) if length > incoming.table.body_size => Err(Cause::BodyTooLarge.into()),
        Some(_) | None => Ok(()),
    }
}

/// Why the request goes to the origin, as `Cache-Status` says it.
pub(super) fn forward_reason(ask: &Ask, lookup: Option<&Lookup>) -> Forward {
    match lookup {
        None if ask.kind == Kind::Read => Forward::Bypass,
        None => Forward::Method,
        Some(Lookup::Fresh(_)) => Forward::Request,
        Some(Lookup::Stale(_) | Lookup::Revalidate(_)) => Forward::Stale,
        Some(Lookup::Otherwise(_)) => Forward::VaryMiss,
        Some(Lookup::Nothing(why)) => *why,
        Some(Lookup::Uncacheable) => Forward::UriMiss,
    }
}
