//! Kept forms in the store: written, read, erased. Nothing is decided here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;

use super::step::{FormStep, of_state};
use crate::forms::{FormId, KeptForm, Keys, NotKept, NotRead, Reason, State, note_opened, note_sealed};
use crate::offsite::forms::names::{self, FormPart};
use crate::offsite::{FaultKind, Listed, Remote, StoreFault, Written};
use crate::tasks;

/// How long a listing of all forms may take.
const LISTING: Duration = Duration::from_secs(60);
/// Bytes of an object with a form: four MiB of what was sent, its head, and the seal.
const FORM_MOST: u64 = 16 << 20;
/// Bytes of an object with a step.
const STEP_MOST: u64 = 64 << 10;
/// What is sealed into what is left of an erased form.
const ERASED: &[u8] = b"erased";

/// The forms in the store. Clones are the same.
#[derive(Clone, Debug)]
pub struct FormShelf {
    remote: Remote,
    keys: Arc<Keys>,
}

/// Something could not be done with forms in the store. Says nothing of what they hold.
#[derive(Debug, thiserror::Error)]
pub enum NotPut {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// It could not be sealed.
    #[error("could not be sealed")]
    Seal(#[from] NotKept),
    /// What is there cannot be read.
    #[error("what is in the store cannot be read")]
    Read(#[from] NotRead),
    /// The process is stopping.
    #[error("the process is stopping")]
    Ending,
}

impl NotPut {
    /// Whether nothing can have been written: the store was asked, and has refused, or could not be asked.
    pub fn is_certain(&self) -> bool {
        match self {
            NotPut::Store(fault) => match fault.kind {
                FaultKind::NoKey
                | FaultKind::NoCredentials
                | FaultKind::WrongKey
                | FaultKind::Forbidden
                | FaultKind::NoBucket
                | FaultKind::WrongRegion
                | FaultKind::ClockSkew
                | FaultKind::Folder => true,
                FaultKind::Unreachable
                | FaultKind::Busy
                | FaultKind::NoConditions
                | FaultKind::Damaged
                | FaultKind::Other => false,
            },
            NotPut::Seal(_) => true,
            NotPut::Read(_) | NotPut::Ending => false,
        }
    }
}

/// What became of a step that was to be the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepTaken {
    /// It is.
    Next,
    /// Another one is.
    NotNext,
}

impl FormShelf {
    /// The forms of this store, sealed with these keys.
    pub fn new(remote: Remote, keys: Arc<Keys>) -> FormShelf {
        FormShelf { remote, keys }
    }

    /// All objects of forms.
    ///
    /// # Errors
    /// See [`StoreFault`].
    pub async fn list(&self) -> Result<Vec<(String, FormId, FormPart, Listed)>, StoreFault> {
        let read = async {
            let (mut listing, mut all) = (self.remote.list(names::FORMS), Vec::new());
            while let Some(listed) = listing.next().await {
                let listed = listed?;
                if let Some((site, id, part)) = names::form_object(&listed.name) {
                    all.push((site.to_owned(), id, part, listed));
                }
            }
            Ok(all)
        };
        let late = || StoreFault::new(FaultKind::Unreachable, "the forms could not be listed in time");
        tokio::time::timeout(LISTING, read).await.unwrap_or_else(|_| Err(late()))
    }

    /// A form as it will lie there.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub async fn sealed(&self, form: KeptForm) -> Result<Bytes, NotPut> {
        let keys = self.keys.clone();
        let sealed = tasks::blocking(move || form.sealed(&keys)).await.ok_or(NotPut::Ending)?;
        Ok(sealed?.into())
    }

    /// Puts a sealed form there, and what it has become already.
    ///
    /// # Errors
    /// See [`NotPut`].
    pub async fn put(
        &self,
        (site, id): (&str, FormId),
        sealed: Bytes,
        (state, reason): (State, Option<Reason>),
        run: &str,
    ) -> Result<(), NotPut> {
        if !state.is_due() {
            // First: whoever finds the form must not take it for one that is to be sent.
            let (kind, reason) = of_state(state, reason);
            let step = FormStep { kind, reason, run: run.to_owned() };
            self.append((site, id), crate::forms::TO_ORIGIN, 1, &step).await?;
        }
        Ok(self.remote.put(&names::form(site, id), sealed).await?)
    }

