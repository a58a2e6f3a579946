//! More than one instance on one store.

mod store;
