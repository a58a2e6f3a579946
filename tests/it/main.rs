//! The whole product against origins that fail: one module per promise, from the simple to the hard.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(
    clippy::disallowed_methods,
    reason = "the harness is not the product: it spawns, writes and reads clocks itself"
)]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod support;

mod admin;
mod assets;
mod browser;
mod cache;
mod causes;
mod circles;
mod cli;
mod commands;
mod crawl;
mod dashboard;
mod demo;
mod docs_site;
mod evidence;
mod failover;
mod first_site;
mod first_start;
mod framing;
mod gate;
mod harness;
mod holding;
mod learned;
mod limits;
mod many_sites;
mod matrix;
mod mirrors;
mod modes;
mod names;
mod normal_form;
mod origins;
mod overview;
mod own_life;
mod pages;
mod polite;
mod portable;
mod protocols;
mod real;
mod reload;
mod returning;
mod serve;
mod shutdown;
mod slow_visitors;
mod snapshot;
mod streaming;
mod told;
mod versions;
mod versions_cli;
mod visitor_against_visitor;
