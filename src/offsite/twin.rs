//! Two snapshots of one name: two instances that crawl at once may begin in the same second with the same number. The one in
//! the store counts; the other is not what all others serve, and is not served under its name.

use std::io::Read as _;

use super::context::{Context, blocking};
use super::index::{self, Announced, Index};
use super::layout;
use super::pointer::Word;
use super::trouble::Trouble;
use crate::snapshot::{Pins, Snapshot, SnapshotId, Store};

/// The file of a snapshot that names all of it.
pub(super) const MANIFEST: &str = "manifest";

/// Whether a snapshot here has this manifest. Blocks, and reads it whole if the length is right.
pub(super) fn has(snapshot: &Snapshot, announced: &Announced) -> std::io::Result<bool> {
    let mut file = snapshot.open_file(MANIFEST)?;
    if file.metadata()?.len() != announced.len {
        return Ok(false);
    }
    let (mut hasher, mut piece) = (blake3::Hasher::new(), vec![0; 64 << 10]);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(hasher.finalize().as_bytes() == announced.blake3.as_bytes());
        }
        hasher.update(piece.get(..read).unwrap_or_default());
    }
}

/// Whether the snapshot of this name that is here is not the one that the store has. Where the store cannot tell, it is.
pub(super) async fn is_other(context: &Context, store: &Store, id: SnapshotId) -> Result<bool, Trouble> {
    let name = layout::index(store.site(), &id);
    let Some(object) = context.remote.get(&name, index::MOST).await? else { return Ok(false) };
    let Ok(index) = Index::open(store.site(), &id, &object.bytes, &context.signer) else { return Ok(false) };
    let Some(announced) = index.files.get(MANIFEST).copied() else { return Ok(false) };
    let store = store.clone();
    blocking(move || match store.get(&id) {
        Some(snapshot) => Ok::<_, Trouble>(!has(&snapshot, &announced)?),
        None => Ok(false),
    })
    .await
}

/// Removes the one that is here, so that the other one can be brought. If it serves, what was agreed before serves again
/// until then.
pub(super) async fn set_aside(store: &Store, id: SnapshotId, before: Option<&Word>) -> Result<(), Trouble> {
    let (store, before) = (store.clone(), before.map(|before| (before.id, before.by_hand)));
    blocking(move || {
        tracing::warn!(site = store.site(), %id, "another instance has taken another snapshot of the same name at the same time; the one in the store counts");
        if store.pointer()?.is_some_and(|pointed| pointed.id == id) {
            let none = || format!("snapshot {id} is in service and is another one than the store's; take a new snapshot");
            let (before, by_hand) = before.filter(|(before, _)| *before != id).ok_or_else(|| Trouble::Waits(none()))?;
            store.follow(&before, by_hand, Pins::default())?;
        }
        if store.list().iter().any(|one| one.id == id && one.pinned) {
            store.pin(&id, false)?;
        }
        Ok::<_, Trouble>(store.remove(&id)?)
    })
    .await
}
