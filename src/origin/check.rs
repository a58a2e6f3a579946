//! The active check: a new connection, the health path, a good status, the whole body, the expected text; and the key pages,
//! one in turn while the origin is well, all of them before it is believed again. A check that is wanted early (a visitor
//! met trouble) runs early; one on trial follows soon.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt;

use super::health::{Evidence, Seen, State};
use super::judge::Judge;
use super::one::{Origin, bare};
use crate::clock;
use crate::config::ready::Health;
use crate::failure::{Cause, Failure};
use crate::http::Body;
use crate::tasks;

/// Checks that are wanted early are at least this far apart: those that may change the verdict,
const BREATH: Duration = Duration::from_millis(250);
/// and those of an origin that was just found well, whatever visitors met with on single pages.
const REST: Duration = Duration::from_secs(1);
/// The next check after a first good one, at the latest.
const TRIAL: Duration = Duration::from_millis(500);
/// While visitors come back there are so many checks, at least: each lets more of them in.
const STEPS: u32 = 20;
/// So much of a body is read at most.
const BODY: usize = 1024 * 1024;

/// What is checked, and how often.
#[derive(Clone)]
pub struct Settings {
    /// As configured.
    pub health: Health,
    /// Over so long visitors come back.
    pub ramp: Duration,
    /// The host to ask for, unless the origin has its own.
    pub host: Arc<str>,
    /// Who knows the site.
    pub judge: Arc<dyn Judge>,
}

impl Settings {
    /// Whether checks by these are the same as by the others, whoever judges.
    pub(super) fn same(&self, other: &Settings) -> bool {
        self.health == other.health
            && self.ramp == other.ramp
            && self.host == other.host
            && Arc::ptr_eq(&self.judge, &other.judge)
    }
}

/// How much one check asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// The health path, and the key page whose turn it is.
    Turn(usize),
    /// The health path, all key pages, and a path that does not exist.
    Whole,
}

/// Checks the origin for as long as the guard lives.
pub fn start(origin: &Arc<Origin>, settings: Settings) -> tasks::Guard {
    let origin = Arc::downgrade(origin);
    tasks::guarded(async move { run(&origin, &settings).await })
}

async fn run(origin: &Weak<Origin>, settings: &Settings) {
    let mut turn = 0_usize;
    loop {
        let Some(current) = origin.upgrade() else { return };
        let extent = match current.state() {
            State::Unproven | State::Up => Extent::Turn(turn),
            State::Down { .. } | State::Trial { .. } => Extent::Whole,
        };
        turn = turn.wrapping_add(1);
        let seen = match check(&current, settings, extent).await {
            Ok(()) => Seen::Good,
            Err(failure) => {
                tracing::debug!(origin = %current.identity.url, error = %failure, "check failed");
                Seen::Bad(failure.cause)
            }
        };
        let before = current.state();
        current.observe(Evidence::Check, seen);
        current.sweep(clock::instant());
        current.open_seats(clock::instant());
        let mut wait = pause(current.state(), settings.health.interval, fastrand::f64());
        if current.share(clock::instant()) < 1.0 {
            wait = wait.min((settings.ramp / STEPS).max(BREATH));
        }
        // A failed check asks for the next one soon only while that may still change the verdict.
        let falling = matches!(before, State::Up) && matches!(seen, Seen::Bad(_));
        let breath = if seen == Seen::Good { REST } else { BREATH }.min(wait);
        tokio::time::sleep(breath).await;
        if falling && current.standing() == super::Standing::Up {
            continue;
        }
        let rest = wait.saturating_sub(breath);
        _ = tokio::time::timeout(rest, current.nudged.notified()).await;
    }
}

/// Whether the site stands there at this moment: its health path and all its key pages are good, and a path that does not
/// exist is not answered as if it did.
///
/// # Errors
/// What is wrong with it.
pub(super) async fn whole(origin: &Origin, settings: &Settings) -> Result<(), Failure> {
    check(origin, settings, Extent::Whole).await
}

/// The wait until the next check. A little less than the interval, so that instances do not march in step.
fn pause(state: State, interval: Duration, random: f64) -> Duration {
    match state {
        State::Trial { .. } => interval.min(TRIAL),
        State::Unproven | State::Up | State::Down { .. } => interval.mul_f64(1.0 - 0.1 * random),
    }
}

