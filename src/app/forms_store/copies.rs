//! What the forms see of the store.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::ledger::{Alone, FormKey};
use super::{FormsStore, PATIENCE};
use crate::clock;
use crate::failure::chain;
use crate::forms::{Away, Claimed, Copied, FormId, KeptForm, Standing, TO_ORIGIN, Twice, Whereabouts};
use crate::offsite::forms::StepTaken;
use crate::offsite::forms::decide::may_claim;
use crate::tasks;

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
pub(super) struct Copies(pub(super) Arc<FormsStore>);

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
