//! The origins of a site: connections, health, and which of them is asked. Start at [`Origins::send`].

mod begin;
mod budget;
pub mod check;
mod complaints;
mod conditions;
pub mod connect;
pub mod dns;
pub mod exchange;
pub mod health;
mod held;
pub mod judge;
pub mod latency;
mod name;
mod one;
mod pages;
pub mod pool;
mod probe;
mod prove;
mod room;
mod seats;
pub mod select;
mod sending;
mod settings;
mod signs;
mod switch;
mod tally;
pub mod upload;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};
use http::{Method, Request, Response};

use crate::clock;
use crate::config::ready::{self, OriginMode, Pin};
use crate::failure::{Cause, Failure, Retry};
use crate::http::loops::Instance;
use crate::http::{Body, BoxRequest};
pub use begin::FirstChecks;
use exchange::Unanswered;
pub use judge::Judge;
pub use one::{Identity, Origin, Standing};
pub use probe::CHECK_USER_AGENT;
pub use room::Room;
use select::Candidate;
pub use sending::{LatencyClass, Sending, Whom};
pub use tally::Tallied;
use upload::Upload;

/// Attempts at one request, the first included.
const ATTEMPTS: usize = 3;

/// Makes the TLS settings for an origin with this extra trust anchor and these pins, or says what is wrong with them.
pub type ClientTls = fn(Option<&Path>, &[Pin]) -> Result<Trust, String>;

/// Trust in one origin's certificates.
#[derive(Clone)]
pub struct Trust {
    /// What connections are made with.
    pub config: Arc<rustls::ClientConfig>,
    /// What is odd with the certificate that was accepted last.
    pub odd: Arc<dyn Fn() -> Option<(Cause, String)> + Send + Sync>,
    /// Until when that one holds.
    pub ends: Arc<dyn Fn(SystemTime) -> Option<Ends> + Send + Sync>,
}

/// Until when an origin's certificate holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The last moment.
    pub not_after: SystemTime,
    /// In words, if that is soon.
    pub soon: Option<String>,
}

/// What all origins share.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Names to addresses.
    pub resolver: dns::Resolver,
    /// Trust in origins' certificates.
    pub client_tls: ClientTls,
    /// Bytes that an answer's header fields may take.
    pub header_size: usize,
    /// Requests at once to one origin.
    pub in_flight: usize,
    /// By what name requests are known again that come back.
    pub instance: Instance,
    /// When each is checked for the first time.
    pub first: FirstChecks,
    /// How many checks run at the same time.
    pub room: Room,
}

/// One origin in its place within a site.
#[derive(Clone)]
pub struct Member {
    /// The origin itself.
    pub origin: Arc<Origin>,
    /// A higher tier is asked only when no lower one can answer.
    pub tier: u32,
    /// Share within the tier.
    pub weight: u32,
    /// As configured.
    configured: OriginMode,
    switch: Arc<switch::ModeSwitch>,
    settings: settings::Settings,
}

impl Member {
    /// The operator's switch: as somebody has set it since the start, else as configured.
    pub fn mode(&self) -> OriginMode {
        self.switch.get().unwrap_or(self.configured)
    }

    /// Sets it, until it is set again, the configuration says something new of it, or the process ends.
    pub fn set_mode(&self, mode: OriginMode) {
        self.switch.set(Some(mode));
        self.origin.check_by(self.settings.clone(), mode);
    }
}

/// The origins of one site, in the order of the configuration. May be empty.
pub struct Origins {
    members: Vec<Member>,
    tools: Tools,
    turn: AtomicUsize,
    budget: budget::Budget,
    hedge: Option<Duration>,
}

/// An answer, and who gave it.
pub struct Answered {
    /// The answer; its body still streams.
    pub response: Response<Body>,
    /// Who gave it.
    pub origin: Arc<Origin>,
    /// From the first attempt to the answer's header fields, without the time in our own queue.
    pub took: Duration,
    /// The request, but for `Host` and the signs against loops, where a second try would have been possible.
    pub spare: Option<BoxRequest>,
}

