//! Brings the forms here and those in the store together, every few seconds: what has been decided here is carried there, what
//! others have decided is taken over, what is there alone is taken up here, and what is here alone is put there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::super::App;
use super::FormsStore;
use super::ledger::{Alone, FormKey, Unread};
use crate::ask::key;
use crate::clock;
use crate::config::ready;
use crate::failure::chain;
use crate::forms::{
    Access, Errand, FormId, Intake, KeptForm, Listed, NotKept, NotMoved, Reason, Spool, State, TO_ORIGIN,
};
use crate::offsite::forms::decide::{FormTask, FormView, ReceiptTask, with_origin, with_recipient};
use crate::offsite::forms::step::StepKind;
use crate::offsite::forms::{FormShelf, NotPut};
use crate::offsite::{FaultKind, StoreFault};
use crate::tasks;

/// How often it is looked what others have done.
const LOOK: Duration = Duration::from_secs(10);
/// How long a store that is of no use is left alone at first, and at most.
const AWAY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
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
                    if is_all { LOOK } else { Duration::ZERO }
                }
                Err(error) => {
                    tracing::debug!(error = chain(&error), "the forms in the store could not be looked at");
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
struct Round<'a> {
    store: &'a Arc<FormsStore>,
    shelf: Arc<FormShelf>,
    intake: Arc<Intake>,
    /// `None`: there is none yet.
    spool: Option<Arc<Spool>>,
    asked: BTreeSet<(String, FormId)>,
    /// How much of it is left.
    budget: usize,
}

impl FormsStore {
    /// One round. Returns whether all was done that is to be done now.
    async fn round(self: &Arc<Self>, app: &Arc<App>) -> Result<bool, NotPut> {
        let shelf = self
            .connect(app)
            .await
            .map_err(|error| NotPut::Store(StoreFault::new(FaultKind::Other, error)))?;
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
        let mut round = Round { store: self, shelf, intake, spool, asked, budget: AT_ONCE };
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
        let intake = intake.clone();
        let waiting = tasks::blocking(move || intake.waiting().all().unwrap_or_default()).await;
        for (site, id, errand) in waiting.unwrap_or_default() {
            let key: FormKey = (site.as_str().into(), id);
            if errand == Errand::Form && self.ledger().alone(&key).is_none() {
                self.ledger().not_stored(key, Alone::Perhaps);
            }
        }
    }
}

