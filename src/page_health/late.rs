//! Pages whose answers come later than visitors wait. After the first visitor has waited, the next ones get the copy at once,
//! and the page is fetched in the background (as RFC 5861 does with stale-while-revalidate). If most pages are late, the
//! whole site is (a brown-out).

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

/// Pages remembered.
const MOST: usize = 4096;
/// For how long one visitor's wait holds; then another one tries.
const HOLDS: Duration = Duration::from_secs(10);
/// A fetch that nothing was heard of may be begun again after this.
const LEASE: Duration = Duration::from_secs(60);
/// Fetches beside copies at once, for one site.
const AT_ONCE: usize = 8;
/// The last pages by which the site is judged,
const LAST: usize = 10;
/// The number of them that have to be late,
const LATE: usize = 8;
/// if they are not older than this.
const SPAN: Duration = Duration::from_secs(60);
/// Timely answers in a row, of pages that were late, that end it: if visitors request only one page, the others would say so
/// only when they are too old to count.
const MENDED: u32 = 3;

/// How late a site's pages are.
#[derive(Clone, Debug, Default)]
pub(super) struct Late {
    /// When each was late.
    pages: HashMap<u64, Instant>,
    /// The last pages that were asked for since one was late, each once: whether it was late, and when.
    last: VecDeque<(u64, bool, Instant)>,
    /// The pages that were late in this brown-out and came in time since, and how many such answers there were in a row.
    mended: (HashSet<u64>, u32),
    /// Fetches under way, and since when.
    under_way: HashMap<u64, Instant>,
}

