//! What stands in the folders of kept forms, at the start: names and sizes, never what is in the files.

use std::collections::btree_map::Entry as Place;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;

use super::id::FormId;
use super::index::{Entry, Index, Listed};
use super::receipt::{ReceiptName, Receipts};
use super::state::{FileName, Reason, State};
use super::step;
use crate::disk;

/// Whether what was left behind is put in order: only by the one process that holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// It is.
    Made,
    /// It is left as it is.
    Left,
}

/// Whether this can be a site's name, and so a folder's: the configuration allows no other.
pub(super) fn is_site(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    (1..=200).contains(&name.len()) && !name.starts_with(['.', '-']) && name.bytes().all(allowed)
}

/// All that is kept. A folder that cannot be read costs its own forms, and says so.
///
/// # Errors
/// When the folder of all sites cannot be read. One that is not there holds nothing.
pub(super) fn scan(folder: &Path, order: Order) -> io::Result<Index> {
    let mut index = Index::default();
    let sites = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(index),
        sites => sites?,
    };
    for site in sites {
        let site = site?;
        let name = site.file_name();
        let Some(name) = name.to_str().filter(|name| is_site(name)) else { continue };
        // A link to another place is nothing that we have made.
        if !site.file_type()?.is_dir() {
            continue;
        }
        match scan_site(&site.path(), name, order) {
            Ok(entries) => entries.into_iter().for_each(|entry| index.put(name, entry)),
            Err(error) => tracing::error!(site = name, %error, "kept forms cannot be read, they wait"),
        }
    }
    Ok(index)
}

fn scan_site(folder: &Path, site: &str, order: Order) -> io::Result<Vec<Entry>> {
    // What cannot be put in order costs that, and not the forms that stand beside it.
    let tried = |what: &'static str, done: io::Result<()>| {
        done.unwrap_or_else(
            |error| tracing::error!(site, %error, what, "kept forms could not be put in order"),
        );
    };
    if order == Order::Made {
        tried("removing what is half written", disk::sweep_staged(folder));
    }
    let mut found: BTreeMap<FormId, Entry> = BTreeMap::new();
    let (mut others, mut twice, mut receipts) = (0, Vec::new(), Vec::new());
    let mut named = BTreeSet::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        if let Some(receipt) = file.file_name().to_str().and_then(ReceiptName::parse) {
            receipts.push(receipt);
            continue;
        }
        named.extend(file.file_name().to_str().and_then(FileName::parse).map(|name| name.id));
        let entry = entry(&file).unwrap_or_else(|error| {
            tracing::error!(site, file = %file.path().display(), %error, "a kept form cannot be looked at");
            None
        });
        let Some(entry) = entry else {
            others += 1;
            continue;
        };
        match found.entry(entry.listed.id) {
            Place::Vacant(place) => _ = place.insert(entry),
            Place::Occupied(mut place) => {
                let other = place.get_mut();
                let is_more_careful = entry.listed.state.caution() > other.listed.state.caution();
                let lesser = if is_more_careful { std::mem::replace(other, entry) } else { entry };
                twice.push(lesser);
            }
        }
    }
    if others > 0 {
        tracing::warn!(
            site,
            files = others,
            "not all that stands beside kept forms is one, it is left alone"
        );
    }
    if order == Order::Made {
        for lesser in twice {
            let holds = found.get(&lesser.listed.id).map(|entry| folder.join(&entry.file));
            let file = folder.join(&lesser.file);
            tracing::error!(site, file = %file.display(), "a kept form has two names, the more careful one holds");
            tried("setting aside a second name", set_aside(&file, holds.as_deref()));
        }
    }
    for name in receipts {
        match found.get_mut(&name.id) {
            Some(entry) => _ = entry.listed.receipts.insert(name.recipient, name.receipt),
            // One that only cannot be looked at now will want to know who has it.
            None if order == Order::Made && !named.contains(&name.id) => {
                tried(
                    "removing the receipt of a form that is no more",
                    disk::remove_file(&folder.join(name.to_string())),
                );
            }
            None => {}
        }
    }
    let mut entries: Vec<Entry> = found.into_values().collect();
    for entry in entries.iter_mut().filter(|entry| entry.listed.state == State::Sending) {
        interrupt(folder, site, entry, order);
    }
    // A change that nobody has synced is one that we go by from now on.
    if order == Order::Made && !entries.is_empty() {
        tried("syncing their names", disk::sync_dir(folder));
    }
    Ok(entries)
}

/// What a file's name and size say; `None`: it is no kept form.
fn entry(file: &DirEntry) -> io::Result<Option<Entry>> {
    let name = file.file_name();
    let Some(FileName { id, state, reason }) = name.to_str().and_then(FileName::parse) else {
        return Ok(None);
    };
    // Not through a link.
    let about = match file.metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        about => about?,
    };
    if !about.is_file() {
        return Ok(None);
    }
    let listed =
        Listed { id, state, reason, bytes: about.len(), receipts: Receipts::new(), since: about.modified()? };
    Ok(Some(Entry { listed, file: name.to_string_lossy().into_owned() }))
}

/// The file of a form that has another name, too: the same content is removed, another is kept under a name that is no form's.
/// If it stayed, it would be sent when the other is forgotten.
fn set_aside(file: &Path, holds: Option<&Path>) -> io::Result<()> {
    let is_same = holds.is_some_and(|holds| is_same(file, holds).unwrap_or(false));
    if is_same {
        return disk::remove_file(file);
    }
    let mut aside = file.as_os_str().to_owned();
    // What was set aside before is not replaced.
    while Path::new(&aside).symlink_metadata().is_ok() {
        aside.push("~");
    }
    disk::rename(file, Path::new(&aside))
}

fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    if fs::metadata(one)?.len() != fs::metadata(other)?.len() {
        return Ok(false);
    }
    Ok(fs::read(one)? == fs::read(other)?)
}

/// What was being sent when a process died may have reached the origin.
fn interrupt(folder: &Path, site: &str, entry: &mut Entry, order: Order) {
    let reason: Option<Reason> = Reason::INTERRUPTED.parse().ok();
    let (id, state) = (entry.listed.id, State::Doubtful);
    let name = FileName { id, state, reason: reason.clone() }.to_string();
    // Even where the name cannot be changed, it is doubtful for whoever asks.
    (entry.listed.state, entry.listed.reason) = (state, reason);
    if order == Order::Left {
        return;
    }
    step();
    match disk::rename(&folder.join(&entry.file), &folder.join(&name)) {
        Ok(()) => entry.file = name,
        Err(error) => tracing::warn!(site, %id, %error, "an interrupted form could not be renamed"),
    }
    step();
    tracing::warn!(site, %id, "a form was being sent when the process ended, it may have arrived or not");
}
