//! Holding an answer back: if there is a copy, it is read whole before the first byte goes out, so that no visitor sees a
//! body that stalls or breaks off.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::failure::{Cause, Failure};
use crate::http::{Body, body};

/// Bytes of answers that are held back, of all sites together.
const ALL: u64 = 64 << 20;
/// How much of each answer may always be held back: a verdict on its beginning needs that.
const OF_EACH: u64 = 64 << 10;

/// The memory for answers that are held back. When none is left, an answer is held back no further and is judged by its
/// beginning, like one that is longer than `hold_back`.
#[derive(Clone, Debug)]
pub struct BufferRoom(Arc<AtomicU64>);

impl Default for BufferRoom {
    fn default() -> BufferRoom {
        BufferRoom::of(ALL)
    }
}

impl BufferRoom {
    fn of(bytes: u64) -> BufferRoom {
        BufferRoom(Arc::new(AtomicU64::new(bytes)))
    }
}

/// The memory that one answer takes; dropping it gives it back.
struct Taken {
    room: BufferRoom,
    bytes: u64,
}

impl Taken {
    /// Reserves the memory for `len` bytes; returns whether there was room.
    fn cover(&mut self, len: u64) -> bool {
        let more = len.saturating_sub(OF_EACH).saturating_sub(self.bytes);
        let left = &self.room.0;
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(more));
        self.bytes += if taken.is_ok() { more } else { 0 };
        taken.is_ok()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes that count until they are dropped: a slow reader holds them, too.
struct Roomy {
    bytes: Bytes,
    _taken: Taken,
}

impl AsRef<[u8]> for Roomy {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The part of a body that was read.
pub(super) struct Buffered {
    /// What was read.
    pub read: Bytes,
    rest: Rest,
}

/// What follows.
enum Rest {
    /// Nothing.
    Nothing,
    /// Trailers, and nothing else.
    Trailers(Box<Frame<Bytes>>),
    /// More.
    More(Body),
}

impl Buffered {
    /// A body that nobody has read from.
    pub(super) fn unread(body: Body) -> Buffered {
        let is_empty = matches!(body, Body::Empty);
        Buffered { read: Bytes::new(), rest: if is_empty { Rest::Nothing } else { Rest::More(body) } }
    }

    /// Whether all of it was read.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.rest, Rest::Nothing | Rest::Trailers(_))
    }

    /// All of it, if it was read and has no trailers; otherwise itself.
    pub(super) fn into_whole(self) -> Result<Bytes, Buffered> {
        match self.rest {
            Rest::Nothing => Ok(self.read),
            Rest::Trailers(_) | Rest::More(_) => Err(self),
        }
    }

    /// The whole body again.
    pub(super) fn into_body(self) -> Body {
        match self.rest {
            Rest::Nothing => Body::whole(self.read),
            Rest::Trailers(trailers) => prefixed(self.read, Some(*trailers), Body::Empty),
            Rest::More(rest) if self.read.is_empty() => rest,
            Rest::More(rest) => prefixed(self.read, None, rest),
        }
    }
}

/// Reads the body whole if it has at most `limit` bytes, otherwise not far beyond them, and not at all if it announces
/// that it is longer. If memory runs out, that is the limit.
///
/// # Errors
/// What broke the body off. Waiting too long is the caller's to end.
pub(super) async fn buffer(body: Body, limit: u64, room: &BufferRoom) -> Result<Buffered, Failure> {
    if body.size_hint().lower() > limit {
        return Ok(Buffered::unread(body));
    }
    let mut reading = BodyReader::new(body, room);
    reading.on(limit).await?;
    Ok(reading.buffered())
}

/// Reads the beginning of a body, about `limit` bytes, but for at most `time` after the first ones have come: a page that
/// is sent little by little should appear little by little.
///
/// # Errors
/// What broke the body off.
pub(super) async fn beginning(
    body: Body,
    limit: u64,
    time: Duration,
    room: &BufferRoom,
) -> Result<Buffered, Failure> {
    let mut reading = BodyReader::new(body, room);
    reading.on(0).await?;
    if !reading.is_over(limit) {
        // too late is no failure: what has come so far is the beginning
        if let Ok(result) = tokio::time::timeout(time, reading.on(limit)).await {
            result?;
        }
    }
    Ok(reading.buffered())
}

/// A body being read; nothing is lost if the reader gives up.
struct BodyReader {
    body: Body,
    /// The only piece so far: most bodies come in one, and are not copied.
    first: Option<Bytes>,
    read: BytesMut,
    trailers: Option<Frame<Bytes>>,
    ended: bool,
    taken: Taken,
    /// There was no room for more.
    full: bool,
}

impl BodyReader {
    fn new(body: Body, room: &BufferRoom) -> BodyReader {
        let ended = matches!(body, Body::Empty);
        let taken = Taken { room: room.clone(), bytes: 0 };
        BodyReader { body, first: None, read: BytesMut::new(), trailers: None, ended, taken, full: false }
    }

