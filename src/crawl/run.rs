//! One crawl from its beginning to a published snapshot, or to the reasons why there is none.
//!
//! Everything runs in the future that [`take`] returns: when it is dropped, requests end, and what was staged is
//! removed.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Semaphore;

use super::admission::Refusal;
use super::fetch::Fetch;
use super::findings::{Findings, Reading};
use super::frontier::{Frontier, Item, Offered, Policy};
use super::gate::{self, Evidence, Fate};
use super::links::Need;
use super::outcome::{CrawlError, Outcome};
use super::pace::Pace;
use super::progress::Progress;
use super::receive::Bounds;
use super::report::{Failed, Report};
use super::robots::Robots;
use super::scope::{Place, Scope};
use super::visit::{End, Visit, Visitor, Way};
use crate::clock::{self, Now};
use crate::config::ready::Site;
use crate::snapshot::{Keep, Page, Snapshot, Staging, Store};
use crate::tasks;

/// How a snapshot of ours is marked.
const KIND: &str = "crawl";
/// One file: as large as a brochure's, not as a disk image.
const BOUNDS: Bounds =
    Bounds { file: 256 * 1024 * 1024, stall: Duration::from_secs(30), whole: Duration::from_secs(600) };
/// All files of a snapshot together.
const TOTAL_BYTES: u64 = 20 * 1024 * 1024 * 1024;
/// Files that fail one after the other until the site counts as gone.
const FAILURES_IN_A_ROW: u32 = 24;
/// Site maps of one crawl, and how deep indexes name indexes.
const MAPS: usize = 500;
const MAP_DEPTH: u32 = 3;

/// Takes a snapshot: key pages first, then all that they need and lead to, within the configuration's bounds. The
/// new snapshot is put in service only if it passes the gate; then old ones beyond `keep` are removed.
///
/// # Errors
/// Only for what is not the site's fault: see [`CrawlError`]. A site that does not answer is an [`Outcome::Kept`].
pub async fn take<F: Fetch>(
    site: &Site,
    fetch: &F,
    store: &Store,
    progress: &Progress,
    now: Now,
) -> Result<Outcome, CrawlError> {
    let staging = begin(store, now).await?;
    fill(staging, site, fetch, store, progress, now).await
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
    progress: &Progress,
    now: Now,
) -> Result<Outcome, CrawlError> {
    let current = store.current();
    let done = crawl(site, fetch, (&staging, current.as_ref()), progress, now).await?;
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

/// What a crawl leaves for the gate.
struct Done {
    report: Report,
    key_pages: Vec<String>,
    fates: HashMap<Arc<str>, Fate>,
    cut_short: Option<String>,
}

/// A crawl under way: the part that decides. What waits for the network is in [`Visitor`].
struct Crawl<'a, F> {
    site: &'a Site,
    visitor: &'a Visitor<'a, F>,
    policy: Policy<'a>,
    frontier: Frontier,
    /// What is read as a site map, and how many indexes away from the first.
    maps: HashMap<Arc<str>, u32>,
    fates: HashMap<Arc<str>, Fate>,
    report: Report,
    failures_in_a_row: u32,
    cut_short: Option<String>,
}

async fn crawl<F: Fetch>(
    site: &Site,
    fetch: &F,
    (staging, current): (&Staging, Option<&Arc<Snapshot>>),
    progress: &Progress,
    now: Now,
) -> Result<Done, CrawlError> {
    let scope = Scope::new(site);
    let way = Way { tls: site.tls.is_some(), host: scope.host().to_owned() };
    let pace = Pace::new(site.mirror.rate);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let readers = Semaphore::new((cores / 2).max(1));
    let way = Mutex::new(way);
    let visitor = Visitor { fetch, scope, staging, current, progress, pace, bounds: BOUNDS, readers, way };
    let report = Report { site: site.name.to_string(), started_at: now.unix(), ..Report::default() };
    let mut crawl = Crawl {
        site,
        visitor: &visitor,
        policy: Policy::new(site),
        frontier: Frontier::new(site.mirror.max_pages),
        maps: HashMap::new(),
        fates: HashMap::new(),
        report,
        failures_in_a_row: 0,
        cut_short: None,
    };
    let key_pages = crawl.seed_key_pages();
    crawl.robots().await?;
    crawl.seed_well_known();
    crawl.drain().await?;
    let mut report = crawl.report;
    report.counts = progress.read();
    report.seconds = clock::instant().saturating_duration_since(now.mono).as_secs_f64();
    Ok(Done { report, key_pages, fates: crawl.fates, cut_short: crawl.cut_short })
}

