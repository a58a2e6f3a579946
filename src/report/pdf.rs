//! A page printed as PDF by a browser of the machine: Chromium or Chrome without a window, with a profile of its own that goes
//! afterwards, without the network, in a bounded time.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::disk::{self, TempDir};
use crate::tasks;

/// The names of browsers that can.
pub const BROWSERS: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];
/// How long printing may take.
const LONGEST: Duration = Duration::from_secs(30);
/// Bytes of a PDF.
const LARGEST: u64 = 32 << 20;

/// What of the environment a browser gets.
pub const KEPT_ENVIRONMENT: [&str; 5] = ["PATH", "TMPDIR", "LANG", "FONTCONFIG_FILE", "FONTCONFIG_PATH"];

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
pub enum Unprintable {
    /// No browser is there.
    #[error(
        "a PDF takes Chromium or Chrome, and neither is installed here; take the report as HTML instead (--format html), open it \
         in any browser, and print it"
    )]
    NoBrowser,
    /// It did not print.
    #[error(
        "{0} did not print the report{1}; take it as HTML instead (--format html), and print it in any browser"
    )]
    Failed(&'static str, &'static str),
    /// Another one is being printed.
    #[error("another report is being printed; try again in a moment")]
    Busy,
    /// The folder in between.
    #[error("the report could not be printed: {0}")]
    Disk(#[from] std::io::Error),
}

/// Prints a page.
///
/// # Errors
/// See [`Unprintable`].
pub async fn pdf(html: &str) -> Result<Vec<u8>, Unprintable> {
    let stopping = || Unprintable::Disk(std::io::Error::other("the process is stopping"));
    let page = html.to_owned();
    let staged = tasks::blocking(move || {
        let folder = TempDir::create("katahai-report")?;
        disk::write_atomic(&folder.path().join("report.html"), page.as_bytes())?;
        Ok::<TempDir, std::io::Error>(folder)
    });
    let folder = staged.await.ok_or_else(stopping)??;
    for browser in BROWSERS {
        let Some(mut child) = start(browser, &folder)? else { continue };
        let ended = tokio::time::timeout(LONGEST, child.0.wait()).await;
        if ended.is_err() {
            // its profile can be removed only when it is gone, and what it has started with it
            child.stop();
            _ = child.0.kill().await;
            tasks::blocking(move || drop(folder)).await;
            return Err(Unprintable::Failed(browser, " within 30 seconds"));
        }
        let printed = tasks::blocking(move || read(&folder)).await.ok_or_else(stopping)?;
        return printed.ok_or(Unprintable::Failed(browser, ""));
    }
    Err(Unprintable::NoBrowser)
}

/// What was printed, if it is a PDF.
fn read(folder: &TempDir) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(folder.path().join("report.pdf")).ok()?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).ok()?;
    (bytes.starts_with(b"%PDF") && bytes.len() as u64 <= LARGEST).then_some(bytes)
}

/// Starts a browser; `None` if it is not there.
fn start(browser: &str, folder: &TempDir) -> Result<Option<BrowserGroup>, std::io::Error> {
    let path = folder.path();
    let mut command = Command::new(browser);
    command
        .args(["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-extensions", "--disable-sync"])
        .args(["--no-pdf-header-footer", "--host-resolver-rules=MAP * ~NOTFOUND"])
        .arg(format!("--user-data-dir={}", path.join("profile").display()))
        .arg(format!("--print-to-pdf={}", path.join("report.pdf").display()));
    if rustix::process::geteuid().is_root() {
        // Chromium refuses its sandbox to root; the page is our own, without script and without the network
        command.arg("--no-sandbox");
    }
    command.arg(format!("file://{}", path.join("report.html").display()));
    // nothing of the service's own: it may hold keys
    command
        .env_clear()
        .envs(KEPT_ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
        .env("HOME", path)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match command.kill_on_drop(true).spawn() {
        Ok(child) => Ok(Some(BrowserGroup(child))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A browser that runs. It goes with all that it has started, also if nobody waits for it any longer.
pub struct BrowserGroup(
    /// The process that was started.
    pub tokio::process::Child,
);

impl BrowserGroup {
    /// Ends it.
    pub fn stop(&self) {
        let id = self.0.id().and_then(|id| i32::try_from(id).ok());
        let group = id.and_then(rustix::process::Pid::from_raw);
        // it may be gone already
        group.map(|group| rustix::process::kill_process_group(group, rustix::process::Signal::KILL));
    }
}

impl Drop for BrowserGroup {
    fn drop(&mut self) {
        self.stop();
    }
}
