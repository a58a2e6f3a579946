//! A file that has come: read for links, judged, and staged.

use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

use super::End;
use super::conditional::Kept;
use super::receive::Arrived;
use crate::content::document::Document;
use crate::content::links::Need;
use crate::content::media::{Media, content_type};
use crate::crawl::accept::appraise::{self, Unfit, appraise};
use crate::crawl::accept::extract::{self, Findings, ReadAs};
use crate::crawl::accept::headers::kept;
use crate::crawl::accept::own_links::led_to_site;
use crate::crawl::scope::Scope;
use crate::snapshot::{BlobId, Class, Notes, Page};

/// A file on its way into the snapshot.
pub(crate) struct IncomingFile {
    pub(crate) key: String,
    pub(crate) need: Need,
    pub(crate) found_on: Option<Arc<str>>,
    pub(crate) reading: ReadAs,
    pub(crate) url: Url,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) scope: Scope,
    pub(crate) taken_at: SystemTime,
}

impl IncomingFile {
    /// Reads a body for links, and stages it if nothing in it speaks against that. Blocks.
    pub(crate) fn keep(self, arrived: Arrived, reader: Option<OwnedSemaphorePermit>) -> End {
        let (class, findings) = match self.read(arrived.beginning(), arrived.len) {
            Ok(read) => read,
            Err(unfit) => return unfit.into(),
        };
        // Whoever is next may read while this is written.
        drop(reader);
        // What is larger than that, and no page or sheet, is stored as it came.
        let whole = arrived.is_at_hand().then(|| self.led_to_site(&arrived.rest)).flatten();
        let Arrived { mut writer, rest, len, unpacked, .. } = arrived;
        // An entity tag is about the body as it came.
        let (rest, len, changed) = match whole {
            Some(led) => (led.0, led.1, true),
            None => (rest, len, unpacked),
        };
        match writer.write(&rest).and_then(|()| writer.finish()) {
            Ok(body) => self.end(class, (body, len), changed, findings),
            Err(error) => End::Stage(error),
        }
    }

    /// The body and its length, if it has links to an origin's own address.
    fn led_to_site(&self, body: &[u8]) -> Option<(Vec<u8>, u64)> {
        if !matches!(Media::of(&self.key, &self.headers, body), Media::Html | Media::Xhtml | Media::Css) {
            return None;
        }
        let led = led_to_site(body, self.scope.origins(), self.scope.host())?;
        let len = led.len() as u64;
        Some((led, len))
    }

    /// The same for a body that is staged, because it has not changed.
    pub(crate) fn again(self, kept: &Kept) -> End {
        match self.read(&kept.beginning, kept.len) {
            Ok((class, findings)) => {
                let findings = Findings { unchanged: true, ..findings };
                self.end(class, (kept.body, kept.len), false, findings)
            }
            Err(unfit) => unfit.into(),
        }
    }

    /// Reads the beginning of a body of `len` bytes.
    fn read(&self, body: &[u8], len: u64) -> Result<(Class, Findings), Unfit> {
        let IncomingFile { key, need, reading, url, headers, .. } = self;
        let media = Media::of(key, headers, body);
        let found_on = self.found_on.as_deref();
        let page = &Document::new(body, content_type(headers));
        let file = extract::File { key, need: *need, found_on, url, headers, media, reading: *reading, page };
        let findings = appraise(&file, self.status, len <= body.len() as u64, &self.scope)?;
        Ok((if appraise::is_page(&file) { Class::Page } else { Class::Asset }, findings))
    }

    fn end(self, class: Class, (body, len): (BlobId, u64), unpacked: bool, findings: Findings) -> End {
        let IncomingFile { key, status, headers, taken_at, .. } = self;
        let headers = kept(&headers, unpacked);
        let notes = Notes { text: findings.visible.map(|visible| visible.text), ..Notes::default() };
        let page = Page { key, status, headers, body: Some(body), len, taken_at, class, notes };
        End::Body(Box::new(page), Box::new(findings))
    }
}
