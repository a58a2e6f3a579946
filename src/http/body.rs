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

/// A request as it is handed on. Boxed: each of the dozen futures that it goes through would hold its 264 bytes twice.
pub type BoxRequest = Box<::http::Request<Body>>;

impl Body {
    /// A body of bytes at hand.
    pub fn whole(bytes: impl Into<Bytes>) -> Body {
        let bytes = bytes.into();
        if bytes.is_empty() { Body::Empty } else { Body::Whole(bytes) }
    }

    /// The same body, looked at as it goes by.
    pub fn inspected(self, inspector: impl Inspector + 'static) -> Body {
        Body::Stream(Box::pin(Inspect { body: self, inspector }))
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

/// Looks at a body as it goes by, and may end it.
pub trait Inspector: Send + Unpin {
    /// The reader asks for more.
    fn asked(&mut self) {}

    /// A piece has come: it goes to the reader, or what ends the body in its place.
    ///
    /// # Errors
    /// Why the body must not go on.
    fn frame(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Error> {
        Ok(frame)
    }

    /// Nothing has come yet: the reader waits on, unless something ends the body.
    fn pending(&mut self, _: &mut Context<'_>) -> Poll<Error> {
        Poll::Pending
    }

    /// The body broke off: what the reader is told.
    fn failed(&mut self, error: Error) -> Error {
        error
    }

    /// It came to its end.
    fn ended(&mut self) {}

    /// Its reader has let go of it. One that knows the length stops at the last byte, without asking for the end:
    /// `at_end` says whether nothing was left.
    fn dropped(&mut self, at_end: bool) {
        _ = at_end;
    }
}

/// A body with whoever looks at it.
struct Inspect<I: Inspector> {
    body: Body,
    inspector: I,
}

impl<I: Inspector> http_body::Body for Inspect<I> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Inspect { body, inspector } = self.get_mut();
        inspector.asked();
        match Pin::new(body).poll_frame(cx) {
            Poll::Pending => inspector.pending(cx).map(|error| Some(Err(error))),
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(inspector.frame(frame))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(inspector.failed(error)))),
            Poll::Ready(None) => {
                inspector.ended();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<I: Inspector> Drop for Inspect<I> {
    fn drop(&mut self) {
        let at_end = http_body::Body::is_end_stream(&self.body);
        self.inspector.dropped(at_end);
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
