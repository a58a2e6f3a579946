//! A form that is kept, as it is used.

use std::time::Duration;

use super::ready::PathPattern;
use super::recipient::Deliver;

/// One `[[site.form]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Where it is sent to.
    pub path: PathPattern,
    /// Where it stands; `None`: where the crawl finds it.
    pub page: Option<String>,
    /// Whether it is kept while the origin cannot take it.
    pub keep: bool,
    /// Where it goes when it was kept.
    pub deliver: Deliver,
    /// A path that its visitor is sent on to when it is kept; `None`: a page of our own.
    pub thanks: Option<String>,
    /// The name of a field that people do not see: what has something in it is a program's.
    pub honeypot: Option<String>,
    /// Whether it may be sent again when nobody knows whether it arrived.
    pub idempotent: bool,
    /// How often one client may have one kept; `None`: without a limit.
    pub most_per_client: Option<ClientRate>,
}

/// So many times in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientRate {
    /// How many times.
    pub count: u32,
    /// In this time.
    pub window: Duration,
}
