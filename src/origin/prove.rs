//! Proving that the site is at an origin now, for whoever has to know before the next check.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::check::whole;
use super::one::Origin;
use crate::clock;
use crate::failure::{Cause, Failure};
use crate::tasks;

impl Origin {
    /// Proves that the site is there, by a complete check that began no earlier than `begun_after`. Any number of callers share
    /// one check.
    ///
    /// # Errors
    /// What is wrong; [`Cause::Slow`] if there was no proof within `wait`.
    pub async fn prove(self: &Arc<Self>, begun_after: Instant, wait: Duration) -> Result<(), Failure> {
        let (tell, told) = tokio::sync::oneshot::channel();
        let this = self.clone();
        // A task of its own: what one visitor has no patience for is of use to the next.
        tasks::detached(async move { _ = tell.send(this.proven(begun_after).await) });
        match tokio::time::timeout(wait, told).await {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(cause))) => Err(Failure::new(cause).detail("the key pages are not the site's now")),
            Ok(Err(_)) | Err(_) => Err(Failure::new(Cause::Slow).detail("no proof of the site in time")),
        }
    }

    async fn proven(&self, begun_after: Instant) -> Option<Cause> {
        let mut last = self.proof.lock().await;
        if let Some((begun, wrong)) = *last
            && begun >= begun_after
        {
            return wrong;
        }
        let settings = self
            .checker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|(settings, _)| settings.clone());
        let begun = clock::instant();
        let wrong = match settings {
            Some(settings) => whole(self, &settings).await.err().map(|failure| failure.cause),
            None => None, // it is switched off, and nobody is asked to prove it
        };
        *last = Some((begun, wrong));
        wrong
    }
}
