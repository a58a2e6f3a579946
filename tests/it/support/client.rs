//! A visitor: HTTP/1.1 or HTTP/2, plain or TLS, one connection a request unless a session is asked for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::wait::secs;

/// How long a body that is larger than memory may take.
const LONG: Duration = Duration::from_secs(120);

/// What a visitor got.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub version: http::Version,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
    /// Why the body ended before its end.
    pub broken: Option<String>,
    /// From the start of the connection to the last byte.
    pub took: Duration,
}

impl Answer {
    /// A field's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a field that is text"))
    }

    /// `Cache-Status`, or an empty text.
    pub fn cache_status(&self) -> &str {
        self.header("cache-status").unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the answer came whole from a snapshot.
    pub fn is_from_snapshot(&self) -> bool {
        self.cache_status().contains("detail=snapshot") && self.headers.contains_key("memento-datetime")
    }

    /// Whether it is a copy: of a snapshot, or an answer of the live site that was kept.
    pub fn is_copy(&self) -> bool {
        self.is_from_snapshot() || self.cache_status().contains("detail=stale")
    }

    /// Fails unless it is this page, whole.
    #[track_caller]
    pub fn must_be(&self, expected: &[u8]) {
        assert_eq!(self.status, 200, "{:?}\n{}", self.headers, self.text());
        assert_eq!(self.broken, None, "{:?}", self.headers);
        assert!(
            self.body == expected,
            "{} bytes instead of {}: {:?}\n{:.300}",
            self.body.len(),
            expected.len(),
            self.headers,
            self.text()
        );
    }

    /// Fails unless it is the holding page.
    #[track_caller]
    pub fn must_be_holding_page(&self) {
        assert_eq!(self.status, 503, "{:?}\n{}", self.headers, self.text());
        let wait: u64 = self.header("retry-after").expect("Retry-After").parse().expect("seconds");
        assert!((1..=3600).contains(&wait), "Retry-After: {wait}");
        assert!(self.header("cache-control").is_some_and(|c| c.contains("no-store")), "{:?}", self.headers);
        assert_eq!(self.broken, None);
    }
}

/// Where and how a visitor asks.
#[derive(Clone)]
pub struct Client {
    addr: SocketAddr,
    host: String,
    tls: Option<Arc<rustls::ClientConfig>>,
    h2: bool,
    patience: Duration,
}

impl Client {
    /// HTTP/1.1 without TLS; names `www.example.test` as the host.
    pub fn new(addr: SocketAddr) -> Client {
        Client { addr, host: "www.example.test".into(), tls: None, h2: false, patience: secs(30) }
    }

    /// For another host.
    #[must_use]
    pub fn host(&self, host: &str) -> Client {
        Client { host: host.into(), ..self.clone() }
    }

    /// By HTTP/2: with prior knowledge on plain connections, by ALPN on TLS.
    #[must_use]
    pub fn h2(&self) -> Client {
        let mut client = Client { h2: true, ..self.clone() };
        if let Some(tls) = &mut client.tls {
            Arc::make_mut(tls).alpn_protocols = vec![b"h2".to_vec()];
        }
        client
    }

