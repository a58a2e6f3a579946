//! A snapshot as a tree of files.

use std::io::{self, BufRead as _, BufReader, Cursor, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::SystemTime;

use http::{HeaderMap, header};

use super::Progress;
use super::base::Base;
use super::body::Source;
use super::export::Failed;
use super::lines::{Head, Line, PLACE, VERSION, time_text};
use super::names::{HEADERS, NGINX, NGINX_MAP, Names, REDIRECTS};
use super::nginx::Nginx;
use super::rules::Rules;
use super::sink::Sink;
use crate::content::media::Media;
use crate::disk;
use crate::snapshot::{Class, Page};

/// Writes the pages, the rules for servers, and the manifest. `scratch`: where the manifest grows meanwhile.
pub(super) fn write(
    source: &Source<'_>,
    base: &Base,
    scratch: &Path,
    sink: &mut dyn Sink,
    progress: &dyn Fn(Progress),
) -> Result<Progress, Failed> {
    let (mut names, mut rules, mut nginx) =
        (Names::default(), Rules::default(), Nginx::new(&source.snapshot().id().to_string()));
    let mut so_far = Progress::default();
    for page in source.pages(true) {
        let page = page?;
        if has_file(&page) {
            names.claim(&page.key, is_html(&page));
        }
        rules.survey(&page);
        nginx.survey(&page);
        so_far.total += 1;
    }
    nginx.settle();
    let mut manifest = io::BufWriter::new(disk::scratch(scratch)?);
    let head = head(source, base);
    let taken_at = source.snapshot().summary().taken_at;
    serde_json::to_writer(&mut manifest, &head).map_err(io::Error::from)?;
    manifest.write_all(b"\n")?;
    for page in source.pages(false) {
        let page = page?;
        let file = if has_file(&page) {
            names.file(&page.key, is_html(&page), content_type(&page))
        } else {
            String::new()
        };
        let Some((page, mut body)) = source.body(&page)? else { continue };
        if !file.is_empty() {
            sink.file(&file, body.len(), modified(&page), &mut body)?;
        }
        let path = page.key.split('?').next().unwrap_or_default();
        rules.add(&page, &file, names.has_file_at(path));
        nginx.add(&page, &file);
        serde_json::to_writer(&mut manifest, &Line::of(&page, &file)).map_err(io::Error::from)?;
        manifest.write_all(b"\n")?;
        so_far.done += 1;
        so_far.bytes += body.len();
        progress(so_far);
    }
    let ((redirects, headers), (server, maps)) = (rules.finish(), nginx.finish());
    for (name, text) in [(REDIRECTS, redirects), (HEADERS, headers), (NGINX, server), (NGINX_MAP, maps)] {
        sink.file(name, text.len() as u64, taken_at, &mut Cursor::new(text))?;
    }
    let mut manifest = manifest.into_inner().map_err(io::IntoInnerError::into_error)?;
    let len = manifest.seek(SeekFrom::End(0))?;
    manifest.rewind()?;
    let mut manifest = BufReader::new(manifest);
    manifest.fill_buf()?;
    sink.file(PLACE, len, taken_at, &mut manifest)?;
    Ok(so_far)
}

fn head(source: &Source<'_>, base: &Base) -> Head {
    let summary = source.snapshot().summary();
    Head {
        katahai_export: VERSION,
        site: summary.site,
        address: base.origin(),
        snapshot: summary.id.to_string(),
        taken_at: time_text(summary.taken_at),
        written_by: concat!("katahai ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

/// A redirect without a body needs no file; every other page has one, be it empty.
fn has_file(page: &Page) -> bool {
    page.class != Class::Redirect || page.body.is_some()
}

/// Whether a page is HTML, by its Content-Type; by its class where it has none.
pub(super) fn is_html(page: &Page) -> bool {
    let fields = page.headers.iter().filter(|(name, _)| *name == header::CONTENT_TYPE).cloned();
    let map: HeaderMap = fields.collect();
    if map.is_empty() { page.class == Class::Page } else { Media::of("", &map, b"").is_page() }
}

pub(super) fn content_type(page: &Page) -> &str {
    let value = page.headers.iter().find(|(name, _)| *name == header::CONTENT_TYPE);
    value.and_then(|(_, value)| value.to_str().ok()).unwrap_or("")
}

/// What a server will say of the file: the site's own word, or when it was taken.
fn modified(page: &Page) -> SystemTime {
    let said = page.headers.iter().find(|(name, _)| *name == header::LAST_MODIFIED);
    let said = said.and_then(|(_, value)| httpdate::parse_http_date(value.to_str().ok()?).ok());
    said.unwrap_or(page.taken_at).max(SystemTime::UNIX_EPOCH)
}