/// One check.
///
/// # Errors
/// What is wrong with the origin.
async fn check(origin: &Origin, settings: &Settings, extent: Extent) -> Result<(), Failure> {
    healthy(origin, settings).await?;
    let pages = settings.judge.pages();
    origin.keep_pages(&pages);
    match extent {
        Extent::Turn(turn) => {
            if let Some(path) = pages.get(turn.checked_rem(pages.len()).unwrap_or(0)) {
                key_page(origin, settings, path).await;
            }
        }
        Extent::Whole => {
            for path in &pages {
                key_page(origin, settings, path).await;
            }
        }
    }
    if let Some(cause) = origin.mostly_bad() {
        return Err(Failure::new(cause).detail("key pages are not the site's"));
    }
    if extent == Extent::Whole && !pages.is_empty() {
        let nowhere = format!("/{:016x}", fastrand::u64(..));
        let page = within(settings, ask(origin, settings, &nowhere)).await?;
        settings.judge.judge(&nowhere, page.status, &page.headers, &page.body, page.whole)?;
    }
    Ok(())
}

/// Asks for one key page, and takes note of its verdict.
async fn key_page(origin: &Origin, settings: &Settings, path: &str) {
    let page = within(settings, ask(origin, settings, path)).await;
    let verdict = page.and_then(|page| {
        let coded = page.headers.contains_key(header::CONTENT_ENCODING);
        // What we cannot read is judged by its head.
        let (body, whole) = if coded { (&[][..], false) } else { (&page.body[..], page.whole) };
        settings.judge.judge(path, page.status, &page.headers, body, whole)
    });
    origin.note_page(path, verdict.as_ref().err().map(|failure| failure.cause));
    settings.judge.seen(path, &verdict);
}

async fn healthy(origin: &Origin, settings: &Settings) -> Result<(), Failure> {
    let page = within(settings, ask(origin, settings, &settings.health.path)).await?;
    if !settings.health.expect_status.contains(page.status) {
        return Err(Failure::new(Cause::of_status(page.status)).detail(page.status.to_string()));
    }
    let text = settings.health.expect_text.as_bytes();
    if text.is_empty() || page.body.windows(text.len()).any(|window| window == text) {
        Ok(())
    } else {
        Err(Failure::new(Cause::TextMissing).detail("the expected text is not in the page"))
    }
}

async fn within(
    settings: &Settings,
    asking: impl Future<Output = Result<Page, Failure>>,
) -> Result<Page, Failure> {
    match tokio::time::timeout(settings.health.timeout, asking).await {
        Ok(result) => result,
        Err(_) => Err(Failure::new(Cause::Silent).detail("no answer to the check in time")),
    }
}

/// A page as a check got it.
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    whole: bool,
}

/// Asks for a path over a new connection.
async fn ask(origin: &Origin, settings: &Settings, path: &str) -> Result<Page, Failure> {
    let host = origin.host(&settings.host);
    let connection = origin.connect(bare(host)).await?;
    let malformed = |e: http::Error| Failure::new(Cause::Internal).source(e);
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("katahai/", env!("CARGO_PKG_VERSION"), " (check)")),
        )
        .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
        .header(header::CONNECTION, HeaderValue::from_static("close"))
        .body(Body::Empty)
        .map_err(malformed)?;
    let (answer, connection) = connection.ask(request).await.map_err(|unanswered| unanswered.failure)?;
    let (head, incoming) = answer.into_parts();
    let body = super::exchange::AnswerBody::read_once(incoming, connection, settings.health.timeout);
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
    Ok(Page { status: head.status, headers: head.headers, body: read, whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_on_trial_follow_soon_and_others_do_not_march_in_step() {
        let interval = Duration::from_secs(5);
        let trial = State::Trial { since: clock::now(), cause: Cause::Refused, good: 1 };
        assert_eq!(pause(trial, interval, 0.5), TRIAL);
        assert_eq!(pause(trial, Duration::from_millis(200), 0.5), Duration::from_millis(200));
        assert_eq!(pause(State::Up, interval, 0.0), interval);
        assert_eq!(pause(State::Up, interval, 1.0), Duration::from_millis(4500));
    }
}
