//! From copies to answers: the part that a request gets, from memory or from a file.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Frame, SizeHint};

use crate::ask::Ask;
use crate::content::edits::{Edits, Piece};
use crate::failure::{Cause, Failure};
use crate::http::Body;
use crate::http::conditional::ETag;
use crate::http::copy::{Selected, select};
use crate::http::range::{Multipart, slice};
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

    fn all(&self) -> Segment {
        self.part(0..self.len())
    }

    fn piece(&self, piece: Piece) -> Segment {
        match piece {
            Piece::Kept(range) => self.part(range),
            Piece::Put(text) => Segment::Bytes(text),
        }
    }

    fn part(&self, range: Range<u64>) -> Segment {
        match self {
            Source::Whole(bytes) => Segment::Bytes(slice(bytes, &range)),
            Source::File(file, _) => Segment::File(file.clone(), range),
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
        (Selected::All, source @ Source::File(..)) => segments([source.all()]),
        (Selected::Part(range), source @ Source::File(..)) => segments([source.part(range)]),
        (Selected::Parts(parts), source @ Source::File(..)) => {
            several(parts, |range| vec![source.part(range.clone())])
        }
    };
    answer(status, headers, body)
}

/// The same from a copy in which something is edited: another representation (RFC 9110 section 8.8.3), with a length and an
/// entity tag of its own, that no cache but the visitor's keeps, and that one not without asking.
pub(super) fn edited(
    ask: &Ask,
    status: StatusCode,
    mut headers: HeaderMap,
    source: Source,
    edits: &Edits,
) -> Response<Body> {
    let Some(len) = edits.length(source.len()).filter(|_| !edits.is_empty()) else {
        return copy(ask, status, headers, source);
    };
    as_edited(&mut headers, edits);
    for name in &OF_OTHERS {
        headers.remove(name);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let (status, selected) = select(&ask.method, &ask.kept_headers, status, &mut headers, len);
    let cut =
        |range: &Range<u64>| edits.pieces(source.len(), range).into_iter().map(|piece| source.piece(piece));
    let body = match selected {
        Selected::Nothing => Body::Empty,
        Selected::All => segments(cut(&(0..len))),
        Selected::Part(range) => segments(cut(&range)),
        Selected::Parts(parts) => several(parts, |range| cut(range).collect()),
    };
    answer(status, headers, body)
}

/// The whole of a body in its edited form.
pub(super) fn all_edited(source: &Source, edits: &Edits) -> Body {
    let len = edits.length(source.len()).unwrap_or_default();
    segments(edits.pieces(source.len(), &(0..len)).into_iter().map(|piece| source.piece(piece)))
}

/// What describes a body as it lies. `Last-Modified` goes as it cannot tell one edition of the same second from another.
const OF_THE_COPY: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::LAST_MODIFIED,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// What tells caches on the way how long they may keep it.
const OF_OTHERS: [HeaderName; 4] = [
    header::EXPIRES,
    header::PRAGMA,
    HeaderName::from_static("cdn-cache-control"),
    HeaderName::from_static("surrogate-control"),
];

/// Makes header fields those of the edited form, but for its length.
pub(super) fn as_edited(headers: &mut HeaderMap, edits: &Edits) {
    let tag = undescribed(headers).and_then(|tag| {
        let opaque = tag.as_bytes().strip_suffix(b"\"").filter(|_| ETag::parse(&tag).is_some())?;
        let tag = [opaque, b"-katahai-", edits.mark().as_bytes(), b"\""].concat();
        HeaderValue::from_bytes(&tag).ok()
    });
    headers.extend(tag.map(|tag| (header::ETAG, tag)));
}

/// Takes out what describes a body that is not given as it lies, and returns its entity tag.
pub(super) fn undescribed(headers: &mut HeaderMap) -> Option<HeaderValue> {
    for name in &OF_THE_COPY {
        headers.remove(name);
    }
    headers.remove(header::ETAG)
}

fn answer(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A part of a body.
pub(super) enum Segment {
    /// At hand.
    Bytes(Bytes),
    /// In a file.
    File(Arc<File>, Range<u64>),
}

/// Several parts of a body with their heads, each cut out by `cut`.
fn several(parts: Multipart, cut: impl Fn(&Range<u64>) -> Vec<Segment>) -> Body {
    let mut all = Vec::new();
    for part in parts.parts {
        all.push(Segment::Bytes(part.head));
        all.extend(cut(&part.range));
    }
    all.push(Segment::Bytes(parts.tail));
    segments(all)
}

/// A body of these segments, read on demand.
pub(super) fn segments(segments: impl IntoIterator<Item = Segment>) -> Body {
    let segments: VecDeque<Segment> = segments.into_iter().collect();
    let left = segments.iter().map(Segment::len).sum();
    Body::stream(Segments { segments, left, reading: None })
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Segment::Bytes(bytes) => bytes.len() as u64,
            Segment::File(_, range) => range.end - range.start,
        }
    }
}

