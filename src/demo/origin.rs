//! A real HTTP origin on loopback for the sample shop. Stopping it closes its listener and breaks its connections,
//! as the death of a server does; its port stays its own, so that it can be started again at the same address.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, IF_NONE_MATCH};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;

use super::site::{self, When};
use crate::http::Body;
use crate::{clock, tasks};

/// Connections at once; more wait in the listener's queue.
const CONNECTIONS: usize = 256;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long a form may be, in bytes.
const FORM_BYTES: usize = 64 * 1024;
/// From the first byte of a request to the end of its header fields.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed accept (no file descriptors left), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The origin. Cheap to clone; it ends with the last handle.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    addr: SocketAddr,
    counts: Arc<Counts>,
    state: Mutex<State>,
    /// One start or stop at a time; held across awaits, unlike `state`.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Counts {
    served: AtomicU64,
    signups: AtomicU64,
}

#[derive(Debug)]
enum State {
    Running(Running),
    /// The socket keeps the port without listening on it: connections are refused, and nobody else can take it.
    /// `None` while it changes hands, and if the port could not be held.
    Stopped(Option<TcpSocket>),
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
    _task: tasks::Guard,
}

impl Handle {
    /// Binds a free port on 127.0.0.1 and starts to serve.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn launch() -> io::Result<Handle> {
        let socket = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let addr = socket.local_addr()?;
        let shared = Shared {
            addr,
            counts: Arc::default(),
            state: Mutex::new(State::Stopped(Some(socket))),
            turn: tokio::sync::Mutex::new(()),
        };
        let handle = Handle { shared: Arc::new(shared) };
        handle.start().await?;
        Ok(handle)
    }

    /// Where it listens, now or when it is started again.
    pub fn addr(&self) -> SocketAddr {
        self.shared.addr
    }

    /// Whether it takes connections.
    pub fn running(&self) -> bool {
        matches!(*self.state(), State::Running(_))
    }

    /// Requests served since it was launched, over all starts.
    pub fn served(&self) -> u64 {
        self.shared.counts.served.load(Ordering::Relaxed)
    }

    /// Sign-ups taken since it was launched.
    pub fn signups(&self) -> u64 {
        self.shared.counts.signups.load(Ordering::Relaxed)
    }

    /// Closes the listener and breaks every connection. When it returns, connections are refused. Without effect
    /// if it is stopped already.
    pub async fn stop(&self) {
        let _turn = self.shared.turn.lock().await;
        if !self.running() {
            return;
        }
        let before = std::mem::replace(&mut *self.state(), State::Stopped(None));
        let State::Running(running) = before else { return };
        // Both fail only if the task is gone already, with all its sockets.
        let _ = running.stop.send(());
        let _ = running.ended.await;
        match bound(self.shared.addr) {
            Ok(socket) => *self.state() = State::Stopped(Some(socket)),
            Err(error) => tracing::warn!(%error, "the sample origin's port could not be held"),
        }
    }

    /// Listens again at the same address. Without effect if it is running.
    ///
    /// # Errors
    /// If the port was lost to somebody else in the meantime.
    pub async fn start(&self) -> io::Result<()> {
        let _turn = self.shared.turn.lock().await;
        let held = match &mut *self.state() {
            State::Running(_) => return Ok(()),
            State::Stopped(held) => held.take(),
        };
        let listener = listening(held.map_or_else(|| bound(self.shared.addr), Ok)?)?;
        let (stop, stopped) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        let counts = Arc::clone(&self.shared.counts);
        let since = clock::now().wall;
        let task = tasks::guarded(async move {
            tokio::select! {
                () = serve(listener, &counts, since) => {}
                _ = stopped => {}
            }
            // Listener and connections are closed by now: `select!` has dropped what it did not finish.
            let _ = ending.send(());
        });
        *self.state() = State::Running(Running { stop, ended, _task: task });
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that holds `addr` without listening. Connections that were broken a moment ago must not keep us from our
/// own port, so it is bound for reuse; held, it is not for reuse, so that nobody else takes it (bind(2) on Linux
/// asks both sides).
fn bound(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.set_reuseaddr(false)?;
    Ok(socket)
}

/// Makes a held socket listen. Its connections inherit the reuse without which [`bound`] would have to wait for them.
fn listening(socket: TcpSocket) -> io::Result<TcpListener> {
    socket.set_reuseaddr(true)?;
    socket.listen(BACKLOG)
}

/// Accepts and serves in one task, so that dropping it drops every socket at once.
async fn serve(listener: TcpListener, counts: &Counts, since: SystemTime) {
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => connections.push(connection(stream, counts, since)),
                Err(error) => {
                    tracing::debug!(%error, "the sample origin could not accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(()) = connections.next() => {}
        }
    }
}

async fn connection(stream: TcpStream, counts: &Counts, since: SystemTime) {
    let service = service_fn(|request| async move {
        Ok::<_, std::convert::Infallible>(answer(request, counts, since).await)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the sample origin failed");
    }
}

async fn answer(request: http::Request<Incoming>, counts: &Counts, since: SystemTime) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, FORM_BYTES).collect().await else {
        let mut refused = Response::new(Body::Empty);
        *refused.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return refused;
    };
    let body = body.to_bytes();
    let field = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let ask = site::Request {
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query(),
        host: field(HOST),
        if_none_match: field(IF_NONE_MATCH),
        body: &body,
    };
    let mut response = site::answer(&ask, When { now: clock::now().wall, since });
    response.headers_mut().insert(http::header::SERVER, HeaderValue::from_static("asanagi"));
    counts.served.fetch_add(1, Ordering::Relaxed);
    if head.method == Method::POST && response.status() == StatusCode::SEE_OTHER {
        counts.signups.fetch_add(1, Ordering::Relaxed);
    }
    debug_assert!(response.headers().get(CONTENT_LENGTH).is_none(), "hyper knows the length");
    debug_assert!(response.status() != StatusCode::OK || response.headers().contains_key(CONTENT_TYPE));
    response
}
