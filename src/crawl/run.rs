//! One crawl from its beginning to a published snapshot, or to the reasons why there is none.
//!
//! Everything runs in the future that [`take`] returns: when it is dropped, requests end, and what was staged is
//! removed.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::course::crawl;
use super::fetch::Fetch;
use super::gate::{self, Evidence};
use super::outcome::{CrawlError, Outcome};
use super::progress::Progress;
use super::report::Report;
use crate::clock::{self, Now};
use crate::config::ready::Site;
use crate::snapshot::{Keep, Snapshot, Staging, Store};
use crate::tasks;
use crate::visits::Visits;

/// How a snapshot of ours is marked.
const KIND: &str = "crawl";

/// Takes a snapshot: key pages first, then all that they need and lead to, within the configuration's bounds. The
/// new snapshot is put in service only if it passes the gate; then old ones beyond `keep` are removed. What
/// visitors ask for is fetched too, if their `visits` are given.
///
/// # Errors
/// Only for what is not the site's fault: see [`CrawlError`]. A site that does not answer is an [`Outcome::Kept`].
pub async fn take<F: Fetch>(
    site: &Site,
    fetch: &F,
    store: &Store,
    visits: Option<&Visits>,
    progress: &Progress,
    now: Now,
) -> Result<Outcome, CrawlError> {
    let staging = begin(store, now).await?;
    fill(staging, site, fetch, store, visits, progress, now).await
}

/// Begins a snapshot. The first half of [`take`], and not to be dropped half-way: the lock would be held for a
/// moment more.
pub(super) async fn begin(store: &Store, now: Now) -> Result<Staging, CrawlError> {
    let store = store.clone();
    Ok(tasks::blocking(move || store.begin(now, KIND)).await.ok_or(CrawlError::Ending)??)
}

/// Crawls and publishes what was begun. The second half of [`take`]. Dropped before [`Progress::is_publishing`], it
/// leaves nothing; dropped after, the snapshot is put in service all the same.
pub(super) async fn fill<F: Fetch>(
    staging: Staging,
    site: &Site,
    fetch: &F,
    store: &Store,
    visits: Option<&Visits>,
    progress: &Progress,
    now: Now,
) -> Result<Outcome, CrawlError> {
    let current = store.current();
    let done = crawl(site, fetch, (&staging, current.as_ref()), visits, progress, now).await?;
    let broken = gate::judge(&Evidence {
        key_pages: &done.key_pages,
        fates: &done.fates,
        pages: done.report.counts.pages,
        current_pages: current.map(|current| current.summary().pages),
        cut_short: done.cut_short,
    });
    let report = Box::new(done.report);
    if !broken.is_empty() {
        let rules =
            broken.iter().map(|b| format!("{}: {}", b.rule.code(), b.detail)).collect::<Vec<_>>().join("; ");
        tracing::warn!(
            site = &*site.name,
            rules,
            "the new snapshot did not pass the gate, the old one stays"
        );
        tasks::blocking(move || drop(staging)).await.ok_or(CrawlError::Ending)?;
        return Ok(Outcome::Kept { broken, report });
    }
    progress.counters().publishing.store(true, Relaxed);
    let keep = (site.mirror.keep, site.mirror.keep_for);
    let snapshot = publish(staging, store, &report, keep).await?;
    let summary = snapshot.summary();
    let (id, pages, files) = (summary.id.to_string(), summary.pages, summary.files);
    tracing::info!(
        site = &*site.name,
        id,
        pages,
        files,
        bytes = summary.bytes,
        "a new snapshot is in service"
    );
    Ok(Outcome::Published { summary, report })
}

async fn publish(
    staging: Staging,
    store: &Store,
    report: &Report,
    (count, age): (usize, Option<Duration>),
) -> Result<Arc<Snapshot>, CrawlError> {
    let (store, report) = (store.clone(), serde_json::to_value(report).unwrap_or_default());
    let published = tasks::blocking(move || {
        let now = clock::now();
        let snapshot = staging.publish(now, &report)?;
        if let Err(error) = store.retain(&Keep { count, age, now: now.wall }) {
            tracing::warn!(site = store.site(), error = %error, "could not remove old snapshots");
        }
        Ok(snapshot)
    });
    published.await.ok_or(CrawlError::Ending)?
}