type PendingRead = Pin<Box<dyn Future<Output = Option<std::io::Result<Bytes>>> + Send>>;

/// Parts of bodies; files are read a chunk at a time off the event loop.
struct Segments {
    segments: VecDeque<Segment>,
    left: u64,
    reading: Option<PendingRead>,
}

impl Segments {
    fn start(&mut self, file: Arc<File>, range: Range<u64>) -> &mut PendingRead {
        self.reading.insert(Box::pin(tasks::blocking(move || {
            let mut chunk = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
            file.read_exact_at(&mut chunk, range.start).map(|()| Bytes::from(chunk))
        })))
    }
}

impl http_body::Body for Segments {
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
                Some(Segment::File(file, range)) => {
                    let end = range.end.min(range.start + CHUNK);
                    if end < range.end {
                        this.segments.push_front(Segment::File(file.clone(), end..range.end));
                    }
                    this.start(file, range.start..end)
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
    use crate::content::edits::Edit;
    use http_body_util::BodyExt;
    use std::io::Write;

    fn file(content: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Arc::new(file)
    }

    #[tokio::test]
    async fn parts_of_a_file_come_in_order_and_whole() {
        let content: Vec<u8> = (0..600_000_u32).flat_map(u32::to_le_bytes).collect();
        let parts = [Segment::Bytes("head".into()), Segment::File(file(&content), 7..2_000_000)];
        let read = segments(parts).collect().await.unwrap().to_bytes();
        assert_eq!(&read[..4], b"head");
        assert!(read[4..] == content[7..2_000_000]);
    }

    #[tokio::test]
    async fn a_file_that_ends_early_ends_the_answer_in_an_error() {
        let body = segments([Segment::File(Arc::new(tempfile::tempfile().unwrap()), 0..1)]);
        assert!(body.collect().await.is_err());
    }

    const BODY: &str = "<body><p>0123456789</p>";
    const EDITED: &str = "<body>(notice)<p>0129</p>";

    fn edits() -> Edits {
        let edit = |range, text: &'static str| Edit { range, text: text.into() };
        Edits::new(vec![edit(6..6, "(notice)"), edit(12..18, "")])
    }

    /// What this request gets of the edited page, from memory and from a file, which must be alike.
    async fn ask(method: &str, fields: &[(&str, &str)]) -> (u16, HeaderMap, String) {
        ask_of(BODY, method, fields).await
    }

    async fn ask_of(whole: &str, method: &str, fields: &[(&str, &str)]) -> (u16, HeaderMap, String) {
        let mut request = http::Request::builder().method(method).uri("/").header("host", "a.example");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let text = "[[site]]\nhosts = [\"a.example\"]\n[[site.origin]]\nurl = \"http://203.0.113.1\"\n";
        let (config, _) =
            crate::config::from_text(text, "k.toml".as_ref(), &crate::config::Env::default()).unwrap();
        let site = &config.sites[0];
        let from = (std::net::IpAddr::from([127, 0, 0, 1]), false);
        let mut ask = Ask::read(&request, site, from, crate::ask::Load::Nothing).unwrap();
        ask.keep_headers(request.headers(), false);
        let mut came = Vec::new();
        for source in
            [Source::Whole(whole.to_owned().into()), Source::File(file(whole.as_bytes()), whole.len() as u64)]
        {
            let mut headers = HeaderMap::new();
            for (name, value) in [
                ("etag", "\"one\""),
                ("last-modified", "Sat, 28 Nov 2026 01:00:00 GMT"),
                ("content-length", "1"),
                ("cache-control", "max-age=600"),
                ("expires", "Sat, 28 Nov 2036 01:00:00 GMT"),
                ("content-type", "text/html"),
            ] {
                headers.insert(name, HeaderValue::from_static(value));
            }
            let (parts, body) = edited(&ask, StatusCode::OK, headers, source, &edits()).into_parts();
            let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
            came.push((parts.status.as_u16(), parts.headers, body));
        }
        let content_type = came[0].1.get("content-type").map(HeaderValue::as_bytes);
        let is_multipart = content_type.is_some_and(|value| value.starts_with(b"multipart/"));
        assert!(is_multipart || came[0] == came[1], "{came:?}");
        came.remove(0)
    }

    #[tokio::test]
    async fn an_edited_copy_is_another_representation() {
        let (status, headers, body) = ask("GET", &[]).await;
        assert_eq!((status, &*body), (200, EDITED));
        assert_eq!(headers["content-length"], EDITED.len().to_string());
        assert_eq!(headers["cache-control"], "private, no-cache");
        assert!(!headers.contains_key("last-modified") && !headers.contains_key("expires"));
        let tag = headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(tag, format!("\"one-katahai-{}\"", edits().mark()));
        let (status, headers, body) = ask("HEAD", &[]).await;
        assert_eq!((status, &*body, headers["content-length"].to_str().unwrap()), (200, "", "25"));
        for (fields, expected) in [
            (vec![("if-none-match", &*tag)], 304),
            (vec![("if-none-match", "\"one\"")], 200),
            (vec![("if-modified-since", "Sun, 29 Nov 2026 01:00:00 GMT")], 200),
            (vec![("if-match", "\"one\"")], 412),
            (vec![("if-match", &*tag)], 200),
        ] {
            assert_eq!(ask("GET", &fields).await.0, expected, "{fields:?}");
        }
    }

    #[tokio::test]
    async fn ranges_are_of_the_edited_bytes() {
        for (range, expected) in [
            ("bytes=0-5", "<body>"),
            ("bytes=4-9", "y>(not"),
            ("bytes=10-18", "ice)<p>01"),
            ("bytes=-8", "0129</p>"),
            ("bytes=18-", "129</p>"),
        ] {
            let (status, headers, body) = ask("GET", &[("range", range)]).await;
            assert_eq!((status, &*body), (206, expected), "{range}");
            assert!(headers["content-range"].to_str().unwrap().ends_with("/25"), "{range}");
        }
        assert_eq!(ask("GET", &[("range", "bytes=25-")]).await.0, 416);
        // several are given where they are less than the whole
        let long = format!("{BODY}{}", "x".repeat(4000));
        let len = long.len() + 2;
        let (status, headers, body) = ask_of(&long, "GET", &[("range", "bytes=0-1,6-7")]).await;
        assert_eq!((status, headers["content-length"].to_str().unwrap()), (206, &*body.len().to_string()));
        for part in [format!("bytes 0-1/{len}\r\n\r\n<b\r\n"), format!("bytes 6-7/{len}\r\n\r\n(n\r\n")] {
            assert!(body.contains(&part), "{body}");
        }
        // what a visitor has of the copy as it lies is not put together with this
        let old = [("range", "bytes=0-5"), ("if-range", "\"one\"")];
        assert_eq!(ask("GET", &old).await.0, 200);
    }
}
