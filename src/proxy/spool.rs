//! Reading a request's body before the request goes to the origin: a slow sender occupies a connection and some memory here,
//! and nothing at the origin. Small bodies stay in memory, larger ones go to unnamed files; what is too large even for these,
//! or has no room, is passed on as it comes.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::Sleep;

use super::render::{Segment, segments};
use crate::descriptors::{self, Use};
use crate::disk::{self, Unnamed};
use crate::failure::{Cause, Failure};
use crate::http::pace::Pace;
use crate::http::{Body, body};
use crate::tasks;

/// Bytes of one body that are kept in memory; more go to a file.
const IN_MEMORY: usize = 64 << 10;
/// Bytes of all bodies that are kept in memory. Beyond that every body goes to its file at once.
const ALL_IN_MEMORY: u64 = 64 << 20;
/// Bytes of one body that are kept. A larger one is passed on once this much of it has arrived.
const KEPT: u64 = 64 << 20;
/// Bytes of all bodies that are kept in files.
const ALL_KEPT: u64 = 1 << 30;
/// Bytes that are left free on the disk: copies need it more.
const FREE: u64 = 128 << 20;
/// The folder of the files, in the state directory.
const FOLDER: &str = "tmp";

/// What is kept of bodies on their way, for all requests.
#[derive(Clone, Debug)]
pub struct Spool(Arc<Room>);

#[derive(Debug)]
struct Room {
    /// Where files go; `None`: there are none.
    dir: Option<PathBuf>,
    memory: AtomicU64,
    files: AtomicU64,
}

/// Reserved bytes; dropping it gives them back.
#[derive(Debug)]
struct SpoolRoom {
    room: Arc<Room>,
    memory: u64,
    files: u64,
}

impl Spool {
    /// A spool with its files in this state directory. Removes what a killed process has left there. Blocks.
    pub fn new(state_dir: &Path) -> Spool {
        let dir = state_dir.join(FOLDER);
        if dir.is_dir()
            && let Err(error) = disk::sweep_staged(&dir)
        {
            tracing::warn!(folder = %dir.display(), %error, "could not remove leftover files");
        }
        Spool::in_folder(Some(dir))
    }

    /// A spool without files.
    pub fn in_memory() -> Spool {
        Spool::in_folder(None)
    }

    fn in_folder(dir: Option<PathBuf>) -> Spool {
        Spool(Arc::new(Room { dir, memory: AtomicU64::new(0), files: AtomicU64::new(0) }))
    }

    /// Reads a body of at most `limit` bytes, whole if there is room for it. What comes back is the same body, and
    /// has a length unless it has trailers.
    ///
    /// # Errors
    /// [`Cause::BodyTooLarge`], [`Cause::BodyTooSlow`], [`Cause::VisitorGone`]: the visitor's.
    pub(super) async fn collect(&self, mut body: Body, limit: u64) -> Result<Body, Failure> {
        let mut kept = Kept::new(self.0.clone());
        let mut pace = Pace::sending(now());
        let mut left = limit;
        loop {
            let next = tokio::time::timeout_at(pace.deadline().into(), body.frame()).await;
            let frame = match next {
                Err(_) => return Err(Cause::BodyTooSlow.into()),
                Ok(None) => return Ok(kept.into_body(None)),
                Ok(Some(frame)) => frame.map_err(|e| Failure::new(Cause::VisitorGone).source(e))?,
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => {
                    kept.trailers = Some(trailers);
                    return Ok(kept.into_body(None));
                }
            };
            pace.note(data.len() as u64, now());
            left = left.checked_sub(data.len() as u64).ok_or(Cause::BodyTooLarge)?;
            if kept.add(data).await == More::Short {
                return Ok(kept.into_body(Some(body.inspected(Paced::new()))));
            }
            if body.is_end_stream() {
                return Ok(kept.into_body(None));
            }
        }
    }
}

/// The runtime's own clock, which its timers go by.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Whether more can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    Left,
    Short,
}

