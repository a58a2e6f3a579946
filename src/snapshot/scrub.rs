//! Scrubs the snapshot in service piece by piece, so that damage is found before an outage needs the damaged part.
//!
//! It goes round through the hashes of keys and bodies, and starts over neither with each snapshot, most of whose bodies are
//! those of the one before, nor at the same point after each restart.

use std::time::Duration;

use serde::Serialize;

use super::damage::ReadError;
use super::locked;
use super::page::BlobId;
use super::store::Store;

/// The least that is read in one piece, in bytes.
const LEAST: u64 = 1 << 20;

/// What one piece of the way was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Scrubbed {
    /// Addresses that were read.
    pub pages: u64,
    /// Bodies that were read.
    pub bodies: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of both, and at the end of a round of the blocks of the search index, are damaged; see [`Store::trouble`].
    pub damaged: u64,
    /// Whether the end of the hashes was reached; the next piece begins at their beginning.
    pub round: bool,
}

/// How many bytes to read each time, one time `every` so often, to have gone through `total` within `round`.
pub fn piece(total: u64, every: Duration, round: Duration) -> u64 {
    let times = (round.as_secs_f64() / every.as_secs_f64().max(1e-3)).max(1.0);
    // Never off by enough to matter: what is left over comes with the next round.
    ((total as f64 / times).ceil() as u64).max(LEAST)
}

impl Store {
    /// Verifies the next piece of the snapshot in service: about `budget` bytes of bodies, at least one, and the
    /// addresses whose hashes lie in between. Blocks.
    pub fn scrub(&self, budget: u64) -> Scrubbed {
        let mut scrubbed = Scrubbed::default();
        let Some(current) = self.current() else { return scrubbed };
        let mut place = locked(&self.inner.scrub);
        let from = place.unwrap_or_else(|| fastrand::u128(..));
        let mut to = u128::MAX;
        scrubbed.round = true;
        for body in current.manifest().blobs_from(first_of(from)) {
            let checked = body.and_then(|(id, len)| {
                to = id.half();
                scrubbed.bytes += len;
                current.noted(current.check(&id, len))
            });
            scrubbed.bodies += u64::from(matches!(checked, Ok(Some(()))));
            scrubbed.damaged += u64::from(matches!(checked, Err(ReadError::Damaged(_))));
            if scrubbed.bytes >= budget {
                scrubbed.round = false;
                break;
            }
        }
        if scrubbed.round {
            to = u128::MAX;
            for damage in current.search_damage().unwrap_or_default() {
                scrubbed.damaged += 1;
                drop(current.noted::<()>(Err(damage.into())));
            }
        }
        for entry in current.manifest().entries_between(from, to) {
            let read = current.noted(entry.and_then(|entry| current.manifest().record(entry, None)));
            scrubbed.pages += u64::from(read.is_ok());
            scrubbed.damaged += u64::from(matches!(read, Err(ReadError::Damaged(_))));
        }
        *place = Some(to.wrapping_add(1));
        scrubbed
    }
}

/// The first id whose first half is this.
fn first_of(half: u128) -> BlobId {
    let mut id = [0; 32];
    id[..16].copy_from_slice(&half.to_be_bytes());
    BlobId::from_bytes(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_go_through_all_within_the_round() {
        const DAY: Duration = Duration::from_secs(86_400);
        for (total, every, wanted) in [
            (0, 60, LEAST),
            (1 << 30, 60, LEAST),
            (7 << 30, 3600, (7u64 << 30).div_ceil(168)),
            (100, 0, LEAST),
            (3 << 40, 7 * 86_400, 3 << 40),
            (3 << 40, 70 * 86_400, 3 << 40),
        ] {
            assert_eq!(piece(total, Duration::from_secs(every), 7 * DAY), wanted, "{total} {every}");
        }
    }
}
