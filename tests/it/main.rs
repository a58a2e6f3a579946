//! The whole product against origins that fail: a folder for each side of it, a module for each promise.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(
    clippy::disallowed_methods,
    reason = "the harness is not the product: it spawns, writes and reads clocks itself"
)]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod support;

mod failover;
mod harness;
mod matrix;
mod mirror;
mod operate;
mod protocol;
mod real;
mod regions;
