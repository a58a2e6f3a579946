//! Pages of the snapshot, ready to serve: found in the manifest, read from disk once, verified, and kept in memory while
//! there is demand.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::about::About;
use super::learned::Learned;
use super::notice::FoundSpots;
use super::render::Source;
use super::spelling::{Loose, spellings};
use crate::ask::key;
use crate::content::spots::PageSpots;
use crate::failure::chain;
use crate::snapshot::{Addresses, Class, Page, ReadError, SiteForms, Snapshot, SnapshotId, Store, Stored};
use crate::verdict::{Character, Look, Uniform};
use crate::{descriptors, origin, tasks};

/// RFC 7089 section 2.1.1.
pub(super) const MEMENTO_DATETIME: HeaderName = HeaderName::from_static("memento-datetime");

/// How long a page without demand stays in memory: it keeps its snapshot from being retired.
const IDLE: Duration = Duration::from_secs(600);

/// Popular pages of all sites, within a bound of bytes.
#[derive(Clone)]
pub struct Hot {
    pages: moka::sync::Cache<[u8; 16], Arc<Ready>>,
    /// An eighth of the room.
    found_spots: FoundSpots,
    /// Searches that may be made at once.
    searches: Arc<Semaphore>,
}

/// Searches at once, of all sites: they take the processor. Of each site one, so that none keeps the others waiting.
const SEARCHES: usize = 2;
/// How many searches of a site wait at most, the one included whose turn it is.
const WAITING: usize = 16;
/// How long a search waits for its turn.
const TURN: Duration = Duration::from_secs(2);

/// That a search may be made: it waits no longer, and of its site and of all sites few enough are made.
pub(super) struct SearchTurn {
    _places: [OwnedSemaphorePermit; 3],
}

impl Hot {
    /// Room for `bytes`.
    pub fn new(bytes: u64) -> Hot {
        let weigh = |_: &[u8; 16], page: &Arc<Ready>| u32::try_from(page.weight()).unwrap_or(u32::MAX);
        let pages = moka::sync::Cache::builder().max_capacity(bytes - bytes / 8).weigher(weigh);
        Hot {
            pages: pages.time_to_idle(IDLE).build(),
            found_spots: FoundSpots::new(bytes / 8),
            searches: Arc::new(Semaphore::new(SEARCHES)),
        }
    }
}

/// How near a found page is to the requested one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearness {
    /// It is the page.
    Exact,
    /// It is the page of the same path without the query.
    Near,
}

/// A page of a snapshot with all that an answer needs.
pub struct Ready {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) page: Page,
    /// As the origin gave it.
    pub status: StatusCode,
    /// The fields as they are sent, except those that depend on the request.
    pub headers: HeaderMap,
    pub(super) body: OnceLock<Bytes>,
    /// What it shows, once that was looked at; `None` if it cannot be told.
    pub(super) look: OnceLock<Option<Arc<Look>>>,
    /// Where something can be said on it, once that was looked for; `None` if nowhere.
    spots: OnceLock<Option<Box<PageSpots>>>,
    /// Snapshot and body as a hash, to tell it from other copies of the page.
    print: Box<[u8]>,
}

