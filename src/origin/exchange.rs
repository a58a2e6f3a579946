//! One request and its answer on one connection to an origin.
//!
//! Whoever waits for the answer or reads its body drives the connection, not a task of its own: no hand-over between threads,
//! and nothing that outlives the visitor. Nobody drives an idle connection; it is polled for news when it is taken from the
//! pool.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::Sleep;

use super::connect::Io;
use super::pool::Pool;
use super::seats::Seat;
use crate::clock;
use crate::failure::{Cause, Failure};
use crate::http::framing::{self, After, Sent};
use crate::http::loops;
use crate::http::{Body, BoxRequest};

/// The number of header fields that an answer may have. Their total size is bounded as well, and is usually reached first.
const FIELDS: usize = 512;

type Driver = Box<http1::Connection<TokioIo<Box<dyn Io>>, Body>>;

/// An open connection, ready for a request.
pub struct Connection {
    sender: http1::SendRequest<Body>,
    driver: Driver,
    /// Whether it has answered before: then the origin may have closed it just now.
    pub reused: bool,
    /// Since when it is idle.
    pub idle_since: Option<Instant>,
    /// Whether another request may follow the one that it carries.
    after: After,
    /// How often the pool had been cleared when it was begun.
    pub(super) epoch: u64,
}

/// A request that got no answer.
pub struct Unanswered {
    /// Why.
    pub failure: Failure,
    /// The request itself if nothing of it was sent.
    pub request: Option<BoxRequest>,
    /// Whether the connection had answered before: the origin may have closed it just then.
    pub old_connection: bool,
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Unanswered {
        Unanswered { failure, request: None, old_connection: false }
    }
}

impl Unanswered {
    /// Nothing of the request was sent.
    pub fn unsent(failure: impl Into<Failure>, request: BoxRequest) -> Unanswered {
        Unanswered { failure: failure.into(), request: Some(request), old_connection: false }
    }
}

impl Connection {
    /// Speaks HTTP/1.1 on `io`. An answer's header fields may take `header_size` bytes. Lines that are not fields are skipped, as
    /// in browsers: a PHP warning there is no reason to withhold a page. A folded line becomes one line (RFC 9112 section 5.2),
    /// and a space before the colon is removed (section 5.1), so that neither can hide a length.
    ///
    /// # Errors
    /// [`Cause::NotHttp`], should hyper refuse the settings.
    pub async fn open(io: Box<dyn Io>, header_size: usize) -> Result<Connection, Failure> {
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(header_size.max(8192) + 64 * 1024)
            // Nearly all requests are one piece, their head. For the few with a body, copying costs less than the 64
            // vectors that hyper lays out for each write.
            .writev(false)
            .max_headers(FIELDS)
            .ignore_invalid_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|e| Failure::new(Cause::NotHttp).source(e))?;
        let driver = Box::new(driver);
        Ok(Connection { sender, driver, reused: false, idle_since: None, after: After::Rest, epoch: 0 })
    }

    /// Whether the connection can take a request: asks for news from the peer without waiting.
    pub fn is_open(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(&mut self.driver).poll(&mut cx).is_pending() && self.sender.is_ready()
    }

    /// Sends the request and waits for the answer's header fields. The connection comes back with the answer, whose body needs it,
    /// unless the origin closed it at once. The answer states its length truly, and once.
    ///
    /// # Errors
    /// See [`Unanswered`]; [`Cause::NotHttp`] also for an unrequested change of protocol, and for an answer whose length cannot be
    /// determined. The caller ends too long a wait by dropping this.
    pub async fn ask(
        self,
        request: BoxRequest,
    ) -> Result<(Response<Incoming>, Option<Connection>), Unanswered> {
        let Connection { mut sender, driver, reused, epoch, .. } = self;
        let mut after = framing::after(request.method(), sent(request.body()));
        let mut answer = std::pin::pin!(sender.try_send_request(*request));
        let mut driver = Some(driver);
        let result = std::future::poll_fn(|cx| {
            if driver.as_mut().is_some_and(|running| Pin::new(running).poll(cx).is_ready()) {
                driver = None; // with it goes the queue: what was not answered ends with the error
            }
            // The answer comes from the driver, which was just asked: woken for it, we would be polled for nothing.
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await;
        match result {
            Ok(mut answer) => {
                if let After::Close = settled(&mut answer)? {
                    after = After::Close;
                }
                let rest = driver.map(|driver| Connection {
                    sender,
                    driver,
                    reused: true,
                    idle_since: None,
                    after,
                    epoch,
                });
                Ok((answer, rest))
            }
            Err(error) => Err(Unanswered { old_connection: reused, ..unanswered(error) }),
        }
    }

    /// The same for a request to switch protocols: the connection goes to a task of its own, which the raw bytes flow
    /// through afterwards.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub async fn ask_upgrade(mut self, request: BoxRequest) -> Result<Response<Incoming>, Unanswered> {
        let answer = self.sender.try_send_request(*request);
        crate::tasks::detached((*self.driver).with_upgrades());
        answer.await.map_err(unanswered)
    }
}

/// How a request states the length of its body.
fn sent(body: &Body) -> Sent {
    if matches!(body, Body::Empty) {
        return Sent::Nothing;
    }
    if body.size_hint().exact().is_some() { Sent::Length } else { Sent::Chunks }
}

