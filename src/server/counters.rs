//! What happened on the sockets, counted where it happens and read by the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::activity::End;

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A server's counts since its start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted, those refused afterwards included.
    pub accepted: Count,
    /// Refused because every seat was taken by somebody with a request.
    pub refused_full: Count,
    /// Refused because one client had too many.
    pub refused_client: Count,
    /// Errors of accepting, such as too many open files.
    pub accept_errors: Count,
    /// TLS handshakes that failed.
    pub handshakes_failed: Count,
    /// Connections that spoke HTTP/1.
    pub http1: Count,
    /// Connections that spoke HTTP/2.
    pub http2: Count,
    /// Requests whose handler panicked.
    pub panics: Count,
    ended: [Count; End::ALL.len()],
}

impl Counters {
    /// Connections that the server ended for this reason.
    pub fn ended(&self, reason: End) -> u64 {
        self.ended[reason.index()].get()
    }

    pub(super) fn count_end(&self, reason: End) {
        self.ended[reason.index()].add();
    }
}
