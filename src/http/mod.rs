//! HTTP's words without policy: bodies, headers, Cache-Control, conditional requests, ranges, forwarding headers.

pub mod body;
pub mod cache_status;
pub mod claims;
pub mod client;
pub mod coding;
pub mod conditional;
pub mod control;
pub mod copy;
pub mod csp;
pub mod detour;
pub mod forwarded;
pub mod framing;
pub mod headers;
pub mod loops;
pub mod pace;
pub mod personal;
pub mod range;
mod retry_after;

pub use body::{Body, BoxRequest};
pub use retry_after::retry_after;
