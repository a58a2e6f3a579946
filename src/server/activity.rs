//! The life of one connection: counters of what moved on it, and the word that it has to end.
//!
//! The counters are written by the connection's own tasks and read by the reaper; nothing here reads a clock.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

use super::stream::Flow;

macro_rules! ends {
    ($($name:ident: $code:literal, $doc:literal;)+) => {
        /// Why the server ended a connection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum End { $(#[doc = $doc] $name,)+ }

        impl End {
            /// Every reason, in the table's order.
            pub const ALL: &'static [End] = &[$(End::$name,)+];

            /// The stable code, for the metric and the log.
            pub fn code(self) -> &'static str { match self { $(End::$name => $code,)+ } }
        }
    };
}

ends! {
    Unused: "unused", "No byte came within the header timeout.";
    SlowHead: "slow-head", "A request's header fields were not complete within the header timeout.";
    Idle: "idle", "No request came within the idle timeout.";
    SlowReader: "slow-reader", "An answer was read at less than the least rate.";
    Stalled: "stalled", "No byte of a running request or answer moved within the idle timeout.";
    Lingering: "lingering", "The client did not close its side after we had closed ours.";
    Unread: "unread", "Too much waited to be read, and its client had taken nothing for longest.";
    Cancelling: "cancelling", "The client started and cancelled requests in a flood (HTTP/2 rapid reset).";
    Displaced: "displaced", "It was idle while every seat was taken.";
    Drained: "drained", "The server was stopped.";
}

impl End {
    /// The position in [`End::ALL`].
    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// The connection speaks HTTP/1.
const HTTP1: u32 = 1;
/// The connection has been handed over to a handler (WebSocket).
const UPGRADED: u32 = 2;
/// No further request is wanted.
const DISMISSED: u32 = 4;
/// Our side is shut; the client's bytes are read and thrown away.
const CLOSING: u32 = 8;
/// The socket has been closed.
const GONE: u32 = 16;
/// Interim answers wait to be written.
const INTERIM: u32 = 32;
/// Close without waiting for the client to close its side.
const HURRIED: u32 = 64;
/// Somebody holds a handle for interim answers.
const INTERIM_HELD: u32 = 128;

/// More calls than this may be cancelled, beyond as many as were finished, before it is a flood.
const CANCELS_FORGIVEN: u64 = 100;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    read: AtomicU64,
    written: AtomicU64,
    calls: AtomicU64,
    ended: AtomicU64,
    cancelled: AtomicU64,
    read_at_end: AtomicU64,
    /// The number of the HTTP/1.1 call that interim answers may go out for; 0: none.
    interim_call: AtomicU64,
    flags: AtomicU32,
    /// 0, or the reason's index + 1.
    end: AtomicU8,
    task: OnceLock<Waker>,
    reading: AtomicWaker,
    writing: AtomicWaker,
    interim: Mutex<Vec<u8>>,
    /// Bytes that the socket did not take.
    unsent: AtomicU64,
    /// The answers that are under way and followed: all streams of HTTP/2, and what HTTP/1 gives that is not the cache's.
    streams: Mutex<Vec<Arc<Flow>>>,
}

/// One reading of a connection's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pulse {
    /// Bytes that came in.
    pub(super) read: u64,
    /// Bytes that went out.
    pub(super) written: u64,
    /// Requests that were begun.
    pub(super) calls: u64,
    /// Requests whose answer is over.
    pub(super) ended: u64,
    /// `read` when the last answer was over.
    pub(super) read_at_end: u64,
    /// Whether bytes wait that the socket did not take.
    pub(super) unsent: bool,
    /// Whether it speaks HTTP/1 (otherwise HTTP/2, or it is not settled yet).
    pub(super) http1: bool,
    /// Whether it has been handed over.
    pub(super) upgraded: bool,
    /// Whether it was asked to finish.
    pub(super) dismissed: bool,
    /// Whether only the client's close is awaited.
    pub(super) closing: bool,
}

