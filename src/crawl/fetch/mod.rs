//! One address: requested, requested again where that may help, judged, received, read.

mod conditional;
mod detour;
mod keep;
mod later;
pub(super) mod pace;
mod private;
pub(super) mod receive;
pub(super) mod resume;
pub(super) mod tempo;

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use url::Url;

use super::accept::appraise::Unfit;
use super::accept::extract::{Findings, HOLD, ReadAs, hold};
use super::accept::headers::kept;
use super::accept::privacy;
use super::accept::status::{self, Head};
use super::item::Item;
use super::progress::Progress;
use super::refusal::Refusal;
use super::scope::{Elsewhere, Place, Scope};
use super::transport::{Fetch, FetchAsk, Whose};
use crate::ask::location;
use crate::config::ready::{MirrorPrivate, Site};
use crate::content::links::{Need, script};
use crate::failure::{Cause, Failure, Retry};
use crate::http::{Body, retry_after};
use crate::snapshot::{Class, Notes, Page, Snapshot, StageError, Staging};
use crate::{clock, tasks};
use conditional::Known;
use detour::{Asked, target_of};
use keep::IncomingFile;
use later::is_too_many;
use pace::{Asking, Pace};
use private::Twice;
use receive::{Bounds, Missed, discard, receive};
use tempo::{ResourceKind, Sign};

/// Attempts before a file counts as failed.
const ATTEMPTS: u32 = 3;
/// The same while the site says that there are too many requests: that is not the file's fault.
const PATIENT_ATTEMPTS: u32 = 6;
/// The pause before the second attempt; it doubles.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Other spellings of its own address that a page may redirect to.
const SPELLINGS: usize = 4;
/// The longest wait for the beginning of an answer, in case the transport does not bound it.
pub(super) const MAX_SILENCE: Duration = Duration::from_secs(60);

/// What all fetches of a crawl share.
pub(super) struct Fetcher<'a, F> {
    pub(super) site: &'a Site,
    pub(super) fetch: &'a F,
    pub(super) scope: Scope,
    pub(super) staging: &'a Staging,
    /// The snapshot in service: what it has is fetched again only if it has changed.
    pub(super) current: Option<&'a Arc<Snapshot>>,
    pub(super) progress: &'a Progress,
    pub(super) pace: Pace,
    pub(super) bounds: Bounds,
    /// Limits how many pages are read for links at once, because that is work: one core stays free for visitors.
    pub(super) readers: Arc<Semaphore>,
    pub(super) way: Mutex<Endpoint>,
}

/// The endpoint of the site: if it redirects everything to `https` or to another of its hosts, requests go there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Endpoint {
    pub(super) whose: Whose,
    pub(super) tls: bool,
    pub(super) host: String,
}

/// What became of one address.
pub(super) struct Fetched {
    pub(super) item: Item,
    pub(super) end: End,
    /// Of the last attempt.
    pub(super) took: Duration,
}

