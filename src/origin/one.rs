//! One origin: its connections, its health, and one attempt at a request.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderValue, Response, Version, header};
use tokio::sync::Notify;

use super::connect::{bare, connect};
use super::exchange::{AnswerBody, Connection, Unanswered};
use super::health::{Change, Evidence, Health, Seen, State, Thresholds};
use super::latency::{RecentLatency, TypicalLatency};
use super::name::Name;
use super::pages::Pages;
use super::pool::Pool;
use super::seats::{Queued, Seat, Seats, Turn};
use super::sending::{LatencyClass, Sending, Whom};
use super::settings::Settings;
use super::signs::Signs;
use super::upload::{Upload, within};
use super::{Tools, Trust};
use crate::clock;
use crate::config::ready::{self, OriginUrl};
use crate::descriptors::Use;
use crate::disk::Stamp;
use crate::failure::{Cause, Failure, Side};
use crate::http::{Body, BoxRequest};
use crate::tasks;

/// Requests that may not be repeated use only connections that answered this recently, or new ones: an origin's own idle
/// timeout is hardly ever shorter.
const WARM: Duration = Duration::from_secs(1);

/// The least number of concurrent requests for an origin that is coming back.
const LEAST_SEATS: usize = 4;

/// What makes an origin the same one across reloads.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// Where it is.
    pub url: OriginUrl,
    /// Its own host name, if not the visitor's.
    pub host: Option<String>,
    /// Its extra trust anchor.
    pub ca: Option<PathBuf>,
    /// The pinned keys.
    pub pins: Vec<ready::Pin>,
}

/// One origin, kept for as long as some configuration names it.
pub struct Origin {
    /// Which one it is.
    pub identity: Identity,
    site: Arc<str>,
    /// The pool's key for plain connections: they are all alike.
    plain: Arc<str>,
    pub(super) tools: Tools,
    pub(super) tls: Option<Result<Trust, String>>,
    /// What the trust anchor's file held when `tls` was made of it,
    anchor: Option<blake3::Hash>,
    /// and how the file was just before, as far as that can be relied on.
    stamp: Option<Stamp>,
    pool: Arc<Pool>,
    seats: Arc<Seats>,
    /// Whether it is coming back: then its share is to be looked up.
    is_back: AtomicBool,
    health: Mutex<Health>,
    /// A copy of the counter's bad checks in a row, so that good news need no lock when all is well.
    bad_in_a_row: AtomicU32,
    /// 0 unproven, 1 up, 2 down or on trial: the hot path's view of the state.
    standing: AtomicU32,
    latency: Mutex<[Latency; 2]>,
    /// The last good signs.
    pub(super) signs: Signs,
    /// Wakes the checker before its time.
    pub(super) check_wanted: Notify,
    pub(super) checker: Mutex<Option<(Settings, tasks::Guard)>>,
    /// What the last bad check saw, in words.
    trouble: Mutex<Option<(Cause, String)>>,
    /// What the last checks made of the key pages.
    pages: Mutex<Pages>,
    /// Its name.
    pub(super) name: Name,
    /// The last proof: when it was begun, and what was wrong.
    pub(super) proof: tokio::sync::Mutex<Option<(Instant, Option<Cause>)>>,
}

/// How long one class of pages takes.
#[derive(Clone, Copy, Debug, Default)]
struct Latency {
    lately: RecentLatency,
    typical: TypicalLatency,
}

/// A good or bad standing without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing seen yet.
    Unproven,
    /// It answers.
    Up,
    /// It does not, or is on trial.
    Down,
}

impl Origin {
    /// An origin of which nothing is known yet. An unreadable trust anchor is kept as its failure: the process starts.
    pub fn new(site: Arc<str>, identity: Identity, tools: Tools) -> Origin {
        let stamp = stamp_of(identity.ca.as_deref());
        let anchor = print_of(identity.ca.as_deref());
        let tls = identity.url.tls.then(|| (tools.client_tls)(identity.ca.as_deref(), &identity.pins));
        if let Some(Err(error)) = &tls {
            tracing::error!(site = %site, origin = %identity.url, error, "trust anchor cannot be used");
        }
        let name = Name::new(&identity.url.host, tools.resolver.clone());
        Origin {
            identity,
            name,
            site,
            plain: "".into(),
            tls,
            anchor,
            stamp,
            pool: Arc::default(),
            seats: Arc::new(Seats::new(tools.in_flight)),
            health: Mutex::new(Health::new(Thresholds { fall: 1, rise: 1, ramp: Duration::ZERO })),
            is_back: AtomicBool::new(false),
            bad_in_a_row: AtomicU32::new(0),
            standing: AtomicU32::new(0),
            latency: Mutex::default(),
            signs: Signs::new(clock::instant()),
            check_wanted: Notify::new(),
            checker: Mutex::new(None),
            trouble: Mutex::default(),
            pages: Mutex::default(),
            proof: tokio::sync::Mutex::default(),
            tools,
        }
    }

