//! Keeping forms, and reading them again.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use super::error::{NotKept, NotRead, OpenError};
use super::id::FormId;
use super::index::{Bounds, Entry, Index, Listed, NoPlace, Totals};
use super::key::Keys;
use super::receipt::Receipts;
use super::record::{KeptForm, LONGEST_HEAD};
use super::scan::{Order, is_site, scan};
use super::seal::{self, NotSealed};
use super::state::{FileName, Reason, State};
use super::{FOLDER, LOCK, step};
use crate::disk::{self, StagedFile};

/// Bytes that are left free on the disk, as a crawl does.
pub(super) const RESERVE: u64 = 64 << 20;
/// So often another name is drawn, or room is made, before a form is refused.
const TRIES: usize = 64;

/// The kept forms of all sites. One for the process, to be shared in an `Arc`.
#[derive(Debug)]
pub struct Spool {
    state_dir: PathBuf,
    /// `forms` in it.
    pub(super) folder: PathBuf,
    /// Never locked while the disk is waited for.
    index: Mutex<Index>,
    /// Locked by whoever renames or removes, also while the disk is waited for; before the others.
    moving: Mutex<()>,
    /// The sites whose folders are known to be durable.
    settled: Mutex<HashSet<String>>,
    /// Held as long as this lives. Not there where it could not be made: then nothing can be written either.
    lock: OnceLock<File>,
}

/// How a form is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// To be sent.
    Unsent,
    /// The origin may have taken it, for this reason: a person decides.
    Doubtful(Reason),
}

impl Standing {
    /// The state that it has at first, and why.
    pub fn state(self) -> (State, Option<Reason>) {
        match self {
            Standing::Unsent => (State::Unconfirmed, None),
            Standing::Doubtful(reason) => (State::Doubtful, Some(reason)),
        }
    }
}

/// What becomes of a form whose id another has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// It gets another.
    Another,
    /// It is not kept: others know it by this one.
    Its,
}

/// The place of a form that is being written; given back, unless it is used.
struct Reserved<'a> {
    spool: &'a Spool,
    id: FormId,
    bytes: u64,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.spool.index().give_back(self.id, self.bytes);
    }
}

impl Spool {
    /// Takes over the kept forms of a state directory: reads their names, removes what was half written, and calls doubtful
    /// what was being sent when the last process ended. On a disk that cannot be written to, what is there can be read, and
    /// everything else is tried again when it is needed. Blocks.
    ///
    /// # Errors
    /// When another process has them, or they cannot be read.
    pub fn open(state_dir: &Path) -> Result<Spool, OpenError> {
        let spool = Spool {
            state_dir: state_dir.to_owned(),
            folder: state_dir.join(FOLDER),
            index: Mutex::default(),
            moving: Mutex::default(),
            settled: Mutex::default(),
            lock: OnceLock::new(),
        };
        match spool.own().map(drop) {
            Ok(()) => return Ok(spool),
            Err(OpenError::Io { source, .. }) => {
                tracing::warn!(error = %source, "no forms can be kept now");
            }
            Err(error @ OpenError::InUse { .. }) => return Err(error),
        }
        let io = |source| OpenError::Io { path: spool.folder.clone(), source };
        *spool.index() = scan(&spool.folder, Order::Left).map_err(io)?;
        Ok(spool)
    }

