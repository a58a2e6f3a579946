//! What is done between two crawls: the snapshot in service is read again piece by piece, so that damage is found, and
//! told, before an outage needs what is damaged. The next crawl fetches it anew.

use std::convert::Infallible;
use std::time::Duration;

use crate::snapshot::{Store, piece};
use crate::tasks;

/// Between two pieces.
const PAUSE: Duration = Duration::from_secs(600);
/// How long it takes to have read all: bits rot slowly, and visitors need the disk, too.
const ROUND: Duration = Duration::from_secs(7 * 86_400);

/// Scrubs a store, a piece at a time, until it is dropped.
pub(super) async fn scrub_slowly(store: &Store) -> Infallible {
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(bytes) = store.current().map(|current| current.summary().bytes) else { continue };
        let scrubbing = store.clone();
        let scrubbed = tasks::blocking(move || scrubbing.scrub(piece(bytes, PAUSE, ROUND))).await;
        if let Some(scrubbed) = scrubbed.filter(|scrubbed| scrubbed.damaged > 0) {
            let damaged = scrubbed.damaged;
            tracing::warn!(site = store.site(), damaged, "parts of the snapshot in service are damaged");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, MemorySite};
    use super::super::{Progress, take};
    use super::*;
    use crate::clock;

    #[tokio::test(start_paused = true)]
    async fn damage_is_found_between_two_crawls() {
        let (dir, store) = testing::store();
        let fetch = MemorySite::of(&[("/", "home")]);
        let site = testing::site(&["/"]);
        let taken = take(&site, &fetch, &store, None, &Progress::new(), clock::now()).await;
        assert!(taken.is_ok_and(|outcome| outcome.is_published()));
        let body = store.current().and_then(|current| current.find("/").ok()?).and_then(|page| page.body);
        let name = body.expect("a body").to_string();
        let place = dir.path().join("blobs").join(&name[..2]).join(&name);
        crate::disk::write_atomic(&place, b"hime").expect("rot");
        assert!(store.trouble().is_empty());
        // It begins anywhere, and is through after two pieces at most.
        let looking = tokio::time::timeout(PAUSE * 5 / 2, scrub_slowly(&store));
        assert!(looking.await.is_err(), "it never ends");
        // The clock waits for the thread that reads.
        assert!(!store.trouble().is_empty());
    }
}
