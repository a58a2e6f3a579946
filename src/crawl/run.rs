//! One crawl from its beginning to a published snapshot, or to the reasons why there is none: begin or go on →
//! `walk` → `merge` → `gate` → publish or hold.
//!
//! Everything runs in the future that [`take`] returns: when it is dropped, requests end, and what was staged stays
//! on the disk for the next one to go on with.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::fetch::resume::{self, Staged};
use super::gate::{self, Broken, Evidence, Rule};
use super::merge::evidence::{Last, gather};
use super::merge::inherit;
use super::outcome::{CrawlError, Outcome};
use super::progress::Progress;
use super::report::{Gate, Report, Resumed};
use super::transport::Fetch;
use super::walk::learned::Learned;
use super::walk::{Done, crawl};
use crate::clock::{self, Now};
use crate::config::ready::Site;
use crate::snapshot::{
    Addresses, Begun, FALLBACK_PAGE, GatheredForms, Keep, SiteForm, SiteForms, Snapshot, SnapshotId, Staging,
    Store, rfc3339,
};
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
    visits: Option<&Arc<Visits>>,
    progress: &Progress,
    now: Now,
) -> Result<Outcome, CrawlError> {
    let started = begin(site, store, now).await?;
    fill(started, site, fetch, store, visits, progress).await
}

/// A snapshot that was begun, or taken up again.
pub(super) struct Started {
    staging: Staging,
    staged: Staged,
    resumed: Option<Resumed>,
    now: Now,
}

/// Begins a snapshot. The first half of [`take`], and not to be dropped half-way: the lock would be held for a
/// moment more.
pub(super) async fn begin(site: &Site, store: &Store, now: Now) -> Result<Started, CrawlError> {
    let (store, course, max_age) = (store.clone(), resume::course(site), resume::max_age(site));
    let begun = tasks::blocking(move || {
        let (staging, begun) = store.begin_or_resume(now, KIND, &course, max_age)?;
        staging.leave_when_dropped(true);
        let (staged, resumed) = match begun {
            Begun::New => (Staged::default(), None),
            Begun::Resumed { .. } => {
                let (staged, since) = (Staged::of(&staging), clock::unix(staging.begun()));
                let files = staged.len();
                let begun = rfc3339(staging.begun());
                tracing::info!(site = store.site(), begun, files, "resuming an interrupted crawl");
                (staged, Some(Resumed { since, files }))
            }
        };
        Ok(Started { staging, staged, resumed, now })
    });
    begun.await.ok_or(CrawlError::Ending)?
}

/// Crawls and publishes what was begun. The second half of [`take`]. Dropped before [`Progress::is_publishing`], it
/// leaves what is staged for the next one to go on with; dropped after, the snapshot goes where it was to go all
/// the same.
pub(super) async fn fill<F: Fetch>(
    started: Started,
    site: &Site,
    fetch: &F,
    store: &Store,
    visits: Option<&Arc<Visits>>,
    progress: &Progress,
) -> Result<Outcome, CrawlError> {
    let (staging, done) = walk(started, site, fetch, (store, visits), progress).await?;
    let max_pages = site.mirror.max_pages as u64;
    let in_service = || in_service(store);
    let Merged { done, forms, evidence, beside } =
        merge_beside_current(done, &staging, store, (progress, max_pages), in_service).await?;
    let broken = gate::judge(&evidence);
    let mut report = done.report;
    report.counts = progress.read();
    report.lose(evidence.lost_assets.into_iter().map(|asset| asset.path));
    let turned = evidence.before.map(|before| before.turned.samples).unwrap_or_default();
    report.gate = Gate { passed: broken.is_empty(), broken, turned };
    let mut character = done.character.written();
    if let Some(shell) = done.shell {
        character[FALLBACK_PAGE] = shell.into();
    }
    let addresses = done.addresses.done();
    report.unnamed_forms = unnamed(&forms, site);
    let learned = Lessons { character, addresses, forms, beside };
    let staging = Arc::into_inner(staging).ok_or(CrawlError::Ending)?;
    end(staging, site, store, progress, (report, learned)).await
}

/// How many forms could be kept in an outage, of which the configuration says nothing.
fn unnamed(forms: &SiteForms, site: &Site) -> u64 {
    let is_one =
        |form: &&SiteForm| form.kind.may_be_kept() && !form.has_captcha && site.form(&form.path).is_none();
    forms.iter().filter(is_one).count() as u64
}

