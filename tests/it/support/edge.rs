//! The real binary as a child process, on free ports and with a state directory of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::client::{Answer, Client};
use super::config::Config;
use super::nginx::free_port;
use super::process::{self, Process, Said};
use super::turn::{self, Turn};
use super::wait::{eventually, secs};

/// The binary under test: `KATAHAI_BIN`, or the one that cargo has just built.
pub fn binary() -> PathBuf {
    match std::env::var_os("KATAHAI_BIN") {
        Some(path) => std::path::absolute(path).unwrap(),
        None => PathBuf::from(env!("CARGO_BIN_EXE_katahai")),
    }
}

/// The bound addresses, as the start-up lines say them.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    pub http: Vec<SocketAddr>,
    pub https: Vec<SocketAddr>,
    pub admin: Vec<SocketAddr>,
}

/// A running Katahai; killed by its id when dropped, its log printed when the test fails.
pub struct Edge {
    process: Process,
    ports: Ports,
    dir: tempfile::TempDir,
    config: Config,
    began: Instant,
    _turn: Turn,
}

impl Edge {
    /// Starts `katahai serve` and waits until it answers.
    pub async fn start(config: Config) -> Edge {
        Edge::start_in(tempfile::tempdir().unwrap(), config).await
    }

    /// The same with files of the test's own in the directory of the configuration.
    pub async fn start_in(dir: tempfile::TempDir, config: Config) -> Edge {
        let turn = turn::share();
        let config = with_places(config, dir.path());
        std::fs::write(dir.path().join("katahai.toml"), config.toml()).unwrap();
        let began = Instant::now();
        let process = spawn(dir.path(), &config);
        let mut edge = Edge { process, ports: Ports::default(), dir, config, began, _turn: turn };
        edge.up().await;
        edge
    }

