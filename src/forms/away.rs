//! The copy of kept forms outside this machine, as this module needs it: who takes a form besides the disk, and who says
//! whether it may be sent. The copy itself is made elsewhere; without one, every form is this machine's alone.

use async_trait::async_trait;

use super::id::FormId;
use super::record::KeptForm;
use super::spool::Standing;

/// As which the origin stands beside the keys of the other recipients.
pub const TO_ORIGIN: &str = "origin";

/// What became of a form that was to be copied before its visitor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// It is there, or has been written twice here and will be.
    Enough,
    /// It is on this machine alone, and that is not to be enough.
    NotEnough,
}

/// What a second one does that is sent because nobody could be asked whether another has sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twice {
    /// No harm: the operator says so, or whoever gets it knows it again.
    Harmless,
    /// It may do harm.
    Harmful,
}

/// Whether a form is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// By this process, and by no other. [`Away::over`] follows.
    Ours,
    /// Not by this one, or not now.
    NotNow,
}

/// Where a form is besides this machine's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// It is in the store.
    Stored,
    /// It is on this machine alone, until the store takes it.
    Waiting,
}

impl Whereabouts {
    /// Its word, for people.
    pub const fn code(self) -> &'static str {
        match self {
            Whereabouts::Stored => "yes",
            Whereabouts::Waiting => "waiting",
        }
    }
}

/// See the module. A recipient is named by its key, or [`TO_ORIGIN`].
#[async_trait]
pub trait Away: Send + Sync {
    /// Copies a form that has been written here, within seconds.
    async fn copy(&self, form: KeptForm, standing: Standing) -> Copied;

    /// Its visitor knows.
    async fn told(&self, site: &str, id: FormId);

    /// Whether this instance is one that sends this form, as far as is known without asking.
    fn may_send(&self, site: &str, id: FormId) -> bool;

    /// Claims one sending, so that nobody else sends at the same time.
    async fn claim(&self, site: &str, id: FormId, to: &str, twice: Twice) -> Claimed;

    /// The sending is over: what became of it is in the spool.
    async fn over(&self, site: &str, id: FormId, to: &str);

    /// Where it is, if that is known.
    fn whereabouts(&self, site: &str, id: FormId) -> Option<Whereabouts>;

    /// Something has been decided here that others are to know.
    fn decided(&self);
}
