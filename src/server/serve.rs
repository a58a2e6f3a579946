//! One connection from its acceptance to its end: TLS, HTTP/1.1 or HTTP/2, and its requests.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio_rustls::TlsAcceptor;

use super::Shared;
use super::activity::{Activity, End};
use super::conn::{Conn, Service, TlsInfo};
use super::io::{Stream, Watched};
use super::limits::Limits;
use super::registry::Registration;
use super::seats::Seat;
use super::stream::{Flow, Piece};
use crate::clock::Now;
use crate::failure::Cause;
use crate::http::{Body, BoxRequest, body};

/// Bytes of a request's body that one HTTP/1 connection may hold, and of an answer's that it may queue.
const BUFFER: usize = 64 << 10;

/// An accepted connection with everything that it holds.
pub(super) struct Arrival {
    pub(super) stream: Stream,
    /// `None` for a Unix socket.
    pub(super) peer: Option<SocketAddr>,
    pub(super) seat: Seat,
    pub(super) registration: Registration,
    pub(super) activity: Arc<Activity>,
    pub(super) now: Now,
}

/// Serves a connection until it is over; the seat and the line on the registry are kept until the socket is closed.
pub(super) async fn connection<S: Service>(
    arrival: Arrival,
    tls: Option<Arc<rustls::ServerConfig>>,
    service: S,
    shared: Arc<Shared>,
) {
    let Arrival { stream, peer, seat, registration, activity, now } = arrival;
    let held = (seat, registration);
    {
        let mut work = pin!(open(stream, peer, now, tls, service, &activity, &shared));
        poll_fn(|cx| {
            activity.attach(cx.waker());
            if activity.end().is_some() {
                // once more, so that the io can say why if it is in a position to
                let _ = work.as_mut().poll(cx);
                return Poll::Ready(());
            }
            work.as_mut().poll(cx)
        })
        .await;
    }
    if activity.is_upgraded() {
        poll_fn(|_| if activity.is_gone() { Poll::Ready(()) } else { Poll::Pending }).await;
    }
    if let Some(reason) = activity.end() {
        tracing::debug!(?peer, reason = reason.code(), "ended a connection");
    }
    drop(held);
}

async fn open<S: Service>(
    stream: Stream,
    peer: Option<SocketAddr>,
    now: Now,
    tls: Option<Arc<rustls::ServerConfig>>,
    service: S,
    activity: &Arc<Activity>,
    shared: &Arc<Shared>,
) {
    let addresses = match (&stream, peer) {
        (Stream::Tcp(tcp), Some(peer)) => {
            let Ok(local) = tcp.local_addr() else { return };
            Some((peer, super::listener::canonical(local)))
        }
        (Stream::Tcp(_) | Stream::Tls(_) | Stream::Unix(_), _) => None,
    };
    let (stream, info) = match (stream, tls) {
        (Stream::Tcp(tcp), Some(config)) => match TlsAcceptor::from(config).accept(tcp).await {
            Ok(tls) => {
                let info = settled(tls.get_ref().1);
                (Stream::Tls(Box::new(tls)), Some(info))
            }
            Err(error) => {
                shared.counters.handshakes_failed.add();
                tracing::debug!(?peer, %error, "TLS handshake failed");
                return;
            }
        },
        (stream, _) => (stream, None),
    };
    let mut io = Watched::new(stream, Arc::clone(activity));
    let http2 = match &info {
        Some(info) => info.http2,
        None => match io.starts_with_preface().await {
            Ok(preface) => preface,
            Err(_) => return,
        },
    };
    let conn = Arc::new(Conn::accepted(addresses, info, now, Arc::clone(activity)));
    let session = Arc::new(Session {
        service,
        conn,
        http2,
        activity: Arc::clone(activity),
        shared: Arc::clone(shared),
    });
    let limits = shared.limits.load_full();
    let outcome = if http2 {
        shared.counters.http2.add();
        super::http2::serve(io, session, &limits).await.map_err(body::Error::from)
    } else {
        shared.counters.http1.add();
        activity.speaks_http1();
        serve_http1(io, session, &limits).await.map_err(body::Error::from)
    };
    if let Err(error) = outcome {
        tracing::debug!(?peer, %error, "connection ended with an error");
    }
}

fn settled(tls: &rustls::ServerConnection) -> TlsInfo {
    TlsInfo {
        sni: tls.server_name().map(|name| name.to_ascii_lowercase().into()),
        http2: tls.alpn_protocol() == Some(b"h2"),
        tls13: tls.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3),
    }
}

async fn serve_http1<S: Service>(
    io: Watched,
    session: Arc<Session<S>>,
    limits: &Limits,
) -> hyper::Result<()> {
    let activity = Arc::clone(&session.activity);
    // No header timeout of hyper's: it holds between requests too, and costs an allocation and a timer for each.
    // No limit on the number of fields other than its own 100, which it keeps on the stack.
    let conn = http1::Builder::new()
        .half_close(true)
        .header_read_timeout(None)
        .max_header_size(limits.header_size)
        .max_buf_size(BUFFER.max(limits.header_size))
        .serve_connection(
            TokioIo::new(io),
            hyper::service::service_fn(move |request| session.answer(request)),
        )
        .with_upgrades();
    let mut conn = pin!(conn);
    let mut told = false;
    poll_fn(|cx| {
        // who has not asked yet may have a request on its way: it gets its answer, and then goes
        if !told && activity.is_dismissed() && activity.has_called() {
            told = true;
            conn.as_mut().graceful_shutdown();
        }
        conn.as_mut().poll(cx)
    })
    .await
}

