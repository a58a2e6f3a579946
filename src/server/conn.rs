//! What a request's handler knows of the connection, and what it has to be.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::activity::Activity;
use super::interim::Interim;
use crate::clock::Now;
use crate::http::{Body, BoxRequest};

/// One accepted connection, the same for all of its requests.
#[derive(Debug)]
pub struct Conn {
    /// Who is at the other end. IPv4 addresses that came over an IPv6 socket are written as IPv4.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Whether it is a Unix socket; `peer` and `local` are then a loopback placeholder with port 0.
    pub unix: bool,
    /// What TLS settled; `None` on a plain connection.
    pub tls: Option<TlsInfo>,
    /// When it was accepted.
    pub opened: Now,
    activity: Arc<Activity>,
}

/// What a TLS handshake settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// The host name that the client asked for, in lower case.
    pub sni: Option<Arc<str>>,
    /// Whether HTTP/2 was agreed on by ALPN.
    pub http2: bool,
    /// Whether it is TLS 1.3; otherwise it is TLS 1.2.
    pub tls13: bool,
}

/// Answers requests. The server catches panics: they cost their request a 500, and nothing else.
///
/// The returned future is moved once for each request; what is rare and large in it is better boxed.
pub trait Service: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn call(
        &self,
        request: BoxRequest,
        conn: &Arc<Conn>,
    ) -> impl Future<Output = ::http::Response<Body>> + Send;
}

impl Conn {
    /// A connection between two addresses that no server accepted: for calling a [`Service`] directly.
    pub fn new(peer: SocketAddr, local: SocketAddr, tls: Option<TlsInfo>, opened: Now) -> Conn {
        Conn { peer, local, unix: false, tls, opened, activity: Arc::new(Activity::default()) }
    }

    pub(super) fn accepted(
        addresses: Option<(SocketAddr, SocketAddr)>,
        tls: Option<TlsInfo>,
        opened: Now,
        activity: Arc<Activity>,
    ) -> Conn {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (peer, local) = addresses.unwrap_or((nowhere, nowhere));
        Conn { peer, local, unix: addresses.is_none(), tls, opened, activity }
    }

    /// A way to send 1xx answers ahead of the answer to the call that runs now. To be asked in the call's own task.
    ///
    /// `None` where they cannot go out: HTTP/1.0 knows none.
    pub fn interim(&self) -> Option<Interim> {
        Interim::of(&self.activity)
    }
}