/// A site's standing as its origins have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// There is no origin that may be asked.
    None,
    /// At least one may be asked, and none is known to be well.
    Unproven,
    /// At least one is well.
    Up,
    /// All are down.
    Down,
}

impl Origins {
    /// The origins of `site`; those that `before` has, too, are kept with their health, connections and checks.
    pub fn new(
        site: &ready::Site,
        tools: &Tools,
        before: Option<&Origins>,
        judge: &Arc<dyn Judge>,
    ) -> Origins {
        let own: Option<Arc<str>> = site.canonical_host().map(Into::into);
        let settings = |origin: &ready::Origin| settings::Settings {
            health: site.health.clone(),
            ramp: site.failover.recovery_ramp,
            longest: site.failover.timeout.max(site.health.timeout),
            scheme: if site.tls.is_some() { "https" } else { "http" },
            // A catch-all site has no host of its own to ask for.
            host: own.clone().unwrap_or_else(|| origin.url.host.as_str().into()),
            judge: judge.clone(),
        };
        let members = site.origins.iter().map(|wanted| {
            let identity = Identity {
                url: wanted.url.clone(),
                host: wanted.host.clone(),
                ca: wanted.ca.clone(),
                pins: wanted.pins.clone(),
            };
            let kept =
                before.and_then(|before| before.members.iter().find(|m| m.origin.identity == identity));
            let kept = kept.filter(|member| member.origin.is_current());
            let origin = match kept {
                Some(member) => member.origin.clone(),
                None => Arc::new(Origin::new(site.name.clone(), identity, tools.clone())),
            };
            let switch = before.and_then(|before| before.said_of(wanted)).unwrap_or_default();
            let (tier, weight, configured) = (wanted.tier, wanted.weight, wanted.mode);
            let member = Member { origin, tier, weight, configured, switch, settings: settings(wanted) };
            member.origin.check_by(member.settings.clone(), member.mode());
            member
        });
        Origins {
            members: members.collect(),
            tools: tools.clone(),
            turn: AtomicUsize::new(0),
            budget: budget::Budget::default(),
            hedge: site.failover.hedge,
        }
    }

    /// The operator's word for an origin, which outlives a new trust anchor or resolver; what the configuration says anew
    /// is newer.
    fn said_of(&self, wanted: &ready::Origin) -> Option<Arc<switch::ModeSwitch>> {
        let same = |m: &&Member| m.origin.identity.url == wanted.url && m.configured == wanted.mode;
        let same_host = |m: &&Member| same(m) && m.origin.identity.host == wanted.host;
        let member = self.members.iter().find(same_host).or_else(|| self.members.iter().find(same))?;
        Some(member.switch.clone())
    }

    /// The site's origins as if there were none.
    pub fn none_of_them(&self) -> Origins {
        Origins {
            members: Vec::new(),
            tools: self.tools.clone(),
            turn: AtomicUsize::new(0),
            budget: budget::Budget::default(),
            hedge: None,
        }
    }

    /// All of them, in the configuration's order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What they share.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Whether their trust in certificates is as its files are now.
    pub fn is_current(&self) -> bool {
        self.members.iter().all(|member| member.origin.is_current())
    }

    /// The site's standing.
    pub fn outlook(&self) -> Outlook {
        let mut outlook = Outlook::None;
        for member in self.members.iter().filter(|m| m.mode() == OriginMode::Auto) {
            outlook = match (member.origin.standing(), outlook) {
                (Standing::Up, _) => return Outlook::Up,
                (Standing::Unproven, _) | (_, Outlook::Unproven) => Outlook::Unproven,
                (Standing::Down, _) => Outlook::Down,
            };
        }
        outlook
    }

