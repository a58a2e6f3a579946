//! Judging an origin's answer before a visitor gets it: by its head, then by as much of its body as the verdict wants and as
//! may be held back. What is only suspicious passes if the rest of the site stands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body::Body as _;

use super::Copies;
use super::buffer::{Held, beginning, hold};
use super::fetch::{hold_against, is_endless};
use super::mirror::Ready;
use super::removal::is_removal;
use super::site::Site;
use super::trusted::Print;
use super::visited;
use crate::ask::{Ask, Kind, Visitor};
use crate::cache::{Entry, Resemblance};
use crate::clock;
use crate::failover::{Found, Mirrored, Page};
use crate::failure::{Cause, Failure};
use crate::http::Body;
use crate::http::coding::plain;
use crate::origin::health::Evidence;
use crate::origin::{Answered, Origin};
use crate::verdict::{
    self, Asked, Case, Character, Finding, Known, LOOKED_AT, Look, ResponseView, Shape, Verdict, Wanted,
    Wishes, judge,
};
use crate::visits::Got;

/// How long to wait for more of a page that has no copy, after its first bytes.
const SHORT: Duration = Duration::from_millis(100);
/// How long to read an answer whose head is bad, to find out what it is.
const CLOSER: Duration = Duration::from_millis(50);
/// A suspicion that was cleared is not raised again within the same so many seconds.
const CLEARED: u64 = 60;
/// Bodies of a known length up to this are read whole before they are given on.
const SMALL: u64 = 64 * 1024;
/// Bytes that a coded body may have for its verdict.
const READ: usize = 4 * 1024 * 1024;

/// The copy that an answer is judged beside.
#[derive(Clone, Default)]
pub(super) enum Beside {
    /// There is none.
    #[default]
    Nothing,
    /// The cache's entry.
    Entry(Arc<Entry>),
    /// The snapshot's page.
    Page(Arc<Ready>),
}

impl Beside {
    /// The newest copy of this very page that is vouched for; none of one that the site has removed.
    pub(super) fn of(ask: &Ask, copies: &Copies, page: Page) -> Beside {
        if ask.kind != Kind::Read || page == Page::Gone {
            return Beside::Nothing;
        }
        let entry = copies.entry.as_ref().filter(|entry| entry.status().as_u16() < 400);
        match (copies.mirrored(), &copies.page, entry) {
            (Mirrored::Newer, Some((page, _)), _) | (Mirrored::Older, Some((page, _)), None) => {
                Beside::Page(page.clone())
            }
            (Mirrored::Older, Some((page, _)), _) if copies.found == Found::Unconfirmed => {
                Beside::Page(page.clone())
            }
            (_, _, Some(entry)) => Beside::Entry(entry.clone()),
            (_, _, None) => Beside::Nothing,
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Beside::Nothing)
    }

    pub(super) fn head(&self) -> Option<(StatusCode, &HeaderMap)> {
        match self {
            Beside::Nothing => None,
            Beside::Entry(entry) => Some((entry.status(), entry.headers())),
            Beside::Page(page) => Some((page.status, &page.headers)),
        }
    }

    /// The copy as a verdict sees it, as far as it was read.
    pub(super) fn known<'a>(&'a self, read: &'a ReadCopy) -> Option<Known<'a>> {
        let (status, headers) = self.head()?;
        let shape = shape(status, headers);
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let (content_type, location) = (text(header::CONTENT_TYPE), text(header::LOCATION));
        let (look, body) = (read.look.as_deref(), read.body.as_deref());
        Some(Known { shape, status: status.as_u16(), content_type, location, look, body })
    }

    pub(super) fn shape(&self) -> Option<Shape> {
        self.head().map(|(status, headers)| shape(status, headers))
    }

    /// Reads of the copy what a verdict takes: what a page shows, the bytes of a file for programs.
    async fn read(&self) -> ReadCopy {
        let (mut read, nothing) = (ReadCopy::default(), ReadCopy::default());
        let Some(known) = self.known(&nothing) else { return read };
        match self {
            Beside::Nothing => {}
            Beside::Page(page) if known.shape == Shape::Page => read.look = page.look().await,
            Beside::Page(page) if known.wants_body() => read.body = page.bytes().await,
            Beside::Page(_) => {}
            Beside::Entry(entry) if known.shape == Shape::Page || known.wants_body() => {
                let body = entry.body();
                let Some(plain) = plain(entry.headers(), &body, READ).filter(|plain| plain.all) else {
                    return read;
                };
                if known.shape == Shape::Page {
                    read.look = Some(Arc::new(Look::read(&plain.bytes, known.content_type)));
                } else {
                    read.body = Some(Bytes::copy_from_slice(&plain.bytes));
                }
            }
            Beside::Entry(_) => {}
        }
        read
    }

