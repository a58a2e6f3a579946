//! Mirrors made by HTTrack. Its cache (`hts-cache/new.zip`) has an entry for each address: the header fields in the extra
//! part of the local header, and the body as it came, or the word that it is in the tree under `X-Save`. The tree
//! itself holds pages with their links rewritten, which nobody can undo; so it is used for bodies only.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::SystemTime;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, TRANSFER_ENCODING};
use url::Url;
use zip::ZipArchive;

use super::base::authority;
use super::bounds::{BODY, Counted, ENTRIES, Unfit, Unpacked};
use super::error::{ImportError, shown};
use super::files::Files;
use super::hosts::Hosts;
use super::intake::{Answer, Good, Intake, Reason, judge};
use super::warc::http::{Head, head};
use crate::content::media::{Media, content_type};
use crate::snapshot::Notes;

/// The cache within a mirror.
pub(super) const CACHE: &str = "hts-cache/new.zip";

/// Takes in what the cache has; returns the host.
pub(super) fn import(
    files: &Files,
    archive: &Path,
    scratch: &Path,
    hosts: &Hosts,
    intake: &mut Intake<'_>,
) -> Result<String, ImportError> {
    let broken = |e| ImportError::of_entry(CACHE, archive, e);
    let (file, modified) = open(files, scratch).map_err(broken)?;
    let mut zip = super::wacz::opened(file.try_clone().map_err(broken)?).map_err(broken)?;
    if zip.len() as u64 > ENTRIES {
        return Err(ImportError::Entry { entry: CACHE.to_owned(), why: Unfit::TooMany });
    }
    let mut found = hosts.count();
    for at in 0..zip.len() {
        let one = CachedFile::read(&mut zip, &file, at).map_err(broken)?;
        if let Some(host) = one.as_ref().and_then(|one| authority(&one.url).filter(|_| one.is_page())) {
            found.add(&host);
        }
    }
    let host = found.choose()?;
    intake.expect(zip.len() as u64);
    for at in 0..zip.len() {
        let Some(one) = CachedFile::read(&mut zip, &file, at).map_err(broken)? else {
            intake.leave(Reason::NotHttp, &format!("entry {at}"));
            continue;
        };
        let Some(key) = hosts.key(&one.url, &host) else {
            intake.leave(Reason::OtherHost, one.url.as_str());
            continue;
        };
        match judge(one.head.status, &one.head.headers) {
            Err(reason) => intake.leave(reason, &key),
            Ok(good) => one.take(key, good, &mut zip, files, archive, modified, intake)?,
        }
    }
    Ok(host)
}

fn open(files: &Files, scratch: &Path) -> io::Result<(File, SystemTime)> {
    let entry = files.entries.get(CACHE).ok_or(io::ErrorKind::NotFound)?;
    if let Some(path) = files.path(entry) {
        return Ok((File::open(path)?, entry.modified));
    }
    let mut file = crate::disk::scratch(scratch)?;
    io::copy(&mut files.open(entry)?, &mut file)?;
    Ok((file, entry.modified))
}

/// One address of the cache.
struct CachedFile {
    at: usize,
    url: Url,
    head: Head,
    /// Whether its body is in the cache; else it is in the tree under this name.
    cached: bool,
    saved: Option<String>,
}

impl CachedFile {
    /// `None`: not an answer of a web server.
    fn read(zip: &mut ZipArchive<File>, file: &File, at: usize) -> io::Result<Option<CachedFile>> {
        let (start, name) = {
            let entry = zip.by_index_raw(at).map_err(super::wacz::broken)?;
            (entry.header_start(), String::from_utf8_lossy(entry.name_raw()).into_owned())
        };
        let name = if name.contains("://") { name } else { format!("http://{name}") };
        let Ok(url) = Url::parse(&name) else { return Ok(None) };
        let mut fixed = [0; 30];
        file.read_exact_at(&mut fixed, start)?;
        let short = |at: usize| u64::from(u16::from_le_bytes([fixed[at], fixed[at + 1]]));
        let mut extra = vec![0; short(28) as usize];
        file.read_exact_at(&mut extra, start + 30 + short(26))?;
        // Other fields of this kind may stand before it (of zip itself).
        let Some(from) = extra.windows(5).position(|window| window == b"HTTP/") else { return Ok(None) };
        let Some(mut head) = head(&mut [&extra[from..], b"\r\n\r\n"].concat().as_slice())? else {
            return Ok(None);
        };
        let field =
            |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (cached, saved, charset) = (field("x-in-cache"), field("x-save"), field("x-charset"));
        if let (Some(charset), Some(kind)) = (charset, field("content-type"))
            && !kind.contains("charset")
            && let Ok(value) = HeaderValue::from_str(&format!("{kind}; charset={charset}"))
        {
            head.headers.insert(CONTENT_TYPE, value);
        }
        // Bodies in the cache are as they were read, not as they were sent.
        head.headers.remove(CONTENT_ENCODING);
        head.headers.remove(TRANSFER_ENCODING);
        Ok(Some(CachedFile { at, url, head, cached: cached.as_deref() == Some("1"), saved }))
    }

    fn is_page(&self) -> bool {
        self.head.status == 200 && content_type(&self.head.headers).map(Media::of_type) == Some(Media::Html)
    }

    #[expect(clippy::too_many_arguments, reason = "everything that a body may be found by")]
    fn take(
        self,
        key: String,
        good: Good,
        zip: &mut ZipArchive<File>,
        files: &Files,
        archive: &Path,
        modified: SystemTime,
        intake: &mut Intake<'_>,
    ) -> Result<(), ImportError> {
        let entry = self.saved.as_ref().and_then(|saved| files.entries.get(saved.trim_start_matches("./")));
        // The files have the times at which they were changed on the site; the cache was closed when all had been taken.
        let taken_at = modified;
        let answer = Answer {
            key,
            status: self.head.status,
            headers: self.head.headers.clone(),
            taken_at,
            class: None,
            notes: Notes::default(),
        };
        if good == Good::Redirect {
            return intake.page(answer, None);
        }
        let broken = |e| ImportError::of_entry(&shown(self.url.as_str()), archive, e);
        let arrived = if self.cached {
            let packed = zip.by_index(self.at).map_err(|e| broken(super::wacz::broken(e)))?;
            if packed.size() > BODY {
                return Err(ImportError::Entry { entry: shown(self.url.as_str()), why: Unfit::Huge });
            }
            let (_, count) = Counted::new(io::empty());
            count.set(packed.compressed_size());
            let plain = BufReader::new(Unpacked::new(packed, count));
            intake.answer(self.url.as_str(), archive, &self.head.headers, plain)?
        } else if let Some(entry) = entry {
            let body = files.open(entry).map_err(broken)?;
            intake.answer(self.url.as_str(), archive, &self.head.headers, BufReader::new(body))?
        } else {
            intake.leave(Reason::NoBody, self.url.as_str());
            return Ok(());
        };
        match arrived {
            Some(arrived) => intake.page(answer, Some(arrived)),
            None => {
                intake.leave(Reason::Broken, self.url.as_str());
                Ok(())
            }
        }
    }
}
