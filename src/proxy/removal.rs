//! Believing a site that says that one of its pages is gone.

use std::sync::Arc;

use http::{Method, StatusCode};

use super::review::Review;
use crate::clock;
use crate::origin::Origin;
use crate::tasks;

impl Review<'_> {
    /// Believes that a page was removed, because the site was proven a moment ago: not even its first visitor should get what the
    /// owner has removed. It is remembered only once the proof that begins now succeeds.
    pub(super) fn believe(&self, status: StatusCode, origin: &Arc<Origin>) {
        let left = self.limits.deadline.saturating_duration_since(clock::instant());
        let (site, key) = (self.site, self.ask.key().to_owned());
        tracing::info!(site = %site.config.name, key, status = status.as_u16(), "a page is gone while the site is well");
        if !self.is_representative() || self.ask.method == Method::HEAD {
            return;
        }
        let (page_health, cache, origin) = (site.page_health.clone(), site.cache.clone(), origin.clone());
        let (tls, authority) = (self.ask.tls(), self.ask.authority().to_owned());
        let sent_at = self.sent_at;
        tasks::detached(async move {
            if origin.prove(sent_at, left).await.is_ok() {
                page_health.mark_gone(&key, status.as_u16(), clock::now());
                cache.invalidate(&cache.key(tls, &authority, &key));
            }
        });
    }
}

/// Whether a status says that the page is gone.
pub(super) fn is_removal(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}
