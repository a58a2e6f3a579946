//! Kept forms and the object store: each is copied there before its visitor is told, and is sent by one instance of all that
//! share the store. [`FormsStore`] is what the forms see of it ([`Away`]); `round` brings both sides together again and again.

mod both;
mod copies;
mod ledger;
mod round;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::App;
use super::regions::Regions;
use crate::clock;
use crate::config::remote::{RemoteStore, StoreForms};
use crate::failure::chain;
use crate::forms::{Away, Claimed, Copied, Errand, Intake, KeptForm, Keys, Reason, State, TO_ORIGIN};
use crate::offsite::door::Door;
use crate::offsite::forms::step::{FormStep, StepKind, of_receipt, of_state};
use crate::offsite::forms::{FormShelf, NotPut, StepTaken};
use crate::offsite::{FaultKind, StoreFault};
use crate::proxy::Site;
use crate::tasks;
use copies::Copies;
use ledger::{Alone, FormKey, FormLedger};
pub(super) use round::run;

/// How long a visitor waits for the store to take his form.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a start or a reload waits for the store: a mount may hang.
const OPENING: Duration = Duration::from_secs(2);
/// How long a claim may take.
const CLAIM: Duration = Duration::from_secs(10);

/// When the store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// For the first time.
    Start,
    /// It is open, and the files that it is opened with may have changed: they are read anew, for all who use it.
    Reload,
}

/// Says whether this instance is the one that looks after what all share.
pub(super) type HoldsLease = Arc<dyn Fn() -> bool + Send + Sync>;

/// Where a site's forms are, in the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FormsPlaces {
    /// Whether they are put into the store: not without a key to seal them with.
    pub is_used: bool,
    /// How many are there.
    pub stored: usize,
    /// How many are on this machine alone, until the store takes them.
    pub waiting: usize,
}

/// What of this the application holds.
#[derive(Default)]
pub(super) struct FormCopies {
    store: ArcSwapOption<FormsStore>,
    woken: Arc<Notify>,
}

/// The forms of this process and those in the store.
pub(super) struct FormsStore {
    config: RemoteStore,
    door: Door,
    intake: Weak<Intake>,
    shelf: ArcSwapOption<FormShelf>,
    ledger: Mutex<FormLedger>,
    /// Why the store was not of use the last time.
    trouble: Mutex<Option<String>>,
    holds: HoldsLease,
    woken: Arc<Notify>,
    /// A number that this process has drawn.
    run: String,
}

impl App {
    /// Copies forms to the store, if it has a key to seal them with. Neither a start nor a reload waits long for that.
    pub(super) async fn copy_forms(&self, occasion: Occasion) {
        let Some(regions) = &self.regions else { return };
        let known = self.form_copies.store.load_full();
        let store = known.or_else(|| regions.store.key_file.as_ref().map(|_| self.forms_store(regions)));
        // Before it is open: a form that comes meanwhile is treated as one that the store does not take in time.
        if let Some(store) = store.clone().filter(|_| self.form_copies.store.load().is_none()) {
            self.intake().copy_to(Some(Arc::new(Copies(store.clone())) as Arc<dyn Away>));
            self.form_copies.store.store(Some(store));
        }
        let door = regions.door();
        let opening = tasks::detached(async move {
            if occasion == Occasion::Reload
                && let Err(fault) = door.renew().await
            {
                tracing::error!(%fault, "the store could not be opened anew, what was read of it before stays");
            }
            if let Some(store) = store {
                store.connect_anew().await;
            }
        });
        if !ends_soon(opening).await {
            tracing::warn!("opening the store takes long, it is not waited for");
        }
        self.form_copies.woken.notify_one();
    }

    fn forms_store(&self, regions: &Regions) -> Arc<FormsStore> {
        let (ledger, trouble) = (Mutex::default(), Mutex::default());
        Arc::new(FormsStore {
            config: regions.store.clone(),
            door: regions.door(),
            intake: Arc::downgrade(self.intake()),
            shelf: ArcSwapOption::empty(),
            ledger,
            trouble,
            holds: self.holds_lease(),
            woken: self.form_copies.woken.clone(),
            run: format!("{:016x}", fastrand::u64(..)),
        })
    }

    /// Whether forms are this instance's to send.
    fn holds_lease(&self) -> HoldsLease {
        let regions = self.regions.clone();
        Arc::new(move || regions.as_ref().is_none_or(|regions| regions.looks_after_forms()))
    }

