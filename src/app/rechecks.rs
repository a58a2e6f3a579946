//! The re-checks of bad pages: one rechecker for each site.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::proxy::{Rechecker, Table};

/// Those who look after the sites, by the sites' names: of ten thousand, looking each up in a list took a reload's time.
#[derive(Debug, Default)]
pub(super) struct Rechecks(Mutex<HashMap<Arc<str>, Rechecker>>);

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
            let name = site.config.name.clone();
            let known = before.remove(&name).filter(|recheck| recheck.is_of(site));
            (name, known.unwrap_or_else(|| Rechecker::start(site)))
        }));
    }
}