impl Late {
    /// Whether there is nothing to know.
    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty() && self.last.is_empty()
    }

    /// A visitor waited in vain, or the answer came after he had gone.
    pub(super) fn late(&mut self, page: u64, now: Instant) {
        if self.pages.len() >= MOST {
            self.pages.retain(|_, since| now.saturating_duration_since(*since) < HOLDS);
        }
        if self.pages.len() < MOST {
            self.pages.insert(page, now);
        }
        self.mended.1 = 0;
        self.note(page, true, now);
    }

    /// An answer came in time. If it was late before, what has mended it has mended the others, most likely: they are tried
    /// again, unless most of them are late.
    pub(super) fn in_time(&mut self, page: u64, now: Instant) {
        let is_brown_out = self.is_brown_out(now);
        if is_brown_out && self.is_mended(page) {
            return self.clear();
        }
        let was_late = self.pages.remove(&page).is_some() || is_brown_out;
        self.note(page, false, now);
        if was_late && !self.is_brown_out(now) {
            self.pages.clear();
        }
        if self.pages.is_empty() && self.last.iter().all(|(_, late, _)| !late) {
            self.last.clear();
        }
    }

    /// Whatever was late was another time: the site was down since then.
    pub(super) fn clear(&mut self) {
        self.pages.clear();
        self.last.clear();
        self.mended = Default::default();
    }

    /// Counts an answer in time; says whether there were enough of pages that had been late.
    fn is_mended(&mut self, page: u64) -> bool {
        let (pages, answers) = &mut self.mended;
        let is_known = self.last.iter().any(|(known, late, _)| *known == page && *late);
        // at most as many as were late at once
        if is_known && pages.len() < LAST {
            pages.insert(page);
        }
        *answers += u32::from(pages.contains(&page));
        *answers >= MENDED
    }

    /// Whether its visitors are to get the copy at once.
    pub(super) fn is_late(&self, page: u64, now: Instant) -> bool {
        let holds = |since: &Instant| now.saturating_duration_since(*since) < HOLDS;
        self.pages.get(&page).is_some_and(holds) || self.is_brown_out(now)
    }

    /// Whether the page is to be fetched beside the copy that was given. If so, the caller says when that has
    /// [`Late::ended`].
    pub(super) fn begins(&mut self, page: u64, now: Instant) -> bool {
        self.under_way.retain(|_, since| now.saturating_duration_since(*since) < LEASE);
        let may = self.under_way.len() < AT_ONCE && !self.under_way.contains_key(&page);
        if may {
            self.under_way.insert(page, now);
        }
        may
    }

    /// The fetch beside the copy has ended.
    pub(super) fn ended(&mut self, page: u64) {
        self.under_way.remove(&page);
    }

    fn note(&mut self, page: u64, late: bool, now: Instant) {
        self.last.retain(|(known, _, at)| *known != page && now.saturating_duration_since(*at) < SPAN);
        if self.last.len() >= LAST {
            self.last.pop_front();
        }
        self.last.push_back((page, late, now));
    }

    fn is_brown_out(&self, now: Instant) -> bool {
        let late = |(_, late, at): &&(u64, bool, Instant)| *late && now.saturating_duration_since(*at) < SPAN;
        self.last.iter().filter(late).count() >= LATE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(begin: Instant, n: u64) -> Instant {
        begin + Duration::from_secs(n)
    }

    #[test]
    fn one_wait_holds_for_the_next_visitors_of_that_page() {
        let begin = crate::clock::instant();
        let mut late = Late::default();
        assert!(!late.is_late(1, begin) && late.is_empty());
        late.late(1, begin);
        assert!(late.is_late(1, seconds(begin, 9)) && !late.is_late(2, begin));
        assert!(!late.is_late(1, seconds(begin, 10)), "then somebody tries again");
        late.late(1, seconds(begin, 10));
        late.in_time(1, seconds(begin, 11));
        assert!(!late.is_late(1, seconds(begin, 11)) && late.is_empty());
    }

    #[test]
    fn most_of_the_last_pages_late_is_the_site() {
        let begin = crate::clock::instant();
        let after = |late_pages: u64, good_pages: u64| {
            let mut late = Late::default();
            (0..late_pages).for_each(|page| late.late(page, begin));
            (100..100 + good_pages).for_each(|page| late.in_time(page, begin));
            late
        };
        for (pages, good, expected) in
            [(7, 0, false), (8, 0, true), (8, 2, true), (8, 3, false), (20, 2, true), (20, 3, false)]
        {
            let late = after(pages, good);
            assert_eq!(late.is_late(999, begin), expected, "{pages} late, {good} in time");
            assert!(!late.is_late(999, seconds(begin, 60)), "that was a minute ago");
        }
        assert!(!after(20, 3).is_late(0, begin), "it is over for all of them");
        let mut few = after(3, 0);
        few.in_time(0, begin);
        assert!(!few.is_late(1, begin), "the others are tried again");
        let mut mended = after(12, 0);
        mended.in_time(5, begin);
        mended.in_time(5, begin);
        assert!(mended.is_late(999, begin), "twice may be luck");
        mended.late(6, begin);
        (0..2).for_each(|_| mended.in_time(5, begin));
        assert!(mended.is_late(999, begin), "another page was late meanwhile");
        (0..2).for_each(|_| mended.in_time(5, begin));
        assert!(
            !mended.is_late(999, begin) && mended.is_empty(),
            "who asks for one page only has it back, too"
        );
        let mut one = Late::default();
        (0..20).for_each(|n| one.late(1, seconds(begin, n)));
        assert!(!one.is_late(2, seconds(begin, 20)), "one page is not the site");
    }

    #[test]
    fn a_page_is_fetched_once_at_a_time_and_few_pages_are() {
        let begin = crate::clock::instant();
        let mut late = Late::default();
        assert!(late.begins(1, begin) && !late.begins(1, begin));
        late.ended(1);
        assert!((1..=8).all(|page| late.begins(page, begin)));
        assert!(!late.begins(9, begin), "there are enough of them");
        assert!(late.begins(9, seconds(begin, 60)), "nothing was heard of them");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let begin = crate::clock::instant();
        let mut late = Late::default();
        (0..10_000).for_each(|page| late.late(page, begin));
        assert_eq!((late.pages.len(), late.last.len()), (MOST, LAST));
        let mut cleared = late.clone();
        cleared.clear();
        assert!(cleared.is_empty() && !cleared.is_late(9_999, begin));
        late.late(20_000, seconds(begin, 10));
        assert_eq!(late.pages.len(), 1);
    }
}
