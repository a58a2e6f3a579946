//! Something to fetch, and its priority.

use std::sync::Arc;

use crate::content::links::Need;

/// Something to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Its key.
    pub(super) key: Arc<str>,
    /// What for.
    pub(super) need: Need,
    /// Links from a start page.
    pub(super) depth: u32,
    /// Redirects, imports and frames since the last page that was linked.
    pub(super) hops: u32,
    /// The page that it was found on.
    pub(super) found_on: Option<Arc<str>>,
    /// Its place among the pages.
    pub(super) rank: Priority,
}

/// The priority of a page. The greater is fetched first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Priority {
    /// Visits of the last days.
    pub(super) visits: u64,
    /// When the site says that it changed last, in seconds since the epoch.
    pub(super) lastmod: Option<i64>,
}

impl Priority {
    /// The better of two priorities of the same page.
    pub(super) fn or(self, other: Priority) -> Priority {
        Priority { visits: self.visits.max(other.visits), lastmod: self.lastmod.max(other.lastmod) }
    }
}
