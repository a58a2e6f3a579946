//! The course of a crawl: what it begins with, in which order it goes on, and where it stops.

mod broken_links;
mod frontier;
pub(super) mod learned;
mod missing_page;
mod record;
mod requisites;
pub(super) mod results;
mod shell;

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, mpsc};

use super::accept::addresses::Register;
use super::accept::extract::ReadAs;
use super::fetch::pace::Pace;
use super::fetch::receive::Bounds;
use super::fetch::resume::Staged;
use super::fetch::{End, Endpoint, Fetched, Fetcher};
use super::item::{Item, Priority};
use super::outcome::CrawlError;
use super::progress::Progress;
use super::refusal::Refusal;
use super::report::{Forbidden, Report, UNREADABLE};
use super::scope::robots::Robots;
use super::scope::{Place, Scope};
use super::transport::{Fetch, Whose};
use crate::config::ready::{MirrorRobots, Site};
use crate::content::endings;
use crate::content::links::Need;
use crate::snapshot::{Class, GatheredForms, Page, Snapshot, Staging};
use crate::tasks;
use crate::verdict::{Character, Learning};
use broken_links::Links;
use frontier::{Frontier, Policy};
use learned::Learned;
use requisites::Requisites;
use results::{FetchResult, Results, Stored};

/// One file: as large as a brochure's, not as a disk image.
const BOUNDS: Bounds =
    Bounds { file: 256 * 1024 * 1024, stall: Duration::from_secs(30), whole: Duration::from_secs(600) };
/// All files of a snapshot together.
const TOTAL_BYTES: u64 = 20 * 1024 * 1024 * 1024;
/// Site maps of one crawl, and how deep indexes name indexes.
const MAPS: usize = 500;
const MAP_DEPTH: u32 = 3;

/// Files that pages are drawn with, as far as they are asked for: so many, and so many more for each page that is stored.
/// A style sheet can name more than a crawl gets through in a day.
const REQUISITES: u64 = 5000;
const REQUISITES_A_PAGE: u64 = 20;

/// Addresses of the snapshot in service that are offered at once.
const AGAIN: usize = 1000;

/// What a crawl leaves for the carrying over, the gate and the report.
pub(super) struct Done {
    pub(super) report: Report,
    pub(super) key_pages: Vec<String>,
    pub(super) results: Results,
    pub(super) drawn: Requisites,
    pub(super) character: Character,
    /// The key of the page that the site gives for each address that it does not know, if it is a program's.
    pub(super) shell: Option<&'static str>,
    pub(super) addresses: Register,
    pub(super) forms: GatheredForms,
    pub(super) cut_short: Option<String>,
}

/// A crawl under way: the part that decides. What waits for the network is in [`Fetcher`].
pub(super) struct Crawl<'a, F> {
    pub(super) site: &'a Site,
    pub(super) fetcher: &'a Fetcher<'a, F>,
    pub(super) policy: Policy<'a>,
    pub(super) frontier: Frontier,
    /// What an interrupted crawl had stored, and this one has not come by yet.
    pub(super) staged: Staged,
    /// What visitors ask for.
    pub(super) learned: Learned,
    /// What is read as a site map, and how many indexes away from the first.
    pub(super) maps: HashMap<Arc<str>, u32>,
    pub(super) results: Results,
    pub(super) drawn: Requisites,
    pub(super) links: Links,
    /// What its pages teach about the site.
    pub(super) learning: Learning,
    pub(super) shell: Option<&'static str>,
    /// What it learns about the site's addresses.
    pub(super) addresses: Register,
    /// The forms on its pages.
    pub(super) forms: GatheredForms,
    pub(super) report: Report,
    pub(super) failures_in_a_row: u32,
    /// Files that pages are drawn with and that were asked for.
    requisites: u64,
    pub(super) cut_short: Option<String>,
}

/// Where the end of a visit came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The site was asked.
    Site,
    /// An interrupted crawl had stored it.
    Staging,
}

