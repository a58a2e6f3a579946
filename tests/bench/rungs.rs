//! The lower rungs of the ladder: what a server costs that does nothing but answer, and a proxy that does nothing but pass on.
//! Each runs in a process of its own, with a thread for each processor.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Command;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{Either, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::Builder;

/// What the argument of a process that is a rung begins with.
const RUNG: &str = "rung-";
/// Where a rung listens, and where its origin is.
const AT: &str = "KATAHAI_BENCH_AT";
/// Bytes of a rung's own answer.
const SIZE: usize = 8 << 10;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub enum Rung {
    /// A bare epoll loop with one fixed answer: what the kernel and the load alone cost.
    Epoll,
    /// hyper's server with the same.
    Hyper,
    /// hyper's server and hyper-util's client, on one runtime with a thread for each processor.
    Shared,
    /// The same, with a runtime, a listener and a client for each processor.
    PerCore,
}

impl Rung {
    const ALL: [Rung; 4] = [Rung::Epoll, Rung::Hyper, Rung::Shared, Rung::PerCore];

    /// Its row in a table.
    pub fn name(self) -> &'static str {
        match self {
            Rung::Epoll => "epoll loop, fixed answer",
            Rung::Hyper => "hyper, fixed answer",
            Rung::Shared => "bare proxy, one runtime",
            Rung::PerCore => "bare proxy, a runtime per core",
        }
    }

    fn code(self) -> &'static str {
        match self {
            Rung::Epoll => "epoll",
            Rung::Hyper => "hyper",
            Rung::Shared => "shared",
            Rung::PerCore => "per-core",
        }
    }

    /// The command that runs it.
    pub fn command(self, listen: SocketAddr, origin: SocketAddr) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--bench", &format!("{RUNG}{}", self.code())]).env(AT, format!("{listen} {origin}"));
        command
    }

    fn run(self, listen: SocketAddr, origin: SocketAddr) {
        match self {
            Rung::Epoll => on_every_core(|| epoll(listen)),
            Rung::Hyper => shared(listen, None),
            Rung::Shared => shared(listen, Some(origin)),
            Rung::PerCore => on_every_core(|| {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(tokio::task::LocalSet::new().run_until(serve(listen, Some(origin), true)));
            }),
        }
    }
}

/// Runs the rung that this process was started as, without an end; returns if it is none.
pub fn run(part: &str) {
    let Some(code) = part.strip_prefix(RUNG) else { return };
    let rung = Rung::ALL.into_iter().find(|rung| rung.code() == code).unwrap();
    let at = std::env::var(AT).unwrap();
    let (listen, origin) = at.split_once(' ').unwrap();
    rung.run(listen.parse().unwrap(), origin.parse().unwrap());
}

fn on_every_core(work: impl Fn() + Sync) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| _ = scope.spawn(&work)));
}

/// Listeners of this address share its connections.
fn listener(at: SocketAddr) -> std::net::TcpListener {
    let socket = socket2::Socket::new(socket2::Domain::for_address(at), socket2::Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.bind(&at.into()).unwrap();
    socket.listen(1024).unwrap();
    socket.into()
}

/// Requests are not read but for their ends: the load sends each in one piece.
fn epoll(listen: SocketAddr) {
    let body = "x".repeat(SIZE);
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {SIZE}\r\n\r\n{body}")
            .into_bytes();
    let mut listener = mio::net::TcpListener::from_std(listener(listen));
    let (mut poll, mut events) = (mio::Poll::new().unwrap(), mio::Events::with_capacity(256));
    let mut streams: Vec<Option<mio::net::TcpStream>> = vec![None];
    poll.registry().register(&mut listener, mio::Token(0), mio::Interest::READABLE).unwrap();
    loop {
        poll.poll(&mut events, None).unwrap();
        for event in &events {
            if event.token().0 == 0 {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true).unwrap();
                    let token = mio::Token(streams.len());
                    poll.registry().register(&mut stream, token, mio::Interest::READABLE).unwrap();
                    streams.push(Some(stream));
                }
                continue;
            }
            let place = &mut streams[event.token().0];
            let Some(stream) = place else { continue };
            let mut read = [0; 4096];
            loop {
                match stream.read(&mut read) {
                    Ok(0) => break *place = None,
                    // an answer of this size fits into the socket's buffer, or its reader has gone
                    Ok(_) if stream.write_all(&answer).is_err() => break *place = None,
                    Ok(count) if count < read.len() => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(_) => break *place = None,
                }
            }
        }
    }
}

fn shared(listen: SocketAddr, origin: Option<SocketAddr>) {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(serve(listen, origin, false));
}

type Answer = Response<Either<Incoming, Full<Bytes>>>;

/// Serves HTTP/1.1: passes on to the origin, or gives a fixed answer without one.
async fn serve(listen: SocketAddr, origin: Option<SocketAddr>, local: bool) {
    let listener = tokio::net::TcpListener::from_std(listener(listen)).unwrap();
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(HttpConnector::new());
    let body = Bytes::from("x".repeat(SIZE));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (client, body) = (client.clone(), body.clone());
        let service = service_fn(move |request| {
            let (client, body) = (client.clone(), body.clone());
            async move {
                Ok::<_, Infallible>(match origin {
                    Some(origin) => pass_on(&client, request, origin).await,
                    None => Response::new(Either::Right(Full::new(body))),
                })
            }
        });
        let connection =
            async move { _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await };
        if local { _ = tokio::task::spawn_local(connection) } else { _ = tokio::spawn(connection) }
    }
}

/// As little as a proxy must do: the origin's address, a host, a `Via`.
async fn pass_on(
    client: &Client<HttpConnector, Empty<Bytes>>,
    request: Request<Incoming>,
    origin: SocketAddr,
) -> Answer {
    let (mut parts, _) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = Uri::try_from(format!("http://{origin}{path}")).unwrap();
    parts.headers.append(header::VIA, HeaderValue::from_static("1.1 bare"));
    let mut answer = client.request(Request::from_parts(parts, Empty::new())).await.unwrap();
    answer.headers_mut().append(header::VIA, HeaderValue::from_static("1.1 bare"));
    answer.map(Either::Left)
}