impl<F: Fetch> Crawl<'_, F> {
    fn seed_key_pages(&mut self) -> Vec<String> {
        let keys: Vec<String> = self.site.key_pages.iter().map(|path| self.visitor.scope.key(path)).collect();
        for key in &keys {
            self.offer(key, Need::Key, 0, 0, None);
        }
        keys
    }

    /// `robots.txt` comes before everything: what it forbids must be known when the first link is found.
    async fn robots(&mut self) -> Result<(), CrawlError> {
        let visitor = self.visitor;
        let mut key: Arc<str> = "/robots.txt".into();
        self.frontier.claim(&key);
        self.report.robots = "none";
        // Up to five redirects (RFC 9309 section 2.3.1.2).
        for _ in 0..=5 {
            let item = Item { key, need: Need::Site, depth: 0, hops: 0, found_on: None };
            let visit = visitor.visit(item, Reading::Robots).await;
            let next = match &visit.end {
                End::Redirect(_, next) => next.clone(),
                End::Body(_, findings) => {
                    self.policy.robots = findings.robots.clone().unwrap_or_default();
                    self.report.robots = "found";
                    None
                }
                End::Failed(..) => {
                    self.policy.robots = Robots::disallow_all();
                    self.report.robots = "unreadable";
                    None
                }
                End::Refused(_) | End::Stage(_) | End::Ending => None,
            };
            self.settle(visit, false)?;
            match next {
                Some(next) => key = next.into(),
                None => break,
            }
        }
        Ok(())
    }

    /// What every site may have.
    fn seed_well_known(&mut self) {
        let root = self.visitor.scope.url(false, self.visitor.scope.host(), "/");
        let named = std::mem::take(&mut self.policy.robots.sitemaps);
        for address in named {
            let place =
                root.as_ref().map(|root| self.visitor.scope.place(root, &address, encoding_rs::UTF_8));
            if let Some(Place::Here(key)) = place {
                self.map(&key, 0);
            }
        }
        self.map("/sitemap.xml", 0);
        self.offer("/favicon.ico", Need::Site, 0, 0, None);
        self.offer("/", Need::Link, 0, 0, None);
    }

    fn map(&mut self, key: &str, depth: u32) {
        if depth <= MAP_DEPTH && self.maps.len() < MAPS && !self.maps.contains_key(key) {
            self.maps.insert(key.into(), depth);
            self.offer(key, Need::Site, 0, 0, None);
        }
    }

    /// Fetches until nothing is left, or the site is gone.
    async fn drain(&mut self) -> Result<(), CrawlError> {
        let visitor = self.visitor;
        let width = visitor.pace.width();
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < width
                && self.cut_short.is_none()
                && let Some(item) = self.next()
            {
                let map = self.maps.contains_key(&item.key);
                under_way.push(visitor.visit(item, if map { Reading::Map } else { Reading::ByType }));
            }
            visitor.progress.counters().queued.store(self.frontier.len() as u64, Relaxed);
            let Some(visit) = under_way.next().await else { return Ok(()) };
            self.settle(visit, true)?;
            if self.cut_short.is_some() {
                return Ok(());
            }
        }
    }

    /// The next item that the bounds still have room for.
    fn next(&mut self) -> Option<Item> {
        loop {
            let item = self.frontier.pop()?;
            match self.full(&item) {
                None => return Some(item),
                Some(refusal) => self.refuse(refusal, &item),
            }
        }
    }

    /// The bound that is reached, as far as it concerns `item`. Key pages always have room.
    fn full(&self, item: &Item) -> Option<Refusal> {
        let counts = self.visitor.progress.read();
        let max_pages = self.site.mirror.max_pages as u64;
        let files = counts.pages + counts.assets + counts.redirects;
        match item.need {
            Need::Key => None,
            _ if counts.bytes >= TOTAL_BYTES => Some(Refusal::ByteLimit),
            _ if files >= max_pages.saturating_mul(10).saturating_add(20_000) => Some(Refusal::FileLimit),
            Need::Link if counts.pages >= max_pages && !is_document(&item.key) => Some(Refusal::PageLimit),
            Need::Site | Need::Draw | Need::Link => None,
        }
    }

    /// Takes note of what became of one address.
    fn settle(&mut self, visit: Visit, follow: bool) -> Result<(), CrawlError> {
        let Visit { item, end, took } = visit;
        if !matches!(end, End::Failed(..)) {
            self.failures_in_a_row = 0;
        }
        match end {
            End::Body(page, findings) => {
                if findings.unchanged {
                    self.visitor.progress.counters().unchanged.fetch_add(1, Relaxed);
                }
                self.report.took(&item.key, took);
                self.store(&item, *page, follow.then_some(findings))?;
            }
            End::Redirect(page, to) => {
                self.report.took(&item.key, took);
                self.visitor.staging.add(*page)?;
                self.visitor.progress.counters().redirects.fetch_add(1, Relaxed);
                let fate = to.as_deref().map_or(Fate::Away, |to| Fate::Redirect(to.into()));
                self.fates.insert(item.key.clone(), fate);
                if let Some(to) = to.filter(|_| follow) {
                    self.redirected(&item, &to);
                }
            }
            End::Refused(refusal) => self.refuse(refusal, &item),
            End::Failed(cause, detail) => {
                self.visitor.progress.counters().errors.fetch_add(1, Relaxed);
                self.fates.insert(item.key.clone(), Fate::Missing(format!("{}: {detail}", cause.code())));
                self.failures_in_a_row += 1;
                if self.failures_in_a_row >= FAILURES_IN_A_ROW {
                    let why = format!(
                        "{} requests in a row failed, the last with {}",
                        FAILURES_IN_A_ROW,
                        cause.code()
                    );
                    self.cut_short = Some(why);
                }
                let (path, found_on) = (item.key.to_string(), item.found_on.map(|on| on.to_string()));
                self.report.fail(Failed { path, found_on, cause: cause.code(), detail });
            }
            End::Stage(error) => return Err(error.into()),
            End::Ending => return Err(CrawlError::Ending),
        }
        Ok(())
    }

    fn store(&mut self, item: &Item, page: Page, findings: Option<Findings>) -> Result<(), CrawlError> {
        use crate::snapshot::Class;
        let counters = self.visitor.progress.counters();
        let is_page = page.class == Class::Page;
        // Several were under way when the last place was taken.
        if is_page
            && item.need != Need::Key
            && counters.pages.load(Relaxed) >= self.site.mirror.max_pages as u64
        {
            self.refuse(Refusal::PageLimit, item);
            return Ok(());
        }
        counters.bytes.fetch_add(page.len, Relaxed);
        if is_page { &counters.pages } else { &counters.assets }.fetch_add(1, Relaxed);
        self.visitor.staging.add(page)?;
        self.fates.insert(item.key.clone(), Fate::Stored);
        let Some(findings) = findings else { return Ok(()) };
        for (key, need) in findings.links {
            match need {
                Need::Link => self.offer(&key, Need::Link, item.depth + 1, 0, Some(&item.key)),
                Need::Key | Need::Site | Need::Draw => {
                    self.offer(&key, Need::Draw, item.depth, item.hops + 1, Some(&item.key));
                }
            }
        }
        let depth = self.maps.get(&item.key).copied().unwrap_or(0);
        for key in findings.maps {
            self.map(&key, depth + 1);
        }
        Ok(())
    }

    /// The target of a redirect is wanted for what the redirect was wanted for.
    fn redirected(&mut self, item: &Item, to: &str) {
        if let Some(depth) = self.maps.get(&item.key).copied() {
            self.map(to, depth + 1);
        }
        self.offer(to, item.need, item.depth, item.hops + 1, Some(&item.key));
    }

    fn offer(&mut self, key: &str, need: Need, depth: u32, hops: u32, found_on: Option<&Arc<str>>) {
        let item = Item { key: key.into(), need, depth, hops, found_on: found_on.cloned() };
        if let Offered::Refused(refusal) = self.frontier.offer(item.clone(), &self.policy) {
            self.refuse(refusal, &item);
        }
    }

    fn refuse(&mut self, refusal: Refusal, item: &Item) {
        if item.need == Need::Key {
            self.fates.insert(item.key.clone(), Fate::Missing(refusal.sentence().to_owned()));
        }
        // Nobody has promised a favicon.
        if item.need == Need::Site && refusal == Refusal::NotFound {
            return;
        }
        self.visitor.progress.counters().refused.fetch_add(1, Relaxed);
        self.report.refuse(refusal, &item.key, item.found_on.as_deref());
    }
}

/// Whether an address is that of a file which is not a page, by its ending.
fn is_document(key: &str) -> bool {
    const PAGES: [&str; 14] = [
        "html", "htm", "xhtml", "shtml", "php", "php5", "phtml", "asp", "aspx", "jsp", "do", "cgi", "cfm",
        "pl",
    ];
    let last = crate::ask::key::path_of(key).rsplit('/').next().unwrap_or("");
    last.rsplit_once('.').is_some_and(|(name, ending)| {
        !name.is_empty()
            && (1..=5).contains(&ending.len())
            && ending.bytes().all(|b| b.is_ascii_alphanumeric())
            && !PAGES.contains(&ending.to_ascii_lowercase().as_str())
    })
}
