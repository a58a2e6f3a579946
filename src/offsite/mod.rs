//! The copy outside this machine: an object store that all instances of a deployment share. It is the engine for more than one
//! machine; there is no protocol between instances but what lies in it.
//!
//! In the configuration it is `[store]`; here, where a store is the snapshots of one site ([`crate::snapshot::Store`]), it is
//! the [`Remote`]. Start reading there; [`fault`] lists what can be wrong with it.

pub mod board;
mod changes;
mod collect;
mod condemned;
mod connector;
pub mod context;
pub mod door;
pub mod fault;
mod fill;
mod folder;
pub mod follow;
pub mod forms;
pub mod here;
mod index;
pub mod instances;
pub mod layout;
pub mod lease;
mod memory;
mod mount;
pub mod ondemand;
mod open;
pub mod pace;
pub mod pointer;
pub mod post;
mod pull;
mod push;
mod remote;
mod reports;
mod resign;
mod roots;
mod run;
mod send;
pub mod shared_list;
pub mod signature;
mod step;
mod tidy;
mod trial;
pub mod trouble;
mod twin;
mod wanted;

#[cfg(test)]
mod tests;

pub use board::{Board, Doing, SiteStanding};
pub use connector::Tools;
pub use context::{Context, Epoch, Traffic};
pub use fault::{FaultKind, StoreFault};
pub use here::{SiteHere, Sites};
pub use ondemand::OnDemand;
pub use open::open;
pub use pointer::{ModeWord, Pointer, Word};
pub use remote::{Listed, Looked, Object, Remote, Version, Written};
pub use run::run;
pub use signature::{Signed, Signer, Unusable};
pub use trial::{Ability, try_out};
pub use trouble::Trouble;
