//! The copy outside this machine: an object store that all instances of a deployment share. It is the engine for more than one
//! machine; there is no protocol between instances but what lies in it.
//!
//! In the configuration it is `[store]`; here, where a store is the snapshots of one site ([`crate::snapshot::Store`]), it is
//! the [`Remote`]. Start reading there; [`fault`] lists what can be wrong with it.

mod connector;
pub mod fault;
mod folder;
pub mod follow;
mod index;
pub mod layout;
mod memory;
mod open;
pub mod pace;
pub mod pointer;
mod remote;
mod trial;
pub mod signature;

pub use connector::Tools;
pub use fault::{FaultKind, StoreFault};
pub use open::open;
pub use pointer::{ModeWord, Pointer, Word};
pub use remote::{Listed, Looked, Object, Remote, Version, Written};
pub use trial::{Ability, try_out};
pub use signature::{Signed, Signer, Unusable};
