//! One answer in flight as others see it: whether its visitor reads, and the order to end.
//! Over HTTP/2 it is a stream, and the interim answers that wait for its task stand here, too: a window that never opens
//! stops nothing but its own stream, so nothing else on the connection tells it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use futures_util::task::AtomicWaker;
use http::{HeaderMap, StatusCode};

use super::unread::Unread;

tokio::task_local! {
    /// The stream whose task this is.
    pub(super) static OWN: Arc<Flow>;
}

/// See the module. Written by the stream's task and its connection's, read by the reaper; nothing here reads a clock.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Whether the answer waits for room at the visitor's.
    waiting: AtomicBool,
    /// Bytes of the answer that were handed over and have not been written.
    queued: AtomicUsize,
    /// Whether its task waits for these bytes to be written.
    flushing: AtomicBool,
    /// How often something moved towards the visitor.
    moved: AtomicU64,
    unread: Arc<Unread>,
    /// What this answer adds to it.
    counted: AtomicUsize,
    cut: AtomicBool,
    task: AtomicWaker,
    /// What the reaper saw standing still, and since when.
    seen: Mutex<Option<(u64, Instant)>>,
    /// Whether it is too late for interim answers.
    answered: AtomicBool,
    has_interim: AtomicBool,
    interim: Mutex<Vec<(StatusCode, HeaderMap)>>,
}

impl Flow {
    pub(super) fn new(unread: &Arc<Unread>) -> Flow {
        Flow { unread: Arc::clone(unread), ..Flow::default() }
    }

    /// The stream whose task this is; `None` if it is not one.
    pub(super) fn own() -> Option<Arc<Flow>> {
        OWN.try_with(Arc::clone).ok()
    }

    /// Whether it has to end. Leaves word how to wake its task.
    pub(super) fn is_cut(&self, waker: &Waker) -> bool {
        self.task.register(waker);
        self.cut.load(Ordering::Acquire)
    }

    /// The answer waits for room.
    pub(super) fn wait(&self) {
        self.waiting.store(true, Ordering::Release);
    }

    /// There is room.
    pub(super) fn go_on(&self) {
        self.moved.fetch_add(1, Ordering::Relaxed);
        self.waiting.store(false, Ordering::Release);
    }

    /// Whether it may have more now. If not, its task is woken when everything that was handed over has been written.
    pub(super) fn may_have_more(&self) -> bool {
        !self.unread.is_tight() || self.flush()
    }

    /// Bytes that are given back when it ends.
    pub(super) fn counted(&self) -> usize {
        self.counted.load(Ordering::Relaxed)
    }

    /// Whether everything that was handed over has been written. The task is woken when it has.
    pub(super) fn flush(&self) -> bool {
        self.flushing.store(true, Ordering::SeqCst);
        self.is_flushed()
    }

    fn is_flushed(&self) -> bool {
        self.queued.load(Ordering::SeqCst) == 0
    }

    /// Whether the visitor has taken nothing for `still`.
    pub(super) fn is_stalled(&self, still: Duration, now: Instant) -> bool {
        self.still_since(now).is_some_and(|since| now.saturating_duration_since(since) >= still)
    }

