//! The whole application, the only part that knows every other one. Startup is here, reload in `reload`, shutdown in `drain`.

pub mod alerts;
mod assets;
mod build;
pub mod certificates;
mod conditions;
mod crawlers;
pub mod drills;
mod edge;
mod files;
mod form_message;
pub mod forms;
pub mod forms_found;
mod forms_store;
mod gauges;
mod histories;
pub mod incidents;
mod leftovers;
pub mod offsite;
pub mod online;
pub mod overview;
mod rechecks;
pub mod recipients;
pub mod regions;
mod reload;
mod rounds;
mod run_lock;
pub mod selftests;
mod shares;
pub mod shelf;
mod shelf_state;
pub mod status;
mod ticker;
mod token;
pub mod visitors_get;
mod visits;
pub mod watch;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::access_log::AccessLog;
use crate::cache::Cache;
use crate::clock::{self, Now};
use crate::config::ready::AdminAddr;
use crate::config::{Config, Env, Problems};
use crate::crawl::{Crawler, Seats};
use crate::descriptors;
use crate::forms::Intake;
use crate::metrics::Metrics;
use crate::origin::{Standing, Tools};
use crate::proxy::{BufferRoom, Deliverer, Explained, Hot, Proxy, Spool, Table, Unexplained};
use crate::server::{self, Limits, Listener, Server};
use crate::snapshot::Garbage;
use crate::tls::Certs;
use crate::{server::Drained, tasks};
pub use conditions::Condition;
pub use crawlers::crawl_once;
pub use edge::Observer;
pub use files::print;
pub use reload::{Refused, Reloaded};
pub use shares::{Counted, Shares};
pub use shelf_state::{Carried, Held, Trouble};
pub use token::AdminToken;

/// How long the start waits to learn whether the origins answer, so that the first visitors get the live site.
const FIRST_LOOK: Duration = Duration::from_millis(150);
/// How long requests under way may take to end when the process is told to stop.
pub const GRACE: Duration = Duration::from_secs(30);

/// Where the configuration came from, and where a reload finds it.
#[derive(Clone, Debug)]
pub enum Source {
    /// This file.
    File {
        /// Its path.
        path: PathBuf,
        /// What of the environment matters to it.
        env: Env,
        /// The hash of what the file held just before it was read; `None` if it could not be read.
        read: Option<blake3::Hash>,
        /// Where the admin API listens, whatever the file says.
        admin: Option<AdminAddr>,
    },
    /// The command line: there is nothing to reload.
    Flags,
}

