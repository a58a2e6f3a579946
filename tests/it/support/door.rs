//! A door before a store: what goes through is written down, and it can fail in the ways in which stores and networks do.

use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex};

use socket2::Socket;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::origin::{BACKLOG, listen};
use super::wait::secs;
use super::wire::{Asked, Wire};

/// What a request or an answer may be.
const MOST: usize = 256 << 20;

/// What the door does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Door {
    /// Lets all through.
    #[default]
    Open,
    /// Nobody listens.
    Shut,
    /// Cuts all connections.
    Cut,
    /// Takes requests and never answers.
    Silent,
    /// Breaks off what is sent there in the middle of its body.
    CutsUploads,
    /// Lets all through but the conditions of writes, as older stores ignore them.
    Unconditional,
    /// Answers each request by this status and this XML.
    Says(u16, &'static str),
    /// Of a hundred requests, so many go wrong, each in another way: cut before or after the store has done it, half sent, refused
    /// by an error of the store's or by a condition that is fulfilled, answered with a wrong byte.
    Rough(u8),
    /// Lets all through but one request, which waits until the door moves again.
    Holds(Held),
}

/// A request that is held: the n-th (from 1) since the door was moved that has this method, and this in its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub method: &'static str,
    pub part: String,
    pub nth: usize,
    pub at: At,
}

/// Where it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Before the store has it.
    Asking,
    /// When the store has done it, and has answered.
    Answering,
}

/// A request that went through.
#[derive(Clone, Debug)]
pub struct Passed {
    pub method: String,
    pub target: String,
    pub status: u16,
}

struct Inner {
    behind: SocketAddr,
    door: Mutex<(Door, usize)>,
    moved: watch::Sender<u64>,
    /// Whether nobody listens.
    shut: watch::Sender<bool>,
    reached: watch::Sender<bool>,
    passed: Mutex<Vec<Passed>>,
}

/// A door; gone when dropped.
pub struct Gate {
    addr: SocketAddr,
    inner: Arc<Inner>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
        self.inner.moved.send_modify(|n| *n += 1);
    }
}

impl Gate {
    /// An open one before this server, on a free port of 127.0.0.1.
    pub fn before(behind: SocketAddr) -> Gate {
        let socket = listen().unwrap();
        let inner = Arc::new(Inner {
            behind,
            door: Mutex::default(),
            moved: watch::Sender::new(0),
            shut: watch::Sender::new(false),
            reached: watch::Sender::new(false),
            passed: Mutex::default(),
        });
        let addr = socket.local_addr().unwrap().as_socket().unwrap();
        let task = tokio::spawn(accept(inner.clone(), socket));
        Gate { addr, inner, task }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on the door does this; open connections are cut, and what was held goes on.
    pub async fn moves(&self, door: Door) {
        let is_shut = door == Door::Shut;
        *self.inner.door.lock().unwrap() = (door, 0);
        self.inner.reached.send_replace(false);
        self.inner.moved.send_modify(|n| *n += 1);
        let mut shut = self.inner.shut.subscribe();
        let moved = tokio::time::timeout(secs(60), shut.wait_for(|now| *now == is_shut)).await;
        moved.expect("the door moves").unwrap();
    }

    /// Waits until the request is held that was to be.
    pub async fn until_held(&self) {
        let mut reached = self.inner.reached.subscribe();
        let held = tokio::time::timeout(secs(60), reached.wait_for(|reached| *reached)).await;
        assert!(held.is_ok(), "not held: {:?}", self.inner.door.lock().unwrap());
    }

    /// What went through so far.
    pub fn passed(&self) -> Vec<Passed> {
        self.inner.passed.lock().unwrap().clone()
    }

    /// Forgets what went through.
    pub fn forget(&self) {
        self.inner.passed.lock().unwrap().clear();
    }
}

async fn accept(inner: Arc<Inner>, socket: Socket) {
    let mut moved = inner.moved.subscribe();
    let mut open = None;
    loop {
        if inner.door.lock().unwrap().0 == Door::Shut {
            drop(open.take());
            socket.shutdown(Shutdown::Read).expect("a listening socket");
            inner.shut.send_replace(true);
            let _ = moved.changed().await;
            socket.listen(BACKLOG).expect("the door's own port");
            continue;
        }
        let listener = open.get_or_insert_with(|| {
            TcpListener::from_std(socket.try_clone().unwrap().into()).expect("a listening socket")
        });
        inner.shut.send_replace(false);
        tokio::select! {
            _ = moved.changed() => {}
            came = listener.accept() => if let Ok((stream, _)) = came {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(inner.clone(), stream));
            },
        }
    }
}