/// How a fetch ended.
pub(super) enum End {
    /// The body is staged; the page is not added yet.
    Body(Box<Page>, Box<Findings>),
    /// A redirect, and the key that it leads to if that is the site's.
    Redirect(Box<Page>, Option<String>),
    /// Not wanted.
    Refused(Refusal),
    /// Not the site's: the kind of page that it is.
    Wrong(&'static str),
    /// Could not be fetched.
    Failed(Cause, String),
    /// The snapshot cannot be written.
    Stage(StageError),
    /// The program is ending.
    Ending,
}

impl From<Unfit> for End {
    fn from(unfit: Unfit) -> End {
        match unfit {
            Unfit::Refused(refusal) => End::Refused(refusal),
            Unfit::Wrong(kind) => End::Wrong(kind),
        }
    }
}

/// How one attempt ended.
pub(super) enum Attempt {
    End(End),
    /// The same page under another spelling of its address, or with the cookie that it wants to see; or the next address on
    /// a detour.
    There(Asked),
    /// A redirect that may be a detour, which begins there; else it is this.
    Detour(Asked, Box<End>),
    /// The detour leads to something else.
    Astray,
    /// Perhaps later.
    Again(Cause, String),
    /// Too many requests. [`Pace`] knows how long to wait.
    TooMany(String),
    /// The stored body is still valid, but cannot be read: fetch without conditions.
    Anew,
}

/// The job of fetching one address.
struct Job {
    /// How often it was requested, including now.
    attempt: u32,
    item: Item,
    reading: ReadAs,
    known: Option<Known>,
}

impl<F: Fetch> Fetcher<'_, F> {
    /// Fetches one address.
    pub(super) async fn fetch_one(&self, item: Item, reading: ReadAs) -> Fetched {
        let known = self.current.and_then(|current| Known::of(current, &item.key));
        let mut job = Job { attempt: 1, item, reading, known };
        let (way, target) = self.way_to(&job.item.key);
        let mut ask = Asked::new(way, target);
        let (mut asked, mut redirect) = (Vec::new(), None);
        loop {
            let turn = self.pace.turn(self.progress).await;
            let began = clock::instant();
            let once = {
                let _under_way = self.progress.request();
                self.once(&job, &ask, turn).await
            };
            let took = clock::instant().saturating_duration_since(began);
            let end = match once {
                Attempt::Detour(there, end) => {
                    redirect = Some(end);
                    asked.push(std::mem::replace(&mut ask, there));
                    continue;
                }
                Attempt::There(there) => {
                    asked.push(std::mem::replace(&mut ask, there));
                    if asked.len() <= SPELLINGS && !asked.contains(&ask) {
                        continue;
                    }
                    End::Refused(Refusal::RedirectLoop)
                }
                Attempt::Astray => End::Refused(Refusal::RedirectLoop),
                Attempt::Again(..) if job.attempt < ATTEMPTS && !ask.away => {
                    let _aside = self.pace.step_aside();
                    pause(&mut job.attempt).await;
                    continue;
                }
                Attempt::TooMany(_) if job.attempt < PATIENT_ATTEMPTS => {
                    let _aside = self.pace.step_aside();
                    pause(&mut job.attempt).await;
                    continue;
                }
                Attempt::Again(cause, detail) => End::Failed(cause, detail),
                Attempt::TooMany(detail) => End::Failed(Cause::BadStatus, detail),
                Attempt::Anew if job.known.take().is_some() => continue,
                Attempt::Anew => End::Refused(Refusal::Status),
                Attempt::End(end) => end,
            };
            let end = match redirect.take() {
                Some(redirect) if ask.away => *redirect,
                Some(_) | None => end,
            };
            if matches!(end, End::Body(..)) && ask.way.whose == Whose::Site {
                *self.way.lock().unwrap_or_else(PoisonError::into_inner) = ask.way;
            }
            return Fetched { item: job.item, end, took };
        }
    }

    /// What becomes of private answers at this key.
    fn private(&self, key: &str) -> MirrorPrivate {
        let path = crate::ask::key::path_of(key);
        match self.site.private(path) {
            // An empty basket is alike for all, and still nobody's but its owner's.
            MirrorPrivate::Auto if privacy::is_own_address(path) => MirrorPrivate::Never,
            private @ (MirrorPrivate::Auto | MirrorPrivate::Always | MirrorPrivate::Never) => private,
        }
    }

    /// Counts an answer that is taken although it is marked private.
    fn count_private(&self, headers: &HeaderMap) {
        self.progress.counters().private.fetch_add(u64::from(privacy::is_private(headers)), Relaxed);
    }

