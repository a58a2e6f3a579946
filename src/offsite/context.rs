//! What all that goes to and from the store shares.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::pace::Pace;
use super::remote::Remote;
use super::signature::Signer;
use super::trouble::Trouble;
use crate::clock;
use crate::tasks;

/// Bodies of one site that are on their way at once.
pub(super) const AT_ONCE: usize = 16;
/// Those of all sites.
const IN_FLIGHT: usize = 32;
/// KiB of bodies that are held in memory at once, before they are sent.
const HELD: u32 = 64 << 10;

/// What went to and from the store since the start.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Bytes of bodies and files that were sent.
    pub pushed: AtomicU64,
    /// Bytes of them that came.
    pub pulled: AtomicU64,
}

/// Who leads: the epoch of the lease if this instance holds it.
pub type Epoch = watch::Receiver<Option<u64>>;

/// What all sites share. Clones are the same.
#[derive(Clone, Debug)]
pub struct Context {
    /// The store.
    pub remote: Remote,
    /// Where it is: what was agreed with another one is of no use.
    pub url: Arc<str>,
    /// Signs and verifies.
    pub signer: Signer,
    /// What this instance is called.
    pub instance: Arc<str>,
    /// Whether this instance holds the lease.
    pub lease: Epoch,
    /// What was sent and came.
    pub traffic: Arc<Traffic>,
    pace: Arc<Mutex<Pace>>,
    flights: Arc<Semaphore>,
    held: Arc<Semaphore>,
}

impl Context {
    /// For this store.
    pub fn new(
        (remote, url): (Remote, &str),
        signer: Signer,
        instance: &str,
        rate: Option<u64>,
        lease: Epoch,
    ) -> Context {
        Context {
            remote,
            url: url.into(),
            signer,
            instance: instance.into(),
            lease,
            traffic: Arc::default(),
            pace: Arc::new(Mutex::new(Pace::new(rate, clock::instant()))),
            flights: Arc::new(Semaphore::new(IN_FLIGHT)),
            held: Arc::new(Semaphore::new(HELD as usize)),
        }
    }

    /// Waits until one more may be on its way. In the order of asking, so that no site waits for another one's end.
    pub(super) async fn flight(&self) -> Result<SemaphorePermit<'_>, Trouble> {
        self.flights.acquire().await.map_err(|_| Trouble::Ending)
    }

    /// Waits for room in memory.
    pub(super) async fn hold(&self, bytes: u64) -> Result<SemaphorePermit<'_>, Trouble> {
        let kib = u32::try_from(bytes >> 10).unwrap_or(HELD).clamp(1, HELD);
        self.held.acquire_many(kib).await.map_err(|_| Trouble::Ending)
    }

    /// Waits until so many bytes may be sent.
    pub(super) async fn pace(&self, bytes: u64) {
        let wait = self.pace.lock().unwrap_or_else(PoisonError::into_inner).take(bytes, clock::instant());
        if wait > Duration::ZERO {
            tokio::time::sleep(wait).await;
        }
    }

    pub(super) fn has_pushed(&self, bytes: u64) {
        self.traffic.pushed.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn has_pulled(&self, bytes: u64) {
        self.traffic.pulled.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Work that blocks; ending is a trouble like others.
pub(super) async fn blocking<T: Send + 'static, E: Into<Trouble> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Trouble> {
    tasks::blocking(work).await.ok_or(Trouble::Ending)?.map_err(Into::into)
}
