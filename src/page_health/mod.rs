//! What a site's answers say about it, page by page: which pages are bad at the moment ([`Memo`]), whether most of them are
//! ([`Window`]), and the resulting state ([`state()`]). The parts are pure; [`PageHealth`] holds them together for concurrent
//! use.

mod doubt;
mod lacking;
mod late;
mod memo;
mod proof;
mod removed;
mod returns;
mod state;
mod ways;
mod window;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::sync::Notify;

use crate::clock::Now;
use crate::failure::{Cause, Sightings};
pub use doubt::Doubt;
pub use lacking::Suspect;
use late::Late;
pub use memo::{Branch, Due, Mark, Memo};
pub use proof::Proofs;
pub use returns::Returns;
pub use state::{Change, OriginsSeen, Pages, Reported, State, state};
pub use ways::{Walk, Ways};
pub use window::Window;

/// Whether a page's answer says something of the whole site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// A page that visitors open.
    Page,
    /// What pages need to be drawn.
    Part,
}

/// What is known of a site by its pages.
#[derive(Debug, Default)]
pub struct PageHealth {
    inner: Mutex<Inner>,
    /// How many pages are remembered, and how many of them as bad: most requests need no lock to learn that none is.
    marked: AtomicUsize,
    bad: AtomicUsize,
    /// Whether most of the site is bad.
    flooded: AtomicBool,
    /// Whether pages are late, or were so a moment ago.
    slow: AtomicBool,
    late: Mutex<Late>,
    /// The state that was reported last, by its place in [`State::ALL`].
    last: AtomicU8,
    /// Where pages lead that lead to a stranger, in words.
    led: Mutex<Option<Box<str>>>,
    /// Where the pages that the site has removed are kept, and which of their changes was written last.
    file: Option<PathBuf>,
    saved: AtomicU64,
    /// Whether the last writing failed: it is told once.
    unwritable: AtomicBool,
    /// What a crawl has found, and nobody has looked into.
    pub doubt: Doubt,
    /// When the site has said that it will be back.
    pub returns: Returns,
    /// The failed answers that visitors met with lately.
    pub sightings: Sightings,
    /// Where its pages have led.
    pub ways: Ways,
    /// Wakes whoever asks for bad pages again.
    pub woken: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    memo: Memo,
    window: Window,
    proofs: Proofs,
    /// Since when most answers are bad, and what they are.
    flood: Option<(Now, Cause)>,
    lacking: lacking::Lacking,
    /// When the crawl ended that was heard of last.
    heard: Option<SystemTime>,
    reported: Reported,
}

impl PageHealth {
    /// Begins with the pages of which the state directory knows that the site has removed them. Blocks.
    pub fn open(state_dir: &Path, site: &str, now: Now) -> PageHealth {
        let file = state_dir.join(removed::FOLDER).join(site);
        let pages = removed::read(&file).unwrap_or_else(|error| {
            tracing::warn!(site, file = %file.display(), %error, "the list of removed pages cannot be read");
            Vec::new()
        });
        let watch = PageHealth { file: Some(file), ..PageHealth::default() };
        let mut inner = watch.inner();
        for page in pages {
            inner.memo.gone(&page.key, page.status, Now { mono: now.mono, wall: page.since() });
        }
        watch.saved.store(inner.memo.removals(), Ordering::Relaxed);
        watch.count(&inner);
        drop(inner);
        watch
    }

    /// Writes down what the site has removed. Blocks. What cannot be written is tried again the next time.
    pub fn save(&self) {
        let Some(file) = &self.file else { return };
        let (pages, removals) = {
            let inner = self.inner();
            let removed = inner.memo.removed();
            let pages = removed.map(|(key, status, since)| removed::Removed::new(key, status, since.wall));
            (pages.collect(), inner.memo.removals())
        };
        match removed::write(file, pages) {
            Ok(()) => {
                self.saved.store(removals, Ordering::Relaxed);
                self.unwritable.store(false, Ordering::Relaxed);
            }
            Err(error) if !self.unwritable.swap(true, Ordering::Relaxed) => {
                tracing::warn!(file = %file.display(), %error, "the list of removed pages could not be written");
            }
            Err(_) => {}
        }
    }

