//! Servers with real sockets on port 0. Limits are short and real; what is awaited is the event, never a time.

mod drain;
mod http1;
mod http2;
mod limits;
mod sockets;
mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::http::{Body, BoxRequest};
use crate::tasks;

type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A handler from a closure.
#[derive(Clone)]
pub(super) struct Handler(Arc<dyn Fn(Request<Body>, Arc<Conn>) -> Answering + Send + Sync>);

impl Service for Handler {
    fn call(&self, request: BoxRequest, conn: &Arc<Conn>) -> impl Future<Output = Response<Body>> + Send {
        (self.0)(*request, Arc::clone(conn))
    }
}

pub(super) fn handler<F, R>(with: F) -> Handler
where
    F: Fn(Request<Body>, Arc<Conn>) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    Handler(Arc::new(move |request, conn| Box::pin(with(request, conn))))
}

/// Answers with method, path and the length of what came; reads the body whole.
pub(super) fn mirror() -> Handler {
    handler(|request, _| async move {
        let line = format!("{} {}", request.method(), request.uri().path());
        let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
        text(match body {
            Ok(body) => format!("{line} {}", body.len()),
            Err(error) => format!("{line} {error}"),
        })
    })
}

pub(super) fn text(text: impl Into<Bytes>) -> Response<Body> {
    Response::new(Body::whole(text))
}

pub(super) fn limits() -> Limits {
    Limits {
        connections: 100,
        connections_per_client: 100,
        header_size: 16 << 10,
        header_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(30),
        unread: 256 << 20,
        descriptors: crate::descriptors::Use::Visitor,
        exempt: Vec::new(),
    }
}

pub(super) fn loopback() -> Listener {
    bind_tcp(&["127.0.0.1:0".parse().unwrap()]).unwrap().remove(0)
}

pub(super) fn start(limits: Limits, service: impl Service) -> (Server, SocketAddr) {
    let server = Server::new(limits);
    let listener = loopback();
    let address = listener.address().unwrap();
    server.listen(listener, None, service);
    (server, address)
}

/// A raw connection with its first bytes sent.
pub(super) async fn send(address: SocketAddr, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

/// Everything until the other side closes, or resets.
pub(super) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let reading = stream.read_to_end(&mut all);
    let _ = tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the server closes");
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads up to and with `end`.
pub(super) async fn until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut all = String::new();
    while !all.ends_with(end) {
        let byte = tokio::time::timeout(Duration::from_secs(20), stream.read_u8()).await;
        match byte.expect("the answer comes") {
            Ok(byte) => all.push(char::from(byte)),
            Err(error) => panic!("{error} after {all:?}, before {end:?}"),
        }
    }
    all
}

/// Waits for a condition that another task brings about.
pub(super) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..2000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

pub(super) type H2 = hyper::client::conn::http2::SendRequest<Body>;

/// An HTTP/2 client on any stream.
pub(super) async fn http2_over(
    stream: impl AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
) -> H2 {
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (client, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tasks::detached(connection);
    client
}

pub(super) async fn http2(address: SocketAddr) -> H2 {
    http2_over(TcpStream::connect(address).await.unwrap()).await
}

pub(super) fn get(path: &str) -> Request<Body> {
    Request::get(format!("http://www.example.jp{path}")).body(Body::Empty).unwrap()
}

pub(super) async fn body_of(response: Response<hyper::body::Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}
