//! A browser of this machine, told what to do over its debugging pipe: messages in JSON, each ended by a zero byte (Chrome
//! DevTools Protocol). It goes with all that it has started.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};

use crate::disk::TempDir;
use crate::report::{BROWSERS, BrowserGroup, KEPT_ENVIRONMENT};

/// Events that wait at once.
const WAITING: usize = 10_000;
/// Bytes of one message.
const LARGEST: usize = 32 << 20;
/// How long the browser may take for a command.
const PATIENCE: Duration = Duration::from_secs(30);

/// A window of a browser, with a profile of its own.
pub(super) struct Pipe {
    group: BrowserGroup,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// What has come of the next message.
    read: Vec<u8>,
    session: Option<String>,
    next: u64,
    /// What came while an answer was waited for.
    waiting: std::collections::VecDeque<Value>,
    folder: Option<TempDir>,
}

/// Whether the process may do everything.
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The browser to use: the one that is named, or the first that is installed.
pub fn installed(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(named) = named {
        return named.is_file().then(|| named.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    BROWSERS.iter().find_map(|name| places.iter().map(|place| place.join(name)).find(|file| file.is_file()))
}

impl Pipe {
    /// Starts it.
    ///
    /// `unknown` are hosts that it is to find nowhere, as patterns: what gets round the interception of requests (a worker, a
    /// WebSocket) must not reach the site.
    pub(super) async fn start(browser: &Path, folder: TempDir, unknown: &[String]) -> Result<Pipe, String> {
        let mut command = Command::new("sh");
        // The browser expects the pipe at the descriptors 3 (to it) and 4 (from it). It yields to whatever else runs here.
        command
            .args(["-c", "exec nice -n 19 \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .arg(browser)
            .args(["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-extensions", "--disable-sync"])
            .args(["--disable-component-update", "--mute-audio", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
        let rules: Vec<String> = unknown.iter().map(|host| format!("MAP {host} ~NOTFOUND")).collect();
        command.arg(format!("--host-resolver-rules={}", rules.join(",")));
        if is_root() {
            // Chromium refuses its sandbox to root. What it shows then is the copy alone
            command.arg("--no-sandbox");
        }
        // nothing of the service's own: it may hold keys
        command.env_clear();
        command.envs(KEPT_ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command
            .env("HOME", folder.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("it did not start: {error}"))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("it has no pipe".to_owned());
        };
        let mut pipe = Pipe {
            group: BrowserGroup(child),
            to,
            from: BufReader::new(from),
            read: Vec::new(),
            session: None,
            next: 0,
            waiting: std::collections::VecDeque::new(),
            folder: Some(folder),
        };
        let target = pipe.call("Target.createTarget", json!({ "url": "about:blank" })).await?;
        let wanted = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = pipe.call("Target.attachToTarget", wanted).await?;
        pipe.session = attached["sessionId"].as_str().map(str::to_owned);
        Ok(pipe)
    }

    /// Sends a command, and waits for nothing.
    pub(super) async fn tell(&mut self, method: &str, params: Value) -> Result<u64, String> {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let written = self.to.write_all(format!("{message}\0").as_bytes()).await;
        written.map_err(|_| "it ended".to_owned())?;
        Ok(self.next)
    }

    /// Sends a command and waits for what comes of it; events that come meanwhile wait.
    pub(super) async fn call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        let id = self.tell(method, params).await?;
        let answer = async {
            loop {
                let message = self.message().await?;
                if message["id"] == id {
                    return Ok::<Value, String>(message);
                }
                if self.waiting.len() >= WAITING {
                    return Err("it says too much".to_owned());
                }
                self.waiting.push_back(message);
            }
        };
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let answer = answer.map_err(|_| format!("it did not answer to {method}"))??;
        match answer["error"]["message"].as_str() {
            Some(error) => Err(format!("{method}: {error}")),
            None => Ok(answer["result"].clone()),
        }
    }

    /// The next event or answer; `None` after so long a silence.
    pub(super) async fn next(&mut self, silence: Duration) -> Result<Option<Value>, String> {
        if let Some(waiting) = self.waiting.pop_front() {
            return Ok(Some(waiting));
        }
        match tokio::time::timeout(silence, self.message()).await {
            Ok(message) => message.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// What has come of a message stays when nobody waits any longer.
    async fn message(&mut self) -> Result<Value, String> {
        let most = u64::try_from(LARGEST.saturating_sub(self.read.len()) + 1).unwrap_or(u64::MAX);
        let read = (&mut self.from).take(most).read_until(0, &mut self.read).await;
        match read {
            Ok(_) if self.read.last() == Some(&0) && self.read.len() <= LARGEST => {}
            Ok(_) | Err(_) => return Err("it ended".to_owned()),
        }
        self.read.pop();
        let message = serde_json::from_slice(&self.read).unwrap_or_default();
        self.read.clear();
        Ok(message)
    }

    /// Ends it, and removes its profile.
    pub(super) async fn end(mut self) {
        self.group.stop();
        _ = self.group.0.wait().await;
        if let Some(folder) = self.folder.take() {
            _ = crate::tasks::blocking(move || drop(folder)).await;
        }
    }
}