impl Round<'_> {
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
    async fn erase(&self, key: &FormKey) -> Result<(), NotPut> {
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

    fn here(&self, key: &FormKey) -> Option<Listed> {
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

    async fn form_here(&self, key: &FormKey) -> Result<KeptForm, String> {
        let (intake, key) = (self.intake.clone(), key.clone());
        let read = tasks::blocking(move || {
            let keys = intake.keys()?;
            let spool = intake.spool().map_err(|error| chain(&error))?;
            spool.read(&key.0, key.1, &keys).map_err(|error| chain(&error))
        });
        read.await.unwrap_or_else(|| Err("the process is stopping".to_owned()))
    }

    /// A form that is in the store, and perhaps here.
    async fn both(
        &mut self,
        config: &ready::Site,
        key: &FormKey,
        listed: Option<&Listed>,
    ) -> Result<(), NotPut> {
        let Some(task) = self.origin_task(key, listed, false) else { return Ok(()) };
        // Only then it matters, and only then the form is read for it.
        let is_abandoned = matches!(&task, FormTask::Publish(StepKind::Doubtful, Some(why)) if why.as_str() == "interrupted");
        let task = if is_abandoned && self.is_idempotent(config, key).await {
            self.origin_task(key, listed, true).unwrap_or(task)
        } else {
            task
        };
        self.do_for_origin(key, task).await?;
        let Some(listed) = listed else { return Ok(()) };
        let mut recipients: BTreeSet<String> = listed.receipts.keys().map(|key| key.to_string()).collect();
        if let Some(filed) = self.store.ledger().find(key) {
            recipients.extend(filed.recipients().filter(|to| *to != TO_ORIGIN).cloned());
        }
        for to in recipients {
            let task = self.of_view(key, &to, |view| with_recipient(listed.receipts.get(&*to), view));
            if let Some(task) = task {
                self.do_for_recipient(key, &to, task).await?;
            }
        }
        Ok(())
    }

    fn origin_task(&self, key: &FormKey, listed: Option<&Listed>, is_idempotent: bool) -> Option<FormTask> {
        let here = listed.map(|listed| (listed.state, listed.reason.as_ref()));
        self.of_view(key, TO_ORIGIN, |view| with_origin(here, &FormView { is_idempotent, ..*view }))
    }

    /// What follows from what is known; `None` while not all of that has been read.
    fn of_view<T>(&self, key: &FormKey, to: &str, decide: impl FnOnce(&FormView<'_>) -> T) -> Option<T> {
        let (ledger, now) = (self.store.ledger(), clock::instant());
        let view = ledger.find(key)?.view(to, now, &self.store.run)?;
        Some(decide(&FormView {
            is_being_sent: ledger.is_sending_to(key, to),
            is_asked: self.asked.contains(&(key.0.to_string(), key.1)),
            is_holder: self.store.is_holder(),
            ..view
        }))
    }

    /// Whether the line of the configuration that the form is sent by says that it does no harm twice.
    async fn is_idempotent(&self, config: &ready::Site, key: &FormKey) -> bool {
        let form = match self.form_here(key).await {
            Ok(form) => Some(form),
            Err(_) => self.shelf.form(&key.0, key.1).await.ok().flatten(),
        };
        let line = form.and_then(|form| {
            let path = form.target.split('?').next().unwrap_or("/");
            config.kept_form(key::path_of(&key::page_key(path, None, &[])))
        });
        line.is_some_and(|line| line.idempotent)
    }

    async fn do_for_origin(&mut self, key: &FormKey, task: FormTask) -> Result<(), NotPut> {
        match task {
            FormTask::Nothing => {}
            FormTask::Adopt(state, reason) => {
                self.budget = self.budget.saturating_sub(1);
                self.adopt(key, (state, reason)).await?;
            }
            FormTask::Confirm => {
                let key = key.clone();
                self.in_spool(&key.clone(), move |spool| spool.confirm(&key.0, key.1)).await;
            }
            FormTask::Follow(state, reason) => {
                tracing::info!(site = %key.0, form = %key.1, state = state.code(), "took over what has become of a form");
                let (of, now) = (key.clone(), clock::now().wall);
                self.in_spool(key, move |spool| spool.follow(&of.0, of.1, state, reason, now)).await;
                if state.is_due() {
                    self.intake.hasten(&key.0);
                }
            }
            FormTask::Publish(kind, reason) => {
                self.store.append(key, TO_ORIGIN, kind, reason).await?;
                if kind == StepKind::Kept {
                    self.intake.hasten(&key.0);
                }
            }
        }
        Ok(())
    }

    async fn do_for_recipient(&self, key: &FormKey, to: &str, task: ReceiptTask) -> Result<(), NotPut> {
        let (of, recipient) = (key.clone(), to.to_owned());
        match task {
            ReceiptTask::Nothing => {}
            ReceiptTask::Receive(receipt) => {
                self.in_spool(key, move |spool| spool.receive(&of.0, of.1, &recipient, receipt)).await;
            }
            ReceiptTask::AskAgain => {
                let ask = move |spool: &Spool| {
                    spool.ask_some_again(&of.0, of.1, |known| known == recipient).map(drop)
                };
                self.in_spool(key, ask).await;
                self.intake.hasten(&key.0);
            }
            ReceiptTask::Publish(kind, reason) => _ = self.store.append(key, to, kind, reason).await?,
        }
        Ok(())
    }

    async fn in_spool(
        &self,
        key: &FormKey,
        change: impl FnOnce(&Spool) -> Result<(), NotMoved> + Send + 'static,
    ) {
        let Some(spool) = self.spool.clone() else { return };
        if let Some(Err(error)) = tasks::blocking(move || change(&spool)).await {
            tracing::warn!(site = %key.0, form = %key.1, %error, "what others have made of a form cannot be written down");
        }
    }

    /// Takes up a form of another instance.
    async fn adopt(&self, key: &FormKey, standing: (State, Option<Reason>)) -> Result<(), NotPut> {
        let form = match self.shelf.form(&key.0, key.1).await {
            Ok(Some(form)) => form,
            Ok(None) => return Ok(()),
            Err(NotPut::Read(error)) => {
                if !self.store.ledger().look_for(key) {
                    tracing::error!(site = %key.0, form = %key.1, %error, "a form in the store cannot be read");
                }
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if self.shelf.is_erased(&key.0, key.1).await? {
            return self.erase(key).await;
        }
        let intake = self.intake.clone();
        let adopted = tasks::blocking(move || intake.adopt(form, standing, clock::now().wall));
        match adopted.await.ok_or(NotPut::Ending)? {
            Ok(()) => {
                tracing::info!(site = %key.0, form = %key.1, "took up a form that another instance has kept")
            }
            Err(NotKept::Full) => {
                tracing::debug!(form = %key.1, "there is no room here for a form in the store")
            }
            Err(error) => {
                tracing::warn!(site = %key.0, form = %key.1, %error, "a form in the store cannot be kept here, too");
            }
        }
        Ok(())
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
