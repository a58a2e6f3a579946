//! Brings the forms here and those in the store together, every few seconds: what has been decided here is carried there, what
//! others have decided is taken over, what is there alone is taken up here, and what is here alone is put there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::super::App;
use super::FormsStore;
use super::ledger::{Alone, FormKey, Unread};
use crate::clock;
use crate::config::ready;
use crate::failure::chain;
use crate::forms::{Access, Errand, FormId, Intake, KeptForm, Listed, Reason, Spool, State, TO_ORIGIN};
use crate::offsite::forms::step::StepKind;
use crate::offsite::forms::{FormShelf, NotPut};
use crate::tasks;

/// How often it is looked what others have done.
const LOOK: Duration = Duration::from_secs(10);
/// The same where no site keeps forms: each look is a listing, which stores charge for.
const LOOK_IDLE: Duration = Duration::from_secs(60);
/// How long a store that is of no use is left alone at first, and at most.
const AWAY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15));
/// What is decided at the same time is carried there together.
const TOGETHER: Duration = Duration::from_millis(50);
/// Forms that are put, taken up or asked about before what has been decided meanwhile has its turn.
const AT_ONCE: usize = 200;
/// What is left of a form that is no more is removed after this time: it may be one that is just being put.
const REMAINS: Duration = Duration::from_secs(600);

/// Looks, for as long as the application is there.
pub(in crate::app) async fn run(app: Weak<App>) {
    let Some(woken) = app.upgrade().map(|app| app.form_copies.woken.clone()) else { return };
    let mut away = AWAY.0;
    while let Some(app) = app.upgrade() {
        let store = app.form_copies.store.load_full();
        let rest = match store {
            None => Duration::from_secs(3600),
            Some(store) => match store.round(&app).await {
                Ok(is_all) => {
                    away = AWAY.0;
                    let keeps = app.table().sites.iter().any(|site| !site.config.forms.is_empty());
                    match (is_all, keeps) {
                        (false, _) => Duration::ZERO,
                        (true, true) => LOOK,
                        (true, false) => LOOK_IDLE,
                    }
                }
                Err(error) => {
                    tracing::debug!(error = chain(&error), "the forms in the store could not be looked at");
                    if let NotPut::Store(fault) = &error {
                        store.door.met(fault).await;
                    }
                    store.lost(&chain(&error));
                    store.count_waiting(app.intake()).await;
                    let rest = away;
                    away = (away * 2).min(AWAY.1);
                    rest
                }
            },
        };
        drop(app);
        let is_woken = tokio::time::timeout(rest, woken.notified()).await.is_ok();
        if is_woken {
            tokio::time::sleep(TOGETHER).await;
        }
    }
}

/// What one round works with.
pub(super) struct FormRound<'a> {
    pub(super) store: &'a Arc<FormsStore>,
    pub(super) shelf: Arc<FormShelf>,
    pub(super) intake: Arc<Intake>,
    /// `None`: there is none yet.
    pub(super) spool: Option<Arc<Spool>>,
    pub(super) asked: BTreeSet<(String, FormId)>,
    /// How much of it is left.
    pub(super) budget: usize,
}

impl FormsStore {
    /// One round. Returns whether all was done that is to be done now.
    async fn round(self: &Arc<Self>, app: &Arc<App>) -> Result<bool, NotPut> {
        let shelf = self.connect().await?;
        let intake = app.intake().clone();
        let opening = intake.clone();
        let (spool, errands) = tasks::blocking(move || {
            let has_forms = opening.sites().is_ok_and(|sites| !sites.is_empty());
            let spool = has_forms.then(|| opening.spool().ok()).flatten();
            (spool, opening.waiting().all().unwrap_or_default())
        })
        .await
        .ok_or(NotPut::Ending)?;
        let asked = errands.iter().filter(|(.., errand)| *errand == Errand::Deliver);
        let asked = asked.map(|(site, id, _)| (site.clone(), *id)).collect();
        let mut round = FormRound { store: self, shelf, intake, spool, asked, budget: AT_ONCE };
        for (site, id, errand) in &errands {
            if *errand == Errand::Erase {
                round.erase(&(site.as_str().into(), *id)).await?;
            }
        }
        round.read().await?;
        round.put_what_waits(&errands).await?;
        let table = app.table();
        for site in &table.sites {
            round.site(&site.config).await?;
        }
        round.end_errands().await;
        if self.is_holder() {
            round.clear_up().await?;
        }
        round.count_alone().await;
        Ok(round.budget > 0)
    }

