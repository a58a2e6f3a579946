//! Imported pages are judged like answers from the network: by the crawler's rules for what may be stored.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};
use std::path::Path;
use std::time::SystemTime;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG, LOCATION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::bounds::{BODY, Unfit};
use super::error::{ImportError, shown};
use super::{Progress, coded};
use crate::content::links::Need;
use crate::content::media::Media;
use crate::crawl::Refusal;
use crate::crawl::accept::headers::KEPT;
use crate::crawl::accept::privacy;
use crate::crawl::accept::status::{self, Head};
use crate::http::coding;
use crate::snapshot::{BlobId, Class, Notes, Page, StageError, Staging};

/// Examples that are kept of each reason.
const EXAMPLES: usize = 3;
/// Bytes of a body that tell what it is.
const START: usize = 64 << 10;
/// Header fields of one page, and bytes of their values.
const FIELDS: usize = 64;
const FIELD_BYTES: usize = 32 << 10;

macro_rules! reasons {
    ($($name:ident: $code:literal, $sentence:literal;)+) => {
        /// Why something was left out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            /// The crawler would not store it either.
            Refused(Refusal),
            $(#[doc = $sentence] $name,)+
        }

        impl Reason {
            /// The stable code: in reports and logs.
            pub fn code(self) -> &'static str {
                match self { Reason::Refused(refusal) => refusal.code(), $(Reason::$name => $code,)+ }
            }

            /// What it means, for the owner.
            pub fn sentence(self) -> &'static str {
                match self { Reason::Refused(refusal) => refusal.sentence(), $(Reason::$name => $sentence,)+ }
            }
        }
    };
}

reasons! {
    OtherHost: "other-host", "It is another site's.";
    Older: "older", "There is a newer or better one of the same address.";
    Later: "later", "It is from after the time that was asked for.";
    Trouble: "trouble", "The site was in trouble when it was taken (5xx, 429).";
    NotHttp: "not-http", "It is no answer of a web server.";
    BadAddress: "bad-address", "Its address cannot be one of a page.";
    NoBody: "no-body", "It stands for one that is not in this archive.";
    Broken: "broken", "Its body is damaged, cut, or packed in a way that is not known.";
    Special: "special", "It is a link or a device.";
    OfTheTool: "of-the-tool", "The tool that made the mirror wrote it; it is not the site's.";
}

/// What was left out for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The reason's code.
    pub reason: &'static str,
    /// The same for people.
    pub sentence: &'static str,
    /// How many.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<String>,
}

/// Where pages go.
pub(super) struct Intake<'a> {
    pub(super) staging: &'a Staging,
    progress: &'a dyn Fn(Progress),
    so_far: Progress,
    left: BTreeMap<Reason, LeftOut>,
}

/// A staged body.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub(super) blob: BlobId,
    pub(super) start: Vec<u8>,
    /// Whether a content coding was taken off.
    pub(super) unpacked: bool,
}

