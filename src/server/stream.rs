//! One HTTP/2 stream's answer: whether its visitor takes what he is given. A window that never opens stops nothing but
//! its own stream, so nothing else on the connection tells it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

use crate::tasks;

tokio::task_local! {
    /// The stream whose task this is.
    static OWN: Arc<H2Stream>;
}

/// See the module. Written by the stream's task, read by the reaper; nothing here reads a clock.
#[derive(Debug, Default)]
pub(super) struct H2Stream {
    /// Whether something was given that nobody has asked beyond.
    waiting: AtomicBool,
    /// How often something was given.
    given: AtomicU64,
    cut: AtomicBool,
    task: AtomicWaker,
    /// What the reaper saw waiting, and since when.
    seen: Mutex<Option<(u64, Instant)>>,
}

impl H2Stream {
    /// Runs a stream's work, until it is done or cut.
    pub(super) fn run(work: impl Future<Output = ()> + Send + 'static) {
        let own = Arc::new(H2Stream::default());
        let this = Arc::clone(&own);
        tasks::detached(OWN.scope(own, async move {
            let mut work = std::pin::pin!(work);
            std::future::poll_fn(|cx| {
                if this.is_cut(cx.waker()) { Poll::Ready(()) } else { work.as_mut().poll(cx) }
            })
            .await;
        }));
    }

    /// The stream whose task this is; `None` if it is not one.
    pub(super) fn own() -> Option<Arc<H2Stream>> {
        OWN.try_with(Arc::clone).ok()
    }

    fn is_cut(&self, waker: &Waker) -> bool {
        self.task.register(waker);
        self.cut.load(Ordering::Acquire)
    }

    /// Something is there for the visitor.
    pub(super) fn give(&self) {
        self.given.fetch_add(1, Ordering::Relaxed);
        self.waiting.store(true, Ordering::Release);
    }

    /// There is room for more.
    pub(super) fn ask(&self) {
        self.waiting.store(false, Ordering::Release);
    }

    /// Whether the visitor has taken nothing for `still`.
    pub(super) fn is_stalled(&self, still: Duration, now: Instant) -> bool {
        let given = self.given.load(Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.waiting.load(Ordering::Acquire) {
            *seen = None;
            return false;
        }
        match *seen {
            Some((before, since)) if before == given => now.saturating_duration_since(since) >= still,
            Some(_) | None => {
                *seen = Some((given, now));
                false
            }
        }
    }

    /// Ends it; says whether this was the first word of it.
    pub(super) fn end(&self) -> bool {
        let first = !self.cut.swap(true, Ordering::AcqRel);
        self.task.wake();
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_visitor_who_takes_nothing_is_stalled() {
        let start = crate::clock::instant();
        let still = Duration::from_secs(60);
        let stream = H2Stream::default();
        let stalled = |second: u64| stream.is_stalled(still, start + Duration::from_secs(second));
        assert!(!stalled(0) && !stalled(1000), "it is the origin that is waited for");
        stream.give();
        assert!(!stalled(1000) && !stalled(1059));
        stream.ask();
        stream.give();
        assert!(!stalled(1060), "he took the first");
        assert!(!stalled(1119) && stalled(1120));
        stream.ask();
        assert!(!stalled(2000));
        assert!(stream.end() && !stream.end());
    }
}
