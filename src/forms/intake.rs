//! Where forms are taken in: the spool with its keys and bounds, and how often one client may have a form kept.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};

use super::{
    Access, Away, Bounds, Copied, Errand, FormId, KeptForm, Keys, Lately, NotKept, OpenError, Rate, Reason,
    Spool, Standing, State, Waiting, Whereabouts,
};
use crate::clock::Now;
use crate::config::ready;
use crate::http::client::ClientKey;
use crate::tasks;

/// Forms that are written at the same time; those of others wait for so long.
const AT_ONCE: usize = 8;
const WAIT: Duration = Duration::from_secs(10);

/// See the module. One for the process.
pub struct Intake {
    state_dir: PathBuf,
    /// Once it could be opened.
    spool: OnceLock<Arc<Spool>>,
    /// Held by whoever opens it.
    opening: Mutex<()>,
    settings: ArcSwap<ready::Forms>,
    /// The keys, once they were needed.
    keys: Mutex<Option<Arc<Keys>>>,
    /// The clients of each form, by its place in its site.
    lately: Mutex<HashMap<(Arc<str>, usize), Lately>>,
    writing: Semaphore,
    /// Held by whoever writes into the audit.
    auditing: Mutex<()>,
    /// Sites whose forms somebody wants delivered now.
    hastened: Mutex<HashSet<String>>,
    /// The copy outside this machine, if there is one.
    away: Mutex<Option<Arc<dyn Away>>>,
    /// Wakes whoever delivers.
    came: watch::Sender<()>,
}

impl Intake {
    /// The forms that are kept in this state directory. Where they cannot be opened now, that is tried again when they are
    /// needed. Blocks.
    pub fn open(state_dir: &Path, settings: ready::Forms) -> Intake {
        let intake = Intake {
            state_dir: state_dir.to_owned(),
            spool: OnceLock::new(),
            opening: Mutex::default(),
            settings: ArcSwap::from_pointee(settings),
            keys: Mutex::default(),
            lately: Mutex::default(),
            writing: Semaphore::new(AT_ONCE),
            auditing: Mutex::default(),
            hastened: Mutex::default(),
            away: Mutex::default(),
            came: watch::Sender::default(),
        };
        if intake.has_folder()
            && let Err(error) = intake.spool()
        {
            tracing::error!(%error, "the kept forms cannot be opened, none is kept or delivered");
        }
        intake
    }

    fn has_folder(&self) -> bool {
        self.state_dir.join(super::FOLDER).is_dir()
    }

    /// Works by these settings from now on.
    pub fn set(&self, settings: ready::Forms) {
        self.settings.store(Arc::new(settings));
        *lock(&self.keys) = None; // the file may be another
        self.came.send_replace(());
    }