    /// Whether there is something to be saved.
    pub fn is_unsaved(&self) -> bool {
        let quiet = self.marked.load(Ordering::Relaxed) == 0 && self.saved.load(Ordering::Relaxed) == 0;
        self.file.is_some() && !quiet && self.inner().memo.removals() != self.saved.load(Ordering::Relaxed)
    }

    /// What is remembered of a page.
    pub fn mark(&self, key: &str) -> Mark {
        if self.marked.load(Ordering::Relaxed) == 0 { Mark::None } else { self.inner().memo.mark(key) }
    }

    /// How the pages are, taken together.
    pub fn pages(&self) -> Pages {
        if self.flooded.load(Ordering::Relaxed) {
            Pages::MostBad
        } else if self.bad.load(Ordering::Relaxed) > 0 {
            Pages::SomeBad
        } else {
            Pages::Fine
        }
    }

    /// A page leads to a stranger: where to, in words.
    pub fn leads(&self, to: &str) {
        *self.led.lock().unwrap_or_else(PoisonError::into_inner) = Some(to.into());
    }

    /// Where one led last.
    pub fn led(&self) -> Option<String> {
        self.led.lock().unwrap_or_else(PoisonError::into_inner).as_deref().map(str::to_owned)
    }

    /// Key pages, by their keys, that a copy shows what they should be.
    pub fn key_pages(&self, keys: &[impl AsRef<str>]) {
        let mut inner = self.inner();
        if !inner.proofs.are(keys) {
            inner.proofs.set(keys.iter().map(AsRef::as_ref));
        }
    }

    /// The moment up to which the site is proven: each key page was good then, or later.
    pub fn proven(&self) -> Option<Instant> {
        self.inner().proofs.all_since()
    }

    /// Whether the key pages were good a moment ago.
    pub fn is_proven_recently(&self, now: Instant) -> bool {
        self.inner().proofs.are_recent(now)
    }

    /// A page's answer was the site's.
    pub fn note_good(&self, key: &str, weight: Weight, now: Instant) {
        let marked = self.marked.load(Ordering::Relaxed) > 0;
        if !marked && weight == Weight::Part {
            return;
        }
        if weight == Weight::Page {
            self.returns.end();
        }
        let mut inner = self.inner();
        if weight == Weight::Page {
            inner.window.note(hash(key), None, now);
            inner.proofs.note(key, Some(now));
        }
        // a page that lacks what it names is whole itself
        if marked && inner.lacking.of(key).is_none() {
            inner.memo.good(key, now);
            self.count(&inner);
        }
    }

    /// A page's answer, asked for at `url`, was not the site's. `random` is from 0 to 1.
    pub fn mark_bad(&self, (key, url): (&str, &str), weight: Weight, cause: Cause, now: Now, random: f64) {
        let mut inner = self.inner();
        if weight == Weight::Page {
            inner.window.note(hash(key), Some(cause), now.mono);
        }
        inner.memo.bad(key, url, cause, now, random);
        inner.proofs.note(key, None);
        if inner.flood.is_none() {
            inner.flood = inner.window.mostly_bad(now.mono).map(|cause| (now, cause));
        }
        self.count(&inner);
        drop(inner);
        self.woken.notify_one();
    }

    /// The site has removed a page, with this status.
    pub fn mark_gone(&self, key: &str, status: u16, now: Now) {
        let mut inner = self.inner();
        inner.window.note(hash(key), None, now.mono);
        inner.memo.gone(key, status, now);
        inner.proofs.note(key, None);
        self.count(&inner);
        drop(inner);
        // it is to be written down
        self.woken.notify_one();
    }

    /// A page's answer came too late for its visitor.
    pub fn note_late(&self, key: &str, now: Instant) {
        let mut late = self.lateness();
        late.late(hash(key), now);
        self.slow.store(true, Ordering::Relaxed);
    }

    /// A page's answer came in time.
    pub fn note_in_time(&self, key: &str, now: Instant) {
        if self.slow.load(Ordering::Relaxed) {
            let mut late = self.lateness();
            late.in_time(hash(key), now);
            self.slow.store(!late.is_empty(), Ordering::Relaxed);
        }
    }

    /// Whether the page's visitors are to get a copy at once, because it, or the whole site, is late.
    pub fn is_late(&self, key: &str, now: Instant) -> bool {
        self.slow.load(Ordering::Relaxed) && self.lateness().is_late(hash(key), now)
    }