/// What all requests of a connection share.
pub(super) struct Session<S> {
    service: S,
    conn: Arc<Conn>,
    http2: bool,
    pub(super) activity: Arc<Activity>,
    pub(super) shared: Arc<Shared>,
}

impl<S: Service> Session<S> {
    /// HTTP/1's.
    fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<GuardedBody>, Infallible>> + Send + use<S> {
        let session = Arc::clone(self);
        let of = |body: Incoming| if body.is_end_stream() { Body::Empty } else { Body::Incoming(body) };
        let request = Box::new(request.map(of));
        async move {
            let (response, mut call) = session.carry_out(request).await;
            let is_followed = match response.body() {
                Body::Empty => false,
                Body::Whole(bytes) => bytes.is_unique(),
                Body::Incoming(_) | Body::Stream(_) => true,
            };
            if is_followed {
                call.follow(Arc::new(Flow::new(&session.shared.unread)));
            }
            Ok(response.map(|body| GuardedBody { body, call }))
        }
    }

    /// Has a request answered. The call lasts until the end of the answer.
    pub(super) async fn carry_out(&self, request: BoxRequest) -> (Response<Body>, Call) {
        let interim = !self.http2 && request.version() == Version::HTTP_11;
        let mut call =
            Call::begin(Arc::clone(&self.activity), self.http2.then(|| Arc::clone(&self.shared)), interim);
        let work = async { self.service.call(request, &self.conn).await };
        let mut response = match AssertUnwindSafe(work).catch_unwind().await {
            Ok(response) => response,
            Err(_) => {
                self.shared.counters.panics.add();
                tracing::error!(peer = %self.conn.peer, "a request panicked, answered it with 500");
                broken()
            }
        };
        if self.activity.has_interim() {
            let_out(&self.activity).await;
        }
        call.answered();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.activity.upgrade();
        } else if !self.http2 && self.activity.is_dismissed() {
            // this request came after the word to finish was given, when hyper was not yet told of it
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        (response, call)
    }
}

/// Turns of the connection that interim answers may take to go out.
const TURNS: u32 = 8;

/// Lets interim answers that came together with the answer go out before it: hyper flushes on every turn, as long as the call
/// has no answer yet. What does not go out in time is left out.
async fn let_out(activity: &Activity) {
    let mut turns = 0;
    poll_fn(|cx| {
        turns += 1;
        if turns > TURNS || !activity.has_interim() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The answer to a request whose handler panicked.
fn broken() -> Response<Body> {
    let mut response = Response::new(Body::whole(format!("{}\n", Cause::Internal.public().text().en)));
    *response.status_mut() = Cause::Internal.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One request from its call to the end of its answer, wherever that is.
pub(super) struct Call {
    activity: Arc<Activity>,
    /// Where a flood of cancelled requests is reported; only HTTP/2 can make one.
    flood: Option<Arc<Shared>>,
    /// How its answer is followed: over HTTP/2 from the beginning, its stream.
    flow: Option<Arc<Flow>>,
    answered: bool,
}

impl Call {
    fn begin(activity: Arc<Activity>, flood: Option<Arc<Shared>>, interim: bool) -> Call {
        activity.begin_call(interim);
        let own = flood.is_some().then(Flow::own).flatten();
        let mut call = Call { activity, flood, flow: None, answered: false };
        if let Some(own) = own {
            call.follow(own);
        }
        call
    }

    fn follow(&mut self, flow: Arc<Flow>) {
        self.activity.enter_stream(&flow);
        self.flow = Some(flow);
    }

    fn answered(&mut self) {
        self.answered = true;
        self.activity.answer_call();
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.activity.end_call();
        if let Some(flow) = &self.flow {
            self.activity.leave_stream(flow);
        }
        if let (false, Some(shared)) = (self.answered, &self.flood)
            && self.activity.cancel_call()
        {
            shared.registry.kill(&self.activity, End::Cancelling);
        }
    }
}

/// The next of a body. One that panics breaks its own answer off, visibly, and not the others of its connection.
pub(super) fn poll_body(
    body: &mut Body,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, body::Error>>> {
    let polled = std::panic::catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *body).poll_frame(cx)));
    polled.unwrap_or_else(|_| {
        tracing::error!("the body of an answer panicked, the answer is cut off");
        *body = Body::Empty;
        Poll::Ready(Some(Err("the body panicked".into())))
    })
}

/// An answer's body over HTTP/1, with the call that it belongs to.
struct GuardedBody {
    body: Body,
    call: Call,
}

impl http_body::Body for GuardedBody {
    type Data = Piece;
    type Error = body::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, body::Error>>> {
        let this = self.get_mut();
        let Some(flow) = &this.call.flow else {
            return poll_body(&mut this.body, cx).map_ok(|frame| frame.map_data(Piece::alone));
        };
        if flow.is_cut(cx.waker()) {
            return Poll::Ready(Some(Err("others need the memory".into())));
        }
        if !flow.may_have_more() {
            return Poll::Pending;
        }
        poll_body(&mut this.body, cx).map_ok(|frame| frame.map_data(|bytes| Piece::new(bytes, flow)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
