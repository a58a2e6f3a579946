//! The one body type that everything in the program speaks.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// Whatever ended a body before its end.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

type Boxed = Pin<Box<dyn http_body::Body<Data = Bytes, Error = Error> + Send>>;

/// A request's or an answer's body.
pub enum Body {
    /// Nothing follows the headers.
    Empty,
    /// All of it at hand.
    Whole(Bytes),
    /// As it comes from a visitor's connection.
    Incoming(hyper::body::Incoming),
    /// Anything else that streams.
    Stream(Boxed),
}

impl Body {
    /// A body of bytes at hand.
    pub fn whole(bytes: impl Into<Bytes>) -> Body {
        let bytes = bytes.into();
        if bytes.is_empty() { Body::Empty } else { Body::Whole(bytes) }
    }

    /// A body that streams.
    pub fn stream<B, E>(body: B) -> Body
    where
        B: http_body::Body<Data = Bytes, Error = E> + Send + 'static,
        E: Into<Error> + 'static,
    {
        Body::Stream(Box::pin(http_body_util::BodyExt::map_err(body, Into::into)))
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Body::Empty => f.write_str("Empty"),
            Body::Whole(b) => write!(f, "Whole({} bytes)", b.len()),
            Body::Incoming(_) => f.write_str("Incoming"),
            Body::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        match this {
            Body::Empty => Poll::Ready(None),
            Body::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Body::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Body::Incoming(incoming) => Pin::new(incoming).poll_frame(cx).map_err(Into::into),
            Body::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Whole(bytes) => bytes.is_empty(),
            Body::Incoming(incoming) => incoming.is_end_stream(),
            Body::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Incoming(incoming) => incoming.size_hint(),
            Body::Stream(stream) => stream.size_hint(),
        }
    }
}
