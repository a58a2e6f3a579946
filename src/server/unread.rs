//! Bytes that visitors have not read yet, of all answers together. Pure: a counter with a bound.

use std::sync::atomic::{AtomicUsize, Ordering};

/// See the module. What the cache holds anyway is not counted: it is there once, however many read it.
#[derive(Debug, Default)]
pub(super) struct Unread {
    bytes: AtomicUsize,
    most: AtomicUsize,
}

impl Unread {
    /// Bytes that wait to be taken.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn set_most(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether an answer of which something has not been taken gets no more for now.
    pub(super) fn is_tight(&self) -> bool {
        self.bytes() > self.ease()
    }

    /// How many bytes have to go so that it is not tight any more.
    pub(super) fn excess(&self) -> usize {
        self.bytes().saturating_sub(self.ease())
    }

    /// Room is left above this for the answers that begin: each may have one piece, whatever the others hold.
    fn ease(&self) -> usize {
        self.most.load(Ordering::Relaxed) / 4 * 3
    }
}
