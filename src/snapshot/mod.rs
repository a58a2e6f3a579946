//! Snapshots: immutable, complete, versioned copies of a site, and the one of them that is in service.
//!
//! ```text
//! <state>/blobs/ab/abcdef…             bodies by BLAKE3, each written once, shared by all sites
//! <state>/blobs/lock                   shared: a staging claims or places bodies; alone: bodies are removed
//! <state>/snapshots/<site>/current     which snapshot is in service; replaced by rename
//! <state>/snapshots/<site>/lock        held by whoever takes a snapshot
//! <state>/snapshots/<site>/marks.lock  held for a moment by whoever moves the pointer, marks or removes snapshots
//! <state>/snapshots/<site>/<id>/       manifest, search, report.json, character.json: written once, renamed into place whole
//! <state>/snapshots/<site>/<id>/       pinned, held.json, arriving: marks, set and taken away later
//! <state>/snapshots/<site>/.staging-<id>/   being taken; of a dead process: taken up again, or removed
//! <state>/snapshots/<site>/.adopting-<id>/  made elsewhere, being brought here; of a dead process: gone on with, or removed
//! <state>/snapshots/<site>/adopt.lock       held by whoever brings one here
//! <state>/snapshots/<site>/.gone-<id>/      being removed
//! ```
//!
//! Start reading at [`Store`]. Everything here blocks; call it through `tasks::blocking`, except
//! [`Store::current`] and [`Snapshot::find`], which are made for the request path.
//!
//! What a killed process or a power cut may leave is garbage, never half a snapshot: bodies are synced before they
//! have their names, the manifest after them, the folder appears by one rename, and only then the pointer moves.
//!
//! Locks are taken in this order: `lock` or `adopt.lock`, `blobs/lock`, `marks.lock`. Whoever takes a snapshot and whoever
//! brings one here do not wait for each other: what they write has folders of its own until it is whole.

mod addresses;
mod adopt;
mod arriving;
mod begin;
pub mod bench;
mod blobs;
mod bodies;
mod changes;
mod collect;
mod copying;
mod damage;
mod diff;
mod elsewhere;
mod follow;
mod format;
mod forms;
mod garbage;
mod id;
mod incoming;
mod left;
mod manifest;
mod marks;
mod page;
mod placing;
mod pointer;
mod publish;
mod reader;
mod record;
mod repair;
mod resume;
mod retain;
mod rule;
mod salvage;
mod scrub;
mod search;
mod service;
mod settle;
mod stage_error;
mod staging;
mod store;
mod table;
mod trouble;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use addresses::Addresses;
pub use adopt::{AdoptError, Adopted, Adoption};
pub use begin::{BeginError, Begun};
pub use blobs::{Stored, WHOLE};
pub use bodies::Bodies;
pub use collect::Collection;
pub use copying::{BodyReader, SnapshotFile};
pub use damage::{Damage, ManifestError, ReadError};
pub use diff::{Change, Diff, Loaded, Sides};
pub use elsewhere::{Elsewhere, Source};
pub use follow::{Pins, Pointed};
pub use forms::{GatheredForms, NamedField, SiteForm, SiteForms, SiteSearch};
pub use garbage::{Garbage, Turn};
pub use id::{NotAnId, SnapshotId};
pub use incoming::Incoming;
pub use page::{BlobId, Class, NotABlob, Notes, Page};
pub use publish::{BY_HAND, PublishError, Staging};
pub use reader::{Snapshot, Summary, rfc3339};
pub use record::Oversize;
pub use repair::{Account, RepairError, Repaired};
pub use retain::{Keep, RetainError, Retained};
pub use rule::Rule;
pub use scrub::{Scrubbed, piece};
pub use search::{Hits, Query, SearchIndex};
pub use service::ServiceError;
pub use stage_error::StageError;
pub use staging::BlobWriter;
pub use store::{Newer, OpenError, Store, sites};
pub use table::{Missing, Table};
pub use trouble::Trouble;
pub use verify::{Checked, Finding, VerifyReport};
pub use writer::Mark;

const BLOBS: &str = "blobs";
pub(crate) const SNAPSHOTS: &str = "snapshots";
const CURRENT: &str = "current";
const LOCK: &str = "lock";
const MANIFEST: &str = "manifest";
const REPORT: &str = "report.json";
const CHARACTER: &str = "character.json";
/// In what [`Store::character`] says: the key of the page that answers addresses which the snapshot lacks.
pub const FALLBACK_PAGE: &str = "fallback_page";
/// What is known of the site's addresses.
const ADDRESSES: &str = "addresses.json";
/// What is known of the site's forms.
const FORMS: &str = "forms.json";
/// What a snapshot consists of besides its bodies and marks.
const FILES: [&str; 6] = [MANIFEST, search::SEARCH, REPORT, CHARACTER, ADDRESSES, FORMS];
const STAGING: &str = ".staging-";
const ADOPTING: &str = ".adopting-";
const GONE: &str = ".gone-";

/// Locks; what a panicking holder left is as good as ever, since no holder leaves anything half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