    /// Tells when a form has come, when settings have changed, and when somebody wants forms delivered.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.came.subscribe()
    }

    /// What is kept. May block.
    ///
    /// # Errors
    /// When another process has it, or it cannot be read.
    pub fn spool(&self) -> Result<Arc<Spool>, OpenError> {
        let _one = lock(&self.opening);
        if let Some(spool) = self.spool.get() {
            return Ok(spool.clone());
        }
        let opened = Arc::new(Spool::open(&self.state_dir)?);
        let spool = self.spool.get_or_init(|| opened).clone();
        self.came.send_replace(());
        Ok(spool)
    }

    /// The same if it has been opened, without waiting for the disk. Where no form was ever kept, it has not.
    pub fn opened(&self) -> Option<&Arc<Spool>> {
        self.spool.get()
    }

    /// Whether there are forms that could not be opened.
    pub fn is_unopened(&self) -> bool {
        self.opened().is_none() && self.has_folder()
    }

    /// The sites of which forms are kept. May block; makes nothing.
    ///
    /// # Errors
    /// See [`Intake::spool`].
    pub fn sites(&self) -> Result<Vec<String>, OpenError> {
        if self.opened().is_none() && !self.has_folder() {
            return Ok(Vec::new());
        }
        Ok(self.spool()?.totals().into_keys().map(|site| site.to_string()).collect())
    }

    /// Whether this client may have one more of a site's forms kept, by its place; if so, it is counted.
    pub fn allows(
        &self,
        (site, place): (&Arc<str>, usize),
        client: ClientKey,
        rate: Option<ready::ClientRate>,
        now: Instant,
    ) -> bool {
        let Some(rate) = rate else { return true };
        let mut lately = lock(&self.lately);
        lately.entry((site.clone(), place)).or_default().take(client, rate.into(), now).is_ok()
    }

    /// What was counted was not kept after all.
    pub fn give_back(
        &self,
        (site, place): (&Arc<str>, usize),
        client: ClientKey,
        rate: Option<ready::ClientRate>,
    ) {
        if let Some((lately, rate)) = lock(&self.lately).get_mut(&(site.clone(), place)).zip(rate) {
            lately.give_back(client, rate.into());
        }
    }

    /// Keeps a form, durably.
    ///
    /// # Errors
    /// Why it is not kept: then nothing of it is.
    pub async fn keep(
        self: &Arc<Self>,
        form: KeptForm,
        standing: Standing,
        now: Now,
    ) -> Result<FormId, NotKept> {
        // Beyond these, a slow disk would take all threads that read copies for visitors.
        let Ok(Ok(one)) = tokio::time::timeout(WAIT, self.writing.acquire()).await else {
            return Err(NotKept::Busy);
        };
        let (intake, mut copy) = (self.clone(), form.clone());
        let kept = tasks::blocking({
            let standing = standing.clone();
            move || intake.keep_here(form, standing, now)
        });
        let id = kept.await.unwrap_or(Err(NotKept::Busy))?;
        drop(one);
        if let Some(away) = self.away() {
            copy.id = id;
            let site = copy.site.clone();
            if away.copy(copy, standing).await == Copied::NotEnough {
                self.take_back(site, id).await;
                return Err(NotKept::Store);
            }
        }
        self.came.send_replace(());
        Ok(id)
    }

    fn keep_here(&self, form: KeptForm, standing: Standing, now: Now) -> Result<FormId, NotKept> {
        let keys = self.keys_for_more().map_err(|error| {
            tracing::error!(error, "there is no key to keep forms with");
            NotKept::Key
        })?;
        let spool = self.spool().map_err(NotKept::unopened)?;
        spool.keep_as(standing, &keys, form, self.bounds(), now.wall)
    }

    /// Erases a form whose visitor is told that it did not arrive; its copy may have been written all the same.
    async fn take_back(self: &Arc<Self>, site: String, id: FormId) {
        let intake = self.clone();
        let taken_back = tasks::blocking(move || {
            intake.send_word(&site, id, Errand::Erase);
            intake
                .spool()
                .map_err(|error| error.to_string())?
                .forget(&site, id)
                .map_err(|error| error.to_string())
        });
        if let Some(Err(error)) = taken_back.await {
            tracing::error!(form = %id, error, "a form that is refused could not be erased");
        }
        self.decided();
    }

    /// How much is kept at most.
    pub fn bounds(&self) -> Bounds {
        let settings = self.settings.load();
        Bounds { most: settings.most, size: settings.size }
    }

    /// How long what is done with is kept.
    pub fn keep_for(&self) -> Duration {
        self.settings.load().keep_for
    }

    /// Takes up a form that another machine has taken. Blocks.
    ///
    /// # Errors
    /// Why it is not kept here.
    pub fn adopt(
        &self,
        form: KeptForm,
        standing: (State, Option<Reason>),
        now: SystemTime,
    ) -> Result<(), NotKept> {
        let keys = self.keys_for_more().map_err(|_| NotKept::Key)?;
        self.spool().map_err(NotKept::unopened)?.adopt(&keys, form, standing, self.bounds(), now)?;
        self.came.send_replace(());
        Ok(())
    }

    /// Copies forms to this one from now on, or to none.
    pub fn copy_to(&self, away: Option<Arc<dyn Away>>) {
        *lock(&self.away) = away;
    }

    /// The copy outside this machine, if there is one.
    pub fn away(&self) -> Option<Arc<dyn Away>> {
        lock(&self.away).clone()
    }

    /// Whether this instance sends a form, as far as is known without asking anybody.
    pub fn may_send(&self, site: &str, id: FormId) -> bool {
        self.away().is_none_or(|away| away.may_send(site, id))
    }

    /// Where a form is besides this machine's disk, if that is known.
    pub fn whereabouts(&self, site: &str, id: FormId) -> Option<Whereabouts> {
        self.away()?.whereabouts(site, id)
    }

    /// What is still to reach the copy outside this machine.
    pub fn waiting(&self) -> Waiting {
        Waiting::of(&self.state_dir)
    }

    /// Writes down what other machines are to know, if there are any. Blocks.
    pub fn send_word(&self, site: &str, id: FormId, errand: Errand) {
        if self.settings.load().shared
            && let Err(error) = self.waiting().put(site, id, errand, &[])
        {
            tracing::error!(form = %id, %error, "what was decided of a form cannot be written down for other machines");
        }
    }

    /// It is not to be sent after all. Blocks.
    pub fn take_word_back(&self, site: &str, id: FormId, errand: Errand) {
        if let Err(error) = self.waiting().done(site, id, errand) {
            tracing::warn!(form = %id, %error, "what was decided of a form cannot be taken back");
        }
    }

    /// Something has been decided here.
    pub fn decided(&self) {
        if let Some(away) = self.away() {
            away.decided();
        }
    }

    /// Writes down that the visitor of a form was told.
    pub async fn confirm(self: &Arc<Self>, site: Arc<str>, id: FormId) {
        let Ok(one) = self.writing.acquire().await else { return };
        let (intake, of) = (self.clone(), site.clone());
        let confirmed = tasks::blocking(move || intake.opened().map(|spool| spool.confirm(&of, id)));
        if let Some(Some(Err(error))) = confirmed.await {
            tracing::warn!(form = %id, %error, "that a visitor was told cannot be written down");
        }
        drop(one);
        if let Some(away) = self.away() {
            away.told(&site, id).await;
        }
    }

    /// The keys that open what is kept. Blocks.
    ///
    /// # Errors
    /// In words, what is wrong with the file.
    pub fn keys(&self) -> Result<Arc<Keys>, String> {
        self.keys_by(Keys::read)
    }

    /// The keys for one more form. Ours are made at first use; where forms are kept that they would not open, they are not.
    fn keys_for_more(&self) -> Result<Arc<Keys>, String> {
        let is_first = || self.spool().is_ok_and(|spool| spool.totals().is_empty());
        if self.settings.load().makes_key && is_first() {
            self.keys_by(Keys::read_or_make)
        } else {
            self.keys()
        }
    }

    fn keys_by(
        &self,
        read: impl FnOnce(&Path) -> Result<Keys, super::KeyError>,
    ) -> Result<Arc<Keys>, String> {
        let mut known = lock(&self.keys);
        if let Some(keys) = &*known {
            return Ok(keys.clone());
        }
        let keys = Arc::new(read(&self.settings.load().key_file).map_err(|error| error.to_string())?);
        *known = Some(keys.clone());
        Ok(keys)
    }

    /// Writes down who has done what with kept forms. Blocks.
    pub fn audit(&self, access: Access<'_>, now: SystemTime) {
        let Access { who, site, what, form } = access;
        let form = form.map(ToString::to_string).unwrap_or_default();
        tracing::info!(audit = true, who, site, what, form, "kept forms");
        let _one = lock(&self.auditing);
        if let Err(error) = super::audit::note(&self.state_dir.join(super::FOLDER), access, now) {
            tracing::error!(%error, "who has done what with kept forms cannot be written down");
        }
    }

    /// Somebody wants this site's forms delivered now.
    pub fn hasten(&self, site: &str) {
        lock(&self.hastened).insert(site.to_owned());
        self.came.send_replace(());
    }

    /// Whether somebody wanted that since this was asked last.
    pub fn is_hastened(&self, site: &str) -> bool {
        lock(&self.hastened).remove(site)
    }

    /// Erases what is done with and old enough. Blocks.
    pub fn expire(&self, now: Now) {
        let keep_for = self.settings.load().keep_for;
        if let (Some(spool), Some(before)) = (self.opened(), now.wall.checked_sub(keep_for)) {
            spool.expire(before);
        }
    }
}

impl From<ready::ClientRate> for Rate {
    fn from(rate: ready::ClientRate) -> Rate {
        Rate { most: rate.count, per: rate.window }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
