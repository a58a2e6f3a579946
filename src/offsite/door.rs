//! The way into the store for all who ask it: opened once, off the event loop, by one at a time; opened anew when the store no
//! longer takes the credentials, since their file may have been changed.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    opened: tokio::sync::Mutex<Known>,
    /// One opens it, and may hang: nobody else begins.
    is_busy: Arc<AtomicBool>,
    /// What could be read of the keys; `None`: nothing yet.
    keys: Mutex<Option<KnownKeys>>,
}

/// The store as it was opened last.
#[derive(Default)]
struct Known {
    remote: Option<Remote>,
    /// It takes the credentials no longer.
    is_refused: bool,
}

/// The keys, and what signs by them.
#[derive(Clone, Default)]
struct KnownKeys {
    keys: Option<Arc<Keys>>,
    signer: Signer,
}

impl Door {
    /// One that opens the store by `opening`, which may block.
    pub fn new(
        opening: impl Fn() -> Result<Remote, StoreFault> + Send + Sync + 'static,
        key_file: Option<PathBuf>,
    ) -> Door {
        let (opened, is_busy, keys) = (tokio::sync::Mutex::default(), Arc::default(), Mutex::default());
        Door(Arc::new(Inner { opening: Arc::new(opening), key_file, opened, is_busy, keys }))
    }

    /// The store.
    ///
    /// # Errors
    /// When it cannot be opened, or not for now.
    pub async fn open(&self) -> Result<Remote, StoreFault> {
        let mut known = self.0.opened.lock().await;
        if let Some(remote) = known.remote.as_ref().filter(|_| !known.is_refused) {
            return Ok(remote.clone());
        }
        let remote = self.open_anew().await?;
        Ok(known.take_over(remote))
    }

    async fn open_anew(&self) -> Result<Remote, StoreFault> {
        let busy = || StoreFault::new(FaultKind::Unreachable, "the store is being opened, without an end");
        if self.0.is_busy.swap(true, Ordering::AcqRel) {
            return Err(busy());
        }
        let (opening, free) = (self.0.opening.clone(), Free(self.0.is_busy.clone()));
        let work = tasks::blocking(move || {
            let _free = free;
            opening()
        });
        tokio::time::timeout(LONGEST, work).await.map_err(|_| busy())?.ok_or_else(ending)?
    }

    /// Signs and verifies with the key of the deployment, if it has one.
    ///
    /// # Errors
    /// When the key cannot be read: whoever lacks it cannot put anything into the store.
    pub async fn signer(&self) -> Result<Signer, StoreFault> {
        Ok(self.known_keys().await?.signer)
    }

    /// The keys of the deployment; `None`: it has none.
    ///
    /// # Errors
    /// As for [`Door::signer`].
    pub async fn keys(&self) -> Result<Option<Arc<Keys>>, StoreFault> {
        Ok(self.known_keys().await?.keys)
    }

    async fn known_keys(&self) -> Result<KnownKeys, StoreFault> {
        if let Some(known) = self.keys_here().clone() {
            return Ok(known);
        }
        self.read_keys().await
    }

    fn keys_here(&self) -> MutexGuard<'_, Option<KnownKeys>> {
        self.0.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_keys(&self) -> Result<KnownKeys, StoreFault> {
        let file = self.0.key_file.clone();
        let read = tasks::blocking(move || file.map(|file| Keys::read(&file)).transpose());
        let slow = |_| StoreFault::new(FaultKind::NoKey, "the key file is being read, without an end");
        let keys = tokio::time::timeout(LONGEST, read).await.map_err(slow)?.ok_or_else(ending)?;
        let keys = keys.map_err(|error| StoreFault::new(FaultKind::NoKey, chain(&error)))?;
        let read = keys.as_ref().map_or_else(Signer::default, Signer::new);
        let mut known = self.keys_here();
        let KnownKeys { keys: here, signer } = known.get_or_insert_default();
        *here = keys.map(Arc::new);
        signer.become_like(&read);
        Ok(KnownKeys { keys: here.clone(), signer: signer.clone() })
    }

    /// The files that the store is opened with may have changed: they are read again, for all who have it open. What cannot
    /// be read changes nothing.
    ///
    /// # Errors
    /// What could not be read.
    pub async fn renew(&self) -> Result<(), StoreFault> {
        let keys = self.read_keys().await;
        let opened = self.open_anew().await;
        if let Ok(remote) = opened {
            self.0.opened.lock().await.take_over(remote);
            return keys.map(drop);
        }
        keys.and(opened.map(drop))
    }

    /// What somebody met behind it: after a refusal, it is opened anew; so is a folder that may have to be marked anew.
    pub async fn met(&self, fault: &StoreFault) {
        if is_refusal(fault.kind) || fault.kind == FaultKind::Folder {
            self.0.opened.lock().await.is_refused = true;
        }
    }
}

impl Known {
    /// Whoever has it open already asks by the new one from now on.
    fn take_over(&mut self, new: Remote) -> Remote {
        self.is_refused = false;
        let known = self.remote.get_or_insert_with(|| new.clone());
        known.become_like(&new);
        known.clone()
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
    async fn who_has_it_open_asks_by_what_was_read_anew_unless_that_cannot_be_read() {
        let (old, new) = (Remote::in_memory(), Remote::in_memory());
        let (times, first, second) = (AtomicU32::new(0), old.clone(), new.clone());
        let opening = move || match times.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(first.clone()),
            1 => Err(StoreFault::new(FaultKind::NoCredentials, "the file is gone")),
            _ => Ok(second.clone()),
        };
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store.key");
        let write = |lines: &str| {
            crate::disk::remove_file(&file).unwrap();
            crate::disk::write_new_private(&file, lines.as_bytes()).unwrap();
        };
        let line = || Keys::new_line().unwrap().to_string();
        let (one, two) = (line(), line());
        write(&one);
        let door = Door::new(opening, Some(file.clone()));
        let (held, signer) = (door.open().await.unwrap(), door.signer().await.unwrap());
        let what = crate::offsite::Signed::Garbage;
        let before = signer.seal(what, &"x").unwrap();
        assert_eq!(door.renew().await.unwrap_err().kind, FaultKind::NoCredentials);
        assert!(held.is_like(&old) && door.open().await.unwrap().is_like(&old));
        write("no key");
        assert_eq!(door.renew().await.unwrap_err().kind, FaultKind::NoKey);
        assert!(held.is_like(&new), "each by itself");
        assert!(signer.is_by_first(what, &before));
        write(&format!("{two}\n{one}\n"));
        door.renew().await.unwrap();
        assert!(!signer.is_by_first(what, &before) && signer.open::<String>(what, &before).is_ok());
        assert_eq!(door.keys().await.unwrap().unwrap().ids().count(), 2);
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