impl Ready {
    fn new(snapshot: Arc<Snapshot>, page: Page) -> Option<Ready> {
        let status = StatusCode::from_u16(page.status).ok()?;
        let mut headers = HeaderMap::with_capacity(page.headers.len() + 8);
        for (name, value) in &page.headers {
            headers.append(name, value.clone());
        }
        if page.class != Class::Asset {
            // What the origin promised of this page's freshness was about the live page.
            headers.remove(header::EXPIRES);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        if let (false, Some(blob)) = (headers.contains_key(header::ETAG), page.body) {
            let tag = format!("\"{}\"", &blob.to_string()[..32]);
            headers.extend(HeaderValue::from_str(&tag).ok().map(|tag| (header::ETAG, tag)));
        }
        if status == StatusCode::OK {
            headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        headers.insert(header::VIA, crate::http::forwarded::via(http::Version::HTTP_11));
        headers.insert(MEMENTO_DATETIME, crate::http::control::date_field(page.taken_at));
        let body = page.body.is_none().then(Bytes::new).map(OnceLock::from).unwrap_or_default();
        let blob = page.body.map_or([0; 32], |blob| *blob.as_bytes());
        let print = [snapshot.id().to_string().as_bytes(), &blob[..16]].concat().into();
        let (look, spots) = (OnceLock::new(), OnceLock::new());
        Some(Ready { snapshot, page, status, headers, body, look, spots, print })
    }

    /// What tells it from other copies of the page.
    pub(super) fn print(&self) -> &[u8] {
        &self.print
    }

    /// Where something can be said on it; `read` finds that once.
    pub(super) fn spots(&self, read: impl FnOnce() -> Option<PageSpots>) -> Option<&PageSpots> {
        self.spots.get_or_init(|| read().map(Box::new)).as_deref()
    }

    /// Whether what it shows was looked at already.
    pub(super) fn is_seen(&self) -> bool {
        self.look.get().is_some()
    }

    /// What it shows, if that was looked at.
    pub(super) fn seen(&self) -> Option<&Arc<Look>> {
        self.look.get().and_then(Option::as_ref)
    }

    /// Which snapshot it is of.
    pub(super) fn of(&self) -> SnapshotId {
        self.snapshot.id()
    }

    /// Its key.
    pub(super) fn key(&self) -> &str {
        &self.page.key
    }

    /// Whether visitors open it as a page.
    pub(super) fn is_page(&self) -> bool {
        self.page.class == Class::Page && self.status == StatusCode::OK
    }

    /// When the origin gave it.
    pub fn taken_at(&self) -> SystemTime {
        self.page.taken_at
    }

    /// Its body, if it is in memory.
    pub(super) fn at_hand(&self) -> Option<Source> {
        self.body.get().map(|body| Source::Whole(body.clone()))
    }

    fn weight(&self) -> usize {
        // The fixed part is an estimate of the headers' and the table's share.
        1024 + self.page.key.len() + self.body.get().map_or(0, Bytes::len)
    }
}

/// The snapshots of one site.
pub struct Mirror {
    site: Arc<str>,
    store: Option<Store>,
    /// The one snapshot that this has, if it was made for one.
    pinned: Option<Arc<Snapshot>>,
    hot: Hot,
    /// What the snapshot in service tells of the site, once that was asked for.
    pub(super) about: ArcSwapOption<About>,
    learned: ArcSwap<Learned>,
    /// Pages that no longer look as their copies do.
    uniform: Mutex<Uniform>,
    /// Who waits to search, and who searches.
    waiting: Arc<Semaphore>,
    searching: Arc<Semaphore>,
    /// The snapshot whose index could not be read, once that was said.
    unsearchable: ArcSwapOption<SnapshotId>,
    /// The pages of a snapshot by their normal spelling, once one was needed.
    loose: ArcSwapOption<(SnapshotId, Loose)>,
}

impl Mirror {
    /// The mirror of `site`; without a store (its directory cannot be used) it has nothing.
    pub fn new(site: Arc<str>, store: Option<Store>, hot: Hot) -> Mirror {
        Mirror {
            site,
            store,
            pinned: None,
            hot,
            about: ArcSwapOption::empty(),
            learned: ArcSwap::default(),
            uniform: Mutex::default(),
            waiting: Arc::new(Semaphore::new(WAITING)),
            searching: Arc::new(Semaphore::new(1)),
            unsearchable: ArcSwapOption::empty(),
            loose: ArcSwapOption::empty(),
        }
    }

    /// A mirror that has this snapshot and no other, whatever is in service. It keeps nothing in memory: what it reads does not
    /// hinder the snapshot's removal.
    pub(super) fn pinned(&self, snapshot: Arc<Snapshot>) -> Mirror {
        let hot = Hot { pages: moka::sync::Cache::new(0), ..self.hot.clone() };
        Mirror {
            pinned: Some(snapshot),
            // its searches stand in the same line as all others
            waiting: self.waiting.clone(),
            searching: self.searching.clone(),
            ..Mirror::new(self.site.clone(), self.store.clone(), hot)
        }
    }

    /// The store, if the state directory can be used.
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    /// What was found in answers of the cache, of all sites.
    pub(super) fn found_spots(&self) -> &FoundSpots {
        &self.hot.found_spots
    }

    /// The snapshot in service.
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        if self.pinned.is_some() {
            return self.pinned.clone();
        }
        self.store.as_ref()?.current()
    }

    /// The current snapshot's page for `key`. For an unknown query that cannot matter, it is the path's page, and is marked as
    /// near.
    pub fn find(&self, wanted: &str) -> Option<(Arc<Ready>, Nearness)> {
        let snapshot = self.current()?;
        if let Some(ready) = self.find_exactly(&snapshot, wanted) {
            return Some((ready, Nearness::Exact));
        }
        let path = key::path_of(wanted);
        let near = (path.len() < wanted.len()).then(|| self.find_exactly(&snapshot, path)).flatten()?;
        let may = match near.page.class {
            // A file is a file, whatever stands behind its name.
            Class::Asset if origin::LatencyClass::of(path) == origin::LatencyClass::Asset => true,
            Class::Page | Class::Asset => {
                let learned = self.learned_of(&snapshot);
                !learned.is_search(wanted) && learned.addresses.may_ignore(wanted)
            }
            // It led to somewhere else with its query.
            Class::Redirect => false,
        };
        may.then_some((near, Nearness::Near))
    }

    /// The key of the page that an address means which the snapshot does not have: the target of a short link, or another
    /// spelling.
    pub(super) async fn meant(&self, wanted: &str) -> Option<String> {
        let snapshot = self.current()?;
        self.learn().await;
        let learned = self.learned_of(&snapshot);
        let addresses = &learned.addresses;
        let is_there = |key: &str| {
            let page = snapshot.find(key).ok().flatten();
            !key.starts_with("//") && page.is_some_and(|page| page.class != Class::Redirect)
        };
        if let Some(page) = addresses.alias(wanted).filter(|page| is_there(page)) {
            return Some(page.to_owned());
        }
        let path = key::path_of(wanted);
        let bare = (path.len() < wanted.len() && addresses.may_ignore(wanted) && !learned.is_search(wanted))
            .then_some(path);
        let mut all = [Some(wanted), bare].into_iter().flatten().flat_map(spellings);
        if let Some(found) = all.find(|key| is_there(key)) {
            return Some(found);
        }
        let loose = self.loose(&snapshot).await?;
        let found = |key: &str| {
            loose.1.find(key).map(str::to_owned).or_else(|| loose.1.plainest(key)).filter(|key| is_there(key))
        };
        found(wanted).or_else(|| bare.and_then(found))
    }

    /// The key of what a visitor would get of the snapshot for an address that it does not have: the path's page, another spelling.
    pub async fn stands_in(&self, wanted: &str) -> Option<String> {
        if let Some((near, _)) = self.find(wanted) {
            return Some(near.page.key.clone());
        }
        self.meant(wanted).await
    }

    /// The pages that have other spellings; gathered once for each snapshot.
    async fn loose(&self, snapshot: &Arc<Snapshot>) -> Option<Arc<(SnapshotId, Loose)>> {
        let id = snapshot.id();
        if let Some(loose) = self.loose.load_full().filter(|loose| loose.0 == id) {
            return Some(loose);
        }
        let snapshot = snapshot.clone();
        let keys = move || Loose::of(snapshot.pages().filter_map(|page| page.ok().map(|page| page.key)));
        let loose = Arc::new((id, tasks::blocking(keys).await?));
        self.loose.store(Some(loose.clone()));
        Some(loose)
    }

    fn find_exactly(&self, snapshot: &Arc<Snapshot>, wanted: &str) -> Option<Arc<Ready>> {
        let place = self.place(snapshot, wanted);
        if let Some(ready) = self.hot.pages.get(&place) {
            return Some(ready);
        }
        let (snapshot, page) = match snapshot.find(wanted) {
            Ok(page) => (snapshot.clone(), page?),
            Err(error) => {
                tracing::error!(site = %self.site, key = wanted, %error, "snapshot cannot be read, using an older one");
                self.older_of(wanted, &snapshot.id())?
            }
        };
        let ready = Arc::new(Ready::new(snapshot, page).filter(|ready| !leads_to_itself(&ready.page))?);
        self.hot.pages.insert(place, ready.clone());
        Some(ready)
    }

    /// The page's body: from memory, or read and verified. If it is damaged, older snapshots are tried.
    ///
    /// # Errors
    /// The last snapshot's error, if none has it intact.
    pub async fn open(&self, ready: Arc<Ready>) -> Result<(Arc<Ready>, Source), ReadError> {
        let mut ready = ready;
        loop {
            if let Some(body) = ready.body.get() {
                let source = Source::Whole(body.clone());
                return Ok((ready, source));
            }
            let (snapshot, page) = (ready.snapshot.clone(), ready.page.clone());
            let loaded = tasks::blocking(move || snapshot.load(&page)).await;
            match loaded {
                Some(Ok(Stored::Whole(bytes))) => {
                    _ = ready.body.set(bytes.clone());
                    // Put again: its weight has changed.
                    let place = self.place(&ready.snapshot, &ready.page.key);
                    self.hot.pages.insert(place, ready.clone());
                    return Ok((ready, Source::Whole(bytes)));
                }
                Some(Ok(Stored::File { file, len })) => return Ok((ready, Source::File(file, len))),
                // our own lack, and not the snapshot's: an older one would need a descriptor, too
                Some(Err(error)) if descriptors::is_want_behind(&error) => return Err(error),
                // Not remembered: what has not arrived yet, or is to be had from elsewhere, may be there the next time.
                Some(Err(error)) if ready.snapshot.may_mend() => {
                    tracing::debug!(site = %self.site, key = ready.page.key, snapshot = %ready.snapshot.id(),
                        error = chain(&error), "page of the snapshot is not here or damaged, using an older one");
                    ready = self.older(&ready).ok_or(error)?;
                }
                Some(Err(error)) => {
                    tracing::error!(site = %self.site, key = ready.page.key, snapshot = %ready.snapshot.id(), %error,
                        "page of the snapshot is damaged, using an older one");
                    let older = self.older(&ready).ok_or(error)?;
                    self.hot.pages.insert(self.place(&ready.snapshot, &ready.page.key), older.clone());
                    ready = older;
                }
                None => {
                    let source = std::io::Error::other("reading was interrupted");
                    return Err(ReadError::Io { path: ready.page.key.clone().into(), source });
                }
            }
        }
    }

    /// The page of exactly this key, for repeated checks: they do not keep it in memory.
    pub(super) fn find_uncached(&self, snapshot: &Arc<Snapshot>, wanted: &str) -> Option<Arc<Ready>> {
        let page = snapshot.find(wanted).ok()??;
        let ready = Ready::new(snapshot.clone(), page).filter(|ready| !leads_to_itself(&ready.page))?;
        Some(Arc::new(ready))
    }

    /// What good crawls have learned about the site.
    pub(super) fn character(&self) -> Arc<Character> {
        self.learned.load().character.clone()
    }

    /// The key of the page that answers addresses of pages which the snapshot lacks, if the site has one.
    pub(super) fn shell(&self) -> Option<Arc<str>> {
        self.learned.load().shell.clone()
    }

    /// Pages that no longer look as their copies do. The lock is never held while waiting.
    pub(super) fn uniform(&self) -> MutexGuard<'_, Uniform> {
        self.uniform.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what the snapshot in service teaches, unless that was done.
    pub(super) async fn learn(&self) {
        let (Some(current), Some(store)) = (self.current(), self.store.clone()) else { return };
        if self.learned.load().of == Some(current.id()) {
            return;
        }
        let read = tasks::blocking(move || Learned::read(&store, &current)).await;
        self.learned.store(Arc::new(read.unwrap_or_default()));
    }

    /// What this snapshot teaches about the site. Blocks to read some small files, unless that was done.
    fn learned_of(&self, current: &Snapshot) -> Arc<Learned> {
        let learned = self.learned.load_full();
        let (Some(store), true) = (&self.store, learned.of != Some(current.id())) else { return learned };
        let read = Arc::new(Learned::read(store, current));
        self.learned.store(read.clone());
        read
    }

    /// The site's forms, as the snapshot in service knows them.
    pub(super) async fn forms(&self) -> Arc<SiteForms> {
        self.learn().await;
        self.learned.load().forms.clone()
    }

    /// Waits until a search may be made; `None`: too many others wait.
    pub(super) async fn turn_to_search(&self) -> Option<SearchTurn> {
        let waits = self.waiting.clone().try_acquire_owned().ok()?;
        let turn = async {
            // The site's first: who waits for that keeps nobody else from the others.
            let of_site = self.searching.clone().acquire_owned().await.ok()?;
            let of_all = self.hot.searches.clone().acquire_owned().await.ok()?;
            Some(SearchTurn { _places: [waits, of_site, of_all] })
        };
        tokio::time::timeout(TURN, turn).await.ok()?
    }

    /// Notes that this snapshot's index cannot be read; `true` the first time.
    pub(super) fn is_first_unsearchable(&self, id: SnapshotId) -> bool {
        self.unsearchable.swap(Some(Arc::new(id))).as_deref() != Some(&id)
    }

    /// What is known of the site's addresses, by which snapshot, and when that was taken.
    pub(super) fn addresses(&self) -> Option<(SnapshotId, SystemTime, Arc<Addresses>)> {
        let learned = self.learned.load();
        Some((learned.of?, learned.taken_at, learned.addresses.clone()))
    }

    fn older(&self, ready: &Ready) -> Option<Arc<Ready>> {
        let (snapshot, page) = self.older_of(&ready.page.key, &ready.snapshot.id())?;
        Ready::new(snapshot, page).map(Arc::new)
    }

    /// A page of an older snapshot, in place of one that cannot be read.
    fn older_of(&self, key: &str, than: &SnapshotId) -> Option<(Arc<Snapshot>, Page)> {
        self.store.as_ref().filter(|_| self.pinned.is_none())?.find_older(key, than)
    }

    /// Where a page is kept in memory: under a hash, because keys come from visitors and can be long.
    fn place(&self, snapshot: &Snapshot, key: &str) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.site.as_bytes()).update(b"\0");
        hasher.update(snapshot.id().to_string().as_bytes()).update(b"\0").update(key.as_bytes());
        let mut place = [0; 16];
        place.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        place
    }
}

