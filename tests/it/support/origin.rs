//! An origin in this process: pages, counters, and a fault that a test switches while it runs.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::certs::Leaf;
use super::faults::{After, Door, Fault, Healthy};
use super::levers::Lever;
use super::page::Page;
use super::wait::{eventually, secs};
use super::wire::{Asked, Wire};

/// Connections that may wait to be accepted.
pub const BACKLOG: i32 = 4096;

type Made = Arc<dyn Fn(&Asked) -> Option<Page> + Send + Sync>;

struct Shared {
    pages: RwLock<HashMap<String, Page>>,
    made: RwLock<Vec<Made>>,
    fault: RwLock<(String, Arc<dyn Fault>)>,
    levers: RwLock<HashMap<String, Lever>>,
    /// Moves with every switch of the fault.
    moved: watch::Sender<u64>,
    /// What the accept loop has come to.
    door: watch::Sender<Door>,
    /// Connections that are served now.
    open: watch::Sender<usize>,
    cert: Presented,
    asked: Mutex<Vec<Asked>>,
    connections: AtomicU64,
    running: AtomicUsize,
    most: AtomicUsize,
}

/// The certificate that is shown at the moment; none: the handshake is refused.
#[derive(Clone, Debug, Default)]
struct Presented(Arc<RwLock<Option<Arc<CertifiedKey>>>>);

impl ResolvesServerCert for Presented {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap().clone()
    }
}

/// A running origin; gone when dropped.
pub struct Origin {
    shared: Arc<Shared>,
    addr: SocketAddr,
    tls: bool,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.moved.send_modify(|n| *n += 1);
    }
}

impl Origin {
    /// Plain HTTP/1.1 on a free port of 127.0.0.1, without any page but `/health`.
    pub async fn start() -> Origin {
        Origin::launch(listen().unwrap(), None).await
    }

    /// The same at an address of the test's choice.
    pub async fn start_at(addr: SocketAddr) -> Origin {
        Origin::launch(bind(addr).unwrap(), None).await
    }

    /// The same over TLS.
    pub async fn start_tls(leaf: &Leaf) -> Origin {
        Origin::launch(listen().unwrap(), Some(leaf)).await
    }

