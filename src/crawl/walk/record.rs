//! What becomes of one address: counted, staged, noted for the gate and the report, and followed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::frontier::{Offered, step};
use super::results::{FetchResult, Stored};
use super::{Crawl, Source};
use crate::content::links::Need;
use crate::crawl::accept::extract::Findings;
use crate::crawl::fetch::{End, Fetched};
use crate::crawl::item::{Item, Priority};
use crate::crawl::outcome::CrawlError;
use crate::crawl::refusal::Refusal;
use crate::crawl::report::Failed;
use crate::crawl::transport::Fetch;
use crate::snapshot::{Class, Page};

/// Files that fail one after the other until the site counts as gone.
const FAILURES_IN_A_ROW: u32 = 24;

/// Files that one page may need to be drawn: a gallery's pictures.
const PAGE_NEEDS: usize = 5000;
/// Files that one style sheet, script or list may need.
const FILE_NEEDS: usize = 2000;

/// Takes the files out of `links` that are needed beyond the first `most` ones.
fn beyond(links: &mut Vec<(String, Need)>, most: usize) -> Vec<(String, Need)> {
    let mut needed = 0;
    let over = links.extract_if(.., |(_, need)| {
        needed += usize::from(*need != Need::Link);
        *need != Need::Link && needed > most
    });
    over.collect()
}

