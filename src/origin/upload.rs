//! A request's body on its way to an origin: its progress, and what went wrong with it on the visitor's side.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Frame;

use crate::clock;
use crate::failure::{Cause, Failure};
use crate::http::{Body, body};

/// The progress of a body. The origin's time to answer begins with the last byte that it was sent.
#[derive(Debug)]
pub struct Upload {
    started: Instant,
    /// Milliseconds after `started` at which the origin last took something.
    moved: AtomicU64,
    failed: Mutex<Option<Cause>>,
}

impl Upload {
    /// Wraps a visitor's body, and lets at most `limit` bytes pass.
    pub fn watch(body: Body, limit: u64) -> (Arc<Upload>, Body) {
        let upload = Arc::new(Upload {
            started: clock::instant(),
            moved: AtomicU64::new(0),
            failed: Mutex::new(None),
        });
        let watched = Watched { left: limit, upload: upload.clone() };
        (upload, body.inspected(watched))
    }

    /// When the origin last took something of it.
    pub fn moved_at(&self) -> Instant {
        self.started + Duration::from_millis(self.moved.load(Ordering::Relaxed))
    }

    /// Why the body ended early, if that was not the origin's fault.
    pub fn failed(&self) -> Option<Cause> {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, cause: Cause) -> Failure {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(cause);
        Failure::new(cause)
    }

    fn note_progress(&self) {
        let elapsed = clock::instant().saturating_duration_since(self.started);
        self.moved.store(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

struct Watched {
    left: u64,
    upload: Arc<Upload>,
}

impl body::Inspector for Watched {
    /// A request for more is progress, too: the origin took what there was.
    fn asked(&mut self) {
        self.upload.note_progress();
    }

    fn frame(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, body::Error> {
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        let left = self.left.checked_sub(size);
        self.left = left.ok_or_else(|| self.upload.fail(Cause::BodyTooLarge))?;
        Ok(frame)
    }

    fn failed(&mut self, error: body::Error) -> body::Error {
        let own = error.downcast_ref::<Failure>().map(|failure| failure.cause);
        self.upload.fail(own.unwrap_or(Cause::VisitorGone)).source(error).into()
    }
}

/// Waits for `work` until `wait` after the last progress of the upload. `None`: the wait was in vain.
pub(super) async fn within<T, F: Future<Output = T>>(
    wait: Duration,
    upload: Option<&Upload>,
    mut work: Pin<&mut F>,
) -> Option<T> {
    let mut deadline = tokio::time::Instant::now() + wait;
    loop {
        if let Ok(done) = tokio::time::timeout_at(deadline, work.as_mut()).await {
            return Some(done);
        }
        let later = tokio::time::Instant::from_std(upload?.moved_at()) + wait;
        if later <= deadline {
            return None;
        }
        deadline = later;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn what_is_within_the_limit_passes_unchanged() {
        let (upload, body) = Upload::watch(Body::whole("12345"), 5);
        assert_eq!(body.size_hint().exact(), Some(5));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "12345");
        assert_eq!(upload.failed(), None);
    }

    #[tokio::test]
    async fn one_byte_more_is_the_visitors_fault() {
        let (upload, body) = Upload::watch(Body::whole("123456"), 5);
        assert!(body.collect().await.is_err());
        assert_eq!(upload.failed(), Some(Cause::BodyTooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_in_progress_is_waited_for() {
        let (upload, _body) = Upload::watch(Body::Empty, 0);
        let nothing = std::pin::pin!(std::future::pending::<()>());
        assert!(within(Duration::from_secs(1), Some(&upload), nothing).await.is_none());
        let soon = std::pin::pin!(tokio::time::sleep(Duration::from_millis(900)));
        assert!(within(Duration::from_secs(1), None, soon).await.is_some());
    }
}