/// Asks for everything.
pub(super) async fn walk<F: Fetch>(
    started: Started,
    site: &Site,
    fetch: &F,
    (store, visits): (&Store, Option<&Arc<Visits>>),
    progress: &Progress,
) -> Result<(Arc<Staging>, Done), CrawlError> {
    let Started { staging, staged, resumed, now } = started;
    let current = store.current();
    let staging = Arc::new(staging);
    let learned = Learned::gather(site, visits, store, current.as_ref()).await;
    let mut done = crawl(site, fetch, (&staging, current.as_ref()), (staged, learned), progress).await?;
    let took = clock::instant().saturating_duration_since(now.mono).as_secs_f64();
    done.report.site = site.name.to_string();
    done.report.started_at = now.unix();
    done.report.seconds = (took * 1000.0).round() / 1000.0;
    done.report.counts = progress.read();
    done.report.resumed = resumed;
    Ok((staging, done))
}

/// A crawl, merged with what is in service.
pub(super) struct Merged {
    pub(super) done: Done,
    /// The site's forms, those included whose pages were carried over.
    pub(super) forms: SiteForms,
    pub(super) evidence: Evidence,
    /// With which snapshot.
    pub(super) beside: Option<SnapshotId>,
}

/// Merges the crawl with what is in service, and indexes that, and again if that has changed by the end: another process may have
/// taken a snapshot since the crawl began, or the operator may have put one in service. Between the last look and
/// publishing nothing is left that takes long.
pub(super) async fn merge_beside_current<Found: Future<Output = Option<Arc<Snapshot>>>>(
    mut done: Done,
    staging: &Arc<Staging>,
    store: &Store,
    (progress, max_pages): (&Progress, u64),
    in_service: impl Fn() -> Found,
) -> Result<Merged, CrawlError> {
    let mark = staging.mark();
    // The longest part of publishing: what comes into service meanwhile is what the crawl is compared with.
    let bodies = staging.clone();
    tasks::blocking(move || bodies.sync()).await.ok_or(CrawlError::Ending)??;
    let mut current = in_service().await;
    for left in (0..MERGED).rev() {
        let beside = current.as_ref().map(|current| current.id());
        let (report, addresses) = (done.report.clone(), done.addresses.clone());
        let (merged, evidence) = merge(done, staging, current, store, progress, max_pages).await?;
        let forms = index(merged.forms.clone(), staging, (store, beside)).await?;
        current = in_service().await;
        if left == 0 || current.as_ref().map(|current| current.id()) == beside {
            return Ok(Merged { done: merged, forms, evidence, beside });
        }
        tracing::info!(
            site = store.site(),
            "another snapshot went into service, comparing the crawl with that one"
        );
        // What was carried over, and what that says, was the other one's.
        staging.rewind(mark);
        progress.forget_carried();
        done = Done { report, addresses, ..merged };
    }
    Err(CrawlError::Ending)
}

/// Makes the snapshot's index for search, within its time: the snapshot is worth more. Returns the site's forms, by which it is known
/// what is a search.
async fn index(
    forms: GatheredForms,
    staging: &Arc<Staging>,
    (store, beside): (&Store, Option<SnapshotId>),
) -> Result<SiteForms, CrawlError> {
    let stop = Stop(Arc::default());
    let (staging, store, stopped) = (staging.clone(), store.clone(), stop.0.clone());
    let done = tasks::blocking(move || {
        let mut forms = forms.done();
        if let Some(earlier) = beside.and_then(|beside| SiteForms::read(store.forms(&beside))) {
            forms.take_over(&earlier, |pages| carried(&staging, pages));
        }
        let until = clock::instant() + INDEXING;
        staging.index(&forms, || !stopped.load(Relaxed) && clock::instant() < until);
        if clock::instant() >= until {
            tracing::warn!(
                site = store.site(),
                "indexing took too long, the search of this snapshot is out of order in an outage"
            );
        }
        forms
    });
    let forms = done.await.ok_or(CrawlError::Ending);
    drop(stop);
    forms
}

/// Which of these pages were carried over. Blocks.
fn carried(staging: &Staging, pages: &[&str]) -> Vec<bool> {
    let mut carried = vec![false; pages.len()];
    for page in staging.pages().into_iter().flatten() {
        for (known, carried) in pages.iter().zip(&mut carried) {
            if *known == page.key {
                *carried = page.notes.carried > 0;
            }
        }
    }
    carried
}

/// How long a snapshot is indexed at most: ten times as long as 100,000 pages of documentation take.
const INDEXING: Duration = Duration::from_secs(300);

/// How often a crawl is merged while other snapshots come into service; then it is held.
const MERGED: usize = 3;

/// What a crawl leaves beside its pages.
struct Lessons {
    character: serde_json::Value,
    addresses: Addresses,
    forms: SiteForms,
    /// The snapshot that it was compared with.
    beside: Option<SnapshotId>,
}

