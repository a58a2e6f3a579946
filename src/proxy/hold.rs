//! Holding an answer back: with a copy at hand it is read whole before the first byte goes out, so that a body that
//! stalls or breaks off is never seen by the visitor.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::failure::{Cause, Failure};
use crate::http::{Body, body};

/// A body as far as it was read.
pub(super) enum Held {
    /// All of it, without trailers.
    Whole(Bytes),
    /// It is longer than was to be read, or has trailers: what was read, and the rest.
    Begun(Body),
}

/// Reads the body whole if it is no longer than `limit` bytes.
///
/// # Errors
/// What broke the body off. Waiting too long is the caller's to end.
pub(super) async fn hold(mut body: Body, limit: u64) -> Result<Held, Failure> {
    if body.size_hint().lower() > limit {
        return Ok(Held::Begun(body));
    }
    let mut first: Option<Bytes> = None;
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(broken)?;
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(trailers) => return Ok(Held::Begun(begun(join(first, read), Some(trailers), body))),
        };
        if first.is_none() && read.is_empty() {
            first = Some(data);
        } else {
            if let Some(first) = first.take() {
                read.extend_from_slice(&first);
            }
            read.extend_from_slice(&data);
        }
        let size = first.as_ref().map_or(read.len(), Bytes::len) as u64;
        if size > limit {
            return Ok(Held::Begun(begun(join(first, read), None, body)));
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(Held::Whole(join(first, read)))
}

/// What a body's error means: ours carry their cause with them.
pub(super) fn broken(error: body::Error) -> Failure {
    match error.downcast::<Failure>() {
        Ok(failure) => *failure,
        Err(error) => Failure { cause: Cause::BodyCut, detail: None, source: Some(error) },
    }
}

fn join(first: Option<Bytes>, read: BytesMut) -> Bytes {
    first.unwrap_or_else(|| read.freeze())
}

fn begun(read: Bytes, trailers: Option<Frame<Bytes>>, rest: Body) -> Body {
    let mut ready = VecDeque::with_capacity(2);
    if !read.is_empty() {
        ready.push_back(Frame::data(read));
    }
    ready.extend(trailers);
    Body::stream(Begun { ready, rest })
}

/// What was read, then the rest.
struct Begun {
    ready: VecDeque<Frame<Bytes>>,
    rest: Body,
}

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = body::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, body::Error>>> {
        let this = self.get_mut();
        match this.ready.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => Pin::new(&mut this.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let read = self.ready.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum::<u64>();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(read + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(read + upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body_util::StreamBody;

    fn body(parts: &[&'static str], end: Option<Failure>) -> Body {
        let mut frames: Vec<Result<Frame<Bytes>, Failure>> =
            parts.iter().map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))).collect();
        frames.extend(end.map(Err));
        Body::stream(StreamBody::new(stream::iter(frames)))
    }

    #[tokio::test]
    async fn a_short_body_is_read_whole() {
        let Ok(Held::Whole(bytes)) = hold(body(&["ab", "cd"], None), 4).await else { panic!("not whole") };
        assert_eq!(bytes, "abcd");
        assert!(matches!(hold(Body::Empty, 0).await, Ok(Held::Whole(bytes)) if bytes.is_empty()));
    }

    #[tokio::test]
    async fn a_long_body_goes_on_where_reading_stopped() {
        let Ok(Held::Begun(rest)) = hold(body(&["ab", "cd", "ef"], None), 3).await else { panic!("whole") };
        assert_eq!(rest.collect().await.unwrap().to_bytes(), "abcdef");
    }

    #[tokio::test]
    async fn a_broken_body_is_known_before_anything_is_sent() {
        let failure = hold(body(&["ab"], Some(Cause::BodyStalled.into())), 4).await.err().unwrap();
        assert_eq!(failure.cause, Cause::BodyStalled);
    }
}
