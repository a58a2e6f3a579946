//! Judging an origin's answer before a visitor gets it: by its head, then by as much of its body as the verdict needs and
//! the buffer allows. A merely suspicious answer passes if the rest of the site is proven.
//!
//! Judging writes only what it reads again itself: answers that were good ([`super::known_good`]), pages that
//! show the same ([`super::uniform`]), ways of redirects ([`super::circle`]). The consequences of a verdict are
//! recorded by [`super::record`]; those of a removal that is believed before it is proven by
//! [`super::removal`], those for all pages that show the same by [`super::uniform`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body::Body as _;

use super::attempt::Limits;
use super::buffer::{Buffered, beginning, buffer};
use super::known_good::Print;
use super::record;
use super::reference::{ReadCopy, Reference};
use super::removal::is_removal;
use super::site::Site;
use super::visited::kind;
use crate::ask::{Ask, Kind, Visitor};
use crate::cache::Resemblance;
use crate::clock;
use crate::content::document::Document;
use crate::content::media::{Media, content_type};
use crate::failure::{BadAnswer, Cause, Failure};
use crate::http::coding::plain;
use crate::http::{Body, headers};
use crate::origin::health::Evidence;
use crate::origin::{Answered, Origin};
use crate::verdict::{
    self, Asked, Case, Character, Finding, LOOKED_AT, ResponseView, Verdict, Wanted, Wishes, judge,
};
use crate::visits::Got;

/// How long to wait for more of a page that has no copy, after its first bytes.
const SHORT: Duration = Duration::from_millis(100);
/// How long to read an answer whose head is bad, to find out what it is.
const REFINE: Duration = Duration::from_millis(50);
/// For how many seconds a cleared suspicion is not raised again.
const CLEARED: u64 = 60;
/// Bodies of a known length up to this are read whole before they are passed on.
const SMALL: u64 = 64 * 1024;
/// How many bytes of a bad answer are unpacked to be shown.
const SHOWN: usize = 4096;
/// How many bytes of a coded body a verdict may read.
pub(super) const READ: usize = 4 * 1024 * 1024;

/// The review of one request's answers.
#[derive(Clone, Copy)]
pub(super) struct Review<'a> {
    pub(super) site: &'a Arc<Site>,
    pub(super) ask: &'a Ask,
    pub(super) reference: &'a Reference,
    pub(super) limits: Limits,
    /// What the request asked for besides the page: conditions, a range.
    pub(super) wishes: Wishes,
    /// When it was sent: a proof of the site must be newer.
    pub(super) sent_at: Instant,
}

/// An answer that passed its review.
pub(super) struct Reviewed {
    /// Without its body.
    pub(super) answered: Answered,
    /// Its body, as far as that was read.
    pub(super) buffered: Buffered,
    pub(super) passed: Passed,
}

/// As what an answer passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// As the site's, looking like this beside its copy.
    Good(Resemblance),
    /// As the site's, because the rest of the site is proven.
    Cleared,
    /// Whatever it is: by the operator's word, or as one program's message to another.
    Unjudged,
    /// Although it may not be the site's, because there was nothing else to give. It is not kept.
    Doubtful,
}

/// What an answer was judged to be.
struct Judged {
    verdict: Verdict,
    /// How it looks beside the copy.
    resemblance: Resemblance,
    /// The hash to recognise it by, if its body was judged.
    print: Option<Print>,
    /// The file that it names and that is not there.
    missing_file: Option<String>,
    /// Whether it passes, although it is bad, as one program's message to another.
    is_message_to_a_program: bool,
    /// Its body, as far as it was read.
    buffered: Buffered,
}

/// By what a suspicion was cleared.
enum Cleared {
    /// The rest of the site is proven now.
    Now,
    /// It was proven a moment ago, and there was no time for more.
    Lately,
}

