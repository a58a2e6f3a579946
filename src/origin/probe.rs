//! One probe of an origin: the health path, key pages, a path that does not exist, each over a connection of its own; at the
//! addresses in use, or at others that its name now leads to.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt;

use super::connect::bare;
use super::one::Origin;
use super::settings::Settings;
use crate::clock;
use crate::content::media::content_type;
use crate::descriptors::Use;
use crate::failure::{BadAnswer, Cause, Failure};
use crate::http::Body;
use crate::http::coding::plain;
use crate::http::detour::{Detour, Way};
use crate::http::forwarded;

/// How checks, and what is looked into like one, name themselves.
pub const CHECK_USER_AGENT: &str = concat!("katahai/", env!("CARGO_PKG_VERSION"), " (check)");

/// How much of a body is read at most.
const BODY: usize = 1024 * 1024;

/// How far a request of a check has come: what its time-out means. The connection does not stand,
const CONNECTING: u8 = 0;
/// the origin has not answered,
const ASKED: u8 = 1;
/// or has not sent the whole of its answer.
const HEADED: u8 = 2;

/// What one check requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The health path, and the key page whose turn it is.
    Turn(usize),
    /// The health path, all key pages, and a path that does not exist.
    Whole,
}

/// Probes an origin.
pub(super) struct Probe<'a> {
    pub(super) origin: &'a Origin,
    pub(super) settings: &'a Settings,
    /// Addresses that are not in use yet; `None`: those that are.
    pub(super) at: Option<&'a Arc<[IpAddr]>>,
    /// How long each request may take.
    pub(super) limit: Duration,
}

/// A page as a probe got it.
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    /// Without content codings.
    body: Vec<u8>,
    whole: bool,
}

impl Page {
    fn shown(&self) -> BadAnswer {
        BadAnswer::of(self.status, &self.body, content_type(&self.headers))
    }
}

