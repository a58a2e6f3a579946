//! WACZ 1.1.1: a WARC file with an index, a list of pages and their digests, in a zip file in which nothing is packed
//! that is packed already, so that readers may take out a part of it.

use std::io::{self, Seek, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use zip::write::{SimpleFileOptions, ZipWriter};

use zip::ZipArchive;

use super::base::Base;
use super::body::Source;
use super::bounds::Unfit;
use super::digest::{Tally, sha256};
use super::export::Failed;
use super::lines::time_text;
use super::surt::{surt, timestamp};
use super::tree::{content_type, is_html};
use super::warc::{self, Capture};
use super::{Progress, warc::Writer};
use crate::clock::Now;
use crate::content::media::essence;
use crate::content::tags::{Comments, HtmlToken, Tags};
use crate::content::{charset, entity};
use crate::snapshot::Class;

pub(super) const ARCHIVE: &str = "archive/data.warc.gz";
const WARC: &str = "data.warc.gz";
const INDEX: &str = "index.cdx.gz";

/// Lines of the index that are packed together.
const BLOCK: usize = 3000;
/// Bytes of a page in which its title is looked for, and of a title.
const TITLE_WITHIN: usize = 64 << 10;
const TITLE: usize = 300;

/// Writes the zip file.
pub(super) fn write(
    source: &Source<'_>,
    base: &Base,
    now: Now,
    out: &mut (impl Write + Seek),
    progress: &dyn Fn(Progress),
) -> Result<Progress, Failed> {
    let mut zip = Zip { inner: ZipWriter::new(io::BufWriter::new(out)), resources: Vec::new() };
    let (mut index, mut pages) = (Vec::new(), Vec::new());
    zip.inner.start_file(ARCHIVE, stored()).map_err(broken)?;
    let mut records = Writer::new(Tally::new(&mut zip.inner), true);
    let each = &mut |capture: Capture<'_>| {
        index.push(index_line(&capture));
        pages.extend(page_line(&capture)?);
        Ok(())
    };
    let done = warc::write(source, base, now, &mut records, each, progress)?;
    let (len, digest) = records.finish()?.finish();
    zip.note(ARCHIVE, len, &digest);
    index.sort_unstable();
    zip.index(&index)?;
    // The start page first: it is what readers show.
    pages.sort_by(|(a, _), (b, _)| (a != "/").cmp(&(b != "/")).then_with(|| a.cmp(b)));
    let mut listed = json!({ "format": "json-pages-1.0", "id": "pages", "title": "All Pages" }).to_string();
    listed.push('\n');
    for (_, line) in &pages {
        listed.push_str(line);
        listed.push('\n');
    }
    zip.add("pages/pages.jsonl", listed.as_bytes())?;
    let summary = source.snapshot().summary();
    let package = json!({
        "profile": "data-package",
        "wacz_version": "1.1.1",
        "title": base.host(),
        "description": format!("Snapshot {} of {}, taken {}.", summary.id, base.origin(), time_text(summary.taken_at)),
        "created": time_text(now.wall),
        "modified": time_text(now.wall),
        "software": concat!("katahai ", env!("CARGO_PKG_VERSION")),
        "mainPageUrl": base.url("/"),
        "resources": zip.resources,
    });
    let package = serde_json::to_vec_pretty(&package).map_err(io::Error::from)?;
    zip.add("datapackage.json", &package)?;
    let digest = json!({ "path": "datapackage.json", "hash": format!("sha256:{}", sha256(&package)) });
    zip.add("datapackage-digest.json", digest.to_string().as_bytes())?;
    zip.inner.finish().map_err(broken)?.flush()?;
    Ok(done)
}

struct Zip<W: Write + Seek> {
    inner: ZipWriter<W>,
    resources: Vec<serde_json::Value>,
}

impl<W: Write + Seek> Zip<W> {
    fn note(&mut self, path: &str, len: u64, digest: &str) {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.resources
            .push(json!({ "name": name, "path": path, "hash": format!("sha256:{digest}"), "bytes": len }));
    }