    async fn launch(listener: Socket, leaf: Option<&Leaf>) -> Origin {
        let shared = Arc::new(Shared {
            pages: RwLock::default(),
            made: RwLock::default(),
            fault: RwLock::new(("/".into(), Arc::new(Healthy))),
            levers: RwLock::default(),
            moved: watch::Sender::new(0),
            door: watch::Sender::new(Door::Open),
            open: watch::Sender::new(0),
            cert: Presented::default(),
            asked: Mutex::default(),
            connections: AtomicU64::new(0),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        *shared.cert.0.write().unwrap() = leaf.map(Leaf::certified);
        let acceptor = leaf.map(|_| {
            let mut config = rustls::ServerConfig::builder_with_provider(
                rustls::crypto::aws_lc_rs::default_provider().into(),
            )
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(shared.cert.clone()));
            // a resumed session would not show its certificate again
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            TlsAcceptor::from(Arc::new(config))
        });
        let addr = listener.local_addr().unwrap().as_socket().unwrap();
        let task = tokio::spawn(accept(shared.clone(), listener, acceptor));
        Origin { shared, addr, tls: leaf.is_some(), task }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// As a configuration names it.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.addr)
    }

    /// Has a page for a path, or for a path and query if `target` has one.
    pub fn page(&self, target: &str, page: Page) {
        self.shared.pages.write().unwrap().insert(target.to_owned(), page);
    }

    /// Has the page for a path no more; what was said to [`Origin::make`] is asked for it.
    pub fn hide(&self, target: &str) {
        self.shared.pages.write().unwrap().remove(target);
    }

    /// Asked for everything that has no page of its own; the newest first.
    pub fn make(&self, make: impl Fn(&Asked) -> Option<Page> + Send + Sync + 'static) {
        self.shared.made.write().unwrap().push(Arc::new(make));
    }

    /// The page as it stands now.
    pub fn content(&self, target: &str) -> Page {
        self.shared.pages.read().unwrap().get(target).cloned().expect("a page of the origin")
    }

    /// From now on everything fails like this.
    pub async fn fail(&self, fault: impl Fault) {
        self.fail_under("/", fault).await;
    }

    /// From now on the paths under `prefix` fail like this.
    pub async fn fail_under(&self, prefix: &str, fault: impl Fault) {
        self.switch(prefix, Arc::new(fault)).await;
    }

    /// The same, for a fault chosen at run time.
    pub async fn switch(&self, prefix: &str, fault: Arc<dyn Fault>) {
        let door = fault.door();
        *self.shared.fault.write().unwrap() = (prefix.to_owned(), fault);
        self.shared.moved.send_modify(|n| *n += 1);
        let mut reached = self.shared.door.subscribe();
        let reached = tokio::time::timeout(secs(60), reached.wait_for(|now| *now == door)).await;
        reached.expect("the origin's door moves").unwrap();
        if door != Door::Open {
            // else the next request might still go out on a connection that is about to be reset
            let mut open = self.shared.open.subscribe();
            let cut = tokio::time::timeout(secs(60), open.wait_for(|open| *open == 0)).await;
            cut.expect("what is open is cut").unwrap();
        }
    }

    /// From now on nothing is wrong.
    pub async fn heal(&self) {
        self.fail(Healthy).await;
    }

    /// From now on this certificate is shown; none: handshakes are refused. What is open is cut.
    pub async fn present(&self, leaf: Option<&Leaf>) {
        *self.shared.cert.0.write().unwrap() = leaf.map(Leaf::certified);
        self.fail(super::faults::ResetOnAccept).await;
        self.heal().await;
    }

    /// Holds the requests for a path until the lever is released.
    pub fn hold(&self, path: &str) -> Lever {
        let lever = Lever::new();
        self.shared.levers.write().unwrap().insert(path.to_owned(), lever.clone());
        lever
    }

    /// All requests so far, in the order in which they were complete.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// The requests for one path.
    pub fn asked_for(&self, path: &str) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().iter().filter(|a| a.path() == path).cloned().collect()
    }

    /// How many requests there were for a path.
    pub fn count(&self, path: &str) -> usize {
        self.shared.asked.lock().unwrap().iter().filter(|a| a.path() == path).count()
    }

    /// How many requests there were.
    pub fn total(&self) -> usize {
        self.shared.asked.lock().unwrap().len()
    }

    /// How many requests there were of visitors: not of checks, nor of the crawler.
    pub fn visits(&self) -> usize {
        self.shared.asked.lock().unwrap().iter().filter(|asked| !is_ours(asked)).count()
    }

    /// Forgets all requests and the most at once.
    pub fn forget(&self) {
        self.shared.asked.lock().unwrap().clear();
        self.shared.most.store(0, Ordering::SeqCst);
    }

    /// The last request for a path, awaited.
    pub async fn last(&self, path: &str) -> Asked {
        eventually(&format!("a request for {path}"), secs(5), async || self.asked_for(path).pop()).await
    }

    /// The last POST to a path, awaited.
    pub async fn posted(&self, path: &str) -> Asked {
        eventually(&format!("a POST to {path}"), secs(5), async || {
            self.asked_for(path).into_iter().rfind(|asked| asked.method == "POST")
        })
        .await
    }