/// Runs a crawl to its end: key pages and all that they lead to, and then what else the snapshot in service has.
pub(super) async fn crawl<F: Fetch>(
    site: &Site,
    fetch: &F,
    (staging, current): (&Staging, Option<&Arc<Snapshot>>),
    (staged, learned): (Staged, Learned),
    progress: &Progress,
) -> Result<Done, CrawlError> {
    let scope = Scope::new(site);
    let way = Endpoint { whose: Whose::Site, tls: site.tls.is_some(), host: scope.host().to_owned() };
    let pace = Pace::new(site.mirror.rate);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let readers = Arc::new(Semaphore::new((cores / 2).max(1)));
    let way = Mutex::new(way);
    let fetcher =
        Fetcher { site, fetch, scope, staging, current, progress, pace, bounds: BOUNDS, readers, way };
    let mut crawl = Crawl {
        site,
        fetcher: &fetcher,
        policy: Policy::new(site),
        frontier: Frontier::new(site.mirror.max_pages),
        staged,
        learned,
        maps: HashMap::new(),
        results: Results::default(),
        drawn: Requisites::default(),
        links: Links::default(),
        learning: Learning::default(),
        shell: None,
        addresses: Register::default(),
        forms: GatheredForms::default(),
        report: Report::default(),
        failures_in_a_row: 0,
        requisites: 0,
        cut_short: None,
    };
    let key_pages = crawl.seed_key_pages();
    crawl.robots().await?;
    crawl.seed_well_known();
    crawl.offer_learned();
    crawl.offer_requisites();
    crawl.drain().await?;
    crawl.again().await?;
    crawl.missing_pages().await;
    crawl.unknown_parameters(&key_pages).await;
    crawl.leave_circles_out();
    crawl.report.unlinked += crawl.learned_pages();
    crawl.report.broken_links = crawl.links.into_broken();
    let Crawl { report, results, drawn, learning, addresses, forms, shell, cut_short, .. } = crawl;
    let character = learning.done();
    Ok(Done { report, key_pages, results, drawn, character, addresses, forms, shell, cut_short })
}