    pub(super) fn way(&self) -> Endpoint {
        self.way.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The endpoint and the request target for a key.
    pub(super) fn way_to(&self, key: &str) -> (Endpoint, String) {
        match self.scope.elsewhere(key) {
            Some(Elsewhere { tls, host, target }) => {
                (Endpoint { whose: Whose::OtherHost, tls, host }, target)
            }
            None => (self.way(), key.to_owned()),
        }
    }

    /// One request. `turn` is released as soon as the site is done with it.
    async fn once(&self, job: &Job, asked: &Asked, turn: Asking<'_>) -> Attempt {
        let Asked { way, target, .. } = asked;
        let Some(url) = self.scope.url(way.tls, &way.host, target) else {
            return Attempt::End(End::Refused(Refusal::TooLong));
        };
        let turn = if way.whose == Whose::Site { turn } else { turn.of_another_host() };
        let mut ask = FetchAsk::new(way.whose, way.tls, &way.host, target);
        if let Some(known) = job.known.as_ref().filter(|_| !asked.away) {
            known.ask_whether_changed(&mut ask.headers);
        }
        asked.carry(&mut ask.headers);
        let kind = if job.item.need == Need::Requisite { ResourceKind::Asset } else { ResourceKind::Page };
        let answer = match timeout(MAX_SILENCE, self.fetch.fetch(ask)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => {
                strained(turn, kind, job.attempt);
                return failed(&failure);
            }
            Err(_) => {
                strained(turn, kind, job.attempt);
                return failed(&Failure::new(Cause::Silent));
            }
        };
        let (head, body) = answer.into_parts();
        if let (StatusCode::NOT_MODIFIED, Some(known)) = (head.status, &job.known) {
            turn.good(kind);
            drop(turn);
            let _aside = self.pace.step_aside();
            return self.unchanged(job, known.clone(), url, head.headers).await;
        }
        if asked.away {
            turn.good(kind);
            discard(body).await;
            return self.on_detour(&job.item, &url, asked, (head.status, &head.headers));
        }
        let private = self.private(&job.item.key);
        let judged = status::head_for(head.status, &head.headers, private);
        if judged != Head::Later {
            turn.good(kind);
        }
        match judged {
            Head::Refused(refusal) => {
                discard(body).await;
                Attempt::End(End::Refused(refusal))
            }
            Head::Later => {
                let after = retry_after(&head.headers, clock::now().wall);
                let (detail, too_many) =
                    (format!("status {}", head.status.as_u16()), is_too_many(head.status, after));
                turn.bad(kind, if too_many { Sign::Refused(after) } else { Sign::Strained });
                discard(body).await;
                if too_many { Attempt::TooMany(detail) } else { Attempt::Again(Cause::BadStatus, detail) }
            }
            Head::Redirect => {
                discard(body).await;
                drop(turn);
                let once = self.redirect(&job.item, &url, asked, (head.status, &head.headers));
                if !matches!(once, Attempt::End(End::Redirect(..))) {
                    return once;
                }
                if private::is_doubted(&head.headers, private)
                    && let Err(ended) =
                        self.redirects_alike(asked, head.status, &head.headers).await.into_result()
                {
                    return *ended;
                }
                self.count_private(&head.headers);
                self.detour(&job.item, &url, asked, &head.headers, once)
            }
            Head::Body => self.body(job, url, asked, Response::from_parts(head, body), turn).await,
        }
    }

    fn redirect(
        &self,
        item: &Item,
        url: &Url,
        asked: &Asked,
        (status, headers): (StatusCode, &HeaderMap),
    ) -> Attempt {
        let Some(to) = target_of(url, headers) else {
            return Attempt::End(End::Refused(Refusal::BadLocation));
        };
        let key = match self.scope.of_url(&to) {
            Place::Here(key) | Place::Asset(key) if *key == *item.key => {
                return self.respelled(item, &to, asked, headers);
            }
            Place::Here(key) => Some(key),
            Place::Asset(key) if item.need == Need::Requisite => Some(key),
            Place::Asset(_) | Place::Elsewhere | Place::Nowhere => None,
        };
        // A site that leads from every address that it does not know to a page of its own has no such file.
        let same_kind =
            key.as_deref().is_some_and(|key| script::ending_of(key) == script::ending_of(&item.key));
        if item.need == Need::Guess && !same_kind {
            return Attempt::End(End::Refused(Refusal::NotFound));
        }
        if let Err(refusal) = privacy::redirect_to(to.as_str(), item.need, headers) {
            return Attempt::End(End::Refused(refusal));
        }
        let mut headers = private::published(headers);
        let host = self.scope.host();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        location::correct(
            &mut headers,
            self.site,
            location::Asked { host: name, authority: host, target: &item.key },
        );
        let page = Page {
            key: item.key.to_string(),
            status: status.as_u16(),
            headers: kept(&headers, false),
            body: None,
            len: 0,
            taken_at: clock::now().wall,
            class: Class::Redirect,
            notes: Notes::default(),
        };
        Attempt::End(End::Redirect(Box::new(page), key))
    }

    async fn body(
        &self,
        job: &Job,
        url: Url,
        asked: &Asked,
        answer: Response<Body>,
        turn: Asking<'_>,
    ) -> Attempt {
        let (head, body) = answer.into_parts();
        let key = &*job.item.key;
        let doubted = private::is_doubted(&head.headers, self.private(key));
        let hold = if doubted { HOLD } else { hold(key, &head.headers, job.reading) };
        let received = receive(&head.headers, body, self.staging.blob(), self.bounds, hold).await;
        drop(turn);
        let arrived = match received {
            Ok(arrived) => arrived,
            Err(Missed::Refused(refusal)) => return Attempt::End(End::Refused(refusal)),
            Err(Missed::Broken(cause, detail)) => return Attempt::Again(cause, detail),
            Err(Missed::Stage(error)) => return Attempt::End(End::Stage(error)),
            Err(Missed::Ending) => return Attempt::End(End::Ending),
        };
        let arrived = match doubted {
            false => Twice::Alike(arrived),
            true => self.alike(key, asked, arrived).await,
        };
        let arrived = match arrived.into_result() {
            Ok(arrived) => arrived,
            Err(once) => return *once,
        };
        let _aside = self.pace.step_aside();
        self.count_private(&head.headers);
        let file = self.file(job, url, head.status.as_u16(), head.headers);
        let reader = self.reader().await;
        Attempt::End(tasks::blocking(move || file.keep(arrived, reader)).await.unwrap_or(End::Ending))
    }

    /// Waits until it may read a body for links.
    pub(super) async fn reader(&self) -> Option<OwnedSemaphorePermit> {
        // Never closed: the permit is there sooner or later.
        self.readers.clone().acquire_owned().await.ok()
    }

    /// The stored file still holds.
    async fn unchanged(&self, job: &Job, known: Known, url: Url, headers: HeaderMap) -> Attempt {
        // The stored fields were judged when they were stored.
        if let Some(refusal) = (self.private(&job.item.key)).refuses(&headers) {
            return Attempt::End(End::Refused(refusal.into()));
        }
        self.count_private(&headers);
        let headers = known.headers(headers);
        let hold = hold(&job.item.key, &headers, job.reading);
        let file = self.file(job, url, known.status(), headers);
        let writer = self.staging.blob();
        let reader = self.reader().await;
        let kept = tasks::blocking(move || {
            let _reader = reader;
            match known.keep(writer, hold) {
                Ok(Some(kept)) => Attempt::End(file.again(&kept)),
                Ok(None) => Attempt::Anew,
                Err(error) => Attempt::End(End::Stage(error)),
            }
        });
        kept.await.unwrap_or(Attempt::End(End::Ending))
    }

    fn file(&self, job: &Job, url: Url, status: u16, headers: HeaderMap) -> IncomingFile {
        IncomingFile {
            key: job.item.key.to_string(),
            need: job.item.need,
            found_on: job.item.found_on.clone(),
            reading: job.reading,
            url,
            status,
            headers: private::published(&headers),
            scope: self.scope.clone(),
            taken_at: clock::now().wall,
        }
    }
}

/// No answer came. The first time this may be the site's trouble; after that it is this address's.
fn strained(turn: Asking<'_>, kind: ResourceKind, attempt: u32) {
    if attempt == 1 {
        turn.bad(kind, Sign::Strained);
    }
}

pub(super) fn failed(failure: &Failure) -> Attempt {
    let detail = beyond_its_cause(failure);
    match failure.cause.retry() {
        Retry::Safe | Retry::IfIdempotent => Attempt::Again(failure.cause, detail),
        Retry::No => Attempt::End(End::Failed(failure.cause, detail)),
    }
}

/// What a failure adds to its cause, and what brought it about, in one line; may be empty.
fn beyond_its_cause(failure: &Failure) -> String {
    let mut parts: Vec<String> = failure.detail.clone().into_iter().collect();
    let mut source = std::error::Error::source(failure);
    while let Some(error) = source {
        parts.push(error.to_string());
        source = error.source();
    }
    parts.join(": ")
}

/// The pause before a file is requested again.
async fn pause(attempt: &mut u32) {
    tokio::time::sleep((PAUSE * 2u32.pow(*attempt - 1)).min(MAX_PAUSE)).await;
    *attempt += 1;
}
