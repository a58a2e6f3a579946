//! A real S3 server (moto, or SeaweedFS), with a door before it that can fail.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use http_body_util::Full;
use tokio::net::TcpStream;

pub use super::door::{At, Door, Gate, Held};
use super::nginx::free_port;
use super::process::Process;
use super::wait::{eventually, secs};
use super::wires::Machine;
use super::{Answer, seaweedfs};

/// The server with one bucket.
pub struct S3 {
    _server: Process,
    server: SocketAddr,
    gate: Gate,
    /// How somebody else asks who can write to the bucket.
    signed: Option<&'static str>,
    _dir: Option<tempfile::TempDir>,
}

/// Which server it is, unless a test names one: `seaweedfs`, or else moto.
const SERVER: &str = "KATAHAI_S3";

/// moto lets in whoever signs, whatever they sign with.
const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=other/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// The bucket.
pub const BUCKET: &str = "katahai-test";

/// Where it listens on a machine of its own.
pub const PORT: u16 = 9000;

fn program() -> PathBuf {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/s3/bin/moto_server");
    assert!(program.exists(), "run tests/run once, it installs what the tests need");
    program
}

impl S3 {
    pub async fn start() -> S3 {
        if std::env::var(SERVER).is_ok_and(|name| name == "seaweedfs") {
            return S3::seaweedfs().await;
        }
        S3::launch(Command::new(program()), free_port()).await
    }

    /// SeaweedFS, which checks signatures.
    pub async fn seaweedfs() -> S3 {
        let (mut command, server, dir) = seaweedfs::command();
        let process = Process::start(&mut command);
        S3::with_bucket(process, server, None, Some(dir)).await
    }

    /// On another machine, reached by its first wire.
    pub async fn start_on(machine: &Machine) -> S3 {
        S3::launch(machine.runs(&program()), SocketAddr::new(machine.by(0), PORT)).await
    }

    async fn launch(mut command: Command, server: SocketAddr) -> S3 {
        let listen = if server.ip().is_loopback() { "127.0.0.1" } else { "0.0.0.0" };
        command.args(["-H", listen, "-p", &server.port().to_string()]);
        let process = Process::start(&mut command);
        S3::with_bucket(process, server, Some(SIGNED), None).await
    }

    async fn with_bucket(
        process: Process,
        server: SocketAddr,
        signed: Option<&'static str>,
        dir: Option<tempfile::TempDir>,
    ) -> S3 {
        eventually("the S3 server", secs(60), async || TcpStream::connect(server).await.ok()).await;
        let this = S3 { _server: process, server, gate: Gate::before(server), signed, _dir: dir };
        // it may listen before all of its parts know each other
        for (target, body) in [(format!("/{BUCKET}"), ""), (format!("/{BUCKET}/first"), "1")] {
            eventually("a bucket", secs(60), async || {
                let answer = this.ask("PUT", &target, Bytes::from_static(body.as_bytes())).await.ok()?;
                // 409: by an answer that was lost
                matches!(answer.status, 200 | 409).then_some(())
            })
            .await;
        }
        this.remove("first").await;
        this
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.gate.addr())
    }

    /// The lines of `credentials_file`.
    pub fn credentials(&self) -> &'static str {
        "AWS_ACCESS_KEY_ID=katahai\nAWS_SECRET_ACCESS_KEY=katahai-secret\n"
    }

    /// The door.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// From now on the door does this; open connections are cut.
    pub async fn door(&self, door: Door) {
        self.gate.moves(door).await;
    }

    async fn ask(&self, method: &str, target: &str, body: Bytes) -> Result<Answer, String> {
        let client = super::Client::new(self.server).host("127.0.0.1");
        let mut request = client.ask(method, target).header("content-length", body.len());
        if let Some(signed) = self.signed {
            request = request.header("authorization", signed);
        }
        client.send(request.body(Full::from(body)).unwrap()).await
    }

    /// Past the door, as somebody else who can write to the bucket: `None` if there is no such object.
    async fn direct(&self, method: &str, target: &str, body: Bytes) -> Option<Bytes> {
        let answer = self.ask(method, target, body).await.unwrap();
        match answer.status {
            200 | 204 => Some(answer.body),
            404 => None,
            status => panic!("{method} {target}: {status} {}", answer.text()),
        }
    }

    /// An object.
    pub async fn get(&self, name: &str) -> Option<Bytes> {
        self.direct("GET", &format!("/{BUCKET}/{name}"), Bytes::new()).await
    }

    /// Puts an object there.
    pub async fn put(&self, name: &str, bytes: impl Into<Bytes>) {
        self.direct("PUT", &format!("/{BUCKET}/{name}"), bytes.into()).await.expect("a bucket");
    }

    /// Removes an object.
    pub async fn remove(&self, name: &str) {
        self.direct("DELETE", &format!("/{BUCKET}/{name}"), Bytes::new()).await;
    }

    /// The names of all objects that begin like this; a thousand at most.
    pub async fn names(&self, prefix: &str) -> Vec<String> {
        let target = format!("/{BUCKET}?list-type=2&prefix={prefix}");
        let listing = self.direct("GET", &target, Bytes::new()).await.expect("a bucket");
        let listing = String::from_utf8(listing.to_vec()).unwrap();
        let keys = listing.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        keys.map(|(key, _)| key.to_owned()).collect()
    }
}
