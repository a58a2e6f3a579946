//! Binding and accepting.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::Shared;
use super::conn::Service;
use super::io::Stream;
use super::seats::{Refusal, Seat};
use super::serve;
use crate::{clock, descriptors, tasks};

/// Connections that the kernel keeps ready for us; it cuts this to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// Bytes of one connection that the kernel takes ahead of the network: a slow reader's progress is seen in steps of
/// half of it.
const AHEAD: u32 = 64 << 10;
/// Data that stays unacknowledged for this long ends a connection.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// A silent peer is asked after this time, and then three times at the interval.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(45), Duration::from_secs(10));
/// The wait after an error of accepting: doubled each time, up to the second.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));
/// How long a newcomer waits for the seat of somebody who was asked to go.
const SEAT_WAIT: Duration = Duration::from_secs(1);
/// How long a refused client may take to read why.
const REFUSAL_LINGER: Duration = Duration::from_secs(1);

const NO_SEAT: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n\
    connection: close\r\ncontent-length: 0\r\ncache-control: no-store\r\n\r\n";

/// A bound socket that does not accept yet.
#[derive(Debug)]
pub struct Listener(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A TCP address.
    #[error("could not listen on {address}{}", hint(source, *address))]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A Unix socket.
    #[error("could not listen on unix:{}", path.display())]
    Unix {
        /// The socket's path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl BindError {
    /// Whether somebody else listens there.
    pub fn is_taken(&self) -> bool {
        let (BindError::Tcp { source, .. } | BindError::Unix { source, .. }) = self;
        source.kind() == io::ErrorKind::AddrInUse
    }
}

fn hint(error: &io::Error, address: SocketAddr) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::PermissionDenied {
        ": ports below 1024 need root or CAP_NET_BIND_SERVICE".to_owned()
    } else if kind == io::ErrorKind::AddrInUse {
        format!(": another process listens there (\"ss -ltnp sport = :{}\" shows which)", address.port())
    } else if kind == io::ErrorKind::AddrNotAvailable {
        ": this machine does not have that address".to_owned()
    } else {
        String::new()
    }
}

impl Listener {
    /// The bound address (with the port that was picked for port 0); `None` for a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Tcp(_, address) => Some(*address),
            Kind::Unix(..) => None,
        }
    }

    async fn next(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match &self.0 {
            Kind::Tcp(listener, _) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Tcp(stream), Some(canonical(peer))))
            }
            Kind::Unix(listener, _) => Ok((Stream::Unix(listener.accept().await?.0), None)),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Tcp(_, address) => address.fmt(f),
            Kind::Unix(_, path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The address, as IPv4 if it is an IPv4 one in IPv6's clothes.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Binds every address, or none. `[::]` takes IPv4 too, unless `0.0.0.0` is listed with the same port; on a machine
/// without IPv6 it becomes `0.0.0.0`. Needs a running tokio runtime.
///
/// # Errors
/// The first address that cannot be bound.
pub fn bind_tcp(addresses: &[SocketAddr]) -> Result<Vec<Listener>, BindError> {
    addresses
        .iter()
        .map(|&address| {
            let apart = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
            let only_v6 = address.port() != 0 && addresses.contains(&apart);
            match bind_one(address, only_v6) {
                Err(error) if is_without_ipv6(&error, address) => {
                    tracing::warn!(%address, "this machine has no IPv6, listening on IPv4 only");
                    bind_one(apart, false).map_err(|source| BindError::Tcp { address: apart, source })
                }
                outcome => outcome.map_err(|source| BindError::Tcp { address, source }),
            }
        })
        .collect()
}

fn is_without_ipv6(error: &io::Error, address: SocketAddr) -> bool {
    let unsupported = error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
        || error.kind() == io::ErrorKind::AddrNotAvailable;
    unsupported && address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
}

fn bind_one(address: SocketAddr, only_v6: bool) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    // Linux hands these on to every accepted socket, so that no connection needs a system call for them
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)?;
    let (after, every) = KEEPALIVE;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(after).with_interval(every).with_retries(3))?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    socket.set_tcp_notsent_lowat(AHEAD)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let bound = listener.local_addr()?;
    Ok(Listener(Kind::Tcp(listener, bound)))
}

