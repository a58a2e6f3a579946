//! What differs between two snapshots, as a bounded list with counts that are not.

use serde_json::{Value, json};

use super::Refusal;
use crate::snapshot::{Change, Page, SnapshotId, Store};

/// Counts of everything, and the first `limit` addresses of each kind, sorted. Blocks; memory for what is listed only.
pub(super) fn between(
    store: &Store,
    from: &SnapshotId,
    to: &SnapshotId,
    limit: usize,
) -> Result<Value, Refusal> {
    let (mut added, mut removed, mut changed) = (Kind::default(), Kind::default(), Kind::default());
    let mut damaged = 0_u64;
    for change in store.diff(from, to)? {
        match change {
            Ok(Change::Added(page)) => added.note(limit, || (page.key.clone(), side(&page))),
            Ok(Change::Removed(page)) => removed.note(limit, || (page.key.clone(), side(&page))),
            Ok(Change::Changed(was, is)) => changed.note(limit, || {
                let sides = json!({ "key": is.key, "before": side(&was), "after": side(&is) });
                (is.key.clone(), sides)
            }),
            Err(_) => damaged += 1,
        }
    }
    let all = store.get(to).map_or(0, |snapshot| {
        let summary = snapshot.summary();
        summary.pages + summary.files + summary.redirects
    });
    let cut = [&added, &removed, &changed].iter().any(|kind| kind.count > kind.listed.len() as u64);
    let counts = json!({
        "added": added.count,
        "removed": removed.count,
        "changed": changed.count,
        "same": all.saturating_sub(added.count + changed.count),
        "damaged": damaged,
    });
    Ok(json!({
        "from": from, "to": to, "counts": counts, "limit": limit, "cut": cut,
        "added": added.sorted(), "removed": removed.sorted(), "changed": changed.sorted(),
    }))
}

/// One kind of change.
#[derive(Default)]
struct Kind {
    count: u64,
    listed: Vec<(String, Value)>,
}

impl Kind {
    fn note(&mut self, limit: usize, change: impl FnOnce() -> (String, Value)) {
        self.count += 1;
        if self.listed.len() < limit {
            self.listed.push(change());
        }
    }

    fn sorted(mut self) -> Vec<Value> {
        self.listed.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.listed.into_iter().map(|(_, change)| change).collect()
    }
}

fn side(page: &Page) -> Value {
    json!({ "key": page.key, "status": page.status, "class": page.class, "size": page.len })
}
