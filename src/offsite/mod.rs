//! The copy outside this machine: an object store that all instances of a deployment share. It is the engine for more than one
//! machine; there is no protocol between instances but what lies in it.
//!
//! In the configuration it is `[store]`; here, where a store is the snapshots of one site ([`crate::snapshot::Store`]), it is
//! the [`Remote`]. Start reading there; [`fault`] lists what can be wrong with it.

mod connector;
pub mod fault;
mod folder;
mod open;
mod remote;
mod trial;

pub use connector::Tools;
pub use fault::{FaultKind, StoreFault};
pub use open::open;
pub use remote::{Listed, Looked, Object, Remote, Version, Written};
pub use trial::{Ability, try_out};