/// The part of a body that has arrived: a file, and what follows it in memory.
struct Kept {
    file: Option<Unnamed>,
    first: Bytes,
    memory: BytesMut,
    trailers: Option<Frame<Bytes>>,
    taken: SpoolRoom,
}

impl Kept {
    fn new(room: Arc<Room>) -> Kept {
        let taken = SpoolRoom { room, memory: 0, files: 0 };
        Kept { file: None, first: Bytes::new(), memory: BytesMut::new(), trailers: None, taken }
    }

    fn in_memory(&self) -> usize {
        self.first.len() + self.memory.len()
    }

    async fn add(&mut self, data: Bytes) -> More {
        self.taken.take_memory(data.len() as u64);
        if self.in_memory() == 0 {
            self.first = data; // most bodies come in one piece, and are not copied
        } else {
            self.memory.extend_from_slice(&data);
        }
        let crowded = self.taken.room.memory.load(Ordering::Relaxed) > ALL_IN_MEMORY;
        if self.in_memory() <= IN_MEMORY && !crowded {
            return More::Left;
        }
        match self.flush().await {
            Ok(()) => More::Left,
            Err(error) => {
                tracing::debug!(%error, "cannot spool a request body, passing it on as it arrives");
                More::Short
            }
        }
    }

    /// Moves what is in memory to the file.
    async fn flush(&mut self) -> std::io::Result<()> {
        let more = self.in_memory() as u64;
        if self.taken.files + more > KEPT || !self.taken.take_files(more) {
            return Err(std::io::Error::other("there is no room left"));
        }
        let (first, rest) = (self.first.clone(), self.memory.split().freeze());
        let (dir, file) = (self.taken.room.dir.clone(), self.file.take());
        let (data, tail) = (first.clone(), rest.clone());
        let written = tasks::blocking(move || {
            let mut file = match file {
                Some(file) => file,
                None => match begin(dir.as_deref()) {
                    Ok(file) => file,
                    Err(error) => return (None, Err(error)),
                },
            };
            let result = file.append([&data[..], &tail[..]]);
            (Some(file), result)
        })
        .await;
        let (file, result) = written.unwrap_or((None, Err(std::io::Error::other("writing was interrupted"))));
        self.file = file;
        match result {
            Ok(()) => {
                self.first = Bytes::new();
                self.taken.give_memory_back();
                Ok(())
            }
            Err(error) => {
                self.memory = BytesMut::from(rest);
                self.taken.give_files_back(more);
                Err(error)
            }
        }
    }

    /// The body again, with what is still to come.
    fn into_body(self, rest: Option<Body>) -> Body {
        let Kept { file, first, memory, trailers, taken } = self;
        let mut parts = std::collections::VecDeque::with_capacity(3);
        if let Some(file) = file.filter(|file| !file.is_empty()) {
            let len = file.len();
            parts.push_back(segments([Segment::File(Arc::new(file.into_file()), 0..len)]));
        }
        parts.extend([Body::whole(first), Body::whole(memory.freeze())]);
        parts.extend(rest);
        parts.retain(|part| !matches!(part, Body::Empty));
        if parts.is_empty() && trailers.is_none() {
            return Body::Empty;
        }
        Body::stream(Again { parts, trailers, _taken: taken })
    }
}

/// A new file, if there is room on the disk.
fn begin(dir: Option<&Path>) -> std::io::Result<Unnamed> {
    let dir = dir.ok_or_else(|| std::io::Error::other("there is no folder for it"))?;
    let file = Unnamed::create(dir)?;
    if !descriptors::may_keep(file.file(), Use::Request) {
        return Err(descriptors::want());
    }
    if disk::free_bytes(dir)? < FREE {
        return Err(std::io::ErrorKind::StorageFull.into());
    }
    Ok(file)
}

