//! The last known state of each site's snapshots on the disk. Reading the disk blocks, so the status comes from here; and
//! changes by another process on the same state directory are noticed.

use crate::failure::chain;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::App;
use super::run_lock::RunLock;
use super::shelf::is_gated;
use crate::crawl::Report;
use crate::failure::Text;
use crate::proxy::Site;
use crate::snapshot::{SnapshotId, Store, rfc3339};
use crate::tasks;
use crate::{clock, descriptors};

/// What was seen this short a time ago is not looked at again.
const FRESH: Duration = Duration::from_secs(2);

/// What is known of a site's shelf.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ShelfState {
    at: Option<Instant>,
    /// How many crawls had ended then.
    ended: u64,
    /// Since when new snapshots wait for the operator's word, RFC 3339.
    pub(super) by_hand: Option<String>,
    /// Those that do not serve by themselves, newest first.
    pub(super) held: Vec<Held>,
    /// Those that are never removed, newest first.
    pub(super) pinned: Vec<String>,
    /// What the operator should look after.
    pub(super) troubles: Vec<Trouble>,
    carried: Option<(SnapshotId, Option<Carried>)>,
    /// What `robots.txt` meant for the newest one.
    robots: Option<(SnapshotId, Option<Text>)>,
}

/// A snapshot that does not serve by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Its id.
    pub id: String,
    /// RFC 3339.
    pub taken_at: String,
    /// The rules of the gate that spoke, with the numbers, or what else it waits for.
    pub reasons: Vec<String>,
    /// Whether they are the gate's: then it takes more than the word "publish".
    pub gated: bool,
}

/// Something is wrong with the snapshots on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The stable code of what it is.
    pub kind: &'static str,
    /// What it is, and what to do.
    pub message: String,
}

/// What the snapshot in service has from the ones before it, because its crawl did not reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// How many addresses.
    pub count: u64,
}

impl ShelfState {
    pub(super) fn carried(&self) -> Option<&Carried> {
        self.carried.as_ref().and_then(|(_, carried)| carried.as_ref())
    }

    /// What `robots.txt` meant for the newest snapshot, if it forbids the whole site.
    pub(super) fn robots(&self) -> Option<Text> {
        self.robots.as_ref().and_then(|(_, robots)| *robots)
    }

    /// Looks. Blocks. `before` is what was seen last.
    fn look(store: &Store, before: &ShelfState, ended: u64) -> ShelfState {
        let mut troubles = Vec::new();
        // what is lacking for a moment says nothing of the folder, and is said elsewhere
        if let Err(error) = store.refresh()
            && !descriptors::is_want_behind(&error)
        {
            troubles.push(Trouble { kind: "state_directory", message: chain(&error) });
        }
        let list = store.list();
        let told = store.trouble().into_iter();
        troubles.extend(told.map(|trouble| Trouble { kind: trouble.code(), message: trouble.to_string() }));
        let held = |summary: &crate::snapshot::Summary| {
            let reasons = summary.held.clone()?;
            let (id, taken_at) = (summary.id.to_string(), rfc3339(summary.taken_at));
            Some(Held { id, taken_at, gated: is_gated(&reasons), reasons })
        };
        let current = store.current().map(|current| current.id());
        let carried = match (&before.carried, current) {
            (Some((of, carried)), Some(id)) if *of == id => Some((id, carried.clone())),
            (_, Some(id)) => Some((id, store.report(&id).as_ref().and_then(carried))),
            (_, None) => None,
        };
        let newest = list.iter().map(|summary| summary.id).max();
        let robots = match (&before.robots, newest) {
            (Some((of, robots)), Some(id)) if *of == id => Some((id, *robots)),
            (_, Some(id)) => Some((id, store.report(&id).and_then(robots))),
            (_, None) => None,
        };
        ShelfState {
            at: Some(clock::instant()),
            ended,
            by_hand: store.is_by_hand().map(rfc3339),
            held: list.iter().filter_map(held).collect(),
            pinned: list.iter().filter(|s| s.pinned).map(|s| s.id.to_string()).collect(),
            troubles,
            carried,
            robots,
        }
    }
}

