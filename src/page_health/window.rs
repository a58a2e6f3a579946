//! The last answers of the site's pages, each page counted once. If most of them are bad, the site is not there, whatever its
//! server claims.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::failure::Cause;

/// Pages remembered.
const MOST: usize = 50;
/// For how long an answer counts.
const SPAN: Duration = Duration::from_secs(60);
/// The least number of different pages that it takes: a small failing branch is not the site.
const LEAST: usize = 8;
/// How many of ten have to be bad.
const OF_TEN: usize = 8;

/// One page's last answer.
#[derive(Clone, Copy, Debug)]
struct Answer {
    /// The page's hash: two pages with the same would count as one.
    page: u64,
    bad: Option<Cause>,
    at: Instant,
}

/// The last answers, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Window(VecDeque<Answer>);

impl Window {
    /// Records a page's answer: good, or bad and why.
    pub fn note(&mut self, page: u64, bad: Option<Cause>, now: Instant) {
        if let Some(at) = self.0.iter().position(|answer| answer.page == page) {
            self.0.remove(at);
        } else if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back(Answer { page, bad, at: now });
    }

    /// Whether most of the recent answers were bad, and what most of those were.
    pub fn mostly_bad(&self, now: Instant) -> Option<Cause> {
        let recent = self.0.iter().filter(|answer| now.saturating_duration_since(answer.at) < SPAN);
        let (mut all, mut bad) = (0, Vec::new());
        for answer in recent {
            all += 1;
            bad.extend(answer.bad);
        }
        let is_most = all >= LEAST && bad.len() * 10 >= all * OF_TEN;
        is_most.then(|| commonest(bad)).flatten()
    }

    /// Forgets everything: what comes from now on counts.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The most telling of them that is at least a quarter of all; of several the commonest, and then the first in the table of
/// causes. A dead database is that, however many pages only say 500.
pub(super) fn commonest(mut causes: Vec<Cause>) -> Option<Cause> {
    causes.sort_unstable();
    let all = causes.len();
    let runs = causes.chunk_by(|a, b| a == b).filter(|run| run.len() * 4 >= all);
    let told = runs.rev().max_by_key(|run| (run[0].is_telling(), run.len())).map(|run| run[0]);
    // where there are many, each of which is rare, the commonest has to do
    told.or_else(|| causes.chunk_by(|a, b| a == b).rev().max_by_key(|run| run.len()).map(|run| run[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Option<Cause> = Some(Cause::DatabaseError);

    #[test]
    fn it_takes_most_of_enough_recent_and_different_pages() {
        let now = crate::clock::instant();
        let seconds = |n| now + Duration::from_secs(n);
        // (pages with their answer, asked when, expected)
        let run = |answers: &[(u64, Option<Cause>, u64)], at: u64| {
            let mut window = Window::default();
            for &(page, bad, second) in answers {
                window.note(page, bad, seconds(second));
            }
            window.mostly_bad(seconds(at))
        };
        let bad = |n: u64| (0..n).map(|page| (page, BAD, 0)).collect::<Vec<_>>();
        assert_eq!(run(&[], 0), None);
        assert_eq!(run(&bad(7), 0), None, "too few");
        assert_eq!(run(&bad(8), 0), BAD);
        assert_eq!(run(&bad(8), 59), BAD);
        assert_eq!(run(&bad(8), 60), None, "too old");
        assert_eq!(run(&[(1, BAD, 0); 20], 0), None, "one page");
        let mixed = |good: u64| [bad(8), (100..100 + good).map(|page| (page, None, 1)).collect()].concat();
        assert_eq!(run(&mixed(2), 1), BAD, "eight of ten");
        assert_eq!(run(&mixed(3), 1), None);
        let healed = [bad(8), vec![(0, None, 1), (1, None, 1)]].concat();
        assert_eq!(run(&healed, 1), None, "a page's last answer counts");
    }

    #[test]
    fn old_pages_make_room_and_the_commonest_cause_is_told() {
        let now = crate::clock::instant();
        let mut window = Window::default();
        (0..60).for_each(|page| window.note(page, None, now));
        assert_eq!(window.0.len(), MOST);
        (100..140).for_each(|page| window.note(page, BAD, now));
        assert_eq!(window.mostly_bad(now), BAD);
        window.clear();
        assert_eq!(window.mostly_bad(now), None);
        let causes = vec![Cause::Parking, Cause::Silent, Cause::Parking, Cause::Silent];
        assert_eq!(commonest(causes), Some(Cause::Parking), "it tells what is wrong");
        let causes = vec![Cause::Silent, Cause::ServerError, Cause::Silent, Cause::ServerError];
        assert_eq!(commonest(causes), Some(Cause::Silent), "the first in the table");
        assert_eq!(commonest(vec![Cause::Parking, Cause::Silent, Cause::Parking]), Some(Cause::Parking));
        let many = [vec![Cause::ServerError; 3], vec![Cause::DatabaseError]].concat();
        assert_eq!(commonest(many), Some(Cause::DatabaseError), "the most telling");
        let few = [vec![Cause::ServerError; 4], vec![Cause::DatabaseError]].concat();
        assert_eq!(commonest(few), Some(Cause::ServerError), "one page's fault");
        assert_eq!(commonest(Vec::new()), None);
    }
}
