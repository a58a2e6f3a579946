//! An early crawl, when visitors request pages that the current snapshot lacks. A page that nothing links to should not wait
//! for hours until it is safe, and a crawl that finds most things unchanged is cheap.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::snapshot::Store;
use crate::visits::Visits;
use crate::{clock, tasks};

/// Visits to missing pages that are worth a crawl.
const WORTH: u64 = 5;
/// The most early crawls between two regular ones.
const TIMES: u32 = 24;
/// An early crawl may begin this long after the last one, if that is sooner.
const LONGEST_REST: Duration = Duration::from_secs(15 * 60);
/// The interval between two looks at the list.
const LOOK: Duration = Duration::from_secs(30);

/// What the crawls so far have tried.
#[derive(Debug)]
pub(super) struct Early {
    visits: Arc<Visits>,
    /// What was learned after this has not been tried.
    mark: u64,
    /// When the last crawl ended.
    last: Instant,
}

impl Early {
    /// Nothing has been tried.
    pub(super) fn new(visits: Arc<Visits>) -> Early {
        Early { visits, mark: 0, last: clock::instant() }
    }

    /// A crawl begins: it tries all that is known by now. What it does not get is not worth another one.
    pub(super) fn begins(&mut self) {
        self.mark = self.visits.learned();
    }

    /// It has ended.
    pub(super) fn ended(&mut self) {
        self.last = clock::instant();
    }

    /// Waits until an early crawl is worthwhile; `every` is the interval of regular ones.
    pub(super) async fn wait(&self, store: &Store, every: Duration) {
        let since = clock::instant().saturating_duration_since(self.last);
        tokio::time::sleep(rest(every).saturating_sub(since)).await;
        loop {
            // Paths that are on the list may still have to be asked for more often.
            if self.visits.learned() != self.mark {
                let (visits, store, mark) = (self.visits.clone(), store.clone(), self.mark);
                let missing = tasks::blocking(move || missing(&visits, &store, mark)).await;
                if missing.is_some_and(|visits| visits >= WORTH) {
                    tracing::info!(
                        site = self.visits.site(),
                        visits = missing,
                        "visitors request pages that the snapshot lacks"
                    );
                    return;
                }
            }
            tokio::time::sleep(LOOK.min(rest(every))).await;
        }
    }
}

/// How long after a crawl the next early one may begin.
fn rest(every: Duration) -> Duration {
    (every / TIMES).min(LONGEST_REST)
}

/// How many visits went to pages that were learned since `mark` and are not in the current snapshot. Blocks.
fn missing(visits: &Visits, store: &Store, mark: u64) -> u64 {
    let current = store.current();
    let lacks = |key: &str| !current.as_ref().is_some_and(|current| matches!(current.find(key), Ok(Some(_))));
    let learned = visits.popular_since(mark, clock::now().wall);
    learned.iter().filter(|(key, _)| lacks(key)).map(|(_, visits)| visits).sum()
}

#[cfg(test)]
mod tests {
    use super::super::{Progress, take, testing};
    use super::*;

    #[test]
    fn crawls_before_their_time_are_rare() {
        for (every, seconds) in [(6 * 3600, 900), (24 * 3600, 900), (3600, 150), (24, 1), (1, 0)] {
            assert_eq!(rest(Duration::from_secs(every)).as_secs(), seconds, "{every}");
        }
    }

    #[tokio::test]
    async fn only_what_is_new_and_missing_counts() {
        let (dir, store) = testing::store();
        let visits = Visits::open(dir.path(), "shop");
        let now = clock::now();
        let ask = |key: &str, times: u64| (0..times).for_each(|_| visits.observe(key, now.wall));
        ask("/tried", 9);
        let mark = visits.learned();
        ask("/there", 3);
        ask("/new", 2);
        ask("/newer", 2);
        assert_eq!(missing(&visits, &store, mark), 7, "there is no snapshot");
        let fetch = testing::MemorySite::of(&[("/there", "<p>there")]);
        take(&testing::site(&["/there"]), &fetch, &store, None, &Progress::new(), now).await.unwrap();
        assert_eq!(missing(&visits, &store, mark), 4);
        assert_eq!(missing(&visits, &store, 0), 13);
    }
}
