//! Keeping what streams by: every frame goes to the visitor first, and trouble with keeping never harms delivering.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};

use super::buffer::broken;
use super::landing::Fetch;
use super::review::{Beside, Doubtful, Trial};
use super::site::Site;
use crate::ask::Ask;
use crate::cache::storable::Exchange;
use crate::cache::{Entry, Fill, Key, Leader, Reason, Resemblance};
use crate::clock::{self, Now};
use crate::failure::Failure;
use crate::http::{Body, body};
use crate::verdict::Wishes;

/// An answer that is to be kept once its body is whole.
pub(super) struct Keep {
    site: Arc<Site>,
    ask: Ask,
    beside: Beside,
    key: Key<'static>,
    request_headers: HeaderMap,
    status: StatusCode,
    headers: HeaderMap,
    times: (Now, Now),
    /// Whether it may not be the site's.
    doubtful: Option<Doubtful>,
    /// How it looks beside the copy.
    resemblance: Resemblance,
}

impl Keep {
    /// The answer to this fetch. The times: when the request left, when the answer came.
    pub(super) fn new(fetch: &Fetch, response: &Response<Body>, times: (Now, Now)) -> Keep {
        Keep {
            site: fetch.site.clone(),
            ask: fetch.ask.clone(),
            beside: fetch.beside.clone(),
            key: fetch.key.clone(),
            request_headers: fetch.request_headers.clone(),
            status: response.status(),
            headers: response.headers().clone(),
            times,
            doubtful: response.extensions().get().copied(),
            resemblance: response.extensions().get().copied().unwrap_or_default(),
        }
    }

    /// Whether it is the site's also where only its end tells.
    pub(super) fn fits(&self, body: &[u8]) -> bool {
        let (site, ask, beside) = (&self.site, &self.ask, &self.beside);
        let trial = Trial { site, ask, beside, wishes: Wishes::default(), again: None };
        trial.fits(self.status, &self.headers, body)
    }

    /// Keeps it, with its whole body.
    ///
    /// # Errors
    /// Why it is not kept.
    fn store(&self, body: &[u8]) -> Result<Arc<Entry>, Reason> {
        if let Some(Doubtful) = self.doubtful {
            return Err(Reason::Doubtful);
        }
        let exchange = Exchange {
            method: &Method::GET,
            request_headers: &self.request_headers,
            status: self.status,
            response_headers: &self.headers,
        };
        let (sent_at, received_at) = self.times;
        let default_ttl = self.site.config.cache.default_ttl;
        let (resemblance, proven) = (self.resemblance, self.site.page_health.proven());
        let fill = Fill { exchange, body, default_ttl, sent_at, received_at, resemblance, proven };
        self.site.cache.store(&self.key, &fill)
    }

    /// Keeps it, and tells those who wait behind the leader.
    pub(super) fn finish(self, body: &[u8], leader: Leader) -> Option<Arc<Entry>> {
        match self.store(body) {
            Ok(entry) => {
                leader.stored(entry.clone());
                Some(entry)
            }
            Err(reason) => {
                tracing::debug!(site = %self.site.config.name, key = %self.key.page, reason = reason.code(), "answer not kept");
                leader.not_shareable(clock::now());
                None
            }
        }
    }
}

/// Gives the body on, and keeps it if it is whole and no longer than `most` bytes. The leader's followers learn how it
/// ended; if the visitor leaves before that, one of them takes over.
pub(super) fn tee(body: Body, most: u64, keep: Keep, leader: Leader) -> Body {
    leader.give(); // he may not even begin to read
    Body::stream(Tee { inner: body, read: Vec::new(), most, keep: Some((keep, leader)) })
}

struct Tee {
    inner: Body,
    read: Vec<u8>,
    most: u64,
    keep: Option<(Keep, Leader)>,
}

impl Tee {
    fn take_note(&mut self, data: &Bytes) {
        if self.keep.is_none() {
            return;
        }
        if (self.read.len() + data.len()) as u64 > self.most {
            self.read = Vec::new();
            if let Some((_, leader)) = self.keep.take() {
                leader.not_shareable(clock::now());
            }
        } else {
            if let Some((_, leader)) = &self.keep {
                leader.give();
            }
            self.read.extend_from_slice(data);
        }
    }

    fn complete(&mut self) {
        match self.keep.take() {
            // what others have fetched since is newer
            Some((_, leader)) if leader.is_replaced() => drop(leader),
            Some((keep, leader)) if keep.fits(&self.read) => _ = keep.finish(&self.read, leader),
            Some((_, leader)) => leader.not_shareable(clock::now()),
            None => {}
        }
    }
}

impl http_body::Body for Tee {
    type Data = Bytes;
    type Error = body::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, body::Error>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Pending => {
                if let Some((_, leader)) = &this.keep {
                    leader.catch_up();
                }
                Poll::Pending
            }
            Poll::Ready(None) => {
                this.complete();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.take_note(data);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let failure = broken(error);
                // an origin that gave up on this visitor may answer the next one, who takes over
                if let Some((_, leader)) = this.keep.take().filter(|(_, leader)| !leader.has_let_wait()) {
                    leader.failed(Arc::new(Failure::new(failure.cause).detail(failure.to_string())));
                }
                Poll::Ready(Some(Err(failure.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Tee {
    /// A reader that knows the length stops at the last byte, without asking for the end.
    fn drop(&mut self) {
        if self.inner.is_end_stream() {
            self.complete();
        }
    }
}