    /// Whether its trust anchors are those of its files now: a file that could not be read, or has been replaced, is read again at
    /// the next reload. An untouched file is not read for this.
    pub fn is_current(&self) -> bool {
        let file = self.identity.ca.as_deref();
        let is_as_it_was = || file.is_none() || self.stamp.is_some() && self.stamp == stamp_of(file);
        !matches!(self.tls, Some(Err(_))) && (is_as_it_was() || self.anchor == print_of(file))
    }

    /// The Host header and server name for a visitor's host.
    pub fn host<'a>(&'a self, visitors: &'a str) -> &'a str {
        self.identity.host.as_deref().unwrap_or(visitors)
    }

    /// Its standing, without a lock.
    pub fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Acquire) {
            0 => Standing::Unproven,
            1 => Standing::Up,
            _ => Standing::Down,
        }
    }

    /// What brought it down.
    fn fallen_by(&self) -> Cause {
        match self.state() {
            State::Down { cause, .. } | State::Trial { cause, .. } => cause,
            State::Unproven | State::Up => Cause::KnownDown,
        }
    }

    /// Remembers what the last check saw, if it was bad. Its own address says no more than the cause.
    pub(super) fn note_trouble(&self, failure: Option<&Failure>) {
        let detail =
            |failure: &Failure| failure.detail.clone().filter(|said| *said != self.identity.url.to_string());
        *lock(&self.trouble) = failure.and_then(|failure| Some((failure.cause, detail(failure)?)));
    }

    /// What the last bad check saw, if it was this.
    pub fn trouble_of(&self, cause: Cause) -> Option<String> {
        lock(&self.trouble).as_ref().filter(|(of, _)| *of == cause).map(|(_, detail)| detail.clone())
    }

    /// All that is known of its health.
    pub fn state(&self) -> State {
        lock(&self.health).state()
    }

    /// Requests that it is answering now.
    pub fn in_flight(&self) -> usize {
        self.seats.taken()
    }

    /// Whether it has as many requests as it may have, so that further ones queue here.
    pub fn is_full(&self) -> bool {
        self.seats.are_full()
    }

    /// Judges by other numbers from now on.
    pub(super) fn set_thresholds(&self, settings: &Settings) {
        let by = Thresholds { fall: settings.health.fall, rise: settings.health.rise, ramp: settings.ramp };
        let mut counter = lock(&self.health);
        *counter = counter.clone().with_thresholds(by);
    }

    /// Records what was seen of it.
    pub fn observe(&self, evidence: Evidence, seen: Seen) {
        // What we ourselves lack, or what a visitor does, is no evidence. What leads back here is no origin, whoever has to act.
        if matches!(seen, Seen::Bad(cause) if cause.side() != Side::Origin && cause != Cause::Loop) {
            return;
        }
        let well = self.standing() == Standing::Up && self.bad_in_a_row.load(Ordering::Relaxed) == 0;
        if well && seen == Seen::Good {
            return;
        }
        let mut health = lock(&self.health);
        let change = health.observe(evidence, seen, clock::now());
        self.bad_in_a_row.store(health.bad_in_a_row(), Ordering::Relaxed);
        let standing = match health.state() {
            State::Unproven => 0,
            State::Up => 1,
            State::Down { .. } | State::Trial { .. } => 2,
        };
        let back = |change: &Change| {
            matches!((change.from, change.to), (State::Trial { .. } | State::Down { .. }, State::Up))
        };
        if change.as_ref().is_some_and(back) {
            // before the first visitor sees that it is up
            self.is_back.store(true, Ordering::Relaxed);
            self.set_seats(&health, clock::instant());
        }
        self.standing.store(standing, Ordering::Release);
        drop(health);
        if let Some(change) = change {
            let cause = if let Seen::Bad(cause) = seen { cause.code() } else { "" };
            tracing::info!(site = %self.site, origin = %self.identity.url, from = change.from.as_str(), to = change.to.as_str(),
                cause, "origin changed state");
        }
        if matches!((evidence, seen), (Evidence::Visit(_) | Evidence::Own, Seen::Bad(_))) {
            self.check_soon();
        }
    }

    /// Records that a visitor got a good answer from it, and how long that took. A file says nothing about pages.
    pub fn answered(&self, class: LatencyClass, took: Duration, by: Evidence) {
        let now = clock::instant();
        if class == LatencyClass::Page {
            self.signs.page(now, took);
        }
        if class == LatencyClass::Page || self.standing() == Standing::Unproven {
            self.observe(by, Seen::Good);
        }
        let mut latency = lock(&self.latency);
        let latency = &mut latency[class as usize];
        latency.lately.observe(took);
        latency.typical.observe(took, now);
    }

    /// Brings its next check forward: something was odd.
    pub fn check_soon(&self) {
        self.check_wanted.notify_one();
    }

    /// The share of visitors that it may be given: 1.0, unless it has just come back.
    pub fn share(&self, now: Instant) -> f32 {
        if self.is_back.load(Ordering::Relaxed) { lock(&self.health).share(now) } else { 1.0 }
    }

    /// Whether it goes down again as often as it comes back.
    pub fn is_flapping(&self, now: Instant) -> bool {
        lock(&self.health).is_flapping(now)
    }

    /// Opens as many seats as its share allows. Called when it is back, and by each check, so that visitors who need the live site
    /// do not all come at once either.
    pub(super) fn open_seats(&self, now: Instant) {
        if self.is_back.load(Ordering::Relaxed) && self.standing() == Standing::Up {
            self.set_seats(&lock(&self.health), now);
        }
    }

    /// Under the counter's lock: one at a time.
    fn set_seats(&self, health: &Health, now: Instant) {
        let share = health.share(now);
        let all = self.tools.in_flight;
        let open = ((all as f32 * share) as usize).clamp(LEAST_SEATS.min(all), all);
        self.seats.set_open(open);
        if share >= 1.0 {
            self.is_back.store(false, Ordering::Relaxed);
        }
    }

    /// Records the verdict on one of the key pages.
    pub(super) fn note_page(&self, path: &str, bad: Option<Cause>, all: &[String]) {
        let mut pages = lock(&self.pages);
        pages.keep(all);
        pages.note(path, bad);
    }

    /// Follows its name to these addresses.
    pub(super) fn follow(&self, candidate: &Arc<[IpAddr]>) {
        self.name.follow(candidate);
        self.pool.clear();
        tracing::info!(site = %self.site, origin = %self.identity.url, addresses = ?candidate, "origin moved, following its name");
    }

    /// What it means that nothing came in time: no connection, or no answer over one.
    pub(super) fn silence(&self, is_connected: bool) -> Cause {
        let unconnected =
            || if self.name.is_unknown() { Cause::NameServersSilent } else { Cause::ConnectTimeout };
        if is_connected { Cause::Silent } else { unconnected() }
    }

    /// What most of its key pages are instead of the site's.
    pub(super) fn mostly_bad(&self) -> Option<Cause> {
        lock(&self.pages).mostly_bad()
    }

    /// How long such a page typically takes; as long as nobody has opened one, how long checks take.
    pub fn typical_latency(&self, class: LatencyClass) -> Option<Duration> {
        let typical = lock(&self.latency)[class as usize].typical.get();
        typical.or_else(|| self.signs.recent_latency().get().filter(|_| class == LatencyClass::Page))
    }

    /// How long pages have taken lately.
    pub(super) fn pages_lately(&self) -> RecentLatency {
        lock(&self.latency)[LatencyClass::Page as usize].lately
    }

    /// One attempt; on a `fresh` connection, or at least a warm one, on request. The origin's failures count against it.
    ///
    /// # Errors
    /// See [`Unanswered`]; [`Cause::Silent`] when the wait is over.
    pub async fn attempt(
        &self,
        request: BoxRequest,
        sending: &Sending<'_>,
        upload: Option<&Upload>,
        fresh: bool,
    ) -> Result<Response<Body>, Unanswered> {
        let (seat, queued) = match self.seat(sending).await {
            Ok(seated) => seated,
            Err(cause) => return Err(Unanswered::unsent(cause, request)),
        };
        let wait = sending.timeout.saturating_sub(queued);
        // Pinned here and passed by reference: a future that is passed on by value takes its size once more.
        let connected = AtomicBool::new(false);
        let exchange = std::pin::pin!(self.exchange(request, sending, (fresh, &connected), seat));
        let ended = if sending.longest > sending.timeout {
            self.held(wait, sending.longest, exchange).await
        } else {
            within(wait, upload, exchange).await
        };
        let result = match ended {
            Some(result) => result,
            None => {
                // It did not have its whole time: what our own queue took says nothing of it.
                let silence = || self.silence(connected.load(Ordering::Relaxed));
                let cause = if queued.is_zero() { silence() } else { Cause::QueuedTooLong };
                Err(Failure::new(cause).detail(self.identity.url.to_string()).into())
            }
        };
        let result = result.map(|mut response| {
            if !queued.is_zero() {
                response.extensions_mut().insert(Queued(queued));
            }
            response
        });
        result.map_err(|mut unanswered| {
            if let Some(cause) = upload.and_then(Upload::failed) {
                unanswered.failure = Failure { cause, ..unanswered.failure };
            }
            let luck = unanswered.old_connection && unanswered.failure.cause == Cause::Reset;
            if unanswered.failure.cause.side() == Side::Origin && !luck {
                self.observe(sending.by, Seen::Bad(unanswered.failure.cause));
            }
            unanswered
        })
    }

    /// A seat, and how long the request waited for it.
    ///
    /// # Errors
    /// [`Cause::Busy`] if none came free in time; what took the origin down if that happened meanwhile.
    async fn seat(&self, sending: &Sending<'_>) -> Result<(Seat, Duration), Cause> {
        let turn = match self.seats.take(sending.client) {
            Turn::Now(seat) => return Ok((seat, Duration::ZERO)),
            Turn::Later(turn) => turn,
            Turn::Never => return Err(Cause::Busy),
        };
        let begun = clock::instant();
        match Box::pin(tokio::time::timeout(sending.timeout, self.seats.wait(turn))).await {
            // who queued before the fall is not to be the herd of the return
            Ok(Some(_)) if self.standing() == Standing::Down && sending.whom == Whom::Usable => {
                Err(self.fallen_by())
            }
            Ok(Some(seat)) => Ok((seat, clock::instant().saturating_duration_since(begun))),
            Ok(None) | Err(_) => Err(Cause::Busy),
        }
    }

    async fn exchange(
        &self,
        mut request: BoxRequest,
        sending: &Sending<'_>,
        (fresh, connected): (bool, &AtomicBool),
        seat: Seat,
    ) -> Result<Response<Body>, Unanswered> {
        let host = self.host(sending.host);
        // mostly the visitor's own, which is not checked and copied again
        if request.headers().get(header::HOST).is_none_or(|sent| sent != host) {
            match HeaderValue::from_str(host) {
                Ok(value) => _ = request.headers_mut().insert(header::HOST, value),
                Err(_) => return Err(Unanswered::unsent(Cause::Malformed, request)),
            }
        }
        self.tools.instance.sign(request.headers_mut());
        *request.version_mut() = Version::HTTP_11;
        let name = if self.identity.url.tls { bare(host) } else { "" };
        let alike = if name.is_empty() { self.plain.clone() } else { Arc::from(name) };
        loop {
            connected.store(false, Ordering::Relaxed);
            let resting = if fresh { WARM } else { Duration::MAX };
            let connection = match self.pool.take(name, resting).filter(|_| !sending.upgrade) {
                Some(connection) => connection,
                // Boxed: rare and large, and the rest of this future moves with every request.
                None => match Box::pin(self.connect(name, None, Use::Request)).await {
                    Ok(connection) => connection,
                    Err(failure) => return Err(Unanswered::unsent(failure, request)),
                },
            };
            connected.store(true, Ordering::Relaxed);
            if sending.upgrade {
                let answer = Box::pin(connection.ask_upgrade(request)).await?;
                return Ok(answer.map(Body::Incoming));
            }
            let reused = connection.reused;
            match connection.ask(request).await {
                Ok((answer, rest)) => {
                    return Ok(answer.map(|incoming| {
                        Body::stream(AnswerBody::new(
                            incoming,
                            rest,
                            (&self.pool, alike.clone()),
                            sending.stall,
                            seat,
                        ))
                    }));
                }
                // Closed by the origin in the moment in which it was taken; nothing was sent.
                Err(Unanswered { request: Some(again), .. }) if reused => request = again,
                Err(unanswered) => return Err(unanswered),
            }
        }
    }

    /// A new connection, to the addresses in use or to others.
    pub(super) async fn connect(
        &self,
        name: &str,
        at: Option<&Arc<[IpAddr]>>,
        for_what: Use,
    ) -> Result<Connection, Failure> {
        let tls = match &self.tls {
            None => None,
            Some(Ok(trust)) => Some(&trust.config),
            Some(Err(error)) => return Err(Failure::new(Cause::CertificateUntrusted).detail(error.clone())),
        };
        let epoch = self.pool.epoch();
        let addresses = match at {
            Some(addresses) => addresses.clone(),
            None => self.name.resolve().await?,
        };
        let io = connect(&self.identity.url, &addresses, name, tls, for_what).await?;
        let mut connection = Connection::open(io, self.tools.header_size).await?;
        connection.epoch = epoch;
        Ok(connection)
    }

    /// Drops connections that were idle for too long.
    pub(super) fn sweep(&self, now: Instant) {
        self.pool.sweep(now);
    }
}

/// A hash of a file's content; `None` if it cannot be read.
fn print_of(file: Option<&Path>) -> Option<blake3::Hash> {
    file.and_then(|file| std::fs::read(file).ok()).map(|bytes| blake3::hash(&bytes))
}

fn stamp_of(file: Option<&Path>) -> Option<Stamp> {
    file.and_then(|file| Stamp::of(file, clock::now().wall))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