    /// Leave to fetch a late page beside the copy that its visitor gets, if nobody does so yet. Given back when it is
    /// dropped.
    pub fn beside(self: &Arc<Self>, key: &str, now: Instant) -> Option<Leave> {
        let page = hash(key);
        self.lateness().begins(page, now).then(|| Leave { watch: self.clone(), page })
    }

    /// Whether a crawl that ended at this time is news; from now on it is not.
    pub fn hear(&self, ended: SystemTime) -> bool {
        self.inner().heard.replace(ended) != Some(ended)
    }

    /// A crawl was held for what it found. Whether the site is still so, is looked into at once; a few of the pages that had
    /// turned into something else, by their keys.
    pub fn doubted(&self, pages: &[String]) {
        self.doubt.raise(pages.iter().map(String::as_str));
        self.woken.notify_one();
    }

    /// Something else than visitors' answers says that the site is not there: it is not until it is proven.
    pub fn raise(&self, cause: Cause, now: Now) {
        let mut inner = self.inner();
        inner.flood = inner.flood.or(Some((now, cause)));
        self.count(&inner);
        drop(inner);
        self.woken.notify_one();
    }

    /// Pages to be asked for again, see [`Memo::due`].
    pub fn due(&self, most: usize, now: Instant) -> Vec<Due> {
        self.inner().memo.due(most, now)
    }

    /// See [`Memo::give_back`].
    pub fn give_back(&self, key: &str, now: Instant) {
        self.inner().memo.give_back(key, now);
    }

    /// When the next page is to be asked for again.
    pub fn next(&self) -> Option<Instant> {
        self.inner().memo.next()
    }

    /// The site's server is back: all bad pages are to be asked for again at once.
    pub fn hasten(&self, now: Instant) {
        if self.slow.swap(false, Ordering::Relaxed) {
            self.lateness().clear();
        }
        if self.bad.load(Ordering::Relaxed) > 0 {
            self.inner().memo.hasten_all(now);
            self.woken.notify_one();
        }
    }

    /// The site was proven to be there, key pages and most others: single pages speak for themselves again.
    pub fn ebb(&self) {
        let mut inner = self.inner();
        inner.flood = None;
        inner.window.clear();
        self.count(&inner);
    }

    /// Since when most answers are bad, and what they are.
    pub fn flood(&self) -> Option<(Now, Cause)> {
        if self.flooded.load(Ordering::Relaxed) { self.inner().flood } else { None }
    }

    /// The parts of the site that have bad pages.
    pub fn branches(&self) -> Vec<Branch> {
        if self.bad.load(Ordering::Relaxed) == 0 { Vec::new() } else { self.inner().memo.branches() }
    }

    /// How many pages are bad.
    pub fn bad_pages(&self) -> usize {
        self.bad.load(Ordering::Relaxed)
    }

    /// Records the site's state, see [`Reported::observe`]. Why it is not well, its pages say if `cause` does not.
    pub fn observe(&self, state: State, cause: Option<Cause>, now: Now) -> Option<Change> {
        let mut inner = self.inner();
        let of_pages = match state {
            State::Down => inner.flood.map(|(_, cause)| cause),
            State::Degraded | State::Recovering => inner.memo.cause(),
            State::Unproven | State::Up => None,
        };
        self.last.store(state as u8, Ordering::Relaxed);
        // a status only says that something is wrong
        let is_status = cause.is_some_and(|cause| (Cause::ServerError..=Cause::BadStatus).contains(&cause));
        let telling = inner.memo.cause().filter(|cause| is_status && cause.is_telling());
        inner.reported.observe(state, telling.or(cause).or(of_pages), now)
    }

    /// The state that was taken note of last.
    pub fn last(&self) -> State {
        State::ALL[usize::from(self.last.load(Ordering::Relaxed)) % State::ALL.len()]
    }

    /// What was taken note of last.
    pub fn reported(&self) -> Reported {
        self.inner().reported
    }

    fn count(&self, inner: &Inner) {
        self.marked.store(inner.memo.len(), Ordering::Relaxed);
        self.bad.store(inner.memo.bad_pages(), Ordering::Relaxed);
        self.flooded.store(inner.flood.is_some(), Ordering::Relaxed);
    }

