//! Kept forms and the object store: each is copied there before its visitor is told, and is sent by one instance of all that
//! share the store. [`FormsStore`] is what the forms see of it ([`Away`]); `round` brings both sides together again and again.

mod ledger;
mod round;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

use super::App;
use crate::clock;
use crate::config::Config;
use crate::config::remote::{RemoteStore, StoreForms};
use crate::failure::chain;
use crate::forms::{
    Away, Claimed, Copied, Errand, FormId, Intake, KeptForm, Keys, Reason, Standing, State, TO_ORIGIN, Twice,
    Whereabouts,
};
use crate::offsite::forms::decide::may_claim;
use crate::offsite::forms::step::{FormStep, StepKind, of_receipt, of_state};
use crate::offsite::forms::{FormShelf, NotPut, StepTaken};
use crate::offsite::{self, Tools};
use crate::tasks;
use ledger::{Alone, FormKey, FormLedger};
pub(super) use round::run;

/// How long a visitor waits for the store to take his form.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a claim may take.
const CLAIM: Duration = Duration::from_secs(10);

/// Says whether this instance is the one that looks after what all share.
pub(super) type HoldsLease = Arc<dyn Fn() -> bool + Send + Sync>;

/// What of this the application holds: it is made anew when the configuration of the store changes.
#[derive(Default)]
pub(super) struct FormCopies {
    store: ArcSwapOption<FormsStore>,
    woken: Arc<Notify>,
}

/// The forms of this process and those in the store.
pub(super) struct FormsStore {
    config: RemoteStore,
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
    /// Copies forms to the store that the configuration names from now on, or to none.
    pub(super) async fn copy_forms(&self, config: &Config) {
        let wanted = config.store.clone().filter(|store| store.key_file.is_some());
        let known = self.form_copies.store.load_full();
        if known.as_ref().map(|known| &known.config) == wanted.as_ref() {
            return;
        }
        let store = wanted.map(|config| {
            let (ledger, trouble) = (Mutex::default(), Mutex::default());
            Arc::new(FormsStore {
                config,
                intake: Arc::downgrade(self.intake()),
                shelf: ArcSwapOption::empty(),
                ledger,
                trouble,
                holds: self.holds_lease(),
                woken: self.form_copies.woken.clone(),
                run: format!("{:016x}", fastrand::u64(..)),
            })
        });
        if let Some(store) = &store
            && let Err(error) = store.connect(self).await
        {
            store.in_trouble(&error);
        }
        self.intake().copy_to(store.clone().map(|store| Arc::new(Copies(store)) as Arc<dyn Away>));
        self.form_copies.store.store(store);
        self.form_copies.woken.notify_one();
    }

    /// Until there is a lease, everybody looks after everything: claims keep two from sending the same.
    #[expect(clippy::unused_self, reason = "the lease is the application's")]
    fn holds_lease(&self) -> HoldsLease {
        Arc::new(|| true)
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

    /// Opens the store with its keys, unless that has been done.
    async fn connect(&self, app: &App) -> Result<Arc<FormShelf>, String> {
        if let Some(shelf) = self.shelf.load_full() {
            return Ok(shelf);
        }
        let (config, resolver) = (self.config.clone(), app.running().tools.resolver.clone());
        let opened = tasks::blocking(move || {
            let file = config.key_file.as_deref().unwrap_or(std::path::Path::new(""));
            let keys = Keys::read(file).map_err(|error| chain(&error))?;
            let tls = crate::tls::client_config(None).map_err(|error| chain(&error))?;
            let remote =
                offsite::open(&config, Tools { resolver, tls }).map_err(|fault| fault.to_string())?;
            Ok(Arc::new(FormShelf::new(remote, Arc::new(keys))))
        });
        let shelf: Arc<FormShelf> =
            opened.await.unwrap_or_else(|| Err("the process is stopping".to_owned()))?;
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

/// A form is not being sent any more, however that ends.
struct Turn<'a> {
    store: &'a FormsStore,
    key: &'a FormKey,
    to: &'a str,
    ends: bool,
}

impl Turn<'_> {
    /// It is being sent from now on.
    fn goes_on(mut self) {
        self.ends = false;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.ends {
            self.store.ledger().end_sending(self.key, self.to);
        }
    }
}

/// As the forms see it.
struct Copies(Arc<FormsStore>);

impl std::ops::Deref for Copies {
    type Target = Arc<FormsStore>;

