//! The full-text index of a snapshot: built when the snapshot is complete ([`take`]), a file beside its manifest, and asked
//! when the site's own search is out of order ([`rank`]).

mod build;
mod index;
mod rank;
mod shape;
mod take;

#[cfg(test)]
mod tests;

pub use index::SearchIndex;
pub use rank::{Hits, Query};

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::format::BLOCK;

/// The file beside the manifest.
pub(super) const SEARCH: &str = "search";

/// The hash by which a manifest in this folder is to name the index that lies there, if one does.
pub(super) fn seal(dir: &Path) -> Option<String> {
    let mut head = [0; BLOCK];
    File::open(dir.join(SEARCH)).and_then(|file| file.read_exact_at(&mut head, 0)).ok()?;
    Some(index::seal_of(&head))
}