/// What a crawl's report says of `robots.txt`.
fn robots(report: Value) -> Option<Text> {
    serde_json::from_value::<Report>(report).ok()?.of_robots()
}

/// What a crawl's report says of what it carried over, by the reasons.
fn carried(report: &Value) -> Option<Carried> {
    let reasons = report["carried_over"].as_object()?;
    Some(Carried { count: reasons.values().filter_map(|reason| reason["count"].as_u64()).sum() })
}

/// What was last seen of each site.
#[derive(Debug, Default)]
pub(super) struct Shelves(Mutex<HashMap<Arc<str>, Arc<ShelfState>>>);

impl Shelves {
    fn all(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<ShelfState>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, site: &str) -> Arc<ShelfState> {
        self.all().get(site).cloned().unwrap_or_default()
    }
}

/// A look that is due.
struct Look {
    site: Arc<str>,
    store: Store,
    before: Arc<ShelfState>,
    ended: u64,
}

impl App {
    /// Records what is on the disk now, unless that was done a moment ago and no crawl has ended since: of what other
    /// processes published, pinned or removed, and of what is damaged. Where that takes long it goes on beside, and the
    /// status tells what was seen before.
    pub async fn look_again(&self) {
        self.claim().await;
        let shelves = self.shelves.clone();
        let look = move |due: Look| {
            let seen = ShelfState::look(&due.store, &due.before, due.ended);
            shelves.all().insert(due.site, Arc::new(seen));
        };
        self.looks.run(|| self.looks_due(), look).await;
    }

    /// What is to be looked at, that which has waited longest first.
    fn looks_due(&self) -> Vec<Look> {
        let now = clock::instant();
        let table = self.table();
        self.shelves.all().retain(|name, _| table.named(name).is_some());
        let look = |site: &Arc<Site>| {
            let store = site.mirror.store()?.clone();
            let site = site.config.name.clone();
            let (before, ended) = (self.shelf_state(&site), self.crawls_ended(&site));
            let fresh = |at| now.saturating_duration_since(at) < FRESH;
            let is_due = before.ended != ended || !before.at.is_some_and(fresh);
            is_due.then_some(Look { site, store, before, ended })
        };
        let mut due: Vec<Look> = table.sites.iter().filter_map(look).collect();
        due.sort_by_key(|look| (look.before.ended == look.ended, look.before.at));
        due
    }

    /// Takes over the state directory when the other process that ran on it is gone, or when it can be written to again.
    async fn claim(&self) {
        if !self.conditions.is_shared() && !self.conditions.is_unwritable() {
            return;
        }
        let (dir, at) = (self.config().state_dir, self.started.wall);
        let name = dir.display().to_string();
        let Some(begun) = tasks::blocking(move || RunLock::set(&dir, at)).await else { return };
        self.conditions.shared(begun.other);
        self.conditions.unwritable(begun.unwritable.map(|error| format!("{name}: {error}")));
        if let Some(mark) = begun.mark {
            *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark);
        }
    }

    /// Makes the next [`App::look_again`] look at this site.
    pub fn forget_seen(&self, site: &str) {
        if let Some(seen) = self.shelves.all().get_mut(site) {
            Arc::make_mut(seen).at = None;
        }
    }

    pub(super) fn shelf_state(&self, site: &str) -> Arc<ShelfState> {
        self.shelves.of(site)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_report_says_of_robots_is_read() {
        let forbid = json!({ "robots": "found", "robots_forbid": { "obeyed": true } });
        assert!(robots(forbid).is_some_and(|said| said.en.contains("only key pages")));
        for report in [json!({ "robots": "found" }), json!({}), json!(null), json!({ "robots_forbid": 1 })] {
            assert_eq!(robots(report.clone()), None, "{report}");
        }
    }

    #[test]
    fn what_a_report_says_of_carried_pages_is_read() {
        for (report, expected) in [
            (json!({ "carried_over": { "silent": { "count": 7 }, "not-linked": { "count": 2 } } }), Some(9)),
            (json!({ "carried_over": {} }), Some(0)),
            (json!({ "carried_over": null }), None),
            (json!({}), None),
        ] {
            assert_eq!(carried(&report).map(|carried| carried.count), expected, "{report}");
        }
    }
}
