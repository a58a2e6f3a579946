//! One pass over the snapshot in service, after everything is fetched: what the new one lacks is carried over or goes, and
//! both are compared. Memory grows only by a few bytes per page.

mod carry;
mod compare;
pub(super) mod evidence;

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::outcome::CrawlError;
use super::progress::Progress;
use super::report::UNREADABLE;
use super::walk::Done;
use crate::snapshot::{Class, Notes, Page, Snapshot, StageError, Staging};
use carry::{Fate, fate, heard};
use compare::Comparison;

/// The bound on pages is about what a crawl fetches. Pages carried over beyond it at most double the snapshot; otherwise the
/// snapshot of a site larger than the bound would grow for ever.
const CARRIED: u64 = 2;

/// Carries over what `current` has, and notes it in the report. `stop`: nobody waits for the result any more. Blocks.
pub(super) fn inherit(
    current: &Snapshot,
    staging: &Staging,
    (done, max_pages): (&mut Done, u64),
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Comparison, CrawlError> {
    let robots_unreadable = done.report.robots == UNREADABLE;
    let counters = progress.counters();
    let mut room = max_pages.saturating_mul(CARRIED).saturating_sub(counters.pages.load(Relaxed));
    let mut comparison = Comparison::new();
    let mut unreadable: u64 = 0;
    for old in current.pages() {
        if stop.load(Relaxed) {
            return Err(CrawlError::Ending);
        }
        let Ok(old) = old else {
            unreadable += 1;
            continue;
        };
        let heard = heard(&old, &done.results, robots_unreadable);
        comparison.note(&old, heard, &done.results);
        let notes = match fate(&old, heard) {
            Fate::Superseded => continue,
            Fate::CarriedOver(notes) => Some(notes),
            Fate::Dropped => None,
        };
        let is_page = old.class == Class::Page;
        let key = old.key.clone();
        let (code, meaning) = heard.reason();
        let carried = match notes {
            Some(_) if is_page && room == 0 => false,
            Some(notes) => carry(current, old, notes, staging)?,
            None => false,
        };
        if carried {
            room -= u64::from(is_page && room > 0);
            counters.carried.fetch_add(1, Relaxed);
            done.report.carry(code.into(), meaning.into(), &key);
        } else {
            counters.gone.fetch_add(1, Relaxed);
            if let Some(status) = heard.removal().filter(|_| notes.is_none()) {
                done.addresses.removed(&key, status);
            }
            let (code, meaning) = if notes.is_some() { NO_COPY } else { (code, meaning) };
            done.report.remove(code.into(), meaning.into(), &key);
        }
    }
    if unreadable > 0 {
        tracing::warn!(id = %current.id(), unreadable, "cannot carry over parts of the snapshot in service");
    }
    comparison.end();
    Ok(comparison)
}

/// Why something goes that should have been carried over.
const NO_COPY: (&str, &str) =
    ("no-copy", "Its old copy is damaged, or there is no room for it beside the new pages.");

/// Whether the old copy is in the new snapshot: a damaged one is not. What is not here, but is to be had from elsewhere, is
/// brought here.
fn carry(current: &Snapshot, old: Page, notes: Notes, staging: &Staging) -> Result<bool, StageError> {
    let page = Page { notes, ..old };
    let added = match staging.add(page.clone()) {
        Err(StageError::NoSuchBlob(_)) if current.may_mend() && current.load(&page).is_ok() => {
            staging.add(page)
        }
        added => added,
    };
    match added {
        Ok(()) => Ok(true),
        Err(StageError::NoSuchBlob(_)) => Ok(false),
        Err(
            error @ (StageError::Full | StageError::Oversize(_) | StageError::Closed | StageError::Io { .. }),
        ) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::clock::{Now, instant};
    use crate::snapshot::{Adopted, BlobId, Elsewhere, Pins, Source, Store};

    #[derive(Debug)]
    struct Other(PathBuf);

    impl Elsewhere for Other {
        fn fetch(&self, _site: &str, id: &BlobId, _len: u64, to: &mut dyn Write) -> io::Result<()> {
            let name = id.to_string();
            to.write_all(&std::fs::read(self.0.join("blobs").join(&name[..2]).join(name))?)
        }
    }

    #[test]
    fn what_has_not_arrived_yet_is_brought_and_carried_over() {
        let [there, here] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [from, to] = [&there, &here].map(|dir| Store::open(dir.path(), "shop").unwrap());
        let now = Now { mono: instant(), wall: UNIX_EPOCH };
        let staging = from.begin(now, "crawl").unwrap();
        let mut writer = staging.blob();
        writer.write(b"body").unwrap();
        let (key, headers, body) = ("/a".to_owned(), Vec::new(), Some(writer.finish().unwrap()));
        let (class, notes) = (Class::Page, Notes::default());
        staging
            .add(Page { key, status: 200, headers, body, len: 0, taken_at: now.wall, class, notes })
            .unwrap();
        let snapshot = staging.publish(now, &serde_json::Value::Null).unwrap();
        let adoption = to.begin_adoption(snapshot.id()).unwrap();
        for file in snapshot.files().unwrap() {
            let mut incoming = adoption.file(file.name, file.len, file.blake3).unwrap();
            let mut bytes = Vec::new();
            io::copy(&mut snapshot.open_file(file.name).unwrap(), &mut bytes).unwrap();
            incoming.write(&bytes).unwrap();
            incoming.finish().unwrap();
        }
        adoption.finish(Adopted::Arriving).unwrap();
        let current = to.follow(&snapshot.id(), None, Pins::default()).unwrap();
        let old = current.find("/a").unwrap().unwrap();
        let staging = to.begin(now, "crawl").unwrap();
        let carry = || carry(&current, old.clone(), Notes::default(), &staging).unwrap();
        assert!(!carry(), "there is nowhere to bring it from");
        to.bring_from(Some(Arc::new(Source::new(Box::new(Other(there.path().to_owned()))))));
        assert!(carry());
        let next = staging.publish(now, &serde_json::Value::Null).unwrap();
        assert!(next.load_here(&next.find("/a").unwrap().unwrap()).is_ok());
    }
}
