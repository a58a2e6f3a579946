//! Katahai: a failover edge proxy for the web sites of small businesses.
//!
//! The live site while it lives; a cached or mirrored copy of it when it does not; an honest holding page when
//! there is no copy. Start reading at [`proxy`] (the path of one request), [`failover`] (where an answer comes
//! from) and [`app`] (how the parts are put together). A module uses only what stands above it in this list.

// rank 0: the machine; HTTP's words, and what stands in a file, without policy
pub mod clock;
pub mod content;
pub mod descriptors;
pub mod disk;
pub mod http;
pub mod tasks;
// rank 1: what can go wrong, what is wanted, what is counted
pub mod config;
pub mod failure;
pub mod fingerprint;
pub mod metrics;
// rank 2: one request
pub mod ask;
// rank 3: engines that do not know each other
pub mod alert;
pub mod cache;
pub mod forms;
pub mod history;
pub mod incident;
pub mod origin;
pub mod page_health;
pub mod snapshot;
pub mod tls;
pub mod verdict;
pub mod visits;
// rank 4: what works beside the requests
pub mod crawl;
pub mod drill;
pub mod messages;
pub mod offsite;
pub mod portable;
pub mod report;
pub mod watch;
// rank 5: the decision; what a copy would miss
pub mod failover;
pub mod selftest;
// rank 6: the request path
pub mod access_log;
pub mod holding_page;
pub mod proxy;
// rank 7: sockets
pub mod server;
// rank 8: the whole
pub mod app;
// rank 9: around it
pub mod admin;
pub mod demo;
// rank 10: the command line
pub mod cli;