impl SpoolRoom {
    fn take_memory(&mut self, bytes: u64) {
        self.memory += bytes;
        self.room.memory.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_memory_back(&mut self) {
        self.room.memory.fetch_sub(std::mem::take(&mut self.memory), Ordering::Relaxed);
    }

    fn take_files(&mut self, bytes: u64) -> bool {
        if self.room.files.fetch_add(bytes, Ordering::Relaxed) + bytes > ALL_KEPT {
            self.room.files.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.files += bytes;
        true
    }

    fn give_files_back(&mut self, bytes: u64) {
        self.files -= bytes;
        self.room.files.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for SpoolRoom {
    fn drop(&mut self) {
        self.give_memory_back();
        self.give_files_back(self.files);
    }
}

/// A body that is passed on as it comes: it occupies the origin, so its sender has to keep up the pace. Time that the origin
/// takes between two pieces does not count.
pub(super) struct Paced {
    pace: Pace,
    /// When the last piece was given to the origin, until it asks for the next one.
    given: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Paced {
    /// It begins now.
    pub(super) fn new() -> Paced {
        let now = now();
        let timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        Paced { pace: Pace::sending(now), given: Some(now), timer }
    }
}

impl body::Inspector for Paced {
    fn asked(&mut self) {
        if let Some(given) = self.given.take() {
            self.pace.excuse(now().saturating_duration_since(given));
        }
    }

    fn pending(&mut self, cx: &mut Context<'_>) -> Poll<body::Error> {
        let deadline = self.pace.deadline().into();
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        self.timer.as_mut().poll(cx).map(|()| Failure::new(Cause::BodyTooSlow).into())
    }

    fn frame(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, body::Error> {
        let now = now();
        self.pace.note(frame.data_ref().map_or(0, |data| data.len() as u64), now);
        self.given = Some(now);
        Ok(frame)
    }
}

/// What was kept, and then the rest.
struct Again {
    parts: std::collections::VecDeque<Body>,
    trailers: Option<Frame<Bytes>>,
    _taken: SpoolRoom,
}

impl http_body::Body for Again {
    type Data = Bytes;
    type Error = body::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, body::Error>>> {
        let this = self.get_mut();
        loop {
            let Some(part) = this.parts.front_mut() else { return Poll::Ready(this.trailers.take().map(Ok)) };
            match Pin::new(part).poll_frame(cx) {
                Poll::Ready(None) => _ = this.parts.pop_front(),
                polled @ (Poll::Ready(Some(_)) | Poll::Pending) => return polled,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.trailers.is_none() && self.parts.iter().all(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hints = || self.parts.iter().map(http_body::Body::size_hint);
        // with a length, trailers would not be sent
        let exact = hints().map(|hint| hint.exact()).sum::<Option<u64>>();
        if let Some(exact) = exact.filter(|_| self.trailers.is_none()) {
            return SizeHint::with_exact(exact);
        }
        let mut hint = SizeHint::new();
        hint.set_lower(hints().map(|hint| hint.lower()).sum());
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream::{self, StreamExt};
    use http_body_util::StreamBody;

    /// A body of these pieces, without a length.
    fn pieces(count: usize, size: usize) -> Body {
        let frame = move |n: usize| Ok::<_, Failure>(Frame::data(Bytes::from(vec![n as u8; size])));
        Body::stream(StreamBody::new(stream::iter(0..count).map(frame)))
    }

    fn expected(count: usize, size: usize) -> Vec<u8> {
        (0..count).flat_map(|n| vec![n as u8; size]).collect()
    }

    fn in_use(spool: &Spool) -> (u64, u64) {
        (spool.0.memory.load(Ordering::Relaxed), spool.0.files.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn what_was_sent_comes_back_whole_with_its_length() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path());
        for (count, size, on_disk) in [(0, 0, false), (1, 10, false), (3, 1000, false), (300, 1000, true)] {
            let body = spool.collect(pieces(count, size), 1 << 20).await.unwrap();
            assert_eq!(body.size_hint().exact(), Some((count * size) as u64));
            assert_eq!(in_use(&spool).1 > 0, on_disk, "{count} pieces of {size} bytes");
            assert!(in_use(&spool).0 <= IN_MEMORY as u64 + 1000);
            assert!(body.collect().await.unwrap().to_bytes() == expected(count, size));
            assert_eq!(in_use(&spool), (0, 0));
        }
        assert_eq!(std::fs::read_dir(dir.path().join(FOLDER)).unwrap().count(), 0, "no names");
    }

    #[tokio::test]
    async fn what_cannot_be_kept_is_passed_on() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for spool in [Spool::in_memory(), Spool::new(file.path())] {
            let body = spool.collect(pieces(300, 1000), 1 << 20).await.unwrap();
            let hint = body.size_hint();
            assert!(hint.exact().is_none() && (65_000..70_000).contains(&hint.lower()), "{hint:?}");
            assert!(body.collect().await.unwrap().to_bytes() == expected(300, 1000));
            assert_eq!(in_use(&spool), (0, 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_passed_on_keeps_a_pace_and_the_origin_may_take_its_time() {
        let slow = |every: u64| {
            let pieces = stream::unfold(0, move |n| async move {
                tokio::time::sleep(Duration::from_secs(if n == 0 { 0 } else { every })).await;
                let size = if n == 0 { IN_MEMORY + 1 } else { 1 };
                (n < 100).then(|| (Ok::<_, Failure>(Frame::data(Bytes::from(vec![0; size]))), n + 1))
            });
            Body::stream(StreamBody::new(Box::pin(pieces)))
        };
        let spool = Spool::in_memory();
        let body = spool.collect(slow(1), 1 << 20).await.unwrap();
        let begun = tokio::time::Instant::now();
        let error = body.collect().await.unwrap_err().downcast::<Failure>().unwrap();
        assert_eq!((error.cause, begun.elapsed().as_secs()), (Cause::BodyTooSlow, 20));

        let mut body = spool.collect(slow(0), 1 << 20).await.unwrap();
        while let Some(frame) = body.frame().await {
            assert!(frame.is_ok());
            tokio::time::sleep(Duration::from_secs(100)).await;
        }
    }

    #[tokio::test]
    async fn trailers_stay_behind_their_body() {
        let trailers: http::HeaderMap =
            [(http::header::ETAG, http::HeaderValue::from_static("x"))].into_iter().collect();
        let frames =
            [Ok::<_, Failure>(Frame::data(Bytes::from("ab"))), Ok(Frame::trailers(trailers.clone()))];
        let body = Body::stream(StreamBody::new(stream::iter(frames)));
        let body = Spool::in_memory().collect(body, 10).await.unwrap();
        assert_eq!(body.size_hint().exact(), None, "with a length they would not be sent");
        let collected = body.collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
        assert_eq!(collected.to_bytes(), "ab");
    }

    #[tokio::test]
    async fn one_byte_more_than_allowed_is_too_much() {
        let spool = Spool::in_memory();
        assert!(spool.collect(pieces(3, 10), 30).await.is_ok());
        let failure = spool.collect(pieces(3, 10), 29).await.err().unwrap();
        assert_eq!(failure.cause, Cause::BodyTooLarge);
        assert_eq!(in_use(&spool), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_cut_and_a_pause_is_not() {
        let spool = Spool::in_memory();
        let slow = |size: usize, every: u64| {
            Body::stream(StreamBody::new(Box::pin(stream::unfold(0, move |n| async move {
                tokio::time::sleep(std::time::Duration::from_secs(every)).await;
                (n < 100).then(|| (Ok::<_, Failure>(Frame::data(Bytes::from(vec![0; size]))), n + 1))
            }))))
        };
        let begun = tokio::time::Instant::now();
        let failure = spool.collect(slow(1, 1), 1 << 20).await.err().unwrap();
        assert_eq!((failure.cause, begun.elapsed().as_secs()), (Cause::BodyTooSlow, 20));
        assert!(spool.collect(slow(10_000, 15), 1 << 20).await.is_ok());
    }
}
