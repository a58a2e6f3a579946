//! The copy outside this machine, as this application uses it: every site is kept in step with the store.

pub mod view;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::App;
use crate::clock::{self, unix};
use crate::config::Config;
use crate::config::remote::RemoteStore;
use crate::failover::Mode;
use crate::offsite::{Board, Context, ModeWord, SiteHere, Sites, StoreFault, Traffic, run};
use crate::tasks;

/// How often what cannot be opened is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// What is known of the store.
#[derive(Debug)]
pub(super) struct Offsite {
    config: RemoteStore,
    state_dir: PathBuf,
    pub(super) board: Arc<Board>,
    /// What went there and came from there; `None`: it could not be opened yet.
    traffic: Mutex<Option<Arc<Traffic>>>,
}

impl Offsite {
    /// Of what the configuration says.
    pub(super) fn of(config: &Config) -> Option<Arc<Offsite>> {
        let (store, state_dir) = (config.store.clone()?, config.state_dir.clone());
        Some(Arc::new(Offsite { config: store, state_dir, board: Arc::default(), traffic: Mutex::default() }))
    }

    /// Whether what lies in the store is signed.
    pub(super) fn signs(&self) -> bool {
        self.config.key_file.is_some()
    }

    /// What went there and came from there.
    pub(super) fn traffic(&self) -> Option<Arc<Traffic>> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where the store is, as the configuration says.
    pub(super) fn url(&self) -> String {
        self.config.at.to_string()
    }

    /// Keeps all sites in step, for as long as it is polled.
    pub(super) async fn run(self: Arc<Self>, app: Weak<App>) {
        let Some(regions) = app.upgrade().and_then(|app| app.regions.clone()) else { return };
        let door = regions.door();
        let opened = async || Ok::<_, StoreFault>((door.open().await?, door.signer().await?));
        let (remote, signer) = loop {
            match opened().await {
                Ok(opened) => break opened,
                Err(fault) => self.board.fails(&fault, clock::now()),
            };
            tokio::time::sleep(AGAIN).await;
        };
        let (at, rate) = (self.url(), self.config.push_rate);
        let context = Context::new((remote, &at), signer, regions.name(), rate, regions.epochs());
        *self.traffic.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.traffic.clone());
        run(context, Arc::new(OfApp(app)), self.board.clone(), &self.state_dir).await;
    }
}

/// The sites as the application runs them.
struct OfApp(Weak<App>);

impl Sites for OfApp {
    fn all(&self) -> Vec<SiteHere> {
        let Some(app) = self.0.upgrade() else { return Vec::new() };
        let table = app.table();
        let here = |site: &Arc<crate::proxy::Site>| {
            let config = &site.config;
            Some(SiteHere {
                name: config.name.clone(),
                store: site.mirror.store()?.clone(),
                keep: config.mirror.keep,
                keep_for: config.mirror.keep_for,
                key_pages: config.key_pages.clone(),
                host: config.canonical_host().unwrap_or("localhost").to_owned(),
            })
        };
        table.sites.iter().filter_map(here).collect()
    }

    fn mode(&self, site: &str) -> Option<ModeWord> {
        let (mode, until) = self.0.upgrade()?.table().named(site)?.switch.word()?;
        Some(ModeWord { mode: mode.as_str().to_owned(), until: until.map(unix) })
    }

    fn set_mode(&self, site: &str, word: &ModeWord) {
        let Some(app) = self.0.upgrade() else { return };
        let table = app.table();
        let modes = [Mode::Auto, Mode::HoldOrigin, Mode::HoldSnapshot];
        let mode = modes.into_iter().find(|mode| mode.as_str() == word.mode);
        if let (Some(site), Some(mode)) = (table.named(site), mode) {
            let until: Option<SystemTime> =
                word.until.and_then(|until| UNIX_EPOCH.checked_add(Duration::from_secs(until)));
            let now = clock::now();
            let was_drill = site.switch.is_drill(now.mono);
            site.switch.take_over(mode, until, now);
            if was_drill && !site.switch.is_drill(now.mono) {
                // ended elsewhere: a restart must not begin it again
                let (app, site) = (app.clone(), site.clone());
                tasks::detached(async move { app.forget_drill(&site).await });
            }
        }
    }
}
