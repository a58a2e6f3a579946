//! Tells everybody who watches that the pointer, marks or the shelf have changed, whoever changed them: this process,
//! or another one, once [`Store::refresh`] has seen it.

use std::sync::Mutex;

use tokio::sync::watch;

use super::locked;
use super::store::{Found, Inner, Slot, Store};

/// What was told last.
#[derive(Debug)]
pub(super) struct Changes {
    count: watch::Sender<u64>,
    /// A hash of what was there then.
    seen: Mutex<Option<blake3::Hash>>,
}

impl Default for Changes {
    fn default() -> Changes {
        Changes { count: watch::Sender::new(0), seen: Mutex::default() }
    }
}

impl Inner {
    /// Looks, and tells if anything is other than the last time. Reads one small file.
    pub(super) fn tell(&self) {
        let Some(now) = self.digest() else { return };
        let mut seen = locked(&self.changes.seen);
        if seen.replace(now) != Some(now) {
            self.changes.count.send_modify(|count| *count += 1);
        }
    }

    /// `None`: it could not be looked at just now.
    fn digest(&self) -> Option<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        match self.read_pointer() {
            Found::Pointer(pointer) => hasher.update(pointer.encode().as_bytes()),
            Found::Nothing => hasher.update(b"nothing"),
            Found::Damaged => hasher.update(b"damaged"),
            Found::Unread => return None,
        };
        for (id, slot) in locked(&self.shelf).iter() {
            let marks = match slot {
                Slot::Good { summary, .. } => {
                    [true, summary.pinned, summary.held.is_some(), summary.arriving].map(u8::from)
                }
                Slot::Damaged(_) | Slot::Unknown(_) => [0; 4],
            };
            hasher.update(id.to_string().as_bytes()).update(&marks);
        }
        Some(hasher.finalize())
    }
}

impl Store {
    /// A number that grows each time when the pointer, a mark or the shelf of this site has changed. Any number of
    /// watchers; each may miss some of its values, never the last one.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.count.subscribe()
    }
}
