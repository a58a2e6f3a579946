//! From copies to answers: the part that a request gets, from memory or from a file.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Frame, SizeHint};

use crate::ask::Ask;
use crate::failure::{Cause, Failure};
use crate::http::Body;
use crate::http::copy::{Selected, select};
use crate::http::range::slice;
use crate::tasks;

/// How much of a file is read at a time.
const CHUNK: u64 = 64 * 1024;

/// Where the whole body of a copy is.
pub enum Source {
    /// In memory.
    Whole(Bytes),
    /// In a file of this length.
    File(Arc<File>, u64),
}

impl Source {
    fn len(&self) -> u64 {
        match self {
            Source::Whole(bytes) => bytes.len() as u64,
            Source::File(_, len) => *len,
        }
    }
}

/// The answer that a request gets from a copy: conditions, ranges and HEAD applied.
pub(super) fn copy(ask: &Ask, status: StatusCode, mut headers: HeaderMap, source: Source) -> Response<Body> {
    let (status, selected) = select(&ask.method, &ask.kept_headers, status, &mut headers, source.len());
    let body = match (selected, source) {
        (Selected::Nothing, _) => Body::Empty,
        (Selected::All, Source::Whole(bytes)) => Body::whole(bytes),
        (Selected::Part(range), Source::Whole(bytes)) => Body::whole(slice(&bytes, &range)),
        (Selected::Parts(parts), Source::Whole(bytes)) => Body::whole(parts.cut_from(&bytes)),
        (Selected::All, Source::File(file, len)) => file_body(file, [Segment::File(0..len)]),
        (Selected::Part(range), Source::File(file, _)) => file_body(file, [Segment::File(range)]),
        (Selected::Parts(parts), Source::File(file, _)) => {
            let each = parts.parts.into_iter();
            let segments = each.flat_map(|part| [Segment::Bytes(part.head), Segment::File(part.range)]);
            file_body(file, segments.chain([Segment::Bytes(parts.tail)]))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A part of a body.
pub(super) enum Segment {
    /// At hand.
    Bytes(Bytes),
    /// In the file.
    File(Range<u64>),
}

/// A body of these segments, read on demand.
pub(super) fn file_body(file: Arc<File>, segments: impl IntoIterator<Item = Segment>) -> Body {
    let segments: VecDeque<Segment> = segments.into_iter().collect();
    let left = segments.iter().map(Segment::len).sum();
    Body::stream(FileBody { file, segments, left, reading: None })
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Segment::Bytes(bytes) => bytes.len() as u64,
            Segment::File(range) => range.end - range.start,
        }
    }
}

type PendingRead = Pin<Box<dyn Future<Output = Option<std::io::Result<Bytes>>> + Send>>;

/// Parts of a file, read a chunk at a time off the event loop.
struct FileBody {
    file: Arc<File>,
    segments: VecDeque<Segment>,
    left: u64,
    reading: Option<PendingRead>,
}

impl FileBody {
    fn start(&mut self, range: Range<u64>) -> &mut PendingRead {
        let file = self.file.clone();
        self.reading.insert(Box::pin(tasks::blocking(move || {
            let mut chunk = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
            file.read_exact_at(&mut chunk, range.start).map(|()| Bytes::from(chunk))
        })))
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let this = self.get_mut();
        let reading = match &mut this.reading {
            Some(reading) => reading,
            None => match this.segments.pop_front() {
                None => return Poll::Ready(None),
                Some(Segment::Bytes(bytes)) => {
                    this.left -= bytes.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Segment::File(range)) => {
                    let end = range.end.min(range.start + CHUNK);
                    if end < range.end {
                        this.segments.push_front(Segment::File(end..range.end));
                    }
                    this.start(range.start..end)
                }
            },
        };
        let read = ready!(reading.as_mut().poll(cx));
        this.reading = None;
        Poll::Ready(Some(match read {
            Some(Ok(bytes)) => {
                this.left -= bytes.len() as u64;
                Ok(Frame::data(bytes))
            }
            Some(Err(error)) => Err(Failure::new(Cause::Internal).source(error)),
            None => Err(Failure::new(Cause::Internal).detail("reading a copy was interrupted")),
        }))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::io::Write;

    #[tokio::test]
    async fn parts_of_a_file_come_in_order_and_whole() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..600_000_u32).flat_map(u32::to_le_bytes).collect();
        file.write_all(&content).unwrap();
        let segments = [Segment::Bytes("head".into()), Segment::File(7..2_000_000)];
        let body = file_body(Arc::new(file), segments);
        let read = body.collect().await.unwrap().to_bytes();
        assert_eq!(&read[..4], b"head");
        assert!(read[4..] == content[7..2_000_000]);
    }

    #[tokio::test]
    async fn a_file_that_ends_early_ends_the_answer_in_an_error() {
        let body = file_body(Arc::new(tempfile::tempfile().unwrap()), [Segment::File(0..1)]);
        assert!(body.collect().await.is_err());
    }
}