/// What the process cannot start without.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket.
    #[error("could not start")]
    Bind(#[from] server::BindError),
    /// TLS.
    #[error("could not set up TLS")]
    Tls(#[from] crate::tls::TlsError),
    /// The process is told to stop.
    #[error("the process is stopping")]
    Ending,
    /// A metric's name is used twice.
    #[error("could not set up metrics")]
    Metrics(#[from] prometheus::Error),
    /// Nothing can be written to the state directory, and there is no snapshot in it that could be served.
    #[error(
        "could not write to the state directory {dir}, which has no snapshots to serve either (let the user that runs Katahai own \
         it, or name another one as state_dir)"
    )]
    State {
        /// Which.
        dir: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// A running proxy.
pub struct App {
    source: Source,
    proxy: Proxy,
    access_log: AccessLog,
    parts: Parts,
    certs: Arc<Certs>,
    visitors: Mutex<Option<Server>>,
    running: Mutex<Running>,
    fixed: reload::Fixed,
    tokens: token::Tokens,
    reloading: tokio::sync::Mutex<()>,
    shelves: Arc<shelf_state::Shelves>,
    looks: rounds::Rounds,
    addresses: Addresses,
    coverages: Arc<visits::Coverages>,
    counts: rounds::Rounds,
    scrape: Arc<tokio::sync::Mutex<()>>,
    conditions: conditions::Conditions,
    incidents: Arc<incidents::Incidents>,
    rings: ticker::Rings,
    mark: Mutex<Option<run_lock::RunLock>>,
    ticker: OnceLock<tasks::Guard>,
    watch: watch::Watch,
    rechecks: rechecks::Rechecks,
    selftests: selftests::SelfTests,
    selftester: OnceLock<tasks::Guard>,
    _records: tasks::Guard,
    _deliverer: Deliverer,
    recipients: Arc<recipients::Recipients>,
    alerts: Arc<alerts::Alerts>,
    alerters: OnceLock<[tasks::Guard; 2]>,
    regions: Option<Arc<regions::Regions>>,
    heart: OnceLock<tasks::Guard>,
    courier: OnceLock<tasks::Guard>,
    offsite: Option<Arc<offsite::Offsite>>,
    keeper: OnceLock<tasks::Guard>,
    form_copies: forms_store::FormCopies,
    copier: OnceLock<tasks::Guard>,
    started: Now,
}

/// What all sites share and every reload keeps.
struct Parts {
    metrics: Arc<Metrics>,
    cache: Cache,
    hot: Hot,
    room: BufferRoom,
    seats: Seats,
    garbage: Arc<Garbage>,
}

impl Parts {
    fn of(config: &Config, metrics: Arc<Metrics>, started: Now) -> Parts {
        let memory = config.limits.memory_cache;
        Parts {
            metrics,
            cache: Cache::new(memory / 2),
            hot: Hot::new(memory / 2),
            room: BufferRoom::default(),
            seats: Seats::within(descriptors::limit()),
            garbage: Arc::new(Garbage::new(&config.state_dir, started.mono)),
        }
    }
}

/// What a reload replaces.
struct Running {
    config: Config,
    tools: Tools,
    crawlers: HashMap<Arc<str>, Arc<Crawler>>,
}

/// Where it listens, as bound.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// Plain HTTP.
    pub http: Vec<std::net::SocketAddr>,
    /// TLS.
    pub https: Vec<std::net::SocketAddr>,
}

impl App {
    /// Starts everything, in an order in which nothing is promised before it can be kept: sockets are bound (so that a
    /// port in use ends the start at once), snapshots found, origins looked at, and only then visitors let in.
    ///
    /// # Errors
    /// See [`StartError`]. What can be done without (a certificate; writing to a state directory that holds snapshots) is no
    /// error: it is logged, and copies are served.
    pub async fn start(
        config: Config,
        source: Source,
        log: impl FnOnce(&Metrics) -> AccessLog,
        observer: Option<Observer>,
    ) -> Result<Arc<App>, StartError> {
        let started = clock::now();
        let http = server::bind_tcp(&config.listen.http)?;
        let https = server::bind_tcp(&config.listen.https)?;
        let at = |listeners: &[Listener]| listeners.iter().filter_map(Listener::address).collect();
        let addresses = Addresses { http: at(&http), https: at(&https) };
        let conditions = conditions::Conditions::default();
        let (certs, problems) = Certs::load(&config.sites, started.wall);
        certificates::tell(&problems);
        conditions.certificates(&problems);
        let tls = certs.server_config()?;
        let metrics = Metrics::new()?;
        let (dir, at) = (config.state_dir.clone(), started.wall);
        let begun = tasks::blocking(move || run_lock::RunLock::set(&dir, at)).await.unwrap_or_default();
        begun.left.into_iter().for_each(|left| conditions.unclean(left, started.mono));
        conditions.shared(begun.other);
        if let Some(error) = begun.unwritable {
            conditions.unwritable(Some(writes_nothing(&config.state_dir, error).await?));
        }
        let parts = Parts::of(&config, metrics.clone(), started);
        let tools = build::tools(&config);
        let sites = build::sites(&config, &tools, &parts, None).await;
        let table =
            Table::new(sites, config.listen.trusted_proxies.clone(), &config.listen.https, &config.limits);
        let access_log = log(&metrics);
        let (spool, intake, watch) = opened(&config).await.ok_or(StartError::Ending)?;
        let proxy = Proxy::new(table, access_log.clone(), spool, intake);
        let rechecks = rechecks::Rechecks::of(&proxy.table());
        drills::begin(&proxy, &config).await;
        look_at_origins(&proxy).await;
        let visitors = Server::new(Limits::visitors(&config));
        let edge = edge::Edge::new(proxy.clone(), observer);
        http.into_iter().for_each(|listener| visitors.listen(listener, None, edge.clone()));
        https.into_iter().for_each(|listener| visitors.listen(listener, Some(tls.clone()), edge.clone()));
        let offsite = offsite::Offsite::of(&config);
        let regions = regions::Regions::start(&config, &tools).await;
        let app = Arc::new(App {
            _deliverer: Deliverer::start(&proxy),
            _records: tasks::guarded(keep_records(proxy.clone())),
            offsite,
            incidents: Arc::new(incidents::Incidents::new(&config.state_dir, started)),
            alerts: alerts::Alerts::open(&config, started).await.ok_or(StartError::Ending)?,
            source,
            proxy,
            access_log,
            parts,
            certs,
            visitors: Mutex::new(Some(visitors)),
            fixed: reload::Fixed::of(&config),
            tokens: token::Tokens::default(),
            running: Mutex::new(Running { config, tools, crawlers: HashMap::new() }),
            reloading: tokio::sync::Mutex::new(()),
            shelves: Arc::default(),
            looks: rounds::Rounds::default(),
            addresses,
            coverages: Arc::default(),
            counts: rounds::Rounds::default(),
            scrape: Arc::default(),
            conditions,
            rings: ticker::Rings::default(),
            mark: Mutex::new(begun.mark),
            ticker: OnceLock::new(),
            watch,
            rechecks,
            selftests: selftests::SelfTests::default(),
            selftester: OnceLock::new(),
            recipients: Arc::default(),
            alerters: OnceLock::new(),
            regions,
            heart: OnceLock::new(),
            courier: OnceLock::new(),
            keeper: OnceLock::new(),
            form_copies: forms_store::FormCopies::default(),
            copier: OnceLock::new(),
            started,
        });
        app.copy_forms(forms_store::Occasion::Start).await;
        app.set_to_work();
        Ok(app)
    }

    /// Begins what goes on by itself.
    fn set_to_work(self: &Arc<Self>) {
        self.start_crawlers();
        let weak = || Arc::downgrade(self);
        _ = self.copier.set(tasks::guarded(forms_store::run(weak())));
        _ = self.courier.set(tasks::guarded(recipients::run(weak())));
        let alerters = [tasks::guarded(alerts::run(weak())), tasks::guarded(alerts::beat(weak()))];
        _ = self.alerters.set(alerters);
        if let Some(offsite) = &self.offsite {
            _ = self.keeper.set(tasks::guarded(offsite.clone().run(weak())));
        }
        _ = self.heart.set(tasks::guarded(regions::run(weak())));
        self.watch.begin(weak());
        _ = self.selftester.set(tasks::guarded(selftests::run(weak())));
        _ = self.ticker.set(tasks::guarded(ticker::run(weak())));
    }

    /// Watches the files that the configuration came from, for as long as the guard lives.
    pub fn watch_files(self: &Arc<Self>) -> tasks::Guard {
        tasks::guarded(files::run(Arc::downgrade(self)))
    }

    /// The configuration in use.
    pub fn config(&self) -> Config {
        self.running().config.clone()
    }

    /// Where forms are kept.
    pub fn intake(&self) -> &Arc<Intake> {
        self.proxy.intake()
    }

    /// The sites as they run.
    pub fn table(&self) -> Arc<Table> {
        self.proxy.table()
    }

    /// What a visitor with these cookies would get for an address, and why.
    ///
    /// # Errors
    /// See [`Unexplained`].
    pub async fn explain(&self, url: &str, cookie: Option<&str>) -> Result<Explained, Unexplained> {
        self.proxy.explain(url, cookie, clock::now()).await
    }

    /// The metrics in the text format, with what is read off the parts brought up to date: for one reader at a time, and off
    /// the event loop, because of thousands of sites it is a text of megabytes.
    ///
    /// # Errors
    /// In words: a metric cannot be written as text.
    pub async fn metrics(self: &Arc<Self>) -> Result<String, String> {
        // each waits a moment for work beside: for both at once
        tokio::join!(self.look_again(), self.look_at_coverage());
        let one = self.scrape.clone().lock_owned().await;
        let app = self.clone();
        let written = tasks::blocking(move || {
            gauges::gauge(&app);
            let text = app.parts.metrics.text();
            // read anew at each scrape: of thousands of sites they take megabytes meanwhile
            gauges::reset(&app.parts.metrics);
            drop(one);
            text
        });
        written.await.ok_or("the process is stopping")?.map_err(|error| error.to_string())
    }

    /// Reopens the access log: its file was renamed, to be rotated.
    pub fn reopen_access_log(&self) {
        self.access_log.reopen();
    }

    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The crawler of a site.
    pub fn crawler(&self, site: &str) -> Option<Arc<Crawler>> {
        self.running().crawlers.get(site).cloned()
    }

    /// Lets no new connection in and waits for what runs, up to `grace`. The second call has nothing to do.
    pub async fn drain(&self, grace: Duration) -> Option<Drained> {
        let visitors = self.visitors.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.running().crawlers.clear();
        // first of all: while this one ends, another one may crawl
        let farewell = async {
            if let Some(regions) = &self.regions {
                regions.end(self).await;
            }
        };
        let drain = async {
            match visitors {
                Some(visitors) => Some(visitors.drain(grace).await),
                None => None,
            }
        };
        let (drained, ()) = tokio::join!(drain, farewell);
        self.save_visits(self.table().sites.iter()).await;
        // what visitors got since the last look
        self.look_at_incidents(clock::now());
        let incidents = self.incidents.clone();
        let saved = tasks::blocking(move || incidents.save_all());
        if tokio::time::timeout(incidents::LAST, saved).await.is_err() {
            tracing::warn!("the disk is too slow: the last seconds of the open incidents are not written");
        }
        self.save_days().await;
        histories::save_all(&self.table()).await;
        self.save_ledger().await;
        let mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mark) = mark {
            tasks::blocking(move || mark.end()).await;
        }
        let log = self.access_log.clone();
        tasks::blocking(move || log.flush()).await;
        drained
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks after what is written of the sites now and then.
async fn keep_records(proxy: Proxy) {
    tokio::join!(visits::keep(proxy.clone()), histories::keep(proxy));
}

/// Where request bodies are kept until they are complete, and forms until they are delivered; what is known of domains.
async fn opened(config: &Config) -> Option<(Spool, Arc<Intake>, watch::Watch)> {
    let (dir, settings) = (config.state_dir.clone(), config.forms.clone());
    keep_to_itself(config);
    let open = move || (Spool::new(&dir), Arc::new(Intake::open(&dir, settings)), watch::Watch::open(&dir));
    tasks::blocking(open).await
}

/// Where forms are kept, what visitors write is not to end up in a core dump.
fn keep_to_itself(config: &Config) {
    if config.sites.iter().any(|site| !site.forms.is_empty()) {
        crate::forms::forbid_core_dumps();
    }
}

/// What to say of a state directory that cannot be written to. A first start refuses: whoever sets Katahai up is there to
/// mend it. Where there are snapshots it may be the middle of an outage, and they are served.
async fn writes_nothing(dir: &Path, error: std::io::Error) -> Result<String, StartError> {
    let (at, name) = (dir.to_owned(), dir.display().to_string());
    if tasks::blocking(move || run_lock::has_snapshots(&at)).await != Some(true) {
        return Err(StartError::State { dir: name, source: error });
    }
    tracing::error!(dir = name, %error, "the state directory cannot be written to, serving its snapshots and taking no new ones");
    Ok(format!("{name}: {error}"))
}

/// Waits until every site has an origin that answers, or all of them were heard, but not for long.
async fn look_at_origins(proxy: &Proxy) {
    let table = proxy.table();
    let unproven = || {
        let members = table.sites.iter().flat_map(|site| site.origins.members());
        members
            .filter(|m| m.mode() == crate::config::ready::OriginMode::Auto)
            .any(|m| m.origin.standing() == Standing::Unproven)
    };
    let look = async {
        while unproven() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    _ = tokio::time::timeout(FIRST_LOOK, look).await;
}

/// Problems in one line, for the log.
pub(crate) fn in_one_line(problems: &Problems) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}
