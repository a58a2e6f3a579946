//! What becomes of kept forms: one rename each, and in the end they are removed.

use std::io;
use std::time::SystemTime;

use super::error::NotMoved;
use super::id::FormId;
use super::index::{Entry, Total};
use super::spool::Spool;
use super::state::{FileName, Reason, State};
use super::step;
use crate::disk;

/// When a change is on the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durable {
    /// Before anybody goes on.
    Now,
    /// Some time: losing it does no harm.
    Later,
}

impl Spool {
    /// The visitor of a form was told that it is kept. Not synced: if it is lost, the form is unconfirmed, and sent all the
    /// same. One that has become something else meanwhile stays so. Blocks.
    ///
    /// # Errors
    /// When there is none of this name, or it cannot be renamed.
    pub fn confirm(&self, site: &str, id: FormId) -> Result<(), NotMoved> {
        let _moving = self.own()?;
        let entry = self.entry(site, id)?;
        match entry.listed.state {
            State::Unconfirmed => self.rename(site, entry, State::Kept, None, Durable::Later),
            State::Kept | State::Sending | State::Doubtful | State::Parked | State::Delivered => Ok(()),
        }
    }

    /// Changes the state of a form, durably: when this returns an error, it is what it was. Before a form is sent it is marked
    /// as [`State::Sending`], and only sent if that went well. Blocks.
    ///
    /// # Errors
    /// When there is none of this name, when no form goes that way, or when it cannot be renamed.
    pub fn mark(
        &self,
        site: &str,
        id: FormId,
        state: State,
        reason: Option<Reason>,
        now: SystemTime,
    ) -> Result<(), NotMoved> {
        self.change(site, id, |from| from.may_become(state), (state, reason), now)
    }

    /// The same for a form that only recipients besides the origin are to get: from waiting, not while it is being sent. Blocks.
    ///
    /// # Errors
    /// As [`Spool::mark`].
    pub fn end(
        &self,
        site: &str,
        id: FormId,
        state: State,
        reason: Option<Reason>,
        now: SystemTime,
    ) -> Result<(), NotMoved> {
        self.change(site, id, |from| from.is_due() && from.may_become(state), (state, reason), now)
    }

    pub(super) fn change(
        &self,
        site: &str,
        id: FormId,
        is_allowed: impl FnOnce(State) -> bool,
        (state, reason): (State, Option<Reason>),
        now: SystemTime,
    ) -> Result<(), NotMoved> {
        let _moving = self.own()?;
        let mut entry = self.entry(site, id)?;
        let from = entry.listed.state;
        if !is_allowed(from) {
            return Err(NotMoved::NotAllowed { id, from, to: state });
        }
        // What was parked or delivered is removed so long after that, not after it came: an outage may have been longer.
        if state.expires() {
            let path = self.folder.join(site).join(&entry.file);
            disk::date(&path, now).map_err(|e| self.missing(site, id, NotMoved::io(&path, e)))?;
            entry.listed.since = now;
            step();
        }
        self.rename(site, entry, state, reason, Durable::Now)
    }

    /// Removes a form for good, in whatever state but while it is being sent. Blocks.
    ///
    /// # Errors
    /// When there is none of this name, when it is being sent, or when it cannot be removed.
    pub fn forget(&self, site: &str, id: FormId) -> Result<(), NotMoved> {
        let _moving = self.own()?;
        let entry = self.entry(site, id)?;
        if entry.listed.state == State::Sending {
            return Err(NotMoved::BeingSent(id));
        }
        self.unlink(site, &entry)?;
        let folder = self.folder.join(site);
        disk::sync_dir(&folder).map_err(|e| NotMoved::io(&folder, e))
    }

    /// Removes what was delivered or parked before `before`; what cannot be removed stays, and is logged. Returns how much went.
    /// Blocks.
    pub fn expire(&self, before: SystemTime) -> Total {
        let old = self.index().everywhere(|form| form.state.expires() && form.since < before);
        let mut gone = Total::default();
        for (site, form) in old {
            // One at a time, so that visitors' forms do not wait for all of them; it may have become something else by then.
            let Ok(_moving) = self.own() else { break };
            let Ok(entry) = self.entry(&site, form.id) else { continue };
            if !entry.listed.state.expires() || entry.listed.since >= before {
                continue;
            }
            match self.unlink(&site, &entry) {
                // If that is lost it expires once more.
                Ok(()) => gone = Total { forms: gone.forms + 1, bytes: gone.bytes + entry.listed.bytes },
                Err(error) => {
                    tracing::warn!(site = &*site, id = %form.id, %error, "an old form could not be removed");
                }
            }
        }
        gone
    }

    /// Makes room by removing what was delivered the longest ago. Returns whether there was any.
    pub(super) fn drop_delivered(&self) -> bool {
        let Ok(_moving) = self.own() else { return false };
        let Some((site, id)) = self.index().longest_delivered() else { return false };
        self.entry(&site, id).and_then(|entry| self.unlink(&site, &entry)).is_ok()
    }

    pub(super) fn entry(&self, site: &str, id: FormId) -> Result<Entry, NotMoved> {
        self.index().find(site, id).cloned().ok_or(NotMoved::NoSuch(id))
    }

    fn unlink(&self, site: &str, entry: &Entry) -> Result<(), NotMoved> {
        let path = self.folder.join(site).join(&entry.file);
        step();
        disk::remove_file(&path).map_err(|e| NotMoved::io(&path, e))?;
        step();
        self.index().remove(site, entry.listed.id);
        // Last: while the form is there, whoever has it must be known.
        self.drop_receipts(site, entry.listed.id, &entry.listed.receipts);
        Ok(())
    }

    fn rename(
        &self,
        site: &str,
        mut entry: Entry,
        state: State,
        reason: Option<Reason>,
        durable: Durable,
    ) -> Result<(), NotMoved> {
        let id = entry.listed.id;
        let folder = self.folder.join(site);
        let name = FileName { id, state, reason: reason.clone() }.to_string();
        let (from, to) = (folder.join(&entry.file), folder.join(&name));
        step();
        disk::rename(&from, &to).map_err(|e| self.missing(site, id, NotMoved::io(&from, e)))?;
        step();
        let synced = if durable == Durable::Now { disk::sync_dir(&folder) } else { Ok(()) };
        step();
        // What may not be on the disk must not be gone by. Only where the way back is barred, too, the new name is what holds.
        if synced.is_err() && disk::rename(&to, &from).is_ok() {
            return synced.map_err(|e| NotMoved::io(&folder, e));
        }
        entry.file = name;
        (entry.listed.state, entry.listed.reason) = (state, reason);
        self.index().put(site, entry);
        synced.map_err(|e| NotMoved::io(&folder, e))
    }

    /// A form whose file is gone is no more; it must not be tried for ever.
    fn missing(&self, site: &str, id: FormId, error: NotMoved) -> NotMoved {
        match &error {
            // Unless all of them are: that is a disk which is not there now.
            NotMoved::Io { path, source }
                if source.kind() == io::ErrorKind::NotFound && self.folder.join(site).is_dir() =>
            {
                tracing::error!(site, file = %path.display(), "the file of a kept form is gone");
                self.index().remove(site, id);
                NotMoved::NoSuch(id)
            }
            NotMoved::Io { .. }
            | NotMoved::NoSuch(_)
            | NotMoved::NotAllowed { .. }
            | NotMoved::BeingSent(_) => error,
        }
    }
}