    fn add(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.start_file(path, stored()).map_err(broken)?;
        self.inner.write_all(bytes)?;
        self.note(path, bytes.len() as u64, &sha256(bytes));
        Ok(())
    }

    /// The index in packed blocks, and the index of these blocks.
    fn index(&mut self, lines: &[String]) -> io::Result<()> {
        let path = format!("indexes/{INDEX}");
        self.inner.start_file(&*path, stored()).map_err(broken)?;
        let mut second = format!("!meta 0 {}\n", json!({ "format": "cdxj-gzip-1.0", "filename": INDEX }));
        let mut out = Tally::new(&mut self.inner);
        for block in lines.chunks(BLOCK) {
            let mut packed = GzEncoder::new(Vec::new(), Compression::default());
            for line in block {
                packed.write_all(line.as_bytes())?;
                packed.write_all(b"\n")?;
            }
            let (packed, offset) = (packed.finish()?, out.written());
            out.write_all(&packed)?;
            let first = block.first().and_then(|line| line.split_once(" {")).map_or("", |(key, _)| key);
            let place = json!({ "offset": offset, "length": packed.len(), "digest": format!("sha256:{}", sha256(&packed)), "filename": INDEX });
            second.push_str(&format!("{first} {place}\n"));
        }
        let (len, digest) = out.finish();
        self.note(&path, len, &digest);
        self.add("indexes/index.idx", second.as_bytes())
    }
}

/// Not packed, and free to grow beyond 4 GiB.
fn stored() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored).large_file(true)
}

/// Opens a zip file that nobody vouches for: no two entries may share bytes, as those of bombs do.
pub(super) fn opened<R: io::Read + Seek>(file: R) -> io::Result<ZipArchive<R>> {
    let mut zip = ZipArchive::new(file).map_err(broken)?;
    if zip.has_overlapping_files().map_err(broken)? {
        return Err(Unfit::Bomb.io());
    }
    Ok(zip)
}

pub(super) fn broken(error: zip::result::ZipError) -> io::Error {
    if let zip::result::ZipError::Io(error) = error { error } else { io::Error::other(error) }
}

fn index_line(capture: &Capture<'_>) -> String {
    let page = capture.page;
    let mime = if capture.revisit {
        "warc/revisit".to_owned()
    } else {
        essence(content_type(page)).to_ascii_lowercase()
    };
    let about = json!({
        "url": capture.url,
        "mime": if mime.is_empty() { "unk" } else { &mime },
        "status": page.status,
        "digest": capture.digest,
        "length": capture.span.len,
        "offset": capture.span.offset,
        "filename": WARC,
    });
    format!("{} {} {about}", surt(capture.url), timestamp(page.taken_at))
}

/// A line of the list of pages, with the key to sort by.
fn page_line(capture: &Capture<'_>) -> io::Result<Option<(String, String)>> {
    let page = capture.page;
    if page.class != Class::Page || !is_html(page) {
        return Ok(None);
    }
    let mut line = json!({
        "id": page.body.map(|body| body.to_string()[..16].to_owned()),
        "url": capture.url,
        "ts": time_text(page.taken_at),
        "size": capture.body.len(),
    });
    let start = capture.body.beginning(TITLE_WITHIN)?;
    if let Some(title) = title(&charset::html(&start, Some(content_type(page))).0) {
        line["title"] = title.into();
    }
    Ok(Some((page.key.clone(), line.to_string())))
}

/// What stands in the first `<title>`.
fn title(html: &str) -> Option<String> {
    let mut tags = Tags::of(html, Comments::Html);
    tags.find(|token| matches!(token, HtmlToken::Tag(tag) if tag.starts("title")))?;
    let text = Some(tags.raw_text("title")).filter(|_| !tags.is_cut())?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let title: String = entity::decode_text(&words.join(" ")).chars().take(TITLE).collect();
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_read_as_people_see_them() {
        for (html, expected) in [
            ("<!doctype html><TITLE lang=ja>\n 花 &amp;\n 季節 </Title>", Some("花 & 季節")),
            ("<title></title>", None),
            ("<title>x", None),
            ("<p>no title", None),
        ] {
            assert_eq!(title(html).as_deref(), expected, "{html}");
        }
    }
}
