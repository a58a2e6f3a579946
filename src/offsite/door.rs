//! The way into the store for all who ask it: opened once, off the event loop, by one at a time; opened anew when the store no
//! longer takes the credentials, since their file may have been changed.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::fault::{FaultKind, StoreFault};
use super::remote::Remote;
use super::signature::Signer;
use crate::failure::chain;
use crate::forms::Keys;
use crate::tasks;

/// How long opening may take: a folder may hang, and so may the disk with the credentials.
const LONGEST: Duration = Duration::from_secs(20);

type Opening = dyn Fn() -> Result<Remote, StoreFault> + Send + Sync;

/// Opens the store, or says why it cannot be opened; asked anew each time, since a folder may be mounted later. Clones are the
/// same.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    opening: Arc<Opening>,
    key_file: Option<PathBuf>,
    opened: tokio::sync::Mutex<Option<Remote>>,
    /// One opens it, and may hang: nobody else begins.
    is_busy: Arc<AtomicBool>,
    /// What the key makes; `None`: it could not be read yet.
    signer: Mutex<Option<Signer>>,
}

impl Door {
    /// One that opens the store by `opening`, which may block.
    pub fn new(
        opening: impl Fn() -> Result<Remote, StoreFault> + Send + Sync + 'static,
        key_file: Option<PathBuf>,
    ) -> Door {
        let (opened, is_busy, signer) = (tokio::sync::Mutex::default(), Arc::default(), Mutex::default());
        Door(Arc::new(Inner { opening: Arc::new(opening), key_file, opened, is_busy, signer }))
    }

    /// The store.
    ///
    /// # Errors
    /// When it cannot be opened, or not for now.
    pub async fn open(&self) -> Result<Remote, StoreFault> {
        let mut opened = self.0.opened.lock().await;
        if let Some(remote) = &*opened {
            return Ok(remote.clone());
        }
        let busy = || StoreFault::new(FaultKind::Unreachable, "the store is being opened, without an end");
        if self.0.is_busy.swap(true, Ordering::AcqRel) {
            return Err(busy());
        }
        let (opening, free) = (self.0.opening.clone(), Free(self.0.is_busy.clone()));
        let work = tasks::blocking(move || {
            let _free = free;
            opening()
        });
        let remote = tokio::time::timeout(LONGEST, work).await.map_err(|_| busy())?.ok_or_else(ending)??;
        Ok(opened.insert(remote).clone())
    }

    /// Signs and verifies with the key of the deployment, if it has one.
    ///
    /// # Errors
    /// When the key cannot be read: whoever lacks it cannot put anything into the store.
    pub async fn signer(&self) -> Result<Signer, StoreFault> {
        let known = || self.0.signer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signer) = &*known() {
            return Ok(signer.clone());
        }
        let file = self.0.key_file.clone();
        let read = tasks::blocking(move || file.map(|file| Keys::read(&file)).transpose());
        let slow = |_| StoreFault::new(FaultKind::NoKey, "the key file is being read, without an end");
        let keys = tokio::time::timeout(LONGEST, read).await.map_err(slow)?.ok_or_else(ending)?;
        let keys = keys.map_err(|error| StoreFault::new(FaultKind::NoKey, chain(&error)))?;
        let signer = keys.map_or_else(Signer::default, |keys| Signer::new(&keys));
        *known() = Some(signer.clone());
        Ok(signer)
    }

    /// What somebody met behind it: after a refusal, it is opened anew.
    pub async fn met(&self, fault: &StoreFault) {
        if is_refusal(fault.kind) {
            *self.0.opened.lock().await = None;
        }
    }
}

/// Whether that is an answer, which others need not get.
pub(super) fn is_refusal(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::WrongKey | FaultKind::Forbidden | FaultKind::NoCredentials)
}

fn ending() -> StoreFault {
    StoreFault::new(FaultKind::Other, "the program is ending")
}

/// Whoever holds it opens the store.
struct Free(Arc<AtomicBool>);

impl Drop for Free {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[tokio::test]
    async fn it_is_opened_once_and_anew_after_a_refusal() {
        let times = Arc::new(AtomicU32::new(0));
        let counted = times.clone();
        let door = Door::new(
            move || match counted.fetch_add(1, Ordering::Relaxed) {
                0 => Err(StoreFault::new(FaultKind::Folder, "not mounted")),
                _ => Ok(Remote::in_memory()),
            },
            None,
        );
        assert_eq!(door.open().await.unwrap_err().kind, FaultKind::Folder);
        for (met, opened) in [
            (FaultKind::Unreachable, 2),
            (FaultKind::WrongKey, 2),
            (FaultKind::Busy, 3),
            (FaultKind::Forbidden, 3),
            (FaultKind::NoCredentials, 4),
        ] {
            door.open().await.unwrap();
            door.open().await.unwrap();
            assert_eq!(times.load(Ordering::Relaxed), opened);
            door.met(&StoreFault::new(met, "")).await;
        }
    }

    #[tokio::test]
    async fn without_the_key_nothing_is_signed() {
        let opening = || Ok(Remote::in_memory());
        let door = Door::new(opening, Some(PathBuf::from("/proc/nothing/key")));
        assert_eq!(door.signer().await.err().map(|fault| fault.kind), Some(FaultKind::NoKey));
        assert!(door.open().await.is_ok());
        assert!(Door::new(opening, None).signer().await.is_ok());
    }
}