impl<'a> Intake<'a> {
    pub(super) fn new(staging: &'a Staging, progress: &'a dyn Fn(Progress)) -> Intake<'a> {
        Intake { staging, progress, so_far: Progress::default(), left: BTreeMap::new() }
    }

    pub(super) fn expect(&mut self, total: u64) {
        self.so_far.total = total;
    }

    pub(super) fn added(&self) -> u64 {
        self.so_far.done
    }

    pub(super) fn leave(&mut self, reason: Reason, example: &str) {
        let (code, sentence) = (reason.code(), reason.sentence());
        let left = LeftOut { reason: code, sentence, count: 0, examples: Vec::new() };
        let left = self.left.entry(reason).or_insert(left);
        left.count += 1;
        if left.examples.len() < EXAMPLES {
            left.examples.push(shown(example));
        }
    }

    /// What was left out, the most first.
    pub(super) fn left_out(self) -> Vec<LeftOut> {
        let mut all: Vec<LeftOut> = self.left.into_values().collect();
        all.sort_by_key(|left| std::cmp::Reverse(left.count));
        all
    }

    /// Stages a body, chunk by chunk.
    pub(super) fn body(
        &mut self,
        entry: &str,
        archive: &Path,
        body: &mut dyn Read,
    ) -> Result<Arrived, ImportError> {
        let mut writer = self.staging.blob();
        let (mut chunk, mut start) = (vec![0; 64 << 10], Vec::new());
        loop {
            let read = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(ImportError::of_entry(entry, archive, e)),
            };
            if start.len() < START {
                start.extend_from_slice(&chunk[..read.min(START - start.len())]);
            }
            writer.write(&chunk[..read])?;
            if writer.written() > BODY {
                return Err(ImportError::Entry { entry: shown(entry), why: Unfit::Huge });
            }
        }
        self.so_far.bytes += writer.written();
        Ok(Arrived { blob: writer.finish()?, start, unpacked: false })
    }

    /// Stages the body of an answer as a visitor has it. `None`: it cannot be undone what it is packed in.
    pub(super) fn answer(
        &mut self,
        entry: &str,
        archive: &Path,
        headers: &HeaderMap,
        body: impl BufRead,
    ) -> Result<Option<Arrived>, ImportError> {
        let plain = coded::plain(headers, body).map_err(|e| ImportError::of_entry(entry, archive, e));
        let (mut plain, unpacked) = match plain {
            Ok(Ok(plain)) => plain,
            Ok(Err(coding::Foreign)) => return Ok(None),
            Err(error) => return error.spoils_one_only().map(|()| None),
        };
        match self.body(entry, archive, &mut plain) {
            Ok(arrived) => Ok(Some(Arrived { unpacked, ..arrived })),
            Err(error) => error.spoils_one_only().map(|()| None),
        }
    }

    /// Adds a page as it is, but for fields that are never stored.
    pub(super) fn add(&mut self, mut page: Page) -> Result<(), ImportError> {
        page.headers = kept(page.headers, false);
        match self.staging.add(page) {
            Ok(()) => {}
            Err(StageError::Oversize(_)) => {
                self.leave(Reason::Refused(Refusal::TooLong), "");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        self.so_far.done += 1;
        (self.progress)(self.so_far);
        Ok(())
    }

    /// Adds the page of an answer.
    pub(super) fn page(&mut self, answer: Answer, arrived: Option<Arrived>) -> Result<(), ImportError> {
        let start = arrived.as_ref().map(|arrived| &*arrived.start).unwrap_or_default();
        let class = answer.class.unwrap_or_else(|| {
            let is_page = Media::of(&answer.key, &answer.headers, start).is_page();
            match arrived {
                None => Class::Redirect,
                Some(_) if is_page => Class::Page,
                Some(_) => Class::Asset,
            }
        });
        let unpacked = arrived.as_ref().is_some_and(|arrived| arrived.unpacked);
        let fields = answer.headers.iter().map(|(name, value)| (name.clone(), value.clone()));
        let page = Page {
            key: answer.key,
            status: answer.status,
            headers: kept(fields.collect(), unpacked),
            body: arrived.map(|arrived| arrived.blob),
            len: 0,
            taken_at: answer.taken_at,
            class,
            notes: answer.notes,
        };
        self.add(page)
    }
}

/// An answer that was accepted.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) key: String,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) taken_at: SystemTime,
    pub(super) class: Option<Class>,
    pub(super) notes: Notes,
}

/// What an answer is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Good {
    Body,
    Redirect,
}

/// Judges an answer by its status and fields.
pub(super) fn judge(status: u16, headers: &HeaderMap) -> Result<Good, Reason> {
    let status = StatusCode::from_u16(status).map_err(|_| Reason::NotHttp)?;
    match status::head(status, headers) {
        Head::Body => Ok(Good::Body),
        Head::Later => Err(Reason::Trouble),
        Head::Refused(refusal) => Err(Reason::Refused(refusal)),
        Head::Redirect => {
            let to = headers.get(LOCATION).and_then(|value| value.to_str().ok());
            let to = to.ok_or(Reason::Refused(Refusal::BadLocation))?;
            privacy::redirect_to(to, Need::Link, headers).map_err(Reason::Refused)?;
            Ok(Good::Redirect)
        }
    }
}

/// The fields that are stored, in their order. What was about the body on the wire is not.
fn kept(fields: Vec<(HeaderName, HeaderValue)>, unpacked: bool) -> Vec<(HeaderName, HeaderValue)> {
    const WIRE: [HeaderName; 3] = [CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING];
    let mut room = FIELD_BYTES;
    let wanted = fields.into_iter().filter(|(name, _)| {
        KEPT.binary_search(&name.as_str()).is_ok() && !WIRE.contains(name) && !(unpacked && *name == ETAG)
    });
    let fitting = wanted.filter(|(_, value)| {
        let fits = value.len() <= room;
        room -= if fits { value.len() } else { 0 };
        fits
    });
    fitting.take(FIELDS).collect()
}