    async fn up(&mut self) {
        let https = usize::from(self.config.has("listen.https"));
        let deadline = Instant::now() + secs(60);
        loop {
            self.ports = ports(&self.process.lines());
            let p = &self.ports;
            if !p.http.is_empty() && p.https.len() >= https && !p.admin.is_empty() {
                break;
            }
            if let Some(status) = self.process.ended() {
                panic!("katahai ended at its start ({status}):\n{}", self.process.lines().join("\n"));
            }
            assert!(Instant::now() < deadline, "katahai did not say its ports:\n{}", self.log().join("\n"));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        eventually("an answer of /healthz", secs(60), async || {
            let client = self.admin().patience(secs(2));
            let request = client.ask("GET", "/healthz").body(Default::default()).unwrap();
            client.send(request).await.ok().filter(|answer| answer.status == 200).map(drop)
        })
        .await;
    }

    /// When the process was started last.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The first plain listener.
    pub fn http(&self) -> SocketAddr {
        self.ports.http[0]
    }

    /// A visitor on it.
    pub fn client(&self) -> Client {
        Client::new(self.http())
    }

    /// Where visitors come by TLS, if they may.
    pub fn https(&self) -> Option<SocketAddr> {
        self.ports.https.first().copied()
    }

    /// A visitor by TLS.
    pub fn tls(&self, roots: rustls::RootCertStore) -> Client {
        Client::new(self.https().unwrap()).tls(roots)
    }

    /// The operator.
    pub fn admin(&self) -> Client {
        Client::new(self.ports.admin[0]).host("localhost")
    }

    /// Where the admin API listens.
    pub fn admin_addr(&self) -> SocketAddr {
        self.ports.admin[0]
    }

    /// GET as a visitor.
    pub async fn get(&self, target: &str) -> Answer {
        self.client().get(target).await
    }

    /// The directory of the configuration.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The state directory.
    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// What it has written so far.
    ///
    /// A line may come after the answer of what it is about: [`Edge::until_logged`] waits for it.
    pub fn log(&self) -> Vec<String> {
        self.process.lines()
    }

    /// Waits for a line with all of these in it.
    pub async fn until_logged(&self, parts: &[&str]) -> String {
        eventually(&format!("a line with {parts:?}"), secs(60), async || {
            self.log().into_iter().find(|line| parts.iter().all(|part| line.contains(part)))
        })
        .await
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn rss(&self) -> u64 {
        process::rss(self.pid())
    }

    pub fn peak_rss(&self) -> u64 {
        process::peak_rss(self.pid())
    }

    /// Counts the most memory anew from now on.
    pub fn forget_peak(&self) {
        process::forget_peak(self.pid());
    }

    /// Kills it (-9).
    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub fn sighup(&self) {
        self.process.signal(Signal::HUP);
    }

    pub fn sigterm(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Waits for its end; `None` if it had to be killed after `within`, or was.
    pub async fn exit_code(&mut self, within: Duration) -> Option<i32> {
        self.process.end(within).await.and_then(|status| status.code())
    }

    /// Kills it if it runs, and starts it again: same state, same ports.
    pub async fn restart(&mut self) {
        self.restart_with(self.config.clone()).await;
    }

    /// The same with another configuration.
    pub async fn restart_with(&mut self, config: Config) {
        self.process.kill();
        self.write(config);
        self.began = Instant::now();
        self.process = spawn(self.dir.path(), &self.config);
        self.up().await;
    }

    /// Writes another configuration, without any reload. The ports stay.
    pub fn write(&mut self, config: Config) {
        let all = |addrs: &[SocketAddr]| addrs[0].to_string();
        let mut config =
            config.set("listen.http", [&*all(&self.ports.http)]).set("listen.admin", all(&self.ports.admin));
        if !self.ports.https.is_empty() {
            config = config.set("listen.https", [&*all(&self.ports.https)]);
        }
        self.config = with_places(config, self.dir.path());
        self.write_text(&self.config.toml());
    }

    /// Writes anything as the configuration, in one step as a careful operator does.
    pub fn write_text(&self, text: &str) {
        let new = self.dir.path().join("katahai.toml.new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.dir.path().join("katahai.toml")).unwrap();
    }

    /// The configuration that runs, or is to run after the next reload.
    pub fn config(&self) -> Config {
        self.config.clone()
    }

    /// `katahai …` with this edge's configuration and admin address.
    pub async fn cli(&self, args: &[&str]) -> Said {
        let mut command = command(self.dir.path());
        command.args(args).arg("-c").arg(self.dir.path().join("katahai.toml"));
        if args[0] != "check" {
            command.arg("--admin").arg(self.ports.admin[0].to_string());
        }
        process::run(command, secs(60)).await
    }

    /// `katahai …` as it stands, with nothing but the configuration.
    pub async fn cli_offline(&self, args: &[&str]) -> Said {
        let mut command = command(self.dir.path());
        command.args(args).arg("-c").arg(self.dir.path().join("katahai.toml"));
        command.envs(self.config.variables().iter().map(|(name, value)| (name, value)));
        process::run(command, secs(60)).await
    }

    /// `GET /api/v1/status`.
    pub async fn status(&self) -> Value {
        let answer = self.admin().get("/api/v1/status").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).expect("a status in JSON")
    }

    /// The first site's part of it.
    pub async fn site(&self) -> Value {
        self.status().await["sites"][0].clone()
    }

    /// The first site's state.
    pub async fn state(&self) -> String {
        self.site().await["state"].as_str().expect("a state").to_owned()
    }

    /// Waits until the first site has this state.
    pub async fn until(&self, state: &str) {
        let what = format!("the site is {state}");
        eventually(&what, secs(60), async || (self.state().await == state).then_some(())).await;
    }

    /// Waits for the first snapshot; returns its id.
    pub async fn until_snapshot(&self) -> String {
        eventually("a snapshot", secs(60), async || self.snapshot_id().await).await
    }

    /// The id of the snapshot in service.
    pub async fn snapshot_id(&self) -> Option<String> {
        self.site().await["snapshot"]["id"].as_str().map(str::to_owned)
    }

    /// The crawler's part of the list of snapshots: what runs, and how the last one ended.
    pub async fn crawl(&self) -> Value {
        let name = self.site().await["name"].as_str().unwrap().to_owned();
        let list = self.admin().get(&format!("/api/v1/sites/{name}/snapshots")).await;
        serde_json::from_slice::<Value>(&list.body).expect("JSON")["crawl"].clone()
    }

    /// Asks for a snapshot and waits until a newer one than now is in service.
    pub async fn take_snapshot(&self) -> String {
        // one that tidies up after itself is still the running one
        eventually("the end of the last crawl", secs(60), async || {
            self.crawl().await["running"].is_null().then_some(())
        })
        .await;
        let before = self.snapshot_id().await;
        let admin = self.admin();
        let name = self.site().await["name"].as_str().unwrap().to_owned();
        let answer = admin.post(&format!("/api/v1/sites/{name}/snapshots"), "").await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        eventually("a newer snapshot", secs(60), async || {
            self.snapshot_id().await.filter(|id| Some(id) != before.as_ref())
        })
        .await
    }

    /// `POST /api/v1/reload`.
    pub async fn reload(&self) -> Answer {
        self.admin().post("/api/v1/reload", "").await
    }
}

#[expect(clippy::print_stdout, reason = "the runner shows it only when the test fails")]
impl Drop for Edge {
    fn drop(&mut self) {
        self.process.kill();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(200);
            println!("--- katahai's last {} lines\n{}\n---", log.len() - from, log[from..].join("\n"));
        }
    }
}

fn with_places(config: Config, dir: &Path) -> Config {
    let mut config = config;
    if !config.has("listen.http") {
        config = config.set("listen.http", [&*free_port().to_string()]);
    }
    if !config.has("listen.admin") {
        config = config.set("listen.admin", free_port().to_string());
    }
    config.set("state_dir", dir.join("state").display().to_string())
}

/// The binary under test, in a directory, without anything of this machine's own settings.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(binary());
    command.current_dir(dir).env("RUST_BACKTRACE", "1").env("NO_COLOR", "1").env_remove("STATE_DIRECTORY");
    command
}

/// `katahai serve` with the configuration in `dir`, and what else `config` says of the process.
pub fn spawn(dir: &Path, config: &Config) -> Process {
    let mut serve = command(dir);
    if let Some(size) = config.disk() {
        // a disk of its own, which no other process sees, and which ends with the process
        std::fs::create_dir_all(dir.join("state")).unwrap();
        let mount = "mount -t tmpfs -o size=\"$0\" tmpfs state && exec \"$@\"";
        serve = Command::new("unshare");
        serve.args(["-m", "sh", "-c", mount, size]).arg(binary()).current_dir(dir).env("NO_COLOR", "1");
    }
    if let Some(most) = config.descriptors() {
        serve = Command::new("sh");
        serve.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &most.to_string()]).arg(binary());
        serve.current_dir(dir).env("NO_COLOR", "1");
    }
    if let Some(file) = config.clock() {
        let library = Path::new("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1");
        assert!(
            library.exists(),
            "libfaketime is missing: run tests/run once, it installs what the tests need"
        );
        serve.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", file);
        serve.env("FAKETIME_NO_CACHE", "1");
        if !config.is_all_time() {
            serve.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
    }
    serve.envs(config.variables().iter().map(|(name, value)| (name, value)));
    Process::start(serve.args(["serve", "-c"]).arg(dir.join("katahai.toml")).args(config.flags()))
}

/// Reads `… listening … kind=http addr=127.0.0.1:8080` lines.
pub fn ports(lines: &[String]) -> Ports {
    let mut ports = Ports::default();
    for line in lines.iter().filter(|line| line.contains("listening")) {
        let value = |name: &str| {
            let rest = line.split_once(name)?.1;
            rest.split_whitespace().next().map(|text| text.trim_matches('"'))
        };
        let (Some(kind), Some(Ok(addr))) = (value("kind="), value("addr=").map(str::parse)) else { continue };
        match kind {
            "http" => ports.http.push(addr),
            "https" => ports.https.push(addr),
            "admin" => ports.admin.push(addr),
            other => panic!("a listener of the kind {other:?}: {line}"),
        }
    }
    ports
}
