//! The only exit: the log line and the counters of an answer, once it is known or its body has ended.

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, Uri, Version, header};
use http_body::{Body as _, Frame};

use super::buffer::broken;
use super::crowd::Place;
use super::site::Site;
use super::{Outcome, record};
use crate::access_log::{AccessLog, Audience, Line};
use crate::ask::key;
use crate::clock::{self, Now};
use crate::config::ready::{PREVIEW, is_preview_door};
use crate::failure::{Cause, Failure, Side};
use crate::history::History;
use crate::http::pace::Lag;
use crate::http::{Body, body};
use crate::metrics::{InFlight, ServedFrom, SiteMetrics};
use crate::origin::Origin;
use crate::origin::health::Evidence;

/// What the log and the metrics will say of a request.
pub(super) struct RequestRecord {
    /// When it arrived.
    began: Now,
    /// The visitor's address.
    pub(super) client: IpAddr,
    method: Method,
    uri: Uri,
    host: Option<HeaderValue>,
    version: Version,
    /// The site's name, for the log.
    name: Option<Arc<str>>,
    /// Whose counters it is for; `None` if no site was found, or it is none of its answers.
    site: Option<OfSite>,
    /// The client's place in the crowd, kept to the end of the body.
    pub(super) place: Option<Place>,
    served_from: ServedFrom,
    /// Why it was not the origin's.
    cause: Option<Cause>,
    /// Who is blamed if the body fails.
    origin: Option<Arc<Origin>>,
    /// For whom it is.
    audience: Audience,
    /// The access log.
    log: AccessLog,
}

/// The site's counters and history, and the request's place among those in flight.
struct OfSite {
    metrics: Arc<SiteMetrics>,
    history: Arc<History>,
    _in_flight: InFlight,
}

/// What a log may have of an address: at the door of previews the query is a token, whoever is asked and whatever comes of it.
fn logged(uri: &Uri) -> Uri {
    if uri.query().is_some() && is_preview_door(&key::page_key(uri.path(), None, &[])) {
        return Uri::from_static(PREVIEW);
    }
    uri.clone()
}

impl RequestRecord {
    /// The record of a new request, before anything changes it.
    pub(super) fn of<B>(
        request: &http::Request<B>,
        began: Now,
        client: IpAddr,
        log: AccessLog,
    ) -> RequestRecord {
        let by_target = || request.uri().authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
        RequestRecord {
            began,
            client,
            method: request.method().clone(),
            uri: logged(request.uri()),
            host: request.headers().get(header::HOST).cloned().or_else(by_target),
            version: request.version(),
            name: None,
            site: None,
            place: None,
            served_from: ServedFrom::Error,
            cause: None,
            origin: None,
            audience: Audience::Visitor,
            log,
        }
    }

    /// It came to this site, and is none of its answers.
    pub(super) fn name(&mut self, site: &Site) {
        self.name = Some(site.config.name.clone());
    }

    /// It is a preview, or at its door: the address may have a token in it, which nobody is to read in a log.
    pub(super) fn aside(&mut self, site: &Site, door: Option<&'static str>) {
        self.name(site);
        self.audience = Audience::Preview;
        if let Some(door) = door {
            self.uri = Uri::from_static(door);
        }
    }

    /// It is one of this site's.
    pub(super) fn enter(&mut self, site: &Site) {
        self.name(site);
        self.site = Some(OfSite {
            metrics: site.metrics.clone(),
            history: site.history.clone(),
            _in_flight: site.metrics.enter(),
        });
    }

    /// Ends the request: at once if the body is at hand, otherwise with its last byte.
    fn end(self, mut response: Response<Body>) -> Response<Body> {
        let took = clock::instant() - self.began.mono;
        let status = response.status();
        if let Some(of) = &self.site {
            of.metrics.count(self.served_from, status, took, self.cause);
            of.history.answered(self.served_from, took);
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
                *response.body_mut() = body.inspected(LoggedBody { sent, status, took, lag, record: self });
            }
        }
        response
    }

    fn write(&self, status: u16, took: Duration, bytes: Option<u64>, cause: Option<Cause>) {
        if !self.log.is_on() {
            return;
        }
        self.log.write(&Line {
            at: self.began.wall,
            client: self.client,
            site: self.name.as_deref().unwrap_or("-"),
            method: self.method.as_str(),
            host: self.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or("-"),
            target: self.uri.path_and_query().map_or("/", |target| target.as_str()),
            version: match self.version {
                Version::HTTP_09 | Version::HTTP_10 => "HTTP/1.0",
                Version::HTTP_2 => "HTTP/2.0",
                _ => "HTTP/1.1",
            },
            status,
            served_from: self.served_from,
            cause,
            bytes,
            took,
            audience: self.audience,
        });
    }
}

/// The status that nginx made customary in logs for a visitor who left before there was an answer.
const LEFT: u16 = 499;

/// A request before its end. If it is dropped earlier because its visitor has left, it is counted and logged all the same.
pub(super) struct OpenRequest(Option<RequestRecord>);

impl OpenRequest {
    /// A request that has begun.
    pub(super) fn new(record: RequestRecord) -> OpenRequest {
        OpenRequest(Some(record))
    }

    /// How it ended.
    pub(super) fn end(mut self, outcome: Outcome) -> Response<Body> {
        let Outcome { response, served_from, cause, origin } = outcome;
        match self.0.take() {
            Some(record) => RequestRecord { served_from, cause, origin, ..record }.end(response),
            None => response,
        }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let Some(record) = self.0.take() else { return };
        let took = clock::instant() - record.began.mono;
        let cause = Some(Cause::VisitorGone);
        if let (Some(of), Ok(status)) = (&record.site, StatusCode::from_u16(LEFT)) {
            of.metrics.count(ServedFrom::Error, status, took, cause);
        }
        record.write(LEFT, took, Some(0), cause);
    }
}

/// Ends a request with its body's last byte.
struct LoggedBody {
    sent: u64,
    status: u16,
    took: Duration,
    lag: Lag,
    record: RequestRecord,
}

impl body::Inspector for LoggedBody {
    fn frame(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, body::Error> {
        self.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
        self.lag.give(clock::instant());
        Ok(frame)
    }

    fn pending(&mut self, _: &mut Context<'_>) -> Poll<body::Error> {
        self.lag.catch_up(clock::instant());
        Poll::Pending
    }

    fn failed(&mut self, error: body::Error) -> body::Error {
        let failure = broken(error);
        let is_origins = failure.cause.side() == Side::Origin;
        // An origin that gave up on a visitor who did not read has done nothing wrong.
        let failure = if is_origins && self.lag.has_let_wait(clock::instant()) {
            Failure::new(Cause::VisitorGone).detail("he did not read, and the origin gave up").source(failure)
        } else {
            failure
        };
        self.record.cause = Some(failure.cause);
        if let Some(origin) = &self.record.origin {
            let by = Evidence::by(self.record.uri.path(), self.record.client);
            record::broken_off(origin, &failure, by);
        }
        tracing::debug!(error = %failure, "answer broke off");
        failure.into()
    }

    fn dropped(&mut self, _: bool) {
        self.record.write(self.status, self.took, Some(self.sent), self.record.cause);
    }
}
