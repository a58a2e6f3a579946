//! A real S3 server (moto), with a door before it that can fail.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::nginx::free_port;
use super::process::Process;
use super::wait::{eventually, secs};
use super::wire::Wire;

/// What the door does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Door {
    /// Lets all through.
    #[default]
    Open,
    /// Cuts all connections.
    Cut,
    /// Takes requests and never answers.
    Silent,
    /// Lets all through but the conditions of writes, as older stores ignore them.
    Unconditional,
    /// Answers each request by this status and this XML.
    Says(u16, &'static str),
}

/// The server with one bucket.
pub struct S3 {
    _server: Process,
    addr: SocketAddr,
    door: Arc<Mutex<Door>>,
    moved: watch::Sender<u64>,
}

/// The bucket.
pub const BUCKET: &str = "katahai-test";

impl S3 {
    pub async fn start() -> S3 {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/s3/bin/moto_server");
        assert!(program.exists(), "run tests/run once, it installs what the tests need");
        let server = free_port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &server.port().to_string()]);
        let process = Process::start(&mut command);
        eventually("the S3 server", secs(60), async || TcpStream::connect(server).await.ok()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (moved, door) = (watch::Sender::new(0), Arc::new(Mutex::new(Door::Open)));
        let this = S3 { _server: process, addr: listener.local_addr().unwrap(), door, moved };
        tokio::spawn(welcome(listener, server, this.door.clone(), this.moved.subscribe()));
        let client = super::Client::new(this.addr).host("127.0.0.1");
        let request = client.ask("PUT", &format!("/{BUCKET}")).header("content-length", "0");
        let made = client.send(request.body(http_body_util::Full::default()).unwrap()).await.unwrap();
        assert_eq!(made.status, 200, "{}", made.text());
        this
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// `[store]` for an instance, with credentials beside its configuration.
    pub fn credentials(&self) -> &'static str {
        "AWS_ACCESS_KEY_ID=katahai\nAWS_SECRET_ACCESS_KEY=katahai-secret\n"
    }

    /// From now on the door does this; open connections are cut.
    pub fn door(&self, door: Door) {
        *self.door.lock().unwrap() = door;
        self.moved.send_modify(|n| *n += 1);
    }
}

async fn welcome(
    listener: TcpListener,
    server: SocketAddr,
    door: Arc<Mutex<Door>>,
    moved: watch::Receiver<u64>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let now = door.lock().unwrap().clone();
        let mut moved = moved.clone();
        moved.mark_unchanged();
        tokio::spawn(async move {
            tokio::select! {
                () = pass(stream, server, now, moved.clone()) => {}
                _ = moved.changed() => {}
            }
        });
    }
}

async fn pass(mut stream: TcpStream, server: SocketAddr, door: Door, moved: watch::Receiver<u64>) {
    match door {
        Door::Cut => {}
        Door::Silent => std::future::pending().await,
        Door::Open => {
            if let Ok(mut behind) = TcpStream::connect(server).await {
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
            }
        }
        Door::Unconditional => {
            let mut wire = Wire::plain(stream, moved);
            while let Ok(Some(mut asked)) = wire.head().await {
                if wire.body(&mut asked).await.is_err() {
                    return;
                }
                let mut request = format!("{} {} HTTP/1.1\r\n", asked.method, asked.target);
                for (name, value) in &asked.headers {
                    if !matches!(&**name, "if-match" | "if-none-match" | "connection") {
                        request.push_str(&format!("{name}: {value}\r\n"));
                    }
                }
                request.push_str("connection: close\r\n\r\n");
                let mut behind = TcpStream::connect(server).await.unwrap();
                behind.write_all(request.as_bytes()).await.unwrap();
                behind.write_all(&asked.body).await.unwrap();
                let mut answer = Vec::new();
                behind.read_to_end(&mut answer).await.unwrap();
                if wire.send(&answer).await.is_err() {
                    return;
                }
            }
        }
        Door::Says(status, xml) => {
            let mut wire = Wire::plain(stream, moved);
            while let Ok(Some(mut asked)) = wire.head().await {
                if wire.body(&mut asked).await.is_err() {
                    return;
                }
                let answer = format!(
                    "HTTP/1.1 {status} Said\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n{xml}",
                    xml.len()
                );
                if wire.send(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}
