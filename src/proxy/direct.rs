//! The fetch for one visitor: for answers that are not the same for all, or may not be kept.

use http::StatusCode;

use super::attempt::{Attempt, Incoming, OnTimeout};
use super::review::Reviewed;
use super::{Outcome, Spool, live, rewrite};
use crate::ask::Kind;
use crate::clock;
use crate::failure::{Cause, Failure};
use crate::http::cache_status::{CacheStatus, Forward};
use crate::http::{Body, BoxRequest};
use crate::origin::Answered;
use crate::origin::upload::Upload;
use crate::tasks;
use crate::verdict::Wishes;

/// Sends the request to the origin for this visitor alone.
///
/// # Errors
/// Why there is no good answer within the limits.
pub(super) async fn fetch_direct(
    attempt: Attempt<'_>,
    incoming: Incoming<'_>,
    why: Forward,
) -> Result<Outcome, Failure> {
    let Incoming { mut request, visit, table, spool } = incoming;
    let upgrading = (attempt.ask.kind == Kind::Upgrade).then(|| hyper::upgrade::on(&mut *request));
    let early = (visit.early)();
    let request = spooled(spool, request, table.body_size).await?;
    let mut request = rewrite::outgoing(attempt.ask, request, &visit, &table.trusted)?;
    if let Some(early) = early {
        rewrite::pass_early(&mut request, early);
    }
    let mut answered = ask_alone(attempt, request, table.body_size).await?;
    let status = answered.response.status();
    if let Some(upgrading) = upgrading
        && status == StatusCode::SWITCHING_PROTOCOLS
    {
        tasks::detached(join(upgrading, hyper::upgrade::on(&mut answered.response)));
    }
    rewrite::sign(&mut answered.response);
    attempt.record_write(status);
    let status = CacheStatus::Forwarded { why, status, stored: false, collapsed: false };
    Ok(live(answered.response, answered.origin, status))
}

/// Sends the request with all of the visitor's fields, and reviews its answer. At most `body_size` bytes of the request's
/// body pass.
///
/// # Errors
/// Why there is no good answer within the limits.
pub(super) async fn ask_alone(
    attempt: Attempt<'_>,
    mut request: BoxRequest,
    body_size: u64,
) -> Result<Answered, Failure> {
    let upload = if matches!(request.body(), Body::Empty) {
        None
    } else {
        let body = std::mem::replace(request.body_mut(), Body::Empty);
        let (upload, body) = Upload::watch(body, body_size);
        *request.body_mut() = body;
        Some(upload)
    };
    let sent_at = clock::instant();
    let attempt = Attempt { limits: attempt.limits.from(sent_at), ..attempt };
    let review = attempt.review(Wishes::of(request.headers()), sent_at);
    let work = async {
        let answered = attempt.send(request, upload.as_deref()).await?;
        let Reviewed { mut answered, buffered, .. } = review.review(answered).await?;
        *answered.response.body_mut() = buffered.into_body();
        Ok(answered)
    };
    let mut work = std::pin::pin!(work);
    let limits = attempt.limits;
    let result = if limits.on_timeout == OnTimeout::Silent && limits.buffer.is_none() {
        work.as_mut().await // the origin's own time-out ends it, an upload in progress prolongs it
    } else {
        match tokio::time::timeout(limits.wait, work.as_mut()).await {
            Ok(result) => result,
            Err(_) => Err(attempt.timed_out()),
        }
    };
    result.inspect_err(|failure| review.record_failure(failure))
}

/// The request, once its body is at hand: until then it takes no resources of the origin.
async fn spooled(spool: &Spool, mut request: BoxRequest, limit: u64) -> Result<BoxRequest, Failure> {
    // one that is in memory as a whole needs no place: a form that is kept must not come to the disk in the clear
    if let Body::Whole(whole) = request.body() {
        let is_too_large = whole.len() as u64 > limit;
        return if is_too_large { Err(Cause::BodyTooLarge.into()) } else { Ok(request) };
    }
    if !matches!(request.body(), Body::Empty) {
        let body = std::mem::replace(request.body_mut(), Body::Empty);
        *request.body_mut() = Box::pin(spool.collect(body, limit)).await?;
    }
    Ok(request)
}

/// Copies bytes between two upgraded connections until one side ends.
async fn join(ours: hyper::upgrade::OnUpgrade, theirs: hyper::upgrade::OnUpgrade) {
    let (Ok(ours), Ok(theirs)) = tokio::join!(ours, theirs) else { return };
    let (mut ours, mut theirs) = (hyper_util::rt::TokioIo::new(ours), hyper_util::rt::TokioIo::new(theirs));
    if let Err(error) = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await {
        tracing::debug!(%error, "upgraded connection broke off");
    }
}
