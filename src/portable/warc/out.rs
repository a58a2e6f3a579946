//! The records of a snapshot: for each page a response, or a revisit where its body has been written before, and the
//! request that it answers.
//!
//! Stored bodies are plain, whatever they were packed with on the way, and so are the fields: Content-Length is
//! theirs, and there is no Content-Encoding. What WARC has no field for (the key where it is not to be had from the
//! address, the class, the notes) stands in fields of our own, which other readers pass over (section 4 of the standard).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::io::{self, Write};

use http::StatusCode;

use super::super::Progress;
use super::super::base::Base;
use super::super::body::{Body, Source};
use super::super::digest::{Sha1, each_chunk, short};
use super::super::export::Failed;
use super::super::lines::{notes_of, time_text};
use super::record::{Span, Writer};
use crate::clock::Now;
use crate::crawl::USER_AGENT_VALUE;
use crate::snapshot::{BlobId, Page};

/// The page's key.
pub(in super::super) const KEY: &str = "Katahai-Key";
/// Its class.
pub(in super::super) const CLASS: &str = "Katahai-Class";
/// What the crawler noted, in JSON.
pub(in super::super) const NOTES: &str = "Katahai-Notes";

const SAME: &str = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest";

/// A record of a page, for whoever makes an index.
pub(in super::super) struct Capture<'a> {
    pub(in super::super) page: &'a Page,
    pub(in super::super) body: &'a Body,
    pub(in super::super) url: &'a str,
    pub(in super::super) digest: &'a str,
    pub(in super::super) span: Span,
    pub(in super::super) revisit: bool,
}

/// The first record with a body.
struct First {
    digest: String,
    id: String,
    url: String,
    date: String,
}

/// Writes all records.
pub(in super::super) fn write<W: Write>(
    source: &Source<'_>,
    base: &Base,
    now: Now,
    out: &mut Writer<W>,
    each: &mut dyn FnMut(Capture<'_>) -> io::Result<()>,
    progress: &dyn Fn(Progress),
) -> Result<Progress, Failed> {
    let summary = source.snapshot().summary();
    let mut so_far =
        Progress { total: summary.pages + summary.files + summary.redirects, ..Progress::default() };
    let info = format!(
        "software: katahai/{}\r\nformat: WARC File Format 1.1\r\n\
         conformsTo: http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n\
         http-header-user-agent: {USER_AGENT_VALUE}\r\nisPartOf: {}\r\ndescription: snapshot {} of {}\r\n",
        env!("CARGO_PKG_VERSION"),
        summary.site,
        summary.id,
        base.origin(),
    );
    let name = format!("{}/{}", summary.site, summary.id);
    let info_id = id(&format!("info {name}"));
    let date = time_text(now.wall);
    let fields = [
        ("WARC-Type", "warcinfo"),
        ("WARC-Record-ID", &*info_id),
        ("WARC-Date", &*date),
        ("Content-Type", "application/warc-fields"),
    ];
    out.record(&fields, info.as_bytes(), 0, &mut io::empty())?;
    let mut firsts: HashMap<BlobId, First> = HashMap::new();
    for page in source.pages(true) {
        let page = page?;
        let Some((page, mut body)) = source.body(&page)? else { continue };
        let one = One { name: &name, info: &info_id, base, page: &page };
        one.write(&mut body, &mut firsts, out, each)?;
        so_far.done += 1;
        so_far.bytes += body.len();
        progress(so_far);
    }
    Ok(so_far)
}

/// One page.
struct One<'a> {
    name: &'a str,
    info: &'a str,
    base: &'a Base,
    page: &'a Page,
}