    fn lateness(&self) -> MutexGuard<'_, Late> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock guards plain values, and is never held while waiting.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to fetch a late page.
#[derive(Debug)]
pub struct Leave {
    watch: Arc<PageHealth>,
    page: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.watch.lateness().ended(self.page);
    }
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const CAUSE: Cause = Cause::DatabaseError;

    fn bad(watch: &PageHealth, key: &str, now: Now) {
        watch.mark_bad((key, "http://h/"), Weight::Page, CAUSE, now, 0.5);
    }

    #[test]
    fn a_bad_page_is_remembered_until_it_is_good() {
        let (watch, now) = (PageHealth::default(), crate::clock::now());
        assert_eq!((watch.mark("/a"), watch.pages()), (Mark::None, Pages::Fine));
        bad(&watch, "/a", now);
        assert_eq!(
            (watch.mark("/a"), watch.mark("/b"), watch.pages()),
            (Mark::Bad(CAUSE), Mark::None, Pages::SomeBad)
        );
        watch.note_good("/b", Weight::Page, now.mono);
        assert_eq!(watch.pages(), Pages::SomeBad);
        watch.note_good("/a", Weight::Part, now.mono);
        assert_eq!((watch.mark("/a"), watch.pages()), (Mark::None, Pages::Fine));
    }

    #[test]
    fn most_pages_bad_is_the_site_gone_until_it_is_proven() {
        let (watch, now) = (PageHealth::default(), crate::clock::now());
        for n in 0..20 {
            watch.mark_bad((&format!("/{n}.css"), ""), Weight::Part, CAUSE, now, 0.5);
        }
        assert_eq!(watch.pages(), Pages::SomeBad, "what pages need is not the site");
        for n in 0..8 {
            bad(&watch, &format!("/{n}"), now);
        }
        assert_eq!((watch.pages(), watch.flood()), (Pages::MostBad, Some((now, CAUSE))));
        watch.note_good("/0", Weight::Page, now.mono);
        assert_eq!(watch.pages(), Pages::MostBad, "one good page is no proof");
        watch.ebb();
        assert_eq!((watch.pages(), watch.flood()), (Pages::SomeBad, None));
        bad(&watch, "/9", now);
        assert_eq!(watch.pages(), Pages::SomeBad, "what was before the proof does not count");
    }

    #[test]
    fn removed_pages_do_not_make_a_site_bad() {
        let (watch, now) = (PageHealth::default(), crate::clock::now());
        watch.mark_gone("/a", 404, now);
        assert_eq!((watch.mark("/a"), watch.pages()), (Mark::Gone { status: 404, since: now }, Pages::Fine));
    }

    #[test]
    fn a_restart_brings_no_removed_page_back() {
        let (dir, now) = (tempfile::tempdir().unwrap(), crate::clock::now());
        let open = || PageHealth::open(dir.path(), "shop", now);
        let watch = open();
        assert!(!watch.is_unsaved());
        watch.mark_gone("/a", 410, now);
        bad(&watch, "/b", now);
        assert!(watch.is_unsaved());
        watch.save();
        assert!(!watch.is_unsaved());
        let again = open();
        let Mark::Gone { status: 410, since } = again.mark("/a") else { panic!("{:?}", again.mark("/a")) };
        assert!(since.wall >= now.wall && !again.is_unsaved());
        assert_eq!(again.mark("/b"), Mark::None);
        again.note_good("/a", Weight::Page, now.mono);
        assert!(again.is_unsaved());
        again.save();
        assert_eq!(open().mark("/a"), Mark::None);
    }

    #[test]
    fn the_cause_of_a_state_is_the_origins_or_the_pages() {
        let (watch, now) = (PageHealth::default(), crate::clock::now());
        bad(&watch, "/a", now);
        let seen = |state, cause| watch.observe(state, cause, now).and_then(|change| change.to.cause);
        assert_eq!(seen(State::Degraded, None), Some(CAUSE));
        assert_eq!(seen(State::Down, Some(Cause::Refused)), Some(Cause::Refused));
        assert_eq!(seen(State::Up, None), None);
        assert_eq!(watch.reported().state, State::Up);
        for state in State::ALL {
            watch.observe(state, None, now);
            assert_eq!(watch.last(), state);
        }
        watch.hasten(now.mono);
        assert_eq!(watch.due(9, now.mono + Duration::from_millis(1)).len(), 1);
    }
}