    /// What a verdict beside it hangs on: another copy may make another verdict.
    fn print(&self) -> &[u8] {
        match self {
            Beside::Nothing => b"nothing",
            Beside::Entry(_) => b"entry",
            Beside::Page(page) => page.print(),
        }
    }
}

/// A copy as far as it was read.
#[derive(Default)]
pub(super) struct ReadCopy {
    /// What it shows, if it is a page.
    pub(super) look: Option<Arc<Look>>,
    /// Its bytes, if it is a file for programs.
    pub(super) body: Option<Bytes>,
}

/// What an address is for, by the answer that it gave.
pub(super) fn shape(status: StatusCode, headers: &HeaderMap) -> Shape {
    match visited::kind(headers) {
        _ if status.is_redirection() => Shape::Redirect,
        Some(Got::Page | Got::Unchanged) => Shape::Page,
        Some(Got::Document) => Shape::Document,
        Some(Got::Requisite | Got::Data) | None => Shape::Asset,
    }
}

/// One request's answers on trial.
#[derive(Clone, Copy)]
pub(super) struct Trial<'a> {
    pub(super) site: &'a Site,
    pub(super) ask: &'a Ask,
    pub(super) beside: &'a Beside,
    /// What the request that was sent asked for besides the page.
    pub(super) wishes: Wishes,
    /// The request's fields, to walk on with if its answer is a redirect.
    pub(super) again: Option<&'a HeaderMap>,
}

/// How a trial is held.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// When the request left: what the site is proven by must be newer.
    pub(super) asked: Instant,
    /// Bytes that are held back in any case.
    pub(super) hold: Option<u64>,
    /// How long that may take.
    pub(super) stall: Duration,
    /// Until when a suspicion must be cleared.
    pub(super) until: Instant,
    /// Until when the visitor waits: that the site has removed a page is then believed on an earlier proof.
    pub(super) waits: Instant,
}

/// Marks an answer that passed though it may not be the site's: there was nothing else to give. It is not kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubtful;

