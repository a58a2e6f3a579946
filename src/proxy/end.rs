//! The only exit: what is said of an answer once it is known, or once its body has ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, Uri, Version, header};
use http_body::{Body as _, Frame, SizeHint};
use std::net::IpAddr;

use super::Outcome;
use super::buffer::broken;
use super::crowd::Place;
use crate::access_log::{AccessLog, Line};
use crate::clock::{self, Now};
use crate::failure::{Cause, Failure, Side};
use crate::http::pace::Lag;
use crate::http::{Body, body};
use crate::metrics::{InFlight, ServedFrom, SiteMetrics};
use crate::origin::Origin;
use crate::origin::health::{Evidence, Seen};

/// What the log says of a request, kept while it goes its way.
pub(super) struct Subject {
    /// When it came.
    pub begun: Now,
    /// The visitor's address.
    pub client: IpAddr,
    /// As sent.
    pub method: Method,
    /// As sent.
    pub uri: Uri,
    /// As sent.
    pub host: Option<HeaderValue>,
    /// As sent.
    pub version: Version,
}

/// A site's name and counters, and the request's place among those in flight.
pub(super) type Counted = (Arc<str>, Arc<SiteMetrics>, InFlight);

/// Everything that is to be counted when the answer has ended.
pub(super) struct Ending {
    /// Whom it was given to.
    pub subject: Subject,
    /// The site's name and counters; `None` if no site was found.
    pub site: Option<Counted>,
    /// The place of the client's request, kept to the end of the body.
    pub _place: Option<Place>,
    /// The rung.
    pub served_from: ServedFrom,
    /// Why it was not the origin's.
    pub cause: Option<Cause>,
    /// Who is held responsible for the body.
    pub origin: Option<Arc<Origin>>,
    /// Where the line goes.
    pub log: AccessLog,
}

impl Ending {
    /// Ends the request: at once if the body is at hand, with the body's last byte if it streams.
    pub(super) fn end(self, mut response: Response<Body>) -> Response<Body> {
        let took = clock::instant() - self.subject.begun.mono;
        let status = response.status();
        if let Some((_, metrics, _)) = &self.site {
            metrics.count(self.served_from, status, took, self.cause);
        }
        match response.body() {
            Body::Empty | Body::Whole(_) => {
                let bytes = response.body().size_hint().exact();
                self.write(status.as_u16(), took, bytes, self.cause);
            }
            Body::Incoming(_) | Body::Stream(_) => {
                let body = std::mem::replace(response.body_mut(), Body::Empty);
                let (sent, status, mut lag) = (0, status.as_u16(), Lag::default());
                lag.give(clock::instant()); // he may not even begin to read
                let ended = Ended { inner: body, sent, status, took, lag, ending: self };
                *response.body_mut() = Body::stream(ended);
            }
        }
        response
    }

    fn write(&self, status: u16, took: Duration, bytes: Option<u64>, cause: Option<Cause>) {
        if !self.log.is_on() {
            return;
        }
        let subject = &self.subject;
        self.log.write(&Line {
            at: subject.begun.wall,
            client: subject.client,
            site: self.site.as_ref().map_or("-", |(name, ..)| name),
            method: subject.method.as_str(),
            host: subject.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or("-"),
            target: subject.uri.path_and_query().map_or("/", |target| target.as_str()),
            version: match subject.version {
                Version::HTTP_09 | Version::HTTP_10 => "HTTP/1.0",
                Version::HTTP_2 => "HTTP/2.0",
                _ => "HTTP/1.1",
            },
            status,
            served_from: self.served_from,
            cause,
            bytes,
            took,
        });
    }
}

/// What nginx's logs have made the usual word for a visitor who left before there was an answer.
const LEFT: u16 = 499;

/// A request on its way to its end. Dropped before that, because its visitor has left, it is counted and logged all
/// the same.
pub(super) struct Pending(Option<Ending>);

impl Pending {
    /// A request that has begun.
    pub(super) fn new(ending: Ending) -> Pending {
        Pending(Some(ending))
    }

    /// The end that it comes to.
    pub(super) fn end(mut self, outcome: Outcome) -> Response<Body> {
        let Outcome { response, served_from, cause, origin } = outcome;
        match self.0.take() {
            Some(ending) => Ending { served_from, cause, origin, ..ending }.end(response),
            None => response,
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(ending) = self.0.take() else { return };
        let took = clock::instant() - ending.subject.begun.mono;
        let cause = Some(Cause::VisitorGone);
        if let (Some((_, metrics, _)), Ok(status)) = (&ending.site, StatusCode::from_u16(LEFT)) {
            metrics.count(ServedFrom::Error, status, took, cause);
        }
        ending.write(LEFT, took, Some(0), cause);
    }
}

impl Subject {
    /// What the log needs of a request.
    pub(super) fn of<B>(request: &http::Request<B>, begun: Now, client: IpAddr) -> Subject {
        let by_target = || request.uri().authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
        Subject {
            begun,
            client,
            method: request.method().clone(),
            uri: request.uri().clone(),
            host: request.headers().get(header::HOST).cloned().or_else(by_target),
            version: request.version(),
        }
    }
}

/// A streaming body that ends its request.
struct Ended {
    inner: Body,
    sent: u64,
    status: u16,
    took: Duration,
    lag: Lag,
    ending: Ending,
}

impl Ended {
    /// An origin that gave up on a visitor who did not read has done nothing wrong.
    fn broke_off(&mut self, failure: Failure) -> Failure {
        let is_origins = failure.cause.side() == Side::Origin;
        let failure = if is_origins && self.lag.has_let_wait(clock::instant()) {
            Failure::new(Cause::VisitorGone).detail("he did not read, and the origin gave up").source(failure)
        } else {
            failure
        };
        self.ending.cause = Some(failure.cause);
        if let (Some(origin), Side::Origin) = (&self.ending.origin, failure.cause.side()) {
            let subject = &self.ending.subject;
            origin.observe(Evidence::by(subject.uri.path(), subject.client), Seen::Bad(failure.cause));
        }
        tracing::debug!(error = %failure, "answer broke off");
        failure
    }
}

impl http_body::Body for Ended {
    type Data = Bytes;
    type Error = body::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, body::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                this.lag.give(clock::instant());
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let failure = this.broke_off(broken(error));
                Poll::Ready(Some(Err(failure.into())))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                this.lag.catch_up(clock::instant());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.ending.write(self.status, self.took, Some(self.sent), self.ending.cause);
    }
}