/// The snapshot in service, whoever put it there.
async fn in_service(store: &Store) -> Option<Arc<Snapshot>> {
    let fresh = store.clone();
    if let Some(Err(error)) = tasks::blocking(move || fresh.refresh()).await {
        tracing::warn!(site = store.site(), %error, "cannot see what other processes have published");
    }
    store.current()
}

/// Tells the thread that works for a future that nobody waits for it any more.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Carries over what the crawl did not get, and gathers what the gate goes by.
async fn merge(
    mut done: Done,
    staging: &Arc<Staging>,
    current: Option<Arc<Snapshot>>,
    store: &Store,
    progress: &Progress,
    max_pages: u64,
) -> Result<(Done, Evidence), CrawlError> {
    let (staging, store, progress) = (staging.clone(), store.clone(), progress.clone());
    let stop = Stop(Arc::default());
    let stopped = stop.0.clone();
    let merged = tasks::blocking(move || {
        let seconds = done.report.resumed.is_none().then_some(done.report.seconds);
        let last = match &current {
            Some(current) => {
                let report =
                    store.report(&current.id()).and_then(|report| serde_json::from_value(report).ok());
                let comparison = inherit(current, &staging, (&mut done, max_pages), &progress, &stopped)?;
                Some(Last { snapshot: current, report, comparison })
            }
            None => None,
        };
        let evidence = gather(&done, last, seconds, max_pages);
        Ok((done, Evidence { by_hand: store.is_by_hand().map(rfc3339), ..evidence }))
    });
    let merged = merged.await.ok_or(CrawlError::Ending)?;
    drop(stop);
    merged
}

/// Puts the new snapshot where the gate wants it.
async fn end(
    staging: Staging,
    site: &Site,
    store: &Store,
    progress: &Progress,
    (report, lessons): (Report, Lessons),
) -> Result<Outcome, CrawlError> {
    let name = &*site.name;
    let mut broken = report.gate.broken.clone();
    for Broken { rule, detail, measured, limit } in &broken {
        let rule = rule.code();
        tracing::warn!(site = name, rule, detail, measured, limit, "the crawl breaks a rule of the gate");
    }
    let report = Box::new(report);
    // There is nothing in it that this crawl brought: no operator would want it.
    if broken.iter().any(|broken| broken.rule == Rule::Empty) {
        match store.current() {
            Some(_) => {
                tracing::warn!(site = name, "the crawl stored no page, the old snapshot stays in service")
            }
            None => tracing::warn!(site = name, "the crawl stored no page, there is still no snapshot"),
        }
        staging.leave_when_dropped(false);
        tasks::blocking(move || drop(staging)).await.ok_or(CrawlError::Ending)?;
        return Ok(Outcome::Kept { broken, held: None, report });
    }
    progress.counters().publishing.store(true, Relaxed);
    let summary = publish_or_hold(staging, site, store, (&report, lessons)).await?.summary();
    let (id, pages, files, bytes) = (summary.id.to_string(), summary.pages, summary.files, summary.bytes);
    let Some(reasons) = &summary.held else {
        tracing::info!(site = name, id, pages, files, bytes, "a new snapshot is in service");
        return Ok(Outcome::Published { summary, report });
    };
    if broken.is_empty() {
        // Somebody went back by hand in the meantime, or put another snapshot in service.
        broken.push(Broken { rule: Rule::ByHand, detail: reasons.join("; "), measured: None, limit: None });
    }
    tracing::warn!(
        site = name,
        id,
        pages,
        files,
        bytes,
        "the new snapshot is held, the old one stays in service"
    );
    Ok(Outcome::Kept { broken, held: Some(summary), report })
}

/// Publishes a snapshot that passed, and holds another one; then removes old ones.
async fn publish_or_hold(
    staging: Staging,
    site: &Site,
    store: &Store,
    (report, lessons): (&Report, Lessons),
) -> Result<Arc<Snapshot>, CrawlError> {
    let (count, age) = (site.mirror.keep, site.mirror.keep_for);
    let reasons: Vec<String> = report.gate.broken.iter().map(Broken::line).collect();
    let (store, report) = (store.clone(), serde_json::to_value(report).unwrap_or_default());
    let done = tasks::blocking(move || {
        let now = clock::now();
        staging.describe(&lessons.character);
        staging.note_addresses(&serde_json::to_value(&lessons.addresses).unwrap_or_default());
        staging.note_forms(&serde_json::to_value(&lessons.forms).unwrap_or_default());
        let snapshot = match reasons.is_empty() {
            true => staging.publish_beside(lessons.beside, now, &report)?,
            false => staging.hold(now, &report, &reasons)?,
        };
        if let Err(error) = store.retain(&Keep { count, age, now: now.wall }) {
            tracing::warn!(site = store.site(), error = %error, "could not remove old snapshots");
        }
        Ok(snapshot)
    });
    done.await.ok_or(CrawlError::Ending)?
}
