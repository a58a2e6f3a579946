//! What `katahai snapshot export` and `import` share: where the snapshots are, what the site is, and how far the work is.

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressStyle};

use super::args::OfSite;
use super::client::{CallError, Client, StatusError, read_config};
use super::{FAILED, USAGE, fail, runtime};
use crate::clock;
use crate::config::ready::Site;
use crate::config::{Env, defaults};
use crate::portable::{Base, Progress};

/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// What a command works on.
pub(super) struct Target {
    /// Where the snapshots are: as said, as the running instance says, as configured, or where they are by default.
    pub(super) state_dir: PathBuf,
    /// The configured sites; none without a configuration.
    pub(super) sites: Vec<Arc<Site>>,
    /// The sites of the instance that runs.
    pub(super) running: Vec<String>,
}

impl Target {
    /// # Errors
    /// The exit code, after saying why: a configuration that cannot be read, an instance that does not let us in. Without
    /// either, a state directory is enough.
    pub(super) fn of(options: &OfSite) -> Result<Target, u8> {
        let config = read_config(options.instance.config.as_deref());
        if let Some(dir) = &options.state_dir {
            let sites = match config {
                Ok(config) => config.map(|config| config.sites).unwrap_or_default(),
                Err(_) if options.instance.config.is_none() => Vec::new(),
                Err(message) => return Err(fail(USAGE, &message)),
            };
            return Ok(Target { state_dir: dir.clone(), sites, running: Vec::new() });
        }
        let client = Client::of(&options.instance)?;
        let runtime = runtime().map_err(|error| fail(FAILED, &format!("could not start: {error}")))?;
        match runtime.block_on(client.status()) {
            Ok(status) => {
                let running = status["sites"].as_array().into_iter().flatten();
                let running: Vec<String> =
                    running.filter_map(|site| site["name"].as_str()).map(str::to_owned).collect();
                // A file that lies about where the command is called may be about something else.
                let mut sites = config.ok().flatten().map(|config| config.sites).unwrap_or_default();
                sites.retain(|site| running.iter().any(|name| *name == *site.name));
                let state_dir = status["state_dir"].as_str().unwrap_or_default().into();
                Ok(Target { state_dir, sites, running })
            }
            Err(StatusError::Call(CallError::Nobody(..))) => {
                let config = config.map_err(|message| fail(USAGE, &message))?;
                let by_default = || Env::of_process().state_dir.unwrap_or_else(|| defaults::STATE_DIR.into());
                let (configured, sites) = config.map(|config| (config.state_dir, config.sites)).unzip();
                let state_dir = configured.unwrap_or_else(by_default);
                Ok(Target { state_dir, sites: sites.unwrap_or_default(), running: Vec::new() })
            }
            Err(error) => Err(fail(FAILED, &error.to_string())),
        }
    }

    pub(super) fn site(&self, name: &str) -> Option<&Site> {
        self.sites.iter().find(|site| &*site.name == name).map(|site| &**site)
    }
}

/// The address by which visitors know a site: its host, over TLS if it has a certificate or its origin speaks TLS.
pub(super) fn base_of(site: &Site) -> Option<Base> {
    let origin = site.origins.first();
    let tls = site.tls.is_some() || origin.is_some_and(|origin| origin.url.tls);
    if let Some(host) = site.canonical_host() {
        return Base::new(tls, host).ok();
    }
    Base::parse(&origin?.url.to_string()).ok()
}

/// A bar on a terminal, lines elsewhere.
pub(super) struct CopyProgress {
    bar: Option<ProgressBar>,
    last: Cell<Instant>,
}

impl CopyProgress {
    pub(super) fn new() -> CopyProgress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{bar:32} {pos}/{len} pages, {msg}, {elapsed} gone, {eta} left");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        CopyProgress { bar, last: Cell::new(clock::instant()) }
    }

    #[expect(clippy::print_stderr, reason = "progress goes where it does not mix with the result")]
    pub(super) fn show(&self, so_far: Progress) {
        let bytes = ByteSize(so_far.bytes).display().iec();
        if let Some(bar) = &self.bar {
            bar.set_length(so_far.total.max(so_far.done));
            bar.set_position(so_far.done);
            bar.set_message(bytes.to_string());
        } else if clock::instant() - self.last.get() >= LINE {
            self.last.set(clock::instant());
            eprintln!("{} of {} pages, {bytes}", so_far.done, so_far.total.max(so_far.done));
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
