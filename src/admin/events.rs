//! `GET /api/v1/events`: what happens, as server-sent events. Each has an id; a reader that was away, or is too slow, is told
//! `resync`: it missed something, and should look at the status again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::reply::error;
use crate::app::App;
use crate::app::incidents::{Notice, READERS};
use crate::failure::Failure;
use crate::http::Body;

/// How often a comment is sent to a quiet reader, so that nobody in between takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a browser waits before it connects again, in milliseconds.
const RETRY: u32 = 3000;

/// A reader's place.
struct Reader {
    events: Receiver<Arc<Notice>>,
    /// What is sent before the first event.
    first: Option<Bytes>,
    _seat: OwnedSemaphorePermit,
}

/// The stream.
pub(super) fn answer(app: &App, headers: &HeaderMap) -> Response<Body> {
    let Some(seat) = app.events().seat() else {
        let message = format!("{READERS} readers of the events are connected already");
        return error(StatusCode::SERVICE_UNAVAILABLE, "busy", &message);
    };
    let events = app.events().listen();
    let known = headers.get("last-event-id").map(HeaderValue::as_bytes);
    let last = app.events().last();
    let mut first = format!("retry: {RETRY}\n\n");
    if known.is_some_and(|known| known != last.as_bytes()) {
        first.push_str(&resync(&last));
    }
    let reader = Reader { events, first: Some(first.into()), _seat: seat };
    let pieces = stream::unfold(reader, |mut reader| async {
        let piece = next(&mut reader).await?;
        Some((Ok::<_, Failure>(Frame::data(piece)), reader))
    });
    let mut response = Response::new(Body::stream(StreamBody::new(pieces)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn next(reader: &mut Reader) -> Option<Bytes> {
    if let Some(first) = reader.first.take() {
        return Some(first);
    }
    match tokio::time::timeout(HEARTBEAT, reader.events.recv()).await {
        Err(_) => Some(Bytes::from_static(b": still here\n\n")),
        Ok(Ok(notice)) => Some(told(&notice).into()),
        Ok(Err(RecvError::Lagged(_))) => Some(resync("").into()),
        Ok(Err(RecvError::Closed)) => None,
    }
}

fn told(notice: &Notice) -> String {
    let data = serde_json::to_string(notice).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", notice.id, notice.event.name())
}

fn resync(last: &str) -> String {
    let id = if last.is_empty() { String::new() } else { format!("id: {last}\n") };
    format!("{id}event: resync\ndata: {{}}\n\n")
}