/// A redirect from a page to itself: the origin meant the scheme or the host, which the copy does not know.
fn leads_to_itself(page: &Page) -> bool {
    if page.class != Class::Redirect {
        return false;
    }
    let location = page.headers.iter().find(|(name, _)| name == header::LOCATION);
    let Some(target) = location.map(|(_, value)| crate::http::headers::as_ascii(value)) else { return true };
    let base = url::Url::parse("http://site.invalid").and_then(|base| base.join(&page.key));
    base.and_then(|base| base.join(&target))
        .is_ok_and(|url| key::page_key(url.path(), url.query(), &[]) == page.key.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_searches_of_one_site_leaves_the_others_their_turn() {
        let hot = Hot::new(0);
        let [one, other, third] =
            ["one", "other", "third"].map(|name| Mirror::new(name.into(), None, hot.clone()));
        let turn = one.turn_to_search().await.expect("nobody else");
        let waiting: Vec<_> = (1..WAITING).map(|_| one.turn_to_search()).collect();
        let mut waiting = futures_util::future::join_all(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert!(one.turn_to_search().await.is_none(), "at once: as many wait as may");
        let others = other.turn_to_search().await.expect("a site has one turn of its own");
        assert!(third.turn_to_search().await.is_none(), "two of all sites");
        assert!(waiting.await.iter().all(Option::is_none), "in two seconds nobody had a turn");
        drop((turn, others));
        assert!(one.turn_to_search().await.is_some() && third.turn_to_search().await.is_some());
    }
}
