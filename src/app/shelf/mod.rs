//! An operator's questions and decisions about a site's snapshots. One place for the admin API and the command line, so that
//! both say and do the same: a question in, JSON out, or a refusal with its reason.

mod differences;
mod names;
mod text;

use crate::failure::chain;
use serde_json::{Value, json};

use crate::clock::Now;
use crate::snapshot::{ManifestError, OpenError, ReadError, ServiceError, SnapshotId, Store, rfc3339};
pub use names::{Named, find, is_gated};

/// A question or a decision. Snapshots are named as [`find`] reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Everything on the shelf.
    List,
    /// One snapshot and the record of its crawl.
    Show {
        /// Which.
        id: String,
    },
    /// What differs between two.
    Diff {
        /// The first.
        from: String,
        /// The second.
        to: String,
        /// The most addresses of each kind to list.
        limit: usize,
    },
    /// The text of one page in two.
    Text {
        /// The first.
        from: String,
        /// The second.
        to: String,
        /// The page's key: path and query.
        path: String,
    },
    /// Put one in service.
    Publish {
        /// Which.
        id: String,
        /// Whether the gate's verdict counts.
        gate: Gate,
    },
    /// Go back to the newest good one that is older than the one in service.
    Rollback,
    /// Keep one from being removed, or no longer.
    Pin {
        /// Which.
        id: String,
        /// Whether it is kept.
        pinned: bool,
    },
    /// Remove one for good.
    Remove {
        /// Which.
        id: String,
    },
}

/// Who decides when a held snapshot is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The gate's.
    Heard,
    /// The operator overrules it: `--anyway`.
    Overruled,
}

/// Why something was not done. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No snapshot has this name.
    #[error("there is no snapshot {0:?}; \"katahai snapshot list\" shows those that are there")]
    Unknown(String),
    /// Several have.
    #[error("{text:?} may mean {}", ids.join(", "))]
    Ambiguous {
        /// As given.
        text: String,
        /// What it may mean.
        ids: Vec<String>,
    },
    /// It did not pass the gate.
    #[error("snapshot {id} did not pass the gate: {}. To publish it all the same, say \"anyway\"", reasons.join("; "))]
    Held {
        /// Which.
        id: SnapshotId,
        /// The rules that it broke, with the numbers.
        reasons: Vec<String>,
    },
    /// Neither snapshot has the page.
    #[error("neither snapshot contains the page {0}")]
    NoPage(String),
    /// The store.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// It cannot be opened.
    #[error("the snapshot cannot be read")]
    Manifest(#[from] ManifestError),
    /// A part of it cannot be read.
    #[error("a part of the snapshot cannot be read")]
    Read(#[from] ReadError),
    /// The folder of the snapshots.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// What a refusal comes down to, for exit codes and statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It does not exist.
    Absent,
    /// The state of things forbids it.
    Conflict,
    /// The disk.
    Broken,
}

impl Refusal {
    /// The stable code of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Unknown(_) | Refusal::Service(ServiceError::NoSuch(_)) => "unknown-snapshot",
            Refusal::Ambiguous { .. } => "ambiguous-snapshot",
            Refusal::Held { .. } => "held",
            Refusal::NoPage(_) => "unknown-page",
            Refusal::Service(ServiceError::NothingOlder) => "nothing-older",
            Refusal::Service(ServiceError::InService(_)) => "in-service",
            Refusal::Service(ServiceError::Pinned(_)) => "pinned",
            Refusal::Service(ServiceError::InUse(_)) => "in-use",
            Refusal::Service(ServiceError::Unreadable { .. }) | Refusal::Manifest(_) | Refusal::Read(_) => {
                "unreadable-snapshot"
            }
            Refusal::Service(ServiceError::Io { .. }) | Refusal::Open(_) => "state-directory",
        }
    }

    /// What it comes down to.
    pub fn why(&self) -> Why {
        match self {
            Refusal::Unknown(_) | Refusal::NoPage(_) | Refusal::Service(ServiceError::NoSuch(_)) => {
                Why::Absent
            }
            Refusal::Ambiguous { .. }
            | Refusal::Held { .. }
            | Refusal::Service(
                ServiceError::NothingOlder
                | ServiceError::InService(_)
                | ServiceError::Pinned(_)
                | ServiceError::InUse(_),
            ) => Why::Conflict,
            Refusal::Service(ServiceError::Unreadable { .. } | ServiceError::Io { .. })
            | Refusal::Manifest(_)
            | Refusal::Read(_)
            | Refusal::Open(_) => Why::Broken,
        }
    }

    /// As the API says it: code, message, and what the gate said.
    pub fn to_json(&self) -> Value {
        let mut error = json!({ "code": self.code(), "message": chain(self) });
        if let Refusal::Held { reasons, .. } = self {
            error["reasons"] = json!(reasons);
        }
        json!({ "error": error })
    }
}