    /// Its visitor was told.
    ///
    /// # Errors
    /// See [`StoreFault`].
    pub async fn told(&self, site: &str, id: FormId) -> Result<(), StoreFault> {
        self.remote.put(&names::form_told(site, id), Bytes::new()).await
    }

    /// Whether the form is still there.
    ///
    /// # Errors
    /// See [`StoreFault`].
    pub async fn has(&self, site: &str, id: FormId) -> Result<bool, StoreFault> {
        Ok(self.remote.head(&names::form(site, id)).await?.is_some())
    }

    /// Reads a form; `None`: it is there no more.
    ///
    /// # Errors
    /// See [`NotPut`].
    pub async fn form(&self, site: &str, id: FormId) -> Result<Option<KeptForm>, NotPut> {
        let Some(object) = self.remote.get(&names::form(site, id), FORM_MOST).await? else {
            return Ok(None);
        };
        let (keys, site) = (self.keys.clone(), site.to_owned());
        let opened = tasks::blocking(move || KeptForm::opened(&keys, &site, id, object.bytes.into()));
        Ok(Some(opened.await.ok_or(NotPut::Ending)??))
    }

    /// Reads a step; `None`: it is there no more.
    ///
    /// # Errors
    /// See [`NotPut`].
    pub async fn step(
        &self,
        (site, id): (&str, FormId),
        to: &str,
        number: u32,
    ) -> Result<Option<FormStep>, NotPut> {
        let name = names::form_step(site, id, to, number);
        let Some(object) = self.remote.get(&name, STEP_MOST).await? else { return Ok(None) };
        let note = note_opened(&self.keys, site, id, object.bytes.into())?;
        Ok(Some(FormStep::read(&note, to, number).ok_or(NotRead::Version(id))?))
    }

    /// Takes the next step, unless somebody else has.
    ///
    /// # Errors
    /// See [`NotPut`]; then it may have been taken all the same.
    pub async fn append(
        &self,
        (site, id): (&str, FormId),
        to: &str,
        number: u32,
        step: &FormStep,
    ) -> Result<StepTaken, NotPut> {
        let note = note_sealed(&self.keys, site, id, &step.write(to, number))?;
        match self.remote.create(&names::form_step(site, id, to, number), note.into()).await? {
            Written::Won(_) => Ok(StepTaken::Next),
            Written::Lost => Ok(StepTaken::NotNext),
        }
    }

    /// Whether the form was erased for good.
    ///
    /// # Errors
    /// See [`StoreFault`].
    pub async fn is_erased(&self, site: &str, id: FormId) -> Result<bool, StoreFault> {
        let left = self.remote.get(&names::erased_form(site, id), STEP_MOST).await?;
        // Not by anybody who merely can write there.
        Ok(left.is_some_and(|left| {
            note_opened(&self.keys, site, id, left.bytes.into()).is_ok_and(|note| note == ERASED)
        }))
    }

    /// Erases a form, for all and for good: what it holds, and these of its other objects.
    ///
    /// # Errors
    /// See [`NotPut`]; then it is to be done again.
    pub async fn erase(&self, site: &str, id: FormId, others: &[String]) -> Result<(), NotPut> {
        let note = note_sealed(&self.keys, site, id, ERASED)?;
        self.remote.put(&names::erased_form(site, id), Bytes::from(note)).await?;
        self.remote.delete(&names::form(site, id)).await?;
        self.delete(others).await
    }

    /// Removes what a form has left.
    ///
    /// # Errors
    /// See [`NotPut`].
    pub async fn delete(&self, names: &[String]) -> Result<(), NotPut> {
        for name in names {
            self.remote.delete(name).await?;
        }
        Ok(())
    }
}
