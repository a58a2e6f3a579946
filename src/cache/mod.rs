//! The HTTP cache (RFC 9111): shared, in memory, bounded by bytes.
//!
//! Start reading at [`SiteCache`] for what the request path asks, [`storable`](storable::storable) for what may be
//! kept at all, and [`Entry`] for when it may be used. Freshness is a function of `now`; a stale entry is never
//! dropped for being stale, because stale is what is left when the origin dies. Room is the only reason to go.

pub mod ask;
pub mod entry;
pub mod flight;
pub mod key;
pub mod revalidate;
mod shared;
mod sight;
pub mod site;
pub mod storable;
pub mod store;
pub mod vary;

pub use entry::{Entry, Freshness};
pub use flight::{Flights, Landed, Leader, Role, Waiter};
pub use key::Key;
pub use revalidate::{Validation, revalidation_headers};
pub use sight::{Resemblance, Sight};
pub use site::{Fill, Lookup, SiteCache, Validated};
pub use storable::{Exchange, Reason, Storable, Terms};
pub use store::Cache;
