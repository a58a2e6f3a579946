//! One new connection to an origin: addresses in turn, TCP, TLS.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::ready::OriginUrl;
use crate::descriptors::{self, Use};
use crate::failure::{Cause, Failure};

/// An address gets this head start before the next one is tried beside it (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);
/// The longest wait for a connection, TLS included.
const MOST: Duration = Duration::from_secs(5);

/// What HTTP runs on.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Connects to one of the `addresses` of `url`, with TLS for `server_name` if the origin speaks it.
///
/// # Errors
/// The cause says how far it got: refused, unreachable, timed out, not trusted.
pub async fn connect(
    url: &OriginUrl,
    addresses: &[IpAddr],
    server_name: &str,
    tls: Option<&Arc<rustls::ClientConfig>>,
    for_what: Use,
) -> Result<Box<dyn Io>, Failure> {
    let work = async {
        let tcp = race(addresses, url.port).await?;
        if !descriptors::may_keep(&tcp, for_what) {
            return Err(refused(descriptors::want()));
        }
        tcp.set_nodelay(true).map_err(|e| Failure::new(Cause::Unreachable).source(e))?;
        match tls {
            None => Ok(Box::new(tcp) as Box<dyn Io>),
            Some(config) => {
                let name = ServerName::try_from(server_name.to_owned())
                    .map_err(|e| Failure::new(Cause::TlsRefused).detail(server_name.to_owned()).source(e))?;
                let stream =
                    TlsConnector::from(config.clone()).connect(name, tcp).await.map_err(handshake)?;
                Ok(Box::new(stream) as Box<dyn Io>)
            }
        }
    };
    match tokio::time::timeout(MOST, work).await {
        Ok(result) => {
            result.map_err(|f: Failure| if f.detail.is_none() { f.detail(url.to_string()) } else { f })
        }
        Err(_) => Err(Failure::new(Cause::ConnectTimeout).detail(url.to_string())),
    }
}

/// A connection to the first address that accepts one.
async fn race(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Failure> {
    let mut running = FuturesUnordered::new();
    let mut waiting = addresses.iter();
    let mut last = None;
    loop {
        if let Some(&address) = waiting.next() {
            running.push(TcpStream::connect(SocketAddr::new(address, port)));
        } else if running.is_empty() {
            return Err(last.map_or_else(|| Failure::new(Cause::NameNotFound), refused));
        }
        let more = waiting.len() > 0;
        let ended = async {
            if more {
                tokio::time::timeout(HEAD_START, running.next()).await.ok().flatten()
            } else {
                running.next().await
            }
        };
        match ended.await {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last = Some(error),
            None => {}
        }
    }
}

fn refused(error: std::io::Error) -> Failure {
    let cause = if error.kind() == std::io::ErrorKind::ConnectionRefused {
        Cause::Refused
    } else if descriptors::is_want(&error) {
        Cause::DescriptorsOut
    } else {
        Cause::Unreachable
    };
    Failure::new(cause).source(error)
}

/// A handshake that the peer cut off is a reset; one that either side refused is a TLS failure.
fn handshake(error: std::io::Error) -> Failure {
    use std::io::ErrorKind as Kind;
    let broken = matches!(error.kind(), Kind::ConnectionReset | Kind::BrokenPipe | Kind::ConnectionAborted);
    let cause = match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(wrong)) => mistrust(wrong),
        Some(_) | None if broken => Cause::Reset,
        Some(_) | None => Cause::TlsRefused,
    };
    Failure::new(cause).source(error)
}

/// Why a certificate is not trusted.
fn mistrust(wrong: &CertificateError) -> Cause {
    use CertificateError as Wrong;
    if matches!(wrong, Wrong::Expired | Wrong::ExpiredContext { .. }) {
        Cause::CertificateExpired
    } else if matches!(wrong, Wrong::NotValidYet | Wrong::NotValidYetContext { .. }) {
        Cause::CertificateNotYetValid
    } else if matches!(wrong, Wrong::NotValidForName | Wrong::NotValidForNameContext { .. }) {
        Cause::CertificateOfAnother
    } else {
        // whatever else is said of it, nobody vouches for it
        Cause::CertificateUntrusted
    }
}

/// The host without its port, for TLS.
pub(super) fn bare(host: &str) -> &str {
    if let Some(address) = host.strip_prefix('[') {
        return address.split(']').next().unwrap_or(address);
    }
    host.split(':').next().unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_name_has_no_port() {
        assert_eq!(bare("www.example.jp:8443"), "www.example.jp");
        assert_eq!(bare("[2001:db8::1]:443"), "2001:db8::1");
        assert_eq!(bare("www.example.jp"), "www.example.jp");
    }

    #[tokio::test]
    async fn the_first_address_that_accepts_is_taken() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let addresses = ["127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        let stream = race(&addresses, port).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().ip().to_string(), "127.0.0.1");
    }

    #[test]
    fn our_own_lack_is_not_the_origins() {
        assert_eq!(refused(descriptors::want()).cause, Cause::DescriptorsOut);
        assert_eq!(refused(std::io::Error::other("no way")).cause, Cause::Unreachable);
    }

    #[tokio::test]
    async fn nobody_there_is_refused() {
        let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let failure = race(&["127.0.0.1".parse().unwrap()], port).await.unwrap_err();
        assert_eq!(failure.cause, Cause::Refused);
    }
}
