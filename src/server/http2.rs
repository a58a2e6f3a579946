//! HTTP/2, on the `h2` crate: hyper's server cannot send interim answers over it, and asks bodies for bytes that their
//! visitor has no room for.
//!
//! A stream that is not answered at once has a task of its own, which ends with its connection. An answer's body is asked only after its visitor
//! has made room for at least a byte: one who opens no window costs his stream and nothing of the page.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};

use super::conn::Service;
use super::io::Watched;
use super::limits::Limits;
use super::serve::{self, Session};
use super::stream::{Flow, OWN, Piece};
use crate::clock;
use crate::http::{Body, BoxRequest, control, headers};
use crate::tasks;

/// Requests at once on one connection.
const STREAMS: u32 = 128;
/// What a client may send ahead on one stream, and on all of a connection's together.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// A stream's body is asked for more while less of it than this is queued.
const SEND_BUFFER: usize = 32 << 10;
/// A cached answer that is at most this long is handed over, and nobody waits until it has been written.
const AT_ONCE: usize = 16 << 10;

/// Serves a connection until it is over.
pub(super) async fn serve<S: Service>(
    io: Watched,
    session: Arc<Session<S>>,
    limits: &Limits,
) -> Result<(), h2::Error> {
    let activity = Arc::clone(&session.activity);
    // No pings: a peer that is gone is found by TCP, and one that only answers pings is not worth its seat. What h2
    // bounds by itself (resets, frames without content) stays as it is there.
    let handshake = Builder::new()
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.header_size).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .handshake(io);
    let mut connection = handshake.await?;
    let mut told = false;
    poll_fn(|cx| {
        if !told && activity.is_dismissed() {
            told = true;
            connection.graceful_shutdown();
        }
        loop {
            match ready!(connection.poll_accept(cx)) {
                Some(Ok((request, respond))) => begin(&session, request, respond, cx),
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
    })
    .await
}

/// Answers a request at once, if its answer is at hand; otherwise in a task of its own. A task for each answer costs more than a
/// hit does, and another thread may take it and wait for this one.
fn begin<S: Service>(
    session: &Arc<Session<S>>,
    request: Request<RecvStream>,
    respond: SendResponse<Piece>,
    cx: &mut Context<'_>,
) {
    let own = Arc::new(Flow::new(&session.shared.unread));
    let work = exchange(Arc::clone(session), Arc::clone(&own), request, respond);
    let mut work = Box::pin(OWN.scope(own, work));
    if work.as_mut().poll(cx).is_pending() {
        tasks::detached(work); // which polls it again, and is woken from then on
    }
}

/// One request and its answer.
async fn exchange<S: Service>(
    session: Arc<Session<S>>,
    own: Arc<Flow>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Piece>,
) {
    let head_only = *request.method() == Method::HEAD;
    let answered = {
        let mut work = pin!(session.carry_out(received(request, &own)));
        poll_fn(|cx| {
            if own.is_cut(cx.waker()) {
                respond.send_reset(Reason::CANCEL);
                return Poll::Ready(None);
            }
            send_interim(&own, &mut respond, cx);
            if let Poll::Ready(answered) = work.as_mut().poll(cx) {
                send_interim(&own, &mut respond, cx);
                return Poll::Ready(Some(answered));
            }
            // the client has cancelled it, or is gone
            if respond.poll_reset(cx).is_ready() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    };
    let Some((mut response, call)) = answered else { return };
    own.answer();
    strip_body(head_only, &mut response);
    let (head, body) = response.into_parts();
    let mut head = Response::from_parts(head, ());
    complete(head.headers_mut(), &body);
    let left = length(head.headers());
    match respond.send_response(head, body.is_end_stream()) {
        Err(error) => {
            tracing::debug!(%error, "an answer could not be sent");
            respond.send_reset(Reason::INTERNAL_ERROR);
        }
        Ok(_) if body.is_end_stream() => {}
        Ok(sender) => Answering::new(sender, body, left, &own).await,
    }
    drop(call);
}

/// The request as handlers know it.
fn received(request: Request<RecvStream>, own: &Arc<Flow>) -> BoxRequest {
    let (parts, stream) = request.into_parts();
    // CONNECT has no body but a tunnel, and nobody here makes one
    if stream.is_end_stream() || parts.method == Method::CONNECT {
        return Box::new(Request::from_parts(parts, Body::Empty));
    }
    let left = length(&parts.headers);
    let expects = parts.headers.get(header::EXPECT);
    let expects = expects.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let upload = Upload { stream, left, data_over: false, expecting: expects.then(|| Arc::clone(own)) };
    Box::new(Request::from_parts(parts, Body::stream(upload)))
}

fn length(fields: &HeaderMap) -> Option<u64> {
    fields.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Sends what waits ahead of the answer. Not on a stream that is over, which h2 would do.
fn send_interim(own: &Flow, respond: &mut SendResponse<Piece>, cx: &mut Context<'_>) {
    for (status, headers) in own.take_interim() {
        let mut interim = Response::new(());
        *interim.status_mut() = status;
        *interim.headers_mut() = headers;
        if respond.poll_reset(cx).is_pending()
            && let Err(error) = respond.send_informational(interim)
        {
            tracing::debug!(%error, "an interim answer could not be sent");
        }
    }
}

/// Leaves the body out where HTTP forbids one. hyper does so over HTTP/1.
fn strip_body(head_only: bool, response: &mut Response<Body>) {
    let status = response.status();
    let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    if !head_only && !bodiless {
        return;
    }
    let body = std::mem::replace(response.body_mut(), Body::Empty);
    if let (true, false, Some(length @ 1..)) = (head_only, bodiless, body.size_hint().exact()) {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
}

/// Adds the fields that an answer has to have, and removes those that it must not have (RFC 9113 section 8.2.2).
fn complete(fields: &mut HeaderMap, body: &Body) {
    headers::strip_hop_by_hop(fields);
    fields.remove(header::TE);
    fields.entry(header::DATE).or_insert_with(date);
    if let (false, Some(length)) = (body.is_end_stream(), body.size_hint().exact()) {
        fields.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
}

/// The date, written once a second.
fn date() -> HeaderValue {
    thread_local! {
        static WRITTEN: RefCell<(u64, HeaderValue)> = const { RefCell::new((0, HeaderValue::from_static(""))) };
    }
    let now = clock::now();
    WRITTEN.with_borrow_mut(|written| {
        if written.0 != now.unix() {
            *written = (now.unix(), control::date_field(now.wall));
        }
        written.1.clone()
    })
}

/// What a client sends with its request.
struct Upload {
    stream: RecvStream,
    /// What is left of the length that it said.
    left: Option<u64>,
    data_over: bool,
    /// The stream of a client that waits for 100 (Continue) before it sends anything (RFC 9110 section 10.1.1).
    expecting: Option<Arc<Flow>>,
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let this = self.get_mut();
        // RFC 9113 section 8.1: a reset with NO_ERROR stops a body and does not spoil it
        let failed = |error: h2::Error| match error.reason() {
            Some(Reason::NO_ERROR) => Poll::Ready(None),
            Some(_) | None => Poll::Ready(Some(Err(error))),
        };
        if !this.data_over {
            let polled = this.stream.poll_data(cx);
            let expecting = this.expecting.take();
            if let (Poll::Pending, Some(own)) = (&polled, expecting) {
                own.queue_interim(StatusCode::CONTINUE, &HeaderMap::new(), usize::MAX);
            }
            match ready!(polled) {
                Some(Ok(bytes)) => {
                    // handlers read what they have a use for: what was read makes room
                    let _ = this.stream.flow_control().release_capacity(bytes.len());
                    this.left = this.left.map(|left| left.saturating_sub(bytes.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Err(error)) => return failed(error),
                None => this.data_over = true,
            }
        }
        match ready!(this.stream.poll_trailers(cx)) {
            Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
            Err(error) => failed(error),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// What an answer waits for.
#[derive(Clone, Copy)]
enum Step {
    /// That the visitor makes room for more.
    Room,
    /// That the body has more.
    More,
    /// That what was handed over has been written.
    Written,
}

/// Sends a body as fast as its visitor takes it.
struct Answering {
    sender: SendStream<Piece>,
    body: Body,
    own: Arc<Flow>,
    step: Step,
    /// What the body gave, for which there is no room yet.
    held: Option<Piece>,
    /// What is left of the body, if it is known. At its end no room is needed.
    left: Option<u64>,
    /// Whether the end is waited for.
    is_watched: bool,
}

impl Answering {
    fn new(mut sender: SendStream<Piece>, body: Body, left: Option<u64>, own: &Arc<Flow>) -> Answering {
        sender.reserve_capacity(1);
        let (held, body, is_watched) = match body {
            Body::Whole(bytes) if bytes.is_unique() => (Some(Piece::new(bytes, own)), Body::Empty, true),
            Body::Whole(bytes) => {
                let is_long = bytes.len() > AT_ONCE;
                (Some(Piece::shared(bytes, own)), Body::Empty, is_long)
            }
            Body::Empty | Body::Incoming(_) | Body::Stream(_) => (None, body, true),
        };
        Answering { sender, body, own: Arc::clone(own), step: Step::Room, held, left, is_watched }
    }

    /// Ready when there is room for a byte; with an error if there never will be.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        while self.sender.capacity() == 0 {
            self.own.wait();
            match ready!(self.sender.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(())),
            }
        }
        // what it holds already goes out, and more comes when that has gone
        if self.held.is_none() && !self.own.may_have_more() {
            return Poll::Pending;
        }
        self.own.go_on();
        Poll::Ready(Ok(()))
    }

    /// Takes what the body gives; with an error if the stream is over.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        let Poll::Ready(frame) = serve::poll_body(&mut self.body, cx) else {
            // room that is not used now is somebody else's: some clients make more only when all of it is used
            self.sender.reserve_capacity(0);
            return match self.sender.poll_reset(cx) {
                Poll::Ready(reason) => Poll::Ready(Err(reason?.into())),
                Poll::Pending => Poll::Pending,
            };
        };
        match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(bytes))) if bytes.is_empty() => {}
            Some(Ok(Ok(bytes))) => {
                self.left = self.left.map(|left| left.saturating_sub(bytes.len() as u64));
                self.held = Some(Piece::new(bytes, &self.own));
                self.sender.reserve_capacity(1);
                self.step = Step::Room;
            }
            Some(Ok(Err(frame))) => {
                self.sender.reserve_capacity(0);
                self.sender.send_trailers(frame.into_trailers().unwrap_or_default())?;
                self.step = Step::Written;
            }
            None => {
                self.sender.send_data(Piece::alone(Bytes::new()), true)?;
                self.step = Step::Written;
            }
            Some(Err(_)) => {
                self.sender.send_reset(Reason::INTERNAL_ERROR);
                return Poll::Ready(Err(Reason::INTERNAL_ERROR.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn give(&mut self, piece: Piece) -> Result<(), h2::Error> {
        let ends = self.body.is_end_stream();
        self.sender.send_data(piece, ends)?;
        if ends {
            self.step = Step::Written;
        } else {
            self.sender.reserve_capacity(1);
        }
        Ok(())
    }
}

impl Future for Answering {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.own.is_cut(cx.waker()) {
            this.sender.send_reset(Reason::CANCEL);
            return Poll::Ready(());
        }
        loop {
            let went_on = match this.step {
                Step::Room if this.held.is_none() && this.left == Some(0) => {
                    this.step = Step::More;
                    Ok(())
                }
                Step::Room => match ready!(this.poll_room(cx)) {
                    Ok(()) => match this.held.take() {
                        Some(piece) => this.give(piece),
                        None => {
                            this.step = Step::More;
                            Ok(())
                        }
                    },
                    Err(()) => return Poll::Ready(()),
                },
                Step::More => ready!(this.poll_more(cx)),
                Step::Written if !this.is_watched || this.own.flush() => return Poll::Ready(()),
                Step::Written => return Poll::Pending,
            };
            if let Err(error) = went_on {
                tracing::debug!(%error, "an answer could not be sent to its end");
                return Poll::Ready(());
            }
        }
    }
}
