//! Interim answers (1xx) ahead of the answer.
//!
//! Over HTTP/2 the stream's task sends them (`http2`). Over HTTP/1.1 hyper's server has no way to send them (its callback
//! for them is the client's). But it flushes the io only when its own buffer is empty, and polls it on every turn; so what
//! is queued here goes out at the first flush at which the call has no answer yet, which is exactly between two messages.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use super::activity::Activity;
use super::stream::Flow;

/// Bytes of interim answers that may wait; more are left out, which costs nobody anything (RFC 9110 section 15.2).
const ROOM: usize = 16 << 10;

/// Sends interim answers ahead of one call's answer. After that answer has begun it does nothing.
#[derive(Clone, Debug)]
pub struct Interim(Way);

#[derive(Clone, Debug)]
enum Way {
    Http1 { activity: Arc<Activity>, call: u64 },
    Http2(Arc<Flow>),
}

impl Interim {
    pub(super) fn of(activity: &Arc<Activity>) -> Option<Interim> {
        if let Some(stream) = Flow::own() {
            return Some(Interim(Way::Http2(stream)));
        }
        activity.hold_interim().map(|call| Interim(Way::Http1 { activity: Arc::clone(activity), call }))
    }

    /// Sends one. Only 102 to 199 may pass: 100 is the server's own business, and 101 is an answer, not an interim one.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) {
        if !status.is_informational() || status.as_u16() < 102 {
            return;
        }
        match &self.0 {
            Way::Http1 { activity, call } => activity.queue_interim(*call, &http1(status, headers), ROOM),
            Way::Http2(stream) => stream.queue_interim(status, headers, ROOM),
        }
    }
}

fn http1(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(b"HTTP/1.1 ");
    bytes.extend_from_slice(status.as_str().as_bytes());
    bytes.push(b' ');
    bytes.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    bytes.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}
