//! The re-checks of bad pages: one rechecker for each site.

use std::sync::{Mutex, PoisonError};

use crate::proxy::{Rechecker, Table};

/// Those who look after the sites.
#[derive(Debug, Default)]
pub(super) struct Rechecks(Mutex<Vec<Rechecker>>);

impl Rechecks {
    /// Looks after these sites.
    pub(super) fn of(table: &Table) -> Rechecks {
        let rechecks = Rechecks::default();
        rechecks.keep_up(table);
        rechecks
    }

    /// Looks after these sites, and no longer after others. A site that a reload has not touched keeps who looks after it.
    pub(super) fn keep_up(&self, table: &Table) {
        let mut rechecks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *rechecks);
        rechecks.extend(table.sites.iter().map(|site| {
            let known = before.iter().position(|recheck| recheck.is_of(site));
            known.map_or_else(|| Rechecker::start(site), |at| before.swap_remove(at))
        }));
    }
}