    /// Keeps other movers away, and makes sure that this process is the one that writes. What another has done until then is
    /// read anew.
    pub(super) fn own(&self) -> Result<MutexGuard<'_, ()>, OpenError> {
        let moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lock.get().is_some() {
            return Ok(moving);
        }
        let io = |source| OpenError::Io { path: self.folder.clone(), source };
        disk::ensure_dir(&self.folder).map_err(io)?;
        // A folder that was there may be one whose maker was killed before its name was durable.
        disk::sync_dir(&self.state_dir).map_err(io)?;
        let lock = disk::lock_file(&self.folder.join(LOCK)).map_err(io)?;
        if !disk::try_lock(&lock).map_err(io)? {
            return Err(OpenError::InUse { path: self.folder.clone() });
        }
        let index = scan(&self.folder, Order::Made).map_err(io)?;
        disk::sync_dir(&self.folder).map_err(io)?;
        *self.index() = index;
        _ = self.lock.set(lock);
        Ok(moving)
    }

    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        // Nobody who panics leaves it half changed.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settled(&self) -> MutexGuard<'_, HashSet<String>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a form: when this returns its id, it is on the disk, sealed and durable, whatever happens then. The id is that of
    /// the form, or, where that was taken, another. Its visitor is to be told now, and then [`Spool::confirm`] be called. Where
    /// there is no more place, what was delivered the longest ago makes room. Blocks.
    ///
    /// # Errors
    /// Why it was not kept.
    pub fn keep(
        &self,
        keys: &Keys,
        form: KeptForm,
        bounds: Bounds,
        now: SystemTime,
    ) -> Result<FormId, NotKept> {
        self.keep_as(Standing::Unsent, keys, form, bounds, now)
    }

    /// The same for one that may have been sent.
    ///
    /// # Errors
    /// As [`Spool::keep`].
    pub fn keep_as(
        &self,
        standing: Standing,
        keys: &Keys,
        form: KeptForm,
        bounds: Bounds,
        now: SystemTime,
    ) -> Result<FormId, NotKept> {
        self.keep_under(Naming::Another, standing.state(), keys, form, (bounds, now))
    }

    pub(super) fn keep_under(
        &self,
        naming: Naming,
        (state, reason): (State, Option<Reason>),
        keys: &Keys,
        mut form: KeptForm,
        (bounds, now): (Bounds, SystemTime),
    ) -> Result<FormId, NotKept> {
        let folder = self.site_folder(&form.site)?;
        let (head, reserved) = self.reserve(&mut form, naming, bounds, now)?;
        self.has_room()?;
        let file = seal::seal(keys, &form.site, &form.id, &[&head, &form.body]).map_err(|why| match why {
            NotSealed::Size => NotKept::Size,
            NotSealed::Key => NotKept::Key,
        })?;
        let name = FileName { id: form.id, state, reason: reason.clone() }.to_string();
        let path = folder.join(&name);
        let (bytes, receipts) = (reserved.bytes, Receipts::new());
        // One that is over elsewhere is over now, as far as its removal here goes.
        let since = if state.expires() { now } else { form.received };
        let listed = Listed { id: form.id, state, reason, bytes, receipts, since };
        let entry = Entry { listed, file: name };
        if let Err(error) = write(&folder, &path, &file, since) {
            // Somebody may have taken the folder away.
            self.settled().remove(&form.site);
            // Its visitor will be told that it was not kept. If it cannot be removed, it is counted, as after a restart.
            if disk::remove_file(&path).is_err() {
                self.index().settle(&form.site, entry);
            }
            return Err(NotKept::disk(&path, error));
        }
        self.index().settle(&form.site, entry);
        Ok(form.id)
    }

    /// The folder of a site, durable.
    fn site_folder(&self, site: &str) -> Result<PathBuf, NotKept> {
        let folder = self.folder.join(site);
        let failed = |source| NotKept::disk(&folder, source);
        if !is_site(site) {
            return Err(NotKept::disk(&self.folder, io::Error::from(io::ErrorKind::InvalidInput)));
        }
        // Mostly nothing is waited for here: a visitor's form is not to stand in line behind what is being moved.
        if self.settled().contains(site) {
            return Ok(folder);
        }
        let _moving = self.own().map_err(|error| match error {
            OpenError::InUse { .. } => failed(io::Error::other(error)),
            OpenError::Io { path, source } => NotKept::disk(&path, source),
        })?;
        disk::ensure_dir(&folder).map_err(failed)?;
        // One that was there may not be durable yet.
        disk::sync_dir(&self.folder).map_err(failed)?;
        self.settled().insert(site.to_owned());
        Ok(folder)
    }

    /// Reserves the place of a form, under a name of its own. Returns what is written before its body.
    fn reserve(
        &self,
        form: &mut KeptForm,
        naming: Naming,
        bounds: Bounds,
        now: SystemTime,
    ) -> Result<(Vec<u8>, Reserved<'_>), NotKept> {
        for _ in 0..TRIES {
            let head = form.head().ok_or(NotKept::Size)?;
            let len = head.len() as u64 + form.body.len() as u64;
            let bytes = seal::sealed_len(len).ok_or(NotKept::Size)?;
            let reserved = self.index().reserve(form.id, bytes, bounds);
            match reserved {
                Ok(()) => return Ok((head, Reserved { spool: self, id: form.id, bytes })),
                Err(NoPlace::Size) => return Err(NotKept::Size),
                Err(NoPlace::Taken) if naming == Naming::Its => return Err(NotKept::Busy),
                Err(NoPlace::Taken) => form.id = FormId::draw(now).map_err(|_| NotKept::Key)?,
                Err(NoPlace::Full) if self.drop_delivered() => {}
                Err(NoPlace::Full) => return Err(NotKept::Full),
            }
        }
        Err(NotKept::Full)
    }

    /// Whether the disk has room for what is being written, perhaps in the place of what was delivered.
    fn has_room(&self) -> Result<(), NotKept> {
        for _ in 0..TRIES {
            let free = disk::free_bytes(&self.folder).map_err(|e| NotKept::disk(&self.folder, e))?;
            if free >= RESERVE.saturating_add(self.index().writing()) {
                return Ok(());
            }
            if !self.drop_delivered() {
                break;
            }
        }
        Err(NotKept::DiskFull)
    }

    /// Reads a form. Blocks.
    ///
    /// # Errors
    /// When there is none of this name, or it does not open.
    pub fn read(&self, site: &str, id: FormId, keys: &Keys) -> Result<KeptForm, NotRead> {
        let mut tried = None;
        let file = loop {
            let name = self.index().find(site, id).map(|entry| entry.file.clone());
            let path = self.folder.join(site).join(name.ok_or(NotRead::NoSuch(id))?);
            match contents(&path) {
                Ok(Some(file)) => break file,
                Ok(None) => return Err(NotRead::Damaged(id)),
                // It was given another name between the look and the opening; a name that stays is missing.
                Err(e) if e.kind() == io::ErrorKind::NotFound && tried.as_ref() != Some(&path) => {
                    tried = Some(path)
                }
                Err(source) => return Err(NotRead::Io { path, source }),
            }
        };
        let content = seal::open(keys, site, &id, file).map_err(|why| NotRead::sealed(id, why))?;
        let form = KeptForm::decode(content).map_err(|why| NotRead::written(id, why))?;
        if form.id == id && form.site == site { Ok(form) } else { Err(NotRead::Damaged(id)) }
    }

    /// A kept form, if it is there.
    pub fn listed(&self, site: &str, id: FormId) -> Option<Listed> {
        self.index().find(site, id).map(|entry| entry.listed.clone())
    }

    /// The kept forms of a site, in the order in which they came.
    pub fn list(&self, site: &str) -> Vec<Listed> {
        self.index().chosen(site, |_| true)
    }

    /// Those of them that are to be sent.
    pub fn due(&self, site: &str) -> Vec<Listed> {
        self.index().chosen(site, |form| form.state.is_due())
    }

    /// How many there are of one site, in each state.
    pub fn totals_of(&self, site: &str) -> Totals {
        self.index().totals_of(site)
    }

    /// How many there are of each site, in each state. Also of sites that the configuration no longer has.
    pub fn totals(&self) -> BTreeMap<Arc<str>, Totals> {
        self.index().totals()
    }
}

/// Writes a form under its name, durably, and dated: what came in one second is told apart by it after a restart.
fn write(folder: &Path, path: &Path, bytes: &[u8], received: SystemTime) -> io::Result<()> {
    step();
    let mut staged = StagedFile::create_private(folder)?;
    step();
    staged.write_all(bytes)?;
    staged.set_modified(received)?;
    step();
    staged.sync()?;
    step();
    staged.place(path)?;
    step();
    disk::sync_dir(folder)?;
    step();
    Ok(())
}

/// The whole file; `None`: no form is as large.
fn contents(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    if len > seal::LONGEST {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(len as usize);
    file.take(seal::LONGEST).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

// The head is far shorter than a file may be, so that the size of a form is what its body makes it.
const _: () = assert!((LONGEST_HEAD as u64) < seal::LONGEST / 2);