    /// The most requests that ran at once, those of checks apart.
    pub fn most_at_once(&self) -> usize {
        self.shared.most.load(Ordering::SeqCst)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

/// Listens on a port that was asked for by its number: so it stays ours also while nobody listens.
pub fn listen() -> io::Result<Socket> {
    (0..100).find_map(|_| bind(super::nginx::free_port()).ok()).ok_or_else(|| io::ErrorKind::AddrInUse.into())
}

/// The same on a port of the test's choice.
pub fn bind(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

async fn accept(shared: Arc<Shared>, socket: Socket, tls: Option<TlsAcceptor>) {
    let mut moved = shared.moved.subscribe();
    let mut open = None;
    loop {
        let door = shared.fault.read().unwrap().1.door();
        if door == Door::Shut {
            // bound but not listening: refused, and nobody else can take the port
            drop(open.take());
            socket.shutdown(Shutdown::Read).expect("a listening socket");
            shared.door.send_replace(door);
            let _ = moved.changed().await;
            socket.listen(BACKLOG).expect("the origin's own port");
            continue;
        }
        let listener = open.get_or_insert_with(|| {
            TcpListener::from_std(socket.try_clone().unwrap().into()).expect("a listening socket")
        });
        shared.door.send_replace(door);
        tokio::select! {
            _ = moved.changed() => {}
            came = listener.accept() => if let Ok((stream, _)) = came {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                if door == Door::Reset {
                    Wire::plain(stream, shared.moved.subscribe()).reset();
                } else {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(welcome(shared.clone(), stream, tls.clone()));
                }
            },
        }
    }
}

async fn welcome(shared: Arc<Shared>, stream: TcpStream, tls: Option<TlsAcceptor>) {
    let moved = shared.moved.subscribe();
    let wire = match tls {
        None => Wire::plain(stream, moved),
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => Wire::tls(stream, moved),
            Err(_) => return,
        },
    };
    serve(shared, wire).await;
}

async fn serve(shared: Arc<Shared>, mut wire: Wire) {
    shared.open.send_modify(|open| *open += 1);
    let open = Open(&shared);
    loop {
        let mut moved = shared.moved.subscribe();
        let shut = async {
            loop {
                if shared.fault.read().unwrap().1.door() != Door::Open {
                    return;
                }
                if moved.changed().await.is_err() {
                    return;
                }
            }
        };
        let after = tokio::select! {
            () = shut => Ok(After::Reset),
            after = exchange(&shared, &mut wire) => after,
        };
        match after {
            Ok(After::Keep) => {}
            Ok(After::Close) => {
                drop(open);
                return wire.close().await;
            }
            Ok(After::Reset) | Err(_) => return wire.reset(),
        }
    }
}

/// Counts a connection as open while it lives.
struct Open<'a>(&'a Shared);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

/// Counts a request as running while it lives.
struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn is_ours(asked: &Asked) -> bool {
    asked.header("user-agent").is_some_and(|agent| agent.starts_with("katahai/"))
}

async fn exchange(shared: &Shared, wire: &mut Wire) -> io::Result<After> {
    let Some(mut asked) = wire.head().await? else {
        return Ok(After::Close);
    };
    let is_check = asked.header("user-agent").is_some_and(|agent| agent.ends_with("(check)"));
    let _running = (!is_check).then(|| {
        let now = shared.running.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most.fetch_max(now, Ordering::SeqCst);
        Running(shared)
    });
    let body = wire.body(&mut asked).await;
    shared.asked.lock().unwrap().push(asked.clone());
    body?;
    let lever = shared.levers.read().unwrap().get(asked.path()).cloned();
    if let Some(lever) = lever {
        lever.pass().await;
    }
    let good = page_for(shared, &asked).render(&asked);
    wire.mark();
    let fault = {
        let fault = shared.fault.read().unwrap();
        asked.path().starts_with(&fault.0).then(|| fault.1.clone())
    };
    let after = match fault {
        Some(fault) => fault.answer(wire, good).await?,
        None => good.send(wire).await?,
    };
    let ends = asked.header("connection").is_some_and(|c| c.eq_ignore_ascii_case("close"));
    Ok(if ends && after == After::Keep { After::Close } else { after })
}

fn page_for(shared: &Shared, asked: &Asked) -> Page {
    let pages = shared.pages.read().unwrap();
    if let Some(page) = pages.get(&asked.target).or_else(|| pages.get(asked.path())) {
        return page.clone();
    }
    drop(pages);
    let made = shared.made.read().unwrap().clone();
    let page = made.iter().rev().find_map(|make| make(asked));
    page.unwrap_or_else(|| {
        if asked.path() == "/health" { Page::new("text/plain", "ok") } else { Page::not_found() }
    })
}
