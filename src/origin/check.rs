//! The active check: a new connection, the health path, a good status, the whole body, the expected text. A check that
//! is wanted early (a visitor met trouble) runs early; one on trial follows soon.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{HeaderValue, Request, header};
use http_body_util::BodyExt;

use super::health::{Evidence, Seen, State};
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
/// So much of a body is read at most.
const BODY: usize = 1024 * 1024;

/// What is checked, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// As configured.
    pub health: Health,
    /// The host to ask for, unless the origin has its own.
    pub host: Arc<str>,
}

/// Checks the origin for as long as the guard lives.
pub fn start(origin: &Arc<Origin>, settings: Settings) -> tasks::Guard {
    let origin = Arc::downgrade(origin);
    tasks::guarded(async move { run(&origin, &settings).await })
}

async fn run(origin: &Weak<Origin>, settings: &Settings) {
    loop {
        let Some(current) = origin.upgrade() else { return };
        let seen = match check(&current, settings).await {
            Ok(()) => Seen::Good,
            Err(failure) => {
                tracing::debug!(origin = %current.identity.url, error = %failure, "check failed");
                Seen::Bad(failure.cause)
            }
        };
        let before = current.state();
        current.observe(Evidence::Check, seen);
        current.sweep(clock::instant());
        let wait = pause(current.state(), settings.health.interval, fastrand::f64());
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
pub async fn check(origin: &Origin, settings: &Settings) -> Result<(), Failure> {
    match tokio::time::timeout(settings.health.timeout, ask(origin, settings)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::new(Cause::Silent).detail("no answer to the check in time")),
    }
}

async fn ask(origin: &Origin, settings: &Settings) -> Result<(), Failure> {
    let host = origin.host(&settings.host);
    let connection = origin.connect(bare(host)).await?;
    let malformed = |e: http::Error| Failure::new(Cause::Internal).source(e);
    let request = Request::get(settings.health.path.as_str())
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
    if !settings.health.expect_status.contains(answer.status()) {
        return Err(Failure::new(Cause::of_status(answer.status())).detail(answer.status().to_string()));
    }
    let body =
        super::exchange::AnswerBody::read_once(answer.into_body(), connection, settings.health.timeout);
    let mut body = std::pin::pin!(body);
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() > BODY {
            break;
        }
    }
    let text = settings.health.expect_text.as_bytes();
    if text.is_empty() || read.windows(text.len()).any(|window| window == text) {
        Ok(())
    } else {
        Err(Failure::new(Cause::TextMissing).detail("the expected text is not in the page"))
    }
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