impl One<'_> {
    fn write<W: Write>(
        &self,
        body: &mut Body,
        firsts: &mut HashMap<BlobId, First>,
        out: &mut Writer<W>,
        each: &mut dyn FnMut(Capture<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let page = self.page;
        let (url, date) = (self.base.url(&page.key), time_text(page.taken_at));
        let response = id(&format!("response {} {}", self.name, page.key));
        let head = head(page, body.len());
        let first = page.body.filter(|_| body.len() > 0).map(|blob| firsts.entry(blob));
        if let Some(Entry::Occupied(first)) = &first {
            let first = first.get();
            let mut block = Sha1::new();
            block.update(&head);
            let refers = [
                ("WARC-Profile", SAME),
                ("WARC-Refers-To", &*first.id),
                ("WARC-Refers-To-Target-URI", &*first.url),
                ("WARC-Refers-To-Date", &*first.date),
            ];
            let block = block.field();
            let fields = self.fields("revisit", (&response, &url, &date), &first.digest, &block, &refers);
            let span = out.record(&borrowed(&fields), &head, 0, &mut io::empty())?;
            each(Capture { page, body, url: &url, digest: &first.digest, span, revisit: true })?;
            return self.request(out, &response, &url, &date);
        }
        let (mut payload, mut block) = (Sha1::new(), Sha1::new());
        block.update(&head);
        let len = each_chunk(body, |chunk| {
            payload.update(chunk);
            block.update(chunk);
        })?;
        body.rewind();
        let (digest, block) = (payload.field(), block.field());
        let fields = self.fields("response", (&response, &url, &date), &digest, &block, &[]);
        let span = out.record(&borrowed(&fields), &head, len, body)?;
        each(Capture { page, body, url: &url, digest: &digest, span, revisit: false })?;
        self.request(out, &response, &url, &date)?;
        if let Some(Entry::Vacant(first)) = first {
            first.insert(First { digest, id: response, url, date });
        }
        Ok(())
    }

    fn fields<'f>(
        &'f self,
        kind: &'f str,
        (id, url, date): (&'f str, &'f str, &'f str),
        payload: &'f str,
        block: &'f str,
        more: &[(&'f str, &'f str)],
    ) -> Vec<(&'f str, std::borrow::Cow<'f, str>)> {
        let notes = notes_of(self.page);
        let mut fields =
            vec![("WARC-Type", kind), ("WARC-Record-ID", id), ("WARC-Target-URI", url), ("WARC-Date", date)];
        fields.extend(more);
        fields.extend([
            ("WARC-Warcinfo-ID", self.info),
            ("WARC-Payload-Digest", payload),
            ("WARC-Block-Digest", block),
            ("Content-Type", "application/http;msgtype=response"),
            (KEY, &*self.page.key),
            (CLASS, self.page.class.as_str()),
        ]);
        let mut fields: Vec<_> = fields.into_iter().map(|(name, value)| (name, value.into())).collect();
        if !notes.is_empty() {
            fields.push((NOTES, serde_json::Value::Object(notes).to_string().into()));
        }
        fields
    }

    /// What the crawler asked, in essence.
    fn request<W: Write>(
        &self,
        out: &mut Writer<W>,
        response: &str,
        url: &str,
        date: &str,
    ) -> io::Result<()> {
        let (host, target) = self.base.request(&self.page.key);
        let block =
            format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT_VALUE}\r\n\r\n");
        let mut digest = Sha1::new();
        digest.update(block.as_bytes());
        let (own, digest) = (id(&format!("request {} {}", self.name, self.page.key)), digest.field());
        let fields = [
            ("WARC-Type", "request"),
            ("WARC-Record-ID", &*own),
            ("WARC-Target-URI", url),
            ("WARC-Date", date),
            ("WARC-Concurrent-To", response),
            ("WARC-Warcinfo-ID", self.info),
            ("WARC-Block-Digest", &*digest),
            ("Content-Type", "application/http;msgtype=request"),
        ];
        out.record(&fields, block.as_bytes(), 0, &mut io::empty()).map(drop)
    }
}

fn borrowed<'a>(fields: &'a [(&'a str, std::borrow::Cow<'a, str>)]) -> Vec<(&'a str, &'a str)> {
    fields.iter().map(|(name, value)| (*name, &**value)).collect()
}

/// The answer without its body, as it would have come over HTTP/1.1.
fn head(page: &Page, len: u64) -> Vec<u8> {
    let reason = StatusCode::from_u16(page.status).ok().and_then(|status| status.canonical_reason());
    let mut head = format!("HTTP/1.1 {} {}\r\n", page.status, reason.unwrap_or("")).into_bytes();
    for (name, value) in &page.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(format!("content-length: {len}\r\n\r\n").as_bytes());
    head
}

/// A name for a record, made of what it is about (UUID version 8, RFC 9562): an export made twice is the same.
fn id(about: &str) -> String {
    let number = short(about) & !(0xF << 76 | 0xC << 60) | 0x8 << 76 | 0x8 << 60;
    let digits = format!("{number:032x}");
    let mut id = String::from("<urn:uuid:");
    for (at, digit) in digits.char_indices() {
        if matches!(at, 8 | 12 | 16 | 20) {
            id.push('-');
        }
        let _ = id.write_char(digit);
    }
    id.push('>');
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named_as_uuids() {
        let id = id("x");
        let parts: Vec<&str> = id.trim_start_matches("<urn:uuid:").trim_end_matches('>').split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
        assert!(parts[2].starts_with('8') && parts[3].starts_with(['8', '9', 'a', 'b']), "{id}");
        assert_ne!(id, super::id("y"));
    }
}
