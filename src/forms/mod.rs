//! What visitors send through a form while the origin cannot take it: kept, sealed, until it can.
//!
//! ```text
//! <state>/forms/.audit.log                         who has read, sent or erased which
//! <state>/forms/.waiting/                          what is still to reach the copy outside this machine
//! <state>/forms/.lock                              held by the process that keeps forms
//! <state>/forms/<site>/<id>.<state>[.<reason>]     a form, sealed; only its name ever changes
//! <state>/forms/<site>/<id>.<recipient>.taken      a recipient besides the origin has it; or .refused.<reason>
//! <state>/forms/<site>/<name>~                     set aside by hand or at the start: never listed, never sent
//! ```
//!
//! Start reading at [`Spool`]. Everything here blocks; call it through `tasks::blocking`, except [`Spool::totals`],
//! [`Spool::list`] and [`Spool::due`], which only look at what is in memory.
//!
//! A form is there, whole and durable, before [`Spool::keep`] returns its id: its content is synced before it has a name, and
//! the name before anybody is told. What becomes of it is in the name of its file, so that every change is one rename, and a
//! process that is killed anywhere leaves one state or the other. The change to [`State::Sending`] is durable before anything
//! is sent: what is found in that state later may have reached the origin, and is never sent again by itself.
//!
//! Nothing of what a form holds is on the disk in clear, in an error, or in what `Debug` shows.

mod adopt;
mod audit;
mod away;
mod error;
pub mod fields;
mod id;
mod index;
mod intake;
mod key;
mod moves;
mod rate;
mod receipt;
mod record;
mod scan;
mod seal;
mod spool;
mod state;
mod waiting;

#[cfg(test)]
mod tests;

pub use adopt::{note_opened, note_sealed};
pub use audit::Access;
pub use away::{Away, Claimed, Copied, TO_ORIGIN, Twice, Whereabouts};
pub use error::{NotKept, NotMoved, NotRead, OpenError};
pub use id::{FormId, NoRandomness, NotAFormId};
pub use index::{Bounds, Listed, Total, Totals};
pub use intake::Intake;
pub use key::{KeyError, KeyId, Keys};
pub use rate::{Lately, Rate, TooMany};
pub use receipt::{Receipt, Receipts, outstanding};
pub use record::KeptForm;
pub use spool::{Spool, Standing};
pub use state::{NotAReason, Reason, State};
pub use waiting::{Errand, Waiting};

/// From now on, a process that crashes leaves no image of its memory: it holds what visitors write. (Kernels that hand the image
/// to a program leave that to the program; systemd's keeps to the limit.)
pub fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = Rlimit { current: Some(0), ..getrlimit(Resource::Core) };
    if let Err(error) = setrlimit(Resource::Core, limit) {
        tracing::warn!(%error, "core dumps could not be switched off");
    }
}

/// The folder in the state directory.
const FOLDER: &str = "forms";
/// In it; no site has such a name.
const LOCK: &str = ".lock";

/// A moment after which the disk is as a killed process would leave it: the tests kill one at each.
#[cfg(not(test))]
const fn step() {}
#[cfg(test)]
use tests::killed::step;
