//! Trees that an export has made: the manifest says of each file what it is.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::bounds::Unfit;
use super::error::{ImportError, shown};
use super::files::Files;
use super::intake::{Intake, Reason};
use super::lines::{Head, LONGEST, Line, PLACE, VERSION};
use crate::ask::key::page_key;
use crate::crawl::Refusal;
use crate::http::personal::personal;
use crate::snapshot::{BlobId, StageError};

/// Takes in all pages of the manifest, and says what site they are of.
pub(super) fn import(files: &Files, archive: &Path, intake: &mut Intake<'_>) -> Result<String, ImportError> {
    let unfit = |why| ImportError::Entry { entry: PLACE.to_owned(), why };
    let manifest = files.entries.get(PLACE).ok_or_else(|| unfit(Unfit::Damaged))?;
    let opened = files.open(manifest).map_err(|e| ImportError::of_entry(PLACE, archive, e))?;
    let mut lines = BufReader::new(opened);
    let mut next = || -> Result<Option<Vec<u8>>, ImportError> {
        let mut line = Vec::new();
        let read = (&mut lines).take(LONGEST).read_until(b'\n', &mut line);
        read.map_err(|e| ImportError::of_entry(PLACE, archive, e))?;
        match line.pop() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) => Err(unfit(Unfit::Short)),
        }
    };
    let head = next()?.ok_or_else(|| unfit(Unfit::Short))?;
    let head: Head = serde_json::from_slice(&head).map_err(|_| unfit(Unfit::Damaged))?;
    if head.katahai_export > VERSION {
        return Err(ImportError::Version(head.katahai_export));
    }
    while let Some(line) = next()? {
        let line: Line = serde_json::from_slice(&line).map_err(|_| unfit(Unfit::Damaged))?;
        page(&line, files, archive, intake)?;
    }
    Ok(head.address)
}

fn page(line: &Line, files: &Files, archive: &Path, intake: &mut Intake<'_>) -> Result<(), ImportError> {
    let unfit = |why| ImportError::Entry { entry: format!("{PLACE} at {}", shown(&line.key)), why };
    let mut page = line.page().ok_or_else(|| unfit(Unfit::Damaged))?;
    if !is_key(&page.key) {
        intake.leave(Reason::BadAddress, &page.key);
        return Ok(());
    }
    // Nobody but an export of ours writes such a manifest; a hand that has been at it does not get past this rule.
    if let Some(refusal) = personal(&page.headers.iter().cloned().collect()).map(Refusal::from) {
        intake.leave(Reason::Refused(refusal), &page.key);
        return Ok(());
    }
    if let Some(place) = &line.body {
        let expected: BlobId = place.blake3.parse().map_err(|_| unfit(Unfit::Damaged))?;
        let entry = files.entries.get(&place.file).ok_or_else(|| unfit(Unfit::Short))?;
        let of_file = |error| ImportError::of_entry(&place.file, archive, error);
        let mut body = files.open(entry).map_err(of_file)?;
        let arrived = intake.body(&place.file, archive, &mut body)?;
        if arrived.blob != expected {
            return Err(ImportError::Entry { entry: shown(&place.file), why: Unfit::Digest });
        }
        page.body = Some(arrived.blob);
    }
    match intake.add(page) {
        Err(ImportError::Stage(StageError::NoSuchBlob(_))) => Err(unfit(Unfit::Damaged)),
        other => other,
    }
}

/// Whether it is a key in its normal form.
pub(super) fn is_key(key: &str) -> bool {
    let (path, query) = key.split_once('?').map_or((key, None), |(path, query)| (path, Some(query)));
    key.starts_with('/') && page_key(path, query, &[]) == key
}
