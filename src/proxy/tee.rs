//! Keeping an answer while it streams to a visitor: every frame goes to the visitor first, and a failure to keep it never
//! harms delivery.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Frame;

use super::buffer::broken;
use super::review::Passed;
use super::shared::{Fetch, Times};
use crate::cache::storable::Exchange;
use crate::cache::{Entry, Fill, Leader, Reason, Resemblance};
use crate::clock;
use crate::http::{Body, body};

/// An answer that is to be kept once its body is whole.
pub(super) struct Keep {
    fetch: Arc<Fetch>,
    status: StatusCode,
    response_headers: HeaderMap,
    times: Times,
    /// How its review passed it.
    passed: Passed,
}

impl Keep {
    /// The answer to this fetch.
    pub(super) fn new(fetch: &Arc<Fetch>, response: &Response<Body>, passed: Passed, times: Times) -> Keep {
        Keep {
            fetch: fetch.clone(),
            status: response.status(),
            response_headers: response.headers().clone(),
            times,
            passed,
        }
    }

    /// Whether it is still the site's where only its end tells.
    pub(super) fn is_accepted(&self, body: &[u8]) -> bool {
        let review = self.fetch.review(self.times.sent_at.mono);
        review.accepts_whole(self.status, &self.response_headers, body)
    }

    /// Keeps it, with its whole body.
    ///
    /// # Errors
    /// Why it is not kept.
    fn store(&self, body: &[u8]) -> Result<Arc<Entry>, Reason> {
        let resemblance = match self.passed {
            Passed::Good(resemblance) => resemblance,
            Passed::Cleared | Passed::Unjudged => Resemblance::default(),
            Passed::Doubtful => return Err(Reason::Doubtful),
        };
        let site = &self.fetch.site;
        let fill = Fill {
            exchange: Exchange {
                method: &Method::GET,
                request_headers: &self.fetch.request_headers,
                status: self.status,
                response_headers: &self.response_headers,
            },
            body,
            default_ttl: site.config.cache.default_ttl,
            sent_at: self.times.sent_at,
            received_at: self.times.received_at,
            resemblance,
            proven: site.page_health.proven(),
        };
        site.cache.store(&self.fetch.key, &fill)
    }

    /// Keeps it, and tells those who wait behind the leader.
    pub(super) fn finish(self, body: &[u8], leader: Leader) -> Option<Arc<Entry>> {
        match self.store(body) {
            Ok(entry) => {
                leader.stored(entry.clone());
                Some(entry)
            }
            Err(reason) => {
                tracing::debug!(site = %self.fetch.site.config.name, key = %self.fetch.key.page, reason = reason.code(), "answer not kept");
                leader.not_shareable(clock::now());
                None
            }
        }
    }
}

/// Passes the body on, and keeps it if it is complete and has at most `most` bytes. The leader's followers learn how it
/// ended; if the visitor leaves before that, one of them takes over.
pub(super) fn tee(body: Body, most: u64, keep: Keep, leader: Leader) -> Body {
    leader.give(); // he may not even begin to read
    body.inspected(Tee { read: Vec::new(), most, keep: Some((keep, leader)) })
}

struct Tee {
    read: Vec<u8>,
    most: u64,
    keep: Option<(Keep, Leader)>,
}

impl Tee {
    fn complete(&mut self) {
        match self.keep.take() {
            // what others have fetched since is newer
            Some((_, leader)) if leader.is_replaced() => drop(leader),
            Some((keep, leader)) if keep.is_accepted(&self.read) => _ = keep.finish(&self.read, leader),
            Some((_, leader)) => leader.not_shareable(clock::now()),
            None => {}
        }
    }
}

impl body::Inspector for Tee {
    fn frame(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, body::Error> {
        let (Some(data), Some((_, leader))) = (frame.data_ref(), &self.keep) else { return Ok(frame) };
        if (self.read.len() + data.len()) as u64 <= self.most {
            leader.give();
            self.read.extend_from_slice(data);
        } else {
            self.read = Vec::new();
            if let Some((_, leader)) = self.keep.take() {
                leader.not_shareable(clock::now());
            }
        }
        Ok(frame)
    }

    fn pending(&mut self, _: &mut Context<'_>) -> Poll<body::Error> {
        if let Some((_, leader)) = &self.keep {
            leader.catch_up();
        }
        Poll::Pending
    }

    fn failed(&mut self, error: body::Error) -> body::Error {
        let failure = broken(error);
        // an origin that gave up on this visitor may answer the next one, who takes over
        if let Some((_, leader)) = self.keep.take().filter(|(_, leader)| !leader.has_let_wait()) {
            leader.failed(Arc::new(failure.to_others()));
        }
        failure.into()
    }

    fn ended(&mut self) {
        self.complete();
    }

    fn dropped(&mut self, at_end: bool) {
        if at_end {
            self.complete();
        }
    }
}
