//! Several instances and a store: what one has, the others serve; and whatever happens to the store, no visitor notices.

mod azure;
mod bucket;
pub mod deployment;
mod disk;
mod dns;
mod forms;
pub mod in_bucket;
mod instances;
mod join;
mod killed;
mod lease;
mod origins;
mod partition;
mod recipes;
mod rough;
mod seaweedfs;
mod snapshots;
mod store;
mod under_load;

pub use in_bucket::until_told;