    fn len(&self) -> u64 {
        self.first.as_ref().map_or(self.read.len(), Bytes::len) as u64
    }

    fn is_over(&self, limit: u64) -> bool {
        self.ended || self.full || self.len() > limit
    }

    /// Reads on until there are more than `limit` bytes, or all.
    async fn on(&mut self, limit: u64) -> Result<(), Failure> {
        while !self.is_over(limit) {
            let Some(frame) = self.body.frame().await else {
                self.ended = true;
                break;
            };
            match frame.map_err(broken)?.into_data() {
                Ok(data) => {
                    self.take(data);
                    self.full = !self.taken.cover(self.len());
                }
                Err(trailers) => self.trailers = Some(trailers),
            }
            self.ended = self.trailers.is_some() || self.body.is_end_stream();
        }
        Ok(())
    }

    fn take(&mut self, data: Bytes) {
        if self.first.is_none() && self.read.is_empty() {
            self.first = Some(data);
            return;
        }
        if let Some(first) = self.first.take() {
            self.read.extend_from_slice(&first);
        }
        self.read.extend_from_slice(&data);
    }

    fn buffered(self) -> Buffered {
        let rest = match self.trailers {
            Some(trailers) => Rest::Trailers(Box::new(trailers)),
            None if self.ended => Rest::Nothing,
            None => Rest::More(self.body),
        };
        let read = self.first.unwrap_or_else(|| self.read.freeze());
        if self.taken.bytes == 0 {
            return Buffered { read, rest };
        }
        Buffered { read: Bytes::from_owner(Roomy { bytes: read, _taken: self.taken }), rest }
    }
}

/// What a body's error means: our own errors carry their cause.
pub(super) fn broken(error: body::Error) -> Failure {
    match error.downcast::<Failure>() {
        Ok(failure) => *failure,
        Err(error) => Failure::new(Cause::BodyCut).source(error),
    }
}

fn prefixed(read: Bytes, trailers: Option<Frame<Bytes>>, rest: Body) -> Body {
    let mut ready = VecDeque::with_capacity(2);
    if !read.is_empty() {
        ready.push_back(Frame::data(read));
    }
    ready.extend(trailers);
    Body::stream(Prefixed { ready, rest })
}

/// What was read, then the rest.
struct Prefixed {
    ready: VecDeque<Frame<Bytes>>,
    rest: Body,
}

impl http_body::Body for Prefixed {
    type Data = Bytes;
    type Error = body::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, body::Error>>> {
        let this = self.get_mut();
        match this.ready.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => Pin::new(&mut this.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let read = self.ready.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum::<u64>();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(read + rest.lower());
        // A body of a known length would be sent without its trailers.
        let has_trailers = self.ready.iter().any(Frame::is_trailers);
        if let Some(upper) = rest.upper().filter(|_| !has_trailers) {
            hint.set_upper(read + upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(100);
    use futures_util::stream;
    use http_body_util::StreamBody;

    fn body(parts: &[&'static str], end: Option<Failure>) -> Body {
        let mut frames: Vec<Result<Frame<Bytes>, Failure>> =
            parts.iter().map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))).collect();
        frames.extend(end.map(Err));
        Body::stream(StreamBody::new(stream::iter(frames)))
    }

    async fn whole(body: Body) -> Bytes {
        body.collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_short_body_is_read_whole() {
        let buffered = buffer(body(&["ab", "cd"], None), 4, &BufferRoom::default()).await.unwrap();
        assert!(buffered.is_whole());
        assert_eq!(buffered.into_whole().ok().unwrap(), "abcd");
        assert!(
            buffer(Body::Empty, 0, &BufferRoom::default())
                .await
                .unwrap()
                .into_whole()
                .is_ok_and(|bytes| bytes.is_empty())
        );
    }

    #[tokio::test]
    async fn a_long_body_goes_on_where_reading_stopped() {
        let buffered = buffer(body(&["ab", "cd", "ef"], None), 3, &BufferRoom::default()).await.unwrap();
        assert_eq!((&buffered.read[..], buffered.is_whole()), (&b"abcd"[..], false));
        assert_eq!(whole(buffered.into_body()).await, "abcdef");
        let buffered = buffer(Body::whole("abcdef"), 3, &BufferRoom::default()).await.unwrap();
        assert!(buffered.read.is_empty() && !buffered.is_whole());
        assert_eq!(whole(buffered.into_body()).await, "abcdef");
    }

    #[tokio::test]
    async fn where_no_room_is_left_a_beginning_is_held() {
        let long = || {
            let frame = |_| Ok::<_, Failure>(Frame::data(Bytes::from(vec![b'a'; 16 << 10])));
            Body::stream(StreamBody::new(stream::iter((0..16).map(frame))))
        };
        let (limit, left) = (1 << 20, |room: &BufferRoom| room.0.load(Ordering::Relaxed));
        let room = BufferRoom::of(300 << 10);
        let first = buffer(long(), limit, &room).await.unwrap();
        assert!(first.is_whole());
        assert_eq!(left(&room), (300 - (256 - 64)) << 10);
        let second = buffer(long(), limit, &room).await.unwrap();
        assert!(!second.is_whole() && second.read.len() as u64 > OF_EACH);
        assert_eq!(whole(second.into_body()).await.len(), 256 << 10, "and nothing of it is lost");
        let slowly = first.into_whole().ok().unwrap().slice(..1);
        assert_eq!(left(&room), 108 << 10, "as long as anybody has it");
        drop(slowly);
        assert_eq!(left(&room), 300 << 10);
        assert!(buffer(long(), limit, &room).await.unwrap().is_whole());
    }

    #[tokio::test]
    async fn a_broken_body_is_known_before_anything_is_sent() {
        let failure = buffer(body(&["ab"], Some(Cause::BodyStalled.into())), 4, &BufferRoom::default())
            .await
            .err()
            .unwrap();
        assert_eq!(failure.cause, Cause::BodyStalled);
        let failure = beginning(body(&["ab"], Some(Cause::BodyCut.into())), 4, SHORT, &BufferRoom::default())
            .await
            .err()
            .unwrap();
        assert_eq!(failure.cause, Cause::BodyCut);
    }

    #[tokio::test]
    async fn trailers_stay_behind_a_body_that_is_whole() {
        let trailers: http::HeaderMap =
            [(http::header::ETAG, http::HeaderValue::from_static("x"))].into_iter().collect();
        let frames =
            [Ok::<_, Failure>(Frame::data(Bytes::from("ab"))), Ok(Frame::trailers(trailers.clone()))];
        let buffered = buffer(Body::stream(StreamBody::new(stream::iter(frames))), 4, &BufferRoom::default())
            .await
            .unwrap();
        assert!(buffered.is_whole());
        let Err(buffered) = buffered.into_whole() else { panic!("the trailers are lost") };
        let body = buffered.into_body();
        assert_eq!(body.size_hint().exact(), None, "with a length they would not be sent");
        let collected = body.collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
        assert_eq!(collected.to_bytes(), "ab");
    }

    #[tokio::test(start_paused = true)]
    async fn a_beginning_is_waited_for_shortly_once_it_has_begun() {
        let frame = |text: &'static str| Ok::<_, Failure>(Frame::data(Bytes::from(text)));
        let late = async move |wait: u64, text| {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            frame(text)
        };
        let body = stream::unfold(0, move |n| async move {
            let (wait, text) = [(5000, "ab"), (50, "cd"), (1000, "ef")].get(n).copied()?;
            Some((late(wait, text).await, n + 1))
        });
        let begun = tokio::time::Instant::now();
        let buffered =
            beginning(Body::stream(StreamBody::new(Box::pin(body))), 100, SHORT, &BufferRoom::default())
                .await
                .unwrap();
        assert_eq!((&buffered.read[..], buffered.is_whole()), (&b"abcd"[..], false));
        assert_eq!(begun.elapsed(), Duration::from_millis(5100), "the first bytes, and 100 ms");
        assert_eq!(whole(buffered.into_body()).await, "abcdef");
    }

    #[tokio::test]
    async fn a_beginning_ends_with_the_body_or_at_its_limit() {
        let buffered =
            beginning(body(&["ab", "cd"], None), 100, SHORT, &BufferRoom::default()).await.unwrap();
        assert!(buffered.is_whole() && buffered.read == "abcd");
        let buffered =
            beginning(body(&["ab", "cd", "ef"], None), 3, SHORT, &BufferRoom::default()).await.unwrap();
        assert!(!buffered.is_whole() && buffered.read == "abcd");
        assert!(beginning(Body::Empty, 3, SHORT, &BufferRoom::default()).await.unwrap().is_whole());
    }
}