    /// Where a site's forms are; `None` where that is no question.
    pub(super) fn forms_places(&self, site: &Site) -> Option<FormsPlaces> {
        self.running().config.store.as_ref().filter(|_| !site.config.forms.is_empty())?;
        let Some(store) = self.form_copies.store.load_full() else {
            return Some(FormsPlaces { is_used: false, stored: 0, waiting: 0 });
        };
        let (stored, waiting) = store.ledger().counts(&site.config.name);
        Some(FormsPlaces { is_used: true, stored, waiting })
    }

    /// How many forms are on this machine alone though they should be in the store, and why.
    pub(super) fn forms_alone(&self) -> Option<String> {
        let store = self.form_copies.store.load_full()?;
        let count = store.ledger().alone_count();
        if count == 0 {
            return None;
        }
        let why = store.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        let forms = if count == 1 { "1 form lies" } else { &*format!("{count} forms lie") };
        Some(format!("{forms} on this machine alone{why}"))
    }
}

/// Waits for the opening, which goes on all the same when it takes long. Returns whether it has ended.
async fn ends_soon(opening: JoinHandle<()>) -> bool {
    tokio::time::timeout(OPENING, opening).await.is_ok()
}

impl FormsStore {
    fn ledger(&self) -> MutexGuard<'_, FormLedger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_trouble(&self, why: &impl ToString) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_string());
    }

    fn is_holder(&self) -> bool {
        (self.holds)()
    }

    /// The forms in the store, once it can be opened with its keys.
    async fn connect(&self) -> Result<Arc<FormShelf>, StoreFault> {
        match self.shelf.load_full() {
            Some(shelf) => Ok(shelf),
            None => self.open().await,
        }
    }

    /// The same with the keys that are known now. A form that comes before that is kept here.
    async fn connect_anew(&self) {
        if let Err(fault) = self.open().await {
            self.in_trouble(&fault);
        }
    }

    async fn open(&self) -> Result<Arc<FormShelf>, StoreFault> {
        let keys = self.door.keys().await?;
        let none = || StoreFault::new(FaultKind::NoKey, "there is no key_file in [store]");
        let shelf = Arc::new(FormShelf::new(self.door.open().await?, keys.ok_or_else(none)?));
        self.shelf.store(Some(shelf.clone()));
        Ok(shelf)
    }

    /// Puts a form there. When it is, nothing waits here any more.
    async fn put(
        self: &Arc<Self>,
        key: &FormKey,
        sealed: Bytes,
        standing: (State, Option<Reason>),
    ) -> Result<(), NotPut> {
        let Some(shelf) = self.shelf.load_full() else { return Err(NotPut::Ending) };
        shelf.put((&key.0, key.1), sealed, standing.clone(), &self.run).await?;
        {
            let (mut ledger, now) = (self.ledger(), clock::instant());
            ledger.stored(key, now);
            if !standing.0.is_due() {
                let (kind, reason) = of_state(standing.0, standing.1);
                ledger.step(key, TO_ORIGIN, 1, FormStep { kind, reason, run: self.run.clone() }, now);
            }
        }
        self.errand_done(key, Errand::Form).await;
        Ok(())
    }

    async fn errand_done(&self, key: &FormKey, errand: Errand) {
        let (Some(intake), (site, id)) = (self.intake.upgrade(), key.clone()) else { return };
        tasks::blocking(move || intake.take_word_back(&site, id, errand)).await;
    }

    /// The store did not take a form in time.
    async fn not_taken(&self, key: &FormKey, sealed: Bytes, alone: Alone, why: &str) -> Copied {
        self.in_trouble(&why);
        let (site, id) = (&key.0, key.1);
        if self.config.forms == StoreForms::Refuse {
            tracing::warn!(%site, form = %id, error = why, "the store did not take a form in time, refused it");
            return Copied::NotEnough;
        }
        tracing::warn!(%site, form = %id, error = why, "the store did not take a form in time, it is on this machine alone");
        self.ledger().not_stored(key.clone(), alone);
        let (Some(intake), (site, id)) = (self.intake.upgrade(), key.clone()) else { return Copied::Enough };
        if sealed.is_empty() {
            return Copied::Enough;
        }
        let written = tasks::blocking(move || intake.waiting().put(&site, id, Errand::Form, &sealed));
        if let Some(Err(error)) = written.await {
            // It has been written once, durably: that is better than to turn its visitor away.
            tracing::error!(site = %key.0, form = %key.1, %error, "a form could not be written a second time");
        }
        self.woken.notify_one();
        Copied::Enough
    }

    /// The same while the store has not been opened.
    async fn not_opened(&self, key: FormKey, form: KeptForm) -> Copied {
        let why = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let why = why.unwrap_or_else(|| "it is not open".to_owned());
        let file = self.config.key_file.clone().unwrap_or_default();
        let sealed = tasks::blocking(move || {
            let keys = Keys::read(&file).map_err(|error| chain(&error))?;
            form.sealed(&keys).map_err(|error| chain(&error))
        });
        match sealed.await {
            Some(Ok(sealed)) => self.not_taken(&key, sealed.into(), Alone::Surely, &why).await,
            Some(Err(why)) => self.not_taken(&key, Bytes::new(), Alone::Surely, &why).await,
            None => self.not_taken(&key, Bytes::new(), Alone::Surely, "the process is stopping").await,
        }
    }

    /// The next step of a form's way. Returns whether it is.
    async fn append(
        &self,
        key: &FormKey,
        to: &str,
        kind: StepKind,
        reason: Option<Reason>,
    ) -> Result<StepTaken, NotPut> {
        let Some(shelf) = self.shelf.load_full() else { return Err(NotPut::Ending) };
        let number = {
            let (ledger, now) = (self.ledger(), clock::instant());
            let view =
                ledger.find(key).map(|filed| filed.view(to, now, &self.run).map(|view| view.steps.len()));
            match view {
                Some(Some(steps)) => steps as u32 + 1,
                None => 1,
                Some(None) => return Ok(StepTaken::NotNext),
            }
        };
        let step = FormStep { kind, reason, run: self.run.clone() };
        let taken = shelf.append((&key.0, key.1), to, number, &step).await?;
        if taken == StepTaken::Next {
            self.ledger().step(key, to, number, step, clock::instant());
        }
        Ok(taken)
    }

    /// Whether a person has asked here for it to be delivered, and the store does not know that yet. Blocks for a moment.
    async fn is_asked(&self, key: &FormKey) -> bool {
        let (Some(intake), (site, id)) = (self.intake.upgrade(), key.clone()) else { return false };
        let asked = tasks::blocking(move || {
            let all = intake.waiting().all().unwrap_or_default();
            all.contains(&(site.to_string(), id, Errand::Deliver))
        });
        asked.await.unwrap_or(false)
    }

    /// Takes the claim of a form that is there.
    async fn claim_there(&self, key: &FormKey, to: &str) -> Claimed {
        let Some(shelf) = self.shelf.load_full() else { return Claimed::NotNow };
        let claiming = async {
            if self.append(key, to, StepKind::Sending, None).await? == StepTaken::NotNext {
                return Ok(false);
            }
            // Somebody may just have erased it.
            if shelf.has(&key.0, key.1).await? {
                return Ok(true);
            }
            Ok(false)
        };
        match tokio::time::timeout(CLAIM, claiming).await {
            Ok(Ok(true)) => return Claimed::Ours,
            Ok(Ok(false)) => {}
            Ok(Err(error)) => self.lost(&NotPut::to_string(&error)),
            Err(_) => self.lost(&"no answer in time"),
        }
        // If the claim was taken all the same, it is seen to be ours, and that nothing is sent.
        self.woken.notify_one();
        Claimed::NotNow
    }

    /// The store did not answer.
    fn lost(&self, why: &impl ToString) {
        self.in_trouble(why);
        self.ledger().is_answering = Some(false);
    }

    /// What became of a form here, as a step; `None`: it is here no more, or that could not be written down.
    async fn outcome(&self, key: &FormKey, to: &str) -> Option<(StepKind, Option<Reason>)> {
        let (intake, (site, id)) = (self.intake.upgrade()?, key.clone());
        let listed = tasks::blocking(move || intake.spool().ok()?.listed(&site, id)).await??;
        if to != TO_ORIGIN {
            return Some(of_receipt(listed.receipts.get(to)));
        }
        (listed.state != State::Sending).then(|| of_state(listed.state, listed.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_mount_that_hangs_holds_up_no_start() {
        let (ends, ended) = tokio::sync::oneshot::channel();
        let begun = tokio::time::Instant::now();
        let hangs = tasks::detached(async move {
            tokio::time::sleep(OPENING * 100).await;
            _ = ends.send(());
        });
        assert!(!ends_soon(hangs).await);
        assert_eq!(begun.elapsed(), OPENING);
        assert!(ended.await.is_ok(), "it goes on all the same");
        assert!(ends_soon(tasks::detached(async {})).await);
    }
}
