//! The progress of a running crawl: counters that it updates and others read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The counters of one crawl. A clone counts the same crawl.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counters>);

/// What [`Progress`] shares.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) pages: AtomicU64,
    pub(super) assets: AtomicU64,
    pub(super) redirects: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) unchanged: AtomicU64,
    pub(super) private: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) queued: AtomicU64,
    pub(super) under_way: AtomicU64,
    pub(super) recalled: AtomicU64,
    pub(super) carried: AtomicU64,
    pub(super) gone: AtomicU64,
    pub(super) at_once: AtomicU64,
    pub(super) gap: AtomicU64,
    pub(super) slowdowns: AtomicU64,
    pub(super) too_many: AtomicU64,
    pub(super) held: AtomicU64,
    pub(super) held_until: AtomicU64,
    pub(super) publishing: AtomicBool,
}

/// One reading of the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
    /// Pages stored.
    pub pages: u64,
    /// Other files stored.
    pub assets: u64,
    /// Redirects stored.
    pub redirects: u64,
    /// Bytes of bodies stored.
    pub bytes: u64,
    /// Of the pages and files, those that the site says have not changed since the current snapshot.
    pub unchanged: u64,
    /// Answers that are marked `private` or `no-store` and were taken all the same: everybody gets them, or the configuration
    /// says so.
    pub private: u64,
    /// Addresses that were not fetched or not stored, for a reason.
    pub refused: u64,
    /// Files that could not be fetched.
    pub errors: u64,
    /// Requests sent, repeats included.
    pub requests: u64,
    /// Addresses that wait.
    pub queued: u64,
    /// Requests under way.
    pub under_way: u64,
    /// Of what is stored, what an interrupted crawl had fetched already.
    pub recalled: u64,
    /// Pages and files that this crawl did not get, and that are carried over from the snapshot in service.
    pub carried: u64,
    /// Pages and files of the snapshot in service that are not in the new one.
    pub gone: u64,
    /// Requests that may be under way at once now; less when the site is slow or errs.
    pub at_once: u64,
    /// Milliseconds between two requests now: by the configured rate, by `Crawl-delay`, or because the site said that
    /// there were too many. 0: none.
    pub gap: u64,
    /// How often the crawl has slowed down to spare the site.
    pub slowdowns: u64,
    /// Answers that said that there were too many requests: 429, or 503 with Retry-After.
    pub too_many: u64,
    /// Seconds of pause that the site asked for (Retry-After).
    pub held: u64,
    /// Until when the crawl pauses for that reason, in seconds since the epoch. 0: it does not.
    pub held_until: u64,
}

impl Progress {
    /// Nothing is done yet.
    pub fn new() -> Progress {
        Progress::default()
    }

    /// The counters now.
    pub fn read(&self) -> Reading {
        let c = &*self.0;
        Reading {
            pages: c.pages.load(Relaxed),
            assets: c.assets.load(Relaxed),
            redirects: c.redirects.load(Relaxed),
            bytes: c.bytes.load(Relaxed),
            unchanged: c.unchanged.load(Relaxed),
            private: c.private.load(Relaxed),
            refused: c.refused.load(Relaxed),
            errors: c.errors.load(Relaxed),
            requests: c.requests.load(Relaxed),
            queued: c.queued.load(Relaxed),
            under_way: c.under_way.load(Relaxed),
            recalled: c.recalled.load(Relaxed),
            carried: c.carried.load(Relaxed),
            gone: c.gone.load(Relaxed),
            at_once: c.at_once.load(Relaxed),
            gap: c.gap.load(Relaxed),
            slowdowns: c.slowdowns.load(Relaxed),
            too_many: c.too_many.load(Relaxed),
            held: c.held.load(Relaxed),
            held_until: c.held_until.load(Relaxed),
        }
    }

    /// Restarts the count. Requests under way are still counted.
    pub(super) fn reset(&self) {
        let c = &*self.0;
        let stored = [&c.pages, &c.assets, &c.redirects, &c.bytes, &c.unchanged, &c.private];
        let asked = [&c.refused, &c.errors, &c.requests, &c.queued, &c.recalled, &c.carried, &c.gone];
        let pace = [&c.at_once, &c.gap, &c.slowdowns, &c.too_many, &c.held, &c.held_until];
        for counter in stored.into_iter().chain(asked).chain(pace) {
            counter.store(0, Relaxed);
        }
        c.publishing.store(false, Relaxed);
    }

    /// Nothing was carried over yet.
    pub(super) fn forget_carried(&self) {
        self.0.carried.store(0, Relaxed);
        self.0.gone.store(0, Relaxed);
    }

    /// Whether all is fetched and the snapshot is being put in service: from here it goes on by itself.
    pub fn is_publishing(&self) -> bool {
        self.0.publishing.load(Relaxed)
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.0
    }

    /// Counts a request while it is under way.
    pub(super) fn request(&self) -> UnderWay<'_> {
        self.0.requests.fetch_add(1, Relaxed);
        self.0.under_way.fetch_add(1, Relaxed);
        UnderWay(&self.0.under_way)
    }
}

impl Reading {
    /// Finished addresses: stored, refused or failed.
    pub fn done(&self) -> u64 {
        self.pages + self.assets + self.redirects + self.refused + self.errors
    }

    /// Requests per second over `elapsed`.
    pub fn rate(&self, elapsed: Duration) -> f64 {
        if elapsed.is_zero() { 0.0 } else { self.requests as f64 / elapsed.as_secs_f64() }
    }
}

/// A request under way; dropped when it is over, also when it was cancelled.
pub(super) struct UnderWay<'a>(&'a AtomicU64);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_under_way_until_it_is_dropped() {
        let progress = Progress::new();
        let one = progress.clone();
        let request = one.request();
        assert_eq!(progress.read(), Reading { requests: 1, under_way: 1, ..Reading::default() });
        drop(request);
        assert_eq!(progress.read(), Reading { requests: 1, ..Reading::default() });
        assert!((progress.read().rate(Duration::from_millis(500)) - 2.0).abs() < 1e-9);
        assert!(progress.read().rate(Duration::ZERO).abs() < 1e-9);
    }
}