    /// How long such a page typically takes at the first origin that would be asked.
    pub fn typical_latency(&self, class: LatencyClass) -> Option<Duration> {
        let up = self
            .members
            .iter()
            .filter(|m| m.mode() == OriginMode::Auto && m.origin.standing() != Standing::Down);
        up.min_by_key(|m| m.tier).and_then(|m| m.origin.typical_latency(class))
    }

    /// Sends the request to one origin after another, as far as it may be repeated and as second tries are left, until one
    /// answers. The wait is for all attempts together. Hop-by-hop fields are the caller's business; the Host field is
    /// set by [`Origin::attempt`].
    ///
    /// # Errors
    /// The last attempt's failure; [`Cause::NoOrigin`] or [`Cause::KnownDown`] if there was nobody to ask.
    pub async fn send(
        &self,
        request: BoxRequest,
        sending: Sending<'_>,
        upload: Option<&Upload>,
    ) -> Result<Answered, Failure> {
        let begun = clock::instant();
        self.budget.note_request();
        let idempotent = is_idempotent(request.method());
        let bodiless = matches!(request.body(), Body::Empty);
        let harmless = bodiless && !sending.upgrade && request.method().is_safe() && self.members.len() > 1;
        // one turn for all its attempts: were each to take the next, a second try would give every first one to the same origin
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut tried: Vec<usize> = Vec::new();
        let mut fresh = !idempotent;
        let mut next = Some(request);
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            let spent = if attempt == 0 { Duration::ZERO } else { clock::instant() - begun };
            let timeout = sending.timeout.saturating_sub(spent);
            let Some(request) = next.take().filter(|_| !timeout.is_zero()) else { break };
            let Some(index) = self.next(&tried, turn, sending.whom) else { break };
            if !tried.is_empty() && self.budget.take(clock::instant()).is_none() {
                break;
            }
            // Kept for a second try: nothing of it may be sent twice unless its method allows that.
            let spare = (idempotent && bodiless).then(|| copy_of(&request));
            let sending = Sending { timeout, ..sending };
            let (index, answer) = match self.hedge.filter(|_| harmless && tried.is_empty()) {
                Some(hedge) => Box::pin(self.hedged((index, turn), request, &sending, hedge)).await,
                None => (index, self.members[index].origin.attempt(request, &sending, upload, fresh).await),
            };
            match answer {
                Ok(mut response) => {
                    let queued = response.extensions_mut().remove::<seats::Queued>();
                    let queued = queued.map_or(Duration::ZERO, |seats::Queued(time)| time);
                    let took = (clock::instant() - begun).saturating_sub(queued);
                    let origin = self.members[index].origin.clone();
                    return Ok(Answered { response, origin, took, spare });
                }
                Err(unanswered) => {
                    if unanswered.failure.cause == Cause::Loop {
                        self.members[index].origin.check_soon();
                    }
                    next = match unanswered.failure.cause.retry() {
                        Retry::No => None,
                        Retry::Safe | Retry::IfIdempotent => unanswered.request.or(spare),
                    };
                    last = Some(unanswered.failure);
                    // An old connection that broke says nothing of the origin: it is asked again, over a new one.
                    if unanswered.old_connection && !fresh {
                        fresh = true;
                    } else {
                        tried.push(index);
                    }
                }
            }
        }
        Err(last.unwrap_or_else(|| self.why_none()))
    }

    /// One attempt; and, when nothing has come of it for as long as `hedge`, another one beside it at another origin of the
    /// tier, if there is one and second tries are left. The first answer counts, whatever its status.
    async fn hedged(
        &self,
        (index, turn): (usize, usize),
        request: BoxRequest,
        sending: &Sending<'_>,
        hedge: Duration,
    ) -> (usize, Result<Response<Body>, Unanswered>) {
        let spare = copy_of(&request);
        let mut first = std::pin::pin!(self.members[index].origin.attempt(request, sending, None, false));
        if let Ok(answer) = tokio::time::timeout(hedge, first.as_mut()).await {
            return (index, answer);
        }
        let beside = |other: &usize| self.members[*other].tier == self.members[index].tier;
        let other = self.next(&[index], turn, Whom::Usable).filter(beside);
        let Some(other) = other.filter(|_| self.budget.take(clock::instant()).is_some()) else {
            return (index, first.await);
        };
        let left = Sending { timeout: sending.timeout.saturating_sub(hedge), ..*sending };
        let second = std::pin::pin!(self.members[other].origin.attempt(spare, &left, None, false));
        match select(first, second).await {
            Either::Left((Err(_), second)) => (other, second.await),
            Either::Left((answer, _)) => (index, answer),
            Either::Right((Err(_), first)) => (index, first.await),
            Either::Right((answer, _)) => (other, answer),
        }
    }

    /// How much of its visitors the site may be given: that of the origin in the lowest usable tier that may have most.
    pub fn share(&self, now: std::time::Instant) -> f32 {
        let usable = || {
            let open = |m: &&Member| m.mode() == OriginMode::Auto && m.origin.standing() != Standing::Down;
            self.members.iter().filter(open)
        };
        let tier = usable().map(|m| m.tier).min();
        usable().filter(|m| Some(m.tier) == tier).map(|m| m.origin.share(now)).fold(0.0, f32::max)
    }

    /// Whether all that may be asked have as many requests as they may have.
    pub fn are_full(&self) -> bool {
        let mut usable = self
            .members
            .iter()
            .filter(|m| m.mode() == OriginMode::Auto && m.origin.standing() != Standing::Down)
            .peekable();
        usable.peek().is_some() && usable.all(|m| m.origin.is_full())
    }

    /// Has all of them checked now rather than at their time.
    pub fn check_soon(&self) {
        self.members.iter().for_each(|member| member.origin.check_soon());
    }

    fn next(&self, tried: &[usize], turn: usize, whom: Whom) -> Option<usize> {
        if let [only] = &*self.members {
            let usable = whom == Whom::Any || only.origin.standing() != Standing::Down;
            return (only.mode() == OriginMode::Auto && usable && tried.is_empty()).then_some(0);
        }
        let chosen = self.choice(tried, turn, Whom::Usable);
        chosen.or_else(|| (whom == Whom::Any).then(|| self.choice(tried, turn, whom)).flatten())
    }

    fn choice(&self, tried: &[usize], turn: usize, whom: Whom) -> Option<usize> {
        let now = clock::instant();
        let candidates = self.members.iter().enumerate().map(|(index, member)| Candidate {
            tier: member.tier,
            weight: member.weight,
            share: member.origin.share(now),
            mode: member.mode(),
            usable: whom == Whom::Any || member.origin.standing() != Standing::Down,
            in_flight: member.origin.in_flight(),
            tried: tried.contains(&index),
        });
        select::next(candidates, turn)
    }

    /// Why there is nobody to ask.
    pub fn why_none(&self) -> Failure {
        Failure::new(match self.outlook() {
            Outlook::None if !self.members.is_empty() => Cause::Drained,
            Outlook::None => Cause::NoOrigin,
            Outlook::Unproven | Outlook::Up | Outlook::Down => Cause::KnownDown,
        })
    }
}

impl Origin {
    /// Checks it by these settings from now on; one that the operator switched off is left alone.
    fn check_by(self: &Arc<Origin>, settings: settings::Settings, mode: OriginMode) {
        self.set_thresholds(&settings);
        let mut checker = self.checker.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if mode == OriginMode::Off {
            *checker = None;
        } else if checker.as_ref().is_none_or(|(running, _)| !running.same(&settings)) {
            *checker = Some((settings.clone(), check::start(self, settings)));
        }
    }
}

fn is_idempotent(method: &Method) -> bool {
    // RFC 9110 section 9.2.2
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    )
}

/// The request without its body, to be sent again.
pub fn copy_of(request: &Request<Body>) -> BoxRequest {
    let mut copy = Box::new(Request::new(Body::Empty));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}