impl Trial<'_> {
    /// Judges the answer: it passes, with its body as far as that was read.
    ///
    /// # Errors
    /// When it is not the site's, or breaks off.
    pub(super) async fn weigh(&self, answered: Answered, terms: Terms) -> Result<(Answered, Held), Failure> {
        let Answered { response, origin, took } = answered;
        let (mut parts, body) = response.into_parts();
        if self.site.is_held_live() {
            // The operator's word: this is the site.
            let response = Response::from_parts(parts, Body::Empty);
            return Ok((Answered { response, origin, took }, Held::unread(body)));
        }
        let character = self.site.mirror.character();
        let wanted = self.wanted(&parts, &character);
        let unread = ReadCopy::default();
        let by_head = || judge(&self.case(&parts, (&[], false), &unread, &character));
        // The body of a good status is looked at anyway, with the head.
        let open = wanted != Wanted::Head && parts.status.is_success();
        let head = if open { Verdict::Good } else { by_head() };
        if let Verdict::Bad(finding) = head {
            if self.is_a_programs(&parts) {
                origin.check_soon();
                let response = Response::from_parts(parts, Body::Empty);
                return Ok((Answered { response, origin, took }, Held::unread(body)));
            }
            let finding = self.closer(&parts, body, finding, &character).await;
            origin.check_soon();
            self.hear(&parts);
            return Err(self.bad(finding));
        }
        let held = match self.read(&parts.headers, body, wanted, terms).await {
            Ok(held) => held,
            Err(failure) => {
                hold_against(&origin, &failure, self.by());
                return Err(failure);
            }
        };
        let (verdict, resemblance) = match wanted {
            Wanted::Head => (head, self.by_kind(&parts)),
            Wanted::Beginning | Wanted::Whole => {
                self.by_body(&parts, (held.read.clone(), held.is_whole()), &character).await
            }
        };
        let verdict = match verdict {
            Verdict::Good => self.leads_round(&parts, terms).await.map_or(Verdict::Good, Verdict::Bad),
            verdict @ (Verdict::Doubtful(_) | Verdict::Bad(_)) => verdict,
        };
        match verdict {
            Verdict::Good => {
                self.good(&parts);
                parts.extensions.insert(resemblance);
            }
            Verdict::Doubtful(finding) => {
                self.cleared(&parts, &origin, finding, terms).await?;
                if self.beside.is_nothing() {
                    parts.extensions.insert(Doubtful);
                }
            }
            Verdict::Bad(finding) => {
                origin.check_soon();
                return Err(self.bad(finding));
            }
        }
        self.answered(&origin, took);
        Ok((Answered { response: Response::from_parts(parts, Body::Empty), origin, took }, held))
    }

    /// Whether a whole answer of which only the beginning was judged is the site's, so that it may be kept.
    pub(super) fn fits(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool {
        let Some(plain) = plain(headers, body, READ) else { return true };
        if plain.broken {
            return false;
        }
        let answer = ResponseView { status: status.as_u16(), headers, body: &plain.bytes, whole: plain.all };
        let character = self.site.mirror.character();
        judge(&self.case_of(answer, &ReadCopy::default(), &character)) == Verdict::Good
    }

    pub(super) fn by(&self) -> Evidence {
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
        let may_be_key = self.speaks() && !self.beside.is_nothing();
        Case {
            asked: self.ask.may_lead_back().then(|| Asked {
                url: self.ask.url(),
                ignore: &config.cache.ignore_query,
                cookies: self.ask.wishes.get(header::COOKIE),
            }),
            key: self.ask.key(),
            host: self.ask.host(),
            hosts: &config.hosts,
            is_key_page: may_be_key && config.key_pages.iter().any(|page| page == self.ask.key()),
            answer,
            wishes: self.wishes,
            known: self.beside.known(copy),
            character,
            policy: &config.failover,
        }
    }

    fn case<'a>(
        &'a self,
        parts: &'a Parts,
        (body, whole): (&'a [u8], bool),
        copy: &'a ReadCopy,
        character: &'a Character,
    ) -> Case<'a> {
        let (status, headers) = (parts.status.as_u16(), &parts.headers);
        self.case_of(ResponseView { status, headers, body, whole }, copy, character)
    }

    /// How much of the body the verdict wants, of what there is to be read.
    fn wanted(&self, parts: &Parts, character: &Character) -> Wanted {
        let has_body = self.ask.method != Method::HEAD && self.ask.kind != Kind::Upgrade;
        if !has_body || is_part(parts.status) || is_endless(&parts.headers) {
            return Wanted::Head;
        }
        verdict::wanted(&self.case(parts, (&[], false), &ReadCopy::default(), character))
    }

    async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        wanted: Wanted,
        terms: Terms,
    ) -> Result<Held, Failure> {
        let (endless, room) = (is_endless(headers), &self.site.room);
        let work = async {
            let body = match terms.hold {
                Some(limit) if !endless => {
                    let held = hold(body, limit, room).await?;
                    if held.is_whole() || !held.read.is_empty() {
                        return Ok(held);
                    }
                    held.into_body()
                }
                Some(_) | None => body,
            };
            match wanted {
                // It comes in one go anyway, and then it holds nothing of the origin's however slowly it is read.
                Wanted::Head if !endless && is_small(&body) => hold(body, SMALL, room).await,
                Wanted::Head => Ok(Held::unread(body)),
                Wanted::Beginning | Wanted::Whole => beginning(body, LOOKED_AT as u64, SHORT, room).await,
            }
        };
        let held = tokio::time::timeout(terms.stall, work).await;
        held.unwrap_or_else(|_| Err(Cause::BodyStalled.into()))
    }

    /// The verdict on the body as far as it was read, and how it looks beside the copy.
    async fn by_body(
        &self,
        parts: &Parts,
        (read, whole): (Bytes, bool),
        character: &Character,
    ) -> (Verdict, Resemblance) {
        let (print, trusted) = (self.print(parts, &read), &self.site.trusted);
        if let Some(resemblance) = trusted.knows_as(print).filter(|_| !self.site.page_health.is_lacking()) {
            return (Verdict::Good, resemblance);
        }
        let copy = self.beside.read().await;
        let mut resemblance = self.by_kind(parts);
        let verdict = match plain(&parts.headers, &read, READ) {
            // browsers show a part of it, or nothing
            Some(plain) if whole && plain.broken && parts.status.is_success() => Verdict::Bad(Finding::new(
                Cause::TruncatedPage,
                "it is packed wrongly, or ends before it is unpacked",
            )),
            Some(plain) => {
                let whole = whole && plain.all;
                match judge(&self.case(parts, (&plain.bytes, whole), &copy, character)) {
                    Verdict::Good if whole && let Some(finding) = self.names_missing(parts, &plain.bytes) => {
                        Verdict::Bad(finding)
                    }
                    Verdict::Good if whole => {
                        let (verdict, looks) = self.beside_others(parts, &plain.bytes, &copy);
                        resemblance = looks;
                        verdict
                    }
                    verdict @ (Verdict::Good | Verdict::Doubtful(_) | Verdict::Bad(_)) => verdict,
                }
            }
            // nothing can be read of it: its head has to do
            None => judge(&self.case(parts, (&[], false), &copy, character)),
        };
        if verdict == Verdict::Good && parts.status.is_success() {
            trusted.add_as(print, resemblance);
        }
        (verdict, resemblance)
    }

    /// What is bad by its head may say more exactly what it is, if that comes at once.
    async fn closer(&self, parts: &Parts, body: Body, finding: Finding, character: &Character) -> Finding {
        if self.wanted(parts, character) == Wanted::Head {
            return finding;
        }
        let begun = beginning(body, LOOKED_AT as u64, CLOSER, &self.site.room);
        let begun = tokio::time::timeout(CLOSER, begun).await;
        let Ok(Ok(held)) = begun else { return finding };
        let Some(plain) = plain(&parts.headers, &held.read, LOOKED_AT) else { return finding };
        let whole = held.is_whole() && plain.all;
        match judge(&self.case(parts, (&plain.bytes, whole), &ReadCopy::default(), character)) {
            Verdict::Bad(closer) => closer,
            Verdict::Good | Verdict::Doubtful(_) => finding,
        }
    }

    /// A suspicious answer passes where there is nothing else to give, or if the rest of the site stands now.
    async fn cleared(
        &self,
        parts: &Parts,
        origin: &Arc<Origin>,
        finding: Finding,
        terms: Terms,
    ) -> Result<(), Failure> {
        if self.beside.is_nothing() {
            return Ok(());
        }
        // what was cleared a moment ago is not proven anew for each visitor
        let now = clock::now();
        let print = self.print(parts, &(now.unix() / CLEARED).to_le_bytes());
        if !self.site.trusted.knows(print) {
            let early = is_removal(parts.status) && self.site.page_health.is_proven_recently(now.mono);
            let until = if early { terms.waits } else { terms.until };
            let proof = origin.prove(terms.asked, until.saturating_duration_since(now.mono)).await;
            if early && proof.as_ref().is_err_and(|failure| failure.cause == Cause::Slow) {
                self.believe(parts.status, origin, terms);
                return Ok(());
            }
            if let Err(failure) = proof {
                tracing::debug!(site = %self.site.config.name, key = self.ask.key(), error = %failure, "the site is not proven");
                return Err(self.bad(finding));
            }
            let (cause, why) = (finding.cause.code(), &finding.why);
            tracing::info!(site = %self.site.config.name, key = self.ask.key(), cause, why, "passed a doubtful answer, the site is well");
            self.site.trusted.add(print);
        }
        self.good(parts);
        Ok(())
    }

    fn print(&self, parts: &Parts, body: &[u8]) -> Print {
        self.site.trusted.print(self.beside.print(), self.ask.key(), (parts.status, &parts.headers), body)
    }

    /// Whether the answer is one that anybody would get.
    pub(super) fn speaks(&self) -> bool {
        self.ask.kind == Kind::Read && self.ask.visitor == Visitor::Anonymous
    }
}

/// Whether a body says itself that it is short.
fn is_small(body: &Body) -> bool {
    body.size_hint().exact().is_some_and(|length| (1..=SMALL).contains(&length))
}

/// An answer that is not the page itself: a part of it, or that it has not changed.
pub(super) fn is_part(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED)
}