/// Corrects what an answer states about its length.
fn settled(answer: &mut Response<Incoming>) -> Result<After, Failure> {
    let not_http = |why: &str| Failure::new(Cause::NotHttp).detail(why.to_owned());
    let status = answer.status();
    if loops::is_loop(status, answer.headers()) {
        return Err(Cause::Loop.into());
    }
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(not_http("a change of protocol that nobody asked for"));
    }
    framing::settle(status, answer.headers_mut()).map_err(not_http)
}

fn unanswered(mut error: hyper::client::conn::TrySendError<Request<Body>>) -> Unanswered {
    let request = error.take_message().map(Box::new);
    Unanswered { failure: failure_of(error.into_error()), request, old_connection: false }
}

/// What a hyper error means for the site. A failure of our own request body comes back unchanged.
fn failure_of(error: hyper::Error) -> Failure {
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        if let Some(own) = inner.downcast_ref::<Failure>() {
            return Failure::new(own.cause).source(error);
        }
        source = inner.source();
    }
    let cause = if error.is_parse() { Cause::NotHttp } else { Cause::Reset };
    Failure::new(cause).source(error)
}

/// The body of an origin's answer: drives its connection, and takes it back to the pool at the end. Ends in an error
/// when the origin breaks off, or sends nothing for `stall` while somebody waits.
pub struct AnswerBody {
    incoming: Incoming,
    connection: Option<Connection>,
    pool: Weak<Pool>,
    /// Which connections of the pool are alike (the server name of the TLS handshake).
    name: Arc<str>,
    stall: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Since when it waits for the visitor; `None` while it waits for the origin.
    behind: Option<Instant>,
    seat: Option<Seat>,
}

impl AnswerBody {
    /// The body of an answer that came over `connection`. `seat` is given back when the body ends.
    pub(super) fn new(
        incoming: Incoming,
        connection: Option<Connection>,
        (pool, name): (&Arc<Pool>, Arc<str>),
        stall: Duration,
        seat: Seat,
    ) -> AnswerBody {
        let pool = Arc::downgrade(pool);
        let seat = Some(seat);
        let mut body =
            AnswerBody { incoming, connection, pool, name, stall, timer: None, behind: None, seat };
        body.wait_for_visitor(); // he may never ask for any of it
        body
    }

    /// The body of an answer whose connection is not kept.
    pub fn read_once(incoming: Incoming, connection: Option<Connection>, stall: Duration) -> AnswerBody {
        AnswerBody::pooled(incoming, connection, (&Arc::default(), "".into()), stall)
    }

    /// The body of an answer that takes no seat: its connection goes to the pool.
    pub fn pooled(
        incoming: Incoming,
        connection: Option<Connection>,
        (pool, name): (&Arc<Pool>, Arc<str>),
        stall: Duration,
    ) -> AnswerBody {
        let pool = Arc::downgrade(pool);
        AnswerBody { incoming, connection, pool, name, stall, timer: None, behind: None, seat: None }
    }

    /// Takes the connection back to the pool if it is whole and at rest, and may carry another request.
    fn release(&mut self) {
        let Some(mut connection) = self.connection.take().filter(|c| c.after == After::Rest) else { return };
        if (connection.sender.is_ready() || connection.is_open())
            && let Some(pool) = self.pool.upgrade()
        {
            pool.put(&self.name, connection);
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(connection) = self.connection.as_mut() else {
            return Pin::new(&mut self.incoming).poll_frame(cx);
        };
        // What comes, comes from the driver, which is asked here: woken for it, we would be polled for nothing.
        let mut unwoken = Context::from_waker(Waker::noop());
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(&mut unwoken) {
            return Poll::Ready(frame);
        }
        if Pin::new(&mut connection.driver).poll(cx).is_ready() {
            self.connection = None; // closed; what it has read is still in the channel
        }
        Pin::new(&mut self.incoming).poll_frame(&mut unwoken)
    }

    /// There are bytes for the visitor. From now until the next wait for the origin, the answer waits for the visitor.
    fn wait_for_visitor(&mut self) {
        if self.behind.is_none() && !self.incoming.is_end_stream() {
            let now = clock::instant();
            self.behind = Some(now);
            if let Some(seat) = &mut self.seat {
                seat.wait_for_visitor(now);
            }
        }
    }

    fn wait_for_origin(&mut self) {
        if self.behind.take().is_some()
            && let Some(seat) = &mut self.seat
        {
            seat.wait_for_origin();
        }
    }

    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stall = self.stall;
        self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall))).as_mut().poll(cx)
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let this = self.get_mut();
        match this.poll_incoming(cx) {
            Poll::Pending => {
                this.wait_for_origin();
                match this.poll_stall(cx) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(()) => {
                        this.connection = None;
                        Poll::Ready(Some(Err(Failure::new(Cause::BodyStalled))))
                    }
                }
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.timer = None;
                this.wait_for_visitor();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.connection = None;
                Poll::Ready(Some(Err(Failure::new(Cause::BodyCut).source(error))))
            }
            Poll::Ready(None) => {
                this.release();
                this.seat = None;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for AnswerBody {
    /// A reader that knows the length stops at the last byte, without asking for the end.
    fn drop(&mut self) {
        if self.incoming.is_end_stream() {
            self.release();
        }
    }
}