impl<F: Fetch> Crawl<'_, F> {
    fn seed_key_pages(&mut self) -> Vec<String> {
        let keys: Vec<String> = self.site.key_pages.iter().map(|path| self.fetcher.scope.key(path)).collect();
        for key in &keys {
            self.offer(key, Need::Key, 0, 0, None);
        }
        keys
    }

    /// `robots.txt` comes before everything: what it forbids must be known when the first link is found.
    async fn robots(&mut self) -> Result<(), CrawlError> {
        let fetcher = self.fetcher;
        let mut key: Arc<str> = "/robots.txt".into();
        self.frontier.claim(&key);
        self.report.robots = "none".into();
        // Up to five redirects (RFC 9309 section 2.3.1.2).
        for _ in 0..=5 {
            let rank = Priority::default();
            let item = Item { key, need: Need::Site, depth: 0, hops: 0, found_on: None, rank };
            let staged = self.staged.take(&item.key);
            let (visit, came) = go(fetcher, item, ReadAs::Robots, staged).await;
            let next = match &visit.end {
                End::Redirect(_, next) => next.clone(),
                End::Body(_, findings) => {
                    self.heed(findings.robots.clone().unwrap_or_default(), "found");
                    None
                }
                End::Failed(..) => {
                    self.heed(Robots::disallow_all(), UNREADABLE);
                    None
                }
                End::Refused(_) | End::Wrong(_) | End::Stage(_) | End::Ending => None,
            };
            self.settle(visit, came, false)?;
            match next {
                Some(next) => key = next.into(),
                None => break,
            }
        }
        Ok(())
    }

    /// Goes by `robots.txt` as far as the configuration says.
    fn heed(&mut self, robots: Robots, said: &'static str) {
        let forbids = robots.forbids_the_site();
        let robots = match self.site.mirror.robots {
            MirrorRobots::Auto => robots.but_for_everything(),
            MirrorRobots::Obey => robots,
            MirrorRobots::Ignore => robots.without_rules(),
        };
        let obeyed = robots.forbids_the_site();
        self.report.robots_forbid = forbids.then_some(Forbidden { obeyed });
        self.report.robots = said.into();
        self.fetcher.pace.delay(robots.delay);
        self.policy.robots = robots;
    }

    /// What every site may have.
    fn seed_well_known(&mut self) {
        let root = self.fetcher.scope.url(false, self.fetcher.scope.host(), "/");
        let named = std::mem::take(&mut self.policy.robots.sitemaps);
        for address in named {
            let place =
                root.as_ref().map(|root| self.fetcher.scope.place(root, &address, encoding_rs::UTF_8));
            if let Some(Place::Here(key)) = place {
                self.map(&key, 0);
            }
        }
        self.map("/sitemap.xml", 0);
        self.offer("/favicon.ico", Need::Site, 0, 0, None);
        self.offer("/", Need::Link, 0, 0, None);
    }

    /// Wants a file read as a site map.
    pub(super) fn map(&mut self, key: &str, depth: u32) {
        if depth <= MAP_DEPTH && self.maps.len() < MAPS && !self.maps.contains_key(key) {
            self.maps.insert(key.into(), depth);
            self.offer(key, Need::Site, 0, 0, None);
        }
    }

    /// Fetches until nothing is left, or the site is gone.
    async fn drain(&mut self) -> Result<(), CrawlError> {
        let fetcher = self.fetcher;
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < fetcher.pace.width()
                && self.cut_short.is_none()
                && let Some(item) = self.next()
            {
                let map = self.maps.contains_key(&item.key);
                let staged = self.staged.take(&item.key);
                under_way.push(go(fetcher, item, if map { ReadAs::Map } else { ReadAs::ByType }, staged));
            }
            fetcher.progress.counters().queued.store(self.frontier.len() as u64, Relaxed);
            let visit = tokio::select! {
                visit = under_way.next() => visit,
                () = fetcher.pace.room() => continue,
            };
            let Some((visit, came)) = visit else { return Ok(()) };
            self.settle(visit, came, true)?;
            if self.cut_short.is_some() {
                return Ok(());
            }
        }
    }

    /// Fetches what an interrupted crawl had come by, and what the snapshot in service has, and nothing has led to: a
    /// page without links to it is a page all the same. Nothing is followed further than it may be from a start page.
    async fn again(&mut self) -> Result<(), CrawlError> {
        for (key, class) in self.staged.left() {
            self.want(&key, class);
        }
        self.drain().await?;
        for (key, page) in self.staged.rest() {
            let (is_page, text, empty) = (page.class == Class::Page, page.notes.text, page.len == 0);
            let stored = Stored { is_page, text, empty, ..Stored::default() };
            self.results.set(key, FetchResult::Stored(stored));
        }
        let Some(current) = self.fetcher.current.cloned() else { return Ok(()) };
        let mut keys = keys_of(current);
        while self.cut_short.is_none() {
            let mut offered = 0;
            while offered < AGAIN
                && let Some((key, class)) = keys.recv().await
            {
                if self.results.get(&key).is_none() {
                    self.want(&key, class);
                    offered += 1;
                }
            }
            if offered == 0 {
                break;
            }
            self.drain().await?;
        }
        Ok(())
    }

    /// Offers what nothing has led to.
    fn want(&mut self, key: &str, class: Class) {
        // Of a host that was listed then.
        if class == Class::Asset && key.starts_with("//") && self.fetcher.scope.elsewhere(key).is_none() {
            return self.results.set(key.into(), FetchResult::Refused(Refusal::Excluded));
        }
        self.report.unlinked += u64::from(class == Class::Page);
        let need = if class == Class::Asset { Need::Requisite } else { Need::Link };
        self.offer(key, need, self.site.mirror.max_depth, 0, None);
    }

    /// The next item that the bounds still have room for.
    fn next(&mut self) -> Option<Item> {
        loop {
            let item = self.frontier.pop()?;
            match self.full(&item).or_else(|| self.frontier.exhausted(&item)) {
                None => {
                    self.requisites += u64::from(matches!(item.need, Need::Requisite | Need::Guess));
                    return Some(item);
                }
                Some(refusal) => self.refuse(refusal, &item),
            }
        }
    }

    /// The bound that is reached, as far as it concerns `item`. Key pages always have room.
    fn full(&self, item: &Item) -> Option<Refusal> {
        let counts = self.fetcher.progress.read();
        let max_pages = self.site.mirror.max_pages as u64;
        let files = counts.pages + counts.assets + counts.redirects;
        match item.need {
            Need::Key => None,
            _ if counts.bytes >= TOTAL_BYTES => Some(Refusal::ByteLimit),
            _ if files >= max_pages.saturating_mul(10).saturating_add(20_000) => Some(Refusal::FileLimit),
            Need::Requisite | Need::Guess
                if self.requisites
                    >= REQUISITES.saturating_add(counts.pages.saturating_mul(REQUISITES_A_PAGE)) =>
            {
                Some(Refusal::RequisiteLimit)
            }
            Need::Link if counts.pages >= max_pages && !is_document(&item.key) => Some(Refusal::PageLimit),
            Need::Site | Need::Requisite | Need::Link | Need::Guess => None,
        }
    }
}
/// One address: from the staging if it is there and can be read, else from the site.
async fn go<F: Fetch>(
    fetcher: &Fetcher<'_, F>,
    item: Item,
    reading: ReadAs,
    staged: Option<Page>,
) -> (Fetched, Source) {
    if let Some(page) = staged
        && let Some(end) = fetcher.recall(&item, reading, page).await
    {
        return (Fetched { item, end, took: Duration::ZERO }, Source::Staging);
    }
    (fetcher.fetch_one(item, reading).await, Source::Site)
}

/// The keys of a snapshot, read ahead off the event loop. Ends when nobody receives any more.
fn keys_of(snapshot: Arc<Snapshot>) -> mpsc::Receiver<(String, Class)> {
    let (send, receive) = mpsc::channel(AGAIN);
    let reading = tasks::blocking(move || {
        for page in snapshot.pages().flatten() {
            if send.blocking_send((page.key, page.class)).is_err() {
                return;
            }
        }
    });
    drop(tasks::detached(reading));
    receive
}

/// Whether an address is that of a file which is not a page, by its ending.
fn is_document(key: &str) -> bool {
    let last = crate::ask::key::path_of(key).rsplit('/').next().unwrap_or("");
    last.rsplit_once('.').is_some_and(|(name, ending)| {
        !name.is_empty()
            && (1..=5).contains(&ending.len())
            && ending.bytes().all(|b| b.is_ascii_alphanumeric())
            && !endings::is_of_pages(ending)
    })
}
