//! The settings of checks.

use std::sync::Arc;
use std::time::Duration;

use super::judge::Judge;
use crate::config::ready::Health;

/// What is checked, and how often.
#[derive(Clone)]
pub struct Settings {
    /// As configured.
    pub health: Health,
    /// How long visitors take to come back.
    pub ramp: Duration,
    /// The longest that any request may take.
    pub longest: Duration,
    /// The scheme by which visitors come.
    pub scheme: &'static str,
    /// The host to ask for, unless the origin has its own.
    pub host: Arc<str>,
    /// Who knows the site.
    pub judge: Arc<dyn Judge>,
}

impl Settings {
    /// Whether checks with these settings are the same as with the others, whoever judges.
    pub(super) fn same(&self, other: &Settings) -> bool {
        self.health == other.health
            && self.ramp == other.ramp
            && self.longest == other.longest
            && self.host == other.host
            && self.scheme == other.scheme
            && Arc::ptr_eq(&self.judge, &other.judge)
    }
}