impl<F: Fetch> Crawl<'_, F> {
    /// Records what became of one address. What came from the staging is in it already.
    pub(super) fn settle(&mut self, visit: Fetched, source: Source, follow: bool) -> Result<(), CrawlError> {
        let Fetched { item, end, took } = visit;
        let counters = self.fetcher.progress.counters();
        if self.is_own(&item.key) && !matches!(end, End::Failed(..)) {
            self.failures_in_a_row = 0;
        }
        match source {
            Source::Site if matches!(end, End::Body(..) | End::Redirect(..)) => {
                self.report.took(&item.key, took);
            }
            Source::Site => {}
            Source::Staging => _ = counters.recalled.fetch_add(1, Relaxed),
        }
        match end {
            End::Body(page, findings) => {
                if findings.unchanged {
                    counters.unchanged.fetch_add(1, Relaxed);
                }
                self.store(&item, *page, source, *findings, follow)?;
            }
            End::Redirect(page, to) => {
                if source == Source::Site {
                    self.fetcher.staging.add(*page)?;
                }
                counters.redirects.fetch_add(1, Relaxed);
                let result = to.as_deref().map_or(FetchResult::Away, |to| FetchResult::Redirect(to.into()));
                self.end(&item.key, result);
                if let Some(to) = to.filter(|_| follow) {
                    self.redirected(&item, &to);
                }
            }
            End::Refused(refusal) => self.refuse(refusal, &item),
            End::Wrong(kind) => {
                counters.refused.fetch_add(1, Relaxed);
                self.report.refuse(Refusal::WrongPage, &item.key, item.found_on.as_deref(), Some(kind));
                self.end(&item.key, FetchResult::Wrong(kind));
            }
            End::Failed(cause, detail) => {
                self.fail(item, cause.code(), detail);
            }
            End::Stage(error) => return Err(error.into()),
            End::Ending => return Err(CrawlError::Ending),
        }
        Ok(())
    }

    /// Whether it is the site's, and says something of it.
    fn is_own(&self, key: &str) -> bool {
        self.fetcher.scope.elsewhere(key).is_none()
    }

    fn end(&mut self, key: &Arc<str>, result: FetchResult) {
        self.links.ended(key, &result);
        self.results.set(key.clone(), result);
    }

    fn fail(&mut self, item: Item, cause: &'static str, detail: String) {
        self.end(&item.key, FetchResult::Failed(cause, detail.as_str().into()));
        self.failures_in_a_row += u32::from(self.is_own(&item.key));
        if self.failures_in_a_row >= FAILURES_IN_A_ROW {
            let why = format!("{FAILURES_IN_A_ROW} requests in a row failed, the last with {cause}");
            self.cut_short = Some(why);
        }
        if item.need == Need::Guess {
            return;
        }
        self.fetcher.progress.counters().errors.fetch_add(1, Relaxed);
        let (path, found_on) = (item.key.to_string(), item.found_on.map(|on| on.to_string()));
        self.report.fail(Failed { path, found_on, cause: cause.into(), detail });
    }

    fn store(
        &mut self,
        item: &Item,
        page: Page,
        source: Source,
        findings: Findings,
        follow: bool,
    ) -> Result<(), CrawlError> {
        let counters = self.fetcher.progress.counters();
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
        if let Some(lesson) = &findings.lesson {
            self.learning.page(lesson);
        }
        let (text, login, empty) = (page.notes.text, findings.login, page.len == 0);
        let text_hash = findings.visible.map_or(0, |visible| visible.text_hash);
        if source == Source::Site {
            self.fetcher.staging.add(page)?;
        }
        self.report.text += u64::from(text.unwrap_or(0));
        self.addresses.note(&item.key, &findings);
        self.forms.note(&findings.forms);
        self.end(&item.key, FetchResult::Stored(Stored { is_page, text, text_hash, login, empty }));
        if follow {
            self.follow(item, findings);
        }
        Ok(())
    }

    /// Offers what a file leads to.
    fn follow(&mut self, item: &Item, mut findings: Findings) {
        self.frontier.learn(item, &findings.shingles);
        let most = if findings.lesson.is_some() { PAGE_NEEDS } else { FILE_NEEDS };
        for (key, _) in beyond(&mut findings.links, most) {
            // Not one by one among the results: there may be more of these than the site has files.
            self.fetcher.progress.counters().refused.fetch_add(1, Relaxed);
            self.report.refuse(Refusal::RequisiteLimit, &key, Some(&item.key), None);
        }
        if item.need != Need::Link {
            // Another host's trouble does not keep the site's own copy back.
            let own = |key: &str| self.is_own(key);
            let needs = findings.links.iter().filter(|(key, need)| *need == Need::Requisite && own(key));
            self.drawn.note(&item.key, needs.map(|(key, _)| key.as_str().into()).collect());
        }
        for (key, need) in findings.links {
            let (need, depth, hops) = match need {
                Need::Link => (Need::Link, item.depth + step(&item.key, &key), 0),
                Need::Key | Need::Site | Need::Requisite => (Need::Requisite, item.depth, item.hops + 1),
                Need::Guess => (Need::Guess, item.depth, item.hops + 1),
            };
            self.offer_dated(&key, need, depth, hops, Some(&item.key), findings.lastmod.get(&key).copied());
        }
        let depth = self.maps.get(&item.key).copied().unwrap_or(0);
        for key in findings.maps {
            self.map(&key, depth + 1);
        }
    }

    /// The target of a redirect is wanted for what the redirect was wanted for.
    fn redirected(&mut self, item: &Item, to: &str) {
        if let Some(depth) = self.maps.get(&item.key).copied() {
            self.map(to, depth + 1);
        }
        self.offer(to, item.need, item.depth, item.hops + 1, Some(&item.key));
    }

    /// Takes redirects that lead back to themselves over others out again: none of them is a page, whatever was there before.
    pub(super) fn leave_circles_out(&mut self) {
        let circles = self.results.circles();
        let keys: HashSet<&str> = circles.iter().map(|(key, _)| &**key).collect();
        self.fetcher.staging.leave_out(&keys);
        let counters = self.fetcher.progress.counters();
        for (key, to) in &circles {
            counters.redirects.fetch_sub(1, Relaxed);
            counters.refused.fetch_add(1, Relaxed);
            self.results.set(key.clone(), FetchResult::Refused(Refusal::RedirectLoop));
            self.report.refuse(Refusal::RedirectLoop, key, Some(to), None);
        }
    }

    /// Wants an address fetched.
    pub(super) fn offer(
        &mut self,
        key: &str,
        need: Need,
        depth: u32,
        hops: u32,
        found_on: Option<&Arc<str>>,
    ) {
        self.offer_dated(key, need, depth, hops, found_on, None);
    }

    /// The same for an address of which the site says when it was changed last, in seconds since the epoch.
    fn offer_dated(
        &mut self,
        key: &str,
        need: Need,
        depth: u32,
        hops: u32,
        found_on: Option<&Arc<str>>,
        lastmod: Option<i64>,
    ) {
        // Also when it has been fetched already: it is not there for its visitors alone.
        if found_on.is_some() && self.learned.is_linked(key) {
            self.offer_learned();
        }
        let result = self.results.get(key);
        if let Some(result) = result.filter(|result| result.is_answer()) {
            if let Some(on) = found_on.filter(|_| need != Need::Guess) {
                self.links.again(key, result, on);
            }
            return;
        }
        let refused = result.is_some();
        let rank = Priority { visits: self.learned.visits(key), lastmod };
        let offered = if self.frontier.knows(key, need, depth, rank) {
            Offered::Known
        } else {
            let item = Item { key: key.into(), need, depth, hops, found_on: found_on.cloned(), rank };
            let offered = self.frontier.offer(item.clone(), &self.policy);
            if let Offered::Refused(refusal) = offered {
                self.refuse(refusal, &item);
            }
            offered
        };
        match (offered, found_on) {
            (Offered::Known, _) if refused => {}
            (Offered::Queued | Offered::Known, Some(on)) if need != Need::Guess => self.links.open(key, on),
            (Offered::Queued | Offered::Known | Offered::Refused(_), _) => {}
        }
    }

    /// Pages that are stored for their visitors alone.
    pub(super) fn learned_pages(&self) -> u64 {
        let is_page = |key: &&Arc<str>| matches!(self.results.get(key), Some(FetchResult::Stored(stored)) if stored.is_page);
        self.learned.unlinked().filter(is_page).count() as u64
    }

    /// Offers what visitors ask for, as far as there is room for what no link leads to.
    pub(super) fn offer_learned(&mut self) {
        while let Some(key) = self.learned.next() {
            let rank = Priority { visits: self.learned.visits(&key), lastmod: None };
            let item = Item { key: key.clone(), need: Need::Link, depth: 0, hops: 0, found_on: None, rank };
            match self.frontier.offer(item.clone(), &self.policy) {
                Offered::Queued => self.learned.takes_room(key),
                Offered::Known => {}
                Offered::Refused(refusal) => self.refuse(refusal, &item),
            }
        }
    }

    /// Offers the files that only browsers find. There may be others in their places by now, so that they are wanted no
    /// more than a guess is.
    pub(super) fn offer_requisites(&mut self) {
        for key in self.learned.requisites() {
            self.offer(&key, Need::Guess, 0, 0, None);
        }
    }

    /// Records an address that is not fetched or not stored.
    pub(super) fn refuse(&mut self, refusal: Refusal, item: &Item) {
        self.end(&item.key, FetchResult::Refused(refusal));
        // Nobody has promised a favicon, or what a text in a script looks like.
        let missing = matches!(refusal, Refusal::NotFound | Refusal::Gone);
        if item.need == Need::Guess || item.need == Need::Site && missing {
            return;
        }
        self.fetcher.progress.counters().refused.fetch_add(1, Relaxed);
        self.report.refuse(refusal, &item.key, item.found_on.as_deref(), None);
    }
}
