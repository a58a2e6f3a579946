//! How the object store's library speaks HTTP: over the same connections, names and trust as all else here.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Uri};
use http_body::Frame;
use http_body_util::BodyExt as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};

use crate::clock;
use crate::config::ready::OriginUrl;
use crate::descriptors::Use;
use crate::failure::{Cause, Failure};
use crate::http::{Body, BoxRequest};
use crate::origin::connect::connect;
use crate::origin::dns::Resolver;
use crate::origin::exchange::{AnswerBody, Connection, Unanswered};
use crate::origin::pool::Pool;

/// Bytes that the header fields of an answer may take.
const HEADER_SIZE: usize = 64 << 10;
/// How long a connection may have been idle when it is used again: stores close theirs after 20 s and more.
const REST: Duration = Duration::from_secs(15);
/// How long the store may take for the head of an answer, connecting included. A large body is sent meanwhile.
const HEAD: Duration = Duration::from_secs(30);
/// How long it may send nothing of a body.
const STALL: Duration = Duration::from_secs(20);

/// What connections to a store are made with.
#[derive(Clone)]
pub struct Tools {
    /// Names to addresses.
    pub resolver: Resolver,
    /// Trust in the certificates of servers.
    pub tls: Arc<rustls::ClientConfig>,
}

/// Makes the clients of the library; all share one pool.
#[derive(Clone)]
pub(super) struct Connector {
    tools: Tools,
    pool: Arc<Pool>,
}

impl Connector {
    pub(super) fn new(tools: Tools) -> Connector {
        Connector { tools, pool: Arc::default() }
    }

    /// Sends a request, on a connection that has rested if there is one; once more on a new one if the store has closed that.
    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let at = place_of(request.uri())?;
        let (parts, body) = request.into_parts();
        let length = body.content_length();
        let whole = body.as_bytes().cloned();
        let body = match whole {
            Some(bytes) => Body::whole(bytes),
            None => Body::stream(body.map_err(|error| Box::new(error) as crate::http::body::Error)),
        };
        let mut request: BoxRequest = Box::new(Request::from_parts(parts, body));
        prepare(&mut request, &at, length)?;
        let name: Arc<str> = format!("{}:{}", at.host, at.port).into();
        while let Some(connection) = self.pool.take(&name, REST) {
            match connection.ask(request).await {
                Ok(answered) => return Ok(self.answer(answered, name)),
                Err(Unanswered { request: Some(unsent), .. }) => request = unsent,
                Err(unanswered) => return Err(unanswered.failure),
            }
        }
        let addresses = self.tools.resolver.resolve(&at.host).await?;
        let tls = at.tls.then_some(&self.tools.tls);
        let io = connect(&at, &addresses, &at.host, tls, Use::Upkeep).await?;
        let connection = Connection::open(io, HEADER_SIZE).await?;
        let answered = connection.ask(request).await.map_err(|unanswered| unanswered.failure)?;
        Ok(self.answer(answered, name))
    }

    fn answer(
        &self,
        (answer, connection): (http::Response<hyper::body::Incoming>, Option<Connection>),
        name: Arc<str>,
    ) -> HttpResponse {
        let (parts, body) = answer.into_parts();
        let body = AnswerBody::pooled(body, connection, (&self.pool, name), STALL);
        HttpResponse::from_parts(parts, HttpResponseBody::new(Shareable(Mutex::new(body))))
    }
}

/// The library wants bodies that threads could share. None does: the lock is never taken.
struct Shareable(Mutex<AnswerBody>);

impl http_body::Body for Shareable {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let body = self.get_mut().0.get_mut().unwrap_or_else(PoisonError::into_inner);
        Pin::new(body).poll_frame(cx).map_err(error)
    }
}

/// The connection that a URI leads to.
fn place_of(uri: &Uri) -> Result<OriginUrl, Failure> {
    let malformed = || Failure::new(Cause::Malformed).detail("the URL of the store");
    let host = uri.host().ok_or_else(malformed)?;
    let tls = uri.scheme_str() == Some("https");
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(OriginUrl { tls, port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }), host })
}

/// Writes the request as a server wants it: its target alone, the host as a field, and how long its body is.
fn prepare(request: &mut BoxRequest, at: &OriginUrl, length: usize) -> Result<(), Failure> {
    let malformed = |error: http::Error| Failure::new(Cause::Malformed).source(error);
    let bare = if at.host.contains(':') { format!("[{}]", at.host) } else { at.host.clone() };
    let default = if at.tls { 443 } else { 80 };
    let authority = if at.port == default { bare } else { format!("{bare}:{}", at.port) };
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    *request.uri_mut() = Uri::builder().path_and_query(target).build().map_err(malformed)?;
    let authority = HeaderValue::from_str(&authority).map_err(|error| malformed(error.into()))?;
    let headers = request.headers_mut();
    headers.entry(HOST).or_insert(authority);
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    headers.insert(CONTENT_LENGTH, length.into());
    Ok(())
}

/// What a failure is for the library, which tries again what may be tried again.
fn error(failure: Failure) -> HttpError {
    let kind = match failure.cause {
        cause if cause == Cause::Silent || cause == Cause::BodyStalled => HttpErrorKind::Timeout,
        cause if cause == Cause::Reset || cause == Cause::BodyCut => HttpErrorKind::Interrupted,
        cause if cause == Cause::Malformed || cause == Cause::NotHttp => HttpErrorKind::Decode,
        _ => HttpErrorKind::Connect,
    };
    HttpError::new(kind, failure)
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let allowed = HEAD + Duration::from_secs(request.body().content_length() as u64 >> 18);
        let began = clock::instant();
        let asked = tokio::time::timeout(allowed, self.ask(request)).await;
        let asked = asked.unwrap_or_else(|_| {
            let waited = humantime::format_duration(clock::instant() - began).to_string();
            Err(Failure::new(Cause::Silent).detail(waited))
        });
        asked.map_err(error)
    }
}
