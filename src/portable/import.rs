//! From a file or folder outside to a snapshot.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;
use serde::Serialize;

use super::bounds::Unfit;
use super::error::ImportError;
use super::files::Files;
use super::hosts::Hosts;
use super::intake::{Intake, LeftOut};
use super::{Progress, captures, httrack, lines, mirror, ours};
use crate::clock::Now;
use crate::crawl::accept::imported;
use crate::snapshot::{SnapshotId, Staging, Store};

/// What is imported.
#[derive(Clone, Debug)]
pub struct Import<'a> {
    /// Where it becomes a snapshot.
    pub store: &'a Store,
    /// A file or folder.
    pub path: &'a Path,
    /// Where archives may be unpacked to: a folder on the disk of the store.
    pub scratch: &'a Path,
    /// The site's hosts; empty: the one that the archive has most pages of.
    pub hosts: Vec<String>,
    /// Query parameters that the site ignores, as `cache.ignore_query` has them.
    pub ignore_query: Vec<String>,
    /// The time that the site is wanted of; captures after it do not count.
    pub at: Option<SystemTime>,
    /// Whether it goes into service; else only if there is nothing in service.
    pub publish: bool,
}

/// A finished import.
#[derive(Clone, Debug, Serialize)]
pub struct Imported {
    /// What was read.
    pub path: PathBuf,
    /// What it turned out to be.
    pub kind: &'static str,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Whether it is in service; else it is held until an operator publishes it.
    pub in_service: bool,
    /// The site's host in the archive.
    pub host: String,
    /// How many addresses it has that a visitor opens.
    pub pages: u64,
    /// How many it has that pages need or that are downloaded.
    pub files: u64,
    /// How many lead elsewhere.
    pub redirects: u64,
    /// The size of its distinct bodies.
    pub bytes: u64,
    /// What was left out, and why.
    pub left_out: Vec<LeftOut>,
    /// What the owner should know of such an import.
    pub remarks: Vec<&'static str>,
}

/// What a path turned out to be.
enum Kind {
    Files { files: Files, kind: &'static str },
    Captures { kind: &'static str },
}

/// Makes a snapshot of what is at a path; the kind of the snapshot is `import`. Blocks.
///
/// # Errors
/// See [`ImportError`].
pub fn import(ask: &Import<'_>, now: Now, progress: &dyn Fn(Progress)) -> Result<Imported, ImportError> {
    let kind = recognize(ask)?;
    let staging = ask.store.begin(now, "import")?;
    let mut intake = Intake::new(&staging, progress);
    let hosts = Hosts::new(&ask.hosts, &ask.ignore_query);
    let mut remarks = Vec::new();
    let (kind, host) = match kind {
        Kind::Captures { kind } => (kind, captures::import(ask.path, kind, ask.at, &hosts, &mut intake)?),
        Kind::Files { mut files, .. } if files.has(lines::PLACE) => {
            ("export", ours::import(&files, ask.path, &mut intake).inspect(|_| files.special.clear())?)
        }
        Kind::Files { files, .. } if files.has(httrack::CACHE) => {
            ("httrack", httrack::import(&files, ask.path, ask.scratch, &hosts, &mut intake)?)
        }
        Kind::Files { files, kind } => {
            let (mirrored, host) = mirror::import(files, ask.path, now.wall, &hosts, &mut intake)?;
            if mirrored {
                remarks.push(REWRITTEN);
            }
            (if mirrored { "mirror" } else { kind }, host)
        }
    };
    let (added, snapshot) = (intake.added(), staging.id());
    let left_out = intake.left_out();
    if added == 0 {
        let most = left_out.first().map(|left| format!("; {} were left out: {}", left.count, left.sentence));
        return Err(ImportError::Nothing(most.unwrap_or_default()));
    }
    finish(
        ask,
        now,
        staging,
        Imported {
            path: ask.path.to_owned(),
            kind,
            snapshot,
            in_service: false,
            host,
            pages: 0,
            files: 0,
            redirects: 0,
            bytes: 0,
            left_out,
            remarks,
        },
    )
}

const REWRITTEN: &str = "If the mirror was made with converted links (wget -k), its pages link to files, not to addresses; \
                         that cannot be undone, except where wget kept the originals (-K).";

fn finish(ask: &Import<'_>, now: Now, staging: Staging, mut done: Imported) -> Result<Imported, ImportError> {
    let hosts = Hosts::new(&ask.hosts, &ask.ignore_query).all(&done.host);
    match imported::learned(&staging, hosts, &ask.ignore_query) {
        Ok((addresses, forms)) => {
            staging.note_addresses(&serde_json::to_value(&addresses).unwrap_or_default());
            staging.note_forms(&serde_json::to_value(&forms).unwrap_or_default());
            staging.index(&forms, || true);
        }
        Err(error) => {
            tracing::warn!(%error, "could not read what an import teaches about its addresses and forms")
        }
    }
    let report = serde_json::to_value(&done).unwrap_or_default();
    let wanted = ask.publish || ask.store.current().is_none();
    let snapshot = if wanted {
        staging.publish(now, &report)?
    } else {
        staging.hold(now, &report, &["imported: waits for an operator to publish it".to_owned()])?
    };
    let serves = || ask.store.current().is_some_and(|current| current.id() == snapshot.id());
    if ask.publish && !serves() {
        ask.store.put_in_service(&snapshot.id(), None)?;
    }
    let summary = snapshot.summary();
    done.in_service = serves();
    done.snapshot = snapshot.id();
    (done.pages, done.files, done.redirects, done.bytes) =
        (summary.pages, summary.files, summary.redirects, summary.bytes);
    Ok(done)
}

/// By what is in it, not by its name.
fn recognize(ask: &Import<'_>) -> Result<Kind, ImportError> {
    let path = ask.path;
    let unreadable = |source| ImportError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Ok(Kind::Files { files: Files::of_folder(path)?, kind: "folder" });
    }
    let start = beginning(&mut BufReader::new(&file)).map_err(unreadable)?;
    if start.starts_with(b"PK\x03\x04") {
        return Ok(Kind::Captures { kind: "wacz" });
    }
    let packed = start.starts_with(b"\x1f\x8b");
    let start = if packed {
        let file = File::open(path).map_err(unreadable)?;
        let unpacked = beginning(&mut MultiGzDecoder::new(BufReader::new(file)));
        unpacked.map_err(|e| ImportError::of_entry(&path.display().to_string(), path, e))?
    } else {
        start
    };
    if start.starts_with(b"WARC/") {
        return Ok(Kind::Captures { kind: "warc" });
    }
    if start.starts_with(b"\x1f\x8b") || start.starts_with(b"PK\x03\x04") {
        return Err(ImportError::Entry { entry: path.display().to_string(), why: Unfit::Nested });
    }
    if is_tar(&start) {
        return Ok(Kind::Files { files: Files::of_tar(path, packed, ask.scratch)?, kind: "tar" });
    }
    Err(ImportError::Unknown(path.to_owned()))
}

fn beginning(from: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    from.take(512).read_to_end(&mut start)?;
    Ok(start)
}

/// Whether this is the header of a tar file, of whatever age: its check sum fits.
fn is_tar(start: &[u8]) -> bool {
    let Ok(block) = <&[u8; 512]>::try_from(start) else { return false };
    let header = tar::Header::from_byte_slice(block);
    let sum: u32 =
        (0..).zip(block).map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
    block[0] != 0 && header.cksum().is_ok_and(|said| said == sum)
}