impl Review<'_> {
    /// Reviews the answer, and records what follows from the verdict. It passes, with its body as far as that was read. A
    /// failure of the body is its caller's to record (`record_failure`, which leaves verdicts alone).
    ///
    /// # Errors
    /// When it is not the site's, or breaks off.
    pub(super) async fn review(&self, answered: Answered) -> Result<Reviewed, Failure> {
        let Answered { response, origin, took, spare } = answered;
        let (parts, body) = response.into_parts();
        let reviewed = |parts, origin, buffered, passed| {
            let response = Response::from_parts(parts, Body::Empty);
            Reviewed { answered: Answered { response, origin, took, spare: None }, buffered, passed }
        };
        if self.ask.is_acme_challenge() && self.site.shows_copies() && kind(&parts.headers) == Some(Got::Page)
        {
            // The operator's word: no page of the live site. This door is for challenges, which are no pages.
            return Err(Failure::new(Cause::OddAnswer).detail("a page in place of a challenge"));
        }
        if self.site.is_held_live(self.ask) {
            // Somebody else judges it: the operator, or whoever issues the certificate.
            return Ok(reviewed(parts, origin, Buffered::unread(body), Passed::Unjudged));
        }
        let judged = match self.judge(&parts, body).await {
            Ok(judged) => judged,
            Err(failure) => {
                record::broken_off(&origin, &failure, self.evidence());
                return Err(failure);
            }
        };
        let mut outdated = Vec::new();
        let verdict = match judged.verdict {
            Verdict::Good => {
                let finding = self
                    .leads_round(&parts, spare.as_ref().map(|spare| spare.headers()), &mut outdated)
                    .await;
                finding.map_or(Verdict::Good, Verdict::Bad)
            }
            verdict @ (Verdict::Doubtful(_) | Verdict::Bad(_)) => verdict,
        };
        self.record_outdated(&outdated);
        let passed = match verdict {
            Verdict::Good => {
                self.record_good(&parts);
                if let Some(print) = judged.print.filter(|_| parts.status.is_success()) {
                    self.site.known_good.add_as(print, judged.resemblance);
                }
                Passed::Good(judged.resemblance)
            }
            Verdict::Doubtful(_) if self.reference.is_nothing() => Passed::Doubtful,
            Verdict::Doubtful(finding) => match self.clear(&parts, &origin, &finding).await {
                Ok(cleared) => {
                    match cleared {
                        Cleared::Now => self.record_good(&parts),
                        Cleared::Lately => self.believe(parts.status, &origin),
                    }
                    Passed::Cleared
                }
                Err(error) => {
                    tracing::debug!(site = %self.site.config.name, key = self.ask.key(), %error, "the site is not proven");
                    self.record_bad(finding.cause);
                    let shown = self.shown(&parts, &judged.buffered.read);
                    return Err(Failure::new(finding.cause).detail(finding.why).answer(shown));
                }
            },
            Verdict::Bad(_) if judged.is_message_to_a_program => {
                origin.check_soon();
                return Ok(reviewed(parts, origin, judged.buffered, Passed::Unjudged));
            }
            Verdict::Bad(finding) => {
                origin.check_soon();
                self.record_return(&parts);
                self.record_lacking(judged.missing_file.as_deref());
                self.record_bad(finding.cause);
                let shown = self.shown(&parts, &judged.buffered.read);
                return Err(Failure::new(finding.cause).detail(finding.why).answer(shown));
            }
        };
        self.record_time(&origin, took);
        Ok(reviewed(parts, origin, judged.buffered, passed))
    }

    /// Judges an answer by its head, and by its body as far as that has to be read.
    async fn judge(&self, parts: &Parts, body: Body) -> Result<Judged, Failure> {
        let character = self.site.mirror.character();
        let wanted = self.wanted(parts, &character);
        // The body of a good status is looked at anyway, with the head.
        let is_by_body = wanted != Wanted::Head && parts.status.is_success();
        let by_head = || judge(&self.case(parts, (&no_body(), false), &ReadCopy::default(), &character));
        let head = if is_by_body { Verdict::Good } else { by_head() };
        let judged = |verdict, buffered| Judged {
            verdict,
            resemblance: self.by_kind(parts),
            print: None,
            missing_file: None,
            is_message_to_a_program: false,
            buffered,
        };
        match head {
            Verdict::Bad(finding) if self.is_message_to_a_program(parts) => {
                let bad = judged(Verdict::Bad(finding), Buffered::unread(body));
                Ok(Judged { is_message_to_a_program: true, ..bad })
            }
            Verdict::Bad(finding) => {
                let (finding, buffered) = self.refine(parts, body, finding, &character).await;
                Ok(judged(Verdict::Bad(finding), buffered))
            }
            Verdict::Good | Verdict::Doubtful(_) => {
                let buffered = self.read(&parts.headers, body, wanted).await?;
                match wanted {
                    Wanted::Head => Ok(judged(head, buffered)),
                    Wanted::Beginning | Wanted::Whole => Ok(self.by_body(parts, buffered, &character).await),
                }
            }
        }
    }

    /// Whether an answer is the site's as a whole, after only its beginning was judged, so that it may be kept.
    pub(super) fn accepts_whole(
        &self,
        status: StatusCode,
        response_headers: &HeaderMap,
        body: &[u8],
    ) -> bool {
        let Some(plain) = plain(response_headers, body, READ) else { return true };
        if plain.broken {
            return false;
        }
        let page = &Document::new(&plain.bytes, content_type(response_headers));
        let (status, headers) = (status.as_u16(), response_headers);
        let answer = ResponseView { status, headers, page, whole: plain.all };
        let character = self.site.mirror.character();
        judge(&self.case_of(answer, &ReadCopy::default(), &character)) == Verdict::Good
    }

    /// What the answer's failure is evidence of.
    pub(super) fn evidence(&self) -> Evidence {
        Evidence::by(self.ask.key(), self.ask.client)
    }

    fn case_of<'a>(
        &'a self,
        answer: ResponseView<'a>,
        copy: &'a ReadCopy,
        character: &'a Character,
    ) -> Case<'a> {
        let config = &self.site.config;
        // What a key page that nobody has a copy of should be, nobody knows.
        let may_be_key = self.is_representative() && !self.reference.is_nothing();
        Case {
            asked: self.ask.may_lead_back().then(|| Asked {
                url: self.ask.url(),
                ignore: &config.cache.ignore_query,
                cookies: self.ask.kept_headers.get(header::COOKIE),
            }),
            key: self.ask.key(),
            host: self.ask.host(),
            hosts: &config.hosts,
            is_key_page: may_be_key && config.key_pages.iter().any(|page| page == self.ask.key()),
            answer,
            wishes: self.wishes,
            known: self.reference.known(copy),
            character,
            policy: &config.failover,
        }
    }

    fn case<'a>(
        &'a self,
        parts: &'a Parts,
        (page, whole): (&'a Document<'a>, bool),
        copy: &'a ReadCopy,
        character: &'a Character,
    ) -> Case<'a> {
        let (status, headers) = (parts.status.as_u16(), &parts.headers);
        self.case_of(ResponseView { status, headers, page, whole }, copy, character)
    }

    /// How much of the body the verdict needs.
    fn wanted(&self, parts: &Parts, character: &Character) -> Wanted {
        let has_body = self.ask.method != Method::HEAD && self.ask.kind != Kind::Upgrade;
        if !has_body || is_part(parts.status) || headers::is_event_stream(&parts.headers) {
            return Wanted::Head;
        }
        verdict::wanted(&self.case(parts, (&no_body(), false), &ReadCopy::default(), character))
    }

    async fn read(
        &self,
        response_headers: &HeaderMap,
        body: Body,
        wanted: Wanted,
    ) -> Result<Buffered, Failure> {
        let (endless, room) = (headers::is_event_stream(response_headers), &self.site.room);
        let work = async {
            let body = match self.limits.buffer {
                Some(limit) if !endless => {
                    let buffered = buffer(body, limit, room).await?;
                    if buffered.is_whole() || !buffered.read.is_empty() {
                        return Ok(buffered);
                    }
                    buffered.into_body()
                }
                Some(_) | None => body,
            };
            match wanted {
                // It comes in one go anyway, and then it holds nothing of the origin's however slowly it is read.
                Wanted::Head if !endless && is_small(&body) => buffer(body, SMALL, room).await,
                Wanted::Head => Ok(Buffered::unread(body)),
                Wanted::Beginning | Wanted::Whole => beginning(body, LOOKED_AT as u64, SHORT, room).await,
            }
        };
        let buffered = tokio::time::timeout(self.limits.reading(), work).await;
        buffered.unwrap_or_else(|_| Err(Cause::BodyStalled.into()))
    }

    /// The verdict on the body as far as it was read, and how it looks beside the copy.
    async fn by_body(&self, parts: &Parts, buffered: Buffered, character: &Character) -> Judged {
        let (read, whole): (Bytes, bool) = (buffered.read.clone(), buffered.is_whole());
        let print = self.print(parts, &read);
        let judged = |verdict, resemblance, missing_file| Judged {
            verdict,
            resemblance,
            print: Some(print),
            missing_file,
            is_message_to_a_program: false,
            buffered,
        };
        let known = self.site.known_good.knows_as(print).filter(|_| !self.site.page_health.is_lacking());
        if let Some(resemblance) = known {
            return judged(Verdict::Good, resemblance, None);
        }
        let copy = self.reference.read().await;
        let by_kind = self.by_kind(parts);
        let Some(plain) = plain(&parts.headers, &read, READ) else {
            // nothing can be read of it: its head has to do
            return judged(judge(&self.case(parts, (&no_body(), false), &copy, character)), by_kind, None);
        };
        // browsers show a part of it, or nothing
        if whole && plain.broken && parts.status.is_success() {
            let why = "it is packed wrongly, or ends before it is unpacked";
            return judged(Verdict::Bad(Finding::new(Cause::TruncatedPage, why)), by_kind, None);
        }
        let whole = whole && plain.all;
        let page = Document::new(&plain.bytes, content_type(&parts.headers));
        match judge(&self.case(parts, (&page, whole), &copy, character)) {
            Verdict::Good if whole && let Some(file) = self.names_missing(parts, &plain.bytes) => {
                let why = format!("it names {file}, which is not there");
                judged(Verdict::Bad(Finding::new(Cause::AssetMissing, why)), by_kind, Some(file))
            }
            Verdict::Good if whole => {
                let (verdict, resemblance) = self.beside_others(parts, &page, &copy);
                judged(verdict, resemblance, None)
            }
            verdict @ (Verdict::Good | Verdict::Doubtful(_) | Verdict::Bad(_)) => {
                judged(verdict, by_kind, None)
            }
        }
    }

    /// Whether a bad status is one program's message to another, saying when to come back: without a copy,
    /// there is nothing better to say (RFC 9110 section 10.2.3).
    fn is_message_to_a_program(&self, parts: &Parts) -> bool {
        let is_json = content_type(&parts.headers).map(Media::of_type) == Some(Media::Json);
        let has_copy = self.reference.head().is_some();
        !has_copy && is_json && parts.headers.contains_key(header::RETRY_AFTER)
    }

    /// Reads on, if that is quick, to name what is wrong with an answer whose head is bad.
    async fn refine(
        &self,
        parts: &Parts,
        body: Body,
        finding: Finding,
        character: &Character,
    ) -> (Finding, Buffered) {
        let unread = || Buffered::unread(Body::Empty);
        if self.wanted(parts, character) == Wanted::Head {
            return (finding, unread());
        }
        let begun = beginning(body, LOOKED_AT as u64, REFINE, &self.site.room);
        let begun = tokio::time::timeout(REFINE, begun).await;
        let Ok(Ok(buffered)) = begun else { return (finding, unread()) };
        let Some(plain) = plain(&parts.headers, &buffered.read, LOOKED_AT) else {
            return (finding, unread());
        };
        let whole = buffered.is_whole() && plain.all;
        let page = Document::new(&plain.bytes, content_type(&parts.headers));
        let refined = match judge(&self.case(parts, (&page, whole), &ReadCopy::default(), character)) {
            Verdict::Bad(refined) => refined,
            Verdict::Good | Verdict::Doubtful(_) => finding,
        };
        drop(page);
        drop(plain);
        (refined, buffered)
    }

    /// An answer as it is shown to those who look for the reason. What may be for one person is not, nor what may repeat what
    /// one has typed.
    fn shown(&self, parts: &Parts, read: &[u8]) -> BadAnswer {
        let is_for_all = self.is_representative() && !self.ask.key().contains('?');
        match plain(&parts.headers, read, SHOWN).filter(|_| is_for_all) {
            Some(body) => BadAnswer::of(parts.status, &body.bytes, content_type(&parts.headers)),
            None => BadAnswer::of_status(parts.status),
        }
    }

    /// A suspicious answer passes if the rest of the site is proven.
    ///
    /// # Errors
    /// Why that could not be proven.
    async fn clear(
        &self,
        parts: &Parts,
        origin: &Arc<Origin>,
        finding: &Finding,
    ) -> Result<Cleared, Failure> {
        // what was cleared a moment ago is not proven anew for each visitor
        let now = clock::now();
        let print = self.print(parts, &(now.unix() / CLEARED).to_le_bytes());
        if self.site.known_good.knows(print) {
            return Ok(Cleared::Now);
        }
        let early = is_removal(parts.status) && self.site.page_health.is_proven_recently(now.mono);
        let until = if early { self.limits.nearly } else { self.limits.deadline };
        match origin.prove(self.sent_at, until.saturating_duration_since(now.mono)).await {
            Ok(()) => {
                let (cause, why) = (finding.cause.code(), &finding.why);
                tracing::info!(site = %self.site.config.name, key = self.ask.key(), cause, why, "odd answer let through, the site is proven");
                self.site.known_good.add(print);
                Ok(Cleared::Now)
            }
            Err(failure) if early && failure.cause == Cause::Slow => Ok(Cleared::Lately),
            Err(failure) => Err(failure),
        }
    }

    fn print(&self, parts: &Parts, body: &[u8]) -> Print {
        let response = (parts.status, &parts.headers);
        self.site.known_good.print(self.reference.print(), self.ask.key(), response, body)
    }

    /// Whether the answer is one that anybody would get.
    pub(super) fn is_representative(&self) -> bool {
        self.ask.kind == Kind::Read && self.ask.visitor == Visitor::Anonymous
    }
}

/// For what is judged by its head.
fn no_body() -> Document<'static> {
    Document::new(&[], None)
}

/// Whether a body announces that it is short.
fn is_small(body: &Body) -> bool {
    body.size_hint().exact().is_some_and(|length| (1..=SMALL).contains(&length))
}

/// An answer that is not the page itself: a part of it, or that it has not changed.
pub(super) fn is_part(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED)
}