    /// Since when the visitor has taken nothing, as far as it was looked at; `None` if nothing waits for him.
    pub(super) fn still_since(&self, now: Instant) -> Option<Instant> {
        let moved = self.moved.load(Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.waiting.load(Ordering::Acquire) && self.is_flushed() {
            *seen = None;
            return None;
        }
        let since = seen.filter(|(before, _)| *before == moved).map_or(now, |(_, since)| since);
        *seen = Some((moved, since));
        Some(since)
    }

    /// Ends it; says whether this was the first word of it.
    pub(super) fn end(&self) -> bool {
        let first = !self.cut.swap(true, Ordering::AcqRel);
        self.task.wake();
        first
    }

    // ---- interim answers

    /// Leaves an interim answer for the stream's task, unless the answer has begun or `room` of them would be passed.
    pub(super) fn queue_interim(&self, status: StatusCode, headers: &HeaderMap, room: usize) {
        if self.answered.load(Ordering::Acquire) {
            return;
        }
        let mut queue = self.interim.lock().unwrap_or_else(PoisonError::into_inner);
        let taken: usize = queue.iter().map(|(_, headers)| size(headers)).sum();
        if taken + size(headers) <= room {
            queue.push((status, headers.clone()));
            self.has_interim.store(true, Ordering::Release);
            drop(queue);
            self.task.wake();
        }
    }

    pub(super) fn take_interim(&self) -> Vec<(StatusCode, HeaderMap)> {
        if !self.has_interim.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut *self.interim.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The answer begins: interim ones come too late.
    pub(super) fn answer(&self) {
        self.answered.store(true, Ordering::Release);
    }
}

/// What header fields take in memory, about.
fn size(headers: &HeaderMap) -> usize {
    32 + headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum::<usize>()
}

/// Bytes of an answer that are on their way. Its flow, if it has one, knows of each whether it has been written.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    flow: Option<Arc<Flow>>,
    /// What is counted as unread until all of it has been taken: the memory is held until then.
    counted: usize,
}

impl Piece {
    /// A piece that nobody follows.
    pub(super) fn alone(bytes: Bytes) -> Piece {
        Piece { bytes, flow: None, counted: 0 }
    }

    /// A piece whose memory somebody else holds anyway, such as the cache.
    pub(super) fn shared(bytes: Bytes, flow: &Arc<Flow>) -> Piece {
        flow.queued.fetch_add(bytes.len(), Ordering::SeqCst);
        Piece { bytes, flow: Some(Arc::clone(flow)), counted: 0 }
    }

    pub(super) fn new(bytes: Bytes, flow: &Arc<Flow>) -> Piece {
        let counted = bytes.len();
        flow.counted.fetch_add(counted, Ordering::Relaxed);
        flow.unread.add(counted);
        let mut piece = Piece::shared(bytes, flow);
        piece.counted = counted;
        piece
    }

    fn leave(&self, count: usize) {
        let Some(flow) = &self.flow else { return };
        flow.moved.fetch_add(1, Ordering::Relaxed);
        let before = flow.queued.fetch_sub(count, Ordering::SeqCst);
        if before == count && flow.flushing.load(Ordering::SeqCst) {
            flow.task.wake();
        }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.leave(count);
    }
}

impl Drop for Piece {
    /// What is thrown away is not on its way any more either.
    fn drop(&mut self) {
        if let Some(flow) = &self.flow {
            flow.counted.fetch_sub(self.counted, Ordering::Relaxed);
            flow.unread.remove(self.counted);
        }
        if !self.bytes.is_empty() {
            self.leave(self.bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_visitor_who_takes_nothing_is_stalled() {
        let start = crate::clock::instant();
        let still = Duration::from_secs(60);
        let stream = Arc::new(Flow::default());
        let stalled = |second: u64| stream.is_stalled(still, start + Duration::from_secs(second));
        assert!(!stalled(0) && !stalled(1000), "it is the origin that is waited for");
        stream.wait();
        assert!(!stalled(1000) && !stalled(1059));
        stream.go_on();
        stream.wait();
        assert!(!stalled(1060), "he took the first");
        assert!(!stalled(1119) && stalled(1120));
        stream.go_on();
        assert!(!stalled(2000));
        let mut piece = Piece::new(Bytes::from_static(b"abcdef"), &stream);
        assert!(!stalled(2000) && stalled(2060), "what was handed over is not taken");
        piece.advance(1);
        assert!(!stalled(2061) && stalled(2121), "a part was");
        drop(piece);
        assert!(!stalled(3000) && stream.is_flushed());
        assert!(stream.end() && !stream.end());
    }

    #[test]
    fn interim_answers_have_a_bound_and_an_end() {
        let stream = Flow::default();
        let headers =
            HeaderMap::from_iter([(http::header::LINK, http::HeaderValue::from_static("</a.css>"))]);
        for _ in 0..100 {
            stream.queue_interim(StatusCode::EARLY_HINTS, &headers, 1000);
        }
        assert_eq!(stream.take_interim().len(), 1000 / size(&headers));
        assert!(stream.take_interim().is_empty());
        stream.answer();
        stream.queue_interim(StatusCode::EARLY_HINTS, &headers, 1000);
        assert!(stream.take_interim().is_empty());
    }
}