    /// Nothing could be learned from the store: what waits here is on this machine alone, as far as is known.
    async fn count_waiting(&self, intake: &Arc<Intake>) {
        let reading = intake.clone();
        let waiting = tasks::blocking(move || {
            let mut waiting = reading.waiting().all().unwrap_or_default();
            waiting.retain(|(site, id, errand)| *errand == Errand::Form && !is_over(&reading, site, *id));
            waiting
        });
        let waiting: BTreeSet<FormKey> =
            waiting.await.into_iter().flatten().map(|(site, id, _)| (site.as_str().into(), id)).collect();
        let mut ledger = self.ledger();
        ledger.keep_alone(|key| !intake.opened().is_some_and(|spool| is_delivered(spool, key)));
        for key in waiting {
            if ledger.alone(&key).is_none() {
                ledger.not_stored(key, Alone::Perhaps);
            }
        }
    }
}

fn is_delivered(spool: &Spool, key: &FormKey) -> bool {
    spool.listed(&key.0, key.1).is_some_and(|listed| listed.state == State::Delivered)
}

/// Whether a form that waits has been delivered from here: then its second copy goes, so that it is never put, and taken for
/// one that is to be delivered, when the first has expired. Blocks.
fn is_over(intake: &Intake, site: &str, id: FormId) -> bool {
    let is_over = intake.spool().is_ok_and(|spool| is_delivered(&spool, &(site.into(), id)));
    if is_over {
        intake.take_word_back(site, id, Errand::Form);
    }
    is_over
}

