//! Receives the body of one answer: decoded, bounded in size and time, complete or not at all. Large ones go straight to the
//! disk; the beginning of those that must be read for links stays in memory.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::crawl::refusal::Refusal;
use crate::failure::Cause;
use crate::http::Body;
use crate::http::coding::{self, DecodeError, Decoder};
use crate::snapshot::{BlobWriter, StageError};
use crate::tasks;

/// Bytes gathered before they go to the disk in one step off the event loop.
const GATHER: usize = 1024 * 1024;

/// How large and how long one file may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of one file, unpacked.
    pub(crate) file: u64,
    /// Without a byte.
    pub(crate) stall: Duration,
    /// From the first byte of the body to its last.
    pub(crate) whole: Duration,
}

/// A complete body. It counts as stored only once the writer is finished.
pub(crate) struct Arrived {
    /// Has what does not stand in `rest`.
    pub(crate) writer: BlobWriter,
    /// The last bytes.
    pub(crate) rest: Vec<u8>,
    /// The first bytes, where there are more than `rest`; empty where `rest` is all.
    held: Vec<u8>,
    hold: usize,
    /// All bytes, unpacked.
    pub(crate) len: u64,
    /// Whether it came packed.
    pub(crate) unpacked: bool,
}

impl Arrived {
    /// Whether all of it is in `rest`.
    pub(crate) fn is_at_hand(&self) -> bool {
        self.held.is_empty() && self.len == self.rest.len() as u64
    }

    /// The beginning, as far as it was to be held.
    pub(crate) fn beginning(&self) -> &[u8] {
        let all = if self.held.is_empty() { &self.rest } else { &self.held };
        &all[..all.len().min(self.hold)]
    }
}

/// Why a body was not taken.
#[derive(Debug)]
pub(crate) enum Missed {
    /// It is not wanted.
    Refused(Refusal),
    /// It is incomplete.
    Broken(Cause, String),
    /// It could not be written.
    Stage(StageError),
    /// The program is ending.
    Ending,
}

impl From<DecodeError> for Missed {
    fn from(error: DecodeError) -> Missed {
        match error {
            DecodeError::Bomb => Missed::Refused(Refusal::Bomb),
            DecodeError::Damaged => Missed::Broken(Cause::BodyCut, error.to_string()),
        }
    }
}

/// Receives a body; `hold` bytes of its beginning stay in memory.
pub(crate) async fn receive(
    headers: &HeaderMap,
    body: Body,
    writer: BlobWriter,
    bounds: Bounds,
    hold: usize,
) -> Result<Arrived, Missed> {
    let codings = coding::of(headers).map_err(|_| Missed::Refused(Refusal::Coding))?;
    let declared = declared(headers)?;
    if declared.is_some_and(|len| len > bounds.file) {
        return Err(Missed::Refused(Refusal::TooLarge));
    }
    let unpacked = !codings.is_empty();
    let arrived = Arrived { writer, rest: Vec::new(), held: Vec::new(), hold, len: 0, unpacked };
    let reading = read(body, declared, Decoder::new(&codings), arrived, bounds);
    match timeout(bounds.whole, reading).await {
        Ok(read) => read,
        Err(_) => {
            Err(Missed::Broken(Cause::BodyStalled, format!("not whole after {} s", bounds.whole.as_secs())))
        }
    }
}

async fn read(
    mut body: Body,
    declared: Option<u64>,
    mut decoder: Decoder,
    mut arrived: Arrived,
    bounds: Bounds,
) -> Result<Arrived, Missed> {
    let mut raw = 0;
    // A declared length is only believed as far as it costs nothing.
    arrived.rest.reserve(declared.unwrap_or(0).min(GATHER as u64) as usize);
    while let Some(chunk) = next(&mut body, bounds.stall).await? {
        raw += chunk.len() as u64;
        decoder.push(&chunk, |piece| {
            arrived.rest.extend_from_slice(piece);
            arrived.len += piece.len() as u64;
            let fits = arrived.len <= bounds.file;
            fits.then_some(()).ok_or(Missed::Refused(Refusal::TooLarge))
        })?;
        if arrived.rest.len() >= GATHER {
            arrived = flushed(arrived).await?;
        }
    }
    if let Some(declared) = declared.filter(|declared| *declared != raw) {
        return Err(Missed::Broken(Cause::BodyCut, format!("{raw} of {declared} bytes came")));
    }
    if !decoder.is_whole() {
        return Err(DecodeError::Damaged.into());
    }
    Ok(arrived)
}

/// The next bytes; `None` at the end.
async fn next(body: &mut Body, stall: Duration) -> Result<Option<Bytes>, Missed> {
    loop {
        match timeout(stall, body.frame()).await {
            Err(_) => {
                return Err(Missed::Broken(Cause::BodyStalled, format!("silent for {} s", stall.as_secs())));
            }
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(Missed::Broken(Cause::BodyCut, error.to_string())),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Writes what has been gathered, off the event loop.
async fn flushed(mut arrived: Arrived) -> Result<Arrived, Missed> {
    let room = arrived.hold.saturating_sub(arrived.held.len()).min(arrived.rest.len());
    arrived.held.extend_from_slice(&arrived.rest[..room]);
    let written = tasks::blocking(move || {
        arrived.writer.write(&arrived.rest)?;
        arrived.rest.clear();
        Ok(arrived)
    });
    written.await.ok_or(Missed::Ending)?.map_err(Missed::Stage)
}

/// The declared length. Two that differ are an attack or a fault (RFC 9110 section 8.6).
fn declared(headers: &HeaderMap) -> Result<Option<u64>, Missed> {
    let mut declared = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let len = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
        if len.is_none() || declared.is_some() && declared != len {
            return Err(Missed::Broken(Cause::NotHttp, "the declared length is none".to_owned()));
        }
        declared = len;
    }
    Ok(declared)
}

/// Reads the rest of an unwanted answer if it is short, so that its connection can be reused.
pub(crate) async fn discard(mut body: Body) {
    const SHORT: u64 = 64 * 1024;
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len) as u64;
            if read > SHORT {
                return;
            }
        }
    };
    let _ = timeout(Duration::from_secs(1), reading).await;
}
