//! What one round does with a form that is in the store, and mostly here, too.

use std::collections::BTreeSet;

use super::ledger::FormKey;
use super::round::FormRound;
use crate::ask::key;
use crate::clock;
use crate::config::ready;
use crate::forms::{Listed, NotKept, NotMoved, Reason, Spool, State, TO_ORIGIN};
use crate::offsite::forms::NotPut;
use crate::offsite::forms::decide::{FormTask, FormView, ReceiptTask, with_origin, with_recipient};
use crate::offsite::forms::step::StepKind;
use crate::tasks;

impl FormRound<'_> {
    /// A form that is in the store, and perhaps here.
    pub(super) async fn both(
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
    pub(super) fn of_view<T>(
        &self,
        key: &FormKey,
        to: &str,
        decide: impl FnOnce(&FormView<'_>) -> T,
    ) -> Option<T> {
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
            FormTask::Tell => {
                self.shelf.told(&key.0, key.1).await?;
                self.store.ledger().told(key);
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
                if self.store.ledger().is_news(key) {
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
            Err(error) if self.store.ledger().is_news(key) => {
                tracing::warn!(site = %key.0, form = %key.1, %error, "a form in the store cannot be kept here, too");
            }
            Err(_) => {}
        }
        Ok(())
    }
}
