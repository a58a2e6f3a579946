//! HTTP's words without policy: bodies, headers, Cache-Control, conditional requests, ranges, forwarding headers.

pub mod body;
pub mod cache_status;
pub mod conditional;
pub mod control;
pub mod copy;
pub mod forwarded;
pub mod headers;
pub mod range;

pub use body::Body;