    fn deref(&self) -> &Arc<FormsStore> {
        &self.0
    }
}

#[async_trait]
impl Away for Copies {
    async fn copy(&self, form: KeptForm, standing: Standing) -> Copied {
        let key: FormKey = (form.site.as_str().into(), form.id);
        let standing = standing.state();
        let Some(shelf) = self.shelf.load_full() else {
            return self.not_opened(key, form).await;
        };
        let sealed = match shelf.sealed(form).await {
            Ok(sealed) => sealed,
            Err(error) => return self.not_taken(&key, Bytes::new(), Alone::Surely, &chain(&error)).await,
        };
        if self.ledger().is_answering == Some(false) {
            return self.not_taken(&key, sealed, Alone::Surely, "it does not answer").await;
        }
        self.ledger().begin_put(&key);
        // A task of its own: what takes longer than a visitor waits is not broken off.
        let mut putting = tasks::detached({
            let (store, key, sealed) = (self.0.clone(), key.clone(), sealed.clone());
            async move {
                let put = store.put(&key, sealed, standing).await;
                store.ledger().end_put(&key);
                put
            }
        });
        match tokio::time::timeout(PATIENCE, &mut putting).await {
            Ok(Ok(Ok(()))) => Copied::Enough,
            Ok(Ok(Err(error))) => {
                let alone = if error.is_certain() { Alone::Surely } else { Alone::Perhaps };
                self.ledger().is_answering = Some(false);
                self.not_taken(&key, sealed, alone, &chain(&error)).await
            }
            Ok(Err(_)) => self.not_taken(&key, sealed, Alone::Perhaps, "the process is stopping").await,
            Err(_) => {
                self.ledger().is_answering = Some(false);
                self.not_taken(&key, sealed, Alone::Perhaps, "no answer in time").await
            }
        }
    }

    async fn told(&self, site: &str, id: FormId) {
        let key: FormKey = (site.into(), id);
        let Some(shelf) = self.shelf.load_full().filter(|_| self.ledger().is_stored(&key)) else { return };
        match shelf.told(site, id).await {
            Ok(()) => self.ledger().told(&key),
            Err(error) => {
                tracing::debug!(site, form = %id, %error, "that a visitor was told is not in the store")
            }
        }
    }

    fn may_send(&self, site: &str, id: FormId) -> bool {
        let (key, ledger) = ((site.into(), id), self.ledger());
        if ledger.alone(&key) == Some(Alone::Surely) {
            return true;
        }
        let is_known = ledger.is_stored(&key) || ledger.is_answering == Some(false);
        drop(ledger);
        is_known && self.is_holder()
    }

    async fn claim(&self, site: &str, id: FormId, to: &str, twice: Twice) -> Claimed {
        let key: FormKey = (site.into(), id);
        let now = clock::instant();
        let (is_alone, is_answering) = {
            let mut ledger = self.ledger();
            let is_alone = ledger.alone(&key) == Some(Alone::Surely);
            if !is_alone && !self.is_holder() || !ledger.begin_sending(&key, to) {
                return Claimed::NotNow;
            }
            (is_alone, ledger.is_answering)
        };
        if is_alone {
            return Claimed::Ours;
        }
        let turn = Turn { store: self, key: &key, to, ends: true };
        if is_answering == Some(false) {
            // A person's word stands above our caution.
            if twice == Twice::Harmless || self.is_asked(&key).await {
                turn.goes_on();
                return Claimed::Ours;
            }
            return Claimed::NotNow;
        }
        let may =
            self.ledger().find(&key).filter(|filed| filed.has_content).and_then(|filed| {
                filed.view(to, now, &self.run).map(|view| may_claim(to == TO_ORIGIN, &view))
            });
        if may != Some(true) {
            if may.is_none() {
                self.woken.notify_one();
            }
            return Claimed::NotNow;
        }
        let claimed = self.claim_there(&key, to).await;
        if claimed == Claimed::Ours {
            turn.goes_on();
        }
        claimed
    }

    async fn over(&self, site: &str, id: FormId, to: &str) {
        let key: FormKey = (site.into(), id);
        let _turn = Turn { store: self, key: &key, to, ends: true };
        if !self.ledger().is_stored(&key) {
            self.woken.notify_one();
            return;
        }
        let Some((kind, reason)) = self.outcome(&key, to).await else { return };
        match self.append(&key, to, kind, reason).await {
            Ok(StepTaken::Next) => {}
            Ok(StepTaken::NotNext) => self.woken.notify_one(),
            Err(error) => {
                self.lost(&chain(&error));
                self.woken.notify_one();
            }
        }
    }

    fn whereabouts(&self, site: &str, id: FormId) -> Option<Whereabouts> {
        self.ledger().whereabouts(&(site.into(), id))
    }

    fn decided(&self) {
        self.woken.notify_one();
    }
}
