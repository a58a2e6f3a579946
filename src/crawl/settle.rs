//! What becomes of one address: counted, staged, noted for the gate and the report, and followed.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::admission::Refusal;
use super::course::Crawl;
use super::fetch::Fetch;
use super::findings::Findings;
use super::frontier::{Item, Offered, Priority, step};
use super::gate::Fate;
use super::links::Need;
use super::outcome::CrawlError;
use super::report::Failed;
use super::visit::{End, Visit};
use crate::snapshot::Page;

/// Files that fail one after the other until the site counts as gone.
const FAILURES_IN_A_ROW: u32 = 24;

impl<F: Fetch> Crawl<'_, F> {
    /// Takes note of what became of one address.
    pub(super) fn settle(&mut self, visit: Visit, follow: bool) -> Result<(), CrawlError> {
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
        self.frontier.learn(item, &findings.sketch);
        for (key, need) in findings.links {
            let rank = Priority { visits: 0, lastmod: findings.lastmod.get(&key).copied() };
            let (need, depth, hops) = match need {
                Need::Link => (Need::Link, item.depth + step(&item.key, &key), 0),
                Need::Key | Need::Site | Need::Draw => (Need::Draw, item.depth, item.hops + 1),
            };
            if !self.frontier.knows(&key, need, depth, rank) {
                let found_on = Some(item.key.clone());
                self.offer_item(Item { key: key.into(), need, depth, hops, found_on, rank });
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

    pub(super) fn offer(
        &mut self,
        key: &str,
        need: Need,
        depth: u32,
        hops: u32,
        found_on: Option<&Arc<str>>,
    ) {
        let (found_on, rank) = (found_on.cloned(), Priority::default());
        self.offer_item(Item { key: key.into(), need, depth, hops, found_on, rank });
    }

    fn offer_item(&mut self, item: Item) {
        if let Offered::Refused(refusal) = self.frontier.offer(item.clone(), &self.policy) {
            self.refuse(refusal, &item);
        }
    }

    pub(super) fn refuse(&mut self, refusal: Refusal, item: &Item) {
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
