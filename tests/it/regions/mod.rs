//! Several instances and a store: what one has, the others serve; and whatever happens to the store, no visitor notices.

mod deployment;
mod dns;
mod forms;
mod instances;
mod lease;
mod origins;
mod snapshots;
mod store;
