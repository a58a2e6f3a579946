//! Forms that come from the copy outside this machine, and what others have decided of them.

use std::time::SystemTime;

use super::error::{NotKept, NotMoved, NotRead};
use super::id::FormId;
use super::index::Bounds;
use super::key::Keys;
use super::record::KeptForm;
use super::seal::{self, NotSealed};
use super::spool::{Naming, Spool};
use super::state::{Reason, State};

impl KeptForm {
    /// The form as it lies outside this machine: sealed with these keys, bound to its site and its id. Takes a while.
    ///
    /// # Errors
    /// When it is too large, or there are no random bytes.
    pub fn sealed(&self, keys: &Keys) -> Result<Vec<u8>, NotKept> {
        let head = self.head().ok_or(NotKept::Size)?;
        sealed(keys, &self.site, self.id, &[&head, &self.body])
    }

    /// Opens what [`KeptForm::sealed`] has made of the form of this site with this id.
    ///
    /// # Errors
    /// When it does not open, or is another.
    pub fn opened(keys: &Keys, site: &str, id: FormId, file: Vec<u8>) -> Result<KeptForm, NotRead> {
        let form = KeptForm::decode(note_opened(keys, site, id, file)?);
        let form = form.map_err(|why| NotRead::written(id, why))?;
        if form.id == id && form.site == site { Ok(form) } else { Err(NotRead::Damaged(id)) }
    }
}

/// Seals a note about a form, as the form itself is.
///
/// # Errors
/// When there are no random bytes.
pub fn note_sealed(keys: &Keys, site: &str, id: FormId, note: &[u8]) -> Result<Vec<u8>, NotKept> {
    sealed(keys, site, id, &[note])
}

/// Opens such a note.
///
/// # Errors
/// When it does not open, or is about another form.
pub fn note_opened(keys: &Keys, site: &str, id: FormId, file: Vec<u8>) -> Result<Vec<u8>, NotRead> {
    seal::open(keys, site, &id, file).map_err(|why| NotRead::sealed(id, why))
}

fn sealed(keys: &Keys, site: &str, id: FormId, pieces: &[&[u8]]) -> Result<Vec<u8>, NotKept> {
    seal::seal(keys, site, &id, pieces).map_err(|why| match why {
        NotSealed::Size => NotKept::Size,
        NotSealed::Key => NotKept::Key,
    })
}

impl Spool {
    /// Keeps a form that another machine has taken, under the id that it has, as it stands now. One of that name that is here
    /// already stays as it is. Blocks.
    ///
    /// # Errors
    /// Why it is not kept here.
    pub fn adopt(
        &self,
        keys: &Keys,
        form: KeptForm,
        standing: (State, Option<Reason>),
        bounds: Bounds,
        now: SystemTime,
    ) -> Result<(), NotKept> {
        let (site, id) = (form.site.clone(), form.id);
        if self.listed(&site, id).is_some() {
            return Ok(());
        }
        self.keep_under(Naming::Its, standing, keys, form, (bounds, now)).map(drop)
    }

    /// Lets a form become what others have made of it, durably. What is being sent from here, or was delivered, stays so. Blocks.
    ///
    /// # Errors
    /// As [`Spool::mark`].
    pub fn follow(
        &self,
        site: &str,
        id: FormId,
        state: State,
        reason: Option<Reason>,
        now: SystemTime,
    ) -> Result<(), NotMoved> {
        let may = |from| !matches!(from, State::Sending | State::Delivered) && state != State::Sending;
        self.change(site, id, may, (state, reason), now)
    }
}