    /// Over TLS, trusting these authorities.
    #[must_use]
    pub fn tls(&self, roots: rustls::RootCertStore) -> Client {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mut config = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![if self.h2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        Client { tls: Some(Arc::new(config)), ..self.clone() }
    }

    /// How long to wait for a whole answer.
    #[must_use]
    pub fn patience(&self, patience: Duration) -> Client {
        Client { patience, ..self.clone() }
    }

    /// A request to be filled in.
    pub fn ask(&self, method: &str, target: &str) -> http::request::Builder {
        let request = Request::builder().method(method);
        if self.h2 {
            let scheme = if self.tls.is_some() { "https" } else { "http" };
            request.uri(format!("{scheme}://{}{target}", self.host))
        } else {
            request.uri(target).header("host", &self.host)
        }
    }

    /// GET, which must get an answer of whatever status.
    pub async fn get(&self, target: &str) -> Answer {
        self.get_with(target, &[]).await
    }

    /// GET with more header fields.
    pub async fn get_with(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.ask("GET", target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.send(request.body(Full::default()).unwrap()).await;
        answer.unwrap_or_else(|e| panic!("GET {target}: {e}"))
    }

    /// POST of a form.
    pub async fn post(&self, target: &str, body: &str) -> Answer {
        let request = self.ask("POST", target).header("content-type", "application/x-www-form-urlencoded");
        let request = request.body(Full::from(body.to_owned())).unwrap();
        self.send(request).await.unwrap_or_else(|e| panic!("POST {target}: {e}"))
    }

    /// Any request, on a connection of its own.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let began = Instant::now();
        let work = async {
            let mut session = self.session().await?;
            session.send(request).await
        };
        let mut answer = tokio::time::timeout(self.patience, work)
            .await
            .map_err(|_| format!("no whole answer within {:?}", self.patience))??;
        answer.took = began.elapsed();
        Ok(answer)
    }

    /// A connection that is kept.
    pub async fn session(&self) -> Result<Session, String> {
        let tcp = TcpStream::connect(self.addr).await.map_err(|e| format!("connect: {e}"))?;
        tcp.set_nodelay(true).map_err(|e| e.to_string())?;
        match &self.tls {
            None => self.handshake(tcp).await,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone()).map_err(|e| e.to_string())?;
                let connector = TlsConnector::from(tls.clone());
                let tls = connector.connect(name, tcp).await.map_err(|e| format!("TLS: {e}"))?;
                self.handshake(tls).await
            }
        }
    }

    /// GET of a body that is larger than memory; its status, and how many bytes came.
    pub async fn swallow(&self, target: &str) -> (u16, u64) {
        let request = self.ask("GET", target).body(Full::default()).unwrap();
        let work = async {
            let response = self.session().await.unwrap().response(request).await.unwrap();
            let (status, mut body, mut got) = (response.status().as_u16(), response.into_body(), 0);
            while let Some(frame) = body.frame().await {
                got += frame.expect("a whole body").into_data().map_or(0, |data| data.len() as u64);
            }
            (status, got)
        };
        tokio::time::timeout(LONG, work).await.expect("all of it within two minutes")
    }

    /// POST of a body that is larger than memory, without saying its length; the status.
    pub async fn pour(&self, target: &str, len: u64) -> u16 {
        let request = self.ask("POST", target).body(Poured { left: len }).unwrap();
        let work = async {
            let tcp = TcpStream::connect(self.addr).await.unwrap();
            match &self.tls {
                None => self.poured(TokioIo::new(tcp), request).await,
                Some(tls) => {
                    let name = ServerName::try_from(self.host.clone()).unwrap();
                    let tls = TlsConnector::from(tls.clone()).connect(name, tcp).await.unwrap();
                    self.poured(TokioIo::new(tls), request).await
                }
            }
        };
        tokio::time::timeout(LONG, work).await.expect("all of it within two minutes")
    }

    async fn poured<S>(&self, io: TokioIo<S>, request: Request<Poured>) -> u16
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let response = if self.h2 {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await
        } else {
            let (mut sender, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await
        };
        response.unwrap().status().as_u16()
    }

    async fn handshake<S>(&self, stream: S) -> Result<Session, String>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(stream);
        if self.h2 {
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), io).await.map_err(|e| chain(&e))?;
            tokio::spawn(connection);
            Ok(Session::H2(sender))
        } else {
            let (sender, connection) =
                http1::Builder::new().max_headers(500).handshake(io).await.map_err(|e| chain(&e))?;
            tokio::spawn(connection);
            Ok(Session::H1(sender))
        }
    }
}

/// A body that is made while it is sent.
struct Poured {
    left: u64,
}

impl hyper::body::Body for Poured {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        static BLOCK: [u8; 256 << 10] = [b'.'; 256 << 10];
        let now = self.left.min(BLOCK.len() as u64);
        self.left -= now;
        let frame = hyper::body::Frame::data(Bytes::from_static(&BLOCK[..now as usize]));
        std::task::Poll::Ready((now > 0).then_some(Ok(frame)))
    }
}

/// A kept connection.
pub enum Session {
    H1(http1::SendRequest<Full<Bytes>>),
    H2(http2::SendRequest<Full<Bytes>>),
}

impl Session {
    /// Sends one request and reads the whole answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let began = Instant::now();
        Ok(read(self.response(request).await?, began).await)
    }

    /// Sends one request and reads the head of the answer.
    async fn response(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
        let response = match self {
            Session::H1(sender) => {
                sender.ready().await.map_err(|e| chain(&e))?;
                sender.send_request(request).await
            }
            Session::H2(sender) => {
                sender.ready().await.map_err(|e| chain(&e))?;
                sender.send_request(request).await
            }
        };
        response.map_err(|e| chain(&e))
    }

    /// Whether another request may be sent on it.
    pub fn is_open(&self) -> bool {
        match self {
            Session::H1(sender) => !sender.is_closed(),
            Session::H2(sender) => !sender.is_closed(),
        }
    }
}

async fn read(response: Response<Incoming>, began: Instant) -> Answer {
    let (parts, mut incoming) = response.into_parts();
    let (mut body, mut trailers, mut broken) = (BytesMut::new(), None, None);
    while let Some(frame) = incoming.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => body.extend_from_slice(&data),
            Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
            Err(e) => {
                broken = Some(chain(&e));
                break;
            }
        }
    }
    Answer {
        status: parts.status.as_u16(),
        version: parts.version,
        headers: parts.headers,
        body: body.freeze(),
        trailers,
        broken,
        took: began.elapsed(),
    }
}

/// An error with all that led to it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(&format!(": {error}"));
        next = error.source();
    }
    text
}
