//! A server that speaks as Azure Blob Storage does (Azurite), with a door before it that can fail.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use aws_lc_rs::hmac;
use http_body_util::Full;
use tokio::net::TcpStream;

use super::door::{Door, Gate};
use super::nginx::free_port;
use super::process::Process;
use super::wait::{eventually, secs};

/// The server with one container, and an account whose key is made for it.
pub struct Azure {
    _server: Process,
    gate: Gate,
    key: Vec<u8>,
    _dir: tempfile::TempDir,
}

const ACCOUNT: &str = "katahai";
/// The container.
pub const CONTAINER: &str = "katahai-test";
/// A version of the protocol.
const VERSION: &str = "2021-08-06";

impl Azure {
    pub async fn start() -> Azure {
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/azurite/node_modules");
        assert!(modules.exists(), "run tests/run once, it installs what the tests need");
        let (at, dir) = (free_port(), tempfile::tempdir().unwrap());
        let key: Vec<u8> = (0..64).map(|_| fastrand::u8(..)).collect();
        let mut command = Command::new("node");
        command.arg(modules.join("azurite/dist/src/blob/main.js")).current_dir(dir.path());
        command.args(["--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry"]);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &at.port().to_string()]);
        command.env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{}", base64(&key)));
        let process = Process::start(&mut command);
        eventually("the Azure server", secs(60), async || TcpStream::connect(at).await.ok()).await;
        let this = Azure { _server: process, gate: Gate::before(at), key, _dir: dir };
        this.make_container(&super::Client::new(at).host(&at.to_string())).await;
        this
    }

    /// Signed with the account's key, as the protocol wants it.
    async fn make_container(&self, client: &super::Client) {
        let date = httpdate::fmt_http_date(SystemTime::now());
        let mut signed = format!("PUT{}", "\n".repeat(12));
        let _ = write!(signed, "x-ms-date:{date}\nx-ms-version:{VERSION}\n");
        let _ = write!(signed, "/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        let signature = base64(hmac::sign(&key, signed.as_bytes()).as_ref());
        let request = client
            .ask("PUT", &format!("/{ACCOUNT}/{CONTAINER}?restype=container"))
            .header("x-ms-date", date)
            .header("x-ms-version", VERSION)
            .header("content-length", 0)
            .header("authorization", format!("SharedKey {ACCOUNT}:{signature}"));
        let made = client.send(request.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(made.status, 201, "{}", made.text());
    }

    /// Where the emulator is, for the variable that the protocol's libraries read.
    pub fn url(&self) -> String {
        format!("http://{}", self.gate.addr())
    }

    /// The lines of `credentials_file`.
    pub fn credentials(&self) -> String {
        let key = base64(&self.key);
        format!(
            "AZURE_STORAGE_ACCOUNT_NAME={ACCOUNT}\nAZURE_STORAGE_ACCOUNT_KEY={key}\nAZURE_STORAGE_USE_EMULATOR=true\n"
        )
    }

    /// The door.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// From now on the door does this; open connections are cut.
    pub async fn door(&self, door: Door) {
        self.gate.moves(door).await;
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let group = [0, 1, 2].map(|n| u32::from(three.get(n).copied().unwrap_or(0)));
        let group = group[0] << 16 | group[1] << 8 | group[2];
        for n in 0..4 {
            let sign = SIGNS[(group >> (18 - 6 * n) & 63) as usize] as char;
            text.push(if n > three.len() { '=' } else { sign });
        }
    }
    text
}