async fn serve(inner: Arc<Inner>, stream: TcpStream) {
    let mut wire = Wire::plain(stream, inner.moved.subscribe()).keeping(MOST);
    loop {
        let mut moved = inner.moved.subscribe();
        if matches!(inner.door.lock().unwrap().0, Door::Cut | Door::Shut) {
            return wire.reset();
        }
        let asked = tokio::select! {
            _ = moved.changed() => return wire.reset(),
            asked = read(&mut wire) => asked,
        };
        let Some(asked) = asked else { return };
        let Some(answer) = inner.pass(&mut wire, &asked, &mut moved).await else { return wire.reset() };
        if wire.send(&answer).await.is_err() {
            return;
        }
    }
}

fn says(status: u16, xml: &str) -> Vec<u8> {
    let length = xml.len();
    format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\n\r\n{xml}"
    )
    .into_bytes()
}

async fn read(wire: &mut Wire) -> Option<Asked> {
    let mut asked = wire.head().await.ok()??;
    wire.body(&mut asked).await.ok()?;
    Some(asked)
}

impl Inner {
    /// The answer; `None`: the connection is cut.
    async fn pass(
        &self,
        wire: &mut Wire,
        asked: &Asked,
        moved: &mut watch::Receiver<u64>,
    ) -> Option<Vec<u8>> {
        let door = self.door.lock().unwrap().0.clone();
        match door {
            Door::Cut | Door::Shut => None,
            Door::Silent => {
                let _ = moved.changed().await;
                None
            }
            Door::CutsUploads if asked.method == "PUT" => {
                let half = &asked.body[..asked.body.len() / 2];
                let _ = send(self.behind, asked, half, &[]).await?;
                None
            }
            Door::Says(status, xml) => Some(says(status, xml)),
            Door::Holds(held) if self.is(&held, asked) => {
                let done = match held.at {
                    At::Answering => Some(self.forward(asked, &[]).await?),
                    At::Asking => None,
                };
                self.reached.send_replace(true);
                tokio::select! {
                    _ = moved.changed() => {}
                    () = wire.peer_left() => return None,
                }
                match done {
                    Some(done) => Some(done),
                    None => self.forward(asked, &[]).await,
                }
            }
            Door::Rough(percent) if fastrand::u8(..100) < percent => self.spoil(asked).await,
            Door::Unconditional => self.forward(asked, &["if-match", "if-none-match"]).await,
            Door::Open | Door::CutsUploads | Door::Rough(_) | Door::Holds(_) => {
                self.forward(asked, &[]).await
            }
        }
    }

    /// What becomes of a request that goes wrong.
    async fn spoil(&self, asked: &Asked) -> Option<Vec<u8>> {
        let is_put = asked.method == "PUT";
        let has_condition = asked.header("if-match").or(asked.header("if-none-match")).is_some();
        match fastrand::u8(..6) {
            0 => None,
            1 => {
                self.forward(asked, &[]).await?;
                None
            }
            2 if is_put => {
                let half = &asked.body[..asked.body.len() / 2];
                let _ = send(self.behind, asked, half, &[]).await?;
                None
            }
            3 if is_put && has_condition => Some(says(412, "<Error><Code>PreconditionFailed</Code></Error>")),
            4 if asked.method == "GET" => {
                let mut answer = self.forward(asked, &[]).await?;
                let begin = super::wire::find(&answer, b"\r\n\r\n")? + 4;
                if begin < answer.len() {
                    let at = fastrand::usize(begin..answer.len());
                    answer[at] ^= 1 << fastrand::u8(..8);
                }
                Some(answer)
            }
            _ => Some(says(500, "<Error><Code>InternalError</Code></Error>")),
        }
    }

    /// Whether that is the request that is to be held.
    fn is(&self, held: &Held, asked: &Asked) -> bool {
        if asked.method != held.method || !asked.target.contains(&held.part) {
            return false;
        }
        let mut door = self.door.lock().unwrap();
        door.1 += 1;
        door.1 == held.nth
    }

    async fn forward(&self, asked: &Asked, without: &[&str]) -> Option<Vec<u8>> {
        let mut behind = send(self.behind, asked, &asked.body, without).await?;
        let mut answer = Vec::new();
        behind.read_to_end(&mut answer).await.ok()?;
        let status = std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()?;
        let (method, target) = (asked.method.clone(), asked.target.clone());
        self.passed.lock().unwrap().push(Passed { method, target, status });
        Some(answer)
    }
}

/// Sends a request to the server, with this of its body.
async fn send(behind: SocketAddr, asked: &Asked, body: &[u8], without: &[&str]) -> Option<TcpStream> {
    let mut request = format!("{} {} HTTP/1.1\r\n", asked.method, asked.target);
    for (name, value) in &asked.headers {
        if name != "connection" && !without.contains(&name.as_str()) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    request.push_str("connection: close\r\n\r\n");
    let mut stream = TcpStream::connect(behind).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()?;
    Some(stream)
}