/// Answers, after a look at what other processes have done. Blocks.
///
/// # Errors
/// See [`Refusal`].
pub fn answer(store: &Store, ask: &Ask, now: Now) -> Result<Value, Refusal> {
    store.refresh()?;
    let named = |text: &str| resolve(store, text);
    match ask {
        Ask::List => Ok(list(store)),
        Ask::Show { id } => show(store, &named(id)?),
        Ask::Diff { from, to, limit } => differences::between(store, &named(from)?, &named(to)?, *limit),
        Ask::Text { from, to, path } => text::of_page(store, &named(from)?, &named(to)?, path),
        Ask::Publish { id, gate } => publish(store, &named(id)?, *gate, now),
        Ask::Rollback => {
            let from = store.current().map(|current| current.id());
            let snapshot = store.rollback(now)?;
            tracing::info!(site = store.site(), id = %snapshot.id(), "operator rolled back to an older snapshot, new ones wait");
            Ok(json!({ "snapshot": snapshot.summary(), "from": from, "by_hand": by_hand(store) }))
        }
        Ask::Pin { id, pinned } => {
            let id = named(id)?;
            store.pin(&id, *pinned)?;
            tracing::info!(site = store.site(), %id, pinned, "operator pinned or unpinned a snapshot");
            Ok(json!({ "id": id, "pinned": pinned }))
        }
        Ask::Remove { id } => {
            let id = named(id)?;
            store.remove(&id)?;
            tracing::info!(site = store.site(), %id, "operator removed a snapshot");
            Ok(json!({ "id": id, "removed": true }))
        }
    }
}

/// The snapshot of this store that `name` means, as [`find`] reads it.
///
/// # Errors
/// When none or several do.
pub fn resolve(store: &Store, name: &str) -> Result<SnapshotId, Refusal> {
    find(name, &names::shelf(store))
}

fn by_hand(store: &Store) -> Option<String> {
    store.is_by_hand().map(rfc3339)
}

fn list(store: &Store) -> Value {
    let unreadable: Vec<Value> =
        store.unreadable().into_iter().map(|(id, why)| json!({ "id": id, "unreadable": why })).collect();
    let shelf = names::shelf(store);
    let gated = |id| shelf.iter().any(|named| named.id == id && named.gated.is_some());
    let shown = store.list().into_iter().map(|summary| {
        let mut shown = json!(summary);
        shown["gated"] = json!(gated(summary.id));
        shown
    });
    json!({
        "snapshots": shown.collect::<Vec<Value>>(),
        "unreadable": unreadable,
        "by_hand": by_hand(store),
        "previous": names::previous(&shelf),
    })
}

fn show(store: &Store, id: &SnapshotId) -> Result<Value, Refusal> {
    let listed = store.list().into_iter().find(|summary| summary.id == *id);
    let summary = listed.or_else(|| store.get(id).map(|snapshot| snapshot.summary()));
    let Some(summary) = summary else {
        let why = store.unreadable().into_iter().find(|(bad, _)| bad == id).map(|(_, why)| why);
        return Ok(json!({ "id": id, "site": store.site(), "unreadable": why }));
    };
    let mut shown = json!(summary);
    shown["report"] = json!(store.report(id));
    Ok(shown)
}

/// Whoever publishes the newest wants those that come after it, too. Whoever publishes an older one does not: the next
/// crawl would take the decision back.
fn publish(store: &Store, id: &SnapshotId, gate: Gate, now: Now) -> Result<Value, Refusal> {
    let shelf = names::shelf(store);
    let named = shelf.iter().find(|named| named.id == *id);
    if let (Some(reasons), Gate::Heard) = (named.and_then(|named| named.gated.clone()), gate) {
        return Err(Refusal::Held { id: *id, reasons });
    }
    let newest = shelf.iter().all(|other| other.id <= *id || other.gated.is_some() || other.unreadable);
    let snapshot = store.put_in_service(id, (!newest).then_some(now))?;
    tracing::info!(site = store.site(), %id, anyway = matches!(gate, Gate::Overruled), "operator put a snapshot in service");
    Ok(json!({ "snapshot": snapshot.summary(), "by_hand": by_hand(store) }))
}