impl Probe<'_> {
    /// Probes.
    ///
    /// # Errors
    /// What is wrong with the origin.
    pub(super) async fn look(&self, extent: Extent) -> Result<(), Failure> {
        self.health_path().await?;
        let pages = self.settings.judge.pages();
        let asked = match extent {
            Extent::Turn(turn) => pages.get(turn.checked_rem(pages.len()).unwrap_or(0)..).unwrap_or_default(),
            Extent::Whole => &pages[..],
        };
        let most = if extent == Extent::Whole { pages.len() } else { 1 };
        let mut bad = super::pages::Pages::default();
        for path in asked.iter().take(most) {
            let verdict = self.key_page(path).await;
            bad.note(path, verdict.as_ref().err().map(|failure| failure.cause));
            // What stands at an address that is not in use says nothing of the pages that visitors get.
            if self.at.is_none() {
                self.origin.note_page(path, verdict.as_ref().err().map(|failure| failure.cause), &pages);
                self.settings.judge.told(path, &verdict);
            }
        }
        let mostly = if self.at.is_none() { self.origin.mostly_bad() } else { bad.mostly_bad() };
        if let Some(cause) = mostly {
            return Err(Failure::new(cause).detail("key pages are not the site's"));
        }
        let is_uneasy = extent == Extent::Whole || self.settings.judge.is_uneasy();
        if is_uneasy && !pages.is_empty() {
            self.nowhere().await?;
        }
        Ok(())
    }

    /// An origin that answers every path as if it existed is not the site, unless the site has always done so.
    async fn nowhere(&self) -> Result<(), Failure> {
        let path = format!("/{:016x}", fastrand::u64(..));
        let page = self.page(&path).await?;
        self.judge(&path, &page)
    }

    async fn key_page(&self, path: &str) -> Result<(), Failure> {
        let first = self.page(path).await?;
        let page = self.past_detour(path, first).await?;
        self.judge(path, &page)
    }

    /// The page as a browser gets it: through a detour that sets a cookie and leads back. Other redirects are not followed.
    async fn past_detour(&self, path: &str, first: Page) -> Result<Page, Failure> {
        let base = format!("{}://{}", self.settings.scheme, self.origin.host(&self.settings.host));
        let mut way = Detour::begin(&base, path, first.status, &first.headers);
        loop {
            let on = match way {
                Way::On(on) => on,
                Way::Circle => return Err(Failure::new(Cause::RedirectLoop).detail("leads back to itself")),
                Way::Ends => return Ok(first),
            };
            let Ok(page) = self.page_with(on.target(), on.jar().field()).await else { return Ok(first) };
            if on.is_home() && !page.status.is_redirection() {
                return Ok(page);
            }
            way = on.follow(page.status, &page.headers);
        }
    }

    fn judge(&self, path: &str, page: &Page) -> Result<(), Failure> {
        let verdict = self.settings.judge.judge(path, page.status, &page.headers, &page.body, page.whole);
        verdict.map_err(|failure| failure.answer(page.shown()))
    }

    pub(super) async fn health_path(&self) -> Result<(), Failure> {
        let health = &self.settings.health;
        let page = self.page(&health.path).await?;
        if !health.expect_status.contains(page.status) {
            let by_status = || Failure::new(Cause::of_status(page.status)).detail(page.status.to_string());
            // The page may say better than its status what has happened: that the database is gone, for example.
            let named = || self.settings.judge.identify(page.status, &page.headers, &page.body, page.whole);
            let failure = self.judge(&health.path, &page).err().or_else(named).unwrap_or_else(by_status);
            return Err(failure.answer(page.shown()));
        }
        let text = health.expect_text.as_bytes();
        if text.is_empty() || page.body.windows(text.len()).any(|window| window == text) {
            Ok(())
        } else {
            let missing = Failure::new(Cause::TextMissing).detail("the expected text is not in the page");
            Err(missing.answer(page.shown()))
        }
    }

    /// One page, in time.
    async fn page(&self, path: &str) -> Result<Page, Failure> {
        self.page_with(path, None).await
    }

    /// The same for a visitor with these cookies.
    async fn page_with(&self, path: &str, cookies: Option<HeaderValue>) -> Result<Page, Failure> {
        let begun = clock::instant();
        let reached = AtomicU8::new(CONNECTING);
        match tokio::time::timeout(self.limit, self.ask(path, cookies, &reached)).await {
            Ok(result) => {
                if self.at.is_none() && result.is_ok() {
                    self.origin.signs.took(clock::instant().saturating_duration_since(begun));
                }
                result
            }
            Err(_) => Err(match reached.load(Ordering::Relaxed) {
                CONNECTING => {
                    Failure::new(self.origin.silence(false)).detail("no connection for the check in time")
                }
                ASKED => Failure::new(self.origin.silence(true)).detail("no answer to the check in time"),
                _ => Failure::new(Cause::BodyStalled),
            }),
        }
    }

    async fn ask(
        &self,
        path: &str,
        cookies: Option<HeaderValue>,
        reached: &AtomicU8,
    ) -> Result<Page, Failure> {
        let host = self.origin.host(&self.settings.host);
        let connection = self.origin.connect(bare(host), self.at, Use::Upkeep).await?;
        reached.store(ASKED, Ordering::Relaxed);
        let malformed = |e: http::Error| Failure::new(Cause::Internal).source(e);
        let mut request = Request::get(path)
            .header(header::HOST, host)
            .header(header::USER_AGENT, HeaderValue::from_static(CHECK_USER_AGENT))
            .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .header(header::CONNECTION, HeaderValue::from_static("close"))
            .body(Body::Empty)
            .map_err(malformed)?;
        request.headers_mut().extend(cookies.map(|cookies| (header::COOKIE, cookies)));
        forwarded::own(request.headers_mut(), self.settings.scheme == "https", &self.settings.host);
        self.origin.tools.instance.sign(request.headers_mut());
        let (answer, connection) =
            connection.ask(Box::new(request)).await.map_err(|unanswered| unanswered.failure)?;
        let (head, incoming) = answer.into_parts();
        reached.store(HEADED, Ordering::Relaxed);
        self.note_date(&head.headers);
        let body = super::exchange::AnswerBody::read_once(incoming, connection, self.limit);
        let mut body = std::pin::pin!(body);
        let (mut read, mut whole) = (Vec::new(), true);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                read.extend_from_slice(&data);
            }
            if read.len() > BODY {
                whole = false;
                break;
            }
        }
        // What cannot be read is judged by its head.
        let (body, whole) = match plain(&head.headers, &read, BODY) {
            Some(plain) => (plain.bytes.into_owned(), whole && plain.all && !plain.broken),
            None => (Vec::new(), false),
        };
        Ok(Page { status: head.status, headers: head.headers, body, whole })
    }

    /// What its clock says, unless a cache in between has kept the answer for a while.
    fn note_date(&self, headers: &HeaderMap) {
        let date = headers.get(header::DATE).filter(|_| !headers.contains_key(header::AGE));
        let date = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        if let Some(date) = date {
            self.origin.signs.dated(date, clock::now());
        }
    }
}
