//! Why a site is not in step with the store.

use super::fault::{FaultKind, StoreFault};
use super::follow::Refusal;
use super::signature::Unusable;
use crate::failure::chain;
use crate::snapshot::{AdoptError, ManifestError, ReadError, ServiceError, SnapshotId};

/// What went wrong. What serves stays.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The store does not do what is asked of it.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// Something in it is not what was put there, or is not signed as it must be. Nothing of it is used.
    #[error("{name} was refused: {why}")]
    Refused {
        /// The object.
        name: String,
        /// Why.
        why: String,
    },
    /// Somebody wrote the same a moment before. Not told: the next look will do.
    #[error("another instance was faster")]
    Raced,
    /// What is to be done waits for something that ends by itself: the removal of bodies, another process on this disk.
    #[error("waiting: {0}")]
    Waits(String),
    /// A snapshot of this site is being brought here already.
    #[error("a snapshot of this site is being brought here already")]
    Adopting,
    /// A snapshot that is to be pushed is damaged here.
    #[error("snapshot {id} is damaged here, and was not pushed: {why}")]
    DamagedHere {
        /// Which one.
        id: SnapshotId,
        /// How.
        why: String,
    },
    /// The disk, here.
    #[error("{0}")]
    Here(String),
    /// The program is ending.
    #[error("the program is ending")]
    Ending,
}

impl Trouble {
    pub(super) fn refused(name: impl Into<String>, why: &impl ToString) -> Trouble {
        Trouble::Refused { name: name.into(), why: why.to_string() }
    }

    pub(super) fn here(error: &(dyn std::error::Error + 'static)) -> Trouble {
        Trouble::Here(chain(error))
    }

    /// Its code, for the metric.
    pub fn code(&self) -> &'static str {
        match self {
            Trouble::Store(fault) => fault.kind.code(),
            Trouble::Refused { .. } => FaultKind::Damaged.code(),
            Trouble::Raced => "raced",
            Trouble::Waits(_) => "waits",
            Trouble::Adopting => "adopting",
            Trouble::DamagedHere { .. } => "damaged-here",
            Trouble::Here(_) => "disk",
            Trouble::Ending => "ending",
        }
    }
}

/// What the operator does about a pointer that is not used, where its text does not say it.
fn what_to_do(why: Unusable) -> Option<&'static str> {
    match why {
        Unusable::Unsigned | Unusable::Unreadable => Some(
            "an instance that was in step with the store writes it anew by itself; if there is none, delete this object",
        ),
        Unusable::WrongSignature => Some("give all instances the same key_file"),
        Unusable::Later => None,
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        let why = match refusal {
            Refusal::Unusable(why) => match what_to_do(why) {
                Some(advice) => format!("{why}; {advice}"),
                None => why.to_string(),
            },
            Refusal::Replayed { generation, known } => {
                format!("it is older (generation {generation}) than what was taken over before ({known})")
            }
        };
        Trouble::Refused { name: "the pointer".to_owned(), why }
    }
}

impl From<AdoptError> for Trouble {
    fn from(error: AdoptError) -> Trouble {
        let why = chain(&error);
        match &error {
            AdoptError::Running => Trouble::Adopting,
            AdoptError::There(_) | AdoptError::InUse(_) => Trouble::Waits(why),
            AdoptError::Unlike(name) => Trouble::refused(name.clone(), &why),
            AdoptError::Number(id) | AdoptError::Manifest { id, .. } | AdoptError::Lacks { id, .. } => {
                Trouble::refused(format!("snapshot {id}"), &why)
            }
            AdoptError::Name(name) => Trouble::refused(name.clone(), &why),
            AdoptError::Long { name, .. } => Trouble::refused((*name).to_owned(), &why),
            AdoptError::Stage(_) | AdoptError::Mark(_) => Trouble::Here(why),
        }
    }
}

impl From<ServiceError> for Trouble {
    fn from(error: ServiceError) -> Trouble {
        Trouble::here(&error)
    }
}

impl From<ManifestError> for Trouble {
    fn from(error: ManifestError) -> Trouble {
        Trouble::here(&error)
    }
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Trouble {
        Trouble::here(&error)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Trouble {
        Trouble::here(&error)
    }
}