/// Binds a Unix socket that its owner and group may use; one that a killed process left behind is removed first.
/// Needs a running tokio runtime.
///
/// # Errors
/// Something else stands at that path, somebody listens there, or the system refuses.
pub fn bind_unix(path: &Path) -> Result<Listener, BindError> {
    let bind = || -> io::Result<UnixListener> {
        remove_stale(path)?;
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        Ok(listener)
    };
    match bind() {
        Ok(listener) => Ok(Listener(Kind::Unix(listener, path.to_owned()))),
        Err(source) => Err(BindError::Unix { path: path.to_owned(), source }),
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "a file that is no socket is in the way",
            ));
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => remove_file(path),
        Err(error) => Err(error),
    }
}

#[expect(clippy::disallowed_methods, reason = "a socket, not data: nothing has to be synced")]
fn remove_file(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

/// Accepts until it is dropped.
pub(super) async fn accept<S: Service>(
    listener: Listener,
    tls: Option<Arc<rustls::ServerConfig>>,
    service: S,
    shared: Arc<Shared>,
) {
    let mut wait = BACK_OFF.0;
    loop {
        let (stream, peer) = match listener.next().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_connection(&error) => continue,
            Err(error) => {
                shared.counters.accept_errors.add();
                tracing::warn!(listener = %listener, %error, "could not accept a connection");
                // too many open files, most likely: idle connections hold some that nobody would miss
                make_room(&shared);
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACK_OFF.1);
                continue;
            }
        };
        wait = BACK_OFF.0;
        shared.counters.accepted.add();
        if !descriptors::may_keep(&stream, shared.limits.load().descriptors) {
            // those who do nothing with theirs hold some that nobody would miss
            shared.counters.refused_full.add();
            make_room(&shared);
            continue;
        }
        match seat(&shared, peer.map(|peer| peer.ip())).await {
            Ok(seat) => {
                let now = clock::now();
                let (activity, registration) = shared.registry.enter(now.mono);
                let arrival = serve::Arrival { stream, peer, seat, registration, activity, now };
                tasks::detached(serve::connection(
                    arrival,
                    tls.clone(),
                    service.clone(),
                    Arc::clone(&shared),
                ));
            }
            Err(refusal) => {
                match refusal {
                    Refusal::Full => shared.counters.refused_full.add(),
                    Refusal::Client => shared.counters.refused_client.add(),
                }
                tracing::debug!(?peer, ?refusal, "refused a connection");
                if tls.is_none() {
                    refuse(stream, &shared);
                }
            }
        }
    }
}

/// Errors that say something about the one connection that was being accepted, and nothing about the next.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// A seat for a newcomer: if all are taken, one of those whose holders do nothing with it.
async fn seat(shared: &Shared, address: Option<IpAddr>) -> Result<Seat, Refusal> {
    let take = || shared.seats.take(address, &shared.limits.load());
    match take() {
        Err(Refusal::Full) => {}
        outcome => return outcome,
    }
    if make_room(shared) == 0 {
        return Err(Refusal::Full);
    }
    let wait = async {
        loop {
            shared.seats.freed().await;
            match take() {
                Err(Refusal::Full) => {}
                outcome => return outcome,
            }
        }
    };
    tokio::time::timeout(SEAT_WAIT, wait).await.unwrap_or(Err(Refusal::Full))
}

/// Asks a part of the idle connections to go: several, so that a rush does not walk the registry for each newcomer.
fn make_room(shared: &Shared) -> usize {
    shared.registry.make_room((shared.limits.load().connections / 32).max(1), clock::instant())
}

/// Says why before closing, if that costs next to nothing. Over TLS a handshake would be needed for that: no.
fn refuse(stream: Stream, shared: &Shared) {
    let Stream::Tcp(stream) = stream else { return };
    if let Ok(permit) = Arc::clone(&shared.refusing).try_acquire_owned() {
        tasks::detached(async move {
            let _ = tokio::time::timeout(REFUSAL_LINGER, say_no(stream)).await;
            drop(permit);
        });
    }
}

async fn say_no(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(NO_SEAT).await?;
    stream.shutdown().await?;
    // closing with the request unread would reset the connection, and the answer could be lost
    let mut waste = [0; 2048];
    while stream.read(&mut waste).await? > 0 {}
    Ok(())
}