impl Activity {
    pub(super) fn pulse(&self) -> Pulse {
        let flags = self.flags.load(Ordering::Acquire);
        // `ended` is read before `calls`, so that a call that ends in between never makes ended > calls.
        let ended = self.ended.load(Ordering::Acquire);
        Pulse {
            ended,
            calls: self.calls.load(Ordering::Acquire),
            read: self.read.load(Ordering::Relaxed),
            written: self.written.load(Ordering::Relaxed),
            read_at_end: self.read_at_end.load(Ordering::Relaxed),
            unsent: self.unsent.load(Ordering::Relaxed) > 0,
            http1: flags & HTTP1 != 0,
            upgraded: flags & UPGRADED != 0,
            dismissed: flags & DISMISSED != 0,
            closing: flags & CLOSING != 0,
        }
    }

    fn has(&self, flag: u32) -> bool {
        self.flags.load(Ordering::Acquire) & flag != 0
    }

    fn set(&self, flag: u32) {
        self.flags.fetch_or(flag, Ordering::AcqRel);
    }

    // ---- the io: one task at a time, so plain loads and stores do

    pub(super) fn add_read(&self, bytes: usize) {
        self.read.store(self.read.load(Ordering::Relaxed) + bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn add_written(&self, bytes: usize) {
        self.written.store(self.written.load(Ordering::Relaxed) + bytes as u64, Ordering::Relaxed);
    }

    /// Notes how many bytes were offered to the socket and not taken.
    pub(super) fn set_unsent(&self, bytes: usize) {
        self.unsent.store(bytes as u64, Ordering::Relaxed);
    }

    /// Whether the bytes read so far begin a request that has not become a call.
    pub(super) fn is_in_head(&self) -> bool {
        let pulse = self.pulse();
        pulse.http1 && pulse.calls == pulse.ended && pulse.read > pulse.read_at_end
    }

    pub(super) fn begin_closing(&self) {
        self.set(CLOSING);
    }

    pub(super) fn is_hurried(&self) -> bool {
        self.has(HURRIED)
    }

    pub(super) fn is_upgraded(&self) -> bool {
        self.has(UPGRADED)
    }

    pub(super) fn await_read(&self, waker: &Waker) {
        self.reading.register(waker);
    }

    pub(super) fn await_write(&self, waker: &Waker) {
        self.writing.register(waker);
    }

    pub(super) fn gone(&self) {
        self.set(GONE);
        self.wake();
    }

    // ---- the connection's task

    /// Leaves word how to wake the connection's task. The first call counts; a task's waker stays the same.
    pub(super) fn attach(&self, waker: &Waker) {
        self.task.get_or_init(|| waker.clone());
    }

    pub(super) fn speaks_http1(&self) {
        self.set(HTTP1);
    }

    pub(super) fn upgrade(&self) {
        self.set(UPGRADED);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.has(GONE)
    }

    pub(super) fn is_dismissed(&self) -> bool {
        self.has(DISMISSED)
    }

    pub(super) fn has_called(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > 0
    }

    pub(super) fn end(&self) -> Option<End> {
        match self.end.load(Ordering::Acquire) {
            0 => None,
            index => End::ALL.get(usize::from(index) - 1).copied(),
        }
    }

    // ---- calls

    /// A call begins; returns its number, from 1.
    pub(super) fn begin_call(&self, interim: bool) -> u64 {
        let number = self.calls.fetch_add(1, Ordering::AcqRel) + 1;
        self.interim_call.store(if interim { number } else { 0 }, Ordering::Release);
        number
    }

    /// The call's answer is about to be written: interim answers come too late.
    pub(super) fn answer_call(&self) {
        if self.flags.load(Ordering::Acquire) & INTERIM_HELD == 0 {
            self.interim_call.store(0, Ordering::Release);
            return;
        }
        // under the lock, so that no handle can slip one in behind the answer
        let mut queue = self.interim.lock().unwrap_or_else(PoisonError::into_inner);
        self.interim_call.store(0, Ordering::Release);
        self.flags.fetch_and(!(INTERIM | INTERIM_HELD), Ordering::AcqRel);
        queue.clear();
    }

    /// The call's answer is over.
    pub(super) fn end_call(&self) {
        self.read_at_end.store(self.read.load(Ordering::Relaxed), Ordering::Relaxed);
        self.ended.fetch_add(1, Ordering::AcqRel);
    }

    /// A call was dropped before it had an answer. Says whether the client makes a flood of that.
    pub(super) fn cancel_call(&self) -> bool {
        let cancelled = self.cancelled.fetch_add(1, Ordering::AcqRel) + 1;
        let finished = self.ended.load(Ordering::Acquire).saturating_sub(cancelled);
        cancelled > CANCELS_FORGIVEN + finished
    }

    // ---- streams

    pub(super) fn enter_stream(&self, stream: &Arc<Flow>) {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(stream));
    }

    pub(super) fn leave_stream(&self, stream: &Arc<Flow>) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|other| !Arc::ptr_eq(other, stream));
    }

    /// Ends the streams whose visitors have taken nothing for `still`. Says how many there were.
    pub(super) fn cut_streams(&self, still: Duration, now: Instant) -> usize {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let stalled: Vec<_> =
            streams.iter().filter(|stream| stream.is_stalled(still, now)).cloned().collect();
        drop(streams);
        stalled.iter().filter(|stream| stream.end()).count()
    }

    /// The answers whose visitors have taken nothing since they were last looked at, and since when.
    pub(super) fn still(&self, now: Instant) -> Vec<(Instant, Arc<Flow>)> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let still = |flow: &Arc<Flow>| {
            let since = flow.still_since(now).filter(|since| *since < now && flow.counted() > 0)?;
            Some((since, Arc::clone(flow)))
        };
        streams.iter().filter_map(still).collect()
    }

    // ---- interim answers

    /// The call that interim answers may go out for, noted as having a handle.
    pub(super) fn hold_interim(&self) -> Option<u64> {
        let call = self.interim_call.load(Ordering::Acquire);
        if call == 0 {
            return None;
        }
        self.set(INTERIM_HELD);
        Some(call)
    }

    /// Queues an interim answer for `call`, unless that call is over or `room` bytes would be passed.
    pub(super) fn queue_interim(&self, call: u64, bytes: &[u8], room: usize) {
        let mut queue = self.interim.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.interim_call.load(Ordering::Acquire);
        if current == call && queue.len() + bytes.len() <= room {
            queue.extend_from_slice(bytes);
            self.set(INTERIM);
            drop(queue);
            self.wake();
        }
    }

    pub(super) fn has_interim(&self) -> bool {
        self.has(INTERIM)
    }

    pub(super) fn take_interim(&self) -> Vec<u8> {
        let mut queue = self.interim.lock().unwrap_or_else(PoisonError::into_inner);
        self.flags.fetch_and(!INTERIM, Ordering::AcqRel);
        std::mem::take(&mut *queue)
    }

    // ---- the reaper and the drain

    /// Asks the connection to finish what runs and to take nothing new.
    pub(super) fn dismiss(&self) {
        self.set(DISMISSED);
        self.wake();
    }

    /// The same, without waiting for the client to close its side.
    pub(super) fn displace(&self) {
        self.set(DISMISSED | HURRIED);
        self.wake();
    }

    /// Ends the connection now. Says whether this was the first word of it.
    pub(super) fn kill(&self, reason: End) -> bool {
        let code = u8::try_from(reason.index() + 1).unwrap_or(u8::MAX);
        let first = self.end.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire).is_ok();
        self.wake();
        first
    }

    fn wake(&self) {
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
        if self.is_upgraded() {
            self.reading.wake();
            self.writing.wake();
        }
    }
}