impl FormRound<'_> {
    /// Reads what is there.
    async fn read(&mut self) -> Result<(), NotPut> {
        let began = clock::instant();
        let listing = self.shelf.list().await?;
        let unread = self.store.ledger().listed(listing, began, clock::instant());
        let was_answering = self.store.ledger().is_answering.replace(true);
        let mut unreadable = BTreeSet::new();
        for Unread { key, to, number } in unread {
            if unreadable.contains(&key) {
                continue;
            }
            match self.shelf.step((&key.0, key.1), &to, number).await {
                Ok(Some(step)) => self.store.ledger().step(&key, &to, number, step, clock::instant()),
                Ok(None) => _ = unreadable.insert(key),
                Err(NotPut::Read(error)) => {
                    tracing::warn!(site = %key.0, form = %key.1, %error, "what has become of a form cannot be read in the store");
                    unreadable.insert(key);
                }
                Err(error) => return Err(error),
            }
        }
        if was_answering == Some(false) {
            // What has waited for it is tried at once.
            for site in self.spool.iter().flat_map(|spool| spool.totals().into_keys()) {
                self.intake.hasten(&site);
            }
        }
        Ok(())
    }

    /// Erases what somebody has erased here.
    pub(super) async fn erase(&self, key: &FormKey) -> Result<(), NotPut> {
        let others = self.store.ledger().gone(key);
        self.shelf.erase(&key.0, key.1, &others).await?;
        self.store.errand_done(key, Errand::Erase).await;
        Ok(())
    }

    /// Puts forms of which only the second copy is left, and removes such copies of those that are there.
    async fn put_what_waits(&mut self, errands: &[(String, FormId, Errand)]) -> Result<(), NotPut> {
        for (site, id, _) in errands.iter().filter(|(.., errand)| *errand == Errand::Form) {
            let key: FormKey = (site.as_str().into(), *id);
            if self.store.ledger().is_stored(&key) {
                self.store.errand_done(&key, Errand::Form).await;
                continue;
            }
            let (intake, of) = (self.intake.clone(), key.clone());
            if tasks::blocking(move || is_over(&intake, &of.0, of.1)).await != Some(false) {
                continue;
            }
            if self.here(&key).is_some() || self.shelf.is_erased(site, *id).await? {
                continue;
            }
            let (intake, of) = (self.intake.clone(), key.clone());
            let sealed = tasks::blocking(move || intake.waiting().form(&of.0, of.1)).await;
            if let Some(Ok(sealed)) = sealed {
                self.put(&key, sealed.into(), (State::Unconfirmed, None)).await?;
            }
        }
        Ok(())
    }

    pub(super) fn here(&self, key: &FormKey) -> Option<Listed> {
        self.spool.as_ref()?.listed(&key.0, key.1)
    }

    async fn put(
        &mut self,
        key: &FormKey,
        sealed: bytes::Bytes,
        standing: (State, Option<Reason>),
    ) -> Result<(), NotPut> {
        if !self.store.ledger().begin_put(key) {
            return Ok(());
        }
        let put = self.store.put(key, sealed, standing).await;
        self.store.ledger().end_put(key);
        put?;
        tracing::info!(site = %key.0, form = %key.1, "put a form into the store");
        Ok(())
    }

    /// Brings the forms of one site together.
    async fn site(&mut self, config: &ready::Site) -> Result<(), NotPut> {
        let mut here: BTreeMap<FormKey, Option<Listed>> =
            self.store.ledger().of_site(&config.name).into_iter().map(|key| (key, None)).collect();
        for listed in self.spool.iter().flat_map(|spool| spool.list(&config.name)) {
            here.insert((config.name.clone(), listed.id), Some(listed));
        }
        for (key, listed) in here {
            if self.budget == 0 {
                return Ok(());
            }
            if self.store.ledger().is_stored(&key) {
                self.both(config, &key, listed.as_ref()).await?;
            } else if let Some(listed) = listed {
                self.only_here(&key, listed).await?;
            }
        }
        Ok(())
    }

    /// A form that is not in the store.
    async fn only_here(&mut self, key: &FormKey, listed: Listed) -> Result<(), NotPut> {
        let is_over = listed.state == State::Delivered;
        if listed.state == State::Sending || is_over && self.store.ledger().look_for(key) {
            return Ok(());
        }
        self.budget = self.budget.saturating_sub(1);
        if self.shelf.is_erased(&key.0, key.1).await? {
            return self.forget(key).await;
        }
        if is_over {
            return Ok(());
        }
        let form = match self.form_here(key).await {
            Ok(form) => form,
            Err(error) => {
                tracing::error!(site = %key.0, form = %key.1, error, "a kept form cannot be read, it is not put into the store");
                return Ok(());
            }
        };
        let sealed = self.shelf.sealed(form).await?;
        let is_told = listed.state == State::Kept;
        self.put(key, sealed, (listed.state, listed.reason)).await?;
        if is_told && self.store.ledger().is_stored(key) {
            self.shelf.told(&key.0, key.1).await?;
            self.store.ledger().told(key);
        }
        Ok(())
    }

    /// Others have erased it.
    async fn forget(&self, key: &FormKey) -> Result<(), NotPut> {
        let (intake, key) = (self.intake.clone(), key.clone());
        let of = key.clone();
        let forgotten = tasks::blocking(move || {
            intake
                .spool()
                .map_err(|error| chain(&error))?
                .forget(&of.0, of.1)
                .map_err(|error| chain(&error))?;
            let access = Access { who: "the store", site: &of.0, what: "erased", form: Some(&of.1) };
            intake.audit(access, clock::now().wall);
            Ok::<(), String>(())
        });
        match forgotten.await.ok_or(NotPut::Ending)? {
            Ok(()) => _ = self.store.ledger().gone(&key),
            Err(error) => {
                tracing::warn!(site = %key.0, form = %key.1, error, "a form that was erased elsewhere is still here")
            }
        }
        Ok(())
    }

    pub(super) async fn form_here(&self, key: &FormKey) -> Result<KeptForm, String> {
        let (intake, key) = (self.intake.clone(), key.clone());
        let read = tasks::blocking(move || {
            let keys = intake.keys()?;
            let spool = intake.spool().map_err(|error| chain(&error))?;
            spool.read(&key.0, key.1, &keys).map_err(|error| chain(&error))
        });
        read.await.unwrap_or_else(|| Err("the process is stopping".to_owned()))
    }

    /// A person's word that the store knows has been carried there.
    async fn end_errands(&self) {
        for (site, id) in &self.asked {
            let key: FormKey = (site.as_str().into(), *id);
            let is_told = self.of_view(&key, TO_ORIGIN, |view| {
                let last = view.steps.last().map(|step| step.kind);
                !matches!(last, Some(StepKind::Doubtful | StepKind::Parked))
            });
            let is_nowhere = !self.store.ledger().is_stored(&key) && self.here(&key).is_none();
            if is_told == Some(true) || is_nowhere {
                self.store.errand_done(&key, Errand::Deliver).await;
            }
        }
    }

    /// Erases what has been over for long enough, and what is left of what is no more.
    async fn clear_up(&self) -> Result<(), NotPut> {
        let before = clock::now().wall.checked_sub(self.intake.keep_for());
        let ended = self.store.ledger().ended();
        for (key, _) in
            ended.into_iter().filter(|(_, written)| before.is_some_and(|before| *written < before))
        {
            self.erase(&key).await?;
        }
        let now = clock::instant();
        let remains = self.store.ledger().remains();
        for (key, _) in
            remains.into_iter().filter(|(_, seen)| now.saturating_duration_since(*seen) >= REMAINS)
        {
            let others = self.store.ledger().gone(&key);
            self.shelf.delete(&others).await?;
        }
        Ok(())
    }

    /// Counts what is on this machine alone.
    async fn count_alone(&self) {
        let mut alone: HashMap<FormKey, bool> = HashMap::new();
        if let Some(spool) = &self.spool {
            for site in spool.totals().into_keys() {
                for listed in spool.list(&site) {
                    alone.insert((site.clone(), listed.id), listed.state != State::Delivered);
                }
            }
        }
        let mut ledger = self.store.ledger();
        ledger.keep_alone(|key| alone.get(key) == Some(&true));
        if self.budget > 0 {
            return;
        }
        for (key, _) in alone.into_iter().filter(|(_, is_open)| *is_open) {
            if !ledger.is_stored(&key) && ledger.alone(&key).is_none() {
                ledger.not_stored(key, Alone::Perhaps);
            }
        }
    }
}
